//! Which vendor the signs speak for.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

use super::fingerprints::{Sign, VENDORS, Vendor};
use crate::metadata::{Extension, Snapshot};
use crate::sip::lines::lines;
use crate::sip::{Message, NameAddr, multipart};

/// From here on a vendor is named.
const SURE_ENOUGH: u8 = 50;
/// Octets of a product's name from the wire.
const MAX_PRODUCT: usize = 96;
/// Signs that a profile tells.
const MAX_SIGNS: usize = 8;

/// Where a sign may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// User of the Contact's URI.
    ContactUser,
    /// Host of From, Contact or Via.
    Host,
    /// `User-Agent` or `Server`.
    UserAgent,
    Organization,
    /// Boundary of the multipart body.
    Boundary,
    /// User name of `o=`.
    Origin,
    /// `s=`.
    SessionName,
    CallId,
    /// A header field by name.
    Header(&'static str),
    /// A parameter of From's URI, by name.
    FromParam(&'static str),
    /// A namespace of the metadata: the root's, one that it declares, a vendor's element's.
    Namespace,
    /// A vendor's element in the metadata.
    Element,
    /// Prefix of the metadata's root.
    RootPrefix,
    /// A participant's address, in its one form.
    Aor,
    /// `session_id`.
    SessionId,
}

/// How a sign looks; letters' case does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Is(&'static str),
    Begins(&'static str),
    Contains(&'static str),
    /// `H` a hexadecimal digit, `D` a decimal one, `*` at the end anything; all else itself.
    Like(&'static str),
    /// Whatever it says.
    Present,
}

/// Who made the SRC, as far as it shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The vendor's short name: `oracle`, `cisco`.
    pub vendor: String,
    /// The product, as it calls itself where it does.
    pub product: String,
    /// How sure this is, percent.
    pub confidence: u8,
    /// What it was known by, in words.
    pub signs: Vec<String>,
}

/// Whether a text names a product where elsewhere users, people or sessions are named: nobody is called so.
pub(crate) fn is_products(text: &str) -> bool {
    let signs = VENDORS.iter().flat_map(|vendor| vendor.signs);
    signs.into_iter().any(|sign| {
        let begins = matches!(sign.shape, Shape::Is(_) | Shape::Begins(_));
        let is_said = match sign.place {
            Place::ContactUser | Place::Origin | Place::SessionName | Place::Aor => begins,
            Place::UserAgent | Place::Organization => true,
            Place::Host
            | Place::Boundary
            | Place::CallId
            | Place::Header(_)
            | Place::FromParam(_)
            | Place::Namespace
            | Place::Element
            | Place::RootPrefix
            | Place::SessionId => false,
        };
        is_said && sign.shape.fits(text)
    })
}

/// The domain that tells a product, if a host is below one: `.bcld.webex.com`.
pub(crate) fn product_domain(host: &str) -> Option<&'static str> {
    let signs = VENDORS.iter().flat_map(|vendor| vendor.signs);
    let domains = signs.filter(|sign| sign.place == Place::Host).filter_map(|sign| match sign.shape {
        Shape::Contains(domain) => Some(domain),
        Shape::Is(_) | Shape::Begins(_) | Shape::Like(_) | Shape::Present => None,
    });
    domains.into_iter().find(|domain| host.ends_with(*domain))
}

/// The signs seen of one SRC so far.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Vendor and sign, by their places in the table, each once.
    seen: Vec<(usize, usize)>,
    /// The first User-Agent that spoke for a vendor.
    user_agent: Option<(usize, String)>,
}

impl Evidence {
    /// Takes what a message from the SRC shows, head and body.
    pub fn message(&mut self, message: &Message) {
        let facts = Facts::of(message);
        for (at, vendor) in VENDORS.iter().enumerate() {
            for (nth, sign) in vendor.signs.iter().enumerate() {
                if facts.values(sign.place, |value| sign.shape.fits(value)) {
                    self.note(at, nth);
                    if sign.place == Place::UserAgent && self.user_agent.is_none() {
                        let text = facts.user_agents.into_iter().flatten().find(|value| sign.shape.fits(value));
                        self.user_agent = text.map(|text| (at, printable(text)));
                    }
                }
            }
        }
    }

