//! The writer and the scan over a disk that crashes, forgets, stalls and refuses: what must hold whatever happens.
//!
//! A session's packets are numbered. `written` of them were in the file system's hands, `durable` of them on the disk
//! itself, before the fault came: a reader afterwards must find at least so many, and only ever 0, 1, 2 ... in order. Where power
//! was lost, what was not durable yet may be missing at the end of each segment: their files reach the disk in no order.

use super::log::Log;
use super::*;
use crate::archive::disk::{Disk, FakeDisk, Loss, read_range, seeds};
use crate::archive::scribe::{Blocks, Scribe};
use crate::archive::sealed::{MasterKeys, SealedDisk};
use siprec_core::entry::{Entry, Event, Kind, PortIndex, SegmentHeader};
use siprec_core::journal::{Damage, FORMAT_VERSION, Reader, encoder};
use siprec_core::sealed::MasterKey;
use siprec_core::seed::Seed;
use siprec_core::session::Kept;
use siprec_core::time::{Monotonic, Wall};
use std::sync::Arc;
use std::time::Duration;

const AT: i64 = 1_800_000_000_000_000_000;
const SYNC: Duration = Duration::from_millis(4);
const SESSION: SessionId = SessionId(0xa);
const DATA: &str = "/data";
/// The first packet of a session's second segment.
const SECOND_SEGMENT: u32 = 15;

pub(super) fn header(session: SessionId, segment: u32, boot: &str) -> SegmentHeader {
    SegmentHeader {
        version: "test".into(),
        format: FORMAT_VERSION,
        session,
        segment,
        seed: Seed([0; 32]),
        anchor: (Monotonic(0), Wall(0)),
        boot: boot.into(),
        config: std::sync::Arc::default(),
    }
}

fn begun(session: SessionId, segment: u32) -> Vec<Blocks> {
    let mut scribe = Scribe::default();
    // The second segment begins with the last packet of the first.
    let at = Wall(AT + 14 * i64::from(segment - 1));
    scribe.begin(at, &header(session, segment, "this"), &[(PortIndex(0), None)]);
    scribe.keep(session, at, &Kept::Checkpoint(format!("{{\"n\":{segment}}}").into_bytes()));
    scribe.take()
}

/// A slab with one numbered packet.
fn packet(session: SessionId, number: u32) -> Blocks {
    let (from, to) = ("192.0.2.1:4000".parse().unwrap(), "192.0.2.2:10000".parse().unwrap());
    let payload = [number.to_be_bytes().as_slice(), &[0x5a; 100]].concat();
    let kind = Kind::Rtp { port: PortIndex(0), from, to, packet: &payload, protected: None };
    let mut bytes = Vec::new();
    encoder::entry(&mut bytes, &Entry { at: Wall(AT + i64::from(number)), kind });
    Blocks { session, segment: None, checkpoint_at: None, bytes }
}

fn disk(seed: u64) -> (FakeDisk, Arc<dyn Disk>) {
    let fake = FakeDisk::new(seed);
    fake.create_dir_all(&live_folder(Path::new(DATA))).unwrap();
    (fake.clone(), Arc::new(fake))
}

/// The same disk, which seals what is written to it.
fn sealed(fake: &FakeDisk) -> Arc<dyn Disk> {
    let masters = MasterKeys::new(Some(MasterKey::new(&[1; 32])), Vec::new());
    Arc::new(SealedDisk::new(Arc::new(fake.clone()), masters, true))
}

/// With a log in front, as a server has it.
fn writer(disk: &Arc<dyn Disk>, capacity: usize) -> std::io::Result<Writer> {
    started(disk, true, capacity, SYNC)
}

fn started(disk: &Arc<dyn Disk>, logged: bool, capacity: usize, sync: Duration) -> std::io::Result<Writer> {
    let log = match logged {
        true => Some((Log::start(Arc::clone(disk), Path::new(DATA), "this")?, CaughtUp::default())),
        false => None,
    };
    Writer::with(Arc::clone(disk), Path::new(DATA), log, Arc::new(|| ()), capacity, sync)
}

