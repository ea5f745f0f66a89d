//! Times until which documents and statements hold.

use serde_json::Value;

use super::problem::{Place, Problem, quoted};
use super::view::DocumentView;
use crate::policy::EvaluationError;
use crate::policy::document::Expiry;

pub(super) fn check(document: &DocumentView<'_>, now: i64, problems: &mut Vec<Problem>) {
    let what = "document: only its default decides";
    let is_live = expiry(&document.expiry, document.expires_at, document.place.key("expiresAt"), what, now, problems);
    for statement in &document.statements {
        let place = statement.place.key("expiresAt");
        let what = "statement: it never applies";
        // What is wrong with a time is worth saying also where the document has expired, that it has passed is not.
        if is_live || !matches!(statement.expiry, Expiry::At(_)) {
            expiry(&statement.expiry, statement.expires_at, place, what, now, problems);
        }
    }
}

/// Whether it still holds.
fn expiry(
    expiry: &Expiry,
    written: Option<&Value>,
    place: Place,
    what: &str,
    now: i64,
    problems: &mut Vec<Problem>,
) -> bool {
    let text = written.and_then(Value::as_str);
    let shown = text.map(quoted).unwrap_or_default();
    match (expiry, text) {
        (Expiry::Never, _) => return true,
        (Expiry::At(end), Some(text)) => {
            if *end <= now {
                problems.push(Problem::warning(place, "expired", format!("{shown} has passed for the {what}")));
                return false;
            }
            if is_local_time(text) {
                let message = format!("{shown} names no time zone, so it means another moment on another machine");
                problems.push(Problem::hint(place, "expiry-without-zone", message).suggest(Some(format!("{text}Z"))));
            }
            return true;
        }
        (Expiry::Unsupported(error), _) => {
            let message = format!("{shown} is no time ({}), so every call is refused", without_text(error));
            let problem = Problem::error(place, "unparsable-expiry", message);
            problems.push(match text {
                Some(text) if text.trim().eq_ignore_ascii_case("never") => problem.suggest(Some("never")),
                _ => problem,
            });
        }
        (Expiry::Dead, Some(_)) | (Expiry::At(_), None) => {
            let message = format!("{shown} is a time that does not exist, so it counts as passed for the {what}");
            problems.push(Problem::error(place, "impossible-expiry", message));
        }
        (Expiry::Dead, None) => {
            let message = format!("there is no time here, so it counts as passed for the {what}");
            problems.push(Problem::error(place, "missing-expiry", message).suggest(Some("never")));
        }
    }
    false
}

fn without_text(error: &EvaluationError) -> &str {
    error.message().split(": ").next().unwrap_or_default()
}

/// Whether a text that is a time says an hour and no zone.
fn is_local_time(text: &str) -> bool {
    text.split_once('T').is_some_and(|(_, time)| !time.contains(['Z', '+', '-']))
}
