//! The start of a server over what its predecessor left: everything is opened, every live session goes on.
//!
//! Phase 1, before anybody is answered: ports bound, dialogs known. Phase 2, beside the live server: what ended
//! meanwhile is rendered (by the renderers, which look at the disk themselves).

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use siprec_core::entry::{EndCause, Event, SegmentHeader};
use siprec_core::node_key::NodeKey;
use siprec_core::seed::{Random, SessionId};
use siprec_core::session::{Checkpoint, Kept, Srs};
use siprec_core::time::Now;
use tokio::sync::{Notify, mpsc};

use super::Options;
use super::alarms::{Alarms, Of, ServerAlarm};
use super::answering::Answering;
use super::arrivals::Arrival;
use super::auditing::Auditing;
use super::clock::{Clock, StepWatch};
use super::erasing::Eraser;
use super::finishing::Finishing;
use super::live::{Board, Live as Watched, LiveEvent};
use super::lookout::Lookout;
use super::media::dtls::{Act, Dtls, Identity, Perform};
use super::media::ports::Ports;
use super::media::{News, SlabSink, Tell, Workers};
use super::meters::{Meters, Outcome};
use super::own_src::OwnSrc;
use super::recompressing::Job;
use super::serve::{Bound, Wakers, data_dir};
use super::shared_catalog::{self, Asking};
use super::signalling::Signalling;
use super::storing;
use super::streams::Streams;
use crate::archive::catalog::Catalog;
use crate::archive::disk::{Disk, RealDisk};
use crate::archive::finish::{Finished, Finisher};
use crate::archive::journal::{self, Found, Live, Writer};
use crate::archive::lock::DirectoryLock;
use crate::archive::node::{self, Node};
use crate::archive::node_id;
use crate::archive::node_key;
use crate::archive::outbox::{Outbox, Queue};
use crate::archive::proof_key::ProofKey;
use crate::archive::recordings;
use crate::archive::recovery::{Files, ForSession, Journal, Row, action};
use crate::archive::renderers::{Renderers, Report};
use crate::archive::scribe::{Blocks, Scribe};
use crate::archive::space::Space;
use crate::archive::unfinished;
use crate::config::Config;
use crate::erasing::Erasing;
use crate::limits::StallMemory;
use crate::policy::{catalog_address, details, digits, policy};
use crate::recompressing::Recompressing;
use crate::sealing;
use crate::wall;

/// Niceness of the render workers: recording comes first.
const RENDER_NICENESS: i32 = 10;

/// What was found at start.
pub(super) struct Recovered {
    pub(super) data: PathBuf,
    pub(super) free: Option<u64>,
    sessions: usize,
    ended: usize,
    unreadable: usize,
    ports: Duration,
    took: Duration,
}

impl Recovered {
    /// For the banner.
    pub(super) fn words(&self) -> String {
        if self.sessions + self.ended + self.unreadable == 0 {
            return "nothing to recover".to_owned();
        }
        let mut words = format!(
            "{} sessions go on, {} had ended; ports bound in {} ms, all known in {} ms",
            self.sessions,
            self.ended,
            self.ports.as_millis(),
            self.took.as_millis()
        );
        if self.unreadable > 0 {
            words.push_str(&format!("; {} journals could not be resumed (see the log)", self.unreadable));
        }
        words
    }
}

/// The media workers' way to the journal.
struct ToJournal(Arc<Writer>);

impl SlabSink for ToJournal {
    fn buffer(&self) -> Vec<u8> {
        self.0.buffer()
    }

    fn hand_over(&self, session: SessionId, bytes: Vec<u8>) {
        self.0.hand_over_quietly(Blocks { session, segment: None, checkpoint_at: None, bytes });
    }

    fn round_over(&self) {
        self.0.wake();
    }
}

