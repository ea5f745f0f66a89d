//! `POST /iap/sdk/token` and `GET /iap/public-key`.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use super::http::{ApiKey, AppState, Body, Problem, once, reply};
use crate::app::{PLACEHOLDER, user_email};
use crate::clock::Instant;
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
        let agent = app.active_agent(body.text("agent_id")?).map_err(|refusal| denied(&refusal.to_string(), &plan))?;
        let order = Order {
            agent,
            user_id: body.text("user_id")?.filter(|id| !id.is_empty()).unwrap_or(PLACEHOLDER),
            user_email: user_email(body.text("user_email")?),
            api_key_id: &api_key.0,
            validity_seconds: body.required_seconds("expires_in")?,
            parent: None,
            now: Instant::now(),
        };
        Ok((StatusCode::CREATED, mint(&app, &order, plan)?))
    })
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