    /// Takes what the metadata shows.
    pub fn snapshot(&mut self, snapshot: &Snapshot) {
        let elements = snapshot.participants.iter().flat_map(|p| &p.extensions);
        let elements = elements.chain(snapshot.sessions.iter().flat_map(|s| &s.extensions));
        let elements = elements.chain(snapshot.groups.iter().flat_map(|g| &g.extensions)).chain(&snapshot.extensions);
        let elements: Vec<&Extension> = elements.collect();
        for (at, vendor) in VENDORS.iter().enumerate() {
            for (nth, sign) in vendor.signs.iter().enumerate() {
                if sign.shows(snapshot, &elements) {
                    self.note(at, nth);
                }
            }
        }
    }

    fn note(&mut self, vendor: usize, sign: usize) {
        if !self.seen.contains(&(vendor, sign)) {
            self.seen.push((vendor, sign));
        }
    }

    /// The vendor that the signs speak for; none if they say too little.
    pub fn profile(&self) -> Option<Profile> {
        let judged = VENDORS.iter().enumerate().map(|(at, vendor)| (self.confidence(at, vendor), at, vendor));
        // The first of equals.
        let best = judged.reduce(|best, next| if next.0 > best.0 { next } else { best });
        let (confidence, at, vendor) = best.filter(|(confidence, ..)| *confidence >= SURE_ENOUGH)?;
        let signs = || self.seen.iter().filter(|(v, _)| *v == at).filter_map(|(_, nth)| vendor.signs.get(*nth));
        let told = self.user_agent.as_ref().filter(|(v, _)| *v == at).map(|(_, text)| text.clone());
        let named = signs().filter(|sign| sign.product.is_some()).max_by_key(|sign| sign.weight);
        let product = told.unwrap_or_else(|| named.and_then(|sign| sign.product).unwrap_or(vendor.product).into());
        let mut signs: Vec<_> = signs().collect();
        signs.sort_by_key(|sign| core::cmp::Reverse(sign.weight));
        let signs = signs.iter().take(MAX_SIGNS).map(|sign| format!("{} {}", sign.place, sign.shape)).collect();
        Some(Profile { vendor: vendor.name.into(), product, confidence, signs })
    }

    /// Signs that agree make each other surer: what is left of doubt is multiplied.
    fn confidence(&self, at: usize, vendor: &Vendor) -> u8 {
        let weights = self.seen.iter().filter(|(v, _)| *v == at).filter_map(|(_, nth)| vendor.signs.get(*nth));
        let doubt = weights.fold(10_000_u32, |doubt, sign| doubt * u32::from(100 - sign.weight.min(100)) / 100);
        u8::try_from((10_000 - doubt) / 100).unwrap_or(100)
    }
}

impl Sign {
    /// Whether the metadata shows it, in its elements or in vendors' `elements`.
    fn shows(&self, snapshot: &Snapshot, elements: &[&Extension]) -> bool {
        let fits = |text: &str| self.shape.fits(text);
        match self.place {
            Place::Namespace => {
                let dialect = &snapshot.dialect;
                let of_elements = || elements.iter().flat_map(|e| e.namespaces.iter().chain([&e.namespace]));
                fits(&dialect.namespace) || dialect.declared.iter().chain(of_elements()).any(|uri| fits(uri))
            }
            Place::Element => elements.iter().any(|element| {
                let names = element.fields.iter().flat_map(|(path, _)| path.split('/'));
                fits(&element.name) || names.into_iter().any(fits)
            }),
            Place::RootPrefix => fits(&snapshot.dialect.prefix),
            Place::Aor => snapshot.participants.iter().flat_map(|p| &p.names).any(|name| fits(&name.normalised)),
            Place::SessionId => snapshot.sessions.iter().any(|session| fits(&session.id)),
            Place::ContactUser
            | Place::Host
            | Place::UserAgent
            | Place::Organization
            | Place::Boundary
            | Place::Origin
            | Place::SessionName
            | Place::CallId
            | Place::Header(_)
            | Place::FromParam(_) => false,
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {} %)", self.vendor, self.product, self.confidence)
    }
}

/// A product's name for logs and lists: what would move a cursor is left out.
fn printable(text: &str) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    clean.get(..clean.floor_char_boundary(MAX_PRODUCT)).unwrap_or("").into()
}

/// What of a message signs are looked for in, each found once.
struct Facts<'a> {
    message: &'a Message,
    from: Option<NameAddr>,
    contact: Option<NameAddr>,
    boundary: Option<String>,
    origin: &'a str,
    session_name: &'a str,
    user_agents: [Option<&'a str>; 2],
}

