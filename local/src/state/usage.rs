//! Token usage: counts by session, model and hour. A later report for the same hour replaces the earlier one.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lock;
use super::storage::{Batch, Kind, Storage, StorageError};

/// What a row of counts is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UsageKey {
    pub product: String,
    pub session: String,
    pub model: String,
    pub date: String,
    pub hour: u64,
    pub device: String,
}

#[derive(Default)]
pub struct Usage {
    usage: Mutex<State>,
    storage: Arc<Storage>,
}

/// A session's hour.
type Hour = (String, String, u64);

#[derive(Default)]
struct State {
    rows: BTreeMap<UsageKey, Value>,
    /// The last revision of each session's hour.
    revisions: BTreeMap<Hour, u64>,
    generation: Option<String>,
    resets: HashSet<String>,
    runs: BTreeMap<String, Value>,
}

impl Usage {
    pub fn load(storage: Arc<Storage>) -> Result<Self, StorageError> {
        let values = |kind| storage.load::<String>(kind);
        let state = State {
            // These are stored under their keys' JSON, and with their keys.
            rows: storage.load(Kind::UsageRow)?.into_iter().map(|(_, row)| row).collect(),
            revisions: storage.load(Kind::UsageRevision)?.into_iter().map(|(_, revision)| revision).collect(),
            generation: values(Kind::UsageStream)?.pop().map(|(_, generation)| generation),
            resets: values(Kind::UsageReset)?.into_iter().map(|(id, _)| id).collect(),
            runs: storage.load(Kind::UsageRun)?.into_iter().collect(),
        };
        Ok(Self { usage: Mutex::new(state), storage })
    }

    pub fn record(&self, rows: Vec<(UsageKey, Value)>) -> Result<usize, StorageError> {
        let mut usage = lock(&self.usage);
        let mut batch = self.storage.batch();
        put_rows(&mut batch, &rows)?;
        batch.commit()?;
        let count = rows.len();
        usage.rows.extend(rows);
        Ok(count)
    }

    /// The counts of each session, model and hour.
    pub fn rows(&self) -> Vec<(UsageKey, Value)> {
        lock(&self.usage).rows.iter().map(|(key, counts)| (key.clone(), counts.clone())).collect()
    }

    /// The stream's generation, which `make` names where there is none yet.
    pub fn generation(&self, make: impl FnOnce() -> String) -> Result<String, StorageError> {
        let mut usage = lock(&self.usage);
        if let Some(generation) = &usage.generation {
            return Ok(generation.clone());
        }
        let generation = make();
        self.storage.put(Kind::UsageStream, "generation", &generation)?;
        usage.generation = Some(generation.clone());
        Ok(generation)
    }

    /// Begins a new generation, once for each reset.
    pub fn reset(&self, reset_id: &str, make: impl FnOnce() -> String) -> Result<String, StorageError> {
        let mut usage = lock(&self.usage);
        if let Some(generation) = usage.generation.clone().filter(|_| usage.resets.contains(reset_id)) {
            return Ok(generation);
        }
        let generation = make();
        let mut batch = self.storage.batch();
        for hour in usage.revisions.keys() {
            batch.remove(Kind::UsageRevision, &serde_json::to_string(hour)?);
        }
        batch.put(Kind::UsageReset, reset_id, &generation)?;
        batch.put(Kind::UsageStream, "generation", &generation)?;
        batch.commit()?;
        usage.resets.insert(reset_id.to_owned());
        usage.revisions.clear();
        usage.generation = Some(generation.clone());
        Ok(generation)
    }

    pub fn is_generation(&self, generation: &str) -> bool {
        lock(&self.usage).generation.as_deref() == Some(generation)
    }

    /// `applied`, or `present` and `superseded` where that revision or a later one is there.
    pub fn apply(
        &self,
        session: &str,
        date: &str,
        hour: u64,
        revision: u64,
        rows: Vec<(UsageKey, Value)>,
    ) -> Result<&'static str, StorageError> {
        let mut usage = lock(&self.usage);
        let hour: Hour = (session.to_owned(), date.to_owned(), hour);
        let last = usage.revisions.get(&hour).copied().unwrap_or_default();
        if revision < last {
            return Ok("superseded");
        }
        if revision == last {
            return Ok("present");
        }
        let mut batch = self.storage.batch();
        put_rows(&mut batch, &rows)?;
        batch.put(Kind::UsageRevision, &serde_json::to_string(&hour)?, &(&hour, revision))?;
        batch.commit()?;
        usage.revisions.insert(hour, revision);
        usage.rows.extend(rows);
        Ok("applied")
    }

    /// Whether the run's report changed anything.
    pub fn report_run(&self, run_id: &str, report: Value) -> Result<bool, StorageError> {
        let mut usage = lock(&self.usage);
        if usage.runs.get(run_id) == Some(&report) {
            return Ok(false);
        }
        self.storage.put(Kind::UsageRun, run_id, &report)?;
        usage.runs.insert(run_id.to_owned(), report);
        Ok(true)
    }
}

fn put_rows(batch: &mut Batch<'_>, rows: &[(UsageKey, Value)]) -> Result<(), StorageError> {
    rows.iter().try_for_each(|row| batch.put(Kind::UsageRow, &serde_json::to_string(&row.0)?, row))
}
