//! Held calls: requests for approval, people's answers, and the one use of an approval.

mod common;

use std::sync::Barrier;
use std::time::Duration;

use common::{Answer, KEY, Server, demo, run};
use serde_json::{Value, json};

const ALICE: &str = "alice@example.com";

fn request_body(plan_id: &str, amount: f64) -> Value {
    json!({
        "tool": "pay_vendor",
        "action": "pay_vendor",
        "arguments": { "vendor": "acme", "amount": amount },
        "amount": amount,
        "requesterEmail": ALICE,
        "requesterRole": "agent_user",
        "requesterLimit": 0.0,
        "domain": "payments-mcp",
        "planId": plan_id,
        "reason": "hold:pay_vendor#0",
    })
}

fn as_user(server: &Server, email: &str, method: &str, path: &str, body: &str) -> Answer {
    server.request(method, path, &[("x-api-key", KEY), ("x-user-email", email)], body)
}

/// The id of a new request for the plan `p`.
fn held(server: &Server) -> String {
    let answer = as_user(server, ALICE, "POST", "/delegation/request", &request_body("p", 250.0).to_string());
    assert_eq!(answer.said("status"), (201, "pending".into()));
    answer.said("delegationId").1
}

fn status(server: &Server, id: &str) -> String {
    server.get(&format!("/delegation/{id}/status")).said("status").1
}

fn is_approved(server: &Server, email: &str, query: &str) -> bool {
    let answer = as_user(server, email, "GET", &format!("/delegation/check-approved?{query}"), "");
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["approved"] == json!(true)
}

fn execute(server: &Server, email: &str, id: &str, plan_id: Value) -> u16 {
    let body = json!({ "delegationId": id, "planId": plan_id }).to_string();
    let headers = [("x-api-key", KEY), ("x-user-email", email), ("idempotency-key", &*format!("mark-exec:{id}"))];
    server.request("POST", "/delegation/mark-executed", &headers, &body).status
}

fn decide(server: &Server, id: &str, verb: &str) -> Answer {
    server.request("POST", &format!("/local/delegations/{id}/{verb}"), &[], "{\"as\":\"bob@example.com\"}")
}

#[test]
fn an_approval_is_asked_for_given_and_used_once() {
    let server = Server::demo();
    let id = held(&server);
    let query = "tool=pay_vendor&amount=250.0&planId=p";
    assert_eq!(status(&server, &id), "pending");
    assert!(!is_approved(&server, ALICE, query));
    assert_eq!(execute(&server, ALICE, &id, json!("p")), 409, "not approved yet");

    assert_eq!(decide(&server, &id, "approve").said("status"), (200, "approved".into()));
    assert_eq!(decide(&server, &id, "reject").status, 409);
    assert_eq!(status(&server, &id), "approved");
    let found = as_user(&server, ALICE, "GET", &format!("/delegation/check-approved?{query}"), "").json();
    assert_eq!(found["delegationId"], json!(id));
    assert_eq!(found["approverEmail"], json!("bob@example.com"));
    assert_eq!(found["approverRole"], json!("approver"));

    assert_eq!(execute(&server, ALICE, &id, json!("p")), 200);
    assert_eq!(execute(&server, ALICE, &id, json!("p")), 409, "also with the same Idempotency-Key");
    assert!(!is_approved(&server, ALICE, query));
    assert_eq!(status(&server, &id), "none");
}

#[test]
fn an_approval_is_for_one_user_tool_amount_and_plan() {
    let server = Server::demo();
    let id = held(&server);
    decide(&server, &id, "approve");
    assert!(is_approved(&server, "ALICE@example.com", "tool=pay_vendor&amount=250&planId=p"));
    assert!(!is_approved(&server, "bob@example.com", "tool=pay_vendor&amount=250&planId=p"));
    assert!(!is_approved(&server, ALICE, "tool=refund&amount=250&planId=p"));
    assert!(!is_approved(&server, ALICE, "tool=pay_vendor&amount=251&planId=p"));
    assert!(!is_approved(&server, ALICE, "tool=pay_vendor&amount=250&planId=q"));
    assert!(!is_approved(&server, ALICE, "tool=pay_vendor&amount=250"), "no plan, no approval");
    assert_eq!(execute(&server, "bob@example.com", &id, json!("p")), 403);
    assert_eq!(execute(&server, ALICE, &id, json!("q")), 409);
    assert_eq!(execute(&server, ALICE, &id, json!(null)), 409);
    assert_eq!(execute(&server, ALICE, "nothing", json!("p")), 404);
    assert_eq!(execute(&server, ALICE, &id, json!("p")), 200, "what was refused spent nothing");
}

