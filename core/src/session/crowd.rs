//! Streams of strangers that carry no call: so many from one address, so many together, and none for ever.
//!
//! ```text
//! accepted -> of a peer? --no--> counted --its call begins--> not counted --its call is over--> counted again
//!                                   |  nothing whole was heard in time, or there are too many
//!                                   +--> closed
//! ```
//! What they hold is never what peers, or calls, are to have.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use super::admission::{Reason, site};
use super::srs::{Srs, Timer};
use super::{Output, limits};
use crate::sip::{ConnectionId, Flow};
use crate::time::Now;

/// How often streams are looked at.
const LOOK: Duration = Duration::from_secs(4);

/// How many streams of strangers are counted.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    of_each: BTreeMap<IpAddr, usize>,
    together: usize,
}

impl Crowd {
    /// Counts one more from `address`, unless there are too many.
    fn take(&mut self, address: IpAddr) -> bool {
        let of_this = self.of_each.get(&site(address)).copied().unwrap_or(0);
        if self.together >= limits::MAX_STRANGE_STREAMS || of_this >= limits::MAX_STRANGE_STREAMS_EACH {
            return false;
        }
        self.together += 1;
        self.of_each.insert(site(address), of_this + 1);
        true
    }

    fn give_back(&mut self, address: IpAddr) {
        let site = site(address);
        let Some(count) = self.of_each.get_mut(&site) else { return };
        self.together -= 1;
        *count -= 1;
        if *count == 0 {
            self.of_each.remove(&site);
        }
    }
}

impl Srs {
    /// Whether a stream that was accepted may stay; one of a stranger is counted from now on.
    pub(super) fn finds_room(&mut self, now: Now, flow: &Flow) -> bool {
        let found = self.connections.len() < limits::MAX_CONNECTIONS && self.crowd.take(flow.remote.ip());
        if found {
            self.look_at_streams_later(now);
        } else {
            self.keep_out(now, flow, Reason::Streams);
        }
        found
    }

    /// Something whole came on a stream; `call_id` is what it belongs to.
    pub(super) fn heard_on(&mut self, now: Now, id: ConnectionId, call_id: Option<&str>) {
        let carries = call_id.is_some_and(|call_id| {
            let sessions = self.sessions_of_call(call_id).iter().filter_map(|session| self.sessions.get(session));
            sessions.into_iter().any(|session| session.state.flow.connection == Some(id))
        });
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.heard = now.monotonic;
        connection.is_silent = false;
        if carries && core::mem::take(&mut connection.is_counted) {
            self.crowd.give_back(connection.flow.remote.ip());
        }
    }

    /// A stream is no longer there.
    pub(super) fn leaves_crowd(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.remove(&id)
            && connection.is_counted
        {
            self.crowd.give_back(connection.flow.remote.ip());
        }
    }

    /// A stranger asked for more than it may on a stream: who goes on so loses it.
    pub(super) fn asked_too_much(&mut self, now: Now, flow: &Flow) {
        let Some(id) = flow.connection else { return };
        let Some(connection) = self.connections.get_mut(&id).filter(|connection| connection.is_strange) else { return };
        connection.excess += 1;
        if connection.excess > limits::MAX_EXCESS {
            self.close_stream(now, id);
        }
    }

    /// What is queued for a stream goes out, and then it is closed.
    pub(super) fn close_stream(&mut self, now: Now, id: ConnectionId) {
        self.drain_transactions(now);
        self.out.push_back(Output::CloseConnection { id });
        self.leaves_crowd(id);
    }

    fn look_at_streams_later(&mut self, now: Now) {
        if self.timers.deadline(&Timer::Streams).is_none() {
            self.timers.set(Timer::Streams, now.monotonic.after(LOOK));
        }
    }

    /// Closes the streams of strangers that have said nothing whole for too long, and counts those again whose calls are
    /// over.
    pub(super) fn look_at_streams(&mut self, now: Now) {
        let in_use: BTreeSet<ConnectionId> =
            self.sessions.values().filter_map(|session| session.state.flow.connection).collect();
        let Self { connections, crowd, .. } = self;
        let strange = connections.iter_mut().filter(|(id, c)| c.is_strange && !in_use.contains(id));
        let over: Vec<ConnectionId> = strange
            .filter_map(|(id, connection)| {
                let patience = if connection.is_silent { limits::SILENT_STREAM } else { limits::IDLE_STREAM };
                let is_late = now.monotonic.since(connection.heard) >= patience;
                connection.is_counted = connection.is_counted || crowd.take(connection.flow.remote.ip());
                (is_late || !connection.is_counted).then_some(*id)
            })
            .collect();
        for id in over {
            let silent = self.connections.get(&id).filter(|connection| connection.is_silent);
            if let Some(flow) = silent.map(|connection| connection.flow.clone()) {
                self.keep_out(now, &flow, Reason::Streams);
            }
            self.close_stream(now, id);
        }
        if self.connections.values().any(|connection| connection.is_strange) {
            self.look_at_streams_later(now);
        }
    }
}
