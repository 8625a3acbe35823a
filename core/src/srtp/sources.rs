//! The sources under one set of master keys: SSRC, highest index, replay window. Only authenticated packets get here.

use alloc::vec::Vec;

use super::state::SourceState;
use super::window::ReplayWindow;

/// Sources of either protocol under one set of master keys. A call has one or two, and a new one at each transfer.
pub const MAX_SOURCES: usize = 128;

/// One source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Source<const WORDS: usize> {
    pub(super) ssrc: u32,
    pub(super) window: ReplayWindow<WORDS>,
    /// Two packets were authentic, the second where the first let it be expected.
    pub(super) confirmed: bool,
}

/// All of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Sources<const WORDS: usize>(Vec<Source<WORDS>>);

impl<const WORDS: usize> Sources<WORDS> {
    pub(super) fn resumed(states: &[SourceState]) -> Self {
        let resumed = |state: &SourceState| Source {
            ssrc: state.ssrc,
            window: ReplayWindow::resumed(state.index, state.recent),
            confirmed: false,
        };
        Self(states.iter().take(MAX_SOURCES).map(resumed).collect())
    }

    /// The states of all, in place of what was in `into`.
    pub(super) fn state_into(&self, into: &mut Vec<SourceState>) {
        let state = |source: &Source<WORDS>| SourceState {
            ssrc: source.ssrc,
            index: source.window.highest(),
            recent: source.window.recent(),
        };
        into.clear();
        into.extend(self.0.iter().map(state));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Source<WORDS>> {
        self.0.iter()
    }

    pub(super) fn get(&self, ssrc: u32) -> Option<&Source<WORDS>> {
        self.0.iter().find(|source| source.ssrc == ssrc)
    }

    pub(super) fn get_mut(&mut self, ssrc: u32) -> Option<&mut Source<WORDS>> {
        self.0.iter_mut().find(|source| source.ssrc == ssrc)
    }

    pub(super) fn remove(&mut self, ssrc: u32) {
        self.0.retain(|source| source.ssrc != ssrc);
    }

    /// Whether a new source would be taken in.
    pub(super) fn has_room(&self) -> bool {
        self.0.len() < MAX_SOURCES || self.0.iter().any(|source| !source.confirmed)
    }

    /// Notes an authentic packet. `foreseen`: its index is the one that the source's last packets let expect. A new source
    /// takes the place of the oldest unconfirmed one where there is no other.
    pub(super) fn accept(&mut self, ssrc: u32, index: u64, foreseen: bool) {
        if let Some(source) = self.get_mut(ssrc) {
            source.window.record(index);
            source.confirmed |= foreseen;
            return;
        }
        if self.0.len() >= MAX_SOURCES {
            let Some(oldest) = self.0.iter().position(|source| !source.confirmed) else { return };
            self.0.remove(oldest);
        }
        self.0.push(Source { ssrc, window: ReplayWindow::starting_at(index), confirmed: false });
    }
}
