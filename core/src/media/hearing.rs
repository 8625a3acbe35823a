//! What is heard on a port while the call runs, by a sample of its packets: how loud it is, whether anybody talks, and
//! prints by which a leg is known that holds the same audio as another.
//!
//! | codec | what is decoded |
//! | --- | --- |
//! | G.711, L16 | one packet in ten |
//! | G.722, G.729, GSM | eight packets in a row of 45, of which the last three count: a decoder that was asleep has to come to itself |
//! | Opus, and what nobody can decode | nothing: prints are made of the payloads |
//!
//! Opus would cost five times as much as the others, and its decoder takes memory as it runs; a worker does neither. It is
//! heard when the recording is made.

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::{Budget, PortSettings};
use crate::codec::level::{CLIPPED, NOTHING_DBFS, TALK_DBFS, mean_square};
use crate::codec::{Coding, Decoder, State};
use crate::rtp::Packet;
use crate::sdp::static_format;
use crate::time::Wall;

/// One packet in so many is listened to: five a second, at 20 ms each.
const LOOK_EVERY: u8 = 10;
/// Of codecs that remember, the first of so many: nine a second at 20 ms each, which is 70 us of G.722, and some in each second.
const RUN_EVERY: u8 = 45;
const RUN: u8 = 8;
/// Of those, so many are not judged: after two, levels of G.722 are off by up to 13 dB, after five by one. A pure tone that swells
/// wants more of GSM: a tenth of such packets is 9 dB off then, their mean one.
const WARM_UP: u8 = 5;
/// Packets of such a codec that are decoded in a second, however many come, and octets of each.
const MAX_DECODED_PER_SECOND: u32 = 16;
const MAX_DECODED_OCTETS: usize = 480;
/// Rate that decoders are asked for, Hz; none of those that are used here has a choice.
const RATE: u32 = 8_000;
/// Prints that are remembered: those of about four seconds of talk.
pub const PRINTS: usize = 16;
/// Octets of a print's sample; it lies in the middle of a packet.
const SAMPLE: usize = 16;
/// One packet in 8, chosen by what it holds, leaves a print: so both legs choose the same.
const CHOSEN_BITS: u32 = 3;
/// An odd number near 2^64 / phi: multiplying by it spreads bits upwards.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// What was heard so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// Packets that were listened to.
    pub packets: u64,
    /// Those of them in which somebody talked.
    pub talk: u64,
    /// Those of them in which there was anything at all: the others are digital silence.
    #[serde(default)]
    pub sounding: u64,
    /// Samples of talk that were listened to.
    #[serde(default)]
    pub samples: u64,
    /// Those of them that are as loud as the codec goes.
    #[serde(default)]
    pub clipped: u64,
    /// Sum of their mean squares; by [`crate::codec::level::dbfs`] of what a second added, its level.
    pub energy: u64,
    /// Prints of packets with something in them, the newest at [`Heard::printed`] modulo [`PRINTS`]; 0 is none.
    pub prints: [u32; PRINTS],
    /// Prints that were taken.
    pub printed: u64,
}

impl Heard {
    /// How many of the prints are those of `other` as well.
    pub fn alike(&self, other: &Self) -> usize {
        self.prints.iter().filter(|&&print| print != 0 && other.prints.contains(&print)).count()
    }
}

/// A port's ear.
#[derive(Debug)]
pub(super) struct Ear {
    forms: Vec<(u8, Form)>,
    /// Packets until the next one that is listened to.
    until_look: u8,
    /// Place of a packet among [`RUN_EVERY`].
    place: u8,
    decoded: Budget,
    heard: Heard,
    samples: Vec<i16>,
}

/// What is done with a payload type.
#[derive(Debug)]
enum Form {
    /// Packets stand for themselves.
    Alone(Decoder),
    /// They want those before them.
    Remembering(State),
    /// They leave prints only.
    Unheard,
}

