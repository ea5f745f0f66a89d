//! The service's answers to checks: allow only where all that an answer says allows it, and what else it says is kept.
//!
//! The first byte chooses the status and who answers, the rest is the body.

#![no_main]

use armoriq::decision::{Cause, Verdict};
use armoriq::fuzzing::{Decider, read_decision};
use armoriq::json::{self, Map, Value, string_member};
use libfuzzer_sys::fuzz_target;

const STATUSES: [u16; 8] = [200, 201, 401, 403, 404, 302, 500, 429];

fuzz_target!(|bytes: &[u8]| {
    let Some((first, body)) = bytes.split_first() else { return };
    let status = STATUSES[usize::from(first & 7)];
    let decider = if first & 8 == 0 { Decider::Backend } else { Decider::Proxy };
    let read = read_decision(decider, status, body);
    let decision = &read.decision;
    let Ok(Value::Object(answer)) = json::parse_bytes(body) else {
        assert_eq!(decision.verdict, Verdict::Block);
        assert!(!read.misses_inventory);
        return;
    };
    assert_eq!(decision.verdict, verdict(status, &answer).unwrap_or(Verdict::Block));
    assert_eq!(read.misses_inventory, answer.get("inventoryUnknown") == Some(&Value::Bool(true)));
    match decision.verdict {
        Verdict::Allow => assert_eq!(decision.cause, None),
        Verdict::Hold => assert_eq!(decision.cause, Some(Cause::Approval)),
        Verdict::Block => assert!(!matches!(decision.cause, None | Some(Cause::Approval))),
    }
    let answer = Value::Object(answer);
    if decision.verdict != Verdict::Block {
        let reason = string_member(&answer, "reason").or_else(|| string_member(&answer, "message"));
        assert_eq!(decision.reason.as_deref(), reason);
        let none = Value::Array(Vec::new());
        let obligations = answer.get("obligations").filter(|obligations| obligations.is_array()).unwrap_or(&none);
        assert!(json::parse(&decision.obligations).is_ok_and(|kept| kept == *obligations));
    }
    let identity = ["policyId", "policy_id", "id", "matchedPolicyId"];
    let matched = ["matchedPolicy", "matched_policy"].iter().find_map(|name| answer.get(*name));
    let records = matched.into_iter().chain([&answer]);
    let id = records.flat_map(|record| identity.iter().map(move |name| string_member(record, name))).flatten().next();
    assert_eq!(decision.policy.id.as_deref(), id);
});

/// What the answer says, none where it decides nothing or contradicts itself.
fn verdict(status: u16, answer: &Map<String, Value>) -> Option<Verdict> {
    let envelope = answer.get("enforcement");
    let inside = envelope.and_then(|envelope| envelope.get("action"));
    let itself = envelope.filter(|envelope| !envelope.is_object());
    let named = ["enforcementAction", "enforcement_action", "action"].map(|name| answer.get(name));
    let mut strictest = None;
    for action in named.into_iter().chain([inside, itself]) {
        let Some(action) = action.filter(|action| !action.is_null()) else { continue };
        let rank = ["allow", "hold", "block"].iter().position(|name| action == name)?;
        strictest = strictest.max(Some(rank));
    }
    let also = envelope.and_then(|envelope| envelope.get("allowed")).filter(|allowed| !allowed.is_null());
    let allowed = answer.get("allowed").and_then(Value::as_bool).filter(|_| also.is_none_or(|also| also == true));
    let needs_approval = answer.get("requiresApproval") == Some(&Value::Bool(true));
    match (allowed, strictest) {
        (Some(true), None | Some(0)) if needs_approval => Some(Verdict::Hold),
        (Some(true), None | Some(0)) => (200..300).contains(&status).then_some(Verdict::Allow),
        (_, Some(1)) => Some(Verdict::Hold),
        _ => None,
    }
}
