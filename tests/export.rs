//! `siprec export` over data directories made up for the purpose: what it lists, what it copies, and what it refuses.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

#[path = "export/house.rs"]
mod house;
#[path = "export/jobs.rs"]
mod jobs;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use siprec::archive::disk::RealDisk;
use siprec::archive::lock::DirectoryLock;
use siprec::archive::recordings;
use siprec_core::render::FileSheet;
use siprec_core::seed::RecordingId;
use siprec_core::time::Wall;

use house::{FRIDAY, HOUR, House, sidecar, tree};

#[test]
fn a_dry_run_lists_the_latest_first_in_columns() {
    let house = House::new();
    house.record(1, FRIDAY, "sip:+49301234@sbc", Some("Ada"));
    house.record(2, FRIDAY + HOUR, "sip:bob@sbc", None);
    let said = house.export("--dry-run");
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let lines: Vec<&str> = said.out.lines().collect();
    let id = |n| RecordingId(n).to_string();
    assert_eq!(
        lines,
        [
            "STARTED (UTC)         LENGTH  CALLER   CALLEE            STATE     FAULTS  ID".to_owned(),
            format!("2026-11-20 01:00:00  0:00:01  bob@sbc  help@example.com  complete       0  {}", id(2)),
            format!("2026-11-20 00:00:00  0:00:01  Ada      help@example.com  complete       0  {}", id(1)),
            "2 recordings, 0:00:02 in all".to_owned(),
        ]
    );
}

#[test]
fn each_filter_chooses_and_filters_combine() {
    let house = House::new();
    for n in 0..48 {
        house.record(n, FRIDAY + i64::try_from(n).unwrap() * HOUR, &format!("sip:+4930{n:04}@sbc"), None);
    }
    assert_eq!(house.ids("--since 2026-11-21T12:00:00Z"), (36..48).rev().collect::<Vec<_>>());
    assert_eq!(house.ids("--until 2026-11-20 --since 2026-11-20T22:00:00Z"), [23, 22]);
    assert_eq!(house.ids("--caller 030/0007"), [7]);
    assert_eq!(house.ids("--caller nobody"), [0; 0]);
    assert_eq!(house.ids("--limit 3"), [47, 46, 45]);
    assert_eq!(house.ids("--callee help@ --limit 1"), [47]);
    assert_eq!(house.ids("--participant 4930.0012"), [12]);
    assert_eq!(house.ids("--label 1 --state complete --min-duration 1s --max-duration 1s --limit 2"), [47, 46]);
    for none in ["--label 2", "--state interrupted", "--min-duration 2s", "--min-loss 1%", "--faulty", "--vendor cisco"]
    {
        assert_eq!(house.ids(none), [0; 0], "{none}");
    }
    for (wrong, remedy) in
        [("--number-ends 7", "two digits or more"), ("--min-loss lots", "2.5%"), ("--state odd", "complete")]
    {
        let asked = house.export(&format!("--dry-run {wrong}"));
        assert!(asked.err.contains(remedy), "{wrong}: {}", asked.err);
    }
    let (a, b) = (RecordingId(5), RecordingId(40));
    assert_eq!(house.ids(&format!("--id {a} --id {b} --until 2026-11-20")), [5]);
    assert!(house.ids("--since 1h").is_empty());
    assert!(house.export("--dry-run --caller nobody").out.contains("no recording matches"));
}

#[test]
fn recordings_of_a_call_find_each_other_by_any_of_its_ids() {
    let house = House::new();
    let with = |n: u128, vendor: &str, call: serde_json::Value| {
        let mut sidecar = sidecar(n, FRIDAY + i64::try_from(n).unwrap() * HOUR, "sip:a@b", None);
        sidecar.call = serde_json::from_value(call).unwrap();
        sidecar.recording_session.call_id = format!("dialog-{n}");
        sidecar.recording_session.vendor = serde_json::from_value(serde_json::json!({
            "vendor": vendor, "product": "An SBC", "confidence": 90, "signs": []
        }))
        .unwrap();
        house.keep(&sidecar);
    };
    with(1, "avaya", serde_json::json!({ "ucid": ["00001000071487015674"], "group_sequence": ["7"] }));
    with(
        2,
        "oracle",
        serde_json::json!({ "ucid": ["00001000071487015674"], "cisco_guid": ["91036128574411e789f9d0ff56c3c658"] }),
    );
    with(3, "cisco", serde_json::json!({ "cisco_guid": ["91036128574411e789f9d0ff56c3c658"], "group": ["G@Host"] }));
    with(4, "cisco", serde_json::json!({ "group_sequence": ["7"] }));
    for (typed, expected) in [
        ("00001000071487015674", vec![2, 1]),
        ("00FA080001000758A20EFA;encoding=hex", vec![2, 1]),
        ("2432917800-1464078823-2314850559-1455670872", vec![3, 2]),
        ("g@hOST", vec![3]),
        ("dialog-4", vec![4]),
        ("7", vec![]),
        ("nothing", vec![]),
        ("%", vec![]),
    ] {
        assert_eq!(house.ids(&format!("--call {typed}")), expected, "{typed}");
    }
    assert_eq!(house.ids("--call 00001000071487015674 --until 2026-11-20T02:00:00Z"), [1]);
    let line: serde_json::Value =
        serde_json::from_str(house.export("--dry-run --json --call g@host").out.trim()).unwrap();
    assert_eq!((line["vendor"].as_str(), line["product"].as_str()), (Some("cisco"), Some("An SBC")));

    // The catalog is derived: gone, it is made again from the sidecars.
    for file in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
        let _ = fs::remove_file(house.path("data").join(file));
    }
    drop(recordings::open_catalog(&RealDisk, &house.path("data")).unwrap());
    assert_eq!(house.ids("--call FA080001000758A20EFA"), [2, 1]);
}

