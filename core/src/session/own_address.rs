//! How we name ourselves to peers: Contact and Via.

use alloc::format;
use alloc::string::{String, ToString};

use core::net::SocketAddr;

use super::Policy;
use crate::sip::{Flow, Transport};

/// RFC 3261 19.1.2.
const DEFAULT_SIPS_PORT: u16 = 5061;

/// Our Contact on this flow, with the SRS's feature tag (RFC 7866 6.2). `secure`: the peer used `sips`, and so must we
/// (RFC 3261 12.1.1). Who came over TLS with `sip` gets a `sip` URI back: `sips` would upgrade what it did not ask
/// to have upgraded (RFC 5630 3.1.3, 4), and SBCs that know `transport=tls` only could not reach it. Who uses `sips` in clear
/// (behind something that ends TLS for it) gets it back all the same: with our address for TLS, or on the port that is its default.
pub(super) fn contact(flow: &Flow, secure: bool, policy: &Policy) -> String {
    let host = sent_by(flow, policy);
    match flow.transport {
        Transport::Udp | Transport::Tcp if secure => {
            let host = policy.advertised_tls.clone();
            let host = host.unwrap_or_else(|| SocketAddr::new(flow.local.ip(), DEFAULT_SIPS_PORT).to_string());
            format!("<sips:srs@{host}>;+sip.srs")
        }
        Transport::Udp => format!("<sip:srs@{host}>;+sip.srs"),
        Transport::Tcp => format!("<sip:srs@{host};transport=tcp>;+sip.srs"),
        Transport::Tls if secure => format!("<sips:srs@{host}>;+sip.srs"),
        Transport::Tls => format!("<sip:srs@{host};transport=tls>;+sip.srs"),
    }
}

/// What our Via names (RFC 3261 18.1.1): what is advertised, else our end of the flow.
pub(super) fn sent_by(flow: &Flow, policy: &Policy) -> String {
    let advertised = match flow.transport {
        Transport::Udp | Transport::Tcp => &policy.advertised_signalling,
        Transport::Tls => &policy.advertised_tls,
    };
    advertised.clone().unwrap_or_else(|| flow.local.to_string())
}
