//! `server.tls`: SIP over TLS, and by what its peers are known.

use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::model::Config;
use super::values::{Invalid, ListenAddress, text_value};

/// `server.tls`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// Whether SIP is received over TLS.
    pub enabled: bool,
    /// Where it is received.
    pub address: ListenAddress,
    /// Certificate chain, PEM, the server's own first.
    pub cert_file: Option<PathBuf>,
    /// Private key, PEM.
    pub key_file: Option<PathBuf>,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
    /// Whether who connects must show a certificate.
    pub client_auth: ClientAuth,
    /// Certificates of the CAs that vouch for peers, PEM; none: this machine's, and only for servers that we connect to.
    pub client_ca_file: Option<PathBuf>,
    /// The names that a peer's certificate may be for; empty: any that its CA vouches for.
    pub allowed_names: Vec<String>,
    /// Certificates that are accepted whoever issued them, whatever they name.
    pub pins: Vec<Pin>,
    /// Whether a server that we connect to must show a certificate that is accepted.
    pub verify_peers: bool,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            address: ListenAddress { ip: None, port: 5061 },
            cert_file: None,
            key_file: None,
            min_version: TlsVersion::V1_2,
            client_auth: ClientAuth::None,
            client_ca_file: None,
            allowed_names: Vec::new(),
            pins: Vec::new(),
            verify_peers: true,
        }
    }
}

impl Config {
    /// `server.tls`, with the certificates among its pins that `peers` names by their fingerprint: who is named there is
    /// let in.
    pub fn tls(&self) -> TlsConfig {
        let mut tls = self.server.tls.clone();
        let named = self.peers.iter().filter(|peer| peer.allow).flat_map(|peer| &peer.certificate_fingerprint);
        tls.pins.extend(named);
        tls
    }
}

/// Whether who connects must show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    /// Nobody is asked for one.
    None,
    /// One that is shown must be accepted.
    Optional,
    /// Without one that is accepted nobody gets in.
    Required,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    V1_2,
    /// TLS 1.3 (RFC 8446).
    V1_3,
}

impl FromStr for TlsVersion {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "1.2" => Ok(Self::V1_2),
            "1.3" => Ok(Self::V1_3),
            _ => Err(Invalid::because(format!("`{text}` is no version of TLS that is safe: write \"1.2\" or \"1.3\""))),
        }
    }
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_2 => "1.2",
            Self::V1_3 => "1.3",
        })
    }
}

impl Serialize for TlsVersion {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

// In YAML, 1.2 without quotes is a number.
impl<'de> Deserialize<'de> for TlsVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The SHA-256 of a certificate (DER).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin(pub [u8; 32]);

impl FromStr for Pin {
    type Err = Invalid;

    /// 64 hexadecimal digits, with or without colons; what openssl prints before them (`sha256 Fingerprint=`) may stay.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let wrong = || {
            Invalid::because(format!(
                "`{text}` is no SHA-256 fingerprint: write 64 hexadecimal digits, as `openssl x509 -noout -fingerprint \
                 -sha256 -in FILE` prints them"
            ))
        };
        let digits = text.rsplit_once('=').map_or(text, |(_, digits)| digits);
        let digits: String = digits.trim().chars().filter(|c| *c != ':').collect();
        if digits.len() != 64 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut pin = [0; 32];
        for (byte, pair) in pin.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            let pair = str::from_utf8(pair).map_err(|_| wrong())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
        }
        Ok(Self(pin))
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> = self.0.iter().map(|byte| format!("{byte:02X}")).collect();
        f.write_str(&pairs.join(":"))
    }
}

text_value!(Pin, "a SHA-256 fingerprint of a certificate");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_read_as_openssl_prints_it() {
        let digits = "AB".repeat(32);
        let colons = vec!["ab"; 32].join(":");
        for text in [digits.clone(), colons.clone(), format!("sha256 Fingerprint={colons}")] {
            assert_eq!(text.parse(), Ok(Pin([0xab; 32])), "{text}");
        }
        assert_eq!(Pin([0xab; 32]).to_string(), vec!["AB"; 32].join(":"));
        for text in ["", "AB", &digits[1..], &format!("{}zz", &digits[2..]), &format!("{}+1", &digits[2..])] {
            assert!(text.parse::<Pin>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_version_needs_no_quotes() {
        for text in ["min_version: 1.3", "min_version: \"1.3\""] {
            assert_eq!(serde_saphyr::from_str::<TlsConfig>(text).unwrap().min_version, TlsVersion::V1_3, "{text}");
        }
        let error = serde_saphyr::from_str::<TlsConfig>("min_version: 1.1").unwrap_err().to_string();
        assert!(error.contains("no version of TLS that is safe"), "{error}");
    }
}
