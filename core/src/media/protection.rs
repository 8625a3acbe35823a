//! A port's SRTP: packets made plain before anything else looks at them, reports protected.
//!
//! ```text
//! datagram -> open -> Plain -> latch, sources, journal (plain, with its index)
//!                  \-> Sealed: of the stream's sender; kept as it is, and tried again with the next key
//!                  \-> Discarded: forged, replayed; counted, never latched on
//! ```
//! What a packet may cost before it is known to be authentic is bounded. Nothing is allocated a packet: buffers grow to
//! what they need and stay.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;
use serde::{Deserialize, Serialize};

use super::Budget;
use crate::entry::SrtpRefusals;
use crate::rtp::rtcp::{self, Report};
use crate::sdp::crypto::{Encryption, InlineKey};
use crate::srtp::{Receiver, ReceiverState, Sender, SenderState, SrtpError};
use crate::time::Wall;

/// Authentications a second that packets of the stream's sender may fail by, beyond the first of each: 200 packets of a
/// stream whose rollover counter is not known, some 3 ms of a core.
pub const MAX_TRIALS_PER_SECOND: u32 = 12_800;
/// Authentications a second that packets from elsewhere may fail by.
pub const MAX_STRANGER_TRIALS_PER_SECOND: u32 = 1_600;
/// Octets of sealed packets that wait for the next key: seven seconds of G.711. The oldest give way.
pub const MAX_SEALED_OCTETS: usize = 64 << 10;
/// And so many of them: what is tried again costs time.
pub const MAX_SEALED_PACKETS: usize = 512;
/// Sealed packets a second that are written down.
pub const MAX_SEALED_PER_SECOND: u32 = 500;
/// After so many failures in a row a source's rollover counter is doubted.
const DOUBTED_AFTER: u8 = 8;
/// For how long packets under the keys of before are still taken, once one under the new keys has come.
const OVERLAP: Duration = Duration::from_secs(10);

/// What a port's packets are protected with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection {
    /// The SRC's keys. None yet: what comes is kept sealed until they are known.
    pub theirs: Vec<InlineKey>,
    /// The SRC's keys for RTCP, where a handshake of its own has brought them (RFC 5764 4); none: the same.
    pub reports: Vec<InlineKey>,
    /// Ours, for reports. None: nothing is sent.
    pub ours: Option<InlineKey>,
    /// What is encrypted.
    pub encryption: Encryption,
    /// How far the SRC's sources had come before a restart.
    pub receiver: ReceiverState,
    /// Reserved for our reports, where no crash can reach it.
    pub sender: SenderState,
    /// Both states are of before a restart: all that is reserved may have been used.
    pub resumed: bool,
}

impl Protection {
    /// Keys that nothing was protected with yet. `sender`: what is reserved by who keeps them.
    pub fn new(theirs: Vec<InlineKey>, ours: Option<InlineKey>, encryption: Encryption, sender: SenderState) -> Self {
        Self {
            theirs,
            reports: Vec::new(),
            ours,
            encryption,
            receiver: ReceiverState::default(),
            sender,
            resumed: false,
        }
    }

    fn report_receiver(&self) -> Option<Receiver> {
        (!self.reports.is_empty()).then(|| Receiver::new(&self.reports, self.encryption))
    }

    fn sending(&self) -> Option<Sender> {
        let ours = self.ours.as_ref()?;
        if self.resumed {
            return Sender::resume(ours, self.encryption, self.sender);
        }
        let mut sender = Sender::new(ours, self.encryption)?;
        sender.reserve(self.sender);
        Some(sender)
    }
}

/// Figures of a port's SRTP.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SrtpStatistics {
    /// Packets made plain.
    pub authentic: u64,
    /// Packets that were forged, damaged, or under a key that is not known.
    pub unauthentic: u64,
    /// Of those: what was wrong with them. Those that were not tried are among them.
    #[serde(default)]
    pub refused: SrtpRefusals,
    /// Packets that came again, or too late to tell.
    pub replayed: u64,
    /// Packets that were not tried: more than a second's trials had failed.
    pub untried: u64,
    /// Of those not made plain: kept sealed.
    pub sealed: u64,
    /// Of those kept sealed: made plain by a later key.
    pub unsealed: u64,
    /// RTCP made plain.
    pub reports: u64,
    /// RTCP that was forged, damaged, came again, or is under a key that is not known.
    pub reports_refused: u64,
    /// Reports of ours that were not sent for want of a key or a reserved index.
    pub reports_unsent: u64,
    /// How far the sources have come.
    pub receiver: ReceiverState,
    /// What is to be kept, and then given to [`super::Port::reserve`]: our indices run short.
    pub reservation_due: Option<SenderState>,
}

