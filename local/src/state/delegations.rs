//! Requests for a human's approval, and their whole life: pending, then approved, rejected or expired; an approved one
//! is executed once, and lets one call through the proxy.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use armoriq::json::canonical;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::lock;
use super::storage::{Kind, Storage, StorageError};
use crate::clock::Instant;
use crate::config::normalised_email;

/// Beyond this many, delegations that are over are forgotten.
const KEPT: usize = 10_000;

/// A held call, as the client asked to have it approved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Delegation {
    pub id: String,
    /// Counts up: two may be of the same millisecond.
    number: u64,
    pub request: Request,
    pub created_at: Instant,
    /// When a request lapses that nobody decided, or an approval that nobody used.
    pub expires_at: Instant,
    decision: Option<Decision>,
    executed_at: Option<Instant>,
    /// When the proxy let the approved call through.
    forwarded_at: Option<Instant>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
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
            "forwardedAt": self.forwarded_at.map(Instant::iso),
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
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A held call that comes to the proxy, perhaps with an approval.
pub struct HeldCall<'a> {
    /// The delegation that the client says was approved.
    pub id: Option<&'a str>,
    pub server: &'a str,
    pub tool: &'a str,
    pub arguments: &'a Value,
    pub email: &'a str,
    pub plan_id: &'a str,
}

impl HeldCall<'_> {
    /// Whether the delegation lets this very call through. An approval that was marked executed needs no mention: the
    /// SDKs spend it when they check a call, and then make the call.
    fn fits(&self, delegation: &Delegation, now: Instant) -> bool {
        let request = &delegation.request;
        let usable = match delegation.status(now) {
            Status::Approved => self.id.is_some(),
            Status::Executed => now < delegation.expires_at,
            Status::Pending | Status::Rejected | Status::Expired => false,
        };
        usable
            && delegation.forwarded_at.is_none()
            && self.id.is_none_or(|id| id == delegation.id)
            && request.requester_email == normalised_email(self.email)
            && request.tool == self.tool
            && request.domain.as_deref().is_none_or(|server| server == self.server)
            && request.plan_id.as_deref() == Some(self.plan_id)
            && canonical(&request.arguments) == canonical(self.arguments)
    }
}

#[derive(Default)]
pub struct Delegations {
    delegations: Mutex<HashMap<String, Delegation>>,
    storage: Arc<Storage>,
}

impl Delegations {
    pub fn load(storage: Arc<Storage>) -> Result<Self, StorageError> {
        let delegations = Mutex::new(storage.load(Kind::Delegation)?.into_iter().collect());
        Ok(Self { delegations, storage })
    }

    pub fn create(
        &self,
        id: String,
        request: Request,
        now: Instant,
        expires_at: Instant,
    ) -> Result<Delegation, StorageError> {
        let mut delegations = lock(&self.delegations);
        let number = delegations.values().map(|kept| kept.number + 1).max().unwrap_or_default();
        let delegation = Delegation {
            id,
            number,
            request,
            created_at: now,
            expires_at,
            decision: None,
            executed_at: None,
            forwarded_at: None,
        };
        let mut batch = self.storage.batch();
        batch.put(Kind::Delegation, &delegation.id, &delegation)?;
        let is_over = |kept: &Delegation| !matches!(kept.status(now), Status::Pending | Status::Approved);
        let full = delegations.len() >= KEPT;
        if full {
            delegations.values().filter(|kept| is_over(kept)).for_each(|kept| batch.remove(Kind::Delegation, &kept.id));
        }
        batch.commit()?;
        if full {
            delegations.retain(|_, kept| !is_over(kept));
        }
        delegations.insert(delegation.id.clone(), delegation.clone());
        Ok(delegation)
    }

    pub fn get(&self, id: &str) -> Option<Delegation> {
        lock(&self.delegations).get(id).cloned()
    }

    /// All of them, the oldest first.
    pub fn list(&self) -> Vec<Delegation> {
        let mut all: Vec<Delegation> = lock(&self.delegations).values().cloned().collect();
        all.sort_by_key(|delegation| delegation.number);
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
        delegations.values().filter(fits).min_by_key(|delegation| delegation.number).cloned()
    }

