//! What the server writes in the audit log: its start, its configuration, its orders, its end. On a thread of its own, since
//! nobody waits for the disk.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use siprec_core::session::Order;

use super::orders::Wish;
use crate::archive::audit::{Act, Action, Audit, Origin};
use crate::archive::disk::Disk;
use crate::archive::proof_key::ProofKey;
use crate::config::{self, Loaded};

/// Entries that wait for a disk that stalls; what comes on top is lost, and said so in the server's own log.
const WAITING: usize = 1024;
/// A disk that stalls holds up the end for so long.
const PATIENCE: Duration = Duration::from_secs(5);

/// Has entries written, from any thread.
#[derive(Debug, Clone)]
pub(super) struct Pen(SyncSender<Option<Act>>);

impl Pen {
    /// Has an entry written, as soon as the disk does.
    pub(super) fn tell(&self, act: Act) {
        match self.0.try_send(Some(act)) {
            Ok(()) => {}
            Err(TrySendError::Full(act) | TrySendError::Disconnected(act)) => {
                tracing::error!(?act, "the audit log does not keep up: this is not in it");
            }
        }
    }
}

/// The thread that writes.
#[derive(Debug)]
pub(super) struct Auditing {
    acts: Pen,
    /// Ends when all is written.
    written: Receiver<()>,
}

impl Auditing {
    /// Begins, with the entries of a start.
    pub(super) fn start(disk: &Arc<dyn Disk>, data: &Path, loaded: &Loaded) -> anyhow::Result<Self> {
        let audit = Audit::new(Arc::clone(disk), data, Arc::new(ProofKey::load(data)?), Origin::server());
        let (acts, arriving) = sync_channel(WAITING);
        let (done, written) = sync_channel(1);
        let write = move || {
            write(&audit, &arriving);
            // Who has stopped waiting need not know.
            let _ = done.send(());
        };
        std::thread::Builder::new().name("audit".into()).spawn(write)?;
        let auditing = Self { acts: Pen(acts), written };
        auditing.tell(Act::new(Action::Started).with("version", env!("CARGO_PKG_VERSION")));
        auditing.configured(loaded);
        Ok(auditing)
    }

    /// This configuration is in force now.
    pub(super) fn configured(&self, loaded: &Loaded) {
        let version = env!("CARGO_PKG_VERSION");
        self.tell(Act::new(Action::Configured).with("version", version).with("sha256", config::digest(loaded)));
    }

    /// Somebody wants something; written before it is done, as far as the disk keeps up.
    pub(super) fn wished(&self, wish: &Wish) {
        if let Some(act) = act(wish) {
            self.tell(act);
        }
    }

    pub(super) fn tell(&self, act: Act) {
        self.acts.tell(act);
    }

    /// For who writes from a thread of its own.
    pub(super) fn pen(&self) -> Pen {
        self.acts.clone()
    }

    /// Writes what waits, and that the server stops.
    pub(super) fn stop(self, why: &str) {
        self.tell(Act::new(Action::Stopped).with("why", why));
        // Other threads may have a pen still.
        let _ = self.acts.0.try_send(None);
        if self.written.recv_timeout(PATIENCE).is_err() {
            tracing::error!("the disk stalls: the last entries are not in the audit log");
        }
    }
}

fn write(audit: &Audit, acts: &Receiver<Option<Act>>) {
    while let Ok(Some(act)) = acts.recv() {
        let told = act.clone();
        if let Err(error) = audit.append(act) {
            tracing::error!(%error, act = ?told, "this is not in the audit log");
        }
    }
}

/// What is written of a wish. An address that is called is a number: it is left out.
fn act(wish: &Wish) -> Option<Act> {
    let of = |action| Some(Act::new(action));
    match wish {
        #[cfg(feature = "api")]
        Wish::Ordered(order, origin) => ordered(order).map(|act| act.by(origin.clone())),
        #[cfg(feature = "api")]
        Wish::Begin(begin, _) => of(Action::Started).map(|act| act.with("session", "without SIP").by(begin.1.clone())),
        Wish::Order(order) => ordered(order),
        Wish::Record(_) => of(Action::Started).map(|act| act.with("asked", "an SRC, for a session")),
        Wish::Listen { session, origin, .. } => {
            let act = Act::new(Action::Heard).session(*session);
            Some(origin.iter().cloned().fold(act, Act::by))
        }
        Wish::Show(_) | Wish::ShutDown => None,
    }
}

fn ordered(order: &Order) -> Option<Act> {
    let of = |action| Some(Act::new(action));
    match order {
        Order::Stop(session) => Some(Act::new(Action::Stopped).session(*session)),
        Order::Pause { session, tell_src, at_most } => {
            let act = Act::new(Action::Paused).session(*session).with("tell_src", tell_src);
            Some(at_most.iter().fold(act, |act, at_most| act.with("at_most_s", at_most.as_secs())))
        }
        Order::Resume(session) => Some(Act::new(Action::Resumed).session(*session)),
        Order::TakeBack { session, port } => Some(Act::new(Action::Stopped).session(*session).with("stream", port.0)),
        Order::Tag { session, .. } => Some(Act::new(Action::Tagged).session(*session)),
        Order::HoldOff(true) => of(Action::Paused).map(|act| act.with("sessions", "new")),
        Order::HoldOff(false) => of(Action::Resumed).map(|act| act.with("sessions", "new")),
        Order::Drain(true) => of(Action::Drained),
        Order::Drain(false) => of(Action::Resumed).map(|act| act.with("drained", false)),
        Order::End(..) | Order::RequestSnapshot(_) | Order::Record { .. } | Order::Checkpoint => None,
    }
}
