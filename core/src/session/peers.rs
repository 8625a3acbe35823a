//! Who asks, and what holds for whom: the rows of the operator's table of peers.
//!
//! A row says whom it is about (addresses, certificates, User-Agents: each kind that it names must fit, any of the kind
//! will do) and which rules hold for them. The first row that fits counts; where none does, the server's own rules hold.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::sdp::crypto::CryptoPolicy;
use crate::sip::PeerCertificate;

/// Who sends a request.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// Where it comes from.
    pub address: IpAddr,
    /// What it showed in the TLS handshake.
    pub certificate: Option<&'a PeerCertificate>,
    /// What it calls itself. Anybody can write anything here.
    pub user_agent: Option<&'a str>,
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// What the operator calls it; sessions remember it.
    pub name: String,
    /// Whom it is about.
    pub who: Who,
    /// What holds for them.
    pub rules: Rules,
}

/// Whom a row is about. A kind that is empty is not asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Who {
    /// Addresses.
    pub networks: Vec<Network>,
    /// Certificate names (`*.example.com` is a pattern).
    pub certificate_names: Vec<Pattern>,
    /// SHA-256 of certificates.
    pub fingerprints: Vec<[u8; 32]>,
    /// User-Agent.
    pub user_agents: Vec<Pattern>,
}

impl Who {
    /// Whether `asker` is meant. A row that names nobody means nobody.
    pub fn is(&self, asker: &Asker<'_>) -> bool {
        let by_certificate = !self.certificate_names.is_empty() || !self.fingerprints.is_empty();
        if self.networks.is_empty() && !by_certificate && self.user_agents.is_empty() {
            return false;
        }
        (self.networks.is_empty() || self.networks.iter().any(|network| network.holds(asker.address)))
            && (!by_certificate || asker.certificate.is_some_and(|certificate| self.shows(certificate)))
            && (self.user_agents.is_empty()
                || asker.user_agent.is_some_and(|agent| self.user_agents.iter().any(|pattern| pattern.fits(agent))))
    }

    fn shows(&self, certificate: &PeerCertificate) -> bool {
        self.fingerprints.contains(&certificate.fingerprint_sha256)
            || certificate.names.iter().any(|name| self.certificate_names.iter().any(|pattern| pattern.fits(name)))
    }

    /// Whether the row knows this sender by something that is hard to forge: before a request is read, that decides
    /// which limit it is under.
    pub fn knows_source(&self, address: IpAddr, certificate: Option<&PeerCertificate>) -> bool {
        self.networks.iter().any(|network| network.holds(address))
            || certificate.is_some_and(|certificate| self.shows(certificate))
    }
}

/// What holds for a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Whether it may record at all.
    pub allow: bool,
    /// New calls over TLS only.
    pub require_tls: bool,
    /// Media under SRTP only.
    pub require_srtp: bool,
    /// SRTP keys (RFC 4568) are taken from signalling that anybody can read.
    pub sdes_over_clear: bool,
    /// Which keys are taken.
    pub srtp: CryptoPolicy,
    /// An INVITE must carry digest credentials (RFC 3261 22).
    pub digest: Option<DigestUsers>,
    /// An INVITE must be as RFC 7866 6.2 has it: the option tag and the feature tag both.
    pub strict_siprec: bool,
    /// A timer, a missing ACK or a 481 ends a call although its audio flows.
    pub strict_dialogs: bool,
    /// Ordinary INVITEs (no SIPREC in them) are recorded as well.
    pub legacy: bool,
    /// What is said over capacity.
    pub refusal: Refusal,
    /// Its sessions at a time, where it has a limit of its own.
    pub max_sessions: Option<usize>,
    /// New requests a second from one address of it; none: no limit.
    pub requests_per_second: Option<u32>,
    /// What its recordings are tagged with.
    pub tags: Vec<String>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            allow: true,
            require_tls: false,
            require_srtp: false,
            sdes_over_clear: false,
            srtp: CryptoPolicy::default(),
            digest: None,
            strict_siprec: false,
            strict_dialogs: false,
            legacy: false,
            refusal: Refusal::default(),
            max_sessions: None,
            requests_per_second: None,
            tags: Vec::new(),
        }
    }
}

/// As whom a peer may authenticate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DigestUsers {
    /// As any user there is.
    Any,
    /// As one of these.
    Named(Vec<String>),
}

