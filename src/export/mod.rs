//! `siprec export`: finds recordings, lists them, and hands out verified copies.
//!
//! ```text
//! catalog -> Row -> listing (table | JSON lines)
//!                \-> jobs, several at a time, each: work -> copy (temporary name, SHA-256, rename)
//!                                                     |-> again (from the journal, in another form)
//!                                                     |-> vcon (audio and sheet in one file)
//!                                                     \-> remote (to a target) -> line, in the catalog's order
//! ```
//! It reads the data directory, and writes there only what it hands out, in the audit log; so it works beside a running server
//! and without one.

mod account;
mod again;
mod copy;
mod digest;
mod jobs;
mod listing;
mod place;
mod progress;
mod remote;
#[cfg(feature = "api")]
mod served;
mod source;
mod stop;
mod superseded;
mod trouble;
mod unpack;
mod vcon;
mod verify;
mod work;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context, bail};
use siprec_core::node_key::NodeKey;
use siprec_core::render::Detail;

use crate::archive::catalog::{Address, Catalog, CatalogError, Filter, Row};
use crate::archive::disk::RealDisk;
use crate::archive::finish::Form;
use crate::archive::sealed::SealedDisk;
use crate::archive::storage::Target;
use crate::archive::{node_id, node_key, recordings};
use crate::beside;
use account::Account;
use copy::{Copier, Outcome};
use jobs::End;
use progress::Progress;
use remote::{Remote, Staging};
use source::Archive;
use stop::Stop;
use superseded::Dealt;
use vcon::Signer;
use work::{Place, Task, Worker};

#[cfg(feature = "api")]
pub use served::{ServedOptions, run_served};
pub use source::Targets;
pub use vcon::{AudioPlace, Vcon};
pub use verify::{Check, verify};

/// Where copies go.
#[derive(Debug, Clone)]
pub enum To {
    /// A folder, made if it is not there.
    Folder(PathBuf),
    /// A storage target, under a prefix.
    Target(Arc<dyn Target>, String),
    /// Standard output: one file of one recording.
    Stdout,
}

/// What becomes of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It is copied as it is.
    Copy,
    /// It is rendered again from its journal.
    Render(Form),
    /// It is put into a vCon.
    Vcon(Vcon),
}

/// What to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// The data directory.
    pub data: PathBuf,
    /// Where PostgreSQL is, if it has the catalog.
    pub shared_catalog: Option<Address>,
    /// Opens what is sealed there.
    pub disk: Arc<SealedDisk>,
    /// Where audio is that was released there.
    pub targets: Targets,
    /// Which recordings.
    pub filter: Filter,
    /// Where to; none: only list.
    pub to: Option<To>,
    /// What becomes of them.
    pub what: What,
    /// So many recordings at a time, at least one.
    pub jobs: usize,
    /// What a sheet that is rendered again does not tell.
    pub leave_out: Vec<Detail>,
    /// Whether copies of files that the archive has replaced since are removed; only from a folder.
    pub prunes: bool,
    /// Only list what would be copied.
    pub dry_run: bool,
    /// One JSON object a recording instead of a table.
    pub json: bool,
    /// Whether somebody watches: a progress bar on standard error.
    pub progress: bool,
}

/// Lists or copies, on standard output; what failed is told on standard error.
///
/// # Errors
/// No catalog, or anything that could not be copied.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let stdout = io::stdout().lock();
    run_to(options, &mut io::BufWriter::new(stdout), &mut io::stderr())
}

