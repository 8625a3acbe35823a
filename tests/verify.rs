//! `siprec archive verify`: each kind of damage is made, found, and put right where that can be.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use support::objects::S3;
use support::recordings::{self, Recording};
use support::server::{MASTER_KEY, Server, Setup, must_run, run};
use support::{TempDir, becomes_true, files_below};

const SOON: Duration = Duration::from_secs(60);

/// An archive with recordings that a server made.
struct House {
    server: Server,
    settings: Vec<String>,
    recordings: Vec<Recording>,
}

impl House {
    /// So many recordings, each in all of `targets` targets.
    fn new(settings: &[String], recordings: usize, targets: usize) -> Self {
        let server = settings.iter().fold(Setup::default(), |setup, set| setup.set(set)).start();
        let recordings: Vec<_> = (0..recordings).map(|_| recordings::of_a_second(&server, SOON).1).collect();
        let house = Self { server, settings: settings.to_vec(), recordings };
        house.wait_until_sound(targets);
        house
    }

    #[track_caller]
    fn wait_until_sound(&self, targets: usize) {
        let is_stored = |recording: &Recording| {
            let receipt = fs::read_to_string(recording.path.with_extension("json.stored")).unwrap_or_default();
            receipt.matches("stored_at").count() == targets
        };
        let stored = || self.recordings.iter().all(is_stored);
        assert!(targets == 0 || becomes_true(SOON, stored), "not stored; the server said:\n{}", self.server.tail());
        // The journal is put away last.
        let put_away = || self.recordings.iter().all(|r| self.server.data.join(r.text("/journal/path")).exists());
        assert!(becomes_true(SOON, put_away), "{}", self.server.tail());
        assert!(becomes_true(SOON, || self.verify("").0), "{:?}", self.verify(""));
    }

    /// Whether all is well, what is not (recording, fault, whether it was mended), and the sums.
    fn verify(&self, flags: &str) -> (bool, Vec<(String, String, bool)>, Value) {
        let output = run(&self.server.data, &self.settings, &format!("archive verify --json{flags}"));
        let text = String::from_utf8(output.stdout).unwrap();
        let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let summary = lines.pop().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let found = lines.iter().map(|line| {
            assert!(!word(&line["what"]).is_empty(), "{line}");
            (word(&line["recording"]), word(&line["fault"]), line["mended"].is_string())
        });
        (output.status.success(), found.collect(), summary["summary"].clone())
    }

    /// Exactly this is wrong with these recordings, and is mended or not.
    #[track_caller]
    fn must_find(&self, flags: &str, expected: &[(&Recording, &str, bool)]) {
        let (ok, mut found, _) = self.verify(flags);
        found.sort();
        let mut expected: Vec<_> =
            expected.iter().map(|(r, fault, mended)| (r.id().to_owned(), (*fault).to_owned(), *mended)).collect();
        expected.sort();
        assert_eq!(found, expected);
        assert_eq!(ok, expected.iter().all(|(_, _, mended)| *mended));
    }

    fn catalog(&self, sql: &str) {
        let catalog = rusqlite::Connection::open(self.server.data.join("catalog.sqlite")).unwrap();
        catalog.busy_timeout(SOON).unwrap();
        catalog.execute_batch(sql).unwrap();
    }
}

/// A bit in the middle of a file is another.
fn spoil(path: &Path) -> Vec<u8> {
    let mut octets = fs::read(path).unwrap();
    let middle = octets.len() / 2;
    octets[middle] ^= 1;
    fs::write(path, &octets).unwrap();
    octets
}

fn key(s3: &S3, path: &Path) -> String {
    let name = path.file_name().unwrap().to_str().unwrap();
    s3.keys().into_iter().find(|key| key.ends_with(name)).unwrap()
}

