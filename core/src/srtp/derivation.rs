//! Session keys from master keys (RFC 3711 4.3, RFC 6188 3, RFC 7714 11), with a key derivation rate of 0: once a key.

use aes::cipher::{InnerIvInit, KeyInit, StreamCipherCore};
use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
use ctr::CtrCore;
use ctr::flavors::Ctr128BE;
use zeroize::Zeroizing;

use crate::sdp::crypto::{MasterKey, Suite};

/// Octets of a session's authentication key (RFC 3711 8.2).
pub(super) const AUTH_KEY_LENGTH: usize = 20;
/// Octets of a session salt; AES-GCM takes the first twelve.
pub(super) const SALT_LENGTH: usize = 14;
/// Where the label meets the salt: seven octets from its end (RFC 3711 4.3.1).
const LABEL_AT: usize = 7;

/// AES in the lengths of RFC 3711 and RFC 6188.
pub(super) enum Aes {
    Bits128(Aes128Enc),
    Bits192(Aes192Enc),
    Bits256(Aes256Enc),
}

impl Aes {
    /// `None` for a key of any other length.
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        match key.len() {
            16 => Aes128Enc::new_from_slice(key).ok().map(Self::Bits128),
            24 => Aes192Enc::new_from_slice(key).ok().map(Self::Bits192),
            32 => Aes256Enc::new_from_slice(key).ok().map(Self::Bits256),
            _ => None,
        }
    }

    /// Adds the keystream of AES in counter mode that begins at `iv` (RFC 3711 4.1.1).
    pub(super) fn apply_keystream(&self, iv: [u8; 16], data: &mut [u8]) {
        let iv = iv.into();
        match self {
            Self::Bits128(aes) => CtrCore::<_, Ctr128BE>::inner_iv_init(aes, &iv).apply_keystream_partial(data.into()),
            Self::Bits192(aes) => CtrCore::<_, Ctr128BE>::inner_iv_init(aes, &iv).apply_keystream_partial(data.into()),
            Self::Bits256(aes) => CtrCore::<_, Ctr128BE>::inner_iv_init(aes, &iv).apply_keystream_partial(data.into()),
        }
    }
}

/// Which of the two protocols a key is for; the number is the first of its three labels (RFC 3711 4.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Srtp = 0,
    Srtcp = 3,
}

/// What the packets of one protocol are protected with.
pub(super) struct SessionKeys {
    pub(super) suite: Suite,
    key: Zeroizing<[u8; 32]>,
    pub(super) auth: Zeroizing<[u8; AUTH_KEY_LENGTH]>,
    pub(super) salt: Zeroizing<[u8; SALT_LENGTH]>,
}

impl SessionKeys {
    /// Derives them. `None` cannot be: a [`MasterKey`] has the length of its suite.
    pub(super) fn derive(master: &MasterKey, protocol: Protocol) -> Option<Self> {
        let aes = Aes::new(master.key())?;
        let suite = master.suite();
        let mut keys =
            Self { suite, key: Zeroizing::default(), auth: Zeroizing::default(), salt: Zeroizing::default() };
        let label = protocol as u8;
        pseudo_random(&aes, master.salt(), label, keys.key.get_mut(..suite.key_length())?);
        pseudo_random(&aes, master.salt(), label + 1, keys.auth.as_mut_slice());
        pseudo_random(&aes, master.salt(), label + 2, keys.salt.as_mut_slice());
        Some(keys)
    }

    pub(super) fn key(&self) -> &[u8] {
        self.key.get(..self.suite.key_length()).unwrap_or_default()
    }

    /// Keys that no master key was derived to, as the vectors of RFC 7714 have them.
    #[cfg(test)]
    pub(super) fn given(suite: Suite, key: &[u8], salt: &[u8]) -> Self {
        let mut keys =
            Self { suite, key: Zeroizing::default(), auth: Zeroizing::default(), salt: Zeroizing::default() };
        keys.key.iter_mut().zip(key).for_each(|(octet, given)| *octet = *given);
        keys.salt.iter_mut().zip(salt).for_each(|(octet, given)| *octet = *given);
        keys
    }
}

/// The pseudo-random function: the keystream at `(label ^ salt) * 2^16` (RFC 3711 4.3.3). A salt of twelve octets has
/// zeroes behind it.
pub(super) fn pseudo_random(aes: &Aes, master_salt: &[u8], label: u8, out: &mut [u8]) {
    let mut iv = [0; 16];
    iv.iter_mut().zip(master_salt).for_each(|(octet, salt)| *octet = *salt);
    iv[LABEL_AT] ^= label;
    out.fill(0);
    aes.apply_keystream(iv, out);
}
