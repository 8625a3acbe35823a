//! The node key: what other keys are wrapped with where they are written down.
//!
//! AES-256-GCM whose nonce is a keyed hash of what it is for and of the secret: nothing has to be remembered or drawn,
//! and the same secret in the same place looks the same again, which tells nobody anything.

use aes::Aes256Enc;
use aes_gcm::aead::{AeadInOut, consts::U12, inout::InOutBuf};
use aes_gcm::{AesGcm, KeyInit};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Octets of a node key.
pub const LENGTH: usize = 32;
/// Octets of the longest secret that is wrapped.
pub const MAX_SECRET: usize = 64 << 10;
const NONCE: usize = 12;
const TAG: usize = 16;
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// A node's key.
#[derive(Clone)]
pub struct NodeKey {
    nonces: Hmac<Sha256>,
    cipher: AesGcm<Aes256Enc, U12>,
}

impl NodeKey {
    /// From octets that nobody else knows.
    pub fn new(octets: &[u8; LENGTH]) -> Self {
        let part = |name: &[u8]| -> Zeroizing<[u8; LENGTH]> {
            Zeroizing::new(mac(octets).chain_update(name).finalize().into_bytes().into())
        };
        let nonces = mac(&part(b"siprec wrap nonces"));
        let cipher = AesGcm::new(&(*part(b"siprec wrap cipher")).into());
        Self { nonces, cipher }
    }

    /// Wraps a secret that is for `purpose` and nothing else: hexadecimal digits of nonce, ciphertext and tag. Empty if
    /// the secret is over [`MAX_SECRET`].
    pub fn wrap(&self, purpose: &[u8], secret: &[u8]) -> String {
        if secret.len() > MAX_SECRET {
            return String::new();
        }
        let length = u32::try_from(purpose.len()).unwrap_or(u32::MAX).to_be_bytes();
        let hash = self.nonces.clone().chain_update(length).chain_update(purpose).chain_update(secret);
        let hash = hash.finalize().into_bytes();
        let Some(nonce) = hash.first_chunk::<NONCE>().copied() else { return String::new() };
        let mut data = secret.to_vec();
        let sealed = self.cipher.encrypt_inout_detached(&nonce.into(), purpose, InOutBuf::from(data.as_mut_slice()));
        let Ok(tag) = sealed else { return String::new() };
        let octets = nonce.iter().chain(&data).chain(tag.iter());
        octets.flat_map(|octet| [octet >> 4, octet & 0xf]).map(digit).collect()
    }

    /// Opens what [`NodeKey::wrap`] made for the same purpose; `None` where it did not, or another node did.
    pub fn open(&self, purpose: &[u8], wrapped: &str) -> Option<Zeroizing<Vec<u8>>> {
        let octets = wrapped.as_bytes().chunks(2).map(octet).collect::<Option<Vec<u8>>>()?;
        let (nonce, rest) = octets.split_first_chunk::<NONCE>()?;
        let (data, tag) = rest.split_last_chunk::<TAG>()?;
        let mut data = Zeroizing::new(data.to_vec());
        let buffer = InOutBuf::from(data.as_mut_slice());
        self.cipher.decrypt_inout_detached(&(*nonce).into(), purpose, buffer, &(*tag).into()).ok()?;
        Some(data)
    }
}

/// HMAC under a key shorter than a block, which is filled up with zeroes (RFC 2104 2).
fn mac(key: &[u8; LENGTH]) -> Hmac<Sha256> {
    let mut block = Zeroizing::new([0; 64]);
    block.iter_mut().zip(key).for_each(|(octet, key)| *octet = *key);
    KeyInit::new(&(*block).into())
}

fn digit(nibble: u8) -> char {
    DIGITS.get(usize::from(nibble)).map_or('0', |digit| char::from(*digit))
}

fn octet(pair: &[u8]) -> Option<u8> {
    let value = |digit: &u8| DIGITS.iter().position(|known| known == digit).and_then(|value| u8::try_from(value).ok());
    let [high, low] = pair else { return None };
    Some(value(high)? << 4 | value(low)?)
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_node_opens_it_for_the_same_purpose() {
        let (node, other) = (NodeKey::new(&[7; 32]), NodeKey::new(&[8; 32]));
        let wrapped = node.wrap(b"port 1", b"secret");
        assert!(!wrapped.contains("736563726574"));
        assert_eq!(node.open(b"port 1", &wrapped).unwrap().as_slice(), b"secret");
        assert_eq!(node.wrap(b"port 1", b"secret"), wrapped);
        assert_ne!(node.wrap(b"port 2", b"secret")[..24], wrapped[..24], "no nonce comes twice");
        assert_ne!(node.wrap(b"port 1", b"secreu")[..24], wrapped[..24], "no nonce comes twice");
        assert!(node.open(b"port 2", &wrapped).is_none());
        assert!(other.open(b"port 1", &wrapped).is_none());
        for broken in ["", "0", "zz", "é", &wrapped[..wrapped.len() - 2], &wrapped.replacen(&wrapped[..1], "é", 1)] {
            assert!(node.open(b"port 1", broken).is_none(), "{broken}");
        }
        assert_eq!(node.wrap(b"", &[0; MAX_SECRET + 1]), "");
    }
}
