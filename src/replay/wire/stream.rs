//! One line's packets: made one after the other or taken from a file, impaired on purpose, protected where keys are
//! agreed on; and what the server reports of them.

use std::net::SocketAddr;
use std::sync::Arc;

use siprec_core::rtp::extended::{self, Block, SinceReference};
use siprec_core::rtp::rtcp::{self, Report};
use siprec_core::seed::Random;
use siprec_core::session::client::Destination;
use siprec_core::srtp::{Receiver, Sender};

use super::legs::Leg;
use super::options::Impairments;
use super::sound::{PACKET, PTIME_MS, Payloads};

/// Between two sender reports, nanoseconds (RFC 3550 6.2), give or take half of it.
const REPORT_NS: u64 = 5_000_000_000;
/// A reordered packet is sent so much after the one behind it, as a part of their distance.
const BEHIND: f64 = 1.5;
/// Octets of a packet's fixed header.
const HEADER: usize = 12;
/// Seconds from 1900 (NTP) to 1970.
const NTP_EPOCH: u64 = 2_208_988_800;

/// A packet of a file.
#[derive(Debug, Clone)]
pub(super) struct Recorded {
    /// Nanoseconds after the call's answer, in the file's time.
    pub(super) at: u64,
    pub(super) rtcp: bool,
    pub(super) bytes: Vec<u8>,
}

/// Where packets come from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// Payloads over and over.
    Made { payloads: Payloads, payload_type: u8 },
    /// As they stand in a file.
    File(Arc<[Recorded]>),
}

/// What was sent of one line, and what came back.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sent {
    pub(super) packets: u64,
    /// Of their payloads.
    pub(super) octets: u64,
    /// Not sent on purpose.
    pub(super) lost_on_purpose: u64,
    /// Not sent because the line was paused.
    pub(super) paused: u64,
    /// Refused by the network, or by this machine.
    pub(super) failed: u64,
    /// RTCP: the last report of the server's.
    pub(super) reported_lost: Option<i64>,
    /// Its jitter, RTP units.
    pub(super) reported_jitter: u32,
}

/// One line being sent.
pub(super) struct Stream {
    leg: Leg,
    source: Source,
    impairments: Impairments,
    random: Random,
    /// Nanoseconds of the worker's clock when the call was answered.
    start: u64,
    speed: f64,
    next: u64,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    destination: Option<Destination>,
    aimed_at: Option<SocketAddr>,
    sender: Option<Sender>,
    receiver: Option<Receiver>,
    last_late: u64,
    /// Octets that protection adds to a packet.
    added: usize,
    /// The call is over: nothing new is made.
    is_over: bool,
    /// The server's last reference time, and when it came (wall clock, nanoseconds).
    asked: Option<(SinceReference, u64)>,
    pub(super) sent: Sent,
}

/// What comes of a packet whose time has come.
pub(super) enum Step {
    /// To be sent now.
    Now(Vec<u8>),
    /// To be sent at another time.
    Later(u64, Vec<u8>),
    /// Nothing to be sent.
    Nothing,
}

impl Stream {
    pub(super) fn new(
        leg: Leg,
        source: Source,
        impairments: Impairments,
        mut random: Random,
        start: u64,
        speed: f64,
    ) -> Self {
        let (ssrc, first) = (random.next_u32(), random.next_u32());
        // An index of SRTP that begins low cannot be taken for one that has rolled over (RFC 3711 3.3.1).
        let sequence = (random.next_u32() & 0x7fff) as u16;
        Self {
            leg,
            source,
            impairments,
            random,
            start,
            speed,
            next: 0,
            ssrc,
            sequence,
            timestamp: first,
            destination: None,
            aimed_at: None,
            sender: None,
            receiver: None,
            last_late: 0,
            added: 0,
            is_over: false,
            asked: None,
            sent: Sent::default(),
        }
    }

    /// Where packets go from now on; whether that was not known before.
    pub(super) fn aim(&mut self, destination: Destination) -> bool {
        let before = self.destination.as_ref();
        let first = before.is_none();
        if destination.key.as_ref() != before.and_then(|before| before.key.as_ref()) {
            self.sender = destination
                .key
                .as_ref()
                .and_then(|key| Sender::new(key, siprec_core::sdp::crypto::Encryption::default()));
        }
        if destination.their_key.as_ref() != before.and_then(|before| before.their_key.as_ref()) {
            let receiver = destination.their_key.as_ref().map(|crypto| Receiver::new(&crypto.keys, crypto.encryption));
            self.receiver = receiver;
        }
        if let Some(rtp) = destination.rtp.filter(|rtp| self.aimed_at != Some(*rtp)) {
            // A connected socket costs no route lookup a packet; what it is connected to can be changed.
            self.aimed_at = self.leg.rtp.connect(rtp).is_ok().then_some(rtp);
        }
        self.destination = Some(destination);
        first
    }

