//! Every reason for which a check blocks, and whose fault it is said to be.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Service, bundle, check, plan, planned, token};
use crate::decision::{Cause, Verdict};
use crate::session::Session;
use crate::session::answer::{Decider, read};

/// How a session comes to refuse a call of `bank__pay`, how its reason begins, and the cause.
type Case = (fn(&Service) -> Session, &'static str, &'static str);

const CASES: &[Case] = &[
    (unplanned, "No intent token — call start_plan() first", "plan"),
    (|service| minted(service, |token| token["token"]["expires_at"] = json!(1)), "token-expired", "token"),
    (|service| minted(service, |token| token["jwt_token"] = json!("a.b.c")), "token-signature-invalid", "token"),
    (|service| minted(service, |token| token["jwt_token"] = Value::Null), "token-signature-invalid", "token"),
    (expired_by_its_claims, "token-claims-invalid", "token"),
    (|service| without(service, "/iap/public-key"), "token-signature-invalid", "unavailable"),
    (
        |service| plan(&service.client("bot"), "bank__look"),
        "tool-not-in-plan: 'bank__pay' was not declared in the captured plan",
        "plan",
    ),
    (|service| without(service, "/policy/bundles/current"), "policy-bundle-unavailable", "unavailable"),
    (stale, "policy-bundle-stale", "stale"),
    (
        |service| plan(&service.client_with(json!({})), "bank__pay"),
        "agent_unresolved: pass agent_id (or set AGENT_ID) to decide calls in local mode",
        "config",
    ),
    (|service| of_agent(service, "nobody"), "agent_unresolved: no registered agent matches 'nobody'", "config"),
    (|service| of_agent(service, "asleep"), "agent_inactive", "policy"),
    (
        |service| plan(&service.client_with(json!({ "agent_id": "free", "require_policy": true })), "bank__pay"),
        "no_active_policy",
        "config",
    ),
    (|service| of_agent(service, "bad"), "policy-not-evaluable: ", "invalid"),
    (|service| governed(service, "pay", "block"), "block:pay#0", "policy"),
    (|service| governed(service, "look", "allow"), "block:tools.default", "policy"),
    (
        |service| governed(service, "pay", "hold"),
        "hold:pay#0 — switch ARMORIQ_MODE=proxy to enable approval workflows for this action.",
        "approval",
    ),
    (|service| in_mode(service, "proxy"), "enforce-unavailable: No ArmorIQ proxy endpoint is set", "config"),
    (away, "enforce-unavailable: ", "unavailable"),
];

fn unplanned(service: &Service) -> Session {
    service.client("bot").start_session(Default::default()).unwrap()
}

fn of_agent(service: &Service, agent: &str) -> Session {
    plan(&service.client(agent), "bank__pay")
}

fn in_mode(service: &Service, mode: &str) -> Session {
    planned(&service.client("bot"), json!({ "mode": mode }), "bank__pay")
}

/// With a token that something is wrong with.
fn minted(service: &Service, spoil: fn(&mut Value)) -> Session {
    let mut token = token(0);
    spoil(&mut token);
    service.answer("/iap/sdk/token", 201, token);
    of_agent(service, "bot")
}

fn expired_by_its_claims(service: &Service) -> Session {
    service.answer("/iap/sdk/token", 201, super::token_until(0, 1));
    of_agent(service, "bot")
}

fn without(service: &Service, path: &'static str) -> Session {
    service.answer(path, 500, "{}");
    of_agent(service, "bot")
}

fn stale(service: &Service) -> Session {
    let client = service.client("bot");
    let session = plan(&client, "bank__pay");
    service.answer("/policy/bundles/current", 500, "{}");
    client.pass(Duration::from_secs(301));
    session
}

fn governed(service: &Service, tool: &str, effect: &str) -> Session {
    service.answer("/policy/bundles/current", 200, bundle(tool, effect));
    of_agent(service, "bot")
}

fn away(service: &Service) -> Session {
    let session = in_mode(service, "sdk");
    service.state.away.store(true, Ordering::SeqCst);
    session
}

#[test]
fn every_reason_of_a_session_has_its_cause() {
    for (session, reason, cause) in CASES {
        let service = Service::start();
        let (action, said, found) = check(&session(&service));
        assert!(said.starts_with(reason), "{said} instead of {reason}");
        assert_eq!((action.as_str(), found), ("block", json!(cause)), "{said}");
    }
}

