//! Local mode: the decision is made in this process, from the client's policy bundle.

use std::borrow::Cow;
use std::time::Duration;

use once_cell::race::OnceBox;
use serde_json::Value;

use super::Session;
use super::check::PlannedCall;
use crate::client::Policies;
use crate::clock::in_millis;
use crate::decision::{Cause, Decision, PolicyIdentity};
use crate::policy::local::{BundleState, Ground, LocalCall, LocalDecision, decide};
use crate::policy::{Arguments, Bundle, Obligation, Verdict};

/// What a local hold turns into: nothing in this process could ask a person.
const NO_APPROVAL_HERE: &str = " — switch ARMORIQ_MODE=proxy to enable approval workflows for this action.";

impl Session {
    /// The policies to decide with. Waits for nothing, except where they were not confirmed for so long that they no
    /// longer count.
    pub(super) fn local_policies(&self, timeout: Option<Duration>) -> Policies {
        let policies = self.client().policies();
        if !policies.is_stale() {
            return policies;
        }
        self.client().refresh_stale_policies(timeout);
        self.client().policies()
    }

    /// As [`Session::local_policies`], for a call that no thread waits in.
    pub(super) async fn local_policies_async(&self, timeout: Option<Duration>) -> Policies {
        if self.client().policies().is_stale() {
            self.client().refresh_stale(timeout).await;
        }
        self.client().policies()
    }

    /// Decides a planned call by the policy of the client's agent.
    pub(super) fn decide_locally<T, A: Arguments + ?Sized>(
        &self,
        policies: &Policies,
        call: &PlannedCall<'_>,
        arguments: &A,
        now: Duration,
        then: impl FnOnce(&Decision<'_>) -> T,
    ) -> T {
        /// Without a lock that a child could inherit from a thread that it does not have.
        static NO_AGENTS: OnceBox<Bundle> = OnceBox::new();
        let config = self.client().config();
        let agent = config.named_agent();
        let state = match policies.bundle() {
            _ if agent.is_none() => BundleState::Current(NO_AGENTS.get_or_init(Box::default)),
            None => BundleState::Unavailable,
            Some(_) if policies.is_stale() => BundleState::Stale,
            Some(bundle) => BundleState::Current(bundle),
        };
        let call =
            LocalCall { tool: call.action, arguments, server: self.known_server(call), user_email: call.user_email };
        then(&explain(decide(state, agent, &call, in_millis(now)), config.require_policy))
    }
}

/// Says whose fault a refusal is, and refuses what local mode cannot hold.
fn explain(decided: LocalDecision<'_>, require_policy: bool) -> Decision<'_> {
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
    Decision {
        verdict: if cause.is_none() { decided.action } else { Verdict::Block },
        reason: Some(match cause {
            Some(Cause::Approval) => format!("{}{NO_APPROVAL_HERE}", decided.reason).into(),
            _ => decided.reason,
        }),
        cause,
        delegation_id: None,
        policy: PolicyIdentity {
            name: decided.matched_policy.map(Cow::Borrowed),
            id: decided.policy_id.map(Cow::Borrowed),
            ..PolicyIdentity::default()
        },
        obligations: match decided.obligations.as_slice() {
            [] => Cow::Borrowed("[]"),
            obligations => Value::from_iter(obligations.iter().map(Obligation::to_json)).to_string().into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(ground: Ground, action: Verdict, require_policy: bool) -> (Verdict, Option<Cause>, String) {
        let decided = LocalDecision {
            ground,
            action,
            reason: Cow::Borrowed("why"),
            matched_policy: None,
            policy_id: None,
            obligations: Vec::new(),
        };
        let decision = explain(decided, require_policy);
        (decision.verdict, decision.cause, decision.reason.unwrap().into_owned())
    }

    #[test]
    fn every_ground_has_its_cause() {
        use Verdict::{Allow, Block, Hold};
        for (ground, action, require_policy, verdict, cause) in [
            (Ground::BundleUnavailable, Block, false, Block, Some(Cause::Unavailable)),
            (Ground::BundleStale, Block, false, Block, Some(Cause::Stale)),
            (Ground::AgentUnresolved, Block, false, Block, Some(Cause::Config)),
            (Ground::AgentInactive, Block, false, Block, Some(Cause::Policy)),
            (Ground::NoActivePolicy, Allow, false, Allow, None),
            (Ground::NoActivePolicy, Allow, true, Block, Some(Cause::Config)),
            (Ground::NotEvaluable, Block, false, Block, Some(Cause::Invalid)),
            (Ground::Policy, Allow, true, Allow, None),
            (Ground::Policy, Block, false, Block, Some(Cause::Policy)),
        ] {
            let expected = (verdict, cause, "why".to_owned());
            assert_eq!(explained(ground, action, require_policy), expected, "{ground:?} {action:?}");
        }
        let held = format!("why{NO_APPROVAL_HERE}");
        assert_eq!(explained(Ground::Policy, Hold, false), (Block, Some(Cause::Approval), held));
    }

    #[test]
    fn a_ground_that_only_blocks_never_allows() {
        for ground in [
            Ground::BundleUnavailable,
            Ground::BundleStale,
            Ground::AgentUnresolved,
            Ground::AgentInactive,
            Ground::NotEvaluable,
        ] {
            for action in [Verdict::Allow, Verdict::Hold, Verdict::Block] {
                assert_eq!(explained(ground, action, false).0, Verdict::Block, "{ground:?} {action:?}");
            }
        }
    }
}
