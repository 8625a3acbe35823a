//! The thread of the handshakes, and the way to it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use siprec_core::sdp::dtls::Association;
use siprec_core::sdp::fingerprint::Fingerprint;

use super::desk::{Act, Component, Desk};
use super::identity::Identity;

/// Datagrams that wait for the thread: a second of what it can do. Beyond, they are dropped, and peers repeat theirs.
const MAX_WAITING: usize = 8_192;
/// Orders that are carried out before what they bring is done.
const BURST: usize = 64;
/// How often what was dropped is told, and how long nothing is waited for where nothing is due.
const IDLE: Duration = Duration::from_secs(10);

/// Sends a datagram from a socket, or tells what came of a handshake; called on the thread, must not block.
pub type Perform = Arc<dyn Fn(Act) + Send + Sync>;

/// The way to the thread. Clones lead to the same; it ends with the last of them.
#[derive(Clone)]
pub struct Dtls {
    orders: mpsc::Sender<Order>,
    waiting: Arc<AtomicUsize>,
    dropped: Arc<AtomicU64>,
    fingerprint: Fingerprint,
}

enum Order {
    Expect { component: Component, association: Box<Association>, remote: Option<SocketAddr> },
    Forget(Component),
    Datagram { component: Component, peer: SocketAddr, datagram: Vec<u8> },
}

impl Dtls {
    /// Starts the thread.
    ///
    /// # Errors
    /// The primitives do not compute what they should, or there is no thread to be had.
    pub fn start(identity: Identity, perform: Perform) -> anyhow::Result<Self> {
        let fingerprint = identity.fingerprint().clone();
        let desk = Desk::new(identity).context("DTLS cannot be used")?;
        let (orders, queue) = mpsc::channel();
        let dtls = Self { orders, waiting: Arc::default(), dropped: Arc::default(), fingerprint };
        let (waiting, dropped) = (Arc::clone(&dtls.waiting), Arc::clone(&dtls.dropped));
        std::thread::Builder::new()
            .name("dtls".into())
            .spawn(move || run(desk, &queue, &waiting, &dropped, &perform))
            .context("the thread of DTLS cannot be started")?;
        Ok(dtls)
    }

    /// Of our certificate.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// From now on a socket's peer may shake hands under `association`; as the client, we begin.
    pub fn expect(&self, component: Component, association: Association, remote: Option<SocketAddr>) {
        self.order(Order::Expect { component, association: Box::new(association), remote });
    }

    /// A socket is closed.
    pub fn forget(&self, component: Component) {
        self.order(Order::Forget(component));
    }

    /// A datagram arrived for which [`super::is_dtls`] holds.
    pub fn datagram(&self, component: Component, peer: SocketAddr, datagram: &[u8]) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.order(Order::Datagram { component, peer, datagram: datagram.to_vec() });
    }

    /// The thread lives as long as somebody can send to it, so this cannot fail; and nobody could be told.
    fn order(&self, order: Order) {
        let _ = self.orders.send(order);
    }
}

impl std::fmt::Debug for Dtls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dtls").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

fn run(mut desk: Desk, queue: &mpsc::Receiver<Order>, waiting: &AtomicUsize, dropped: &AtomicU64, perform: &Perform) {
    let mut tell_at = Instant::now() + IDLE;
    loop {
        let now = Instant::now();
        let wait = desk.due().map_or(IDLE, |due| due.saturating_duration_since(now).min(IDLE));
        let mut next = match queue.recv_timeout(wait) {
            Ok(order) => Some(order),
            Err(mpsc::RecvTimeoutError::Timeout) => None,
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        };
        let now = Instant::now();
        for _ in 0..BURST {
            let Some(order) = next.take() else { break };
            carry_out(&mut desk, now, order, waiting);
            next = queue.try_recv().ok();
        }
        if let Some(order) = next {
            carry_out(&mut desk, now, order, waiting);
        }
        if desk.due().is_some_and(|due| due <= now) {
            desk.tick(now);
        }
        while let Some(act) = desk.poll() {
            perform(act);
        }
        if now >= tell_at {
            tell_at = now + IDLE;
            let (dropped, turned_away) = (dropped.swap(0, Ordering::Relaxed), desk.take_turned_away());
            if dropped + turned_away > 0 {
                tracing::warn!(dropped, turned_away, "DTLS: more handshakes than can be under way at a time");
            }
        }
    }
}

fn carry_out(desk: &mut Desk, now: Instant, order: Order, waiting: &AtomicUsize) {
    match order {
        Order::Expect { component, association, remote } => desk.expect(now, component, &association, remote),
        Order::Forget(component) => desk.forget(component),
        Order::Datagram { component, peer, datagram } => {
            waiting.fetch_sub(1, Ordering::Relaxed);
            desk.datagram(now, component, peer, &datagram);
        }
    }
}
