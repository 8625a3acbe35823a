//! Sessions finished on a disk that crashes, forgets and fills up.

mod erased;
mod remade;
mod sealed;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use siprec_core::entry::{EndCause, PortIndex, SegmentHeader, SourceChange, Stream};
use siprec_core::journal::{FORMAT_VERSION, encoder};
use siprec_core::render::{FileFormat, Layout};
use siprec_core::sdp::Format;
use siprec_core::seed::Seed;
use siprec_core::time::{Monotonic, Wall};

use super::*;
use crate::archive::disk::{FakeDisk, Loss, read_range, seeds};
use crate::archive::proof_key::{PUBLIC_FILE, PublicKey, SIGNATURE};
use crate::archive::renderers::{Renderers, Report};

/// Made when it began.
const SESSION: SessionId = SessionId(((BEGAN / 1_000_000) as u128) << 80 | 0x51);
const RECORDING: RecordingId = RecordingId(SESSION.0 + 0x50);
const SECOND_RECORDING: RecordingId = RecordingId(SESSION.0 + 0x51);
/// 2026-11-20T23:59:59Z: the recordings of a session may lie in two days.
const BEGAN: i64 = 1_795_219_199_000_000_000;
/// For a thread that has nothing else to do.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);
const MILLISECOND: i64 = 1_000_000;
/// In each recording.
const PACKETS: u16 = 15;
/// When the second recording begins, and when it ends.
const SECOND_MS: i64 = PACKETS as i64 * 20;

#[test]
fn the_step_follows_from_what_is_there() {
    let table =
        [(false, false, ForRecording::Render), (false, true, ForRecording::Render), (true, false, ForRecording::Adopt)];
    for (whole, row, expected) in table.into_iter().chain([(true, true, ForRecording::Leave)]) {
        assert_eq!(step(whole, row), expected, "files {whole}, row {row}");
    }
}

#[test]
fn a_session_that_is_over_becomes_its_recordings_once() {
    let world = World::new(0);
    world.write_journal(&[Ended::Recordings, Ended::Session]);
    let finished = world.finish();
    assert!(finished.failed.is_empty(), "{:?}", finished.failed);
    assert_eq!((finished.recordings.len(), finished.present, finished.put_away), (2, 0, true));
    let sidecar = &finished.recordings[0];
    assert_eq!(sidecar.id, RECORDING);
    assert_eq!(sidecar.files[0].sha256.len(), 64);
    assert_eq!(sidecar.journal.path, format!("journals/2026/11/20/{SESSION}"));
    assert_eq!(world.files("journals"), [format!("{}/000001.pcapng", sidecar.journal.path)]);
    let row = world.catalog.find(RECORDING).unwrap().unwrap();
    assert_eq!((row.sha256, row.session_id), (sidecar.files[0].sha256.clone(), Some(SESSION)));
    world.check();

    let again = world.finish();
    assert!(again.recordings.is_empty() && again.failed.is_empty() && !again.put_away);
}

#[test]
fn a_recording_is_finished_while_its_session_goes_on() {
    let world = World::new(0);
    world.write_journal(&[Ended::Recordings]);
    let finished = world.finish();
    assert_eq!((finished.recordings.len(), finished.running, finished.put_away), (1, 1, false));
    let before = world.disk.operations();
    let again = world.finish();
    assert_eq!((again.recordings.len(), again.present, again.running), (0, 1, 1));
    assert_eq!(world.disk.operations(), before, "nothing is written twice");
}

#[test]
fn a_lost_row_is_put_back_without_rendering() {
    let world = World::new(0);
    world.write_journal(&[Ended::Recordings]);
    world.finish();
    world.catalog.rebuild([]).unwrap();
    let before = world.disk.operations();
    assert_eq!(world.finish().recordings.len(), 1);
    assert_eq!(world.disk.operations(), before);
    assert!(world.catalog.find(RECORDING).unwrap().is_some());
}

