//! What a running server shows while calls go on: an event at a time to whoever watches, samples to whoever listens.
//!
//! ```text
//! core's tellings, workers' figures -> Board -> broadcast -> Watch (one that lags misses events, and hears how many)
//! worker -> Overheard -> a thread a listener: codec::listen -> Sound -> Tap
//! ```
//! Nobody is ever waited for, and where nobody watches or listens nothing is made.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use siprec_core::codec::listen::Listener;
use siprec_core::entry::{Alarm, EndCause, Event, PauseCause, PortIndex, Stream};
use siprec_core::media::{MediaReport, PortStatistics, Second};
use siprec_core::seed::{RecordingId, SessionId};
use siprec_core::session::{Kept, Tell};
use siprec_core::time::Wall;
use tokio::sync::{broadcast, mpsc as asynchronous};

use super::alarms::{Alarms, Of, ServerAlarm};
use super::media::Overheard;
use super::meters::{Meters, Seen};
use super::orders::{Orders, Wish};
use super::sip_watch::{SipFeed, SipTap, SipWatch};
use crate::archive::audit::Origin;
use crate::wall;

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
    /// Nothing of a stream is kept any more, or it is kept again.
    StreamPaused {
        /// The session.
        session: SessionId,
        /// The stream.
        port: PortIndex,
        /// Its label.
        label: Option<String>,
        /// Why nothing of it is kept; none: it is kept again.
        cause: Option<PauseCause>,
    },
    /// A recording began.
    RecordingStarted {
        /// Its session.
        session: SessionId,
        /// Which.
        recording: RecordingId,
        /// Its communication session, where the metadata names one.
        communication_session: Option<String>,
    },
    /// What recordings of a session are tagged with was changed by order: of those that go on and of those to come.
    SessionTagged {
        /// The session.
        session: SessionId,
        /// Tags that they have now and had not.
        added: Vec<String>,
        /// Tags that they had and have no more.
        removed: Vec<String>,
    },
    /// A recording was made, and can be found.
    Recorded {
        /// Its session.
        session: SessionId,
        /// Which.
        recording: RecordingId,
        /// How long it is.
        duration_ms: u64,
    },
    /// A recording that was there was made again: keys came that open packets of it.
    RecordedAgain {
        /// Its session.
        session: SessionId,
        /// Which.
        recording: RecordingId,
        /// Packets that a key opened which came after them.
        opened: u64,
        /// Packets that no key opens yet.
        sealed: u64,
    },
    /// A recording could not be made; it is tried again.
    NotRecorded {
        /// Its session.
        session: SessionId,
        /// Which, if it is known.
        recording: Option<RecordingId>,
        /// Why.
        why: String,
    },
    /// A recording is stored in a storage target.
    Stored {
        /// Which.
        recording: RecordingId,
        /// Where.
        target: String,
    },
    /// An alarm of the server itself was raised, or is over.
    ServerAlarm {
        /// Which.
        alarm: ServerAlarm,
        /// Of what, where there may be several: a storage target, a peer, a certificate.
        subject: Option<String>,
        /// What is wrong, and what to do.
        detail: String,
        /// `false`: it is over.
        raised: bool,
    },
    /// Somebody has taken note of an alarm.
    Acknowledged {
        /// Its id.
        alarm: String,
        /// Who.
        by: String,
    },
    /// The server takes no new sessions and stops after the last.
    Draining,
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
    publisher: Arc<Publisher>,
    sip: SipFeed,
    orders: Orders,
    listeners: Arc<AtomicUsize>,
}

/// Numbers events, and hands them to whoever watches.
#[derive(Debug)]
struct Publisher {
    events: broadcast::Sender<Told>,
    /// Of the last event; held while one is handed over, so that they come in their order.
    number: Mutex<u64>,
    /// Watchers who want to know of seconds: without one they are not made.
    of_seconds: Arc<AtomicUsize>,
}

impl Publisher {
    fn publish(&self, at: Wall, event: LiveEvent) {
        let mut number = self.number.lock().unwrap_or_else(PoisonError::into_inner);
        *number += 1;
        let _ = self.events.send(Told { number: *number, at, event });
    }
}

