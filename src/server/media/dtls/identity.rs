//! Our certificate: self-signed, kept in the data directory, so that an answer given before a restart is true after it.
//!
//! Nobody trusts it by its issuer or name; its fingerprint in our answer is all that counts (RFC 5763 5). A peer that
//! begins a handshake anew after a crash of ours compares it with the answer it got before, so the key must be the same.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context as _;
use dimpl::DtlsCertificate;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use siprec_core::sdp::fingerprint::{Fingerprint, HashFunction};

use crate::archive::key_file::{SECRET, place};

/// Its file in the data directory: certificate and private key, readable for the server's user alone.
const FILE: &str = "dtls.pem";

/// Who we are in DTLS.
#[derive(Clone)]
pub struct Identity {
    pub(super) certificate: DtlsCertificate,
    fingerprint: Fingerprint,
}

impl Identity {
    /// The one in the data directory; at the first start a new one.
    ///
    /// # Errors
    /// The file can be neither read nor written, or holds no certificate with a P-256 key.
    pub fn load(data: &Path) -> anyhow::Result<Self> {
        let path = data.join(FILE);
        match fs::read(&path) {
            Ok(pem) => Self::from_pem(&pem).with_context(|| {
                format!(
                    "{} cannot be used; remove it, and the next start makes another (calls with DTLS must shake hands again)",
                    path.display()
                )
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let (identity, pem) = Self::make()?;
                place(data, FILE, SECRET, pem.as_bytes())
                    .with_context(|| format!("{} cannot be written", path.display()))?;
                Ok(identity)
            }
            Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
        }
    }

    /// A new one, and its file.
    fn make() -> anyhow::Result<(Self, String)> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "siprec");
        let certificate = params.self_signed(&key)?;
        let pem = format!("{}{}", certificate.pem(), key.serialize_pem());
        Ok((Self::from_pem(pem.as_bytes())?, pem))
    }

    fn from_pem(pem: &[u8]) -> anyhow::Result<Self> {
        let certificate = CertificateDer::from_pem_slice(pem).context("no certificate")?;
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem).context("no private key (PKCS #8)")?;
        let pair = KeyPair::try_from(&key).context("not a private key that can be used")?;
        anyhow::ensure!(pair.algorithm() == &PKCS_ECDSA_P256_SHA256, "the key is not one of P-256");
        let fingerprint = Fingerprint::of(HashFunction::Sha256, &certificate);
        let certificate =
            DtlsCertificate { certificate: certificate.to_vec(), private_key: key.secret_pkcs8_der().to_vec() };
        Ok(Self { certificate, fingerprint })
    }

    /// What our descriptions say of it.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_restart_has_the_same_certificate_and_nobody_else_its_key() {
        let data = tempfile::tempdir().unwrap();
        let first = Identity::load(data.path()).unwrap();
        assert_eq!(Identity::load(data.path()).unwrap().fingerprint(), first.fingerprint());
        let mode = fs::metadata(data.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let another = tempfile::tempdir().unwrap();
        assert_ne!(Identity::load(another.path()).unwrap().fingerprint(), first.fingerprint());
    }

    #[test]
    fn a_damaged_file_is_told_and_not_replaced() {
        let data = tempfile::tempdir().unwrap();
        fs::write(data.path().join(FILE), "-----BEGIN CERTIFICATE-----\n").unwrap();
        let error = format!("{:#}", Identity::load(data.path()).unwrap_err());
        assert!(error.contains("dtls.pem cannot be used; remove it"), "{error}");
    }
}