#[test]
fn recordings_are_copied_whole_and_only_once() {
    let house = House::new();
    house.record(1, FRIDAY, "sip:a@b", None);
    house.record(2, FRIDAY + 24 * HOUR, "sip:a@b", None);
    let said = house.export("--to out");
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (0, "2 copied, 0 already there, 0 failed\n", ""));
    assert_eq!(tree(&house.path("out")), tree(&house.path("data/recordings")));
    assert!(house.path("out/2026/11/21").join(format!("{}.json", RecordingId(2))).is_file());

    let copy = house.path("out/2026/11/20").join(format!("{}.wav", RecordingId(1)));
    let before = fs::metadata(&copy).unwrap().modified().unwrap();
    let said = house.export("--to out");
    assert_eq!((said.code, said.out.as_str()), (0, "0 copied, 2 already there, 0 failed\n"));
    assert_eq!(fs::metadata(&copy).unwrap().modified().unwrap(), before);

    fs::write(&copy, "half").unwrap();
    let other = copy.with_file_name(format!(".{}.wav.part", RecordingId(1)));
    fs::write(&other, "left over by a crash").unwrap();
    let said = house.export("--to out --limit 5");
    assert_eq!(said.out, "1 copied, 1 already there, 0 failed\n");
    assert_eq!(tree(&house.path("out")), tree(&house.path("data/recordings")));
}

#[test]
fn times_are_what_they_say_and_a_slip_is_mended() {
    let house = House::new();
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos()).unwrap();
    let minute = HOUR / 60;
    let midnight = now - now.rem_euclid(24 * HOUR);
    for (n, at) in
        [(1, now - 80 * minute), (2, now - 100 * minute), (3, midnight - HOUR), (4, midnight - 8 * 24 * HOUR)]
    {
        house.record(n, at, "sip:a@b", None);
    }
    let sorted = |arguments: &str| {
        let mut ids = house.ids(arguments);
        ids.sort_unstable();
        ids
    };
    assert_eq!(sorted("--since 90m"), [1]);
    assert_eq!(sorted("--until 90m --since 101m"), [2]);
    assert!(sorted("--since yesterday").contains(&3) && !sorted("--since yesterday").contains(&4));
    assert_eq!(sorted("--until yesterday --since 7d"), house.ids("--since yesterday --until yesterday"));
    assert!(sorted("--since today --until today").iter().all(|n| *n <= 2));
    assert_eq!(sorted(&format!("--since {}", Wall(now - 90 * minute).rfc3339())), [1]);
    assert_eq!(sorted(&format!("--until {} --since 101m", Wall(now - 90 * minute).rfc3339())), [2]);
    assert_eq!(sorted("--since 7d").len() + 1, sorted("--since 3w").len());
    for (slip, meant) in [("yesterdy", "yesterday"), ("7days", "7d"), ("2026/11/23", "2026-11-23")] {
        for option in ["--since", "--until"] {
            let said = house.export(&format!("--dry-run {option} {slip}"));
            assert_eq!(said.code, 2);
            assert!(said.err.contains(&format!("did you mean `{meant}`?")), "{}", said.err);
        }
    }
}

#[test]
fn a_dry_run_copies_nothing() {
    let house = House::new();
    house.record(1, FRIDAY, "sip:a@b", None);
    let said = house.export("--to out --dry-run --json");
    assert_eq!(said.code, 0);
    let line: serde_json::Value = serde_json::from_str(said.out.trim()).unwrap();
    assert_eq!(line["id"], RecordingId(1).to_string());
    assert_eq!(line["started_at"], "2026-11-20T00:00:00.000Z");
    assert_eq!(line["caller"]["aor"], "sip:a@b");
    assert_eq!(line["path"], format!("recordings/2026/11/20/{}.wav", RecordingId(1)));
    assert!(!house.path("out").exists());
}

