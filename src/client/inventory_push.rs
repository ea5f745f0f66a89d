//! Tells the service of the tool inventory, in the background: nobody waits for it.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::calls::Running;
use super::{Call, Client, Inner};
use crate::clock::Moment;
use crate::fork::PerProcess;
use crate::json::string_member;
use crate::log::{debug, warning};

/// The waits between the attempts of one push.
const WAITS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(16)];
/// The least time from one push to the next.
const LEAST_INTERVAL: Duration = Duration::from_secs(60);

/// What became of the wish to push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Push {
    /// It will be done.
    Scheduled,
    /// The service knows the inventory.
    Unchanged,
    /// There is no agent whose inventory it could be, or nothing in it.
    Nothing,
    /// There is nothing that it could be done with.
    Failed,
}

impl Push {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Unchanged => "unchanged",
            Self::Nothing => "nothing",
            Self::Failed => "failed",
        }
    }
}

/// What this process has pushed, and whether it is about to.
#[derive(Default)]
pub(super) struct Pusher {
    state: PerProcess<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Whether a task runs that will push.
    running: bool,
    /// Whether there is something to push that the task has not begun with.
    wanted: bool,
    /// Whether it is to be pushed even where the service accepted just that.
    forced: bool,
    /// The fingerprint of what the service accepted last.
    accepted: Option<String>,
    last_push: Option<Moment>,
}

impl State {
    fn is_news(&self, fingerprint: &str) -> bool {
        self.forced || self.accepted.as_deref() != Some(fingerprint)
    }
}

impl Pusher {
    fn with<T>(&self, use_state: impl FnOnce(&mut State) -> T) -> T {
        use_state(&mut self.state.get().lock().unwrap_or_else(PoisonError::into_inner))
    }

    #[cfg(test)]
    pub(super) fn is_busy(&self) -> bool {
        self.with(|state| state.running)
    }
}

impl Client {
    /// Has the inventory pushed where the service does not know it; `force` where it says that it does not.
    pub(super) fn push_inventory(&self, force: bool) -> Push {
        let inventory = &self.0.inventory;
        let declared = inventory.declared();
        if self.config().named_agent().is_none() || declared.is_empty() {
            return Push::Nothing;
        }
        let fingerprint = declared.fingerprint();
        let start = inventory.pusher.with(|state| {
            state.forced |= force;
            if !state.is_news(&fingerprint) {
                return None;
            }
            state.wanted = true;
            Some(!std::mem::replace(&mut state.running, true))
        });
        match start {
            None => Push::Unchanged,
            Some(false) => Push::Scheduled,
            Some(true) => {
                let task = || push(Arc::downgrade(&self.0), (self.clone(), self.0.calls.get().go_on()));
                match self.transport().spawn(task) {
                    Ok(_) => Push::Scheduled,
                    Err(error) => {
                        warning!("the tool inventory cannot be sent in the background: {error}");
                        inventory.pusher.with(|state| state.running = false);
                        Push::Failed
                    }
                }
            }
        }
    }

    /// The service has lost the inventory, or never had it.
    pub(crate) fn repeat_inventory(&self) {
        self.push_inventory(true);
    }

    /// How long the next push has to wait for its turn.
    fn wait_before_push(&self) -> Duration {
        let last = self.0.inventory.pusher.with(|state| state.last_push);
        last.map_or(Duration::ZERO, |last| LEAST_INTERVAL.saturating_sub(self.0.clock.now().since(last)))
    }

    /// Sends the inventory as it is now, with its retries.
    async fn send_inventory(&self) {
        let inventory = &self.0.inventory;
        let now = self.0.clock.now();
        inventory.pusher.with(|state| {
            state.wanted = false;
            state.forced = false;
            state.last_push = Some(now);
        });
        let Some(agent) = self.config().named_agent() else { return };
        let (fingerprint, body) = {
            let declared = inventory.declared();
            (declared.fingerprint(), declared.body(agent))
        };
        let mut waits = WAITS.into_iter();
        loop {
            let url = self.backend_url("/iap/sdk/tools", &[]);
            let problem = match Call::post(url, body.clone()).packed().limit(10).send(self).await {
                Ok(response) if response.is_success() => {
                    debug!("the service has the tool inventory");
                    return inventory.pusher.with(|state| state.accepted = Some(fingerprint));
                }
                Ok(response) if (400..500).contains(&response.status()) => {
                    let answer = response.json().unwrap_or_default();
                    let said = ["error", "message"].iter().find_map(|name| string_member(&answer, name));
                    let (status, said) = (response.status(), said.unwrap_or("no reason"));
                    return warning!("the service refused the tool inventory: HTTP {status}: {said}");
                }
                Ok(response) => format!("HTTP {}", response.status()),
                Err(error) => error.to_string(),
            };
            match waits.next().filter(|_| self.open().is_ok()) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return warning!("the service did not take the tool inventory: {problem}"),
            }
        }
    }
}

/// Pushes until there is nothing more to push. It keeps the client for the first push, and not while it waits for its
/// turn.
async fn push(client: Weak<Inner>, first: (Client, Running)) {
    let mut pending = Some(first);
    loop {
        let Some(wait) = client.upgrade().map(|inner| Client(inner).wait_before_push()) else { return };
        if !wait.is_zero() {
            drop(pending.take());
            tokio::time::sleep(wait).await;
        }
        let Some(client) = client.upgrade().map(Client) else { return };
        // A push that was asked for before the client was closed is still made.
        if pending.is_none() && client.open().is_err() {
            return client.0.inventory.pusher.with(|state| state.running = false);
        }
        let _running = pending.take().map_or_else(|| client.0.calls.get().go_on(), |(_, running)| running);
        client.send_inventory().await;
        let fingerprint = client.0.inventory.declared().fingerprint();
        let done = client.0.inventory.pusher.with(|state| {
            state.running = state.wanted && state.is_news(&fingerprint);
            !state.running
        });
        if done {
            return;
        }
    }
}
