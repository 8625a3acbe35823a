//! One recording, copied: each file under a temporary name, hashed on the way in, read back and hashed again,
//! renamed, its folder synced. The sidecar goes last: where there is one, all its files are there.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use siprec_core::render::{FileSheet, Sidecar};

use super::digest::{BLOCK, Digested, digest};
use crate::archive::catalog::Row;
use crate::archive::disk::RealDisk;
use crate::archive::proof_key::{PUBLIC_FILE, SIGNATURE};
use crate::archive::recordings;

/// What became of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is there now, copied or rendered.
    Copied,
    /// It was there already, byte for byte.
    Present,
}

/// Copies from a data directory to a folder.
#[derive(Debug)]
pub(super) struct Copier {
    data: PathBuf,
    to: PathBuf,
    block: Vec<u8>,
}

impl Copier {
    /// Makes the folder `to`, if it is not there.
    pub(super) fn new(data: &Path, to: &Path) -> Result<Self> {
        fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
        let copier = Self { data: data.to_owned(), to: to.to_owned(), block: vec![0; BLOCK] };
        copier.copy_public_key()?;
        Ok(copier)
    }

    /// Copies the recording of `row`, telling `done` of bytes as they are dealt with.
    pub(super) fn copy(&mut self, row: &Row, done: &mut dyn FnMut(u64)) -> Result<Outcome> {
        let folder = day(&row.path)?;
        let source = recordings::folder(&self.data).join(&folder);
        let target = self.to.join(&folder);
        let sheet_name = format!("{}.json", row.id);
        let (text, sidecar) = recordings::read_sidecar(&RealDisk, &source.join(&sheet_name))?;
        ensure!(sidecar.id == row.id, "{sheet_name} is of another recording, {}", sidecar.id);
        check_against(row, &sidecar)?;
        fs::create_dir_all(&target).with_context(|| format!("cannot make {}", target.display()))?;

        let mut outcome = Outcome::Present;
        for file in &sidecar.files {
            ensure!(is_plain_name(&file.name), "{sheet_name} names a file \"{}\" in another folder", file.name);
            if self.is_there(&target.join(&file.name), file)? {
                done(file.bytes);
                continue;
            }
            self.copy_file(&source, &target, file, done)?;
            outcome = Outcome::Copied;
        }
        let signature_name = format!("{sheet_name}{SIGNATURE}");
        if let Ok(signature) = fs::read(source.join(&signature_name))
            && self.copy_small(&target, &signature_name, &signature)?
        {
            outcome = Outcome::Copied;
        }
        if self.copy_small(&target, &sheet_name, &text)? {
            outcome = Outcome::Copied;
        }
        Ok(outcome)
    }

    /// What tells that the sheets are this server's; beside the key of another server whose recordings lie there, too.
    fn copy_public_key(&self) -> Result<()> {
        let Ok(key) = fs::read(self.data.join(PUBLIC_FILE)) else { return Ok(()) };
        let digest = recordings::hexadecimal(&Sha256::digest(&key));
        let other = format!("siprec-proof-{}.pub", digest.get(..16).unwrap_or_default());
        let free = |name: &&str| fs::read(self.to.join(name)).ok().is_none_or(|found| found == key);
        let name = [PUBLIC_FILE, &other].into_iter().find(free).unwrap_or(&other);
        self.copy_small(&self.to, name, &key).map(|_| ())
    }

    /// A file that fits into memory; whether it was not there yet.
    fn copy_small(&self, target: &Path, name: &str, octets: &[u8]) -> Result<bool> {
        if fs::read(target.join(name)).ok().as_deref() == Some(octets) {
            return Ok(false);
        }
        place(target, name, |out| out.write_all(octets))?;
        let written = fs::read(temporary(target, name))?;
        ensure!(written == octets, "{name} reads back otherwise than it was written");
        rename(target, name)?;
        Ok(true)
    }

    fn copy_file(&mut self, source: &Path, target: &Path, file: &FileSheet, done: &mut dyn FnMut(u64)) -> Result<()> {
        let path = source.join(&file.name);
        let mut input = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let block = &mut self.block;
        let mut read = Digested::default();
        place(target, &file.name, |out| {
            loop {
                let count = input.read(block)?;
                let Some(bytes) = block.get(..count).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
                out.write_all(bytes)?;
                read.take(bytes);
                done(count as u64);
            }
        })?;
        let read = read.finish();
        let written = self.digest(&temporary(target, &file.name))?;
        let expected = (file.bytes, file.sha256.to_ascii_lowercase());
        if read != expected || written != read {
            fs::remove_file(temporary(target, &file.name))?;
        }
        ensure!(
            read == expected,
            "{} is damaged: {} bytes with SHA-256 {}, its sheet says {} bytes with {}",
            path.display(),
            read.0,
            read.1,
            expected.0,
            expected.1
        );
        ensure!(written == read, "{} reads back otherwise than it was written", target.join(&file.name).display());
        rename(target, &file.name)
    }

    fn is_there(&mut self, path: &Path, file: &FileSheet) -> Result<bool> {
        match fs::metadata(path) {
            Ok(found) if found.len() == file.bytes => Ok(self.digest(path)?.1.eq_ignore_ascii_case(&file.sha256)),
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    fn digest(&mut self, path: &Path) -> Result<(u64, String)> {
        digest(path, &mut self.block).with_context(|| format!("cannot read {}", path.display()))
    }
}

/// `YYYY/MM/DD` of a row's path.
pub(super) fn day(path: &str) -> Result<PathBuf> {
    let below = path.strip_prefix(recordings::FOLDER).and_then(|rest| rest.strip_prefix('/'));
    let folder = below.and_then(|below| below.rsplit_once('/')).map(|(folder, _)| PathBuf::from(folder));
    match folder {
        Some(folder) if folder.components().all(|part| matches!(part, Component::Normal(_))) => Ok(folder),
        Some(_) | None => bail!("the catalog has it at \"{path}\", which is no place of recordings"),
    }
}

fn check_against(row: &Row, sidecar: &Sidecar) -> Result<()> {
    let sheet = sidecar.files.first().map(|file| file.sha256.as_str()).unwrap_or_default();
    ensure!(sheet == row.sha256, "its sheet and the catalog disagree about its SHA-256: {sheet} and {}", row.sha256);
    Ok(())
}

pub(super) fn is_plain_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
}

fn temporary(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!(".{name}.part"))
}

/// Writes the temporary file of `name`, synced.
fn place(folder: &Path, name: &str, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
    let path = temporary(folder, name);
    let result = File::create(&path).and_then(|mut out| {
        write(&mut out)?;
        out.sync_all()
    });
    if result.is_err() {
        // What is left of it would only take room; a next run overwrites it in any case.
        let _ = fs::remove_file(&path);
    }
    result.with_context(|| format!("cannot copy to {}", folder.join(name).display()))
}

fn rename(folder: &Path, name: &str) -> Result<()> {
    let target = folder.join(name);
    fs::rename(temporary(folder, name), &target)
        .and_then(|()| File::open(folder)?.sync_all())
        .with_context(|| format!("cannot rename to {}", target.display()))
}