#[test]
fn a_crash_at_any_operation_leaves_nothing_half_and_is_mended_to_the_byte() {
    let (expected, operations) = {
        let world = World::new(0);
        world.write_journal(&[Ended::Recordings, Ended::Session]);
        let before = world.disk.operations();
        assert!(world.finish().put_away);
        (world.recordings(), world.disk.operations() - before)
    };
    assert!(operations > 20, "{operations}");
    for n in 1..=operations {
        for (seed, loss) in seeds(32, 3).map(|seed| (seed, if seed == 0 { Loss::Process } else { Loss::Power })) {
            let world = World::new(seed);
            world.write_journal(&[Ended::Recordings, Ended::Session]);
            world.disk.crash_at(world.disk.operations() + n);
            world.finish();
            assert!(world.disk.is_crashed(), "operation {n}");
            world.disk.restart(loss);
            world.check();
            world.finish();
            world.check();
            assert_eq!(world.recordings(), expected, "operation {n}, seed {seed}");
            assert_eq!(world.catalog.count().unwrap(), 2);
            assert_eq!(world.files("journals"), [format!("journals/2026/11/20/{SESSION}/000001.pcapng")]);
        }
    }
}

#[test]
fn every_format_and_layout_outlives_crashes_to_the_byte() {
    let of = |layout, format| Rendition { layout, format };
    for rendition in [
        of(Layout::Stereo, FileFormat::Flac),
        of(Layout::Stereo, FileFormat::Opus),
        of(Layout::Separate, FileFormat::Flac),
        of(Layout::Separate, FileFormat::Opus),
        of(Layout::Mono, FileFormat::WavG711),
    ] {
        let finish = |world: &World| world.finisher().rendering(rendition).finish(SESSION);
        let (expected, operations) = {
            let world = World::new(0);
            world.write_journal(&[Ended::Recordings, Ended::Session]);
            let before = world.disk.operations();
            let finished = finish(&world);
            assert!(finished.put_away, "{rendition:?}: {:?}", finished.failed);
            world.check();
            (world.recordings(), world.disk.operations() - before)
        };
        assert!(expected.len() >= 4, "{rendition:?}: {:?}", expected.keys());
        for n in 1..=operations {
            let world = World::new(n);
            world.write_journal(&[Ended::Recordings, Ended::Session]);
            world.disk.crash_at(world.disk.operations() + n);
            finish(&world);
            world.disk.restart(Loss::Power);
            world.check();
            finish(&world);
            world.check();
            assert_eq!(world.recordings(), expected, "{rendition:?}, operation {n}");
        }
    }
}

#[test]
fn a_full_disk_fails_the_recording_and_room_finishes_it() {
    let world = World::new(3);
    world.write_journal(&[Ended::Recordings, Ended::Session]);
    world.disk.set_capacity(Some(world.used() + 1000));
    let finished = world.finish();
    assert_eq!((finished.failed.len(), finished.put_away), (2, false));
    assert!(finished.failed.iter().all(|(_, error)| matches!(error, FinishError::Disk { .. })));
    world.check();
    world.disk.set_capacity(None);
    assert!(world.finish().put_away);
    world.check();
}

#[test]
fn a_stopped_finisher_leaves_the_rest_to_the_next_start() {
    let world = World::new(0);
    world.write_journal(&[Ended::Recordings, Ended::Session]);
    let finisher = world.finisher();
    finisher.stop();
    let finished = finisher.finish(SESSION);
    assert!(finished.failed.iter().all(|(_, error)| matches!(error, FinishError::Stopped)));
    assert!(!finished.put_away && world.recordings().is_empty());
    assert!(world.finish().put_away);
}

#[test]
fn workers_finish_what_is_asked_for_and_what_lies_on_the_disk() {
    let world = World::new(0);
    world.write_journal(&[Ended::Recordings, Ended::Session]);
    let own = rustix::process::getpriority_process(None).unwrap();
    let niced = own.max(17);
    let (sender, reports) = std::sync::mpsc::channel();
    let report: Report = Arc::new(move |session, finished: &Finished| {
        let nice = rustix::process::getpriority_process(None).unwrap();
        let _ = sender.send((session, finished.recordings.len(), finished.put_away, nice));
    });
    let renderers = Renderers::start(2, 17, world.finisher(), Arc::clone(&report)).unwrap();
    renderers.submit(SESSION);
    assert_eq!(reports.recv_timeout(PATIENCE), Ok((SESSION, 2, true, niced)));
    assert!(renderers.wait_idle(PATIENCE));
    assert_eq!(renderers.backlog(), (0, 0));
    drop(renderers);
    assert_eq!(rustix::process::getpriority_process(None).unwrap(), own, "only the workers are niced");

    let world = World::new(0);
    world.write_journal(&[Ended::Recordings]);
    let renderers = Renderers::start(1, 17, world.finisher(), report).unwrap();
    renderers.submit_all();
    assert_eq!(reports.recv_timeout(PATIENCE), Ok((SESSION, 1, false, niced)));
    assert!(renderers.wait_idle(PATIENCE));
}

