//! Calls without end: not one packet is lost, and memory stays what it was. Ignored by default; `make soak` runs them
//! with an optimised binary. `SIPREC_SOAK_MINUTES` makes them shorter or longer.
//!
//! Calls of 50 s come and go, so many that as many as told are live at any time. What has been recorded is judged by its
//! sheet and deleted, so the disk needs room for a few minutes only.

#![allow(clippy::print_stdout, reason = "it tells its figures")]
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

#[path = "soak/long.rs"]
mod long;

use serde_json::Value;
use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::namespace::{Own, inside};
use support::process::raise_file_limit;
use support::recordings::{self, Recording};
use support::server::{Server, Setup};

const CALL_SECONDS: usize = 50;
const LEGS: usize = 2;
const PACKETS_A_SECOND: usize = 50;
/// Between two looks at what is finished.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Until the last call's recording is there.
const RENDERED_WITHIN: Duration = Duration::from_secs(300);
/// What memory may grow by from the second minute to the last: the allocator's own unrest.
const GROWTH_SHARE: f64 = 0.1;
const GROWTH_KIB: f64 = 16_384.0;

#[test]
#[ignore = "takes its time: make soak"]
fn a_thousand_sessions_for_ten_minutes() {
    inside(Own::Network, "a_thousand_sessions_for_ten_minutes", || soak(1_000, 10, None));
}

/// Needs more than two cores: the sender has to encrypt what the server decrypts.
#[test]
#[ignore = "takes its time: make soak"]
fn two_thousand_secure_sessions_for_an_hour() {
    let suite = Some("AES_CM_128_HMAC_SHA1_80");
    inside(Own::Network, "two_thousand_secure_sessions_for_an_hour", || soak(2_000, 60, suite));
}

/// What the sheets of finished recordings say.
#[derive(Debug, Default)]
struct Recorded {
    calls: usize,
    packets: usize,
    lost: usize,
    seen: BTreeSet<String>,
    faults: Vec<String>,
}

fn soak(sessions: usize, minutes: usize, srtp: Option<&str>) {
    raise_file_limit();
    let told = std::env::var("SIPREC_SOAK_MINUTES").ok().and_then(|told| told.parse().ok());
    let minutes: usize = told.unwrap_or(minutes);
    let rate = sessions / CALL_SECONDS;
    let calls = rate * (minutes * 60 + CALL_SECONDS);
    let server = Setup::default()
        .sessions(u16::try_from(sessions * 2).unwrap())
        .set("recording.format=wav-g711")
        .set("media.sdes_over_clear=true")
        .start();
    let mut client = client(&server, calls, rate, srtp);
    let (begun, mut recorded, mut memory) = (Instant::now(), Recorded::default(), Vec::new());
    while client.try_wait().unwrap().is_none() {
        support::pause(LOOK_EVERY);
        recorded.take(&server);
        memory.push((begun.elapsed(), server.usage().rss_kib));
    }
    let output = client.wait_with_output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let all = || {
        recorded.take(&server);
        recorded.calls >= calls
    };
    let rendered = support::becomes_true(RENDERED_WITHIN, all);
    println!("{sessions} sessions, {minutes} min: {report}");
    println!("{} calls recorded, {} packets, {} lost", recorded.calls, recorded.packets, recorded.lost);
    assert!(rendered, "{} of {calls} calls were recorded: {}", recorded.calls, server.tail());
    support::assert_no_faults(&recorded.faults);
    assert_eq!(
        (report["calls"]["answered"].as_u64(), report["calls"]["failed"].as_u64()),
        (Some(calls as u64), Some(0))
    );
    assert_eq!(report["rtp"]["failed"], 0, "the sender could not send");
    // Nothing lost of little proves nothing: as much was sent as so many calls have.
    let offered = (calls * LEGS * CALL_SECONDS * PACKETS_A_SECOND) as u64;
    assert!(report["rtp"]["packets"].as_u64() >= Some(offered - offered / 100), "of {offered} packets: {report}");
    assert_eq!(report["rtp"]["packets"].as_u64(), Some(recorded.packets as u64));
    stays_flat(&memory);
    server.assert_never_panicked();
}

fn client(server: &Server, calls: usize, rate: usize, srtp: Option<&str>) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_siprec"));
    command.args(["replay", "--json", "--to", &format!("sip:{}", server.sip), "--set", "logging.level=warn"]);
    command.args(["--calls", &calls.to_string(), "--rate", &rate.to_string()]);
    command.args(["--duration", &format!("{CALL_SECONDS}s"), "--legs", &LEGS.to_string()]);
    if let Some(suite) = srtp {
        command.args(["--srtp", suite, "--threads", "2"]);
    }
    command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap()
}

impl Recorded {
    /// Judges what is finished and has not been seen, and gives the disk its room back.
    fn take(&mut self, server: &Server) {
        for recording in recordings::all(&server.data) {
            if self.seen.insert(recording.id().to_owned()) {
                self.judge(&recording);
            }
            recording.delete();
        }
    }

    fn judge(&mut self, recording: &Recording) {
        self.calls += 1;
        let sources = recording.sources();
        if sources.len() != LEGS {
            self.faults.push(format!("{}: {} sources", recording.id(), sources.len()));
        }
        for (ssrc, source) in sources {
            self.packets += source.packets;
            self.lost += source.lost;
            if source.lost > 0 {
                self.faults.push(format!("{}: {} packets of {ssrc:08x} are lost", recording.id(), source.lost));
            }
        }
    }
}

/// What the server used in the second minute is about what it uses in the last, calls still coming.
fn stays_flat(memory: &[(Duration, usize)]) {
    let minute = Duration::from_secs(60);
    let ramp = Duration::from_secs(CALL_SECONDS as u64 + 10);
    let end = memory.last().unwrap().0.saturating_sub(ramp);
    let mean = |from: Duration, to: Duration| {
        let within: Vec<usize> = memory.iter().filter(|(at, _)| from <= *at && *at < to).map(|(_, kib)| *kib).collect();
        assert!(!within.is_empty(), "too short to judge memory: {memory:?}");
        #[expect(clippy::cast_precision_loss, reason = "KiB")]
        let mean = within.iter().sum::<usize>() as f64 / within.len() as f64;
        mean
    };
    let (early, late) = (mean(ramp, ramp + minute), mean(end.saturating_sub(minute), end));
    println!("memory: {early:.0} KiB in the second minute, {late:.0} KiB in the last");
    assert!(late - early <= early * GROWTH_SHARE + GROWTH_KIB, "memory grew from {early:.0} to {late:.0} KiB");
}
