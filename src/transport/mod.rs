//! HTTP as this library speaks it: bounded in time and size, retried where that is safe, never redirected to another
//! origin, and with no secret in what it says about a failure.
//!
//! A [`Transport`] is cheap to make: the proxies of the environment are read and connections made with the first request,
//! the system's root certificates are read with the first TLS handshake.

mod address;
mod back_off;
mod breaker;
mod budget;
mod connections;
mod connector;
mod error;
mod http1;
mod look_up;
mod message;
mod proxies;
mod retry;
mod runtime;
mod sender;
mod stream;
mod tls;

pub use address::{path_segment, url_with_query};
pub(crate) use back_off::{back_off, jitter};
pub use error::{TransportError, TransportErrorKind};
pub use hyper::Method;
pub use hyper::header::HeaderMap;
pub use message::{Enough, MAX_BODY_BYTES, Request, Response, Watch};
pub use runtime::Task;
pub(crate) use runtime::on_own_thread;

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::fork::PerProcess;
use crate::log::debug;
use address::{Addresses, Destination};
use breaker::{Breakers, Pass};
use budget::RetryBudget;
use connections::Connections;
use hyper::header::HeaderValue;
use retry::RetryPolicy;
use runtime::Runtimes;
use sender::Reply;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use url::Url;

/// A service that was given less time than this, and did not answer, is not taken for one that fails.
const PATIENCE: Duration = Duration::from_millis(100);
/// How many redirects within one origin are followed.
const MAX_REDIRECTS: usize = 20;

/// What a transport is made of.
#[derive(Debug, Clone)]
pub struct TransportOptions {
    pub user_agent: String,
    /// The longest that one attempt may take, whatever its request asks for.
    pub timeout: Duration,
    /// How often a request that may be retried is sent again.
    pub max_retries: u32,
    /// The wait before the first retry; the second is twice that, the others four times.
    pub retry_unit: Duration,
    /// How long an origin is left alone at first, after some calls in a row failed; thirty times that at the most.
    pub cool_down: Duration,
    /// Whether servers must show a certificate that the system, or `ca_certificates`, trusts.
    pub verify_ssl: bool,
    /// A PEM file of certificates that are trusted besides the system's.
    pub ca_certificates: Option<PathBuf>,
    /// A PEM file with the certificate chain that is shown to servers, and one with its key.
    pub client_certificate: Option<PathBuf>,
    pub client_key: Option<PathBuf>,
}

impl Default for TransportOptions {
    fn default() -> Self {
        Self {
            user_agent: String::new(),
            timeout: Duration::from_secs(30),
            max_retries: 3,
            retry_unit: Duration::from_secs(1),
            cool_down: Duration::from_secs(1),
            verify_ssl: true,
            ca_certificates: None,
            client_certificate: None,
            client_key: None,
        }
    }
}

/// Sends requests over its own connections.
pub struct Transport {
    options: TransportOptions,
    retry: RetryPolicy,
    budget: RetryBudget,
    clock: Arc<Clock>,
    addresses: Addresses,
    engine: PerProcess<Engine>,
}

/// What a forked child must make for itself: sockets, the runtimes that drive them, and what has locks, as the state of
/// TLS and the breakers.
struct Engine {
    connections: Arc<Connections>,
    breakers: Breakers,
    runtimes: Runtimes,
}

impl Engine {
    fn new(options: &TransportOptions, clock: &Arc<Clock>) -> Result<Self> {
        let user_agent = HeaderValue::from_str(&options.user_agent)
            .map_err(|_| Error::configuration("the user agent has characters that a header cannot carry"))?;
        let connections = Arc::new(Connections::new(user_agent, tls::client_config(options)?));
        let breakers = Breakers::new(Arc::clone(clock), options.cool_down);
        Ok(Self { runtimes: Runtimes::new(Arc::clone(&connections)), breakers, connections })
    }
}

