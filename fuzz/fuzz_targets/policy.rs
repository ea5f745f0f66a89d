//! The policy engine against the plain evaluator, on whatever JSON comes. The input is a call and documents, with a
//! zero byte between them.

#![no_main]

use armoriq::json::{self, Value};
use armoriq::policy::{Call, evaluate_json, explain_json, lint};
use libfuzzer_sys::fuzz_target;
use plain::Refusal;

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/policy_differential/plain/mod.rs"]
mod plain;

fuzz_target!(|bytes: &[u8]| {
    let Some((call, documents)) = std::str::from_utf8(bytes).ok().and_then(|text| text.split_once('\0')) else {
        return;
    };
    // The plain evaluator takes the square of what it is given.
    if bytes.len() > 4096 {
        return;
    }
    let (Ok(call), Ok(documents)) = (json::parse(call), json::parse(documents)) else { return };
    if has_large_repeat(&documents) {
        return;
    }
    let fast = evaluate_json(&call, &documents).map_err(Refusal::of);
    assert_eq!(fast, plain::evaluate(&call, &documents));
    let explained = explain_json(&call, &documents);
    assert_eq!(explained.as_ref().map(|it| &it["evaluation"]).ok(), fast.as_ref().ok());
    if let Some(documents) = documents.as_object() {
        lint::check(documents, call.as_array().map(Vec::as_slice), 1_790_000_000_000);
    }
    let _ = Call::from_json(&call);
});

/// Whether a text has a repeat of more than two digits: the plain evaluator makes every one of them.
fn has_large_repeat(value: &Value) -> bool {
    let in_text = |text: &str| {
        text.split('{').skip(1).any(|rest| {
            rest.split(['}', ','])
                .take(2)
                .any(|count| count.len() > 2 && count.bytes().all(|byte| byte.is_ascii_digit()))
        })
    };
    match value {
        Value::String(text) => in_text(text),
        Value::Array(items) => items.iter().any(has_large_repeat),
        Value::Object(members) => members.values().any(has_large_repeat),
        _ => false,
    }
}
