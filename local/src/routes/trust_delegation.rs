//! `POST /iap/trust/delegate`: a token, or a part of its plan, for another agent.

use std::sync::Arc;

use armoriq::json::{canonical, sha256_hex};
use armoriq::token::{PublicKey, is_signed};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::http::{ApiKey, AppState, Body, Problem, reply};
use super::trust::{expired, plan, revoked, unknown};
use crate::app::{App, PLACEHOLDER, new_id};
use crate::clock::Instant;
use crate::mint::{Order, mint};
use crate::plan::ReadPlan;
use crate::state::plans::{Plan, Subtree};

/// Both ways to delegate have the same address; only one of them names a part of the plan.
pub async fn delegate(State(app): AppState, api_key: ApiKey, body: Body) -> Result<Response, Problem> {
    let answer = match body.get("subtreePath") {
        Some(_) => delegate_subtree(&app, &body)?,
        None => delegate_token(&app, &api_key, &body)?,
    };
    Ok(reply(StatusCode::OK, &answer))
}

/// Proves that a part of the plan belongs to it, and notes that the holder of a key was given that part.
fn delegate_subtree(app: &App, body: &Body) -> Result<Value, Problem> {
    let now = Instant::now();
    let parent = parent(app, body, "parentToken", now)?;
    let key = public_key(body, "delegatePublicKey")?;
    let path = body.required_text("subtreePath")?;
    if body.get("parentPlan").is_some_and(|plan| sha256_hex(canonical(plan)) != parent.plan_hash) {
        let body = json!({ "reason": "parent_plan_mismatch", "message": "parentPlan is not the token's plan" });
        return Err(Problem::with_body(StatusCode::CONFLICT, body));
    }
    let read = ReadPlan::new(&parent.plan).map_err(Problem::bad_request)?;
    let (node_hash, proof) = read
        .subtree(path)
        .ok_or_else(|| Problem::bad_request("subtreePath must be /steps, or /steps/[N] with a step of the plan"))?;
    let subtree = Subtree {
        trust_id: new_id(),
        path: path.to_owned(),
        delegate_public_key: key,
        expires_at: now.plus_seconds(body.required_seconds("validitySeconds")?).min(parent.expires_at),
    };
    let given = app.store.plans.give_subtree(&parent.id, subtree, now)?.ok_or_else(unknown)?;
    let payload = json!({
        "plan_id": parent.id,
        "parent_plan_hash": parent.plan_hash,
        "merkle_root": parent.merkle_root,
        "subtree_path": given.path,
        "subtree_node_hash": node_hash,
        "inclusion_proof": proof,
        "delegate_public_key": given.delegate_public_key,
        "expires_at": given.expires_at.seconds(),
    });
    let signature = app.signer.sign(&payload);
    let delta = json!({
        "type": "delegate",
        "payload": payload,
        "signature": signature,
        "public_key": app.signer.public_hex(),
    });
    Ok(json!({ "trustId": given.trust_id, "delta": delta }))
}

/// Mints a token of its own for the other agent: for the same plan, or the allowed actions of it.
fn delegate_token(app: &App, api_key: &ApiKey, body: &Body) -> Result<Value, Problem> {
    let now = Instant::now();
    let parent = parent(app, body, "token", now)?;
    let key = public_key(body, "delegate_public_key")?;
    let plan = narrowed(&parent, body)?;
    let target = body.text("target_agent")?.filter(|name| !name.is_empty());
    let agent = app.active_agent(Some(target.unwrap_or(&parent.agent)))?;
    let remaining = (parent.expires_at.millis() - now.millis()) as f64 / 1000.0;
    let total_steps = plan.steps().len();
    let order = Order {
        agent,
        user_id: parent.user_email.as_deref().unwrap_or(PLACEHOLDER),
        user_email: parent.user_email.as_deref(),
        api_key_id: &api_key.0,
        validity_seconds: body.required_seconds("validity_seconds")?.min(remaining),
        parent: Some(&parent.id),
        now,
    };
    let minted = mint(app, &order, plan)?;
    let trust_id = new_id();
    let delta = json!({
        "type": "delegate",
        "payload": {
            "plan_id": minted["plan_id"],
            "parent_plan_id": parent.id,
            "parent_plan_hash": parent.plan_hash,
            "delegate_public_key": key,
        },
    });
    Ok(json!({
        "trustId": trust_id,
        "delta": delta,
        "trust_delta": delta,
        "delegation_id": trust_id,
        "metadata": { "target_agent": agent.id, "parent_plan_id": parent.id },
        "delegation": {
            "token_id": minted["intent_reference"],
            "plan_hash": minted["plan_hash"],
            "plan_id": minted["plan_id"],
            "signature": minted["token"]["signature"],
            "issued_at": minted["token"]["issued_at"],
            "expires_at": minted["token"]["expires_at"],
            "policy": minted["token"]["policy"],
            "composite_identity": minted["composite_identity"],
            "client_info": minted["client_info"],
            "policy_validation": minted["policy_validation"],
            "step_proofs": minted["step_proofs"],
            "total_steps": total_steps,
            "merkle_root": minted["merkle_root"],
            "jwt_token": minted["jwt_token"],
            "token": minted["token"],
        },
    }))
}

/// The plan of the token that is delegated, which must be ours and good.
fn parent(app: &App, body: &Body, member: &str, now: Instant) -> Result<Arc<Plan>, Problem> {
    let token = body.object(member)?;
    let signature = token["signature"].as_str();
    let plan = plan(app, body, signature)?;
    if signature != Some(&*plan.signature) || !is_signed(&token) {
        let body = json!({ "reason": "token-signature-invalid", "message": "the token was not issued here" });
        return Err(Problem::with_body(StatusCode::UNAUTHORIZED, body));
    }
    match &plan.revoked {
        Some(reason) => Err(revoked(reason)),
        None if plan.is_expired(now) => Err(expired()),
        None => Ok(plan),
    }
}

fn public_key(body: &Body, name: &str) -> Result<String, Problem> {
    let text = body.required_text(name)?;
    match PublicKey::from_text(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err(Problem::bad_request(format!("{name} must be an Ed25519 public key"))),
    }
}

/// The parent's plan without the steps whose actions are not allowed.
fn narrowed(parent: &Plan, body: &Body) -> Result<ReadPlan, Problem> {
    let mut plan = parent.plan.clone();
    if let Some(actions) = body.get("allowed_actions") {
        let actions: Option<Vec<&str>> = actions.as_array().and_then(|list| list.iter().map(Value::as_str).collect());
        let actions = actions.ok_or_else(|| Problem::bad_request("allowed_actions must be a list of strings"))?;
        if let Some(action) = actions.iter().find(|action| !parent.steps.iter().any(|step| step.action == **action)) {
            return Err(Problem::bad_request(format!("allowed_actions has {action}, which the plan does not have")));
        }
        let steps = plan["steps"].as_array().into_iter().flatten().zip(&parent.steps);
        let allowed = steps.filter(|(_, step)| actions.contains(&&*step.action)).map(|(json, _)| json.clone());
        plan["steps"] = allowed.collect();
    }
    if let Some(subtask) = body.get("subtask") {
        plan["subtask"] = subtask.clone();
    }
    ReadPlan::new(&plan).map_err(Problem::bad_request)
}
