//! The policy store: the bundle that local mode decides with, shared by all of a client's sessions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use super::{Call, Client};
use crate::fork::PerProcess;
use crate::log::warning;
use crate::policy::Bundle;
use crate::transport::Response;

/// How long a bundle decides after the service last confirmed it.
const STALE_AFTER: Duration = Duration::from_secs(300);

/// The last good bundle. A check reads it and takes no lock.
#[derive(Default)]
pub(super) struct PolicyStore {
    current: ArcSwapOption<Snapshot>,
    /// Held while the bundle is revalidated, so that plans that start together share one request.
    revalidating: PerProcess<tokio::sync::Mutex<()>>,
}

/// A bundle, and when the service last said that it is the current one.
pub(crate) struct Snapshot {
    bundle: Arc<Bundle>,
    etag: Option<String>,
    confirmed: Instant,
}

impl Snapshot {
    pub(crate) fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    pub(crate) fn is_stale(&self) -> bool {
        self.confirmed.elapsed() >= STALE_AFTER
    }
}

impl Client {
    /// The last good bundle, if there ever was one.
    pub(crate) fn policies(&self) -> arc_swap::Guard<Option<Arc<Snapshot>>> {
        self.0.policies.current.load()
    }

    /// Asks the service whether the bundle is still the current one. A failure is logged and leaves the last good one
    /// in force until it is stale.
    pub(crate) async fn revalidate_policies(&self) {
        let Some(agent) = self.config().named_agent() else { return };
        let asked = Instant::now();
        let revalidating = self.0.policies.revalidating.get();
        let _revalidating = revalidating.lock().await;
        let held = self.0.policies.current.load_full();
        if held.as_ref().is_some_and(|held| held.confirmed >= asked) {
            return;
        }
        let mut call = Call::get(self.backend_url("/policy/bundles/current", &[("agent", agent)])).limit(10);
        if let Some(held) = &held {
            call = call.header("if-none-match", held.etag.as_deref().unwrap_or_default());
        }
        let confirmed = Instant::now();
        let response = match call.send(self).await {
            Ok(response) => response,
            Err(error) => return warning!("the policy bundle could not be fetched: {error}"),
        };
        match (response.status(), held) {
            (200, _) => match read_bundle(&response) {
                Ok(bundle) => {
                    let etag = response.header("etag").map(str::to_owned);
                    self.store_policies(Snapshot { bundle: Arc::new(bundle), etag, confirmed });
                }
                Err(problem) => warning!("the policy bundle cannot be used: {problem}"),
            },
            (304, Some(held)) => {
                let etag = held.etag.clone();
                self.store_policies(Snapshot { bundle: held.bundle.clone(), etag, confirmed });
            }
            (status, _) => warning!("the policy bundle could not be fetched: HTTP {status}"),
        }
    }

    fn store_policies(&self, snapshot: Snapshot) {
        self.0.policies.current.store(Some(Arc::new(snapshot)));
    }
}

fn read_bundle(response: &Response) -> Result<Bundle, String> {
    let answer = response.json().map_err(|error| error.to_string())?;
    Bundle::compile(&answer).map_err(|error| error.to_string())
}
