//! An ordinary call of a capture, told as an SRC would tell it: two streams, caller and callee, from From and To.

use std::net::SocketAddr;

use siprec_core::sdp::{Description, Media};
use siprec_core::sip::message::Message;
use siprec_core::sip::{Method, NameAddr};

/// What is known of an ordinary call.
pub(super) struct Plain {
    caller: Option<NameAddr>,
    callee: Option<NameAddr>,
    /// Where the caller receives.
    caller_media: Option<Media>,
    /// Where the callee receives.
    callee_media: Option<Media>,
}

impl Plain {
    pub(super) fn new(invite: &Message) -> Self {
        Self { caller: invite.from(), callee: invite.to(), caller_media: None, callee_media: None }
    }

    /// One side said where its media goes.
    pub(super) fn describe(&mut self, by_caller: bool, description: Description) {
        let audio = description.media.into_iter().find(|m| m.kind == "audio" && m.port != 0 && m.connection.is_some());
        let side = if by_caller { &mut self.caller_media } else { &mut self.callee_media };
        if audio.is_some() {
            *side = audio;
        }
    }

    /// Whether the call is over with this message.
    #[allow(clippy::unused_self)] // reads as a question to the call
    pub(super) fn ends(&self, message: &Message) -> bool {
        let refused = message.status().is_some_and(|status| status >= 300 && status != 401 && status != 407);
        let of_invite = message.cseq().is_some_and(|cseq| cseq.method == Method::Invite);
        message.method() == Some(&Method::Bye) || (refused && of_invite)
    }

    /// Where the caller's packets go, and where the callee's go.
    pub(super) fn destinations(&self) -> Vec<Option<SocketAddr>> {
        let address = |media: &Option<Media>| media.as_ref().and_then(|m| Some(SocketAddr::new(m.connection?, m.port)));
        vec![address(&self.callee_media), address(&self.caller_media)]
    }

    /// The INVITE of an SRC that forks this call, once both sides are known.
    pub(super) fn invite(&self, call_id: &str, src: SocketAddr) -> Option<Vec<u8>> {
        let (caller, callee) = (self.caller_media.as_ref()?, self.callee_media.as_ref()?);
        // Each side sends what the other has said that it takes, under the other's payload types.
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n{}{}",
            m_line(1, caller, callee),
            m_line(2, callee, caller)
        );
        let metadata = self.metadata();
        let boundary = "siprec-replay";
        let body = format!(
            "--{boundary}\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--{boundary}\r\n\
             Content-Type: application/rs-metadata+xml\r\nContent-Disposition: recording-session\r\n\r\n{metadata}\r\n\
             --{boundary}--\r\n"
        );
        let invite = Message::request(Method::Invite, "sip:srs@replay.invalid")
            .with("Via", format!("SIP/2.0/UDP {src};branch=z9hG4bK-replay-{call_id}"))
            .with("Max-Forwards", "70")
            .with("From", format!("<sip:src@{src}>;tag=replay"))
            .with("To", "<sip:srs@replay.invalid>")
            .with("Call-ID", call_id)
            .with("CSeq", "1 INVITE")
            .with("Contact", format!("<sip:src@{src}>;+sip.src"))
            .with("Require", "siprec")
            .with("User-Agent", "siprec replay of an ordinary call")
            .with_body(&format!("multipart/mixed;boundary={boundary}"), body.into_bytes());
        Some(invite.encode())
    }

    fn metadata(&self) -> String {
        let party = |n: u8, party: &Option<NameAddr>| {
            let (aor, name) = party.as_ref().map_or((String::new(), String::new()), |party| {
                let user = party.uri.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
                let aor = format!("{}:{user}{}", party.uri.scheme, party.uri.host);
                (aor, party.display.clone().unwrap_or_default())
            });
            let (aor, name) = (escaped(&aor), escaped(&name));
            format!(
                "<participant participant_id=\"p{n}\"><nameID aor=\"{aor}\"><name>{name}</name></nameID></participant>"
            )
        };
        let rest = |n: u8, other: u8| {
            format!(
                "<stream stream_id=\"s{n}\" session_id=\"call\"><label>{n}</label></stream>\
                 <participantsessionassoc participant_id=\"p{n}\" session_id=\"call\"/>\
                 <participantstreamassoc participant_id=\"p{n}\"><send>s{n}</send><recv>s{other}</recv></participantstreamassoc>"
            )
        };
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><recording xmlns=\"urn:ietf:params:xml:ns:recording:1\">\
             <datamode>complete</datamode><session session_id=\"call\"/>{}{}{}{}</recording>",
            party(1, &self.caller),
            party(2, &self.callee),
            rest(1, 2),
            rest(2, 1)
        )
    }
}

/// The ACK of our own 200, as that SRC would send it.
pub(super) fn acknowledge(ok: &Message, src: SocketAddr) -> Vec<u8> {
    let copy = |name: &str| ok.header(name).unwrap_or("").to_owned();
    Message::request(Method::Ack, "sip:srs@replay.invalid")
        .with("Via", format!("SIP/2.0/UDP {src};branch=z9hG4bK-replay-ack"))
        .with("Max-Forwards", "70")
        .with("From", copy("From"))
        .with("To", copy("To"))
        .with("Call-ID", copy("Call-ID"))
        .with("CSeq", "1 ACK")
        .encode()
}

/// An m-line for what `sender` sends to `receiver`.
fn m_line(label: u8, sender: &Media, receiver: &Media) -> String {
    let types: Vec<String> = receiver.formats.iter().map(|f| f.payload_type.to_string()).collect();
    let mut lines = format!("m=audio {} RTP/AVP {}\r\n", sender.port, types.join(" "));
    if let Some(address) = sender.connection {
        let family = if address.is_ipv4() { "IP4" } else { "IP6" };
        lines.push_str(&format!("c=IN {family} {address}\r\n"));
    }
    for format in &receiver.formats {
        let channels = if format.channels > 1 { format!("/{}", format.channels) } else { String::new() };
        let (pt, encoding, rate) = (format.payload_type, &format.encoding, format.clock_rate);
        lines.push_str(&format!("a=rtpmap:{pt} {encoding}/{rate}{channels}\r\n"));
        if let Some(fmtp) = &format.fmtp {
            lines.push_str(&format!("a=fmtp:{pt} {fmtp}\r\n"));
        }
    }
    lines.push_str(&format!("a=label:{label}\r\na=sendonly\r\n"));
    lines
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
