//! An encoder for tests: plain, and no more than it takes to make frames that sound like their source. Its own judge is the decoder.

use alloc::vec;
use alloc::vec::Vec;
use std::f64::consts::PI;

use super::excitation::{self, MEMORY, STATE, STATE_MEMORY};
use super::lpc::{self, LPC_BITS, Lpc, Lsf};
use super::packet::{Coded, Frame, pack};
use super::tables::{GAINS_1, GAINS_2, GAINS_3, LSF_1, LSF_2, LSF_3, STATE_SAMPLES, STATE_SCALE};
use super::{FRACTION, Mode, ORDER, SUBFRAME};

/// Samples that are looked at for a filter.
const WINDOW: usize = 240;
/// By how much a filter's resonances are dampened.
const DAMPING: f64 = 0.985;

/// The frames of `source`; what is no whole frame at its end is left out.
pub(super) fn encode(source: &[i16], mode: Mode) -> Vec<Vec<u8>> {
    let mut before = lpc::mean();
    let frames = source.len() / mode.samples();
    (0..frames).map(|n| pack(&frame(source, n * mode.samples(), mode, &mut before), mode)).collect()
}

fn frame(source: &[i16], begin: usize, mode: Mode, before: &mut Lsf) -> Frame {
    let length = mode.samples();
    let middles = if mode == Mode::Ms20 { vec![begin + 140] } else { vec![begin + 60, begin + 200] };
    let mut lsf = [0; 6];
    for (indices, middle) in lsf.chunks_mut(3).zip(middles) {
        indices.copy_from_slice(&quantized(&frequencies(&predictor(source, middle))));
    }
    let coded = [Coded::default(); 4];
    let mut frame =
        Frame { lsf, start: 1, state_first: true, scale: 0, samples: [0; 58], extra: Coded::default(), coded };
    let filters = lpc::filters(&frame, mode, before);
    let at = |n: usize, back: usize| (begin + n).checked_sub(back).map_or(0.0, |at| f64::from(source[at]));
    let target: Vec<f64> = (0..length)
        .map(|n| at(n, 0) + (1..=ORDER).map(|k| float(&filters[n / SUBFRAME], k) * at(n, k)).sum::<f64>())
        .collect();

    // The two subframes that hold most, and which end of them holds more.
    let energy = |from: usize, count: usize| target[from..from + count].iter().map(|x| x * x).sum::<f64>();
    let loudest = |a: &usize, b: &usize| energy((a - 1) * 40, STATE).total_cmp(&energy((b - 1) * 40, STATE));
    frame.start = (1..mode.subframes()).max_by(loudest).unwrap();
    let first = (frame.start - 1) * SUBFRAME;
    let own = mode.state_samples();
    frame.state_first = energy(first, own) >= energy(first + STATE - own, own);
    let state_at = if frame.state_first { first } else { first + STATE - own };
    code_state(&mut frame, &target[state_at..state_at + own], &filters);

    // Each vector by what the decoder makes of all before it.
    let rest = if frame.state_first { first + own..first + STATE } else { first..state_at };
    let goal: Vec<f64> = target[rest.clone()].to_vec();
    let goal = if frame.state_first { goal } else { goal.into_iter().rev().collect() };
    let memory = excitation::memory_of_state(&frame, &filters, mode);
    frame.extra = search(&goal, &memory[MEMORY - STATE_MEMORY..], |_, index| index < 128);
    let after = mode.subframes() - frame.start - 1;
    for n in 0..mode.subframes() - 2 {
        let residual = excitation::decode(&frame, &filters, mode);
        let (place, is_forward) =
            if n < after { (first + STATE + n * SUBFRAME, true) } else { (first - (n - after + 1) * SUBFRAME, false) };
        let mut goal = target[place..place + SUBFRAME].to_vec();
        let mut memory = vec![0; MEMORY];
        let known: Vec<i32> = if is_forward {
            residual[first..place].to_vec()
        } else {
            goal.reverse();
            residual[place + SUBFRAME..length].iter().rev().copied().collect()
        };
        let count = known.len().min(MEMORY);
        memory[MEMORY - count..].copy_from_slice(&known[known.len() - count..]);
        // The first vector's later stages have seven bits.
        let may = |stage: usize, index: usize| {
            n > 0 || stage == 0 || index < 44 || (108..172).contains(&index) || index >= 236
        };
        frame.coded[n] = search(&goal, &memory, may);
    }
    frame
}

fn code_state(frame: &mut Frame, target: &[f64], filters: &[Lpc]) {
    let lpc = &filters[frame.start - 1];
    let length = target.len();
    let mut sent = target.to_vec();
    sent.resize(2 * length, 0.0);
    let mut turned = vec![0.0; 2 * length];
    for n in 0..2 * length {
        let of = |signal: &[f64], back: usize| n.checked_sub(back).map_or(0.0, |at| signal[at]);
        let zeros: f64 = (0..ORDER).map(|k| float(lpc, ORDER - k) * of(&sent, k)).sum::<f64>() + of(&sent, ORDER);
        turned[n] = zeros - (1..=ORDER).map(|k| float(lpc, k) * of(&turned, k)).sum::<f64>();
    }
    let state: Vec<f64> = (0..length).map(|n| turned[n] + turned[n + length]).collect();
    let peak = state.iter().fold(1.0, |peak: f64, x| peak.max(x.abs()));
    let scale = |index: usize| f64::from(STATE_SCALE[index]) / 65_536.0;
    let far = |index: &usize| (scale(*index) * 4.5 / peak).ln().abs();
    frame.scale = (0..64).min_by(|a, b| far(a).total_cmp(&far(b))).unwrap();
    for (code, x) in frame.samples.iter_mut().zip(state) {
        let off = |code: &usize| (f64::from(STATE_SAMPLES[*code]) / 8192.0 * scale(frame.scale) - x).abs();
        *code = (0..8).min_by(|a, b| off(a).total_cmp(&off(b))).unwrap();
    }
}

