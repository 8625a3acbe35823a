//! The residual of a frame (RFC 3951 4.2 to 4.4): its start state, sample by sample; from there forward and backward in
//! time what a codebook of the frame's own past says. No frame needs another.

use super::lpc::{LPC_BITS, Lpc};
use super::packet::{Coded, Frame};
use super::tables::{CODEBOOK_FILTER, GAINS_1, GAINS_2, GAINS_3, STATE_SAMPLES, STATE_SCALE};
use super::{FRACTION, MAX_SAMPLES, Mode, ORDER, STAGES, SUBFRAME, clip};

/// Samples of the start state.
pub(super) const STATE: usize = 2 * SUBFRAME;
/// Samples that a codebook is made of; for the rest of the start state, the last of them.
pub(super) const MEMORY: usize = 147;
pub(super) const STATE_MEMORY: usize = 85;
/// Steps over which a short piece goes over into its repetition.
const BLEND: usize = 5;
const GAIN_BITS: u32 = 14;
/// A stage's gain is counted in the one before, which is taken as a tenth at least; Q14.
const LEAST_SCALE: i64 = 1638;

/// The residual, and what is decoded on its way.
pub(super) fn decode(frame: &Frame, filters: &[Lpc], mode: Mode) -> [i32; MAX_SAMPLES] {
    let mut residual = [0; MAX_SAMPLES];
    let first = (frame.start - 1) * SUBFRAME;
    let (own, rest) = (mode.state_samples(), STATE - mode.state_samples());
    let begin = if frame.state_first { first } else { first + rest };
    start_state(frame, &filters[frame.start - 1], &mut residual[begin..begin + own]);

    let mut memory = [0; MEMORY];
    let mut made = [0; SUBFRAME];
    if frame.state_first {
        remember(&mut memory, residual[begin..begin + own].iter());
        vector(&frame.extra, &memory[MEMORY - STATE_MEMORY..], &mut made[..rest]);
        residual[begin + own..first + STATE].copy_from_slice(&made[..rest]);
    } else {
        remember(&mut memory, residual[begin..begin + own].iter().rev());
        vector(&frame.extra, &memory[MEMORY - STATE_MEMORY..], &mut made[..rest]);
        residual[first..begin].iter_mut().zip(made[..rest].iter().rev()).for_each(|(to, &from)| *to = from);
    }

    let mut coded = frame.coded.iter();
    let end = mode.samples();
    memory = [0; MEMORY];
    remember(&mut memory, residual[first..first + STATE].iter());
    for (part, coded) in residual[first + STATE..end].as_chunks_mut::<SUBFRAME>().0.iter_mut().zip(&mut coded) {
        vector(coded, &memory, part);
        remember(&mut memory, part.iter());
    }
    memory = [0; MEMORY];
    remember(&mut memory, residual[first..end].iter().take(MEMORY).rev());
    for (part, coded) in residual[..first].as_chunks_mut::<SUBFRAME>().0.iter_mut().rev().zip(coded) {
        vector(coded, &memory, part);
        remember(&mut memory, part.iter());
        part.reverse();
    }
    residual
}

/// What the rest of the start state is made of, for an encoder.
#[cfg(test)]
pub(super) fn memory_of_state(frame: &Frame, filters: &[Lpc], mode: Mode) -> [i32; MEMORY] {
    let (mut memory, mut state) = ([0; MEMORY], [0; STATE]);
    let state = &mut state[..mode.state_samples()];
    start_state(frame, &filters[frame.start - 1], state);
    if !frame.state_first {
        state.reverse();
    }
    remember(&mut memory, state.iter());
    memory
}

/// Moves `new` in behind what is in `memory`.
fn remember<'s>(memory: &mut [i32; MEMORY], new: impl ExactSizeIterator<Item = &'s i32>) {
    let count = new.len().min(MEMORY);
    memory.copy_within(count.., 0);
    memory[MEMORY - count..].iter_mut().zip(new).for_each(|(to, &from)| *to = from);
}

