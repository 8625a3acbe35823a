//! Who is heard at all, and how often: decided before anything is allocated for a request.
//!
//! ```text
//! bytes -> stranger, or out of its rate? --no--> parse -> scanner? rate? -> transactions
//!                  |yes                                      |
//!          of a call that is known? --no--> nothing          +--> silence, or a refusal that is not remembered
//! ```
//! What belongs to a call that is known is always heard. A sender is known by its address or certificate; what it
//! calls itself is not asked, since anybody can write that.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;

use super::limits::{MAX_SOURCES, SAVED_UP};
use super::peers::{Asker, Network, Refusal};
use super::srs::Srs;
use super::{Output, Tell};
use crate::sip::check::Rejection;
use crate::sip::message::Message;
use crate::sip::{Flow, Method, Transport};
use crate::time::{Monotonic, Now};

/// The same kind of thing is told this often at most; the rest is counted.
const TOLD_EVERY: Duration = Duration::from_secs(1);
/// What tools that look for telephone systems to break into call themselves, in lower case: a word of User-Agent.
const SCANNERS: [&str; 13] = [
    "friendly-scanner",
    "friendly-request",
    "sipvicious",
    "sundayddr",
    "sip-scan",
    "sipcli",
    "vaxsipuseragent",
    "vaxipuseragent",
    "pplsip",
    "iwar",
    "smap",
    "sipptk",
    "siparmyknife",
];
/// What they put into From or To by default.
const SCANNERS_PARTIES: [&str; 3] = ["\"sipvicious\"", "sip:100@1.1.1.1", "sip:nm@nm"];

/// What is done about who should not be here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It is heard all the same.
    Accept,
    /// It is answered 403.
    Refuse,
    /// It hears nothing: to it, there is no server.
    Silent,
}

/// Who is heard at all, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// Addresses that are known beside the table of peers.
    pub allowed: Vec<Network>,
    /// What becomes of everybody else.
    pub unknown: Manner,
    /// What becomes of scanners.
    pub scanners: Manner,
    /// New requests a second from one address that is not known; none: no limit.
    pub unknown_per_second: Option<u32>,
    /// From all of those together.
    pub unknown_together_per_second: Option<u32>,
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            allowed: Vec::new(),
            unknown: Manner::Accept,
            scanners: Manner::Accept,
            unknown_per_second: None,
            unknown_together_per_second: None,
        }
    }
}

/// What was kept out since the figures were last taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeptOut {
    /// Messages of addresses that may not send any.
    pub strangers: u64,
    /// Requests of scanners.
    pub scanners: u64,
    /// Requests beyond the rate of their sender.
    pub too_many: u64,
    /// What could not be read, answered or not.
    pub unreadable: u64,
    /// Streams of strangers, beyond their number or silent.
    pub streams: u64,
}

/// Why something was kept out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The address may not send.
    Stranger,
    /// A tool that looks for what can be broken into.
    Scanner,
    /// More requests than its sender may make.
    TooMany,
    /// A stranger's stream that carries no call, silent or one too many.
    Streams,
}

/// The server's memory of who sent how much.
#[derive(Debug, Default)]
pub(super) struct Admission {
    sources: Rates,
    together: Rate,
    kept_out: KeptOut,
    /// When each kind was last told, and how many were not told since.
    told: BTreeMap<Reason, (Monotonic, u64)>,
}

/// What a sender is, before anything of its message is believed.
enum Source {
    /// A peer, with its rate.
    Peer(Option<u32>),
    Stranger,
}

impl Srs {
    /// Whether a stream that was accepted is listened to.
    pub(super) fn admits_connection(&mut self, now: Now, flow: &Flow) -> bool {
        let admitted = self.policy.guard.unknown != Manner::Silent || !self.is_stranger(flow);
        if !admitted {
            self.keep_out(now, flow, Reason::Stranger);
        }
        admitted
    }

    /// Whether bytes are worth reading.
    pub(super) fn admits_bytes(&mut self, now: Now, flow: &Flow, bytes: &[u8]) -> bool {
        let guard = &self.policy.guard;
        let unheard = guard.unknown == Manner::Silent && self.is_stranger(flow);
        let reason = if unheard {
            Reason::Stranger
        } else if flow.transport == Transport::Udp && self.is_spent(now, flow) {
            Reason::TooMany
        } else {
            return true;
        };
        // Dear, and so asked last: a sender that is over its rate may have calls.
        if bytes.starts_with(b"SIP/2.0") || raw_call_id(bytes).is_some_and(|call_id| self.knows_call(call_id)) {
            return true;
        }
        self.keep_out(now, flow, reason);
        false
    }

