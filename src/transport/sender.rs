//! What one runtime sends with: hyper's client.

use super::address::Destination;
use super::connections::Exchanges;
use super::connector::Connector;
use super::look_up::LookUps;
use super::message::Request;
use super::proxies::Proxies;
use http_body_util::Full;
use hyper::Response;
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderValue, PROXY_AUTHORIZATION};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::sync::Arc;
use std::time::Duration;

/// Servers and balancers commonly close a connection that idled for a minute; ours is gone before.
const IDLE_CONNECTION: Duration = Duration::from_secs(50);
/// How long a connection is silent until the system asks whether the other side is still there, and between questions.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Questions without an answer after which there is no connection any more.
const KEEP_ALIVE_RETRIES: u32 = 3;
/// How long what was sent may stay unconfirmed, a beginning of a connection too, until there is none.
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
const UNCONFIRMED: Duration = Duration::from_secs(30);

/// An answer whose body has not been read.
pub(super) type Answer = Response<Incoming>;

/// The connections of one runtime: a socket belongs to the runtime that opened it.
pub(super) struct Sender {
    pub exchanges: Exchanges,
    user_agent: HeaderValue,
    connector: Connector,
    client: Client<HttpsConnector<Connector>, Full<Bytes>>,
}

impl Sender {
    /// Opens no connection yet; the proxies of the environment are read.
    pub fn new(user_agent: HeaderValue, tls: Arc<rustls::ClientConfig>) -> Self {
        let mut sockets = HttpConnector::new_with_resolver(LookUps::default());
        sockets.enforce_http(false);
        sockets.set_nodelay(true);
        sockets.set_keepalive(Some(KEEP_ALIVE));
        sockets.set_keepalive_interval(Some(KEEP_ALIVE));
        sockets.set_keepalive_retries(Some(KEEP_ALIVE_RETRIES));
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        sockets.set_tcp_user_timeout(Some(UNCONFIRMED));
        let connector = Connector::new(sockets, Proxies::of_environment(), &tls, &user_agent);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_CONNECTION)
            .pool_timer(TokioTimer::new())
            .build(HttpsConnector::from((connector.clone(), tls)));
        Self { exchanges: Exchanges::new(), user_agent, connector, client }
    }

    /// Sends a request once, and waits for the head of the answer.
    pub async fn send(&self, request: &Request, to: &Destination) -> Result<Answer, legacy::Error> {
        let mut message = request.to(&to.uri, &self.user_agent).map(Full::new);
        if let Some(credentials) = self.connector.proxy_authorization(&to.uri) {
            message.headers_mut().insert(PROXY_AUTHORIZATION, credentials);
        }
        self.client.request(message).await
    }
}