impl<'a> Facts<'a> {
    fn of(message: &'a Message) -> Self {
        let (origin, session_name) = sdp_lines(&message.body);
        Self {
            from: message.from(),
            contact: message.headers_all("Contact").next().and_then(|value| NameAddr::parse(value).ok()),
            boundary: message.content_type().and_then(multipart::boundary_of),
            origin: origin.split(' ').next().unwrap_or(""),
            session_name,
            user_agents: [message.header("User-Agent"), message.header("Server")],
            message,
        }
    }

    /// Whether a value in `place` fits.
    fn values(&self, place: Place, fits: impl Fn(&str) -> bool) -> bool {
        match place {
            Place::ContactUser => self.contact.as_ref().and_then(|a| a.uri.user.as_deref()).is_some_and(fits),
            Place::Host => [&self.from, &self.contact].into_iter().flatten().any(|a| fits(&a.uri.host)),
            Place::UserAgent => self.user_agents.into_iter().flatten().any(fits),
            Place::Organization => self.message.header("Organization").is_some_and(fits),
            Place::Boundary => self.boundary.as_deref().is_some_and(fits),
            Place::Origin => fits(self.origin),
            Place::SessionName => fits(self.session_name),
            Place::CallId => self.message.call_id().is_some_and(fits),
            Place::Header(name) => self.message.headers.fields(name).any(|field| fits(&field.value)),
            Place::FromParam(name) => self.from.as_ref().and_then(|a| a.anywhere(name)).is_some_and(fits),
            Place::Namespace | Place::Element | Place::RootPrefix | Place::Aor | Place::SessionId => false,
        }
    }
}

/// The values of `o=` and `s=`: the first lines of `body` that begin so, wherever the SDP stands.
fn sdp_lines(body: &[u8]) -> (&str, &str) {
    let (mut origin, mut name) = (None, None);
    for line in lines(body) {
        match line {
            [b'o', b'=', value @ ..] if origin.is_none() => origin = Some(value),
            [b's', b'=', value @ ..] if name.is_none() => name = Some(value),
            // By then the description is over.
            [b'm', b'=', ..] => break,
            _ => {}
        }
    }
    (text(origin), text(name))
}

fn text(value: Option<&[u8]>) -> &str {
    core::str::from_utf8(value.unwrap_or_default()).unwrap_or("").trim()
}

impl Shape {
    fn fits(self, value: &str) -> bool {
        let begins = |value: &[u8], start: &str| {
            value.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
        };
        match self {
            Self::Is(text) => value.eq_ignore_ascii_case(text),
            Self::Begins(text) => begins(value.as_bytes(), text),
            Self::Contains(text) => {
                let first = text.as_bytes().first().copied().unwrap_or_default();
                let starts = value.bytes().enumerate().filter(|(_, byte)| byte.eq_ignore_ascii_case(&first));
                starts.into_iter().any(|(at, _)| begins(value.as_bytes().get(at..).unwrap_or_default(), text))
            }
            Self::Like(pattern) => is_like(value, pattern),
            Self::Present => true,
        }
    }
}

fn is_like(value: &str, pattern: &str) -> bool {
    let mut bytes = value.bytes();
    for wanted in pattern.bytes() {
        if wanted == b'*' {
            return true;
        }
        let Some(byte) = bytes.next() else { return false };
        let fits = match wanted {
            b'H' => byte.is_ascii_hexdigit(),
            b'D' => byte.is_ascii_digit(),
            _ => byte.eq_ignore_ascii_case(&wanted),
        };
        if !fits {
            return false;
        }
    }
    bytes.next().is_none()
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ContactUser => f.write_str("the Contact's user"),
            Self::Host => f.write_str("a host"),
            Self::UserAgent => f.write_str("User-Agent"),
            Self::Organization => f.write_str("Organization"),
            Self::Boundary => f.write_str("the boundary"),
            Self::Origin => f.write_str("o="),
            Self::SessionName => f.write_str("s="),
            Self::CallId => f.write_str("Call-ID"),
            Self::Header(name) => f.write_str(name),
            Self::FromParam(name) => write!(f, "From's parameter {name}"),
            Self::Namespace => f.write_str("a namespace"),
            Self::Element => f.write_str("an extension element"),
            Self::RootPrefix => f.write_str("the root's prefix"),
            Self::Aor => f.write_str("an address"),
            Self::SessionId => f.write_str("session_id"),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(text) => write!(f, "is {text}"),
            Self::Begins(text) => write!(f, "begins with {text}"),
            Self::Contains(text) => write!(f, "contains {text}"),
            Self::Like(pattern) => write!(f, "looks like {pattern}"),
            Self::Present => f.write_str("is there"),
        }
    }
}

#[cfg(test)]
#[path = "profile_tests.rs"]
mod tests;
