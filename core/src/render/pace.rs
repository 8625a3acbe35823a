//! How fast a source's timestamps run, where its format's clock rate is not what was announced.
//!
//! G.722 is sampled at 16 kHz and its RTP clock is 8000 (RFC 3551 4.5.2), which not every vendor got right: some announce
//! `G722/16000`, and of these some count so and some do not. A packet's octets tell how long it lasts, so two packets in a
//! row tell the clock. Both passes run this and so agree.

use super::order::Place;
use crate::codec::Decoder;
use crate::rtp::Packet;

/// Clock rates that are tried.
const RATES: [u32; 4] = [8_000, 16_000, 48_000, 90_000];
/// Pairs of packets that must agree on another rate.
const CONVINCING: u8 = 3;

/// The pace of a source.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Payload type and timestamp of the newest packet, and how long it lasts by each of [`RATES`].
    newest: Option<(u8, u32, [u32; RATES.len()])>,
    /// Payload type and the clock rate that it runs at.
    found: Option<(u8, u32)>,
    suspected: Option<u32>,
    pairs: u8,
    /// Whether it was found with the newest packet.
    pub(super) is_news: bool,
}

impl Pace {
    /// `decoder` by the clock that the source runs at, as far as it is known with this packet.
    pub(super) fn clock(&mut self, decoder: Decoder, packet: &Packet<'_>, place: Place) -> Decoder {
        // Of what needs no memory, the octets are the clock.
        if decoder.is_stateless() {
            return decoder;
        }
        let now = match self.found {
            Some((payload_type, rate)) if payload_type == packet.payload_type => decoder.with_clock_rate(rate),
            Some(_) | None => decoder,
        };
        if !place.is_newest() {
            return now;
        }
        self.is_news = false;
        let lasts = RATES.map(|rate| decoder.with_clock_rate(rate).ticks(packet.payload));
        let before = self.newest.replace((packet.payload_type, packet.timestamp, lasts));
        let follows = place == (Place::Next { missing: 0 });
        let Some((_, timestamp, lasted)) = before.filter(|before| follows && before.0 == packet.payload_type) else {
            return now;
        };
        let step = packet.timestamp.wrapping_sub(timestamp);
        let rate =
            RATES.into_iter().zip(lasted).find(|&(_, lasted)| lasted > 0 && lasted == step).map(|(rate, _)| rate);
        match rate {
            Some(rate) if rate == now.clock_rate => (self.suspected, self.pairs) = (None, 0),
            Some(rate) if self.suspected == Some(rate) => self.pairs += 1,
            Some(rate) => (self.suspected, self.pairs) = (Some(rate), 1),
            None => {}
        }
        match self.suspected.filter(|_| self.pairs >= CONVINCING) {
            Some(rate) => {
                self.found = Some((packet.payload_type, rate));
                self.is_news = true;
                (self.suspected, self.pairs) = (None, 0);
                decoder.with_clock_rate(rate)
            }
            None => now,
        }
    }
}
