//! Comfort noise (RFC 3389): noise of a level and, where it is told, of a spectrum; the same noise on every machine.

use alloc::vec::Vec;

/// Coefficients of the spectrum that are used; more say nothing more of a room.
const MAX_ORDER: usize = 12;
/// In the level's octet; the bit above is to be 0 (RFC 3389 3.1).
const LEVEL: u8 = 0x7f;
/// 1 dB less, Q16.
const DECIBEL: u64 = 58_409;
/// Full scale (0 dBov).
const FULL_SCALE: u64 = 32_767;
const SEED: u32 = 0x1234_5678;

/// A source of noise.
#[derive(Debug, Clone)]
pub(super) struct Comfort {
    /// Root mean square of what drives the filter, Q8.
    drive: i64,
    /// Reflection coefficients, Q15, and the lattice's memory.
    reflection: Vec<i64>,
    lattice: [i64; MAX_ORDER + 1],
    seed: u32,
}

impl Default for Comfort {
    fn default() -> Self {
        Self { drive: 0, reflection: Vec::new(), lattice: [0; MAX_ORDER + 1], seed: SEED }
    }
}

impl Comfort {
    /// Takes a payload: the level in -dBov, then reflection coefficients (RFC 3389 3.1, 3.2).
    pub(super) fn describe(&mut self, payload: &[u8]) {
        let Some((&level, spectrum)) = payload.split_first() else { return };
        let rms = (0..level & LEVEL).fold(FULL_SCALE << 24, |rms, _| (rms >> 16) * DECIBEL);
        self.reflection = spectrum.iter().take(MAX_ORDER).map(|&k| (i64::from(k.min(254)) - 127) << 8).collect();
        // The lattice makes what drives it louder by the product of 1 - k^2, as energies.
        let share = self.reflection.iter().fold(1_i64 << 30, |share, k| (share * ((1 << 30) - k * k)) >> 30);
        let share = i64::try_from(share.max(0).cast_unsigned().isqrt()).unwrap_or(0);
        self.drive = (i64::try_from(rms >> 16).unwrap_or(0) * share) >> 15;
        self.lattice = [0; MAX_ORDER + 1];
    }

    /// Appends noise.
    pub(super) fn make(&mut self, samples: usize, out: &mut Vec<i16>) {
        for _ in 0..samples {
            // Four uniform numbers are near enough to a normal one; of 2^16 their deviation is 2^16 / sqrt 3.
            let sum: i64 = (0..4).map(|_| self.random()).sum();
            let mut sample = (sum * self.drive * 56_756) >> 31;
            for (n, k) in self.reflection.iter().enumerate().rev() {
                sample -= (k * self.lattice[n]) >> 15;
                self.lattice[n + 1] = self.lattice[n] + ((k * sample) >> 15);
            }
            sample = sample.clamp(-(1 << 24), 1 << 24);
            self.lattice[0] = sample;
            out.push((sample >> 8).clamp(-32_768, 32_767) as i16);
        }
    }

    /// Uniform in 16 bits.
    fn random(&mut self) -> i64 {
        self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        i64::from(self.seed >> 16) - 32_768
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// dBov of a payload's noise.
    fn level(payload: &[u8]) -> f64 {
        let (mut comfort, mut out) = (Comfort::default(), Vec::new());
        comfort.describe(payload);
        comfort.make(80_000, &mut out);
        let mean = out.iter().map(|&s| f64::from(s) * f64::from(s)).sum::<f64>() / out.len() as f64;
        20.0 * std::primitive::f64::log10(mean.sqrt() / 32_767.0)
    }

    #[test]
    fn noise_is_as_loud_as_was_told_whatever_its_spectrum() {
        for told in [20, 40, 60] {
            assert!((level(&[told]) + f64::from(told)).abs() < 0.5, "{told}: {}", level(&[told]));
            let coloured = level(&[told, 40, 150, 100, 127, 60]);
            assert!((coloured + f64::from(told)).abs() < 1.0, "{told}: {coloured}");
        }
    }

    #[test]
    fn any_octets_are_noise() {
        let mut comfort = Comfort::default();
        let mut out = Vec::new();
        for k in 0..=255 {
            comfort.describe(&[k, k, 255 - k, k ^ 0x55, 254, 0, 254, 0, k, k, k, k, k, k, k]);
            comfort.make(500, &mut out);
        }
        comfort.describe(&[]);
        assert_eq!(out.len(), 256 * 500);
    }
}
