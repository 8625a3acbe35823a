//! What an SRC puts into its requests: SDP, RFC 7865 metadata, and the multipart of both (RFC 7866 9.1).

use std::fmt::Write;
use std::net::IpAddr;

/// What an m-line offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    SendOnly,
    Inactive,
    /// `c=0.0.0.0`, the hold of old (RFC 3264 8.4).
    ZeroAddress,
    /// Port 0: the stream is taken back (RFC 3264 8.2).
    ZeroPort,
}

/// An offer (or an answer to the server's offer) of one audio m-line a leg, labels 1, 2, 3 ...
pub fn sdp(ip: IpAddr, ports: &[u16], directions: &[Direction], version: u32) -> String {
    let family = if ip.is_ipv6() { "IP6" } else { "IP4" };
    let mut out =
        format!("v=0\r\no=SRC 2890844526 {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n");
    for (leg, (port, direction)) in ports.iter().zip(directions).enumerate() {
        let port = if *direction == Direction::ZeroPort { 0 } else { *port };
        write!(out, "m=audio {port} RTP/AVP 8 0 101\r\n").unwrap();
        if *direction == Direction::ZeroAddress {
            out += if ip.is_ipv6() { "c=IN IP6 ::\r\n" } else { "c=IN IP4 0.0.0.0\r\n" };
        }
        out +=
            "a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n";
        let word = if *direction == Direction::Inactive { "inactive" } else { "sendonly" };
        write!(out, "a=label:{}\r\na={word}\r\n", leg + 1).unwrap();
    }
    out
}

/// A participant as the metadata tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub id: String,
    pub aor: String,
    pub name: String,
    pub stream: String,
}

/// A communication session and who is in it; leg k is sent by person k.
#[derive(Debug, Clone)]
pub struct Metadata {
    pub session: String,
    pub group: String,
    pub people: Vec<Person>,
}

impl Metadata {
    /// `legs` people of the call `index`; `token` makes their ids their own.
    pub fn new(index: usize, legs: usize, token: &str) -> Self {
        let names = ["Alice", "Bob", "Carol", "Dave"];
        let id = |what: &str| base64(format!("{what}{token:>16.16}").as_bytes());
        let person = |leg: usize| Person {
            id: id(&format!("p{leg}")),
            aor: format!("sip:{}@example.com", 1000 + 10 * index + leg),
            name: format!("{} {index}", names[leg % names.len()]),
            stream: id(&format!("s{leg}")),
        };
        Self { session: id("cs"), group: id("gr"), people: (0..legs).map(person).collect() }
    }

    /// The complete snapshot (RFC 7865 6).
    pub fn complete(&self) -> String {
        let mut out = String::from(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<recording xmlns=\"urn:ietf:params:xml:ns:recording:1\">\r\n\
             <datamode>complete</datamode>\r\n",
        );
        write!(
            out,
            "<group group_id=\"{}\"><associate-time>2026-01-02T03:04:05Z</associate-time></group>\r\n",
            self.group
        )
        .unwrap();
        write!(
            out,
            "<session session_id=\"{}\"><sipSessionID>ab30317f1a784dc48ff824d0d3715d86;remote=\
             47755a9de7794ba387653f2099600ef2</sipSessionID><group-ref>{}</group-ref></session>\r\n",
            self.session, self.group
        )
        .unwrap();
        for person in &self.people {
            out += &self.person(person);
        }
        for (leg, person) in self.people.iter().enumerate() {
            write!(
                out,
                "<stream stream_id=\"{}\" session_id=\"{}\"><label>{}</label></stream>\r\n",
                person.stream,
                self.session,
                leg + 1
            )
            .unwrap();
        }
        for person in &self.people {
            out += &self.associations(person);
        }
        out + "</recording>\r\n"
    }

    /// A partial update that brings one more person (no stream of their own).
    pub fn joining(&self, person: &Person) -> String {
        let mut out = String::from(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<recording xmlns=\"urn:ietf:params:xml:ns:recording:1\">\r\n\
             <datamode>partial</datamode>\r\n",
        );
        out += &self.person(person);
        write!(
            out,
            "<participantsessionassoc participant_id=\"{}\" session_id=\"{}\"><associate-time>2026-01-02T03:05:05Z\
             </associate-time></participantsessionassoc>\r\n</recording>\r\n",
            person.id, self.session
        )
        .unwrap();
        out
    }

    fn person(&self, person: &Person) -> String {
        format!(
            "<participant participant_id=\"{}\"><nameID aor=\"{}\"><name xml:lang=\"en\">{}</name></nameID></participant>\r\n",
            person.id, person.aor, person.name
        )
    }

    fn associations(&self, person: &Person) -> String {
        let mut out = format!(
            "<participantsessionassoc participant_id=\"{}\" session_id=\"{}\"><associate-time>2026-01-02T03:04:05Z\
             </associate-time></participantsessionassoc>\r\n<participantstreamassoc participant_id=\"{}\"><send>{}</send>",
            person.id, self.session, person.id, person.stream
        );
        for other in self.people.iter().filter(|p| p.id != person.id) {
            write!(out, "<recv>{}</recv>", other.stream).unwrap();
        }
        out + "</participantstreamassoc>\r\n"
    }
}

/// The content type and the body of a request.
#[derive(Debug, Clone)]
pub struct Body {
    pub content_type: String,
    pub bytes: Vec<u8>,
}

impl Body {
    pub fn sdp(text: String) -> Self {
        Self { content_type: "application/sdp".into(), bytes: text.into_bytes() }
    }

    pub fn metadata(text: String) -> Self {
        Self { content_type: "application/rs-metadata+xml".into(), bytes: text.into_bytes() }
    }

    /// Both, as RFC 7866 9.1 shows.
    pub fn both(sdp: &str, metadata: &str) -> Self {
        let boundary = "one-boundary-for-all";
        let bytes = format!(
            "--{boundary}\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--{boundary}\r\n\
             Content-Type: application/rs-metadata+xml\r\nContent-Disposition: recording-session\r\n\r\n\
             {metadata}\r\n--{boundary}--\r\n"
        );
        Self { content_type: format!("multipart/mixed;boundary={boundary}"), bytes: bytes.into_bytes() }
    }
}

/// The letters of base64.
pub const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648 4: the ids of RFC 7865 are base64.
pub fn base64(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, i| bits << 8 | u32::from(chunk.get(i).copied().unwrap_or(0)));
        for i in 0..4 {
            let letter = BASE64[(bits >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}
