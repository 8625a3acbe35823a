//! Storage targets: real object stores, what spoils the way to them, and a server that is killed while it stores.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use support::made_up::{file, record};
use support::objects::{AZURE_ACCOUNT, AZURE_KEY, Azure, Relay, S3, Spoil, container_credentials, google_metadata};
use support::server::{Server, Setup, binary, must_run};
use support::{TempDir, becomes_true, files_below, pause, recordings};

const SOON: Duration = Duration::from_secs(60);
const ENDS: [&str; 3] = [".wav", ".json", ".json.sig"];
/// Larger than what is sent at once: two parts, and three.
const TWO_PARTS: usize = (8 << 20) + 1;
const THREE_PARTS: usize = (16 << 20) + 5;

fn setup(settings: &[String]) -> Setup {
    settings.iter().fold(Setup::default(), |setup, set| setup.set(set))
}

/// What `siprec archive outbox --json` says of each target.
fn backlog(data: &Path) -> Vec<Value> {
    let text = must_run(data, &[], "archive outbox --json");
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.filter(|line: &Value| line.get("waiting").is_some()).collect()
}

fn is_stored(data: &Path, recording: &str, targets: usize) -> bool {
    let receipt = std::fs::read(file(data, recording, ".json.stored")).ok();
    let receipt: Option<Value> = receipt.and_then(|text| serde_json::from_slice(&text).ok());
    receipt.is_some_and(|receipt| receipt["targets"].as_array().unwrap().len() == targets)
}

#[track_caller]
fn wait_until_stored(server: &Server, recordings: &[String], targets: usize) {
    let all = || recordings.iter().all(|recording| is_stored(&server.data, recording, targets));
    assert!(becomes_true(SOON, all), "not stored; the server said:\n{}", server.tail());
}

/// Each file once, octet for octet, and nothing else.
#[track_caller]
fn assert_in(s3: &S3, data: &Path, recordings: &[String]) {
    let objects = s3.objects();
    assert_eq!(objects.len(), 3 * recordings.len(), "{:?}", objects.keys());
    for recording in recordings {
        for end in ENDS {
            let stored = &objects[&format!("2026/03/09/{recording}{end}")];
            assert!(*stored == std::fs::read(file(data, recording, end)).unwrap(), "{recording}{end}");
        }
    }
    assert_eq!(s3.uploads(), [""; 0], "parts are left behind");
}

#[test]
fn a_call_gets_to_every_target_and_comes_back_when_it_is_exported() {
    let (Some(s3), Some(azure)) = (S3::start(), Azure::start()) else { return };
    let share = TempDir::new("share");
    let targets = format!(
        "storage.targets=[{{name: share, type: local, local: {{path: {}}}}}, {{type: azure, azure: {{account: \
         {AZURE_ACCOUNT}, container: recs, endpoint: \"{}\", access_key: \"{AZURE_KEY}\"}}}}]",
        share.path().display(),
        azure.endpoint()
    );
    let mut settings = s3.settings();
    settings.extend([targets, "storage.s3.encryption=true".into(), "storage.keep_local=0s".into()]);
    settings.push("storage.key=calls/{yyyy}/{id}".into());
    let mut server = setup(&settings).start();
    let (_, recording) = recordings::of_a_second(&server, SOON);
    let stored = recording.path.with_extension("json.stored");
    let has_all = || {
        let text = std::fs::read_to_string(&stored).unwrap_or_default();
        text.matches("stored_at").count() == 3
    };
    assert!(becomes_true(SOON, has_all), "{}", server.tail());
    let audio = recording.path.with_extension("wav");
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let keys = s3.keys();
    let key = keys.iter().find(|key| key.ends_with(".wav")).unwrap();
    assert_eq!(*key, format!("calls/2026/{}", name(&audio)));
    assert!(s3.head("recs", key).contains("x-amz-server-side-encryption: aes256"), "{}", s3.head("recs", key));
    let blobs = azure.blobs();
    assert_eq!(blobs.len(), 3, "{blobs:?}");
    assert_eq!(files_below(share.path()).len(), 3);

    // All targets have it: the next look releases the audio here. Then it is fetched.
    server.terminate();
    server.restart();
    assert!(becomes_true(SOON, || !audio.exists()), "{}", server.tail());
    let to = TempDir::new("export");
    let storage: Vec<String> = settings.iter().filter(|set| set.starts_with("storage.")).cloned().collect();
    must_run(&server.data, &storage, &format!("export --to {}", to.path().display()));
    let exported = files_below(to.path()).into_iter().find(|path| name(path) == name(&audio)).unwrap();
    let exported = std::fs::read(exported).unwrap();
    assert!(exported == s3.objects()[key]);
    let blob = blobs.iter().find(|blob| blob.ends_with(".wav")).unwrap();
    assert!(exported == azure.blob(blob));
    assert_eq!(recordings::sha256(&exported), recording.sheet["files"][0]["sha256"]);
    assert_eq!(backlog(&server.data), [Value::Null; 0]);
    let log = server.log();
    assert!(!log.contains("secret-of-a-test") && !log.contains(AZURE_KEY));
}

