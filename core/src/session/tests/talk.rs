//! Who is heard on which leg, raised and cleared by the figures of each second.

use super::*;
use crate::entry::Alarm;
use crate::media::Heard;

/// A call of two legs whose figures come once a second.
struct Legs {
    bench: Bench,
    session: SessionId,
    heard: [Heard; 2],
}

impl Legs {
    fn new() -> Self {
        let mut bench = Bench::new();
        Call::set_up(&mut bench, "a");
        let session = bench.session();
        Self { bench, session, heard: [Heard::default(); 2] }
    }

    /// So many seconds; who talks leaves three prints a second, from `from` on.
    fn seconds(&mut self, seconds: u32, talk: [bool; 2], from: [u32; 2]) -> Vec<(Alarm, u16, bool)> {
        for second in 0..seconds {
            self.bench.pass(Duration::from_secs(1));
            for leg in 0..2 {
                let heard = &mut self.heard[leg];
                heard.packets += 5;
                if talk[leg] {
                    heard.talk += 2;
                    for n in 0..3 {
                        heard.prints[usize::try_from(heard.printed % 16).unwrap()] = from[leg] + second * 3 + n;
                        heard.printed += 1;
                    }
                }
                self.tell(leg);
            }
        }
        self.alarms()
    }

    /// So many seconds of a first leg in which so many samples are heard, a thousandth of which is clipped so many times.
    fn loud(&mut self, seconds: u32, clipped_permille: u64) -> Vec<(Alarm, u16, bool)> {
        for _ in 0..seconds {
            self.bench.pass(Duration::from_secs(1));
            let heard = &mut self.heard[0];
            (heard.packets, heard.talk, heard.sounding) = (heard.packets + 5, heard.talk + 5, heard.sounding + 5);
            (heard.samples, heard.clipped) = (heard.samples + 1_000, heard.clipped + clipped_permille);
            self.tell(0);
        }
        self.of(Alarm::Clipped)
    }

    /// So many seconds of both legs, in which there is anything at all or not.
    fn sounding(&mut self, seconds: u32, is: [bool; 2]) -> Vec<(Alarm, u16, bool)> {
        for _ in 0..seconds {
            self.bench.pass(Duration::from_secs(1));
            for (leg, is) in is.into_iter().enumerate() {
                self.heard[leg].packets += 5;
                self.heard[leg].sounding += u64::from(is);
                self.tell(leg);
            }
        }
        self.of(Alarm::Silent)
    }

    fn of(&self, wanted: Alarm) -> Vec<(Alarm, u16, bool)> {
        let told = |event: Event| {
            let Event::Alarm { alarm, port, raised } = event else { return None };
            (alarm == wanted).then(|| (alarm, port.unwrap().0, raised))
        };
        self.bench.events().into_iter().filter_map(told).collect()
    }

    /// Another process goes on from the last checkpoint; its ports count from zero.
    fn restart(&mut self) {
        let mut next = Bench::new();
        next.now = self.bench.now;
        next.srs.restore(next.now, self.bench.last_checkpoint(), 2, self.bench.now.wall, false);
        next.drain();
        self.bench = next;
        self.heard = [Heard::default(); 2];
    }

    fn tell(&mut self, leg: usize) {
        let port = u16::try_from(leg).unwrap();
        let statistics = PortStatistics { heard: Some(self.heard[leg]), ..self.bench.statistics(port) };
        self.bench.input(Input::Media(&MediaReport { session: self.session, event: None, statistics }));
    }

    fn alarms(&self) -> Vec<(Alarm, u16, bool)> {
        let told = |event: Event| {
            let Event::Alarm { alarm, port, raised } = event else { return None };
            matches!(alarm, Alarm::OneWay | Alarm::Identical).then(|| (alarm, port.unwrap().0, raised))
        };
        self.bench.events().into_iter().filter_map(told).collect()
    }
}

#[test]
fn a_leg_on_which_nobody_is_heard_while_the_other_talks_is_alarmed_until_somebody_speaks() {
    let mut legs = Legs::new();
    assert!(legs.seconds(29, [true, false], [100, 0]).is_empty());
    assert_eq!(legs.seconds(60, [true, false], [500, 0]), [(Alarm::OneWay, 1, true)]);
    assert_eq!(legs.seconds(1, [true, true], [1_000, 5_000])[1..], [(Alarm::OneWay, 1, false)]);
    assert_eq!(legs.seconds(600, [true, false], [2_000, 0]).len(), 2, "who has spoken listens for as long as it likes");
}

#[test]
fn silence_on_both_legs_is_nobodys_fault() {
    assert!(Legs::new().seconds(600, [false, false], [0, 0]).is_empty());
}

#[test]
fn legs_of_the_same_audio_are_alarmed_until_they_differ() {
    let mut legs = Legs::new();
    assert_eq!(legs.seconds(10, [true, true], [100, 100]), [(Alarm::Identical, 1, true)]);
    assert_eq!(legs.seconds(5, [false, false], [0, 0]).len(), 1, "silence tells nothing");
    assert_eq!(legs.seconds(10, [true, true], [1_000, 9_000])[1..], [(Alarm::Identical, 1, false)]);
}

#[test]
fn an_alarm_outlives_a_restart_and_is_cleared_after_it() {
    let mut legs = Legs::new();
    legs.seconds(40, [true, false], [100, 0]);
    legs.restart();
    assert!(legs.seconds(60, [true, false], [100, 0]).is_empty(), "it is not told again");
    assert_eq!(legs.seconds(1, [true, true], [1_000, 5_000]), [(Alarm::OneWay, 1, false)]);
}

#[test]
fn who_talked_before_a_restart_is_not_taken_for_dumb() {
    let mut legs = Legs::new();
    legs.seconds(5, [true, true], [100, 5_000]);
    legs.restart();
    assert!(legs.seconds(120, [true, false], [1_000, 0]).is_empty());
}

#[test]
fn a_leg_of_nothing_but_digital_silence_is_alarmed_until_there_is_a_sound() {
    let mut legs = Legs::new();
    assert!(legs.sounding(29, [true, false]).is_empty());
    assert_eq!(legs.sounding(5, [true, false]), [(Alarm::Silent, 1, true)]);
    legs.restart();
    assert!(legs.sounding(60, [true, false]).is_empty(), "it is not told again");
    assert_eq!(legs.sounding(1, [true, true]), [(Alarm::Silent, 1, false)]);
    assert_eq!(legs.sounding(600, [true, false]).len(), 1, "whoever was heard may mute");
}

#[test]
fn talk_that_is_clipped_is_alarmed_until_it_is_clean() {
    let mut legs = Legs::new();
    assert!(legs.loud(40, 4).is_empty(), "one in 250");
    assert_eq!(legs.loud(4, 5), [(Alarm::Clipped, 0, true)]);
    assert_eq!(legs.loud(40, 2).len(), 1, "between the limits");
    assert_eq!(legs.loud(4, 0)[1..], [(Alarm::Clipped, 0, false)]);
}

#[test]
fn legs_of_a_codec_that_is_not_decoded_are_compared_by_their_prints() {
    let mut legs = Legs::new();
    for second in 0..10_u32 {
        legs.bench.pass(Duration::from_secs(1));
        for leg in 0..2 {
            for n in 0..3 {
                let heard = &mut legs.heard[leg];
                heard.prints[usize::try_from(heard.printed % 16).unwrap()] = 1 + second * 3 + n;
                heard.printed += 1;
            }
            legs.tell(leg);
        }
    }
    assert_eq!(legs.of(Alarm::Identical), [(Alarm::Identical, 1, true)]);
}
