use std::path::Path;
use std::sync::{Arc, LazyLock};

use super::*;
use crate::archive::disk::{FakeDisk, Loss, RealDisk};

static KEY: LazyLock<Arc<ProofKey>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    Arc::new(ProofKey::load(folder.path()).unwrap())
});

const DATA: &str = "/data";

fn origin() -> Origin {
    Origin { who: "alice (uid 1000)".to_owned(), from: "archive1".to_owned() }
}

fn of(disk: &FakeDisk) -> Audit {
    Audit::new(Arc::new(disk.clone()), Path::new(DATA), Arc::clone(&KEY), origin())
}

fn act(number: u64) -> Act {
    Act::new(Action::Exported).with("number", number)
}

fn disk(seed: u64) -> FakeDisk {
    let disk = FakeDisk::new(seed);
    disk.create_dir(Path::new(DATA)).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

fn checked(disk: &FakeDisk) -> (Checked, Vec<Entry>) {
    let mut entries = Vec::new();
    let checked = check(disk, Path::new(DATA), &KEY.public(), &mut |entry| entries.push(entry.clone())).unwrap();
    (checked, entries)
}

fn numbers(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.detail["number"].parse().unwrap()).collect()
}

fn text(disk: &FakeDisk, name: &str) -> Vec<u8> {
    read_range(&*disk.open_read(&Path::new(DATA).join(name)).unwrap(), 0, usize::MAX).unwrap()
}

fn put(disk: &FakeDisk, name: &str, octets: &[u8]) {
    disk.replace(&Path::new(DATA).join(name), octets).unwrap();
}

/// A log of so many entries.
fn written(entries: u64) -> FakeDisk {
    let disk = disk(1);
    for number in 1..=entries {
        of(&disk).append(act(number)).unwrap();
    }
    disk
}

fn fault(disk: &FakeDisk) -> String {
    checked(disk).0.fault.map(|fault| fault.to_string()).unwrap_or_default()
}

#[test]
fn an_entry_tells_who_did_what_and_is_chained_to_the_one_before() {
    let disk = disk(1);
    let recording = siprec_core::seed::RecordingId(7);
    let long = "é".repeat(5000);
    of(&disk).append(act(1).recording(recording).with("long", long)).unwrap();
    let api = Origin { who: "bob".to_owned(), from: "192.0.2.1".to_owned() };
    of(&disk).append(Act::new(Action::Paused).by(api)).unwrap();
    let (checked, entries) = checked(&disk);
    assert_eq!(checked, Checked { entries: 2, ..Checked::default() });
    let [first, second] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!((first.seq, first.action.as_str(), first.recording), (1, "exported", Some(recording)));
    assert_eq!(
        (first.who.as_str(), first.from.as_str(), first.prev.as_str()),
        ("alice (uid 1000)", "archive1", NO_LINE)
    );
    assert!(first.detail["long"].len() <= 1024);
    assert_eq!((second.who.as_str(), second.from.as_str(), second.action.as_str()), ("bob", "192.0.2.1", "paused"));
    let text = text(&disk, FILE);
    let first_line = text.split_inclusive(|octet| *octet == b'\n').next().unwrap();
    assert_eq!(second.prev, digest(first_line));
    let names: std::collections::BTreeSet<_> = Action::ALL.into_iter().map(Action::name).collect();
    assert_eq!(names.len(), Action::ALL.len());
}

