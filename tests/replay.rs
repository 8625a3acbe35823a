//! What was captured elsewhere, and what the journal kept, replayed offline: the same people, the same packets, the same
//! audio. And what tshark makes of a journal.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use support::recordings::{self, Recording, Source};
use support::server::Server;
use support::src::{Call, Direction, Src};
use support::studio::{Plan, Transcript};
use support::tshark::{self, Capture, RtpStream};
use support::wav::{self, Allow, Audio, onsets};
use support::{assert_no_faults, pcap, wall_now};

const RENDERED_WITHIN: Duration = Duration::from_secs(60);
/// How far the audio of a replay may lie from the live recording's: 1 ms, and the rounding of both starts.
const APART_MS: f64 = 2.0;
/// How far the start of a live recording, our 200, may be from when the 200 was seen on the wire.
const ANSWERED_WITHIN_MS: i64 = 50;

/// Runs `siprec replay` into a folder of its own; gives what it printed and the recordings it made.
fn replay(files: &[PathBuf], data: &Path) -> (Value, Vec<Recording>) {
    let output = Command::new(env!("CARGO_BIN_EXE_siprec"))
        .arg("replay")
        .args(files)
        .arg("--data-dir")
        .arg(data)
        .arg("--json")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "replay {files:?}: {}\n{errors}", output.status);
    let text = String::from_utf8(output.stdout).unwrap();
    let rows = serde_json::from_str(&text)
        .or_else(|_| text.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>().map(Value::Array));
    (rows.unwrap_or_else(|e| panic!("--json printed {text:?}: {e}")), recordings::all(data))
}

/// Runs two calls, one with accidents and, if wanted, one with a pause, and ends them. (At the edges of a pause a packet
/// may fall to either side; a comparison of packet sets does without.)
fn live_calls(server: &Server, with_pause: bool) -> Vec<(Call, Transcript, Allow)> {
    let sources = [Src::udp(server.sip), Src::tcp(server.sip)];
    let calls = [Call::new(&sources[0], 0), Call::new(&sources[1], 1)];
    let rough = Plan { loss: 0.02, duplicate: 0.02, reorder: 0.01, ..Plan::seconds(5.0) };
    let mut silent = Vec::new();
    for (call, plan) in calls.iter().zip([Plan::seconds(5.0), rough]) {
        call.must_invite();
        call.talk(&plan);
    }
    if with_pause {
        support::pause(Duration::from_millis(1500));
        assert_eq!(calls[0].reinvite(&[Direction::Inactive; 2]).unwrap().status(), 200);
        let from = wall_now();
        support::pause(Duration::from_millis(1000));
        silent.push(from..wall_now());
        assert_eq!(calls[0].reinvite(&[Direction::SendOnly; 2]).unwrap().status(), 200);
    }
    let paused = Allow { silent: silent.clone(), blind: silent, ..Allow::default() };
    let transcripts = calls.each_ref().map(Call::finish);
    calls.into_iter().zip(transcripts).zip([paused, Allow::default()]).map(|((c, t), a)| (c, t, a)).collect()
}

/// Who was in it, as a sheet tells.
fn people(recording: &Recording) -> Vec<(String, String, String)> {
    let text = |p: &Value, name: &str| p[name].as_str().unwrap_or("").to_owned();
    let all = recording.list("/participants").iter();
    all.map(|p| (text(p, "id"), text(p, "aor"), text(p, "name"))).collect()
}

/// Two recordings of the same thing: people, packets, and every loud thing at the same hour to a millisecond.
fn differences(live: &Recording, replayed: &Recording) -> Vec<String> {
    let mut faults = replayed.file_faults();
    if people(live) != people(replayed) {
        faults.push(format!("people: {:?}, live {:?}", people(replayed), people(live)));
    }
    if live.sources() != replayed.sources() {
        faults.push(format!("sources: {:?}, live {:?}", replayed.sources(), live.sources()));
    }
    let (kept_live, kept): (BTreeSet<_>, BTreeSet<_>) =
        (live.kept().unwrap().into_keys().collect(), replayed.kept().unwrap().into_keys().collect());
    if kept_live != kept {
        let (less, more) = (kept_live.difference(&kept).count(), kept.difference(&kept_live).count());
        faults.push(format!("the journal lacks {less} packets and has {more} more"));
    }
    let (one, other) = (live.audio().unwrap(), replayed.audio().unwrap());
    let channels = |files: &[Audio]| files.iter().flat_map(|f| f.channels.clone()).collect::<Vec<_>>();
    for (n, (a, b)) in channels(&one).iter().zip(channels(&other)).enumerate() {
        // On the wall clock: what a capture has of our 200 is when it left, which may be later than when it was decided.
        let (a, b) = (hours(a, live), hours(&b, replayed));
        if a.len() != b.len() {
            faults.push(format!("channel {n}: {} clicks, live {}", b.len(), a.len()));
        }
        let worst = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        if worst > APART_MS {
            faults.push(format!("channel {n}: a click is {worst:.2} ms from where it was live"));
        }
    }
    faults
}

