//! What the API tells as it happens: over a WebSocket, as server-sent events, and as alarms that somebody takes note of.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;
use support::http::{Client, Socket};
use support::server::{Server, Setup};
use support::src::{Call, Src};
use support::studio::Plan;

fn is(event: &Value, kind: &str) -> bool {
    event["type"] == kind
}

#[track_caller]
fn events(client: &Client, query: &str) -> Socket {
    client.websocket(&format!("/ws/events{query}")).unwrap()
}

#[test]
fn a_call_is_told_from_its_beginning_to_its_recording_and_who_comes_back_hears_the_rest() {
    let server = Server::start();
    let client = Client::new(server.api);
    let mut all = events(&client, "?quality=true");
    let mut of_recordings = events(&client, "?types=recording");
    let call = Call::new(&Src::udp(server.sip), 3);
    call.must_invite();
    call.talk(&Plan::seconds(4.0));
    let begun = all.until(|event| is(event, "session.started"));
    let session = begun.last().unwrap()["session"].as_str().unwrap().to_owned();
    let quality = all.until(|event| is(event, "quality"));
    let second = &quality.last().unwrap()["streams"][0];
    assert_eq!((second["session"].as_str(), second["codec"].as_str()), (Some(session.as_str()), Some("PCMA")));
    client.post(&format!("/api/v1/sessions/{session}/pause"), "").must(200);
    all.until(|event| is(event, "stream.paused") && event["cause"] == "operator");
    client.post(&format!("/api/v1/sessions/{session}/resume"), "").must(200);
    all.until(|event| is(event, "stream.resumed"));
    call.wait();
    call.bye().unwrap();
    let told = all.until(|event| is(event, "recording.completed"));
    let ended = told.iter().find(|event| is(event, "session.ended")).unwrap();
    assert_eq!(ended["cause"], "bye");
    let only = of_recordings.until(|event| is(event, "recording.completed"));
    let kinds: Vec<&str> = only.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["recording.started", "recording.completed"]);
    assert_eq!(only[0]["recording"], told.last().unwrap()["recording"]);

    // Who comes back after the beginning hears all that came then, in order, without the seconds.
    let after = begun.last().unwrap()["id"].as_str().unwrap();
    let again = events(&client, &format!("?after={after}")).until(|event| is(event, "recording.completed"));
    let kinds: Vec<&str> = again.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let paused = ["stream.paused"; 2].into_iter().chain(["stream.resumed"; 2]);
    let expected: Vec<&str> = paused.chain(["session.ended", "recording.completed"]).collect();
    assert_eq!(kinds, expected);
    let of_another_run = events(&client, "?after=19a-3").until(|event| is(event, "session.started"));
    assert_eq!(of_another_run[0]["type"], "missed");
    assert!(
        events(&client, &format!("?after={after}&session={session}")).until(|event| is(event, "session.ended")).len()
            > 1
    );
    server.assert_never_panicked();
}

#[test]
fn the_same_comes_as_server_sent_events() {
    let server = Server::start();
    let mut stream = TcpStream::connect(server.api).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n").unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "content-type: text/event-stream"));
    let call = Call::new(&Src::udp(server.sip), 4);
    call.must_invite();
    assert!(lines.any(|line| line == "event: session.started"));
    let data = lines.find_map(|line| line.strip_prefix("data: ").map(str::to_owned)).unwrap();
    let event: Value = serde_json::from_str(&data).unwrap();
    assert_eq!(event["src"].as_str().unwrap().split(':').next(), Some("127.0.0.1"));
    call.bye().unwrap();
}

#[test]
fn an_alarm_is_listed_acknowledged_and_over() {
    let mut server = Setup::default().set("media.rtp_timeout=2s").start();
    let client = Client::new(server.api);
    let mut told = events(&client, "?types=session.alarm,alarm");
    let call = Call::new(&Src::udp(server.sip), 5);
    call.must_invite();
    let raised = told.until(|event| event["alarm"] == "no_rtp" && event["raised"] == true);
    let alarms = client.get("/api/v1/alarms").must(200);
    let alarm = &alarms["alarms"][0];
    assert_eq!((&alarm["alarm"], &alarm["session"]), (&raised[0]["alarm"], &raised[0]["session"]));
    let id = alarm["id"].as_str().unwrap();
    let noted = client.post(&format!("/api/v1/alarms/{id}/acknowledge"), "").must(200);
    assert!(noted["acknowledged_by"].is_string(), "{noted}");
    told.until(|event| is(event, "alarm.acknowledged") && event["alarm"] == id);
    let session = client.get(&format!("/api/v1/sessions/{}", raised[0]["session"].as_str().unwrap())).must(200);
    assert_eq!(session["alarms"][0]["alarm"], "no_rtp");
    server.kill();
    server.restart();
    assert_eq!(client.get("/api/v1/alarms").must(200)["alarms"][0]["id"], id, "it stands after a crash as well");
    let mut told = events(&client, "?types=session.alarm");
    call.talk(&Plan::seconds(1.0));
    told.until(|event| event["alarm"] == "no_rtp" && event["raised"] == false);
    call.wait();
    call.bye().unwrap();
    client.post("/api/v1/alarms/no-such/acknowledge", "").problem(404);
}

#[test]
fn a_type_that_no_event_has_is_refused() {
    let server = Setup::default().start();
    let client = Client::new(server.api);
    let said = client.get("/api/v1/events?types=session,recordings").problem(400);
    assert!(said.contains("`recordings`") && said.contains("recording.started"), "{said}");
    assert_eq!(client.websocket("/ws/events?types=foo").err(), Some(400));
}

#[test]
fn a_full_disk_is_an_alarm_of_the_server() {
    let server = Setup::default().set("archive.min_free=900TiB").start();
    let client = Client::new(server.api);
    assert!(support::becomes_true(Duration::from_secs(10), || {
        let alarms = client.get("/api/v1/alarms").must(200);
        alarms["alarms"].as_array().unwrap().iter().any(|alarm| alarm["alarm"] == "disk_full")
    }));
    assert!(client.get("/readyz").must(503)["why"].as_array().unwrap().contains(&"Disk Full".into()));
    assert_eq!(client.get("/healthz").must(200)["ready"], true);
}
