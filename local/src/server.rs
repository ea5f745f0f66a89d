//! The process: three listeners, one line on stdout when they are ready, an orderly end.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::app::{App, StartError};
use crate::config::Config;
use crate::listener::Listening;
use crate::routes;
use crate::state::storage::{Storage, StorageError};

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
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; is another armoriq-local running? `--listen 127.0.0.1:0` takes free ports",
        _ => "",
    }
}

/// Serves until SIGTERM or SIGINT. What it knows is kept in the directory `data`, or else nowhere.
pub async fn serve(config: Config, addresses: Addresses, data: Option<&Path>) -> Result<(), ServerError> {
    // Before anything is announced, so that no signal finds the process unprepared.
    let mut terminate = signal(SignalKind::terminate()).map_err(ServerError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServerError::Signals)?;
    let storage = Arc::new(data.map(Storage::open).transpose()?.unwrap_or_default());
    let backend = listen("backend", addresses.backend).await?;
    let proxy = listen("proxy", addresses.proxy).await?;
    let iap = listen("iap", addresses.iap).await?;
    let urls = [&backend, &proxy, &iap].map(|listening| format!("http://{}", listening.address));

    let [backend_url, proxy_url, iap_url] = urls;
    let app = Arc::new(App::new(config, proxy_url.clone(), &storage)?);
    let (stop, stopping) = watch::channel(());
    let mut services = tokio::task::JoinSet::new();
    services.spawn(backend.serve(routes::backend(Arc::clone(&app)), stopping.clone()));
    services.spawn(proxy.serve(routes::proxy(Arc::clone(&app)), stopping.clone()));
    services.spawn(iap.serve(routes::iap(app), stopping));
    announce(&json!({ "backend": backend_url, "proxy": proxy_url, "iap": iap_url }).to_string());

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("shutting down");
    stop.send_replace(());
    let finish = async { while services.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, finish).await.is_err() {
        tracing::warn!("some clients did not finish their requests in {} s", GRACE.as_secs());
    }
    Ok(())
}

async fn listen(service: &'static str, address: SocketAddr) -> Result<Listening, ServerError> {
    Listening::bind(address).await.map_err(|error| ServerError::Listen { service, address, error })
}

/// Whoever started the process may have closed its end of stdout; that is no reason not to serve.
fn announce(line: &str) {
    let mut stdout = io::stdout().lock();
    if writeln!(stdout, "{line}").and_then(|()| stdout.flush()).is_err() {
        tracing::warn!("nobody reads stdout; ready: {line}");
    }
}
