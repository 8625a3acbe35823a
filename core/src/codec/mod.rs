//! Codecs: what can be turned into samples, and what only is captured.
//!
//! | encoding | rendered |
//! | --- | --- |
//! | `PCMU`, `PCMA` (ITU-T G.711), any clock rate, any number of channels | yes |
//! | `L16` (RFC 3551 4.5.11), any clock rate, any number of channels | yes |
//! | `telephone-event` (RFC 4733), `CN` (RFC 3389) | nothing to hear |
//! | anything else | captured, not rendered |

mod g711;
mod l16;

pub use g711::{ALAW, MULAW};

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::sdp::Format;

/// Clock rates that a timeline can carry.
const CLOCK_RATES: core::ops::RangeInclusive<u32> = 1_000..=192_000;

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

/// A decoder without state: each packet stands for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoder {
    law: Law,
    /// RTP clock rate and sampling rate, Hz.
    pub clock_rate: u32,
    channels: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Law {
    A,
    Mu,
    Linear16,
}

impl Coding {
    /// What the packets of `format` hold.
    pub fn of(format: &Format) -> Self {
        let is = |name: &str| format.encoding.eq_ignore_ascii_case(name);
        if is("telephone-event") || is("CN") {
            return Self::Inaudible;
        }
        let law = if is("PCMA") {
            Law::A
        } else if is("PCMU") {
            Law::Mu
        } else if is("L16") {
            Law::Linear16
        } else {
            return Self::Unknown;
        };
        if !CLOCK_RATES.contains(&format.clock_rate) {
            return Self::Unknown;
        }
        Self::Audio(Decoder { law, clock_rate: format.clock_rate, channels: format.channels.max(1) })
    }
}

impl Decoder {
    /// Samples a channel in a payload of `bytes` bytes; what does not fill a sample of every channel is left out.
    pub fn frames(&self, bytes: usize) -> usize {
        bytes / self.frame_bytes()
    }

    /// Appends the payload's samples, several channels mixed to one.
    pub fn decode(&self, payload: &[u8], out: &mut Vec<i16>) {
        match (self.law, self.channels) {
            (Law::A, 1) => out.extend(payload.iter().map(|&byte| ALAW[usize::from(byte)])),
            (Law::Mu, 1) => out.extend(payload.iter().map(|&byte| MULAW[usize::from(byte)])),
            (Law::Linear16, 1) => l16::decode(payload, out),
            (Law::A, _) => self.mix_down(payload.iter().map(|&byte| ALAW[usize::from(byte)]), out),
            (Law::Mu, _) => self.mix_down(payload.iter().map(|&byte| MULAW[usize::from(byte)]), out),
            (Law::Linear16, _) => self.mix_down(l16::samples(payload), out),
        }
    }

    /// Writes one sample a byte of payload to `slots`, where that is all there is to decoding; else says `false`.
    pub fn decode_bytes<'s>(&self, payload: &[u8], slots: impl Iterator<Item = &'s mut i16>) -> bool {
        let table = match (self.law, self.channels) {
            (Law::A, 1) => &ALAW,
            (Law::Mu, 1) => &MULAW,
            (Law::A | Law::Mu | Law::Linear16, _) => return false,
        };
        for (slot, &byte) in slots.zip(payload) {
            *slot = table[usize::from(byte)];
        }
        true
    }

    fn frame_bytes(&self) -> usize {
        let sample = match self.law {
            Law::A | Law::Mu => 1,
            Law::Linear16 => 2,
        };
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

/// The formats whose payload type needs no rtpmap (RFC 3551 6), as far as something here decodes them.
pub fn static_format(payload_type: u8) -> Option<Format> {
    let (encoding, clock_rate, channels) = match payload_type {
        0 => ("PCMU", 8_000, 1),
        8 => ("PCMA", 8_000, 1),
        10 => ("L16", 44_100, 2),
        11 => ("L16", 44_100, 1),
        13 => ("CN", 8_000, 1),
        _ => return None,
    };
    Some(Format { payload_type, encoding: encoding.into(), clock_rate, channels, fmtp: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn format(encoding: &str, clock_rate: u32, channels: u8) -> Format {
        Format { payload_type: 96, encoding: encoding.into(), clock_rate, channels, fmtp: None }
    }

    fn decoder(encoding: &str, clock_rate: u32, channels: u8) -> Decoder {
        match Coding::of(&format(encoding, clock_rate, channels)) {
            Coding::Audio(decoder) => decoder,
            other @ (Coding::Inaudible | Coding::Unknown) => panic!("{encoding}: {other:?}"),
        }
    }

    #[test]
    fn names_say_what_can_be_heard() {
        assert_eq!(Coding::of(&format("telephone-event", 8000, 1)), Coding::Inaudible);
        assert_eq!(Coding::of(&format("cn", 8000, 1)), Coding::Inaudible);
        assert_eq!(Coding::of(&format("opus", 48000, 2)), Coding::Unknown);
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
        assert_eq!(stereo.frames(payload.len()), 2);
        stereo.decode(&payload, &mut out);
        assert_eq!(out, vec![0x18, i16::MIN]);
        out.clear();
        decoder("PCMU", 8_000, 2).decode(&[0x80, 0x00], &mut out);
        assert_eq!(out, vec![0]);
    }

    #[test]
    fn static_payload_types_are_those_of_rfc_3551() {
        assert_eq!(static_format(0).map(|f| f.encoding), Some("PCMU".into()));
        assert_eq!(static_format(8).map(|f| f.encoding), Some("PCMA".into()));
        assert_eq!(static_format(10).map(|f| (f.clock_rate, f.channels)), Some((44_100, 2)));
        assert_eq!(static_format(96), None);
    }
}
