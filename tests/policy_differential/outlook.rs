//! What is proven about a tool, against the plain evaluator on arguments that are made to refute it.

use std::thread;

use armoriq::policy::{Bundle, Outlook, Outlooks, Verdict};
use serde_json::{Map, Value, json};

use super::cases::{self, Shape, Words};
use super::plain::read::{Bound, Call};
use super::plain::{self, local};
use super::random::{Random, seed};

const SHAPE: Shape = Shape { one_odd_in: 40, one_regex_in: 4 };
const NOW_MS: i64 = 1_789_732_800_000;
const NOW: &str = "2026-09-18T12:00:00.000Z";
const SERVERS: &[&str] = &["s", "t"];
const EMAILS: &[&str] = &["alice@x.io", "bob@x.io", ""];
/// Few, so that conditions are about the same argument, or one inside another. In some policies each has its own.
const FIELDS: &[&str] = &["args.a", "args.a", "args.a.k", "args.n", "args.s", "args.l.0", "args.l", "args", "d.k"];

/// An agent of a bundle, with the conditions of its policy.
struct Policy {
    agent: Value,
    conditions: Vec<Value>,
    bound: Value,
}

impl Policy {
    fn new(random: &mut Random, words: &Words) -> Self {
        let mut document = cases::document(random, "agent", words, SHAPE);
        let mut conditions: Vec<Value> = Vec::new();
        let are_apart = random.one_in(3);
        for statement in document["statements"].as_array_mut().unwrap() {
            let of_statement = statement["conditions"].as_array_mut().unwrap();
            of_statement.extend(random.list(2, |random| cases::condition(random, SHAPE)));
            for condition in of_statement {
                let own = ["args.f", &conditions.len().to_string(), random.pick(&["", ".k"])].concat();
                condition["field"] = if are_apart { own } else { random.pick(FIELDS).to_owned() }.into();
                conditions.push(condition.clone());
            }
        }
        let tools = random.list(4, |random| {
            let mut tool = json!({"name": words.tool(random), "capabilities": []});
            if random.one_in(2) {
                tool["capabilities"] = json!(random.list(2, |random| random.pick(&["pay", "read"])));
            }
            if !random.one_in(4) {
                tool["server"] = random.pick(SERVERS).into();
            }
            tool
        });
        let members =
            random.list(2, |random| json!({"email": random.pick(EMAILS), "membershipId": random.pick(&["m1", "m2"])}));
        let bound = json!({"agent": document});
        let agent = json!({
            "agentId": "a", "tools": tools, "members": members,
            "policy": {"policyId": "p", "name": "P", "document": document},
        });
        Self { agent, conditions, bound }
    }
}

/// Arguments out of what the conditions speak of, and what is near to it.
fn arguments(random: &mut Random, conditions: &[Value]) -> Value {
    let mut arguments = Map::new();
    let mut fields: Vec<&str> = conditions.iter().filter_map(|condition| condition["field"].as_str()).collect();
    fields.sort_unstable();
    fields.dedup();
    for field in fields {
        let about_it: Vec<&Value> = conditions.iter().filter(|condition| condition["field"] == field).collect();
        let path: Vec<&str> = field.split('.').collect();
        if path[0] == "args" && path.len() > 1 && !random.one_in(4) {
            let condition = random.pick(&about_it);
            let value = value_near(random, condition);
            put(random, &mut arguments, &path[1..], value);
        }
    }
    Value::Object(arguments)
}

fn value_near(random: &mut Random, condition: &Value) -> Value {
    let constant = match &condition["value"] {
        Value::Array(items) if !items.is_empty() => items[random.below(items.len())].clone(),
        constant => constant.clone(),
    };
    match (random.below(6), &constant) {
        (0, _) => cases::value(random, 1),
        (1 | 2, Value::Number(number)) => {
            let number = plain::double(number);
            let near = random.pick(&[number + 0.5, number - 0.5, number.next_up(), number.next_down()]);
            if near.is_finite() && !random.one_in(4) {
                json!(near)
            } else {
                cases::number(random.pick(&["1e400", "-1e400"]))
            }
        }
        (1 | 2, Value::String(text)) => {
            let text = text.replace(['*', '^', '$', '?'], "");
            json!([text.as_str(), random.pick(&["", "x", "/", "\n"])].concat())
        }
        _ => constant,
    }
}

fn put(random: &mut Random, members: &mut Map<String, Value>, path: &[&str], value: Value) {
    let [key, rest @ ..] = path else { return };
    if rest.is_empty() {
        members.insert((*key).to_owned(), value);
        return;
    }
    if rest == ["0"] && random.one_in(2) {
        members.insert((*key).to_owned(), json!([value]));
        return;
    }
    let inner = members.entry(*key).or_insert_with(|| json!({}));
    if !inner.is_object() && random.one_in(2) {
        *inner = json!({});
    }
    if let Value::Object(inner) = inner {
        put(random, inner, rest, value);
    }
}

/// How many proofs of each kind were looked at, and how many calls.
#[derive(Debug, Default)]
struct Seen {
    always: u64,
    hold: u64,
    never: u64,
    depends: u64,
    /// Of those that depend, the ones that were seen to be allowed and refused.
    confirmed: u64,
    calls: u64,
}

