//! What session descriptions tell of media: which codec a payload type is, and where packets are protected.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use siprec_core::rtp::rtcp;
use siprec_core::sdp::crypto::Crypto;
use siprec_core::sdp::{Description, Media, static_format};
use siprec_core::sip::{Message, multipart};

/// Addresses of media, and flows, that are remembered.
const MAX_PLACES: usize = 200_000;
/// Keys that are tried on packets.
const MAX_KEYS: usize = 256;
/// Packets of one source between the same ends after which they are taken for RTP though no message tells of them.
const CLEARLY_RTP: u32 = 5;

/// What was found of media.
#[derive(Debug, Default)]
pub(super) struct Found {
    places: HashMap<SocketAddr, Place>,
    /// Of any place, the last wins: for streams that no message of the capture places.
    encodings: HashMap<u8, String>,
    flows: HashMap<(SocketAddr, SocketAddr, u32), u32>,
    /// Where those come from and go to.
    ends: HashSet<SocketAddr>,
    /// Lines with keys, each once.
    pub(super) keys: Vec<Crypto>,
    seen: HashSet<String>,
}

#[derive(Debug, Default)]
struct Place {
    encodings: HashMap<u8, String>,
    is_protected: bool,
}

impl Found {
    /// Takes what a message tells.
    pub(super) fn message(&mut self, bytes: &[u8]) {
        let Ok(message) = Message::parse_datagram(bytes) else { return };
        let content_type = message.content_type().unwrap_or("application/sdp");
        let Ok(parts) = multipart::parts(content_type, &message.body) else { return };
        for part in parts.iter().filter(|part| part.is_sdp()) {
            if let Ok(description) = Description::parse(&part.body) {
                description.media.iter().for_each(|media| self.media(media));
            }
        }
    }

    fn media(&mut self, media: &Media) {
        for line in &media.crypto {
            let value: &str = line.as_ref();
            if self.keys.len() < MAX_KEYS && self.seen.insert(value.to_owned()) {
                self.keys.extend(Crypto::parse(value));
            }
        }
        for format in &media.formats {
            self.encodings.insert(format.payload_type, format.encoding.to_string());
        }
        let Some(host) = media.connection.filter(|_| media.port != 0) else { return };
        let rtp = SocketAddr::new(host.to_canonical(), media.port);
        let rtcp = match media.rtcp {
            Some((port, address)) => SocketAddr::new(address.unwrap_or(host).to_canonical(), port),
            None => SocketAddr::new(rtp.ip(), media.port.wrapping_add(1)),
        };
        for place in [rtp, rtcp] {
            if self.places.len() >= MAX_PLACES && !self.places.contains_key(&place) {
                return;
            }
            let known = self.places.entry(place).or_default();
            known.is_protected |= media.proto.to_ascii_uppercase().contains("SAVP") || !media.crypto.is_empty();
            known.encodings.extend(media.formats.iter().map(|f| (f.payload_type, f.encoding.to_string())));
        }
    }

    /// Takes notice of a datagram that is no SIP.
    pub(super) fn datagram(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let Some(ssrc) = ssrc_of_rtp(bytes) else { return };
        let is_known = self.flows.contains_key(&(from, to, ssrc));
        if is_known || self.flows.len() < MAX_PLACES {
            let count = self.flows.entry((from, to, ssrc)).or_default();
            *count = count.saturating_add(1);
            self.ends.extend([from, to]);
        }
    }

    fn place(&self, from: SocketAddr, to: SocketAddr) -> Option<&Place> {
        self.places.get(&to).or_else(|| self.places.get(&from))
    }

    /// What a datagram is, if it is media.
    pub(super) fn kind(&self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) -> Option<Kind> {
        let is_placed = self.place(from, to).is_some();
        if rtcp::is_rtcp(bytes) {
            // The reports of a stream come from beside its ports, where they do not come from its own.
            let below = |at: SocketAddr| SocketAddr::new(at.ip(), at.port().wrapping_sub(1));
            let near = [from, to, below(from), below(to)];
            let is_report = is_placed || near.iter().any(|end| self.ends.contains(end));
            return is_report.then_some(Kind::Rtcp);
        }
        let ssrc = ssrc_of_rtp(bytes)?;
        let count = self.flows.get(&(from, to, ssrc)).copied().unwrap_or(0);
        (is_placed || count >= CLEARLY_RTP).then_some(Kind::Rtp)
    }

    /// Whether messages say that what goes there is protected.
    pub(super) fn is_protected(&self, from: SocketAddr, to: SocketAddr) -> bool {
        self.place(from, to).is_some_and(|place| place.is_protected)
    }

    /// The codec of an RTP packet.
    pub(super) fn encoding(&self, from: SocketAddr, to: SocketAddr, packet: &[u8]) -> Option<String> {
        let payload_type = packet.get(1)? & 0x7f;
        let mut placed = [to, from].into_iter().filter_map(|at| self.places.get(&at));
        let told = placed.find_map(|place| place.encodings.get(&payload_type));
        let fixed = || static_format(payload_type).map(|format| format.encoding.into_owned());
        told.cloned().or_else(fixed).or_else(|| self.encodings.get(&payload_type).cloned())
    }
}

/// What a datagram of media is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Rtp,
    Rtcp,
}

/// The source of what may be an RTP packet (RFC 3550 5.1, and RFC 7983: the first two bits tell).
fn ssrc_of_rtp(bytes: &[u8]) -> Option<u32> {
    const HEADER: usize = 12;
    let first = *bytes.first()?;
    let ssrc = bytes.get(8..HEADER)?.try_into().ok()?;
    (first >> 6 == 2 && !rtcp::is_rtcp(bytes)).then(|| u32::from_be_bytes(ssrc))
}
