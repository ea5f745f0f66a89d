//! Approvals by a human: requests, look-ups, and the mark that spends one.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::{Call, Client};
use crate::json::{self, ObjectWriter, is_truthy, string_member};
use crate::transport::path_segment;
use crate::{Error, Result};

/// What a human is asked to approve.
pub(crate) struct DelegationRequest<'a> {
    pub tool: &'a str,
    pub action: &'a str,
    /// The call's arguments as JSON text.
    pub arguments: &'a str,
    pub amount: f64,
    pub requester_email: &'a str,
    pub requester_role: &'a str,
    pub requester_limit: f64,
    pub domain: &'a str,
    pub target_url: Option<&'a str>,
    pub plan_id: Option<&'a str>,
    pub intent_reference: Option<&'a str>,
    pub merkle_root: Option<&'a str>,
    pub reason: Option<&'a str>,
}

/// An approval that is there and not spent.
pub(crate) struct Approval {
    pub delegation_id: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DelegationStatus {
    Pending,
    Approved,
    Rejected,
    Expired,
}

impl Client {
    /// Asks for an approval; the answer is the delegation's id.
    pub(crate) async fn request_delegation(
        &self,
        request: &DelegationRequest<'_>,
        deadline: Option<Instant>,
    ) -> Result<String> {
        let mut body = ObjectWriter::new();
        body.value("tool", request.tool)
            .value("action", request.action)
            .raw("arguments", request.arguments)
            .value("amount", &request.amount)
            .value("requesterEmail", request.requester_email)
            .value("requesterRole", request.requester_role)
            .value("requesterLimit", &request.requester_limit)
            .value("domain", request.domain)
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
            let message = format!("Failed to create delegation request: {said}");
            return Err(failure(message, None, response.status()));
        }
        string_member(&answer, "delegationId").map(str::to_owned).ok_or_else(|| {
            failure("Failed to create delegation request: no delegationId".into(), None, response.status())
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
        let amount = json::canonical(&json!(amount));
        let mut query = vec![("tool", tool), ("amount", amount.as_str())];
        query.extend(plan_id.map(|plan_id| ("planId", plan_id)));
        let url = self.backend_url("/delegation/check-approved", &query);
        let response = Call::get(url).user_email(user_email).deadline(deadline).send(self).await.ok()?;
        let answer = response.json().ok().filter(|_| response.is_success())?;
        let approved = answer.get("approved").is_some_and(is_truthy);
        let delegation_id = string_member(&answer, "delegationId").filter(|_| approved)?;
        Some(Approval { delegation_id: delegation_id.to_owned() })
    }

    pub(crate) async fn delegation_status(
        &self,
        delegation_id: &str,
        deadline: Option<Instant>,
    ) -> Result<DelegationStatus> {
        let path = format!("/delegation/{}/status", path_segment(delegation_id)?);
        let response = Call::get(self.backend_url(&path, &[])).limit(10).deadline(deadline).send(self).await?;
        if !response.is_success() {
            let message = format!("delegation status check failed (HTTP {})", response.status());
            return Err(failure(message, Some(delegation_id), response.status()));
        }
        let answer = response.json().unwrap_or(Value::Null);
        Ok(match string_member(&answer, "status") {
            Some("approved") => DelegationStatus::Approved,
            Some("rejected") => DelegationStatus::Rejected,
            Some("expired") => DelegationStatus::Expired,
            _ => DelegationStatus::Pending,
        })
    }

    /// Spends an approval. Only a 2xx says that it was there to be spent.
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
        if response.is_success() {
            return Ok(());
        }
        let message = format!("the approval {delegation_id} was not accepted as unused (HTTP {})", response.status());
        Err(failure(message, Some(delegation_id), response.status()))
    }
}

fn failure(message: String, delegation_id: Option<&str>, status: u16) -> Error {
    Error::Delegation {
        message,
        target_agent: None,
        delegation_id: delegation_id.map(str::to_owned),
        status_code: Some(status),
    }
}

/// `deleg-{epoch ms}-{8 hex}`
fn delegation_key() -> String {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("deleg-{millis}-{}", random.get(..8).unwrap_or_default())
}
