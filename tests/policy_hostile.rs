//! Policies and arguments that are broken or made to hurt: they take bounded time and never allow.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use armoriq::policy::local::{BundleState, Ground, LocalCall, LocalDecision, decide};
use armoriq::policy::{Bundle, EvaluationError, Verdict, evaluate_json};
use serde_json::{Value, json};

/// Generous for a debug build on a busy machine; what these tests guard against would take hours.
const BOUND: Duration = Duration::from_secs(60);

fn statement(index: usize, tool: &str, effect: &str, conditions: Value) -> Value {
    json!({
        "id": format!("s{index}"), "subject": null, "conditions": conditions, "expiresAt": "never", "effect": effect,
        "match": {"tool": tool, "keyTier": "exact", "order": index},
        "provenance": {"ruleKey": tool, "variant": index, "source": "yaml"},
    })
}

fn document(default: &str, statements: Vec<Value>) -> Value {
    json!({
        "policyId": "p", "layer": "agent", "defaults": {"tools": default}, "expiresAt": "never",
        "statements": statements,
    })
}

fn evaluate(call: &Value, agent: &Value) -> Result<Value, EvaluationError> {
    let started = Instant::now();
    let result = evaluate_json(call, &json!({ "agent": agent }));
    assert!(started.elapsed() < BOUND, "took {:?}", started.elapsed());
    result
}

/// What a condition on the argument `v` decides: an allow where it holds, a block where it does not.
fn decide_by(operator: &str, pattern: &str, value: &str) -> Result<bool, EvaluationError> {
    let condition = json!([{"field": "args.v", "op": operator, "value": pattern}]);
    let call = json!({"tool": "t", "arguments": {"v": value}});
    let evaluation = evaluate(&call, &document("block", vec![statement(0, "t", "allow", condition)]))?;
    Ok(evaluation["verdict"] == "allow")
}

fn is_not_evaluable(result: &Result<bool, EvaluationError>) -> bool {
    matches!(result, Err(EvaluationError::NotEvaluable(_)))
}

#[test]
fn nested_quantifiers_are_linear() {
    let text = "a".repeat(50_000);
    for pattern in ["^(a*)*b$", "^(a+)+b$", "^(a|a)*b$", "^(a|aa)+b$", "^((a?)*)*b$", "(.*)(.*)(.*)(.*)(.*)b$"] {
        assert_eq!(decide_by("regex", pattern, &text), Ok(false), "{pattern}");
        assert_eq!(decide_by("regex", pattern, &format!("{text}b")), Ok(true), "{pattern}");
    }
}

#[test]
fn patterns_that_grow_without_bound_are_refused() {
    let long = "a".repeat(1 << 20);
    let groups = "(".repeat(100_000) + &")".repeat(100_000);
    let classes = "[^a]".repeat(100_000);
    for pattern in
        ["((a{1000}){1000}){1000}", "a{4294967295}", "a{0,4294967294}", "a{99999999999999999999}", "(){4294967294}"]
    {
        assert!(is_not_evaluable(&decide_by("regex", pattern, "a")), "{pattern}");
        assert!(is_not_evaluable(&decide_by("notRegex", pattern, "a")), "{pattern}");
    }
    for pattern in [long, groups, classes] {
        assert!(is_not_evaluable(&decide_by("regex", &pattern, "a")));
    }
}

#[test]
fn a_hundred_levels_of_groups_are_read() {
    let pattern = format!("^{}a{}$", "(?:".repeat(100), ")*".repeat(100));
    assert_eq!(decide_by("regex", &pattern, &"a".repeat(1000)), Ok(true));
    assert_eq!(decide_by("regex", &pattern, &("a".repeat(1000) + "b")), Ok(false));
}

#[test]
fn matching_that_costs_too_much_is_refused() {
    let text = "ab".repeat(1 << 20);
    assert!(is_not_evaluable(&decide_by("regex", "^(a|b)*a(a|b){5000}c$", &text)));
    assert!(is_not_evaluable(&decide_by("notRegex", "^(a|b)*a(a|b){5000}c$", &text)));
    assert!(is_not_evaluable(&decide_by("glob", &("*a".repeat(2000) + "*"), &text)));
    assert_eq!(decide_by("regex", "(ab)+$", &text), Ok(true), "a small pattern may read a large text");
}

