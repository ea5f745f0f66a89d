//! The process: three listeners, one line on stdout when they are ready, an orderly end.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::app::{App, StartError};
use crate::config::Config;
use crate::routes;

/// How long answers that are under way may take after the process was told to end.
const GRACE: Duration = Duration::from_secs(10);

/// Where the three services listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    pub backend: SocketAddr,
    pub proxy: SocketAddr,
    pub iap: SocketAddr,
}

#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("cannot listen on {address} ({service}): {error}{}", hint(error))]
    Listen { service: &'static str, address: SocketAddr, error: io::Error },
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
    #[error("the {service} ended: {error}")]
    Ended { service: &'static str, error: io::Error },
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; is another armoriq-local running? `--listen 127.0.0.1:0` takes free ports",
        _ => "",
    }
}

/// Serves until SIGTERM or SIGINT.
pub async fn serve(config: Config, addresses: Addresses) -> Result<(), ServerError> {
    // Before anything is announced, so that no signal finds the process unprepared.
    let mut terminate = signal(SignalKind::terminate()).map_err(ServerError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServerError::Signals)?;
    let backend = listen("backend", addresses.backend).await?;
    let proxy = listen("proxy", addresses.proxy).await?;
    let iap = listen("iap", addresses.iap).await?;
    let urls = [&backend, &proxy, &iap].map(|listening| format!("http://{}", listening.address));

    let [backend_url, proxy_url, iap_url] = urls;
    let app = Arc::new(App::new(config, proxy_url.clone())?);
    let (stop, stopping) = watch::channel(false);
    let mut services = tokio::task::JoinSet::new();
    services.spawn(run(backend, routes::backend(Arc::clone(&app)), stopping.clone()));
    services.spawn(run(proxy, routes::proxy(Arc::clone(&app)), stopping.clone()));
    services.spawn(run(iap, routes::iap(app), stopping));
    announce(&json!({ "backend": backend_url, "proxy": proxy_url, "iap": iap_url }).to_string());

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        Some(ended) = services.join_next() => return ended.unwrap_or(Ok(())),
    }
    tracing::info!("shutting down");
    stop.send_replace(true);
    let finish = async {
        while let Some(ended) = services.join_next().await {
            ended.unwrap_or(Ok(()))?;
        }
        Ok(())
    };
    match tokio::time::timeout(GRACE, finish).await {
        Ok(ended) => ended,
        Err(_) => {
            tracing::warn!("some clients did not finish their requests in {} s", GRACE.as_secs());
            Ok(())
        }
    }
}

struct Listening {
    service: &'static str,
    address: SocketAddr,
    listener: TcpListener,
}

async fn listen(service: &'static str, address: SocketAddr) -> Result<Listening, ServerError> {
    let failed = |error| ServerError::Listen { service, address, error };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Listening { service, address, listener })
}

/// Serves one listener until it is told to stop, and then until its last answer is out.
async fn run(listening: Listening, routes: Router, mut stopping: watch::Receiver<bool>) -> Result<(), ServerError> {
    let Listening { service, listener, .. } = listening;
    axum::serve(listener, routes.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async move {
            // An error means that nobody is left who could say it.
            let _ = stopping.wait_for(|stop| *stop).await;
        })
        .await
        .map_err(|error| ServerError::Ended { service, error })
}

/// Whoever started the process may have closed its end of stdout; that is no reason not to serve.
fn announce(line: &str) {
    let mut stdout = io::stdout().lock();
    if writeln!(stdout, "{line}").and_then(|()| stdout.flush()).is_err() {
        tracing::warn!("nobody reads stdout; ready: {line}");
    }
}
