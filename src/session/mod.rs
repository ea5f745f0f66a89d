//! Sessions: one logical turn of an agent, which plans its tool calls and asks before each of them.

pub(crate) mod answer;
mod approval;
#[cfg(test)]
mod approval_tests;
mod batch;
mod check;
mod dispatch;
mod hold;
mod local;
mod pending;
mod plan;
mod report;
#[cfg(test)]
mod tests;
mod tools;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use serde_json::{Value, json};

pub use approval::ApprovalOptions;

use crate::client::Client;
use crate::config::{SessionMode, SessionOptions};
use crate::fork::PerProcess;
use plan::PlanState;

/// A session. Cloning is cheap, and every clone is the same session.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    client: Client,
    /// Whose session it is: trimmed, lower case.
    user_email: Option<Arc<str>>,
    options: SessionOptions,
    session_id: String,
    /// The plan in force. A check reads it and takes no lock.
    plan: ArcSwapOption<PlanState>,
    /// Held while a plan is started, so that two of them cannot mix.
    planning: PerProcess<tokio::sync::Mutex<()>>,
    step_index: AtomicU64,
}

impl Session {
    pub(crate) fn new(client: Client, user_email: Option<Arc<str>>, options: SessionOptions) -> Self {
        let session_id = options.choose_session_id();
        Self(Arc::new(Inner {
            client,
            user_email,
            session_id,
            options,
            plan: ArcSwapOption::empty(),
            planning: PerProcess::new(),
            step_index: AtomicU64::new(0),
        }))
    }

    /// Forgets the plan and its token.
    pub fn reset(&self) {
        self.0.plan.store(None);
        self.0.step_index.store(0, Ordering::Release);
    }

    /// What the session is and where it stands.
    pub fn info(&self) -> Value {
        let plan = self.0.plan.load();
        json!({
            "session_id": self.0.session_id,
            "mode": self.0.options.mode.as_str(),
            "user_email": self.0.user_email.as_deref(),
            "last_plan_start": plan.as_ref().map(|plan| plan.start.as_str()),
            "current_token": plan.as_ref().map(|plan| plan.token.to_json()),
        })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.0.client
    }

    fn mode(&self) -> SessionMode {
        self.0.options.mode
    }

    /// Whose call it is: the one that the call names, else the session's user.
    fn email_of<'a>(&'a self, named: Option<&'a str>) -> Option<&'a str> {
        named.or(self.0.user_email.as_deref())
    }
}
