//! The policy store: the bundle that local mode decides with, shared by all of a client's sessions.
//!
//! A check reads the last good bundle and waits for nothing. A background task asks the service whether it is still
//! the current one, often enough that it does not grow old.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwapOption, Guard};
use tokio::sync::Mutex;

use super::{Call, Client, Inner};
use crate::clock::{Moment, deadline_after};
use crate::fork::PerProcess;
use crate::log::warning;
use crate::policy::Bundle;
use crate::transport::{Response, back_off, jitter};

/// How long a bundle decides after the service last confirmed it.
const STALE_AFTER: Duration = Duration::from_secs(300);
/// When the service is asked again.
const REVALIDATE_AFTER: Duration = Duration::from_secs(45);
/// What the waits between two questions grow from while the service is away.
const BACK_OFF: Duration = Duration::from_secs(1);
/// How long a check waits for a bundle that has grown stale.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The last good bundle, and how it is kept fresh.
pub(super) struct PolicyStore {
    current: ArcSwapOption<Snapshot>,
    /// Held by whoever asks the service, so that all who want to know share one request.
    asking: PerProcess<Mutex<Asked>>,
    /// Whether this process has a background task for it.
    kept: PerProcess<AtomicBool>,
}

/// The last question to the service.
#[derive(Default)]
struct Asked {
    at: Option<Moment>,
    /// How many failed in a row.
    failures: u32,
}

/// A bundle, and when the service last said that it is the current one.
pub(crate) struct Snapshot {
    bundle: Arc<Bundle>,
    etag: Option<String>,
    confirmed: Moment,
}

/// The last good bundle as a check finds it.
pub(crate) struct Policies {
    snapshot: Guard<Option<Arc<Snapshot>>>,
    now: Moment,
}

impl Policies {
    /// The bundle, if there ever was one.
    pub(crate) fn bundle(&self) -> Option<&Bundle> {
        self.snapshot.as_ref().map(|snapshot| &*snapshot.bundle)
    }

    /// Whether the background task should ask: somebody else may have done so while it slept.
    fn is_due(&self) -> bool {
        let due = REVALIDATE_AFTER.mul_f64(0.85);
        self.snapshot.as_ref().is_none_or(|snapshot| self.now.since(snapshot.confirmed) >= due)
    }

    /// Whether the bundle was not confirmed for too long.
    #[inline]
    pub(crate) fn is_stale(&self) -> bool {
        self.snapshot.as_ref().is_some_and(|snapshot| self.now.since(snapshot.confirmed) >= STALE_AFTER)
    }
}

impl PolicyStore {
    pub(super) fn new() -> Self {
        Self { current: ArcSwapOption::empty(), asking: PerProcess::new(), kept: PerProcess::new() }
    }

    /// How long the background task sleeps: until the bundle is 45 s old, or, while the service is away, for a growing
    /// while, and as long as the transport lets nobody ask it. Neither is exact, so that many clients do not ask all at
    /// once.
    async fn nap(&self, now: Moment, pause: Duration) -> Duration {
        let failures = self.asking.get().lock().await.failures;
        if failures > 0 {
            return back_off(BACK_OFF, failures).max(pause);
        }
        let age = self.current.load().as_ref().map_or(Duration::ZERO, |held| now.since(held.confirmed));
        REVALIDATE_AFTER.mul_f64(jitter(0.1)).saturating_sub(age)
    }
}

impl Client {
    pub(crate) fn policies(&self) -> Policies {
        Policies { snapshot: self.0.policies.current.load(), now: self.0.clock.now() }
    }

    /// Refreshes a bundle that a check found stale, and waits for that.
    pub(crate) fn refresh_stale_policies(&self, timeout: Option<Duration>) {
        let refresh = async {
            self.refresh_stale(timeout).await;
            Ok(())
        };
        if let Err(error) = self.run(refresh) {
            warning!("the stale policy bundle could not be refreshed: {error}");
        }
    }

    /// Asks the service for a bundle that a check found stale. All checks that find it so wait for one answer, for a
    /// short while; while the service is known to be away they do not wait.
    pub(crate) async fn refresh_stale(&self, timeout: Option<Duration>) {
        let wait = timeout.map_or(LONGEST_WAIT, |timeout| timeout.min(LONGEST_WAIT));
        let still_stale = |asked: &Asked| asked.failures == 0 && self.policies().is_stale();
        let refreshed = tokio::time::timeout(wait, self.ask_if(still_stale, deadline_after(Some(wait))));
        if refreshed.await.is_err() {
            warning!("the policy bundle is stale and the service does not answer");
        }
        self.keep_policies();
    }

