//! A session recording client in the manner of a real SBC: one signalling address for all of its calls, RFC 3261 timers,
//! answers to the server's own requests, reconnection over TCP. It shares no code with the server.

pub mod body;
pub mod call;
pub mod message;
mod wire;

pub use body::Direction;
pub use call::Call;
pub use message::Message;
pub use wire::next_message;

use super::tls::{Ends, Identity};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};
use wire::Link;

/// RFC 3261 17.1.1.1.
pub const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// Timers B and F: how long a client transaction is tried.
pub const PATIENCE: Duration = Duration::from_secs(32);

/// What carries the signalling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
}

impl Transport {
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }
}

/// A request under way.
pub struct Pending {
    branch: String,
    bytes: Vec<u8>,
    generation: Option<u64>,
    answers: Receiver<Message>,
}

/// What a response is remembered by, for judging retransmissions.
#[derive(Debug, Clone)]
pub struct Seen {
    pub at: Instant,
    pub status: u16,
    pub call_id: String,
    pub cseq: String,
}

/// An SRC. Dropping it makes it vanish: nothing is answered any more.
#[derive(Clone)]
pub struct Src(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) link: Link,
    waiting: Mutex<HashMap<String, Sender<Message>>>,
    acks: Mutex<HashMap<(String, u32), Vec<u8>>>,
    calls: Mutex<HashMap<String, Weak<call::Shared>>>,
    /// The call that the server is to begin.
    expected: Mutex<Option<Weak<call::Shared>>>,
    /// Every final response that came, retransmissions among them.
    seen: Mutex<Vec<Seen>>,
    /// Every request the server sent.
    asked: Mutex<Vec<Message>>,
    mute: AtomicBool,
    serial: AtomicU64,
}

impl Src {
    /// An SRC on the server's own loopback address.
    pub fn new(server: SocketAddr, transport: Transport) -> Self {
        Self::make(|me| Link::new(server, transport, None, me))
    }

    /// Over UDP; requests of the server's that are too large for a datagram may come by streams (RFC 3261 18.1.1).
    pub fn udp_and_tcp(server: SocketAddr) -> Self {
        Self::make(|me| Link::udp_and_tcp(server, me))
    }

    /// Over TLS, to the server's port for it.
    pub fn tls(server: SocketAddr, own: &Identity) -> Self {
        Self::tls_by(server, Ends::with(own))
    }

    /// [`Src::tls`] by these ends.
    pub fn tls_by(server: SocketAddr, ends: Ends) -> Self {
        Self::make(|me| Link::new(server, Transport::Tls, Some(ends), me))
    }

    fn make(link: impl FnOnce(Weak<Inner>) -> Link) -> Self {
        let inner = Arc::new_cyclic(|me: &Weak<Inner>| Inner {
            link: link(me.clone()),
            waiting: Mutex::default(),
            acks: Mutex::default(),
            calls: Mutex::default(),
            expected: Mutex::default(),
            seen: Mutex::default(),
            asked: Mutex::default(),
            mute: AtomicBool::new(false),
            serial: AtomicU64::new(0),
        });
        inner.link.listen();
        Self(inner)
    }

    pub fn udp(server: SocketAddr) -> Self {
        Self::new(server, Transport::Udp)
    }

    pub fn tcp(server: SocketAddr) -> Self {
        Self::new(server, Transport::Tcp)
    }

    pub fn transport(&self) -> Transport {
        self.0.link.transport
    }

    pub fn server(&self) -> SocketAddr {
        self.0.link.server
    }

    /// Where the server's requests are awaited: what Contact says.
    pub fn contact(&self) -> SocketAddr {
        self.0.link.contact()
    }

    pub fn ip(&self) -> IpAddr {
        self.contact().ip()
    }

    /// From now on nothing is answered, as if the SRC had lost its power.
    pub fn vanish(&self) {
        self.0.mute.store(true, Ordering::Relaxed);
    }

    /// Connections that the server made up to now.
    pub fn accepted(&self) -> u64 {
        self.0.link.accepted.load(Ordering::SeqCst)
    }

