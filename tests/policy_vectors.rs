//! The golden vectors of the policy language, through the public evaluator.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use armoriq::policy::{EvaluationError, evaluate_json};
use serde_json::{Value, json};

fn read(file: &str) -> Value {
    let path = format!("{}/tests/vectors/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    armoriq::json::parse(&text).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// Checks every case and reports all that fail; a file without a case proves nothing and fails.
fn check_all(file: &str, cases: &[Value], check: impl Fn(&Value) -> Result<(), String>) {
    let failures: Vec<String> =
        cases.iter().filter_map(|case| check(case).err().map(|why| format!("{why}\n    {case}"))).collect();
    println!("{file}: {} cases, {} failures", cases.len(), failures.len());
    assert!(!cases.is_empty(), "{file} has no cases");
    let shown: Vec<&str> = failures.iter().take(10).map(String::as_str).collect();
    assert!(failures.is_empty(), "{file}: {} of {} failed:\n{}", failures.len(), cases.len(), shown.join("\n"));
}

fn agrees(actual: &Result<Value, EvaluationError>, case: &Value) -> Result<(), String> {
    match (actual, case.get("error").and_then(Value::as_str)) {
        (Ok(actual), None) if Some(actual) == case.get("expect") => Ok(()),
        (Err(EvaluationError::NotPortable(_)), Some("NotPortable")) => Ok(()),
        (Err(EvaluationError::UnsupportedTime(_)), Some("UnsupportedTime")) => Ok(()),
        (Err(EvaluationError::NoDocument), Some("ValueError")) => Ok(()),
        (
            Err(EvaluationError::NotEvaluable(_)),
            Some("KeyError" | "TypeError" | "OverflowError" | "error" | "Invalid"),
        ) => Ok(()),
        (actual, _) => Err(format!("got {actual:?}")),
    }
}

/// Whether one condition holds for a call.
fn holds(condition: &Value, call: &Value) -> Result<Value, EvaluationError> {
    let document = json!({
        "policyId": "p", "layer": "agent", "defaults": {"tools": "block"}, "expiresAt": "never",
        "statements": [{
            "id": "s", "subject": null, "conditions": [condition], "expiresAt": "never", "effect": "allow",
            "match": {"tool": "t", "order": 0}, "provenance": {"ruleKey": "t", "variant": 0},
        }],
    });
    evaluate_json(call, &json!({ "agent": document })).map(|evaluation| json!(evaluation["verdict"] == "allow"))
}

fn matches(operator: &str, pattern: &Value, value: &Value) -> Result<Value, EvaluationError> {
    let call = json!({"tool": "t", "arguments": {"v": value}});
    holds(&json!({"field": "args.v", "op": operator, "value": pattern}), &call)
}

#[test]
fn evaluations() {
    for file in ["policy_evaluate", "policy_directed"] {
        check_all(file, list(&read(file)), |case| agrees(&evaluate_json(&case["input"], &case["bound"]), case));
    }
}

#[test]
fn conditions() {
    let file = read("policy_conditions");
    check_all("policy_conditions", list(&file["conditions"]), |case| {
        let actual = holds(&case["condition"], &file["condition_call"]);
        match (&actual, case.get("error")) {
            (Ok(actual), None) if *actual == case["holds"] => Ok(()),
            (Err(_), Some(_)) => agrees(&actual, case),
            _ => Err(format!("got {actual:?}")),
        }
    });
}

#[test]
fn globs() {
    let file = read("policy_glob");
    check_all("policy_glob", list(&file), |case| agrees(&matches("glob", &case["pattern"], &case["value"]), case));
}

#[test]
fn regexes() {
    let file = read("policy_regex");
    check_all("policy_regex", list(&file), |case| agrees(&matches("regex", &case["pattern"], &case["value"]), case));
}

#[test]
fn regex_matrix() {
    let file = read("policy_regex_matrix");
    let values = list(&file["regex_values"]);
    check_all("policy_regex_matrix", list(&file["regex"]), |case| {
        for value in values {
            let actual = matches("regex", &case["pattern"], value);
            let expected = case.get("matches").map(|matched| json!(list(matched).contains(value)));
            let single = json!({"expect": expected, "error": case.get("error")});
            agrees(&actual, &single).map_err(|why| format!("{value}: {why}"))?;
        }
        Ok(())
    });
}
