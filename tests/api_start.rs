//! Recordings that no SRC asks for: begun over the API, sent to by whoever has the media.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use serde_json::{Value, json};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;
use support::becomes_true;
use support::http::Client;
use support::recordings;
use support::server::{Server, Setup};
use support::voice::{PACKET, Voice, tone_hz, tone_of};
use support::wav::level;

const SOON: Duration = Duration::from_secs(20);
/// The guide's own example.
const GUIDE: &str = r#"{
    "session_id": "call-123456",
    "participants": [
        {"uri": "sip:alice@example.com", "name": "Alice"},
        {"uri": "sip:bob@example.com", "name": "Bob"}
    ],
    "metadata": {"department": "sales", "campaign": "Q1-2024"}
}"#;

/// Sends two seconds of a voice as PCMA to where a stream is received.
fn speak(to: SocketAddr, leg: usize, from: u32, packets: u32) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let voice = Voice::new(3, leg, 80_000);
    let ssrc = 0x7000 + leg as u32;
    for n in from..from + packets {
        let head =
            [&[0x80, 8][..], &(n as u16).to_be_bytes(), &(n * PACKET).to_be_bytes(), &ssrc.to_be_bytes()].concat();
        socket.send_to(&[head, voice.samples(n * PACKET, PACKET)].concat(), to).unwrap();
        support::pause(Duration::from_millis(18));
    }
}

fn both_speak(started: &Value, from: u32, packets: u32) {
    let at = |n: usize| started["streams"][n]["rtp"].as_str().unwrap().parse::<SocketAddr>().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| speak(at(0), 0, from, packets));
        scope.spawn(|| speak(at(1), 1, from, packets));
    });
}

fn found(client: &Client, query: &str) -> Vec<Value> {
    client.get(&format!("/api/v1/recordings?{query}")).must(200)["recordings"].as_array().unwrap().clone()
}

