//! How streams sounded over the last minutes: a second a place, a few octets each, so that twenty thousand streams fit.

use std::collections::{HashMap, VecDeque};

use super::answers::Second;

/// Seconds that are remembered of a stream.
pub(super) const SECONDS: usize = 120;
/// What is below is silence, dB of full scale.
const FLOOR_DB: i16 = -60;

/// A stream's last minutes and what it adds up to since it is watched.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct History {
    seconds: VecDeque<Moment>,
    pub(super) expected: u64,
    pub(super) lost: u64,
    pub(super) codec: Option<String>,
}

/// A second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Moment {
    /// Tenths of a millisecond.
    pub(super) jitter: u16,
    /// Thousandths of its packets that did not come.
    pub(super) loss: u16,
    /// Hundredths; none where it is not judged.
    pub(super) mos: Option<u16>,
    /// dB of full scale; none where nothing can be told.
    pub(super) level: Option<i16>,
    pub(super) packets: u16,
    pub(super) talks: bool,
}

impl History {
    fn take(&mut self, second: &Second) {
        self.expected += second.expected;
        self.lost += second.lost;
        if second.codec.is_some() && self.codec != second.codec {
            self.codec.clone_from(&second.codec);
        }
        let loss = (second.lost.min(second.expected) * 1_000).checked_div(second.expected).unwrap_or(0);
        let narrow = |wide: u64| u16::try_from(wide).unwrap_or(u16::MAX);
        self.seconds.push_back(Moment {
            jitter: narrow(u64::from(second.jitter_us) / 100),
            loss: narrow(loss),
            mos: second.mos.map(hundredths),
            level: second.level_dbfs,
            packets: narrow(second.packets),
            talks: second.talks.unwrap_or(false),
        });
        if self.seconds.len() > SECONDS {
            self.seconds.pop_front();
        }
    }

    /// The newest second.
    pub(super) fn last(&self) -> Option<&Moment> {
        self.seconds.back()
    }

    /// The last `count` seconds, the newest last.
    pub(super) fn last_ones(&self, count: usize) -> impl Iterator<Item = &Moment> {
        self.seconds.iter().skip(self.seconds.len().saturating_sub(count))
    }

    /// Hundredths of a per cent lost since it is watched.
    pub(super) fn loss(&self) -> Option<u64> {
        (self.lost * 10_000).checked_div(self.expected)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a score is between 1 and 5")]
fn hundredths(mos: f32) -> u16 {
    (mos.clamp(0.0, 5.0) * 100.0).round() as u16
}

/// Of all streams of all sessions.
#[derive(Debug, Default)]
pub(super) struct Histories(HashMap<String, Vec<(u16, History)>>);

impl Histories {
    /// A second came.
    pub(super) fn take(&mut self, second: &Second) {
        if !self.0.contains_key(&second.session) {
            self.0.insert(second.session.clone(), Vec::new());
        }
        let Some(streams) = self.0.get_mut(&second.session) else { return };
        let place = streams.iter().position(|(number, _)| *number == second.stream).unwrap_or_else(|| {
            streams.push((second.stream, History::default()));
            streams.sort_unstable_by_key(|(number, _)| *number);
            streams.iter().position(|(number, _)| *number == second.stream).unwrap_or_default()
        });
        if let Some((_, history)) = streams.get_mut(place) {
            history.take(second);
        }
    }

    /// The streams of a session, in the order of their numbers.
    pub(super) fn of(&self, session: &str) -> &[(u16, History)] {
        self.0.get(session).map_or(&[], Vec::as_slice)
    }

    /// A stream.
    pub(super) fn stream(&self, session: &str, number: u16) -> Option<&History> {
        self.of(session).iter().find(|(known, _)| *known == number).map(|(_, history)| history)
    }

    /// Forgets sessions that are over.
    pub(super) fn keep(&mut self, is_kept: impl Fn(&str) -> bool) {
        self.0.retain(|session, _| is_kept(session));
    }

    /// What a table says of a session: the worst of its streams.
    pub(super) fn worst(&self, session: &str) -> Worst {
        let mut worst = Worst::default();
        for (_, history) in self.of(session) {
            worst.loss = worst.loss.max(history.loss());
            let Some(last) = history.last() else { continue };
            worst.jitter = worst.jitter.max(Some(last.jitter));
            worst.mos = match (worst.mos, last.mos) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
        }
        worst
    }
}

/// The worst of a session's streams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Worst {
    /// Hundredths of a per cent, since it is watched.
    pub(super) loss: Option<u64>,
    /// Tenths of a millisecond.
    pub(super) jitter: Option<u16>,
    /// Hundredths.
    pub(super) mos: Option<u16>,
}

/// How full a meter of `cells` eighths-of-a-cell steps is at a level.
pub(super) fn fill(level: Option<i16>, steps: usize) -> usize {
    let Some(level) = level else { return 0 };
    let above = usize::try_from(i32::from(level.clamp(FLOOR_DB, 0)) - i32::from(FLOOR_DB)).unwrap_or(0);
    above * steps / usize::from(FLOOR_DB.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(stream: u16, expected: u64, lost: u64, mos: f32) -> Second {
        Second { session: "s".into(), stream, expected, lost, mos: Some(mos), jitter_us: 2_350, ..Second::default() }
    }

    #[test]
    fn a_table_shows_the_worst_stream() {
        let mut histories = Histories::default();
        histories.take(&second(1, 50, 0, 4.4));
        histories.take(&second(0, 50, 5, 3.1));
        let worst = histories.worst("s");
        assert_eq!(worst, Worst { loss: Some(1_000), jitter: Some(23), mos: Some(310) });
        assert_eq!(histories.of("s").iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(histories.worst("another"), Worst::default());
    }

    #[test]
    fn what_is_long_ago_is_forgotten_and_still_counted() {
        let mut history = History::default();
        for at in 0..500_u32 {
            let jitter_us = 100 * at;
            history.take(&Second { jitter_us, ..second(0, 100, u64::from(at < 50), 4.0) });
        }
        assert_eq!(history.seconds.len(), SECONDS);
        assert_eq!((history.last().map(|last| last.jitter), history.loss()), (Some(499), Some(10)));
        assert_eq!(history.last_ones(3).map(|moment| moment.jitter).collect::<Vec<_>>(), [497, 498, 499]);
    }

    #[test]
    fn meters_begin_at_the_floor_and_end_at_full_scale() {
        for (level, steps) in [(None, 0), (Some(-96), 0), (Some(-60), 0), (Some(-30), 20), (Some(0), 40), (Some(3), 40)]
        {
            assert_eq!(fill(level, 40), steps, "{level:?}");
        }
    }
}