/// What a journal says has ended.
#[derive(PartialEq)]
enum Ended {
    Recordings,
    Session,
}

/// Where the key is that all worlds sign with.
static KEYS: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    ProofKey::load(folder.path()).unwrap();
    folder
});

/// A disk, a catalog, and what finishes sessions on them.
struct World {
    disk: FakeDisk,
    catalog: Arc<Catalog>,
}

impl World {
    fn new(seed: u64) -> Self {
        Self { disk: FakeDisk::new(seed), catalog: Arc::new(Catalog::temporary().unwrap()) }
    }

    fn finisher(&self) -> Finisher {
        let proof_key = ProofKey::load(KEYS.path()).unwrap();
        Finisher::new(Arc::new(self.disk.clone()), "/data".into(), Arc::clone(&self.catalog)).signing(proof_key)
    }

    fn finish(&self) -> Finished {
        self.finisher().finish(SESSION)
    }

    /// Two recordings, one after the other.
    fn write_journal(&self, ended: &[Ended]) {
        let folder = Path::new("/data/journals/live").join(SESSION.to_string());
        self.disk.create_dir_all(&folder).unwrap();
        let file = self.disk.create_new(&folder.join("000001.pcapng")).unwrap();
        file.write_at(0, &journal(ended)).unwrap();
        file.sync_data().unwrap();
        self.disk.sync_dir(&folder).unwrap();
    }

    /// What must hold at any time: a file under its final name is whole, a sidecar has its files, a row has both.
    fn check(&self) {
        let all: BTreeMap<String, Vec<u8>> = self.everything("recordings");
        let public = PublicKey::read(&KEYS.path().join(PUBLIC_FILE)).unwrap();
        for (path, bytes) in &all {
            let (folder, name) = path.rsplit_once('/').unwrap();
            if let Some(id) = name.strip_suffix(".json") {
                let sidecar: Sidecar = serde_json::from_slice(bytes).unwrap();
                assert_eq!(sidecar.id.to_string(), id);
                let signature = all.get(&format!("{path}.sig")).expect("a signature beside its sheet");
                assert!(public.verifies(bytes, signature), "{path}");
                for file in &sidecar.files {
                    let audio = all.get(&format!("{folder}/{}", file.name)).expect("a file beside its sidecar");
                    assert_eq!(audio.len() as u64, file.bytes);
                    assert_eq!(sha(audio), file.sha256);
                }
            } else if name.ends_with(".wav") {
                let size = u32::from_le_bytes(bytes[4..8].try_into().unwrap());
                assert_eq!(size as usize + 8, bytes.len(), "{name} is whole");
            } else if name.ends_with(".flac") {
                // Its digest is written last, over zeros.
                assert!(bytes.starts_with(b"fLaC") && bytes[26..42] != [0; 16], "{name} is whole");
            } else if name.ends_with(".opus") {
                // Pages, of which the last says so.
                let last = bytes.windows(5).rposition(|window| window == *b"OggS\0").unwrap();
                assert!(bytes[last + 5] & 4 != 0, "{name} is whole");
            } else if name.ends_with(SIGNATURE) {
                assert_eq!(bytes.len(), 64, "{name} is whole");
            } else {
                assert!(name.ends_with(".part"), "{name}");
            }
        }
        for row in self.catalog.select(Default::default()) {
            let row = row.unwrap();
            assert_eq!(sha(all.get(&row.path).expect("a file with its row")), row.sha256);
            let (stem, _) = row.path.rsplit_once('.').unwrap();
            assert!(all.contains_key(&format!("{stem}.json")));
        }
    }

    /// Finished files.
    fn recordings(&self) -> BTreeMap<String, Vec<u8>> {
        let all = self.everything("recordings");
        all.into_iter().filter(|(path, _)| !path.ends_with(".part")).collect()
    }

    fn files(&self, folder: &str) -> Vec<String> {
        self.everything(folder).into_keys().collect()
    }

    fn used(&self) -> u64 {
        self.everything("").values().map(|bytes| bytes.len() as u64).sum()
    }

