//! Tags of what is being recorded, of the real binary: durable at once, in sheet, notes and catalog of what ends later, and followed by
//! whatever goes by tags.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

#[path = "flows/document.rs"]
mod document;
#[path = "flows/story.rs"]
mod story;

use document::{Document, two_parties};
use serde_json::{Value, json};
use std::time::Duration;
use story::{assert_replays, recordings_of, speak, update};
use support::http::{Answer, Client, Socket};
use support::recordings;
use support::server::{Server, Setup, must_run, new_key};
use support::src::body::Body;
use support::src::{Call, Direction, Src};
use support::studio::Plan;
use support::{TempDir, becomes_true};

const SOON: Duration = Duration::from_secs(30);

/// Orders that are answered, and followed by a kill at once.
const CRASHES: u32 = 8;

/// The path of the only session that is being recorded.
#[track_caller]
fn only_session(client: &Client) -> String {
    let sessions = client.get("/api/v1/sessions").must(200)["sessions"].as_array().unwrap().clone();
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    format!("/api/v1/sessions/{}", sessions[0]["id"].as_str().unwrap())
}

fn patch(client: &Client, path: &str, body: &str) -> Answer {
    client.ask("PATCH", path, body.as_bytes())
}

/// Tags by the catalog, whose row follows the sheet.
fn tags(client: &Client, recording: &str) -> Value {
    let path = format!("/api/v1/recordings/{recording}");
    becomes_true(SOON, || client.get(&path).status == 200);
    client.get(&path).must(200)["tags"].clone()
}

