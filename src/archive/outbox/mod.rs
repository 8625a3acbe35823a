//! The outbox: every recording gets to every storage target, whatever happens.
//!
//! ```text
//! finisher -> Intake::add (on the disk) -> catalog row
//!               -> per target: files stored and verified -> receipt -> (all targets) held -> local audio released
//! ```
//! Each step is on the disk before the next begins and may be done twice: a crash anywhere is mended by going on. Nothing
//! here is deleted that a receipt does not cover.

mod deliver;
mod erasures;
mod patience;
mod queue;
mod release;
#[cfg(test)]
mod tests;
mod work;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use siprec_core::seed::{RecordingId, SessionId};
use tokio::sync::Notify;

use super::disk::Disk;
use super::recordings;
use super::storage::{KeyTemplate, Removed, Target};
use crate::wall::now_ms;

pub use deliver::{is_all, queue_changed, restore};
pub use queue::{Backlog, Failure, Item, Queue, QueueError};
pub use work::Outbox;

/// A target by its name.
#[derive(Debug)]
pub struct Named {
    /// Its name in the configuration.
    pub name: String,
    /// What files are called there.
    pub key: KeyTemplate,
    /// The target.
    pub target: Box<dyn Target>,
}

/// How the outbox works.
#[derive(Debug)]
pub struct Settings {
    /// Where everything goes.
    pub targets: Vec<Arc<Named>>,
    /// How long audio stays here once all targets have it; none: for ever.
    pub keep_local: Option<Duration>,
    /// Files or parts that are sent to a target at one time.
    pub uploads: usize,
    /// Audio that all targets have makes room before less than twice this is free; octets.
    pub min_free: u64,
}

/// What the outbox has to say to the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A recording is stored in a target.
    Stored {
        /// Which.
        recording: RecordingId,
        /// Where.
        target: String,
        /// How much.
        bytes: u64,
    },
    /// All that can be removed of a recording that is to be erased is gone from a target.
    Erased {
        /// Which.
        recording: RecordingId,
        /// Where.
        target: String,
        /// What was there, and what is kept.
        removed: Removed,
    },
    /// A target does not do what it is asked; it is left alone for so long.
    Down {
        /// Its name.
        target: String,
        /// What it said.
        error: String,
        /// Recordings that wait for it.
        waiting: u64,
        /// Until it is tried again.
        wait: Duration,
    },
    /// A target is back.
    Up {
        /// Its name.
        target: String,
        /// Recordings that wait for it.
        waiting: u64,
    },
    /// A recording is not stored, and not because of the target; it is tried again after so long.
    Failed {
        /// Which.
        recording: RecordingId,
        /// Where.
        target: String,
        /// Why not.
        error: String,
        /// Until it is tried again.
        wait: Duration,
    },
    /// Something of a recording that is to be erased is still in a target; it is tried again after so long.
    NotErased {
        /// Which.
        recording: RecordingId,
        /// Where.
        target: String,
        /// Why.
        error: String,
        /// Until it is tried again.
        wait: Duration,
    },
    /// Recordings from before a target was set up are queued for it.
    Queued {
        /// Its name.
        target: String,
        /// How many.
        recordings: u64,
    },
    /// A target is no longer set up; what waited for it waits no longer.
    Gone {
        /// Its name.
        target: String,
        /// Recordings that it does not have.
        recordings: u64,
    },
    /// Local audio that all targets have was released.
    Released {
        /// How many recordings'.
        recordings: u64,
        /// Whether it was to make room.
        for_room: bool,
    },
    /// The outbox itself cannot be read or written.
    Trouble(String),
}

/// Told of what happens, in the outbox's threads.
pub type Tell = Arc<dyn Fn(Told) + Send + Sync>;

/// Where finished recordings are handed in.
#[derive(Debug, Clone)]
pub struct Intake {
    queue: Arc<Queue>,
    targets: Arc<[String]>,
    /// Each target's task.
    wakes: Arc<[Notify]>,
}

impl Intake {
    /// A recording whose files lie in `day` is to be stored; that is on the disk when this returns.
    ///
    /// # Errors
    /// The queue's.
    pub fn add(&self, recording: RecordingId, session: Option<SessionId>, day: &str) -> Result<(), QueueError> {
        self.queue.add(&self.targets, recording, session, day, (now_ms(), false))?;
        self.wake();
        Ok(())
    }

    /// A recording that was handed in before became another: its targets are to have it as it is now.
    ///
    /// # Errors
    /// The queue's.
    pub fn renew(&self, recording: RecordingId, session: Option<SessionId>, day: &str) -> Result<(), QueueError> {
        self.queue.renew(&self.targets, recording, session, day, now_ms())?;
        self.wake();
        Ok(())
    }

    /// Each target's task looks at the queue.
    fn wake(&self) {
        self.wakes.iter().for_each(Notify::notify_one);
    }
}

/// Whoever works on it: the data directory, and what is where.
#[derive(Debug)]
struct Yard {
    disk: Arc<dyn Disk>,
    data: PathBuf,
    queue: Arc<Queue>,
    settings: Settings,
}

impl Yard {
    /// The sheet of a recording.
    fn sheet(&self, recording: RecordingId, day: &str) -> PathBuf {
        recordings::sheet(&self.data.join(day), recording)
    }
}

/// A number that nobody else draws at the same time.
fn random() -> u32 {
    let mut octets = [0; 4];
    // Without the kernel's generator all waits are as short as they can be: no harm.
    let _ = rustix::rand::getrandom(&mut octets, rustix::rand::GetRandomFlags::empty());
    u32::from_ne_bytes(octets)
}