    /// Approves or rejects a pending one.
    pub fn decide(&self, id: &str, approved: bool, by: &str, role: &str, now: Instant) -> Result<Delegation, Refusal> {
        self.change(id, |delegation| match delegation.status(now) {
            Status::Pending => {
                delegation.decision = Some(Decision { approved, by: by.to_owned(), role: role.to_owned(), at: now });
                Ok(())
            }
            found => Err(Refusal::Status { expected: Status::Pending, found }),
        })
    }

    /// Spends an approval. Of any number of callers one succeeds, also of those that repeat a request: whoever asks
    /// again cannot be told from someone else who spends the approval a second time.
    pub fn execute(&self, id: &str, email: &str, plan_id: Option<&str>, now: Instant) -> Result<Delegation, Refusal> {
        self.change(id, |delegation| {
            if delegation.request.requester_email != normalised_email(email) {
                return Err(Refusal::OtherUser);
            }
            if delegation.request.plan_id.as_deref() != plan_id {
                return Err(Refusal::OtherPlan);
            }
            match delegation.status(now) {
                Status::Approved => {
                    delegation.executed_at = Some(now);
                    Ok(())
                }
                found => Err(Refusal::Status { expected: Status::Approved, found }),
            }
        })
    }

    /// Whether an approval would let the held call through.
    pub fn lets_through(&self, call: &HeldCall<'_>, now: Instant) -> bool {
        lock(&self.delegations).values().any(|delegation| call.fits(delegation, now))
    }

    /// Lets a held call through by the oldest approval that fits, which then fits no other call.
    pub fn let_through(&self, call: &HeldCall<'_>, now: Instant) -> Result<Option<Delegation>, StorageError> {
        let mut delegations = lock(&self.delegations);
        let fitting = delegations.values_mut().filter(|delegation| call.fits(delegation, now));
        let Some(delegation) = fitting.min_by_key(|delegation| delegation.number) else {
            return Ok(None);
        };
        let changed = Delegation { forwarded_at: Some(now), ..delegation.clone() };
        self.storage.put(Kind::Delegation, &changed.id, &changed)?;
        delegation.clone_from(&changed);
        Ok(Some(changed))
    }

