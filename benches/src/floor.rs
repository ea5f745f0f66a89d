//! The floor: what somebody would write by hand for one policy and nothing else. It reads the arguments that the policy
//! is about, finds the rule by one look-up, compares one number, runs one regular expression, looks at the clock and
//! writes an answer of the usual size.

use std::collections::HashMap;
use std::ffi::c_char;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use regex::Regex;
use serde::Deserialize;

use super::text;

struct Rule {
    limit: f64,
    payee: Regex,
    reason: &'static str,
}

#[derive(Deserialize)]
struct Arguments<'a> {
    amount: f64,
    to: &'a str,
}

static RULES: LazyLock<HashMap<String, Rule>> = LazyLock::new(|| {
    let rule = |tool: String| {
        let payee = Regex::new(r"^[a-z0-9-]+@example\.com$").expect("a valid pattern");
        (tool, Rule { limit: 5000.0, payee, reason: "allow:pay_vendor#0" })
    };
    std::iter::once("pay_vendor".to_owned()).chain((1..10).map(|n| format!("tool_{n}"))).map(rule).collect()
});

static EXPIRES: LazyLock<SystemTime> = LazyLock::new(|| SystemTime::now() + Duration::from_secs(3600));

const BEFORE_REASON: &[u8] = br#"{"allowed":true,"action":"allow","reason":""#;
const AFTER_REASON: &[u8] = br#"","delegation_id":null,"matched_policy":"Bench 10","policy_id":"policy-bench-10","policy_version":null,"rule_id":null,"obligations":[],"cause":null}"#;

/// Decides a call. The answer is a text that the caller frees with `free`, or NULL where the call is refused.
///
/// # Safety
/// Both texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn floor_check(tool: *const c_char, arguments: *const c_char) -> *mut c_char {
    // SAFETY: by this function's own condition.
    let decided = unsafe { text(tool).zip(text(arguments)) }.and_then(|(tool, arguments)| decide(tool, arguments));
    decided.map_or(std::ptr::null_mut(), answer)
}

fn decide(tool: &str, arguments: &str) -> Option<&'static str> {
    if SystemTime::now() >= *EXPIRES {
        return None;
    }
    let arguments: Arguments<'_> = serde_json::from_str(arguments).ok()?;
    let rule = RULES.get(tool)?;
    (arguments.amount <= rule.limit && rule.payee.is_match(arguments.to)).then_some(rule.reason)
}

fn answer(reason: &str) -> *mut c_char {
    let parts = [BEFORE_REASON, reason.as_bytes(), AFTER_REASON, b"\0"];
    // SAFETY: any size may be asked for.
    let answer = unsafe { libc::malloc(parts.iter().map(|part| part.len()).sum()) }.cast::<u8>();
    if !answer.is_null() {
        let mut at = 0;
        for part in parts {
            // SAFETY: the memory is as large as all parts, and new.
            unsafe { answer.add(at).copy_from_nonoverlapping(part.as_ptr(), part.len()) };
            at += part.len();
        }
    }
    answer.cast()
}
