//! Tool keys and ids that do not mean what they look like.

use std::collections::HashMap;

use super::problem::{Problem, quoted};
use super::view::{DocumentView, StatementView};
use crate::plan::names;
use crate::policy::glob::is_glob;

pub(super) fn check(document: &DocumentView<'_>, problems: &mut Vec<Problem>) {
    ids(document, problems);
    for statement in &document.statements {
        if let Some(key) = statement.matched.tool {
            check_key(statement, key, problems);
        }
    }
}

fn ids(document: &DocumentView<'_>, problems: &mut Vec<Problem>) {
    let mut seen: HashMap<&str, &StatementView<'_>> = HashMap::new();
    for statement in &document.statements {
        let Some(id) = statement.id else { continue };
        let place = statement.place.key("id");
        if id.is_empty() {
            let message = "the id is empty: decisions of this statement look like the default's";
            problems.push(Problem::warning(place, "empty-id", message));
        } else if let Some(first) = seen.get(id) {
            let message =
                format!("{} has the id {} too, so a decision does not say which it was", first.place, quoted(id));
            problems.push(Problem::warning(place, "duplicate-id", message).detail("first", first.place.to_string()));
        } else {
            seen.insert(id, statement);
        }
    }
}

fn check_key(statement: &StatementView<'_>, key: &str, problems: &mut Vec<Problem>) {
    let place = statement.place.key("match").key("tool");
    let shown = quoted(key);
    match statement.matched.key_tier {
        Some("glob") if !is_glob(key) => {
            let message = format!("{shown} is said to be a pattern but has no `*` or `?`: it is about that one tool");
            problems.push(Problem::warning(place.clone(), "glob-without-wildcard", message));
        }
        Some("exact") if is_glob(key) => {
            let message = format!("{shown} is said to be a name but is a pattern: any name that fits is under it");
            problems.push(Problem::warning(place.clone(), "wildcard-in-exact-key", message));
        }
        _ => {}
    }
    if let Some((server, action)) = names::split(key) {
        let message = format!(
            "{shown} names the server {}: rules see a tool without its server, so this one matches nothing",
            quoted(server)
        );
        problems.push(Problem::warning(place.clone(), "qualified-key", message).suggest(Some(action)));
    }
    if looks_like_a_regex(key) {
        let message = format!("{shown} looks like a regular expression: only `*`, `**` and `?` are special in a key");
        let suggestion = key.trim_start_matches('^').trim_end_matches('$').replace(".*", "*").replace(".+", "?*");
        let is_plain = !looks_like_a_regex(&suggestion);
        problems.push(Problem::warning(place, "key-looks-like-regex", message).suggest(is_plain.then_some(suggestion)));
    } else if key.trim() != key || key.is_empty() {
        let message = format!("{shown} has spaces around it, or nothing in it: no tool is called so");
        problems.push(Problem::warning(place, "blank-in-key", message).suggest(Some(key.trim())));
    }
}

/// Whether a key has what names do not have and regular expressions do.
fn looks_like_a_regex(key: &str) -> bool {
    key.starts_with('^')
        || key.ends_with('$')
        || key.contains(".*")
        || key.contains(".+")
        || key.contains(['|', '\\', '['])
}