#[test]
fn a_sealed_recording_is_stored_as_it_lies_and_opened_when_it_comes_back() {
    let share = TempDir::new("share");
    let settings = [
        "archive.seal.enabled=true".into(),
        format!("archive.seal.master_key={}", "5a".repeat(32)),
        format!("storage.local.path={}", share.path().display()),
        "storage.keep_local=0s".into(),
    ];
    let mut server = setup(&settings).start();
    let (_, recording) = recordings::of_a_second(&server, SOON);
    let sealed = recording.sheet["files"][0]["sealed"]["name"].as_str().unwrap();
    let here = recording.path.with_file_name(sealed);
    assert!(becomes_true(SOON, || recording.path.with_extension("json.stored").exists()), "{}", server.tail());
    let there = files_below(share.path());
    let ends: Vec<String> =
        there.iter().map(|path| path.file_name().unwrap().to_str().unwrap()[36..].to_owned()).collect();
    assert_eq!(ends, [".json", ".json.sig", ".key", ".wav.sealed"]);
    server.terminate();
    server.restart();
    assert!(becomes_true(SOON, || !here.exists()), "{}", server.tail());

    // Its key is wrapped anew: the target gets that, and the audio is not touched.
    let settings = [
        "archive.seal.enabled=true".into(),
        format!("archive.seal.master_key={}", "a5".repeat(32)),
        format!("archive.seal.previous_keys=[{}]", "5a".repeat(32)),
        settings[2].clone(),
        settings[3].clone(),
    ];
    let old = std::fs::read(&there[2]).unwrap();
    let said = must_run(&server.data, &settings, "archive rewrap");
    assert!(said.contains("the keys of 1 recordings are to be stored anew"), "{said}");
    assert!(becomes_true(SOON, || std::fs::read(&there[2]).unwrap() != old), "{}", server.tail());
    assert!(!here.exists());

    let to = TempDir::new("export");
    must_run(&server.data, &settings, &format!("export --to {}", to.path().display()));
    let files = files_below(to.path());
    let audio = files.iter().find(|path| path.extension().is_some_and(|end| end == "wav")).unwrap();
    assert_eq!(recordings::sha256(&std::fs::read(audio).unwrap()), recording.sheet["files"][0]["sha256"]);
    assert!(!files.iter().any(|path| path.display().to_string().contains("fetched")), "{files:?}");

    // Into a vCon, too; what is made once is known again without fetching it.
    let vcons = TempDir::new("vcons");
    let export = |settings: &[String]| {
        must_run(&server.data, settings, &format!("export --as vcon --sign --to {}", vcons.path().display()))
    };
    assert_eq!(export(&settings), "1 copied, 0 already there, 0 failed\n");
    assert_eq!(export(&[]), "0 copied, 1 already there, 0 failed\n");
    must_run(&server.data, &[], &format!("export --id {} --dry-run", recording.id()));
    let verified = Command::new(binary()).args(["export", "--verify"]).arg(vcons.path()).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

#[test]
fn a_target_that_is_down_is_waited_for_and_shown() {
    let port = support::ports::single();
    let mut settings = S3::settings_at(port);
    settings.push("storage.key={caller}/{id}".into());
    let house = TempDir::new("house");
    let data = house.path().join("data");
    let recording = record(&data, 1, 1000);
    let server = setup(&settings).data(&data).start();
    let line = server.must_say(&["storage cannot be reached", "s3://recs", "Connection refused"]);
    assert!(!line.contains("4930123"), "a number in the log: {line}");
    let waiting = backlog(&data);
    assert_eq!((waiting.len(), &waiting[0]["target"], &waiting[0]["waiting"]), (1, &"s3".into(), &1.into()));
    assert!(waiting[0]["last_error"].as_str().unwrap().contains("Connection refused"), "{waiting:?}");
    let Some(s3) = S3::start_on(port) else { return };
    server.must_say(&["HTTP 404: NoSuchBucket", "make it, or correct its name"]);
    s3.make_bucket();
    wait_until_stored(&server, std::slice::from_ref(&recording), 1);
    server.must_say(&["storage is back"]);
    assert_eq!(s3.keys().len(), 3);
    assert!(s3.keys().contains(&format!("+4930123/{recording}.wav")));
    assert_eq!(backlog(&data), [Value::Null; 0]);
}

#[test]
fn whatever_spoils_the_way_everything_gets_there_once() {
    let Some(s3) = S3::start() else { return };
    s3.turn_versions_on();
    let house = TempDir::new("house");
    let data = house.path().join("data");
    let sizes = [0, 1, 5000, TWO_PARTS, THREE_PARTS];
    let all: Vec<String> = (1..).zip(sizes).map(|(id, octets)| record(&data, id, octets)).collect();
    let relay = Relay::start(
        s3.port,
        vec![
            Spoil::Failing,
            Spoil::Reset(1),
            Spoil::AnswerLost,
            Spoil::Reset(3 << 20),
            Spoil::Slow(60_000),
            Spoil::Failing,
            Spoil::AnswerLost,
            Spoil::Reset(9 << 20),
            Spoil::AnswerLost,
            Spoil::Hangs(Duration::from_secs(35)),
        ],
    );
    let server = setup(&S3::settings_at(relay.port)).set("storage.uploads=3").data(&data).start();
    // Failures in a row double the wait each, and how many that are is chance.
    let there = || all.iter().all(|recording| is_stored(&data, recording, 1));
    assert!(becomes_true(5 * SOON, there), "not stored; the server said:\n{}", server.tail());
    assert_in(&s3, &data, &all);
    assert_eq!(s3.versions(), s3.keys().len(), "something was stored twice");
    assert!(relay.connections() > 10, "{} connections were made", relay.connections());
}

#[test]
fn a_server_that_is_killed_again_and_again_stores_everything_once() {
    let Some(s3) = S3::start() else { return };
    s3.turn_versions_on();
    let house = TempDir::new("house");
    let data = house.path().join("data");
    let kills = if std::env::var_os("SIPREC_SOAK").is_some() { 300 } else { 30 };
    let mut all = Vec::new();
    let mut server = setup(&s3.settings()).data(&data).start();
    let mut rng = support::Rng(7);
    for kill in 0..kills {
        let octets = *rng.pick(&[100, 70_000, 1_000_000, TWO_PARTS, THREE_PARTS]);
        // Most are soon there; a large one in each few.
        let octets = if kill % 5 == 0 { octets.max(TWO_PARTS) } else { octets.min(70_000) };
        server.kill();
        all.push(record(&data, 100 + kill, octets));
        // Its queue is lost with it now and then: the receipts tell what remains to be done.
        if kill % 3 == 0 {
            for end in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(data.join(format!("outbox.sqlite{end}")));
            }
        } else {
            forget_set_up(&data);
        }
        server.restart();
        pause(Duration::from_millis(rng.below(400).try_into().unwrap()));
    }
    wait_until_stored(&server, &all, 1);
    assert_in(&s3, &data, &all);
    server.assert_never_panicked();
}

