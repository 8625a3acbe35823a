//! From the operator's configuration to what recompresses: which recordings, whose turn it is, and where released audio is fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use siprec_core::render::FileFormat;
use siprec_core::seed::{RecordingId, SessionId};
use siprec_core::time::Wall;
use tokio::runtime::Runtime;

use crate::archive::audit::{Act, Action};
use crate::archive::catalog::{Catalog, Filter, Row};
use crate::archive::disk::Disk;
use crate::archive::lock::{change_lock, recompress_lock};
use crate::archive::outbox::{Named, Queue, restore};
use crate::archive::proof_key::ProofKey;
use crate::archive::receipt::Receipt;
use crate::archive::recompress::{
    Compression, RecompressError, RecompressOrder, Recompressor, Settled, erase_objects, ordered,
};
use crate::archive::recordings::{self, StoredFile};
use crate::archive::storage::StoreError;
use crate::beside;
use crate::config::Config;
use crate::targets;

/// An order is settled in so many steps at most: one, and one after each time that objects were erased.
const STEPS: usize = 3;
/// An order that has nothing to be done is looked at again after this, nanoseconds.
const LATER: i64 = 3_600_000_000_000;

/// A recording that is to be recompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The recording.
    pub recording: RecordingId,
    /// Its recording session.
    pub session: Option<SessionId>,
    /// The folder of its files, from the data directory on, with `/`.
    pub day: String,
    /// Octets of its first file.
    pub bytes: u64,
}

impl From<&Row> for Candidate {
    fn from(row: &Row) -> Self {
        Self { recording: row.id, session: row.session_id, day: row.folder().to_owned(), bytes: row.bytes }
    }
}

/// What is found by [`Recompressing::due`].
#[derive(Debug, Default)]
pub struct Due {
    /// Recordings to be recompressed, the oldest first.
    pub recordings: Vec<Candidate>,
    /// Others that are as old, and stay because of a legal hold.
    pub held: u64,
    /// And those that could not be, and are not tried again yet.
    pub failed: u64,
}

/// What became of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// What its files are now.
    pub format: FileFormat,
    /// Octets of audio before.
    pub before: u64,
    /// And now.
    pub after: u64,
}

impl Outcome {
    /// For the audit log.
    pub fn act(&self, of: &Candidate) -> Act {
        let act = Act::new(Action::Recompressed).recording(of.recording).session(of.session);
        act.with("to", self.format_name()).with("bytes_before", self.before).with("bytes", self.after)
    }

    /// What its files are now, as it is written.
    pub fn format_name(&self) -> &'static str {
        if self.format == FileFormat::Opus { Compression::Opus.as_str() } else { Compression::Flac.as_str() }
    }
}

/// How far an order is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is left to be done.
    Done,
    /// It is what it was, and could not be recompressed.
    Before(String),
    /// Not all targets have it yet.
    Unstored(String),
    /// Something of before stays for now.
    Waits(String),
}

/// All that recompressing needs of a data directory and its configuration.
#[derive(Debug)]
pub struct Recompressing {
    disk: Arc<dyn Disk>,
    data: PathBuf,
    catalog: Arc<Catalog>,
    queue: Option<Arc<Queue>>,
    proof_key: ProofKey,
    targets: Vec<Arc<Named>>,
    names: Vec<String>,
    node: Option<String>,
    /// None once this is dropped.
    runtime: Option<Runtime>,
    stop: AtomicBool,
    /// Orders that need not be looked at before then.
    later: Mutex<BTreeMap<RecordingId, Wall>>,
}

impl Recompressing {
    /// Of the data directory `data`, whose catalog and queue are open.
    ///
    /// # Errors
    /// A target that cannot be, or the node's id.
    pub fn new(
        config: &Config,
        disk: Arc<dyn Disk>,
        data: &Path,
        catalog: Arc<Catalog>,
        queue: Option<Arc<Queue>>,
        proof_key: ProofKey,
    ) -> anyhow::Result<Self> {
        let node = beside::node(config, &*disk, data)?;
        let targets = targets::targets(config)?;
        let names = targets.iter().map(|named| named.name.clone()).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map(Some)?;
        let (data, stop) = (data.to_owned(), AtomicBool::new(false));
        Ok(Self { disk, data, catalog, queue, proof_key, targets, names, node, runtime, stop, later: Mutex::default() })
    }

