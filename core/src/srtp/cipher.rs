//! How a suite protects one packet whose index is known: AES in counter mode with HMAC-SHA1 (RFC 3711 4, RFC 6188), or
//! AES-GCM (RFC 7714). Nothing here remembers a packet.

use aes::{Aes128Enc, Aes256Enc};
use aes_gcm::aead::{AeadInOut, inout::InOutBuf};
use aes_gcm::{AesGcm, KeyInit, aead::consts::U12};
use alloc::boxed::Box;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use zeroize::Zeroizing;

use super::derivation::{Aes, Protocol, SALT_LENGTH, SessionKeys};
use crate::sdp::crypto::{MasterKey, Suite};

/// Octets of AES-GCM's tag (RFC 7714 5.1).
const GCM_TAG_LENGTH: usize = 16;
/// The longest tag.
pub(super) const MAX_TAG_LENGTH: usize = GCM_TAG_LENGTH;

/// A tag, longest first.
pub(super) type Tag = [u8; MAX_TAG_LENGTH];

/// Whose packet, and which: what makes its keystream unlike any other's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) ssrc: u32,
    /// The 48-bit packet index of SRTP, or the 31-bit index of SRTCP.
    pub(super) index: u64,
}

/// The session keys of one protocol, made ready.
pub(super) struct Cipher {
    suite: Suite,
    protocol: Protocol,
    salt: Zeroizing<[u8; SALT_LENGTH]>,
    algorithm: Algorithm,
}

enum Algorithm {
    Counter(Box<(Aes, Hmac<Sha1>)>),
    Gcm128(Box<AesGcm<Aes128Enc, U12>>),
    Gcm256(Box<AesGcm<Aes256Enc, U12>>),
}

impl Cipher {
    /// `None` cannot be: a [`MasterKey`] has the length of its suite.
    pub(super) fn new(master: &MasterKey, protocol: Protocol) -> Option<Self> {
        Self::of_session(&SessionKeys::derive(master, protocol)?, protocol)
    }

    pub(super) fn of_session(keys: &SessionKeys, protocol: Protocol) -> Option<Self> {
        let algorithm = match keys.suite {
            Suite::AeadAes128Gcm => Algorithm::Gcm128(Box::new(AesGcm::new_from_slice(keys.key()).ok()?)),
            Suite::AeadAes256Gcm => Algorithm::Gcm256(Box::new(AesGcm::new_from_slice(keys.key()).ok()?)),
            Suite::AesCm128HmacSha1_80
            | Suite::AesCm128HmacSha1_32
            | Suite::AesCm192HmacSha1_80
            | Suite::AesCm192HmacSha1_32
            | Suite::AesCm256HmacSha1_80
            | Suite::AesCm256HmacSha1_32 => {
                let mac = Hmac::new_from_slice(keys.auth.as_slice()).ok()?;
                Algorithm::Counter(Box::new((Aes::new(keys.key())?, mac)))
            }
        };
        Some(Self { suite: keys.suite, protocol, salt: keys.salt.clone(), algorithm })
    }

    /// Octets of a tag: four for the `_32` suites on SRTP only (RFC 4568 6.2).
    pub(super) fn tag_length(&self) -> usize {
        match (self.suite, self.protocol) {
            (Suite::AeadAes128Gcm | Suite::AeadAes256Gcm, _) => GCM_TAG_LENGTH,
            (Suite::AesCm128HmacSha1_32 | Suite::AesCm192HmacSha1_32 | Suite::AesCm256HmacSha1_32, Protocol::Srtp) => 4,
            (
                Suite::AesCm128HmacSha1_80
                | Suite::AesCm128HmacSha1_32
                | Suite::AesCm192HmacSha1_80
                | Suite::AesCm192HmacSha1_32
                | Suite::AesCm256HmacSha1_80
                | Suite::AesCm256HmacSha1_32,
                _,
            ) => 10,
        }
    }

    /// Whether tag and trailer stand as RFC 7714 has them.
    pub(super) fn is_aead(&self) -> bool {
        self.suite.is_aead()
    }

