//! Legs that change places in mid-call, told while it runs: a source of one line that goes on on the other, and lines that
//! send from one another's addresses. Whose mistake it is nobody can tell; the audio is kept where it came.

use alloc::vec::Vec;
use core::net::SocketAddr;
use serde::{Deserialize, Serialize};

use super::streams::{Live, Streams};
use crate::entry::{Alarm, PortIndex, SourceChange};
use crate::media::{PortStatistics, SourceSummary};
use crate::time::Wall;

/// Fewer packets of a source tell nothing.
const MIN_PACKETS: u64 = 50;
/// So long may a source be heard in both places while it moves, nanoseconds.
const MOVING_NANOS: i64 = 1_000_000_000;

/// Who is heard on a stream, and whether that is where it belongs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seat {
    /// By the last figures: the sources of its own (bounded as a port's are).
    #[serde(skip)]
    sources: Vec<Known>,
    /// The source that belongs to another line, while that is told.
    foreign: Option<u32>,
    /// It and another line send from each other's addresses, and that is told.
    crossed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    ssrc: u32,
    from: SocketAddr,
    first_at: Wall,
    last_at: Wall,
    packets: u64,
}

impl Seat {
    fn newest(&self) -> Option<&Known> {
        self.sources.iter().max_by_key(|source| source.last_at).filter(|source| source.packets >= MIN_PACKETS)
    }

    fn is_told(&self) -> bool {
        self.foreign.is_some() || self.crossed
    }

    /// Nothing that must outlive a crash.
    pub(super) fn is_unalarmed(&self) -> bool {
        !self.is_told()
    }
}

/// Takes a second's figures of a stream: the alarms that are raised or cleared by them.
pub(super) fn judge(streams: &mut Streams, told: &PortStatistics) -> Vec<(Alarm, PortIndex, bool)> {
    let Some(live) = streams.live_mut().find(|live| live.port() == told.port) else { return Vec::new() };
    let ours = told.sources.iter().filter(|source| source.change != SourceChange::Stranger);
    live.seat.sources.clear();
    live.seat.sources.extend(ours.map(known));
    let foreign = foreign(streams, told.port);
    let crossed = crossed(streams, told.port);
    let mut news = Vec::new();
    let Some(live) = streams.live_mut().find(|live| live.port() == told.port) else { return news };
    news.extend(tell(live, foreign, crossed.is_some()));
    // Whom it was crossed with is so no longer, or is now: both are told at once.
    for other in streams.live_mut().filter(|other| other.port() != told.port) {
        if crossed == Some(other.port()) {
            news.extend(tell(other, other.seat.foreign, true));
        }
    }
    news
}

fn known(source: &SourceSummary) -> Known {
    let figures = &source.statistics;
    let (first_at, last_at, packets) = (figures.first_at, figures.last_at, figures.received);
    Known { ssrc: figures.ssrc, from: source.from, first_at, last_at, packets }
}

fn tell(live: &mut Live, foreign: Option<u32>, crossed: bool) -> Option<(Alarm, PortIndex, bool)> {
    let was_told = live.seat.is_told();
    (live.seat.foreign, live.seat.crossed) = (foreign, crossed);
    let is_told = live.seat.is_told();
    (was_told != is_told).then_some((Alarm::Swapped, live.port(), is_told))
}

/// The newest source of a line, if it was another's before. One that both lines have all along (some SRCs number all lines
/// alike) is nobody's.
fn foreign(streams: &Streams, port: PortIndex) -> Option<u32> {
    let seat = &streams.live().find(|live| live.port() == port)?.seat;
    let Some(newest) = seat.newest() else { return seat.foreign };
    let came_from = |known: &Known| {
        known.ssrc == newest.ssrc
            && known.packets >= MIN_PACKETS
            && known.first_at < newest.first_at
            && newest.first_at.nanos_since(known.last_at) >= -MOVING_NANOS
    };
    let others = streams.live().filter(|other| other.port() != port);
    let has_moved = others.flat_map(|other| &other.seat.sources).any(came_from);
    // After a restart of ours nobody knows where it was before: it is told as long as it is here.
    (has_moved || seat.foreign == Some(newest.ssrc) && seat.sources.len() == 1).then_some(newest.ssrc)
}

/// The line with which this one has changed addresses: each sends from where the SDP says that the other one is.
fn crossed(streams: &Streams, port: PortIndex) -> Option<PortIndex> {
    let of = |live: &Live| Some((live.stream().remote?, live.seat.newest()?.from));
    let (ours, our_from) = of(streams.live().find(|live| live.port() == port)?)?;
    let is_crossed = |other: &&Live| {
        of(other).is_some_and(|(theirs, their_from)| ours != theirs && our_from == theirs && their_from == ours)
    };
    streams.live().filter(|other| other.port() != port).find(is_crossed).map(Live::port)
}