/// The start state's own samples: what is sent, turned in its phases by a filter that lets all frequencies pass
/// (RFC 3951 4.2).
fn start_state(frame: &Frame, lpc: &Lpc, out: &mut [i32]) {
    let length = out.len();
    let scale = i64::from(STATE_SCALE[frame.scale & 63]);
    let mut sent = [0_i64; 2 * STATE];
    for (to, &code) in sent.iter_mut().zip(frame.samples[..length].iter().rev()) {
        *to = (scale * i64::from(STATE_SAMPLES[code & 7])) >> (16 + 13 - FRACTION);
    }
    let mut turned = [0_i64; 2 * STATE];
    for n in 0..2 * length {
        // The numerator is the denominator from its end.
        let mut sum = if n >= ORDER { sent[n - ORDER] << LPC_BITS } else { 0 };
        for (k, &a) in lpc.iter().enumerate() {
            let behind = ORDER - 1 - k;
            sum += if n >= behind { a * sent[n - behind] } else { 0 };
            sum -= if n > k { a * turned[n - k - 1] } else { 0 };
        }
        turned[n] = clip(sum >> LPC_BITS).into();
    }
    for (k, to) in out.iter_mut().enumerate() {
        *to = clip(turned[length - 1 - k] + turned[2 * length - 1 - k]);
    }
}

/// The sum of three vectors of the codebook, each with its gain.
fn vector(coded: &Coded, memory: &[i32], out: &mut [i32]) {
    let mut scale = 1 << GAIN_BITS;
    let tables: [&[i16]; STAGES] = [&GAINS_1, &GAINS_2, &GAINS_3];
    let mut sums = [0_i64; SUBFRAME];
    for (table, (&gain, &index)) in tables.iter().zip(coded.gain.iter().zip(&coded.index)) {
        let gain = (scale * i64::from(table[gain & (table.len() - 1)])) >> GAIN_BITS;
        scale = gain.abs().max(LEAST_SCALE);
        add_vector(index, gain, memory, &mut sums[..out.len()]);
    }
    for (to, sum) in out.iter_mut().zip(sums) {
        *to = clip(sum >> GAIN_BITS);
    }
}

/// Adds a codebook's vector (RFC 3951 4.3.1 to 4.3.3): pieces of the memory, pieces that are shorter than the vector and are
/// repeated, and all of them once more from the filtered memory.
pub(super) fn add_vector(index: usize, gain: i64, memory: &[i32], sums: &mut [i64]) {
    let (end, length) = (memory.len(), sums.len());
    let whole = end - length + 1;
    let half = whole + if length == SUBFRAME { length / 2 } else { 0 };
    let (index, is_filtered) = if index < half { (index, false) } else { (index - half, true) };
    let at = |place: usize| i64::from(if is_filtered { filtered(memory, place) } else { memory[place] });
    if index < whole {
        for (n, sum) in sums.iter_mut().enumerate() {
            *sum += gain * at(end - index - length + n);
        }
        return;
    }
    let twice = 2 * (index - whole) + length;
    let piece = twice / 2;
    for (n, sum) in sums.iter_mut().enumerate() {
        let step = (n + BLEND).saturating_sub(piece).min(BLEND) as i64;
        let new = if step < BLEND as i64 { at(end - piece + n) * (BLEND as i64 - step) } else { 0 };
        let old = if step > 0 { at(end - twice + n) * step } else { 0 };
        *sum += gain * (new + old) / BLEND as i64;
    }
}

/// The memory at `place`, filtered; silence lies around it.
fn filtered(memory: &[i32], place: usize) -> i32 {
    /// Samples before `place` that a result needs.
    const BEFORE: usize = 3;
    const BITS: u32 = 12;
    let skipped = BEFORE.saturating_sub(place);
    let near = memory.iter().skip(place.saturating_sub(BEFORE));
    let sum: i64 = CODEBOOK_FILTER.iter().skip(skipped).zip(near).map(|(&c, &s)| i64::from(c) * i64::from(s)).sum();
    clip(sum >> BITS)
}
