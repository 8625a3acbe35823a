//! The digits of a recording: who pressed what, and when (RFC 4733; INFO with application/dtmf-relay or application/dtmf).

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::layout::Leg;
use super::sheet::{ChannelName, DigitSheet, Sidecar};
use super::tones::Tone;
use super::track::Heard;
use crate::entry::PortIndex;
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

/// The digits of a session, up to the last entry.
#[derive(Debug, Default)]
pub(super) struct Digits {
    pub(super) pressed: Vec<Pressed>,
    /// By source: the timestamp of its event, and its place in the list.
    at_hand: Vec<(usize, u32, usize)>,
    /// CSeq of the last INFO with a digit.
    last_info: Option<u32>,
}

impl Digits {
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

    /// Takes an INFO; others are passed over.
    pub(super) fn message(&mut self, at: i64, message: &[u8]) {
        if !message.starts_with(b"INFO ") {
            return;
        }
        let Ok(message) = Message::parse_datagram(message) else { return };
        let Some((signal, duration_ms)) = message.content_type().and_then(|kind| signal(kind, &message.body)) else {
            return;
        };
        // A retransmitted INFO is an entry of its own, and no news.
        let cseq = message.cseq().map(|cseq| cseq.number);
        if core::mem::replace(&mut self.last_info, cseq) == cseq {
            return;
        }
        let digit = Some(signal).filter(|signal| signal.chars().all(|c| c.is_ascii_alphanumeric() || "*#".contains(c)));
        let digit = digit.filter(|digit| digit != "x");
        self.list(Pressed { at, port: None, digit, duration: duration_ms.saturating_mul(1_000_000) });
    }

    fn list(&mut self, pressed: Pressed) {
        if self.pressed.len() < MAX_LISTED {
            self.pressed.push(pressed);
        }
    }
}

impl Sidecar {
    /// Lists the keys that are heard in a pair of channels, but for those that were told in another way. Where one was masked before
    /// it was kept, none of those heard is named.
    pub(super) fn list_tones(&mut self, pair: usize, legs: &[Leg], tones: &[Vec<Tone>]) {
        let masked = self.digits.iter().any(|digit| digit.digit.is_none());
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

/// Signal and duration (ms) of an INFO's body: `Signal=5 CR LF Duration=160`, or the bare digit.
fn signal(content_type: &str, body: &[u8]) -> Option<(String, i64)> {
    let text = core::str::from_utf8(body).ok()?;
    let is = |kind: &str| content_type.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind));
    if is("application/dtmf-relay") {
        let value = |name: &str| {
            text.lines().find_map(|line| {
                let (key, value) = line.split_once('=')?;
                key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
            })
        };
        let duration = value("Duration").and_then(|ms| ms.parse().ok()).unwrap_or(0);
        return Some((value("Signal").filter(|s| s.len() <= 2)?.to_string(), duration));
    }
    let digit = text.trim();
    (is("application/dtmf") && (1..=2).contains(&digit.len())).then(|| (digit.to_string(), 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bodies_of_info() {
        let of = |kind: &str, body: &str| signal(kind, body.as_bytes());
        let five = Some(("5".to_string(), 160));
        assert_eq!(of("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n"), five);
        assert_eq!(of("Application/DTMF-Relay; x=y", "signal= 5\nduration = 160"), five);
        assert_eq!(of("application/dtmf", "#\r\n"), Some(("#".to_string(), 0)));
        assert_eq!(of("application/dtmf", "a long text"), None);
        assert_eq!(of("text/plain", "5"), None);
    }

    #[test]
    fn an_info_is_listed_once_and_a_masked_one_without_its_digit() {
        let info = |cseq: u32, signal: &str| {
            alloc::format!(
                "INFO sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>;tag=2\r\n\
                 Call-ID: c\r\nCSeq: {cseq} INFO\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal={signal}\r\n"
            )
        };
        let mut digits = Digits::default();
        for message in [info(2, "7"), info(2, "7"), info(3, "x"), info(4, "*")] {
            digits.message(0, message.as_bytes());
        }
        digits.message(0, info(9, "7").replacen("INFO", "UPDATE", 1).as_bytes());
        let listed: Vec<_> = digits.pressed.iter().map(|p| p.digit.as_deref()).collect();
        assert_eq!(listed, [Some("7"), None, Some("*")]);
    }
}
