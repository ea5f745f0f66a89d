//! Conditions held against the schemas of the tools that they are about.

use serde_json::Value;

use super::domain::Domain;
use super::names::nearest;
use super::problem::{Problem, quoted};
use super::schema::{Field, Kinds, Lookup};
use super::tools::Tool;
use super::units::other_unit;
use super::view::{ConditionView, StatementView};
use crate::policy::Budget;
use crate::policy::call::{Arguments, Segment};

/// How many of a rule's tools are asked which field may have been meant.
const MOST_ASKED: usize = 20;

/// Checks the conditions of a statement about these tools, of which there is at least one.
pub(super) fn check(statement: &StatementView<'_>, tools: &[&Tool], budget: &Budget, problems: &mut Vec<Problem>) {
    for condition in &statement.conditions {
        let Some(path) = condition.field.strip_prefix("args.") else { continue };
        let segments: Vec<Segment> = path.split('.').map(Segment::new).collect();
        let mut known = Vec::new();
        for tool in tools {
            // Of a tool without a schema nothing is known.
            let Some(schema) = tool.schema() else { break };
            known.push(schema.lookup(&segments));
        }
        if known.len() < tools.len() {
            continue;
        }
        if known.iter().all(|lookup| *lookup == Lookup::Missing) {
            problems.push(missing(condition, path, tools));
        } else if let Some(field) = union(&known) {
            let having = tools.iter().zip(&known).find(|(_, lookup)| matches!(lookup, Lookup::Field(_)));
            let tool = having.map_or("", |(tool, _)| tool.action());
            problems.extend(mismatch(condition, &field, tool, budget));
        }
    }
}

/// The field as any of the tools has it, `None` where one may have anything there.
fn union<'a>(known: &[Lookup<'a>]) -> Option<Field<'a>> {
    let mut all = Field { kinds: Kinds::NONE, values: Some(Vec::new()) };
    for lookup in known {
        match lookup {
            Lookup::Open => return None,
            Lookup::Missing => {}
            Lookup::Field(field) => {
                all.kinds = all.kinds.or(field.kinds);
                all.values = all.values.zip(field.values.as_ref()).map(|(mut all, values)| {
                    all.extend(values);
                    all
                });
            }
        }
    }
    Some(all)
}

fn missing(condition: &ConditionView<'_>, path: &str, tools: &[&Tool]) -> Problem {
    let place = condition.place.key("field");
    let schemas = tools.iter().filter_map(|tool| tool.schema());
    let fields: Vec<String> = schemas.take(MOST_ASKED).flat_map(|schema| schema.fields()).collect();
    let (parent, leaf) = split(path);
    let here = || fields.iter().filter(|field| split(field).0 == parent);
    let elsewhere = || fields.iter().filter(|field| split(field).0 != parent);
    let of = tools.first().map_or("", |tool| tool.action());
    let lacks = match tools {
        [_] => format!("{} has no field {}", quoted(of), quoted(condition.field)),
        _ => format!("none of the {} tools of the rule has the field {}", tools.len(), quoted(condition.field)),
    };
    let in_unit = here().chain(elsewhere()).find_map(|field| Some((field, other_unit(leaf, split(field).1)?)));
    if let Some((field, unit)) = in_unit {
        let field = format!("args.{field}");
        let message = format!(
            "{lacks}; {} may be meant, which seems to be in another unit ({unit}), so the value has to be converted too",
            quoted(&field)
        );
        let problem = Problem::warning(place, "unit-mismatch", message).suggest(Some(field));
        return problem.detail("tool", of).detail("unit", unit);
    }
    let meant = alike(leaf, here()).or_else(|| alike(leaf, elsewhere()));
    let meant = meant.or_else(|| nearest(path, fields.iter().map(String::as_str)));
    let message = format!("{lacks}, so the condition sees it as absent");
    let suggestion = meant.map(|field| format!("args.{field}"));
    Problem::warning(place, "unknown-field", message).suggest(suggestion).detail("tool", of)
}

/// The field whose last part is most like the name.
fn alike<'a>(name: &str, fields: impl Iterator<Item = &'a String> + Clone) -> Option<&'a str> {
    let meant = nearest(name, fields.clone().map(|field| split(field).1))?;
    fields.into_iter().find(|field| split(field).1 == meant).map(String::as_str)
}

/// What a path is in, and what it is called there.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

/// A condition that is the same for every value that the schemas allow.
fn mismatch(condition: &ConditionView<'_>, field: &Field<'_>, tool: &str, budget: &Budget) -> Option<Problem> {
    let is_settled = condition.operator == "exists"
        || Domain::present().satisfies(condition, budget)
        || is_impossible(Domain::present(), condition, budget);
    if is_settled || field.kinds == Kinds::NONE {
        return None;
    }
    let place = if condition.value.is_some() { condition.place.key("value") } else { condition.place.clone() };
    let outcome = |always: bool| {
        let outcome = if always { "always" } else { "never" };
        format!("{} {outcome} holds for {}", condition.text(), quoted(tool))
    };
    let possible = Domain::of_kinds(field.kinds);
    let always = possible.satisfies(condition, budget);
    if always || is_impossible(possible, condition, budget) {
        let message = format!("{}: there the field is of the type {}", outcome(always), field.kinds.names());
        return Some(Problem::warning(place, "type-mismatch", message).detail("tool", tool));
    }
    let values = field.values.as_ref()?;
    let holds = |value: &Value| condition.compiled.test().holds(value.node(&[]), budget).unwrap_or(true);
    let passing = values.iter().filter(|value| holds(value)).count();
    let always = passing == values.len() && matches!(condition.operator, "ne" | "notIn" | "notRegex");
    if !always && passing > 0 {
        return None;
    }
    let message =
        format!("{}: the schema lists the values of the field, and none of them makes a difference", outcome(always));
    let allowed: Vec<Value> = values.iter().map(|value| (*value).clone()).collect();
    let meant = condition.value.and_then(Value::as_str);
    let meant = meant.and_then(|value| nearest(value, values.iter().filter_map(|value| value.as_str())));
    let problem = Problem::warning(place, "value-not-allowed", message).suggest(meant);
    Some(problem.detail("tool", tool).detail("allowed", allowed))
}

fn is_impossible<'a>(mut domain: Domain<'a>, condition: &'a ConditionView<'a>, budget: &Budget) -> bool {
    domain.restrict(condition, budget);
    domain.is_empty()
}
