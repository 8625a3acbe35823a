//! One recording session from the SRC's side: its dialog, its legs, and what they say.

use super::body::{Body, Direction, Metadata, sdp};
use super::message::{Message, parameter};
use super::wire::Link;
use super::{Inner, PATIENCE, Src, lock};
use crate::studio::{LegLog, Plan, Speech, Transcript};
use crate::voice::{PACKET, Voice};
use crate::wall_now;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// Packets start this long after [`Call::talk`], as an SBC's do after its ACK.
const LEAD: Duration = Duration::from_millis(20);

/// One leg: its sockets, and what it says.
pub struct Leg {
    pub rtp: Arc<UdpSocket>,
    pub rtcp: UdpSocket,
    pub speech: Mutex<Option<Speech>>,
}

/// What both the caller of a [`Call`] and the receiving thread look at.
pub struct Shared {
    call_id: OnceLock<String>,
    pub legs: Vec<Leg>,
    ip: IpAddr,
    state: Mutex<State>,
    ended_by_server: AtomicBool,
    /// Our BYE was answered: the dialog is no more.
    over: AtomicBool,
}

#[derive(Default)]
struct State {
    remote_tag: Option<String>,
    target: String,
    routes: Vec<String>,
    cseq: u32,
    version: u32,
    directions: Vec<Direction>,
    ports: Vec<u16>,
    media_ip: Option<IpAddr>,
    /// What our 200 to the server's INVITE brings: our tag and the metadata.
    callee: Option<(String, String)>,
}

/// A recording session.
pub struct Call {
    pub index: usize,
    pub metadata: Metadata,
    src: Arc<Inner>,
    shell: Src,
    shared: Arc<Shared>,
    tag: String,
    plans: Mutex<Vec<Plan>>,
    start: Mutex<Option<i64>>,
    bye_at: Mutex<Option<i64>>,
    /// How long a transaction is tried.
    pub patience: Duration,
    /// Header lines of its INVITEs and UPDATEs: `Allow: UPDATE\r\n`.
    pub headers: String,
    /// What its offers are turned into.
    pub bend_offer: Box<dyn Fn(String) -> String + Send + Sync>,
}

impl Call {
    /// Call number `index` (its tones and clicks follow from it) of two legs.
    pub fn new(src: &Src, index: usize) -> Self {
        Self::with_legs(src, index, 2)
    }

    pub fn with_legs(src: &Src, index: usize, legs: usize) -> Self {
        let call = Self::to_be(src, index, legs);
        let _ = call.shared.call_id.set(format!("{}@src", call.tag));
        src.inner().register(&call.shared);
        call
    }

    /// A call of two legs that the server is to begin; this is our part of its metadata.
    pub fn expected(src: &Src, index: usize) -> Self {
        let call = Self::to_be(src, index, 2);
        call.lock_state().callee = Some((call.tag.clone(), call.metadata.complete()));
        src.inner().expect(&call.shared);
        call
    }

