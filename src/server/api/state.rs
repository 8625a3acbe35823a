//! What requests are answered from.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use siprec_core::seed::SessionId;
use tokio::sync::{oneshot, watch};

use super::auth::Auth;
use super::event_log::EventLog;
use super::fetched::FetchedFiles;
use super::peaks::Drawings;
use super::problem::Problem;
use super::recoded::Makers;
use super::renderings::Renderings;
use crate::archive::catalog::Catalog;
use crate::archive::disk::Disk;
use crate::config::Loaded;
use crate::erasing::Erasing;
use crate::server::alarms::Alarms;
use crate::server::auditing::Pen;
use crate::server::live::Live;
use crate::server::meters::Meters;
use crate::server::orders::{Orders, Wish};
use crate::server::showing::{AllFigures, Health, PAGE, Show, Shown};
use crate::server::webhooks::Webhooks;

/// A disk that does not take an order down by then stalls.
const WRITTEN_WITHIN: Duration = Duration::from_secs(5);

/// What requests are answered from. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::server) struct Served {
    pub(in crate::server) disk: Arc<dyn Disk>,
    pub(in crate::server) data: PathBuf,
    pub(in crate::server) catalog: Arc<Catalog>,
    pub(in crate::server) erasing: Arc<Erasing>,
    pub(in crate::server) orders: Orders,
    pub(in crate::server) live: Live,
    pub(in crate::server) pen: Pen,
    pub(in crate::server) alarms: Alarms,
    pub(in crate::server) meters: Meters,
    pub(in crate::server) events: Arc<EventLog>,
    pub(in crate::server) fetched: Arc<FetchedFiles>,
    pub(in crate::server) drawings: Arc<Drawings>,
    pub(in crate::server) makers: Makers,
    pub(in crate::server) renderings: Renderings,
    /// None where none is set up.
    pub(in crate::server) webhooks: Option<Arc<Webhooks>>,
    pub(in crate::server) auth: Arc<Auth>,
    pub(in crate::server) configuration: Configuration,
}

/// The configuration in force, which a reload changes.
#[derive(Debug, Clone)]
pub(in crate::server) struct Configuration(watch::Sender<Arc<Loaded>>);

impl Configuration {
    pub(in crate::server) fn new(loaded: &Loaded) -> Self {
        Self(watch::Sender::new(Arc::new(loaded.clone())))
    }

    /// This one is in force from now on.
    pub(in crate::server) fn set(&self, loaded: &Loaded) {
        self.0.send_replace(Arc::new(loaded.clone()));
    }

    pub(super) fn now(&self) -> Arc<Loaded> {
        Arc::clone(&self.0.borrow())
    }

    /// Wakes at each reload.
    pub(super) fn changes(&self) -> watch::Receiver<Arc<Loaded>> {
        self.0.subscribe()
    }
}

impl Served {
    /// Asks the signalling thread.
    async fn ask<T>(&self, show: impl FnOnce(oneshot::Sender<T>) -> Show) -> Result<T, Problem> {
        let (to, answer) = oneshot::channel();
        self.orders.wish(Wish::Show(show(to)));
        answer.await.map_err(|_| stops())
    }

    /// A session that goes on.
    pub(super) async fn session(&self, session: SessionId) -> Result<Shown, Problem> {
        let shown = self.ask(|to| Show::Session(session, to)).await?;
        shown.ok_or_else(|| Problem::not_found("no session of that id goes on: if it is over, look for its recordings"))
    }

    /// Gives `take` the sessions that go on, page by page, until that wants no more.
    pub(super) async fn each_session(&self, mut take: impl FnMut(Vec<Shown>) -> bool) -> Result<(), Problem> {
        let mut after = None;
        loop {
            let page = self.sessions(after).await?;
            let is_last = page.len() < PAGE;
            after = page.last().map(|shown| shown.portrait.session);
            if !take(page) || is_last {
                return Ok(());
            }
        }
    }

    /// A page of the sessions that go on.
    async fn sessions(&self, after: Option<SessionId>) -> Result<Vec<Shown>, Problem> {
        self.ask(|to| Show::Sessions(after, to)).await
    }

    /// Waits until all that was ordered is done and written: the answer to an order is a promise.
    pub(super) async fn done(&self) -> Result<(), Problem> {
        match tokio::time::timeout(WRITTEN_WITHIN, self.ask(Show::Written)).await {
            Ok(done) => done,
            Err(_) => Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "it is done, and the disk does not take it down: a crash now would undo it",
            )),
        }
    }

    pub(super) async fn health(&self) -> Result<Health, Problem> {
        self.ask(Show::Health).await
    }

    pub(super) async fn figures(&self) -> Result<AllFigures, Problem> {
        self.ask(Show::Figures).await
    }
}

/// Nobody is left who could answer.
pub(super) fn stops() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the server stops: ask again in a moment")
}

/// Runs what waits for disks and databases where it holds nobody up.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Problem::unavailable("this request came to nothing", &error)))
}
