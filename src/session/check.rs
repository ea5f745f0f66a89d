//! Checks: may this call go ahead?

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Session;
use super::answer::{self, Decider};
use super::plan::PlanState;
use crate::Error;
use crate::client::Call;
use crate::clock::since_1970;
use crate::config::{CheckOptions, SessionMode};
use crate::decision::{Cause, Decision, Verdict};
use crate::error::Result;
use crate::json::{ObjectWriter, Tape};
use crate::plan::Resolution;

/// A call that the plan has: on which server, and which tool of it.
pub(super) struct PlannedCall<'a> {
    /// The tool's name exactly as the caller gave it.
    pub(super) name: &'a str,
    pub(super) server: &'a str,
    pub(super) action: &'a str,
    /// Whether the name itself said which server.
    pub(super) qualified: bool,
    pub(super) user_email: Option<&'a str>,
}

/// What is known of a call before anybody is asked about it.
pub(super) enum Gate<'a> {
    /// It needs no further questions.
    Refused(Decision<'static>),
    Planned(&'a Arc<PlanState>, PlannedCall<'a>),
}

/// The decision where this process had nothing to ask with, no thread or no descriptor: an outage like any other.
pub(super) fn unasked(error: Error) -> Result<Decision<'static>> {
    match error {
        Error::Service { message, .. } => {
            Ok(Decision::block(Cause::Unavailable, format!("enforce-unavailable: {message}")))
        }
        other => Err(other),
    }
}

/// The arguments of a call as a caller wrote them.
pub(super) fn arguments_in(args: &str) -> Result<Tape<'_>> {
    Tape::object(args).map_err(|error| Error::InvalidArgument(format!("args: {error}")))
}

