//! `siprec archive verify`: whether all that the archive holds is what it was, and what can be put right.
//!
//! ```text
//! sheets, day by day -> signature, files as they lie, objects in targets, row in the catalog -> findings -> mended | told
//! rows of the catalog -> is there a sheet?         journals, audit log -> are they whole?
//! ```
//! It works beside a running server and without one; what a server has not finished yet is not looked at. One recording is
//! held at a time, and what is found is told at once. Nothing is removed: what is put right takes the place of something
//! damaged, which is kept as `<name>.damaged`.

mod archive;
mod files;
mod mend;
mod objects;
mod recording;
mod report;

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use siprec_core::seed::{RecordingId, SessionId};
use siprec_core::time::Wall;
use tokio::runtime::Runtime;

use super::write_down;
use crate::archive::audit::{Act, Action};
use crate::archive::catalog::{Address, Catalog, CatalogError};
use crate::archive::disk::{Disk as _, RealDisk};
use crate::archive::erase_order;
use crate::archive::journal::LIVE;
use crate::archive::node_id;
use crate::archive::outbox::{Named, Queue};
use crate::archive::proof_key::{PUBLIC_FILE, PublicKey};
use crate::archive::recordings::{Sidecars, day_folder};
use crate::archive::sealed::SealedDisk;
use crate::beside;
use recording::Case;
use report::{Fault, Finding, Report};

/// What is verified, and how.
#[derive(Debug)]
pub struct Options {
    /// The data directory.
    pub data: PathBuf,
    /// Opens what is sealed there.
    pub disk: Arc<SealedDisk>,
    /// The storage targets that are set up.
    pub targets: Vec<Arc<Named>>,
    /// Where PostgreSQL is, if it has the catalog.
    pub shared_catalog: Option<Address>,
    /// Recordings that started then or later.
    pub since: Option<Wall>,
    /// These recordings; empty: all.
    pub ids: Vec<RecordingId>,
    /// Open what is sealed, and fetch what targets have.
    pub deep: bool,
    /// Put right what can be.
    pub mend: bool,
    /// What sheets must be signed with, instead of the key in the data directory.
    pub public_key: Option<PathBuf>,
    /// One JSON object a finding, and one at the end.
    pub json: bool,
    /// Whether somebody watches: progress on standard error.
    pub progress: bool,
}

/// Verifies, and tells what is wrong on standard output.
///
/// # Errors
/// A directory, key or catalog that cannot be had; anything that is wrong and was not put right.
pub fn verify(options: &Options) -> anyhow::Result<()> {
    beside::is_there(&options.data)?;
    let inspector = Inspector::new(options)?;
    let mut report = Report::start(options.json, options.progress, inspector.expected());
    inspector.all(&mut report)?;
    let counts = report.end()?;
    let act = Act::new(Action::Verified)
        .with("recordings", counts.recordings)
        .with("faults", counts.faults)
        .with("mended", counts.mended)
        .with("deep", options.deep)
        .with("mend", options.mend);
    write_down(&options.data, act)?;
    match counts.faults - counts.mended {
        0 => Ok(()),
        1 => bail!("one thing is wrong: it is told above"),
        wrong => bail!("{wrong} things are wrong: they are told above"),
    }
}

/// Whoever looks: what he compares with.
struct Inspector<'o> {
    options: &'o Options,
    key: PublicKey,
    /// None where there is none that can be asked.
    catalog: Result<Catalog, CatalogError>,
    /// What sets rows right, opened when the first is.
    writer: OnceCell<Catalog>,
    /// This data directory's name among those that share a catalog.
    node: Option<String>,
    queue: OnceCell<Queue>,
    runtime: Runtime,
}

impl<'o> Inspector<'o> {
    fn new(options: &'o Options) -> anyhow::Result<Self> {
        let key = PublicKey::read(&options.public_key.clone().unwrap_or_else(|| options.data.join(PUBLIC_FILE)))?;
        let (catalog, node) = match &options.shared_catalog {
            Some(address) => {
                let node = node_id::open(&RealDisk, &options.data)?.unwrap_or_default();
                let catalog = Catalog::shared_read_only(address.clone(), &node);
                (catalog.check().map(|()| catalog), Some(node))
            }
            None => (Catalog::read_only(&options.data), None),
        };
        let queue = OnceCell::new();
        if let Some(found) = Queue::existing(&options.data).with_context(|| format!("in {}", options.data.display()))? {
            drop(queue.set(found));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { options, key, catalog, writer: OnceCell::new(), node, queue, runtime })
    }

