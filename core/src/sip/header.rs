//! Header fields: their order, their names in one spelling, and lists split where the grammar has lists.

use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::params;

/// Names we know in the spelling of their RFCs: with their compact form (RFC 3261 7.3.3 and the registry), and
/// whether the value is a list whose commas separate elements (RFC 3261 7.3.1). Shortest first: see [`OF_LENGTH`].
const KNOWN: &[(&str, Option<u8>, bool)] = &[
    ("To", Some(b't'), false),
    ("Via", Some(b'v'), true),
    ("From", Some(b'f'), false),
    ("CSeq", None, false),
    ("Date", None, false),
    ("Path", None, true),
    ("RAck", None, false),
    ("RSeq", None, false),
    ("Route", None, true),
    ("Allow", None, true),
    ("Event", Some(b'o'), false),
    ("Accept", None, true),
    ("Min-SE", None, false),
    ("Reason", None, true),
    ("Server", None, false),
    ("Call-ID", Some(b'i'), false),
    ("Contact", Some(b'm'), true),
    ("Require", None, true),
    ("Expires", None, false),
    ("Privacy", None, false),
    ("Subject", Some(b's'), false),
    ("Warning", None, true),
    ("Identity", Some(b'y'), false),
    ("Priority", None, false),
    ("Refer-To", Some(b'r'), false),
    ("Reply-To", None, false),
    ("Supported", Some(b'k'), true),
    ("Call-Info", None, true),
    ("Diversion", None, true),
    ("Recv-Info", None, true),
    ("Timestamp", None, false),
    ("Alert-Info", None, true),
    ("Cisco-Guid", None, false),
    ("Content-ID", None, false),
    ("Error-Info", None, true),
    ("Session-ID", None, false),
    ("User-Agent", None, false),
    ("Geolocation", None, true),
    ("In-Reply-To", None, true),
    ("Min-Expires", None, false),
    ("Referred-By", Some(b'b'), false),
    ("Retry-After", None, false),
    ("Unsupported", None, true),
    ("Content-Type", Some(b'c'), false),
    ("Max-Forwards", None, false),
    ("Record-Route", None, true),
    ("Allow-Events", Some(b'u'), true),
    ("History-Info", None, true),
    ("MIME-Version", None, false),
    ("Organization", None, false),
    ("User-to-User", None, true),
    ("Authorization", None, false),
    ("Identity-Info", Some(b'n'), false),
    ("Proxy-Require", None, true),
    ("Service-Route", None, true),
    ("Content-Length", Some(b'l'), false),
    ("Accept-Contact", Some(b'a'), true),
    ("Reject-Contact", Some(b'j'), true),
    ("Accept-Encoding", None, true),
    ("Accept-Language", None, true),
    ("Session-Expires", Some(b'x'), false),
    ("Content-Encoding", Some(b'e'), true),
    ("Content-Language", None, true),
    ("P-Associated-URI", None, true),
    ("WWW-Authenticate", None, false),
    ("Proxy-Authenticate", None, false),
    ("Authentication-Info", None, false),
    ("Content-Disposition", None, false),
    ("P-Asserted-Identity", None, true),
    ("Proxy-Authorization", None, false),
    ("Request-Disposition", Some(b'd'), true),
    ("P-Preferred-Identity", None, true),
    ("Content-Transfer-Encoding", None, false),
];

/// The longest of them.
const LONGEST: usize = 25;

/// Where the names of each length begin in [`KNOWN`]; those of the next length begin where they end.
const OF_LENGTH: [usize; LONGEST + 2] = {
    let mut starts = [0; LONGEST + 2];
    let mut length = 0;
    while length < starts.len() {
        let mut row = 0;
        while row < KNOWN.len() && KNOWN[row].0.len() < length {
            row += 1;
        }
        starts[length] = row;
        length += 1;
    }
    starts
};

/// One header field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The name: as its RFC spells it if we know it, else as it came.
    pub name: Cow<'static, str>,
    /// The value, unfolded (RFC 3261 7.3.1) and without blanks at its ends.
    pub value: String,
    /// The value's bytes, where they are not UTF-8: sent back as they came.
    raw: Option<Box<[u8]>>,
}

impl Header {
    pub(super) fn new(name: &str, value: String) -> Self {
        Self { name: canonical(name), value, raw: None }
    }

    /// From the wire: folds already joined, ends trimmed.
    pub(super) fn from_bytes(name: &[u8], value: &[u8]) -> Self {
        let name = full_name(name);
        match core::str::from_utf8(value) {
            Ok(value) => Self { name, value: value.to_owned(), raw: None },
            Err(_) => Self { name, value: String::from_utf8_lossy(value).into_owned(), raw: Some(value.into()) },
        }
    }

    /// What goes on the wire for the value.
    pub(super) fn bytes(&self) -> &[u8] {
        self.raw.as_deref().unwrap_or(self.value.as_bytes())
    }

    /// Adds to the end of the value.
    pub(super) fn append(&mut self, text: &str) {
        self.value.push_str(text);
        if let Some(raw) = &mut self.raw {
            let mut bytes = core::mem::take(raw).into_vec();
            bytes.extend_from_slice(text.as_bytes());
            *raw = bytes.into_boxed_slice();
        }
    }

    /// Replaces the value.
    pub(super) fn set(&mut self, value: String) {
        self.value = value;
        self.raw = None;
    }
}

