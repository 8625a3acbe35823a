//! What signalling costs: an INVITE with metadata read, decided, journalled and answered; linted; recognised.
//!
//! ```text
//! cargo bench --bench signalling -- [ROUNDS]
//! ```
//! Budget: 25 us an INVITE, from the datagram to the bytes of the 200, in the best of the rounds: fails where one of the
//! messages takes longer. What the shell does (sockets, the disk) is not in it. Told with 100 sessions live, which a core's
//! cache holds, and with 500, which it does not.

#![allow(clippy::print_stdout, reason = "a benchmark tells its figures")]

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use siprec_core::lint::lint;
use siprec_core::metadata;
use siprec_core::seed::Seed;
use siprec_core::session::{Guard, Input, Output, Policy, Srs};
use siprec_core::sip::{Message, Transport, multipart};
use siprec_core::time::{Monotonic, Now, Wall};
use siprec_core::vendor::{CallIds, Evidence};

/// The binary's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Calls of a round, live at the same time: their transactions are forgotten before the next.
const LIVE: [usize; 2] = [100, 500];
/// Times that a part is done in a round.
const REPEATS: usize = 500;
const BUDGET: Duration = Duration::from_micros(25);
const SRS: &str = "192.0.2.1:5060";
const SRC: &str = "192.0.2.2:5060";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let rounds: usize = arguments.first().and_then(|a| a.parse().ok()).unwrap_or(40);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/sip");
    let mut over = Vec::new();
    for file in ["cube-style.sip", "broadworks-style.sip", "mediant-style.sip", "opensips-style.sip"] {
        let message = std::fs::read_to_string(folder.join(file))?;
        for live in LIVE {
            let (invites, byes) = calls(&message, rounds * LIVE[1] / live, live)?;
            if invites.best > BUDGET {
                over.push(format!("{file} with {live} live: {:.1} us", micros(invites.best)));
            }
            println!(
                "{file:<22} {:>5} octets, {live:>3} live: INVITE to 200 {invites}, BYE to 200 {byes}",
                numbered(&message, 0).len()
            );
        }
    }
    parts(&numbered(&std::fs::read_to_string(folder.join("cube-style.sip"))?, 0), rounds);
    anyhow::ensure!(over.is_empty(), "over {} us in every round: {}", BUDGET.as_micros(), over.join(", "));
    Ok(())
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// Medians of rounds: what interrupts one call says nothing of the others, what slows a whole round nothing of the code.
struct Rounds {
    best: Duration,
    usual: Duration,
}

impl Rounds {
    fn of(medians: Vec<Duration>) -> Self {
        Self { best: medians.iter().min().copied().unwrap_or_default(), usual: median(medians) }
    }
}

impl std::fmt::Display for Rounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>5.1} us (usually {:>5.1})", micros(self.best), micros(self.usual))
    }
}

/// Rounds of INVITEs, and of BYEs.
fn calls(message: &str, rounds: usize, live: usize) -> anyhow::Result<(Rounds, Rounds)> {
    let (mut invites_of, mut byes_of) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let mut server = Server::new();
        let invites: Vec<String> = (0..live).map(|call| numbered(message, round * live + call)).collect();
        let mut answers = Vec::with_capacity(live);
        let (mut of_invites, mut of_byes) = (Vec::with_capacity(live), Vec::with_capacity(live));
        for invite in &invites {
            let began = Instant::now();
            let answer = server.answer(invite.as_bytes());
            of_invites.push(began.elapsed());
            answers.push(answer);
        }
        for (answer, invite) in answers.iter().zip(&invites) {
            let bye = bye(answer, invite)?;
            let began = Instant::now();
            server.answer(&bye);
            of_byes.push(began.elapsed());
        }
        anyhow::ensure!(server.srs.sessions() == 0, "{} sessions are left", server.srs.sessions());
        invites_of.push(median(of_invites));
        byes_of.push(median(of_byes));
    }
    Ok((Rounds::of(invites_of), Rounds::of(byes_of)))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The template filled in, as another call's.
fn numbered(template: &str, call: usize) -> String {
    let text = template
        .replace("{via}", &format!("SIP/2.0/UDP {SRC};branch=z9hG4bK{call};rport"))
        .replace("{tag}", &format!("t{call}"))
        .replace("{to_tag}", "")
        .replace("{call_id}", &format!("{call}@192.0.2.2"))
        .replace("{cseq}", "101")
        .replace("{contact}", SRC)
        .replace('\n', "\r\n");
    let body = text.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
    text.replace("{length}", &body.to_string())
}

