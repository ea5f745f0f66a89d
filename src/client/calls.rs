//! The calls of a client that run: closing it waits for them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::{Error, Result};

/// A call that no thread waits in: it ends with a completion.
pub(crate) trait Submitted: Send + Sync {
    /// Ends the call with an error, unless it has ended.
    fn end(&self, error: Error);
}

/// The running calls of one process.
#[derive(Default)]
pub(super) struct Calls {
    state: Mutex<State>,
    none_left: Condvar,
}

#[derive(Default)]
struct State {
    running: usize,
    /// Threads that close the client: without one, nobody needs to hear of a call's end.
    waiting: usize,
    submitted: HashMap<u64, Arc<dyn Submitted>>,
    next_number: u64,
}

/// A call counts as running until this is dropped.
pub(crate) struct Running {
    calls: Arc<Calls>,
    /// A submitted one's.
    number: Option<u64>,
}

impl Calls {
    /// Counts a call, unless the client is closed. Closing sets that first and looks at the count then, so it misses
    /// none.
    pub fn enter(self: Arc<Self>, closed: &AtomicBool, submitted: Option<Arc<dyn Submitted>>) -> Result<Running> {
        let mut state = self.state();
        if closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        state.running += 1;
        let number = submitted.map(|call| {
            let number = state.next_number;
            state.next_number += 1;
            state.submitted.insert(number, call);
            number
        });
        drop(state);
        Ok(Running { calls: self, number })
    }

    /// Counts work that was asked for before the client was closed.
    pub fn go_on(self: Arc<Self>) -> Running {
        self.state().running += 1;
        Running { calls: self, number: None }
    }

    /// Waits until no call runs, or the time is over, and says how many ran then. Submitted ones among them end with
    /// [`Error::Closed`]; a blocking one is its thread's, and ends by its own time limit.
    pub fn wait_and_close(&self, timeout: Duration) -> usize {
        let mut state = self.state();
        state.waiting += 1;
        let waited = self.none_left.wait_timeout_while(state, timeout, |state| state.running > 0);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        let (left, submitted) = (state.running, state.submitted.values().cloned().collect::<Vec<_>>());
        drop(state);
        for call in submitted {
            call.end(Error::Closed);
        }
        left
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.calls.state();
        state.running -= 1;
        let submitted = self.number.and_then(|number| state.submitted.remove(&number));
        let is_awaited = state.running == 0 && state.waiting > 0;
        drop(state);
        drop(submitted);
        if is_awaited {
            self.calls.none_left.notify_all();
        }
    }
}
