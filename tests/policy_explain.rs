//! Explanations of evaluations: they agree with the evaluator, and say how it came to its verdict.

#![allow(clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use armoriq::policy::{evaluate_json, explain_json};
use serde_json::{Value, json};

fn read(file: &str) -> Vec<Value> {
    let path = format!("{}/tests/vectors/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    match armoriq::json::parse(&text) {
        Ok(Value::Array(cases)) => cases,
        other => panic!("{path} is no list: {other:?}"),
    }
}

#[test]
fn agree_with_the_evaluator_on_every_vector() {
    for file in ["policy_evaluate", "policy_directed"] {
        let cases = read(file);
        let (mut explained, mut refused) = (0, 0);
        for case in &cases {
            let (call, documents) = (&case["input"], &case["bound"]);
            match (explain_json(call, documents), evaluate_json(call, documents)) {
                (Ok(explanation), Ok(evaluation)) => {
                    assert_eq!(explanation["evaluation"], evaluation, "{case}");
                    assert_eq!(Some(&explanation["evaluation"]), case.get("expect"), "{case}");
                    assert_eq!(
                        decided(&explanation),
                        evaluation["provenance"]["statementId"],
                        "{case}\n{explanation:#}"
                    );
                    explained += 1;
                }
                (Err(explained), Err(evaluated)) => {
                    assert!(case.get("error").is_some(), "{case}");
                    assert!(explained.to_string().starts_with(&evaluated.to_string()), "{explained} {evaluated}");
                    refused += 1;
                }
                (explained, evaluated) => panic!("{explained:?} is not {evaluated:?}: {case}"),
            }
        }
        println!("{file}: {explained} explained, {refused} refused");
        assert!(explained > 50 && refused > 0, "{file}");
    }
}

