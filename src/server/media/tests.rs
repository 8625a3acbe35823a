//! Real sockets on loopback, a real worker, and a sink in memory that is read back.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::ports::Ports;
use super::*;
use siprec_core::entry::{Kind, PauseCause, SegmentHeader, SourceChange, Stream};
use siprec_core::journal::{FORMAT_VERSION, encoder::Encoder, reader::Reader};
use siprec_core::media::{Digits, PortEvent};
use siprec_core::rtp::rtcp;
use siprec_core::seed::Seed;
use siprec_core::time::{Now, Wall};

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PATIENCE: Duration = Duration::from_secs(20);
/// Between a reading of the clock and the next step of the same thread, if nothing comes in between.
const SLACK: i64 = 1_000_000;

#[test]
fn every_packet_is_kept_once_with_its_time() {
    let bench = Bench::start(1, 43_000);
    let mut legs = [bench.open(1, 0), bench.open(1, 1)];
    let mut sent = vec![];
    for n in 0..300_u16 {
        for leg in &mut legs {
            let packet = rtp(leg.ssrc, n);
            let before = bench.clock.now().wall;
            leg.socket.send_to(&packet, leg.rtp).unwrap();
            sent.push((packet, before, bench.clock.now().wall));
        }
        pause(Duration::from_millis(1));
    }
    bench.workers.close_session(session(1));
    bench.wait_flushed(session(1));
    let kept = bench.sink.packets(session(1));
    assert_eq!(kept.len(), sent.len());
    let kept: HashMap<_, _> = kept.into_iter().map(|p| (p.bytes.clone(), p)).collect();
    for (packet, before, after) in &sent {
        let found = &kept[packet];
        let at = found.at;
        assert!(at.0 >= before.0 - SLACK && at.0 <= after.0 + SLACK, "{at:?} not in {before:?}..{after:?}");
        assert_eq!(found.to.ip(), LOCAL);
    }
    let firsts = bench.news().changes;
    assert_eq!(firsts.iter().filter(|(_, change)| *change == SourceChange::First).count(), 2, "{firsts:?}");
    bench.workers.stop();
}

#[test]
fn what_came_before_a_pause_is_kept_and_what_comes_in_it_is_not() {
    let bench = Bench::start(1, 43_400);
    let leg = bench.open(1, 0);
    let send = |range: std::ops::Range<u16>| {
        for n in range {
            leg.socket.send_to(&rtp(leg.ssrc, n), leg.rtp).unwrap();
        }
    };
    let mut paused = leg.settings.clone();
    paused.stream.paused = Some(PauseCause::Operator);
    // Each order follows its packets at once: what is in the kernel's queue must be judged by the settings of before.
    send(0..50);
    bench.workers.update(session(1), paused);
    bench.flush(1);
    send(50..100);
    bench.workers.update(session(1), leg.settings.clone());
    bench.flush(1);
    send(100..150);
    bench.workers.close(session(1), PortIndex(0));
    let closed = bench.wait_closed();
    let kept: Vec<_> = bench.sink.packets(session(1)).iter().map(|p| sequence(&p.bytes)).collect();
    assert_eq!(kept, (0..50).chain(100..150).collect::<Vec<_>>());
    let statistics = closed.statistics;
    assert_eq!((statistics.packets, statistics.dropped_paused), (100, 50));
    assert_eq!(statistics.sources[0].statistics.lost, 0);
    bench.workers.stop();
}

#[test]
fn a_flush_has_all_that_arrived_and_stop_as_well() {
    let bench = Bench::start(2, 43_500);
    let legs: Vec<_> = (1..=4).map(|id| bench.open(id, 0)).collect();
    for n in 0..100 {
        for leg in &legs {
            leg.socket.send_to(&rtp(leg.ssrc, n), leg.rtp).unwrap();
        }
        if n == 49 {
            bench.workers.flush_all(PATIENCE);
            for id in 1..=4 {
                assert_eq!(bench.sink.packets(session(id)).len(), 50);
            }
        }
    }
    let Bench { workers, sink, .. } = bench;
    workers.stop();
    for id in 1..=4 {
        assert_eq!(sink.packets(session(id)).len(), 100);
    }
}

