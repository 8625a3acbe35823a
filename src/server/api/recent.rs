//! What was asked for last, since who has asked for a part of it asks for the next: so many at most, each for a moment.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// So many are kept, the ones asked for last.
const KEPT: usize = 8;
/// How long one is kept that nobody asks for: what is erased is not much longer here.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// What was asked for last, each by its tag. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Recent<T> {
    known: Arc<Mutex<VecDeque<Known<T>>>>,
    kept_for: Duration,
}

#[derive(Debug)]
struct Known<T> {
    tag: String,
    what: T,
    /// How often it was asked for.
    asked: u64,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self { known: Arc::default(), kept_for: KEPT_FOR }
    }
}

impl<T: Clone + Send + 'static> Recent<T> {
    /// Those that nobody asks for are kept for so long.
    #[cfg(test)]
    pub(super) fn kept_for(kept_for: Duration) -> Self {
        Self { kept_for, ..Self::default() }
    }

    /// The one of that tag, which is the last to go then; what `make` makes where there is none, if it makes one.
    pub(super) fn get_or(&self, tag: &str, make: impl FnOnce() -> Option<T>) -> Option<T> {
        let mut all = self.lock();
        let known = all.iter().position(|known| known.tag == tag).and_then(|place| all.remove(place));
        let mut known = match known {
            Some(known) => known,
            None => Known { tag: tag.to_owned(), what: make()?, asked: 0 },
        };
        known.asked += 1;
        let what = known.what.clone();
        all.push_back(known);
        // Whoever uses one of these has it.
        let excess = all.len().saturating_sub(KEPT);
        all.drain(..excess);
        Some(what)
    }

    /// The next who asks has it made again.
    pub(super) fn forget(&self, tag: &str) {
        self.lock().retain(|known| known.tag != tag);
    }

    /// Forgets it in a while, unless somebody has asked for it until then, or it is `busy`.
    pub(super) fn forget_later(&self, tag: &str, busy: fn(&T) -> bool) {
        let asked = |known: &Known<T>| (known.tag == tag).then_some(known.asked);
        let Some(so_often) = self.lock().iter().find_map(asked) else { return };
        let (this, tag) = (self.clone(), tag.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(this.kept_for).await;
            this.lock().retain(|known| known.tag != tag || known.asked != so_often || busy(&known.what));
        });
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Known<T>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_nobody_asks_for_any_more_is_forgotten() {
        let all = Recent::kept_for(Duration::from_millis(50));
        let what = Arc::new(());
        let is_kept = Arc::downgrade(&what);
        assert!(all.get_or("a", || Some(what)).is_some());
        all.forget_later("a", |_| false);
        // Asked for once more: the first to forget it does not.
        assert!(all.get_or("a", || unreachable!("it is there")).is_some());
        all.forget_later("a", |_| false);
        all.forget_later("b", |_| false);
        let gone = async {
            while is_kept.upgrade().is_some() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
        assert!(all.lock().is_empty());
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        let all = Recent::default();
        (0..KEPT + 3).for_each(|n| assert_eq!(all.get_or(&n.to_string(), || Some(n)), Some(n)));
        let tags: Vec<_> = all.lock().iter().map(|known| known.tag.clone()).collect();
        assert_eq!(tags, (3..KEPT + 3).map(|n| n.to_string()).collect::<Vec<_>>());
        assert_eq!(all.get_or("none", || None), None);
    }
}
