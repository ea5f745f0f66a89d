//! A service on loopback that mints one token and has one policy, which allows `fetch` and nothing else.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::LazyLock;

/// Valid until 2100, of the plan "plan_1".
const TOKEN: &str = r#"{"success": true, "plan_id": "plan_1", "plan_hash": "ph_1", "merkle_root": "mr_1",
"intent_reference": "ref_1", "composite_identity": "ident_1", "step_proofs": [], "token": {"plan_hash": "ph_1",
"issued_at": 1700000000, "expires_at": 4102444800, "signature": "00"}, "policy_validation": {"allowed_tools": ["fetch"]},
"jwt_token": "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJwbGFuSWQiOiJwbGFuXzEiLCJleHAiOjQxMDI0NDQ4MDAsImlhdCI6MTcwMDAwMDAwMH0.9vV0oKxMlflsBnGxG2bhoHC6n7uir_BGGViT8Ss3dKIfTQkR02NIuZQKesZfhN7VNGf8xeOLS2awcJTx0EStBA"}"#;
const KEY: &str = r#"{"public_key": "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"}"#;
const BUNDLE: &str = r#"{"agents": [{"agentId": "agent-1", "name": "agent-1", "tools": [], "members": [], "policy":
{"policyId": "pol_1", "name": "P", "document": {"schemaVersion": "armor.policy.v2", "policyId": "pol_1",
"target": {"agent": "agent-1"}, "layer": "agent", "defaults": {"tools": "block", "network": "block", "files": "block",
"skills": "block"}, "expiresAt": "never", "statements": [{"id": "s", "subject": null, "conditions": [],
"expiresAt": "never", "provenance": {"ruleKey": "fetch", "variant": 0, "source": "yaml"},
"match": {"tool": "fetch", "keyTier": "exact", "order": 0}, "effect": "allow"}]}}}]}"#;

static URL: LazyLock<String> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(&stream));
        }
    });
    url
});

/// The options of a client of this service.
pub fn options() -> String {
    format!(
        r#"{{"api_key": "ak_test_0123456789abcdef0123456789abcdef", "agent_id": "agent-1", "max_retries": 0,
        "backend_endpoint": "{0}", "iap_endpoint": "{0}", "proxy_endpoint": "{0}"}}"#,
        *URL
    )
}

/// Answers requests until the other side has gone.
fn serve(stream: &TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut head, mut line) = (String::new(), String::new());
        while reader.read_line(&mut line).ok()? > 2 {
            head.push_str(&line.to_ascii_lowercase());
            line.clear();
        }
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
        reader.read_exact(&mut vec![0; length.unwrap_or(0)]).ok()?;
        let (status, body) = match head.split([' ', '?']).nth(1)? {
            "/iap/sdk/token" => (201, TOKEN),
            "/iap/public-key" => (200, KEY),
            "/policy/bundles/current" => (200, BUNDLE),
            _ => (404, "{}"),
        };
        let answer = format!(
            "HTTP/1.1 {status} Answer\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        (&mut &*stream).write_all(answer.as_bytes()).ok()?;
    }
}