/// Opens the archive, starts the threads, restores what was live.
pub(super) fn start(
    options: &Options,
    bound: &Bound,
    stall: StallMemory,
    queue: mpsc::Sender<Arrival>,
    arrivals: mpsc::Receiver<Arrival>,
) -> anyhow::Result<(Signalling, Wakers, Recovered)> {
    let began = Instant::now();
    let config = &options.loaded.config;
    let data = data_dir(config)?;
    let lock = DirectoryLock::take(&data)?;
    let disk: Arc<dyn Disk> = sealing::disk(config, &data)?;
    let boot = node::boot();
    let clock = clock_of(&disk, &data, &boot)?;
    let (catalog, asking) = open_catalog(config, &disk, &data)?;
    let (caught_up, found) = journals(&disk, &data, &boot)?;

    let written = Arc::new(Notify::new());
    let wake = Arc::clone(&written);
    let memory = usize::try_from(stall.bytes).unwrap_or(usize::MAX);
    let on_written = Arc::new(move || wake.notify_one());
    let writer = Arc::new(Writer::with_log(Arc::clone(&disk), &data, &boot, caught_up, memory, on_written)?);
    let (tell, media) = mpsc::unbounded_channel::<News>();
    let tell = Arc::new(move |news| drop(tell.send(news)));
    let sink: Arc<dyn SlabSink> = Arc::new(ToJournal(Arc::clone(&writer)));
    let workers = Workers::start(usize::from(config.media.workers), clock, &sink, Arc::clone(&tell) as Tell)?;
    let dtls = handshakes(Identity::load(&data)?, &workers, tell)?;
    let node_key = node_key::load(&data)?;
    let (alarms, meters) = (Alarms::new(options.desk.live().clone()), Meters::new());
    let told = (options.desk.live(), &alarms, &meters);
    let storage = storing::start(config, &disk, &data, told)?;
    let auditing = Auditing::start(&disk, &data, &options.loaded)?;
    let (report, stores) = (report((&disk, &data), told), queue_of(&data, storage.as_ref())?);
    let renderers = renderers(config, &disk, (&data, &node_key), &catalog, storage.as_ref(), report)?;
    let mut signalling = Signalling {
        srs: srs(options, &boot, &dtls, node_key)?,
        clock,
        datagrams: bound.datagrams.clone(),
        streams: Streams::new(queue, bound.tls.clone(), config.server.dscp),
        ports: Ports::new(config.media.port_range.first..=config.media.port_range.last, None).marked(config.media.dscp),
        workers,
        dtls,
        writer,
        scribe: Scribe::default(),
        finishing: Finishing::new(renderers),
        eraser: Eraser::new(erasing(config, &disk, &data, &catalog, stores.clone())?, auditing.pen()),
        recompression: Job::new(recompressing(config, &disk, &data, &catalog, stores)?, auditing.pen()),
        lookout: Lookout::new(&*disk, &data, storage.as_ref()),
        storage,
        auditing,
        sip: options.desk.live().sip_tap(),
        board: Board::new(options.desk.live(), alarms.clone(), meters.clone()),
        meters,
        answering: Answering::default(),
        alarms,
        own_src: OwnSrc::new(Random::new(node::fresh_seed()?), config.api.end_silent_after.0),
        trace: options.sip_trace.clone(),
        digits: digits(config.media.dtmf),
        advertised_media: config.media.advertised_address,
        bound: HashMap::new(),
        outgoing: Vec::new(),
        held: VecDeque::new(),
        answers: VecDeque::new(),
        reservations: VecDeque::new(),
        confirmations: VecDeque::new(),
        ticket: 0,
        steps: StepWatch::new(&clock),
        space: Space::new(config.archive.min_free.0),
        disk,
        catalog,
        _asking: asking,
        data: data.clone(),
        boot,
        pressure: None,
        _lock: lock,
    };
    let recovered = Recovered { free: signalling.disk.free_space(&data).ok(), ..signalling.restore(found, began) };
    Ok((signalling, Wakers { arrivals, media, written }, recovered))
}

impl Signalling {
    /// Every live session goes on.
    fn restore(&mut self, found: Vec<Found>, began: Instant) -> Recovered {
        let mut recovered = Recovered {
            data: self.data.clone(),
            free: None,
            sessions: 0,
            ended: 0,
            unreadable: 0,
            ports: Duration::ZERO,
            took: Duration::ZERO,
        };
        let now: Now = self.now();
        let mut torn = Vec::new();
        for found in found {
            let checkpoint = found.checkpoint.as_deref().map(Checkpoint::read);
            let journal = match &checkpoint {
                Some(Ok(checkpoint)) if checkpoint.ended().is_some() || found.ended => Journal::Ended,
                Some(Ok(_)) => Journal::Live,
                Some(Err(_)) | None if found.ended => Journal::Ended,
                Some(Err(_)) | None => Journal::Torn,
            };
            match (action(journal, Files::Absent, Row::Absent).session, checkpoint) {
                (ForSession::Resume, Some(Ok(checkpoint))) => {
                    recovered.sessions += 1;
                    self.srs.restore(now, checkpoint, found.next_segment, found.last_entry, found.rebooted);
                }
                (ForSession::PutAway, Some(Ok(checkpoint))) if journal == Journal::Ended => {
                    recovered.ended += 1;
                    // Its dialog is remembered: its BYE may come again.
                    self.srs.restore(now, checkpoint, found.next_segment, found.last_entry, found.rebooted);
                }
                (ForSession::PutAway, _) if journal == Journal::Ended => recovered.ended += 1,
                (ForSession::Resume | ForSession::PutAway | ForSession::Leave, checkpoint) => {
                    recovered.unreadable += 1;
                    let why = checkpoint.and_then(Result::err).map_or("no checkpoint".to_owned(), |e| e.to_string());
                    tracing::error!(session = %found.session, why, "a session cannot go on; what it has is rendered");
                    torn.push(found);
                }
            }
        }
        // What the core wants first is the ports: the kernel holds the media of every call from here on, and nobody who
        // must move can take another's.
        while let Some(output) = self.srs.poll_output() {
            self.output(now, output);
        }
        // Whoever was told of an alarm of before finds it still.
        for (session, alarm, port, since) in self.srs.raised() {
            self.alarms.session(since, Of::Session(session, alarm, port), true);
        }
        recovered.ports = began.elapsed();
        let now = self.now();
        self.carry_out(now);
        for found in torn {
            self.end_torn(now, found);
        }
        recovered.took = began.elapsed();
        recovered
    }
}

