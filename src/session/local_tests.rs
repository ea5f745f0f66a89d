//! Local mode against a service that comes and goes, on a clock that the test moves.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Map, Value, json};

use super::Session;
use crate::client::Client;
use crate::config::{CheckOptions, ClientOptions, SessionOptions};
use crate::json;

/// A control plane that knows one agent, and can be away.
struct Service {
    address: String,
    away: Arc<AtomicBool>,
    bundles: Arc<AtomicUsize>,
    keys: Arc<AtomicUsize>,
    signs_with: Arc<AtomicUsize>,
}

/// The keys that the service may sign with; it shows the one that it signs with.
fn signing_key(number: usize) -> SigningKey {
    SigningKey::from_bytes(&[number as u8 + 1; 32])
}

impl Service {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let service = Self {
            address: format!("http://{}", listener.local_addr().unwrap()),
            away: Arc::default(),
            bundles: Arc::default(),
            keys: Arc::default(),
            signs_with: Arc::default(),
        };
        let (away, bundles) = (service.away.clone(), service.bundles.clone());
        let (keys, signs_with) = (service.keys.clone(), service.signs_with.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (away, bundles) = (away.clone(), bundles.clone());
                let (keys, signs_with) = (keys.clone(), signs_with.clone());
                std::thread::spawn(move || serve(stream, &away, &bundles, &keys, &signs_with));
            }
        });
        service
    }

    fn client(&self, agent: &str) -> Client {
        let options = json!({ "api_key": "ak_test_x", "backend_endpoint": self.address, "agent_id": agent });
        let Value::Object(options) = options else { panic!("no object") };
        Client::new(ClientOptions::from_json(&options).unwrap()).unwrap()
    }
}

fn serve(stream: TcpStream, away: &AtomicBool, bundles: &AtomicUsize, keys: &AtomicUsize, signs_with: &AtomicUsize) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let (mut head, mut length, mut known) = (String::new(), 0, false);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let lower = line.to_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            known |= lower.starts_with("if-none-match: \"1\"");
            if line == "\r\n" {
                break;
            }
            head.push_str(&line);
        }
        reader.read_exact(&mut vec![0; length]).unwrap();
        if away.load(Ordering::SeqCst) {
            return;
        }
        let path = head.split(' ').nth(1).unwrap();
        let (status, body) = match path.split('?').next().unwrap() {
            "/iap/public-key" => {
                keys.fetch_add(1, Ordering::SeqCst);
                let key = signing_key(signs_with.load(Ordering::SeqCst)).verifying_key();
                (200, json!({ "public_key": key.to_bytes().map(|byte| format!("{byte:02x}")).concat() }))
            }
            "/policy/bundles/current" => {
                bundles.fetch_add(1, Ordering::SeqCst);
                if known { (304, Value::Null) } else { (200, bundle()) }
            }
            "/iap/trust/reanchor" => (200, json!({})),
            "/iap/sdk/token" => (201, token(signs_with.load(Ordering::SeqCst))),
            _ => (404, json!({})),
        };
        let body = if status == 304 { String::new() } else { body.to_string() };
        let answer = format!("HTTP/1.1 {status} X\r\netag: \"1\"\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn bundle() -> Value {
    let statement = json!({
        "id": "s", "subject": null, "conditions": [], "expiresAt": "never",
        "provenance": {"ruleKey": "pay", "variant": 0, "source": "yaml"},
        "match": {"tool": "pay", "keyTier": "exact", "order": 0}, "effect": "allow",
    });
    let document = json!({
        "schemaVersion": "armor.policy.v2", "policyId": "p", "target": {"agent": "bot"}, "layer": "agent",
        "defaults": {"tools": "block"}, "expiresAt": "never", "statements": [statement],
    });
    json!({ "agents": [
        { "agentId": "bot", "name": "bot", "policy": { "policyId": "p", "name": "P", "document": document } },
        { "agentId": "free", "name": "free", "policy": null },
        { "agentId": "bad", "name": "bad", "policy": { "policyId": "p", "name": "P", "document": { "statements": 7 } } },
    ] })
}

fn token(key: usize) -> Value {
    let encode = |json: Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    let message = format!("{}.{}", encode(json!({ "alg": "EdDSA" })), encode(json!({ "exp": 4102444800u64 })));
    let signature = BASE64_URL_SAFE_NO_PAD.encode(signing_key(key).sign(message.as_bytes()).to_bytes());
    json!({
        "success": true, "plan_hash": "h", "intent_reference": "r", "composite_identity": "c",
        "token": { "issued_at": 1, "expires_at": 4102444800u64 }, "jwt_token": format!("{message}.{signature}"),
    })
}

