//! The part of `POST /invoke` that comes after the decision: the call of the MCP server.

use armoriq::policy::Verdict;
use axum::http::{HeaderMap, StatusCode, header as names};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::http::{Problem, header, reply};
use super::proxy::held;
use crate::app::App;
use crate::judge::{Judgement, Request, record_approved};
use crate::mcp::{CallError, Credential};
use crate::state::delegations::HeldCall;

/// What the SDK's `invoke_with_policy` adds to a tool's arguments. It is meant for the proxy, and no tool gets it.
const FOR_THE_PROXY: [&str; 3] = ["_policy_context", "_delegation_id", "_approvals"];

/// The arguments of an invocation, as its caller made it.
pub struct Arguments {
    /// What the tool gets.
    pub own: Value,
    /// The approval that the client says the call has.
    pub delegation_id: Option<String>,
}

impl Arguments {
    pub fn read(mut arguments: Value) -> Self {
        let mut delegation_id = None;
        if let Value::Object(members) = &mut arguments {
            delegation_id = members.get("_delegation_id").and_then(Value::as_str).map(str::to_owned);
            members.retain(|name, _| !FOR_THE_PROXY.contains(&name.as_str()));
        }
        Self { own: arguments, delegation_id }
    }
}

/// Makes a call that may be made: one that is allowed, or one that is held and was approved.
pub async fn forward(
    app: &App,
    request: &Request<'_>,
    judgement: &Judgement,
    approved: Option<HeldCall<'_>>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let name = request.server.unwrap_or_default();
    let server = app
        .config
        .server(name)
        .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, format!("no MCP server is called {name}")))?;
    let Some(url) = &server.url else {
        let message = format!("the MCP server {name} has no url, so it was not called");
        return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, message));
    };
    let credential = match header(headers, "x-armoriq-mcp-auth").map(Credential::read) {
        None => Credential::default(),
        Some(credential) => credential.map_err(|fault| Problem::bad_request(format!("X-Armoriq-MCP-Auth {fault}")))?,
    };
    let connection = app.sessions.connect(server, url, &credential).await.map_err(|error| failed(name, &error))?;
    if let Some(call) = approved {
        // Only now is the approval used: until here nothing could have been called.
        match app.store.delegations.let_through(&call, request.now)? {
            Some(delegation) => record_approved(app, request, judgement, &delegation.id)?,
            None => return Ok(reply(StatusCode::ACCEPTED, &held(app, name, judgement))),
        }
    }
    let arguments = request.arguments.as_object().cloned().unwrap_or_else(Map::new);
    let body = match app.sessions.call(connection, request.tool, arguments, server.timeout).await {
        Ok(result) => json!({ "result": result }),
        Err(CallError::JsonRpc(error)) => json!({ "error": error }),
        Err(error) => return Err(failed(name, &error)),
    };
    Ok(if server.stream || wants_events(headers) { event(&body) } else { reply(StatusCode::OK, &body) })
}

/// The approval that a held call would need.
pub fn held_call<'a>(request: &Request<'a>, judgement: &'a Judgement, id: Option<&'a str>) -> Option<HeldCall<'a>> {
    (judgement.decision.verdict == Verdict::Hold).then_some(())?;
    Some(HeldCall {
        id,
        server: request.server?,
        tool: request.tool,
        arguments: request.arguments,
        email: judgement.user_email.as_deref()?,
        plan_id: &judgement.plan.id,
    })
}

fn failed(server: &str, error: &CallError) -> Problem {
    let status = match error {
        CallError::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
        CallError::JsonRpc(_) | CallError::Unauthorized | CallError::Failed(_) => StatusCode::BAD_GATEWAY,
    };
    // The error may quote the server, and the server what it got.
    tracing::warn!("the MCP server {server} could not be called: {status}");
    Problem::new(status, format!("the MCP server {server} could not be called: {error}"))
}

/// Whether the client takes server-sent events and no JSON.
fn wants_events(headers: &HeaderMap) -> bool {
    let accepted: Vec<&str> = headers
        .get_all(names::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|range| range.split(';').next().unwrap_or_default().trim())
        .collect();
    let takes = |media: &str| accepted.iter().any(|range| range.eq_ignore_ascii_case(media));
    takes("text/event-stream") && !takes("application/json") && !takes("application/*") && !takes("*/*")
}

/// One event with the whole answer: clients take the first that there is.
fn event(body: &Value) -> Response {
    let headers = [(names::CONTENT_TYPE, "text/event-stream"), (names::CACHE_CONTROL, "no-store")];
    (StatusCode::OK, headers, format!("event: message\ndata: {body}\n\n")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_for_the_proxy_is_taken_out() {
        let sent = json!({ "amount": 1, "_policy_context": {}, "_delegation_id": "d", "_approvals": 999, "_own": 2 });
        let arguments = Arguments::read(sent);
        assert_eq!(arguments.own, json!({ "amount": 1, "_own": 2 }));
        assert_eq!(arguments.delegation_id.as_deref(), Some("d"));
        assert_eq!(Arguments::read(json!({ "_delegation_id": 1 })).delegation_id, None);
    }

    #[test]
    fn events_are_for_those_who_take_nothing_else() {
        let wants = |accept: &'static str| {
            wants_events(&HeaderMap::from_iter([(names::ACCEPT, names::HeaderValue::from_static(accept))]))
        };
        assert!(wants("text/event-stream") && wants("Text/Event-Stream;q=0.5"));
        for accept in ["", "*/*", "application/json, text/event-stream", "text/event-stream, application/*;q=0.1"] {
            assert!(!wants(accept), "{accept}");
        }
    }
}
