//! Pass 2.
use super::plan::Plan;
use crate::entry::Entry;

/// Pass 2: takes the same entries as pass 1 and gives the samples of one file.
#[derive(Debug)]
pub struct Mixer<'p> {
    _plan: &'p Plan,
}

impl<'p> Mixer<'p> {
    /// A mixer of `plan.files[file]`.
    pub fn new(plan: &'p Plan, _file: usize) -> Self {
        Self { _plan: plan }
    }

    /// Takes the next entry. Call [`Mixer::poll_block`] until `None` afterwards.
    pub fn entry(&mut self, _entry: &Entry<'_>) {}

    /// Says that there are no more entries. Call [`Mixer::poll_block`] until `None` afterwards.
    pub fn finish(&mut self) {}

    /// The next interleaved samples, when a block of them is final.
    pub fn poll_block(&mut self) -> Option<&[i16]> {
        None
    }
}
