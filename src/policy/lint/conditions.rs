//! What is wrong with conditions, each by itself and all of a statement together.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::domain::Domain;
use super::names::nearest;
use super::problem::{Problem, quoted};
use super::view::{ConditionView, StatementView, kind};
use crate::policy::call::Segment;
use crate::policy::condition::Test;
use crate::policy::regex::Regex;
use crate::policy::{Budget, EvaluationError};

pub(super) const OPERATORS: [&str; 13] =
    ["exists", "eq", "ne", "gt", "gte", "lt", "lte", "in", "notIn", "glob", "regex", "notRegex", "startsWith"];

/// What other languages call the operators.
const ALIASES: [(&str, &str); 20] = [
    ("=", "eq"),
    ("==", "eq"),
    ("===", "eq"),
    ("equal", "eq"),
    ("equals", "eq"),
    ("is", "eq"),
    ("!=", "ne"),
    ("!==", "ne"),
    ("neq", "ne"),
    (">", "gt"),
    (">=", "gte"),
    ("ge", "gte"),
    ("<", "lt"),
    ("<=", "lte"),
    ("le", "lte"),
    ("nin", "notIn"),
    ("not_in", "notIn"),
    ("like", "glob"),
    ("matches", "regex"),
    ("match", "regex"),
];

/// What conditions may name beside the arguments, because it is derived from a call.
const DERIVED: [&str; 2] = ["path", "host"];

/// What is known of each field where a statement's conditions hold.
#[derive(Debug)]
pub(super) struct Facts<'a>(BTreeMap<&'a str, Domain<'a>>);

impl<'a> Facts<'a> {
    pub(super) fn of(conditions: impl IntoIterator<Item = &'a ConditionView<'a>>, budget: &Budget) -> Self {
        let mut fields: BTreeMap<&str, Domain<'_>> = BTreeMap::new();
        for condition in conditions {
            fields.entry(condition.field).or_insert_with(Domain::full).restrict(condition, budget);
        }
        // Where a member is present, so is what it is a member of.
        let present: Vec<&str> =
            fields.iter().filter(|(_, domain)| !domain.may_be_absent()).map(|(field, _)| *field).collect();
        for field in present {
            for (end, _) in field.match_indices('.') {
                let (outer, inner) = field.split_at(end);
                if let Some(domain) = fields.get_mut(outer) {
                    let member = Segment::new(inner.split('.').nth(1).unwrap_or_default());
                    domain.require_member(member.is_length() || member.index().is_some());
                }
            }
        }
        Self(fields)
    }

    /// Whether no call meets the conditions.
    pub(super) fn are_impossible(&self) -> bool {
        self.0.values().any(Domain::is_empty)
    }

    /// Whether the condition holds for every call that meets the conditions.
    pub(super) fn imply(&self, condition: &ConditionView<'_>, budget: &Budget) -> bool {
        self.0.get(condition.field).is_some_and(|domain| domain.satisfies(condition, budget))
    }
}

/// Looks at the conditions of a statement, and says whether it can apply.
pub(super) fn check(statement: &StatementView<'_>, budget: &Budget, problems: &mut Vec<Problem>) -> bool {
    let mut is_possible = true;
    for condition in &statement.conditions {
        check_field(condition, problems);
        match condition.compiled.test() {
            Test::UnknownOperator(_) => check_operator(condition, problems),
            Test::Matches { .. } => check_pattern(condition, budget, problems),
            _ => {}
        }
        if Facts::of([condition], budget).are_impossible() {
            is_possible = false;
            problems.push(never_holds(condition));
        } else if holds_when_present(condition, budget) {
            let message = format!("{} holds for whatever the field is, as long as it is there", condition.text());
            let problem = Problem::warning(condition.place.clone(), "holds-when-present", message);
            problems.push(problem.suggest(Some("exists")));
        }
    }
    if is_possible && let Some(problem) = contradiction(&statement.conditions, budget) {
        is_possible = false;
        problems.push(problem);
    }
    is_possible
}

fn check_field(condition: &ConditionView<'_>, problems: &mut Vec<Problem>) {
    let field = condition.field;
    let place = || condition.place.key("field");
    let (root, rest) = field.split_once('.').map_or((field, None), |(root, rest)| (root, Some(rest)));
    if root != "args" && !DERIVED.contains(&root) {
        let is_meant = root.eq_ignore_ascii_case("arguments") || nearest(root, ["args"]).is_some();
        let suggestion = match rest {
            Some(rest) if is_meant => format!("args.{rest}"),
            None if is_meant => "args".to_owned(),
            _ => format!("args.{field}"),
        };
        let message = format!(
            "nothing is called {}: what a tool is called with is below `args`, so the field is never there and the \
             condition does not hold",
            quoted(root)
        );
        problems.push(Problem::warning(place(), "unknown-field-root", message).suggest(Some(suggestion)));
    }
    if field.contains(['[', ']']) {
        let message = format!("{} has brackets: the items of a list are named by a number after a dot", quoted(field));
        let suggestion = field.replace(['[', ']'], ".").replace("..", ".");
        let problem = Problem::warning(place(), "field-syntax", message);
        problems.push(problem.suggest(Some(suggestion.trim_end_matches('.'))));
    }
}

