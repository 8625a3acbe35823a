//! Room on the disk: whether new calls may be taken, without flickering at the edge.

/// Room returns only with this part of `min_free` on top of it, so that one deleted file does not let a call in
/// that the next second refuses.
const HYSTERESIS_PARTS: u64 = 10;

/// So many times `min_free` is little already: the operator is warned while there is time.
const LOW_TIMES: u64 = 2;

/// Watches what is free.
#[derive(Debug, Clone)]
pub struct Space {
    min_free: u64,
    level: Level,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Short,
    Low,
    Enough,
}

/// What [`Space::update`] noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpaceChange {
    /// Less than `archive.min_free` is left: refuse what is new.
    Short,
    /// Less than twice that is left: warn.
    Low,
    /// There is room again.
    Enough,
}

impl Space {
    /// Nothing is known yet, which counts as room.
    pub fn new(min_free: u64) -> Self {
        Self { min_free, level: Level::Enough }
    }

    /// The configuration has changed.
    pub fn set_min_free(&mut self, min_free: u64) {
        self.min_free = min_free;
    }

    /// Whether less than twice `archive.min_free` is left.
    pub fn is_low(&self) -> bool {
        self.level <= Level::Low
    }

    /// Takes what is free now, in bytes. Call about once a second; says when it turns.
    pub fn update(&mut self, free: u64) -> Option<SpaceChange> {
        let low = self.min_free.saturating_mul(LOW_TIMES);
        // Out of a level only with a margin.
        let above = |bound: u64, level: Level| {
            let margin = if self.level <= level { bound / HYSTERESIS_PARTS } else { 0 };
            free >= bound.saturating_add(margin)
        };
        let level = match () {
            () if !above(self.min_free, Level::Short) => Level::Short,
            () if !above(low, Level::Low) => Level::Low,
            () => Level::Enough,
        };
        if level == self.level {
            return None;
        }
        self.level = level;
        Some(match level {
            Level::Short => SpaceChange::Short,
            Level::Low => SpaceChange::Low,
            Level::Enough => SpaceChange::Enough,
        })
    }

    /// Whether new calls are to be refused.
    pub fn is_short(&self) -> bool {
        self.level == Level::Short
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_comes_back_with_a_margin() {
        let mut space = Space::new(1000);
        assert_eq!(space.update(2000), None);
        assert_eq!(space.update(1999), Some(SpaceChange::Low));
        assert_eq!(space.update(2199), None);
        assert_eq!(space.update(1000), None);
        assert_eq!(space.update(999), Some(SpaceChange::Short));
        assert_eq!(space.update(1099), None);
        assert!(space.is_short());
        assert_eq!(space.update(1100), Some(SpaceChange::Low));
        assert!(!space.is_short());
        assert_eq!(space.update(1000), None);
        assert_eq!(space.update(2200), Some(SpaceChange::Enough));
        assert_eq!(space.update(0), Some(SpaceChange::Short));
        assert_eq!(space.update(u64::MAX), Some(SpaceChange::Enough));
    }

    #[test]
    fn no_minimum_is_never_short() {
        assert_eq!(Space::new(0).update(0), None);
    }
}
