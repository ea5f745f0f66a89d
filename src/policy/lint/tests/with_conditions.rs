use serde_json::json;

use super::*;

#[test]
fn fields() {
    assert_eq!(found_in(json!([{"field": "amount", "op": "gt", "value": 1}])), ["[0].field unknown-field-root"]);
    assert_eq!(found_in(json!([{"field": "host", "op": "eq", "value": "x"}])), NOTHING);
    for (field, meant) in [
        ("amount", "args.amount"),
        ("arg.amount", "args.amount"),
        ("arguments.amount", "args.amount"),
        ("payment.amount", "args.payment.amount"),
        ("args.items[0].id", "args.items.0.id"),
        ("args.items[0]", "args.items.0"),
    ] {
        assert_eq!(suggestion(json!([{"field": field, "op": "gt", "value": 1}])).as_deref(), Some(meant));
    }
    assert_eq!(found_in(json!([condition("items.0.id", "gt", json!(1))])), NOTHING);
}

#[test]
fn operators() {
    assert_eq!(found_in(json!([condition("a", "like", json!("x"))])), ["[0].op unknown-operator"]);
    for (operator, meant) in
        [("like", "glob"), ("==", "eq"), ("startswith", "startsWith"), ("not_in", "notIn"), ("regexp", "regex")]
    {
        assert_eq!(suggestion(json!([condition("a", operator, json!("x"))])).as_deref(), Some(meant));
    }
    assert_eq!(suggestion(json!([condition("a", "between", json!([1, 2]))])), None);
}

#[test]
fn patterns() {
    for (pattern, code) in [
        ("(?=x)", Some("regex-not-portable")),
        ("a**", Some("regex-not-portable")),
        ("[z-a]", Some("regex-invalid")),
        ("a{3,2}", Some("regex-invalid")),
        ("a{30000}{30000}", Some("regex-not-portable")),
        ("(a{30000}){30000}", Some("regex-too-large")),
        ("[\\u0100-\\uffff]{9000}", Some("regex-too-large")),
        ("^a.*b$", None),
    ] {
        for operator in ["regex", "notRegex"] {
            let found = found_in(json!([condition("a", operator, json!(pattern))]));
            let expected: Vec<String> = code.iter().map(|code| format!("[0].value {code}")).collect();
            assert_eq!(found, expected, "{pattern}");
        }
    }
    let conditions = json!([condition("a", "regex", json!("ab(?=x)"))]);
    let problems = problems_of(json!({"agent": document(json!([statement(json!({"conditions": conditions}))]))}));
    assert_eq!(problems[0].details["position"], json!(3));
    assert_eq!(problems[0].to_json()["position"], json!(3));
}

#[test]
fn conditions_that_never_hold() {
    for (operator, value) in [
        ("gt", json!("100")),
        ("lte", json!(true)),
        ("gte", Value::Null),
        ("gt", crate::json::parse("1e400").unwrap()),
        ("in", json!([])),
        ("in", json!([[1], {}])),
        ("in", json!("a")),
        ("notIn", json!(5)),
        ("eq", json!({})),
        ("eq", json!([1])),
        ("glob", json!(7)),
        ("regex", json!(["a"])),
        ("notRegex", Value::Null),
        ("startsWith", json!(7)),
        ("exists", json!("true")),
        ("exists", json!(0)),
    ] {
        assert_eq!(
            found_in(json!([condition("a", operator, value.clone())])),
            ["[0].value never-holds"],
            "{operator} {value}"
        );
    }
    assert_eq!(found_in(json!([{"field": "args.a", "op": "eq"}])), ["[0] never-holds"]);
    for (operator, value) in [
        ("gt", json!(100)),
        ("gte", crate::json::parse("1e400").unwrap()),
        ("in", json!([[1], 2])),
        ("in", json!([null])),
        ("notIn", json!([1])),
        ("eq", Value::Null),
        ("eq", json!(false)),
        ("glob", json!("")),
        ("startsWith", json!("")),
        ("exists", Value::Null),
        ("exists", json!(false)),
    ] {
        assert_eq!(found_in(json!([condition("a", operator, value.clone())])), NOTHING, "{operator} {value}");
    }
    assert_eq!(suggestion(json!([condition("a", "gt", json!("100"))])).as_deref(), Some("100"));
    assert_eq!(suggestion(json!([condition("a", "in", json!("x"))])).as_deref(), Some("[\"x\"]"));
}

#[test]
fn conditions_that_only_ask_whether_the_field_is_there() {
    for (operator, value) in [("ne", json!([1])), ("notIn", json!([])), ("notIn", json!([{}]))] {
        assert_eq!(found_in(json!([condition("a", operator, value.clone())])), ["[0] holds-when-present"], "{value}");
    }
    for (operator, value) in [("ne", json!(1)), ("notIn", json!([null])), ("exists", json!(true))] {
        assert_eq!(found_in(json!([condition("a", operator, value.clone())])), NOTHING, "{value}");
    }
}

