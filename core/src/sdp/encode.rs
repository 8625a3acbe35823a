//! Writing SDP: answers, and the offers an SRS makes (RFC 7866 7.2). Plain CRLF, `s=-`, our address once at the
//! session level.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

use super::crypto::Crypto;
use super::dtls::{OwnDtls, Side};
use super::feedback::Feedback;
use super::payload::{static_format, static_payload_type};
use super::{AnswerPolicy, Decided, Decision, Description, Direction, Format, Media};
use crate::text::{find_any, push_ip, push_number};

/// What a description of two streams has room for at once.
const ROOM: usize = 768;
/// First dynamic payload type (RFC 3551 section 6).
const FIRST_DYNAMIC: u8 = 96;
/// Last payload type.
const LAST_DYNAMIC: u8 = 127;

/// Where we receive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalMedia {
    /// The address the SRC reaches.
    pub address: IpAddr,
    /// RTP and RTCP port of each m-line (the same twice with rtcp-mux); `None` closes it.
    pub ports: Vec<Option<(u16, u16)>>,
    /// Our `a=crypto` lines for each m-line: none on plain RTP, one in an answer, one or more in an offer.
    #[serde(skip)]
    pub crypto: Vec<Vec<Crypto>>,
    /// What is said of DTLS for each m-line; nothing for those without it.
    #[serde(default)]
    pub dtls: Vec<Option<OwnDtls>>,
}

impl OfferedStream {
    /// Whether its keys stand in `a=crypto` lines (RFC 4568 4).
    pub fn is_by_sdes(&self) -> bool {
        self.proto.eq_ignore_ascii_case("RTP/SAVP") || self.proto.eq_ignore_ascii_case("RTP/SAVPF")
    }
}

impl LocalMedia {
    fn port(&self, m_line: usize) -> Option<(u16, u16)> {
        self.ports.get(m_line).copied().flatten()
    }

    fn crypto(&self, m_line: usize) -> &[Crypto] {
        self.crypto.get(m_line).map(Vec::as_slice).unwrap_or_default()
    }

    fn dtls_lines(&self, m_line: usize, side: Side) -> Vec<String> {
        self.dtls.get(m_line).and_then(Option::as_ref).map(|dtls| dtls.lines(side)).unwrap_or_default()
    }
}

/// One m-line of an offer of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferedStream {
    /// `audio`.
    pub kind: String,
    /// `a=label`, where the SRC has given one.
    pub label: Option<String>,
    /// `RTP/AVP`.
    pub proto: String,
    /// What we take, best first.
    pub formats: Arc<[Format]>,
    /// `recvonly` or `inactive`.
    pub direction: Direction,
    /// RTP and RTCP share a port.
    pub rtcp_mux: bool,
    /// How a whole picture may be asked for.
    #[serde(default, skip_serializing_if = "Feedback::is_none")]
    pub feedback: Feedback,
}

/// The answer to `offer` (RFC 3264 6): the same m-lines in the same order, payload types and labels as offered.
/// An m-line is closed if it was not accepted, or has no port in `local`. The caller raises `version` by one for
/// each description that differs from the last (RFC 3264 8).
pub fn encode_answer(
    offer: &Description,
    decision: &Decision,
    local: &LocalMedia,
    session_id: u64,
    version: u64,
) -> Vec<u8> {
    let mut out = session_lines(local.address, session_id, version, &offer.timing);
    for (index, media) in offer.media.iter().enumerate() {
        let accepted = decision.media.get(index).and_then(|d| d.accepted.as_ref());
        match (accepted, local.port(index)) {
            (Some(accepted), Some(ports)) => {
                let stream = OfferedStream {
                    kind: media.kind.clone(),
                    label: media.label.clone(),
                    proto: accepted.proto.clone(),
                    formats: accepted.formats.clone(),
                    direction: accepted.direction,
                    rtcp_mux: accepted.rtcp_mux,
                    feedback: accepted.feedback,
                };
                open_lines(&mut out, &stream, Some(media), ports);
                crypto_lines(&mut out, local.crypto(index));
                local.dtls_lines(index, Side::Answerer).iter().for_each(|text| line(&mut out, &[text]));
            }
            (_, _) => closed_lines(&mut out, &media.kind, &media.proto, &media.formats_raw, media.label.as_deref()),
        }
    }
    out.into_bytes()
}

