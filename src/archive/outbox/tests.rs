use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, mpsc};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use siprec_core::time::Wall;

use super::*;
use crate::archive::disk::RealDisk;
use crate::archive::receipt::Receipt;
use crate::archive::recordings::{self, hexadecimal};
use crate::archive::storage::{
    Checksum, ErrorKind, FolderTarget, Found, Kept, PART_BYTES, Part, Removed, Step, Sums, TargetError,
    fixture::sidecar,
};

const DAY: &str = "recordings/2026/03/09";

/// A folder that fails, or hangs, at its nth step from now on; 0: never.
#[derive(Debug)]
struct Faulty {
    folder: FolderTarget,
    steps: Arc<AtomicU32>,
    fails_at: Arc<AtomicU32>,
    fault: Fault,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// The step is not done.
    Before(ErrorKind),
    /// The step is done, and nobody hears of it.
    After(ErrorKind),
    /// The step is done, and there is never an answer.
    Hangs,
}

impl Faulty {
    fn step<'a, T: Send + 'a>(&'a self, step: Step<'a, T>) -> Step<'a, T> {
        Box::pin(async move {
            let number = self.steps.fetch_add(1, Ordering::SeqCst) + 1;
            if number != self.fails_at.load(Ordering::SeqCst) {
                return step.await;
            }
            let error = |kind| Err(TargetError::new(kind, "made to fail"));
            match self.fault {
                Fault::Before(kind) => error(kind),
                Fault::After(kind) => {
                    step.await?;
                    error(kind)
                }
                Fault::Hangs => {
                    step.await?;
                    std::future::pending().await
                }
            }
        })
    }
}

impl Target for Faulty {
    fn url(&self, key: &str) -> String {
        self.folder.url(key)
    }
    fn put<'a>(&'a self, key: &'a str, content: Bytes, sums: Sums) -> Step<'a, Option<Checksum>> {
        self.step(self.folder.put(key, content, sums))
    }
    fn begin<'a>(&'a self, key: &'a str, sha256: &'a str) -> Step<'a, String> {
        self.step(self.folder.begin(key, sha256))
    }
    fn part<'a>(&'a self, key: &'a str, upload: &'a str, part: Part) -> Step<'a, String> {
        self.step(self.folder.part(key, upload, part))
    }
    fn complete<'a>(&'a self, key: &'a str, upload: &'a str, parts: Vec<String>) -> Step<'a, ()> {
        self.step(self.folder.complete(key, upload, parts))
    }
    fn abort<'a>(&'a self, key: &'a str, upload: &'a str) -> Step<'a, ()> {
        self.step(self.folder.abort(key, upload))
    }
    fn unfinished<'a>(&'a self, key: &'a str) -> Step<'a, Vec<String>> {
        self.step(self.folder.unfinished(key))
    }
    fn look<'a>(&'a self, key: &'a str) -> Step<'a, Option<Found>> {
        self.step(self.folder.look(key))
    }
    fn erase<'a>(&'a self, key: &'a str) -> Step<'a, Removed> {
        self.step(self.folder.erase(key))
    }
    fn read<'a>(&'a self, key: &'a str, offset: u64, length: u64) -> Step<'a, Bytes> {
        self.step(self.folder.read(key, offset, length))
    }
}

