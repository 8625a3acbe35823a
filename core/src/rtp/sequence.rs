//! Sequence numbers and timestamps carried over their wraps (RFC 3550 A.1).
//!
//! Unlike A.1 the first packet of a source counts at once: a recorder keeps everything, and the port's latch, not
//! a probation, says whom a packet belongs to. What A.1 says of jumps stands: a number far off is held as suspect until a
//! second one follows it; then the source is taken to have started anew, and the jump is no loss.

/// A step forward of up to this many packets is loss (RFC 3550 A.1 MAX_DROPOUT).
pub const MAX_DROPOUT: u16 = 3_000;
/// A step backward of up to this many packets is reordering (RFC 3550 A.1 MAX_MISORDER).
pub const MAX_MISORDER: u16 = 100;

/// What a packet's sequence number says. `index` grows by one a packet of the source and never wraps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// The newest so far; `missing` packets before it have not been seen.
    Next {
        /// Its place.
        index: i64,
        /// Numbers skipped right before it.
        missing: u16,
    },
    /// Older than the newest, not seen before.
    Late {
        /// Its place.
        index: i64,
    },
    /// Seen before.
    Duplicate {
        /// Its place.
        index: i64,
    },
    /// Far from what was expected: a stray, or the first packet after a restart. If [`Arrival::Resync`] comes next, its
    /// index is one less than that one's.
    Suspect,
    /// The second packet in a row at a new place: the source goes on from here, without a gap.
    Resync {
        /// Its place; the suspect before it has the one before.
        index: i64,
    },
}

/// Extends 16-bit sequence numbers of one source and knows what it has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extender {
    state: State,
    /// Bit `n`: the packet `n` places before the newest was seen.
    window: u128,
    /// `cycles << 16 | highest`, as a receiver report tells it.
    on_wire: u32,
    newest: i64,
    suspect: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Empty,
    /// The next packet begins a new run, whatever its number.
    Restart,
    Running,
}

impl Default for Extender {
    fn default() -> Self {
        Self::new()
    }
}

impl Extender {
    /// Of a source of which nothing is known. Its first packet has the index 0.
    pub const fn new() -> Self {
        Self { state: State::Empty, window: 0, on_wire: 0, newest: -1, suspect: None }
    }

    /// Takes one packet's number.
    pub fn push(&mut self, sequence: u16) -> Arrival {
        if self.state != State::Running {
            self.begin(sequence, 1);
            return Arrival::Next { index: self.newest, missing: 0 };
        }
        let ahead = sequence.wrapping_sub(self.highest());
        let behind = self.highest().wrapping_sub(sequence);
        if ahead == 0 || behind <= MAX_MISORDER {
            self.suspect = None;
            return self.look_back(behind);
        }
        if ahead < MAX_DROPOUT {
            self.suspect = None;
            self.advance(ahead);
            return Arrival::Next { index: self.newest, missing: ahead - 1 };
        }
        if self.suspect == Some(sequence.wrapping_sub(1)) {
            self.begin(sequence, 2);
            self.window = 0b11;
            return Arrival::Resync { index: self.newest };
        }
        self.suspect = Some(sequence);
        Arrival::Suspect
    }

    /// The next packet begins a new run, whatever its number: what was sent in between was not wanted (a pause).
    pub fn restart(&mut self) {
        if self.state == State::Running {
            self.state = State::Restart;
        }
    }

    /// The highest number received, with its cycles above it (RFC 3550 6.4.1); 0 before the first packet.
    pub fn highest_on_wire(&self) -> u32 {
        self.on_wire
    }

    /// The highest number received.
    pub fn highest(&self) -> u16 {
        (self.on_wire & 0xffff) as u16
    }

    fn begin(&mut self, sequence: u16, steps: i64) {
        self.state = State::Running;
        self.newest = self.newest.saturating_add(steps);
        self.on_wire = u32::from(sequence);
        self.window = 1;
        self.suspect = None;
    }

    fn advance(&mut self, ahead: u16) {
        self.on_wire = self.on_wire.wrapping_add(u32::from(ahead));
        self.newest = self.newest.saturating_add(i64::from(ahead));
        self.window = self.window.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
    }

    fn look_back(&mut self, behind: u16) -> Arrival {
        let index = self.newest - i64::from(behind);
        let bit = 1_u128 << behind;
        if self.window & bit != 0 {
            return Arrival::Duplicate { index };
        }
        self.window |= bit;
        Arrival::Late { index }
    }
}

/// Extends 32-bit timestamps of one source over wraps, to the nearest place of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimestampExtender {
    last: Option<i64>,
}

impl TimestampExtender {
    /// Of a source of which nothing is known.
    pub const fn new() -> Self {
        Self { last: None }
    }

