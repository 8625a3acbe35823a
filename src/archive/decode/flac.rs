//! FLAC (RFC 9639) as `encode/flac.rs` writes it: fixed predictors, constants and verbatim samples of 16 bits. A linear
//! predictor, which that does not write, is refused.
//!
//! The sheet says rate, channels and length; each frame has its checksums, and MD5 of all samples stands in STREAMINFO.

use std::io::{self, Read as _};

use md5::{Digest as _, Md5};
use siprec_core::render::FileSheet;
use siprec_core::render::wav::append_samples;

use super::damaged;
use crate::archive::disk::Reading;
use crate::archive::encode::{crc8, crc16};

/// Octets that are read at a time.
const BLOCK: usize = 128 * 1024;
/// No frame of ours is longer: 4,096 samples of two channels as they are, with room for headers.
const MAX_FRAME: usize = 64 * 1024;
const STREAMINFO: usize = 34;
const LAST: u8 = 0x80;
/// A stream's samples a channel, in STREAMINFO.
const MAX_FRAMES: u64 = 1 << 36;

/// Reads a FLAC stream.
#[derive(Debug)]
pub(super) struct Flac {
    input: Reading,
    buffer: Vec<u8>,
    /// Where in the buffer the next frame begins.
    at: usize,
    ended: bool,
    channels: usize,
    /// Samples a channel that are still to come.
    left: u64,
    number: u64,
    digest: [u8; 16],
    md5: Md5,
    /// The newest samples as octets.
    octets: Vec<u8>,
}

impl Flac {
    pub(super) fn open(sheet: &FileSheet, input: Reading) -> io::Result<Self> {
        let mut flac = Self {
            input,
            buffer: Vec::new(),
            at: 0,
            ended: false,
            channels: usize::from(sheet.channels),
            left: sheet.frames,
            number: 0,
            digest: [0; 16],
            md5: Md5::new(),
            octets: Vec::new(),
        };
        flac.fill()?;
        let short = || damaged("it ends within its header");
        if flac.buffer.get(..4) != Some(b"fLaC") {
            return Err(damaged("it does not begin as FLAC does"));
        }
        let mut at = 4;
        loop {
            let &[kind, a, b, c] = flac.buffer.get(at..at + 4).ok_or_else(short)? else { return Err(short()) };
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            let body = flac.buffer.get(at + 4..at + 4 + length).ok_or_else(short)?;
            if at == 4 {
                if kind & !LAST != 0 {
                    return Err(damaged("it has no STREAMINFO"));
                }
                let info: &[u8; STREAMINFO] = body.try_into().map_err(|_| damaged("it has no STREAMINFO"))?;
                flac.digest = stream_info(info, sheet)?;
            }
            at += 4 + length;
            if kind & LAST != 0 {
                break;
            }
        }
        flac.at = at;
        Ok(flac)
    }

    pub(super) fn next(&mut self, samples: &mut Vec<i16>) -> io::Result<bool> {
        self.fill()?;
        let rest = self.buffer.get(self.at..).unwrap_or_default();
        if self.left == 0 {
            let digest: [u8; 16] = self.md5.clone().finalize().into();
            return match rest.is_empty() && digest == self.digest {
                true => Ok(false),
                false => Err(damaged("its samples are not those of its digest, or something follows them")),
            };
        }
        let mut bits = Bits::new(rest);
        let planes =
            frame(&mut bits, self.channels, self.number).ok_or_else(|| damaged("a frame is not as it was written"))?;
        self.at += bits.octets();
        self.number += 1;
        let length = planes.first().map_or(0, Vec::len);
        self.left = self.left.checked_sub(length as u64).ok_or_else(|| damaged("it is longer than its sheet says"))?;
        for n in 0..length {
            for plane in &planes {
                let sample = plane.get(n).and_then(|sample| i16::try_from(*sample).ok());
                let sample = sample.ok_or_else(|| damaged("a sample has more than 16 bits"))?;
                samples.push(sample);
            }
        }
        self.octets.clear();
        append_samples(&mut self.octets, samples);
        self.md5.update(&self.octets);
        Ok(true)
    }

