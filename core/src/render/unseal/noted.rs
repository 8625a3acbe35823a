//! What the first reading of a journal notes for those packets that are sealed in it.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use super::{LateKey, LatePort, MAX_KEYS, MAX_SOURCES, MAX_TWINS, Mark, Unsealer};
use crate::entry::{Entry, Event, Kind, PortIndex, Protected};
use crate::media::MAX_SEALED_PACKETS;
use crate::node_key::NodeKey;
use crate::rtp::packet::{u16_at, u32_at};
use crate::seed::SessionId;
use crate::session::unwrap_keys;

/// Rollover counters of a source that are told apart: one in 22 minutes at 50 packets a second.
const MAX_ROUNDS: usize = 512;

/// Keys, counters and what a port opened itself. Give it each entry, in order.
#[derive(Debug, Default)]
pub struct Noted {
    session: Option<SessionId>,
    ports: BTreeMap<PortIndex, NotedPort>,
    twins: BTreeSet<Mark>,
}

#[derive(Debug, Default)]
struct NotedPort {
    keys: Vec<NotedKey>,
    sources: BTreeMap<u32, Rounds>,
    /// The newest sealed packets. A port remembers no more of them, so what it opened is among them.
    recent: VecDeque<Mark>,
    /// Sealed packets that it did not open.
    sealed: u64,
    /// Packets that it opened since the last keys came: by time they may stand before the event that tells of those.
    opened_since: u64,
    /// Not everything of it was to be kept.
    is_masked: bool,
}

#[derive(Debug)]
struct NotedKey {
    at: i64,
    wrapped: String,
    used: u64,
}

/// The rollover counters of a source, in the order of their time.
#[derive(Debug, Default, Clone)]
pub(super) struct Rounds(Vec<Round>);

#[derive(Debug, Clone, Copy)]
struct Round {
    rollover: u32,
    /// The first arrival under it, ns.
    from: i64,
}

impl Noted {
    /// Takes the next entry.
    pub fn entry(&mut self, entry: &Entry<'_>) {
        match &entry.kind {
            Kind::Rtp { port, packet, protected: Some(protected), .. } => {
                self.packet(entry.at.0, *port, packet, *protected);
            }
            Kind::Event(Event::Segment(header)) => self.session = self.session.or(Some(header.session)),
            Kind::Event(Event::Stream(stream)) if !stream.digits.is_keep() => {
                self.ports.entry(stream.port).or_default().is_masked = true;
            }
            Kind::Event(Event::SrtpKeys { port, suite: Some(_), wrapped }) => {
                self.ports.entry(*port).or_default().key(entry.at.0, wrapped);
            }
            Kind::Rtp { .. } | Kind::Sip { .. } | Kind::Rtcp { .. } | Kind::Event(_) | Kind::Checkpoint(_) => {}
        }
    }

    fn packet(&mut self, at: i64, index: PortIndex, packet: &[u8], protected: Protected) {
        let Some(mark) = mark(index, packet, at) else { return };
        let port = self.ports.entry(index).or_default();
        match protected {
            Protected::Sealed => {
                port.sealed += 1;
                if port.recent.len() >= MAX_SEALED_PACKETS {
                    port.recent.pop_front();
                }
                port.recent.push_back(mark);
            }
            Protected::Authentic { index } | Protected::Opened { index } => {
                port.authentic(at, mark.1, index);
                if port.opened(&mark) && self.twins.len() < MAX_TWINS {
                    self.twins.insert(mark);
                }
            }
        }
    }

    /// Without ports that have nothing to open or nothing to open it with.
    pub(super) fn unsealer(self, node_key: Option<&NodeKey>) -> Unsealer {
        let session = self.session;
        let mut unsealer = Unsealer { twins: self.twins, ..Unsealer::default() };
        for (index, port) in self.ports {
            if port.sealed == 0 || port.is_masked || port.keys.is_empty() {
                continue;
            }
            let unwrapped = port.keys.iter().filter_map(|key| key.unwrap(node_key?, session?, index));
            let keys = unwrapped.fold(Vec::new(), join);
            if keys.is_empty() {
                unsealer.lacks_node_key = true;
            } else {
                unsealer.ports.insert(index, LatePort { keys, sources: port.sources });
            }
        }
        unsealer
    }
}

