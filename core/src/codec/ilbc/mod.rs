//! iLBC (RFC 3951, RFC 3952), decoder: 38 octets are 20 ms at 8 kHz, or 50 octets 30 ms.
//!
//! ```text
//! frame -> start state -> + codebook, forward and backward -> residual -> enhancer -> synthesis filter -> high pass -> samples
//!                                            lost: made of the last residual -^
//! ```
//! The RFC describes it in floating point; here it is integers, with eight bits of fraction. The enhancer looks ahead, so samples come 5 ms
//! (of 30 ms frames, 10 ms) late, as from every decoder.

#[cfg(test)]
mod encoder;
mod enhancer;
mod excitation;
mod loss;
mod lpc;
mod packet;
mod tables;

use alloc::vec::Vec;

use enhancer::Enhancer;
use loss::Loss;
use lpc::{HighPass, Lpc, Lsf};
use packet::Frame;

/// Order of the synthesis filter.
const ORDER: usize = 10;
const SUBFRAME: usize = 40;
const MAX_SUBFRAMES: usize = 6;
const MAX_SAMPLES: usize = MAX_SUBFRAMES * SUBFRAME;
/// Stages of the codebook.
const STAGES: usize = 3;
/// Bits behind the point of samples within the decoder.
const FRACTION: u32 = 8;
/// Sixteen bits, as samples have.
const LOUDEST: i64 = (1 << (15 + FRACTION)) - 1;

/// How long frames are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Ms20,
    Ms30,
}

/// A decoder's memory.
#[derive(Debug)]
pub(super) struct Ilbc {
    /// As announced, then of the last packet.
    mode: Mode,
    /// Without the enhancer.
    is_plain: bool,
    frequencies: Lsf,
    loss: Loss,
    enhancer: Enhancer,
    /// Filters of the last frame: the enhancer is behind by one or two subframes.
    filters: [Lpc; MAX_SUBFRAMES],
    synthesis: [i32; ORDER],
    high_pass: HighPass,
}

impl Mode {
    /// As `a=fmtp` says it (RFC 3952 5): 30 ms where it says nothing.
    pub(super) fn announced(fmtp: Option<&str>) -> Self {
        let mode = fmtp.unwrap_or_default().split(';').find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("mode").then(|| value.trim())
        });
        if mode == Some("20") { Self::Ms20 } else { Self::Ms30 }
    }

    /// Of a payload: whole frames have lengths that tell, whatever was announced; a frame's length is never in doubt below 950 octets.
    pub(super) fn of(self, payload: &[u8]) -> Self {
        let is_whole = |mode: Self| payload.len().is_multiple_of(mode.frame_bytes());
        match (is_whole(Self::Ms20), is_whole(Self::Ms30)) {
            (true, false) => Self::Ms20,
            (false, true) => Self::Ms30,
            _ => self,
        }
    }

    /// Samples of a payload's whole frames.
    pub(super) fn samples_of(self, payload: &[u8]) -> usize {
        let mode = self.of(payload);
        payload.len() / mode.frame_bytes() * mode.samples()
    }

    /// Octets of a frame.
    pub(super) fn frame_bytes(self) -> usize {
        match self {
            Self::Ms20 => 38,
            Self::Ms30 => 50,
        }
    }

    fn subframes(self) -> usize {
        match self {
            Self::Ms20 => 4,
            Self::Ms30 => 6,
        }
    }

    /// Samples of a frame.
    fn samples(self) -> usize {
        self.subframes() * SUBFRAME
    }

    /// Samples of the start state that are coded one by one.
    fn state_samples(self) -> usize {
        match self {
            Self::Ms20 => 57,
            Self::Ms30 => 58,
        }
    }

    /// Subframes by which the enhancer is behind.
    fn late(self) -> usize {
        match self {
            Self::Ms20 => 1,
            Self::Ms30 => 2,
        }
    }
}