/// Has the next start look for recordings that nobody queued, as for a target that is new.
fn forget_set_up(data: &Path) {
    let queue = siprec::archive::outbox::Queue::open(data).unwrap();
    queue.set_targets(&[], support::wall_now() / 1_000_000).unwrap();
}

#[test]
fn objects_are_locked_where_that_is_asked_for() {
    let Some(s3) = S3::start() else { return };
    s3.make_locking_bucket("locked");
    let house = TempDir::new("house");
    let data = house.path().join("data");
    let all = [record(&data, 1, 1000), record(&data, 2, TWO_PARTS)];
    let server = setup(&s3.settings())
        .set("storage.s3.bucket=locked")
        .set("storage.s3.lock_mode=governance")
        .set("storage.s3.lock_days=30")
        .set("storage.s3.storage_class=STANDARD_IA")
        .data(&data)
        .start();
    wait_until_stored(&server, &all, 1);
    for (index, recording) in all.iter().enumerate() {
        let head = s3.head("locked", &format!("2026/03/09/{recording}.wav"));
        // moto forgets the lock of an object of several parts, which was asked for in the same headers as its class.
        let is_locked = head.contains("x-amz-object-lock-mode: governance")
            && head.contains("x-amz-object-lock-retain-until-date: 20");
        assert!(is_locked || index > 0, "{head}");
        assert!(head.contains("x-amz-storage-class: standard_ia"), "{head}");
        assert!(head.contains("x-amz-meta-siprec-sha256: "), "{head}");
    }
}

