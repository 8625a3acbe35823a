//! What is held, what is erased and what expires: beside a server and without one, here and in storage targets.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

#[path = "flows/document.rs"]
mod document;
#[path = "flows/story.rs"]
mod story;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use document::{Document, two_parties};
use serde_json::{Value, json};
use siprec::archive::proof_key::{PUBLIC_FILE, PublicKey};
use story::{bye, recordings_of, session, speak, update};
use support::google::{Google, Keeping};
use support::made_up::{file, record};
use support::objects::{AZURE_ACCOUNT, AZURE_KEY, Azure, S3, google_metadata};
use support::server::{MASTER_KEY, Server, Setup, binary, must_run, run};
use support::src::body::Body;
use support::src::{Call, Direction, Src};
use support::{TempDir, becomes_true, files_below};

const SOON: Duration = Duration::from_secs(60);
const DAYS_AGO: i64 = 3 * 86_400_000_000_000;

fn setup(settings: &[String]) -> Setup {
    settings.iter().fold(Setup::default(), |setup, set| setup.set(set))
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Ids that a search finds.
fn found(data: &Path, settings: &[String], search: &str) -> Vec<String> {
    let rows = lines(&must_run(data, settings, format!("export --dry-run --json {search}").trim_end()));
    let mut ids: Vec<String> = rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

fn is_stored(data: &Path, recording: &str) -> bool {
    files_below(&data.join("recordings"))
        .iter()
        .any(|p| p.to_string_lossy().ends_with(&format!("{recording}.json.stored")))
}

/// The files below `data` that have `text` in them.
fn files_with(data: &Path, text: &str) -> Vec<String> {
    let has = |path: &Path| std::fs::read(path).is_ok_and(|f| f.windows(text.len()).any(|w| w == text.as_bytes()));
    files_below(data).iter().filter(|path| has(path)).map(|path| path.display().to_string()).collect()
}

/// Three calls in a row in one recording session, stored; the ids of their recordings.
fn three_calls(server: &Server, src: &Src) -> Vec<String> {
    let call = Call::new(src, 5);
    let answer = call.invite_with(&Body::sdp(call.offer_sdp(&[Direction::SendOnly; 2]))).unwrap();
    call.acknowledge(&answer);
    let calls = [("cs-one", ["alice", "bob"]), ("cs-two", ["carol", "dave"]), ("cs-three", ["erin", "alice"])];
    for (name, parties) in calls {
        update(&call, &two_parties(name, None, parties));
        speak(&call, 1.0);
        update(&call, &Document::partial().ends(name));
    }
    bye(&call);
    let all = recordings_of(&server.data, &call, 3);
    let of = |name: &str| all.iter().find(|recording| session(recording) == document::id(name)).unwrap();
    let ids: Vec<String> = calls.iter().map(|(name, _)| of(name).text("/id").to_owned()).collect();
    assert!(becomes_true(SOON, || ids.iter().all(|id| is_stored(&server.data, id))), "{}", server.tail());
    ids
}

#[test]
fn a_recording_is_erased_everywhere_and_its_neighbours_keep_all() {
    let Some(s3) = S3::start() else { return };
    s3.turn_versions_on();
    let mut settings = s3.settings();
    settings.push("storage.key={caller}/{id}".into());
    settings.push(format!("archive.seal.master_key={MASTER_KEY}"));
    settings.push("archive.seal.enabled=true".into());
    let server = setup(&settings).start();
    let data = server.data.clone();
    let ids = three_calls(&server, &Src::udp(server.sip));
    let heard = |id: &str| {
        let to = TempDir::new("again");
        must_run(&data, &settings, &format!("export --as flac --layout stereo --to {} --id {id}", to.path().display()));
        let flac = files_below(to.path()).into_iter().find(|p| p.extension().is_some_and(|e| e == "flac")).unwrap();
        std::fs::read(flac).unwrap()
    };
    let before = [heard(&ids[0]), heard(&ids[2])];
    // A version of before: the notes were changed, and changed back.
    must_run(&data, &settings, &format!("archive tag --add twice --id {}", ids[1]));
    let carols = || s3.keys().into_iter().filter(|key| key.contains(&ids[1])).collect::<Vec<_>>();
    assert!(becomes_true(SOON, || carols().iter().any(|key| key.ends_with(".notes"))), "{:?}", s3.keys());
    let (objects, versions) = (s3.keys().len(), s3.versions());

    let erased = must_run(&data, &settings, "archive erase --participant carol --reason asked-for --yes --json");
    let erased = lines(&erased);
    assert_eq!((erased.len(), &erased[0]["recording"]), (1, &json!(ids[1])), "{erased:?}");
    let certificate = &erased[0];
    assert_eq!((&certificate["journal"], &certificate["key_destroyed"]), (&json!("taken_out"), &json!(true)));
    assert_eq!(certificate["reason"], "asked-for");
    assert_eq!(certificate["neighbours"].as_array().unwrap().len(), 2);
    let gone = certificate["targets"][0]["objects"].as_u64().unwrap() as usize;
    assert_eq!((s3.keys().len(), carols().len()), (objects - 5, 0), "audio, key, signature, notes, sheet");
    assert!(gone >= 5 && s3.versions() == versions - gone, "{gone} of {versions}, {} left", s3.versions());

    assert_eq!(found(&data, &settings, ""), {
        let mut two = vec![ids[0].clone(), ids[2].clone()];
        two.sort();
        two
    });
    assert!(heard(&ids[0]) == before[0] && heard(&ids[2]) == before[1], "rendered from the journal as before");
    assert_eq!(files_with(&data, "carol"), [""; 0], "the catalog's free pages apart nobody is named");
    let files: Vec<_> = files_below(&data).into_iter().filter(|p| p.to_string_lossy().contains(&ids[1])).collect();
    assert_eq!(files.len(), 2, "a certificate and its signature: {files:?}");
    let sheet = std::fs::read(files.iter().find(|p| p.extension().is_some_and(|e| e == "json")).unwrap()).unwrap();
    let signature = std::fs::read(files.iter().find(|p| p.extension().is_some_and(|e| e == "sig")).unwrap()).unwrap();
    assert!(PublicKey::read(&data.join(PUBLIC_FILE)).unwrap().verifies(&sheet, &signature));
    server.assert_never_panicked();
}

#[test]
fn holds_and_tags_outlive_the_catalog_and_a_hold_keeps_from_being_erased() {
    let house = TempDir::new("house");
    let data = house.path().join("data");
    let ids: Vec<String> = (1..=3).map(|id| record(&data, id, 100)).collect();
    let mut server = Setup::default().data(&data).start();
    let held = lines(&must_run(&data, &[], &format!("archive hold --reason case-17 --json --id {}", ids[0])));
    assert_eq!((&held[0]["changed"], &held[0]["holds"][0]["reason"]), (&json!(true), &json!("case-17")));
    must_run(&data, &[], &format!("archive tag --add Complaint --add vip --id {} --id {}", ids[0], ids[1]));
    must_run(&data, &[], &format!("archive tag --remove vip --id {}", ids[0]));
    assert_eq!(found(&data, &[], "--held"), ids[..1]);
    assert_eq!(found(&data, &[], "--tag complaint"), ids[..2]);
    assert_eq!(found(&data, &[], "--tag vip"), ids[1..2]);
    server.terminate();
    let (key, aside) = (data.join("siprec-proof.key"), house.path().join("aside"));
    std::fs::rename(&key, &aside).unwrap();
    let refused = run(&data, &[], &format!("archive hold --reason a --id {}", ids[2]));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("the server makes it at its first start"), "{refused:?}");
    assert!(!key.exists(), "a command line makes none");
    std::fs::rename(&aside, &key).unwrap();
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(data.join(format!("catalog.sqlite{end}")));
    }
    server.restart();
    assert_eq!((found(&data, &[], "--held"), found(&data, &[], "--tag vip")), (ids[..1].to_vec(), ids[1..2].to_vec()));

    let refused = run(&data, &[], "archive erase --participant 4930123 --reason x --yes");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!((refused.status.code(), said.contains("1 of 3 are under a legal hold")), (Some(1), true), "{said}");
    assert_eq!(found(&data, &[], "").len(), 3);
    let nobody = run(&data, &[], "archive release --all");
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("which recordings?"));
    must_run(&data, &[], "archive release --reason case-17 --held");
    must_run(&data, &[], "archive erase --participant 4930123 --reason x --yes");
    assert_eq!(found(&data, &[], ""), [""; 0]);
    server.assert_never_panicked();
}

