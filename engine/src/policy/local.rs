//! Decisions in the caller's own process, from a bundle of policies and nothing else.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::bundle::{Bundle, Governance, Policy};
use super::call::{Arguments, Call, Member, Timestamp};
use super::document::default_reason;
use super::evaluate::{Bound, Evaluation, Obligation, evaluate_within};
use super::{Budget, EvaluationError, Verdict};

/// What is known of the service's policies.
#[derive(Debug, Clone, Copy)]
pub enum BundleState<'a> {
    /// They were never fetched.
    Unavailable,
    /// They were not confirmed for too long.
    Stale,
    Current(&'a Bundle),
}

/// A call that is to be decided.
#[derive(Debug, Clone, Copy)]
pub struct LocalCall<'a, A: ?Sized = Value> {
    /// The tool's name without its server.
    pub tool: &'a str,
    pub arguments: &'a A,
    /// The server that the tool is on, where that is known.
    pub server: Option<&'a str>,
    /// Who the agent acts for.
    pub user_email: Option<&'a str>,
}

/// A decision that was made without the service.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalDecision<'a> {
    pub ground: Ground,
    pub action: Verdict,
    pub reason: Cow<'a, str>,
    /// The policy's name.
    pub matched_policy: Option<&'a str>,
    pub policy_id: Option<&'a str>,
    pub obligations: Vec<Obligation<'a>>,
}

/// What a decision rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ground {
    /// There is no bundle.
    BundleUnavailable,
    /// The bundle is too old.
    BundleStale,
    /// No agent id is configured, or the bundle has no such agent.
    AgentUnresolved,
    AgentInactive,
    /// The agent has no policy.
    NoActivePolicy,
    /// The agent's policy gives no answer.
    NotEvaluable,
    /// The agent's policy decided.
    Policy,
}

/// Decides a call at `now`, in milliseconds since 1970.
///
/// `agent_id` is the id or the name of the configured agent; an empty one is none.
pub fn decide<'a, A>(
    state: BundleState<'a>,
    agent_id: Option<&str>,
    call: &LocalCall<'a, A>,
    now: i64,
) -> LocalDecision<'a>
where
    A: Arguments + ?Sized,
{
    let bundle = match state {
        BundleState::Unavailable => return refusal(Ground::BundleUnavailable, "policy-bundle-unavailable"),
        BundleState::Stale => return refusal(Ground::BundleStale, "policy-bundle-stale"),
        BundleState::Current(bundle) => bundle,
    };
    let Some(agent_id) = agent_id.filter(|id| !id.is_empty()) else {
        return refusal(Ground::AgentUnresolved, NO_AGENT_ID);
    };
    let Some(agent) = bundle.agent(agent_id) else {
        let reason = format!("agent_unresolved: no registered agent matches '{agent_id}'");
        return refusal(Ground::AgentUnresolved, reason);
    };
    match agent.governance() {
        Governance::Ungoverned { is_inactive: true } => refusal(Ground::AgentInactive, "agent_inactive"),
        Governance::Ungoverned { is_inactive: false } => {
            LocalDecision { action: Verdict::Allow, ..refusal(Ground::NoActivePolicy, "no_active_policy") }
        }
        Governance::Unreadable(error) => not_evaluable(error),
        Governance::Governed(policy) => match strictest(policy, call, now) {
            Ok(evaluation) => decision(policy, evaluation),
            Err(error) => not_evaluable(&error),
        },
    }
}

const NO_AGENT_ID: &str = "agent_unresolved: pass agent_id (or set AGENT_ID) to decide calls in local mode";

fn refusal<'a>(ground: Ground, reason: impl Into<Cow<'a, str>>) -> LocalDecision<'a> {
    let (action, reason) = (Verdict::Block, reason.into());
    LocalDecision { ground, action, reason, matched_policy: None, policy_id: None, obligations: Vec::new() }
}

fn not_evaluable<'a>(error: &EvaluationError) -> LocalDecision<'a> {
    refusal(Ground::NotEvaluable, format!("policy-not-evaluable: {}", error.message()))
}

fn decision<'a>(policy: &'a Policy, evaluation: Evaluation<'a>) -> LocalDecision<'a> {
    LocalDecision {
        ground: Ground::Policy,
        action: evaluation.verdict,
        reason: evaluation.provenance.rule.map_or(default_reason(evaluation.verdict), |rule| rule.reason).into(),
        matched_policy: policy.name.as_deref(),
        policy_id: policy.id.as_deref(),
        obligations: evaluation.obligations,
    }
}

/// Evaluates the call for each tool that its name may mean. The strictest counts, the first of several.
fn strictest<'a, A>(policy: &'a Policy, call: &LocalCall<'a, A>, now: i64) -> Result<Evaluation<'a>, EvaluationError>
where
    A: Arguments + ?Sized,
{
    let bound = Bound { agent: Some(&policy.document), ..Bound::default() };
    let mut evaluated = Call {
        tool: call.tool,
        arguments: Some(call.arguments),
        schema_hash: Some(&Value::Null),
        capabilities: Cow::Borrowed(&[]),
        timestamp: Timestamp::At(now),
        member: call.user_email.filter(|email| !email.is_empty()).map(|email| member(policy, email)).transpose()?,
        derived: None,
    };
    let budget = Budget::new();
    let mut strictest: Option<Evaluation<'_>> = None;
    for tool in policy.candidates(call.tool, call.server) {
        evaluated.schema_hash = Some(&tool.schema_hash);
        evaluated.capabilities = Cow::Borrowed(&tool.capabilities);
        let evaluation = evaluate_within(&budget, &evaluated, &bound)?;
        if strictest.as_ref().is_none_or(|best| evaluation.verdict > best.verdict) {
            strictest = Some(evaluation);
        }
    }
    match strictest {
        Some(evaluation) => Ok(evaluation),
        None => evaluate_within(&budget, &evaluated, &bound),
    }
}

/// The person as the policy knows them.
pub(super) fn member<'a>(policy: &'a Policy, email: &'a str) -> Result<Member<'a>, EvaluationError> {
    let membership_id = policy.membership(email).transpose()?;
    Ok(Member { membership_id, email: Some(email), ..Member::default() })
}

impl LocalDecision<'_> {
    pub fn is_allowed(&self) -> bool {
        self.action == Verdict::Allow
    }

    /// The decision as the official SDK's verdict.
    pub fn to_json(&self) -> Value {
        json!({
            "allowed": self.is_allowed(),
            "action": self.action.as_str(),
            "reason": self.reason,
            "matched_policy": self.matched_policy,
            "policy_id": self.policy_id,
            "obligations": self.obligations.iter().map(Obligation::to_json).collect::<Vec<_>>(),
        })
    }
}
