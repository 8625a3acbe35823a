//! Captures of known content. Loss and jitter: what the sheet says is what was done, and what tshark's `rtp,streams` says. Audio: the
//! octets of a G.711 file are those that were sent.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use siprec_core::journal::datagram;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use support::recordings::{self, Recording};

const SRC: &str = "192.0.2.1:5060";
const SRS: &str = "192.0.2.2:5060";
const CAPTURE: &str = "call.pcap";
const DATA: &str = "data";
const MS: u64 = 1_000_000;
const PACKETS: u64 = 1_500;
/// Every second packet of a leg comes so much later.
const LATER_MS: [u64; 2] = [0, 8];

const A_LAW: u8 = 8;
const MU_LAW: u8 = 0;

/// A call of two legs.
#[derive(Clone, Copy)]
struct Made {
    payload_type: u8,
    faulty: bool,
    packets: u64,
    /// What is said on a leg in a packet.
    says: fn(u64, u64) -> Vec<u8>,
}

impl Made {
    fn new(payload_type: u8, faulty: bool) -> Self {
        Self { payload_type, faulty, packets: PACKETS, says: |leg, k| speech(leg, k).collect() }
    }
}

/// What happens to packets of a leg: some are lost singly, some in a row, some change places, some come twice.
fn copies(leg: u64, k: u64) -> u64 {
    match leg {
        0 => u64::from(k % 50 != 7),
        _ => u64::from(!(400..425).contains(&k)) + u64::from(k % 300 == 299),
    }
}

fn lost(leg: u64) -> u64 {
    (0..PACKETS).filter(|&k| copies(leg, k) == 0).count() as u64
}

/// What is said in a packet; mu-law's second zero is left out, since its samples are the first one's.
fn speech(leg: u64, k: u64) -> impl Iterator<Item = u8> {
    (0..160).map(move |n| ((n * 7 + k * 13 + leg) & 0xff) as u8).map(|code| if code == 0x7f { 0xff } else { code })
}

fn sdp(address: &str, port: u16, direction: &str, payload_type: u8) -> String {
    let leg = |port, label| format!("m=audio {port} RTP/AVP {payload_type}\r\na=label:{label}\r\na={direction}\r\n");
    format!(
        "v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n{}{}",
        leg(port, 1),
        leg(port + 2, 2)
    )
}

fn message(first: &str, cseq: &str, to_tag: &str, sdp: &str) -> Vec<u8> {
    let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{first}\r\nVia: SIP/2.0/UDP {SRC};branch=z9hG4bK{}\r\nFrom: <sip:src@example.com>;tag=a\r\nTo: <sip:srs@example.com>{to_tag}\r\n\
         Call-ID: figures@example.com\r\nCSeq: {cseq}\r\nMax-Forwards: 70\r\nContact: <sip:src@{SRC}>;+sip.src\r\nRequire: siprec\r\n{kind}\
         Content-Length: {}\r\n\r\n{sdp}",
        cseq.replace(' ', ""),
        sdp.len()
    )
    .into_bytes()
}

/// A classic pcap of a call with two legs.
fn capture(path: &Path, made: Made) {
    let Made { payload_type, faulty, packets: count, says } = made;
    let mut packets: Vec<(u64, String, String, Vec<u8>)> = Vec::new();
    let mut put = |at: u64, from: &str, to: &str, bytes: Vec<u8>| packets.push((at, from.into(), to.into(), bytes));
    let invite = "INVITE sip:srs@192.0.2.2 SIP/2.0";
    put(0, SRC, SRS, message(invite, "1 INVITE", "", &sdp("192.0.2.1", 40_000, "sendonly", payload_type)));
    put(
        MS,
        SRS,
        SRC,
        message("SIP/2.0 200 OK", "1 INVITE", ";tag=b", &sdp("192.0.2.2", 10_000, "recvonly", payload_type)),
    );
    put(2 * MS, SRC, SRS, message("ACK sip:srs@192.0.2.2 SIP/2.0", "1 ACK", ";tag=b", ""));
    for (k, leg) in (0..count).flat_map(|k| [(k, 0), (k, 1)]) {
        let mut packet = vec![0x80, payload_type];
        packet.extend(u16::try_from((65_000 + k) % 65_536).unwrap().to_be_bytes());
        packet.extend(u32::try_from(k * 160).unwrap().to_be_bytes());
        packet.extend((0x5150 + u32::try_from(leg).unwrap()).to_be_bytes());
        packet.extend(says(leg, k));
        // The second leg's packets 800 and 801 change places.
        let place = if faulty && leg == 1 && k / 2 == 400 { k ^ 1 } else { k };
        let at = 3 * MS
            + place * 20 * MS
            + if faulty { LATER_MS[usize::try_from(leg).unwrap()] * MS * (place % 2) } else { 0 };
        let (from, to) = (format!("192.0.2.1:{}", 40_000 + 2 * leg), format!("192.0.2.2:{}", 10_000 + 2 * leg));
        for copy in 0..if faulty { copies(leg, k) } else { 1 } {
            put(at + copy * 1_000, &from, &to, packet.clone());
        }
    }
    let end = count * 20 * MS + 50 * MS;
    put(end, SRC, SRS, message("BYE sip:srs@192.0.2.2 SIP/2.0", "2 BYE", ";tag=b", ""));
    put(end + MS, SRS, SRC, message("SIP/2.0 200 OK", "2 BYE", ";tag=b", ""));
    packets.sort_by_key(|(at, ..)| *at);
    // Nanoseconds; version 2.4; no zone; as long as need be; link type 101, raw IP.
    let mut out: Vec<u8> =
        [0xa1b2_3c4d_u32, 4 << 16 | 2, 0, 0, 65_575, 101].iter().flat_map(|f| f.to_le_bytes()).collect();
    for (at, from, to, bytes) in packets {
        let (from, to): (SocketAddr, SocketAddr) = (from.parse().unwrap(), to.parse().unwrap());
        let mut frame = Vec::new();
        datagram(&mut frame, from, to, &bytes);
        let length = frame.len() as u64;
        for field in [1_790_000_000 + at / 1_000_000_000, at % 1_000_000_000, length, length] {
            out.extend(u32::try_from(field).unwrap().to_le_bytes());
        }
        out.extend(frame);
    }
    std::fs::write(path, out).unwrap();
}

