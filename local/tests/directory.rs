//! What the control plane tells about policies, tools, members and itself.

mod common;

use armoriq::policy::Bundle;
use armoriq::policy::local::{BundleState, LocalCall, decide};
use common::{KEY, Server, demo};
use serde_json::{Value, json};

fn bundle(server: &Server, query: &str, tag: Option<&str>) -> common::Answer {
    let mut headers = vec![("x-api-key", KEY)];
    headers.extend(tag.map(|tag| ("if-none-match", tag)));
    server.request("GET", &format!("/policy/bundles/current{query}"), &headers, "")
}

#[test]
fn a_bundle_decides_as_the_service_does() {
    let server = Server::demo();
    let answer = bundle(&server, "?agent=sales-bot", None).json();
    let compiled = Bundle::compile(&answer).unwrap();
    let token = server.mint(&["data-mcp__fetch_sales", "payments-mcp__pay_vendor", "data-mcp__drop_table"]);
    for (tool, arguments) in [
        ("data-mcp__fetch_sales", json!({})),
        ("payments-mcp__pay_vendor", json!({ "amount": 100 })),
        ("payments-mcp__pay_vendor", json!({ "amount": 101 })),
        ("payments-mcp__pay_vendor", json!({ "amount": null })),
        ("data-mcp__drop_table", json!({})),
    ] {
        let (mcp, action) = tool.split_once("__").unwrap();
        let call =
            LocalCall { tool: action, arguments: &arguments, server: Some(mcp), user_email: Some("alice@example.com") };
        let local = decide(BundleState::Current(&compiled), Some("sales-bot"), &call, 0);
        let remote = server.enforce(&token, tool, arguments.clone()).json();
        assert_eq!(json!(local.reason), remote["reason"], "{tool} {arguments}");
        assert_eq!(json!(local.action.as_str()), remote["enforcementAction"]);
    }
}

