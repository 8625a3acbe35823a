//! Reading SDP. Tolerant: bare LF, missing `c=`, `t=` or final line end, unknown lines and attributes, junk after
//! an empty line; strict only where nothing useful is left.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use super::crypto::CryptoLine;
use super::payload::{canonical_encoding, static_format};
use super::{Description, Direction, DtlsAttributes, Format, Host, Media, Origin};
use crate::text::split_once;

/// M-lines in one description; SRCs send up to 16.
pub const MAX_MEDIA: usize = 64;
/// Attributes in one section; a WebRTC offer with its candidates stays below.
const MAX_ATTRIBUTES: usize = 512;
/// Formats of one m-line: there are 128 payload types.
const MAX_FORMATS: usize = 128;

/// Attributes of an m-line that there is room for at first.
const USUAL_ATTRIBUTES: usize = 12;

/// Name and value.
type Attribute = (Cow<'static, str>, Option<String>);

/// Why a body is no session description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SdpError {
    /// No `v=0` line first, or no line at all.
    NotSdp,
    /// An m-line that cannot be read: media, port, proto and a format are needed (RFC 8866 5.14).
    BadMediaLine(String),
    /// More than [`MAX_MEDIA`] m-lines.
    TooManyMedia,
}

impl fmt::Display for SdpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSdp => f.write_str("the body does not begin with v=0"),
            Self::BadMediaLine(line) => write!(f, "the line m={line} cannot be read"),
            Self::TooManyMedia => write!(f, "more than {MAX_MEDIA} m-lines"),
        }
    }
}

impl core::error::Error for SdpError {}

impl Description {
    /// Reads a description (RFC 8866 5). Blank lines before `v=` are skipped, an empty line after it ends it.
    ///
    /// # Errors
    /// [`SdpError`]: what answers to it is 400 for the INVITE, or the loss of this body.
    pub fn parse(bytes: &[u8]) -> Result<Self, SdpError> {
        let text = core::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed);
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let mut rest = Some(text);
        let mut lines = core::iter::from_fn(|| {
            let (line, after) = split_once(rest?, b'\n').map_or((rest?, None), |(line, after)| (line, Some(after)));
            rest = after;
            let is_end = |byte: &u8| matches!(byte, b'\r' | b' ' | b'\t' | 0);
            let end = line.bytes().rposition(|byte| !is_end(&byte)).map_or(0, |last| last + 1);
            line.get(..end)
        });
        match lines.next().and_then(split_line) {
            Some(('v', _)) => {}
            Some(_) | None => return Err(SdpError::NotSdp),
        }
        let mut description = Self::default();
        for line in lines {
            if line.is_empty() {
                break;
            }
            if let Some((letter, value)) = split_line(line) {
                description.line(letter, value)?;
            }
        }
        description.resolve();
        Ok(description)
    }

    fn line(&mut self, letter: char, value: &str) -> Result<(), SdpError> {
        match (letter, self.media.last_mut()) {
            ('m', _) => {
                if self.media.len() >= MAX_MEDIA {
                    return Err(SdpError::TooManyMedia);
                }
                let media = media_line(value).ok_or_else(|| SdpError::BadMediaLine(value.to_string()))?;
                self.media.push(media);
            }
            ('c', Some(media)) => media.host = host(value).or(media.host.take()),
            ('a', Some(media)) => push_attribute(&mut media.attributes, value),
            ('a', None) => push_attribute(&mut self.attributes, value),
            ('c', None) => self.connection = host(value).or(self.connection.take()),
            ('o', None) => self.origin = origin(value),
            ('s', None) => self.session_name = value.trim().to_string(),
            ('t', None) if self.timing.len() < MAX_MEDIA => self.timing.push(value.trim().to_string()),
            // Bandwidth, keys, e-mail and unknown letters say nothing to a recorder (RFC 8866 5: ignore).
            (_, _) => {}
        }
        Ok(())
    }

    /// Fills in what the m-lines inherit and what their attributes say.
    fn resolve(&mut self) {
        let direction = self.attributes.iter().rev().find_map(|(name, _)| Direction::from_name(name));
        let rtcp_mux = self.attributes.iter().any(|(name, _)| name.eq_ignore_ascii_case("rtcp-mux"));
        for media in &mut self.media {
            media.resolve_attributes();
            let own = media.attributes.iter().rev().find_map(|(name, _)| Direction::from_name(name));
            media.direction = own.or(direction).unwrap_or(Direction::SendRecv);
            media.rtcp_mux |= rtcp_mux;
            media.resolve_dtls(&self.attributes);
            media.host = media.host.take().or_else(|| self.connection.clone());
            media.connection = media.host.as_ref().and_then(Host::address);
        }
    }
}

