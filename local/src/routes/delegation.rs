//! `/delegation/*`: asking a human to approve a held call, and using the approval.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::http::{ApiKey, AppState, Body, Params, Problem, header, once, reply};
use crate::app::{new_id, user_email};
use crate::clock::Instant;
use crate::config::normalised_email;
use crate::state::delegations::{Refusal, Request, Status};

pub async fn request(
    State(app): AppState,
    api_key: ApiKey,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    once(&app, &api_key, "/delegation/request", &headers, &body, || {
        let request = read_request(&headers, &body)?;
        let now = Instant::now();
        let expires_at = now.plus_seconds(app.config.delegation_ttl_seconds);
        let delegation = app.store.delegations.create(new_id(), request, now, expires_at)?;
        tracing::info!(
            "{} asks for an approval: armoriq-local approve {}",
            delegation.request.requester_email,
            delegation.id
        );
        let answer = json!({
            "delegationId": delegation.id,
            "status": Status::Pending.as_str(),
            "expiresAt": delegation.expires_at.iso(),
        });
        Ok((StatusCode::CREATED, answer))
    })
}

fn read_request(headers: &HeaderMap, body: &Body) -> Result<Request, Problem> {
    // An approval for nobody in particular would be everybody's.
    let email = user_email(Some(body.required_text("requesterEmail")?))
        .ok_or_else(|| Problem::bad_request("requesterEmail must be a user's email"))?;
    if header(headers, "x-user-email").is_some_and(|user| normalised_email(user) != normalised_email(email)) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "requesterEmail must be the user of X-User-Email"));
    }
    let amount = body.required_number("amount")?;
    if amount < 0.0 {
        return Err(Problem::bad_request("amount must not be negative"));
    }
    let optional = |name| body.text(name).map(|text| text.map(str::to_owned));
    Ok(Request {
        tool: body.required_text("tool")?.to_owned(),
        action: body.required_text("action")?.to_owned(),
        arguments: body.object("arguments")?,
        amount,
        requester_email: normalised_email(email),
        requester_role: body.required_text("requesterRole")?.to_owned(),
        requester_limit: body.required_number("requesterLimit")?,
        domain: optional("domain")?,
        target_url: optional("targetUrl")?,
        plan_id: optional("planId")?,
        intent_reference: optional("intentReference")?,
        merkle_root: optional("merkleRoot")?,
        reason: optional("reason")?,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Approved {
    tool: String,
    amount: f64,
    plan_id: Option<String>,
}

pub async fn check_approved(
    State(app): AppState,
    _: ApiKey,
    headers: HeaderMap,
    Params(query): Params<Approved>,
) -> Result<Response, Problem> {
    let email = user(&headers)?;
    let approved = query
        .plan_id
        .as_deref()
        .and_then(|plan| app.store.delegations.find_approved(email, &query.tool, query.amount, plan, Instant::now()));
    let answer = match &approved {
        None => json!({ "approved": false }),
        Some(delegation) => {
            let (by, role) = delegation.approver().unzip();
            json!({
                "approved": true,
                "delegationId": delegation.id,
                "approverEmail": by,
                "approverRole": role,
                "expiresAt": delegation.expires_at.iso(),
            })
        }
    };
    Ok(reply(StatusCode::OK, &answer))
}

fn user(headers: &HeaderMap) -> Result<&str, Problem> {
    header(headers, "x-user-email").ok_or_else(|| Problem::bad_request("X-User-Email must name the user"))
}

pub async fn status(State(app): AppState, _: ApiKey, Path(id): Path<String>) -> Result<Response, Problem> {
    let delegation =
        app.store.delegations.get(&id).ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "no such delegation"))?;
    let status = delegation.status(Instant::now());
    let answer = match status {
        // Clients know five states, and of a spent approval nothing is left to wait for.
        Status::Executed => json!({ "status": "none", "executed": true }),
        _ => json!({ "status": status.as_str(), "executed": false }),
    };
    Ok(reply(StatusCode::OK, &answer))
}

/// Spends an approval. An `Idempotency-Key` does not make a second request succeed: the SDKs derive it from the
/// delegation's id, so that it is the same for whoever spends the approval.
pub async fn mark_executed(
    State(app): AppState,
    _: ApiKey,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let id = body.required_text("delegationId")?;
    let delegation =
        app.store.delegations.execute(id, user(&headers)?, body.text("planId")?, Instant::now()).map_err(refused)?;
    Ok(reply(StatusCode::OK, &json!({ "delegationId": delegation.id, "status": Status::Executed.as_str() })))
}

pub fn refused(refusal: Refusal) -> Problem {
    let status = match refusal {
        Refusal::Unknown(_) => StatusCode::NOT_FOUND,
        Refusal::OtherUser => StatusCode::FORBIDDEN,
        Refusal::OtherPlan | Refusal::Status { .. } => StatusCode::CONFLICT,
        Refusal::Storage(error) => return error.into(),
    };
    Problem::new(status, refusal.to_string())
}

pub async fn my_role(State(app): AppState, _: ApiKey, headers: HeaderMap) -> Result<Response, Problem> {
    let answer: Value = match app.config.member(user(&headers)?) {
        Some(member) => json!({ "role": member.role, "limit": member.limit }),
        None => json!({ "role": "agent_user", "limit": 0 }),
    };
    Ok(reply(StatusCode::OK, &answer))
}