#[test]
fn a_bundle_that_is_known_is_not_sent_again() {
    let server = Server::demo();
    let first = bundle(&server, "?agent=sales-bot", None);
    let tag = first.header("etag").unwrap();
    assert!(tag.starts_with('"') && tag.ends_with('"'));
    for known in [tag.to_owned(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".into()] {
        let answer = bundle(&server, "?agent=sales-bot", Some(&known));
        assert_eq!((answer.status, answer.text.as_str(), answer.header("etag")), (304, "", Some(tag)), "{known}");
    }
    for other in ["", "\"x\"", "x"] {
        assert_eq!(bundle(&server, "?agent=sales-bot", Some(other)).status, 200, "{other}");
    }
    let config = demo().replace("value: 100", "value: 200");
    let changed = Server::start(&config);
    assert_eq!(bundle(&changed, "?agent=sales-bot", Some(tag)).status, 200);
}

#[test]
fn a_bundle_has_the_agents_that_were_asked_for() {
    let server = Server::start(&demo().replace("members:\n", "  - id: lapsed-bot\n    inactive: true\nmembers:\n"));
    let agents = |query: &str| {
        let answer = bundle(&server, query, None).json();
        answer["agents"].as_array().unwrap().iter().map(|agent| agent["agentId"].clone()).collect::<Value>()
    };
    assert_eq!(agents(""), json!(["sales-bot", "lapsed-bot"]));
    assert_eq!(agents("?agent=Sales%20bot"), json!(["sales-bot"]));
    assert_eq!(agents("?agent=__sdk_multiuser__"), json!(["sales-bot"]));
    assert_eq!(agents("?agent=nobody"), json!([]));
    let lapsed = bundle(&server, "?agent=lapsed-bot", None).json()["agents"][0].clone();
    assert_eq!((lapsed["inactive"].clone(), lapsed["policy"].clone()), (json!(true), json!(null)));
    let tool = bundle(&server, "?agent=sales-bot", None).json()["agents"][0]["tools"][0].clone();
    assert_eq!(tool["qualifiedName"], json!("data-mcp.fetch_sales"));
    assert!(tool["schemaHash"].as_str().unwrap().starts_with("sha256:"));
}

#[test]
fn knows_servers_tools_members_and_roles() {
    let server = Server::demo();
    let bootstrap = server.post("/iap/sdk/bootstrap", &json!({})).json();
    assert_eq!(bootstrap["org"]["name"], json!("Example Ltd"));
    assert_eq!(bootstrap["agent"]["id"], json!("sales-bot"));
    assert_eq!(bootstrap["toolMap"]["pay_vendor"], json!("payments-mcp"));
    let resolve = |email: &str| server.post("/iap/sdk/resolve-user", &json!({ "userEmail": email }));
    assert_eq!(resolve("alice@example.com").json()["membership"]["id"], json!("member-alice"));
    assert_eq!(resolve("nobody@example.com").status, 404);
    let names: Value = server.get("/mcp/my-servers").json()["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|server| server["name"].clone())
        .collect();
    assert_eq!(names, json!(["data-mcp", "payments-mcp", "crm-mcp"]));
    assert_eq!(server.get("/mcp/tools/data-mcp").json()["data"]["tools"][1]["name"], json!("drop_table"));
    assert_eq!(server.get("/mcp/tools/none").status, 404);
    let metadata = server.get("/mcp/tool-metadata/payments-mcp").json()["data"].clone();
    assert_eq!(metadata["toolMetadata"]["pay_vendor"]["amountFields"], json!(["amount"]));
    assert_eq!(metadata["roleMapping"], json!({ "approver": "treasurer" }));
    let role = |email: &str| {
        server.request("GET", "/delegation/my-role", &[("x-api-key", KEY), ("x-user-email", email)], "").json()
    };
    assert_eq!(role("Bob@example.com")["role"], json!("approver"));
    assert_eq!(role("nobody@example.com"), json!({ "role": "agent_user", "limit": 0 }));
}

#[test]
fn plan_status_telemetry_and_usage_are_accepted() {
    let server = Server::demo();
    let plan = server.mint(&["data-mcp__fetch_sales"])["plan_id"].as_str().unwrap().to_owned();
    let set =
        |id: &str, status: &str| server.post(&format!("/iap/plans/{id}/status"), &json!({ "status": status })).status;
    assert_eq!((set(&plan, "completed"), set(&plan, "done"), set("nothing", "completed")), (200, 400, 404));
    assert_eq!(server.get("/observability/policy/lease").json()["captureMode"], json!("off"));
    let traces = [("x-api-key", KEY), ("content-type", "application/x-protobuf")];
    assert_eq!(server.request("POST", "/v1/traces", &traces, "\n\u{1}\u{0}").status, 200);

    let generation = server.post("/dashboard/token-usage/stream", &json!({})).json()["generation"].clone();
    let id = "4f2b8c1e-5a0d-4e8f-9b1a-2c3d4e5f6a7b";
    let batch = |generation: &Value, revision: u32| {
        let snapshot = json!({ "sessionId": "s", "revision": revision, "usageDate": "2026-01-02", "usageHour": 3, "entries": [{ "model": "m" }] });
        server.post(
            "/dashboard/token-usage/batch",
            &json!({ "generation": generation, "batchId": id, "snapshots": [snapshot] }),
        )
    };
    let status = |revision| batch(&generation, revision).json()["results"][0]["status"].clone();
    assert_eq!((status(2), status(2), status(1)), (json!("applied"), json!("present"), json!("superseded")));
    let reset = json!({ "generation": generation, "resetId": id });
    let next = server.post("/dashboard/token-usage/stream/reset", &reset).json()["generation"].clone();
    assert_ne!(next, generation);
    assert_eq!(server.post("/dashboard/token-usage/stream/reset", &reset).json()["generation"], next);
    assert_eq!(batch(&generation, 3).status, 409);
    let usage = json!({ "product": "p", "sessionId": "s", "entries": [{ "model": "m" }], "usageDate": "2026-01-02", "usageHour": 24 });
    assert_eq!(server.post("/dashboard/token-usage", &usage).status, 400);
    let bad = |member: &str, value: Value| {
        let mut snapshot = json!({ "sessionId": "s", "revision": 9, "usageDate": "2026-01-02", "usageHour": 3, "entries": [{ "model": "m" }] });
        snapshot[member] = value;
        let batch = json!({ "generation": next, "batchId": id, "snapshots": [snapshot] });
        server.post("/dashboard/token-usage/batch", &batch).status
    };
    assert_eq!(bad("revision", json!(9)), 200);
    assert_eq!((bad("revision", json!(0)), bad("entries", json!([]))), (400, 400));
    assert_eq!((bad("usageDate", json!("2026-02-30")), bad("sessionId", json!(""))), (400, 400));
    let many: Vec<Value> = (0..501).map(|number| json!({ "model": format!("m{number}") })).collect();
    assert_eq!(bad("entries", json!(many)), 400);
    let run = server.request("PUT", &format!("/dashboard/token-usage/runs/{id}"), &[("x-api-key", KEY)], "{\"a\":1}");
    assert_eq!(run.json(), json!({ "applied": true, "run": { "runId": id } }));
}

#[test]
fn every_answer_is_json() {
    let server = Server::demo();
    assert_eq!(server.get("/nothing").said("message"), (404, "Cannot GET /nothing".into()));
    assert_eq!(server.get("/iap/sdk/token").said("message"), (405, "Cannot GET /iap/sdk/token".into()));
    for address in [server.backend, server.proxy, server.iap] {
        assert_eq!(common::request(address, "GET", "/health", &[], "").said("status"), (200, "ok".into()));
    }
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(16 * 1024 * 1024));
    let answer = server.request("POST", "/iap/audit", &[("x-api-key", KEY)], &large);
    assert_eq!(answer.said("message"), (413, "The body is larger than 16 MiB".into()));
}
