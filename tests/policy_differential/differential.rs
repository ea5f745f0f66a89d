//! The engine and the plain evaluator on the same random input.

use armoriq::policy::{Bound, Call, Document, evaluate, evaluate_json};
use serde_json::{Value, json};

use super::cases::{self, Shape, Words};
use super::plain::{self, Refusal};
use super::random::{Random, seed};

const SHAPE: Shape = Shape { one_odd_in: 60, one_regex_in: 6 };

type Outcome = Result<Value, Refusal>;

fn outcomes(call: &Value, documents: &Value) -> (Outcome, Outcome) {
    (evaluate_json(call, documents).map_err(Refusal::of), plain::evaluate(call, documents))
}

/// Fails with the smallest input that still shows the difference.
fn compare(case: u64, call: &Value, documents: &Value) -> Outcome {
    let (fast, slow) = outcomes(call, documents);
    if fast != slow {
        let (call, documents) = shrink(call.clone(), documents.clone());
        let (fast, slow) = outcomes(&call, &documents);
        panic!("case {case}\ncall      {call}\ndocuments {documents}\nengine    {fast:?}\nplain     {slow:?}");
    }
    fast
}

fn shrink(mut call: Value, mut documents: Value) -> (Value, Value) {
    let differs = |call: &Value, documents: &Value| {
        let (fast, slow) = outcomes(call, documents);
        fast != slow
    };
    loop {
        if let Some(smaller) = smaller(&documents).into_iter().find(|smaller| differs(&call, smaller)) {
            documents = smaller;
        } else if let Some(smaller) = smaller(&call).into_iter().find(|smaller| differs(smaller, &documents)) {
            call = smaller;
        } else {
            return (call, documents);
        }
    }
}

/// The value with one of its parts left out, in each way.
fn smaller(value: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                let mut without = members.clone();
                without.shift_remove(key);
                all.push(Value::Object(without));
                all.extend(smaller(member).into_iter().map(|member| {
                    let mut with = members.clone();
                    with[key] = member;
                    Value::Object(with)
                }));
            }
        }
        Value::Array(items) => {
            for place in 0..items.len() {
                let mut without = items.clone();
                without.remove(place);
                all.push(Value::Array(without));
                all.extend(smaller(&items[place]).into_iter().map(|item| {
                    let mut with = items.clone();
                    with[place] = item;
                    Value::Array(with)
                }));
            }
        }
        _ => {}
    }
    all
}

/// Which outcomes a run met, so that a run that always meets the same one is seen to be worth nothing.
#[derive(Debug, Default)]
struct Met {
    by_rule: u64,
    by_default: u64,
    by_member: u64,
    by_floor: u64,
    with_obligations: u64,
    refused: u64,
}

impl Met {
    fn count(&mut self, outcome: &Outcome) {
        let Ok(evaluation) = outcome else {
            self.refused += 1;
            return;
        };
        let provenance = &evaluation["provenance"];
        let is_default = provenance["statementId"].is_null();
        self.by_rule += u64::from(!is_default);
        self.by_default += u64::from(is_default);
        self.by_member += u64::from(provenance["layer"] == "member");
        self.by_floor += u64::from(provenance["layer"] == "floor");
        self.with_obligations += u64::from(evaluation["obligations"] != json!([]));
    }

    fn check(&self, cases: u64) {
        println!("{cases} cases: {self:?}");
        let Self { by_rule, by_default, by_member, by_floor, with_obligations, refused } = *self;
        for met in [by_rule, by_default, by_member, by_floor, with_obligations, refused] {
            assert!(met * 500 > cases, "hardly met: {self:?}");
        }
    }
}

