//! When each peer usually begins sessions: so many in each hour of the week, learned over weeks; so a silence that is not usual
//! can be told. It reads no clock and no file.
//!
//! ```text
//! session, tick -> this hour's count -> at its end: mean of that hour of the week
//! silence = the time since the peer's last session, as far as it was watched
//! a silence is unusual when half an hour is over and at least so many sessions usually begin in it
//! ```
//! With a mean of 10 that is an hour at 10 an hour, half an hour at 20 and more: by chance alone one such silence in 20,000.
//! Hours are UTC's. An hour counts for what the least busy of it and its neighbours does, since people's clocks change to summer
//! time and back. A holiday on a working day is a silence all the same.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use siprec_core::time::Wall;

const SECOND_NANOS: i64 = 1_000_000_000;
const HOUR: i64 = 3600;
const HOURS: usize = 7 * 24;
/// Nothing is said of a peer that is known for a shorter time: two weeks, in hours.
const KNOWN_HOURS: i64 = 14 * 24;
/// And nothing by an hour of the week that was seen less often.
const KNOWN_WEEKS: u8 = 2;
/// No silence is unusual before, seconds.
const SHORTEST: i64 = 1800;
/// A silence is judged by its last day, seconds.
const JUDGED: i64 = 24 * HOUR;
/// A week has this weight in the mean: one in so many.
const WEIGHT: i64 = 4;
/// Who was not watched for longer, seconds, may have begun what nobody counted: hours and silences begin anew.
const UNWATCHED: i64 = 600;
/// Peers that are known at most.
const MAX_PEERS: usize = 1000;

/// What is known of all peers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Rhythm {
    /// When it was last looked at; seconds since 1970, as all times here.
    seen: i64,
    /// From when on it was looked at again and again.
    watched_since: i64,
    /// The hour that is counted, since 1970.
    hour: i64,
    /// It was watched from its beginning.
    is_whole: bool,
    peers: BTreeMap<String, Peer>,
}

/// What is known of a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Peer {
    /// The hour since which it is known.
    since: i64,
    /// When it last began a session.
    last: i64,
    /// Sessions that it began in the hour that is counted.
    begun: u32,
    /// Its silence is told.
    #[serde(default)]
    is_silent: bool,
    /// Of each hour of the week: hundredths of sessions, and in how many weeks it was seen.
    week: Vec<(u32, u8)>,
}

/// A silence that is not usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Silence {
    /// When the last session began, or was watched for.
    pub(super) since: Wall,
}

impl Rhythm {
    /// A peer began a session.
    pub(super) fn session(&mut self, now: Wall, peer: &str) {
        self.tick(now);
        if !self.peers.contains_key(peer) {
            if self.peers.len() >= MAX_PEERS {
                return;
            }
            let fresh = Peer { since: self.hour, last: 0, begun: 0, is_silent: false, week: vec![(0, 0); HOURS] };
            self.peers.insert(peer.to_owned(), fresh);
        }
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.last = seconds(now);
            peer.begun = peer.begun.saturating_add(1);
            peer.is_silent = false;
        }
    }

    /// Time has passed. Call at least once a minute.
    pub(super) fn tick(&mut self, now: Wall) {
        let now = seconds(now);
        let hour = now.div_euclid(HOUR);
        let is_watched = (0..=UNWATCHED).contains(&(now - self.seen));
        if !is_watched {
            self.watched_since = now;
        }
        if hour != self.hour {
            for peer in self.peers.values_mut() {
                if self.is_whole && is_watched && peer.since <= self.hour {
                    peer.learn(self.hour);
                }
                peer.begun = 0;
            }
            self.hour = hour;
            self.is_whole = is_watched;
        } else if !is_watched {
            self.is_whole = false;
        }
        self.seen = now;
    }

    /// Forgets all peers but these.
    pub(super) fn keep(&mut self, names: &BTreeSet<String>) {
        self.peers.retain(|name, _| names.contains(name));
    }

    /// Peers that are silent although they usually begin `limit` sessions or more meanwhile; 0: nobody is. Each until its next
    /// session.
    pub(super) fn silences(&mut self, now: Wall, limit: u32) -> BTreeMap<String, Silence> {
        self.tick(now);
        let (now, hour, watched_since) = (seconds(now), self.hour, self.watched_since);
        let mut silences = BTreeMap::new();
        for (name, peer) in &mut self.peers {
            if limit == 0 {
                peer.is_silent = false;
                continue;
            }
            let since = peer.last.max(watched_since);
            let is_known = hour - peer.since >= KNOWN_HOURS;
            let is_unusual = now - since >= SHORTEST && peer.usual(since, now) >= i64::from(limit) * 100 * HOUR;
            peer.is_silent |= is_known && is_unusual;
            if peer.is_silent {
                silences.insert(name.clone(), Silence { since: Wall(peer.last.saturating_mul(SECOND_NANOS)) });
            }
        }
        silences
    }
}

