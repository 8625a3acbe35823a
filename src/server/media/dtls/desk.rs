//! All handshakes of a server: which datagram belongs to which, how many may be under way, and what came of them.
//! Without sockets or clocks.
//!
//! A stream's peer may shake hands whenever it likes, as often as it likes: after a crash of its own it must. What was
//! agreed on before stays in force until another handshake has shown a certificate that the description names, so a
//! stranger who knocks at the port changes nothing.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::Config;
use siprec_core::entry::PortIndex;
use siprec_core::sdp::dtls::{Association, Role};
use siprec_core::seed::SessionId;

use super::handshake::{Handshake, Keys, Progress, Refused, client_hello};
use super::identity::Identity;
use super::provider::provider;

/// Handshakes under way at one socket. A stranger's knock takes one of them until it is seen to be none.
const MAX_A_SOCKET: usize = 4;
/// Handshakes under way at all sockets: some 10 MiB.
const MAX_UNDER_WAY: usize = 512;
/// A peer has this long from its first message on; then the handshake is dropped.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(20);
/// A first message without an answer is repeated after this, then after twice as long each time (RFC 6347 4.2.4.1; half
/// of what that begins with, since a recorder's SRC is near).
const REPEAT_AFTER: Duration = Duration::from_millis(500);
/// A handshake that is done is kept this long, for a peer that missed our last message and repeats its own.
const KEPT_AFTER: Duration = Duration::from_secs(30);

/// A socket of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Component {
    /// The session.
    pub session: SessionId,
    /// Its port.
    pub port: PortIndex,
    /// Its RTCP socket; without rtcp-mux each of the two shakes hands (RFC 5764 4).
    pub is_rtcp: bool,
}

/// What the desk wants done.
#[derive(Debug, PartialEq, Eq)]
pub enum Act {
    /// A datagram leaves from a socket.
    Send {
        /// The socket.
        from: Component,
        /// Where to.
        to: SocketAddr,
        /// The datagram.
        datagram: Vec<u8>,
    },
    /// A handshake is done.
    Done {
        /// Where.
        component: Component,
        /// The association it belongs to.
        association: u32,
        /// With whom.
        peer: SocketAddr,
        /// Its keys.
        keys: Box<Keys>,
    },
    /// A handshake came to nothing.
    Refused {
        /// Where.
        component: Component,
        /// With whom.
        peer: SocketAddr,
        /// Why.
        why: Refused,
    },
}

/// The desk.
pub(super) struct Desk {
    identity: Identity,
    config: Arc<Config>,
    sockets: HashMap<Component, Association>,
    /// Of those sockets at which somebody shakes hands, or did a moment ago.
    attempts: HashMap<Component, Vec<Attempt>>,
    under_way: usize,
    begun: u64,
    acts: VecDeque<Act>,
    /// First messages that were dropped because too many handshakes were under way.
    turned_away: u64,
}

/// One handshake with one address.
struct Attempt {
    /// Counts them at this desk.
    number: u64,
    peer: SocketAddr,
    /// The random of the client, where that is the peer: it names the attempt.
    random: Option<[u8; 32]>,
    handshake: Handshake,
    begun: Instant,
    /// When it was done.
    done: Option<Instant>,
    /// It answered something that only a peer at that address can have sent.
    is_met: bool,
}

impl Attempt {
    fn ends(&self) -> Instant {
        match self.done {
            Some(done) => done + KEPT_AFTER,
            None => self.begun + HANDSHAKE_WITHIN,
        }
    }

    fn due(&self) -> Instant {
        let ends = self.ends();
        self.handshake.due().map_or(ends, |due| due.min(ends))
    }
}

impl Desk {
    /// A desk without handshakes.
    ///
    /// # Errors
    /// The primitives do not compute what they should.
    pub(super) fn new(identity: Identity) -> Result<Self, dimpl::Error> {
        let config = Config::builder()
            .with_crypto_provider(provider())
            .require_client_certificate(true)
            .use_server_cookie(true)
            .flight_start_rto(REPEAT_AFTER)
            .handshake_timeout(HANDSHAKE_WITHIN)
            .build()?;
        Ok(Self {
            identity,
            config: Arc::new(config),
            sockets: HashMap::new(),
            attempts: HashMap::new(),
            under_way: 0,
            begun: 0,
            acts: VecDeque::new(),
            turned_away: 0,
        })
    }

