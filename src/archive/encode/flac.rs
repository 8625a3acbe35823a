//! FLAC (RFC 9639): frames of 4,096 samples, fixed predictors, partitioned Rice codes. In integers, so its octets are the
//! same on every machine, and a frame at a time.
//!
//! Telephony is narrow: what a fitted linear predictor would gain over a fixed one is a few percent of the size.

use md5::{Digest as _, Md5};
use siprec_core::render::FilePlan;

use super::{Patch, Tags, comments};

/// Samples a channel in each frame but the last.
const BLOCK: usize = 4096;
/// The code of [`BLOCK`] in a frame's header (RFC 9639 9.1.1).
const BLOCK_CODE: u32 = 12;
const STREAMINFO_BYTES: u32 = 34;
const VORBIS_COMMENT: u8 = 4;
/// Marks a metadata block as the last.
const LAST: u8 = 0x80;
const BITS: u32 = 16;
/// Orders of fixed predictors (9.2.5).
const MAX_ORDER: usize = 4;
/// Partitions of a residual are 2 to this many (9.2.7); 6 are 64 samples of a block.
const MAX_PARTITION_ORDER: u32 = 6;
/// The largest 4-bit Rice parameter (15 is an escape).
const MAX_RICE: u32 = 14;

/// Writes a FLAC stream.
#[derive(Debug)]
pub(super) struct Flac {
    sample_rate: u32,
    channels: usize,
    frames: u64,
    comments: Vec<u8>,
    waiting: Vec<i16>,
    number: u64,
    md5: Md5,
    /// Least and greatest size of a frame, octets.
    sizes: Option<(usize, usize)>,
}

impl Flac {
    pub(super) fn new(file: &FilePlan, tags: &Tags) -> Self {
        Self {
            sample_rate: file.sample_rate,
            channels: usize::from(file.channels).max(1),
            frames: file.frames,
            comments: comments(tags),
            waiting: Vec::new(),
            number: 0,
            md5: Md5::new(),
            sizes: None,
        }
    }

    pub(super) fn begin(&self, out: &mut Vec<u8>) {
        out.extend(b"fLaC");
        out.extend(STREAMINFO_BYTES.to_be_bytes());
        out.extend(self.stream_info([0; 16]));
        let length = u32::try_from(self.comments.len()).unwrap_or(0).to_be_bytes();
        out.extend([LAST | VORBIS_COMMENT, length[1], length[2], length[3]]);
        out.extend(&self.comments);
    }

    pub(super) fn take(&mut self, samples: &[i16], out: &mut Vec<u8>) {
        self.waiting.extend_from_slice(samples);
        let block = BLOCK * self.channels;
        let waiting = std::mem::take(&mut self.waiting);
        let mut blocks = waiting.chunks_exact(block);
        for samples in &mut blocks {
            self.frame(samples, out);
        }
        self.waiting = blocks.remainder().to_vec();
    }

    pub(super) fn finish(mut self, out: &mut Vec<u8>) -> Patch {
        let rest = std::mem::take(&mut self.waiting);
        if !rest.is_empty() {
            self.frame(&rest, out);
        }
        let digest = std::mem::replace(&mut self.md5, Md5::new()).finalize();
        Patch { offset: 8, bytes: self.stream_info(digest.into()) }
    }

    /// STREAMINFO (8.2).
    fn stream_info(&self, md5: [u8; 16]) -> Vec<u8> {
        let mut bits = BitWriter::default();
        let (least, greatest) = self.sizes.unwrap_or((0, 0));
        bits.put(BLOCK as u64, 16);
        bits.put(BLOCK as u64, 16);
        bits.put(least as u64, 24);
        bits.put(greatest as u64, 24);
        bits.put(u64::from(self.sample_rate), 20);
        bits.put(self.channels as u64 - 1, 3);
        bits.put(u64::from(BITS) - 1, 5);
        // 0: not known, of what does not fit.
        bits.put(if self.frames < 1 << 36 { self.frames } else { 0 }, 36);
        let mut out = bits.bytes;
        out.extend(md5);
        out
    }

