//! The record of what was decided here and of what clients reported.

use std::collections::VecDeque;
use std::sync::Mutex;

use armoriq::json::sha256_hex;
use serde_json::{Map, Value};

use super::lock;
use crate::clock::Instant;

/// The oldest rows beyond this many are dropped.
const KEPT: usize = 10_000;

#[derive(Clone, Copy)]
pub enum Kind {
    /// The control plane decided about a call.
    Decision,
    /// A client reported a call that it had made.
    Report,
}

#[derive(Default)]
pub struct Audits {
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    rows: VecDeque<Value>,
    next_index: u64,
    /// The hash of the last row, which the next one continues.
    commitment: String,
}

/// Where a row was put.
pub struct Receipt {
    pub index: u64,
    /// The SHA-256 of the row and of every row before it.
    pub commitment: String,
}

impl Audits {
    /// Appends a row; `row` has the members that are the kind's own.
    pub fn append(&self, kind: Kind, id: &str, row: Map<String, Value>, now: Instant) -> Receipt {
        let mut log = lock(&self.log);
        let index = log.next_index;
        let mut whole = Map::new();
        whole.insert("index".into(), index.into());
        whole.insert("audit_id".into(), id.into());
        let kind = match kind {
            Kind::Decision => "decision",
            Kind::Report => "report",
        };
        whole.insert("kind".into(), kind.into());
        whole.insert("recorded_at".into(), now.iso().into());
        whole.extend(row);
        let commitment = sha256_hex(format!("{}{}", log.commitment, Value::Object(whole.clone())));
        whole.insert("commitment".into(), commitment.clone().into());
        log.rows.push_back(Value::Object(whole));
        log.next_index += 1;
        log.commitment.clone_from(&commitment);
        if log.rows.len() > KEPT {
            log.rows.pop_front();
        }
        Receipt { index, commitment }
    }

    /// The last rows, the oldest first.
    pub fn last(&self, limit: usize) -> Vec<Value> {
        let log = lock(&self.log);
        log.rows.iter().skip(log.rows.len().saturating_sub(limit)).cloned().collect()
    }
}