    /// There is a whole frame in the buffer, or all that is left.
    fn fill(&mut self) -> io::Result<()> {
        if self.ended || self.buffer.len() - self.at >= MAX_FRAME {
            return Ok(());
        }
        self.buffer.drain(..self.at);
        self.at = 0;
        let read = self.input.by_ref().take(BLOCK as u64).read_to_end(&mut self.buffer)?;
        self.ended = read < BLOCK;
        Ok(())
    }
}

/// The digest in STREAMINFO (8.2), whose rate, channels, depth and length must be those of the sheet.
fn stream_info(info: &[u8; STREAMINFO], sheet: &FileSheet) -> io::Result<[u8; 16]> {
    let mut bits = Bits::new(info);
    let fields = [80, 20, 3, 5, 36]
        .map(|width| if width == 80 { bits.take(40).and_then(|_| bits.take(40)) } else { bits.take(width) });
    let [_, Some(rate), Some(channels), Some(depth), Some(frames)] = fields else {
        return Err(damaged("no STREAMINFO"));
    };
    // 0: not known, of what does not fit.
    let known = if sheet.frames < MAX_FRAMES { sheet.frames } else { 0 };
    if (rate, channels + 1, depth + 1, frames) != (u64::from(sheet.sample_rate), u64::from(sheet.channels), 16, known) {
        return Err(damaged("its header is not the one that its sheet leads to"));
    }
    let digest = info.last_chunk().copied();
    digest.ok_or_else(|| damaged("no STREAMINFO"))
}

/// A frame (9): its channels' samples.
fn frame(bits: &mut Bits<'_>, channels: usize, number: u64) -> Option<Vec<Vec<i32>>> {
    if bits.take(16)? != 0b1111_1111_1111_1000 {
        return None;
    }
    let (block, rate, assignment) = (bits.take(4)?, bits.take(4)?, bits.take(4)?);
    let (depth, reserved) = (bits.take(3)?, bits.take(1)?);
    if rate != 0 || depth != 0b100 || reserved != 0 || take_number(bits)? != number {
        return None;
    }
    let length = match block {
        7 => bits.take(16)? as usize + 1,
        8..=15 => 256 << (block - 8),
        _ => return None,
    };
    let crc = crc8(bits.behind()?);
    if bits.take(8)? != u64::from(crc) {
        return None;
    }
    let depths: Vec<u32> = match assignment {
        8 | 10 if channels == 2 => vec![16, 17],
        9 if channels == 2 => vec![17, 16],
        plain if plain + 1 == channels as u64 => vec![16; channels],
        _ => return None,
    };
    let planes: Option<Vec<Vec<i32>>> = depths.into_iter().map(|depth| subframe(bits, length, depth)).collect();
    let mut planes = planes?;
    bits.align()?;
    let crc = crc16(bits.behind()?);
    if bits.take(16)? != u64::from(crc) {
        return None;
    }
    undo(assignment, &mut planes);
    Some(planes)
}

/// Left and right out of what stands for them (4.2).
fn undo(assignment: u64, planes: &mut [Vec<i32>]) {
    let [first, second] = planes else { return };
    for (a, b) in first.iter_mut().zip(second) {
        match assignment {
            8 => *b = *a - *b,
            9 => *a += *b,
            10 => {
                let sum = (*a << 1) | (*b & 1);
                (*a, *b) = ((sum + *b) >> 1, (sum - *b) >> 1);
            }
            _ => {}
        }
    }
}

/// One channel of a frame (9.2).
fn subframe(bits: &mut Bits<'_>, length: usize, depth: u32) -> Option<Vec<i32>> {
    let (kind, wasted) = (bits.take(7)?, bits.take(1)?);
    let wasted = if wasted == 1 { bits.unary()? + 1 } else { 0 };
    let depth = depth.checked_sub(wasted).filter(|depth| *depth > 0)?;
    let mut plane = match kind {
        0 => vec![bits.signed(depth)?; length],
        1 => (0..length).map(|_| bits.signed(depth)).collect::<Option<_>>()?,
        8..=12 => fixed(bits, length, depth, kind as usize - 8)?,
        _ => return None,
    };
    plane.iter_mut().for_each(|sample| *sample <<= wasted);
    Some(plane)
}

