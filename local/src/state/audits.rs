//! The record of what was decided here and of what clients reported.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use armoriq::json::sha256_hex;
use serde_json::{Map, Value};

use super::lock;
use super::storage::{self, Storage, StorageError, numbered};
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

pub struct Audits {
    log: Mutex<Log>,
    storage: Arc<Storage>,
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
    pub fn load(storage: Arc<Storage>) -> Result<Self, StorageError> {
        let rows: VecDeque<Value> = storage.load(storage::Kind::Audit)?.into_iter().map(|(_, row)| row).collect();
        let last = rows.back();
        let log = Log {
            next_index: last.and_then(|row| row["index"].as_u64()).map_or(0, |index| index + 1),
            commitment: last.and_then(|row| row["commitment"].as_str()).unwrap_or_default().to_owned(),
            rows,
        };
        Ok(Self { log: Mutex::new(log), storage })
    }

    /// Appends a row; `row` has the members that are the kind's own.
    pub fn append(&self, kind: Kind, id: &str, row: Map<String, Value>, now: Instant) -> Result<Receipt, StorageError> {
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
        let row = Value::Object(whole);
        let too_many = log.rows.len() >= KEPT;
        let mut batch = self.storage.batch();
        batch.put(storage::Kind::Audit, &numbered(index), &row)?;
        if too_many && let Some(oldest) = log.rows.front().and_then(|row| row["index"].as_u64()) {
            batch.remove(storage::Kind::Audit, &numbered(oldest));
        }
        batch.commit()?;
        if too_many {
            log.rows.pop_front();
        }
        log.rows.push_back(row);
        log.next_index += 1;
        log.commitment.clone_from(&commitment);
        Ok(Receipt { index, commitment })
    }

    /// The last rows, the oldest first.
    pub fn last(&self, limit: usize) -> Vec<Value> {
        let log = lock(&self.log);
        log.rows.iter().skip(log.rows.len().saturating_sub(limit)).cloned().collect()
    }
}
