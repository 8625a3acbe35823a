//! Captures made by hand: UDP, whole and in fragments, TCP in any order; raw IP in a classic pcap.

use std::net::SocketAddr;
use std::path::Path;

use siprec_core::journal::datagram;

const MS: u64 = 1_000_000;
const START_S: u64 = 1_790_000_000;
const IP_HEADER: usize = 20;

/// Frames with their times, ns.
#[derive(Default)]
pub(super) struct Capture {
    frames: Vec<(u64, Vec<u8>)>,
    identification: u16,
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

impl Capture {
    /// A datagram.
    pub(super) fn udp(&mut self, at_ms: u64, from: &str, to: &str, payload: &[u8]) -> &mut Self {
        self.udp_at(at_ms * MS, from, to, payload)
    }

    /// A datagram at a time in ns.
    pub(super) fn udp_at(&mut self, at: u64, from: &str, to: &str, payload: &[u8]) -> &mut Self {
        let mut frame = Vec::new();
        datagram(&mut frame, address(from), address(to), payload);
        self.frames.push((at, frame));
        self
    }

    /// A datagram in fragments of `size` octets, the last one first.
    pub(super) fn fragmented(&mut self, at_ms: u64, from: &str, to: &str, payload: &[u8], size: usize) -> &mut Self {
        let mut whole = Vec::new();
        datagram(&mut whole, address(from), address(to), payload);
        let (header, body) = whole.split_at(IP_HEADER);
        self.identification += 1;
        let count = body.len().div_ceil(size);
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        for (nth, piece) in body.chunks(size).enumerate() {
            let mut frame = header.to_vec();
            frame[2..4].copy_from_slice(&u16::try_from(IP_HEADER + piece.len()).unwrap().to_be_bytes());
            frame[4..6].copy_from_slice(&self.identification.to_be_bytes());
            let more = if nth + 1 < count { 0x2000 } else { 0 };
            let offset = u16::try_from(nth * size / 8).unwrap() | more;
            frame[6..8].copy_from_slice(&offset.to_be_bytes());
            sum(&mut frame);
            frame.extend(piece);
            pieces.push(frame);
        }
        for (nth, piece) in pieces.into_iter().rev().enumerate() {
            self.frames.push((at_ms * MS + nth as u64 * 1_000, piece));
        }
        self
    }

