//! What a recorded RTP packet costs, beside the barest receiver there is.
//!
//! ```text
//! cargo bench --bench media -- [SESSIONS] [SECONDS] [FOLDER]      500, 1,000 and 2,000 sessions where none are told
//! this process -> sender -> receiver: floor | slabs | journal | sealed | srtp | both (a process each, one after the other)
//! ```
//! - `floor`: an edge-triggered epoll loop that reads each datagram and forgets it.
//! - `slabs`: the recorder's workers: kernel timestamps, latch, statistics, reports, journal blocks, which are counted and
//!   forgotten.
//! - `journal`: the same, and the journal's writer: its log and journals in FOLDER, made durable each second.
//! - `sealed`: the same, log and journals sealed.
//! - `srtp`: as `journal`, of packets that are AES_CM_128_HMAC_SHA1_80; `both`: and sealed.
//!
//! Told are the CPU time of the receiving process, user and system, per packet, its ratio to the floor's, the whole
//! machine's, the sender with it, what was lost, and the memory that sessions took. It fails where a ratio or the memory
//! is above its budget, or a packet was lost: nothing else should run beside it.

#![allow(clippy::print_stdout, reason = "a benchmark tells its figures")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::time::TimeValLike;
use siprec::archive::disk::{Disk, RealDisk};
use siprec::archive::journal::{CaughtUp, Writer};
use siprec::archive::scribe::{Blocks, Scribe};
use siprec::archive::sealed::{MasterKeys, SealedDisk};
use siprec::server::clock::Clock;
use siprec::server::media::ports::Ports;
use siprec::server::media::{News, SlabSink, Workers};
use siprec_core::entry::{PortIndex, SegmentHeader, Stream};
use siprec_core::journal::FORMAT_VERSION;
use siprec_core::media::{Digits, PortSettings, Protection};
use siprec_core::sdp::crypto::{Encryption, InlineKey, MasterKey, Suite};
use siprec_core::seed::{Random, Seed, SessionId};
use siprec_core::srtp::{Sender, SenderState};

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const FIRST_PORT: u16 = 20_000;
const LEGS: usize = 2;
const PACKETS_PER_SECOND: u32 = 50;
/// Left to the receiver after the last packet.
const TAIL: Duration = Duration::from_millis(500);

/// What is run where nothing is told.
const SESSIONS: [usize; 3] = [500, 1_000, 2_000];
const RECEIVERS: [&str; 6] = ["floor", "slabs", "journal", "sealed", "srtp", "both"];
/// Times the floor, at most, with the journal, and with SRTP or sealing or both too.
const BUDGETS: [(&str, f64); 4] = [("journal", 1.5), ("sealed", 1.8), ("srtp", 1.8), ("both", 1.8)];
const MOST_KIB: u64 = 64;

