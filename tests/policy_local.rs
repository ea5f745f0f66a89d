//! The golden vectors of decisions in local mode.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use armoriq::policy::Bundle;
use armoriq::policy::local::{BundleState, LocalCall, decide};
use serde_json::{Value, json};

/// The moment at which the vectors are decided: nothing in them expires near it.
const NOW_MS: i64 = 1_789_732_800_000;

fn cases(file: &str, list: Option<&str>) -> Vec<Value> {
    let path = format!("{}/tests/vectors/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let file = armoriq::json::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let cases = list.map_or(&file, |list| &file[list]);
    cases.as_array().unwrap().clone()
}

fn decided(case: &Value) -> Value {
    let agents: Vec<&Value> = Some(&case["agent"]).filter(|agent| !agent.is_null()).into_iter().collect();
    let bundle = Bundle::compile(&json!({ "agents": agents })).unwrap();
    let state = match case["status"].as_str().unwrap() {
        "unavailable" => BundleState::Unavailable,
        "stale" => BundleState::Stale,
        "current" => BundleState::Current(&bundle),
        status => panic!("unknown status {status}"),
    };
    let call = &case["call"];
    let local = LocalCall {
        tool: call["tool"].as_str().unwrap(),
        arguments: &call["arguments"],
        server: call["mcp_server"].as_str(),
        user_email: call["user_email"].as_str(),
    };
    decide(state, call["agent_id"].as_str(), &local, NOW_MS).to_json()
}

fn check(file: &str, list: Option<&str>) {
    let cases = cases(file, list);
    println!("{file}: {} cases", cases.len());
    assert!(!cases.is_empty(), "{file} has no cases");
    for case in &cases {
        assert_eq!(decided(case), case["verdict"], "{case}");
    }
}

#[test]
fn local_decisions() {
    check("local_decisions", Some("decide_locally"));
}

#[test]
fn directed_local_decisions() {
    check("local_decisions_directed", None);
}
