//! TCP streams of a capture, put in order, so that the framer gets what the peer's socket got.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use super::packets::Segment;

/// Bytes that may wait, a direction, for a segment that is missing. Beyond that the segment counts as lost.
const MAX_WAITING_BYTES: usize = 256 << 10;

/// One direction of a connection.
#[derive(Default)]
struct Direction {
    /// The next byte's sequence number; none before the first segment.
    next: Option<u32>,
    waiting: BTreeMap<u32, Vec<u8>>,
    waiting_bytes: usize,
}

/// All connections of a capture.
#[derive(Default)]
pub(crate) struct Reassembly {
    directions: HashMap<(SocketAddr, SocketAddr), Direction>,
}

/// What a segment brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InOrder {
    /// The stream began anew here: what was not yet framed is void.
    pub(crate) restarted: bool,
    /// Bytes in order.
    pub(crate) bytes: Vec<u8>,
}

impl Reassembly {
    /// Takes a segment in and gives what can be read now.
    pub(crate) fn push(&mut self, from: SocketAddr, to: SocketAddr, segment: Segment) -> InOrder {
        let direction = self.directions.entry((from, to)).or_default();
        let mut restarted = false;
        if segment.syn {
            restarted = direction.next.is_some();
            *direction = Direction { next: Some(segment.sequence.wrapping_add(1)), ..Direction::default() };
        } else if direction.next.is_none() {
            direction.next = Some(segment.sequence);
        }
        let start = if segment.syn { segment.sequence.wrapping_add(1) } else { segment.sequence };
        if !segment.payload.is_empty() {
            direction.hold(start, segment.payload);
        }
        let mut bytes = direction.take();
        if direction.waiting_bytes > MAX_WAITING_BYTES {
            restarted = true;
            direction.skip_the_hole();
            bytes = direction.take();
        }
        if segment.fin && direction.waiting.is_empty() {
            self.directions.remove(&(from, to));
        }
        InOrder { restarted, bytes }
    }
}

impl Direction {
    fn hold(&mut self, sequence: u32, payload: Vec<u8>) {
        let better = self.waiting.get(&sequence).is_none_or(|held| held.len() < payload.len());
        if better {
            self.waiting_bytes += payload.len();
            if let Some(old) = self.waiting.insert(sequence, payload) {
                self.waiting_bytes -= old.len();
            }
        }
    }

    /// What follows on what was taken, over wraps of the sequence number, without what was had before.
    fn take(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some(next) = self.next {
            // Distances from `next`, modulo 2^32: a held segment at or before it has a distance of at most 0.
            let ready = self.waiting.keys().copied().find(|s| s.wrapping_sub(next).cast_signed() <= 0);
            let Some((sequence, payload)) = ready.and_then(|s| self.waiting.remove_entry(&s)) else { break };
            self.waiting_bytes -= payload.len();
            let had = usize::try_from(next.wrapping_sub(sequence)).unwrap_or(usize::MAX);
            if let Some(fresh) = payload.get(had..) {
                bytes.extend_from_slice(fresh);
                self.next = Some(next.wrapping_add(u32::try_from(fresh.len()).unwrap_or(0)));
            }
        }
        bytes
    }

    fn skip_the_hole(&mut self) {
        let Some(next) = self.next else { return };
        self.next = self.waiting.keys().copied().min_by_key(|s| s.wrapping_sub(next));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(sequence: u32, payload: &[u8]) -> Segment {
        Segment { sequence, syn: false, fin: false, payload: payload.to_vec() }
    }

    fn ends() -> (SocketAddr, SocketAddr) {
        ("127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap())
    }

    #[test]
    fn segments_out_of_order_repeated_and_overlapping_make_one_stream_over_a_wrap() {
        let (a, b) = ends();
        let mut streams = Reassembly::default();
        let start = u32::MAX - 2;
        let syn = Segment { sequence: start.wrapping_sub(1), syn: true, fin: false, payload: Vec::new() };
        assert_eq!(streams.push(a, b, syn).bytes, b"");
        assert_eq!(streams.push(a, b, segment(start.wrapping_add(4), b"efgh")).bytes, b"");
        assert_eq!(streams.push(a, b, segment(start, b"abcd")).bytes, b"abcdefgh");
        assert_eq!(streams.push(a, b, segment(start, b"abcd")).bytes, b"");
        assert_eq!(streams.push(a, b, segment(start.wrapping_add(6), b"ghij")).bytes, b"ij");
    }

    #[test]
    fn a_stream_met_in_the_middle_is_read_from_there() {
        let (a, b) = ends();
        let mut streams = Reassembly::default();
        assert_eq!(streams.push(a, b, segment(77, b"abc")), InOrder { restarted: false, bytes: b"abc".to_vec() });
    }

    #[test]
    fn a_hole_that_is_never_filled_is_skipped() {
        let (a, b) = ends();
        let mut streams = Reassembly::default();
        streams.push(a, b, segment(0, b"x"));
        let mut got = InOrder { restarted: false, bytes: Vec::new() };
        for i in 0..200_u32 {
            got = streams.push(a, b, segment(1000 + i * 1400, &[7; 1400]));
            if got.restarted {
                break;
            }
        }
        assert!(got.restarted && got.bytes.len() > MAX_WAITING_BYTES);
    }
}
