//! The outbox beside the server: started with it, and told of in the log.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use super::alarms::{Alarms, ServerAlarm};
use super::live::{Live, LiveEvent};
use super::meters::{Meters, Target};
use crate::archive::disk::Disk;
use crate::archive::outbox::{Outbox, Queue, Told};
use crate::archive::storage::Removed;
use crate::config::Config;
use crate::targets;

/// Starts to store what is recorded; none where there is no target beside the data directory.
pub(super) fn start(
    config: &Config,
    disk: &Arc<dyn Disk>,
    data: &Path,
    (live, alarms, meters): (&Live, &Alarms, &Meters),
) -> anyhow::Result<Option<Outbox>> {
    let Some(settings) = targets::outbox(config)? else { return Ok(None) };
    let queue = Arc::new(Queue::open(data)?);
    let outbox = Outbox::start(
        Arc::clone(disk),
        data.to_owned(),
        queue,
        settings,
        Arc::new({
            let (live, alarms, meters) = (live.clone(), alarms.clone(), meters.clone());
            move |told: Told| {
                publish(&told, &live, &alarms, &meters);
                tell(told);
            }
        }),
    );
    outbox.map(Some).context("the threads that store recordings cannot be started")
}

/// Events and alarms, for who watches.
fn publish(told: &Told, live: &Live, alarms: &Alarms, meters: &Meters) {
    let down = |target: &str, wrong| {
        alarms.server(ServerAlarm::StorageDown, Some(target), wrong);
    };
    match told {
        Told::Stored { recording, target, .. } => {
            meters.recordings_stored.get_or_create(&Target { target: target.clone() }).inc();
            live.publish(LiveEvent::Stored { recording: *recording, target: target.clone() });
        }
        Told::Down { target, error, waiting, .. } => {
            down(target, Some(format!("{waiting} recordings wait here: {error}")));
        }
        Told::Up { target, .. } | Told::Gone { target, .. } => down(target, None),
        Told::Erased { .. }
        | Told::Failed { .. }
        | Told::NotErased { .. }
        | Told::Queued { .. }
        | Told::Released { .. }
        | Told::Trouble(_) => {}
    }
}

/// A line of the log for each thing that happens.
fn tell(told: Told) {
    match told {
        Told::Stored { recording, target, bytes } => {
            tracing::info!(%recording, target, bytes, "stored");
        }
        Told::Erased { recording, target, removed: Removed { objects, kept } } if kept.is_nothing() => {
            tracing::info!(%recording, target, objects, "erased there");
        }
        Told::Erased { recording, target, removed: Removed { objects, kept } } => {
            tracing::warn!(%recording, target, objects, "erased there, as far as that can be done: {kept}");
        }
        Told::Down { target, error, waiting, wait } => tracing::error!(
            target,
            waiting,
            again_in = ?wait,
            "storage cannot be reached or refuses, recordings wait here: {error}"
        ),
        Told::Up { target, waiting } => tracing::info!(target, waiting, "storage is back"),
        Told::Failed { recording, target, error, wait } => tracing::error!(
            %recording,
            target,
            again_in = ?wait,
            "a recording is not stored, and stays here: {error}"
        ),
        Told::NotErased { recording, target, error, wait } => tracing::error!(
            %recording,
            target,
            again_in = ?wait,
            "a recording that is to be erased is still there: {error}; a lock or a policy of the target may keep it"
        ),
        Told::Queued { target, recordings } => {
            tracing::info!(target, recordings, "recordings of before wait for a new storage target");
        }
        Told::Gone { target, recordings } => tracing::warn!(
            target,
            recordings,
            "a storage target is no longer configured: recordings that it does not have will not be stored there"
        ),
        Told::Released { recordings, for_room: false } => {
            tracing::info!(recordings, "audio released that all storage targets have (storage.keep_local)");
        }
        Told::Released { recordings, for_room: true } => {
            tracing::warn!(recordings, "the disk is short: audio released that all storage targets have");
        }
        Told::Trouble(error) => tracing::error!("recordings are not stored: {error}"),
    }
}
