//! A stream between us and a peer, as the router knows it.

use crate::sip::framing::Framer;
use crate::sip::{Flow, PeerCertificate};

pub(super) struct Connection {
    pub(super) framer: Framer,
    pub(super) flow: Flow,
    /// How often its bytes could not be followed.
    pub(super) breaks: u8,
    /// Over TLS: what the peer showed of itself.
    pub(super) certificate: Option<PeerCertificate>,
}

impl Connection {
    pub(super) fn new(flow: Flow, certificate: Option<PeerCertificate>) -> Self {
        Self { framer: Framer::default(), flow, breaks: 0, certificate }
    }
}