fn check_operator(condition: &ConditionView<'_>, problems: &mut Vec<Problem>) {
    let operator = condition.operator;
    let alias = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(operator)).map(|(_, meant)| *meant);
    let message = format!(
        "there is no operator {}; every call that has the field {} is refused",
        quoted(operator),
        quoted(condition.field)
    );
    let problem = Problem::error(condition.place.key("op"), "unknown-operator", message);
    problems.push(problem.suggest(alias.or_else(|| nearest(operator, OPERATORS))));
}

fn check_pattern(condition: &ConditionView<'_>, budget: &Budget, problems: &mut Vec<Problem>) {
    let Some(pattern) = condition.value.and_then(Value::as_str) else { return };
    // Compiled here and dropped again: to keep every automaton of a document would take too much memory.
    let error = match Regex::new(pattern) {
        Err(error) => error,
        Ok(regex) => match regex.matches("", budget) {
            Err(error) if error.message().starts_with(TOO_LARGE) => error,
            _ => return,
        },
    };
    let place = condition.place.key("value");
    let refused = format!("every call that has the field {} as a string is refused", quoted(condition.field));
    problems.push(match &error {
        EvaluationError::NotPortable(message) => {
            let position = message.rsplit(' ').next().and_then(|position| position.parse::<usize>().ok());
            let problem = Problem::error(place, "regex-not-portable", format!("{message}; {refused}"));
            match position {
                Some(position) => problem.detail("position", position),
                None => problem,
            }
        }
        error if error.message().starts_with(TOO_LARGE) => {
            Problem::error(place, "regex-too-large", format!("the pattern is too large to be run; {refused}"))
        }
        error => Problem::error(place, "regex-invalid", format!("{}; {refused}", error.message())),
    });
}

/// How the errors begin that say that an automaton would be too large.
const TOO_LARGE: &str = "pattern too large";

fn never_holds(condition: &ConditionView<'_>) -> Problem {
    let (operator, value) = (condition.operator, condition.value);
    let found = kind(value);
    let (why, suggestion) = match (operator, value) {
        ("gt" | "gte" | "lt" | "lte", Some(Value::Number(_))) => ("no number is beyond an infinity".to_owned(), None),
        ("gt" | "gte" | "lt" | "lte", _) => {
            let number = value.and_then(Value::as_str).filter(|text| text.parse().is_ok_and(f64::is_finite));
            (format!("`{operator}` compares with a number, and the value is {found}"), number.map(str::to_owned))
        }
        ("in", Some(Value::Array(items))) if items.is_empty() => ("the list is empty".to_owned(), None),
        ("in", Some(Value::Array(_))) => ("no argument is equal to a list or an object".to_owned(), None),
        ("in" | "notIn", value) => (
            format!("`{operator}` looks in a list, and the value is {found}"),
            value.filter(|value| !value.is_object()).map(|value| json!([value]).to_string()),
        ),
        ("eq", None) => ("there is no value to compare with".to_owned(), None),
        ("eq", _) => (format!("no argument is equal to {found}"), None),
        ("exists", Some(Value::String(text))) => (
            "`exists` takes true or false".to_owned(),
            ["true", "false"].into_iter().find(|it| it == text).map(str::to_owned),
        ),
        ("exists", _) => (format!("`exists` takes true or false, and the value is {found}"), None),
        _ => (format!("`{operator}` compares with a string, and the value is {found}"), None),
    };
    let place = if value.is_some() { condition.place.key("value") } else { condition.place.clone() };
    let message = format!("this never holds, and so the statement never applies: {why}");
    Problem::warning(place, "never-holds", message).suggest(suggestion)
}

fn holds_when_present(condition: &ConditionView<'_>, budget: &Budget) -> bool {
    condition.operator != "exists" && Domain::present().satisfies(condition, budget)
}

/// The first condition that cannot hold together with those before it.
fn contradiction(conditions: &[ConditionView<'_>], budget: &Budget) -> Option<Problem> {
    let is_impossible = |length: usize| Facts::of(conditions.iter().take(length), budget).are_impossible();
    if !is_impossible(conditions.len()) {
        return None;
    }
    // More conditions leave less, so the shortest impossible beginning can be found by halving.
    let (mut possible, mut impossible) = (0_usize, conditions.len());
    while impossible.saturating_sub(possible) > 1 {
        let middle = possible.midpoint(impossible);
        if is_impossible(middle) {
            impossible = middle;
        } else {
            possible = middle;
        }
    }
    let culprit = conditions.get(possible)?;
    let mut earlier = conditions.iter().take(possible);
    let other = earlier.find(|earlier| Facts::of([*earlier, culprit], budget).are_impossible());
    let with = other.map_or("those before it".to_owned(), |other| format!("{} ({})", other.text(), other.place));
    let message = format!("{} cannot hold together with {with}, so the statement never applies", culprit.text());
    let problem = Problem::warning(culprit.place.clone(), "contradictory-conditions", message);
    Some(match other {
        Some(other) => problem.detail("with", other.place.to_string()),
        None => problem,
    })
}
