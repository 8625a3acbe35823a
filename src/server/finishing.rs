//! From the end of a recording to its rendering: first all of it must lie in the journal.
//!
//! ```text
//! recording ended -> workers flush the session -> the writer has written it -> (session over: journal closed) -> renderers
//! ```

use std::collections::{HashMap, HashSet};

use siprec_core::seed::SessionId;

use super::media::Workers;
use super::turn::Turn;
use crate::archive::journal::Writer;
use crate::archive::renderers::Renderers;

/// Sessions of which something has ended.
#[derive(Debug)]
pub(super) struct Finishing {
    renderers: Renderers,
    sessions: HashMap<SessionId, Stage>,
    /// Those of which nothing has ended: keys came.
    by_key: HashSet<SessionId>,
    asked_again: Turn,
}

/// How far one has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Noted; the workers are asked next.
    Noted { over: bool },
    /// The workers hand over what they have.
    Flushing { over: bool },
    /// Rendered once this ticket is written.
    Writing { over: bool, ticket: u64 },
}

impl Finishing {
    pub(super) fn new(renderers: Renderers) -> Self {
        Self { renderers, sessions: HashMap::new(), by_key: HashSet::new(), asked_again: Turn::default() }
    }

    /// A recording has ended, or with `over` the whole session.
    pub(super) fn note(&mut self, session: SessionId, over: bool) {
        self.by_key.remove(&session);
        let was_over = matches!(self.sessions.get(&session), Some(Stage::Noted { over: true }));
        self.sessions.insert(session, Stage::Noted { over: over || was_over });
    }

    /// Keys came in a session: what is made of it already may have packets that they open.
    pub(super) fn key_came(&mut self, session: SessionId) {
        if !self.renderers.waits_for_key(session) {
            return;
        }
        match self.sessions.get(&session) {
            // It comes with that.
            Some(Stage::Noted { .. } | Stage::Flushing { over: true } | Stage::Writing { over: true, .. }) => {}
            Some(Stage::Flushing { over: false } | Stage::Writing { over: false, .. }) => self.note(session, false),
            None => {
                self.note(session, false);
                self.by_key.insert(session);
            }
        }
    }

    /// Asks the workers for what they have of the sessions noted.
    pub(super) fn ask(&mut self, workers: &Workers) {
        for (session, stage) in &mut self.sessions {
            if let Stage::Noted { over } = *stage {
                *stage = Stage::Flushing { over };
                if over {
                    workers.close_session(*session);
                } else {
                    workers.flush(*session);
                }
            }
        }
    }

    /// The workers have handed over all of a session that had arrived.
    pub(super) fn flushed(&mut self, session: SessionId, writer: &Writer) {
        if let Some(stage) = self.sessions.get_mut(&session)
            && let Stage::Flushing { over } = *stage
        {
            let ticket = if over { writer.close(session) } else { writer.flush(session) };
            *stage = Stage::Writing { over, ticket };
        }
        self.written(writer);
    }

    /// The journal has been written on: what is complete goes to the renderers.
    pub(super) fn written(&mut self, writer: &Writer) {
        let written = writer.written();
        let complete = |stage: &Stage| matches!(stage, Stage::Writing { ticket, .. } if *ticket <= written);
        let Self { renderers, sessions, by_key, .. } = self;
        sessions.retain(|session, stage| {
            let is_complete = complete(stage);
            if is_complete && by_key.remove(session) {
                renderers.look_again(*session);
            } else if is_complete {
                renderers.submit(*session);
            }
            !is_complete
        });
    }

    /// Whether all that has ended is made, but for what failed and is tried again.
    pub(super) fn is_idle(&self) -> bool {
        self.sessions.is_empty() && self.renderers.backlog().0 == 0
    }

    /// The turn of looking for what is to be made again.
    pub(super) fn asked_again(&self) -> &Turn {
        &self.asked_again
    }

    /// The renderers, for what recovery found.
    pub(super) fn renderers(&self) -> &Renderers {
        &self.renderers
    }
}
