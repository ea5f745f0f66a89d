//! Minted tokens, as somebody sees them who has nothing but the answer and the public key.

mod common;

use std::net::SocketAddr;

use armoriq::json::{canonical, sha256_hex};
use armoriq::token::{PublicKey, is_signed, verify_jwt};
use common::{KEY, Server, demo, mint_body, plan};
use serde_json::{Value, json};

fn public_key(server: &Server) -> PublicKey {
    key_of(server.backend)
}

fn key_of(address: SocketAddr) -> PublicKey {
    let answer = common::request(address, "GET", "/iap/public-key", &[], "").json();
    PublicKey::from_text(answer["public_key"].as_str().unwrap()).unwrap()
}

#[test]
fn a_token_is_signed_and_says_what_it_is_for() {
    let server = Server::demo();
    let answer = server.mint(&["data-mcp__fetch_sales", "payments-mcp__pay_vendor"]);
    let plan_hash = sha256_hex(canonical(&plan(&["data-mcp__fetch_sales", "payments-mcp__pay_vendor"])));
    assert_eq!(answer["success"], json!(true));
    assert_eq!(answer["plan_hash"], json!(plan_hash));
    assert_eq!(answer["token"]["plan_hash"], json!(plan_hash));
    assert!(is_signed(&answer["token"]));
    let mut forged = answer["token"].clone();
    forged["expires_at"] = json!(4_102_444_800.0);
    assert!(!is_signed(&forged));

    let claims = verify_jwt(answer["jwt_token"].as_str().unwrap(), &public_key(&server)).unwrap();
    for (claim, expected) in [
        ("iss", json!("armoriq-csrg-iap")),
        ("sub", json!("alice@example.com")),
        ("plan_id", answer["plan_id"].clone()),
        ("plan_hash", json!(plan_hash)),
        ("merkle_root", answer["merkle_root"].clone()),
    ] {
        assert_eq!(claims.get(claim), Some(&expected), "{claim}");
    }
    let identity = claims.get("identity").unwrap();
    assert_eq!(identity["agent_id"], json!("sales-bot"));
    assert!(!identity["api_key_id"].as_str().unwrap().contains(KEY));
    let lifetime = claims.get("exp").unwrap().as_i64().unwrap() - claims.get("iat").unwrap().as_i64().unwrap();
    assert!((60..=61).contains(&lifetime), "{lifetime}");
}

#[test]
fn both_the_backend_and_the_iap_have_the_key() {
    let server = Server::demo();
    assert_eq!(key_of(server.iap).to_bytes(), public_key(&server).to_bytes());
}

#[test]
fn the_proof_of_a_step_leads_to_the_root() {
    let server = Server::demo();
    let answer = server.mint(&["data-mcp__fetch_sales", "data-mcp__drop_table", "crm-mcp__export_contacts"]);
    let proofs = answer["step_proofs"].as_array().unwrap();
    assert_eq!(proofs.len(), 3);
    for (proof, length) in proofs.iter().zip([2, 2, 1]) {
        assert_eq!(proof["proof"].as_array().unwrap().len(), length);
    }
    assert_eq!(proofs[2]["path"], json!("/steps/[2]"));
}

#[test]
fn the_policy_is_forecast_and_a_plan_is_minted_whatever_it_says() {
    let server = Server::demo();
    let mut body = mint_body(&["data-mcp__fetch_sales", "payments-mcp__pay_vendor", "data-mcp__drop_table"]);
    body["plan"]["steps"][1]["params"] = json!({ "amount": 250 });
    let validation = server.post("/iap/sdk/token", &body).json()["policy_validation"].clone();
    assert_eq!(
        validation,
        json!({
            "allowed_tools": ["fetch_sales"],
            "held_tools": ["pay_vendor"],
            "denied_tools": ["drop_table"],
            "denied_reasons": ["drop_table: block:drop_table#0"],
            "default_enforcement_action": "block",
        })
    );
    server.mint(&["data-mcp__drop_table"]);
}

#[test]
fn a_token_lives_as_long_as_asked_for_and_allowed() {
    let server = Server::start(&demo().replace("max_ttl_seconds: 86400", "max_ttl_seconds: 100"));
    let lifetime = |expires_in: Value| {
        let mut body = mint_body(&["data-mcp__fetch_sales"]);
        body["expires_in"] = expires_in;
        let token = server.post("/iap/sdk/token", &body).json()["token"].clone();
        (token["expires_at"].as_f64().unwrap() - token["issued_at"].as_f64().unwrap()).round()
    };
    assert_eq!(lifetime(json!(60.0)), 60.0);
    assert_eq!(lifetime(json!(3600)), 100.0);
}

