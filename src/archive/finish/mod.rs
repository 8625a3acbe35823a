//! Finishing: a session's journal becomes its recordings.
//!
//! ```text
//! journal -> plan -> mix -> encode -> <id>.wav.part -> <id>.json.part, .json.sig.part
//!         -> rename wav and sig, sync folder, rename json, sync folder
//!                                                -> outbox -> catalog row -> (session over) journal put away
//! ```
//!
//! Each step looks at the disk, not at what was done before, so a crash anywhere is mended by doing it all again:
//! a file has its final name only when it is whole, a sidecar only beside its files, a row only when both are there,
//! and the journal leaves `live` last.

mod again;
mod files;
mod journals;
mod messages;
mod plain;
mod redacted;
mod remade;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use siprec_core::entry::{Entry, Event, Kind};
use siprec_core::node_key::NodeKey;
use siprec_core::render::{self, Detail, Noted, Rendition, Sidecar, Unsealer};
use siprec_core::seed::{RecordingId, SessionId};

use super::catalog::{Catalog, CatalogError, Record};
use super::disk::Disk;
use super::erase_order;
use super::journal::put_away_path;
use super::notes::Notes;
use super::outbox::{Intake, QueueError};
use super::proof_key::ProofKey;
use super::recordings;
use super::recovery::{self, ForRecording};
use super::selection::date_time;
use files::Files;
use journals::Journal;
use remade::Done;

pub use again::{Form, RENDITION_FIELD, render_again, rendering_tag, rendition_words};
pub(in crate::archive) use files::{Sink, sheet as sheet_text, tags};
pub use messages::{SipMessage, messages};
pub use redacted::{InJournal, recordings_in, take_out};

