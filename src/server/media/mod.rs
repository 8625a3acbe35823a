//! Media workers: threads that own the streams' sockets and carry each packet from the kernel to its session's slab.
//!
//! ```text
//!                   orders (queue + eventfd)
//! signalling thread -------------------------> worker: every 20 or 40 ms
//!        ^                                       epoll -> recvmmsg -> Port::handle_* -> journal::encoder -> slab
//!        | News                                  slabs ==> SlabSink (the journal's writer)
//!        +---------------------------------------
//! ```
//!
//! All ports of a session live on one worker, so its media has one producer. A worker looks at its sockets once a
//! [`ROUND`] ([`LONG_ROUND`] where there are many), not at each packet: the kernel's timestamps tell when a packet arrived,
//! and a wake-up shared by all streams costs each of them little. An order wakes it at once. Nothing is allocated a packet,
//! nor for the figures of each second.

pub mod dtls;
pub mod ports;
mod receive;
mod reports;
mod slabs;
mod slot;
mod taps;
mod worker;

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socket, sockopt};
use siprec_core::entry::PortIndex;
use siprec_core::media::{MediaReport, PortSettings};
use siprec_core::seed::SessionId;
use siprec_core::srtp::SenderState;

use self::dtls::{Act, Component, Dtls};
use self::ports::BoundPair;
use self::worker::Worker;
use super::clock::Clock;

pub use self::taps::{Overheard, Wire};

/// How often a worker fetches what has arrived, and hands over what it kept.
pub const ROUND: Duration = Duration::from_millis(20);
/// The same of a worker with many ports: a write a session costs most, and it takes the packets of two.
pub const LONG_ROUND: Duration = Duration::from_millis(40);
/// So many ports are many.
const MANY_PORTS: usize = 256;

/// Where a worker's kept packets go: to the journal's writer.
pub trait SlabSink: Send + Sync {
    /// An empty buffer. Called for a session's first packet of a round; must not block.
    fn buffer(&self) -> Vec<u8>;

    /// Whole blocks of a session, to be written in the order of the calls; must not block.
    fn hand_over(&self, session: SessionId, blocks: Vec<u8>);

    /// What was handed over is all for now: a writer that sleeps may be woken.
    fn round_over(&self) {}
}

/// What a worker tells, from its own thread.
#[derive(Debug)]
pub enum News {
    /// What happened on ports in a round, and once a second the figures of those that received something. To be given
    /// back ([`Workers::give_back`]), or their memory is made anew.
    Reports(Vec<MediaReport>),
    /// All that had arrived for the session is handed over; after [`Workers::close_session`] its ports are closed too.
    Flushed {
        /// The session.
        session: SessionId,
    },
    /// A port's sockets are closed: its pair may be released.
    Closed {
        /// The port, with its last figures.
        report: Box<MediaReport>,
        /// The pair's even port.
        rtp_port: u16,
    },
    /// A handshake of DTLS was done, or came to nothing.
    Dtls(Act),
    /// A port could not be served at all.
    Failed {
        /// The session.
        session: SessionId,
        /// The port.
        port: PortIndex,
        /// The pair's even port; its sockets are closed.
        rtp_port: u16,
        /// Why.
        why: String,
    },
}

/// Takes a worker's news; called on the worker's thread, must not block.
pub type Tell = Arc<dyn Fn(News) + Send + Sync>;

/// The workers of a server. Orders return at once and are carried out in their order.
pub struct Workers {
    threads: Vec<Thread>,
    tell: Tell,
    /// The kernel stamps arrivals while any socket asks for it, and may begin a moment after the first one does. This
    /// one asks from the start to the end, so that no stream's first packets fall into that moment.
    _stamping: OwnedFd,
}

struct Thread {
    orders: mpsc::Sender<Order>,
    wake: Arc<EventFd>,
    thread: JoinHandle<()>,
}

/// What a worker is told.
enum Order {
    Add {
        session: SessionId,
        settings: Box<PortSettings>,
        pair: BoundPair,
    },
    Update {
        session: SessionId,
        settings: Box<PortSettings>,
    },
    Reserve {
        session: SessionId,
        port: PortIndex,
        reserved: SenderState,
    },
    Close {
        session: SessionId,
        port: PortIndex,
    },
    CloseSession {
        session: SessionId,
    },
    Flush {
        session: SessionId,
    },
    Listen {
        session: SessionId,
        wire: Wire,
    },
    /// Reports that were heard.
    GiveBack(Vec<MediaReport>),
    /// Where datagrams of DTLS go.
    Protect(Dtls),
    /// One of them that leaves.
    Send {
        from: Component,
        to: SocketAddr,
        datagram: Vec<u8>,
    },
    /// Dropped once all is handed over.
    FlushAll(mpsc::Sender<()>),
    Stop,
}

impl Workers {
    /// Starts `count` workers, as many as there are cores for 0.
    ///
    /// # Errors
    /// The system has no thread or descriptor left.
    pub fn start(count: usize, clock: Clock, sink: &Arc<dyn SlabSink>, tell: Tell) -> std::io::Result<Self> {
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let count = if count == 0 { cores() } else { count };
        let stamping = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
        setsockopt(&stamping, sockopt::ReceiveTimestampns, &true)?;
        let threads = (0..count).map(|number| {
            let (orders, queue) = mpsc::channel();
            let wake = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
            let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
            let (awake, sink, tell) = (Arc::clone(&wake), Arc::clone(sink), Arc::clone(&tell));
            let run = move || Worker::new(clock, epoll, queue, awake, sink, tell).run();
            let thread = std::thread::Builder::new().name(format!("media-{number}")).spawn(run)?;
            Ok(Thread { orders, wake, thread })
        });
        let threads = threads.collect::<std::io::Result<_>>()?;
        Ok(Self { threads, tell, _stamping: stamping })
    }

