//! SRTP keys of a session's streams (SDES, RFC 4568): agreed on with each offer and answer, kept wrapped.
//!
//! ```text
//! offer's line -> agree -> our key -> answer's line    our lines (one a suite) -> offer -> answer's line -> agree
//!                      \-> Event::SrtpKeys, checkpoint (wrapped), port (Protection)
//! ```
//! The same line again changes nothing: sources keep their rollover counters. Another key is a re-key.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use serde::{Deserialize, Serialize};

use super::streams::{Live, Streams};
use super::{Kept, Outbox, Output};
use crate::entry::{Event, PortIndex, SrtpRefusals};
use crate::media::{Protection, SrtpStatistics};
use crate::node_key::NodeKey;
use crate::sdp::Decided;
use crate::sdp::crypto::{Crypto, CryptoPolicy, MasterKey};
use crate::seed::{Random, SessionId};
use crate::srtp::{REPORTS_RESERVED, ReceiverState, SenderState};
use crate::time::Wall;

/// So many sealed packets without one that is authentic are an alarm: a second of a stream, which no re-key under way takes.
const UNDECRYPTABLE: u64 = 50;

/// Refused packets are told of no more often, but for the first and the last.
const REFUSALS_APART: Duration = Duration::from_secs(60);

/// Where keys come from and how they are written down.
pub(super) struct Keyring<'a> {
    /// Known to nobody: a session's own seed stands in its journal.
    pub(super) random: &'a mut Random,
    pub(super) node: &'a NodeKey,
    pub(super) session: SessionId,
}

/// The keys of a stream. What is written of them is wrapped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct StreamKeys {
    wrapped: String,
    /// How far the SRC's sources have come.
    receiver: ReceiverState,
    /// What is reserved for our reports.
    sender: SenderState,
    #[serde(skip)]
    open: Open,
    #[serde(skip)]
    heard: Heard,
}

/// What a worker told last.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Heard {
    authentic: u64,
    sealed: u64,
    /// Of those kept sealed: since the last that was authentic.
    sealed_in_a_row: u64,
    alarmed: bool,
    refused: SrtpRefusals,
    /// Of those, what the journal knows, and since when.
    written: SrtpRefusals,
    written_at: Option<Wall>,
}

/// What is to be done about a worker's word on a port's SRTP.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct SrtpNews {
    /// Indices were reserved: to be written, then granted.
    pub(super) reserved: bool,
    /// The stream flows, though nobody can decrypt it.
    pub(super) flows: bool,
    /// That it cannot be decrypted is an alarm from now on, or is over.
    pub(super) undecryptable: Option<bool>,
    /// What was refused, where the journal and the log are to be told.
    pub(super) refused: Option<SrtpRefusals>,
}

impl Heard {
    /// Takes figures; whether sealed packets came, and whether the alarm changes by it.
    fn take(&mut self, told: &SrtpStatistics) -> (bool, Option<bool>) {
        let heard = told.authentic > self.authentic;
        let sealed = told.sealed.saturating_sub(self.sealed);
        self.sealed_in_a_row = if heard { 0 } else { self.sealed_in_a_row.saturating_add(sealed) };
        (self.authentic, self.sealed) = (told.authentic, told.sealed);
        let alarmed = (self.alarmed && !heard) || self.sealed_in_a_row >= UNDECRYPTABLE;
        let changed = core::mem::replace(&mut self.alarmed, alarmed) != alarmed;
        self.refused = told.refused;
        (sealed > 0, changed.then_some(alarmed))
    }

    /// What was refused that nobody was told of. `at_once`: else it is told seldom.
    fn untold(&mut self, now: Wall, at_once: bool) -> Option<SrtpRefusals> {
        let untold = self.refused.since(self.written);
        let is_due = at_once || self.written_at.is_none_or(|at| at.after(REFUSALS_APART) <= now);
        if untold.is_none() || !is_due {
            return None;
        }
        (self.written, self.written_at) = (self.refused, Some(now));
        Some(untold)
    }
}