/// An offer of ours: in the 200 to an INVITE without SDP, or in a re-INVITE. Its m-lines are those of `streams`; one
/// without a port in `local` is closed.
pub fn encode_offer(streams: &[OfferedStream], local: &LocalMedia, session_id: u64, version: u64) -> Vec<u8> {
    let mut out = session_lines(local.address, session_id, version, &[]);
    for (index, stream) in streams.iter().enumerate() {
        match local.port(index) {
            Some(ports) => {
                open_lines(&mut out, stream, None, ports);
                crypto_lines(&mut out, local.crypto(index));
                local.dtls_lines(index, Side::Offerer).iter().for_each(|text| line(&mut out, &[text]));
            }
            None => {
                let formats: Vec<String> = stream.formats.iter().map(|f| f.payload_type.to_string()).collect();
                closed_lines(&mut out, &stream.kind, &stream.proto, &formats, stream.label.as_deref());
            }
        }
    }
    out.into_bytes()
}

/// The m-lines of an offer made before anything was offered to us: `lines` audio streams with the policy's codecs
/// and DTMF (RFC 4733); secure where nothing else may be taken.
pub fn fresh_offer(policy: &AnswerPolicy, lines: usize) -> Vec<OfferedStream> {
    let mut formats: Vec<Format> = Vec::new();
    let mut dynamic = FIRST_DYNAMIC..=LAST_DYNAMIC;
    for name in &policy.codecs {
        let plain: String = name.chars().filter(|c| *c != '.').collect();
        let encodings = if plain.eq_ignore_ascii_case("G711") { ["PCMA", "PCMU"].to_vec() } else { [&*plain].to_vec() };
        for encoding in encodings {
            if !formats.iter().any(|f| f.encoding.eq_ignore_ascii_case(encoding)) {
                formats.extend(own_format(encoding, &mut dynamic));
            }
        }
    }
    if formats.is_empty() {
        formats.extend([8, 0].into_iter().filter_map(static_format));
    }
    let event = own_format("telephone-event", &mut dynamic);
    formats.extend(event.map(|f| Format { fmtp: Some("0-15".to_string()), ..f }));
    let stream = OfferedStream {
        kind: "audio".to_string(),
        label: None,
        proto: if policy.require_srtp { "RTP/SAVP" } else { "RTP/AVP" }.to_string(),
        formats: formats.into(),
        direction: Direction::RecvOnly,
        rtcp_mux: false,
        feedback: Feedback::default(),
    };
    (0..lines).map(|_| stream.clone()).collect()
}

/// The m-lines of a re-INVITE of ours: those agreed on, none added (RFC 7866 7.2), with the offer's payload types.
/// `pause` turns them all `inactive`.
pub fn same_offer(last: &Description, decision: &Decision, pause: bool) -> Vec<OfferedStream> {
    let same = |(media, decided): (&Media, &Decided)| {
        let accepted = decided.accepted.as_ref();
        let agreed = accepted.map_or(Direction::Inactive, |a| a.direction);
        OfferedStream {
            kind: media.kind.clone(),
            label: media.label.clone(),
            proto: media.proto.clone(),
            formats: accepted.map_or_else(|| media.formats.as_slice().into(), |a| a.formats.clone()),
            direction: if pause { Direction::Inactive } else { agreed },
            rtcp_mux: accepted.is_some_and(|a| a.rtcp_mux),
            feedback: accepted.map(|a| a.feedback).unwrap_or_default(),
        }
    };
    last.media.iter().zip(&decision.media).map(same).collect()
}

