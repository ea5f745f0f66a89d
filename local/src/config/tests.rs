use armoriq::json::parse;
use serde_json::json;

use super::*;

/// A file with one agent whose policy is this, indented by six spaces.
fn with_policy(policy: &str) -> String {
    format!("api_keys: [ak_test_x]\nmcp_servers: [{{name: data-mcp}}]\nagents:\n  - id: a\n    policy:\n{policy}")
}

/// The line and the message of the fault.
fn fault(text: &str) -> (u64, String) {
    match Config::parse(text, "f.yaml") {
        Ok(_) => (0, "no fault".into()),
        Err(error) => (error.line, error.message),
    }
}

fn policy(text: &str) -> Policy {
    let mut config = Config::parse(&with_policy(text), "f.yaml").map_err(|error| error.to_string()).unwrap();
    config.agents.remove(0).policy.unwrap()
}

#[test]
fn the_demo_is_a_valid_file() {
    let config = Config::parse(DEMO, "demo").map_err(|error| error.to_string()).unwrap();
    assert_eq!(config.default_agent().map(|agent| &*agent.id), Some("sales-bot"));
    assert_eq!(config.rules_without_a_tool(), []);
    assert_eq!(config.servers.len(), 3);
}

#[test]
fn says_which_line_and_what_was_expected() {
    let agents = "agents: [{id: a}]\n";
    for (text, line, message) in [
        ("", 1, "expected a mapping, found nothing"),
        ("- a\n", 1, "expected a mapping"),
        ("agents: [{id: a}]\n", 1, "missing field `api_keys`"),
        (&format!("{agents}api_keys: ak_test_x\n"), 2, "expected a list"),
        (&format!("{agents}api_keys: []\n"), 2, "expected at least one API key"),
        ("api_keys: [ak_test_x]\nagents: []\n", 2, "expected at least one agent"),
        (
            &format!("{agents}api_keys:\n  - ak_test_x\n  - sk_x\n"),
            4,
            "expected an API key that starts with ak_test_, ak_live_ or ak_claw_",
        ),
        (&format!("{agents}api_keys: [ak_test_x]\ndefault_agent: b\n"), 3, "no agent has the id `b`"),
        (&format!("{agents}api_keys: [ak_test_x]\napi_keys: [ak_test_y]\n"), 3, "duplicate mapping key: api_keys"),
        (
            &format!("{agents}api_keys: [ak_test_x]\ntoken: {{max_ttl_seconds: 0}}\n"),
            3,
            "expected `token.max_ttl_seconds` to be a number of seconds above 0",
        ),
        (&format!("{agents}api_keys: [ak_test_x]\ntoken: {{max_ttl_seconds: soon}}\n"), 3, "expected a number"),
        (
            &format!("{agents}api_keys: [ak_test_x]\nmcp_servers:\n  - name: m\n    url: stdio:x\n"),
            5,
            "expected `url` to be an http or https URL without a user's name",
        ),
        (
            &format!("{agents}api_keys: [ak_test_x]\nmcp_servers:\n  - name: m\n    url: http://u:p@h/\n"),
            5,
            "expected `url` to be an http or https URL without a user's name",
        ),
        (
            &format!("{agents}api_keys: [ak_test_x]\nmcp_servers: [{{name: m, timeout_seconds: -1}}]\n"),
            3,
            "expected `timeout_seconds` to be a number of seconds above 0",
        ),
        (&format!("{agents}api_keys: [ak_test_x]\nsigning_key: 0+\n"), 3, "expected `signing_key` to be 64 hex digits"),
        (
            &format!("{agents}api_keys: [ak_test_x]\nsigning_key: {}\n", "+0".repeat(32)),
            3,
            "expected `signing_key` to be 64 hex digits",
        ),
        ("api_keys: [ak_test_x]\nagents:\n  - id: a\n  - id: a\n", 4, "a second agent `a`"),
        (
            "api_keys: [ak_test_x]\nagents:\n  - id: a\n    polcy: {}\n",
            4,
            "unknown field `polcy`, expected one of id, name, inactive, policy",
        ),
        (&format!("{agents}api_keys: [ak_test_x]\n---\nx: 1\n"), 4, "expected one YAML document, found a second one"),
        (
            &format!("{agents}api_keys: [ak_test_x]\nmembers: [{{email: alice}}]\n"),
            3,
            "expected the member's email, found `alice`",
        ),
    ] {
        assert_eq!(fault(text), (line, message.into()), "{text}");
    }
}

