//! Names of servers.

use super::runtime::on_own_thread;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::ToSocketAddrs;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Look-ups of one runtime that run at once. The system does them blocking, each on a thread of its own, and one that
/// hangs must not hold up all.
const MAX_LOOK_UPS: usize = 4;

/// Looks up names. Where the system has no thread for that, the name is not found, and nothing panics.
pub(super) struct LookUps(Arc<Semaphore>);

impl Default for LookUps {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_LOOK_UPS)))
    }
}

impl Resolve for LookUps {
    fn resolve(&self, name: Name) -> Resolving {
        let slots = Arc::clone(&self.0);
        Box::pin(async move {
            let slot = slots.acquire_owned().await?;
            let look_up = move || {
                let found = (name.as_str(), 0).to_socket_addrs();
                drop(slot);
                found
            };
            let addresses: Addrs = Box::new(on_own_thread(look_up).await??);
            Ok(addresses)
        })
    }
}
