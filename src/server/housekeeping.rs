//! Once a second: is there room, does the journal keep up; and the configuration read again on SIGHUP.

use std::sync::Arc;

use siprec_core::session::{Input, KeptOut};

use super::Options;
use super::signalling::Signalling;
use crate::archive::retention;
use crate::archive::space::SpaceChange;
use crate::config::{Severity, notices};
use crate::policy::{digits, policy};

/// Looks at the disk and at the writer, and lets the core know whether new sessions can be taken.
pub(super) fn look(signalling: &mut Signalling) {
    if let Ok(free) = signalling.disk.free_space(&signalling.data) {
        match signalling.space.update(free) {
            Some(SpaceChange::Short) => {
                tracing::error!(free, "the disk is nearly full (archive.min_free): new sessions are refused");
            }
            Some(SpaceChange::Enough) => tracing::info!(free, "there is room on the disk again"),
            None => {}
        }
    }
    let pressure = if signalling.space.is_short() {
        Some("Disk Full")
    } else if signalling.writer.is_under_pressure() {
        Some("Disk Too Slow")
    } else {
        None
    };
    if pressure != signalling.pressure {
        signalling.pressure = pressure;
        signalling.input(Input::Pressure(pressure));
    }
    for stall in signalling.writer.take_stalls() {
        tracing::warn!(
            what = stall.what,
            seconds = stall.took.as_secs_f32(),
            "the disk stalled; what waited in memory is written"
        );
        let took_ms = u64::try_from(stall.took.as_millis()).unwrap_or(u64::MAX);
        signalling.input(Input::DiskStalled { took_ms });
    }
    for (session, packets) in signalling.writer.take_drops() {
        tracing::error!(%session, packets, "packets were dropped: more waits for the disk than memory holds");
        signalling.input(Input::DroppedByDisk { session, packets });
    }
    signalling.look_at_clock();
}

/// What was kept out in the last minute, if anything was.
pub(super) fn tell_kept_out(signalling: &mut Signalling) {
    let kept_out = signalling.srs.take_kept_out();
    if kept_out != KeptOut::default() {
        let KeptOut { strangers, scanners, too_many, unreadable, streams } = kept_out;
        tracing::info!(strangers, scanners, too_many, unreadable, streams, "kept out in the last minute");
    }
}

/// Deletes journals that have been kept long enough, on a thread of its own. Those whose sheet shows a fault stay.
pub(super) fn prune(signalling: &Signalling, options: &Options) {
    let keep = options.loaded.config.archive.keep_journal.0;
    let (disk, data, now) = (Arc::clone(&signalling.disk), signalling.data.clone(), signalling.now().wall);
    let catalog = Arc::clone(&signalling.catalog);
    let prune = move || match retention::prune(&*disk, &data, &catalog, keep, now) {
        Ok(pruned) if pruned.removed > 0 => tracing::info!(?pruned, "journals deleted (archive.keep_journal)"),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "old journals are not deleted; tried again in an hour"),
    };
    if let Err(error) = std::thread::Builder::new().name("prune".into()).spawn(prune) {
        tracing::warn!(%error, "old journals are not deleted; tried again in an hour");
    }
}

/// Reads the configuration again. What cannot change while calls run is told; a faulty file changes nothing.
pub(super) fn reload(signalling: &mut Signalling, options: &mut Options) {
    let Some(sources) = &options.sources else {
        tracing::info!("nothing to reload: the configuration is not from a file");
        return;
    };
    let loaded = match sources.load() {
        Ok(loaded) => loaded,
        Err(faults) => {
            tracing::error!("the configuration is not reloaded, it has faults:\n{faults}");
            return;
        }
    };
    for notice in notices(&loaded) {
        match notice.severity {
            Severity::Error => {
                tracing::error!("the configuration is not reloaded: {}", notice.text);
                return;
            }
            Severity::Warning => tracing::warn!("{}", notice.text),
        }
    }
    let (old, new) = (&options.loaded.config, &loaded.config);
    let fixed = [
        ("server.address", old.server.address != new.server.address),
        ("server.tls.enabled", old.server.tls.enabled != new.server.tls.enabled),
        ("server.tls.address", old.server.tls.address != new.server.tls.address),
        ("server.dscp", old.server.dscp != new.server.dscp),
        ("media.dscp", old.media.dscp != new.media.dscp),
        ("media.port_range", old.media.port_range != new.media.port_range),
        ("media.workers", old.media.workers != new.media.workers),
        ("archive.data_dir", old.archive.data_dir != new.archive.data_dir),
        ("logging.output", old.logging.output != new.logging.output),
    ];
    for (key, _) in fixed.iter().filter(|(_, changed)| *changed) {
        tracing::warn!("{key} takes effect at the next start (restarting loses no call)");
    }
    if let Err(error) = options.log.set_level(new.logging.level) {
        tracing::warn!(%error, "the log's level stays");
    }
    let mut policy = policy(new, &signalling.boot);
    policy.show_framed = signalling.trace.is_some();
    policy.answer.fingerprint = Some(signalling.dtls.fingerprint().clone());
    signalling.srs.reconfigure(policy);
    if let Some(tls) = signalling.streams.tls().filter(|_| new.server.tls.enabled) {
        tls.reload(new);
    }
    signalling.advertised_media = new.media.advertised_address;
    signalling.digits = digits(new.media.dtmf);
    signalling.space.set_min_free(new.archive.min_free.0);
    options.loaded = loaded;
    tracing::info!("configuration reloaded");
}
