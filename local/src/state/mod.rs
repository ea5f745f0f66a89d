//! What the control plane remembers. Each store is behind its own lock and gives out copies, so that no route holds a
//! lock while it does anything else, and so that another kind of storage can take the place of the memory.

pub mod audits;
pub mod delegations;
pub mod plans;
pub mod replies;
pub mod usage;

use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Default)]
pub struct Store {
    pub plans: plans::Plans,
    pub delegations: delegations::Delegations,
    pub audits: audits::Audits,
    pub replies: replies::Replies,
    pub usage: usage::Usage,
}

/// Locks; a panic of another request does not spoil the store, because each change is made in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