/// Of a fixed predictor (9.2.5) and its residual (9.2.7).
fn fixed(bits: &mut Bits<'_>, length: usize, depth: u32, order: usize) -> Option<Vec<i32>> {
    let mut plane = Vec::with_capacity(length);
    for _ in 0..order.min(length) {
        plane.push(bits.signed(depth)?);
    }
    if bits.take(2)? != 0 {
        return None;
    }
    let partitions = 1_usize << bits.take(4)?;
    let each = length / partitions;
    for partition in 0..partitions {
        let parameter = u32::try_from(bits.take(4)?).ok()?;
        if parameter == 15 {
            return None;
        }
        let samples = if partition == 0 { each.checked_sub(order)? } else { each };
        for _ in 0..samples {
            let quotient = bits.unary()?;
            let folded = quotient.checked_shl(parameter)? | u32::try_from(bits.take(parameter)?).ok()?;
            let residual = (folded >> 1).cast_signed() ^ -(folded & 1).cast_signed();
            plane.push(predicted(&plane, order)?.checked_add(residual)?);
        }
    }
    (plane.len() == length).then_some(plane)
}

/// What the predictor of `order` expects next.
fn predicted(plane: &[i32], order: usize) -> Option<i32> {
    let back = |n: usize| plane.len().checked_sub(n).and_then(|at| plane.get(at)).map(|sample| i64::from(*sample));
    let next = match order {
        0 => 0,
        1 => back(1)?,
        2 => 2 * back(1)? - back(2)?,
        3 => 3 * back(1)? - 3 * back(2)? + back(3)?,
        _ => 4 * back(1)? - 6 * back(2)? + 4 * back(3)? - back(4)?,
    };
    i32::try_from(next).ok()
}

/// A frame's number, coded like UTF-8 (9.1.5).
fn take_number(bits: &mut Bits<'_>) -> Option<u64> {
    let lead = bits.take(8)?;
    if lead < 0x80 {
        return Some(lead);
    }
    let following = (u8::try_from(lead).ok()?.leading_ones()).checked_sub(1).filter(|n| (1..=6).contains(n))?;
    let mut number = lead & ((1 << (6 - following)) - 1);
    for _ in 0..following {
        let octet = bits.take(8)?;
        if octet >> 6 != 0b10 {
            return None;
        }
        number = number << 6 | octet & 0x3f;
    }
    Some(number)
}

/// Takes bits, the highest first.
struct Bits<'b> {
    octets: &'b [u8],
    /// Bits that were taken.
    at: usize,
}

impl<'b> Bits<'b> {
    fn new(octets: &'b [u8]) -> Self {
        Self { octets, at: 0 }
    }

    /// At most 40 of them.
    fn take(&mut self, width: u32) -> Option<u64> {
        let mut value = 0;
        let mut left = width;
        while left > 0 {
            let octet = *self.octets.get(self.at / 8)?;
            let room = 8 - (self.at % 8) as u32;
            let count = room.min(left);
            let some = u64::from(octet) >> (room - count) & ((1 << count) - 1);
            value = value << count | some;
            self.at += count as usize;
            left -= count;
        }
        Some(value)
    }

    fn signed(&mut self, width: u32) -> Option<i32> {
        let value = self.take(width)?.cast_signed();
        let shift = 64 - width;
        i32::try_from(value << shift >> shift).ok()
    }

    /// Zeros up to a one.
    fn unary(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.take(1)? == 0 {
            zeros += 1;
        }
        Some(zeros)
    }

    /// What fills the octet is zeros.
    fn align(&mut self) -> Option<()> {
        let rest = (8 - self.at % 8) % 8;
        (self.take(rest as u32)? == 0).then_some(())
    }

    /// Octets that were taken, all of them whole.
    fn octets(&self) -> usize {
        self.at.div_ceil(8)
    }

    fn behind(&self) -> Option<&'b [u8]> {
        self.octets.get(..self.octets())
    }
}
