//! The client: one per process and API key. It owns the connections, the policy store and the caches that its
//! sessions share.

mod approval_watch;
mod approvals;
mod call;
mod calls;
mod delegation_methods;
mod delegations;
mod directory;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod inventory;
mod inventory_push;
#[cfg(test)]
mod inventory_tests;
mod invocation_answer;
mod invoke;
#[cfg(test)]
mod invoke_tests;
mod invoke_with_policy;
mod params;
mod policies;
mod sse;
mod tokens;
mod transcript;
mod trust;
mod usage;
mod users;
mod utc_time;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use secrecy::SecretString;
use serde_json::{Value, json};

pub(crate) use approvals::{ReviewedCall, used_before};
pub(crate) use call::{Call, delivery};
pub(crate) use calls::{Running, Submitted};
pub(crate) use delegations::{DelegationRequest, DelegationStatus};
pub(crate) use invoke::Invocation;
pub use params::{Answer, Params};
pub(crate) use policies::Policies;
pub(crate) use tokens::{MintRequest, TokenStanding};
pub(crate) use trust::ReanchorRequest;
pub use users::UserScope;

use crate::clock::Clock;
use crate::config::{ClientOptions, Config, Environment, SessionOptions};
use crate::fork::PerProcess;
use crate::session::Session;
use crate::transport::{Task, Transport, TransportOptions};
use crate::{Error, Result, VERSION};

/// A client, shared by all that was made from it. Cloning is cheap.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    config: Config,
    api_key: ArcSwap<SecretString>,
    transport: Transport,
    policies: policies::PolicyStore,
    keys: tokens::KeyStore,
    users: users::UserCache,
    directory: directory::Directory,
    approvals: PerProcess<approvals::Approvals>,
    watches: PerProcess<approval_watch::Watches>,
    inventory: inventory::Inventory,
    clock: Arc<Clock>,
    closed: AtomicBool,
    calls: PerProcess<calls::Calls>,
}

impl Client {
    /// Makes a client from options and the process's environment. No network I/O happens here.
    pub fn new(options: ClientOptions) -> Result<Self> {
        Self::with_config(Config::resolve(options, &Environment::process())?)
    }

    fn with_config(config: Config) -> Result<Self> {
        let clock = Arc::<Clock>::default();
        let options = TransportOptions {
            user_agent: config.user_agent(),
            timeout: config.timeout,
            max_retries: config.max_retries,
            verify_ssl: config.verify_ssl,
            ca_certificates: config.tls.ca_certificates.clone(),
            client_certificate: config.tls.client_certificate.clone(),
            client_key: config.tls.client_key.clone(),
            ..TransportOptions::default()
        };
        let transport = Transport::with_clock(&options, Arc::clone(&clock))?;
        let keys = tokens::KeyStore::new(&config)?;
        Ok(Self(Arc::new(Inner {
            api_key: ArcSwap::from_pointee(config.api_key.clone()),
            policies: policies::PolicyStore::new(),
            users: users::UserCache::new(config.user_context_ttl),
            directory: directory::Directory::default(),
            approvals: PerProcess::new(),
            watches: PerProcess::new(),
            inventory: inventory::Inventory::default(),
            closed: AtomicBool::new(false),
            calls: PerProcess::new(),
            clock,
            keys,
            transport,
            config,
        })))
    }

    /// Makes a client from an `armoriq.yaml` file.
    pub fn from_config(path: &str) -> Result<Self> {
        Self::with_config(Config::from_file(path, &Environment::process())?)
    }

    /// The scope of one end user, by email.
    pub fn for_user(&self, email: &str) -> Result<UserScope> {
        self.open()?;
        UserScope::new(self.clone(), email)
    }

    /// Starts a session that belongs to no user.
    pub fn start_session(&self, options: SessionOptions) -> Result<Session> {
        self.open()?;
        Ok(Session::new(self.clone(), None, options))
    }

    /// Replaces the API key; the next request uses the new one.
    pub fn set_api_key(&self, api_key: &str) -> Result<()> {
        self.open()?;
        self.config().validate_api_key(api_key)?;
        self.0.api_key.store(Arc::new(SecretString::from(api_key)));
        Ok(())
    }

    /// What the client was set up with. No secret is in it.
    pub fn info(&self) -> Value {
        let config = self.config();
        json!({
            "backend": config.backend(),
            "iap": config.iap_endpoint(),
            "proxy": config.proxy_endpoint(),
            "user_id": config.user_id,
            "agent_id": config.agent_id,
            "context_id": config.context_id,
            "timeout_ms": u64::try_from(config.timeout.as_millis()).unwrap_or(u64::MAX),
            "max_retries": config.max_retries,
            "version": VERSION,
        })
    }

    /// Refuses new calls, waits for those that run, and says how many were left when the time was over. Of these, the
    /// submitted ones end now.
    pub fn close(&self, timeout: Duration) -> Value {
        self.0.closed.store(true, Ordering::Release);
        json!({ "pending": self.0.calls.get().wait_and_close(timeout) })
    }

    /// Runs a call of the client's to its end on the calling thread. It counts as in flight meanwhile.
    pub(crate) fn run<T: Send>(&self, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let _running = self.0.calls.get().enter(&self.0.closed, None)?;
        // Pinned here, since it is large, and would be moved from function to function.
        self.transport().block_on(pin!(call))?
    }

    /// Counts a submitted call as in flight. Closing the client ends it.
    pub(crate) fn enter(&self, call: Arc<dyn Submitted>) -> Result<Running> {
        self.0.calls.get().enter(&self.0.closed, Some(call))
    }

    /// Runs a submitted call on the background thread.
    pub(crate) fn spawn<F: Future<Output = ()> + Send + 'static>(&self, call: impl FnOnce() -> F) -> Result<Task<()>> {
        self.transport().spawn(call)
    }

    /// Fails once the client is closed.
    pub(crate) fn open(&self) -> Result<()> {
        if self.0.closed.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(()) }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    /// Lets time pass for the policy store, the keys and the breakers.
    #[cfg(test)]
    pub(crate) fn pass(&self, duration: Duration) {
        self.0.clock.pass(duration);
    }

    fn api_key(&self) -> Arc<SecretString> {
        self.0.api_key.load_full()
    }

    fn transport(&self) -> &Transport {
        &self.0.transport
    }
}