    /// Hangs up; the next request connects again.
    pub fn hang_up(&self) {
        self.0.link.hang_up_now();
    }

    /// The requests the server sent up to now.
    pub fn asked(&self) -> Vec<Message> {
        lock(&self.0.asked).clone()
    }

    /// Final responses with this Call-ID up to now, retransmissions among them.
    pub fn seen(&self, call_id: &str) -> Vec<Seen> {
        lock(&self.0.seen).iter().filter(|s| s.call_id == call_id).cloned().collect()
    }

    /// A Via of a fresh transaction; its branch.
    pub fn via(&self) -> (String, String) {
        let branch = format!("z9hG4bK{}", self.token());
        (format!("SIP/2.0/{} {};branch={branch};rport", self.transport().name(), self.0.link.local()), branch)
    }

    /// Something that was never said before.
    pub fn token(&self) -> String {
        static EVER: AtomicU64 = AtomicU64::new(0);
        let n = self.0.serial.fetch_add(1, Ordering::Relaxed);
        let ever = EVER.fetch_add(1, Ordering::Relaxed);
        format!("{:x}-{:x}-{ever:x}-{n:x}", std::process::id(), super::wall_now())
    }

    /// Sends without expecting anything.
    pub fn send(&self, bytes: &[u8]) {
        let _ = self.0.link.send(bytes);
    }

    /// Sends a request and waits for its final response, again and again as RFC 3261 17.1 says.
    pub fn request(&self, branch: &str, bytes: &[u8]) -> Result<Message, String> {
        self.request_for(branch, bytes, PATIENCE)
    }

    /// [`Src::request`] with less patience.
    pub fn request_for(&self, branch: &str, bytes: &[u8], patience: Duration) -> Result<Message, String> {
        self.complete(&self.begin(branch, bytes), patience)
    }

    /// Sends a request, and does not wait yet.
    pub fn begin(&self, branch: &str, bytes: &[u8]) -> Pending {
        let (sender, answers) = channel();
        lock(&self.0.waiting).insert(branch.to_owned(), sender);
        let generation = self.0.link.send(bytes);
        Pending { branch: branch.into(), bytes: bytes.into(), generation, answers }
    }

    /// Waits for the final response to what was begun.
    pub fn complete(&self, pending: &Pending, patience: Duration) -> Result<Message, String> {
        let Pending { branch, bytes, answers: receiver, generation } = pending;
        let mut generation = *generation;
        let invite = bytes.starts_with(b"INVITE ");
        let (begun, mut interval) = (Instant::now(), T1);
        let mut provisional = false;
        let result = loop {
            let left = patience.saturating_sub(begun.elapsed());
            if left.is_zero() {
                break Err(format!("no final response within {patience:?}"));
            }
            match receiver.recv_timeout(left.min(interval)) {
                Ok(message) if message.status() >= 200 => break Ok(message),
                Ok(_) => provisional = true,
                Err(RecvTimeoutError::Disconnected) => break Err("the SRC is gone".into()),
                Err(RecvTimeoutError::Timeout) if self.0.mute.load(Ordering::Relaxed) => break Err("vanished".into()),
                Err(RecvTimeoutError::Timeout) => match self.transport() {
                    Transport::Udp if invite && provisional => {}
                    Transport::Udp => {
                        interval = if invite { interval * 2 } else { (interval * 2).min(T2) };
                        generation = self.0.link.send(bytes);
                    }
                    // TCP does not repeat, but what was lost with its connection is sent on the next one.
                    Transport::Tcp | Transport::Tls
                        if generation.is_none() || generation != self.0.link.generation() =>
                    {
                        generation = self.0.link.send(bytes);
                    }
                    Transport::Tcp | Transport::Tls => {}
                },
            }
        };
        lock(&self.0.waiting).remove(branch);
        result
    }