    /// How many recordings there are to look at, where that is known beforehand.
    fn expected(&self) -> Option<u64> {
        let all = self.options.since.is_none() && self.options.ids.is_empty() && self.node.is_none();
        if all { self.catalog.as_ref().ok()?.count().ok() } else { None }
    }

    fn all(&self, report: &mut Report) -> anyhow::Result<()> {
        if let Err(why) = &self.catalog {
            let what = format!("{why}: siprec archive rebuild makes it anew");
            report.tell(&Finding::new(Fault::CatalogUnreadable, what))?;
        }
        let mut sessions = Vec::new();
        let mut missing = self.options.ids.clone();
        for (sheet, day) in self.sheets() {
            let Some(id) = id_of(&sheet).filter(|id| self.is_asked_for(*id)) else { continue };
            missing.retain(|other| *other != id);
            let mut case = Case::new(self, id, sheet.clone(), day.clone());
            let mut is_there = case.look();
            if case.has_findings() && case.was_replaced() {
                case = Case::new(self, id, sheet, day);
                is_there = case.look();
            }
            if !is_there {
                continue;
            }
            if !self.options.ids.is_empty() {
                sessions.extend(case.session());
            }
            report.recording(case.into_findings())?;
        }
        archive::rows(self, &mut missing, report)?;
        for id in missing {
            let what = "there is neither a sheet nor a row of it".to_owned();
            report.tell(&Finding::new(Fault::Unknown, what).about(id))?;
        }
        archive::journals(self, &sessions, report)?;
        if self.options.ids.is_empty() {
            archive::kept(self, report)?;
        }
        archive::audit_log(self, report)
    }

    /// All sheets that may be asked for, oldest day first.
    fn sheets(&self) -> impl Iterator<Item = (PathBuf, String)> {
        let first = self.options.since.map(day_folder);
        let sheets = Sidecars::of(&*self.options.disk, &self.options.data);
        sheets.filter(move |(_, day)| first.as_ref().is_none_or(|first| day >= first))
    }

    fn is_asked_for(&self, id: RecordingId) -> bool {
        self.options.ids.is_empty() || self.options.ids.contains(&id)
    }

    /// Whether a server has not finished with a session yet: its recordings come into the catalog after their sheets.
    fn is_live(&self, session: Option<SessionId>) -> bool {
        session.is_some_and(|session| self.options.data.join(LIVE).join(session.to_string()).exists())
    }

    /// Whether a recording is being erased: what is left of it is nobody's to look at.
    fn is_being_erased(&self, id: RecordingId) -> bool {
        erase_order::is_ordered(&*self.options.disk, &self.options.data, id).unwrap_or(false)
    }

    fn target(&self, name: &str) -> Option<&Arc<Named>> {
        self.options.targets.iter().find(|named| named.name == name)
    }

    /// The queue, made if there is none: what a target lacks has to be written down somewhere.
    fn queue(&self) -> anyhow::Result<&Queue> {
        if let Some(queue) = self.queue.get() {
            return Ok(queue);
        }
        let made = Queue::open(&self.options.data)?;
        Ok(self.queue.get_or_init(|| made))
    }

    /// The catalog, to set rows right.
    fn writer(&self) -> anyhow::Result<&Catalog> {
        if let Some(writer) = self.writer.get() {
            return Ok(writer);
        }
        let opened = match (&self.options.shared_catalog, &self.node) {
            (Some(address), Some(node)) => Catalog::shared(address.clone(), node),
            (Some(_), None) | (None, _) => Catalog::beside(&self.options.data)?,
        };
        Ok(self.writer.get_or_init(|| opened))
    }
}

fn id_of(sheet: &Path) -> Option<RecordingId> {
    sheet.file_stem()?.to_str()?.parse().ok()
}

/// Whether a sheet is there still: a recording may be erased while it is looked at.
fn is_there(inspector: &Inspector<'_>, sheet: &Path) -> bool {
    inspector.options.disk.exists(sheet).unwrap_or(true)
}
