//! Calls through a proxy that answers well, badly, late and not at all, over real sockets.

use std::time::{Duration, Instant};

use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value, json};

use super::invocation_answer::ends_in_events;
use super::{Client, Params};
use crate::config::ClientOptions;
use crate::test_server::{Received, Reply, Server};
use crate::transport::HeaderMap;
use crate::{Error, Result};

const JWT: &str = "eyJhbGciOiJFZERTQSJ9.eyJleHAiOjQxMDI0NDQ4MDB9.c2lnbmF0dXJl";

fn token() -> Value {
    json!({
        "token_id": "ref_1", "plan_hash": "ph_1", "plan_id": "plan_1", "signature": "ab".repeat(64), "issued_at": 1,
        "expires_at": 4102444800u64, "total_steps": 0, "jwt_token": JWT,
        "raw_token": { "plan": { "steps": [] }, "token": { "signature": "ab".repeat(64) } },
    })
}

fn client(server: &Server) -> Client {
    let address = server.url("");
    let options = json!({
        "api_key": "ak_test_secret_key", "backend_endpoint": address, "proxy_endpoint": address, "max_retries": 0,
        "mcp_credentials": { "bank": { "authType": "bearer", "token": "upstream-secret" } },
    });
    Client::new(ClientOptions::from_json(options.as_object().unwrap()).unwrap()).unwrap()
}

type Method = for<'a> fn(&'a Client, Params<'a>) -> super::Answer<'a>;

const INVOKE: Method = |client, params| Box::pin(client.invoke(params));
const WITH_POLICY: Method = |client, params| Box::pin(client.invoke_with_policy(params));

