//! `auth`: who may use the API, by which tokens, keys and certificates, and in which roles; and who may record (`auth.sip`).

use serde::{Deserialize, Serialize};
use siprec_core::time::Wall;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::peers::SipAuthConfig;
use super::tls::Pin;
use super::values::{Invalid, Network, Span, text_value};
use crate::archive::notes::Tag;
use crate::archive::selection::{Bound, date_time, moment};

/// `auth`: who may use the API, and who may record.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// Who says who a user is.
    pub provider: AuthProvider,
    /// For `provider: oauth2`.
    pub oauth2: OAuth2Config,
    /// Keys of programs; beside any provider.
    pub api_keys: Vec<ApiKey>,
    /// Who shows a certificate, where `api.tls` asks for one; beside any provider.
    pub certificates: Vec<CertificateRow>,
    /// What each role may do.
    pub roles: Vec<Role>,
    /// Whence the API may be used; empty: from anywhere.
    pub ip_whitelist: Vec<Network>,
    /// Credentials of SRCs.
    pub sip: SipAuthConfig,
}

impl AuthConfig {
    /// Whether nobody has to say who they are.
    pub fn is_open(&self) -> bool {
        self.provider == AuthProvider::None && self.api_keys.is_empty() && self.certificates.is_empty()
    }
}

/// Kinds of identity provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthProvider {
    /// None.
    #[default]
    None,
    /// An OAuth 2.0 issuer of JWTs.
    Oauth2,
}

/// `auth.oauth2`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OAuth2Config {
    /// Who issues the tokens; `/.well-known/openid-configuration` below it tells of its keys.
    pub issuer: Option<String>,
    /// For whom they are issued.
    pub audience: Option<String>,
    /// Signatures that are taken.
    pub algorithms: Vec<TokenAlgorithm>,
    /// The claim that names roles, its parts with dots between; none: the first that is there of `roles`,
    /// `realm_access.roles`, `scope` and `scp`.
    pub roles_claim: Option<String>,
    /// By how much clocks may differ.
    pub leeway: Span,
    /// The issuer's keys are fetched again after so long.
    pub keys_for: Span,
}

impl Default for OAuth2Config {
    fn default() -> Self {
        Self {
            issuer: None,
            audience: None,
            algorithms: vec![TokenAlgorithm::RS256, TokenAlgorithm::ES256, TokenAlgorithm::EdDSA],
            roles_claim: None,
            leeway: Span(Duration::from_secs(30)),
            keys_for: Span(Duration::from_secs(3600)),
        }
    }
}

/// How a token may be signed (RFC 7518, RFC 8037): with a key of which we have the public half alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as the RFCs have them")]
pub enum TokenAlgorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

/// One of `auth.api_keys`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// Whose it is, for the audit log.
    pub name: String,
    /// SHA-256 of the key.
    pub sha256: KeyHash,
    /// Names of `auth.roles`.
    pub roles: Vec<String>,
    /// From then on it is refused.
    #[serde(default)]
    pub expires: Option<Expiry>,
}

/// One of `auth.certificates`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateRow {
    /// A name that the certificate is for.
    #[serde(default)]
    pub name: Option<String>,
    /// SHA-256 of it.
    #[serde(default)]
    pub fingerprint: Option<Pin>,
    /// Names of `auth.roles`.
    pub roles: Vec<String>,
}

/// One of `auth.roles`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Its name, as the token gives it.
    pub name: String,
    /// What it may do.
    pub permissions: Vec<Permission>,
    /// With which recordings: those with one of these tags; empty: with all, and with all else.
    #[serde(default)]
    pub tags: Vec<Tag>,
}

/// What a role may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// Find and hear recordings.
    Read,
    /// Start, pause and stop them.
    Write,
    /// Delete them.
    Delete,
    /// Copy them out.
    Export,
    /// Change the server.
    Manage,
}

impl Permission {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::Export => "export",
            Self::Manage => "manage",
        }
    }
}

/// What API keys begin with: so they are told from tokens, and found where they were left lying about.
pub const KEY_PREFIX: &str = "siprec_";

/// SHA-256 of an API key. Keys are 256 bits of chance: what is slow to compute would protect guessable passwords, not them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyHash(pub [u8; 32]);

impl FromStr for KeyHash {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let wrong = |_| {
            Invalid::because(format!(
                "`{text}` is no SHA-256 of a key: `siprec config key new --name NAME --role ROLE` makes a key, and prints the row"
            ))
        };
        text.parse::<Pin>().map(|Pin(octets)| Self(octets)).map_err(wrong)
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

text_value!(KeyHash, "the SHA-256 of a key, in hexadecimal");

/// When something ends to be valid: `2027-01-31`, which is its first day without, or a moment as RFC 3339 has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry(pub Wall);

impl FromStr for Expiry {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let is_date = text.len() == 10 && text.starts_with(|c: char| c.is_ascii_digit());
        let day = if is_date { moment(text, Bound::Since, Wall(0)).ok() } else { None };
        day.or_else(|| date_time(text)).map(Self).ok_or_else(|| {
            Invalid::because(format!("`{text}` is no day: write it as 2027-01-31, or 2027-01-31T12:00:00Z"))
        })
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.rfc3339();
        f.write_str(text.strip_suffix("T00:00:00.000Z").unwrap_or(&text))
    }
}

text_value!(Expiry, "a day, as 2027-01-31");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_and_a_day_are_shown_as_they_are_written() {
        let digits = "0a".repeat(32);
        assert_eq!(digits.parse::<KeyHash>().unwrap().to_string(), digits);
        assert!("0a".parse::<KeyHash>().unwrap_err().to_string().contains("config key new"));
        for text in ["2027-01-31", "2027-01-31T12:00:00.000Z"] {
            assert_eq!(text.parse::<Expiry>().unwrap().to_string(), text);
        }
        for text in ["2027-02-30", "tomorrow", "10 minutes", ""] {
            assert!(text.parse::<Expiry>().is_err(), "{text}");
        }
    }
}
