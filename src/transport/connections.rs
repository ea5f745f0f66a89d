use super::error::TransportError;
use super::look_up::LookUps;
use crate::error::{Error, Result};
use foldhash::HashMap;
use reqwest::Client;
use reqwest::header::HeaderValue;
use reqwest::redirect::Policy;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::{Handle, Id};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Servers and balancers commonly close a connection that idled for a minute; ours is gone before.
const IDLE_CONNECTION: Duration = Duration::from_secs(50);

/// How many exchanges one runtime has under way, and so how many connections: a host often has no more than 1,024
/// descriptors for everything. Others wait their turn, within their own time.
const MAX_EXCHANGES: usize = 256;

/// The connections of each runtime: a socket belongs to the runtime that opened it.
pub(super) struct Connections {
    user_agent: HeaderValue,
    tls: rustls::ClientConfig,
    clients: Mutex<HashMap<Id, Sender>>,
}

/// What one runtime sends with.
#[derive(Clone)]
pub(super) struct Sender {
    pub client: Client,
    pub exchanges: Arc<Exchanges>,
}

/// The exchanges of one runtime.
pub(super) struct Exchanges {
    /// One for each that may run at once.
    slots: Semaphore,
    /// Whether the next one finds connections of which the runtime knows what became of them.
    up_to_date: AtomicBool,
}

impl Exchanges {
    fn new() -> Self {
        Self { slots: Semaphore::new(MAX_EXCHANGES), up_to_date: AtomicBool::new(false) }
    }

    /// Says that the runtime has only just been driven, or that it has not.
    pub fn set_up_to_date(&self, up_to_date: bool) {
        self.up_to_date.store(up_to_date, Ordering::Relaxed);
    }

    /// Waits for its turn, as long as the slot is held.
    pub async fn begin(&self) -> Result<SemaphorePermit<'_>, TransportError> {
        if !self.up_to_date.swap(false, Ordering::Relaxed) {
            catch_up().await;
        }
        let slot = self.slots.acquire().await;
        slot.map_err(|_| TransportError::internal("the transport's runtime is gone"))
    }
}

impl Connections {
    pub fn new(user_agent: HeaderValue, tls: rustls::ClientConfig) -> Self {
        Self { user_agent, tls, clients: Mutex::default() }
    }

    /// Gives a runtime connections of its own. None is opened yet; the proxies of the environment are read.
    pub fn open(&self, runtime: &Handle) -> Result<Arc<Exchanges>> {
        let builder = Client::builder()
            .user_agent(self.user_agent.clone())
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .pool_idle_timeout(IDLE_CONNECTION)
            .dns_resolver(LookUps::default())
            .tls_backend_preconfigured(self.tls.clone());
        let client = if every_host_is_exempt() { builder.no_proxy() } else { builder }
            .build()
            .map_err(|error| Error::Internal(format!("cannot make an HTTP client: {}", error.without_url())))?;
        let exchanges = Arc::new(Exchanges::new());
        self.clients().insert(runtime.id(), Sender { client, exchanges: Arc::clone(&exchanges) });
        Ok(exchanges)
    }

    pub fn close(&self, runtime: &Handle) {
        self.clients().remove(&runtime.id());
    }

    /// The connections of the runtime that polls the current future.
    pub fn here(&self) -> Result<Sender, TransportError> {
        let here = Handle::try_current().ok().and_then(|runtime| self.clients().get(&runtime.id()).cloned());
        here.ok_or_else(|| TransportError::internal("a request is sent outside of its transport's own runtime"))
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<Id, Sender>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether `NO_PROXY` has a `*`. The client takes that for names of hosts only, and not for addresses.
fn every_host_is_exempt() -> bool {
    let exempt = ["NO_PROXY", "no_proxy"].iter().find_map(|name| std::env::var(name).ok());
    exempt.is_some_and(|hosts| hosts.split(',').any(|host| host.trim() == "*"))
}

/// Lets a runtime see what became of its connections since it was last driven: one turn in which it is told, one in
/// which they act on it. Otherwise one that its server has closed meanwhile would be used again, and one that has only
/// just become free would not.
async fn catch_up() {
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
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
