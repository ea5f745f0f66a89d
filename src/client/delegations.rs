//! Approvals by a human: requests, look-ups, and the mark that spends one.

use std::time::Instant;

use serde_json::{Value, json};

use super::{Call, Client};
use crate::clock::since_1970;
use crate::json::{self, ObjectWriter, is_truthy, string_member};
use crate::transport::{Response, TransportErrorKind, path_segment};
use crate::{Error, Result};

/// What a human is asked to approve. What is `None` is not sent.
#[derive(Default)]
pub(crate) struct DelegationRequest<'a> {
    pub tool: &'a str,
    pub action: &'a str,
    /// The call's arguments as JSON text.
    pub arguments: Option<&'a str>,
    pub amount: Option<f64>,
    pub requester_email: &'a str,
    pub requester_role: Option<&'a str>,
    pub requester_limit: Option<f64>,
    pub domain: Option<&'a str>,
    pub target_url: Option<&'a str>,
    pub plan_id: Option<&'a str>,
    pub intent_reference: Option<&'a str>,
    pub merkle_root: Option<&'a str>,
    pub reason: Option<&'a str>,
}

/// A request that waits for an answer.
pub(crate) struct Delegation {
    pub delegation_id: String,
    pub status: String,
    /// An ISO 8601 time; `None` where the service does not say.
    pub expires_at: Option<String>,
}

/// An approval that is there and not spent.
pub(crate) struct Approval {
    pub delegation_id: String,
    pub approver_email: Option<String>,
    pub approver_role: Option<String>,
    pub delegation_token: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DelegationStatus {
    Pending,
    Approved,
    Rejected,
    Expired,
    /// It was approved, and has been used.
    Executed,
}

/// An amount that is not finite has no form in which the service would take it for what it is.
pub(super) fn refuse_unless_finite(amount: f64) -> Result<()> {
    if amount.is_finite() { Ok(()) } else { Err(Error::invalid_argument("the amount is not finite")) }
}

impl Client {
    /// Asks for an approval.
    pub(crate) async fn request_delegation(
        &self,
        request: &DelegationRequest<'_>,
        deadline: Option<Instant>,
    ) -> Result<Delegation> {
        let mut body = ObjectWriter::new();
        body.value("tool", request.tool).value("action", request.action);
        if let Some(arguments) = request.arguments {
            body.raw("arguments", arguments);
        }
        body.optional("amount", request.amount.as_ref())
            .value("requesterEmail", request.requester_email)
            .optional("requesterRole", request.requester_role)
            .optional("requesterLimit", request.requester_limit.as_ref())
            .optional("domain", request.domain)
            .optional("targetUrl", request.target_url)
            .optional("planId", request.plan_id)
            .optional("intentReference", request.intent_reference)
            .optional("merkleRoot", request.merkle_root)
            .optional("reason", request.reason);
        let response = Call::post(self.backend_url("/delegation/request", &[]), body.finish())
            .user_email(request.requester_email)
            .idempotency_key(&delegation_key())
            .deadline(deadline)
            .send(self)
            .await?;
        let answer = response.json().unwrap_or(Value::Null);
        if !response.is_success() {
            let text = response.text();
            let said = string_member(&answer, "message").unwrap_or(&text);
            return Err(refused_request(said));
        }
        let text = |name| string_member(&answer, name).map(str::to_owned);
        Ok(Delegation {
            delegation_id: text("delegationId").ok_or_else(|| refused_request("the answer has no delegationId"))?,
            status: text("status").unwrap_or_else(|| "pending".to_owned()),
            expires_at: text("expiresAt"),
        })
    }

    /// Looks for an approval that can be used for this call; any failure is "there is none".
    pub(crate) async fn check_approved(
        &self,
        user_email: &str,
        tool: &str,
        amount: f64,
        plan_id: Option<&str>,
        deadline: Option<Instant>,
    ) -> Option<Approval> {
        self.find_approval(user_email, tool, amount, plan_id, deadline).await.ok().flatten()
    }

    /// Looks for an approval that can be used for this call. An answer that does not say so is "there is none".
    pub(super) async fn find_approval(
        &self,
        user_email: &str,
        tool: &str,
        amount: f64,
        plan_id: Option<&str>,
        deadline: Option<Instant>,
    ) -> Result<Option<Approval>> {
        refuse_unless_finite(amount)?;
        let amount = json::canonical(&json!(amount));
        let mut query = vec![("tool", tool), ("amount", amount.as_str())];
        query.extend(plan_id.map(|plan_id| ("planId", plan_id)));
        let url = self.backend_url("/delegation/check-approved", &query);
        let response = Call::get(url).user_email(user_email).deadline(deadline).send(self).await?;
        let answer = if response.is_success() { response.json().ok() } else { None };
        let approved = answer.as_ref().filter(|answer| answer.get("approved") == Some(&Value::Bool(true)));
        let text = |name| approved.and_then(|answer| string_member(answer, name)).map(str::to_owned);
        Ok(text("delegationId").map(|delegation_id| Approval {
            delegation_id,
            approver_email: text("approverEmail"),
            approver_role: text("approverRole"),
            delegation_token: text("delegationToken"),
        }))
    }

