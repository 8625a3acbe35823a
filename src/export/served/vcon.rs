//! The vCon of a recording that a server has: its files are fetched into a folder that is laid out as a data directory, and the vCon
//! is made there as it is from any other.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};

use super::client::Client;
use crate::archive::catalog::Row;
use crate::archive::disk::{Disk as _, RealDisk};
use crate::archive::recordings;
use crate::archive::sealed::{MasterKeys, SealedDisk};
use crate::export::copy::{Copier, Outcome, day};
use crate::export::remote::Staging;
use crate::export::source::{Archive, Targets};
use crate::export::vcon::{AudioPlace, Maker, file_name};

/// Makes the vCon of a recording in the folder of its day below `to`; not where it is there already.
pub(super) fn make(
    client: &Client,
    audio: &AudioPlace,
    row: &Row,
    to: &Path,
    done: &mut dyn FnMut(u64),
) -> Result<Outcome> {
    let day = day(&row.path)?;
    // What it refers to went before it.
    if to.join(&day).join(file_name(row.id)).exists() {
        return Ok(Outcome::Present);
    }
    let staging = Staging::new()?;
    let folder = recordings::folder(staging.path()).join(&day);
    RealDisk.create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    super::copy(client, row, &folder, done)?;
    let disk = Arc::new(SealedDisk::new(Arc::new(RealDisk), MasterKeys::default(), false));
    let archive = Archive { disk, data: staging.path().to_owned(), targets: Targets::new(|| Ok(Vec::new())) };
    let mut found = archive.find(row)?;
    // The server has opened what is sealed there.
    found.sidecar.files.iter_mut().for_each(|file| file.sealed = None);
    let stop = client.stop();
    let maker = Maker { archive: &archive, audio, signer: None, stop };
    maker.make(&mut Copier::new(archive.clone(), to, stop.clone()), to, &found, &mut |_| {})
}
