use super::address::shown;
use crate::error::Error;
use std::error::Error as StdError;
use std::io;
use std::time::Duration;
use url::Url;

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

    /// No connection.
    pub(super) fn unconnected(url: &Url, error: &(dyn StdError + 'static)) -> Self {
        Self::without_answer(url, error, TransportErrorKind::Connect, "cannot connect to")
    }

    /// No answer, or not even its head.
    pub(super) fn unanswered(url: &Url, error: &hyper::Error) -> Self {
        Self::without_answer(url, error, TransportErrorKind::Protocol, "no answer from")
    }

    fn without_answer(url: &Url, error: &(dyn StdError + 'static), kind: TransportErrorKind, problem: &str) -> Self {
        let (kind, problem) =
            if is_timeout(error) { (TransportErrorKind::Timeout, "no answer in time from") } else { (kind, problem) };
        Self::new(kind, format!("{problem} {}: {}", shown(url), root_cause(error)))
    }

    /// An address that HTTP cannot carry.
    pub(super) fn unsendable(url: &Url, error: &(dyn StdError + 'static)) -> Self {
        let message = format!("cannot send a request to {}: {}", shown(url), root_cause(error));
        Self::new(TransportErrorKind::Request, message)
    }

    /// An answer that broke off.
    pub(super) fn broken_off(url: &Url, error: &(dyn StdError + 'static)) -> Self {
        let kind = if is_timeout(error) { TransportErrorKind::Timeout } else { TransportErrorKind::Body };
        Self::new(kind, format!("the answer of {} broke off: {}", shown(url), root_cause(error)))
    }

    /// Whether the same request may well succeed later.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self.kind, TransportErrorKind::Connect | TransportErrorKind::Timeout | TransportErrorKind::Protocol)
    }
}

/// An error and what caused it, down to the first cause.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// Whether the system gave up waiting for the other side.
fn is_timeout(error: &(dyn StdError + 'static)) -> bool {
    let is_timeout = |error: &io::Error| error.kind() == io::ErrorKind::TimedOut;
    causes(error).filter_map(|cause| cause.downcast_ref()).any(is_timeout)
}

/// The innermost error's own text: the outer ones only repeat it, with the whole URL.
fn root_cause(error: &(dyn StdError + 'static)) -> String {
    causes(error).last().unwrap_or(error).to_string()
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