    /// Checks the tag and decrypts `data` behind `clear`, or leaves all as it was. `trailer` is authenticated too: the
    /// rollover counter of RFC 3711 4.2. With AES-GCM there is none, and `data` is empty where nothing is encrypted.
    pub(super) fn open(
        &self,
        at: Place,
        clear: &[u8],
        data: &mut [u8],
        trailer: &[u8],
        tag: &[u8],
        encrypted: bool,
    ) -> bool {
        match &self.algorithm {
            Algorithm::Counter(algorithms) => {
                let (aes, mac) = algorithms.as_ref();
                let mac = mac.clone().chain_update(clear).chain_update(&*data).chain_update(trailer);
                let authentic = mac.verify_truncated_left(tag).is_ok();
                if authentic && encrypted {
                    aes.apply_keystream(self.counter_iv(at), data);
                }
                authentic
            }
            Algorithm::Gcm128(gcm) => open_gcm(gcm.as_ref(), self.gcm_iv(at), clear, data, tag),
            Algorithm::Gcm256(gcm) => open_gcm(gcm.as_ref(), self.gcm_iv(at), clear, data, tag),
        }
    }

    /// Encrypts `data` behind `clear`.
    pub(super) fn encrypt(&self, at: Place, data: &mut [u8]) {
        if let Algorithm::Counter(algorithms) = &self.algorithm {
            algorithms.0.apply_keystream(self.counter_iv(at), data);
        }
    }

    /// The tag over what is already encrypted (RFC 3711 4.2); `None` with AES-GCM.
    pub(super) fn authenticate(&self, covered: &[u8], trailer: &[u8]) -> Option<Tag> {
        let Algorithm::Counter(algorithms) = &self.algorithm else { return None };
        let full = algorithms.1.clone().chain_update(covered).chain_update(trailer).finalize().into_bytes();
        full.first_chunk().copied()
    }

    /// Encrypts `data` and returns its tag (RFC 7714 8.2); `None` unless AES-GCM.
    pub(super) fn seal(&self, at: Place, clear: &[u8], data: &mut [u8]) -> Option<Tag> {
        let iv = self.gcm_iv(at).into();
        let data = InOutBuf::from(data);
        let tag = match &self.algorithm {
            Algorithm::Counter(_) => return None,
            Algorithm::Gcm128(gcm) => gcm.encrypt_inout_detached(&iv, clear, data),
            Algorithm::Gcm256(gcm) => gcm.encrypt_inout_detached(&iv, clear, data),
        };
        tag.ok().map(Into::into)
    }

    /// RFC 3711 4.1.1: `salt * 2^16 ^ SSRC * 2^64 ^ index * 2^16`.
    fn counter_iv(&self, at: Place) -> [u8; 16] {
        let salt = self.salt.iter().fold(0, |salt, octet| salt << 8 | u128::from(*octet)) << 16;
        (salt ^ u128::from(at.ssrc) << 64 ^ u128::from(at.index) << 16).to_be_bytes()
    }

    /// RFC 7714 8.1, 9.1: two zero octets, SSRC, index in six octets, upon the salt.
    fn gcm_iv(&self, at: Place) -> [u8; 12] {
        let place = (u128::from(at.ssrc) << 48 | u128::from(at.index)).to_be_bytes();
        let mut iv = [0; 12];
        for ((octet, salt), place) in iv.iter_mut().zip(self.salt.iter()).zip(place.iter().skip(4)) {
            *octet = salt ^ place;
        }
        iv
    }
}

/// AES-GCM checks its tag over what is encrypted, and decrypts only then.
fn open_gcm(gcm: &impl AeadInOut<NonceSize = U12>, iv: [u8; 12], clear: &[u8], data: &mut [u8], tag: &[u8]) -> bool {
    let Ok(tag) = tag.try_into() else { return false };
    gcm.decrypt_inout_detached(&iv.into(), clear, data.into(), tag).is_ok()
}
