//! What an operator, or the program around, asks of the server.

use super::Order;
use super::srs::Srs;
use crate::entry::EndCause;
use crate::seed::SessionId;
use crate::time::Now;

impl Srs {
    /// Does as it is told; an order for a session that is over does nothing.
    pub(super) fn order(&mut self, now: Now, order: &Order) {
        match order {
            Order::Stop(id) => self.of_each(*id, |srs, id| srs.end(now, id, EndCause::Operator, true)),
            Order::End(id, cause) => self.of_each(*id, |srs, id| srs.end(now, id, *cause, false)),
            Order::Pause { session, tell_src, at_most } => self.of_each(*session, |srs, id| {
                let ends = at_most.map(|length| now.wall.after(length));
                srs.with_session(now, id, |session, ctx| session.pause(true, *tell_src, ends, ctx));
            }),
            Order::Resume(id) => self.of_each(*id, |srs, id| {
                srs.with_session(now, id, |session, ctx| session.pause(false, false, None, ctx));
            }),
            Order::TakeBack { session, port } => {
                let dialog = self.dialog_with(*session, *port);
                self.with_session(now, dialog, |session, ctx| session.take_back(*port, ctx));
            }
            Order::Tag { session, add, remove } => {
                self.with_session(now, self.first_of(*session), |session, ctx| session.tag(add, remove, ctx));
            }
            Order::HoldOff(holds_off) => self.holds_off = *holds_off,
            Order::RequestSnapshot(id) => {
                self.with_session(now, self.first_of(*id), |session, ctx| session.order_snapshot(ctx));
            }
            Order::Record { uri, flow } => self.record(now, uri, flow.clone()),
            Order::Drain(draining) => self.draining = *draining,
            Order::Checkpoint => {
                self.ids().into_iter().for_each(|id| self.checkpoint(now, id));
            }
        }
    }

    /// Does the same to each dialog of a session.
    fn of_each(&mut self, session: SessionId, f: impl Fn(&mut Self, SessionId)) {
        self.dialogs_of(session).into_iter().for_each(|dialog| f(self, dialog));
    }
}
