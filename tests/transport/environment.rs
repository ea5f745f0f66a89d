//! What the environment decides: proxies and root certificates. Each test runs itself again as a process of its own
//! with the variables set, since they may not be changed while other threads read them.

use crate::server::{Reply, Server, Stream};
use crate::tls::{Authority, serve_tls};
use crate::{KEY, post, send_with, transport};
use armoriq::transport::TransportErrorKind;
use rcgen::SanType;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

const URL: &str = "ARMORIQ_TEST_URL";

/// The statuses, or the kinds of error, that the same test reports from a process with these variables.
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

/// Whether this is such a process, which then has reported. What it asks for are one or several URLs, one after the other
/// over the same connections.
fn reported() -> bool {
    let Ok(urls) = std::env::var(URL) else { return false };
    let transport = transport();
    let outcome = |url: &str| match send_with(&transport, post(url.to_owned())) {
        Ok(response) => response.status().to_string(),
        Err(error) => {
            for secret in ["pass", "dXNlcjpwYXNz", KEY] {
                assert!(!error.message.contains(secret), "{error}");
            }
            format!("{:?}", error.kind)
        }
    };
    println!("outcome={}", urls.split(' ').map(outcome).collect::<Vec<_>>().join(" "));
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
        Self::start_over(|_| |stream| Box::new(stream), answer)
    }

    /// One that is itself spoken to over TLS.
    fn start_over_tls(answer: &'static str) -> (Authority, Self) {
        let accept = |authority: &Authority| {
            let config = Arc::new(authority.server_config());
            move |stream| over_tls(&config, stream)
        };
        Self::start_over(accept, answer)
    }

    /// Without an answer it closes.
    fn start_over<A>(accept: impl FnOnce(&Authority) -> A, answer: &'static str) -> (Authority, Self)
    where
        A: Fn(TcpStream) -> Box<dyn Stream> + Send + Sync + 'static,
    {
        let authority = Authority::new();
        let accept = accept(&authority);
        let certificate = authority.server_config_with(|parameters| {
            let names = ["armoriq.invalid", "other.invalid"];
            parameters.subject_alt_names = names.map(|name| SanType::DnsName(name.try_into().unwrap())).into();
        });
        let (config, asked) = (Arc::new(certificate), Arc::new(Mutex::new(Vec::new())));
        let noted = Arc::clone(&asked);
        let open = move |stream| {
            let mut stream = accept(stream);
            let mut head = Vec::new();
            // Byte by byte: what comes after the head is TLS.
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).ok()?;
                head.extend(byte);
            }
            noted.lock().unwrap().push(String::from_utf8(head).unwrap());
            stream.write_all(answer.as_bytes()).ok()?;
            answer.contains(" 200 ").then(|| over_tls(&config, stream))
        };
        (authority, Self { asked, server: Server::start_over(open, |_, _| Reply::json(203, "{}")) })
    }

    fn address(&self) -> String {
        format!("http://user:pass@{}", self.server.address)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn over_tls(config: &Arc<ServerConfig>, stream: impl Stream + 'static) -> Box<dyn Stream> {
    Box::new(StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), stream))
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
    let asked = tunnel.asked().concat();
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
fn a_tunnel_is_used_again_for_its_own_server_only() {
    if reported() {
        return;
    }
    let (authority, tunnel) = Tunnel::start("HTTP/1.1 200 x\r\n\r\n");
    let certificate = authority.certificate_file();
    let roots = certificate.path().to_str().unwrap();
    let (there, other) = ("https://armoriq.invalid/iap", "https://other.invalid/iap");
    let urls = [there, there, other, there, other].join(" ");
    let test = "environment::a_tunnel_is_used_again_for_its_own_server_only";
    let outcome = outcome_with(test, &[(URL, &urls), ("ALL_PROXY", &tunnel.address()), ("SSL_CERT_FILE", roots)]);
    assert_eq!(outcome, "203 203 203 203 203");
    let asked = tunnel.asked();
    assert_eq!((asked.len(), tunnel.server.connections()), (2, 2), "{asked:?}");
    assert!(asked[1].starts_with("CONNECT other.invalid:443 HTTP/1.1\r\n"), "{asked:?}");
    let received = tunnel.server.received();
    let hosts: Vec<_> =
        received.iter().map(|request| format!("https://{}/iap", request.header("host").unwrap())).collect();
    assert_eq!(hosts.join(" "), urls);
}

#[test]
fn a_connection_to_a_proxy_is_used_again() {
    if reported() {
        return;
    }
    let proxy = Server::start(|_, _| Reply::json(203, "{}"));
    let address = format!("http://{}", proxy.address);
    let test = "environment::a_connection_to_a_proxy_is_used_again";
    let urls = "http://armoriq.invalid/iap http://armoriq.invalid/other http://armoriq.invalid:8080/iap";
    assert_eq!(outcome_with(test, &[(URL, urls), ("ALL_PROXY", &address)]), "203 203 203");
    let lines: Vec<_> = proxy.received().into_iter().map(|request| request.line).collect();
    assert_eq!(lines.concat(), urls.split(' ').map(|url| format!("POST {url} HTTP/1.1")).collect::<String>());
    assert_eq!(proxy.connections(), 2);
    assert!(proxy.received().iter().all(|request| request.header("proxy-authorization").is_none()));
}