fn run_to(options: &Options, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<()> {
    let catalog = match &options.shared_catalog {
        Some(address) => open_shared(&options.data, address)?,
        None => open(&options.disk, &options.data, err)?,
    };
    match &options.to {
        Some(To::Stdout) if !options.dry_run => one_to_stdout(options, &catalog, out, err)?,
        Some(to) if !options.dry_run => copy_all(options, &catalog, to, out, err)?,
        Some(_) | None => listing::list(catalog.select(options.filter.clone()), options.json, out)?,
    }
    out.flush()?;
    Ok(())
}

/// The catalog in PostgreSQL.
fn open_shared(data: &Path, address: &Address) -> anyhow::Result<Catalog> {
    let node = node_id::open(&RealDisk, data)?.unwrap_or_default();
    let catalog = Catalog::shared_read_only(address.clone(), &node);
    catalog.check().map_err(|error| {
        anyhow::anyhow!(
            "the list of recordings is in PostgreSQL (metadata.type: postgresql), and it cannot be read: {error}. Start PostgreSQL, or \
             correct metadata.connection; or go without it: the same command with --set metadata.type=sqlite reads the proof sheets \
             in {} and finds what this server recorded",
            data.display()
        )
    })?;
    Ok(catalog)
}

/// The catalog; where there is none, one made for the moment from the sidecars.
fn open(disk: &SealedDisk, data: &Path, err: &mut dyn Write) -> anyhow::Result<Catalog> {
    beside::is_there(data)?;
    match Catalog::read_only(data) {
        Ok(catalog) => Ok(catalog),
        Err(why @ (CatalogError::Missing | CatalogError::Older { .. })) if recordings::folder(data).is_dir() => {
            writeln!(err, "siprec: in {}: {why}; reading the sidecars instead", data.display())?;
            let catalog = Catalog::temporary()?;
            for damaged in recordings::rebuild(disk, data, &catalog, &mut || {})?.damaged {
                writeln!(err, "siprec: {damaged}")?;
            }
            Ok(catalog)
        }
        Err(CatalogError::Missing) => {
            bail!("nothing was recorded in {} yet: it has neither catalog nor recordings", data.display())
        }
        Err(error) => Err(error).with_context(|| format!("in {}", data.display())),
    }
}

/// This data directory's name, if its catalog has more than what lies in it.
fn own_node(options: &Options) -> anyhow::Result<Option<String>> {
    let own = || anyhow::Ok(node_id::open(&RealDisk, &options.data)?.unwrap_or_default());
    options.shared_catalog.as_ref().map(|_| own()).transpose()
}

/// What matches and cannot be copied from here.
fn tell_of_others(catalog: &Catalog, filter: &Filter, node: &str, err: &mut dyn Write) -> anyhow::Result<()> {
    let mut others: BTreeMap<String, u64> = BTreeMap::new();
    for row in catalog.select(filter.clone()) {
        if let Some(other) = row?.node.filter(|other| other != node) {
            *others.entry(other).or_default() += 1;
        }
    }
    for (other, count) in others {
        writeln!(err, "siprec: {count} more that match lie on another server (node {other}): export them there")?;
    }
    Ok(())
}

/// What unwraps the journals' keys of SRTP. Who may not read it renders all the same: what is sealed stays so.
fn node_key(data: &Path, err: &mut dyn Write) -> anyhow::Result<Option<NodeKey>> {
    match node_key::open(data) {
        Ok(key) => Ok(key),
        Err(error) => {
            writeln!(err, "siprec: {error:#}: packets that are sealed in journals are not opened")?;
            Ok(None)
        }
    }
}

impl Task {
    fn of(options: &Options, stop: Stop, err: &mut dyn Write) -> anyhow::Result<Self> {
        let (disk, data, targets) = (Arc::clone(&options.disk), options.data.clone(), options.targets.clone());
        let signs = matches!(&options.what, What::Vcon(vcon) if vcon.sign);
        Ok(Self {
            archive: Archive { disk, data, targets },
            node_key: match options.what {
                What::Render(_) => node_key(&options.data, err)?,
                What::Copy | What::Vcon(_) => None,
            },
            what: options.what.clone(),
            prunes: options.prunes,
            leave_out: options.leave_out.clone(),
            signer: signs.then(|| Signer::read(&options.data)).transpose()?,
            account: Mutex::new(Account::new(options)),
            warnings: Mutex::default(),
            stop,
        })
    }
}

/// Writes the one file of the one recording that matches.
fn one_to_stdout(options: &Options, catalog: &Catalog, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<()> {
    let filter = Filter { node: own_node(options)?, ..options.filter.clone() };
    let rows: Vec<Row> = catalog.select(filter).take(2).collect::<Result<_, _>>()?;
    let [row] = rows.as_slice() else {
        let found = if rows.is_empty() { "no recording matches" } else { "more than one recording matches" };
        bail!("{found}: --to - takes one; name it with --id");
    };
    let staging = Staging::new()?;
    let task = Task::of(options, Stop::on_signals()?, err)?;
    let mut copier = Copier::new(task.archive.clone(), staging.path(), task.stop.clone());
    task.make(&mut copier, (row, &task.archive.find(row)?), &mut |_| {})?;
    let file = staging.only_file(&options.what)?;
    let mut account = Account::new(options);
    account.begin(err)?;
    account.handed_out(row.id, true, err)?;
    let sent = io::copy(&mut std::fs::File::open(&file)?, out);
    let failed = u64::from(sent.is_err());
    account.end((1 - failed, 0, failed), err)?;
    Ok(sent.map(drop)?)
}

/// The workers of a run. What tells whose recordings they are goes first: where it cannot be put, nothing else can.
fn workers<'t>(
    (to, jobs): (&To, usize),
    task: &'t Task,
    remote: Option<&'t Remote>,
    progress: &Progress,
) -> anyhow::Result<Vec<Worker<'t>>> {
    let is_signed = matches!(task.what, What::Copy | What::Vcon(_));
    let mut workers = Vec::new();
    for index in 0..jobs.max(1) {
        let place = match (to, remote) {
            (_, Some(remote)) => {
                let staging = Staging::new()?;
                if index == 0 && is_signed {
                    copy::public_key(&task.archive, staging.path())?;
                    remote.send(&staging)?;
                }
                Place::Target(remote, staging)
            }
            (To::Folder(folder), None) => {
                fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
                if index == 0 && is_signed {
                    copy::public_key(&task.archive, folder)?;
                }
                Place::Folder(folder.clone())
            }
            (To::Target(..) | To::Stdout, None) => bail!("there is no such place"),
        };
        workers.push(Worker::new(task, place, progress.clone()));
    }
    Ok(workers)
}