/// The keys themselves.
#[derive(Debug, Clone, Default, PartialEq)]
struct Open {
    /// The SRC's line; none as long as our offer has no answer.
    theirs: Option<Crypto>,
    /// Our lines: one, or one a suite while our offer has no answer.
    ours: Vec<Crypto>,
    /// Theirs and ours for RTCP, where a handshake of its own has brought them.
    reports: Option<(Crypto, Crypto)>,
    /// They are of before a restart.
    resumed: bool,
}

impl StreamKeys {
    fn new(open: Open, port: PortIndex, keyring: &Keyring<'_>) -> Self {
        // Who knows the keys knows this reservation: they are written down together.
        let sender = SenderState { reserved: REPORTS_RESERVED };
        let wrapped = open.wrap(port, keyring);
        Self { wrapped, receiver: ReceiverState::default(), sender, open, heard: Heard::default() }
    }

    fn set_theirs(&mut self, theirs: &Crypto, port: PortIndex, keyring: &Keyring<'_>) {
        self.open.theirs = Some(theirs.clone());
        self.receiver = ReceiverState::default();
        self.wrapped = self.open.wrap(port, keyring);
    }

    /// For the port.
    fn protection(&self) -> Arc<Protection> {
        let Open { theirs, ours, reports, resumed } = &self.open;
        let of = |crypto: &Crypto| crypto.keys.first().cloned();
        let theirs_encryption = theirs.as_ref().map(|theirs| theirs.encryption).unwrap_or_default();
        Arc::new(Protection {
            theirs: theirs.as_ref().map(|theirs| theirs.keys.clone()).unwrap_or_default(),
            reports: reports.as_ref().map(|(theirs, _)| theirs.keys.clone()).unwrap_or_default(),
            // As long as it is open which of ours counts, nothing is sent.
            ours: match reports {
                Some((_, ours)) => of(ours),
                None => ours.first().filter(|_| theirs.is_some()).and_then(of),
            },
            encryption: theirs_encryption,
            receiver: self.receiver.clone(),
            sender: self.sender,
            resumed: *resumed,
        })
    }

    pub(super) fn event(&self, port: PortIndex) -> Event {
        let suite = self.open.theirs.as_ref().map(|theirs| theirs.suite);
        Event::SrtpKeys { port, suite, wrapped: self.wrapped.clone() }
    }
}

impl Open {
    /// Whether there is a key of ours.
    fn sends(&self) -> bool {
        !self.ours.is_empty() || self.reports.is_some()
    }

    /// The lines, each behind whose it is.
    fn wrap(&self, port: PortIndex, keyring: &Keyring<'_>) -> String {
        let mut text = zeroize::Zeroizing::new(String::new());
        let reports = self.reports.iter().flat_map(|(theirs, ours)| [("rt ", theirs), ("ro ", ours)]);
        let lines = self.theirs.iter().map(|line| ("t ", line)).chain(self.ours.iter().map(|line| ("o ", line)));
        for (whose, crypto) in lines.chain(reports) {
            text.push_str(whose);
            text.push_str(&crypto.encode());
            text.push('\n');
        }
        keyring.node.wrap(&purpose(keyring.session, port), text.as_bytes())
    }

    fn unwrap(wrapped: &str, port: PortIndex, keyring: &Keyring<'_>) -> Option<Self> {
        let open = Self::parse(&keyring.node.open(&purpose(keyring.session, port), wrapped)?)?;
        Some(Self { resumed: true, ..open })
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let mut open = Self::default();
        let (mut report_theirs, mut report_ours) = (None, None);
        for line in core::str::from_utf8(text).ok()?.lines() {
            match line.split_once(' ')? {
                ("t", line) => open.theirs = Crypto::parse(line).ok(),
                ("rt", line) => report_theirs = Crypto::parse(line).ok(),
                ("ro", line) => report_ours = Crypto::parse(line).ok(),
                (_, line) => open.ours.extend(Crypto::parse(line).ok()),
            }
        }
        open.reports = report_theirs.zip(report_ours);
        Some(open)
    }
}

