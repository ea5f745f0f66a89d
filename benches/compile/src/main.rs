//! Measures what a client does with a bundle that it fetched, for an agent with 1,000 statements of four conditions
//! each and as many tools: it reads the text and compiles the policy.
//!
//! Prints `compile`, the medians of compiling and of reading in nanoseconds, and a 0 as the last of four columns; then
//! the same of `explained`, a refusal written with its `cause` and `for_model`, and written without.

use std::hint::black_box;
use std::time::Instant;

use armoriq::decision::{Cause, Decision};
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
    let refusal = Decision::block(Cause::Policy, "block:tool_1#0");
    let bare = Decision { cause: None, ..refusal.clone() };
    let (explained, unexplained) = (write_time(&refusal), write_time(&bare));
    println!("explained {:.1} {:.1} 0", explained - unexplained, unexplained);
}

/// The median time of writing a decision, in nanoseconds.
fn write_time(decision: &Decision<'_>) -> f64 {
    const WRITES: u32 = 1000;
    let mut json = String::new();
    let mut writes = || {
        let start = Instant::now();
        for _ in 0..WRITES {
            json.clear();
            black_box(decision).write_json(black_box("pay-mcp__tool_1"), &mut json);
            black_box(&json);
        }
        start.elapsed().as_nanos()
    };
    let mut times: Vec<u128> = (0..ROUNDS).map(|_| writes()).collect();
    times.sort_unstable();
    times[ROUNDS / 2] as f64 / f64::from(WRITES)
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
