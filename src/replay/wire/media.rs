//! A thread that sends media: sockets of its own, one heap of what is due, sleep to the microsecond (a timer in an
//! epoll set), and orders from the signalling in between.
//!
//! ```text
//! signalling -> Order -> Worker -> RTP, RTCP          server's RTCP -> Worker -> Played -> signalling
//! ```

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use siprec_core::seed::Random;
use siprec_core::session::client::{CallNumber, Destination};

use super::legs::Leg;
use super::options::Impairments;
use super::pacing::{Lateness, Running};
use super::stream::{Sent, Source, Step, Stream};

/// The epoll set's names for what is not a stream.
const WAKER: u64 = u64::MAX;
const TIMER: u64 = u64::MAX - 1;
/// Sockets looked at a wake-up.
const EVENTS: usize = 64;
/// Packets sent before orders are looked at again.
const BURST: usize = 256;
/// What is due within this time of each other is sent at once: a sleep a packet would cost more than the packet.
const NAP: Duration = Duration::from_micros(100);
/// At a call's end what is late by less is sent all the same.
const CATCH_UP: Duration = Duration::from_millis(100);
/// A report is no longer.
const REPORT_BYTES: usize = 2048;

/// What the signalling wants.
pub(super) enum Order {
    /// A call was answered then: its lines begin.
    Play { call: CallNumber, at: Instant, lines: Vec<(Leg, Source, Random)>, impairments: Impairments, speed: f64 },
    /// Where its lines go from now on.
    Aim { call: CallNumber, destinations: Vec<Destination> },
    /// The call is over.
    Stop { call: CallNumber },
}

/// What became of a call's media.
pub(super) struct Played {
    pub(super) call: CallNumber,
    pub(super) lines: Vec<Sent>,
}

/// The signalling's end of a worker.
pub(super) struct Worker {
    orders: Sender<Order>,
    waker: Arc<EventFd>,
    thread: JoinHandle<Lateness>,
}

impl Worker {
    pub(super) fn start(
        played: tokio::sync::mpsc::UnboundedSender<Played>,
        running: Arc<Running>,
    ) -> anyhow::Result<Self> {
        let (orders, receiver) = channel();
        let waker = Arc::new(EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK).context("eventfd")?);
        let sending = Sending::new(receiver, Arc::clone(&waker), played, running)?;
        let thread = std::thread::Builder::new().name("replay-media".to_owned()).spawn(move || sending.run())?;
        Ok(Self { orders, waker, thread })
    }

    pub(super) fn order(&self, order: Order) {
        if self.orders.send(order).is_ok() {
            // Full would mean that it is awake already.
            let _ = self.waker.write(1);
        }
    }

    /// Waits until all is sent; how late packets were.
    pub(super) fn finish(self) -> Lateness {
        drop(self.orders);
        let _ = self.waker.write(1);
        self.thread.join().unwrap_or_default()
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Packet,
    Late(Vec<u8>),
    Report,
    /// What the call's last packets were delayed by has passed.
    End(u64),
}

struct Sending {
    orders: Receiver<Order>,
    waker: Arc<EventFd>,
    timer: TimerFd,
    epoll: Epoll,
    played: tokio::sync::mpsc::UnboundedSender<Played>,
    running: Arc<Running>,
    epoch: Instant,
    streams: HashMap<u64, Stream>,
    calls: HashMap<CallNumber, Vec<u64>>,
    due: BinaryHeap<Reverse<(u64, u64, Due)>>,
    next_stream: u64,
    lateness: Lateness,
}