/// The best vector of each stage, one after the other.
fn search(goal: &[f64], memory: &[i32], may: impl Fn(usize, usize) -> bool) -> Coded {
    let mut left = goal.to_vec();
    let (mut coded, mut scale) = (Coded::default(), 1.0_f64);
    for (stage, table) in [&GAINS_1[..], &GAINS_2, &GAINS_3].into_iter().enumerate() {
        let mut best = (f64::INFINITY, 0, 0, vec![]);
        for index in (0..256).filter(|&index| may(stage, index)) {
            let mut sums = vec![0; goal.len()];
            excitation::add_vector(index, 1 << FRACTION, memory, &mut sums);
            let shape: Vec<f64> = sums.iter().map(|&x| x as f64 / f64::from(1 << (2 * FRACTION))).collect();
            let across: f64 = shape.iter().zip(&left).map(|(a, b)| a * b).sum();
            let energy: f64 = shape.iter().map(|x| x * x).sum();
            for (code, &gain) in table.iter().enumerate() {
                let gain = f64::from(gain) / 16_384.0 * scale;
                let error = gain * (gain * energy - 2.0 * across);
                if error < best.0 {
                    best = (error, index, code, shape.iter().map(|x| x * gain).collect());
                }
            }
        }
        (coded.index[stage], coded.gain[stage]) = (best.1, best.2);
        left.iter_mut().zip(&best.3).for_each(|(left, made)| *left -= made);
        scale = (f64::from(table[best.2]) / 16_384.0 * scale).abs().max(0.1);
    }
    coded
}

fn float(lpc: &Lpc, k: usize) -> f64 {
    lpc[k - 1] as f64 / f64::from(1 << LPC_BITS)
}

/// The predictor's denominator around `middle`, by Levinson's recursion.
fn predictor(source: &[i16], middle: usize) -> [f64; ORDER + 1] {
    let windowed: Vec<f64> = (0..WINDOW)
        .map(|n| {
            let at = (middle + n).checked_sub(WINDOW / 2).and_then(|at| source.get(at)).copied().unwrap_or(0);
            f64::from(at) * (1.0 - (2.0 * PI * (n as f64 + 0.5) / WINDOW as f64).cos()) / 2.0
        })
        .collect();
    let alike = |lag: usize| windowed[lag..].iter().zip(&windowed).map(|(a, b)| a * b).sum::<f64>();
    let smoothed = |lag: usize| (-0.5 * (2.0 * PI * 60.0 / 8_000.0 * lag as f64).powi(2)).exp();
    let correlation: Vec<f64> =
        (0..=ORDER).map(|lag| if lag == 0 { alike(0) * 1.0001 + 1.0 } else { alike(lag) * smoothed(lag) }).collect();
    let (mut a, mut error) = ([0.0; ORDER + 1], correlation[0]);
    a[0] = 1.0;
    for order in 1..=ORDER {
        let reflection = -(0..order).map(|k| a[k] * correlation[order - k]).sum::<f64>() / error;
        let old = a;
        (1..=order).for_each(|k| a[k] = old[k] + reflection * old[order - k]);
        error *= 1.0 - reflection * reflection;
    }
    let mut damping = 1.0;
    a.map(|a| {
        let damped = a * damping;
        damping *= DAMPING;
        damped
    })
}

/// Where the sum and the difference polynomial are zero on the unit circle, by turns.
fn frequencies(a: &[f64; ORDER + 1]) -> Vec<f64> {
    let value = |sign: f64, angle: f64| {
        let of = |k: usize| if k > ORDER { 0.0 } else { a[k] } + sign * if k == 0 { 0.0 } else { a[ORDER + 1 - k] };
        let turn = |k: usize| angle * ((ORDER + 1) as f64 / 2.0 - k as f64);
        (0..=ORDER + 1).map(|k| of(k) * if sign > 0.0 { turn(k).cos() } else { turn(k).sin() }).sum::<f64>()
    };
    let mut found = Vec::new();
    let step = PI / 2_000.0;
    for n in 1..1_999 {
        for sign in [1.0, -1.0] {
            let (mut from, mut to) = (f64::from(n) * step, f64::from(n + 1) * step);
            if value(sign, from) * value(sign, to) < 0.0 {
                for _ in 0..20 {
                    let middle = (from + to) / 2.0;
                    if value(sign, from) * value(sign, middle) < 0.0 { to = middle } else { from = middle }
                }
                found.push(from);
            }
        }
    }
    found.resize(ORDER, PI * 0.95);
    found
}

fn quantized(lsf: &[f64]) -> [usize; 3] {
    let mut indices = [0; 3];
    let books: [(&[i16], usize, usize); 3] = [(&LSF_1, 0, 3), (&LSF_2, 3, 3), (&LSF_3, 6, 4)];
    for (index, (book, from, size)) in indices.iter_mut().zip(books) {
        let off = |entry: &[i16]| {
            let part = entry.iter().zip(&lsf[from..]);
            part.map(|(&a, &b)| (f64::from(a) / 8192.0 - b).powi(2)).sum::<f64>()
        };
        let entries = book.chunks(size).map(off).enumerate();
        *index = entries.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0;
    }
    indices
}
