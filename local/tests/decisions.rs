//! Decisions about calls, by the backend and by the proxy.

mod common;

use std::time::Duration;

use common::{Answer, Server, demo, enforce_body, mint_body};
use serde_json::{Value, json};

const TOOLS: [&str; 3] = ["data-mcp__fetch_sales", "payments-mcp__pay_vendor", "data-mcp__drop_table"];

fn proxy_body(token: &Value, tool: &str, arguments: Value) -> Value {
    let (server, action) = tool.split_once("__").unwrap();
    json!({
        "enforce_only": true,
        "mcp": server,
        "tool": action,
        "action": action,
        "params": arguments,
        "arguments": arguments,
        "intent_token": { "jwt_token": token["jwt_token"], "plan_id": token["plan_id"] },
        "plan": null,
        "user_email": "alice@example.com",
    })
}

#[test]
fn allows_holds_and_blocks() {
    let server = Server::demo();
    let token = server.mint(&TOOLS);
    let policy = json!({ "policyId": "policy-sales-bot", "name": "Sales" });

    let allowed = server.enforce(&token, "data-mcp__fetch_sales", json!({ "quarter": "Q4" }));
    assert_eq!(allowed.status, 200);
    assert_eq!(
        allowed.json(),
        json!({ "allowed": true, "enforcementAction": "allow", "reason": "allow:fetch_sales#0", "obligations": [], "matchedPolicy": policy })
    );
    let held = server.enforce(&token, "payments-mcp__pay_vendor", json!({ "amount": 100.01 }));
    let context = json!({ "planId": token["plan_id"], "requesterEmail": "alice@example.com" });
    assert_eq!(
        held.json(),
        json!({ "allowed": false, "enforcementAction": "hold", "reason": "hold:pay_vendor#0", "obligations": [], "matchedPolicy": policy, "delegationContext": context })
    );
    assert_eq!(held.status, 200);
    for (tool, arguments, reason) in [
        ("data-mcp__drop_table", json!({}), "block:drop_table#0"),
        ("payments-mcp__pay_vendor", json!({ "amount": "100" }), "block:tools.default"),
        ("payments-mcp__pay_vendor", json!({}), "block:tools.default"),
    ] {
        let blocked = server.enforce(&token, tool, arguments);
        assert_eq!(blocked.said("reason"), (200, reason.into()));
        assert_eq!(blocked.json()["allowed"], json!(false));
        assert_eq!(blocked.json()["enforcementAction"], json!("block"));
    }
}

#[test]
fn the_proxy_decides_alike_in_its_own_words() {
    let server = Server::demo();
    let token = server.mint(&TOOLS);
    let ask = |tool: &str, arguments: Value| server.invoke(&proxy_body(&token, tool, arguments));
    let policy = json!({ "policy_id": "policy-sales-bot", "name": "Sales" });

    let allowed = ask("data-mcp__fetch_sales", json!({}));
    assert_eq!((allowed.status, allowed.json()["allowed"].clone()), (200, json!(true)));
    assert_eq!(allowed.json()["matched_policy"], policy);
    let held = ask("payments-mcp__pay_vendor", json!({ "amount": 250 }));
    assert_eq!(held.said("enforcementAction"), (202, "hold".into()));
    assert_eq!(held.json()["allowed"], json!(false));
    assert_eq!(held.json()["delegation_context"]["planId"], token["plan_id"]);
    assert_eq!(held.json()["delegation_context"]["merkleRoot"], token["merkle_root"]);
    let blocked = ask("data-mcp__drop_table", json!({}));
    assert_eq!(blocked.said("action"), (403, "block".into()));
    assert_eq!(blocked.json()["reason"], json!("block:drop_table#0"));
    let unplanned = ask("crm-mcp__export_contacts", json!({}));
    assert_eq!(unplanned.said("action"), (403, "block".into()));
}

#[test]
fn the_proxy_decides_before_it_would_call() {
    let server = Server::demo();
    let token = server.mint(&TOOLS);
    let invoke = |tool: &str, arguments: Value| {
        let mut body = proxy_body(&token, tool, arguments);
        body.as_object_mut().unwrap().remove("enforce_only");
        server.invoke(&body)
    };
    assert_eq!(invoke("data-mcp__fetch_sales", json!({})).status, 502, "nothing listens where the demo says");
    assert_eq!(invoke("payments-mcp__pay_vendor", json!({ "amount": 250 })).status, 202);
    assert_eq!(invoke("data-mcp__drop_table", json!({})).status, 403);
    assert_eq!(invoke("crm-mcp__export_contacts", json!({})).status, 409);
}