fn plan(client: &Client, tool: &str) -> Session {
    let session = client.start_session(SessionOptions::from_json(&Map::new()).unwrap()).unwrap();
    session.start_plan(&json!([{ "name": tool }]).to_string(), None).unwrap();
    session
}

/// The action and the reason of a check of `bank__pay`, and its cause.
fn check(session: &Session) -> (String, String, Value) {
    let decision = session.check("bank__pay", "{}", &CheckOptions::default(), |decision| decision.to_json("bank__pay"));
    let decision = json::parse(&decision.unwrap()).unwrap();
    let text = |key: &str| decision[key].as_str().unwrap().to_owned();
    (text("action"), text("reason"), decision["cause"].clone())
}

fn allowed() -> (String, String, Value) {
    ("allow".into(), "allow:pay#0".into(), Value::Null)
}

fn stale() -> (String, String, Value) {
    ("block".into(), "policy-bundle-stale".into(), "stale".into())
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
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

    service.away.store(true, Ordering::SeqCst);
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

    service.away.store(false, Ordering::SeqCst);
    eventually("the bundle was not fetched again", || check(&session) == allowed());
}

#[test]
fn one_check_refreshes_a_bundle_that_grew_stale_unseen() {
    let service = Service::start();
    let client = service.client("bot");
    let session = plan(&client, "bank__pay");
    client.pass(Duration::from_secs(3600));
    let asked = service.bundles.load(Ordering::SeqCst);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(check(&session), allowed()));
        }
    });
    assert!(service.bundles.load(Ordering::SeqCst) <= asked + 1, "the checks did not share one request");
}

#[test]
fn the_sessions_of_a_client_share_one_bundle() {
    let service = Service::start();
    let client = service.client("bot");
    let sessions: Vec<_> = (0..5).map(|_| plan(&client, "bank__pay")).collect();
    assert!(sessions.iter().all(|session| check(session) == allowed()));
    assert_eq!(service.keys.load(Ordering::SeqCst), 1);
    let asked = service.bundles.load(Ordering::SeqCst);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| plan(&client, "bank__pay"));
        }
    });
    assert!(service.bundles.load(Ordering::SeqCst) < asked + 16, "plans that start together each asked");
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
fn require_policy_blocks_an_agent_without_one() {
    let service = Service::start();
    let options = json!({
        "api_key": "ak_test_x", "backend_endpoint": service.address, "agent_id": "free", "require_policy": true,
    });
    let client = Client::new(ClientOptions::from_json(options.as_object().unwrap()).unwrap()).unwrap();
    let blocked = ("block".into(), "no_active_policy".into(), json!("config"));
    assert_eq!(check(&plan(&client, "bank__pay")), blocked);
}

#[test]
fn a_rotated_key_is_picked_up_once_a_minute() {
    let service = Service::start();
    let client = service.client("bot");
    assert_eq!(check(&plan(&client, "bank__pay")), allowed());
    service.signs_with.store(1, Ordering::SeqCst);
    let forged = ("block".into(), "token-signature-invalid".into(), json!("token"));
    assert_eq!(check(&plan(&client, "bank__pay")), forged);
    assert_eq!(service.keys.load(Ordering::SeqCst), 1, "the key was looked up again within a minute");
    client.pass(Duration::from_secs(61));
    assert_eq!(check(&plan(&client, "bank__pay")), allowed());
    assert_eq!(service.keys.load(Ordering::SeqCst), 2);
}

#[test]
fn proxy_mode_without_a_proxy_is_a_matter_of_the_set_up() {
    let service = Service::start();
    let client = service.client("bot");
    let Value::Object(options) = json!({ "mode": "proxy" }) else { panic!("no object") };
    let session = client.start_session(SessionOptions::from_json(&options).unwrap()).unwrap();
    session.start_plan(r#"[{"name": "bank__pay"}]"#, None).unwrap();
    let (action, reason, cause) = check(&session);
    assert_eq!((action.as_str(), cause), ("block", json!("config")));
    assert!(reason.starts_with("enforce-unavailable: No ArmorIQ proxy endpoint is set"), "{reason}");
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
