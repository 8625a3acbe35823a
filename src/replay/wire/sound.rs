//! What made-up calls say: tones, and speech from WAV files, as payloads of 20 ms.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use siprec_core::codec::Coding;
use siprec_core::sdp::Format;

use super::options::{Codec, Sound};

/// Samples a second.
pub(super) const RATE: u32 = 8000;
/// Milliseconds a packet.
pub(super) const PTIME_MS: u32 = 20;
/// Samples a packet.
pub(super) const PACKET: usize = (RATE * PTIME_MS / 1000) as usize;
/// A tone's peak: 12 dB below full scale.
const PEAK: f64 = 8192.0;
/// A WAV file is not larger: two hours at 16 bits, 48 kHz, stereo.
const MAX_WAV: u64 = 1 << 31;
/// Half the width of the resampler's kernel, in samples of the slower rate.
const TAPS: i64 = 16;

/// Payloads that are sent over and over.
pub(super) type Payloads = Arc<[Vec<u8>]>;

/// The payloads of each leg.
pub(super) fn payloads(sound: &Sound, codec: Codec, legs: usize) -> anyhow::Result<Vec<Payloads>> {
    let coder = Coder::new(codec);
    let voices: Vec<Payloads> = match sound {
        Sound::Tones(tones) => tones.iter().map(|hz| coder.payloads(&tone(*hz))).collect(),
        Sound::Files(files) => {
            let read = |path: &std::path::PathBuf| wav(path).with_context(|| path.display().to_string());
            files.iter().map(|path| Ok(coder.payloads(&read(path)?))).collect::<anyhow::Result<_>>()?
        }
    };
    Ok(voices.iter().cycle().take(legs).cloned().collect())
}

/// The codec as the session description names it.
pub(super) fn format(codec: Codec) -> Format {
    let (payload_type, encoding) = match codec {
        Codec::Pcmu => (0, "PCMU"),
        Codec::Pcma => (8, "PCMA"),
        Codec::L16 => (96, "L16"),
    };
    Format { payload_type, encoding: encoding.to_owned().into(), clock_rate: RATE, channels: 1, fmtp: None }
}

/// By our own decoder.
fn decode(codec: Codec, payload: &[u8], samples: &mut Vec<i16>) {
    if let Coding::Audio(decoder) = Coding::of(&format(codec)) {
        decoder.decode(payload, samples);
    }
}

/// One second: a whole number of periods, so that it can be repeated.
fn tone(hz: u32) -> Vec<i16> {
    let step = f64::from(hz) * std::f64::consts::TAU / f64::from(RATE);
    #[expect(clippy::cast_possible_truncation, reason = "a peak below full scale")]
    (0..RATE).map(|n| ((f64::from(n) * step).sin() * PEAK).round() as i16).collect()
}

/// From samples to payloads. G.711 is the code whose value is nearest, by the tables of our own decoder.
struct Coder {
    /// Each code's value, in order; none for linear.
    values: Vec<(i16, u8)>,
}

impl Coder {
    fn new(codec: Codec) -> Self {
        if codec == Codec::L16 {
            return Self { values: Vec::new() };
        }
        let codes: Vec<u8> = (0..=u8::MAX).collect();
        let mut samples = Vec::new();
        decode(codec, &codes, &mut samples);
        let mut values: Vec<(i16, u8)> = samples.into_iter().zip(codes).collect();
        values.sort_unstable();
        Self { values }
    }

    fn payloads(&self, samples: &[i16]) -> Payloads {
        let whole = samples.len().next_multiple_of(PACKET).max(PACKET);
        let padded: Vec<i16> = samples.iter().copied().chain(std::iter::repeat(0)).take(whole).collect();
        padded.chunks(PACKET).map(|packet| self.payload(packet)).collect()
    }

    fn payload(&self, samples: &[i16]) -> Vec<u8> {
        if self.values.is_empty() {
            return samples.iter().flat_map(|sample| sample.to_be_bytes()).collect();
        }
        samples.iter().map(|sample| self.code(*sample)).collect()
    }