impl Media {
    fn resolve_attributes(&mut self) {
        let mut attributes = core::mem::take(&mut self.attributes);
        self.take_keys(&mut attributes);
        let mut maps: Vec<(u8, &str)> = Vec::new();
        let mut params: Vec<(u8, &str)> = Vec::new();
        for (name, value) in &attributes {
            let value = value.as_deref().unwrap_or("").trim_ascii();
            let known = ["rtpmap", "fmtp", "label", "rtcp-mux", "rtcp", "ptime"];
            match known.into_iter().find(|known| known.eq_ignore_ascii_case(name)).unwrap_or_default() {
                "rtpmap" => maps.extend(numbered(value)),
                "fmtp" => params.extend(numbered(value)),
                "label" if self.label.is_none() && !value.is_empty() => self.label = Some(value.to_string()),
                "rtcp-mux" => self.rtcp_mux = true,
                "rtcp" => self.rtcp = rtcp(value).or(self.rtcp),
                "ptime" => self.ptime = leading_number(value).or(self.ptime),
                _ => {}
            }
        }
        for raw in &self.formats_raw {
            let Ok(payload_type) = raw.parse::<u8>() else { continue };
            if payload_type > 127 || self.formats.iter().any(|f| f.payload_type == payload_type) {
                continue;
            }
            let mapped = maps.iter().find(|(pt, _)| *pt == payload_type);
            let format = mapped.and_then(|(_, map)| rtpmap(payload_type, map)).or_else(|| static_format(payload_type));
            if let Some(mut format) = format {
                let fmtp = params.iter().find(|(pt, _)| *pt == payload_type);
                format.fmtp = fmtp.map(|(_, value)| value.to_string());
                self.formats.push(format);
            }
        }
        self.attributes = attributes;
    }

    /// Keys stand in one place only.
    fn take_keys(&mut self, attributes: &mut [Attribute]) {
        for (_, value) in attributes.iter_mut().filter(|(name, _)| name.eq_ignore_ascii_case("crypto")) {
            let line = CryptoLine::from(value.as_deref().unwrap_or("").trim());
            *value = Some(line.blanked());
            self.crypto.push(line);
        }
    }

    /// Fingerprints and setup may be said once for the whole session (RFC 8122 5, RFC 4145 4).
    fn resolve_dtls(&mut self, session: &[Attribute]) {
        let of = |attributes: &[Attribute], name: &str| -> Vec<String> {
            let named = attributes.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
            named.filter_map(|(_, value)| value.as_deref()).map(|value| value.trim().to_string()).collect()
        };
        let either = |name: &str| {
            Some(of(&self.attributes, name)).filter(|own| !own.is_empty()).unwrap_or_else(|| of(session, name))
        };
        let fingerprints = either("fingerprint");
        self.dtls = DtlsAttributes { setup: either("setup").pop(), tls_id: either("tls-id").pop(), fingerprints };
    }
}

/// `x=value`, with blanks around the `=` forgiven.
fn split_line(line: &str) -> Option<(char, &str)> {
    if let [letter @ b'a'..=b'z', b'=', ..] = line.as_bytes() {
        return Some((char::from(*letter), line.get(2..)?));
    }
    let (letter, value) = line.split_once('=')?;
    let mut letters = letter.trim().chars();
    let first = letters.next()?;
    letters.next().is_none().then_some((first.to_ascii_lowercase(), value))
}

