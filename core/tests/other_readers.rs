//! A journal, read by programs that are not ours: what they say of it is the proof that it is pcapng.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test")]

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use pcap_file::pcapng::{Block, PcapNgReader};
use siprec_core::entry::{Entry, Event, Kind, PortIndex, SegmentHeader};
use siprec_core::journal::encoder::{self, Encoder};
use siprec_core::journal::{FORMAT_VERSION, Mark};
use siprec_core::seed::{Seed, SessionId};
use siprec_core::sip::Transport;
use siprec_core::time::{Monotonic, Wall};

const START: i64 = 1_790_000_000_123_456_789;
const PACKETS: u16 = 50;

const INVITE_SDP: &str = "v=0\r\no=src 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=sendonly\r\na=label:1\r\n";
const ANSWER_SDP: &str = "v=0\r\no=srs 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
    m=audio 10000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=recvonly\r\na=label:1\r\n";

fn message(start: &str, cseq: &str, body: &str) -> String {
    format!(
        "{start}\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1{cseq}\r\nFrom: <sip:src@example.com>;tag=a\r\n\
         To: <sip:srs@example.com>;tag=b\r\nCall-ID: c1@example.com\r\nCSeq: {cseq}\r\nMax-Forwards: 70\r\n\
         Contact: <sip:src@192.0.2.1>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn rtp(sequence: u16, ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 8];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&(u32::from(sequence) * 160).to_be_bytes());
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(&[0xd5; 160]);
    packet
}

/// RFC 3550 6.4.2: an empty receiver report with a CNAME, as an SRS sends it.
fn receiver_report() -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1, 0, 0, 0, 9];
    packet.extend_from_slice(&[0x81, 202, 0, 3, 0, 0, 0, 9, 1, 4]);
    packet.extend_from_slice(b"srs@");
    packet.extend_from_slice(&[0, 0]);
    packet
}

/// A session over both address families and all transports, with events, checkpoints and marks in between.
fn journal() -> Vec<u8> {
    let address = |text: &str| -> SocketAddr { text.parse().unwrap() };
    let header = SegmentHeader {
        version: "0.1.0".to_owned(),
        format: FORMAT_VERSION,
        session: SessionId(7),
        segment: 1,
        seed: Seed([3; 32]),
        anchor: (Monotonic(5), Wall(START)),
        boot: "b".to_owned(),
        config: serde_json::Value::Null.into(),
    };
    let mut out = Vec::new();
    let streams = [(PortIndex(0), Some("1")), (PortIndex(1), Some("2"))];
    let mut encoder = Encoder::begin(&mut out, Wall(START), &header, &streams);
    let mut at = START;
    let mut keep = |out: &mut Vec<u8>, kind: Kind<'_>| {
        at += 1_000_000;
        encoder::entry(out, &Entry { at: Wall(at), kind });
    };
    let (src, srs) = (address("192.0.2.1:5060"), address("198.51.100.7:5060"));
    let invite = message("INVITE sip:srs@example.com SIP/2.0", "1 INVITE", INVITE_SDP);
    let answer = message("SIP/2.0 200 OK", "1 INVITE", ANSWER_SDP);
    for (transport, outbound, from, to, message) in [
        (Transport::Udp, false, src, srs, &invite),
        (Transport::Udp, true, srs, src, &answer),
        (Transport::Tcp, false, src, srs, &message("OPTIONS sip:srs@example.com SIP/2.0", "2 OPTIONS", "")),
        (Transport::Tls, true, srs, src, &message("SIP/2.0 200 OK", "2 OPTIONS", "")),
    ] {
        keep(&mut out, Kind::Sip { transport, outbound, from, to, message: message.as_bytes() });
    }
    keep(&mut out, Kind::Event(Event::Answered));
    keep(&mut out, Kind::Checkpoint(b"{\"dialog\":1}"));
    encoder.add_port(&mut out, PortIndex(3), Some("late"));
    let (rtp4, to4) = (address("192.0.2.1:4000"), address("198.51.100.7:10000"));
    let (rtp6, to6) = (address("[2001:db8::1]:4002"), address("[2001:db8::2]:10002"));
    let (rtcp4, rtcp_to4) = (address("192.0.2.1:4001"), address("198.51.100.7:10001"));
    for sequence in 1..=PACKETS {
        if sequence % 10 == 0 {
            continue; // lost on the way: a tenth of them
        }
        keep(
            &mut out,
            Kind::Rtp { port: PortIndex(0), from: rtp4, to: to4, packet: &rtp(sequence, 0x1111), protected: None },
        );
        keep(
            &mut out,
            Kind::Rtp { port: PortIndex(1), from: rtp6, to: to6, packet: &rtp(sequence, 0x2222), protected: None },
        );
    }
    let report = receiver_report();
    keep(&mut out, Kind::Rtcp { port: PortIndex(0), outbound: true, from: rtcp_to4, to: rtcp4, packet: &report });
    let mark = Mark { from: 0, crc: crc32fast::hash(&out), checkpoint: None, synced: 0 };
    encoder::mark(&mut out, Wall(at), &mark);
    out
}

