//! The watch over a session's media: silence raises an alarm, an SRC that is silent altogether is asked whether it
//! is still there.

use alloc::vec::Vec;
use core::time::Duration;

use super::streams::Streams;
use crate::entry::{Alarm, Event, PortIndex};
use crate::time::{Monotonic, Now, Wall};

/// How often a session is looked at, as a part of the silence that is worth an alarm.
const LOOKS_PER_TIMEOUT: u32 = 4;
/// No session is looked at more often.
const SHORTEST_LOOK: Duration = Duration::from_millis(250);

/// What is known of an SRC's silence.
#[derive(Debug, Clone, Default)]
pub(super) struct Watch {
    /// A probe is under way.
    probing: bool,
    /// The SRC last answered a probe, or sent a request.
    alive: Option<Monotonic>,
}

impl Watch {
    /// When to look again.
    pub(super) fn next_look(now: Now, rtp_timeout: Duration) -> Monotonic {
        now.monotonic.after((rtp_timeout / LOOKS_PER_TIMEOUT).max(SHORTEST_LOOK))
    }

    /// The SRC showed a sign of life in signalling.
    pub(super) fn is_alive(&mut self, now: Now) {
        self.probing = false;
        self.alive = Some(now.monotonic);
    }

    /// A probe leaves.
    pub(super) fn probe_sent(&mut self) {
        self.probing = true;
    }

    /// Whether the SRC should be asked.
    pub(super) fn should_probe(&self, streams: &Streams, now: Now, rtp_timeout: Duration) -> bool {
        let spoke = self.alive.is_some_and(|at| now.monotonic.since(at) < rtp_timeout);
        !self.probing && !spoke && is_silent(streams, now.wall, rtp_timeout)
    }
}

/// Whether no stream of the session was heard within `rtp_timeout`.
pub(super) fn is_silent(streams: &Streams, now: Wall, rtp_timeout: Duration) -> bool {
    streams.live().all(|live| live.heard.after(rtp_timeout) <= now)
}

/// Streams that have been silent for too long, told once.
pub(super) fn silences(streams: &mut Streams, now: Wall, rtp_timeout: Duration) -> Vec<Event> {
    let mut events = Vec::new();
    for live in streams.live_mut() {
        if !live.is_paused() && !live.alarmed && live.heard.after(rtp_timeout) <= now {
            live.alarmed = true;
            events.push(alarm(live.port(), true));
        }
    }
    events
}

/// A packet arrived at `last`; the event that clears the alarm, if there was one.
pub(super) fn heard(streams: &mut Streams, port: PortIndex, last: Wall) -> Option<Event> {
    let live = streams.live_mut().find(|live| live.port() == port)?;
    live.heard = live.heard.max(last);
    let was_alarmed = core::mem::take(&mut live.alarmed);
    was_alarmed.then(|| alarm(port, false))
}

fn alarm(port: PortIndex, raised: bool) -> Event {
    Event::Alarm { alarm: Alarm::NoRtp, port: Some(port), raised }
}
