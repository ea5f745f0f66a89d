//! Tokens, and parts of their plans, in other hands.

mod common;

use armoriq::json::{canonical, sha256_hex};
use armoriq::token::{PublicKey, is_signed};
use common::{Answer, KEY, Server, demo, plan};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const TOOLS: [&str; 3] = ["data-mcp__fetch_sales", "payments-mcp__pay_vendor", "crm-mcp__export_contacts"];
/// The public key of RFC 8032's first test.
const DELEGATE: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

fn server() -> Server {
    Server::start(
        &demo().replace("members:\n", "  - id: helper-bot\n  - id: lapsed-bot\n    inactive: true\nmembers:\n"),
    )
}

fn post(server: &Server, path: &str, body: &Value) -> Answer {
    // As the SDKs send it: without X-API-Key.
    server.request("POST", path, &[("authorization", &format!("Bearer {KEY}"))], &body.to_string())
}

fn subtree_body(token: &Value, path: &str) -> Value {
    json!({
        "parentToken": token["token"],
        "delegatePublicKey": DELEGATE,
        "validitySeconds": 3600,
        "parentPlan": null,
        "subtreePath": path,
        "planId": token["plan_id"],
        "intentReference": null,
    })
}

fn token_body(token: &Value) -> Value {
    json!({ "token": token["token"], "delegate_public_key": DELEGATE, "validity_seconds": 30 })
}

fn delegate(server: &Server, body: &Value) -> Answer {
    post(server, "/iap/trust/delegate", body)
}