/// The SRC's keys of an [`Event::SrtpKeys`]; none where another node wrapped them, or they are not known yet.
pub(crate) fn unwrap_keys(node: &NodeKey, session: SessionId, port: PortIndex, wrapped: &str) -> Option<Crypto> {
    Open::parse(&node.open(&purpose(session, port), wrapped)?)?.theirs
}

/// The keys of an [`Event::SrtpKeys`] of session `from`, wrapped anew for the journal of session `to` of another node.
/// `None` where `from`'s node did not wrap them.
pub fn rewrap_keys(
    from: (&NodeKey, SessionId),
    to: (&NodeKey, SessionId),
    port: PortIndex,
    wrapped: &str,
) -> Option<String> {
    let text = from.0.open(&purpose(from.1, port), wrapped)?;
    Some(to.0.wrap(&purpose(to.1, port), &text))
}

fn purpose(session: SessionId, port: PortIndex) -> Vec<u8> {
    alloc::format!("srtp {session} {}", port.0).into_bytes()
}

impl Streams {
    /// Takes over the keys of an accepted offer of the SRC's, and draws ours. Call before [`Streams::publish`].
    pub(super) fn agree(&mut self, decided: &[Decided], keyring: &mut Keyring<'_>) {
        for (line, decided) in decided.iter().enumerate() {
            let crypto = decided.accepted.as_ref().and_then(|accepted| accepted.crypto.as_ref());
            let Some(live) = self.line_mut(line) else { continue };
            match crypto {
                Some(theirs) => live.answer_keys(theirs, keyring),
                None if live.dtls.is_some() => live.await_keys(keyring),
                None => live.keys = None,
            }
            live.protect();
        }
    }

    /// The lines of an offer of ours: what was agreed on, else one a suite.
    pub(super) fn offer_keys(
        &mut self,
        policy: &CryptoPolicy,
        secure: impl Fn(usize) -> bool,
        keyring: &mut Keyring<'_>,
    ) {
        for line in 0..self.each_line().count() {
            let Some(live) = self.line_mut(line).filter(|live| live.keys.is_none() && secure(line)) else { continue };
            let suites = (1..).zip(policy.suites());
            let own = |(tag, suite)| Crypto::offer(tag, MasterKey::draw(suite, keyring.random).into());
            let open = Open { ours: suites.map(own).collect(), ..Open::default() };
            live.keys = Some(Box::new(StreamKeys::new(open, live.port(), keyring)));
            live.protect();
        }
    }

    /// Takes over the keys of the SRC's answer to an offer of ours.
    pub(super) fn take_answered_keys(&mut self, decided: &[Decided], keyring: &Keyring<'_>) {
        for (line, decided) in decided.iter().enumerate() {
            let crypto = decided.accepted.as_ref().and_then(|accepted| accepted.crypto.as_ref());
            let Some(live) = self.line_mut(line) else { continue };
            match crypto {
                Some(theirs) => live.take_answered_keys(theirs, keyring),
                None if live.dtls.is_some() => live.await_keys(keyring),
                None if decided.accepted.is_some() => live.keys = None,
                None => {}
            }
            live.protect();
        }
    }

    /// Our lines of each m-line, for a description.
    pub(super) fn own_lines(&self) -> Vec<Vec<Crypto>> {
        let own = |live: &Live| live.keys.as_ref().map(|keys| keys.open.ours.clone()).unwrap_or_default();
        // What a handshake yielded is never told.
        let by_sdes = |line: &&Live| line.dtls.is_none();
        self.each_line().map(|line| line.filter(by_sdes).map(own).unwrap_or_default()).collect()
    }

    /// Opens the keys of before a restart. `false`: some cannot be opened, and are forgotten.
    pub(super) fn unwrap_keys(&mut self, keyring: &Keyring<'_>) -> bool {
        let mut whole = true;
        for live in self.live_mut() {
            let port = live.port();
            let Some(keys) = live.keys.as_mut() else { continue };
            match Open::unwrap(&keys.wrapped, port, keyring) {
                Some(open) => keys.open = open,
                None => {
                    live.keys = None;
                    whole = false;
                }
            }
            live.protect();
        }
        whole
    }