#[test]
fn what_is_damaged_is_named_and_the_rest_is_copied() {
    let house = House::new();
    for n in 1..=4 {
        house.record(n, FRIDAY, "sip:a@b", None);
    }
    let file = |n, kind: &str| house.path("data/recordings/2026/11/20").join(format!("{}.{kind}", RecordingId(n)));
    let mut flipped = fs::read(file(1, "wav")).unwrap();
    flipped[60] ^= 1;
    fs::write(file(1, "wav"), flipped).unwrap();
    fs::remove_file(file(2, "wav")).unwrap();
    fs::write(file(3, "json"), "{").unwrap();
    let said = house.export("--to out --json");
    assert_eq!(said.code, 1);
    let outcomes: BTreeMap<String, String> = said
        .out
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            (line["id"].as_str().unwrap().to_owned(), line["outcome"].as_str().unwrap().to_owned())
        })
        .collect();
    let outcomes: Vec<&str> = outcomes.values().map(String::as_str).collect();
    assert_eq!(outcomes, ["failed", "failed", "failed", "copied"]);
    for (n, why) in [(1, "is damaged"), (2, "cannot read"), (3, "is damaged")] {
        let id = RecordingId(n).to_string();
        assert!(said.err.lines().any(|line| line.contains(&id) && line.contains(why)), "{}", said.err);
    }
    assert!(said.err.contains("3 of 4 recordings could not be copied"), "{}", said.err);
    let copied: Vec<PathBuf> = tree(&house.path("out")).into_keys().collect();
    let day = Path::new("2026/11/20");
    assert_eq!(copied, ["json", "wav"].map(|kind| day.join(format!("{}.{kind}", RecordingId(4)))));
}

#[test]
fn a_path_out_of_the_data_directory_is_refused() {
    let house = House::new();
    let mut record = house.record(1, FRIDAY, "sip:a@b", None);
    record.row.path = format!("recordings/../../secret/{}.wav", RecordingId(1));
    house.catalog().put(&record).unwrap();
    let mut sidecar = sidecar(2, FRIDAY, "sip:a@b", None);
    sidecar.files.push(FileSheet { name: "../../../../secret.wav".to_owned(), ..sidecar.files[0].clone() });
    house.keep(&sidecar);
    let said = house.export("--to out");
    assert_eq!(said.code, 1);
    assert!(said.err.contains("no place of recordings"), "{}", said.err);
    assert!(said.err.contains("in another folder"), "{}", said.err);
    assert!(tree(&house.path("out")).into_keys().all(|path| path.starts_with("2026/11/20")));
}

#[test]
fn it_works_beside_a_server_and_without_a_catalog() {
    let house = House::new();
    house.record(1, FRIDAY, "sip:a@b", None);
    let lock = DirectoryLock::take(&house.path("data")).unwrap();
    let writer = house.catalog();
    house.record(2, FRIDAY + HOUR, "sip:a@b", None);
    assert_eq!(house.ids(""), [2, 1]);
    drop((lock, writer));

    for file in fs::read_dir(house.path("data")).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            fs::remove_file(path).unwrap();
        }
    }
    let damaged = house.path("data/recordings/2026/11/20").join(format!("{}.wav", RecordingId(1)));
    fs::write(damaged, "short").unwrap();
    let said = house.export("--dry-run --json");
    assert_eq!((said.code, said.out.lines().count()), (0, 1));
    assert!(said.err.contains("there is no catalog.sqlite; reading the sidecars instead"), "{}", said.err);
    assert!(said.err.contains(&format!("{}.wav", RecordingId(1))), "{}", said.err);
    assert!(!house.path("data/catalog.sqlite").exists());

    let (catalog, rebuilt) = recordings::open_catalog(&RealDisk, &house.path("data")).unwrap();
    let rebuilt = rebuilt.unwrap();
    assert_eq!((rebuilt.recordings, rebuilt.left_out), (1, 1));
    assert_eq!(house.ids(""), [2]);
    drop(catalog);
    assert!(recordings::open_catalog(&RealDisk, &house.path("data")).unwrap().1.is_none());
}