impl NotedPort {
    fn key(&mut self, at: i64, wrapped: &str) {
        if self.keys.last().is_some_and(|known| known.wrapped == wrapped) {
            return;
        }
        if self.keys.len() >= MAX_KEYS {
            self.keys.remove(0);
        }
        let used = core::mem::take(&mut self.opened_since);
        self.keys.push(NotedKey { at, wrapped: wrapped.into(), used });
    }

    /// Which key a packet was under does not stand in the journal: it counts for the last and for the one before.
    fn authentic(&mut self, at: i64, ssrc: u32, index: u64) {
        self.keys.iter_mut().rev().take(2).for_each(|key| key.used = key.used.saturating_add(1));
        if self.sources.len() < MAX_SOURCES || self.sources.contains_key(&ssrc) {
            self.sources.entry(ssrc).or_default().seen(at, (index >> 16 & 0xffff_ffff) as u32);
        }
    }

    /// Whether it is a packet that was sealed before.
    fn opened(&mut self, mark: &Mark) -> bool {
        // It comes at its own time, so most packets are newer.
        if self.recent.back().is_none_or(|newest| newest.3 < mark.3) {
            return false;
        }
        let Some(place) = self.recent.iter().position(|sealed| sealed == mark) else { return false };
        self.recent.remove(place);
        self.sealed -= 1;
        self.opened_since += 1;
        true
    }
}

impl NotedKey {
    fn unwrap(&self, node_key: &NodeKey, session: SessionId, port: PortIndex) -> Option<LateKey> {
        let theirs = unwrap_keys(node_key, session, port, &self.wrapped)?;
        Some(LateKey { at: self.at, keys: theirs.keys, encryption: theirs.encryption, used: self.used })
    }
}

/// The same keys told again (our own changed, or we came back from a crash) are one.
fn join(mut keys: Vec<LateKey>, key: LateKey) -> Vec<LateKey> {
    let same = |known: &&mut LateKey| known.keys == key.keys && known.encryption == key.encryption;
    match keys.iter_mut().find(same) {
        Some(known) => known.used = known.used.saturating_add(key.used),
        None => keys.push(key),
    }
    keys
}

impl Rounds {
    /// An authentic packet. Around a wrap two of them take turns.
    fn seen(&mut self, at: i64, rollover: u32) {
        let has_room = self.0.len() < MAX_ROUNDS;
        match self.0.iter_mut().rev().take(2).find(|round| round.rollover == rollover) {
            Some(round) => round.from = round.from.min(at),
            None if has_room => self.0.push(Round { rollover, from: at }),
            None => {}
        }
    }

    /// One that nothing told, and that was searched for.
    pub(super) fn found(&mut self, at: i64, rollover: u32) {
        let place = self.0.partition_point(|round| round.from <= at);
        if self.0.len() < MAX_ROUNDS {
            self.0.insert(place, Round { rollover, from: at });
        }
    }

    /// Counters that a packet may be under, likeliest first: those of before, those of after, the first.
    pub(super) fn likely(&self, at: i64) -> [Option<u32>; 5] {
        let place = self.0.partition_point(|round| round.from <= at);
        let before = place.checked_sub(1).and_then(|place| self.0.get(place)).map(|round| round.rollover);
        let after = self.0.get(place).map(|round| round.rollover);
        let mut likely = [
            before,
            after,
            before.and_then(|rollover| rollover.checked_add(1)),
            after.and_then(|rollover| rollover.checked_sub(1)),
            Some(0),
        ];
        for n in 1..likely.len() {
            let (known, rest) = likely.split_at_mut(n);
            if let Some(guess) = rest.first_mut()
                && known.contains(guess)
            {
                *guess = None;
            }
        }
        likely
    }
}

/// A packet's mark; none if it is too short to have one.
pub(super) fn mark(port: PortIndex, packet: &[u8], at: i64) -> Option<Mark> {
    Some((port, u32_at(packet, 8)?, u16_at(packet, 2)?, at))
}
