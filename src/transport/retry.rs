use super::error::TransportError;
use super::message::Response;
use std::time::{Duration, SystemTime};

/// The longest wait that a service can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);

/// When a request is sent again.
#[derive(Debug, Clone, Copy)]
pub(super) struct RetryPolicy {
    pub max_retries: u32,
    /// The first wait; the second is twice that, the others four times.
    pub unit: Duration,
}

impl RetryPolicy {
    /// How long to wait before the next attempt, after the attempt of that number (from 0); `None` for no more.
    pub fn wait_after(&self, attempt: u32, outcome: &Result<Response, TransportError>) -> Option<Duration> {
        if attempt >= self.max_retries {
            return None;
        }
        let backoff = self.unit.saturating_mul(1 << attempt.min(2));
        match outcome {
            Err(error) => error.is_transient().then_some(backoff),
            Ok(response) => {
                let asked = retry_after(response, SystemTime::now());
                match response.status() {
                    429 => Some(asked?.max(backoff)),
                    500.. => Some(asked.map_or(backoff, |asked| asked.max(backoff))),
                    _ => None,
                }
            }
        }
    }
}

/// The wait that a 429 or a 503 asks for, in seconds or until a date.
fn retry_after(response: &Response, now: SystemTime) -> Option<Duration> {
    if !matches!(response.status(), 429 | 503) {
        return None;
    }
    let value = response.header("retry-after")?.trim();
    let asked = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(asked.min(MAX_RETRY_AFTER))
}
