//! The crypto suites by name, and what their keys look like. How they protect a packet is the business of `srtp`.

use core::fmt;
use serde::{Deserialize, Serialize};

/// Packets of SRTP that any suite protects with one master key at most (RFC 3711 9.2, RFC 7714 12).
pub const MAX_SRTP_LIFETIME: u64 = 1 << 48;
/// Packets of SRTCP that any suite protects with one master key at most (RFC 3711 9.2, RFC 7714 12).
pub const MAX_SRTCP_LIFETIME: u64 = 1 << 31;

/// A crypto suite: cipher, authentication and the lengths of both (RFC 4568 6.2, RFC 6188 4, RFC 7714 12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Suite {
    /// RFC 4568 6.2.1: SRTP's default.
    #[serde(rename = "AES_CM_128_HMAC_SHA1_80")]
    AesCm128HmacSha1_80,
    /// RFC 4568 6.2.2: a tag of 32 bits on SRTP; on SRTCP it stays 80.
    #[serde(rename = "AES_CM_128_HMAC_SHA1_32")]
    AesCm128HmacSha1_32,
    /// RFC 6188 4.
    #[serde(rename = "AES_192_CM_HMAC_SHA1_80")]
    AesCm192HmacSha1_80,
    /// RFC 6188 4.
    #[serde(rename = "AES_192_CM_HMAC_SHA1_32")]
    AesCm192HmacSha1_32,
    /// RFC 6188 4.
    #[serde(rename = "AES_256_CM_HMAC_SHA1_80")]
    AesCm256HmacSha1_80,
    /// RFC 6188 4.
    #[serde(rename = "AES_256_CM_HMAC_SHA1_32")]
    AesCm256HmacSha1_32,
    /// RFC 7714 12.
    #[serde(rename = "AEAD_AES_128_GCM")]
    AeadAes128Gcm,
    /// RFC 7714 12.
    #[serde(rename = "AEAD_AES_256_GCM")]
    AeadAes256Gcm,
}

/// What a suite resists, weakest first: the shorter of what its cipher and its authentication do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Strength {
    /// A tag of 32 bits: one forged packet in four thousand million is believed, whatever the key.
    ShortTag,
    /// A key of 128 bits.
    Bits128,
    /// A key of 192 bits.
    Bits192,
    /// A key of 256 bits.
    Bits256,
}

/// Names that peers wrote before RFC 6188 gave these suites theirs; an answer repeats what was offered.
const OLDER_NAMES: [(&str, Suite); 4] = [
    ("AES_CM_192_HMAC_SHA1_80", Suite::AesCm192HmacSha1_80),
    ("AES_CM_192_HMAC_SHA1_32", Suite::AesCm192HmacSha1_32),
    ("AES_CM_256_HMAC_SHA1_80", Suite::AesCm256HmacSha1_80),
    ("AES_CM_256_HMAC_SHA1_32", Suite::AesCm256HmacSha1_32),
];

impl Suite {
    /// Each of them, the strongest first.
    pub const ALL: [Self; 8] = [
        Self::AeadAes256Gcm,
        Self::AesCm256HmacSha1_80,
        Self::AesCm192HmacSha1_80,
        Self::AeadAes128Gcm,
        Self::AesCm128HmacSha1_80,
        Self::AesCm256HmacSha1_32,
        Self::AesCm192HmacSha1_32,
        Self::AesCm128HmacSha1_32,
    ];

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AesCm192HmacSha1_80 => "AES_192_CM_HMAC_SHA1_80",
            Self::AesCm192HmacSha1_32 => "AES_192_CM_HMAC_SHA1_32",
            Self::AesCm256HmacSha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Self::AesCm256HmacSha1_32 => "AES_256_CM_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// The suite of that name, in any case of letters (RFC 4568 9.2 by RFC 5234 2.3), or of one that was used before it.
    pub fn from_name(name: &str) -> Option<Self> {
        let registered = Self::ALL.into_iter().find(|suite| suite.name().eq_ignore_ascii_case(name));
        registered
            .or_else(|| OLDER_NAMES.iter().find(|(old, _)| old.eq_ignore_ascii_case(name)).map(|(_, suite)| *suite))
    }

    /// Octets of its master key.
    pub fn key_length(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 | Self::AeadAes128Gcm => 16,
            Self::AesCm192HmacSha1_80 | Self::AesCm192HmacSha1_32 => 24,
            Self::AesCm256HmacSha1_80 | Self::AesCm256HmacSha1_32 | Self::AeadAes256Gcm => 32,
        }
    }

    /// Octets of its master salt.
    pub fn salt_length(self) -> usize {
        if self.is_aead() { 12 } else { 14 }
    }

    /// Whether one algorithm both encrypts and authenticates (RFC 7714).
    pub fn is_aead(self) -> bool {
        matches!(self, Self::AeadAes128Gcm | Self::AeadAes256Gcm)
    }

    /// What it resists.
    pub fn strength(self) -> Strength {
        match self {
            Self::AesCm128HmacSha1_32 | Self::AesCm192HmacSha1_32 | Self::AesCm256HmacSha1_32 => Strength::ShortTag,
            Self::AesCm128HmacSha1_80 | Self::AeadAes128Gcm => Strength::Bits128,
            Self::AesCm192HmacSha1_80 => Strength::Bits192,
            Self::AesCm256HmacSha1_80 | Self::AeadAes256Gcm => Strength::Bits256,
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
