//! Finds what is wrong with policies before a call does: what cannot be evaluated, what can never happen, and what does
//! something else than it seems to say.
//!
//! The check has no clock and does no I/O. A statement is called impossible or unreachable only where that is proven.

mod conditions;
mod domain;
mod expiries;
mod fields;
mod keys;
mod names;
mod problem;
mod reachability;
mod schema;
mod siblings;
#[cfg(test)]
mod tests;
mod tools;
mod units;
mod view;

use serde_json::{Map, Value};

use self::names::nearest;
use self::problem::{quoted, sort};
use self::view::DocumentView;
use super::Budget;
use super::verdict::{Layer, Verdict};

pub use self::problem::{Place, Problem, Severity};

/// The steps that one check may take in matchers. Patterns for which nothing is left are read but not compiled, so that
/// the automata of a hostile policy do not fill the memory.
const STEPS: u64 = 1 << 28;

const LAYERS: [Layer; 3] = [Layer::Agent, Layer::Group, Layer::Floor];

/// Checks the documents that are bound to one target, each by the name of its layer (`agent`, `group`, `floor`).
///
/// `tools` are the definitions of the tools that the policy is for, in the forms that
/// [`ToolDefinition`](crate::tool_definition::ToolDefinition) reads; `None` where they are not known. `now` is what
/// expiries are compared with, in milliseconds since 1970. The problems come in the order of their
/// places, the same on every run.
pub fn check(documents: &Map<String, Value>, tools: Option<&[Value]>, now: i64) -> Vec<Problem> {
    let mut problems = Vec::new();
    let bound = LAYERS.into_iter().filter_map(|layer| Some((layer, documents.get(layer.as_str())?)));
    let bound: Vec<(Layer, &Value)> = bound.filter(|(_, document)| !document.is_null()).collect();
    unknown_documents(documents, &mut problems);
    if bound.is_empty() {
        let message = "there is no document, without which every call is refused";
        problems.push(Problem::error(Place::default(), "no-document", message));
    }
    let views: Vec<DocumentView<'_>> =
        bound.iter().filter_map(|(layer, document)| view::read(document, *layer, &mut problems)).collect();
    let budget = Budget::of(STEPS);
    for document in &views {
        let is_possible: Vec<bool> =
            document.statements.iter().map(|statement| conditions::check(statement, &budget, &mut problems)).collect();
        keys::check(document, &mut problems);
        expiries::check(document, now, &mut problems);
        reachability::check(document, &is_possible, now, &budget, &mut problems);
        empty(document, &mut problems);
    }
    default(&views, &mut problems);
    if let Some(tools) = tools {
        tools::check(&views, tools, &budget, &mut problems);
    }
    sort(&mut problems);
    problems
}

fn unknown_documents(documents: &Map<String, Value>, problems: &mut Vec<Problem>) {
    let layers = LAYERS.map(Layer::as_str);
    for name in documents.keys().filter(|name| !layers.contains(&name.as_str())) {
        let message = format!("there is no layer {}, so every call is refused", quoted(name));
        let problem = Problem::error(Place::root(name), "unknown-document", message);
        problems.push(problem.suggest(nearest(name, layers)));
    }
}

fn empty(document: &DocumentView<'_>, problems: &mut Vec<Problem>) {
    if document.statement_count == 0 {
        let message = "there are no statements, so only the default decides";
        problems.push(Problem::warning(document.place.key("statements"), "empty-document", message));
    }
}

/// The default that counts is that of the first of agent, group and floor.
fn default(documents: &[DocumentView<'_>], problems: &mut Vec<Problem>) {
    if let Some(document) = documents.first()
        && document.default == Some(Verdict::Allow)
    {
        let message = "every tool that no statement decides about is allowed";
        let place = document.place.key("defaults").key("tools");
        problems.push(Problem::warning(place, "default-allow", message).suggest(Some("block")));
    }
}
