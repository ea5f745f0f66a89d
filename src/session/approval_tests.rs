//! Holds and approvals under many threads, against a service that would let an approval be used again and again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{ApprovalOptions, Session};
use crate::client::Client;
use crate::config::{CheckOptions, ClientOptions, SessionOptions};
use crate::test_server::{Received, Reply, Server};
use crate::{Error, Result, json};

fn session(server: &Server) -> Session {
    let options = json!({ "api_key": "ak_test_x", "backend_endpoint": server.url(""), "max_retries": 0 });
    let client = Client::new(ClientOptions::from_json(options.as_object().unwrap()).unwrap()).unwrap();
    let mode = json!({ "mode": "sdk" });
    let mode = SessionOptions::from_json(mode.as_object().unwrap()).unwrap();
    let session = client.for_user("bob@x.com").unwrap().start_session(mode).unwrap();
    session.start_plan(r#"[{"name":"bank__pay"},{"name":"shop__pay"}]"#, None).unwrap();
    session
}

fn path(request: &Received) -> &str {
    request.line.split(' ').nth(1).unwrap().split('?').next().unwrap()
}

/// What every service here answers besides its approvals: a token, and a hold for every call.
fn usual(request: &Received) -> Reply {
    match path(request) {
        "/iap/sdk/token" => Reply::json(
            201,
            r#"{"success":true,"plan_id":"plan_1","plan_hash":"h","intent_reference":"r","composite_identity":"c",
                "token":{"issued_at":1,"expires_at":4102444800}}"#,
        ),
        "/iap/sdk/enforce" => Reply::json(200, r#"{"allowed":false,"enforcementAction":"hold"}"#),
        "/delegation/mark-executed" => Reply::json(200, "{}"),
        "/delegation/request" => Reply::json(201, r#"{"delegationId":"del_new","status":"pending"}"#),
        _ => Reply::json(404, "{}"),
    }
}

fn approved(id: &str) -> Reply {
    Reply::json(200, &json!({ "approved": true, "delegationId": id }).to_string())
}

fn check(session: &Session, tool: &str, args: &str) -> Value {
    let decision = session.check(tool, args, &CheckOptions::default(), |decision| decision.to_json(tool)).unwrap();
    json::parse(&decision).unwrap()
}

fn wait(session: &Session, timeout: u64, interval: u64) -> Result<Value> {
    let options = ApprovalOptions {
        timeout: Duration::from_millis(timeout),
        interval: Duration::from_millis(interval),
        user_email: None,
    };
    session.await_approval("del_1", &options).map(|mut answer| answer["status"].take())
}

#[test]
fn each_approval_allows_exactly_one_of_many_checks() {
    const THREADS: usize = 32;
    const APPROVALS: usize = 30;
    // The service offers the approval for an amount for ever, and accepts every mark of it.
    let server = Server::start(|_, request| match path(request) {
        "/delegation/check-approved" => {
            let amount = request.line.split("amount=").nth(1).unwrap().split(['&', ' ']).next().unwrap();
            approved(&format!("del_{amount}"))
        }
        _ => usual(request),
    });
    let session = session(&server);
    let (start, allowed) = (Barrier::new(THREADS), Mutex::new(HashMap::<String, usize>::new()));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                for amount in 1..=APPROVALS {
                    let decision = check(&session, "bank__pay", &json!({ "amount": amount }).to_string());
                    if decision["allowed"] == true {
                        let id = decision["delegation_id"].as_str().unwrap().to_owned();
                        *allowed.lock().unwrap().entry(id).or_default() += 1;
                    } else {
                        assert_eq!(decision["action"], "hold", "{decision}");
                    }
                }
            });
        }
    });
    let allowed = allowed.into_inner().unwrap();
    assert_eq!(allowed.len(), APPROVALS);
    assert!(allowed.values().all(|times| *times == 1));
}

