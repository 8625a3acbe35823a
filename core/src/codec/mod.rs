//! Codecs: what can be turned into samples, and what only is captured.
//!
//! | encoding | rendered |
//! | --- | --- |
//! | `PCMU`, `PCMA` (ITU-T G.711), any clock rate, any number of channels | packet by packet |
//! | `L16` (RFC 3551 4.5.11), any clock rate, any number of channels | packet by packet |
//! | `G722` (RFC 3551 4.5.2), 16 kHz by a clock of 8 kHz | in order |
//! | `G729` (RFC 3551 4.5.6), with Annexes A and B | in order |
//! | `GSM` (RFC 3551 4.5.8) | in order |
//! | `iLBC` (RFC 3952), frames of 20 and 30 ms | in order |
//! | `opus` (RFC 7587), as one channel | in order |
//! | `CN` (RFC 3389) | as noise, until the next packet |
//! | `telephone-event` (RFC 4733) | nothing to hear |
//! | anything else | captured, not rendered |
//!
//! What is decoded packet by packet needs no memory. The others have a [`State`] a source, which wants its packets in the
//! order of sequence numbers. How long a packet is can be told of each without decoding it.

mod comfort;
mod g711;
mod g722;
mod g729;
mod gsm;
mod ilbc;
mod l16;
pub mod level;
pub mod listen;
mod loss;
mod opus;
mod state;

pub use g711::{ALAW, MULAW};
pub use loss::{LONGEST_MS, bridge, reach};
pub use state::State;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::sdp::Format;

/// Clock rates that a timeline can carry.
const CLOCK_RATES: core::ops::RangeInclusive<u32> = 1_000..=192_000;
/// Sampling rate of telephony, and of G.722.
const NARROW_RATE: u32 = 8_000;
const G722_RATE: u32 = 16_000;

/// What a payload type's packets hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// Samples, and how to get at them.
    Audio(Decoder),
    /// Packets in which there is nothing to hear: events, comfort noise.
    Inaudible,
    /// Audio that no decoder here knows.
    Unknown,
}

/// How a format's packets become samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoder {
    scheme: Scheme,
    /// RTP clock rate, Hz.
    pub clock_rate: u32,
    channels: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    /// Comfort noise: samples of no length, and of any.
    Comfort,
    ALaw,
    MuLaw,
    Linear16,
    G722,
    G729,
    Gsm,
    Ilbc(ilbc::Mode),
    Opus,
}

const SCHEMES: [(&str, Scheme); 8] = [
    ("PCMA", Scheme::ALaw),
    ("PCMU", Scheme::MuLaw),
    ("L16", Scheme::Linear16),
    ("G722", Scheme::G722),
    ("G729", Scheme::G729),
    ("GSM", Scheme::Gsm),
    ("iLBC", Scheme::Ilbc(ilbc::Mode::Ms30)),
    ("opus", Scheme::Opus),
];

impl Coding {
    /// What the packets of `format` hold.
    pub fn of(format: &Format) -> Self {
        let is = |name: &str| format.encoding.eq_ignore_ascii_case(name);
        if is("telephone-event") || is("CN") {
            return Self::Inaudible;
        }
        let Some((_, scheme)) = SCHEMES.into_iter().find(|(name, _)| is(name)) else { return Self::Unknown };
        if !CLOCK_RATES.contains(&format.clock_rate) {
            return Self::Unknown;
        }
        let scheme = if matches!(scheme, Scheme::Ilbc(_)) {
            Scheme::Ilbc(ilbc::Mode::announced(format.fmtp.as_deref()))
        } else {
            scheme
        };
        Self::Audio(Decoder { scheme, clock_rate: format.clock_rate, channels: format.channels.max(1) })
    }
}

impl Decoder {
    /// Of comfort noise by a clock of `clock_rate`.
    pub fn comfort(clock_rate: u32) -> Self {
        Self { scheme: Scheme::Comfort, clock_rate, channels: 1 }
    }

    /// The same packets by another clock than was announced.
    #[must_use]
    pub fn with_clock_rate(self, clock_rate: u32) -> Self {
        Self { clock_rate, ..self }
    }