#[test]
fn tags_of_a_call_outlive_a_crash_and_are_its_recordings() {
    let share = TempDir::new("tagged");
    let (key, row) = new_key("--name lead --role berlin");
    let (operator, operators_row) = new_key("--name ops --role operator");
    let mut server = Setup::default()
        .set("peers=[{name: site, address: 127.0.0.1, tags: [berlin, wrong]}]")
        .set(&format!("storage.local.path={}", share.path().display()))
        .set("storage.key={tag}/{id}")
        .set("auth.roles=[{name: berlin, permissions: [read], tags: [claim-7]}, {name: operator, permissions: [read, write, manage]}]")
        .set(&format!("auth.api_keys=[{row}, {operators_row}]"))
        .start();
    let client = Client::new(server.api).bearer(&operator);
    let call = Call::new(&Src::udp(server.sip), 7);
    call.must_invite();
    call.talk(&Plan::seconds(2.0));
    let path = only_session(&client);
    assert_eq!(client.get(&path).must(200)["tags"], json!(["berlin", "wrong"]), "its peer's");
    let shown = patch(&client, &path, r#"{"add_tags": ["Claim-7"], "remove_tags": ["wrong"]}"#).must(200);
    // The answer is the promise: nothing is waited for.
    server.kill();
    assert_eq!(shown["tags"], json!(["berlin", "claim-7"]));
    server.restart();
    assert_eq!(client.get(&path).must(200)["tags"], json!(["berlin", "claim-7"]));
    for crash in 0..CRASHES {
        let (order, tags) = match crash % 2 {
            0 => ("add_tags", json!(["berlin", "claim-7", "crash"])),
            _ => ("remove_tags", json!(["berlin", "claim-7"])),
        };
        patch(&client, &path, &json!({ order: ["crash"] }).to_string()).must(200);
        server.kill();
        server.restart();
        assert_eq!(client.get(&path).must(200)["tags"], tags, "after crash {crash}");
    }
    let matching =
        |tag: &str| client.get(&format!("/api/v1/sessions?tag={tag}")).must(200)["sessions"].as_array().unwrap().len();
    assert_eq!((matching("CLAIM-7"), matching("wrong")), (1, 0));

    call.wait();
    assert_eq!(call.bye().unwrap().status(), 200);
    let recording = recordings::wait(&server.data, call.call_id(), SOON);
    assert_eq!(recording.sheet["tags"], json!(["berlin", "claim-7"]));
    let notes = recording.path.with_extension("json.notes");
    assert!(becomes_true(SOON, || notes.exists()), "no notes");
    let notes: Value = serde_json::from_slice(&std::fs::read(notes).unwrap()).unwrap();
    assert_eq!(notes["tags"], json!(["berlin", "claim-7"]));
    let heard = Client::new(server.api).bearer(&key);
    let is_theirs = || heard.get(&format!("/api/v1/recordings/{}", recording.id())).status == 200;
    assert!(becomes_true(SOON, is_theirs), "a role for the tag does not see it");
    let stored = || share.path().join(format!("berlin/{}.json", recording.id())).exists();
    assert!(becomes_true(SOON, stored), "{:?}", support::files_below(share.path()));

    server.terminate();
    std::fs::remove_file(server.data.join("catalog.sqlite")).unwrap();
    must_run(&server.data, &[], "archive rebuild");
    let rows = must_run(&server.data, &[], "export --dry-run --json --tag claim-7");
    assert!(rows.contains(recording.id()), "{rows}");
    server.assert_never_panicked();
}

/// A recording session of several calls: an operator means those that go on and those to come.
#[test]
fn what_goes_on_and_what_begins_later_is_tagged_and_what_has_ended_is_not() {
    let server = Server::start();
    let client = Client::new(server.api);
    let call = Call::new(&Src::udp(server.sip), 5);
    let answer = call.invite_with(&Body::sdp(call.offer_sdp(&[Direction::SendOnly; 2]))).unwrap();
    call.acknowledge(&answer);
    let path = only_session(&client);
    let orders = ["{}", r#"{"add_tags": ["vip", "second"]}"#, r#"{"remove_tags": ["second"]}"#];
    for (number, order) in orders.into_iter().enumerate() {
        let name = format!("cs-{number}");
        update(&call, &two_parties(&name, None, ["alice", "bob"]));
        speak(&call, 0.5);
        patch(&client, &path, order).must(200);
        // Whoever asks again changes nothing.
        patch(&client, &path, order).must(200);
        update(&call, &Document::partial().ends(&name));
        recordings_of(&server.data, &call, number + 1);
    }
    assert_eq!(call.bye().unwrap().status(), 200);
    let all = recordings_of(&server.data, &call, 3);
    let of_sheets: Vec<Value> = all.iter().map(|recording| recording.sheet["tags"].clone()).collect();
    assert_eq!(of_sheets, [Value::Null, json!(["vip", "second"]), json!(["vip"])]);
    let of_catalog = || all.iter().map(|recording| tags(&client, recording.id())).collect::<Vec<_>>();
    assert_eq!(of_catalog(), [json!([]), json!(["second", "vip"]), json!(["vip"])]);
    let audited = || {
        let entries = client.get("/api/v1/audit?action=tagged").must(200)["entries"].as_array().unwrap().clone();
        entries
            .iter()
            .filter(|entry| entry["recording"].is_null())
            .filter(|entry| path.ends_with(entry["session"].as_str().unwrap()))
            .count()
    };
    assert!(becomes_true(SOON, || audited() >= 2) && audited() == 2, "{} orders are in the audit log", audited());
    // The last word is that on the recording itself.
    patch(&client, &format!("/api/v1/recordings/{}", all[0].id()), r#"{"add_tags": ["vip"]}"#).must(200);
    assert_eq!(of_catalog()[0], json!(["vip"]));
    server.assert_never_panicked();
}

#[test]
fn changes_are_told_as_they_happen_and_a_journal_replays_with_them() {
    let server = Server::start();
    let client = Client::new(server.api);
    let call = Call::new(&Src::udp(server.sip), 8);
    call.must_invite();
    let path = only_session(&client);
    let mut events: Socket = client.websocket("/ws/events?types=session.tagged").unwrap();
    patch(&client, &path, r#"{"add_tags": ["vip", "wrong"]}"#).must(200);
    speak(&call, 1.0);
    patch(&client, &path, r#"{"remove_tags": ["wrong"], "add_tags": ["vip"]}"#).must(200);
    let told = events.until(|event| event["added"] == json!([]));
    assert_eq!(told.len(), 2, "one for each change: {told:?}");
    assert_eq!((&told[0]["added"], &told[1]["removed"]), (&json!(["vip", "wrong"]), &json!(["wrong"])));
    assert!(path.ends_with(told[0]["session"].as_str().unwrap()), "{told:?}");
    assert_eq!(call.bye().unwrap().status(), 200);
    let recording = recordings::wait(&server.data, call.call_id(), SOON);
    assert_eq!(recording.sheet["tags"], json!(["vip"]));
    assert_replays(&recording);
}

#[test]
fn what_cannot_be_tagged_is_said() {
    let server = Server::start();
    let client = Client::new(server.api);
    patch(&client, "/api/v1/sessions/01a2287a-4bab-7e19-982e-8c887adffaaf", "{}").problem(404);
    let call = Call::new(&Src::udp(server.sip), 9);
    call.must_invite();
    let path = only_session(&client);
    let many: Vec<String> = (0..65).map(|n| format!("tag-{n}")).collect();
    for (body, said) in [
        (r#"{"add_tags": ["two words"]}"#, "is no tag"),
        (r#"{"hold": "case 7"}"#, "unknown field `hold`"),
        (r#"["vip"]"#, "has to be an object"),
        (&json!({ "add_tags": many }).to_string(), "64 tags at most"),
    ] {
        let problem = patch(&client, &path, body).problem(400);
        assert!(problem.contains(said), "{body}: {problem}");
    }
    assert!(client.get("/api/v1/sessions?tag=two%20words").problem(400).contains("is no tag"));
    client.with("Content-Type", "text/plain").ask("PATCH", &path, b"x").problem(415);
    assert_eq!(client.get(&path).must(200)["tags"], json!([]));
    assert_eq!(patch(&client, &path, &json!({ "add_tags": many[..64] }).to_string()).must(200)["tags"][63], "tag-9");
    assert_eq!(call.bye().unwrap().status(), 200);
    assert!(patch(&client, &path, r#"{"add_tags": ["late"]}"#).problem(404).contains("look for its recordings"));
    server.assert_never_panicked();
}
