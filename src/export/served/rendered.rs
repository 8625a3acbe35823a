//! A recording that a server renders again from its journal: its files and the sheet that tells of them, as they are made beside the
//! data directory.
//!
//! ```text
//! /proof?layout=&format= -> the same as is there (If-None-Match)? -> /audio?layout=&format=&file=N, each against the sheet -> sheet
//!                        \-> its journal is gone -> FLAC: as WAV, here | the recording's own files, recoded by the server
//! ```

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use siprec_core::render::{FileFormat, Layout, Rendition, Sidecar};

use super::client::{Client, Rendered};
use super::{alone, staged};
use crate::archive::catalog::Row;
use crate::archive::disk::RealDisk;
use crate::archive::finish::rendering_tag;
use crate::archive::recordings;
use crate::archive::soundness::is_plain_name;
use crate::export::copy::{Outcome, day};
use crate::export::place::place;
use crate::export::unpack;

/// What a recording is to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) format: FileFormat,
    /// None: as the server has it.
    pub(super) layout: Option<Layout>,
}

impl Asked {
    fn query(self) -> [(&'static str, String); 2] {
        let layout = self.layout.map_or("configured", Layout::name);
        [("layout", layout.to_owned()), ("format", self.format.name().to_owned())]
    }

    /// Whether `sheet` tells of what was asked for.
    fn is_of(self, sheet: &Sidecar) -> bool {
        sheet.rendition.format == self.format && self.layout.is_none_or(|layout| layout == sheet.rendition.layout)
    }
}

/// Fetches a recording, rendered, to the folder of its day below `to`; not again where a sheet there tells of the same.
pub(super) fn fetch(client: &Client, asked: Asked, row: &Row, to: &Path, done: &mut dyn FnMut(u64)) -> Result<Outcome> {
    let folder = to.join(day(&row.path)?);
    let name = format!("{}.json", row.id);
    let there = recordings::whole(&RealDisk, &folder.join(&name)).ok().filter(|there| there.id == row.id);
    let tag = there.as_ref().map(|there| rendering_tag(there, there.rendition, &there.siprec));
    let query = asked.query();
    let text = match client.rendered((&format!("recordings/{}/proof", row.id), &query), tag.as_deref())? {
        Rendered::Same => return Ok(Outcome::Present),
        Rendered::Gone(why) => return without_journal(client, (asked, &why), (row, there.as_ref()), to, done),
        Rendered::Octets(text) => text,
    };
    let sheet: Sidecar =
        serde_json::from_slice(&text).context("the sheet of what the server renders cannot be read")?;
    ensure!(sheet.id == row.id && asked.is_of(&sheet), "the server has rendered something else: try again");
    for (index, file) in sheet.files.iter().enumerate() {
        ensure!(is_plain_name(&file.name), "its sheet names a file in another folder: {}", file.name);
        let [layout, format] = query.clone();
        let query = [layout, format, ("file", index.to_string()), ("download", "true".to_owned())];
        place(&RealDisk, &folder, &file.name, |out| {
            client.download_rendered((&format!("recordings/{}/audio", row.id), &query), out, done)?;
            let is_same = out.so_far() == (file.bytes, file.sha256.clone());
            ensure!(is_same, "{} came otherwise than its sheet says: try again", file.name);
            Ok(())
        })?;
    }
    place(&RealDisk, &folder, &name, |out| Ok(out.write_all(&text)?))?;
    Ok(Outcome::Copied)
}

/// What can be had without its journal: of FLAC each sample; else the recording's own files in another format, without a sheet.
fn without_journal(
    client: &Client,
    (asked, why): (Asked, &str),
    (row, there): (&Row, Option<&Sidecar>),
    to: &Path,
    done: &mut dyn FnMut(u64),
) -> Result<Outcome> {
    let sheet = client.get(&format!("recordings/{}/proof", row.id), &[])?.octets;
    let sheet: Sidecar = serde_json::from_slice(&sheet).context("its proof sheet cannot be read")?;
    let layout = sheet.rendition.layout;
    let rendition = Rendition { layout: asked.layout.unwrap_or(layout), format: asked.format };
    if unpack::is_possible(&sheet, rendition) {
        if there
            .is_some_and(|there| asked.is_of(there) && there.journal == sheet.journal && there.siprec == sheet.siprec)
        {
            return Ok(Outcome::Present);
        }
        let (_staging, archive, found) = staged(client, row, done)?;
        unpack::unpack(&archive, &found, &to.join(&found.day), client.stop())?;
        return Ok(Outcome::Copied);
    }
    if rendition.layout != layout || asked.format == FileFormat::WavG711 {
        bail!("{why}");
    }
    ensure!(!sheet.files.is_empty(), "it has no audio");
    let [_, (_, format)] = asked.query();
    let mut outcome = Outcome::Present;
    for (index, file) in sheet.files.iter().enumerate() {
        ensure!(is_plain_name(&file.name), "its sheet names a file in another folder: {}", file.name);
        let stem = file.name.rsplit_once('.').map_or(file.name.as_str(), |(stem, _)| stem);
        let query = [("file", index.to_string()), ("format", format.clone()), ("download", "true".to_owned())];
        let from = (&*format!("recordings/{}/audio", row.id), &query[..]);
        let name = format!("{stem}.{format}");
        outcome = outcome.and(alone((client, &to.join(day(&row.path)?)), &name, from, done)?);
    }
    Ok(outcome)
}