impl Sending {
    fn new(
        orders: Receiver<Order>,
        waker: Arc<EventFd>,
        played: tokio::sync::mpsc::UnboundedSender<Played>,
        running: Arc<Running>,
    ) -> anyhow::Result<Self> {
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK).context("timerfd")?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).context("epoll")?;
        epoll.add(&*waker, EpollEvent::new(EpollFlags::EPOLLIN, WAKER)).context("epoll")?;
        epoll.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, TIMER)).context("epoll")?;
        Ok(Self {
            orders,
            waker,
            timer,
            epoll,
            played,
            running,
            epoch: Instant::now(),
            streams: HashMap::new(),
            calls: HashMap::new(),
            due: BinaryHeap::new(),
            next_stream: 0,
            lateness: Lateness::default(),
        })
    }

    fn run(mut self) -> Lateness {
        loop {
            loop {
                match self.orders.try_recv() {
                    Ok(order) => self.order(order),
                    Err(std::sync::mpsc::TryRecvError::Empty) => break,
                    Err(std::sync::mpsc::TryRecvError::Disconnected) => return self.lateness,
                }
            }
            if !self.send_due() {
                self.sleep();
            }
        }
    }

    fn now(&self) -> u64 {
        nanos(self.epoch.elapsed())
    }

    /// Sends what is due; whether more may be.
    fn send_due(&mut self) -> bool {
        let (mut sent, mut latest) = (0, 0);
        for _ in 0..BURST {
            let now = self.now();
            if self.due.peek().is_none_or(|Reverse((at, _, _))| *at > now) {
                self.running.add(sent, latest);
                return false;
            }
            let Some(Reverse((at, id, due))) = self.due.pop() else { break };
            if let Due::End(call) = due {
                self.finish(CallNumber(call));
                continue;
            }
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            let packet = match due {
                Due::Late(packet) => Some(packet),
                Due::End(_) => None,
                Due::Report => {
                    stream.report(wall_ns(), false);
                    if let Some(next) = stream.next_report(now) {
                        self.due.push(Reverse((next, id, Due::Report)));
                    }
                    None
                }
                // The call ended meanwhile.
                Due::Packet if stream.due().is_none() => None,
                Due::Packet => {
                    let step = stream.step(at);
                    if let Some(next) = stream.due() {
                        self.due.push(Reverse((next, id, Due::Packet)));
                    }
                    match step {
                        Step::Now(packet) => Some(packet),
                        Step::Later(later, packet) => {
                            self.due.push(Reverse((later, id, Due::Late(packet))));
                            None
                        }
                        Step::Nothing => None,
                    }
                }
            };
            if let Some(packet) = packet {
                self.lateness.add(Duration::from_nanos(now - at));
                latest = latest.max(now - at);
                stream.send(&packet);
                sent += 1;
            }
        }
        self.running.add(sent, latest);
        true
    }

    /// The end may overtake the last packets, which were due with it; what is a machine's overload is not made good.
    fn catch_up(&mut self, id: u64, stream: &mut Stream) {
        let end = self.now();
        let since = end.saturating_sub(nanos(CATCH_UP));
        while let Some(at) = stream.due().filter(|at| (since..=end).contains(at)) {
            match stream.step(at) {
                Step::Now(packet) => {
                    self.lateness.add(Duration::from_nanos(end - at));
                    stream.send(&packet);
                }
                Step::Later(later, packet) => self.due.push(Reverse((later, id, Due::Late(packet)))),
                Step::Nothing => {}
            }
        }
        stream.end();
    }

    /// A call is over, but for packets that are delayed on purpose.
    fn stop(&mut self, call: CallNumber) {
        let ids = self.calls.get(&call).cloned().unwrap_or_default();
        let mut delays = false;
        for id in &ids {
            let Some(mut stream) = self.streams.remove(id) else { continue };
            self.catch_up(*id, &mut stream);
            delays |= stream.delays();
            self.streams.insert(*id, stream);
        }
        let is_late = |due: &Due| matches!(due, Due::Late(_));
        let late = self.due.iter().filter(|Reverse((_, id, due))| delays && is_late(due) && ids.contains(id));
        match late.map(|Reverse((at, ..))| *at).max() {
            Some(last) => self.due.push(Reverse((last, u64::MAX, Due::End(call.0)))),
            None => self.finish(call),
        }
    }

    /// The last of a call is sent.
    fn finish(&mut self, call: CallNumber) {
        let mut lines = Vec::new();
        for id in self.calls.remove(&call).unwrap_or_default() {
            let Some(mut stream) = self.streams.remove(&id) else { continue };
            let mut buffer = [0; REPORT_BYTES];
            stream.hear(&mut buffer, wall_ns());
            stream.report(wall_ns(), true);
            let _ = self.epoll.delete(stream.rtcp());
            lines.push(stream.sent);
        }
        let _ = self.played.send(Played { call, lines });
    }

    /// Until the next packet is due, a report comes, or an order.
    fn sleep(&mut self) {
        const LONGEST: Duration = Duration::from_secs(1);
        let next = self.due.peek().map(|Reverse((at, _, _))| Duration::from_nanos(at.saturating_sub(self.now())));
        let wait = next.unwrap_or(LONGEST).clamp(NAP, LONGEST);
        // Neither can fail with a time that is neither zero nor out of range.
        let _ = self.timer.set(Expiration::OneShot(wait.into()), TimerSetTimeFlags::empty());
        let mut events = [EpollEvent::empty(); EVENTS];
        let count = self.epoll.wait(&mut events, EpollTimeout::NONE).unwrap_or(0);
        let mut buffer = [0; REPORT_BYTES];
        for event in events.iter().take(count) {
            match event.data() {
                WAKER => drop(self.waker.read()),
                TIMER => {}
                id => {
                    if let Some(stream) = self.streams.get_mut(&id) {
                        stream.hear(&mut buffer, wall_ns());
                    }
                }
            }
        }
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::Play { call, at, lines, impairments, speed } => {
                let start = nanos(at.saturating_duration_since(self.epoch));
                for (leg, source, random) in lines {
                    let mut stream = Stream::new(leg, source, impairments, random, start, speed);
                    let id = self.next_stream;
                    self.next_stream += 1;
                    // Without it only the server's reports are not heard.
                    let _ = self.epoll.add(stream.rtcp(), EpollEvent::new(EpollFlags::EPOLLIN, id));
                    if let Some(at) = stream.next_report(start) {
                        self.due.push(Reverse((at, id, Due::Report)));
                    }
                    self.streams.insert(id, stream);
                    self.calls.entry(call).or_default().push(id);
                }
            }
            Order::Aim { call, destinations } => {
                for (id, destination) in self.calls.get(&call).into_iter().flatten().zip(destinations) {
                    let Some(stream) = self.streams.get_mut(id) else { continue };
                    // What is due before anybody knows where it goes would be lost.
                    let first = stream.aim(destination);
                    if let Some(at) = stream.due().filter(|_| first) {
                        self.due.push(Reverse((at, *id, Due::Packet)));
                    }
                }
            }
            Order::Stop { call } => self.stop(call),
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn wall_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
