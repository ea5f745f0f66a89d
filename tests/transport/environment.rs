//! What the environment decides: proxies and root certificates. Each test runs itself again as a process of its own
//! with the variables set, since they may not be changed while other threads read them.

use crate::server::{Reply, Server};
use crate::tls::{Authority, serve_tls};
use crate::{post, send};
use armoriq::transport::TransportErrorKind;
use std::process::Command;

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
        Err(error) => println!("outcome={:?}", error.kind),
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
