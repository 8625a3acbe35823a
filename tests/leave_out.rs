//! RFC 7865 10: what an operator does not need of the metadata is in no sheet, no row and no line of the log.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use std::process::Command;
use std::time::Duration;
use support::recordings::{self, Recording};
use support::server::Setup;
use support::src::Call;
use support::{TempDir, files_below};

const RENDERED_WITHIN: Duration = Duration::from_secs(30);

/// All that is there to be found by: the sheet, the catalog, its export and the log, as text.
struct Told {
    sheet: String,
    catalog: String,
    log: String,
    recording: Recording,
    call: Call,
}

fn record(leave_out: &str) -> Told {
    let mut server = Setup::default().set(&format!("archive.leave_out={leave_out}")).start();
    let (call, recording) = recordings::of_a_second(&server, RENDERED_WITHIN);
    let mut export = Command::new(env!("CARGO_BIN_EXE_siprec"));
    let output =
        export.args(["export", "--data-dir"]).arg(&server.data).args(["--dry-run", "--json"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut catalog = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(catalog.contains(recording.id()), "{catalog}");
    server.terminate();
    for file in files_below(&server.data) {
        if file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("catalog.sqlite")) {
            catalog += &String::from_utf8_lossy(&std::fs::read(file).unwrap());
        }
    }
    // With the configuration of then, a replay leaves out the same.
    let place = TempDir::new("replayed");
    let mut replay = Command::new(env!("CARGO_BIN_EXE_siprec"));
    let output = replay
        .arg("replay")
        .args(recording.segments())
        .arg("--data-dir")
        .arg(place.path())
        .args(["--set", &format!("archive.leave_out={leave_out}")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let again = recordings::all(place.path()).remove(0);
    for pointer in ["/participants", "/streams", "/caller", "/call", "/metadata", "/files/0/sha256"] {
        assert_eq!(again.sheet.pointer(pointer), recording.sheet.pointer(pointer), "{pointer}");
    }
    Told { sheet: recording.sheet.to_string(), catalog, log: server.log(), recording, call }
}

#[test]
fn what_is_left_out_is_nowhere_to_be_found() {
    let all = record("[]");
    let person = &all.call.metadata.people[0];
    let user = |aor: &str| aor.trim_start_matches("sip:").to_owned();
    assert!(all.sheet.contains(&person.aor) && all.catalog.contains(&user(&person.aor)));
    assert!(!all.log.contains(&user(&person.aor)), "no number above DEBUG: {}", all.log);

    let none = record("[names, addresses, call_ids]");
    for person in &none.call.metadata.people {
        for words in [&person.name, &user(&person.aor)] {
            for (place, text) in [("sheet", &none.sheet), ("catalog", &none.catalog), ("log", &none.log)] {
                assert!(!text.contains(words.as_str()), "{words} in the {place}: {text}");
            }
        }
    }
    assert!(!none.sheet.contains(&none.call.metadata.session) && !none.sheet.contains(&none.call.metadata.group));
    // Who spoke where is still told, without saying who they are.
    let streams = none.recording.list("/streams");
    assert_eq!((&streams[0]["participants"][0], &streams[1]["participants"][0]), (&"p1".into(), &"p2".into()));
    assert_eq!(none.recording.list("/participants")[1]["id"], "p2");
    assert!(none.recording.list("/metadata").is_empty());
    assert_eq!(none.recording.number("/proof/packets_received"), all.recording.number("/proof/packets_received"));

    let names = record("[names]");
    assert!(names.sheet.contains(&names.call.metadata.people[0].aor), "addresses stay");
    assert!(names.call.metadata.people.iter().all(|person| !names.sheet.contains(&person.name)));
}