    /// Whether a message is passed on. One that is not may have been answered, without being remembered.
    pub(super) fn admits(&mut self, now: Now, flow: &Flow, message: &Message) -> bool {
        let is_new = message.is_request() && message.method() != Some(&Method::Ack);
        if !is_new || message.call_id().is_some_and(|call_id| self.knows_call(call_id)) {
            return true;
        }
        let source = self.source_of(flow);
        let guard = &self.policy.guard;
        let (reason, rejection) = match source {
            Source::Stranger if guard.unknown != Manner::Accept && !guard.holds(flow.remote.ip()) => {
                (Reason::Stranger, refused(guard.unknown))
            }
            Source::Stranger if guard.scanners != Manner::Accept && is_scanner(message) => {
                (Reason::Scanner, refused(guard.scanners))
            }
            Source::Stranger => {
                let (one, all) = (guard.unknown_per_second, guard.unknown_together_per_second);
                let monotonic = now.monotonic;
                let taken = self.admission.sources.take(monotonic, flow.remote.ip(), one);
                if taken && self.admission.together.take(monotonic, all) {
                    return true;
                }
                self.asked_too_much(now, flow);
                // Answers to datagrams would go to whomever their sender names.
                let answered = flow.transport != Transport::Udp;
                (Reason::TooMany, answered.then(|| busy(&Refusal::default())))
            }
            Source::Peer(per_second) => {
                if self.admission.sources.take(now.monotonic, flow.remote.ip(), per_second) {
                    return true;
                }
                let asker = self.asker(flow, message);
                let rules = self.policy.peer_for(&asker).map_or(&self.policy.rules, |peer| &peer.rules);
                (Reason::TooMany, Some(busy(&rules.refusal)))
            }
        };
        if let Some(rejection) = rejection {
            let tag = stateless_tag(message);
            self.transactions.refuse_stateless(flow, message, &rejection, &tag);
        }
        self.keep_out(now, flow, reason);
        false
    }

    /// Whether something that cannot be read is answered and told: it counts as a request of its sender's.
    pub(super) fn admits_unreadable(&mut self, now: Now, flow: &Flow) -> bool {
        self.admission.kept_out.unreadable += 1;
        let (address, at) = (flow.remote.ip(), now.monotonic);
        let admitted = match self.source_of(flow) {
            Source::Peer(per_second) => self.admission.sources.take(at, address, per_second),
            Source::Stranger => {
                let (one, all) = (self.policy.guard.unknown_per_second, self.policy.guard.unknown_together_per_second);
                self.admission.sources.take(at, address, one) && self.admission.together.take(at, all)
            }
        };
        if !admitted {
            self.asked_too_much(now, flow);
            self.keep_out(now, flow, Reason::TooMany);
        }
        admitted
    }

    /// What was kept out since this was last asked.
    pub fn take_kept_out(&mut self) -> KeptOut {
        core::mem::take(&mut self.admission.kept_out)
    }

    /// Who sends a request, for the table of peers.
    pub(super) fn asker<'a>(&'a self, flow: &Flow, message: &'a Message) -> Asker<'a> {
        Asker {
            address: flow.remote.ip(),
            certificate: self.certificate_of(flow),
            user_agent: message.header("User-Agent"),
        }
    }

    fn source_of(&self, flow: &Flow) -> Source {
        let address = flow.remote.ip();
        let certificate = self.certificate_of(flow);
        match self.policy.peers.iter().find(|peer| peer.who.knows_source(address, certificate)) {
            Some(peer) if peer.rules.allow => Source::Peer(peer.rules.requests_per_second),
            None if self.policy.guard.holds(address) => Source::Peer(self.policy.rules.requests_per_second),
            Some(_) | None => Source::Stranger,
        }
    }

    /// Whether the sender is known, by address or certificate.
    pub(super) fn is_peer(&self, flow: &Flow) -> bool {
        matches!(self.source_of(flow), Source::Peer(_))
    }

    fn is_stranger(&self, flow: &Flow) -> bool {
        self.policy.guard.unknown != Manner::Accept && matches!(self.source_of(flow), Source::Stranger)
    }

    /// Whether a stranger has used up its rate, or strangers all of theirs.
    fn is_spent(&self, now: Now, flow: &Flow) -> bool {
        let guard = &self.policy.guard;
        let spent = self.admission.sources.is_spent(now.monotonic, flow.remote.ip(), guard.unknown_per_second)
            || self.admission.together.is_spent(now.monotonic, guard.unknown_together_per_second);
        spent && matches!(self.source_of(flow), Source::Stranger)
    }

    fn knows_call(&self, call_id: &str) -> bool {
        !self.sessions_of_call(call_id).is_empty() || self.recently_ended.contains_key(call_id)
    }

