//! Erasing a recording, everywhere: here, in its journal, in the catalog and in every storage target; and the certificate.
//!
//! ```text
//! order (on the disk) -> key destroyed -> sheet, then all other files -> catalog row -> objects in targets (the outbox's)
//!                     -> taken out of the journal -> certificate, signed -> order removed
//! ```
//! Each step may be done twice, so a crash anywhere is mended by going on: [`Eraser::go_on`]. Its neighbours in the same
//! recording session keep all they have.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use siprec_core::journal::redact::Scope;
use siprec_core::seed::{RecordingId, SessionId};
use siprec_core::time::Wall;

use super::catalog::{Catalog, CatalogError};
use super::disk::Disk;
use super::erase_order::{self, Cause, EraseOrder, ErasedFile};
use super::finish::{InJournal, recordings_in, take_out};
use super::json_file;
use super::lock::LockError;
use super::notes::Notes;
use super::outbox::{Queue, QueueError};
use super::proof_key::{ProofKey, signature_path};
use super::receipt::Receipt;
use super::recordings::{self, SidecarError};
use super::sealed::shred;
use super::selection::date_time;
use super::storage::{Kept, KeyTemplate, Removed};

/// The folder of certificates in the data directory.
pub const FOLDER: &str = "erased";
/// Version of a certificate's format.
const FORMAT: u32 = 1;
const DAY: i64 = 86_400_000_000_000;
/// A larger one is none.
const MAX_BYTES: usize = 16 << 20;

/// What shows that a recording was erased. It names nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Of this form.
    pub format: u32,
    /// The software that erased it.
    pub siprec: String,
    /// The recording.
    pub recording: RecordingId,
    /// Its recording session.
    pub session: Option<SessionId>,
    /// When it began; RFC 3339.
    pub started_at: String,
    /// When it ended; RFC 3339.
    pub ended_at: String,
    /// Who wanted it gone, why, and since when.
    #[serde(flatten)]
    pub cause: Cause,
    /// When nothing of it was left but what `targets` say is kept; RFC 3339.
    pub erased_at: String,
    /// Its audio, as it lay on the disk.
    pub files: Vec<ErasedFile>,
    /// Whether it was sealed and its key was destroyed, so that no copy of its audio anywhere can be read; but for what `targets`
    /// say is kept, which may have the key, wrapped by the master key.
    pub key_destroyed: bool,
    /// What became of its packets: `removed`, `taken_out`, `not_there`.
    pub journal: String,
    /// Recordings that are still in the same journal.
    pub neighbours: Vec<RecordingId>,
    /// Storage targets, and what was removed there.
    pub targets: Vec<ErasedThere>,
}

/// What was removed in a storage target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasedThere {
    /// Its name.
    pub target: String,
    /// Objects that were there, each version counted.
    pub objects: u32,
    /// When none was left; RFC 3339.
    pub erased_at: String,
    /// What the target's provider keeps all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<KeptThere>,
}

/// Copies of deleted objects that a provider keeps (soft delete), and that nobody but it can remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptThere {
    /// How many; 0 where that cannot be told.
    pub copies: u32,
    /// When the last of them goes; RFC 3339. None where the provider does not say.
    pub until: Option<String>,
    /// In words, with what can be done.
    pub why: String,
}

impl KeptThere {
    fn of(kept: &Kept) -> Option<Self> {
        let Kept { copies, until, .. } = kept;
        let there = || Self { copies: *copies, until: until.map(Wall::rfc3339), why: kept.to_string() };
        (!kept.is_nothing()).then(there)
    }

    /// Whether copies may be there at `now`, and until when: what is not known of may be for ever.
    pub fn may_be_there(&self, now: Wall) -> bool {
        self.until.as_deref().and_then(date_time).is_none_or(|until| until > now)
    }
}

