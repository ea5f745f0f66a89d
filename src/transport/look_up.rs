//! Names of servers.

use super::runtime::on_own_thread;
use hyper_util::client::legacy::connect::dns;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
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

type Found = Result<vec::IntoIter<SocketAddr>, Box<dyn Error + Send + Sync>>;

impl LookUps {
    fn look_up(&self, name: String) -> impl Future<Output = Found> + Send + 'static {
        let slots = Arc::clone(&self.0);
        async move {
            let slot = slots.acquire_owned().await?;
            let look_up = move || {
                let found = (name.as_str(), 0).to_socket_addrs();
                drop(slot);
                found
            };
            Ok(on_own_thread(look_up).await??)
        }
    }
}

impl Default for LookUps {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_LOOK_UPS)))
    }
}

/// For hyper.
impl Service<dns::Name> for LookUps {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Found> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: dns::Name) -> Self::Future {
        Box::pin(self.look_up(name.as_str().to_owned()))
    }
}

/// For reqwest.
impl Resolve for LookUps {
    fn resolve(&self, name: Name) -> Resolving {
        let found = self.look_up(name.as_str().to_owned());
        Box::pin(async move { Ok(Box::new(found.await?) as Addrs) })
    }
}