    fn code(&self, sample: i16) -> u8 {
        let above = self.values.partition_point(|(value, _)| *value < sample);
        let near = [above.checked_sub(1), Some(above)].into_iter().flatten().filter_map(|at| self.values.get(at));
        near.min_by_key(|(value, _)| value.abs_diff(sample)).map_or(0, |(_, code)| *code)
    }
}

/// A WAV file's samples at 8 kHz, its channels mixed.
fn wav(path: &Path) -> anyhow::Result<Vec<i16>> {
    if path.metadata().context("cannot be opened")?.len() > MAX_WAV {
        bail!("larger than 2 GiB: cut a piece out of it");
    }
    let bytes = std::fs::read(path).context("cannot be read")?;
    let (rate, samples) = samples(&bytes)?;
    if samples.is_empty() {
        bail!("no sound in it");
    }
    Ok(resample(&samples, rate))
}

/// Sample rate and mono samples (-1 to 1) of RIFF bytes.
fn samples(bytes: &[u8]) -> anyhow::Result<(u32, Vec<f32>)> {
    if bytes.get(..4) != Some(b"RIFF") || bytes.get(8..12) != Some(b"WAVE") {
        bail!("not a WAV file: `sox IN OUT.wav` makes one");
    }
    let word = |at: usize| bytes.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]));
    let long = |at: usize| bytes.get(at..at + 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let (mut at, mut head) = (12, None);
    while let Some(name) = bytes.get(at..at + 4) {
        let size = long(at + 4) as usize;
        let body = at + 8;
        if name == b"fmt " {
            // WAVE_FORMAT_EXTENSIBLE names the format further back.
            let format = if word(body) == 0xfffe { word(body + 24) } else { word(body) };
            head = Some((format, usize::from(word(body + 2)), long(body + 4), word(body + 14)));
        }
        if name == b"data" {
            let Some((format, channels, rate, bits)) = head else { bail!("damaged: sound before its format") };
            let data = &bytes[body..body.saturating_add(size).min(bytes.len())];
            if channels == 0 || !(4000..=384_000).contains(&rate) {
                bail!("damaged: {channels} channels at {rate} Hz");
            }
            return Ok((rate, mixed(&decoded(format, bits, data)?, channels)));
        }
        at = body.saturating_add(size).saturating_add(size % 2);
    }
    bail!("damaged: no sound in it")
}

fn decoded(format: u16, bits: u16, data: &[u8]) -> anyhow::Result<Vec<f32>> {
    let g711 = |codec| {
        let mut samples = Vec::new();
        decode(codec, data, &mut samples);
        samples.into_iter().map(|sample| f32::from(sample) / 32768.0).collect()
    };
    Ok(match (format, bits) {
        (1, 8) => data.iter().map(|byte| (f32::from(*byte) - 128.0) / 128.0).collect(),
        (1, 16) => data.chunks_exact(2).map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32768.0).collect(),
        // The lowest octet is below what G.711 could tell.
        (1, 24) => data.chunks_exact(3).map(|b| f32::from(i16::from_le_bytes([b[1], b[2]])) / 32768.0).collect(),
        (3, 32) => data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        (6, 8) => g711(Codec::Pcma),
        (7, 8) => g711(Codec::Pcmu),
        _ => bail!("a kind of WAV that is not read (format {format}, {bits} bits): `sox IN -b 16 OUT.wav` changes it"),
    })
}

#[expect(clippy::cast_precision_loss, reason = "a handful of channels")]
fn mixed(samples: &[f32], channels: usize) -> Vec<f32> {
    samples.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32).collect()
}

