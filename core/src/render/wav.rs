//! WAV (RIFF) for 16-bit PCM and G.711: the header with its final sizes, because the plan knows them before the first sample.
//!
//! Beyond 4 GiB the sizes do not fit: the file is then an RF64 (EBU Tech 3306), where a `ds64` chunk holds them.

use alloc::vec::Vec;

/// Of 16-bit samples.
const BYTES_PER_SAMPLE: u16 = 2;
/// "WAVE", the `fmt ` chunk and the `data` chunk's head.
const RIFF_OVERHEAD: u64 = 4 + 24 + 8;
/// What is not PCM has a longer `fmt ` chunk, and says its length in a `fact` chunk.
const FACT_OVERHEAD: u64 = 2 + 12;
/// The `ds64` chunk with an empty table.
const DS64_CHUNK: u64 = 8 + 28;
/// What RF64 writes where 32 bits do not suffice.
const SIZE_IN_DS64: u32 = u32::MAX;

/// How samples are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WavCoding {
    /// 16 bits each.
    Pcm16,
    /// G.711 A-law.
    ALaw,
    /// G.711 mu-law.
    MuLaw,
}

impl WavCoding {
    /// WAVE_FORMAT_PCM, WAVE_FORMAT_ALAW, WAVE_FORMAT_MULAW (RFC 2361).
    fn tag(self) -> u16 {
        match self {
            Self::Pcm16 => 1,
            Self::ALaw => 6,
            Self::MuLaw => 7,
        }
    }

    fn bytes(self) -> u16 {
        if self == Self::Pcm16 { BYTES_PER_SAMPLE } else { 1 }
    }
}

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WavFormat {
    /// How samples are written.
    pub coding: WavCoding,
    /// Hz.
    pub sample_rate: u32,
    /// Channels.
    pub channels: u16,
    /// Samples a channel.
    pub frames: u64,
}

impl WavFormat {
    /// Bytes of samples.
    pub fn data_bytes(&self) -> u64 {
        self.frames.saturating_mul(u64::from(self.channels) * u64::from(self.coding.bytes()))
    }

    /// Size of the whole file.
    pub fn file_bytes(&self) -> u64 {
        let header = self.overhead() + if self.is_rf64() { DS64_CHUNK } else { 0 };
        self.data_bytes().saturating_add(8 + header + self.padding())
    }

    /// A chunk of odd length is followed by a zero.
    pub fn padding(&self) -> u64 {
        self.data_bytes() % 2
    }

    fn overhead(&self) -> u64 {
        RIFF_OVERHEAD + if self.coding == WavCoding::Pcm16 { 0 } else { FACT_OVERHEAD }
    }

    /// Whether the sizes need 64 bits.
    pub fn is_rf64(&self) -> bool {
        self.data_bytes().saturating_add(self.overhead() + self.padding()) > u64::from(u32::MAX)
    }