impl Ilbc {
    pub(super) fn new(mode: Mode) -> Self {
        Self {
            mode,
            is_plain: false,
            frequencies: lpc::mean(),
            loss: Loss::default(),
            enhancer: Enhancer::new(),
            filters: [[0; ORDER]; MAX_SUBFRAMES],
            synthesis: [0; ORDER],
            high_pass: HighPass::default(),
        }
    }

    /// Without the enhancer and its delay, as some decoders are.
    pub(super) fn plain(mode: Mode) -> Self {
        Self { is_plain: true, ..Self::new(mode) }
    }

    /// Appends the samples of a payload's frames; what is no whole frame is left out.
    pub(super) fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) {
        let mode = self.mode.of(payload);
        if mode != self.mode {
            *self = Self { is_plain: self.is_plain, ..Self::new(mode) };
        }
        for bytes in payload.chunks_exact(mode.frame_bytes()) {
            match Frame::parse(bytes, mode) {
                Some(frame) => {
                    let filters = lpc::filters(&frame, mode, &mut self.frequencies);
                    let residual = excitation::decode(&frame, &filters, mode);
                    self.loss.came(&residual[..mode.samples()], &filters[mode.subframes() - 1]);
                    self.finish(residual, filters, false, out);
                }
                None => self.make(out),
            }
        }
    }

    /// Appends `samples` in place of frames that did not come, rounded up to whole frames.
    pub(super) fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) {
        (0..samples.div_ceil(self.mode.samples())).for_each(|_| self.make(out));
    }

    fn make(&mut self, out: &mut Vec<i16>) {
        let (residual, lpc) = self.loss.make(self.mode.samples(), self.enhancer.lag());
        self.finish(residual, [lpc; MAX_SUBFRAMES], true, out);
    }

    fn finish(
        &mut self,
        residual: [i32; MAX_SAMPLES],
        filters: [Lpc; MAX_SUBFRAMES],
        is_made: bool,
        out: &mut Vec<i16>,
    ) {
        let length = self.mode.samples();
        // It finds the pitch, too, which what is lost is made of.
        let enhanced = self.enhancer.enhance(&residual[..length], self.mode, is_made);
        let (mut samples, late) = if self.is_plain { (residual, 0) } else { (enhanced, self.mode.late()) };
        let subframes = self.mode.subframes();
        let in_time = self.filters[subframes - late..subframes].iter().chain(&filters);
        for (part, lpc) in samples[..length].as_chunks_mut::<SUBFRAME>().0.iter_mut().zip(in_time) {
            lpc::synthesize(part, lpc, &mut self.synthesis);
        }
        out.extend(samples[..length].iter().map(|&sample| self.high_pass.sample(sample)));
        self.filters = filters;
    }
}

