//! Listening to codecs that remember. A decoder that begins in mid-stream says for some hundred milliseconds what nobody said: with
//! periodic sounds 10 dB too little, or too much. So packets are decoded in runs, of which the first packets are not judged.
//!
//! ```text
//! packet -> is its stream's turn -> run: warm-up, then judged -> Loudness
//! ```
//! What that may cost is bounded: in memory by the runs that are open at once, in time by a budget that packets earn and decoding
//! spends. While more than half of it is left, all packets are listened to; then some of each stream are, so a gigabyte is read about as fast
//! as without. Prices come from a table, not from a clock: a capture tells the same each time.

use alloc::vec::Vec;

use super::stream::Loudness;
use crate::codec::{Decoder, State};
use crate::rtp::Packet;
use crate::time::Wall;

/// Packets of a run that are not judged, unless the stream begins with them.
const WARM_UP: u32 = 16;
/// Packets of a run that are judged; while the budget is rich, as many as [`LONG`] leaves.
const JUDGED: u32 = 16;
/// A run is no longer, so that each stream has its turn.
const LONG: u32 = 500;
/// Before so many were judged, nobody is called silent.
pub(super) const LEAST_JUDGED: u64 = JUDGED as u64;
/// From the end of a run to the next, packets, of a stream's first runs.
const FIRST: u64 = 200;
const FIRST_RUNS: u32 = 2;
/// What is there at first, and at most: nanoseconds of decoding.
const BUDGET_NS: u64 = 1_000_000_000;
/// What a packet earns: about a second for the packets of a gigabyte.
const EARNED_NS: u64 = 100;
/// Runs at once, each with a decoder.
const MAX_RUNS: usize = 64;
/// A run without a packet for so long may end for another's.
const STALE_NS: i64 = 5_000_000_000;
/// After more missing packets a run is over.
const MISSING: u16 = 5;
/// Octets of a packet that is decoded.
const MAX_OCTETS: usize = 1_500;
/// Rate that decoders are asked for, Hz: Opus has all its bands then.
const RATE: u32 = 48_000;
/// What a packet mostly holds.
const PACKET_MS: u64 = 20;

/// When a stream is listened to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Turn {
    /// It is being listened to.
    runs: bool,
    /// Runs that were begun.
    begun: u32,
    /// The packet from which on the next may begin.
    next: u64,
}

impl Turn {
    /// Whether packet `count` of the stream is wanted.
    pub(super) fn wants(&self, count: u64) -> bool {
        self.runs || count >= self.next
    }

    /// Whether the stream was ever listened to in this way.
    pub(super) fn is_used(&self) -> bool {
        self.begun > 0
    }
}

/// A packet that is due, and whose it is.
pub(super) struct Due<'a, 'p> {
    /// The stream's place among all.
    pub(super) place: usize,
    /// Its number in the stream, from 1.
    pub(super) count: u64,
    pub(super) at: Wall,
    pub(super) decoder: Decoder,
    pub(super) packet: &'a Packet<'p>,
}

/// All that is listened to now.
#[derive(Debug)]
pub(super) struct Ears {
    runs: Vec<Run>,
    budget_ns: u64,
    samples: Vec<i16>,
}

#[derive(Debug)]
struct Run {
    place: usize,
    last_at: Wall,
    payload_type: u8,
    /// The sequence number that comes next.
    next: u16,
    decoded: u32,
    warm_up: u32,
    state: State,
}

impl Default for Ears {
    fn default() -> Self {
        Self { runs: Vec::new(), budget_ns: BUDGET_NS, samples: Vec::new() }
    }
}

impl Ears {
    /// A packet of any kind went by.
    pub(super) fn earn(&mut self) {
        self.budget_ns = (self.budget_ns + EARNED_NS).min(BUDGET_NS);
    }