#[test]
fn the_guides_request_begins_a_recording_that_outlives_a_crash() {
    let mut server = Server::start();
    let client = Client::new(server.api);
    let started = client.post("/api/v1/recordings/start", GUIDE).must(201);
    assert_eq!(started["session_id"], "call-123456");
    let stream = &started["streams"][1];
    assert_eq!((&stream["participant"]["name"], &stream["label"]), (&json!("Bob"), &json!("2")));
    let sdp = stream["sdp"].as_str().unwrap();
    let port = stream["rtp"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    assert!(sdp.contains(&format!("m=audio {port} RTP/AVP")) && sdp.matches("m=").count() == 1, "{sdp}");
    assert!(sdp.contains("a=recvonly") && sdp.contains("PCMA/8000"), "{sdp}");
    client.post("/api/v1/recordings/start", GUIDE).problem(409);

    both_speak(&started, 0, 50);
    server.kill();
    server.restart();
    both_speak(&started, 60, 60);
    let session = client.get("/api/v1/sessions?call=call-123456").must(200)["sessions"][0].clone();
    assert_eq!((&session["id"], &session["peer"]), (&started["session"], &json!("api")));
    assert_eq!(session["caller"]["name"], "Alice");
    assert_eq!((&session["src"], &session["transport"]), (&Value::Null, &json!("api")), "no address is made up");
    assert_eq!(session["streams"][0]["remote"], Value::Null, "{session}");
    let stopped = client.post("/api/v1/recordings/stop", r#"{"session_id": "call-123456"}"#).must(202);
    assert_eq!(stopped["session"], started["session"]);
    assert!(becomes_true(SOON, || found(&client, "call=call-123456").len() == 1), "{}", server.tail());
    let row = found(&client, "caller=alice&callee=Bob").pop().expect("by its parties");
    assert_eq!(row["communication_session"], "call-123456");
    let recording = recordings::all(&server.data).pop().unwrap();
    assert_eq!(recording.gaps().len(), 1, "the crash");
    let channels = recording.audio().unwrap()[0].channels.clone();
    for (leg, samples) in channels.iter().enumerate() {
        let heard = &samples[samples.len() - 6_000..];
        assert!(level(heard, tone_hz(tone_of(3, leg))) > -24.0, "leg {leg} is not heard");
        assert!(level(heard, tone_hz(tone_of(3, 1 - leg))) < -45.0, "leg {leg} is heard on both sides");
    }
    let metadata = client.get(&format!("/api/v1/recordings/{}/metadata", row["id"].as_str().unwrap())).must(200);
    assert!(metadata.to_string().contains("Q1-2024"), "{metadata}");
    server.assert_never_panicked();
}

#[test]
fn a_session_that_was_held_off_is_begun_by_its_id() {
    let server = Server::start();
    let client = Client::new(server.api);
    let started = client.post("/api/v1/recordings/start", GUIDE).must(201);
    let session = started["session"].as_str().unwrap();
    client.post(&format!("/api/v1/sessions/{session}/pause"), "").must(200);
    let begun = client.post("/api/v1/recordings/start", r#"{"session_id": "call-123456"}"#).must(200);
    assert_eq!(begun["session"], started["session"]);
    assert_eq!(client.get(&format!("/api/v1/sessions/{session}")).must(200)["paused"], false);
}

#[test]
fn a_request_that_is_sent_again_is_done_once() {
    let server = Server::start();
    let client = Client::new(server.api).with("Idempotency-Key", "7f3a");
    let first = client.post("/api/v1/recordings/start", GUIDE).must(201);
    assert_eq!(client.post("/api/v1/recordings/start", GUIDE).must(201), first);
    client.post("/api/v1/recordings/start", &GUIDE.replace("call-123456", "call-7")).problem(422);
    assert_eq!(client.get("/api/v1/sessions").must(200)["sessions"].as_array().unwrap().len(), 1);
}

#[test]
fn what_cannot_begin_is_told_why() {
    let server = Setup::default()
        .set("server.max_connections=1")
        .set("server.unknown_peers=silent")
        .set(r#"server.allowed_peers=["192.0.2.1"]"#)
        .start();
    let client = Client::new(server.api);
    let start = |body: &str| client.post("/api/v1/recordings/start", body);
    for (body, said) in [
        (r#"{"session_id": "a"}"#, "participants"),
        (r#"{"session_id": "", "participants": [{"uri": "sip:a@b"}]}"#, "session_id"),
        (r#"{"session_id": "a", "participants": [{"uri": "sip:a@b\u0000"}]}"#, "uri"),
        (r#"{"session_id": "a", "participants": [{"uri": "sip:a@b"}], "metadata": {"x": [1]}}"#, "metadata"),
        (r#"{"session_id": "a", "participants": [{"uri": "sip:a@b"}], "media_address": "::1"}"#, "family"),
        (
            r#"{"session_id": "a", "participants": ["sip:a@b"]}"#,
            r#"participants[0]: invalid type: string \"sip:a@b\", expected an object, {\"uri\": \"sip:alice@example.com\", \"name\": \"Alice\"}"#,
        ),
        ("{}", "session_id"),
    ] {
        let answer = start(body);
        assert!([400, 503].contains(&answer.status), "{body}: {}", answer.text());
        assert!(answer.text().contains(said), "{body}: {}", answer.text());
    }
    // Who may send SIP is another matter, and capacity holds for all.
    start(GUIDE).must(201);
    let full = start(&GUIDE.replace("call-123456", "call-7")).problem(503);
    assert!(full.contains("not recorded now"), "{full}");
    client.post("/api/v1/recordings/stop", r#"{"session_id": "call-7"}"#).problem(404);
    server.assert_never_panicked();
}

/// The address of the server's own SRC is nobody's.
#[test]
fn names_and_fields_are_only_text() {
    let server = Server::start();
    let client = Client::new(server.api);
    let body = json!({
        "session_id": "a<b>&\"c\"",
        "participants": [{ "uri": "sip:x@example.com", "name": "</nameID><x> & co" }],
        "metadata": { "a\"b": "<evil/>", "n": 7, "is": true },
    });
    let started = client.post("/api/v1/recordings/start", &body.to_string()).must(201);
    let session = client.get(&format!("/api/v1/sessions/{}", started["session"].as_str().unwrap())).must(200);
    assert_eq!(session["caller"]["name"], "</nameID><x> & co");
    client.post("/api/v1/recordings/stop", &json!({ "session_id": "a<b>&\"c\"" }).to_string()).must(202);
}
