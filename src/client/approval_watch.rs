//! Looking at one delegation for all who wait for it: one request at a time, and everybody hears its answer.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::{Client, DelegationStatus};
use crate::{Error, Result};

/// The delegations that are waited for now.
#[derive(Default)]
pub(super) struct Watches(Mutex<HashMap<String, Weak<Watch>>>);

/// One delegation, shared by its waiters.
struct Watch {
    /// Held by the one that asks.
    asking: tokio::sync::Mutex<()>,
    last: watch::Sender<Option<Look>>,
}

/// What the service said, and when.
#[derive(Clone)]
struct Look {
    at: Instant,
    outcome: Result<DelegationStatus>,
}

/// One of those who wait for a delegation.
pub(crate) struct Waiter {
    client: Client,
    delegation_id: String,
    watch: Arc<Watch>,
    news: watch::Receiver<Option<Look>>,
    deadline: Option<Instant>,
}

impl Client {
    /// Joins those who wait for a delegation. Nothing of it goes on after the deadline.
    pub(crate) fn wait_for(&self, delegation_id: &str, deadline: Option<Instant>) -> Waiter {
        let watches = self.0.watches.get();
        let mut watches = watches.0.lock().unwrap_or_else(PoisonError::into_inner);
        let watch = watches.get(delegation_id).and_then(Weak::upgrade).unwrap_or_else(|| {
            watches.retain(|_, watch| watch.strong_count() > 0);
            let watch = Arc::new(Watch { asking: tokio::sync::Mutex::default(), last: watch::Sender::new(None) });
            watches.insert(delegation_id.to_owned(), Arc::downgrade(&watch));
            watch
        });
        let news = watch.last.subscribe();
        Waiter { client: self.clone(), delegation_id: delegation_id.to_owned(), watch, news, deadline }
    }
}

impl Waiter {
    /// Asks the service now, or takes the answer that another waiter got meanwhile.
    pub(crate) async fn look(&mut self) -> Result<DelegationStatus> {
        let since = Instant::now();
        let _asking = self.in_time(self.watch.asking.lock()).await?;
        let last = self.watch.last.borrow().clone().filter(|look| look.at >= since);
        let outcome = match last {
            Some(look) => look.outcome,
            None => {
                let outcome = self.client.delegation_status(&self.delegation_id, self.deadline).await;
                // That this waiter's time is over is nobody else's news.
                if !matches!(outcome, Err(Error::Timeout(_))) || !self.is_over() {
                    self.watch.last.send_replace(Some(Look { at: Instant::now(), outcome: outcome.clone() }));
                }
                outcome
            }
        };
        self.news.mark_unchanged();
        outcome
    }

    /// Waits for the interval, or until another waiter has heard something, which is the result.
    pub(crate) async fn pause(&mut self, interval: Duration) -> Option<Result<DelegationStatus>> {
        let left = self.deadline.map_or(interval, |deadline| deadline.saturating_duration_since(Instant::now()));
        tokio::time::timeout(interval.min(left), self.news.changed()).await.ok()?.ok()?;
        self.news.borrow_and_update().clone().map(|look| look.outcome)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    async fn in_time<T>(&self, wait: impl Future<Output = T>) -> Result<T> {
        let Some(deadline) = self.deadline else { return Ok(wait.await) };
        let late = |_| Error::Timeout(format!("no answer about the delegation {} in time", self.delegation_id));
        tokio::time::timeout_at(deadline.into(), wait).await.map_err(late)
    }
}
