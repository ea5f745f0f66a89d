//! Which name may have been meant.

use std::cmp::min;

/// Names longer than this are not compared.
const LONGEST: usize = 100;

/// The name most like the given one, `None` where none is alike. Of several equally alike, the first.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    Names::new(known).nearest(name)
}

/// Names of which one may have been meant.
pub(super) struct Names<'a>(Vec<(Vec<char>, &'a str)>);

impl<'a> Names<'a> {
    pub(super) fn new(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self(names.into_iter().map(|name| (fold(name), name)).collect())
    }

    pub(super) fn nearest(&self, name: &str) -> Option<&'a str> {
        let folded = fold(name);
        // A third of the letters may differ, but never all of them.
        let allowed = if folded.len() <= 1 { 0 } else { (folded.len() / 3).max(1) };
        let mut best: Option<(usize, &str)> = None;
        for (known, name) in &self.0 {
            let limit = match best {
                Some((0, _)) => break,
                Some((distance, _)) => distance.saturating_sub(1),
                None => allowed,
            };
            best = distance_within(&folded, known, limit).map(|distance| (distance, *name)).or(best);
        }
        best.map(|(_, name)| name)
    }
}

/// The letters and digits of a name in lower case: `fetchSales` and `fetch_sales` are the same.
fn fold(name: &str) -> Vec<char> {
    let letters = name.chars().filter(|char| !matches!(char, '_' | '-' | '.' | ' '));
    letters.flat_map(char::to_lowercase).take(LONGEST).collect()
}

/// How many letters have to be added, left out, changed, or swapped with their neighbour to get from one to the other;
/// `None` where it is more than the limit.
fn distance_within(a: &[char], b: &[char], limit: usize) -> Option<usize> {
    if limit == 0 || a.len().abs_diff(b.len()) > limit {
        return (a == b).then_some(0);
    }
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (row, &letter) in a.iter().enumerate() {
        let mut current = Vec::with_capacity(above.len());
        current.push(row.saturating_add(1));
        for (column, &other) in b.iter().enumerate() {
            let cell = |cells: &[usize], column: usize| cells.get(column).copied().unwrap_or(usize::MAX);
            let changed = cell(&above, column).saturating_add(usize::from(letter != other));
            let added = cell(&current, column).saturating_add(1);
            let left_out = cell(&above, column.saturating_add(1)).saturating_add(1);
            let mut least = min(changed, min(added, left_out));
            let is_swap = |row: usize, column: usize| a.get(row) == Some(&other) && b.get(column) == Some(&letter);
            if let (Some(row), Some(column)) = (row.checked_sub(1), column.checked_sub(1))
                && is_swap(row, column)
            {
                least = min(least, cell(&before, column).saturating_add(1));
            }
            current.push(least);
        }
        // No later row has a smaller number than the smallest of two rows.
        let least = current.iter().chain(&above).min();
        if least.is_some_and(|least| *least > limit) {
            return None;
        }
        before = std::mem::replace(&mut above, current);
    }
    above.last().copied().filter(|distance| *distance <= limit)
}

/// The words that a name is made of, in lower case: `sendEmailNow`, `send_email_now` and `send-email.now` are alike.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut was_lower = false;
    for char in name.chars() {
        if !char.is_alphanumeric() || (char.is_uppercase() && was_lower) {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
        }
        was_lower = char.is_lowercase() || char.is_ascii_digit();
        if char.is_alphanumeric() {
            word.extend(char.to_lowercase());
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_name_that_was_meant() {
        let known = ["fetch_sales", "fetch_sale_items", "pay_vendor", "amount"];
        for (name, meant) in [
            ("fetch_slaes", Some("fetch_sales")),
            ("fetchSales", Some("fetch_sales")),
            ("pay_vendors", Some("pay_vendor")),
            ("vendor_pay", None),
            ("amuont", Some("amount")),
            ("amt", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known), meant, "{name}");
        }
        assert_eq!(nearest("ab", ["cd"]), None);
    }

    #[test]
    fn the_first_of_several_is_taken() {
        assert_eq!(nearest("pay_a", ["pay_b", "pay_c"]), Some("pay_b"));
        assert_eq!(nearest("pay_a", ["pay_bb", "pay_c"]), Some("pay_c"));
    }

    #[test]
    fn takes_names_apart() {
        assert_eq!(words("sendEmailNow"), ["send", "email", "now"]);
        assert_eq!(words("send-email.now__2"), ["send", "email", "now", "2"]);
        assert_eq!(words("HTTPGet"), ["httpget"]);
        assert!(words("__").is_empty());
    }
}