/// A data directory, a folder to store in, and what was told.
struct Place {
    root: tempfile::TempDir,
    steps: Arc<AtomicU32>,
    fails_at: Arc<AtomicU32>,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("data").join(DAY)).unwrap();
        fs::create_dir(root.path().join("store")).unwrap();
        Self { root, steps: Arc::default(), fails_at: Arc::default(), told: Arc::default() }
    }

    fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.data().join(DAY).join(name)
    }

    /// A finished recording with so many octets of audio, signed.
    fn record(&self, id: u128, octets: u64) -> RecordingId {
        let mut sheet = sidecar(id);
        let name = format!("{}.wav", sheet.id);
        let audio: Vec<u8> = (0..octets).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let file = serde_json::json!({
            "name": name, "bytes": octets, "sha256": hexadecimal(&Sha256::digest(&audio)), "format": "wav",
            "sample_rate": 8000, "channels": 2, "frames": 0, "heard": []
        });
        sheet.files = vec![serde_json::from_value(file).unwrap()];
        fs::write(self.file(&name), audio).unwrap();
        let sheet_name = format!("{}.json", sheet.id);
        fs::write(self.file(&format!("{sheet_name}.sig")), [7; 64]).unwrap();
        fs::write(self.file(&sheet_name), serde_json::to_vec(&sheet).unwrap()).unwrap();
        sheet.id
    }

    fn outbox(&self, fault: Fault, keep_local: Option<Duration>) -> Outbox {
        let folder = FolderTarget::new(self.root.path().join("store"));
        let (steps, fails_at) = (Arc::clone(&self.steps), Arc::clone(&self.fails_at));
        let target = Faulty { folder, steps, fails_at, fault };
        self.outbox_with(vec![named("far", target)], keep_local)
    }

    fn outbox_with(&self, targets: Vec<Arc<Named>>, keep_local: Option<Duration>) -> Outbox {
        let settings = Settings { targets, keep_local, uploads: 2, min_free: 0 };
        let queue = Arc::new(Queue::open(&self.data()).unwrap());
        let told = Arc::clone(&self.told);
        let tell = Arc::new(move |what| told.lock().unwrap().push(what));
        let names: Vec<String> = settings.targets.iter().map(|named| named.name.clone()).collect();
        let outbox = Outbox::start(Arc::new(RealDisk), self.data(), queue, settings, tell).unwrap();
        until("set up", || {
            let set_up = outbox.queue().set_up().unwrap();
            names.iter().all(|name| set_up.contains(name))
        });
        outbox
    }

    /// What lies in the folder, by path below it.
    fn stored(&self) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        collect(&self.root.path().join("store"), "", &mut found);
        found
    }

    fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }
}

fn named(name: &str, target: impl Target + 'static) -> Arc<Named> {
    Arc::new(Named { name: name.to_owned(), key: KeyTemplate::default(), target: Box::new(target) })
}

fn collect(folder: &Path, below: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = format!("{below}{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{name}/"), found);
        } else {
            found.insert(name, fs::read(entry.path()).unwrap());
        }
    }
}

/// Waits until `is_so`, woken by nothing: what is waited for happens in other threads.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let (_keep, never) = mpsc::channel::<()>();
    for _ in 0..2000 {
        if is_so() {
            return;
        }
        let _ = never.recv_timeout(Duration::from_millis(10));
    }
    panic!("not in 20 s: {what}");
}

fn is_empty(outbox: &Outbox) -> bool {
    outbox.queue().backlog().unwrap().is_empty()
}

/// The same octets, once, under the keys of the template; and a receipt that says so.
fn assert_stored(place: &Place, ids: &[RecordingId]) {
    let stored = place.stored();
    assert_eq!(stored.len(), 3 * ids.len(), "{:?}", stored.keys());
    for id in ids {
        for end in [".wav", ".json", ".json.sig"] {
            let (name, key) = (format!("{id}{end}"), format!("2026/03/09/{id}{end}"));
            assert!(stored[&key] == fs::read(place.file(&name)).unwrap(), "{name}");
        }
        let receipt = Receipt::read(&RealDisk, &place.file(&format!("{id}.json"))).unwrap().unwrap();
        let delivery = receipt.by("far").unwrap();
        let names: Vec<&str> = delivery.files.iter().map(|file| &*file.name).collect();
        assert_eq!(names, [".wav", ".json.sig", ".json"].map(|end| format!("{id}{end}")), "the sheet last");
    }
}

#[test]
fn a_recording_is_stored_with_its_sheet_last_and_a_receipt() {
    let place = Place::new();
    let outbox = place.outbox(Fault::Hangs, None);
    let ids = [place.record(1, 1000), place.record(2, 0), place.record(3, 2 * PART_BYTES + 5)];
    for id in ids {
        outbox.intake().add(id, None, DAY).unwrap();
        outbox.intake().add(id, None, DAY).unwrap();
    }
    until("all stored", || is_empty(&outbox));
    assert_stored(&place, &ids);
    let stored = place.told().iter().filter(|told| matches!(told, Told::Stored { .. })).count();
    assert_eq!(stored, 3, "{:?}", place.told());
}