#[test]
fn a_request_that_names_no_agent_is_the_default_agents() {
    let server = Server::demo();
    for agent in [json!("__sdk_multiuser__"), json!(null), json!("")] {
        let mut body = mint_body(&["data-mcp__fetch_sales"]);
        body["agent_id"] = agent;
        let answer = server.post("/iap/sdk/token", &body).json();
        assert_eq!(answer["composite_identity"], json!("sales-bot:alice@example.com"));
    }
}

#[test]
fn malformed_requests_are_refused_with_a_reason() {
    let server = Server::demo();
    let changed = |member: &str, value: Value| {
        let mut body = mint_body(&["data-mcp__fetch_sales"]);
        body[member] = value;
        server.post("/iap/sdk/token", &body).said("message")
    };
    let message = |text: &str| (400, text.to_owned());
    assert_eq!(changed("plan", json!(null)), message("`plan` must be an object"));
    assert_eq!(changed("plan", json!({ "steps": [] })), message("the plan has no steps"));
    assert_eq!(changed("expires_in", json!("60")), message("expires_in must be a number"));
    assert_eq!(changed("expires_in", json!(0)), message("expires_in must be a number of seconds above 0"));
    assert_eq!(changed("user_email", json!(1)), message("user_email must be a string"));
    let raw = |body: &str| server.request("POST", "/iap/sdk/token", &[("x-api-key", KEY)], body).said("message");
    assert_eq!(raw("[]"), message("The body must be a JSON object"));
    for body in ["", "{", "{\"a\":1,\"a\":2}", "{\"a\":NaN}", "{}x"] {
        let (status, text) = raw(body);
        assert!(status == 400 && text.starts_with("The body is not valid JSON: "), "{body}: {text}");
    }
}

#[test]
fn strangers_get_nothing() {
    let server = Server::demo();
    let body = mint_body(&["data-mcp__fetch_sales"]).to_string();
    let mint = |headers: &[(&str, &str)]| server.request("POST", "/iap/sdk/token", headers, &body).said("message");
    let missing = (401, String::from("An API key is required, in X-API-Key or as a bearer token"));
    assert_eq!(mint(&[]), missing);
    assert_eq!(mint(&[("authorization", "Basic x")]), missing);
    let wrong = (401, String::from("Invalid API key"));
    assert_eq!(mint(&[("x-api-key", "ak_test_wrong")]), wrong);
    assert_eq!(mint(&[("authorization", "Bearer ak_test_wrong")]), wrong);
    let bearer = format!("Bearer {KEY}");
    assert_eq!(mint(&[("x-api-key", "ak_test_wrong"), ("authorization", &bearer)]), wrong);
    assert_eq!(mint(&[("authorization", &bearer)]).0, 201);
}

#[test]
fn unknown_and_inactive_agents_get_no_token() {
    let server = Server::start(&demo().replace("    name: Sales bot", "    inactive: true"));
    let mint = |agent: &str| {
        let mut body = mint_body(&["data-mcp__fetch_sales"]);
        body["agent_id"] = json!(agent);
        let answer = server.post("/iap/sdk/token", &body);
        assert_eq!(answer.json()["policy_validation"]["denied_tools"], json!(["fetch_sales"]));
        answer.said("message")
    };
    assert_eq!(mint("nobody"), (403, "agent_unresolved: no registered agent matches 'nobody'".into()));
    assert_eq!(mint("sales-bot"), (403, "agent_inactive: the agent 'sales-bot' is inactive".into()));
}

#[test]
fn a_repeated_request_gets_the_same_token() {
    let server = Server::demo();
    let mint = |tools: &[&str], key: &str| {
        let headers = [("x-api-key", KEY), ("idempotency-key", key)];
        server.request("POST", "/iap/sdk/token", &headers, &mint_body(tools).to_string())
    };
    let first = mint(&["data-mcp__fetch_sales"], "k1").json();
    assert_eq!(mint(&["data-mcp__fetch_sales"], "k1").json(), first);
    assert_ne!(mint(&["data-mcp__fetch_sales"], "k2").json()["plan_id"], first["plan_id"]);
    assert_eq!(mint(&["data-mcp__drop_table"], "k1").status, 422);
}
