//! One SIP message of a trace, and what of it the rest asks for.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::row::Style;
use crate::session::Bodies;
use crate::sip::{CSeq, Message, Method, StartLine, Transport};
use crate::time::Wall;

/// A message, as it went by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced {
    /// When.
    pub at: Wall,
    /// What carried it.
    pub transport: Transport,
    /// Sender.
    pub from: SocketAddr,
    /// Receiver.
    pub to: SocketAddr,
    /// The message.
    pub bytes: Vec<u8>,
    /// Its first line.
    pub start: StartLine,
    /// `Call-ID`.
    pub call_id: String,
    /// `CSeq`.
    pub cseq: Option<CSeq>,
    /// The tag in From.
    pub from_tag: Option<String>,
    /// The tag in To.
    pub to_tag: Option<String>,
    /// The branch of its topmost Via.
    pub branch: Option<String>,
    /// It holds a session description.
    pub has_sdp: bool,
    /// It holds recording metadata.
    pub has_metadata: bool,
    /// The same message went the same way before: that one's place.
    pub again: Option<usize>,
    /// Of a response: the place of its request.
    pub answers: Option<usize>,
}

impl Traced {
    /// Reads the head; `None` of what has no Call-ID. The message itself, for what else is to be read.
    pub(super) fn read(
        at: Wall,
        transport: Transport,
        (from, to): (SocketAddr, SocketAddr),
        bytes: &[u8],
        message: &Message,
    ) -> Option<(Self, Bodies)> {
        let call_id = message.call_id()?.to_owned();
        let bodies = Bodies::read(message).unwrap_or_default();
        let traced = Self {
            at,
            transport,
            from,
            to,
            bytes: bytes.to_vec(),
            start: message.start.clone(),
            call_id,
            cseq: message.cseq(),
            from_tag: message.from_tag().map(str::to_owned),
            to_tag: message.to_tag().map(str::to_owned),
            branch: message.via_top().and_then(|via| via.branch().map(str::to_owned)),
            has_sdp: bodies.sdp.is_some(),
            has_metadata: !bodies.metadata.is_empty(),
            again: None,
            answers: None,
        };
        Some((traced, bodies))
    }

    /// The message, to be read whole.
    pub fn message(&self) -> Option<Message> {
        Message::parse_datagram(&self.bytes).ok()
    }

    /// The method, of a request.
    pub fn method(&self) -> Option<&Method> {
        match &self.start {
            StartLine::Request { method, .. } => Some(method),
            StartLine::Response { .. } => None,
        }
    }

    /// The status, of a response.
    pub fn status(&self) -> Option<u16> {
        match &self.start {
            StartLine::Response { status, .. } => Some(*status),
            StartLine::Request { .. } => None,
        }
    }

    /// The method that it is about: its own, or that of the request that it answers.
    pub fn about(&self) -> &str {
        let of_cseq = || self.cseq.as_ref().map_or("", |cseq| cseq.method.as_str());
        self.method().map_or_else(of_cseq, Method::as_str)
    }

    /// How a row shows it: what went by before is passed over.
    pub fn style(&self) -> Style {
        match self.status() {
            _ if self.again.is_some() => Style::Faint,
            None => Style::Request,
            Some(..=199) => Style::Provisional,
            Some(200..=299) => Style::Success,
            Some(300..=399) => Style::Redirection,
            Some(_) => Style::Failure,
        }
    }

    /// `INVITE`, `200 OK (INVITE)`; with what it carries: `INVITE +sdp +metadata`.
    pub fn title(&self) -> String {
        let mut title = match &self.start {
            StartLine::Request { method, .. } => method.as_str().to_string(),
            StartLine::Response { status, reason } => alloc::format!("{status} {reason} ({})", self.about()),
        };
        if self.has_sdp {
            title.push_str(" +sdp");
        }
        if self.has_metadata {
            title.push_str(" +metadata");
        }
        title
    }

    /// The tag of who sent it: From's of a request, To's of a response.
    pub(super) fn sender_tag(&self) -> Option<&str> {
        match self.start {
            StartLine::Request { .. } => self.from_tag.as_deref(),
            StartLine::Response { .. } => self.to_tag.as_deref(),
        }
    }
}
