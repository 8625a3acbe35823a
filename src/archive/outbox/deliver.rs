//! One recording to one target: its audio, its signature, and its sheet last, so that a sheet there has all of its files.

use std::io;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use siprec_core::render::Sidecar;
use siprec_core::time::Wall;
use tokio::sync::Semaphore;

use super::{Item, Named, Queue, QueueError, Yard, now_ms};
use crate::archive::disk::{Disk, read_range};
use crate::archive::erase_order::EraseOrder;
use crate::archive::receipt::{Delivered, Delivery, Receipt};
use crate::archive::recordings::{self, SidecarError, StoredFile, hexadecimal};
use crate::archive::storage::{Parts, Removed, Source, StoreError, Stored, Unfinished, erase_whole, fetch, store};

/// Why a recording is not stored.
#[derive(Debug, thiserror::Error)]
pub(super) enum DeliverError {
    /// Its sheet is not there: nothing is left to be stored.
    #[error("its sheet is gone")]
    Gone,
    /// Its sheet cannot be read.
    #[error(transparent)]
    Sheet(#[from] SidecarError),
    /// A file of it is not stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its receipt cannot be read or written.
    #[error("its receipt: {0}")]
    Receipt(io::Error),
    /// The order to erase it cannot be read.
    #[error("its order to be erased: {0}")]
    Order(io::Error),
    /// The queue cannot be written.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// The objects of several parts of one target, as the queue remembers them.
struct Uploads<'q> {
    queue: &'q Queue,
    target: &'q str,
}

impl Parts for Uploads<'_> {
    fn unfinished(&self, key: &str) -> Result<Option<Unfinished>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.queue.upload(self.target, key)?)
    }

    fn remember(&self, key: &str, unfinished: &Unfinished) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.queue.set_upload(self.target, key, unfinished)?)
    }

    fn forget(&self, key: &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.queue.forget_upload(self.target, key)?)
    }
}

/// Stores a recording; the receipt says so and the queue knows when this returns. The octets that were stored; 0 if it was
/// there already.
pub(super) async fn deliver(
    yard: &Yard,
    named: &Named,
    slots: &Semaphore,
    item: &Item,
    again: bool,
) -> Result<u64, DeliverError> {
    let sheet = yard.sheet(item.recording, &item.day);
    if !yard.disk.exists(&sheet).map_err(|source| SidecarError::Io { path: sheet.clone(), source })? {
        return Err(DeliverError::Gone);
    }
    let (_, sidecar) = recordings::read_sidecar(&*yard.disk, &sheet)?;
    let receipt = Receipt::read(&*yard.disk, &sheet).map_err(DeliverError::Receipt)?;
    let known = receipt.as_ref().and_then(|receipt| receipt.by(&named.name));
    if let Some(known) = known
        && is_all(&*yard.disk, &sheet, known, &sidecar)?
    {
        // Queued twice, or a crash came between receipt and queue.
        yard.queue.stored(&named.name, item, now_ms())?;
        return Ok(0);
    }
    let mut files = Vec::new();
    for name in names(&*yard.disk, &sheet, &sidecar) {
        let vouched = recordings::stored_files(&sidecar).find(|file| file.name == name);
        if let Some(file) = vouched {
            if let Some(there) = known.and_then(|known| known.find(file)) {
                // It may have been released here since: what changed is its key, or its sheet.
                files.push(there.clone());
                continue;
            }
            bring_back(yard, &sheet, receipt.as_ref(), file).await?;
        }
        let path = sheet.with_file_name(&name);
        let file = yard.disk.beneath().open_read(&path);
        let file = file.map_err(|source| StoreError::Local { path: path.clone(), source })?;
        let source = Source { file, path, sha256: vouched.map(|file| file.sha256.to_owned()) };
        let key = named.key.key(&sidecar, &name);
        let uploads = Uploads { queue: &yard.queue, target: &named.name };
        let Stored { bytes, sha256, verified, .. } =
            store(&*named.target, &key, &source, &uploads, slots, again).await?;
        files.push(Delivered { name, url: named.target.url(&key), key, bytes, sha256, verified });
    }
    let bytes = files.iter().map(|file| file.bytes).sum();
    let stored_at = Wall(now_ms().saturating_mul(1_000_000)).rfc3339();
    let delivery = Delivery { target: named.name.clone(), stored_at, files, superseded: Vec::new() };
    let taken_in = Receipt::change(&*yard.disk, &sheet, sidecar.id, |receipt| receipt.deliver(delivery));
    // Its sheet is gone where it was ordered to be erased meanwhile.
    taken_in.map_err(|error| match error.kind() == io::ErrorKind::NotFound {
        true => DeliverError::Gone,
        false => DeliverError::Receipt(error),
    })?;
    yard.queue.stored(&named.name, item, now_ms())?;
    Ok(bytes)
}

/// Removes all that a target may have of a recording that is ordered to be erased; the queue knows when this returns. How
/// many objects were there, and what is kept of them.
pub(super) async fn erase(yard: &Yard, named: &Named, item: &Item) -> Result<Removed, DeliverError> {
    let Some(order) = EraseOrder::read(&*yard.disk, &yard.data, item.recording).map_err(DeliverError::Order)? else {
        // It was carried out to its end, and a crash came before the queue knew.
        yard.queue.forget_erased(item.recording)?;
        return Ok(Removed::default());
    };
    let mut removed = Removed::default();
    for key in order.keys_in(&named.name) {
        removed.add(erase_whole(&*named.target, key).await.map_err(StoreError::Target)?);
        yard.queue.forget_upload(&named.name, key)?;
    }
    yard.queue.erased(&named.name, item.recording, now_ms(), &removed)?;
    Ok(removed)
}

