//! What a packet does not cost: the real workers over real sockets, SRTP, and the journal's writer on a real disk, with every
//! allocation of their threads counted.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use siprec::archive::disk::{Disk, RealDisk};
use siprec::archive::journal::{CaughtUp, Writer};
use siprec::archive::scribe::{Blocks, Scribe};
use siprec::archive::sealed::{MasterKeys, SealedDisk};
use siprec::server::clock::Clock;
use siprec::server::media::ports::Ports;
use siprec::server::media::{News, SlabSink, Workers};
use siprec_core::entry::{Entry, Event, Kind, PortIndex, SegmentHeader, Stream};
use siprec_core::journal::{FORMAT_VERSION, encoder};
use siprec_core::media::{Digits, MediaReport, PortSettings, Protection};
use siprec_core::sdp::crypto::{Encryption, InlineKey, MasterKey, Suite};
use siprec_core::seed::{Random, Seed, SessionId};
use siprec_core::srtp::{Sender, SenderState};
use siprec_core::time::Wall;

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const FIRST_PORT: u16 = 44_000;
const SESSIONS: usize = 500;
const LEGS: usize = 2;
const STREAMS: usize = SESSIONS * LEGS;
/// Packets of a stream before counting begins, and while it lasts: 10 s.
const WARM: u32 = 120;
const COUNTED: u32 = 500;
const ROUND: Duration = Duration::from_millis(20);
/// Of a stream in so many, every SSRC of a round is a new one, or two packets change places.
const EVERY: usize = 10;

thread_local! {
    static OF: Cell<Of> = const { Cell::new(Of::Unknown) };
}

/// Whose thread it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Unknown,
    Worker,
    Journal,
    Sync,
    Others,
}

static COUNTING: AtomicBool = AtomicBool::new(false);
static BY_WORKERS: AtomicU64 = AtomicU64::new(0);
static BY_JOURNAL: AtomicU64 = AtomicU64::new(0);
static BY_SYNC: AtomicU64 = AtomicU64::new(0);
/// Figures of streams that were told meanwhile, once a second each, and events.
static FIGURES: AtomicU64 = AtomicU64::new(0);
static EVENTS: AtomicU64 = AtomicU64::new(0);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count() {
    if !COUNTING.load(Ordering::Relaxed) {
        return;
    }
    let of = OF.get();
    let of = if of == Of::Unknown { this_thread() } else { of };
    OF.set(of);
    match of {
        Of::Worker => BY_WORKERS.fetch_add(1, Ordering::Relaxed),
        Of::Journal => BY_JOURNAL.fetch_add(1, Ordering::Relaxed),
        Of::Sync => BY_SYNC.fetch_add(1, Ordering::Relaxed),
        Of::Unknown | Of::Others => 0,
    };
}

/// By its name, which is read without allocating.
fn this_thread() -> Of {
    let mut name = [0_u8; 16];
    // SAFETY: PR_GET_NAME writes at most 16 bytes, the terminating zero among them, to where its argument points.
    let done = unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
    match &name {
        _ if done != 0 => Of::Others,
        name if name.starts_with(b"media-") => Of::Worker,
        name if name.starts_with(b"journal\0") => Of::Journal,
        name if name.starts_with(b"journal") => Of::Sync,
        _ => Of::Others,
    }
}

// SAFETY: every call is the system allocator's own; counting touches no memory that it gives.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are those that the system allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above; the pointer came from the system allocator.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// The way to the journal, as the server has it.
struct ToJournal(Writer);

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

/// The way to a sealed disk is that to a plain one, and more.
fn sealed_disk() -> Arc<dyn Disk> {
    let masters = MasterKeys::new(Some(siprec_core::sealed::MasterKey::new(&[1; 32])), Vec::new());
    Arc::new(SealedDisk::new(Arc::new(RealDisk), masters, true))
}