impl Signalling {
    /// A journal that nobody can go on with gets an end of its own, so that it is rendered.
    fn end_torn(&mut self, now: Now, found: Found) {
        let Some(header) = found.header else { return };
        let session = found.session;
        let header = SegmentHeader {
            segment: found.next_segment,
            anchor: (now.monotonic, now.wall),
            boot: self.boot.clone(),
            ..header
        };
        self.scribe.begin(now.wall, &header, &[]);
        self.scribe.keep(session, now.wall, &Kept::Event(Event::Ended { cause: EndCause::Failed }));
        self.scribe.forget(session);
        self.hand_over();
        self.finishing.note(session, true);
    }
}

/// The journals: their log brought into them, and what they hold of sessions.
fn journals(
    disk: &Arc<dyn Disk>,
    data: &std::path::Path,
    boot: &str,
) -> anyhow::Result<(journal::CaughtUp, Vec<Found>)> {
    let caught_up = journal::catch_up(&**disk, data, boot);
    let caught_up = caught_up.context("the journals cannot be brought up to their log")?;
    let found = Live::scan(&**disk, data, boot).context("the journals cannot be read")?;
    Live::tidy(&**disk, &found);
    Ok((caught_up, found))
}

/// A core without sessions.
fn srs(options: &Options, boot: &str, dtls: &Dtls, node_key: NodeKey) -> anyhow::Result<Srs> {
    let mut policy = policy(&options.loaded.config, boot);
    policy.answer.fingerprint = Some(dtls.fingerprint().clone());
    policy.show_framed = options.sip_trace.is_some();
    let mut srs = Srs::new(policy, node::fresh_seed()?);
    srs.keep_keys_with(node_key);
    Ok(srs)
}

/// By how many nanoseconds the machine's clock is ahead of the one that recordings in `data` go by; none before the first start in
/// this boot.
pub fn clock_offset(data: &std::path::Path) -> Option<i64> {
    let node = Node::read(&RealDisk, data).filter(|node| node.boot == node::boot())?;
    let (monotonic, wall) = node.anchor;
    Some(StepWatch::new(&Clock::resume(Now { monotonic, wall })).offset())
}

/// The clock of before, if this is the same boot; else a new one, to be remembered.
fn clock_of(disk: &Arc<dyn Disk>, data: &std::path::Path, boot: &str) -> anyhow::Result<Clock> {
    if let Some(node) = Node::read(&**disk, data).filter(|node| node.boot == boot) {
        let (monotonic, wall) = node.anchor;
        return Ok(Clock::resume(Now { monotonic, wall }));
    }
    let clock = Clock::start();
    let anchor = clock.anchor();
    let node = Node { boot: boot.to_owned(), anchor: (anchor.monotonic, anchor.wall) };
    node.write(&**disk, data)
        .with_context(|| format!("cannot write {}: archive.data_dir must be writable", data.display()))?;
    Ok(clock)
}

/// The catalog. One in PostgreSQL need not answer yet: no call waits for it.
fn open_catalog(
    config: &Config,
    disk: &Arc<dyn Disk>,
    data: &std::path::Path,
) -> anyhow::Result<(Arc<Catalog>, Option<Asking>)> {
    if let Some(address) = catalog_address(config)? {
        let node = node_id::load(&**disk, data)?;
        let catalog = Arc::new(Catalog::shared(address.clone(), &node));
        let asking = shared_catalog::ask(Arc::clone(disk), data.to_owned(), Arc::clone(&catalog), &address)?;
        return Ok((catalog, Some(asking)));
    }
    let (catalog, rebuilt) = recordings::open_catalog(&**disk, data)?;
    if let Some(rebuilt) = rebuilt {
        tracing::warn!(recordings = rebuilt.recordings, "the catalog was empty and is made anew from the sidecars");
    }
    Ok((Arc::new(catalog), None))
}