    /// Everything before the first sample.
    pub fn header(&self) -> Vec<u8> {
        let block = self.channels.saturating_mul(self.coding.bytes());
        let is_pcm = self.coding == WavCoding::Pcm16;
        let riff_bytes = self.file_bytes() - 8;
        let mut out = Vec::with_capacity(80);
        match u32::try_from(riff_bytes) {
            Ok(size) if !self.is_rf64() => {
                out.extend_from_slice(b"RIFF");
                out.extend_from_slice(&size.to_le_bytes());
                out.extend_from_slice(b"WAVE");
            }
            _ => {
                out.extend_from_slice(b"RF64");
                out.extend_from_slice(&SIZE_IN_DS64.to_le_bytes());
                out.extend_from_slice(b"WAVEds64");
                out.extend_from_slice(&28_u32.to_le_bytes());
                out.extend_from_slice(&riff_bytes.to_le_bytes());
                out.extend_from_slice(&self.data_bytes().to_le_bytes());
                out.extend_from_slice(&self.frames.to_le_bytes());
                out.extend_from_slice(&0_u32.to_le_bytes());
            }
        }
        out.extend_from_slice(b"fmt ");
        out.extend_from_slice(&(if is_pcm { 16_u32 } else { 18 }).to_le_bytes());
        out.extend_from_slice(&self.coding.tag().to_le_bytes());
        out.extend_from_slice(&self.channels.to_le_bytes());
        out.extend_from_slice(&self.sample_rate.to_le_bytes());
        out.extend_from_slice(&self.sample_rate.saturating_mul(u32::from(block)).to_le_bytes());
        out.extend_from_slice(&block.to_le_bytes());
        out.extend_from_slice(&(self.coding.bytes() * 8).to_le_bytes());
        if !is_pcm {
            out.extend_from_slice(&0_u16.to_le_bytes());
            out.extend_from_slice(b"fact");
            out.extend_from_slice(&4_u32.to_le_bytes());
            out.extend_from_slice(&u32::try_from(self.frames).unwrap_or(SIZE_IN_DS64).to_le_bytes());
        }
        out.extend_from_slice(b"data");
        let data = if self.is_rf64() { SIZE_IN_DS64 } else { u32::try_from(self.data_bytes()).unwrap_or(SIZE_IN_DS64) };
        out.extend_from_slice(&data.to_le_bytes());
        out
    }
}

/// Appends `samples` as the file's bytes.
pub fn append_samples(out: &mut Vec<u8>, samples: &[i16]) {
    let start = out.len();
    out.resize(start + samples.len() * usize::from(BYTES_PER_SAMPLE), 0);
    let Some(room) = out.get_mut(start..) else { return };
    for (bytes, sample) in room.chunks_exact_mut(usize::from(BYTES_PER_SAMPLE)).zip(samples) {
        bytes.copy_from_slice(&sample.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn u32_at(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    fn u64_at(bytes: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
    }

    #[test]
    fn a_short_file_is_riff_with_true_sizes() {
        let format = WavFormat { coding: WavCoding::Pcm16, sample_rate: 8000, channels: 2, frames: 3 };
        let mut file = format.header();
        append_samples(&mut file, &[1, -1, 2, -2, i16::MAX, i16::MIN]);
        assert_eq!(file.len(), 44 + 12);
        assert_eq!(file.len() as u64, format.file_bytes());
        assert_eq!(&file[0..4], b"RIFF");
        assert_eq!(u32_at(&file, 4) as usize, file.len() - 8);
        assert_eq!(&file[8..16], b"WAVEfmt ");
        assert_eq!((u32_at(&file, 16), u32_at(&file, 20), u32_at(&file, 24)), (16, 0x0002_0001, 8000));
        assert_eq!((u32_at(&file, 28), u32_at(&file, 32)), (32_000, 0x0010_0004));
        assert_eq!((&file[36..40], u32_at(&file, 40)), (&b"data"[..], 12));
        assert_eq!(&file[44..], &[1, 0, 0xff, 0xff, 2, 0, 0xfe, 0xff, 0xff, 0x7f, 0, 0x80]);
    }

    #[test]
    fn beyond_four_gibibytes_it_is_rf64() {
        let frames = (u64::from(u32::MAX) - RIFF_OVERHEAD) / 4;
        let largest = WavFormat { coding: WavCoding::Pcm16, sample_rate: 8000, channels: 2, frames };
        assert_eq!(&largest.header()[0..4], b"RIFF");
        let format = WavFormat { frames: largest.frames + 1, ..largest };
        let header = format.header();
        assert_eq!((&header[0..4], u32_at(&header, 4)), (&b"RF64"[..], u32::MAX));
        assert_eq!(&header[8..16], b"WAVEds64");
        assert_eq!(u64_at(&header, 20), format.file_bytes() - 8);
        assert_eq!(u64_at(&header, 28), format.frames * 4);
        assert_eq!(u64_at(&header, 36), format.frames);
        assert_eq!(&header[48..52], b"fmt ");
        assert_eq!((&header[72..76], u32_at(&header, 76)), (&b"data"[..], u32::MAX));
        assert_eq!(header.len() as u64 + format.frames * 4, format.file_bytes());
    }
}
