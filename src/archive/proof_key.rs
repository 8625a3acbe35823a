//! `siprec-proof.key` and `siprec-proof.pub`: what proof sheets are signed with (Ed25519, RFC 8032), and what shows that
//! they were. Made at the first start, as PEM: OpenSSL reads both.
//!
//! A signature is the 64 octets of `<id>.json.sig`, over the octets of `<id>.json`, which names the SHA-256 of each file of
//! the recording. Whoever has the public key from a place that he trusts needs neither the server nor the catalog.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ED25519, SigningKey};
use ring::signature::{ED25519, UnparsedPublicKey};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use zeroize::Zeroizing;

use super::key_file::{PUBLIC, SECRET, open_secret, place};

/// The private key's file in the data directory.
pub const FILE: &str = "siprec-proof.key";
/// The public key's, there and beside exported recordings.
pub const PUBLIC_FILE: &str = "siprec-proof.pub";
/// What a sidecar's name is followed by in its signature's.
pub const SIGNATURE: &str = ".sig";

/// Where the signature of what lies at `path` lies.
pub fn signature_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(SIGNATURE);
    name.into()
}

/// Larger than any such key.
const MAX_PEM: u64 = 4096;
/// An Ed25519 SubjectPublicKeyInfo up to its key (RFC 8410 4).
const PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Signs proof sheets.
pub struct ProofKey(KeyPair);

impl std::fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProofKey")
    }
}

impl ProofKey {
    /// The key of the directory `data`, made if there is none; its public half is written beside it.
    ///
    /// # Errors
    /// One that is there and cannot be used: it is never replaced.
    pub fn load(data: &Path) -> anyhow::Result<Self> {
        let key = match Self::open(data)? {
            Some(key) => key,
            None => Self::make(data)?,
        };
        let (path, public) = (data.join(PUBLIC_FILE), key.0.public_key_pem());
        if std::fs::read_to_string(&path).ok().as_deref() != Some(&public) {
            place(data, PUBLIC_FILE, PUBLIC, public.as_bytes())
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(key)
    }

    /// The key of the directory `data`, for who changes nothing there.
    ///
    /// # Errors
    /// There is none, or it cannot be used.
    pub fn read(data: &Path) -> anyhow::Result<Self> {
        let path = data.join(FILE);
        let none = || format!("there is no {} to sign with: the server makes it at its first start", path.display());
        Self::open(data)?.with_context(none)
    }

    /// A certificate (X.509, DER) of the public key by itself, for formats that have no other place for a key. It says nothing
    /// that the key does not, holds without end, and is the same each time.
    ///
    /// # Errors
    /// None by Ed25519 itself; the library's own.
    pub fn certificate(&self) -> anyhow::Result<Vec<u8>> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "siprec proof key");
        Ok(params.self_signed(&self.0).context("no certificate of the proof key")?.der().to_vec())
    }

    /// The key of the directory `data`, if it has one.
    ///
    /// # Errors
    /// One that is there and cannot be used.
    pub fn open(data: &Path) -> anyhow::Result<Option<Self>> {
        let path = &data.join(FILE);
        let Some(file) = open_secret(path)? else { return Ok(None) };
        let mut pem = Zeroizing::new(String::new());
        let read = file.take(MAX_PEM).read_to_string(&mut pem);
        let key = read.ok().and_then(|_| KeyPair::from_pem(&pem).ok()).filter(|key| key.is_compatible(&PKCS_ED25519));
        let key = key.with_context(|| {
            format!(
                "{}: no Ed25519 key: give back the copy of it, or move it away to have a new one made",
                path.display()
            )
        })?;
        Ok(Some(Self(key)))
    }

    fn make(data: &Path) -> anyhow::Result<Self> {
        let key = KeyPair::generate_for(&PKCS_ED25519).context("no key to sign proof sheets with")?;
        place(data, FILE, SECRET, Zeroizing::new(key.serialize_pem()).as_bytes())
            .with_context(|| format!("cannot write {}", data.join(FILE).display()))?;
        Ok(Self(key))
    }

    /// What shows that it signed.
    pub fn public(&self) -> PublicKey {
        // An Ed25519 key of any other length is none that was loaded.
        PublicKey(self.0.public_key_raw().try_into().unwrap_or_default())
    }

    /// The signature of a sidecar's octets, or of a line of the audit log.
    ///
    /// # Errors
    /// None by Ed25519 itself; the library's own.
    pub fn sign(&self, sheet: &[u8]) -> std::io::Result<Vec<u8>> {
        self.0.sign(sheet).map_err(std::io::Error::other)
    }
}

/// Tells whether a sheet was signed by the server that has the other half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads a file like [`PUBLIC_FILE`].
    ///
    /// # Errors
    /// One that cannot be read, or is no such key.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let pem = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::of_pem(&pem).with_context(|| format!("{}: no Ed25519 public key in PEM", path.display()))
    }

    fn of_pem(pem: &[u8]) -> Option<Self> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem).ok()?;
        der.strip_prefix(&PREFIX)?.try_into().ok().map(Self)
    }

    /// Whether a certificate (DER) holds this key.
    pub fn is_in(&self, certificate: &[u8]) -> bool {
        let info = [&PREFIX[..], &self.0].concat();
        certificate.windows(info.len()).any(|part| part == info)
    }

    /// Whether `signature` is that of `sheet`.
    pub fn verifies(&self, sheet: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(sheet, signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn it_is_made_once_and_its_public_half_tells_every_bit() {
        let data = tempfile::tempdir().unwrap();
        let key = ProofKey::load(data.path()).unwrap();
        assert_eq!(data.path().join(FILE).metadata().unwrap().mode() & 0o777, 0o600);
        let public = PublicKey::read(&data.path().join(PUBLIC_FILE)).unwrap();
        let signature = key.sign(b"sheet").unwrap();
        assert_eq!(signature.len(), 64);
        assert!(public.verifies(b"sheet", &signature) && !public.verifies(b"sheeT", &signature));
        for bit in 0..512 {
            let mut flipped = signature.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!public.verifies(b"sheet", &flipped), "bit {bit}");
        }
        std::fs::remove_file(data.path().join(PUBLIC_FILE)).unwrap();
        assert_eq!(ProofKey::load(data.path()).unwrap().sign(b"sheet").unwrap(), signature, "the same key");
        assert_eq!(PublicKey::read(&data.path().join(PUBLIC_FILE)).unwrap(), public);
    }

    #[test]
    fn its_certificate_is_the_same_each_time_and_holds_its_key() {
        let (data, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        assert!(ProofKey::read(data.path()).unwrap_err().to_string().contains("at its first start"));
        let key = ProofKey::load(data.path()).unwrap();
        let certificate = key.certificate().unwrap();
        let again = ProofKey::read(data.path()).unwrap();
        assert_eq!(again.certificate().unwrap(), certificate);
        assert!(again.public().is_in(&certificate));
        assert!(!ProofKey::load(other.path()).unwrap().public().is_in(&certificate));
    }

    #[test]
    fn one_that_cannot_be_used_is_never_replaced() {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join(FILE);
        std::fs::write(&path, "no key").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(ProofKey::load(data.path()).unwrap_err().to_string().contains("chmod 600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(ProofKey::load(data.path()).unwrap_err().to_string().contains("no Ed25519 key"));
        assert_eq!(std::fs::read(&path).unwrap(), b"no key");
        assert!(PublicKey::read(&path).unwrap_err().to_string().contains("no Ed25519 public key"));
    }
}