    /// Where a request stands, for one who waits and looks again. While a service is left alone because it has been
    /// failing, nothing new is known: the wait goes on. It does not where this process has used the approval itself.
    pub(crate) async fn delegation_status(
        &self,
        delegation_id: &str,
        deadline: Option<Instant>,
    ) -> Result<DelegationStatus> {
        let status = match self.status_call(delegation_id)?.deadline(deadline).send(self).await {
            Err(error) if error.kind == TransportErrorKind::Refused => DelegationStatus::Pending,
            sent => status_of(&status_answer(&sent?, delegation_id)?),
        };
        let used_here = status == DelegationStatus::Pending && self.has_spent(delegation_id);
        Ok(if used_here { DelegationStatus::Executed } else { status })
    }

    /// The status as the service names it; `none` where it names none.
    pub(super) async fn delegation_status_text(&self, delegation_id: &str) -> Result<String> {
        let answer = status_answer(&self.status_call(delegation_id)?.send(self).await?, delegation_id)?;
        Ok(string_member(&answer, "status").unwrap_or("none").to_owned())
    }

    fn status_call(&self, delegation_id: &str) -> Result<Call> {
        let path = format!("/delegation/{}/status", path_segment(delegation_id)?);
        Ok(Call::get(self.backend_url(&path, &[])).limit(10))
    }

    /// Spends an approval. Only a 2xx whose text does not speak against it says that it was there to be spent.
    pub(crate) async fn mark_executed(
        &self,
        user_email: &str,
        delegation_id: &str,
        plan_id: Option<&str>,
        deadline: Option<Instant>,
    ) -> Result<()> {
        let mut body = ObjectWriter::new();
        body.value("delegationId", delegation_id).optional("planId", plan_id);
        let response = Call::post(self.backend_url("/delegation/mark-executed", &[]), body.finish())
            .user_email(user_email)
            .idempotency_key(&format!("mark-exec:{delegation_id}"))
            .retried()
            .deadline(deadline)
            .send(self)
            .await?;
        if response.is_success() && accepts(response.body()) {
            return Ok(());
        }
        let message = format!("the approval {delegation_id} was not accepted as unused (HTTP {})", response.status());
        Err(Error::delegation(message, Some(delegation_id), Some(response.status())))
    }
}

fn status_answer(response: &Response, delegation_id: &str) -> Result<Value> {
    if !response.is_success() {
        let message = format!("delegation status check failed (HTTP {})", response.status());
        return Err(Error::delegation(message, Some(delegation_id), Some(response.status())));
    }
    Ok(response.json().unwrap_or(Value::Null))
}

/// An approval that was used is named `none`, as a request is that the service does not know (yet): `executed` tells.
fn status_of(answer: &Value) -> DelegationStatus {
    match string_member(answer, "status") {
        _ if answer.get("executed") == Some(&Value::Bool(true)) => DelegationStatus::Executed,
        Some("approved") => DelegationStatus::Approved,
        Some("rejected") => DelegationStatus::Rejected,
        Some("expired") => DelegationStatus::Expired,
        Some("executed") => DelegationStatus::Executed,
        _ => DelegationStatus::Pending,
    }
}

/// Whether a successful answer to a mark has the text of one: none, or an object that tells of no failure. A page that
/// something else on the way sends with a 200 does not.
fn accepts(body: &[u8]) -> bool {
    let told = |answer: &Value| {
        answer.get("success") == Some(&Value::Bool(false)) || answer.get("error").is_some_and(is_truthy)
    };
    body.trim_ascii().is_empty() || json::parse_bytes(body).is_ok_and(|answer| answer.is_object() && !told(&answer))
}

/// The official SDK's exception says no more than its message.
fn refused_request(said: &str) -> Error {
    Error::delegation(format!("Failed to create delegation request: {said}"), None, None)
}

/// `deleg-{epoch ms}-{8 hex}`
fn delegation_key() -> String {
    let millis = since_1970().as_millis();
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("deleg-{millis}-{}", random.get(..8).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_accepted_by_what_does_not_speak_against_it() {
        for body in ["", "\n", "{}", r#"{"success": true}"#, r#"{"status": "executed", "error": null}"#] {
            assert!(accepts(body.as_bytes()), "{body}");
        }
        for body in [
            "<html></html>",
            "[]",
            "true",
            "null",
            r#""ok""#,
            "{}{}",
            r#"{"success": false}"#,
            r#"{"success": true, "success": false}"#,
            r#"{"error": "already executed"}"#,
        ] {
            assert!(!accepts(body.as_bytes()), "{body}");
        }
    }
}
