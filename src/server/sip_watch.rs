//! SIP as it comes and goes, for whoever watches a running server. Nothing is copied while nobody does.
//!
//! ```text
//! signalling: what came, what left -> SipTap (what was kept says of which session) -> broadcast -> SipWatch
//! ```
//! A watcher that does not keep up misses messages and hears how many. It is a way of its own beside `live`: however many messages
//! there are, who waits for events misses none of them.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use siprec_core::media::Digits;
use siprec_core::seed::SessionId;
use siprec_core::session::{Kept, blank_secrets, without_digits};
use siprec_core::sip::message::is_keep_alive;
use siprec_core::sip::{Message, Transport};
use siprec_core::time::Wall;
use tokio::sync::broadcast::{self, error::RecvError};

use crate::archive::finish::SipMessage;

/// Messages that a watcher may be behind.
const BEHIND: usize = 2_048;
/// Calls of which the session is remembered, the latest: a BYE is answered when its session is gone already.
const REMEMBERED: usize = 4_096;

/// A SIP message that came or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipTold {
    /// The recording session that it is of, where it is of one: an INVITE that is refused makes none.
    pub session: Option<SessionId>,
    /// The message, without keys, passwords, and digits that are not to be kept.
    pub message: SipMessage,
}

/// What comes to a watcher.
#[derive(Debug)]
pub struct SipWatch(broadcast::Receiver<Arc<SipTold>>);

/// A watcher's next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SipWatched {
    /// A message.
    Told(Arc<SipTold>),
    /// So many messages were missed, since they were not taken in time.
    Missed(u64),
    /// The server has stopped.
    Over,
}

impl SipWatch {
    /// The next message.
    pub async fn next(&mut self) -> SipWatched {
        match self.0.recv().await {
            Ok(told) => SipWatched::Told(told),
            Err(RecvError::Lagged(missed)) => SipWatched::Missed(missed),
            Err(RecvError::Closed) => SipWatched::Over,
        }
    }
}

/// Hands messages to watchers. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct SipFeed(broadcast::Sender<Arc<SipTold>>);

impl Default for SipFeed {
    fn default() -> Self {
        Self(broadcast::channel(BEHIND).0)
    }
}

impl SipFeed {
    pub(super) fn watch(&self) -> SipWatch {
        SipWatch(self.0.subscribe())
    }
}

/// The signalling thread's side.
#[derive(Debug)]
pub(super) struct SipTap {
    feed: SipFeed,
    /// What came or left and is not told yet: what the core keeps of it says of which session it is.
    waiting: Vec<(Option<String>, SipMessage)>,
    /// By Call-ID.
    sessions: HashMap<String, SessionId>,
    /// Their Call-IDs, the oldest first.
    order: VecDeque<String>,
}

impl SipTap {
    pub(super) fn new(feed: SipFeed) -> Self {
        Self { feed, waiting: Vec::new(), sessions: HashMap::new(), order: VecDeque::new() }
    }

    /// Whether anybody watches.
    pub(super) fn is_watched(&self) -> bool {
        self.feed.0.receiver_count() > 0
    }

    /// A message came or left.
    pub(super) fn message(
        &mut self,
        (at, outbound): (Wall, bool),
        transport: Transport,
        (from, to): (SocketAddr, SocketAddr),
        bytes: &[u8],
        digits: Digits,
    ) {
        if is_keep_alive(bytes) {
            return;
        }
        let octets = blank_secrets(&without_digits(bytes, digits));
        self.waiting.push((call_id(bytes), SipMessage { at, outbound, transport, from, to, octets }));
    }

    /// The core keeps something of a session.
    pub(super) fn kept(&mut self, session: SessionId, kept: &Kept) {
        let Kept::Sip { message, .. } = kept else { return };
        if !self.is_watched() {
            return;
        }
        let Some(call_id) = call_id(message) else { return };
        if self.sessions.insert(call_id.clone(), session).is_none() {
            self.order.push_back(call_id);
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.sessions.remove(&oldest);
        }
    }

    /// Tells what waits: whose it is is known by now, if ever.
    pub(super) fn tell(&mut self) {
        for (call_id, message) in self.waiting.drain(..) {
            let session = call_id.and_then(|call_id| self.sessions.get(&call_id).copied());
            // Who watched may be gone.
            let _ = self.feed.0.send(Arc::new(SipTold { session, message }));
        }
    }
}

fn call_id(bytes: &[u8]) -> Option<String> {
    Message::parse_datagram(bytes).ok()?.call_id().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(call: &str) -> Vec<u8> {
        format!(
            "BYE sip:a@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\n\
             Call-ID: {call}\r\nCSeq: 2 BYE\r\nAuthorization: Basic c2VjcmV0\r\nContent-Length: 0\r\n\r\n"
        )
        .into_bytes()
    }

    fn take(tap: &mut SipTap, call: &str) {
        let ends = ("192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap());
        tap.message((Wall(0), false), Transport::Udp, ends, &bytes(call), Digits::Keep);
    }

    fn keep(tap: &mut SipTap, session: u128, call: &str) {
        let (from, to) = ("192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap());
        let kept = Kept::Sip { transport: Transport::Udp, outbound: false, from, to, message: bytes(call) };
        tap.kept(SessionId(session), &kept);
    }

    fn told(watch: &mut SipWatch) -> Arc<SipTold> {
        watch.0.try_recv().unwrap()
    }

    #[test]
    fn a_message_is_of_the_session_that_keeps_it_and_so_are_those_after_it() {
        let feed = SipFeed::default();
        let (mut tap, mut watch) = (SipTap::new(feed.clone()), feed.watch());
        assert!(tap.is_watched());
        take(&mut tap, "a");
        take(&mut tap, "b");
        keep(&mut tap, 7, "a");
        tap.tell();
        take(&mut tap, "a");
        tap.tell();
        let sessions = [told(&mut watch), told(&mut watch), told(&mut watch)].map(|told| told.session);
        assert_eq!(sessions, [Some(SessionId(7)), None, Some(SessionId(7))]);
    }

    #[test]
    fn secrets_are_blanked_and_line_ends_that_keep_a_way_open_are_no_messages() {
        let feed = SipFeed::default();
        let (mut tap, mut watch) = (SipTap::new(feed.clone()), feed.watch());
        take(&mut tap, "a");
        let ends = ("192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap());
        tap.message((Wall(0), false), Transport::Udp, ends, b"\r\n\r\n", Digits::Keep);
        tap.tell();
        let text = String::from_utf8(told(&mut watch).message.octets.clone()).unwrap();
        assert!(text.contains("Authorization: Basic xxxxxxxx\r\n"), "{text}");
        assert!(watch.0.try_recv().is_err());
    }

    #[test]
    fn nothing_is_remembered_while_nobody_watches_and_no_more_than_so_many_calls_while_somebody_does() {
        let feed = SipFeed::default();
        let mut tap = SipTap::new(feed.clone());
        keep(&mut tap, 1, "a");
        assert!(!tap.is_watched() && tap.sessions.is_empty());
        let _watch = feed.watch();
        for call in 0..=REMEMBERED {
            keep(&mut tap, 1, &format!("c{call}"));
        }
        assert_eq!((tap.sessions.len(), tap.order.len()), (REMEMBERED, REMEMBERED));
        assert!(!tap.sessions.contains_key("c0") && tap.sessions.contains_key("c1"));
    }
}
