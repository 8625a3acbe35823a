//! `peers` and the rules of the same names under `server` and `media`: who may record, and how.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

use super::srtp::SrtpConfig;
use super::tls::Pin;
use crate::archive::notes::Tag;

use super::values::{Invalid, Network, Secret, Span, text_value};

/// One of `peers`. A key that is left out is as `server` and `media` have it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Peer {
    /// A name for the log; none: whatever it is known by.
    pub name: Option<String>,
    /// Where it sends from.
    #[serde(deserialize_with = "one_or_many")]
    pub address: Vec<Network>,
    /// Names of its certificate; `*` stands for anything.
    #[serde(deserialize_with = "one_or_many")]
    pub certificate_name: Vec<String>,
    /// SHA-256 of its certificate.
    #[serde(deserialize_with = "one_or_many")]
    pub certificate_fingerprint: Vec<Pin>,
    /// What it calls itself; `*` stands for anything.
    #[serde(deserialize_with = "one_or_many")]
    pub user_agent: Vec<String>,
    /// Whether it may record.
    pub allow: bool,
    /// `server.require_tls`.
    pub require_tls: Option<bool>,
    /// `media.require_srtp`.
    pub require_srtp: Option<bool>,
    /// `media.sdes_over_clear`.
    pub sdes_over_clear: Option<bool>,
    /// `media.srtp`, the whole of it.
    pub srtp: Option<SrtpConfig>,
    /// `server.digest`.
    pub digest: Option<bool>,
    /// As which of `auth.sip.users` it may authenticate; empty: as any.
    #[serde(deserialize_with = "one_or_many")]
    pub digest_users: Vec<String>,
    /// `server.siprec`.
    pub siprec: Option<Strictness>,
    /// `server.strict_dialogs`.
    pub strict_dialogs: Option<bool>,
    /// Its ordinary INVITEs (no SIPREC in them) are recorded as well.
    pub legacy: bool,
    /// `server.refusal`.
    pub refusal: Option<Refusal>,
    /// Its sessions at one time; none: `server.max_connections` alone counts.
    pub max_sessions: Option<u32>,
    /// `server.rate_limit.peer`.
    pub rate_limit: Option<u32>,
    /// What its recordings are tagged with.
    #[serde(deserialize_with = "one_or_many")]
    pub tags: Vec<Tag>,
}

impl Default for Peer {
    fn default() -> Self {
        Self {
            name: None,
            address: Vec::new(),
            certificate_name: Vec::new(),
            certificate_fingerprint: Vec::new(),
            user_agent: Vec::new(),
            allow: true,
            require_tls: None,
            require_srtp: None,
            sdes_over_clear: None,
            srtp: None,
            digest: None,
            digest_users: Vec::new(),
            siprec: None,
            strict_dialogs: None,
            legacy: false,
            refusal: None,
            max_sessions: None,
            rate_limit: None,
            tags: Vec::new(),
        }
    }
}

impl Peer {
    /// What it is called: by its name, else by the first thing that it is known by.
    pub fn called(&self) -> String {
        let known_by = [
            self.name.clone(),
            self.address.first().map(ToString::to_string),
            self.certificate_name.first().cloned(),
            self.certificate_fingerprint.first().map(ToString::to_string),
            self.user_agent.first().cloned(),
        ];
        known_by.into_iter().flatten().next().unwrap_or_default()
    }

    /// Whether it is known by something that not anybody can claim.
    pub fn is_proven(&self) -> bool {
        !self.address.is_empty() || !self.certificate_name.is_empty() || !self.certificate_fingerprint.is_empty()
    }

    /// Whether it says whom it is about.
    pub fn names_somebody(&self) -> bool {
        self.is_proven() || !self.user_agent.is_empty()
    }
}

/// How exactly an INVITE must be what RFC 7866 says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strictness {
    /// Any one sign of SIPREC will do.
    Lenient,
    /// The option tag `siprec` and the feature tag `+sip.src` both (RFC 7866 6.1.1).
    Strict,
}

/// What is done about who should not be here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unknown {
    /// Heard all the same.
    Accept,
    /// Answered 403.
    Refuse,
    /// Not answered.
    Silent,
}

/// What is done about scanners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scanners {
    /// Answered 403.
    Refuse,
    /// Not answered.
    Silent,
}

/// `server.rate_limit`: new requests a second, 0 for no limit. What belongs to a call that is known never counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimit {
    /// From one address that is neither a peer's nor allowed.
    pub unknown: u32,
    /// From all of those together.
    pub unknown_together: u32,
    /// From one address of a peer.
    pub peer: u32,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { unknown: 200, unknown_together: 1000, peer: 0 }
    }
}

