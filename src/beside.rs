//! A data directory whose server may run, as commands open it.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use crate::archive::catalog::Catalog;
use crate::archive::disk::Disk;
use crate::archive::node_id;
use crate::archive::outbox::Queue;
use crate::archive::proof_key::ProofKey;
use crate::config::Config;
use crate::policy::catalog_address;

/// Refuses a data directory that is none.
///
/// # Errors
/// It is not there.
pub fn is_there(data: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(data.is_dir(), "there is no data directory {}: give it with --data-dir", data.display());
    Ok(())
}

/// The server's id where it shares its catalog with others.
///
/// # Errors
/// An address of the catalog that is none; an id that cannot be had.
pub fn node(config: &Config, disk: &dyn Disk, data: &Path) -> anyhow::Result<Option<String>> {
    match catalog_address(config).context("metadata.connection")? {
        Some(_) => Ok(Some(node_id::load(disk, data)?)),
        None => Ok(None),
    }
}

/// What changes recordings: the catalog, the outbox's queue where there is or was a storage target, and the proof key. That is not
/// made here: root's would lock the server out.
///
/// # Errors
/// A catalog or an outbox that cannot be opened; no proof key.
pub fn open(config: &Config, disk: &dyn Disk) -> anyhow::Result<(Arc<Catalog>, Option<Arc<Queue>>, ProofKey)> {
    let data = &config.archive.data_dir;
    is_there(data)?;
    let place = || format!("in {}", data.display());
    let catalog = match catalog_address(config).context("metadata.connection")? {
        Some(address) => Catalog::shared(address, &node_id::load(disk, data)?),
        None => Catalog::beside(data).with_context(place)?,
    };
    let queue = Queue::existing(data).with_context(place)?;
    Ok((Arc::new(catalog), queue.map(Arc::new), ProofKey::read(data)?))
}
