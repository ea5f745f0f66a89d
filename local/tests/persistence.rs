//! What `--data` keeps over an end that nobody announced.

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use common::{KEY, Server, demo, run, temporary};
use serde_json::{Value, json};

/// A control plane that can be killed and started again.
struct Lasting {
    config: PathBuf,
    data: PathBuf,
    server: Option<Server>,
}

impl Lasting {
    fn start() -> Self {
        let config = temporary("lasting.yaml");
        std::fs::write(&config, demo()).unwrap();
        let mut this = Self { config, data: temporary("data"), server: None };
        this.server = Some(this.serve());
        this
    }

    fn serve(&self) -> Server {
        Server::start_with(&self.arguments().iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn arguments(&self) -> Vec<String> {
        let [config, data] = [&self.config, &self.data].map(|path| path.display().to_string());
        ["serve", "--config", &config, "--data", &data, "--listen", "127.0.0.1:0"].map(str::to_owned).to_vec()
    }

    /// Ends it with SIGKILL, which leaves it no time for anything, and starts it again.
    fn kill_and_restart(&mut self) {
        drop(self.server.take());
        self.server = Some(self.serve());
    }
}

impl std::ops::Deref for Lasting {
    type Target = Server;

    fn deref(&self) -> &Server {
        self.server.as_ref().unwrap()
    }
}

fn public_key(server: &Server) -> Value {
    server.get("/iap/public-key").json()["public_key"].clone()
}

fn as_alice<'a>(extra: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("x-api-key", KEY), ("x-user-email", "alice@example.com")], extra].concat()
}

fn request_approval(server: &Server, plan_id: &Value) -> String {
    let body = json!({
        "tool": "pay_vendor",
        "action": "pay_vendor",
        "arguments": { "amount": 250 },
        "amount": 250.0,
        "requesterEmail": "alice@example.com",
        "requesterRole": "agent_user",
        "requesterLimit": 0.0,
        "planId": plan_id,
    });
    let answer = server.request("POST", "/delegation/request", &as_alice(&[]), &body.to_string());
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()["delegationId"].as_str().unwrap().to_owned()
}

fn decide(server: &Server, id: &str, verb: &str) {
    assert_eq!(
        server.post(&format!("/local/delegations/{id}/{verb}"), &json!({ "as": "bob@example.com" })).status,
        200
    );
}

fn mark_executed(server: &Server, id: &str, plan_id: &Value) -> u16 {
    let body = json!({ "delegationId": id, "planId": plan_id });
    server.request("POST", "/delegation/mark-executed", &as_alice(&[]), &body.to_string()).status
}

fn statuses(server: &Server, ids: &[&str]) -> Vec<Value> {
    let list = server.get("/local/delegations").json()["delegations"].clone();
    let find = |id: &str| list.as_array().unwrap().iter().find(|delegation| delegation["delegationId"] == id).cloned();
    ids.iter().map(|id| find(id).unwrap()["status"].clone()).collect()
}

fn approved(server: &Server, plan_id: &Value) -> Value {
    let path = format!("/delegation/check-approved?tool=pay_vendor&amount=250.0&planId={}", plan_id.as_str().unwrap());
    server.request("GET", &path, &as_alice(&[]), "").json()["delegationId"].clone()
}

#[test]
fn approvals_survive_and_spent_ones_stay_spent() {
    let mut server = Lasting::start();
    let plan_id = server.mint(&["payments-mcp__pay_vendor"])["plan_id"].clone();
    let [pending, usable, spent, rejected] = [(); 4].map(|()| request_approval(&server, &plan_id));
    decide(&server, &spent, "approve");
    assert_eq!(mark_executed(&server, &spent, &plan_id), 200);
    decide(&server, &usable, "approve");
    decide(&server, &rejected, "reject");

    server.kill_and_restart();
    let ids = [&*pending, &usable, &spent, &rejected];
    assert_eq!(statuses(&server, &ids), ["pending", "approved", "executed", "rejected"]);
    assert_eq!(mark_executed(&server, &spent, &plan_id), 409, "spent before");
    assert_eq!(mark_executed(&server, &rejected, &plan_id), 409);
    assert_eq!(approved(&server, &plan_id), json!(usable));
    assert_eq!(mark_executed(&server, &usable, &plan_id), 200);

    server.kill_and_restart();
    assert_eq!(approved(&server, &plan_id), json!(null));
    assert_eq!(mark_executed(&server, &usable, &plan_id), 409);
    decide(&server, &pending, "approve");
    assert_eq!(approved(&server, &plan_id), json!(pending));
}

#[test]
fn tokens_survive_and_revoked_ones_stay_revoked() {
    let mut server = Lasting::start();
    let key = public_key(&server);
    let kept = server.mint(&["data-mcp__fetch_sales"]);
    let revoked = server.mint(&["data-mcp__fetch_sales"]);
    let revoke = json!({ "token": revoked["token"], "reason": "lost", "planId": revoked["plan_id"] });
    assert_eq!(server.post("/iap/trust/revoke", &revoke).status, 200);
    let grown = json!({ "newPlan": common::plan(&["crm-mcp__export_contacts"]), "planId": kept["plan_id"] });
    let trust_id = server.post("/iap/trust/reanchor", &grown).json()["trustId"].clone();

    server.kill_and_restart();
    assert_eq!(public_key(&server), key);
    let answer = server.enforce(&revoked, "data-mcp__fetch_sales", json!({}));
    assert_eq!((answer.status, answer.header("x-armoriq-revoked")), (401, Some("true")));
    assert_eq!(answer.json()["revocationReason"], json!("lost"));
    assert_eq!(server.enforce(&kept, "crm-mcp__export_contacts", json!({})).json()["allowed"], json!(true));
    assert_eq!(server.enforce(&kept, "data-mcp__fetch_sales", json!({})).json()["allowed"], json!(false));
    assert_eq!(server.post("/iap/trust/reanchor", &grown).json()["trustId"], trust_id);
}

#[test]
fn the_audit_goes_on_where_it_was() {
    let mut server = Lasting::start();
    let report = |server: &Server, action: &str| {
        let row = json!({ "step_index": 0, "action": action, "tool": action, "mcp": "m", "status": "success" });
        server.post("/iap/audit", &row).json()
    };
    report(&server, "first");
    let second = report(&server, "second");
    server.kill_and_restart();
    let third = report(&server, "third");
    assert_eq!((&second["iap_audit_index"], &third["iap_audit_index"]), (&json!(1), &json!(2)));
    let rows = server.get("/local/audit").json()["rows"].as_array().unwrap().clone();
    assert_eq!(rows.iter().map(|row| row["action"].clone()).collect::<Vec<_>>(), ["first", "second", "third"]);
    // Each commitment is of the row and of the commitment before it.
    let mut before = String::new();
    for row in rows {
        let mut row = row.as_object().unwrap().clone();
        let commitment = row.shift_remove("commitment").unwrap();
        before = armoriq::json::sha256_hex(format!("{before}{}", Value::Object(row)));
        assert_eq!(commitment, json!(before));
    }
    assert_eq!(third["iap_commitment"], json!(before));
}

#[test]
fn repeated_requests_usage_and_inventories_are_still_known() {
    let mut server = Lasting::start();
    let mint = |server: &Server| {
        let headers = [("x-api-key", KEY), ("idempotency-key", "k")];
        let body = common::mint_body(&["data-mcp__fetch_sales"]).to_string();
        server.request("POST", "/iap/sdk/token", &headers, &body)
    };
    let token = mint(&server).json();
    let generation = server.post("/dashboard/token-usage/stream", &json!({})).json()["generation"].clone();
    let id = "4f2b8c1e-5a0d-4e8f-9b1a-2c3d4e5f6a7b";
    let batch = |server: &Server, revision: u32| {
        let snapshot = json!({ "sessionId": "s", "revision": revision, "usageDate": "2026-01-02", "usageHour": 3, "entries": [{ "model": "m", "inputTokens": revision }] });
        let body = json!({ "generation": generation, "batchId": id, "snapshots": [snapshot] });
        server.post("/dashboard/token-usage/batch", &body).json()["results"][0]["status"].clone()
    };
    assert_eq!(batch(&server, 2), json!("applied"));
    let hash = format!("v1:sha256:{}", armoriq::json::sha256_hex("fetch_sales:none"));
    let tools = json!([{ "name": "fetch_sales", "description": null, "schemaSource": "none", "schemaHash": null }]);
    let push = json!({ "contract": 2, "agent": "sales-bot", "sdk": "test", "snapshotHash": hash, "tools": tools, "mcpServers": [] });
    assert_eq!(server.post("/iap/sdk/tools", &push).status, 202);

    server.kill_and_restart();
    let again = mint(&server);
    assert_eq!((again.status, again.json()), (201, token.clone()));
    assert_eq!(
        (batch(&server, 2), batch(&server, 1), batch(&server, 3)),
        (json!("present"), json!("superseded"), json!("applied"))
    );
    assert_eq!(server.get("/local/usage").json()["rows"][0]["counts"]["inputTokens"], json!(3));
    let mut enforce = common::enforce_body(&token, "data-mcp__fetch_sales", json!({}));
    enforce["toolsSnapshotHash"] = json!(hash);
    assert_eq!(server.post("/iap/sdk/enforce", &enforce).json()["inventoryUnknown"], json!(null));
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn nobody_else_may_read_the_data_or_serve_it_as_well() {
    let server = Lasting::start();
    server.mint(&["data-mcp__fetch_sales"]);
    assert_eq!(mode(&server.data), 0o700);
    for file in std::fs::read_dir(&server.data).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
    let second = run(&server.arguments().iter().map(String::as_str).collect::<Vec<_>>());
    assert!(!second.status.success());
    let message = String::from_utf8(second.stderr).unwrap();
    assert!(message.contains("is in use by another armoriq-local"), "{message}");
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn data_that_cannot_be_read_is_refused() {
    let directory = temporary("foreign");
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("armoriq-local.sqlite3"), "no database, but a text that is long enough").unwrap();
    let output = run(&["--data", &directory.display().to_string(), "--listen", "127.0.0.1:0"]);
    assert!(!output.status.success() && output.stdout.is_empty());
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("armoriq-local.sqlite3"), "{message}");
}
