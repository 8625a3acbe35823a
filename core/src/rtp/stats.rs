//! What is counted of one source: reception (RFC 3550 6.4, A.3, A.8) and what its sender says of itself.

use serde::{Deserialize, Serialize};

use super::packet::Packet;
use super::rtcp::ReportBlock;
use super::sequence::{Arrival, Extender};
use super::skew::Skew;
use crate::time::Wall;

/// A change of transit time beyond this is a jump of the sender's timestamps, not jitter.
const MAX_TRANSIT_STEP_SECONDS: i64 = 4;
const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Figures of one source, as told to people and kept in sheets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SourceStatistics {
    /// RTP synchronisation source.
    pub ssrc: u32,
    /// Packets received, each once.
    pub received: u64,
    /// Packets that the sequence numbers promise.
    pub expected: u64,
    /// Expected and not received.
    pub lost: u64,
    /// Runs of missing packets, as they were when the next one came: what came late after all is in them.
    #[serde(default)]
    pub loss_runs: u64,
    /// Received again; not in `received`.
    pub duplicates: u64,
    /// Received after a newer one; in `received`.
    pub late: u64,
    /// Far from the expected sequence number and without a follower; not in `received`.
    pub strays: u64,
    /// Times at which the source went on from another sequence number.
    pub restarts: u32,
    /// Payload octets of the packets received.
    pub octets: u64,
    /// Interarrival jitter, microseconds (RFC 3550 A.8).
    pub jitter_us: u32,
    /// The largest jitter so far, microseconds.
    pub max_jitter_us: u32,
    /// How much faster than ours its clock runs, parts per million; none in its first minute, or of an unknown rate.
    #[serde(default)]
    pub clock_skew_ppm: Option<i32>,
    /// From us to its sender and back, microseconds (RFC 3611 4.5): the last that was told.
    #[serde(default)]
    pub round_trip_us: Option<u32>,
    /// The round trip that its sender measures in its call, ms (RFC 3611 4.7): the last that was told.
    #[serde(default)]
    pub call_round_trip_ms: Option<u16>,
    /// First sequence number.
    pub first_sequence: u16,
    /// Highest sequence number.
    pub last_sequence: u16,
    /// Arrival of the first packet.
    pub first_at: Wall,
    /// Arrival of the last packet.
    pub last_at: Wall,
    /// The last payload type.
    pub payload_type: u8,
    /// The sender's latest report, if it sent one.
    pub sender: Option<SenderClock>,
    /// When the source said goodbye (RFC 3550 6.6), unless packets came after it.
    pub bye_at: Option<Wall>,
}

/// The pair of clocks in a sender report, and when it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SenderClock {
    /// NTP format.
    pub ntp: u64,
    /// The same moment as RTP timestamp.
    pub rtp: u32,
    /// Arrival of the report.
    pub at: Wall,
}

/// Receives one source's packets and keeps its figures.
#[derive(Debug, Clone)]
pub struct Reception {
    figures: SourceStatistics,
    extender: Extender,
    /// Index of the first and of the newest packet.
    first: i64,
    newest: i64,
    suspect: Option<Suspect>,
    jitter: Jitter,
    /// Expected and received at the last report (RFC 3550 A.3).
    reported: (u64, u64),
}

/// A packet that counts only if the next one follows it.
#[derive(Debug, Clone, Copy)]
struct Suspect {
    at: Wall,
    octets: u64,
}

impl Reception {
    /// Of a source of which nothing was received yet.
    pub fn new(ssrc: u32) -> Self {
        Self {
            figures: SourceStatistics { ssrc, ..SourceStatistics::default() },
            extender: Extender::new(),
            first: 0,
            newest: -1,
            suspect: None,
            jitter: Jitter::default(),
            reported: (0, 0),
        }
    }

