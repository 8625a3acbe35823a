//! What the descriptions of a capture's calls say of media, so far: who receives where, and what a payload type means.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::message::Traced;
use crate::sdp::{Description, Direction, Media};
use crate::time::Wall;

/// Calls whose media are followed.
const MAX_CALLS: usize = 200_000;
/// Changes of a line that are remembered.
const MAX_CHANGES: usize = 64;

/// One of the two who talk: as the first INVITE has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Who sent the INVITE: the SRC of a recording session.
    Caller,
    /// Who answered it: the SRS.
    Callee,
}

impl Side {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }

    fn place(self) -> usize {
        match self {
            Self::Caller => 0,
            Self::Callee => 1,
        }
    }
}

/// An m-line of a side of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineAt {
    /// The call, by its place.
    pub call: usize,
    /// Who described it, and receives there.
    pub side: Side,
    /// Its m-line, from 0.
    pub line: usize,
}

/// What a side said of an m-line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// As it was described last.
    pub media: Media,
    /// What of it changed, and when; the first is how it began.
    pub changes: Vec<Change>,
}

/// A line from some moment on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// When it was said.
    pub at: Wall,
    /// Where it receives; port 0 closes it.
    pub address: Option<SocketAddr>,
    /// Who sends.
    pub direction: Direction,
}

impl Line {
    /// Where it receives RTP.
    pub fn address(&self) -> Option<SocketAddr> {
        self.media.connection.map(|host| SocketAddr::new(host, self.media.port))
    }

    /// Whether its SDP asks for SRTP.
    pub fn is_secure(&self) -> bool {
        self.media.proto.to_ascii_uppercase().contains("SAVP")
    }

    /// Whether it was ever open, and its side was ever to send on it.
    pub(super) fn ever(&self, sends: bool) -> bool {
        let unspecified = |address: Option<SocketAddr>| address.is_some_and(|address| address.ip().is_unspecified());
        let may = |direction: Direction| match direction {
            Direction::SendRecv => true,
            Direction::SendOnly => sends,
            Direction::RecvOnly => !sends,
            Direction::Inactive => false,
        };
        self.changes.iter().any(|change| {
            let open = change.address.is_none_or(|address| address.port() != 0);
            open && may(change.direction) && (sends || !unspecified(change.address))
        })
    }
}

/// The media of one call.
#[derive(Debug, Clone, Default)]
pub struct CallMedia {
    /// The tag of who called.
    caller_tag: Option<String>,
    /// Lines of the caller, and of the callee.
    lines: [Vec<Line>; 2],
    /// That of [`Told`] at its last description.
    generation: u64,
}

impl CallMedia {
    /// Lines of a side.
    pub fn lines(&self, side: Side) -> &[Line] {
        self.lines.get(side.place()).map_or(&[], Vec::as_slice)
    }

    /// How many m-lines there are.
    pub fn count(&self) -> usize {
        self.lines.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// One line.
    pub fn line(&self, side: Side, line: usize) -> Option<&Line> {
        self.lines(side).get(line)
    }
}

/// All that was told.
#[derive(Debug, Default)]
pub(super) struct Told {
    by_call_id: BTreeMap<String, usize>,
    calls: Vec<CallMedia>,
    by_destination: BTreeMap<SocketAddr, LineAt>,
    rtcp: BTreeMap<SocketAddr, LineAt>,
    /// Grows with each description.
    generation: u64,
}

impl Told {
    /// Takes a message; `sdp` is the description that it holds.
    pub(super) fn message(&mut self, message: &Traced, sdp: Option<&[u8]>) {
        let Some(call) = self.call(message) else { return };
        let Some(description) = sdp.and_then(|sdp| Description::parse(sdp).ok()) else { return };
        let caller = self.calls.get(call).and_then(|known| known.caller_tag.as_deref());
        let side = if message.sender_tag() == caller { Side::Caller } else { Side::Callee };
        self.generation += 1;
        for (line, media) in description.media.into_iter().enumerate() {
            let at = LineAt { call, side, line };
            if let Some(rtp) = media.connection.filter(|_| media.port != 0).map(|ip| SocketAddr::new(ip, media.port)) {
                self.by_destination.insert(rtp, at);
                self.rtcp.insert(rtcp_of(&media, rtp), at);
            }
            if let Some(known) = self.calls.get_mut(call) {
                known.generation = self.generation;
                known.take(side, line, message.at, media);
            }
        }
    }

    fn call(&mut self, message: &Traced) -> Option<usize> {
        if let Some(call) = self.by_call_id.get(&message.call_id) {
            return Some(*call);
        }
        if self.calls.len() >= MAX_CALLS {
            return None;
        }
        // A response that is met first is from the callee.
        let caller_tag = message.from_tag.as_deref().map(ToOwned::to_owned);
        self.by_call_id.insert(message.call_id.clone(), self.calls.len());
        self.calls.push(CallMedia { caller_tag, ..CallMedia::default() });
        Some(self.calls.len() - 1)
    }

    /// Whose line a packet between these ends comes to, and whether that is where it was told to come; else only where it
    /// comes from is known.
    pub(super) fn line_of(&self, from: SocketAddr, to: SocketAddr) -> Option<(LineAt, bool)> {
        let of = |address: SocketAddr| self.by_destination.get(&address).or_else(|| self.rtcp.get(&address)).copied();
        if let Some(line) = of(to) {
            return Some((line, true));
        }
        of(from).map(|sender| (LineAt { side: sender.side.other(), ..sender }, false))
    }

    /// Grows with each description that may tell more of a stream: those of its call where its line is known, else all.
    pub(super) fn generation(&self, line: Option<LineAt>) -> u64 {
        line.and_then(|line| self.calls.get(line.call)).map_or(self.generation, |call| call.generation)
    }

    /// A line as its side described it last.
    pub(super) fn line(&self, at: LineAt) -> Option<&Line> {
        self.calls.get(at.call)?.line(at.side, at.line)
    }

    /// The line of the one who sends to `at`.
    pub(super) fn sender(&self, at: LineAt) -> Option<&Line> {
        self.calls.get(at.call)?.line(at.side.other(), at.line)
    }

    /// Media by call, and the calls' places by Call-ID.
    pub(super) fn into_calls(self) -> (BTreeMap<String, usize>, Vec<CallMedia>) {
        (self.by_call_id, self.calls)
    }
}

impl CallMedia {
    fn take(&mut self, side: Side, line: usize, at: Wall, media: Media) {
        let Some(lines) = self.lines.get_mut(side.place()) else { return };
        let address = media.connection.map(|host| SocketAddr::new(host, media.port));
        let change = Change { at, address, direction: media.direction };
        match lines.get_mut(line) {
            Some(known) => {
                let last = known.changes.last().copied();
                let same = last.is_some_and(|last| (last.address, last.direction) == (address, media.direction));
                if !same && known.changes.len() < MAX_CHANGES {
                    known.changes.push(change);
                }
                known.media = media;
            }
            None => lines.push(Line { media, changes: Vec::from([change]) }),
        }
    }
}

/// RFC 3605, RFC 5761; else the next port.
fn rtcp_of(media: &Media, rtp: SocketAddr) -> SocketAddr {
    match media.rtcp {
        _ if media.rtcp_mux => rtp,
        Some((port, host)) => SocketAddr::new(host.unwrap_or(rtp.ip()), port),
        None => SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1)),
    }
}