/// Of the environment, of the file, of the machine; and a line that says where it looked.
#[test]
fn credentials_come_from_wherever_amazons_tools_look() {
    let Some(s3) = S3::start() else { return };
    let house = TempDir::new("house");
    let file_of_keys = house.path().join("credentials");
    std::fs::write(&file_of_keys, "[calls]\naws_access_key_id = AKIDFILE\naws_secret_access_key = secret-of-a-test\n")
        .unwrap();
    let token = house.path().join("token");
    std::fs::write(&token, "token").unwrap();
    let (file_of_keys, token) = (file_of_keys.display().to_string(), token.display().to_string());
    let machine = container_credentials();
    let ways: [(&[(&str, &str)], &str); 3] = [
        (&[("AWS_ACCESS_KEY_ID", "AKIDENV"), ("AWS_SECRET_ACCESS_KEY", "secret-of-a-test")], "~"),
        (&[("AWS_SHARED_CREDENTIALS_FILE", &file_of_keys)], "calls"),
        (&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &machine), ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &token)], "~"),
    ];
    let keyless: Vec<String> = s3.settings().into_iter().filter(|set| !set.contains("_key=")).collect();
    for (n, (environment, profile)) in (1..).zip(ways) {
        let data = house.path().join(format!("data{n}"));
        let recording = record(&data, n, 100);
        let start = setup(&keyless).set(&format!("storage.s3.profile={profile}")).env("HOME", "/nonexistent");
        let start = environment.iter().fold(start, |start, (name, value)| start.env(name, value));
        let server = start.data(&data).start();
        wait_until_stored(&server, &[recording], 1);
        assert!(!server.log().contains("secret-of-a-test"));
    }
    assert_eq!(s3.keys().len(), 9);
    let data = house.path().join("none");
    record(&data, 9, 100);
    let gone = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://127.0.0.1:{}/", support::ports::single()));
    let start = setup(&keyless).env("HOME", "/nonexistent").env(gone.0, &gone.1);
    let server = start.env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &token).data(&data).start();
    server.must_say(&["no credentials: neither AWS_ACCESS_KEY_ID", "check the credentials"]);
}

#[test]
fn azure_takes_large_recordings_in_parts() {
    let Some(azure) = Azure::start() else { return };
    let house = TempDir::new("house");
    let data = house.path().join("data");
    let all = [record(&data, 1, THREE_PARTS), record(&data, 2, 10)];
    let server = Setup::default()
        .set("storage.type=azure")
        .set(&format!("storage.azure.account={AZURE_ACCOUNT}"))
        .set("storage.azure.container=recs")
        .set(&format!("storage.azure.access_key={AZURE_KEY}"))
        .set(&format!("storage.azure.endpoint={}", azure.endpoint()))
        .data(&data)
        .start();
    wait_until_stored(&server, &all, 1);
    for recording in &all {
        for end in ENDS {
            let blob = azure.blob(&format!("2026/03/09/{recording}{end}"));
            assert!(blob == std::fs::read(file(&data, recording, end)).unwrap(), "{recording}{end}");
        }
    }
    let wrong = Setup::default()
        .set("storage.type=azure")
        .set(&format!("storage.azure.account={AZURE_ACCOUNT}"))
        .set("storage.azure.container=recs")
        .set("storage.azure.access_key=bm90IHRoZSBrZXk=")
        .set(&format!("storage.azure.endpoint={}", azure.endpoint()));
    let other = house.path().join("other");
    record(&other, 3, 10);
    let server = wrong.data(&other).start();
    server.must_say(&["az://devstoreaccount1/recs", "check the credentials"]);
    assert!(file(&other, &made_up_id(3), ".wav").exists());
}