    /// One frame (9).
    fn frame(&mut self, samples: &[i16], out: &mut Vec<u8>) {
        for sample in samples {
            self.md5.update(sample.to_le_bytes());
        }
        let (assignment, planes) = self.planes(samples);
        let length = samples.len() / self.channels;
        let mut bits = BitWriter::default();
        bits.put(0b11_1111_1111_1110, 14);
        bits.put(0, 2);
        let block_code = if length == BLOCK { BLOCK_CODE } else { 7 };
        bits.put(u64::from(block_code), 4);
        // The sampling rate is STREAMINFO's.
        bits.put(0, 4);
        bits.put(assignment, 4);
        bits.put(0b100, 3);
        bits.put(0, 1);
        put_number(&mut bits, self.number);
        if block_code == 7 {
            bits.put(length as u64 - 1, 16);
        }
        let crc = crc8(&bits.bytes);
        bits.put(u64::from(crc), 8);
        for (plane, depth) in &planes {
            subframe(&mut bits, plane, *depth);
        }
        bits.align();
        let crc = crc16(&bits.bytes);
        bits.put(u64::from(crc), 16);
        self.number += 1;
        let size = bits.bytes.len();
        self.sizes = Some(self.sizes.map_or((size, size), |(least, most)| (least.min(size), most.max(size))));
        out.append(&mut bits.bytes);
    }

    /// Channel assignment (9.1.3), and the channels so assigned with their bits a sample.
    fn planes(&self, samples: &[i16]) -> (u64, Vec<(Vec<i32>, u32)>) {
        let plane = |n: usize| samples.iter().skip(n).step_by(self.channels).map(|&s| i32::from(s)).collect::<Vec<_>>();
        let (left, right) = match self.channels {
            2 => (plane(0), plane(1)),
            channels => return (channels as u64 - 1, (0..channels).map(|n| (plane(n), BITS)).collect()),
        };
        let side: Vec<i32> = left.iter().zip(&right).map(|(l, r)| l - r).collect();
        let middle: Vec<i32> = left.iter().zip(&right).map(|(l, r)| (l + r) >> 1).collect();
        // Legs of a call have little in common; a mixed stream on both channels has all.
        let cost = |plane: &[i32]| best_order(plane).1;
        let (l, r, s, m) = (cost(&left), cost(&right), cost(&side), cost(&middle));
        let choices = [(l + r, 1), (l + s, 8), (s + r, 9), (m + s, 10)];
        match choices.into_iter().min().map_or(1, |(_, assignment)| assignment) {
            8 => (8, vec![(left, BITS), (side, BITS + 1)]),
            9 => (9, vec![(side, BITS + 1), (right, BITS)]),
            10 => (10, vec![(middle, BITS), (side, BITS + 1)]),
            _ => (1, vec![(left, BITS), (right, BITS)]),
        }
    }
}

/// One channel of a frame (9.2).
fn subframe(bits: &mut BitWriter, plane: &[i32], depth: u32) {
    let first = plane.first().copied().unwrap_or(0);
    if plane.iter().all(|&sample| sample == first) {
        bits.put(0, 8);
        bits.put_signed(first, depth);
        return;
    }
    // What was G.711 has zeros in its last bits: 3 of A-law's, 2 of mu-law's.
    let wasted = plane.iter().fold(0, |all, sample| all | sample).trailing_zeros();
    let plane: Vec<i32> = plane.iter().map(|sample| sample >> wasted).collect();
    let depth = depth.saturating_sub(wasted);
    let head = |bits: &mut BitWriter, kind: u64| {
        bits.put(kind << 1 | u64::from(wasted > 0), 8);
        if wasted > 0 {
            bits.put_unary(wasted - 1);
        }
    };
    let (order, _) = best_order(&plane);
    let residual = differences(&plane, order);
    let coded = Rice::choose(&residual, plane.len(), order);
    if coded.bits >= plane.len() as u64 * u64::from(depth) {
        head(bits, 1);
        plane.iter().for_each(|&sample| bits.put_signed(sample, depth));
        return;
    }
    head(bits, 0b1000 | order as u64);
    plane.iter().take(order).for_each(|&sample| bits.put_signed(sample, depth));
    coded.write(bits, &residual, plane.len(), order);
}

