//! What a recorded RTP packet costs from the socket to its session's slab, beside the barest receiver there is.
//!
//! ```text
//! cargo bench --bench media -- [SESSIONS] [SECONDS]
//! this process -> sender (one process) -> receiver: floor | worker (a process each, one after the other)
//! ```
//! The floor is an edge-triggered epoll loop that reads each datagram and forgets it. The worker is the recorder's: kernel
//! timestamps, latch, statistics, reports, journal blocks; its slabs are counted and forgotten, so the disk's part is not in.
//! Told is the CPU time of the whole receiving process, user and system, per packet.

#![allow(clippy::print_stdout, reason = "a benchmark tells its figures")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, ExitCode};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::time::TimeValLike;
use siprec::server::clock::Clock;
use siprec::server::media::ports::Ports;
use siprec::server::media::{News, SlabSink, Workers};
use siprec_core::entry::{PortIndex, Stream};
use siprec_core::media::{Digits, PortSettings};
use siprec_core::seed::SessionId;

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const FIRST_PORT: u16 = 20_000;
const LEGS: usize = 2;
const PACKETS_PER_SECOND: u32 = 50;
/// Left to the receiver after the last packet.
const TAIL: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let number = |place: usize, default: usize| arguments.get(place).and_then(|a| a.parse().ok()).unwrap_or(default);
    match arguments.first().map(String::as_str) {
        Some("sender") => send(number(1, 1), number(2, 1)),
        Some("floor") => floor(number(1, 1), number(2, 1)),
        Some("worker") => worker(number(1, 1), number(2, 1)),
        Some(_) | None => return both(number(0, 500), number(1, 10)),
    }
    ExitCode::SUCCESS
}

/// One after the other, each with a sender of its own.
fn both(sessions: usize, seconds: usize) -> ExitCode {
    for receiver in ["floor", "worker"] {
        let child = |role: &str, seconds: usize| -> std::io::Result<Child> {
            let program = std::env::current_exe()?;
            Command::new(program).args([role, &sessions.to_string(), &seconds.to_string()]).spawn()
        };
        // The receiver binds first; it lasts as much longer as that takes.
        let Ok(mut receiver) = child(receiver, seconds + 1) else { return ExitCode::FAILURE };
        std::thread::park_timeout(Duration::from_secs(1));
        let sender = child("sender", seconds).and_then(|mut sender| sender.wait());
        let received = receiver.wait();
        if !sender.is_ok_and(|s| s.success()) || !received.is_ok_and(|s| s.success()) {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Every stream's packet every 20 ms, spread evenly.
fn send(sessions: usize, seconds: usize) {
    let streams = sessions * LEGS;
    let socket = UdpSocket::bind((LOCAL, 0)).expect("a socket");
    let mut packet = [0xd5_u8; 172];
    let total = streams * PACKETS_PER_SECOND as usize * seconds;
    let (start, per_second) = (Instant::now(), (streams * PACKETS_PER_SECOND as usize) as f64);
    let mut sent = 0;
    while sent < total {
        let due = ((start.elapsed().as_secs_f64() * per_second) as usize).min(total);
        for n in sent..due {
            let (stream, round) = (n % streams, n / streams);
            packet[..2].copy_from_slice(&[0x80, 8]);
            packet[2..4].copy_from_slice(&(round as u16).to_be_bytes());
            packet[4..8].copy_from_slice(&(round as u32 * 160).to_be_bytes());
            packet[8..12].copy_from_slice(&(stream as u32 + 1).to_be_bytes());
            let _ = socket.send_to(&packet, (LOCAL, FIRST_PORT + 2 * stream as u16));
        }
        sent = due;
        std::thread::park_timeout(Duration::from_micros(500));
    }
    println!("  sent {total}");
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
    tell("floor", sessions, packets, cpu() - before);
}

fn worker(sessions: usize, seconds: usize) {
    raise_limit();
    let clock = Clock::start();
    let counter = Arc::new(Counter::default());
    let sink: Arc<dyn SlabSink> = Arc::<Counter>::clone(&counter);
    let packets = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&packets);
    let listen = move |news: News| {
        if let News::Closed { report, .. } = news {
            count.fetch_add(report.statistics.packets, Ordering::Relaxed);
        }
    };
    let workers = Workers::start(0, clock, &sink, Arc::new(listen)).expect("threads");
    let mut ports = Ports::new(FIRST_PORT..=u16::MAX, Some(LOCAL));
    for n in 0..sessions * LEGS {
        let pair = ports.bind(LOCAL, clock.now().monotonic).expect("a free pair");
        let settings = settings(n, pair.rtp_port());
        workers.add(SessionId((n / LEGS) as u128), settings, pair);
    }
    let before = cpu();
    std::thread::park_timeout(Duration::from_secs(seconds as u64) + TAIL);
    let used = cpu() - before;
    workers.stop();
    tell("worker", sessions, packets.load(Ordering::Relaxed), used);
    let (slabs, octets) = (counter.slabs.load(Ordering::Relaxed), counter.octets.load(Ordering::Relaxed));
    println!("         {slabs} slabs of {} octets on average", octets / slabs.max(1));
}

/// Counts slabs and gives their memory back.
#[derive(Default)]
struct Counter {
    slabs: AtomicU64,
    octets: AtomicU64,
    pool: Mutex<Vec<Vec<u8>>>,
}

impl SlabSink for Counter {
    fn buffer(&self) -> Vec<u8> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn hand_over(&self, _session: SessionId, mut blocks: Vec<u8>) {
        self.slabs.fetch_add(1, Ordering::Relaxed);
        self.octets.fetch_add(blocks.len() as u64, Ordering::Relaxed);
        blocks.clear();
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).push(blocks);
    }
}

fn settings(n: usize, rtp_port: u16) -> PortSettings {
    let stream = Stream {
        port: PortIndex((n % LEGS) as u16),
        m_line: (n % LEGS) as u16,
        label: None,
        media: "audio".into(),
        formats: vec![],
        local: SocketAddr::new(LOCAL, rtp_port),
        local_rtcp: SocketAddr::new(LOCAL, rtp_port + 1),
        remote: None,
        paused: None,
    };
    let cname = "siprec@bench".into();
    PortSettings {
        stream,
        ssrc: !(n as u32),
        cname,
        remote_rtcp: None,
        rtcp_mux: false,
        seed: n as u64,
        digits: Digits::Keep,
        srtp: None,
        dtls: false,
    }
}

fn tell(name: &str, sessions: usize, packets: u64, used: Duration) {
    let nanos = used.as_nanos() / u128::from(packets.max(1));
    println!("{name:<7}{sessions:>5} sessions: {packets:>9} packets, {nanos:>5} ns of CPU each");
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
