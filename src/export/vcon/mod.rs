//! `siprec export --as vcon`: a recording as a vCon (draft-ietf-vcon-vcon-core-04, syntax 0.4.0), signed where that is asked for.
//!
//! ```text
//! sheet -> document -> pieces: text | audio | text -> written (audio streamed as base64url) -> [payload of a JWS]
//!                                                 \-> compared with a file that is there
//! ```
//! The same recording gives the same octets: a second run finds that there is nothing to do.

mod check;
mod document;
mod encoding;
mod people;
mod pieces;
mod signer;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{BufReader, Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use base64::read::DecoderReader;
use sha2::{Digest as _, Sha512};
use siprec_core::seed::RecordingId;

use super::copy::{Copier, Done, Outcome, read_through};
use super::digest::BLOCK;
use super::place::{Writing, place};
use super::source::{Archive, Found};
use super::stop::Stop;
use crate::archive::disk::{Disk, DiskFile, Reading};
use encoding::Encoding;
use pieces::{Pieces, encoded_length};

pub(super) use check::{faults, is_vcon};
pub(super) use signer::Signer;

/// What a vCon's name has behind the recording's id.
const ENDING: &str = ".vcon.json";
/// What a signed vCon begins with; its payload follows.
const PAYLOAD: &[u8] = b"{\"payload\":\"";
/// A larger payload is not signed, since Ed25519 needs all of it at once: two and a half hours of stereo at 8 kHz.
const MAX_SIGNED: u64 = 512 << 20;
/// More than what follows the payload.
const MAX_SUFFIX: u64 = 64 << 10;

/// How vCons are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vcon {
    /// Where the audio is.
    pub audio: AudioPlace,
    /// Whether they are signed with the server's proof key.
    pub sign: bool,
}

/// Where a vCon's audio is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AudioPlace {
    /// In it.
    Inline,
    /// In files beside it, by their names.
    Beside,
    /// In files beside it, which can be had under this URL, `YYYY/MM/DD` and their names.
    Url(String),
}

/// What a recording's vCon is called.
pub(super) fn file_name(id: RecordingId) -> String {
    format!("{id}{ENDING}")
}

/// Makes vCons.
pub(super) struct Maker<'m> {
    pub(super) archive: &'m Archive,
    pub(super) audio: &'m AudioPlace,
    /// What they are signed with, if they are.
    pub(super) signer: Option<&'m Signer>,
    pub(super) stop: &'m Stop,
}

impl Maker<'_> {
    /// Makes the vCon of a recording below `to`; not where it is there already.
    pub(super) fn make(&self, copier: &mut Copier, to: &Path, found: &Found, done: Done<'_>) -> Result<Outcome> {
        let folder = to.join(&found.day);
        let disk = self.archive.disk.beneath();
        disk.create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let (mut outcome, mut hashes) = (Outcome::Present, BTreeMap::new());
        if *self.audio != AudioPlace::Inline {
            for file in &found.sidecar.files {
                outcome = outcome.and(copier.file(found, file, done)?);
                hashes.insert(file.name.clone(), content_hash(disk, &folder.join(&file.name))?);
            }
        }
        let pieces = document::pieces(found, self.audio, &hashes)?;
        let payload = pieces.length(&found.sidecar);
        ensure!(
            self.signer.is_none() || encoded_length(payload) <= MAX_SIGNED,
            "its vCon is too large to be signed ({payload} octets): --vcon-audio external keeps the audio out of it"
        );
        let name = file_name(found.sidecar.id);
        if self.is_there(&folder.join(&name), &pieces, found) {
            if *self.audio == AudioPlace::Inline {
                done(found.sidecar.files.iter().map(|file| file.bytes).sum());
            }
            return Ok(outcome);
        }
        place(disk, &folder, &name, |out| match self.signer {
            None => self.write(&pieces, found, &folder, out, done),
            Some(signer) => self.write_signed(signer, &pieces, found, &folder, out, done),
        })?;
        Ok(Outcome::Copied)
    }

    fn write(
        &self,
        pieces: &Pieces,
        found: &Found,
        folder: &Path,
        out: &mut dyn std::io::Write,
        done: Done<'_>,
    ) -> Result<()> {
        let mut block = vec![0; BLOCK];
        pieces.write(out, &mut |index, out| {
            let file = found.sidecar.files.get(index).context("no such file")?;
            let mut audio = self.archive.open(found, file, folder, self.stop)?;
            read_through(&mut audio, file, (&mut block, self.stop), &mut |bytes| {
                out.write_all(bytes)?;
                done(bytes.len() as u64);
                Ok(())
            })
        })
    }

    fn write_signed(
        &self,
        signer: &Signer,
        pieces: &Pieces,
        found: &Found,
        folder: &Path,
        out: &mut Writing,
        done: Done<'_>,
    ) -> Result<()> {
        out.write_all(PAYLOAD)?;
        let mut payload = Encoding::new(&mut *out);
        self.write(pieces, found, folder, &mut payload, done)?;
        payload.finish()?;
        let length = encoded_length(pieces.length(&found.sidecar));
        let suffix = signer.suffix(&**out.file()?.file(), length, &document::uuid(&found.sidecar))?;
        Ok(out.write_all(&suffix)?)
    }

    /// Whether the file at `path` is this vCon: its text to the octet, its audio by the digests of the sheet.
    fn is_there(&self, path: &Path, pieces: &Pieces, found: &Found) -> bool {
        let Ok(file) = self.archive.disk.beneath().open_read(path) else { return false };
        let mut reader = BufReader::with_capacity(BLOCK, Reading::of(std::sync::Arc::clone(&file)));
        let Some(signer) = self.signer else {
            return file.length().is_ok_and(|length| length == pieces.length(&found.sidecar))
                && pieces.is_in(&mut reader, &found.sidecar);
        };
        let length = encoded_length(pieces.length(&found.sidecar));
        let mut begin = [0; PAYLOAD.len()];
        if reader.read_exact(&mut begin).is_err() || begin != *PAYLOAD {
            return false;
        }
        let mut payload = DecoderReader::new((&mut reader).take(length), &BASE64_URL_SAFE_NO_PAD);
        if !pieces.is_in(&mut payload, &found.sidecar) {
            return false;
        }
        let mut rest = Vec::new();
        let read = (&mut reader).take(MAX_SUFFIX).read_to_end(&mut rest);
        let suffix = signer.suffix(&*file, length, &document::uuid(&found.sidecar));
        read.is_ok() && suffix.is_ok_and(|suffix| suffix == rest)
    }
}

/// A file's `content_hash` (2.2 of the draft).
fn content_hash(disk: &dyn Disk, path: &Path) -> Result<String> {
    let file = disk.open_read(path).with_context(|| format!("cannot read {}", path.display()))?;
    sha512(&*file).with_context(|| format!("cannot read {}", path.display()))
}

fn sha512(file: &dyn DiskFile) -> std::io::Result<String> {
    let (mut hash, mut block, mut offset) = (Sha512::new(), vec![0; BLOCK], 0);
    loop {
        let count = file.read_at(offset, &mut block)?;
        let Some(bytes) = block.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        hash.update(bytes);
        offset += count as u64;
    }
    Ok(format!("sha512-{}", BASE64_URL_SAFE_NO_PAD.encode(hash.finalize())))
}
