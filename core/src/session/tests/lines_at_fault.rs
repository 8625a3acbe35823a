//! Jitter, and legs that change places, raised and cleared by the figures of each second.

use super::*;
use crate::entry::{Alarm, SourceChange};
use crate::media::SourceSummary;
use crate::rtp::SourceStatistics;

/// A source of a leg, as its port tells of it.
#[derive(Debug, Clone, Copy)]
struct Heard {
    ssrc: u32,
    from: &'static str,
    first: i64,
    last: i64,
    jitter_us: u32,
}

/// A call of two legs, whose figures come once a second.
struct Legs {
    bench: Bench,
    session: SessionId,
    second: i64,
    legs: [Vec<Heard>; 2],
}

/// Where the two legs are, by the SDP of the call.
const FIRST: &str = "127.0.0.2:30000";
const SECOND: &str = "127.0.0.2:30002";

impl Legs {
    fn new() -> Self {
        let mut bench = Bench::new();
        Call::set_up(&mut bench, "a");
        let session = bench.session();
        Self { bench, session, second: 0, legs: [Vec::new(), Vec::new()] }
    }

    /// So many seconds in which each leg has such a source, from there, with such jitter.
    fn seconds(&mut self, seconds: i64, sources: [(u32, &'static str); 2], jitter_us: u32) -> Vec<(Alarm, u16, bool)> {
        for _ in 0..seconds {
            self.bench.pass(Duration::from_secs(1));
            self.second += 1;
            for (leg, (ssrc, from)) in sources.into_iter().enumerate() {
                let second = self.second;
                match self.legs[leg].iter_mut().find(|heard| heard.ssrc == ssrc && heard.from == from) {
                    Some(heard) => (heard.last, heard.jitter_us) = (second, jitter_us),
                    None => self.legs[leg].push(Heard { ssrc, from, first: second, last: second, jitter_us }),
                }
                self.tell(leg);
            }
        }
        self.alarms()
    }

    fn tell(&mut self, leg: usize) {
        let mut statistics = self.bench.statistics(u16::try_from(leg).unwrap());
        statistics.packets = self.second.unsigned_abs() * 50;
        statistics.sources = self.legs[leg].iter().map(summary).collect();
        self.bench.input(Input::Media(&MediaReport { session: self.session, event: None, statistics }));
    }

    fn alarms(&self) -> Vec<(Alarm, u16, bool)> {
        let told = |event: Event| {
            let Event::Alarm { alarm, port, raised } = event else { return None };
            matches!(alarm, Alarm::Swapped | Alarm::Jitter).then(|| (alarm, port.unwrap().0, raised))
        };
        self.bench.events().into_iter().filter_map(told).collect()
    }
}

fn summary(heard: &Heard) -> SourceSummary {
    let received = (heard.last - heard.first + 1).unsigned_abs() * 50;
    let at = |second: i64| Wall(second * 1_000_000_000);
    let statistics = SourceStatistics {
        ssrc: heard.ssrc,
        received,
        expected: received,
        first_at: at(heard.first),
        last_at: at(heard.last),
        jitter_us: heard.jitter_us,
        ..SourceStatistics::default()
    };
    SourceSummary { from: heard.from.parse().unwrap(), change: SourceChange::First, statistics }
}

#[test]
fn jitter_that_lasts_is_alarmed_once_and_cleared_well_below() {
    let mut legs = Legs::new();
    let sources = [(1, FIRST), (2, SECOND)];
    assert!(legs.seconds(20, sources, 49_000).is_empty());
    assert!(legs.seconds(4, sources, 60_000).is_empty());
    assert!(legs.seconds(1, sources, 20_000).is_empty(), "not five in a row");
    let both = [(Alarm::Jitter, 0, true), (Alarm::Jitter, 1, true)];
    assert_eq!(legs.seconds(5, sources, 50_000), both);
    assert_eq!(legs.seconds(20, sources, 30_000), both, "between the limits");
    assert_eq!(legs.seconds(5, sources, 5_000)[2..], [(Alarm::Jitter, 0, false), (Alarm::Jitter, 1, false)]);
}

#[test]
fn sources_that_change_legs_are_alarmed_until_they_go_back() {
    let mut legs = Legs::new();
    assert!(legs.seconds(20, [(1, FIRST), (2, SECOND)], 0).is_empty());
    // One SSRC moves to the other leg, from its own address.
    let swapped = [(Alarm::Swapped, 0, true), (Alarm::Swapped, 1, true)];
    let mut told = legs.seconds(10, [(2, FIRST), (1, SECOND)], 0);
    told.sort_unstable();
    assert_eq!(told, swapped);
    assert_eq!(legs.seconds(60, [(2, FIRST), (1, SECOND)], 0).len(), 2, "it is told once");
    let mut back = legs.seconds(10, [(1, FIRST), (2, SECOND)], 0).split_off(2);
    back.sort_unstable();
    assert_eq!(back, [(Alarm::Swapped, 0, false), (Alarm::Swapped, 1, false)]);
}

#[test]
fn an_src_that_numbers_all_lines_alike_has_swapped_nothing() {
    let mut legs = Legs::new();
    assert!(legs.seconds(60, [(1, FIRST), (1, SECOND)], 0).is_empty());
}

#[test]
fn legs_that_send_from_each_others_addresses_are_alarmed() {
    let mut legs = Legs::new();
    let mut told = legs.seconds(10, [(1, SECOND), (2, FIRST)], 0);
    told.sort_unstable();
    assert_eq!(told, [(Alarm::Swapped, 0, true), (Alarm::Swapped, 1, true)]);
}
