//! FLAC files of a recording as WAV again, where no journal is left to render from: each sample is what it was.

use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use siprec_core::render::{FileCoding, FileFormat, FilePlan, FileSheet, Rendition, Sidecar, wav};

use super::place::place;
use super::source::{Archive, Found};
use super::stop::Stop;
use crate::archive::decode::Decoder;
use crate::archive::disk::Disk as _;
use crate::archive::json_file;

/// Whether the files of `sidecar` can become those of `rendition`.
pub(super) fn is_possible(sidecar: &Sidecar, rendition: Rendition) -> bool {
    let is_flac = |file: &FileSheet| file.coding == FileCoding::Flac;
    let is_wav = rendition.format == FileFormat::Wav && rendition.layout == sidecar.rendition.layout;
    is_wav && !sidecar.files.is_empty() && sidecar.files.iter().all(is_flac)
}

/// Writes the files of a recording to the folder `to` as WAV, and a sheet that tells of them, which nobody signs.
///
/// # Errors
/// A file that is damaged or cannot be had; the disk's.
pub(super) fn unpack(archive: &Archive, found: &Found, to: &Path, stop: &Stop) -> Result<()> {
    let disk = archive.disk.beneath();
    disk.create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    let mut sheet = found.sidecar.clone();
    let was = sheet.recompressed.take();
    for (index, file) in sheet.files.iter_mut().enumerate() {
        let samples = was.as_ref().and_then(|was| was.files.get(index)).map(|was| was.samples_sha256.as_str());
        *file = one(archive, found, file, samples, (to, stop))?;
    }
    sheet.rendition.format = FileFormat::Wav;
    let text = json_file::text(&sheet)?;
    place(disk, to, &format!("{}.json", sheet.id), |out| Ok(out.write_all(&text)?))
}

/// One file, whose samples are those of this digest where that is known; what the sheet tells of it.
fn one(
    archive: &Archive,
    found: &Found,
    file: &FileSheet,
    samples: Option<&str>,
    (to, stop): (&Path, &Stop),
) -> Result<FileSheet> {
    let plan = FilePlan::recoded(file, FileCoding::Pcm16);
    let audio = archive.open(found, file, to, stop)?;
    let opened = Decoder::open(file, audio.input.clone()).with_context(|| audio.path.display().to_string())?;
    let mut decoder = opened.context("it is not FLAC")?;
    let mut whole = Default::default();
    place(archive.disk.beneath(), to, &plan.name, |out| {
        out.write_all(&plan.wav().header())?;
        let mut block = Vec::new();
        let heard = decoder.each(&mut |samples| {
            stop.check().map_err(io::Error::other)?;
            block.clear();
            wav::append_samples(&mut block, samples);
            out.write_all(&block)
        });
        let heard = heard.with_context(|| audio.path.display().to_string())?;
        ensure!(
            samples.is_none_or(|samples| samples == heard),
            "{}: its samples are not those that were recorded",
            audio.path.display()
        );
        whole = out.so_far();
        Ok(())
    })?;
    let (bytes, sha256) = whole;
    let (name, format, coding) = (plan.name, FileCoding::Pcm16.format().to_owned(), FileCoding::Pcm16);
    Ok(FileSheet { name, bytes, sha256, format, coding, sealed: None, ..file.clone() })
}
