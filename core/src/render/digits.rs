//! The digits of a recording: who pressed what, and when (RFC 4733; INFO with a body of `media::dtmf`).

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::layout::Leg;
use super::sheet::{ChannelName, DigitSheet, Sidecar};
use super::tones::Tone;
use super::track::Heard;
use crate::entry::{Digits, PortIndex};
use crate::media::dtmf::{KeyBody, key_bodies, pressed};
use crate::rtp::event::{MASKED, TelephoneEvent};
use crate::sip::Message;

/// Digits that are listed.
const MAX_LISTED: usize = 1_000;
/// Sources whose event at hand is remembered.
const MAX_SOURCES: usize = 64;

/// The same key told twice within this time, in the audio and by an event, is one.
const SAME_MS: u64 = 1_500;

/// A key that was pressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pressed {
    pub(super) at: i64,
    /// Where it came; none if by INFO.
    pub(super) port: Option<PortIndex>,
    /// None where it was masked.
    pub(super) digit: Option<String>,
    /// Nanoseconds, as far as they were told.
    pub(super) duration: i64,
}

/// The keys pressed in a session, up to the last entry.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub(super) pressed: Vec<Pressed>,
    /// By source: the timestamp of its event, and its place in the list.
    at_hand: Vec<(usize, u32, usize)>,
    /// CSeq of the last INFO with a digit.
    last_info: Option<u32>,
}

impl Keys {
    /// Takes a packet of a format of events.
    pub(super) fn packet(&mut self, at: i64, port: PortIndex, heard: &Heard<'_>) {
        let Some(event) = TelephoneEvent::parse(heard.payload) else { return };
        let digit = event.digit().map(|digit| digit.to_string());
        if digit.is_none() && event.event != MASKED {
            return;
        }
        let duration = super::track::ticks_to_nanos(i64::from(event.duration), heard.clock_rate.max(1));
        // RFC 4733 2.5.1.2: all packets of an event have its beginning's timestamp.
        let known = self.at_hand.iter_mut().find(|(source, _, _)| *source == heard.source);
        if let Some((_, timestamp, place)) = known {
            if *timestamp == heard.timestamp {
                if let Some(pressed) = self.pressed.get_mut(*place) {
                    pressed.duration = pressed.duration.max(duration);
                }
                return;
            }
            (*timestamp, *place) = (heard.timestamp, self.pressed.len());
        } else if self.at_hand.len() < MAX_SOURCES {
            self.at_hand.push((heard.source, heard.timestamp, self.pressed.len()));
        } else {
            return;
        }
        self.list(Pressed { at, port: Some(port), digit, duration });
    }

    /// Takes a message that tells of a key (an INFO, as a rule); others are passed over.
    pub(super) fn message(&mut self, at: i64, message: &[u8]) {
        let bodies = key_bodies(message);
        if bodies.is_empty() {
            return;
        }
        let cseq = Message::parse_datagram(message).ok().and_then(|message| message.cseq().map(|cseq| cseq.number));
        // A retransmitted INFO is an entry of its own, and no news.
        if core::mem::replace(&mut self.last_info, cseq) == cseq {
            return;
        }
        for KeyBody { form, octets } in bodies {
            let Some((signal, duration_ms)) = pressed(form, message.get(octets).unwrap_or_default()) else { continue };
            let is_key = signal.len() == 1 && signal.chars().all(|c| c.is_ascii_alphanumeric() || "*#".contains(c));
            let digit = Some(signal).filter(|signal| is_key && signal != "x");
            self.list(Pressed { at, port: None, digit, duration: duration_ms.saturating_mul(1_000_000) });
        }
    }

    fn list(&mut self, pressed: Pressed) {
        if self.pressed.len() < MAX_LISTED {
            self.pressed.push(pressed);
        }
    }
}

impl Sidecar {
    /// Lists the keys that are heard in a pair of channels, but for those that were told in another way. Where they must not be
    /// told, or one was masked before it was kept, none of those heard is named.
    pub(super) fn list_tones(&mut self, pair: usize, legs: &[Leg], tones: &[Vec<Tone>], digits: Digits) {
        let masked = !digits.is_keep() || self.digits.iter().any(|digit| digit.digit.is_none());
        let told: Vec<(u64, Option<String>)> = self.digits.iter().map(|d| (d.at_ms, d.digit.clone())).collect();
        let is_told = |tone: &Tone| {
            told.iter().any(|(at_ms, digit)| {
                at_ms.abs_diff(tone.at_ms) <= SAME_MS
                    && digit.as_ref().is_none_or(|digit| digit.chars().eq(core::iter::once(tone.digit)))
            })
        };
        for (tones, side) in tones.iter().zip([ChannelName::Left, ChannelName::Right]) {
            let leg = legs.iter().find(|leg| {
                leg.seat.file == pair && (leg.seat.channel == side || leg.seat.channel == ChannelName::Both)
            });
            // Both channels of a mixed stream are the same.
            if leg.is_some_and(|leg| leg.seat.channel == ChannelName::Both && side == ChannelName::Right) {
                continue;
            }
            let label = leg.and_then(|leg| self.streams.get(leg.stream)?.label.clone());
            for tone in tones.iter().filter(|tone| !is_told(tone)) {
                if self.digits.len() < MAX_LISTED {
                    self.digits.push(DigitSheet {
                        at_ms: tone.at_ms,
                        duration_ms: tone.duration_ms,
                        digit: (!masked).then(|| tone.digit.to_string()),
                        label: label.clone(),
                        by_info: false,
                        in_band: true,
                    });
                }
            }
        }
        self.digits.sort_by_key(|digit| digit.at_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_info_is_listed_once_and_a_masked_one_without_its_digit() {
        let info = |cseq: u32, signal: &str| {
            alloc::format!(
                "INFO sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>;tag=2\r\n\
                 Call-ID: c\r\nCSeq: {cseq} INFO\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal={signal}\r\n"
            )
        };
        let mut digits = Keys::default();
        for message in [info(2, "7"), info(2, "7"), info(3, "x"), info(4, "*")] {
            digits.message(0, message.as_bytes());
        }
        // Behind line ends, and in a part.
        digits.message(0, alloc::format!("\r\n\r\n{}", info(5, "8")).as_bytes());
        let part = info(6, "9").replace(
            "Content-Type: application/dtmf-relay\r\n\r\n",
            "Content-Type: multipart/mixed;boundary=b\r\n\r\n--b\r\nContent-Type: application/dtmf-relay\r\n\r\n",
        );
        digits.message(0, alloc::format!("{part}--b--\r\n").as_bytes());
        digits.message(
            0,
            info(9, "7").replace("application/dtmf-relay", "text/plain").replace("Signal", "Other").as_bytes(),
        );
        let listed: Vec<_> = digits.pressed.iter().map(|p| p.digit.as_deref()).collect();
        assert_eq!(listed, [Some("7"), None, Some("*"), Some("8"), Some("9")]);
    }
}
