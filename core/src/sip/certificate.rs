//! What a peer's certificate says of it, once the shell has verified it (RFC 5922).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

/// The certificate that a peer showed on a TLS connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeerCertificate {
    /// SHA-256 over the certificate as it was sent (DER).
    pub fingerprint_sha256: [u8; 32],
    /// The SIP domains and hosts that it is for, by the order of RFC 5922 7.1: those of its `sip:` URIs, else its DNS
    /// names and addresses, else its common name. Lower case; empty where it names nobody.
    pub names: Vec<String>,
}

impl PeerCertificate {
    /// The fingerprint as an operator writes it: 64 hexadecimal digits in pairs with colons.
    pub fn fingerprint(&self) -> String {
        let mut text = String::with_capacity(95);
        for (n, byte) in self.fingerprint_sha256.iter().enumerate() {
            let colon = if n == 0 { "" } else { ":" };
            let _ = write!(text, "{colon}{byte:02X}");
        }
        text
    }

    /// Whether it is for `name`, a domain or a `sip:` URI of one. Whole names only, in either case: a wildcard in a
    /// certificate stands for nothing (RFC 5922 7.2).
    pub fn is_for(&self, name: &str) -> bool {
        let wanted = sip_domain(name);
        !wanted.contains('*') && self.names.iter().any(|own| own.eq_ignore_ascii_case(wanted))
    }
}

/// The domain of `sip:example.com`; other texts are domains themselves.
fn sip_domain(name: &str) -> &str {
    match name.split_once(':') {
        Some((scheme, domain)) if scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips") => domain,
        Some(_) | None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> PeerCertificate {
        PeerCertificate { names: names.iter().map(|name| String::from(*name)).collect(), ..PeerCertificate::default() }
    }

    #[test]
    fn whole_names_count_in_either_case() {
        let certificate = named(&["sbc-a.example.com", "192.0.2.7"]);
        assert!(certificate.is_for("SBC-A.example.com") && certificate.is_for("sip:sbc-a.example.com"));
        assert!(certificate.is_for("192.0.2.7"));
        assert!(!certificate.is_for("tel:sbc-a.example.com"), "a URI of another kind names no domain");
        assert!(!certificate.is_for("example.com") && !certificate.is_for("b.sbc-a.example.com"));
    }

    #[test]
    fn a_wildcard_is_for_nobody() {
        assert!(!named(&["*.example.com"]).is_for("sbc-a.example.com"));
        assert!(!named(&["*.example.com"]).is_for("*.example.com"));
    }

    #[test]
    fn a_fingerprint_can_be_pasted() {
        let text = named(&[]).fingerprint();
        assert!(text.starts_with("00:00:") && text.len() == 95);
    }
}
