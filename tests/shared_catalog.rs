//! A server whose catalog is in PostgreSQL: it records whether that answers or not, and all is found in the end.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use support::postgres::Cluster;
use support::recordings::{self, Recording};
use support::server::{Server, Setup};
use support::{TempDir, becomes_true, files_below};

/// A rendering, and the tries of who puts its row in.
const WITHIN: Duration = Duration::from_secs(60);

#[test]
fn calls_are_recorded_while_it_is_down_and_found_once_it_answers() {
    let cluster = Cluster::start();
    let address = cluster.database();
    cluster.stop();
    let mut server = serve(&address);
    let first = record(&server);
    server.must_say(&["NO CATALOG", "is not reached", "their rows are put in then"]);
    let said = export(&server, &address, &["--dry-run"]);
    assert_eq!(said.status.code(), Some(1));
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(text.contains("is not reached") && text.contains("--set metadata.type=sqlite"), "{text}");
    assert!(text.contains("Start PostgreSQL, or correct metadata.connection"), "{text}");

    cluster.run();
    assert!(becomes_true(WITHIN, || ids(&server, &address) == [first.id()]), "{}", server.tail());
    cluster.stop();
    let second = record(&server);
    cluster.run();
    assert!(becomes_true(WITHIN, || ids(&server, &address) == [second.id(), first.id()]), "{}", server.tail());
    // The journal is put away after its row is kept.
    let is_live = || files_below(&server.data.join("journals/live")).iter().any(|path| path.extension().is_some());
    assert!(becomes_true(WITHIN, || !is_live()), "{:?}", files_below(&server.data.join("journals/live")));
    assert!(!server.data.join("catalog.sqlite").exists());
    server.assert_never_panicked();
    assert!(server.terminate().success());
}

#[test]
fn a_wrong_password_is_said_and_refuses_no_call() {
    let cluster = Cluster::shared();
    let address = cluster.database();
    let mut server = serve(&address.replace("p%40ss", "hunter2"));
    let recording = record(&server);
    server.must_say(&["NO CATALOG", "correct user and password in metadata.connection"]);
    assert!(!server.log().contains("hunter2"));
    server.terminate();
    // Mended, it has what was recorded meanwhile.
    let mended = Setup::default().data(&server.data).set("metadata.type=postgresql");
    let mended = mended.set(&format!("metadata.connection={address}")).start();
    assert!(becomes_true(WITHIN, || ids(&mended, &address) == [recording.id()]), "{}", mended.tail());
}

#[test]
fn servers_that_share_it_copy_their_own_and_tell_of_the_others() {
    let cluster = Cluster::shared();
    let address = cluster.database();
    let (here, there) = (serve(&address), serve(&address));
    let (mine, other) = (record(&here), record(&there));
    let both = || {
        let mut found = ids(&here, &address);
        found.sort();
        let mut wanted = [mine.id(), other.id()];
        wanted.sort_unstable();
        found == wanted
    };
    assert!(becomes_true(WITHIN, both), "{}", here.tail());
    let out = TempDir::new("copied");
    let said = export(&here, &address, &["--to", out.path().to_str().unwrap()]);
    assert!(said.status.success(), "{said:?}");
    assert!(String::from_utf8_lossy(&said.stdout).contains("1 copied, 0 already there, 0 failed"), "{said:?}");
    assert!(String::from_utf8_lossy(&said.stderr).contains("1 more that match lie on another server"), "{said:?}");
    let copied = |recording: &Recording| holds(out.path(), recording.id());
    assert!(copied(&mine) && !copied(&other));
}

#[test]
fn a_replay_of_a_capture_is_in_it_and_old_recordings_are_taken_over() {
    let cluster = Cluster::shared();
    let address = cluster.database();
    // Recorded while the catalog was in SQLite.
    let mut old = Setup::default().start();
    let recording = record(&old);
    old.terminate();
    let place = TempDir::new("replayed");
    let mut replay = Command::new(env!("CARGO_BIN_EXE_siprec"));
    replay.arg("replay").args(recording.segments()).arg("--data-dir").arg(place.path());
    let replayed = replay.args(settings(&address)).output().unwrap();
    assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
    let server = Setup::default().data(&old.data).set("metadata.type=postgresql");
    let server = server.set(&format!("metadata.connection={address}")).start();
    assert!(becomes_true(WITHIN, || ids(&server, &address).contains(&recording.id().to_owned())), "{}", server.tail());
    server.must_say(&["knew nothing of this server and has its sheets now"]);
    assert!(!ids(&server, &address).is_empty());
}

fn serve(address: &str) -> Server {
    Setup::default().set("metadata.type=postgresql").set(&format!("metadata.connection={address}")).start()
}

/// A call of a second, as it lies on the disk.
fn record(server: &Server) -> Recording {
    recordings::sheet_of_a_second(server, WITHIN).1
}

fn settings(address: &str) -> [String; 4] {
    let set = |key_value: &str| ["--set".to_owned(), key_value.to_owned()];
    let [[a, b], [c, d]] = [set("metadata.type=postgresql"), set(&format!("metadata.connection={address}"))];
    [a, b, c, d]
}

fn export(server: &Server, address: &str, arguments: &[&str]) -> Output {
    let mut export = Command::new(env!("CARGO_BIN_EXE_siprec"));
    export.args(["export", "--data-dir"]).arg(&server.data).args(settings(address)).args(arguments).output().unwrap()
}

/// What export finds, latest first.
fn ids(server: &Server, address: &str) -> Vec<String> {
    let said = export(server, address, &["--dry-run", "--json"]);
    let lines = String::from_utf8(said.stdout).unwrap();
    let id = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
    lines.lines().map(id).collect()
}

fn holds(folder: &Path, id: &str) -> bool {
    files_below(folder).iter().any(|path| path.to_string_lossy().contains(id))
}