#[test]
fn a_budget_is_shared_by_all_conditions_of_an_evaluation() {
    let pattern = "^(a|b)*a(a|b){50}c$";
    let text = "ab".repeat(50_000);
    let condition = json!([{"field": "args.v", "op": "regex", "value": pattern}]);
    let statements = (0..1000).map(|index| statement(index, "t", "hold", condition.clone())).collect();
    let call = json!({"tool": "t", "arguments": {"v": text}});
    let error = evaluate(&call, &document("allow", statements)).unwrap_err();
    assert_eq!(error.to_string(), "NotEvaluable: matching these arguments would take too long");
}

#[test]
fn a_budget_is_shared_by_all_tools_of_one_name() {
    let condition = json!([{"field": "args.v", "op": "regex", "value": "^(a|b)*a(a|b){50}c$"}]);
    let mut agent = agent("a", document("allow", vec![statement(0, "t", "hold", condition)]));
    agent["tools"] = vec![json!({"name": "t"}); 1000].into();
    let bundle = Bundle::compile(&json!({ "agents": [agent] })).unwrap();
    let arguments = json!({"v": "ab".repeat(50_000)});
    let call = LocalCall { tool: "t", arguments: &arguments, server: None, user_email: None };
    let decision = decide(BundleState::Current(&bundle), Some("a"), &call, 0);
    assert_eq!(decision.reason, "policy-not-evaluable: matching these arguments would take too long");
    assert_eq!(decision.action, Verdict::Block);
}

#[test]
fn many_tools_of_one_name_do_not_multiply_a_large_policy_without_bound() {
    let numbers: Vec<u32> = (0..1_000_000).collect();
    let listed = statement(0, "t", "allow", json!([{"field": "args.v", "op": "notIn", "value": numbers}]));
    let condition = json!([{"field": "args.v", "op": "eq", "value": 1}]);
    let many = |count| (0..count).map(|index| statement(index, "t", "allow", condition.clone())).collect::<Vec<_>>();
    let (usual, large, lists) = (many(100), many(10_000), vec![listed]);
    for (statements, tools, is_evaluable) in
        [(usual, 1_000, true), (large.clone(), 100, true), (large, 20_000, false), (lists, 20_000, false)]
    {
        let mut agent = agent("a", document("allow", statements));
        agent["tools"] = vec![json!({"name": "t"}); tools].into();
        let bundle = Bundle::compile(&json!({ "agents": [agent] })).unwrap();
        let arguments = json!({"v": -1});
        let call = LocalCall { tool: "t", arguments: &arguments, server: None, user_email: None };
        let started = Instant::now();
        let decision = decide(BundleState::Current(&bundle), Some("a"), &call, 0);
        assert!(started.elapsed() < BOUND, "took {:?}", started.elapsed());
        assert_eq!(decision.is_allowed(), is_evaluable, "{}", decision.reason);
        assert_eq!(decision.ground == Ground::NotEvaluable, !is_evaluable, "{}", decision.reason);
    }
}

#[test]
fn globs_of_many_wildcards_are_bounded() {
    let text = "a/".repeat(5_000);
    for pattern in ["**a".repeat(20), "*?**".repeat(20), "**/".repeat(20)] {
        assert_eq!(decide_by("glob", &format!("{pattern}x"), &text), Ok(false), "{pattern}");
        assert_eq!(decide_by("glob", &format!("{pattern}**"), &text), Ok(true), "{pattern}");
    }
}

#[test]
fn ten_thousand_statements_are_bounded() {
    let names = (0..10_000).map(|index| statement(index, &format!("tool_{index}"), "block", json!([])));
    let globs = (10_000..20_000).map(|index| statement(index, &format!("*{index}*x?"), "allow", json!([])));
    let agent = document("hold", names.chain(globs).collect());
    for (tool, verdict) in [("tool_9999", "block"), ("a12345bxc", "allow"), ("other", "hold")] {
        assert_eq!(evaluate(&json!({"tool": tool, "arguments": {}}), &agent).unwrap()["verdict"], verdict, "{tool}");
    }
}

#[test]
fn a_megabyte_of_tool_name_or_key_is_bounded() {
    let long = "x".repeat(1 << 20);
    let agent = document("block", vec![statement(0, &format!("*{long}*?"), "allow", json!([]))]);
    let result = evaluate(&json!({"tool": long, "arguments": {}}), &agent);
    assert!(matches!(result, Err(EvaluationError::NotEvaluable(_))));
    let agent = document("block", vec![statement(0, &long, "hold", json!([]))]);
    assert_eq!(evaluate(&json!({"tool": long, "arguments": {}}), &agent).unwrap()["verdict"], "hold");
}

