//! Room on the disk: whether new calls may be taken, without flickering at the edge.

/// Room returns only with this part of `min_free` on top of it, so that one deleted file does not let a call in
/// that the next second refuses.
const HYSTERESIS_PARTS: u64 = 10;

/// Watches what is free.
#[derive(Debug, Clone)]
pub struct Space {
    min_free: u64,
    short: bool,
}

/// What [`Space::update`] noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpaceChange {
    /// Less than `archive.min_free` is left: refuse what is new.
    Short,
    /// There is room again.
    Enough,
}

impl Space {
    /// Nothing is known yet, which counts as room.
    pub fn new(min_free: u64) -> Self {
        Self { min_free, short: false }
    }

    /// The configuration has changed.
    pub fn set_min_free(&mut self, min_free: u64) {
        self.min_free = min_free;
    }

    /// Takes what is free now, in bytes. Call about once a second; says when the answer of [`Space::is_short`] turns.
    pub fn update(&mut self, free: u64) -> Option<SpaceChange> {
        let enough = self.min_free.saturating_add(self.min_free / HYSTERESIS_PARTS);
        let short = if self.short { free < enough } else { free < self.min_free };
        if short == self.short {
            return None;
        }
        self.short = short;
        Some(if short { SpaceChange::Short } else { SpaceChange::Enough })
    }

    /// Whether new calls are to be refused.
    pub fn is_short(&self) -> bool {
        self.short
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_comes_back_with_a_margin() {
        let mut space = Space::new(1000);
        assert_eq!(space.update(1000), None);
        assert_eq!(space.update(999), Some(SpaceChange::Short));
        assert_eq!(space.update(1099), None);
        assert!(space.is_short());
        assert_eq!(space.update(1100), Some(SpaceChange::Enough));
        assert_eq!(space.update(1000), None);
        assert!(!space.is_short());
    }

    #[test]
    fn no_minimum_is_never_short() {
        assert_eq!(Space::new(0).update(0), None);
    }
}
