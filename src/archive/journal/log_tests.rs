//! The log by itself: what it says of journals that went on, moved or are gone, and when it goes.

use super::catch_up::catch_up;
use super::faults::header;
use super::log::{Log, LogReader, logs};
use super::*;
use crate::archive::disk::{Disk, FakeDisk, Loss, read_range};
use crate::archive::scribe::{Blocks, Scribe};
use siprec_core::entry::Event;
use siprec_core::session::Kept;
use siprec_core::time::Wall;
use std::sync::Arc;
use std::time::Duration;

const AT: i64 = 1_800_000_000_000_000_000;
const DATA: &str = "/data";
const SESSION: SessionId = SessionId(0xa);

fn disk(seed: u64) -> (FakeDisk, Arc<dyn Disk>) {
    let fake = FakeDisk::new(seed);
    fake.create_dir_all(&live_folder(Path::new(DATA))).unwrap();
    (fake.clone(), Arc::new(fake))
}

fn log(disk: &Arc<dyn Disk>) -> Log {
    Log::start(Arc::clone(disk), Path::new(DATA), "this").unwrap()
}

fn first_log(disk: &dyn Disk) -> PathBuf {
    logs(disk, Path::new(DATA)).unwrap().remove(0).1
}

/// All that can be read of the first log: offsets and bytes.
fn read(disk: &dyn Disk) -> Vec<(u64, Option<Vec<u8>>)> {
    let Some(mut reader) = LogReader::open(disk.open_read(&first_log(disk)).unwrap()).unwrap() else {
        return Vec::new();
    };
    assert_eq!(reader.boot, "this");
    let mut read = Vec::new();
    while let Some(batch) = reader.next().unwrap() {
        read.extend(batch.iter().map(|(logged, place)| (logged.offset, reader.bytes(logged, *place).unwrap())));
    }
    read
}

fn journal(disk: &dyn Disk, segment: u32) -> Vec<u8> {
    let path = session_folder(Path::new(DATA), SESSION).join(segment_name(segment, false));
    disk.open_read(&path).map_or(Vec::new(), |file| read_range(&*file, 0, 1 << 20).unwrap())
}

/// The first blocks of a session's journal.
fn begun() -> Blocks {
    let mut scribe = Scribe::default();
    scribe.begin(Wall(AT), &header(SESSION, 1, "this"), &[]);
    scribe.keep(SESSION, Wall(AT), &Kept::Event(Event::Answered));
    scribe.take().remove(0)
}

#[test]
fn a_log_is_read_to_where_it_is_torn_and_not_a_byte_further() {
    let (fake, disk) = disk(1);
    let mut log = log(&disk);
    for n in 0..3_u8 {
        log.push(SESSION, 1, u64::from(n) * 8, &[n; 8]);
        log.push(SessionId(0xb), 2, u64::from(n), &[n; 1]);
        log.write().unwrap();
    }
    assert_eq!(read(&fake).len(), 6);
    let file = fake.open_append(&first_log(&fake)).unwrap();
    let whole = read_range(&*file, 0, 1 << 20).unwrap();
    for cut in 0..whole.len() {
        file.set_len(0).unwrap();
        file.write_at(0, &whole[..cut]).unwrap();
        let bytes = read(&fake).into_iter().map_while(|(_, bytes)| bytes).count();
        assert!(bytes < 6, "cut at {cut}");
    }
    // One bit anywhere spoils what it is part of, and never makes something else of it.
    let good: Vec<_> = (0..3_u8).flat_map(|n| [(u64::from(n) * 8, vec![n; 8]), (u64::from(n), vec![n; 1])]).collect();
    for at in 8 + 4 + 4..whole.len() {
        let mut spoiled = whole.clone();
        spoiled[at] ^= 0x10;
        file.set_len(0).unwrap();
        file.write_at(0, &spoiled).unwrap();
        let right = read(&fake).into_iter().filter_map(|(offset, bytes)| Some((offset, bytes?)));
        assert!(right.clone().count() < 6 && right.into_iter().all(|one| good.contains(&one)), "bit of octet {at}");
    }
}

#[test]
fn a_batch_that_was_not_written_whole_is_written_again() {
    let (fake, disk) = disk(2);
    let mut log = log(&disk);
    log.push(SESSION, 1, 0, &[1; 400]);
    fake.fail_writes(Some(std::io::ErrorKind::StorageFull));
    log.write().unwrap_err();
    fake.fail_writes(None);
    fake.set_capacity(Some(300));
    log.write().unwrap_err();
    log.push(SESSION, 1, 400, &[2; 4]);
    fake.set_capacity(None);
    log.write().unwrap();
    assert_eq!(read(&fake), [(0, Some(vec![1; 400])), (400, Some(vec![2; 4]))]);
}

#[test]
fn what_the_end_of_the_machine_took_comes_back_and_what_the_log_does_not_know_is_cut() {
    let blocks = begun();
    for seed in 0..40 {
        let (fake, disk) = disk(seed);
        let mut log = log(&disk);
        log.push(SESSION, 1, 0, &blocks.bytes);
        log.write().unwrap();
        log.open().unwrap().file.sync_data().unwrap();
        fake.sync_dir(&super::log::log_folder(Path::new(DATA))).unwrap();
        // The file itself was never made durable, and has something that the log never got.
        fake.create_dir(&session_folder(Path::new(DATA), SESSION)).unwrap();
        let file = fake.create_new(&session_folder(Path::new(DATA), SESSION).join(segment_name(1, false))).unwrap();
        file.write_at(0, &[blocks.bytes.as_slice(), b"what nobody vouches for"].concat()).unwrap();
        fake.crash();
        fake.restart(Loss::Power);
        for _ in 0..2 {
            catch_up(&fake, Path::new(DATA), "another").unwrap();
            let journal = journal(&fake, 1);
            assert_eq!(journal[..blocks.bytes.len()], blocks.bytes, "seed {seed}");
            assert_eq!(journal.len(), blocks.bytes.len() + siprec_core::journal::MARK_SIZE, "seed {seed}");
        }
    }
}