/// The header fields of a message, in their order. Their number is bounded by
/// [`MAX_HEADERS`](super::message::MAX_HEADERS) when they come from the wire.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers(pub(super) Vec<Header>);

impl Headers {
    /// The first value of `name`, whole. `name` in its long or compact form, in any case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields(name).next().map(|header| header.value.as_str())
    }

    /// The fields called `name`.
    pub fn fields(&self, name: &str) -> impl Iterator<Item = &Header> {
        let name = canonical_of(name);
        self.0.iter().filter(move |header| header.name.eq_ignore_ascii_case(name))
    }

    /// Each value of `name`: the elements of lists one by one, empty elements left out; other values whole.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let is_list = row(canonical_of(name).as_bytes()).is_some_and(|(_, _, list)| *list);
        // No text holds 0xff, so what is no list stays whole.
        let separator = if is_list { b',' } else { 0xff };
        let values = self.fields(name).flat_map(move |header| params::split(&header.value, separator));
        values.map(str::trim).filter(|value| !value.is_empty())
    }

    /// All fields in order.
    pub fn iter(&self) -> impl Iterator<Item = &Header> {
        self.0.iter()
    }

    /// Adds a field at the end.
    pub fn push(&mut self, name: &str, value: impl Into<String>) {
        self.0.push(Header::new(name, value.into()));
    }

    /// Adds a field before all others.
    pub fn push_front(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(0, Header::new(name, value.into()));
    }

    /// Sets the one field `name`: where the first of that name stands, else at the end.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        let name = canonical_of(name);
        let at = self.0.iter().position(|header| header.name.eq_ignore_ascii_case(name));
        self.remove(name);
        let header = Header::new(name, value.into());
        match at {
            Some(at) => self.0.insert(at, header),
            None => self.0.push(header),
        }
    }

    /// Takes all fields `name` out.
    pub fn remove(&mut self, name: &str) {
        let name = canonical_of(name);
        self.0.retain(|header| !header.name.eq_ignore_ascii_case(name));
    }
}

/// The long spelling of a name that we know.
fn known(name: &[u8]) -> Option<&'static str> {
    if let [letter] = name {
        let letter = letter.to_ascii_lowercase();
        return KNOWN.iter().find(|(_, compact, _)| *compact == Some(letter)).map(|(long, _, _)| *long);
    }
    row(name).map(|(long, _, _)| *long)
}

/// The name of a field in the spelling of its RFC, from its long or compact form; any other as it is.
pub(crate) fn full_name(name: &[u8]) -> Cow<'static, str> {
    known(name).map_or_else(|| Cow::Owned(String::from_utf8_lossy(name).into_owned()), Cow::Borrowed)
}

/// What is known of a long name.
fn row(name: &[u8]) -> Option<&'static (&'static str, Option<u8>, bool)> {
    let (from, to) = (OF_LENGTH.get(name.len())?, OF_LENGTH.get(name.len() + 1)?);
    KNOWN.get(*from..*to)?.iter().find(|(long, _, _)| long.as_bytes().eq_ignore_ascii_case(name))
}

fn canonical(name: &str) -> Cow<'static, str> {
    known(name.as_bytes()).map_or_else(|| Cow::Owned(name.to_owned()), Cow::Borrowed)
}

/// A compact name's long form; any other name as it is.
fn canonical_of(name: &str) -> &str {
    if name.len() == 1 { known(name.as_bytes()).unwrap_or(name) } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&str, &str)]) -> Headers {
        Headers(fields.iter().map(|(name, value)| Header::new(name, String::from(*value))).collect())
    }

    #[test]
    fn compact_names_and_case_do_not_matter() {
        let headers = headers(&[("v", "a"), ("VIA", "b, c"), ("X-foo", "d")]);
        assert_eq!(headers.all("Via").collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(headers.all("v").count(), 3);
        assert_eq!((headers.get("via"), headers.get("x-FOO")), (Some("a"), Some("d")));
        assert!(headers.iter().map(|h| &*h.name).eq(["Via", "Via", "X-foo"]));
    }

    #[test]
    fn only_lists_are_split() {
        let headers = headers(&[("Require", ",a,, b"), ("Call-ID", "a,b"), ("Date", "Fri, 01 Jan"), ("X", "1,2")]);
        assert_eq!(headers.all("Require").collect::<Vec<_>>(), ["a", "b"]);
        for name in ["Call-ID", "Date", "X"] {
            assert_eq!(headers.all(name).count(), 1, "{name}");
        }
    }

    #[test]
    fn setting_keeps_the_place() {
        let mut headers = headers(&[("To", "a"), ("From", "b"), ("t", "c")]);
        headers.set("To", "d");
        headers.set("CSeq", "1 BYE");
        assert!(headers.iter().map(|h| &*h.value).eq(["d", "b", "1 BYE"]));
        headers.remove("f");
        assert_eq!(headers.get("From"), None);
    }

    #[test]
    fn every_known_name_is_reached_by_its_compact_form_only_once() {
        for (long, compact, _) in KNOWN {
            assert_eq!(known(long.to_ascii_uppercase().as_bytes()), Some(*long));
            let Some(compact) = compact else { continue };
            assert_eq!(known(&[*compact]), Some(*long));
        }
    }
}
