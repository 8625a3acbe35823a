//! The audit log: what servers, orders and command lines leave in it, and what shows when somebody changes it.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use support::embedded::Embedded;
use support::recordings;
use support::server::{Server, Setup, must_run, run};
use support::src::{Call, Src};
use support::studio::Plan;
use support::{TempDir, becomes_true};

const SOON: Duration = Duration::from_secs(60);

/// The log's entries, oldest first.
fn entries(data: &Path, chosen: &str) -> Vec<Value> {
    let text = must_run(data, &[], &format!("archive audit --json{chosen}"));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn actions(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["action"].as_str().unwrap()).collect()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A data directory that a server ran on, with one recording of a second.
fn house() -> (Server, String) {
    let mut server = Server::start();
    let (_, recording) = recordings::of_a_second(&server, SOON);
    server.must_say(&["recorded"]);
    assert!(server.terminate().success());
    (server, recording.id().to_owned())
}

#[test]
fn who_started_exported_and_stopped_is_told() {
    let (server, recording) = house();
    let to = TempDir::new("export");
    let export = format!("export --to {}", to.path().display());
    must_run(&server.data, &[], &export);
    must_run(&server.data, &[], &export);
    must_run(&server.data, &[], &format!("export --id {recording} --as json --to -"));
    must_run(&server.data, &[], "archive rebuild");
    let all = entries(&server.data, "");
    let expected = ["started", "configured", "stopped"];
    assert_eq!(actions(&all)[..3], expected);
    assert_eq!(actions(&all)[3..], ["exported"; 8].iter().copied().chain(["rebuilt"]).collect::<Vec<_>>());
    assert!(all[..3].iter().all(|entry| entry["who"] == "siprec serve"));
    assert_eq!(all[1]["detail"]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(all[2]["detail"]["why"], "SIGTERM");
    let steps: Vec<_> = all[3..11].iter().map(|entry| (&entry["detail"]["step"], &entry["recording"])).collect();
    let (begun, ended, none) = (Value::from("begun"), Value::from("ended"), Value::Null);
    let id = Value::from(recording.as_str());
    let once = [(&begun, &none), (&none, &id), (&ended, &none)];
    let again = [(&begun, &none), (&ended, &none)];
    assert_eq!(steps, [&once[..], &again, &once].concat(), "what was there already did not leave again");
    assert!(all[4]["who"].as_str().unwrap().contains("(uid "), "{}", all[4]);
    assert_eq!(all[4]["detail"]["to"], to.path().display().to_string());
    assert_eq!(all[4]["detail"]["run"], all[5]["detail"]["run"]);
    assert_eq!(all[9]["detail"]["to"], "standard output");
    let seqs: Vec<_> = all.iter().map(|entry| entry["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=12).collect::<Vec<_>>());

    let about = entries(&server.data, &format!(" --recording {recording} --since 1h --action exported"));
    assert_eq!(about.len(), 2);
    assert_eq!(entries(&server.data, " --action stopped --action rebuilt").len(), 2);
    assert_eq!(entries(&server.data, " --until 2020-01-01").len(), 0);
    let text = must_run(&server.data, &[], "archive audit");
    assert!(text.lines().nth(4).unwrap().contains(&format!("exported  {recording}  by ")), "{text}");
    let unknown = run(&server.data, &[], "archive audit --action sung");
    assert_eq!(unknown.status.code(), Some(2));
    assert!(said(&unknown).contains("there are exported, heard"), "{}", said(&unknown));
    assert!(must_run(&server.data, &[], "archive audit --verify").contains("12 entries are as they were written"));
}

#[test]
fn what_was_changed_or_cut_off_is_told_with_its_line() {
    let (server, _) = house();
    let data = &server.data;
    must_run(data, &[], "archive rebuild");
    let log = data.join("audit.log");
    let whole = fs::read_to_string(&log).unwrap();
    let verify = |line: u64, words: &str| {
        let output = run(data, &[], "archive audit --verify");
        assert_eq!(output.status.code(), Some(1));
        let (place, said) = (format!("audit.log:{line}: "), said(&output));
        assert!(said.contains(&place) && said.contains(words), "{said}");
        let output = run(data, &[], "archive audit --verify --json");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((output.status.code(), &report["ok"], &report["line"]), (Some(1), &false.into(), &line.into()));
    };
    fs::write(&log, whole.replace("\"action\":\"configured\"", "\"action\":\"exported\"")).unwrap();
    verify(2, "its signature is not of it");
    fs::write(&log, whole.lines().take(3).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    verify(4, "the log was cut off here");
    // Whoever goes on writing does not hide it.
    must_run(data, &[], "archive rebuild");
    verify(4, "entries 4 to 4 are missing");
    fs::write(&log, &whole).unwrap();
    fs::remove_file(data.join("audit.head")).unwrap();
    verify(5, "audit.head is gone");
}

#[test]
fn a_torn_end_is_cut_and_the_next_entry_says_so() {
    let (server, _) = house();
    let log = server.data.join("audit.log");
    let mut text = fs::read(&log).unwrap();
    text.extend_from_slice(b"{\"seq\":4,\"at\":\"20");
    fs::write(&log, text).unwrap();
    assert!(must_run(&server.data, &[], "archive audit --verify").contains("a crash left 17 octets"));
    must_run(&server.data, &[], "archive rebuild");
    let all = entries(&server.data, "");
    assert_eq!((all.len(), &all[3]["detail"]["log_torn"]), (4, &"17".into()));
    must_run(&server.data, &[], "archive audit --verify");
}

#[test]
fn an_export_goes_on_where_nothing_can_be_written_down_and_says_so_once() {
    let (server, _) = house();
    // Root may write anywhere; a folder in the log's place is in everybody's way.
    let log = server.data.join("audit.log");
    fs::rename(&log, server.data.join("audit.log.old")).unwrap();
    fs::create_dir(&log).unwrap();
    let to = TempDir::new("export");
    let output = run(&server.data, &[], &format!("export --to {}", to.path().display()));
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(said(&output).matches("WARNING: this is not in the audit log: ").count(), 1, "{}", said(&output));
    assert!(said(&output).contains("audit.log: "), "{}", said(&output));
}

#[test]
fn orders_to_a_running_server_are_written_down() {
    let server = Embedded::start();
    let src = Src::udp(server.sip);
    let call = Call::new(&src, 3);
    call.must_invite();
    call.talk(&Plan::seconds(2.0));
    let session = server.session();
    drop(server.watched.listen(session));
    server.orders.pause(session, false);
    server.orders.resume(session);
    server.orders.hold_off(true);
    server.orders.stop(session);
    let done = || actions(&entries(&server.data, "")).last() == Some(&"stopped");
    assert!(becomes_true(SOON, done), "{:?}", entries(&server.data, ""));
    let all = entries(&server.data, "");
    assert_eq!(actions(&all), ["started", "configured", "heard", "paused", "resumed", "paused", "stopped"]);
    let session = Value::from(session.to_string());
    let sessions: Vec<_> = all[2..].iter().map(|entry| &entry["session"]).collect();
    assert_eq!(sessions, [&session, &session, &session, &Value::Null, &session]);
    assert_eq!((&all[3]["detail"]["tell_src"], &all[5]["detail"]["sessions"]), (&"false".into(), &"new".into()));
    call.hush();
}

#[test]
fn a_server_that_is_killed_goes_on_with_the_log_and_a_new_configuration_is_told() {
    let house = TempDir::new("house");
    let data = house.path().join("data");
    let mut server = Setup::default().data(&data).start();
    assert!(becomes_true(SOON, || data.join("audit.log").exists() && entries(&data, "").len() == 2));
    server.kill();
    let mut server = Setup::default().data(&data).set("recording.layout=mono").start();
    let again = || entries(&server.data, "").len() == 4;
    assert!(becomes_true(SOON, again), "{}", server.tail());
    assert!(server.terminate().success());
    let all = entries(&server.data, "");
    assert_eq!(actions(&all), ["started", "configured", "started", "configured", "stopped"]);
    assert_ne!(all[1]["detail"]["sha256"], all[3]["detail"]["sha256"]);
    must_run(&server.data, &[], "archive audit --verify");
}

#[test]
fn what_is_held_tagged_released_and_erased_is_told_and_nothing_of_it_is_missed() {
    let (server, recording) = house();
    let data = &server.data;
    must_run(data, &[], &format!("archive hold --id {recording} --reason matter-of-erin"));
    must_run(data, &[], &format!("archive tag --id {recording} --add vip-of-erin"));
    // The catalog tells of both, as it should.
    must_run(data, &[], "archive verify");
    must_run(data, &[], &format!("archive release --id {recording} --all"));
    must_run(data, &[], &format!("archive erase --id {recording} --reason gone-by-erin --yes"));
    must_run(data, &[], "archive verify");
    let about = entries(data, &format!(" --recording {recording}"));
    assert_eq!(actions(&about), ["held", "tagged", "released", "erased"]);
    assert!(about.iter().all(|entry| entry["session"].is_string()), "{about:?}");
    let log = fs::read_to_string(data.join("audit.log")).unwrap();
    assert!(!log.contains("erin"), "words of people stand in the log");
    must_run(data, &[], "archive audit --verify");
}
