//! What the control plane knows: the organisation, its agents with their policies, its members, its MCP servers.

use armoriq::json::sha256_hex;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::http::{ApiKey, AppState, Body, Params, Problem, reply};
use crate::app::App;
use crate::bundle::bundle_json;
use crate::config::{Agent, Server, Tool};

pub async fn health() -> Response {
    reply(StatusCode::OK, &json!({ "status": "ok", "version": armoriq::VERSION }))
}

pub async fn bootstrap(State(app): AppState, _: ApiKey, _: Body) -> Response {
    let config = &app.config;
    let tool_map: Map<String, Value> = config
        .servers
        .iter()
        .flat_map(|server| server.tools.iter().map(|tool| (tool.name.clone(), json!(server.name))))
        .collect();
    let agent = config.default_agent().map(|agent| json!({ "id": agent.id, "name": agent.name }));
    let answer = json!({
        "org": { "name": config.organisation },
        "agent": agent,
        "agents": config.agents.iter().map(|agent| json!({ "id": agent.id, "name": agent.name })).collect::<Vec<_>>(),
        "mcps": config.servers.iter().map(server_json).collect::<Vec<_>>(),
        "toolMap": tool_map,
    });
    reply(StatusCode::OK, &answer)
}

pub async fn resolve_user(State(app): AppState, _: ApiKey, body: Body) -> Result<Response, Problem> {
    let email = body.required_text("userEmail")?;
    let member = app
        .config
        .member(email)
        .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, format!("no member has the email {email}")))?;
    let approvers: Vec<&str> =
        app.config.members.iter().filter(|member| member.role == "approver").map(|member| &*member.email).collect();
    let answer = json!({
        "user": { "email": member.email },
        "membership": { "id": member.membership_id, "role": member.role, "limit": member.limit },
        "org": { "name": app.config.organisation },
        "policies": app.config.agents.iter().filter_map(|agent| agent.policy.as_ref()).map(|policy| {
            json!({ "policyId": policy.id, "name": policy.name })
        }).collect::<Vec<_>>(),
        "approverChain": approvers,
    });
    Ok(reply(StatusCode::OK, &answer))
}

#[derive(Deserialize)]
pub struct BundleQuery {
    agent: Option<String>,
}

pub async fn bundle(
    State(app): AppState,
    _: ApiKey,
    headers: HeaderMap,
    Params(query): Params<BundleQuery>,
) -> Response {
    let agents: Vec<&Agent> = match query.agent.as_deref() {
        None | Some("") => app.config.agents.iter().collect(),
        // An agent that is not there is no error: the client finds that the bundle does not have it.
        Some(id) => app.agent(Some(id)).into_iter().collect(),
    };
    let body = bundle_json(&app.config, &agents).to_string();
    let etag = format!("\"{}\"", sha256_hex(&body));
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    if known.flat_map(|tags| tags.split(',')).any(|tag| matches(tag.trim(), &etag)) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response();
    }
    let headers = [(header::CONTENT_TYPE, "application/json".to_owned()), (header::ETAG, etag)];
    (StatusCode::OK, headers, body).into_response()
}

/// A weak tag is as good as a strong one where nothing but the whole is asked for (RFC 9110, 13.1.2).
fn matches(tag: &str, etag: &str) -> bool {
    tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag
}

pub async fn servers(State(app): AppState, _: ApiKey) -> Response {
    let servers: Vec<Value> = app.config.servers.iter().map(server_json).collect();
    reply(StatusCode::OK, &json!({ "data": servers }))
}

fn server_json(server: &Server) -> Value {
    json!({ "mcpId": server.id, "name": server.name, "url": server.url.as_ref().map(Url::as_str) })
}

pub async fn tools(State(app): AppState, _: ApiKey, Path(name): Path<String>) -> Result<Response, Problem> {
    let server = server(&app, &name)?;
    let tools: Vec<Value> = server
        .tools
        .iter()
        .map(|tool| {
            json!({
                "name": tool.name,
                "description": tool.description,
                "inputSchema": tool.schema.clone().unwrap_or_else(|| json!({ "type": "object" })),
            })
        })
        .collect();
    Ok(reply(StatusCode::OK, &json!({ "data": { "mcpId": server.id, "name": server.name, "tools": tools } })))
}

pub async fn tool_metadata(State(app): AppState, _: ApiKey, Path(name): Path<String>) -> Result<Response, Problem> {
    let server = server(&app, &name)?;
    let metadata: Map<String, Value> =
        server.tools.iter().map(|tool| (tool.name.clone(), financial_json(tool))).collect();
    let answer = json!({
        "mcpId": server.id,
        "name": server.name,
        "toolMetadata": metadata,
        "roleMapping": server.role_mapping,
    });
    Ok(reply(StatusCode::OK, &json!({ "data": answer })))
}

fn financial_json(tool: &Tool) -> Value {
    match &tool.financial {
        None => json!({ "isFinancial": false }),
        Some(financial) => json!({
            "isFinancial": true,
            "transactionType": financial.transaction_type,
            "amountFields": financial.amount_fields,
            "amountUnit": financial.amount_unit,
            "currency": financial.currency,
            "recipientField": financial.recipient_field,
            "category": financial.category,
        }),
    }
}

fn server<'a>(app: &'a App, name: &str) -> Result<&'a Server, Problem> {
    app.config
        .server(name)
        .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, format!("no MCP server is called {name}")))
}
