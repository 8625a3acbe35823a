//! The same call in every layout and format: what players make of our files is what the WAV holds.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;
use support::lacking;
use support::recordings::{self, Recording};
use support::server::Server;
use support::src::{Call, Src};
use support::studio::Plan;
use support::wav::Audio;

const RENDERED_WITHIN: Duration = Duration::from_secs(60);
/// Opus' time.
const OPUS_RATE: usize = 48_000;
/// Of speech and tones at 20 kbit/s a channel, against the samples that went in.
const LEAST_OPUS_SNR_DB: f64 = 8.0;

/// A call of a few seconds, recorded by a running server.
fn recorded() -> (Server, Recording) {
    let server = Server::start();
    let call = Call::new(&Src::udp(server.sip), 0);
    call.must_invite();
    call.talk(&Plan::seconds(3.0));
    call.finish();
    let recording = recordings::wait(&server.data, call.call_id(), RENDERED_WITHIN);
    // The journal is put away a moment later.
    recording.segments();
    (server, recording)
}

fn export(server: &Server, to: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_siprec"));
    command.args(["export", "--to"]).arg(to).arg("--data-dir").arg(&server.data).args(arguments);
    command.output().unwrap()
}

/// The recording rendered again, as `arguments` say: its sheet and the paths of its files.
fn again(server: &Server, arguments: &[&str]) -> (tempfile::TempDir, Value, Vec<PathBuf>) {
    // (What lies below a hidden folder is not looked at.)
    let folder = tempfile::Builder::new().prefix("siprec-again-").tempdir().unwrap();
    let output = export(server, &folder.path().join("recordings"), arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let made = recordings::all(folder.path());
    assert_eq!(made.len(), 1, "{arguments:?}");
    assert_eq!(made[0].file_faults(), Vec::<String>::new(), "{arguments:?}");
    let files = made[0].list("/files").iter();
    let paths = files.map(|file| made[0].path.with_file_name(file["name"].as_str().unwrap())).collect();
    (folder, made[0].sheet.clone(), paths)
}

/// What ffmpeg decodes, at the file's own rate: interleaved samples.
fn decoded(file: &Path) -> Option<Vec<i16>> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-i"]).arg(file).args(["-f", "s16le", "-"]);
    let Ok(output) = command.output() else {
        lacking("ffmpeg is not installed");
        return None;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{}: {errors}", file.display());
    Some(output.stdout.as_chunks::<2>().0.iter().map(|bytes| i16::from_le_bytes(*bytes)).collect())
}

fn interleaved(audio: &Audio) -> Vec<i16> {
    (0..audio.frames()).flat_map(|n| audio.channels.iter().map(move |channel| channel[n])).collect()
}

#[test]
fn players_hear_in_every_form_what_the_wav_holds() {
    let (server, recording) = recorded();
    let stereo = recording.audio().unwrap().remove(0);
    let samples = interleaved(&stereo);

    let (_folder, sheet, files) = again(&server, &["--as", "wav"]);
    assert_eq!(std::fs::read(&files[0]).unwrap(), std::fs::read(recording.path.with_extension("wav")).unwrap());
    assert_eq!(sheet["files"], recording.sheet["files"], "the same journal gives the same bytes");

    let (_folder, sheet, files) = again(&server, &["--as", "flac"]);
    let Some(flac) = decoded(&files[0]) else { return };
    assert!(flac == samples, "FLAC: {} samples for {}", flac.len(), samples.len());
    assert!(sheet["files"][0]["bytes"].as_u64() < recording.number("/files/0/bytes").map(|n| n as u64));
    judged_by_flac(&files[0]);

    let (_folder, sheet, files) = again(&server, &["--as", "wav-g711"]);
    assert_eq!(sheet["files"][0]["coding"], "a_law", "{}", sheet["proof"]["findings"]);
    // A-law has no zero: where nothing was sent its least value stands.
    let wanted: Vec<i16> = samples.iter().map(|&sample| if sample == 0 { 8 } else { sample }).collect();
    assert!(decoded(&files[0]).unwrap() == wanted, "G.711");

    let (_folder, sheet, files) = again(&server, &["--as", "wav", "--layout", "mono"]);
    let mono: Vec<i16> = samples.chunks_exact(2).map(|frame| frame[0].saturating_add(frame[1])).collect();
    assert!(decoded(&files[0]).unwrap() == mono && files.len() == 1, "mono");
    assert_eq!((&sheet["files"][0]["channels"], &sheet["streams"][1]["channel"]), (&1.into(), &"mono".into()));

    let (_folder, sheet, files) = again(&server, &["--as", "flac", "--layout", "separate"]);
    assert_eq!(files.len(), 2);
    for (side, file) in files.iter().enumerate() {
        assert!(decoded(file).unwrap() == stereo.channels[side], "the file of side {side}");
        let voice = &sheet["files"][side]["voices"][0];
        let stream = sheet["streams"].as_array().unwrap().iter().find(|stream| stream["file"] == side).unwrap();
        assert_eq!((&voice["label"], &voice["participants"]), (&stream["label"], &stream["participants"]));
    }
}

/// `flac -t` compares the samples with the digest in the file.
fn judged_by_flac(file: &Path) {
    match Command::new("flac").args(["-t", "-s"]).arg(file).output() {
        Err(_) => lacking("flac is not installed"),
        Ok(output) => {
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && errors.is_empty(), "flac -t: {errors}");
        }
    }
}