/// `server.refusal` and `peers[].refusal`: the answer to an INVITE that is over capacity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Refusal {
    /// The SIP status, 300 to 699.
    #[serde(deserialize_with = "refusing_status")]
    pub status: u16,
    /// Retry-After; none: the header is left out (it can black out a whole site).
    pub retry_after: Option<Span>,
    /// Where to go instead, for a 3xx.
    pub contact: Option<SipUri>,
}

impl Default for Refusal {
    fn default() -> Self {
        Self { status: 503, retry_after: None, contact: None }
    }
}

/// `auth.sip`: digest authentication of SRCs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SipAuthConfig {
    /// What the challenge names.
    pub realm: String,
    /// What it asks for, the best first.
    pub algorithms: Vec<DigestAlgorithm>,
    /// How long a challenge can be answered.
    pub nonce_lifetime: Span,
    /// Who there is.
    pub users: Vec<SipUser>,
}

impl Default for SipAuthConfig {
    fn default() -> Self {
        Self {
            realm: "siprec".into(),
            algorithms: vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5],
            nonce_lifetime: Span(std::time::Duration::from_secs(300)),
            users: Vec::new(),
        }
    }
}

/// One of `auth.sip.users`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SipUser {
    /// The user name.
    pub name: String,
    /// The password.
    pub password: Secret,
}

/// Hashes of digest authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DigestAlgorithm {
    /// RFC 8760.
    #[serde(rename = "SHA-256")]
    Sha256,
    /// RFC 8760.
    #[serde(rename = "SHA-512-256")]
    Sha512256,
    /// RFC 3261.
    #[serde(rename = "MD5")]
    Md5,
}

/// A SIP URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipUri(String);

impl FromStr for SipUri {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match siprec_core::sip::Uri::parse(text) {
            Ok(uri) if uri.is_sip() => Ok(Self(text.into())),
            Ok(_) => Err(Invalid(format!("`{text}` is no SIP URI: write it as \"sip:srs2.example.com:5060\""))),
            Err(error) => Err(Invalid(format!("`{text}`: {error}: write it as \"sip:srs2.example.com:5060\""))),
        }
    }
}

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(SipUri, "a SIP URI, as \"sip:srs2.example.com:5060\"");

/// A list, or one value that stands for a list of one.
fn one_or_many<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: serde::Deserializer<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Texts {
        One(String),
        Many(Vec<String>),
    }
    let texts = match Texts::deserialize(deserializer) {
        Ok(Texts::One(text)) => vec![text],
        Ok(Texts::Many(texts)) => texts,
        Err(_) => return Err(serde::de::Error::custom("a text or a list of texts is expected")),
    };
    texts.iter().map(|text| text.parse().map_err(serde::de::Error::custom)).collect()
}

fn refusing_status<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let status = u16::deserialize(deserializer)?;
    if (300..700).contains(&status) {
        Ok(status)
    } else {
        Err(serde::de::Error::custom(format!("{status} refuses nothing: SIP statuses from 300 to 699 do")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(json: &str) -> Result<Peer, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_row_names_one_or_many() {
        let one = peer(r#"{"address": "10.0.0.0/8", "user_agent": "Acme*"}"#).unwrap();
        let many = peer(r#"{"address": ["10.0.0.0/8"], "user_agent": ["Acme*"]}"#).unwrap();
        assert_eq!(one, many);
        assert_eq!((one.called().as_str(), one.is_proven()), ("10.0.0.0/8", true));
        assert!(!peer(r#"{"user_agent": "x"}"#).unwrap().is_proven() && !peer("{}").unwrap().names_somebody());
        assert!(peer(r#"{"address": 7}"#).unwrap_err().starts_with("a text or a list of texts"));
        assert!(peer(r#"{"address": ["ten"]}"#).unwrap_err().starts_with("`ten` is no network"));
        assert!(peer(r#"{"adress": "10.0.0.1"}"#).unwrap_err().starts_with("unknown field"));
    }

    #[test]
    fn a_refusal_refuses() {
        let refusal = |json: &str| serde_json::from_str::<Refusal>(json).map_err(|error| error.to_string());
        let moved = refusal(r#"{"status": 302, "contact": "sip:b.example.com"}"#).unwrap();
        assert_eq!(moved.contact.unwrap().to_string(), "sip:b.example.com");
        assert!(refusal(r#"{"status": 200}"#).unwrap_err().starts_with("200 refuses nothing"));
        assert!(refusal(r#"{"contact": "tel:+1"}"#).unwrap_err().starts_with("`tel:+1` is no SIP URI"));
        assert!(refusal(r#"{"contact": "b.example.com"}"#).unwrap_err().contains("the URI has no scheme"));
    }
}
