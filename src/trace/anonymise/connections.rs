//! TCP connections, written anew: a handshake, messages in segments one behind the other, an end.

use std::collections::HashMap;
use std::net::SocketAddr;

use siprec_core::time::Wall;

use super::output::{Output, Place};

/// Octets of a segment (of an Ethernet's 1,500).
const SEGMENT: usize = 1_440;
/// Connections that are known at a time; one more begins anew in the middle.
const MAX_CONNECTIONS: usize = 100_000;

/// Where both directions of each connection are.
#[derive(Default)]
pub(super) struct Connections {
    next: HashMap<(SocketAddr, SocketAddr), u32>,
}

impl Connections {
    /// Writes a message; the first one of a connection comes behind a handshake, which its sender begins.
    pub(super) fn message(
        &mut self,
        out: &mut Output,
        at: Wall,
        ends: (SocketAddr, SocketAddr),
        message: &[u8],
    ) -> anyhow::Result<()> {
        let back = (ends.1, ends.0);
        if !self.next.contains_key(&ends) {
            self.open(out, at, ends)?;
        }
        for piece in message.chunks(SEGMENT) {
            let sequence = self.at(ends);
            let place = Place { sequence, acknowledged: Some(self.at(back)), ..Place::default() };
            out.segment(at, ends, place, piece)?;
            self.next.insert(ends, sequence.wrapping_add(u32::try_from(piece.len()).unwrap_or(0)));
        }
        Ok(())
    }

    /// One side sends no more: both are told to end.
    pub(super) fn close(&mut self, out: &mut Output, at: Wall, ends: (SocketAddr, SocketAddr)) -> anyhow::Result<()> {
        let back = (ends.1, ends.0);
        let (Some(sequence), Some(other)) = (self.next.remove(&ends), self.next.remove(&back)) else { return Ok(()) };
        let fin = |sequence, acknowledged| Place { sequence, acknowledged: Some(acknowledged), fin: true, syn: false };
        out.segment(at, ends, fin(sequence, other), &[])?;
        out.segment(at, back, fin(other, sequence.wrapping_add(1)), &[])?;
        let last =
            Place { sequence: sequence.wrapping_add(1), acknowledged: Some(other.wrapping_add(1)), ..Place::default() };
        out.segment(at, ends, last, &[])
    }

    fn open(&mut self, out: &mut Output, at: Wall, ends: (SocketAddr, SocketAddr)) -> anyhow::Result<()> {
        let back = (ends.1, ends.0);
        if self.next.len() >= MAX_CONNECTIONS {
            self.next.clear();
        }
        out.segment(at, ends, Place { syn: true, ..Place::default() }, &[])?;
        out.segment(at, back, Place { syn: true, acknowledged: Some(1), ..Place::default() }, &[])?;
        out.segment(at, ends, Place { sequence: 1, acknowledged: Some(1), ..Place::default() }, &[])?;
        self.next.insert(ends, 1);
        self.next.insert(back, 1);
        Ok(())
    }

    fn at(&self, ends: (SocketAddr, SocketAddr)) -> u32 {
        self.next.get(&ends).copied().unwrap_or(1)
    }
}