fn revoke(server: &Server, token: &Value, cascade: bool) -> Value {
    let body = json!({ "token": token["token"], "reason": "lost", "cascade": cascade, "planId": token["plan_id"], "intentReference": null });
    let answer = post(server, "/iap/trust/revoke", &body);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["cascadedRevocations"].clone()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn hash(parts: &[&[u8]]) -> Vec<u8> {
    Sha256::digest(parts.concat()).to_vec()
}

#[test]
fn the_proof_of_a_step_leads_from_the_step_itself_to_the_tokens_root() {
    let server = server();
    let token = server.mint(&TOOLS);
    for (index, step) in plan(&TOOLS)["steps"].as_array().unwrap().iter().enumerate() {
        let answer = delegate(&server, &subtree_body(&token, &format!("/steps/[{index}]")));
        assert_eq!(answer.status, 200, "{}", answer.text);
        let payload = answer.json()["delta"]["payload"].clone();
        assert_eq!(payload["parent_plan_hash"], token["plan_hash"]);
        let leaf = hash(&[&[0], canonical(step).as_bytes()]);
        assert_eq!(unhex(payload["subtree_node_hash"].as_str().unwrap()), leaf);
        let root = payload["inclusion_proof"].as_array().unwrap().iter().fold(leaf, |node, step| {
            let sibling = unhex(step["sibling_hash"].as_str().unwrap());
            match step["position"].as_str().unwrap() {
                "left" => hash(&[&[1], &sibling, &node]),
                "right" => hash(&[&[1], &node, &sibling]),
                other => panic!("{other}"),
            }
        });
        assert_eq!(root, unhex(token["merkle_root"].as_str().unwrap()));
    }
    let whole = delegate(&server, &subtree_body(&token, "/steps")).json()["delta"]["payload"].clone();
    assert_eq!((&whole["subtree_node_hash"], &whole["inclusion_proof"]), (&token["merkle_root"], &json!([])));
}

#[test]
fn a_subtree_delegation_is_signed_and_ends_with_its_token() {
    let server = server();
    let token = server.mint(&TOOLS);
    let answer = delegate(&server, &subtree_body(&token, "/steps/[1]")).json();
    let key = server.get("/iap/public-key").json()["public_key"].clone();
    let key = PublicKey::from_text(key.as_str().unwrap()).unwrap();
    let (payload, signature) = (&answer["delta"]["payload"], unhex(answer["delta"]["signature"].as_str().unwrap()));
    assert!(key.verify(canonical(payload).as_bytes(), &signature));
    assert_eq!(payload["delegate_public_key"], json!(DELEGATE));
    assert_eq!(payload["expires_at"], token["token"]["expires_at"], "an hour was asked for, the token has a minute");
    let again = delegate(&server, &subtree_body(&token, "/steps/[1]")).json();
    assert_eq!(again["trustId"], answer["trustId"], "a repeated request is no second delegation");
    let other = delegate(&server, &subtree_body(&token, "/steps/[2]")).json();
    assert_ne!(other["trustId"], answer["trustId"]);
    assert_eq!(revoke(&server, &token, true), json!(2));
}

#[test]
fn subtree_delegations_that_are_refused() {
    let server = server();
    let token = server.mint(&TOOLS);
    let changed = |member: &str, value: Value| {
        let mut body = subtree_body(&token, "/steps/[0]");
        body[member] = value;
        delegate(&server, &body)
    };
    for path in ["/steps/[3]", "/steps/[-1]", "/steps/[+1]", "/steps/[]", "/steps/0", "/goal", "steps"] {
        assert_eq!(changed("subtreePath", json!(path)).status, 400, "{path}");
    }
    for key in [json!("ab"), json!("zz".repeat(32)), json!(null)] {
        assert_eq!(changed("delegatePublicKey", key).status, 400);
    }
    assert_eq!(changed("validitySeconds", json!(0)).status, 400);
    assert_eq!(changed("parentPlan", plan(&TOOLS)).status, 200);
    assert_eq!(changed("parentPlan", plan(&TOOLS[..1])).said("reason"), (409, "parent_plan_mismatch".into()));
    assert_eq!(changed("planId", json!("nothing")).said("reason"), (404, "intent_plan_unknown".into()));
}

#[test]
fn a_token_that_is_not_ours_or_not_good_is_not_delegated() {
    let server = server();
    let token = server.mint(&TOOLS);
    let invalid = (401, String::from("token-signature-invalid"));
    let mut forged = token.clone();
    forged["token"]["expires_at"] = json!(4_102_444_800.0);
    assert_eq!(delegate(&server, &token_body(&forged)).said("reason"), invalid);
    assert_eq!(delegate(&server, &subtree_body(&forged, "/steps")).said("reason"), invalid);
    let mut other = token.clone();
    other["plan_id"] = server.mint(&TOOLS)["plan_id"].clone();
    assert_eq!(delegate(&server, &subtree_body(&other, "/steps")).said("reason"), invalid);
    let stranger = Server::demo().mint(&TOOLS);
    assert_eq!(delegate(&server, &token_body(&stranger)).status, 404);

    let mut short = common::mint_body(&TOOLS);
    short["expires_in"] = json!(0.3);
    let short = server.post("/iap/sdk/token", &short).json();
    std::thread::sleep(std::time::Duration::from_millis(400));
    assert_eq!(delegate(&server, &token_body(&short)).said("reason"), (410, "intent_plan_expired".into()));
    revoke(&server, &token, true);
    for answer in [delegate(&server, &token_body(&token)), delegate(&server, &subtree_body(&token, "/steps"))] {
        assert_eq!((answer.status, answer.header("x-armoriq-revoked")), (401, Some("true")));
    }
}

#[test]
fn a_delegated_token_has_the_allowed_actions_and_no_more_time() {
    let server = server();
    let token = server.mint(&TOOLS);
    let mut body = token_body(&token);
    body["allowed_actions"] = json!(["fetch_sales"]);
    body["target_agent"] = json!("helper-bot");
    body["subtask"] = json!({ "goal": "only the figures" });
    body["validity_seconds"] = json!(3600);
    let answer = delegate(&server, &body);
    assert_eq!(answer.status, 200, "{}", answer.text);
    let answer = answer.json();
    let delegation = &answer["delegation"];
    assert!(answer["trustId"].is_string() && answer["delegation_id"] == answer["trustId"]);
    assert_eq!(answer["delta"], answer["trust_delta"]);
    assert_eq!(delegation["total_steps"], json!(1));
    assert_eq!(delegation["signature"], delegation["token"]["signature"]);
    assert!(is_signed(&delegation["token"]));
    let mut expected = plan(&TOOLS[..1]);
    expected["subtask"] = json!({ "goal": "only the figures" });
    assert_eq!(delegation["plan_hash"], json!(sha256_hex(canonical(&expected))));
    let expires_at = |token: &Value| token["expires_at"].as_f64().unwrap();
    assert!(expires_at(delegation) <= expires_at(&token["token"]));

    let ask = |tool: &str| server.enforce(delegation, tool, json!({})).json()["reason"].clone();
    assert_eq!(ask("data-mcp__fetch_sales"), json!("no_active_policy"), "the helper has no policy");
    assert!(ask("crm-mcp__export_contacts").as_str().unwrap().starts_with("tool-not-in-plan"));
}

#[test]
fn token_delegations_that_are_refused() {
    let server = server();
    let token = server.mint(&TOOLS);
    let changed = |member: &str, value: Value| {
        let mut body = token_body(&token);
        body[member] = value;
        delegate(&server, &body).status
    };
    assert_eq!(changed("allowed_actions", json!(["drop_table"])), 400);
    assert_eq!(changed("allowed_actions", json!("fetch_sales")), 400);
    assert_eq!(changed("allowed_actions", json!([])), 400, "a plan without steps");
    assert_eq!(changed("target_agent", json!("nobody")), 403);
    assert_eq!(changed("target_agent", json!("lapsed-bot")), 403);
    assert_eq!(changed("delegate_public_key", json!("ab")), 400);
    assert_eq!(changed("validity_seconds", json!(-1)), 400);
}

#[test]
fn a_revocation_reaches_the_delegated_token_unless_told_not_to() {
    let server = server();
    let token = server.mint(&TOOLS);
    let child = delegate(&server, &token_body(&token)).json()["delegation"].clone();
    let grandchild = delegate(&server, &token_body(&child)).json()["delegation"].clone();
    let status = |token: &Value| server.enforce(token, "data-mcp__fetch_sales", json!({})).status;
    assert_eq!((status(&token), status(&child), status(&grandchild)), (200, 200, 200));
    assert_eq!(revoke(&server, &token, false), json!(0));
    assert_eq!((status(&token), status(&child)), (401, 200));
    assert_eq!(revoke(&server, &token, true), json!(2));
    assert_eq!((status(&child), status(&grandchild)), (401, 401));
}