/// The order of the fixed predictor that leaves least, and the sum of what it leaves.
fn best_order(plane: &[i32]) -> (usize, u64) {
    let mut sums = [0_u64; MAX_ORDER + 1];
    let mut last = [0_i32; MAX_ORDER];
    for (n, &sample) in plane.iter().enumerate() {
        let mut difference = sample;
        for (order, sum) in sums.iter_mut().enumerate() {
            if n >= MAX_ORDER {
                *sum += u64::from(difference.unsigned_abs());
            }
            if let Some(before) = last.get_mut(order) {
                let next = difference - *before;
                *before = difference;
                difference = next;
            }
        }
    }
    let most = MAX_ORDER.min(plane.len().saturating_sub(1));
    (0..=most).map(|order| (order, sums[order])).min_by_key(|(_, sum)| *sum).unwrap_or((0, 0))
}

/// What the predictor of `order` leaves, from sample number `order` on.
fn differences(plane: &[i32], order: usize) -> Vec<i32> {
    let mut left = plane.to_vec();
    for _ in 0..order {
        left = left.windows(2).map(|pair| pair[1] - pair[0]).collect();
    }
    left
}

/// How a residual is coded (9.2.7).
#[derive(Debug)]
struct Rice {
    partition_order: u32,
    parameters: Vec<u32>,
    bits: u64,
}

impl Rice {
    fn choose(residual: &[i32], length: usize, order: usize) -> Self {
        let fits = |partitions: u32| length.is_multiple_of(1 << partitions) && length >> partitions > order;
        let orders = (0..=MAX_PARTITION_ORDER).filter(|&partitions| fits(partitions));
        let choice = orders.map(|partitions| Self::with(residual, length, order, partitions));
        choice.min_by_key(|choice| choice.bits).unwrap_or_else(|| Self::with(residual, length, order, 0))
    }

    fn with(residual: &[i32], length: usize, order: usize, partition_order: u32) -> Self {
        let mut bits = 6;
        let mut parameters = Vec::new();
        for part in parts(residual, length, order, partition_order) {
            let (parameter, cost) = rice_parameter(part);
            parameters.push(parameter);
            bits += 4 + cost;
        }
        Self { partition_order, parameters, bits }
    }

    fn write(&self, bits: &mut BitWriter, residual: &[i32], length: usize, order: usize) {
        bits.put(0, 2);
        bits.put(u64::from(self.partition_order), 4);
        for (part, &parameter) in parts(residual, length, order, self.partition_order).zip(&self.parameters) {
            bits.put(u64::from(parameter), 4);
            for &value in part {
                let folded = fold(value);
                bits.put_unary(folded >> parameter);
                bits.put(u64::from(folded) & ((1 << parameter) - 1), parameter);
            }
        }
    }
}

/// The residual's partitions: the first is shorter by the samples that stand for themselves.
fn parts(residual: &[i32], length: usize, order: usize, partition_order: u32) -> impl Iterator<Item = &[i32]> {
    let each = length >> partition_order;
    let (first, rest) = residual.split_at(each.saturating_sub(order).min(residual.len()));
    std::iter::once(first).chain(rest.chunks(each.max(1)))
}

/// The parameter that codes a partition in the fewest bits, and how many.
fn rice_parameter(part: &[i32]) -> (u32, u64) {
    let sum: u64 = part.iter().map(|&value| u64::from(fold(value))).sum();
    let mean = sum / (part.len() as u64).max(1);
    let guess = mean.checked_ilog2().unwrap_or(0);
    let cost = |parameter: u32| {
        let unary: u64 = part.iter().map(|&value| u64::from(fold(value) >> parameter)).sum();
        (unary + part.len() as u64 * (1 + u64::from(parameter)), parameter)
    };
    let near = guess.saturating_sub(1).min(MAX_RICE)..=(guess + 1).min(MAX_RICE);
    near.map(cost).min().map_or((0, 0), |(bits, parameter)| (parameter, bits))
}

/// Signed to unsigned: 0, -1, 1, -2 ...
fn fold(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)).cast_unsigned()
}