/// The usual parameters of an encoding that we offer ourselves.
fn own_format(encoding: &str, dynamic: &mut impl Iterator<Item = u8>) -> Option<Format> {
    if let Some(format) = static_payload_type(encoding).and_then(static_format) {
        return Some(format);
    }
    let (clock_rate, channels) = match encoding.to_ascii_lowercase().as_str() {
        "opus" => (48_000, 2),
        "amr-wb" | "g7221" | "evs" | "pcma-wb" | "pcmu-wb" => (16_000, 1),
        _ => (8000, 1),
    };
    let encoding = super::canonical_encoding(encoding);
    Some(Format { payload_type: dynamic.next()?, encoding, clock_rate, channels, fmtp: None })
}

fn session_lines(address: IpAddr, session_id: u64, version: u64, timing: &[String]) -> String {
    let mut host = String::with_capacity(24);
    host.push_str(if address.is_ipv4() { "IN IP4 " } else { "IN IP6 " });
    push_ip(&mut host, address);
    let mut out = String::with_capacity(ROOM);
    out.push_str("v=0\r\no=- ");
    push_number(&mut out, session_id);
    out.push(' ');
    push_number(&mut out, version);
    for piece in [" ", &*host, "\r\ns=-\r\nc=", &*host, "\r\n"] {
        out.push_str(piece);
    }
    for value in timing {
        line(&mut out, &["t=", value]);
    }
    if timing.is_empty() {
        line(&mut out, &["t=0 0"]);
    }
    out
}

/// `offered` lends its rtpmap lines, so that the peer reads the names as it wrote them.
fn open_lines(out: &mut String, stream: &OfferedStream, offered: Option<&Media>, (rtp, rtcp): (u16, u16)) {
    media_line(out, &stream.kind, rtp, &stream.proto, |out| {
        for format in stream.formats.iter() {
            out.push(' ');
            push_number(out, u64::from(format.payload_type));
        }
    });
    for format in stream.formats.iter() {
        match offered_map(format, offered) {
            Some(map) => line(out, &["a=rtpmap:", map]),
            None => map_line(out, format),
        }
        if let Some(fmtp) = &format.fmtp {
            numbered_line(out, "a=fmtp:", u32::from(format.payload_type), &[" ", fmtp]);
        }
    }
    stream.feedback.lines().for_each(|text| line(out, &[text]));
    if let Some(ptime) = offered.and_then(|media| media.ptime) {
        numbered_line(out, "a=ptime:", ptime, &[]);
    }
    if stream.rtcp_mux {
        line(out, &["a=rtcp-mux"]);
    } else if rtp.checked_add(1) != Some(rtcp) {
        numbered_line(out, "a=rtcp:", u32::from(rtcp), &[]);
    }
    label_line(out, stream.label.as_deref());
    line(out, &["a=", stream.direction.as_str()]);
}

/// RFC 4568 4. What is written holds our keys.
fn crypto_lines(out: &mut String, lines: &[Crypto]) {
    lines.iter().for_each(|crypto| line(out, &["a=crypto:", &crypto.encode()]));
}

/// RFC 3264 6: port 0, and at least one format.
fn closed_lines(out: &mut String, kind: &str, proto: &str, formats: &[String], label: Option<&str>) {
    media_line(out, kind, 0, proto, |out| match formats {
        [] => out.push_str(" 0"),
        formats => formats.iter().for_each(|format| [" ", format].iter().for_each(|piece| out.push_str(piece))),
    });
    label_line(out, label);
    line(out, &["a=inactive"]);
}

fn label_line(out: &mut String, label: Option<&str>) {
    if let Some(label) = label {
        line(out, &["a=label:", label]);
    }
}

fn offered_map<'m>(format: &Format, offered: Option<&'m Media>) -> Option<&'m str> {
    let maps = offered?.attributes.iter().filter(|(name, _)| name.eq_ignore_ascii_case("rtpmap"));
    let mut values = maps.filter_map(|(_, value)| value.as_deref()).map(str::trim);
    let is_of = |value: &str| value.split_ascii_whitespace().next().and_then(|first| first.parse().ok());
    values.find(|value| is_of(value) == Some(format.payload_type) && value.contains('/'))
}

