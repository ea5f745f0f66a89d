//! Decisions in local mode, from one agent of a bundle.

use serde_json::{Value, json};

use super::read::{Bound, Call};
use super::{Refusal, decide as evaluate, rank};

/// The verdict on a call of the agent's, `None` where its policy gives no answer.
///
/// `call` has the tool, its arguments, and optionally `mcp_server` and `user_email`.
pub fn decide(agent: &Value, call: &Value, timestamp: &str) -> Option<&'static str> {
    let policy = match agent.get("policy") {
        Some(policy) if !is_falsy(policy) => policy,
        _ => return Some(if agent.get("inactive").is_some_and(|it| !is_falsy(it)) { "block" } else { "allow" }),
    };
    let bound = json!({"agent": policy["document"]});
    let calls = calls(agent, call, timestamp);
    let strictest = || {
        let bound = Bound::read(&bound)?;
        let calls = calls.iter().map(Call::read).collect::<Result<Vec<_>, _>>()?;
        strictest_of(&calls, &bound, &call["arguments"])
    };
    strictest().ok().map(|rank| ["allow", "hold", "block"][rank])
}

/// The calls that are evaluated for one call, without its arguments: one for each tool that its name may mean.
pub fn calls(agent: &Value, call: &Value, timestamp: &str) -> Vec<Value> {
    let tool = text(call, "tool").unwrap();
    let mut evaluated = json!({"tool": tool, "timestamp": timestamp, "schemaHash": null, "capabilities": []});
    if let Some(email) = text(call, "user_email").filter(|email| !email.is_empty()) {
        evaluated["member"] = member(agent, email);
    }
    let of_candidate = |candidate: &Value| {
        let mut evaluated = evaluated.clone();
        for member in ["schemaHash", "capabilities"] {
            if let Some(value) = candidate.get(member).filter(|value| !value.is_null()) {
                evaluated[member] = value.clone();
            }
        }
        evaluated
    };
    let candidates = candidates(agent, tool, text(call, "mcp_server"));
    if candidates.is_empty() { vec![evaluated] } else { candidates.into_iter().map(of_candidate).collect() }
}

/// The rank of the strictest verdict on the calls with these arguments.
pub fn strictest_of(calls: &[Call<'_>], bound: &Bound<'_>, arguments: &Value) -> Result<usize, Refusal> {
    let mut strictest = 0;
    for call in calls {
        let call = Call { arguments: Some(arguments), ..call.clone() };
        strictest = strictest.max(rank(evaluate(&call, bound)?.verdict()));
    }
    Ok(strictest)
}

/// The bundle's tools that the name may mean: those of the server where it has any, else all of that name.
fn candidates<'a>(agent: &'a Value, tool: &str, server: Option<&str>) -> Vec<&'a Value> {
    let tools = agent.get("tools").and_then(Value::as_array).into_iter().flatten();
    let is_named = |entry: &&Value| text(entry, "name") == Some(tool) || text(entry, "qualifiedName") == Some(tool);
    let named: Vec<&Value> = tools.filter(is_named).collect();
    let on_server: Vec<&Value> = named.iter().copied().filter(|entry| text(entry, "server") == server).collect();
    if server.is_some() && !on_server.is_empty() { on_server } else { named }
}

fn member(agent: &Value, email: &str) -> Value {
    let members = agent.get("members").and_then(Value::as_array).into_iter().flatten();
    let normal = email.trim().to_lowercase();
    let found = members.into_iter().find(|member| text(member, "email") == Some(&normal));
    match found {
        Some(found) => json!({"email": email, "membershipId": found["membershipId"]}),
        None => json!({"email": email}),
    }
}

fn is_falsy(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false)) || [json!(0), json!(""), json!([]), json!({})].contains(value)
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}