#[test]
fn a_crash_at_any_operation_loses_no_entry_that_was_told_to_be_written() {
    let mut torn = 0;
    for loss in [Loss::Process, Loss::Power] {
        for seed in 0..12 {
            for crash in 2.. {
                let disk = disk(seed);
                disk.crash_at(crash);
                // Longer than what comes in their place.
                let long = |number| act(number).with("long", "x".repeat(800));
                let told = (1..=3).filter(|number| of(&disk).append(long(*number)).is_ok()).count() as u64;
                if !disk.is_crashed() {
                    break;
                }
                disk.restart(loss);
                let (after, entries) = checked(&disk);
                assert_eq!(after.fault, None, "{loss:?} {seed} {crash}");
                assert!([told, told + 1].contains(&after.entries), "{loss:?} {seed} {crash}: {told} {after:?}");
                assert_eq!(numbers(&entries), (1..=after.entries).collect::<Vec<_>>());
                of(&disk).append(act(9)).unwrap();
                let (again, entries) = checked(&disk);
                assert_eq!(
                    (again.fault, again.torn, again.entries),
                    (None, 0, after.entries + 1),
                    "{loss:?} {seed} {crash}"
                );
                let said = entries.last().and_then(|entry| entry.detail.get(TORN)).map(|cut| cut.parse().unwrap());
                assert_eq!(said.unwrap_or(0_u64), after.torn, "{loss:?} {seed} {crash}");
                torn += u64::from(after.torn > 0);
            }
        }
    }
    assert!(torn > 0, "no crash tore a line: the test tests nothing");
}

#[test]
fn a_disk_that_is_full_is_an_error_and_the_next_entry_goes_on() {
    let disk = written(2);
    disk.set_capacity(Some(0));
    let error = of(&disk).append(act(3)).unwrap_err().to_string();
    assert!(error.starts_with("/data/audit.log: "), "{error}");
    disk.set_capacity(None);
    of(&disk).append(act(4)).unwrap();
    let (checked, entries) = checked(&disk);
    assert_eq!((checked.fault, numbers(&entries)), (None, vec![1, 2, 4]));
}

#[test]
fn what_was_changed_taken_out_or_put_in_is_found_at_its_line() {
    let whole = text(&written(5), FILE);
    let lines: Vec<&[u8]> = whole.split_inclusive(|octet| *octet == b'\n').collect();
    let of_lines = |numbers: &[usize]| numbers.iter().flat_map(|number| lines[number - 1]).copied().collect::<Vec<_>>();
    // The same key signed it, in another log: a copy of the data directory that went on for itself.
    let other = disk(2);
    (1..=5).for_each(|number| of(&other).append(act(number + 100)).unwrap());
    let other = text(&other, FILE);
    let stranger = other.split_inclusive(|octet| *octet == b'\n').nth(2).unwrap();
    let put_in = [&of_lines(&[1, 2])[..], stranger, &of_lines(&[4, 5])].concat();
    let changed = String::from_utf8(whole.clone()).unwrap().replace("\"number\":\"3\"", "\"number\":\"8\"");
    for (name, octets, expected) in [
        ("changed", changed.into_bytes(), "audit.log:3: its signature is not of it"),
        ("put in", put_in, "audit.log:3: it does not follow the line before"),
        ("taken out", of_lines(&[1, 2, 4, 5]), "audit.log:3: entries 3 to 3 are missing before it"),
        ("taken off the front", of_lines(&[2, 3, 4, 5]), "audit.log:1: entries 1 to 1 are missing before it"),
        ("twice", of_lines(&[1, 2, 2, 3, 4, 5]), "audit.log:3: it is entry 2 where 3 is due"),
        ("other order", of_lines(&[1, 3, 2, 4, 5]), "audit.log:2: entries 2 to 2 are missing before it"),
        ("no entry", [&of_lines(&[1])[..], b"{}\n", &of_lines(&[2, 3, 4, 5])].concat(), "audit.log:2: it is no entry"),
        ("cut off", of_lines(&[1, 2, 3]), "audit.log:4: entries 4 to 5 are missing: the log was cut off here"),
        ("cut within", whole[..whole.len() - 9].to_vec(), "audit.log:5: it is no entry"),
        ("empty", Vec::new(), "audit.log:1: entries 1 to 5 are missing: the log was cut off here"),
    ] {
        let disk = written(5);
        put(&disk, FILE, &octets);
        assert!(fault(&disk).starts_with(expected), "{name}: {}", fault(&disk));
        // It stays found, whatever is written afterwards.
        for number in 6..9 {
            of(&disk).append(act(number)).unwrap();
        }
        assert!(!fault(&disk).is_empty(), "{name}");
        let after = text(&disk, FILE);
        assert!(after.starts_with(&octets), "{name}: nothing is cut that was not torn");
    }
    let disk = written(5);
    disk.remove_file(&Path::new(DATA).join(FILE)).unwrap();
    assert!(fault(&disk).contains("entries 1 to 5 are missing"));
}