/// When clicks were heard, milliseconds of the day.
#[allow(clippy::cast_precision_loss, reason = "a day has few milliseconds")]
fn hours(channel: &[i16], recording: &Recording) -> Vec<f64> {
    let start = (recording.started_at() / 1_000_000 % 86_400_000) as f64;
    onsets(channel).iter().map(|onset| start + onset * 1e3).collect()
}

#[test]
fn a_capture_of_live_calls_gives_the_same_recordings() {
    if !tshark::present() {
        return;
    }
    let server = Server::start();
    let file = server.scratch().join("live.pcap");
    // On a busy machine a capture may lose packets: then it is made again.
    let captured = (0..3).find_map(|_| {
        let capture = Capture::start(&file, &server.filter());
        let calls = live_calls(&server, false);
        Some((calls, capture.stop()?))
    });
    let (calls, file) = captured.expect("three captures lost packets");
    let (rows, replayed) = replay(&[file], &server.scratch().join("replayed"));
    assert!(rows.to_string().contains(calls[0].0.call_id()) || rows.as_array().is_some_and(|r| r.len() >= 2), "{rows}");
    let mut faults = Vec::new();
    for (call, transcript, allow) in &calls {
        let live = recordings::wait(&server.data, call.call_id(), RENDERED_WITHIN);
        faults.extend(live.judge(transcript, allow));
        let Some(again) = replayed.iter().find(|r| r.call_id() == call.call_id()) else {
            faults.push(format!("call {} was not found in the capture", call.index));
            continue;
        };
        let mut told = differences(&live, again);
        let early = (again.started_at() - live.started_at()) / 1_000_000;
        if early.abs() > ANSWERED_WITHIN_MS {
            told.push(format!("t = 0 is {early} ms before our 200"));
        }
        faults.extend(told.into_iter().map(|f| format!("call {}, from the capture: {f}", call.index)));
        let report = wav::judge(&again.audio().unwrap(), again.started_at(), transcript, allow);
        faults.extend(report.faults.into_iter().map(|f| format!("call {}, replayed: {f}", call.index)));
    }
    assert_no_faults(&faults);
}

#[test]
fn a_journal_replayed_gives_the_same_recording() {
    let server = Server::start();
    let calls = live_calls(&server, true);
    let mut faults = Vec::new();
    for (call, _, _) in &calls {
        let live = recordings::wait(&server.data, call.call_id(), RENDERED_WITHIN);
        let (_, again) = replay(&live.segments(), &server.scratch().join(format!("again-{}", call.index)));
        let Some(again) = again.first() else {
            faults.push(format!("call {}: its journal gave no recording", call.index));
            continue;
        };
        faults.extend(differences(&live, again));
        if live.audio().unwrap().iter().map(|a| &a.channels).ne(again.audio().unwrap().iter().map(|a| &a.channels)) {
            faults.push(format!("call {}: not the same samples", call.index));
        }
        // What is read from the same entries is the same; ids, places and versions may differ.
        let same = [
            "/started_at",
            "/ended_at",
            "/duration_ms",
            "/ended_by",
            "/participants",
            "/streams",
            "/proof/gaps",
            "/proof/pauses",
        ];
        for pointer in same.iter().filter(|p| live.sheet.pointer(p) != again.sheet.pointer(p)) {
            let (a, b) = (live.sheet.pointer(pointer), again.sheet.pointer(pointer));
            faults.push(format!("call {}: {pointer} is {b:?}, live {a:?}", call.index));
        }
    }
    assert_no_faults(&faults);
}

