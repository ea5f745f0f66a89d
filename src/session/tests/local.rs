//! Local mode against a service that comes and goes, on a clock that the test moves.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Service, Session, allowed, check, plan, stale, token_until};
use crate::clock::since_1970;
use crate::config::CheckOptions;
use crate::decision::{Decision, Verdict};

pub(super) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn goes_on_without_the_service_until_the_bundle_is_stale_and_recovers_by_itself() {
    let service = Service::start();
    let client = service.client("bot");
    let session = plan(&client, "bank__pay");
    assert_eq!(check(&session), allowed());

    service.state.away.store(true, Ordering::SeqCst);
    client.pass(Duration::from_secs(298));
    assert_eq!(check(&session), allowed());
    client.pass(Duration::from_secs(3));
    assert_eq!(check(&session), stale());
    // The service is known to be away by now: no check waits for it again.
    let start = Instant::now();
    for _ in 0..1000 {
        assert_eq!(check(&session), stale());
    }
    assert!(start.elapsed() < Duration::from_secs(20), "each of the checks asked the service");

    service.state.away.store(false, Ordering::SeqCst);
    eventually("the bundle was not fetched again", || check(&session) == allowed());
}

#[test]
fn one_check_refreshes_a_bundle_that_grew_stale_unseen() {
    let service = Service::start();
    let client = service.client("bot");
    let session = plan(&client, "bank__pay");
    client.pass(Duration::from_secs(3600));
    let asked = service.state.bundles.load(Ordering::SeqCst);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(check(&session), allowed()));
        }
    });
    assert!(service.state.bundles.load(Ordering::SeqCst) <= asked + 1, "the checks did not share one request");
}

#[test]
fn the_sessions_of_a_client_share_one_bundle() {
    let service = Service::start();
    let client = service.client("bot");
    let sessions: Vec<_> = (0..5).map(|_| plan(&client, "bank__pay")).collect();
    assert!(sessions.iter().all(|session| check(session) == allowed()));
    assert_eq!(service.state.keys.load(Ordering::SeqCst), 1);
    let asked = service.state.bundles.load(Ordering::SeqCst);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| plan(&client, "bank__pay"));
        }
    });
    assert!(service.state.bundles.load(Ordering::SeqCst) < asked + 16, "plans that start together each asked");
}

#[test]
fn a_bad_document_blocks_its_own_agent_only() {
    let service = Service::start();
    let (action, reason, cause) = check(&plan(&service.client("bad"), "bank__pay"));
    assert_eq!((action.as_str(), cause), ("block", json!("invalid")));
    assert!(reason.starts_with("policy-not-evaluable: "), "{reason}");
    assert_eq!(check(&plan(&service.client("bot"), "bank__pay")), allowed());
    let free = check(&plan(&service.client("free"), "bank__pay"));
    assert_eq!(free, ("allow".into(), "no_active_policy".into(), Value::Null));
}

#[test]
fn a_rotated_key_is_picked_up_once_a_minute() {
    let service = Service::start();
    let client = service.client("bot");
    assert_eq!(check(&plan(&client, "bank__pay")), allowed());
    service.state.signs_with.store(1, Ordering::SeqCst);
    let forged = ("block".into(), "token-signature-invalid".into(), json!("token"));
    assert_eq!(check(&plan(&client, "bank__pay")), forged);
    assert_eq!(service.state.keys.load(Ordering::SeqCst), 1, "the key was looked up again within a minute");
    client.pass(Duration::from_secs(61));
    assert_eq!(check(&plan(&client, "bank__pay")), allowed());
    assert_eq!(service.state.keys.load(Ordering::SeqCst), 2);
}

#[test]
fn checks_go_on_while_plans_and_policies_change() {
    let service = Service::start();
    let client = service.client("bot");
    let session = plan(&client, "bank__pay");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    let (action, reason, _) = check(&session);
                    assert!(action == "allow" || reason.starts_with("tool-not-in-plan: "), "{reason}");
                }
            });
        }
        for round in 0..20 {
            let tools = if round % 2 == 0 { r#"[{"name": "bank__look"}]"# } else { r#"[{"name": "bank__pay"}]"# };
            session.start_plan(tools, None).unwrap();
        }
        done.store(true, Ordering::SeqCst);
    });
    assert_eq!(check(&session), allowed());
}

/// A check that no thread waits in: the action, and whether the decision was there at once.
fn submitted(session: &Session) -> (String, bool) {
    let action = |decision: &Decision<'_>| decision.verdict.as_str().to_owned();
    match session.check_at_once("bank__pay", "{}", CheckOptions::default(), action).unwrap() {
        ControlFlow::Break(action) => (action, true),
        ControlFlow::Continue(check) => (session.client().run(check.decide(action)).unwrap(), false),
    }
}

#[test]
fn a_submitted_check_waits_only_where_the_bundle_is_stale() {
    let service = Service::start();
    let client = service.client("bot");
    let session = plan(&client, "bank__pay");
    assert_eq!(submitted(&session), ("allow".into(), true));
    client.pass(Duration::from_secs(3600));
    let asked = service.state.bundles.load(Ordering::SeqCst);
    assert_eq!(submitted(&session), ("allow".into(), false));
    assert_eq!(service.state.bundles.load(Ordering::SeqCst), asked + 1);
    assert_eq!(submitted(&session), ("allow".into(), true));

    service.state.away.store(true, Ordering::SeqCst);
    client.pass(Duration::from_secs(3600));
    assert_eq!(submitted(&session), ("block".into(), false));
    session.reset();
    assert_eq!(submitted(&session), ("block".into(), true));
}

#[test]
fn a_token_that_expires_while_a_check_waits_for_the_bundle_allows_nothing() {
    let ways: [fn(&Session) -> String; 2] = [|session| check(session).0, |session| submitted(session).0];
    for action in ways {
        // Again where this machine was too slow to begin before the token expires.
        loop {
            let service = Service::start();
            let client = service.client("bot");
            std::thread::sleep(Duration::from_millis(1000 - u64::from(since_1970().subsec_millis())));
            let expiry = since_1970().as_secs() + 1;
            service.answer("/iap/sdk/token", 201, token_until(0, expiry));
            let session = plan(&client, "bank__pay");
            client.pass(Duration::from_secs(3600));
            service.state.slowness.store(1500, Ordering::SeqCst);
            let begun = since_1970().as_secs();
            let action = action(&session);
            if begun < expiry {
                assert_eq!(action, "block");
                break;
            }
        }
    }
}

#[test]
fn a_submitted_check_is_about_the_plan_of_its_time() {
    let service = Service::start();
    let client = service.client("bot");
    let session = plan(&client, "bank__pay");
    client.pass(Duration::from_secs(3600));
    let allows = |decision: &Decision<'_>| decision.verdict == Verdict::Allow;
    let check = session.check_at_once("bank__pay", "{}", CheckOptions::default(), allows).unwrap();
    session.reset();
    let check = check.continue_value().expect("the bundle is stale");
    assert!(client.run(check.decide(allows)).unwrap());
}