/// The statement that the steps lead to.
fn decided(explanation: &Value) -> Value {
    let floor_decides = explanation["floor"]["decides"] == true;
    if !explanation["default"].is_null() && !floor_decides {
        return Value::Null;
    }
    let layers = explanation["layers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let decisions = layers
        .iter()
        .filter(|layer| (layer["document"] == "floor") == floor_decides)
        .flat_map(|layer| layer["scopes"].as_array().into_iter().flatten())
        .map(|scope| &scope["decision"]);
    decisions
        .filter(|decision| !decision.is_null())
        .map(|decision| decision["statementId"].clone())
        .next()
        .unwrap_or_default()
}

fn statement(id: &str, tool: Value, effect: &str, conditions: Value) -> Value {
    json!({
        "id": id, "subject": null, "conditions": conditions, "expiresAt": "never", "effect": effect, "match": tool,
        "provenance": {"ruleKey": "key", "variant": 0, "source": "yaml"},
    })
}

fn tool(key: &str, order: i32) -> Value {
    json!({"tool": key, "keyTier": "exact", "order": order})
}

fn document(statements: Value) -> Value {
    json!({
        "policyId": "p", "layer": "agent", "defaults": {"tools": "block"}, "expiresAt": "never", "statements": statements,
    })
}

fn call(arguments: Value) -> Value {
    json!({"tool": "pay_all", "arguments": arguments, "timestamp": "2026-06-01T00:00:00Z"})
}

fn explain(call: &Value, documents: Value) -> Value {
    explain_json(call, &documents).unwrap_or_else(|error| panic!("{error}"))
}

fn condition(field: &str, op: &str, value: Value) -> Value {
    json!({"field": field, "op": op, "value": value})
}

#[test]
fn says_which_key_won_over_which() {
    let mut expired = statement("old", tool("*_all*", 0), "allow", json!([]));
    expired["expiresAt"] = json!("2026-01-01");
    let statements = json!([
        statement("short", tool("pay*", 0), "allow", json!([])),
        statement("second", tool("*_all", 0), "allow", json!([])),
        statement("other", tool("send", 0), "allow", json!([])),
        statement("first", tool("pay_*", 0), "allow", json!([])),
        expired,
    ]);
    let explanation = explain(&call(json!({})), json!({"agent": document(statements.clone())}));
    let keys = &explanation["layers"][0]["scopes"][0]["keys"];
    assert_eq!(
        *keys,
        json!([
            {"key": "*_all", "won": true, "why": "of the patterns that fit it is the longest, or the first of that length"},
            {"key": "pay_*", "won": false,
             "why": "of two patterns of one length the one that begins earlier in the document comes first"},
            {"key": "pay*", "won": false, "why": "a longer pattern comes before a shorter one"},
            {"key": "*_all*", "won": false, "why": "all of its statements have expired"},
        ])
    );
    let mut statements = statements;
    statements[2] = statement("exact", tool("pay_all", 0), "hold", json!([]));
    let explanation = explain(&call(json!({})), json!({"agent": document(statements)}));
    let keys = &explanation["layers"][0]["scopes"][0]["keys"];
    assert_eq!(keys[0], json!({"key": "pay_all", "won": true, "why": "it is the tool's own name"}));
    assert_eq!(keys[1]["why"], "a tool's own name comes before a pattern");
}

#[test]
fn says_which_condition_failed_and_what_it_saw() {
    let long = "x".repeat(300);
    let conditions = |last: Value| json!([condition("args.to", "startsWith", json!("a")), last]);
    let mut expired = statement("expired", tool("pay_all", -1), "allow", json!([]));
    expired["expiresAt"] = json!("2026-01-01");
    let statements = json!([
        statement("absent", tool("pay_all", 0), "allow", conditions(condition("args.x", "exists", json!(true)))),
        statement("null", tool("pay_all", 1), "allow", conditions(condition("args.none", "exists", json!(false)))),
        statement("length", tool("pay_all", 2), "allow", conditions(condition("args.items.length", "gt", json!(2)))),
        statement("long", tool("pay_all", 3), "allow", conditions(condition("args.long", "eq", json!("x")))),
        statement(
            "list",
            tool("pay_all", 4),
            "allow",
            json!([condition("args.items", "eq", json!("x")), condition("args.a", "eq", json!(1))])
        ),
        statement("hit", tool("pay_all", 5), "hold", json!([condition("args.amount", "gte", json!(5))])),
        statement("rest", tool("pay_all", 6), "allow", json!([])),
        expired,
    ]);
    let text = format!(r#"{{"to": "abc", "none": null, "items": [1, 2.0], "long": "{long}", "amount": 5.0}}"#);
    let arguments = armoriq::json::parse(&text).unwrap_or_default();
    let explanation = explain(&call(arguments), json!({"agent": document(statements)}));
    let scope = &explanation["layers"][0]["scopes"][0];
    let outcomes: Vec<Value> = (0..8)
        .map(|index| {
            let variant = &scope["variants"][index];
            let last = variant["conditions"].as_array().and_then(|tested| tested.last()).cloned().unwrap_or_default();
            json!([
                variant["statementId"],
                variant["outcome"],
                last["holds"],
                last["present"],
                last.get("saw"),
                last.get("cut")
            ])
        })
        .collect();
    assert_eq!(
        json!(outcomes),
        json!([
            ["expired", "expired", null, null, null, null],
            ["absent", "fails", false, false, null, null],
            ["null", "fails", false, true, null, null],
            ["length", "fails", false, true, 2, null],
            ["long", "fails", false, true, "x".repeat(200), true],
            ["list", "fails", false, true, armoriq::json::parse("[1,2.0]").unwrap_or_default(), null],
            ["hit", "holds", true, true, armoriq::json::parse("5.0").unwrap_or_default(), null],
            ["rest", "not-tried", null, null, null, null],
        ])
    );
    // Absent has no `saw`, null has one.
    assert_eq!(scope["variants"][1]["conditions"][1].get("saw"), None);
    assert_eq!(scope["variants"][2]["conditions"][1].get("saw"), Some(&Value::Null));
    assert_eq!(
        scope["variants"][1]["conditions"][0],
        json!({"path": "agent.statements[0].conditions[0]", "field": "args.to", "op": "startsWith", "value": "a",
               "holds": true, "present": true, "saw": "abc"})
    );
    // What comes after a condition that fails is not tested.
    assert_eq!(scope["variants"][5]["conditions"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        scope["decision"],
        json!({"by": "tool", "path": "agent.statements[5]", "statementId": "hit", "effect": "hold"})
    );
    assert_eq!(scope["why"], "it is the first variant that holds");
}

#[test]
fn says_whose_rules_count() {
    let with = |mut statement: Value, subject: Value| {
        statement["subject"] = subject;
        statement
    };
    let statements = json!([
        with(statement("group", tool("pay_all", 0), "allow", json!([])), json!({"group": "staff"})),
        with(
            statement("bob", tool("pay_all", 0), "hold", json!([condition("args.a", "eq", json!(1))])),
            json!({"email": "Bob@b.co"})
        ),
        statement("all", tool("pay_all", 0), "block", json!([])),
    ]);
    let explain_for = |member: Value| {
        let mut call = call(json!({"a": 2}));
        call["member"] = member;
        explain(&call, json!({"agent": document(statements.clone())}))
    };
    let explanation = explain_for(json!({"email": "bob@b.co", "groups": ["staff"]}));
    let layer = &explanation["layers"][0];
    assert_eq!(layer["member"]["selectedBy"], "email");
    assert_eq!(layer["member"]["subject"], json!({"email": "Bob@b.co"}));
    assert_eq!(layer["scopes"][0]["subject"], json!({"email": "Bob@b.co"}));
    assert_eq!(layer["scopes"][0]["decision"], Value::Null);
    assert_eq!(layer["scopes"][0]["why"], "no variant of the key that won holds, and other keys are not tried");
    assert_eq!(layer["scopes"][1]["subject"], Value::Null);
    assert_eq!(layer["scopes"][1]["decision"]["statementId"], "all");

    assert_eq!(explain_for(json!({"groups": ["staff"]}))["layers"][0]["member"]["selectedBy"], "group");
    let explanation = explain_for(json!({"email": "eve@b.co"}));
    assert_eq!(explanation["layers"][0]["member"]["selectedBy"], Value::Null);
    assert_eq!(explanation["layers"][0]["scopes"].as_array().map(Vec::len), Some(1));
    assert_eq!(explain_for(Value::Null)["layers"][0]["member"], Value::Null);
}

#[test]
fn says_what_capabilities_did() {
    let capability = |name: &str| json!({ "capability": name });
    let statements = json!([
        statement("tool", tool("pay_all", 0), "hold", json!([])),
        statement("mild", capability("read"), "allow", json!([])),
        statement("fails", capability("pay"), "block", json!([condition("args.a", "eq", json!(1))])),
        statement("other", capability("export"), "block", json!([])),
    ]);
    let explain_with = |arguments: Value| {
        let mut call = call(arguments);
        call["capabilities"] = json!(["pay", "read"]);
        explain(&call, json!({"agent": document(statements.clone())}))["layers"][0]["scopes"][0].clone()
    };
    let scope = explain_with(json!({"a": 2}));
    let seen: Vec<Value> =
        (0..2).map(|index| &scope["capabilities"][index]).map(|it| json!([it["capability"], it["outcome"]])).collect();
    assert_eq!(json!(seen), json!([["read", "holds"], ["pay", "fails"]]));
    assert_eq!(scope["capabilities"].as_array().map(Vec::len), Some(2));
    assert_eq!(scope["decision"]["by"], "tool");
    assert_eq!(scope["why"], "the tool's rule counts: none for a capability is stricter");
    let scope = explain_with(json!({"a": 1}));
    assert_eq!(
        scope["decision"],
        json!({"by": "capability", "path": "agent.statements[2]", "statementId": "fails", "effect": "block"})
    );
    assert_eq!(scope["why"], "a rule for a capability is stricter than the tool's");
}

#[test]
fn says_what_the_floor_and_the_default_did() {
    let rule = |effect: &str| json!([statement(effect, tool("pay_all", 0), effect, json!([]))]);
    let mut expired = document(rule("allow"));
    expired["expiresAt"] = json!("2026-01-01");
    let explanation = explain(&call(json!({})), json!({"agent": expired, "floor": document(rule("hold"))}));
    assert_eq!(explanation["layers"][0]["document"], "floor");
    assert_eq!(explanation["layers"][1]["state"], "expired");
    assert_eq!(explanation["layers"][1]["expiresAt"], "2026-01-01");
    assert_eq!(explanation["default"]["document"], "agent");
    assert_eq!(explanation["default"]["verdict"], "block");
    assert_eq!(
        explanation["floor"],
        json!({"verdict": "hold", "rest": "block", "decides": false, "why": "the floor is not stricter"})
    );

    let floor = |floor: &str, agent: &str| {
        let documents = json!({"agent": document(rule(agent)), "floor": document(rule(floor))});
        explain(&call(json!({})), documents)
    };
    assert_eq!(floor("hold", "allow")["floor"]["why"], "the floor is stricter");
    let explanation = floor("block", "allow");
    assert_eq!(explanation["floor"]["rest"], Value::Null);
    assert_eq!(explanation["layers"].as_array().map(Vec::len), Some(1));
    assert_eq!(explain(&call(json!({})), json!({"agent": document(rule("hold"))}))["floor"], Value::Null);
}

#[test]
fn names_the_condition_that_cannot_be_evaluated() {
    let statements = json!([
        statement("a", tool("pay_all", 0), "allow", json!([condition("args.a", "eq", json!(2))])),
        statement(
            "b",
            tool("pay_all", 1),
            "allow",
            json!([condition("args.a", "eq", json!(1)), condition("args.a", "like", json!(1))])
        ),
    ]);
    let error = explain_json(&call(json!({"a": 1})), &json!({"agent": document(statements)}));
    let error = error.map_or_else(|error| error.to_string(), |explanation| explanation.to_string());
    assert_eq!(error, "NotEvaluable: unknown operator \"like\" (at agent.statements[1].conditions[1])");
    let error = explain_json(&call(json!({})), &json!({}));
    assert!(error.is_err_and(|error| error.to_string().starts_with("NoDocument: ")));
}