#[test]
fn a_target_that_is_down_gets_its_erasure_when_it_is_back() {
    let port = support::ports::single();
    let settings = S3::settings_at(port);
    let house = TempDir::new("house");
    let data = house.path().join("data");
    let id = record(&data, 1, 5000);
    let Some(s3) = S3::start_on(port) else { return };
    s3.make_bucket();
    let mut server = setup(&settings).data(&data).start();
    assert!(becomes_true(SOON, || is_stored(&data, &id)), "{}", server.tail());
    server.terminate();
    drop(s3);
    let waits = run(&data, &settings, "archive erase --participant 4930123 --reason x --yes --json");
    assert_eq!(waits.status.code(), Some(1), "{waits:?}");
    let said = lines(&String::from_utf8(waits.stdout).unwrap());
    let why = said[0]["waits"].as_str().unwrap();
    assert!(why.starts_with("it is still to be removed from s3 (s3://recs: "), "{why}");
    assert!(!file(&data, &id, ".wav").exists() && !file(&data, &id, ".json").exists(), "here it is gone at once");
    let backlog = lines(&must_run(&data, &settings, "archive outbox --json"));
    assert_eq!((&backlog[0]["waiting"], &backlog[0]["erasing"]), (&json!(1), &json!(1)), "{backlog:?}");
    assert!(must_run(&data, &settings, "archive outbox").contains("1 recording waits, 1 of them to be erased there"));
    let Some(s3) = S3::start_on(port) else { return };
    s3.make_bucket();
    server.restart();
    server.must_say(&["erased; its certificate is signed"]);
    assert_eq!(files_below(&data.join("erasing")).len(), 0);
    assert_eq!(lines(&must_run(&data, &settings, "archive outbox --json")), [Value::Null; 0]);
}

