//! Measures what a client does with a bundle that it fetched, for an agent with 1,000 statements of four conditions
//! each and as many tools: it reads the text and compiles the policy.
//!
//! Prints `compile`, the medians of compiling and of reading in nanoseconds, and a 0 as the last of four columns.

use std::hint::black_box;
use std::time::Instant;

use armoriq::json::{self, Value, json};
use armoriq::policy::Bundle;

const STATEMENTS: usize = 1000;
const ROUNDS: usize = 101;

fn main() {
    let text = bundle().to_string();
    let answer = json::parse(&text).expect("JSON");
    let compiled = Bundle::compile(&answer).expect("a bundle");
    assert_eq!(compiled.problems().count(), 0);
    let read = median(|| json::parse(black_box(&text)).expect("JSON"));
    let compile = median(|| Bundle::compile(black_box(&answer)).expect("a bundle"));
    println!("compile {compile} {read} 0");
}

fn bundle() -> Value {
    let names = || (0..STATEMENTS).map(|n| format!("tool_{n}"));
    let tool = |name: String| {
        json!({
            "name": name, "qualifiedName": format!("pay-mcp.{name}"), "server": "pay-mcp", "schemaHash": null,
            "capabilities": [],
        })
    };
    let document = json!({
        "schemaVersion": "armor.policy.v2",
        "policyId": "policy-bench",
        "target": {"agent": "bench"},
        "layer": "agent",
        "defaults": {"tools": "block"},
        "expiresAt": "never",
        "statements": names().map(statement).collect::<Vec<_>>(),
    });
    json!({
        "agents": [{
            "agentId": "bench",
            "name": "bench",
            "policy": {"policyId": "policy-bench", "name": "Bench", "document": document},
            "tools": names().map(tool).collect::<Vec<_>>(),
            "members": [],
        }],
    })
}

fn statement(tool: String) -> Value {
    json!({
        "id": format!("s-{tool}"),
        "subject": null,
        "match": {"tool": tool, "order": 0},
        "conditions": [
            {"field": "args.amount", "op": "lte", "value": 5000},
            {"field": "args.to", "op": "regex", "value": r"^[a-z0-9-]+@example\.com$"},
            {"field": "args.currency", "op": "in", "value": ["EUR", "USD", "GBP"]},
            {"field": "args.note", "op": "startsWith", "value": "invoice "},
        ],
        "effect": "allow",
        "approval": null,
        "expiresAt": "never",
        "provenance": {"ruleKey": tool, "variant": 0},
    })
}

/// The median time of `work`, without that of dropping its result.
fn median<T>(work: impl Fn() -> T) -> u128 {
    let mut times: Vec<u128> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            let result = work();
            let time = start.elapsed().as_nanos();
            drop(black_box(result));
            time
        })
        .collect();
    times.sort_unstable();
    times[ROUNDS / 2]
}
