//! One recording, rendered again from its journal into the folder of its day.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use siprec_core::node_key::NodeKey;
use siprec_core::render::Detail;

use super::copy::{Outcome, day};
use crate::archive::catalog::Row;
use crate::archive::disk::RealDisk;
use crate::archive::finish::{Form, render_again};
use crate::archive::recordings;

/// Renders the recording of `row` below `to`; not again where a sheet there tells of the same.
pub(super) fn render(
    (data, node_key): (&Path, Option<&NodeKey>),
    to: &Path,
    row: &Row,
    form: Form,
    leave_out: &[Detail],
) -> Result<Outcome> {
    let folder = day(&row.path)?;
    let sheet_name = format!("{}.json", row.id);
    let source = recordings::folder(data).join(&folder).join(&sheet_name);
    let (_, sidecar) = recordings::read_sidecar(&RealDisk, &source)?;
    ensure!(sidecar.id == row.id, "{sheet_name} is of another recording, {}", sidecar.id);
    let target = to.join(&folder);
    if let (Form::Audio(rendition), Ok(there)) = (form, recordings::whole(&RealDisk, &target.join(&sheet_name)))
        && there.id == row.id
        && there.rendition == rendition
        && there.siprec == env!("CARGO_PKG_VERSION")
        && there.journal == sidecar.journal
    {
        return Ok(Outcome::Present);
    }
    ensure!(
        std::path::absolute(&target)? != std::path::absolute(source.with_file_name(""))?.join(""),
        "{} is the archive itself: give --to another folder",
        to.display()
    );
    render_again(&RealDisk, (data, node_key), &sidecar, form, leave_out, &target)
        .with_context(|| format!("cannot render to {}", target.display()))?;
    Ok(Outcome::Copied)
}
