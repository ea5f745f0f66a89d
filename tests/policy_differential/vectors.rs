//! The plain evaluator against the golden vectors: what the official one answers.

use serde_json::{Value, json};

use super::plain::{self, Refusal, glob, regex, time, units};

fn read(file: &str) -> Value {
    let path = format!("{}/tests/vectors/{file}.json", env!("CARGO_MANIFEST_DIR"));
    armoriq::json::parse(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn cases(list: &Value) -> &[Value] {
    let cases = list.as_array().unwrap();
    assert!(!cases.is_empty());
    cases
}

fn refusal(case: &Value) -> Option<Refusal> {
    Some(match case.get("error")?.as_str().unwrap() {
        "NotPortable" => Refusal::NotPortable,
        "UnsupportedTime" => Refusal::UnsupportedTime,
        "ValueError" => Refusal::NoDocument,
        "KeyError" | "TypeError" | "OverflowError" | "error" | "Invalid" => Refusal::NotEvaluable,
        other => panic!("unknown error {other}"),
    })
}

fn check(case: &Value, actual: Result<Value, Refusal>) {
    match refusal(case) {
        Some(refusal) => assert_eq!(actual, Err(refusal), "{case}"),
        None => assert_eq!(actual.as_ref(), Ok(&case["expect"]), "{case}"),
    }
}

#[test]
fn evaluations() {
    for file in ["policy_evaluate", "policy_directed"] {
        for case in cases(&read(file)) {
            check(case, plain::evaluate(&case["input"], &case["bound"]));
        }
    }
}

#[test]
fn conditions() {
    let file = read("policy_conditions");
    let call = &file["condition_call"];
    for case in cases(&file["conditions"]) {
        let statement = json!({
            "id": "s", "conditions": [case["condition"]], "expiresAt": "never", "effect": "allow",
            "match": {"tool": "t", "order": 0}, "provenance": {"ruleKey": "t", "variant": 0},
        });
        let document = json!({
            "policyId": "p", "layer": "agent", "defaults": {"tools": "block"}, "expiresAt": "never",
            "statements": [statement],
        });
        let actual = plain::evaluate(call, &json!({"agent": document})).map(|it| json!(it["verdict"] == "allow"));
        match refusal(case) {
            Some(refusal) => assert_eq!(actual, Err(refusal), "{case}"),
            None => assert_eq!(actual.as_ref(), Ok(&case["holds"]), "{case}"),
        }
    }
}

#[test]
fn globs() {
    for case in cases(&read("policy_glob")) {
        check(case, Ok(glob::matches(case["pattern"].as_str().unwrap(), case["value"].as_str().unwrap()).into()));
    }
}

fn search(pattern: &Value, value: &Value) -> Result<Value, Refusal> {
    regex::search(&units(pattern.as_str().unwrap()), &units(value.as_str().unwrap())).map(Value::Bool)
}

#[test]
fn regexes() {
    for case in cases(&read("policy_regex")) {
        check(case, search(&case["pattern"], &case["value"]));
    }
    let matrix = read("policy_regex_matrix");
    for case in cases(&matrix["regex"]) {
        for value in cases(&matrix["regex_values"]) {
            let actual = search(&case["pattern"], value);
            match refusal(case) {
                Some(refusal) => assert_eq!(actual, Err(refusal), "{case}"),
                None => {
                    assert_eq!(actual, Ok(case["matches"].as_array().unwrap().contains(value).into()), "{value} {case}")
                }
            }
        }
    }
}

#[test]
fn times() {
    for case in cases(&read("policy_time")) {
        // What depends on the machine's zone is the library's unit test.
        check(case, time::epoch_ms(case.get("value")).map(|ms| ms.map_or(Value::Null, Value::from)));
    }
}

#[test]
fn local_decisions() {
    let (plain, directed) = (read("local_decisions"), read("local_decisions_directed"));
    for case in cases(&plain["decide_locally"]).iter().chain(cases(&directed)) {
        let (call, verdict) = (&case["call"], &case["verdict"]);
        let is_about_the_policy = case["status"] == "current"
            && case["agent"].is_object()
            && !verdict["reason"].as_str().unwrap().starts_with("agent_unresolved");
        if is_about_the_policy {
            let decided = plain::local::decide(&case["agent"], call, "2026-09-18T12:00:00.000Z").unwrap_or("block");
            assert_eq!(decided, verdict["action"], "{case}");
        }
    }
}