    /// The timestamp's place: less than 2^31 ticks from the one before, in either direction.
    pub fn push(&mut self, timestamp: u32) -> i64 {
        let place = self.place(timestamp);
        self.last = Some(place);
        place
    }

    /// The place that [`Self::push`] would give, without taking it.
    pub fn place(&self, timestamp: u32) -> i64 {
        let Some(last) = self.last else { return i64::from(timestamp) };
        let step = timestamp.wrapping_sub((last & 0xffff_ffff) as u32).cast_signed();
        last.saturating_add(i64::from(step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn numbers_go_on_over_many_wraps() {
        let mut e = Extender::new();
        for i in 0..200_000_i64 {
            let sequence = ((i + 65_530) & 0xffff) as u16;
            assert_eq!(e.push(sequence), Arrival::Next { index: i, missing: 0 });
        }
        assert_eq!(e.highest_on_wire(), 65_530 + 199_999);
    }

    #[test]
    fn reordering_over_the_wrap_is_late_once_and_then_duplicate() {
        let mut e = Extender::new();
        e.push(65_534);
        assert_eq!(e.push(1), Arrival::Next { index: 3, missing: 2 });
        assert_eq!(e.push(65_535), Arrival::Late { index: 1 });
        assert_eq!(e.push(65_535), Arrival::Duplicate { index: 1 });
        assert_eq!(e.push(0), Arrival::Late { index: 2 });
        assert_eq!(e.push(1), Arrival::Duplicate { index: 3 });
        assert_eq!(e.push(65_533), Arrival::Late { index: -1 });
        assert_eq!(e.push(2), Arrival::Next { index: 4, missing: 0 });
    }

    #[test]
    fn a_jump_is_taken_at_the_second_packet_and_is_no_gap() {
        let mut e = Extender::new();
        e.push(10);
        e.push(11);
        assert_eq!(e.push(20_011), Arrival::Suspect);
        assert_eq!(e.push(20_012), Arrival::Resync { index: 3 });
        assert_eq!(e.push(20_012), Arrival::Duplicate { index: 3 });
        assert_eq!(e.push(20_011), Arrival::Duplicate { index: 2 });
        assert_eq!(e.push(20_013), Arrival::Next { index: 4, missing: 0 });
        assert_eq!(e.highest_on_wire(), 20_013);
    }

    #[test]
    fn a_stray_changes_nothing() {
        let mut e = Extender::new();
        e.push(10);
        assert_eq!(e.push(40_000), Arrival::Suspect);
        assert_eq!(e.push(11), Arrival::Next { index: 1, missing: 0 });
        assert_eq!(e.push(40_001), Arrival::Suspect);
        assert_eq!(e.push(12), Arrival::Next { index: 2, missing: 0 });
    }

    #[test]
    fn the_limits_are_those_of_the_rfc() {
        let fresh = || {
            let mut e = Extender::new();
            e.push(30_000);
            e
        };
        assert_eq!(fresh().push(30_000 + MAX_DROPOUT - 1), Arrival::Next { index: 2_999, missing: 2_998 });
        assert_eq!(fresh().push(30_000 + MAX_DROPOUT), Arrival::Suspect);
        assert_eq!(fresh().push(30_000 - MAX_MISORDER), Arrival::Late { index: -100 });
        assert_eq!(fresh().push(30_000 - MAX_MISORDER - 1), Arrival::Suspect);
    }

    #[test]
    fn after_a_restart_the_next_packet_follows_at_once() {
        let mut e = Extender::new();
        e.restart();
        e.push(5);
        e.restart();
        assert_eq!(e.push(1_505), Arrival::Next { index: 1, missing: 0 });
    }

    #[test]
    fn a_wide_step_forgets_the_window_only_as_far_as_it_must() {
        let mut e = Extender::new();
        e.push(0);
        e.push(99);
        assert_eq!(e.push(0), Arrival::Duplicate { index: 0 });
        e.push(999);
        assert_eq!(e.push(998), Arrival::Late { index: 998 });
        let seen: Vec<_> = (900..=999).filter(|&s| matches!(e.push(s), Arrival::Duplicate { .. })).collect();
        assert_eq!(seen, [998, 999]);
    }

    #[test]
    fn timestamps_wrap_both_ways() {
        let mut t = TimestampExtender::new();
        assert_eq!(t.push(0xffff_ff60), 0xffff_ff60);
        assert_eq!(t.push(0), 0x1_0000_0000);
        assert_eq!(t.push(0xffff_ffff), 0xffff_ffff);
        assert_eq!(t.place(160), 0x1_0000_00a0);
        assert_eq!(t.push(160), 0x1_0000_00a0);
    }
}
