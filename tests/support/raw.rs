//! SIP byte by byte: a socket that sends what it is given and a request whose every part can be bent.

use super::src::body::{Body, Metadata, sdp};
use super::src::{Direction, Message, Transport, next_message};
use super::{until, wall_now};
use socket2::{Domain, Socket, Type};
use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Long enough for any answer of a busy machine.
pub const SOON: Duration = Duration::from_secs(8);

/// A socket towards the server.
pub struct Raw {
    pub transport: Transport,
    pub local: SocketAddr,
    pub server: SocketAddr,
    udp: Option<UdpSocket>,
    tcp: Option<TcpStream>,
    held: RefCell<Vec<u8>>,
}

impl Raw {
    pub fn new(server: SocketAddr, transport: Transport) -> Self {
        Self::from(SocketAddr::new(server.ip(), 0), server, transport)
    }

    /// From this address; port 0 is any.
    pub fn from(local: SocketAddr, server: SocketAddr, transport: Transport) -> Self {
        match transport {
            Transport::Udp => Self::on(UdpSocket::bind(local).unwrap(), server),
            Transport::Tls => panic!("byte by byte over TLS: that is `support::tls::openssl`"),
            Transport::Tcp => {
                let socket = Socket::new(Domain::for_address(server), Type::STREAM, None).unwrap();
                socket.bind(&local.into()).unwrap();
                socket.connect(&server.into()).unwrap();
                let stream = TcpStream::from(socket);
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
                let local = stream.local_addr().unwrap();
                Self { transport, local, server, udp: None, tcp: Some(stream), held: RefCell::default() }
            }
        }
    }

    /// With a UDP socket of one's own.
    pub fn on(socket: UdpSocket, server: SocketAddr) -> Self {
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let mut local = socket.local_addr().unwrap();
        if local.ip().is_unspecified() {
            local.set_ip(server.ip());
        }
        Self { transport: Transport::Udp, local, server, udp: Some(socket), tcp: None, held: RefCell::default() }
    }

    pub fn send(&self, bytes: &[u8]) {
        if let Some(udp) = &self.udp {
            udp.send_to(bytes, self.server).unwrap();
        }
        if let Some(mut tcp) = self.tcp.as_ref() {
            tcp.write_all(bytes).unwrap();
        }
    }

    /// [`Raw::send`] on a connection the server may have closed.
    pub fn try_send(&self, bytes: &[u8]) -> bool {
        match (&self.udp, self.tcp.as_ref()) {
            (Some(udp), _) => udp.send_to(bytes, self.server).is_ok(),
            (None, Some(mut tcp)) => tcp.write_all(bytes).is_ok(),
            (None, None) => false,
        }
    }

    /// The bytes that come next, within 20 ms; none of a connection that is closed.
    fn read(&self) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 65_536];
        let length = match (&self.udp, self.tcp.as_ref()) {
            (Some(udp), _) => udp.recv(&mut buffer).ok()?,
            (None, Some(mut tcp)) => tcp.read(&mut buffer).ok()?,
            (None, None) => return None,
        };
        if length == 0 && self.tcp.is_some() {
            super::pause(Duration::from_millis(5));
            return None;
        }
        buffer.truncate(length);
        Some(buffer)
    }

    /// The bytes that come next, whatever they are.
    pub fn bytes(&self, within: Duration) -> Option<Vec<u8>> {
        until(within, || self.read())
    }

    /// The next message.
    pub fn next(&self, within: Duration) -> Option<Message> {
        self.find(within, |_| true)
    }

    /// The next message that is asked for; those before it are thrown away.
    pub fn find(&self, within: Duration, wanted: impl Fn(&Message) -> bool) -> Option<Message> {
        let end = Instant::now() + within;
        loop {
            while let Some(message) = self.held_message() {
                if wanted(&message) {
                    return Some(message);
                }
            }
            match self.read() {
                Some(bytes) if self.udp.is_some() => {
                    if let Some(message) = Message::parse(&bytes).filter(&wanted) {
                        return Some(message);
                    }
                }
                Some(bytes) => self.held.borrow_mut().extend(bytes),
                None if Instant::now() >= end => return None,
                None => {}
            }
        }
    }

    fn held_message(&self) -> Option<Message> {
        next_message(&mut self.held.borrow_mut()).and_then(|whole| Message::parse(&whole))
    }

    /// The next final response.
    pub fn answer(&self, within: Duration) -> Option<Message> {
        self.find(within, |m| m.status() >= 200)
    }

    /// [`Raw::answer`], or a failed test.
    #[track_caller]
    pub fn must_answer(&self) -> Message {
        self.answer(SOON).expect("no answer")
    }

    /// Sends a request and takes its final response.
    #[track_caller]
    pub fn ask(&self, draft: &Draft) -> Message {
        self.send(&draft.bytes());
        self.must_answer()
    }

    /// ACK or BYE of a dialog known only by the answer to its INVITE.
    pub fn follow_up(&self, answer: &Message, method: &str, cseq: u32) {
        let refused = method == "ACK" && answer.status() >= 300;
        let via = if refused { answer.header("Via").unwrap_or("").to_owned() } else { via(self, &fresh()) };
        let header = |name: &str| answer.header(name).unwrap_or("").to_owned();
        let text = format!(
            "{method} sip:srs@{} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\n\
             CSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n",
            self.server,
            header("From"),
            header("To"),
            header("Call-ID")
        );
        self.try_send(text.as_bytes());
    }

    /// All messages that come for so long.
    pub fn everything_for(&self, time: Duration) -> Vec<Message> {
        let mut out = Vec::new();
        let end = Instant::now() + time;
        while let Some(message) = self.next(end.saturating_duration_since(Instant::now())) {
            out.push(message);
        }
        out
    }
}