/// A question about a tool, and the ways to call it that the answer is about.
struct Question<'p> {
    policy: &'p Policy,
    bound: &'p Bound<'p>,
    outlook: Outlook<'p>,
    /// For each server that the tool may be on, what is evaluated.
    calls: Vec<Vec<Call<'p>>>,
    /// How often a call was allowed, held, blocked.
    outcomes: [u64; 3],
}

const CALLS: usize = 60;
const CALLS_FOR_A_HOLD: usize = 5_000;

impl Question<'_> {
    /// Makes one call, with an outcome that the outlook must have foreseen.
    fn call(&mut self, random: &mut Random, arguments: &Value) {
        let calls = random.below(self.calls.len());
        let outcome = local::strictest_of(&self.calls[calls], self.bound, arguments);
        let is_foreseen = match &self.outlook {
            Outlook::Always => outcome == Ok(0),
            Outlook::Hold => outcome != Ok(0),
            Outlook::Never => outcome != Ok(0) && outcome != Ok(1),
            Outlook::Depends(_) => true,
        };
        let Self { policy, outlook, .. } = &*self;
        let tool = self.calls[0][0].tool;
        assert!(is_foreseen, "{tool:?}: {outlook:?}, but {outcome:?}\n{arguments}\n{}", policy.agent);
        self.outcomes[outcome.unwrap_or(2)] += 1;
    }

    /// Calls until a call is held: the outlook says that there is one.
    fn find_a_hold(&mut self, random: &mut Random) {
        let mut left = CALLS_FOR_A_HOLD;
        while self.outcomes[1] == 0 {
            assert!(left > 0, "{:?}: no call is held\n{}", self.calls[0][0].tool, self.policy.agent);
            left -= 1;
            let arguments = arguments(random, &self.policy.conditions);
            self.call(random, &arguments);
        }
    }

    fn count(&self, seen: &mut Seen) {
        let [allowed, held, blocked] = self.outcomes;
        seen.calls += allowed + held + blocked;
        match self.outlook {
            Outlook::Always => seen.always += 1,
            Outlook::Hold => seen.hold += 1,
            Outlook::Never => seen.never += 1,
            Outlook::Depends(_) => {
                seen.depends += 1;
                seen.confirmed += u64::from(allowed > 0 && held + blocked > 0);
            }
        }
    }
}

fn read_all(calls: &[Value]) -> Vec<Call<'_>> {
    calls.iter().map(|call| Call::read(call).unwrap()).collect()
}

fn refute_policy(seed: u64, case: u64, seen: &mut Seen) {
    let mut random = Random::of_case(seed, case);
    let random = &mut random;
    let words = Words::new(random, 2, 1);
    let policy = Policy::new(random, &words);
    let bundle = Bundle::compile(&json!({"agents": [policy.agent]})).unwrap();
    let email = random.pick(EMAILS);
    let mut outlooks = Outlooks::new(&bundle, "a", Some(email), NOW_MS, Verdict::Allow).unwrap();
    let asked: Vec<_> = (0..4)
        .map(|_| (words.tool(random), if random.one_in(2) { None } else { Some(random.pick(SERVERS)) }))
        .collect();
    let calls_of = |tool: &str, server: Option<&str>| {
        let servers = if server.is_some() { vec![server] } else { vec![None, Some("s"), Some("t")] };
        let call = |server| json!({"tool": tool, "mcp_server": server, "user_email": email});
        servers.into_iter().map(|server| local::calls(&policy.agent, &call(server), NOW)).collect()
    };
    let calls: Vec<Vec<Vec<Value>>> = asked.iter().map(|(tool, server)| calls_of(tool, *server)).collect();
    let bound = Bound::read(&policy.bound).unwrap();
    let mut questions = Vec::new();
    for ((tool, server), calls) in asked.iter().zip(&calls) {
        questions.push(Question {
            policy: &policy,
            bound: &bound,
            outlook: outlooks.of(tool, *server),
            calls: calls.iter().map(|calls| read_all(calls)).collect(),
            outcomes: [0; 3],
        });
    }
    for _ in 0..CALLS {
        let arguments = arguments(random, &policy.conditions);
        for question in &mut questions {
            question.call(random, &arguments);
        }
    }
    for question in &mut questions {
        if question.outlook == Outlook::Hold {
            question.find_a_hold(random);
        }
        question.count(seen);
    }
}

#[test]
fn proofs_hold_for_every_call() {
    const CALLS: u64 = 1_000_000;
    const THREADS: u64 = 2;
    let seed = seed("proofs_hold_for_every_call");
    let run = |thread: u64| {
        let mut seen = Seen::default();
        let mut case = thread;
        while seen.calls < CALLS / THREADS {
            refute_policy(seed, case, &mut seen);
            case += THREADS;
        }
        println!("{seen:?}");
        let Seen { always, hold, never, depends, confirmed, .. } = seen;
        assert!(always.min(hold).min(never).min(depends) > 100, "hardly met");
        assert!(confirmed * 2 > depends, "what could be proven is not");
    };
    thread::scope(|scope| (0..THREADS).for_each(|thread| drop(scope.spawn(move || run(thread)))));
}