#[test]
fn what_was_not_planned_is_blocked() {
    let server = Server::demo();
    let token = server.mint(&TOOLS);
    for tool in ["crm-mcp__export_contacts", "crm-mcp__fetch_sales", "data-mcp__Fetch_sales"] {
        let reason = format!("tool-not-in-plan: '{tool}' was not declared in the captured plan");
        let answer = server.enforce(&token, tool, json!({}));
        assert_eq!(answer.said("reason"), (200, reason));
        assert_eq!(answer.json()["allowed"], json!(false));
    }
}

#[test]
fn a_call_without_a_server_is_the_one_that_was_planned() {
    let server = Server::demo();
    let ask = |token: &Value| {
        let mut body = enforce_body(token, "data-mcp__fetch_sales", json!({}));
        body["mcp"] = json!(null);
        body["mcpServer"] = json!(null);
        server.post("/iap/sdk/enforce", &body).json()["allowed"].clone()
    };
    assert_eq!(ask(&server.mint(&["data-mcp__fetch_sales"])), json!(true));
    assert_eq!(ask(&server.mint(&["data-mcp__fetch_sales", "crm-mcp__fetch_sales"])), json!(false));
}

#[test]
fn malformed_calls_are_refused() {
    let server = Server::demo();
    let token = server.mint(&TOOLS);
    let changed = |member: &str, value: Value| {
        let mut body = enforce_body(&token, "data-mcp__fetch_sales", json!({}));
        body[member] = value;
        server.post("/iap/sdk/enforce", &body).said("message")
    };
    assert_eq!(changed("tool", json!("")), (400, "tool must be a string that is not empty".into()));
    assert_eq!(changed("arguments", json!([])), (400, "arguments must be an object".into()));
    assert_eq!(changed("mcpServer", json!("crm-mcp")), (400, "mcp and mcpServer must name the same server".into()));
    assert_eq!(changed("intent_token", json!("x")), (400, "intent_token must be an object".into()));
}

fn refused(answer: &Answer) -> (u16, String) {
    assert_eq!(answer.json()["allowed"], json!(false));
    answer.said("reason")
}

#[test]
fn tokens_of_others_and_forged_ones_are_refused() {
    let server = Server::demo();
    let token = server.mint(&TOOLS);
    let ask = |jwt: Value, plan_id: Value| {
        let token = json!({ "jwt_token": jwt, "plan_id": plan_id });
        let answer = server.enforce(&token, "data-mcp__fetch_sales", json!({}));
        let proxy = server.invoke(&proxy_body(&token, "data-mcp__fetch_sales", json!({})));
        assert_eq!(refused(&proxy), refused(&answer));
        refused(&answer)
    };
    let invalid = (401, String::from("token-signature-invalid"));
    assert_eq!(ask(json!(null), json!(null)), (401, "token-missing".into()));
    assert_eq!(ask(json!("x"), json!(null)), invalid);
    let jwt = token["jwt_token"].as_str().unwrap();
    let (head, signature) = jwt.rsplit_once('.').unwrap();
    let swapped = if signature.starts_with('A') { "B" } else { "A" };
    assert_eq!(ask(json!(format!("{head}.{swapped}{}", &signature[1..])), token["plan_id"].clone()), invalid);
    let stranger = Server::demo().mint(&TOOLS);
    assert_eq!(ask(stranger["jwt_token"].clone(), stranger["plan_id"].clone()), invalid);
    let other = server.mint(&TOOLS);
    assert_eq!(ask(token["jwt_token"].clone(), other["plan_id"].clone()), (401, "token-claims-invalid".into()));
}

#[test]
fn a_token_of_another_agent_is_refused() {
    let config = demo().replace("members:\n", "  - id: other-bot\nmembers:\n");
    let server = Server::start(&config);
    let token = server.mint(&TOOLS);
    let ask = |agent: &str| {
        let mut body = enforce_body(&token, "data-mcp__fetch_sales", json!({}));
        body["agent_id"] = json!(agent);
        server.post("/iap/sdk/enforce", &body).status
    };
    assert_eq!(ask("other-bot"), 401);
    assert_eq!(ask("nobody"), 401);
    assert_eq!(ask("sales-bot"), 200);
    assert_eq!(ask("Sales bot"), 200);
    assert_eq!(ask("__sdk_multiuser__"), 200);
}

