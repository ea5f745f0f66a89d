//! One listening socket: it serves until it is told to stop, and then until every client that got through has its
//! answer.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long a client may take to send the head of a request.
const HEAD: Duration = Duration::from_secs(30);
/// How long to wait when no more connections can be had (no file descriptors, mostly).
const PAUSE: Duration = Duration::from_millis(100);
/// How long a connection is still listened to after the end was announced: a request may be on its way.
const LINGER: Duration = Duration::from_millis(100);

pub struct Listening {
    pub address: SocketAddr,
    listener: TcpListener,
}

impl Listening {
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { address: listener.local_addr()?, listener })
    }

    pub async fn serve(self, routes: Router, mut stopping: watch::Receiver<()>) {
        let mut connections = JoinSet::new();
        let stop = stopping.clone();
        let mut begin = |stream: TcpStream, peer| {
            while connections.try_join_next().is_some() {}
            connections.spawn(converse(stream, peer, routes.clone(), stop.clone()));
        };
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => begin(stream, peer),
                    Err(error) => {
                        tracing::warn!("cannot accept a connection: {error}");
                        tokio::time::sleep(PAUSE).await;
                    }
                },
                // An error would mean that nobody is left who could say it.
                _ = stopping.changed() => break,
            }
        }
        for (stream, peer) in take_queue(self.listener) {
            begin(stream, peer);
        }
        // One that panicked is over as well.
        while connections.join_next().await.is_some() {}
    }
}

/// Closes the socket, and returns the clients that the kernel let in already.
fn take_queue(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let mut queue = Vec::new();
    // The kernel is asked directly; the runtime may not know yet what is in the queue.
    if let Ok(listener) = listener.into_std() {
        while let Ok((stream, peer)) = listener.accept() {
            if stream.set_nonblocking(true).is_ok()
                && let Ok(stream) = TcpStream::from_std(stream)
            {
                queue.push((stream, peer));
            }
        }
    }
    queue
}

/// Serves one connection.
async fn converse(stream: TcpStream, peer: SocketAddr, routes: Router, mut stopping: watch::Receiver<()>) {
    // Answers are small and written at once: nothing is gained by waiting for more.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(routes.layer(Extension(ConnectInfo(peer))));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let stop = async {
        let _ = stopping.changed().await;
        tokio::time::sleep(LINGER).await;
    };
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection of {peer} ended early: {error}");
    }
}
