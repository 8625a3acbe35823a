//! Keys wrapped anew, and destroyed, on a disk that crashes.

use std::path::Path;
use std::sync::Arc;

use siprec_core::sealed::MasterKey;
use siprec_core::seed::RecordingId;

use super::*;
use crate::archive::disk::{FakeDisk, Loss};

const DATA: &str = "/data";
const DAY: &str = "/data/recordings/2026/11/29";
const JOURNAL: &str = "/data/journals/2026/11/29/s/000001.pcapng.sealed";
const LIVE: &str = "/data/journals/live/t/000001.pcapng.sealed";

fn keys(current: u8, previous: &[u8]) -> MasterKeys {
    let key = |n: &u8| MasterKey::new(&[*n; 32]);
    MasterKeys::new(Some(key(&current)), previous.iter().map(key).collect())
}

fn recording(n: u128) -> PathBuf {
    Path::new(DAY).join(format!("{}.wav.sealed", RecordingId(n)))
}

fn files() -> [PathBuf; 4] {
    [recording(1), recording(2), JOURNAL.into(), LIVE.into()]
}

/// Sealed files under the first master key, all durable.
fn archive(seed: u64) -> FakeDisk {
    let fake = FakeDisk::new(seed);
    let disk = SealedDisk::new(Arc::new(fake.clone()), keys(1, &[]), true);
    for path in files() {
        let folder = path.parent().unwrap();
        fake.create_dir_all(folder).unwrap();
        let file = disk.create_new(&path).unwrap();
        file.write_at(0, path.to_str().unwrap().as_bytes()).unwrap();
        file.end().unwrap();
        file.sync_data().unwrap();
        fake.sync_dir(folder).unwrap();
    }
    let key = keys(1, &[]).wrap(&siprec_core::sealed::DataKey::new([5; 32].into())).unwrap();
    fake.replace(&Path::new(DATA).join(FILE), &key).unwrap();
    fake
}

fn opens(fake: &FakeDisk, masters: MasterKeys, path: &Path) -> io::Result<()> {
    let disk = SealedDisk::new(Arc::new(fake.clone()), masters, false);
    let content = read_range(&*disk.open_read(path)?, 0, 1 << 16)?;
    assert_eq!(content, path.to_str().unwrap().as_bytes());
    Ok(())
}

#[test]
fn after_a_change_of_the_master_key_the_one_before_is_needed_no_more() {
    let fake = archive(0);
    let before = fake.operations();
    let audio = |fake: &FakeDisk| read_range(&*fake.open_read(&recording(1)).unwrap(), 0, 1 << 16).unwrap();
    let sealed = audio(&fake);
    let done = rewrap(&fake, Path::new(DATA), &keys(2, &[1])).unwrap();
    let operations = fake.operations() - before;
    assert_eq!((done.wrapped, done.current, done.failures), (5, 0, 0));
    assert_eq!(audio(&fake), sealed, "no audio is touched");
    for path in files() {
        opens(&fake, keys(2, &[]), &path).unwrap();
        assert!(opens(&fake, keys(1, &[]), &path).is_err());
    }
    assert_eq!(standing(&fake, Path::new(DATA), &keys(2, &[])).unwrap(), Standing::Current);
    let again = rewrap(&fake, Path::new(DATA), &keys(2, &[])).unwrap();
    assert_eq!((again.wrapped, again.current, again.failures), (0, 5, 0));

    for n in 1..=operations {
        let fake = archive(n);
        fake.crash_at(fake.operations() + n);
        drop(rewrap(&fake, Path::new(DATA), &keys(2, &[1])));
        fake.restart(if n % 2 == 0 { Loss::Power } else { Loss::Process });
        for path in files() {
            opens(&fake, keys(2, &[1]), &path).unwrap_or_else(|error| panic!("operation {n}: {error}"));
        }
        let done = rewrap(&fake, Path::new(DATA), &keys(2, &[1])).unwrap();
        assert_eq!((done.wrapped + done.current, done.failures), (5, 0), "operation {n}");
        files().iter().for_each(|path| opens(&fake, keys(2, &[]), path).unwrap());
    }
}

#[test]
fn a_key_that_cannot_be_wrapped_is_named_and_the_others_are_done() {
    let fake = archive(0);
    let strange = key_path(&recording(1));
    fake.replace(&strange, &keys(9, &[]).wrap(&siprec_core::sealed::DataKey::new([5; 32].into())).unwrap()).unwrap();
    let done = rewrap(&fake, Path::new(DATA), &keys(2, &[1])).unwrap();
    assert_eq!((done.wrapped, done.failures, done.failed.len()), (3, 1, 1));
    assert!(done.failed[0].contains(strange.to_str().unwrap()), "{}", done.failed[0]);
    let standing = standing(&fake, Path::new(DATA), &keys(2, &[1])).unwrap();
    assert_eq!(standing, Standing::Previous, "seal.key says that there is something to do");
}

#[test]
fn a_destroyed_key_opens_nothing_any_more_and_its_neighbour_does() {
    let operations = {
        let fake = archive(0);
        let copy = read_range(&*fake.open_read(&recording(1)).unwrap(), 0, 1 << 16).unwrap();
        let (before, key) = (fake.operations(), fake.open_read(&key_path(&recording(1))).unwrap());
        assert!(shred(&fake, Path::new(DAY), RecordingId(1)).unwrap());
        let operations = fake.operations() - before;
        assert!(opens(&fake, keys(1, &[]), &recording(1)).unwrap_err().to_string().contains("is gone"));
        opens(&fake, keys(1, &[]), &recording(2)).unwrap();
        assert_eq!(read_range(&*key, 0, 1 << 10).unwrap(), [0; 80], "it was overwritten where it lay");
        assert!(copy.starts_with(b"SPRCSEAL"));
        assert!(!shred(&fake, Path::new(DAY), RecordingId(1)).unwrap());
        operations
    };
    for n in 1..=operations {
        let fake = archive(n);
        fake.crash_at(fake.operations() + n);
        assert!(shred(&fake, Path::new(DAY), RecordingId(1)).is_err(), "operation {n}");
        fake.restart(Loss::Power);
        shred(&fake, Path::new(DAY), RecordingId(1)).unwrap();
        assert!(!fake.exists(&key_path(&recording(1))).unwrap());
        opens(&fake, keys(1, &[]), &recording(2)).unwrap();
    }
}
