//! What a running server shows while calls go on: an event at a time to whoever watches, samples to whoever listens.
//!
//! ```text
//! core's tellings, workers' figures -> Board -> broadcast -> Watch (one that lags misses events, and hears how many)
//! worker -> Overheard -> a thread a listener: codec::listen -> Sound -> Tap
//! ```
//! Nobody is ever waited for, and where nobody watches or listens nothing is made.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use siprec_core::codec::listen::Listener;
use siprec_core::entry::{Alarm, EndCause, PortIndex, Stream};
use siprec_core::media::{MediaReport, PortStatistics, Second};
use siprec_core::seed::SessionId;
use siprec_core::session::Tell;
use siprec_core::time::Wall;
use tokio::sync::{broadcast, mpsc as asynchronous};

use super::media::Overheard;
use super::orders::{Orders, Wish};

/// Events that a watcher may be behind.
const EVENTS: usize = 256;
/// Listeners at one time: each has a thread.
pub const MAX_LISTENERS: usize = 64;
/// Packets that wait to be decoded for a listener, and sounds that wait to be taken: two seconds of a call of two legs.
const PACKETS: usize = 256;
const SOUNDS: usize = 256;

/// An event, with its number: they count from 1, and none is left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Its number.
    pub number: u64,
    /// When.
    pub at: Wall,
    /// What.
    pub event: LiveEvent,
}

/// What happens in a running server.
#[derive(Debug, Clone, PartialEq)]
pub enum LiveEvent {
    /// A session began to be recorded.
    SessionStarted {
        /// The session.
        session: SessionId,
        /// The SRC's address.
        src: std::net::SocketAddr,
        /// Its streams.
        streams: usize,
        /// The SRC's vendor, where it is known by its signs.
        vendor: Option<String>,
    },
    /// A session is over.
    SessionEnded {
        /// The session.
        session: SessionId,
        /// Why.
        cause: EndCause,
    },
    /// An alarm was raised, or is over.
    Alarm {
        /// The session.
        session: SessionId,
        /// Which.
        alarm: Alarm,
        /// On which stream; none of the whole session.
        port: Option<PortIndex>,
        /// That stream's label.
        label: Option<String>,
        /// `false`: it is over.
        raised: bool,
    },
    /// What a second brought on streams, of several sessions, a second in which nothing came too. Streams that are paused
    /// are left out.
    Quality(Arc<[StreamSecond]>),
}

/// A second of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSecond {
    /// The session.
    pub session: SessionId,
    /// The stream's label, where it has one.
    pub label: Option<String>,
    /// Its figures.
    pub second: Second,
    /// Whether somebody talked in it and on another stream of the session in that one's last second, too; none where it
    /// cannot be told. The share of both-talk is the share of such seconds.
    pub both_talk: Option<bool>,
}

/// Watches a server, from any thread. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Live {
    events: broadcast::Sender<Told>,
    orders: Orders,
    listeners: Arc<AtomicUsize>,
}

impl Live {
    pub(super) fn new(orders: Orders) -> Self {
        Self { events: broadcast::channel(EVENTS).0, orders, listeners: Arc::default() }
    }

    /// Everything that happens from now on.
    pub fn watch(&self) -> Watch {
        Watch(self.events.subscribe())
    }

    /// The audio of a session from now on, some 50 ms behind the wire. None while [`MAX_LISTENERS`] listen already. The tap
    /// of a session that is not there is over at once.
    pub fn listen(&self, session: SessionId) -> Option<Tap> {
        let seat = Seat::take(&self.listeners)?;
        let (wire, overheard) = mpsc::sync_channel(PACKETS);
        let (sounds, tap) = asynchronous::channel(SOUNDS);
        let decode = move || {
            decode(&overheard, &sounds);
            drop(seat);
        };
        std::thread::Builder::new().name("listener".into()).spawn(decode).ok()?;
        self.orders.wish(Wish::Listen { session, wire });
        Some(Tap(tap))
    }
}

