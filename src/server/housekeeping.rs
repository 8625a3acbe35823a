//! Once a second: is there room, does the journal keep up; and the configuration read again on SIGHUP.

use std::sync::Arc;

use siprec_core::session::{Input, KeptOut};

use super::Options;
use super::alarms::ServerAlarm;
use super::meters::By;
use super::recompressing::Look;
use super::signalling::Signalling;
use crate::archive::retention::{self, Known};
use crate::archive::space::SpaceChange;
use crate::archive::unfinished;
use crate::config::{Severity, notices};
use crate::policy::{digits, policy};

/// Looks at the disk and at the writer, and lets the core know whether new sessions can be taken.
pub(super) fn look(signalling: &mut Signalling, options: &Options) {
    if let Ok(free) = signalling.disk.free_space(&signalling.data) {
        match signalling.space.update(free) {
            Some(SpaceChange::Short) => {
                tracing::error!(free, "the disk is nearly full (archive.min_free): new sessions are refused");
            }
            Some(SpaceChange::Low) => tracing::warn!(
                free,
                "the disk gets full: with less than archive.min_free, half of this, new sessions are refused; make room, or let \
                 storage.keep_local release what is stored elsewhere"
            ),
            Some(SpaceChange::Enough) => tracing::info!(free, "there is room on the disk again"),
            None => {}
        }
    }
    let alarms = &signalling.alarms;
    let full = signalling.space.is_short();
    let room = "make room, or let storage.keep_local release what is stored elsewhere";
    alarms.server(ServerAlarm::DiskFull, None, full.then(|| format!("new sessions are refused: {room}")));
    let low = signalling.space.is_low() && !full;
    alarms.server(ServerAlarm::DiskLow, None, low.then(|| format!("less than twice archive.min_free is left: {room}")));
    let slow = signalling.writer.is_under_pressure();
    let wrong = slow.then(|| "new sessions are refused: half of what may wait for the disk does".to_owned());
    alarms.server(ServerAlarm::DiskSlow, None, wrong);
    let pressure = if full {
        Some("Disk Full")
    } else if slow {
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
        signalling.meters.dropped_packets.get_or_create(&By { by: "disk" }).inc_by(packets);
        signalling.input(Input::DroppedByDisk { session, packets });
    }
    signalling.look_at_clock();
    signalling.look_out(&options.loaded.config);
}

/// Has made again what could not be, where somebody wants that; on a thread of its own.
fn finish_again(signalling: &Signalling) {
    let Some(turn) = signalling.finishing.asked_again().take() else { return };
    let (disk, data) = (Arc::clone(&signalling.disk), signalling.data.clone());
    let renderers = signalling.finishing.renderers().asker();
    let look = move || {
        match unfinished::take_asked(&*disk, &data) {
            Ok(sessions) => sessions.into_iter().for_each(|session| renderers.submit(session)),
            Err(error) => tracing::warn!(%error, "what is to be made again is not known; looked at again"),
        }
        drop(turn);
    };
    if let Err(error) = std::thread::Builder::new().name("unfinished".into()).spawn(look) {
        tracing::warn!(%error, "what is to be made again is not known; looked at again");
    }
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
fn prune(signalling: &Signalling, options: &Options) {
    let keep = options.loaded.config.archive.keep_journal.0;
    let (disk, data, now) = (Arc::clone(&signalling.disk), signalling.data.clone(), signalling.now().wall);
    let catalog = Arc::clone(&signalling.catalog);
    let outbox = signalling.storage.as_ref().map(|storage| Arc::clone(storage.queue()));
    let prune = move || match retention::prune(
        &*disk,
        &data,
        Known { catalog: &catalog, outbox: outbox.as_deref() },
        keep,
        now,
    ) {
        Ok(pruned) if pruned.removed > 0 => tracing::info!(?pruned, "journals deleted (archive.keep_journal)"),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "old journals are not deleted; tried again in an hour"),
    };
    if let Err(error) = std::thread::Builder::new().name("prune".into()).spawn(prune) {
        tracing::warn!(%error, "old journals are not deleted; tried again in an hour");
    }
}

/// Goes on to erase and to recompress; `hourly`: and looks for what is old enough for that, or for its journal to go.
pub(super) fn tidy(signalling: &Signalling, options: &Options, hourly: bool) {
    finish_again(signalling);
    if hourly {
        prune(signalling, options);
    }
    signalling.eraser.go_on(signalling.now().wall, hourly);
    let idle = signalling.finishing.renderers().backlog() == (0, 0);
    let look = Look { now: signalling.now().wall, finds: hourly, idle };
    signalling.recompression.go_on(look, &options.loaded.config.archive);
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
        ("api.enabled", old.api.enabled != new.api.enabled),
        ("api.address", old.api.address != new.api.address),
        ("api.max_connections", old.api.max_connections != new.api.max_connections),
        ("api.tls.enabled", old.api.tls.enabled != new.api.tls.enabled),
        ("media.dscp", old.media.dscp != new.media.dscp),
        ("media.port_range", old.media.port_range != new.media.port_range),
        ("media.workers", old.media.workers != new.media.workers),
        ("archive.data_dir", old.archive.data_dir != new.archive.data_dir),
        ("metadata", old.metadata != new.metadata),
        ("storage", old.storage != new.storage),
        ("webhooks", old.webhooks != new.webhooks),
        ("tracing", old.tracing != new.tracing),
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
    signalling.own_src.set_patience(new.api.end_silent_after.0);
    signalling.space.set_min_free(new.archive.min_free.0);
    options.loaded = loaded;
    signalling.auditing.configured(&options.loaded);
    tracing::info!("configuration reloaded");
}
