use super::*;
use crate::archive::disk::FakeDisk;
use siprec_core::sealed::MasterKey;
use siprec_core::seed::{Random, RecordingId, Seed};

fn masters(current: u8, previous: &[u8]) -> MasterKeys {
    let master = |n: &u8| MasterKey::new(&[*n; 32]);
    MasterKeys::new(Some(master(&current)), previous.iter().map(master).collect())
}

fn disks() -> (FakeDisk, SealedDisk) {
    let fake = FakeDisk::new(1);
    fake.create_dir(Path::new("/d")).unwrap();
    let sealed = SealedDisk::new(Arc::new(fake.clone()), masters(1, &[]), true);
    (fake, sealed)
}

fn journal() -> PathBuf {
    "/d/000001.pcapng.sealed".into()
}

fn recording() -> PathBuf {
    format!("/d/{}.wav.sealed", RecordingId(7)).into()
}

fn plain(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n % 251 + n / 251) as u8).collect()
}

fn write(disk: &SealedDisk, path: &Path, parts: &[&[u8]]) {
    let file = disk.create_new(path).unwrap();
    for part in parts {
        file.write_at(file.length().unwrap(), part).unwrap();
    }
    file.end().unwrap();
}

fn read(disk: &SealedDisk, path: &Path) -> io::Result<Vec<u8>> {
    read_range(&*disk.open_read(path)?, 0, 1 << 24)
}

fn raw(disk: &dyn Disk, path: &Path) -> Vec<u8> {
    read_range(&*disk.open_read(path).unwrap(), 0, 1 << 24).unwrap()
}

fn put(disk: &dyn Disk, path: &Path, octets: &[u8]) {
    let file = disk.open_append(path).unwrap();
    file.set_len(0).unwrap();
    file.write_at(0, octets).unwrap();
}

#[test]
fn a_sealed_file_does_what_a_plain_one_does() {
    let mut bytes = [0; 32];
    for seed in 0..40 {
        bytes[0] = seed;
        let mut random = Random::new(Seed(bytes));
        let mut below = |limit: usize| random.next_u32() as usize % limit.max(1);
        let (_, disk) = disks();
        let path = if seed % 2 == 0 { journal() } else { recording() };
        let mut file = disk.create_new(&path).unwrap();
        let mut model: Vec<u8> = Vec::new();
        for turn in 0..60_usize {
            let octets: Vec<u8> = (0..below([30, 20_000, 150_000][turn % 3])).map(|n| (n + turn) as u8).collect();
            match below(6) {
                0 if !model.is_empty() => {
                    let at = below(model.len());
                    file.write_at(at as u64, &octets).unwrap();
                    model.resize(model.len().max(at + octets.len()), 0);
                    model[at..at + octets.len()].copy_from_slice(&octets);
                }
                1 => {
                    model.truncate(below(model.len() + 1));
                    file.set_len(model.len() as u64).unwrap();
                }
                2 if path == journal() => file = disk.open_append(&path).unwrap(),
                _ => {
                    file.write_at(model.len() as u64, &octets).unwrap();
                    model.extend_from_slice(&octets);
                }
            }
            assert_eq!(file.length().unwrap(), model.len() as u64);
            let from = below(model.len() + 1);
            let limit = below(model.len() - from + 100);
            let found = read_range(&*file, from as u64, limit).unwrap();
            assert!(found == model[from..model.len().min(from + limit)], "seed {seed}, turn {turn}");
            assert!(
                file.write_at(model.len() as u64 + 1, b"x").is_err() && file.set_len(model.len() as u64 + 1).is_err()
            );
        }
        file.end().unwrap();
        assert!(read(&disk, &path).unwrap() == model, "seed {seed}");
    }
}

#[test]
fn no_flipped_bit_and_no_cut_of_a_whole_goes_unnoticed() {
    let (fake, disk) = disks();
    write(&disk, &recording(), &[b"what was said", &plain(300)]);
    let (content, sealed) = ([b"what was said".as_slice(), &plain(300)].concat(), raw(&fake, &recording()));
    assert_eq!(read(&disk, &recording()).unwrap(), content);
    assert!(!sealed.windows(8).any(|window| window == b"was said"));
    for bit in 0..sealed.len() * 8 {
        let mut flipped = sealed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        put(&fake, &recording(), &flipped);
        let error = read(&disk, &recording()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "bit {bit}: {error}");
        assert!(error.to_string().contains("is damaged"), "{error}");
    }
    for length in 0..sealed.len() {
        put(&fake, &recording(), &sealed[..length]);
        let error = read(&disk, &recording()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "cut at {length}: {error}");
    }
    put(&fake, &recording(), &[sealed.as_slice(), b"0"].concat());
    assert!(read(&disk, &recording()).is_err());
    let key = key_path(&recording());
    let octets = raw(&fake, &key);
    put(&fake, &recording(), &sealed);
    for bit in 0..octets.len() * 8 {
        let mut flipped = octets.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        put(&fake, &key, &flipped);
        assert!(read(&disk, &recording()).unwrap_err().to_string().contains(".key"), "bit {bit}");
    }
}