#[test]
fn what_lies_here_is_found_and_fetched_and_the_catalog_is_put_right() {
    let Some(s3) = S3::start() else { return };
    let house = House::new(&s3.settings(), 3, 1);
    let [a, b, c] = house.recordings.as_slice() else { panic!() };
    let (_, _, summary) = house.verify(" --deep");
    assert_eq!((&summary["recordings"], &summary["faults"], &summary["journals"]), (&3.into(), &0.into(), &3.into()));

    // Audio, a sheet and a signature; rows that say something else, or are gone.
    let (audio, sheet) = (a.path.with_extension("wav"), &b.path);
    let sound = [fs::read(&audio).unwrap(), fs::read(sheet).unwrap()];
    let spoilt = spoil(&audio);
    let forged = String::from_utf8(sound[1].clone()).unwrap().replace("\"packets_lost\": 0", "\"packets_lost\": 7");
    assert_ne!(forged.as_bytes(), sound[1]);
    fs::write(sheet, &forged).unwrap();
    let signature = c.path.with_extension("json.sig");
    fs::remove_file(&signature).unwrap();
    house.catalog(&format!("UPDATE recording SET duration_ms = 1 WHERE id = '{}'", a.id()));
    house.catalog(&format!("DELETE FROM recording WHERE id = '{}'", c.id()));
    let wrong = |mended| {
        [
            (a, "file_damaged", mended),
            (a, "row_differs", mended),
            (b, "signature_wrong", mended),
            (c, "signature_missing", mended),
            (c, "row_missing", mended),
        ]
    };
    house.must_find("", &wrong(false));
    house.must_find(&format!(" {}", a.id()), &wrong(false)[..2]);
    house.must_find(" --since 1h", &wrong(false));
    assert_eq!(house.verify(&format!(" {}", a.id())).2["recordings"], 1);
    house.must_find(" --mend", &wrong(true));
    house.must_find(" --deep", &[]);
    assert_eq!([fs::read(&audio).unwrap(), fs::read(sheet).unwrap()], sound);
    assert_eq!(fs::read(audio.with_extension("wav.damaged")).unwrap(), spoilt, "evidence is kept");
    assert_eq!(fs::read(sheet.with_extension("json.damaged")).unwrap(), forged.as_bytes());
    assert!(signature.exists());
    let mended = [files_below(&house.server.data.join("recordings"))].concat();
    assert!(!mended.iter().any(|path| path.extension().is_some_and(|end| end == "mended")), "{mended:?}");

    // A sheet that is gone while the catalog has a row.
    fs::remove_file(sheet).unwrap();
    house.must_find("", &[(b, "row_without_sheet", false)]);
    house.must_find(" --mend", &[(b, "row_without_sheet", true)]);
    house.must_find("", &[]);
    let audit = must_run(&house.server.data, &[], "archive audit --action verified --json");
    let last: Value = serde_json::from_str(audit.lines().rev().nth(1).unwrap()).unwrap();
    assert_eq!((&last["detail"]["mend"], &last["detail"]["mended"]), (&"true".into(), &"1".into()));
}

#[test]
fn what_a_target_lost_is_found_and_stored_there_again() {
    let Some(s3) = S3::start() else { return };
    let share = TempDir::new("share");
    let mut settings = s3.settings();
    let path = share.path().display();
    settings.push(format!("storage.targets=[{{name: share, type: local, local: {{path: {path}}}}}]"));
    let house = House::new(&settings, 4, 2);
    let [a, b, c, d] = house.recordings.as_slice() else { panic!() };
    let before = s3.objects();

    // Gone, of another content in the same length, shorter; one is gone everywhere but in the other target.
    s3.remove(&key(&s3, &a.path.with_extension("wav")));
    let octets = before[&key(&s3, &b.path.with_extension("wav"))].clone();
    s3.overwrite(&key(&s3, &b.path.with_extension("wav")), &vec![0; octets.len()]);
    s3.overwrite(&key(&s3, &c.path), b"{}");
    s3.remove(&key(&s3, &d.path.with_extension("wav")));
    fs::remove_file(d.path.with_extension("wav")).unwrap();
    let wrong = |mended| {
        [
            (a, "object_missing", mended),
            (b, "object_damaged", mended),
            (c, "object_damaged", mended),
            (d, "object_missing", mended),
        ]
    };
    house.must_find("", &wrong(false));
    house.must_find(" --deep", &wrong(false));
    house.must_find(" --mend", &wrong(true));
    house.must_find("", &[]);
    assert!(becomes_true(SOON, || s3.objects() == before), "{}", house.server.tail());
    house.wait_until_sound(2);
    house.must_find(" --deep", &[]);

    // Only who fetches it sees what a folder has in the right length.
    let name = a.path.with_extension("wav");
    let there = |path: &PathBuf| path.file_name() == name.file_name();
    spoil(&files_below(share.path()).into_iter().find(there).unwrap());
    house.must_find("", &[]);
    house.must_find(" --deep", &[(a, "object_damaged", false)]);
    house.must_find(" --deep --mend", &[(a, "object_damaged", true)]);
    let receipt = || fs::read_to_string(a.path.with_extension("json.stored")).unwrap();
    assert!(becomes_true(SOON, || receipt().matches(".wav\",\n").count() >= 2), "{}", receipt());
    house.must_find(" --deep", &[]);
}

