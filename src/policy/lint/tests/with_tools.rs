use super::*;

fn tool(name: &str, properties: Value) -> Value {
    json!({"name": name, "inputSchema": {"type": "object", "properties": properties}})
}

fn rule(id: &str, key: &str, conditions: Value) -> Value {
    statement(json!({"id": id, "match": {"tool": key, "order": 0}, "conditions": conditions}))
}

fn problems_with(statements: Value, tools: Value) -> Vec<Problem> {
    let documents = json!({"agent": document(statements)});
    check(documents.as_object().unwrap(), Some(tools.as_array().unwrap()), now())
}

/// What is found, as `path code suggestion`.
fn found_with(statements: Value, tools: Value) -> Vec<String> {
    let problems = problems_with(statements, tools);
    let line = |problem: &Problem| {
        let suggestion = problem.suggestion.as_deref().unwrap_or_default();
        format!("{} {} {suggestion}", problem.place, problem.code).trim_end().to_owned()
    };
    problems.iter().map(line).collect()
}

/// What is found about one condition of a rule for one tool.
fn found_about(condition: Value, properties: Value) -> Vec<String> {
    let found = found_with(json!([rule("a", "pay", json!([condition]))]), json!([tool("pay", properties)]));
    found.iter().map(|line| line.replace("agent.statements[0].conditions[0].", "")).collect()
}

#[test]
fn a_policy_that_fits_its_tools_has_no_problems() {
    let statements = json!([
        rule(
            "a",
            "pay",
            json!([condition("amount", "gt", json!(100)), condition("to.iban", "startsWith", json!("DE"))])
        ),
        rule("b", "fetch_*", json!([])),
    ]);
    let to = json!({"type": "object", "properties": {"iban": {"type": "string"}}});
    let tools = json!([
        {"type": "function", "function": {"name": "pay", "parameters": {"properties": {"amount": {"type": "number"}, "to": to}}}},
        "fetch_sales",
        {"name": "data-mcp__fetch_items", "input_schema": {}},
    ]);
    assert_eq!(found_with(statements, tools), NOTHING);
}

#[test]
fn rules_for_no_tool() {
    let statements = |key: &str| json!([rule("a", key, json!([])), rule("b", "send", json!([]))]);
    let tools = json!(["send", "fetch_sales", "pay_vendor"]);
    let about = |key: &str| {
        let found = found_with(statements(key), tools.clone());
        found.into_iter().filter(|line| line.contains("no-such-tool")).collect::<Vec<_>>()
    };
    assert_eq!(about("fetch_slaes"), ["agent.statements[0].match.tool no-such-tool fetch_sales"]);
    assert_eq!(about("payVendor"), ["agent.statements[0].match.tool no-such-tool pay_vendor"]);
    assert_eq!(about("drop_table"), ["agent.statements[0].match.tool no-such-tool"]);
    assert_eq!(about("drop_*"), ["agent.statements[0].match.tool no-such-tool"]);
    assert_eq!(about("fetch_sales"), NOTHING);
    assert_eq!(about("fetch_*"), NOTHING);
    // Every tool is missed where there are none.
    assert_eq!(found_with(statements("fetch_sales"), json!([])).len(), 2);
}

#[test]
fn a_rule_for_no_tool_is_reported_once() {
    let again = statement(json!({"id": "b", "match": {"tool": "pay", "order": 1}, "subject": {"email": "a@b.co"}}));
    let found = found_with(json!([rule("a", "pay", json!([])), again]), json!([]));
    assert_eq!(found, ["agent.statements[0].match.tool no-such-tool"]);
}

#[test]
fn tools_that_cannot_be_read() {
    let found = found_with(json!([rule("a", "pay", json!([]))]), json!(["pay", {"type": "web_search"}, 7]));
    assert_eq!(found, ["tools[1] malformed-tool", "tools[2] malformed-tool"]);
}

#[test]
fn tools_that_only_the_default_governs() {
    let tools = json!(["pay", "send_mail"]);
    let found = found_with(json!([rule("a", "pay", json!([]))]), tools.clone());
    assert_eq!(found, ["tools[1] only-default"]);
    let problems = problems_with(json!([rule("a", "pay", json!([]))]), tools.clone());
    assert_eq!(problems[0].message, "no rule is about `send_mail`, so the agent's default decides: block");
    assert_eq!(problems[0].severity, Severity::Hint);
    assert_eq!(
        found_with(json!([rule("a", "pay", json!([])), rule("b", "send_*", json!([]))]), tools.clone()),
        NOTHING
    );
    // A rule for one member is a rule, and a tool may have a capability.
    let member =
        statement(json!({"id": "b", "match": {"tool": "send_mail", "order": 0}, "subject": {"email": "a@b.co"}}));
    assert_eq!(found_with(json!([rule("a", "pay", json!([])), member]), tools.clone()), NOTHING);
    let capability = statement(json!({"id": "b", "match": {"capability": "send"}}));
    assert_eq!(found_with(json!([rule("a", "pay", json!([])), capability]), tools.clone()), NOTHING);
    // Another document may have the rule.
    let mut floor = document(json!([rule("f", "send_mail", json!([]))]));
    merge(&mut floor, json!({"layer": "floor"}));
    let documents = json!({"agent": document(json!([rule("a", "pay", json!([]))])), "floor": floor});
    let problems = check(documents.as_object().unwrap(), Some(tools.as_array().unwrap()), now());
    assert_eq!(lines(&problems), NOTHING);
}