/// Every call of a block with every policy of it.
#[test]
fn whole_evaluations() {
    const BLOCKS: u64 = 840;
    const POLICIES: usize = 15;
    const CALLS: usize = 16;
    let seed = seed("whole_evaluations");
    let mut met = Met::default();
    for block in 0..BLOCKS {
        let mut random = Random::of_case(seed, block);
        let words = Words::new(&mut random, 3, 4);
        let calls: Vec<Value> = (0..CALLS).map(|_| cases::call(&mut random, &words)).collect();
        let read = |call| (Call::from_json(call).unwrap(), plain::read::Call::read(call).unwrap());
        let read_calls: Vec<_> = calls.iter().map(read).collect();
        for _ in 0..POLICIES {
            let documents = cases::documents(&mut random, &words, SHAPE);
            met.count(&compare(block, &calls[0], &documents));
            // The others with documents that are compiled once, as a program has them.
            let compiled = |kind: &str| documents.get(kind).map(|document| Document::compile(document).unwrap());
            let (floor, agent, group) = (compiled("floor"), compiled("agent"), compiled("group"));
            let bound = Bound { floor: floor.as_ref(), agent: agent.as_ref(), group: group.as_ref() };
            let plain_bound = plain::read::Bound::read(&documents).unwrap();
            for (call, (read, plain_read)) in calls.iter().zip(&read_calls).skip(1) {
                let fast = evaluate(read, &bound).map(|it| it.to_json()).map_err(Refusal::of);
                let slow = plain::decide(plain_read, &plain_bound).map(plain::Evaluation::into_json);
                if fast != slow {
                    compare(block, call, &documents).ok();
                    panic!("case {block} differs only for compiled documents\ncall {call}\ndocuments {documents}");
                }
                met.count(&fast);
            }
        }
    }
    met.check(BLOCKS * (POLICIES * CALLS) as u64);
}

#[test]
fn malformed_input() {
    const CASES: u64 = 10_000;
    let seed = seed("malformed_input");
    for case in 0..CASES {
        let mut random = Random::of_case(seed, case);
        let words = Words::new(&mut random, 3, 4);
        let mut documents = cases::documents(&mut random, &words, SHAPE);
        let mut call = cases::call(&mut random, &words);
        for _ in 0..=random.below(2) {
            let damaged = if random.one_in(4) { &mut call } else { &mut documents };
            cases::damage(&mut random, damaged);
        }
        compare(case, &call, &documents).ok();
    }
}

/// A document whose only statement allows the tool under one condition.
fn only_if(condition: Value) -> Value {
    json!({"agent": {
        "policyId": "p", "layer": "agent", "defaults": {"tools": "block"}, "expiresAt": "never",
        "statements": [{
            "id": "s", "conditions": [condition], "expiresAt": "never", "effect": "allow",
            "match": {"tool": "t", "order": 0}, "provenance": {"ruleKey": "t", "variant": 0},
        }],
    }})
}

fn text(random: &mut Random, most: usize, parts: &[&str]) -> String {
    random.list(most, |random| random.pick(parts)).concat()
}

/// Compares a condition on random texts; says how often it held and how often it was refused.
fn compare_conditions(name: &str, operator: &str, patterns: u64, pattern: &[&str], value: &[&str]) -> (u64, u64) {
    const VALUES: u64 = 6;
    let seed = seed(name);
    let (mut held, mut refused) = (0, 0);
    for case in 0..patterns {
        let mut random = Random::of_case(seed, case);
        let condition = json!({"field": "args.v", "op": operator, "value": text(&mut random, 7, pattern)});
        let documents = only_if(condition);
        for _ in 0..VALUES {
            let call = json!({"tool": "t", "arguments": {"v": text(&mut random, 7, value)}});
            let outcome = compare(case, &call, &documents);
            held += u64::from(outcome.as_ref().is_ok_and(|it| it["verdict"] == "allow"));
            refused += u64::from(outcome.is_err());
        }
    }
    println!("{name}: {} cases, {held} held, {refused} refused", patterns * VALUES);
    (held, refused)
}

#[test]
fn globs() {
    let pattern = ["*", "**", "?", "a", "b", "/", "\n", "😀", "\u{2028}", "."];
    let value = ["a", "b", "/", "\n", "😀", "\u{2028}", "é", "."];
    let (held, refused) = compare_conditions("globs", "glob", 5_000, &pattern, &value);
    assert!(held > 500 && refused == 0);
}