#[test]
fn a_datagram_of_any_size_and_kind_is_kept() {
    let bench = Bench::start(1, 43_550);
    let leg = bench.open(1, 0);
    let mut large = rtp(leg.ssrc, 7);
    large.resize(60_000, 0xd5);
    let all: [&[u8]; 4] = [b"", b"junk", &large, &rtp(leg.ssrc, 8)];
    for bytes in all {
        leg.socket.send_to(bytes, leg.rtp).unwrap();
    }
    bench.flush(1);
    let kept: Vec<_> = bench.sink.packets(session(1)).into_iter().map(|p| p.bytes).collect();
    assert_eq!(kept, all);
    bench.workers.stop();
}

#[test]
fn a_reports_way_is_that_of_media_back() {
    let bench = Bench::start(1, 43_600);
    let leg = bench.open(1, 0);
    // The sender's RTCP socket is the one with the next port number, if it can be had.
    let next = leg.socket.local_addr().unwrap().port() + 1;
    let Ok(rtcp_socket) = UdpSocket::bind((LOCAL, next)) else { return };
    rtcp_socket.set_read_timeout(Some(PATIENCE)).unwrap();
    for n in 0..10 {
        leg.socket.send_to(&rtp(leg.ssrc, n), leg.rtp).unwrap();
    }
    let mut buffer = [0; 512];
    let (length, from) = rtcp_socket.recv_from(&mut buffer).unwrap();
    assert_eq!(from, leg.rtcp);
    let mut reports = rtcp::parse(&buffer[..length]).unwrap();
    let Some(rtcp::Report::Receiver { blocks, .. }) = reports.next() else { panic!() };
    let block = blocks.iter().next().unwrap();
    assert_eq!((block.ssrc, block.highest_sequence, block.cumulative_lost), (leg.ssrc, 9, 0));
    rtcp_socket.send_to(&buffer[..length], leg.rtcp).unwrap();
    bench.flush(1);
    let rtcp: Vec<_> = bench.sink.entries(session(1)).into_iter().filter(|p| p.is_rtcp).collect();
    assert_eq!(rtcp.len(), 2);
    assert_eq!((rtcp[0].from, rtcp[0].to), (leg.rtcp, rtcp_socket.local_addr().unwrap()));
    assert_eq!((rtcp[1].from, rtcp[1].to), (rtcp_socket.local_addr().unwrap(), leg.rtcp));
    bench.workers.stop();
}

#[test]
fn a_stream_that_ends_is_taken_leave_of_and_one_that_stops_for_a_restart_is_not() {
    let bench = Bench::start(1, 43_850);
    let legs = [bench.open(1, 0), bench.open(2, 0)];
    let mut ears = Vec::new();
    for leg in &legs {
        let next = leg.socket.local_addr().unwrap().port() + 1;
        let Ok(ear) = UdpSocket::bind((LOCAL, next)) else { return };
        ear.set_read_timeout(Some(PATIENCE)).unwrap();
        leg.socket.send_to(&rtp(leg.ssrc, 0), leg.rtp).unwrap();
        ears.push(ear);
    }
    let mut buffer = [0; 512];
    let mut says_goodbye = |ear: &UdpSocket| {
        let length = ear.recv(&mut buffer).unwrap();
        rtcp::parse(&buffer[..length]).unwrap().any(|report| matches!(report, rtcp::Report::Goodbye(_)))
    };
    assert!(ears.iter().all(|ear| !says_goodbye(ear)), "the first reports");
    bench.workers.close_session(session(1));
    bench.wait_closed();
    while !says_goodbye(&ears[0]) {}
    let ours: Vec<_> = bench.sink.entries(session(1)).into_iter().filter(|p| p.is_rtcp).collect();
    assert!(ours.len() >= 2 && ours.iter().all(|p| p.from == legs[0].rtcp), "the goodbye is kept as well");
    bench.workers.stop();
    ears[1].set_nonblocking(true).unwrap();
    let mut left = [0; 512];
    while let Ok(length) = ears[1].recv(&mut left) {
        let mut reports = rtcp::parse(&left[..length]).unwrap();
        assert!(!reports.any(|report| matches!(report, rtcp::Report::Goodbye(_))), "its session goes on");
    }
}

