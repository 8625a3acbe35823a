//! The datagrams of a trace that are no SIP: RTP and RTCP, to their streams, opened with the keys of their descriptions.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::ears::Ears;
use super::stream::Stream;
use super::told::{LineAt, Told};
use crate::rtp::Packet;
use crate::rtp::rtcp::{self, Report, is_rtcp};
use crate::sdp::crypto::{Crypto, CryptoLine};
use crate::srtp::Receiver;
use crate::time::Wall;

/// Streams that are counted.
pub const MAX_STREAMS: usize = 100_000;
/// Ports whose RTCP is counted.
const MAX_REPORTED: usize = 100_000;
/// Lines whose keys are held.
const MAX_KEYED: usize = 50_000;

/// All streams of a capture.
#[derive(Default)]
pub(super) struct Streams {
    by_source: BTreeMap<(SocketAddr, SocketAddr, u32), usize>,
    pub(super) all: Vec<Stream>,
    /// Packets of streams beyond [`MAX_STREAMS`].
    pub(super) left_out: u64,
    /// RTCP compounds, by where they came to.
    pub(super) reports: BTreeMap<SocketAddr, u64>,
    keyed: BTreeMap<LineAt, Keyed>,
    scratch: Vec<u8>,
    samples: Vec<i16>,
    ears: Ears,
}

/// What opens the packets that come to a line.
struct Keyed {
    /// The `a=crypto` line of who sends there.
    line: CryptoLine,
    receiver: Receiver,
}

impl Streams {
    /// Takes a datagram that is no SIP. `plain`: it was made plain already (a journal).
    pub(super) fn datagram(
        &mut self,
        at: Wall,
        (from, to): (SocketAddr, SocketAddr),
        bytes: &[u8],
        plain: bool,
        told: &Told,
    ) {
        if is_rtcp(bytes) {
            self.report(at, from, to, bytes);
            return;
        }
        let Ok(packet) = Packet::parse(bytes) else { return };
        let Some(place) = self.place((from, to), packet.ssrc, told) else { return };
        let Some(stream) = self.all.get_mut(place) else { return };
        self.ears.earn();
        if !stream.receive(at, &packet, told) {
            return;
        }
        let line = stream.line.filter(|_| !plain);
        let secure = line.filter(|line| [told.line(*line), told.sender(*line)].iter().flatten().any(|l| l.is_secure()));
        let Some(line) = secure else {
            stream.listen(at, &packet, &mut self.samples, (place, &mut self.ears));
            return;
        };
        self.scratch.clear();
        self.scratch.extend_from_slice(bytes);
        let opened = open(&mut self.keyed, line, &mut self.scratch, told);
        stream.secured(opened.map(|length| length.is_some()));
        let plain = opened.flatten().and_then(|length| self.scratch.get(..length));
        if let Some(packet) = plain.and_then(|plain| Packet::parse(plain).ok()) {
            stream.listen(at, &packet, &mut self.samples, (place, &mut self.ears));
        }
    }

    /// The stream of a source. One that no description names begins with its second packet's like: a datagram that merely
    /// looks like RTP is told apart at the end.
    fn place(&mut self, (from, to): (SocketAddr, SocketAddr), ssrc: u32, told: &Told) -> Option<usize> {
        if let Some(place) = self.by_source.get(&(from, to, ssrc)) {
            return Some(*place);
        }
        if self.all.len() >= MAX_STREAMS {
            self.left_out += 1;
            return None;
        }
        let mut stream = Stream::new(from, to, ssrc);
        stream.follow(told);
        self.by_source.insert((from, to, ssrc), self.all.len());
        self.all.push(stream);
        Some(self.all.len() - 1)
    }

    fn report(&mut self, at: Wall, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if self.reports.len() < MAX_REPORTED || self.reports.contains_key(&to) {
            *self.reports.entry(to).or_default() += 1;
        }
        let Ok(compound) = rtcp::parse(bytes) else { return };
        for report in compound {
            if let Report::Sender(report) = report {
                // Its RTP goes to the port below, from the port below, or the same ones.
                let below = |address: SocketAddr| SocketAddr::new(address.ip(), address.port().saturating_sub(1));
                let ends = [(below(from), below(to)), (from, to)];
                let known = ends.iter().find_map(|(from, to)| self.by_source.get(&(*from, *to, report.ssrc)));
                if let Some(stream) = known.and_then(|place| self.all.get_mut(*place)) {
                    stream.sender_report(at, report.ntp, report.rtp);
                }
            }
        }
    }
}

/// Opens a packet on its way to `line`: none without a key, none within where no key fits, else how long it is.
fn open(keyed: &mut BTreeMap<LineAt, Keyed>, line: LineAt, packet: &mut [u8], told: &Told) -> Option<Option<usize>> {
    let offered = told.sender(line).map_or(&[][..], |line| &line.media.crypto);
    let value = chosen(offered, told.line(line).map_or(&[][..], |line| &line.media.crypto))?;
    if keyed.get(&line).is_none_or(|known| known.line != *value) {
        if keyed.len() >= MAX_KEYED && !keyed.contains_key(&line) {
            return None;
        }
        let crypto = Crypto::parse(value.as_ref()).ok()?;
        let receiver = Receiver::new(&crypto.keys, crypto.encryption);
        keyed.insert(line, Keyed { line: value.clone(), receiver });
    }
    let receiver = &mut keyed.get_mut(&line)?.receiver;
    Some(receiver.unprotect(packet).ok().map(|plain| plain.length))
}

/// The sender's line with the tag that the receiver's has; the first where the receiver has said nothing.
fn chosen<'a>(sender: &'a [CryptoLine], receiver: &[CryptoLine]) -> Option<&'a CryptoLine> {
    let tag = |line: &CryptoLine| line.as_ref().split_ascii_whitespace().next().map(String::from);
    let agreed = receiver.first().and_then(tag);
    let fits = |line: &&CryptoLine| agreed.is_none() || tag(line) == agreed;
    sender.iter().find(fits).or_else(|| sender.first())
}
