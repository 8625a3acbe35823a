//! Bringing one element of a snapshot to what a document says of it.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::document::{Extension, NameId, ParticipantStreamAssoc};
use super::intervals::{Statement, append, close_all, settle};
use super::snapshot::{Contribution, Former, Interval, Membership, Participant, Stream};
use crate::time::Wall;

impl Participant {
    /// Takes over new names. Under another address it is somebody else from now on, and who it was is remembered.
    pub(super) fn rename(&mut self, names: &[NameId], at: Wall) {
        let address = |names: &[NameId]| names.first().map(|n| n.normalised.clone()).filter(|n| !n.is_empty());
        if let (Some(old), Some(new)) = (address(&self.names), address(names))
            && old != new
        {
            self.former.push(Former { names: core::mem::take(&mut self.names), until: at });
        }
        self.names = names.to_vec();
    }

    /// Everything about it ends.
    pub(super) fn leave(&mut self, at: Wall) {
        close_all(&mut self.intervals, at, None);
        for membership in &mut self.memberships {
            close_all(&mut membership.intervals, at, None);
        }
        self.contribute(&[], at);
    }

    /// Brings its membership of `session` to what a document says.
    pub(super) fn membership(&mut self, session: &str, said: &[Statement<'_>], params: &[(String, String)], at: Wall) {
        let place = self.memberships.iter().position(|m| m.session == session).unwrap_or_else(|| {
            let session = session.to_string();
            append(&mut self.memberships, Membership { session, intervals: Vec::new(), params: Vec::new() });
            self.memberships.len() - 1
        });
        let Some(membership) = self.memberships.get_mut(place) else { return };
        settle(&mut membership.intervals, said, at);
        if !params.is_empty() {
            membership.params = params.to_vec();
        }
    }

    /// Replaces what it sends and receives by what `assocs` say together (RFC 7865 6.8.1).
    pub(super) fn contribute(&mut self, assocs: &[&ParticipantStreamAssoc], at: Wall) {
        let going_on = || assocs.iter().filter(|a| a.disassociated.is_none());
        let send = union(going_on().map(|a| &a.send));
        let recv = union(going_on().map(|a| &a.recv));
        let said_from = going_on().find_map(|a| a.associated.clone());
        let said_to = assocs.iter().find_map(|a| a.disassociated.clone());
        if let Some(last) = self.contributions.last_mut().filter(|c| c.interval.is_open()) {
            if last.send == send && last.recv == recv {
                return;
            }
            last.interval.to = Some(at);
            last.interval.said_to = said_to;
        }
        if !send.is_empty() || !recv.is_empty() {
            let interval = Interval { from: at, to: None, said_from, said_to: None };
            append(&mut self.contributions, Contribution { send, recv, interval });
        }
    }
}

impl Stream {
    pub(super) fn close(&mut self, at: Wall) {
        if let Some(last) = self.bindings.last_mut().filter(|b| b.interval.is_open()) {
            last.interval.to = Some(at);
        }
    }
}

fn union<'a>(lists: impl Iterator<Item = &'a Vec<String>>) -> Vec<String> {
    let mut all: Vec<String> = lists.flatten().cloned().collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// A complete document says all of a vendor's data, a partial one what has changed, by name and parent.
pub(super) fn merge_extensions(known: &mut Vec<Extension>, new: &[Extension], complete: bool) {
    if complete {
        known.clear();
    }
    for extension in new {
        let is_same = |k: &Extension| {
            k.name == extension.name && k.namespace == extension.namespace && k.parent == extension.parent
        };
        if !complete {
            known.retain(|k| !is_same(k));
        }
        append(known, extension.clone());
    }
}

#[cfg(test)]
#[path = "renew_tests.rs"]
mod tests;
