//! The MCP servers behind the proxy: one session for a server and a credential, over streamable HTTP.

mod credential;

use std::collections::HashMap;
use std::error::Error as StdError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::redirect::{Attempt, Policy};
use rmcp::ServiceExt;
use rmcp::model::{CallToolRequestParams, ClientCapabilities, ClientConfig, ErrorData, Implementation};
use rmcp::service::{ClientInitializeError, RoleClient, RunningService, ServiceError};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::common::client_side_sse::NeverRetry;
use rmcp::transport::streamable_http_client::{
    AuthRequiredError, InsufficientScopeError, StreamableHttpClientTransportConfig, StreamableHttpError,
};
use serde_json::{Map, Value};
use url::{Host, Url};

pub use credential::Credential;

use crate::config::Server;

/// How long a server may take to begin a session.
const CONNECT: Duration = Duration::from_secs(10);
/// Beyond this many sessions the one that was idle the longest is ended.
const KEPT: usize = 256;
const MAX_REDIRECTS: usize = 5;

type Session = RunningService<RoleClient, ClientConfig>;

/// A server's name and a credential's digest.
type Key = (String, String);

/// Whoever comes first begins the session; the others wait for it.
type Slot = Arc<tokio::sync::Mutex<Option<Arc<Session>>>>;

#[derive(Default)]
pub struct Sessions {
    slots: Mutex<HashMap<Key, (Slot, Instant)>>,
}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The server answered with a JSON-RPC error.
    #[error("{}", .0.message)]
    JsonRpc(ErrorData),
    #[error("it refused the credential")]
    Unauthorized,
    #[error("it did not answer in {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    #[error("{0}")]
    Failed(String),
}

/// A session that is ready for a call.
pub struct Connection {
    key: Key,
    session: Arc<Session>,
}

impl Sessions {
    /// The session with a server, which is begun where there is none.
    pub async fn connect(&self, server: &Server, url: &Url, credential: &Credential) -> Result<Connection, CallError> {
        let key = (server.name.clone(), credential.digest.clone());
        let slot = self.slot(&key);
        let mut slot = slot.lock().await;
        let session = match slot.as_ref().filter(|session| !session.is_transport_closed()) {
            Some(session) => Arc::clone(session),
            None => {
                let begun = tokio::time::timeout(CONNECT, begin(url, credential)).await;
                let session = Arc::new(begun.map_err(|_| CallError::TimedOut(CONNECT))??);
                *slot = Some(Arc::clone(&session));
                session
            }
        };
        Ok(Connection { key, session })
    }

    /// Calls a tool. A call is sent once: whether it was carried out before something broke cannot be known.
    pub async fn call(
        &self,
        connection: Connection,
        tool: &str,
        arguments: Map<String, Value>,
        limit: Duration,
    ) -> Result<Value, CallError> {
        let call = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        let result = match tokio::time::timeout(limit, connection.session.call_tool(call)).await {
            Ok(result) => result.map_err(CallError::from),
            Err(_) => Err(CallError::TimedOut(limit)),
        };
        if !matches!(result, Ok(_) | Err(CallError::JsonRpc(_))) {
            // The next call begins anew, and what this one may still be waiting for ends with its session.
            self.sessions().remove(&connection.key);
        }
        serde_json::to_value(result?).map_err(|error| CallError::Failed(error.to_string()))
    }

    fn slot(&self, key: &Key) -> Slot {
        let mut slots = self.sessions();
        if slots.len() >= KEPT && !slots.contains_key(key) {
            let idle = slots.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| key.clone());
            idle.map(|idle| slots.remove(&idle));
        }
        let (slot, used) = slots.entry(key.clone()).or_insert_with(|| (Slot::default(), Instant::now()));
        *used = Instant::now();
        Arc::clone(slot)
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<Key, (Slot, Instant)>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn begin(url: &Url, credential: &Credential) -> Result<Session, CallError> {
    let client = client(url).map_err(|error| CallError::Failed(root_cause(&error)))?;
    let mut config = StreamableHttpClientTransportConfig::with_uri(url.as_str());
    config = config.custom_headers(credential.headers.clone());
    // What a server tells outside of a call is not passed on, so a lost stream of it need not be found again.
    config.retry_config = Arc::new(NeverRetry::default());
    let transport = StreamableHttpClientTransport::with_client(client, config);
    let this = Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    Ok(ClientConfig::new(ClientCapabilities::default(), this).serve(transport).await?)
}

fn client(url: &Url) -> Result<reqwest::Client, reqwest::Error> {
    // A second call changes nothing, which is fine: it is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut client = reqwest::Client::builder().redirect(Policy::custom(stay_at_the_origin)).connect_timeout(CONNECT);
    if is_loopback(url) {
        client = client.no_proxy();
    }
    if url.scheme() == "http" {
        // A machine without root certificates can call such a server as well.
        client = client.tls_certs_only([]);
    }
    client.build()
}

/// A server may say that its path is another one; the credential goes to no other server.
fn stay_at_the_origin(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let is_same_request = matches!(attempt.status().as_u16(), 307 | 308);
    let from = attempt.previous().last().map(Url::origin);
    match is_same_request && attempt.previous().len() <= MAX_REDIRECTS && from == Some(attempt.url().origin()) {
        true => attempt.follow(),
        false => attempt.stop(),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl From<ClientInitializeError> for CallError {
    fn from(error: ClientInitializeError) -> Self {
        match &error {
            ClientInitializeError::TransportError { error, .. } => Self::of_transport(error),
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<ServiceError> for CallError {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::McpError(error) => Self::JsonRpc(error),
            ServiceError::TransportSend(error) => Self::of_transport(&error),
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl CallError {
    fn of_transport(error: &(dyn StdError + 'static)) -> Self {
        match chain(error).any(|cause| cause.is::<AuthRequiredError>() || cause.is::<InsufficientScopeError>()) {
            true => Self::Unauthorized,
            false => Self::Failed(root_cause(error)),
        }
    }
}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// The innermost error: the outer ones name the URL, which may hold a secret.
fn root_cause(error: &(dyn StdError + 'static)) -> String {
    // rmcp does not name the HTTP client's error as its source.
    let of_client =
        chain(error).find_map(|cause| match cause.downcast_ref::<StreamableHttpError<reqwest::Error>>()? {
            StreamableHttpError::Client(error) => Some(error as &(dyn StdError + 'static)),
            _ => None,
        });
    match chain(of_client.unwrap_or(error)).last() {
        Some(cause) if !cause.is::<reqwest::Error>() => cause.to_string(),
        _ => "the HTTP request failed".into(),
    }
}