/// What waits for storage targets, for those of before as well, once they are set up again.
fn queue_of(data: &std::path::Path, storage: Option<&Outbox>) -> anyhow::Result<Option<Arc<Queue>>> {
    if let Some(storage) = storage {
        return Ok(Some(Arc::clone(storage.queue())));
    }
    Ok(Queue::existing(data)?.map(Arc::new))
}

/// What is erased.
fn erasing(
    config: &Config,
    disk: &Arc<dyn Disk>,
    data: &std::path::Path,
    catalog: &Arc<Catalog>,
    queue: Option<Arc<Queue>>,
) -> anyhow::Result<Erasing> {
    Erasing::new(config, Arc::clone(disk), data, Arc::clone(catalog), queue, ProofKey::load(data)?)
}

/// What is recompressed.
fn recompressing(
    config: &Config,
    disk: &Arc<dyn Disk>,
    data: &std::path::Path,
    catalog: &Arc<Catalog>,
    queue: Option<Arc<Queue>>,
) -> anyhow::Result<Recompressing> {
    Recompressing::new(config, Arc::clone(disk), data, Arc::clone(catalog), queue, ProofKey::load(data)?)
}

/// DTLS: what it sends leaves from the workers' sockets, what comes of it is news.
fn handshakes(identity: Identity, workers: &Workers, tell: Tell) -> anyhow::Result<Dtls> {
    let post = workers.post();
    let perform: Perform = Arc::new(move |act| match act {
        Act::Send { from, to, datagram } => post.send(from, to, datagram),
        Act::Done { .. } | Act::Refused { .. } => tell(News::Dtls(act)),
    });
    let dtls = Dtls::start(identity, perform)?;
    workers.protect(&dtls);
    Ok(dtls)
}

/// What is told of a session that the renderers have worked on.
fn report(
    (disk, data): (&Arc<dyn Disk>, &std::path::Path),
    (live, alarms, meters): (&Watched, &Alarms, &Meters),
) -> Report {
    let (disk, data) = (Arc::clone(disk), data.to_owned());
    let (live, alarms, meters) = (live.clone(), alarms.clone(), meters.clone());
    Arc::new(move |session: SessionId, finished: &Finished| {
        for sidecar in &finished.recordings {
            let (recording, duration_ms, lost) = (sidecar.id, sidecar.duration_ms, sidecar.proof.packets_lost);
            tracing::info!(%session, %recording, duration_ms, packets_lost = lost, "recorded");
            meters.recordings.get_or_create(&Outcome { result: "completed" }).inc();
            live.publish(LiveEvent::Recorded { session, recording, duration_ms });
        }
        for sidecar in &finished.again {
            let (recording, opened, sealed) = (sidecar.id, sidecar.proof.opened_late, sidecar.proof.sealed);
            tracing::info!(%session, %recording, opened, sealed, "made again: keys came that open packets of it");
            live.publish(LiveEvent::RecordedAgain { session, recording, opened, sealed });
        }
        for (recording, error) in &finished.failed {
            tracing::error!(%session, ?recording, %error, "a recording is not finished; it will be tried again");
            let (recording, why) = (*recording, error.to_string());
            meters.recordings.get_or_create(&Outcome { result: "failed" }).inc();
            live.publish(LiveEvent::NotRecorded { session, recording, why });
        }
        if let Err(error) = unfinished::note(&*disk, &data, session, &finished.failed, wall::now()) {
            tracing::warn!(%session, %error, "what failed of it is not noted");
        }
        let subject = session.to_string();
        let wrong = finished.failed.first().map(|(_, error)| error.to_string());
        alarms.server(ServerAlarm::NotRecorded, Some(&subject), wrong);
    })
}

fn renderers(
    config: &Config,
    disk: &Arc<dyn Disk>,
    (data, node_key): (&std::path::Path, &NodeKey),
    catalog: &Arc<Catalog>,
    storage: Option<&Outbox>,
    report: Report,
) -> anyhow::Result<Renderers> {
    let details = details(&config.archive.leave_out);
    let finisher = Finisher::new(Arc::clone(disk), data.to_owned(), Arc::clone(catalog))
        .leaving_out(details)
        .unwrapping(Some(node_key.clone()))
        .signing(ProofKey::load(data)?)
        .storing(storage.map(Outbox::intake))
        .rendering(config.recording.rendition());
    let threads = usize::from(config.recording.render_workers);
    Ok(Renderers::start(threads, RENDER_NICENESS, finisher, report)?)
}
