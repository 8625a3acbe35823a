//! SDP (RFC 8866) and offer/answer (RFC 3264), as a recorder needs them: it only ever receives.
//!
//! ```text
//! bytes -> Description::parse -> decide(policy) -> Decision -> encode_answer -> bytes
//! ```
//! Pure: ports and addresses come in as [`LocalMedia`], nothing is opened here.

mod answer;
pub mod crypto;
pub mod dtls;
mod encode;
mod feedback;
pub mod fingerprint;
pub(crate) mod lines;
mod parse;
mod payload;

pub use answer::{Accepted, AnswerPolicy, Decided, Decision, NotRecorded, PauseKind, Refusal, decide, decide_each};
pub use encode::{LocalMedia, OfferedStream, encode_answer, encode_offer, fresh_offer, same_offer};
pub use feedback::Feedback;
pub use parse::{MAX_MEDIA, SdpError};
pub use payload::{canonical_encoding, is_known_audio, is_supplementary, static_format};

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

use crypto::CryptoLine;

/// A payload type and what it means (RFC 8866 6.6, RFC 3551 6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    /// RTP payload type.
    pub payload_type: u8,
    /// Encoding name in its registered spelling: `PCMA`, `L16`, `telephone-event`.
    pub encoding: Cow<'static, str>,
    /// RTP clock rate, Hz.
    pub clock_rate: u32,
    /// Channels, 1 where the rtpmap names none.
    pub channels: u8,
    /// `a=fmtp`, as offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fmtp: Option<String>,
}

/// The `o=` line (RFC 8866 5.2). Only kept: a peer's version is no proof that nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Origin {
    /// User name, `-` where there is none.
    pub username: String,
    /// Session id, as written.
    pub session_id: String,
    /// Session version, as written.
    pub version: String,
    /// The value of the whole line.
    pub raw: String,
}

/// What a `c=` line names (RFC 8866 5.7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Host {
    /// An address.
    Address(IpAddr),
    /// A name, or something that is no address.
    Name(String),
}

impl Host {
    /// The address, if it is one.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(*address),
            Self::Name(_) => None,
        }
    }

    /// Whether it says "send nothing here": the unspecified address (RFC 3264 8.4) or a name under `.invalid`
    /// (RFC 6337 5.3).
    pub fn is_zero(&self) -> bool {
        match self {
            Self::Address(address) => address.is_unspecified(),
            Self::Name(name) => name.to_ascii_lowercase().trim_end_matches('.').ends_with(".invalid"),
        }
    }
}

/// Who sends (RFC 8866 6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Both. What is meant where nothing is said.
    SendRecv,
    /// The one who writes it sends.
    SendOnly,
    /// The one who writes it receives.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// The attribute's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive]
            .into_iter()
            .find(|direction| direction.as_str().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A session description. Parse it with [`Description::parse`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Description {
    /// `o=`.
    pub origin: Origin,
    /// `s=`, trimmed.
    pub session_name: String,
    /// Session-level `c=`.
    pub connection: Option<Host>,
    /// Values of the `t=` lines, to be mirrored in an answer (RFC 3264 6).
    pub timing: Vec<String>,
    /// Session-level attributes, in order.
    pub attributes: Vec<(Cow<'static, str>, Option<String>)>,
    /// The m-lines, in order.
    pub media: Vec<Media>,
}

/// An m-line with its attributes; what it inherits from the session level is already resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// `audio`, `video`, `text` ... in lower case.
    pub kind: String,
    /// The port; 0 closes the stream.
    pub port: u16,
    /// Media, port, proto or formats of its m= line are missing or cannot be read: it has its place, and is not received.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub unreadable: bool,
    /// `RTP/AVP`, as written.
    pub proto: String,
    /// The formats, as written.
    pub formats_raw: Vec<String>,
    /// The payload types that have a meaning, in the order of the m-line.
    pub formats: Vec<Format>,
    /// `a=label` (RFC 4574), an opaque token.
    pub label: Option<String>,
    /// Of the m-line, else of the session, else `sendrecv`.
    pub direction: Direction,
    /// Where it says it is: the m-line's `c=`, else the session's.
    pub host: Option<Host>,
    /// The address of [`Media::host`], if it is one.
    pub connection: Option<IpAddr>,
    /// `a=rtcp` (RFC 3605).
    pub rtcp: Option<(u16, Option<IpAddr>)>,
    /// `a=rtcp-mux` (RFC 5761).
    pub rtcp_mux: bool,
    /// `a=ptime`, ms.
    pub ptime: Option<u32>,
    /// Values of the `a=crypto` lines (RFC 4568).
    pub crypto: Vec<CryptoLine>,
    /// Of DTLS-SRTP: values of the m-line's, else of the session's attributes.
    #[serde(default)]
    pub dtls: DtlsAttributes,
    /// All attributes of the m-line, in order; those of `a=crypto` without their keys.
    pub attributes: Vec<(Cow<'static, str>, Option<String>)>,
}

/// What says how a handshake of DTLS is to be begun, and with whom; [`dtls::Theirs::read`] reads it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DtlsAttributes {
    /// Of the `a=fingerprint` lines (RFC 8122 5).
    pub fingerprints: Vec<String>,
    /// `a=setup` (RFC 4145 4).
    pub setup: Option<String>,
    /// `a=tls-id` (RFC 8842 4).
    pub tls_id: Option<String>,
}

impl Media {
    /// The first value of the attribute `name`; `Some("")` for a flag.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_deref().unwrap_or(""))
    }
}
