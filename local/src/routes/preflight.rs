//! `POST /iap/sdk/preflight`: what the policy would say about calls that an agent thinks of making.

use armoriq::plan::names;
use armoriq::policy::Verdict;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::http::{ApiKey, AppState, Body, Problem, reply};
use crate::app::{App, new_id, user_email};
use crate::clock::Instant;
use crate::config::Agent;
use crate::engine::{Call, Decision, decide};

/// `accept`, unless the policy blocks one of the calls: then `reject`. A call that would be held may still be approved,
/// so it is no violation, and is listed in `meta`.
pub async fn preflight(State(app): AppState, _: ApiKey, body: Body) -> Result<Response, Problem> {
    let calls = match body.get("tool_calls") {
        None => &[][..],
        Some(Value::Array(calls)) => calls,
        Some(_) => return Err(Problem::bad_request("tool_calls must be a list")),
    };
    let calls = calls.iter().enumerate().map(|(index, call)| read(index, call)).collect::<Result<Vec<_>, _>>()?;
    let agent = match app.active_agent(body.text("agent_id")?) {
        Ok(agent) => agent,
        Err(refusal) => {
            let violation = json!({ "tool": null, "mcp": null, "reason": refusal.to_string() });
            return Ok(reply(StatusCode::OK, &answer(&[violation], &[])));
        }
    };
    let user = user_email(body.text("user_email")?);
    let (mut violations, mut held) = (Vec::new(), Vec::new());
    for call in &calls {
        let decision = forecast(&app, agent, call, user);
        let about = json!({ "tool": call.tool, "mcp": call.server, "reason": decision.reason });
        match decision.verdict {
            Verdict::Allow => {}
            Verdict::Hold => held.push(about),
            Verdict::Block => violations.push(about),
        }
    }
    Ok(reply(StatusCode::OK, &answer(&violations, &held)))
}

fn answer(violations: &[Value], held: &[Value]) -> Value {
    let each = |name: &str| violations.iter().map(|violation| violation[name].clone()).collect::<Vec<_>>();
    json!({
        "decision": if violations.is_empty() { "accept" } else { "reject" },
        "intent_id": new_id(),
        "violations": violations,
        "offending_interfaces": each("tool"),
        "predicate_fails": each("reason"),
        "meta": { "held": held },
    })
}

struct Intended<'a> {
    server: Option<&'a str>,
    tool: &'a str,
    arguments: Value,
}

fn forecast(app: &App, agent: &Agent, call: &Intended<'_>, user_email: Option<&str>) -> Decision {
    let call =
        Call { server: call.server, tool: call.tool, arguments: &call.arguments, user_email, now: Instant::now() };
    decide(&app.bundle, &agent.id, &call)
}

/// A call as a session's plan has it, `{"name", "args"}`, or as a minted plan does, `{"action", "mcp", "params"}`.
fn read(index: usize, call: &Value) -> Result<Intended<'_>, Problem> {
    let fault = |what: &str| Problem::bad_request(format!("tool_calls[{index}] {what}"));
    let call = call.as_object().ok_or_else(|| fault("must be an object"))?;
    let text = |name: &str| call.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let name = ["name", "tool", "action"].into_iter().find_map(text).ok_or_else(|| fault("must name a tool"))?;
    let (server, tool) = match (text("mcp"), names::split(name)) {
        (None, Some((server, tool))) => (Some(server), tool),
        (server, _) => (server, name),
    };
    let arguments = ["args", "arguments", "params"].into_iter().find_map(|name| call.get(name));
    match arguments {
        None | Some(Value::Null) => Ok(Intended { server, tool, arguments: Value::Object(Map::new()) }),
        Some(arguments @ Value::Object(_)) => Ok(Intended { server, tool, arguments: arguments.clone() }),
        Some(_) => Err(fault("must have an object as its arguments")),
    }
}