#[test]
fn says_what_is_wrong_with_a_policy() {
    for (text, line, message) in [
        ("      default: maybe\n", 6, "unknown value `maybe`, expected one of allow, hold, block"),
        (
            "      allow:\n        - x\n        - {tool: y, whn: []}\n",
            8,
            "unknown field `whn`, expected one of tool, capability, member, when",
        ),
        ("      allow:\n        - 12\n", 7, "invalid type: integer `12`"),
        ("      allow: [{when: []}]\n", 6, "expected a rule to have either a `tool` or a `capability`"),
        ("      allow: [{tool: a, capability: b}]\n", 6, "expected a rule to have either a `tool` or a `capability`"),
        (
            "      block:\n        - data-mcp__drop\n",
            7,
            "rules name a tool without its server: expected `drop`, found `data-mcp__drop`",
        ),
        (
            "      allow:\n        - tool: x\n          when:\n            - {field: args.a, op: eq, value: 1}\n            - {field: args.a, op: equals, value: 1}\n",
            10,
            "unknown operator `equals`",
        ),
        (
            "      allow:\n        - tool: x\n          when: {field: amount, op: eq, value: 1}\n",
            7,
            "expected a field that starts with `args.`, found `amount`",
        ),
        (
            "      allow:\n        - tool: x\n          when: {field: args.a, op: eq}\n",
            7,
            "the operator `eq` needs a `value`",
        ),
        (
            "      allow:\n        - tool: x\n          when: {field: args.a.0.b, op: regex, value: '(?=x)'}\n",
            7,
            "the condition cannot be evaluated: pattern outside the portable subset",
        ),
        (
            "      allow: [x]\n      schemaVersion: armor.policy.v2\n",
            6,
            "expected either the lists `allow`, `hold` and `block` or the members of an armor.policy.v2 document",
        ),
        ("      expiresAt: never\n", 6, "`expiresAt` belongs to an armor.policy.v2 document"),
        (
            "      schemaVersion: armor.policy.v1\n      policyId: p\n",
            6,
            "expected the schemaVersion `armor.policy.v2`, found \"armor.policy.v1\"",
        ),
        (
            "      schemaVersion: armor.policy.v2\n      policyId: p\n",
            6,
            "the armor.policy.v2 document has no `target`",
        ),
    ] {
        let (found_line, found) = fault(&with_policy(text));
        assert!(found_line == line && found.starts_with(message), "{text}\n{found_line}: {found}");
    }
}

#[test]
fn a_fault_never_shows_a_key() {
    for text in
        ["api_keys: {a: ak_live_secret}\n", "ak_live_secret: 1\n", "agents: ak_live_secret\n", "- ak_live_secret: ["]
    {
        let error = Config::parse(text, "f.yaml").err().unwrap().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
    assert_eq!(redact_keys("a `ak_live_secret`, ak_x"), "a `ak_[redacted]`, ak_[redacted]");
}

#[test]
fn the_lists_become_a_document() {
    let compiled = policy(concat!(
        "      name: Sales\n      default: hold\n",
        "      allow:\n        - fetch_*\n        - pay\n",
        "      hold:\n        - tool: pay\n          when: {field: args.amount, op: gt, value: 100.50}\n",
        "        - {capability: export, member: ' Bob@Example.com '}\n",
        "      block: [drop, {tool: pay, when: [{field: args.to, op: exists}]}]\n",
    ));
    assert_eq!((&*compiled.id, &*compiled.name, compiled.default_effect()), ("policy-a", "Sales", "hold"));
    let expected = parse(
        r#"[
        {"id":"st-1","subject":null,"conditions":[],"expiresAt":"never","provenance":{"ruleKey":"drop","variant":0,"source":"yaml"},
         "match":{"tool":"drop","keyTier":"exact","order":0},"effect":"block"},
        {"id":"st-2","subject":null,"conditions":[{"field":"args.to","op":"exists"}],"expiresAt":"never",
         "provenance":{"ruleKey":"pay","variant":0,"source":"yaml"},"match":{"tool":"pay","keyTier":"exact","order":0},"effect":"block"},
        {"id":"st-3","subject":null,"conditions":[{"field":"args.amount","op":"gt","value":100.5}],"expiresAt":"never",
         "provenance":{"ruleKey":"pay","variant":1,"source":"yaml"},"match":{"tool":"pay","keyTier":"exact","order":1},"effect":"hold","approval":{}},
        {"id":"st-4","subject":{"email":"bob@example.com"},"conditions":[],"expiresAt":"never",
         "provenance":{"ruleKey":"export","variant":0,"source":"yaml"},"match":{"capability":"export"},"effect":"hold","approval":{}},
        {"id":"st-5","subject":null,"conditions":[],"expiresAt":"never","provenance":{"ruleKey":"fetch_*","variant":0,"source":"yaml"},
         "match":{"tool":"fetch_*","keyTier":"glob","order":0},"effect":"allow"},
        {"id":"st-6","subject":null,"conditions":[],"expiresAt":"never","provenance":{"ruleKey":"pay","variant":2,"source":"yaml"},
         "match":{"tool":"pay","keyTier":"exact","order":2},"effect":"allow"}]"#,
    )
    .unwrap();
    assert_eq!(compiled.document["statements"], expected);
    assert_eq!(compiled.document["defaults"]["tools"], json!("hold"));
}

#[test]
fn a_document_stays_as_it_is() {
    let compiled = policy(concat!(
        "      name: Sales\n      schemaVersion: armor.policy.v2\n      policyId: pol-1\n      target: {agent: a}\n",
        "      layer: agent\n      defaults: {tools: block, network: block, files: allow, skills: allow}\n",
        "      expiresAt: '2099-01-01'\n      statements: []\n",
    ));
    assert_eq!((&*compiled.id, &*compiled.name), ("pol-1", "Sales"));
    assert_eq!(compiled.document["expiresAt"], json!("2099-01-01"));
    assert_eq!(compiled.document["defaults"]["files"], json!("allow"));
}

#[test]
fn finds_rules_for_tools_that_nobody_has() {
    let text = with_policy("      allow: [fetch_*, misspelt]\n");
    let config = Config::parse(&text, "f.yaml").map_err(|error| error.to_string()).unwrap();
    assert_eq!(config.rules_without_a_tool(), [("a", "misspelt")]);
}
