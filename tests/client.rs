//! `siprec replay --to`: what the client side sends is recorded as it was said, and what servers answer is borne.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

mod support;

use serde_json::Value;
use std::net::UdpSocket;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use support::becomes_true;
use support::raw::Raw;
use support::recordings::{self, Recording};
use support::server::{Server, Setup};

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
    assert!((190_000..=202_000).contains(&packets), "{report}");
    for times in ["answer_ms", "pacing_ms"] {
        let time = |name: &str| report[times][name].as_f64().unwrap();
        assert!(time("p50") <= time("p90") && time("p90") <= time("p99") && time("p99") <= time("max"), "{report}");
    }
    assert!(report["rtcp"]["streams"].as_u64().unwrap() > 0, "{report}");
}

#[test]
fn what_is_lost_on_purpose_is_lost_in_the_recording() {
    let server = Server::start();
    let arguments = ["--duration", "4", "--loss", "10", "--jitter", "15ms", "--reorder", "2", "--seed", "5"];
    let target = to(&server, "");
    let (code, report) = play(&[&["--to", target.as_str()][..], &arguments[..]].concat());
    assert_eq!(code, 0, "{report}");
    let recording = recorded(&server, 1).pop().unwrap();
    let lost = report["rtp"]["lost_on_purpose"].as_i64().unwrap();
    let missed = recording.number("/proof/packets_lost").unwrap();
    // What is missing at the very end of a stream nobody can know of.
    assert!(lost > 10 && (lost - 6..=lost).contains(&missed), "{missed} of {lost}");
}

/// A server by hand: answers the first request with `response` header lines; gives the report.
fn refused_with(status: u16, reason: &str, lines: &str) -> (i32, Value) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let here = socket.local_addr().unwrap();
    let child =
        siprec(&["--to", &format!("sip:{here}")]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
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
