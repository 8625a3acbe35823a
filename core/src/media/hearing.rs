//! What is heard on a port while the call runs, by a sample of its packets: how loud it is, whether anybody talks, and
//! prints by which a leg is known that holds the same audio as another. Of codecs whose packets stand for themselves
//! (G.711, L16); the others are heard when the recording is made.

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::PortSettings;
use crate::codec::level::{TALK_DBFS, mean_square};
use crate::codec::{Coding, Decoder};
use crate::rtp::Packet;
use crate::sdp::static_format;

/// One packet in so many is listened to: five a second, at 20 ms each.
const LOOK_EVERY: u8 = 10;
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
    decoders: Vec<(u8, Decoder)>,
    /// Packets until the next one that is listened to.
    until_look: u8,
    heard: Heard,
    samples: Vec<i16>,
}

impl Ear {
    pub(super) fn new(settings: &PortSettings) -> Self {
        Self { decoders: decoders(settings), until_look: 0, heard: Heard::default(), samples: Vec::new() }
    }

    pub(super) fn update(&mut self, settings: &PortSettings) {
        self.decoders = decoders(settings);
    }

    /// What was heard; none before the first packet of such a codec.
    pub(super) fn heard(&self) -> Option<Heard> {
        (self.heard.packets > 0).then_some(self.heard)
    }

    /// Takes a packet of the stream's own.
    pub(super) fn packet(&mut self, packet: &Packet<'_>) {
        let look = self.until_look == 0;
        self.until_look = self.until_look.checked_sub(1).unwrap_or(LOOK_EVERY - 1);
        let print = print(packet.payload);
        if !look && print.is_none() {
            return;
        }
        let Some((_, decoder)) = self.decoders.iter().find(|(number, _)| *number == packet.payload_type) else {
            return;
        };
        if let Some(print) = print.filter(|print| !self.heard.prints.contains(print)) {
            let place = usize::try_from(self.heard.printed % PRINTS as u64).unwrap_or(0);
            self.heard.prints[place] = print;
            self.heard.printed += 1;
        }
        if look {
            self.samples.clear();
            decoder.decode(packet.payload, &mut self.samples);
            self.heard.listen(&self.samples);
        }
    }
}

impl Heard {
    fn listen(&mut self, samples: &[i16]) {
        let squares: u64 = samples.iter().map(|&sample| u64::from(sample.unsigned_abs()).pow(2)).sum();
        let Some(mean) = squares.checked_div(samples.len() as u64) else { return };
        self.packets += 1;
        self.energy += mean;
        self.talk += u64::from(mean >= mean_square(TALK_DBFS));
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

fn decoders(settings: &PortSettings) -> Vec<(u8, Decoder)> {
    let announced = settings.stream.formats.iter().cloned();
    // PCMU and PCMA come without having been announced, too; what was announced counts first.
    let formats = announced.chain([0, 8].into_iter().filter_map(static_format));
    let audio = |format: crate::sdp::Format| match Coding::of(&format) {
        Coding::Audio(decoder) if decoder.is_stateless() => Some((format.payload_type, decoder)),
        Coding::Audio(_) | Coding::Inaudible | Coding::Unknown => None,
    };
    formats.filter_map(audio).collect()
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
        ear.packet(&Packet::parse(&bytes).unwrap());
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
    fn what_needs_its_predecessors_and_what_is_too_short_says_nothing() {
        let mut ear = ear();
        take(&mut ear, 18, &[1; 20]);
        take(&mut ear, 8, &[]);
        assert_eq!(ear.heard(), None);
    }
}
