//! Token usage: counts by session, model and hour. A later report for the same hour replaces the earlier one.

use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;

use serde_json::Value;

use super::lock;

/// What a row of counts is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
}

#[derive(Default)]
struct State {
    rows: BTreeMap<UsageKey, Value>,
    /// The last revision of each session's hour.
    revisions: BTreeMap<(String, String, u64), u64>,
    generation: Option<String>,
    resets: HashSet<String>,
    runs: BTreeMap<String, Value>,
}

impl Usage {
    pub fn record(&self, rows: Vec<(UsageKey, Value)>) -> usize {
        let count = rows.len();
        lock(&self.usage).rows.extend(rows);
        count
    }

    /// The stream's generation, which `make` names where there is none yet.
    pub fn generation(&self, make: impl FnOnce() -> String) -> String {
        lock(&self.usage).generation.get_or_insert_with(make).clone()
    }

    /// Begins a new generation, once for each reset.
    pub fn reset(&self, reset_id: &str, make: impl FnOnce() -> String) -> String {
        let mut usage = lock(&self.usage);
        if usage.resets.insert(reset_id.to_owned()) {
            usage.generation = Some(make());
            usage.revisions.clear();
        }
        usage.generation.clone().unwrap_or_default()
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
    ) -> &'static str {
        let mut usage = lock(&self.usage);
        let last = usage.revisions.entry((session.to_owned(), date.to_owned(), hour)).or_default();
        if revision < *last {
            return "superseded";
        }
        if revision == *last {
            return "present";
        }
        *last = revision;
        usage.rows.extend(rows);
        "applied"
    }

    /// Whether the run's report changed anything.
    pub fn report_run(&self, run_id: &str, report: Value) -> bool {
        let mut usage = lock(&self.usage);
        usage.runs.insert(run_id.to_owned(), report.clone()) != Some(report)
    }
}
