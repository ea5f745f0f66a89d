//! The client methods about approvals and about what became of a plan.

use serde_json::{Number, Value, json};

use super::call::delivery;
use super::{Call, Client, DelegationRequest, Params};
use crate::Result;
use crate::config::Reader;
use crate::json::{self, ObjectWriter};
use crate::transport::path_segment;

/// The status of a plan that was carried out.
const COMPLETED: &str = "completed";

impl Client {
    /// Asks for a human's approval of a call.
    pub async fn create_delegation_request(&self, params: Params<'_>) -> Result<Value> {
        let request = params.read(|reader| {
            let arguments = reader.members("arguments")?.map(|_| params.object_text("arguments")).transpose()?;
            Ok(DelegationRequest {
                tool: reader.required_text("tool")?,
                action: reader.required_text("action")?,
                requester_email: reader.required_text("requester_email")?,
                arguments,
                amount: amount(reader, "amount")?,
                requester_role: reader.text("requester_role")?,
                requester_limit: amount(reader, "requester_limit")?,
                domain: reader.text("domain")?,
                target_url: reader.text("target_url")?,
                plan_id: reader.text("plan_id")?,
                intent_reference: reader.text("intent_reference")?,
                merkle_root: reader.text("merkle_root")?,
                reason: reader.text("reason")?,
            })
        })?;
        let delegation = self.request_delegation(&request, None).await?;
        Ok(json!({
            "delegation_id": delegation.delegation_id,
            "status": delegation.status,
            "expires_at": delegation.expires_at,
        }))
    }

    /// Looks for an approval that can be used; null where there is none.
    pub async fn check_approved_delegation(&self, params: Params<'_>) -> Result<Value> {
        let (user_email, tool, amount, plan_id) = params.read(|reader| {
            let amount = amount(reader, "amount")?;
            Ok((
                reader.required_text("user_email")?,
                reader.required_text("tool")?,
                reader.required("amount", amount)?,
                reader.text("plan_id")?,
            ))
        })?;
        let approval = self.find_approval(user_email, tool, amount, plan_id, None).await?;
        Ok(approval.map_or(Value::Null, |approval| {
            json!({
                "delegation_id": approval.delegation_id,
                "approver_email": approval.approver_email,
                "approver_role": approval.approver_role,
                "delegation_token": approval.delegation_token,
                "approved": true,
            })
        }))
    }

    /// Tells where a request for an approval stands.
    pub async fn get_delegation_status(&self, params: Params<'_>) -> Result<Value> {
        let delegation_id = params.read(|reader| reader.required_text("delegation_id"))?;
        let status = self.delegation_status_text(delegation_id).await?;
        Ok(status.into())
    }

    /// Spends an approval.
    pub async fn mark_delegation_executed(&self, params: Params<'_>) -> Result<Value> {
        let (user_email, delegation_id, plan_id) = params.read(|reader| {
            Ok((reader.required_text("user_email")?, reader.required_text("delegation_id")?, reader.text("plan_id")?))
        })?;
        self.mark_executed(user_email, delegation_id, plan_id, None).await?;
        Ok(Value::Null)
    }

    /// Tells the service that a plan was carried out. What goes wrong is in the result.
    pub async fn complete_plan(&self, params: Params<'_>) -> Result<Value> {
        let plan_id = params.read(|reader| reader.required_text("plan_id"))?;
        self.post_plan_status(plan_id, COMPLETED).await
    }

    /// Tells the service what became of a plan. What goes wrong is in the result.
    pub async fn update_plan_status(&self, params: Params<'_>) -> Result<Value> {
        let (plan_id, status) =
            params.read(|reader| Ok((reader.required_text("plan_id")?, reader.required_text("status")?)))?;
        self.post_plan_status(plan_id, status).await
    }

    async fn post_plan_status(&self, plan_id: &str, status: &str) -> Result<Value> {
        let path = format!("/iap/plans/{}/status", path_segment(plan_id)?);
        let body = ObjectWriter::new().value("status", status).finish();
        let sent = Call::post(self.backend_url(&path, &[]), body)
            .idempotency_key(&format!("plan-status:{plan_id}:{status}"))
            .retried()
            .send(self)
            .await;
        Ok(delivery("the status of a plan", sent))
    }
}

fn amount(reader: &mut Reader<'_>, name: &'static str) -> Result<Option<f64>> {
    let amount: Option<Number> = reader.number(name, "a number that is not negative", |amount| amount >= 0.0)?;
    Ok(amount.as_ref().map(json::as_double))
}
