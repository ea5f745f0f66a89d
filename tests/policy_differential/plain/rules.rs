//! The statements about the call's tool, and about its capabilities.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::read::{Call, Statement};
use super::{Refusal, conditions, glob, rank, units};

/// The first statement that holds under the best key. Where none does, the other keys are not tried.
pub fn by_tool<'a>(call: &Call<'_>, statements: &[&'a Statement<'a>]) -> Result<Option<&'a Statement<'a>>, Refusal> {
    let mut best: Option<&str> = None;
    for key in statements.iter().filter_map(|statement| statement.tool) {
        let is_match = if is_glob(key) { glob::matches(key, call.tool) } else { key == call.tool };
        if is_match && best.is_none_or(|best| is_better(key, best)) {
            best = Some(key);
        }
    }
    let mut variants: Vec<_> = statements.iter().copied().filter(|it| best.is_some() && it.tool == best).collect();
    variants.sort_by(|a, b| a.order.partial_cmp(&b.order).unwrap_or(Ordering::Equal));
    for variant in variants {
        if conditions::all_hold(call, variant)? {
            return Ok(Some(variant));
        }
    }
    Ok(None)
}

fn is_glob(key: &str) -> bool {
    key.contains('*') || key.contains('?')
}

/// A name beats every pattern, a longer key beats a shorter one.
fn is_better(key: &str, than: &str) -> bool {
    match (is_glob(key), is_glob(than)) {
        (false, true) => true,
        (true, false) => false,
        _ => units(key).len() > units(than).len(),
    }
}

/// The strictest statement that holds about one of the call's capabilities, the last of several.
pub fn by_capability<'a>(
    call: &Call<'_>,
    statements: &[&'a Statement<'a>],
) -> Result<Option<&'a Statement<'a>>, Refusal> {
    let mut strictest: Option<&Statement<'_>> = None;
    for statement in statements.iter().copied() {
        let is_about_it = statement.capability.is_some_and(|capability| call.capabilities.contains(&capability));
        if is_about_it
            && conditions::all_hold(call, statement)?
            && strictest.is_none_or(|best| rank(statement.effect) >= rank(best.effect))
        {
            strictest = Some(statement);
        }
    }
    Ok(strictest)
}

/// One for each condition that was written for another schema of the tool than the call's.
pub fn obligations(call: &Call<'_>, statement: &Statement<'_>) -> Vec<Value> {
    let Some(observed) = call.schema_hash else { return Vec::new() };
    let bound = statement.conditions.iter().filter_map(|condition| condition.schema_hash);
    let drifted = bound.filter(|bound| observed.as_str() != Some(bound));
    drifted
        .map(|bound| json!({"type": "schema_drift", "statementId": statement.id, "bound": bound, "observed": observed}))
        .collect()
}
