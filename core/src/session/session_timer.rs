//! Session timers (RFC 4028): who refreshes a session, and by when it would be over if nobody did.
//!
//! ```text
//! INVITE, UPDATE of theirs -> Asked -> too_small | grant -> 2xx      2xx to ours -> granted
//!                                         \------------ SessionTimer ------------/
//! ```
//! A missed refresh is no end of its own here: what it costs is decided by who looks at the media.

use alloc::format;
use alloc::string::String;
use core::time::Duration;
use serde::{Deserialize, Serialize};

use crate::sip::check::Rejection;
use crate::sip::message::Message;
use crate::time::Wall;

/// No interval is shorter (RFC 4028 4).
pub const SHORTEST_INTERVAL: u32 = 90;
/// The most that a BYE comes before the interval's end (RFC 4028 10).
const LONGEST_LEAD: u32 = 32;

/// How session timers are dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTimers {
    /// Shorter intervals are refused with 422; seconds, 90 at least.
    pub min_se: u32,
    /// Asked of SRCs that support session timers and name no interval, seconds; we refresh. `None`: nothing is asked.
    pub interval: Option<u32>,
}

impl Default for SessionTimers {
    fn default() -> Self {
        Self { min_se: SHORTEST_INTERVAL, interval: None }
    }
}

/// Who refreshes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Refresher {
    /// We do.
    Srs,
    /// The SRC does.
    Src,
}

/// A session's timer, as the last 2xx set it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SessionTimer {
    pub(super) refresher: Refresher,
    /// Seconds.
    pub(super) interval: u32,
    /// When that 2xx left, or came.
    refreshed: Wall,
    /// Our next refresh, if it is ours to do.
    pub(super) next_refresh: Option<Wall>,
    /// Its expiry is known and told.
    pub(super) expired: bool,
}

impl SessionTimer {
    fn new(refresher: Refresher, interval: u32, now: Wall) -> Self {
        let mut timer = Self { refresher, interval, refreshed: now, next_refresh: None, expired: false };
        timer.refresh_after(interval / 2, now);
        timer
    }

    /// When the session is over unless it is refreshed: the refresher has until the end, who waits for it a little
    /// less (RFC 4028 10).
    pub(super) fn expiry(&self) -> Wall {
        let lead = match self.refresher {
            Refresher::Srs => 0,
            Refresher::Src => LONGEST_LEAD.min(self.interval / 3),
        };
        self.refreshed.after(seconds(self.interval - lead))
    }

    /// Our next refresh is due `wait` seconds from `now`.
    pub(super) fn refresh_after(&mut self, wait: u32, now: Wall) {
        self.next_refresh = (self.refresher == Refresher::Srs).then(|| now.after(seconds(wait)));
    }

    /// The same from now on: the SRC's 2xx does not speak of it, and the refresher may go on for its own benefit (RFC
    /// 4028 7.2). SRCs leave it out and still expect to be refreshed.
    pub(super) fn renewed(&self, now: Wall) -> Option<Self> {
        (self.refresher == Refresher::Srs).then(|| Self::new(Refresher::Srs, self.interval, now))
    }

    /// When something is to be done.
    pub(super) fn deadline(&self) -> Option<Wall> {
        let expiry = (!self.expired).then(|| self.expiry());
        [expiry, self.next_refresh].into_iter().flatten().min()
    }

    /// `Session-Expires` of our 2xx to the SRC's request.
    pub(super) fn in_response(&self) -> String {
        let refresher = match self.refresher {
            Refresher::Srs => "uas",
            Refresher::Src => "uac",
        };
        format!("{};refresher={refresher}", self.interval)
    }

    /// `Session-Expires` of a request of ours: the roles stay as they are (RFC 4028 7.4).
    pub(super) fn in_request(&self, min_se: u32) -> String {
        let refresher = match self.refresher {
            Refresher::Srs => "uac",
            Refresher::Src => "uas",
        };
        format!("{};refresher={refresher}", self.interval.max(min_se))
    }
}