    fn everything(&self, below: &str) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut folders = vec![below.to_owned()];
        while let Some(folder) = folders.pop() {
            let path = Path::new("/data").join(&folder);
            for entry in self.disk.list(&path).unwrap_or_default() {
                let name = format!("{folder}/{}", entry.name).trim_start_matches('/').to_owned();
                if entry.is_dir {
                    folders.push(name);
                } else {
                    let file = self.disk.open_read(&path.join(&entry.name)).unwrap();
                    found.insert(name, read_range(&*file, 0, 1 << 24).unwrap());
                }
            }
        }
        found
    }
}

fn sha(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    recordings::hexadecimal(&sha2::Sha256::digest(bytes))
}

fn journal(ended: &[Ended]) -> Vec<u8> {
    let ended: BTreeSet<bool> = ended.iter().map(|what| *what == Ended::Session).collect();
    let header = SegmentHeader {
        version: "0.1.0".to_owned(),
        format: FORMAT_VERSION,
        session: SESSION,
        segment: 1,
        seed: Seed([1; 32]),
        anchor: (Monotonic(0), Wall(BEGAN)),
        boot: "boot".to_owned(),
        config: std::sync::Arc::default(),
    };
    let mut out = Vec::new();
    encoder::Encoder::begin(&mut out, Wall(BEGAN), &header, &[(PortIndex(0), Some("1"))]);
    let mut event = |ms: i64, event: Event| {
        encoder::entry(&mut out, &Entry { at: Wall(BEGAN + ms * MILLISECOND), kind: Kind::Event(event) });
    };
    event(0, Event::Stream(stream()));
    event(0, Event::Answered);
    event(0, Event::RecordingStarted { recording: RECORDING, communication_session: None });
    let from = "192.0.2.1:4000".parse().unwrap();
    event(0, Event::Source { port: PortIndex(0), ssrc: 7, from, change: SourceChange::First });
    packets(&mut out, 0, from);
    let mut event = |ms: i64, event: Event| {
        encoder::entry(&mut out, &Entry { at: Wall(BEGAN + ms * MILLISECOND), kind: Kind::Event(event) });
    };
    if ended.contains(&false) {
        let cause = EndCause::CommunicationSessionEnded;
        event(SECOND_MS, Event::RecordingEnded { recording: RECORDING, cause });
        event(
            SECOND_MS,
            Event::RecordingStarted { recording: SECOND_RECORDING, communication_session: Some("cs".into()) },
        );
    }
    packets(&mut out, PACKETS, from);
    if ended.contains(&true) {
        let end = Event::RecordingEnded { recording: SECOND_RECORDING, cause: EndCause::Bye };
        for event in [end, Event::Ended { cause: EndCause::Bye }] {
            encoder::entry(
                &mut out,
                &Entry { at: Wall(BEGAN + 2 * SECOND_MS * MILLISECOND), kind: Kind::Event(event) },
            );
        }
    }
    out
}

fn stream() -> Stream {
    let format = Format { payload_type: 8, encoding: "PCMA".into(), clock_rate: 8000, channels: 1, fmtp: None };
    Stream {
        port: PortIndex(0),
        m_line: 0,
        label: Some("1".to_owned()),
        media: "audio".to_owned(),
        formats: [format].into(),
        local: "192.0.2.9:10000".parse().unwrap(),
        local_rtcp: "192.0.2.9:10001".parse().unwrap(),
        remote: None,
        paused: None,
        digits: siprec_core::entry::Digits::Keep,
    }
}

fn packets(out: &mut Vec<u8>, first: u16, from: std::net::SocketAddr) {
    for n in first..first + PACKETS {
        let mut packet = vec![0x80, 8];
        packet.extend(n.to_be_bytes());
        packet.extend((u32::from(n) * 160).to_be_bytes());
        packet.extend(7_u32.to_be_bytes());
        packet.extend((0..160).map(|i: u16| (i.wrapping_mul(n) % 251) as u8));
        let at = Wall(BEGAN + i64::from(n) * 20 * MILLISECOND);
        let kind = Kind::Rtp {
            port: PortIndex(0),
            from,
            to: "192.0.2.9:10000".parse().unwrap(),
            packet: &packet,
            protected: None,
        };
        encoder::entry(out, &Entry { at, kind });
    }
}
