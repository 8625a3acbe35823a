//! The outbox's threads: a task a target, one that releases, and the queueing of what was there before a target was.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use siprec_core::seed::RecordingId;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;

use super::deliver::{DeliverError, deliver, erase};
use super::patience::{Circuit, of_item};
use super::queue::Changes;
use super::{Intake, Item, Named, Queue, QueueError, Settings, Tell, Told, Yard, now_ms, random, release};
use crate::archive::disk::Disk;
use crate::archive::receipt::Receipt;
use crate::archive::recordings::Sidecars;
use crate::archive::storage::{ErrorKind, Removed, StoreError};

/// The queue is looked at this often at least: another process may have put something forward.
const LOOK: Duration = Duration::from_secs(5);
/// What may be released is looked for this often.
const RELEASE: Duration = Duration::from_secs(10);
/// Threads that hash, and talk to targets.
const THREADS: usize = 2;
/// Recordings queued for a new target between two looks at whether to stop.
const QUEUED_AT_ONCE: u64 = 1000;

/// The outbox at work. It stops when this is dropped, wherever it is; the next start goes on.
#[derive(Debug)]
pub struct Outbox {
    runtime: Option<tokio::runtime::Runtime>,
    stop: watch::Sender<bool>,
    intake: Intake,
}

impl Outbox {
    /// Starts to store what waits in `queue`, with threads of its own.
    ///
    /// # Errors
    /// No threads to be had.
    pub fn start(
        disk: Arc<dyn Disk>,
        data: PathBuf,
        queue: Arc<Queue>,
        settings: Settings,
        tell: Tell,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("storage")
            .enable_all()
            .build()?;
        let targets = settings.targets.iter().map(|named| named.name.clone()).collect();
        let wakes = settings.targets.iter().map(|_| Notify::new()).collect();
        let intake = Intake { queue: Arc::clone(&queue), targets, wakes };
        let yard = Arc::new(Yard { disk, data, queue, settings });
        let (stop, stopped) = watch::channel(false);
        for (index, named) in yard.settings.targets.iter().enumerate() {
            let (yard, named, tell) = (Arc::clone(&yard), Arc::clone(named), Arc::clone(&tell));
            let uploads = yard.settings.uploads.max(1);
            let line =
                Arc::new(Line { yard, named, tell, uploads, slots: Semaphore::new(uploads), began_ms: now_ms() });
            let (mut stopped, wakes) = (stopped.clone(), Arc::clone(&intake.wakes));
            runtime.spawn(async move {
                let Some(wake) = wakes.get(index) else { return };
                tokio::select! {
                    () = line.work(wake) => {}
                    _ = stopped.changed() => {}
                }
            });
        }
        runtime.spawn(Self::keep_house(Arc::clone(&yard), Arc::clone(&tell), stopped));
        runtime.spawn_blocking({
            let (stopped, intake) = (stop.subscribe(), intake.clone());
            move || queue_before(&yard, &tell, &stopped, &intake)
        });
        Ok(Self { runtime: Some(runtime), stop, intake })
    }

    /// Where finished recordings are handed in.
    pub fn intake(&self) -> Intake {
        self.intake.clone()
    }

    /// What remains to be done.
    pub fn queue(&self) -> &Arc<Queue> {
        &self.intake.queue
    }