/// A format's `rtpmap` in our own spelling.
fn map_line(out: &mut String, format: &Format) {
    let start = out.len();
    out.push_str("a=rtpmap:");
    push_number(out, u64::from(format.payload_type));
    for piece in [" ", &*format.encoding, "/"] {
        out.push_str(piece);
    }
    push_number(out, u64::from(format.clock_rate));
    if format.channels > 1 {
        out.push('/');
        push_number(out, u64::from(format.channels));
    }
    end_line(out, start);
}

/// `formats` writes them, each with the blank before it.
fn media_line(out: &mut String, kind: &str, port: u16, proto: &str, formats: impl FnOnce(&mut String)) {
    let start = out.len();
    for piece in ["m=", kind, " "] {
        out.push_str(piece);
    }
    push_number(out, u64::from(port));
    out.push(' ');
    out.push_str(proto);
    formats(out);
    end_line(out, start);
}

fn line(out: &mut String, pieces: &[&str]) {
    let start = out.len();
    pieces.iter().for_each(|piece| out.push_str(piece));
    end_line(out, start);
}

fn numbered_line(out: &mut String, name: &str, number: u32, rest: &[&str]) {
    let start = out.len();
    out.push_str(name);
    push_number(out, u64::from(number));
    rest.iter().for_each(|piece| out.push_str(piece));
    end_line(out, start);
}

