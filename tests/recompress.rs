//! WAV files become FLAC and Opus: by hand and by the server, here and in storage targets, and what proves it.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use siprec::archive::proof_key::{PUBLIC_FILE, ProofKey, PublicKey};
use support::objects::S3;
use support::recordings::{self, Recording, sha256};
use support::server::{MASTER_KEY, Server, Setup, must_run, run};
use support::{TempDir, becomes_true, files_below, lacking};

const SOON: Duration = Duration::from_secs(60);

fn setup(settings: &[String]) -> Setup {
    settings.iter().fold(Setup::default(), |setup, set| setup.set(set))
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// Ends of the names of a recording's files in its folder, without those that only this machine has.
fn ends(recording: &Recording) -> Vec<String> {
    let id = recording.id();
    let all = files_below(recording.path.parent().unwrap());
    let mut ends: Vec<String> = all.iter().filter_map(|path| name(path).strip_prefix(id).map(str::to_owned)).collect();
    ends.sort();
    ends
}

fn sheet(recording: &Recording) -> Value {
    serde_json::from_slice(&std::fs::read(&recording.path).unwrap()).unwrap()
}

/// A recording of a second that `targets` targets have, its journal put away.
fn stored(server: &Server, targets: usize) -> Recording {
    let (_, recording) = recordings::of_a_second(server, SOON);
    let receipt = recording.path.with_extension("json.stored");
    let has_all = || std::fs::read_to_string(&receipt).unwrap_or_default().matches("stored_at").count() == targets;
    assert!(becomes_true(SOON, || targets == 0 || has_all()), "{}", server.tail());
    assert!(becomes_true(SOON, || server.data.join(recording.text("/journal/path")).exists()), "{}", server.tail());
    recording
}

/// What another decoder makes of a FLAC file: 16-bit samples, the least octet first.
fn samples_of(flac: &Path) -> Option<Vec<u8>> {
    let arguments = ["-d", "-c", "-s", "--force-raw-format", "--endian=little", "--sign=signed"];
    let Ok(output) = Command::new("flac").args(arguments).arg(flac).output() else {
        lacking("flac is not installed");
        return None;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    Some(output.stdout)
}

fn exported(data: &Path, settings: &[String], arguments: &str) -> (TempDir, Vec<PathBuf>) {
    let to = TempDir::new("export");
    must_run(data, settings, format!("export --to {} {arguments}", to.path().display()).trim_end());
    let files = files_below(to.path());
    (to, files)
}

fn of_kind<'f>(files: &'f [PathBuf], end: &str) -> &'f Path {
    files.iter().find(|path| name(path).ends_with(end)).unwrap_or_else(|| panic!("no {end} in {files:?}"))
}

#[test]
fn by_hand_it_becomes_flac_everywhere_and_the_proof_goes_on() {
    let Some(s3) = S3::start() else { return };
    s3.turn_versions_on();
    let share = TempDir::new("share");
    let mut settings = s3.settings();
    settings.push(format!("storage.targets=[{{type: local, local: {{path: {}}}}}]", share.path().display()));
    let server = setup(&settings).start();
    let data = server.data.clone();
    let (recording, held) = (stored(&server, 2), stored(&server, 2));
    must_run(&data, &settings, &format!("archive hold --reason case-17 --id {}", held.id()));
    assert!(becomes_true(SOON, || s3.keys().iter().any(|key| key.ends_with(".notes"))), "{:?}", s3.keys());
    let wav = std::fs::read(recording.path.with_extension("wav")).unwrap();
    let (text, untouched) = (std::fs::read(&recording.path).unwrap(), std::fs::read(&held.path).unwrap());
    let (id, before) = (recording.id().to_owned(), recording.sheet.clone());
    let planned = lines(&must_run(&data, &settings, "archive recompress --older-than 0s --dry-run --json"));
    assert_eq!(planned, [json!({ "would_recompress": id, "bytes": wav.len() })]);

    let done = lines(&must_run(&data, &settings, "archive recompress --older-than 0s --json"));
    assert_eq!((done.len(), &done[0]["recompressed"], &done[0]["to"]), (1, &json!(id), &json!("flac")), "{done:?}");
    assert!(done[0]["bytes"].as_u64() < done[0]["bytes_before"].as_u64(), "{done:?}");
    let flac = recording.path.with_extension("flac");
    assert_eq!(&ends(&recording)[..], [".flac", ".json", ".json.sig", ".json.stored"]);
    if let Some(samples) = samples_of(&flac) {
        assert!(samples == wav[44..], "each sample as it was");
    }
    let now = sheet(&recording);
    let known = &now["recompressed"];
    assert_eq!((&known["files"][0]["sha256"], &known["lossless"]), (&json!(sha256(&wav)), &json!(true)));
    assert_eq!((known["sheet"].as_str().unwrap().as_bytes(), &known["sheet_sha256"]), (&*text, &json!(sha256(&text))));
    for what in ["id", "started_at", "duration_ms", "participants", "streams", "proof", "metadata", "journal"] {
        assert_eq!(now[what], before[what], "{what}");
    }
    let signature = std::fs::read(recording.path.with_extension("json.sig")).unwrap();
    let public = PublicKey::read(&data.join(PUBLIC_FILE)).unwrap();
    assert!(public.verifies(&std::fs::read(&recording.path).unwrap(), &signature));

    let content = std::fs::read(&flac).unwrap();
    let objects = s3.objects();
    let of = |end: &str| objects.keys().filter(|key| key.contains(&id) && key.ends_with(end)).count();
    assert_eq!((of(".wav"), of(".flac"), of(".json"), of(".json.sig")), (0, 1, 1, 1), "{:?}", objects.keys());
    assert!(objects.iter().any(|(key, there)| key.ends_with(".flac") && *there == content));
    let there = files_below(share.path());
    assert!(!there.iter().any(|path| name(path) == format!("{id}.wav")), "{there:?}");
    assert!(std::fs::read(of_kind(&there, ".flac")).unwrap() == content);
    // What is held is what it was, everywhere.
    assert!(std::fs::read(&held.path).unwrap() == untouched && held.path.with_extension("wav").exists());
    assert!(s3.keys().iter().any(|key| key.contains(held.id()) && key.ends_with(".wav")));

    assert!(must_run(&data, &settings, "archive verify --deep").contains("0 at fault"));
    let log = lines(&must_run(&data, &settings, "archive audit --action recompressed --json"));
    assert_eq!((log.len(), &log[0]["recording"], &log[0]["detail"]["to"]), (1, &json!(id), &json!("flac")));
    proven_by_its_copy(&data, &settings, &recording, &wav);
    server.assert_never_panicked();
}