impl Peer {
    /// The hour is over.
    fn learn(&mut self, hour: i64) {
        let Some((mean, weeks)) = self.week.get_mut(of_week(hour)) else { return };
        let begun = i64::from(self.begun) * 100;
        let before = i64::from(*mean);
        let after = if *weeks == 0 { begun } else { before + (begun - before) / WEIGHT };
        *mean = u32::try_from(after).unwrap_or(u32::MAX);
        *weeks = weeks.saturating_add(1);
    }

    /// Sessions that usually begin from `since` to `now`: hundredths, times the seconds of an hour.
    fn usual(&self, since: i64, now: i64) -> i64 {
        let since = since.max(now - JUDGED);
        let hours = since.div_euclid(HOUR)..=now.div_euclid(HOUR);
        let of_hour = |hour: i64| {
            let from = since.max(hour * HOUR);
            let to = now.min((hour + 1) * HOUR);
            (to - from).max(0) * self.at_least(hour)
        };
        hours.map(of_hour).sum()
    }

    /// What it does in an hour and in both beside it.
    fn at_least(&self, hour: i64) -> i64 {
        let known = |hour: i64| {
            let (mean, weeks) = self.week.get(of_week(hour)).copied().unwrap_or_default();
            if weeks >= KNOWN_WEEKS { i64::from(mean) } else { 0 }
        };
        known(hour - 1).min(known(hour)).min(known(hour + 1))
    }
}

fn seconds(at: Wall) -> i64 {
    at.0.div_euclid(SECOND_NANOS)
}

