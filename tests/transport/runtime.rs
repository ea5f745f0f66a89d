//! Where requests run.

use crate::server::{Reply, Server};
use crate::{kind, post, send_with, transport};
use armoriq::Error;
use armoriq::transport::TransportErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[test]
fn the_background_thread_keeps_its_connection_too() {
    let server = Server::start(|_, _| Reply::json(200, "{}"));
    let transport = Arc::new(transport());
    let (inner, url) = (Arc::clone(&transport), server.url("/"));
    let task = transport.spawn(|| async move {
        for _ in 0..5 {
            inner.send(post(url.clone()), None).await.unwrap();
        }
    });
    transport.block_on(task.unwrap()).unwrap().unwrap();
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_call_that_panics_spoils_nothing() {
    let server = Server::start(|_, _| Reply::json(200, "{}"));
    let transport = transport();
    let outcome =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| transport.block_on(async { panic!("planned") })));
    assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&"planned"));
    assert_eq!(send_with(&transport, post(server.url("/"))).unwrap().status(), 200);
}

#[test]
fn a_request_outside_of_its_transport_is_refused() {
    let (one, other) = (transport(), transport());
    let sending = other.send(post("http://127.0.0.1:9/".into()), None);
    assert_eq!(kind(one.block_on(sending).unwrap()), TransportErrorKind::Internal);
}

#[test]
fn many_threads_share_a_transport() {
    let server = Server::start(|_, request| Reply::json(200, &request.body));
    let transport = transport();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(send_with(&transport, post(server.url("/"))).unwrap().text(), r#"{"amount":1.0}"#);
                }
            });
        }
    });
    assert_eq!(server.received().len(), 160);
    assert!(server.connections() <= 8, "{}", server.connections());
}

#[test]
fn may_be_waited_for_on_a_thread_of_another_runtime() {
    let server = Server::start(|_, _| Reply::json(200, "{}"));
    let host = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let transport = transport();
    // The host's thread belongs to its runtime.
    let status = host.block_on(async { send_with(&transport, post(server.url("/"))).unwrap().status() });
    assert_eq!(status, 200);
}

#[test]
fn a_panic_in_a_helper_thread_reaches_the_caller() {
    let host = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let transport = transport();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        host.block_on(async { transport.block_on(async { panic!("planned") }) })
    }));
    assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&"planned"));
}

#[test]
fn waiting_on_its_own_thread_is_refused() {
    let transport = Arc::new(transport());
    let inner = Arc::clone(&transport);
    let task = transport.spawn(|| async move { inner.block_on(async {}) }).unwrap();
    let outcome = transport.block_on(task).unwrap().unwrap();
    assert!(matches!(outcome, Err(Error::InvalidState(_))), "{outcome:?}");
}

#[test]
fn a_background_request_can_be_cancelled() {
    let server = Server::start(|_, _| Reply::Silence(Duration::from_secs(5)));
    let transport = Arc::new(transport());
    let (inner, url) = (Arc::clone(&transport), server.url("/"));
    let task = transport.spawn(|| async move { inner.send(post(url), None).await }).unwrap();
    let started = Instant::now();
    while server.received().is_empty() {
        std::thread::sleep(Duration::from_millis(1));
    }
    task.abort();
    assert!(transport.block_on(task).unwrap().unwrap_err().is_cancelled());
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[test]
fn dropping_it_waits_for_nothing() {
    let server = Server::start(|_, _| Reply::Silence(Duration::from_secs(5)));
    let transport = Arc::new(transport());
    let (inner, url) = (Arc::downgrade(&transport), server.url("/"));
    let pending = async move {
        if let Some(transport) = inner.upgrade() {
            let _ = transport.send(post(url), None).await;
        }
    };
    transport.spawn(|| pending).unwrap();
    let started = Instant::now();
    drop(transport);
    assert!(started.elapsed() < Duration::from_secs(1));
}
