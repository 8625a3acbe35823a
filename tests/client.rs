//! `siprec replay --to`: what the client side sends is recorded as it was said, and what servers answer is borne.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use serde_json::Value;
use std::net::UdpSocket;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use support::raw::Raw;
use support::recordings::{self, Recording};
use support::server::{Server, Setup};
use support::tls::{Ca, Wanted};
use support::{TempDir, becomes_true};

/// Rendered within, on a machine that does other things as well.
const RENDERED_WITHIN: Duration = Duration::from_secs(60);
/// A scripted server waits for each request so long.
const SOON: Duration = Duration::from_secs(20);

fn siprec(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_siprec"));
    command.arg("replay").args(arguments).args(["--json", "--set", "logging.level=warn"]);
    command
}

/// Runs `siprec replay ARGUMENTS`: its exit code and its report.
fn play(arguments: &[&str]) -> (i32, Value) {
    judge(&siprec(arguments).output().unwrap())
}

fn judge(output: &Output) -> (i32, Value) {
    let errors = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|e| panic!("{e}: {}\n{errors}", String::from_utf8_lossy(&output.stdout)));
    (output.status.code().unwrap(), report)
}

fn to(server: &Server, transport: &str) -> String {
    format!("sip:{}{transport}", server.sip)
}

/// The recordings that are there, once there are so many.
fn recorded(server: &Server, count: usize) -> Vec<Recording> {
    assert!(becomes_true(RENDERED_WITHIN, || recordings::all(&server.data).len() >= count), "{}", server.tail());
    recordings::all(&server.data)
}

/// Each leg's tone is in its own channel, and the other's is not.
fn hears(recording: &Recording, hz: [u32; 2]) {
    let audio = recording.audio().unwrap();
    let [left, right] = &audio[0].channels[..] else { panic!("{} channels", audio[0].channels.len()) };
    for (channel, own, other) in [(left, hz[0], hz[1]), (right, hz[1], hz[0])] {
        let middle = &channel[channel.len() / 4..channel.len() * 3 / 4];
        let (loud, quiet) = (support::wav::amplitude(middle, own), support::wav::amplitude(middle, other));
        assert!(loud > 6000.0 && quiet < 300.0, "{own} Hz: {loud}, {other} Hz: {quiet}");
    }
}

#[test]
fn a_made_up_call_is_recorded_whole_over_each_transport() {
    let server = Server::start();
    for (n, transport) in ["", ";transport=udp", ";transport=tcp"].into_iter().enumerate() {
        let (code, report) = play(&["--to", &to(&server, transport), "--duration", "2"]);
        assert_eq!((code, &report["calls"]["answered"]), (0, &Value::from(1)), "{report}");
        let recording = recorded(&server, n + 1).pop().unwrap();
        assert_eq!(recording.number("/proof/packets_received"), report["rtp"]["packets"].as_i64(), "{report}");
        assert_eq!(recording.number("/proof/packets_lost"), Some(0));
        assert!(
            (1900..2300).contains(&recording.number("/duration_ms").unwrap()),
            "{:?}",
            recording.number("/duration_ms")
        );
        hears(&recording, [440, 620]);
        assert_eq!(recording.aors().len(), 2, "{:?}", recording.aors());
    }
    server.assert_never_panicked();
}

#[test]
fn a_recording_is_played_again_from_its_journal_packet_by_packet() {
    let server = Server::start();
    let (code, first) = play(&["--to", &to(&server, ""), "--duration", "2", "--tone", "500,900"]);
    assert_eq!(code, 0, "{first}");
    let original = recorded(&server, 1).pop().unwrap();
    let segments = original.segments();
    let journal = segments[0].to_str().unwrap().to_owned();
    let (code, again) = play(&[&journal, "--to", &to(&server, ""), "--speed", "1"]);
    assert_eq!(code, 0, "{again}");
    let recordings = recorded(&server, 2);
    let copy = recordings.iter().find(|recording| recording.id() != original.id()).unwrap();
    let numbers = |recording: &Recording| recording.kept().unwrap().into_keys().collect::<Vec<_>>();
    assert_eq!(numbers(copy), numbers(&original), "SSRCs and sequence numbers");
    assert_eq!(copy.aors(), original.aors());
    hears(copy, [500, 900]);
}

