//! Requests for a human's approval, and their whole life: pending, then approved, rejected or expired; an approved one
//! is executed once.

use std::collections::HashMap;
use std::sync::Mutex;

use serde_json::{Value, json};

use super::lock;
use crate::clock::Instant;
use crate::config::normalised_email;

/// Beyond this many, delegations that are over are forgotten.
const KEPT: usize = 10_000;

/// A held call, as the client asked to have it approved.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub tool: String,
    pub action: String,
    pub arguments: Value,
    pub amount: f64,
    pub requester_email: String,
    pub requester_role: String,
    pub requester_limit: f64,
    pub domain: Option<String>,
    pub target_url: Option<String>,
    pub plan_id: Option<String>,
    pub intent_reference: Option<String>,
    pub merkle_root: Option<String>,
    pub reason: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Delegation {
    pub id: String,
    pub request: Request,
    pub created_at: Instant,
    /// When a request lapses that nobody decided, or an approval that nobody used.
    pub expires_at: Instant,
    decision: Option<Decision>,
    executed_at: Option<Instant>,
}

#[derive(Clone, Debug)]
struct Decision {
    approved: bool,
    by: String,
    role: String,
    at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Pending,
    Approved,
    Rejected,
    Expired,
    Executed,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Executed => "executed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Approved, Self::Rejected, Self::Expired, Self::Executed]
            .into_iter()
            .find(|status| status.as_str() == text)
    }
}

impl Delegation {
    pub fn status(&self, now: Instant) -> Status {
        match &self.decision {
            _ if self.executed_at.is_some() => Status::Executed,
            Some(decision) if !decision.approved => Status::Rejected,
            _ if now >= self.expires_at => Status::Expired,
            Some(_) => Status::Approved,
            None => Status::Pending,
        }
    }

    pub fn approver(&self) -> Option<(&str, &str)> {
        self.decision.as_ref().map(|decision| (&*decision.by, &*decision.role))
    }

    /// Everything about it, for the people who decide.
    pub fn to_json(&self, now: Instant) -> Value {
        let request = &self.request;
        json!({
            "delegationId": self.id,
            "status": self.status(now).as_str(),
            "tool": request.tool,
            "action": request.action,
            "arguments": request.arguments,
            "amount": request.amount,
            "requesterEmail": request.requester_email,
            "requesterRole": request.requester_role,
            "requesterLimit": request.requester_limit,
            "domain": request.domain,
            "targetUrl": request.target_url,
            "planId": request.plan_id,
            "intentReference": request.intent_reference,
            "merkleRoot": request.merkle_root,
            "reason": request.reason,
            "createdAt": self.created_at.iso(),
            "expiresAt": self.expires_at.iso(),
            "decidedBy": self.decision.as_ref().map(|decision| &decision.by),
            "decidedAt": self.decision.as_ref().map(|decision| decision.at.iso()),
            "executedAt": self.executed_at.map(Instant::iso),
        })
    }
}

/// Why a delegation was not decided or not executed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("no delegation `{0}`")]
    Unknown(String),
    #[error("the delegation is {}, not {}", .found.as_str(), .expected.as_str())]
    Status { expected: Status, found: Status },
    #[error("the delegation belongs to another plan")]
    OtherPlan,
    #[error("the delegation belongs to another user")]
    OtherUser,
}

#[derive(Default)]
pub struct Delegations {
    delegations: Mutex<HashMap<String, Delegation>>,
}

impl Delegations {
    pub fn create(&self, id: String, request: Request, now: Instant, expires_at: Instant) -> Delegation {
        let delegation = Delegation { id, request, created_at: now, expires_at, decision: None, executed_at: None };
        let mut delegations = lock(&self.delegations);
        if delegations.len() >= KEPT {
            delegations.retain(|_, kept| matches!(kept.status(now), Status::Pending | Status::Approved));
        }
        delegations.insert(delegation.id.clone(), delegation.clone());
        delegation
    }

    pub fn get(&self, id: &str) -> Option<Delegation> {
        lock(&self.delegations).get(id).cloned()
    }

    /// All of them, the oldest first.
    pub fn list(&self) -> Vec<Delegation> {
        let mut all: Vec<Delegation> = lock(&self.delegations).values().cloned().collect();
        all.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        all
    }

    /// The oldest approval that is still to be used for this user, tool, amount and plan.
    pub fn find_approved(
        &self,
        email: &str,
        tool: &str,
        amount: f64,
        plan_id: &str,
        now: Instant,
    ) -> Option<Delegation> {
        let email = normalised_email(email);
        let fits = |delegation: &&Delegation| {
            let request = &delegation.request;
            delegation.status(now) == Status::Approved
                && request.requester_email == email
                && request.tool == tool
                && request.amount == amount
                && request.plan_id.as_deref() == Some(plan_id)
        };
        let delegations = lock(&self.delegations);
        delegations.values().filter(fits).min_by_key(|delegation| (delegation.created_at, &delegation.id)).cloned()
    }

