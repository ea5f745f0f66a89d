//! Documents that nobody wrote.

use super::*;
use crate::random::Random;

impl Random {
    fn scalar(&mut self) -> Value {
        self.pick(&[
            json!(0),
            json!(1),
            json!(1.5),
            json!(2),
            json!(-1),
            json!(""),
            json!("a"),
            json!("ab"),
            json!("b"),
            json!("a/b"),
            json!(true),
            json!(false),
            Value::Null,
        ])
    }

    fn value(&mut self) -> Value {
        match self.below(8) {
            0 => (0..self.below(3)).map(|_| self.scalar()).collect(),
            1 => json!({ "b": self.scalar() }),
            2 => json!({ "0": self.scalar(), "length": self.scalar() }),
            _ => self.scalar(),
        }
    }

    fn condition(&mut self) -> Value {
        let field = self.pick(&["args.a", "args.a", "args.a.b", "args.a.0", "args.a.length", "args"]);
        let operator = self.pick(&conditions::OPERATORS);
        let value = match operator {
            "in" | "notIn" if self.below(8) > 0 => (0..self.below(4)).map(|_| self.scalar()).collect(),
            "exists" if self.below(4) > 0 => json!(self.below(2) == 0),
            "glob" | "regex" | "notRegex" | "startsWith" if self.below(8) > 0 => {
                json!(self.pick(&["", "a", "a*", "*b", "?", "**", "ab", "a+b", "b"]))
            }
            _ => self.value(),
        };
        if self.below(12) == 0 {
            json!({"field": field, "op": operator})
        } else {
            json!({"field": field, "op": operator, "value": value})
        }
    }
}

/// Nothing is called impossible or unreachable that some call reaches.
#[test]
fn what_is_said_never_to_apply_never_applies() {
    let seed = 0x5eed_u64;
    println!("seed {seed:#x}");
    let mut random = Random(seed);
    let (mut condemned, mut applied) = (0, 0);
    for _ in 0..4000 {
        let statements: Vec<Value> = (0..3)
            .map(|order| {
                let conditions: Vec<Value> = (0..random.below(4)).map(|_| random.condition()).collect();
                let about = random.pick(&[
                    json!({"tool": "pay", "order": order}),
                    json!({"tool": "pay", "order": -order}),
                    json!({"tool": "pay", "order": order, "capability": "x"}),
                    json!({"capability": "x"}),
                ]);
                let effect = random.pick(&["allow", "hold", "block"]);
                statement(
                    json!({"id": format!("s{order}"), "conditions": conditions, "match": about, "effect": effect}),
                )
            })
            .collect();
        let documents = json!({"agent": document(json!(statements))});
        let problems = problems_of(documents.clone());
        let dead: Vec<bool> = (0..3)
            .map(|index| {
                let statement = format!("agent.statements[{index}]");
                problems.iter().any(|problem| {
                    let is_fatal = ["never-holds", "contradictory-conditions", "unreachable"].contains(&problem.code);
                    is_fatal && problem.place.to_string().starts_with(&statement)
                })
            })
            .collect();
        condemned += dead.iter().filter(|dead| **dead).count();
        let compiled = Document::compile(&documents["agent"]).unwrap();
        let bound = Bound { agent: Some(&compiled), ..Bound::default() };
        for _ in 0..25 {
            let arguments = match random.below(10) {
                0 => json!({}),
                _ => json!({ "a": random.value() }),
            };
            let capabilities = random.pick(&[json!([]), json!(["x"])]);
            let call = json!({"tool": "pay", "arguments": arguments, "timestamp": "2026-07-01T00:00:00Z", "capabilities": capabilities});
            let Ok(evaluation) = evaluate(&Call::from_json(&call).unwrap(), &bound) else { continue };
            if let Some(rule) = evaluation.provenance.rule {
                let id = rule.statement_id;
                let index: usize = id.trim_start_matches('s').parse().unwrap();
                applied += 1;
                assert!(!dead[index], "{call} reaches {id} of {documents}\n{problems:#?}");
            }
        }
    }
    assert!(condemned > 1000 && applied > 10_000, "{condemned} {applied}");
}

/// A document that cannot be compiled has a malformed part by name, and no other document has.
#[test]
fn malformed_is_what_does_not_compile() {
    let whole = document(json!([statement(
        json!({"subject": {"email": "a@b.co"}, "conditions": [{"field": "args.a", "op": "eq", "value": 1, "schemaBinding": {"schemaHash": "x"}}]})
    )]));
    let mut paths = Vec::new();
    collect(&whole, String::new(), &mut paths);
    let (mut good, mut bad) = (0, 0);
    for path in &paths {
        for replacement in ["null", "1", "\"x\"", "[]", "{}", "true", "-"] {
            let mut changed = whole.clone();
            if replacement == "-" {
                let Some((parent, key)) = path.rsplit_once('/') else { continue };
                let Some(parent) = changed.pointer_mut(parent).and_then(Value::as_object_mut) else { continue };
                parent.remove(key);
            } else {
                *changed.pointer_mut(path).unwrap() = crate::json::parse(replacement).unwrap();
            }
            let compiles = Document::compile(&changed).is_ok();
            let problems = problems_of(json!({ "agent": changed }));
            if changed.is_null() {
                continue;
            }
            let is_malformed =
                problems.iter().any(|it| it.code.starts_with("malformed") || it.code == "missing-default");
            assert_eq!(is_malformed, !compiles, "{path} = {replacement}: {problems:#?}");
            *(if compiles { &mut good } else { &mut bad }) += 1;
        }
    }
    assert!(good > 50 && bad > 50, "{good} {bad}");
}

fn collect(value: &Value, path: String, paths: &mut Vec<String>) {
    let members: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (key, value) in members {
        collect(value, format!("{path}/{key}"), paths);
    }
    paths.push(path);
}

#[test]
fn a_hostile_policy_is_checked_in_bounded_time() {
    let conditions: Vec<Value> = (0..2000).map(|n| condition("a", "startsWith", json!(format!("a{n}")))).collect();
    let variants: Vec<Value> = (0..3000)
        .map(|n| {
            let conditions = json!([condition("a", "eq", json!(n)), condition("b", "regex", json!("(\\w{100}){100}"))]);
            statement(json!({"id": format!("s{n}"), "conditions": conditions, "match": {"tool": "pay", "order": n}}))
        })
        .chain([statement(json!({"id": "many", "conditions": conditions, "match": {"tool": "x", "order": 0}}))])
        .collect();
    let start = std::time::Instant::now();
    let problems = problems_of(json!({"agent": document(json!(variants))}));
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
    assert!(lines(&problems).iter().any(|line| line.ends_with("contradictory-conditions")), "{problems:#?}");
}
