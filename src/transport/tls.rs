use super::TransportOptions;
use crate::error::{Error, Result};
use once_cell::sync::OnceCell;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;
use std::path::Path;
use std::sync::Arc;

/// The TLS side of a transport. The cryptography is given explicitly: the host may have another default, or none.
pub(super) fn client_config(options: &TransportOptions) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let extra_roots = extra_roots(options.ca_certificates.as_deref())?;
    let verifier: Arc<dyn ServerCertVerifier> = if options.verify_ssl {
        Arc::new(LazyVerifier { provider: Arc::clone(&provider), extra_roots, verifier: OnceCell::new() })
    } else {
        tracing::warn!("verify_ssl is off: servers are not authenticated, and anyone on the way can read and decide");
        Arc::new(AcceptAll { algorithms: provider.signature_verification_algorithms })
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Internal(format!("TLS: {error}")))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match client_identity(options)? {
        Some((chain, key)) => builder
            .with_client_auth_cert(chain, key)
            .map_err(|error| Error::Configuration(format!("client_certificate and client_key: {error}")))?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn extra_roots(path: Option<&Path>) -> Result<Vec<CertificateDer<'static>>> {
    let Some(path) = path else { return Ok(Vec::new()) };
    let certificates = certificates("ca_certificates", path)?;
    let mut store = RootCertStore::empty();
    for certificate in &certificates {
        store.add(certificate.clone()).map_err(|error| unreadable("ca_certificates", path, error))?;
    }
    Ok(certificates)
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn client_identity(options: &TransportOptions) -> Result<Option<Identity>> {
    match (options.client_certificate.as_deref(), options.client_key.as_deref()) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key_path)) => {
            let key = PrivateKeyDer::from_pem_file(key_path).map_err(|error| unreadable("client_key", key_path, error));
            Ok(Some((certificates("client_certificate", certificate)?, key?)))
        }
        _ => Err(Error::configuration("client_certificate and client_key are only of use together")),
    }
}

fn certificates(option: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let certificates: Vec<_> = certificates.map_err(|error| unreadable(option, path, error))?;
    if certificates.is_empty() {
        return Err(unreadable(option, path, "no certificate in it"));
    }
    Ok(certificates)
}

fn unreadable(option: &str, path: &Path, problem: impl std::fmt::Display) -> Error {
    Error::Configuration(format!("cannot read {option} from {}: {problem}", path.display()))
}

/// Verifies as the platform does, with roots that are read for the first handshake and not before. On Linux
/// `SSL_CERT_FILE` and `SSL_CERT_DIR` name other ones.
#[derive(Debug)]
struct LazyVerifier {
    provider: Arc<CryptoProvider>,
    extra_roots: Vec<CertificateDer<'static>>,
    verifier: OnceCell<Verifier>,
}

impl ServerCertVerifier for LazyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let load = || Verifier::new_with_extra_roots(self.extra_roots.iter().cloned(), Arc::clone(&self.provider));
        let verifier = self.verifier.get_or_try_init(load)?;
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// `verify_ssl: false`: any server is taken for the one that was meant.
#[derive(Debug)]
struct AcceptAll {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for AcceptAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
