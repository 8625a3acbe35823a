//! What one core of `siprec replay --to` drives, and how punctual it is.
//!
//! ```text
//! cargo bench --bench client -- [SECONDS]
//! siprec replay --to (one core) -> this process (the others): answers its calls, reads its packets from 64 sockets
//! ```
//! - `bare`: as many connected sockets, one `send` after the other of the same bytes: what the kernel takes of a core.
//! - `most`: calls played so fast that packets are always due.
//! - `paced`: calls as fast as life: how late packets leave.
//!
//! Fails below 100,000 packets a second, and where a hundredth of the packets of 500 calls is late by more than 1 ms.

#![allow(clippy::print_stdout, reason = "a benchmark tells its figures")]

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::time::TimeValLike;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde_json::Value;
use siprec_core::sip::Message;

/// Packets a second that one core has to drive.
const BUDGET: f64 = 100_000.0;
/// The latest that a packet may leave, ms, but for one in a hundred of [`PACED`]`[0]`'s.
const PUNCTUAL_MS: f64 = 1.0;
/// Calls as fast as life: 50,000 packets a second, and 100,000.
const PACED: [u32; 2] = [500, 1_000];
/// Begun a second.
const RATE: &str = "500";
/// Calls of the run that is as fast as can be, and how many times as fast as life it would be.
const MOST: (u32, u32) = (250, 100);
const LEGS: u32 = 2;
/// Sockets that read.
const SINKS: usize = 64;
/// RTP of 20 ms of G.711.
const PACKET: [u8; 172] = [0xd5; 172];

fn main() -> ExitCode {
    let seconds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(4);
    match measure(seconds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(seconds: u32) -> anyhow::Result<()> {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    let (one, others) = cores()?;
    // Threads take over the cores of the thread that starts them, and processes do.
    sched_setaffinity(None, &others)?;
    let server = Server::start()?;
    sched_setaffinity(None, &one)?;
    let bare = bare(&server, Duration::from_secs(1))?;
    println!("bare   {:>7} packets a second, {:>5.0} ns a packet", per_second(bare), bare);
    let (calls, speed) = MOST;
    let most = run(&server, "most ", calls, speed, seconds, bare)?;
    let paced = PACED.map(|calls| run(&server, "paced", calls, 1, seconds, bare));
    let [punctual, _] = paced;
    let late = punctual?["pacing_ms"]["p99"].as_f64().context("nothing was sent")?;
    let rate = most["rtp"]["packets_per_second"].as_f64().context("nothing was sent")?;
    ensure!(rate >= BUDGET, "{rate:.0} packets a second: the budget is {BUDGET}");
    ensure!(late <= PUNCTUAL_MS, "late by {late} ms at p99: the budget is {PUNCTUAL_MS} ms");
    Ok(())
}

/// The last core that we may use, and the others.
fn cores() -> anyhow::Result<(CpuSet, CpuSet)> {
    let all = sched_getaffinity(None)?;
    let last = (0..CpuSet::MAX_CPU).rev().find(|cpu| all.is_set(*cpu)).context("no core")?;
    let (mut one, mut others) = (CpuSet::new(), all);
    one.set(last);
    others.unset(last);
    ensure!(others.count() > 0, "one core for what is measured, and another for who listens");
    Ok((one, others))
}

/// Nanoseconds a packet.
fn bare(server: &Server, time: Duration) -> anyhow::Result<f64> {
    let socket = |n: u32| -> std::io::Result<UdpSocket> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect(server.sinks[n as usize % SINKS])?;
        Ok(socket)
    };
    let sockets = (0..MOST.0 * LEGS).map(socket).collect::<Result<Vec<_>, _>>()?;
    let (began, before, mut packets) = (Instant::now(), cpu(UsageWho::RUSAGE_THREAD)?, 0_u32);
    while began.elapsed() < time {
        for socket in &sockets {
            socket.send(&PACKET)?;
        }
        packets += MOST.0 * LEGS;
    }
    Ok((cpu(UsageWho::RUSAGE_THREAD)? - before).as_nanos() as f64 / f64::from(packets))
}

/// One run of the client; its report.
fn run(server: &Server, name: &str, calls: u32, speed: u32, seconds: u32, bare: f64) -> anyhow::Result<Value> {
    let before = (cpu(UsageWho::RUSAGE_CHILDREN)?, server.received.load(Ordering::Relaxed));
    let output = Command::new(env!("CARGO_BIN_EXE_siprec"))
        .args(["replay", "--json", "--to", &format!("sip:{}", server.at), "--calls", &calls.to_string()])
        .args(["--rate", RATE, "--speed", &speed.to_string(), "--duration", &seconds.to_string()])
        .stdin(Stdio::null())
        .output()?;
    let report: Value =
        serde_json::from_slice(&output.stdout).with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    ensure!(output.status.success(), "{report}");
    let of = |what: &str| report.pointer(what).and_then(Value::as_f64).unwrap_or_default();
    let each = (cpu(UsageWho::RUSAGE_CHILDREN)? - before.0).as_nanos() as f64 / of("/rtp/packets");
    println!(
        "{name}  {:>7.0} packets a second, {each:>5.0} ns a packet, {:>4.2} x bare; {calls} calls; late by p50 {:.2} ms, \
         p99 {:.2} ms, max {:.2} ms; answered in p99 {:.2} ms; {:.1} % read",
        of("/rtp/packets_per_second"),
        each / bare,
        of("/pacing_ms/p50"),
        of("/pacing_ms/p99"),
        of("/pacing_ms/max"),
        of("/answer_ms/p99"),
        (server.received.load(Ordering::Relaxed) - before.1) as f64 * 100.0 / of("/rtp/packets"),
    );
    Ok(report)
}

fn per_second(ns: f64) -> u64 {
    (1e9 / ns) as u64
}

fn cpu(whose: UsageWho) -> anyhow::Result<Duration> {
    let usage = getrusage(whose)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(micros.unsigned_abs()))
}

