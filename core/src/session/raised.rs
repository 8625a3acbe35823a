//! Alarms of a session that stand: whoever goes on with it after a crash shows them, too.

use alloc::vec::Vec;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::recording_session::{Context, RecordingSession};
use super::srs::Srs;
use crate::entry::{Alarm, PortIndex};
use crate::seed::SessionId;
use crate::time::Wall;

/// Alarms that were raised and are not over, with their stream and since when.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Written>")]
pub(super) struct RaisedAlarms(Vec<(Alarm, Option<PortIndex>, Wall)>);

/// One, as a checkpoint has it. An older siprec that goes on with a call of a newer one does without those that it does not know.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Known((Alarm, Option<PortIndex>, Wall)),
    Newer(IgnoredAny),
}

impl From<Vec<Written>> for RaisedAlarms {
    fn from(written: Vec<Written>) -> Self {
        let known = |one| match one {
            Written::Known(alarm) => Some(alarm),
            Written::Newer(IgnoredAny) => None,
        };
        Self(written.into_iter().filter_map(known).collect())
    }
}

impl RaisedAlarms {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One is raised or over. One that is raised again stands since the first time.
    pub(super) fn note(&mut self, alarm: Alarm, port: Option<PortIndex>, at: Wall, is_raised: bool) {
        let place = self.0.iter().position(|(known, of, _)| (*known, *of) == (alarm, port));
        match (place, is_raised) {
            (None, true) => self.0.push((alarm, port, at)),
            (Some(place), false) => drop(self.0.remove(place)),
            (Some(_), true) | (None, false) => {}
        }
    }

    /// Leaves out what is found out anew after a restart: nobody would ever say that it is over.
    pub(super) fn restored(&mut self) {
        self.0.retain(|(alarm, ..)| *alarm != Alarm::Undecryptable);
    }
}

impl RecordingSession {
    /// Alarms of streams that are gone are over.
    pub(super) fn clear_alarms_of_gone(&mut self, ctx: &mut Context<'_>) {
        let streams = &self.state.streams;
        let is_gone = |port: PortIndex| !streams.live().any(|live| live.port() == port);
        let of_gone = self.state.raised.0.iter().filter(|(_, port, _)| port.is_some_and(is_gone));
        let of_gone: Vec<_> = of_gone.map(|(alarm, port, _)| (*alarm, *port)).collect();
        for (alarm, port) in of_gone {
            self.alarm(alarm, port, false, ctx);
        }
    }
}

impl Srs {
    /// Alarms that stand, of all sessions: their stream, and since when.
    pub fn raised(&self) -> impl Iterator<Item = (SessionId, Alarm, Option<PortIndex>, Wall)> {
        self.sessions.values().flat_map(|dialog| {
            dialog.state.raised.0.iter().map(|(alarm, port, since)| (dialog.id(), *alarm, *port, *since))
        })
    }
}