/// Why a recording is not erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// Somebody holds it.
    #[error("{recording} is under a legal hold ({reason}): `siprec archive release` ends it")]
    Held {
        /// Which.
        recording: RecordingId,
        /// The matter.
        reason: String,
    },
    /// Its sheet cannot be read.
    #[error(transparent)]
    Sheet(#[from] SidecarError),
    /// The disk's fault.
    #[error("{}: {source}", .path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The catalog's fault.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The outbox's fault.
    #[error(transparent)]
    Outbox(#[from] QueueError),
    /// Others change something, and go on doing so.
    #[error(transparent)]
    Lock(#[from] LockError),
}

/// How far an order is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// All that can be removed of it is gone; here is the certificate.
    Done(Box<Certificate>),
    /// Something is left, for this reason.
    Waits(String),
}

/// What erases below a data directory. Several processes may have one: whoever calls it holds the
/// [lock of changes](super::lock::change_lock).
#[derive(Debug, Clone, Copy)]
pub struct Eraser<'a> {
    /// Carries it out.
    pub disk: &'a dyn Disk,
    /// The data directory.
    pub data: &'a Path,
    /// The catalog, to be written.
    pub catalog: &'a Catalog,
    /// The outbox's queue, where there is or was a storage target.
    pub queue: Option<&'a Queue>,
    /// What certificates are signed with.
    pub proof_key: &'a ProofKey,
}

