//! The fake disk's own faults, as its module promises them.

use super::*;
use std::collections::BTreeSet;

fn content(disk: &FakeDisk, path: &str) -> Option<Vec<u8>> {
    let file = disk.open_read(Path::new(path)).ok()?;
    crate::archive::disk::read_range(&*file, 0, 1 << 20).ok()
}

#[test]
fn what_is_synced_with_its_name_survives_the_power_and_nothing_else_surely_does() {
    let (mut seen, mut names) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..300 {
        let disk = FakeDisk::new(seed);
        disk.create_dir_all(Path::new("/d/e")).unwrap();
        let file = disk.create_new(Path::new("/d/e/f")).unwrap();
        file.write_at(0, b"durable").unwrap();
        file.sync_data().unwrap();
        disk.sync_dir(Path::new("/d/e")).unwrap();
        file.write_at(7, b" a").unwrap();
        file.write_at(9, b" b").unwrap();
        disk.create_new(Path::new("/d/e/g")).unwrap();
        disk.rename(Path::new("/d/e/f"), Path::new("/d/f")).unwrap();
        disk.crash();
        assert!(file.write_at(0, b"x").is_err() && disk.list(Path::new("/d")).is_err());
        disk.restart(Loss::Power);
        assert!(file.write_at(0, b"x").is_err(), "a handle of an earlier life");
        let (old, new) = (content(&disk, "/d/e/f"), content(&disk, "/d/f"));
        assert!(old.is_some() != new.is_some(), "renamed or not, never both or neither");
        names.insert((old.is_some(), content(&disk, "/d/e/g").is_some()));
        let left = old.or(new).unwrap();
        assert!(left.starts_with(b"durable"));
        seen.insert(left);
    }
    assert_eq!(names.len(), 4);
    assert!(seen.contains(b"durable".as_slice()) && seen.contains(b"durable a b".as_slice()));
    assert!(seen.contains(b"durable\0\0 b".as_slice()), "reordered: {seen:?}");
}

#[test]
fn a_replaced_file_is_old_or_new_after_any_crash() {
    let count = {
        let disk = FakeDisk::new(0);
        disk.replace(Path::new("/f"), b"old").unwrap();
        disk.replace(Path::new("/f"), b"new!").unwrap();
        disk.operations()
    };
    for n in 1..=count + 1 {
        for seed in 0..20 {
            let disk = FakeDisk::new(seed);
            disk.replace(Path::new("/f"), b"old").unwrap();
            let before = disk.operations();
            disk.crash_at(n);
            let done = n > before && disk.replace(Path::new("/f"), b"new!").is_ok();
            disk.restart(Loss::Power);
            let left = content(&disk, "/f").unwrap();
            assert!(left == b"new!" || (left == b"old" && !done), "{left:?} at {n}");
        }
    }
}

#[test]
fn a_full_disk_takes_a_part() {
    let disk = FakeDisk::new(1);
    let file = disk.create_new(Path::new("f")).unwrap();
    disk.set_capacity(Some(10));
    file.write_at(0, b"12345678").unwrap();
    assert_eq!(file.write_at(8, b"9abc").unwrap_err().kind(), ErrorKind::StorageFull);
    assert!((8..=10).contains(&file.length().unwrap()));
    assert!(disk.free_space(Path::new("f")).unwrap() <= 2);
}