#[test]
fn what_was_there_before_its_target_is_stored_and_what_was_stored_is_not_sent_again() {
    let place = Place::new();
    let ids = [place.record(1, 10), place.record(2, 20)];
    let outbox = place.outbox(Fault::Hangs, None);
    until("all stored", || is_empty(&outbox));
    drop(outbox);
    assert_stored(&place, &ids);
    // Lost queue: it is made anew from the receipts, and nothing is sent.
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(place.data().join(format!("outbox.sqlite{end}")));
    }
    place.steps.store(0, Ordering::SeqCst);
    let outbox = place.outbox(Fault::Hangs, None);
    assert_eq!((place.steps.load(Ordering::SeqCst), is_empty(&outbox)), (0, true));
}

/// How many steps two recordings take, one of them in parts.
fn steps_of_two() -> u32 {
    let place = Place::new();
    let outbox = place.outbox(Fault::Hangs, None);
    two(&place, &outbox);
    until("all stored", || is_empty(&outbox));
    place.steps.load(Ordering::SeqCst)
}

fn two(place: &Place, outbox: &Outbox) -> [RecordingId; 2] {
    let ids = [place.record(1, 3000), place.record(2, PART_BYTES + 1)];
    for id in ids {
        outbox.intake().add(id, None, DAY).unwrap();
    }
    ids
}

#[test]
fn a_fault_at_any_step_is_outlived() {
    let faults =
        [Fault::Before(ErrorKind::Unreachable), Fault::After(ErrorKind::Busy), Fault::After(ErrorKind::NoUpload)];
    let steps = steps_of_two();
    std::thread::scope(|all| {
        for (fault, step) in faults.iter().flat_map(|fault| (1..=steps).map(move |step| (*fault, step))) {
            all.spawn(move || outlive(fault, step));
        }
    });
}

fn outlive(fault: Fault, step: u32) {
    let place = Place::new();
    place.fails_at.store(step, Ordering::SeqCst);
    let outbox = place.outbox(fault, None);
    let ids = two(&place, &outbox);
    until("the fault met", || place.steps.load(Ordering::SeqCst) >= step);
    // What failed by itself is tried again in seconds; an operator asks for it at once.
    until(&format!("stored after {fault:?} at {step}"), || {
        outbox.queue().retry(now_ms()).unwrap();
        outbox.intake().wake();
        is_empty(&outbox)
    });
    assert_stored(&place, &ids);
}

#[test]
fn a_crash_at_any_step_is_outlived_and_leaves_no_parts() {
    let steps = steps_of_two();
    std::thread::scope(|all| {
        for step in 1..=steps {
            all.spawn(move || outlive_crash(step));
        }
    });
}

fn outlive_crash(step: u32) {
    let place = Place::new();
    place.fails_at.store(step, Ordering::SeqCst);
    let outbox = place.outbox(Fault::Hangs, None);
    let ids = two(&place, &outbox);
    until("it hangs", || place.steps.load(Ordering::SeqCst) >= step);
    drop(outbox);
    place.fails_at.store(0, Ordering::SeqCst);
    let outbox = place.outbox(Fault::Hangs, None);
    until(&format!("stored after a crash at {step}"), || is_empty(&outbox));
    assert_stored(&place, &ids);
}

#[test]
fn a_damaged_file_is_not_stored_and_is_told_of() {
    let place = Place::new();
    let id = place.record(1, 1000);
    fs::write(place.file(&format!("{id}.wav")), [0; 1000]).unwrap();
    let outbox = place.outbox(Fault::Hangs, Some(Duration::ZERO));
    until("told", || place.told().iter().any(|told| matches!(told, Told::Failed { .. })));
    assert!(place.stored().is_empty());
    let failures = outbox.queue().failures(10).unwrap();
    assert_eq!((failures.len(), failures[0].attempts), (1, 1));
    assert!(failures[0].error.contains("is damaged: its SHA-256 is"), "{}", failures[0].error);
    assert!(place.file(&format!("{id}.wav")).exists());
}

#[test]
fn a_folder_that_is_not_mounted_is_not_made() {
    let place = Place::new();
    fs::remove_dir(place.root.path().join("store")).unwrap();
    let outbox = place.outbox(Fault::Hangs, None);
    let id = place.record(1, 10);
    outbox.intake().add(id, None, DAY).unwrap();
    until("told", || place.told().iter().any(|told| matches!(told, Told::Down { .. })));
    assert!(!place.root.path().join("store").exists());
    fs::create_dir(place.root.path().join("store")).unwrap();
    until("stored", || is_empty(&outbox));
    assert_stored(&place, &[id]);
    assert!(place.told().iter().any(|told| matches!(told, Told::Up { .. })));
}

