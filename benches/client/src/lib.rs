//! What the start of the library is measured against: the least that a program with reqwest does before its first
//! request, in a shared library of its own.

use std::hint::black_box;
use std::sync::Arc;

/// Makes a runtime and a client, as reqwest does by default but for the trusted roots, which the library reads later.
/// 1 where both are there.
#[unsafe(no_mangle)]
pub extern "C" fn floor_client_new() -> i32 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let Ok(tls) = tls.map(|tls| tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()) else {
        return 0;
    };
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).build();
    i32::from(black_box(runtime).is_ok() && black_box(client).is_ok())
}
