//! How things are, for who asks from another thread: the signalling thread answers, a page of sessions at a time.

use std::collections::BTreeMap;

use siprec_core::seed::SessionId;
use siprec_core::session::Portrait;
use tokio::sync::oneshot;

use super::live::Beside;
use super::signalling::Signalling;
use crate::archive::journal::Figures;

/// Sessions that are shown in one go: a call that is set up meanwhile waits for so many.
pub(super) const PAGE: usize = 128;

/// What somebody wants to see, and where to.
#[derive(Debug)]
pub(super) enum Show {
    /// A session.
    Session(SessionId, oneshot::Sender<Option<Shown>>),
    /// At most [`PAGE`] sessions, of those that come after this one.
    Sessions(Option<SessionId>, oneshot::Sender<Vec<Shown>>),
    /// Whether new sessions are taken.
    Health(oneshot::Sender<Health>),
    /// What is counted of all sessions, which takes a look at each.
    Figures(oneshot::Sender<AllFigures>),
    /// That all that was ordered so far is in the journal: no end of the process undoes it.
    Written(oneshot::Sender<()>),
}

/// A session that goes on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shown {
    pub(super) portrait: Portrait,
    pub(super) beside: Beside,
}

/// Whether new sessions are taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Health {
    /// What refuses new ones: `Disk Full`, `Disk Too Slow`.
    pub(super) pressure: Option<&'static str>,
    /// The server stops when the last session has ended.
    pub(super) draining: bool,
}

/// What is counted of all sessions.
#[derive(Debug, Clone)]
pub(super) struct AllFigures {
    pub(super) health: Health,
    /// Dialogs that are known.
    pub(super) dialogs: usize,
    /// What of the disk is left, octets; none where it does not say.
    pub(super) free: Option<u64>,
    /// Sessions under each row of `peers`; none: under no row.
    pub(super) by_peer: BTreeMap<Option<String>, usize>,
    /// How the journal does.
    pub(super) journal: Figures,
    /// Sessions whose recordings are still to be made.
    pub(super) unfinished: usize,
}

impl Show {
    /// Answers; who has stopped waiting need not know.
    pub(super) fn answer(self, signalling: &mut Signalling, draining: bool) {
        let board = &signalling.board;
        let health = Health { pressure: signalling.pressure, draining };
        let shown = |portrait: Portrait| Shown { beside: board.beside(portrait.session), portrait };
        match self {
            Self::Written(to) => signalling.tell_when_written(to),
            Self::Session(session, to) => {
                let _ = to.send(signalling.srs.portrait(session).map(shown));
            }
            Self::Sessions(after, to) => {
                let _ = to.send(signalling.srs.portraits(after, PAGE).into_iter().map(shown).collect());
            }
            Self::Health(to) => {
                let _ = to.send(health);
            }
            Self::Figures(to) => {
                let free = signalling.disk.free_space(&signalling.data).ok();
                let dialogs = signalling.srs.sessions();
                let (by_peer, journal) = (signalling.srs.sessions_by_peer(), signalling.writer.figures());
                let (waiting, later) = signalling.finishing.renderers().backlog();
                let unfinished = waiting + later;
                let _ = to.send(AllFigures { health, dialogs, free, by_peer, journal, unfinished });
            }
        }
    }
}
