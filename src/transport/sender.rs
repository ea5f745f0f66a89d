//! What one runtime sends with: hyper's client, or where a proxy of the environment stands before the server, reqwest,
//! which knows how to ask one and takes twice the instructions for each request.

use super::address::Destination;
use super::connections::Exchanges;
use super::look_up::LookUps;
use super::message::Request;
use super::stream::Quiet;
use crate::error::{Error, Result};
use http_body_util::{Either, Full};
use hyper::Response;
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderValue;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Client};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use reqwest::redirect::Policy;
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
pub(super) type Answer = Response<Either<Incoming, reqwest::Body>>;

/// Why there is no answer.
pub(super) enum SendError {
    Direct(legacy::Error),
    ByProxy(reqwest::Error),
}

impl From<legacy::Error> for SendError {
    fn from(error: legacy::Error) -> Self {
        Self::Direct(error)
    }
}

impl From<reqwest::Error> for SendError {
    fn from(error: reqwest::Error) -> Self {
        Self::ByProxy(error.without_url())
    }
}

/// The connections of one runtime: a socket belongs to the runtime that opened it.
pub(super) struct Sender {
    pub exchanges: Exchanges,
    user_agent: HeaderValue,
    direct: Client<HttpsConnector<Quiet<HttpConnector<LookUps>>>, Full<Bytes>>,
    /// `None` where the environment names no proxy.
    proxies: Option<Proxies>,
}

/// The proxies of the environment.
struct Proxies {
    /// Which servers they stand before.
    matcher: Matcher,
    client: reqwest::Client,
}

impl Sender {
    /// Opens no connection yet; the proxies of the environment are read.
    pub fn new(user_agent: HeaderValue, tls: Arc<rustls::ClientConfig>) -> Result<Self> {
        let look_ups = LookUps::default();
        let proxies = match names_a_proxy() && !every_host_is_exempt() {
            true => Some(Proxies::read(user_agent.clone(), &tls, look_ups.clone())?),
            false => None,
        };
        let mut connector = HttpConnector::new_with_resolver(look_ups);
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_keepalive(Some(KEEP_ALIVE));
        connector.set_keepalive_interval(Some(KEEP_ALIVE));
        connector.set_keepalive_retries(Some(KEEP_ALIVE_RETRIES));
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        connector.set_tcp_user_timeout(Some(UNCONFIRMED));
        let direct = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_CONNECTION)
            .pool_timer(TokioTimer::new())
            .build(HttpsConnector::from((Quiet(connector), tls)));
        Ok(Self { exchanges: Exchanges::new(), user_agent, direct, proxies })
    }

    /// Whether some servers have a proxy before them.
    pub fn may_ask_proxies(&self) -> bool {
        self.proxies.is_some()
    }

    /// Sends a request once, and waits for the head of the answer.
    pub async fn send(&self, request: &Request, to: &Destination) -> Result<Answer, SendError> {
        let message = request.to(&to.uri, &self.user_agent);
        match self.proxies.as_ref().filter(|proxies| proxies.matcher.intercept(&to.uri).is_some()) {
            None => Ok(self.direct.request(message.map(Full::new)).await?.map(Either::Left)),
            Some(proxies) => {
                let answer = proxies.client.execute(message.try_into()?).await?;
                Ok(Response::from(answer).map(Either::Right))
            }
        }
    }
}

impl Proxies {
    /// With the same settings as the connections without one: those that reqwest has by itself are left.
    fn read(user_agent: HeaderValue, tls: &rustls::ClientConfig, look_ups: LookUps) -> Result<Self> {
        let client = reqwest::Client::builder()
            .user_agent(user_agent)
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .pool_idle_timeout(IDLE_CONNECTION)
            .dns_resolver(look_ups)
            .tls_backend_preconfigured(tls.clone())
            .build()
            .map_err(|error| Error::Internal(format!("cannot make an HTTP client: {}", error.without_url())))?;
        Ok(Self { matcher: Matcher::from_env(), client })
    }
}

fn names_a_proxy() -> bool {
    let names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    names.iter().any(|name| std::env::var_os(name).is_some_and(|proxy| !proxy.is_empty()))
}

/// Whether `NO_PROXY` has a `*`. The client takes that for names of hosts only, and not for addresses.
fn every_host_is_exempt() -> bool {
    let exempt = ["NO_PROXY", "no_proxy"].iter().find_map(|name| std::env::var(name).ok());
    exempt.is_some_and(|hosts| hosts.split(',').any(|host| host.trim() == "*"))
}
