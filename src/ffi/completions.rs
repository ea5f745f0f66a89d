//! The completion queue: every accepted call gives exactly one completion, in the process that submitted it.
//!
//! A call is in flight as long as the queue's own table has it. Whoever takes it out of there, be it the call's end, a
//! cancel, the closing of the client or the end of the queue, is the one who completes it.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;

use super::guard::caught;
use super::handles::Held;
use super::readiness::Readiness;
use crate::client::{Client, Running, Submitted};
use crate::clock::deadline_after;
use crate::decision::Verdict;
use crate::fork::PerProcess;
use crate::{Error, Result};

/// A queue, which each process has for itself.
pub(super) struct Queue {
    capacity: usize,
    local: PerProcess<Local>,
}

/// What a call came to.
pub(super) struct Answer {
    /// Of a check; everything else blocks.
    pub verdict: Verdict,
    pub json: String,
}

/// The end of a call.
pub(super) struct Completion {
    pub user_data: u64,
    pub outcome: Result<Answer>,
}

/// A submitted call, as far as the function that submits it has brought it.
pub(super) type Pending = Pin<Box<dyn Future<Output = Result<Answer>> + Send>>;

/// One process's part of a queue.
struct Local {
    state: Mutex<State>,
    arrived: Condvar,
    /// Raised while there is something undelivered; changed only while the state is locked.
    readiness: Readiness,
}

#[derive(Default)]
struct State {
    freed: bool,
    in_flight: HashMap<u64, InFlight>,
    undelivered: VecDeque<Completion>,
    next_number: u64,
}

struct InFlight {
    user_data: u64,
    /// There once the call runs.
    work: Option<(AbortHandle, Running)>,
}

impl InFlight {
    fn stop(self) {
        if let Some((task, running)) = self.work {
            task.abort();
            drop(running);
        }
    }
}

impl Queue {
    pub fn new(capacity: u32) -> Result<Self> {
        let capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
        if capacity == 0 {
            return Err(Error::invalid_argument("capacity is 0"));
        }
        let queue = Self { capacity, local: PerProcess::new() };
        queue.local()?;
        Ok(queue)
    }

    /// The descriptor of this process, or the HANDLE.
    pub fn descriptor(&self) -> Result<i64> {
        Ok(self.local()?.readiness.descriptor())
    }

    /// Takes the place of a call that starts.
    pub fn reserve(&self, user_data: u64) -> Result<Ticket> {
        let local = self.local()?;
        let mut state = local.state();
        if state.freed {
            return Err(freed());
        }
        let taken = state.in_flight.len() + state.undelivered.len();
        if taken >= self.capacity {
            return Err(Error::QueueFull(taken));
        }
        let number = state.next_number;
        state.next_number += 1;
        state.in_flight.insert(number, InFlight { user_data, work: None });
        drop(state);
        Ok(Ticket { local, number })
    }

