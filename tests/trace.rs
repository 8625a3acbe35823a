//! `siprec trace` as an operator meets it: captures made here, and tshark as the judge of what is in them.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

#[path = "trace/capture.rs"]
mod capture;
#[path = "trace/levels.rs"]
mod levels;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use capture::{Capture, MIXED, Sip, metadata, mixed, rtp, sdp};
use serde_json::Value;
use siprec_core::sdp::crypto::Crypto;
use siprec_core::srtp::Sender;
use support::terminal::Terminal;

const SRC: &str = "192.0.2.1:5060";
const SRS: &str = "192.0.2.2:5060";
const EVENTS: u8 = 101;
const A_LAW: u8 = 8;
/// G.711 A-law of a loud tone, and of silence.
const LOUD: [u8; 160] = [0x2a; 160];
const SILENCE: [u8; 160] = [0xd5; 160];

/// What a run came to.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

fn trace(arguments: &[&str], files: &[&Path]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_siprec"));
    command.arg("trace").args(arguments).args(files).env_remove("NO_COLOR").stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// The lines of JSON of a run that goes well.
fn json(arguments: &[&str], file: &Path) -> Vec<Value> {
    let said = trace(&[&["--json"], arguments].concat(), &[file]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("siprec-trace-").tempdir().unwrap()
}

/// How the recording session of [`recording`] goes.
struct Made<'a> {
    call: &'a str,
    protocol: &'a str,
    /// Lines for the SRC's and the SRS's m-lines.
    more: [&'a str; 2],
    /// Of the answer's m-lines.
    ports: [u16; 2],
    directions: [&'a str; 2],
}

impl Default for Made<'_> {
    fn default() -> Self {
        Self {
            call: "rs-1",
            protocol: "RTP/AVP",
            more: ["", ""],
            ports: [10_000, 10_002],
            directions: ["sendonly", "recvonly"],
        }
    }
}

/// The signalling of a recording session: INVITE in fragments, sent twice, answered, renewed with Cho in Bob's place, ended.
fn recording(capture: &mut Capture, made: &Made<'_>) {
    let Made { call, protocol, more, ports, directions } = *made;
    let offer =
        sdp("192.0.2.1", protocol, &[(40_000, "1", directions[0], more[0]), (40_002, "2", directions[0], more[0])]);
    let answer =
        sdp("192.0.2.2", protocol, &[(ports[0], "1", directions[1], more[1]), (ports[1], "2", directions[1], more[1])]);
    let first = mixed(&offer, &metadata(&[("ann", "Ann", "1"), ("bob", "Bob", "2")]));
    let second = mixed(&offer, &metadata(&[("ann", "Ann", "1"), ("cho", "Cho", "2")]));
    let base = Sip { call, extra: "Require: siprec\r\n", ..Sip::default() };
    let invite = |cseq, to_tag, body| {
        Sip { first: "INVITE sip:srs@192.0.2.2 SIP/2.0", cseq, to_tag, content_type: MIXED, body, ..base }.bytes()
    };
    let ok = |cseq, body| Sip { first: "SIP/2.0 200 OK", cseq, to_tag: "b", body, extra: "", ..base }.bytes();
    let ack = |cseq| Sip { first: "ACK sip:srs@192.0.2.2 SIP/2.0", cseq, to_tag: "b", extra: "", ..base }.bytes();
    capture.fragmented(0, SRC, SRS, &invite("1 INVITE", "", &first), 512);
    capture.fragmented(500, SRC, SRS, &invite("1 INVITE", "", &first), 512);
    capture.udp(513, SRS, SRC, &ok("1 INVITE", &answer)).udp(520, SRC, SRS, &ack("1 ACK"));
    capture.fragmented(2_000, SRC, SRS, &invite("2 INVITE", "b", &second), 512);
    capture.udp(2_010, SRS, SRC, &ok("2 INVITE", &answer)).udp(2_020, SRC, SRS, &ack("2 ACK"));
    let bye = Sip { first: "BYE sip:srs@192.0.2.2 SIP/2.0", cseq: "3 BYE", to_tag: "b", extra: "", ..base }.bytes();
    capture.udp(6_000, SRC, SRS, &bye).udp(6_005, SRS, SRC, &ok("3 BYE", ""));
}

/// 200 packets of a leg from 600 ms on, of which every 50th is lost; every second one comes `later_ms` later.
fn talk(capture: &mut Capture, (from, to): (&str, &str), ssrc: u32, later_ms: u64, payload: &[u8]) {
    for k in (0..200_u16).filter(|k| k % 50 != 7) {
        let at = 600 + u64::from(k) * 20 + u64::from(k % 2) * later_ms;
        capture.udp(at, from, to, &rtp(A_LAW, 65_500_u16.wrapping_add(k), u32::from(k) * 160, ssrc, payload));
    }
}

fn both_talk(capture: &mut Capture) {
    talk(capture, ("192.0.2.1:40000", "192.0.2.2:10000"), 0xa1, 0, &LOUD);
    talk(capture, ("192.0.2.1:40002", "192.0.2.2:10002"), 0xb2, 8, &LOUD);
}

/// A key of 80 ms on a stream.
fn key(event: u8, sequence: u16, timestamp: u32, ssrc: u32) -> Vec<Vec<u8>> {
    let packet = |nth: u16, end: u8, duration: u16| {
        let [high, low] = duration.to_be_bytes();
        rtp(EVENTS, sequence + nth, timestamp, ssrc, &[event, 10 | end, high, low])
    };
    vec![packet(0, 0, 160), packet(1, 0, 320), packet(2, 0x80, 640), packet(3, 0x80, 640)]
}

fn written(folder: &tempfile::TempDir, capture: &mut Capture) -> PathBuf {
    let path = folder.path().join("made.pcap");
    capture.write(&path);
    path
}

/// First lines of messages, as a trace tells them.
fn first_lines(file: &Path) -> Vec<String> {
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    json(&["--list"], file)
        .iter()
        .map(|line| match line["status"].as_u64() {
            Some(status) => format!("SIP/2.0 {status} {}", text(line, "reason")),
            None => format!("{} {} SIP/2.0", text(line, "method"), text(line, "uri")),
        })
        .collect()
}

/// A call over TCP: segments change places, two requests come in one segment, one comes in three; bare LF throughout.
fn over_tcp(capture: &mut Capture) {
    let (src, srs) = ("192.0.2.1:33333", "192.0.2.2:5060");
    let base = Sip { call: "tcp-1", transport: "TCP", ..Sip::default() };
    let bare = |sip: Sip<'_>| String::from_utf8(sip.bytes()).unwrap().replace("\r\n", "\n").into_bytes();
    let invite = bare(Sip { first: "INVITE sip:bob@192.0.2.2 SIP/2.0", ..base });
    let ok = bare(Sip { first: "SIP/2.0 200 OK", to_tag: "b", ..base });
    let ack = bare(Sip { first: "ACK sip:bob@192.0.2.2 SIP/2.0", cseq: "1 ACK", to_tag: "b", ..base });
    let bye = bare(Sip { first: "BYE sip:bob@192.0.2.2 SIP/2.0", cseq: "2 BYE", to_tag: "b", ..base });
    let done = bare(Sip { first: "SIP/2.0 200 OK", cseq: "2 BYE", to_tag: "b", ..base });
    let at = |n: usize| 1_000 + u32::try_from(n).unwrap();
    capture.tcp(7_000, src, srs, at(0), &invite[..100]);
    capture.tcp(7_001, src, srs, at(200), &invite[200..]).tcp(7_002, src, srs, at(100), &invite[100..200]);
    capture.tcp(7_010, srs, src, 5_000, &ok);
    capture.tcp(7_020, src, srs, at(invite.len()), &[ack, bye].concat());
    capture.tcp(7_030, srs, src, 5_000 + u32::try_from(ok.len()).unwrap(), &done);
}

#[test]
fn the_messages_are_those_that_tshark_sees_in_the_same_order() {
    let folder = folder();
    let mut made = Capture::default();
    recording(&mut made, &Made::default());
    over_tcp(&mut made);
    let file = written(&folder, &mut made);
    let ours = first_lines(&file);
    assert_eq!(ours.len(), 9 + 5, "{ours:?}");
    assert_eq!(ours[11..].iter().filter(|line| line.starts_with("BYE")).count(), 1, "{ours:?}");
    if support::tshark::present() {
        // Several messages of one frame stand in one row.
        let theirs: Vec<String> = support::tshark::sip_lines(&file, 5060)
            .iter()
            .flat_map(|row| row.split(','))
            .map(|line| line.trim().to_owned())
            .filter(|line| !line.is_empty())
            .collect();
        assert_eq!(ours, theirs);
    }
}

#[test]
fn the_streams_have_the_figures_that_tshark_gives_them() {
    let folder = folder();
    let mut made = Capture::default();
    recording(&mut made, &Made::default());
    both_talk(&mut made);
    let file = written(&folder, &mut made);
    let streams = json(&["--rtp"], &file);
    assert_eq!(streams.len(), 2);
    for (stream, (ssrc, jitter, label)) in streams.iter().zip([("000000a1", 0.0, "1"), ("000000b2", 8.0, "2")]) {
        let named = (&stream["ssrc"], &stream["label"], &stream["sender"], &stream["call_id"]);
        assert_eq!(named, (&ssrc.into(), &label.into(), &"caller".into(), &"rs-1".into()));
        let counted = (&stream["packets"], &stream["expected"], &stream["lost"], &stream["codec"]);
        assert_eq!(counted, (&196.into(), &200.into(), &4.into(), &"PCMA/8000".into()));
        assert!((stream["jitter_ms"].as_f64().unwrap() - jitter).abs() < 0.5, "{stream}");
        assert!(stream["mos"].as_f64().unwrap() > 4.0 && stream["level_dbfs"].as_i64().unwrap() > -40, "{stream}");
        assert_eq!(stream["srtp"], Value::Null);
    }
    if support::tshark::present() {
        let theirs = support::tshark::rtp_streams(&file, 5060);
        assert_eq!(theirs.len(), 2, "{theirs:?}");
        for stream in theirs {
            assert_eq!((stream.packets, stream.lost), (196, 4), "{stream:?}");
        }
    }
}

#[test]
fn a_recording_session_is_shown_with_its_people_lines_streams_and_what_each_update_changed() {
    let folder = folder();
    let mut made = Capture::default();
    recording(&mut made, &Made::default());
    both_talk(&mut made);
    let file = written(&folder, &mut made);
    let said = trace(&[], &[&file]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    for expected in [
        "Recording session rs-1",
        "Communication session cs-1",
        "INVITE +sdp +metadata",
        "INVITE +sdp +metadata again",
        "200 OK (INVITE) +sdp after 512 ms",
        "+ Bob <sip:bob@example.com>",
        "- Bob <sip:bob@example.com>",
        "+ Cho <sip:cho@example.com>",
        "label 1  Ann <sip:ann@example.com>  m-line 1 audio sendonly  192.0.2.1:40000 > 192.0.2.2:10000",
        "label 2  Cho <sip:cho@example.com>  m-line 2 audio sendonly  192.0.2.1:40002 > 192.0.2.2:10002",
        "000000a1  PCMA/8000  196 packets, 4 (2.0 %) lost",
        "ended by the caller",
        "RTP PCMA/8000",
    ] {
        assert!(said.out.contains(expected), "{expected}\n{}", said.out);
    }
    assert!(!said.out.contains('\u{1b}') && !said.out.contains("no audio"), "{}", said.out);
    let coloured = trace(&["--color", "always"], &[&file]);
    assert!(coloured.out.contains("\u{1b}[36m"), "{}", coloured.out);
    let session = json(&[], &file).into_iter().find(|line| line["type"] == "session").unwrap();
    assert_eq!(
        (&session["recording"], &session["state"], &session["ended_by"]),
        (&true.into(), &"ended".into(), &"caller".into())
    );
    assert_eq!(session["retransmissions"], 1);
    assert_eq!(session["updates"].as_array().unwrap().len(), 2);
    assert_eq!(session["lines"][1]["caller"]["address"], "192.0.2.1:40002");
    let present = |person: &Value| (person["name"].as_str().unwrap().to_owned(), person["present"].as_bool().unwrap());
    let people: Vec<_> = session["participants"].as_array().unwrap().iter().map(present).collect();
    assert_eq!(people, [("Ann".into(), true), ("Bob".into(), false), ("Cho".into(), true)]);
}

#[test]
fn filters_choose_calls_and_messages_and_nothing_found_is_a_failure() {
    let folder = folder();
    let mut made = Capture::default();
    recording(&mut made, &Made::default());
    let busy = Sip { call: "busy-1", ..Sip::default() };
    let (a, b) = ("198.51.100.1:5060", "198.51.100.2:5060");
    made.udp(3_000, a, b, &Sip { first: "INVITE sip:x@198.51.100.2 SIP/2.0", ..busy }.bytes());
    made.udp(3_010, b, a, &Sip { first: "SIP/2.0 486 Busy Here", to_tag: "b", ..busy }.bytes());
    let file = written(&folder, &mut made);
    let calls = |arguments: &[&str]| -> Vec<String> {
        let lines = json(&[arguments, &["--list"]].concat(), &file);
        let mut calls: Vec<String> = lines.iter().map(|line| line["call_id"].as_str().unwrap().to_owned()).collect();
        calls.dedup();
        calls
    };
    assert_eq!(calls(&["--call", "rs-1"]), ["rs-1"]);
    assert_eq!(calls(&["--call", "cs-1"]), ["rs-1"], "a communication session stands for its recording session");
    assert_eq!(calls(&["--party", "bob"]), ["rs-1"]);
    assert_eq!(calls(&["--address", "198.51.100.1"]), ["busy-1"]);
    assert_eq!(calls(&["--address", "192.0.2.2:10000"]), ["rs-1"], "where media go");
    assert_eq!(calls(&["--status", "4xx"]), ["busy-1"]);
    assert_eq!(json(&["--list", "--method", "BYE"], &file).len(), 2, "the request and its answer");
    assert_eq!(json(&["--list", "--since", "2026-09-21T14:13:26Z", "--call", "rs-1"], &file).len(), 2);
    let none = trace(&["--party", "nobody"], &[&file]);
    assert_eq!((none.code, none.out.as_str(), none.err.as_str()), (Some(1), "", "siprec: no call matches\n"));
    assert_eq!(trace(&["--status", "9xx"], &[&file]).code, Some(2));
}

#[test]
fn what_matched_is_written_as_a_capture_of_its_own() {
    let folder = folder();
    let mut made = Capture::default();
    recording(&mut made, &Made::default());
    both_talk(&mut made);
    over_tcp(&mut made);
    talk(&mut made, ("203.0.113.1:4000", "203.0.113.2:4000"), 0xc3, 0, &LOUD);
    let file = written(&folder, &mut made);
    let out = folder.path().join("one.pcapng");
    let said = trace(&["--list", "--call", "rs-1", "--write", out.to_str().unwrap()], &[&file]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let (all, one) = (json(&[], &file), json(&[], &out));
    let of_call = |line: &&Value| line["call_id"] == "rs-1" && line["type"] != "message";
    let (all, one): (Vec<_>, Vec<_>) =
        (all.iter().filter(of_call).collect(), one.iter().filter(|l| l["type"] != "message").collect());
    assert_eq!(all.len(), 3);
    let figures = |line: &Value| {
        [&line["ssrc"], &line["packets"], &line["lost"], &line["jitter_ms"], &line["first_at"], &line["began_at"]]
            .map(Value::clone)
    };
    assert_eq!(all.into_iter().map(figures).collect::<Vec<_>>(), one.into_iter().map(figures).collect::<Vec<_>>());
    let datagrams = support::pcap::read(&out).unwrap();
    assert_eq!(datagrams.len(), 9 + 2 * 196);
    if support::tshark::present() {
        assert_eq!(support::tshark::complaints(&out, 5060), [""; 0]);
        assert_eq!(support::tshark::sip_lines(&out, 5060).len(), 9);
    }
    let over_itself = trace(&["--write", file.to_str().unwrap()], &[&file]);
    assert!(
        over_itself.code == Some(1) && over_itself.err.contains("one of the files that are read"),
        "{}",
        over_itself.err
    );
}

/// The reasons that a session gives for silence: line, code.
fn silences(file: &Path) -> Vec<(u64, String)> {
    let session = json(&[], file).into_iter().find(|line| line["type"] == "session").unwrap();
    let silences = session["silences"].as_array().unwrap().clone();
    let one = |s: Value| (s["line"].as_u64().unwrap_or(0), s["code"].as_str().unwrap().to_owned());
    silences.into_iter().map(one).collect()
}

#[test]
fn why_there_is_no_audio_is_said() {
    let folder = folder();
    let told = |made: &Made<'_>, media: &dyn Fn(&mut Capture)| {
        let mut capture = Capture::default();
        recording(&mut capture, made);
        media(&mut capture);
        silences(&written(&folder, &mut capture))
    };
    let is = |line: u64, code: &str| (line, code.to_owned());
    let first = ("192.0.2.1:40000", "192.0.2.2:10000");
    assert!(told(&Made::default(), &both_talk).is_empty());
    assert_eq!(told(&Made::default(), &|c| talk(c, first, 1, 0, &LOUD)), [is(2, "no-rtp")]);
    let elsewhere = |c: &mut Capture| {
        talk(c, first, 1, 0, &LOUD);
        talk(c, ("192.0.2.1:40002", "192.0.2.2:10022"), 2, 0, &LOUD);
    };
    assert_eq!(told(&Made::default(), &elsewhere), [is(2, "other-port")]);
    let refused = Made { ports: [10_000, 0], ..Made::default() };
    assert_eq!(told(&refused, &|c| talk(c, first, 1, 0, &LOUD)), [is(2, "port-0")]);
    let inactive = Made { directions: ["inactive", "inactive"], ..Made::default() };
    assert_eq!(told(&inactive, &|_| ()), [is(1, "inactive"), is(2, "inactive")]);
    let mute = |c: &mut Capture| {
        both_talk(c);
        talk(c, ("192.0.2.9:40000", "192.0.2.2:10000"), 3, 0, &LOUD);
    };
    assert_eq!(told(&Made::default(), &mute), [is(1, "stranger")]);
    let silent = |c: &mut Capture| {
        talk(c, first, 1, 0, &SILENCE);
        talk(c, ("192.0.2.1:40002", "192.0.2.2:10002"), 2, 0, &LOUD);
    };
    assert_eq!(told(&Made::default(), &silent), [is(1, "silent")]);
    let wrong_type = |c: &mut Capture| {
        talk(c, first, 1, 0, &LOUD);
        for k in 0..100_u16 {
            let packet = rtp(0, k, u32::from(k) * 160, 2, &LOUD);
            c.udp(600 + u64::from(k) * 20, "192.0.2.1:40002", "192.0.2.2:10002", &packet);
        }
    };
    assert_eq!(told(&Made::default(), &wrong_type), [is(2, "payload-type")]);
    let secure = Made { protocol: "RTP/SAVP", ..Made::default() };
    assert_eq!(told(&secure, &both_talk), [is(1, "srtp-no-key"), is(2, "srtp-no-key")]);
}

#[test]
fn keys_are_heard_in_rtp_and_in_srtp_under_the_keys_of_its_sdp() {
    let folder = folder();
    let ours = "1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
    let theirs = "1 AES_CM_128_HMAC_SHA1_80 inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj";
    let lines = [ours, theirs].map(|line| format!("a=crypto:{line}\r\n"));
    for secure in [false, true] {
        let mut made = Capture::default();
        let more = if secure { [lines[0].as_str(), lines[1].as_str()] } else { ["", ""] };
        let protocol = if secure { "RTP/SAVP" } else { "RTP/AVP" };
        recording(&mut made, &Made { protocol, more, ..Made::default() });
        let crypto = Crypto::parse(ours).unwrap();
        let mut sender = Sender::new(&crypto.keys[0], crypto.encryption).unwrap();
        let talk = (0..50_u16).map(|k| rtp(A_LAW, k, u32::from(k) * 160, 0xa1, &LOUD));
        let keys =
            [(4_u8, 50_u16), (11, 54)].into_iter().flat_map(|(event, at)| key(event, at, u32::from(at) * 160, 0xa1));
        for (nth, mut packet) in talk.chain(keys).enumerate() {
            if secure {
                sender.protect(&mut packet).unwrap();
            }
            made.udp(600 + nth as u64 * 20, "192.0.2.1:40000", "192.0.2.2:10000", &packet);
        }
        let file = written(&folder, &mut made);
        let stream = &json(&["--rtp"], &file)[0];
        let keys: String = stream["dtmf"].as_array().unwrap().iter().map(|d| d["key"].as_str().unwrap()).collect();
        assert_eq!((keys.as_str(), &stream["dtmf"][0]["duration_ms"]), ("4#", &80.into()), "secure: {secure}");
        assert!(stream["level_dbfs"].as_i64().unwrap() > -40, "{stream}");
        assert_eq!(stream["srtp"]["opened"].as_u64(), secure.then_some(13), "{stream}");
        let said = trace(&["--messages"], &[&file]);
        assert!(!said.out.contains("d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"), "keys are blanked");
    }
}

#[test]
fn a_journal_tells_what_its_capture_told() {
    let folder = folder();
    let mut made = Capture::default();
    recording(&mut made, &Made::default());
    both_talk(&mut made);
    let file = written(&folder, &mut made);
    let data = folder.path().join("data");
    let mut replay = Command::new(env!("CARGO_BIN_EXE_siprec"));
    let replayed = replay.arg("replay").arg(&file).arg("--data-dir").arg(&data).output().unwrap();
    assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
    let segment = support::files_below(&data.join("journals"))
        .into_iter()
        .find(|path| path.extension().is_some_and(|extension| extension == "pcapng"))
        .unwrap();
    let journal = json(&["--rtp"], segment.parent().unwrap());
    let captured = json(&["--rtp"], &file);
    assert_eq!(captured.len(), 2);
    let figures = |line: &Value| {
        [&line["ssrc"], &line["packets"], &line["lost"], &line["label"], &line["first_at"]].map(Value::clone)
    };
    assert_eq!(journal.iter().map(figures).collect::<Vec<_>>(), captured.iter().map(figures).collect::<Vec<_>>());
}

#[test]
fn an_invite_is_linted_with_its_remedies_and_the_answer() {
    let folder = folder();
    let sip = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let offer = sdp("192.0.2.1", "RTP/AVP", &[(40_000, "1", "sendonly", ""), (40_002, "2", "sendonly", "")]);
    let body = mixed(&offer, &metadata(&[("ann", "Ann", "1"), ("bob", "Bob", "2")]));
    let first = "INVITE sip:srs@192.0.2.2 SIP/2.0";
    let base = Sip { first, extra: "Require: siprec\r\n", ..Sip::default() };
    let good = sip("good.sip", &Sip { content_type: MIXED, body: &body, ..base }.bytes());
    let said = trace(&["--lint"], &[&good]);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert!(said.out.contains("answer: 200 OK") && said.out.contains("a=recvonly"), "{}", said.out);
    let bad = sip("bad.sip", &Sip { content_type: "application/foo", body: "nothing that is known", ..base }.bytes());
    let said = trace(&["--lint"], &[&bad]);
    assert_eq!(said.code, Some(1), "{}", said.out);
    assert!(said.out.contains("error ") && said.out.contains("answer: 415"), "{}", said.out);
    assert!(said.err.contains("1 of 1 messages have errors"), "{}", said.err);
    let said = trace(&["--lint", "--json"], &[&bad]);
    let line: Value = serde_json::from_str(said.out.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&line["type"], &line["method"], &line["answer"]["status"]),
        (&"lint".into(), &"INVITE".into(), &415.into())
    );
    let error = line["deviations"].as_array().unwrap().iter().find(|d| d["severity"] == "error").unwrap();
    assert!(!error["remedy"].as_str().unwrap().is_empty() && error["section"].as_str().unwrap().starts_with("RFC"));
    // Of a capture: each INVITE of the SRC, once.
    let mut made = Capture::default();
    recording(&mut made, &Made::default());
    let said = trace(&["--lint"], &[&written(&folder, &mut made)]);
    assert_eq!(said.out.lines().filter(|line| line.starts_with("INVITE at")).count(), 1, "{}", said.out);
    assert_eq!(said.out.lines().filter(|line| line.starts_with("re-INVITE at")).count(), 1, "{}", said.out);
}

#[test]
fn pictures_and_diagrams_hold_names_as_text() {
    let folder = folder();
    let mut made = Capture::default();
    recording(&mut made, &Made::default());
    both_talk(&mut made);
    let file = written(&folder, &mut made);
    let svg = trace(&["--svg"], &[&file]).out;
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
    assert!(svg.contains("Bob &lt;sip:bob@example.com&gt;") && svg.contains(">SRC<"), "{svg}");
    let mermaid = trace(&["--mermaid"], &[&file]).out;
    assert!(mermaid.starts_with("sequenceDiagram\n    participant h0 as 192.0.2.1 SRC\n"), "{mermaid}");
    assert!(mermaid.contains("h0->>h1: ") && mermaid.contains("Note over h0,h1: + Bob #lt;sip:bob@example.com#gt;"));
    assert_eq!(trace(&["--svg", "--list"], &[&file]).code, Some(2));
}

#[test]
fn what_cannot_be_read_is_told_with_the_file_and_what_could_be_is_shown() {
    let folder = folder();
    let mut made = Capture::default();
    over_tcp(&mut made);
    let file = written(&folder, &mut made);
    let whole = std::fs::read(&file).unwrap();
    let torn = folder.path().join("torn.pcap");
    std::fs::write(&torn, &whole[..whole.len() - 10]).unwrap();
    let said = trace(&["--list"], &[&torn]);
    assert_eq!((said.code, said.out.lines().count()), (Some(1), 4), "{}", said.out);
    assert!(said.err.contains("torn.pcap") && said.err.contains("cut off"), "{}", said.err);
    let missing = trace(&[], &[&folder.path().join("none.pcap")]);
    assert!(missing.code == Some(1) && missing.err.contains("none.pcap: cannot be opened"), "{}", missing.err);
}

#[test]
fn a_reader_that_goes_away_is_no_failure_and_standard_input_is_a_capture() {
    let folder = folder();
    let mut made = Capture::default();
    (0..200).for_each(|_| over_tcp_again(&mut made));
    let file = written(&folder, &mut made);
    let mut child = Command::new(env!("CARGO_BIN_EXE_siprec"))
        .args(["trace", "--messages", "-"])
        .stdin(std::fs::File::open(&file).unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

fn over_tcp_again(capture: &mut Capture) {
    let base = Sip { first: "OPTIONS sip:a@192.0.2.2 SIP/2.0", cseq: "1 OPTIONS", ..Sip::default() };
    capture.udp(1, SRC, SRS, &Sip { body: &"x".repeat(1_000), content_type: "text/plain", ..base }.bytes());
}

#[test]
fn calls_ladders_messages_and_streams_are_looked_through_by_keys() {
    let folder = folder();
    let mut made = Capture::default();
    let key = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
    let more = format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}\r\n");
    recording(&mut made, &Made { more: [&more, ""], ..Made::default() });
    both_talk(&mut made);
    over_tcp(&mut made);
    let file = written(&folder, &mut made);
    let terminal = Terminal::open(120, 30);
    let run = format!("{} trace -i {}", env!("CARGO_BIN_EXE_siprec"), file.display());
    terminal.run(&run);
    terminal.must_show(&["siprec trace", "made.pcap", "2 calls, by time", "Ann", "Cho"]);
    terminal.keys(&["/"]);
    terminal.type_in("tcp-1");
    terminal.must_show(&["1 of 2 calls"]);
    terminal.keys(&["Escape"]);
    terminal.must_show(&["  2 calls"]);
    terminal.keys(&["/"]);
    terminal.type_in("cho");
    terminal.keys(&["Enter"]);
    terminal.must_show(&["1 of 2 calls"]);
    terminal.keys(&["Enter"]);
    terminal.must_show(&["Recording session rs-1", "200 OK (INVITE) +sdp after 512 ms", "+ Bob <sip:bob@example.com>"]);
    terminal.keys(&["Enter"]);
    terminal.must_show(&["INVITE sip:srs@192.0.2.2 SIP/2.0", "inline:", "a=label:1"]);
    assert!(!terminal.seen().contains(key), "{}", terminal.seen());
    terminal.keys(&["n", "n"]);
    terminal.must_show(&["SIP/2.0 200 OK"]);
    // Escape and a letter at once would be another key.
    terminal.keys(&["h", "d"]);
    terminal.must_show(&["complete", "~ Cho <sip:cho@example.com> sends on label 2"]);
    terminal.keys(&["l", "G"]);
    terminal.must_show(&["label 2  Cho", "000000b2  PCMA/8000  196 packets"]);
    terminal.keys(&["Enter"]);
    terminal.must_show(&["expected 200, late 0"]);
    terminal.keys(&["S"]);
    terminal.must_show(&["Save what is seen"]);
    terminal.keys(&["C-u"]);
    terminal.type_in("stream.svg");
    terminal.keys(&["Enter"]);
    terminal.must_show(&["saved to stream.svg"]);
    let picture = std::fs::read_to_string(terminal.folder().join("stream.svg")).unwrap();
    let has = |word: &str| picture.contains(&format!(">{word}<"));
    assert!(picture.starts_with("<svg ") && ["expected", "200,", "late"].into_iter().all(has), "{picture}");
    terminal.keys(&["h", "q"]);
    terminal.must_be_restored();
    // A signal ends it as well.
    terminal.run(&run);
    terminal.must_show(&["2 calls, by time"]);
    support::process::signal(terminal.program(), libc::SIGTERM);
    terminal.must_be_restored();
}

#[test]
fn interactive_needs_a_terminal_and_a_file() {
    let folder = folder();
    let mut made = Capture::default();
    over_tcp(&mut made);
    let file = written(&folder, &mut made);
    let said = trace(&["-i"], &[&file]);
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
    assert!(said.err.contains("no terminal") && said.err.contains("--json"), "{}", said.err);
    let said = trace(&["--interactive"], &[Path::new("-")]);
    assert!(said.code == Some(1) && said.err.contains("give it a file"), "{}", said.err);
    for other in ["--json", "--list", "--messages", "--rtp", "--mermaid", "--svg", "--lint"] {
        assert_eq!(trace(&["-i", other], &[&file]).code, Some(2), "{other}");
    }
    assert_eq!(trace(&["-i", "--server", "--follow"], &[]).code, Some(2), "what goes on is not looked through");
    for other in ["--write", "--anonymise"] {
        assert_eq!(trace(&["-i", other, "out.pcapng"], &[&file]).code, Some(2), "{other}");
    }
}
