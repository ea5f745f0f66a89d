//! The statements about the call's tool, and about its capabilities.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::{Refusal, conditions, double, glob, rank, text, units};

fn tool_key(statement: &Value) -> Option<&str> {
    text(&statement["match"], "tool")
}

/// The first statement that holds under the best key. Where none does, the other keys are not tried.
pub fn by_tool<'a>(call: &Value, statements: &[&'a Value]) -> Result<Option<&'a Value>, Refusal> {
    let tool = text(call, "tool").unwrap();
    let mut best: Option<&str> = None;
    for key in statements.iter().filter_map(|statement| tool_key(statement)) {
        let is_match = if is_glob(key) { glob::matches(key, tool) } else { key == tool };
        if is_match && best.is_none_or(|best| is_better(key, best)) {
            best = Some(key);
        }
    }
    let Some(best) = best else { return Ok(None) };
    let mut variants: Vec<&Value> = statements.iter().copied().filter(|it| tool_key(it) == Some(best)).collect();
    let order = |statement: &Value| double(statement["match"]["order"].as_number().unwrap());
    variants.sort_by(|a, b| order(a).partial_cmp(&order(b)).unwrap_or(Ordering::Equal));
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
pub fn by_capability<'a>(call: &Value, statements: &[&'a Value]) -> Result<Option<&'a Value>, Refusal> {
    let mut strictest: Option<&Value> = None;
    let capabilities = call.get("capabilities").and_then(Value::as_array);
    for statement in statements {
        let Some(capability) = statement["match"].get("capability") else { continue };
        if !capabilities.is_some_and(|capabilities| capabilities.contains(capability)) {
            continue;
        }
        let effect = |statement: &Value| rank(text(statement, "effect").unwrap());
        if conditions::all_hold(call, statement)? && strictest.is_none_or(|best| effect(statement) >= effect(best)) {
            strictest = Some(statement);
        }
    }
    Ok(strictest)
}

/// One for each condition that was written for another schema of the tool than the call's.
pub fn obligations(call: &Value, statement: &Value) -> Vec<Value> {
    let Some(observed) = call.get("schemaHash") else { return Vec::new() };
    let conditions = statement.get("conditions").and_then(Value::as_array).into_iter().flatten();
    let bound = conditions.filter_map(|condition| condition.get("schemaBinding")?.get("schemaHash"));
    let drifted = bound.filter(|bound| !bound.is_null() && *bound != observed);
    drifted
        .map(|bound| {
            json!({"type": "schema_drift", "statementId": statement["id"], "bound": bound, "observed": observed})
        })
        .collect()
}