/// What a session's journal holds: its packets' numbers, packets told to be dropped, and what a reader complains of.
#[derive(Debug, Default, PartialEq)]
struct Held {
    numbers: Vec<u32>,
    dropped: u64,
    damage: Damage,
}

fn held(disk: &dyn Disk, session: SessionId) -> Held {
    let folder = session_folder(Path::new(DATA), session);
    let mut held = Held::default();
    let segments =
        disk.list(&folder).unwrap_or_default().into_iter().filter(|file| segment_number(&file.name).is_some());
    for listed in segments {
        let file = disk.open_read(&folder.join(&listed.name)).unwrap();
        let mut reader = Reader::new();
        reader.push(&read_range(&*file, 0, 1 << 24).unwrap());
        reader.finish();
        while let Some(entry) = reader.next() {
            match entry.kind {
                Kind::Rtp { packet, .. } => {
                    assert_eq!(packet[4..], [0x5a; 100], "misread");
                    held.numbers.push(u32::from_be_bytes(*packet.first_chunk().unwrap()));
                }
                Kind::Event(Event::Dropped { packets, .. }) => held.dropped += packets,
                Kind::Event(_) | Kind::Checkpoint(_) | Kind::Sip { .. } | Kind::Rtcp { .. } => {}
            }
        }
        held.damage = held.damage.and(reader.damage());
    }
    held
}

fn assert_first(numbers: &[u32], at_least: u32, what: &str) {
    assert!(numbers.iter().copied().eq(0..u32::try_from(numbers.len()).unwrap()), "{what}: {numbers:?}");
    assert!(numbers.len() >= at_least as usize, "{what}: {} of {at_least} are there", numbers.len());
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what} takes too long");
        std::thread::yield_now();
    }
}

/// Each on a thread of its own: lives wait for clocks, most of the time.
fn at_once<T: Send>(all: impl IntoIterator<Item = T>, one: impl Fn(T) + Sync) {
    let one = &one;
    std::thread::scope(|scope| {
        for item in all {
            scope.spawn(move || one(item));
        }
    });
}

/// How far a life came.
#[derive(Debug, Default)]
struct Life {
    written: u32,
    durable: u32,
}

/// Writes 30 packets in two segments, closes and stops; or as much of it as the disk lets happen.
fn live(fake: &FakeDisk, disk: &Arc<dyn Disk>, logged: bool) -> Life {
    let mut life = Life::default();
    let Ok(writer) = started(disk, logged, 1 << 20, SYNC) else { return life };
    for number in 0..30 {
        if number == 0 || number == SECOND_SEGMENT {
            begun(SESSION, 1 + number / SECOND_SEGMENT).into_iter().for_each(|blocks| {
                writer.hand_over(blocks);
            });
        }
        let ticket = writer.hand_over(packet(SESSION, number));
        until("a write", || writer.written() >= ticket || fake.is_crashed());
        if writer.written() >= ticket {
            life.written = number + 1;
        }
        if number % 10 == 9 {
            until("a sync", || writer.durable() >= ticket || fake.is_crashed());
        }
        if writer.durable() >= ticket {
            life.durable = number + 1;
        }
    }
    let ticket = writer.close(SESSION);
    writer.stop(if fake.is_crashed() { Duration::ZERO } else { Duration::from_secs(20) });
    if writer.durable() >= ticket {
        life.durable = life.written;
    }
    life
}

/// What the next life finds, and what is left after it has tidied up.
fn recover(disk: &dyn Disk, boot: &str) -> Vec<Found> {
    catch_up(disk, Path::new(DATA), boot).unwrap();
    let found = Live::scan(disk, Path::new(DATA), boot).unwrap();
    Live::tidy(disk, &found);
    found
}

#[test]
fn killed_at_any_operation_nothing_that_was_written_is_lost() {
    at_once([(true, false), (false, false), (true, true), (false, true)], |(logged, sealed)| {
        let mut operation = 0;
        while killed_at(operation + 1, logged, sealed) {
            operation += 1;
        }
        assert!(operation > 40, "{operation} operations: the test sees too little");
    });
}

