//! Who took part, as the sheet tells it.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::lanes::Role;
use super::plan::Planner;
use super::ports::PortRecord;
use super::sheet::{self, CommunicationSession, Party};
use crate::metadata::{NameId, Participant, Snapshot};
use crate::time::Wall;

/// The metadata at the recording's end, seen from its communication session.
#[derive(Debug, Clone, Copy)]
pub(super) struct People<'p> {
    snapshot: &'p Snapshot,
    session: Option<&'p str>,
}

/// Caller and callee.
pub(super) type Ends<'p> = (Option<&'p Participant>, Option<&'p Participant>);

impl<'p> People<'p> {
    pub(super) fn of(planner: &'p Planner) -> Self {
        let snapshot = planner.scope.snapshot();
        let only = match snapshot.sessions.as_slice() {
            [only] => Some(only.id.as_str()),
            _ => None,
        };
        Self { snapshot, session: planner.scope.communication_session().or(only) }
    }

    /// Who called whom; `labels` in the order of m-lines.
    pub(super) fn ends(&self, labels: &[Option<String>]) -> Ends<'p> {
        self.snapshot.caller_callee(self.session, labels)
    }

    /// The communication session.
    pub(super) fn session(&self) -> Option<CommunicationSession> {
        let session = self.snapshot.session(self.session?)?;
        Some(CommunicationSession {
            id: session.id.clone(),
            sip_session_ids: session.sip_session_ids.clone(),
            group: session.group.clone(),
        })
    }

    /// The communication session's id.
    pub(super) fn session_id(&self) -> Option<&'p str> {
        self.session
    }

    /// Everybody of the session, in order of appearance; whom an id meant before stands before whom it means last.
    pub(super) fn sheets(&self) -> Vec<sheet::Participant> {
        let all = match self.session {
            Some(session) => self.snapshot.participants_of(session),
            None => self.snapshot.participants.iter().collect(),
        };
        all.into_iter().flat_map(|participant| self.sheets_of(participant)).collect()
    }

    fn sheets_of(&self, participant: &Participant) -> Vec<sheet::Participant> {
        let sheet = |names: &[NameId], from: Option<Wall>, to: Option<Wall>| {
            let who = named(names);
            sheet::Participant {
                id: participant.id.clone(),
                aor: who.aor,
                name: who.name,
                joined_at: from.map(Wall::rfc3339),
                left_at: to.map(Wall::rfc3339),
                labels: self.snapshot.labels_of(participant).into_iter().map(ToString::to_string).collect(),
            }
        };
        let mut from = participant.joined_at();
        let mut sheets = Vec::new();
        for former in &participant.former {
            sheets.push(sheet(&former.names, from, Some(former.until)));
            from = Some(former.until);
        }
        sheets.push(sheet(&participant.names, from, participant.left_at()));
        sheets
    }
}

/// A participant as one end of a call.
pub(super) fn party(participant: &Participant) -> Party {
    named(&participant.names)
}

fn named(names: &[NameId]) -> Party {
    Party {
        aor: names.first().map(|name| name.aor.clone()).unwrap_or_default(),
        name: names.iter().find_map(|name| name.display.clone()),
    }
}

/// Whose voice a line carries.
pub(super) fn role(record: &PortRecord, ends: Ends<'_>) -> Role {
    let sends = |end: Option<&Participant>| end.is_some_and(|end| record.senders.contains(&end.id));
    match (sends(ends.0), sends(ends.1)) {
        _ if record.is_mixed => Role::Mixed,
        (true, true) => Role::Other,
        (true, false) => Role::Caller,
        (false, true) => Role::Callee,
        (false, false) => Role::Other,
    }
}
