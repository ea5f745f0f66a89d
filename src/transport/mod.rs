//! HTTP as this library speaks it: bounded in time and size, retried where that is safe, never redirected to another
//! origin, and with no secret in what it says about a failure.
//!
//! A [`Transport`] is cheap to make: the proxies of the environment are read and connections made with the first request,
//! the system's root certificates are read with the first TLS handshake.

mod address;
mod connections;
mod error;
mod message;
mod retry;
mod runtime;
mod tls;

pub use address::{path_segment, url_with_query};
pub use error::{TransportError, TransportErrorKind};
pub use message::{MAX_BODY_BYTES, Request, Response};
pub use reqwest::Method;
pub use runtime::Task;

use crate::error::{Error, Result};
use crate::fork::PerProcess;
use crate::log::debug;
use connections::Connections;
use reqwest::header::HeaderValue;
use retry::RetryPolicy;
use runtime::Runtimes;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    /// Whether servers must show a certificate that the system, or `ca_certificates`, trusts.
    pub verify_ssl: bool,
    /// A PEM file of certificates that are trusted besides the system's.
    pub ca_certificates: Option<PathBuf>,
    /// A PEM file with the certificate chain that is shown to servers, and one with its key.
    pub client_certificate: Option<PathBuf>,
    pub client_key: Option<PathBuf>,
    /// Runs first on every thread that the transport starts.
    pub thread_start: Option<fn()>,
}

impl Default for TransportOptions {
    fn default() -> Self {
        Self {
            user_agent: String::new(),
            timeout: Duration::from_secs(30),
            max_retries: 3,
            retry_unit: Duration::from_secs(1),
            verify_ssl: true,
            ca_certificates: None,
            client_certificate: None,
            client_key: None,
            thread_start: None,
        }
    }
}

/// Sends requests over its own connections.
pub struct Transport {
    options: TransportOptions,
    retry: RetryPolicy,
    engine: PerProcess<Engine>,
}

/// What a forked child must make for itself: sockets, the runtimes that drive them, and the state of TLS, which has
/// locks.
struct Engine {
    connections: Arc<Connections>,
    runtimes: Runtimes,
}

impl Engine {
    fn new(options: &TransportOptions) -> Result<Self> {
        let user_agent = HeaderValue::from_str(&options.user_agent)
            .map_err(|_| Error::configuration("the user agent has characters that a header cannot carry"))?;
        let connections = Arc::new(Connections::new(user_agent, tls::client_config(options)?));
        Ok(Self { runtimes: Runtimes::new(Arc::clone(&connections), options.thread_start), connections })
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
        let transport = Self {
            options: options.clone(),
            retry: RetryPolicy { max_retries: options.max_retries, unit: options.retry_unit },
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
    /// [`Error::Internal`] where the system has no thread or descriptor for it, and [`Error::InvalidState`] on the
    /// background thread, which may be what the future waits for.
    pub fn block_on<F>(&self, future: F) -> Result<F::Output>
    where
        F: Future + Send,
        F::Output: Send,
    {
        self.engine()?.runtimes.block_on(future)
    }

    /// Runs a future on the background thread, which the first one starts.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] where the system has no thread or descriptor for it.
    pub fn spawn<F>(&self, future: F) -> Result<Task<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.engine()?.runtimes.spawn(future)
    }

    /// Sends a request and reads the whole answer, whatever its status. A request that may be retried is sent again
    /// after a failure to connect, a timeout, a broken exchange, a status of 500 or above, and a 429 that says when to
    /// come back; once there was any answer, the last one is returned. With a deadline, all of it ends there at the
    /// latest. Must be polled within [`Self::block_on`] or [`Self::spawn`].
    ///
    /// # Errors
    ///
    /// [`TransportError`] where there was no answer, or none that could be read.
    pub async fn send(&self, request: Request, deadline: Option<Instant>) -> Result<Response, TransportError> {
        let (request, options) = request.build()?;
        let timeout = options.timeout.map_or(self.options.timeout, |timeout| timeout.min(self.options.timeout));
        let mut last_response = None;
        let mut attempt = 0;
        loop {
            let outcome = self.attempt(&request, timeout, deadline).await;
            let wait = if options.retry { self.retry.wait_after(attempt, &outcome) } else { None };
            let wait = wait.filter(|wait| deadline.is_none_or(|deadline| *wait < time_until(deadline)));
            match (outcome, wait) {
                (Ok(response), None) => return Ok(response),
                (Err(error), None) => return last_response.ok_or(error),
                (outcome, Some(wait)) => {
                    log_retry(&request, &outcome, wait);
                    last_response = outcome.ok().or(last_response);
                    attempt += 1;
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// One exchange, within its time.
    async fn attempt(
        &self,
        request: &reqwest::Request,
        timeout: Duration,
        deadline: Option<Instant>,
    ) -> Result<Response, TransportError> {
        let timeout = deadline.map_or(timeout, |deadline| timeout.min(time_until(deadline)));
        if timeout.is_zero() {
            return Err(TransportError::too_late(request.url()));
        }
        let again = request.try_clone().ok_or_else(|| TransportError::internal("a request cannot be sent twice"))?;
        match tokio::time::timeout(timeout, self.exchange(again)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(TransportError::timed_out(request.url(), timeout)),
        }
    }

    /// Sends a request, follows redirects within its origin and reads the answer.
    async fn exchange(&self, mut request: reqwest::Request) -> Result<Response, TransportError> {
        let engine = self.engine().map_err(|error| TransportError::internal(error.to_string()))?;
        let connections::Sender { client, slots } = engine.connections.here()?;
        connections::catch_up().await;
        let slot = slots.acquire().await;
        let _slot = slot.map_err(|_| TransportError::internal("the transport's runtime is gone"))?;
        let url = request.url().clone();
        let mut redirects = 0;
        loop {
            let next = request.try_clone().filter(|_| redirects < MAX_REDIRECTS);
            let response = client.execute(request).await.map_err(|error| TransportError::unanswered(&url, error))?;
            let next = next.and_then(|next| address::redirected(next, &response));
            let Some(next) = next else { return message::read(&url, response).await };
            redirects += 1;
            request = next;
        }
    }

    fn engine(&self) -> Result<Arc<Engine>> {
        self.engine.get_or_try_init(|| Engine::new(&self.options))
    }
}

fn time_until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn log_retry(request: &reqwest::Request, outcome: &Result<Response, TransportError>, wait: Duration) {
    let url = address::shown(request.url());
    match outcome {
        Ok(response) => debug!("trying {url} again in {wait:?}: HTTP {}", response.status()),
        Err(error) => debug!("trying {url} again in {wait:?}: {error}"),
    }
}
