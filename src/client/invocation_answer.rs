//! Reads the proxy's answer to a tool call: the tool's result, or why there is none.
//!
//! What the gateway says about enforcement is read first, at any status: a refusal is never taken for a result.

use serde_json::{Map, Value, json};

use super::tokens::revoked;
use super::{Invocation, sse};
use crate::error::PolicyRefusal;
use crate::json::{self, is_truthy};
use crate::policy::Verdict;
use crate::transport::{Enough, HeaderMap, Response};
use crate::{Error, Result};

type Answer = Map<String, Value>;

/// The tool's result, as the proxy of this address gave it.
pub(super) fn read(invocation: &Invocation<'_>, url: &str, response: &Response) -> Result<Value> {
    if response.says_revoked() {
        return Err(revoked(invocation.token, response));
    }
    let answer = match is_event_stream(response.header("content-type")) {
        true => answer_in_events(sse::events(response.body()))
            .and_then(|answer| answer.ok_or_else(|| String::from("No data in SSE response"))),
        false => answer_in_body(response.body()),
    };
    if let Some(refusal) = answer.as_ref().ok().and_then(|answer| refusal(answer, response.is_success())) {
        return Err(refusal);
    }
    if !response.is_success() {
        return Err(rejected(invocation, url, response));
    }
    let mut answer = answer.map_err(|what| failed(invocation, what, None))?;
    match answer.get("error").filter(|error| is_truthy(error)) {
        Some(error) => Err(failed(invocation, tool_error(error), None)),
        None => Ok(answer.remove("result").unwrap_or(Value::Object(answer))),
    }
}

/// Whether the result says of itself that the tool failed.
pub(super) fn is_tool_error(result: &Value) -> bool {
    result.is_object()
        && ["isError", "is_error", "error"].iter().any(|member| result.get(member).is_some_and(is_truthy))
}

/// Tells when a stream has given its answer: servers may keep it open after that.
pub(super) fn ends_in_events(headers: &HeaderMap) -> Option<Enough> {
    let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok());
    // How much was read, and how much of that as whole events.
    let (mut seen, mut read) = (0_usize, 0);
    is_event_stream(kind).then(|| -> Enough {
        Box::new(move |body| {
            let from = read.max(seen.saturating_sub(3));
            seen = body.len();
            let end = body.get(from..).and_then(sse::end_of_events).map(|end| from + end);
            let events = end.and_then(|end| match std::mem::replace(&mut read, end) {
                0 => body.get(..end).map(sse::events),
                start => body.get(start..end).map(sse::later_events),
            });
            events.is_some_and(|events| !matches!(answer_in_events(events), Ok(None)))
        })
    })
}

fn is_event_stream(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|kind| kind.to_ascii_lowercase().contains("text/event-stream"))
}

fn answer_in_body(body: &[u8]) -> Result<Answer, String> {
    match json::parse_bytes(body) {
        Ok(Value::Object(answer)) => Ok(answer),
        Ok(_) => Err(NO_OBJECT.to_owned()),
        Err(error) => Err(format!("MCP invocation failed: the answer is not JSON: {error}")),
    }
}

const NO_OBJECT: &str = "MCP invocation failed: the answer is not a JSON object";

/// The first event that is an answer: not a notification of the server's, nor something that is no message at all. What
/// looks like a message but cannot be read is not passed over, since it could be a refusal.
fn answer_in_events(events: sse::Events<'_>) -> Result<Option<Answer>, String> {
    for data in events {
        match json::parse_bytes(&data) {
            Ok(Value::Object(message)) if message.is_empty() || is_notification(&message) => {}
            Ok(Value::Object(message)) => return Ok(Some(message)),
            Ok(Value::Array(items)) if !items.is_empty() => return Err(NO_OBJECT.to_owned()),
            Ok(_) => {}
            Err(error) if data.trim_ascii_start().starts_with(b"{") => {
                return Err(format!("MCP invocation failed: an event is not JSON: {error}"));
            }
            Err(_) => {}
        }
    }
    Ok(None)
}

/// Whether the server says or asks something on the way to its answer: progress, a log line, a ping.
fn is_notification(message: &Answer) -> bool {
    let answers = ["result", "error", "enforcementAction", "enforcement", "allowed"];
    message.get("method").is_some_and(Value::is_string) && !answers.iter().any(|member| message.contains_key(*member))
}