    /// Takes a packet that its stream's `turn` wants.
    pub(super) fn hear(&mut self, due: &Due<'_, '_>, turn: &mut Turn, loudness: &mut Loudness) {
        let open = self.runs.iter().position(|run| turn.runs && run.place == due.place);
        turn.runs = open.is_some();
        let Some(nth) = open.or_else(|| self.begin(due, turn)) else { return };
        let is_rich = self.is_rich();
        let Some(run) = self.runs.get_mut(nth) else { return };
        let missing = due.packet.sequence.wrapping_sub(run.next);
        if missing > u16::MAX / 2 {
            // It comes late, or once more.
            return;
        }
        let fits =
            missing <= MISSING && run.payload_type == due.packet.payload_type && due.packet.payload.len() <= MAX_OCTETS;
        if fits {
            run.next = due.packet.sequence.wrapping_add(1);
            run.last_at = due.at;
            run.decoded += 1;
            self.samples.clear();
            run.state.decode(due.packet.payload, &mut self.samples);
            self.budget_ns = self.budget_ns.saturating_sub(price_ns(due));
            if run.decoded > run.warm_up {
                loudness.take(&self.samples);
            }
        }
        let enough = if is_rich { LONG } else { run.warm_up + JUDGED };
        if !fits || run.decoded >= enough {
            self.runs.swap_remove(nth);
            turn.runs = false;
            turn.next = due.count + self.distance(turn.begun, due.decoder);
        }
    }

    fn is_rich(&self) -> bool {
        self.budget_ns > BUDGET_NS / 2
    }

    /// Begins a run with this packet, if there is room and time.
    fn begin(&mut self, due: &Due<'_, '_>, turn: &mut Turn) -> Option<usize> {
        if due.count < turn.next || run_ns(due.decoder) > self.budget_ns {
            return None;
        }
        if self.runs.len() >= MAX_RUNS {
            let stale = self.runs.iter().position(|run| due.at.nanos_since(run.last_at) > STALE_NS)?;
            self.runs.swap_remove(stale);
        }
        let state = due.decoder.state(RATE)?;
        turn.runs = true;
        turn.begun += 1;
        let warm_up = if due.count == 1 { 0 } else { WARM_UP };
        let (payload_type, next) = (due.packet.payload_type, due.packet.sequence);
        self.runs.push(Run { place: due.place, last_at: due.at, payload_type, next, decoded: 0, warm_up, state });
        self.runs.len().checked_sub(1)
    }

    /// Packets from the end of a run to the next.
    fn distance(&self, begun: u32, decoder: Decoder) -> u64 {
        if self.is_rich() {
            return 1;
        }
        // As many as earn it.
        let earned = run_ns(decoder) / EARNED_NS;
        if begun < FIRST_RUNS { FIRST.min(earned) } else { earned }
    }
}

/// What a run takes that is no longer than it has to be.
fn run_ns(decoder: Decoder) -> u64 {
    decoder.decoding_ns_per_ms() * PACKET_MS * u64::from(WARM_UP + JUDGED)
}