#[test]
fn of_32_threads_one_spends_an_approval() {
    let server = Server::demo();
    for _ in 0..4 {
        let id = held(&server);
        decide(&server, &id, "approve");
        let together = Barrier::new(32);
        let spent = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..32)
                .map(|_| {
                    scope.spawn(|| {
                        together.wait();
                        execute(&server, ALICE, &id, json!("p"))
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).filter(|status| *status == 200).count()
        });
        assert_eq!(spent, 1);
    }
}

#[test]
fn a_rejected_request_stays_rejected() {
    let server = Server::demo();
    let id = held(&server);
    assert_eq!(decide(&server, &id, "reject").said("status"), (200, "rejected".into()));
    assert_eq!(status(&server, &id), "rejected");
    assert_eq!(decide(&server, &id, "approve").status, 409);
    assert!(!is_approved(&server, ALICE, "tool=pay_vendor&amount=250&planId=p"));
    assert_eq!(execute(&server, ALICE, &id, json!("p")), 409);
}

#[test]
fn requests_and_approvals_expire() {
    let server = Server::start(&demo().replace("  ttl_seconds: 3600", "  ttl_seconds: 1"));
    let (undecided, approved) = (held(&server), held(&server));
    decide(&server, &approved, "approve");
    std::thread::sleep(Duration::from_millis(1100));
    for id in [&undecided, &approved] {
        assert_eq!(status(&server, id), "expired");
        assert_eq!(decide(&server, id, "approve").status, 409);
        assert_eq!(execute(&server, ALICE, id, json!("p")), 409);
    }
    assert!(!is_approved(&server, ALICE, "tool=pay_vendor&amount=250&planId=p"));
}

#[test]
fn a_repeated_request_is_the_same_delegation() {
    let server = Server::demo();
    let ask = |key: &str, amount: f64| {
        let headers = [("x-api-key", KEY), ("x-user-email", ALICE), ("idempotency-key", key)];
        server.request("POST", "/delegation/request", &headers, &request_body("p", amount).to_string())
    };
    let first = ask("k1", 250.0).json();
    assert_eq!(ask("k1", 250.0).json(), first);
    assert_ne!(ask("k2", 250.0).json()["delegationId"], first["delegationId"]);
    assert_eq!(ask("k1", 251.0).status, 422);
}

#[test]
fn malformed_requests_are_refused() {
    let server = Server::demo();
    let changed = |member: &str, value: Value| {
        let mut body = request_body("p", 250.0);
        body[member] = value;
        as_user(&server, ALICE, "POST", "/delegation/request", &body.to_string()).said("message")
    };
    let message = |text: &str| (400, text.to_owned());
    assert_eq!(changed("requesterEmail", json!("__sdk_multiuser__")), message("requesterEmail must be a user's email"));
    assert_eq!(changed("requesterEmail", json!("bob@example.com")).0, 403);
    assert_eq!(changed("amount", json!("250")), message("amount must be a number"));
    assert_eq!(changed("amount", json!(-1)), message("amount must not be negative"));
    assert_eq!(changed("requesterLimit", json!(null)), message("requesterLimit must be a number"));
    assert_eq!(changed("requesterRole", json!(null)), message("requesterRole must be a string that is not empty"));
    let lookup =
        |query: &str| as_user(&server, ALICE, "GET", &format!("/delegation/check-approved?{query}"), "").status;
    assert_eq!(lookup("tool=pay_vendor&planId=p"), 400);
    assert_eq!(lookup("tool=pay_vendor&amount=x&planId=p"), 400);
    assert_eq!(server.get("/delegation/check-approved?tool=pay_vendor&amount=1").status, 400, "no user");
    assert_eq!(server.get("/delegation/nothing/status").status, 404);
}

