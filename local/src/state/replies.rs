//! Answers that were given to requests with an `Idempotency-Key`, so that a repeated request gets the same one.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lock;
use super::storage::{Kind, Storage, StorageError, numbered};

/// The oldest answers beyond this many are forgotten.
const KEPT: usize = 10_000;

/// A key as one client sent it to one endpoint.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReplyKey {
    pub api_key: String,
    pub endpoint: String,
    pub key: String,
}

#[derive(Clone, Serialize, Deserialize)]
struct Reply {
    key: ReplyKey,
    /// The SHA-256 of the request's body.
    request: String,
    status: u16,
    body: Value,
}

#[derive(Default)]
pub struct Replies {
    replies: Mutex<Kept>,
    storage: Arc<Storage>,
}

#[derive(Default)]
struct Kept {
    by_key: HashMap<ReplyKey, Reply>,
    /// With the numbers that the replies are stored under.
    by_age: VecDeque<(u64, ReplyKey)>,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum NoReply {
    /// The key was used before for another request.
    KeyReused,
    Storage(StorageError),
}

impl From<StorageError> for NoReply {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl Replies {
    pub fn load(storage: Arc<Storage>) -> Result<Self, StorageError> {
        let mut kept = Kept::default();
        for (number, reply) in storage.load::<Reply>(Kind::Reply)? {
            kept.by_age.push_back((number.parse().unwrap_or_default(), reply.key.clone()));
            kept.by_key.insert(reply.key.clone(), reply);
        }
        Ok(Self { replies: Mutex::new(kept), storage })
    }

    /// The answer of before, or else the one that `answer` gives, which is then remembered. Requests with a key wait for
    /// one another, so that two with the same key cannot both be new. `answer` must not call this store.
    /// A refusal is not remembered: it may be tried again.
    pub fn once<E>(
        &self,
        key: ReplyKey,
        request: String,
        answer: impl FnOnce() -> Result<(StatusCode, Value), E>,
    ) -> Result<Result<(StatusCode, Value), E>, NoReply> {
        let mut replies = lock(&self.replies);
        if let Some(reply) = replies.by_key.get(&key) {
            let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
            return if reply.request == request {
                Ok(Ok((status, reply.body.clone())))
            } else {
                Err(NoReply::KeyReused)
            };
        }
        let answer = answer();
        if let Ok((status, body)) = &answer {
            let reply = Reply { key: key.clone(), request, status: status.as_u16(), body: body.clone() };
            let number = replies.by_age.back().map_or(0, |(number, _)| number + 1);
            let oldest = replies.by_age.front().filter(|_| replies.by_age.len() >= KEPT).cloned();
            let mut batch = self.storage.batch();
            batch.put(Kind::Reply, &numbered(number), &reply)?;
            if let Some((number, _)) = &oldest {
                batch.remove(Kind::Reply, &numbered(*number));
            }
            batch.commit()?;
            if let Some((_, oldest)) = &oldest {
                replies.by_age.pop_front();
                replies.by_key.remove(oldest);
            }
            replies.by_key.insert(key.clone(), reply);
            replies.by_age.push_back((number, key));
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(key: &str) -> ReplyKey {
        ReplyKey { api_key: "k".into(), endpoint: "/x".into(), key: key.into() }
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