impl Session {
    /// Decides one call and hands the decision to `then`. Every decision is `Ok`, the blocking ones included.
    pub fn check<T>(
        &self,
        tool: &str,
        args: &str,
        options: &CheckOptions,
        then: impl FnOnce(&Decision<'_>) -> T,
    ) -> Result<T> {
        self.client().open()?;
        let arguments = arguments_in(args)?;
        // Before the clock is read: a token may expire in the wait for policies that are stale.
        let policies = (self.mode() == SessionMode::Local).then(|| self.local_policies(options.timeout));
        let plan = self.0.plan.load();
        let now = since_1970();
        match (self.gate(plan.as_ref(), now, tool, options), policies) {
            (Gate::Refused(refusal), _) => Ok(then(&refusal)),
            (Gate::Planned(_, call), Some(policies)) => {
                Ok(self.decide_locally(&policies, &call, &arguments, now, then))
            }
            (Gate::Planned(plan, call), None) => {
                let plan = Arc::clone(plan);
                let asked = self.client().run(self.ask(&plan, call, &arguments, options.deadline()));
                let decision = asked.or_else(unasked)?;
                Ok(then(&decision))
            }
        }
    }

    /// What is decided before anybody is asked: whether there is a plan, a token that may be used, and the tool in it.
    pub(super) fn gate<'c>(
        &'c self,
        plan: Option<&'c Arc<PlanState>>,
        now: Duration,
        tool: &'c str,
        options: &'c CheckOptions,
    ) -> Gate<'c> {
        let Some(plan) = plan else {
            return Gate::Refused(Decision::block(Cause::Plan, "No intent token — call start_plan() first"));
        };
        if self.mode() == SessionMode::Local
            && let Some(refusal) = plan.token_refusal(now.as_secs_f64())
        {
            return Gate::Refused(refusal);
        }
        match plan.plan.resolve(tool) {
            Resolution::Planned { server, action, qualified } => {
                let user_email = self.email_of(options.user_email.as_deref());
                Gate::Planned(plan, PlannedCall { name: tool, server, action, qualified, user_email })
            }
            // Names come from language models: one that resolves to nothing is a decision, not a misuse.
            unplanned => Gate::Refused(Decision::block(Cause::Plan, unplanned.refusal(tool).unwrap_or_default())),
        }
    }

    /// Asks the service, and goes through the approval of a hold.
    pub(super) async fn ask(
        &self,
        plan: &PlanState,
        call: PlannedCall<'_>,
        arguments: &Tape<'_>,
        deadline: Option<Instant>,
    ) -> Result<Decision<'static>> {
        let (decider, question) = match self.mode() {
            SessionMode::Proxy => (Decider::Proxy, self.proxy_question(plan, &call, arguments)),
            SessionMode::Sdk | SessionMode::Local => {
                (Decider::Backend, Ok(self.backend_question(plan, &call, arguments)))
            }
        };
        let question = match question {
            Ok(question) => question,
            Err(error) => return Ok(Decision::block(Cause::Config, format!("enforce-unavailable: {error}"))),
        };
        let question = question.limit(10).at_most(answer::MOST_BYTES).deadline(deadline);
        let sent = question.conceal(plan.token.jwt_token.as_deref()).send(self.client()).await;
        let decision = match sent {
            Ok(response) if response.says_revoked() => Decision::block(Cause::Token, "token-revoked"),
            Ok(response) => {
                let answer = answer::read(decider, response.status(), response.body());
                if decider == Decider::Backend && answer.misses_inventory {
                    self.client().repeat_inventory();
                }
                answer.decision
            }
            Err(error) => return Ok(Decision::block(Cause::Unavailable, format!("enforce-unavailable: {error}"))),
        };
        match decision.verdict {
            // Boxed, since it is larger than all that every other check needs.
            Verdict::Hold => Ok(Box::pin(self.hold(plan, &call, arguments, decision, deadline)).await),
            Verdict::Allow | Verdict::Block => Ok(decision),
        }
    }

    fn backend_question(&self, plan: &PlanState, call: &PlannedCall<'_>, arguments: &Tape<'_>) -> Call {
        let config = self.client().config();
        let mut body = ObjectWriter::new();
        body.text("mcp", call.server).text("tool", call.action).text("wireName", call.name);
        body.optional("mcpServer", self.known_server(call));
        let snapshot_hash = config.named_agent().map(|_| self.client().tools_snapshot_hash());
        body.optional("toolsSnapshotHash", snapshot_hash.as_ref());
        body.raw("arguments", arguments.text())
            .raw("intent_token", &plan.shown().signed)
            .raw("policy_snapshot", &plan.shown().policy_snapshot)
            .text("session_id", &self.0.session_id)
            .value("user_email", &call.user_email)
            .value("agent_id", &config.named_agent());
        Call::post(self.client().backend_url("/iap/sdk/enforce", &[]), body.finish())
    }

    fn proxy_question(&self, plan: &PlanState, call: &PlannedCall<'_>, arguments: &Tape<'_>) -> Result<Call> {
        let config = self.client().config();
        let mut body = ObjectWriter::new();
        body.value("enforce_only", &true)
            .text("mcp", call.server)
            .text("tool", call.action)
            .text("action", call.action)
            .raw("params", arguments.text())
            .raw("arguments", arguments.text())
            .raw("intent_token", &plan.shown().signed)
            .raw("plan", &plan.shown().plan)
            .optional("agent_id", config.named_agent())
            .optional("user_email", call.user_email);
        if plan.token.policy_snapshot.as_ref().is_some_and(|snapshot| !snapshot.is_empty()) {
            body.raw("policy_snapshot", &plan.shown().policy_snapshot);
        }
        Ok(Call::post(format!("{}/invoke", config.proxy()?), body.finish()))
    }

    /// The server, where it is known and not just the session's default.
    #[inline]
    pub(super) fn known_server<'a>(&self, call: &PlannedCall<'a>) -> Option<&'a str> {
        let server = call.server;
        let default = self.0.options.default_mcp_name.as_deref();
        let known = !server.is_empty() && Some(server) != default && server != "unknown";
        (call.qualified || known).then_some(server)
    }
}