/// Whether the life lasted until then.
fn killed_at(operation: u64, logged: bool, is_sealed: bool) -> bool {
    let (fake, plain) = disk(operation);
    let disk = if is_sealed { sealed(&fake) } else { plain };
    fake.crash_at(fake.operations() + operation);
    let life = live(&fake, &disk, logged);
    let crashed = fake.is_crashed();
    fake.restart(Loss::Process);
    let what = format!("killed at operation {operation}, logged: {logged}, sealed: {is_sealed}, {life:?}");
    let found = recover(&*disk, "this");
    let held = held(&*disk, SESSION);
    assert_first(&held.numbers, life.written, &what);
    assert_eq!((held.dropped, held.damage), (0, Damage::default()), "{what}");
    if life.written > 0 {
        let segment = 1 + u32::from(life.written > SECOND_SEGMENT);
        assert!(found[0].next_segment > segment && found[0].checkpoint.is_some(), "{what}");
    }
    crashed
}

#[test]
fn after_a_power_loss_at_any_operation_nothing_that_was_durable_is_lost_or_misread() {
    // One in two still crashes each operation, sealed and plain.
    let seeds: Vec<_> = seeds(1_200, 2).collect();
    at_once(seeds.chunks(seeds.len() / 8 + 1), |seeds| seeds.iter().for_each(|seed| power_lost(*seed)));
}

fn power_lost(seed: u64) {
    let (logged, is_sealed) = (!seed.is_multiple_of(3), seed >= 600);
    let (fake, plain) = disk(seed);
    let disk = if is_sealed { sealed(&fake) } else { plain };
    fake.crash_at(fake.operations() + 1 + (seed / 3) % if logged { 150 } else { 70 });
    let life = live(&fake, &disk, logged);
    fake.crash();
    fake.restart(Loss::Power);
    let found = recover(&*disk, "another");
    let what = format!("seed {seed}, logged: {logged}, sealed: {is_sealed}, {life:?}");
    let held = held(&*disk, SESSION);
    if life.durable > 0 {
        assert!(found[0].checkpoint.is_some(), "{what}");
        assert!(found[0].rebooted && found[0].last_entry >= Wall(AT + i64::from(life.durable) - 1), "{what}");
    }
    let begins = held.numbers.iter().position(|number| *number >= SECOND_SEGMENT).unwrap_or(held.numbers.len());
    let (first, second) = held.numbers.split_at(begins);
    assert_first(first, life.durable.min(SECOND_SEGMENT), &what);
    let second: Vec<u32> = second.iter().map(|number| number - SECOND_SEGMENT).collect();
    assert_first(&second, life.durable.saturating_sub(SECOND_SEGMENT), &what);
    assert_eq!((held.dropped, held.damage), (0, Damage::default()), "{what}");
    // A second restart finds the same.
    let again = recover(&*disk, "a third");
    let checkpoint = |found: &[Found]| found.first().and_then(|found| found.checkpoint.clone());
    assert_eq!(checkpoint(&again), checkpoint(&found), "{what}");
}

#[test]
fn a_journal_that_was_begun_in_clear_goes_on_sealed_and_the_other_way() {
    for sealed_first in [true, false] {
        let (fake, plain) = disk(7);
        let disks = [sealed(&fake), plain];
        for segment in 1..=2 {
            let disk = &disks[usize::from((segment == 1) != sealed_first)];
            let writer = writer(disk, 1 << 20).unwrap();
            begun(SESSION, segment).into_iter().for_each(|blocks| {
                writer.hand_over(blocks);
            });
            (15 * (segment - 1)..15 * segment).for_each(|number| {
                writer.hand_over(packet(SESSION, number));
            });
            writer.wait_written();
            fake.crash();
            writer.stop(Duration::ZERO);
            drop(writer);
            fake.restart(Loss::Process);
            // The next life finds what the last has left, however it will go on itself.
            let found = recover(&*disks[0], "this");
            assert_eq!(found[0].next_segment, segment + 1);
            assert_eq!(found[0].checkpoint.as_deref(), Some(format!("{{\"n\":{segment}}}").as_bytes()));
        }
        let held = held(&*disks[0], SESSION);
        assert_first(&held.numbers, 30, "kept");
        assert_eq!((held.numbers.len(), held.damage), (30, Damage::default()));
    }
}