/// Erases a recording where no server runs: whether that was done, and its certificate or what is waited for.
fn erase(data: &Path, settings: &[String], id: &str, environment: &[(&str, &str)]) -> (bool, Value) {
    let mut command = Command::new(binary());
    command.args(["archive", "erase", "--id", id, "--reason", "x", "--yes", "--json", "--data-dir"]).arg(data);
    let command = settings.iter().fold(&mut command, |command, set| command.args(["--set", set]));
    let output = command.envs(environment.iter().copied()).output().unwrap();
    (output.status.success(), lines(&String::from_utf8(output.stdout).unwrap()).remove(0))
}

#[test]
fn what_a_delete_marker_hides_in_s3_is_erased_as_well() {
    let Some(s3) = S3::start() else { return };
    s3.turn_versions_on();
    let house = TempDir::new("house");
    let data = house.path().join("data");
    let id = record(&data, 1, 5000);
    let mut server = setup(&s3.settings()).data(&data).start();
    assert!(becomes_true(SOON, || is_stored(&data, &id)), "{}", server.tail());
    server.terminate();
    // Somebody else's object whose key begins so, and an object that somebody deleted: a version of it is there.
    let audio = s3.keys().into_iter().find(|key| key.ends_with(".wav")).unwrap();
    s3.overwrite(&format!("{audio}.other"), b"other");
    s3.remove(&audio);
    assert_eq!(s3.versions(), 5, "audio and its marker, signature, sheet, and the other");
    let (_, certificate) = erase(&data, &s3.settings(), &id, &[]);
    let there = &certificate["targets"][0];
    assert_eq!((&there["objects"], there.get("kept")), (&json!(3), None), "{certificate}");
    assert_eq!((s3.versions(), s3.keys()), (1, vec![format!("{audio}.other")]));
}