#[test]
fn an_error_counts_only_where_it_is_reached() {
    for (operator, value) in
        [("like", json!(1)), ("regex", json!("(?=a)")), ("regex", json!("[z-a]")), ("notRegex", json!("("))]
    {
        let condition = |field: &str| json!([{"field": field, "op": operator, "value": value}]);
        let agent = |field: &str| document("block", vec![statement(0, "t", "allow", condition(field))]);
        let call = json!({"tool": "t", "arguments": {"s": "text"}});
        assert!(evaluate(&call, &agent("args.s")).is_err(), "{operator} {value}");
        assert_eq!(evaluate(&call, &agent("args.absent")).unwrap()["verdict"], "block", "{operator} {value}");
    }
}

/// Every member of a document that the evaluator reads, with values that are not of its kind.
#[test]
fn malformed_documents_are_refused() {
    let condition = json!([{"field": "args.n", "op": "gt", "value": 0, "schemaBinding": {"schemaHash": "h"}}]);
    let mut well_formed = statement(0, "t", "allow", condition);
    well_formed["subject"] = json!({"email": "a@b"});
    let good = document("allow", vec![well_formed]);
    let call = json!({"tool": "t", "arguments": {"n": 1}, "member": {"email": "a@b"}});
    assert_eq!(evaluate(&call, &good).unwrap()["provenance"]["layer"], "member");
    let numbers = [json!(true), json!([]), json!({}), json!("1"), json!(null)];
    let strings = [json!(true), json!([]), json!({}), json!(1), json!(null)];
    let objects = [json!(true), json!([1]), json!("x"), json!(1)];
    for (path, wrong) in [
        ("", &objects[..]),
        ("/policyId", &strings),
        ("/layer", &strings),
        ("/layer", &[json!("member"), json!("")]),
        ("/defaults", &objects),
        ("/defaults/tools", &strings),
        ("/defaults/tools", &[json!("Allow"), json!("deny")]),
        ("/statements", &objects[..1]),
        ("/statements", &objects[1..]),
        ("/statements/0", &objects),
        ("/statements/0/id", &strings),
        ("/statements/0/subject", &objects),
        ("/statements/0/subject/email", &strings[..4]),
        ("/statements/0/conditions", &objects[..1]),
        ("/statements/0/conditions", &objects[1..]),
        ("/statements/0/conditions/0", &objects),
        ("/statements/0/conditions/0/field", &strings),
        ("/statements/0/conditions/0/op", &strings),
        ("/statements/0/conditions/0/schemaBinding", &objects),
        ("/statements/0/conditions/0/schemaBinding/schemaHash", &strings[..4]),
        ("/statements/0/match", &objects),
        ("/statements/0/match/tool", &strings),
        ("/statements/0/match/order", &numbers),
        ("/statements/0/match/capability", &strings),
        ("/statements/0/effect", &strings),
        ("/statements/0/effect", &[json!("ALLOW"), json!("deny")]),
        ("/statements/0/provenance", &objects),
        ("/statements/0/provenance/ruleKey", &strings),
        ("/statements/0/provenance/variant", &numbers),
    ] {
        for value in wrong {
            let mut document = good.clone();
            match document.pointer_mut(path) {
                Some(member) => *member = value.clone(),
                None => document["statements"][0]["match"]["capability"] = value.clone(),
            }
            let result = evaluate(&call, &document);
            assert!(matches!(result, Err(EvaluationError::NotEvaluable(_))), "{path} = {value}: {result:?}");
        }
    }
}

#[test]
fn malformed_calls_are_refused() {
    let agent = document("allow", vec![]);
    for call in [
        json!(null),
        json!([]),
        json!({}),
        json!({"tool": 1}),
        json!({"tool": "t", "capabilities": "pay"}),
        json!({"tool": "t", "capabilities": [1]}),
        json!({"tool": "t", "member": "bob"}),
        json!({"tool": "t", "member": {"email": 1}}),
        json!({"tool": "t", "member": {"groups": "g"}}),
        json!({"tool": "t", "member": {"groups": [1]}}),
        json!({"tool": "t", "member": {"product": []}}),
    ] {
        assert!(matches!(evaluate(&call, &agent), Err(EvaluationError::NotEvaluable(_))), "{call}");
    }
}

#[test]
fn what_is_bound_must_be_a_known_document() {
    let call = json!({"tool": "t"});
    assert_eq!(evaluate_json(&call, &json!({})), Err(EvaluationError::NoDocument));
    assert_eq!(evaluate_json(&call, &json!({"agent": null})), Err(EvaluationError::NoDocument));
    for documents in [json!([]), json!({"agent": {}}), json!({"floors": document("block", vec![])})] {
        assert!(matches!(evaluate_json(&call, &documents), Err(EvaluationError::NotEvaluable(_))), "{documents}");
    }
}

