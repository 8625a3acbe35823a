//! Recordings recompressed on a disk that crashes.

mod crashes;

use std::sync::{Arc, LazyLock};

use super::*;
use crate::archive::catalog::Record;
use crate::archive::disk::{FakeDisk, Loss, seeds};
use crate::archive::encode::Encoder;
use crate::archive::erase_order::{Cause, EraseOrder};
use crate::archive::erasure::Eraser;
use crate::archive::finish::sheet_text;
use crate::archive::notes::Hold;
use crate::archive::proof_key::PublicKey;
use crate::archive::receipt::{Delivered, Delivery, Receipt};
use crate::archive::sealed::{MasterKeys, SealedDisk};
use crate::archive::soundness::descent_fault;
use crate::archive::storage::Verified;
use crate::archive::storage::fixture::sidecar;
use siprec_core::render::{FilePlan, FileSheet};
use siprec_core::sealed::MasterKey;

const DATA: &str = "/data";
const DAY: &str = "recordings/2026/03/09";
const ID: RecordingId = RecordingId(7);
/// 2026-11-20T00:00:00Z.
const NOW: Wall = Wall(1_795_132_800_000_000_000);

/// Where the key is that all worlds sign with.
static KEYS: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    ProofKey::load(folder.path()).unwrap();
    folder
});

fn proof_key() -> ProofKey {
    ProofKey::load(KEYS.path()).unwrap()
}

fn public() -> [PublicKey; 1] {
    [proof_key().public()]
}

/// A recording of two files, its catalog, and what recompresses it.
struct World {
    fake: FakeDisk,
    disk: Arc<dyn Disk>,
    catalog: Catalog,
    queue: Option<Queue>,
    targets: Vec<String>,
    stop: AtomicBool,
}

impl World {
    fn with(seed: u64, seals: bool, codings: &[FileCoding]) -> Self {
        let fake = FakeDisk::new(seed);
        let disk: Arc<dyn Disk> = match seals {
            false => Arc::new(fake.clone()),
            true => {
                let masters = MasterKeys::new(Some(MasterKey::new(&[1; 32])), Vec::new());
                Arc::new(SealedDisk::new(Arc::new(fake.clone()), masters, true))
            }
        };
        let catalog = Catalog::temporary().unwrap();
        let world = Self { fake, disk, catalog, queue: None, targets: Vec::new(), stop: AtomicBool::new(false) };
        world.record(codings);
        world
    }

    fn new(seed: u64) -> Self {
        Self::with(seed, false, &[FileCoding::Pcm16, FileCoding::ALaw])
    }

    /// Writes the recording as the finisher does.
    fn record(&self, codings: &[FileCoding]) {
        let folder = Path::new(DATA).join(DAY);
        self.disk.create_dir_all(&folder).unwrap();
        self.disk.create_dir_all(&Path::new(DATA).join(FOLDER)).unwrap();
        let mut sheet = sidecar(ID.0);
        sheet.proof.findings.push("found before".to_owned());
        for (index, coding) in codings.iter().enumerate() {
            let number = if index == 0 { String::new() } else { format!("-{}", index + 1) };
            let (mut file, octets) = wav(&format!("{ID}{number}.wav"), *coding, 2_000 + 4_000 * index);
            let stored = crate::archive::sealed::named(&file.name, self.disk.seals());
            let out = self.disk.create_new(&folder.join(&stored)).unwrap();
            out.write_at(0, &octets).unwrap();
            out.end().unwrap();
            out.sync_data().unwrap();
            if self.disk.seals() {
                let lies = self.read(&stored);
                let (bytes, sha256) = (lies.len() as u64, sha(&lies));
                file.sealed = Some(siprec_core::render::SealedSheet { name: stored, bytes, sha256 });
            }
            sheet.files.push(file);
        }
        let text = sheet_text(&sheet).unwrap();
        let path = self.sheet();
        self.disk.replace(&signature_path(&path), &proof_key().sign(&text).unwrap()).unwrap();
        self.disk.replace(&path, &text).unwrap();
        self.catalog.put(&Record::of(&sheet, DAY).unwrap()).unwrap();
    }

