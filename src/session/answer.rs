//! Reads the service's answer to a check. The verdict is allow only where the answer clearly says so.

use std::borrow::Cow;

use crate::decision::{Cause, Decision, PolicyIdentity, Verdict};
use crate::json::{self, Kind, Node, Tape, Value};

/// Who was asked. The proxy stands behind gateways whose errors are no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decider {
    Backend,
    Proxy,
}

/// The largest answer to a check that is read, in bytes. A batch has many of them at once.
pub const MOST_BYTES: usize = 1024 * 1024;

/// What an answer to a check says.
pub struct Answer {
    pub decision: Decision<'static>,
    /// Whether the service does not have the tool inventory that the call belongs to.
    pub misses_inventory: bool,
}

/// Turns an answer of the backend or the proxy into a decision.
///
/// A block or a hold is believed at any status; an allow only with a 2xx. Where the parts of the answer disagree, the
/// strictest wins.
pub fn read(from: Decider, status: u16, body: &[u8]) -> Answer {
    let tape = json::text(body).and_then(Tape::value);
    let answer = tape.as_ref().map(Tape::root);
    let decision = match answer {
        Ok(Some(answer)) if answer.kind() == Kind::Object => decide(status, answer),
        Ok(Some(answer)) if answer.kind() == Kind::Null => {
            Decision { reason: None, ..Decision::block(no_decision(status), "") }
        }
        Ok(_) => unreadable(from, status, "the answer is not a JSON object"),
        Err(error) => unreadable(from, status, &error.to_string()),
    };
    let missing = answer.ok().flatten().and_then(|answer| answer.member("inventoryUnknown"));
    Answer { decision, misses_inventory: missing.is_some_and(|missing| missing.kind() == Kind::True) }
}

fn unreadable(from: Decider, status: u16, what: &str) -> Decision<'static> {
    let reason = match from {
        Decider::Proxy if status >= 400 => rejected(status),
        Decider::Proxy | Decider::Backend => format!("enforce-unavailable: HTTP {status}: {what}"),
    };
    Decision::block(no_decision(status), reason)
}

fn rejected(status: u16) -> String {
    format!("enforce-rejected: HTTP {status}")
}

