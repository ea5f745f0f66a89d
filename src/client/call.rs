//! One request to the service, with the headers that the protocol asks for.

use std::time::{Duration, Instant};

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::Client;
use crate::Result;
use crate::log::warning;
use crate::transport::{Method, Request, Response, TransportError, Watch, url_with_query};

/// A request that is being put together.
pub(crate) struct Call {
    request: Request,
    deadline: Option<Instant>,
    with_api_key: bool,
    concealed: Vec<String>,
}

impl Call {
    pub(crate) fn get(url: String) -> Self {
        Self::new(Request::get(url))
    }

    pub(crate) fn post(url: String, body: String) -> Self {
        Self::new(Request::post(url, body))
    }

    pub(crate) fn put(url: String, body: String) -> Self {
        Self::new(Request::new(Method::PUT, url).json(body))
    }

    fn new(request: Request) -> Self {
        Self { request, deadline: None, with_api_key: true, concealed: Vec::new() }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn user_email(self, email: &str) -> Self {
        self.header("x-user-email", email)
    }

    pub(crate) fn idempotency_key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// A key of the call's own, the same on all its attempts: what is sent again is not done twice.
    pub(crate) fn own_idempotency_key(self) -> Self {
        self.idempotency_key(&uuid::Uuid::new_v4().simple().to_string())
    }

    /// The protocol's own limit for this request, in seconds; the client's `timeout_ms` holds where it is smaller.
    pub(crate) fn limit(self, seconds: u64) -> Self {
        self.timeout(Duration::from_secs(seconds))
    }

    /// The longest that one attempt may take; the client's `timeout_ms` holds where it is smaller.
    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        self.request = self.request.timeout(timeout);
        self
    }

    /// When the whole call, with its retries, has to be over.
    pub(crate) fn deadline(mut self, deadline: Option<Instant>) -> Self {
        self.deadline = deadline;
        self
    }

    /// Tries again after a fault or a 5xx, as the protocol says.
    pub(crate) fn retried(mut self) -> Self {
        self.request = self.request.retry(true);
        self
    }

    /// Packs a large body, which the protocol has for this request.
    pub(crate) fn packed(mut self) -> Self {
        self.request = self.request.packed();
        self
    }

    /// The largest answer that is read, in bytes, where that is less than the transport's own bound.
    pub(crate) fn at_most(mut self, bytes: usize) -> Self {
        self.request = self.request.at_most(bytes);
        self
    }

    /// Reads no more of an answer than is needed.
    pub(crate) fn until(mut self, watch: Watch) -> Self {
        self.request = self.request.until(watch);
        self
    }

    /// Leaves out `X-API-Key`: the trust endpoints and the public key do not take it.
    pub(crate) fn without_api_key(mut self) -> Self {
        self.with_api_key = false;
        self
    }

    /// A secret of the request, besides the API key, that an answer may repeat and nobody is to read there.
    pub(crate) fn conceal(mut self, secret: Option<&str>) -> Self {
        self.concealed.extend(secret.map(str::to_owned));
        self
    }

    pub(crate) async fn send(self, client: &Client) -> Result<Response, TransportError> {
        let key = client.api_key();
        let key = key.expose_secret();
        let request = self.request.header("authorization", &["Bearer ", key].concat());
        let request = request.optional_header("x-api-key", self.with_api_key.then_some(key));
        let mut response = client.transport().send(request, self.deadline).await?;
        for secret in std::iter::once(key).chain(self.concealed.iter().map(String::as_str)) {
            response.conceal(secret);
        }
        Ok(response)
    }
}

/// What a call says that is no failure where its message did not arrive: whether it did, and why not.
pub(crate) fn delivery(what: &str, sent: Result<Response, TransportError>) -> Value {
    let reason = match sent {
        Ok(response) if response.is_success() => return json!({ "delivered": true }),
        Ok(response) => format!("HTTP {}", response.status()),
        Err(error) => error.to_string(),
    };
    warning!("{what} was not delivered: {reason}");
    json!({ "delivered": false, "reason": reason })
}

impl Client {
    /// The address of a path of the backend, with a query.
    pub(crate) fn backend_url(&self, path: &str, query: &[(&str, &str)]) -> String {
        url_with_query([self.config().backend(), path].concat(), query)
    }
}