impl Eraser<'_> {
    /// Orders the recording whose sheet is `sheet`, in the folder `day`, to be erased, in the targets that are `set_up` and
    /// in those that its receipt names. From now on it is as good as gone, and comes to nothing with the next
    /// [`Eraser::go_on`].
    ///
    /// # Errors
    /// A hold; or what cannot be read or written.
    pub fn order(
        &self,
        recording: RecordingId,
        day: &str,
        set_up: &[(&str, &KeyTemplate)],
        cause: Cause,
    ) -> Result<(), EraseError> {
        if erase_order::is_ordered(self.disk, self.data, recording).map_err(|source| self.disk_error(source))? {
            return Ok(());
        }
        let sheet = recordings::sheet(&self.data.join(day), recording);
        let failure = |source| EraseError::Disk { path: sheet.clone(), source };
        let notes = Notes::read(self.disk, &sheet, recording).map_err(failure)?;
        if let Some(hold) = notes.holds.first() {
            return Err(EraseError::Held { recording, reason: hold.reason.clone() });
        }
        let (_, sidecar) = recordings::read_sidecar(self.disk, &sheet)?;
        let receipt = Receipt::read(self.disk, &sheet).map_err(failure)?;
        let order = EraseOrder::of(&sidecar, day, receipt.as_ref(), set_up, cause);
        order.write(self.disk, self.data).map_err(|source| self.disk_error(source))
    }

    /// Goes on with all that was ordered, as far as it can be done now: how far each is.
    ///
    /// # Errors
    /// The folder of orders cannot be read. What fails of one order is told of it, and done again the next time.
    pub fn go_on(&self, now: Wall) -> Result<Vec<(RecordingId, Progress)>, EraseError> {
        let ordered = erase_order::ordered(self.disk, self.data).map_err(|source| self.disk_error(source))?;
        let progress = |recording| {
            let progress = self.carry_out(recording, now);
            (recording, progress.unwrap_or_else(|error| Progress::Waits(error.to_string())))
        };
        Ok(ordered.into_iter().map(progress).collect())
    }

    fn carry_out(&self, recording: RecordingId, now: Wall) -> Result<Progress, EraseError> {
        let failure = |source| self.disk_error(source);
        let Some(mut order) = EraseOrder::read(self.disk, self.data, recording).map_err(failure)? else {
            return Ok(Progress::Waits("the order is gone".to_owned()));
        };
        self.remove_files(&order)?;
        if self.catalog.remove(recording)? {
            self.catalog.scrub()?;
        }
        let names: Vec<&str> = order.targets.iter().map(|keys| keys.target.as_str()).collect();
        let mut erased = BTreeMap::new();
        if let Some(queue) = self.queue {
            queue.order_erasure(&names, recording, order.session, &order.day, now.0 / 1_000_000)?;
            erased.extend(queue.erased_in(recording)?.into_iter().map(|(target, at, removed)| (target, (at, removed))));
        }
        let mut missing = Vec::new();
        for name in names.iter().filter(|name| !erased.contains_key(**name)) {
            let error = self.queue.map(|queue| queue.error_of(name, recording)).transpose()?.flatten();
            missing.push(error.map_or_else(|| (*name).to_owned(), |error| format!("{name} ({error})")));
        }
        let is_out = order.journal.is_some() || self.take_out(&mut order)?;
        if !missing.is_empty() {
            return Ok(Progress::Waits(format!("it is still to be removed from {}", missing.join(", "))));
        }
        if !is_out {
            return Ok(Progress::Waits("its recording session goes on, or has just ended".to_owned()));
        }
        // What a delivery that was under way has written behind our back.
        self.remove_files(&order)?;
        let there = |(target, (at, Removed { objects, kept }))| {
            let erased_at = Wall(at * 1_000_000).rfc3339();
            ErasedThere { target, objects, erased_at, kept: KeptThere::of(&kept) }
        };
        let certificate = Certificate {
            format: FORMAT,
            siprec: env!("CARGO_PKG_VERSION").to_owned(),
            recording,
            session: order.session,
            started_at: order.started_at.clone(),
            ended_at: order.ended_at.clone(),
            cause: order.cause.clone(),
            erased_at: now.rfc3339(),
            files: order.files.clone(),
            key_destroyed: order.is_sealed,
            journal: order.journal.clone().unwrap_or_default(),
            neighbours: order.neighbours.clone(),
            targets: erased.into_iter().map(there).collect(),
        };
        self.certify(&certificate).map_err(failure)?;
        if let Some(queue) = self.queue {
            queue.forget_erased(recording)?;
        }
        order.remove(self.disk, self.data).map_err(failure)?;
        Ok(Progress::Done(Box::new(certificate)))
    }

    /// The key first: without it what is sealed is lost, wherever copies are. Then the sheet, then whatever else bears the id.
    fn remove_files(&self, order: &EraseOrder) -> Result<(), EraseError> {
        let folder = self.data.join(&order.day);
        let failure = |source| EraseError::Disk { path: folder.clone(), source };
        if !self.disk.exists(&folder).map_err(failure)? {
            return Ok(());
        }
        shred(self.disk, &folder, order.recording).map_err(failure)?;
        let id = order.recording.to_string();
        let mut names: Vec<String> = self.disk.list(&folder).map_err(failure)?.into_iter().map(|l| l.name).collect();
        names.retain(|name| name.starts_with(&id));
        names.sort_by_key(|name| *name != format!("{id}.json"));
        for name in &names {
            let path = folder.join(name);
            self.disk.remove_file(&path).map_err(|source| EraseError::Disk { path, source })?;
        }
        if names.is_empty() { Ok(()) } else { self.disk.sync_dir(&folder).map_err(failure) }
    }

    /// The other recordings in its journal that are there, whether or not the catalog knows of them.
    fn neighbours(&self, order: &EraseOrder, session: SessionId) -> Result<Vec<Scope>, EraseError> {
        let mut neighbours = Vec::new();
        let all = recordings_in(self.disk, self.data, session).map_err(|source| self.disk_error(source))?;
        for id in all.into_iter().filter(|id| *id != order.recording) {
            let row = self.catalog.find(id)?;
            let known = row.as_ref().map(|row| self.data.join(row.folder()));
            let made = id.made_at().0;
            let likely = [0, -DAY, DAY].map(|by| self.data.join(recordings::day_folder(Wall(made.saturating_add(by)))));
            for folder in known.into_iter().chain(likely) {
                let sheet = recordings::sheet(&folder, id);
                if !self.disk.exists(&sheet).map_err(|source| self.disk_error(source))? {
                    continue;
                }
                let (_, sidecar) = recordings::read_sidecar(self.disk, &sheet)?;
                let ports = sidecar.streams.iter().map(|stream| stream.port).collect();
                neighbours.push(scope(id, &sidecar.started_at, &sidecar.ended_at, ports));
                break;
            }
        }
        Ok(neighbours)
    }

    /// Takes it out of its journal, and remembers that; whether that could be done.
    fn take_out(&self, order: &mut EraseOrder) -> Result<bool, EraseError> {
        let failure = |source| self.disk_error(source);
        let mut kept = Vec::new();
        let found = match order.session {
            None => InJournal::NotThere,
            Some(session) => {
                kept = self.neighbours(order, session)?;
                let erased = scope(order.recording, &order.started_at, &order.ended_at, order.ports.clone());
                take_out(self.disk, self.data, session, erased, kept.clone()).map_err(failure)?
            }
        };
        order.journal = match found {
            InJournal::Live => return Ok(false),
            InJournal::NotThere => Some("not_there".to_owned()),
            InJournal::Removed => Some("removed".to_owned()),
            InJournal::TakenOut => Some("taken_out".to_owned()),
        };
        order.neighbours = kept.iter().map(|scope| scope.recording).collect();
        order.write(self.disk, self.data).map_err(failure)?;
        Ok(true)
    }

    fn certify(&self, certificate: &Certificate) -> io::Result<()> {
        let path = certificate_path(self.data, certificate.recording);
        let text = json_file::text(certificate)?;
        self.disk.create_dir_all(path.parent().unwrap_or(self.data))?;
        let signature = self.proof_key.sign(&text)?;
        self.disk.replace(&signature_path(&path), &signature)?;
        self.disk.replace(&path, &text)
    }

    fn disk_error(&self, source: io::Error) -> EraseError {
        EraseError::Disk { path: self.data.to_owned(), source }
    }
}