    /// A TCP segment.
    pub(super) fn tcp(&mut self, at_ms: u64, from: &str, to: &str, sequence: u32, payload: &[u8]) -> &mut Self {
        let (from, to) = (address(from), address(to));
        let mut frame = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0];
        for end in [from, to] {
            let SocketAddr::V4(v4) = end else { panic!("IPv4") };
            frame.extend(v4.ip().octets());
        }
        frame[2..4].copy_from_slice(&u16::try_from(40 + payload.len()).unwrap().to_be_bytes());
        sum(&mut frame);
        frame.extend(from.port().to_be_bytes());
        frame.extend(to.port().to_be_bytes());
        frame.extend(sequence.to_be_bytes());
        frame.extend(1_u32.to_be_bytes());
        // Five words; ACK and PSH; window; no checksum; no urgent data.
        frame.extend([0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
        frame.extend(payload);
        self.frames.push((at_ms * MS, frame));
        self
    }

    /// Writes the pcap, by time.
    pub(super) fn write(&mut self, path: &Path) {
        self.frames.sort_by_key(|(at, _)| *at);
        // Nanoseconds; version 2.4; no zone; as long as need be; link type 101, raw IP.
        let mut out: Vec<u8> =
            [0xa1b2_3c4d_u32, 4 << 16 | 2, 0, 0, 65_575, 101].iter().flat_map(|f| f.to_le_bytes()).collect();
        for (at, frame) in &self.frames {
            let length = frame.len() as u64;
            for field in [START_S + at / 1_000_000_000, at % 1_000_000_000, length, length] {
                out.extend(u32::try_from(field).unwrap().to_le_bytes());
            }
            out.extend(frame);
        }
        std::fs::write(path, out).unwrap();
    }
}

/// RFC 791 3.1: of an IPv4 header.
fn sum(header: &mut [u8]) {
    header[10..12].fill(0);
    let mut sum: u32 =
        header[..IP_HEADER].chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = !u16::try_from(sum).unwrap();
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// An RTP packet.
pub(super) fn rtp(payload_type: u8, sequence: u16, timestamp: u32, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type];
    packet.extend(sequence.to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

/// A SIP message of a call.
pub(super) struct Sip<'a> {
    pub(super) call: &'a str,
    pub(super) first: &'a str,
    pub(super) cseq: &'a str,
    pub(super) to_tag: &'a str,
    pub(super) transport: &'a str,
    pub(super) extra: &'a str,
    pub(super) content_type: &'a str,
    pub(super) body: &'a str,
}

impl Default for Sip<'_> {
    fn default() -> Self {
        Self {
            call: "call-1",
            first: "",
            cseq: "1 INVITE",
            to_tag: "",
            transport: "UDP",
            extra: "",
            content_type: "application/sdp",
            body: "",
        }
    }
}

impl Sip<'_> {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let to_tag = if self.to_tag.is_empty() { String::new() } else { format!(";tag={}", self.to_tag) };
        let kind =
            if self.body.is_empty() { String::new() } else { format!("Content-Type: {}\r\n", self.content_type) };
        let branch = self.cseq.replace(' ', "");
        format!(
            "{}\r\nVia: SIP/2.0/{} 192.0.2.1:5060;branch=z9hG4bK{}{branch}\r\nMax-Forwards: 70\r\n\
             From: \"Ann\" <sip:4711@example.com>;tag={}-a\r\nTo: <sip:4712@example.com>{to_tag}\r\nCall-ID: {}\r\n\
             CSeq: {}\r\nContact: <sip:src@192.0.2.1:5060>;+sip.src\r\n{}{kind}Content-Length: {}\r\n\r\n{}",
            self.first,
            self.transport,
            self.call,
            self.call,
            self.call,
            self.cseq,
            self.extra,
            self.body.len(),
            self.body
        )
        .into_bytes()
    }
}

/// A description of m-lines: port, label, direction, and lines of its own.
pub(super) fn sdp(host: &str, protocol: &str, lines: &[(u16, &str, &str, &str)]) -> String {
    let mut out = format!("v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n");
    for (port, label, direction, more) in lines {
        out.push_str(&format!(
            "m=audio {port} {protocol} 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=label:{label}\r\na={direction}\r\n{more}"
        ));
    }
    out
}

/// SDP and metadata in one body; its type is [`MIXED`].
pub(super) fn mixed(sdp: &str, metadata: &str) -> String {
    format!(
        "--b\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--b\r\nContent-Type: application/rs-metadata+xml\r\n\
         Content-Disposition: recording-session\r\n\r\n{metadata}\r\n--b--\r\n"
    )
}

pub(super) const MIXED: &str = "multipart/mixed;boundary=b";

/// Metadata of participants who each send on the stream with their label: (id, name, label).
pub(super) fn metadata(people: &[(&str, &str, &str)]) -> String {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<recording xmlns=\"urn:ietf:params:xml:ns:recording:1\">\r\n\
         <datamode>complete</datamode>\r\n<session session_id=\"cs-1\"><sipSessionID>f81d4fae7dec11d0a76500a0c91e6bf6;remote=0</sipSessionID></session>\r\n",
    );
    for (id, name, label) in people {
        out.push_str(&format!(
            "<participant participant_id=\"{id}\"><nameID aor=\"sip:{id}@example.com\"><name xml:lang=\"en\">{name}</name></nameID></participant>\r\n\
             <stream stream_id=\"s{label}\" session_id=\"cs-1\"><label>{label}</label></stream>\r\n\
             <participantsessionassoc participant_id=\"{id}\" session_id=\"cs-1\"></participantsessionassoc>\r\n\
             <participantstreamassoc participant_id=\"{id}\"><send>s{label}</send></participantstreamassoc>\r\n"
        ));
    }
    out + "</recording>"
}
