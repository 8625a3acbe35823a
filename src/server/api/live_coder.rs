//! Live audio in the format that a listener wants.

use opus_rs::{Application, OpusEncoder};
use serde::Deserialize;
use siprec_core::render::wav;
use siprec_core::time::Wall;
use utoipa::ToSchema;

use super::live_mix::{FRAME, Frame};
use crate::archive::encode::Law;

/// No packet of a frame is longer (RFC 6716 3.2.1).
const MAX_PACKET: usize = 1275;
/// Transparent for speech.
const OPUS_BITRATE: i32 = 24_000;
const OPUS_COMPLEXITY: i32 = 5;
/// The length of a file that has no end yet.
const ENDLESS: u32 = u32::MAX;

/// How live audio is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Format {
    /// A WAV file that goes on: its header comes first, with the first samples.
    #[default]
    Wav,
    /// 16-bit samples, little-endian.
    Pcm16,
    /// G.711 mu-law, 8 kHz.
    Ulaw,
    /// Opus packets (RFC 6716), 20 ms each.
    Opus,
}

impl Format {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Pcm16 => "pcm16",
            Self::Ulaw => "ulaw",
            Self::Opus => "opus",
        }
    }

    /// The rate in which audio is sent whose streams have this one at most.
    pub(super) fn rate(self, rate: u32) -> u32 {
        match self {
            Self::Wav | Self::Pcm16 => rate,
            Self::Ulaw => 8_000,
            Self::Opus => [8_000, 12_000, 16_000, 24_000].into_iter().find(|known| rate <= *known).unwrap_or(48_000),
        }
    }
}

/// Makes octets of frames.
pub(super) struct Coder {
    format: Format,
    rate: u32,
    /// A WAV header is still to come.
    begins: bool,
    law: Option<Law>,
    /// Boxed: it is hundreds of KiB, which no future must hold.
    opus: Option<Box<OpusEncoder>>,
    /// Samples that do not fill a packet yet, and when the first arrived.
    waiting: (Wall, Vec<i16>),
}

impl Coder {
    pub(super) fn new(format: Format, rate: u32) -> Result<Self, String> {
        let opus = if format == Format::Opus {
            let rate = i32::try_from(rate).map_err(|_| "no such rate".to_owned())?;
            let mut encoder = OpusEncoder::new(rate, 1, Application::Voip).map_err(str::to_owned)?;
            (encoder.bitrate_bps, encoder.complexity) = (OPUS_BITRATE, OPUS_COMPLEXITY);
            Some(Box::new(encoder))
        } else {
            None
        };
        let law = (format == Format::Ulaw).then(Law::mu);
        Ok(Self { format, rate, begins: true, law, opus, waiting: (Wall(0), Vec::new()) })
    }

    /// Hz.
    pub(super) fn rate(&self) -> u32 {
        self.rate
    }

    /// What a frame becomes: octets, and when the first sample in them arrived.
    pub(super) fn take(&mut self, frame: &Frame) -> Vec<(Wall, Vec<u8>)> {
        let begins = std::mem::take(&mut self.begins);
        let mut out = Vec::new();
        match self.format {
            Format::Wav | Format::Pcm16 => {
                if begins && self.format == Format::Wav {
                    out.extend(endless_header(self.rate));
                }
                wav::append_samples(&mut out, &frame.samples);
            }
            Format::Ulaw => {
                if let Some(law) = &self.law {
                    law.append(&frame.samples, &mut out);
                }
            }
            Format::Opus => return self.packets(frame),
        }
        vec![(frame.at, out)]
    }

    fn packets(&mut self, frame: &Frame) -> Vec<(Wall, Vec<u8>)> {
        let length = usize::try_from(u128::from(self.rate) * FRAME.as_millis() / 1000).unwrap_or(1).max(1);
        let (since, waiting) = &mut self.waiting;
        if waiting.is_empty() {
            *since = frame.at;
        }
        waiting.extend_from_slice(&frame.samples);
        let mut out = Vec::new();
        while waiting.len() >= length {
            let samples: Vec<i16> = waiting.drain(..length).collect();
            let mut packet = [0; MAX_PACKET];
            let encoded = self.opus.as_mut().and_then(|encoder| encoder.encode_i16(&samples, length, &mut packet).ok());
            out.push((*since, packet.get(..encoded.unwrap_or(0)).unwrap_or_default().to_vec()));
            *since = since.after(FRAME);
        }
        out
    }
}

/// A WAV header whose sizes say that there is no end.
fn endless_header(rate: u32) -> Vec<u8> {
    let format = wav::WavFormat { coding: wav::WavCoding::Pcm16, sample_rate: rate, channels: 1, frames: 0 };
    let mut header = format.header();
    let end = header.len();
    for place in [4..8, end - 4..end] {
        if let Some(size) = header.get_mut(place) {
            size.copy_from_slice(&ENDLESS.to_le_bytes());
        }
    }
    header
}
