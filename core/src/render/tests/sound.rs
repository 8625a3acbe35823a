//! What rendering does to the sound itself: nothing where clocks agree, and where they do not, what cannot be heard.

use alloc::vec::Vec;
use core::f64::consts::TAU;

use super::call::{Call, Item, LEAD, Leg, MS, Rendered, SECOND, format, stream};
use crate::entry::{Event, Stream};

const SECONDS: i64 = 30;
const AMPLITUDE: f64 = 16_000.0;

/// A sine of `hertz` by the sender's clock, as L16 at 8 kHz, which adds no noise of its own.
fn tone(leg: &Leg, hertz: f64) -> Vec<(i64, Item)> {
    let mut sent = leg.packets(0, SECONDS * 50);
    for (k, (_, item)) in sent.iter_mut().enumerate() {
        let Item::Packet { bytes, .. } = item else { continue };
        bytes.truncate(12);
        for n in k * 160..(k + 1) * 160 {
            bytes.extend(sample(n, hertz).to_be_bytes());
        }
    }
    sent
}

fn sample(n: usize, hertz: f64) -> i16 {
    (AMPLITUDE * (n as f64 * hertz / 8_000.0 * TAU).sin()).round() as i16
}

/// A call whose first leg sends a tone with a clock that runs `ppm` fast, in a file of `rate`.
fn call(ppm: i64, hertz: f64, rate: u32) -> Rendered {
    let mut call = Call::new();
    for port in 0..2 {
        let formats = alloc::vec![format(96, "L16", 8_000), format(97, "L16", 48_000)];
        call.event(-MS, Event::Stream(Stream { formats: formats.into(), ..stream(port) }));
    }
    call.add(tone(&Leg { skew: ppm, payload_type: 96, ..Leg::new(0) }, hertz));
    // The other leg's rate is the file's.
    let mut other = Leg { payload_type: 97, ..Leg::new(1) }.packets(0, 5);
    for (k, (_, item)) in (0_u32..).zip(&mut other) {
        let Item::Packet { bytes, .. } = item else { continue };
        bytes[4..8].copy_from_slice(&(k * 960).to_be_bytes());
        bytes.truncate(12);
        bytes.resize(12 + 960 * 2, 0);
    }
    if rate == 48_000 {
        call.add(other);
    }
    let done = call.render(SECONDS * SECOND + SECOND);
    assert_eq!(done.plan.files[0].sample_rate, rate);
    done
}

/// Left, from `from` ms on for `length` ms.
fn left(done: &Rendered, from: usize, length: usize) -> Vec<f64> {
    let per_ms = done.plan.files[0].sample_rate as usize / 1_000;
    let frames = done.files[0].chunks_exact(2).skip(from * per_ms).take(length * per_ms);
    frames.map(|frame| f64::from(frame[0])).collect()
}

/// Everything but the tone, in dB of the tone: what is left when the best-fitting sine near `hertz` is taken away.
fn noise_and_distortion(samples: &[f64], rate: f64, hertz: f64) -> f64 {
    let residue = |hertz: f64| {
        let wave = |n: usize| {
            let angle = n as f64 * hertz / rate * TAU;
            (angle.cos(), angle.sin())
        };
        let (mut cc, mut cs, mut ss, mut xc, mut xs, mut xx) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
        for (n, x) in samples.iter().enumerate() {
            let (c, s) = wave(n);
            (cc, cs, ss) = (cc + c * c, cs + c * s, ss + s * s);
            (xc, xs, xx) = (xc + x * c, xs + x * s, xx + x * x);
        }
        let determinant = cc * ss - cs * cs;
        let (a, b) = ((xc * ss - xs * cs) / determinant, (xs * cc - xc * cs) / determinant);
        ((xx - a * xc - b * xs).max(0.0), xx)
    };
    let (mut low, mut high) = (hertz * 0.9995, hertz * 1.0005);
    while high - low > hertz * 1e-9 {
        let (a, b) = (low + (high - low) * 0.382, low + (high - low) * 0.618);
        if residue(a).0 < residue(b).0 { high = b } else { low = a }
    }
    let (left, all) = residue(low);
    10.0 * (left / all).log10()
}

#[test]
fn a_clock_that_runs_away_is_resampled_without_being_heard() {
    for (ppm, rate) in [(200, 8_000), (-200, 8_000), (0, 48_000), (200, 48_000)] {
        for hertz in [300.0, 1_000.0, 3_000.0] {
            let done = call(ppm, hertz, rate);
            let heard = left(&done, 5_000, 2_000);
            let off = noise_and_distortion(&heard, f64::from(rate), hertz);
            assert!(off < -70.0, "{hertz} Hz at {ppm} ppm in {rate} Hz: {off:.1} dB");
            let level = (heard.iter().map(|x| x * x).sum::<f64>() / heard.len() as f64 * 2.0).sqrt();
            assert!((level / AMPLITUDE - 1.0).abs() < 0.01, "{level}");
        }
    }
}

#[test]
fn a_clock_that_runs_away_slowly_is_copied_for_the_most_part_and_clicks_nowhere() {
    let done = call(20, 1_000.0, 8_000);
    let mut worst = f64::MIN;
    for from in (200..29_000).step_by(20) {
        worst = worst.max(noise_and_distortion(&left(&done, from, 20), 8_000.0, 1_000.0));
    }
    assert!(worst < -40.0, "{worst:.1} dB");
    // A tone of eight samples a period: what is copied is one of eight values.
    let own: Vec<i16> = (0..8).map(|n| sample(n, 1_000.0)).collect();
    let heard = left(&done, 200, 29_000);
    let copied = heard.iter().filter(|&&x| own.iter().any(|&own| (f64::from(own) - x).abs() < 0.5)).count();
    assert!(copied * 10 > heard.len() * 7, "{copied} of {}", heard.len());
}

#[test]
fn without_drift_every_sample_is_the_senders() {
    let done = call(0, 1_000.0, 8_000);
    let first = usize::try_from((LEAD + 20 * MS) / MS).unwrap();
    let heard = left(&done, first, 29_000);
    let at = (0..8).find(|&n| (f64::from(sample(n, 1_000.0)) - heard[0]).abs() < 0.5).unwrap();
    assert!(heard.iter().enumerate().all(|(n, x)| (f64::from(sample(n + at, 1_000.0)) - x).abs() < 0.5));
}

#[test]
fn a_lost_packet_is_bridged_where_clocks_differ_too() {
    let mut call = Call::new();
    let leg = Leg { skew: 200, ..Leg::new(0) };
    let mut sent = leg.packets(0, 500);
    for (_, item) in &mut sent {
        let Item::Packet { bytes, .. } = item else { continue };
        for (n, byte) in bytes[12..].iter_mut().enumerate() {
            *byte = if n % 16 < 8 { 0xaf } else { 0x2f };
        }
    }
    sent.remove(250);
    call.add(sent);
    let done = call.render(11 * SECOND);
    let heard = left(&done, 4_900, 300);
    let silent = heard.chunks(16).filter(|period| period.iter().all(|x| x.abs() < 1_000.0)).count();
    assert_eq!(silent, 0, "of {} periods", heard.len() / 16);
    assert_eq!(done.plan.sidecar.streams[0].sources[0].concealed_ms, 20);
}
