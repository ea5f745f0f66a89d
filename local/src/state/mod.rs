//! What the control plane remembers. Each store is behind its own lock and gives out copies, so that no route holds a
//! lock while it does anything else. Every change is written to the storage first.

pub mod audits;
pub mod delegations;
pub mod inventories;
pub mod plans;
pub mod replies;
pub mod storage;
pub mod usage;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use storage::{Storage, StorageError};

pub struct Store {
    pub plans: plans::Plans,
    pub delegations: delegations::Delegations,
    pub audits: audits::Audits,
    pub inventories: inventories::Inventories,
    pub replies: replies::Replies,
    pub usage: usage::Usage,
}

impl Store {
    /// What the storage has from earlier.
    pub fn load(storage: &Arc<Storage>) -> Result<Self, StorageError> {
        Ok(Self {
            plans: plans::Plans::load(Arc::clone(storage))?,
            delegations: delegations::Delegations::load(Arc::clone(storage))?,
            audits: audits::Audits::load(Arc::clone(storage))?,
            inventories: inventories::Inventories::load(Arc::clone(storage))?,
            replies: replies::Replies::load(Arc::clone(storage))?,
            usage: usage::Usage::load(Arc::clone(storage))?,
        })
    }
}

/// Locks; a panic of another request does not spoil the store, because each change is made in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