/// What the parts of an answer can be. Every combination of them is tried.
const ALLOWED: [Option<&str>; 4] = [None, Some("true"), Some("false"), Some("\"true\"")];
const ACTIONS: [Option<&str>; 6] = [None, Some("allow"), Some("block"), Some("hold"), Some("maybe"), Some("ALLOW")];
const REASONS: [Option<&str>; 4] = [None, Some("why"), Some("token-expired"), Some("token-revoked")];

/// The verdict and the cause by the contract, from the parts and not from the text.
fn by_the_contract(
    status: u16,
    allowed: Option<&str>,
    actions: [Option<&str>; 2],
    matched: bool,
    reason: Option<&str>,
) -> (Verdict, Option<Cause>) {
    let is_success = (200..=299).contains(&status);
    let undecided = match status {
        _ if matched => Cause::Policy,
        300..=399 | 402 | 408 | 429 | 500..=599 => Cause::Unavailable,
        401 | 403 => Cause::Config,
        _ => Cause::Invalid,
    };
    let named = || actions.into_iter().flatten();
    let is_odd = named().any(|action| !["allow", "block", "hold"].contains(&action));
    let refused = named().any(|action| action == "block");
    let held = named().any(|action| action == "hold");
    let is_allow = named().next().is_some() && named().all(|action| action == "allow");
    match allowed {
        _ if is_odd => (Verdict::Block, Some(Cause::Invalid)),
        _ if refused => (Verdict::Block, Some(blamed(reason))),
        _ if held => (Verdict::Hold, Some(Cause::Approval)),
        Some("true") if is_success => (Verdict::Allow, None),
        // A status that is no success speaks louder than the body, whatever the body names.
        Some("true") => (Verdict::Block, Some(if undecided == Cause::Policy { unsaid(status) } else { undecided })),
        _ if is_allow => (Verdict::Block, Some(Cause::Invalid)),
        Some("false") => (Verdict::Block, Some(blamed(reason))),
        _ => (Verdict::Block, Some(undecided)),
    }
}

fn unsaid(status: u16) -> Cause {
    by_the_contract(status, None, [None, None], false, None).1.unwrap()
}

fn blamed(reason: Option<&str>) -> Cause {
    if reason.is_some_and(|reason| reason.starts_with("token-")) { Cause::Token } else { Cause::Policy }
}

#[test]
fn every_answer_of_the_service_has_its_cause() {
    let quoted = |text: &str| format!("\"{text}\"");
    let mut tried = 0;
    for status in (100..=599).step_by(1).filter(|status| status % 100 < 30 || *status == 599) {
        for allowed in ALLOWED {
            for first in ACTIONS {
                for second in ACTIONS {
                    for (matched, reason) in
                        [(false, None), (true, None)].into_iter().chain(REASONS.map(|r| (false, r)))
                    {
                        let members = [
                            ("allowed", allowed.map(str::to_owned)),
                            ("enforcementAction", first.map(quoted)),
                            ("action", second.map(quoted)),
                            ("matchedPolicy", matched.then(|| r#"{"name":"P"}"#.to_owned())),
                            ("reason", reason.map(quoted)),
                        ];
                        let members =
                            members.into_iter().filter_map(|(name, value)| Some(format!("\"{name}\":{}", value?)));
                        let body = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
                        let expected = by_the_contract(status, allowed, [first, second], matched, reason);
                        for decider in [Decider::Backend, Decider::Proxy] {
                            let found = read(decider, status, body.as_bytes()).decision;
                            assert_eq!((found.verdict, found.cause), expected, "{decider:?} {status} {body}");
                            tried += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(tried > 100_000, "{tried}");
}

#[test]
fn an_answer_to_a_check_is_not_read_beyond_a_bound() {
    let service = Service::start();
    let session = in_mode(&service, "sdk");
    let answered = |obligations: usize| {
        let obligations = vec!["{}"; obligations].join(",");
        let answer = format!(r#"{{"allowed":true,"reason":"fine","obligations":[{obligations}]}}"#);
        service.answer("/iap/sdk/enforce", 200, answer);
        check(&session)
    };
    assert_eq!(answered(300_000), ("allow".into(), "fine".into(), Value::Null));
    let (action, reason, cause) = answered(400_000);
    assert_eq!((action.as_str(), &cause), ("block", &json!("unavailable")));
    assert!(reason.ends_with("/iap/sdk/enforce is larger than 1 MiB"), "{reason}");
}
