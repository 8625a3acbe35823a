//! What a certificate says of its owner, read for the log, the allow-list and the calendar. It verifies nothing.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use siprec_core::sip::PeerCertificate;
use siprec_core::time::Wall;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

/// Names that are looked at: a certificate of thousands is somebody's joke.
const MAX_NAMES: usize = 100;
const SECOND_NS: i64 = 1_000_000_000;

/// A certificate, as people talk of it.
#[derive(Debug, Clone)]
pub(super) struct Certificate {
    pub(super) peer: PeerCertificate,
    pub(super) not_before: Wall,
    pub(super) not_after: Wall,
    subject: String,
    issuer: String,
}

impl Certificate {
    /// Reads one; `None` for what is no X.509.
    pub(super) fn read(der: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        let wall = |seconds: i64| Wall(seconds.saturating_mul(SECOND_NS));
        Some(Self {
            peer: PeerCertificate { fingerprint_sha256: fingerprint(der), names: names(&parsed) },
            not_before: wall(parsed.validity().not_before.timestamp()),
            not_after: wall(parsed.validity().not_after.timestamp()),
            subject: parsed.subject().to_string(),
            issuer: parsed.issuer().to_string(),
        })
    }
}

impl Certificate {
    /// Whose it is, for people.
    pub(super) fn subject(&self) -> &str {
        &self.subject
    }

    /// Who vouches for it, for people.
    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }
}

/// SHA-256 over a certificate as it is sent.
pub(super) fn fingerprint(der: &CertificateDer<'_>) -> [u8; 32] {
    Sha256::digest(der).into()
}

/// Whom the certificate is for, in the order of RFC 5922 7.1: the `sip:` URIs of its alternative names; without any,
/// the DNS names and addresses of those; and only without alternative names the common name.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let Some(alternative) = alternative else {
        let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
        return common.take(MAX_NAMES).map(str::to_ascii_lowercase).collect();
    };
    let all = || alternative.value.general_names.iter().take(MAX_NAMES);
    let domains: Vec<String> = all().filter_map(sip_domain).collect();
    if domains.is_empty() { all().filter_map(host).collect() } else { domains }
}

/// The domain of a `sip:` URI; one with a user part names a user and no domain (RFC 5922 7.1).
fn sip_domain(name: &GeneralName<'_>) -> Option<String> {
    let GeneralName::URI(uri) = name else { return None };
    let uri = uri.to_ascii_lowercase();
    let domain = uri.strip_prefix("sip:").or_else(|| uri.strip_prefix("sips:"))?;
    (!domain.contains('@')).then(|| domain.to_owned())
}

fn host(name: &GeneralName<'_>) -> Option<String> {
    if let GeneralName::DNSName(name) = name {
        return Some(name.to_ascii_lowercase());
    }
    let GeneralName::IPAddress(bytes) = name else { return None };
    if let Ok(v4) = <[u8; 4]>::try_from(*bytes) {
        return Some(Ipv4Addr::from(v4).to_string());
    }
    <[u8; 16]>::try_from(*bytes).ok().map(|v6| Ipv6Addr::from(v6).to_string())
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let some = |text: &str| if text.is_empty() { "nobody".to_owned() } else { printable(text) };
        write!(
            f,
            "subject {}, issuer {}, names {}, SHA-256 {}",
            some(&self.subject),
            some(&self.issuer),
            some(&self.peer.names.join(" ")),
            self.peer.fingerprint()
        )
    }
}

/// A peer's text for the log: no control characters, and not endless.
fn printable(text: &str) -> String {
    const MOST: usize = 200;
    text.chars().filter(|c| !c.is_control()).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    fn of(common: Option<&str>, alternative: Vec<SanType>) -> Certificate {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(common) = common {
            params.distinguished_name.push(DnType::CommonName, common);
        }
        params.subject_alt_names = alternative;
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Certificate::read(der.der()).unwrap()
    }

    fn dns(name: &str) -> SanType {
        SanType::DnsName(name.try_into().unwrap())
    }

    fn uri(name: &str) -> SanType {
        SanType::URI(name.try_into().unwrap())
    }

    #[test]
    fn names_count_in_the_order_of_rfc_5922() {
        assert_eq!(of(Some("SBC.example.com"), vec![]).peer.names, ["sbc.example.com"]);
        let address = SanType::IpAddress("192.0.2.7".parse().unwrap());
        assert_eq!(of(Some("cn"), vec![dns("A.example.com"), address]).peer.names, ["a.example.com", "192.0.2.7"]);
        let mixed = vec![dns("host"), uri("sip:Example.com"), uri("sip:alice@example.com"), uri("https://x")];
        assert_eq!(of(Some("cn"), mixed).peer.names, ["example.com"]);
        assert!(of(Some("cn"), vec![uri("https://x")]).peer.names.is_empty(), "the common name is not looked at");
        assert!(of(None, vec![]).peer.names.is_empty());
    }

    #[test]
    fn it_says_who_it_is() {
        let text = of(Some("sbc-a"), vec![]).to_string();
        assert!(text.starts_with("subject CN=sbc-a, issuer CN=sbc-a, names sbc-a, SHA-256 "), "{text}");
        let text = of(Some("a\nb\x1b[31m"), vec![]).to_string();
        assert!(!text.contains('\n') && !text.contains('\x1b'), "{text}");
        assert!(Certificate::read(&CertificateDer::from_slice(b"no certificate")).is_none());
    }
}
