//! Digits that must not reach the disk (card numbers, PINs): telephone events are masked or emptied before they are kept.

use alloc::vec::Vec;

use super::PortSettings;
use crate::entry::{Digits, Stream};
use crate::rtp::event;
use crate::rtp::packet::HEADER_LENGTH;
use crate::rtp::{Packet, static_clock_rate};

/// The last payload type that RFC 3551 has given away for good.
const MAX_STATIC: u8 = 34;

/// A port's way with digits.
#[derive(Debug)]
pub(super) struct Filter {
    digits: Digits,
    /// Payload types of events, and of redundant audio (RFC 2198) that may hold some; a bit each. What was one of events
    /// before a new description stays one, as long as nothing else has its number.
    events: u128,
    redundant: u128,
    /// Payload types that are known to be something.
    known: u128,
    edited: Vec<u8>,
}

impl Filter {
    pub(super) fn new(settings: &PortSettings) -> Self {
        let mut filter = Self { digits: settings.stream.digits, events: 0, redundant: 0, known: 0, edited: Vec::new() };
        filter.update(settings);
        filter
    }

    /// The stream is described anew.
    pub(super) fn update(&mut self, settings: &PortSettings) {
        let of = |encoding: &str| payload_types(&settings.stream, |name| name.eq_ignore_ascii_case(encoding));
        let named = payload_types(&settings.stream, |_| true);
        let before = (self.events & !named, self.redundant & !named);
        self.digits = settings.stream.digits;
        (self.events, self.redundant) = (of("telephone-event") | before.0, of("red") | before.1);
        let fixed = (0..=MAX_STATIC).filter(|payload_type| static_clock_rate(*payload_type).is_some());
        self.known = fixed.fold(named | self.events | self.redundant, |types, payload_type| types | 1 << payload_type);
    }

    /// Takes a packet that is to be kept. `false`: [`Filter::edited`] is to be kept in its place.
    pub(super) fn passes(&mut self, packet: &[u8], parsed: &Packet<'_>) -> bool {
        if self.digits == Digits::Keep {
            return true;
        }
        let is = |types: u128| types & 1 << parsed.payload_type != 0;
        let holds_events = is(self.events) || (!is(self.known) && event::is_like_events(parsed.payload));
        if !holds_events && (!is(self.redundant) || !self.is_event_in(parsed.payload)) {
            return true;
        }
        let extension = parsed.extension.map_or(0, |extension| 4 + extension.data.len());
        let start = HEADER_LENGTH + 4 * parsed.csrcs.len() + extension;
        self.edited.clear();
        self.edited.extend_from_slice(packet.get(..start).unwrap_or_default());
        if let Some(first) = self.edited.first_mut() {
            // What follows has no padding any more.
            *first &= !0x20;
        }
        if self.digits == Digits::Mask && holds_events {
            self.edited.extend_from_slice(parsed.payload);
            event::mask(self.edited.get_mut(start..).unwrap_or_default());
        }
        false
    }

    /// What is kept of the last packet that did not pass.
    pub(super) fn edited(&self) -> &[u8] {
        &self.edited
    }

    /// Whether a block of redundant audio is an event, or may be one for all that is known (RFC 2198 3: headers of 4 octets,
    /// the last of 1).
    fn is_event_in(&self, mut payload: &[u8]) -> bool {
        while let Some((&first, _)) = payload.split_first() {
            let block = 1 << (first & 0x7f);
            if self.events & block != 0 || self.known & block == 0 {
                return true;
            }
            if first & 0x80 == 0 {
                return false;
            }
            payload = payload.get(4..).unwrap_or_default();
        }
        false
    }
}

fn payload_types(stream: &Stream, is_meant: impl Fn(&str) -> bool) -> u128 {
    let named = stream.formats.iter().filter(|format| is_meant(&format.encoding));
    named.filter(|format| format.payload_type < 128).fold(0, |types, format| types | 1 << format.payload_type)
}
