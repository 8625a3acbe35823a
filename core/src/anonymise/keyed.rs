//! What stands for something else, drawn from it and the seed: the same in each place, and not to be turned back without the
//! seed, which is nowhere kept.

use alloc::vec::Vec;
use core::fmt;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::seed::{Random, Seed};

/// A function of octets under a seed.
#[derive(Clone)]
pub(super) struct Keyed(Option<Hmac<Sha256>>);

impl Keyed {
    pub(super) fn new(seed: Seed) -> Self {
        // A key of any length is one: there is always a function.
        Self(Hmac::new_from_slice(&seed.0).ok())
    }

    /// 32 octets for `data`, for the purpose that `label` names.
    pub(super) fn octets(&self, label: &[u8], data: &[&[u8]]) -> [u8; 32] {
        let Some(mut mac) = self.0.clone() else { return [0; 32] };
        mac.update(label);
        for piece in data {
            mac.update(&u64::try_from(piece.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(piece);
        }
        mac.finalize().into_bytes().into()
    }

    /// Any number of draws for `data`.
    pub(super) fn random(&self, label: &[u8], data: &[u8]) -> Random {
        Random::new(Seed(self.octets(label, &[data])))
    }

    /// As many octets as `data` has.
    pub(super) fn as_long(&self, label: &[u8], data: &[u8]) -> Vec<u8> {
        let mut random = self.random(label, data);
        let mut octets = Vec::with_capacity(data.len() + 8);
        while octets.len() < data.len() {
            octets.extend(random.next_u64().to_be_bytes());
        }
        octets.truncate(data.len());
        octets
    }

    /// Another 32 bits: a part of an id.
    pub(super) fn word(&self, word: u32) -> u32 {
        let [a, b, c, d, ..] = self.octets(b"word", &[&word.to_be_bytes()]);
        u32::from_be_bytes([a, b, c, d])
    }

    /// Another key of a telephone: any digit but `digit`, drawn for `press`.
    pub(super) fn digit(&self, digit: u8, press: &[u8]) -> u8 {
        let [drawn, ..] = self.octets(b"digit", &[press]);
        (digit + 1 + drawn % 9) % 10
    }
}

impl fmt::Debug for Keyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyed(..)")
    }
}