#[test]
fn opus_is_as_long_as_the_call_and_sounds_like_it() {
    let (server, recording) = recorded();
    let stereo = recording.audio().unwrap().remove(0);
    let (_folder, sheet, files) = again(&server, &["--as", "opus"]);
    assert_eq!(sheet["files"][0]["format"], "opus");
    let Some(heard) = decoded(&files[0]) else { return };
    let times = OPUS_RATE / stereo.rate as usize;
    assert_eq!(heard.len() / 2, stereo.frames() * times, "to the sample");
    match Command::new("opusinfo").arg(&files[0]).output() {
        Err(_) => lacking("opusinfo is not installed"),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(!text.contains("WARNING") && !text.contains("ERROR"), "{text}");
            assert!(text.contains(recording.id()), "{text}");
        }
    }
    for side in 0..2 {
        let original = &stereo.channels[side];
        // The mean of so many samples at 48 kHz is one at the file's rate, a half of them later.
        let mean = |at: usize| {
            let from = at.saturating_sub(times / 2);
            let sum: i64 = (from..from + times).map(|n| i64::from(heard.get(n * 2 + side).copied().unwrap_or(0))).sum();
            sum as f64 / times as f64
        };
        let snr = |lag: i64| {
            let (mut signal, mut noise) = (0.0, 0.0);
            for (n, &sample) in original.iter().enumerate() {
                let at = usize::try_from(i64::try_from(n * times).unwrap() + lag).unwrap_or(0);
                signal += f64::from(sample).powi(2);
                noise += (f64::from(sample) - mean(at)).powi(2);
            }
            10.0 * (signal / noise).log10()
        };
        let best = (-24..=24).max_by(|a, b| snr(*a).total_cmp(&snr(*b))).unwrap();
        println!("side {side}: {:.1} dB, {best} samples of 48 kHz late", snr(best));
        assert!(best.abs() <= 6, "side {side} lies {best} samples off at 48 kHz");
        assert!(snr(best) >= LEAST_OPUS_SNR_DB, "side {side}: {:.1} dB", snr(best));
    }
}

#[test]
fn packets_and_sheet_come_from_the_journal_and_nothing_without_it() {
    let (server, recording) = recorded();
    let folder = tempfile::tempdir().unwrap();
    let output = export(&server, folder.path(), &["--as", "pcap"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = support::files_below(folder.path());
    let capture = found.iter().find(|path| path.extension().is_some_and(|e| e == "pcapng")).unwrap();
    if support::tshark::present() {
        let streams = support::tshark::rtp_streams(capture, server.sip.port());
        let told: u64 = streams.iter().map(|stream| stream.packets).sum();
        assert_eq!((streams.len(), told), (2, recording.number("/proof/packets_received").unwrap() as u64));
    }
    let gone = server.data.join(recording.text("/journal/path"));
    std::fs::remove_dir_all(&gone).unwrap();
    let output = export(&server, folder.path(), &["--as", "flac"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && errors.contains("is gone") && errors.contains("archive.keep_journal"),
        "{errors}"
    );
}
