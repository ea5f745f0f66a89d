//! Starting a plan: mint a token for it, re-anchor the token to a plan that grew, or keep both where nothing changed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use once_cell::race::OnceBox;
use serde_json::Value;

use super::Session;
use crate::client::{MintRequest, ReanchorRequest, TokenStanding};
use crate::clock::since_1970;
use crate::config::SessionMode;
use crate::decision::{Cause, Decision};
use crate::json::{self, json};
use crate::plan::Plan;
use crate::token::IntentToken;
use crate::{Error, Result};

/// How the plan in force came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlanStart {
    Minted,
    Reanchored,
    Unchanged,
}

impl PlanStart {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Minted => "minted",
            Self::Reanchored => "reanchored",
            Self::Unchanged => "unchanged",
        }
    }
}

/// The plan in force, with the token that was issued for it.
pub(super) struct PlanState {
    pub(super) plan: Arc<Plan>,
    pub(super) token: Arc<IntentToken>,
    pub(super) start: PlanStart,
    shown: OnceBox<ShownToken>,
    /// What local mode may think of the token; the other modes leave that to the service.
    standing: Option<TokenStanding>,
}

/// What each check that asks the service shows it of the token, as JSON text: written once.
pub(super) struct ShownToken {
    pub(super) signed: String,
    /// The plan as the token has it.
    pub(super) plan: String,
    pub(super) policy_snapshot: String,
}

impl ShownToken {
    fn of(token: &IntentToken) -> Self {
        Self {
            signed: token.signed().to_string(),
            plan: token.raw_token.get("plan").unwrap_or(&Value::Null).to_string(),
            policy_snapshot: json!(token.policy_snapshot).to_string(),
        }
    }
}

impl PlanState {
    pub(super) fn shown(&self) -> &ShownToken {
        self.shown.get_or_init(|| Box::new(ShownToken::of(&self.token)))
    }

    /// Why local mode refuses every call under this token, if it does. The signature was looked at when the token
    /// came; its expiry is looked at now.
    pub(super) fn token_refusal(&self, now: f64) -> Option<Decision<'static>> {
        if self.token.is_expired(now) {
            return Some(Decision::block(Cause::Token, "token-expired"));
        }
        let refusal = match self.standing.as_ref()? {
            TokenStanding::Signed { until } if now < *until => return None,
            TokenStanding::Signed { .. } | TokenStanding::OtherPlan => {
                Decision::block(Cause::Token, "token-claims-invalid")
            }
            TokenStanding::Unsigned => Decision::block(Cause::Token, "token-signature-invalid"),
            TokenStanding::Unknown => Decision::block(Cause::Unavailable, "token-signature-invalid"),
        };
        Some(refusal)
    }
}

impl Session {
    /// Declares the tool calls of this turn. The result is the intent token as JSON.
    ///
    /// On any failure the plan that was in force stays in force.
    pub fn start_plan(&self, tool_calls: &str, goal: Option<&str>) -> Result<Value> {
        self.client().run(self.start_plan_async(tool_calls, goal))
    }

    pub(crate) async fn start_plan_async(&self, tool_calls: &str, goal: Option<&str>) -> Result<Value> {
        let tool_calls =
            json::parse(tool_calls).map_err(|error| Error::InvalidArgument(format!("tool_calls: {error}")))?;
        let plan = Plan::build(&tool_calls, goal, self.0.options.default_mcp_name.as_deref())?;
        let token = self.begin(Arc::new(plan)).await?;
        if self.mode() == SessionMode::Local {
            self.client().keep_policies();
        }
        Ok(token)
    }

    async fn begin(&self, plan: Arc<Plan>) -> Result<Value> {
        let planning = self.0.planning.get();
        let _planning = planning.lock().await;
        let local = self.mode() == SessionMode::Local;
        if local {
            self.client().ensure_iap_key().await;
            self.client().revalidate_policies().await;
        }
        let held = self.0.plan.load_full().filter(|held| !held.token.is_expired(since_1970().as_secs_f64()));
        let (token, start) = match held {
            None => (self.mint(&plan).await?, PlanStart::Minted),
            Some(held) if held.plan.declares_the_same(&plan) => (held.token.clone(), PlanStart::Unchanged),
            Some(held) => {
                let reanchor =
                    ReanchorRequest { reason: Some("plan grew"), ..ReanchorRequest::new(&held.token, plan.json()) };
                self.client().reanchor_plan(&reanchor).await?;
                (held.token.clone(), PlanStart::Reanchored)
            }
        };
        let standing = if local { Some(self.client().token_standing(&token).await) } else { None };
        let answer = token.to_json();
        if start != PlanStart::Unchanged {
            self.0.step_index.store(0, Ordering::Release);
        }
        self.0.plan.store(Some(Arc::new(PlanState { plan, token, start, shown: OnceBox::new(), standing })));
        Ok(answer)
    }

    async fn mint(&self, plan: &Plan) -> Result<Arc<IntentToken>> {
        let request = MintRequest {
            plan: plan.json(),
            policy: None,
            validity_seconds: &self.0.options.validity_seconds,
            user_email: self.0.user_email.as_deref(),
        };
        self.client().mint(request).await.map(Arc::new)
    }
}
