//! Tool inventories, and what the control plane thinks of calls before they are planned.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;

use armoriq::json::sha256_hex;
use common::{KEY, Server, demo, enforce_body};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

fn inventory(tools: &[(&str, Option<&str>)]) -> Value {
    let mut lines: Vec<String> =
        tools.iter().map(|(name, hash)| format!("{name}:{}", hash.unwrap_or("none"))).collect();
    lines.sort();
    let tools: Vec<Value> = tools
        .iter()
        .map(
            |(name, hash)| json!({ "name": name, "description": "d", "schemaSource": "framework", "schemaHash": hash }),
        )
        .collect();
    json!({
        "contract": 2,
        "agent": "sales-bot",
        "sdk": "test@1",
        "snapshotHash": format!("v1:sha256:{}", sha256_hex(lines.join("\n"))),
        "tools": tools,
        "mcpServers": [],
    })
}

fn unknown(server: &Server, hash: &Value) -> Value {
    let token = server.mint(&["data-mcp__fetch_sales"]);
    let mut body = enforce_body(&token, "data-mcp__fetch_sales", json!({}));
    body["toolsSnapshotHash"] = hash.clone();
    let answer = server.post("/iap/sdk/enforce", &body).json();
    assert_eq!(answer["allowed"], json!(true), "it is asked for, and decides nothing");
    answer["inventoryUnknown"].clone()
}

#[test]
fn an_inventory_is_asked_for_until_it_was_pushed() {
    let server = Server::demo();
    let (first, second) = (inventory(&[("b", None), ("a", Some("sha256:00"))]), inventory(&[("c", None)]));
    assert_eq!(unknown(&server, &json!(null)), json!(null));
    assert_eq!(unknown(&server, &inventory(&[])["snapshotHash"]), json!(null), "there is nothing to push");
    assert_eq!(unknown(&server, &first["snapshotHash"]), json!(true));
    assert_eq!(server.post("/iap/sdk/tools", &first).status, 202);
    assert_eq!(unknown(&server, &first["snapshotHash"]), json!(null));
    assert_eq!(unknown(&server, &second["snapshotHash"]), json!(true));
    assert_eq!(server.post("/iap/sdk/tools", &second).status, 202);
    assert_eq!(unknown(&server, &first["snapshotHash"]), json!(true), "the last inventory is the one that holds");
    let kept = server.get("/local/inventories").json()["inventories"].clone();
    assert_eq!(kept[0]["agent"], json!("sales-bot"));
    assert_eq!(kept[0]["tools"], second["tools"]);
}

#[test]
fn an_inventory_is_of_one_agent() {
    let server = Server::start(&demo().replace("members:\n", "  - id: other-bot\nmembers:\n"));
    let mut body = inventory(&[("a", None)]);
    body["agent"] = json!("other-bot");
    assert_eq!(server.post("/iap/sdk/tools", &body).status, 202);
    assert_eq!(unknown(&server, &body["snapshotHash"]), json!(true), "the token is the sales bot's");
    body["agent"] = json!("nobody");
    assert_eq!(server.post("/iap/sdk/tools", &body).status, 403);
}

#[test]
fn inventories_that_contradict_themselves_are_refused() {
    let server = Server::demo();
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut body = inventory(&[("a", None)]);
        change(&mut body);
        server.post("/iap/sdk/tools", &body).said("message")
    };
    let message = |text: &str| (400, text.to_owned());
    assert_eq!(refused(&|body| body["contract"] = json!(1)), message("contract must be 2"));
    assert_eq!(refused(&|body| body["tools"] = json!(null)), message("tools must be a list"));
    assert_eq!(refused(&|body| body["tools"][0]["name"] = json!("")), message("tools[0] must have a name"));
    assert_eq!(
        refused(&|body| body["tools"][0]["name"] = json!("b")),
        message("snapshotHash is not that of the tools")
    );
    let other_schema = |body: &mut Value| body["tools"][0]["inputSchema"] = json!({ "type": "object" });
    assert_eq!(refused(&other_schema), message("tools[0].schemaHash is not that of its inputSchema"));
    let server_hash = |body: &mut Value| body["mcpServers"] = json!([{ "name": "s", "snapshotHash": "", "tools": [] }]);
    assert_eq!(refused(&server_hash), message("mcpServers[s].snapshotHash is not that of the tools"));
}

