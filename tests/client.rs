//! `siprec replay --to`: what the client side sends is recorded as it was said, and what servers answer is borne.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

mod support;

use serde_json::Value;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use support::raw::Raw;
use support::recordings::{self, Recording};
use support::server::{Server, Setup};
use support::src::Message;
use support::tls::{Authority, Wanted};
use support::tshark::{self, Capture};
use support::{TempDir, becomes_true, files_below};

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

/// How loud `hz` is in a recording's channel, beside all other tones of the test.
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
        assert!((1900..2300).contains(&recording.number("/duration_ms").unwrap()), "{:?}", recording.number("/duration_ms"));
        hears(&recording, [440, 620]);
        assert_eq!(recording.aors().len(), 2, "{:?}", recording.aors());
    }
    server.assert_never_panicked();
}
