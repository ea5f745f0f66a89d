//! A plain evaluator of the policy language: it follows the text of the language step by step over the JSON as it is.
//! Nothing is compiled, indexed or shared with the library's own engine, so that it can be believed by reading it.

mod conditions;
mod form;
pub mod glob;
mod layers;
pub mod local;
pub mod regex;
mod rules;
pub mod time;

use serde_json::{Value, json};

use layers::Decision;

/// Why a call cannot be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    NotPortable,
    UnsupportedTime,
    NoDocument,
    NotEvaluable,
}

/// Decides a call by the documents that are bound to its target.
pub fn evaluate(call: &Value, bound: &Value) -> Result<Value, Refusal> {
    form::check(call, bound)?;
    evaluate_well_formed(call, bound)
}

/// The same for what is known to be of the language's form.
pub fn evaluate_well_formed(call: &Value, bound: &Value) -> Result<Value, Refusal> {
    decide(call, bound).map(|(decision, floor_verdict)| result(&decision, floor_verdict))
}

/// The verdict alone.
pub fn verdict<'a>(call: &Value, bound: &'a Value) -> Result<&'a str, Refusal> {
    decide(call, bound).map(|(decision, _)| decision.verdict())
}

/// What decides, and what the floor says.
fn decide<'a>(call: &Value, bound: &'a Value) -> Result<(Decision<'a>, Option<&'a str>), Refusal> {
    let document = |kind: &str| bound.get(kind).filter(|document| !document.is_null());
    let (floor, agent, group) = (document("floor"), document("agent"), document("group"));

    let floor = match floor {
        Some(floor) => layers::floor(call, floor)?,
        None => None,
    };
    let floor_verdict = floor.as_ref().map(Decision::verdict);
    if floor_verdict == Some("block")
        && let Some(floor) = floor
    {
        return Ok((floor, None));
    }
    let candidate = match layers::candidate(call, [agent, group])? {
        Some(decision) => decision,
        None => Decision::of_default(agent.or(group).or(document("floor")).ok_or(Refusal::NoDocument)?),
    };
    match floor {
        Some(floor) if rank(floor.verdict()) > rank(candidate.verdict()) => Ok((floor, floor_verdict)),
        _ => Ok((candidate, floor_verdict)),
    }
}

/// How strict a verdict is.
pub fn rank(verdict: &str) -> usize {
    ["allow", "hold", "block"].iter().position(|known| *known == verdict).expect("a verdict")
}

fn result(decision: &Decision<'_>, floor_verdict: Option<&str>) -> Value {
    json!({
        "verdict": decision.verdict(),
        "floorVerdict": floor_verdict,
        "approval": decision.statement.and_then(|statement| statement.get("approval")),
        "obligations": decision.obligations,
        "provenance": {
            "policyId": decision.document["policyId"],
            "statementId": decision.statement.map(|statement| &statement["id"]),
            "ruleKey": decision.statement.map_or(&json!("tools.default"), |it| &it["provenance"]["ruleKey"]),
            "variant": decision.statement.map_or(&json!(-1), |it| &it["provenance"]["variant"]),
            "layer": decision.layer,
        },
    })
}

pub fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

pub fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

pub fn double(number: &serde_json::Number) -> f64 {
    number.as_str().parse().expect("a JSON number")
}
