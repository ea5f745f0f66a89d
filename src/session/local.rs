//! Local mode: the decision is made in this process, from the client's policy bundle.

use std::sync::LazyLock;

use super::check::{Arguments, PlannedCall};
use super::{Session, unix_millis};
use crate::decision::{Cause, Decision, PolicyIdentity};
use crate::policy::local::{BundleState, Ground, LocalCall, LocalDecision, decide};
use crate::policy::{Bundle, Obligation, Verdict};

/// What a local hold turns into: nothing in this process could ask a person.
const NO_APPROVAL_HERE: &str = " — switch ARMORIQ_MODE=proxy to enable approval workflows for this action.";

impl Session {
    /// Decides a planned call by the policy of the client's agent.
    pub(super) fn decide_locally(&self, call: &PlannedCall<'_>, arguments: &Arguments<'_>) -> Decision {
        static NO_AGENTS: LazyLock<Bundle> = LazyLock::new(Bundle::default);
        let config = self.client().config();
        let agent = config.named_agent();
        let policies = self.client().policies();
        let state = match policies.as_ref() {
            _ if agent.is_none() => BundleState::Current(&NO_AGENTS),
            None => BundleState::Unavailable,
            Some(policies) if policies.is_stale() => BundleState::Stale,
            Some(policies) => BundleState::Current(policies.bundle()),
        };
        let call = LocalCall {
            tool: call.action,
            arguments: &arguments.value,
            server: self.known_server(call),
            user_email: call.user_email,
        };
        explain(decide(state, agent, &call, unix_millis()), config.require_policy)
    }
}

/// Says whose fault a refusal is, and refuses what local mode cannot hold.
fn explain(decided: LocalDecision<'_>, require_policy: bool) -> Decision {
    let cause = match (decided.ground, decided.action) {
        (Ground::BundleUnavailable, _) => Some(Cause::Unavailable),
        (Ground::BundleStale, _) => Some(Cause::Stale),
        (Ground::AgentUnresolved, _) => Some(Cause::Config),
        (Ground::NoActivePolicy, _) => require_policy.then_some(Cause::Config),
        (Ground::NotEvaluable, _) => Some(Cause::Invalid),
        (Ground::AgentInactive, _) | (Ground::Policy, Verdict::Block) => Some(Cause::Policy),
        (Ground::Policy, Verdict::Hold) => Some(Cause::Approval),
        (Ground::Policy, Verdict::Allow) => None,
    };
    let held = if cause == Some(Cause::Approval) { NO_APPROVAL_HERE } else { "" };
    Decision {
        verdict: if cause.is_none() { decided.action } else { Verdict::Block },
        reason: Some(format!("{}{held}", decided.reason)),
        cause,
        delegation_id: None,
        policy: PolicyIdentity {
            name: decided.matched_policy.map(str::to_owned),
            id: decided.policy_id.map(str::to_owned),
            ..PolicyIdentity::default()
        },
        obligations: decided.obligations.iter().map(Obligation::to_json).collect(),
    }
}
