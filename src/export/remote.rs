//! Copies that go on to a storage target: made in a folder of their own, sent, checked there, and removed here.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use siprec_core::render::Sidecar;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use super::again::is_same;
use super::copy::Outcome;
use super::source::Found;
use super::stop::Stop;
use super::{What, entries};
use crate::archive::disk::{Disk as _, RealDisk};
use crate::archive::finish::Form;
use crate::archive::proof_key::SIGNATURE;
use crate::archive::storage::{ErrorKind, Parts, Source, StoreError, Target, Unfinished, fetch, store};

/// Files, or parts of large ones, that are under way at one time.
const UPLOADS: usize = 8;
/// A larger sheet is not looked into.
const MAX_SHEET: u64 = 64 << 20;
/// A file that a busy target refuses is tried so often; what still fails is told, and the next run goes on.
const TRIES: u32 = 4;
/// How long is waited after the first, doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// A folder of this process, gone when this is dropped.
#[derive(Debug)]
pub(super) struct Staging(PathBuf);

impl Staging {
    pub(super) fn new() -> Result<Self> {
        let mut octets = [0; 8];
        rustix::rand::getrandom(&mut octets, rustix::rand::GetRandomFlags::empty())?;
        let path = std::env::temp_dir().join(format!("siprec-export-{:016x}", u64::from_ne_bytes(octets)));
        let private = std::os::unix::fs::DirBuilderExt::mode(&mut fs::DirBuilder::new(), 0o700).create(&path);
        private.with_context(|| format!("cannot make {} (TMPDIR says where)", path.display()))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The one file of those that lie here which is what was asked for.
    pub(super) fn only_file(&self, what: &What) -> Result<PathBuf> {
        let is_asked_for = |path: &PathBuf| {
            let ends = |end: &str| path.extension().is_some_and(|found| found == end);
            match what {
                What::Render(Form::Sheet) | What::Vcon(_) => ends("json"),
                What::Copy | What::Render(Form::Audio(_) | Form::Packets) => {
                    !ends("json") && !ends("sig") && !ends("pub")
                }
            }
        };
        let mut files: Vec<PathBuf> = files_below(&self.0)?.into_iter().filter(is_asked_for).collect();
        match (files.pop(), files.len()) {
            (Some(file), 0) => Ok(file),
            (Some(_), more) => bail!("it has {} files: --to - takes one; --layout mono makes one", more + 1),
            (None, _) => bail!("it has no audio"),
        }
    }

    /// Removes all that lies in it.
    pub(super) fn clear(&self) -> Result<()> {
        for entry in entries(&self.0)? {
            let removed = if entry.is_dir() { fs::remove_dir_all(&entry) } else { fs::remove_file(&entry) };
            removed.with_context(|| format!("cannot remove {}", entry.display()))?;
        }
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What is left of it would only take room in the folder of temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A storage target that copies go to, from several threads.
#[derive(Debug)]
pub(super) struct Remote {
    target: Arc<dyn Target>,
    prefix: String,
    runtime: Runtime,
    slots: Semaphore,
    stop: Stop,
}

impl Remote {
    /// Copies go to `target`, their keys beginning with `prefix`.
    pub(super) fn new(target: Arc<dyn Target>, prefix: String, stop: Stop) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        Ok(Self { target, prefix, runtime, slots: Semaphore::new(UPLOADS), stop })
    }

    /// Whether all of a recording is there: a sheet goes last, so what has its sheet there has the rest. Of its files only
    /// the lengths are looked at, so that a second run reads no audio. Of forms without a sheet nobody knows before they are made.
    pub(super) fn holds(&self, found: &Found, what: &What) -> Result<bool> {
        let rendition = match what {
            What::Copy => None,
            What::Render(Form::Audio(rendition)) => Some(*rendition),
            What::Render(Form::Sheet | Form::Packets) | What::Vcon(_) => return Ok(false),
        };
        let looked = async {
            let sheet = format!("{}/{}.json", found.day.display(), found.sidecar.id);
            let Some(text) = self.read(&sheet).await? else { return Ok(false) };
            let Ok(there) = serde_json::from_slice::<Sidecar>(&text) else { return Ok(false) };
            if rendition.map_or(text != found.text, |rendition| !is_same(&there, &found.sidecar, rendition)) {
                return Ok(false);
            }
            if let (What::Copy, Some(signature)) = (what, &found.signature)
                && self.read(&format!("{sheet}{SIGNATURE}")).await?.as_ref() != Some(signature)
            {
                return Ok(false);
            }
            for file in &there.files {
                let key = self.key(&format!("{}/{}", found.day.display(), file.name));
                let look = async || Ok(self.target.look(&key).await?);
                if patiently(look).await?.is_none_or(|looked| looked.bytes != file.bytes) {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        self.runtime.block_on(self.stop.or(looked))
    }

    /// A small object; none if it is not there, or too large to be one of ours.
    async fn read(&self, below: &str) -> Result<Option<Vec<u8>>> {
        let key = self.key(below);
        let read = async || {
            let Some(looked) = self.target.look(&key).await?.filter(|looked| looked.bytes <= MAX_SHEET) else {
                return Ok(None);
            };
            let mut octets = Vec::new();
            fetch(&*self.target, &key, looked.bytes, |piece| {
                octets.extend_from_slice(piece);
                Ok(())
            })
            .await?;
            Ok(Some(octets))
        };
        Ok(patiently(read).await?)
    }

    /// Sends all that lies in a folder, sheets last, and removes it there.
    pub(super) fn send(&self, staging: &Staging) -> Result<Outcome> {
        let mut files = files_below(staging.path())?;
        let rank = |path: &PathBuf| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            (name.ends_with(".json"), name.ends_with(SIGNATURE))
        };
        files.sort_by_key(rank);
        let mut outcome = Outcome::Present;
        for path in files {
            if self.runtime.block_on(self.stop.or(self.send_file(staging, &path)))? {
                outcome = Outcome::Copied;
            }
            fs::remove_file(&path)?;
        }
        Ok(outcome)
    }

    /// Whether it had to be sent.
    async fn send_file(&self, staging: &Staging, path: &Path) -> Result<bool> {
        let key = self.key(&path.strip_prefix(staging.path()).unwrap_or(path).display().to_string());
        let file = RealDisk.open_read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let source = Source { file, path: path.to_owned(), sha256: None };
        let stored = async || store(&*self.target, &key, &source, &Forgetful, &self.slots, true).await;
        Ok(patiently(stored).await?.sent)
    }

    fn key(&self, below: &str) -> String {
        if self.prefix.is_empty() { below.to_owned() } else { format!("{}/{below}", self.prefix) }
    }
}

/// Tries `step` again where the target asks for patience, or does not answer.
async fn patiently<T>(step: impl AsyncFn() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let mut wait = FIRST_WAIT;
    for _ in 1..TRIES {
        match step().await {
            Err(StoreError::Target(error)) if matches!(error.kind, ErrorKind::Busy | ErrorKind::Unreachable) => {
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            result => return result,
        }
    }
    step().await
}

/// An export that is broken off leaves nothing to go on from: the next one begins the file anew, and has parts cleared away.
#[derive(Debug)]
struct Forgetful;

impl Parts for Forgetful {
    fn unfinished(&self, _: &str) -> Result<Option<Unfinished>, Box<dyn Error + Send + Sync>> {
        Ok(None)
    }

    fn remember(&self, _: &str, _: &Unfinished) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(())
    }

    fn forget(&self, _: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(())
    }
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in entries(folder)? {
        if entry.is_dir() {
            found.extend(files_below(&entry)?);
        } else {
            found.push(entry);
        }
    }
    Ok(found)
}
