//! `a=crypto`: keys of SRTP in the session description (SDES, RFC 4568).
//!
//! ```text
//! offer's lines -> CryptoPolicy::judge each -> choose -> Crypto -> answer(our key) -> encode -> answer's line
//!                                                        Crypto::keys -> srtp::Receiver
//! ```
//! A line that breaks a rule is invalid as a whole and passed over (RFC 4568 5.1.2); no session parameter is ever ignored
//! in silence but those that RFC 4568 calls hints or optional. Lines are looked at on secure profiles only, and the
//! answer's key is as secret as the signalling that carries it: both are the caller's to see to.

mod key;
mod line;
mod suite;
#[cfg(test)]
mod tests;

pub use key::{MAX_MKI_LENGTH, MasterKey, Mki};
pub use line::CryptoLine;
pub use suite::{MAX_SRTCP_LIFETIME, MAX_SRTP_LIFETIME, Strength, Suite};

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};
use serde::{Deserialize, Serialize};

use key::decimal;

/// Master keys in one line.
pub const MAX_KEYS: usize = 16;
/// Lines of one media description that are looked at.
pub const MAX_LINES: usize = 32;
/// Digits of a tag (RFC 4568 9.1).
const MAX_TAG_DIGITS: usize = 9;

/// A valid `a=crypto` line whose every parameter we can honour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crypto {
    /// Names the line within its media description.
    pub tag: u32,
    /// The crypto suite.
    pub suite: Suite,
    /// The suite as written, which an answer repeats.
    name: String,
    /// The master keys of who wrote the line: one, or several with an MKI each.
    pub keys: Vec<InlineKey>,
    /// What is encrypted.
    pub encryption: Encryption,
}

/// A master key and the policy that came with it (RFC 4568 6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlineKey {
    /// Key and salt.
    pub key: MasterKey,
    /// Packets of SRTP, and packets of SRTCP, that it may protect; the suite's maximum where nothing is said.
    pub lifetime: Option<u64>,
    /// What marks its packets.
    pub mki: Option<Mki>,
}

impl From<MasterKey> for InlineKey {
    fn from(key: MasterKey) -> Self {
        Self { key, lifetime: None, mki: None }
    }
}

/// What is encrypted (RFC 4568 6.3.2). Everything is authenticated in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encryption {
    /// Payloads of SRTP: not so with UNENCRYPTED_SRTP.
    pub srtp: bool,
    /// SRTCP: not so with UNENCRYPTED_SRTCP.
    pub srtcp: bool,
}

impl Default for Encryption {
    fn default() -> Self {
        Self { srtp: true, srtcp: true }
    }
}

/// Which lines may be chosen, and which of them first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CryptoPolicy {
    /// The suites allowed, in our order; where there is none, all, in the offer's order (RFC 4568 5.1.2).
    pub preference: Vec<Suite>,
    /// No suite below it.
    pub minimum: Strength,
    /// Whether UNENCRYPTED_SRTP and UNENCRYPTED_SRTCP are agreed to.
    pub unencrypted: bool,
}

impl Default for CryptoPolicy {
    fn default() -> Self {
        Self { preference: Vec::new(), minimum: Strength::ShortTag, unencrypted: false }
    }
}

/// Why a line is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CryptoError {
    /// Invalid: there is no tag, suite or key.
    Incomplete,
    /// Invalid: the tag is no decimal number of up to nine digits, or another line has it.
    Tag,
    /// Invalid: the key is no base64 of the suite's length.
    Key,
    /// Invalid: the lifetime is no number, has leading zeroes, is nothing, or is more than the suite allows.
    Lifetime,
    /// Invalid: the MKI has no length, does not fit into it, is over 128 octets or stands twice.
    Mki,
    /// Invalid: of several keys one has no MKI, or one of another length.
    KeyWithoutMki,
    /// Invalid: a session parameter is unknown and not marked as optional.
    UnknownParameter,
    /// Invalid: a session parameter has an impossible value.
    Parameter,
    /// Not supported: the suite.
    Suite,
    /// Not supported: a key method other than `inline`.
    KeyMethod,
    /// Not supported: more keys than [`MAX_KEYS`].
    TooManyKeys,
    /// Not supported: a key derivation rate.
    KeyDerivationRate,
    /// Not supported: SRTP without authentication, which RFC 4568 6.3.3 does not recommend.
    Unauthenticated,
    /// Not supported: error correction outside SRTP, or with keys of its own.
    ErrorCorrection,
    /// Against our policy: the suite is not among those allowed.
    NotAllowed,
    /// Against our policy: the suite is below the minimum.
    TooWeak,
    /// Against our policy: payloads or reports in the clear.
    Unencrypted,
}

