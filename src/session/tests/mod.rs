//! Sessions against a service on loopback.

mod causes;
mod local;
mod outage;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use super::Session;
use crate::client::Client;
use crate::config::{CheckOptions, ClientOptions, SessionOptions};
use crate::json;

/// A control plane that knows a few agents, and can be away.
struct Service {
    address: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    away: AtomicBool,
    bundles: AtomicUsize,
    /// How long an answer about the bundle takes, in milliseconds.
    slowness: AtomicUsize,
    keys: AtomicUsize,
    /// Which key it signs with; it shows the same.
    signs_with: AtomicUsize,
    /// Paths that answer something else.
    answers: Mutex<Vec<(&'static str, u16, String)>>,
}

/// The keys that the service may sign with; it shows the one that it signs with.
fn signing_key(number: usize) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[number as u8 + 1; 32]).unwrap()
}

impl Service {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::<State>::default();
        let served = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = served.clone();
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        Self { address, state }
    }

    /// What a path answers from now on.
    fn answer(&self, path: &'static str, status: u16, body: impl ToString) {
        self.state.answers.lock().unwrap().insert(0, (path, status, body.to_string()));
    }

    fn client(&self, agent: &str) -> Client {
        self.client_with(json!({ "agent_id": agent }))
    }

    fn client_with(&self, mut options: Value) -> Client {
        options["api_key"] = json!("ak_test_x");
        options["backend_endpoint"] = json!(self.address);
        Client::new(ClientOptions::from_json(options.as_object().unwrap()).unwrap()).unwrap()
    }
}

fn serve(stream: TcpStream, state: &State) {
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
        if state.away.load(Ordering::SeqCst) {
            return;
        }
        let path = head.split(' ').nth(1).unwrap();
        let path = path.split('?').next().unwrap();
        let answers = state.answers.lock().unwrap().clone();
        let told = answers.into_iter().find(|(told, ..)| *told == path);
        let (status, body) = match path {
            "/iap/public-key" => {
                state.keys.fetch_add(1, Ordering::SeqCst);
                let key = signing_key(state.signs_with.load(Ordering::SeqCst));
                let hex: String = key.public_key().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
                (200, json!({ "public_key": hex }))
            }
            "/policy/bundles/current" => {
                state.bundles.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(state.slowness.load(Ordering::SeqCst) as u64));
                if known { (304, Value::Null) } else { (200, bundle("pay", "allow")) }
            }
            "/iap/trust/reanchor" => (200, json!({})),
            "/iap/sdk/token" => (201, token(state.signs_with.load(Ordering::SeqCst))),
            _ => (404, json!({})),
        };
        let body = if status == 304 { String::new() } else { body.to_string() };
        let (status, body) = told.map_or((status, body), |(_, status, body)| (status, body));
        let answer = format!("HTTP/1.1 {status} X\r\netag: \"1\"\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// The agents of the service: `bot` has one rule, all else is blocked for it.
fn bundle(tool: &str, effect: &str) -> Value {
    let statement = json!({
        "id": "s", "subject": null, "conditions": [], "expiresAt": "never",
        "provenance": {"ruleKey": tool, "variant": 0, "source": "yaml"},
        "match": {"tool": tool, "keyTier": "exact", "order": 0}, "effect": effect,
    });
    let document = json!({
        "schemaVersion": "armor.policy.v2", "policyId": "p", "target": {"agent": "bot"}, "layer": "agent",
        "defaults": {"tools": "block"}, "expiresAt": "never", "statements": [statement],
    });
    json!({ "agents": [
        { "agentId": "bot", "name": "bot", "policy": { "policyId": "p", "name": "P", "document": document } },
        { "agentId": "free", "name": "free", "policy": null },
        { "agentId": "asleep", "name": "asleep", "policy": null, "inactive": true },
        { "agentId": "bad", "name": "bad", "policy": { "policyId": "p", "name": "P", "document": { "statements": 7 } } },
    ] })
}

fn token(key: usize) -> Value {
    token_until(key, 4_102_444_800)
}

/// A token whose claims say when it expires.
fn token_until(key: usize, expiry: u64) -> Value {
    let encode = |json: Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    let message = format!("{}.{}", encode(json!({ "alg": "EdDSA" })), encode(json!({ "exp": expiry })));
    let signature = BASE64_URL_SAFE_NO_PAD.encode(signing_key(key).sign(message.as_bytes()));
    json!({
        "success": true, "plan_hash": "h", "intent_reference": "r", "composite_identity": "c",
        "token": { "issued_at": 1, "expires_at": 4102444800u64 }, "jwt_token": format!("{message}.{signature}"),
    })
}

fn plan(client: &Client, tool: &str) -> Session {
    planned(client, json!({}), tool)
}

fn planned(client: &Client, options: Value, tool: &str) -> Session {
    let session = client.start_session(SessionOptions::from_json(options.as_object().unwrap()).unwrap()).unwrap();
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
