//! The decision about one call: the same engine and the same bundle as a client in local mode.

use armoriq::policy::local::{BundleState, LocalCall, decide as decide_from};
use armoriq::policy::{Bundle, Verdict};
use serde_json::Value;

use crate::clock::Instant;

/// A call, as far as a policy can see it.
pub struct Call<'a> {
    /// The MCP server, where it is known.
    pub server: Option<&'a str>,
    pub tool: &'a str,
    pub arguments: &'a Value,
    /// The user's email as it was given.
    pub user_email: Option<&'a str>,
    pub now: Instant,
}

#[derive(Clone, Debug)]
pub struct Decision {
    pub verdict: Verdict,
    pub reason: String,
    pub policy: Option<MatchedPolicy>,
    pub obligations: Vec<Value>,
}

/// The policy that decided.
#[derive(Clone, Debug)]
pub struct MatchedPolicy {
    pub id: Option<String>,
    pub name: String,
}

impl Decision {
    /// A block that no policy decided.
    pub fn block(reason: impl Into<String>) -> Self {
        Self { verdict: Verdict::Block, reason: reason.into(), policy: None, obligations: Vec::new() }
    }
}

/// Decides a call of the agent.
pub fn decide(bundle: &Bundle, agent_id: &str, call: &Call<'_>) -> Decision {
    let local =
        LocalCall { tool: call.tool, arguments: call.arguments, server: call.server, user_email: call.user_email };
    let decision = decide_from(BundleState::Current(bundle), Some(agent_id), &local, call.now.millis());
    Decision {
        verdict: decision.action,
        reason: decision.reason.into_owned(),
        policy: decision
            .matched_policy
            .map(|name| MatchedPolicy { id: decision.policy_id.map(str::to_owned), name: name.to_owned() }),
        obligations: decision.obligations.iter().map(|obligation| obligation.to_json()).collect(),
    }
}
