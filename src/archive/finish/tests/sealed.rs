//! The same where journals and recordings are sealed.

use siprec_core::sealed::MasterKey;

use super::*;
use crate::archive::sealed::{MasterKeys, SealedDisk, key_path};

const FLAC: Rendition = Rendition { layout: Layout::Stereo, format: FileFormat::Flac };

fn sealed(world: &World) -> SealedDisk {
    let masters = MasterKeys::new(Some(MasterKey::new(&[1; 32])), Vec::new());
    SealedDisk::new(Arc::new(world.disk.clone()), masters, true)
}

fn finish(world: &World) -> Finished {
    let finisher = Finisher::new(Arc::new(sealed(world)), "/data".into(), Arc::clone(&world.catalog));
    finisher.rendering(FLAC).finish(SESSION)
}

fn write_journal(world: &World) {
    let folder = Path::new("/data/journals/live").join(SESSION.to_string());
    world.disk.create_dir_all(&folder).unwrap();
    let file = sealed(world).create_new(&folder.join("000001.pcapng.sealed")).unwrap();
    file.write_at(0, &journal(&[Ended::Recordings, Ended::Session])).unwrap();
    file.sync_data().unwrap();
    world.disk.sync_dir(&folder).unwrap();
}

/// The content of all audio files, by name; each is as its sheet says, in clear and as it lies there.
fn audio(world: &World) -> BTreeMap<String, Vec<u8>> {
    let (disk, all) = (sealed(world), world.everything("recordings"));
    let mut found = BTreeMap::new();
    for path in all.keys().filter(|path| path.ends_with(".json")) {
        let path = Path::new("/data").join(path);
        let sidecar = recordings::whole(&disk, &path).unwrap();
        for file in &sidecar.files {
            let stored = file.sealed.as_ref().expect("it is sealed");
            assert_eq!(stored.name, format!("{}.sealed", file.name));
            let lies = &all[path.with_file_name(&stored.name).strip_prefix("/data").unwrap().to_str().unwrap()];
            assert_eq!((lies.len() as u64, sha(lies)), (stored.bytes, stored.sha256.clone()));
            let content = disk.open_read(&path.with_file_name(&stored.name)).unwrap();
            let content = read_range(&*content, 0, 1 << 24).unwrap();
            assert_eq!((content.len() as u64, sha(&content)), (file.bytes, file.sha256.clone()));
            found.insert(file.name.clone(), content);
        }
    }
    found
}

#[test]
fn sealed_recordings_are_the_plain_ones_and_outlive_crashes() {
    let expected: BTreeMap<String, Vec<u8>> = {
        let world = World::new(0);
        world.write_journal(&[Ended::Recordings, Ended::Session]);
        assert!(world.finisher().rendering(FLAC).finish(SESSION).put_away);
        let name = |path: String| path.rsplit_once('/').unwrap().1.to_owned();
        world.recordings().into_iter().filter(|(path, _)| path.ends_with(".flac")).map(|(p, b)| (name(p), b)).collect()
    };
    assert_eq!(expected.len(), 2);
    let operations = {
        let world = World::new(0);
        write_journal(&world);
        let before = world.disk.operations();
        let finished = finish(&world);
        assert!(finished.put_away, "{:?}", finished.failed);
        assert_eq!(audio(&world), expected);
        let middle = |audio: &[u8]| audio[audio.len() / 2..][..16].to_vec();
        let voices: Vec<Vec<u8>> = expected.values().map(|audio| middle(audio)).collect();
        for (path, bytes) in world.everything("") {
            assert!(
                !bytes.windows(16).any(|window| voices.iter().any(|voice| voice == window)),
                "{path} has audio in clear"
            );
        }
        world.disk.operations() - before
    };
    for n in 1..=operations {
        for (seed, loss) in (0..8).map(|seed| (seed, if seed == 0 { Loss::Process } else { Loss::Power })) {
            let world = World::new(seed);
            write_journal(&world);
            world.disk.crash_at(world.disk.operations() + n);
            finish(&world);
            world.disk.restart(loss);
            audio(&world);
            let finished = finish(&world);
            assert!(finished.failed.is_empty(), "operation {n}, seed {seed}: {:?}", finished.failed);
            assert_eq!(audio(&world), expected, "operation {n}, seed {seed}");
            assert_eq!(world.catalog.count().unwrap(), 2);
        }
    }
}

#[test]
fn a_rendering_of_before_does_not_stay_in_clear() {
    let world = World::new(0);
    world.write_journal(&[Ended::Recordings]);
    world.finisher().rendering(FLAC).finish(SESSION);
    let name = |end: &str| format!("recordings/2026/11/20/{RECORDING}{end}");
    assert!(world.files("recordings").contains(&name(".flac")));
    world.disk.remove_file(&Path::new("/data").join(name(".json"))).unwrap();
    world.catalog.rebuild([]).unwrap();
    finish(&world);
    let files = world.files("recordings");
    assert!(!files.contains(&name(".flac")) && files.contains(&name(".flac.sealed")), "{files:?}");
    let path = Path::new("/data").join(name(".flac.sealed"));
    assert!(files.contains(&key_path(&path).strip_prefix("/data").unwrap().to_str().unwrap().to_owned()));
}
