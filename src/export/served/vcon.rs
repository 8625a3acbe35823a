//! The vCon of a recording that a server has: made of its files as it is beside the data directory.

use std::path::Path;

use anyhow::Result;

use super::client::Client;
use super::staged;
use crate::archive::catalog::Row;
use crate::export::copy::{Copier, Outcome, day};
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
    let (_staging, archive, found) = staged(client, row, done)?;
    let stop = client.stop();
    let maker = Maker { archive: &archive, audio, signer: None, stop };
    maker.make(&mut Copier::new(archive.clone(), to, stop.clone()), to, &found, &mut |_| {})
}
