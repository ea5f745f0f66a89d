//! `POST /iap/trust/*` and `POST /iap/plans/{id}/status`: what happens to a token after it was minted.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::http::{ApiKey, AppState, Body, Problem, reply};
use crate::app::{App, new_id};
use crate::clock::Instant;
use crate::plan::ReadPlan;
use crate::state::plans::{Plan, ReanchorRefusal};

/// What `POST /iap/plans/{id}/status` may say.
const STATUSES: [&str; 5] = ["active", "executing", "completed", "failed", "expired"];

pub async fn reanchor(State(app): AppState, _: ApiKey, body: Body) -> Result<Response, Problem> {
    let id = plan(&app, &body, None)?.id.clone();
    let new = ReadPlan::new(body.get("newPlan").unwrap_or(&Value::Null)).map_err(Problem::bad_request)?;
    let reason = body.text("reason")?.unwrap_or("plan grew");
    let plan = app.store.plans.reanchor(&id, new.into_new_plan(), new_id(), Instant::now()).map_err(refused)?;
    let payload = json!({
        "plan_id": plan.id,
        "plan_hash": plan.plan_hash,
        "merkle_root": plan.merkle_root,
        "reason": reason,
        "reanchors": plan.reanchors,
    });
    let answer = json!({ "trustId": plan.trust_id, "delta": { "type": "reanchor", "payload": payload } });
    Ok(reply(StatusCode::OK, &answer))
}

fn refused(refusal: ReanchorRefusal) -> Problem {
    match refusal {
        ReanchorRefusal::Unknown => unknown(),
        ReanchorRefusal::Revoked(reason) => revoked(&reason),
        ReanchorRefusal::Expired => expired(),
        ReanchorRefusal::ChainLimit => Problem::with_body(
            StatusCode::CONFLICT,
            body("reanchor_chain_limit", "the token was anchored to 100 plans already"),
        ),
        ReanchorRefusal::Storage(error) => error.into(),
    }
}

fn body(reason: &str, message: &str) -> Value {
    json!({ "reason": reason, "message": message })
}

pub fn unknown() -> Problem {
    Problem::with_body(StatusCode::NOT_FOUND, body("intent_plan_unknown", "no such plan"))
}

pub fn revoked(reason: &str) -> Problem {
    Problem::revoked(reason, body("intent_plan_revoked", "the token was revoked"))
}

pub fn expired() -> Problem {
    Problem::with_body(StatusCode::GONE, body("intent_plan_expired", "the token has expired"))
}

pub async fn revoke(State(app): AppState, _: ApiKey, body: Body) -> Result<Response, Problem> {
    let token = body.object("token")?;
    let plan = plan(&app, &body, token["signature"].as_str())?;
    let reason = body.text("reason")?.unwrap_or("revoked");
    let cascade = match body.get("cascade") {
        None => true,
        Some(Value::Bool(cascade)) => *cascade,
        Some(_) => return Err(Problem::bad_request("cascade must be true or false")),
    };
    let cascaded = app.store.plans.revoke(&plan.id, reason, cascade)?.ok_or_else(unknown)?;
    let answer = json!({
        "trustId": new_id(),
        "delta": { "type": "revoke", "payload": { "plan_id": plan.id, "reason": reason } },
        "cascadedRevocations": cascaded,
    });
    Ok(reply(StatusCode::OK, &answer))
}

/// The plan that a request is about, by its id, or else by its token.
pub fn plan(app: &App, body: &Body, signature: Option<&str>) -> Result<Arc<Plan>, Problem> {
    let plan = match body.text("planId")? {
        Some(id) => app.store.plans.get(id),
        None => app.store.plans.find(body.text("intentReference")?, signature),
    };
    plan.ok_or_else(unknown)
}

pub async fn set_plan_status(
    State(app): AppState,
    _: ApiKey,
    Path(id): Path<String>,
    body: Body,
) -> Result<Response, Problem> {
    let status = body.required_text("status")?;
    if !STATUSES.contains(&status) {
        return Err(Problem::bad_request(format!("status must be one of {}", STATUSES.join(", "))));
    }
    if !app.store.plans.set_status(&id, status)? {
        return Err(unknown());
    }
    Ok(reply(StatusCode::OK, &json!({ "planId": id, "status": status })))
}
