//! Random policies and calls. Few different names, fields and values, so that they meet.

use std::str::FromStr;

use serde_json::{Map, Number, Value, json};

use super::random::Random;

pub const TOOLS: &[&str] =
    &["pay", "pay_all", "pay_vendor", "read", "files/read", "files/a/b", "é", "😀x", "pay\nx", "pay_*", "p", ""];
const PATTERNS: &[&str] = &[
    "*", "**", "***", "pay_*", "*_vendor", "*_all", "p?y", "p??_*", "files/*", "files/**", "**/b", "?", "*a*a*",
    "p*y*", "😀*", "??x", "?x", "*\n*", "pay**", "*/*",
];
const CAPABILITIES: &[&str] = &["pay", "read", "write", ""];
const FIELDS: &[&str] = &[
    "args",
    "args.a",
    "args.a.k",
    "args.a.k.z",
    "args.l",
    "args.l.0",
    "args.l.1",
    "args.l.00",
    "args.l.length",
    "args.l.length.x",
    "args.l.0.k",
    "args.s",
    "args.s.length",
    "args.s.0",
    "args.n",
    "args.",
    "args.a.",
    "args.length",
    "args.__proto__",
    "d",
    "d.k",
    "d.l.length",
    "",
    ".a",
    "arg.a",
    "args.é",
];
const KEYS: &[&str] = &["a", "l", "s", "n", "k", "z", "", "length", "0", "é", "__proto__"];
const TEXTS: &[&str] = &[
    "",
    "a",
    "ab",
    "abc",
    "A",
    "5",
    "é",
    "😀",
    "😀x",
    "\u{ffff}",
    "a/b",
    "a\nb",
    "a\u{2028}",
    " ",
    "_",
    "pay",
    "true",
];
const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "0.0",
    "1",
    "5",
    "5.0",
    "5e0",
    "-5",
    "0.1",
    "0.10000000000000000555",
    "9007199254740992",
    "9007199254740993",
    "1e400",
    "-1e400",
    "1E-400",
    "123456789012345678901234567890",
    "4.9",
];
const OPERATORS: &[&str] =
    &["eq", "ne", "gt", "gte", "lt", "lte", "in", "notIn", "exists", "glob", "regex", "notRegex", "startsWith"];
const REGEXES: &[&str] = &[
    "",
    "a",
    "^a",
    "b$",
    "^(a|b)*$",
    "a.b",
    ".",
    "^.$",
    "^..$",
    "\\bpay\\b",
    "\\B",
    "[^a]",
    "[a-c]+",
    "\\d{1,2}",
    "\\w+x",
    "(?:a*)*b",
    "\\ud83d",
    "^\\s$",
    "(?=a)",
    "[z-a]",
    "a{3,1}",
    "[a-",
    "a**",
    "x{99999999999}",
    "\\p{L}",
    "^$",
];
const TIMES: &[&str] = &[
    "never",
    "2026-09-18T12:00:00.000Z",
    "2026-09-18T12:00:00.001Z",
    "2026-09-18",
    "2027",
    "2020-01-01T00:00:00Z",
    "2026-09-18T14:00:00+02:00",
    "2026-13-01",
    "+275760-09-13",
    "-000001-01-01",
    "Never",
    "tomorrow",
    "",
];
const NOW: &str = "2026-09-18T12:00:00.000Z";
const HASHES: &[&str] = &["sha256:aa", "sha256:bb"];
const EMAILS: &[&str] = &["alice@x.io", "Alice@X.io", "BOB@x.io", "bob@x.io", "İ@x.io", ""];
const NAMES: &[&str] = &["m1", "m2", "g1", "g2"];
pub const VERDICTS: &[&str] = &["allow", "hold", "block"];

/// The few tools and keys that one block of cases is about.
pub struct Words {
    tools: Vec<&'static str>,
    keys: Vec<&'static str>,
}

impl Words {
    pub fn new(random: &mut Random, tools: usize, patterns: usize) -> Self {
        let tools: Vec<_> = (0..tools).map(|_| random.pick(TOOLS)).collect();
        let mut keys = tools.clone();
        keys.extend((0..patterns).map(|_| random.pick(PATTERNS)));
        keys.push(random.pick(&["*", "**"]));
        Self { tools, keys }
    }