#[test]
fn a_default_that_allows_makes_it_a_warning() {
    let mut open = document(json!([rule("a", "pay", json!([]))]));
    merge(&mut open, json!({"defaults": {"tools": "allow"}}));
    let documents = json!({ "agent": open });
    let problems = check(documents.as_object().unwrap(), Some(&[json!("pay"), json!("wipe")]), now());
    let found: Vec<_> = problems.iter().map(|problem| (problem.code, problem.severity)).collect();
    assert_eq!(found, [("default-allow", Severity::Warning), ("only-default", Severity::Warning)]);
}

#[test]
fn siblings_that_are_outside_the_rule() {
    let rules = json!([rule("a", "delete_user", json!([])), rule("b", "get_*", json!([]))]);
    let siblings = |tools: Value| {
        let found = found_with(rules.clone(), tools);
        found.into_iter().filter(|line| line.contains("sibling")).collect::<Vec<_>>()
    };
    let expected = ["agent.statements[0].match.tool sibling-outside-rule"];
    assert_eq!(siblings(json!(["get_x", "delete_user", "delete_users"])), expected);
    assert_eq!(siblings(json!(["get_x", "delete_user", "removeUser"])), expected);
    assert_eq!(
        siblings(json!(["get_x", "fetch_x", "delete_user"])),
        ["agent.statements[1].match.tool sibling-outside-rule"]
    );
    assert_eq!(siblings(json!(["get_x", "delete_user", "delete_group"])), NOTHING);
    // What has a rule of its own was thought of.
    assert_eq!(siblings(json!(["get_user", "get_users", "delete_user"])), NOTHING);
    let problems = problems_with(rules, json!(["get_x", "delete_user", "delete_users"]));
    assert_eq!(problems[0].severity, Severity::Hint);
    assert_eq!(problems[0].details["tool"], json!("delete_users"));
}

#[test]
fn patterns_that_lose_every_tool() {
    let found =
        |key: &str| found_with(json!([rule("a", "pay*", json!([])), rule("b", key, json!([]))]), json!(["pay_vendor"]));
    assert_eq!(found("pay_vendor"), ["agent.statements[0].match.tool overruled-key"]);
    assert_eq!(found("pay_*"), ["agent.statements[0].match.tool overruled-key"]);
    assert_eq!(found("p*"), ["agent.statements[1].match.tool overruled-key"]);
    let two = json!(["pay_vendor", "pay_tax"]);
    assert_eq!(
        found_with(json!([rule("a", "pay*", json!([])), rule("b", "pay_tax", json!([]))]), two.clone()),
        NOTHING
    );
    // The other's rules are for somebody in particular, or end.
    for change in [json!({"subject": {"email": "a@b.co"}}), json!({"expiresAt": "2027-01-01"})] {
        let mut other = rule("b", "pay_vendor", json!([]));
        merge(&mut other, change);
        assert_eq!(found_with(json!([rule("a", "pay*", json!([])), other]), json!(["pay_vendor"])), NOTHING);
    }
}