/// Google's XML API is S3's for what is asked of it: objects whole and in parts, what they are, ranges. So a server of S3's stands for
/// it, which Google's client asks with a token of the machine's.
#[test]
fn google_takes_large_recordings_in_parts_and_gives_them_back() {
    let Some(s3) = S3::start() else { return };
    let house = TempDir::new("house");
    let settings = |bucket: &str| {
        [
            "storage.type=gcs".to_owned(),
            format!("storage.gcs.bucket={bucket}"),
            format!("storage.gcs.endpoint=http://127.0.0.1:{}", s3.port),
            "storage.keep_local=0s".to_owned(),
        ]
    };
    let machine = google_metadata();
    let start = |bucket: &str, data: &Path| {
        setup(&settings(bucket)).env("GCE_METADATA_HOST", &machine).env("HOME", "/nonexistent").data(data).start()
    };
    let data = house.path().join("data");
    let all = [record(&data, 1, THREE_PARTS), record(&data, 2, 10)];
    let audio = all.each_ref().map(|recording| std::fs::read(file(&data, recording, ".wav")).unwrap());
    let mut server = start("recs", &data);
    wait_until_stored(&server, &all, 1);
    server.terminate();
    server.restart();
    let released = || all.iter().all(|recording| !file(&data, recording, ".wav").exists());
    assert!(becomes_true(SOON, released), "{}", server.tail());
    let objects = s3.objects();
    assert_eq!((objects.len(), s3.uploads().len()), (3 * all.len(), 0), "{:?}", objects.keys());
    let to = house.path().join("export");
    let mut export = Command::new(binary());
    export.args(["export", "--data-dir"]).arg(&data).arg("--to").arg(&to).env("GCE_METADATA_HOST", &machine);
    let exported =
        settings("recs").iter().fold(&mut export, |export, set| export.args(["--set", set])).output().unwrap();
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    for (recording, audio) in all.iter().zip(&audio) {
        assert!(objects[&format!("2026/03/09/{recording}.wav")] == *audio, "{recording}");
        let fetched =
            files_below(&to).into_iter().find(|path| path.to_string_lossy().ends_with(&format!("{recording}.wav")));
        assert!(std::fs::read(fetched.unwrap()).unwrap() == *audio, "{recording}");
    }
    server.assert_never_panicked();

    let other = house.path().join("other");
    record(&other, 3, 10);
    let server = start("no-such-bucket", &other);
    server.must_say(&["gs://no-such-bucket", "does not exist"]);
    assert!(!server.log().contains("token-of-a-test"));
    assert!(file(&other, &made_up_id(3), ".wav").exists());
}

fn made_up_id(id: u128) -> String {
    siprec_core::seed::RecordingId(id).to_string()
}

#[test]
fn a_damaged_recording_is_listed_with_its_reason_and_can_be_tried_again() {
    let Some(s3) = S3::start() else { return };
    let house = TempDir::new("house");
    let data = house.path().join("data");
    let recording = record(&data, 1, 1000);
    let audio = file(&data, &recording, ".wav");
    let good = std::fs::read(&audio).unwrap();
    std::fs::write(&audio, &good[..999]).unwrap();
    let server = setup(&s3.settings()).data(&data).start();
    server.must_say(&["a recording is not stored", "is damaged: its SHA-256 is"]);
    assert_eq!(s3.keys(), [""; 0]);
    let listed = must_run(&data, &[], "archive outbox");
    assert!(listed.contains(&recording) && listed.contains("is damaged"), "{listed}");
    std::fs::write(&audio, good).unwrap();
    let again = must_run(&data, &[], "archive outbox --retry");
    assert!(again.starts_with("1 recording is tried again now"));
    wait_until_stored(&server, std::slice::from_ref(&recording), 1);
    assert_in(&s3, &data, &[recording]);
}