#[test]
fn what_the_kernel_drops_is_counted() {
    let bench = Bench::start(1, 43_650);
    let mut ports = Ports::new(43_660..=43_699, Some(LOCAL));
    let pair = ports.bind(LOCAL, bench.clock.now().monotonic).unwrap();
    let to = SocketAddr::new(LOCAL, pair.rtp_port());
    let socket = UdpSocket::bind((LOCAL, 0)).unwrap();
    // Nobody reads yet: the queue overflows.
    let mut large = rtp(1, 0);
    large.resize(9_000, 0);
    let sent = 400;
    for n in 0..sent {
        large[2..4].copy_from_slice(&u16::to_be_bytes(n));
        socket.send_to(&large, to).unwrap();
    }
    bench.workers.add(session(9), settings(0, 1, to), pair);
    bench.flush(9);
    for n in sent..sent + 20 {
        socket.send_to(&rtp(1, n), to).unwrap();
        pause(Duration::from_millis(1));
    }
    bench.workers.close(session(9), PortIndex(0));
    let statistics = bench.wait_closed().statistics;
    assert!(statistics.dropped_by_kernel > 0);
    assert_eq!(statistics.packets + statistics.dropped_by_kernel, u64::from(sent) + 20);
    assert_eq!(bench.sink.packets(session(9)).len() as u64, statistics.packets);
    bench.workers.stop();
}

#[test]
fn ipv6_is_received_as_ipv4_is() {
    let local: IpAddr = "::1".parse().unwrap();
    let bench = Bench::start(1, 43_700);
    let mut ports = Ports::new(43_710..=43_719, Some(local));
    // A machine without IPv6 has nothing to show here.
    let Ok(pair) = ports.bind(local, bench.clock.now().monotonic) else { return };
    let to = SocketAddr::new(local, pair.rtp_port());
    bench.workers.add(session(6), settings(0, 1, to), pair);
    let socket = UdpSocket::bind((local, 0)).unwrap();
    for n in 0..40 {
        socket.send_to(&rtp(1, n), to).unwrap();
    }
    bench.flush(6);
    let kept = bench.sink.packets(session(6));
    assert_eq!(kept.len(), 40);
    assert_eq!((kept[0].from, kept[0].to), (socket.local_addr().unwrap(), to));
    bench.workers.stop();
}

#[test]
fn five_hundred_sessions_lose_nothing() {
    const PACKETS: u16 = 25;
    let bench = Bench::start(2, 44_000);
    let legs: Vec<_> = (1..=500).map(|id| bench.open(id, 0)).collect();
    let socket = UdpSocket::bind((LOCAL, 0)).unwrap();
    let start = Instant::now();
    for n in 0..PACKETS {
        for leg in &legs {
            socket.send_to(&rtp(leg.ssrc, n), leg.rtp).unwrap();
        }
        // 50 packets a second and session, as from an SBC.
        pause((start + Duration::from_millis(20) * u32::from(n + 1)).saturating_duration_since(Instant::now()));
    }
    bench.workers.flush_all(PATIENCE);
    for id in 1..=500 {
        let kept: Vec<_> = bench.sink.packets(session(id)).iter().map(|p| sequence(&p.bytes)).collect();
        assert_eq!(kept, (0..PACKETS).collect::<Vec<_>>(), "session {id}");
    }
    bench.workers.stop();
}

