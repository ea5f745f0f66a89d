//! `POST /invoke` on the proxy: with `enforce_only` the decision about a call, else the call itself.

use armoriq::json::is_truthy;
use armoriq::policy::Verdict;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};
use url::Url;

use super::enforce::display_name;
use super::forward::{Arguments, forward, held_call};
use super::http::{ApiKey, AppState, Body, Problem, reply};
use crate::app::App;
use crate::clock::Instant;
use crate::engine::Decision;
use crate::judge::{Judgement, Request, judge};

pub async fn invoke(State(app): AppState, _: ApiKey, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let server = body.required_text("mcp")?;
    let tool = match body.text("tool")?.filter(|tool| !tool.is_empty()) {
        Some(tool) => tool,
        None => body.required_text("action")?,
    };
    let Arguments { own: arguments, delegation_id } = Arguments::read(match body.get("params") {
        Some(_) => body.object("params")?,
        None => body.object("arguments")?,
    });
    let token = body.object("intent_token")?;
    let request = Request {
        mode: "proxy",
        server: Some(server),
        tool,
        name: display_name(Some(server), tool),
        arguments: &arguments,
        jwt: token["jwt_token"].as_str(),
        plan_id: token["plan_id"].as_str(),
        agent_id: body.text("agent_id")?,
        user_email: body.text("user_email")?,
        session_id: None,
        now: Instant::now(),
    };
    let judgement = judge(&app, &request)?;
    match (judgement.decision.verdict, body.get("enforce_only").is_some_and(is_truthy)) {
        (Verdict::Allow, true) => Ok(reply(StatusCode::OK, &allowed(&judgement.decision))),
        (Verdict::Allow, false) => forward(&app, &request, &judgement, None, &headers).await,
        (Verdict::Hold, false) => match held_call(&request, &judgement, delegation_id.as_deref()) {
            Some(call) if app.store.delegations.lets_through(&call, request.now) => {
                forward(&app, &request, &judgement, Some(call), &headers).await
            }
            _ => Ok(reply(StatusCode::ACCEPTED, &held(&app, server, &judgement))),
        },
        (Verdict::Hold, true) => Ok(reply(StatusCode::ACCEPTED, &held(&app, server, &judgement))),
        // A call that was never planned is a conflict with the plan, unless only the decision was asked for.
        (Verdict::Block, false) if !judgement.planned => {
            Err(Problem::new(StatusCode::CONFLICT, judgement.decision.reason))
        }
        (Verdict::Block, _) => Ok(reply(StatusCode::FORBIDDEN, &blocked(&judgement.decision))),
    }
}

fn allowed(decision: &Decision) -> Value {
    let mut answer = json!({
        "allowed": true,
        "action": "allow",
        "reason": decision.reason,
        "obligations": decision.obligations,
    });
    add_policy(&mut answer, decision);
    answer
}

fn blocked(decision: &Decision) -> Value {
    let mut answer = json!({
        "allowed": false,
        "action": "block",
        "enforcementAction": "block",
        "reason": decision.reason,
        "message": format!("Blocked by policy: {}", decision.reason),
    });
    add_policy(&mut answer, decision);
    answer
}

pub fn held(app: &App, server: &str, judgement: &Judgement) -> Value {
    let (decision, plan) = (&judgement.decision, &judgement.plan);
    let mut answer = json!({
        "allowed": false,
        "action": "hold",
        "enforcementAction": "hold",
        "reason": decision.reason,
        "message": format!("Held for approval: {}", decision.reason),
        "obligations": decision.obligations,
        "delegation_context": {
            "domain": server,
            "planId": plan.id,
            "targetUrl": app.config.server(server).and_then(|server| server.url.as_ref()).map_or(&*app.proxy_url, Url::as_str),
            "intentReference": plan.reference,
            "merkleRoot": plan.merkle_root,
        },
    });
    add_policy(&mut answer, decision);
    answer
}

/// The identity of the policy that decided, in snake_case.
fn add_policy(answer: &mut Value, decision: &Decision) {
    if let Some(policy) = &decision.policy {
        answer["matched_policy"] = json!({ "policy_id": policy.id, "name": policy.name });
    }
}
