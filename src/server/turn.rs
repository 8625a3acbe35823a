//! Work that has a thread of its own, one at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The turn of a kind of work.
#[derive(Debug, Default)]
pub(super) struct Turn(Arc<AtomicBool>);

/// A turn that is taken. Dropped with the work, however that ends.
#[derive(Debug)]
pub(super) struct Taken(Arc<AtomicBool>);

impl Turn {
    /// Takes the turn; none while it is taken.
    pub(super) fn take(&self) -> Option<Taken> {
        (!self.0.swap(true, Ordering::AcqRel)).then(|| Taken(Arc::clone(&self.0)))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_taken_once_and_free_again_when_its_work_is_over() {
        let turn = Turn::default();
        let taken = turn.take();
        assert!(taken.is_some() && turn.take().is_none());
        drop(taken);
        let again = turn.take();
        let panicked = std::panic::catch_unwind(move || {
            let _taken = again.expect("it is free");
            panic!("the work failed");
        });
        assert!(panicked.is_err() && turn.take().is_some());
    }
}