    /// A socket's media are protected under `association`. As the client we begin at once, with `remote`.
    pub(super) fn expect(
        &mut self,
        now: Instant,
        component: Component,
        association: &Association,
        remote: Option<SocketAddr>,
    ) {
        let known = self.sockets.insert(component, association.clone());
        if known
            .as_ref()
            .is_some_and(|known| known.fingerprints != association.fingerprints || known.role != association.role)
        {
            // What was begun under the certificate of before could end under it.
            let attempts = self.attempts.remove(&component).unwrap_or_default();
            self.under_way -= attempts.iter().filter(|attempt| attempt.done.is_none()).count();
        }
        let begins = association.role == Role::Client && known.is_none_or(|known| known.number != association.number);
        if let Some(peer) = remote.filter(|_| begins) {
            self.begin(now, component, peer, None);
            self.drive(now, component, |attempt| attempt.peer == peer && attempt.done.is_none(), None);
        }
    }

    /// A session's socket is closed.
    pub(super) fn forget(&mut self, component: Component) {
        self.sockets.remove(&component);
        let attempts = self.attempts.remove(&component).unwrap_or_default();
        self.under_way -= attempts.iter().filter(|attempt| attempt.done.is_none()).count();
    }

    /// A datagram of DTLS arrived.
    pub(super) fn datagram(&mut self, now: Instant, component: Component, peer: SocketAddr, datagram: &[u8]) {
        let Some(association) = self.sockets.get(&component) else { return };
        let attempts = self.attempts.get(&component).map(Vec::as_slice).unwrap_or_default();
        match client_hello(datagram).filter(|_| association.role == Role::Server) {
            Some(random) => {
                let is_its = |attempt: &Attempt| attempt.peer == peer && attempt.random == Some(random);
                if !attempts.iter().any(is_its) && !self.begin(now, component, peer, Some(random)) {
                    return;
                }
                self.drive(now, component, is_its, Some(datagram));
            }
            // Not the first message: whose it is, only the address says. The youngest that got beyond its cookie.
            None => {
                let of_peer = attempts.iter().filter(|attempt| attempt.peer == peer);
                let Some(attempt) = of_peer.max_by_key(|attempt| (attempt.is_met, attempt.number)) else { return };
                let number = attempt.number;
                self.drive(now, component, |attempt| attempt.number == number, Some(datagram));
            }
        }
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Instant) {
        let is_due = |attempts: &[Attempt]| attempts.iter().any(|attempt| attempt.due() <= now);
        let due: Vec<Component> =
            self.attempts.iter().filter(|(_, attempts)| is_due(attempts)).map(|(component, _)| *component).collect();
        for component in due {
            self.drive(now, component, |attempt| attempt.due() <= now && now < attempt.ends(), None);
            self.sweep(now, component);
        }
    }

