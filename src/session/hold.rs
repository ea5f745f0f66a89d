//! Holds: a call that needs a human's approval uses one that is there, or asks for one.

use std::borrow::Cow;
use std::time::Instant;

use serde_json::Value;

use super::Session;
use super::check::PlannedCall;
use super::plan::PlanState;
use crate::Error;
use crate::client::{DelegationRequest, ReviewedCall};
use crate::decision::{Cause, Decision, Verdict};
use crate::json::{Tape, python_float};
use crate::log::warning;

/// The least amount that a request names.
const LEAST_AMOUNT: f64 = 0.01;

impl Session {
    /// Decides a held call: allowed by an approval that is now spent, or held with a request for one.
    pub(super) async fn hold(
        &self,
        plan: &PlanState,
        call: &PlannedCall<'_>,
        arguments: &Tape<'_>,
        held: Decision<'static>,
        deadline: Option<Instant>,
    ) -> Decision<'static> {
        let reason = held.reason.filter(|reason| !reason.is_empty());
        let held =
            Decision { cause: Some(Cause::Approval), obligations: held.obligations, ..name_only(held.policy.name) };
        let Some(email) = self.approver_visible_email(call.user_email) else {
            let reason = reason.unwrap_or(Cow::Borrowed("requires approval"));
            let reason = format!("{reason} — no approval was requested: the call names no user");
            return Decision { reason: Some(reason.into()), ..held };
        };
        let amount = amount_of(arguments);
        let plan_id = plan.token.plan_id();
        let client = self.client();
        let reviewed = ReviewedCall {
            server: call.server,
            tool: call.action,
            arguments: arguments.text(),
            user_email: email,
            plan_id,
            amount,
        };
        if let Some(approval) = client.check_approved(email, call.action, amount, plan_id, deadline).await {
            let id = &approval.delegation_id;
            match client.spend_approval(id, Some(&reviewed), email, plan_id, deadline).await {
                Ok(()) => return approved(approval.delegation_id, held),
                // Spent, in another call's hand, or given for another call: this one needs its own.
                Err(Error::Delegation { .. }) => {}
                Err(error) => return Decision::block(Cause::Unavailable, format!("enforce-unavailable: {error}")),
            }
        }
        let request = DelegationRequest {
            tool: call.action,
            action: call.action,
            arguments: Some(arguments.text()),
            amount: Some(amount),
            requester_email: email,
            requester_role: Some("agent_user"),
            requester_limit: Some(0.0),
            domain: Some(call.server),
            plan_id,
            intent_reference: Some(&plan.token.token_id),
            merkle_root: plan.token.raw_token.get("merkle_root").and_then(Value::as_str),
            reason: reason.as_deref(),
            ..DelegationRequest::default()
        };
        let delegation_id = client.request_approval(&request, &reviewed, deadline).await;
        let delegation_id = delegation_id.inspect_err(|error| warning!("the approval could not be requested: {error}"));
        Decision {
            reason: Some(reason.unwrap_or(Cow::Borrowed("Pending approval"))),
            delegation_id: delegation_id.ok(),
            ..held
        }
    }

    /// In whose name an approval is asked for. The placeholder for "any user" is nobody's name.
    pub(super) fn approver_visible_email<'a>(&'a self, named: Option<&'a str>) -> Option<&'a str> {
        self.email_of(named).or_else(|| self.client().config().named_user())
    }
}

/// What a hold and an approval tell of the policy: its name.
fn name_only(name: Option<Cow<'static, str>>) -> Decision<'static> {
    let mut decision = Decision { verdict: Verdict::Hold, ..Decision::allow(None) };
    decision.policy.name = name;
    decision
}

fn approved(delegation_id: String, held: Decision<'static>) -> Decision<'static> {
    Decision {
        verdict: Verdict::Allow,
        cause: None,
        reason: Some(format!("Allowed by approved delegation {delegation_id}").into()),
        delegation_id: Some(delegation_id),
        ..held
    }
}

/// The amount that the call is about: the first of the usual arguments that is a number, or the least one.
fn amount_of(arguments: &Tape<'_>) -> f64 {
    let named = ["amount", "value", "total", "price", "cost"];
    let amount =
        named.iter().find_map(|name| arguments.root()?.member(name).and_then(python_float)).unwrap_or(LEAST_AMOUNT);
    if amount >= LEAST_AMOUNT { amount } else { LEAST_AMOUNT }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;

    #[test]
    fn finds_the_amount_where_the_official_sdk_does() {
        for (arguments, amount) in [
            (json!({"amount": "12.50"}), 12.5),
            (json!({"amount": "abc", "total": 7}), 7.0),
            (json!({"amount": null, "value": " 1_000 "}), 1000.0),
            (json!({"amount": "1__0", "cost": true}), 1.0),
            (json!({"amount": 0}), 0.01),
            (json!({"amount": -5}), 0.01),
            (json!({"amount": "nan"}), 0.01),
            (json!({}), 0.01),
            (json!({"price": "inf"}), f64::INFINITY),
        ] {
            let text = arguments.to_string();
            assert_eq!(amount_of(&Tape::object(&text).unwrap()), amount, "{text}");
        }
    }
}
