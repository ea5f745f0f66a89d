//! Checks that no thread waits in.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::Session;
use super::check::{Gate, arguments_in};
use super::plan::PlanState;
use crate::Result;
use crate::clock::since_1970;
use crate::config::{CheckOptions, SessionMode};
use crate::decision::Decision;

/// A check that has to ask the service. It has all that it needs, the plan of its session at that time included, and
/// can go on on another thread.
pub struct PendingCheck {
    session: Session,
    plan: Arc<PlanState>,
    tool: String,
    args: String,
    options: CheckOptions,
}

impl Session {
    /// As [`Session::check`], and waits for nothing: breaks with what `then` made of the decision, or goes on with a
    /// check that has to ask.
    pub fn check_at_once<T>(
        &self,
        tool: &str,
        args: &str,
        options: CheckOptions,
        then: impl FnOnce(&Decision<'_>) -> T,
    ) -> Result<ControlFlow<T, PendingCheck>> {
        self.client().open()?;
        let arguments = arguments_in(args)?;
        let plan = self.0.plan.load_full();
        let now = since_1970();
        let (plan, call) = match self.gate(plan.as_ref(), now, tool, &options) {
            Gate::Planned(plan, call) => (plan, call),
            Gate::Refused(refusal) => return Ok(ControlFlow::Break(then(&refusal))),
        };
        if self.mode() == SessionMode::Local {
            let policies = self.client().policies();
            if !policies.is_stale() {
                return Ok(ControlFlow::Break(self.decide_locally(&policies, &call, &arguments, now, then)));
            }
        }
        Ok(ControlFlow::Continue(PendingCheck {
            session: self.clone(),
            plan: plan.clone(),
            tool: tool.to_owned(),
            args: args.to_owned(),
            options,
        }))
    }
}

impl PendingCheck {
    /// The tool's name exactly as the caller gave it.
    pub fn tool(&self) -> &str {
        &self.tool
    }

    /// Decides, and hands the decision to `then`.
    pub async fn decide<T>(&self, then: impl FnOnce(&Decision<'_>) -> T) -> Result<T> {
        let Self { session, plan, tool, args, options } = self;
        let deadline = options.deadline();
        let arguments = arguments_in(args)?;
        // Before the clock is read: a token may expire in the wait.
        let policies = match session.mode() {
            SessionMode::Local => Some(session.local_policies_async(options.timeout).await),
            SessionMode::Sdk | SessionMode::Proxy => None,
        };
        let now = since_1970();
        match (session.gate(Some(plan), now, tool, options), policies) {
            (Gate::Refused(refusal), _) => Ok(then(&refusal)),
            (Gate::Planned(_, call), Some(policies)) => {
                Ok(session.decide_locally(&policies, &call, &arguments, now, then))
            }
            (Gate::Planned(plan, call), None) => Ok(then(&session.ask(plan, call, &arguments, deadline).await?)),
        }
    }
}
