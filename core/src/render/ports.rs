//! What pass 1 knows of a port: its m-line, its pauses, what arrived in which format, and who sends on it.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::entry::{PauseCause, SrtpRefusals, Stream};
use crate::metadata::Participant;

/// Pauses of a port that are listed.
const MAX_PAUSES: usize = 1000;

/// Stretches of sealed packets that are told apart, and how far apart they are.
const MAX_SEALED: usize = 1000;
const SEALED_APART_NS: i64 = 1_000_000_000;

/// A stretch in which the port received nothing because it should not; open while there is no end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paused {
    pub(super) from: i64,
    pub(super) to: Option<i64>,
    pub(super) cause: PauseCause,
}

/// A port in the recording's time.
#[derive(Debug)]
pub(super) struct PortRecord {
    /// As of its last update.
    pub(super) stream: Stream,
    pub(super) opened_at: i64,
    pub(super) pauses: Vec<Paused>,
    /// Packets of the recording.
    pub(super) packets: u64,
    /// What SRTP refused of it.
    pub(super) refused: SrtpRefusals,
    /// Packets that were refused at first, and opened by a key that came later.
    pub(super) opened_late: u64,
    /// Stretches of packets that are kept sealed: from, to, packets.
    pub(super) sealed: Vec<(i64, i64, u64)>,
    /// Packets by the tracker's format; the last one counts those of no known format.
    by_format: Vec<u64>,
    pub(super) without_format: u64,
    /// The metadata named several senders at the same time.
    pub(super) is_mixed: bool,
    /// Ids of all participants that sent on it, in order of appearance.
    pub(super) senders: Vec<String>,
}

impl PortRecord {
    pub(super) fn new(at: i64, stream: &Stream) -> Self {
        Self {
            stream: stream.clone(),
            opened_at: at,
            pauses: Vec::new(),
            packets: 0,
            refused: SrtpRefusals::default(),
            opened_late: 0,
            sealed: Vec::new(),
            by_format: Vec::new(),
            without_format: 0,
            is_mixed: false,
            senders: Vec::new(),
        }
    }

    /// The stream is described anew.
    pub(super) fn update(&mut self, at: i64, stream: &Stream) {
        self.stream = stream.clone();
        let open = self.pauses.last_mut().filter(|pause| pause.to.is_none());
        if open.as_ref().map(|pause| pause.cause) == stream.paused {
            return;
        }
        if let Some(pause) = open {
            pause.to = Some(at);
        }
        if let Some(cause) = stream.paused
            && self.pauses.len() < MAX_PAUSES
        {
            self.pauses.push(Paused { from: at, to: None, cause });
        }
    }

    /// A packet came that is kept sealed.
    pub(super) fn sealed(&mut self, at: i64) {
        let has_room = self.sealed.len() < MAX_SEALED;
        match self.sealed.last_mut() {
            Some((_, to, packets)) if at.saturating_sub(*to) < SEALED_APART_NS || !has_room => {
                (*to, *packets) = (at.max(*to), *packets + 1);
            }
            Some(_) | None => self.sealed.push((at, at, 1)),
        }
    }

    /// Packets that are kept sealed.
    pub(super) fn sealed_packets(&self) -> u64 {
        self.sealed.iter().map(|(_, _, packets)| packets).sum()
    }

    /// It sends here now, by the metadata as it stands.
    pub(super) fn look(&mut self, sender: &Participant) {
        if !self.senders.contains(&sender.id) {
            self.senders.push(sender.id.to_string());
        }
    }

    /// The recording turns out to be of a communication session: who was seen before was not known to be of it.
    pub(super) fn forget_senders(&mut self) {
        self.is_mixed = false;
        self.senders.clear();
    }

    pub(super) fn packet(&mut self, format: Option<usize>) {
        self.packets += 1;
        let Some(format) = format else {
            self.without_format += 1;
            return;
        };
        if self.by_format.len() <= format {
            self.by_format.resize(format + 1, 0);
        }
        if let Some(count) = self.by_format.get_mut(format) {
            *count += 1;
        }
    }

    /// Packets of a format.
    pub(super) fn packets_of(&self, format: usize) -> u64 {
        self.by_format.get(format).copied().unwrap_or(0)
    }

    /// Whether it was paused at some time after `since`, until now.
    pub(super) fn was_paused_after(&self, since: i64) -> bool {
        self.pauses.last().is_some_and(|pause| pause.to.is_none_or(|to| to >= since))
    }

    /// Whether it was paused at some time between the two.
    pub(super) fn was_paused_between(&self, from: i64, to: i64) -> bool {
        self.pauses.iter().any(|pause| pause.from <= to && pause.to.is_none_or(|end| end >= from))
    }

    /// The pause that covers all from the one to the other.
    pub(super) fn pause_over(&self, from: i64, to: i64) -> Option<&Paused> {
        self.pauses.iter().find(|pause| pause.from <= from && pause.to.is_none_or(|end| end >= to))
    }

    /// The pause that has not ended.
    pub(super) fn open_pause(&self) -> Option<&Paused> {
        self.pauses.last().filter(|pause| pause.to.is_none())
    }

    /// `label 1`, or the m-line where it has none.
    pub(super) fn words(&self) -> String {
        match &self.stream.label {
            Some(label) => alloc::format!("label {label}"),
            None => alloc::format!("m-line {}", u32::from(self.stream.m_line) + 1),
        }
    }

    /// Whether its m-line is of audio.
    pub(super) fn is_audio(&self) -> bool {
        self.stream.media.eq_ignore_ascii_case("audio")
    }
}
