//! One pass over the entries, in which sealed ones become plain.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt;
use core::iter;

use super::noted::mark;
use super::{
    LateKey, LatePort, MAX_FAILED, MAX_KEYS_SEARCHED, MAX_KEYS_TRIED, MAX_SEARCHED, MAX_SEARCHED_OF_SESSION,
    MAX_SOURCES, REGAINED, SEARCHED_AT_ONCE, Unsealer,
};
use crate::entry::{Entry, Event, Kind, PortIndex, Protected};
use crate::srtp::{KeyUse, Plain, Receiver, ReceiverState, SrtpError};

/// Takes a journal's entries and gives them on, sealed ones plain where a key opens them.
pub struct Opening<'u> {
    unsealer: &'u Unsealer,
    ports: BTreeMap<PortIndex, OpenPort<'u>>,
    /// Of the packet that is looked at.
    plain: Vec<u8>,
    search: Option<Search>,
}

/// Where counters are searched for that nothing tells.
#[derive(Debug)]
struct Search {
    /// Authentications that are left to it.
    left: u32,
    found: Found,
}

/// What the second reading finds.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Sources of which something was opened.
    pub(super) openable: BTreeSet<(PortIndex, u32)>,
    /// Counters that nothing told.
    pub(super) counters: Vec<Counter>,
}

/// A source's rollover counter at a moment.
#[derive(Debug)]
pub(super) struct Counter {
    pub(super) port: PortIndex,
    pub(super) ssrc: u32,
    /// Arrival of the packet under it, ns.
    pub(super) at: i64,
    pub(super) rollover: u32,
}

struct OpenPort<'u> {
    late: &'u LatePort,
    /// One of each of its keys, made when it is first tried.
    receivers: Vec<Option<Receiver>>,
    sources: BTreeMap<u32, Source>,
    is_paused: bool,
}

/// What was found out about a source so far.
#[derive(Debug)]
struct Source {
    /// The key that opened its last packet.
    key: Option<usize>,
    /// Authentications that may fail.
    left: u32,
    /// How often its counter was searched for.
    searches: u32,
}

/// What becomes of a sealed packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Opened {
        index: u64,
    },
    /// It was opened before: the network had doubled it.
    Replayed,
    Sealed,
}

/// What is known of a packet before it is opened.
#[derive(Clone, Copy)]
struct Sealed {
    at: i64,
    ssrc: u32,
}

impl<'u> Opening<'u> {
    pub(super) fn new(unsealer: &'u Unsealer) -> Self {
        Self { unsealer, ports: BTreeMap::new(), plain: Vec::new(), search: None }
    }

    pub(super) fn searching(unsealer: &'u Unsealer) -> Self {
        let search = Search { left: MAX_SEARCHED_OF_SESSION, found: Found::default() };
        Self { search: Some(search), ..Self::new(unsealer) }
    }

    /// Of a search: what it found.
    pub(super) fn finish(self) -> Found {
        self.search.map(|search| search.found).unwrap_or_default()
    }

