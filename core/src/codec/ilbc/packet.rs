//! A frame's parameters, and how its bits are laid out: by classes of importance (RFC 3951 3.8), so that a parameter's
//! bits stand in up to three places.

use super::{Mode, STAGES};

/// Classes of importance.
const CLASSES: usize = 3;
/// Samples of the start state that are coded one by one, at most.
const MAX_SAMPLES: usize = 58;
/// Subframes that are coded by the codebook, at most.
pub(super) const MAX_CODED: usize = 4;

/// Bits of a parameter in each class.
type Bits = [u8; CLASSES];

/// How many bits of what stand where (RFC 3951 table 3.2).
struct Layout {
    /// Three of each vector of line spectral frequencies.
    lsf: &'static [Bits],
    start: Bits,
    state_first: Bits,
    scale: Bits,
    sample: Bits,
    extra_index: [Bits; STAGES],
    extra_gain: [Bits; STAGES],
    index: &'static [[Bits; STAGES]],
    gain: &'static [[Bits; STAGES]],
}

const LSF: [Bits; 6] = [[6, 0, 0], [7, 0, 0], [7, 0, 0], [6, 0, 0], [7, 0, 0], [7, 0, 0]];
const WIDE: [Bits; 2] = [[0, 0, 8]; 2];

static LAYOUT_20: Layout = Layout {
    lsf: LSF.split_at(3).0,
    start: [2, 0, 0],
    state_first: [1, 0, 0],
    scale: [6, 0, 0],
    sample: [0, 1, 2],
    extra_index: [[6, 0, 1], [0, 0, 7], [0, 0, 7]],
    extra_gain: [[2, 0, 3], [1, 1, 2], [0, 0, 3]],
    index: &[[[7, 0, 1], [0, 0, 7], [0, 0, 7]], [[0, 0, 8], WIDE[0], WIDE[1]]],
    gain: &[[[1, 2, 2], [1, 1, 2], [0, 0, 3]], [[1, 1, 3], [0, 2, 2], [0, 0, 3]]],
};

static LAYOUT_30: Layout = Layout {
    lsf: &LSF,
    start: [3, 0, 0],
    state_first: [1, 0, 0],
    scale: [6, 0, 0],
    sample: [0, 1, 2],
    extra_index: [[4, 2, 1], [0, 0, 7], [0, 0, 7]],
    extra_gain: [[1, 1, 3], [1, 1, 2], [0, 0, 3]],
    index: &[
        [[6, 1, 1], [0, 0, 7], [0, 0, 7]],
        [[0, 7, 1], WIDE[0], WIDE[1]],
        [[0, 7, 1], WIDE[0], WIDE[1]],
        [[0, 7, 1], WIDE[0], WIDE[1]],
    ],
    gain: &[
        [[1, 2, 2], [1, 2, 1], [0, 0, 3]],
        [[0, 2, 3], [0, 2, 2], [0, 0, 3]],
        [[0, 1, 4], [0, 1, 3], [0, 0, 3]],
        [[0, 1, 4], [0, 1, 3], [0, 0, 3]],
    ],
};

/// What a codebook's stages say of one vector.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Coded {
    pub(super) index: [usize; STAGES],
    pub(super) gain: [usize; STAGES],
}

/// A frame's parameters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) lsf: [usize; 6],
    /// Which two subframes hold the start state: 1 for the first two.
    pub(super) start: usize,
    /// Whether what is coded sample by sample stands first in them.
    pub(super) state_first: bool,
    pub(super) scale: usize,
    pub(super) samples: [usize; MAX_SAMPLES],
    /// The rest of the start state.
    pub(super) extra: Coded,
    pub(super) coded: [Coded; MAX_CODED],
}

impl Frame {
    /// None of a frame that is empty or impossible: it is to be made up (RFC 3951 3.8, 4.1).
    pub(super) fn parse(bytes: &[u8], mode: Mode) -> Option<Self> {
        let layout = match mode {
            Mode::Ms20 => &LAYOUT_20,
            Mode::Ms30 => &LAYOUT_30,
        };
        let mut frame = Self {
            lsf: [0; 6],
            start: 0,
            state_first: false,
            scale: 0,
            samples: [0; MAX_SAMPLES],
            extra: Coded::default(),
            coded: [Coded::default(); MAX_CODED],
        };
        let (mut reader, mut state_first) = (Reader { bytes, at: 0 }, 0);
        for class in 0..CLASSES {
            for (value, bits) in frame.lsf.iter_mut().zip(layout.lsf) {
                reader.add(value, bits[class]);
            }
            reader.add(&mut frame.start, layout.start[class]);
            reader.add(&mut state_first, layout.state_first[class]);
            reader.add(&mut frame.scale, layout.scale[class]);
            for value in frame.samples.iter_mut().take(mode.state_samples()) {
                reader.add(value, layout.sample[class]);
            }
            reader.add_all(&mut frame.extra.index, &layout.extra_index, class);
            reader.add_all(&mut frame.extra.gain, &layout.extra_gain, class);
            for (coded, bits) in frame.coded.iter_mut().zip(layout.index) {
                reader.add_all(&mut coded.index, bits, class);
            }
            for (coded, bits) in frame.coded.iter_mut().zip(layout.gain) {
                reader.add_all(&mut coded.gain, bits, class);
            }
        }
        let mut is_empty = 0;
        reader.add(&mut is_empty, 1);
        frame.state_first = state_first == 1;
        for index in frame.coded[0].index.iter_mut().skip(1) {
            *index = widened(*index);
        }
        (is_empty == 0 && (1..mode.subframes()).contains(&frame.start)).then_some(frame)
    }
}

