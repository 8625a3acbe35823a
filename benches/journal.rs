//! What a journal costs: to encode and read a packet, to write 2,000 sessions, to make them durable, to find them
//! again; and what it costs to seal them.
//!
//! ```text
//! cargo bench --bench journal -- [SESSIONS] [FOLDER]
//! ```
//! Budgets: a packet of G.711 encoded in 100 ns; 2,000 sessions found in 300 ms, less what their ports take to bind, and in 600
//! where they are sealed; files sealed and opened at 1 GB/s.

#![allow(clippy::print_stdout, reason = "a benchmark tells its figures")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use siprec::archive::disk::{Disk, DiskFile, RealDisk};
use siprec::archive::journal::{CaughtUp, Live, Writer, catch_up};
use siprec::archive::scribe::{Blocks, Scribe};
use siprec::archive::sealed::{MasterKeys, SealedDisk, named};
use siprec_core::entry::{Entry, Kind, PortIndex, SegmentHeader};
use siprec_core::journal::{FORMAT_VERSION, Reader, encoder};
use siprec_core::sealed::{Aes256Gcm, Cipher, End, MasterKey, NONCE, append};
use siprec_core::seed::{RecordingId, Seed, SessionId};
use siprec_core::session::Kept;
use siprec_core::time::{Monotonic, Wall};

const AT: i64 = 1_790_000_000_000_000_000;
const ROUND: Duration = Duration::from_millis(20);
const ROUNDS: u32 = 600;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let sessions = arguments.first().and_then(|a| a.parse().ok()).unwrap_or(2_000);
    let folder = arguments.get(1).map_or_else(std::env::temp_dir, PathBuf::from);
    packets();
    let folder = folder.join(format!("siprec-bench-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let done = all(&folder, sessions);
    std::fs::remove_dir_all(&folder)?;
    done
}

fn all(folder: &Path, sessions: u128) -> anyhow::Result<()> {
    let masters = MasterKeys::new(Some(MasterKey::new(&[1; 32])), Vec::new());
    let disks: [(&str, Arc<dyn Disk>); 2] =
        [("plain", Arc::new(RealDisk)), ("sealed", Arc::new(SealedDisk::new(Arc::new(RealDisk), masters, true)))];
    for (name, disk) in &disks {
        println!("{name}:");
        let folder = folder.join(name);
        std::fs::create_dir(&folder)?;
        file(&**disk, &folder)?;
        write(disk, &folder, sessions)?;
        find(&**disk, &folder)?;
    }
    ciphers();
    sync(folder, sessions)
}

/// A recording's file, written and read 128 KiB at a time.
fn file(disk: &dyn Disk, folder: &Path) -> anyhow::Result<()> {
    const BYTES: u64 = 512 << 20;
    let block = vec![0x5a; 128 << 10];
    let mut into = block.clone();
    let path = folder.join(named(&format!("{}.wav", RecordingId(1)), disk.seals()));
    let out = disk.create_new(&path)?;
    let began = Instant::now();
    for offset in (0..BYTES).step_by(block.len()) {
        out.write_at(offset, &block)?;
    }
    out.end()?;
    let written = began.elapsed();
    let input = disk.open_read(&path)?;
    let began = Instant::now();
    for offset in (0..BYTES).step_by(block.len()) {
        input.read_at(offset, &mut into)?;
    }
    let rate = |took: Duration| BYTES as f64 / took.as_secs_f64() / 1e9;
    println!("a file: written at {:.2} GB/s, read at {:.2} GB/s", rate(written), rate(began.elapsed()));
    disk.remove_file(&path)?;
    Ok(())
}

/// The core's own cipher, beside which ring's stands above.
fn ciphers() {
    let cipher = Aes256Gcm::new(&[1; 32]);
    let (block, mut out, began) = (vec![0x5a; 128 << 10], Vec::new(), Instant::now());
    let (mut end, mut count) = (End::EMPTY, 0);
    while began.elapsed() < Duration::from_secs(1) {
        out.clear();
        end = append(&cipher, end, &block, false, || Some([7; NONCE]), &mut out).unwrap_or(End::EMPTY);
        count += block.len();
    }
    println!("the core's own cipher seals {:.2} GB/s", count as f64 / began.elapsed().as_secs_f64() / 1e9);
}

fn entry<'a>(packet: &'a [u8], from: &str, at: i64) -> Entry<'a> {
    let (from, to) = (from.parse().unwrap_or(([0; 4], 1).into()), ([192, 0, 2, 2], 10_000).into());
    Entry { at: Wall(at), kind: Kind::Rtp { port: PortIndex(0), from, to, packet, protected: None } }
}

/// Nanoseconds a packet, encoded and read.
fn packets() {
    const COUNT: u32 = 2_000_000;
    let packet = [0x5a; 172];
    for (name, from) in [("IPv4", "192.0.2.1:4000"), ("IPv6", "[2001:db8::1]:4000")] {
        let entry = entry(&packet, from, AT);
        let mut out = Vec::new();
        let began = Instant::now();
        for _ in 0..COUNT {
            if out.len() > 1_000_000 {
                out.clear();
            }
            encoder::entry(&mut out, std::hint::black_box(&entry));
        }
        let encoded = began.elapsed().as_nanos() / u128::from(COUNT);
        let (began, mut read) = (Instant::now(), 0u32);
        while read < COUNT {
            let mut reader = Reader::new();
            reader.push(&out);
            while reader.next().is_some() {
                read += 1;
            }
        }
        println!(
            "packet of 172 bytes, {name}: encoded in {encoded} ns, read in {} ns",
            began.elapsed().as_nanos() / u128::from(read)
        );
    }
}

