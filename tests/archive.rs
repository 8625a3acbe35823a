//! `siprec archive rebuild`: the catalog is made anew of what lies on the disk, in either engine.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use support::postgres::Cluster;
use support::recordings::{self, Recording};
use support::server::{Server, Setup};

const WITHIN: Duration = Duration::from_secs(30);

#[test]
fn a_damaged_catalog_is_laid_aside_and_made_anew() {
    let (mut server, recording) = recorded();
    let said = siprec(&server.data, &["archive", "rebuild"]);
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    assert!(text(&said.stderr).contains("stop its server"), "{said:?}");
    server.terminate();
    std::fs::write(server.data.join("catalog.sqlite"), [b'x'; 8192]).unwrap();
    let said = siprec(&server.data, &["archive", "rebuild"]);
    assert!(said.status.success(), "{said:?}");
    assert_eq!(text(&said.stdout), "1 recordings are in the catalog\n");
    assert_eq!(std::fs::read(server.data.join("catalog.sqlite.damaged")).unwrap(), [b'x'; 8192]);
    assert!(text(&siprec(&server.data, &["export", "--dry-run", "--json"]).stdout).contains(recording.id()));

    // A sheet that cannot be read is named, and the rest is there.
    let bad = recording.path.with_file_name("bad.json");
    std::fs::write(&bad, "{").unwrap();
    let said = siprec(&server.data, &["archive", "rebuild", "--json"]);
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    let report: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!((report["recordings"].as_u64(), report["left_out"].as_u64()), (Some(1), Some(1)));
    assert!(report["damaged"][0].as_str().unwrap().contains("bad.json"), "{report}");
}

#[test]
fn a_shared_catalog_forgets_what_this_server_has_no_more_and_nothing_else() {
    let cluster = Cluster::shared();
    let address = cluster.database();
    let (mut server, recording) = recorded();
    server.terminate();
    let settings = ["--set", "metadata.type=postgresql", "--set", &format!("metadata.connection={address}")];
    let rebuild = || siprec(&server.data, &[&["archive", "rebuild"][..], &settings[..]].concat());
    assert_eq!(text(&rebuild().stdout), "1 recordings are in the catalog\n");
    let rows = || cluster.sql(&address, "SELECT id FROM siprec.recording ORDER BY id");
    assert_eq!(rows(), recording.id());
    let others = "INSERT INTO siprec.recording SELECT (json_populate_record(recording, \
                  '{\"key\": 1, \"id\": \"other\", \"node\": \"there\"}')).* FROM siprec.recording";
    cluster.sql(&address, others);
    recording.delete();
    assert_eq!(text(&rebuild().stdout), "0 recordings are in the catalog\n");
    assert_eq!(rows(), "other");
}

/// A server that has recorded a call.
fn recorded() -> (Server, Recording) {
    let server = Setup::default().start();
    let (_, recording) = recordings::of_a_second(&server, WITHIN);
    (server, recording)
}

fn siprec(data: &Path, arguments: &[&str]) -> Output {
    let mut siprec = Command::new(env!("CARGO_BIN_EXE_siprec"));
    siprec.args(arguments).arg("--data-dir").arg(data).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
