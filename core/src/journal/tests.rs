//! The journal as a whole: written, read, torn, flipped, and shown to other programs.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::encoder::{self, Encoder};
use super::recover::{self, NeedsMore};
use super::{MARK_SIZE, MAX_DATAGRAM, MAX_PAYLOAD, MERGE_WINDOW, Mark, Merge, Reader};
use crate::entry::{EndCause, Entry, Event, Kind, PortIndex, SegmentHeader};
use crate::seed::{Seed, SessionId};
use crate::sip::Transport;
use crate::time::{Monotonic, Wall};

const START: Wall = Wall(1_790_000_000_123_456_789);

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn header() -> SegmentHeader {
    SegmentHeader {
        version: "0.1.0".to_string(),
        format: super::FORMAT_VERSION,
        session: SessionId(7),
        segment: 1,
        seed: Seed([3; 32]),
        anchor: (Monotonic(5), START),
        boot: "b".to_string(),
        config: serde_json::json!({ "codecs": ["PCMA"] }).into(),
    }
}

fn at(ms: i64) -> Wall {
    Wall(START.0 + ms * 1_000_000)
}

fn rtp(ms: i64, packet: &[u8]) -> Entry<'_> {
    let (from, to) = (address("192.0.2.1:4000"), address("198.51.100.7:10000"));
    Entry { at: at(ms), kind: Kind::Rtp { port: PortIndex(0), from, to, packet, protected: None } }
}

/// One entry of each kind, of both address families, of every length modulo four.
fn all_kinds<'a>(bytes: &'a [u8], json: &'a [u8]) -> Vec<Entry<'a>> {
    let (a, b) = (address("192.0.2.1:5060"), address("198.51.100.7:5060"));
    let (c, d) = (address("[2001:db8::1]:40000"), address("[2001:db8::ffff]:10001"));
    let mut entries = vec![
        Entry { at: at(0), kind: Kind::Checkpoint(json) },
        Entry { at: at(1), kind: Kind::Event(Event::Answered) },
        Entry { at: at(2), kind: Kind::Event(Event::Ended { cause: EndCause::Bye }) },
        Entry { at: at(3), kind: Kind::Checkpoint(b"{}") },
    ];
    for length in 0..9 {
        let packet = &bytes[..length];
        for (from, to) in [(a, b), (c, d)] {
            for outbound in [false, true] {
                for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
                    let kind = Kind::Sip { transport, outbound, from, to, message: packet };
                    entries.push(Entry { at: at(10), kind });
                }
                entries.push(Entry { at: at(11), kind: Kind::Rtcp { port: PortIndex(2), outbound, from, to, packet } });
            }
            entries
                .push(Entry { at: at(12), kind: Kind::Rtp { port: PortIndex(1), from, to, packet, protected: None } });
        }
    }
    entries
}

/// A segment with a mark after each `per_mark` entries, and the offsets at which blocks begin.
struct Segment {
    bytes: Vec<u8>,
    blocks: Vec<usize>,
    marks: Vec<usize>,
}