    /// An OPTIONS outside of any dialog: whether the server lives.
    pub fn options(&self) -> Result<Message, String> {
        let (via, branch) = self.via();
        let (token, contact) = (self.token(), self.contact());
        let text = format!(
            "OPTIONS sip:srs@{0} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: <sip:src@{contact}>;tag={token}\r\n\
             To: <sip:srs@{0}>\r\nCall-ID: {token}@src\r\nCSeq: 1 OPTIONS\r\nContact: <sip:src@{contact}>\r\n\
             Content-Length: 0\r\n\r\n",
            self.server()
        );
        self.request(&branch, text.as_bytes())
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.0
    }
}

impl Inner {
    pub(crate) fn keep_ack(&self, call_id: &str, cseq: u32, ack: Vec<u8>) {
        lock(&self.acks).insert((call_id.to_owned(), cseq), ack);
    }

    pub(crate) fn register(&self, call: &Arc<call::Shared>) {
        lock(&self.calls).insert(call.call_id().to_owned(), Arc::downgrade(call));
    }

    /// A call that the server is to begin.
    pub(crate) fn expect(&self, call: &Arc<call::Shared>) {
        *lock(&self.expected) = Some(Arc::downgrade(call));
    }

    /// Whose a request is: of a call that is known, or of the one that is expected.
    fn call_of(&self, request: &Message) -> Option<Arc<call::Shared>> {
        let known = lock(&self.calls).get(request.call_id()).and_then(Weak::upgrade);
        if known.is_some() || request.method() != "INVITE" || request.to_tag().is_some() {
            return known;
        }
        let call = lock(&self.expected).take()?.upgrade()?;
        call.adopt(request);
        self.register(&call);
        Some(call)
    }

    pub(crate) fn forget(&self, call_id: &str) {
        lock(&self.calls).remove(call_id);
    }

    /// Takes whatever arrived.
    pub(crate) fn receive(&self, raw: &[u8], reply: &mut dyn FnMut(&[u8])) {
        if self.mute.load(Ordering::Relaxed) {
            return;
        }
        let Some(message) = Message::parse(raw) else { return };
        if message.is_response() { self.response(message) } else { self.answer(message, reply) }
    }

    fn response(&self, message: Message) {
        let (number, method) = message.cseq();
        if message.status() >= 200 {
            let (call_id, cseq) = (message.call_id().to_owned(), format!("{number} {method}"));
            lock(&self.seen).push(Seen { at: message.at, status: message.status(), call_id, cseq });
        }
        if method == "INVITE" && message.status() >= 300 {
            let _ = self.link.send(&call::ack_of_refusal(&message));
        }
        if let Some(waiting) = lock(&self.waiting).get(&message.branch()) {
            let _ = waiting.send(message);
            return;
        }
        // RFC 3261 13.2.2.4: each retransmission of a 2xx is answered by the same ACK.
        if method == "INVITE"
            && (200..300).contains(&message.status())
            && let Some(ack) = lock(&self.acks).get(&(message.call_id().to_owned(), number))
        {
            let _ = self.link.send(ack);
        }
    }

    fn answer(&self, request: Message, reply: &mut dyn FnMut(&[u8])) {
        let call = self.call_of(&request);
        let method = request.method().to_owned();
        lock(&self.asked).push(request.clone());
        if method == "ACK" {
            if let Some(call) = call {
                call.acknowledged(&request);
            }
            return;
        }
        let response = match call {
            Some(call) => call.answer(&request, &self.link),
            None if method == "OPTIONS" => request.respond(200, "OK", ""),
            None => request.respond(481, "Call/Transaction Does Not Exist", ""),
        };
        reply(&response);
    }
}

impl Drop for Src {
    fn drop(&mut self) {
        if Arc::strong_count(&self.0) == 1 {
            self.vanish();
        }
    }
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Sets up calls from a few threads.
pub fn set_up(src: &Src, count: usize) -> Vec<Call> {
    let (next, calls) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    let call = Call::new(src, number);
                    call.must_invite();
                    calls.lock().unwrap().push(call);
                }
            });
        }
    });
    calls.into_inner().unwrap()
}
