//! The second pass: each packet is written as it can be shown to others, or left out.

use std::collections::HashMap;
use std::net::SocketAddr;

use siprec_core::anonymise::Anonymiser;
use siprec_core::sip::message::is_keep_alive;
use siprec_core::time::Wall;

use super::connections::Connections;
use super::media::{Found, Kind};
use super::output::Output;
use super::protection::{Closed, Protection};
use super::report::Report;
use crate::capture::{Content, Packet, SipStreams, looks_like_sip};

/// First octets of TLS records: handshake, application data (RFC 8446 5.1).
const TLS: [u8; 4] = [0x14, 0x15, 0x16, 0x17];
/// First octets of datagrams of DTLS (RFC 7983 7).
const DTLS: std::ops::RangeInclusive<u8> = 20..=63;
/// TCP connections that are told apart for counting.
const MAX_COUNTED: usize = 100_000;

/// Writes.
pub(super) struct Second<'a> {
    anonymiser: &'a Anonymiser,
    found: Found,
    protection: Protection,
    out: Output,
    report: &'a mut Report,
    streams: SipStreams,
    connections: Connections,
    /// Of directions of TCP: segments with content before their first message, and whether they begin as TLS does.
    unread: HashMap<(SocketAddr, SocketAddr), (u64, bool)>,
}

impl<'a> Second<'a> {
    pub(super) fn new(anonymiser: &'a Anonymiser, mut found: Found, out: Output, report: &'a mut Report) -> Self {
        let protection = Protection::new(std::mem::take(&mut found.keys), anonymiser);
        let (streams, connections) = (SipStreams::default(), Connections::default());
        Self { anonymiser, found, protection, out, report, streams, connections, unread: HashMap::new() }
    }

    pub(super) fn packet(&mut self, packet: Packet) -> anyhow::Result<()> {
        let Packet { at, from, to, content } = packet;
        match content {
            Content::Udp(payload) => self.datagram(at, from, to, &payload),
            Content::Tcp(segment) => {
                let (has_content, fin) = (!segment.payload.is_empty(), segment.fin);
                let is_tls = segment.payload.first().is_some_and(|first| TLS.contains(first));
                let mut messages = self.streams.push(from, to, segment);
                messages.retain(|bytes| looks_like_sip(bytes));
                let ends = (self.other(from), self.other(to));
                if has_content && (self.unread.len() < MAX_COUNTED || self.unread.contains_key(&(from, to))) {
                    let unread = self.unread.entry((from, to)).or_insert((0, is_tls));
                    unread.0 += 1;
                    // What a message came in is read.
                    if !messages.is_empty() {
                        unread.0 = 0;
                    }
                }
                for message in messages {
                    let message = self.message(&message);
                    self.connections.message(&mut self.out, at, ends, &message)?;
                }
                if fin { self.connections.close(&mut self.out, at, ends) } else { Ok(()) }
            }
        }
    }

    fn message(&mut self, bytes: &[u8]) -> Vec<u8> {
        let other = self.anonymiser.message(bytes);
        self.report.messages += 1;
        self.report.blanked_bodies += u64::try_from(other.blanked).unwrap_or(u64::MAX);
        other.bytes
    }

    fn datagram(&mut self, at: Wall, from: SocketAddr, to: SocketAddr, payload: &[u8]) -> anyhow::Result<()> {
        let other = if looks_like_sip(payload) {
            Some(self.message(payload))
        } else if is_keep_alive(payload) {
            Some(payload.to_vec())
        } else {
            self.media(from, to, payload)
        };
        let Some(other) = other else { return Ok(()) };
        let (from, to) = (self.other(from), self.other(to));
        if !self.out.datagram(at, from, to, &other)? {
            self.report.left_out.too_long += 1;
        }
        Ok(())
    }

    /// RTP or RTCP; none if it is left out.
    fn media(&mut self, from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Option<Vec<u8>> {
        let Some(kind) = self.found.kind(from, to, payload) else {
            let is_dtls = payload.first().is_some_and(|first| DTLS.contains(first));
            let count = if is_dtls { &mut self.report.left_out.dtls } else { &mut self.report.left_out.datagrams };
            *count += 1;
            return None;
        };
        let is_report = kind == Kind::Rtcp;
        let encoding = if is_report { None } else { self.found.encoding(from, to, payload) };
        let counted = if is_report { &mut self.report.rtcp } else { &mut self.report.rtp };
        match self.protection.open((from, to), payload, is_report) {
            Ok(mut opened) => {
                if is_report {
                    opened.packet = self.anonymiser.report(&opened.packet);
                } else {
                    self.anonymiser.silence(&mut opened.packet, encoding.as_deref());
                }
                let closed = opened.close()?;
                *counted += 1;
                self.report.protected_anew += 1;
                Some(closed)
            }
            Err(Closed::Repeated) => {
                self.report.left_out.repeated += 1;
                None
            }
            Err(Closed::NoKey) if self.found.is_protected(from, to) => {
                *counted += 1;
                self.report.zeroed += 1;
                Some(zeroed(payload, is_report))
            }
            Err(Closed::NoKey) => {
                *counted += 1;
                if is_report {
                    return Some(self.anonymiser.report(payload));
                }
                let mut packet = payload.to_vec();
                self.anonymiser.silence(&mut packet, encoding.as_deref());
                Some(packet)
            }
        }
    }

    /// The address that stands for another, its port the same.
    fn other(&self, at: SocketAddr) -> SocketAddr {
        SocketAddr::new(self.anonymiser.address(at.ip()), at.port())
    }

    /// All is written; what was never read is counted.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        for (segments, is_tls) in self.unread.values() {
            let count = if *is_tls { &mut self.report.left_out.tls } else { &mut self.report.left_out.tcp };
            *count += segments;
        }
        self.out.finish()
    }
}

/// The header of a packet that stays closed, and zeros.
fn zeroed(payload: &[u8], is_report: bool) -> Vec<u8> {
    let header = if is_report { 8 } else { 12 };
    let mut packet = payload.to_vec();
    packet.get_mut(header..).unwrap_or_default().fill(0);
    if !is_report && let Some(first) = packet.first_mut() {
        // Neither sources, extension nor padding: they are zeros as well.
        *first &= 0xc0;
    }
    packet
}