#[test]
fn a_missing_an_empty_and_a_foreign_directory_are_said_in_a_line() {
    let house = House::new();
    for (directory, why) in [("nowhere", "there is no data directory"), (".", "nothing was recorded in")] {
        let said = house.run(&["export", "--dry-run", "--data-dir", directory]);
        assert_eq!((said.code, said.out.as_str(), said.err.lines().count()), (1, "", 1), "{}", said.err);
        assert!(said.err.contains(why), "{}", said.err);
    }
    fs::create_dir_all(house.path("data")).unwrap();
    fs::write(house.path("data/catalog.sqlite"), "not a database, and longer than nothing".repeat(40)).unwrap();
    let said = house.export("--dry-run");
    assert_eq!((said.code, said.err.lines().count()), (1, 1), "{}", said.err);
    assert!(said.err.contains("move it away"), "{}", said.err);
}

#[test]
fn usage_errors_are_two() {
    let house = House::new();
    for arguments in ["", "--dry-run --since tomorrow-ish", "--dry-run --id 17", "--dry-run --limit -1", "--json"] {
        let said = house.export(arguments);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{arguments}: {}", said.err);
    }
}

#[test]
fn a_closed_pipe_is_silent() {
    let house = House::new();
    house.keep_rows(3000);
    let mut child = house.command(&["export", "--dry-run", "--json", "--data-dir", "data"]).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn a_target_that_cannot_be_made_is_said() {
    let house = House::new();
    house.record(1, FRIDAY, "sip:a@b", None);
    fs::write(house.path("file"), "").unwrap();
    let said = house.export("--to file/below");
    assert_eq!((said.code, said.err.lines().count()), (1, 1), "{}", said.err);
    assert!(said.err.contains("cannot make file/below"), "{}", said.err);
}

#[test]
fn what_is_exported_verifies_without_the_server_and_no_octet_can_change() {
    let house = House::new();
    for n in 1..=3 {
        house.record(n, FRIDAY, "sip:a@b", None);
        house.sign(n);
    }
    assert_eq!(house.export("--to out").code, 0);
    let trusted = house.path("trusted.pub");
    fs::rename(house.path("data").join("siprec-proof.pub"), &trusted).unwrap();
    fs::remove_dir_all(house.path("data")).unwrap();
    let said = house.run(&["export", "--verify", "out"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "by the key that was exported with them");
    assert!(said.out.ends_with("3 verified, 0 at fault\n"), "{}", said.out);
    let id = RecordingId(1);
    let folder = house.path("out/2026/11/20");
    let verify = |path: &str| house.run(&["export", "--verify", path, "--public-key", "trusted.pub", "--json"]);
    for name in [format!("{id}.wav"), format!("{id}.json")] {
        let said = verify(&format!("out/2026/11/20/{name}"));
        assert_eq!((said.code, said.out.lines().count()), (0, 1), "{name}: {}{}", said.out, said.err);
    }
    for name in [format!("{id}.wav"), format!("{id}.json"), format!("{id}.json.sig")] {
        let path = folder.join(&name);
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(whole.len() / 16) {
            let mut changed = whole.clone();
            changed[at] ^= 1 << (at % 8);
            fs::write(&path, &changed).unwrap();
            let said = verify("out");
            assert_eq!(said.code, 1, "octet {at} of {name}: {}", said.out);
            let faulty = |line: &&str| line.contains(&id.to_string()) && line.contains("\"ok\":false");
            assert_eq!((said.out.lines().filter(faulty).count(), said.out.lines().count()), (1, 3), "{}", said.out);
        }
        fs::remove_file(&path).unwrap();
        let lone = verify("out");
        let is_sheet = name.ends_with(".json");
        assert_eq!(lone.code, i32::from(!is_sheet), "without {name}: {}", lone.out);
        fs::write(&path, &whole).unwrap();
    }
    assert_eq!(verify("out").code, 0);
}

#[test]
fn what_cannot_be_verified_is_told_with_its_remedy() {
    let house = House::new();
    house.record(1, FRIDAY, "sip:a@b", None);
    let verify = |more: &str| house.run(&format!("export --verify data{more}").split(' ').collect::<Vec<_>>());
    assert!(verify("").err.contains("--public-key"), "{}", verify("").err);
    house.sign(2);
    let said = verify("");
    assert_eq!(said.code, 1);
    assert!(said.out.contains("it was not signed"), "{}", said.out);
    assert!(said.err.contains("1 of 1 recordings do not verify"), "{}", said.err);
    house.sign(1);
    assert_eq!(verify("").code, 0);
    // Another server's key tells nothing of these.
    siprec::archive::proof_key::ProofKey::load(&house.path("")).unwrap();
    let said = verify(" --public-key siprec-proof.pub");
    assert!(said.out.contains("by any of the keys"), "{}", said.out);
    assert!(house.run(&["export", "--verify", "none"]).err.contains("none"));
    fs::create_dir(house.path("empty")).unwrap();
    assert!(house.run(&["export", "--verify", "empty"]).err.contains("no recording's sheet"));
    assert_eq!(house.run(&["export", "--verify", "data", "--to", "x"]).code, 2);
}