/// Ends the line that began at `start`. What came from the wire cannot hold a line end; a configured value cannot
/// smuggle one in.
fn end_line(out: &mut String, start: usize) {
    if out.as_bytes().get(start..).is_some_and(|line| find_any(line, [b'\r', b'\n']).is_some()) {
        let line = out.split_off(start);
        out.extend(line.chars().filter(|c| *c != '\r' && *c != '\n'));
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::super::decide;
    use super::super::dtls::Role;
    use super::super::fingerprint::{Fingerprint, HashFunction};
    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_answer_mirrors_its_offer() {
        let offer = "v=0\no=x 1 1 IN IP4 192.0.2.1\ns=call\nt=5 6\nm=audio 4000 RTP/AVP 0 8 111 101\n\
            c=IN IP4 192.0.2.1\na=rtpmap:111 OPUS/48000/2\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\na=ptime:30\n\
            a=label:cust-A.1\na=sendonly\nm=video 4002 RTP/AVPF 96 97\na=label:v\nm=audio 4004 RTP/AVP 18\na=rtcp-mux\na=inactive\n";
        let offer = Description::parse(offer.as_bytes()).unwrap();
        let decision = decide(&offer, &AnswerPolicy::default()).unwrap();
        let ports = [Some((10_000, 10_007)), Some((1, 2)), Some((10_002, 10_002))].to_vec();
        let local = LocalMedia { address: "192.0.2.9".parse().unwrap(), ports, crypto: Vec::new(), dtls: Vec::new() };
        let answer = text(encode_answer(&offer, &decision, &local, 7, 3));
        let expected = "v=0\r\no=- 7 3 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=5 6\r\n\
            m=audio 10000 RTP/AVP 8 0 111 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:111 OPUS/48000/2\r\n\
            a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:30\r\na=rtcp:10007\r\na=label:cust-A.1\r\na=recvonly\r\n\
            m=video 0 RTP/AVPF 96 97\r\na=label:v\r\na=inactive\r\n\
            m=audio 10002 RTP/AVP 18\r\na=rtpmap:18 G729/8000\r\na=rtcp-mux\r\na=inactive\r\n";
        assert_eq!(answer, expected);
    }

    #[test]
    fn dtls_is_said_of_the_lines_that_have_it() {
        let fingerprint = Fingerprint::of(HashFunction::Sha256, b"ours");
        let attributes =
            alloc::format!("a=fingerprint:{fingerprint}\r\na=setup:actpass\r\na=tls-id:abc3de65cddef001be82\r\n");
        let offer = alloc::format!("v=0\r\nm=audio 4 RTP/AVP 8\r\nm=audio 6 UDP/TLS/RTP/SAVP 8\r\n{attributes}");
        let offer = Description::parse(offer.as_bytes()).unwrap();
        let policy = AnswerPolicy { fingerprint: Some(fingerprint.clone()), ..AnswerPolicy::default() };
        let decision = decide(&offer, &policy).unwrap();
        let ports = [Some((10, 11)), Some((12, 13))].to_vec();
        let own = OwnDtls { fingerprint: fingerprint.clone(), role: Role::Server, tls_id: Some("ours".into()) };
        let local = LocalMedia {
            address: "192.0.2.9".parse().unwrap(),
            ports,
            crypto: Vec::new(),
            dtls: [None, Some(own)].to_vec(),
        };
        let answer = text(encode_answer(&offer, &decision, &local, 1, 1));
        let said = alloc::format!(
            "m=audio 10 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=recvonly\r\nm=audio 12 UDP/TLS/RTP/SAVP 8\r\n\
             a=rtpmap:8 PCMA/8000\r\na=recvonly\r\na=fingerprint:{fingerprint}\r\na=setup:passive\r\na=tls-id:ours\r\n"
        );
        assert!(answer.ends_with(&said), "{answer}");
        let again = text(encode_offer(&same_offer(&offer, &decision, true), &local, 1, 2));
        assert!(again.contains("a=inactive\r\na=fingerprint:") && again.contains("a=setup:actpass\r\n"), "{again}");
    }

    #[test]
    fn a_port_that_is_not_there_closes_the_line() {
        let offer = Description::parse(b"v=0\r\nm=audio 4000 RTP/AVP 0\r\n").unwrap();
        let decision = decide(&offer, &AnswerPolicy::default()).unwrap();
        let local = LocalMedia {
            address: "2001:db8::1".parse().unwrap(),
            ports: Vec::new(),
            crypto: Vec::new(),
            dtls: Vec::new(),
        };
        let answer = text(encode_answer(&offer, &decision, &local, 1, 1));
        assert!(answer.contains("c=IN IP6 2001:db8::1\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n"), "{answer}");
    }

    #[test]
    fn a_fresh_offer_can_be_read_and_taken() {
        let codecs = ["opus", "G.711", "G722"].map(ToString::to_string).to_vec();
        let policy = AnswerPolicy { codecs, ..AnswerPolicy::default() };
        let ports = [Some((4, 5)), Some((6, 7))].to_vec();
        let local = LocalMedia { address: "192.0.2.9".parse().unwrap(), ports, crypto: Vec::new(), dtls: Vec::new() };
        let offer = encode_offer(&fresh_offer(&policy, 2), &local, 1, 1);
        let said = text(offer.clone());
        assert!(said.contains("a=rtpmap:96 opus/48000/2\r\n") && said.contains("a=rtpmap:8 PCMA/8000\r\n"), "{said}");
        let offer = Description::parse(&offer).unwrap();
        let named: Vec<_> = offer.media[1].formats.iter().map(|f| (f.payload_type, f.encoding.as_ref())).collect();
        assert_eq!(named, [(96, "opus"), (8, "PCMA"), (0, "PCMU"), (9, "G722"), (97, "telephone-event")]);
        assert_eq!((offer.media.len(), offer.media[0].direction), (2, Direction::RecvOnly));
    }

    #[test]
    fn our_reinvite_never_adds_a_line() {
        let offer = b"v=0\r\nm=audio 4000 RTP/AVP 8 101\r\na=label:1\r\na=rtpmap:101 telephone-event/8000\r\nm=video 9 RTP/AVP 96\r\n";
        let offer = Description::parse(offer).unwrap();
        let decision = decide(&offer, &AnswerPolicy::default()).unwrap();
        let streams = same_offer(&offer, &decision, true);
        let ports = [Some((4, 5)), None].to_vec();
        let local = LocalMedia { address: "192.0.2.9".parse().unwrap(), ports, crypto: Vec::new(), dtls: Vec::new() };
        let ours = text(encode_offer(&streams, &local, 1, 2));
        assert!(ours.contains("m=audio 4 RTP/AVP 8 101\r\n") && ours.contains("a=label:1\r\na=inactive\r\n"), "{ours}");
        assert!(ours.contains("m=video 0 RTP/AVP 0\r\n"), "a format is needed even if none was named: {ours}");
        assert_eq!(Description::parse(ours.as_bytes()).unwrap().media.len(), 2);
    }
}