#[test]
fn a_proxy_may_be_spoken_to_over_tls() {
    if reported() {
        return;
    }
    let test = "environment::a_proxy_may_be_spoken_to_over_tls";
    let authority = Authority::new();
    let proxy = serve_tls(authority.server_config(), |_, _| Reply::json(203, "{}"));
    let (address, certificate) = (format!("https://user:pass@{}", proxy.address), authority.certificate_file());
    let urls = "http://armoriq.invalid/iap http://armoriq.invalid/iap";
    let variables = [(URL, urls), ("HTTP_PROXY", &address), ("SSL_CERT_FILE", certificate.path().to_str().unwrap())];
    assert_eq!(outcome_with(test, &variables[..2]), "Connect Connect");
    assert_eq!(proxy.received(), []);
    assert_eq!(outcome_with(test, &variables), "203 203");
    for received in proxy.received() {
        assert_eq!(received.line, "POST http://armoriq.invalid/iap HTTP/1.1");
        assert_eq!(received.header("proxy-authorization"), Some("Basic dXNlcjpwYXNz"));
    }
    assert_eq!(proxy.connections(), 3);

    let (authority, tunnel) = Tunnel::start_over_tls("HTTP/1.1 200 x\r\n\r\n");
    let (address, certificate) = (format!("https://user:pass@{}", tunnel.server.address), authority.certificate_file());
    let urls = [HTTPS_URL; 2].join(" ");
    let variables =
        [(URL, urls.as_str()), ("HTTPS_PROXY", &address), ("SSL_CERT_FILE", certificate.path().to_str().unwrap())];
    assert_eq!(outcome_with(test, &variables[..2]), "Connect Connect");
    assert!(tunnel.asked().is_empty());
    assert_eq!(outcome_with(test, &variables), "203 203");
    let asked = tunnel.asked();
    assert!(asked[0].to_lowercase().contains("\r\nproxy-authorization: basic dxnlcjpwyxnz\r\n"), "{asked:?}");
    assert!(asked[0].to_lowercase().contains("\r\nuser-agent: armoriq-test\r\n"), "{asked:?}");
    assert_eq!(asked.len(), 1);
    for received in tunnel.server.received() {
        assert_eq!(received.line, "POST /iap?query=1 HTTP/1.1");
        assert_eq!(received.header("proxy-authorization"), None);
    }
}

#[test]
fn a_proxy_that_goes_away_is_no_answer() {
    if reported() {
        return;
    }
    let test = "environment::a_proxy_that_goes_away_is_no_answer";
    let http_url = "http://armoriq.invalid/iap?query=1";
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = format!("http://user:pass@{closed}");
    assert_eq!(
        outcome_with(test, &[(URL, &[http_url, HTTPS_URL].join(" ")), ("ALL_PROXY", &address)]),
        "Connect Connect"
    );
    let proxy = Server::start(|_, _| Reply::Drop);
    let address = format!("http://user:pass@{}", proxy.address);
    assert_eq!(outcome_with(test, &[(URL, http_url), ("HTTP_PROXY", &address)]), "Protocol");
    for answer in ["", "HTTP/1.1 2", "SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 502 x\r\n\r\n"] {
        let (_, tunnel) = Tunnel::start(answer);
        assert_eq!(outcome_with(test, &[(URL, HTTPS_URL), ("HTTPS_PROXY", &tunnel.address())]), "Connect", "{answer}");
        assert_eq!(tunnel.asked().len(), 1);
    }
}

#[test]
fn what_a_proxy_answers_about_itself_is_an_answer_in_plain_text_only() {
    if reported() {
        return;
    }
    let proxy = Server::start(|_, _| Reply::json(407, "{}"));
    let address = format!("http://user:pass@{}", proxy.address);
    let test = "environment::what_a_proxy_answers_about_itself_is_an_answer_in_plain_text_only";
    assert_eq!(outcome_with(test, &[(URL, "http://armoriq.invalid/iap"), ("HTTP_PROXY", &address)]), "407");
    let urls = [HTTPS_URL, "http://armoriq.invalid/iap"].join(" ");
    assert_eq!(outcome_with(test, &[(URL, &urls), ("ALL_PROXY", &address)]), "Connect 407");
}

#[test]
fn nothing_goes_past_a_proxy_that_cannot_be_asked() {
    if reported() {
        return;
    }
    let authority = Authority::new();
    let plain = Server::start(|_, _| Reply::json(200, "{}"));
    let server = serve_tls(authority.server_config(), |_, _| Reply::json(200, "{}"));
    let urls = format!("{} https://{}/", plain.url("/"), server.address);
    let certificate = authority.certificate_file();
    let roots = certificate.path().to_str().unwrap();
    let test = "environment::nothing_goes_past_a_proxy_that_cannot_be_asked";
    for scheme in ["socks5", "socks5h", "socks4", "socks", "ftp"] {
        let proxy = format!("{scheme}://user:pass@{}", plain.address);
        let variables = [(URL, urls.as_str()), ("ALL_PROXY", &proxy), ("SSL_CERT_FILE", roots)];
        assert_eq!(outcome_with(test, &variables), "Connect Connect", "{proxy}");
        assert_eq!((plain.connections(), server.connections()), (0, 0));
    }
    let exempt =
        [(URL, urls.as_str()), ("ALL_PROXY", "socks5://h"), ("NO_PROXY", "127.0.0.1"), ("SSL_CERT_FILE", roots)];
    assert_eq!(outcome_with(test, &exempt), "200 200");
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
    assert_eq!(tunnel.asked().len(), 1);
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