fn copy_all(
    options: &Options,
    catalog: &Catalog,
    to: &To,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<()> {
    let node = own_node(options)?;
    let filter = Filter { node: node.clone(), ..options.filter.clone() };
    let task = Task::of(options, Stop::on_signals()?, err)?;
    let remote = match to {
        To::Target(target, prefix) => Some(Remote::new(Arc::clone(target), prefix.clone(), task.stop.clone())?),
        To::Folder(_) | To::Stdout => None,
    };
    let progress = Progress::start(options.progress, catalog, &filter)?;
    task.account().begin(err)?;
    let workers = workers((to, options.jobs), &task, remote.as_ref(), &progress)?;
    let mut tally = Tally::default();
    let end = jobs::run(catalog.select(filter), workers, &task.stop, &mut |row, result| {
        tally.count(result);
        progress.count(tally.all());
        progress.suspend(|| task.warn(err))?;
        if let Err(error) = result {
            progress.suspend(|| writeln!(err, "siprec: {}: {error:#}", row.id))?;
        }
        if options.json {
            // Who reads it hears of each as it is done.
            progress.suspend(|| listing::outcome(row, result, out).and_then(|()| out.flush()))?;
        }
        Ok(())
    });
    progress.finish();
    task.warn(err)?;
    task.account().end((tally.copied, tally.present, tally.failed), err)?;
    let end = end?;
    let done = if matches!(options.what, What::Render(_)) { "rendered" } else { "copied" };
    if !options.json {
        writeln!(out, "{}", tally.words(done))?;
    }
    out.flush()?;
    match end {
        End::Early(error) => Err(error.context(format!(
            "ended after {} recordings, since every other would meet the same; a next run goes on from there",
            tally.all()
        ))),
        End::Interrupted => bail!("interrupted after {} recordings; a next run goes on from there", tally.all()),
        End::All => {
            if let Some(node) = &node {
                tell_of_others(catalog, &options.filter, node, err)?;
            }
            if tally.failed > 0 {
                bail!("{} of {} recordings could not be {done}", tally.failed, tally.all());
            }
            Ok(())
        }
    }
}

/// What became of how many.
#[derive(Debug, Default)]
struct Tally {
    copied: u64,
    present: u64,
    failed: u64,
    superseded: usize,
    pruned: usize,
}

impl Tally {
    fn count(&mut self, result: &anyhow::Result<Dealt>) {
        match result {
            Ok(dealt) => {
                match dealt.outcome {
                    Outcome::Copied => self.copied += 1,
                    Outcome::Present => self.present += 1,
                }
                self.superseded += dealt.superseded.len();
                self.pruned += dealt.pruned.len();
            }
            Err(_) => self.failed += 1,
        }
    }

    fn words(&self, done: &str) -> String {
        let mut words = format!("{} {done}, {} already there, {} failed", self.copied, self.present, self.failed);
        let files = |count| format!("{count} {}", if count == 1 { "file" } else { "files" });
        if self.pruned > 0 {
            words += &format!("; {} of before recompression removed", files(self.pruned));
        }
        if self.superseded > 0 {
            words += &format!("; {} of before recompression still there", files(self.superseded));
        }
        words
    }

    fn all(&self) -> u64 {
        self.copied + self.present + self.failed
    }
}

/// What a folder holds, by name.
fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let list = || fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
    let mut entries = list().with_context(|| format!("cannot read {}", folder.display()))?;
    entries.sort();
    Ok(entries)
}
