//! What a service that is down costs: its callers hardly any time, and the service hardly any requests.

use crate::server::{Reply, Server};
use crate::{kind, options, post, send_with, transport};
use armoriq::Error;
use armoriq::transport::{Transport, TransportErrorKind, TransportOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A server that can be down, and then does nothing but to close connections.
fn server(down: &Arc<AtomicBool>) -> Server {
    let down = Arc::clone(down);
    Server::start(move |_, _| if down.load(Ordering::SeqCst) { Reply::Drop } else { Reply::json(200, "{}") })
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_service_that_is_down_is_asked_five_times_and_then_left_alone() {
    let down = Arc::new(AtomicBool::new(true));
    let server = server(&down);
    let transport = Transport::new(&TransportOptions { cool_down: Duration::from_secs(60), ..options() }).unwrap();
    for _ in 0..5 {
        assert_eq!(kind(send_with(&transport, post(server.url("/")))), TransportErrorKind::Protocol);
    }
    let started = Instant::now();
    for _ in 0..1000 {
        let error = send_with(&transport, post(server.url("/iap?query=1"))).unwrap_err();
        let address = format!("http://{} has been failing", server.address);
        assert!(error.message.starts_with(&address), "{error}");
        assert!(matches!(Error::from(error), Error::Service { status_code: None, .. }));
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(server.received().len(), 5);
    // Another service is none of its business.
    let other = Server::start(|_, _| Reply::json(200, "{}"));
    assert_eq!(send_with(&transport, post(other.url("/"))).unwrap().status(), 200);
}

#[test]
fn one_probe_brings_it_back() {
    let down = Arc::new(AtomicBool::new(true));
    let server = server(&down);
    let transport = Transport::new(&TransportOptions { cool_down: Duration::from_millis(20), ..options() }).unwrap();
    let refused = || kind(send_with(&transport, post(server.url("/")))) == TransportErrorKind::Refused;
    eventually("it was never refused", refused);
    // While it is down, probes are sent, and a probe is not sent again.
    eventually("it was not tried again", || !refused() && server.received().len() >= 8);
    down.store(false, Ordering::SeqCst);
    let before = server.received().len();
    eventually("it did not come back", || send_with(&transport, post(server.url("/"))).is_ok());
    assert_eq!(server.received().len(), before + 1);
    for _ in 0..10 {
        assert_eq!(send_with(&transport, post(server.url("/"))).unwrap().status(), 200);
    }
}

#[test]
fn many_callers_send_one_probe() {
    let down = Arc::new(AtomicBool::new(true));
    let server = server(&down);
    let transport = Transport::new(&TransportOptions { cool_down: Duration::from_millis(400), ..options() }).unwrap();
    for _ in 0..5 {
        assert!(send_with(&transport, post(server.url("/"))).is_err());
    }
    // The first cool-down ends after at least 200 ms, and the second 400 ms after that at the earliest.
    let end = Instant::now() + Duration::from_millis(500);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while Instant::now() < end {
                    assert!(send_with(&transport, post(server.url("/")).retry(true)).is_err());
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        }
    });
    assert_eq!(server.received().len(), 6);
}

#[test]
fn a_503_counts_and_a_500_does_not() {
    for (status, asked) in [(500, 50), (503, 5)] {
        let server = Server::start(move |_, _| Reply::json(status, "{}"));
        let transport = Transport::new(&TransportOptions { cool_down: Duration::from_secs(60), ..options() }).unwrap();
        for _ in 0..50 {
            let _ = send_with(&transport, post(server.url("/")));
        }
        assert_eq!(server.received().len(), asked);
    }
}

#[test]
fn a_caller_in_a_hurry_does_not_close_the_way_for_others() {
    let server = Server::start(|_, _| Reply::Silence(Duration::from_secs(5)));
    let transport = Transport::new(&TransportOptions { cool_down: Duration::from_secs(60), ..options() }).unwrap();
    let within = |limit| {
        let request = post(server.url("/")).timeout(Duration::from_millis(limit));
        kind(send_with(&transport, request))
    };
    for _ in 0..10 {
        assert_eq!(within(10), TransportErrorKind::Timeout);
    }
    for _ in 0..5 {
        assert_eq!(within(300), TransportErrorKind::Timeout);
    }
    assert_eq!(within(300), TransportErrorKind::Refused);
}

#[test]
fn a_call_that_is_to_be_retried_gives_up_when_the_service_is_left_alone() {
    let down = Arc::new(AtomicBool::new(true));
    let server = server(&down);
    let transport = Transport::new(&TransportOptions { cool_down: Duration::from_secs(60), ..options() }).unwrap();
    for _ in 0..4 {
        assert!(send_with(&transport, post(server.url("/"))).is_err());
    }
    assert_eq!(kind(send_with(&transport, post(server.url("/")).retry(true))), TransportErrorKind::Protocol);
    assert_eq!(server.received().len(), 5);
}

#[test]
fn a_long_outage_costs_a_tenth_more_requests_and_no_more() {
    let server = Server::start(|_, _| Reply::json(500, "{}"));
    let transport = transport();
    for _ in 0..1000 {
        assert_eq!(send_with(&transport, post(server.url("/")).retry(true)).unwrap().status(), 500);
    }
    let requests = server.received().len();
    // Some are retried all the time.
    assert!((1080..=1100).contains(&requests), "{requests}");
}

#[test]
fn the_retries_of_a_single_call_are_within_the_budget() {
    let server = Server::start(|_, _| Reply::json(500, "{}"));
    let transport = transport();
    for calls in 1..=3 {
        send_with(&transport, post(server.url("/")).retry(true)).unwrap();
        assert_eq!(server.received().len(), calls * 4);
    }
}
