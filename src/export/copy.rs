//! One recording, copied: each file under a temporary name, hashed on the way in, read back and hashed again,
//! renamed, its folder synced. The sidecar goes last: where there is one, all its files are there.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use siprec_core::render::{FileSheet, Sidecar};

use super::digest::{BLOCK, Digested, digest};
use super::place::place;
use super::source::{Archive, Audio, Found};
use super::stop::Stop;
use crate::archive::catalog::Row;
use crate::archive::disk::Disk;
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

impl Outcome {
    /// [`Outcome::Copied`] if either is.
    pub(super) fn and(self, other: Self) -> Self {
        if self == Self::Present { other } else { self }
    }
}

/// Told of octets as they are dealt with.
pub(super) type Done<'d> = &'d mut dyn FnMut(u64);

/// Copies from a data directory to a folder.
#[derive(Debug)]
pub(super) struct Copier {
    archive: Archive,
    to: PathBuf,
    stop: Stop,
    block: Vec<u8>,
}

impl Copier {
    /// Copies to the folder `to`, which is there.
    pub(super) fn new(archive: Archive, to: &Path, stop: Stop) -> Self {
        Self { archive, to: to.to_owned(), stop, block: vec![0; BLOCK] }
    }

    /// Where to.
    pub(super) fn to(&self) -> &Path {
        &self.to
    }

    /// Copies a recording, telling `done` of bytes as they are dealt with.
    pub(super) fn copy(&mut self, row: &Row, found: &Found, done: Done<'_>) -> Result<Outcome> {
        check_against(row, &found.sidecar)?;
        let target = self.to.join(&found.day);
        let disk = self.disk();
        disk.create_dir_all(&target).with_context(|| format!("cannot make {}", target.display()))?;
        let mut outcome = Outcome::Present;
        for file in &found.sidecar.files {
            outcome = outcome.and(self.file(found, file, done)?);
        }
        let sheet_name = format!("{}.json", row.id);
        if let Some(signature) = &found.signature {
            outcome = outcome.and(small(self.disk(), &target, &format!("{sheet_name}{SIGNATURE}"), signature)?);
        }
        Ok(outcome.and(small(self.disk(), &target, &sheet_name, &found.text)?))
    }

    /// Copies one file of a recording into the folder of its day, which is there.
    pub(super) fn file(&mut self, found: &Found, file: &FileSheet, done: Done<'_>) -> Result<Outcome> {
        let target = self.to.join(&found.day);
        if self.is_there(&target.join(&file.name), file)? {
            done(file.bytes);
            return Ok(Outcome::Present);
        }
        let mut audio = self.archive.open(found, file, &target, &self.stop)?;
        let (block, stop) = (&mut self.block, &self.stop);
        place(self.archive.disk.beneath(), &target, &file.name, |out| {
            read_through(&mut audio, file, (block, stop), &mut |bytes| {
                out.write_all(bytes)?;
                done(bytes.len() as u64);
                Ok(())
            })
        })?;
        Ok(Outcome::Copied)
    }

    /// What copies are written to: nothing there is sealed.
    fn disk(&self) -> &dyn Disk {
        self.archive.disk.beneath()
    }

    fn is_there(&mut self, path: &Path, file: &FileSheet) -> Result<bool> {
        let disk = self.archive.disk.beneath();
        let length = disk.open_read(path).and_then(|found| found.length());
        let is_there = match length {
            Ok(bytes) if bytes == file.bytes => digest(disk, path, &mut self.block),
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => Err(error),
        };
        let (_, sha256) = is_there.with_context(|| format!("cannot read {}", path.display()))?;
        Ok(sha256.eq_ignore_ascii_case(&file.sha256))
    }
}

/// Hands all of `audio` to `take`, a block at a time.
///
/// # Errors
/// Those of reading, of `take`, that it was stopped, or that it is not what its sheet says.
pub(super) fn read_through(
    audio: &mut Audio,
    file: &FileSheet,
    (block, stop): (&mut [u8], &Stop),
    take: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut read = Digested::default();
    loop {
        stop.check()?;
        let count = audio.input.read(block)?;
        let Some(bytes) = block.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        read.take(bytes);
        take(bytes)?;
    }
    let (bytes, sha256) = read.finish();
    ensure!(
        bytes == file.bytes && sha256.eq_ignore_ascii_case(&file.sha256),
        "{} is damaged: {bytes} bytes with SHA-256 {sha256}, its sheet says {} bytes with {}",
        audio.path.display(),
        file.bytes,
        file.sha256
    );
    Ok(())
}

/// Puts there what tells that the sheets are this server's; beside the key of another server whose recordings lie there, too.
pub(super) fn public_key(archive: &Archive, to: &Path) -> Result<()> {
    let Ok(key) = fs::read(archive.data.join(PUBLIC_FILE)) else { return Ok(()) };
    let digest = recordings::hexadecimal(&Sha256::digest(&key));
    let other = format!("siprec-proof-{}.pub", digest.get(..16).unwrap_or_default());
    let free = |name: &&str| fs::read(to.join(name)).ok().is_none_or(|found| found == key);
    let name = [PUBLIC_FILE, &other].into_iter().find(free).unwrap_or(&other);
    small(archive.disk.beneath(), to, name, &key).map(|_| ())
}

/// A file that fits into memory.
fn small(disk: &dyn Disk, target: &Path, name: &str, octets: &[u8]) -> Result<Outcome> {
    if fs::read(target.join(name)).ok().as_deref() == Some(octets) {
        return Ok(Outcome::Present);
    }
    place(disk, target, name, |out| Ok(out.write_all(octets)?))?;
    Ok(Outcome::Copied)
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

pub(super) fn check_against(row: &Row, sidecar: &Sidecar) -> Result<()> {
    let sheet = sidecar.files.first().map(|file| file.sha256.as_str()).unwrap_or_default();
    // It may have been recompressed since the row was read.
    let before = sidecar.recompressed.as_ref().and_then(|known| known.files.first());
    let is_before = before.is_some_and(|before| before.sha256 == row.sha256);
    ensure!(
        sheet == row.sha256 || is_before,
        "its sheet and the catalog disagree about its SHA-256: {sheet} and {}",
        row.sha256
    );
    Ok(())
}
