//! A service that is down costs a check nothing, and is back with the first answer.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use super::local::eventually;
use super::{Service, allowed, bundle, check, plan, planned};
use crate::Error;
use crate::session::Session;

const ENFORCE: &str = "/iap/sdk/enforce";
const BUNDLE: &str = "/policy/bundles/current";

/// What a check says that the service allowed.
fn said_allowed(session: &Session) -> bool {
    check(session) == ("allow".into(), "fine".into(), Value::Null)
}

/// Lets checks fail until the next one would be refused.
fn fail(service: &Service, session: &Session) {
    service.state.away.store(true, Ordering::SeqCst);
    for _ in 0..5 {
        let (action, reason, cause) = check(session);
        assert_eq!((action.as_str(), cause), ("block", json!("unavailable")));
        assert!(reason.starts_with("enforce-unavailable: no answer from "), "{reason}");
    }
}

fn assert_refused(service: &Service, session: &Session) {
    let (action, reason, cause) = check(session);
    assert_eq!((action.as_str(), cause), ("block", json!("unavailable")));
    assert!(reason.starts_with(&format!("enforce-unavailable: {} has been failing", service.address)), "{reason}");
}

#[test]
fn checks_are_refused_at_once_until_a_probe_is_answered() {
    let service = Service::start();
    service.answer(ENFORCE, 200, json!({ "allowed": true, "reason": "fine" }));
    let client = service.client_with(json!({}));
    let session = planned(&client, json!({ "mode": "sdk" }), "bank__pay");
    assert!(said_allowed(&session));
    fail(&service, &session);
    assert_refused(&service, &session);
    let minted = client.start_session(Default::default()).unwrap().start_plan(r#"[{"name":"bank__pay"}]"#, None);
    match minted.unwrap_err() {
        Error::Service { message, status_code: None } => {
            assert!(message.contains("it is tried again in "), "{message}")
        }
        other => panic!("{other:?}"),
    }

    // A probe that fails is followed by a longer pause.
    client.pass(Duration::from_secs(1));
    assert!(check(&session).1.starts_with("enforce-unavailable: no answer from "));
    assert_refused(&service, &session);

    service.state.away.store(false, Ordering::SeqCst);
    client.pass(Duration::from_secs(2));
    for _ in 0..10 {
        assert!(said_allowed(&session));
    }
}

#[test]
fn the_background_task_probes_too() {
    let service = Service::start();
    service.answer(ENFORCE, 200, json!({ "allowed": true, "reason": "fine" }));
    service.answer(BUNDLE, 503, "");
    let client = service.client("bot");
    let local = plan(&client, "bank__pay");
    assert_eq!(check(&local).1, "policy-bundle-unavailable");
    let asking = planned(&client, json!({ "mode": "sdk" }), "bank__pay");
    fail(&service, &asking);
    assert_refused(&service, &asking);

    service.answer(BUNDLE, 200, bundle("pay", "allow"));
    service.state.away.store(false, Ordering::SeqCst);
    // Checks of a local session ask nobody.
    eventually("the bundle was not fetched", || check(&local) == allowed());
    assert!(said_allowed(&asking));
}