    /// What a worker tells of a port's SRTP. What is due to be reserved is kept, then granted.
    pub(super) fn heard_srtp(
        &mut self,
        session: SessionId,
        port: PortIndex,
        now: Wall,
        told: &SrtpStatistics,
        out: &mut Outbox,
    ) -> SrtpNews {
        let keys = self.live_mut().find(|live| live.port() == port).and_then(|live| live.keys.as_mut());
        let Some(keys) = keys else { return SrtpNews::default() };
        keys.receiver.clone_from(&told.receiver);
        let (flows, undecryptable) = keys.heard.take(told);
        let refused = keys.heard.untold(now, undecryptable == Some(true));
        let news = SrtpNews { reserved: false, flows, undecryptable, refused };
        let Some(due) = told.reservation_due.filter(|due| due.reserved > keys.sender.reserved) else { return news };
        keys.sender = due;
        let event = Event::SrtcpReserved { port, reserved: due.reserved };
        out.push_back(Output::Keep { session, at: now, kept: Kept::Event(event) });
        SrtpNews { reserved: true, ..news }
    }

    /// What was refused that nobody was told of, when the session ends.
    pub(super) fn refusals_at_end(&mut self, now: Wall) -> Vec<(PortIndex, SrtpRefusals)> {
        let of = |live: &mut Live| Some((live.port(), live.keys.as_mut()?.heard.untold(now, true)?));
        self.live_mut().filter_map(of).collect()
    }

    /// Lets a port use what is reserved, as soon as that is written.
    pub(super) fn grant(&self, session: SessionId, port: PortIndex, out: &mut Outbox) {
        let keys = self.live().find(|live| live.port() == port).and_then(|live| live.keys.as_ref());
        if let Some(reserved) = keys.map(|keys| keys.sender) {
            out.push_back(Output::Reserve { session, port, reserved });
        }
    }

    /// After a restart: all that was reserved may have been used. To be granted once it is kept.
    pub(super) fn reserve_anew(&mut self, session: SessionId, now: Wall, out: &mut Outbox) {
        for live in self.live_mut() {
            let port = live.port();
            let Some(keys) = live.keys.as_mut().filter(|keys| keys.open.sends()) else { continue };
            keys.sender.reserved = keys.sender.reserved.saturating_add(REPORTS_RESERVED);
            let event = Event::SrtcpReserved { port, reserved: keys.sender.reserved };
            out.push_back(Output::Keep { session, at: now, kept: Kept::Event(event) });
        }
    }

    /// Grants every port what is reserved.
    pub(super) fn grant_all(&self, session: SessionId, out: &mut Outbox) {
        self.live().for_each(|live| self.grant(session, live.port(), out));
    }
}

impl Live {
    /// A handshake of DTLS is to bring them.
    fn await_keys(&mut self, keyring: &Keyring<'_>) {
        let port = self.port();
        self.keys.get_or_insert_with(|| Box::new(StreamKeys::new(Open::default(), port, keyring)));
    }

    /// A handshake of DTLS has brought them: for the whole stream, or (without rtcp-mux) for one of its sockets.
    pub(super) fn take_dtls_keys(&mut self, is_rtcp: bool, theirs: MasterKey, ours: MasterKey, keyring: &Keyring<'_>) {
        let line = |key: MasterKey| Crypto::offer(1, key.into());
        let before = self.keys.take();
        let known = before.as_ref().map(|keys| (keys.sender, keys.receiver.clone()));
        let heard = before.as_ref().map(|keys| keys.heard).unwrap_or_default();
        let before = before.map(|keys| keys.open).unwrap_or_default();
        let is_muxed = self.settings.rtcp_mux;
        let open = match is_rtcp {
            true => Open { reports: Some((line(theirs), line(ours))), resumed: false, ..before },
            false if is_muxed => Open { theirs: Some(line(theirs)), ours: [line(ours)].to_vec(), ..Open::default() },
            // With what is agreed on for RTP nothing is sent; who reports goes on under the keys that it has.
            false => Open { theirs: Some(line(theirs)), ours: Vec::new(), ..before },
        };
        let has_same_sender = !is_rtcp && open.reports.is_some();
        let mut keys = StreamKeys::new(open, self.port(), keyring);
        match known {
            Some((sender, _)) if has_same_sender => keys.sender = sender,
            Some((_, receiver)) if is_rtcp => keys.receiver = receiver,
            Some(_) | None => {}
        }
        keys.heard = heard;
        self.keys = Some(Box::new(keys));
        self.protect();
    }

