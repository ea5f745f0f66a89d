//! Calls that the proxy makes of real MCP servers.

mod common;
mod mcp_server;

use std::net::TcpListener;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{Answer, KEY, Server, plan};
use mcp_server::{McpServer, REFUSED};
use serde_json::{Value, json};

const TOOLS: [&str; 9] = [
    "pay__add",
    "pay__arguments",
    "pay__charge",
    "pay__headers",
    "pay__fail",
    "pay__broken",
    "pay__slow",
    "none__add",
    "nowhere__add",
];

fn config(url: &str) -> String {
    format!(
        "
api_keys: [{KEY}]
agents:
  - id: sales-bot
    policy:
      default: block
      hold:
        - {{ tool: charge, when: {{ field: args.amount, op: gt, value: 100 }} }}
      allow: [add, arguments, charge, headers, fail, broken, slow]
mcp_servers:
  - name: pay
    url: {url}
    timeout_seconds: 1.5
    tools: [{{ name: add }}, {{ name: charge }}]
  - name: none
delegation: {{ ttl_seconds: 60 }}
"
    )
}

/// A control plane before an MCP server, with a token for all of its tools.
struct Setup {
    mcp: McpServer,
    server: Server,
    token: Value,
}

impl Setup {
    fn new() -> Self {
        Self::with(McpServer::start(), "/mcp", |config| config)
    }

    fn with(mcp: McpServer, path: &str, change: impl FnOnce(String) -> String) -> Self {
        let server = Server::start(&change(config(&format!("http://{}{path}", mcp.address))));
        let token = mint(&server);
        Self { mcp, server, token }
    }

    fn invoke(&self, tool: &str, arguments: Value, headers: &[(&str, &str)]) -> Answer {
        invoke(&self.server, &self.token, tool, arguments, headers)
    }

    fn with_credential(&self, credential: &Value) -> Answer {
        let encoded = STANDARD.encode(credential.to_string());
        self.invoke("pay__headers", json!({}), &[("x-armoriq-mcp-auth", &encoded)])
    }
}

fn mint(server: &Server) -> Value {
    let mut body = common::mint_body(&[]);
    body["plan"] = plan(&TOOLS);
    let answer = server.post("/iap/sdk/token", &body);
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()
}

fn invoke(server: &Server, token: &Value, tool: &str, arguments: Value, headers: &[(&str, &str)]) -> Answer {
    let (mcp, action) = tool.split_once("__").unwrap();
    let body = json!({
        "mcp": mcp,
        "action": action,
        "tool": action,
        "params": arguments,
        "arguments": arguments,
        "intent_token": { "jwt_token": token["jwt_token"], "plan_id": token["plan_id"] },
        "plan": null,
        "user_email": "alice@example.com",
        "token": token["token"],
    });
    let headers = [&[("x-api-key", KEY), ("accept", "application/json, text/event-stream")], headers].concat();
    common::request(server.proxy, "POST", "/invoke", &headers, &body.to_string())
}

#[test]
fn a_call_gets_the_tools_result() {
    let setup = Setup::new();
    let answer = setup.invoke("pay__add", json!({ "a": 2, "b": 40.5 }), &[]);
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json()["result"]["content"], json!([{ "type": "text", "text": "42.5" }]));
    assert_ne!(answer.json()["result"]["isError"], json!(true));
    assert_eq!((setup.mcp.sessions(), setup.mcp.calls()), (1, 1));
    setup.invoke("pay__add", json!({ "a": 1, "b": 1 }), &[]);
    assert_eq!((setup.mcp.sessions(), setup.mcp.calls()), (1, 2), "the session is used again");
}

#[test]
fn the_tool_gets_the_callers_arguments_as_they_were_written() {
    let setup = Setup::new();
    let arguments = r#"{"z":1.0,"a":12345678901234567890123,"text":"ü","nested":{"list":[null,true,1e+400]}}"#;
    let mut sent = armoriq::json::parse(arguments).unwrap();
    sent["_policy_context"] = json!({ "is_financial": false });
    sent["_approvals"] = json!(999);
    let answer = setup.invoke("pay__arguments", sent, &[]);
    assert_eq!(answer.json()["result"]["structuredContent"]["arguments"].to_string(), arguments);
}

