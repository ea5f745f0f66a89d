use super::address::shown;
use crate::error::Error;
use reqwest::Url;
use std::time::Duration;

/// Why there is no answer. The message names the address without its query, and nothing of the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TransportError {
    pub kind: TransportErrorKind,
    pub message: String,
}

/// What went wrong, as far as callers need to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportErrorKind {
    /// No connection: name look-up, refusal, TLS, proxy.
    Connect,
    /// No answer in time.
    Timeout,
    /// The connection broke, or what came was not HTTP, before there was an answer.
    Protocol,
    /// The answer broke off.
    Body,
    /// The answer is larger than is read.
    TooLarge,
    /// The request cannot be sent: no such address, or a header that HTTP cannot carry.
    Request,
    /// The service has been failing, and is not asked again yet.
    Refused,
    /// This process cannot send requests.
    Internal,
}

impl TransportError {
    pub(super) fn new(kind: TransportErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(TransportErrorKind::Internal, message)
    }

    pub(super) fn timed_out(url: &Url, after: Duration) -> Self {
        Self::new(TransportErrorKind::Timeout, format!("no answer from {} within {after:?}", shown(url)))
    }

    pub(super) fn too_late(url: &Url) -> Self {
        Self::new(TransportErrorKind::Timeout, format!("the time was over before {} was asked", shown(url)))
    }

    /// No answer, or not even its head.
    pub(super) fn unanswered(url: &Url, error: reqwest::Error) -> Self {
        let (kind, problem) = match () {
            () if error.is_timeout() => (TransportErrorKind::Timeout, "no answer in time from"),
            () if error.is_connect() => (TransportErrorKind::Connect, "cannot connect to"),
            () if error.is_builder() => (TransportErrorKind::Request, "cannot send a request to"),
            () => (TransportErrorKind::Protocol, "no answer from"),
        };
        Self::new(kind, format!("{problem} {}: {}", shown(url), root_cause(error)))
    }

    /// An answer that broke off.
    pub(super) fn broken_off(url: &Url, error: reqwest::Error) -> Self {
        let kind = if error.is_timeout() { TransportErrorKind::Timeout } else { TransportErrorKind::Body };
        Self::new(kind, format!("the answer of {} broke off: {}", shown(url), root_cause(error)))
    }

    /// Whether the same request may well succeed later.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self.kind, TransportErrorKind::Connect | TransportErrorKind::Timeout | TransportErrorKind::Protocol)
    }
}

/// The innermost error's own text: the outer ones only repeat it, with the whole URL.
fn root_cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

impl From<TransportError> for Error {
    fn from(error: TransportError) -> Self {
        match error.kind {
            TransportErrorKind::Timeout => Self::Timeout(error.message),
            TransportErrorKind::Internal => Self::Internal(error.message),
            TransportErrorKind::Connect
            | TransportErrorKind::Protocol
            | TransportErrorKind::Body
            | TransportErrorKind::TooLarge
            | TransportErrorKind::Refused
            | TransportErrorKind::Request => Self::Service { message: error.message, status_code: None },
        }
    }
}