    /// How long a payload lasts, in ticks of the RTP clock; what is no whole sample or frame is left out.
    pub fn ticks(&self, payload: &[u8]) -> u32 {
        let of = |samples: usize, rate: u32| {
            let ticks = samples as u64 * u64::from(self.clock_rate) / u64::from(rate);
            u32::try_from(ticks).unwrap_or(0)
        };
        match self.scheme {
            Scheme::ALaw | Scheme::MuLaw | Scheme::Linear16 => {
                u32::try_from(payload.len() / self.frame_bytes()).unwrap_or(0)
            }
            Scheme::Comfort => 0,
            Scheme::G722 => of(payload.len(), NARROW_RATE),
            Scheme::G729 => of(g729::frames(payload) * g729::FRAME_SAMPLES, NARROW_RATE),
            Scheme::Gsm => of(payload.len() / gsm::FRAME_BYTES * gsm::FRAME_SAMPLES, NARROW_RATE),
            Scheme::Ilbc(mode) => of(mode.samples_of(payload), NARROW_RATE),
            Scheme::Opus => of(opus::samples(payload) as usize, opus::RATE),
        }
    }

    /// The least sampling rate that holds what is heard in a payload, Hz.
    pub fn sample_rate(&self, payload: &[u8]) -> u32 {
        match self.scheme {
            Scheme::ALaw | Scheme::MuLaw | Scheme::Linear16 => self.clock_rate,
            Scheme::G722 => G722_RATE,
            Scheme::Comfort | Scheme::G729 | Scheme::Gsm | Scheme::Ilbc(_) => NARROW_RATE,
            Scheme::Opus => opus::bandwidth_rate(payload),
        }
    }

    /// Whether a payload says that speech pauses: what follows it in time was not sent.
    pub fn is_pause(&self, payload: &[u8]) -> bool {
        match self.scheme {
            Scheme::Opus => payload.len() <= opus::LONGEST_PAUSE,
            Scheme::G729 => g729::ends_in_noise(payload),
            Scheme::Comfort => true,
            Scheme::ALaw | Scheme::MuLaw | Scheme::Linear16 | Scheme::G722 | Scheme::Gsm | Scheme::Ilbc(_) => false,
        }
    }

    /// Whether it is noise that goes on after `payload`, until the next packet.
    pub fn goes_on(&self, payload: &[u8]) -> bool {
        match self.scheme {
            Scheme::Comfort => !payload.is_empty(),
            Scheme::G729 => g729::ends_in_noise(payload),
            Scheme::ALaw
            | Scheme::MuLaw
            | Scheme::Linear16
            | Scheme::G722
            | Scheme::Gsm
            | Scheme::Ilbc(_)
            | Scheme::Opus => false,
        }
    }

    /// Whether the codec itself makes up what did not come.
    pub fn conceals(&self) -> bool {
        matches!(self.scheme, Scheme::G729 | Scheme::Gsm | Scheme::Ilbc(_) | Scheme::Opus)
    }

    /// Samples of the last lost packet that `payload`, which came after it, brings once more (ticks of the RTP clock).
    pub fn ticks_recovered(&self, payload: &[u8]) -> u32 {
        if self.scheme == Scheme::Opus && opus::carries_fec(payload) {
            return u32::try_from(
                u64::from(opus::frame_samples(payload)) * u64::from(self.clock_rate) / u64::from(opus::RATE),
            )
            .unwrap_or(0);
        }
        0
    }

    /// Whether `other` reads the same packets, by whatever clock.
    pub fn reads_as(&self, other: &Self) -> bool {
        self.with_clock_rate(0) == other.with_clock_rate(0)
    }

    /// Whether a packet stands for itself.
    pub fn is_stateless(&self) -> bool {
        matches!(self.scheme, Scheme::ALaw | Scheme::MuLaw | Scheme::Linear16)
    }

