//! A master key at work: the ciphers made of it, its mark, and how much of its lifetime is used.

use alloc::vec::Vec;

use super::SrtpError;
use super::cipher::Cipher;
use super::derivation::Protocol;
use super::state::KeyUse;
use crate::sdp::crypto::{InlineKey, MAX_SRTCP_LIFETIME, MAX_SRTP_LIFETIME};

/// The ciphers of one master key.
pub(super) struct Key {
    pub(super) srtp: Cipher,
    pub(super) srtcp: Cipher,
    /// Empty where there is none.
    pub(super) mki: Vec<u8>,
    pub(super) used: KeyUse,
    /// Packets it may protect, of each protocol.
    lifetime: KeyUse,
}

impl Key {
    /// `None` cannot be: a master key has the length of its suite.
    pub(super) fn new(inline: &InlineKey, used: KeyUse) -> Option<Self> {
        let lifetime = inline.lifetime.unwrap_or(u64::MAX);
        Some(Self {
            srtp: Cipher::new(&inline.key, Protocol::Srtp)?,
            srtcp: Cipher::new(&inline.key, Protocol::Srtcp)?,
            mki: inline.mki.as_ref().map(|mki| mki.octets().to_vec()).unwrap_or_default(),
            used,
            lifetime: KeyUse { srtp: lifetime.min(MAX_SRTP_LIFETIME), srtcp: lifetime.min(MAX_SRTCP_LIFETIME) },
        })
    }

    pub(super) fn cipher(&self, protocol: Protocol) -> &Cipher {
        match protocol {
            Protocol::Srtp => &self.srtp,
            Protocol::Srtcp => &self.srtcp,
        }
    }

    /// Whether it may protect one packet more (RFC 3711 9.2, RFC 4568 6.1). Both protocols end with the first of them.
    pub(super) fn check_lifetime(&self) -> Result<(), SrtpError> {
        let over = self.used.srtp >= self.lifetime.srtp || self.used.srtcp >= self.lifetime.srtcp;
        if over { Err(SrtpError::KeyExpired) } else { Ok(()) }
    }
}
