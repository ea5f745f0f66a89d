//! Dispatch: makes a planned call through the proxy.

use std::sync::atomic::Ordering;

use serde_json::Value;

use super::Session;
use super::check::arguments_in;
use crate::client::Invocation;
use crate::config::CheckOptions;
use crate::plan::Resolution;
use crate::{Error, Result};

impl Session {
    /// Has the proxy make a call of the plan. The result is the tool's own. A tool that the plan does not have is refused
    /// before anything is sent.
    pub fn dispatch(&self, tool: &str, args: &str, options: &CheckOptions) -> Result<Value> {
        self.client().run(self.dispatch_async(tool, args, options))
    }

    pub(crate) async fn dispatch_async(&self, tool: &str, args: &str, options: &CheckOptions) -> Result<Value> {
        let arguments = arguments_in(args)?;
        let plan = self
            .0
            .plan
            .load_full()
            .ok_or_else(|| Error::InvalidState(format!("dispatch(\"{tool}\") called before start_plan().")))?;
        let (server, action) = match plan.plan.resolve(tool) {
            Resolution::Planned { server, action, .. } => (server, action),
            unplanned => {
                return Err(Error::IntentMismatch {
                    message: unplanned.refusal(tool).unwrap_or_default(),
                    action: Some(tool.to_owned()),
                    plan_hash: Some(plan.token.plan_hash.clone()),
                });
            }
        };
        let invocation = Invocation {
            mcp: server,
            action,
            token: &plan.token,
            arguments: arguments.text(),
            user_email: self.email_of(options.user_email.as_deref()),
        };
        let result = self.client().call_tool(&invocation, options.deadline()).await?;
        self.0.step_index.fetch_add(1, Ordering::AcqRel);
        Ok(result)
    }
}