/// The gateway's refusal, where the answer is one.
fn refusal(answer: &Answer, is_success: bool) -> Option<Error> {
    let envelope = answer.get("enforcement").unwrap_or(&Value::Null);
    let text = |name: &str| {
        let said = answer.get(name).or_else(|| envelope.get(name)).and_then(Value::as_str);
        said.filter(|said| !said.is_empty()).map(str::to_owned)
    };
    let any = |names: [&str; 2]| names.iter().find_map(|name| answer.get(*name).or_else(|| envelope.get(*name)));
    let (verdict, odd) = match enforced(answer, envelope, is_success) {
        Ok(Verdict::Allow) => return None,
        Ok(refusal) => (refusal, None),
        Err(odd) => (Verdict::Block, Some(format!("enforce-invalid: {odd}"))),
    };
    let is_hold = verdict == Verdict::Hold;
    let unsaid = if is_hold { "Action held for approval" } else { "Action blocked by policy" };
    let matched = any(["matched_policy", "matchedPolicy"]);
    let refusal = Box::new(PolicyRefusal {
        message: text("message").unwrap_or_else(|| unsaid.to_owned()),
        enforcement_action: (!is_hold).then(|| verdict.as_str().to_owned()),
        reason: odd.or_else(|| text("reason")),
        matched_policy: matched.and_then(|policy| policy.get("name").unwrap_or(policy).as_str()).map(str::to_owned),
        metadata: Some(json!({ "obligations": answer.get("obligations") })),
        delegation_context: any(["delegation_context", "delegationContext"]).filter(|it| it.is_object()).cloned(),
        delegation_id: text("delegation_id").or_else(|| text("delegationId")),
    });
    Some(if is_hold { Error::PolicyHold(refusal) } else { Error::PolicyBlocked(refusal) })
}

/// What the answer says of enforcement: the strictest of its parts, or what is odd about them. Nothing said is an allow,
/// since the result itself then says that the call was made.
///
/// The member `action` is the gateway's word only in an answer that is plainly its own: one with `allowed`, or with a
/// status of failure. Elsewhere it may be part of the tool's result.
fn enforced(answer: &Answer, envelope: &Value, is_success: bool) -> Result<Verdict, String> {
    let mut strictest = Verdict::Allow;
    let mut named = false;
    for (name, action) in
        [("enforcementAction", answer.get("enforcementAction")), ("enforcement.action", envelope.get("action"))]
    {
        let Some(action) = action.filter(|action| !action.is_null()) else { continue };
        let verdict = action.as_str().and_then(Verdict::from_name).ok_or_else(|| format!("{name} is not known"))?;
        (strictest, named) = (strictest.max(verdict), true);
    }
    let allowed = [answer.get("allowed"), envelope.get("allowed")];
    // False comes before true: who says no once means it.
    let allowed = allowed.into_iter().flatten().filter_map(Value::as_bool).min();
    if allowed.is_some() || !is_success {
        let action = answer.get("action").and_then(Value::as_str).and_then(Verdict::from_name);
        (strictest, named) = (strictest.max(action.unwrap_or(Verdict::Allow)), named || action.is_some());
    }
    match (allowed, strictest) {
        (Some(false), Verdict::Allow) if named => Err(String::from("the action is allow but allowed is false")),
        (Some(false), Verdict::Allow) => Ok(Verdict::Block),
        (_, strictest) => Ok(strictest),
    }
}

/// An answer with a status of failure that decides nothing.
fn rejected(invocation: &Invocation<'_>, url: &str, response: &Response) -> Error {
    let (status, said) = (response.status(), response.text());
    match status {
        401 | 403 => Error::InvalidToken {
            message: format!("Token verification failed at {url} (HTTP {status}): {said}"),
            token_id: None,
        },
        409 => Error::IntentMismatch {
            message: format!("Action not in plan at {url}: {said}"),
            action: Some(invocation.action.to_owned()),
            plan_hash: Some(invocation.token.plan_hash.clone()),
        },
        _ => failed(invocation, format!("MCP invocation failed at {url} (HTTP {status}): {said}"), Some(status)),
    }
}

/// What a JSON-RPC error says; some servers send a text in its place.
fn tool_error(error: &Value) -> String {
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let Value::Object(error) = error else { return format!("MCP tool error (-1): {}", shown(error)) };
    let part = |name: &str, unsaid: &str| error.get(name).map_or_else(|| unsaid.to_owned(), shown);
    format!("MCP tool error ({}): {} - {}", part("code", "-1"), part("message", "Unknown error"), part("data", ""))
}

fn failed(invocation: &Invocation<'_>, message: String, status_code: Option<u16>) -> Error {
    Error::McpInvocation {
        message,
        mcp: Some(invocation.mcp.to_owned()),
        action: Some(invocation.action.to_owned()),
        status_code,
    }
}
