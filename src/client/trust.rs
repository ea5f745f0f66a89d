//! What may be done with a token besides showing it: hand a part of it on, revoke it, put another plan under it, and
//! ask about a plan before there is one.

use serde_json::{Number, Value, json};

use super::tokens::{read_token, revoked};
use super::{Call, Client, Params};
use crate::clock::since_1970;
use crate::config::Reader;
use crate::json::{self, Map, ObjectWriter, is_truthy, string_member};
use crate::token::IntentToken;
use crate::transport::Response;
use crate::{Error, Result};

/// How long a delegated token lives where nothing else is asked for, in seconds.
const DEFAULT_VALIDITY: u32 = 3600;

/// A plan that is to stand under a token that was minted for another.
pub(crate) struct ReanchorRequest<'a> {
    pub token: &'a IntentToken,
    pub plan: &'a Value,
    pub reason: Option<&'a str>,
    pub plan_id: Option<&'a str>,
    pub intent_reference: Option<&'a str>,
}

impl<'a> ReanchorRequest<'a> {
    pub(crate) fn new(token: &'a IntentToken, plan: &'a Value) -> Self {
        Self { token, plan, reason: None, plan_id: token.plan_id(), intent_reference: None }
    }
}

impl Client {
    /// Hands a token on to the holder of another key.
    pub async fn delegate(&self, params: Params<'_>) -> Result<Value> {
        let (token, key, target_agent, body) = params.read(|reader| {
            let token = read_token(reader)?;
            let key = reader.required_text("delegate_public_key")?;
            let target_agent = reader.text("target_agent")?;
            let allowed_actions = actions(reader, "allowed_actions")?;
            let subtask = reader.members("subtask")?;
            let mut body = ObjectWriter::new();
            body.value("token", &token.csrg_token())
                .value("delegate_public_key", key)
                .value("validity_seconds", &validity(reader)?)
                .optional("allowed_actions", allowed_actions)
                .optional("target_agent", target_agent)
                .optional("subtask", subtask.filter(|subtask| is_truthy(subtask)));
            Ok((token, key, target_agent, body.finish()))
        })?;
        let response = self.trust_call("delegate", body).send(self).await?;
        let failed = |said: &str, status| delegation_failed(format!("Delegation failed: {said}"), target_agent, status);
        let answer = self.trust_answer(response, &token, failed)?;
        let given = ["delegation", "delegated_token", "new_token"]
            .iter()
            .find_map(|name| answer.get(name).filter(|given| is_truthy(given)));
        let Some(given) = given else { return Err(no_delegation(&answer)) };
        let delegated = IntentToken::from_delegation(given, since_1970().as_secs_f64())
            .map_err(|problem| delegation_failed(format!("Delegation failed: {problem}"), target_agent, None))?;
        let member = |name: &str| answer.get(name).filter(|value| !value.is_null());
        Ok(json!({
            "delegation_id": member("delegation_id").map_or_else(|| json!(delegated.token_id), Value::clone),
            "delegated_token": delegated.to_json(),
            "delegate_public_key": key,
            "target_agent": target_agent,
            "expires_at": delegated.expires_at,
            "trust_delta": member("trust_delta").cloned().unwrap_or_else(|| json!({})),
            "status": "delegated",
            "metadata": member("metadata").cloned().unwrap_or_else(|| json!({})),
        }))
    }

