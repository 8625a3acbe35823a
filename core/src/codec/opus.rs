//! Opus (RFC 6716, RFC 7587): how long a packet is, and the decoder of `opus-rs`, one channel out.
//!
//! Its CELT layer computes in floating point: the one exception to integers in what becomes audio. Built without `std`
//! it asks no processor at run time what it can do and takes its mathematics from `libm`, so one build of siprec
//! renders the same bytes on every machine it runs on.

use alloc::boxed::Box;
use alloc::vec::Vec;

use opus_rs::OpusDecoder;

/// Rates at which a decoder can give samples, Hz.
const RATES: [u32; 4] = [8_000, 16_000, 24_000, 48_000];
/// A packet lasts no longer (RFC 6716 3.2.5), ms.
const MAX_PACKET_MS: usize = 120;
/// The rate of Opus' own time.
pub(super) const RATE: u32 = 48_000;
/// Lost samples are made in parts of 2.5 ms.
const PARTS_A_SECOND: u32 = 400;

/// A packet of no more octets holds no audio: the encoder is silent (RFC 6716 2.1.9).
pub(super) const LONGEST_PAUSE: usize = 2;

/// Samples at 48 kHz in a packet (RFC 6716 3.1, 3.2); none of one that is no Opus packet.
pub(super) fn samples(packet: &[u8]) -> u32 {
    let Some(&toc) = packet.first() else { return 0 };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => packet.get(1).map_or(0, |count| u32::from(count & 0x3f)),
    };
    let samples = frame_samples(packet) * frames;
    if samples <= RATE / 1_000 * MAX_PACKET_MS as u32 { samples } else { 0 }
}

/// Samples at 48 kHz in each of a packet's frames.
pub(super) fn frame_samples(packet: &[u8]) -> u32 {
    match packet.first().map_or(0, |toc| toc >> 3) {
        config @ 0..12 => [480, 960, 1920, 2880][usize::from(config & 3)],
        config @ 12..16 => [480, 960][usize::from(config & 1)],
        config => [120, 240, 480, 960][usize::from(config & 3)],
    }
}

/// Whether a packet's first frame brings the one before it once more (LBRR, RFC 6716 4.2.3, 4.2.4). Of the packets with
/// arbitrarily many frames none is looked into.
pub(super) fn carries_fec(packet: &[u8]) -> bool {
    let Some((&toc, rest)) = packet.split_first() else { return false };
    // The second frame's length stands before the first frame where they differ (3.2.4).
    let first = match (toc & 3, rest) {
        (0 | 1, [first, _, ..]) | (2, [0..252, first, _, ..]) | (2, [252..=255, _, first, _, ..]) => *first,
        _ => return false,
    };
    // SILK frames of 20 ms (one of 10): a flag of voice each, then that of redundancy; for each channel.
    let frames = match (toc >> 3, frame_samples(packet)) {
        (16.., _) => return false,
        (_, 1920) => 2,
        (_, 2880) => 3,
        _ => 1,
    };
    let is_stereo = toc & 4 != 0;
    first >> (7 - frames) & 1 == 1 || (is_stereo && first >> (6 - 2 * frames) & 1 == 1)
}

/// The least sampling rate that holds a packet's audio bandwidth (RFC 6716 table 2), of 8, 16 and 48 kHz.
pub(super) fn bandwidth_rate(packet: &[u8]) -> u32 {
    match packet.first().map_or(0, |toc| toc >> 3) {
        0..4 | 16..20 => 8_000,
        4..12 | 20..24 => 16_000,
        _ => RATE,
    }
}

/// The rate at which a decoder for a file of `rate` works.
pub(super) fn decoder_rate(rate: u32) -> u32 {
    RATES.into_iter().find(|&own| own >= rate).unwrap_or(RATE)
}

/// A decoder's memory.
pub(super) struct Opus {
    decoder: Box<OpusDecoder>,
    rate: u32,
    floats: Vec<f32>,
}

impl core::fmt::Debug for Opus {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Opus").field("rate", &self.rate).finish_non_exhaustive()
    }
}