/// Why a recording is not finished.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    /// The journal cannot be read or put away.
    #[error("the journal of session {session}: {source}")]
    Journal {
        /// Whose.
        session: SessionId,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", .path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The row cannot be written.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// It cannot be queued for the storage targets.
    #[error(transparent)]
    Outbox(#[from] QueueError),
    /// The sheet cannot be written down: our fault.
    #[error("the sheet of recording {recording}: {why}")]
    Sheet {
        /// Whose.
        recording: RecordingId,
        /// Why.
        why: String,
    },
    /// The mixer gave more or fewer samples than were planned: our fault.
    #[error("{name}: {planned} samples were planned and {written} were mixed")]
    Length {
        /// The file.
        name: String,
        /// As the plan says.
        planned: u64,
        /// As it came out.
        written: u64,
    },
    /// There is nothing left to render from.
    #[error("its journal {} is gone: journals are kept for archive.keep_journal after their recordings are made", .path.display())]
    JournalGone {
        /// Where it was.
        path: PathBuf,
    },
    /// The server stops; the next start goes on.
    #[error("stopped")]
    Stopped,
}

/// What [`Finisher::finish`] found and did.
#[derive(Debug, Default)]
pub struct Finished {
    /// Recordings that were rendered now.
    pub recordings: Vec<Sidecar>,
    /// Recordings that were there and were made again, since keys came later that open packets of them.
    pub again: Vec<Sidecar>,
    /// Packets of its recordings that are kept sealed: a key that comes may open them.
    pub sealed: u64,
    /// Recordings that were there already.
    pub present: usize,
    /// Recordings of the session that go on.
    pub running: usize,
    /// Whether the session is over, all of it is finished and its journal put away.
    pub put_away: bool,
    /// What failed, and of which recording; all that does not depend on it was done all the same.
    pub failed: Vec<(Option<RecordingId>, FinishError)>,
}

/// Makes recordings of journals. Threads may share it; a session is one thread's at a time.
#[derive(Debug, Clone)]
pub struct Finisher {
    disk: Arc<dyn Disk>,
    data: PathBuf,
    catalog: Arc<Catalog>,
    rendition: Rendition,
    stop: Arc<AtomicBool>,
    /// What no sheet tells.
    leave_out: Vec<Detail>,
    /// What unwraps the journals' keys of SRTP.
    node_key: Option<NodeKey>,
    /// What sheets are signed with.
    proof_key: Option<Arc<ProofKey>>,
    /// Whence recordings go to storage targets.
    intake: Option<Intake>,
}

/// What remains to be done for a recording that has ended, by the table of what a crash may leave. (`.part` files say
/// nothing: they are written anew. Files without a sidecar are not yet whole: the sidecar's rename is what counts.)
fn step(sidecar_and_files: bool, row: bool) -> ForRecording {
    let files = if sidecar_and_files { recovery::Files::Present } else { recovery::Files::Absent };
    let row = if row { recovery::Row::Present } else { recovery::Row::Absent };
    recovery::action(recovery::Journal::Ended, files, row).recording
}

impl Finisher {
    /// One that reads and writes below `data`.
    pub fn new(disk: Arc<dyn Disk>, data: PathBuf, catalog: Arc<Catalog>) -> Self {
        let (stop, rendition) = (Arc::new(AtomicBool::new(false)), Rendition::default());
        Self {
            disk,
            data,
            catalog,
            rendition,
            stop,
            leave_out: Vec::new(),
            node_key: None,
            proof_key: None,
            intake: None,
        }
    }

    /// The same with another layout and format.
    #[must_use]
    pub fn rendering(self, rendition: Rendition) -> Self {
        Self { rendition, ..self }
    }

    /// The same, with sheets that do not tell `details`.
    #[must_use]
    pub fn leaving_out(self, details: Vec<Detail>) -> Self {
        Self { leave_out: details, ..self }
    }

    /// The same, opening what is sealed in journals by keys that `node_key` unwraps.
    #[must_use]
    pub fn unwrapping(self, node_key: Option<NodeKey>) -> Self {
        Self { node_key, ..self }
    }

    /// The same, signing its sheets.
    #[must_use]
    pub fn signing(self, proof_key: ProofKey) -> Self {
        Self { proof_key: Some(Arc::new(proof_key)), ..self }
    }

    /// The same, handing what it has made to the outbox.
    #[must_use]
    pub fn storing(self, intake: Option<Intake>) -> Self {
        Self { intake, ..self }
    }

    /// Makes whatever is being rendered, in any thread, end soon with [`FinishError::Stopped`].
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Sessions whose journal is in `journals/live`: still running, or not finished yet.
    pub fn live_sessions(&self) -> io::Result<Vec<SessionId>> {
        journals::live(&*self.disk, &self.data)
    }

    /// Brings the session as far as its journal allows: each ended recording is rendered and in the catalog, and the
    /// journal is put away if the session is over. May be called at any time, and again.
    pub fn finish(&self, session: SessionId) -> Finished {
        let mut finished = Finished::default();
        if let Err(error) = self.finish_session(session, &mut finished) {
            finished.failed.push((None, error));
        }
        finished
    }

    fn finish_session(&self, session: SessionId, finished: &mut Finished) -> Result<(), FinishError> {
        let failure = |source| FinishError::Journal { session, source };
        let Some(journal) = Journal::open(&*self.disk, &self.data, session).map_err(failure)? else { return Ok(()) };
        let mut contents = Contents::default();
        let mut noted = Noted::default();
        journal
            .read(&mut |entry| {
                contents.take(entry);
                noted.entry(entry);
            })
            .map_err(failure)?;
        let is_due = contents.recordings.iter().any(|(_, ended)| *ended || contents.over);
        let node_key = self.node_key.as_ref().filter(|_| is_due);
        let unsealer = Unsealer::new(noted, node_key, |take| journal.read(take)).map_err(failure)?;
        let source = Source { journal: &journal, unsealer: &unsealer };
        for (recording, ended) in &contents.recordings {
            if !ended && !contents.over {
                finished.running += 1;
                continue;
            }
            match self.finish_recording(&source, *recording) {
                Ok(done) => finished.take(done),
                Err(error) => finished.failed.push((Some(*recording), error)),
            }
        }
        if contents.over && finished.failed.is_empty() {
            journal.put_away().map_err(failure)?;
            finished.put_away = true;
        }
        Ok(())
    }

    fn finish_recording(&self, source: &Source<'_>, recording: RecordingId) -> Result<Done, FinishError> {
        let disk = |source| FinishError::Disk { path: self.data.clone(), source };
        if erase_order::is_ordered(&*self.disk, &self.data, recording).map_err(disk)? {
            return Ok(Done::Present { sealed: 0 });
        }
        // A catalog that cannot be asked keeps nobody from rendering: its row is put in when it can.
        let row = self.catalog.find(recording).unwrap_or_default();
        if let Some(row) = &row
            && let Some(there) = self.whole(row.folder(), recording)
            && step(true, true) == ForRecording::Leave
        {
            return self.look_again(source, row, there);
        }
        let plan = self.plan(source, recording, self.rendition)?;
        let sheet = |why: String| FinishError::Sheet { recording, why };
        let started_at = date_time(&plan.sidecar.started_at)
            .ok_or_else(|| sheet(format!("\"{}\" is no time to have started at", plan.sidecar.started_at)))?;
        let day = recordings::day_folder(started_at);
        let found = self.whole(&day, recording);
        let sidecar = match (step(found.is_some(), row.is_some()), found) {
            (ForRecording::Leave, _) => return Ok(Done::Present { sealed: plan.sidecar.proof.sealed }),
            (ForRecording::Adopt, Some(sidecar)) => sidecar,
            (ForRecording::Render | ForRecording::Adopt | ForRecording::MarkAway, _) => {
                self.files(&self.data.join(&day)).write(plan, &|take| self.entries(source, take))?
            }
        };
        let session = Some(source.journal.session());
        match &self.intake {
            // It was there, and a crash came while it was made again: targets may have it as it was.
            Some(intake) if row.is_some() => intake.renew(recording, session, &day)?,
            Some(intake) => intake.add(recording, session, &day)?,
            None => {}
        }
        self.enter(&sidecar, &day)?;
        Ok(Done::Made(Box::new(sidecar)))
    }

    /// What a recording becomes by its journal, as it is.
    fn plan(
        &self,
        source: &Source<'_>,
        recording: RecordingId,
        rendition: Rendition,
    ) -> Result<render::Plan, FinishError> {
        let mut plan = render::plan(recording, rendition, |take| self.entries(source, take))?;
        if self.is_stopped() {
            return Err(FinishError::Stopped);
        }
        if source.unsealer.lacks_node_key() {
            plan.sidecar.lacks_node_key();
        }
        plan.sidecar.journal.path = put_away_path(source.journal.session());
        plan.sidecar.journal.bytes = source.journal.bytes();
        plan.sidecar.leave_out(&self.leave_out);
        Ok(plan)
    }

    /// The journal's entries, sealed ones plain where they can be.
    fn entries(&self, source: &Source<'_>, take: &mut dyn FnMut(&Entry<'_>)) -> Result<(), FinishError> {
        let mut opening = source.unsealer.opening();
        let read = source.journal.read(&mut |entry| {
            if !self.is_stopped() {
                opening.entry(entry, take);
            }
        });
        read.map_err(|error| FinishError::Journal { session: source.journal.session(), source: error })
    }

    fn files<'f>(&'f self, folder: &'f Path) -> Files<'f> {
        Files { disk: &*self.disk, folder, stop: &self.stop, proof_key: self.proof_key.as_deref() }
    }

    /// Puts a recording, whose files lie in `day`, into the catalog.
    fn enter(&self, sidecar: &Sidecar, day: &str) -> Result<(), FinishError> {
        let path = recordings::sheet(&self.data.join(day), sidecar.id);
        let begun = Notes::begun(&*self.disk, &path, sidecar);
        let notes = begun.map_err(|source| FinishError::Disk { path: self.data.clone(), source })?;
        let record = Record::of(sidecar, day)
            .map_err(|why| FinishError::Sheet { recording: sidecar.id, why: why.to_string() })?;
        Ok(self.catalog.put(&record.noted(&notes))?)
    }

    /// The sidecar of a recording in a day's folder, if it and its files are there.
    fn whole(&self, day: &str, recording: RecordingId) -> Option<Sidecar> {
        let path = recordings::sheet(&self.data.join(day), recording);
        // Whatever is wrong with it: it is made again.
        recordings::whole(&*self.disk, &path).ok().filter(|sidecar| sidecar.id == recording)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl Finished {
    fn take(&mut self, done: Done) {
        match done {
            Done::Made(sidecar) => {
                self.sealed += sidecar.proof.sealed;
                self.recordings.push(*sidecar);
            }
            Done::MadeAgain(sidecar) => {
                self.sealed += sidecar.proof.sealed;
                self.again.push(*sidecar);
            }
            Done::Present { sealed } => {
                self.sealed += sealed;
                self.present += 1;
            }
        }
    }
}

/// What recordings of a session are made of.
struct Source<'s> {
    journal: &'s Journal<'s>,
    unsealer: &'s Unsealer,
}

/// What a journal tells before anything is rendered.
#[derive(Debug, Default)]
struct Contents {
    /// Its recordings, and whether each has ended.
    recordings: Vec<(RecordingId, bool)>,
    /// Whether the session is over.
    over: bool,
}

impl Contents {
    fn take(&mut self, entry: &Entry<'_>) {
        let Kind::Event(event) = &entry.kind else { return };
        match event {
            Event::RecordingStarted { recording, .. } => {
                if !self.recordings.iter().any(|(known, _)| known == recording) {
                    self.recordings.push((*recording, false));
                }
            }
            Event::RecordingEnded { recording, .. } => {
                for (known, ended) in &mut self.recordings {
                    *ended |= known == recording;
                }
            }
            Event::Ended { .. } => self.over = true,
            Event::Segment(_)
            | Event::Stream(_)
            | Event::Answered
            | Event::Metadata { .. }
            | Event::RecordingBound { .. }
            | Event::Tagged { .. }
            | Event::Source { .. }
            | Event::SrtpKeys { .. }
            | Event::SrtcpReserved { .. }
            | Event::SrtpRefused { .. }
            | Event::Gap { .. }
            | Event::Dropped { .. }
            | Event::ClockStep { .. }
            | Event::DiskStalled { .. }
            | Event::Alarm { .. } => {}
        }
    }
}