#[test]
fn a_stalled_disk_loses_nothing_until_nothing_more_fits_and_then_counts() {
    let (fake, disk) = disk(1);
    let size = packet(SESSION, 0).bytes.len();
    let writer = writer(&disk, 400 * size).unwrap();
    let ticket = begun(SESSION, 1).into_iter().map(|blocks| writer.hand_over(blocks)).last().unwrap();
    until("the beginning", || writer.written() >= ticket);
    fake.stall(true);
    // The writer takes what there is: one packet, and is held up with it, so that all others wait in the queue.
    writer.hand_over_quietly(packet(SESSION, 0));
    writer.wake();
    until("the writer to be held up", || fake.holds_up_a_write());
    let mut pressed_at = None;
    for number in 1..1_000 {
        writer.hand_over_quietly(packet(SESSION, number));
        if writer.is_under_pressure() {
            pressed_at.get_or_insert(number);
        }
    }
    // The writer may have taken a slab or more off the queue before the disk held it up; they count all the same.
    let figures = writer.figures();
    assert!((190..=210).contains(&pressed_at.unwrap()), "{pressed_at:?}");
    assert!((640..=660).contains(&figures.dropped_packets), "{figures:?}");
    // Signalling has a reserve, and waits for no media.
    let ticket = writer.hand_over(packet(SESSION, 1_000));
    assert_eq!(writer.figures().dropped_packets, figures.dropped_packets);
    fake.stall(false);
    until("all to be written", || writer.written() >= ticket);
    assert!(!writer.is_under_pressure());
    writer.close(SESSION);
    drop(writer);
    let mut held = held(&fake, SESSION);
    let ahead = held.numbers.iter().position(|number| *number == 1_000).unwrap();
    assert!(ahead < 10, "behind {ahead} packets");
    held.numbers.remove(ahead);
    assert_first(&held.numbers, 340, "kept");
    assert_eq!(held.numbers.len() as u64 + held.dropped, 1_000);
}

#[test]
fn a_full_disk_keeps_each_sessions_order_and_goes_on_when_there_is_room() {
    let (fake, disk) = disk(2);
    let writer = writer(&disk, 1 << 20).unwrap();
    let other = SessionId(0xb);
    for blocks in [begun(SESSION, 1), begun(other, 1)].concat() {
        writer.hand_over(blocks);
    }
    writer.wait_written();
    fake.set_capacity(Some(1_500));
    let mut last = 0;
    for number in 0..40 {
        for session in [SESSION, other] {
            last = writer.hand_over(packet(session, number));
        }
    }
    until("the disk to be full", || writer.figures().failing);
    assert!(writer.written() < last && writer.is_under_pressure());
    fake.set_capacity(None);
    until("all to be written", || writer.written() >= last);
    assert!(!writer.figures().failing);
    drop(writer);
    for session in [SESSION, other] {
        let held = held(&fake, session);
        assert_first(&held.numbers, 40, "kept");
        assert_eq!((held.dropped, held.damage), (0, Damage::default()));
    }
}

#[test]
fn a_session_that_cannot_be_written_holds_up_no_other() {
    let (fake, disk) = disk(3);
    // A file where the session's folder should be.
    let in_the_way = session_folder(Path::new(DATA), SESSION);
    fake.create_new(&in_the_way).unwrap();
    let writer = writer(&disk, 1 << 20).unwrap();
    let other = SessionId(0xb);
    for blocks in [begun(SESSION, 1), begun(other, 1)].concat() {
        writer.hand_over(blocks);
    }
    let mine = writer.hand_over(packet(SESSION, 0));
    writer.hand_over(packet(other, 0));
    writer.flush(other);
    until("the other to be written", || held(&fake, other).numbers == [0]);
    assert!(writer.figures().failing && writer.written() < mine);
    fake.remove_file(&in_the_way).unwrap();
    until("all to be written", || writer.written() >= mine);
    writer.flush(SESSION);
    writer.wait_written();
    assert_eq!(held(&fake, SESSION).numbers, [0]);
}