#[test]
fn srtp_is_sent_and_the_server_hears_it() {
    let server = Setup::default().set("media.sdes_over_clear=true").start();
    for (n, suite) in ["AES_CM_128_HMAC_SHA1_80", "AEAD_AES_256_GCM"].into_iter().enumerate() {
        let (code, report) = play(&["--to", &to(&server, ""), "--duration", "2", "--srtp", suite]);
        assert_eq!(code, 0, "{suite}: {report}");
        let mut recordings = recorded(&server, n + 1);
        recordings.sort_by_key(Recording::started_at);
        hears(recordings.last().unwrap(), [440, 620]);
    }
}

#[test]
fn a_load_is_answered_recorded_and_reported() {
    let server = Setup::default().sessions(210).start();
    let (code, report) = play(&["--to", &to(&server, ""), "--calls", "200", "--rate", "50", "--duration", "10"]);
    assert_eq!(code, 0, "{report}");
    assert_eq!(report["calls"], serde_json::json!({ "started": 200, "answered": 200, "failed": 0 }));
    assert_eq!(report["ends"], serde_json::json!({ "ended by us": 200 }));
    let packets = report["rtp"]["packets"].as_u64().unwrap();
    // 200 calls of two legs and 10 s; what a busy machine does not send in time is left out.
    assert!((100_000..=202_000).contains(&packets), "{report}");
    for times in ["answer_ms", "pacing_ms"] {
        let time = |name: &str| report[times][name].as_f64().unwrap();
        assert!(time("p50") <= time("p90") && time("p90") <= time("p99") && time("p99") <= time("max"), "{report}");
    }
    assert!(report["rtcp"]["streams"].as_u64().unwrap() > 0, "{report}");
}

#[test]
fn what_is_lost_on_purpose_is_lost_in_the_recording() {
    let server = Server::start();
    // So long that the server reports by RTCP.
    let arguments = ["--duration", "12", "--loss", "10", "--jitter", "15ms", "--reorder", "2", "--seed", "5"];
    let target = to(&server, "");
    let (code, report) = play(&[&["--to", target.as_str()][..], &arguments[..]].concat());
    assert_eq!(code, 0, "{report}");
    let recording = recorded(&server, 1).pop().unwrap();
    let lost = report["rtp"]["lost_on_purpose"].as_i64().unwrap();
    let missed = recording.number("/proof/packets_lost").unwrap();
    // What is missing at the very end of a stream nobody can know of.
    assert!(lost > 10 && (lost - 6..=lost).contains(&missed), "{missed} of {lost}");
    let reported = report["rtcp"]["lost"].as_i64().unwrap();
    assert!(reported > 10 && reported <= lost, "{lost} lost, reported by RTCP: {report}");
    // RFC 3611 4.4, 4.5: over loopback, and a client that answers when it has time.
    let trip = recording.number("/streams/0/sources/0/reported/recorder_round_trip_us").expect("it was answered");
    assert!((0..200_000).contains(&trip), "{trip} us");
}

/// A server by hand: answers the first request with `response` header lines; gives the report.
fn refused_with(status: u16, reason: &str, lines: &str) -> (i32, Value) {
    answered_with(status, reason, lines, &[])
}

fn answered_with(status: u16, reason: &str, lines: &str, flags: &[&str]) -> (i32, Value) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let here = socket.local_addr().unwrap();
    let mut command = siprec(&["--to", &format!("sip:{here}")]);
    let child = command.args(flags).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut buffer = vec![0; 65_536];
    let (_, client) = socket.recv_from(&mut buffer).unwrap();
    let raw = Raw::on(socket, client);
    // The first INVITE was read above; it comes again.
    let invite = raw.next(SOON).unwrap();
    assert_eq!(invite.method(), "INVITE");
    raw.send(&invite.respond(status, reason, &format!("{lines}Content-Length: 0\r\n\r\n")));
    judge(&child.wait_with_output().unwrap())
}

#[test]
fn refusals_are_reported_with_when_to_come_again() {
    let (code, report) = refused_with(503, "Service Unavailable", "Retry-After: 30\r\n");
    assert_eq!((code, &report["ends"]), (1, &serde_json::json!({ "503 Service Unavailable (Retry-After: 30 s)": 1 })));
    let (code, report) = refused_with(488, "Not Acceptable Here", "");
    assert_eq!((code, &report["ends"]), (1, &serde_json::json!({ "488 Not Acceptable Here": 1 })));
}