/// What decoding a packet takes.
fn price_ns(due: &Due<'_, '_>) -> u64 {
    let ticks = u64::from(due.decoder.ticks(due.packet.payload));
    due.decoder.decoding_ns_per_ms() * (ticks * 1_000 / u64::from(due.decoder.clock_rate.max(1))).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Coding;
    use crate::sdp::Format;

    fn decoder(encoding: &'static str, clock_rate: u32) -> Decoder {
        let format = Format { payload_type: 96, encoding: encoding.into(), clock_rate, channels: 1, fmtp: None };
        let Coding::Audio(decoder) = Coding::of(&format) else { panic!("{encoding}") };
        decoder
    }

    /// A stream of one codec, and what was heard of it.
    struct Heard {
        ears: Ears,
        decoder: Decoder,
        turns: Vec<(Turn, u64, Loudness)>,
    }

    impl Heard {
        fn new(encoding: &'static str, clock_rate: u32, streams: usize) -> Self {
            let turns = alloc::vec![Default::default(); streams];
            Self { ears: Ears::default(), decoder: decoder(encoding, clock_rate), turns }
        }

        fn take(&mut self, place: usize, sequence: u16, payload: &[u8]) {
            let (turn, count, loudness) = &mut self.turns[place];
            *count += 1;
            self.ears.earn();
            if !turn.wants(*count) {
                return;
            }
            let bytes = [&[0x80, 96], sequence.to_be_bytes().as_slice(), &[0; 8], payload].concat();
            let packet = Packet::parse(&bytes).unwrap();
            let at = Wall(i64::try_from(*count).unwrap() * 20_000_000);
            let due = Due { place, count: *count, at, decoder: self.decoder, packet: &packet };
            self.ears.hear(&due, turn, loudness);
        }

        fn judged(&self) -> Vec<u64> {
            self.turns.iter().map(|(.., loudness)| loudness.packets).collect()
        }
    }

    /// A square wave and silence, as G.722 has them.
    fn loud() -> Vec<u8> {
        (0..160_u16).map(|n| if n % 8 < 4 { 0xc4 } else { 0xe4 }).collect()
    }

    /// An Opus packet of digital silence.
    const OPUS: [u8; 3] = [0xf8, 0xff, 0xfe];

    #[test]
    fn all_of_a_small_capture_is_listened_to_but_for_the_beginnings_of_runs() {
        for (encoding, rate, octets) in [("G722", 8_000, 160), ("GSM", 8_000, 33), ("G729", 8_000, 20)] {
            let mut heard = Heard::new(encoding, rate, 1);
            (0..1_000).for_each(|n| heard.take(0, n, &alloc::vec![0xd5; octets]));
            assert_eq!(heard.judged(), [1_000 - u64::from(WARM_UP)], "{encoding}");
            assert_eq!(heard.ears.runs.len(), 0, "the second is over as well");
        }
        let mut opus = Heard::new("opus", 48_000, 1);
        (0..100).for_each(|n| opus.take(0, n, &OPUS));
        let loudness = opus.turns[0].2;
        assert_eq!((loudness.packets, loudness.sounding, loudness.dbfs()), (100, 0, None), "digital silence");
    }

    #[test]
    fn what_is_loud_is_told_from_what_is_not() {
        let of = |payload: &[u8]| {
            let mut heard = Heard::new("G722", 8_000, 1);
            (0..100).for_each(|n| heard.take(0, n, payload));
            heard.turns[0].2
        };
        assert_eq!((of(&loud()).talk, of(&[0xff; 160]).talk, of(&[0xff; 160]).sounding), (100, 0, 0));
    }

    #[test]
    fn some_lost_packets_end_no_run_and_many_do_and_copies_change_nothing() {
        let mut heard = Heard::new("G722", 8_000, 1);
        for n in [65_534, 65_535, 65_535, 0, 65_534, 3, 9] {
            heard.take(0, n, &loud());
        }
        assert_eq!((heard.judged(), heard.ears.runs.len()), (Vec::from([5]), 1));
        (16..50).for_each(|n| heard.take(0, n, &loud()));
        assert_eq!(heard.judged(), [5 + 33 - u64::from(WARM_UP)], "the first of them ended the run");
    }

    #[test]
    fn time_is_bounded_and_each_stream_has_its_share_of_it() {
        let mut heard = Heard::new("opus", 48_000, 40);
        let packets = 30_000_u16;
        for n in 0..packets {
            (0..40).for_each(|place| heard.take(place, n, &OPUS));
        }
        let may_cost = BUDGET_NS + u64::from(packets) * 40 * EARNED_NS;
        let price = heard.decoder.decoding_ns_per_ms() * PACKET_MS;
        let spent = heard.judged().iter().sum::<u64>() * price;
        assert!(spent <= may_cost && spent >= may_cost / 3, "{spent} of {may_cost} ns");
        let judged = heard.judged();
        let (least, most) = (judged.iter().min().unwrap(), judged.iter().max().unwrap());
        assert!(*least > 400 && most <= &(least + 600), "{judged:?}");
        // One that begins when the most is spent is heard at once.
        heard.turns.push(Default::default());
        (0..20).for_each(|n| heard.take(40, n, &OPUS));
        assert_eq!(heard.judged()[40], u64::from(JUDGED));
        // Where nothing is left, nothing is listened to.
        heard.ears.budget_ns = 0;
        heard.turns.push(Default::default());
        (0..20).for_each(|n| heard.take(41, n, &OPUS));
        assert_eq!(heard.judged()[41], 0);
    }

    #[test]
    fn decoders_at_once_are_bounded_and_those_that_got_no_more_packets_make_room() {
        let mut heard = Heard::new("G722", 8_000, 2 * MAX_RUNS);
        for place in 0..2 * MAX_RUNS {
            heard.take(place, 0, &loud());
        }
        assert_eq!(heard.ears.runs.len(), MAX_RUNS);
        let last = 2 * MAX_RUNS - 1;
        (1..251).for_each(|n| heard.take(last, n, &loud()));
        assert_eq!(heard.judged()[last], 0, "all are taken");
        (251..300).for_each(|n| heard.take(last, n, &loud()));
        assert!(heard.judged()[last] > 0 && heard.ears.runs.len() == MAX_RUNS);
        // One that lost its place has a run of its own again, if there is room.
        (1..30).for_each(|n| heard.take(0, n, &loud()));
        assert!(heard.ears.runs.len() <= MAX_RUNS);
    }
}