fn agent(name: &str, document: Value) -> Value {
    json!({"agentId": format!("id-{name}"), "name": name, "policy": {"policyId": "P", "name": "N", "document": document}})
}

fn decide_for<'a>(bundle: &'a Bundle, agent: &str, email: Option<&'a str>) -> LocalDecision<'a> {
    const NO_ARGUMENTS: &Value = &Value::Null;
    let call = LocalCall { tool: "t", arguments: NO_ARGUMENTS, server: None, user_email: email };
    decide(BundleState::Current(bundle), Some(agent), &call, 0)
}

#[test]
fn a_bad_document_blocks_its_own_agent_only() {
    let good = || document("allow", vec![]);
    let mut bad_tools = agent("bad-tools", good());
    bad_tools["tools"] = json!([{"name": "t", "capabilities": "pay"}]);
    let mut bad_members = agent("bad-members", good());
    bad_members["members"] = json!("everybody");
    let bad_effect = document("allow", vec![statement(0, "t", "permit", json!([]))]);
    let agents = [
        agent("bad", json!({"policyId": 5})),
        agent("empty", json!({})),
        agent("good", good()),
        bad_tools,
        bad_members,
        agent("bad-effect", bad_effect),
    ];
    let bundle = Bundle::compile(&json!({ "agents": agents })).unwrap();
    let good = decide_for(&bundle, "good", None);
    assert_eq!((good.ground, good.action, &*good.reason), (Ground::Policy, Verdict::Allow, "allow:tools.default"));
    for name in ["bad", "id-bad", "empty", "bad-tools", "bad-members", "bad-effect"] {
        let decision = decide_for(&bundle, name, None);
        assert_eq!((decision.ground, decision.action), (Ground::NotEvaluable, Verdict::Block), "{name}");
        assert!(decision.reason.starts_with("policy-not-evaluable: "), "{}", decision.reason);
        assert_eq!((decision.matched_policy, decision.policy_id), (None, None));
    }
    let problems: Vec<&str> = bundle.problems().map(|(name, _)| name).collect();
    assert_eq!(problems, ["bad", "empty", "bad-tools", "bad-members", "bad-effect"]);
}

#[test]
fn the_first_agent_with_an_id_or_name_is_meant() {
    let named = |name: &str, id: &str, default: &str| {
        let mut agent = agent(name, document(default, vec![]));
        agent["agentId"] = json!(id);
        agent
    };
    let agents = [named("b", "a", "hold"), named("a", "b", "allow"), named("c", "c", "allow")];
    let bundle = Bundle::compile(&json!({ "agents": agents })).unwrap();
    for (id, action) in [("a", Verdict::Hold), ("b", Verdict::Hold), ("c", Verdict::Allow)] {
        assert_eq!(decide_for(&bundle, id, None).action, action, "{id}");
    }
    assert_eq!(decide_for(&bundle, "d", None).reason, "agent_unresolved: no registered agent matches 'd'");
}

#[test]
fn a_member_is_found_by_the_lower_case_email() {
    let mut overlay = statement(0, "t", "allow", json!([]));
    overlay["subject"] = json!({"membershipId": "m1"});
    let mut agent = agent("a", document("block", vec![overlay]));
    agent["members"] = json!([
        {"email": "bob@x.com", "membershipId": "m1"}, {"email": "bob@x.com", "membershipId": "m2"},
        {"email": "Caps@x.com", "membershipId": "m1"}, {"email": "broken@x.com"},
    ]);
    let bundle = Bundle::compile(&json!({ "agents": [agent] })).unwrap();
    let allowed = |email| decide_for(&bundle, "a", Some(email)).is_allowed();
    assert!(allowed("bob@x.com") && allowed(" BOB@X.com "));
    assert!(!allowed("Caps@x.com") && !allowed("caps@x.com") && !allowed("") && !allowed("eve@x.com"));
    assert_eq!(decide_for(&bundle, "a", Some("broken@x.com")).ground, Ground::NotEvaluable);
}

#[test]
fn an_answer_without_agents_is_no_bundle() {
    for answer in
        [json!(null), json!([]), json!({}), json!({"agents": {}}), json!({"agents": [null]}), json!({"agents": ["a"]})]
    {
        assert!(Bundle::compile(&answer).is_err(), "{answer}");
    }
    let empty = Bundle::compile(&json!({"agents": []})).unwrap();
    assert_eq!(decide_for(&empty, "a", None).ground, Ground::AgentUnresolved);
}