    /// Gives an entry on to `take`: as it is, or plain, or not at all where it stands in the journal once more, plain.
    pub fn entry(&mut self, entry: &Entry<'_>, take: &mut dyn FnMut(&Entry<'_>)) {
        if self.unsealer.changes_nothing() {
            return take(entry);
        }
        let at = entry.at;
        match &entry.kind {
            Kind::Rtp { port, from, to, packet, protected: Some(protected) } => {
                let mut give = |packet: &[u8], protected| {
                    let kind = Kind::Rtp { port: *port, from: *from, to: *to, packet, protected: Some(protected) };
                    take(&Entry { at, kind });
                };
                let is_twin = mark(*port, packet, at.0).is_some_and(|mark| self.unsealer.twins.contains(&mark));
                match (*protected, is_twin) {
                    (Protected::Sealed, true) => {}
                    (Protected::Sealed, false) => match self.open(at.0, *port, packet) {
                        Outcome::Opened { index } => give(&self.plain, Protected::Opened { index }),
                        Outcome::Replayed => {}
                        Outcome::Sealed => take(entry),
                    },
                    (Protected::Authentic { index }, true) => give(packet, Protected::Opened { index }),
                    (Protected::Authentic { .. } | Protected::Opened { .. }, _) => take(entry),
                }
            }
            Kind::Event(Event::Stream(stream)) => {
                if let Some(port) = self.port(stream.port) {
                    port.is_paused = stream.paused.is_some();
                }
                take(entry);
            }
            Kind::Rtp { .. } | Kind::Sip { .. } | Kind::Rtcp { .. } | Kind::Event(_) | Kind::Checkpoint(_) => {
                take(entry)
            }
        }
    }

    fn port(&mut self, index: PortIndex) -> Option<&mut OpenPort<'u>> {
        let late = self.unsealer.ports.get(&index)?;
        Some(self.ports.entry(index).or_insert_with(|| OpenPort::new(late)))
    }

    /// Makes a packet plain, into [`Opening::plain`].
    fn open(&mut self, at: i64, index: PortIndex, packet: &[u8]) -> Outcome {
        let Some((_, ssrc, ..)) = mark(index, packet, at) else { return Outcome::Sealed };
        let is_hopeless = self.unsealer.openable.as_ref().is_some_and(|known| !known.contains(&(index, ssrc)));
        if is_hopeless {
            return Outcome::Sealed;
        }
        let mut plain = core::mem::take(&mut self.plain);
        plain.clear();
        plain.extend_from_slice(packet);
        let mut search = self.search.take();
        let sealed = Sealed { at, ssrc };
        let outcome = match self.port(index) {
            Some(port) => port.open(index, sealed, &mut plain, search.as_mut()),
            None => Outcome::Sealed,
        };
        (self.plain, self.search) = (plain, search);
        outcome
    }
}

impl<'u> OpenPort<'u> {
    fn new(late: &'u LatePort) -> Self {
        let receivers = late.keys.iter().map(|_| None).collect();
        Self { late, receivers, sources: BTreeMap::new(), is_paused: false }
    }

    fn open(
        &mut self,
        index: PortIndex,
        sealed: Sealed,
        plain: &mut Vec<u8>,
        mut search: Option<&mut Search>,
    ) -> Outcome {
        let has_room = self.sources.len() < MAX_SOURCES || self.sources.contains_key(&sealed.ssrc);
        if self.is_paused || !has_room {
            return Outcome::Sealed;
        }
        let mut source =
            self.sources.remove(&sealed.ssrc).unwrap_or(Source { key: None, left: MAX_FAILED, searches: 0 });
        let mut opened = self.likely(sealed, &mut source, plain);
        if let (Err(SrtpError::Unauthentic), Some(search)) = (&opened, search.as_deref_mut()) {
            opened = self.search(sealed, &mut source, plain, search);
            if let Ok((_, found)) = &opened {
                let rollover = (found.index >> 16 & 0xffff_ffff) as u32;
                search.found.counters.push(Counter { port: index, ssrc: sealed.ssrc, at: sealed.at, rollover });
            }
        }
        let outcome = match opened {
            Ok((key, found)) => {
                (source.key, source.left) = (Some(key), source.left.saturating_add(REGAINED).min(MAX_FAILED));
                plain.truncate(found.length);
                if let Some(search) = search {
                    search.found.openable.insert((index, sealed.ssrc));
                }
                Outcome::Opened { index: found.index }
            }
            Err(SrtpError::Replayed) => Outcome::Replayed,
            Err(_) => Outcome::Sealed,
        };
        self.sources.insert(sealed.ssrc, source);
        outcome
    }

    /// The keys that are tried on a packet, likeliest first.
    fn order(&self, at: i64, last: Option<usize>) -> impl Iterator<Item = usize> + use<> {
        let count = self.late.keys.len();
        let next = self.late.keys.partition_point(|key| key.at <= at);
        let others = (next..count).chain((0..next).rev()).filter(move |key| Some(*key) != last);
        last.into_iter().chain(others).take(MAX_KEYS_TRIED)
    }