    /// Whether a running call's packets may be decoded on their way: some microseconds each, and no memory taken meanwhile.
    pub(crate) fn is_cheap(&self) -> bool {
        match self.scheme {
            Scheme::ALaw | Scheme::MuLaw | Scheme::Linear16 | Scheme::G722 | Scheme::G729 | Scheme::Gsm => true,
            Scheme::Comfort | Scheme::Ilbc(_) | Scheme::Opus => false,
        }
    }

    /// Whether it describes noise, which nobody said.
    pub(crate) fn is_noise(&self) -> bool {
        matches!(self.scheme, Scheme::Comfort)
    }

    /// Nanoseconds that decoding a millisecond takes about (benches/README.md).
    pub(crate) fn decoding_ns_per_ms(&self) -> u64 {
        match self.scheme {
            Scheme::ALaw | Scheme::MuLaw | Scheme::Linear16 | Scheme::Comfort => 2,
            Scheme::G722 | Scheme::G729 | Scheme::Gsm => 375,
            Scheme::Ilbc(_) => 840,
            Scheme::Opus => 1_400,
        }
    }

    /// The memory that its packets need, for a file of `sample_rate`; none of what stands for itself.
    pub fn state(&self, sample_rate: u32) -> Option<State> {
        match self.scheme {
            Scheme::ALaw | Scheme::MuLaw | Scheme::Linear16 => None,
            Scheme::G722 => Some(State::g722()),
            Scheme::Comfort => Some(State::comfort()),
            Scheme::G729 => Some(State::g729()),
            Scheme::Gsm => Some(State::gsm()),
            Scheme::Ilbc(mode) => Some(State::ilbc(mode)),
            Scheme::Opus => State::opus(opus::decoder_rate(sample_rate)),
        }
    }

    /// As [`state`](Self::state), without what only smooths what was decoded (the postfilter of G.729, the enhancer of iLBC): for comparison with decoders
    /// that have none or another.
    pub fn plain_state(&self, sample_rate: u32) -> Option<State> {
        match self.scheme {
            Scheme::G729 => Some(State::plain_g729()),
            Scheme::Ilbc(mode) => Some(State::plain_ilbc(mode)),
            Scheme::ALaw
            | Scheme::MuLaw
            | Scheme::Linear16
            | Scheme::G722
            | Scheme::Comfort
            | Scheme::Gsm
            | Scheme::Opus => self.state(sample_rate),
        }
    }

    /// Appends the samples of a payload that stands for itself, several channels mixed to one.
    pub fn decode(&self, payload: &[u8], out: &mut Vec<i16>) {
        match (self.scheme, self.channels) {
            (Scheme::ALaw, 1) => out.extend(payload.iter().map(|&byte| ALAW[usize::from(byte)])),
            (Scheme::MuLaw, 1) => out.extend(payload.iter().map(|&byte| MULAW[usize::from(byte)])),
            (Scheme::Linear16, 1) => l16::decode(payload, out),
            (Scheme::ALaw, _) => self.mix_down(payload.iter().map(|&byte| ALAW[usize::from(byte)]), out),
            (Scheme::MuLaw, _) => self.mix_down(payload.iter().map(|&byte| MULAW[usize::from(byte)]), out),
            (Scheme::Linear16, _) => self.mix_down(l16::samples(payload), out),
            (Scheme::Comfort | Scheme::G722 | Scheme::G729 | Scheme::Gsm | Scheme::Ilbc(_) | Scheme::Opus, _) => {}
        }
    }

    /// Writes one sample a byte of payload to `slots`, where that is all there is to decoding; else says `false`.
    pub fn decode_bytes<'s>(&self, payload: &[u8], slots: impl Iterator<Item = &'s mut i16>) -> bool {
        let table = match (self.scheme, self.channels) {
            (Scheme::ALaw, 1) => &ALAW,
            (Scheme::MuLaw, 1) => &MULAW,
            _ => return false,
        };
        for (slot, &byte) in slots.zip(payload) {
            *slot = table[usize::from(byte)];
        }
        true
    }

    fn frame_bytes(&self) -> usize {
        let sample = if self.scheme == Scheme::Linear16 { 2 } else { 1 };
        sample * usize::from(self.channels)
    }

    /// The mean of each frame's channels (RFC 3551 4.1: samples of one instant stand together).
    fn mix_down(&self, samples: impl Iterator<Item = i16>, out: &mut Vec<i16>) {
        let (mut sum, mut count) = (0_i32, 0_u8);
        for sample in samples {
            sum += i32::from(sample);
            count += 1;
            if count == self.channels {
                out.push(i16::try_from(sum / i32::from(count)).unwrap_or(0));
                (sum, count) = (0, 0);
            }
        }
    }
}