    pub(super) fn keep_out(&mut self, now: Now, flow: &Flow, reason: Reason) {
        let Admission { kept_out, told, .. } = &mut self.admission;
        match reason {
            Reason::Stranger => kept_out.strangers += 1,
            Reason::Scanner => kept_out.scanners += 1,
            Reason::TooMany => kept_out.too_many += 1,
            Reason::Streams => kept_out.streams += 1,
        }
        let (remote, at) = (flow.remote, now.monotonic);
        match told.get_mut(&reason) {
            Some((last, untold)) if at.since(*last) < TOLD_EVERY => *untold += 1,
            earlier => {
                let untold = earlier.map_or(0, |(_, untold)| *untold);
                told.insert(reason, (at, 0));
                self.out.push_back(Output::Tell(Tell::KeptOut { remote, reason, untold }));
            }
        }
    }
}

impl Guard {
    fn holds(&self, address: IpAddr) -> bool {
        self.allowed.iter().any(|network| network.holds(address))
    }
}

fn refused(manner: Manner) -> Option<Rejection> {
    (manner == Manner::Refuse).then(|| Rejection::new(403, "Forbidden", "RFC 3261 21.4.4"))
}

/// What a peer is told that asks for more than there is: by its own settings.
pub(super) fn busy(refusal: &Refusal) -> Rejection {
    let reason = match refusal.status {
        486 => "Busy Here",
        600 => "Busy Everywhere",
        480 => "Temporarily Unavailable",
        300..400 => "Moved Temporarily",
        _ => "Service Unavailable",
    };
    let mut rejection = Rejection::new(refusal.status, reason, "RFC 3261 21.5.4");
    if let Some(seconds) = refusal.retry_after_seconds {
        rejection.headers.push(("Retry-After", format!("{seconds}")));
    }
    if let Some(contact) = &refusal.contact {
        rejection.headers.push(("Contact", format!("<{contact}>")));
    }
    rejection
}

fn is_scanner(message: &Message) -> bool {
    let has = |name: &str, marks: &[&str], is_in: fn(&str, &str) -> bool| {
        message.header(name).is_some_and(|value| {
            let value = value.to_ascii_lowercase();
            marks.iter().any(|mark| is_in(&value, mark))
        })
    };
    let stands = |name: &str| has(name, &SCANNERS_PARTIES, |value, mark| value.contains(mark));
    has("User-Agent", &SCANNERS, has_word) || stands("From") || stands("To")
}

/// Whether `word` stands in `text` by itself: `sipcli/v1.8` has the word `sipcli`, `SIPClient` and `my-sipcli` have not.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let bytes = text.as_bytes();
    text.match_indices(word).any(|(at, _)| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        let after = bytes.get(at + word.len());
        !before.is_some_and(|byte| is_part(*byte)) && !after.is_some_and(|byte| is_part(*byte))
    })
}

/// The Call-ID of a message that was not read: whatever stands behind that name at the beginning of a line.
fn raw_call_id(bytes: &[u8]) -> Option<&str> {
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return None;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = line.split_at_checked(colon)?;
        let name = name.trim_ascii();
        if name.eq_ignore_ascii_case(b"Call-ID") || name.eq_ignore_ascii_case(b"i") {
            return core::str::from_utf8(value.get(1..)?).ok().map(str::trim);
        }
    }
    None
}

/// The same for the same request (RFC 3261 8.2.7).
fn stateless_tag(request: &Message) -> String {
    let mut hasher = crc32fast::Hasher::new();
    for value in [request.call_id(), request.from_tag(), request.header("CSeq")] {
        hasher.update(value.unwrap_or("").as_bytes());
        hasher.update(b"\n");
    }
    format!("{:08x}", hasher.finalize())
}

/// A rate: a moment that each request moves on by its share of a second. It may run ahead of now by what can be saved
/// up, no further. (The generic cell rate algorithm of ATM: a token bucket in one number.)
#[derive(Debug, Clone, Copy, Default)]
struct Rate(Monotonic);

impl Rate {
    fn take(&mut self, now: Monotonic, per_second: Option<u32>) -> bool {
        let Some(per_second) = per_second else { return true };
        if self.is_spent(now, Some(per_second)) {
            return false;
        }
        self.0 = self.0.max(now).after(Duration::from_secs(1) / per_second.max(1));
        true
    }

    fn is_spent(&self, now: Monotonic, per_second: Option<u32>) -> bool {
        per_second.is_some_and(|per_second| {
            let share = Duration::from_secs(1) / per_second.max(1);
            self.0.since(now) + share > SAVED_UP.max(share)
        })
    }
}

