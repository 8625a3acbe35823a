//! `--sip-trace-file`: tshark, which knows nothing of us, reads every message in it.

use siprec::sip_trace::SipTrace;
use siprec_core::sip::Transport;
use siprec_core::time::Wall;
use std::process::Command;

const INVITE: &str = "INVITE sip:srs@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:src@192.0.2.1>;tag=a\r\n\
    To: <sip:srs@192.0.2.2>\r\nCall-ID: one\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContent-Type: application/sdp\r\n";
const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/SAVP 0\r\n\
    a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n";
const OK: &str = "SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:src@192.0.2.1>;tag=a\r\n\
    To: <sip:srs@192.0.2.2>;tag=b\r\nCall-ID: one\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";

#[test]
fn tshark_dissects_every_message_and_finds_nothing_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sip.pcap");
    let trace = SipTrace::start(false, Some(&path)).expect("a file").expect("a trace");
    let invite = format!("{INVITE}Content-Length: {}\r\n\r\n{OFFER}", OFFER.len());
    let at = Wall(1_795_403_601_042_000_123);
    for (source, destination) in [
        ("192.0.2.1:5060", "192.0.2.2:5060"),
        ("192.0.2.1:50123", "192.0.2.2:5070"),
        ("[2001:db8::1]:5060", "[2001:db8::2]:5060"),
        ("[::ffff:192.0.2.1]:5060", "192.0.2.2:5060"),
    ] {
        let (source, destination) = (source.parse().expect("an address"), destination.parse().expect("an address"));
        trace.message(at, false, Transport::Tcp, source, destination, invite.as_bytes());
        trace.message(at, true, Transport::Udp, destination, source, OK.as_bytes());
    }
    drop(trace);

    let bytes = std::fs::read(&path).expect("the file");
    assert!(!bytes.windows(10).any(|window| window == b"d0RmdmcmVC"), "the key is in the file");
    let fields =
        "frame.time_epoch sip.Method sip.Status-Code sip.Call-ID sdp.media.port sdp.crypto.crypto_suite _ws.malformed";
    let read = tshark(&path, fields);
    let invite = "1795403601.042000123|INVITE||one|4000|AES_CM_128_HMAC_SHA1_80|";
    let ok = "1795403601.042000123||200|one|||";
    assert_eq!(read, [invite, ok].repeat(4), "{read:#?}");
    let checksums = tshark(&path, "ip.checksum.status udp.checksum.status");
    // 1: good, 3: not present (IPv4 only).
    assert_eq!(checksums, ["1|3", "1|3", "1|3", "1|3", "|1", "|1", "1|3", "1|3"]);
}

/// The fields of each packet, `|` between them.
fn tshark(path: &std::path::Path, fields: &str) -> Vec<String> {
    let mut command = Command::new("tshark");
    command.args(["-r", path.to_str().expect("UTF-8"), "-T", "fields", "-E", "separator=|"]);
    command.args(["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"]);
    for field in fields.split(' ') {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark is installed (make test does it)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_string).collect()
}