    /// Counts a packet. `clock_rate` is that of its payload type, if it is known; without it the packet says nothing
    /// about jitter.
    pub fn receive(&mut self, at: Wall, packet: &Packet<'_>, clock_rate: Option<u32>) -> Arrival {
        let arrival = self.extender.push(packet.sequence);
        let octets = packet.payload.len() as u64;
        match arrival {
            Arrival::Next { index, missing } => {
                self.newest = index;
                self.figures.loss_runs += u64::from(missing > 0);
            }
            Arrival::Late { index } => {
                self.figures.late += 1;
                self.first = self.first.min(index);
            }
            Arrival::Duplicate { .. } => {
                self.figures.duplicates += 1;
                return arrival;
            }
            Arrival::Suspect => {
                self.figures.strays += 1;
                self.suspect = Some(Suspect { at, octets });
                return arrival;
            }
            Arrival::Resync { index } => {
                self.newest = index;
                self.figures.restarts += 1;
                self.accept_suspect();
            }
        }
        if self.figures.received == 0 {
            self.figures.first_at = at;
            self.figures.first_sequence = packet.sequence;
        }
        self.figures.received += 1;
        self.figures.octets += octets;
        self.figures.last_at = at;
        self.figures.payload_type = packet.payload_type;
        self.figures.bye_at = None;
        if let Some(rate) = clock_rate {
            self.jitter.push(at, packet.timestamp, rate);
        }
        arrival
    }

    /// The next packet follows without a gap, whatever its number: what came in between was not wanted (a pause).
    pub fn restart(&mut self) {
        self.extender.restart();
        self.jitter.forget_transit();
    }

    /// Takes note of the source's own report (RFC 3550 6.4.1).
    pub fn sender_report(&mut self, at: Wall, ntp: u64, rtp: u32) {
        self.figures.sender = Some(SenderClock { ntp, rtp, at });
    }

    /// Takes note of a delay that its sender tells.
    pub fn delay(&mut self, round_trip_us: Option<u32>, call_round_trip_ms: Option<u16>) {
        self.figures.round_trip_us = round_trip_us.or(self.figures.round_trip_us);
        self.figures.call_round_trip_ms = call_round_trip_ms.or(self.figures.call_round_trip_ms);
    }

    /// Takes note of the source's goodbye (RFC 3550 6.6). It may speak again.
    pub fn goodbye(&mut self, at: Wall) {
        self.figures.bye_at = Some(at);
    }

    /// The source.
    pub fn ssrc(&self) -> u32 {
        self.figures.ssrc
    }

    /// Arrival of its last packet.
    pub fn last_at(&self) -> Wall {
        self.figures.last_at
    }

    /// The figures so far.
    pub fn statistics(&self) -> SourceStatistics {
        let expected = self.expected();
        SourceStatistics {
            expected,
            lost: expected.saturating_sub(self.figures.received),
            last_sequence: self.extender.highest(),
            jitter_us: self.jitter.micros(self.jitter.scaled),
            max_jitter_us: self.jitter.micros(self.jitter.max_scaled),
            clock_skew_ppm: self.jitter.skew.ppm(self.jitter.rate),
            ..self.figures
        }
    }

    /// What a receiver report says of the source at `at`; the next one's fraction starts here. `None` if nothing
    /// came since the last one (RFC 3550 6.4: report on sources heard since).
    pub fn report_block(&mut self, at: Wall) -> Option<ReportBlock> {
        // RFC 3550 6.4.1: a receiver's count takes duplicates as received.
        let received = self.figures.received + self.figures.duplicates;
        let expected = self.expected();
        let (expected_before, received_before) = self.reported;
        if received == received_before {
            return None;
        }
        self.reported = (expected, received);
        let lost = signed(expected) - signed(received);
        let expected_now = signed(expected) - signed(expected_before);
        let lost_now = expected_now - (signed(received) - signed(received_before));
        let fraction = if expected_now > 0 && lost_now > 0 { (lost_now << 8) / expected_now } else { 0 };
        let (last_sr, delay) = self.figures.sender.map_or((0, 0), |sr| {
            let delay = at.nanos_since(sr.at).max(0);
            (
                (sr.ntp >> 16) as u32,
                u32::try_from(i128::from(delay) * 65_536 / i128::from(NANOS_PER_SECOND)).unwrap_or(u32::MAX),
            )
        });
        Some(ReportBlock {
            ssrc: self.figures.ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            cumulative_lost: i32::try_from(lost).unwrap_or(0x7f_ffff).clamp(-0x80_0000, 0x7f_ffff),
            highest_sequence: self.extender.highest_on_wire(),
            jitter: self.jitter.units(),
            last_sr,
            delay_since_last_sr: delay,
        })
    }