impl Transport {
    /// Reads the certificate files that the options name. No thread is started and nothing is sent.
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] for a file that cannot be read or does not hold what it should, a certificate without
    /// its key or the other way round, and a user agent that is no header value.
    pub fn new(options: &TransportOptions) -> Result<Self> {
        Self::with_clock(options, Arc::default())
    }

    /// As [`Self::new`]; the clock says when a service that has been failing is tried again.
    pub(crate) fn with_clock(options: &TransportOptions, clock: Arc<Clock>) -> Result<Self> {
        let transport = Self {
            options: options.clone(),
            retry: RetryPolicy { max_retries: options.max_retries, unit: options.retry_unit },
            budget: RetryBudget::new(),
            clock,
            addresses: Addresses::default(),
            engine: PerProcess::new(),
        };
        transport.engine()?;
        Ok(transport)
    }

    /// Drives a future that sends requests on this thread, and waits for it. Where the thread belongs to a tokio runtime
    /// of the host, a helper thread does so: such a thread must not block, and this call still does.
    ///
    /// # Errors
    ///
    /// [`Error::Service`] where the system has no thread or descriptor for it, and [`Error::InvalidState`] on the
    /// background thread, which may be what the future waits for.
    pub fn block_on<F>(&self, future: F) -> Result<F::Output>
    where
        F: Future + Send,
        F::Output: Send,
    {
        self.engine()?.runtimes.block_on(future)
    }

    /// Runs a future on the background thread, which the first one starts. It is made once there is that thread, for a
    /// future whose end means something even where it never ran.
    ///
    /// # Errors
    ///
    /// [`Error::Service`] where the system has no thread or descriptor for it.
    pub fn spawn<F>(&self, make: impl FnOnce() -> F) -> Result<Task<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.engine()?.runtimes.spawn(make)
    }

    /// Sends a request and reads the whole answer, whatever its status. A request that may be retried is sent again
    /// after a failure to connect, a timeout, a broken exchange, a status of 500 or above, and a 429 that says when to
    /// come back, as far as the retry budget goes; once there was any answer, the last one is returned. With a
    /// deadline, all of it ends there at the latest. To an origin that has been failing one call is sent now and then,
    /// and the others are refused. Must be polled within [`Self::block_on`] or [`Self::spawn`].
    ///
    /// # Errors
    ///
    /// [`TransportError`] where there was no answer, or none that could be read.
    pub async fn send(&self, request: Request, deadline: Option<Instant>) -> Result<Response, TransportError> {
        let destination = request.destination(&self.addresses)?;
        let url = &destination.url;
        if deadline.is_some_and(|deadline| time_until(deadline).is_zero()) {
            return Err(TransportError::too_late(url));
        }
        let engine = self.engine().map_err(|error| TransportError::internal(error.to_string()))?;
        let mut pass = engine.breakers.admit(url)?;
        let timeout = request.options.timeout.map_or(self.options.timeout, |timeout| timeout.min(self.options.timeout));
        let mut last_response = None;
        let mut attempt = 0;
        loop {
            let outcome = timed(&engine.connections, &request, &destination, timeout, deadline, &mut pass).await;
            let wait = if request.options.retry { self.retry.wait_after(attempt, &outcome) } else { None };
            let wait = wait.filter(|wait| deadline.is_none_or(|deadline| *wait < time_until(deadline)));
            let goes_on = match wait {
                Some(wait) => self.wait_to_retry(wait, url, &outcome, &mut pass).await,
                None => false,
            };
            if !goes_on {
                if attempt == 0 {
                    self.budget.earn();
                }
                return outcome.or_else(|error| last_response.ok_or(error));
            }
            last_response = outcome.ok().or(last_response);
            attempt += 1;
        }
    }

    /// Waits before a retry. False, at once or after the wait, where there is to be none after all.
    async fn wait_to_retry(
        &self,
        wait: Duration,
        url: &Url,
        outcome: &Result<Response, TransportError>,
        pass: &mut Pass<'_>,
    ) -> bool {
        if !pass.may_go_on() {
            return false;
        }
        if !self.budget.spend() {
            debug!("not trying {} again: the retry budget is used up", address::shown(url));
            return false;
        }
        log_retry(url, outcome, wait);
        tokio::time::sleep(wait).await;
        pass.may_go_on()
    }

    /// How long calls to the origin of this URL are refused because it has been failing; zero where they are not.
    pub(crate) fn pause(&self, url: &str) -> Duration {
        match (self.addresses.parse(url), self.engine()) {
            (Ok(destination), Ok(engine)) => engine.breakers.pause(&destination.url),
            _ => Duration::ZERO,
        }
    }

    fn engine(&self) -> Result<Arc<Engine>> {
        self.engine.get_or_try_init(|| Engine::new(&self.options, &self.clock))
    }
}

/// One exchange, within its time.
async fn timed(
    connections: &Connections,
    request: &Request,
    destination: &Destination,
    timeout: Duration,
    deadline: Option<Instant>,
    pass: &mut Pass<'_>,
) -> Result<Response, TransportError> {
    let url = &destination.url;
    let timeout = deadline.map_or(timeout, |deadline| timeout.min(time_until(deadline)));
    if timeout.is_zero() {
        return Err(TransportError::too_late(url));
    }
    let outcome = tokio::time::timeout(timeout, exchange(connections, request, destination)).await;
    let outcome = outcome.unwrap_or_else(|_| Err(TransportError::timed_out(url, timeout)));
    // A caller in a hurry says nothing about the service.
    let is_hurry = timeout < PATIENCE && matches!(&outcome, Err(error) if error.kind == TransportErrorKind::Timeout);
    if !is_hurry {
        pass.note(&outcome);
    }
    outcome
}

/// Sends a request, follows redirects within its origin and reads the answer.
async fn exchange(
    connections: &Connections,
    request: &Request,
    destination: &Destination,
) -> Result<Response, TransportError> {
    let sender = connections.here()?;
    let _slot = sender.exchanges.begin().await?;
    let (mut redirected, mut redirects) = (None, 0);
    loop {
        let target = redirected.as_ref().unwrap_or(destination);
        let follows = redirects < MAX_REDIRECTS;
        match sender.exchange(request, &destination.url, target, follows).await? {
            Reply::Whole(response) => return Ok(response),
            Reply::Elsewhere(next) => redirected = Some(Destination::redirected(&destination.url, next)?),
        }
        redirects += 1;
    }
}

fn time_until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn log_retry(url: &Url, outcome: &Result<Response, TransportError>, wait: Duration) {
    let url = address::shown(url);
    match outcome {
        Ok(response) => debug!("trying {url} again in {wait:?}: HTTP {}", response.status()),
        Err(error) => debug!("trying {url} again in {wait:?}: {error}"),
    }
}