    /// When [`Desk::tick`] is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.attempts.values().flatten().map(Attempt::due).min()
    }

    /// What is to be done, oldest first. Call until `None` after each event.
    pub(super) fn poll(&mut self) -> Option<Act> {
        self.acts.pop_front()
    }

    /// First messages dropped since this was asked last.
    pub(super) fn take_turned_away(&mut self) -> u64 {
        std::mem::take(&mut self.turned_away)
    }

    /// Makes room for an attempt and begins it; `false` where there is none.
    fn begin(&mut self, now: Instant, component: Component, peer: SocketAddr, random: Option<[u8; 32]>) -> bool {
        self.sweep(now, component);
        let Some(association) = self.sockets.get(&component) else { return false };
        let attempts = self.attempts.entry(component).or_default();
        let pending = |attempt: &Attempt| attempt.done.is_none();
        if attempts.iter().filter(|attempt| pending(attempt)).count() >= MAX_A_SOCKET {
            // One who has shown that it is there is not put out for one who has not.
            let oldest = attempts.iter().enumerate().filter(|(_, a)| pending(a) && !a.is_met);
            let Some((oldest, _)) = oldest.min_by_key(|(_, attempt)| attempt.number) else {
                self.turned_away += 1;
                return false;
            };
            attempts.remove(oldest);
            self.under_way -= 1;
        }
        if self.under_way >= MAX_UNDER_WAY {
            self.turned_away += 1;
            return false;
        }
        let Association { role, fingerprints, .. } = association;
        let handshake = Handshake::new(&self.config, &self.identity, *role, fingerprints.clone(), now);
        let number = self.begun;
        self.begun += 1;
        attempts.push(Attempt { number, peer, random, handshake, begun: now, done: None, is_met: false });
        self.under_way += 1;
        true
    }

    /// Carries on those attempts at a socket that `which` names, with a datagram or by time.
    fn drive(&mut self, now: Instant, component: Component, which: impl Fn(&Attempt) -> bool, datagram: Option<&[u8]>) {
        let Some(association) = self.sockets.get(&component) else { return };
        let Some(attempts) = self.attempts.get_mut(&component) else { return };
        let (acts, under_way) = (&mut self.acts, &mut self.under_way);
        attempts.retain_mut(|attempt| {
            if !which(attempt) {
                return true;
            }
            let peer = attempt.peer;
            let mut is_met = false;
            let mut send = |sent: &[u8]| {
                is_met |= answers_a_known_address(sent);
                acts.push_back(Act::Send { from: component, to: peer, datagram: sent.to_vec() });
            };
            let went = contained(|| match datagram {
                Some(datagram) => attempt.handshake.datagram(now, datagram, &mut send),
                None => attempt.handshake.tick(now, &mut send),
            });
            attempt.is_met |= is_met;
            match went {
                Ok(Progress::Going) => true,
                Ok(Progress::Done(keys)) => {
                    attempt.done = Some(now);
                    *under_way -= 1;
                    acts.push_back(Act::Done { component, association: association.number, peer, keys });
                    true
                }
                Err(why) => {
                    if attempt.done.is_none() {
                        *under_way -= 1;
                        // Who never got beyond its first message is not worth a word: anybody can send that.
                        if attempt.is_met || association.role == Role::Client || why != Refused::Timeout {
                            acts.push_back(Act::Refused { component, peer, why });
                        }
                    }
                    false
                }
            }
        });
        self.drop_if_empty(component);
    }

    /// Drops what is over.
    fn sweep(&mut self, now: Instant, component: Component) {
        let Some(association) = self.sockets.get(&component) else { return };
        let Some(attempts) = self.attempts.get_mut(&component) else { return };
        let (acts, under_way) = (&mut self.acts, &mut self.under_way);
        attempts.retain(|attempt| {
            let is_over = attempt.ends() <= now;
            if is_over && attempt.done.is_none() {
                *under_way -= 1;
                if attempt.is_met || association.role == Role::Client {
                    acts.push_back(Act::Refused { component, peer: attempt.peer, why: Refused::Timeout });
                }
            }
            !is_over
        });
        self.drop_if_empty(component);
    }

    fn drop_if_empty(&mut self, component: Component) {
        if self.attempts.get(&component).is_some_and(Vec::is_empty) {
            self.attempts.remove(&component);
        }
    }
}

/// A fault of the library costs the handshake that it befell, which is dropped, and nobody else's.
fn contained(drive: impl FnOnce() -> Result<Progress, Refused>) -> Result<Progress, Refused> {
    let went = std::panic::catch_unwind(std::panic::AssertUnwindSafe(drive));
    went.unwrap_or_else(|_| Err(Refused::Protocol("a fault of ours, told above".into())))
}

/// Whether a datagram of ours is more than the demand for a cookie, so that who answers it is where it says it is:
/// not a HelloVerifyRequest (DTLS 1.2), nor a ServerHello in clear alone (the HelloRetryRequest of DTLS 1.3).
fn answers_a_known_address(sent: &[u8]) -> bool {
    const HELLO_VERIFY_REQUEST: u8 = 3;
    const SERVER_HELLO: u8 = 2;
    let message = sent.get(13);
    let record = sent.get(11..13).map_or(0, |length| 13 + usize::from(length[0]) * 256 + usize::from(length[1]));
    match message {
        Some(&HELLO_VERIFY_REQUEST) => false,
        Some(&SERVER_HELLO) => sent.len() > record,
        Some(_) | None => true,
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("sockets", &self.sockets.len()).field("under_way", &self.under_way).finish()
    }
}