    pub fn tool(&self, random: &mut Random) -> &'static str {
        random.pick(&self.tools)
    }
}

/// What a run of cases is to be made of.
#[derive(Clone, Copy)]
pub struct Shape {
    /// One in so many statements has something that no policy should have: an unknown operator, a time that is none.
    pub one_odd_in: usize,
    /// One in so many regular conditions is a regular expression, which are slow to compile.
    pub one_regex_in: usize,
}

pub fn number(text: &str) -> Value {
    Value::Number(Number::from_str(text).unwrap())
}

pub fn scalar(random: &mut Random) -> Value {
    match random.below(8) {
        0 => Value::Null,
        1 => Value::Bool(random.one_in(2)),
        2..5 => number(random.pick(NUMBERS)),
        _ => random.pick(TEXTS).into(),
    }
}

pub fn value(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 6 } else { 8 }) {
        6 => Value::Array(random.list(2, |random| value(random, depth - 1))),
        7 => Value::Object(members(random, depth - 1)),
        _ => scalar(random),
    }
}

fn members(random: &mut Random, depth: usize) -> Map<String, Value> {
    random.list(3, |random| (random.pick(KEYS).to_owned(), value(random, depth))).into_iter().collect()
}

/// Arguments that conditions can find something in.
pub fn arguments(random: &mut Random) -> Value {
    let mut arguments = members(random, 2);
    if !random.one_in(3) {
        arguments.insert("a".into(), value(random, 2));
        arguments.insert("s".into(), random.pick(TEXTS).into());
        arguments.insert("n".into(), number(random.pick(NUMBERS)));
        arguments.insert("l".into(), Value::Array(random.list(3, |random| value(random, 1))));
    }
    Value::Object(arguments)
}

pub fn call(random: &mut Random, words: &Words) -> Value {
    let mut call = json!({"tool": words.tool(random), "timestamp": NOW});
    match random.below(12) {
        0 => {}
        1 => call["arguments"] = value(random, 2),
        _ => call["arguments"] = arguments(random),
    }
    match random.below(20) {
        0 => call["timestamp"] = random.pick(TIMES).into(),
        1 => call["timestamp"] = Value::Null,
        _ => {}
    }
    match random.below(4) {
        0 => {}
        1 => call["schemaHash"] = Value::Null,
        _ => call["schemaHash"] = random.pick(HASHES).into(),
    }
    if !random.one_in(3) {
        call["capabilities"] = json!(random.list(2, |random| random.pick(CAPABILITIES)));
    }
    if !random.one_in(3) {
        call["member"] = member(random);
    }
    if random.one_in(3) {
        call["derived"] = json!({"d": value(random, 2), "": value(random, 1)});
    }
    call
}

fn member(random: &mut Random) -> Value {
    let mut member = json!({});
    if random.one_in(2) {
        member["membershipId"] = name(random);
    }
    if !random.one_in(3) {
        member["email"] = random.pick(EMAILS).into();
    }
    if random.one_in(2) {
        member["groups"] = Value::Array(random.list(2, name));
    }
    if random.one_in(2) {
        member["product"] = name(random);
    }
    member
}

fn name(random: &mut Random) -> Value {
    if random.one_in(12) { Value::Null } else { random.pick(NAMES).into() }
}

pub fn documents(random: &mut Random, words: &Words, shape: Shape) -> Value {
    let mut bound = Map::new();
    for (layer, one_in) in [("floor", 3), ("agent", 1), ("group", 3)] {
        if random.one_in(one_in) && !random.one_in(20) {
            bound.insert(layer.into(), document(random, layer, words, shape));
        }
    }
    Value::Object(bound)
}

pub fn document(random: &mut Random, layer: &str, words: &Words, shape: Shape) -> Value {
    let layer = if random.one_in(30) { random.pick(&["floor", "agent", "group"]) } else { layer };
    let mut document = json!({
        "policyId": format!("p-{layer}"),
        "layer": layer,
        "defaults": {"tools": random.pick(VERDICTS)},
        "expiresAt": "never",
        "statements": [],
    });
    if random.one_in(20) {
        document["expiresAt"] = expiry(random, shape);
    }
    let subjects = random.list(2, subject);
    let statements = random.list(7, |random| statement(random, &subjects, words, shape));
    for (index, mut statement) in statements.into_iter().enumerate() {
        statement["id"] = format!("st-{index}").into();
        document["statements"].as_array_mut().unwrap().push(statement);
    }
    document
}

