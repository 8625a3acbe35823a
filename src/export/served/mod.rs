//! Recordings of a running server, by its API: whoever may read there needs no access to its disk. The server writes down what left.
//!
//! ```text
//! pages of rows -> jobs, each: sheet, then its files, each against its SHA-256 -> folder, or storage target
//!                              (the archive's, or of what the server renders again)
//! ```

mod client;
mod rendered;
mod vcon;

use std::collections::VecDeque;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use siprec_core::render::{Layout, Sidecar};

use self::client::Client;
use self::rendered::Asked;
use super::copy::{Outcome, check_against, day};
use super::jobs::{self, End, Work};
use super::place::place;
use super::progress::Progress;
use super::remote::{Remote, Staging};
use super::source::{Archive, Found, Targets};
use super::stop::Stop;
use super::superseded::{self, Dealt};
use super::vcon::{AudioPlace, Vcon};
use super::{Tally, To, What, listing};
use crate::archive::catalog::{Filter, Row};
use crate::archive::disk::{Disk as _, RealDisk};
use crate::archive::finish::Form;
use crate::archive::proof_key::SIGNATURE;
use crate::archive::recordings::{self, octets};
use crate::archive::sealed::{MasterKeys, SealedDisk};
use crate::archive::soundness::is_plain_name;

/// What to do.
#[derive(Debug)]
pub struct ServedOptions {
    /// The server's URL.
    pub url: String,
    /// What shows who asks.
    pub token: Option<String>,
    /// Which recordings.
    pub filter: Filter,
    /// Where to; none: only list.
    pub to: Option<To>,
    /// What becomes of them.
    pub what: What,
    /// How voices are laid out in what is rendered again, whatever `what` says; none: as the server has it.
    pub layout: Option<Layout>,
    /// So many recordings at a time, at least one.
    pub jobs: usize,
    /// Whether copies of files that the archive has replaced since are removed; only from a folder.
    pub prunes: bool,
    /// One JSON object a recording instead of a table.
    pub json: bool,
    /// Whether somebody watches: a progress bar on standard error.
    pub progress: bool,
}

/// Lists or copies what a server has; what failed is told on standard error.
///
/// # Errors
/// The server's, or anything that could not be copied.
pub fn run_served(options: &ServedOptions) -> Result<()> {
    let stdout = std::io::stdout().lock();
    let (out, err) = (&mut std::io::BufWriter::new(stdout), &mut std::io::stderr());
    let stop = Stop::on_signals()?;
    let client = Client::new(&options.url, options.token.clone(), stop.clone())?;
    let form = As::of(&options.what, options.layout)?;
    match &options.to {
        None => listing::list(Rows::of(&client, &options.filter), options.json, out)?,
        Some(To::Stdout) => {
            let rows: Vec<Row> = Rows::of(&client, &options.filter).take(2).collect::<Result<_>>()?;
            let [row] = rows.as_slice() else {
                let found = if rows.is_empty() { "no recording matches" } else { "more than one recording matches" };
                bail!("{found}: --to - takes one; name it with --id");
            };
            let staging = Staging::new()?;
            fetch((&client, form), row, staging.path(), &mut |_| {})?;
            std::io::copy(&mut fs::File::open(staging.only_file(&options.what)?)?, out)?;
        }
        Some(to) => copy_all(options, (&client, form, &stop), to, out, err)?,
    }
    Ok(out.flush()?)
}

/// What can be had of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum As<'o> {
    Copy,
    Audio(Asked),
    Sheet,
    Packets,
    Vcon(&'o AudioPlace),
}

impl<'o> As<'o> {
    fn of(what: &'o What, layout: Option<Layout>) -> Result<Self> {
        Ok(match what {
            What::Copy => Self::Copy,
            What::Render(Form::Sheet) => Self::Sheet,
            What::Render(Form::Packets) => Self::Packets,
            What::Render(Form::Audio(rendition)) => Self::Audio(Asked { format: rendition.format, layout }),
            What::Vcon(Vcon { sign: true, .. }) => {
                bail!("--sign: not over --server: the key never leaves its data directory, so run it there")
            }
            What::Vcon(Vcon { audio, sign: false }) => Self::Vcon(audio),
        })
    }
}

