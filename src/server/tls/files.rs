//! Certificates and keys from PEM files. Whatever is wrong is one line that names the key of the configuration, the file
//! and the remedy.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, TrustAnchor};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

/// A PEM file is not larger.
const MAX_FILE: u64 = 4 << 20;
/// Permission bits of those whom a private key does not concern.
const OTHERS: u32 = 0o007;

/// The server's certificate with its chain and its key, which belong together.
#[expect(clippy::wildcard_enum_match_arm, reason = "not an enum of ours, and open to more")]
pub(super) fn identity(cert: &Path, key: &Path, provider: &CryptoProvider) -> anyhow::Result<CertifiedKey> {
    let chain = certificates("server.tls.cert_file", cert)?;
    let certified = CertifiedKey::from_der(chain, private_key(key)?, provider);
    certified.map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => anyhow::anyhow!(
            "server.tls.key_file: {} is not the key of the first certificate in {} (server.tls.cert_file): give the key \
             that the certificate was made for, and put the server's own certificate first",
            key.display(),
            cert.display()
        ),
        Error::InvalidCertificate(why) => anyhow::anyhow!(
            "server.tls.cert_file: {}: the first certificate cannot be used ({why:?}): have it issued again, X.509 \
             version 3",
            cert.display()
        ),
        other => anyhow::anyhow!(
            "server.tls.key_file: {}: this kind of key cannot be used ({other}): make one with `openssl genpkey \
             -algorithm EC -pkeyopt ec_paramgen_curve:P-256`, or RSA of 2048 bits and more",
            key.display()
        ),
    })
}

/// What a trust anchor is made of, one a certificate.
pub(super) fn anchors(file: &Path) -> anyhow::Result<Vec<TrustAnchor<'static>>> {
    const KEY: &str = "server.tls.client_ca_file";
    let anchor = |(n, der): (usize, &CertificateDer<'_>)| {
        let anchor = webpki::anchor_from_trusted_cert(der).map(|anchor| anchor.to_owned());
        anchor.map_err(|why| anyhow::anyhow!("{KEY}: {}: certificate {} is no CA's ({why})", file.display(), n + 1))
    };
    certificates(KEY, file)?.iter().enumerate().map(anchor).collect()
}

/// Warns of a key that everybody on the machine can read.
pub(super) fn readable_by_others(key: &Path) -> Option<String> {
    let mode = std::fs::metadata(key).ok()?.permissions().mode();
    (mode & OTHERS != 0)
        .then(|| format!("server.tls.key_file: everybody on this machine may read {}: chmod o-rwx it", key.display()))
}

fn certificates(name: &str, file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let text = read(name, file)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.map_err(|why| damaged(name, file, &why))?;
    if certificates.is_empty() {
        let hint = if text.starts_with(&[0x30]) {
            format!(": it is DER; `openssl x509 -inform der -in {0} -out {0}.pem` makes PEM of it", file.display())
        } else {
            ": it must hold `-----BEGIN CERTIFICATE-----`".to_owned()
        };
        bail!("{name}: no certificate in {}{hint}", file.display());
    }
    Ok(certificates)
}

fn private_key(file: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    const NAME: &str = "server.tls.key_file";
    let text = read(NAME, file)?;
    let holds = |sign: &[u8]| text.windows(sign.len()).any(|window| window == sign);
    match PrivateKeyDer::from_pem_slice(&text) {
        // A PKCS#1 or SEC1 key under a passphrase says so in a header.
        Ok(_) | Err(_) if holds(b"ENCRYPTED") => bail!(
            "{NAME}: {0} is under a passphrase: siprec starts without an operator; `openssl pkey -in {0} -out \
             {0}.plain` takes it off",
            file.display()
        ),
        Ok(key) => Ok(key),
        Err(PemError::NoItemsFound) => bail!(
            "{NAME}: no private key in {}: it must hold `-----BEGIN PRIVATE KEY-----` (PKCS#8), `RSA PRIVATE KEY` \
             (PKCS#1) or `EC PRIVATE KEY` (SEC1)",
            file.display()
        ),
        Err(why) => Err(damaged(NAME, file, &why)),
    }
}

fn damaged(name: &str, file: &Path, why: &PemError) -> anyhow::Error {
    anyhow::anyhow!("{name}: {} is damaged ({why}): copy it again", file.display())
}