/// What became of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opened {
    /// [`Secured::plain`] is the packet.
    Plain { index: u64 },
    /// It waits for the next key, and is to be written down as it is.
    Sealed,
    /// It waits for the next key, and is written down already, or must not be.
    Waiting,
    /// It is no packet of the stream.
    Refused,
}

/// A port's SRTP.
#[derive(Debug)]
pub(super) struct Secured {
    settings: Arc<Protection>,
    receiver: Receiver,
    /// Of RTCP, where it has keys of its own.
    reports: Option<Receiver>,
    /// The keys of before, and until when they count.
    previous: Option<(Receiver, Option<Wall>)>,
    sender: Option<Sender>,
    plain: Vec<u8>,
    sealed: Sealed,
    trials: Budget,
    stranger_trials: Budget,
    written: Budget,
    /// Failures in a row of the stream's packets.
    failures: u8,
    /// A rollover counter is being looked for.
    doubted: bool,
    /// One a second: whoever forges packets must not make us try all of them again and again.
    retries: Budget,
    figures: SrtpStatistics,
}

/// Sealed packets that wait for a key, oldest first.
#[derive(Debug, Default)]
struct Sealed {
    heads: VecDeque<(Wall, SocketAddr, usize)>,
    octets: VecDeque<u8>,
    /// So many of the oldest are to be tried again.
    due: usize,
    /// The packet that comes next is one of them.
    again: bool,
}

impl Secured {
    pub(super) fn new(settings: Arc<Protection>) -> Self {
        Self {
            receiver: Receiver::resume(&settings.theirs, settings.encryption, &settings.receiver),
            reports: settings.report_receiver(),
            previous: None,
            sender: settings.sending(),
            settings,
            plain: Vec::new(),
            sealed: Sealed::default(),
            trials: Budget::default(),
            stranger_trials: Budget::default(),
            written: Budget::default(),
            failures: 0,
            doubted: false,
            retries: Budget::default(),
            figures: SrtpStatistics::default(),
        }
    }

    /// Takes other keys. `moved`: the SRC sends from another transport address, so its sources begin anew (RFC 4568 7.1.4).
    pub(super) fn update(&mut self, settings: Arc<Protection>, moved: bool) {
        if self.settings.theirs != settings.theirs || self.settings.encryption != settings.encryption {
            let fresh = match moved || self.settings.theirs.is_empty() {
                true => Receiver::resume(&settings.theirs, settings.encryption, &settings.receiver),
                false => self.receiver.rekeyed(&settings.theirs, settings.encryption),
            };
            let before = core::mem::replace(&mut self.receiver, fresh);
            self.previous = (!self.settings.theirs.is_empty()).then_some((before, None));
            self.sealed.try_again();
        }
        if self.settings.reports != settings.reports {
            self.reports = settings.report_receiver();
        }
        if self.settings.ours != settings.ours || self.settings.encryption != settings.encryption {
            self.sender = settings.sending();
        }
        self.settings = settings;
    }

