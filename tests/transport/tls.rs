//! TLS with a private certificate authority.

use crate::server::{Received, Reply, Server};
use crate::{kind, options, post, send_with};
use armoriq::Error;
use armoriq::transport::{Transport, TransportErrorKind, TransportOptions};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A certificate authority that nobody else knows.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { issuer: CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap() }
    }

    pub fn certificate_file(&self) -> TemporaryFile {
        TemporaryFile::new(&self.issuer.pem())
    }

    /// A certificate for the loopback address, with its key.
    fn issue(&self) -> (rcgen::Certificate, KeyPair) {
        self.issue_with(|_| ())
    }

    fn issue_with(&self, change: impl FnOnce(&mut CertificateParams)) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
        change(&mut parameters);
        (parameters.signed_by(&key, &self.issuer).unwrap(), key)
    }

    fn identity(&self) -> Identity {
        identity(self.issue())
    }

    pub fn server_config(&self) -> ServerConfig {
        self.server_config_with(|_| ())
    }

    /// A server whose certificate is other than usual.
    pub fn server_config_with(&self, change: impl FnOnce(&mut CertificateParams)) -> ServerConfig {
        let (chain, key) = identity(self.issue_with(change));
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        builder.with_no_client_auth().with_single_cert(chain, key).unwrap()
    }

    /// A server that only talks to clients with a certificate of this authority.
    fn demanding_server_config(&self) -> ServerConfig {
        let (chain, key) = self.identity();
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        builder.with_client_cert_verifier(verifier.build().unwrap()).with_single_cert(chain, key).unwrap()
    }
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity((certificate, key): (rcgen::Certificate, KeyPair)) -> Identity {
    (vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
}

pub fn serve_tls(config: ServerConfig, handler: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static) -> Server {
    let config = Arc::new(config);
    let accept = move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        Some(Box::new(StreamOwned::new(connection, stream)) as Box<_>)
    };
    Server::start_over(accept, handler)
}

/// A file that goes when it is no longer needed.
pub struct TemporaryFile(PathBuf);