#[test]
fn an_approval_is_used_for_the_call_that_was_shown_and_for_no_other() {
    // The service finds approvals by the tool and the amount alone, and takes all such calls for one.
    let server = Server::start(|number, request| match path(request) {
        "/delegation/check-approved" if number > 4 => approved("del_1"),
        "/delegation/check-approved" => Reply::json(200, r#"{"approved":false}"#),
        "/delegation/request" => Reply::json(201, r#"{"delegationId":"del_1","status":"pending"}"#),
        _ => usual(request),
    });
    let session = session(&server);
    let held = check(&session, "bank__pay", r#"{"amount": 5, "to": "alice"}"#);
    assert_eq!((&held["action"], &held["delegation_id"]), (&json!("hold"), &json!("del_1")));
    assert_eq!(server.received().len(), 4);
    for (tool, args) in [
        ("bank__pay", r#"{"amount": 5, "to": "mallory"}"#),
        ("bank__pay", r#"{"amount": 5}"#),
        ("bank__pay", r#"{"amount": 5.0, "to": "alice"}"#),
        ("shop__pay", r#"{"amount": 5, "to": "alice"}"#),
    ] {
        let held = check(&session, tool, args);
        assert_eq!(held["action"], "hold", "{tool} {args}");
        // Who waited for that id would take the approval of the other call.
        assert_eq!(held["delegation_id"], Value::Null, "{tool} {args}");
    }
    let options = CheckOptions { user_email: Some("eve@x.com".into()), ..CheckOptions::default() };
    let args = r#"{"amount": 5, "to": "alice"}"#;
    assert!(
        !session.check("bank__pay", args, &options, |decision| decision.to_json("").contains("\"allow\"")).unwrap()
    );
    assert!(!server.received().iter().any(|request| path(request) == "/delegation/mark-executed"));

    let allowed = check(&session, "bank__pay", r#"{"to": "alice", "amount": 5}"#);
    assert_eq!((&allowed["allowed"], &allowed["delegation_id"]), (&json!(true), &json!("del_1")));
    assert_eq!(check(&session, "bank__pay", args)["action"], "hold");
}

#[test]
fn an_approval_whose_request_was_not_answered_is_for_no_other_call() {
    // The service makes the request, and its answer is lost on the way.
    let server = Server::start(|number, request| match path(request) {
        "/delegation/check-approved" if number > 4 => approved("del_1"),
        "/delegation/check-approved" => Reply::json(200, r#"{"approved":false}"#),
        "/delegation/request" if number <= 4 => Reply::Drop,
        _ => usual(request),
    });
    let session = session(&server);
    let held = check(&session, "bank__pay", r#"{"to": "alice"}"#);
    assert_eq!((&held["action"], &held["delegation_id"]), (&json!("hold"), &Value::Null));
    for (tool, args) in [("bank__pay", r#"{"to": "mallory"}"#), ("shop__pay", r#"{"to": "alice"}"#)] {
        assert_eq!(check(&session, tool, args)["action"], "hold", "{tool} {args}");
    }
    assert_eq!(check(&session, "bank__pay", r#"{"to": "alice"}"#)["delegation_id"], "del_1");
}

#[test]
fn an_approval_counts_only_once_the_service_took_it_as_unused() {
    let marks = Arc::new(AtomicUsize::new(0));
    let count = marks.clone();
    let server = Server::start(move |_, request| match path(request) {
        "/delegation/check-approved" => approved("del_1"),
        "/delegation/mark-executed" => match count.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::json(409, "{}"),
            1 => Reply::Drop,
            _ => Reply::json(200, "{}"),
        },
        _ => usual(request),
    });
    let session = session(&server);
    let refused = check(&session, "bank__pay", "{}");
    assert_eq!((&refused["action"], &refused["delegation_id"]), (&json!("hold"), &json!("del_new")));
    let away = check(&session, "bank__pay", "{}");
    assert_eq!((&away["action"], &away["cause"]), (&json!("block"), &json!("unavailable")));
    // Neither used it up.
    assert_eq!(check(&session, "bank__pay", "{}")["allowed"], true);
    assert_eq!(check(&session, "bank__pay", "{}")["action"], "hold");
    assert_eq!(marks.load(Ordering::SeqCst), 3);
}

#[test]
fn only_true_says_that_there_is_an_approval() {
    for said in [json!("false"), json!("true"), json!(1), json!([true]), json!({ "approved": true }), json!(null)] {
        let answer = json!({ "approved": said, "delegationId": "del_1" }).to_string();
        let server = Server::start(move |_, request| match path(request) {
            "/delegation/check-approved" => Reply::json(200, &answer),
            _ => usual(request),
        });
        assert_eq!(check(&session(&server), "bank__pay", "{}")["action"], "hold", "{said}");
    }
}

#[test]
fn no_approval_is_looked_for_where_the_amount_is_not_finite() {
    let server = Server::start(|_, request| match path(request) {
        "/delegation/check-approved" => approved("del_1"),
        _ => usual(request),
    });
    let session = session(&server);
    for args in [r#"{"amount": 1e400}"#, r#"{"amount": "inf"}"#] {
        let held = check(&session, "bank__pay", args);
        assert_eq!((&held["action"], &held["delegation_id"]), (&json!("hold"), &Value::Null), "{args}");
    }
    assert!(!server.received().iter().any(|request| path(request).starts_with("/delegation/")));
}

/// A service whose delegation `del_1` gets the status after some looks; each look takes a while.
fn decides(status: &'static str, after: usize, look: Duration) -> (Server, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let (looks, most_at_once) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (count, most, at_once) = (looks.clone(), most_at_once.clone(), AtomicUsize::new(0));
    let server = Server::start(move |_, request| match path(request) {
        "/delegation/del_1/status" => {
            most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::sleep(look);
            at_once.fetch_sub(1, Ordering::SeqCst);
            let decided = count.fetch_add(1, Ordering::SeqCst) >= after;
            Reply::json(200, &json!({ "status": if decided { status } else { "pending" } }).to_string())
        }
        _ => usual(request),
    });
    (server, looks, most_at_once)
}

#[test]
fn those_who_wait_for_the_same_approval_share_their_requests_and_one_gets_it() {
    let (server, looks, most_at_once) = decides("approved", 4, Duration::from_millis(30));
    let session = session(&server);
    let outcomes: Vec<_> = thread::scope(|scope| {
        let waiters: Vec<_> = (0..16).map(|_| scope.spawn(|| wait(&session, 20_000, 50))).collect();
        waiters.into_iter().map(|waiter| waiter.join().unwrap()).collect()
    });
    assert_eq!(most_at_once.load(Ordering::SeqCst), 1);
    assert!(looks.load(Ordering::SeqCst) <= 5 + 16, "{looks:?}");
    let approved = outcomes.iter().filter(|outcome| **outcome == Ok(json!("approved"))).count();
    let used = outcomes.iter().filter(|outcome| matches!(outcome, Err(Error::Delegation { .. }))).count();
    assert_eq!((approved, used), (1, 15), "{outcomes:?}");
    let marks = server.received().iter().filter(|request| path(request) == "/delegation/mark-executed").count();
    assert_eq!(marks, 1);
    assert!(matches!(wait(&session, 1000, 50), Err(Error::Delegation { .. })));
}

#[test]
fn a_refusal_is_everybodys() {
    for status in ["rejected", "expired"] {
        let (server, ..) = decides(status, 2, Duration::from_millis(10));
        let session = session(&server);
        thread::scope(|scope| {
            let waiters: Vec<_> = (0..4).map(|_| scope.spawn(|| wait(&session, 20_000, 50))).collect();
            for waiter in waiters {
                assert_eq!(waiter.join().unwrap().unwrap(), status);
            }
        });
    }
}

/// A service that offers `del_1` to a check, and afterwards says of it what it is told to say.
fn spent_says(status: &'static str) -> Server {
    Server::start(move |_, request| match path(request) {
        "/delegation/check-approved" => approved("del_1"),
        "/delegation/del_1/status" => Reply::json(200, status),
        _ => usual(request),
    })
}

#[test]
fn nobody_waits_for_an_approval_that_was_used() {
    // The service tells, or this process knows; the limit of the wait is longer than any test takes.
    for (status, used_here) in [
        (r#"{"status":"none","executed":true}"#, false),
        (r#"{"status":"approved","executed":true}"#, false),
        (r#"{"status":"executed"}"#, false),
        (r#"{"status":"none"}"#, true),
        (r#"{"status":"pending","executed":false}"#, true),
    ] {
        let server = spent_says(status);
        let session = session(&server);
        if used_here {
            assert_eq!(check(&session, "bank__pay", "{}")["allowed"], true);
        }
        let error = wait(&session, 3_600_000, 3_600_000).unwrap_err();
        assert_eq!(error.to_string(), "the approval del_1 was used before", "{status}");
        assert!(matches!(error, Error::Delegation { .. }), "{status}");
    }
}

#[test]
fn what_the_service_knows_nothing_of_is_waited_for() {
    for status in [r#"{"status":"none"}"#, r#"{"status":"none","executed":"true"}"#, r#"{"executed":false}"#, "{}"] {
        assert_eq!(wait(&session(&spent_says(status)), 50, 20).unwrap(), "timeout", "{status}");
    }
}

#[test]
fn each_waiter_has_its_own_time() {
    let (server, ..) = decides("approved", usize::MAX, Duration::from_millis(5));
    let session = session(&server);
    let start = Instant::now();
    thread::scope(|scope| {
        let long = scope.spawn(|| (wait(&session, 1_500, 40), start.elapsed()));
        let short = scope.spawn(|| (wait(&session, 200, 40), start.elapsed()));
        let ((short, short_took), (long, long_took)) = (short.join().unwrap(), long.join().unwrap());
        assert_eq!((short.unwrap(), long.unwrap()), (json!("timeout"), json!("timeout")));
        assert!(
            short_took >= Duration::from_millis(200) && short_took < Duration::from_millis(1_200),
            "{short_took:?}"
        );
        assert!(long_took >= Duration::from_millis(1_500) && long_took < Duration::from_millis(5_000), "{long_took:?}");
    });
}

#[test]
fn a_wait_ends_in_time_whoever_asks_and_however_slowly_it_is_answered() {
    let (server, ..) = decides("approved", usize::MAX, Duration::from_secs(6));
    let session = session(&server);
    let start = Instant::now();
    thread::scope(|scope| {
        // One of them asks and the others wait for it: all give up at their own time.
        let waiters: Vec<_> = (0..4).map(|_| scope.spawn(|| wait(&session, 300, 50))).collect();
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap().unwrap(), "timeout");
        }
    });
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

#[test]
fn a_service_that_fails_for_a_while_does_not_end_the_wait() {
    let looks = AtomicUsize::new(0);
    let server = Server::start(move |_, request| match path(request) {
        "/delegation/del_1/status" if looks.fetch_add(1, Ordering::SeqCst) < 6 => Reply::json(503, "{}"),
        "/delegation/del_1/status" => Reply::json(200, r#"{"status":"approved"}"#),
        _ => usual(request),
    });
    let session = session(&server);
    assert_eq!(wait(&session, 60_000, 10).unwrap(), "approved");
}