/// As above, of one that has a gap between its blocks, and so long that not every octet is tried.
#[test]
fn nothing_of_a_longer_whole_can_be_changed() {
    let (fake, disk) = disks();
    let content = plain(100_000);
    write(&disk, &recording(), &[&content[..65_400], &content[65_400..]]);
    let sealed = raw(&fake, &recording());
    assert!(sealed[65_492..65_536].iter().all(|octet| *octet == 0), "the gap");
    let frames = (0..140).chain(65_470..65_600).chain(sealed.len() - 70..sealed.len());
    for at in frames.chain((0..sealed.len()).step_by(97)) {
        let mut changed = sealed.clone();
        changed[at] ^= 1 << (at % 8);
        put(&fake, &recording(), &changed);
        // Whoever reads a part that is whole gets it; who reads it all is told.
        let found = disk.open_read(&recording()).and_then(|file| read_range(&*file, 90_000, 1_000));
        assert!(found.is_err() || found.is_ok_and(|found| found == content[90_000..91_000]), "{at}");
        assert_eq!(read(&disk, &recording()).unwrap_err().kind(), ErrorKind::InvalidData, "{at}");
    }
    for length in (0..sealed.len()).step_by(97).chain([65_492, 65_536, 65_580]) {
        put(&fake, &recording(), &sealed[..length]);
        assert!(read(&disk, &recording()).is_err(), "cut at {length}");
    }
}

#[test]
fn a_torn_stream_gives_what_it_has_whole_and_goes_on() {
    let (fake, disk) = disks();
    write(&disk, &journal(), &[b"first", b"second", b"third"]);
    let sealed = raw(&fake, &journal());
    let ends = [48, 48 + 49, 48 + 49 + 50, 48 + 49 + 50 + 49];
    assert_eq!(sealed.len(), ends[3]);
    for length in 0..sealed.len() {
        put(&fake, &journal(), &sealed[..length]);
        let whole = ends.iter().filter(|end| **end <= length).count().saturating_sub(1);
        let expected = [b"first".as_slice(), b"second", b"third"][..whole].concat();
        assert_eq!(read(&disk, &journal()).unwrap(), expected, "cut at {length}");
        let file = disk.open_append(&journal()).unwrap();
        file.write_at(expected.len() as u64, b" and on").unwrap();
        assert_eq!(read(&disk, &journal()).unwrap(), [expected.as_slice(), b" and on"].concat(), "cut at {length}");
    }
}

#[test]
fn damage_in_a_stream_costs_a_chunk_and_no_more() {
    let (fake, disk) = disks();
    let content = plain(1_000_000);
    let parts: Vec<&[u8]> = content.chunks(16_000).collect();
    write(&disk, &journal(), &parts);
    let sealed = raw(&fake, &journal());
    for at in [60, 70_000, 65_536, 131_080, 500_000, 524_290] {
        let mut damaged = sealed.clone();
        damaged[at] ^= 0x40;
        put(&fake, &journal(), &damaged);
        let found = read(&disk, &journal()).unwrap();
        assert_eq!(found.len(), content.len());
        let wrong: Vec<usize> = (0..content.len()).filter(|n| found[*n] != content[*n]).collect();
        assert!(wrong.iter().all(|n| found[*n] == 0), "{at}: nothing is served that fails its check");
        assert!(wrong.last().unwrap() - wrong[0] < 65_536, "{at}");
        // Whoever asks for a part of it gets the same.
        let file = disk.open_read(&journal()).unwrap();
        for from in [900_000, 10, 499_000, 70_000, 131_000] {
            let part = read_range(&*file, from as u64, 30_000).unwrap();
            assert!(part == found[from..from + 30_000], "{at}, from {from}");
        }
    }
    let mut headless = sealed;
    headless[3] ^= 1;
    put(&fake, &journal(), &headless);
    assert_eq!(read(&disk, &journal()).unwrap_err().kind(), ErrorKind::InvalidData);
}

#[test]
fn the_wrong_master_key_is_told_by_name_and_the_key_before_opens() {
    let (fake, disk) = disks();
    write(&disk, &recording(), &[b"content"]);
    let over = |masters, seals| SealedDisk::new(Arc::new(fake.clone()), masters, seals);
    let rotated = over(masters(2, &[1]), true);
    assert_eq!(read(&rotated, &recording()).unwrap(), b"content");
    let id = |n: u8| MasterKey::new(&[n; 32]).id().to_string();
    let error = read(&over(masters(2, &[3]), true), &recording()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let text = error.to_string();
    assert!(text.contains(&id(1)) && text.contains(&id(2)) && text.contains("previous_keys"), "{text}");
    let error = read(&over(MasterKeys::default(), false), &recording()).unwrap_err();
    assert!(error.to_string().contains("archive.seal has none"), "{error}");
    fake.remove_file(&key_path(&recording())).unwrap();
    assert!(read(&disk, &recording()).unwrap_err().to_string().contains("is gone"));
}

#[test]
fn files_of_a_recording_share_a_key_and_other_names_are_as_they_were() {
    let (fake, disk) = disks();
    let second = Path::new("/d").join(format!("{}-2.wav.sealed.part", RecordingId(7)));
    write(&disk, &recording(), &[b"one"]);
    write(&disk, &second, &[b"two"]);
    assert_eq!(key_path(&second), key_path(&recording()));
    disk.rename(&second, &second.with_extension("")).unwrap();
    assert_eq!(read(&disk, &second.with_extension("")).unwrap(), b"two");
    let sheet = Path::new("/d/sheet.json");
    write(&disk, sheet, &[b"{}"]);
    assert_eq!(raw(&fake, sheet), b"{}");
    assert!(disk.seals() && !fake.seals() && raw(disk.beneath(), &recording()).starts_with(b"SPRCSEAL"));
}