/// A request to be bent.
#[derive(Debug, Clone)]
pub struct Draft {
    pub method: String,
    pub uri: String,
    /// Everything after `Via: `.
    pub vias: Vec<String>,
    pub from_tag: String,
    pub to_tag: Option<String>,
    pub call_id: String,
    pub cseq: u32,
    /// The method CSeq tells, where it is another.
    pub cseq_method: Option<String>,
    pub contact: String,
    /// Header lines, each with its line end.
    pub more: String,
    pub body: Option<Body>,
}

impl Draft {
    pub fn new(raw: &Raw, method: &str) -> Self {
        let token = fresh();
        Self {
            method: method.into(),
            uri: format!("sip:srs@{}", raw.server),
            vias: vec![via(raw, &token)],
            from_tag: token.clone(),
            to_tag: None,
            call_id: format!("{token}@raw"),
            cseq: 1,
            cseq_method: None,
            contact: format!("<sip:raw@{};transport={}>;+sip.src", raw.local, raw.transport.name().to_lowercase()),
            more: String::new(),
            body: None,
        }
    }

    /// An INVITE as an SRC sends it, two legs.
    pub fn invite(raw: &Raw) -> Self {
        let draft = Self::new(raw, "INVITE");
        let sdp = sdp(raw.local.ip(), &[40_000, 40_002], &[Direction::SendOnly; 2], 1);
        let body = Body::both(&sdp, &Metadata::new(0, 2, &draft.from_tag).complete());
        Self { body: Some(body), more: "Require: siprec\r\n".into(), ..draft }
    }

    /// The next request of the dialog this (answered) INVITE began.
    pub fn within(&self, raw: &Raw, answer: &Message, method: &str) -> Self {
        Self {
            method: method.into(),
            uri: answer.contact_uri().unwrap_or_else(|| self.uri.clone()),
            vias: vec![via(raw, &fresh())],
            to_tag: answer.to_tag(),
            cseq: if method == "ACK" { self.cseq } else { self.cseq + 1 },
            more: String::new(),
            body: None,
            ..self.clone()
        }
    }

    /// The CANCEL of this INVITE (RFC 3261 9.1).
    pub fn cancel(&self) -> Self {
        Self { method: "CANCEL".into(), body: None, more: String::new(), ..self.clone() }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} SIP/2.0\r\n", self.method, self.uri);
        for via in &self.vias {
            head += &format!("Via: {via}\r\n");
        }
        let to_tag = self.to_tag.as_ref().map(|t| format!(";tag={t}")).unwrap_or_default();
        let method = self.cseq_method.as_ref().unwrap_or(&self.method);
        head += &format!(
            "Max-Forwards: 70\r\nFrom: <sip:raw@example.com>;tag={}\r\nTo: <sip:srs@example.com>{to_tag}\r\nCall-ID: {}\r\n\
             CSeq: {} {method}\r\nContact: {}\r\n{}",
            self.from_tag, self.call_id, self.cseq, self.contact, self.more
        );
        if let Some(body) = &self.body {
            head += &format!("Content-Type: {}\r\n", body.content_type);
        }
        let body = self.body.as_ref().map_or(&[][..], |b| &b.bytes);
        head += &format!("Content-Length: {}\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    }
}

/// A Via with a fresh branch.
pub fn via(raw: &Raw, token: &str) -> String {
    format!("SIP/2.0/{} {};branch=z9hG4bK{token};rport", raw.transport.name(), raw.local)
}

/// Never said before.
pub fn fresh() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{:x}-{:x}", wall_now(), COUNT.fetch_add(1, Ordering::Relaxed))
}
