//! Orders to recompress: `recompressing/<id>.json` in the data directory stands from before anything of a recording is written
//! until nothing of before is left of it. It also remembers why one could not be recompressed, and when that is tried again.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use siprec_core::seed::{RecordingId, SessionId};
use siprec_core::time::Wall;

use super::Compression;
use crate::archive::disk::Disk;
use crate::archive::json_file::Folder;
use crate::archive::selection::date_time;

/// The folder of orders in the data directory.
pub const FOLDER: &str = "recompressing";
/// Version of the file's format.
const FORMAT: u32 = 1;
/// A larger one is none.
const MAX_BYTES: usize = 1 << 20;
const ORDERS: Folder = Folder { name: FOLDER, newest: FORMAT, max_bytes: MAX_BYTES };
/// What failed is tried again after this, doubled each time.
const FIRST_RETRY: Duration = Duration::from_secs(300);
/// Up to this.
const LAST_RETRY: Duration = Duration::from_secs(86_400);

/// A recording that is being recompressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecompressOrder {
    /// Of this form.
    pub format: u32,
    /// The recording.
    pub recording: RecordingId,
    /// Its recording session.
    pub session: Option<SessionId>,
    /// The folder of its files, from the data directory on, with `/`.
    pub day: String,
    /// What it becomes.
    pub to: Compression,
    /// How often something failed.
    #[serde(default)]
    pub attempts: u32,
    /// Not to be tried before; RFC 3339.
    #[serde(default)]
    pub due_at: Option<String>,
    /// What failed last.
    #[serde(default)]
    pub waits: Option<String>,
    /// It would become larger so: that is not tried again.
    #[serde(default)]
    pub larger: bool,
}

impl RecompressOrder {
    /// The order to recompress a recording whose files lie in `day`.
    pub fn new(recording: RecordingId, session: Option<SessionId>, day: &str, to: Compression) -> Self {
        let (day, attempts) = (day.to_owned(), 0);
        Self { format: FORMAT, recording, session, day, to, attempts, due_at: None, waits: None, larger: false }
    }

    /// The order to recompress `recording`, if there is one.
    ///
    /// # Errors
    /// The disk's; what is no order is `InvalidData`.
    pub fn read(disk: &dyn Disk, data: &Path, recording: RecordingId) -> io::Result<Option<Self>> {
        ORDERS.read(disk, data, recording)
    }

    /// Puts it on the disk.
    ///
    /// # Errors
    /// The disk's.
    pub fn write(&self, disk: &dyn Disk, data: &Path) -> io::Result<()> {
        ORDERS.write(disk, data, self.recording, self)
    }

    /// Takes it off the disk: it is carried out, or given up.
    ///
    /// # Errors
    /// The disk's.
    pub fn remove(&self, disk: &dyn Disk, data: &Path) -> io::Result<()> {
        ORDERS.remove(disk, data, self.recording)
    }

    /// The same after a try at `now` that failed because of `why`.
    #[must_use]
    pub fn failed(self, why: &str, now: Wall) -> Self {
        let wait = FIRST_RETRY.saturating_mul(1 << self.attempts.min(10)).min(LAST_RETRY);
        let due = Wall(now.0.saturating_add(i64::try_from(wait.as_nanos()).unwrap_or(i64::MAX)));
        Self {
            attempts: self.attempts.saturating_add(1),
            due_at: Some(due.rfc3339()),
            waits: Some(why.to_owned()),
            ..self
        }
    }

    /// The same after it became larger.
    #[must_use]
    pub fn is_larger(self, why: &str) -> Self {
        Self { waits: Some(why.to_owned()), larger: true, ..self }
    }

    /// Whether its recording is to be recompressed to `to`: at `now`, or `again` whatever the time is.
    pub fn allows(&self, to: Compression, (now, again): (Wall, bool)) -> bool {
        self.to != to || (!self.larger && (again || self.is_due(now)))
    }

    /// Whether it may be tried at `now`. A clock that went back by more than any wait is no reason to wait on.
    pub fn is_due(&self, now: Wall) -> bool {
        let longest = i64::try_from(LAST_RETRY.as_nanos()).unwrap_or(i64::MAX);
        let due = self.due_at.as_deref().and_then(date_time);
        due.is_none_or(|due| due <= now || due.0.saturating_sub(now.0) > longest)
    }
}

/// The recordings of which there is an order.
///
/// # Errors
/// The disk's.
pub fn ordered(disk: &dyn Disk, data: &Path) -> io::Result<Vec<RecordingId>> {
    ORDERS.ids(disk, data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_tried_again_ever_more_seldom() {
        let mut order = RecompressOrder::new(RecordingId(1), None, "day", Compression::Flac);
        let (now, minute) = (Wall(1_795_219_200_000_000_000), 60_000_000_000);
        assert!(order.is_due(now));
        let mut waits = Vec::new();
        for _ in 0..11 {
            order = order.failed("it is full", now);
            let due = (1..).find(|n| order.is_due(Wall(now.0 + n * minute))).unwrap();
            waits.push(due);
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440]);
        assert!(!order.is_due(now) && order.is_due(Wall(now.0 - 2 * 86_400_000_000_000)));
        assert_eq!((order.waits.as_deref(), order.attempts), (Some("it is full"), 11));
    }
}
