//! The writer on a real folder, and on a disk that forgets.

use super::faults::header;
use super::*;
use crate::archive::disk::{Disk, FakeDisk, Loss, RealDisk};
use crate::archive::scribe::Scribe;
use siprec_core::entry::Event;
use siprec_core::session::Kept;
use siprec_core::time::Wall;
use std::sync::Arc;
use std::time::Duration;

const AT: i64 = 1_800_000_000_000_000_000;

fn begin(scribe: &mut Scribe, session: SessionId, segment: u32) {
    scribe.begin(Wall(AT), &header(session, segment, "this"), &[]);
    scribe.keep(session, Wall(AT + 1), &Kept::Checkpoint(format!("{{\"n\":{segment}}}").into_bytes()));
}

fn hand_over(scribe: &mut Scribe, writer: &Writer) {
    for blocks in scribe.take() {
        writer.hand_over_waiting(blocks);
    }
}

fn writer(disk: &Arc<dyn Disk>, data: &Path) -> Writer {
    Writer::start(Arc::clone(disk), data, Arc::new(|| ())).unwrap()
}

#[test]
fn what_is_written_is_found_again_without_being_closed() {
    let data = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let writer = writer(&disk, data.path());
    let mut scribe = Scribe::default();
    let (a, b) = (SessionId(0xa), SessionId(0xb));
    begin(&mut scribe, a, 1);
    begin(&mut scribe, b, 1);
    scribe.keep(a, Wall(AT + 5), &Kept::Event(Event::Answered));
    begin(&mut scribe, b, 2);
    hand_over(&mut scribe, &writer);
    writer.wait_written();
    assert_eq!(writer.written(), writer.newest_ticket());
    let found = Live::scan(&RealDisk, data.path(), "this").unwrap();
    assert_eq!(found.len(), 2);
    let one = |n: u32| Some(format!("{{\"n\":{n}}}").into_bytes());
    assert_eq!((found[0].session, &found[0].checkpoint, found[0].next_segment), (a, &one(1), 2));
    assert_eq!(found[0].last_entry, Wall(AT + 5));
    assert_eq!((found[1].session, &found[1].checkpoint, found[1].next_segment), (b, &one(2), 3));
    assert!(!found[0].rebooted && Live::scan(&RealDisk, data.path(), "another").unwrap()[0].rebooted);
}

#[test]
fn after_a_power_loss_everything_that_was_synced_is_there_and_nothing_is_misread() {
    for seed in 0..50 {
        let fake = FakeDisk::new(seed);
        let disk: Arc<dyn Disk> = Arc::new(fake.clone());
        let data = Path::new("/data");
        disk.create_dir_all(data).unwrap();
        let writer = writer(&disk, data);
        let mut scribe = Scribe::default();
        let a = SessionId(0xa);
        begin(&mut scribe, a, 1);
        for n in 0..20 {
            scribe.keep(a, Wall(AT + n), &Kept::Event(Event::Answered));
        }
        hand_over(&mut scribe, &writer);
        writer.stop(Duration::from_secs(5));
        // Not synced any more: the disk may keep or forget it.
        let late = session_folder(data, a).join(segment_name(1, false));
        let file = disk.open_append(&late).unwrap();
        file.write_at(file.length().unwrap(), b"torn").unwrap();
        fake.crash();
        fake.restart(Loss::Power);
        let found = Live::scan(&fake, data, "another").unwrap();
        assert_eq!(found.len(), 1, "seed {seed}");
        assert_eq!(found[0].checkpoint.as_deref(), Some(&b"{\"n\":1}"[..]), "seed {seed}");
        assert!(found[0].last_entry >= Wall(AT + 19), "seed {seed}");
    }
}

#[test]
fn a_full_disk_loses_nothing_and_is_written_on_when_there_is_room() {
    let fake = FakeDisk::new(1);
    let disk: Arc<dyn Disk> = Arc::new(fake.clone());
    let data = Path::new("/data");
    disk.create_dir_all(data).unwrap();
    let writer = writer(&disk, data);
    let mut scribe = Scribe::default();
    let a = SessionId(0xa);
    begin(&mut scribe, a, 1);
    hand_over(&mut scribe, &writer);
    writer.wait_written();
    fake.fail_writes(Some(std::io::ErrorKind::StorageFull));
    scribe.keep(a, Wall(AT + 7), &Kept::Event(Event::Answered));
    let mut ticket = 0;
    scribe.take().into_iter().for_each(|blocks| ticket = writer.hand_over(blocks));
    while !writer.is_under_pressure() {
        std::thread::yield_now();
    }
    assert!(writer.written() < ticket);
    fake.fail_writes(None);
    writer.wait_written();
    let found = Live::scan(&fake, data, "this").unwrap();
    assert_eq!(found[0].last_entry, Wall(AT + 7));
}

#[test]
fn when_nothing_fits_any_more_packets_are_counted_and_the_count_is_written() {
    let data = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let writer =
        Writer::with(Arc::clone(&disk), data.path(), None, Arc::new(|| ()), 4000, Duration::from_millis(5)).unwrap();
    let mut scribe = Scribe::default();
    let a = SessionId(0xa);
    begin(&mut scribe, a, 1);
    hand_over(&mut scribe, &writer);
    writer.wait_written();
    let packet = siprec_core::entry::Entry {
        at: Wall(AT + 9),
        kind: siprec_core::entry::Kind::Sip {
            transport: siprec_core::sip::Transport::Udp,
            outbound: false,
            from: "127.0.0.1:1".parse().unwrap(),
            to: "127.0.0.1:2".parse().unwrap(),
            message: &[b'x'; 5000],
        },
    };
    let mut bytes = Vec::new();
    siprec_core::journal::encoder::entry(&mut bytes, &packet);
    writer.hand_over(crate::archive::scribe::Blocks { session: a, segment: None, checkpoint_at: None, bytes });
    scribe.keep(a, Wall(AT + 10), &Kept::Event(Event::Answered));
    hand_over(&mut scribe, &writer);
    writer.wait_written();
    let text = std::fs::read(session_folder(data.path(), a).join(segment_name(1, false))).unwrap();
    let wanted = b"\"event\":\"dropped\",\"packets\":1";
    assert!(text.windows(wanted.len()).any(|w| w == wanted));
}