impl TemporaryFile {
    fn new(text: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("armoriq-{}-{}.pem", std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst));
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn https(server: &Server) -> String {
    format!("https://{}/iap?query=1", server.address)
}

#[test]
fn a_private_authority_is_trusted_where_it_is_named() {
    let authority = Authority::new();
    let server = serve_tls(authority.server_config(), |_, _| Reply::json(200, "{}"));
    let certificates = authority.certificate_file();
    let named = TransportOptions { ca_certificates: Some(certificates.path().into()), ..options() };
    let transport = Transport::new(&named).unwrap();
    assert_eq!(send_with(&transport, post(https(&server))).unwrap().status(), 200);

    let stranger = Authority::new().certificate_file();
    for ca_certificates in [None, Some(stranger.path().into())] {
        let transport = Transport::new(&TransportOptions { ca_certificates, ..options() }).unwrap();
        let error = send_with(&transport, post(https(&server))).unwrap_err();
        assert!(error.message.contains("certificate"), "{error}");
        assert_eq!(kind(Err(error)), TransportErrorKind::Connect);
    }
    assert_eq!(server.received().len(), 1);
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let server = serve_tls(authority.server_config(), |_, _| Reply::json(200, "{}"));
    let certificates = authority.certificate_file();
    let named = TransportOptions { ca_certificates: Some(certificates.path().into()), ..options() };
    let url = format!("https://localhost:{}/", server.address.port());
    assert_eq!(kind(send_with(&Transport::new(&named).unwrap(), post(url))), TransportErrorKind::Connect);
}

#[test]
fn a_certificate_that_is_out_of_date_is_refused() {
    let authority = Authority::new();
    let certificates = authority.certificate_file();
    let named = TransportOptions { ca_certificates: Some(certificates.path().into()), ..options() };
    for (from, to, said) in [(2020, 2021, "expired"), (2090, 2091, "not valid yet")] {
        let config = authority.server_config_with(|parameters| {
            (parameters.not_before, parameters.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        });
        let server = serve_tls(config, |_, _| Reply::json(200, "{}"));
        let error = send_with(&Transport::new(&named).unwrap(), post(https(&server))).unwrap_err();
        assert!(error.message.contains(said), "{error}");
        assert_eq!(kind(Err(error)), TransportErrorKind::Connect);
        assert_eq!(server.received(), []);
        let blind = Transport::new(&TransportOptions { verify_ssl: false, ..options() }).unwrap();
        assert_eq!(send_with(&blind, post(https(&server))).unwrap().status(), 200);
    }
}

#[test]
fn without_verification_another_name_will_do_too() {
    let server = serve_tls(Authority::new().server_config(), |_, _| Reply::json(200, "{}"));
    let transport = Transport::new(&TransportOptions { verify_ssl: false, ..options() }).unwrap();
    let url = format!("https://localhost:{}/", server.address.port());
    assert_eq!(send_with(&transport, post(url)).unwrap().status(), 200);
}

#[test]
fn a_server_that_fails_its_handshakes_is_left_alone_too() {
    let server = serve_tls(Authority::new().server_config(), |_, _| Reply::json(200, "{}"));
    let transport = Transport::new(&TransportOptions { cool_down: Duration::from_secs(60), ..options() }).unwrap();
    for _ in 0..5 {
        assert_eq!(kind(send_with(&transport, post(https(&server)))), TransportErrorKind::Connect);
    }
    let connections = server.connections();
    assert_eq!(kind(send_with(&transport, post(https(&server)))), TransportErrorKind::Refused);
    assert_eq!(server.connections(), connections);
}

#[test]
fn without_verification_any_certificate_will_do() {
    let server = serve_tls(Authority::new().server_config(), |_, _| Reply::json(200, "{}"));
    let transport = Transport::new(&TransportOptions { verify_ssl: false, ..options() }).unwrap();
    assert_eq!(send_with(&transport, post(https(&server))).unwrap().status(), 200);
}

#[test]
fn a_client_certificate_is_shown_to_a_server_that_asks() {
    let authority = Authority::new();
    let server = serve_tls(authority.demanding_server_config(), |_, _| Reply::json(200, "{}"));
    let (certificate, key) = authority.issue();
    let (authority, certificate) = (authority.certificate_file(), TemporaryFile::new(&certificate.pem()));
    let key = TemporaryFile::new(&key.serialize_pem());
    let without = TransportOptions { ca_certificates: Some(authority.path().into()), ..options() };
    let with = TransportOptions {
        client_certificate: Some(certificate.path().into()),
        client_key: Some(key.path().into()),
        ..without.clone()
    };
    assert_eq!(send_with(&Transport::new(&with).unwrap(), post(https(&server))).unwrap().status(), 200);
    assert!(send_with(&Transport::new(&without).unwrap(), post(https(&server))).is_err());
    // One of another authority is not good enough.
    let (certificate, key) = Authority::new().issue();
    let (certificate, key) = (TemporaryFile::new(&certificate.pem()), TemporaryFile::new(&key.serialize_pem()));
    let strange = TransportOptions {
        client_certificate: Some(certificate.path().into()),
        client_key: Some(key.path().into()),
        ..without
    };
    assert!(send_with(&Transport::new(&strange).unwrap(), post(https(&server))).is_err());
    assert_eq!(server.received().len(), 1);
}

#[test]
fn files_that_do_not_hold_what_they_should_are_configuration_errors() {
    let authority = Authority::new();
    let (certificate, _) = authority.issue();
    let certificate = TemporaryFile::new(&certificate.pem());
    let (empty, garbled) =
        (TemporaryFile::new(""), TemporaryFile::new("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
    let other_key = TemporaryFile::new(&KeyPair::generate().unwrap().serialize_pem());
    let ca = |path: &Path| TransportOptions { ca_certificates: Some(path.into()), ..options() };
    let client = |certificate: Option<&TemporaryFile>, key: Option<&TemporaryFile>| TransportOptions {
        client_certificate: certificate.map(|file| file.path().into()),
        client_key: key.map(|file| file.path().into()),
        ..options()
    };
    for (options, named) in [
        (ca(Path::new("/nonexistent/ca.pem")), "ca_certificates from /nonexistent/ca.pem"),
        (ca(empty.path()), "no certificate in it"),
        (ca(garbled.path()), "ca_certificates"),
        (client(Some(&certificate), None), "only of use together"),
        (client(None, Some(&other_key)), "only of use together"),
        (client(Some(&certificate), Some(&empty)), "client_key"),
        (client(Some(&empty), Some(&other_key)), "client_certificate"),
        (client(Some(&certificate), Some(&other_key)), "client_certificate and client_key"),
    ] {
        match Transport::new(&options) {
            Err(Error::Configuration(message)) => assert!(message.contains(named), "{message}"),
            other => panic!("{named}: {:?}", other.err()),
        }
    }
}