fn header(session: SessionId) -> SegmentHeader {
    SegmentHeader {
        version: "bench".into(),
        format: FORMAT_VERSION,
        session,
        segment: 1,
        seed: Seed([0; 32]),
        anchor: (Monotonic(0), Wall(AT)),
        boot: "this".into(),
        config: serde_json::json!({ "codecs": ["G.711", "G.729", "opus"] }).into(),
    }
}

/// 12 s of two legs of G.711 each, at their own pace, through the writer; its CPU time.
fn write(disk: &Arc<dyn Disk>, folder: &Path, sessions: u128) -> anyhow::Result<()> {
    let writer = Writer::with_log(Arc::clone(disk), folder, "this", CaughtUp::default(), 512 << 20, Arc::new(|| ()))?;
    let mut scribe = Scribe::default();
    let checkpoint = Kept::Checkpoint(format!("{{\"dialog\":\"{}\"}}", "x".repeat(4_000)).into_bytes());
    for session in (0..sessions).map(SessionId) {
        scribe.begin(Wall(AT), &header(session), &[(PortIndex(0), Some("1".into())), (PortIndex(1), Some("2".into()))]);
        scribe.keep(session, Wall(AT), &checkpoint);
    }
    scribe.take().into_iter().for_each(|blocks| {
        writer.hand_over(blocks);
    });
    writer.wait_written();
    let packet = [0x5a; 172];
    let mut slab = Vec::new();
    let (before, began, mut slowest) = (cpu()?, Instant::now(), Duration::ZERO);
    for round in 0..ROUNDS {
        let at = AT + i64::from(round) * 20_000_000;
        slab.clear();
        encoder::entry(&mut slab, &entry(&packet, "192.0.2.1:4000", at));
        encoder::entry(&mut slab, &entry(&packet, "192.0.2.1:4002", at));
        for session in (0..sessions).map(SessionId) {
            let mut bytes = writer.buffer();
            bytes.extend_from_slice(&slab);
            writer.hand_over_quietly(Blocks { session, segment: None, checkpoint_at: None, bytes });
        }
        writer.wake();
        std::thread::park_timeout((began + ROUND * (round + 1)).saturating_duration_since(Instant::now()));
        slowest = slowest.max(writer.figures().last_sync);
    }
    writer.wait_written();
    let (took, cpu) = (began.elapsed(), cpu()?.saturating_sub(before));
    let figures = writer.figures();
    println!(
        "{sessions} sessions written for {:.1} s: {:.0} % of a core, {} syncs of at most {} ms, {} packets dropped, {} stalls",
        took.as_secs_f32(),
        100.0 * cpu.as_secs_f32() / took.as_secs_f32(),
        figures.syncs,
        slowest.as_millis(),
        figures.dropped_packets,
        writer.take_stalls().len()
    );
    Ok(())
}

fn cpu() -> anyhow::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(u64::try_from(micros)?))
}

/// Phase 1 of a recovery, but for the ports.
fn find(disk: &dyn Disk, folder: &Path) -> anyhow::Result<()> {
    for boot in ["this", "another"] {
        let began = Instant::now();
        catch_up(disk, folder, boot)?;
        let found = Live::scan(disk, folder, boot)?;
        let took = began.elapsed();
        Live::tidy(disk, &found);
        let whole = found.iter().filter(|found| found.checkpoint.is_some() && found.header.is_some()).count();
        println!(
            "{whole} sessions of {boot} boot found in {} ms, tidied up in {} ms",
            took.as_millis(),
            (began.elapsed() - took).as_millis()
        );
    }
    Ok(())
}

/// A second's bytes of each session, made durable in different ways.
fn sync(folder: &Path, sessions: u128) -> anyhow::Result<()> {
    let second = vec![0x5a; 23 << 10];
    let files =
        (0..sessions).map(|n| RealDisk.create_new(&folder.join(n.to_string()))).collect::<Result<Vec<_>, _>>()?;
    let threads = |count: usize| {
        std::thread::scope(|scope| {
            for share in files.chunks(files.len().div_ceil(count)) {
                scope.spawn(|| share.iter().for_each(|file: &Arc<dyn DiskFile>| drop(file.sync_data())));
            }
        });
    };
    let ways: [(&str, &dyn Fn()); 5] = [
        ("fdatasync, one thread", &|| threads(1)),
        ("fdatasync, 8 threads", &|| threads(8)),
        ("fdatasync, 32 threads", &|| threads(32)),
        ("syncfs", &|| drop(File::open(folder).map(rustix::fs::syncfs))),
        ("syncfs, then fdatasync, 8 threads", &|| {
            drop(File::open(folder).map(rustix::fs::syncfs));
            threads(8);
        }),
    ];
    for (round, (name, way)) in (0..).zip(ways) {
        for file in &files {
            file.write_at(round * second.len() as u64, &second)?;
        }
        let began = Instant::now();
        way();
        println!(
            "{} KiB in each of {sessions} files made durable by {name}: {} ms",
            second.len() >> 10,
            began.elapsed().as_millis()
        );
    }
    Ok(())
}