#[test]
fn errors_of_a_tool_pass_through() {
    let setup = Setup::new();
    let failed = setup.invoke("pay__fail", json!({}), &[]);
    assert_eq!(failed.status, 200);
    let content = json!([{ "type": "text", "text": "it went wrong" }]);
    assert_eq!(failed.json()["result"]["isError"], json!(true));
    assert_eq!(failed.json()["result"]["content"], content);
    let broken = setup.invoke("pay__broken", json!({}), &[]);
    assert_eq!(broken.status, 200);
    assert_eq!(broken.json(), json!({ "error": { "code": -32000, "message": "boom", "data": "x" } }));
    assert_eq!(setup.mcp.sessions(), 1, "such errors end no session");
}

#[test]
fn what_is_not_allowed_is_never_called() {
    let setup = Setup::new();
    assert_eq!(setup.invoke("pay__charge", json!({ "amount": 101 }), &[]).status, 202);
    assert_eq!(setup.invoke("pay__drop", json!({}), &[]).status, 409);
    let revoke = json!({ "token": setup.token["token"], "reason": "lost", "planId": setup.token["plan_id"] });
    assert_eq!(setup.server.post("/iap/trust/revoke", &revoke).status, 200);
    let revoked = setup.invoke("pay__add", json!({ "a": 1, "b": 1 }), &[]);
    assert_eq!((revoked.status, revoked.header("x-armoriq-revoked")), (401, Some("true")));
    assert_eq!((setup.mcp.sessions(), setup.mcp.calls()), (0, 0));
}

#[test]
fn the_server_gets_the_credential_in_its_own_form_and_nothing_of_ours() {
    let setup = Setup::new();
    let seen = |credential: Value, header: &str| {
        let headers = setup.with_credential(&credential).json()["result"]["structuredContent"].clone();
        let ours = ["x-armoriq-mcp-auth", "x-api-key", "authorization", "cookie"];
        let extra = ours.iter().filter(|name| **name != header).find(|name| !headers[**name].is_null());
        assert_eq!(extra, None, "{headers}");
        assert!(!headers.to_string().contains(KEY));
        headers[header].clone()
    };
    assert_eq!(seen(json!({ "authType": "bearer", "token": "t" }), "authorization"), json!("Bearer t"));
    assert_eq!(seen(json!({ "authType": "api_key", "apiKey": "k" }), "x-api-key"), json!("k"));
    assert_eq!(seen(json!({ "authType": "api_key", "apiKey": "k", "headerName": "X-K" }), "x-k"), json!("k"));
    let basic = json!({ "authType": "basic", "username": "u", "password": "p" });
    assert_eq!(seen(basic, "authorization"), json!("Basic dTpw"));
    assert_eq!(seen(json!({ "authType": "none" }), "authorization"), json!(null));
    assert_eq!(setup.mcp.sessions(), 5, "each credential has a session of its own");
    assert_eq!(seen(json!({ "authType": "bearer", "token": "t" }), "authorization"), json!("Bearer t"));
    assert_eq!(setup.mcp.sessions(), 5);
}

#[test]
fn a_bad_credential_is_refused_here_and_a_wrong_one_there() {
    let setup = Setup::new();
    let bad = setup.invoke("pay__add", json!({ "a": 1, "b": 1 }), &[("x-armoriq-mcp-auth", "%")]);
    assert_eq!(bad.said("message"), (400, "X-Armoriq-MCP-Auth is not base64".into()));
    let wrong = setup.with_credential(&json!({ "authType": "bearer", "token": REFUSED }));
    let message = "the MCP server pay could not be called: it refused the credential";
    assert_eq!(wrong.said("message"), (502, message.into()), "401 would mean that the intent token is refused");
    assert_eq!(setup.mcp.calls(), 0);
}

