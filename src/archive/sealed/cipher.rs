//! AES-256-GCM by ring, several times as fast as the core's own.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, Tag, UnboundKey};
use siprec_core::sealed::{Aes256Gcm, Cipher, KEY, NONCE, TAG};

/// Under one key. The core's own, should ring refuse a key, which it does for none of this length.
#[derive(Debug)]
pub(super) enum RingCipher {
    Ring(LessSafeKey),
    Core(Aes256Gcm),
}

impl Cipher for RingCipher {
    fn new(key: &[u8; KEY]) -> Self {
        match UnboundKey::new(&AES_256_GCM, key) {
            Ok(key) => Self::Ring(LessSafeKey::new(key)),
            Err(_) => Self::Core(Aes256Gcm::new(key)),
        }
    }

    fn seal(&self, nonce: [u8; NONCE], clear: &[u8], data: &mut [u8]) -> Option<[u8; TAG]> {
        match self {
            Self::Ring(key) => {
                let nonce = Nonce::assume_unique_for_key(nonce);
                let tag = key.seal_in_place_separate_tag(nonce, Aad::from(clear), data).ok()?;
                tag.as_ref().try_into().ok()
            }
            Self::Core(cipher) => cipher.seal(nonce, clear, data),
        }
    }

    fn open(&self, nonce: [u8; NONCE], clear: &[u8], data: &mut [u8], tag: &[u8; TAG]) -> bool {
        match self {
            Self::Ring(key) => {
                let nonce = Nonce::assume_unique_for_key(nonce);
                key.open_in_place_separate_tag(nonce, Aad::from(clear), Tag::from(*tag), data, 0..).is_ok()
            }
            Self::Core(cipher) => cipher.open(nonce, clear, data, tag),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ciphers_make_and_open_the_same() {
        let (ring, core) = (RingCipher::new(&[3; KEY]), Aes256Gcm::new(&[3; KEY]));
        assert!(matches!(ring, RingCipher::Ring(_)));
        for length in [0, 1, 15, 16, 17, 65_492] {
            let plain: Vec<u8> = (0..length).map(|n: usize| (n % 251) as u8).collect();
            let (mut by_ring, mut by_core) = (plain.clone(), plain.clone());
            let tag = ring.seal([5; NONCE], b"clear", &mut by_ring).unwrap();
            assert_eq!(core.seal([5; NONCE], b"clear", &mut by_core).unwrap(), tag);
            assert_eq!(by_ring, by_core);
            assert!(ring.open([5; NONCE], b"clear", &mut by_core, &tag) && by_core == plain);
            assert!(!ring.open([5; NONCE], b"other", &mut by_ring.clone(), &tag));
            assert!(core.open([5; NONCE], b"clear", &mut by_ring, &tag) && by_ring == plain);
        }
    }
}
