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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::TransportErrorKind;

    const POLICY: RetryPolicy = RetryPolicy { max_retries: 5, unit: Duration::from_secs(1) };

    fn answer(status: u16, retry_after: &str) -> Result<Response, TransportError> {
        Ok(Response::with_header(status, "retry-after", retry_after))
    }

    fn seconds(wait: Option<Duration>) -> Option<u64> {
        wait.map(|wait| wait.as_secs())
    }

    #[test]
    fn waits_one_two_and_then_four_units() {
        let failure = Err(TransportError::new(TransportErrorKind::Connect, ""));
        let waits: Vec<_> = (0..6).map(|attempt| seconds(POLICY.wait_after(attempt, &failure))).collect();
        assert_eq!(waits, [Some(1), Some(2), Some(4), Some(4), Some(4), None]);
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (kind, retried) in [
            (TransportErrorKind::Connect, true),
            (TransportErrorKind::Timeout, true),
            (TransportErrorKind::Protocol, true),
            (TransportErrorKind::Body, false),
            (TransportErrorKind::TooLarge, false),
            (TransportErrorKind::Request, false),
            (TransportErrorKind::Refused, false),
            (TransportErrorKind::Internal, false),
        ] {
            let wait = POLICY.wait_after(0, &Err(TransportError::new(kind, "")));
            assert_eq!(wait.is_some(), retried, "{kind:?}");
        }
    }

    #[test]
    fn a_service_can_ask_for_a_longer_wait_within_bounds() {
        for (status, retry_after, expect) in [
            (429, "7", Some(7)),
            (429, "0", Some(1)),
            (429, "soon", None),
            (429, "-5", None),
            (429, "99999999999999999999999", None),
            (429, "Thu, 01 Jan 1970 00:00:00 GMT", Some(1)),
            (429, "Fri, 31 Dec 9999 23:59:59 GMT", Some(30)),
            (503, "3600", Some(30)),
            (503, "soon", Some(1)),
            (500, "7", Some(1)),
            (599, "", Some(1)),
            (499, "7", None),
            (200, "7", None),
            (307, "7", None),
        ] {
            let wait = seconds(POLICY.wait_after(0, &answer(status, retry_after)));
            assert_eq!(wait, expect, "{status} {retry_after}");
        }
    }
}