#[test]
fn what_nobody_has_whole_stays_told() {
    let mut house = House::new(&[], 2, 0);
    let [a, b] = house.recordings.clone().try_into().unwrap();
    house.server.terminate();
    spoil(&a.path.with_extension("wav"));
    fs::remove_file(b.path.with_extension("wav")).unwrap();
    let wrong = [(&a, "file_damaged", false), (&b, "file_missing", false)];
    house.must_find("", &wrong);
    house.must_find(" --mend", &wrong);
    assert!(a.path.with_extension("wav").exists() && !a.path.with_extension("wav.damaged").exists());
    let unknown = "01a22803-0000-7000-8000-000000000000";
    let (ok, found, _) = house.verify(&format!(" {unknown}"));
    assert_eq!((ok, found), (false, vec![(unknown.to_owned(), "unknown".to_owned(), false)]));

    // Journals and the audit log are nobody's to mend.
    let journal = house.server.data.join(a.text("/journal/path"));
    spoil(&files_below(&journal)[0]);
    let log = house.server.data.join("audit.log");
    let text = fs::read_to_string(&log).unwrap();
    fs::write(&log, text.replace("\"started\"", "\"stopped\"")).unwrap();
    let (ok, found, _) = house.verify(" --mend");
    let faults: Vec<&str> = found.iter().map(|(_, fault, _)| fault.as_str()).collect();
    assert_eq!((ok, faults), (false, vec!["file_damaged", "file_missing", "journal_damaged", "audit_log"]));
    let text = run(&house.server.data, &[], "archive verify");
    let out = String::from_utf8(text.stdout).unwrap();
    assert!(out.contains("FAULT  audit.log:1: its signature is not of it"), "{out}");
    assert!(out.contains("2 recordings verified, 2 at fault; 2 journals and 0 entries"), "{out}");
}

#[test]
fn a_lost_queue_a_damaged_receipt_and_a_lost_catalog_are_found() {
    let share = TempDir::new("share");
    let house = House::new(&[format!("storage.local.path={}", share.path().display())], 2, 1);
    let [a, b] = house.recordings.as_slice() else { panic!() };
    fs::remove_file(a.path.with_extension("json.stored")).unwrap();
    fs::write(b.path.with_extension("json.stored"), "{").unwrap();
    house.must_find("", &[(a, "not_queued", false), (b, "receipt_damaged", false), (b, "not_queued", false)]);
    let (ok, found, _) = house.verify(" --mend");
    assert!(ok && found.iter().all(|(_, _, mended)| *mended), "{found:?}");
    house.wait_until_sound(1);
    assert!(b.path.with_extension("json.stored.damaged").exists());
}

#[test]
fn sealed_recordings_are_verified_without_a_key_and_opened_with_one() {
    let share = TempDir::new("share");
    let settings = [
        "archive.seal.enabled=true".to_owned(),
        format!("archive.seal.master_key={MASTER_KEY}"),
        format!("storage.local.path={}", share.path().display()),
    ];
    let mut house = House::new(&settings, 1, 1);
    let [a] = house.recordings.clone().try_into().unwrap();
    house.must_find(" --deep", &[]);
    let wrapped = a.path.with_extension("key");
    fs::remove_file(&wrapped).unwrap();
    house.must_find("", &[(&a, "key_missing", false)]);
    house.must_find(" --mend", &[(&a, "key_missing", true)]);
    assert!(wrapped.exists());
    house.must_find(" --deep", &[]);
    // Without the master key what lies here is still told to be what was signed; journals cannot be read.
    house.settings = vec![settings[2].clone()];
    let (_, found, _) = house.verify("");
    assert!(found.iter().all(|(_, fault, _)| fault == "journal_damaged"), "{found:?}");
    let (_, found, _) = house.verify(" --deep");
    assert!(found.iter().any(|(_, fault, _)| fault == "file_unopenable"), "{found:?}");
}
