//! The decision about a call that comes with a token: is the token ours and still good, is the call in its plan, and
//! what does the policy say. Both the backend and the proxy ask here.

use std::sync::Arc;

use armoriq::policy::Verdict;
use armoriq::token::verify_jwt;
use serde_json::{Map, Value, json};

use crate::app::{App, PLACEHOLDER, new_id, user_email};
use crate::clock::Instant;
use crate::engine::{Call, Decision, decide};
use crate::state::audits::Kind;
use crate::state::plans::Plan;
use crate::state::storage::StorageError;

/// A call as it came.
pub struct Request<'a> {
    /// Where the question came from, for the audit: `sdk` or `proxy`.
    pub mode: &'static str,
    pub server: Option<&'a str>,
    pub tool: &'a str,
    /// The name that the client's user sees.
    pub name: String,
    pub arguments: &'a Value,
    pub jwt: Option<&'a str>,
    pub plan_id: Option<&'a str>,
    pub agent_id: Option<&'a str>,
    pub user_email: Option<&'a str>,
    pub session_id: Option<&'a str>,
    pub now: Instant,
}

/// The token does not stand for the call, whatever any policy says.
#[derive(Debug, PartialEq, Eq)]
pub struct TokenRefusal {
    /// A word that programs may test, such as `token-expired`.
    pub reason: &'static str,
    pub message: String,
    /// Why the token was revoked, if it was.
    pub revoked: Option<String>,
}

impl TokenRefusal {
    fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), revoked: None }
    }

    /// The body of the answer.
    pub fn body(&self) -> Value {
        json!({ "allowed": false, "reason": self.reason, "message": format!("{}: {}", self.reason, self.message) })
    }
}

/// Why there is no judgement.
#[derive(Debug)]
pub enum NoJudgement {
    Token(TokenRefusal),
    Storage(StorageError),
}

impl From<StorageError> for NoJudgement {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

pub struct Judgement {
    pub decision: Decision,
    /// The call is in the token's plan.
    pub planned: bool,
    pub plan: Arc<Plan>,
    pub user_email: Option<String>,
}

/// Decides and writes the decision into the audit.
pub fn judge(app: &App, request: &Request<'_>) -> Result<Judgement, NoJudgement> {
    let judged = plan_of(app, request).map(|plan| decide_planned(app, request, plan));
    let (action, reason) = match &judged {
        Ok(judgement) => (judgement.decision.verdict.as_str(), &*judgement.decision.reason),
        Err(refusal) => ("block", refusal.reason),
    };
    record(app, request, judged.as_ref().ok(), action, reason)?;
    judged.map_err(NoJudgement::Token)
}

/// Writes into the audit that a held call is let through, since it was approved.
pub fn record_approved(
    app: &App,
    request: &Request<'_>,
    judgement: &Judgement,
    delegation_id: &str,
) -> Result<(), StorageError> {
    record(app, request, Some(judgement), Verdict::Allow.as_str(), &format!("approved:{delegation_id}"))
}

fn record(
    app: &App,
    request: &Request<'_>,
    judgement: Option<&Judgement>,
    action: &str,
    reason: &str,
) -> Result<(), StorageError> {
    let row = json!({
        "mode": request.mode,
        "mcp": request.server,
        "tool": request.tool,
        "action": action,
        "reason": reason,
        "agent_id": judgement.map(|judgement| &judgement.plan.agent),
        "user_email": judgement.and_then(|judgement| judgement.user_email.as_ref()),
        "plan_id": judgement.map_or(request.plan_id, |judgement| Some(&judgement.plan.id)),
        "session_id": request.session_id,
    });
    let row = if let Value::Object(row) = row { row } else { Map::new() };
    app.store.audits.append(Kind::Decision, &new_id(), row, request.now).map(|_| ())
}

/// The plan of the request's token.
fn plan_of(app: &App, request: &Request<'_>) -> Result<Arc<Plan>, TokenRefusal> {
    let jwt = request.jwt.ok_or_else(|| TokenRefusal::new("token-missing", "the request has no jwt_token"))?;
    let claims = verify_jwt(jwt, app.signer.public())
        .map_err(|error| TokenRefusal::new("token-signature-invalid", error.to_string()))?;
    let invalid = |message: &str| TokenRefusal::new("token-claims-invalid", message);
    let plan_id = claims.get("plan_id").and_then(Value::as_str).ok_or_else(|| invalid("the token names no plan"))?;
    if request.plan_id.is_some_and(|given| given != plan_id) {
        return Err(invalid("the token was issued for another plan"));
    }
    // A token that was signed here has a plan, unless it expired long ago and the plan was forgotten.
    let plan = app.store.plans.get(plan_id).ok_or_else(|| invalid("the token's plan is not known"))?;
    if let Some(reason) = &plan.revoked {
        let message = "the token was revoked";
        return Err(TokenRefusal { revoked: Some(reason.clone()), ..TokenRefusal::new("token-revoked", message) });
    }
    if plan.is_expired(request.now) {
        return Err(TokenRefusal::new("token-expired", format!("the token expired at {}", plan.expires_at.iso())));
    }
    let named = request.agent_id.filter(|id| !id.is_empty() && *id != PLACEHOLDER);
    if named.is_some_and(|id| app.config.agent(id).is_none_or(|agent| agent.id != plan.agent)) {
        return Err(invalid("the token was issued to another agent"));
    }
    Ok(plan)
}

fn decide_planned(app: &App, request: &Request<'_>, plan: Arc<Plan>) -> Judgement {
    let email = user_email(request.user_email).or(plan.user_email.as_deref()).map(str::to_owned);
    let planned = plan.has(request.server, request.tool);
    let decision = if planned {
        let call = Call {
            server: request.server,
            tool: request.tool,
            arguments: request.arguments,
            user_email: email.as_deref(),
            now: request.now,
        };
        decide(&app.bundle, &plan.agent, &call)
    } else {
        Decision::block(format!("tool-not-in-plan: '{}' was not declared in the captured plan", request.name))
    };
    Judgement { decision, planned, plan, user_email: email }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, DEMO};
    use crate::mint::{Order, mint};
    use crate::plan::ReadPlan;
    use crate::state::storage::Storage;

    #[test]
    fn a_decision_that_cannot_be_recorded_is_none() {
        let storage = Arc::new(Storage::that_may_fail());
        let config = Config::parse(DEMO, "demo").map_err(|error| error.to_string()).unwrap();
        let app = App::new(config, "http://proxy".into(), &storage).unwrap();
        let plan = json!({ "steps": [{ "action": "fetch_sales", "mcp": "data-mcp" }] });
        let order = Order {
            agent: app.config.default_agent().unwrap(),
            user_id: "u",
            user_email: None,
            api_key_id: "k",
            validity_seconds: 60.0,
            parent: None,
            now: Instant::now(),
        };
        let token = mint(&app, &order, ReadPlan::new(&plan).unwrap()).unwrap();
        let arguments = json!({});
        let judged = || {
            let request = Request {
                mode: "sdk",
                server: Some("data-mcp"),
                tool: "fetch_sales",
                name: "data-mcp__fetch_sales".into(),
                arguments: &arguments,
                jwt: token["jwt_token"].as_str(),
                plan_id: None,
                agent_id: None,
                user_email: None,
                session_id: None,
                now: Instant::now(),
            };
            judge(&app, &request)
        };
        assert_eq!(judged().unwrap().decision.verdict, Verdict::Allow);
        storage.fail();
        assert!(matches!(judged(), Err(NoJudgement::Storage(_))));
    }
}