impl Live {
    pub(super) fn new(orders: Orders) -> Self {
        let events = broadcast::channel(EVENTS).0;
        let publisher = Arc::new(Publisher { events, number: Mutex::default(), of_seconds: Arc::default() });
        Self { publisher, sip: SipFeed::default(), orders, listeners: Arc::default() }
    }

    /// Everything that happens from now on.
    pub fn watch(&self) -> Watch {
        let of_seconds = Arc::clone(&self.publisher.of_seconds);
        of_seconds.fetch_add(1, Ordering::Relaxed);
        Watch { events: self.publisher.events.subscribe(), _of_seconds: Some(Counted(of_seconds)) }
    }

    /// The same, without the seconds of streams where nobody else wants them.
    pub fn watch_changes(&self) -> Watch {
        Watch { events: self.publisher.events.subscribe(), _of_seconds: None }
    }

    /// Each SIP message that comes or goes from now on.
    pub fn watch_sip(&self) -> SipWatch {
        self.sip.watch()
    }

    /// Where messages go that come and go.
    pub(super) fn sip_tap(&self) -> SipTap {
        SipTap::new(self.sip.clone())
    }

    /// Seconds of streams are made as long as this is held.
    #[cfg(feature = "api")]
    pub(super) fn want_seconds(&self) -> Counted {
        self.publisher.of_seconds.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(&self.publisher.of_seconds))
    }

    /// Something happened that the core does not know of.
    pub(super) fn publish(&self, event: LiveEvent) {
        self.publisher.publish(wall::now(), event);
    }

    /// The audio of a session from now on, some 50 ms behind the wire. None while [`MAX_LISTENERS`] listen already. The tap
    /// of a session that is not there is over at once.
    pub fn listen(&self, session: SessionId) -> Option<Tap> {
        self.listen_as(session, None)
    }

    /// The same, for somebody whom the audit log is to name.
    pub(super) fn listen_as(&self, session: SessionId, origin: Option<Origin>) -> Option<Tap> {
        let seat = Seat::take(&self.listeners)?;
        let (wire, overheard) = mpsc::sync_channel(PACKETS);
        let (sounds, tap) = asynchronous::channel(SOUNDS);
        let missed = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&missed);
        let decode = move || {
            decode(&overheard, &sounds, &counted);
            drop(seat);
        };
        std::thread::Builder::new().name("listener".into()).spawn(decode).ok()?;
        self.orders.wish(Wish::Listen { session, wire, origin });
        Some(Tap { sounds: tap, missed })
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

/// One of those who want seconds.
#[derive(Debug)]
pub(super) struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What comes to a watcher.
#[derive(Debug)]
pub struct Watch {
    events: broadcast::Receiver<Told>,
    _of_seconds: Option<Counted>,
}

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
        match self.events.recv().await {
            Ok(told) => Watched::Told(told),
            Err(broadcast::error::RecvError::Lagged(missed)) => Watched::Missed(missed),
            Err(broadcast::error::RecvError::Closed) => Watched::Over,
        }
    }
}

/// A session's audio as it comes. Dropped, it listens no more.
#[derive(Debug)]
pub struct Tap {
    sounds: asynchronous::Receiver<Sound>,
    missed: Arc<AtomicU64>,
}

impl Tap {
    /// The next packet's samples; none when the session is over.
    pub async fn next(&mut self) -> Option<Sound> {
        self.sounds.recv().await
    }

