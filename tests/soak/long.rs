//! Calls that last: made of a journal that this writes, into files that this reads. Memory is to be what it is for a minute's call.

use siprec::archive::catalog::Catalog;
use siprec::archive::disk::RealDisk;
use siprec::archive::finish::Finisher;
use siprec_core::entry::{Digits, EndCause, Entry, Event, Kind, PortIndex, SegmentHeader, SourceChange, Stream};
use siprec_core::journal::{FORMAT_VERSION, encoder::Encoder, encoder::entry};
use siprec_core::render::{FileFormat, Layout, Rendition, Sidecar};
use siprec_core::sdp::Format;
use siprec_core::seed::{RecordingId, Seed, SessionId};
use siprec_core::time::{Monotonic, Wall};
use std::fs::File;
use std::io::{BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;
use support::TempDir;

const SESSION: SessionId = SessionId(((BEGAN / 1_000_000) as u128) << 80 | 0x51);
const RECORDING: RecordingId = RecordingId(SESSION.0 + 1);
/// 2026-11-20T23:59:59Z.
const BEGAN: i64 = 1_795_219_199_000_000_000;
const PACKET_NS: i64 = 20_000_000;
const PACKETS_A_SECOND: u64 = 50;
/// What rendering may take beyond what the process has before it: the second pass holds seconds, not hours. It takes some 4 MiB.
const MOST_KIB: u64 = 16 * 1024;

/// What a leg sends.
#[derive(Clone, Copy)]
struct Voice {
    encoding: &'static str,
    clock_rate: u32,
    octets: usize,
    /// The first octet of a payload.
    toc: Option<u8>,
}

const A_LAW: Voice = Voice { encoding: "PCMA", clock_rate: 8_000, octets: 160, toc: None };
/// CELT of the full band, which is rendered at 48 kHz, in packets of 20 ms.
const OPUS: Voice = Voice { encoding: "opus", clock_rate: 48_000, octets: 60, toc: Some(31 << 3) };

#[test]
#[ignore = "takes its time: make soak"]
fn four_hours_as_flac_and_as_opus() {
    for format in [FileFormat::Flac, FileFormat::Opus] {
        let made = render(A_LAW, 4 * 3_600, format);
        assert_eq!(made.sheet.duration_ms, 4 * 3_600_000);
        let seconds = made.seconds_by_ffprobe();
        assert!((seconds - 14_400.0).abs() < 0.1, "{format:?}: ffprobe says {seconds} s");
    }
}

/// 48,000 samples a second on two channels: seven hours are more than a RIFF can say.
#[test]
#[ignore = "takes its time: make soak"]
fn past_four_gibibytes() {
    let made = render(OPUS, 7 * 3_600, FileFormat::Wav);
    let file = made.file();
    assert!(file.metadata().unwrap().len() > 4 << 30, "{file:?}");
    let mut begin = [0; 4];
    BufReader::new(File::open(&file).unwrap()).read_exact(&mut begin).unwrap();
    assert_eq!(&begin, b"RF64");
    let seconds = made.seconds_by_ffprobe();
    assert!((seconds - 25_200.0).abs() < 0.1, "ffprobe says {seconds} s");
}

/// A rendered call, until this is dropped.
struct Made {
    data: TempDir,
    sheet: Sidecar,
}

impl Made {
    fn file(&self) -> PathBuf {
        let name = &self.sheet.files[0].name;
        let found = support::files_below(self.data.path());
        found.into_iter().find(|path| path.file_name().is_some_and(|n| n == name.as_str())).unwrap()
    }

    fn seconds_by_ffprobe(&self) -> f64 {
        let arguments = ["-v", "error", "-of", "csv=p=0", "-show_entries", "format=duration"];
        let output = Command::new("ffprobe").args(arguments).arg(self.file()).output();
        let output = output.expect("ffprobe: `make peers` installs it");
        String::from_utf8_lossy(&output.stdout).trim().parse().unwrap()
    }
}

/// Writes the journal of a call of two legs, renders it, and tells what that took.
fn render(voice: Voice, seconds: u64, format: FileFormat) -> Made {
    let data = TempDir::new("long");
    let journal = data.path().join("journals/live").join(SESSION.to_string());
    std::fs::create_dir_all(&journal).unwrap();
    write(&journal.join("000001.pcapng"), voice, seconds);
    let journal_mib = std::fs::metadata(journal.join("000001.pcapng")).unwrap().len() >> 20;
    let catalog = Arc::new(Catalog::temporary().unwrap());
    let rendition = Rendition { layout: Layout::Stereo, format };
    let finisher = Finisher::new(Arc::new(RealDisk), data.path().to_owned(), catalog).rendering(rendition);
    let (before, began) = (forget_peak(), Instant::now());
    let finished = finisher.finish(SESSION);
    let (took, peak) = (began.elapsed().as_secs_f64(), status("VmHWM:"));
    assert!(finished.put_away && finished.recordings.len() == 1, "{:?}", finished.failed);
    let sheet = finished.recordings.into_iter().next().unwrap();
    assert_eq!((sheet.proof.packets_received, sheet.proof.packets_lost), (2 * seconds * PACKETS_A_SECOND, 0));
    println!(
        "{} for {} h as {format:?}: {:.0} MiB of journal -> {} MiB in {took:.0} s ({:.0} times life), {} KiB before, {peak} KiB at most",
        voice.encoding,
        seconds / 3_600,
        journal_mib as f64,
        sheet.files[0].bytes >> 20,
        seconds as f64 / took,
        before,
    );
    assert!(peak.saturating_sub(before) < MOST_KIB, "{before} KiB before, {peak} KiB at most");
    Made { data, sheet }
}

/// A figure of this process, in KiB.
fn status(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_ascii_whitespace().next().unwrap().parse().unwrap()
}

/// From now on the peak of memory is counted anew; what is in memory now.
fn forget_peak() -> u64 {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    status("VmRSS:")
}

/// The journal, a minute of it in memory at a time.
fn write(path: &Path, voice: Voice, seconds: u64) {
    let mut file = File::create(path).unwrap();
    let mut out = Vec::new();
    let header = SegmentHeader {
        version: "0.1.0".to_owned(),
        format: FORMAT_VERSION,
        session: SESSION,
        segment: 1,
        seed: Seed([1; 32]),
        anchor: (Monotonic(0), Wall(BEGAN)),
        boot: "boot".to_owned(),
        config: Arc::default(),
    };
    let ports = [PortIndex(0), PortIndex(1)];
    Encoder::begin(&mut out, Wall(BEGAN), &header, &[(ports[0], Some("1")), (ports[1], Some("2"))]);
    let event = |out: &mut Vec<u8>, at: i64, event: Event| {
        entry(out, &Entry { at: Wall(BEGAN + at), kind: Kind::Event(event) });
    };
    ports.iter().for_each(|port| event(&mut out, 0, Event::Stream(stream(*port, voice))));
    event(&mut out, 0, Event::Answered);
    event(&mut out, 0, Event::RecordingStarted { recording: RECORDING, communication_session: None });
    for port in ports {
        let (ssrc, from) = (u32::from(port.0) + 7, address(1, port));
        event(&mut out, 0, Event::Source { port, ssrc, from, change: SourceChange::First });
    }
    let payloads = payloads(voice);
    let samples = u64::from(voice.clock_rate) / PACKETS_A_SECOND;
    for n in 0..seconds * PACKETS_A_SECOND {
        let at = Wall(BEGAN + i64::try_from(n).unwrap() * PACKET_NS);
        for port in ports {
            let mut packet = vec![0x80, 96];
            packet.extend(((n & 0xffff) as u16).to_be_bytes());
            packet.extend((((n * samples) & 0xffff_ffff) as u32).to_be_bytes());
            packet.extend((u32::from(port.0) + 7).to_be_bytes());
            packet.extend(&payloads[(n as usize + 100 * usize::from(port.0)) % payloads.len()]);
            let (from, to) = (address(1, port), address(9, port));
            entry(&mut out, &Entry { at, kind: Kind::Rtp { port, from, to, packet: &packet, protected: None } });
        }
        if n % (60 * PACKETS_A_SECOND) == 0 {
            file.write_all(&out).unwrap();
            out.clear();
        }
    }
    let end = i64::try_from(seconds).unwrap() * 1_000_000_000;
    event(&mut out, end, Event::RecordingEnded { recording: RECORDING, cause: EndCause::Bye });
    event(&mut out, end, Event::Ended { cause: EndCause::Bye });
    file.write_all(&out).unwrap();
}

fn address(last: u8, port: PortIndex) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 10_000 + 2 * port.0))
}

fn stream(port: PortIndex, voice: Voice) -> Stream {
    let Voice { encoding, clock_rate, .. } = voice;
    let format = Format { payload_type: 96, encoding: encoding.into(), clock_rate, channels: 1, fmtp: None };
    Stream {
        port,
        m_line: port.0,
        label: Some((port.0 + 1).to_string()),
        media: "audio".to_owned(),
        formats: [format].into(),
        local: address(9, port),
        local_rtcp: SocketAddr::from(([192, 0, 2, 9], 10_001 + 2 * port.0)),
        remote: Some(address(1, port)),
        paused: None,
        digits: Digits::Keep,
    }
}

fn payloads(voice: Voice) -> Vec<Vec<u8>> {
    let mut rng = support::Rng(5);
    let mut payload = |_| {
        let mut payload: Vec<u8> = (0..voice.octets).map(|_| rng.number().to_le_bytes()[0]).collect();
        payload[0] = voice.toc.unwrap_or(payload[0]);
        payload
    };
    (0..256).map(&mut payload).collect()
}