fn expiry(random: &mut Random, shape: Shape) -> Value {
    if random.one_in(shape.one_odd_in) {
        return if random.one_in(2) { random.pick(TIMES).into() } else { scalar(random) };
    }
    random.pick(&TIMES[..10]).into()
}

fn subject(random: &mut Random) -> Value {
    match random.below(5) {
        0 => json!({"membershipId": name(random)}),
        1 => json!({"email": random.pick(EMAILS)}),
        2 => json!({"group": name(random)}),
        3 => json!({"product": name(random)}),
        _ => json!({"group": random.pick(NAMES), "email": random.pick(EMAILS)}),
    }
}

pub fn statement(random: &mut Random, subjects: &[Value], words: &Words, shape: Shape) -> Value {
    let has_subject = !subjects.is_empty() && random.one_in(2);
    let subject = if has_subject { subjects[random.below(subjects.len())].clone() } else { Value::Null };
    let about_tool = !random.one_in(4);
    let key = random.pick(&words.keys);
    let most_conditions = random.below(3);
    let order = if random.one_in(8) { number(random.pick(NUMBERS)) } else { Value::from(random.below(4)) };
    let mut applies_to = json!({});
    if about_tool {
        applies_to = json!({"tool": key, "order": order});
    }
    if !about_tool || random.one_in(20) {
        applies_to["capability"] = random.pick(CAPABILITIES).into();
    }
    let mut statement = json!({
        "id": "",
        "subject": subject,
        "conditions": random.list(most_conditions, |random| condition(random, shape)),
        "expiresAt": if random.one_in(8) { expiry(random, shape) } else { "never".into() },
        "provenance": {"ruleKey": key, "variant": random.below(3)},
        "match": applies_to,
        "effect": random.pick(VERDICTS),
    });
    if random.one_in(4) {
        statement["approval"] = value(random, 1);
    }
    statement
}

pub fn condition(random: &mut Random, shape: Shape) -> Value {
    let operator = match random.pick(OPERATORS) {
        "regex" | "notRegex" if !random.one_in(shape.one_regex_in) => "exists",
        operator => operator,
    };
    let value = match operator {
        _ if random.one_in(8) => value(random, 1),
        "in" | "notIn" => Value::Array(random.list(4, |random| value(random, 1))),
        "gt" | "gte" | "lt" | "lte" => number(random.pick(NUMBERS)),
        "exists" => Value::Bool(random.one_in(2)),
        "glob" => random.pick(PATTERNS).into(),
        "regex" | "notRegex" => random.pick(REGEXES).into(),
        "startsWith" => random.pick(TEXTS).into(),
        _ => scalar(random),
    };
    let mut condition = json!({"field": random.pick(FIELDS), "op": operator, "value": value});
    if random.one_in(shape.one_odd_in) {
        condition["op"] = random.pick(&["like", "EQ", ""]).into();
    }
    if random.one_in(10) {
        condition.as_object_mut().unwrap().shift_remove("value");
    }
    match random.below(12) {
        0 => condition["schemaBinding"] = json!({"schemaHash": null}),
        1..6 => condition["schemaBinding"] = json!({"schemaHash": random.pick(HASHES)}),
        _ => {}
    }
    condition
}

/// Puts something at a random place that does not belong there, or takes something away.
pub fn damage(random: &mut Random, value: &mut Value) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            let place = random.below(members.len());
            let key = members.keys().nth(place).unwrap().clone();
            match random.below(8) {
                0 => drop(members.shift_remove(&key)),
                1 => drop(members.insert(key, junk(random))),
                _ => damage(random, &mut members[&key]),
            }
        }
        Value::Array(items) if !items.is_empty() && !random.one_in(6) => {
            let place = random.below(items.len());
            damage(random, &mut items[place]);
        }
        _ => *value = junk(random),
    }
}

fn junk(random: &mut Random) -> Value {
    match random.below(4) {
        0 => json!([]),
        1 => json!({}),
        _ => scalar(random),
    }
}
