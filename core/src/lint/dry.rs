//! The answer that the server would give: by a server of its own, at time zero, whose ports all open.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::sdp::Description;
use crate::seed::Seed;
use crate::session::{Bodies, Input, Output, Policy, Srs, Tell};
use crate::sip::{ConnectionId, Message, Method, Transport};
use crate::time::{Monotonic, Now, Wall};

const NOW: Now = Now { monotonic: Monotonic(0), wall: Wall(0) };
const STREAM: ConnectionId = ConnectionId(1);
/// The first of the ports that open (RFC 3551 8 names an even one).
const FIRST_PORT: u16 = 10_000;

/// What would be answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The reason phrase.
    pub reason: String,
    /// The answer, or the offer of ours.
    pub sdp: Option<String>,
    /// The whole response.
    pub bytes: Vec<u8>,
}

/// The dry server's words.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The final response; none where none may be sent.
    pub(super) answer: Option<Answer>,
    /// Why it refused, with the section in brackets.
    pub(super) refused: Option<String>,
}

/// Feeds `bytes` to a dry server under `policy`. What belongs to a dialog finds one that was set up before, a CANCEL its
/// INVITE.
pub(super) fn answer(bytes: &[u8], transport: Transport, from: SocketAddr, policy: &Policy) -> Heard {
    let mut policy = policy.clone();
    policy.probes = false;
    policy.max_sessions = policy.max_sessions.max(2);
    // The dialog is made up, and so is its tag.
    policy.adopt_foreign_tags = true;
    policy.answer = policy.answer.with_any_certificate();
    let ours: IpAddr = match from {
        SocketAddr::V4(_) => Ipv4Addr::new(192, 0, 2, 1).into(),
        SocketAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
    };
    let local = SocketAddr::new(ours, transport.default_port());
    let mut server = Dry { srs: Srs::new(policy, Seed([0; 32])), transport, local, from, next_port: FIRST_PORT };
    if let Ok(message) = Message::parse_datagram(bytes)
        && let Some(invite) = before(&message)
    {
        server.feed(&invite);
    }
    server.feed(bytes)
}

struct Dry {
    srs: Srs,
    transport: Transport,
    local: SocketAddr,
    from: SocketAddr,
    next_port: u16,
}

impl Dry {
    fn feed(&mut self, bytes: &[u8]) -> Heard {
        let (local, remote, transport) = (self.local, self.from, self.transport);
        let mut heard = Heard::default();
        if transport == Transport::Udp {
            self.input(Input::Datagram { local, remote, bytes }, &mut heard);
        } else {
            self.input(
                Input::ConnectionOpened { id: STREAM, transport, local, remote, certificate: None, accepted: false },
                &mut heard,
            );
            self.input(Input::Bytes { connection: STREAM, bytes }, &mut heard);
        }
        heard
    }

    fn input(&mut self, input: Input<'_>, heard: &mut Heard) {
        self.srs.handle_input(NOW, input);
        while let Some(output) = self.srs.poll_output() {
            if let Output::Send { bytes, .. } = output {
                heard.take(bytes);
            } else if let Output::OpenPort { session, port, .. } = output {
                let (rtp, rtcp) = (self.next_port, self.next_port.saturating_add(1));
                self.next_port = self.next_port.saturating_add(2);
                let at = |port| SocketAddr::new(self.local.ip(), port);
                let opened = Input::PortOpened { session, port, rtp: at(rtp), rtcp: at(rtcp) };
                self.srs.handle_input(NOW, opened);
            } else if let Output::Tell(Tell::Refused { reason, .. }) = output {
                heard.refused = Some(reason);
            }
        }
    }
}

impl Heard {
    /// The first final response is the answer to the message.
    fn take(&mut self, bytes: Vec<u8>) {
        let Ok(response) = Message::parse_datagram(&bytes) else { return };
        let (Some(status), None) = (response.status().filter(|status| *status >= 200), &self.answer) else { return };
        let reason = match &response.start {
            crate::sip::StartLine::Response { reason, .. } => reason.clone(),
            crate::sip::StartLine::Request { .. } => return,
        };
        let sdp = (!response.body.is_empty()).then(|| String::from_utf8_lossy(&response.body).into_owned());
        self.answer = Some(Answer { status, reason, sdp, bytes });
    }
}

/// The INVITE that began the dialog `message` belongs to, or that it cancels, as far as it can be told; none where it begins
/// one itself.
fn before(message: &Message) -> Option<Vec<u8>> {
    let method = message.method()?;
    let never_first = matches!(method, Method::Bye | Method::Update | Method::Info | Method::Prack);
    let may_be_first = matches!(method, Method::Invite | Method::Options | Method::Message);
    let within = never_first || (may_be_first && message.to_tag().is_some());
    let cancels = *method == Method::Cancel;
    if !within && !cancels {
        return None;
    }
    // RFC 3261 9.1: a CANCEL has its INVITE's number and topmost Via.
    let cseq = message.cseq()?.number.checked_sub(u32::from(!cancels))?;
    let via = message.header("Via").filter(|_| cancels).unwrap_or("SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKdry");
    let to = message.header("To")?;
    let to = to.split(";tag=").next().unwrap_or(to);
    let sdp = offer(message);
    let invite = Message::request(Method::Invite, message.uri()?)
        .with("Via", via)
        .with("Max-Forwards", "70")
        .with("From", message.header("From")?)
        .with("To", to)
        .with("Call-ID", message.call_id()?)
        .with("CSeq", format!("{cseq} INVITE"))
        .with("Contact", "<sip:src@192.0.2.2>;+sip.src")
        .with("Require", "siprec")
        .with_body("application/sdp", sdp.into_bytes());
    Some(invite.encode())
}

/// An offer of the m-lines that `message` offers; of two, where it offers none.
fn offer(message: &Message) -> String {
    let own = Bodies::read(message).ok().and_then(|bodies| bodies.sdp);
    let lines = own.and_then(|sdp| Description::parse(&sdp).ok()).map_or(2, |offer| offer.media.len().max(1));
    let mut sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n".to_string();
    for line in 0..lines {
        let port = 40_000 + 2 * line;
        sdp.push_str(&format!("m=audio {port} RTP/AVP 0 8\r\na=sendonly\r\na=label:{}\r\n", line + 1));
    }
    sdp
}
