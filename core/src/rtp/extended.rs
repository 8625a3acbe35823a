//! Blocks of extended reports (RFC 3611) that tell a delay: VoIP metrics, and the pair by which a receiver that sends no media
//! measures the round trip. Of that pair ours is a moment of our clock, which their answer brings back with the time
//! that it rested there:
//!
//! ```text
//! we: RRTR (our time) -> they -> DLRR (our time, how long ago)      round trip = now - our time - how long ago
//! ```

use alloc::vec::Vec;

use super::packet::{u16_at, u32_at};
use crate::time::Wall;

/// Blocks of a report, and answers in a block, that are looked at.
const MAX_BLOCKS: usize = 32;
/// Block types (RFC 3611 4.4, 4.5, 4.7) and their lengths in words behind the head.
const REFERENCE_TIME: u8 = 4;
const REFERENCE_TIME_WORDS: usize = 2;
const DELAY_SINCE_LAST: u8 = 5;
const DELAY_WORDS: usize = 3;
const VOIP_METRICS: u8 = 7;
const VOIP_METRICS_WORDS: usize = 8;
/// Where VoIP metrics have their delays.
const ROUND_TRIP_AT: usize = 12;
const END_SYSTEM_AT: usize = 14;
/// A round trip that is longer is none: an answer to another's question, or a clock that was set, 1/65536 s.
const LONGEST_ROUND_TRIP: u32 = 30 * 65_536;
/// A trip that seems a little shorter than nothing is one of no time: clocks have grains, 1/65536 s.
const GRAIN: u32 = 65;
/// Seconds from 1900, where NTP begins, to 1970.
const NTP_TO_UNIX_S: i64 = 2_208_988_800;
const NANOS_PER_SECOND: i64 = 1_000_000_000;
const EXTENDED_REPORT: u8 = 207;

/// A block that tells of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// The reporter's own clock, NTP format: to be answered with [`Block::SinceReference`] (RFC 3611 4.4).
    Reference {
        /// NTP timestamp.
        ntp: u64,
    },
    /// How long ago the reporter got the reference time of a receiver (RFC 3611 4.5).
    SinceReference(SinceReference),
    /// Delays that the reporter measures in its call (RFC 3611 4.7), ms.
    VoipMetrics {
        /// Between it and its peer, and back.
        round_trip_ms: u16,
        /// Within its own system.
        end_system_ms: u16,
    },
}

/// An answer to a receiver's reference time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SinceReference {
    /// The receiver.
    pub ssrc: u32,
    /// Middle 32 bits of its reference time; 0 where none came.
    pub last_reference: u32,
    /// How long ago that came, 1/65536 s.
    pub delay: u32,
}

impl SinceReference {
    /// The round trip that an answer tells which arrived at `at`, microseconds; none where it cannot be one.
    pub fn round_trip_us(&self, at: Wall) -> Option<u32> {
        if self.last_reference == 0 {
            return None;
        }
        let trip = middle(ntp(at)).wrapping_sub(self.last_reference).wrapping_sub(self.delay);
        if trip > u32::MAX - GRAIN {
            return Some(0);
        }
        let micros = u64::from(trip) * 1_000_000 / 65_536;
        (trip <= LONGEST_ROUND_TRIP).then(|| u32::try_from(micros).ok()).flatten()
    }
}

/// The blocks of an extended report that tell of time, in bounds. What is torn ends them.
pub fn blocks(mut rest: &[u8]) -> impl Iterator<Item = Block> {
    let mut answers: &[u8] = &[];
    let mut left = MAX_BLOCKS;
    core::iter::from_fn(move || {
        loop {
            left = left.checked_sub(1)?;
            if let Some((answer, more)) = answers.split_at_checked(DELAY_WORDS * 4) {
                answers = more;
                let word = |at| u32_at(answer, at);
                let since = SinceReference { ssrc: word(0)?, last_reference: word(4)?, delay: word(8)? };
                return Some(Block::SinceReference(since));
            }
            let words = usize::from(u16_at(rest, 2)?);
            let kind = *rest.first()?;
            let (body, more) = rest.get(4..)?.split_at_checked(words * 4)?;
            rest = more;
            match (kind, words) {
                (REFERENCE_TIME, REFERENCE_TIME_WORDS) => {
                    return Some(Block::Reference {
                        ntp: u64::from(u32_at(body, 0)?) << 32 | u64::from(u32_at(body, 4)?),
                    });
                }
                (DELAY_SINCE_LAST, _) => answers = body,
                (VOIP_METRICS, VOIP_METRICS_WORDS) => {
                    let (round_trip_ms, end_system_ms) = (u16_at(body, ROUND_TRIP_AT)?, u16_at(body, END_SYSTEM_AT)?);
                    return Some(Block::VoipMetrics { round_trip_ms, end_system_ms });
                }
                (_, _) => {}
            }
        }
    })
}