/// The rows that are meant, a page at a time.
struct Rows<'c> {
    client: &'c Client,
    filter: &'c Filter,
    page: VecDeque<Row>,
    after: Option<String>,
    is_last: bool,
    left: u64,
}

impl<'c> Rows<'c> {
    fn of(client: &'c Client, filter: &'c Filter) -> Self {
        let left = filter.limit.unwrap_or(u64::MAX);
        Self { client, filter, page: VecDeque::new(), after: None, is_last: false, left }
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Result<Row>> {
        while self.page.is_empty() && !self.is_last && self.left > 0 {
            match self.client.page(self.filter, self.after.as_deref()) {
                Ok((rows, next)) => {
                    self.is_last = next.is_none();
                    (self.page, self.after) = (rows.into(), next);
                }
                Err(error) => {
                    self.is_last = true;
                    return Some(Err(error));
                }
            }
        }
        self.left = self.left.checked_sub(1)?;
        self.page.pop_front().map(Ok)
    }
}

fn copy_all(
    options: &ServedOptions,
    (client, form, stop): (&Client, As<'_>, &Stop),
    to: &To,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<()> {
    let remote = match to {
        To::Target(target, prefix) => Some(Remote::new(target.clone(), prefix.clone(), stop.clone())?),
        To::Folder(_) | To::Stdout => None,
    };
    let progress = Progress::of_some(options.progress);
    let mut workers = Vec::new();
    for _ in 0..options.jobs.max(1) {
        let place = match (to, &remote) {
            (To::Folder(folder), _) => {
                fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
                Place::Folder(folder.clone())
            }
            (_, Some(remote)) => Place::Target(remote, Staging::new()?),
            (To::Target(..) | To::Stdout, None) => bail!("there is no such place"),
        };
        workers.push(Worker { client, form, place, prunes: options.prunes, progress: progress.clone() });
    }
    let mut tally = Tally::default();
    let end = jobs::run(Rows::of(client, &options.filter), workers, stop, &mut |row, result| {
        tally.count(result);
        progress.count(tally.all());
        if let Err(error) = result {
            progress.suspend(|| writeln!(err, "siprec: {}: {error:#}", row.id))?;
        }
        if options.json {
            progress.suspend(|| listing::outcome(row, result, out).and_then(|()| out.flush()))?;
        }
        Ok(())
    });
    progress.finish();
    let end = end?;
    if !options.json {
        writeln!(out, "{}", tally.words("copied"))?;
    }
    out.flush()?;
    match end {
        End::Early(error) => Err(error.context(format!("ended after {} recordings", tally.all()))),
        End::Interrupted => bail!("interrupted after {} recordings; a next run goes on from there", tally.all()),
        End::All if tally.failed > 0 => bail!("{} of {} recordings could not be copied", tally.failed, tally.all()),
        End::All => Ok(()),
    }
}

enum Place<'t> {
    Folder(PathBuf),
    Target(&'t Remote, Staging),
}

/// A thread's means.
struct Worker<'t> {
    client: &'t Client,
    form: As<'t>,
    place: Place<'t>,
    prunes: bool,
    progress: Progress,
}

impl Work for Worker<'_> {
    fn work(&mut self, row: &Row) -> Result<Dealt> {
        let progress = &self.progress;
        let mut done = |octets| progress.advance(octets);
        match &self.place {
            Place::Folder(folder) => {
                let outcome = fetch((self.client, self.form), row, folder, &mut done)?;
                if self.form != As::Copy {
                    return Ok(outcome.into());
                }
                let day = day(&row.path)?;
                let (_, sheet) =
                    recordings::read_sidecar(&RealDisk, &folder.join(&day).join(format!("{}.json", row.id)))?;
                superseded::look(outcome, &sheet, (folder, &day), self.prunes)
            }
            Place::Target(remote, staging) => {
                staging.clear()?;
                fetch((self.client, self.form), row, staging.path(), &mut done)?;
                remote.send(staging).map(Dealt::from)
            }
        }
    }
}

/// Fetches a recording to the folder of its day below `to`.
fn fetch((client, form): (&Client, As<'_>), row: &Row, to: &Path, done: &mut dyn FnMut(u64)) -> Result<Outcome> {
    let folder = to.join(day(&row.path)?);
    RealDisk.create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let path = |what: &str| format!("recordings/{}/{what}", row.id);
    match form {
        As::Copy => copy(client, row, &folder, done),
        As::Vcon(audio) => vcon::make(client, audio, row, to, done),
        As::Packets => alone((client, &folder), &format!("{}.pcapng", row.id), (&path("journal"), &[]), done),
        As::Sheet => alone((client, &folder), &format!("{}.json", row.id), (&path("proof"), &[]), done),
        As::Audio(asked) => rendered::fetch(client, asked, row, to, done),
    }
}

/// A recording's files, fetched into a folder that is laid out as a data directory; gone when the first of these is dropped.
fn staged(client: &Client, row: &Row, done: &mut dyn FnMut(u64)) -> Result<(Staging, Archive, Found)> {
    let staging = Staging::new()?;
    let folder = recordings::folder(staging.path()).join(day(&row.path)?);
    RealDisk.create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    copy(client, row, &folder, done)?;
    let disk = Arc::new(SealedDisk::new(Arc::new(RealDisk), MasterKeys::default(), false));
    let archive = Archive { disk, data: staging.path().to_owned(), targets: Targets::new(|| Ok(Vec::new())) };
    let mut found = archive.find(row)?;
    // The server has opened what is sealed there.
    found.sidecar.files.iter_mut().for_each(|file| file.sealed = None);
    Ok((staging, archive, found))
}

/// One file. Recordings do not change: what has its name is there.
fn alone(
    (client, folder): (&Client, &Path),
    name: &str,
    from: (&str, &[(&str, String)]),
    done: &mut dyn FnMut(u64),
) -> Result<Outcome> {
    if folder.join(name).exists() {
        return Ok(Outcome::Present);
    }
    place(&RealDisk, folder, name, |out| client.download(from, out, done))?;
    Ok(Outcome::Copied)
}

/// All files as the sheet vouches for them, its signature, and the sheet last: where there is one, the rest is there.
fn copy(client: &Client, row: &Row, folder: &Path, done: &mut dyn FnMut(u64)) -> Result<Outcome> {
    let proof = client.get(&format!("recordings/{}/proof", row.id), &[])?;
    let sheet: Sidecar = serde_json::from_slice(&proof.octets).context("its proof sheet cannot be read")?;
    check_against(row, &sheet)?;
    let name = format!("{}.json", row.id);
    let has = |file: &str, bytes: u64| fs::metadata(folder.join(file)).is_ok_and(|known| known.len() == bytes);
    let is_there = fs::read(folder.join(&name)).is_ok_and(|there| there == proof.octets);
    if is_there && sheet.files.iter().all(|file| has(&file.name, file.bytes)) {
        return Ok(Outcome::Present);
    }
    for (index, file) in sheet.files.iter().enumerate() {
        ensure!(is_plain_name(&file.name), "its sheet names a file in another folder: {}", file.name);
        let query = [("file", index.to_string()), ("download", "true".to_owned())];
        place(&RealDisk, folder, &file.name, |out| {
            client.download((&format!("recordings/{}/audio", row.id), &query), out, done)?;
            let (bytes, sha256) = out.so_far();
            let is_same = bytes == file.bytes && sha256 == file.sha256;
            ensure!(is_same, "{} came otherwise than its proof sheet says: try again", file.name);
            Ok(())
        })?;
    }
    if let Some(signature) = proof.signature.as_deref().and_then(|digits| octets(digits.as_bytes())) {
        place(&RealDisk, folder, &format!("{name}{SIGNATURE}"), |out| Ok(out.write_all(&signature)?))?;
    }
    place(&RealDisk, folder, &name, |out| Ok(out.write_all(&proof.octets)?))?;
    Ok(Outcome::Copied)
}