/// Whoever has a copy can tell what it was made of, and gets the WAV again when its journal is gone.
fn proven_by_its_copy(data: &Path, settings: &[String], recording: &Recording, wav: &[u8]) {
    let only = format!("--id {}", recording.id());
    let (folder, files) = exported(data, settings, &only);
    let key = data.join(PUBLIC_FILE);
    let verify = format!("export --verify {} --public-key {}", folder.path().display(), key.display());
    let said = must_run(data, settings, &verify);
    let made_of = format!("made of {}.wav, SHA-256 {}", recording.id(), sha256(wav));
    assert!(said.contains(&made_of) && said.contains("each sample as it was"), "{said}");
    let json = lines(&must_run(data, settings, &format!("{verify} --json")));
    assert_eq!(json[0]["recompressed"]["files"][0]["sha256"], sha256(wav));
    let copied = of_kind(&files, ".json");
    let changed = std::fs::read_to_string(copied).unwrap().replacen("\"lossless\": true", "\"lossless\":  true", 1);
    std::fs::write(copied, changed).unwrap();
    assert_eq!(run(data, settings, &verify).status.code(), Some(1), "any octet counts");
    forged(data, settings, recording, &verify, copied);

    std::fs::remove_dir_all(data.join(recording.text("/journal/path"))).unwrap();
    let (_folder, files) = exported(data, settings, &format!("--as wav {only}"));
    assert!(std::fs::read(of_kind(&files, ".wav")).unwrap() == wav, "the same file, octet for octet");
    let gone = run(data, settings, &format!("export --to {} --as opus {only}", folder.path().join("a").display()));
    let errors = String::from_utf8_lossy(&gone.stderr).into_owned();
    assert!(!gone.status.success() && errors.contains("is gone"), "{errors}");
}

/// Even under a signature that holds, what is said of the files of before must be what their own sheet says.
fn forged(data: &Path, settings: &[String], recording: &Recording, verify: &str, copied: &Path) {
    let key = ProofKey::read(data).unwrap();
    let place = |sheet: &Path, text: &[u8]| {
        std::fs::write(sheet, text).unwrap();
        std::fs::write(sheet.with_extension("json.sig"), key.sign(text).unwrap()).unwrap();
    };
    let text = std::fs::read(&recording.path).unwrap();
    let changed = |pointer: &str| {
        let mut sheet: Value = serde_json::from_slice(&text).unwrap();
        *sheet.pointer_mut(pointer).unwrap() = json!("00".repeat(32));
        serde_json::to_vec_pretty(&sheet).unwrap()
    };
    place(copied, &changed("/recompressed/files/0/sha256"));
    let refused = run(data, settings, verify);
    assert!(String::from_utf8_lossy(&refused.stdout).contains("tells of other files"), "{refused:?}");
    for (pointer, flags) in [("/recompressed/files/0/sha256", ""), ("/recompressed/files/0/samples_sha256", " --deep")]
    {
        place(&recording.path, &changed(pointer));
        let found = run(data, settings, &format!("archive verify{flags} --json {}", recording.id()));
        let found = lines(&String::from_utf8_lossy(&found.stdout));
        assert!(found.iter().any(|line| line["fault"] == "descent_wrong"), "{pointer}: {found:?}");
    }
    place(&recording.path, &text);
}

