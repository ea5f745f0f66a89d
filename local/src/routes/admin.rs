//! `/local/*`: what only a local control plane has, for `armoriq-local approvals`, `approve`, `reject` and `audit`.
//!
//! It needs no key. It answers this machine only, and no web page: a browser says where a request comes from, and a
//! page must not be able to approve a call behind the back of whoever looks at it.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, uri::Authority};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::delegation::refused;
use super::http::{AppState, Body, Params, Problem, header, reply};
use crate::clock::Instant;
use crate::state::delegations::Status;

/// Whoever asks is a program on this machine.
pub struct LocalCaller;

impl<S: Send + Sync> FromRequestParts<S> for LocalCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let refuse = |message: &str| Err(Problem::new(StatusCode::FORBIDDEN, message));
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        if !peer.is_some_and(|peer| peer.to_canonical().is_loopback()) {
            return refuse("/local answers this machine only");
        }
        let from_a_browser = ["origin", "sec-fetch-site"].iter().any(|name| parts.headers.contains_key(*name));
        // A name that a web site made point here is not ours (DNS rebinding).
        let named_locally = header(&parts.headers, "host").is_some_and(is_local_name);
        if from_a_browser || !named_locally {
            return refuse("/local does not answer web pages");
        }
        Ok(Self)
    }
}

fn is_local_name(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let host = authority.host().trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[derive(Deserialize)]
pub struct DelegationsQuery {
    status: Option<String>,
}

pub async fn delegations(
    State(app): AppState,
    _: LocalCaller,
    Params(query): Params<DelegationsQuery>,
) -> Result<Response, Problem> {
    let wanted = match query.status.as_deref() {
        None | Some("all") => None,
        Some(text) => Some(Status::parse(text).ok_or_else(|| {
            Problem::bad_request("status must be all, pending, approved, rejected, expired or executed")
        })?),
    };
    let now = Instant::now();
    let delegations: Vec<Value> = app
        .store
        .delegations
        .list()
        .iter()
        .filter(|delegation| wanted.is_none_or(|wanted| delegation.status(now) == wanted))
        .map(|delegation| delegation.to_json(now))
        .collect();
    Ok(reply(StatusCode::OK, &json!({ "delegations": delegations })))
}

pub async fn approve(state: AppState, _: LocalCaller, id: Path<String>, body: Body) -> Result<Response, Problem> {
    decide(state, id, &body, true)
}

pub async fn reject(state: AppState, _: LocalCaller, id: Path<String>, body: Body) -> Result<Response, Problem> {
    decide(state, id, &body, false)
}

/// The body may say who decides: `{"as": email}`.
fn decide(State(app): AppState, Path(id): Path<String>, body: &Body, approved: bool) -> Result<Response, Problem> {
    let by = body.text("as")?.unwrap_or("armoriq-local");
    let role = app.config.member(by).map_or("admin", |member| &*member.role);
    let now = Instant::now();
    let delegation = app.store.delegations.decide(&id, approved, by, role, now).map_err(refused)?;
    Ok(reply(StatusCode::OK, &delegation.to_json(now)))
}

#[derive(Deserialize)]
pub struct AuditQuery {
    limit: Option<usize>,
}

pub async fn audit(State(app): AppState, _: LocalCaller, Params(query): Params<AuditQuery>) -> Response {
    reply(StatusCode::OK, &json!({ "rows": app.store.audits.last(query.limit.unwrap_or(usize::MAX)) }))
}

pub async fn inventories(State(app): AppState, _: LocalCaller) -> Response {
    let inventories: Vec<Value> = app
        .store
        .inventories
        .list()
        .into_iter()
        .map(|(agent, inventory)| {
            json!({
                "agent": agent,
                "snapshotHash": inventory.snapshot_hash,
                "sdk": inventory.sdk,
                "tools": inventory.tools,
                "mcpServers": inventory.servers,
            })
        })
        .collect();
    reply(StatusCode::OK, &json!({ "inventories": inventories }))
}

pub async fn usage(State(app): AppState, _: LocalCaller) -> Response {
    let rows: Vec<Value> = app
        .store
        .usage
        .rows()
        .into_iter()
        .map(|(key, counts)| {
            json!({
                "product": key.product,
                "sessionId": key.session,
                "usageDate": key.date,
                "usageHour": key.hour,
                "deviceId": key.device,
                "counts": counts,
            })
        })
        .collect();
    reply(StatusCode::OK, &json!({ "rows": rows }))
}
