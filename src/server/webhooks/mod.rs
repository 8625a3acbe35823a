//! Webhooks: what happens is told to other systems, signed, in the order of each recording, until they have taken it.
//!
//! ```text
//! Live -> queue (on the disk) -> a task for each hook -> POST; what is not taken is tried again, later and later
//! at a start: recordings of the catalog of which nothing was queued -> queue
//! ```

mod queue;
mod sender;

use std::sync::Arc;

use serde_json::{Value, json};
use siprec_core::seed::{RecordingId, SessionId};
use siprec_core::time::Wall;
use tokio::sync::Notify;

pub(super) use self::queue::{DeadLetter, Queue, Standing};
use self::sender::Sender;
use super::api::fields as event_fields;
use super::live::{LiveEvent, Told, Watch, Watched};
use crate::archive::catalog::{Catalog, Filter};
use crate::config::{Config, WebhookConfig};
use crate::wall;

/// Recordings of so long before the last event are looked at again at a start.
const MARGIN_MS: i64 = 3_600_000;
/// So many are looked at.
const LOOK_BACK: u64 = 10_000;

/// Who is told.
#[derive(Debug)]
pub(super) struct Webhooks {
    queue: Arc<Queue>,
    hooks: Vec<WebhookConfig>,
    catalog: Arc<Catalog>,
    /// Each hook's task.
    wakes: Vec<Notify>,
}

impl Webhooks {
    /// Those of `config`; none, where there are none.
    pub(super) fn new(config: &Config, queue: Queue, catalog: Arc<Catalog>) -> Arc<Self> {
        let hooks = config.webhooks.clone();
        let wakes = hooks.iter().map(|_| Notify::new()).collect();
        Arc::new(Self { queue: Arc::new(queue), hooks, catalog, wakes })
    }

    pub(super) fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    /// Their names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.hooks.iter().map(|hook| hook.name.as_str())
    }

    /// There is something to do for a hook, whatever its task waits for.
    pub(super) fn wake(&self) {
        self.wakes.iter().for_each(Notify::notify_one);
    }

    /// Takes in what happens, and tells it, until the server stops.
    pub(super) async fn run(self: Arc<Self>, mut watch: Watch) {
        for place in 0..self.hooks.len() {
            match Sender::new(Arc::clone(&self), place) {
                Ok(sender) => drop(tokio::spawn(sender.run())),
                Err(error) => tracing::error!(%error, "webhooks cannot be told"),
            }
        }
        let this = Arc::clone(&self);
        let _ = tokio::task::spawn_blocking(move || this.catch_up()).await;
        loop {
            match watch.next().await {
                Watched::Told(told) if subject(&told.event).is_none() => {}
                Watched::Told(told) => {
                    let this = Arc::clone(&self);
                    // In order: the next is looked at when this one is on the disk.
                    let _ = tokio::task::spawn_blocking(move || this.take(&told)).await;
                }
                Watched::Missed(_) => {
                    let this = Arc::clone(&self);
                    let _ = tokio::task::spawn_blocking(move || this.catch_up()).await;
                }
                Watched::Over => return,
            }
        }
    }

    /// Queues what a crash, or a rush, kept from being queued.
    fn catch_up(&self) {
        let now = wall::now_ms();
        let since = match self.queue.newest_ms() {
            Ok(newest) => newest.map_or(now, |newest| newest - MARGIN_MS),
            Err(error) => return tracing::error!(%error, "webhooks: the queue cannot be read"),
        };
        let since = Some(Wall(since.saturating_mul(1_000_000)));
        for row in self.catalog.select(Filter { since, limit: Some(LOOK_BACK), ..Filter::default() }) {
            let Ok(row) = row else { return };
            if self.queue.was_told(&row.id.to_string(), COMPLETED).unwrap_or(true) {
                continue;
            }
            self.add(&Event::completed(row.id, row.session_id, row.ended_at, &self.catalog));
        }
    }

    fn take(&self, told: &Told) {
        if let Some(event) = Event::of(told, &self.catalog) {
            self.add(&event);
        }
    }

    fn add(&self, event: &Event) {
        let wants = |hook: &&WebhookConfig| hook.events.iter().any(|kind| event.kind.starts_with(kind.as_str()));
        let hooks: Vec<&str> = self.hooks.iter().filter(wants).map(|hook| hook.name.as_str()).collect();
        let what = (event.subject.as_str(), event.kind, event.body.as_str());
        match self.queue.add(&hooks, what, event.once, wall::now_ms()) {
            Ok(_) => self.wake(),
            Err(error) => tracing::error!(%error, kind = event.kind, "webhooks: an event cannot be queued"),
        }
    }
}

const COMPLETED: &str = "recording.completed";

/// What is told.
struct Event {
    /// Whose events are told one after the other.
    subject: String,
    kind: &'static str,
    body: String,
    /// It happens once to its subject.
    once: bool,
}

impl Event {
    fn new(subject: String, kind: &'static str, at: Wall, fields: Value, once: bool) -> Self {
        let mut body = json!({ "type": kind, "at": at.rfc3339() });
        if let (Value::Object(body), Value::Object(fields)) = (&mut body, fields) {
            body.extend(fields);
        }
        Self { subject, kind, body: body.to_string(), once }
    }

    fn completed(recording: RecordingId, session: Option<SessionId>, at: Wall, catalog: &Catalog) -> Self {
        // What the catalog cannot tell now can be asked for.
        let row = catalog.find(recording).ok().flatten();
        let fields = json!({ "recording": recording, "session": session, "details": row });
        Self::new(recording.to_string(), COMPLETED, at, fields, true)
    }

    /// An event, where webhooks are told of its kind.
    fn of(told: &Told, catalog: &Catalog) -> Option<Self> {
        let (subject, once) = subject(&told.event)?;
        if let LiveEvent::Recorded { session, recording, .. } = &told.event {
            return Some(Self::completed(*recording, Some(*session), told.at, catalog));
        }
        let (kind, session, mut fields) = event_fields(&told.event);
        if let (Some(session), Value::Object(fields)) = (session, &mut fields) {
            fields.insert("session".to_owned(), session.to_string().into());
        }
        Some(Self::new(subject, kind, told.at, fields, once))
    }
}

/// Whose event it is, and whether it happens once to that; none of a kind that webhooks are not told of.
fn subject(event: &LiveEvent) -> Option<(String, bool)> {
    match event {
        LiveEvent::RecordingStarted { recording, .. } | LiveEvent::Recorded { recording, .. } => {
            Some((recording.to_string(), true))
        }
        LiveEvent::NotRecorded { session, recording, .. } => {
            Some((recording.map_or_else(|| session.to_string(), |recording| recording.to_string()), false))
        }
        LiveEvent::Stored { recording, .. } | LiveEvent::RecordedAgain { recording, .. } => {
            Some((recording.to_string(), false))
        }
        LiveEvent::Alarm { session, .. } => Some((session.to_string(), false)),
        LiveEvent::ServerAlarm { .. } => Some(("server".to_owned(), false)),
        LiveEvent::SessionStarted { .. }
        | LiveEvent::SessionEnded { .. }
        | LiveEvent::StreamPaused { .. }
        | LiveEvent::SessionTagged { .. }
        | LiveEvent::Acknowledged { .. }
        | LiveEvent::Draining
        | LiveEvent::Quality(_) => None,
    }
}
