//! SIP messages as the SRC reads them: plainly, since the server under test is held to write them plainly.

use std::time::Instant;

/// A message that arrived.
#[derive(Debug, Clone)]
pub struct Message {
    /// When.
    pub at: Instant,
    pub start: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Message {
    pub fn parse(raw: &[u8]) -> Option<Self> {
        let end = find(raw, b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&raw[..end]);
        let mut lines = head.split("\r\n");
        let start = lines.next()?.to_owned();
        let headers = lines.filter_map(|l| l.split_once(':')).map(|(n, v)| (n.trim().to_owned(), v.trim().to_owned()));
        Some(Self { at: Instant::now(), start, headers: headers.collect(), body: raw[end + 4..].to_vec() })
    }

    pub fn is_response(&self) -> bool {
        self.start.starts_with("SIP/2.0 ")
    }

    /// The status code; 0 of a request.
    pub fn status(&self) -> u16 {
        if !self.is_response() {
            return 0;
        }
        self.start.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0)
    }

    pub fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or("")
    }

    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    pub fn call_id(&self) -> &str {
        self.header("Call-ID").unwrap_or("")
    }

    pub fn cseq(&self) -> (u32, &str) {
        let (number, method) = self.header("CSeq").and_then(|c| c.split_once(' ')).unwrap_or(("0", ""));
        (number.parse().unwrap_or(0), method.trim())
    }

    pub fn branch(&self) -> String {
        parameter(self.header("Via").unwrap_or(""), "branch").unwrap_or_default()
    }

    pub fn to_tag(&self) -> Option<String> {
        parameter(self.header("To")?, "tag")
    }

    /// What stands between the angle brackets of Contact.
    pub fn contact_uri(&self) -> Option<String> {
        let contact = self.header("Contact")?;
        Some(contact.split_once('<')?.1.split_once('>')?.0.to_owned())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Media of an SDP body.
    pub fn media(&self) -> Vec<MediaLine> {
        MediaLine::all(&self.text())
    }

    /// The address an SDP body gives.
    pub fn connection(&self) -> Option<std::net::IpAddr> {
        let text = self.text();
        let line = text.lines().find_map(|l| l.strip_prefix("c=IN "))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// A response to this request.
    pub fn respond(&self, status: u16, reason: &str, rest: &str) -> Vec<u8> {
        let mut out = format!("SIP/2.0 {status} {reason}\r\n");
        for via in self.all("Via") {
            out += &format!("Via: {via}\r\n");
        }
        for name in ["From", "To", "Call-ID", "CSeq"] {
            let mut value = self.header(name).unwrap_or("").to_owned();
            if name == "To" && parameter(&value, "tag").is_none() {
                value += ";tag=src";
            }
            out += &format!("{name}: {value}\r\n");
        }
        if rest.is_empty() {
            out += "Content-Length: 0\r\n\r\n";
        }
        out += rest;
        out.into_bytes()
    }
}

/// An m-line and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaLine {
    pub kind: String,
    pub port: u16,
    pub direction: String,
    pub label: Option<String>,
}

impl MediaLine {
    fn all(sdp: &str) -> Vec<Self> {
        let mut out: Vec<Self> = Vec::new();
        let mut session_direction = "sendrecv".to_owned();
        for line in sdp.lines() {
            if let Some(m) = line.strip_prefix("m=") {
                let mut words = m.split_whitespace();
                let (kind, port) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
                let (kind, port) = (kind.to_owned(), port.parse().unwrap_or(0));
                out.push(Self { kind, port, direction: session_direction.clone(), label: None });
            } else if let Some(attribute) = line.strip_prefix("a=") {
                match (attribute, out.last_mut()) {
                    ("sendrecv" | "sendonly" | "recvonly" | "inactive", Some(media)) => {
                        media.direction = attribute.into()
                    }
                    ("sendrecv" | "sendonly" | "recvonly" | "inactive", None) => session_direction = attribute.into(),
                    (_, Some(media)) if attribute.starts_with("label:") => media.label = Some(attribute[6..].into()),
                    _ => {}
                }
            }
        }
        out
    }
}

/// A parameter of a header value, outside of angle brackets.
pub fn parameter(value: &str, name: &str) -> Option<String> {
    let outside = value.rsplit_once('>').map_or(value, |(_, rest)| rest);
    outside.split(';').skip(usize::from(!value.contains('>'))).find_map(|p| {
        let (n, v) = p.split_once('=')?;
        n.trim().eq_ignore_ascii_case(name).then(|| v.trim().to_owned())
    })
}

pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}
