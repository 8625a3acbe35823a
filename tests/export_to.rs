//! `siprec export` to object stores and to standard output.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use std::time::Duration;
use support::made_up::{file, record};
use support::objects::{AZURE_KEY, Azure, Relay, S3, Spoil};
use support::server::{Server, must_run, run};
use support::src::{Call, Src};
use support::studio::Plan;
use support::{TempDir, recordings};

#[test]
fn an_export_to_a_bucket_is_verified_there_and_a_second_one_sends_nothing() {
    let Some(s3) = S3::start() else { return };
    s3.turn_versions_on();
    let house = TempDir::new("house");
    let data = house.path().join("data");
    let all = [record(&data, 1, 1000), record(&data, 2, (16 << 20) + 3)];
    let relay = Relay::start(s3.port, vec![Spoil::Failing, Spoil::Reset(9 << 20), Spoil::AnswerLost]);
    // Not set up as storage: only how the bucket is reached.
    let settings: Vec<String> =
        S3::settings_at(relay.port).into_iter().filter(|set| !set.starts_with("storage.type")).collect();
    let once = must_run(&data, &settings, "export --to s3://recs/handed/over");
    assert_eq!(once, "2 copied, 0 already there, 0 failed\n");
    let objects = s3.objects();
    assert_eq!(objects.len(), 6, "{:?}", objects.keys());
    for recording in &all {
        for end in [".wav", ".json", ".json.sig"] {
            let stored = &objects[&format!("handed/over/2026/03/09/{recording}{end}")];
            assert!(*stored == std::fs::read(file(&data, recording, end)).unwrap(), "{recording}{end}");
        }
    }
    assert_eq!(s3.uploads(), [""; 0]);
    let again = must_run(&data, &settings, "export --to s3://recs/handed/over/");
    assert_eq!(again, "0 copied, 2 already there, 0 failed\n");
    assert_eq!(s3.versions(), 6);
    let one = must_run(&data, &settings, &format!("export --to s3://recs --json --id {}", all[0]));
    assert!(one.contains("\"outcome\":\"copied\""));
    assert!(s3.keys().contains(&format!("2026/03/09/{}.json", all[0])));
}

#[test]
fn a_bucket_that_is_not_there_ends_it_with_one_line() {
    let Some(s3) = S3::start() else { return };
    let house = TempDir::new("house");
    let data = house.path().join("data");
    let all: Vec<String> = (1..=30).map(|n| record(&data, n, 100)).collect();
    let settings: Vec<String> =
        S3::settings_at(s3.port).into_iter().filter(|set| !set.starts_with("storage.type")).collect();
    let said = run(&data, &settings, "export --to s3://nowhere --jobs 4");
    let err = String::from_utf8_lossy(&said.stderr).into_owned();
    // (The other line says that there is no catalog.)
    assert_eq!((said.status.code(), err.lines().count()), (Some(1), 2), "{err}");
    assert!(err.contains("every other would meet the same; a next run goes on from there"), "{err}");
    assert!(err.contains("make it, or correct its name"), "{err}");
    // Half of them are there already: the rest goes on, several at a time.
    for id in &all[..15] {
        must_run(&data, &settings, &format!("export --to s3://recs --id {id}"));
    }
    let rest = must_run(&data, &settings, "export --to s3://recs --jobs 8");
    assert_eq!(rest, "15 copied, 15 already there, 0 failed\n");
    assert_eq!(must_run(&data, &settings, "export --to s3://recs"), "0 copied, 30 already there, 0 failed\n");
    assert_eq!(s3.keys().len(), 90);
}

#[test]
fn what_is_rendered_is_sent_once() {
    let Some(s3) = S3::start() else { return };
    s3.turn_versions_on();
    let server = Server::start();
    let call = Call::new(&Src::udp(server.sip), 0);
    call.must_invite();
    call.talk(&Plan::seconds(1.0));
    call.finish();
    let recording = recordings::wait(&server.data, call.call_id(), Duration::from_secs(60));
    recording.segments();
    let house = TempDir::new("house");
    let folder = house.path().join("out").display().to_string();
    let settings: Vec<String> =
        S3::settings_at(s3.port).into_iter().filter(|set| !set.starts_with("storage.type")).collect();
    for form in ["flac", "opus", "json", "pcap", "vcon", "vcon --sign"] {
        for to in [format!("s3://recs/{}", form.replace(' ', "")), format!("{folder}/{}", form.replace(' ', ""))] {
            let export = || must_run(&server.data, &settings, &format!("export --as {form} --to {to}"));
            assert!(export().starts_with("1 "), "{form} {to}");
            let versions = s3.versions();
            let again = export();
            assert!(again.starts_with("0 ") && again.contains("1 already there"), "{form} {to}: {again}");
            assert_eq!(s3.versions(), versions, "{form} {to}");
        }
    }
}

#[test]
fn azure_is_named_by_account_and_container() {
    let Some(azure) = Azure::start() else { return };
    let house = TempDir::new("house");
    let data = house.path().join("data");
    let recording = record(&data, 1, 1000);
    let settings =
        [format!("storage.azure.endpoint={}", azure.endpoint()), format!("storage.azure.access_key={AZURE_KEY}")];
    let done = must_run(&data, &settings, "export --to az://devstoreaccount1/recs/x");
    assert_eq!(done, "1 copied, 0 already there, 0 failed\n");
    assert!(
        azure.blob(&format!("x/2026/03/09/{recording}.wav")) == std::fs::read(file(&data, &recording, ".wav")).unwrap()
    );
}

#[test]
fn one_recording_goes_to_standard_output() {
    let house = TempDir::new("house");
    let data = house.path().join("data");
    let recording = record(&data, 1, 100_000);
    let output = run(&data, &[], "export --to -");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout == std::fs::read(file(&data, &recording, ".wav")).unwrap());
    record(&data, 2, 10);
    let two = run(&data, &[], "export --to -");
    assert!(!two.status.success() && two.stdout.is_empty());
    assert!(
        String::from_utf8_lossy(&two.stderr)
            .contains("more than one recording matches: --to - takes one; name it with --id")
    );
    let named = run(&data, &[], &format!("export --to - --id {recording}"));
    assert_eq!(recordings::sha256(&named.stdout), recordings::sha256(&output.stdout));
}

#[test]
fn a_place_that_cannot_be_is_named_with_its_remedy() {
    let house = TempDir::new("house");
    let data = house.path().join("data");
    record(&data, 1, 10);
    for (to, words) in [
        ("ftp://host/x", "--to: ftp:// is nowhere to export to: there are s3://, az:// and gs://"),
        ("s3:///x", "--to: s3:///x: it names no bucket"),
        ("az://account", "--to: az://account: az://ACCOUNT/CONTAINER/..."),
    ] {
        let output = run(&data, &[], &format!("export --to {to}"));
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && err.contains(words), "{to}: {err}");
    }
}