    /// Tries each key with the counter that its receiver expects, and with those that the journal tells. The first two
    /// trials are always made, so that no flood of forged packets keeps the stream's own sealed.
    fn likely(&mut self, sealed: Sealed, source: &mut Source, plain: &mut [u8]) -> Result<(usize, Plain), SrtpError> {
        let told =
            self.late.sources.get(&sealed.ssrc).map_or([None, None, None, None, Some(0)], |r| r.likely(sealed.at));
        let guesses = iter::once(Guess::Expected).chain(told.into_iter().flatten().map(Guess::Rollover));
        let (mut failed, mut replayed) = (0, false);
        for guess in guesses {
            for key in self.order(sealed.at, source.key) {
                if failed >= 2 && source.left == 0 {
                    return Err(SrtpError::Unauthentic);
                }
                let Some(receiver) = self.receiver(key) else { continue };
                let tried = match guess {
                    Guess::Expected if receiver.rollover_counter(sealed.ssrc).is_none() => continue,
                    Guess::Expected => receiver.unprotect_within(plain, 1),
                    Guess::Rollover(rollover) => receiver.unprotect_under(plain, rollover..rollover.saturating_add(1)),
                };
                match tried {
                    Ok(found) => return Ok((key, found)),
                    Err(SrtpError::Replayed) => replayed = true,
                    Err(SrtpError::Unauthentic) => {
                        failed += 1;
                        source.left = source.left.saturating_sub(u32::from(failed > 2));
                    }
                    Err(_) => {}
                }
            }
        }
        Err(if replayed { SrtpError::Replayed } else { SrtpError::Unauthentic })
    }

    /// Goes on searching for the counter of a source of which nothing was opened.
    fn search(
        &mut self,
        sealed: Sealed,
        source: &mut Source,
        plain: &mut [u8],
        search: &mut Search,
    ) -> Result<(usize, Plain), SrtpError> {
        // What is near the beginning of a stream is tried with each key before what is far.
        let keys = u32::try_from(self.order(sealed.at, None).take(MAX_KEYS_SEARCHED).count()).unwrap_or(1).max(1);
        let from = source.searches / keys * SEARCHED_AT_ONCE;
        if source.key.is_some() || from >= MAX_SEARCHED || search.left < SEARCHED_AT_ONCE {
            return Err(SrtpError::Unauthentic);
        }
        let turn = usize::try_from(source.searches % keys).unwrap_or(0);
        source.searches += 1;
        let Some(key) = self.order(sealed.at, None).nth(turn) else { return Err(SrtpError::Unauthentic) };
        let receiver = self.receiver(key).ok_or(SrtpError::UnknownMki)?;
        search.left -= SEARCHED_AT_ONCE;
        receiver.unprotect_under(plain, from..from + SEARCHED_AT_ONCE).map(|found| (key, found))
    }

    fn receiver(&mut self, key: usize) -> Option<&mut Receiver> {
        let late = self.late.keys.get(key)?;
        Some(self.receivers.get_mut(key)?.get_or_insert_with(|| late.receiver()))
    }
}

/// Where a packet may stand in its source.
#[derive(Clone, Copy)]
enum Guess {
    /// Behind what was opened before.
    Expected,
    /// Under a counter that the journal tells.
    Rollover(u32),
}

impl LateKey {
    /// One that goes on where the port left the key: what it has used of the lifetime stays used.
    fn receiver(&self) -> Receiver {
        let used = KeyUse { srtp: self.used, srtcp: 0 };
        let state = ReceiverState { keys: self.keys.iter().map(|_| used).collect(), ..ReceiverState::default() };
        Receiver::resume(&self.keys, self.encryption, &state)
    }
}

impl fmt::Debug for Opening<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").field("ports", &self.ports.len()).finish_non_exhaustive()
    }
}
