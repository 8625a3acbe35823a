//! G.711 (ITU-T Recommendation G.711, 11/1988): A-law and mu-law as tables of 16-bit samples.
//!
//! The Recommendation gives decoder output values of 13 bits (A-law, Table 1) and 14 bits (mu-law, Table 2); here they
//! stand at the upper end of 16 bits, three and two places up.

/// Even bits are inverted on the wire (G.711 Table 1, note 2).
const ALAW_INVERTED: u8 = 0x55;
/// Set in a code word: positive (A-law); positive before all bits are inverted (mu-law).
const SIGN: u8 = 0x80;
/// The mu-law curve's offset: decision values lie 33 below powers of two (G.711 Table 2).
const MULAW_BIAS: i16 = 33;

/// A-law code word to sample.
pub static ALAW: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < table.len() {
        table[code] = alaw(code as u8);
        code += 1;
    }
    table
};

/// Mu-law code word to sample.
pub static MULAW: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < table.len() {
        table[code] = mulaw(code as u8);
        code += 1;
    }
    table
};

const fn alaw(code: u8) -> i16 {
    let bits = code ^ ALAW_INVERTED;
    let segment = bits >> 4 & 7;
    let step = 2 * (bits & 0x0f) as i16;
    let magnitude = if segment == 0 { step + 1 } else { (step + 33) << (segment - 1) };
    let sample = magnitude << 3;
    if bits & SIGN != 0 { sample } else { -sample }
}

const fn mulaw(code: u8) -> i16 {
    let bits = !code;
    let segment = bits >> 4 & 7;
    let step = 2 * (bits & 0x0f) as i16;
    let sample = (((step + MULAW_BIAS) << segment) - MULAW_BIAS) << 2;
    if bits & SIGN != 0 { -sample } else { sample }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Table 1a: decision values from intervals x size: 32 x 2, then six segments of 16, each twice as wide.
    fn alaw_outputs() -> Vec<i16> {
        intervals(&[(32, 2), (16, 4), (16, 8), (16, 16), (16, 32), (16, 64), (16, 128)], 0)
    }

    /// Table 2a: the first interval is 1 wide and gives 0, then 15 x 2, then seven segments of 16, each twice as wide.
    fn mulaw_outputs() -> Vec<i16> {
        let mut out = alloc::vec![0];
        let widths = [(15, 2), (16, 4), (16, 8), (16, 16), (16, 32), (16, 64), (16, 128), (16, 256)];
        out.extend(intervals(&widths, 1));
        out
    }

    /// Output values are the means of neighbouring decision values (both tables, column 8).
    fn intervals(segments: &[(usize, i16)], mut decision: i16) -> Vec<i16> {
        let mut out = Vec::new();
        for &(count, width) in segments {
            for _ in 0..count {
                out.push(decision + width / 2);
                decision += width;
            }
        }
        out
    }

    #[test]
    fn alaw_is_table_1_for_all_256_words() {
        let outputs = alaw_outputs();
        assert_eq!((outputs.len(), outputs[0], outputs[127]), (128, 1, 4032));
        for (n, &value) in outputs.iter().enumerate() {
            let positive = (0x80 | u8::try_from(n).unwrap()) ^ 0x55;
            assert_eq!(ALAW[usize::from(positive)], value * 8, "+{n}");
            assert_eq!(ALAW[usize::from(positive ^ 0x80)], -value * 8, "-{n}");
        }
    }

    #[test]
    fn mulaw_is_table_2_for_all_256_words() {
        let outputs = mulaw_outputs();
        assert_eq!((outputs.len(), outputs[1], outputs[127]), (128, 2, 8031));
        for (n, &value) in outputs.iter().enumerate() {
            let positive = 0xff - u8::try_from(n).unwrap();
            assert_eq!(MULAW[usize::from(positive)], value * 4, "+{n}");
            assert_eq!(MULAW[usize::from(positive ^ 0x80)], -value * 4, "-{n}");
        }
    }
}
