//! What a session's recordings are tagged with while it goes on: from its beginning by whom it is recorded for, later by order.
//!
//! The tags are the session's, so a recording that begins later in it has them as well. One that has ended keeps what it had:
//! its notes are the archive's.

use alloc::string::String;
use alloc::vec::Vec;

use super::journalling::{self, keep};
use super::limits::MAX_TAGS;
use super::recording_session::{Context, RecordingSession};
use crate::entry::{Event, retag};

impl RecordingSession {
    /// Its recordings get and lose tags. Nothing changes where they would have more than [`MAX_TAGS`], or before there is a
    /// journal to write it down.
    pub(super) fn tag(&mut self, add: &[String], remove: &[String], ctx: &mut Context<'_>) {
        let mut tags = self.state.tags.clone();
        retag(&mut tags, add, remove);
        let too_many = tags.len() > MAX_TAGS.max(self.state.tags.len());
        if !self.has_begun() || tags == self.state.tags || too_many {
            return;
        }
        let without = |list: &[String], others: &[String]| -> Vec<String> {
            list.iter().filter(|tag| !others.contains(tag)).cloned().collect()
        };
        // Only what changed: whoever reads of it hears nothing that was so already.
        let (add, remove) = (without(&tags, &self.state.tags), without(&self.state.tags, &tags));
        self.state.tags = tags;
        keep(self.id(), ctx.now.wall, Event::Tagged { add, remove }, ctx.out);
        journalling::checkpoint(&self.state, ctx.now, ctx.out);
    }
}