    /// Packets that were heard and not taken in time: they are lost to this listener.
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
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
fn decode(overheard: &mpsc::Receiver<Overheard>, sounds: &asynchronous::Sender<Sound>, missed: &AtomicU64) {
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
                match sounds.try_send(sound) {
                    Ok(()) => {}
                    Err(asynchronous::error::TrySendError::Full(_)) => {
                        missed.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(asynchronous::error::TrySendError::Closed(_)) => return,
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
    publisher: Arc<Publisher>,
    streams: BTreeMap<(SessionId, PortIndex), Known>,
    /// Who made the SRCs of sessions; none of those of before a restart.
    vendors: BTreeMap<SessionId, String>,
    alarms: Alarms,
    meters: Meters,
}

/// What is known of a session beside the core: what it forgets, and its alarms, of which people take note.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Beside {
    /// Who made the SRC; none after a restart, too.
    pub(super) vendor: Option<String>,
    /// Alarms that are raised, each with its stream and since when.
    pub(super) alarms: Vec<(Alarm, Option<PortIndex>, Wall)>,
}

/// A stream, and its figures of before while somebody watches.
#[derive(Debug)]
struct Known {
    stream: Stream,
    before: Option<PortStatistics>,
    /// What the meters have of it.
    seen: Option<Seen>,
    /// Whether somebody talked in its last second.
    talks: Option<bool>,
}

impl Board {
    pub(super) fn new(live: &Live, alarms: Alarms, meters: Meters) -> Self {
        let (streams, vendors) = (BTreeMap::new(), BTreeMap::new());
        Self { publisher: Arc::clone(&live.publisher), streams, vendors, alarms, meters }
    }

    /// A stream is there, or has changed.
    pub(super) fn stream(&mut self, at: Wall, session: SessionId, stream: &Stream) {
        let known = self.streams.entry((session, stream.port));
        let known = known.or_insert_with(|| Known { stream: stream.clone(), before: None, seen: None, talks: None });
        let was_paused = known.stream.paused;
        known.stream.clone_from(stream);
        if was_paused != stream.paused {
            let (port, label, cause) = (stream.port, stream.label.clone(), stream.paused);
            self.publish(at, LiveEvent::StreamPaused { session, port, label, cause });
        }
    }

    /// The stream is closed, and this is all that came on it.
    pub(super) fn ended(&mut self, session: SessionId, whole: &PortStatistics) {
        if let Some(known) = self.streams.remove(&(session, whole.port)) {
            self.meters.stream(known.seen.as_ref(), whole);
            self.meters.stream_ended(&Second::between(None, whole, &known.stream));
        }
    }

    /// The stream is closed.
    pub(super) fn closed(&mut self, session: SessionId, port: PortIndex) {
        self.streams.remove(&(session, port));
    }

    /// Something was kept of a session: a recording that begins is news, and so are other tags.
    pub(super) fn kept(&self, at: Wall, session: SessionId, kept: &Kept) {
        if let Kept::Event(Event::RecordingStarted { recording, communication_session, .. }) = kept {
            let (recording, communication_session) = (*recording, communication_session.clone());
            self.publish(at, LiveEvent::RecordingStarted { session, recording, communication_session });
        } else if let Kept::Event(Event::Tagged { add, remove }) = kept {
            let (added, removed) = (add.clone(), remove.clone());
            self.publish(at, LiveEvent::SessionTagged { session, added, removed });
        }
    }

    /// What is known of a session.
    pub(super) fn beside(&self, session: SessionId) -> Beside {
        Beside { vendor: self.vendors.get(&session).cloned(), alarms: self.alarms.of_session(session) }
    }

    /// The core tells something.
    pub(super) fn tell(&mut self, at: Wall, tell: &Tell) {
        self.note(at, tell);
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

    fn note(&mut self, at: Wall, tell: &Tell) {
        match tell {
            Tell::SessionStarted { session, shown, .. } => {
                self.meters.sessions_started.inc();
                self.vendors.extend(shown.vendor().map(|vendor| (*session, vendor.to_string())));
            }
            Tell::Alarm { session, alarm, port, raised } => {
                self.alarms.session(at, Of::Session(*session, *alarm, *port), *raised);
            }
            Tell::SessionEnded { session, .. } => {
                self.vendors.remove(session);
                self.alarms.session_ended(*session);
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
            | Tell::Garbage { .. } => {}
        }
    }

    /// Figures of a worker's streams came, about once a second.
    pub(super) fn reports(&mut self, at: Wall, reports: &[MediaReport]) {
        for report in reports.iter().filter(|report| report.event.is_none()) {
            if let Some(known) = self.streams.get_mut(&(report.session, report.statistics.port)) {
                known.seen = Some(self.meters.stream(known.seen.as_ref(), &report.statistics));
            }
        }
        if self.publisher.of_seconds.load(Ordering::Relaxed) == 0 {
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

    fn publish(&self, at: Wall, event: LiveEvent) {
        self.publisher.publish(at, event);
    }
}