/// The rates of senders; who was silent longest goes first, which gives it no more than a fresh start.
#[derive(Debug, Default)]
struct Rates {
    rates: BTreeMap<IpAddr, (Monotonic, Rate)>,
    by_age: BTreeSet<(Monotonic, IpAddr)>,
}

impl Rates {
    fn take(&mut self, now: Monotonic, address: IpAddr, per_second: Option<u32>) -> bool {
        if per_second.is_none() {
            return true;
        }
        let address = site(address);
        if let Some((seen, _)) = self.rates.get(&address) {
            self.by_age.remove(&(*seen, address));
        } else if self.rates.len() >= MAX_SOURCES
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.rates.remove(&oldest);
        }
        self.by_age.insert((now, address));
        let (seen, rate) = self.rates.entry(address).or_default();
        *seen = now;
        rate.take(now, per_second)
    }

    fn is_spent(&self, now: Monotonic, address: IpAddr, per_second: Option<u32>) -> bool {
        self.rates.get(&site(address)).is_some_and(|(_, rate)| rate.is_spent(now, per_second))
    }
}

/// Whom an address stands for: of IPv6, everybody has 2^64.
pub fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Monotonic = Monotonic(1_000_000_000_000);

    #[test]
    fn a_rate_lets_two_seconds_worth_through_and_then_its_share() {
        let mut rate = Rate::default();
        let count = |rate: &mut Rate, at| (0..1000).filter(|_| rate.take(at, Some(10))).count();
        assert_eq!(count(&mut rate, NOW), 20);
        assert_eq!(count(&mut rate, NOW.after(Duration::from_millis(500))), 5);
        assert_eq!(count(&mut rate, NOW.after(Duration::from_secs(100))), 20);
        assert!(rate.take(NOW, None), "no limit");
        let mut slow = Rate::default();
        assert!(slow.take(NOW, Some(1)) && slow.take(NOW, Some(1)) && !slow.take(NOW, Some(1)));
    }

    #[test]
    fn the_table_is_bounded_and_forgets_who_was_silent_longest() {
        let mut rates = Rates::default();
        let address = |n: usize| IpAddr::from((n as u32).to_be_bytes());
        for n in 0..MAX_SOURCES + 10 {
            let at = Monotonic(NOW.0 + n as u64);
            assert!(rates.take(at, address(n), Some(1)) && rates.take(at, address(n), Some(1)));
        }
        assert_eq!((rates.rates.len(), rates.by_age.len()), (MAX_SOURCES, MAX_SOURCES));
        let late = Monotonic(NOW.0 + MAX_SOURCES as u64 + 10);
        assert!(!rates.is_spent(late, address(0), Some(1)) && rates.is_spent(late, address(10), Some(1)));
    }

    #[test]
    fn an_ipv6_site_is_one_sender() {
        let mut rates = Rates::default();
        let address = |n: u64| IpAddr::from(Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(n)));
        assert_eq!((0..100).filter(|n| rates.take(NOW, address(*n), Some(5))).count(), 10);
        assert_eq!(site("::ffff:192.0.2.1".parse().unwrap()), "192.0.2.1".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn a_call_id_is_found_without_reading_the_message() {
        assert_eq!(raw_call_id(b"BYE sip:a SIP/2.0\r\nVia: x\r\nCall-ID:  a@b \r\n\r\n"), Some("a@b"));
        assert_eq!(raw_call_id(b"BYE sip:a SIP/2.0\ni : c\n\n"), Some("c"));
        assert_eq!(raw_call_id(b"BYE sip:a SIP/2.0\r\nX: y\r\n\r\nCall-ID: body\r\n"), None);
        assert_eq!(raw_call_id(b"junk"), None);
    }

    #[test]
    fn scanners_are_known_by_what_they_write() {
        let message = |name: &str, value: &str| Message::request(Method::Options, "sip:a").with(name, value);
        for (name, value) in [
            ("User-Agent", "friendly-scanner"),
            ("User-Agent", "sipcli/v1.8"),
            ("User-Agent", "VaxSIPUserAgent/3.1"),
            ("From", "\"sipvicious\"<sip:100@1.1.1.1>;tag=6433"),
            ("To", "<sip:100@1.1.1.1>"),
        ] {
            assert!(is_scanner(&message(name, value)), "{value}");
        }
        for (name, value) in [
            ("User-Agent", "Acme SBC/9"),
            ("User-Agent", "Acme SIPClient/2.1"),
            ("User-Agent", "Genesys SIPClient 8"),
            ("User-Agent", "roadsmap server"),
            ("User-Agent", "Teles-iwar/x"),
            ("From", "<sip:100@192.0.2.1>"),
            ("Subject", "sipvicious"),
        ] {
            assert!(!is_scanner(&message(name, value)), "{value}");
        }
    }
}
