//! What the environment decides: proxies and root certificates. Each test runs itself again as a process of its own
//! with the variables set, since they may not be changed while other threads read them.

use crate::server::{Reply, Server};
use crate::tls::{Authority, serve_tls};
use crate::{KEY, post, send};
use armoriq::transport::TransportErrorKind;
use rcgen::SanType;
use rustls::{ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::{Arc, Mutex};

const URL: &str = "ARMORIQ_TEST_URL";

/// The status, or the kind of error, that the same test reports from a process with these variables.
fn outcome_with(test: &str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).envs(variables.iter().copied());
    for name in
        ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"]
    {
        if variables.iter().all(|(set, _)| *set != name) {
            command.env_remove(name);
        }
    }
    let output = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let outcome = output.split_once("outcome=").unwrap_or_else(|| panic!("{output}")).1;
    outcome.lines().next().unwrap().to_owned()
}

/// Whether this is such a process, which then has reported.
fn reported() -> bool {
    let Ok(url) = std::env::var(URL) else { return false };
    match send(post(url)) {
        Ok(response) => println!("outcome={}", response.status()),
        Err(error) => {
            assert!(!error.message.contains("user:pass"), "{error}");
            println!("outcome={:?}", error.kind);
        }
    }
    true
}

#[test]
fn a_proxy_is_used_and_told_its_credentials() {
    if reported() {
        return;
    }
    let proxy = Server::start(|_, _| Reply::json(203, "{}"));
    let url = "http://armoriq.invalid/iap";
    let address = format!("http://user:pass@{}", proxy.address);
    let test = "environment::a_proxy_is_used_and_told_its_credentials";
    assert_eq!(outcome_with(test, &[(URL, url), ("HTTP_PROXY", &address)]), "203");
    let received = &proxy.received()[0];
    assert_eq!(received.line, "POST http://armoriq.invalid/iap HTTP/1.1");
    assert_eq!(received.header("proxy-authorization"), Some("Basic dXNlcjpwYXNz"));
}

#[test]
fn no_proxy_is_honoured() {
    if reported() {
        return;
    }
    let proxy = Server::start(|_, _| Reply::json(203, "{}"));
    let server = Server::start(|_, _| Reply::json(200, "{}"));
    let address = format!("http://{}", proxy.address);
    let variables = [(URL, server.url("/")), ("HTTP_PROXY", address), ("NO_PROXY", "127.0.0.1".into())];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(outcome_with("environment::no_proxy_is_honoured", &variables), "200");
    assert_eq!(proxy.received(), []);
}

/// A proxy that speaks for any https server: it notes what it is asked for, and answers itself behind the tunnel that it
/// says it opens.
struct Tunnel {
    asked: Arc<Mutex<Vec<String>>>,
    server: Server,
}

impl Tunnel {
    fn start(answer: &'static str) -> (Authority, Self) {
        let authority = Authority::new();
        let certificate = authority.server_config_with(|parameters| {
            parameters.subject_alt_names = vec![SanType::DnsName("armoriq.invalid".try_into().unwrap())];
        });
        let (config, asked) = (Arc::new(certificate), Arc::new(Mutex::new(Vec::new())));
        let noted = Arc::clone(&asked);
        let accept = move |mut stream: TcpStream| {
            let mut head = Vec::new();
            // Byte by byte: what comes after the head is TLS.
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).ok()?;
                head.extend(byte);
            }
            noted.lock().unwrap().push(String::from_utf8(head).unwrap());
            stream.write_all(answer.as_bytes()).ok()?;
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            answer.contains(" 200 ").then(|| Box::new(StreamOwned::new(connection, stream)) as Box<_>)
        };
        (authority, Self { asked, server: Server::start_over(accept, |_, _| Reply::json(203, "{}")) })
    }

    fn address(&self) -> String {
        format!("http://user:pass@{}", self.server.address)
    }
}

const HTTPS_URL: &str = "https://armoriq.invalid/iap?query=1";

