//! `POST /iap/sdk/enforce`: the decision about one call.

use armoriq::policy::Verdict;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::http::{ApiKey, AppState, Body, Problem, reply};
use super::inventory;
use crate::clock::Instant;
use crate::judge::{Judgement, NoJudgement, Request, judge};

pub async fn enforce(State(app): AppState, _: ApiKey, body: Body) -> Result<Response, Problem> {
    let tool = body.required_text("tool")?;
    let server = server(&body)?;
    let arguments = body.object("arguments")?;
    let token = body.object("intent_token")?;
    let request = Request {
        mode: "sdk",
        server,
        tool,
        name: body.text("wireName")?.map_or_else(|| display_name(server, tool), str::to_owned),
        arguments: &arguments,
        jwt: token["jwt_token"].as_str(),
        plan_id: token["plan_id"].as_str(),
        agent_id: body.text("agent_id")?,
        user_email: body.text("user_email")?,
        session_id: body.text("session_id")?,
        now: Instant::now(),
    };
    let judgement = judge(&app, &request)?;
    let mut answer = answer(&judgement);
    let snapshot = body.text("toolsSnapshotHash")?.filter(|hash| !inventory::is_empty(hash));
    if snapshot.is_some_and(|hash| !app.store.inventories.is_known(&judgement.plan.agent, hash)) {
        answer["inventoryUnknown"] = json!(true);
    }
    Ok(reply(StatusCode::OK, &answer))
}

/// The call's server. Where the client names it twice, it must be the same.
fn server(body: &Body) -> Result<Option<&str>, Problem> {
    let is_named = |server: &&str| !server.is_empty() && *server != "unknown";
    let named = |name| body.text(name).map(|server| server.filter(is_named));
    match (named("mcp")?, named("mcpServer")?) {
        (Some(mcp), Some(server)) if mcp != server => {
            Err(Problem::bad_request("mcp and mcpServer must name the same server"))
        }
        (mcp, server) => Ok(mcp.or(server)),
    }
}

pub fn display_name(server: Option<&str>, tool: &str) -> String {
    server.map_or_else(|| tool.to_owned(), |server| format!("{server}__{tool}"))
}

impl From<NoJudgement> for Problem {
    fn from(error: NoJudgement) -> Self {
        match error {
            NoJudgement::Storage(error) => error.into(),
            NoJudgement::Token(refusal) => match &refusal.revoked {
                Some(reason) => Self::revoked(reason, refusal.body()),
                None => Self::with_body(StatusCode::UNAUTHORIZED, refusal.body()),
            },
        }
    }
}

fn answer(judgement: &Judgement) -> Value {
    let decision = &judgement.decision;
    let mut answer = json!({
        "allowed": decision.verdict == Verdict::Allow,
        "enforcementAction": decision.verdict.as_str(),
        "reason": decision.reason,
        "obligations": decision.obligations,
    });
    if let Some(policy) = &decision.policy {
        answer["matchedPolicy"] = json!({ "policyId": policy.id, "name": policy.name });
    }
    if decision.verdict == Verdict::Hold {
        answer["delegationContext"] = json!({ "planId": judgement.plan.id, "requesterEmail": judgement.user_email });
    }
    answer
}