/// What a receiver tells of itself, on one line: packets, nanoseconds of CPU, KiB that sessions took.
struct Figures {
    packets: u64,
    cpu_ns: u64,
    memory_kib: u64,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let number = |place: usize, default: usize| arguments.get(place).and_then(|a| a.parse().ok()).unwrap_or(default);
    let folder = |place: usize| arguments.get(place).map_or_else(std::env::temp_dir, PathBuf::from);
    let (sessions, seconds) = (number(1, 1), number(2, 1));
    match arguments.first().map(String::as_str) {
        Some("sender") => send(sessions, seconds, false),
        Some("srtp-sender") => send(sessions, seconds, true),
        Some("floor") => floor(sessions, seconds),
        Some("slabs") => worker(sessions, seconds, None, false),
        Some(role @ ("journal" | "sealed" | "srtp" | "both")) => {
            let sealed = matches!(role, "sealed" | "both");
            worker(sessions, seconds, Some((&folder(3), sealed)), is_srtp(role));
        }
        Some(_) | None => {
            let counts = arguments.first().and_then(|a| a.parse().ok()).map_or(SESSIONS.to_vec(), |one| vec![one]);
            let kept = counts.into_iter().map(|sessions| compare(sessions, number(1, 10), &folder(2)) == Some(true));
            // All are measured, whatever the first says.
            if kept.filter(|kept| !kept).count() > 0 {
                println!("over budget, or a packet was lost, or it could not be measured");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn is_srtp(role: &str) -> bool {
    matches!(role, "srtp" | "both")
}

/// One receiver after the other, each with a sender of its own. Whether all budgets were kept.
fn compare(sessions: usize, seconds: usize, folder: &Path) -> Option<bool> {
    let sent = (sessions * LEGS * PACKETS_PER_SECOND as usize * seconds) as u64;
    println!("{sessions} two-leg sessions, {seconds} s, {sent} packets");
    let (mut floor, mut kept) = (None, true);
    for role in RECEIVERS {
        let child = |role: &str, seconds: usize| -> std::io::Result<Child> {
            let arguments = [role, &sessions.to_string(), &seconds.to_string(), &folder.display().to_string()];
            Command::new(std::env::current_exe()?).args(arguments).stdout(Stdio::piped()).spawn()
        };
        let busy = busy_ns();
        // The receiver binds first; it lasts as much longer as that takes.
        let receiver = child(role, seconds + 1).ok()?;
        std::thread::park_timeout(Duration::from_secs(1));
        let sender = child(if is_srtp(role) { "srtp-sender" } else { "sender" }, seconds).ok()?;
        sender.wait_with_output().ok().filter(|output| output.status.success())?;
        let told = receiver.wait_with_output().ok().filter(|output| output.status.success())?;
        let figures = Figures::read(&String::from_utf8_lossy(&told.stdout))?;
        let each = |ns: u64| ns / figures.packets.max(1);
        let floor = *floor.get_or_insert(each(figures.cpu_ns));
        let ratio = each(figures.cpu_ns) as f64 / floor.max(1) as f64;
        let (lost, kib) = (sent.saturating_sub(figures.packets), figures.memory_kib / sessions as u64);
        let budget = BUDGETS.iter().find(|(of, _)| *of == role).map_or(f64::INFINITY, |(_, budget)| *budget);
        kept &= ratio <= budget && lost == 0 && kib <= MOST_KIB;
        println!(
            "  {role:<8} {:>6} ns a packet, {ratio:>5.2} x the floor; {:>6} ns of the whole machine; {lost} lost; {kib} KiB a session",
            each(figures.cpu_ns),
            each(busy_ns().saturating_sub(busy)),
        );
    }
    Some(kept)
}

impl Figures {
    fn tell(&self) {
        println!("{} {} {}", self.packets, self.cpu_ns, self.memory_kib);
    }

    fn read(line: &str) -> Option<Self> {
        let mut numbers = line.split_whitespace().map_while(|number| number.parse().ok());
        Some(Self { packets: numbers.next()?, cpu_ns: numbers.next()?, memory_kib: numbers.next()? })
    }
}

/// Every stream's packet every 20 ms, spread evenly.
fn send(sessions: usize, seconds: usize, protected: bool) {
    let streams = sessions * LEGS;
    let socket = UdpSocket::bind((LOCAL, 0)).expect("a socket");
    let mut senders: Vec<Sender> = match protected {
        true => (0..streams).filter_map(|_| Sender::new(&key(), Encryption::default())).collect(),
        false => Vec::new(),
    };
    let mut packet = Vec::with_capacity(256);
    let total = streams * PACKETS_PER_SECOND as usize * seconds;
    let (start, per_second) = (Instant::now(), (streams * PACKETS_PER_SECOND as usize) as f64);
    let mut sent = 0;
    while sent < total {
        let due = ((start.elapsed().as_secs_f64() * per_second) as usize).min(total);
        for n in sent..due {
            let (stream, round) = (n % streams, n / streams);
            packet.clear();
            packet.extend([0x80, 8]);
            packet.extend((round as u16).to_be_bytes());
            packet.extend((round as u32 * 160).to_be_bytes());
            packet.extend((stream as u32 + 1).to_be_bytes());
            packet.resize(172, 0xd5);
            if let Some(sender) = senders.get_mut(stream) {
                sender.protect(&mut packet).expect("a key that lasts");
            }
            let _ = socket.send_to(&packet, (LOCAL, FIRST_PORT + 2 * stream as u16));
        }
        sent = due;
        std::thread::park_timeout(Duration::from_micros(500));
    }
}

fn key() -> InlineKey {
    MasterKey::draw(Suite::AesCm128HmacSha1_80, &mut Random::new(Seed([1; 32]))).into()
}

fn floor(sessions: usize, seconds: usize) {
    raise_limit();
    let open = |n: usize| {
        let socket = UdpSocket::bind((LOCAL, FIRST_PORT + 2 * n as u16)).expect("a free port");
        socket.set_nonblocking(true).expect("a socket");
        socket
    };
    let sockets: Vec<_> = (0..sessions * LEGS).map(open).collect();
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).expect("an epoll");
    for (n, socket) in sockets.iter().enumerate() {
        let event = EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, n as u64);
        epoll.add(socket, event).expect("a place in epoll");
    }
    let (mut events, mut buffer, mut packets) = (vec![EpollEvent::empty(); 512], [0; 2_048], 0);
    let (end, before) = (Instant::now() + Duration::from_secs(seconds as u64) + TAIL, cpu());
    while Instant::now() < end {
        let ready = epoll.wait(&mut events, EpollTimeout::from(100_u8)).unwrap_or(0);
        for event in &events[..ready] {
            while sockets[event.data() as usize].recv(&mut buffer).is_ok() {
                packets += 1;
            }
        }
    }
    Figures { packets, cpu_ns: (cpu() - before).as_nanos() as u64, memory_kib: 0 }.tell();
}

/// `folder` is where journals go, and whether they are sealed.
fn worker(sessions: usize, seconds: usize, folder: Option<(&Path, bool)>, protected: bool) {
    raise_limit();
    let clock = Clock::start();
    let sealed = folder.is_some_and(|(_, sealed)| sealed);
    let folder = folder.map(|(folder, _)| folder.join(format!("siprec-bench-{}", std::process::id())));
    let journals = folder.as_deref().map(|folder| Arc::new(Journals::begin(folder, sealed, sessions)));
    let sink: Arc<dyn SlabSink> = match &journals {
        Some(journals) => Arc::<Journals>::clone(journals),
        None => Arc::new(Counter::default()),
    };
    let packets = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&packets);
    let listen = move |news: News| {
        if let News::Closed { report, .. } = news {
            count.fetch_add(report.statistics.packets, Ordering::Relaxed);
        }
    };
    let workers = Workers::start(0, clock, &sink, Arc::new(listen)).expect("threads");
    let mut ports = Ports::new(FIRST_PORT..=u16::MAX, Some(LOCAL));
    let before = (cpu(), memory_kib());
    for n in 0..sessions * LEGS {
        let pair = ports.bind(LOCAL, clock.now().monotonic).expect("a free pair");
        let settings = settings(n, pair.rtp_port(), protected);
        workers.add(SessionId((n / LEGS) as u128), settings, pair);
    }
    std::thread::park_timeout(Duration::from_secs(seconds as u64) + TAIL);
    let memory_kib = memory_kib().saturating_sub(before.1);
    workers.flush_all(TAIL);
    if let Some(journals) = &journals {
        journals.0.wait_written();
    }
    let cpu_ns = (cpu() - before.0).as_nanos() as u64;
    workers.stop();
    let dropped = journals.map_or(0, |journals| journals.0.figures().dropped_packets);
    if let Some(folder) = folder {
        std::fs::remove_dir_all(folder).expect("a folder that goes");
    }
    Figures { packets: packets.load(Ordering::Relaxed) - dropped, cpu_ns, memory_kib }.tell();
}

/// The journal's writer, as the server has it.
struct Journals(Writer);

impl Journals {
    fn begin(folder: &Path, sealed: bool, sessions: usize) -> Self {
        std::fs::create_dir(folder).expect("a folder");
        let masters = MasterKeys::new(Some(siprec_core::sealed::MasterKey::new(&[1; 32])), Vec::new());
        let disk: Arc<dyn Disk> = Arc::new(SealedDisk::new(Arc::new(RealDisk), masters, sealed));
        let writer =
            Writer::with_log(disk, folder, "bench", CaughtUp::default(), 768 << 20, Arc::new(|| ())).expect("a writer");
        let mut scribe = Scribe::default();
        let now = Clock::start().now();
        for session in (0..sessions).map(|n| SessionId(n as u128)) {
            let header = SegmentHeader {
                version: "bench".into(),
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
        Self(writer)
    }
}

impl SlabSink for Journals {
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

/// Gives slabs their memory back.
#[derive(Default)]
struct Counter(Mutex<Vec<Vec<u8>>>);

impl SlabSink for Counter {
    fn buffer(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn hand_over(&self, _session: SessionId, mut blocks: Vec<u8>) {
        blocks.clear();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(blocks);
    }
}

fn settings(n: usize, rtp_port: u16, protected: bool) -> PortSettings {
    let stream = Stream {
        port: PortIndex((n % LEGS) as u16),
        m_line: (n % LEGS) as u16,
        label: None,
        media: "audio".into(),
        formats: [].into(),
        local: SocketAddr::new(LOCAL, rtp_port),
        local_rtcp: SocketAddr::new(LOCAL, rtp_port + 1),
        remote: None,
        paused: None,
        digits: Digits::Keep,
    };
    let cname = "siprec@bench".into();
    let reserved = SenderState { reserved: 256 };
    let srtp = protected.then(|| Arc::new(Protection::new(vec![key()], Some(key()), Encryption::default(), reserved)));
    PortSettings {
        stream,
        ssrc: !(n as u32),
        cname,
        remote_rtcp: None,
        rtcp_mux: false,
        seed: n as u64,
        srtp,
        dtls: false,
        feedback: siprec_core::sdp::Feedback::default(),
    }
}

/// What all processes used since the start, the kernel's own work with it.
fn busy_ns() -> u64 {
    const TICK_NS: u64 = 10_000_000;
    let all = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks = all.lines().next().unwrap_or_default().split_whitespace().skip(1).map_while(|n| n.parse::<u64>().ok());
    // user, nice, system, (idle, iowait), irq, softirq
    ticks.enumerate().filter(|(n, _)| [0, 1, 2, 5, 6].contains(n)).map(|(_, ticks)| ticks * TICK_NS).sum()
}

/// This process' resident memory.
fn memory_kib() -> u64 {
    const PAGE_KIB: u64 = 4;
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * PAGE_KIB
}

fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("usage");
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(micros.unsigned_abs())
}

fn raise_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