    /// Nothing new is made from now on; what was impaired on purpose may still be on its way.
    pub(super) fn end(&mut self) {
        self.is_over = true;
    }

    /// Packets of it may leave after the moment they were due at.
    pub(super) fn delays(&self) -> bool {
        !self.impairments.jitter.is_zero() || self.impairments.reorder > 0.0
    }

    /// When the next packet is due; `None` when the file is over, or the call.
    pub(super) fn due(&self) -> Option<u64> {
        if self.is_over {
            return None;
        }
        let at = match &self.source {
            Source::Made { .. } => self.next * u64::from(PTIME_MS) * 1_000_000,
            Source::File(packets) => packets.get(usize::try_from(self.next).ok()?)?.at,
        };
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "hours in ns"
        )]
        let after = (at as f64 / (self.speed * (1.0 + self.impairments.skew_ppm * 1e-6))) as u64;
        Some(self.start + after)
    }

    /// The packet that is due.
    pub(super) fn step(&mut self, at: u64) -> Step {
        let sends = self.destination.as_ref().is_some_and(|destination| destination.sends) && self.aimed_at.is_some();
        let (mut packet, rtcp) = match &self.source {
            Source::Made { payloads, payload_type } => {
                // The clock runs on while nothing is sent; numbers do not.
                let timestamp =
                    self.timestamp.wrapping_add(u32::try_from(PACKET).unwrap_or(0).wrapping_mul(self.next as u32));
                let length = payloads.len() as u64;
                let payload = &payloads[usize::try_from(self.next % length).unwrap_or(0)];
                self.next += 1;
                if !sends {
                    self.sent.paused += 1;
                    return Step::Nothing;
                }
                let marker = if self.sent.packets == 0 { 0x80 } else { 0 };
                let mut packet = Vec::with_capacity(12 + payload.len() + 32);
                packet.extend_from_slice(&[0x80, *payload_type | marker]);
                packet.extend_from_slice(&self.sequence.to_be_bytes());
                packet.extend_from_slice(&timestamp.to_be_bytes());
                packet.extend_from_slice(&self.ssrc.to_be_bytes());
                packet.extend_from_slice(payload);
                self.sequence = self.sequence.wrapping_add(1);
                (packet, false)
            }
            Source::File(packets) => {
                let Some(recorded) = packets.get(usize::try_from(self.next).unwrap_or(usize::MAX)) else {
                    return Step::Nothing;
                };
                let taken = (recorded.bytes.clone(), recorded.rtcp);
                self.next += 1;
                if !sends {
                    self.sent.paused += u64::from(!recorded.rtcp);
                    return Step::Nothing;
                }
                taken
            }
        };
        if rtcp {
            self.send_report(packet);
            return Step::Nothing;
        }
        let plain = packet.len();
        if let Some(sender) = &mut self.sender
            && sender.protect(&mut packet).is_err()
        {
            self.sent.failed += 1;
            return Step::Nothing;
        }
        self.added = packet.len() - plain;
        self.impair(at, packet)
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "delays in ns"
    )]
    fn impair(&mut self, at: u64, packet: Vec<u8>) -> Step {
        let Impairments { loss, jitter, reorder, .. } = self.impairments;
        if loss > 0.0 && self.chance() < loss {
            self.sent.lost_on_purpose += 1;
            return Step::Nothing;
        }
        let mut later = at;
        if !jitter.is_zero() {
            later = (at + (self.chance() * jitter.as_nanos() as f64) as u64).max(self.last_late);
            self.last_late = later;
        }
        if reorder > 0.0 && self.chance() < reorder {
            later += (f64::from(PTIME_MS) * 1e6 * BEHIND / self.speed) as u64;
        }
        if later > at { Step::Later(later, packet) } else { Step::Now(packet) }
    }

    /// Evenly from 0 to 1.
    fn chance(&mut self) -> f64 {
        f64::from(self.random.next_u32()) / (f64::from(u32::MAX) + 1.0)
    }

    /// Sends a packet on.
    pub(super) fn send(&mut self, packet: &[u8]) {
        match self.leg.rtp.send(packet) {
            // What a sender report tells is what was sent (RFC 3550 6.4.1), without headers.
            Ok(_) => {
                self.sent.packets += 1;
                self.sent.octets += packet.len().saturating_sub(self.added + HEADER) as u64;
            }
            // The ICMP error of a packet before this one; this one was not sent either.
            Err(_) => self.sent.failed += 1,
        }
    }

    /// The moment of the next report.
    pub(super) fn next_report(&mut self, now: u64) -> Option<u64> {
        match self.source {
            Source::Made { .. } => Some(now + REPORT_NS / 2 + self.random.next_u64() % REPORT_NS),
            // The file has reports of its own.
            Source::File(_) => None,
        }
    }

    /// Sends our report: SR and SDES (RFC 3550 6.1), and a BYE with the last.
    pub(super) fn report(&mut self, wall_ns: u64, last: bool) {
        let Source::Made { .. } = self.source else { return };
        if self.sent.packets == 0 {
            return;
        }
        let timestamp = self.timestamp.wrapping_add((PACKET as u64 * self.next) as u32);
        let mut packet = vec![0x80, 200, 0, 6];
        packet.extend_from_slice(&self.ssrc.to_be_bytes());
        let seconds = wall_ns / 1_000_000_000 + NTP_EPOCH;
        let fraction = (wall_ns % 1_000_000_000) * (1 << 32) / 1_000_000_000;
        for word in [seconds as u32, fraction as u32, timestamp, self.sent.packets as u32, self.sent.octets as u32] {
            packet.extend_from_slice(&word.to_be_bytes());
        }
        rtcp::encode_description(&mut packet, self.ssrc, &format!("{:08x}@siprec-replay", self.ssrc));
        if let Some((since, at)) = self.asked {
            let delay =
                u32::try_from(u128::from(wall_ns.saturating_sub(at)) * 65_536 / 1_000_000_000).unwrap_or(u32::MAX);
            extended::encode_since(&mut packet, self.ssrc, &SinceReference { delay, ..since });
        }
        if last {
            rtcp::encode_goodbye(&mut packet, self.ssrc);
        }
        self.send_report(packet);
    }

    fn send_report(&mut self, mut packet: Vec<u8>) {
        let Some(to) = self.destination.as_ref().and_then(|destination| destination.rtcp) else { return };
        if let Some(sender) = &mut self.sender {
            if let Some(state) = sender.reservation_due() {
                // Nothing outlives this process: no index can come twice.
                sender.reserve(state);
            }
            if sender.protect_report(&mut packet).is_err() {
                return;
            }
        }
        // A report that is lost is followed by another.
        let _ = self.leg.rtcp.send_to(&packet, to);
    }

    /// Reads what the server reports, at a time of the wall clock.
    pub(super) fn hear(&mut self, buffer: &mut [u8], wall_ns: u64) {
        while let Ok((length, _)) = self.leg.rtcp.recv_from(buffer) {
            let Some(mut packet) = buffer.get_mut(..length) else { continue };
            if let Some(receiver) = &mut self.receiver {
                let Ok(plain) = receiver.unprotect_report(packet) else { continue };
                let Some(clear) = packet.get_mut(..plain.length) else { continue };
                packet = clear;
            }
            let Ok(compound) = rtcp::parse(packet) else { continue };
            for report in compound {
                let blocks = match report {
                    Report::Receiver { blocks, .. } => blocks,
                    Report::Sender(report) => report.blocks,
                    Report::Extended { ssrc, blocks } => {
                        let asks = |block| if let Block::Reference { ntp } = block { Some(ntp) } else { None };
                        if let Some(ntp) = extended::blocks(blocks).find_map(asks) {
                            let since = SinceReference { ssrc, last_reference: extended::middle(ntp), delay: 0 };
                            self.asked = Some((since, wall_ns));
                        }
                        continue;
                    }
                    Report::Description(_)
                    | Report::Goodbye(_)
                    | Report::Application { .. }
                    | Report::Feedback { .. }
                    | Report::Other(_) => continue,
                };
                for block in blocks.iter() {
                    self.sent.reported_lost = Some(i64::from(block.cumulative_lost));
                    self.sent.reported_jitter = block.jitter;
                }
            }
        }
    }

    /// What reports arrive at, for epoll.
    pub(super) fn rtcp(&self) -> &std::net::UdpSocket {
        &self.leg.rtcp
    }
}

#[cfg(test)]
mod tests;