#[test]
fn audio_is_released_once_all_targets_have_it_and_comes_back_for_a_new_one() {
    let place = Place::new();
    let id = place.record(1, PART_BYTES + 7);
    let (audio, sheet) = (place.file(&format!("{id}.wav")), place.file(&format!("{id}.json")));
    let before = fs::read(&audio).unwrap();
    let outbox = place.outbox(Fault::Hangs, Some(Duration::ZERO));
    until("stored", || is_empty(&outbox));
    drop(outbox);
    // It is released when the outbox starts, and every ten seconds.
    let outbox = place.outbox(Fault::Hangs, Some(Duration::ZERO));
    until("released", || !audio.exists());
    assert!(recordings::whole(&RealDisk, &sheet).is_ok(), "what a target has is not missing");
    drop(outbox);

    fs::create_dir(place.root.path().join("second")).unwrap();
    let folder = |name: &str| FolderTarget::new(place.root.path().join(name));
    let both = || vec![named("far", folder("store")), named("second", folder("second"))];
    let outbox = place.outbox_with(both(), None);
    let copy = place.root.path().join(format!("second/2026/03/09/{id}.wav"));
    until("stored in the second", || Receipt::read(&RealDisk, &sheet).unwrap().unwrap().by("second").is_some());
    assert!(fs::read(copy).unwrap() == before && fs::read(&audio).unwrap() == before);
    drop(outbox);
}

#[test]
fn audio_is_not_released_while_a_target_lacks_it() {
    let place = Place::new();
    let id = place.record(1, 100);
    let missing = named("missing", FolderTarget::new(place.root.path().join("nowhere")));
    let far = || named("far", FolderTarget::new(place.root.path().join("store")));
    let outbox = place.outbox_with(vec![far(), Arc::clone(&missing)], Some(Duration::ZERO));
    until("stored in one", || place.stored().len() == 3);
    until("the other is down", || place.told().iter().any(|told| matches!(told, Told::Down { .. })));
    drop(outbox);
    let outbox = place.outbox_with(vec![far(), missing], Some(Duration::ZERO));
    until("the other is down again", || {
        place.told().iter().filter(|told| matches!(told, Told::Down { .. })).count() > 1
    });
    drop(outbox);
    assert!(place.file(&format!("{id}.wav")).exists());
    // The target that lacked it is given up: what the other has may go.
    let outbox = place.outbox_with(vec![far()], Some(Duration::ZERO));
    until("told", || {
        place.told().iter().any(|told| matches!(told, Told::Gone { target, recordings: 1 } if target == "missing"))
    });
    until("released", || {
        release::by_age(&yard(&place, &outbox), now_ms()).unwrap();
        !place.file(&format!("{id}.wav")).exists()
    });
}

/// The outbox's own, for what it does every ten seconds.
fn yard(place: &Place, outbox: &Outbox) -> Yard {
    let far = named("far", FolderTarget::new(place.root.path().join("store")));
    let settings = Settings { targets: vec![far], keep_local: Some(Duration::ZERO), uploads: 1, min_free: 0 };
    let queue = Arc::clone(outbox.queue());
    Yard { disk: Arc::new(RealDisk), data: place.data(), queue, settings }
}