impl fmt::Display for CryptoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Incomplete => "no tag, suite or key",
            Self::Tag => "impossible tag, or one that another line has",
            Self::Key => "not a key of the suite's length in base64",
            Self::Lifetime => "impossible lifetime",
            Self::Mki => "impossible MKI",
            Self::KeyWithoutMki => "several keys, not all of which have an MKI of one length",
            Self::UnknownParameter => "unknown session parameter",
            Self::Parameter => "session parameter with an impossible value",
            Self::Suite => "suite not supported",
            Self::KeyMethod => "key method not supported",
            Self::TooManyKeys => "too many keys",
            Self::KeyDerivationRate => "key derivation rate not supported",
            Self::Unauthenticated => "unauthenticated SRTP not supported",
            Self::ErrorCorrection => "forward error correction not supported",
            Self::NotAllowed => "suite not allowed here",
            Self::TooWeak => "suite below the minimum",
            Self::Unencrypted => "unencrypted media or reports not allowed",
        })
    }
}

impl Crypto {
    /// Reads the value of an `a=crypto` attribute (RFC 4568 9).
    ///
    /// # Errors
    /// Where the line is invalid, or wants what we do not support.
    pub fn parse(value: &str) -> Result<Self, CryptoError> {
        let mut words = value.split_ascii_whitespace();
        let mut next = || words.next().ok_or(CryptoError::Incomplete);
        let (tag, name, keys) = (next()?, next()?, next()?);
        let tag = decimal(tag).filter(|_| tag.len() <= MAX_TAG_DIGITS).and_then(|tag| u32::try_from(tag).ok());
        let tag = tag.ok_or(CryptoError::Tag)?;
        let suite = Suite::from_name(name).ok_or(CryptoError::Suite)?;
        let keys = key_parameters(suite, keys)?;
        let encryption = words.try_fold(Encryption::default(), session_parameter)?;
        Ok(Self { tag, suite, name: name.to_string(), keys, encryption })
    }

    /// A line of an offer of ours.
    pub fn offer(tag: u32, key: InlineKey) -> Self {
        let suite = key.key.suite();
        Self { tag, suite, name: suite.name().to_string(), keys: vec![key], encryption: Encryption::default() }
    }

    /// The line that accepts this one: its tag and suite, our own `key`, and the session parameters that both sides must
    /// name (RFC 4568 5.1.2). `None` where the key is for another suite or is one of the offer's.
    pub fn answer(&self, key: MasterKey) -> Option<Self> {
        if key.suite() != self.suite || self.keys.iter().any(|theirs| theirs.key == key) {
            return None;
        }
        Some(Self { keys: vec![key.into()], ..self.clone() })
    }

    /// The attribute's value. It holds the keys.
    pub fn encode(&self) -> String {
        let mut value = alloc::format!("{} {}", self.tag, self.name);
        for (n, key) in self.keys.iter().enumerate() {
            value.push_str(if n == 0 { " inline:" } else { ";inline:" });
            value.push_str(&key.key.to_base64());
            // Writing to a String cannot fail.
            if let Some(lifetime) = key.lifetime {
                let _ = match lifetime.is_power_of_two() {
                    true => write!(value, "|2^{}", lifetime.trailing_zeros()),
                    false => write!(value, "|{lifetime}"),
                };
            }
            if let Some(mki) = &key.mki {
                let _ = write!(value, "|{mki}");
            }
        }
        for (named, parameter) in
            [(!self.encryption.srtp, " UNENCRYPTED_SRTP"), (!self.encryption.srtcp, " UNENCRYPTED_SRTCP")]
        {
            value.push_str(if named { parameter } else { "" });
        }
        value
    }
}

impl CryptoPolicy {
    /// The suites of an offer of ours, the best first.
    pub fn suites(&self) -> Vec<Suite> {
        let liked = if self.preference.is_empty() { &Suite::ALL[..] } else { &self.preference };
        liked.iter().copied().filter(|suite| suite.strength() >= self.minimum).collect()
    }

    /// Reads a line and holds it against this policy.
    ///
    /// # Errors
    /// Where the line is invalid, not supported or not wanted.
    pub fn judge(&self, value: &str) -> Result<Crypto, CryptoError> {
        let crypto = Crypto::parse(value)?;
        if crypto.suite.strength() < self.minimum {
            return Err(CryptoError::TooWeak);
        }
        if self.rank(crypto.suite).is_none() {
            return Err(CryptoError::NotAllowed);
        }
        if crypto.encryption != Encryption::default() && !self.unencrypted {
            return Err(CryptoError::Unencrypted);
        }
        Ok(crypto)
    }

    /// A suite's place in our order; `None` where it is not allowed.
    fn rank(&self, suite: Suite) -> Option<usize> {
        if self.preference.is_empty() { Some(0) } else { self.preference.iter().position(|allowed| *allowed == suite) }
    }
}