#[test]
fn a_packet_allocates_nothing_on_its_way_to_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::start();
    let caught_up = CaughtUp::default();
    let writer = Writer::with_log(sealed_disk(), folder.path(), "this", caught_up, 256 << 20, Arc::new(|| ())).unwrap();
    begin_journals(&writer, clock);
    let sink = Arc::new(ToJournal(writer));
    let as_sink: Arc<dyn SlabSink> = Arc::<ToJournal>::clone(&sink);
    let received = Arc::new(AtomicU64::new(0));
    let heard = Arc::clone(&received);
    // What was told is read and given back on a thread of its own, as signalling does it.
    let (told, reports) = std::sync::mpsc::sync_channel::<Vec<MediaReport>>(1_024);
    let tell = move |news: News| match news {
        News::Closed { report, .. } => _ = heard.fetch_add(report.statistics.packets, Ordering::Relaxed),
        News::Failed { why, .. } => panic!("{why}"),
        News::Reports(reports) => told.send(reports).unwrap(),
        News::Flushed { .. } | News::Dtls(_) => {}
    };
    let workers = Arc::new(Workers::start(0, clock, &as_sink, Arc::new(tell)).unwrap());
    let giver = Arc::clone(&workers);
    let reading = std::thread::spawn(move || read(&reports, &giver));
    let mut ports = Ports::new(FIRST_PORT..=FIRST_PORT + 4 * STREAMS as u16, Some(LOCAL));
    let mut streams: Vec<Sending> = (0..STREAMS)
        .map(|n| {
            let pair = ports.bind(LOCAL, clock.now().monotonic).unwrap();
            let to = SocketAddr::new(LOCAL, pair.rtp_port());
            let protected = n / LEGS % 2 == 1;
            workers.add(SessionId((n / LEGS) as u128), settings(n, to, protected), pair);
            Sending::new(n, to, protected)
        })
        .collect();
    let socket = UdpSocket::bind((LOCAL, 0)).unwrap();
    send(&socket, &mut streams, 0..WARM);
    workers.flush_all(Duration::from_secs(10));
    sink.0.wait_written();

    // As after a disk that stalled: what waited in memory then is there for the next time.
    stall(&sink.0);
    let began = Instant::now();
    COUNTING.store(true, Ordering::SeqCst);
    send(&socket, &mut streams, WARM..WARM + COUNTED);
    workers.flush_all(Duration::from_secs(10));
    sink.0.wait_written();
    COUNTING.store(false, Ordering::SeqCst);

    workers.flush_all(Duration::from_secs(10));
    for session in (0..SESSIONS).map(|n| SessionId(n as u128)) {
        workers.close_session(session);
    }
    workers.flush_all(Duration::from_secs(10));
    let count = |of: &AtomicU64| of.load(Ordering::SeqCst);
    let (by_workers, by_journal, by_sync) = (count(&BY_WORKERS), count(&BY_JOURNAL), count(&BY_SYNC));
    let (figures, events) = (count(&FIGURES), count(&EVENTS));
    println!(
        "{} packets: allocations by workers {by_workers} ({figures} figures, {events} events were told), \
         by the journal {by_journal}, by its syncs {by_sync}",
        COUNTED as usize * STREAMS
    );
    assert_eq!(count(&received) as usize, (WARM + COUNTED) as usize * STREAMS, "some were lost");
    assert_eq!(sink.0.figures().dropped_packets, 0);
    assert!(figures as usize > 8 * STREAMS && events as usize >= STREAMS / EVERY, "{figures} figures, {events} events");
    assert_eq!(by_workers, 0, "workers");
    // A mark a second for each journal, and a list of those to be synced: nothing a packet.
    let (sessions, seconds) = (SESSIONS as u64, began.elapsed().as_secs() + 2);
    assert!(by_journal < 2 * sessions * seconds, "journal: {by_journal}");
    assert!(by_sync < sessions * seconds, "syncs: {by_sync}");
    drop(reading);
}

/// Some thousand buffers wait for the disk at once.
fn stall(writer: &Writer) {
    let buffers: Vec<Vec<u8>> = (0..8_000).map(|_| writer.buffer()).collect();
    for mut bytes in buffers {
        let event = Entry { at: Wall(0), kind: Kind::Event(Event::Answered) };
        encoder::entry(&mut bytes, &event);
        writer.hand_over_quietly(Blocks { session: SessionId(0), segment: None, checkpoint_at: None, bytes });
    }
    writer.wait_written();
}