/// Three hundred ports a second are opened, and as many closed, on the only worker.
#[test]
fn ports_come_and_go_by_the_hundred_and_nobody_elses_packets_are_late() {
    const PACKETS: u16 = 100;
    const PORTS_A_PACKET: u32 = 6;
    // A worker's round, and what a machine that does other things as well may add to it.
    const MOST: Duration = Duration::from_millis(50);
    const STARVED: Duration = Duration::from_millis(500);
    let bench = Bench::start(1, 45_700);
    let leg = bench.open(1, 0);
    let (wire, overheard) = mpsc::sync_channel(usize::from(PACKETS) * 2);
    bench.workers.listen(session(1), wire);
    let clock = bench.clock;
    let listening = std::thread::spawn(move || {
        let mut late = Vec::new();
        while let Ok(heard) = overheard.recv() {
            if let Overheard::Packet { at, .. } = heard {
                late.push(clock.now().wall.nanos_since(at).unsigned_abs());
            }
        }
        late
    });
    let (start, mut others) = (Instant::now(), std::collections::VecDeque::new());
    for n in 0..PACKETS {
        leg.socket.send_to(&rtp(leg.ssrc, n), leg.rtp).unwrap();
        for k in 0..PORTS_A_PACKET {
            let id = 2 + u32::from(n) * PORTS_A_PACKET + k;
            let other = bench.open(id, 0);
            other.socket.send_to(&rtp(other.ssrc, 0), other.rtp).unwrap();
            others.push_back(id);
        }
        if n > 10 {
            others.drain(..PORTS_A_PACKET as usize).for_each(|id| bench.workers.close_session(session(id)));
        }
        pause((start + Duration::from_millis(20) * u32::from(n + 1)).saturating_duration_since(Instant::now()));
    }
    bench.flush(1);
    let kept: Vec<_> = bench.sink.packets(session(1)).iter().map(|p| sequence(&p.bytes)).collect();
    assert_eq!(kept, (0..PACKETS).collect::<Vec<_>>());
    bench.workers.close_session(session(1));
    let mut late = listening.join().unwrap();
    bench.workers.stop();
    late.sort_unstable();
    assert_eq!(late.len(), usize::from(PACKETS));
    let (median, most) = (Duration::from_nanos(late[50]), Duration::from_nanos(late[90]));
    assert!(median < MOST && most < STARVED, "half of them within {median:?}, nine tenths within {most:?}");
}

/// Workers on loopback, and all that they say.
struct Bench {
    clock: Clock,
    workers: Workers,
    sink: Arc<Memory>,
    news: Receiver<News>,
    ports: Mutex<Ports>,
    heard: Mutex<Heard>,
}

#[derive(Default, Clone)]
struct Heard {
    changes: Vec<(SessionId, SourceChange)>,
    flushed: Vec<SessionId>,
    closed: Vec<MediaReport>,
}

struct Leg {
    ssrc: u32,
    socket: UdpSocket,
    rtp: SocketAddr,
    rtcp: SocketAddr,
    settings: PortSettings,
}

impl Bench {
    fn start(workers: usize, first_port: u16) -> Self {
        let clock = Clock::start();
        let sink = Arc::new(Memory::default());
        let (tell, news) = mpsc::channel();
        let tell: Tell = Arc::new(move |news| drop(tell.send(news)));
        let as_sink: Arc<dyn SlabSink> = Arc::<Memory>::clone(&sink);
        let workers = Workers::start(workers, clock, &as_sink, tell).unwrap();
        let ports = Mutex::new(Ports::new(first_port..=first_port.saturating_add(1_600), Some(LOCAL)));
        Self { clock, workers, sink, news, ports, heard: Mutex::default() }
    }

    fn open(&self, id: u32, port: u16) -> Leg {
        let pair = lock(&self.ports).bind(LOCAL, self.clock.now().monotonic).unwrap();
        let rtp = SocketAddr::new(LOCAL, pair.rtp_port());
        let rtcp = SocketAddr::new(LOCAL, pair.rtcp_port());
        let ssrc = id * 16 + u32::from(port);
        let settings = settings(port, ssrc, rtp);
        self.workers.add(session(id), settings.clone(), pair);
        Leg { ssrc, socket: UdpSocket::bind((LOCAL, 0)).unwrap(), rtp, rtcp, settings }
    }

    fn flush(&self, id: u32) {
        lock(&self.heard).flushed.clear();
        self.workers.flush(session(id));
        self.wait_flushed(session(id));
    }

    fn wait_flushed(&self, session: SessionId) {
        while !lock(&self.heard).flushed.contains(&session) {
            self.hear();
        }
    }

