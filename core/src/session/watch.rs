//! The watch over a session's media: silence raises an alarm, an SRC that is silent altogether is asked whether it
//! is still there.

use alloc::vec::Vec;
use core::time::Duration;

use super::streams::Streams;
use crate::entry::PortIndex;
use crate::media::PortStatistics;
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
pub(super) fn silences(streams: &mut Streams, now: Wall, rtp_timeout: Duration) -> Vec<PortIndex> {
    let mut ports = Vec::new();
    for live in streams.live_mut() {
        // Nobody types all the time (RFC 4103 5.1).
        let may_rest = live.stream().media.eq_ignore_ascii_case("text");
        if !may_rest && !live.is_paused() && !live.alarmed && live.heard.after(rtp_timeout) <= now {
            live.alarmed = true;
            ports.push(live.port());
        }
    }
    ports
}

/// A packet arrived at `last`: whether an alarm is over with it.
pub(super) fn heard(streams: &mut Streams, port: PortIndex, last: Wall) -> bool {
    let Some(live) = streams.live_mut().find(|live| live.port() == port) else { return false };
    let is_news = last > live.heard;
    live.heard = live.heard.max(last);
    is_news && core::mem::take(&mut live.alarmed)
}

/// Figures of a port came: how many packets the kernel dropped since the last ones, and whether an alarm of that is raised
/// or over.
pub(super) fn dropping(streams: &mut Streams, now: Wall, told: &PortStatistics) -> (u64, Option<bool>) {
    let Some(live) = streams.live_mut().find(|live| live.port() == told.port) else { return (0, None) };
    let news = live.dropping.grown_to(told.dropped_by_kernel);
    (news, live.dropping.judge(now, news))
}

/// Figures of a port came: whether an alarm of strangers is raised or over with them.
pub(super) fn strangers(streams: &mut Streams, now: Wall, told: &PortStatistics) -> Option<bool> {
    let live = streams.live_mut().find(|live| live.port() == told.port)?;
    let news = live.strangers.grown_to(told.strangers);
    live.strangers.judge(now, news)
}

/// A second's figures of a port came: whether an alarm of jitter is raised or over with them.
pub(super) fn jittering(streams: &mut Streams, told: &PortStatistics) -> Option<bool> {
    streams.live_mut().find(|live| live.port() == told.port)?.jittering.judge(told)
}

/// Figures of a port came: whether an alarm of loss is raised or over with them.
pub(super) fn losing(streams: &mut Streams, now: Wall, told: &PortStatistics) -> Option<bool> {
    streams.live_mut().find(|live| live.port() == told.port)?.losing.judge(now, told)
}
