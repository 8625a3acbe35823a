//! `siprec replay`: captures through the same core, offline and faster than life.
//!
//! ```text
//! pcap, pcapng -> Capture -> Decoder -> Calls   \
//!                                                Offline (the core and its ports) -> journal -> recordings -> rows
//! siprec journal -----------> Entries -> Again  /
//! ```

mod again;
mod calls;
mod capture;
mod offline;
mod options;
mod packets;
mod plain;
mod report;
mod tcp;

pub use options::Options;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use siprec_core::session::Policy;

use self::again::Again;
use self::calls::Calls;
use self::capture::Capture;
use self::offline::Offline;
use self::packets::Decoder;
use self::report::Report;
use crate::archive::disk::{Disk, RealDisk};
use crate::archive::finish::Finisher;
use crate::archive::journal::Writer;
use crate::archive::lock::DirectoryLock;
use crate::archive::{node, recordings};
use crate::policy::policy;

/// Bytes read from a file at a time.
const READ_BYTES: usize = 1 << 20;

/// Replays the files into the data directory and prints one row a recording.
///
/// # Errors
/// If any of them could not be read or recorded whole. What could be read is recorded all the same.
pub fn run(options: Options) -> anyhow::Result<()> {
    let data = options.config.archive.data_dir.clone();
    let _lock = DirectoryLock::take(&data)
        .map_err(|error| anyhow::anyhow!("{error}; choose another folder for the replay with --data-dir"))?;
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let (catalog, _) = recordings::open_catalog(&*disk, &data)?;
    let catalog = Arc::new(catalog);
    let finisher = Finisher::new(Arc::clone(&disk), data.clone(), catalog);
    let mut policy = policy(&options.config, &node::boot());
    policy.probes = false;
    let mut report = Report::new(options.json, options.progress, total_bytes(&options.files));
    let mut failures = Vec::new();
    for path in &options.files {
        let writer = Writer::start(Arc::clone(&disk), &data, Arc::new(|| ()))?;
        if let Err(error) = replay(path, &policy, writer, &finisher, &mut report) {
            failures.push(format!("{}: {error:#}", path.display()));
        }
    }
    report.finish()?;
    if !failures.is_empty() {
        bail!("{}", failures.join("\n        "));
    }
    Ok(())
}

fn total_bytes(files: &[PathBuf]) -> Option<u64> {
    files.iter().map(|path| path.metadata().ok().filter(|m| m.is_file()).map(|m| m.len())).sum()
}

/// Replays one file; what could be read of a damaged one is recorded before the damage is told.
fn replay(
    path: &Path,
    policy: &Policy,
    writer: Writer,
    finisher: &Finisher,
    report: &mut Report,
) -> anyhow::Result<()> {
    let file: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else if path.is_dir() {
        bail!("this is a folder: name its files");
    } else {
        Box::new(File::open(path).context("cannot be opened")?)
    };
    let mut file = BufReader::with_capacity(READ_BYTES, report.count(file));
    let recorder = Offline::new(policy.clone(), node::fresh_seed()?, writer);
    if again::is_journal(&mut file)? {
        let mut again = Again::new(recorder);
        let read = again.replay(file);
        again.finish();
        let made = report.recordings(again.sessions(), finisher);
        return read.and(made);
    }
    let mut calls = Calls::new(recorder);
    let damage = replay_capture(file, &mut calls);
    calls.finish();
    report.recordings(std::mem::take(&mut calls.recorder.over), finisher)?;
    damage
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