/// SSRC, packets, lost, and mean jitter in ms, as tshark sees them.
fn tshark(file: &Path) -> Option<Vec<(u32, u64, i64, f64)>> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-q", "-z", "rtp,streams", "-r"]).arg(file);
    let Ok(output) = command.output() else {
        support::lacking("tshark is not installed");
        return None;
    };
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words.iter().position(|word| word.starts_with("0x"))?;
        let ssrc = u32::from_str_radix(words[at].strip_prefix("0x")?, 16).ok()?;
        let rest = &words[at + 1..];
        let first = rest.iter().position(|word| word.parse::<u64>().is_ok())?;
        // Packets, lost, (share), deltas: least, mean, most; jitter: least, mean, most.
        let numbers: Vec<f64> = rest[first..].iter().filter_map(|word| word.parse().ok()).collect();
        Some((ssrc, numbers[0] as u64, numbers[1] as i64, numbers[6]))
    };
    let rows: Vec<_> = String::from_utf8_lossy(&output.stdout).lines().filter_map(row).collect();
    Some(rows)
}

/// What `siprec replay` makes of a call, below `folder`.
fn replayed(folder: &Path, made: Made) -> Recording {
    let (file, data) = (folder.join(CAPTURE), folder.join(DATA));
    capture(&file, made);
    siprec(&["replay".as_ref(), file.as_os_str(), "--data-dir".as_ref(), data.as_os_str()]);
    let mut all = recordings::all(&data);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn siprec(arguments: &[&OsStr]) {
    let output = Command::new(env!("CARGO_BIN_EXE_siprec")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn loss_and_jitter_are_what_was_done_and_what_tshark_says() {
    let folder = tempfile::Builder::new().prefix("siprec-figures-").tempdir().unwrap();
    let made = replayed(folder.path(), Made::new(A_LAW, true));
    let file = folder.path().join(CAPTURE);
    let judged = tshark(&file);
    for leg in 0..2_u64 {
        let source = &made.sheet["streams"][usize::try_from(leg).unwrap()]["sources"][0];
        let of = |name: &str| source[name].as_u64().unwrap();
        let (packets, expected) = (PACKETS - lost(leg), PACKETS);
        assert_eq!((of("packets"), of("expected"), of("lost")), (packets, expected, lost(leg)), "leg {leg}");
        assert_eq!((of("late"), of("duplicates")), if leg == 0 { (0, 0) } else { (1, 5) }, "leg {leg}");
        let jitter_ms = of("jitter_us") as f64 / 1_000.0;
        let wanted = LATER_MS[usize::try_from(leg).unwrap()] as f64;
        assert!((jitter_ms - wanted).abs() < 0.3, "leg {leg}: {jitter_ms} ms");
        let Some(rows) = &judged else { continue };
        let &(_, seen, missing, mean) = rows.iter().find(|row| u64::from(row.0) == 0x5150 + leg).unwrap();
        // tshark counts copies as packets, and takes them off what is lost.
        assert_eq!(seen, packets + of("duplicates"), "leg {leg}");
        assert_eq!(missing + i64::try_from(of("duplicates")).unwrap(), i64::try_from(lost(leg)).unwrap(), "leg {leg}");
        assert!((mean - jitter_ms).abs() < 0.6, "leg {leg}: {jitter_ms} ms, tshark {mean} ms");
    }
    // Losses in a row stand apart from those by chance.
    let burst = |leg: usize| made.sheet["streams"][leg]["sources"][0]["quality"]["burst_ratio_hundredths"].as_u64();
    assert_eq!(burst(0), Some(100));
    assert!(burst(1) > Some(2_000), "{:?}", burst(1));
    assert_eq!(made.sheet["proof"]["gaps"][0]["packets"], 25);
}

#[test]
fn a_g711_file_holds_the_octets_that_were_sent_under_either_law() {
    for (payload_type, coding, tag) in [(A_LAW, "a_law", 6), (MU_LAW, "mu_law", 7)] {
        let folder = tempfile::Builder::new().prefix("siprec-figures-").tempdir().unwrap();
        replayed(folder.path(), Made::new(payload_type, false));
        let (data, to) = (folder.path().join(DATA), folder.path().join("again"));
        let words = ["export", "--as", "wav-g711", "--data-dir"].map(OsStr::new);
        siprec(&[&words[..], &[data.as_os_str(), "--to".as_ref(), to.as_os_str()]].concat());
        let made = support::files_below(&to);
        let wav = made.iter().find(|path| path.extension().is_some_and(|extension| extension == "wav")).unwrap();
        let sheet: serde_json::Value =
            serde_json::from_slice(&std::fs::read(wav.with_extension("json")).unwrap()).unwrap();
        assert_eq!(sheet["files"][0]["coding"], coding, "{}", sheet["proof"]["findings"]);
        let bytes = std::fs::read(wav).unwrap();
        assert_eq!(u16::from_le_bytes([bytes[20], bytes[21]]), tag, "the format's tag in the WAV header");
        let audio = bytes.windows(4).position(|window| window == b"data").unwrap() + 8;
        for leg in 0..2_u64 {
            let heard: Vec<u8> =
                bytes[audio..].iter().skip(usize::try_from(leg).unwrap()).step_by(2).copied().collect();
            let sent: Vec<u8> = (0..PACKETS).flat_map(|k| speech(leg, k)).collect();
            let first = heard.windows(320).position(|window| window == &sent[..320]).unwrap();
            assert!(heard[first..].starts_with(&sent), "{coding}, leg {leg}");
        }
    }
}

#[test]
fn a_sheet_alone_is_the_archives_sheet() {
    let folder = tempfile::Builder::new().prefix("siprec-figures-").tempdir().unwrap();
    let made = replayed(folder.path(), Made::new(A_LAW, true));
    let (data, to) = (folder.path().join(DATA), folder.path().join("again"));
    let words = ["export", "--as", "json", "--data-dir"].map(OsStr::new);
    siprec(&[&words[..], &[data.as_os_str(), "--to".as_ref(), to.as_os_str()]].concat());
    let files = support::files_below(&to);
    assert_eq!(files.len(), 1, "{files:?}");
    let sheet: serde_json::Value = serde_json::from_slice(&std::fs::read(&files[0]).unwrap()).unwrap();
    assert_eq!((&sheet["streams"], &sheet["files"]), (&made.sheet["streams"], &made.sheet["files"]));
    assert_eq!((&sheet["proof"]["gaps"], &sheet["journal"]), (&made.sheet["proof"]["gaps"], &made.sheet["journal"]));
}

/// Loud octets that no other voice and no other packet has.
fn voice(voice: u64, k: u64) -> Vec<u8> {
    let mut state = voice * 1_000_003 + k;
    let mut octet = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u8::try_from(state >> 56).unwrap() ^ 0x55
    };
    (0..160).map(|_| octet()).collect()
}

/// The alarms in the sheet, in their order: name, label, raised. (The voices here are loud: that they clip is told too.)
fn alarms(made: &Recording) -> Vec<(&str, &str, bool)> {
    made.list("/proof/alarms")
        .iter()
        .map(|alarm| {
            (alarm["alarm"].as_str().unwrap(), alarm["label"].as_str().unwrap(), alarm["raised"].as_bool().unwrap())
        })
        .filter(|(alarm, ..)| *alarm != "clipped")
        .collect()
}

#[test]
fn a_leg_that_is_copied_twice_is_alarmed_while_the_call_runs() {
    let folder = tempfile::Builder::new().prefix("siprec-figures-").tempdir().unwrap();
    // From 20 s on, each leg has its own voice.
    let says = |leg: u64, k: u64| voice(if k < 1_000 { 7 } else { leg }, k);
    let made = replayed(folder.path(), Made { says, ..Made::new(A_LAW, false) });
    assert_eq!(alarms(&made), [("identical", "2", true), ("identical", "2", false)]);
}

#[test]
fn one_way_audio_is_alarmed_while_the_call_runs() {
    let folder = tempfile::Builder::new().prefix("siprec-figures-").tempdir().unwrap();
    let says = |leg: u64, k: u64| if leg == 1 && k < 2_000 { vec![0xd5; 160] } else { voice(leg, k) };
    let made = replayed(folder.path(), Made { says, packets: 2_200, ..Made::new(A_LAW, false) });
    let raised = |raised| [("silent", "2", raised), ("one_way", "2", raised)];
    assert_eq!(alarms(&made), [raised(true), raised(false)].concat());
}
