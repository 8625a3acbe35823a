//! What is taken in, and what is made of it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::call::Call;
use super::fold::fold;
use super::media::Streams;
use super::message::Traced;
use super::silence::{Silence, silences};
use super::stream::Stream;
use super::told::{LineAt, Side, Told};
use crate::sip::message::is_keep_alive;
use crate::sip::{Message, Transport};
use crate::time::Wall;

/// Octets of messages that are kept.
pub const MAX_MESSAGE_BYTES: usize = 512 << 20;
/// Messages that are kept.
pub const MAX_MESSAGES: usize = 1_000_000;
/// Messages that cannot be read, and are kept as they are.
const MAX_UNREADABLE: usize = 1_000;
/// A stream that no description names has at least so many packets in their order; less is something that merely looks so.
const STREAM_PACKETS: u64 = 10;

/// Streams of a host that are held against a line where nothing came.
const MAX_STRAYS: usize = 64;
/// Calls that are shown together.
const MAX_GROUP: usize = 32;

/// A SIP message that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
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
    /// Why not, with the section.
    pub reason: String,
}

/// Takes in what went by, in whatever order; bounded by [`MAX_MESSAGE_BYTES`], [`MAX_MESSAGES`] and
/// [`super::MAX_STREAMS`].
#[derive(Default)]
pub struct Trace {
    messages: Vec<Traced>,
    bytes: usize,
    left_out: u64,
    unreadable: Vec<Unreadable>,
    told: Told,
    streams: Streams,
    /// Call-IDs of calls whose RTP goes by unseen.
    unseen: BTreeSet<String>,
}

/// All that can be told of a capture.
#[derive(Debug)]
pub struct Story {
    /// Messages, by time.
    pub messages: Vec<Traced>,
    /// Calls, by their first message.
    pub calls: Vec<Call>,
    /// Streams of RTP, by their first packet.
    pub streams: Vec<Stream>,
    /// What looked like SIP and could not be read.
    pub unreadable: Vec<Unreadable>,
    /// Messages beyond the bound, which are not in here.
    pub messages_left_out: u64,
    /// Packets of streams beyond the bound.
    pub packets_left_out: u64,
    /// RTCP compounds that came to an address.
    pub(super) reports: BTreeMap<SocketAddr, u64>,
    /// Call-IDs of calls whose RTP goes by unseen: that none of it came says nothing.
    pub(super) unseen: BTreeSet<String>,
    /// Streams of each call, by their places.
    by_call: Vec<Vec<usize>>,
    /// Streams that no description names, by either of their hosts.
    strays: BTreeMap<IpAddr, Vec<usize>>,
}

impl Trace {
    /// Takes a message.
    pub fn message(&mut self, at: Wall, transport: Transport, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if is_keep_alive(bytes) {
            return;
        }
        if self.messages.len() >= MAX_MESSAGES || self.bytes.saturating_add(bytes.len()) > MAX_MESSAGE_BYTES {
            self.left_out += 1;
            return;
        }
        let reason = match Message::parse_datagram(bytes) {
            Ok(message) => match Traced::read(at, transport, (from, to), bytes, &message) {
                Some((traced, bodies)) => {
                    self.told.message(&traced, bodies.sdp.as_deref());
                    self.bytes += bytes.len();
                    self.messages.push(traced);
                    return;
                }
                None => "no Call-ID (RFC 3261 8.1.1)".to_string(),
            },
            Err(error) => error.to_string(),
        };
        if self.unreadable.len() < MAX_UNREADABLE {
            self.bytes += bytes.len();
            self.unreadable.push(Unreadable { at, transport, from, to, bytes: bytes.to_vec(), reason });
        }
    }

    /// Takes a message of a call whose RTP goes by unseen, as where a server tells of its signalling alone.
    pub fn signalling(&mut self, at: Wall, transport: Transport, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let place = self.messages.len();
        self.message(at, transport, from, to, bytes);
        if let Some(message) = self.messages.get(place) {
            self.unseen.insert(message.call_id.clone());
        }
    }

    /// Takes a datagram that is no SIP. `plain`: its SRTP was opened already, as in a journal.
    pub fn datagram(&mut self, at: Wall, from: SocketAddr, to: SocketAddr, bytes: &[u8], plain: bool) {
        self.streams.datagram(at, (from, to), bytes, plain, &self.told);
    }

