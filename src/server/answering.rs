//! How long INVITEs wait for their final response, and what that is: seen where messages come and go, by their Call-ID.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use super::meters::{Meters, Status};

/// INVITEs that wait for an answer; more are not timed.
const MAX_WAITING: usize = 16_384;
/// Nobody waits longer (RFC 3261 17.1.1.2, timer B, twice): an INVITE of then was never answered, as scanners' are not.
const WAITS: Duration = Duration::from_secs(64);
/// Where all places are taken, those that are over are looked for so often.
const LOOKS_APART: Duration = Duration::from_secs(1);

/// INVITEs that wait, by what their Call-ID hashes to: its length is its sender's choice.
#[derive(Debug, Default)]
pub(super) struct Answering {
    waiting: HashMap<u64, Instant>,
    hasher: RandomState,
    looked: Option<Instant>,
}

impl Answering {
    /// A message came.
    pub(super) fn came(&mut self, octets: &[u8], now: Instant) {
        if octets.starts_with(b"INVITE ")
            && self.has_room(now)
            && let Some(call_id) = call_id(octets)
        {
            // One that is sent again has waited since the first.
            self.waiting.entry(self.hasher.hash_one(call_id)).or_insert(now);
        }
    }

    fn has_room(&mut self, now: Instant) -> bool {
        let is_full = self.waiting.len() >= MAX_WAITING;
        if is_full && self.looked.is_none_or(|at| now.duration_since(at) >= LOOKS_APART) {
            self.looked = Some(now);
            self.waiting.retain(|_, since| now.duration_since(*since) < WAITS);
        }
        self.waiting.len() < MAX_WAITING
    }

    /// A message leaves.
    pub(super) fn leaves(&mut self, octets: &[u8], now: Instant, meters: &Meters) {
        let status =
            octets.strip_prefix(b"SIP/2.0 ").and_then(|rest| std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok());
        let Some(status) = status.filter(|status: &u16| *status >= 200) else { return };
        if let Some(since) = call_id(octets).and_then(|id| self.waiting.remove(&self.hasher.hash_one(id))) {
            meters.answer_seconds.observe(now.duration_since(since).as_secs_f64());
            meters.invites.get_or_create(&Status { status }).inc();
        }
    }
}

/// The Call-ID of a message, from its head.
fn call_id(octets: &[u8]) -> Option<&[u8]> {
    for line in octets.split(|&octet| octet == b'\n').skip(1) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return None;
        }
        let Some(colon) = line.iter().position(|&octet| octet == b':') else { continue };
        let (name, value) = line.split_at(colon);
        let name = name.trim_ascii();
        if name.eq_ignore_ascii_case(b"call-id") || name.eq_ignore_ascii_case(b"i") {
            return value.get(1..).map(<[u8]>::trim_ascii);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_invite_is_timed_from_its_first_arrival_to_its_final_response() {
        let (mut answering, meters, began) = (Answering::default(), Meters::new(), Instant::now());
        let invite = b"INVITE sip:x SIP/2.0\r\nVia: a\r\ni : abc\r\n\r\n";
        answering.came(invite, began);
        answering.came(invite, began + Duration::from_millis(500));
        answering.leaves(b"SIP/2.0 100 Trying\r\nCall-ID: abc\r\n\r\n", began, &meters);
        assert_eq!(meters.invites.get_or_create(&Status { status: 200 }).get(), 0);
        answering.leaves(b"SIP/2.0 200 OK\r\nCall-ID: abc\r\n\r\n", began + Duration::from_millis(600), &meters);
        // The 200 to a BYE of the same call answers no INVITE.
        answering.leaves(b"SIP/2.0 200 OK\r\nCall-ID: abc\r\n\r\n", began, &meters);
        assert_eq!(meters.invites.get_or_create(&Status { status: 200 }).get(), 1);
        assert!(meters.text().contains("siprec_invite_answer_seconds_sum 0.6"));
        assert!(answering.waiting.is_empty());
    }

    #[test]
    fn invites_that_nobody_answers_make_room_for_others() {
        let (mut answering, began) = (Answering::default(), Instant::now());
        let invite = |n: usize| format!("INVITE sip:x SIP/2.0\r\nCall-ID: {n}\r\n\r\n").into_bytes();
        (0..MAX_WAITING + 5).for_each(|n| answering.came(&invite(n), began));
        assert_eq!(answering.waiting.len(), MAX_WAITING);
        answering.came(&invite(1 << 20), began + WAITS);
        assert_eq!(answering.waiting.len(), 1);
    }

    #[test]
    fn what_has_no_call_id_is_not_timed() {
        let mut answering = Answering::default();
        for octets in
            [&b"INVITE sip:x SIP/2.0\r\n\r\nCall-ID: in the body"[..], b"INVITE ", b"OPTIONS x\r\nCall-ID: a\r\n\r\n"]
        {
            answering.came(octets, Instant::now());
        }
        assert!(answering.waiting.is_empty());
    }
}
