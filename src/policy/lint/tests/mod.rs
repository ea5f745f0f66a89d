mod generated;
mod with_conditions;
mod with_tools;

use serde_json::{Value, json};

use super::*;
use crate::policy::time::epoch_ms;
use crate::policy::{Bound, Call, Document, evaluate};

/// A statement about a tool, with what is different about it.
fn statement(changes: Value) -> Value {
    let mut statement = json!({
        "id": "s", "subject": null, "conditions": [], "expiresAt": "never", "effect": "hold",
        "match": {"tool": "pay", "keyTier": "exact", "order": 0},
        "provenance": {"ruleKey": "pay", "variant": 0, "source": "yaml"},
    });
    merge(&mut statement, changes);
    statement
}

/// Puts members in; a member that is to be left out is `"-"`.
fn merge(target: &mut Value, changes: Value) {
    let (Value::Object(target), Value::Object(changes)) = (target, changes) else { panic!("not objects") };
    for (key, value) in changes {
        if value == "-" {
            target.remove(&key);
        } else {
            target.insert(key, value);
        }
    }
}

fn document(statements: Value) -> Value {
    json!({
        "schemaVersion": "armor.policy.v2", "policyId": "p", "target": {"agent": "a"}, "layer": "agent",
        "defaults": {"tools": "block"}, "capture": {}, "expiresAt": "never", "statements": statements,
    })
}

fn now() -> i64 {
    epoch_ms("2026-06-01T00:00:00Z").unwrap().unwrap()
}

fn problems_of(documents: Value) -> Vec<Problem> {
    check(documents.as_object().unwrap(), None, now())
}

/// What is found in an agent's document with these statements, as `path code`.
fn found(statements: Value) -> Vec<String> {
    lines(&problems_of(json!({"agent": document(statements)})))
}

fn lines(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(|problem| format!("{} {}", problem.place, problem.code)).collect()
}

/// What is found in a document whose one statement has these conditions, without the path of the statement.
fn found_in(conditions: Value) -> Vec<String> {
    let found = found(json!([statement(json!({"conditions": conditions}))]));
    found.iter().map(|line| line.replace("agent.statements[0].conditions", "")).collect()
}

fn condition(field: &str, operator: &str, value: Value) -> Value {
    json!({"field": format!("args.{field}"), "op": operator, "value": value})
}

