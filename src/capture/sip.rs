//! SIP out of a capture's TCP connections, and the question whether a datagram is SIP.

use std::collections::HashMap;
use std::net::SocketAddr;

use siprec_core::sip::framing::{Frame, Framer};

use super::packets::Segment;
use super::tcp::Reassembly;

/// Directions of connections that are followed at a time; beyond, those that wait for nothing are forgotten.
const MAX_DIRECTIONS: usize = 8_192;

/// Puts connections in order and cuts them into messages.
#[derive(Default)]
pub(crate) struct SipStreams {
    streams: Reassembly,
    framers: HashMap<(SocketAddr, SocketAddr), Framer>,
}

impl SipStreams {
    /// Takes a segment and gives the messages that it completes. What is no SIP is passed over.
    pub(crate) fn push(&mut self, from: SocketAddr, to: SocketAddr, segment: Segment) -> Vec<Vec<u8>> {
        let ends = (from, to);
        let fin = segment.fin;
        let in_order = self.streams.push(from, to, segment);
        if in_order.restarted {
            self.framers.remove(&ends);
        }
        let mut messages = Vec::new();
        if in_order.bytes.is_empty() && !fin {
            return messages;
        }
        // A stream that is met in the middle, or was no SIP so far, is SIP from where a message begins.
        if !self.framers.contains_key(&ends) {
            if !may_begin_sip(&in_order.bytes) {
                return messages;
            }
            self.make_room();
        }
        let framer = self.framers.entry(ends).or_default();
        framer.push(&in_order.bytes);
        let mut broken = false;
        while let Some(frame) = framer.next() {
            match frame {
                Frame::Message(bytes) => messages.push(bytes),
                Frame::Ping => {}
                Frame::Broken(_) => broken = true,
            }
        }
        if fin || broken {
            self.framers.remove(&ends);
        }
        messages
    }

    fn make_room(&mut self) {
        if self.framers.len() < MAX_DIRECTIONS {
            return;
        }
        self.framers.retain(|_, framer| framer.pending() > 0);
        if self.framers.len() >= MAX_DIRECTIONS {
            self.framers.clear();
        }
    }
}

/// Whether a stream may go on as SIP here: with a method's or the version's first letter, or with line ends.
fn may_begin_sip(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| first.is_ascii_uppercase() || matches!(first, b'\r' | b'\n'))
}

/// Cheap and sure enough: the first line of a request ends with the version, that of a response begins with it.
pub(crate) fn looks_like_sip(payload: &[u8]) -> bool {
    const FIRST_LINE: usize = 2048;
    if !payload.first().is_some_and(u8::is_ascii_alphabetic) {
        return false;
    }
    let line = payload.iter().take(FIRST_LINE).position(|b| *b == b'\n').map_or(&payload[..0], |end| &payload[..end]);
    line.windows(8).any(|w| w.eq_ignore_ascii_case(b" SIP/2.0")) || line.starts_with(b"SIP/2.0 ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: &[u8] = b"OPTIONS sip:a SIP/2.0\nContent-Length: 0\n\n";

    fn push(streams: &mut SipStreams, sequence: usize, payload: &[u8]) -> Vec<Vec<u8>> {
        let (a, b) = ("192.0.2.1:1".parse().unwrap(), "192.0.2.2:2".parse().unwrap());
        let sequence = u32::try_from(sequence).unwrap();
        streams.push(a, b, Segment { sequence, syn: false, fin: false, payload: payload.to_vec() })
    }

    #[test]
    fn two_messages_in_one_segment_and_one_in_two_are_all_found() {
        let mut streams = SipStreams::default();
        let twice = [OPTIONS, OPTIONS].concat();
        assert_eq!(push(&mut streams, 0, &twice), [OPTIONS, OPTIONS]);
        assert!(push(&mut streams, twice.len(), &OPTIONS[..9]).is_empty());
        assert_eq!(push(&mut streams, twice.len() + 9, &OPTIONS[9..]), [OPTIONS]);
    }

    #[test]
    fn a_stream_that_is_met_within_a_message_is_followed_from_the_next() {
        let mut streams = SipStreams::default();
        assert!(push(&mut streams, 0, b"o=- 1 1 IN IP4 192.0.2.1\r\n").is_empty());
        assert_eq!(push(&mut streams, 26, OPTIONS), [OPTIONS]);
    }

    #[test]
    fn what_is_no_sip_is_not() {
        assert!(looks_like_sip(OPTIONS) && looks_like_sip(b"SIP/2.0 200 OK\r\n"));
        for other in [&b"\x80\x00 SIP/2.0\n"[..], b"GET / HTTP/1.1\r\n", b"", b"SIP/2.0 200"] {
            assert!(!looks_like_sip(other), "{other:?}");
        }
    }
}
