//! SRTP: packets opened with the keys that messages tell, and closed under those that the written messages tell instead.
//!
//! Whose key protects which packets is found by trial: a key that authenticates a packet is the one.

use std::collections::HashMap;
use std::net::SocketAddr;

use siprec_core::anonymise::Anonymiser;
use siprec_core::sdp::crypto::{Crypto, InlineKey};
use siprec_core::srtp::{Receiver, Sender, SrtpError};

/// Packets between the same ends after which, if none could be opened, no key is tried any more.
const PATIENCE: u32 = 50;

/// Flows whose keys are remembered; beyond, they are found anew.
const MAX_FLOWS: usize = 100_000;

/// All keys, and which of them each flow uses.
pub(super) struct Protection {
    keys: Vec<Keys>,
    flows: HashMap<(SocketAddr, SocketAddr), Flow>,
}

struct Keys {
    theirs: Crypto,
    ours: Vec<InlineKey>,
}

#[derive(Default)]
struct Flow {
    /// The place of the key, and what holds its state; the newest last.
    opened: Vec<(usize, Receiver, Vec<Sender>)>,
    failed: u32,
}

/// A packet that was opened: plain, and how it is closed again.
pub(super) struct Opened<'a> {
    pub(super) packet: Vec<u8>,
    sender: &'a mut Sender,
    index: u64,
    is_report: bool,
}

/// Why a packet is not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// No key opens it.
    NoKey,
    /// It was there before, or is too late to tell.
    Repeated,
}

impl Protection {
    pub(super) fn new(keys: Vec<Crypto>, anonymiser: &Anonymiser) -> Self {
        let with_ours = |theirs: Crypto| {
            let ours = theirs.keys.iter().map(|key| anonymiser.key(key)).collect::<Option<Vec<_>>>()?;
            Some(Keys { theirs, ours })
        };
        Self { keys: keys.into_iter().filter_map(with_ours).collect(), flows: HashMap::new() }
    }

    /// Opens a packet.
    pub(super) fn open(
        &mut self,
        (from, to): (SocketAddr, SocketAddr),
        packet: &[u8],
        is_report: bool,
    ) -> Result<Opened<'_>, Closed> {
        if self.keys.is_empty() {
            return Err(Closed::NoKey);
        }
        if self.flows.len() >= MAX_FLOWS && !self.flows.contains_key(&(from, to)) {
            self.flows.clear();
        }
        let flow = self.flows.entry((from, to)).or_default();
        let mut plain = packet.to_vec();
        let mut repeated = false;
        let mut found = None;
        for (place, (_, receiver, _)) in flow.opened.iter_mut().enumerate().rev() {
            match unprotect(receiver, &mut plain, is_report) {
                Ok(unprotected) => {
                    found = Some((place, unprotected));
                    break;
                }
                Err(error) => repeated |= matches!(error, SrtpError::Replayed | SrtpError::TooOld),
            }
        }
        if found.is_none() && !repeated && (flow.failed < PATIENCE || !flow.opened.is_empty()) {
            found = flow.try_others(&self.keys, &mut plain, is_report);
        }
        let Some((place, (length, index, key))) = found else {
            flow.failed = flow.failed.saturating_add(1);
            return Err(if repeated { Closed::Repeated } else { Closed::NoKey });
        };
        plain.truncate(length);
        let sender =
            flow.opened.get_mut(place).and_then(|(_, _, senders)| senders.get_mut(key)).ok_or(Closed::NoKey)?;
        Ok(Opened { packet: plain, sender, index, is_report })
    }
}

impl Flow {
    fn try_others(&mut self, keys: &[Keys], plain: &mut [u8], is_report: bool) -> Option<(usize, (usize, u64, usize))> {
        for (nth, key) in keys.iter().enumerate() {
            if self.opened.iter().any(|(known, ..)| *known == nth) {
                continue;
            }
            let mut receiver = Receiver::new(&key.theirs.keys, key.theirs.encryption);
            if let Ok(unprotected) = unprotect(&mut receiver, plain, is_report) {
                let senders = key.ours.iter().filter_map(|ours| Sender::new(ours, key.theirs.encryption)).collect();
                self.opened.push((nth, receiver, senders));
                return Some((self.opened.len() - 1, unprotected));
            }
        }
        None
    }
}

/// Length, index and key of what was opened.
fn unprotect(receiver: &mut Receiver, packet: &mut [u8], is_report: bool) -> Result<(usize, u64, usize), SrtpError> {
    if is_report {
        let report = receiver.unprotect_report(packet)?;
        return Ok((report.length, report.index.into(), report.key));
    }
    let plain = receiver.unprotect(packet)?;
    Ok((plain.length, plain.index, plain.key))
}

impl Opened<'_> {
    /// Closes it under the other key, with the index that it had.
    pub(super) fn close(mut self) -> Option<Vec<u8>> {
        let closed = if self.is_report {
            self.sender.protect_report_at(&mut self.packet, u32::try_from(self.index).ok()?)
        } else {
            self.sender.protect_at(&mut self.packet, self.index)
        };
        closed.ok().map(|()| self.packet)
    }
}