/// The suggestion of the only problem with a statement's conditions.
fn suggestion(conditions: Value) -> Option<String> {
    let problems = problems_of(json!({"agent": document(json!([statement(json!({"conditions": conditions}))]))}));
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.into_iter().next().unwrap().suggestion
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_good_policy_has_no_problems() {
    let statements = json!([
        statement(json!({"id": "a", "conditions": [condition("amount", "gt", json!(100))]})),
        statement(json!({"id": "b", "effect": "allow", "conditions": [condition("amount", "lte", json!(100))],
            "match": {"tool": "pay", "keyTier": "exact", "order": 1}})),
        statement(json!({"id": "c", "match": {"tool": "fetch_*", "keyTier": "glob", "order": 0}, "effect": "allow"})),
        statement(json!({"id": "d", "match": {"capability": "export"}, "subject": {"email": "a@b.co"},
            "expiresAt": "2026-06-01T00:00:00.001Z"})),
    ]);
    assert_eq!(found(statements), NOTHING);
}

#[test]
fn documents_that_are_not_there_or_not_known() {
    assert_eq!(lines(&problems_of(json!({}))), [" no-document"]);
    assert_eq!(lines(&problems_of(json!({"agent": null}))), [" no-document"]);
    let problems = problems_of(json!({"agnet": {}}));
    assert_eq!(lines(&problems), [" no-document", "agnet unknown-document"]);
    assert_eq!(problems[1].suggestion.as_deref(), Some("agent"));
}

#[test]
fn everything_malformed_is_named() {
    let mut bad = document(json!([
        7,
        {},
        statement(
            json!({"id": 1, "effect": "deny", "subject": "bob", "provenance": {"variant": "0"}, "match": {"tool": 1, "capability": []},
            "conditions": ["x", {"field": 1}, {"field": "args.a", "op": "eq", "value": 1, "schemaBinding": {"schemaHash": 3}}]})
        ),
        statement(json!({"match": {"tool": "x"}, "conditions": {}, "subject": {"email": 4, "group": null}})),
    ]));
    merge(&mut bad, json!({"layer": "agents", "policyId": null}));
    let problems = problems_of(json!({"agent": bad, "group": [], "floor": "x"}));
    assert!(problems.iter().all(|problem| problem.severity == Severity::Error), "{problems:#?}");
    let malformed: Vec<String> = lines(&problems).into_iter().filter(|line| line.contains("malformed")).collect();
    assert_eq!(
        malformed,
        [
            "agent.layer malformed-document",
            "agent.policyId malformed-document",
            "agent.statements[0] malformed-statement",
            "agent.statements[1].effect malformed-statement",
            "agent.statements[1].id malformed-statement",
            "agent.statements[1].match malformed-statement",
            "agent.statements[1].provenance malformed-statement",
            "agent.statements[2].conditions[0] malformed-condition",
            "agent.statements[2].conditions[1].field malformed-condition",
            "agent.statements[2].conditions[1].op malformed-condition",
            "agent.statements[2].conditions[2].schemaBinding.schemaHash malformed-condition",
            "agent.statements[2].effect malformed-statement",
            "agent.statements[2].id malformed-statement",
            "agent.statements[2].match.capability malformed-statement",
            "agent.statements[2].match.tool malformed-statement",
            "agent.statements[2].provenance.ruleKey malformed-statement",
            "agent.statements[2].provenance.variant malformed-statement",
            "agent.statements[2].subject malformed-statement",
            "agent.statements[3].conditions malformed-statement",
            "agent.statements[3].match.order malformed-statement",
            "agent.statements[3].subject.email malformed-statement",
            "floor malformed-document",
            "group malformed-document",
        ]
    );
    let id = problems.iter().find(|problem| problem.place.to_string() == "agent.statements[2].effect").unwrap();
    assert_eq!(id.message, "expected allow, hold or block, found `deny`");
}

#[test]
fn statements_are_ordered_by_number() {
    let statements: Vec<Value> = (0..11).map(|_| json!(1)).collect();
    let found = found(json!(statements));
    assert_eq!(found[2], "agent.statements[2] malformed-statement");
    assert_eq!(found[10], "agent.statements[10] malformed-statement");
}

#[test]
fn defaults() {
    let with = |default: Value| {
        let mut document = document(json!([statement(json!({}))]));
        merge(&mut document, json!({ "defaults": default }));
        document
    };
    let found = |default| lines(&problems_of(json!({"agent": with(default)})));
    assert_eq!(found(json!({"tools": "hold"})), NOTHING);
    assert_eq!(found(json!({"tools": "allow"})), ["agent.defaults.tools default-allow"]);
    assert_eq!(found(json!({"network": "block"})), ["agent.defaults.tools missing-default"]);
    assert_eq!(found(json!("-")), ["agent.defaults.tools missing-default"]);
    assert_eq!(found(json!({"tools": "deny"})), ["agent.defaults.tools malformed-document"]);
    // The floor's default is not looked at beside an agent's.
    let mut floor = with(json!({"tools": "allow"}));
    merge(&mut floor, json!({"layer": "floor"}));
    assert_eq!(lines(&problems_of(json!({"agent": with(json!({"tools": "block"})), "floor": floor}))), NOTHING);
    assert_eq!(lines(&problems_of(json!({ "floor": floor }))), ["floor.defaults.tools default-allow"]);
}

#[test]
fn documents_that_are_empty_or_elsewhere() {
    assert_eq!(found(json!([])), ["agent.statements empty-document"]);
    assert_eq!(
        lines(&problems_of(json!({"group": document(json!([statement(json!({}))]))}))),
        ["group.layer layer-mismatch"]
    );
    let mut old = document(json!([statement(json!({}))]));
    merge(&mut old, json!({"schemaVersion": "armor.policy.v1"}));
    assert_eq!(lines(&problems_of(json!({ "agent": old }))), ["agent.schemaVersion schema-version"]);
    merge(&mut old, json!({"schemaVersion": "-"}));
    assert_eq!(lines(&problems_of(json!({ "agent": old }))), NOTHING);
}

#[test]
fn members_that_are_misspelt() {
    let mut misspelt = statement(json!({"conditions": "-"}));
    merge(&mut misspelt, json!({"condition": [], "note": "x", "expires_at": "never"}));
    assert_eq!(found(json!([misspelt])), ["agent.statements[0].condition unknown-member"]);
    let no_tool = statement(json!({"match": {"tol": "pay", "order": 0}}));
    assert_eq!(found(json!([no_tool])), ["agent.statements[0].match.tol unknown-member"]);
    assert_eq!(found_in(json!([{"field": "args.a", "op": "exists", "valeu": false}])), ["[0].valeu unknown-member"]);
    assert_eq!(found_in(json!([{"field": "args.a", "op": "exists", "note": false}])), NOTHING);
}

#[test]
fn statements_about_nothing_or_nobody() {
    assert_eq!(found(json!([statement(json!({"match": {}}))])), ["agent.statements[0].match matches-nothing"]);
    let with_subject = |subject: Value| found(json!([statement(json!({ "subject": subject }))]));
    assert_eq!(with_subject(json!({"mail": "a@b.co"})), ["agent.statements[0].subject unknown-subject"]);
    assert_eq!(with_subject(json!({"email": "a@b.co"})), NOTHING);
}

#[test]
fn expiries() {
    let with = |expiry: Value| found(json!([statement(json!({ "expiresAt": expiry }))]));
    assert_eq!(with(json!("2026-05-31")), ["agent.statements[0].expiresAt expired"]);
    assert_eq!(with(json!("2026-06-01T00:00:00Z")), ["agent.statements[0].expiresAt expired"]);
    assert_eq!(with(json!("2026-06-01T00:00:00.001Z")), NOTHING);
    assert_eq!(with(json!("next Tuesday")), ["agent.statements[0].expiresAt unparsable-expiry"]);
    assert_eq!(with(json!("2027-13-01")), ["agent.statements[0].expiresAt impossible-expiry"]);
    assert_eq!(with(json!("-")), ["agent.statements[0].expiresAt missing-expiry"]);
    assert_eq!(with(json!(null)), ["agent.statements[0].expiresAt missing-expiry"]);
    assert_eq!(with(json!("2027-01-01T00:00")), ["agent.statements[0].expiresAt expiry-without-zone"]);
    assert_eq!(with(json!("2027-01-01T00:00-01:00")), NOTHING);
    assert_eq!(with(json!("2027-01-01")), NOTHING);

    let mut expired = document(json!([
        statement(json!({"expiresAt": "2020-01-01"})),
        statement(json!({"id": "t", "expiresAt": "soon", "match": {"tool": "x", "order": 0}})),
    ]));
    merge(&mut expired, json!({"expiresAt": "2026-01-01"}));
    let found = lines(&problems_of(json!({ "agent": expired })));
    assert_eq!(found, ["agent.expiresAt expired", "agent.statements[1].expiresAt unparsable-expiry"]);
}

/// Two variants of one key.
fn variants(first: Value, second: Value) -> Value {
    let mut second = statement(second);
    merge(&mut second, json!({"id": "t"}));
    if second["match"]["order"] == 0 {
        second["match"]["order"] = json!(1);
    }
    json!([statement(first), second])
}

#[test]
fn statements_that_are_never_reached() {
    let unreachable = ["agent.statements[1] unreachable"];
    let c = |operator: &str, value: Value| json!({"conditions": [condition("a", operator, value)]});
    assert_eq!(found(variants(json!({}), json!({}))), unreachable);
    for (first, second) in [
        (c("gt", json!(100)), c("gt", json!(500))),
        (c("gte", json!(100)), c("gt", json!(100))),
        (c("lt", json!(5)), c("eq", json!(4))),
        (c("exists", json!(true)), c("ne", json!(null))),
        (c("in", json!([1, "x"])), c("eq", json!("x"))),
        (c("ne", json!(5)), c("startsWith", json!("x"))),
        (c("notIn", json!([5, 6])), c("gt", json!(6))),
        (c("startsWith", json!("a")), c("startsWith", json!("ab"))),
        (c("startsWith", json!("a")), c("glob", json!("ab*"))),
        (c("regex", json!("^a")), c("regex", json!("^a"))),
        (c("exists", json!(false)), c("exists", json!(false))),
    ] {
        assert_eq!(found(variants(first.clone(), second.clone())), unreachable, "{first} {second}");
    }
    for (first, second) in [
        (c("gt", json!(500)), c("gt", json!(100))),
        (c("gt", json!(100)), json!({})),
        (c("ne", json!(5)), c("exists", json!(true))),
        (c("regex", json!("^a")), c("notRegex", json!("^a"))),
        (c("regex", json!("^a")), c("startsWith", json!("a"))),
        (json!({"expiresAt": "2027-01-01"}), json!({})),
        (json!({"expiresAt": "2027-01-01"}), json!({"expiresAt": "2027-01-02"})),
        (json!({"subject": {"email": "a@b.co"}}), json!({})),
        (json!({"match": {"tool": "pa*", "order": 0}}), json!({})),
    ] {
        assert_eq!(found(variants(first.clone(), second.clone())), NOTHING, "{first} {second}");
    }
    let expiring = variants(json!({"expiresAt": "2027-01-02"}), json!({"expiresAt": "2027-01-01"}));
    assert_eq!(found(expiring), unreachable);
}

#[test]
fn the_order_decides_which_is_reached() {
    let mut statements = variants(json!({}), json!({"match": {"tool": "pay", "order": -1}}));
    statements[1]["effect"] = json!("block");
    let problems = problems_of(json!({"agent": document(statements)}));
    assert_eq!(lines(&problems), ["agent.statements[0] unreachable"]);
    assert_eq!(problems[0].details["by"], json!("agent.statements[1]"));
    assert!(problems[0].message.ends_with("has no conditions; calls get block, never hold"), "{}", problems[0].message);
}

#[test]
fn what_is_about_a_capability_too_may_be_reached_by_that() {
    let second = json!({"id": "t", "match": {"tool": "pay", "order": 1, "capability": "x"}});
    assert_eq!(found(json!([statement(json!({})), statement(second)])), NOTHING);
}

#[test]
fn capabilities_of_which_a_stricter_rule_always_holds() {
    let rule = |id: &str, effect: &str, conditions: Value| {
        statement(json!({"id": id, "effect": effect, "match": {"capability": "x"}, "conditions": conditions}))
    };
    let when = |bound: i32| json!([condition("a", "gt", json!(bound))]);
    let overruled = ["agent.statements[0] unreachable"];
    assert_eq!(found(json!([rule("a", "hold", when(5)), rule("b", "block", json!([]))])), overruled);
    assert_eq!(found(json!([rule("a", "hold", when(5)), rule("b", "hold", when(1))])), overruled);
    assert_eq!(
        found(json!([rule("b", "block", when(1)), rule("a", "hold", when(5))])),
        ["agent.statements[1] unreachable"]
    );
    assert_eq!(found(json!([rule("a", "hold", when(1)), rule("b", "block", when(5))])), NOTHING);
    assert_eq!(found(json!([rule("a", "block", when(5)), rule("b", "hold", json!([]))])), NOTHING);
    let other = statement(json!({"id": "b", "effect": "block", "match": {"capability": "y"}}));
    assert_eq!(found(json!([rule("a", "hold", when(5)), other])), NOTHING);
    let tool =
        statement(json!({"id": "a", "match": {"capability": "x", "tool": "pay", "order": 0}, "conditions": when(5)}));
    assert_eq!(found(json!([tool, rule("b", "block", json!([]))])), NOTHING);
}

#[test]
fn names_that_do_not_fall_back_to_a_pattern() {
    let with = |conditions: Value, pattern: &str, subject: Value| {
        let pattern = json!({"id": "t", "match": {"tool": pattern, "order": 0}, "subject": subject});
        found(json!([statement(json!({ "conditions": conditions })), statement(pattern)]))
    };
    let conditions = json!([condition("a", "gt", json!(1))]);
    assert_eq!(with(conditions.clone(), "pa*", Value::Null), ["agent.statements[0].match.tool no-fallback"]);
    assert_eq!(with(json!([]), "pa*", Value::Null), NOTHING);
    assert_eq!(with(conditions.clone(), "send*", Value::Null), NOTHING);
    assert_eq!(with(conditions, "pa*", json!({"email": "a@b.co"})), NOTHING);
}

#[test]
fn orders_that_are_tied() {
    let tied = |effect: &str| {
        let conditions = |value: i32| json!([condition("a", "eq", json!(value))]);
        let first = statement(json!({"conditions": conditions(1), "match": {"tool": "pay", "order": 0.0}}));
        let second =
            json!({"id": "t", "conditions": conditions(2), "effect": effect, "match": {"tool": "pay", "order": 0}});
        problems_of(json!({"agent": document(json!([first, statement(second)]))}))
    };
    assert_eq!(lines(&tied("hold")), ["agent.statements[1].match.order order-tie"]);
    assert_eq!(tied("hold")[0].severity, Severity::Hint);
    assert_eq!(tied("allow")[0].severity, Severity::Warning);
    let apart = json!([statement(json!({})), statement(json!({"id": "t", "match": {"tool": "send", "order": 0}}))]);
    assert_eq!(found(apart), NOTHING);
}

#[test]
fn subjects_that_are_written_in_two_ways() {
    let two = |first: &str, second: &str, expiry: &str| {
        let first = statement(json!({"subject": {"email": first}, "expiresAt": expiry}));
        let second = json!({"id": "t", "subject": {"email": second}, "match": {"tool": "send", "order": 0}});
        found(json!([first, statement(second)]))
    };
    assert_eq!(two("A@b.co", "a@b.co", "never"), ["agent.statements[1].subject subject-never-chosen"]);
    assert_eq!(two("a@b.co", "a@b.co", "never"), NOTHING);
    assert_eq!(two("A@b.co", "a@b.co", "2027-01-01"), NOTHING);
    assert_eq!(two("a@b.co", "b@b.co", "never"), NOTHING);
    let mut floor = document(json!([statement(json!({"subject": {"email": "a@b.co"}}))]));
    merge(&mut floor, json!({"layer": "floor"}));
    assert_eq!(lines(&problems_of(json!({ "floor": floor }))), ["floor.statements[0].subject subject-in-floor"]);
}

#[test]
fn ids() {
    let two = |first: &str, second: &str| {
        let second = json!({"id": second, "match": {"tool": "send", "order": 0}});
        found(json!([statement(json!({ "id": first })), statement(second)]))
    };
    assert_eq!(two("a", "a"), ["agent.statements[1].id duplicate-id"]);
    assert_eq!(two("", "a"), ["agent.statements[0].id empty-id"]);
    assert_eq!(two("a", "b"), NOTHING);
}

#[test]
fn keys() {
    let with = |key: &str, tier: &str| {
        let tool = json!({"tool": key, "keyTier": tier, "order": 0});
        let problems = problems_of(json!({"agent": document(json!([statement(json!({ "match": tool }))]))}));
        assert!(problems.iter().all(|problem| problem.place.to_string() == "agent.statements[0].match.tool"));
        let found = problems.iter().map(|problem| (problem.code, problem.suggestion.clone().unwrap_or_default()));
        found.map(|(code, suggestion)| format!("{code} {suggestion}").trim().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(with("fetch_*", "exact"), ["wildcard-in-exact-key"]);
    assert_eq!(with("fetch", "glob"), ["glob-without-wildcard"]);
    assert_eq!(with("data-mcp__fetch", "exact"), ["qualified-key fetch"]);
    assert_eq!(with("mcp__data-mcp__fetch_*", "glob"), ["qualified-key fetch_*"]);
    assert_eq!(with("^fetch_.*$", "glob"), ["key-looks-like-regex fetch_*"]);
    assert_eq!(with("fetch|send", "exact"), ["key-looks-like-regex"]);
    assert_eq!(with("fetch ", "exact"), ["blank-in-key fetch"]);
    for (key, tier) in [("fetch_*", "glob"), ("fetch", "exact"), ("a.b/c-d", "exact"), ("fetch__", "exact")] {
        assert_eq!(with(key, tier), NOTHING, "{key}");
    }
}
