//! Recordings erased on a disk that crashes, out of a journal that another recording needs.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::*;
use crate::archive::erase_order::Cause;
use crate::archive::erasure::{Certificate, EraseError, Eraser, Progress, certificate, certificate_path, certificates};
use crate::archive::notes::{Hold, Notes};
use crate::archive::outbox::Queue;
use crate::archive::storage::{Kept, KeyTemplate, Removed};

const NOW: Wall = Wall(BEGAN + 3_600_000_000_000);
const AWAY: &str = "/data/journals/2026/11/20";

fn cause() -> Cause {
    Cause { by: "me".into(), reason: "asked for".into(), ordered_at: NOW.rfc3339() }
}

impl World {
    /// Both recordings are finished, the journal is put away.
    fn finished(seed: u64) -> Self {
        let world = Self::new(seed);
        world.write_journal(&[Ended::Recordings, Ended::Session]);
        assert!(world.finish().put_away);
        world
    }

    fn with_eraser<T>(&self, queue: Option<&Queue>, work: impl FnOnce(Eraser<'_>) -> T) -> T {
        let proof_key = ProofKey::load(KEYS.path()).unwrap();
        let (disk, data, catalog) = (&self.disk, Path::new("/data"), &*self.catalog);
        work(Eraser { disk, data, catalog, queue, proof_key: &proof_key })
    }

    fn order(&self, recording: RecordingId) -> Result<(), EraseError> {
        let path = self.catalog.find(recording).unwrap().unwrap().path;
        let (day, _) = path.rsplit_once('/').unwrap();
        self.with_eraser(None, |eraser| eraser.order(recording, day, &[], cause()))
    }

    fn go_on(&self) -> Result<Vec<(RecordingId, Progress)>, EraseError> {
        self.with_eraser(None, |eraser| eraser.go_on(NOW))
    }

    fn certificate(&self, recording: RecordingId) -> Option<Certificate> {
        certificate(&self.disk, Path::new("/data"), recording).unwrap()
    }

    /// Files of any kind that bear an id.
    fn files_of(&self, recording: RecordingId) -> Vec<String> {
        let names = self.files("recordings");
        names.into_iter().filter(|name| name.contains(&recording.to_string())).collect()
    }

    /// The second recording, rendered once more from what is left of the journal, is what it was; of the first nothing is
    /// in there.
    fn check_erased(&self, second: &BTreeMap<String, Vec<u8>>) {
        assert_eq!(self.files_of(RECORDING), [""; 0]);
        assert!(self.catalog.find(RECORDING).unwrap().is_none());
        assert_eq!(self.recordings(), *second);
        let path = second.keys().find(|path| path.ends_with(".json")).unwrap();
        let sidecar: Sidecar = serde_json::from_slice(&second[path]).unwrap();
        let keys = (Path::new("/data"), None);
        let form = Form::Audio(sidecar.rendition);
        let to = (Path::new("/again"), &AtomicBool::new(false));
        let again = render_again(&self.disk, keys, &sidecar, form, &[], to).unwrap();
        assert_eq!(again.files[0].sha256, sidecar.files[0].sha256, "heard as before");
        let names: Vec<_> = self.disk.list(Path::new(AWAY)).unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, [SESSION.to_string()]);
        let folder = Path::new(AWAY).join(SESSION.to_string());
        let journal = Journal::open_at(&self.disk, Path::new("/data"), SESSION, folder).unwrap().unwrap();
        let mut packets = 0;
        journal.read(&mut |entry| packets += u16::from(matches!(entry.kind, Kind::Rtp { .. }))).unwrap();
        assert_eq!(packets, PACKETS, "only the second one's");
    }
}

fn second(world: &World) -> BTreeMap<String, Vec<u8>> {
    world.recordings().into_iter().filter(|(path, _)| path.contains(&SECOND_RECORDING.to_string())).collect()
}

#[test]
fn a_crash_at_any_operation_of_an_erasure_is_mended_and_the_neighbour_keeps_all() {
    let (expected, operations) = {
        let world = World::finished(0);
        let expected = second(&world);
        let before = world.disk.operations();
        world.order(RECORDING).unwrap();
        world.go_on().unwrap();
        world.check_erased(&expected);
        (expected, world.disk.operations() - before)
    };
    assert!(operations > 20, "{operations}");
    for n in 1..=operations {
        for (seed, loss) in (0..8).map(|seed| (seed, if seed == 0 { Loss::Process } else { Loss::Power })) {
            let world = World::finished(seed);
            world.disk.crash_at(world.disk.operations() + n);
            let ordered = world.order(RECORDING).is_ok();
            let _ = world.go_on();
            world.disk.restart(loss);
            let remains = world.catalog.find(RECORDING).unwrap().is_some();
            assert!(ordered || remains, "operation {n}: nothing goes before it is ordered");
            if remains && !world.files_of(RECORDING).is_empty() {
                // The order may not have got to the disk: it is given again.
                world.order(RECORDING).unwrap();
            }
            world.go_on().unwrap();
            world.check_erased(&expected);
            let certificate = world.certificate(RECORDING).expect("a certificate");
            assert_eq!((certificate.journal.as_str(), certificate.neighbours), ("taken_out", vec![SECOND_RECORDING]));
            assert_eq!(world.files("erasing"), [""; 0], "operation {n}, seed {seed}");
        }
    }
}