/// Whether a target has the very recording that lies here.
///
/// # Errors
/// A small file of it that cannot be read.
pub fn is_all(disk: &dyn Disk, sheet: &Path, known: &Delivery, sidecar: &Sidecar) -> Result<bool, StoreError> {
    if !recordings::stored_files(sidecar).all(|file| known.has(file)) {
        return Ok(false);
    }
    for name in recordings::companions(sidecar) {
        let path = sheet.with_file_name(&name);
        let local = |source| StoreError::Local { path: path.clone(), source };
        if !disk.exists(&path).map_err(local)? {
            continue;
        }
        let octets = disk.beneath().open_read(&path).and_then(|file| read_range(&*file, 0, usize::MAX));
        let octets = octets.map_err(local)?;
        let sha256 = hexadecimal(&Sha256::digest(&octets));
        if !known.has(StoredFile { name: &name, bytes: octets.len() as u64, sha256: &sha256 }) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A recording's files as they lie on the disk, the sheet last.
fn names(disk: &dyn Disk, sheet: &Path, sidecar: &Sidecar) -> Vec<String> {
    let audio = recordings::stored_files(sidecar).map(|file| file.name.to_owned());
    let is_there = |name: &String| disk.exists(&sheet.with_file_name(name)).unwrap_or(true);
    audio.chain(recordings::companions(sidecar).into_iter().filter(is_there)).collect()
}

/// Queues what changed after it was stored, such as keys that were wrapped anew, for the targets that have it as it was. How
/// many recordings.
///
/// # Errors
/// The queue's. What cannot be read is left as it is.
pub fn queue_changed(disk: &dyn Disk, data: &Path, queue: &Queue) -> Result<u64, QueueError> {
    let mut queued = 0;
    for (sheet, day) in recordings::Sidecars::of(disk, data) {
        let Ok(Some(receipt)) = Receipt::read(disk, &sheet) else { continue };
        let Ok((_, sidecar)) = recordings::read_sidecar(disk, &sheet) else { continue };
        let changed = receipt.targets.iter().filter(|known| !is_all(disk, &sheet, known, &sidecar).unwrap_or(true));
        let changed: Vec<String> = changed.map(|known| known.target.clone()).collect();
        if !changed.is_empty() {
            queue.add(&changed, sidecar.id, sidecar.recording_session.id, &day, (now_ms(), true))?;
            queued += 1;
        }
    }
    Ok(queued)
}

/// Fetches a file that was released before this target was set up.
async fn bring_back(
    yard: &Yard,
    sheet: &Path,
    receipt: Option<&Receipt>,
    file: StoredFile<'_>,
) -> Result<(), DeliverError> {
    let path = sheet.with_file_name(file.name);
    let failure = |source| StoreError::Local { path: path.clone(), source };
    if yard.disk.exists(&path).map_err(failure)? {
        return Ok(());
    }
    Ok(restore(yard.disk.beneath(), &yard.settings.targets, receipt, file, &path).await?)
}

/// Fetches the file that a sheet tells of from a target that has it, to `path`, where it is whole or not at all.
///
/// # Errors
/// No target has it, none that has it can be reached, or what it has is not what the sheet says.
pub async fn restore(
    disk: &dyn Disk,
    targets: &[Arc<Named>],
    receipt: Option<&Receipt>,
    file: StoredFile<'_>,
    path: &Path,
) -> Result<(), StoreError> {
    let nowhere =
        io::Error::new(io::ErrorKind::NotFound, "it is not here, and no storage target that is set up has it");
    let mut last = StoreError::Local { path: path.to_owned(), source: nowhere };
    for delivery in receipt.map(|receipt| receipt.targets.as_slice()).unwrap_or_default() {
        let named = targets.iter().find(|named| named.name == delivery.target);
        let (Some(known), Some(named)) = (delivery.find(file), named) else { continue };
        match restore_from(disk, named, known, path).await {
            Ok(()) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn restore_from(disk: &dyn Disk, named: &Named, known: &Delivered, path: &Path) -> Result<(), StoreError> {
    let failure = |source| StoreError::Local { path: path.to_owned(), source };
    let part = path.with_added_extension("part");
    if disk.exists(&part).map_err(failure)? {
        disk.remove_file(&part).map_err(failure)?;
    }
    let out = disk.create_new(&part).map_err(failure)?;
    let (mut digest, mut offset) = (Sha256::new(), 0);
    fetch(&*named.target, &known.key, known.bytes, |octets| {
        out.write_at(offset, octets)?;
        offset += octets.len() as u64;
        digest.update(octets);
        Ok(())
    })
    .await?;
    let found = hexadecimal(&digest.finalize());
    if !found.eq_ignore_ascii_case(&known.sha256) {
        disk.remove_file(&part).map_err(failure)?;
        let what = format!("its SHA-256 is {found}, {} was stored there", known.sha256);
        return Err(StoreError::Differs { url: named.target.url(""), what });
    }
    out.sync_data().map_err(failure)?;
    disk.rename(&part, path).map_err(failure)?;
    disk.sync_dir(path.parent().unwrap_or(path)).map_err(failure)
}
