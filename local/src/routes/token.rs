//! `POST /iap/sdk/token` and `GET /iap/public-key`.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use super::http::{ApiKey, AppState, Body, Problem, once, reply};
use crate::app::{App, PLACEHOLDER, user_email};
use crate::clock::Instant;
use crate::config::Agent;
use crate::mint::{Order, mint};
use crate::plan::ReadPlan;

pub async fn mint_token(
    State(app): AppState,
    api_key: ApiKey,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    once(&app, &api_key, "/iap/sdk/token", &headers, &body, || {
        let plan = ReadPlan::new(body.get("plan").unwrap_or(&Value::Null)).map_err(Problem::bad_request)?;
        let agent = active_agent(&app, body.text("agent_id")?, &plan)?;
        let order = Order {
            agent,
            user_id: body.text("user_id")?.filter(|id| !id.is_empty()).unwrap_or(PLACEHOLDER),
            user_email: user_email(body.text("user_email")?),
            api_key_id: &api_key.0,
            validity_seconds: validity(&body)?,
            parent: None,
            now: Instant::now(),
        };
        Ok((StatusCode::CREATED, mint(&app, &order, plan)?))
    })
}

fn validity(body: &Body) -> Result<f64, Problem> {
    match body.required_number("expires_in")? {
        seconds if seconds > 0.0 => Ok(seconds),
        _ => Err(Problem::bad_request("expires_in must be a number of seconds above 0")),
    }
}

/// The agent that the token is for; one that is unknown or inactive gets none.
fn active_agent<'a>(app: &'a App, id: Option<&str>, plan: &ReadPlan) -> Result<&'a Agent, Problem> {
    match app.agent(id) {
        Some(agent) if !agent.inactive => Ok(agent),
        Some(agent) => Err(denied(&format!("agent_inactive: the agent '{}' is inactive", agent.id), plan)),
        None => {
            let id = id.unwrap_or_default();
            Err(denied(&format!("agent_unresolved: no registered agent matches '{id}'"), plan))
        }
    }
}

fn denied(message: &str, plan: &ReadPlan) -> Problem {
    let tools: Vec<&str> = plan.steps().iter().map(|step| &*step.action).collect();
    let body = json!({
        "success": false,
        "message": message,
        "policy_validation": {
            "allowed_tools": [],
            "denied_tools": tools,
            "denied_reasons": [message],
            "default_enforcement_action": "block",
        },
    });
    Problem::with_body(StatusCode::FORBIDDEN, body)
}

pub async fn public_key(State(app): AppState) -> Response {
    reply(StatusCode::OK, &json!({ "public_key": app.signer.public_pem(), "algorithm": "EdDSA" }))
}
