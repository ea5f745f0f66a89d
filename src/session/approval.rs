//! Waiting for a human's approval.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::Session;
use crate::client::{DelegationStatus, used_before};
use crate::clock::deadline_after;
use crate::config::Reader;
use crate::{Error, Result};

/// The longest wait between two looks once the service asked for fewer of them.
const LONGEST_INTERVAL: Duration = Duration::from_secs(15);
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);
/// The least time that the mark of an approval has.
const TIME_TO_MARK: Duration = Duration::from_secs(2);

/// How long to wait for an approval, and how often to look.
#[derive(Debug, Clone, PartialEq)]
pub struct ApprovalOptions {
    pub timeout: Duration,
    pub interval: Duration,
    pub user_email: Option<String>,
}

impl ApprovalOptions {
    pub fn from_json(members: &Map<String, Value>) -> Result<Self> {
        Reader::read(members, Self::read)
    }

    pub fn read(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self {
            timeout: reader.milliseconds("timeout_ms")?.unwrap_or(Duration::from_secs(300)),
            interval: reader.milliseconds("interval_ms")?.unwrap_or(Duration::from_secs(5)),
            user_email: reader.string("user_email")?,
        })
    }
}

impl Session {
    /// Waits until the approval was given, refused or expired, or the time is over. An approval that was given is
    /// marked as used, so that it counts once: of those who wait for the same one, one gets it.
    pub fn await_approval(&self, delegation_id: &str, options: &ApprovalOptions) -> Result<Value> {
        self.client().run(self.await_approval_async(delegation_id, options))
    }

    pub(crate) async fn await_approval_async(&self, delegation_id: &str, options: &ApprovalOptions) -> Result<Value> {
        if delegation_id.is_empty() {
            return Err(Error::invalid_argument("delegation_id is empty"));
        }
        let status = self.approval(delegation_id, options).await?;
        Ok(json!({ "status": status }))
    }

    async fn approval(&self, delegation_id: &str, options: &ApprovalOptions) -> Result<&'static str> {
        let deadline = deadline_after(Some(options.timeout));
        let mut interval = options.interval.max(SHORTEST_INTERVAL);
        let mut waiter = self.client().wait_for(delegation_id, deadline);
        let mut status = waiter.look().await;
        loop {
            match status {
                Ok(DelegationStatus::Approved) => {
                    return self.take_approval(delegation_id, options, deadline).await.map(|()| "approved");
                }
                Ok(DelegationStatus::Rejected) => return Ok("rejected"),
                Ok(DelegationStatus::Expired) => return Ok("expired"),
                Ok(DelegationStatus::Executed) => return Err(used_before(delegation_id)),
                Ok(DelegationStatus::Pending) => {}
                Err(Error::Delegation { status_code: Some(429 | 502 | 503 | 504), .. }) => {
                    interval = interval.saturating_mul(2).min(LONGEST_INTERVAL);
                }
                Err(Error::Timeout(_)) if waiter.is_over() => return Ok("timeout"),
                Err(error) => return Err(error),
            }
            let news = waiter.pause(interval).await;
            if waiter.is_over() && news.is_none() {
                return Ok("timeout");
            }
            status = match news {
                Some(news) => news,
                None => waiter.look().await,
            };
        }
    }

    /// Spends an approval that was given. It is somebody's decision by now, so the mark has a little time even where it
    /// came at the last moment.
    async fn take_approval(
        &self,
        delegation_id: &str,
        options: &ApprovalOptions,
        deadline: Option<Instant>,
    ) -> Result<()> {
        let email = self.approver_visible_email(options.user_email.as_deref());
        let email = email.ok_or_else(|| Error::invalid_argument("user_email is missing: the session has no user"))?;
        let plan = self.0.plan.load_full();
        let plan_id = plan.as_ref().and_then(|plan| plan.token.plan_id());
        let deadline = deadline.max(deadline_after(Some(TIME_TO_MARK)));
        self.client().spend_approval(delegation_id, None, email, plan_id, deadline).await
    }
}