    /// Makes a packet plain. `of_stream`: it comes from where the stream does; `paused`: nothing may be kept of it.
    pub(super) fn open(&mut self, at: Wall, from: SocketAddr, packet: &[u8], of_stream: bool, paused: bool) -> Opened {
        let again = core::mem::take(&mut self.sealed.again);
        self.plain.clear();
        self.plain.extend_from_slice(packet);
        let cost = self.receiver.trials(packet);
        let is_within = again || self.may_fail(at, cost, of_stream);
        if !is_within && !of_stream {
            self.figures.untried += 1;
            self.figures.refused.forged += 1;
            return Opened::Refused;
        }
        // What is likeliest is always tried: no flood under the stream's address keeps the stream itself out. What is tried again
        // was not found in a search before, and is not worth another.
        let trials = match (again, is_within) {
            (true, _) => self.receiver.likely_trials(packet),
            (false, true) => u32::MAX,
            (false, false) => 1,
        };
        let was_searched = self.receiver.is_searching(packet);
        match self.unprotect(at, trials) {
            Ok((length, index)) => {
                self.plain.truncate(length);
                self.figures.authentic += 1;
                self.figures.unsealed += u64::from(again);
                self.failures = 0;
                // Those that failed may have been under the rollover counter that was found now.
                let is_found = was_searched && !self.receiver.is_searching(packet);
                if is_found || (core::mem::take(&mut self.doubted) && self.retries.take(at, 1)) {
                    self.sealed.try_again();
                }
                Opened::Plain { index }
            }
            Err(error @ (SrtpError::Unauthentic | SrtpError::UnknownMki | SrtpError::KeyExpired)) => {
                self.figures.unauthentic += u64::from(!again);
                if !again {
                    self.count_refused(error, of_stream);
                    self.failed(at, if is_within { cost } else { 1 }, of_stream, packet);
                    if is_within && of_stream && error == SrtpError::Unauthentic {
                        self.receiver.search_on(packet);
                    }
                }
                self.keep_sealed(at, from, packet, of_stream && !paused, again)
            }
            Err(SrtpError::Replayed | SrtpError::TooOld) => {
                self.figures.replayed += 1;
                Opened::Refused
            }
            Err(SrtpError::Malformed | SrtpError::TooManySources | SrtpError::NotReserved) => {
                self.figures.unauthentic += 1;
                Opened::Refused
            }
        }
    }

    fn count_refused(&mut self, error: SrtpError, of_stream: bool) {
        let refused = &mut self.figures.refused;
        let count = if error == SrtpError::KeyExpired {
            &mut refused.expired
        } else if self.settings.theirs.is_empty() {
            &mut refused.without_key
        } else if of_stream {
            &mut refused.wrong_key
        } else {
            &mut refused.forged
        };
        *count += 1;
    }

    /// Of the packet that was made plain last.
    pub(super) fn plain(&self) -> &[u8] {
        &self.plain
    }

    /// Length and index of what is now plain, by the keys of today or by those of before.
    fn unprotect(&mut self, at: Wall, trials: u32) -> Result<(usize, u64), SrtpError> {
        if let Some((_, Some(until))) = &self.previous
            && *until < at
        {
            self.previous = None;
        }
        let refused = match self.receiver.unprotect_within(&mut self.plain, trials) {
            Ok(plain) => {
                if let Some((_, until)) = self.previous.as_mut() {
                    until.get_or_insert(at.after(OVERLAP));
                }
                return Ok((plain.length, plain.index));
            }
            Err(refused) => refused,
        };
        let Some((previous, _)) = self.previous.as_mut() else { return Err(refused) };
        previous.unprotect_within(&mut self.plain, trials).map(|plain| (plain.length, plain.index)).map_err(|_| refused)
    }

    /// Whether a packet may be tried that costs so many authentications if it fails.
    fn may_fail(&self, at: Wall, cost: u32, of_stream: bool) -> bool {
        match of_stream {
            true => cost <= 1 || self.trials.has(at, cost, MAX_TRIALS_PER_SECOND),
            false => self.stranger_trials.has(at, cost, MAX_STRANGER_TRIALS_PER_SECOND),
        }
    }

    fn failed(&mut self, at: Wall, cost: u32, of_stream: bool, packet: &[u8]) {
        if !of_stream {
            self.stranger_trials.use_up(at, cost);
            return;
        }
        self.trials.use_up(at, cost.saturating_sub(1));
        self.failures = self.failures.saturating_add(1);
        if self.failures.is_multiple_of(DOUBTED_AFTER)
            && let Some(ssrc) = crate::rtp::packet::u32_at(packet, 8)
        {
            self.receiver.doubt(ssrc);
            self.doubted = true;
        }
    }

