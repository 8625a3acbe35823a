//! Digits that must not reach the disk (card numbers, PINs): telephone events are masked or emptied before they are kept.

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::PortSettings;
use crate::entry::Stream;
use crate::rtp::Packet;
use crate::rtp::event;
use crate::rtp::packet::HEADER_LENGTH;

/// What is kept of digits that come as telephone events (RFC 4733), in RTP or in INFO.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Digits {
    /// All of it.
    #[default]
    Keep,
    /// That a key was pressed, when and how long; not which.
    Mask,
    /// The headers of the packets alone, so that none of them counts as lost.
    Drop,
}

/// A port's way with digits.
#[derive(Debug)]
pub(super) struct Filter {
    digits: Digits,
    /// Payload types of events, and of redundant audio (RFC 2198) that may hold some; a bit each.
    events: u128,
    redundant: u128,
    edited: Vec<u8>,
}

impl Filter {
    pub(super) fn new(settings: &PortSettings) -> Self {
        let stream = &settings.stream;
        let (events, redundant) = (payload_types(stream, "telephone-event"), payload_types(stream, "red"));
        Self { digits: settings.digits, events, redundant, edited: Vec::new() }
    }

    /// Takes a packet that is to be kept. `false`: [`Filter::edited`] is to be kept in its place.
    pub(super) fn passes(&mut self, packet: &[u8], parsed: &Packet<'_>) -> bool {
        if self.digits == Digits::Keep {
            return true;
        }
        let holds_events = self.events & 1 << parsed.payload_type != 0;
        if !holds_events && (self.redundant & 1 << parsed.payload_type == 0 || !self.is_event_in(parsed.payload)) {
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

    /// Whether a block of redundant audio is an event (RFC 2198 3: headers of 4 octets, the last of 1).
    fn is_event_in(&self, mut payload: &[u8]) -> bool {
        while let Some((&first, _)) = payload.split_first() {
            if self.events & 1 << (first & 0x7f) != 0 {
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

fn payload_types(stream: &Stream, encoding: &str) -> u128 {
    let named = stream.formats.iter().filter(|format| format.encoding.eq_ignore_ascii_case(encoding));
    named.filter(|format| format.payload_type < 128).fold(0, |types, format| types | 1 << format.payload_type)
}