/// To 8 kHz: a windowed sinc that ends below half of the slower rate.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions within a file of 2 GiB"
)]
fn resample(samples: &[f32], rate: u32) -> Vec<i16> {
    let linear = |value: f64| (value * 32767.0).round().clamp(-32768.0, 32767.0) as i16;
    if rate == RATE {
        return samples.iter().map(|sample| linear(f64::from(*sample))).collect();
    }
    let step = f64::from(rate) / f64::from(RATE);
    // Cut-off as a part of the file's rate.
    let cut = (1.0 / step).min(1.0) * 0.92;
    let reach = (TAPS as f64 / cut).ceil() as i64;
    let count = (samples.len() as f64 / step) as usize;
    let at = |n: usize| {
        let centre = n as f64 * step;
        let from = centre as i64;
        let value: f64 = (from - reach..=from + reach)
            .filter_map(|k| {
                let sample = samples.get(usize::try_from(k).ok()?)?;
                let x = k as f64 - centre;
                let window = 0.5 + 0.5 * (std::f64::consts::PI * x / (reach as f64 + 1.0)).cos();
                let sinc = if x == 0.0 {
                    1.0
                } else {
                    (std::f64::consts::PI * x * cut).sin() / (std::f64::consts::PI * x * cut)
                };
                Some(f64::from(*sample) * cut * sinc * window)
            })
            .sum();
        linear(value)
    };
    (0..count).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_coded_decodes_to_the_nearest_value() {
        for codec in [Codec::Pcma, Codec::Pcmu] {
            let coder = Coder::new(codec);
            let mut back = Vec::new();
            let samples = tone(440);
            let coded: Vec<u8> = coder.payloads(&samples).concat();
            decode(codec, &coded, &mut back);
            let worst = samples.iter().zip(&back).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(worst <= Some(260), "{codec:?}: {worst:?}");
            assert_eq!(coder.payloads(&samples).len(), 50);
        }
        let linear = Coder::new(Codec::L16).payloads(&[1, -2]);
        assert_eq!((linear.len(), linear[0].len(), &linear[0][..4]), (1, 320, &[0, 1, 0xff, 0xfe][..]));
    }

    #[test]
    fn a_wav_of_48_khz_stereo_keeps_its_tone() {
        let frames = 48_000_u32;
        let mut data = Vec::new();
        for n in 0..frames {
            let low = (f64::from(n) * 1000.0 * std::f64::consts::TAU / 48_000.0).sin() * 8000.0;
            // Above what 8 kHz can hold: it must not come back as an alias.
            let high = (f64::from(n) * 10_000.0 * std::f64::consts::TAU / 48_000.0).sin() * 8000.0;
            for value in [low + high, low + high] {
                data.extend_from_slice(&(value.round() as i16).to_le_bytes());
            }
        }
        let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0".to_vec();
        file.extend_from_slice(&48_000_u32.to_le_bytes());
        file.extend_from_slice(&(48_000_u32 * 4).to_le_bytes());
        file.extend_from_slice(&[4, 0, 16, 0]);
        file.extend_from_slice(b"LIST\x03\0\0\0abc\0data");
        file.extend_from_slice(&u32::try_from(data.len()).unwrap().to_le_bytes());
        file.extend_from_slice(&data);
        let (rate, read) = samples(&file).unwrap();
        let heard = resample(&read, rate);
        assert_eq!(heard.len(), 8000);
        let part = |hz: f64| {
            let sum = heard[1000..7000].iter().enumerate().fold((0.0, 0.0), |(c, s), (n, v)| {
                let angle = n as f64 * hz * std::f64::consts::TAU / 8000.0;
                (c + f64::from(*v) * angle.cos(), s + f64::from(*v) * angle.sin())
            });
            (sum.0.powi(2) + sum.1.powi(2)).sqrt() / 3000.0
        };
        assert!((7500.0..8500.0).contains(&part(1000.0)), "{}", part(1000.0));
        assert!(part(2000.0) < 100.0, "the alias of 10 kHz: {}", part(2000.0));
        assert!(samples(b"RIFF0000WAVE").is_err() && samples(b"ID3").is_err());
    }
}
