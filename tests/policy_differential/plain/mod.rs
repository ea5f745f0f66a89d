//! A plain evaluator of the policy language: it follows the text of the language step by step. Nothing is compiled,
//! indexed or shared with the library's own engine, so that it can be believed by reading it.

mod conditions;
pub mod glob;
mod layers;
pub mod local;
pub mod read;
pub mod regex;
mod rules;
pub mod time;

use armoriq::policy::EvaluationError;
use serde_json::{Value, json};

use layers::Decision;
use read::{Bound, Call};

/// Why a call cannot be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    NotPortable,
    UnsupportedTime,
    NoDocument,
    NotEvaluable,
}

impl Refusal {
    /// What the engine's refusal is called here.
    pub fn of(error: EvaluationError) -> Self {
        match error {
            EvaluationError::NotPortable(_) => Self::NotPortable,
            EvaluationError::UnsupportedTime(_) => Self::UnsupportedTime,
            EvaluationError::NoDocument => Self::NoDocument,
            EvaluationError::NotEvaluable(_) => Self::NotEvaluable,
        }
    }
}

/// Decides a call by the documents that are bound to its target, both in their JSON form.
pub fn evaluate(call: &Value, bound: &Value) -> Result<Value, Refusal> {
    let bound = Bound::read(bound)?;
    decide(&Call::read(call)?, &bound).map(Evaluation::into_json)
}

/// What decides, and what the floor says by itself.
pub struct Evaluation<'a> {
    decision: Decision<'a>,
    floor_verdict: Option<&'a str>,
}

pub fn decide<'a>(call: &Call<'_>, bound: &'a Bound<'_>) -> Result<Evaluation<'a>, Refusal> {
    let floor = match &bound.floor {
        Some(document) => layers::floor(call, document)?,
        None => None,
    };
    let floor_verdict = floor.as_ref().map(Decision::verdict);
    let candidate = match floor_verdict {
        Some("block") => None,
        _ => Some(layers::candidate(call, bound)?),
    };
    match (floor, candidate) {
        (Some(decision), None) => Ok(Evaluation { decision, floor_verdict: None }),
        (Some(floor), Some(candidate)) if rank(floor.verdict()) > rank(candidate.verdict()) => {
            Ok(Evaluation { decision: floor, floor_verdict })
        }
        (_, Some(decision)) => Ok(Evaluation { decision, floor_verdict }),
        (None, None) => Err(Refusal::NoDocument),
    }
}

/// How strict a verdict is.
pub fn rank(verdict: &str) -> usize {
    ["allow", "hold", "block"].iter().position(|known| *known == verdict).expect("a verdict")
}

impl<'a> Evaluation<'a> {
    pub fn verdict(&self) -> &'a str {
        self.decision.verdict()
    }

    pub fn into_json(self) -> Value {
        let Decision { document, statement, layer, obligations } = self.decision;
        json!({
            "verdict": statement.map_or(document.default, |statement| statement.effect),
            "floorVerdict": self.floor_verdict,
            "approval": statement.and_then(|statement| statement.approval),
            "obligations": obligations,
            "provenance": {
                "policyId": document.policy_id,
                "statementId": statement.map(|statement| statement.id),
                "ruleKey": statement.map_or("tools.default", |statement| statement.rule_key),
                "variant": statement.map_or(&json!(-1), |statement| statement.variant),
                "layer": layer,
            },
        })
    }
}

pub fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

pub fn double(number: &serde_json::Number) -> f64 {
    number.as_str().parse().expect("a JSON number")
}
