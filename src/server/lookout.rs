//! What is watched of the server beside room and speed of the disk: recordings that wait to be made or for storage, certificates
//! that end, the machine's clock, peers that are silent. Nothing here holds signalling up: files and the outbox are asked on threads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use siprec_core::session::Tell;
use siprec_core::time::{Monotonic, Now, Wall};

use super::alarms::{Alarms, ServerAlarm};
use super::rhythm::Rhythm;
use super::signalling::Signalling;
use super::tls::Shown;
use super::turn::Turn;
use crate::archive::disk::{Disk, read_range};
use crate::archive::outbox::{Outbox, Queue};
use crate::config::{AlarmsConfig, Config};
use crate::wall;

/// What is known of peers, in the data directory.
const RHYTHM: &str = "rhythm.json";
/// More than that file ever is.
const MAX_RHYTHM: usize = 8 << 20;
/// It is written so often.
const SAVED_EVERY: Duration = Duration::from_secs(300);
/// A disk that stalls holds up the end for so long.
const PATIENCE: Duration = Duration::from_secs(2);
/// The outbox and peers are looked at so often; the outbox sooner, where less than this is late already.
const MINUTE: Duration = Duration::from_secs(60);
const SHORTEST: Duration = Duration::from_secs(1);

/// What is watched.
pub(super) struct Lookout {
    rhythm: Rhythm,
    certificates: Vec<Shown>,
    /// The outbox's, where there is one.
    queue: Option<Arc<Queue>>,
    asking: Turn,
    asked: Option<Monotonic>,
    peers_looked_at: Option<Monotonic>,
    saved: Option<Monotonic>,
}

impl Lookout {
    /// With what the data directory remembers; a file that cannot be read is only knowledge to be had again.
    pub(super) fn new(disk: &dyn Disk, data: &Path, storage: Option<&Outbox>) -> Self {
        let read = || {
            let file = disk.open_read(&data.join(RHYTHM)).ok()?;
            serde_json::from_slice(&read_range(&*file, 0, MAX_RHYTHM).ok()?).ok()
        };
        Self {
            rhythm: read().unwrap_or_default(),
            certificates: Vec::new(),
            queue: storage.map(|storage| Arc::clone(storage.queue())),
            asking: Turn::default(),
            asked: None,
            peers_looked_at: None,
            saved: None,
        }
    }

    /// These certificates are watched.
    pub(super) fn watch_certificates(&mut self, certificates: Vec<Shown>) {
        self.certificates = certificates;
    }

    /// A session of the peer under that row began.
    fn session_began(&mut self, now: Wall, peer: &str) {
        self.rhythm.session(now, peer);
    }

    /// Asks the outbox, if it is time.
    fn ask_outbox(&mut self, now: Monotonic, settings: &AlarmsConfig, alarms: &Alarms) {
        let Some(queue) = &self.queue else { return };
        let Some(late) = settings.storage_late else {
            return alarms.server_all(ServerAlarm::StorageLate, BTreeMap::new());
        };
        let every = (late.0 / 4).clamp(SHORTEST, MINUTE);
        if self.asked.is_some_and(|asked| now.since(asked) < every) {
            return;
        }
        let Some(turn) = self.asking.take() else { return };
        self.asked = Some(now);
        let (queue, alarms) = (Arc::clone(queue), alarms.clone());
        let ask = move || {
            let now_ms = wall::now_ms();
            let before = now_ms.saturating_sub(i64::try_from(late.0.as_millis()).unwrap_or(i64::MAX));
            match queue.late(before) {
                Ok(found) => alarms.server_all(ServerAlarm::StorageLate, late_targets(found, now_ms)),
                Err(error) => tracing::warn!(%error, "whether recordings wait for storage is not known; asked again"),
            }
            drop(turn);
        };
        if let Err(error) = std::thread::Builder::new().name("outbox-age".into()).spawn(ask) {
            tracing::warn!(%error, "whether recordings wait for storage is not known; asked again");
        }
    }

    /// Looks for peers that are silent, if it is time.
    fn look_at_peers(&mut self, now: Now, config: &Config, alarms: &Alarms) {
        if self.peers_looked_at.is_some_and(|looked| now.monotonic.since(looked) < MINUTE) {
            return;
        }
        self.peers_looked_at = Some(now.monotonic);
        let names: BTreeSet<String> = config.peers.iter().map(|peer| peer.called()).collect();
        self.rhythm.keep(&names);
        let limit = config.alarms.peer_silent;
        let silent = self.rhythm.silences(now.wall, limit).into_iter().map(|(peer, silence)| {
            let since = silence.since;
            let wrong = format!(
                "no session since {since}, and usually {limit} or more begin meanwhile: does it still have our address, and \
                 let calls be recorded?"
            );
            (peer, wrong)
        });
        alarms.server_all(ServerAlarm::PeerSilent, silent.collect());
    }

    /// Writes what is known of peers down on a thread of its own; what comes back ends when that is done.
    pub(super) fn save(&self, disk: &Arc<dyn Disk>, data: &Path) -> Receiver<()> {
        let (rhythm, disk, path): (_, _, PathBuf) = (self.rhythm.clone(), Arc::clone(disk), data.join(RHYTHM));
        let (done, saved) = sync_channel(1);
        let write = move || {
            let written = serde_json::to_vec(&rhythm).map_err(Into::into).and_then(|text| disk.replace(&path, &text));
            if let Err(error) = written {
                tracing::warn!(%error, "when peers are usually busy is not written down; tried again");
            }
            // Who has stopped waiting need not know.
            let _ = done.send(());
        };
        if let Err(error) = std::thread::Builder::new().name("rhythm".into()).spawn(write) {
            tracing::warn!(%error, "when peers are usually busy is not written down; tried again");
        }
        saved
    }
}