    fn wait_closed(&self) -> MediaReport {
        loop {
            if let Some(report) = lock(&self.heard).closed.pop() {
                return report;
            }
            self.hear();
        }
    }

    fn news(&self) -> Heard {
        lock(&self.heard).clone()
    }

    fn hear(&self) {
        let news = self.news.recv_timeout(PATIENCE).expect("the worker is silent");
        let mut heard = lock(&self.heard);
        match news {
            News::Reports(reports) => {
                for report in reports {
                    if let Some(PortEvent::Source { change, .. }) = report.event {
                        heard.changes.push((report.session, change));
                    }
                }
            }
            News::Flushed { session } => heard.flushed.push(session),
            News::Dtls(_) => {}
            News::Closed { report, .. } => heard.closed.push(*report),
            News::Failed { why, .. } => panic!("{why}"),
        }
    }
}

/// A sink that remembers.
#[derive(Default)]
struct Memory(Mutex<HashMap<SessionId, Vec<u8>>>);

struct Kept {
    at: Wall,
    is_rtcp: bool,
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

impl SlabSink for Memory {
    fn buffer(&self) -> Vec<u8> {
        Vec::new()
    }

    fn hand_over(&self, session: SessionId, blocks: Vec<u8>) {
        assert!(!blocks.is_empty());
        lock(&self.0).entry(session).or_default().extend(blocks);
    }
}

impl Memory {
    fn packets(&self, session: SessionId) -> Vec<Kept> {
        self.entries(session).into_iter().filter(|kept| !kept.is_rtcp).collect()
    }

    fn entries(&self, session: SessionId) -> Vec<Kept> {
        let mut segment = vec![];
        let start = Wall(1_795_403_601_042_000_000);
        let header = SegmentHeader {
            version: "0".into(),
            format: FORMAT_VERSION,
            session,
            segment: 1,
            seed: Seed([0; 32]),
            anchor: (Now { monotonic: Default::default(), wall: start }.monotonic, start),
            boot: String::new(),
            config: std::sync::Arc::default(),
        };
        Encoder::begin(&mut segment, start, &header, &[(PortIndex(0), None), (PortIndex(1), None)]);
        segment.extend(lock(&self.0).get(&session).into_iter().flatten());
        let mut reader = Reader::new();
        reader.push(&segment);
        reader.finish();
        let mut all = vec![];
        while let Some(entry) = reader.next() {
            let at = entry.at;
            match entry.kind {
                Kind::Rtp { from, to, packet, .. } => {
                    all.push(Kept { at, is_rtcp: false, from, to, bytes: packet.to_vec() });
                }
                Kind::Rtcp { from, to, packet, .. } => {
                    all.push(Kept { at, is_rtcp: true, from, to, bytes: packet.to_vec() });
                }
                Kind::Event(_) => {}
                Kind::Sip { .. } | Kind::Checkpoint(_) => panic!(),
            }
        }
        assert_eq!(reader.damage(), Default::default());
        all
    }
}

fn session(id: u32) -> SessionId {
    SessionId(u128::from(id))
}

fn settings(port: u16, ssrc: u32, rtp: SocketAddr) -> PortSettings {
    let stream = Stream {
        port: PortIndex(port),
        m_line: port,
        label: None,
        media: "audio".into(),
        formats: [].into(),
        local: rtp,
        local_rtcp: SocketAddr::new(rtp.ip(), rtp.port() + 1),
        remote: None,
        paused: None,
        digits: Digits::Keep,
    };
    let seed = u64::from(ssrc);
    PortSettings {
        stream,
        ssrc: !ssrc,
        cname: "siprec@test".into(),
        remote_rtcp: None,
        rtcp_mux: false,
        seed,
        srtp: None,
        dtls: false,
        feedback: siprec_core::sdp::Feedback::default(),
    }
}

fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 8];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0xd5; 160]);
    packet
}

fn sequence(packet: &[u8]) -> u16 {
    u16::from_be_bytes([packet[2], packet[3]])
}

/// Paces a sender; nothing is waited for.
fn pause(duration: Duration) {
    std::thread::park_timeout(duration);
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