#[test]
fn fields_that_the_tool_does_not_have() {
    let properties = json!({
        "amount": {"type": "number"},
        "recipient": {"type": "object", "properties": {"email_address": {"type": "string"}}},
        "items": {"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}}}},
    });
    let about = |field: &str, value: Value| found_about(condition(field, "eq", value), properties.clone());
    assert_eq!(about("amuont", json!(1)), ["field unknown-field args.amount"]);
    assert_eq!(about("emailAddress", json!("x")), ["field unknown-field args.recipient.email_address"]);
    assert_eq!(about("email_address", json!("x")), ["field unknown-field args.recipient.email_address"]);
    assert_eq!(about("recipient.email_adress", json!("x")), ["field unknown-field args.recipient.email_address"]);
    assert_eq!(about("currency", json!("x")), ["field unknown-field"]);
    assert_eq!(about("amount.value", json!(1)), ["field unknown-field"]);
    for (field, value) in [
        ("amount", json!(1)),
        ("recipient.email_address", json!("x")),
        ("items.0.sku", json!("x")),
        ("items.length", json!(1)),
    ] {
        assert_eq!(about(field, value), NOTHING, "{field}");
    }
    // Nothing is said about tools whose schema is not known, or is open.
    let rules = json!([rule("a", "pay", json!([condition("x", "eq", json!(1))]))]);
    assert_eq!(found_with(rules.clone(), json!(["pay"])), NOTHING);
    assert_eq!(found_with(rules.clone(), json!([{"name": "pay", "inputSchema": {"type": "object"}}])), NOTHING);
    let open = json!({"properties": {"a": {}}, "additionalProperties": true});
    assert_eq!(found_with(rules, json!([{"name": "pay", "inputSchema": open}])), NOTHING);
}

#[test]
fn a_pattern_may_be_about_a_field_that_some_tool_has() {
    let rules = json!([rule("a", "pay_*", json!([condition("amount", "gt", json!(1))]))]);
    let (with, without) = (json!({"amount": {"type": "number"}}), json!({"sum": {"type": "number"}}));
    assert_eq!(found_with(rules.clone(), json!([tool("pay_a", with), tool("pay_b", without.clone())])), NOTHING);
    assert_eq!(found_with(rules.clone(), json!([tool("pay_a", without.clone()), "pay_b"])), NOTHING);
    let problems = problems_with(rules, json!([tool("pay_a", without.clone()), tool("pay_b", without)]));
    assert_eq!(lines(&problems), ["agent.statements[0].conditions[0].field unknown-field"]);
    assert!(problems[0].message.starts_with("none of the 2 tools"), "{}", problems[0].message);
}

#[test]
fn fields_in_another_unit() {
    for (field, has) in
        [("amount", "total_cents"), ("amount", "amount_cents"), ("amount", "amount_usd"), ("timeout", "timeoutMs")]
    {
        let condition = condition(field, "gt", json!(100));
        let other = json!({has: {"type": "integer"}, "vendor": {"type": "string"}});
        assert_eq!(found_about(condition.clone(), other), [format!("field unit-mismatch args.{has}")]);
        assert_eq!(found_about(condition, json!({field: {"type": "integer"}, has: {"type": "integer"}})), NOTHING);
    }
    let problems = problems_with(
        json!([rule("a", "pay", json!([condition("amount", "gt", json!(100))]))]),
        json!([tool("pay", json!({"total_cents": {}}))]),
    );
    assert_eq!(problems[0].details["unit"], json!("cents"));
    assert!(problems[0].message.starts_with("`pay` has no field `args.amount`; `args.total_cents` may be meant"));
}

#[test]
fn values_of_another_type() {
    for (kind, operator, value) in [
        (json!("string"), "gt", json!(100)),
        (json!("string"), "eq", json!(100)),
        (json!("integer"), "eq", json!("100")),
        (json!("integer"), "in", json!(["1", true])),
        (json!("integer"), "startsWith", json!("1")),
        (json!("integer"), "ne", json!("100")),
        (json!("boolean"), "regex", json!("true")),
        (json!("object"), "eq", json!("x")),
        (json!(["integer", "null"]), "glob", json!("*")),
    ] {
        let found = found_about(condition("a", operator, value.clone()), json!({"a": {"type": kind}}));
        assert_eq!(found, ["value type-mismatch"], "{kind} {operator} {value}");
    }
    for (kind, operator, value) in [
        (json!("number"), "gt", json!(100)),
        (json!("integer"), "eq", json!(100)),
        (json!("integer"), "in", json!(["1", 1])),
        (json!(["integer", "string"]), "startsWith", json!("1")),
        (json!(["integer", "null"]), "eq", json!(null)),
        (json!("string"), "ne", json!("x")),
        (json!("object"), "exists", json!(true)),
        (json!("unheard-of"), "gt", json!(1)),
    ] {
        let found = found_about(condition("a", operator, value.clone()), json!({"a": {"type": kind}}));
        assert_eq!(found, NOTHING, "{kind} {operator} {value}");
    }
    // What never holds whatever the tool is said once.
    let found = found_about(condition("a", "gt", json!("x")), json!({"a": {"type": "string"}}));
    assert_eq!(found, ["value never-holds"]);
}

#[test]
fn values_that_the_schema_does_not_list() {
    let about = |operator: &str, value: Value| {
        found_about(condition("currency", operator, value), json!({"currency": {"enum": ["USD", "EUR"]}}))
    };
    assert_eq!(about("eq", json!("USDD")), ["value value-not-allowed USD"]);
    assert_eq!(about("in", json!(["GBP", "CHF"])), ["value value-not-allowed"]);
    assert_eq!(about("startsWith", json!("u")), ["value value-not-allowed"]);
    assert_eq!(about("ne", json!("usd")), ["value value-not-allowed USD"]);
    assert_eq!(about("eq", json!("USD")), NOTHING);
    assert_eq!(about("ne", json!("USD")), NOTHING);
    assert_eq!(about("in", json!(["USD", "EUR"])), NOTHING);
}

#[test]
fn the_same_answer_on_every_run() {
    let rules: Vec<Value> = (0..40)
        .map(|n| {
            rule(&format!("s{}", n % 7), &format!("tool_{}", n % 13), json!([condition("amount", "gt", json!(n))]))
        })
        .collect();
    let tools: Vec<Value> =
        (0..20).map(|n| tool(&format!("tool{n}"), json!({"amount_cents": {}, "total_usd": {}}))).collect();
    let first = problems_with(json!(rules), json!(tools));
    assert!(first.len() > 20);
    assert!(first.is_sorted_by(|a, b| (&a.place, a.code) <= (&b.place, b.code)));
    for _ in 0..5 {
        assert_eq!(problems_with(json!(rules), json!(tools)), first);
    }
}