impl Signalling {
    /// Once a second: what is watched beside the disk.
    pub(super) fn look_out(&mut self, config: &Config) {
        let now = self.now();
        let settings = &config.alarms;
        let ends = self.lookout.certificates.iter().filter_map(|shown| Some((shown.section(), shown.ends()?)));
        let ending = ends.filter_map(|(section, ends)| {
            let before = settings.certificate?.0;
            Some((section.to_owned(), ends_soon(section, ends, before, wall::now())?))
        });
        self.alarms.server_all(ServerAlarm::CertificateExpires, ending.collect());
        let off = settings.clock_off.and_then(|limit| clock_off(self.steps.offset(), limit.0));
        self.alarms.server(ServerAlarm::ClockOff, None, off);
        let late = settings.render_late.and_then(|limit| self.finishing.renderers().late(limit.0));
        self.alarms.server(ServerAlarm::RenderLate, None, late.map(late_renderings));
        self.lookout.ask_outbox(now.monotonic, settings, &self.alarms);
        self.lookout.look_at_peers(now, config, &self.alarms);
        match self.lookout.saved {
            Some(saved) if now.monotonic.since(saved) < SAVED_EVERY => {}
            Some(_) => {
                self.lookout.saved = Some(now.monotonic);
                drop(self.lookout.save(&self.disk, &self.data));
            }
            None => self.lookout.saved = Some(now.monotonic),
        }
    }

    /// What of the core's tellings is watched.
    pub(super) fn note_for_lookout(&mut self, now: Wall, tell: &Tell) {
        if let Tell::SessionStarted { session, .. } = tell
            && let Some(peer) = self.srs.peer_of(*session)
        {
            self.lookout.session_began(now, peer);
        }
    }
}

/// Waits until what is known of peers is written, as long as the disk does not stall.
pub(super) fn wait(saved: &Receiver<()>) {
    if saved.recv_timeout(PATIENCE).is_err() {
        tracing::warn!("the disk stalls: when peers were busy in the last minutes is not written down");
    }
}

fn late_targets(late: Vec<(String, u64, i64)>, now_ms: i64) -> BTreeMap<String, String> {
    let words = |(target, recordings, oldest_ms): (String, u64, i64)| {
        let minutes = now_ms.saturating_sub(oldest_ms) / 60_000;
        let wrong = format!(
            "{recordings} recordings wait for longer than alarms.storage_late, the oldest for {minutes} min: `siprec archive \
             outbox` tells what they meet with"
        );
        (target, wrong)
    };
    late.into_iter().map(words).collect()
}

fn late_renderings((sessions, longest): (usize, Duration)) -> String {
    let minutes = longest.as_secs() / 60;
    format!(
        "recordings of {sessions} sessions wait to be made for longer than alarms.render_late, the first for {minutes} min: \
         their journals are whole, and fill the disk. More processors help, or fewer calls; recording.render_workers where \
         processors are idle"
    )
}

fn ends_soon(section: &str, ends: Wall, before: Duration, now: Wall) -> Option<String> {
    let renew =
        format!("put a new one into {section}.cert_file and key_file: it is taken up within a minute, no restart");
    if ends <= now {
        return Some(format!("the certificate expired on {ends}: {renew}"));
    }
    let days = ends.nanos_since(now) / (86_400 * 1_000_000_000);
    (now.after(before) >= ends).then(|| format!("the certificate expires in {days} days, on {ends}: {renew}"))
}

fn clock_off(offset: i64, limit: Duration) -> Option<String> {
    let is_off = u128::from(offset.unsigned_abs()) > limit.as_nanos();
    let (by, direction) = (offset.unsigned_abs() / 1_000_000, if offset < 0 { "behind" } else { "ahead of" });
    is_off.then(|| {
        format!(
            "the machine's clock is {by} ms {direction} the one that recordings go by, which was set when the machine started: \
             either set it back, or restart the machine when calls allow"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_told_of_before_its_end_and_after_it() {
        let day = |n: i64| Wall(n * 86_400 * 1_000_000_000);
        let two_weeks = Duration::from_secs(14 * 86_400);
        let says = |now: i64| ends_soon("api.tls", day(100), two_weeks, day(now));
        assert_eq!(says(85), None);
        assert!(says(86).unwrap().contains("expires in 14 days, on 1970-04-11"), "{:?}", says(86));
        assert!(says(101).unwrap().contains("api.tls.cert_file"));
        assert!(says(101).unwrap().starts_with("the certificate expired on"));
    }

    #[test]
    fn a_clock_is_off_either_way_and_back_within_the_limit() {
        let limit = Duration::from_secs(1);
        assert_eq!(clock_off(1_000_000_000, limit), None);
        assert!(clock_off(1_500_000_000, limit).unwrap().contains("1500 ms ahead of"));
        assert!(clock_off(-3_600_000_000_000, limit).unwrap().contains("3600000 ms behind"));
        assert_eq!(clock_off(-999_999_999, limit), None);
    }

    #[test]
    fn what_is_known_of_peers_outlives_a_restart_and_a_damaged_file_is_only_forgotten() {
        let data = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(crate::archive::disk::RealDisk);
        let mut lookout = Lookout::new(&*disk, data.path(), None);
        lookout.session_began(Wall(7_000_000_000), "desk");
        lookout.save(&disk, data.path()).recv().unwrap();
        assert_eq!(Lookout::new(&*disk, data.path(), None).rhythm, lookout.rhythm);
        std::fs::write(data.path().join(RHYTHM), "{").unwrap();
        assert_eq!(Lookout::new(&*disk, data.path(), None).rhythm, Rhythm::default());
    }
}