/// What is said in a WAV file, held for a second and handed to another person on the way.
#[test]
fn speech_from_a_file_is_held_resumed_and_transferred() {
    let server = Server::start();
    let scratch = TempDir::new("client-wav");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let said = [700.0, 1100.0].map(|hz: f64| {
        let file = scratch.path().join(format!("{hz}.wav"));
        let mut wav = hound::WavWriter::create(&file, spec).unwrap();
        for n in 0..16_000 {
            let turn = f64::from(n) * hz / 16_000.0;
            #[expect(clippy::cast_possible_truncation, reason = "a sample")]
            wav.write_sample((12_000.0 * (turn * std::f64::consts::TAU).sin()) as i16).unwrap();
        }
        wav.finalize().unwrap();
        file.to_str().unwrap().to_owned()
    });
    let flow =
        ["--wav", &said.join(","), "--hold", "1500ms,1s", "--transfer", "3s", "--duration", "4", "--codec", "pcmu"];
    let (code, report) = play(&[&["--to", to(&server, "").as_str()][..], &flow[..]].concat());
    assert_eq!((code, &report["remarks"]), (0, &serde_json::json!({})), "{report}");
    let paused = report["rtp"]["paused"].as_i64().unwrap();
    assert!((80..=120).contains(&paused), "a second of two legs: {report}");
    let recording = recorded(&server, 1).pop().unwrap();
    assert!((3900..4400).contains(&recording.number("/duration_ms").unwrap()), "{}", recording.sheet);
    assert_eq!(recording.aors().len(), 3, "the third came by an update: {:?}", recording.aors());
    let audio = recording.audio().unwrap();
    for (channel, hz) in audio[0].channels.iter().zip([700, 1100]) {
        let loud = |ms: [usize; 2]| support::wav::amplitude(&channel[ms[0] * 8..ms[1] * 8], hz);
        let (before, during, after) = (loud([300, 1300]), loud([1700, 2300]), loud([2800, 3700]));
        assert!(before > 6000.0 && during < 10.0 && after > 6000.0, "{hz} Hz: {before}, {during}, {after}");
    }
}

#[test]
fn a_journal_with_a_hold_and_an_update_is_played_with_both() {
    let server = Server::start();
    let flow = ["--hold", "1500ms,1s", "--transfer", "3s", "--duration", "4"];
    let (code, report) = play(&[&["--to", to(&server, "").as_str()][..], &flow[..]].concat());
    assert_eq!(code, 0, "{report}");
    let original = recorded(&server, 1).pop().unwrap();
    let journal = original.segments()[0].to_str().unwrap().to_owned();
    let (code, again) = play(&[&journal, "--to", &to(&server, "")]);
    assert_eq!((code, &again["remarks"]), (0, &serde_json::json!({})), "{again}");
    let recordings = recorded(&server, 2);
    let copy = recordings.iter().find(|recording| recording.id() != original.id()).unwrap();
    assert_eq!((copy.aors().len(), copy.aors()), (3, original.aors()), "the third came by an update");
    let audio = copy.audio().unwrap();
    for (channel, hz) in audio[0].channels.iter().zip([440, 620]) {
        let loud = |ms: [usize; 2]| support::wav::amplitude(&channel[ms[0] * 8..ms[1] * 8], hz);
        let (before, during, after) = (loud([300, 1300]), loud([1700, 2300]), loud([2800, 3700]));
        assert!(before > 6000.0 && during < 10.0 && after > 6000.0, "{hz} Hz: {before}, {during}, {after}");
    }
}

#[test]
fn a_server_at_an_ipv6_address_is_called() {
    let server = Setup::on(std::net::Ipv6Addr::LOCALHOST.into()).start();
    for (n, transport) in ["", ";transport=tcp"].into_iter().enumerate() {
        let (code, report) = play(&["--to", &to(&server, transport), "--duration", "2"]);
        assert_eq!((code, &report["calls"]["answered"]), (0, &Value::from(1)), "{report}");
        hears(&recorded(&server, n + 1).pop().unwrap(), [440, 620]);
    }
}

/// What jitter holds back is sent before the call ends.
#[test]
fn the_last_packets_under_jitter_leave_before_the_bye() {
    let server = Server::start();
    let (code, report) = play(&["--to", &to(&server, ""), "--duration", "2", "--jitter", "400ms", "--seed", "9"]);
    assert_eq!(code, 0, "{report}");
    let recording = recorded(&server, 1).pop().unwrap();
    let packets = report["rtp"]["packets"].as_i64().unwrap();
    assert!(packets >= 196, "two seconds of two legs, but for what a busy machine has no time for: {report}");
    assert_eq!(recording.number("/proof/packets_received"), Some(packets), "{report}");
}