#[test]
fn an_expired_token_is_refused() {
    let server = Server::demo();
    let mut body = mint_body(&TOOLS);
    body["expires_in"] = json!(0.5);
    let token = server.post("/iap/sdk/token", &body).json();
    assert_eq!(server.enforce(&token, "data-mcp__fetch_sales", json!({})).status, 200);
    std::thread::sleep(Duration::from_millis(600));
    let answer = server.enforce(&token, "data-mcp__fetch_sales", json!({}));
    assert_eq!(refused(&answer), (401, "token-expired".into()));
    let reanchor = json!({ "newPlan": common::plan(&TOOLS), "reason": "plan grew", "planId": token["plan_id"] });
    assert_eq!(server.post("/iap/trust/reanchor", &reanchor).said("reason"), (410, "intent_plan_expired".into()));
}

#[test]
fn a_revoked_token_is_refused_and_says_so() {
    let server = Server::demo();
    let token = server.mint(&TOOLS);
    let revoke =
        json!({ "token": token["token"], "reason": "lost", "cascade": true, "planId": null, "intentReference": null });
    assert_eq!(server.post("/iap/trust/revoke", &revoke).status, 200);
    let reanchor = json!({ "newPlan": common::plan(&TOOLS), "planId": token["plan_id"] });
    for answer in [
        server.enforce(&token, "data-mcp__fetch_sales", json!({})),
        server.invoke(&proxy_body(&token, "data-mcp__fetch_sales", json!({}))),
        server.post("/iap/trust/reanchor", &reanchor),
    ] {
        assert_eq!(answer.status, 401, "{}", answer.text);
        assert_eq!(answer.header("x-armoriq-revoked"), Some("true"));
        assert_eq!(answer.json()["revocationReason"], json!("lost"));
    }
    let unknown = json!({ "token": { "signature": "00" }, "planId": null });
    assert_eq!(server.post("/iap/trust/revoke", &unknown).status, 404);
}

#[test]
fn a_plan_grows_and_shrinks() {
    let server = Server::demo();
    let token = server.mint(&["data-mcp__fetch_sales"]);
    let reanchor = |tools: &[&str]| {
        let body = json!({ "newPlan": common::plan(tools), "reason": "plan grew", "planId": token["plan_id"], "intentReference": null });
        server.post("/iap/trust/reanchor", &body)
    };
    let allows = |tool: &str| server.enforce(&token, tool, json!({})).json()["allowed"] == json!(true);
    assert!(!allows("crm-mcp__export_contacts"));
    let grown = reanchor(&["data-mcp__fetch_sales", "crm-mcp__export_contacts"]);
    assert_eq!(grown.status, 200);
    assert!(allows("crm-mcp__export_contacts") && allows("data-mcp__fetch_sales"));
    let again = reanchor(&["data-mcp__fetch_sales", "crm-mcp__export_contacts"]);
    assert_eq!(again.json()["trustId"], grown.json()["trustId"], "a repeated request is no second change");
    reanchor(&["crm-mcp__export_contacts"]);
    assert!(!allows("data-mcp__fetch_sales"));
    assert_eq!(reanchor(&[]).status, 400);
    assert!(allows("crm-mcp__export_contacts"), "a refused plan changes nothing");
}

#[test]
fn rules_for_a_member_follow_the_user() {
    let config =
        demo().replace("        - export_contacts\n", "        - {tool: export_contacts, member: bob@example.com}\n");
    let server = Server::start(&config);
    let token = server.mint(&["crm-mcp__export_contacts"]);
    let ask = |email: Value| {
        let mut body = enforce_body(&token, "crm-mcp__export_contacts", json!({}));
        body["user_email"] = email;
        server.post("/iap/sdk/enforce", &body).json()["reason"].clone()
    };
    assert_eq!(ask(json!(null)), json!("block:tools.default"), "the token's own user is Alice");
    assert_eq!(ask(json!("Bob@example.com")), json!("allow:export_contacts#0"));
    assert_eq!(ask(json!("__sdk_multiuser__")), json!("block:tools.default"));
}

#[test]
fn an_agent_without_a_policy_may_do_what_it_planned() {
    let server = Server::start(&demo().replace("members:\n", "  - id: free-bot\nmembers:\n"));
    let mut body = mint_body(&["data-mcp__drop_table"]);
    body["agent_id"] = json!("free-bot");
    let token = server.post("/iap/sdk/token", &body).json();
    let allowed = server.enforce(&token, "data-mcp__drop_table", json!({}));
    assert_eq!(allowed.said("reason"), (200, "no_active_policy".into()));
    assert_eq!(allowed.json()["allowed"], json!(true));
    assert_eq!(server.enforce(&token, "data-mcp__fetch_sales", json!({})).json()["allowed"], json!(false));
}
