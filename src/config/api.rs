//! `api`: REST, WebSocket and what comes with them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::model::Config;
use super::tls::{ClientAuth, TlsConfig, TlsVersion};
use super::values::{Invalid, ListenAddress, Span, text_value};

/// `api`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiConfig {
    /// Whether it is served.
    pub enabled: bool,
    /// Where.
    pub address: ListenAddress,
    /// Connections at one time.
    pub max_connections: u16,
    /// A session that is paused over the API is kept again after so long, whatever was asked.
    pub max_pause: Span,
    /// A recording that was begun over the API ends after so long without media.
    pub end_silent_after: Span,
    /// Requests a second of one caller; 0: no limit.
    pub rate_limit: u32,
    /// Pages of other sites that may ask from browsers.
    pub cors: Vec<WebOrigin>,
    /// HTTPS.
    pub tls: ApiTlsConfig,
}

impl Default for ApiConfig {
    fn default() -> Self {
        let address = ListenAddress { ip: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), port: 8080 };
        Self {
            enabled: true,
            address,
            max_connections: 512,
            max_pause: Span(Duration::from_secs(30 * 60)),
            end_silent_after: Span(Duration::from_secs(3600)),
            rate_limit: 200,
            cors: Vec::new(),
            tls: ApiTlsConfig::default(),
        }
    }
}

/// `api.tls`: HTTPS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiTlsConfig {
    /// Whether it is HTTPS that is served, and nothing else.
    pub enabled: bool,
    /// Certificate chain, PEM, the server's own first.
    pub cert_file: Option<PathBuf>,
    /// Private key, PEM.
    pub key_file: Option<PathBuf>,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
    /// Whether who connects must show a certificate.
    pub client_auth: ClientAuth,
    /// Certificates of the CAs that vouch for users, PEM.
    pub client_ca_file: Option<PathBuf>,
}

impl Default for ApiTlsConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            cert_file: None,
            key_file: None,
            min_version: TlsVersion::V1_2,
            client_auth: ClientAuth::None,
            client_ca_file: None,
        }
    }
}

impl Config {
    /// `api.tls` in the form of `server.tls`; certificates that `auth.certificates` names by their fingerprint are let in.
    pub fn api_tls(&self) -> TlsConfig {
        let tls = self.api.tls.clone();
        TlsConfig {
            enabled: self.api.enabled && tls.enabled,
            address: self.api.address,
            cert_file: tls.cert_file,
            key_file: tls.key_file,
            min_version: tls.min_version,
            client_auth: tls.client_auth,
            client_ca_file: tls.client_ca_file,
            allowed_names: Vec::new(),
            pins: self.auth.certificates.iter().filter_map(|row| row.fingerprint).collect(),
            // It connects to nobody: the machine's own CAs have no say in who may use the API.
            verify_peers: false,
        }
    }
}

/// The origin of a web page (RFC 6454): `https://desk.example.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebOrigin(String);

impl WebOrigin {
    /// As a browser sends it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for WebOrigin {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let lower = text.to_ascii_lowercase();
        let host = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"));
        let is_host =
            |host: &str| !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]_".contains(c));
        host.is_some_and(is_host).then_some(Self(lower.clone())).ok_or_else(|| {
            Invalid::because(format!(
                "`{text}` is no origin of a page: write it as \"https://desk.example.com\", with its port and without a path; \
                 all of them at once (*) are not let in"
            ))
        })
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(WebOrigin, "the origin of a page, as \"https://desk.example.com\"");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        for text in ["https://desk.example.com", "http://localhost:3000", "http://[::1]:3000"] {
            assert_eq!(text.parse::<WebOrigin>().unwrap().as_str(), text);
        }
        for text in ["*", "null", "desk.example.com", "https://desk.example.com/", "https://a b", "https://"] {
            assert!(text.parse::<WebOrigin>().is_err(), "{text}");
        }
    }
}