/// A frame's number, coded like UTF-8 (9.1.5).
fn put_number(bits: &mut BitWriter, number: u64) {
    if number < 0x80 {
        bits.put(number, 8);
        return;
    }
    // So many octets follow the first; each holds 6 bits, the first what remains of 7.
    let following = (1..=6).find(|&n| number < 1_u64 << (5 * n + 6)).unwrap_or(6);
    let lead = 0xff_u64 << (7 - following) & 0xff;
    bits.put(lead | number >> (6 * following), 8);
    for n in (0..following).rev() {
        bits.put(0x80 | number >> (6 * n) & 0x3f, 8);
    }
}

/// Bits, the highest first.
#[derive(Debug, Default)]
struct BitWriter {
    bytes: Vec<u8>,
    held: u64,
    count: u32,
}

impl BitWriter {
    /// The lowest `width` bits of `value`, 56 at most.
    fn put(&mut self, value: u64, width: u32) {
        self.held = self.held << width | value & ((1 << width) - 1);
        self.count += width;
        while self.count >= 8 {
            self.count -= 8;
            self.bytes.push(u8::try_from(self.held >> self.count & 0xff).unwrap_or(0));
        }
    }

    fn put_signed(&mut self, value: i32, width: u32) {
        self.put(u64::from(value.cast_unsigned()), width);
    }

    /// So many zeros, and a one.
    fn put_unary(&mut self, mut zeros: u32) {
        while zeros >= 32 {
            self.put(0, 32);
            zeros -= 32;
        }
        self.put(1, zeros + 1);
    }

    fn align(&mut self) {
        if self.count > 0 {
            self.put(0, 8 - self.count);
        }
    }
}

/// Polynomial x^8 + x^2 + x + 1.
pub(in crate::archive) fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0_u8, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc, _| if crc & 0x80 == 0 { crc << 1 } else { crc << 1 ^ 0x07 })
    })
}

/// Polynomial x^16 + x^15 + x^2 + 1.
pub(in crate::archive) fn crc16(bytes: &[u8]) -> u16 {
    const TABLE: [u16; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            let mut crc = (index as u16) << 8;
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x8005 };
                bit += 1;
            }
            table[index] = crc;
            index += 1;
        }
        table
    };
    bytes.iter().fold(0_u16, |crc, &byte| crc << 8 ^ TABLE[usize::from((crc >> 8) ^ u16::from(byte))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_coded_like_utf_8() {
        for number in [0, 0x7f, 0x80, 0x7ff, 0x800, 0xffff, 0x1_0000, 0x10_ffff] {
            let mut bits = BitWriter::default();
            put_number(&mut bits, number);
            // What UTF-8 leaves out is not tried.
            let mut room = [0; 4];
            let text = char::from_u32(u32::try_from(number).unwrap()).unwrap().encode_utf8(&mut room);
            assert_eq!(bits.bytes, text.as_bytes(), "{number:x}");
        }
        let mut bits = BitWriter::default();
        put_number(&mut bits, (1 << 36) - 1);
        assert_eq!(bits.bytes, [0xfe, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf]);
    }

    #[test]
    fn checksums_are_those_of_the_catalogue() {
        // CRC-8/SMBUS and CRC-16/UMTS of "123456789".
        assert_eq!((crc8(b"123456789"), crc16(b"123456789")), (0xf4, 0xfee8));
    }

    #[test]
    fn the_predictor_that_leaves_least_is_taken() {
        let line: Vec<i32> = (0..100).map(|n| 3 * n - 40).collect();
        assert_eq!(best_order(&line), (2, 0));
        assert_eq!(differences(&line, 2), vec![0; 98]);
        assert_eq!([0, -1, 1, -2].map(fold), [0, 1, 2, 3]);
    }

    #[test]
    fn zeros_in_the_last_bits_cost_nothing() {
        let mut state = 1_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as u16 as i16
        };
        for (wasted, depth) in [(0, 16), (2, 14), (3, 13), (15, 1)] {
            let plane: Vec<i32> = (0..BLOCK).map(|_| i32::from(noise()) >> wasted << wasted).collect();
            let mut bits = BitWriter::default();
            subframe(&mut bits, &plane, BITS);
            bits.align();
            let most = BLOCK * depth / 8 + 4;
            assert!(bits.bytes.len() <= most, "{wasted}: {} octets, at most {most}", bits.bytes.len());
        }
    }
}