#[test]
fn a_head_that_was_taken_away_or_put_back_is_found() {
    let old = text(&written(3), HEAD_FILE);
    let disk = written(5);
    put(&disk, HEAD_FILE, &old);
    assert!(!fault(&disk).is_empty(), "of another log");

    let disk = self::disk(1);
    let mut heads = Vec::new();
    for number in 1..=5 {
        of(&disk).append(act(number)).unwrap();
        heads.push(text(&disk, HEAD_FILE));
    }
    put(&disk, HEAD_FILE, &heads[3]);
    assert_eq!(fault(&disk), "", "one behind: a crash does that");
    put(&disk, HEAD_FILE, &heads[2]);
    assert!(fault(&disk).contains("put back to an older one"), "{}", fault(&disk));
    let forged = String::from_utf8(heads[4].clone()).unwrap().replace("\"seq\":5", "\"seq\":4");
    put(&disk, HEAD_FILE, forged.as_bytes());
    assert!(fault(&disk).contains("audit.head was changed"), "{}", fault(&disk));
    disk.remove_file(&Path::new(DATA).join(HEAD_FILE)).unwrap();
    assert!(fault(&disk).contains("audit.head is gone"), "{}", fault(&disk));
    of(&disk).append(act(6)).unwrap();
    assert!(fault(&disk).starts_with("audit.log:6: when entry 6 was written"), "{}", fault(&disk));
}

#[test]
fn a_log_under_another_key_is_not_taken_for_ours() {
    let other = tempfile::tempdir().unwrap();
    let key = Arc::new(ProofKey::load(other.path()).unwrap());
    let disk = disk(1);
    let audit = Audit::new(Arc::new(disk.clone()), Path::new(DATA), key, origin());
    audit.append(act(1)).unwrap();
    assert!(fault(&disk).starts_with("audit.log:1: its signature is not of it"), "{}", fault(&disk));
    of(&disk).append(act(2)).unwrap();
    assert!(fault(&disk).starts_with("audit.log:1: "), "{}", fault(&disk));
}

#[test]
fn those_who_append_at_once_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    let append = || {
        // An `Audit` of its own, as another process has it.
        let audit = Audit::new(Arc::new(RealDisk), folder.path(), Arc::clone(&KEY), origin());
        (0..20).for_each(|number| audit.append(act(number)).unwrap());
    };
    std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(append))));
    let checked = check(&RealDisk, folder.path(), &KEY.public(), &mut |_| {}).unwrap();
    assert_eq!(checked, Checked { entries: 80, ..Checked::default() });
}

#[test]
fn an_append_reads_no_more_of_a_long_log_than_of_a_short_one() {
    let disk = written(3);
    let octets = text(&disk, FILE);
    // The beginning is gone: who read it would notice.
    let mut holes = octets.clone();
    let keep = octets.len() / 3;
    holes[..keep].fill(b' ');
    let file = disk.open_append(&Path::new(DATA).join(FILE)).unwrap();
    file.write_at(0, &holes[..keep]).unwrap();
    of(&disk).append(act(4)).unwrap();
    let last = text(&disk, FILE);
    let last = last.split_inclusive(|octet| *octet == b'\n').next_back().unwrap();
    assert_eq!(Entry::read(last, &KEY.public()).unwrap().detail.get(LOST), None);
}