    fn answer_keys(&mut self, theirs: &Crypto, keyring: &mut Keyring<'_>) {
        let port = self.port();
        if let Some(keys) = self.keys.as_mut() {
            let own = keys.open.ours.first().and_then(|own| own.keys.first()).map(|own| own.key.clone());
            let same = keys.open.theirs.as_ref().is_some_and(|known| {
                known.suite == theirs.suite && known.keys == theirs.keys && known.encryption == theirs.encryption
            });
            if let Some(answer) = own.filter(|_| same).and_then(|own| theirs.answer(own)) {
                // The tag may be another.
                keys.open.ours = [answer].to_vec();
                return;
            }
        }
        // A second draw equal to one of theirs cannot be.
        let draw = |keyring: &mut Keyring<'_>| theirs.answer(MasterKey::draw(theirs.suite, keyring.random));
        let ours: Vec<Crypto> = draw(keyring).or_else(|| draw(keyring)).into_iter().collect();
        let open = Open { theirs: Some(theirs.clone()), ours, ..Open::default() };
        self.set_keys(StreamKeys::new(open, port, keyring));
    }

    /// Other keys of the same port, whose worker counts on.
    fn set_keys(&mut self, keys: StreamKeys) {
        let heard = self.keys.as_ref().map(|known| known.heard).unwrap_or_default();
        self.keys = Some(Box::new(StreamKeys { heard, ..keys }));
    }

    fn take_answered_keys(&mut self, theirs: &Crypto, keyring: &Keyring<'_>) {
        let port = self.port();
        let Some(keys) = self.keys.as_mut() else {
            // An answer with keys to an offer without: what it protects can be heard, and nothing is sent.
            let open = Open { theirs: Some(theirs.clone()), ..Open::default() };
            self.keys = Some(Box::new(StreamKeys::new(open, port, keyring)));
            return;
        };
        let suits = |own: &&Crypto| own.suite == theirs.suite;
        let tagged = keys.open.ours.iter().find(|own| own.tag == theirs.tag && suits(own));
        let chosen = tagged.or_else(|| keys.open.ours.iter().find(suits)).cloned();
        let ours: Vec<Crypto> = chosen.into_iter().collect();
        let known = keys.open.theirs.as_ref().is_some_and(|known| {
            known.suite == theirs.suite && known.keys == theirs.keys && known.encryption == theirs.encryption
        });
        if known && keys.open.ours == ours {
            return;
        }
        keys.open.ours = ours;
        keys.set_theirs(theirs, port, keyring);
    }

    /// Hands the keys to the port's settings. What was handed over before stays as it is where the keys are the same.
    fn protect(&mut self) {
        let fresh = self.keys.as_deref().map(StreamKeys::protection);
        let same = match (&self.settings.srtp, &fresh) {
            (Some(old), Some(new)) => {
                old.theirs == new.theirs
                    && old.reports == new.reports
                    && old.ours == new.ours
                    && old.encryption == new.encryption
            }
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !same {
            self.settings.srtp = fresh;
        }
    }

    /// The event that tells of the keys, if the journal does not know them.
    pub(super) fn keys_event(&mut self) -> Option<Event> {
        let wrapped = self.keys.as_ref().map(|keys| keys.wrapped.to_string());
        if core::mem::replace(&mut self.published_keys, wrapped.clone()) == wrapped {
            return None;
        }
        self.keys.as_ref().map(|keys| keys.event(self.port()))
    }
}
