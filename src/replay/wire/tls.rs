//! TLS towards the server: its certificate is judged by the machine's CAs or by a file, ours is shown where asked for.

use std::io;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CertificateError, ClientConfig, Error, RootCertStore};
use tokio_rustls::TlsConnector;

use super::options::Tls;
use crate::any_certificate::AnyCertificate;

/// What connects.
pub(super) fn connector(tls: &Tls) -> anyhow::Result<TlsConnector> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = if tls.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
    } else {
        builder.with_root_certificates(roots(tls.ca.as_deref())?)
    };
    let config = match &tls.identity {
        Some((cert, key)) => {
            let key =
                PrivateKeyDer::from_pem_file(key).with_context(|| format!("no private key in {}", key.display()))?;
            builder.with_client_auth_cert(certificates(cert)?, key).context("--tls-cert and --tls-key")?
        }
        None => builder.with_no_client_auth(),
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

/// What went wrong in a handshake, and what can be done about it.
pub(super) fn explain(error: io::Error) -> anyhow::Error {
    let ours = error.get_ref().and_then(|error| error.downcast_ref::<Error>());
    let remedy = match ours {
        Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            "the server's certificate is of no CA that we know: name it with --tls-ca FILE"
        }
        Some(Error::InvalidMessage(_)) => "is this the server's port for TLS?",
        Some(_) | None => return error.into(),
    };
    anyhow::Error::from(error).context(remedy)
}

fn certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(file).with_context(|| file.display().to_string())?;
    let certificates: Vec<_> = read.collect::<Result<_, _>>().with_context(|| file.display().to_string())?;
    if certificates.is_empty() {
        bail!("no certificate in {}: it must hold `-----BEGIN CERTIFICATE-----`", file.display());
    }
    Ok(certificates)
}

fn roots(ca: Option<&Path>) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let found = match ca {
        Some(file) => certificates(file)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let (taken, _) = roots.add_parsable_certificates(found);
    if taken == 0 {
        bail!("no CA to judge the server's certificate by: name one with --tls-ca FILE, or test with --tls-insecure");
    }
    Ok(roots)
}