/// One of the listeners' places.
#[derive(Debug)]
struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(taken: &Arc<AtomicUsize>) -> Option<Self> {
        let is_free = |taken: usize| (taken < MAX_LISTENERS).then_some(taken + 1);
        taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_free).ok()?;
        Some(Self(Arc::clone(taken)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What comes to a watcher.
#[derive(Debug)]
pub struct Watch(broadcast::Receiver<Told>);

/// A watcher's next.
#[derive(Debug, Clone, PartialEq)]
pub enum Watched {
    /// An event.
    Told(Told),
    /// So many events were missed, since they were not taken in time.
    Missed(u64),
    /// The server has stopped.
    Over,
}

impl Watch {
    /// The next event.
    pub async fn next(&mut self) -> Watched {
        match self.0.recv().await {
            Ok(told) => Watched::Told(told),
            Err(broadcast::error::RecvError::Lagged(missed)) => Watched::Missed(missed),
            Err(broadcast::error::RecvError::Closed) => Watched::Over,
        }
    }
}

/// A session's audio as it comes. Dropped, it listens no more.
#[derive(Debug)]
pub struct Tap(asynchronous::Receiver<Sound>);

impl Tap {
    /// The next packet's samples; none when the session is over.
    pub async fn next(&mut self) -> Option<Sound> {
        self.0.recv().await
    }
}

/// A packet of a stream as samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    /// Its stream.
    pub port: PortIndex,
    /// That stream's label.
    pub label: Option<String>,
    /// Its source.
    pub ssrc: u32,
    /// When it arrived.
    pub at: Wall,
    /// Hz.
    pub sample_rate: u32,
    /// Where its first sample stands, in samples since the source's first that was heard; what is skipped is silence.
    pub position: u64,
    /// Its samples, one channel.
    pub samples: Vec<i16>,
}

/// A listener's thread: until the session is over, or nobody takes what it makes.
fn decode(overheard: &mpsc::Receiver<Overheard>, sounds: &asynchronous::Sender<Sound>) {
    let mut streams: HashMap<PortIndex, (Option<String>, Listener)> = HashMap::new();
    while let Ok(heard) = overheard.recv() {
        match heard {
            Overheard::Stream(stream) => {
                let (label, listener) = streams.entry(stream.port).or_default();
                label.clone_from(&stream.label);
                listener.update(&stream.formats);
            }
            Overheard::Packet { port, at, bytes } => {
                let (label, listener) = streams.entry(port).or_default();
                let mut samples = Vec::new();
                let Some(sound) = listener.packet(&bytes, &mut samples) else { continue };
                let (ssrc, sample_rate, position) = (sound.ssrc, sound.sample_rate, sound.position);
                let sound = Sound { port, label: label.clone(), ssrc, at, sample_rate, position, samples };
                // A listener that does not keep up hears less: its positions tell.
                if let Err(asynchronous::error::TrySendError::Closed(_)) = sounds.try_send(sound) {
                    return;
                }
            }
        }
        if sounds.is_closed() {
            return;
        }
    }
}

/// The server's side: takes what happens, tells whoever watches.
#[derive(Debug)]
pub(super) struct Board {
    events: broadcast::Sender<Told>,
    number: u64,
    streams: BTreeMap<(SessionId, PortIndex), Known>,
}

/// A stream, and its figures of before while somebody watches.
#[derive(Debug)]
struct Known {
    stream: Stream,
    before: Option<PortStatistics>,
    /// Whether somebody talked in its last second.
    talks: Option<bool>,
}

impl Board {
    pub(super) fn new(live: &Live) -> Self {
        Self { events: live.events.clone(), number: 0, streams: BTreeMap::new() }
    }

    /// A stream is there, or has changed.
    pub(super) fn stream(&mut self, session: SessionId, stream: &Stream) {
        let known = self.streams.entry((session, stream.port));
        let known = known.or_insert_with(|| Known { stream: stream.clone(), before: None, talks: None });
        known.stream.clone_from(stream);
    }

    /// The stream is closed.
    pub(super) fn closed(&mut self, session: SessionId, port: PortIndex) {
        self.streams.remove(&(session, port));
    }

    /// The core tells something.
    pub(super) fn tell(&mut self, at: Wall, tell: &Tell) {
        let event = match tell {
            Tell::SessionStarted { session, remote, streams, shown } => LiveEvent::SessionStarted {
                session: *session,
                src: *remote,
                streams: *streams,
                vendor: shown.vendor().map(|vendor| vendor.to_string()),
            },
            Tell::SessionEnded { session, cause } => LiveEvent::SessionEnded { session: *session, cause: *cause },
            Tell::Alarm { session, alarm, port, raised } => {
                let label = port.and_then(|port| self.streams.get(&(*session, port))?.stream.label.clone());
                LiveEvent::Alarm { session: *session, alarm: *alarm, port: *port, label, raised: *raised }
            }
            Tell::DialogJoined { .. }
            | Tell::DialogEnded { .. }
            | Tell::KeysLost { .. }
            | Tell::SrtpRefused { .. }
            | Tell::Secured { .. }
            | Tell::NotSecured { .. }
            | Tell::Refused { .. }
            | Tell::KeptOut { .. }
            | Tell::NotEstablished { .. }
            | Tell::Garbage { .. } => return,
        };
        self.publish(at, event);
    }

    /// Figures of a worker's streams came, about once a second.
    pub(super) fn reports(&mut self, at: Wall, reports: &[MediaReport]) {
        if self.events.receiver_count() == 0 {
            return;
        }
        let seconds: Arc<[StreamSecond]> = reports.iter().filter_map(|report| self.second(report)).collect();
        if !seconds.is_empty() {
            self.publish(at, LiveEvent::Quality(seconds));
        }
    }

    fn second(&mut self, report: &MediaReport) -> Option<StreamSecond> {
        if report.event.is_some() {
            return None;
        }
        let (session, now) = (report.session, &report.statistics);
        let known = self.streams.get_mut(&(session, now.port))?;
        let second = Second::between(known.before.as_ref(), now, &known.stream);
        let is_first = known.before.replace(now.clone()).is_none();
        known.talks = second.talks;
        let label = known.stream.label.clone();
        // What came before anybody watched was no second.
        (!is_first).then(|| StreamSecond { session, label, both_talk: self.both_talk(session, &second), second })
    }

    fn both_talk(&self, session: SessionId, second: &Second) -> Option<bool> {
        let of_session = (session, PortIndex(0))..=(session, PortIndex(u16::MAX));
        let others = self.streams.range(of_session).filter(|((_, port), _)| *port != second.port);
        let other_talks = others.filter_map(|(_, other)| other.talks).reduce(|one, other| one || other)?;
        second.talks.map(|talks| talks && other_talks)
    }

    fn publish(&mut self, at: Wall, event: LiveEvent) {
        self.number += 1;
        let _ = self.events.send(Told { number: self.number, at, event });
    }
}
