//! `siprec replay`: captures through the same core, offline and faster than life.
//!
//! ```text
//! pcap, pcapng -> Capture -> Decoder -> Calls   \
//!                                                Offline (the core and its ports) -> journal -> recordings -> rows
//! siprec journal -----------> Entries -> Again  /
//! ```

mod again;
mod calls;
mod offline;
mod options;
mod plain;
mod report;
pub mod wire;

pub use options::Options;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use siprec_core::node_key::NodeKey;
use siprec_core::seed::SessionId;
use siprec_core::session::Policy;

use self::again::{Again, Keys};
use self::calls::Calls;
use self::offline::Offline;
use self::report::Report;
use crate::archive::catalog::Catalog;
use crate::archive::disk::{Disk, Reading};
use crate::archive::finish::Finisher;
use crate::archive::journal::Writer;
use crate::archive::lock::DirectoryLock;
use crate::archive::sealed::is_sealed;
use crate::archive::{node, node_id, node_key, recordings};
use crate::capture::{Capture, Decoder, segments_of_folders, session_of, total_bytes};
use crate::config::Config;
use crate::policy::{catalog_address, details, policy};
use crate::sealing;

/// Bytes read from a file at a time.
const READ_BYTES: usize = 1 << 20;

/// Replays the files into the data directory and prints one row a recording.
///
/// # Errors
/// If any of them could not be read or recorded whole. What could be read is recorded all the same.
pub fn run(options: Options) -> anyhow::Result<()> {
    let data = options.config.archive.data_dir.clone();
    let _lock = DirectoryLock::take(&data).context("give the replay a folder of its own with --data-dir")?;
    let disk: Arc<dyn Disk> = sealing::disk(&options.config, &data)?;
    let catalog = Arc::new(open_catalog(&options.config, &*disk, &data)?);
    let node_key = node_key::load(&data)?;
    let details = details(&options.config.archive.leave_out);
    let finisher = Finisher::new(Arc::clone(&disk), data.clone(), catalog)
        .leaving_out(details)
        .unwrapping(Some(node_key.clone()))
        .rendering(options.config.recording.rendition());
    let mut policy = policy(&options.config, &node::boot());
    policy.probes = false;
    policy.let_everybody_in();
    let files = segments_of_folders(&options.files)?;
    let mut report = Report::new(options.json, options.progress, total_bytes(&files));
    let mut replay = Replay { disk, data, policy, node_key, finisher, journal: None, failures: Vec::new() };
    for path in &files {
        if let Err(error) = replay.file(path, &mut report) {
            replay.failures.push(format!("{}: {error:#}", path.display()));
        }
    }
    replay.end_of_journal(&mut report);
    report.finish()?;
    if !replay.failures.is_empty() {
        bail!("{}", replay.failures.join("\n        "));
    }
    Ok(())
}

/// The catalog of the data directory, wherever it is.
fn open_catalog(config: &Config, disk: &dyn Disk, data: &Path) -> anyhow::Result<Catalog> {
    let Some(address) = catalog_address(config)? else { return Ok(recordings::open_catalog(disk, data)?.0) };
    let catalog = Catalog::shared(address, &node_id::load(disk, data)?);
    recordings::refill(disk, data, &catalog)?;
    Ok(catalog)
}

/// What replays files, one after the other.
struct Replay {
    disk: Arc<dyn Disk>,
    data: PathBuf,
    policy: Policy,
    node_key: NodeKey,
    finisher: Finisher,
    /// A journal, as long as its segments come.
    journal: Option<(SessionId, Again)>,
    failures: Vec<String>,
}

impl Replay {
    /// Of a journal, whose packets are plain: DTLS is taken then, and nobody has to shake hands.
    fn recorder_of_a_journal(&self) -> anyhow::Result<Offline> {
        let answer = self.policy.answer.clone().with_any_certificate();
        self.recorder_by(Policy { answer, ..self.policy.clone() })
    }

    fn recorder(&self) -> anyhow::Result<Offline> {
        self.recorder_by(self.policy.clone())
    }

    fn recorder_by(&self, policy: Policy) -> anyhow::Result<Offline> {
        let writer = Writer::start(Arc::clone(&self.disk), &self.data, Arc::new(|| ()))?;
        let mut offline = Offline::new(policy, node::fresh_seed()?, writer);
        offline.srs.keep_keys_with(self.node_key.clone());
        Ok(offline)
    }

    /// Replays one file; what could be read of a damaged one is recorded before the damage is told.
    fn file(&mut self, path: &Path, report: &mut Report) -> anyhow::Result<()> {
        let file: Box<dyn Read> = if path == Path::new("-") {
            Box::new(io::stdin())
        } else if is_sealed(path) {
            Box::new(Reading::of(self.disk.open_read(path)?))
        } else {
            Box::new(File::open(path).context("cannot be opened")?)
        };
        let mut file = BufReader::with_capacity(READ_BYTES, report.count(file));
        let session = session_of(&mut file)?;
        if self.journal.as_ref().map(|(known, _)| *known) != session {
            self.end_of_journal(report);
        }
        if let Some(session) = session {
            if self.journal.is_none() {
                let keys = Keys { of_journal: key_beside(path), ours: self.node_key.clone() };
                self.journal = Some((session, Again::new(self.recorder_of_a_journal()?, session, keys)));
            }
            return self.journal.as_mut().map_or(Ok(()), |(_, again)| again.replay(file));
        }
        let mut calls = Calls::new(self.recorder()?);
        let damage = replay_capture(file, &mut calls);
        calls.finish();
        let made = report.recordings(std::mem::take(&mut calls.recorder.over), &self.finisher);
        // What is wrong with the file explains what is missing in it.
        damage.and(made)
    }

    /// The last segment of a journal was read: its recordings are made.
    fn end_of_journal(&mut self, report: &mut Report) {
        let Some((session, mut again)) = self.journal.take() else { return };
        again.finish();
        if let Err(error) = report.recordings(again.sessions(), &self.finisher) {
            self.failures.push(format!("journal {session}: {error:#}"));
        }
    }
}

/// The key of the data directory that a segment lies in, which its keys of SRTP are wrapped with. Without it they stay so, and
/// what is sealed stays sealed.
fn key_beside(segment: &Path) -> Option<NodeKey> {
    let segment = std::path::absolute(segment).ok()?;
    let data = segment.ancestors().skip(1).find(|folder| folder.ends_with("journals"))?.parent()?;
    let key = node_key::open(data);
    key.inspect_err(|error| tracing::warn!("{error:#}: what is sealed in its journals is not opened")).ok()?
}

fn replay_capture(file: impl Read, calls: &mut Calls) -> anyhow::Result<()> {
    let mut decoder = Decoder::default();
    for frame in Capture::open(file)? {
        if let Some(packet) = decoder.decode(&frame?) {
            calls.packet(packet);
        }
    }
    Ok(())
}