    fn to_be(src: &Src, index: usize, legs: usize) -> Self {
        let token = src.token();
        let ip = src.ip();
        let state = State {
            target: format!("sip:srs@{}", src.server()),
            directions: vec![Direction::SendOnly; legs],
            ..State::default()
        };
        let shared = Arc::new(Shared {
            call_id: OnceLock::new(),
            legs: (0..legs).map(|_| Leg::bind(ip)).collect(),
            ip,
            state: Mutex::new(state),
            ended_by_server: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        Self {
            index,
            metadata: Metadata::new(index, legs, &token.chars().rev().collect::<String>()),
            src: src.inner().clone(),
            shell: src.clone(),
            shared,
            tag: token,
            plans: Mutex::default(),
            start: Mutex::default(),
            bye_at: Mutex::default(),
            patience: PATIENCE,
            headers: String::new(),
            bend_offer: Box::new(|offer| offer),
        }
    }

    pub fn call_id(&self) -> &str {
        self.shared.call_id()
    }

    /// Whether the server has acknowledged our 200 to its INVITE.
    pub fn is_acknowledged(&self) -> bool {
        !self.lock_state().ports.is_empty()
    }

    pub fn legs(&self) -> &[Leg] {
        &self.shared.legs
    }

    pub fn ended_by_server(&self) -> bool {
        self.shared.ended_by_server.load(Ordering::Relaxed)
    }

    /// The media ports of the server's latest answer.
    pub fn ports(&self) -> Vec<u16> {
        self.lock_state().ports.clone()
    }

    /// The server's tag, once it has answered.
    pub fn remote_tag(&self) -> Option<String> {
        self.lock_state().remote_tag.clone()
    }

    fn lock_state(&self) -> std::sync::MutexGuard<'_, State> {
        lock(&self.shared.state)
    }

    /// A request in this dialog, and its branch. `cseq` of an ACK is its INVITE's.
    pub fn compose(&self, method: &str, body: Option<&Body>, cseq: Option<u32>) -> (String, Vec<u8>) {
        self.compose_with(method, body, cseq, "")
    }

    /// [`Call::compose`] with header lines of one's own.
    pub fn compose_with(&self, method: &str, body: Option<&Body>, cseq: Option<u32>, more: &str) -> (String, Vec<u8>) {
        let mut state = self.lock_state();
        let cseq = cseq.unwrap_or_else(|| {
            state.cseq += 1;
            state.cseq
        });
        let (via, branch) = self.shell.via();
        let (server, contact) = (self.shell.server(), self.shell.contact());
        let transport = self.shell.transport().name().to_ascii_lowercase();
        let mut head = format!("{method} {} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\n", state.target);
        for route in &state.routes {
            head += &format!("Route: {route}\r\n");
        }
        let to_tag = state.remote_tag.as_ref().map(|t| format!(";tag={t}")).unwrap_or_default();
        head += &format!(
            "From: <sip:src@{contact}>;tag={}\r\nTo: <sip:srs@{server}>{to_tag}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\n",
            self.tag,
            self.shared.call_id()
        );
        if matches!(method, "INVITE" | "UPDATE") {
            head += &format!(
                "Contact: <sip:src@{contact};transport={transport}>;+sip.src\r\nRequire: siprec\r\n\
                 Accept: application/sdp, application/rs-metadata+xml\r\nUser-Agent: test-src\r\n"
            );
            head += &self.headers;
        }
        head += more;
        if let Some(body) = body {
            head += &format!("Content-Type: {}\r\n", body.content_type);
        }
        let bytes = body.map_or(&[][..], |b| &b.bytes);
        head += &format!("Content-Length: {}\r\n\r\n", bytes.len());
        let mut out = head.into_bytes();
        out.extend_from_slice(bytes);
        (branch, out)
    }

    /// The SDP of the next offer.
    pub fn offer_sdp(&self, directions: &[Direction]) -> String {
        let mut state = self.lock_state();
        state.version += 1;
        state.directions = directions.to_vec();
        (self.bend_offer)(sdp(self.shared.ip, &self.shared.local_ports(), directions, state.version))
    }

    /// Sends the first INVITE with SDP and metadata; ACKs its 2xx.
    pub fn invite(&self) -> Result<Message, String> {
        let answer = self.invite_without_ack()?;
        self.acknowledge(&answer);
        Ok(answer)
    }

    /// [`Call::invite`], or a failed test.
    #[track_caller]
    pub fn must_invite(&self) -> Message {
        let answer = self.invite().unwrap_or_else(|e| panic!("call {}: INVITE: {e}", self.index));
        assert_eq!(answer.status(), 200, "call {}: {}", self.index, answer.start);
        answer
    }

    /// Sends the first INVITE and keeps the ACK back.
    pub fn invite_without_ack(&self) -> Result<Message, String> {
        let directions = self.lock_state().directions.clone();
        let body = Body::both(&self.offer_sdp(&directions), &self.metadata.complete());
        self.invite_with(&body)
    }

    /// An INVITE (the first, or in the dialog) with this body; the ACK is kept back.
    pub fn invite_with(&self, body: &Body) -> Result<Message, String> {
        let (branch, bytes) = self.compose("INVITE", Some(body), None);
        let answer = self.src_request(&branch, &bytes)?;
        self.learn(&answer);
        Ok(answer)
    }

    /// A re-INVITE, SDP only, ACKed.
    pub fn reinvite(&self, directions: &[Direction]) -> Result<Message, String> {
        let body = Body::sdp(self.offer_sdp(directions));
        let answer = self.invite_with(&body)?;
        self.acknowledge(&answer);
        Ok(answer)
    }

    /// ACKs a 2xx; the same ACK answers its retransmissions from now on.
    pub fn acknowledge(&self, answer: &Message) {
        if (200..300).contains(&answer.status()) {
            let cseq = answer.cseq().0;
            let (_, ack) = self.compose("ACK", None, Some(cseq));
            self.src.keep_ack(self.call_id(), cseq, ack.clone());
            self.shell.send(&ack);
        }
    }

    /// Any request in the dialog.
    pub fn send_request(&self, method: &str, body: Option<&Body>) -> Result<Message, String> {
        let (branch, bytes) = self.compose(method, body, None);
        self.src_request(&branch, &bytes)
    }

    pub fn bye(&self) -> Result<Message, String> {
        self.bye_with(None)
    }

    /// A BYE, with metadata perhaps.
    pub fn bye_with(&self, body: Option<&Body>) -> Result<Message, String> {
        self.bye_at.lock().unwrap().get_or_insert_with(wall_now);
        let answer = self.send_request("BYE", body)?;
        self.shared.over.store(true, Ordering::Relaxed);
        Ok(answer)
    }

    fn src_request(&self, branch: &str, bytes: &[u8]) -> Result<Message, String> {
        self.shell.request_for(branch, bytes, self.patience)
    }

    /// Takes tag, target, routes and ports out of a 2xx to an INVITE.
    fn learn(&self, answer: &Message) {
        if !(200..300).contains(&answer.status()) {
            return;
        }
        let mut state = self.lock_state();
        if state.remote_tag.is_none() {
            state.remote_tag = answer.to_tag();
            state.routes = answer.all("Record-Route").map(str::to_owned).collect();
            state.routes.reverse();
        }
        if let Some(target) = answer.contact_uri() {
            state.target = target;
        }
        drop(state);
        self.shared.take_media(answer);
    }

    /// All legs speak by the same plan.
    pub fn talk(&self, plan: &Plan) {
        self.talk_each(|_| plan.clone());
    }

    /// Each leg speaks by its own plan, all from the same moment on.
    pub fn talk_each(&self, plan: impl Fn(usize) -> Plan) {
        let plans: Vec<Plan> = (0..self.legs().len())
            .map(|leg| {
                let seed = u64::try_from(self.index * 8 + leg + 1).unwrap();
                let plan = plan(leg);
                Plan { seed: plan.seed.wrapping_add(seed), ..plan }
            })
            .collect();
        let begin = Instant::now() + LEAD;
        *self.start.lock().unwrap() = Some(wall_now() + i64::try_from(LEAD.as_nanos()).unwrap());
        for (number, plan) in plans.iter().enumerate() {
            self.begin_leg(number, plan, begin);
        }
        *self.plans.lock().unwrap() = plans;
    }

    fn begin_leg(&self, number: usize, plan: &Plan, begin: Instant) {
        let state = self.lock_state();
        let Some(port) = state.ports.get(number).copied().filter(|p| *p != 0) else { return };
        let to = SocketAddr::new(state.media_ip.unwrap_or(self.shell.server().ip()), port);
        let leg = &self.legs()[number];
        let voice = Voice::new(self.index, number, plan.packets * PACKET);
        *lock(&leg.speech) = Some(Speech::begin(voice, plan.clone(), leg.rtp.clone(), to, begin));
    }

    /// Waits until all legs have said everything.
    pub fn wait(&self) {
        for leg in self.legs() {
            let speech = lock(&leg.speech).clone();
            if let Some(speech) = speech {
                speech.wait();
            }
        }
    }

    /// Waits until all is said, and 20 ms for the last packet to be over; then BYE.
    #[track_caller]
    pub fn finish(&self) -> Transcript {
        self.wait();
        crate::pause(Duration::from_millis(20));
        let answer = self.bye().unwrap_or_else(|e| panic!("call {}: BYE: {e}", self.index));
        assert_eq!(answer.status(), 200, "call {}: BYE: {}", self.index, answer.start);
        self.transcript()
    }

    /// What was said up to now.
    pub fn transcript(&self) -> Transcript {
        let plans = self.plans.lock().unwrap();
        let log = |leg: &Leg| lock(&leg.speech).as_ref().map(Speech::log).unwrap_or_default();
        let legs = self.legs().iter().zip(plans.iter());
        Transcript {
            call: self.index,
            start: self.start.lock().unwrap().unwrap_or_default(),
            legs: legs.map(|(leg, plan)| LegLog { plan: plan.clone(), packets: log(leg) }).collect(),
            bye_at: *self.bye_at.lock().unwrap(),
        }
    }

    /// Silence from now on.
    pub fn hush(&self) {
        for leg in self.legs() {
            if let Some(speech) = lock(&leg.speech).as_ref() {
                speech.stop();
            }
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.hush();
        self.src.forget(self.shared.call_id());
    }
}

impl Leg {
    /// An even port for RTP and the next for RTCP.
    fn bind(ip: IpAddr) -> Self {
        loop {
            let rtp = UdpSocket::bind((ip, 0)).unwrap();
            let port = rtp.local_addr().unwrap().port();
            if !port.is_multiple_of(2) || port == u16::MAX - 1 {
                continue;
            }
            if let Ok(rtcp) = UdpSocket::bind((ip, port + 1)) {
                rtcp.set_nonblocking(true).unwrap();
                return Self { rtp: Arc::new(rtp), rtcp, speech: Mutex::default() };
            }
        }
    }

    /// RTCP packets that came up to now.
    pub fn rtcp_received(&self) -> Vec<Vec<u8>> {
        let mut buffer = [0; 2048];
        let mut out = Vec::new();
        while let Ok(n) = self.rtcp.recv(&mut buffer) {
            out.push(buffer[..n].to_vec());
        }
        out
    }
}

impl Shared {
    pub fn call_id(&self) -> &str {
        self.call_id.get().map_or("", String::as_str)
    }

    /// The server's INVITE begins this call.
    pub(super) fn adopt(&self, invite: &Message) {
        let _ = self.call_id.set(invite.call_id().to_owned());
        let mut state = lock(&self.state);
        state.remote_tag = parameter(invite.header("From").unwrap_or(""), "tag");
        state.target = invite.contact_uri().unwrap_or_default();
    }

    /// The ACK of our 2xx; it may hold the answer.
    pub(super) fn acknowledged(&self, ack: &Message) {
        self.take_media(ack);
    }

    /// Our offer and metadata for the server's INVITE without SDP (RFC 7866 7.2).
    fn accept(&self, request: &Message, link: &Link) -> Vec<u8> {
        let mut state = lock(&self.state);
        state.version += 1;
        let (tag, metadata) = state.callee.clone().unwrap_or_default();
        let offer = sdp(self.ip, &self.local_ports(), &state.directions, state.version);
        let Body { content_type, bytes } = Body::both(&offer, &metadata);
        let (contact, length) = (link.contact(), bytes.len());
        let rest = format!(
            "Contact: <sip:src@{contact};transport={}>;+sip.src\r\nRequire: siprec\r\nAllow: INVITE, ACK, BYE, UPDATE\r\n\
             Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{}",
            link.transport.name().to_ascii_lowercase(),
            String::from_utf8_lossy(&bytes)
        );
        let response = String::from_utf8_lossy(&request.respond(200, "OK", &rest)).replacen(
            ";tag=src\r\n",
            &format!(";tag={tag}\r\n"),
            1,
        );
        response.into_bytes()
    }

    fn local_ports(&self) -> Vec<u16> {
        self.legs.iter().map(|l| l.rtp.local_addr().unwrap().port()).collect()
    }

    /// Sends the media where this SDP says.
    fn take_media(&self, message: &Message) {
        let media = message.media();
        if media.is_empty() {
            return;
        }
        let mut state = lock(&self.state);
        state.ports = media.iter().map(|m| m.port).collect();
        state.media_ip = message.connection().or(state.media_ip);
        let Some(ip) = state.media_ip else { return };
        for (leg, port) in self.legs.iter().zip(&state.ports) {
            if let Some(speech) = lock(&leg.speech).as_ref().filter(|_| *port != 0) {
                speech.redirect(SocketAddr::new(ip, *port));
            }
        }
    }

    /// The response to a request of the server's in this dialog.
    pub(super) fn answer(&self, request: &Message, link: &Link) -> Vec<u8> {
        let over = self.over.load(Ordering::Relaxed);
        if request.method() == "INVITE" && request.to_tag().is_none() && lock(&self.state).callee.is_some() {
            return self.accept(request, link);
        }
        if over || parameter(request.header("To").unwrap_or(""), "tag").is_none() {
            return request.respond(481, "Call/Transaction Does Not Exist", "");
        }
        match request.method() {
            "BYE" => {
                self.ended_by_server.store(true, Ordering::Relaxed);
                request.respond(200, "OK", "")
            }
            "INVITE" => {
                self.take_media(request);
                let mut state = lock(&self.state);
                state.version += 1;
                // RFC 3264 6.1: what is offered inactive is answered inactive.
                let offered = request.media();
                let held = |leg: usize| offered.get(leg).is_some_and(|media| media.direction == "inactive");
                let answered = state.directions.iter().enumerate();
                let directions: Vec<Direction> =
                    answered.map(|(leg, own)| if held(leg) { Direction::Inactive } else { *own }).collect();
                let body = sdp(self.ip, &self.local_ports(), &directions, state.version);
                let contact = link.contact();
                let rest = format!(
                    "Contact: <sip:src@{contact}>;+sip.src\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                request.respond(200, "OK", &rest)
            }
            _ => request.respond(200, "OK", ""),
        }
    }
}

/// The ACK to a refusal is part of the INVITE's transaction (RFC 3261 17.1.1.3).
pub(super) fn ack_of_refusal(answer: &Message) -> Vec<u8> {
    let header = |name: &str| answer.header(name).unwrap_or("").to_owned();
    let (cseq, _) = answer.cseq();
    format!(
        "ACK sip:srs@invalid SIP/2.0\r\nVia: {}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} ACK\r\n\
         Content-Length: 0\r\n\r\n",
        header("Via"), header("From"), header("To"), header("Call-ID")
    )
    .into_bytes()
}
