//! Opus in Ogg (RFC 7845), by the encoder of `opus-rs`: frames of 20 ms, pages of a second.
//!
//! Its CELT layer computes in floating point, with mathematics of its own (`libm`), so one build of siprec writes the same
//! octets on every machine it runs on; another build may not.

use opus_rs::{Application, OpusEncoder};
use siprec_core::render::FilePlan;

use super::ogg::Pages;
use super::{Tags, comments};

/// The rate of granule positions, Hz.
const GRANULE_RATE: u64 = 48_000;
/// Frames a second.
const FRAMES: u32 = 50;
/// No packet is longer (RFC 6716 3.2.1): a frame's limit.
const MAX_PACKET: usize = 1275;
/// What the encoder looks ahead, microseconds: 2.5 ms of overlap and 4 ms that align its two layers (as libopus).
const LOOK_AHEAD_US: u64 = 6_500;
/// The bits a second of a channel: transparent for speech at its rate.
const NARROW_BITRATE: i32 = 20_000;
const WIDE_BITRATE: i32 = 32_000;
const COMPLEXITY: i32 = 9;

/// Writes an Opus stream.
pub(super) struct Opus {
    encoder: Option<OpusEncoder>,
    sample_rate: u32,
    channels: u16,
    /// Samples a channel that the file holds, and that were encoded.
    frames: u64,
    encoded: u64,
    waiting: Vec<i16>,
    pages: Pages,
    packets: u32,
    comments: Vec<u8>,
}

impl std::fmt::Debug for Opus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opus").field("encoded", &self.encoded).finish_non_exhaustive()
    }
}

impl Opus {
    pub(super) fn new(file: &FilePlan, tags: &Tags) -> Self {
        let rate = i32::try_from(file.sample_rate).unwrap_or(0);
        let mut encoder = OpusEncoder::new(rate, usize::from(file.channels), Application::Audio).ok();
        if let Some(encoder) = &mut encoder {
            let each = if file.sample_rate <= 12_000 { NARROW_BITRATE } else { WIDE_BITRATE };
            encoder.bitrate_bps = each * i32::from(file.channels);
            encoder.complexity = COMPLEXITY;
        }
        let comments = comments(tags);
        // Any number will do that is the same for the same recording.
        let serial = crc32fast::hash(&[&comments[..], file.name.as_bytes()].concat());
        Self {
            encoder,
            sample_rate: file.sample_rate,
            channels: file.channels,
            frames: file.frames,
            encoded: 0,
            waiting: Vec::new(),
            pages: Pages::new(serial),
            packets: 0,
            comments,
        }
    }

    /// Samples at 48 kHz that a player drops at the beginning (RFC 7845 4.2).
    fn pre_skip() -> u16 {
        u16::try_from(LOOK_AHEAD_US * GRANULE_RATE / 1_000_000).unwrap_or(0)
    }

    pub(super) fn begin(&mut self, out: &mut Vec<u8>) {
        let mut head = b"OpusHead\x01".to_vec();
        head.push(u8::try_from(self.channels).unwrap_or(1));
        head.extend(Self::pre_skip().to_le_bytes());
        head.extend(self.sample_rate.to_le_bytes());
        // No gain, and the family of mono and stereo.
        head.extend([0, 0, 0]);
        self.pages.packet(&head, 0, out);
        self.pages.end_page(false, out);
        let mut tags = b"OpusTags".to_vec();
        tags.extend_from_slice(&self.comments);
        self.pages.packet(&tags, 0, out);
        self.pages.end_page(false, out);
    }

    pub(super) fn take(&mut self, samples: &[i16], out: &mut Vec<u8>) {
        self.waiting.extend_from_slice(samples);
        let waiting = std::mem::take(&mut self.waiting);
        let mut frames = waiting.chunks_exact(self.frame() * usize::from(self.channels));
        for frame in &mut frames {
            self.packet(frame, out);
        }
        self.waiting = frames.remainder().to_vec();
    }

    pub(super) fn finish(mut self, out: &mut Vec<u8>) {
        // Until what was looked ahead is out as well.
        let frame = self.frame() * usize::from(self.channels);
        let wanted = self.granule(self.frames) + u64::from(Self::pre_skip());
        let mut rest = std::mem::take(&mut self.waiting);
        while self.granule(self.encoded) < wanted {
            rest.resize(frame, 0);
            self.packet(&rest, out);
            rest.clear();
        }
        self.pages.end_page(true, out);
    }

    /// Samples a channel of a packet.
    fn frame(&self) -> usize {
        usize::try_from(self.sample_rate / FRAMES).unwrap_or(1).max(1)
    }

    fn granule(&self, frames: u64) -> u64 {
        frames * GRANULE_RATE / u64::from(self.sample_rate.max(1))
    }

    fn packet(&mut self, samples: &[i16], out: &mut Vec<u8>) {
        let mut packet = [0; MAX_PACKET];
        let length = self.frame();
        let encoded = self.encoder.as_mut().and_then(|encoder| encoder.encode_i16(samples, length, &mut packet).ok());
        self.encoded += length as u64;
        // The last page ends where the audio does (RFC 7845 4.5).
        let end = self.granule(self.frames) + u64::from(Self::pre_skip());
        let granule = self.granule(self.encoded).min(end);
        self.pages.packet(packet.get(..encoded.unwrap_or(0)).unwrap_or_default(), granule, out);
        self.packets += 1;
        if self.packets.is_multiple_of(FRAMES) && granule < end {
            self.pages.end_page(false, out);
        }
    }
}
