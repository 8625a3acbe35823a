//! Captures anonymised: they name nobody, other programs find nothing wrong with them, and they replay as the originals do.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]
#![allow(clippy::print_stderr, reason = "whoever runs the tests has to see that there are no captures")]

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use etherparse::PacketBuilder;
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use siprec::trace::anonymise::{Options, Report, anonymise};
use siprec_core::sdp::crypto::Crypto;
use siprec_core::seed::Seed;
use siprec_core::srtp::Sender;
use support::recordings::{self, Recording};
use support::{TempDir, tshark};

const SRC: &str = "198.51.100.20:5060";
const SRS: &str = "203.0.113.5:5060";
const MAC: [u8; 6] = [0x00, 0x04, 0xf2, 0xab, 0xcd, 0xef];
const KEY: &str = "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
const SIP_PORT: u16 = 5060;

/// Whatever the made-up calls tell of people and machines.
const TOLD: [&str; 14] = [
    "491705551234",
    "12125550199",
    "5551234",
    "Alice",
    "Cooper",
    "Zed Zulu",
    "acme-bank",
    "198.51.100.",
    "203.0.113.5",
    "trader7",
    "hunter22",
    "WVNfX19zZW1",
    "9e107d9d372bb6826bd81d3542a419d6",
    "Cust0mer",
];

/// A capture that is being made up.
struct Wire {
    writer: PcapWriter<Vec<u8>>,
    at: std::time::Duration,
    sequences: BTreeMap<(SocketAddr, SocketAddr), u32>,
}

impl Wire {
    fn new() -> Self {
        let at = std::time::Duration::from_secs(1_790_000_000);
        let writer = PcapWriter::with_header(Vec::new(), PcapHeader::default()).unwrap();
        Self { writer, at, sequences: BTreeMap::new() }
    }

    fn write(&mut self, frame: Vec<u8>) {
        let length = u32::try_from(frame.len()).unwrap();
        self.writer.write_packet(&PcapPacket::new_owned(self.at, length, frame)).unwrap();
    }

    fn udp(&mut self, from: &str, to: &str, payload: &[u8]) {
        let (from, to): (SocketAddr, SocketAddr) = (from.parse().unwrap(), to.parse().unwrap());
        let (IpAddr::V4(source), IpAddr::V4(target)) = (from.ip(), to.ip()) else { panic!("IPv4") };
        let mut frame = Vec::new();
        let builder = PacketBuilder::ethernet2(MAC, MAC).ipv4(source.octets(), target.octets(), 64);
        builder.udp(from.port(), to.port()).write(&mut frame, payload).unwrap();
        self.write(frame);
    }

    /// In segments of 700 octets.
    fn tcp(&mut self, from: &str, to: &str, payload: &[u8]) {
        let (from, to): (SocketAddr, SocketAddr) = (from.parse().unwrap(), to.parse().unwrap());
        let (IpAddr::V4(source), IpAddr::V4(target)) = (from.ip(), to.ip()) else { panic!("IPv4") };
        for piece in payload.chunks(700) {
            let sequence = self.sequences.entry((from, to)).or_insert(1);
            let mut frame = Vec::new();
            let builder = PacketBuilder::ethernet2(MAC, MAC).ipv4(source.octets(), target.octets(), 64);
            builder.tcp(from.port(), to.port(), *sequence, 4096).ack(1).write(&mut frame, piece).unwrap();
            *sequence += u32::try_from(piece.len()).unwrap();
            self.write(frame);
        }
    }

    fn sip(&mut self, over_tcp: bool, from: &str, to: &str, message: &str) {
        if over_tcp { self.tcp(from, to, message.as_bytes()) } else { self.udp(from, to, message.as_bytes()) }
    }

    fn save(self, path: &Path) -> PathBuf {
        std::fs::write(path, self.writer.into_writer()).unwrap();
        path.to_owned()
    }
}

fn with_length(head: &str, body: &str) -> String {
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())
}

const DIALOG: &str = "From: \"Alice Cooper\" <sip:+491705551234@sbc1.acme-bank.de;user=phone>;tag=src1\r\n\
    Call-ID: 7f3-0049170@198.51.100.20\r\n";