fn segment(entries: &[Entry<'_>], per_mark: usize, synced_behind: usize) -> Segment {
    let mut bytes = Vec::new();
    let _ = Encoder::begin(&mut bytes, START, &header(), &[(PortIndex(2), Some("a b"))]);
    let (mut blocks, mut marks): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
    let (mut from, mut checkpoint) = (0, None);
    for (i, entry) in entries.iter().enumerate() {
        blocks.push(bytes.len());
        if matches!(entry.kind, Kind::Checkpoint(_)) {
            checkpoint = Some(bytes.len() as u64);
        }
        encoder::entry(&mut bytes, entry);
        if (i + 1) % per_mark == 0 {
            let synced = marks.iter().rev().nth(synced_behind).map_or(0, |&mark| mark + MARK_SIZE);
            marks.push(bytes.len());
            let crc = crc32fast::hash(&bytes[from..]);
            encoder::mark(&mut bytes, entry.at, &Mark { from: from as u64, crc, checkpoint, synced: synced as u64 });
            from = bytes.len();
        }
    }
    Segment { bytes, blocks, marks }
}

/// Everything that a reader says of these bytes, fed in pieces of `step`.
fn read(bytes: &[u8], step: usize) -> (Vec<String>, Reader) {
    let mut reader = Reader::new();
    let mut seen = Vec::new();
    for piece in bytes.chunks(step) {
        reader.push(piece);
        while let Some(entry) = reader.next() {
            seen.push(alloc::format!("{entry:?}"));
        }
    }
    reader.finish();
    while let Some(entry) = reader.next() {
        seen.push(alloc::format!("{entry:?}"));
    }
    (seen, reader)
}

fn told(entries: &[Entry<'_>]) -> Vec<String> {
    let first = Entry { at: START, kind: Kind::Event(Event::Segment(header())) };
    core::iter::once(&first).chain(entries).map(|entry| alloc::format!("{entry:?}")).collect()
}

const BYTES: &[u8] = b"\x80\x08\xff\x00abcdefgh";

#[test]
fn what_is_written_is_read_in_pieces_of_any_size() {
    let entries = all_kinds(BYTES, br#"{"checkpoint":[1,2,3]}"#);
    let written = segment(&entries, 5, 0);
    for step in [1, 3, 4, 64, 1000, usize::MAX] {
        let (seen, reader) = read(&written.bytes, step);
        assert_eq!(seen, told(&entries), "in pieces of {step}");
        assert_eq!(reader.damage(), super::Damage::default());
        assert_eq!(reader.offset(), written.bytes.len() as u64);
        assert!(reader.last_mark().unwrap().crc != 0);
    }
}

#[test]
fn addresses_of_a_dual_stack_socket_are_written_as_what_they_are() {
    let mixed = Entry {
        at: START,
        kind: Kind::Rtp {
            port: PortIndex(0),
            from: address("[::ffff:192.0.2.1]:4000"),
            to: address("[::ffff:198.51.100.7]:10000"),
            packet: b"x",
            protected: None,
        },
    };
    let mut bytes = Vec::new();
    encoder::entry(&mut bytes, &mixed);
    assert_eq!(bytes.len(), 28 + 28 + 4 + 4);
    assert_eq!(read(&bytes, 9).0, [alloc::format!("{:?}", Entry { at: START, ..rtp(0, b"x") })]);

    let half = Entry {
        at: START,
        kind: Kind::Rtp {
            port: PortIndex(0),
            from: address("192.0.2.1:4000"),
            to: address("[::]:10000"),
            packet: b"x",
            protected: None,
        },
    };
    bytes.clear();
    encoder::entry(&mut bytes, &half);
    assert_eq!(read(&bytes, 9).0, [alloc::format!("{half:?}")]);
}

#[test]
fn what_is_too_long_is_cut_or_said() {
    let long = vec![7; MAX_DATAGRAM + 1];
    let huge = vec![b' '; MAX_PAYLOAD + 1];
    let mut bytes = Vec::new();
    encoder::entry(&mut bytes, &rtp(0, &long));
    assert_eq!(bytes[20..24], (28 + 65_507u32).to_le_bytes());
    assert_eq!(bytes[24..28], (28 + 65_508u32).to_le_bytes());
    encoder::entry(&mut bytes, &Entry { at: START, kind: Kind::Checkpoint(&huge) });
    let mut reader = Reader::new();
    reader.push(&bytes);
    assert_eq!(reader.next(), Some(rtp(0, &long[..MAX_DATAGRAM])));
    assert!(matches!(reader.next().unwrap().kind, Kind::Event(Event::Dropped { .. })));
    assert_eq!((encoder::packets_in(&bytes), encoder::latest_in(&bytes)), (1, Some(START)));
    encoder::entry(&mut bytes, &rtp(7, b"x"));
    assert_eq!((encoder::packets_in(&bytes), encoder::latest_in(&bytes)), (2, Some(at(7))));
    assert_eq!(encoder::latest_in(&bytes[1..]), None);
}

#[test]
fn a_tail_torn_at_any_byte_costs_only_itself() {
    let entries = all_kinds(BYTES, br#"{"checkpoint":[1,2,3]}"#);
    let written = segment(&entries, 5, 0);
    let all = told(&entries);
    for length in 0..written.bytes.len() {
        let torn = &written.bytes[..length];
        let (seen, reader) = read(torn, 128);
        assert_eq!(seen, all[..seen.len()], "torn at {length}");
        assert!(!reader.damage().is_serious());
        assert_eq!(reader.offset(), length as u64);

        let trusted = recover::tail(torn, length as u64, true).unwrap();
        assert_eq!(trusted.intact, length as u64 - reader.damage().torn, "torn at {length}");
        let checkpoint = written.blocks.iter().enumerate().filter(|&(i, _)| i == 0 || i == 3);
        let checkpoint = checkpoint.map(|(_, &at)| at as u64).rfind(|&at| at + 40 < trusted.intact);
        assert_eq!(trusted.checkpoint, checkpoint, "torn at {length}");

        let untrusted = recover::tail(torn, length as u64, false).unwrap();
        let marked = written.marks.iter().rev().find(|&&mark| mark + MARK_SIZE <= length);
        assert_eq!(untrusted.intact, marked.map_or(0, |&mark| (mark + MARK_SIZE) as u64));
    }
}

#[test]
fn a_flipped_bit_costs_one_block_and_is_seen() {
    let packet = [0x5a; 172];
    let entries: Vec<_> = (0..20).map(|i| rtp(i, &packet)).collect();
    let written = segment(&entries, 5, 0);
    let all = told(&entries);
    for bit in 0..written.bytes.len() * 8 {
        let mut bytes = written.bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let (seen, reader) = read(&bytes, 4096);
        let damage = reader.damage();
        let changed = seen.iter().filter(|entry| !all.contains(entry)).count();
        assert!(changed <= 1, "bit {bit}: {changed} entries are misread");
        // A broken length costs what stands before the next mark, at most.
        assert!(seen.len() + 6 >= all.len(), "bit {bit}: {} of {} are left", seen.len(), all.len());
        // The last mark may become a torn end or an unknown block.
        let in_last_mark = bit / 8 >= written.marks[3] && damage != super::Damage::default();
        assert!(damage.is_serious() || in_last_mark, "bit {bit}: {damage:?}");
    }
}

#[test]
fn the_tail_alone_tells_what_the_whole_file_tells() {
    let packet = [0x5a; 172];
    let mut entries: Vec<_> = (0..200).map(|i| rtp(i, &packet)).collect();
    entries[3].kind = Kind::Checkpoint(b"{}");
    entries[199].kind = Kind::Event(Event::Ended { cause: EndCause::Bye });
    let written = segment(&entries, 10, 1);
    let length = written.bytes.len();
    for trust in [true, false] {
        let whole = recover::tail(&written.bytes, length as u64, trust).unwrap();
        assert_eq!(whole.intact, length as u64);
        assert_eq!(whole.checkpoint, Some(written.blocks[3] as u64));
        assert_eq!(whole.last_at, Some(at(199)));
        assert!(whole.ended);
        let mut answered = 0;
        for from in 0..length {
            match recover::tail(&written.bytes[from..], length as u64, trust) {
                Ok(tail) if !trust => {
                    assert_eq!(tail, whole, "from {from}");
                    answered += 1;
                }
                Ok(tail) => {
                    assert_eq!((tail.intact, tail.checkpoint), (whole.intact, whole.checkpoint), "from {from}");
                    answered += 1;
                }
                Err(NeedsMore) => assert!(from > length - 30 * 232 || answered == 0, "from {from}"),
            }
        }
        assert!(answered > length / 2, "{answered} of {length}");
    }
}

#[test]
fn after_a_power_loss_only_an_unbroken_chain_from_what_was_synced_counts() {
    let packet = [0x5a; 172];
    let entries: Vec<_> = (0..100).map(|i| rtp(i, &packet)).collect();
    let written = segment(&entries, 10, 2);
    let length = written.bytes.len() as u64;
    let ends: Vec<u64> = written.marks.iter().map(|&mark| (mark + MARK_SIZE) as u64).collect();
    // The last mark was made when all before the seventh was synced: holes behind that cut, holes before do not.
    for (hole, intact) in [(9, ends[8]), (8, ends[7]), (7, ends[6]), (6, ends[9]), (2, ends[9])] {
        let mut bytes = written.bytes.clone();
        let at = written.blocks[hole * 10 + 4];
        bytes[at..at + 100].fill(0);
        assert_eq!(recover::tail(&bytes, length, false).unwrap().intact, intact, "hole in region {hole}");
    }
    // The mark itself is lost, and the one after it is there.
    let mut bytes = written.bytes.clone();
    bytes[written.marks[8]..written.marks[8] + 8].fill(0);
    assert_eq!(recover::tail(&bytes, length, false).unwrap().intact, ends[7]);
}

#[test]
fn a_later_versions_blocks_are_skipped() {
    let mut bytes = Vec::new();
    encoder::entry(&mut bytes, &rtp(0, b"one"));
    let end = bytes.len();
    encoder::entry(&mut bytes, &Entry { at: START, kind: Kind::Event(Event::Answered) });
    let mut unknown = bytes[end..].to_vec();
    unknown[18] = 99;
    let crc = crc32fast::hash(&unknown[12..unknown.len() - 8]);
    let at_crc = unknown.len() - 8;
    unknown[at_crc..at_crc + 4].copy_from_slice(&crc.to_le_bytes());
    bytes.extend_from_slice(&unknown);
    bytes.extend_from_slice(&[0xee, 0, 0, 0, 16, 0, 0, 0, 1, 2, 3, 4, 16, 0, 0, 0]);
    encoder::entry(&mut bytes, &rtp(1, b"two"));
    let (seen, reader) = read(&bytes, 7);
    assert_eq!(seen.len(), 3);
    assert_eq!(reader.damage(), super::Damage { unknown: 2, ..super::Damage::default() });
}

#[test]
fn the_merge_orders_what_is_within_its_window() {
    let mut merge = Merge::new();
    let mut out = Vec::new();
    let order = [5i64, 1, 3, 2, 900, 700, 2_500, 1_500, 9_000, 100, 8_000];
    for ms in order {
        merge.push(rtp(ms, &[1; 20]));
        while let Some(entry) = merge.pop() {
            out.push((entry.at.0 - START.0) / 1_000_000);
        }
    }
    assert!(out.iter().all(|&ms| ms <= 9_000 - i64::try_from(MERGE_WINDOW.as_millis()).unwrap()));
    merge.finish();
    while let Some(entry) = merge.pop() {
        out.push((entry.at.0 - START.0) / 1_000_000);
    }
    // 100 ms comes 8.9 s late: it is neither lost nor does it hold up anything.
    assert_eq!(out, [1, 2, 3, 5, 700, 900, 1_500, 2_500, 100, 8_000, 9_000]);
}

#[test]
fn the_merge_keeps_the_order_of_what_is_simultaneous_and_gives_way_when_full() {
    let mut merge = Merge::new();
    for byte in 0..50u8 {
        merge.push(rtp(0, &[byte]));
    }
    merge.finish();
    for byte in 0..50u8 {
        assert_eq!(merge.pop(), Some(rtp(0, &[byte])));
    }
    assert_eq!(merge.pop(), None);

    let mut merge = Merge::new();
    let big = vec![0; MAX_DATAGRAM];
    let mut popped = 0;
    for _ in 0..2_000 {
        merge.push(rtp(0, &big));
        while merge.pop().is_some() {
            popped += 1;
        }
    }
    assert!(popped > 1_400, "{popped} of 2000 are out: the window holds 128 MiB");
}
