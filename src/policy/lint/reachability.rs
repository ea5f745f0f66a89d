//! Statements that no call can reach.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::Value;

use super::conditions::Facts;
use super::problem::{Problem, Severity, quoted};
use super::view::{DocumentView, Matched, StatementView};
use crate::policy::Budget;
use crate::policy::document::Expiry;
use crate::policy::glob::{Glob, is_glob};
use crate::policy::verdict::Layer;

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
    subjects(document, problems);
    let mut comparison = Comparison { now, budget, left: MAX_COMPARISONS };
    let keys = by_subject(document, is_possible, |matched| matched.tool);
    for variants in keys.values() {
        comparison.variants(variants, problems);
    }
    without_fallback(&keys, now, budget, problems);
    for statements in by_subject(document, is_possible, |matched| matched.capability).values() {
        comparison.capability(statements, problems);
    }
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

/// A subject as it is written, and what statements for it are about.
type About<'a> = (Option<String>, &'a str);

/// The statements about each tool key, or each capability, of each subject, in document order.
fn by_subject<'a>(
    document: &'a DocumentView<'a>,
    is_possible: &[bool],
    about: fn(&Matched<'a>) -> Option<&'a str>,
) -> BTreeMap<About<'a>, Vec<Candidate<'a>>> {
    let mut groups: BTreeMap<_, Vec<Candidate<'_>>> = BTreeMap::new();
    for (statement, &is_possible) in document.statements.iter().zip(is_possible) {
        if let Some(about) = about(&statement.matched) {
            let subject = statement.subject.map(|subject| Value::Object(subject.clone()).to_string());
            groups.entry((subject, about)).or_default().push(Candidate { statement, is_possible });
        }
    }
    groups
}

/// The order as evaluation compares it, where -0 is 0.
fn order(candidate: &Candidate<'_>) -> f64 {
    candidate.statement.matched.order + 0.0
}

struct Comparison<'c> {
    now: i64,
    budget: &'c Budget,
    /// How many pairs may still be compared.
    left: usize,
}

impl Comparison<'_> {
    /// Variants of one key, of which the first that holds decides.
    fn variants(&mut self, statements: &[Candidate<'_>], problems: &mut Vec<Problem>) {
        let mut variants = statements.to_vec();
        variants.sort_by(|a, b| order(a).total_cmp(&order(b)));
        for (position, candidate) in variants.iter().enumerate() {
            let before = position.checked_sub(1).and_then(|before| variants.get(before));
            if before.is_some_and(|before| order(before) == order(candidate)) {
                problems.push(tie(candidate.statement, &variants, position));
            }
            // What is about a capability too may be reached by that.
            if self.is_reached(candidate) && candidate.statement.matched.capability.is_none() {
                let later = candidate.statement;
                let earlier = variants.iter().take(position).map(|earlier| earlier.statement);
                problems.extend(self.covering(later, earlier).map(|earlier| shadowed(later, earlier)));
            }
        }
    }

    /// Statements about one capability, of which the strictest that holds decides, the last of several.
    fn capability(&mut self, statements: &[Candidate<'_>], problems: &mut Vec<Problem>) {
        for (position, candidate) in statements.iter().enumerate() {
            let milder = candidate.statement;
            if !self.is_reached(candidate) || milder.matched.tool.is_some() {
                continue;
            }
            let stricter = statements.iter().enumerate().filter(|(other, it)| match other.cmp(&position) {
                Ordering::Less => it.statement.effect > milder.effect,
                Ordering::Equal => false,
                Ordering::Greater => it.statement.effect >= milder.effect,
            });
            let covering = self.covering(milder, stricter.map(|(_, it)| it.statement));
            problems.extend(covering.map(|stricter| overruled(milder, stricter)));
        }
    }

    /// Whether a call can meet the statement, as far as it alone tells.
    fn is_reached(&self, candidate: &Candidate<'_>) -> bool {
        let Candidate { statement, is_possible } = candidate;
        *is_possible && statement.is_whole && statement.expiry.is_live(Some(self.now))
    }

    /// The first of these that holds whenever the statement does.
    fn covering<'a>(
        &mut self,
        statement: &StatementView<'_>,
        mut others: impl Iterator<Item = &'a StatementView<'a>>,
    ) -> Option<&'a StatementView<'a>> {
        let facts = Facts::of(&statement.conditions, self.budget);
        others.find(|other| {
            let Some(left) = self.left.checked_sub(other.conditions.len().max(1)) else { return false };
            self.left = left;
            other.is_whole
                && outlives(&other.expiry, &statement.expiry)
                && other.conditions.iter().all(|condition| facts.imply(condition, self.budget))
        })
    }
}

/// Names whose every rule has conditions, although a pattern fits them too: it is not tried where no condition holds.
fn without_fallback(
    keys: &BTreeMap<About<'_>, Vec<Candidate<'_>>>,
    now: i64,
    budget: &Budget,
    problems: &mut Vec<Problem>,
) {
    // Names are held against patterns each with each; a document with more of them is passed over.
    const MAX_PATTERNS: usize = 100;
    let is_live = |candidate: &&Candidate<'_>| candidate.statement.expiry.is_live(Some(now));
    let patterns = keys.iter().filter(|((_, key), rules)| is_glob(key) && rules.iter().any(|rule| is_live(&rule)));
    let patterns: Vec<(&About<'_>, Glob)> =
        patterns.map(|(about, _)| (about, Glob::new(about.1))).take(MAX_PATTERNS).collect();
    for ((subject, key), rules) in keys.iter().filter(|((_, key), _)| !is_glob(key)) {
        let mut live = rules.iter().filter(is_live);
        let Some(first) = live.next() else { continue };
        let always_decides = |rule: &Candidate<'_>| !rule.statement.is_whole || rule.statement.conditions.is_empty();
        if always_decides(first) || live.any(always_decides) {
            continue;
        }
        let fits =
            |(about, glob): &&(&About<'_>, Glob)| about.0 == *subject && glob.matches(key, budget).unwrap_or(false);
        if let Some(((_, pattern), _)) = patterns.iter().find(fits) {
            let message = format!(
                "every rule for {} has conditions; where none holds the default decides, and {}, which fits too, is not \
                 tried",
                quoted(key),
                quoted(pattern)
            );
            let place = first.statement.place.key("match").key("tool");
            problems.push(Problem::hint(place, "no-fallback", message).detail("pattern", *pattern));
        }
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

fn overruled(milder: &StatementView<'_>, stricter: &StatementView<'_>) -> Problem {
    let message = format!(
        "this never decides: {} is about the same capability, holds whenever this one does, and comes first because it \
         is stricter or stands later",
        stricter.place
    );
    Problem::warning(milder.place.clone(), "unreachable", message).detail("by", stricter.place.to_string())
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
