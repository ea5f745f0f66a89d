//! The transport against real sockets: what networks and confused services do to it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod environment;
mod outage;
mod runtime;
mod server;
mod tls;

use armoriq::Error;
use armoriq::transport::{Request, Response, Transport, TransportError, TransportErrorKind, TransportOptions, Watch};
use server::{Reply, Server};
use std::net::TcpListener;
use std::time::{Duration, Instant, SystemTime};

const KEY: &str = "ak_test_secret";

/// Waits between attempts are milliseconds here.
fn options() -> TransportOptions {
    TransportOptions {
        user_agent: "ArmorIQ-test".into(),
        timeout: Duration::from_secs(10),
        retry_unit: Duration::from_millis(1),
        ..TransportOptions::default()
    }
}

fn transport() -> Transport {
    Transport::new(&options()).unwrap()
}

fn send_with(transport: &Transport, request: Request) -> Result<Response, TransportError> {
    transport.block_on(transport.send(request, None)).unwrap()
}

fn send(request: Request) -> Result<Response, TransportError> {
    send_with(&transport(), request)
}

fn post(url: String) -> Request {
    Request::post(url, r#"{"amount":1.0}"#).header("X-API-Key", KEY).header("Idempotency-Key", "idem-1")
}

fn kind(result: Result<Response, TransportError>) -> TransportErrorKind {
    let error = result.unwrap_err();
    assert!(!error.message.contains(KEY) && !error.message.contains("query"), "{error}");
    error.kind
}

#[test]
fn sends_what_it_is_given_and_reads_the_answer() {
    let server = Server::start(|_, _| Reply::json(201, r#"{"allowed": true}"#));
    let response = send(post(server.url("/iap?query=1"))).unwrap();
    assert_eq!((response.status(), response.is_success()), (201, true));
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.json().unwrap()["allowed"], true);
    let received = &server.received()[0];
    assert_eq!(received.line, "POST /iap?query=1 HTTP/1.1");
    assert_eq!(received.body, r#"{"amount":1.0}"#);
    for (name, value) in
        [("x-api-key", KEY), ("content-type", "application/json"), ("user-agent", "ArmorIQ-test"), ("accept", "*/*")]
    {
        assert_eq!(received.header(name), Some(value), "{name}");
    }
}

#[test]
fn an_answer_of_any_status_is_an_answer() {
    let server = Server::start(|_, _| Reply::Answer { status: 418, headers: vec![], body: b"\xfftea".to_vec() });
    let response = send(Request::get(server.url("/"))).unwrap();
    assert_eq!((response.status(), response.is_success(), response.text().as_ref()), (418, false, "\u{fffd}tea"));
    assert!(response.json().is_err());
}

#[test]
fn leaves_an_answer_where_enough_of_it_has_come() {
    let answer = b"HTTP/1.1 200 x\r\nContent-Type: text/plain\r\n\r\nenough and more".to_vec();
    let server = Server::start(move |_, _| Reply::Trickle(answer.clone(), Duration::from_secs(20)));
    let request = |watch: Watch| Request::get(server.url("/")).until(watch).timeout(Duration::from_millis(500));
    let response = send(request(|_| Some(Box::new(|body| body.starts_with(b"enough"))))).unwrap();
    assert!(response.text().starts_with("enough"));
    // Of an answer that is not watched, all is read.
    assert_eq!(kind(send(request(|_| None))), TransportErrorKind::Timeout);
}

#[test]
fn keeps_its_connection() {
    let server = Server::start(|_, _| Reply::json(200, "{}"));
    let transport = transport();
    for _ in 0..20 {
        send_with(&transport, post(server.url("/"))).unwrap();
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_connection_that_the_server_closed_while_idle_is_not_used() {
    let server = Server::start(|_, _| Reply::Raw(b"HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\n{}".to_vec()));
    let transport = transport();
    for _ in 0..5 {
        assert_eq!(send_with(&transport, post(server.url("/"))).unwrap().text(), "{}");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(server.connections(), 5);
}

#[test]
fn says_who_did_not_answer() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = send(post(format!("http://user:{KEY}@{closed}/iap?query=1"))).unwrap_err();
    assert_eq!(error.kind, TransportErrorKind::Connect);
    assert!(error.message.starts_with(&format!("cannot connect to http://{closed}/iap: ")), "{error}");
    assert!(error.message.contains("refused"), "{error}");
    assert!(!error.message.contains(KEY), "{error}");
    assert!(matches!(Error::from(error), Error::Service { status_code: None, .. }));
}

#[test]
fn a_dropped_or_garbled_exchange_is_an_error() {
    let dropped = Server::start(|_, _| Reply::Drop);
    assert_eq!(kind(send(post(dropped.url("/?query=1")))), TransportErrorKind::Protocol);
    assert_eq!(dropped.received().len(), 1);
    let garbled = Server::start(|_, _| Reply::Raw(b"SSH-2.0-OpenSSH\r\n\r\n".to_vec()));
    assert_eq!(kind(send(post(garbled.url("/")))), TransportErrorKind::Protocol);
}

#[test]
fn a_truncated_answer_is_an_error_and_not_retried() {
    let server =
        Server::start(|_, _| Reply::Raw(b"HTTP/1.1 200 x\r\nContent-Length: 100\r\n\r\n{\"allowed\":true}".to_vec()));
    assert_eq!(kind(send(post(server.url("/")).retry(true))), TransportErrorKind::Body);
    assert_eq!(server.received().len(), 1);
}

#[test]
fn an_answer_of_more_than_16_mib_is_an_error() {
    let server = Server::start(|_, _| Reply::Chunks(17 << 20));
    assert_eq!(kind(send(post(server.url("/")))), TransportErrorKind::TooLarge);
    let server = Server::start(|_, _| Reply::Chunks(16 << 20));
    assert_eq!(send(post(server.url("/"))).unwrap().body().len(), 16 << 20);
}

#[test]
fn a_slow_answer_is_a_timeout() {
    let server = Server::start(|_, _| Reply::Silence(Duration::from_secs(5)));
    let started = Instant::now();
    let error = send(post(server.url("/iap?query=1")).timeout(Duration::from_millis(50))).unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(error.message, format!("no answer from {} within 50ms", server.url("/iap")));
    assert!(matches!(Error::from(error), Error::Timeout(_)));
}

#[test]
fn the_shorter_of_both_timeouts_holds() {
    let server = Server::start(|_, _| Reply::Silence(Duration::from_secs(5)));
    let transport = Transport::new(&TransportOptions { timeout: Duration::from_millis(50), ..options() }).unwrap();
    let started = Instant::now();
    let result = send_with(&transport, post(server.url("/")).timeout(Duration::from_secs(60)));
    assert_eq!(kind(result), TransportErrorKind::Timeout);
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[test]
fn retries_a_5xx_with_the_same_idempotency_key() {
    let server =
        Server::start(|number, _| if number < 2 { Reply::json(502, "") } else { Reply::json(200, r#"{"ok":1}"#) });
    let response = send(post(server.url("/")).retry(true)).unwrap();
    assert_eq!(response.text(), r#"{"ok":1}"#);
    let received = server.received();
    assert_eq!(received.len(), 3);
    assert!(received.iter().all(|request| request == &received[0]));
    assert_eq!(received[0].header("idempotency-key"), Some("idem-1"));
}

#[test]
fn does_not_retry_what_must_not_be_retried() {
    for status in [500, 503, 429] {
        let server = Server::start(move |_, _| Reply::with(status, "Retry-After", "0"));
        assert_eq!(send(post(server.url("/"))).unwrap().status(), status);
        assert_eq!(server.received().len(), 1);
    }
    for status in [400, 401, 403, 408, 429] {
        let server = Server::start(move |_, _| Reply::json(status, "{}"));
        assert_eq!(send(post(server.url("/")).retry(true)).unwrap().status(), status);
        assert_eq!(server.received().len(), 1);
    }
}

#[test]
fn returns_the_last_answer_of_all_attempts() {
    let server = Server::start(|number, _| match number {
        0 => Reply::json(500, "first"),
        1 => Reply::json(503, "second"),
        _ => Reply::Drop,
    });
    let response = send(post(server.url("/")).retry(true)).unwrap();
    assert_eq!((response.status(), response.text().as_ref()), (503, "second"));
    assert_eq!(server.received().len(), 4);
}

#[test]
fn returns_the_last_error_where_nothing_answered() {
    let server = Server::start(|_, _| Reply::Drop);
    assert_eq!(kind(send(post(server.url("/")).retry(true))), TransportErrorKind::Protocol);
    assert_eq!(server.received().len(), 4);
}

#[test]
fn max_retries_zero_is_one_attempt() {
    let server = Server::start(|_, _| Reply::json(500, ""));
    let transport = Transport::new(&TransportOptions { max_retries: 0, ..options() }).unwrap();
    assert_eq!(send_with(&transport, post(server.url("/")).retry(true)).unwrap().status(), 500);
    assert_eq!(server.received().len(), 1);
}

#[test]
fn waits_longer_with_each_attempt() {
    let server = Server::start(|_, _| Reply::json(500, ""));
    let transport = Transport::new(&TransportOptions { retry_unit: Duration::from_millis(20), ..options() }).unwrap();
    let started = Instant::now();
    send_with(&transport, post(server.url("/")).retry(true)).unwrap();
    assert!(started.elapsed() >= Duration::from_millis(20 + 40 + 80));
}

#[test]
fn waits_as_long_as_a_service_asks() {
    let a_second = || String::from("1");
    let until_a_date = || httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(2));
    for (status, wait) in [(429, a_second as fn() -> String), (503, a_second), (429, until_a_date)] {
        let server = Server::start(move |number, _| match number {
            0 => Reply::with(status, "Retry-After", wait()),
            _ => Reply::json(200, "{}"),
        });
        let started = Instant::now();
        assert_eq!(send(post(server.url("/")).retry(true)).unwrap().status(), 200);
        // A date has no fractions of a second.
        assert!(started.elapsed() >= Duration::from_millis(900), "{:?}", started.elapsed());
        assert_eq!(server.received().len(), 2);
    }
}

#[test]
fn never_waits_beyond_the_deadline() {
    let server = Server::start(|_, _| Reply::with(503, "Retry-After", "86400"));
    let transport = transport();
    let started = Instant::now();
    let sending = transport.send(post(server.url("/")).retry(true), Some(started + Duration::from_secs(5)));
    assert_eq!(transport.block_on(sending).unwrap().unwrap().status(), 503);
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(server.received().len(), 1);
}

#[test]
fn a_deadline_bounds_all_attempts_together() {
    let server = Server::start(|_, _| Reply::Silence(Duration::from_secs(5)));
    let transport = transport();
    let started = Instant::now();
    let request = post(server.url("/")).timeout(Duration::from_millis(150)).retry(true);
    let sending = transport.send(request, Some(started + Duration::from_millis(400)));
    assert_eq!(kind(transport.block_on(sending).unwrap()), TransportErrorKind::Timeout);
    assert!(started.elapsed() < Duration::from_secs(2));
    let passed = transport.send(post(server.url("/?query=1")), Some(started));
    assert_eq!(kind(transport.block_on(passed).unwrap()), TransportErrorKind::Timeout);
    assert!(server.received().iter().all(|request| !request.line.contains("query")));
}

#[test]
fn follows_a_redirect_within_the_origin_with_its_body() {
    for status in [307, 308] {
        let server = Server::start(move |number, _| match number {
            0 => Reply::with(status, "Location", "/moved"),
            _ => Reply::json(200, "{}"),
        });
        assert_eq!(send(post(server.url("/"))).unwrap().status(), 200);
        let received = server.received();
        assert_eq!(received[1].line, "POST /moved HTTP/1.1");
        assert_eq!((&received[1].body, &received[1].headers), (&received[0].body, &received[0].headers));
    }
}

#[test]
fn a_redirect_to_another_origin_is_the_answer_and_the_key_stays_here() {
    let other = Server::start(|_, _| Reply::json(200, r#"{"allowed": true}"#));
    let port = other.address.port();
    for location in [
        other.url("/"),
        format!("//127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        "https://127.0.0.1/".into(),
        "ftp://127.0.0.1/".into(),
        "http://[".into(),
    ] {
        let server = Server::start(move |_, _| Reply::with(307, "Location", location.clone()));
        assert_eq!(send(post(server.url("/"))).unwrap().status(), 307);
        assert_eq!(server.received().len(), 1);
    }
    assert_eq!(other.received(), []);
}

#[test]
fn a_redirect_that_names_a_user_is_the_answer() {
    let server = Server::start(|_, request| {
        let host = request.header("host").unwrap();
        Reply::with(307, "Location", format!("http://mallory:pw@{host}/"))
    });
    assert_eq!(send(post(server.url("/"))).unwrap().status(), 307);
    assert_eq!(server.received().len(), 1);
}

#[test]
fn a_failure_after_a_redirect_names_what_was_asked() {
    let too_long = "/moved".repeat(20_000);
    for (location, expected) in [(too_long.as_str(), "cannot send a request to"), ("/moved", "no answer from")] {
        let location = location.to_owned();
        let server = Server::start(move |number, _| match number {
            0 => Reply::with(307, "Location", location.clone()),
            _ => Reply::Drop,
        });
        let asked = server.url("/asked");
        let message = send(post(asked.clone())).unwrap_err().message;
        assert!(message.starts_with(&format!("{expected} {asked}: ")) && message.len() < 200, "{message}");
    }
}

#[test]
fn a_post_never_becomes_a_get() {
    for status in [301, 302, 303] {
        let server = Server::start(move |_, _| Reply::with(status, "Location", "/moved"));
        assert_eq!(send(post(server.url("/"))).unwrap().status(), status);
        assert_eq!(server.received().len(), 1);
    }
}

#[test]
fn a_get_follows_redirects_up_to_a_number() {
    let server = Server::start(|number, _| match number {
        0 => Reply::with(302, "Location", "/moved"),
        _ => Reply::json(200, "{}"),
    });
    assert_eq!(send(Request::get(server.url("/"))).unwrap().status(), 200);
    let endless = Server::start(|_, _| Reply::with(302, "Location", "/again"));
    assert_eq!(send(Request::get(endless.url("/"))).unwrap().status(), 302);
    assert_eq!(endless.received().len(), 21);
}

#[test]
fn a_request_that_cannot_be_sent_says_so_without_its_secret() {
    let newline = format!("{KEY}\n");
    for request in [
        Request::get("http://127.0.0.1/").header("X-API-Key", &newline),
        Request::get(KEY),
        Request::get("file:///etc/hostname").header("X-API-Key", KEY),
    ] {
        assert!(!format!("{request:?}").contains(KEY), "{request:?}");
        let error = send(request).unwrap_err();
        assert_eq!(error.kind, TransportErrorKind::Request, "{error}");
        assert!(!error.message.contains(KEY), "{error}");
    }
}