/// `audio 49170/2 RTP/AVP 0 8` (RFC 8866 5.14).
fn media_line(value: &str) -> Option<Media> {
    let mut words = value.split_ascii_whitespace();
    let kind = words.next()?.to_ascii_lowercase();
    let port = words.next()?.split('/').next()?.parse().ok()?;
    let proto = words.next()?.to_string();
    let formats_raw: Vec<String> = words.take(MAX_FORMATS).map(ToString::to_string).collect();
    if formats_raw.is_empty() {
        return None;
    }
    Some(Media {
        kind,
        port,
        proto,
        formats_raw,
        formats: Vec::new(),
        label: None,
        direction: Direction::SendRecv,
        host: None,
        connection: None,
        rtcp: None,
        rtcp_mux: false,
        ptime: None,
        crypto: Vec::new(),
        dtls: DtlsAttributes::default(),
        attributes: Vec::with_capacity(USUAL_ATTRIBUTES),
    })
}

fn push_attribute(attributes: &mut Vec<Attribute>, value: &str) {
    if attributes.len() >= MAX_ATTRIBUTES {
        return;
    }
    let (name, value) = match split_once(value, b':') {
        Some((name, value)) => (name, Some(value.to_string())),
        None => (value, None),
    };
    attributes.push((attribute_name(name.trim_ascii()), value));
}

/// Those that nearly every m-line has need no memory of their own.
fn attribute_name(name: &str) -> Cow<'static, str> {
    Cow::Borrowed(match name {
        "rtpmap" => "rtpmap",
        "fmtp" => "fmtp",
        "label" => "label",
        "ptime" => "ptime",
        "maxptime" => "maxptime",
        "rtcp" => "rtcp",
        "rtcp-mux" => "rtcp-mux",
        "crypto" => "crypto",
        "content" => "content",
        "sendonly" => "sendonly",
        "sendrecv" => "sendrecv",
        "recvonly" => "recvonly",
        "inactive" => "inactive",
        _ => return Cow::Owned(name.to_string()),
    })
}

/// `IN IP4 192.0.2.1/127` (RFC 8866 5.7).
fn host(value: &str) -> Option<Host> {
    let name = value.split_ascii_whitespace().nth(2)?;
    Some(host_name(name))
}

fn host_name(name: &str) -> Host {
    let name = name.split('/').next().unwrap_or(name);
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().map_or_else(|_| Host::Name(name.to_string()), Host::Address)
}

fn origin(value: &str) -> Origin {
    let mut words = value.split_ascii_whitespace().map(ToString::to_string);
    Origin {
        username: words.next().unwrap_or_default(),
        session_id: words.next().unwrap_or_default(),
        version: words.next().unwrap_or_default(),
        raw: value.trim().to_string(),
    }
}

/// `0 PCMU/8000` -> (0, `PCMU/8000`).
fn numbered(value: &str) -> Option<(u8, &str)> {
    let (number, rest) = value.split_at(value.bytes().position(|byte| matches!(byte, b' ' | b'\t'))?);
    Some((number.parse().ok()?, rest.trim_ascii()))
}

/// `opus/48000/2` (RFC 8866 6.6).
fn rtpmap(payload_type: u8, value: &str) -> Option<Format> {
    let mut parts = value.split('/').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?;
    // A name alone is completed from the static table, where it has a row.
    let known = || static_format(payload_type).filter(|f| f.encoding.eq_ignore_ascii_case(name));
    let clock_rate = match parts.next().and_then(leading_number) {
        Some(rate) if rate > 0 => rate,
        Some(_) | None => known()?.clock_rate,
    };
    let channels = parts.next().and_then(leading_number).and_then(|n| u8::try_from(n).ok()).filter(|n| *n > 0);
    let encoding = canonical_encoding(name);
    Some(Format { payload_type, encoding, clock_rate, channels: channels.unwrap_or(1), fmtp: None })
}

/// `53020` or `53020 IN IP6 2001:db8::1` (RFC 3605 2.1).
fn rtcp(value: &str) -> Option<(u16, Option<IpAddr>)> {
    let mut words = value.split_ascii_whitespace();
    let port: u16 = words.next()?.parse().ok()?;
    let address = words.nth(2).and_then(|name| host_name(name).address());
    (port != 0).then_some((port, address))
}