#[test]
fn tshark_reads_the_journal_as_we_do() {
    if !tshark::present() {
        return;
    }
    let server = Server::start();
    let mut faults = Vec::new();
    for (call, transcript, _) in live_calls(&server, true) {
        let recording = recordings::wait(&server.data, call.call_id(), RENDERED_WITHIN);
        let (sheet, segments) = (recording.sources(), recording.segments());
        assert!(!segments.is_empty(), "no journal at {}", recording.text("/journal/path"));
        for segment in &segments {
            faults.extend(
                tshark::complaints(segment, server.sip.port()).into_iter().map(|c| format!("tshark complains: {c}")),
            );
        }
        let streams = tshark::rtp_streams(&segments[0], server.sip.port());
        let kept = recording.kept().unwrap();
        for (ssrc, source) in &sheet {
            let seen = streams.iter().find(|s| s.ssrc == *ssrc);
            if !seen.is_some_and(|seen| agree(*seen, *source, unkept(&transcript, *ssrc, &kept))) {
                faults.push(format!("call {}, {ssrc:08x}: tshark sees {seen:?}, the sheet {source:?}", call.index));
            }
        }
        if sheet.len() != transcript.legs.len() {
            faults.push(format!("call {}: {} sources", call.index, sheet.len()));
        }
        let sip = tshark::sip_lines(&segments[0], server.sip.port());
        for due in ["INVITE sip:", "SIP/2.0 200", "ACK sip:", "BYE sip:"] {
            if !sip.iter().any(|l| l.starts_with(due)) {
                faults.push(format!("call {}: tshark sees no {due:?} in the journal, only {sip:?}", call.index));
            }
        }
    }
    assert_no_faults(&faults);
}

/// Packets of a source that arrived and were not kept: those of a pause, which tshark cannot tell from lost ones.
fn unkept(transcript: &Transcript, ssrc: u32, kept: &BTreeMap<(u32, u16), i64>) -> i64 {
    let sent = transcript.legs.iter().flat_map(|l| &l.packets).filter(|p| p.ssrc == ssrc && p.copies > 0);
    i64::try_from(sent.filter(|p| !kept.contains_key(&(ssrc, p.sequence))).count()).unwrap()
}

/// tshark counts what it sees, duplicates among it, and takes them off the losses.
fn agree(seen: RtpStream, sheet: Source, unkept: i64) -> bool {
    let number = |n: usize| i64::try_from(n).unwrap();
    let (packets, lost, twice) = (number(sheet.packets), number(sheet.lost) + unkept, number(sheet.duplicates));
    let all = i64::try_from(seen.packets).unwrap();
    (all == packets || all == packets + twice) && (seen.lost == lost || seen.lost == lost - twice)
}

/// Captures of a real SRC, beside the repository or where `SIPREC_PCAPS` says.
fn captures() -> PathBuf {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/pcap"));
    std::env::var_os("SIPREC_PCAPS").map_or(beside, PathBuf::from)
}

#[test]
fn captures_of_a_real_src_become_recordings() {
    let folder = captures();
    let files: Vec<PathBuf> =
        support::files_below(&folder).into_iter().filter(|p| p.extension().is_some_and(|e| e == "pcap")).collect();
    if files.is_empty() {
        return support::lacking(&format!("no captures at {} (SIPREC_PCAPS=DIR)", folder.display()));
    }
    let scratch = support::TempDir::new("captures");
    let mut faults = Vec::new();
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let (_, made) = replay(std::slice::from_ref(&file), &scratch.path().join(&name));
        faults.extend(capture_faults(&file, &made).into_iter().map(|f| format!("{name}: {f}")));
    }
    assert_no_faults(&faults);
}

fn capture_faults(file: &Path, made: &[Recording]) -> Vec<String> {
    let [recording] = made else { return vec![format!("{} recordings", made.len())] };
    let mut faults = recording.file_faults();
    if recording.list("/participants").len() < 2 {
        faults.push(format!("participants: {:?}", recording.aors()));
    }
    // Both legs, as far as they were negotiated: each SSRC the sheet has, packet by packet.
    let mut captured: BTreeMap<u32, BTreeSet<u16>> = BTreeMap::new();
    for (ssrc, sequence) in pcap::read(file).unwrap().iter().filter_map(pcap::Datagram::rtp) {
        captured.entry(ssrc).or_default().insert(sequence);
    }
    let sheet = recording.sources();
    if sheet.len() < 2 {
        faults.push(format!("{} sources of {}", sheet.len(), captured.len()));
    }
    for (ssrc, source) in &sheet {
        let there = captured.get(ssrc).map_or(0, BTreeSet::len);
        let told = source.packets;
        // What came during a pause is not kept.
        let dropped = !recording.list("/proof/pauses").is_empty();
        if told != there && !(dropped && told < there) {
            faults.push(format!("{ssrc:08x}: {told} packets, {there} captured"));
        }
    }
    match recording.audio() {
        Ok(audio) => {
            let silent = |c: &Vec<i16>| c.iter().all(|s| s.abs() < 200);
            if audio.is_empty() || audio[0].channels.iter().any(silent) {
                faults.push("a channel is silent".into());
            }
        }
        Err(e) => faults.push(e),
    }
    faults
}