/// The octets of a frame, for an encoder.
#[cfg(test)]
pub(super) fn pack(frame: &Frame, mode: Mode) -> alloc::vec::Vec<u8> {
    let layout = if mode == Mode::Ms20 { &LAYOUT_20 } else { &LAYOUT_30 };
    let mut fields: alloc::vec::Vec<(usize, Bits)> = Default::default();
    fields.extend(frame.lsf.into_iter().zip(layout.lsf.iter().copied()));
    fields.push((frame.start, layout.start));
    fields.push((frame.state_first.into(), layout.state_first));
    fields.push((frame.scale, layout.scale));
    fields.extend(frame.samples.iter().take(mode.state_samples()).map(|&sample| (sample, layout.sample)));
    fields.extend(frame.extra.index.into_iter().zip(layout.extra_index));
    fields.extend(frame.extra.gain.into_iter().zip(layout.extra_gain));
    for (n, (coded, bits)) in frame.coded.iter().zip(layout.index).enumerate() {
        let narrowed = |(stage, index)| match index {
            108..172 if n == 0 && stage > 0 => index - 64,
            236.. if n == 0 && stage > 0 => index - 128,
            _ => index,
        };
        fields.extend(coded.index.into_iter().enumerate().map(narrowed).zip(bits.iter().copied()));
    }
    for (coded, bits) in frame.coded.iter().zip(layout.gain) {
        fields.extend(coded.gain.into_iter().zip(bits.iter().copied()));
    }
    let (mut octets, mut at) = (alloc::vec![0; mode.frame_bytes()], 0);
    for class in 0..CLASSES {
        for (value, bits) in &fields {
            let behind: u8 = bits[class + 1..].iter().sum();
            for bit in (0..bits[class]).rev() {
                octets[at / 8] |= ((value >> (bit + behind) & 1) as u8) << (7 - at % 8);
                at += 1;
            }
        }
    }
    octets
}

/// The first subframe's later stages look through parts of the codebook only.
fn widened(index: usize) -> usize {
    match index {
        44..108 => index + 64,
        108..128 => index + 128,
        _ => index,
    }
}

/// From the octets of a frame, most significant bit first; zeros behind its end.
struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Reader<'_> {
    /// Puts `count` bits behind those that `value` has.
    fn add(&mut self, value: &mut usize, count: u8) {
        for _ in 0..count {
            let octet = self.bytes.get(self.at / 8).copied().unwrap_or(0);
            *value = *value << 1 | usize::from(octet >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
    }

    fn add_all(&mut self, values: &mut [usize; STAGES], bits: &[Bits; STAGES], class: usize) {
        for (value, bits) in values.iter_mut().zip(bits) {
            self.add(value, bits[class]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bits_of_a_frame_have_their_place() {
        for mode in [Mode::Ms20, Mode::Ms30] {
            let layout = if mode == Mode::Ms20 { &LAYOUT_20 } else { &LAYOUT_30 };
            let of = |bits: &Bits| bits.iter().map(|&bits| usize::from(bits)).sum::<usize>();
            let all = |bits: &[Bits]| bits.iter().map(of).sum::<usize>();
            let single = of(&layout.start) + of(&layout.state_first) + of(&layout.scale);
            let state = of(&layout.sample) * mode.state_samples() + all(&layout.extra_index) + all(&layout.extra_gain);
            let coded: usize = layout.index.iter().chain(layout.gain).map(|bits| all(bits)).sum();
            let parameters = all(layout.lsf) + single + state + coded;
            assert_eq!(parameters + 1, mode.frame_bytes() * 8, "and the bit of an empty frame");
        }
    }

    #[test]
    fn empty_and_impossible_frames_are_none() {
        let mut bytes = [0_u8; 38];
        assert!(Frame::parse(&bytes, Mode::Ms20).is_none(), "no start state");
        bytes[2] = 0b0000_0100;
        assert_eq!(Frame::parse(&bytes, Mode::Ms20).unwrap().start, 1);
        bytes[37] = 1;
        assert!(Frame::parse(&bytes, Mode::Ms20).is_none(), "marked as empty");
    }
}