fn read(name: &str, file: &Path) -> anyhow::Result<Vec<u8>> {
    let remedy = || format!("{name}: cannot read {}: it must be there, and readable by siprec's user", file.display());
    let mut text = Vec::new();
    File::open(file).with_context(remedy)?.take(MAX_FILE).read_to_end(&mut text).with_context(remedy)?;
    Ok(text)
}

/// This machine's own CAs.
pub(super) fn machines_anchors() -> Arc<[TrustAnchor<'static>]> {
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors.iter().take(1) {
        tracing::warn!(%error, "the machine's CAs cannot be read: set server.tls.client_ca_file");
    }
    let anchor = |der: &CertificateDer<'_>| webpki::anchor_from_trusted_cert(der).ok().map(|anchor| anchor.to_owned());
    found.certs.iter().filter_map(anchor).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};
    use rustls::crypto::ring;
    use std::path::PathBuf;

    struct Files(tempfile::TempDir);

    impl Files {
        fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
            let path = self.0.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        }
    }

    fn failure(result: anyhow::Result<impl Sized>) -> String {
        format!("{:#}", result.err().expect("an error"))
    }

    #[test]
    fn what_is_wrong_names_the_file_and_a_remedy() {
        let files = Files(tempfile::tempdir().unwrap());
        let (own, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let certificate = CertificateParams::default().self_signed(&own).unwrap();
        let cert = files.write("cert.pem", certificate.pem());
        let key = files.write("key.pem", own.serialize_pem());
        let provider = ring::default_provider();
        assert!(identity(&cert, &key, &provider).is_ok());

        let wrong_key = files.write("other.pem", other.serialize_pem());
        let text = failure(identity(&cert, &wrong_key, &provider));
        assert!(text.contains("other.pem is not the key of the first certificate in"), "{text}");

        let text = failure(identity(&cert, &cert, &provider));
        assert!(text.starts_with("server.tls.key_file: no private key in") && text.contains("PKCS#8"), "{text}");
        let text = failure(identity(&key, &key, &provider));
        assert!(text.starts_with("server.tls.cert_file: no certificate in"), "{text}");
        let der = files.write("cert.der", certificate.der());
        assert!(failure(identity(&der, &key, &provider)).contains("it is DER"));

        let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let locked = files.write("locked.pem", locked);
        assert!(failure(identity(&cert, &locked, &provider)).contains("passphrase"));
        let torn = files.write("torn.pem", &certificate.pem()[..100]);
        assert!(failure(identity(&torn, &key, &provider)).starts_with("server.tls.cert_file: "));
        let missing = failure(identity(Path::new("/nonexistent/cert.pem"), &key, &provider));
        assert!(missing.starts_with("server.tls.cert_file: cannot read /nonexistent/cert.pem: "), "{missing}");
        assert!(failure(anchors(&key)).starts_with("server.tls.client_ca_file: no certificate in"));
    }

    #[test]
    fn keys_of_all_three_forms_are_read() {
        // SEC1 and PKCS#8 of one key on P-256, made for this test with openssl.
        let provider = ring::default_provider();
        let files = Files(tempfile::tempdir().unwrap());
        for (form, name) in [("traditional", "EC PRIVATE KEY"), ("pkcs8", "PRIVATE KEY")] {
            let key = KeyPair::generate().unwrap();
            let pkcs8 = files.write("key.pem", key.serialize_pem());
            let cert = files.write("cert.pem", CertificateParams::default().self_signed(&key).unwrap().pem());
            let mut openssl = std::process::Command::new("openssl");
            openssl.args(["pkey", "-in"]).arg(&pkcs8);
            if form == "traditional" {
                openssl.arg("-traditional");
            }
            let written = openssl.output().expect("openssl (make test installs it)").stdout;
            assert!(String::from_utf8_lossy(&written).contains(&format!("BEGIN {name}-")), "{form}");
            let file = files.write("form.pem", written);
            assert!(identity(&cert, &file, &provider).is_ok(), "{form}");
        }
    }

    #[test]
    fn a_key_for_everybody_is_told() {
        let files = Files(tempfile::tempdir().unwrap());
        let key = files.write("key.pem", "");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(readable_by_others(&key).is_none());
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(readable_by_others(&key).unwrap().contains("chmod o-rwx"));
    }
}
