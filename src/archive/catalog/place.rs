//! In which order recordings stand: by start, then by id, as one number that both engines keep as the row's key.
//!
//! ```text
//! 63              20 19         0
//! | start in ms     | end of id  |
//! ```
//! So a page begins after a key, a span of time is a span of keys, and an index of texts whose rows are numbered so
//! gives the latest first without sorting. Two that would have the same key: the second takes the next free one of its
//! millisecond.

use std::ops::Range;

use siprec_core::seed::RecordingId;
use siprec_core::time::Wall;

/// Bits of the id. More recordings than this has values do not start in one millisecond.
const ID_BITS: u32 = 20;

const ID_MASK: i64 = (1 << ID_BITS) - 1;

/// The last moment (milliseconds) that has places of its own: in the year 2248.
const END_OF_TIME: i64 = (i64::MAX >> ID_BITS) - 1;

/// A row's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(pub(super) i64);

impl Place {
    /// The place of the recording `id`, as long as nobody else has it.
    pub(super) fn of(started_at: Wall, id: RecordingId) -> Self {
        let end_of_id = i64::try_from(id.0 & ID_MASK.cast_unsigned() as u128).unwrap_or_default();
        Self(first(millis(started_at)).0 | end_of_id)
    }

    /// The next one in the same millisecond.
    pub(super) fn next(self) -> Self {
        Self((self.0 & !ID_MASK) | ((self.0 + 1) & ID_MASK))
    }
}

/// The places of recordings that started in `[since, until)`. Starts are kept in whole milliseconds; a bound between
/// two of them means the later.
pub(super) fn between(since: Option<Wall>, until: Option<Wall>) -> Range<i64> {
    let bound = |at: Wall| first(millis(Wall(at.0.saturating_add(999_999)))).0;
    since.map_or(i64::MIN, bound)..until.map_or(i64::MAX, bound)
}

/// Milliseconds, as columns hold times.
pub(super) fn millis(at: Wall) -> i64 {
    at.0.div_euclid(1_000_000)
}

/// The first place of a millisecond.
fn first(millis: i64) -> Place {
    Place(millis.clamp(-END_OF_TIME, END_OF_TIME) << ID_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: i64 = 1_000_000;

    #[test]
    fn later_starts_stand_later_and_equal_ones_by_id() {
        let place = |ms: i64, id| Place::of(Wall(ms * MILLISECOND), RecordingId(id));
        assert!(place(-1, 9) < place(0, 1));
        assert!(place(5, u128::MAX) < place(6, 0));
        assert!(place(5, 1) < place(5, 2));
    }

    #[test]
    fn the_next_place_is_of_the_same_millisecond() {
        let last = Place::of(Wall(7 * MILLISECOND), RecordingId(u128::MAX));
        assert_eq!(last.next(), Place::of(Wall(7 * MILLISECOND), RecordingId(0)));
        assert_eq!(Place::of(Wall(0), RecordingId(1)).next(), Place::of(Wall(0), RecordingId(2)));
    }

    #[test]
    fn a_span_holds_its_beginning_and_not_its_end() {
        let at = |nanos| Place::of(Wall(nanos), RecordingId(u128::MAX)).0;
        let span = between(Some(Wall(MILLISECOND)), Some(Wall(2 * MILLISECOND)));
        assert!(!span.contains(&at(0)) && span.contains(&at(MILLISECOND)) && !span.contains(&at(2 * MILLISECOND)));
        let span = between(Some(Wall(MILLISECOND + 1)), Some(Wall(2 * MILLISECOND + 1)));
        assert!(!span.contains(&at(MILLISECOND)) && span.contains(&at(2 * MILLISECOND)));
        assert!(between(None, None).contains(&at(i64::MAX)));
    }
}