#[test]
fn what_a_target_lost_cannot_be_taken_for_what_was_stored() {
    let place = Place::new();
    let id = place.record(1, 1000);
    let outbox = place.outbox(Fault::Hangs, None);
    until("stored", || is_empty(&outbox));
    drop(outbox);
    let sheet = place.file(&format!("{id}.json"));
    let (_, sidecar) = recordings::read_sidecar(&RealDisk, &sheet).unwrap();
    let receipt = Receipt::read(&RealDisk, &sheet).unwrap();
    let far = vec![named("far", FolderTarget::new(place.root.path().join("store")))];
    let object = place.root.path().join(format!("store/2026/03/09/{id}.wav"));
    let fetched = place.root.path().join("fetched.wav");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let fetch = |receipt: Option<&Receipt>| {
        runtime.block_on(restore(
            &RealDisk,
            &far,
            receipt,
            recordings::stored_files(&sidecar).next().unwrap(),
            &fetched,
        ))
    };
    fetch(receipt.as_ref()).unwrap();
    let mut octets = fs::read(&object).unwrap();
    octets[500] ^= 1;
    fs::write(&object, &octets).unwrap();
    fs::remove_file(&fetched).unwrap();
    let error = fetch(receipt.as_ref()).unwrap_err().to_string();
    assert!(error.contains("has something else than was sent: its SHA-256 is"), "{error}");
    fs::write(&object, &octets[..999]).unwrap();
    let error = fetch(receipt.as_ref()).unwrap_err().to_string();
    assert!(error.contains("it ends after 999 octets, 1000 are expected"), "{error}");
    assert!(fetch(None).unwrap_err().to_string().contains("no storage target that is set up has it"));
    assert!(!fetched.exists());
}

/// As the first version of the outbox left it, with a recording that is erased in one target.
#[test]
fn an_outbox_of_before_is_brought_up_to_date_by_whoever_opens_it() {
    let folder = tempfile::tempdir().unwrap();
    let id = RecordingId(7);
    {
        let file = rusqlite::Connection::open(folder.path().join("outbox.sqlite")).unwrap();
        file.execute_batch(include_str!("0001.sql")).unwrap();
        file.pragma_update(None, "application_id", 0x7369_706f).unwrap();
        file.pragma_update(None, "user_version", 1).unwrap();
        file.execute("INSERT INTO erased VALUES (?1, 'far', 5, 3)", [id.to_string()]).unwrap();
    }
    let queue = Queue::open_beside(folder.path()).unwrap();
    let kept = Kept { copies: 1, until: Some(Wall(9)), unknown: Some("HTTP 403".into()) };
    queue.erased("farther", id, 6, &Removed { objects: 2, kept: kept.clone() }).unwrap();
    let mut erased = Queue::open(folder.path()).unwrap().erased_in(id).unwrap();
    erased.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [("far", 5, Removed::whole(3)), ("farther", 6, Removed { objects: 2, kept })];
    assert_eq!(erased, expected.map(|(target, at, removed)| (target.to_owned(), at, removed)));
    queue.forget_erased(id).unwrap();
    assert_eq!(queue.erased_in(id).unwrap(), []);
}

#[test]
fn an_outbox_of_a_newer_version_or_of_somebody_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Queue::open_beside(folder.path()), Err(QueueError::Missing)));
    drop(Queue::open(folder.path()).unwrap());
    assert!(Queue::open_beside(folder.path()).is_ok());
    let file = folder.path().join("outbox.sqlite");
    rusqlite::Connection::open(&file).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Queue::open(folder.path()), Err(QueueError::Newer { found: 99 })));
    fs::remove_file(&file).unwrap();
    rusqlite::Connection::open(&file).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(matches!(Queue::open(folder.path()), Err(QueueError::Foreign)));
    fs::write(&file, "no database at all, and longer than a header of one would have to be, which is 100").unwrap();
    assert!(matches!(Queue::open(folder.path()), Err(QueueError::Sqlite(_))));
}

/// A recording is made again while it is being stored as it was.
#[test]
fn what_became_another_meanwhile_is_stored_again() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::open(folder.path()).unwrap();
    let (targets, id) = (["a".to_owned()], RecordingId(7));
    let due = || queue.due("a", i64::MAX, &[], 10).unwrap();
    queue.add(&targets, id, None, DAY, (5, false)).unwrap();
    let as_it_was = due().remove(0);
    queue.renew(&targets, id, None, DAY, 5).unwrap();
    queue.stored("a", &as_it_was, 6).unwrap();
    let as_it_is = due();
    assert_eq!((as_it_is.len(), as_it_is[0].again), (1, true));
    queue.stored("a", &as_it_is[0], 7).unwrap();
    assert!(due().is_empty());
    queue.renew(&targets, id, None, DAY, 8).unwrap();
    assert_eq!(due().len(), 1, "also where nothing of it waited");
    queue.order_erasure(&["a"], id, None, DAY, 9).unwrap();
    queue.renew(&targets, id, None, DAY, 10).unwrap();
    let left = due();
    assert_eq!((left.len(), left[0].erase), (1, true), "what is to be erased stays so");
}
