//! Answers that were given to requests with an `Idempotency-Key`, so that a repeated request gets the same one.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use axum::http::StatusCode;
use serde_json::Value;

use super::lock;

/// The oldest answers beyond this many are forgotten.
const KEPT: usize = 10_000;

/// A key as one client sent it to one endpoint.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ReplyKey {
    pub api_key: String,
    pub endpoint: &'static str,
    pub key: String,
}

#[derive(Clone)]
struct Reply {
    /// The SHA-256 of the request's body.
    request: String,
    status: StatusCode,
    body: Value,
}

#[derive(Default)]
pub struct Replies {
    replies: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    by_key: HashMap<ReplyKey, Reply>,
    by_age: VecDeque<ReplyKey>,
}

/// The key was used before for another request.
#[derive(Debug)]
pub struct KeyReused;

impl Replies {
    /// The answer of before, or else the one that `answer` gives, which is then remembered. Requests with a key wait for
    /// one another, so that two with the same key cannot both be new. `answer` must not call this store.
    /// A refusal is not remembered: it may be tried again.
    pub fn once<E>(
        &self,
        key: ReplyKey,
        request: String,
        answer: impl FnOnce() -> Result<(StatusCode, Value), E>,
    ) -> Result<Result<(StatusCode, Value), E>, KeyReused> {
        let mut replies = lock(&self.replies);
        if let Some(reply) = replies.by_key.get(&key) {
            return if reply.request == request { Ok(Ok((reply.status, reply.body.clone()))) } else { Err(KeyReused) };
        }
        let answer = answer();
        if let Ok((status, body)) = &answer {
            replies.by_key.insert(key.clone(), Reply { request, status: *status, body: body.clone() });
            replies.by_age.push_back(key);
            if replies.by_age.len() > KEPT
                && let Some(oldest) = replies.by_age.pop_front()
            {
                replies.by_key.remove(&oldest);
            }
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(key: &str) -> ReplyKey {
        ReplyKey { api_key: "k".into(), endpoint: "/x", key: key.into() }
    }

    fn once(replies: &Replies, request: &str, answer: Result<i32, &'static str>) -> Result<i64, &'static str> {
        replies
            .once(key("1"), request.into(), || answer.map(|number| (StatusCode::CREATED, json!(number))))
            .unwrap_or(Err("reused"))
            .map(|(_, body)| body.as_i64().unwrap())
    }

    #[test]
    fn repeats_the_first_answer_to_the_same_request() {
        let replies = Replies::default();
        assert_eq!(once(&replies, "a", Ok(1)), Ok(1));
        assert_eq!(once(&replies, "a", Ok(2)), Ok(1));
        assert_eq!(once(&replies, "b", Ok(3)), Err("reused"));
    }

    #[test]
    fn a_refusal_is_not_remembered() {
        let replies = Replies::default();
        assert_eq!(once(&replies, "a", Err("no")), Err("no"));
        assert_eq!(once(&replies, "a", Ok(2)), Ok(2));
    }
}
