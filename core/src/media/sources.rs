//! The sources heard on a port, told apart by SSRC and address, in bounds.

use alloc::vec::Vec;
use core::net::SocketAddr;

use super::latch::Sender;
use super::{Budget, SourceSummary};
use crate::entry::SourceChange;
use crate::rtp::Reception;
use crate::time::Wall;

/// Sources that a port tells apart at a time. One more replaces the one silent for longest, but only if it is of the
/// stream's own sender: a stranger cannot push anybody out.
pub const MAX_SOURCES: usize = 16;
/// Sources that may appear on a port in one second.
pub const MAX_NEW_SOURCES_PER_SECOND: u32 = 8;

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) from: SocketAddr,
    pub(super) change: SourceChange,
    pub(super) reception: Reception,
}

/// All of them, in order of appearance.
#[derive(Debug, Clone, Default)]
pub(super) struct Sources {
    known: Vec<Source>,
    /// Where the last packet's source stands: nearly always the next one's.
    recent: usize,
    appeared: Budget,
}

impl Sources {
    /// The source of a packet, and how it appeared if it is new or took over. `None` if there is no room for it.
    pub(super) fn find(
        &mut self,
        at: Wall,
        ssrc: u32,
        from: SocketAddr,
        sender: Sender,
    ) -> Option<(&mut Source, Option<SourceChange>)> {
        let is_it = |s: &Source| s.reception.ssrc() == ssrc && s.from == from;
        if !self.known.get(self.recent).is_some_and(is_it) {
            match self.known.iter().position(is_it) {
                Some(place) => self.recent = place,
                None => return self.admit(at, ssrc, from, sender),
            }
        }
        let source = self.known.get_mut(self.recent)?;
        let change = match (sender, source.change) {
            (Sender::TookOver, _) | (Sender::Latched, SourceChange::Stranger) => Some(SourceChange::TookOver),
            (Sender::Stranger, SourceChange::First | SourceChange::NewSsrc | SourceChange::TookOver) => {
                Some(SourceChange::Stranger)
            }
            (Sender::Stranger, SourceChange::Stranger) | (Sender::First | Sender::Latched, _) => None,
        };
        source.change = change.unwrap_or(source.change);
        Some((source, change))
    }

    fn admit(
        &mut self,
        at: Wall,
        ssrc: u32,
        from: SocketAddr,
        sender: Sender,
    ) -> Option<(&mut Source, Option<SourceChange>)> {
        let change = match sender {
            Sender::First => SourceChange::First,
            // Latched while nothing was kept: this is the first that is.
            Sender::Latched if self.known.is_empty() => SourceChange::First,
            Sender::Latched if self.known.iter().all(|s| s.from != from) => SourceChange::TookOver,
            Sender::Latched => SourceChange::NewSsrc,
            Sender::TookOver => SourceChange::TookOver,
            Sender::Stranger => SourceChange::Stranger,
        };
        let full = self.known.len() >= MAX_SOURCES;
        if (full && change == SourceChange::Stranger) || !self.appeared.take(at, MAX_NEW_SOURCES_PER_SECOND) {
            return None;
        }
        if full {
            let silent = self.known.iter().enumerate().min_by_key(|(_, s)| s.reception.last_at());
            let silent = silent.map_or(0, |(place, _)| place);
            self.known.remove(silent);
        }
        self.known.push(Source { from, change, reception: Reception::new(ssrc) });
        self.recent = self.known.len() - 1;
        self.known.last_mut().map(|source| (source, Some(change)))
    }

    /// Those with this SSRC, whatever their address.
    pub(super) fn with_ssrc(&mut self, ssrc: u32) -> impl Iterator<Item = &mut Source> {
        self.known.iter_mut().filter(move |s| s.reception.ssrc() == ssrc)
    }

    /// All of them.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Source> {
        self.known.iter_mut()
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// What is known of each, in place of what was in `into`.
    pub(super) fn summaries_into(&self, into: &mut Vec<SourceSummary>) {
        let summary =
            |s: &Source| SourceSummary { from: s.from, change: s.change, statistics: s.reception.statistics() };
        into.clear();
        into.extend(self.known.iter().map(summary));
    }
}