#[test]
fn the_pcap_file_crate_reads_a_journal() {
    let bytes = journal();
    let mut reader = PcapNgReader::new(bytes.as_slice()).unwrap();
    let (mut packets, mut interfaces) = (Vec::new(), Vec::new());
    while let Some(block) = reader.next_block() {
        match block.unwrap() {
            Block::EnhancedPacket(packet) => packets.push((packet.interface_id, packet.data.len())),
            Block::InterfaceDescription(interface) => interfaces.push(format!("{:?}", interface.options)),
            _ => {}
        }
    }
    assert_eq!(packets.len(), 4 + 2 * 45 + 1);
    assert_eq!(packets[4..6], [(3, 28 + 172), (5, 48 + 172)]);
    assert_eq!(interfaces.len(), 3 + 2 * 4);
    assert!(interfaces[3].contains("rtp 0 label 1"), "{}", interfaces[3]);
    assert!(interfaces[7].contains("\"rtp 2\""), "{}", interfaces[7]);
    assert!(interfaces[10].contains("rtcp 3 label late"), "{}", interfaces[10]);
}

#[test]
fn tshark_dissects_a_journal_without_a_complaint() {
    if Command::new("tshark").arg("--version").stdout(Stdio::null()).status().is_err() {
        assert!(std::env::var_os("CI").is_none(), "tshark is not installed: `apt-get install tshark`");
        return eprintln!("skipped: tshark is not installed");
    }
    let mut file = tempfile();
    file.1.write_all(&journal()).unwrap();
    let tshark = |arguments: &[&str]| {
        let output = Command::new("tshark").arg("-r").arg(&file.0).args(arguments).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).replace("Running as user \"root\"", "");
        assert!(output.status.success() && !errors.contains("tshark:"), "{errors}");
        String::from_utf8(output.stdout).unwrap()
    };
    // UDP checksums over IPv6 are looked at too, and IPv4 header checksums.
    let checked = ["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"];
    let complaints =
        "_ws.malformed || _ws.expert.severity >= warning || ip.checksum.status == 0 || udp.checksum.status == 0";
    assert_eq!(tshark(&[&checked[..], &["-Y", complaints, "-V"]].concat()), "");
    assert_eq!(tshark(&["-Y", "sip && udp"]).lines().count(), 4);
    assert_eq!(tshark(&["-Y", "sip.Method == INVITE && frame.interface_name == \"sip udp\""]).lines().count(), 1);
    assert_eq!(tshark(&["-Y", "sip && frame.interface_name == \"sip tcp\""]).lines().count(), 1);
    assert_eq!(tshark(&["-Y", "rtcp.pt == 201 && frame.packet_flags_direction == 2"]).lines().count(), 1);
    assert_eq!(tshark(&["-Y", "rtp.ssrc == 0x1111 && frame.interface_name == \"rtp 0 label 1\""]).lines().count(), 45);
    let streams = tshark(&["-q", "-o", "rtp.heuristic_rtp:TRUE", "-z", "rtp,streams"]);
    for ssrc in ["0x00001111", "0x00002222"] {
        let line = streams.lines().find(|line| line.contains(ssrc)).unwrap_or_else(|| panic!("no {ssrc}: {streams}"));
        assert!(line.contains(" 45 ") && line.contains(" 4 (8"), "45 packets and 4 lost within: {line}");
    }
    std::fs::remove_file(&file.0).unwrap();
}

fn tempfile() -> (std::path::PathBuf, std::fs::File) {
    let path = std::env::temp_dir().join(format!("siprec-journal-{}.pcapng", std::process::id()));
    (path.clone(), std::fs::File::create(path).unwrap())
}
