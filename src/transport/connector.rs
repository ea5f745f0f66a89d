//! Connections to servers: straight, or by way of the proxy that stands before them.

use super::look_up::LookUps;
use super::proxies::Proxies;
use super::stream::QuietStream;
use hyper::Uri;
use hyper::header::{HeaderMap, HeaderValue, PROXY_AUTHORIZATION, USER_AGENT};
use hyper::http::uri::Scheme;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::Intercept;
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::net::TcpStream;
use tower_service::Service;

type Connecting = Result<Link, Box<dyn Error + Send + Sync>>;

/// Connects to servers. TLS with an https server is for whoever wraps it.
#[derive(Clone)]
pub(super) struct Connector(Arc<Routes>);

struct Routes {
    sockets: HttpConnector<LookUps>,
    detour: Option<Detour>,
}

/// The way by the proxies of the environment.
struct Detour {
    proxies: Proxies,
    /// Connects to proxies.
    connector: HttpsConnector<Connector>,
    user_agent: HeaderValue,
}

impl Connector {
    /// With the proxies that stand before servers, which are told the user agent, and how to speak TLS to them.
    pub fn new(
        sockets: HttpConnector<LookUps>,
        proxies: Option<Proxies>,
        tls: &Arc<rustls::ClientConfig>,
        user_agent: &HeaderValue,
    ) -> Self {
        let detour = proxies.map(|proxies| {
            let straight = Self(Arc::new(Routes { sockets: sockets.clone(), detour: None }));
            let connector = HttpsConnector::from((straight, Arc::clone(tls)));
            Detour { proxies, connector, user_agent: user_agent.clone() }
        });
        Self(Arc::new(Routes { sockets, detour }))
    }

    /// See [`Proxies::authorization`].
    pub fn proxy_authorization(&self, server: &Uri) -> Option<HeaderValue> {
        self.0.detour.as_ref()?.proxies.authorization(server)
    }
}

impl Service<Uri> for Connector {
    type Response = Link;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Connecting> + Send>>;

    /// As all that it is made of.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        let routes = Arc::clone(&self.0);
        Box::pin(async move { routes.connect(server).await })
    }
}

impl Routes {
    async fn connect(&self, server: Uri) -> Connecting {
        if let Some(detour) = &self.detour
            && let Some(proxy) = detour.proxies.before(&server)?
        {
            return detour.connect(server, &proxy).await;
        }
        Ok(Link::Straight(QuietStream(self.sockets.clone().call(server).await?)))
    }
}

impl Detour {
    /// To an https server through a tunnel, in which there is TLS with the server.
    async fn connect(&self, server: Uri, proxy: &Intercept) -> Connecting {
        let mut connector = self.connector.clone();
        if server.scheme() != Some(&Scheme::HTTPS) {
            return Ok(Link::ToProxy(Box::new(connector.call(proxy.uri().clone()).await?)));
        }
        let mut tunnel = Tunnel::new(proxy.uri().clone(), connector).with_headers(self.introduction(proxy));
        Ok(Link::Tunnel(Box::new(tunnel.call(server).await?)))
    }

    /// What a proxy is told that is to open a tunnel.
    fn introduction(&self, proxy: &Intercept) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, self.user_agent.clone());
        if let Some(credentials) = proxy.basic_auth() {
            headers.insert(PROXY_AUTHORIZATION, credentials.clone());
        }
        headers
    }
}

/// What a connection to a server is made of.
pub(super) type Stream = MaybeHttpsStream<Link>;

/// What a connector makes.
pub(super) enum Link {
    Straight(QuietStream<TokioIo<TcpStream>>),
    /// A proxy reads what goes over it.
    ToProxy(Box<MaybeHttpsStream<Link>>),
    /// A proxy passes on what goes over it.
    Tunnel(Box<MaybeHttpsStream<Link>>),
}

impl Connection for Link {
    /// Whoever reads for another is sent the whole URL.
    fn connected(&self) -> Connected {
        match self {
            Self::Straight(stream) => stream.connected(),
            Self::ToProxy(stream) => stream.connected().proxy(true),
            Self::Tunnel(stream) => stream.connected(),
        }
    }
}

impl Read for Link {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, to: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Straight(stream) => Pin::new(stream).poll_read(context, to),
            Self::ToProxy(stream) | Self::Tunnel(stream) => Pin::new(stream).poll_read(context, to),
        }
    }
}

impl Write for Link {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, piece: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Straight(stream) => Pin::new(stream).poll_write(context, piece),
            Self::ToProxy(stream) | Self::Tunnel(stream) => Pin::new(stream).poll_write(context, piece),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Straight(stream) => stream.is_write_vectored(),
            Self::ToProxy(stream) | Self::Tunnel(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Straight(stream) => Pin::new(stream).poll_write_vectored(context, pieces),
            Self::ToProxy(stream) | Self::Tunnel(stream) => Pin::new(stream).poll_write_vectored(context, pieces),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Straight(stream) => Pin::new(stream).poll_flush(context),
            Self::ToProxy(stream) | Self::Tunnel(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Straight(stream) => Pin::new(stream).poll_shutdown(context),
            Self::ToProxy(stream) | Self::Tunnel(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