    /// A port begins. What has arrived on its sockets since they were bound is received.
    pub fn add(&self, session: SessionId, settings: PortSettings, pair: BoundPair) {
        self.order(session, Order::Add { session, settings: Box::new(settings), pair });
    }

    /// A port's settings change; what arrived before is judged by those of before.
    pub fn update(&self, session: SessionId, settings: PortSettings) {
        self.order(session, Order::Update { session, settings: Box::new(settings) });
    }

    /// Indices of a port's SRTCP are kept where no crash can reach them: they may be used.
    pub fn reserve(&self, session: SessionId, port: PortIndex, reserved: SenderState) {
        self.order(session, Order::Reserve { session, port, reserved });
    }

    /// A port ends, after all that has arrived on it is received. [`News::Closed`] follows if it was open.
    pub fn close(&self, session: SessionId, port: PortIndex) {
        self.order(session, Order::Close { session, port });
    }

    /// All ports of a session end; [`News::Closed`] for each, then [`News::Flushed`] follow.
    pub fn close_session(&self, session: SessionId) {
        self.order(session, Order::CloseSession { session });
    }

    /// All that has arrived for a session is handed over; [`News::Flushed`] follows.
    pub fn flush(&self, session: SessionId) {
        self.order(session, Order::Flush { session });
    }

    /// From now on a session's packets go to a listener as well; where no stream of it is open, nothing does.
    pub fn listen(&self, session: SessionId, wire: Wire) {
        self.order(session, Order::Listen { session, wire });
    }

    /// Reports that were heard go back to their worker, which fills them again.
    pub fn give_back(&self, reports: Vec<MediaReport>) {
        let worker = reports.first().and_then(|report| self.threads.get(place(report.session, self.threads.len())));
        if let Some(worker) = worker {
            // It finds them in its next round.
            let _ = worker.orders.send(Order::GiveBack(reports));
        }
    }

    /// From now on datagrams of DTLS go to `dtls`.
    pub fn protect(&self, dtls: &Dtls) {
        for thread in &self.threads {
            let _ = thread.orders.send(Order::Protect(dtls.clone()));
        }
    }

    /// A way for the handshakes to send from the ports' sockets.
    pub fn post(&self) -> Post {
        Post(self.threads.iter().map(|thread| (thread.orders.clone(), Arc::clone(&thread.wake))).collect())
    }

    /// Hands over all that has arrived for any session, and returns when that is done, or after `patience`.
    pub fn flush_all(&self, patience: Duration) {
        let (done, wait) = mpsc::channel();
        for thread in &self.threads {
            let _ = thread.orders.send(Order::FlushAll(done.clone()));
            let _ = thread.wake.write(1);
        }
        drop(done);
        // Nothing is ever sent: the wait ends when the last worker drops its end.
        let _ = wait.recv_timeout(patience);
    }

    /// Hands over all that has arrived, closes every socket and ends the threads.
    pub fn stop(self) {
        for thread in &self.threads {
            let _ = thread.orders.send(Order::Stop);
            let _ = thread.wake.write(1);
        }
        for thread in self.threads {
            if thread.thread.join().is_err() {
                tracing::error!("a media worker had panicked");
            }
        }
    }

    fn order(&self, session: SessionId, order: Order) {
        let Some(thread) = self.threads.get(place(session, self.threads.len())) else { return };
        if let Err(mpsc::SendError(order)) = thread.orders.send(order) {
            self.refuse(order);
            return;
        }
        let _ = thread.wake.write(1);
    }

    /// The worker is gone: nobody waits for what it cannot do.
    fn refuse(&self, order: Order) {
        match order {
            Order::Add { session, settings, pair } => (self.tell)(News::Failed {
                session,
                port: settings.stream.port,
                rtp_port: pair.rtp_port(),
                why: "its media worker has ended".into(),
            }),
            Order::CloseSession { session } | Order::Flush { session } => (self.tell)(News::Flushed { session }),
            Order::Update { .. }
            | Order::Reserve { .. }
            | Order::Close { .. }
            | Order::Listen { .. }
            | Order::GiveBack(_)
            | Order::Protect(_)
            | Order::Send { .. }
            | Order::FlushAll(_)
            | Order::Stop => {}
        }
    }
}

/// Which of `threads` a session lives on. The low bits of an id are random: sessions spread evenly.
fn place(session: SessionId, threads: usize) -> usize {
    usize::try_from(session.0 % threads.max(1) as u128).unwrap_or(0)
}

/// The way of datagrams that are not RTCP to the ports' sockets.
pub struct Post(Vec<(mpsc::Sender<Order>, Arc<EventFd>)>);

impl Post {
    /// Sends one; a port that is closed sends nothing.
    pub fn send(&self, from: Component, to: SocketAddr, datagram: Vec<u8>) {
        if let Some((orders, wake)) = self.0.get(place(from.session, self.0.len())) {
            let _ = orders.send(Order::Send { from, to, datagram });
            let _ = wake.write(1);
        }
    }
}

impl std::fmt::Debug for Post {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Post").field("threads", &self.0.len()).finish()
    }
}

impl std::fmt::Debug for Workers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workers").field("threads", &self.threads.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
