use super::error::TransportError;
use super::sender::Sender;
use foldhash::HashMap;
use hyper::header::HeaderValue;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::{Handle, Id};
use tokio::sync::{Semaphore, SemaphorePermit};

/// How many exchanges one runtime has under way, and so how many connections: a host often has no more than 1,024
/// descriptors for everything. Others wait their turn, within their own time.
const MAX_EXCHANGES: usize = 256;

/// The connections of each runtime: a socket belongs to the runtime that opened it.
pub(super) struct Connections {
    user_agent: HeaderValue,
    tls: Arc<rustls::ClientConfig>,
    senders: Mutex<HashMap<Id, Arc<Sender>>>,
}

/// The exchanges of one runtime.
pub(super) struct Exchanges {
    /// One for each that may run at once.
    slots: Semaphore,
    /// Whether the next one finds connections of which the runtime knows what became of them.
    up_to_date: AtomicBool,
}

impl Exchanges {
    pub fn new() -> Self {
        Self { slots: Semaphore::new(MAX_EXCHANGES), up_to_date: AtomicBool::new(false) }
    }

    /// Says that the runtime has only just been driven, or that it has not.
    pub fn set_up_to_date(&self, up_to_date: bool) {
        self.up_to_date.store(up_to_date, Ordering::Relaxed);
    }

    /// Waits for its turn, as long as the slot is held.
    pub async fn begin(&self) -> Result<SemaphorePermit<'_>, TransportError> {
        if !self.up_to_date.swap(false, Ordering::Relaxed) {
            // The runtime sees what became of its connections since it was last driven.
            tokio::task::yield_now().await;
        }
        let slot = self.slots.acquire().await;
        slot.map_err(|_| TransportError::internal("the transport's runtime is gone"))
    }
}

impl Connections {
    pub fn new(user_agent: HeaderValue, tls: rustls::ClientConfig) -> Self {
        Self { user_agent, tls: Arc::new(tls), senders: Mutex::default() }
    }

    /// Gives a runtime connections of its own. None is opened yet; the proxies of the environment are read.
    pub fn open(&self, runtime: &Handle) -> Arc<Sender> {
        let sender = Arc::new(Sender::new(self.user_agent.clone(), Arc::clone(&self.tls)));
        self.senders().insert(runtime.id(), Arc::clone(&sender));
        sender
    }

    pub fn close(&self, runtime: &Handle) {
        self.senders().remove(&runtime.id());
    }

    /// The connections of the runtime that polls the current future.
    pub fn here(&self) -> Result<Arc<Sender>, TransportError> {
        let here = Handle::try_current().ok().and_then(|runtime| self.senders().get(&runtime.id()).cloned());
        here.ok_or_else(|| TransportError::internal("a request is sent outside of its transport's own runtime"))
    }

    fn senders(&self) -> MutexGuard<'_, HashMap<Id, Arc<Sender>>> {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::poll_immediate;
    use std::pin::pin;
    use tokio::runtime::Builder;

    #[test]
    fn one_exchange_begins_at_once_where_the_runtime_was_only_just_driven() {
        let runtime = Builder::new_current_thread().build().unwrap();
        let exchanges = Exchanges::new();
        let begins_at_once = || runtime.block_on(poll_immediate(pin!(exchanges.begin()))).is_some();
        assert!(!begins_at_once());
        exchanges.set_up_to_date(true);
        assert!(begins_at_once());
        assert!(!begins_at_once());
        exchanges.set_up_to_date(true);
        exchanges.set_up_to_date(false);
        assert!(!begins_at_once());
    }
}