/// Takes every call, and reads what is sent.
struct Server {
    at: SocketAddr,
    sinks: Vec<SocketAddr>,
    received: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Server {
    fn start() -> anyhow::Result<Self> {
        let signalling = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let sinks = (0..SINKS).map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)));
        let sinks = sinks.collect::<Result<Vec<_>, _>>()?;
        let addresses = sinks.iter().map(UdpSocket::local_addr).collect::<Result<Vec<_>, _>>()?;
        let server = Self {
            at: signalling.local_addr()?,
            sinks: addresses.clone(),
            received: Arc::default(),
            over: Arc::default(),
        };
        let (received, over) = (Arc::clone(&server.received), Arc::clone(&server.over));
        std::thread::Builder::new().name("reads".into()).spawn(move || read(&sinks, &received, &over))?;
        let over = Arc::clone(&server.over);
        std::thread::Builder::new().name("answers".into()).spawn(move || answer(&signalling, &addresses, &over))?;
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn read(sinks: &[UdpSocket], received: &AtomicU64, over: &AtomicBool) -> anyhow::Result<()> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    for (n, sink) in sinks.iter().enumerate() {
        sink.set_nonblocking(true)?;
        epoll.add(sink, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, n as u64))?;
    }
    let (mut events, mut buffer) = ([EpollEvent::empty(); SINKS], [0; 2_048]);
    while !over.load(Ordering::Relaxed) {
        let ready = epoll.wait(&mut events, EpollTimeout::from(100_u8)).unwrap_or(0);
        for event in &events[..ready] {
            while sinks[event.data() as usize].recv(&mut buffer).is_ok() {
                received.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    Ok(())
}

/// A 200 to whatever is asked, to an INVITE with an answer: both lines are heard at one of the sockets.
fn answer(signalling: &UdpSocket, sinks: &[SocketAddr], over: &AtomicBool) -> anyhow::Result<()> {
    signalling.set_read_timeout(Some(Duration::from_millis(100)))?;
    let (mut buffer, mut calls) = (vec![0; 65_536], 0);
    while !over.load(Ordering::Relaxed) {
        let Ok((length, from)) = signalling.recv_from(&mut buffer) else { continue };
        let request = Message::parse_datagram(buffer.get(..length).unwrap_or_default())?;
        let Some(cseq) = request.cseq() else { continue };
        let header = |name: &str| request.header(name).unwrap_or_default().to_owned();
        let mut to = header("To");
        if !to.contains(";tag=") {
            to.push_str(";tag=bench");
        }
        let mut sdp = String::new();
        match cseq.method.to_string().as_str() {
            "ACK" => continue,
            "INVITE" => {
                let line = |n: usize| format!("m=audio {} RTP/AVP 8\r\na=recvonly\r\n", sinks[n % SINKS].port());
                let host = "IN IP4 127.0.0.1";
                sdp =
                    format!("v=0\r\no=- 1 1 {host}\r\ns=-\r\nc={host}\r\nt=0 0\r\n{}{}", line(calls), line(calls + 1));
                calls += 2;
            }
            _ => {}
        }
        let response = format!(
            "SIP/2.0 200 OK\r\nVia: {}\r\nFrom: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: <sip:{}>;+sip.srs\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            header("Via"),
            header("From"),
            header("Call-ID"),
            header("CSeq"),
            signalling.local_addr()?,
            sdp.len()
        );
        signalling.send_to(response.as_bytes(), from)?;
    }
    Ok(())
}
