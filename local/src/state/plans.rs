//! Plans that tokens were minted for, and what became of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lock;
use super::storage::{Kind, Storage, StorageError};
use crate::clock::Instant;

/// How often one token may be anchored to a new plan.
pub const REANCHOR_LIMIT: u32 = 100;
/// Beyond this many plans those whose tokens have expired are forgotten.
const KEPT: usize = 10_000;

/// One tool call of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub server: String,
    pub action: String,
}

/// A minted token and the plan that it is for at present.
#[derive(Clone, Serialize, Deserialize)]
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
    /// The plan that this one was delegated from.
    pub parent: Option<String>,
    /// Parts of the plan that other holders of keys were given.
    pub subtrees: Vec<Subtree>,
}

/// A part of a plan in other hands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subtree {
    pub trust_id: String,
    pub path: String,
    pub delegate_public_key: String,
    pub expires_at: Instant,
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
    Storage(StorageError),
}

impl From<StorageError> for ReanchorRefusal {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

#[derive(Default)]
pub struct Plans {
    plans: Mutex<HashMap<String, Arc<Plan>>>,
    storage: Arc<Storage>,
}

impl Plans {
    pub fn load(storage: Arc<Storage>) -> Result<Self, StorageError> {
        let plans = storage.load::<Plan>(Kind::Plan)?.into_iter().map(|(id, plan)| (id, Arc::new(plan))).collect();
        Ok(Self { plans: Mutex::new(plans), storage })
    }

    pub fn insert(&self, plan: Plan, now: Instant) -> Result<(), StorageError> {
        let mut plans = lock(&self.plans);
        let full = plans.len() >= KEPT;
        let mut batch = self.storage.batch();
        if full {
            plans.values().filter(|plan| plan.is_expired(now)).for_each(|plan| batch.remove(Kind::Plan, &plan.id));
        }
        batch.put(Kind::Plan, &plan.id, &plan)?;
        batch.commit()?;
        if full {
            plans.retain(|_, plan| !plan.is_expired(now));
        }
        plans.insert(plan.id.clone(), Arc::new(plan));
        Ok(())
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
        let changed = Plan {
            plan: new.plan,
            steps: new.steps,
            plan_hash: new.plan_hash,
            merkle_root: new.merkle_root,
            reanchors: plan.reanchors + 1,
            trust_id: Some(trust_id),
            ..Plan::clone(plan)
        };
        self.storage.put(Kind::Plan, id, &changed)?;
        *plan = Arc::new(changed);
        Ok(Arc::clone(plan))
    }

    /// Revokes the plan's token, and with `cascade` what was delegated from it. The first reason stays. Returns how many
    /// delegations were revoked with it; `None` where there is no such plan.
    pub fn revoke(&self, id: &str, reason: &str, cascade: bool) -> Result<Option<usize>, StorageError> {
        let mut plans = lock(&self.plans);
        if !plans.contains_key(id) {
            return Ok(None);
        }
        let mut to_revoke = vec![id.to_owned()];
        let mut next = 0;
        while let Some(parent) = to_revoke.get(next).cloned().filter(|_| cascade) {
            let children = plans.values().filter(|plan| plan.parent.as_ref() == Some(&parent));
            to_revoke.extend(children.map(|child| child.id.clone()));
            next += 1;
        }
        let mut batch = self.storage.batch();
        let (mut changed, mut cascaded) = (Vec::new(), 0);
        for plan in to_revoke.iter().filter_map(|id| plans.get(id)) {
            cascaded += usize::from(plan.id != id && plan.revoked.is_none());
            let mut plan = Plan::clone(plan);
            plan.revoked.get_or_insert_with(|| reason.to_owned());
            if cascade {
                cascaded += plan.subtrees.len();
                plan.subtrees.clear();
            }
            batch.put(Kind::Plan, &plan.id, &plan)?;
            changed.push(plan);
        }
        batch.commit()?;
        plans.extend(changed.into_iter().map(|plan| (plan.id.clone(), Arc::new(plan))));
        Ok(Some(cascaded))
    }

    /// Notes that a part of the plan was given away, once for a part and a key. Returns the note that holds; `None`
    /// where there is no such plan.
    pub fn give_subtree(&self, id: &str, subtree: Subtree, now: Instant) -> Result<Option<Subtree>, StorageError> {
        let mut given = None;
        self.change(id, |plan| {
            plan.subtrees.retain(|known| known.expires_at > now);
            let is_same = |known: &&Subtree| {
                known.path == subtree.path && known.delegate_public_key == subtree.delegate_public_key
            };
            let known = plan.subtrees.iter().find(is_same).cloned();
            given = Some(known.unwrap_or_else(|| {
                plan.subtrees.push(subtree.clone());
                subtree
            }));
        })?;
        Ok(given)
    }

    /// Returns `false` where there is no such plan.
    pub fn set_status(&self, id: &str, status: &str) -> Result<bool, StorageError> {
        self.change(id, |plan| plan.status = status.to_owned())
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Plan)) -> Result<bool, StorageError> {
        let mut plans = lock(&self.plans);
        let Some(plan) = plans.get_mut(id) else { return Ok(false) };
        let mut changed = Plan::clone(plan);
        change(&mut changed);
        self.storage.put(Kind::Plan, id, &changed)?;
        *plan = Arc::new(changed);
        Ok(true)
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
            parent: None,
            subtrees: Vec::new(),
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
        plans.insert(plan("p"), now).unwrap();
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
        plans.insert(plan("p"), now).unwrap();
        let reanchor = |id, at| plans.reanchor(id, new_plan(1), "t".into(), Instant::from_millis(at)).err();
        assert_eq!(reanchor("q", 999), Some(ReanchorRefusal::Unknown));
        assert_eq!(reanchor("p", 1000), Some(ReanchorRefusal::Expired));
        assert_eq!(plans.revoke("p", "lost", true), Ok(Some(0)));
        assert_eq!(plans.revoke("p", "later", true), Ok(Some(0)));
        assert_eq!(reanchor("p", 999), Some(ReanchorRefusal::Revoked("lost".into())));
        assert_eq!(plans.revoke("q", "lost", true), Ok(None));
    }

    #[test]
    fn a_revocation_reaches_what_was_delegated_unless_told_not_to() {
        let plans = Plans::default();
        let now = Instant::from_millis(1);
        let child = |id: &str, parent: &str| Plan { parent: Some(parent.into()), ..plan(id) };
        for plan in [plan("p"), child("c", "p"), child("g", "c"), plan("other")] {
            plans.insert(plan, now).unwrap();
        }
        let subtree = |trust_id: &str, key: &str| Subtree {
            trust_id: trust_id.into(),
            path: "/steps/[0]".into(),
            delegate_public_key: key.into(),
            expires_at: Instant::from_millis(1000),
        };
        let give = |trust_id, key| plans.give_subtree("c", subtree(trust_id, key), now).unwrap().unwrap().trust_id;
        assert_eq!((give("t1", "k"), give("t2", "k"), give("t3", "l")), ("t1".into(), "t1".into(), "t3".into()));
        let is_revoked = |id| plans.get(id).unwrap().revoked.is_some();
        assert_eq!(plans.revoke("p", "lost", false), Ok(Some(0)));
        assert!(is_revoked("p") && !is_revoked("c"));
        assert_eq!(plans.revoke("p", "lost", true), Ok(Some(4)), "two plans and two subtrees");
        assert!(is_revoked("c") && is_revoked("g") && !is_revoked("other"));
    }
}