#[test]
fn a_client_that_takes_events_only_gets_an_event() {
    let check = |answer: Answer| {
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/event-stream")));
        let data = answer.text.strip_prefix("event: message\ndata: ").unwrap().strip_suffix("\n\n").unwrap();
        assert_eq!(armoriq::json::parse(data).unwrap()["result"]["content"][0]["text"], json!("2"));
    };
    let setup =
        Setup::with(McpServer::start(), "/mcp", |config| config.replace("timeout_seconds: 1.5", "stream: true"));
    check(setup.invoke("pay__add", json!({ "a": 1, "b": 1 }), &[]));

    let setup = Setup::new();
    let body = json!({
        "mcp": "pay",
        "action": "add",
        "params": { "a": 1, "b": 1 },
        "intent_token": { "jwt_token": setup.token["jwt_token"] },
    });
    let headers = [("x-api-key", KEY), ("accept", "text/event-stream")];
    check(common::request(setup.server.proxy, "POST", "/invoke", &headers, &body.to_string()));
}

#[test]
fn a_slow_tool_is_given_up() {
    let setup = Setup::new();
    let answer = setup.invoke("pay__slow", json!({}), &[]);
    let message = "the MCP server pay could not be called: it did not answer in 1.5 s";
    assert_eq!(answer.said("message"), (504, message.into()));
    assert_eq!(setup.invoke("pay__add", json!({ "a": 1, "b": 1 }), &[]).status, 200);
    assert_eq!(setup.mcp.sessions(), 2, "the session that hangs is not used again");
}

#[test]
fn servers_that_cannot_be_called() {
    let setup = Setup::new();
    let arguments = json!({ "a": 1, "b": 1 });
    let without_url = setup.invoke("none__add", arguments.clone(), &[]).said("message");
    assert_eq!(without_url, (501, "the MCP server none has no url, so it was not called".into()));
    let unknown = setup.invoke("nowhere__add", arguments.clone(), &[]).said("message");
    assert_eq!(unknown, (404, "no MCP server is called nowhere".into()));

    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Server::start(&config(&format!("http://{closed}/mcp?key=secret")));
    let (status, message) = invoke(&server, &mint(&server), "pay__add", arguments, &[]).said("message");
    assert_eq!(status, 502);
    assert!(message.contains("refused") && !message.contains("secret"), "{message}");
}

#[test]
fn a_server_that_was_started_again_is_called_again() {
    let mut setup = Setup::new();
    let arguments = json!({ "a": 1, "b": 1 });
    let address = setup.mcp.address;
    assert_eq!(setup.invoke("pay__add", arguments.clone(), &[]).status, 200);
    drop(std::mem::replace(&mut setup.mcp, McpServer::start()));
    assert_eq!(setup.invoke("pay__add", arguments.clone(), &[]).status, 502);
    setup.mcp = McpServer::start_at(address);
    assert_eq!(setup.invoke("pay__add", arguments.clone(), &[]).status, 200);
    assert_eq!(setup.mcp.calls(), 1);
    // This time nobody calls while it is down: its answer is that it does not know the session.
    drop(std::mem::replace(&mut setup.mcp, McpServer::start()));
    setup.mcp = McpServer::start_at(address);
    assert_eq!(setup.invoke("pay__add", arguments, &[]).status, 200);
    assert_eq!(setup.mcp.calls(), 1);
}

#[test]
fn redirects_are_followed_within_the_server_only() {
    let arguments = json!({ "a": 1, "b": 1 });
    let setup = Setup::with(McpServer::start(), "/moved", |config| config);
    assert_eq!(setup.invoke("pay__add", arguments.clone(), &[]).status, 200);

    let (other, first) = (McpServer::start(), TcpListener::bind("127.0.0.1:0").unwrap());
    let url = format!("http://{}/mcp", first.local_addr().unwrap());
    let location = format!("http://{}/mcp", other.address);
    std::thread::spawn(move || {
        for stream in first.incoming() {
            let head = "HTTP/1.1 307 Temporary Redirect\r\nconnection: close\r\ncontent-length: 0\r\nlocation: ";
            std::io::Write::write_all(&mut stream.unwrap(), format!("{head}{location}\r\n\r\n").as_bytes()).unwrap();
        }
    });
    let server = Server::start(&config(&url));
    assert_eq!(invoke(&server, &mint(&server), "pay__add", arguments, &[]).status, 502);
    assert_eq!(other.sessions(), 0);
}