/// A capture of the wire, not a journal: with its SSRCs and numbers, twice as fast; and a clock that is fast on purpose.
#[test]
fn a_capture_is_played_faster_and_clocks_run_as_told() {
    let server = Server::start();
    let scratch = TempDir::new("client-capture");
    let journal = {
        let (code, report) = play(&["--to", &to(&server, ""), "--duration", "3", "--skew", "100000"]);
        assert_eq!(code, 0, "{report}");
        // 3 s at 1.1 times the pace, two legs.
        assert!((325..=336).contains(&report["rtp"]["packets"].as_i64().unwrap()), "{report}");
        recorded(&server, 1).pop().unwrap()
    };
    let kept = journal.kept().unwrap();
    let target = to(&server, "");
    let (code, report) = play(&[journal.segments()[0].to_str().unwrap(), "--to", &target, "--speed", "2"]);
    assert_eq!((code, report["rtp"]["packets"].as_u64().unwrap()), (0, kept.len() as u64), "{report}");
    let copies = recorded(&server, 2);
    let copy = copies.iter().find(|copy| copy.id() != journal.id()).unwrap();
    assert!((1400..1750).contains(&lasted_ms(copy)), "{} ms", lasted_ms(copy));
    let file = scratch.path().join("made.pcap");
    let frames: Vec<(i64, Vec<u8>)> = kept.iter().map(|((ssrc, number), at)| (*at, rtp(*ssrc, *number))).collect();
    write_pcap(&file, frames);
    let (code, report) = play(&[file.to_str().unwrap(), "--to", &target]);
    assert_eq!((code, report["rtp"]["packets"].as_u64().unwrap()), (0, kept.len() as u64), "{report}");
    let all = recorded(&server, 3);
    let third = all.iter().find(|one| ![journal.id(), copy.id()].contains(&one.id())).unwrap();
    let names = |recording: &Recording| recording.kept().unwrap().into_keys().collect::<Vec<_>>();
    assert_eq!(names(third), names(&journal), "RTP without signalling is a call as well");
    assert!((2850..3250).contains(&lasted_ms(third)), "{} ms", lasted_ms(third));
}

/// From the first packet kept to the last.
fn lasted_ms(recording: &Recording) -> i64 {
    let times: Vec<i64> = recording.kept().unwrap().into_values().collect();
    (times.iter().max().unwrap() - times.iter().min().unwrap()) / 1_000_000
}