    fn sheet(&self) -> PathBuf {
        recordings::sheet(&Path::new(DATA).join(DAY), ID)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        let path = Path::new(DATA).join(DAY).join(name);
        read_range(&*self.fake.open_read(&path).unwrap(), 0, 1 << 24).unwrap()
    }

    fn sidecar(&self) -> Sidecar {
        recordings::whole(&*self.disk, &self.sheet()).unwrap()
    }

    fn recompressor<'r>(&'r self, key: &'r ProofKey) -> Recompressor<'r> {
        Recompressor {
            disk: &*self.disk,
            data: Path::new(DATA),
            catalog: &self.catalog,
            queue: self.queue.as_ref(),
            proof_key: key,
            targets: &self.targets,
            stop: &self.stop,
        }
    }

    fn prepare(&self, to: Compression) -> Result<Prepared, RecompressError> {
        let gone = io::Error::from(io::ErrorKind::NotFound);
        let mut gone = Some(gone);
        self.recompressor(&proof_key()).prepare(ID, DAY, to, NOW, &mut |path, _| {
            Err(StoreError::Local { path: path.to_owned(), source: gone.take().expect("asked once") })
        })
    }

    fn switch(&self, to: Compression) -> Result<(), RecompressError> {
        let prepared = self.prepare(to)?;
        self.recompressor(&proof_key()).switch(&prepared)
    }

    fn settle(&self) -> Result<Settled, RecompressError> {
        self.recompressor(&proof_key()).settle(ID)
    }

    fn all(&self, to: Compression) -> Result<Settled, RecompressError> {
        self.switch(to)?;
        self.settle()
    }

    /// Names of the recording's files.
    fn names(&self) -> Vec<String> {
        let listed = self.fake.list(&Path::new(DATA).join(DAY)).unwrap();
        listed.into_iter().map(|entry| entry.name.replace(&ID.to_string(), "ID")).collect()
    }

    /// What must hold at any time: the recording is whole, signed, and of before or afterwards. Whether it is afterwards.
    fn check(&self) -> bool {
        let (text, sidecar) = recordings::read_sidecar(&*self.disk, &self.sheet()).unwrap();
        let fault = signature_fault(&*self.disk, &self.sheet(), &text, &public());
        assert!(fault.is_none(), "{fault:?}");
        assert_eq!(descent_fault(&sidecar, &public()), None);
        for file in &sidecar.files {
            let lies = self.read(stored_file(file).name);
            assert_eq!(
                (lies.len() as u64, &*sha(&lies)),
                (stored_file(file).bytes, stored_file(file).sha256),
                "{}",
                file.name
            );
        }
        assert_eq!(sidecar.proof.findings[0], "found before");
        sidecar.recompressed.is_some()
    }

    /// A target gets it, as the outbox would have it.
    fn receive(&self, target: &str) -> io::Result<()> {
        let (_, sidecar) = recordings::read_sidecar(&*self.disk, &self.sheet()).map_err(io::Error::other)?;
        let names = recordings::stored_files(&sidecar).map(|file| file.name.to_owned());
        let names = names.chain(recordings::companions(&sidecar).into_iter().filter(|name| !name.ends_with(".notes")));
        let mut files = Vec::new();
        for name in names {
            let octets = read_range(&*self.fake.open_read(&self.sheet().with_file_name(&name))?, 0, 1 << 24)?;
            let (bytes, sha256, key) = (octets.len() as u64, sha(&octets), format!("far/{name}"));
            files.push(Delivered { key, url: String::new(), bytes, sha256, verified: Verified::ReadBack, name });
        }
        let delivery = Delivery { target: target.into(), stored_at: NOW.rfc3339(), files, superseded: Vec::new() };
        Receipt::change(&*self.disk, &self.sheet(), ID, |receipt| receipt.deliver(delivery))
    }

    /// Goes on as outbox and server do, until nothing of before is left.
    fn bring_to_end(&self) -> Result<(), RecompressError> {
        let key = proof_key();
        for _ in 0..6 {
            match self.settle()? {
                Settled::Done => return Ok(()),
                Settled::Unstored(_) => {
                    self.receive("far").map_err(|source| RecompressError::Disk { path: self.sheet(), source })?;
                }
                Settled::Erase(objects) => {
                    for (target, keys) in objects {
                        self.recompressor(&key).erased(ID, &target, &keys)?;
                    }
                }
                other @ (Settled::Before(_) | Settled::Waits(_)) => panic!("{other:?}"),
            }
        }
        panic!("it comes to no end");
    }
}