/// What a request, or a 2xx, says of session timers. What cannot be read is not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    interval: Option<u32>,
    /// `refresher=uac`: true.
    by_uac: Option<bool>,
    pub(super) min_se: u32,
    pub(super) supported: bool,
}

/// The shortest interval that a message allows, seconds (RFC 4028 5).
pub(super) fn min_se(message: &Message) -> u32 {
    let named = message.header("Min-SE").and_then(|v| delta_seconds(v.split(';').next().unwrap_or("")));
    named.unwrap_or(SHORTEST_INTERVAL).max(SHORTEST_INTERVAL)
}

impl Asked {
    pub(super) fn of(message: &Message) -> Self {
        let mut parts = message.header("Session-Expires").unwrap_or("").split(';').map(str::trim);
        let interval = parts.next().and_then(delta_seconds);
        let by_uac = parts.find_map(|param| {
            let (name, value) = param.split_once('=')?;
            let value = value.trim();
            let known = value.eq_ignore_ascii_case("uac") || value.eq_ignore_ascii_case("uas");
            (name.trim().eq_ignore_ascii_case("refresher") && known).then(|| value.eq_ignore_ascii_case("uac"))
        });
        Self { interval, by_uac, min_se: min_se(message), supported: message.supports("timer") }
    }

    /// The refusal of an interval that is too short, where the SRC would understand it (RFC 4028 9).
    pub(super) fn too_small(&self, policy: SessionTimers) -> Option<Rejection> {
        let least = policy.min_se.max(SHORTEST_INTERVAL);
        let short = self.supported && self.interval.is_some_and(|interval| interval < least);
        short.then(|| {
            let mut rejection = Rejection::new(422, "Session Interval Too Small", "RFC 4028 6");
            rejection.headers.push(("Min-SE", format!("{least}")));
            rejection
        })
    }

    /// The timer that our 2xx to this request sets (RFC 4028 9, table 2). A request that says nothing leaves a running
    /// timer as it is.
    pub(super) fn grant(
        &self,
        running: Option<&SessionTimer>,
        policy: SessionTimers,
        now: Wall,
    ) -> Option<SessionTimer> {
        let (interval, refresher) = match (self.interval, self.by_uac) {
            // Below the minimum, and nobody there to understand a 422: a proxy's word, passed over.
            (Some(interval), _) if interval < SHORTEST_INTERVAL => return None,
            (Some(interval), Some(false)) => (interval, Refresher::Srs),
            (Some(interval), _) if self.supported => (interval, Refresher::Src),
            (Some(interval), _) => (interval, Refresher::Srs),
            (None, _) => match running {
                Some(running) if self.supported || running.refresher == Refresher::Srs => {
                    (running.interval, running.refresher)
                }
                Some(_) => return None,
                None => (policy.interval.filter(|_| self.supported)?.max(self.min_se), Refresher::Srs),
            },
        };
        Some(SessionTimer::new(refresher, interval, now))
    }

    /// The timer that the SRC's 2xx to a request of ours sets, if it speaks of one (RFC 4028 7.2).
    pub(super) fn granted(&self, now: Wall) -> Option<SessionTimer> {
        let refresher = if self.by_uac == Some(false) { Refresher::Src } else { Refresher::Srs };
        Some(SessionTimer::new(refresher, self.interval?.max(SHORTEST_INTERVAL), now))
    }
}

