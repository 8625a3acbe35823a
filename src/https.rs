//! Requests to other servers: HTTPS by rustls with ring and the machine's own CAs, no redirects.

use std::error::Error;
#[cfg(feature = "tui")]
use std::sync::Arc;
use std::time::Duration;

/// A client whose requests take no longer than `timeout`.
///
/// # Errors
/// The machine's CAs cannot be read.
pub(crate) fn client(timeout: Duration) -> reqwest::Result<reqwest::Client> {
    // Another part of the process has installed it already: it is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder().timeout(timeout).redirect(reqwest::redirect::Policy::none());
    builder.user_agent(concat!("siprec/", env!("CARGO_PKG_VERSION"))).build()
}

/// TLS as [`client`] speaks it, for what is no request: WebSockets.
///
/// # Errors
/// The machine has no CAs.
#[cfg(feature = "tui")]
pub(crate) fn connector() -> anyhow::Result<tokio_rustls::TlsConnector> {
    let mut roots = rustls::RootCertStore::empty();
    let (taken, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    anyhow::ensure!(taken > 0, "this machine has no CAs to judge certificates by: SSL_CERT_FILE names a file of them");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(tokio_rustls::TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
}

/// What is wrong, with its causes; the URL is left out, since it may hold a secret.
pub(crate) fn words(error: &reqwest::Error) -> String {
    let kind = if error.is_timeout() {
        "it does not answer in time"
    } else if error.is_connect() {
        "it cannot be reached"
    } else {
        "the request came to nothing"
    };
    let (mut words, mut cause) = (kind.to_owned(), error.source());
    while let Some(why) = cause {
        words = format!("{words}: {why}");
        cause = why.source();
    }
    words
}