/// A body of bytes, which need not be text.
fn push_bytes(server: &Server, coding: &str, body: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(server.backend).unwrap();
    let head = format!(
        "POST /iap/sdk/tools HTTP/1.1\r\nhost: {}\r\nconnection: close\r\nx-api-key: {KEY}\r\ncontent-type: application/json\r\ncontent-encoding: {coding}\r\ncontent-length: {}\r\n\r\n",
        server.backend,
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_large_inventory_comes_compressed() {
    let server = Server::demo();
    let body = inventory(&[("a", None)]);
    let packed = gzip(body.to_string().as_bytes());
    assert_eq!(push_bytes(&server, "gzip", &packed), 202);
    assert_eq!(unknown(&server, &body["snapshotHash"]), json!(null));
    assert_eq!(push_bytes(&server, "gzip", b"not gzip"), 400);
    assert_eq!(push_bytes(&server, "gzip", &packed[..packed.len() / 2]), 400);
    assert_eq!(push_bytes(&server, "br", &packed), 415);
    assert_eq!(
        push_bytes(&server, "gzip", &gzip(&vec![b' '; 17 * 1024 * 1024])),
        413,
        "a small body that unpacks large"
    );
}

fn preflight(server: &Server, body: Value) -> Value {
    let answer = server.post("/iap/sdk/preflight", &body);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

#[test]
fn a_preflight_says_what_the_policy_would_block() {
    let server = Server::demo();
    let ask = |calls: Value| {
        preflight(
            &server,
            json!({ "agent_id": "sales-bot", "user_prompt": "p", "tool_calls": calls, "authority_snapshot": null }),
        )
    };
    let good = ask(json!([{ "name": "data-mcp__fetch_sales", "args": {} }]));
    assert_eq!((&good["decision"], &good["violations"]), (&json!("accept"), &json!([])));
    assert!(good["intent_id"].is_string());
    assert_eq!(ask(json!(null))["decision"], json!("accept"));
    let bad = ask(json!([
        { "name": "data-mcp__drop_table", "args": { "table": "t" } },
        { "action": "pay_vendor", "mcp": "payments-mcp", "params": { "amount": 250 } },
        { "name": "fetch_sales" },
    ]));
    assert_eq!(bad["decision"], json!("reject"));
    let violation = json!({ "tool": "drop_table", "mcp": "data-mcp", "reason": "block:drop_table#0" });
    assert_eq!(bad["violations"], json!([violation]));
    assert_eq!(bad["offending_interfaces"], json!(["drop_table"]));
    assert_eq!(bad["predicate_fails"], json!(["block:drop_table#0"]));
    assert_eq!(bad["meta"]["held"][0]["reason"], json!("hold:pay_vendor#0"));
}

#[test]
fn a_preflight_of_an_unknown_agent_is_rejected_and_a_bad_one_refused() {
    let server = Server::demo();
    let unknown = preflight(&server, json!({ "agent_id": "nobody", "tool_calls": [] }));
    assert_eq!(
        (&unknown["decision"], &unknown["violations"][0]["reason"]),
        (&json!("reject"), &json!("agent_unresolved: no registered agent matches 'nobody'"))
    );
    let refused = |calls: Value| server.post("/iap/sdk/preflight", &json!({ "tool_calls": calls })).said("message");
    assert_eq!(refused(json!({})), (400, "tool_calls must be a list".into()));
    assert_eq!(refused(json!([1])), (400, "tool_calls[0] must be an object".into()));
    assert_eq!(refused(json!([{}])), (400, "tool_calls[0] must name a tool".into()));
    let arguments = refused(json!([{ "name": "a__b", "args": [] }]));
    assert_eq!(arguments, (400, "tool_calls[0] must have an object as its arguments".into()));
}
