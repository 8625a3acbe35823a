//! Sends the RTP of all calls of a test process from one thread, paced by a heap of what is due next, and keeps a log of
//! every packet: the judge of what a recorder must hold.

use super::voice::{PACKET, RATE, Voice};
use super::{Rng, wall_now};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{SocketAddr, UdpSocket};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};

const PACKET_TIME: Duration = Duration::from_millis(20);
const PCMA: u8 = 8;

/// What one leg sends, and what the network does to it.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Packets from the start of the call, silences included.
    pub packets: u32,
    /// Number of the first packet that is sent: a leg that comes late.
    pub first: u32,
    /// Share of packets lost on the way.
    pub loss: f64,
    /// Share overtaken by the next packet.
    pub reorder: f64,
    /// Share that arrives twice.
    pub duplicate: f64,
    /// Each packet is late by up to this much.
    pub jitter: Duration,
    /// How fast the sender's sampling clock runs.
    pub skew_ppm: i32,
    /// From this packet on: another SSRC, another sequence, other timestamps.
    pub new_ssrc_at: Option<u32>,
    /// Packets that are not sent (DTX): sequence numbers go on, timestamps jump.
    pub silences: Vec<Range<u32>>,
    /// For the leg's accidents.
    pub seed: u64,
}

impl Plan {
    /// `seconds` of clean speech.
    pub fn seconds(seconds: f64) -> Self {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds of a test call")]
        Self { packets: (seconds * 50.0).round() as u32, ..Self::default() }
    }

    fn speaks(&self, packet: u32) -> bool {
        packet >= self.first && !self.silences.iter().any(|s| s.contains(&packet))
    }

    /// Seconds after the start of the call at which a sample is spoken.
    pub fn time_of(&self, sample: u32) -> f64 {
        f64::from(sample) / f64::from(RATE) / (1.0 + f64::from(self.skew_ppm) * 1e-6)
    }
}

/// One packet of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Its number since the start of the call.
    pub number: u32,
    pub ssrc: u32,
    pub sequence: u16,
    /// When it left, nanoseconds since 1970.
    pub at: i64,
    /// How often it was sent: 0 is lost on the way.
    pub copies: u8,
}

struct Leg {
    plan: Plan,
    voice: Voice,
    socket: Arc<UdpSocket>,
    to: SocketAddr,
    start: Instant,
    rng: Rng,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    spoke: bool,
    in_flight: usize,
    stopped: bool,
    log: Vec<Sent>,
}

/// A leg that is being sent.
#[derive(Clone)]
pub struct Speech {
    leg: Arc<Mutex<Leg>>,
    done: Arc<(Mutex<bool>, Condvar)>,
}

enum Due {
    /// The leg's next packet.
    Tick(u32),
    /// A packet held back by the network: the bytes and its place in the log.
    Late(Vec<u8>, usize),
}

struct Item {
    at: Instant,
    order: u64,
    speech: Speech,
    due: Due,
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}
impl Eq for Item {}
impl PartialOrd for Item {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Item {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl Speech {
    /// Starts a leg: its packet 0 is due at `start`.
    pub fn begin(voice: Voice, plan: Plan, socket: Arc<UdpSocket>, to: SocketAddr, start: Instant) -> Self {
        let rng = Rng(plan.seed ^ 0x0052_5450);
        let (ssrc, sequence, timestamp) = fresh();
        let leg = Leg {
            plan,
            voice,
            socket,
            to,
            start,
            rng,
            ssrc,
            sequence,
            timestamp,
            spoke: false,
            in_flight: 0,
            stopped: false,
            log: Vec::new(),
        };
        let speech = Self { leg: Arc::new(Mutex::new(leg)), done: Arc::default() };
        studio().send(speech.clone()).unwrap();
        speech
    }

    /// Waits until the last packet is out.
    pub fn wait(&self) {
        let (done, bell) = &*self.done;
        let mut finished = done.lock().unwrap();
        while !*finished {
            finished = bell.wait(finished).unwrap();
        }
    }

    /// Says no more from now on.
    pub fn stop(&self) {
        self.leg.lock().unwrap().stopped = true;
    }

    /// Sends the rest elsewhere.
    pub fn redirect(&self, to: SocketAddr) {
        self.leg.lock().unwrap().to = to;
    }

    /// What was sent up to now.
    pub fn log(&self) -> Vec<Sent> {
        self.leg.lock().unwrap().log.clone()
    }

