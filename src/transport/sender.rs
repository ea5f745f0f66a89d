//! What one runtime sends with: its connections.

use super::address::{self, Destination};
use super::connections::Exchanges;
use super::connector::Connector;
use super::error::TransportError;
use super::http1::Connection;
use super::look_up::LookUps;
use super::message::{self, Request, Response};
use super::proxies::Proxies;
use hyper::header::{HeaderValue, PROXY_AUTHORIZATION};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tower_service::Service;
use url::Url;

/// Servers and balancers commonly close a connection that idled for a minute; ours is gone before.
const IDLE_CONNECTION: Duration = Duration::from_secs(50);
/// How long a connection is silent until the system asks whether the other side is still there, and between questions.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Questions without an answer after which there is no connection any more.
const KEEP_ALIVE_RETRIES: u32 = 3;
/// How long what was sent may stay unconfirmed, a beginning of a connection too, until there is none.
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
const UNCONFIRMED: Duration = Duration::from_secs(30);

/// The connections of one runtime: a socket belongs to the runtime that opened it.
pub(super) struct Sender {
    pub exchanges: Exchanges,
    user_agent: HeaderValue,
    connector: Connector,
    https: HttpsConnector<Connector>,
    /// Those that wait for the next exchange, the latest last.
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    /// Of the server.
    origin: Arc<str>,
    since: Instant,
    connection: Connection,
}

/// What an answer says.
pub(super) enum Reply {
    Whole(Response),
    /// That the request is to be sent there.
    Elsewhere(Url),
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
        let https = HttpsConnector::from((connector.clone(), tls));
        Self { exchanges: Exchanges::new(), user_agent, connector, https, idle: Mutex::default() }
    }

    /// Sends a request once, and reads the answer. Messages name the address that was asked at first.
    pub async fn exchange(
        &self,
        request: &Request,
        asked: &Url,
        to: &Destination,
        follows: bool,
    ) -> Result<Reply, TransportError> {
        let mut connection = match self.take_idle(&to.origin) {
            Some(connection) => connection,
            // Boxed, since it is large, and most exchanges need none.
            None => Box::pin(self.connect(asked, to)).await?,
        };
        let mut message = request.to(to, &self.user_agent);
        if connection.is_proxied {
            *message.uri_mut() = to.uri.clone();
            let credentials = self.connector.proxy_authorization(&to.uri);
            message.headers_mut().extend(credentials.map(|credentials| (PROXY_AUTHORIZATION, credentials)));
        }
        let read = |answer| async move {
            match address::redirected(&request.method, &to.url, &answer).filter(|_| follows) {
                Some(next) => Ok(Reply::Elsewhere(next)),
                None => message::read(asked, answer, &request.options).await.map(Reply::Whole),
            }
        };
        let reply = connection.exchange(message, read).await;
        let reply = reply.map_err(|error| TransportError::unanswered(asked, &error))?;
        self.keep(&to.origin, connection);
        reply
    }

    async fn connect(&self, asked: &Url, to: &Destination) -> Result<Connection, TransportError> {
        let stream = self.https.clone().call(to.uri.clone()).await;
        let stream = stream.map_err(|error| TransportError::unconnected(asked, &*error))?;
        Connection::begin(stream).await.map_err(|error| TransportError::unanswered(asked, &error))
    }

    fn take_idle(&self, origin: &str) -> Option<Connection> {
        let mut idle = self.idle();
        idle.retain(|idle| idle.since.elapsed() < IDLE_CONNECTION);
        while let Some(latest) = idle.iter().rposition(|idle| *idle.origin == *origin) {
            let mut connection = idle.remove(latest).connection;
            if connection.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    fn keep(&self, origin: &Arc<str>, mut connection: Connection) {
        if connection.is_ready() {
            self.idle().push(Idle { origin: Arc::clone(origin), since: Instant::now(), connection });
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::address::Addresses;
    use super::super::{TransportOptions, tls};
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use tokio::runtime::Builder;

    /// Answers requests, and says how many connections they came over.
    fn server() -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        thread::spawn(move || {
            for mut socket in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::Relaxed);
                thread::spawn(move || {
                    while socket.read(&mut [0; 1024]).is_ok_and(|length| length > 0) {
                        socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
                    }
                });
            }
        });
        (url, connections)
    }

    #[test]
    fn each_server_has_its_connection_while_that_is_young() {
        let tls = tls::client_config(&TransportOptions::default()).unwrap();
        let sender = Sender::new(HeaderValue::from_static("test"), Arc::new(tls));
        let (servers, addresses) = ([server(), server()], Addresses::default());
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let ask = |url: &str| {
            let to = addresses.parse(url).unwrap();
            let reply = runtime.block_on(sender.exchange(&Request::get(url), &to.url, &to, false));
            assert!(matches!(reply.unwrap(), Reply::Whole(response) if response.status() == 204));
        };
        let ask_all = || servers.iter().chain(&servers).for_each(|(url, _)| ask(url));
        let connections = || servers.each_ref().map(|(_, connections)| connections.load(Ordering::Relaxed));
        ask_all();
        assert_eq!((connections(), sender.idle().len()), ([1, 1], 2));
        for idle in sender.idle().iter_mut() {
            idle.since = idle.since.checked_sub(IDLE_CONNECTION).unwrap();
        }
        ask_all();
        assert_eq!((connections(), sender.idle().len()), ([2, 2], 2));
    }
}