impl Opus {
    /// A decoder of one channel at one of the rates of [`decoder_rate`].
    pub(super) fn new(rate: u32) -> Option<Self> {
        let decoder = OpusDecoder::new(i32::try_from(rate).ok()?, 1).ok()?;
        let longest = usize::try_from(rate).ok()? / 1_000 * MAX_PACKET_MS;
        Some(Self { decoder: Box::new(decoder), rate, floats: alloc::vec![0.0; longest] })
    }

    /// Appends a packet's samples; of one that cannot be decoded, silence of its length.
    pub(super) fn decode(&mut self, packet: &[u8], out: &mut Vec<i16>) {
        let length = self.at_rate(samples(packet));
        let decoded = self.decoder.decode(packet, length, self.floats.get_mut(..length).unwrap_or_default());
        self.append(decoded.is_ok(), length, out);
    }

    /// Appends `length` samples in place of packets that did not come: from what `next` carries of them (in-band FEC,
    /// RFC 6716 2.1.7), else by concealment.
    pub(super) fn conceal(&mut self, length: usize, next: Option<&[u8]>, out: &mut Vec<i16>) {
        let part = usize::try_from(self.rate / PARTS_A_SECOND).unwrap_or(1).max(1);
        let length = length.next_multiple_of(part).min(self.floats.len() / part * part);
        let Some(room) = self.floats.get_mut(..length) else { return };
        if length == 0 {
            return;
        }
        let made = match next {
            Some(next) if samples(next) > 0 => self.decoder.decode_fec(next, length, room),
            Some(_) | None => self.decoder.decode(&[], length, room),
        };
        self.append(made.is_ok(), length, out);
    }

    fn append(&mut self, is_sound: bool, length: usize, out: &mut Vec<i16>) {
        if is_sound {
            let sample = |&float: &f32| i16_of(float);
            out.extend(self.floats.iter().take(length).map(sample));
        } else {
            out.resize(out.len() + length, 0);
        }
    }

    /// Samples at the decoder's rate of those at 48 kHz.
    fn at_rate(&self, samples: u32) -> usize {
        usize::try_from(u64::from(samples) * u64::from(self.rate) / u64::from(RATE)).unwrap_or(0)
    }
}

/// To the nearest sample, ties away from zero; clipped.
fn i16_of(float: f32) -> i16 {
    let scaled = float * 32_768.0;
    (if scaled < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packets_length_stands_in_its_first_octets() {
        // RFC 6716 table 2: config 1 is SILK NB 20 ms, 15 Hybrid FB 20 ms, 28 CELT FB 2.5 ms, 31 CELT FB 20 ms.
        assert_eq!(samples(&[1 << 3]), 960);
        assert_eq!(samples(&[3 << 3 | 1]), 2 * 2880);
        assert_eq!(samples(&[15 << 3]), 960);
        assert_eq!(samples(&[28 << 3 | 3, 5]), 600);
        assert_eq!(samples(&[31 << 3 | 3, 7]), 0, "longer than 120 ms");
        assert_eq!((samples(&[]), samples(&[3])), (0, 0));
        assert_eq!(
            [1 << 3, 9 << 3, 13 << 3, 31 << 3].map(|toc| bandwidth_rate(&[toc])),
            [8_000, 16_000, 48_000, 48_000]
        );
        assert_eq!([8_000, 11_025, 44_100, 96_000].map(decoder_rate), [8_000, 16_000, 48_000, 48_000]);
    }

    #[test]
    fn any_octets_are_samples_of_their_length() {
        let mut opus = Opus::new(48_000).unwrap();
        let mut seed = 5_u32;
        let mut out = Vec::new();
        for round in 0..3_000_usize {
            let packet: Vec<u8> = (0..round % 90)
                .map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    seed.to_be_bytes()[0]
                })
                .collect();
            out.clear();
            opus.decode(&packet, &mut out);
            assert_eq!(out.len(), samples(&packet) as usize);
            if round % 7 == 0 {
                opus.conceal(960, Some(&packet), &mut out);
            }
        }
    }
}