    /// Takes the oldest completion; waits for one, without a timeout for as long as it takes.
    pub fn next(&self, timeout: Option<Duration>) -> Result<Completion> {
        let local = self.local()?;
        let deadline = deadline_after(timeout);
        let mut state = local.state();
        loop {
            if state.freed {
                return Err(freed());
            }
            if let Some(completion) = state.undelivered.pop_front() {
                if state.undelivered.is_empty() {
                    local.readiness.lower();
                }
                return Ok(completion);
            }
            state = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => local.arrived.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => {
                    let timeout = timeout.unwrap_or_default();
                    return Err(Error::Timeout(format!("no completion came within {timeout:?}")));
                }
                Some(left) => local.arrived.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }

    /// Cancels the calls of this process, drops what was not delivered, and sends away those who wait.
    pub fn end(&self) {
        let Some(local) = self.local.existing() else { return };
        let mut state = local.state();
        state.freed = true;
        let (in_flight, undelivered) = (std::mem::take(&mut state.in_flight), std::mem::take(&mut state.undelivered));
        if !undelivered.is_empty() {
            local.readiness.lower();
        }
        drop(state);
        local.arrived.notify_all();
        in_flight.into_values().for_each(InFlight::stop);
    }

    fn local(&self) -> Result<Arc<Local>> {
        self.local.get_or_try_init(|| {
            let readiness = Readiness::new()
                .map_err(|error| Error::Internal(format!("cannot make the queue's descriptor: {error}")))?;
            Ok(Local { state: Mutex::default(), arrived: Condvar::new(), readiness })
        })
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.end();
    }
}

impl Local {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn freed() -> Error {
    Error::InvalidHandle(String::from("the armoriq_queue was freed"))
}

/// The place in its queue of a call that was accepted.
#[derive(Clone)]
pub(super) struct Ticket {
    local: Arc<Local>,
    number: u64,
}

impl Ticket {
    /// Completes the call, unless that was done before.
    pub fn complete(&self, outcome: Result<Answer>) {
        let mut state = self.local.state();
        let Some(call) = state.in_flight.remove(&self.number) else { return };
        state.undelivered.push_back(Completion { user_data: call.user_data, outcome });
        if state.undelivered.len() == 1 {
            self.local.readiness.raise();
        }
        drop(state);
        self.local.arrived.notify_one();
        call.stop();
    }

    /// Runs the call on the client's background thread. A panic is its outcome, and spoils the handle that it was
    /// submitted on.
    ///
    /// # Errors
    /// Where it cannot run; it gives no completion then.
    pub fn run(self, client: &Client, handle: Held, call: Pending) -> Result<()> {
        let started = client.enter(Arc::new(self.clone())).and_then(|running| {
            // A call that is dropped completes: without a thread there must be none yet.
            let task = client.spawn(|| to_its_end(self.clone(), handle, call))?;
            Ok((task.abort_handle(), running))
        });
        let mut state = self.local.state();
        match started {
            Ok(work) => match state.in_flight.get_mut(&self.number) {
                Some(call) => call.work = Some(work),
                // It ended meanwhile, or was ended.
                None => {
                    drop(state);
                    InFlight { user_data: 0, work: Some(work) }.stop();
                }
            },
            // Where it was ended before it began, its completion is there, and it was accepted.
            Err(error) => {
                let withdrawn = state.in_flight.remove(&self.number);
                return if withdrawn.is_some() { Err(error) } else { Ok(()) };
            }
        }
        Ok(())
    }

    /// Gives the place up. No completion comes, unless it is there already.
    pub fn withdraw(&self) {
        let withdrawn = self.local.state().in_flight.remove(&self.number);
        if let Some(call) = withdrawn {
            call.stop();
        }
    }
}

impl Submitted for Ticket {
    fn end(&self, error: Error) {
        self.complete(Err(error));
    }
}

/// Completes its call when it is dropped, which happens before the call's end only where no thread can run it or that
/// thread is gone: every accepted call gives a completion.
struct Unfinished(Ticket);

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.0.end(Error::Internal(String::from("the call could not be run to its end")));
    }
}

pub(super) fn to_its_end(ticket: Ticket, handle: Held, mut call: Pending) -> impl Future<Output = ()> + Send {
    let unfinished = Unfinished(ticket);
    async move {
        let outcome = std::future::poll_fn(|context| match caught(|| call.as_mut().poll(context)) {
            Ok(outcome) => outcome,
            Err(panic) => {
                handle.poison();
                Poll::Ready(Err(panic))
            }
        });
        let outcome = outcome.await;
        unfinished.0.complete(outcome);
    }
}

/// A submitted call, as C holds it. It belongs to the process that submitted it.
pub(super) struct Call(PerProcess<Ticket>);

impl Call {
    pub fn new(ticket: &Ticket) -> Self {
        let call = PerProcess::new();
        let made: Result<_, Infallible> = call.get_or_try_init(|| Ok(ticket.clone()));
        drop(made);
        Self(call)
    }

    /// Ends the call at once, unless it has ended.
    pub fn cancel(&self) {
        if let Some(ticket) = self.0.existing() {
            ticket.end(Error::Cancelled);
        }
    }
}