    /// The same beside a server that may run.
    ///
    /// # Errors
    /// A catalog or an outbox that cannot be opened; no proof key.
    pub fn beside(config: &Config, disk: Arc<dyn Disk>) -> anyhow::Result<Self> {
        let (catalog, queue, proof_key) = beside::open(config, &*disk)?;
        Self::new(config, disk, &config.archive.data_dir, catalog, queue, proof_key)
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Its disk.
    pub fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// Whatever is being recompressed ends soon, as it was.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn recompressor(&self) -> Recompressor<'_> {
        Recompressor {
            disk: &*self.disk,
            data: &self.data,
            catalog: &self.catalog,
            queue: self.queue.as_deref(),
            proof_key: &self.proof_key,
            targets: &self.names,
            stop: &self.stop,
        }
    }

    /// At most `limit` recordings here whose files are WAV and that ended longer than `after` before `now`. Those that failed are
    /// among them when their time has come, or else if they are to be tried `again`.
    ///
    /// # Errors
    /// The catalog's or the disk's.
    pub fn due(
        &self,
        to: Compression,
        after: Duration,
        (now, again): (Wall, bool),
        limit: usize,
    ) -> anyhow::Result<Due> {
        let before = Wall(now.0.saturating_sub(i64::try_from(after.as_nanos()).unwrap_or(i64::MAX)));
        let known: BTreeSet<RecordingId> = ordered(&*self.disk, &self.data)?.into_iter().collect();
        let mut due = Due::default();
        let filter = Filter { until: Some(before), wav: true, node: self.node.clone(), ..Filter::default() };
        for row in self.catalog.select(filter) {
            let row = row?;
            if row.ended_at >= before {
                continue;
            }
            let order = || RecompressOrder::read(&*self.disk, &self.data, row.id).ok().flatten();
            if row.held {
                due.held += 1;
            } else if known.contains(&row.id) && order().is_some_and(|order| !order.allows(to, (now, again))) {
                due.failed += 1;
            } else if due.recordings.len() < limit {
                due.recordings.push(Candidate::from(&row));
            }
        }
        Ok(due)
    }

    /// Recompresses a recording: when this returns, its new files and sheet are in effect, and the rest is ordered.
    ///
    /// # Errors
    /// It is what it was, for this reason, which is remembered where trying again may help.
    pub fn recompress(&self, which: &Candidate, to: Compression, now: Wall) -> Result<Outcome, RecompressError> {
        let _turn = recompress_lock(&self.data)?;
        let recompressor = self.recompressor();
        let mut fetch = |sheet: &Path, file: StoredFile<'_>| self.fetch(sheet, file);
        let prepared = recompressor.prepare(which.recording, &which.day, to, now, &mut fetch);
        let switched = prepared.and_then(|prepared| {
            let _turn = change_lock(&self.data)?;
            recompressor.switch(&prepared)?;
            // Outbox and catalog are told at once. What fails of that is done again with the rest.
            let _ = recompressor.settle(which.recording);
            Ok(prepared)
        });
        match switched {
            Ok(prepared) => {
                let (before, after) = prepared.bytes();
                Ok(Outcome { format: prepared.sidecar().rendition.format, before, after })
            }
            Err(error) => {
                self.remember(which.recording, &error, now);
                let _turn = change_lock(&self.data)?;
                // What is left of the try goes; if that cannot be done now, whoever settles next does it.
                let _ = recompressor.settle(which.recording);
                Err(error)
            }
        }
    }

    fn fetch(&self, sheet: &Path, file: StoredFile<'_>) -> Result<(), StoreError> {
        let path = sheet.with_file_name(file.name);
        let receipt = Receipt::read(&*self.disk, sheet);
        let receipt = receipt.map_err(|source| StoreError::Local { path: sheet.to_owned(), source })?;
        let fetched = restore(self.disk.beneath(), &self.targets, receipt.as_ref(), file, &path);
        self.block_on(fetched)?
    }

    fn block_on<T>(&self, work: impl Future<Output = T>) -> Result<T, StoreError> {
        let gone = || StoreError::Local { path: self.data.clone(), source: std::io::Error::other("it was stopped") };
        self.runtime.as_ref().map(|runtime| runtime.block_on(work)).ok_or_else(gone)
    }

    /// Why a recording is what it was; only where something was begun, and nobody stopped it.
    fn remember(&self, recording: RecordingId, error: &RecompressError, now: Wall) {
        let order = RecompressOrder::read(&*self.disk, &self.data, recording);
        let Some(order) = order.ok().flatten().filter(|_| !self.stop.load(Ordering::Relaxed)) else { return };
        let why = error.to_string();
        let order = if matches!(error, RecompressError::NoGain { .. }) {
            order.is_larger(&why)
        } else {
            order.failed(&why, now)
        };
        // What is not remembered is tried again sooner.
        let _ = order.write(&*self.disk, &self.data);
    }