/// The request that the SDKs make for a held call.
fn ask(setup: &Setup, arguments: &Value, held: &Value) -> String {
    let context = &held["delegation_context"];
    let body = json!({
        "tool": "charge",
        "action": "execute",
        "arguments": arguments,
        "amount": 250.0,
        "requesterEmail": "alice@example.com",
        "requesterRole": "agent_user",
        "requesterLimit": 0.0,
        "domain": context["domain"],
        "targetUrl": context["targetUrl"],
        "planId": context["planId"],
        "reason": held["reason"],
    });
    let headers = [("x-api-key", KEY), ("x-user-email", "alice@example.com")];
    let answer = setup.server.request("POST", "/delegation/request", &headers, &body.to_string());
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()["delegationId"].as_str().unwrap().to_owned()
}

fn approve(setup: &Setup, id: &str) {
    assert_eq!(setup.server.post(&format!("/local/delegations/{id}/approve"), &json!({})).status, 200);
}

fn mark_executed(setup: &Setup, id: &str) -> u16 {
    let headers = [("x-api-key", KEY), ("x-user-email", "alice@example.com")];
    let body = json!({ "delegationId": id, "planId": setup.token["plan_id"] });
    setup.server.request("POST", "/delegation/mark-executed", &headers, &body.to_string()).status
}

#[test]
fn an_approved_call_goes_through_once() {
    let setup = Setup::new();
    let arguments = json!({ "amount": 250, "currency": "EUR" });
    let held = setup.invoke("pay__charge", arguments.clone(), &[]);
    assert_eq!(held.status, 202);
    let id = ask(&setup, &arguments, &held.json());
    // As `invoke_with_policy` does it: the call, and then the mark.
    let again = json!({ "amount": 250, "currency": "EUR", "_delegation_id": id, "_approvals": 999 });
    assert_eq!(setup.invoke("pay__charge", again.clone(), &[]).status, 202, "not approved yet");
    approve(&setup, &id);
    let other = json!({ "amount": 9999, "currency": "EUR", "_delegation_id": id, "_approvals": 999 });
    assert_eq!(setup.invoke("pay__charge", other, &[]).status, 202, "another call than the approved one");
    assert_eq!(setup.mcp.calls(), 0);
    let made = setup.invoke("pay__charge", again.clone(), &[]);
    assert_eq!(made.json()["result"]["structuredContent"]["arguments"], arguments);
    assert_eq!(mark_executed(&setup, &id), 200);
    assert_eq!(setup.invoke("pay__charge", again, &[]).status, 202, "a second call");
    assert_eq!(setup.mcp.calls(), 1);
    let rows = setup.server.get("/local/audit").json()["rows"].clone();
    let approved = format!("approved:{id}");
    assert!(rows.as_array().unwrap().iter().any(|row| row["reason"] == json!(approved) && row["action"] == "allow"));
}

#[test]
fn a_call_whose_approval_was_spent_at_its_check_goes_through_once() {
    let setup = Setup::new();
    let arguments = json!({ "amount": 250 });
    let held = setup.invoke("pay__charge", arguments.clone(), &[]);
    let id = ask(&setup, &arguments, &held.json());
    approve(&setup, &id);
    // As a session does it: the check spends the approval, and the dispatch makes the call.
    assert_eq!(setup.invoke("pay__charge", arguments.clone(), &[]).status, 202, "neither named nor spent");
    assert_eq!(mark_executed(&setup, &id), 200);
    assert_eq!(setup.invoke("pay__charge", arguments.clone(), &[]).status, 200);
    assert_eq!(setup.invoke("pay__charge", arguments, &[]).status, 202);
    assert_eq!(setup.mcp.calls(), 1);
}

#[test]
fn an_approval_is_not_used_up_by_a_server_that_is_down() {
    let mut setup = Setup::new();
    let address = setup.mcp.address;
    let arguments = json!({ "amount": 250 });
    let held = setup.invoke("pay__charge", arguments.clone(), &[]);
    let id = ask(&setup, &arguments, &held.json());
    approve(&setup, &id);
    assert_eq!(mark_executed(&setup, &id), 200);
    drop(std::mem::replace(&mut setup.mcp, McpServer::start()));
    assert_eq!(setup.invoke("pay__charge", arguments.clone(), &[]).status, 502);
    setup.mcp = McpServer::start_at(address);
    assert_eq!(setup.invoke("pay__charge", arguments, &[]).status, 200);
}