impl Ear {
    pub(super) fn new(settings: &PortSettings) -> Self {
        Self {
            forms: forms(settings),
            until_look: 0,
            place: 0,
            decoded: Budget::default(),
            heard: Heard::default(),
            samples: Vec::with_capacity(MAX_DECODED_OCTETS * 2),
        }
    }

    pub(super) fn update(&mut self, settings: &PortSettings) {
        self.forms = forms(settings);
    }

    /// What was heard; none before the first packet that tells anything.
    pub(super) fn heard(&self) -> Option<Heard> {
        (self.heard.packets > 0 || self.heard.printed > 0).then_some(self.heard)
    }

    /// Takes a packet of the stream's own.
    pub(super) fn packet(&mut self, at: Wall, packet: &Packet<'_>) {
        let look = self.until_look == 0;
        self.until_look = self.until_look.checked_sub(1).unwrap_or(LOOK_EVERY - 1);
        let place = self.place;
        self.place = (place + 1) % RUN_EVERY;
        let print = print(packet.payload);
        if !look && place >= RUN && print.is_none() {
            return;
        }
        let Some((_, form)) = self.forms.iter_mut().find(|(number, _)| *number == packet.payload_type) else { return };
        if let Some(print) = print.filter(|print| !self.heard.prints.contains(print)) {
            let place = usize::try_from(self.heard.printed % PRINTS as u64).unwrap_or(0);
            self.heard.prints[place] = print;
            self.heard.printed += 1;
        }
        self.samples.clear();
        match form {
            Form::Alone(decoder) if look => {
                decoder.decode(packet.payload, &mut self.samples);
                self.heard.listen(&self.samples);
            }
            Form::Remembering(state) if place < RUN && self.decoded.take(at, MAX_DECODED_PER_SECOND) => {
                let payload = packet.payload.get(..MAX_DECODED_OCTETS).unwrap_or(packet.payload);
                state.decode(payload, &mut self.samples);
                if place >= WARM_UP {
                    self.heard.listen(&self.samples);
                }
            }
            Form::Alone(_) | Form::Remembering(_) | Form::Unheard => {}
        }
    }
}

impl Heard {
    fn listen(&mut self, samples: &[i16]) {
        let squares: u64 = samples.iter().map(|&sample| u64::from(sample.unsigned_abs()).pow(2)).sum();
        let Some(mean) = squares.checked_div(samples.len() as u64) else { return };
        self.packets += 1;
        self.energy += mean;
        self.sounding += u64::from(mean >= mean_square(NOTHING_DBFS));
        if mean >= mean_square(TALK_DBFS) {
            self.talk += 1;
            self.samples += samples.len() as u64;
            self.clipped += samples.iter().filter(|sample| sample.unsigned_abs() >= CLIPPED).count() as u64;
        }
    }
}

/// What tells a chosen packet from others; none of those that are not chosen, and of what repeats itself: silence, tones.
fn print(payload: &[u8]) -> Option<u32> {
    let middle = payload.len().checked_sub(SAMPLE)? / 2;
    let (first, second) = payload.get(middle..middle + SAMPLE)?.split_first_chunk()?;
    let (first, second) = (u64::from_be_bytes(*first), u64::from_be_bytes(*second.first_chunk()?));
    let spread = first.wrapping_mul(SPREAD);
    if spread >> (u64::BITS - CHOSEN_BITS) != 0 || first == second || first == first.rotate_left(u8::BITS) {
        return None;
    }
    let both = (spread ^ second).wrapping_mul(SPREAD);
    u32::try_from(both >> 32).ok().filter(|&print| print != 0)
}