fn decide(status: u16, answer: Node<'_>) -> Decision<'static> {
    let policy = policy_identity(answer);
    let said = match said(answer) {
        Ok(said) => said,
        Err(odd) => return Decision { policy, ..Decision::block(Cause::Invalid, format!("enforce-invalid: {odd}")) },
    };
    let reason = text_of(answer, "reason").or_else(|| text_of(answer, "message"));
    let obligations = answer.member("obligations").filter(|obligations| obligations.kind() == Kind::Array);
    let obligations = obligations.map_or(Cow::Borrowed("[]"), |obligations| owned(obligations.raw().into()));
    let decision = Decision { reason, policy, obligations, ..Decision::allow(None) };
    match said {
        Some(Verdict::Allow) if is_success(status) => decision,
        Some(Verdict::Allow) => Decision {
            policy: decision.policy,
            ..Decision::block(no_decision(status), format!("enforce-invalid: an allow with HTTP {status}"))
        },
        Some(Verdict::Hold) => Decision { verdict: Verdict::Hold, cause: Some(Cause::Approval), ..decision },
        Some(Verdict::Block) => {
            let cause = if is_about_the_token(decision.reason.as_deref()) { Cause::Token } else { Cause::Policy };
            Decision { verdict: Verdict::Block, cause: Some(cause), ..decision }
        }
        None => {
            let cause = if matched_policy(answer).is_some() { Cause::Policy } else { no_decision(status) };
            let rejected = || (!is_success(status)).then(|| rejected(status).into());
            let reason = decision.reason.clone().or_else(rejected);
            Decision { verdict: Verdict::Block, cause: Some(cause), reason, ..decision }
        }
    }
}

/// The service refuses a token with the reasons that local mode has for it.
fn is_about_the_token(reason: Option<&str>) -> bool {
    let reasons =
        ["token-missing", "token-signature-invalid", "token-claims-invalid", "token-expired", "token-revoked"];
    reason.is_some_and(|reason| reasons.contains(&reason))
}

/// What the answer's parts say together: the strictest of them, none where nothing decides, or what is odd about it.
fn said(answer: Node<'_>) -> Result<Option<Verdict>, String> {
    let mut named = None;
    let envelope = answer.member("enforcement");
    let places = [
        ("enforcementAction", answer.member("enforcementAction")),
        ("enforcement_action", answer.member("enforcement_action")),
        ("action", answer.member("action")),
        ("enforcement.action", envelope.and_then(|envelope| envelope.member("action"))),
        ("enforcement", envelope.filter(|envelope| envelope.kind() != Kind::Object)),
    ];
    for (name, action) in places {
        let Some(action) = action.filter(|action| action.kind() != Kind::Null) else { continue };
        let verdict = action.text().and_then(|action| Verdict::from_name(&action));
        named = named.max(Some(verdict.ok_or_else(|| format!("{name} is {}", shortened(action)))?));
    }
    let is_denied = |allowed: Node<'_>| !matches!(allowed.kind(), Kind::True | Kind::Null);
    let allowed = match envelope.and_then(|envelope| envelope.member("allowed")) {
        Some(allowed) if is_denied(allowed) => Some(Kind::False),
        _ => answer.member("allowed").map(Node::kind),
    };
    let needs_approval = answer.member("requiresApproval").is_some_and(|needed| needed.kind() == Kind::True);
    let least = if needs_approval { Verdict::Hold } else { Verdict::Allow };
    match (allowed, named) {
        (Some(Kind::True), named) => Ok(named.max(Some(least))),
        (Some(Kind::False), Some(Verdict::Allow)) => Err(String::from("the action is allow but allowed is false")),
        (Some(Kind::False), named) => Ok(Some(named.unwrap_or(Verdict::Block))),
        (_, Some(Verdict::Allow)) => Err(String::from("the action is allow but allowed is not true")),
        (_, named) => Ok(named),
    }
}

/// The text of a member, kept for longer than the answer.
fn text_of(node: Node<'_>, key: &str) -> Option<Cow<'static, str>> {
    node.member(key).and_then(Node::text).map(owned)
}

fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

fn value_of(node: Node<'_>) -> Option<Value> {
    json::parse(node.json()).ok()
}

fn shortened(node: Node<'_>) -> String {
    value_of(node).unwrap_or_default().to_string().chars().take(64).collect()
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// Whose fault it is that an answer of this status decides nothing.
fn no_decision(status: u16) -> Cause {
    match status {
        300..=399 | 402 | 408 | 429 | 500.. => Cause::Unavailable,
        401 | 403 => Cause::Config,
        _ => Cause::Invalid,
    }
}

fn matched_policy(answer: Node<'_>) -> Option<Node<'_>> {
    let matched = ["matchedPolicy", "matched_policy"].iter().find_map(|key| answer.member(key));
    matched.filter(|matched| matched.kind() != Kind::Null)
}

/// The matched policy's members are searched first, then the answer's own; the first text wins.
fn policy_identity(answer: Node<'_>) -> PolicyIdentity<'static> {
    let matched = matched_policy(answer);
    let records = || matched.into_iter().chain([answer]);
    let rule = || {
        let rule =
            records().find_map(|record| record.member("matchedRule").filter(|rule| rule.kind() == Kind::Object))?;
        text_of(rule, "id").or_else(|| text_of(rule, "ruleId"))
    };
    let mut identity = PolicyIdentity::default();
    for record in records() {
        let [name, id, version, rule_id] = identifying_texts(record);
        identity.name = identity.name.or(name);
        identity.id = identity.id.or(id);
        identity.version = identity.version.or(version);
        identity.rule_id = identity.rule_id.or(rule_id);
    }
    identity.name = identity.name.or_else(|| matched.and_then(Node::text).map(owned));
    identity.rule_id = identity.rule_id.or_else(rule);
    identity
}

/// The name, id, version and rule id that a record gives. Goes through its members once: most have few, and none of
/// these.
fn identifying_texts(record: Node<'_>) -> [Option<Cow<'static, str>>; 4] {
    let mut texts = [const { None }; 4];
    for (key, value) in record.members() {
        let Some((part, rank)) = identifying(&key) else { continue };
        if let (Some(found), Some(text)) = (texts.get_mut(part), value.text())
            && found.as_ref().is_none_or(|(best, _)| rank < *best)
        {
            *found = Some((rank, text));
        }
    }
    texts.map(|found| found.map(|(_, text)| owned(text)))
}

/// Which text of [`identifying_texts`] a key has, and which of the keys for the same it is: the first holds.
fn identifying(key: &str) -> Option<(usize, u8)> {
    Some(match key {
        "name" => (0, 0),
        "policyName" => (0, 1),
        "matchedPolicyName" => (0, 2),
        "policyId" => (1, 0),
        "policy_id" => (1, 1),
        "id" => (1, 2),
        "matchedPolicyId" => (1, 3),
        "version" => (2, 0),
        "policyVersion" => (2, 1),
        "policy_version" => (2, 2),
        "matchedPolicyVersion" => (2, 3),
        "ruleId" => (3, 0),
        "rule_id" => (3, 1),
        "matchedRuleId" => (3, 2),
        "matched_rule_id" => (3, 3),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(status: u16, body: &str) -> (&'static str, Option<&'static str>, Option<String>) {
        let decision = read(Decider::Backend, status, body.as_bytes()).decision;
        (decision.verdict.as_str(), decision.cause.map(Cause::as_str), decision.reason.map(Cow::into_owned))
    }

    #[test]
    fn allows_only_what_was_clearly_allowed() {
        for body in [r#"{"allowed":true}"#, r#"{"allowed":true,"enforcementAction":"allow","action":null}"#] {
            assert_eq!(decision(200, body), ("allow", None, None), "{body}");
            assert_eq!(decision(201, body).0, "allow");
        }
        for body in [
            r#"{"allowed":"true"}"#,
            r#"{"allowed":1}"#,
            r#"{"enforcementAction":"allow"}"#,
            r#"{"allowed":true,"enforcementAction":"Allow"}"#,
            r#"{"allowed":true,"action":"permit"}"#,
            r#"{"allowed":true,"action":true}"#,
            r#"{"allowed":true,"enforcement":{"action":"block"}}"#,
            r#"{"allowed":true,"enforcement":"block"}"#,
            r#"{"allowed":true,"enforcement":["allow"]}"#,
            r#"{"allowed":true,"enforcement_action":"block"}"#,
            r#"{"allowed":true,"enforcement_action":"Allow"}"#,
            r#"{"allowed":true,"enforcement":{"allowed":false}}"#,
            r#"{"allowed":true,"enforcement":{"allowed":"yes"}}"#,
            r#"{"allowed":true,"enforcement":{"action":"allow","allowed":false}}"#,
            r#"{"allowed":true,"allowed":true}"#,
            r#"{"allowed":true} x"#,
            r#"[{"allowed":true}]"#,
            r#""allow""#,
            "true",
            "null",
            "{}",
            "",
            "<html>",
        ] {
            assert_eq!(decision(200, body).0, "block", "{body}");
        }
        for status in [100, 199, 300, 302, 400, 401, 403, 404, 429, 500, 503] {
            assert_eq!(decision(status, r#"{"allowed":true}"#).0, "block", "{status}");
        }
    }

    #[test]
    fn the_strictest_part_wins() {
        assert_eq!(decision(200, r#"{"allowed":true,"enforcementAction":"hold"}"#).0, "hold");
        assert_eq!(decision(200, r#"{"allowed":true,"enforcementAction":"allow","action":"block"}"#).0, "block");
        assert_eq!(decision(200, r#"{"allowed":false,"enforcementAction":"hold","action":"block"}"#).0, "block");
        assert_eq!(decision(500, r#"{"action":"hold"}"#).0, "hold");
        assert_eq!(decision(403, r#"{"allowed":false}"#), ("block", Some("policy"), None));
        assert_eq!(decision(200, r#"{"allowed":true,"enforcement_action":"hold"}"#).0, "hold");
        assert_eq!(decision(200, r#"{"allowed":true,"requiresApproval":true}"#).0, "hold");
        assert_eq!(decision(200, r#"{"allowed":true,"action":"allow","requiresApproval":true}"#).0, "hold");
        assert_eq!(decision(200, r#"{"allowed":true,"action":"block","requiresApproval":true}"#).0, "block");
        assert_eq!(decision(200, r#"{"allowed":false,"requiresApproval":true}"#).0, "block");
        assert_eq!(decision(200, r#"{"allowed":true,"requiresApproval":false}"#).0, "allow");
    }

    #[test]
    fn a_contradiction_says_what_was_odd() {
        for (body, reason) in [
            (r#"{"allowed":false,"action":"allow"}"#, "enforce-invalid: the action is allow but allowed is false"),
            (r#"{"allowed":true,"action":"maybe"}"#, "enforce-invalid: action is \"maybe\""),
            (r#"{"action":"allow"}"#, "enforce-invalid: the action is allow but allowed is not true"),
        ] {
            assert_eq!(decision(200, body), ("block", Some("invalid"), Some(reason.to_owned())));
        }
        let reason = Some("enforce-invalid: an allow with HTTP 500".to_owned());
        assert_eq!(decision(500, r#"{"allowed":true,"reason":"fine"}"#), ("block", Some("unavailable"), reason));
    }

    #[test]
    fn only_true_says_that_the_inventory_is_missing() {
        let misses_inventory = |body: &str| read(Decider::Backend, 200, body.as_bytes()).misses_inventory;
        assert!(misses_inventory(r#"{"allowed":true,"inventoryUnknown":true}"#));
        for body in [
            r#"{"inventoryUnknown":false}"#,
            r#"{"inventoryUnknown":"true"}"#,
            r#"{"reason":"inventoryUnknown"}"#,
            r#"{"inventoryUnknown":true"#,
            "{}",
        ] {
            assert!(!misses_inventory(body), "{body}");
        }
    }

    #[test]
    fn an_outage_does_not_look_like_a_policy() {
        for status in [302, 402, 408, 429, 500, 503, 599] {
            assert_eq!(
                decision(status, r#"{"message":"boom"}"#),
                ("block", Some("unavailable"), Some("boom".to_owned()))
            );
            assert_eq!(decision(status, "<html>").1, Some("unavailable"));
        }
        for status in [401, 403] {
            assert_eq!(decision(status, r#"{"message":"bad key"}"#).1, Some("config"));
        }
        assert_eq!(decision(403, r#"{"matchedPolicy":{"name":"P"}}"#).1, Some("policy"));
        assert_eq!(decision(403, "{}").2, Some("enforce-rejected: HTTP 403".to_owned()));
        assert_eq!(decision(404, "{}").1, Some("invalid"));
        assert_eq!(decision(200, "not json").1, Some("invalid"));
    }

    #[test]
    fn a_refused_token_is_not_a_policy() {
        let body = r#"{"allowed":false,"reason":"token-expired"}"#;
        assert_eq!(decision(401, body), ("block", Some("token"), Some("token-expired".to_owned())));
        assert_eq!(decision(200, r#"{"allowed":false,"reason":"token-ring is off"}"#).1, Some("policy"));
    }

    #[test]
    fn an_error_page_of_the_proxy_is_a_rejection() {
        let of_proxy = |status| read(Decider::Proxy, status, b"<html>").decision;
        assert_eq!(of_proxy(502), Decision::block(Cause::Unavailable, "enforce-rejected: HTTP 502"));
        assert_eq!((of_proxy(200).verdict, of_proxy(200).cause), (Verdict::Block, Some(Cause::Invalid)));
    }

    #[test]
    fn finds_the_policy_wherever_it_is_named() {
        let policy = |body: &str| read(Decider::Backend, 200, body.as_bytes()).decision.policy;
        let full = policy(
            r#"{"matchedPolicy":{"name":"P","id":"1","version":"3","matchedRule":{"id":"r"}},"policyId":"top"}"#,
        );
        let text = |text: &str| Some(owned(text.into()));
        assert_eq!(full, PolicyIdentity { name: text("P"), id: text("1"), version: text("3"), rule_id: text("r") });
        assert_eq!(policy(r#"{"matched_policy":"P","ruleId":"r"}"#).name, text("P"));
        // Of several keys for the same the first counts that has a text, wherever it stands.
        let ranked =
            policy(r#"{"id":"3","policy_id":"2","policyId":1,"matchedRule":{"id":"r"},"name":"P","policyName":"Q"}"#);
        assert_eq!(ranked, PolicyIdentity { name: text("P"), id: text("2"), version: None, rule_id: text("r") });
    }
}
