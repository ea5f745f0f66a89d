//! `POST /iap/audit`: what a client reports about a call that it made.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::http::{ApiKey, AppState, Body, Problem, reply};
use crate::app::new_id;
use crate::clock::Instant;
use crate::state::audits::Kind;

pub async fn report(State(app): AppState, _: ApiKey, body: Body) -> Result<Response, Problem> {
    body.required_text("action")?;
    let status = body.required_text("status")?;
    // The index and the like are the log's own to say.
    let row: Map<String, Value> = body
        .members()
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "index" | "audit_id" | "kind" | "recorded_at" | "commitment"))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if !matches!(status, "success" | "failed" | "error" | "blocked" | "held") {
        return Err(Problem::bad_request("status must be one of success, failed, error, blocked, held"));
    }
    let id = new_id();
    let receipt = app.store.audits.append(Kind::Report, &id, row, Instant::now())?;
    let answer = json!({
        "audit_id": id,
        "iap_audit_index": receipt.index,
        "iap_commitment": receipt.commitment,
        "iap_sync_status": "logged",
    });
    Ok(reply(StatusCode::CREATED, &answer))
}
