//! AES-256-GCM: whose, is the caller's choice.

use aes::Aes256Enc;
use aes_gcm::aead::{AeadInOut, consts::U12};
use aes_gcm::{AesGcm, KeyInit};
use core::fmt;

use super::{KEY, NONCE, TAG};

/// AES-256-GCM under one key. A shell has a faster one than the core.
pub trait Cipher {
    /// Under this key.
    fn new(key: &[u8; KEY]) -> Self
    where
        Self: Sized;
    /// Encrypts `data` in place; the tag over it and `clear`. None where the library will not, which it has no reason for.
    fn seal(&self, nonce: [u8; NONCE], clear: &[u8], data: &mut [u8]) -> Option<[u8; TAG]>;
    /// Decrypts `data` in place, if the tag is right. If it is not, `data` holds nothing of worth.
    fn open(&self, nonce: [u8; NONCE], clear: &[u8], data: &mut [u8], tag: &[u8; TAG]) -> bool;
}

/// The core's own, which needs no more than SRTP does.
pub struct Aes256Gcm(AesGcm<Aes256Enc, U12>);

impl fmt::Debug for Aes256Gcm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Aes256Gcm(..)")
    }
}

impl Cipher for Aes256Gcm {
    fn new(key: &[u8; KEY]) -> Self {
        Self(AesGcm::new(key.into()))
    }

    fn seal(&self, nonce: [u8; NONCE], clear: &[u8], data: &mut [u8]) -> Option<[u8; TAG]> {
        self.0.encrypt_inout_detached(&nonce.into(), clear, data.into()).ok().map(Into::into)
    }

    fn open(&self, nonce: [u8; NONCE], clear: &[u8], data: &mut [u8], tag: &[u8; TAG]) -> bool {
        self.0.decrypt_inout_detached(&nonce.into(), clear, data.into(), tag.into()).is_ok()
    }
}
