//! Local audio that all targets have is released: after `storage.keep_local`, or earlier when the disk gets short.
//!
//! Sheet, signature and receipt stay: they are small, and all that is needed to know what there was and where it is.

use std::io;
use std::path::Path;

use siprec_core::seed::RecordingId;

use super::{QueueError, Yard};
use crate::archive::receipt::Receipt;
use crate::archive::recordings;

/// Recordings released in one go, before anything else is looked at.
const BATCH: usize = 256;
/// With less than this many times `archive.min_free`, what is stored elsewhere makes room.
const SHORT_TIMES: u64 = 2;

/// Releases what may go by its age; how many recordings' audio went.
pub(super) fn by_age(yard: &Yard, now_ms: i64) -> Result<u64, QueueError> {
    let Some(keep) = yard.settings.keep_local else { return Ok(0) };
    let before = now_ms.saturating_sub(i64::try_from(keep.as_millis()).unwrap_or(i64::MAX));
    release(yard, before, || true)
}

/// Releases what was stored longest ago until there is room; how many recordings' audio went.
pub(super) fn for_room(yard: &Yard) -> Result<u64, QueueError> {
    let wanted = yard.settings.min_free.saturating_mul(SHORT_TIMES);
    let is_short = || yard.disk.free_space(&yard.data).is_ok_and(|free| free < wanted);
    if yard.settings.keep_local.is_none() || !is_short() {
        return Ok(0);
    }
    release(yard, i64::MAX, is_short)
}

fn release(yard: &Yard, before_ms: i64, go_on: impl Fn() -> bool) -> Result<u64, QueueError> {
    let mut released = 0;
    for (recording, day) in yard.queue.held(before_ms, BATCH)? {
        if !go_on() {
            break;
        }
        // What cannot be removed now is here still; it is looked at again when it is stored again, or never: no harm.
        if release_one(yard, recording, &day).unwrap_or(false) {
            released += 1;
        }
        yard.queue.released(recording)?;
    }
    Ok(released)
}

/// Removes the audio of a recording if each target that is set up has all of it. Whether it did.
fn release_one(yard: &Yard, recording: RecordingId, day: &str) -> io::Result<bool> {
    let sheet = yard.sheet(recording, day);
    let Ok((_, sidecar)) = recordings::read_sidecar(&*yard.disk, &sheet) else { return Ok(false) };
    let Some(receipt) = Receipt::read(&*yard.disk, &sheet)? else { return Ok(false) };
    for named in &yard.settings.targets {
        let delivery = receipt.by(&named.name);
        if !delivery.is_some_and(|delivery| recordings::stored_files(&sidecar).all(|file| delivery.has(file))) {
            return Ok(false);
        }
    }
    for file in recordings::stored_files(&sidecar) {
        match yard.disk.remove_file(&sheet.with_file_name(file.name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    yard.disk.sync_dir(sheet.parent().unwrap_or(Path::new("")))?;
    Ok(true)
}