impl DigestUsers {
    /// Whether `user` is among them.
    pub fn has(&self, user: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Named(names) => names.iter().any(|name| name == user),
        }
    }
}

/// How an INVITE is refused over capacity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// Retry-After, seconds. Left out where there is none: it can black out a whole site.
    pub retry_after_seconds: Option<u32>,
    /// Contact of a 3xx: the server to try instead.
    pub contact: Option<String>,
}

impl Default for Refusal {
    fn default() -> Self {
        Self { status: 503, retry_after_seconds: None, contact: None }
    }
}

/// Addresses with a common prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// An address of it.
    pub address: IpAddr,
    /// Leading bits that count.
    pub prefix: u8,
}

impl Network {
    /// Whether `address` lies in it. An IPv4 address that an IPv6 socket shows counts as IPv4.
    pub fn holds(&self, address: IpAddr) -> bool {
        let differ = match (self.address, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        };
        differ >= u32::from(self.prefix)
    }
}

/// A text in which `*` stands for anything; case does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// A pattern as the operator writes it.
    pub fn new(text: &str) -> Self {
        Self(text.to_ascii_lowercase())
    }

    /// Whether all of `text` fits. Linear in practice and never worse than both lengths multiplied: after a `*` the
    /// next piece is taken where it first occurs, which leaves the most for those after it.
    pub fn fits(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        let Some((first, rest)) = self.0.split_once('*') else { return self.0 == text };
        let Some(mut left) = text.strip_prefix(first) else { return false };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        for piece in middle.split('*') {
            let Some((_, after)) = left.split_once(piece) else { return false };
            left = after;
        }
        left.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn network(text: &str) -> Network {
        let (address, prefix) = text.split_once('/').unwrap();
        Network { address: address.parse().unwrap(), prefix: prefix.parse().unwrap() }
    }

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        let holds = |n: &str, address: &str| network(n).holds(address.parse().unwrap());
        assert!(holds("10.0.0.0/8", "10.200.1.1") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("0.0.0.0/0", "192.0.2.1") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("2001:db8::/32", "2001:db8:5::1"));
        assert!(holds("192.0.2.7/32", "::ffff:192.0.2.7") && !holds("192.0.2.7/32", "192.0.2.8"));
    }

    #[test]
    fn a_star_stands_for_anything() {
        let fits = |pattern: &str, text: &str| Pattern::new(pattern).fits(text);
        assert!(
            fits("Acme*", "acme SBC/9.0") && fits("*sbc*", "Acme SBC/9.0") && fits("*", "") && fits("a*b*c", "aXbYc")
        );
        assert!(fits("acme", "ACME") && fits("**x", "x") && fits("a*a", "aa") && fits("*ab*ab", "abab"));
        assert!(!fits("acme", "acme 1") && !fits("a*a", "a") && !fits("*ab*ab", "ab") && !fits("", "x"));
    }

    #[test]
    fn every_kind_that_a_row_names_must_fit() {
        let certificate = PeerCertificate { fingerprint_sha256: [7; 32], names: ["sbc.example.com".into()].to_vec() };
        let asker = |address: &str, agent| Asker {
            address: address.parse().unwrap(),
            certificate: Some(&certificate),
            user_agent: agent,
        };
        let mut who = Who { networks: [network("10.0.0.0/8")].to_vec(), ..Who::default() };
        assert!(who.is(&asker("10.1.1.1", None)) && !who.is(&asker("192.0.2.1", None)));
        who.user_agents = [Pattern::new("acme*")].to_vec();
        assert!(who.is(&asker("10.1.1.1", Some("Acme 1"))) && !who.is(&asker("10.1.1.1", None)));
        who.certificate_names = [Pattern::new("*.example.com")].to_vec();
        assert!(who.is(&asker("10.1.1.1", Some("Acme 1"))));
        who.certificate_names = [Pattern::new("other")].to_vec();
        assert!(!who.is(&asker("10.1.1.1", Some("Acme 1"))));
        who.fingerprints = [[7; 32]].to_vec();
        assert!(who.is(&asker("10.1.1.1", Some("Acme 1"))), "a name or a pin");
        assert!(!Who::default().is(&asker("10.1.1.1", None)), "nobody is named");
    }
}
