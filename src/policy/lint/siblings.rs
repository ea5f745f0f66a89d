//! Tools that do the same by another name.

use super::names::words;

/// Verbs that mean the same to a tool.
const VERBS: [&[&str]; 9] = [
    &["delete", "remove", "drop", "destroy", "erase", "purge", "rm", "del"],
    &["create", "add", "insert", "new", "make"],
    &["update", "edit", "modify", "change", "patch", "set"],
    &["get", "fetch", "read", "retrieve", "load", "show", "view"],
    &["list", "search", "find", "query", "lookup"],
    &["send", "post", "submit"],
    &["run", "execute", "exec"],
    &["write", "save", "put"],
    &["export", "download", "dump"],
];
/// Words that make another variant of a tool and not another tool.
const FILLERS: [&str; 18] = [
    "all", "bulk", "batch", "many", "multiple", "mass", "by", "id", "ids", "the", "a", "an", "async", "sync", "now",
    "v", "one", "single",
];

/// What a tool does, in words that its siblings have too.
pub(super) fn meaning(name: &str) -> Vec<String> {
    let mut meaning: Vec<String> = words(name)
        .into_iter()
        .filter(|word| !FILLERS.contains(&word.as_str()) && !is_version(word))
        .map(|word| match VERBS.iter().find(|verbs| verbs.contains(&word.as_str())) {
            Some([verb, ..]) => (*verb).to_owned(),
            _ => singular(word),
        })
        .collect();
    meaning.sort_unstable();
    meaning
}

/// `2` and `v2`.
fn is_version(word: &str) -> bool {
    word.trim_start_matches('v').bytes().all(|byte| byte.is_ascii_digit())
}

fn singular(word: String) -> String {
    let cut = |suffix: &str, end: &str| Some(format!("{}{end}", word.strip_suffix(suffix)?));
    if word.len() <= 3 || word.ends_with("ss") {
        return word;
    }
    let plurals = [("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("shes", "sh"), ("s", "")];
    plurals.into_iter().find_map(|(suffix, end)| cut(suffix, end)).unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn siblings_mean_the_same() {
        for (a, b) in [
            ("delete_user", "delete_users"),
            ("delete_user", "remove_user"),
            ("delete_user", "userDelete"),
            ("delete_user", "bulk_delete_users"),
            ("delete_user", "delete_user_v2"),
            ("delete_user", "delete_user_by_id"),
            ("send_message", "post-message"),
            ("add_entry", "create_entries"),
        ] {
            assert_eq!(meaning(a), meaning(b), "{a} {b}");
        }
        for (a, b) in [
            ("delete_user", "delete_group"),
            ("delete_user", "create_user"),
            ("get_user", "list_users"),
            ("pay_vendor", "charge_vendor"),
            ("delete_user", "delete_user_group"),
        ] {
            assert_ne!(meaning(a), meaning(b), "{a} {b}");
        }
    }
}