    /// Asks the service whether the bundle is still the current one, and starts to keep it fresh. A failure is logged
    /// and leaves the last good bundle in force until it is stale.
    pub(crate) async fn revalidate_policies(&self) {
        let wanted = self.0.clock.now();
        self.ask_if(|asked| asked.at.is_none_or(|at| at < wanted), None).await;
    }

    /// Asks the service, if that is still called for when nobody else is asking any more.
    async fn ask_if(&self, called_for: impl FnOnce(&Asked) -> bool, deadline: Option<Instant>) {
        let Some(agent) = self.config().named_agent() else { return };
        let store = &self.0.policies;
        let asking = store.asking.get();
        let mut asked = asking.lock().await;
        if !called_for(&asked) {
            return;
        }
        let now = self.0.clock.now();
        asked.at = Some(now);
        match self.ask_for_policies(agent, now, deadline).await {
            Ok(snapshot) => {
                asked.failures = 0;
                store.current.store(Some(Arc::new(snapshot)));
            }
            Err(problem) => {
                asked.failures = asked.failures.saturating_add(1);
                warning!("the policy bundle was not confirmed: {problem}");
            }
        }
    }

    async fn ask_for_policies(&self, agent: &str, now: Moment, deadline: Option<Instant>) -> Result<Snapshot, String> {
        let held = self.0.policies.current.load_full();
        let url = self.backend_url("/policy/bundles/current", &[("agent", agent)]);
        let mut call = Call::get(url).limit(10).deadline(deadline);
        if let Some(held) = &held {
            call = call.header("if-none-match", held.etag.as_deref().unwrap_or_default());
        }
        let response = call.send(self).await.map_err(|error| error.to_string())?;
        match (response.status(), held) {
            (200, _) => read_bundle(&response, now),
            (304, Some(held)) => Ok(Snapshot { bundle: held.bundle.clone(), etag: held.etag.clone(), confirmed: now }),
            (status, _) => Err(format!("HTTP {status}")),
        }
    }

    /// Starts this process's background task, unless it runs.
    pub(crate) fn keep_policies(&self) {
        if self.config().named_agent().is_none() || self.0.policies.kept.get().swap(true, Ordering::AcqRel) {
            return;
        }
        if let Err(error) = self.transport().spawn(|| keep(Arc::downgrade(&self.0))) {
            self.0.policies.kept.get().store(false, Ordering::Release);
            warning!("the policy bundle cannot be kept fresh in the background: {error}");
        }
    }
}

/// Revalidates the bundle as long as the client is there. It does not keep the client.
async fn keep(client: Weak<Inner>) {
    loop {
        let nap = client.upgrade().map(|inner| async move {
            let pause = inner.transport.pause(inner.config.backend());
            inner.policies.nap(inner.clock.now(), pause).await
        });
        let Some(nap) = nap else { return };
        let nap = nap.await;
        tokio::time::sleep(nap).await;
        let Some(client) = client.upgrade().map(Client) else { return };
        if client.open().is_err() {
            return;
        }
        client.ask_if(|_| client.policies().is_due(), None).await;
    }
}

fn read_bundle(response: &Response, now: Moment) -> Result<Snapshot, String> {
    let answer = response.json().map_err(|error| error.to_string())?;
    let bundle = Bundle::compile(&answer).map_err(|error| error.to_string())?;
    for (agent, problem) in bundle.problems() {
        warning!("the policy of the agent {agent} cannot be used, its calls are blocked: {problem}");
    }
    Ok(Snapshot { bundle: Arc::new(bundle), etag: response.header("etag").map(str::to_owned), confirmed: now })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn the_background_task_sleeps_while_nobody_may_ask() {
        let (store, now) = (PolicyStore::new(), Clock::default().now());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let nap_after = |failures, pause| {
            runtime.block_on(async {
                store.asking.get().lock().await.failures = failures;
                store.nap(now, pause).await
            })
        };
        let pause = Duration::from_secs(100);
        assert!((Duration::from_secs(4)..=Duration::from_secs(8)).contains(&nap_after(3, Duration::ZERO)));
        assert_eq!(nap_after(3, pause), pause);
        assert!(nap_after(0, pause) <= REVALIDATE_AFTER);
    }
}