    async fn keep_house(yard: Arc<Yard>, tell: Tell, mut stopped: watch::Receiver<bool>) {
        loop {
            let aged = release::by_age(&yard, now_ms());
            for (released, for_room) in [(aged, false), (release::for_room(&yard), true)] {
                match released {
                    Ok(0) => {}
                    Ok(recordings) => tell(Told::Released { recordings, for_room }),
                    Err(error) => tell(Told::Trouble(error.to_string())),
                }
            }
            tokio::select! {
                () = tokio::time::sleep(RELEASE) => {}
                _ = stopped.changed() => return,
            }
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        // The receivers may be gone already.
        let _ = self.stop.send(true);
        if let Some(runtime) = self.runtime.take() {
            // A request under way is not waited for: the next start finds out what became of it.
            runtime.shutdown_background();
        }
    }
}

/// Queues for each new target what was recorded before it was set up, and lets go of targets that are no longer.
fn queue_before(yard: &Yard, tell: &Tell, stopped: &watch::Receiver<bool>, intake: &Intake) {
    let names: Vec<String> = yard.settings.targets.iter().map(|named| named.name.clone()).collect();
    let Changes { gone, new } = match yard.queue.set_targets(&names, now_ms()) {
        Ok(changed) => changed,
        Err(error) => return tell(Told::Trouble(error.to_string())),
    };
    for (target, recordings) in gone {
        tell(Told::Gone { target, recordings });
    }
    for target in new {
        match queue_all(yard, &target, stopped) {
            Ok(None) => return,
            Ok(Some(0)) => {}
            Ok(Some(recordings)) => tell(Told::Queued { target, recordings }),
            Err(error) => tell(Told::Trouble(error.to_string())),
        }
        intake.wake();
    }
}

/// How many were queued; none if it was stopped, and goes on at the next start.
fn queue_all(yard: &Yard, target: &str, stopped: &watch::Receiver<bool>) -> Result<Option<u64>, QueueError> {
    let mut queued = 0;
    for (path, day) in Sidecars::of(&*yard.disk, &yard.data) {
        let id = path.file_stem().and_then(|name| name.to_str()).and_then(|name| name.parse::<RecordingId>().ok());
        let Some(recording) = id else { continue };
        // A receipt that cannot be read says nothing; what is there already is found there.
        let receipt = Receipt::read(&*yard.disk, &path).ok().flatten();
        if receipt.is_some_and(|receipt| receipt.by(target).is_some()) {
            continue;
        }
        yard.queue.add(&[target.to_owned()], recording, None, &day, (now_ms(), true))?;
        queued += 1;
        if queued % QUEUED_AT_ONCE == 0 && *stopped.borrow() {
            return Ok(None);
        }
    }
    yard.queue.target_is_set_up(target)?;
    Ok(Some(queued))
}

/// What was done about a recording.
enum Done {
    /// So many octets were stored; 0 where it was there.
    Stored(u64),
    Erased(Removed),
}

/// What goes to one target.
struct Line {
    yard: Arc<Yard>,
    named: Arc<Named>,
    tell: Tell,
    uploads: usize,
    slots: Semaphore,
    /// What was queued before may have been sent before.
    began_ms: i64,
}

impl Line {
    async fn work(self: Arc<Self>, wake: &Notify) {
        let mut circuit = Circuit::default();
        let mut busy = BTreeSet::new();
        let mut deliveries = JoinSet::new();
        loop {
            let room = circuit.allows(now_ms(), self.uploads).saturating_sub(busy.len());
            let taken: Vec<RecordingId> = busy.iter().copied().collect();
            match self.yard.queue.due(&self.named.name, now_ms(), &taken, room) {
                Ok(items) => {
                    for item in items {
                        busy.insert(item.recording);
                        deliveries.spawn(Arc::clone(&self).deliver(item));
                    }
                }
                Err(error) => (self.tell)(Told::Trouble(error.to_string())),
            }
            let wait = self.wait(&circuit, room > 0);
            tokio::select! {
                Some(done) = deliveries.join_next(), if !busy.is_empty() => match done {
                    Ok((item, result)) => {
                        busy.remove(&item.recording);
                        self.take(&mut circuit, &item, result);
                    }
                    Err(error) => {
                        // A panic is our fault, and which recording's is not told: all of them begin again.
                        (self.tell)(Told::Trouble(error.to_string()));
                        deliveries.abort_all();
                        busy.clear();
                    }
                },
                () = wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn deliver(self: Arc<Self>, item: Item) -> (Item, Result<Done, DeliverError>) {
        let again = item.again || item.attempts > 0 || item.queued_ms < self.began_ms;
        let result = if item.erase {
            erase(&self.yard, &self.named, &item).await.map(Done::Erased)
        } else {
            deliver(&self.yard, &self.named, &self.slots, &item, again).await.map(Done::Stored)
        };
        (item, result)
    }

    /// How long nothing has to be looked at, unless something comes or is done.
    fn wait(&self, circuit: &Circuit, has_room: bool) -> Duration {
        let now = now_ms();
        let until = |at: i64| Duration::from_millis(u64::try_from(at.saturating_sub(now)).unwrap_or(0));
        let next = match self.yard.queue.next_due(&self.named.name) {
            Ok(Some(due)) if has_room && due > now => until(due),
            Ok(_) | Err(_) => LOOK,
        };
        let closed = until(circuit.next_ms());
        let soonest = if closed.is_zero() { LOOK } else { closed };
        next.min(soonest).min(LOOK).max(Duration::from_millis(10))
    }

    fn take(&self, circuit: &mut Circuit, item: &Item, result: Result<Done, DeliverError>) {
        let (target, recording) = (self.named.name.clone(), item.recording);
        let error = match result {
            Ok(done) => {
                if circuit.well() {
                    (self.tell)(Told::Up { target: target.clone(), waiting: self.waiting() });
                }
                match done {
                    Done::Erased(removed) => (self.tell)(Told::Erased { recording, target, removed }),
                    Done::Stored(0) => {}
                    Done::Stored(bytes) => (self.tell)(Told::Stored { recording, target, bytes }),
                }
                return;
            }
            Err(error) => error,
        };
        let now = now_ms();
        let kept = match &error {
            DeliverError::Gone => self.yard.queue.drop_item(&target, recording),
            // A lock or a policy may keep what is to be erased; others are stored there all the same.
            DeliverError::Store(StoreError::Target(failure))
                if failure.kind.is_of_the_target() && !(item.erase && failure.kind == ErrorKind::Denied) =>
            {
                let words = error.to_string();
                let kept = self.yard.queue.failed(&target, recording, (item.attempts.max(1), now), &words);
                if let Some(wait) = circuit.failed(now, random()) {
                    (self.tell)(Told::Down { target, error: words, waiting: self.waiting(), wait });
                }
                kept
            }
            DeliverError::Sheet(_)
            | DeliverError::Store(_)
            | DeliverError::Receipt(_)
            | DeliverError::Order(_)
            | DeliverError::Queue(_) => {
                let (words, wait) = (error.to_string(), of_item(item.attempts + 1, random()));
                let due = now.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
                let kept = self.yard.queue.failed(&target, recording, (item.attempts + 1, due), &words);
                (self.tell)(match item.erase {
                    true => Told::NotErased { recording, target, error: words, wait },
                    false => Told::Failed { recording, target, error: words, wait },
                });
                kept
            }
        };
        if let Err(error) = kept {
            (self.tell)(Told::Trouble(error.to_string()));
        }
    }

    fn waiting(&self) -> u64 {
        let backlog = self.yard.queue.backlog().unwrap_or_default();
        backlog.iter().find(|backlog| backlog.target == self.named.name).map_or(0, |backlog| backlog.waiting)
    }
}
