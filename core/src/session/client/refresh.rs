//! Session timers from the client's side (RFC 4028 7): asked for in the INVITE, kept as the 2xx says.

use alloc::format;
use core::time::Duration;

use super::call::{Alarm, Call};
use super::{Change, Context};
use crate::session::SHORTEST_INTERVAL;
use crate::sip::message::Message;

/// A BYE comes so much before the interval's end at most, seconds (RFC 4028 10).
const LEAD: u32 = 32;

impl Call {
    /// `Session-Expires` and `Min-SE` of a request of ours: we refresh.
    pub(super) fn ask_for_timer(&self, request: Message) -> Message {
        let Some(interval) = self.interval else { return request };
        let refresher = if self.peer_refreshes { "uas" } else { "uac" };
        let request = request.with("Session-Expires", format!("{};refresher={refresher}", interval.max(self.min_se)));
        if self.min_se > SHORTEST_INTERVAL { request.with("Min-SE", format!("{}", self.min_se)) } else { request }
    }

    /// A 422: the interval that it would take; whether there is one to try (RFC 4028 7.3).
    pub(super) fn too_small(&mut self, response: &Message) -> bool {
        let Some(least) = response.header("Min-SE").and_then(seconds) else { return false };
        let larger = self.interval.is_some_and(|interval| least > interval.max(self.min_se));
        self.min_se = self.min_se.max(least);
        larger
    }

    /// What the 2xx to a request of ours sets (RFC 4028 7.2).
    pub(super) fn timer_granted(&mut self, response: &Message, ctx: &mut Context<'_>) {
        let granted = response.header("Session-Expires");
        self.set_timer(granted, true, ctx);
    }

    /// What a request of theirs asks for: it is granted as it stands. The value for our 2xx.
    pub(super) fn timer_asked(&mut self, request: &Message, ctx: &mut Context<'_>) -> Option<alloc::string::String> {
        let asked = request.header("Session-Expires")?;
        let interval = seconds(asked)?;
        // Who sent the request refreshes, unless it would have us do so.
        let ours = asked.to_ascii_lowercase().contains("refresher=uas");
        self.set_timer(Some(asked), false, ctx);
        Some(format!("{interval};refresher={}", if ours { "uas" } else { "uac" }))
    }

    fn set_timer(&mut self, value: Option<&str>, request_was_ours: bool, ctx: &mut Context<'_>) {
        let (refresh, expire) = ((self.number, Alarm::Refresh), (self.number, Alarm::Expire));
        ctx.alarms.cancel(&refresh);
        ctx.alarms.cancel(&expire);
        let Some((value, interval)) = value.and_then(|value| Some((value, seconds(value)?))) else { return };
        let by_uac = !value.to_ascii_lowercase().contains("refresher=uas");
        self.peer_refreshes = by_uac != request_was_ours;
        self.interval = Some(interval);
        let now = ctx.now.monotonic;
        let after = |seconds: u32| now.after(Duration::from_secs(u64::from(seconds)));
        if self.peer_refreshes {
            ctx.alarms.set(expire, after(interval - LEAD.min(interval / 3)));
        } else {
            ctx.alarms.set(refresh, after(interval / 2));
        }
    }

    /// Half of the interval is over.
    pub(super) fn refresh(&mut self, ctx: &mut Context<'_>) {
        self.change(Change::Refresh, ctx);
    }
}

fn seconds(value: &str) -> Option<u32> {
    value.split(';').next()?.trim().parse().ok().filter(|seconds| *seconds > 0)
}