fn sdp(host: &str, port: u16, direction: &str, crypto: Option<&str>) -> String {
    let proto = if crypto.is_some() { "RTP/SAVP" } else { "RTP/AVP" };
    let line = crypto.map(|line| format!("a=crypto:{line}\r\n")).unwrap_or_default();
    let media = |port: u16, label: u8| {
        format!(
            "m=audio {port} {proto} 8 101\r\na=rtpmap:101 telephone-event/8000\r\n{line}a={direction}\r\na=label:{label}\r\n"
        )
    };
    format!(
        "v=0\r\no=trader7 1 1 IN IP4 {host}\r\ns=Cust0mer desk\r\nc=IN IP4 {host}\r\nt=0 0\r\n{}{}",
        media(port, 1),
        media(port + 2, 2)
    )
}

fn invite(crypto: Option<&str>) -> String {
    let metadata = "<?xml version=\"1.0\"?><recording xmlns=\"urn:ietf:params:xml:ns:recording:1\"><datamode>complete</datamode>\
        <session session_id=\"s\"/><participant participant_id=\"a\"><nameID aor=\"sip:+491705551234@acme-bank.de\">\
        <name>Alice Cooper</name></nameID></participant><participant participant_id=\"b\"><nameID aor=\"tel:+12125550199\">\
        <name>Zed Zulu</name></nameID></participant><stream stream_id=\"x\" session_id=\"s\"><label>1</label></stream>\
        <stream stream_id=\"y\" session_id=\"s\"><label>2</label></stream>\
        <participantsessionassoc participant_id=\"a\" session_id=\"s\"/><participantsessionassoc participant_id=\"b\" session_id=\"s\"/>\
        <participantstreamassoc participant_id=\"a\"><send>x</send><recv>y</recv></participantstreamassoc>\
        <participantstreamassoc participant_id=\"b\"><send>y</send><recv>x</recv></participantstreamassoc></recording>";
    let body = format!(
        "--b\r\nContent-Type: application/sdp\r\n\r\n{}\r\n--b\r\nContent-Type: application/rs-metadata+xml\r\n\
         Content-Disposition: recording-session\r\n\r\n{metadata}\r\n--b--\r\n",
        sdp("198.51.100.20", 40_000, "sendonly", crypto)
    );
    let uui: String = "Zed Zulu +12125550199".bytes().map(|byte| format!("{byte:02x}")).collect();
    with_length(
        &format!(
            "INVITE sip:rec@203.0.113.5 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bKa\r\nMax-Forwards: 70\r\n\
             {DIALOG}To: <sip:rec@203.0.113.5>\r\nCSeq: 1 INVITE\r\nContact: <sip:trader7:hunter22@198.51.100.20>;+sip.src\r\n\
             Require: siprec\r\nAuthorization: Digest username=\"trader7\", realm=\"acme-bank.de\", \
             response=\"9e107d9d372bb6826bd81d3542a419d6\"\r\nUser-to-User: 04{uui};encoding=hex\r\n\
             X-Desk: QWxpY2UgQ29vcGVyLCArNDkxNzA1NTUxMjM0; from=%2B12125550199%40acme-bank.de\r\n\
             Content-Type: multipart/mixed;boundary=b\r\n"
        ),
        &body,
    )
}

fn short(method: &str, cseq: &str) -> String {
    with_length(
        &format!(
            "{method} sip:rec@203.0.113.5 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bK{method}\r\n\
             Max-Forwards: 70\r\n{DIALOG}To: <sip:rec@203.0.113.5>;tag=srs1\r\nCSeq: {cseq}\r\n"
        ),
        "",
    )
}

fn ok(cseq: &str, body: &str) -> String {
    with_length(
        &format!(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bKa\r\n{DIALOG}\
             To: <sip:rec@203.0.113.5>;tag=srs1\r\nCSeq: {cseq}\r\nContact: <sip:rec@203.0.113.5>\r\n\
             Content-Type: application/sdp\r\n"
        ),
        body,
    )
}

fn rtp(kind: u8, sequence: u16, timestamp: u32, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let head = [&[0x80, kind][..], &sequence.to_be_bytes(), &timestamp.to_be_bytes(), &ssrc.to_be_bytes()].concat();
    [&head[..], payload].concat()
}

