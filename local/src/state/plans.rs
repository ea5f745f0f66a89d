//! Plans that tokens were minted for, and what became of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::lock;
use crate::clock::Instant;

/// How often one token may be anchored to a new plan.
pub const REANCHOR_LIMIT: u32 = 100;
/// Beyond this many plans those whose tokens have expired are forgotten.
const KEPT: usize = 10_000;

/// One tool call of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub server: String,
    pub action: String,
}

/// A minted token and the plan that it is for at present.
#[derive(Clone)]
pub struct Plan {
    pub id: String,
    /// `intent_reference`, which clients call the token's id.
    pub reference: String,
    pub agent: String,
    pub user_email: Option<String>,
    pub plan: Value,
    pub steps: Vec<Step>,
    /// Of the present plan; the token holds the hash that it was minted with.
    pub plan_hash: String,
    pub merkle_root: String,
    /// The signature of the CSRG token: no two tokens have the same.
    pub signature: String,
    pub expires_at: Instant,
    pub reanchors: u32,
    pub trust_id: Option<String>,
    pub status: String,
    pub revoked: Option<String>,
}

impl Plan {
    pub fn is_expired(&self, now: Instant) -> bool {
        now >= self.expires_at
    }

    /// Whether the plan has the action on that server. Without a server, whether exactly one server has it.
    pub fn has(&self, server: Option<&str>, action: &str) -> bool {
        let mut servers = self.steps.iter().filter(|step| step.action == action).map(|step| &*step.server);
        match server {
            Some(server) => servers.any(|planned| planned == server),
            None => match servers.next() {
                Some(first) => servers.all(|other| other == first),
                None => false,
            },
        }
    }
}

/// A plan that takes the place of another.
pub struct NewPlan {
    pub plan: Value,
    pub steps: Vec<Step>,
    pub plan_hash: String,
    pub merkle_root: String,
}

#[derive(Debug, PartialEq, Eq)]
pub enum ReanchorRefusal {
    Unknown,
    Revoked(String),
    Expired,
    ChainLimit,
}

#[derive(Default)]
pub struct Plans {
    plans: Mutex<HashMap<String, Arc<Plan>>>,
}

impl Plans {
    pub fn insert(&self, plan: Plan, now: Instant) {
        let mut plans = lock(&self.plans);
        if plans.len() >= KEPT {
            plans.retain(|_, plan| !plan.is_expired(now));
        }
        plans.insert(plan.id.clone(), Arc::new(plan));
    }

    pub fn get(&self, id: &str) -> Option<Arc<Plan>> {
        lock(&self.plans).get(id).cloned()
    }

    /// The plan of a token that is known by its reference or by its signature.
    pub fn find(&self, reference: Option<&str>, signature: Option<&str>) -> Option<Arc<Plan>> {
        let plans = lock(&self.plans);
        let fits = |plan: &&Arc<Plan>| {
            reference.is_some_and(|reference| plan.reference == reference)
                || signature.is_some_and(|signature| plan.signature == signature)
        };
        plans.values().find(fits).cloned()
    }

    /// Puts a new plan in the place of the present one. The same plan again changes nothing, so that a client may
    /// repeat a request whose answer it did not get.
    pub fn reanchor(
        &self,
        id: &str,
        new: NewPlan,
        trust_id: String,
        now: Instant,
    ) -> Result<Arc<Plan>, ReanchorRefusal> {
        let mut plans = lock(&self.plans);
        let plan = plans.get_mut(id).ok_or(ReanchorRefusal::Unknown)?;
        if let Some(reason) = &plan.revoked {
            return Err(ReanchorRefusal::Revoked(reason.clone()));
        }
        if plan.is_expired(now) {
            return Err(ReanchorRefusal::Expired);
        }
        if plan.trust_id.is_some() && plan.plan_hash == new.plan_hash {
            return Ok(Arc::clone(plan));
        }
        if plan.reanchors >= REANCHOR_LIMIT {
            return Err(ReanchorRefusal::ChainLimit);
        }
        let changed = Arc::make_mut(plan);
        changed.plan = new.plan;
        changed.steps = new.steps;
        changed.plan_hash = new.plan_hash;
        changed.merkle_root = new.merkle_root;
        changed.reanchors += 1;
        changed.trust_id = Some(trust_id);
        Ok(Arc::clone(plan))
    }

    /// Revokes the plan's token; `false` where there is no such plan. The first reason stays.
    pub fn revoke(&self, id: &str, reason: &str) -> bool {
        self.change(id, |plan| {
            plan.revoked.get_or_insert_with(|| reason.to_owned());
        })
    }

    pub fn set_status(&self, id: &str, status: &str) -> bool {
        self.change(id, |plan| plan.status = status.to_owned())
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Plan)) -> bool {
        match lock(&self.plans).get_mut(id) {
            Some(plan) => {
                change(Arc::make_mut(plan));
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn step(server: &str, action: &str) -> Step {
        Step { server: server.into(), action: action.into() }
    }

    fn plan(id: &str) -> Plan {
        Plan {
            id: id.into(),
            reference: format!("ref-{id}"),
            agent: "a".into(),
            user_email: None,
            plan: json!({}),
            steps: vec![step("s", "x")],
            plan_hash: "0".into(),
            merkle_root: "0".into(),
            signature: format!("sig-{id}"),
            expires_at: Instant::from_millis(1000),
            reanchors: 0,
            trust_id: None,
            status: "active".into(),
            revoked: None,
        }
    }

    fn new_plan(hash: u32) -> NewPlan {
        NewPlan { plan: json!({}), steps: vec![step("s", "y")], plan_hash: format!("h{hash}"), merkle_root: "r".into() }
    }

    #[test]
    fn a_plan_has_an_action_on_its_own_server_only() {
        let mut plan = plan("p");
        assert!(plan.has(Some("s"), "x"));
        assert!(!plan.has(Some("t"), "x"));
        assert!(plan.has(None, "x"));
        assert!(!plan.has(None, "y"));
        plan.steps.push(step("s", "x"));
        assert!(plan.has(None, "x"));
        plan.steps.push(step("t", "x"));
        assert!(!plan.has(None, "x"), "two servers have it");
    }

    #[test]
    fn reanchors_a_hundred_times_and_no_more() {
        let plans = Plans::default();
        let now = Instant::from_millis(1);
        plans.insert(plan("p"), now);
        for hash in 0..REANCHOR_LIMIT {
            plans.reanchor("p", new_plan(hash), "t".into(), now).map(|_| ()).unwrap();
        }
        assert_eq!(plans.reanchor("p", new_plan(100), "t".into(), now).err(), Some(ReanchorRefusal::ChainLimit));
        assert!(plans.reanchor("p", new_plan(99), "t".into(), now).is_ok(), "the present plan again is no new link");
    }

    #[test]
    fn refuses_to_reanchor_what_is_unknown_expired_or_revoked() {
        let plans = Plans::default();
        let now = Instant::from_millis(999);
        plans.insert(plan("p"), now);
        let reanchor = |id, at| plans.reanchor(id, new_plan(1), "t".into(), Instant::from_millis(at)).err();
        assert_eq!(reanchor("q", 999), Some(ReanchorRefusal::Unknown));
        assert_eq!(reanchor("p", 1000), Some(ReanchorRefusal::Expired));
        assert!(plans.revoke("p", "lost"));
        assert!(plans.revoke("p", "later"));
        assert_eq!(reanchor("p", 999), Some(ReanchorRefusal::Revoked("lost".into())));
        assert!(!plans.revoke("q", "lost"));
    }
}
