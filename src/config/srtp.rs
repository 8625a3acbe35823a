//! `media.srtp`: which crypto suites protect media, and how strong they must be.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

use siprec_core::sdp::crypto::{CryptoPolicy, Strength, Suite};

use super::values::{Invalid, text_value};

/// `media.srtp` and `peers[].srtp`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SrtpConfig {
    /// The suites that are taken, the best first; empty: all, in the order of the offer.
    pub suites: Vec<SrtpSuite>,
    /// Bits that a suite must resist: of its key, or of its tag where that is shorter.
    pub minimum_bits: MinimumBits,
    /// Whether media or reports that are authenticated and not encrypted are taken, where an offer asks for it.
    pub unencrypted: bool,
}

/// A crypto suite by its registered name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SrtpSuite(pub Suite);

impl FromStr for SrtpSuite {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Suite::from_name(text).map(Self).ok_or_else(|| {
            let known: Vec<&str> = Suite::ALL.iter().map(|suite| suite.name()).collect();
            Invalid::because(format!("`{text}` is no crypto suite that is spoken here: there are {}", known.join(", ")))
        })
    }
}

impl fmt::Display for SrtpSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text_value!(SrtpSuite, "a crypto suite, as \"AES_CM_128_HMAC_SHA1_80\"");

/// 32, 128, 192 or 256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinimumBits(pub Strength);

impl Default for MinimumBits {
    fn default() -> Self {
        Self(Strength::ShortTag)
    }
}

const BITS: [(&str, Strength); 4] =
    [("32", Strength::ShortTag), ("128", Strength::Bits128), ("192", Strength::Bits192), ("256", Strength::Bits256)];

impl FromStr for MinimumBits {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let found = BITS.iter().find(|(bits, _)| *bits == text).map(|(_, strength)| Self(*strength));
        found.ok_or_else(|| {
            Invalid::because(format!("`{text}`: write 32 (tags of 32 bits are enough), 128, 192 or 256"))
        })
    }
}

impl fmt::Display for MinimumBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = BITS.iter().find(|(_, strength)| *strength == self.0).map_or("", |(bits, _)| bits);
        f.write_str(bits)
    }
}

impl<'de> Deserialize<'de> for MinimumBits {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u32::deserialize(deserializer)?.to_string().parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for MinimumBits {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.to_string().parse().unwrap_or(0))
    }
}

impl SrtpConfig {
    /// For the core.
    pub fn policy(&self) -> CryptoPolicy {
        CryptoPolicy {
            preference: self.suites.iter().map(|suite| suite.0).collect(),
            minimum: self.minimum_bits.0,
            unencrypted: self.unencrypted,
        }
    }

    /// Whether there is any suite that it allows.
    pub fn allows_any(&self) -> bool {
        !self.policy().suites().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_and_strengths_are_named_or_told() {
        let read = |json: &str| serde_json::from_str::<SrtpConfig>(json).map_err(|error| error.to_string());
        let some = read(r#"{"suites": ["AEAD_AES_256_GCM", "aes_cm_128_hmac_sha1_80"], "minimum_bits": 128}"#).unwrap();
        let policy = some.policy();
        assert_eq!(policy.preference, [Suite::AeadAes256Gcm, Suite::AesCm128HmacSha1_80]);
        assert_eq!((policy.minimum, policy.unencrypted, some.allows_any()), (Strength::Bits128, false, true));
        let weak = read(r#"{"suites": ["AES_CM_128_HMAC_SHA1_32"], "minimum_bits": 256}"#).unwrap();
        assert!(!weak.allows_any());
        assert!(read(r#"{"suites": ["F8_128_HMAC_SHA1_80"]}"#).unwrap_err().contains("is no crypto suite"));
        assert!(read(r#"{"minimum_bits": 64}"#).unwrap_err().starts_with("`64`: write 32"));
        assert_eq!(SrtpConfig::default().policy(), CryptoPolicy::default());
    }
}