#[test]
fn snapshots_and_parts_in_azure_are_erased_as_well() {
    let Some(azure) = Azure::start() else { return };
    let house = TempDir::new("house");
    let data = house.path().join("data");
    let id = record(&data, 1, 5000);
    let settings = [
        "storage.type=azure".to_owned(),
        format!("storage.azure.account={AZURE_ACCOUNT}"),
        "storage.azure.container=recs".to_owned(),
        format!("storage.azure.access_key={AZURE_KEY}"),
        format!("storage.azure.endpoint={}", azure.endpoint()),
        // Characters that are not themselves in a URL.
        "storage.key=calls {caller}/{id}".to_owned(),
    ];
    let mut server = setup(&settings).data(&data).start();
    assert!(becomes_true(SOON, || is_stored(&data, &id)), "{}", server.tail());
    server.terminate();
    let blobs = azure.blobs();
    assert_eq!((blobs.len(), azure.states()), (3, 3), "{blobs:?}");
    let url = |name: &str| name.replace(' ', "%20").replace('+', "%2B");
    let sheet = blobs.iter().find(|blob| blob.ends_with(".json")).unwrap();
    let audio = blobs.iter().find(|blob| blob.ends_with(".wav")).unwrap();
    for _ in 0..2 {
        azure.snapshot(&url(sheet));
    }
    // An upload that was cut short over a blob that is gone: there are parts alone.
    azure.remove(&url(audio));
    azure.part(&url(audio));
    azure.part("another");
    assert_eq!(azure.states(), 6);
    let (_, certificate) = erase(&data, &settings, &id, &[]);
    let there = &certificate["targets"][0];
    assert_eq!((&there["objects"], there.get("kept")), (&json!(5), None), "{certificate}");
    assert_eq!(azure.states(), 1, "the other blob's part");
}

/// Stored by what speaks as Google does for that, and erased by what does for this: see `support::google`.
fn at_google(keeping: Keeping, then: impl FnOnce(&Google, &Path, &[String], (bool, Value))) {
    let machine = google_metadata();
    let environment = [("GCE_METADATA_HOST", &*machine), ("HOME", "/nonexistent")];
    let port = support::ports::single();
    let Some(s3) = S3::start_on(port) else { return };
    s3.make_bucket();
    let settings = [
        "storage.type=gcs".to_owned(),
        "storage.gcs.bucket=recs".to_owned(),
        format!("storage.gcs.endpoint=http://127.0.0.1:{port}"),
    ];
    let house = TempDir::new("house");
    let data = house.path().join("data");
    let id = record(&data, 1, 5000);
    let start = environment.iter().fold(setup(&settings), |setup, (name, value)| setup.env(name, value));
    let mut server = start.data(&data).start();
    assert!(becomes_true(SOON, || is_stored(&data, &id)), "{}", server.tail());
    server.terminate();
    let keys = s3.keys();
    drop(s3);
    let Some(google) = Google::start_on(port, keeping) else { return };
    for key in &keys {
        google.put(key, b"what was said first");
    }
    google.put(&keys[0], b"what was said then");
    google.put(&format!("{}.other", keys[0]), b"other");
    let erased = erase(&data, &settings, &id, &environment);
    then(&google, &data, &keys, erased);
}

#[test]
fn what_soft_delete_keeps_at_google_is_in_the_certificate() {
    at_google(Keeping::Deleted, |google, data, keys, (is_done, certificate)| {
        assert!(is_done, "{certificate}");
        let there = &certificate["targets"][0];
        assert_eq!(google.generations(), [format!("{}.other", keys[0])], "{certificate}");
        assert_eq!(
            (&there["objects"], google.deleted().len()),
            (&json!(3), there["kept"]["copies"].as_u64().unwrap() as usize)
        );
        let until = there["kept"]["until"].as_str().unwrap();
        let why = there["kept"]["why"].as_str().unwrap();
        assert!(why.contains(until) && why.contains("turn soft delete off"), "{why}");
        let verified = must_run(data, &[], "archive verify");
        let kept = format!("of 1 erased recordings soft delete may keep copies in a target, the last until {until}");
        assert!(verified.contains(&kept), "{verified}");
    });
}