/// A call of two seconds, with a key pressed and a description of a source.
fn call(over_tcp: bool, secure: bool) -> Wire {
    let mut wire = Wire::new();
    let crypto = secure.then_some(KEY);
    wire.sip(over_tcp, SRC, SRS, &invite(crypto));
    wire.sip(over_tcp, SRS, SRC, &ok("1 INVITE", &sdp("203.0.113.5", 20_000, "recvonly", crypto)));
    wire.sip(over_tcp, SRC, SRS, &short("ACK", "1 ACK"));
    let keys = Crypto::parse(KEY).unwrap();
    let mut sender = Sender::new(&keys.keys[0], keys.encryption).unwrap();
    for n in 0..100_u16 {
        wire.at += std::time::Duration::from_millis(20);
        for leg in 0..2_u16 {
            let ssrc = 0x0a0a_0a00 + u32::from(leg);
            let pressed = leg == 0 && (40..46).contains(&n);
            let loud: Vec<u8> = (0..160_u8).map(|at| if at % 8 < 4 { 0x20 } else { 0xa0 }).collect();
            let mut packet = if pressed {
                rtp(101, n, 40 * 160, ssrc, &[7, if n == 45 { 0x8a } else { 0x0a }, 3, 0x20])
            } else {
                rtp(8, n, u32::from(n) * 160, ssrc, &loud)
            };
            if secure {
                sender.protect(&mut packet).unwrap();
            }
            let (from, to) = (40_000 + leg * 2, 20_000 + leg * 2);
            wire.udp(&format!("198.51.100.20:{from}"), &format!("203.0.113.5:{to}"), &packet);
        }
        if n == 50 && !secure {
            let mut report = vec![0x80, 201, 0, 1, 0x0a, 0x0a, 0x0a, 0];
            siprec_core::rtp::rtcp::encode_description(&mut report, 0x0a0a_0a00, "trader7@198.51.100.20");
            wire.udp("198.51.100.20:40001", "203.0.113.5:20001", &report);
        }
    }
    wire.sip(over_tcp, SRC, SRS, &short("BYE", "2 BYE"));
    wire.sip(over_tcp, SRS, SRC, &ok("2 BYE", ""));
    wire
}

fn seeded() -> Options {
    Options { seed: Some(Seed([4; 32])) }
}

fn done(input: &Path, output: &Path) -> Report {
    anonymise(&[input.to_owned()], output, &seeded()).unwrap_or_else(|error| panic!("{error:#}"))
}

fn replayed(file: &Path, data: &Path) -> Vec<Recording> {
    let output = Command::new(env!("CARGO_BIN_EXE_siprec"))
        .arg("replay")
        .arg(file)
        .arg("--data-dir")
        .arg(data)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    let mut made = recordings::all(data);
    made.sort_by_key(Recording::started_at);
    made
}

/// What of a recording has to be as it was: when, who sends which label, whether they have names, what was received.
fn shape(recording: &Recording) -> String {
    let people: Vec<String> = recording
        .list("/participants")
        .iter()
        .map(|p| {
            format!(
                "{} {} {}",
                !p["aor"].as_str().unwrap_or("").is_empty(),
                !p["name"].as_str().unwrap_or("").is_empty(),
                p["labels"]
            )
        })
        .collect();
    let labels: Vec<String> = recording.list("/streams").iter().map(|s| s["label"].to_string()).collect();
    let received: Vec<String> =
        recording.sources().iter().map(|(ssrc, source)| format!("{ssrc:x} {source:?}")).collect();
    let digits = recording.list("/digits").len();
    format!("{} {people:?} {labels:?} {received:?} {digits} digits", recording.started_at())
}

/// Where `text` stands in `bytes`, in capitals or not, plain, in hexadecimal digits, base64 or percent signs.
fn left_of<'a>(bytes: &[u8], texts: &[&'a str]) -> Vec<&'a str> {
    let lower = bytes.to_ascii_lowercase();
    let has = |text: &str| lower.windows(text.len()).any(|part| part == text.to_ascii_lowercase().as_bytes());
    let ways = |text: &str| {
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        let percent: String = text
            .bytes()
            .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02x}") })
            .collect();
        let base64 = (0..3).map(|shift| {
            let coded = STANDARD.encode([&vec![b' '; shift][..], text.as_bytes()].concat());
            coded[[0, 2, 3][shift]..coded.len() - 4].to_owned()
        });
        [text.to_owned(), hex, percent].into_iter().chain(base64.filter(|coded| coded.len() >= 6)).collect::<Vec<_>>()
    };
    texts.iter().copied().filter(|text| ways(text).iter().any(|way| has(way))).collect()
}

