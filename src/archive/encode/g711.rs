//! 16-bit samples to G.711: what was decoded becomes the octet that it was.
//!
//! Each octet has a value of its own, so the way back is exact; but mu-law has a zero twice, of which the usual one (0xff)
//! is written. Samples that never were G.711 become the octet whose value is nearest.

use siprec_core::codec::{ALAW, MULAW};

/// The octet of each sample.
#[derive(Debug)]
pub(crate) struct Law {
    octets: Vec<u8>,
}

impl Law {
    pub(crate) fn a() -> Self {
        Self::of(&ALAW)
    }

    pub(crate) fn mu() -> Self {
        Self::of(&MULAW)
    }

    fn of(values: &[i16; 256]) -> Self {
        // Of two octets of one value the later is taken: mu-law's 0xff.
        let mut codes: Vec<(i16, u8)> = (0..=u8::MAX).map(|octet| (values[usize::from(octet)], octet)).collect();
        codes.sort_unstable();
        codes.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                *kept = *next;
            }
            same
        });
        let mut at = 0;
        let octets = (i16::MIN..=i16::MAX).map(|sample| {
            let far = |index: usize| codes.get(index).map_or(u32::MAX, |(value, _)| u32::from(value.abs_diff(sample)));
            // Of two that are equally near the upper: A-law has no zero, and its idle code is +8.
            while at + 1 < codes.len() && far(at + 1) <= far(at) {
                at += 1;
            }
            codes.get(at).map_or(0, |(_, octet)| *octet)
        });
        Self { octets: octets.collect() }
    }

    /// Appends an octet a sample.
    pub(crate) fn append(&self, samples: &[i16], out: &mut Vec<u8>) {
        let octet = |sample: &i16| usize::try_from(i32::from(*sample) - i32::from(i16::MIN)).unwrap_or(0);
        out.extend(samples.iter().map(|sample| self.octets[octet(sample)]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_comes_back() {
        for (law, values) in [(Law::a(), &ALAW), (Law::mu(), &MULAW)] {
            let mut back = Vec::new();
            law.append(values, &mut back);
            let all: Vec<u8> = (0..=u8::MAX).collect();
            let differ: Vec<u8> = all.into_iter().filter(|&octet| back[usize::from(octet)] != octet).collect();
            let zero_twice = std::ptr::eq(values, &MULAW);
            assert_eq!(differ, if zero_twice { vec![0x7f] } else { vec![] });
        }
    }

    #[test]
    fn silence_is_the_idle_code_and_the_nearest_is_taken() {
        let mut out = Vec::new();
        Law::mu().append(&[0, i16::MAX, i16::MIN], &mut out);
        assert_eq!(out, [0xff, 0x80, 0x00]);
        out.clear();
        Law::a().append(&[0, 9, -9, i16::MAX], &mut out);
        assert_eq!(out, [0xd5, 0xd5, 0x55, 0xaa]);
        let law = Law::a();
        for sample in (i16::MIN..=i16::MAX).step_by(7) {
            out.clear();
            law.append(&[sample], &mut out);
            let nearest = ALAW.iter().map(|value| value.abs_diff(sample)).min().unwrap();
            assert_eq!(ALAW[usize::from(out[0])].abs_diff(sample), nearest, "{sample}");
        }
    }
}