#[test]
fn the_server_fetches_what_was_released_and_opus_waits_for_a_steady_clock() {
    let share = TempDir::new("share");
    let settings = [
        "archive.seal.enabled=true".to_owned(),
        format!("archive.seal.master_key={MASTER_KEY}"),
        format!("storage.local.path={}", share.path().display()),
        "storage.keep_local=0s".to_owned(),
        "archive.recompress_after=0s".to_owned(),
    ];
    let mut server = setup(&settings).start();
    let banner = server.stdout();
    let says = |line: &str| banner.iter().any(|told| told.text.contains(line));
    assert!(says("WAV becomes flac after 0s (archive.recompress_after)"), "{}", server.tail());
    let recording = stored(&server, 1);
    let here = recording.path.with_extension("wav.sealed");
    server.terminate();
    server.restart();
    // Looked for at the start, fetched, stored, and released again.
    let has = |path: &Path, end: &str| files_below(path).iter().any(|path| name(path).ends_with(end));
    assert!(becomes_true(SOON, || has(share.path(), ".flac.sealed")), "{}", server.tail());
    assert!(becomes_true(SOON, || !has(share.path(), ".wav.sealed") && !here.exists()), "{}", server.tail());
    server.must_say(&["recompressed", "before=", "after="]);
    assert!(becomes_true(SOON, || lines(&must_run(&server.data, &settings, "archive outbox --json")).is_empty()));
    let orders = || files_below(&server.data.join("recompressing"));
    assert!(becomes_true(SOON, || orders().is_empty()), "{:?}", orders());
    assert!(must_run(&server.data, &settings, "archive verify --deep").contains("0 at fault"));
    let (_folder, files) = exported(&server.data, &settings, "");
    let heard = samples_of(of_kind(&files, ".flac")).map(|samples| sha256(&samples));
    let known = sheet(&recording)["recompressed"]["files"][0]["samples_sha256"].clone();
    assert!(heard.is_none_or(|heard| heard == known), "{known}");

    // Another, to become Opus: not by a clock that nobody knows yet; but by hand.
    let second = stored(&server, 1);
    server.terminate();
    let opus = [&settings[..], &["archive.recompress_to=opus".to_owned()]].concat();
    let other = setup(&opus).data(&server.data).start();
    other.must_say(&["archive.recompress_to: opus is lossy"]);
    other.must_say(&["nothing becomes Opus before the clock has been steady"]);
    assert!(!has(second.path.parent().unwrap(), ".opus.sealed"));
    let by_hand = run(&other.data, &opus, "archive recompress --older-than 0s");
    assert!(by_hand.status.success(), "{by_hand:?}");
    assert!(becomes_true(SOON, || has(share.path(), ".opus.sealed")), "{}", other.tail());
    let known = &sheet(&second)["recompressed"];
    assert_eq!(known["lossless"], json!(false));
    let verify = format!("export --verify {} --json", second.path.display());
    assert_eq!(lines(&must_run(&other.data, &opus, &verify))[0]["recompressed"]["lossless"], json!(false));
    other.assert_never_panicked();
}

#[test]
fn what_a_lock_keeps_is_said_and_stays_and_what_cannot_be_fetched_is_what_it_was() {
    let Some(s3) = S3::start() else { return };
    s3.make_locking_bucket("locked");
    let mut settings = s3.settings();
    settings.extend(
        ["storage.s3.bucket=locked", "storage.s3.lock_mode=compliance", "storage.s3.lock_days=30"].map(Into::into),
    );
    let mut server = setup(&settings).start();
    let recording = stored(&server, 1);
    let waits = run(&server.data, &settings, "archive recompress --older-than 0s --json");
    assert_eq!(waits.status.code(), Some(1), "{waits:?}");
    let said = lines(&String::from_utf8_lossy(&waits.stdout));
    let why = said.last().unwrap()["waits"].as_str().unwrap().to_owned();
    assert!(why.contains("still in s3 (a lock or a policy may keep them)"), "{why}");
    assert_eq!(ends(&recording), [".flac", ".json", ".json.sig", ".json.stored"], "here nothing of before is left");
    assert_eq!(lines(&must_run(&server.data, &settings, "archive outbox --json")), [Value::Null; 0]);
    let listed = lines(&must_run(&server.data, &settings, "archive recompress --older-than 0s --dry-run --json"));
    assert_eq!((listed.len(), &listed[0]["recording"]), (1, &json!(recording.id())), "{listed:?}");
    assert!(must_run(&server.data, &settings, "archive verify").contains("0 at fault"));

    // Released, and nobody has it any more.
    let second = stored(&server, 1);
    let audio = second.path.with_extension("wav");
    server.terminate();
    std::fs::rename(&audio, audio.with_extension("aside")).unwrap();
    drop(s3);
    let before = std::fs::read(&second.path).unwrap();
    let failed = run(&server.data, &settings, "archive recompress --older-than 0s");
    let errors = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(!failed.status.success() && errors.contains("it cannot be fetched"), "{errors}");
    assert!(std::fs::read(&second.path).unwrap() == before);
    let listed = must_run(&server.data, &settings, "archive recompress --older-than 0s --dry-run");
    assert!(listed.contains(&format!("waits  {}: it cannot be fetched", second.id())), "{listed}");
}
