//! From the operator's configuration to what holds, erases and lets expire.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use siprec_core::seed::RecordingId;
use siprec_core::time::Wall;

use crate::archive::catalog::{Catalog, Filter, Row};
use crate::archive::disk::Disk;
use crate::archive::erase_order::{Cause, ordered};
use crate::archive::erasure::{EraseError, Eraser, Progress};
use crate::archive::lock::change_lock;
use crate::archive::outbox::Queue;
use crate::archive::proof_key::ProofKey;
use crate::archive::retention::{ExpireError, Expired, Rule, expired};
use crate::archive::storage::KeyTemplate;
use crate::beside;
use crate::config::{Config, StorageConfig};

const DAY: Duration = Duration::from_secs(86_400);

/// All that erasing needs of a data directory and its configuration.
#[derive(Debug)]
pub struct Erasing {
    disk: Arc<dyn Disk>,
    data: PathBuf,
    catalog: Arc<Catalog>,
    queue: Option<Arc<Queue>>,
    proof_key: ProofKey,
    set_up: Vec<(String, KeyTemplate)>,
    node: Option<String>,
    rules: Vec<Rule>,
}

impl Erasing {
    /// Of the data directory `data`, whose catalog and queue are open.
    ///
    /// # Errors
    /// The node's id cannot be had.
    pub fn new(
        config: &Config,
        disk: Arc<dyn Disk>,
        data: &Path,
        catalog: Arc<Catalog>,
        queue: Option<Arc<Queue>>,
        proof_key: ProofKey,
    ) -> anyhow::Result<Self> {
        let node = beside::node(config, &*disk, data)?;
        let key = |row: &crate::config::TargetConfig| row.key.clone().unwrap_or_else(|| config.storage.key.clone());
        let set_up = config.storage.all_targets().iter().map(|row| (row.called(), key(row))).collect();
        let rules = rules(&config.storage);
        Ok(Self { disk, data: data.to_owned(), catalog, queue, proof_key, set_up, node, rules })
    }

    /// The same beside a server that may run. Its proof key is not made here: root's would lock the server out.
    ///
    /// # Errors
    /// A catalog or an outbox that cannot be opened; no proof key.
    pub fn beside(config: &Config, disk: Arc<dyn Disk>) -> anyhow::Result<Self> {
        let (catalog, queue, proof_key) = beside::open(config, &*disk)?;
        Self::new(config, disk, &config.archive.data_dir, catalog, queue, proof_key)
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Its disk.
    pub fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// Its catalog.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Its outbox's queue, where there is or was a storage target.
    pub fn queue(&self) -> Option<&Queue> {
        self.queue.as_deref()
    }

    /// What of `filter` lies here; and how much of it on servers that share the catalog.
    ///
    /// # Errors
    /// The catalog's.
    pub fn select(&self, filter: Filter) -> anyhow::Result<(Vec<Row>, u64)> {
        let (mut here, mut elsewhere) = (Vec::new(), 0);
        for row in self.catalog.select(filter) {
            let row = row?;
            if row.node == self.node { here.push(row) } else { elsewhere += 1 }
        }
        Ok((here, elsewhere))
    }

    fn eraser(&self) -> Eraser<'_> {
        let queue = self.queue.as_deref();
        let (disk, data, catalog, proof_key) = (&*self.disk, &*self.data, &*self.catalog, &self.proof_key);
        Eraser { disk, data, catalog, queue, proof_key }
    }

    /// Orders a recording to be erased.
    ///
    /// # Errors
    /// As [`Eraser::order`].
    pub fn order(&self, row: &Row, cause: Cause) -> Result<(), EraseError> {
        let _turn = change_lock(&self.data)?;
        let set_up: Vec<_> = self.set_up.iter().map(|(name, key)| (name.as_str(), key)).collect();
        self.eraser().order(row.id, row.folder(), &set_up, cause)
    }

    /// Goes on with all that was ordered.
    ///
    /// # Errors
    /// As [`Eraser::go_on`].
    pub fn go_on(&self, now: Wall) -> Result<Vec<(RecordingId, Progress)>, EraseError> {
        let nothing = ordered(&*self.disk, &self.data).is_ok_and(|ordered| ordered.is_empty());
        if nothing {
            return Ok(Vec::new());
        }
        let _turn = change_lock(&self.data)?;
        self.eraser().go_on(now)
    }

    /// At most `limit` recordings whose time is over at `now`.
    ///
    /// # Errors
    /// The catalog's or the outbox's.
    pub fn expired(&self, now: Wall, limit: usize) -> Result<Expired, ExpireError> {
        expired(&self.catalog, self.queue.as_deref(), self.node.as_deref(), &self.rules, now, limit)
    }

    /// Why a recording expires, by the place of its rule: the configuration's key and how long it says.
    pub fn reason(&self, place: usize) -> String {
        let days = self.rules.get(place).and_then(|rule| rule.keep).map_or(0, |keep| keep.as_secs() / DAY.as_secs());
        if place + 1 < self.rules.len() {
            format!("storage.retention[{place}]: {days} days")
        } else {
            format!("storage.retention_days: {days}")
        }
    }
}

/// The configuration's rules, `retention_days` last, which fits every recording.
fn rules(storage: &StorageConfig) -> Vec<Rule> {
    let keep = |days: u32| (days > 0).then(|| DAY.saturating_mul(days));
    let special = storage.retention.iter().map(|rule| Rule {
        which: Filter {
            tag: rule.tag.clone(),
            participant: rule.participant.clone(),
            caller: rule.caller.clone(),
            callee: rule.callee.clone(),
            label: rule.label.clone(),
            vendor: rule.vendor.clone(),
            ..Filter::default()
        },
        keep: keep(rule.days.unwrap_or(0)),
    });
    let general = Rule { which: Filter::default(), keep: keep(storage.retention_days) };
    special.chain([general]).collect()
}