fn delta_seconds(text: &str) -> Option<u32> {
    let text = text.trim();
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u32::MAX))
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Wall = Wall(0);

    fn asked(headers: &str) -> Asked {
        let text = format!("UPDATE sip:srs@b SIP/2.0\r\n{headers}\r\n");
        Asked::of(&Message::parse_datagram(text.as_bytes()).unwrap())
    }

    fn granted(headers: &str, policy: SessionTimers) -> Option<String> {
        asked(headers).grant(None, policy, NOW).map(|timer| timer.in_response())
    }

    #[test]
    fn the_refresher_is_chosen_as_table_2_says() {
        let policy = SessionTimers::default();
        for (headers, response) in [
            ("Session-Expires: 1800\r\n", "1800;refresher=uas"),
            ("Session-Expires: 1800;refresher=uas\r\n", "1800;refresher=uas"),
            ("Session-Expires: 1800\r\nSupported: timer\r\n", "1800;refresher=uac"),
            ("x: 1800 ; Refresher=UAC\r\nk: timer\r\n", "1800;refresher=uac"),
            ("Session-Expires: 90;refresher=uas;x=y\r\nSupported: 100rel, timer\r\n", "90;refresher=uas"),
            ("Session-Expires: 99999999999\r\nRequire: timer\r\n", "4294967295;refresher=uac"),
        ] {
            assert_eq!(granted(headers, policy).as_deref(), Some(response), "{headers}");
        }
        for headers in ["", "Supported: timer\r\n", "Session-Expires: soon\r\nSupported: timer\r\n", "x: 30\r\n"] {
            assert_eq!(granted(headers, policy), None, "{headers}");
        }
    }

    #[test]
    fn we_ask_only_those_who_understand_and_never_below_their_minimum() {
        let policy = SessionTimers { min_se: 90, interval: Some(600) };
        assert_eq!(granted("Supported: timer\r\n", policy).as_deref(), Some("600;refresher=uas"));
        assert_eq!(granted("Supported: timer\r\nMin-SE: 900\r\n", policy).as_deref(), Some("900;refresher=uas"));
        assert_eq!(granted("", policy), None);
    }

    #[test]
    fn too_short_an_interval_is_refused_to_who_understands_it() {
        let policy = SessionTimers { min_se: 300, interval: None };
        let refused = |headers: &str| asked(headers).too_small(policy).map(|r| (r.status, r.headers));
        assert_eq!(
            refused("Session-Expires: 299\r\nSupported: timer\r\n"),
            Some((422, [("Min-SE", String::from("300"))].to_vec()))
        );
        assert_eq!(refused("Session-Expires: 300\r\nSupported: timer\r\n"), None);
        assert_eq!(refused("Session-Expires: 120\r\n"), None, "an old SRC behind a proxy");
    }

    #[test]
    fn who_waits_gives_up_before_the_end_and_who_refreshes_starts_at_half() {
        let timer = asked("Session-Expires: 1800\r\nSupported: timer\r\n").grant(None, SessionTimers::default(), NOW);
        assert_eq!(timer.as_ref().and_then(SessionTimer::deadline), Some(NOW.after(seconds(1768))));
        let timer = asked("Session-Expires: 90\r\nSupported: timer\r\n").grant(None, SessionTimers::default(), NOW);
        assert_eq!(timer.as_ref().and_then(SessionTimer::deadline), Some(NOW.after(seconds(60))));
        let ours = asked("Session-Expires: 90;refresher=uac\r\n").granted(NOW).unwrap();
        assert_eq!((ours.deadline(), ours.expiry()), (Some(NOW.after(seconds(45))), NOW.after(seconds(90))));
        assert_eq!(ours.in_request(120), "120;refresher=uac");
        assert_eq!(asked("").granted(NOW), None);
    }

    #[test]
    fn a_request_that_says_nothing_leaves_the_timer_to_who_keeps_it() {
        let policy = SessionTimers::default();
        let theirs = asked("Session-Expires: 1800\r\nSupported: timer\r\n").grant(None, policy, NOW);
        let later = Wall(5);
        let kept = asked("Supported: timer\r\n").grant(theirs.as_ref(), policy, later).unwrap();
        assert_eq!((kept.refresher, kept.interval, kept.refreshed), (Refresher::Src, 1800, later));
        assert_eq!(asked("").grant(theirs.as_ref(), policy, later), None);
        let ours = asked("Session-Expires: 1800\r\n").grant(None, policy, NOW);
        assert_eq!(asked("").grant(ours.as_ref(), policy, later).map(|t| t.refresher), Some(Refresher::Srs));
    }
}