fn leading_number(value: &str) -> Option<u32> {
    let end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    value.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TWO: &str = "v=0\no=OSS 1 2 IN IP4 192.0.2.9\ns= \na=inactive\na=3gOoBTC\nb=X-YZ:1\ny=0\n\
        m=audio 4000/1 RTP/AVP 8 111 101 200 x\nc=IN IP4 192.0.2.7/127\na=rtpmap:111 OPUS/48000/2\n\
        a=fmtp:111 useinbandfec=1\na=rtpmap:101 telephone-event/8000\na=label:a_leg\na=sendonly\na=rtcp:4005 IN IP4 192.0.2.8\n\
        a=ptime:20\nm=AUDIO 0 RTP/AVP 18\n\njunk\nm=audio 1 RTP/AVP 0\n";

    #[test]
    fn reads_what_vendors_send() {
        let sdp = Description::parse(TWO.as_bytes()).unwrap();
        assert_eq!(sdp.origin.version, "2");
        assert_eq!(sdp.media.len(), 2, "what follows the empty line is not ours");
        let first = &sdp.media[0];
        let named: Vec<_> = first.formats.iter().map(|f| (f.payload_type, f.encoding.as_ref(), f.channels)).collect();
        assert_eq!(named, [(8, "PCMA", 1), (111, "opus", 2), (101, "telephone-event", 1)]);
        assert_eq!(first.formats[1].fmtp.as_deref(), Some("useinbandfec=1"));
        assert_eq!(first.connection, "192.0.2.7".parse().ok());
        assert_eq!(first.rtcp, Some((4005, "192.0.2.8".parse().ok())));
        assert_eq!((first.direction, first.ptime), (Direction::SendOnly, Some(20)));
        assert_eq!(first.label.as_deref(), Some("a_leg"));
        let second = &sdp.media[1];
        assert_eq!((second.kind.as_str(), second.direction), ("audio", Direction::Inactive));
        assert_eq!((second.formats[0].encoding.as_ref(), second.host.as_ref()), ("G729", None));
    }

    #[test]
    fn a_rate_of_nothing_is_that_of_the_static_table_or_none() {
        let rate = |payload_type, value| rtpmap(payload_type, value).map(|format| format.clock_rate);
        assert_eq!(
            (rate(8, "PCMA/0"), rate(8, "PCMA"), rate(8, "PCMA/16000")),
            (Some(8_000), Some(8_000), Some(16_000))
        );
        assert_eq!((rate(96, "opus/0/2"), rate(8, "opus/0"), rate(8, "/8000")), (None, None, None));
    }

    #[test]
    fn hold_addresses_are_known() {
        let zero = |name: &str| host(&alloc::format!("IN IP4 {name}")).unwrap().is_zero();
        assert!(zero("0.0.0.0") && zero("::") && zero("host.INVALID."));
        assert!(!zero("192.0.2.1") && !zero("X.X.X.X"));
    }

    #[test]
    fn refuses_only_what_says_nothing() {
        assert_eq!(Description::parse(b""), Err(SdpError::NotSdp));
        assert_eq!(Description::parse(b"hello\r\n"), Err(SdpError::NotSdp));
        assert!(matches!(Description::parse(b"v=0\r\nm=audio x RTP/AVP 0\r\n"), Err(SdpError::BadMediaLine(_))));
        let many = alloc::format!("v=0\r\n{}", "m=audio 1 RTP/AVP 0\r\n".repeat(MAX_MEDIA + 1));
        assert_eq!(Description::parse(many.as_bytes()), Err(SdpError::TooManyMedia));
        assert_eq!(Description::parse(b"v=0").map(|d| d.media.len()), Ok(0));
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Description::parse(&bytes);
        }

        #[test]
        fn never_panics_on_lines(lines in proptest::collection::vec(
            "(m=(audio|video) [0-9]{1,6}(/2)? RTP/S?AVP( [0-9x]{1,3}){0,4}|a=[a-z]{0,8}(:[ -~]{0,20})?|[a-z]=[ -~]{0,20}|)", 0..20)) {
            let _ = Description::parse(alloc::format!("v=0\n{}", lines.join("\n")).as_bytes());
        }
    }
}