fn of_week(hour: i64) -> usize {
    usize::try_from(hour.rem_euclid(i64::try_from(HOURS).unwrap_or(1))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60;
    const DAY: i64 = 24 * HOUR;
    /// A Thursday at midnight, as 1970 began.
    const BEGAN: i64 = 2_900 * 7 * DAY;

    fn at(seconds: i64) -> Wall {
        Wall((BEGAN + seconds) * SECOND_NANOS)
    }

    /// A peer that begins `an_hour` sessions in each hour from 8 to 18, on Thursdays to Tuesdays, watched each minute.
    struct Desk {
        rhythm: Rhythm,
        an_hour: i64,
        now: i64,
    }

    impl Desk {
        fn of(an_hour: i64) -> Self {
            Self { rhythm: Rhythm::default(), an_hour, now: 0 }
        }

        fn works(&self) -> bool {
            (8..18).contains(&(self.now % DAY / HOUR)) && self.now / DAY % 7 < 6
        }

        /// Time passes; `calls`: as usual.
        fn until(&mut self, end: i64, calls: bool) {
            while self.now < end {
                self.now += MINUTE;
                self.rhythm.tick(at(self.now));
                if calls && self.works() && self.now % (HOUR / self.an_hour) < MINUTE {
                    self.rhythm.session(at(self.now), "desk");
                }
            }
        }

        fn silent(&mut self, limit: u32) -> bool {
            !self.rhythm.silences(at(self.now), limit).is_empty()
        }
    }

    #[test]
    fn a_silence_in_busy_hours_is_told_after_two_weeks_and_until_the_next_session() {
        let mut desk = Desk::of(20);
        desk.until(13 * DAY + 10 * HOUR, true);
        desk.until(13 * DAY + 12 * HOUR, false);
        assert!(!desk.silent(10), "known for less than two weeks");
        desk.until(15 * DAY + 10 * HOUR, true);
        assert!(!desk.silent(10));
        desk.until(15 * DAY + 10 * HOUR + 25 * MINUTE, false);
        assert!(!desk.silent(10), "not half an hour yet");
        desk.until(15 * DAY + 10 * HOUR + 36 * MINUTE, false);
        assert!(desk.silent(10));
        let since = desk.rhythm.silences(at(desk.now), 10)["desk"].since;
        assert!(at(desk.now).nanos_since(since) < 40 * MINUTE * SECOND_NANOS, "{since:?}");
        desk.until(16 * DAY + 3 * HOUR, false);
        assert!(desk.silent(10), "at night it is still the same silence");
        assert!(!desk.rhythm.clone().silences(at(desk.now), 0).contains_key("desk"), "turned off");
        desk.rhythm.session(at(desk.now), "desk");
        assert!(!desk.silent(10));
    }

    #[test]
    fn nights_quiet_days_and_quiet_peers_are_no_silence() {
        let mut desk = Desk::of(20);
        for hour in 0..28 * 24 {
            desk.until(hour * HOUR, true);
            assert!(!desk.silent(10), "hour {hour}");
        }
        let mut quiet = Desk::of(4);
        quiet.until(28 * DAY + 9 * HOUR, true);
        quiet.until(28 * DAY + 11 * HOUR, false);
        assert!(!quiet.silent(10), "8 sessions would have begun");
        quiet.until(28 * DAY + 13 * HOUR, false);
        assert!(quiet.silent(10));
    }

    #[test]
    fn summer_time_is_no_silence() {
        let mut desk = Desk::of(60);
        desk.until(28 * DAY + 6 * HOUR, true);
        // Everybody comes an hour later than the weeks before.
        desk.until(28 * DAY + 9 * HOUR, false);
        assert!(!desk.silent(10));
        desk.until(28 * DAY + 9 * HOUR + 31 * MINUTE, false);
        assert!(desk.silent(10));
    }

    #[test]
    fn what_nobody_watched_is_not_learned_and_no_silence() {
        let mut desk = Desk::of(60);
        desk.until(20 * DAY + 11 * HOUR, true);
        let text = serde_json::to_string(&desk.rhythm).unwrap();
        let mut next: Rhythm = serde_json::from_str(&text).unwrap();
        assert_eq!(next, desk.rhythm);
        // A restart of a minute: it goes on. One of a day: a silence begins with it.
        let mut soon = next.clone();
        soon.tick(at(desk.now + MINUTE));
        assert_eq!(soon.watched_since, next.watched_since);
        assert!(soon.is_whole);
        let later = desk.now + DAY;
        assert!(next.silences(at(later), 10).is_empty());
        let known = next.peers["desk"].week.clone();
        (1..30).for_each(|minute| next.tick(at(later + minute * MINUTE)));
        assert!(next.silences(at(later + 29 * MINUTE), 10).is_empty());
        assert_eq!(next.silences(at(later + 31 * MINUTE), 10).len(), 1);
        (32..61).for_each(|minute| next.tick(at(later + minute * MINUTE)));
        assert_eq!(next.peers["desk"].week, known, "that hour was not watched from its beginning");
    }

    #[test]
    fn a_peer_that_does_less_is_expected_to_after_some_weeks() {
        let mut peer = Peer { since: 0, last: 0, begun: 100, is_silent: false, week: vec![(0, 0); HOURS] };
        peer.learn(5);
        assert_eq!(peer.week[5], (10_000, 1));
        peer.begun = 0;
        (0..8).for_each(|_| peer.learn(5));
        assert!(peer.week[5].0 < 1_100, "{:?}", peer.week[5]);
    }

    #[test]
    fn peers_have_an_end_and_those_that_are_gone_are_forgotten() {
        let mut rhythm = Rhythm::default();
        (0..MAX_PEERS + 5).for_each(|n| rhythm.session(at(0), &format!("peer {n}")));
        assert_eq!(rhythm.peers.len(), MAX_PEERS);
        rhythm.keep(&BTreeSet::from(["peer 7".to_owned()]));
        assert_eq!(rhythm.peers.keys().collect::<Vec<_>>(), ["peer 7"]);
    }
}
