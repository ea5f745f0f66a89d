//! Statements that no call can reach.

use std::collections::BTreeMap;

use serde_json::Value;

use super::conditions::Facts;
use super::problem::{Place, Problem, Severity, quoted};
use super::view::{DocumentView, StatementView};
use crate::policy::document::Expiry;
use crate::policy::verdict::Layer;
use crate::policy::{Budget, EvaluationError};

/// Pairs of statements that are compared in one document, so that a large one is done in bounded time.
const MAX_COMPARISONS: usize = 1 << 18;

/// A statement that its own conditions allow to apply.
#[derive(Debug, Clone, Copy)]
struct Candidate<'a> {
    statement: &'a StatementView<'a>,
    is_possible: bool,
}

/// Looks for statements that cannot be reached. `is_possible` says of each whether its conditions can hold together.
pub(super) fn check(
    document: &DocumentView<'_>,
    is_possible: &[bool],
    now: i64,
    budget: &Budget,
    problems: &mut Vec<Problem>,
) {
    expiries(document, now, problems);
    subjects(document, problems);
    let mut left = MAX_COMPARISONS;
    for variants in variants_by_key(document, is_possible).into_values() {
        Comparison { now, budget, left: &mut left }.variants(&variants, problems);
    }
}

fn expiries(document: &DocumentView<'_>, now: i64, problems: &mut Vec<Problem>) {
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

/// Subjects that select the same people as an earlier one but are written differently: only the earlier one counts.
fn subjects(document: &DocumentView<'_>, problems: &mut Vec<Problem>) {
    if document.bound_as == Layer::Floor {
        for statement in document.statements.iter().filter(|statement| statement.subject.is_some()) {
            let message = "a floor's rules are for everybody: one with a subject never applies";
            problems.push(Problem::warning(statement.place.key("subject"), "subject-in-floor", message));
        }
        return;
    }
    // By what a subject selects, the first writing of it.
    let mut first: BTreeMap<(&str, String), (String, &StatementView<'_>)> = BTreeMap::new();
    for statement in &document.statements {
        let Some(subject) = statement.subject else { continue };
        let Some(selected) = only_selector(subject) else { continue };
        let written = Value::Object(subject.clone()).to_string();
        match first.get(&selected) {
            Some((earlier, by)) if *earlier != written && by.expiry == Expiry::Never => {
                let message = format!(
                    "the subject is written otherwise than at {}, so this counts as another subject; the first one \
                     wins for the same people, and this statement never applies",
                    by.place
                );
                let suggestion = by.subject.map(|subject| Value::Object(subject.clone()).to_string());
                let place = statement.place.key("subject");
                problems.push(Problem::warning(place, "subject-never-chosen", message).suggest(suggestion));
            }
            Some(_) => {}
            None => {
                first.insert(selected, (written, statement));
            }
        }
    }
}

/// What a subject selects people by, where that is one thing.
fn only_selector(subject: &serde_json::Map<String, Value>) -> Option<(&str, String)> {
    let mut members = subject.iter();
    let (Some((kind, Value::String(name))), None) = (members.next(), members.next()) else { return None };
    Some((kind.as_str(), if kind == "email" { name.to_lowercase() } else { name.clone() }))
}

/// The statements under each tool key of each subject, in the order in which they are tried.
fn variants_by_key<'a>(
    document: &'a DocumentView<'a>,
    is_possible: &[bool],
) -> BTreeMap<(Option<String>, &'a str), Vec<Candidate<'a>>> {
    let mut keys: BTreeMap<_, Vec<Candidate<'_>>> = BTreeMap::new();
    for (statement, &is_possible) in document.statements.iter().zip(is_possible) {
        if let Some(key) = statement.matched.tool {
            let subject = statement.subject.map(|subject| Value::Object(subject.clone()).to_string());
            keys.entry((subject, key)).or_default().push(Candidate { statement, is_possible });
        }
    }
    for variants in keys.values_mut() {
        variants.sort_by(|a, b| order(a).total_cmp(&order(b)));
    }
    keys
}

/// The order as evaluation compares it, where -0 is 0.
fn order(candidate: &Candidate<'_>) -> f64 {
    candidate.statement.matched.order + 0.0
}

struct Comparison<'c> {
    now: i64,
    budget: &'c Budget,
    left: &'c mut usize,
}

impl Comparison<'_> {
    fn variants(&mut self, variants: &[Candidate<'_>], problems: &mut Vec<Problem>) {
        for (position, candidate) in variants.iter().enumerate() {
            let before = position.checked_sub(1).and_then(|before| variants.get(before));
            if before.is_some_and(|before| order(before) == order(candidate)) {
                problems.push(tie(candidate.statement, variants, position));
            }
            let later = candidate.statement;
            if candidate.is_possible && later.is_whole && later.expiry.is_live(Some(self.now)) {
                let earlier = variants.iter().take(position).map(|earlier| earlier.statement);
                problems.extend(self.covering(later, earlier).map(|earlier| shadowed(later, earlier)));
            }
        }
    }

    /// The first of these that holds whenever the later statement does.
    fn covering<'a>(
        &mut self,
        later: &StatementView<'_>,
        mut earlier: impl Iterator<Item = &'a StatementView<'a>>,
    ) -> Option<&'a StatementView<'a>> {
        let facts = Facts::of(&later.conditions, self.budget);
        earlier.find(|earlier| {
            let Some(left) = self.left.checked_sub(earlier.conditions.len().max(1)) else { return false };
            *self.left = left;
            earlier.is_whole
                && outlives(&earlier.expiry, &later.expiry)
                && earlier.conditions.iter().all(|condition| facts.imply(condition, self.budget))
        })
    }
}

/// Whether the first holds whenever the second does.
fn outlives(first: &Expiry, second: &Expiry) -> bool {
    match (first, second) {
        (Expiry::Never, _) => true,
        (Expiry::At(first), Expiry::At(second)) => first >= second,
        _ => false,
    }
}

fn shadowed(later: &StatementView<'_>, earlier: &StatementView<'_>) -> Problem {
    let reason = match earlier.conditions.as_slice() {
        [] => "has no conditions".to_owned(),
        [condition] => format!("holds whenever this one does ({})", condition.text()),
        _ => "holds whenever this one does".to_owned(),
    };
    let effect = match (earlier.effect, later.effect) {
        (Some(earlier), Some(later)) if earlier != later => format!("; calls get {earlier}, never {later}"),
        _ => String::new(),
    };
    let message = format!("this is never reached: {} is tried before it and {reason}{effect}", earlier.place);
    Problem::warning(later.place.clone(), "unreachable", message).detail("by", earlier.place.to_string())
}

fn tie(statement: &StatementView<'_>, variants: &[Candidate<'_>], position: usize) -> Problem {
    let tied = variants.iter().take(position).rev();
    let first = tied.take_while(|it| order(it) == statement.matched.order + 0.0).last().map(|it| it.statement);
    let (with, differs) =
        first.map_or((String::new(), false), |it| (it.place.to_string(), it.effect != statement.effect));
    let message = format!(
        "{} has the same key and the same order; the one that stands first in the document is tried first",
        with
    );
    let severity = if differs { Severity::Warning } else { Severity::Hint };
    let place = statement.place.key("match").key("order");
    Problem::new(place, "order-tie", severity, message).detail("with", with)
}