    fn change(
        &self,
        id: &str,
        change: impl FnOnce(&mut Delegation) -> Result<(), Refusal>,
    ) -> Result<Delegation, Refusal> {
        let mut delegations = lock(&self.delegations);
        let delegation = delegations.get_mut(id).ok_or_else(|| Refusal::Unknown(id.to_owned()))?;
        let mut changed = delegation.clone();
        change(&mut changed)?;
        self.storage.put(Kind::Delegation, id, &changed)?;
        delegation.clone_from(&changed);
        Ok(changed)
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
        delegations.create("d".into(), request(Some("p")), at(0), at(100)).unwrap();
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
    fn what_cannot_be_written_does_not_happen() {
        let storage = Arc::new(Storage::that_may_fail());
        let delegations = Delegations::load(Arc::clone(&storage)).unwrap();
        delegations.create("d".into(), request(Some("p")), at(0), at(100)).unwrap();
        delegations.create("e".into(), request(Some("p")), at(0), at(100)).unwrap();
        delegations.decide("d", true, "bob", "approver", at(1)).unwrap();
        storage.fail();
        assert!(delegations.create("f".into(), request(None), at(0), at(100)).is_err());
        assert!(delegations.decide("e", true, "bob", "approver", at(1)).is_err());
        assert!(delegations.execute("d", "alice@example.com", Some("p"), at(2)).is_err());
        let arguments = json!({ "amount": 250 });
        assert!(delegations.let_through(&held(Some("d"), &arguments), at(2)).is_err());
        let status = |id: &str| delegations.get(id).map(|delegation| delegation.status(at(2)));
        assert_eq!((status("d"), status("e"), status("f")), (Some(Status::Approved), Some(Status::Pending), None));
    }

    fn held<'a>(id: Option<&'a str>, arguments: &'a Value) -> HeldCall<'a> {
        HeldCall { id, server: "s", tool: "pay", arguments, email: "alice@example.com", plan_id: "p" }
    }

    #[test]
    fn an_approval_lets_one_call_through_whether_it_is_spent_before_or_after() {
        let arguments = json!({ "amount": 250 });
        let approvals = approved();
        assert!(approvals.let_through(&held(None, &arguments), at(2)).unwrap().is_none(), "neither named nor spent");
        assert!(approvals.let_through(&held(Some("e"), &arguments), at(2)).unwrap().is_none());
        assert!(approvals.lets_through(&held(Some("d"), &arguments), at(2)));
        assert!(approvals.let_through(&held(Some("d"), &arguments), at(2)).unwrap().is_some());
        assert!(approvals.let_through(&held(Some("d"), &arguments), at(2)).unwrap().is_none(), "a second call");
        approvals.execute("d", "alice@example.com", Some("p"), at(3)).unwrap();
        assert!(approvals.let_through(&held(None, &arguments), at(4)).unwrap().is_none());

        let approvals = approved();
        approvals.execute("d", "alice@example.com", Some("p"), at(2)).unwrap();
        assert!(approvals.let_through(&held(None, &arguments), at(100)).unwrap().is_none(), "expired");
        assert!(approvals.let_through(&held(None, &arguments), at(3)).unwrap().is_some());
        assert!(approvals.let_through(&held(None, &arguments), at(3)).unwrap().is_none());
    }

    #[test]
    fn an_approval_lets_no_other_call_through() {
        let arguments = json!({ "amount": 250 });
        let approvals = approved();
        approvals.execute("d", "alice@example.com", Some("p"), at(2)).unwrap();
        let fits = |call: HeldCall<'_>| approvals.lets_through(&call, at(3));
        assert!(fits(held(None, &arguments)));
        assert!(!fits(held(None, &json!({ "amount": 251 }))));
        assert!(!fits(HeldCall { tool: "refund", ..held(None, &arguments) }));
        assert!(!fits(HeldCall { email: "bob@example.com", ..held(None, &arguments) }));
        assert!(!fits(HeldCall { plan_id: "q", ..held(None, &arguments) }));
        let mut named = request(Some("p"));
        named.domain = Some("t".into());
        approvals.create("e".into(), named, at(0), at(100)).unwrap();
        approvals.decide("e", true, "bob", "approver", at(1)).unwrap();
        assert!(!fits(held(Some("e"), &arguments)), "another server");
        assert!(fits(HeldCall { server: "t", ..held(Some("e"), &arguments) }));
    }

    #[test]
    fn only_a_pending_request_is_decided() {
        let delegations = approved();
        let refusal = delegations.decide("d", false, "bob", "approver", at(2)).unwrap_err();
        assert_eq!(refusal, Refusal::Status { expected: Status::Pending, found: Status::Approved });
        delegations.create("e".into(), request(None), at(0), at(100)).unwrap();
        let refusal = delegations.decide("e", true, "bob", "approver", at(100)).unwrap_err();
        assert_eq!(refusal, Refusal::Status { expected: Status::Pending, found: Status::Expired });
        assert_eq!(delegations.decide("f", true, "bob", "approver", at(1)).unwrap_err(), Refusal::Unknown("f".into()));
    }

    #[test]
    fn a_rejection_stays_a_rejection() {
        let delegations = Delegations::default();
        delegations.create("d".into(), request(Some("p")), at(0), at(100)).unwrap();
        delegations.decide("d", false, "bob", "approver", at(1)).unwrap();
        assert_eq!(delegations.get("d").unwrap().status(at(1000)), Status::Rejected);
        let refusal = delegations.execute("d", "alice@example.com", Some("p"), at(2)).unwrap_err();
        assert_eq!(refusal, Refusal::Status { expected: Status::Approved, found: Status::Rejected });
    }
}
