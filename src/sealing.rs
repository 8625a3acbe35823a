//! From the operator's configuration to the disk that journals and recordings are written to: sealed, where he wants it.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use crate::archive::disk::{Disk as _, RealDisk};
use crate::archive::sealed::{self, KeySources, MasterKeys, SealedDisk, Standing};
use crate::config::{Config, SealConfig, Secret};

/// The master keys that are configured.
///
/// # Errors
/// One that cannot be had, or is none.
pub fn master_keys(config: &SealConfig) -> anyhow::Result<MasterKeys> {
    let previous: Vec<&str> = config.previous_keys.iter().map(Secret::reveal).collect();
    let sources = KeySources {
        key: config.master_key.as_ref().map(Secret::reveal),
        file: config.master_key_file.as_deref(),
        command: &config.master_key_command,
        previous: &previous,
    };
    sources.fetch()
}

/// The disk for who writes to the data directory `data`, which he has locked.
///
/// # Errors
/// Master keys that cannot be had, or are not those that the directory was sealed with.
pub fn disk(config: &Config, data: &Path) -> anyhow::Result<Arc<SealedDisk>> {
    let seal = &config.archive.seal;
    let masters = master_keys(seal)?;
    let standing = match masters.current() {
        // Without a key each sealed file says for itself that it needs one.
        None => {
            if RealDisk.exists(&data.join(sealed::FILE))? {
                tracing::warn!(
                    "archive.seal: files here are sealed and there is no master key: calls that were cut off by the last stop do not go on, \
                     and what was sealed stays so: set master_key_file, with enabled: false if nothing more is to be sealed"
                );
            }
            Standing::Unsealed
        }
        Some(_) => sealed::standing(&RealDisk, data, &masters)?,
    };
    match standing {
        Standing::Unsealed if seal.enabled => sealed::stand(data, &masters).context("archive.seal")?,
        Standing::Previous => tracing::warn!(
            "archive.seal: keys here are still wrapped by a master key of before: run siprec archive rewrap, then take it out of previous_keys"
        ),
        Standing::Unsealed | Standing::Current => {}
    }
    Ok(Arc::new(SealedDisk::new(Arc::new(RealDisk), masters, seal.enabled)))
}

/// The disk for who only reads: what is sealed is opened if the key is there, and says what is missing if not.
///
/// # Errors
/// Master keys that are configured and cannot be had.
pub fn reading_disk(config: &SealConfig) -> anyhow::Result<Arc<SealedDisk>> {
    Ok(Arc::new(SealedDisk::new(Arc::new(RealDisk), master_keys(config)?, false)))
}
