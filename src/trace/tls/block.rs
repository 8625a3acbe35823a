//! AES on one block, which CBC and CCM are made of: ring has neither.

use aes::cipher::{BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _};
use aes::{Aes128, Aes256};

/// Octets of a block.
pub(super) const BLOCK: usize = 16;
pub(super) type Block = [u8; BLOCK];

/// AES under a key.
pub(super) enum Aes {
    Of128(Box<Aes128>),
    Of256(Box<Aes256>),
}

impl Aes {
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        let of_128 = Aes128::new_from_slice(key).map(|aes| Self::Of128(Box::new(aes)));
        of_128.or_else(|_| Aes256::new_from_slice(key).map(|aes| Self::Of256(Box::new(aes)))).ok()
    }

    pub(super) fn encrypt(&self, block: &mut Block) {
        match self {
            Self::Of128(aes) => aes.encrypt_block(block.into()),
            Self::Of256(aes) => aes.encrypt_block(block.into()),
        }
    }

    pub(super) fn decrypt(&self, block: &mut Block) {
        match self {
            Self::Of128(aes) => aes.decrypt_block(block.into()),
            Self::Of256(aes) => aes.decrypt_block(block.into()),
        }
    }
}

/// Adds without carry, as far as the shorter goes.
pub(super) fn xor(octets: &mut [u8], others: &[u8]) {
    octets.iter_mut().zip(others).for_each(|(octet, other)| *octet ^= other);
}