    fn expected(&self) -> u64 {
        u64::try_from(self.newest - self.first + 1).unwrap_or(0)
    }

    fn accept_suspect(&mut self) {
        if let Some(suspect) = self.suspect.take() {
            self.figures.strays -= 1;
            self.figures.received += 1;
            self.figures.octets += suspect.octets;
            self.figures.last_at = suspect.at;
        }
        self.jitter.forget_transit();
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The estimator of RFC 3550 A.8, in integers: 16 times the jitter, in timestamp units.
#[derive(Debug, Clone, Copy, Default)]
struct Jitter {
    rate: u32,
    /// Transit time and timestamp of the packet before.
    last: Option<(i64, u32)>,
    scaled: u32,
    max_scaled: u32,
    /// From the same transit times.
    skew: Skew,
}

impl Jitter {
    fn push(&mut self, at: Wall, timestamp: u32, rate: u32) {
        if rate != self.rate {
            // Another clock: the estimate goes on in its units.
            self.scaled = rescale(self.scaled, self.rate, rate);
            self.max_scaled = rescale(self.max_scaled, self.rate, rate);
            self.rate = rate;
            self.forget_transit();
        }
        let (seconds, nanos) = (at.0.div_euclid(NANOS_PER_SECOND), at.0.rem_euclid(NANOS_PER_SECOND));
        let arrival = seconds.wrapping_mul(i64::from(rate)).wrapping_add(nanos * i64::from(rate) / NANOS_PER_SECOND);
        let Some((transit_before, timestamp_before)) = self.last else {
            let transit = arrival.wrapping_sub(i64::from(timestamp));
            self.last = Some((transit, timestamp));
            self.skew.push(at, transit);
            return;
        };
        if timestamp == timestamp_before {
            // Several packets of one moment (an event of RFC 4733, a picture) say nothing about transit.
            return;
        }
        // In the arithmetic of 32-bit timestamps, so that a wrap is none.
        let transit = arrival.wrapping_sub(i64::from(timestamp));
        let step = i64::from((transit.wrapping_sub(transit_before) & 0xffff_ffff) as u32 as i32).abs();
        self.last = Some((transit, timestamp));
        if step > i64::from(rate) * MAX_TRANSIT_STEP_SECONDS {
            self.skew = Skew::default();
            return;
        }
        self.skew.push(at, transit);
        let decay = i64::from(self.scaled.saturating_add(8) >> 4);
        self.scaled = u32::try_from(i64::from(self.scaled) + step - decay).unwrap_or(0);
        self.max_scaled = self.max_scaled.max(self.scaled);
    }

    fn forget_transit(&mut self) {
        self.last = None;
        self.skew = Skew::default();
    }

    fn units(&self) -> u32 {
        self.scaled >> 4
    }

    fn micros(&self, scaled: u32) -> u32 {
        let rate = u64::from(self.rate.max(1));
        u32::try_from(u64::from(scaled) * 1_000_000 / 16 / rate).unwrap_or(u32::MAX)
    }
}

fn rescale(scaled: u32, from: u32, to: u32) -> u32 {
    u32::try_from(u64::from(scaled) * u64::from(to) / u64::from(from.max(1))).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