fn bad_checksums(file: &Path) -> String {
    let checks = ["ip.check_checksum:TRUE", "udp.check_checksum:TRUE", "tcp.check_checksum:TRUE"];
    let filter =
        "ip.checksum.status == 0 or udp.checksum.status == 0 or tcp.checksum.status == 0 or tcp.analysis.lost_segment";
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(["-n", "-Y", filter]);
    for check in checks {
        command.args(["-o", check]);
    }
    let out = command.output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

fn sound(file: &Path) {
    if tshark::present() {
        assert_eq!(tshark::complaints(file, SIP_PORT), [""; 0], "{}", file.display());
        assert_eq!(bad_checksums(file), "", "{}", file.display());
    }
}

#[test]
fn a_call_names_nobody_and_replays_as_before() {
    let scratch = TempDir::new("anonymise");
    for (name, over_tcp, secure) in [("udp", false, false), ("tcp", true, false), ("srtp", false, true)] {
        let input = call(over_tcp, secure).save(&scratch.path().join(format!("{name}.pcap")));
        let output = scratch.path().join(format!("{name}-anonymous.pcapng"));
        let report = done(&input, &output);
        let counted = (report.messages, report.rtp, report.rtcp, report.protected_anew, report.zeroed);
        assert_eq!(counted, (5, 200, u64::from(!secure), if secure { 200 } else { 0 }, 0), "{report}");
        assert_eq!(report.left_out.total(), 0, "{report}");
        let bytes = std::fs::read(&output).unwrap();
        // All but the key, which only one of them has.
        let there = left_of(&std::fs::read(&input).unwrap(), &TOLD).len();
        assert_eq!(there, TOLD.len() - usize::from(!secure), "{name}: the judge sees what is there");
        assert_eq!(left_of(&bytes, &TOLD), [""; 0], "{name}");
        for octets in [&MAC[..], &[198, 51, 100, 20], &[203, 0, 113, 5], &[0x20, 0x20, 0x20, 0x20, 0xa0, 0xa0]] {
            assert!(!bytes.windows(octets.len()).any(|part| part == octets), "{name}: {octets:?}");
        }
        sound(&output);
        let (before, after) = (
            replayed(&input, &scratch.path().join(format!("{name}-before"))),
            replayed(&output, &scratch.path().join(format!("{name}-after"))),
        );
        assert_eq!(before.len(), 1);
        assert_eq!(before.iter().map(shape).collect::<Vec<_>>(), after.iter().map(shape).collect::<Vec<_>>(), "{name}");
        assert_ne!(after[0].list("/digits")[0]["digit"], "7", "{name}: another key");
        let audible = |recording: &Recording| {
            recording.audio().unwrap().iter().flat_map(|file| file.channels.concat()).any(|sample| sample.abs() > 100)
        };
        assert!(audible(&before[0]) && !audible(&after[0]), "{name}: nobody is heard");
    }
}

#[test]
fn what_cannot_be_read_is_left_out_and_counted() {
    let scratch = TempDir::new("anonymise-left-out");
    let mut wire = call(false, false);
    wire.udp(
        "198.51.100.20:3478",
        "203.0.113.9:3478",
        &[&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], b"trader7@acme-bank.de"].concat(),
    );
    wire.udp(
        "198.51.100.20:53",
        "203.0.113.9:53",
        b"\x80\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x09acme-bank\x02de\x00",
    );
    wire.udp("198.51.100.20:40000", "203.0.113.5:20000", &[22, 0xfe, 0xfd, 0, 0]);
    wire.tcp("198.51.100.20:40100", "203.0.113.5:5061", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00");
    wire.tcp("198.51.100.20:40200", "203.0.113.5:80", b"GET /acme-bank HTTP/1.1\r\n\r\n");
    let input = wire.save(&scratch.path().join("in.pcap"));
    let output = scratch.path().join("out.pcap");
    let report = done(&input, &output);
    let left = report.left_out;
    assert_eq!((left.datagrams + left.dtls, left.tls, left.tcp), (3, 1, 1), "{report}");
    assert_eq!(left_of(&std::fs::read(&output).unwrap(), &TOLD), [""; 0]);
    let told = report.to_string();
    assert!(told.contains("left out, as it cannot be read:") && told.contains("1 segments of TLS"), "{told}");
    sound(&output);
}

#[test]
fn srtp_without_its_key_is_zeros_and_that_is_said() {
    let scratch = TempDir::new("anonymise-keyless");
    let mut wire = Wire::new();
    let other = "1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
    wire.sip(false, SRC, SRS, &invite(Some(other)));
    wire.sip(false, SRS, SRC, &ok("1 INVITE", &sdp("203.0.113.5", 20_000, "recvonly", Some(other))));
    for n in 0..10 {
        wire.udp("198.51.100.20:40000", "203.0.113.5:20000", &rtp(8, n, 0, 7, &[0x55; 170]));
    }
    let input = wire.save(&scratch.path().join("in.pcap"));
    let output = scratch.path().join("out.pcapng");
    let report = done(&input, &output);
    assert_eq!((report.rtp, report.zeroed), (10, 10));
    assert!(report.to_string().contains("10 packets of SRTP could not be opened"), "{report}");
    assert!(!std::fs::read(&output).unwrap().windows(8).any(|part| part == [0x55; 8]));
}

#[test]
fn one_seed_makes_one_file_and_none_makes_another_each_time() {
    let scratch = TempDir::new("anonymise-seed");
    let input = call(true, false).save(&scratch.path().join("in.pcap"));
    let to = |name: &str, options: &Options| {
        let path = scratch.path().join(name);
        anonymise(std::slice::from_ref(&input), &path, options).unwrap();
        std::fs::read(path).unwrap()
    };
    assert!(to("a.pcap", &seeded()) == to("b.pcap", &seeded()));
    assert!(to("c.pcap", &Options::default()) != to("d.pcap", &Options::default()));
}

#[test]
fn what_is_wrong_is_told_with_its_remedy_and_leaves_no_file() {
    let scratch = TempDir::new("anonymise-errors");
    let input = call(false, false).save(&scratch.path().join("in.pcap"));
    let output = scratch.path().join("out.pcap");
    let error = |inputs: &[PathBuf], output: &Path| format!("{:#}", anonymise(inputs, output, &seeded()).unwrap_err());
    assert!(error(std::slice::from_ref(&input), &input).contains("one of the inputs"));
    assert!(error(&[PathBuf::from("-")], &output).contains("reads its input twice"));
    assert!(error(&[scratch.path().join("none.pcap")], &output).contains("none.pcap: cannot be opened"));
    let torn = scratch.path().join("torn.pcap");
    let whole = std::fs::read(&input).unwrap();
    std::fs::write(&torn, &whole[..whole.len() - 9]).unwrap();
    assert!(error(&[torn], &output).contains("cut off"));
    assert!(!output.exists());
}

#[test]
fn the_command_writes_it_and_tells_what_it_did() {
    let scratch = TempDir::new("anonymise-command");
    let input = call(false, false).save(&scratch.path().join("in.pcap"));
    let output = scratch.path().join("out.pcapng");
    let run = |more: &[&str]| {
        let mut siprec = Command::new(env!("CARGO_BIN_EXE_siprec"));
        let done = siprec.arg("trace").arg("--anonymise").arg(&output).args(more).arg(&input).output().unwrap();
        (done.status.code(), String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap())
    };
    let (code, said, _) = run(&[]);
    assert!(code == Some(0) && said.contains("SIP messages") && said.ends_with('\n'), "{said}");
    let (_, said, _) = run(&["--json"]);
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(report["messages"].as_u64() >= Some(4) && report["left_out"]["tls"] == 0, "{said}");
    assert!(!replayed(&output, &scratch.path().join("data")).is_empty());
    let (code, _, error) = run(&["--list"]);
    assert!(code == Some(2) && error.contains("cannot be used with"), "{error}");
}

/// Captures of a real SRC, which lie beside the workspace where it is developed (`../shared/pcap`).
#[test]
fn captures_of_a_real_src_replay_as_before() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/pcap");
    let folder = std::env::var_os("SIPREC_CAPTURES").map_or(beside, PathBuf::from);
    let Ok(listed) = std::fs::read_dir(&folder) else {
        eprintln!("\n*** NOT TESTED: there are no captures at {}; set SIPREC_CAPTURES ***\n", folder.display());
        return;
    };
    let scratch = TempDir::new("anonymise-real");
    let files = listed.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "pcap"));
    for input in files {
        let name = input.file_stem().unwrap().to_string_lossy().into_owned();
        let output = scratch.path().join(format!("{name}.pcapng"));
        let report = done(&input, &output);
        assert!(report.messages > 3 && report.rtp > 100, "{name}: {report}");
        sound(&output);
        let (before, after) = (
            replayed(&input, &scratch.path().join(format!("{name}-before"))),
            replayed(&output, &scratch.path().join(format!("{name}-after"))),
        );
        assert_eq!(before.iter().map(shape).collect::<Vec<_>>(), after.iter().map(shape).collect::<Vec<_>>(), "{name}");
        let names: Vec<String> = before
            .iter()
            .flat_map(|r| r.list("/participants").to_vec())
            .filter_map(|p| p["name"].as_str().map(str::to_owned))
            .collect();
        let told: Vec<&str> = names.iter().map(String::as_str).filter(|name| name.len() > 3).collect();
        assert_eq!(left_of(&std::fs::read(&output).unwrap(), &told), [""; 0], "{name}");
    }
}