/// What was told while it is counted; given back.
fn read(told: &std::sync::mpsc::Receiver<Vec<MediaReport>>, workers: &Workers) {
    for reports in told {
        if COUNTING.load(Ordering::Relaxed) {
            let figures = reports.iter().filter(|report| report.event.is_none()).count();
            FIGURES.fetch_add(figures as u64, Ordering::Relaxed);
            EVENTS.fetch_add((reports.len() - figures) as u64, Ordering::Relaxed);
        }
        workers.give_back(reports);
    }
}

fn begin_journals(writer: &Writer, clock: Clock) {
    let (mut scribe, now) = (Scribe::default(), clock.now());
    for session in (0..SESSIONS).map(|n| SessionId(n as u128)) {
        let header = SegmentHeader {
            version: "test".into(),
            format: FORMAT_VERSION,
            session,
            segment: 1,
            seed: Seed([0; 32]),
            anchor: (now.monotonic, now.wall),
            boot: "this".into(),
            config: Arc::default(),
        };
        scribe.begin(now.wall, &header, &[(PortIndex(0), None), (PortIndex(1), None)]);
    }
    scribe.take().into_iter().for_each(|blocks| _ = writer.hand_over(blocks));
    writer.wait_written();
}

fn key() -> InlineKey {
    MasterKey::draw(Suite::AesCm128HmacSha1_80, &mut Random::new(Seed([1; 32]))).into()
}

fn settings(n: usize, rtp: SocketAddr, protected: bool) -> PortSettings {
    let stream = Stream {
        port: PortIndex((n % LEGS) as u16),
        m_line: (n % LEGS) as u16,
        label: None,
        media: "audio".into(),
        formats: [].into(),
        local: rtp,
        local_rtcp: SocketAddr::new(LOCAL, rtp.port() + 1),
        remote: None,
        paused: None,
        digits: Digits::Keep,
    };
    let reserved = SenderState { reserved: 256 };
    let protection = || Arc::new(Protection::new(vec![key()], Some(key()), Encryption::default(), reserved));
    PortSettings {
        stream,
        ssrc: !(n as u32),
        cname: "siprec@test".into(),
        remote_rtcp: None,
        rtcp_mux: false,
        seed: n as u64,
        srtp: protected.then(protection),
        dtls: false,
        feedback: siprec_core::sdp::Feedback::default(),
    }
}

/// A stream's sender.
struct Sending {
    number: usize,
    to: SocketAddr,
    ssrc: u32,
    sender: Option<Sender>,
    /// One that is sent behind the next.
    held: Option<Vec<u8>>,
}

impl Sending {
    fn new(number: usize, to: SocketAddr, protected: bool) -> Self {
        let sender = protected.then(|| Sender::new(&key(), Encryption::default()).unwrap());
        Self { number, to, ssrc: number as u32 + 1, sender, held: None }
    }

    fn packet(&mut self, n: u32) -> Vec<u8> {
        let mut packet = vec![0x80, 8];
        packet.extend((n as u16).to_be_bytes());
        packet.extend((n * 160).to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.resize(172, 0xd5);
        if let Some(sender) = &mut self.sender {
            sender.protect(&mut packet).unwrap();
        }
        packet
    }
}

/// A packet of each stream a round; some in disorder, some of a new source.
fn send(socket: &UdpSocket, streams: &mut [Sending], rounds: std::ops::Range<u32>) {
    let (begun, first, last) = (Instant::now(), rounds.start, rounds.end - 1);
    for n in rounds {
        for stream in &mut *streams {
            if n == first + 50 && stream.number % EVERY == 0 {
                stream.ssrc += 100_000;
            }
            let packet = stream.packet(n);
            if stream.held.is_none() && n != last && (stream.number + n as usize).is_multiple_of(EVERY) {
                stream.held = Some(packet);
                continue;
            }
            socket.send_to(&packet, stream.to).unwrap();
            if let Some(held) = stream.held.take() {
                socket.send_to(&held, stream.to).unwrap();
            }
        }
        std::thread::park_timeout((begun + ROUND * (n - first + 1)).saturating_duration_since(Instant::now()));
    }
}