    /// Hands on the part of a token that is about one part of its plan.
    pub async fn delegate_subtree(&self, params: Params<'_>) -> Result<Value> {
        let (token, target_agent, subtree_path, body) = params.read(|reader| {
            let token = read_token(reader)?;
            let key = reader.required_text("delegate_public_key")?;
            let subtree_path = reader.required_text("subtree_path")?;
            let mut body = ObjectWriter::new();
            body.value("parentToken", &token.csrg_token())
                .value("delegatePublicKey", key)
                .value("validitySeconds", &validity(reader)?)
                .value("parentPlan", &reader.members("parent_plan")?)
                .value("subtreePath", subtree_path)
                .value("planId", &reader.text("plan_id")?.or(token.plan_id()))
                .value("intentReference", &reader.text("intent_reference")?);
            Ok((token, reader.text("target_agent")?, subtree_path, body.finish()))
        })?;
        let response = self.trust_call("delegate", body).retried().send(self).await?;
        let failed =
            |said: &str, status| delegation_failed(format!("delegate_subtree failed: {said}"), target_agent, status);
        let answer = self.trust_answer(response, &token, failed)?;
        let member = |name: &str| answer.get(name).cloned().unwrap_or(Value::Null);
        let delta = member("delta");
        let proven = |name: &str| delta.get("payload").and_then(|payload| payload.get(name)).filter(|it| is_truthy(it));
        let inclusion_proof = proven("inclusion_proof").cloned().unwrap_or_else(|| json!([]));
        let subtree_root = proven("subtree_node_hash").cloned().unwrap_or_else(|| json!(""));
        let parent_plan_hash = proven("parent_plan_hash").cloned().unwrap_or_else(|| json!(token.plan_hash));
        let subtree = json!({
            "subtree_path": subtree_path,
            "subtree_root": subtree_root,
            "parent_plan_hash": parent_plan_hash,
            "inclusion_proof": inclusion_proof,
            "parent_token_id": token.token_id,
        });
        let delegated = IntentToken { subtree_delegation: subtree.as_object().cloned(), ..token };
        Ok(json!({
            "trust_id": member("trustId"),
            "delta": delta,
            "inclusion_proof": inclusion_proof,
            "subtree_root": subtree_root,
            "delegated_token": delegated.to_json(),
        }))
    }

    /// Revokes a token, and what was delegated from it.
    pub async fn revoke(&self, params: Params<'_>) -> Result<Value> {
        let (token, body) = params.read(|reader| {
            let token = read_token(reader)?;
            let mut body = ObjectWriter::new();
            body.value("token", &token.csrg_token())
                .value("reason", reader.required_text("reason")?)
                .value("cascade", &reader.boolean("cascade")?.unwrap_or(true))
                .value("planId", &reader.text("plan_id")?.or(token.plan_id()))
                .value("intentReference", &reader.text("intent_reference")?);
            Ok((token, body.finish()))
        })?;
        let response = self.trust_call("revoke", body).retried().send(self).await?;
        let failed = |said: &str, status| {
            delegation_failed(format!("Revoke failed for {}: {said}", token.token_id), None, status)
        };
        self.trust_answer(response, &token, failed)
    }

    /// Puts another plan under a token.
    pub async fn reanchor(&self, params: Params<'_>) -> Result<Value> {
        let (token, plan, reason, plan_id, intent_reference) = params.read(|reader| {
            let plan = reader.members("updated_plan")?;
            Ok((
                read_token(reader)?,
                reader.required("updated_plan", plan)?,
                reader.text("reason")?,
                reader.text("plan_id")?,
                reader.text("intent_reference")?,
            ))
        })?;
        let request = ReanchorRequest::new(&token, plan);
        let plan_id = plan_id.or(request.plan_id);
        self.reanchor_plan(&ReanchorRequest { reason, plan_id, intent_reference, ..request }).await
    }

    /// Puts another plan under a token. The result is the service's answer.
    pub(crate) async fn reanchor_plan(&self, request: &ReanchorRequest<'_>) -> Result<Value> {
        let mut body = ObjectWriter::new();
        body.value("newPlan", request.plan)
            .value("reason", &request.reason)
            .value("planId", &request.plan_id)
            .value("intentReference", &request.intent_reference);
        let response = self.trust_call("reanchor", body.finish()).retried().send(self).await?;
        self.trust_answer(response, request.token, |said, status_code| {
            let reason = json::parse(said).ok().and_then(|answer| string_member(&answer, "reason").map(str::to_owned));
            let named = request.plan_id.unwrap_or("None");
            Error::IntentReanchor {
                message: format!("Reanchor failed for plan {named}: {}", reason.as_deref().unwrap_or(said)),
                status_code,
                reason,
                plan_id: request.plan_id.map(str::to_owned),
            }
        })
    }