#[test]
fn regexes() {
    let pattern = [
        "a", "b", "a", "1", "_", " ", ".", "*", "+", "?", "|", "(", "(?:", ")", ")", "[", "[^", "]", "]", "-", "^",
        "$", "\\b", "\\B", "\\d", "\\w", "\\s", "\\W", "\\S", "\\n", "\\-", "{2}", "{1,}", "{0,2}", "{2,1}", "\\x61",
        "\\u2028", "😀", "\\ud83d", "\\ude00", "a-b", "z-a", "é", "\\", "{", "(a|b)", "[ab]", "[^a]*", "(?=", "\\1",
    ];
    let value = ["a", "b", "1", "_", " ", "\n", "\u{2028}", "😀", "😁", "é", "-", "]"];
    let (held, refused) = compare_conditions("regexes", "regex", 5_000, &pattern, &value);
    assert!(held > 1_000 && refused > 1_000);
    let (held, refused) = compare_conditions("regexes", "notRegex", 1_000, &pattern, &value);
    assert!(held > 100 && refused > 250);
}

#[test]
fn times() {
    const CASES: u64 = 20_000;
    const GOOD_YEARS: &[&str] = &["2026", "2024", "+002026", "1969", "0000", "-000001", "+275760"];
    const GOOD_DATES: &[&str] = &["", "-01", "-12", "-02-29", "-02-31", "-09-13", "-03-01", "-01-31"];
    const GOOD_CLOCKS: &[&str] = &[
        "",
        "T00:00Z",
        "T12:30+00:00",
        "T23:59:59Z",
        "T24:00:00.000Z",
        "T12:00:00.9999Z",
        "T12:00:00.1-23:59",
        "T12:00+14:00",
    ];
    const YEARS: &[&str] = &["2026", "0000", "-000000", "-000001", "+275760", "-271821", "26", "+2026", "+0002026"];
    const DATES: &[&str] = &["", "-13", "-00", "-02-32", "-09-13", "-04-20", "-01-00", "-1", "-", "-01-1"];
    // No time without a zone, but where it is refused whatever the machine's zone.
    const CLOCKS: &[&str] = &[
        "T24:00:00.001Z",
        "T24:01Z",
        "T25:00Z",
        "T12:60Z",
        "T12:00:60Z",
        "T12:00:00.Z",
        "T12Z",
        "t12:00Z",
        "T12:00z",
        "T",
        "T12:00+24:00",
        "T12:00-00:60",
        "T12:00+1:00",
        "T12:00ZZ",
        "T12:00 Z",
        "Z",
        " ",
        "T00:00Z",
        "T\u{661}2:00Z",
    ];
    let seed = seed("times");
    let (mut live, mut refused) = (0, 0);
    for case in 0..CASES {
        let mut random = Random::of_case(seed, case);
        let time = |random: &mut Random| {
            // Half of the times are of the right form, so that the others meet one that is.
            let parts: [&[&str]; 3] =
                if random.one_in(2) { [YEARS, DATES, CLOCKS] } else { [GOOD_YEARS, GOOD_DATES, GOOD_CLOCKS] };
            parts.map(|part| random.pick(part)).concat()
        };
        let mut documents = only_if(json!({"field": "args.v", "op": "exists"}));
        documents["agent"]["statements"][0]["expiresAt"] = time(&mut random).into();
        let call = json!({"tool": "t", "arguments": {"v": 1}, "timestamp": time(&mut random)});
        let outcome = compare(case, &call, &documents);
        live += u64::from(outcome.as_ref().is_ok_and(|it| it["verdict"] == "allow"));
        refused += u64::from(outcome.is_err());
    }
    println!("times: {CASES} cases, {live} live, {refused} refused");
    assert!(live > CASES / 20 && refused > CASES / 20);
}
