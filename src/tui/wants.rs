//! What has to be asked of the server again, and when: after something happened, seldom enough for a server with ten thousand
//! sessions, and one question of a kind at a time.

use super::event::Ask;

/// What is asked again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Sessions,
    Alarms,
    Peers,
    Metrics,
    Ports,
    /// The SIP messages of the session that is looked at.
    Signalling,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Wants([Want; 6]);

#[derive(Debug, Clone, Default)]
struct Want {
    is_wanted: bool,
    /// Since when an answer is waited for, milliseconds.
    asked: Option<i64>,
    /// When the last answer came, and how long it took.
    answered: Option<(i64, i64)>,
}

/// Not more often, milliseconds.
const APART: i64 = 500;
/// An answer that took so long is not asked for again before so many times that have gone by.
const RESTS: i64 = 5;
/// An answer that does not come by then was lost.
const PATIENCE: i64 = 30_000;

const KINDS: [Kind; 6] = [Kind::Sessions, Kind::Alarms, Kind::Peers, Kind::Metrics, Kind::Ports, Kind::Signalling];

impl Wants {
    fn of(&mut self, kind: Kind) -> Option<&mut Want> {
        let place = KINDS.iter().position(|known| *known == kind)?;
        self.0.get_mut(place)
    }

    /// It may have changed.
    pub(super) fn want(&mut self, kind: Kind) {
        if let Some(want) = self.of(kind) {
            want.is_wanted = true;
        }
    }

    /// It is another thing than before: whatever is under way is not waited for.
    pub(super) fn want_at_once(&mut self, kind: Kind) {
        if let Some(want) = self.of(kind) {
            *want = Want { is_wanted: true, ..Want::default() };
        }
    }

    /// It may have changed, where the last answer is as old as this (milliseconds).
    pub(super) fn want_after(&mut self, kind: Kind, age: i64, now: i64) {
        if let Some(want) = self.of(kind) {
            want.is_wanted |= want.answered.is_none_or(|(at, _)| now - at >= age);
        }
    }

    /// Whether one was answered or asked for already.
    pub(super) fn is_known(&mut self, kind: Kind) -> bool {
        self.of(kind).is_some_and(|want| want.answered.is_some() || want.asked.is_some())
    }

    /// It came, or will not.
    pub(super) fn answered(&mut self, kind: Kind, now: i64) {
        if let Some(want) = self.of(kind) {
            let took = want.asked.take().map_or(0, |asked| now - asked);
            want.answered = Some((now, took));
        }
    }

    /// The link is gone: nothing comes any more.
    pub(super) fn forget(&mut self) {
        self.0 = Default::default();
    }

    /// What is to be asked now.
    pub(super) fn due(&mut self, now: i64) -> Vec<Kind> {
        let is_due = |want: &Want| {
            let is_free = want.asked.is_none_or(|asked| now - asked >= PATIENCE);
            let is_time = want.answered.is_none_or(|(at, took)| now - at >= APART.max(took * RESTS));
            want.is_wanted && is_free && is_time
        };
        let mut due = Vec::new();
        for (kind, want) in KINDS.iter().zip(&mut self.0) {
            if is_due(want) {
                (want.is_wanted, want.asked) = (false, Some(now));
                due.push(*kind);
            }
        }
        due
    }
}

impl Kind {
    /// The kind of a question, where it is one of these.
    pub(super) fn of(ask: &Ask) -> Option<Self> {
        Some(match ask {
            Ask::Sessions => Self::Sessions,
            Ask::Alarms => Self::Alarms,
            Ask::Peers => Self::Peers,
            Ask::Metrics => Self::Metrics,
            Ask::Ports => Self::Ports,
            Ask::Signalling(_) => Self::Signalling,
            Ask::Page(..)
            | Ask::Sheet(_)
            | Ask::Peaks(..)
            | Ask::Order(..)
            | Ask::Acknowledge(_)
            | Ask::Tag(..)
            | Ask::SaveAudio(..)
            | Ask::Listen(..)
            | Ask::TagSession(..)
            | Ask::StopListening => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_question_of_a_kind_at_a_time_and_the_slower_the_rarer() {
        let mut wants = Wants::default();
        assert!(wants.due(0).is_empty());
        wants.want(Kind::Sessions);
        wants.want(Kind::Alarms);
        assert_eq!(wants.due(0), [Kind::Sessions, Kind::Alarms]);
        wants.want(Kind::Sessions);
        assert!(wants.due(400).is_empty(), "it is under way");
        wants.answered(Kind::Sessions, 400);
        assert!(wants.due(2_399).is_empty(), "it took 400 ms");
        assert_eq!(wants.due(2_400), [Kind::Sessions]);
        wants.want(Kind::Sessions);
        assert_eq!(wants.due(2_400 + PATIENCE), [Kind::Sessions], "the answer was lost");
    }

    #[test]
    fn what_is_old_is_wanted_again() {
        let mut wants = Wants::default();
        wants.want_after(Kind::Metrics, 2_000, 0);
        assert_eq!(wants.due(0), [Kind::Metrics]);
        wants.answered(Kind::Metrics, 10);
        wants.want_after(Kind::Metrics, 2_000, 1_000);
        assert!(wants.due(1_000).is_empty());
        wants.want_after(Kind::Metrics, 2_000, 2_010);
        assert_eq!(wants.due(2_010), [Kind::Metrics]);
    }
}