    fn finish(&self) {
        *self.done.0.lock().unwrap() = true;
        self.done.1.notify_all();
    }
}

/// SSRC, first sequence number and first timestamp of a stream: unlike any other's on this machine, whatever the seed.
#[allow(clippy::cast_possible_truncation, reason = "random bits")]
fn fresh() -> (u32, u16, u32) {
    static STREAMS: AtomicU64 = AtomicU64::new(0);
    let streams = STREAMS.fetch_add(1, Ordering::Relaxed);
    let mut rng = Rng(wall_now().cast_unsigned() ^ u64::from(std::process::id()) << 40 ^ streams);
    (rng.number() as u32, rng.number() as u16, rng.number() as u32)
}

/// The thread that sends for everyone in this process.
fn studio() -> Sender<Speech> {
    static STUDIO: OnceLock<Mutex<Sender<Speech>>> = OnceLock::new();
    let sender = STUDIO.get_or_init(|| {
        let (sender, receiver) = channel();
        std::thread::Builder::new().name("studio".into()).spawn(move || run(&receiver)).unwrap();
        Mutex::new(sender)
    });
    sender.lock().unwrap().clone()
}

fn run(receiver: &Receiver<Speech>) {
    super::process::prefer_this_thread();
    let mut heap: BinaryHeap<Reverse<Item>> = BinaryHeap::new();
    let mut order = 0;
    loop {
        let wait = heap
            .peek()
            .map_or(Duration::from_secs(1), |Reverse(next)| next.at.saturating_duration_since(Instant::now()));
        match receiver.recv_timeout(wait) {
            Ok(speech) => {
                let at = speech.leg.lock().unwrap().start;
                order += 1;
                heap.push(Reverse(Item { at, order, speech, due: Due::Tick(0) }));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        while heap.peek().is_some_and(|Reverse(next)| next.at <= Instant::now()) {
            let Some(Reverse(item)) = heap.pop() else { break };
            for (at, due) in step(&item) {
                order += 1;
                heap.push(Reverse(Item { at, order, speech: item.speech.clone(), due }));
            }
        }
    }
}

/// Does what is due and says what is due later.
fn step(item: &Item) -> Vec<(Instant, Due)> {
    let mut leg = item.speech.leg.lock().unwrap();
    let mut next = Vec::new();
    match &item.due {
        Due::Late(packet, place) => {
            leg.in_flight -= 1;
            leg.transmit(packet, *place);
        }
        Due::Tick(number) => {
            if let Some(late) = leg.speak(*number) {
                leg.in_flight += 1;
                next.push(late);
            }
            if number + 1 < leg.plan.packets && !leg.stopped {
                let at = leg.start + Duration::from_secs_f64(leg.plan.time_of((number + 1) * PACKET));
                next.push((at, Due::Tick(number + 1)));
            } else {
                leg.stopped = true;
            }
        }
    }
    if leg.stopped && leg.in_flight == 0 && next.is_empty() {
        drop(leg);
        item.speech.finish();
    }
    next
}

impl Leg {
    /// Makes packet `number`; gives it back with its hour if the network holds it.
    fn speak(&mut self, number: u32) -> Option<(Instant, Due)> {
        if self.plan.new_ssrc_at == Some(number) {
            (self.ssrc, self.sequence, self.timestamp) = fresh();
        }
        if !self.plan.speaks(number) {
            self.spoke = false;
            return None;
        }
        let packet = self.packet(number);
        let place = self.log.len();
        self.log.push(Sent { number, ssrc: self.ssrc, sequence: self.sequence, at: wall_now(), copies: 0 });
        self.sequence = self.sequence.wrapping_add(1);
        self.spoke = true;
        if self.rng.share() < self.plan.loss {
            return None;
        }
        let mut held = Duration::ZERO;
        if self.rng.share() < self.plan.reorder {
            held += PACKET_TIME + PACKET_TIME / 2;
        }
        held += self.plan.jitter.mul_f64(self.rng.share());
        if held.is_zero() {
            self.transmit(&packet, place);
            return None;
        }
        Some((Instant::now() + held, Due::Late(packet, place)))
    }

    fn transmit(&mut self, packet: &[u8], place: usize) {
        let copies = if self.rng.share() < self.plan.duplicate { 2 } else { 1 };
        self.log[place].at = wall_now();
        for _ in 0..copies {
            // A server that was killed does not hear it; that is what is being tested.
            let _ = self.socket.send_to(packet, self.to);
        }
        self.log[place].copies = copies;
    }

    fn packet(&self, number: u32) -> Vec<u8> {
        let marker = if self.spoke { 0 } else { 0x80 };
        let mut out = vec![0x80, PCMA | marker];
        out.extend(self.sequence.to_be_bytes());
        out.extend(self.timestamp.wrapping_add(number.wrapping_mul(PACKET)).to_be_bytes());
        out.extend(self.ssrc.to_be_bytes());
        out.extend(self.voice.samples(number * PACKET, PACKET));
        out
    }
}

/// What one leg said, in the sender's words.
#[derive(Debug, Clone)]
pub struct LegLog {
    pub plan: Plan,
    pub packets: Vec<Sent>,
}

/// What a call said: the judge of its recording.
#[derive(Debug, Clone)]
pub struct Transcript {
    /// Number of the call, which its tones and clicks follow from.
    pub call: usize,
    /// When packet 0 of the call was due, nanoseconds since 1970.
    pub start: i64,
    pub legs: Vec<LegLog>,
    /// When the BYE left.
    pub bye_at: Option<i64>,
}
