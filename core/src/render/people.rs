//! Who took part, as the sheet tells it.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::lanes::Role;
use super::plan::Planner;
use super::ports::PortRecord;
use super::sheet::{self, CommunicationSession, Party};
use crate::metadata::{NameId, Participant, Snapshot, Span};
use crate::time::Wall;

/// The metadata at the recording's end, seen from its communication session.
#[derive(Debug, Clone, Copy)]
pub(super) struct People<'p> {
    snapshot: &'p Snapshot,
    session: Option<&'p str>,
    /// From its start to its end.
    recording: Span,
}

/// Caller and callee.
pub(super) type Ends<'p> = (Option<&'p Participant>, Option<&'p Participant>);

impl<'p> People<'p> {
    pub(super) fn of(planner: &'p Planner) -> Self {
        let snapshot = planner.scope.snapshot();
        let recording = planner.scope.span();
        let only = match snapshot.sessions.as_slice() {
            // One that was over before is not what was recorded.
            [only] if only.is_within(recording) => Some(only.id.as_str()),
            _ => None,
        };
        Self { snapshot, session: planner.scope.communication_session().or(only), recording }
    }

    /// Who called whom; `labels` in the order of m-lines.
    pub(super) fn ends(&self, labels: &[Option<String>]) -> Ends<'p> {
        let (caller, callee) = self.snapshot.caller_callee(self.session, labels);
        (caller.filter(|p| self.was_there(p)), callee.filter(|p| self.was_there(p)))
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

    fn was_there(&self, participant: &Participant) -> bool {
        self.session.is_some() || participant.is_within(self.recording)
    }

    /// Everybody of the session, in order of appearance; whom an id meant before stands before whom it means last.
    /// `heard` are the lines' labels and who was heard there.
    pub(super) fn sheets(&self, heard: &[(&str, &[String])]) -> Vec<sheet::Participant> {
        let all = match self.session {
            Some(session) => self.snapshot.participants_of(session),
            None => self.snapshot.participants.iter().filter(|participant| self.was_there(participant)).collect(),
        };
        all.into_iter().flat_map(|participant| self.sheets_of(participant, heard)).collect()
    }

    fn sheets_of(&self, participant: &Participant, heard: &[(&str, &[String])]) -> Vec<sheet::Participant> {
        let mut labels = self.snapshot.labels_of(participant, self.session);
        // Whom nobody named as a sender was taken by the order, while the order could tell.
        for (label, senders) in heard {
            let is_guessed = !self.snapshot.sends_are_named && senders.contains(&participant.id);
            if is_guessed && !labels.contains(label) {
                labels.push(label);
            }
        }
        let sheet = |names: &[NameId], from: Option<Wall>, to: Option<Wall>| {
            let who = named(names);
            sheet::Participant {
                id: participant.id.clone(),
                aor: who.aor,
                name: who.name,
                joined_at: from.map(Wall::rfc3339),
                left_at: to.map(Wall::rfc3339),
                labels: labels.iter().map(ToString::to_string).collect(),
            }
        };
        let stay = self.snapshot.stay(participant, self.session);
        let (mut from, to) = (stay.map(|stay| stay.0), stay.and_then(|stay| stay.1));
        // Whom the id meant before it was in this session, and whom after, is nobody of it.
        let names = participant.former.iter().map(|former| (&former.names, Some(former.until)));
        let all: Vec<_> = names.chain([(&participant.names, None)]).collect();
        let before = |until: Option<Wall>| until.is_some_and(|until| from.is_some_and(|from| until <= from));
        let first = all.iter().position(|(_, until)| !before(*until)).unwrap_or(0);
        let mut sheets = Vec::new();
        for (names, until) in all.into_iter().skip(first) {
            let is_last = until.is_none_or(|until| to.is_some_and(|to| until >= to));
            sheets.push(sheet(names, from, if is_last { to } else { until }));
            if is_last {
                break;
            }
            from = until;
        }
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