/// The one line to accept of those offered for a media description: the first by our preference, else by the offer's
/// order. `None`: the stream must be rejected, and [`CryptoPolicy::judge`] says of each line why.
pub fn choose<S: AsRef<str>>(offered: &[S], policy: &CryptoPolicy) -> Option<Crypto> {
    let mut tags = Vec::new();
    let mut best: Option<(usize, Crypto)> = None;
    for value in offered.iter().take(MAX_LINES) {
        let tag = value.as_ref().split_ascii_whitespace().next().and_then(decimal);
        let again = tags.contains(&tag);
        tags.push(tag);
        let Some(crypto) = policy.judge(value.as_ref()).ok().filter(|_| !again) else { continue };
        let Some(rank) = policy.rank(crypto.suite) else { continue };
        if best.as_ref().is_none_or(|(lowest, _)| rank < *lowest) {
            best = Some((rank, crypto));
        }
    }
    best.map(|(_, crypto)| crypto)
}

/// `inline:` keys, separated by semicolons (RFC 4568 6.1).
fn key_parameters(suite: Suite, text: &str) -> Result<Vec<InlineKey>, CryptoError> {
    let mut keys: Vec<InlineKey> = Vec::new();
    for parameter in text.split(';') {
        let (method, info) = parameter.split_once(':').ok_or(CryptoError::Incomplete)?;
        if !method.eq_ignore_ascii_case("inline") {
            return Err(CryptoError::KeyMethod);
        }
        if keys.len() >= MAX_KEYS {
            return Err(CryptoError::TooManyKeys);
        }
        let key = inline_key(suite, info)?;
        if key.mki.is_some() && keys.iter().any(|other| other.mki == key.mki) {
            return Err(CryptoError::Mki);
        }
        keys.push(key);
    }
    let length = |key: &InlineKey| key.mki.as_ref().map(|mki| mki.octets().len());
    let first = keys.first().and_then(length);
    if keys.len() > 1 && keys.iter().any(|key| length(key).is_none() || length(key) != first) {
        return Err(CryptoError::KeyWithoutMki);
    }
    Ok(keys)
}

/// `key||salt["|" lifetime]["|" MKI ":" length]` (RFC 4568 6.1): only the MKI has a colon.
fn inline_key(suite: Suite, info: &str) -> Result<InlineKey, CryptoError> {
    let mut fields = info.split('|');
    let key = fields.next().and_then(|text| MasterKey::from_base64(suite, text)).ok_or(CryptoError::Key)?;
    let mut found = InlineKey::from(key);
    for field in fields {
        if found.mki.is_some() {
            return Err(CryptoError::Mki);
        }
        if field.contains(':') {
            found.mki = Some(Mki::parse(field).ok_or(CryptoError::Mki)?);
        } else if found.lifetime.is_none() {
            found.lifetime = Some(lifetime(field).ok_or(CryptoError::Lifetime)?);
        } else {
            return Err(CryptoError::Lifetime);
        }
    }
    Ok(found)
}

/// `2^n` or a decimal number, from one packet to all that a suite allows.
fn lifetime(text: &str) -> Option<u64> {
    let packets = match text.strip_prefix("2^") {
        Some(power) => 1_u64.checked_shl(u32::try_from(decimal(power)?).ok()?)?,
        None => decimal(text)?,
    };
    (1..=MAX_SRTP_LIFETIME).contains(&packets).then_some(packets)
}

/// RFC 4568 6.3: what a session parameter makes of the encryption, or why it cannot be honoured.
fn session_parameter(agreed: Encryption, parameter: &str) -> Result<Encryption, CryptoError> {
    let (name, value) = match parameter.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (parameter, None),
    };
    let number = value.and_then(decimal);
    let name = name.to_ascii_uppercase();
    match (name.as_str(), value) {
        ("UNENCRYPTED_SRTP", None) => Ok(Encryption { srtp: false, ..agreed }),
        ("UNENCRYPTED_SRTCP", None) => Ok(Encryption { srtcp: false, ..agreed }),
        ("UNAUTHENTICATED_SRTP", None) => Err(CryptoError::Unauthenticated),
        // The grammar knows a rate of 2^0, the text does not (RFC 4568 6.3.1, 9.2).
        ("KDR", Some(_)) if number.is_some_and(|power| power <= 24) => Err(CryptoError::KeyDerivationRate),
        // The default, and without error correction there is nothing to put in order.
        ("FEC_ORDER", Some(order)) if order.eq_ignore_ascii_case("FEC_SRTP") => Ok(agreed),
        ("FEC_ORDER", Some(order)) if order.eq_ignore_ascii_case("SRTP_FEC") => Err(CryptoError::ErrorCorrection),
        ("FEC_KEY", Some(_)) => Err(CryptoError::ErrorCorrection),
        // A hint (RFC 4568 6.3.6); our window is wide whatever it says.
        ("WSH", Some(_)) if number.is_some() => Ok(agreed),
        (
            "UNENCRYPTED_SRTP" | "UNENCRYPTED_SRTCP" | "UNAUTHENTICATED_SRTP" | "KDR" | "FEC_ORDER" | "FEC_KEY" | "WSH",
            _,
        ) => Err(CryptoError::Parameter),
        (optional, _) if optional.starts_with('-') => Ok(agreed),
        _ => Err(CryptoError::UnknownParameter),
    }
}