#[test]
fn conditions_that_contradict_each_other() {
    let c = condition;
    for (first, second) in [
        (c("a", "eq", json!(1)), c("a", "eq", json!(2))),
        (c("a", "eq", json!("x")), c("a", "eq", json!("y"))),
        (c("a", "eq", json!(1)), c("a", "ne", json!(1.0))),
        (c("a", "eq", json!(null)), c("a", "ne", json!(null))),
        (c("a", "eq", json!(true)), c("a", "eq", json!(false))),
        (c("a", "gt", json!(10)), c("a", "lt", json!(5))),
        (c("a", "gt", json!(5)), c("a", "lte", json!(5))),
        (c("a", "gt", json!(1)), c("a", "lt", json!(1.0000000000000002))),
        (c("a", "gte", json!(5)), c("a", "eq", json!(4))),
        (c("a", "in", json!([1, 2])), c("a", "gt", json!(2))),
        (c("a", "in", json!([1, 2])), c("a", "notIn", json!([2, 1, 3]))),
        (c("a", "in", json!(["x", 1])), c("a", "in", json!(["y", 2]))),
        (c("a", "gt", json!(1)), c("a", "startsWith", json!("x"))),
        (c("a", "exists", json!(false)), c("a", "eq", json!(1))),
        (c("a", "exists", json!(false)), c("a", "ne", json!(1))),
        (c("a", "exists", json!(false)), c("a", "exists", json!(true))),
        (c("a", "exists", json!(false)), c("a.b", "exists", json!(true))),
        (c("a", "eq", json!("x")), c("a.b", "eq", json!(1))),
        (c("a.b", "gt", json!(1)), c("a", "gt", json!(1))),
        (c("a", "startsWith", json!("ab")), c("a", "startsWith", json!("b"))),
        (c("a", "startsWith", json!("ab")), c("a", "glob", json!("b*"))),
        (c("a", "glob", json!("*.txt")), c("a", "glob", json!("*.csv"))),
        (c("a", "glob", json!("x")), c("a", "startsWith", json!("y"))),
        (c("a", "regex", json!("^a")), c("a", "notRegex", json!("^a"))),
        (c("a", "eq", json!("b")), c("a", "regex", json!("^a"))),
        (c("a", "regex", json!("^a")), c("a", "in", json!(["b", "c"]))),
    ] {
        assert_eq!(found_in(json!([first, second])), ["[1] contradictory-conditions"], "{first} {second}");
    }
    for (first, second) in [
        (c("a", "eq", json!(1)), c("b", "eq", json!(2))),
        (c("a", "gte", json!(5)), c("a", "lte", json!(5))),
        (c("a", "gt", json!(1)), c("a", "lt", json!(1.0000000000000004))),
        (c("a", "in", json!(["x", 1])), c("a", "in", json!(["y", 1]))),
        (c("a", "ne", json!(1)), c("a", "ne", json!("1"))),
        (c("a", "exists", json!(true)), c("a", "eq", json!(null))),
        (c("a", "exists", json!(true)), c("a.b", "exists", json!(false))),
        (c("a", "ne", json!("x")), c("a.b", "eq", json!(1))),
        (c("a", "exists", json!(false)), c("ab", "eq", json!(1))),
        (c("a.0", "eq", json!(1)), c("a.length", "eq", json!(1))),
        (c("a", "startsWith", json!("ab")), c("a", "startsWith", json!("a"))),
        (c("a", "glob", json!("a*b")), c("a", "startsWith", json!("ab"))),
        (c("a", "regex", json!("^a")), c("a", "notRegex", json!("b"))),
        (c("a", "eq", json!("ab")), c("a", "regex", json!("b"))),
        (c("a", "exists", json!(false)), c("a", "exists", json!(false))),
    ] {
        assert_eq!(found_in(json!([first, second])), NOTHING, "{first} {second}");
    }
}

#[test]
fn a_contradiction_names_the_other_condition() {
    let conditions = json!([
        condition("b", "gt", json!(1)),
        condition("a", "gt", json!(10)),
        condition("a", "ne", json!("x")),
        condition("a", "lt", json!(5)),
        condition("a", "lt", json!(4)),
    ]);
    let problems = problems_of(json!({"agent": document(json!([statement(json!({"conditions": conditions}))]))}));
    assert_eq!(lines(&problems), ["agent.statements[0].conditions[3] contradictory-conditions"]);
    assert_eq!(problems[0].details["with"], json!("agent.statements[0].conditions[1]"));
    // Each two of these go together.
    let conditions =
        json!([condition("a", "in", json!([1, 2])), condition("a", "ne", json!(1)), condition("a", "ne", json!(2))]);
    assert_eq!(found_in(conditions), ["[2] contradictory-conditions"]);
}
