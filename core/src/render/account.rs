//! The accounts of sources: what arrived in the recording's time, and what did not.

use alloc::vec::Vec;

use super::order::Place;
use super::track::{Heard, ticks_to_nanos};
use crate::entry::PortIndex;

/// Holes and silences that are listed; further ones are counted.
const MAX_LISTED: usize = 1000;
/// Fewer missing packets are loss as usual: counted, not listed.
pub(super) const MIN_BURST: u64 = 5;
/// Shorter silences are not listed.
const MIN_QUIET_NS: i64 = 200_000_000;
/// Runs of loss that late packets may still undo.
const RUNS: usize = 8;
/// A greater difference of transit times is a restart, not jitter.
const MAX_JITTER_NS: u64 = 1_000_000_000;

/// What arrived from a source.
#[derive(Debug, Clone, Default)]
pub(super) struct Account {
    pub(super) packets: u64,
    pub(super) expected: u64,
    pub(super) late: u64,
    pub(super) duplicates: u64,
    /// Runs of missing packets.
    pub(super) loss_runs: u64,
    /// The last runs: sequence numbers before and after, and what is missing still.
    runs: [(i64, i64, u64); RUNS],
    /// Packets with something to hear.
    pub(super) audible: u64,
    /// The highest sampling rate of what is heard, Hz.
    pub(super) sample_rate: u32,
    /// Interarrival jitter (RFC 3550 A.8), ns.
    pub(super) jitter: u64,
    pub(super) first_at: Option<i64>,
    pub(super) last_at: i64,
    /// Arrival and timestamp of the newest packet.
    transit: Option<(i64, u32)>,
    /// Epoch and end of the newest audio.
    newest: Option<(usize, i64)>,
    /// What came before was not the recording's: a hole before the next packet is not either.
    interrupted: bool,
}

/// Packets that did not arrive.
#[derive(Debug, Clone)]
pub(super) struct Hole {
    pub(super) port: PortIndex,
    source: usize,
    /// Sequence numbers before and after.
    between: (i64, i64),
    pub(super) missing: u64,
    pub(super) from: i64,
    pub(super) to: i64,
}

/// Nothing was sent, and nothing is missing.
#[derive(Debug, Clone)]
pub(super) struct Quiet {
    pub(super) port: PortIndex,
    pub(super) from: i64,
    pub(super) to: i64,
}

/// All accounts of a session, by the source's index.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    accounts: Vec<Account>,
    pub(super) holes: Vec<Hole>,
    pub(super) quiets: Vec<Quiet>,
    /// Holes and silences beyond [`MAX_LISTED`].
    pub(super) unlisted: u64,
}

impl Ledger {
    /// The account of a source.
    pub(super) fn account(&self, source: usize) -> Option<&Account> {
        self.accounts.get(source)
    }

    /// A packet of `source` that is not the recording's.
    pub(super) fn pass(&mut self, source: usize) {
        self.open(source).interrupted = true;
    }

    /// A packet of the recording. `paused` says whether its stream was paused at some time since a moment.
    pub(super) fn take(&mut self, at: i64, port: PortIndex, heard: &Heard<'_>, paused: impl Fn(i64) -> bool) {
        let account = self.open(heard.source);
        let before = account.last_at;
        let wanted = !core::mem::take(&mut account.interrupted) && account.first_at.is_some() && !paused(before);
        match heard.place {
            Place::Duplicate => {
                account.duplicates += 1;
                return;
            }
            Place::Late => {
                account.late += 1;
                account.undo_run(heard.sequence);
            }
            Place::First | Place::Restart => account.expected += 1,
            Place::Next { missing } => {
                account.expected += 1 + if wanted { missing } else { 0 };
                if wanted && missing > 0 {
                    account.loss_runs += 1;
                    account.runs.rotate_right(1);
                    let first = heard.sequence.saturating_sub(i64::try_from(missing).unwrap_or(i64::MAX)) - 1;
                    account.runs[0] = (first, heard.sequence, missing);
                }
            }
        }
        account.packets += 1;
        account.first_at = account.first_at.or(Some(at));
        if let Some(audio) = &heard.audio {
            account.audible += 1;
            account.sample_rate = account.sample_rate.max(audio.decoder.sample_rate(audio.payload));
        }
        let newest = account.newest;
        if heard.place.is_newest() {
            account.last_at = at;
            account.jitter(at, heard);
            account.newest = heard.audio.as_ref().map(|audio| (audio.epoch, audio.to)).or(newest);
        }
        match heard.place {
            Place::Next { missing } if wanted && missing > 0 => {
                let between = (heard.sequence.saturating_sub(i64::try_from(missing).unwrap_or(0) + 1), heard.sequence);
                let hole = Hole { port, source: heard.source, between, missing, from: before, to: at };
                if missing >= MIN_BURST {
                    list(&mut self.holes, hole, &mut self.unlisted);
                }
            }
            Place::Next { .. } if wanted && at.saturating_sub(before) >= MIN_QUIET_NS && jumps(newest, heard) => {
                list(&mut self.quiets, Quiet { port, from: before, to: at }, &mut self.unlisted);
            }
            Place::Late => self.fill(heard),
            Place::First | Place::Next { .. } | Place::Restart | Place::Duplicate => {}
        }
    }

    /// A missing packet came after all.
    fn fill(&mut self, heard: &Heard<'_>) {
        let inside = |hole: &&mut Hole| {
            hole.source == heard.source && hole.between.0 < heard.sequence && heard.sequence < hole.between.1
        };
        if let Some(hole) = self.holes.iter_mut().rev().take(8).find(inside) {
            hole.missing = hole.missing.saturating_sub(1);
        }
    }

    fn open(&mut self, source: usize) -> &mut Account {
        if self.accounts.len() <= source {
            self.accounts.resize_with(source + 1, Account::default);
        }
        &mut self.accounts[source]
    }
}

impl Account {
    /// Expected and not received.
    pub(super) fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.packets)
    }

    /// A packet that was missing came: where it was the last of its run, there was no loss.
    fn undo_run(&mut self, sequence: i64) {
        let inside = |run: &&mut (i64, i64, u64)| run.0 < sequence && sequence < run.1 && run.2 > 0;
        if let Some(run) = self.runs.iter_mut().find(inside) {
            run.2 -= 1;
            self.loss_runs -= u64::from(run.2 == 0);
        }
    }

    fn jitter(&mut self, at: i64, heard: &Heard<'_>) {
        if heard.clock_rate == 0 || heard.is_event {
            return;
        }
        if let Some((before, timestamp)) = self.transit.replace((at, heard.timestamp)) {
            let ticks = i32::from_be_bytes(heard.timestamp.wrapping_sub(timestamp).to_be_bytes());
            let sent = ticks_to_nanos(i64::from(ticks), heard.clock_rate);
            let difference = at.saturating_sub(before).abs_diff(sent);
            if difference < MAX_JITTER_NS {
                self.jitter = self.jitter - self.jitter / 16 + difference / 16;
            }
        }
    }
}

/// Whether the timestamps tell of a silence too, so that it is not a delay.
fn jumps(newest: Option<(usize, i64)>, heard: &Heard<'_>) -> bool {
    match (newest, &heard.audio) {
        (Some((epoch, to)), Some(audio)) => epoch != audio.epoch || audio.from.saturating_sub(to) >= MIN_QUIET_NS / 2,
        (None, _) | (_, None) => true,
    }
}

fn list<T>(items: &mut Vec<T>, item: T, unlisted: &mut u64) {
    if items.len() < MAX_LISTED { items.push(item) } else { *unlisted += 1 }
}