    fn keep_sealed(&mut self, at: Wall, from: SocketAddr, packet: &[u8], wanted: bool, again: bool) -> Opened {
        if !wanted {
            return Opened::Refused;
        }
        self.sealed.push(at, from, packet);
        if again || !self.written.take(at, MAX_SEALED_PER_SECOND) {
            return Opened::Waiting;
        }
        self.figures.sealed += 1;
        Opened::Sealed
    }

    /// The oldest sealed packet that is to be tried again, into `out`: pass it to the port as it came.
    pub(super) fn poll_sealed(&mut self, out: &mut Vec<u8>) -> Option<(Wall, SocketAddr)> {
        self.sealed.next(out)
    }

    /// Nothing of before is to be kept any more.
    pub(super) fn forget_sealed(&mut self) {
        self.sealed = Sealed::default();
    }

    /// Makes RTCP plain; [`Secured::plain`] is the packet.
    pub(super) fn open_report(&mut self, packet: &[u8]) -> bool {
        self.plain.clear();
        self.plain.extend_from_slice(packet);
        let receiver = self.reports.as_mut().unwrap_or(&mut self.receiver);
        let opened = receiver.unprotect_report(&mut self.plain).or_else(|refused| {
            let (previous, _) = self.previous.as_mut().ok_or(refused)?;
            previous.unprotect_report(&mut self.plain)
        });
        match opened {
            Ok(report) => {
                self.plain.truncate(report.length);
                self.figures.reports += 1;
                true
            }
            Err(_) => {
                self.figures.reports_refused += 1;
                false
            }
        }
    }

    /// Protects a report of ours. `false`: it cannot be sent.
    pub(super) fn protect(&mut self, report: &mut Vec<u8>) -> bool {
        let protected = self.sender.as_mut().is_some_and(|sender| sender.protect_report(report).is_ok());
        self.figures.reports_unsent += u64::from(!protected);
        protected
    }

    /// What was due is kept.
    pub(super) fn reserve(&mut self, kept: SenderState) {
        if let Some(sender) = self.sender.as_mut() {
            sender.reserve(kept);
        }
    }

    /// Who says goodbye in the report that was just made plain makes room (RFC 4568 6.5). As long as there is any, its window
    /// stays, and its packets cannot be played again.
    pub(super) fn heed_goodbyes(&mut self) {
        if !self.receiver.is_full() {
            return;
        }
        for report in rtcp::parse(&self.plain).into_iter().flatten() {
            if let Report::Goodbye(ssrcs) = report {
                ssrcs.iter().for_each(|ssrc| self.receiver.forget(ssrc));
            }
        }
    }

    /// Figures at this moment, into the memory of earlier ones.
    pub(super) fn statistics_into(&self, into: &mut SrtpStatistics) {
        let mut receiver = core::mem::take(&mut into.receiver);
        self.receiver.state_into(&mut receiver);
        let reservation_due = self.sender.as_ref().and_then(Sender::reservation_due);
        *into = SrtpStatistics { receiver, reservation_due, ..self.figures.clone() };
    }
}

impl Sealed {
    fn push(&mut self, at: Wall, from: SocketAddr, packet: &[u8]) {
        if packet.len() > MAX_SEALED_OCTETS {
            return;
        }
        let is_full = |sealed: &Self| {
            sealed.heads.len() >= MAX_SEALED_PACKETS || sealed.octets.len() + packet.len() > MAX_SEALED_OCTETS
        };
        while is_full(self) && self.pop().is_some() {}
        self.heads.push_back((at, from, packet.len()));
        self.octets.extend(packet);
    }

    fn pop(&mut self) -> Option<(Wall, SocketAddr, usize)> {
        let head = self.heads.pop_front()?;
        self.octets.drain(..head.2.min(self.octets.len()));
        self.due = self.due.saturating_sub(1);
        Some(head)
    }

    fn try_again(&mut self) {
        self.due = self.heads.len();
    }

    fn next(&mut self, out: &mut Vec<u8>) -> Option<(Wall, SocketAddr)> {
        let (_, _, length) = self.heads.front().filter(|_| self.due > 0)?;
        out.clear();
        out.extend(self.octets.iter().take(*length));
        let (at, from, _) = self.pop()?;
        self.again = true;
        Some((at, from))
    }
}