#[test]
fn https_goes_through_a_tunnel_that_is_asked_for_with_credentials() {
    if reported() {
        return;
    }
    let (authority, tunnel) = Tunnel::start("HTTP/1.1 200 x\r\n\r\n");
    let test = "environment::https_goes_through_a_tunnel_that_is_asked_for_with_credentials";
    let certificate = authority.certificate_file();
    let roots = certificate.path().to_str().unwrap();
    let outcome = outcome_with(test, &[(URL, HTTPS_URL), ("HTTPS_PROXY", &tunnel.address()), ("SSL_CERT_FILE", roots)]);
    assert_eq!(outcome, "203");
    let asked = tunnel.asked.lock().unwrap().concat();
    assert!(asked.starts_with("CONNECT armoriq.invalid:443 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.to_lowercase().contains("\r\nproxy-authorization: basic dxnlcjpwyxnz\r\n"), "{asked}");
    // The proxy is told nothing of what is asked, and the service nothing of the proxy.
    assert!(!asked.contains("iap") && !asked.contains(KEY), "{asked}");
    let received = &tunnel.server.received()[0];
    assert_eq!(received.line, "POST /iap?query=1 HTTP/1.1");
    assert_eq!((received.header("x-api-key"), received.header("proxy-authorization")), (Some(KEY), None));
}

#[test]
fn what_is_behind_a_tunnel_must_show_its_certificate() {
    if reported() {
        return;
    }
    let (_, tunnel) = Tunnel::start("HTTP/1.1 200 x\r\n\r\n");
    let test = "environment::what_is_behind_a_tunnel_must_show_its_certificate";
    assert_eq!(outcome_with(test, &[(URL, HTTPS_URL), ("HTTPS_PROXY", &tunnel.address())]), "Connect");
    assert_eq!(tunnel.server.received(), []);
}

#[test]
fn a_tunnel_that_is_refused_is_no_answer() {
    if reported() {
        return;
    }
    let (_, tunnel) = Tunnel::start("HTTP/1.1 407 x\r\nContent-Length: 17\r\n\r\n{\"allowed\": true}");
    let test = "environment::a_tunnel_that_is_refused_is_no_answer";
    assert_eq!(outcome_with(test, &[(URL, HTTPS_URL), ("HTTPS_PROXY", &tunnel.address())]), "Connect");
}

#[test]
fn no_proxy_is_honoured_for_https_too() {
    if reported() {
        return;
    }
    let authority = Authority::new();
    let server = serve_tls(authority.server_config(), |_, _| Reply::json(200, "{}"));
    let (_, tunnel) = Tunnel::start("HTTP/1.1 407 x\r\n\r\n");
    let (url, certificate) = (format!("https://{}/", server.address), authority.certificate_file());
    let (proxy, roots) = (tunnel.address(), certificate.path().to_str().unwrap());
    let test = "environment::no_proxy_is_honoured_for_https_too";
    for (exempt, outcome) in [
        ("127.0.0.0/8", "200"),
        ("example.com, 127.0.0.1", "200"),
        ("*", "200"),
        ("example.com, *", "200"),
        ("example.com", "Connect"),
    ] {
        let variables = [(URL, url.as_str()), ("HTTPS_PROXY", &proxy), ("NO_PROXY", exempt), ("SSL_CERT_FILE", roots)];
        assert_eq!(outcome_with(test, &variables), outcome, "{exempt}");
    }
    assert_eq!(tunnel.asked.lock().unwrap().len(), 1);
}

#[test]
fn ssl_cert_file_names_the_roots() {
    if reported() {
        return;
    }
    let authority = Authority::new();
    let server = serve_tls(authority.server_config(), |_, _| Reply::json(200, "{}"));
    let url = format!("https://{}/", server.address);
    let test = "environment::ssl_cert_file_names_the_roots";
    let certificate = authority.certificate_file();
    let path = certificate.path().to_str().unwrap();
    assert_eq!(outcome_with(test, &[(URL, &url), ("SSL_CERT_FILE", path)]), "200");
    assert_eq!(outcome_with(test, &[(URL, &url)]), format!("{:?}", TransportErrorKind::Connect));
}