#[test]
fn with_the_last_recording_the_journal_goes_and_the_certificate_is_signed() {
    let world = World::finished(0);
    world.order(RECORDING).unwrap();
    world.order(SECOND_RECORDING).unwrap();
    let progress = world.go_on().unwrap();
    assert!(progress.iter().all(|(_, progress)| matches!(progress, Progress::Done(_))), "{progress:?}");
    assert_eq!((world.files("journals"), world.recordings()), (vec![], BTreeMap::new()));
    let path = certificate_path(Path::new("/data"), SECOND_RECORDING);
    let read = |path: &Path| read_range(&*world.disk.open_read(path).unwrap(), 0, 1 << 20).unwrap();
    let public = PublicKey::read(&KEYS.path().join(PUBLIC_FILE)).unwrap();
    assert!(public.verifies(&read(&path), &read(&path.with_added_extension("sig"))));
    let certificate = world.certificate(SECOND_RECORDING).unwrap();
    assert_eq!((certificate.journal.as_str(), certificate.cause.reason.as_str()), ("removed", "asked for"));
    assert_eq!(certificate.files.len(), 1);
}

#[test]
fn what_is_held_stays_and_what_cannot_be_read_counts_as_held() {
    let world = World::finished(0);
    let path = world.catalog.find(RECORDING).unwrap().unwrap().path;
    let sheet = Path::new("/data").join(path).with_extension("json");
    let mut notes = Notes::new(RECORDING);
    notes.hold(Hold { reason: "case 17".into(), by: "me".into(), since: NOW.rfc3339() });
    notes.write(&world.disk, &sheet).unwrap();
    let refused = world.order(RECORDING).unwrap_err().to_string();
    assert!(refused.contains("legal hold (case 17)"), "{refused}");
    world.disk.replace(&crate::archive::notes::path(&sheet), b"{").unwrap();
    assert!(world.order(RECORDING).unwrap_err().to_string().contains("is damaged"));
    assert_eq!(world.go_on().unwrap(), []);
    assert!(world.files_of(RECORDING).len() > 2);
}

#[test]
fn a_recording_of_a_session_that_goes_on_is_erased_at_once_and_its_packets_when_it_is_over() {
    let world = World::new(0);
    world.write_journal(&[Ended::Recordings]);
    world.finish();
    world.order(RECORDING).unwrap();
    let progress = world.go_on().unwrap();
    assert!(matches!(&progress[..], [(RECORDING, Progress::Waits(_))]), "{progress:?}");
    assert_eq!(world.files_of(RECORDING), [""; 0]);
    assert_eq!(world.finish().recordings.len(), 0, "it is not made again");
    let live = Path::new("/data/journals/live").join(SESSION.to_string());
    let file = world.disk.open_append(&live.join("000001.pcapng")).unwrap();
    file.write_at(0, &journal(&[Ended::Recordings, Ended::Session])).unwrap();
    assert!(world.finish().put_away);
    let expected = second(&world);
    assert!(matches!(&world.go_on().unwrap()[..], [(RECORDING, Progress::Done(_))]));
    world.check_erased(&expected);
}

#[test]
fn a_target_is_waited_for_and_the_journal_is_dealt_with_once() {
    let (world, folder) = (World::finished(0), tempfile::tempdir().unwrap());
    let queue = Queue::open(folder.path()).unwrap();
    let (expected, key) = (second(&world), KeyTemplate::default());
    let path = world.catalog.find(RECORDING).unwrap().unwrap().path;
    let (day, _) = path.rsplit_once('/').unwrap();
    let go_on = || world.with_eraser(Some(&queue), |eraser| eraser.go_on(NOW)).unwrap();
    world.with_eraser(Some(&queue), |eraser| eraser.order(RECORDING, day, &[("far", &key)], cause())).unwrap();
    let waits = |progress: Vec<(RecordingId, Progress)>| match &progress[..] {
        [(RECORDING, Progress::Waits(why))] => why.contains("still to be removed from far"),
        _ => false,
    };
    assert!(waits(go_on()));
    let journals = world.files("journals");
    let operations = world.disk.operations();
    assert!(waits(go_on()) && queue.has(RECORDING).unwrap());
    assert!(world.disk.operations() - operations < 5, "the journal is not written again and again");
    let until = Some(NOW.after(Duration::from_secs(60)));
    let kept = Kept { copies: 2, until, unknown: None };
    queue.erased("far", RECORDING, 7000, &Removed { objects: 4, kept }).unwrap();
    assert!(matches!(&go_on()[..], [(RECORDING, Progress::Done(_))]));
    let certificate = world.certificate(RECORDING).unwrap();
    let there = &certificate.targets[0];
    assert_eq!((certificate.journal.as_str(), there.objects), ("taken_out", 4));
    let kept = there.kept.as_ref().unwrap();
    assert_eq!((kept.copies, kept.until.clone()), (2, until.map(Wall::rfc3339)));
    assert!(kept.why.contains("turn soft delete off"), "{}", kept.why);
    assert!(kept.may_be_there(NOW) && !kept.may_be_there(NOW.after(Duration::from_secs(61))));
    let read: Vec<_> = certificates(&world.disk, Path::new("/data")).unwrap().collect();
    assert!(read.len() == 1 && *read[0].as_ref().unwrap() == certificate);
    assert_eq!((world.files("journals"), queue.has(RECORDING).unwrap()), (journals, false));
    world.check_erased(&expected);
}

#[test]
fn a_neighbour_that_the_catalog_has_lost_is_one_all_the_same() {
    let world = World::finished(0);
    let expected = second(&world);
    world.order(RECORDING).unwrap();
    world.catalog.remove(SECOND_RECORDING).unwrap();
    assert!(matches!(&world.go_on().unwrap()[..], [(RECORDING, Progress::Done(_))]));
    world.check_erased(&expected);
}
