//! Reading SDP. Tolerant: any line ends, missing `v=`, `c=`, `t=` or final line end, unknown lines and attributes, junk
//! after an empty line. A line that cannot be read costs itself only; strict only where nothing useful is left.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use super::crypto::CryptoLine;
use super::lines::{of_description, origin_address, text};
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
    /// Neither a `v=` line nor an m-line.
    NotSdp,
    /// More than [`MAX_MEDIA`] m-lines.
    TooManyMedia,
}

impl fmt::Display for SdpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSdp => f.write_str("the body has neither v= nor m= lines"),
            Self::TooManyMedia => write!(f, "more than {MAX_MEDIA} m-lines"),
        }
    }
}

impl core::error::Error for SdpError {}

impl Description {
    /// Reads a description (RFC 8866 5). An empty line ends it, unless its lines go on behind that.
    ///
    /// # Errors
    /// [`SdpError`]: what answers to it is 488 for the INVITE, or the loss of this body.
    pub fn parse(bytes: &[u8]) -> Result<Self, SdpError> {
        let text = text(bytes);
        let mut description = Self::default();
        let mut has_version = false;
        for (letter, value) in of_description(&text).flatten() {
            has_version |= letter == 'v';
            description.line(letter, value)?;
        }
        if !has_version && description.media.is_empty() {
            return Err(SdpError::NotSdp);
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
                self.media.push(media_line(value));
            }
            ('c', Some(media)) => media.host = host(value).or(media.host.take()),
            ('a', Some(media)) => push_attribute(&mut media.attributes, value),
            ('a', None) => push_attribute(&mut self.attributes, value),
            ('c', None) => self.connection = host(value).or(self.connection.take()),
            ('o', None) => self.origin = origin(value),
            ('s', None) => self.session_name = value.trim().to_string(),
            ('t', None) if self.timing.len() < MAX_MEDIA => self.timing.extend(timing(value)),
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
            // Where no c= line says it, the description is at least from somewhere.
            let elsewhere = || origin_address(&self.origin.raw).filter(|_| media.host.is_none());
            media.connection = media.host.as_ref().and_then(Host::address).or_else(elsewhere);
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

/// `audio 49170/2 RTP/AVP 0 8` (RFC 8866 5.14). One that is not whole keeps its place, with what there is of it.
fn media_line(value: &str) -> Media {
    let mut words = value.split_ascii_whitespace();
    let kind = words.next().map(str::to_ascii_lowercase);
    let port = words.next().and_then(|port| port.split('/').next()?.parse().ok());
    let proto = words.next().map(ToString::to_string);
    let formats = words.flat_map(|word| word.split(',')).filter(|format| !format.is_empty());
    let formats_raw: Vec<String> = formats.take(MAX_FORMATS).map(ToString::to_string).collect();
    Media {
        unreadable: kind.is_none() || port.is_none() || proto.is_none() || formats_raw.is_empty(),
        kind: kind.unwrap_or_else(|| "audio".to_string()),
        port: port.unwrap_or(0),
        proto: proto.unwrap_or_else(|| "RTP/AVP".to_string()),
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
    }
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

/// `IN IP4 192.0.2.1/127` (RFC 8866 5.7); the address alone is understood.
fn host(value: &str) -> Option<Host> {
    let mut words = value.split_ascii_whitespace();
    if let Some(name) = words.clone().nth(2) {
        return Some(host_name(name));
    }
    words.next_back().map(host_name).filter(|host| host.address().is_some())
}

/// Two numbers (RFC 8866 5.9); anything else is not repeated in an answer.
fn timing(value: &str) -> Option<String> {
    let mut words = value.split_ascii_whitespace();
    let number = |word: &&str| word.bytes().all(|byte| byte.is_ascii_digit());
    let (start, stop) = (words.next().filter(number)?, words.next().filter(number)?);
    words.next().is_none().then(|| [start, stop].join(" "))
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
        assert_eq!(Description::parse(b"<recording a='b'/>\r\n\0\xff"), Err(SdpError::NotSdp));
        let many = alloc::format!("v=0\r\n{}", "m=audio 1 RTP/AVP 0\r\n".repeat(MAX_MEDIA + 1));
        assert_eq!(Description::parse(many.as_bytes()), Err(SdpError::TooManyMedia));
        assert_eq!(Description::parse(b"v=0").map(|d| d.media.len()), Ok(0));
    }

    #[test]
    fn an_odd_line_costs_itself_only() {
        let good = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n\
                    m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=label:1\r\n";
        let read = |text: &str| {
            let sdp = Description::parse(text.as_bytes()).unwrap();
            let media = sdp.media.last().unwrap();
            let remote = media.connection.map(|address| (address.to_string(), media.port));
            (remote, media.formats.len(), media.label.clone())
        };
        let expected = (Some(("192.0.2.7".to_string(), 4000)), 2, Some("1".to_string()));
        for (from, to) in [
            ("v=0\r\n", ""),
            ("v=0", "v=zero"),
            ("v=0", "\u{feff}\r\n\r\nv=0"),
            ("o=- 1 1 IN IP4 192.0.2.1", "o="),
            ("o=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n", ""),
            ("t=0 0", "t=now\r\nr=x\r\nz=\r\nb=AS:lots\r\nb=\r\nk=\r\n="),
            ("t=0 0\r\n", ""),
            ("t=0 0", "no line at all\r\ng\u{fffd}=="),
            ("c=IN IP4 192.0.2.7", "c= IN\tIP4  192.0.2.7 "),
            ("c=IN IP4 192.0.2.7", "c=192.0.2.7"),
            ("c=IN IP4 192.0.2.7\r\n", "c=IN IP4 192.0.2.7\r\nc=\r\nc=IN IP4\r\n"),
            ("m=audio 4000 RTP/AVP 8 101", "m= audio\t4000/many RTP/AVP 8,101 x 300"),
            ("m=audio 4000 RTP/AVP 8 101", "m=\r\na=label:9\r\nm=audio 4000 RTP/AVP 8 101"),
            ("a=rtpmap:101", "a=rtpmap:\r\na=rtpmap:8\r\na=rtpmap:x y\r\na=fmtp:8\r\na=fmtp\r\na=\r\na=rtpmap: 101"),
            ("a=label:1", "a=label:\r\na= label: 1 \r\na=label:2\r\na=candidate:\r\na=crypto:\r\na=rtcp:x"),
            ("a=label:1", "a=label:1\0"),
            ("\r\n", "\n"),
            ("\r\n", "\r"),
            ("\r\n", "\r\r\n"),
            ("\r\n", "\r\n\r\n"),
            ("\r\n", " \0\r\n\t"),
        ] {
            assert!(good.contains(from));
            assert_eq!(read(&good.replace(from, to)), expected, "{to:?}");
        }
        let without = good.replace("c=IN IP4 192.0.2.7\r\n", "");
        assert_eq!(
            read(&without).0,
            Some(("192.0.2.1".to_string(), 4000)),
            "the origin's address, where there is no other"
        );
        assert_eq!(read(&without.replace("192.0.2.1", "0.0.0.0")).0, None);
    }

    #[test]
    fn an_m_line_that_is_not_whole_keeps_its_place() {
        for odd in [
            "",
            "audio",
            "audio x RTP/AVP 0",
            "audio 70000 RTP/AVP 0",
            "audio -1 RTP/AVP 0",
            "audio 4000",
            "audio 4000 RTP/AVP",
        ] {
            let text = alloc::format!("v=0\r\nm={odd}\r\nm=audio 4000 RTP/AVP 8\r\n");
            let sdp = Description::parse(text.as_bytes()).unwrap();
            let unreadable: Vec<bool> = sdp.media.iter().map(|media| media.unreadable).collect();
            assert_eq!(unreadable, [true, false], "{odd}");
        }
    }

    #[test]
    fn times_are_repeated_only_where_they_are_times() {
        let sdp = Description::parse(b"v=0\nt= 5  6\nt=0\nt=a b\nt=1 2 3\nt=-1 0\nt=\n").unwrap();
        assert_eq!(sdp.timing, ["5 6"]);
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