/// The certificate of a recording, if it was erased.
///
/// # Errors
/// The disk's; what is no certificate is `InvalidData`.
pub fn certificate(disk: &dyn Disk, data: &Path, recording: RecordingId) -> io::Result<Option<Certificate>> {
    json_file::read(disk, &certificate_path(data, recording), (FORMAT, MAX_BYTES))
}

/// All certificates, oldest month first; what is none is `InvalidData`.
///
/// # Errors
/// The folder cannot be read.
pub fn certificates<'a>(
    disk: &'a dyn Disk,
    data: &Path,
) -> io::Result<impl Iterator<Item = io::Result<Certificate>> + 'a> {
    let mut folders = vec![data.join(FOLDER)];
    for _ in ["year", "month"] {
        let mut below = Vec::new();
        for folder in folders {
            if disk.exists(&folder)? {
                below.extend(disk.list(&folder)?.into_iter().filter(|l| l.is_dir).map(|l| folder.join(l.name)));
            }
        }
        below.sort();
        folders = below;
    }
    let mut all = Vec::new();
    for folder in folders {
        let names = disk.list(&folder)?.into_iter().map(|l| l.name).filter(|name| name.ends_with(".json"));
        all.extend(names.map(|name| folder.join(name)));
    }
    let read = |path: PathBuf| json_file::read(disk, &path, (FORMAT, MAX_BYTES)).transpose();
    Ok(all.into_iter().filter_map(read))
}

/// Where the certificate of a recording lies: `erased/YYYY/MM/<id>.json`, by the time when its id was made.
pub fn certificate_path(data: &Path, recording: RecordingId) -> PathBuf {
    let (year, month, _) = recording.made_at().date();
    data.join(FOLDER).join(format!("{year:04}/{month:02}/{recording}.json"))
}

/// A sheet's times are whole milliseconds: the last one counts as a whole.
fn scope(recording: RecordingId, from: &str, to: &str, ports: Vec<u16>) -> Scope {
    let time = |text: &str, otherwise| date_time(text).unwrap_or(Wall(otherwise));
    let to = Wall(time(to, i64::MAX).0.saturating_add(999_999));
    Scope { recording, from: time(from, i64::MIN), to, ports }
}