#[test]
fn people_answer_from_the_command_line() {
    let server = Server::demo();
    let backend = server.backend_url();
    let tool = |arguments: &[&str]| {
        let output = run(&[arguments, &["--backend", &backend]].concat());
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    };
    assert_eq!(tool(&["approvals"]), (true, "Nothing waits for an approval.\n".into(), String::new()));
    let (first, second) = (held(&server), held(&server));
    let (_, listed, _) = tool(&["approvals"]);
    assert_eq!(listed.lines().count(), 2);
    assert!(listed.starts_with(&format!("{first}  pending ")), "{listed}");
    assert!(listed.contains("payments-mcp__pay_vendor {\"vendor\":\"acme\",\"amount\":250.0}"), "{listed}");

    assert!(tool(&["approve", &first, "--as", "bob@example.com"]).0);
    assert!(tool(&["reject", &second]).0);
    assert_eq!((status(&server, &first), status(&server, &second)), ("approved".into(), "rejected".into()));
    let again = tool(&["approve", &first]);
    assert_eq!(again, (false, String::new(), "armoriq-local: the delegation is approved, not pending\n".into()));
    let unknown = tool(&["approve", "../x"]);
    assert_eq!(unknown, (false, String::new(), "armoriq-local: no delegation `../x`\n".into()));
    assert_eq!(tool(&["approvals"]).1, "Nothing waits for an approval.\n");
    let (_, all, _) = tool(&["approvals", "--all", "--json"]);
    let decided: Vec<Value> =
        all.lines().map(|line| armoriq::json::parse(line).unwrap()["decidedBy"].clone()).collect();
    assert_eq!(decided, [json!("bob@example.com"), json!("armoriq-local")]);
}

#[test]
fn no_control_plane_is_an_error_that_says_so() {
    let output = run(&["approvals", "--backend", "http://127.0.0.1:1"]);
    assert!(!output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("cannot reach the control plane at http://127.0.0.1:1"), "{stderr}");
}

#[test]
fn web_pages_cannot_approve() {
    let server = Server::demo();
    let id = held(&server);
    let path = format!("/local/delegations/{id}/approve");
    for header in [
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("host", "evil.example"),
        ("host", "127.0.0.1.evil.example:3000"),
    ] {
        assert_eq!(server.request("POST", &path, &[header], "{}").status, 403, "{header:?}");
    }
    assert_eq!(status(&server, &id), "pending");
    for host in ["localhost:3000", "[::1]:3000", "127.0.0.1"] {
        assert_eq!(server.request("GET", "/local/delegations", &[("host", host)], "").status, 200, "{host}");
    }
}

#[test]
fn decisions_and_reports_are_audited() {
    let server = Server::demo();
    let token = server.mint(&["data-mcp__fetch_sales"]);
    server.enforce(&token, "data-mcp__fetch_sales", json!({ "quarter": "Q4" }));
    server.enforce(&token, "data-mcp__drop_table", json!({}));
    let report = json!({ "step_index": 0, "action": "fetch_sales", "tool": "fetch_sales", "mcp": "data-mcp", "status": "success", "duration_ms": 12.5, "input": {}, "kind": "decision" });
    let receipt = server.post("/iap/audit", &report);
    assert_eq!(receipt.said("iap_sync_status"), (201, "logged".into()));
    assert_eq!(receipt.json()["iap_audit_index"], json!(2));
    let mut bad = report.clone();
    bad["status"] = json!("fine");
    assert_eq!(server.post("/iap/audit", &bad).status, 400);

    let output = run(&["audit", "--backend", &server.backend_url()]);
    let rows: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| armoriq::json::parse(line).unwrap()).collect();
    let summary: Vec<Value> = rows.iter().map(|row| json!([row["kind"], row["tool"], row["action"]])).collect();
    assert_eq!(
        json!(summary),
        json!([
            ["decision", "fetch_sales", "allow"],
            ["decision", "drop_table", "block"],
            ["report", "fetch_sales", "fetch_sales"]
        ])
    );
    assert_eq!(rows[0]["user_email"], json!("alice@example.com"));
    assert_eq!(rows[2]["commitment"], receipt.json()["iap_commitment"]);
    let last = run(&["audit", "--limit", "1", "--backend", &server.backend_url()]);
    assert_eq!(String::from_utf8(last.stdout).unwrap().lines().count(), 1);
}