/// Calls a method with a token and more parameters, as text.
fn call(client: &Client, method: Method, more: &str) -> Result<Value> {
    let params = format!(r#"{{"mcp":"bank","action":"pay","intent_token":{}{more}}}"#, token());
    client.run(method(client, Params::from_json(&params).unwrap()))
}

/// What `invoke` makes of one answer: the tool's result, or the error.
fn answered(status: u16, kind: &str, body: &[u8]) -> Result<Value> {
    let (kind, body) = (kind.to_owned(), body.to_vec());
    let server = Server::start(move |_, _| Reply::Answer {
        status,
        headers: vec![("Content-Type", kind.clone())],
        body: body.clone(),
    });
    call(&client(&server), INVOKE, "").map(|mut outcome| outcome["result"].take())
}

fn json_answer(status: u16, body: &str) -> Result<Value> {
    answered(status, "application/json", body.as_bytes())
}

fn stream(body: &str) -> Result<Value> {
    answered(200, "text/event-stream; charset=utf-8", body.as_bytes())
}

fn path(request: &Received) -> &str {
    request.line.split(' ').nth(1).unwrap().split('?').next().unwrap()
}

#[test]
fn arguments_are_forwarded_byte_for_byte() {
    let server = Server::start(|_, _| Reply::json(200, "{\"result\":1.0}"));
    let arguments = "{ \"big\": 123456789012345678901234567890,\"f\":1.0 , \"z\":1E+05, \"a\":{\"\\u00e9\":\"é\\/\"}}";
    let outcome = call(&client(&server), INVOKE, &format!(r#","params" : {arguments} "#)).unwrap();
    assert_eq!(outcome["result"].to_string(), "1.0");
    let body = &server.received()[0].body;
    assert!(body.contains(&format!(r#""params":{arguments},"arguments":{arguments},"intent_token":"#)), "{body}");

    for wrong in [r#","params":[]"#, r#","params":"{}""#, r#","param":{}"#, r#","params":{"a":1,"a":2}"#] {
        let params = format!(r#"{{"mcp":"m","action":"a","intent_token":{}{wrong}}}"#, token());
        let client = client(&server);
        let refused = Params::from_json(&params).and_then(|params| client.run(client.invoke(params)));
        assert!(matches!(refused, Err(Error::InvalidArgument(_))), "{wrong}: {refused:?}");
    }
    assert_eq!(server.received().len(), 1);
}

#[test]
fn a_stream_is_read_up_to_its_answer() {
    for body in [
        "event: message\ndata: {\"result\":{\"ok\":1}}\n\n",
        "data:{\"result\":{\"ok\":1}}\n\n",
        "data: {\"result\":\r\ndata: {\"ok\":1}}\r\n\r\n",
        "\u{feff}: hello\r\rdata: {\"result\":{\"ok\":1}}\r\r",
        "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progress\":1}}\n\n\
         data: {\"method\":\"notifications/message\",\"params\":{}}\n\nid: 1\ndata: {\"id\":1,\"result\":{\"ok\":1}}\n\n",
        "data: ping\n\ndata: [DONE]\n\ndata: \n\ndata: null\n\ndata: 7\n\ndata: {}\n\ndata: {\"result\":{\"ok\":1}}\n\n",
        "data: {\"result\":{\"ok\":1}}",
        "data: {\"result\":{\"ok\":1}}\n\ndata: {\"result\":{\"ok\":2}}\n\n",
        "data: {\"ok\":1}\n\n",
    ] {
        assert_eq!(stream(body).unwrap(), json!({ "ok": 1 }), "{body:?}");
    }
    for (body, message) in [
        ("", "No data in SSE response"),
        ("data: nope\n\n", "No data in SSE response"),
        ("data: {\"method\":\"notifications/progress\"}\n\n", "No data in SSE response"),
        ("data: [{\"result\":1}]\n\n", "MCP invocation failed: the answer is not a JSON object"),
        ("data: {\"result\":{\"error\":\"x\"},\"error\":\"no\"}\n\n", "MCP tool error (-1): no"),
        // What could be a refusal is not passed over for a later result.
        (
            "data: {\"enforcementAction\":\"block\",\"a\":1,\"a\":2}\n\ndata: {\"result\":1}\n\n",
            "MCP invocation failed: an",
        ),
        ("data: {\"enforcementAction\":\n\ndata: \"block\"}\n\ndata: {\"result\":1}\n\n", "MCP invocation failed: an"),
    ] {
        let error = stream(body).unwrap_err();
        assert!(
            matches!(error, Error::McpInvocation { .. }) && error.to_string().starts_with(message),
            "{body:?}: {error}"
        );
    }
    assert!(matches!(
        answered(200, "text/event-stream", b"data: {\"result\":\"\xff\"}\n\n"),
        Err(Error::McpInvocation { .. })
    ));
}

#[test]
fn a_stream_that_stays_open_is_left_at_its_answer() {
    let head = "HTTP/1.1 200 x\r\nContent-Type: text/event-stream\r\n\r\n";
    let progress = "data: {\"method\":\"notifications/progress\"}";
    for end in ["\n", "\r", "\r\n"] {
        let body = [head, progress, end, end, ": still there", end, end, "data: {\"result\":2}", end, end].concat();
        let server = Server::start(move |_, _| Reply::Trickle(body.clone().into_bytes(), Duration::from_secs(20)));
        let start = Instant::now();
        assert_eq!(call(&client(&server), INVOKE, "").unwrap()["result"], 2, "{end:?}");
        assert!(start.elapsed() < Duration::from_secs(10));
    }
    // Without its answer it is an outage.
    let body = [head, progress, "\n\ndata: {\"result\":2}\n"].concat();
    let server = Server::start(move |_, _| Reply::Trickle(body.clone().into_bytes(), Duration::from_secs(20)));
    assert!(matches!(call(&client(&server), INVOKE, r#","timeout_ms":300"#), Err(Error::Timeout(_))));
}

#[test]
fn a_byte_order_mark_is_only_at_the_beginning_of_a_stream() {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))]);
    let mut is_enough = ends_in_events(&headers).unwrap();
    let stream = "\u{feff}: hello\n\n\u{feff}data: {\n\ndata: {\"result\":2}\n\n".as_bytes();
    for end in 0..stream.len() {
        assert!(!is_enough(&stream[..end]), "{end}");
    }
    assert!(is_enough(stream));
}

#[test]
fn a_refusal_in_a_stream_is_a_refusal() {
    for body in [
        "data: {\"method\":\"x\",\"enforcementAction\":\"block\"}\n\ndata: {\"result\":1}\n\n",
        "data: {\"enforcement\":{\"action\":\"block\"}}\n\ndata: {\"result\":1}\n\n",
    ] {
        assert!(matches!(stream(body), Err(Error::PolicyBlocked(_))), "{body}");
    }
    let held = answered(202, "text/event-stream", b"data: {\"enforcementAction\":\"hold\"}\n\n");
    assert!(matches!(held, Err(Error::PolicyHold(_))));
    let down = answered(502, "text/event-stream", b"data: nope\n\n").unwrap_err();
    assert!(matches!(down, Error::McpInvocation { status_code: Some(502), .. }), "{down:?}");
}

#[test]
fn what_is_no_answer_is_an_error() {
    for body in ["<html></html>", "[1,2]", "", "null", "1", "\"ok\"", "{", "{\"a\":1,\"a\":2}", "{} {}"] {
        let error = json_answer(200, body).unwrap_err();
        assert!(matches!(error, Error::McpInvocation { status_code: None, .. }), "{body}: {error:?}");
        assert!(answered(200, "text/html", body.as_bytes()).is_err());
    }
    for status in [204, 302, 303, 400, 404, 429, 500, 503] {
        let error = json_answer(status, "{\"result\":{\"ok\":1}}").unwrap_err();
        let right = match status {
            204 => matches!(error, Error::McpInvocation { .. } | Error::Service { .. }),
            _ => matches!(error, Error::McpInvocation { status_code: Some(said), .. } if said == status),
        };
        assert!(right, "{status}: {error:?}");
    }
    assert_eq!(json_answer(200, "{\"result\":null}").unwrap(), Value::Null);
    assert_eq!(json_answer(200, "{\"ok\":1}").unwrap(), json!({ "ok": 1 }));
    for (status, body) in [(401, "{}"), (403, "<html>"), (403, "{\"action\":\"allow\"}")] {
        assert!(matches!(json_answer(status, body), Err(Error::InvalidToken { .. })), "{status} {body}");
    }
    assert!(matches!(json_answer(409, "no"), Err(Error::IntentMismatch { .. })));
}

#[test]
fn the_strictest_word_of_the_gateway_counts() {
    let kind = |status, body: &str| match json_answer(status, body) {
        Ok(_) => "result",
        Err(Error::PolicyBlocked(_)) => "block",
        Err(Error::PolicyHold(_)) => "hold",
        Err(_) => "error",
    };
    for (status, body, expected) in [
        (200, r#"{"enforcementAction":"block","result":{"ok":1}}"#, "block"),
        (200, r#"{"enforcement":{"action":"block"},"result":{"ok":1}}"#, "block"),
        (200, r#"{"enforcement":{"action":"block"},"enforcementAction":"allow","result":1}"#, "block"),
        (200, r#"{"enforcement":{"action":"hold"},"enforcementAction":"allow"}"#, "hold"),
        (200, r#"{"enforcementAction":"hold","enforcement":{"action":"block"}}"#, "block"),
        (500, r#"{"enforcementAction":"hold"}"#, "hold"),
        (403, r#"{"action":"block","reason":"block:pay#0"}"#, "block"),
        (403, r#"{"action":"hold"}"#, "hold"),
        (200, r#"{"allowed":false,"result":1}"#, "block"),
        (200, r#"{"allowed":false,"action":"hold"}"#, "hold"),
        (200, r#"{"allowed":true,"enforcement":{"allowed":false},"result":1}"#, "block"),
        (200, r#"{"enforcement":{"action":"allow","allowed":false},"result":1}"#, "block"),
        (200, r#"{"enforcement":{"action":"allow","allowed":true},"result":1}"#, "result"),
        (200, r#"{"allowed":false,"enforcementAction":"allow"}"#, "block"),
        (200, r#"{"enforcementAction":"Allow","result":1}"#, "block"),
        (200, r#"{"enforcementAction":"","result":1}"#, "block"),
        (200, r#"{"enforcementAction":7,"result":1}"#, "block"),
        (200, r#"{"enforcement":{"action":["allow"]},"result":1}"#, "block"),
        (200, r#"{"enforcementAction":null,"enforcement":null,"result":1}"#, "result"),
        (200, r#"{"enforcementAction":"allow","allowed":true,"result":1}"#, "result"),
        // These are the tool's own words.
        (200, r#"{"action":"block"}"#, "result"),
        (200, r#"{"result":{"enforcementAction":"block","allowed":false}}"#, "result"),
        (500, r#"{"action":"retry"}"#, "error"),
    ] {
        assert_eq!(kind(status, body), expected, "{status} {body}");
    }
    let Err(Error::PolicyBlocked(refusal)) = json_answer(
        200,
        r#"{"enforcement":{"action":"block","reason":"block:x","message":"no","matchedPolicy":{"name":"P"}}}"#,
    ) else {
        panic!("not a block")
    };
    assert_eq!((refusal.message.as_str(), refusal.reason.as_deref()), ("no", Some("block:x")));
    assert_eq!((refusal.matched_policy.as_deref(), refusal.enforcement_action.as_deref()), (Some("P"), Some("block")));
}

#[test]
fn errors_of_the_tool_in_any_form() {
    for (body, message) in [
        (r#"{"error":"boom"}"#, "MCP tool error (-1): boom"),
        (r#"{"error":{"code":-32000,"message":"boom","data":{"a":1}}}"#, r#"MCP tool error (-32000): boom - {"a":1}"#),
        (r#"{"error":{}  ,"result":1}"#, ""),
        (r#"{"error":{"message":"m"}}"#, "MCP tool error (-1): m - "),
        (r#"{"error":[1]}"#, "MCP tool error (-1): [1]"),
        (r#"{"error":true}"#, "MCP tool error (-1): true"),
    ] {
        let said = json_answer(200, body).err().map(|error| error.to_string());
        assert_eq!(said.unwrap_or_default(), message, "{body}");
    }
    let server = Server::start(|_, _| Reply::json(200, r#"{"result":{"is_error":1}}"#));
    let outcome = call(&client(&server), INVOKE, "").unwrap();
    assert_eq!((&outcome["status"], &outcome["metadata"]), (&json!("error"), &json!({ "hasToolError": true })));
}

#[test]
fn a_token_that_was_revoked_or_has_expired_says_so() {
    let server = Server::start(|_, _| Reply::Answer {
        status: 401,
        headers: vec![("X-Armoriq-Revoked", "true".into())],
        body: b"{\"reason\":\"stolen\",\"enforcementAction\":\"block\"}".to_vec(),
    });
    let Err(Error::TokenRevoked { token_id, reason, .. }) = call(&client(&server), INVOKE, "") else { panic!() };
    assert_eq!((token_id.as_deref(), reason.as_deref()), (Some("ref_1"), Some("stolen")));

    let server = Server::start(|_, _| Reply::json(200, "{}"));
    let mut expired = token();
    expired["expires_at"] = json!(1000);
    let params = json!({ "mcp": "m", "action": "a", "intent_token": expired }).to_string();
    let client = client(&server);
    let refused = client.run(client.invoke(Params::from_json(&params).unwrap()));
    assert!(matches!(refused, Err(Error::TokenExpired { expired_at: Some(1000.0), .. })), "{refused:?}");
    assert!(server.received().is_empty());
}

#[test]
fn no_secret_of_the_request_is_in_a_message() {
    let server = Server::start(|_, request| {
        let secrets = ["authorization", "x-armoriq-mcp-auth"].map(|name| request.header(name).unwrap_or_default());
        Reply::json(500, &format!("{} {}", secrets.join(" "), request.body))
    });
    let message = call(&client(&server), INVOKE, "").unwrap_err().to_string();
    let credential = server.received()[0].header("x-armoriq-mcp-auth").unwrap().to_owned();
    for secret in ["ak_test_secret_key", JWT, credential.as_str(), "ab".repeat(64).as_str()] {
        assert!(!message.contains(secret), "{message}");
    }
    assert!(message.contains("[redacted]"));
}

/// What the gateway makes of a credential for the tool's server: of no message, and a result as any other text is.
#[test]
fn a_servers_own_credential_is_in_no_message() {
    for (status, body) in [
        (500, "you sent Bearer upstream-secret"),
        (401, "you sent Bearer upstream-secret"),
        (409, "you sent Bearer upstream-secret"),
        (200, r#"{"error": {"code": 1, "message": "not upstream\u002dsecret", "data": "upstream-secret"}}"#),
        (200, r#"{"allowed": false, "message": "not upstream-secret", "reason": "upstream-secret"}"#),
        (403, r#"{"enforcementAction": "hold", "message": "not upstream-secret", "reason": "upstream-secret"}"#),
    ] {
        let server = Server::start(move |_, _| Reply::json(status, body));
        let error = call(&client(&server), INVOKE, "").unwrap_err();
        let told = format!("{error} {}", Value::Object(error.attributes()));
        assert!(told.contains("[redacted]") && !told.contains("upstream"), "{told}");
    }
    let server = Server::start(|_, _| Reply::json(200, r#"{"result": "upstream-secret"}"#));
    assert_eq!(call(&client(&server), INVOKE, "").unwrap()["result"], json!("upstream-secret"));
}

#[test]
fn no_answer_is_an_outage_and_never_waits_longer_than_told() {
    let server = Server::start(|_, _| Reply::Silence(Duration::from_secs(20)));
    let start = Instant::now();
    assert!(matches!(call(&client(&server), INVOKE, r#","timeout_ms":100"#), Err(Error::Timeout(_))));
    assert!(start.elapsed() < Duration::from_secs(10));
    let server = Server::start(|_, _| Reply::Drop);
    assert!(matches!(call(&client(&server), INVOKE, ""), Err(Error::Service { .. })));
    // A call is made once.
    assert_eq!(server.received().len(), 1);
}

/// A service with a financial tool whose calls are held, and what it answers to some paths in place of the usual.
fn holding(others: Map<String, Value>) -> Server {
    Server::start(move |_, request| {
        if let Some(other) = others.get(path(request)) {
            return Reply::json(other["status"].as_u64().unwrap() as u16, &other["json"].to_string());
        }
        match path(request) {
            "/mcp/tool-metadata/bank" => Reply::json(
                200,
                r#"{"data":{"toolMetadata":{"pay":{"isFinancial":true,"amountFields":["amt","amount"],
                    "amountUnit":"cents","recipientField":"to"}}}}"#,
            ),
            "/invoke" if request.body.contains("_approvals") => Reply::json(200, r#"{"result":"paid"}"#),
            "/invoke" => Reply::json(202, r#"{"enforcementAction":"hold","message":"wait","obligations":[1]}"#),
            "/delegation/request" => Reply::json(201, r#"{"delegationId":"del_1","status":"pending"}"#),
            "/delegation/del_1/status" => Reply::json(200, r#"{"status":"approved"}"#),
            _ => Reply::json(200, "{}"),
        }
    })
}

fn paths(server: &Server) -> Vec<String> {
    server.received().iter().map(|request| path(request).to_owned()).collect()
}

const WAITING: &str = r#","options":{"wait_for_approval":true,"user_email":"bob@x.com"},"params":{"amount":1}"#;

#[test]
fn the_gateway_is_told_what_a_call_moves() {
    let server = holding(json!({ "/invoke": { "status": 200, "json": {} } }).as_object().unwrap().clone());
    let client = client(&server);
    for (arguments, sent) in [
        (
            r#"{ "amount":250.0, "to":{"id": 1E2} }"#,
            r#"{ "amount":250.0, "to":{"id": 1E2} ,"_policy_context":{"is_financial":true,"transaction_type":"pay","amount":2.5,"recipient_id":{"id": 1E2}}}"#,
        ),
        (
            r#"{"amt":null,"amount":"1_0","to":"a\"b"}"#,
            r#"{"amt":null,"amount":"1_0","to":"a\"b","_policy_context":{"is_financial":true,"transaction_type":"pay","amount":0.1,"recipient_id":"a\"b"}}"#,
        ),
        (
            "{ }",
            r#"{ "_policy_context":{"is_financial":true,"transaction_type":"pay","amount":null,"recipient_id":null}}"#,
        ),
    ] {
        call(&client, WITH_POLICY, &format!(r#","params":{arguments}"#)).unwrap();
        let body = server.received().pop().unwrap().body;
        assert!(body.contains(&format!(r#""params":{sent},"arguments":{sent},"#)), "{body}");
    }
    // Asked once.
    assert_eq!(paths(&server).iter().filter(|path| path.contains("metadata")).count(), 1);

    let sent = server.received().len();
    for own in ["_policy_context", "_delegation_id", "_approvals", "_\\u0061pprovals"] {
        let refused = call(&client, WITH_POLICY, &format!(r#","params":{{"{own}":999}}"#));
        assert!(matches!(refused, Err(Error::InvalidArgument(_))), "{own}");
    }
    let endless = call(&client, WITH_POLICY, r#","params":{"amount":1e999}"#);
    assert!(matches!(endless, Err(Error::InvalidArgument(_))));
    assert_eq!(server.received().len(), sent);
}

#[test]
fn a_held_call_is_only_a_hold_for_one_that_does_not_wait() {
    for options in ["{}", r#"{"wait_for_approval":true}"#, r#"{"user_email":"bob@x.com"}"#] {
        let server = holding(Map::new());
        let held = call(&client(&server), WITH_POLICY, &format!(r#","options":{options}"#));
        assert!(matches!(held, Err(Error::PolicyHold(_))), "{options}");
        assert_eq!(paths(&server), ["/mcp/tool-metadata/bank", "/invoke"]);
    }
    let refused = json!({ "/delegation/request": { "status": 400, "json": { "message": "no approver" } } });
    let server = holding(refused.as_object().unwrap().clone());
    let Err(Error::PolicyHold(held)) = call(&client(&server), WITH_POLICY, WAITING) else { panic!() };
    let expected = json!({
        "obligations": [1], "delegationError": "Failed to create delegation request: no approver",
    });
    assert_eq!(held.metadata, Some(expected));
}

#[test]
fn the_result_of_a_call_that_was_made_is_never_lost() {
    let refused = json!({ "/delegation/mark-executed": { "status": 409, "json": {} } });
    let server = holding(refused.as_object().unwrap().clone());
    let client = client(&server);
    let outcome = call(&client, WITH_POLICY, WAITING).unwrap();
    assert_eq!(outcome["result"], "paid");
    assert!(outcome["metadata"]["warning"].as_str().unwrap().contains("del_1"), "{outcome}");
    // The service still offers the approval; this process does not use it again.
    let again = call(&client, WITH_POLICY, WAITING).unwrap_err();
    assert_eq!(again.to_string(), "the approval del_1 was used before");
    let made = server.received().iter().filter(|request| request.body.contains("_approvals")).count();
    assert_eq!(made, 1);
}

#[test]
fn an_approval_that_does_not_come_is_a_delegation_error() {
    for (status, message) in [("rejected", "Delegation rejected"), ("expired", "Delegation expired")] {
        let answer = json!({ "/delegation/del_1/status": { "status": 200, "json": { "status": status } } });
        let server = holding(answer.as_object().unwrap().clone());
        let error = call(&client(&server), WITH_POLICY, WAITING).unwrap_err();
        assert!(matches!(error, Error::Delegation { .. }) && error.to_string() == message, "{error:?}");
        assert_eq!(paths(&server).iter().filter(|path| *path == "/invoke").count(), 1);
    }
    let server = holding(Map::new());
    let options = r#","options":{"wait_for_approval":true,"user_email":"b@x.com","delegation_timeout_ms":100}"#;
    let error = call(&client(&server), WITH_POLICY, options).unwrap_err();
    assert_eq!(error.to_string(), "Delegation approval timed out after 0s");
}
