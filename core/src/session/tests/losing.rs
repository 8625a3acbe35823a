//! Loss of a stream, raised and cleared by the figures of each second.

use super::*;
use crate::entry::{Alarm, SourceChange};
use crate::media::SourceSummary;
use crate::rtp::SourceStatistics;

/// Packets a second of a stream.
const RATE: u64 = 50;

/// A call whose first stream's figures come once a second.
struct Line {
    bench: Bench,
    session: SessionId,
    change: SourceChange,
    expected: u64,
    lost: u64,
}

impl Line {
    fn new(change: SourceChange) -> Self {
        let mut bench = Bench::new();
        Call::set_up(&mut bench, "a");
        let session = bench.session();
        Self { bench, session, change, expected: 0, lost: 0 }
    }

    /// So many seconds, in each of which so many packets are missing.
    fn seconds(&mut self, seconds: u32, lost: u64) -> Vec<bool> {
        for _ in 0..seconds {
            self.bench.pass(Duration::from_secs(1));
            self.expected += RATE;
            self.lost += lost;
            self.tell();
        }
        self.alarms()
    }

    fn tell(&mut self) {
        let (expected, lost) = (self.expected, self.lost);
        let figures = SourceStatistics { expected, lost, received: expected - lost, ..SourceStatistics::default() };
        let from = "192.0.2.1:4000".parse().unwrap();
        let mut statistics = self.bench.statistics(0);
        statistics.sources.push(SourceSummary { from, change: self.change, statistics: figures });
        self.bench.input(Input::Media(&MediaReport { session: self.session, event: None, statistics }));
    }

    /// What was told of loss so far.
    fn alarms(&self) -> Vec<bool> {
        let is_ours = |alarm, port| alarm == Alarm::Loss && port == Some(PortIndex(0));
        let told = |event: Event| {
            if let Event::Alarm { alarm, port, raised } = event { is_ours(alarm, port).then_some(raised) } else { None }
        };
        self.bench.events().into_iter().filter_map(told).collect()
    }
}

#[test]
fn loss_that_lasts_is_alarmed_once_and_cleared_well_below() {
    let mut line = Line::new(SourceChange::First);
    assert!(line.seconds(11, 0).is_empty());
    assert!(line.seconds(4, 5).is_empty(), "not before its window is over");
    assert_eq!(line.seconds(1, 5), [true]);
    assert_eq!(line.seconds(20, 2), [true], "4 %: below what raises, above what clears");
    assert_eq!(line.seconds(4, 0), [true]);
    assert_eq!(line.seconds(1, 0), [true, false]);
    assert_eq!(line.seconds(20, 2), [true, false], "4 % raises nothing");
}

#[test]
fn a_burst_within_a_window_and_packets_that_come_late_are_no_alarm() {
    let mut line = Line::new(SourceChange::First);
    line.seconds(6, 0);
    line.seconds(1, 12);
    assert!(line.seconds(9, 0).is_empty(), "12 of 250");
    line.seconds(3, 50);
    line.lost -= 150;
    assert!(line.seconds(7, 0).is_empty(), "all of it came after all");
}

#[test]
fn few_packets_say_nothing_and_a_strangers_loss_is_nobodys() {
    let mut line = Line::new(SourceChange::First);
    line.tell();
    for _ in 0..4 {
        line.bench.pass(Duration::from_secs(6));
        (line.expected, line.lost) = (line.expected + 10, line.lost + 2);
        line.tell();
    }
    assert!(line.alarms().is_empty(), "comfort noise: 40 packets");
    let mut line = Line::new(SourceChange::Stranger);
    assert!(line.seconds(20, 25).is_empty());
}

#[test]
fn figures_that_begin_anew_clear_an_alarm_of_before() {
    let mut line = Line::new(SourceChange::First);
    assert_eq!(line.seconds(6, 25), [true]);
    // The port of after a restart counts from zero.
    (line.expected, line.lost) = (0, 0);
    assert_eq!(line.seconds(6, 0), [true, false]);
}
