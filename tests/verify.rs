//! `siprec archive verify`: each kind of damage is made, found, and put right where that can be.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use support::objects::{AZURE_ACCOUNT, AZURE_KEY, Azure, S3, google_metadata};
use support::postgres::Cluster;
use support::recordings::{self, Recording};
use support::server::{MASTER_KEY, Server, Setup, binary, must_run, run};
use support::{TempDir, becomes_true, files_below};

const SOON: Duration = Duration::from_secs(60);

/// An archive with recordings that a server made.
struct House {
    server: Server,
    settings: Vec<String>,
    environment: Vec<(String, String)>,
    recordings: Vec<Recording>,
}

impl House {
    /// So many recordings, each in all of `targets` targets.
    fn new(settings: &[String], recordings: usize, targets: usize) -> Self {
        Self::within(Vec::new(), settings, recordings, targets)
    }

    /// With these variables in the environment.
    fn within(environment: Vec<(String, String)>, settings: &[String], recordings: usize, targets: usize) -> Self {
        let setup = settings.iter().fold(Setup::default(), |setup, set| setup.set(set));
        let server = environment.iter().fold(setup, |setup, (name, value)| setup.env(name, value)).start();
        let recordings: Vec<_> = (0..recordings).map(|_| recordings::of_a_second(&server, SOON).1).collect();
        let house = Self { server, settings: settings.to_vec(), environment, recordings };
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
        let mut command = Command::new(binary());
        command.args(["archive", "verify", "--json"]).args(flags.split_whitespace());
        command.arg("--data-dir").arg(&self.server.data).envs(self.environment.iter().cloned());
        let output =
            self.settings.iter().fold(&mut command, |command, set| command.args(["--set", set])).output().unwrap();
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
}

/// Where the catalog is.
enum Engine {
    Sqlite,
    Postgres(std::sync::Arc<Cluster>, String),
}

impl Engine {
    fn postgres() -> Self {
        let cluster = Cluster::shared();
        let address = cluster.database();
        Self::Postgres(cluster, address)
    }

    fn settings(&self) -> Vec<String> {
        match self {
            Self::Sqlite => Vec::new(),
            Self::Postgres(_, address) => {
                vec!["metadata.type=postgresql".into(), format!("metadata.connection={address}")]
            }
        }
    }

    /// Somebody changes the rows of `house` behind its back.
    fn change(&self, house: &House, sql: &str) {
        match self {
            Self::Sqlite => {
                let catalog = rusqlite::Connection::open(house.server.data.join("catalog.sqlite")).unwrap();
                catalog.busy_timeout(SOON).unwrap();
                catalog.execute_batch(sql).unwrap();
            }
            Self::Postgres(cluster, address) => {
                cluster.sql(address, &sql.replace(" recording ", " siprec.recording "));
            }
        }
    }
}

/// An object store as a target, and as somebody else who spoils what is in it.
enum Store {
    S3(S3),
    Azure(Azure),
    /// moto's S3 stands for Google's XML API.
    Google(S3, String),
}

impl Store {
    fn settings(&self) -> Vec<String> {
        match self {
            Self::S3(s3) => s3.settings(),
            Self::Azure(azure) => vec![
                "storage.type=azure".into(),
                format!("storage.azure.account={AZURE_ACCOUNT}"),
                "storage.azure.container=recs".into(),
                format!("storage.azure.access_key={AZURE_KEY}"),
                format!("storage.azure.endpoint={}", azure.endpoint()),
            ],
            Self::Google(s3, _) => vec![
                "storage.type=gcs".into(),
                "storage.gcs.bucket=recs".into(),
                format!("storage.gcs.endpoint=http://127.0.0.1:{}", s3.port),
            ],
        }
    }

    fn environment(&self) -> Vec<(String, String)> {
        let Self::Google(_, machine) = self else { return Vec::new() };
        vec![("GCE_METADATA_HOST".into(), machine.clone()), ("HOME".into(), "/nonexistent".into())]
    }