    /// Approves or rejects a pending one.
    pub fn decide(&self, id: &str, approved: bool, by: &str, role: &str, now: Instant) -> Result<Delegation, Refusal> {
        let mut delegations = lock(&self.delegations);
        let delegation = delegations.get_mut(id).ok_or_else(|| Refusal::Unknown(id.to_owned()))?;
        match delegation.status(now) {
            Status::Pending => {
                delegation.decision = Some(Decision { approved, by: by.to_owned(), role: role.to_owned(), at: now });
                Ok(delegation.clone())
            }
            found => Err(Refusal::Status { expected: Status::Pending, found }),
        }
    }

    /// Spends an approval. Of any number of callers one succeeds, also of those that repeat a request: whoever asks
    /// again cannot be told from someone else who spends the approval a second time.
    pub fn execute(&self, id: &str, email: &str, plan_id: Option<&str>, now: Instant) -> Result<Delegation, Refusal> {
        let mut delegations = lock(&self.delegations);
        let delegation = delegations.get_mut(id).ok_or_else(|| Refusal::Unknown(id.to_owned()))?;
        if delegation.request.requester_email != normalised_email(email) {
            return Err(Refusal::OtherUser);
        }
        if delegation.request.plan_id.as_deref() != plan_id {
            return Err(Refusal::OtherPlan);
        }
        match delegation.status(now) {
            Status::Approved => {
                delegation.executed_at = Some(now);
                Ok(delegation.clone())
            }
            found => Err(Refusal::Status { expected: Status::Approved, found }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Instant {
        Instant::from_millis(millis)
    }

    fn request(plan_id: Option<&str>) -> Request {
        Request {
            tool: "pay".into(),
            action: "pay".into(),
            arguments: json!({ "amount": 250 }),
            amount: 250.0,
            requester_email: "alice@example.com".into(),
            requester_role: "agent_user".into(),
            requester_limit: 0.0,
            domain: None,
            target_url: None,
            plan_id: plan_id.map(str::to_owned),
            intent_reference: None,
            merkle_root: None,
            reason: None,
        }
    }

    fn approved() -> Delegations {
        let delegations = Delegations::default();
        delegations.create("d".into(), request(Some("p")), at(0), at(100));
        delegations.decide("d", true, "bob@example.com", "approver", at(1)).unwrap();
        delegations
    }

    #[test]
    fn an_approval_fits_one_user_tool_amount_and_plan() {
        let delegations = approved();
        let found =
            |email, tool, amount, plan, now| delegations.find_approved(email, tool, amount, plan, at(now)).is_some();
        assert!(found(" Alice@Example.com", "pay", 250.0, "p", 2));
        assert!(!found("bob@example.com", "pay", 250.0, "p", 2));
        assert!(!found("alice@example.com", "refund", 250.0, "p", 2));
        assert!(!found("alice@example.com", "pay", 250.01, "p", 2));
        assert!(!found("alice@example.com", "pay", 250.0, "q", 2));
        assert!(!found("alice@example.com", "pay", 250.0, "p", 100), "expired");
    }

    #[test]
    fn an_approval_is_spent_once() {
        let delegations = approved();
        let execute = |email, plan| delegations.execute("d", email, plan, at(2)).map(|_| ());
        assert_eq!(execute("bob@example.com", Some("p")), Err(Refusal::OtherUser));
        assert_eq!(execute("alice@example.com", Some("q")), Err(Refusal::OtherPlan));
        assert_eq!(execute("alice@example.com", None), Err(Refusal::OtherPlan));
        assert_eq!(execute("alice@example.com", Some("p")), Ok(()));
        let spent = Refusal::Status { expected: Status::Approved, found: Status::Executed };
        assert_eq!(execute("alice@example.com", Some("p")), Err(spent));
        assert!(delegations.find_approved("alice@example.com", "pay", 250.0, "p", at(3)).is_none());
    }

    #[test]
    fn only_a_pending_request_is_decided() {
        let delegations = approved();
        let refusal = delegations.decide("d", false, "bob", "approver", at(2)).unwrap_err();
        assert_eq!(refusal, Refusal::Status { expected: Status::Pending, found: Status::Approved });
        delegations.create("e".into(), request(None), at(0), at(100));
        let refusal = delegations.decide("e", true, "bob", "approver", at(100)).unwrap_err();
        assert_eq!(refusal, Refusal::Status { expected: Status::Pending, found: Status::Expired });
        assert_eq!(delegations.decide("f", true, "bob", "approver", at(1)).unwrap_err(), Refusal::Unknown("f".into()));
    }

    #[test]
    fn a_rejection_stays_a_rejection() {
        let delegations = Delegations::default();
        delegations.create("d".into(), request(Some("p")), at(0), at(100));
        delegations.decide("d", false, "bob", "approver", at(1)).unwrap();
        assert_eq!(delegations.get("d").unwrap().status(at(1000)), Status::Rejected);
        let refusal = delegations.execute("d", "alice@example.com", Some("p"), at(2)).unwrap_err();
        assert_eq!(refusal, Refusal::Status { expected: Status::Approved, found: Status::Rejected });
    }
}
