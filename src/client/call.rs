//! One request to the service, with the headers that the protocol asks for.

use std::time::{Duration, Instant};

use secrecy::ExposeSecret;

use super::Client;
use crate::Result;
use crate::transport::{Method, Request, Response, TransportError, url_with_query};

/// A request that is being put together.
pub(crate) struct Call {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
    body: Option<String>,
    limit: Option<Duration>,
    deadline: Option<Instant>,
    retried: bool,
    with_api_key: bool,
}

impl Call {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path.into(), None)
    }

    pub(crate) fn post(path: impl Into<String>, body: String) -> Self {
        Self::new(Method::POST, path.into(), Some(body)).header("content-type", "application/json")
    }

    fn new(method: Method, path: String, body: Option<String>) -> Self {
        Self {
            method,
            path,
            query: Vec::new(),
            headers: Vec::new(),
            body,
            limit: None,
            deadline: None,
            retried: false,
            with_api_key: true,
        }
    }

    pub(crate) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn user_email(self, email: &str) -> Self {
        self.header("x-user-email", email)
    }

    pub(crate) fn idempotency_key(self, key: impl Into<String>) -> Self {
        self.header("idempotency-key", key)
    }

    /// The protocol's own limit for this request; the client's `timeout_ms` holds where it is smaller.
    pub(crate) fn limit(mut self, seconds: u64) -> Self {
        self.limit = Some(Duration::from_secs(seconds));
        self
    }

    /// When the whole call, with its retries, has to be over.
    pub(crate) fn deadline(mut self, deadline: Option<Instant>) -> Self {
        self.deadline = deadline;
        self
    }

    /// Tries again after a fault or a 5xx, as the protocol says.
    pub(crate) fn retried(mut self) -> Self {
        self.retried = true;
        self
    }

    /// Leaves out `X-API-Key`: the trust endpoints and the public key do not take it.
    pub(crate) fn without_api_key(mut self) -> Self {
        self.with_api_key = false;
        self
    }

    pub(crate) async fn send(self, client: &Client) -> Result<Response, TransportError> {
        let key = client.api_key();
        let key = key.expose_secret();
        let limit = self.limit.map_or(client.config().timeout, |limit| limit.min(client.config().timeout));
        let url = url_with_query(&client.config().backend, &self.path, &self.query);
        let mut request = Request::new(self.method, url)
            .secret_header("authorization", format!("Bearer {key}"))
            .timeout(limit)
            .retry(self.retried);
        if self.with_api_key {
            request = request.secret_header("x-api-key", key.to_owned());
        }
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = self.body {
            request = request.body(body);
        }
        client.transport().send(request, self.deadline).await
    }
}
