use super::error::TransportError;
use super::look_up::LookUps;
use crate::error::{Error, Result};
use foldhash::HashMap;
use reqwest::Client;
use reqwest::header::HeaderValue;
use reqwest::redirect::Policy;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::{Handle, Id};
use tokio::sync::Semaphore;

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
    /// One for each exchange that may run at once.
    pub slots: Arc<Semaphore>,
}

impl Connections {
    pub fn new(user_agent: HeaderValue, tls: rustls::ClientConfig) -> Self {
        Self { user_agent, tls, clients: Mutex::default() }
    }

    /// Gives a runtime connections of its own. None is opened yet; the proxies of the environment are read.
    pub fn open(&self, runtime: &Handle) -> Result<()> {
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
        let slots = Arc::new(Semaphore::new(MAX_EXCHANGES));
        self.clients().insert(runtime.id(), Sender { client, slots });
        Ok(())
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
pub(super) async fn catch_up() {
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
}
