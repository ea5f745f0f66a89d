//! How messages name things: which names may be shown, which is meant by a mistyped one, how choices are listed.

use super::api_key::PREFIXES;

const LONGEST_NAME: usize = 40;

/// The name, where it can be shown in a message. What does not look like the name of an option may be a value in the
/// wrong place, an API key for one.
pub(super) fn showable(name: &str) -> Option<&str> {
    let plain = name.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-'));
    (plain && (1..=LONGEST_NAME).contains(&name.len()) && !holds_api_key(name)).then_some(name)
}

/// The text with what must not be shown taken out: an API key, or a URL's user name and password.
pub(super) fn shown(text: &str) -> String {
    if holds_api_key(text) {
        return "(not shown)".into();
    }
    match text.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?.1))) {
        Some((scheme, rest)) => format!("{scheme}://***@{rest}"),
        None => text.to_owned(),
    }
}

fn holds_api_key(text: &str) -> bool {
    PREFIXES.iter().any(|prefix| text.contains(prefix))
}

/// The known name that was most likely meant.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let extended = known.iter().find(|known| name.len() > 3 && known.starts_with(name));
    let similar = || known.iter().filter(|known| distance(name, known) <= 2).min_by_key(|known| distance(name, known));
    extended.or_else(similar).copied()
}

/// Levenshtein's distance.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, char) in left.chars().enumerate() {
        let mut diagonal = index;
        let mut before = index + 1;
        if let Some(first) = row.first_mut() {
            *first = before;
        }
        for (cell, other) in row.iter_mut().skip(1).zip(&right) {
            let replaced = diagonal + usize::from(char != *other);
            diagonal = *cell;
            before = replaced.min(before + 1).min(*cell + 1);
            *cell = before;
        }
    }
    row.last().copied().unwrap_or_default()
}

/// `"a", "b" or "c"`.
pub(super) fn alternatives<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = words.map(|word| format!("\"{word}\"")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_distance() {
        for (left, right, expected) in [("", "abc", 3), ("abc", "abc", 0), ("kitten", "sitting", 3), ("ab", "ba", 2)] {
            assert_eq!(distance(left, right), expected);
        }
    }

    #[test]
    fn suggests_only_what_is_near() {
        let known = ["user_id", "agent_id", "timeout_ms"];
        assert_eq!(nearest("userid", &known), Some("user_id"));
        assert_eq!(nearest("timeout", &known), Some("timeout_ms"));
        assert_eq!(nearest("agentid", &known), Some("agent_id"));
        assert_eq!(nearest("x", &known), None);
    }

    #[test]
    fn hides_secrets() {
        assert_eq!(shown("https://u:p@h/x"), "https://***@h/x");
        assert_eq!(shown("https://u:p@q@h"), "https://***@h");
        assert_eq!(shown("https://h/x"), "https://h/x");
        assert_eq!(shown("https://h/?k=ak_live_1"), "(not shown)");
        assert_eq!(showable("ak_test_1"), None);
        assert_eq!(showable("eyJhbGciOiJFZERTQSJ9.e30.x"), None);
        assert_eq!(showable(&"a".repeat(41)), None);
        assert_eq!(showable(""), None);
        assert_eq!(showable("time-out_2"), Some("time-out_2"));
    }
}