fn bye(answer: &[u8], invite: &str) -> anyhow::Result<Vec<u8>> {
    let answer = Message::parse_datagram(answer)?;
    anyhow::ensure!(answer.status() == Some(200), "answered {:?}", answer.status());
    let invite = Message::parse_datagram(invite.as_bytes())?;
    let header = |name: &str| answer.header(name).unwrap_or_default().to_owned();
    let via = invite.header("Via").unwrap_or_default().replace("z9hG4bK", "z9hG4bKbye");
    let number = invite.cseq().map_or(1, |cseq| cseq.number + 1);
    let head = format!(
        "BYE sip:srs@{SRS} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\n\
         CSeq: {number} BYE\r\nContent-Length: 0\r\n\r\n",
        header("From"),
        header("To"),
        header("Call-ID")
    );
    Ok(head.into_bytes())
}

struct Server {
    srs: Srs,
    now: Now,
    next_port: u16,
    local: SocketAddr,
    remote: SocketAddr,
}

impl Server {
    fn new() -> Self {
        let address = |text: &str| text.parse().unwrap_or_else(|_| ([0, 0, 0, 0], 0).into());
        let now = Now { monotonic: Monotonic(1_000_000_000), wall: Wall(1_790_000_000_000_000_000) };
        let (local, remote) = (address(SRS), address(SRC));
        Self { srs: Srs::new(policy(), Seed([7; 32])), now, next_port: 10_000, local, remote }
    }

    /// Feeds a datagram and carries out what is ordered; yields the last response.
    fn answer(&mut self, bytes: &[u8]) -> Vec<u8> {
        let (local, remote) = (self.local, self.remote);
        self.srs.handle_input(self.now, Input::Datagram { local, remote, bytes });
        let mut sent = Vec::new();
        while let Some(output) = self.srs.poll_output() {
            if let Output::Send { bytes, .. } = output {
                sent = bytes;
            } else if let Output::OpenPort { session, port, .. } = output {
                let at = |port| SocketAddr::new(local.ip(), port);
                let (rtp, rtcp) = (at(self.next_port), at(self.next_port + 1));
                self.next_port = self.next_port.wrapping_add(2).max(10_000);
                self.srs.handle_input(self.now, Input::PortOpened { session, port, rtp, rtcp });
            } else {
                drop(std::hint::black_box(output));
            }
        }
        sent
    }
}

fn policy() -> Policy {
    let config = siprec::config::Config::default();
    let mut policy = siprec::policy::policy(&config, "bench");
    policy.max_sessions = LIVE[1] * 2;
    // One sender makes all the calls here.
    policy.guard = Guard::default();
    policy
}

/// What the parts of it cost, one by one.
fn parts(message: &str, rounds: usize) {
    let time = |name: &str, mut f: Box<dyn FnMut() + '_>| {
        let mut best = Duration::MAX;
        for _ in 0..rounds {
            let began = Instant::now();
            for _ in 0..REPEATS {
                f();
            }
            best = best.min(began.elapsed() / u32::try_from(REPEATS).unwrap_or(1));
        }
        println!("  {name:<34} {:>6.1} us", micros(best));
    };
    let Ok(parsed) = Message::parse_datagram(message.as_bytes()) else { return };
    let content_type = parsed.content_type().unwrap_or_default();
    let bodies = multipart::parts(content_type, &parsed.body).unwrap_or_default();
    let Some(document) = bodies.iter().find(|part| metadata::is_metadata(part)) else { return };
    let mut snapshot = metadata::Snapshot::default();
    if let Some(document) = metadata::parse(&document.content_type, &document.body).document {
        let _ = snapshot.apply(&document, Wall(1));
    }
    println!("of that, and beside it:");
    time("the message", Box::new(|| drop(std::hint::black_box(Message::parse_datagram(message.as_bytes())))));
    time("its parts", Box::new(|| drop(std::hint::black_box(multipart::parts(content_type, &parsed.body)))));
    time(
        "the metadata",
        Box::new(|| drop(std::hint::black_box(metadata::parse(&document.content_type, &document.body)))),
    );
    time("the snapshot as JSON", Box::new(|| drop(std::hint::black_box(serde_json::to_vec(&snapshot)))));
    let recognise = || {
        let mut evidence = Evidence::default();
        evidence.message(&parsed);
        evidence.snapshot(&snapshot);
        evidence.profile()
    };
    time("the vendor", Box::new(|| drop(std::hint::black_box(recognise()))));
    let correlate = || {
        let mut ids = CallIds::default();
        ids.message(&parsed);
        ids.snapshot(&snapshot, None);
        ids
    };
    time("the call's ids", Box::new(|| drop(std::hint::black_box(correlate()))));
    let (policy, from) = (policy(), ([192, 0, 2, 2], 5060).into());
    time("linted", Box::new(|| drop(std::hint::black_box(lint(message.as_bytes(), Transport::Udp, from, &policy)))));
}