/// This server lists generations and does not delete those of before: then nothing is certified.
#[test]
fn generations_that_stay_at_google_are_waited_for() {
    at_google(Keeping::Versions, |google, data, _, (is_done, said)| {
        assert_eq!(google.generations().len(), 5, "three, one twice, and the other");
        let why = said["waits"].as_str().unwrap();
        assert!(!is_done && why.contains("gs://recs: ") && why.contains("are there still"), "{said}");
        assert_eq!(files_below(&data.join("erased")).len(), 0);
    });
}

#[test]
fn what_has_expired_goes_by_the_first_rule_that_fits_and_not_by_a_clock_that_leapt() {
    let house = TempDir::new("house");
    let data = house.path().join("data");
    let ids: Vec<String> = (1..=4).map(|id| record(&data, id, 100)).collect();
    let settings = [r#"storage.retention=[{tag: keep, days: 0}]"#.to_owned()];
    let mut server = setup(&settings).data(&data).start();
    let banner = server.stdout();
    assert!(banner.iter().any(|line| line.text.contains("recordings 90 days, then DELETES them")), "{}", server.tail());
    server.must_say(&["recordings are deleted by age only from then on"]);
    must_run(&data, &settings, &format!("archive tag --add keep --id {}", ids[0]));
    must_run(&data, &settings, &format!("archive hold --reason a --id {}", ids[1]));
    let planned = lines(&must_run(&data, &settings, "archive expire --dry-run --json"));
    let mut would: Vec<_> = planned.iter().map(|line| line["would_erase"]["id"].as_str().unwrap()).collect();
    would.sort_unstable();
    assert_eq!((would, &planned[0]["reason"]), (vec![&*ids[2], &*ids[3]], &json!("storage.retention_days: 90")));
    assert_eq!(found(&data, &settings, "").len(), 4, "nothing goes before the clock is trusted");
    server.terminate();
    // A server that has run for three days.
    let since = siprec_core::time::Wall(support::wall_now() - DAYS_AGO).rfc3339();
    let witness = data.join("retention.json");
    let mut seen: Value = serde_json::from_slice(&std::fs::read(&witness).unwrap()).unwrap();
    seen["steady_since"] = since.into();
    std::fs::write(&witness, seen.to_string()).unwrap();
    server.restart();
    assert!(becomes_true(SOON, || found(&data, &settings, "") == ids[..2]), "{}", server.tail());
    server.must_say(&["recordings deleted by age", "ordered=2", "held=1"]);
    server.assert_never_panicked();
}

#[test]
fn what_a_lock_of_the_bucket_keeps_is_said_and_waited_for() {
    let Some(s3) = S3::start() else { return };
    s3.make_locking_bucket("locked");
    let mut settings = s3.settings();
    settings.extend(
        ["storage.s3.bucket=locked", "storage.s3.lock_mode=compliance", "storage.s3.lock_days=30"].map(Into::into),
    );
    let house = TempDir::new("house");
    let data = house.path().join("data");
    let id = record(&data, 1, 1000);
    let server = setup(&settings).data(&data).start();
    assert!(becomes_true(SOON, || is_stored(&data, &id)), "{}", server.tail());
    let waits = run(&data, &settings, &format!("archive erase --id {id} --reason x --yes"));
    let said = String::from_utf8_lossy(&waits.stdout).into_owned();
    assert!(said.contains("still to be removed from s3 (s3://locked: "), "{said}");
    assert_eq!(waits.status.code(), Some(1), "{waits:?}");
    server
        .must_say(&["a recording that is to be erased is still there", "a lock or a policy of the target may keep it"]);
    let failure = lines(&must_run(&data, &settings, "archive outbox --json")).pop().unwrap();
    assert_eq!((&failure["recording"], &failure["erase"]), (&json!(id), &json!(true)), "{failure}");
    assert!(!file(&data, &id, ".wav").exists(), "here it is gone");
    server.assert_never_panicked();
}
