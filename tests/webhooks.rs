//! Webhooks: what happens is told, signed, in order, again until it is taken, and over a crash.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use serde_json::Value;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::becomes_true;
use support::http::Client;
use support::receiver::{Heard, Receiver};
use support::recordings;
use support::server::Setup;

const SOON: Duration = Duration::from_secs(30);
const SECRET: &str = "a secret of sixteen letters or more";

fn told(heard: &Heard) -> Value {
    serde_json::from_slice(&heard.body).unwrap()
}

fn kind(heard: &Heard) -> String {
    told(heard)["type"].as_str().unwrap().to_owned()
}

fn kinds(receiver: &Receiver) -> Vec<String> {
    receiver.heard().iter().map(kind).collect()
}

/// A server with that one webhook; `more` of its row.
fn setup(receiver: &Receiver, more: &str) -> Setup {
    let row = format!(r#"[{{name: crm, url: "http://{}/hook", secret: "{SECRET}"{more}}}]"#, receiver.address);
    Setup::default().set(&format!("webhooks={row}"))
}

/// OpenSSL's HMAC-SHA256 in hexadecimal.
fn hmac(text: &str) -> String {
    let mut openssl = Command::new("openssl");
    openssl.args(["dgst", "-sha256", "-hmac", SECRET]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = openssl.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn a_recording_is_told_from_its_beginning_to_its_end_and_signed() {
    let receiver = Receiver::start();
    let server = setup(&receiver, "").start();
    let (_, recording) = recordings::of_a_second(&server, SOON);
    assert!(becomes_true(SOON, || kinds(&receiver).len() >= 2), "{:?}\n{}", kinds(&receiver), server.tail());
    assert_eq!(kinds(&receiver), ["recording.started", "recording.completed"]);
    for heard in receiver.heard() {
        let (time, signature) = heard.field("siprec-signature").split_once(",v1=").unwrap();
        let time = time.strip_prefix("t=").unwrap();
        assert_eq!(signature, hmac(&format!("{time}.{}", String::from_utf8_lossy(&heard.body))));
        assert_eq!(heard.field("siprec-event"), kind(&heard));
    }
    let completed = told(&receiver.heard()[1]);
    assert_eq!(
        (&completed["recording"], &completed["details"]["id"]),
        (&recording.id().into(), &recording.id().into())
    );
    server.assert_never_panicked();
}

#[test]
fn what_is_not_taken_waits_in_its_order_over_a_crash() {
    let receiver = Receiver::start();
    receiver.answers(503);
    let mut server = setup(&receiver, r#", events: [recording.]"#).start();
    let client = Client::new(server.api);
    recordings::of_a_second(&server, SOON);
    let standing = || client.get("/api/v1/webhooks").must(200)["webhooks"][0].clone();
    let waits = || standing()["waiting"] == 2 && standing()["last_error"] == "503 Service Unavailable: no!";
    assert!(becomes_true(SOON, waits), "{}", standing());
    server.kill();
    receiver.answers(200);
    server.restart();
    assert!(becomes_true(SOON, || kinds(&receiver).len() >= 2), "{}", standing());
    assert_eq!(kinds(&receiver), ["recording.started", "recording.completed"]);
    assert!(becomes_true(SOON, || standing()["waiting"] == 0));
}

#[test]
fn what_is_given_up_is_listed_and_can_be_tried_again() {
    let receiver = Receiver::start();
    receiver.answers(410);
    let server = setup(&receiver, r#", events: [recording.completed], give_up_after: "1s""#).start();
    let client = Client::new(server.api);
    recordings::of_a_second(&server, SOON);
    let dead = || client.get("/api/v1/webhooks").must(200)["webhooks"][0]["dead"].as_array().unwrap().clone();
    assert!(becomes_true(SOON, || dead().len() == 1));
    assert_eq!((&dead()[0]["type"], &dead()[0]["error"]), (&"recording.completed".into(), &"410 Gone: no!".into()));
    receiver.answers(200);
    assert_eq!(client.post("/api/v1/webhooks/crm/retry", "").must(200)["revived"], 1);
    assert!(becomes_true(SOON, || kinds(&receiver).len() == 1));
    client.post("/api/v1/webhooks/other/retry", "").problem(404);
}

#[test]
fn a_webhook_that_cannot_be_is_refused_at_the_start() {
    for (row, said) in [
        (r#"{name: a, url: "ftp://x", secret: "0123456789abcdef"}"#, "webhooks[0].url"),
        (r#"{name: a, url: "http://x", secret: "short"}"#, "webhooks[0].secret"),
        (r#"{name: a, url: "http://x", secret: "0123456789abcdef", events: 7}"#, "webhooks"),
    ] {
        let mut serve = Command::new(support::server::binary());
        let output =
            serve.args(["serve", "--data-dir", "/nonexistent", "--set", &format!("webhooks=[{row}]")]).output();
        let text = String::from_utf8_lossy(&output.unwrap().stderr).into_owned();
        assert!(text.contains(said) && !text.contains("0123456789abcdef"), "{text}");
    }
}