fn sha(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// A file of something like speech on one side.
fn wav(name: &str, coding: FileCoding, frames: usize) -> (FileSheet, Vec<u8>) {
    let json = serde_json::json!({
        "name": name, "bytes": 0, "sha256": "", "format": "wav", "coding": coding, "sample_rate": 8000, "channels": 2,
        "frames": frames
    });
    let sheet: FileSheet = serde_json::from_value(json).unwrap();
    let sample = |n: usize| ((n as f64 * 0.05).sin() * 900.0 * (n as f64 * 0.001).sin()) as i16;
    let samples: Vec<i16> = (0..frames).flat_map(|n| [sample(n), 0]).collect();
    let (mut encoder, mut out) = (Encoder::new(&FilePlan::recoded(&sheet, coding), &[]), Vec::new());
    encoder.begin(&mut out);
    encoder.take(&samples, &mut out);
    assert!(encoder.finish(&mut out).is_none());
    (FileSheet { bytes: out.len() as u64, sha256: sha(&out), ..sheet }, out)
}

#[test]
fn wav_becomes_flac_whose_sheet_proves_what_it_was_made_of() {
    let world = World::new(0);
    let (before, text) = (world.sidecar(), world.read(&format!("{ID}.json")));
    let signature = world.read(&format!("{ID}.json.sig"));
    assert_eq!(world.all(Compression::Flac).unwrap(), Settled::Done);
    assert!(world.check());
    assert_eq!(world.names(), ["ID-2.flac", "ID.flac", "ID.json", "ID.json.sig"]);
    let now = world.sidecar();
    let known = now.recompressed.clone().unwrap();
    assert_eq!((known.sheet.as_bytes(), known.sheet_sha256, known.lossless), (&*text, sha(&text), true));
    assert_eq!(known.signature, hexadecimal(&signature));
    for (was, file) in known.files.iter().zip(&before.files) {
        assert_eq!(
            (&was.name, was.bytes, &was.sha256, was.coding),
            (&file.name, file.bytes, &file.sha256, file.coding)
        );
    }
    assert_eq!((now.files[1].format.as_str(), now.rendition.format), ("flac", FileFormat::Flac));
    assert_eq!(
        (now.files[0].frames, &now.streams, &now.proof),
        (before.files[0].frames, &before.streams, &before.proof)
    );
    let row = world.catalog.find(ID).unwrap().unwrap();
    assert_eq!(
        (row.path, row.sha256, row.bytes),
        (format!("{DAY}/{ID}.flac"), now.files[0].sha256.clone(), now.files[0].bytes)
    );
    assert!(ordered(&*world.disk, Path::new(DATA)).unwrap().is_empty());
    assert!(matches!(world.switch(Compression::Opus), Err(RecompressError::NotWav)), "once is enough");
}

#[test]
fn any_change_of_what_it_was_made_of_shows() {
    let world = World::new(0);
    world.all(Compression::Flac).unwrap();
    let fault = |change: &dyn Fn(&mut Sidecar)| {
        let mut sidecar = world.sidecar();
        change(&mut sidecar);
        descent_fault(&sidecar, &public()).expect("a fault").to_string()
    };
    fn known(sidecar: &mut Sidecar) -> &mut Recompressed {
        sidecar.recompressed.as_mut().unwrap()
    }
    assert!(fault(&|s| known(s).sheet.push(' ')).contains("has SHA-256"));
    assert!(fault(&|s| known(s).signature.replace_range(..2, "zz")).contains("not by any of the keys"));
    assert!(fault(&|s| known(s).files[0].sha256.replace_range(..1, "g")).contains("other files"));
    assert!(fault(&|s| s.files.truncate(1)).contains("other files"));
    assert!(fault(&|s| s.ended_at.clear()).contains("something else"));
    assert!(fault(&|s| s.proof.findings.clear()).contains("something else"));
    let other = tempfile::tempdir().unwrap();
    let stranger = [ProofKey::load(other.path()).unwrap().public()];
    assert_eq!(descent_fault(&world.sidecar(), &stranger).unwrap().to_string(), fault(&|s| known(s).signature.clear()));
}

#[test]
fn opus_says_that_the_samples_are_gone_and_leaves_rates_that_it_has_not_to_flac() {
    let world = World::new(0);
    assert_eq!(world.all(Compression::Opus).unwrap(), Settled::Done);
    assert!(world.check());
    let sidecar = world.sidecar();
    assert!(!sidecar.recompressed.as_ref().unwrap().lossless);
    assert!(sidecar.proof.findings[1].contains("no longer the samples that were recorded"), "{:?}", sidecar.proof);
    assert_eq!(world.names(), ["ID-2.opus", "ID.json", "ID.json.sig", "ID.opus"]);
    let mut odd = sidecar;
    odd.files[0].sample_rate = 44_100;
    assert_eq!(Compression::Opus.coding(&odd), (FileCoding::Flac, FileFormat::Flac));
}

#[test]
fn sealed_files_become_sealed_ones_even_where_nothing_new_is_sealed() {
    let mut world = World::with(0, true, &[FileCoding::Pcm16]);
    let masters = MasterKeys::new(Some(MasterKey::new(&[1; 32])), Vec::new());
    world.disk = Arc::new(SealedDisk::new(Arc::new(world.fake.clone()), masters, false));
    assert_eq!(world.all(Compression::Flac).unwrap(), Settled::Done);
    assert!(world.check());
    assert_eq!(world.names(), ["ID.flac.sealed", "ID.json", "ID.json.sig", "ID.key"]);
}

#[test]
fn what_is_held_erased_or_not_stored_is_not_touched() {
    let mut world = World::new(0);
    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::open(folder.path()).unwrap();
    queue.add(&["far".to_owned()], ID, None, DAY, (0, false)).unwrap();
    world.queue = Some(queue);
    let operations = world.fake.operations();
    assert!(matches!(world.switch(Compression::Flac), Err(RecompressError::Unstored)));
    assert_eq!(world.fake.operations(), operations);
    world.queue.as_ref().unwrap().drop_item("far", ID).unwrap();
    let mut notes = Notes::new(ID);
    notes.hold(Hold { reason: "case 17".into(), by: "me".into(), since: NOW.rfc3339() });
    notes.write(&*world.disk, &world.sheet()).unwrap();
    let refused = world.switch(Compression::Flac).unwrap_err().to_string();
    assert!(refused.contains("legal hold (case 17)"), "{refused}");
    world.disk.replace(&crate::archive::notes::path(&world.sheet()), b"{").unwrap();
    assert!(matches!(world.switch(Compression::Flac), Err(RecompressError::Held(_))), "what cannot be read holds");
    world.disk.remove_file(&crate::archive::notes::path(&world.sheet())).unwrap();
    let prepared = world.prepare(Compression::Flac).unwrap();
    notes.write(&*world.disk, &world.sheet()).unwrap();
    let key = proof_key();
    assert!(matches!(world.recompressor(&key).switch(&prepared), Err(RecompressError::Held(_))), "held meanwhile");
    assert_eq!(world.settle().unwrap(), Settled::Done);
    assert_eq!(world.names(), ["ID-2.wav", "ID.json", "ID.json.notes", "ID.json.sig", "ID.wav"]);
    let cause = Cause { by: String::new(), reason: String::new(), ordered_at: String::new() };
    EraseOrder::of(&world.sidecar(), DAY, None, &[], cause).write(&*world.disk, Path::new(DATA)).unwrap();
    assert!(matches!(world.switch(Compression::Flac), Err(RecompressError::Erased)));
}

#[test]
fn an_erasure_that_comes_between_leaves_nothing() {
    let world = World::new(0);
    let key = proof_key();
    let prepared = world.prepare(Compression::Flac).unwrap();
    let cause = Cause { by: String::new(), reason: String::new(), ordered_at: String::new() };
    let (disk, data, catalog, proof_key) = (&*world.disk, Path::new(DATA), &world.catalog, &key);
    let eraser = Eraser { disk, data, catalog, queue: None, proof_key };
    eraser.order(ID, DAY, &[], cause).unwrap();
    assert!(matches!(world.recompressor(&key).switch(&prepared), Err(RecompressError::Erased)));
    assert_eq!(world.settle().unwrap(), Settled::Waits("it is being erased".to_owned()));
    eraser.go_on(NOW).unwrap();
    // Another file of it is written behind the erasure's back.
    let late = Path::new(DATA).join(DAY).join(format!("{ID}-2.flac.part"));
    world.disk.create_new(&late).unwrap();
    assert_eq!(world.settle().unwrap(), Settled::Done);
    assert_eq!(world.names(), [""; 0]);
    assert!(ordered(&*world.disk, data).unwrap().is_empty());
}

#[test]
fn audio_whose_sheet_is_lost_stays() {
    let world = World::new(0);
    world.switch(Compression::Flac).unwrap();
    world.disk.remove_file(&world.sheet()).unwrap();
    let names = world.names();
    assert!(matches!(world.settle().unwrap(), Settled::Waits(why) if why.contains("is gone")));
    assert_eq!(world.names(), names);
}

#[test]
fn what_nobody_vouches_for_is_not_vouched_for_anew() {
    let world = World::new(0);
    let signature = signature_path(&world.sheet());
    world.disk.replace(&signature, &[7; 64]).unwrap();
    assert!(matches!(world.prepare(Compression::Flac), Err(RecompressError::Signature(SignatureFault::Wrong))));
    world.disk.remove_file(&signature).unwrap();
    assert!(matches!(world.prepare(Compression::Flac), Err(RecompressError::Signature(SignatureFault::Missing))));
    let world = World::new(0);
    let path = Path::new(DATA).join(DAY).join(format!("{ID}-2.wav"));
    world.disk.open_append(&path).unwrap().write_at(100, &[1]).unwrap();
    let refused = world.prepare(Compression::Flac).unwrap_err().to_string();
    assert!(refused.contains("is changed") && refused.contains("archive verify"), "{refused}");
    assert_eq!(world.settle().unwrap(), Settled::Done);
    assert_eq!(world.names(), ["ID-2.wav", "ID.json", "ID.json.sig", "ID.wav"], "what was begun is gone");
    world.disk.remove_file(&path).unwrap();
    assert!(matches!(world.prepare(Compression::Flac), Err(RecompressError::Fetch(_))));
}

#[test]
fn what_would_become_larger_stays() {
    // No sample has anything to do with the one before.
    let world = World::new(0);
    let mut state = 1_u32;
    let mut noise = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as u8
    };
    let mut sheet = world.sidecar();
    sheet.files.truncate(1);
    let (mut file, mut octets) = wav(&format!("{ID}.wav"), FileCoding::MuLaw, 8_000);
    let header = octets.len() - 16_000;
    octets[header..].fill_with(&mut noise);
    file.sha256 = sha(&octets);
    sheet.files[0] = file;
    let text = sheet_text(&sheet).unwrap();
    world.disk.replace(&Path::new(DATA).join(DAY).join(format!("{ID}.wav")), &octets).unwrap();
    world.disk.replace(&signature_path(&world.sheet()), &proof_key().sign(&text).unwrap()).unwrap();
    world.disk.replace(&world.sheet(), &text).unwrap();
    assert!(matches!(world.prepare(Compression::Flac), Err(RecompressError::NoGain { .. })));
    let order = RecompressOrder::read(&*world.disk, Path::new(DATA), ID).unwrap().unwrap().is_larger("larger");
    order.write(&*world.disk, Path::new(DATA)).unwrap();
    assert_eq!(world.settle().unwrap(), Settled::Before("larger".to_owned()));
    assert!(!order.allows(Compression::Flac, (NOW, true)) && order.allows(Compression::Opus, (NOW, false)));
}

#[test]
fn a_hold_that_comes_after_it_keeps_the_files_of_before() {
    let world = World::new(0);
    world.switch(Compression::Flac).unwrap();
    let mut notes = Notes::new(ID);
    notes.hold(Hold { reason: "case 17".into(), by: "me".into(), since: NOW.rfc3339() });
    notes.write(&*world.disk, &world.sheet()).unwrap();
    assert!(matches!(world.settle().unwrap(), Settled::Waits(why) if why.contains("case 17")));
    assert!(world.names().contains(&"ID.wav".to_owned()));
    notes.release(None);
    notes.write(&*world.disk, &world.sheet()).unwrap();
    assert_eq!(world.settle().unwrap(), Settled::Done);
    assert!(!world.names().contains(&"ID.wav".to_owned()));
}