    /// Asks what the service thinks of a plan before there is one. Whatever is unclear is an error.
    pub async fn refine(&self, params: Params<'_>) -> Result<Value> {
        let body = params.read(|reader| {
            let mut body = ObjectWriter::new();
            body.value("agent_id", &reader.text("agent_id")?)
                .value("user_prompt", &reader.text("user_prompt")?)
                .value("tool_calls", &list(reader, "tool_calls")?)
                .value("authority_snapshot", &reader.value("authority_snapshot"));
            Ok(body.finish())
        })?;
        let response = Call::post(self.backend_url("/iap/sdk/preflight", &[]), body).limit(30).send(self).await?;
        let failed = |message| Error::Service { message, status_code: None };
        if !response.is_success() {
            let (status, text) = (response.status(), response.text());
            return Err(failed(format!("pap refine() failed (fail-closed): HTTP {status}: {text}")));
        }
        let answer = response.json().unwrap_or(Value::Null);
        let Some(decision) = string_member(&answer, "decision").filter(|decision| !decision.is_empty()) else {
            return Err(failed("pap refine() got malformed response (fail-closed)".to_owned()));
        };
        let or = |name: &str, default: Value| answer.get(name).filter(|it| !it.is_null()).cloned().unwrap_or(default);
        Ok(json!({
            "decision": decision,
            "intent_id": or("intent_id", Value::Null),
            "violations": or("violations", json!([])),
            "offending_interfaces": or("offending_interfaces", json!([])),
            "predicate_fails": or("predicate_fails", json!([])),
            "meta": or("meta", json!({})),
        }))
    }

    fn trust_call(&self, name: &str, body: String) -> Call {
        let url = self.backend_url(&format!("/iap/trust/{name}"), &[]);
        Call::post(url, body).limit(10).without_api_key().own_idempotency_key()
    }

    /// The answer about a token, or what `failed` makes of what the service said instead.
    fn trust_answer(
        &self,
        mut response: Response,
        token: &IntentToken,
        failed: impl FnOnce(&str, Option<u16>) -> Error,
    ) -> Result<Value> {
        let status = response.status();
        if response.is_success() {
            return response.json().map_err(|error| Error::Service {
                message: format!("the answer about the token {} is not JSON: {error}", token.token_id),
                status_code: Some(status),
            });
        }
        let csrg_token = token.csrg_token();
        for secret in [token.jwt_token.as_deref(), string_member(&csrg_token, "signature")].into_iter().flatten() {
            response.conceal(secret);
        }
        Err(if response.says_revoked() { revoked(token, &response) } else { failed(&response.text(), Some(status)) })
    }
}

fn delegation_failed(message: String, target_agent: Option<&str>, status_code: Option<u16>) -> Error {
    Error::Delegation { message, target_agent: target_agent.map(str::to_owned), delegation_id: None, status_code }
}

fn no_delegation(answer: &Value) -> Error {
    let names = answer.as_object().into_iter().flat_map(Map::keys).map(|name| json!(name)).collect();
    let names = json::shown(&Value::Array(names));
    delegation_failed(format!("Delegation response missing 'delegation' key. Got keys: {names}"), None, None)
}

fn validity(reader: &mut Reader<'_>) -> Result<Number> {
    let validity = reader.seconds("validity_seconds")?;
    Ok(validity.unwrap_or(DEFAULT_VALIDITY.into()))
}

fn list<'a>(reader: &mut Reader<'a>, name: &'static str) -> Result<Option<&'a Value>> {
    match reader.value(name) {
        Some(value) if !value.is_array() => Err(reader.expected(name, "a list")),
        value => Ok(value),
    }
}

/// Names of actions. An empty list is refused: left out, as the official SDK does, it would mean all actions.
fn actions<'a>(reader: &mut Reader<'a>, name: &'static str) -> Result<Option<&'a Value>> {
    let list = list(reader, name)?;
    match list.and_then(Value::as_array) {
        Some(items) if items.is_empty() || !items.iter().all(Value::is_string) => {
            Err(reader.expected(name, "a list of strings that is not empty"))
        }
        _ => Ok(list),
    }
}