fn forms(settings: &PortSettings) -> Vec<(u8, Form)> {
    let announced = settings.stream.formats.iter().cloned();
    // PCMU and PCMA come without having been announced, too; what was announced counts first.
    let formats = announced.chain([0, 8].into_iter().filter_map(static_format));
    let is_audio = settings.stream.media.eq_ignore_ascii_case("audio");
    let form = |format: crate::sdp::Format| {
        let form = match Coding::of(&format) {
            Coding::Audio(decoder) if decoder.is_stateless() => Form::Alone(decoder),
            Coding::Audio(decoder) if decoder.is_cheap() => Form::Remembering(decoder.state(RATE)?),
            Coding::Audio(_) | Coding::Unknown => Form::Unheard,
            Coding::Inaudible => return None,
        };
        Some((format.payload_type, form))
    };
    formats.filter(|_| is_audio).filter_map(form).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::level::dbfs;
    use crate::seed::{Random, Seed};

    fn ear() -> Ear {
        Ear::new(&crate::media::tests::settings())
    }

    fn take(ear: &mut Ear, payload_type: u8, payload: &[u8]) {
        let bytes = [&[0x80, payload_type], [0; 10].as_slice(), payload].concat();
        ear.packet(Wall(0), &Packet::parse(&bytes).unwrap());
    }

    /// A-law noise, as loud as speech is: 160 octets a packet.
    fn voice(seed: u8, packets: usize) -> Vec<Vec<u8>> {
        let mut random = Random::new(Seed([seed; 32]));
        let mut octet = || u8::try_from(random.next_u64() & 0x9f).unwrap() ^ 0x55;
        (0..packets).map(|_| (0..160).map(|_| octet()).collect()).collect()
    }

    fn hear(payloads: &[Vec<u8>]) -> Heard {
        let mut ear = ear();
        payloads.iter().for_each(|payload| take(&mut ear, 8, payload));
        ear.heard().unwrap()
    }

    #[test]
    fn one_packet_in_ten_tells_how_loud_it_is() {
        let silence = hear(&alloc::vec![alloc::vec![0xd5; 160]; 100]);
        assert_eq!((silence.packets, silence.talk, silence.printed), (10, 0, 0));
        assert_eq!(dbfs(silence.energy / silence.packets), Some(-72), "A-law has no zero");
        let voice = hear(&voice(1, 100));
        assert_eq!((voice.packets, voice.talk), (10, 10));
        assert!(dbfs(voice.energy / voice.packets).unwrap() > TALK_DBFS);
    }

    #[test]
    fn legs_of_the_same_audio_are_known_by_their_prints_and_others_are_not() {
        let (one, other) = (voice(1, 400), voice(2, 400));
        // The second begins to be heard a while after the first.
        assert!(hear(&one).alike(&hear(&one[37..])) >= PRINTS - 2);
        assert_eq!(hear(&one).alike(&hear(&other)), 0);
        assert!(hear(&one).printed > 30, "one packet in eight");
    }

    #[test]
    fn what_repeats_itself_leaves_no_more_prints_than_it_has_shapes() {
        // 400 Hz at 8 kHz: each packet is the same as the last.
        let tone: Vec<u8> = (0..160_u16).map(|n| if n % 20 < 10 { 0xaa } else { 0x2a }).collect();
        assert!(hear(&alloc::vec![tone; 1_000]).printed <= 1);
    }

    #[test]
    fn what_is_too_short_or_nobody_announced_says_nothing() {
        let mut ear = ear();
        take(&mut ear, 18, &[1; 20]);
        take(&mut ear, 8, &[]);
        assert_eq!(ear.heard(), None);
    }

    /// An ear for a codec of its own.
    fn ear_of(encoding: &'static str, clock_rate: u32) -> Ear {
        let mut settings = crate::media::tests::settings();
        let format =
            crate::sdp::Format { payload_type: 96, encoding: encoding.into(), clock_rate, channels: 1, fmtp: None };
        settings.stream.formats = [format].into();
        Ear::new(&settings)
    }

    #[test]
    fn codecs_that_remember_are_heard_in_runs_and_never_more_than_so_many_a_second() {
        // The loudest steps of G.722's lower band, up and down: a tone of 1 kHz that grows to the full.
        let loud: Vec<u8> = (0..160_u16).map(|n| if n % 8 < 4 { 0xc4 } else { 0xe4 }).collect();
        let quiet = alloc::vec![0xff_u8; 160];
        for (payload, talks) in [(loud, true), (quiet, false)] {
            let mut ear = ear_of("G722", 8_000);
            (0..100).for_each(|_| take(&mut ear, 96, &payload));
            let heard = ear.heard().unwrap();
            assert_eq!((heard.packets, heard.talk > 0), (6, talks), "three of each 45, and no third run: {heard:?}");
            (0..1_000).for_each(|_| take(&mut ear, 96, &payload));
            assert_eq!(ear.heard().unwrap().packets, 6, "all of it in the same second");
            let bytes = [&[0x80, 96], [0; 10].as_slice(), &payload].concat();
            (0..100).for_each(|_| ear.packet(Wall(1_000_000_000), &Packet::parse(&bytes).unwrap()));
            assert_eq!(ear.heard().unwrap().packets, 12);
        }
        for (encoding, octets) in [("G729", 20), ("GSM", 33)] {
            let mut ear = ear_of(encoding, 8_000);
            (0..100).for_each(|_| take(&mut ear, 96, &alloc::vec![0xd5; octets]));
            assert_eq!(ear.heard().unwrap().packets, 6, "{encoding}");
        }
    }

    #[test]
    fn a_decoder_that_slept_has_come_to_itself_when_it_is_judged() {
        let packets = include_bytes!("../../../testdata/hearing/rising.g722").as_chunks::<160>().0;
        let mut ear = ear_of("G722", 8_000);
        let awake = |(_, form)| if let Form::Remembering(state) = form { Some(state) } else { None };
        let mut always = ear_of("G722", 8_000).forms.into_iter().find_map(awake).unwrap();
        let mut heard = Heard::default();
        for (n, packet) in packets.iter().enumerate() {
            let mut samples = Vec::new();
            always.decode(packet, &mut samples);
            let before = heard;
            let bytes = [&[0x80, 96], [0; 10].as_slice(), packet].concat();
            ear.packet(Wall(i64::try_from(n).unwrap() * 20_000_000), &Packet::parse(&bytes).unwrap());
            heard = ear.heard().unwrap_or_default();
            if heard.packets > before.packets {
                let mut truly = Heard::default();
                truly.listen(&samples);
                let off = dbfs(heard.energy - before.energy).unwrap() - dbfs(truly.energy).unwrap();
                assert!(off.abs() <= 1, "packet {n}: {off} dB off");
            }
        }
        assert_eq!(heard.packets, 12);
    }

    #[test]
    fn what_is_not_decoded_leaves_prints_all_the_same() {
        let hear = |seed| {
            let mut ear = ear_of("opus", 48_000);
            voice(seed, 400).iter().for_each(|payload| take(&mut ear, 96, payload));
            ear.heard().unwrap()
        };
        assert_eq!((hear(1).packets, hear(1).printed > 30), (0, true));
        assert!(hear(1).alike(&hear(1)) == PRINTS && hear(1).alike(&hear(2)) == 0);
    }

    #[test]
    fn clipping_is_counted_in_talk_and_digital_silence_is_told_from_quiet() {
        let clipped = hear(&alloc::vec![alloc::vec![0x2a; 160]; 100]);
        assert_eq!((clipped.samples, clipped.clipped, clipped.sounding), (1_600, 1_600, 10), "A-law's loudest code");
        let silent = hear(&alloc::vec![alloc::vec![0xd5; 160]; 100]);
        assert_eq!((silent.samples, silent.clipped, silent.sounding), (0, 0, 0));
        let quiet = hear(&alloc::vec![alloc::vec![0xd5 ^ 0x08; 160]; 100]);
        assert_eq!((quiet.talk, quiet.sounding), (0, 10));
    }
}