#[test]
fn a_journal_that_is_gone_or_put_away_is_not_made_anew() {
    let (fake, disk) = disk(3);
    let mut log = log(&disk);
    let bytes = begun().bytes;
    log.push(SESSION, 1, 0, &bytes);
    log.write().unwrap();
    // Removed within this boot: files are made before they are logged.
    catch_up(&fake, Path::new(DATA), "this").unwrap();
    assert!(!fake.exists(&session_folder(Path::new(DATA), SESSION)).unwrap());
    // Put away, and the machine went down before its end was durable there.
    let put_away = Path::new(DATA).join(put_away_path(SESSION));
    fake.create_dir_all(&put_away).unwrap();
    let file = fake.create_new(&put_away.join(segment_name(1, false))).unwrap();
    file.write_at(0, &bytes[..9]).unwrap();
    catch_up(&fake, Path::new(DATA), "another").unwrap();
    assert!(!fake.exists(&session_folder(Path::new(DATA), SESSION)).unwrap());
    assert_eq!(read_range(&*file, 0, 1 << 20).unwrap()[..bytes.len()], bytes);
}

#[test]
fn a_log_that_was_removed_and_came_back_cuts_nothing() {
    let (fake, disk) = disk(7);
    let mut log = log(&disk);
    let bytes = begun().bytes;
    log.push(SESSION, 1, 0, &bytes);
    log.write().unwrap();
    // The journal went on, with a mark, and the logs of that time are gone.
    let mut journal_now = [bytes.as_slice(), &bytes].concat();
    let mark = siprec_core::journal::Mark { from: 0, crc: crc32fast::hash(&journal_now), checkpoint: None, synced: 0 };
    siprec_core::journal::encoder::mark(&mut journal_now, Wall(AT), &mark);
    fake.create_dir(&session_folder(Path::new(DATA), SESSION)).unwrap();
    let file = fake.create_new(&session_folder(Path::new(DATA), SESSION).join(segment_name(1, false))).unwrap();
    file.write_at(0, &journal_now).unwrap();
    // A later log knows what follows, and there is none between the two.
    log.close();
    log.push(SESSION, 1, journal_now.len() as u64, &bytes);
    log.write().unwrap();
    catch_up(&fake, Path::new(DATA), "another").unwrap();
    let expected = [journal_now.as_slice(), &bytes].concat();
    assert_eq!(journal(&fake, 1)[..expected.len()], expected);
}

#[test]
fn nothing_is_put_behind_a_hole() {
    let (fake, disk) = disk(4);
    let mut log = log(&disk);
    let bytes = begun().bytes;
    log.push(SESSION, 1, 0, &bytes);
    log.push(SESSION, 1, bytes.len() as u64 + 4, &[7; 4]);
    log.write().unwrap();
    catch_up(&fake, Path::new(DATA), "another").unwrap();
    assert_eq!(journal(&fake, 1).len(), bytes.len() + siprec_core::journal::MARK_SIZE);
}

#[test]
fn a_log_goes_when_every_journal_has_had_its_turn_and_a_journal_is_read_after_a_flush() {
    let (fake, disk) = disk(5);
    // Left by the life before.
    let mut old = log(&disk);
    old.push(SessionId(0xb), 1, 0, b"of a session that is gone");
    old.write().unwrap();
    let caught_up = catch_up(&fake, Path::new(DATA), "this").unwrap();
    let sync = Duration::from_millis(2);
    let started = Some((log(&disk), caught_up));
    let writer = Writer::with(disk, Path::new(DATA), started, Arc::new(|| ()), 1 << 20, sync).unwrap();
    let blocks = begun();
    writer.hand_over(blocks.clone());
    writer.flush(SESSION);
    writer.wait_written();
    assert!(journal(&fake, 1).starts_with(&blocks.bytes));
    let began = std::time::Instant::now();
    while !logs(&fake, Path::new(DATA)).unwrap().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(20), "logs stay");
        std::thread::yield_now();
    }
    fake.crash();
    drop(writer);
    fake.restart(Loss::Power);
    assert!(journal(&fake, 1).starts_with(&blocks.bytes), "the log went before its journal was durable");
}

#[test]
fn who_stops_leaves_no_log() {
    let (fake, disk) = disk(6);
    let started = Some((log(&disk), CaughtUp::default()));
    let sync = Duration::from_secs(3600);
    let writer = Writer::with(disk, Path::new(DATA), started, Arc::new(|| ()), 1 << 20, sync).unwrap();
    let blocks = begun();
    writer.hand_over(blocks.clone());
    drop(writer);
    assert!(logs(&fake, Path::new(DATA)).unwrap().is_empty());
    fake.crash();
    fake.restart(Loss::Power);
    assert!(journal(&fake, 1).starts_with(&blocks.bytes));
}