    /// Goes on with all that was begun and is due at `now`: how far each is. What cannot be done for long is told once an hour.
    ///
    /// # Errors
    /// The folder of orders cannot be read. What fails of one order is told of it, and done again.
    pub fn go_on(&self, now: Wall) -> anyhow::Result<Vec<(RecordingId, Progress)>> {
        let mut all = Vec::new();
        let mut later = self.later.lock().unwrap_or_else(PoisonError::into_inner);
        later.retain(|_, at| *at > now && at.0.saturating_sub(now.0) <= LATER);
        for recording in ordered(&*self.disk, &self.data)? {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            if later.contains_key(&recording) {
                continue;
            }
            let order = match RecompressOrder::read(&*self.disk, &self.data, recording) {
                Ok(Some(order)) => order,
                Ok(None) => continue,
                Err(error) => {
                    all.push((recording, Progress::Waits(error.to_string())));
                    continue;
                }
            };
            if let Some(why) = order.waits.clone().filter(|_| order.larger || !order.is_due(now)) {
                let is_late = !order.larger && RecompressOrder::is_due(&order, Wall(now.0.saturating_add(LATER)));
                if !is_late {
                    later.insert(recording, Wall(now.0.saturating_add(LATER)));
                }
                all.push((
                    recording,
                    if self.is_before(&order) { Progress::Before(why) } else { Progress::Waits(why) },
                ));
                continue;
            }
            let progress = self.go_on_with(recording, now);
            if matches!(progress, Progress::Before(_)) {
                later.insert(recording, Wall(now.0.saturating_add(LATER)));
            }
            all.push((recording, progress));
        }
        Ok(all)
    }

    fn go_on_with(&self, recording: RecordingId, now: Wall) -> Progress {
        let waits = |why: String| {
            let order = RecompressOrder::read(&*self.disk, &self.data, recording).ok().flatten();
            let _ = order.map(|order| order.failed(&why, now).write(&*self.disk, &self.data));
            Progress::Waits(why)
        };
        for _ in 0..STEPS {
            match self.settle(recording) {
                Ok(Settled::Done) => return Progress::Done,
                Ok(Settled::Before(why)) => return Progress::Before(why),
                Ok(Settled::Unstored(why)) => return Progress::Unstored(why),
                Ok(Settled::Waits(why)) => return waits(why),
                Ok(Settled::Erase(objects)) => {
                    if let Err(why) = self.erase(recording, &objects) {
                        return waits(why);
                    }
                }
                Err(error) => return waits(error.to_string()),
            }
        }
        waits("targets got other objects of it meanwhile".to_owned())
    }

    fn settle(&self, recording: RecordingId) -> Result<Settled, RecompressError> {
        let _turn = recompress_lock(&self.data)?;
        let _change = change_lock(&self.data)?;
        self.recompressor().settle(recording)
    }

    /// Without a lock: targets may take their time.
    fn erase(&self, recording: RecordingId, objects: &[(String, Vec<String>)]) -> Result<(), String> {
        for (name, keys) in objects {
            let Some(named) = self.targets.iter().find(|named| named.name == *name) else { continue };
            let erased = self.block_on(erase_objects(&*named.target, keys)).and_then(|erased| erased);
            erased.map_err(|error| {
                format!("its files of before are still in {name} (a lock or a policy may keep them): {error}")
            })?;
            self.recompressor().erased(recording, name, keys).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Whether the recording of an order is what it was.
    fn is_before(&self, order: &RecompressOrder) -> bool {
        let sheet = recordings::sheet(&self.data.join(&order.day), order.recording);
        recordings::read_sidecar(&*self.disk, &sheet).is_ok_and(|(_, sidecar)| sidecar.recompressed.is_none())
    }

    /// What was begun and is not at its end, or could not be done: each, and why, as far as that was written down.
    ///
    /// # Errors
    /// The disk's.
    pub fn begun(&self) -> anyhow::Result<Vec<(RecordingId, String)>> {
        let mut all = Vec::new();
        for recording in ordered(&*self.disk, &self.data)? {
            let Some(order) = RecompressOrder::read(&*self.disk, &self.data, recording)? else { continue };
            all.push((recording, order.waits.unwrap_or_else(|| "it was begun".to_owned())));
        }
        Ok(all)
    }

    /// Forgets what could not be recompressed: it is to stay what it is.
    pub fn forget(&self, recording: RecordingId) {
        if let Ok(Some(order)) = RecompressOrder::read(&*self.disk, &self.data, recording) {
            // It is forgotten the next time.
            let _ = order.remove(&*self.disk, &self.data);
        }
    }
}

impl Drop for Recompressing {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Whoever drops it may be on a thread that must not wait.
            runtime.shutdown_background();
        }
    }
}