    /// Everything was taken in.
    pub fn finish(mut self) -> Story {
        let Streams { mut all, left_out, reports, .. } = core::mem::take(&mut self.streams);
        // Descriptions that came after the last packet of their stream.
        all.iter_mut().for_each(|stream| stream.follow(&self.told));
        all.retain(|stream| stream.line.is_some() || is_stream(stream));
        all.sort_by_key(|stream| stream.figures().first_at);
        let mut messages = self.messages;
        messages.sort_by_key(|message| message.at);
        let (by_call_id, media) = self.told.into_calls();
        let (calls, places) = fold(&mut messages, &by_call_id, media);
        for stream in &mut all {
            stream.line = stream.line.and_then(|at| Some(LineAt { call: *places.get(at.call)?, ..at }));
        }
        let (by_call, strays) = places_of(&all, calls.len());
        Story {
            unseen: self.unseen,
            by_call,
            strays,
            messages,
            calls,
            streams: all,
            unreadable: self.unreadable,
            messages_left_out: self.left_out,
            packets_left_out: left_out,
            reports,
        }
    }
}

/// Streams by call, and by host those of none.
fn places_of(streams: &[Stream], calls: usize) -> (Vec<Vec<usize>>, BTreeMap<IpAddr, Vec<usize>>) {
    let mut by_call = Vec::from_iter(core::iter::repeat_n(Vec::new(), calls));
    let mut strays: BTreeMap<IpAddr, Vec<usize>> = BTreeMap::new();
    for (place, stream) in streams.iter().enumerate() {
        if let Some(line) = stream.line {
            if let Some(list) = by_call.get_mut(line.call) {
                list.push(place);
            }
            continue;
        }
        for host in [stream.from.ip(), stream.to.ip()] {
            let list = strays.entry(host).or_default();
            if list.len() < MAX_STRAYS && list.last() != Some(&place) {
                list.push(place);
            }
        }
    }
    (by_call, strays)
}

fn is_stream(stream: &Stream) -> bool {
    let figures = stream.figures();
    figures.received >= STREAM_PACKETS && figures.lost <= figures.expected / 2
}

impl Story {
    /// Streams that come to a line, or to any of the call's where none is named.
    pub fn streams_of(&self, call: usize, line: Option<(Side, usize)>) -> impl Iterator<Item = &Stream> {
        let streams = self.stream_places(call).filter_map(|place| self.streams.get(place));
        streams.filter(move |stream| {
            line.is_none_or(|(side, line)| stream.line.is_some_and(|at| (at.side, at.line) == (side, line)))
        })
    }

    /// Streams of a call, by their places.
    pub fn stream_places(&self, call: usize) -> impl Iterator<Item = usize> {
        self.by_call.get(call).into_iter().flatten().copied()
    }

    /// Streams from or to a host that no description names, the first ones.
    pub(super) fn strays(&self, host: IpAddr) -> impl Iterator<Item = &Stream> {
        self.strays.get(&host).into_iter().flatten().filter_map(|place| self.streams.get(*place))
    }

    /// Whether a call's RTP goes by unseen.
    pub fn is_unseen(&self, call: &Call) -> bool {
        self.unseen.contains(&call.id)
    }

    /// Why there is no audio on lines of a call, or less than there should be.
    pub fn silences(&self, call: usize) -> Vec<Silence> {
        silences(self, call)
    }

    /// Calls with those that belong to them, each call in one group.
    pub fn groups(&self, calls: &[usize]) -> Vec<Vec<usize>> {
        let mut taken = Vec::from_iter(core::iter::repeat_n(false, self.calls.len()));
        let mut groups = Vec::new();
        for &call in calls {
            if taken.get(call).copied().unwrap_or(true) {
                continue;
            }
            let is_free = |other: &usize| taken.get(*other).is_some_and(|taken| !taken);
            let group: Vec<usize> = self.group(call).into_iter().filter(is_free).collect();
            for &other in &group {
                if let Some(slot) = taken.get_mut(other) {
                    *slot = true;
                }
            }
            groups.push(group);
        }
        groups
    }

    /// A call and those that belong to it, by time.
    pub fn group(&self, call: usize) -> Vec<usize> {
        let mut group = Vec::from([call]);
        let mut looked = 0;
        while let Some(linked) = group.get(looked).and_then(|call| self.calls.get(*call)).map(|call| &call.linked) {
            let fresh: Vec<usize> = linked.iter().copied().filter(|other| !group.contains(other)).collect();
            group.extend(fresh);
            group.truncate(MAX_GROUP);
            looked += 1;
        }
        group.sort_unstable();
        group
    }
}
