//! What a call says: its lines, and its metadata.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::net::IpAddr;

use crate::metadata::{DataMode, Document, write_document};
use crate::sdp::crypto::{Crypto, InlineKey};
use crate::sdp::{Direction, Format};
use crate::sip::Flow;

/// One m-line of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// `audio`.
    pub kind: String,
    /// `RTP/AVP`.
    pub proto: String,
    /// What is sent, each payload type once.
    pub formats: Vec<Format>,
    /// `a=label`: each line has one (RFC 7866 7.1.1).
    pub label: String,
    /// Milliseconds a packet.
    pub ptime: Option<u32>,
    /// Where we send from and hear RTCP; port 0 closes the line.
    pub rtp: u16,
    /// The port of RTCP.
    pub rtcp: u16,
    /// `sendonly`, or `inactive` where it is paused.
    pub direction: Direction,
    /// Our key: the line is then `RTP/SAVP` with an `a=crypto`.
    pub key: Option<InlineKey>,
    /// Further attributes, as they stand behind `a=`.
    pub more: Vec<String>,
}

/// A body of metadata as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// `application/rs-metadata+xml`.
    pub content_type: String,
    /// The XML.
    pub bytes: Vec<u8>,
}

impl Body {
    /// A document of ours.
    pub fn of(document: &Document) -> Self {
        Self { content_type: METADATA.to_string(), bytes: write_document(document).into_bytes() }
    }
}

/// RFC 7866 12.
const METADATA: &str = "application/rs-metadata+xml";

/// A call that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The Request-URI.
    pub uri: String,
    /// From, without a tag: `<sip:src@192.0.2.1>`.
    pub from: String,
    /// The address in the session description.
    pub address: IpAddr,
    /// The lines.
    pub lines: Vec<Line>,
    /// The first metadata, as sent.
    pub metadata: Option<Body>,
    /// The same, read: what a snapshot is made of.
    pub document: Document,
}

/// A change of an established call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// All lines `inactive`.
    Hold,
    /// As they were before the hold.
    Resume,
    /// A document of ours, partial or complete.
    Metadata(Box<Document>),
    /// Lines, and metadata as it stood in a file.
    Offer {
        /// All lines from now on: never fewer than before (RFC 3264 8).
        lines: Vec<Line>,
        /// The metadata, if any came along.
        metadata: Option<Body>,
    },
    /// All there is now, whole: the server asked for it (RFC 7866 9.2).
    Snapshot,
    /// Nothing but a sign of life (RFC 4028 7.4).
    Refresh,
}

impl Plan {
    /// The session description of an offer or an answer (RFC 3264, RFC 7866 7.1.1).
    pub(super) fn description(&self, _flow: &Flow, session_id: u64, version: u64) -> Vec<u8> {
        let host = match self.address {
            IpAddr::V4(v4) => format!("IN IP4 {v4}"),
            IpAddr::V6(v6) => format!("IN IP6 {v6}"),
        };
        let mut out = format!("v=0\r\no=- {session_id} {version} {host}\r\ns=-\r\nc={host}\r\nt=0 0\r\n");
        self.lines.iter().for_each(|line| line.write(&mut out));
        out.into_bytes()
    }

    /// The complete document of now.
    pub(super) fn snapshot(&self) -> Body {
        Body::of(&Document { mode: DataMode::Complete, ..self.document.clone() })
    }
}

impl Line {
    /// Writing to a String cannot fail.
    pub(super) fn write(&self, out: &mut String) {
        let proto = match (&self.key, self.proto.as_str()) {
            (Some(_), "RTP/AVP") => "RTP/SAVP",
            (Some(_), "RTP/AVPF") => "RTP/SAVPF",
            (_, proto) => proto,
        };
        let _ = write!(out, "m={} {} {proto}", self.kind, self.rtp);
        for format in &self.formats {
            let _ = write!(out, " {}", format.payload_type);
        }
        out.push_str("\r\n");
        for Format { payload_type, encoding, clock_rate, channels, fmtp } in &self.formats {
            let channels = if *channels > 1 { format!("/{channels}") } else { String::new() };
            let _ = write!(out, "a=rtpmap:{payload_type} {encoding}/{clock_rate}{channels}\r\n");
            if let Some(fmtp) = fmtp {
                let _ = write!(out, "a=fmtp:{payload_type} {fmtp}\r\n");
            }
        }
        if let Some(ptime) = self.ptime {
            let _ = write!(out, "a=ptime:{ptime}\r\n");
        }
        if self.rtp != 0 && self.rtp.checked_add(1) != Some(self.rtcp) {
            let _ = write!(out, "a=rtcp:{}\r\n", self.rtcp);
        }
        for attribute in &self.more {
            let _ = write!(out, "a={attribute}\r\n");
        }
        if let Some(key) = self.key.as_ref().filter(|_| self.rtp != 0) {
            let _ = write!(out, "a=crypto:{}\r\n", Crypto::offer(1, key.clone()).encode());
        }
        let _ = write!(out, "a=label:{}\r\na={}\r\n", self.label, self.direction);
    }
}