/// To what a sample can be: what a frame says is held within bounds at every step.
fn clip(value: i64) -> i32 {
    i32::try_from(value.clamp(-LOUDEST, LOUDEST)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_tell_the_mode_and_the_offer_tells_it_where_they_do_not() {
        let of = |fmtp, octets: usize| Mode::announced(fmtp).samples_of(&alloc::vec![0; octets]);
        assert_eq!((of(Some("mode=20"), 38), of(Some("mode=20"), 50), of(Some("Mode = 20;x=y"), 76)), (160, 240, 320));
        assert_eq!((of(None, 38), of(None, 100), of(Some("x;mode=30"), 50)), (160, 480, 240));
        assert_eq!((of(None, 950), of(Some("mode=20"), 950)), (19 * 240, 25 * 160));
        assert_eq!((of(None, 0), of(None, 37), of(Some("mode=20"), 45)), (0, 0, 160));
    }

    /// A voice-like tone with noise and pauses; integers but for the sine, so that it is the same wherever it is made.
    fn voice(samples: usize) -> Vec<i16> {
        let mut seed = 7_u32;
        let sample = |n: usize| {
            let t = n as f64 / 8_000.0;
            let wave = |f: f64| (std::f64::consts::TAU * f * t).sin();
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = f64::from(seed >> 16) / 65_536.0 - 0.5;
            let glide = (std::f64::consts::TAU * (170.0 * t + 8.0 * (1.3 * t).sin())).sin();
            let tone = 0.25 * glide.powi(3) + 0.15 * wave(900.0 + 120.0 * (0.3 * t).sin()) + 0.04 * noise;
            (tone * (0.55 + 0.45 * wave(1.7)) * f64::from(t % 3.0 > 0.4) * 32_767.0) as i16
        };
        (0..samples).map(sample).collect()
    }

    fn snr(signal: &[i16], other: &[i16]) -> f64 {
        let square = |x: i32| f64::from(x) * f64::from(x);
        let energy: f64 = signal.iter().map(|&s| square(s.into())).sum();
        let off: f64 = signal.iter().zip(other).map(|(&a, &b)| square(i32::from(a) - i32::from(b))).sum();
        10.0 * (energy / off.max(1.0)).log10()
    }

    #[test]
    fn what_is_coded_sounds_like_its_source_and_the_enhancer_changes_a_little() {
        for (mode, late) in [(Mode::Ms20, 40), (Mode::Ms30, 80)] {
            let source = voice(24_000);
            let frames = encoder::encode(&source, mode);
            let decoded = |mut ilbc: Ilbc| {
                let mut out = Vec::new();
                frames.iter().for_each(|frame| ilbc.decode(frame, &mut out));
                out
            };
            let (plain, enhanced) = (decoded(Ilbc::plain(mode)), decoded(Ilbc::new(mode)));
            let (coded, changed) = (snr(&source, &plain), snr(&plain, &enhanced[late..]));
            assert!(coded > 5.0 && changed > 8.0 && changed < 40.0, "{mode:?}: {coded:.1} dB, {changed:.1} dB");
        }
    }

    #[test]
    #[ignore = "writes testdata/ilbc anew"]
    fn frames_for_other_decoders() {
        for (mode, ms) in [(Mode::Ms20, 20), (Mode::Ms30, 30)] {
            let mut file = alloc::format!("#!iLBC{ms}\n").into_bytes();
            file.extend(encoder::encode(&voice(80_000), mode).concat());
            let path = alloc::format!("{}/../testdata/ilbc/{ms}-ms.lbc", env!("CARGO_MANIFEST_DIR"));
            std::fs::write(path, file).unwrap();
        }
    }

    /// Octets that look like noise.
    fn noise(seed: &mut u32, octets: usize) -> Vec<u8> {
        let mut next = || {
            *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed.to_be_bytes()[0]
        };
        (0..octets).map(|_| next()).collect()
    }

    #[test]
    fn any_octets_are_samples_of_their_length() {
        let mut ilbc = Ilbc::new(Mode::Ms30);
        let (mut out, mut seed) = (Vec::new(), 1);
        for round in 0..2_000_usize {
            let payload = noise(&mut seed, [38, 50, 100, 76, 45, 152][round / 9 % 6]);
            let expected = ilbc.mode.samples_of(&payload);
            out.clear();
            ilbc.decode(&payload, &mut out);
            assert_eq!(out.len(), expected);
            if round % 7 == 0 {
                ilbc.conceal(161, &mut out);
                let whole = if ilbc.mode == Mode::Ms20 { 320 } else { 240 };
                assert_eq!(out.len(), expected + whole);
            }
        }
    }

    #[test]
    fn what_is_made_up_fades() {
        let mut ilbc = Ilbc::new(Mode::Ms20);
        let (mut out, mut seed) = (Vec::new(), 5);
        (0..20).for_each(|_| ilbc.decode(&noise(&mut seed, 38), &mut out));
        let energy = |samples: &[i16]| samples.iter().map(|&s| i64::from(s) * i64::from(s)).sum::<i64>();
        let sent = energy(&out[15 * 160..]);
        out.clear();
        ilbc.conceal(20 * 160, &mut out);
        assert!(sent > 0 && energy(&out[15 * 160..]) * 100 < sent, "{sent}");
    }
}