/// Appends a report with the time of now, to be answered (RFC 3611 4.4).
pub fn encode_reference(out: &mut Vec<u8>, ours: u32, now: Wall) {
    let time = ntp(now);
    out.extend_from_slice(&[0x80, EXTENDED_REPORT, 0, 4]);
    out.extend_from_slice(&ours.to_be_bytes());
    out.extend_from_slice(&[REFERENCE_TIME, 0, 0, 2]);
    out.extend_from_slice(&time.to_be_bytes());
}

/// Appends a report that answers a receiver's reference time (RFC 3611 4.5).
pub fn encode_since(out: &mut Vec<u8>, ours: u32, since: &SinceReference) {
    out.extend_from_slice(&[0x80, EXTENDED_REPORT, 0, 5]);
    out.extend_from_slice(&ours.to_be_bytes());
    out.extend_from_slice(&[DELAY_SINCE_LAST, 0, 0, 3]);
    for word in [since.ssrc, since.last_reference, since.delay] {
        out.extend_from_slice(&word.to_be_bytes());
    }
}

/// A moment in NTP format.
pub fn ntp(at: Wall) -> u64 {
    let (seconds, nanos) = (at.0.div_euclid(NANOS_PER_SECOND), at.0.rem_euclid(NANOS_PER_SECOND));
    let seconds = seconds.saturating_add(NTP_TO_UNIX_S).cast_unsigned() & 0xffff_ffff;
    let fraction = (nanos.cast_unsigned() << 32) / NANOS_PER_SECOND.cast_unsigned();
    seconds << 32 | fraction
}

/// The middle 32 bits of a time in NTP format (RFC 3550 4): 1/65536 s.
pub fn middle(ntp: u64) -> u32 {
    (ntp >> 16 & 0xffff_ffff) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::rtcp::{self, Report};

    const NOW: Wall = Wall(1_795_403_601_042_000_000);

    fn read(bytes: &[u8]) -> Vec<Block> {
        let Some(Report::Extended { blocks: body, .. }) = rtcp::parse(bytes).unwrap().next() else { panic!() };
        blocks(body).collect()
    }

    #[test]
    fn a_round_trip_is_what_is_left_of_the_time_that_the_answer_took() {
        let mut question = Vec::new();
        encode_reference(&mut question, 7, NOW);
        let [Block::Reference { ntp: time }] = read(&question)[..] else { panic!() };
        // It rests there for half a second, and is 80 ms on its way.
        let mut answer = Vec::new();
        let since = SinceReference { ssrc: 7, last_reference: middle(time), delay: 32_768 };
        encode_since(&mut answer, 9, &since);
        assert_eq!(read(&answer), [Block::SinceReference(since)]);
        let told = since.round_trip_us(Wall(NOW.0 + 580_000_000)).unwrap();
        assert!((79_950..=80_050).contains(&told), "{told}");
        assert_eq!(since.round_trip_us(Wall(NOW.0 + 499_990_000)), Some(0), "a grain of the clock");
    }

    #[test]
    fn what_cannot_be_a_round_trip_is_none() {
        let since = SinceReference { ssrc: 7, last_reference: middle(ntp(NOW)), delay: 0 };
        assert_eq!(since.round_trip_us(Wall(NOW.0 + 31_000_000_000)), None);
        assert_eq!(since.round_trip_us(Wall(NOW.0 - 1_000_000_000)), None);
        assert_eq!(SinceReference { last_reference: 0, ..since }.round_trip_us(NOW), None);
    }

    #[test]
    fn several_answers_stand_in_a_block_and_torn_ones_end_it() {
        let mut body = Vec::from([1, 0, 0, 1, 9, 9, 9, 9, DELAY_SINCE_LAST, 0, 0, 6]);
        for word in [1_u32, 2, 3, 4, 5, 6] {
            body.extend(word.to_be_bytes());
        }
        let answer =
            |ssrc, last_reference, delay| Block::SinceReference(SinceReference { ssrc, last_reference, delay });
        assert_eq!(blocks(&body).collect::<Vec<_>>(), [answer(1, 2, 3), answer(4, 5, 6)]);
        for end in 0..body.len() {
            assert_eq!(blocks(&body[..end]).count(), 0);
        }
        // A block without end, of nothing.
        assert_eq!(blocks(&[0; 4_096]).count(), 0);
    }
}