/// `PCMA/8000`, and `L16/44100/2` where there are several channels.
pub fn name(format: &Format) -> String {
    if format.channels > 1 {
        format!("{}/{}/{}", format.encoding, format.clock_rate, format.channels)
    } else {
        format!("{}/{}", format.encoding, format.clock_rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn format(encoding: &'static str, clock_rate: u32, channels: u8) -> Format {
        Format { payload_type: 96, encoding: encoding.into(), clock_rate, channels, fmtp: None }
    }

    fn decoder(encoding: &'static str, clock_rate: u32, channels: u8) -> Decoder {
        match Coding::of(&format(encoding, clock_rate, channels)) {
            Coding::Audio(decoder) => decoder,
            other @ (Coding::Inaudible | Coding::Unknown) => panic!("{encoding}: {other:?}"),
        }
    }

    #[test]
    fn names_say_what_can_be_heard() {
        assert_eq!(Coding::of(&format("telephone-event", 8000, 1)), Coding::Inaudible);
        assert_eq!(Coding::of(&format("cn", 8000, 1)), Coding::Inaudible);
        assert_eq!(Coding::of(&format("AMR", 8000, 1)), Coding::Unknown);
        assert!(matches!(Coding::of(&format("ilbc", 8000, 1)), Coding::Audio(_)));
        assert!(matches!(Coding::of(&format("OPUS", 48000, 2)), Coding::Audio(_)));
        assert_eq!(Coding::of(&format("L16", 0, 1)), Coding::Unknown);
        assert_eq!(decoder("pcma", 16_000, 1).clock_rate, 16_000);
        assert_eq!(name(&format("L16", 44_100, 2)), "L16/44100/2");
        assert_eq!(name(&format("PCMA", 8_000, 1)), "PCMA/8000");
    }

    #[test]
    fn several_channels_become_their_mean() {
        let mut out = Vec::new();
        let stereo = decoder("L16", 16_000, 2);
        let payload = [0x00, 0x10, 0x00, 0x20, 0x80, 0x00, 0x80, 0x00, 0x11];
        assert_eq!(stereo.ticks(&payload), 2);
        stereo.decode(&payload, &mut out);
        assert_eq!(out, vec![0x18, i16::MIN]);
        out.clear();
        decoder("PCMU", 8_000, 2).decode(&[0x80, 0x00], &mut out);
        assert_eq!(out, vec![0]);
    }

    #[test]
    fn lengths_are_told_without_decoding() {
        let ticks = |encoding, clock_rate, payload: &[u8]| decoder(encoding, clock_rate, 1).ticks(payload);
        assert_eq!((ticks("G722", 8_000, &[0; 160]), ticks("g722", 16_000, &[0; 160])), (160, 320));
        assert_eq!((ticks("GSM", 8_000, &[0; 66]), ticks("GSM", 8_000, &[0; 32])), (320, 0));
        assert_eq!((ticks("iLBC", 8_000, &[0; 76]), ticks("iLBC", 8_000, &[0; 50])), (320, 240));
        assert_eq!((ticks("opus", 48_000, &[0x78]), ticks("opus", 48_000, &[])), (960, 0));
        let rate = |encoding, payload: &[u8]| decoder(encoding, 8_000, 1).sample_rate(payload);
        assert_eq!((rate("G722", &[0]), rate("GSM", &[0]), rate("PCMA", &[0])), (16_000, 8_000, 8_000));
        assert_eq!((rate("opus", &[0x08]), rate("opus", &[0x78])), (8_000, 48_000));
    }
}
