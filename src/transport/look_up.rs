//! Names of servers.

use super::runtime::on_own_thread;
use hyper_util::client::legacy::connect::dns::Name;
use std::error::Error;
use std::future::Future;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec;
use tokio::sync::Semaphore;
use tower_service::Service;

/// Look-ups of one runtime that run at once. The system does them blocking, each on a thread of its own, and one that
/// hangs must not hold up all.
const MAX_LOOK_UPS: usize = 4;

/// Looks up names. Where the system has no thread for that, the name is not found, and nothing panics.
#[derive(Clone)]
pub(super) struct LookUps(Arc<Semaphore>);

impl Default for LookUps {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_LOOK_UPS)))
    }
}

impl Service<Name> for LookUps {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let slots = Arc::clone(&self.0);
        Box::pin(async move {
            let slot = slots.acquire_owned().await?;
            let look_up = move || {
                let found = (name.as_str(), 0).to_socket_addrs();
                drop(slot);
                found
            };
            Ok(on_own_thread(look_up).await??)
        })
    }
}