    /// Whether it tells a checksum, by which another content is found without fetching it.
    fn tells_checksums(&self) -> bool {
        matches!(self, Self::S3(_))
    }

    fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        match self {
            Self::S3(s3) | Self::Google(s3, _) => s3.objects(),
            Self::Azure(azure) => azure.blobs().into_iter().map(|name| (name.clone(), azure.blob(&name))).collect(),
        }
    }

    fn key(&self, path: &Path) -> String {
        let name = path.file_name().unwrap().to_str().unwrap();
        self.objects().into_keys().find(|key| key.ends_with(name)).unwrap()
    }

    fn remove(&self, path: &Path) {
        match self {
            Self::S3(s3) | Self::Google(s3, _) => s3.remove(&self.key(path)),
            Self::Azure(azure) => azure.remove(&self.key(path)),
        }
    }

    fn overwrite(&self, path: &Path, content: &[u8]) {
        match self {
            Self::S3(s3) | Self::Google(s3, _) => s3.overwrite(&self.key(path), content),
            Self::Azure(azure) => azure.overwrite(&self.key(path), content),
        }
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

#[test]
fn what_lies_here_is_found_and_fetched_and_the_catalog_is_put_right() {
    found_and_put_right(&Engine::Sqlite);
}

#[test]
fn the_same_with_a_catalog_in_postgresql() {
    found_and_put_right(&Engine::postgres());
}

fn found_and_put_right(engine: &Engine) {
    let Some(s3) = S3::start() else { return };
    let house = House::new(&[s3.settings(), engine.settings()].concat(), 3, 1);
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
    engine.change(&house, &format!("UPDATE recording SET duration_ms = 1 WHERE id = '{}'", a.id()));
    engine.change(&house, &format!("DELETE FROM recording WHERE id = '{}'", c.id()));
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
    if let Some(s3) = S3::start() {
        lost_and_stored_again(&Store::S3(s3));
    }
}

#[test]
fn the_same_in_azure() {
    if let Some(azure) = Azure::start() {
        lost_and_stored_again(&Store::Azure(azure));
    }
}

#[test]
fn the_same_at_google() {
    if let Some(s3) = S3::start() {
        lost_and_stored_again(&Store::Google(s3, google_metadata()));
    }
}

fn lost_and_stored_again(store: &Store) {
    let share = TempDir::new("share");
    let mut settings = store.settings();
    let path = share.path().display();
    settings.push(format!("storage.targets=[{{name: share, type: local, local: {{path: {path}}}}}]"));
    let house = House::within(store.environment(), &settings, 4, 2);
    let [a, b, c, d] = house.recordings.as_slice() else { panic!() };
    let before = store.objects();

    // Gone, with a flipped bit, shorter; one is gone everywhere but in the other target.
    store.remove(&a.path.with_extension("wav"));
    let flipped = b.path.with_extension("wav");
    let mut octets = before[&store.key(&flipped)].clone();
    let middle = octets.len() / 2;
    octets[middle] ^= 1;
    store.overwrite(&flipped, &octets);
    store.overwrite(&c.path, b"{}");
    store.remove(&d.path.with_extension("wav"));
    fs::remove_file(d.path.with_extension("wav")).unwrap();
    let wrong = |mended| {
        [
            (a, "object_missing", mended),
            (b, "object_damaged", mended),
            (c, "object_damaged", mended),
            (d, "object_missing", mended),
        ]
    };
    if store.tells_checksums() {
        house.must_find("", &wrong(false));
    } else {
        // Lengths alone are told, and the flipped bit is found by who fetches it.
        let [first, _, third, fourth] = wrong(false);
        house.must_find("", &[first, third, fourth]);
    }
    house.must_find(" --deep", &wrong(false));
    house.must_find(if store.tells_checksums() { " --mend" } else { " --deep --mend" }, &wrong(true));
    house.must_find("", &[]);
    assert!(becomes_true(SOON, || store.objects() == before), "{}", house.server.tail());
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