#[test]
fn what_comes_late_is_kept_what_has_no_journal_is_counted_and_nothing_is_overwritten() {
    let (fake, disk) = disk(4);
    let writer = writer(&disk, 1 << 20).unwrap();
    writer.hand_over(packet(SessionId(0xc), 0));
    begun(SESSION, 1).into_iter().for_each(|blocks| {
        writer.hand_over(blocks);
    });
    writer.hand_over(packet(SESSION, 0));
    writer.close(SESSION);
    writer.hand_over(packet(SESSION, 1));
    writer.wait_written();
    assert_eq!(held(&fake, SESSION).numbers, [0, 1]);
    assert_eq!(writer.figures().dropped_packets, 1);
    drop(writer);
    // A next life that counts its segments wrong.
    let writer = self::writer(&disk, 1 << 20).unwrap();
    begun(SESSION, 1).into_iter().for_each(|blocks| {
        writer.hand_over(blocks);
    });
    writer.hand_over(packet(SESSION, 2));
    drop(writer);
    assert_first(&held(&fake, SESSION).numbers, 3, "kept");
}

#[test]
fn a_tail_of_this_boot_is_trusted_for_good_and_one_of_another_only_as_far_as_its_marks() {
    let (fake, disk) = disk(5);
    // Syncs, and marks, come only at the end: a writer that is killed leaves none.
    let writer = started(&disk, false, 1 << 20, Duration::from_secs(3600)).unwrap();
    begun(SESSION, 1).into_iter().for_each(|blocks| {
        writer.hand_over(blocks);
    });
    (0..50).for_each(|number| {
        writer.hand_over(packet(SESSION, number));
    });
    writer.wait_written();
    fake.crash();
    drop(writer);
    fake.restart(Loss::Process);
    let path = session_folder(Path::new(DATA), SESSION).join(segment_name(1, false));
    let file = fake.open_append(&path).unwrap();
    let whole = file.length().unwrap();
    let torn = packet(SESSION, 50).bytes;
    file.write_at(whole, &torn[..torn.len() - 5]).unwrap();

    let copy = read_range(&*file, 0, 1 << 20).unwrap();
    assert_eq!(recover(&fake, "this")[0].checkpoint.as_deref(), Some(&b"{\"n\":1}"[..]));
    assert_eq!(held(&fake, SESSION).damage, Damage::default());
    assert_eq!(file.length().unwrap(), whole + siprec_core::journal::MARK_SIZE as u64);
    // Marked now: the end of that boot takes nothing of it any more.
    assert!(recover(&fake, "another")[0].rebooted);
    assert_first(&held(&fake, SESSION).numbers, 50, "kept");
    assert_eq!(recover(&fake, "another")[0].last_entry, Wall(AT + 49));

    // The same, but the machine went down before anybody looked: a mark at packet 20 is all that vouches.
    let upto = copy.len() - torn.len() + 5 - 30 * torn.len();
    let mut bytes = copy[..upto].to_vec();
    let mark = siprec_core::journal::Mark { from: 0, crc: crc32fast::hash(&bytes), checkpoint: None, synced: 0 };
    encoder::mark(&mut bytes, Wall(AT + 19), &mark);
    bytes.extend_from_slice(&copy[upto..]);
    file.set_len(0).unwrap();
    file.write_at(0, &bytes).unwrap();
    assert_eq!(recover(&fake, "another")[0].last_entry, Wall(AT + 19));
    let left = held(&fake, SESSION);
    assert_eq!((left.numbers.len(), left.damage), (20, Damage::default()));
}
