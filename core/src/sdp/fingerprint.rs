//! `a=fingerprint` (RFC 8122 5): what binds the certificate of a DTLS handshake to the signalling that named it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// Fingerprints read of one m-line; a peer has one for each certificate and hash function, seldom more than two.
pub const MAX_FINGERPRINTS: usize = 16;
/// Octets of the longest hash.
const MAX_HASH: usize = 64;

/// A hash function of RFC 8122 5, weakest first. MD5 and MD2, which it forbids, are not known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashFunction {
    /// Taken where a peer knows no other, and flagged: collisions are found, second preimages are not.
    Sha1,
    /// What everybody must know.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl HashFunction {
    const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha-1",
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    /// Octets of its hashes.
    pub fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hash| hash.name().eq_ignore_ascii_case(name))
    }

    fn digest(self, octets: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(octets).to_vec(),
            Self::Sha256 => Sha256::digest(octets).to_vec(),
            Self::Sha384 => Sha384::digest(octets).to_vec(),
            Self::Sha512 => Sha512::digest(octets).to_vec(),
        }
    }
}

/// The hash of a certificate in DER.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    hash: HashFunction,
    octets: Vec<u8>,
}

/// Why a fingerprint is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FingerprintError {
    /// No hash function and value, or a value that is not hexadecimal of the right length.
    Malformed,
    /// A hash function that RFC 8122 forbids, or that is not known.
    UnknownHash,
}

impl fmt::Display for FingerprintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "no hash function with as many octets as it has",
            Self::UnknownHash => "unknown hash function",
        })
    }
}

impl Fingerprint {
    /// Reads `sha-256 4A:AD:..`. Letters of either case; colons may be missing, since some peers leave them out.
    ///
    /// # Errors
    /// [`FingerprintError`].
    pub fn parse(value: &str) -> Result<Self, FingerprintError> {
        let mut words = value.split_ascii_whitespace();
        let (name, digits) = (words.next(), words.next());
        let (Some(name), Some(digits), None) = (name, digits, words.next()) else {
            return Err(FingerprintError::Malformed);
        };
        let hash = HashFunction::from_name(name).ok_or(FingerprintError::UnknownHash)?;
        let octets = hexadecimal(digits).filter(|octets| octets.len() == hash.length());
        Ok(Self { hash, octets: octets.ok_or(FingerprintError::Malformed)? })
    }

    /// The fingerprint of a certificate in DER.
    pub fn of(hash: HashFunction, certificate: &[u8]) -> Self {
        Self { hash, octets: hash.digest(certificate) }
    }

    /// Its hash function.
    pub fn hash(&self) -> HashFunction {
        self.hash
    }
}

/// Whether `certificate` is one of those that `fingerprints` name. Only those of the strongest hash function count
/// (RFC 8122 5.1): who can forge the weaker one must not win by it.
pub fn verifies(fingerprints: &[Fingerprint], certificate: &[u8]) -> bool {
    let Some(strongest) = fingerprints.iter().map(|fingerprint| fingerprint.hash).max() else { return false };
    fingerprints.contains(&Fingerprint::of(strongest, certificate))
}

impl fmt::Display for Fingerprint {
    /// As the attribute's value: digits in upper case, as RFC 8122 5 wants them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hash.name())?;
        let mut separator = ' ';
        for octet in &self.octets {
            write!(f, "{separator}{octet:02X}")?;
            separator = ':';
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl serde::Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Fingerprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    if text.len() > MAX_HASH * 3 {
        return None;
    }
    match text.contains(':') {
        true => text.split(':').map(|octet| pair(octet.as_bytes())).collect(),
        false => text.as_bytes().chunks(2).map(pair).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    /// SHA-256 of "abc" (FIPS 180-2, B.1).
    const ABC: &str =
        "sha-256 BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD";

    #[test]
    fn what_is_read_is_written_again() {
        let fingerprint = Fingerprint::parse(ABC).unwrap();
        assert_eq!(fingerprint, Fingerprint::of(HashFunction::Sha256, b"abc"));
        assert_eq!(fingerprint.to_string(), ABC);
        assert_eq!(Fingerprint::parse(&ABC.to_lowercase()), Ok(fingerprint.clone()));
        assert_eq!(Fingerprint::parse(&ABC.replace(':', "").to_uppercase()), Ok(fingerprint.clone()));
        let json = serde_json::to_string(&fingerprint).unwrap();
        assert_eq!(serde_json::from_str::<Fingerprint>(&json).unwrap(), fingerprint);
    }

    #[test]
    fn only_whole_hashes_of_known_functions_count() {
        use FingerprintError::{Malformed, UnknownHash};
        for (value, why) in [
            ("", Malformed),
            ("sha-256", Malformed),
            (ABC.strip_suffix(":AD").unwrap(), Malformed),
            (&[ABC, ":00"].concat(), Malformed),
            (&[ABC, " 00"].concat(), Malformed),
            (&ABC.replace("BA", "GA"), Malformed),
            (&ABC.replace("BA:", "BA::"), Malformed),
            (&["sha-256 ", &"AB:".repeat(1_000)].concat(), Malformed),
            ("md5 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF", UnknownHash),
        ] {
            assert_eq!(Fingerprint::parse(value), Err(why), "{value}");
        }
    }

    #[test]
    fn the_strongest_hash_decides() {
        let of = |hash| Fingerprint::of(hash, b"theirs");
        let theirs = [of(HashFunction::Sha1), of(HashFunction::Sha512)];
        assert!(verifies(&theirs, b"theirs"));
        assert!(!verifies(&theirs, b"another's"));
        assert!(!verifies(&[], b"theirs"));
        let weak_only = [of(HashFunction::Sha1), Fingerprint::of(HashFunction::Sha256, b"another's")];
        assert!(!verifies(&weak_only, b"theirs"), "SHA-1 does not speak where SHA-256 does");
        let two = [Fingerprint::of(HashFunction::Sha256, b"another's"), of(HashFunction::Sha256)];
        assert!(verifies(&two, b"theirs") && verifies(&two, b"another's"));
    }
}