fn rtp(ssrc: u32, number: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 8];
    packet.extend(number.to_be_bytes());
    packet.extend((u32::from(number) * 160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.resize(172, 0xd5);
    packet
}

/// Classic pcap, raw IPv4 and UDP, two ends: the first SSRC speaks from one of them, the others from the other.
fn write_pcap(file: &std::path::Path, mut frames: Vec<(i64, Vec<u8>)>) {
    frames.sort();
    let mut first: Option<Vec<u8>> = None;
    let mut out: Vec<u8> = 0xa1b2_3c4d_u32.to_le_bytes().to_vec();
    [4u32 << 16 | 2, 0, 0, 65_575, 101].iter().for_each(|field| out.extend(field.to_le_bytes()));
    for (at, payload) in frames {
        let speaker = first.get_or_insert(payload[8..12].to_vec())[..] == payload[8..12];
        let ends: [u8; 2] = if speaker { [1, 2] } else { [2, 1] };
        let length = u16::try_from(payload.len()).unwrap();
        let mut frame = vec![0x45, 0];
        frame.extend((length + 28).to_be_bytes());
        frame.extend([0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, ends[0], 192, 0, 2, ends[1]]);
        [20_000, 20_000, length + 8, 0].iter().for_each(|field| frame.extend(field.to_be_bytes()));
        frame.extend(payload);
        let length = u32::try_from(frame.len()).unwrap();
        let (seconds, nanos) = (u32::try_from(at / 1_000_000_000).unwrap(), u32::try_from(at % 1_000_000_000).unwrap());
        [seconds, nanos, length, length].iter().for_each(|field| out.extend(field.to_le_bytes()));
        out.extend(frame);
    }
    std::fs::write(file, out).unwrap();
}

#[test]
fn tls_is_spoken_with_whom_a_ca_vouches_for_and_nobody_else() {
    let scratch = TempDir::new("client-tls");
    let (ca, other) = (Ca::new(scratch.path(), "ca"), Ca::new(scratch.path(), "other"));
    let own = ca.issue("server", &Wanted { dns: &["localhost"], ..Wanted::default() });
    let sbc = ca.issue("sbc", &Wanted { dns: &["sbc.example.com"], ..Wanted::default() });
    let server = Setup::default()
        .set("server.tls.enabled=true")
        .set(&format!("server.tls.cert_file={}", own.cert.display()))
        .set(&format!("server.tls.key_file={}", own.key.display()))
        .set("server.tls.client_auth=required")
        .set(&format!("server.tls.client_ca_file={}", ca.file().display()))
        .start();
    let files = [ca.file(), other.file(), sbc.cert, sbc.key].map(|file| file.to_str().unwrap().to_owned());
    let [ca, other, cert, key] = files.each_ref().map(String::as_str);
    let (named, by_address) = (format!("sips:localhost:{}", server.tls.port()), format!("sips:{}", server.tls));
    let identity = ["--tls-cert", cert, "--tls-key", key];
    let call = |to: &str, flags: &[&str]| play(&[&["--to", to, "--duration", "2"][..], flags].concat());
    let (code, report) = call(&named, &[&["--tls-ca", ca, "--srtp", "AEAD_AES_128_GCM"][..], &identity].concat());
    assert_eq!((code, &report["calls"]["answered"]), (0, &Value::from(1)), "{report}");
    hears(&recorded(&server, 1)[0], [440, 620]);
    let (code, report) = call(&by_address, &[&["--tls-insecure"][..], &identity].concat());
    assert_eq!(code, 0, "{report}");
    let refusals = [(&by_address, ca, "not valid for name"), (&named, other, "UnknownIssuer")];
    for (to, ca, why) in refusals {
        let (code, report) = call(to, &[&["--tls-ca", ca][..], &identity].concat());
        assert!(code == 1 && report["ends"].to_string().contains(why), "{why}: {report}");
    }
    let (code, report) = call(&named, &["--tls-ca", ca]);
    assert!(code == 1 && report.to_string().contains("CertificateRequired"), "who we are was not shown: {report}");
}

/// The name to be vouched for is the one that the redirection gave, not the one that was called.
#[test]
fn a_redirection_to_tls_is_followed_under_tls() {
    let scratch = TempDir::new("client-redirected");
    let ca = Ca::new(scratch.path(), "ca");
    let own = ca.issue("server", &Wanted { dns: &["localhost"], ..Wanted::default() });
    let server = Setup::default()
        .set("server.tls.enabled=true")
        .set(&format!("server.tls.cert_file={}", own.cert.display()))
        .set(&format!("server.tls.key_file={}", own.key.display()))
        .start();
    let file = ca.file();
    let contact = format!("Contact: <sips:srs@localhost:{}>\r\n", server.tls.port());
    let flags = ["--duration", "1", "--tls-ca", file.to_str().unwrap()];
    let (code, report) = answered_with(302, "Moved Temporarily", &contact, &flags);
    assert_eq!((code, &report["ends"]), (0, &serde_json::json!({ "ended by us": 1 })), "{report}");
    assert_eq!(recorded(&server, 1).len(), 1);
}

#[test]
fn a_user_with_the_right_password_is_let_in() {
    let server = Setup::default()
        .set("auth.sip.users=[{name: sbc, password: \"sesame open\"}]")
        .set("peers=[{name: all, address: 127.0.0.1, digest: true}]")
        .start();
    let file = server.scratch().join("password");
    let flags = ["--duration", "1", "--user", "sbc", "--password-file", file.to_str().unwrap()];
    for (password, code, ends) in [("sesame open", 0, "ended by us"), ("let me in", 1, "401")] {
        std::fs::write(&file, format!("{password}\n")).unwrap();
        let (came, report) = play(&[&["--to", to(&server, "").as_str()][..], &flags].concat());
        assert!(came == code && report["ends"].to_string().contains(ends), "{report}");
    }
}

/// `script` lends it a terminal; a pipe gets the report and nothing else.
#[test]
fn progress_is_shown_on_a_terminal_and_only_there() {
    let server = Server::start();
    let play = format!(
        "{} replay --to {} --calls 4 --duration 2 --json --set logging.level=warn",
        env!("CARGO_BIN_EXE_siprec"),
        to(&server, "")
    );
    let piped = Command::new("sh").args(["-c", &play]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&piped.stderr), "");
    let log = server.scratch().join("typescript");
    let on_terminal = format!("stty cols 120; {play}");
    let shown = Command::new("script").args(["-qec", &on_terminal]).arg(&log).stdin(Stdio::null()).output().unwrap();
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    let drawn = std::fs::read_to_string(&log).unwrap();
    let line =
        drawn.split('\r').find(|line| line.contains("4 live, 4 answered, 0 failed") && !line.contains(" 0 packets/s"));
    let line = line.unwrap_or_else(|| panic!("{drawn}"));
    assert!(line.contains("0/4 calls over") && line.contains("late by"), "{line}");
}
