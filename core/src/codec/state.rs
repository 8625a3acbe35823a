//! Decoders that remember: one a source and format, fed in the order of sequence numbers and told what is missing.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::comfort::Comfort;
use super::g722::G722;
use super::g729::{self, G729};
use super::gsm::{self, Gsm};
use super::ilbc::{Ilbc, Mode};
use super::opus::Opus;

/// The memory of a decoder.
#[derive(Debug)]
pub struct State {
    kind: Kind,
    /// Hz of what it gives.
    sample_rate: u32,
}

#[derive(Debug)]
enum Kind {
    Comfort(Box<Comfort>),
    G722(Box<G722>),
    G729(Box<G729>),
    Gsm(Box<Gsm>),
    Ilbc(Box<Ilbc>),
    Opus(Opus),
}

impl State {
    pub(super) fn comfort() -> Self {
        Self { kind: Kind::Comfort(Box::default()), sample_rate: super::NARROW_RATE }
    }

    pub(super) fn g722() -> Self {
        Self { kind: Kind::G722(Box::default()), sample_rate: super::G722_RATE }
    }

    pub(super) fn g729() -> Self {
        Self { kind: Kind::G729(Box::default()), sample_rate: super::NARROW_RATE }
    }

    pub(super) fn gsm() -> Self {
        Self { kind: Kind::Gsm(Box::default()), sample_rate: super::NARROW_RATE }
    }

    pub(super) fn ilbc(mode: Mode) -> Self {
        Self { kind: Kind::Ilbc(Box::new(Ilbc::new(mode))), sample_rate: super::NARROW_RATE }
    }

    /// Without the enhancer.
    pub(super) fn plain_ilbc(mode: Mode) -> Self {
        Self { kind: Kind::Ilbc(Box::new(Ilbc::plain(mode))), sample_rate: super::NARROW_RATE }
    }

    /// Without the postfilter.
    pub(super) fn plain_g729() -> Self {
        Self { kind: Kind::G729(Box::new(G729::plain())), sample_rate: super::NARROW_RATE }
    }

    pub(super) fn opus(sample_rate: u32) -> Option<Self> {
        Some(Self { kind: Kind::Opus(Opus::new(sample_rate)?), sample_rate })
    }

    /// Hz of the samples it gives.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Appends the samples of the next packet.
    pub fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) {
        match &mut self.kind {
            Kind::Comfort(comfort) => comfort.describe(payload),
            Kind::G722(g722) => g722.decode(payload, out),
            Kind::G729(g729) => g729.decode(payload, out),
            Kind::Gsm(gsm) => gsm.decode(payload, out),
            Kind::Ilbc(ilbc) => ilbc.decode(payload, out),
            Kind::Opus(opus) => opus.decode(payload, out),
        }
    }

    /// Appends `samples` in place of what did not come before the payload `next`, or of noise that goes on, and says `true`; `false` of a codec
    /// that has no concealment of its own.
    pub fn conceal(&mut self, samples: usize, next: Option<&[u8]>, out: &mut Vec<i16>) -> bool {
        let end = out.len().saturating_add(samples);
        match &mut self.kind {
            Kind::Comfort(comfort) => comfort.make(samples, out),
            Kind::G722(_) => return false,
            Kind::G729(g729) => (0..samples.div_ceil(g729::FRAME_SAMPLES)).for_each(|_| g729.conceal(out)),
            Kind::Gsm(gsm) => (0..samples.div_ceil(gsm::FRAME_SAMPLES)).for_each(|_| gsm.conceal(out)),
            Kind::Ilbc(ilbc) => ilbc.conceal(samples, out),
            Kind::Opus(opus) => opus.conceal(samples, next, out),
        }
        out.truncate(end);
        true
    }
}
