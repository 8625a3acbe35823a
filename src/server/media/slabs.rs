//! What a worker has kept and not yet handed over: one buffer a session.

use std::collections::HashMap;
use std::sync::Arc;

use siprec_core::entry::Entry;
use siprec_core::journal::encoder;
use siprec_core::seed::SessionId;

use super::SlabSink;

/// A session's place, valid while it has ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(usize);

struct Slab {
    session: SessionId,
    ports: usize,
    blocks: Vec<u8>,
    /// It is among those that are handed over at the round's end.
    is_dirty: bool,
}

/// The sessions of a worker and their slabs.
pub(super) struct Slabs {
    sink: Arc<dyn SlabSink>,
    slabs: Vec<Slab>,
    places: HashMap<SessionId, usize>,
    free: Vec<usize>,
    /// Those that were not empty in this round, each once.
    dirty: Vec<usize>,
    /// Something was handed over, and the sink not told that this was all for now.
    is_untold: bool,
}

impl Slabs {
    pub(super) fn new(sink: Arc<dyn SlabSink>) -> Self {
        Self { sink, slabs: vec![], places: HashMap::new(), free: vec![], dirty: vec![], is_untold: false }
    }

    /// A port of the session begins.
    pub(super) fn join(&mut self, session: SessionId) -> Place {
        let place = self.places.get(&session).copied().unwrap_or_else(|| {
            let fresh = Slab { session, ports: 0, blocks: vec![], is_dirty: false };
            let place = self.free.pop().unwrap_or(self.slabs.len());
            match self.slabs.get_mut(place) {
                Some(slab) => *slab = fresh,
                None => self.slabs.push(fresh),
            }
            self.places.insert(session, place);
            self.dirty.reserve(self.slabs.len());
            place
        });
        if let Some(slab) = self.slabs.get_mut(place) {
            slab.ports += 1;
        }
        Place(place)
    }

    /// A port of the session ends. With its last one the session's slab is handed over.
    pub(super) fn leave(&mut self, Place(place): Place) {
        let Some(slab) = self.slabs.get_mut(place) else { return };
        slab.ports = slab.ports.saturating_sub(1);
        if slab.ports == 0 {
            let session = slab.session;
            self.places.remove(&session);
            self.hand_over(Place(place));
            self.free.push(place);
        }
    }

    /// Keeps an entry.
    pub(super) fn keep(&mut self, Place(place): Place, entry: &Entry<'_>) {
        let Some(slab) = self.slabs.get_mut(place) else { return };
        // A full slab does not wait for the round's end, nor does it grow.
        if !slab.blocks.is_empty() && slab.blocks.capacity() - slab.blocks.len() < encoder::room(&entry.kind) {
            self.hand_over(Place(place));
        }
        let Some(slab) = self.slabs.get_mut(place) else { return };
        if slab.blocks.is_empty() {
            slab.blocks = self.sink.buffer();
            if !std::mem::replace(&mut slab.is_dirty, true) {
                self.dirty.push(place);
            }
        }
        encoder::entry(&mut slab.blocks, entry);
    }

    /// Hands one session's slab over, if there is anything in it.
    pub(super) fn hand_over(&mut self, Place(place): Place) {
        let Some(slab) = self.slabs.get_mut(place).filter(|slab| !slab.blocks.is_empty()) else { return };
        self.sink.hand_over(slab.session, std::mem::take(&mut slab.blocks));
        self.is_untold = true;
    }

    /// Hands every slab over, and says so.
    pub(super) fn hand_over_all(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for place in dirty.drain(..) {
            self.hand_over(Place(place));
            if let Some(slab) = self.slabs.get_mut(place) {
                slab.is_dirty = false;
            }
        }
        self.dirty = dirty;
        self.announce();
    }

    /// Tells the sink, if it does not know, that what it got is all for now.
    pub(super) fn announce(&mut self) {
        if std::mem::take(&mut self.is_untold) {
            self.sink.round_over();
        }
    }

    /// The session's id.
    pub(super) fn session(&self, Place(place): Place) -> Option<SessionId> {
        self.slabs.get(place).map(|slab| slab.session)
    }
}
