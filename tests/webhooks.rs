//! Webhooks: what happens is told, signed, in order, again until it is taken, and over a crash.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::becomes_true;
use support::http::Client;
use support::recordings;
use support::server::Setup;
use support::src::lock;

const SOON: Duration = Duration::from_secs(30);
const SECRET: &str = "a secret of sixteen letters or more";

/// A system that is told.
struct Receiver {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    /// What it answers.
    status: Arc<Mutex<u16>>,
}

#[derive(Debug, Clone)]
struct Heard {
    fields: Vec<String>,
    body: String,
}

impl Heard {
    fn kind(&self) -> String {
        serde_json::from_str::<Value>(&self.body).unwrap()["type"].as_str().unwrap().to_owned()
    }

    fn field(&self, name: &str) -> &str {
        self.fields.iter().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap()
    }
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, status) = (Arc::<Mutex<Vec<Heard>>>::default(), Arc::new(Mutex::new(200)));
        let (into, answers) = (Arc::clone(&heard), Arc::clone(&status));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (into, answers) = (Arc::clone(&into), Arc::clone(&answers));
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    let mut stream = stream;
                    loop {
                        let head: Vec<String> =
                            reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
                        let length = |line: &String| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok();
                        let Some(length) = head.iter().find_map(length) else { return };
                        let mut body = vec![0; length];
                        reader.read_exact(&mut body).unwrap();
                        let fields = head.iter().skip(1).map(|line| {
                            let (name, value) = line.split_once(": ").unwrap();
                            format!("{}: {value}", name.to_lowercase())
                        });
                        let status = *lock(&answers);
                        if status == 200 {
                            lock(&into)
                                .push(Heard { fields: fields.collect(), body: String::from_utf8(body).unwrap() });
                        }
                        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 4\r\n\r\nno!\n");
                        if stream.write_all(answer.as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, heard, status }
    }

    fn answers(&self, status: u16) {
        *lock(&self.status) = status;
    }

    fn kinds(&self) -> Vec<String> {
        lock(&self.heard).iter().map(Heard::kind).collect()
    }

    fn setup(&self, more: &str) -> Setup {
        let row = format!(r#"[{{name: crm, url: "http://{}/hook", secret: "{SECRET}"{more}}}]"#, self.address);
        Setup::default().set(&format!("webhooks={row}"))
    }
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
    let server = receiver.setup("").start();
    let (_, recording) = recordings::of_a_second(&server, SOON);
    assert!(becomes_true(SOON, || receiver.kinds().len() >= 2), "{:?}\n{}", receiver.kinds(), server.tail());
    assert_eq!(receiver.kinds(), ["recording.started", "recording.completed"]);
    for heard in lock(&receiver.heard).iter() {
        let (time, signature) = heard.field("siprec-signature").split_once(",v1=").unwrap();
        let time = time.strip_prefix("t=").unwrap();
        assert_eq!(signature, hmac(&format!("{time}.{}", heard.body)));
        assert_eq!(heard.field("siprec-event"), heard.kind());
    }
    let completed: Value = serde_json::from_str(&lock(&receiver.heard)[1].body).unwrap();
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
    let mut server = receiver.setup(r#", events: [recording.]"#).start();
    let client = Client::new(server.api);
    recordings::of_a_second(&server, SOON);
    let standing = || client.get("/api/v1/webhooks").must(200)["webhooks"][0].clone();
    let waits = || standing()["waiting"] == 2 && standing()["last_error"] == "503 Service Unavailable: no!";
    assert!(becomes_true(SOON, waits), "{}", standing());
    server.kill();
    receiver.answers(200);
    server.restart();
    assert!(becomes_true(SOON, || receiver.kinds().len() >= 2), "{}", standing());
    assert_eq!(receiver.kinds(), ["recording.started", "recording.completed"]);
    assert!(becomes_true(SOON, || standing()["waiting"] == 0));
}

#[test]
fn what_is_given_up_is_listed_and_can_be_tried_again() {
    let receiver = Receiver::start();
    receiver.answers(410);
    let server = receiver.setup(r#", events: [recording.completed], give_up_after: "1s""#).start();
    let client = Client::new(server.api);
    recordings::of_a_second(&server, SOON);
    let dead = || client.get("/api/v1/webhooks").must(200)["webhooks"][0]["dead"].as_array().unwrap().clone();
    assert!(becomes_true(SOON, || dead().len() == 1));
    assert_eq!((&dead()[0]["type"], &dead()[0]["error"]), (&"recording.completed".into(), &"410 Gone: no!".into()));
    receiver.answers(200);
    assert_eq!(client.post("/api/v1/webhooks/crm/retry", "").must(200)["revived"], 1);
    assert!(becomes_true(SOON, || receiver.kinds().len() == 1));
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
