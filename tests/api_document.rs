//! The API's document: its copy in docs/ is what is served, each operation of it does what it is for, and schemathesis, which makes up
//! requests by it, finds none that is answered otherwise than it says.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use support::http::Client;
use support::seeded::Seeded;
use support::server::{Server, Setup, new_key};

/// Nobody listens there: what is told to this webhook waits, and is given up by no test.
const WEBHOOK: &str = r#"webhooks=[{name: crm, url: "http://127.0.0.1:9/hook", secret: "sixteen letters or more"}]"#;

const ROLES: &str = "auth.roles=[{name: all, permissions: [read, write, delete, export, manage]}]";

/// The methods that a path item may have.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn seeded() -> Seeded {
    let (key, row) = new_key("--name tests --role all");
    let setup = Setup::default().sessions(400).set(WEBHOOK).set(&format!("auth.api_keys=[{row}]")).set(ROLES);
    // schemathesis asks as fast as it is answered.
    Seeded::start(setup.set("api.rate_limit=0"), Some(&key))
}

#[test]
fn the_copy_is_what_is_served() {
    let server = Server::start();
    let served = Client::new(server.api).get("/api/v1/openapi.json");
    served.must(200);
    let path = root().join("docs/openapi.json");
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(&path, &served.body).unwrap();
    }
    let copy = std::fs::read(&path).unwrap_or_default();
    assert!(copy == served.body, "docs/openapi.json is out of date: `make openapi`");
}

/// A good request for each operation, in an order in which each finds what it is about; `$live` and the like are ids of what there is.
#[rustfmt::skip]
const GOOD: &[(&str, &str, &str, u16)] = &[
    ("GET /healthz", "/healthz", "", 200),
    ("GET /readyz", "/readyz", "", 200),
    ("GET /metrics", "/metrics", "", 200),
    ("GET /api/v1/config", "/api/v1/config", "", 200),
    ("GET /api/v1/peers", "/api/v1/peers", "", 200),
    ("GET /api/v1/audit", "/api/v1/audit?action=paused", "", 200),
    ("GET /api/v1/alarms", "/api/v1/alarms", "", 200),
    ("POST /api/v1/alarms/{id}/acknowledge", "/api/v1/alarms/$alarm/acknowledge", "", 200),
    ("GET /api/v1/webhooks", "/api/v1/webhooks", "", 200),
    ("POST /api/v1/webhooks/{name}/retry", "/api/v1/webhooks/crm/retry", "", 200),
    ("GET /api/v1/unfinished", "/api/v1/unfinished", "", 200),
    ("POST /api/v1/unfinished/retry", "/api/v1/unfinished/retry", "", 202),
    ("GET /api/v1/recordings", "/api/v1/recordings?since=1h&limit=2", "", 200),
    ("GET /api/v1/recordings/{id}", "/api/v1/recordings/$marked", "", 200),
    ("GET /api/v1/recordings/{id}/metadata", "/api/v1/recordings/$marked/metadata", "", 200),
    ("GET /api/v1/recordings/{id}/proof", "/api/v1/recordings/$marked/proof", "", 200),
    ("GET /api/v1/recordings/{id}/audio", "/api/v1/recordings/$marked/audio", "", 200),
    ("GET /api/v1/recordings/{id}/peaks", "/api/v1/recordings/$marked/peaks?points=100", "", 200),
    ("GET /api/v1/recordings/{id}/journal", "/api/v1/recordings/$marked/journal", "", 200),
    ("PATCH /api/v1/recordings/{id}", "/api/v1/recordings/$marked", r#"{"add_tags": ["seen"], "hold": "case 7"}"#, 200),
    ("DELETE /api/v1/recordings/{id}", "/api/v1/recordings/$spare?reason=asked", "", 202),
    ("GET /api/v1/sessions", "/api/v1/sessions?paused=false", "", 200),
    ("GET /api/v1/sessions/{id}", "/api/v1/sessions/$live", "", 200),
    ("PATCH /api/v1/sessions/{id}", "/api/v1/sessions/$live", r#"{"add_tags": ["seen"]}"#, 200),
    ("GET /api/v1/sessions/{id}/sip", "/api/v1/sessions/$live/sip", "", 200),
    ("GET /ws/events", "/ws/events?quality=true&sip=true", "", 101),
    ("GET /ws/stream", "/ws/stream", "", 101),
    ("GET /api/v1/events", "/api/v1/events?types=session", "", 200),
    ("POST /api/v1/sessions/{id}/pause", "/api/v1/sessions/$live/pause", r#"{"at_most": "1m"}"#, 200),
    ("POST /api/v1/sessions/{id}/resume", "/api/v1/sessions/$live/resume", "", 200),
    ("POST /api/v1/sessions/pause", "/api/v1/sessions/pause?participant=Alice", "", 200),
    ("POST /api/v1/sessions/resume", "/api/v1/sessions/resume?paused=true", "", 200),
    ("POST /api/v1/recordings/start", "/api/v1/recordings/start", r#"{"session_id": "call-1", "participants": [{"uri": "sip:alice@example.com"}]}"#, 201),
    ("POST /api/v1/recordings/stop", "/api/v1/recordings/stop", r#"{"session_id": "call-1"}"#, 202),
    ("POST /api/v1/sessions/{id}/stop", "/api/v1/sessions/$silent/stop", "", 202),
    ("POST /api/v1/sessions/stop", "/api/v1/sessions/stop?participant=Alice", "", 202),
];

/// The operations of the document, as `GET /healthz`.
fn operations(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &Value)| {
        let known = METHODS.iter().filter(|method| item.get(**method).is_some());
        known.map(|method| format!("{} {path}", method.to_uppercase())).collect::<Vec<String>>()
    };
    paths.iter().flat_map(of_path).collect()
}

#[test]
fn each_operation_does_what_it_is_for() {
    let seeded = seeded();
    let client = &seeded.client;
    let document = client.get("/api/v1/openapi.json").must(200);
    let known: BTreeSet<String> = GOOD.iter().map(|(operation, ..)| (*operation).to_owned()).collect();
    assert_eq!(operations(&document), known, "each operation has a good request in GOOD, with what it answers");
    for (operation, path, body, status) in GOOD {
        let path = seeded.named(path);
        let (method, route) = operation.split_once(' ').unwrap();
        let answered = match status {
            101 => client.websocket(&path).map_or_else(|status| status, |_| 101),
            _ if route == "/api/v1/events" => status_of_what_goes_on(client, &path),
            _ => client.ask(method, &path, body.as_bytes()).status,
        };
        assert_eq!(answered, *status, "{operation}");
        let item = &document["paths"][route][method.to_lowercase()];
        assert!(item["responses"].get(status.to_string()).is_some(), "{operation}: {status} is not in the document");
    }
    seeded.server.assert_never_panicked();
}

/// The status of an answer whose body has no end.
fn status_of_what_goes_on(client: &Client, path: &str) -> u16 {
    let mut stream = TcpStream::connect(client.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let fields: String = client.fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{fields}\r\n", client.address).as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap()
}

/// schemathesis, as `.ci/schemathesis/install` leaves it.
fn schemathesis() -> PathBuf {
    let target = support::server::binary().ancestors().nth(2).unwrap().to_owned();
    target.join("tools/schemathesis/bin/schemathesis")
}

#[test]
fn schemathesis_finds_no_answer_that_the_document_does_not_tell_of() {
    let program = schemathesis();
    if !program.exists() {
        return support::lacking("schemathesis is not installed: `make peers`");
    }
    let seeded = seeded();
    let settings = std::fs::read_to_string(root().join(".ci/schemathesis/schemathesis.toml")).unwrap();
    let config = seeded.server.scratch().join("schemathesis.toml");
    std::fs::write(&config, seeded.named(&settings)).unwrap();
    // What ends sessions comes after what is about them.
    for which in ["--exclude-path-regex", "--include-path-regex"] {
        let mut command = Command::new(&program);
        command.arg("--config-file").arg(&config).args(["run", which, "/stop$"]);
        for (name, value) in &seeded.client.fields {
            command.arg("--header").arg(format!("{name}: {value}"));
        }
        command.arg(format!("http://{}/api/v1/openapi.json", seeded.client.address));
        let output = command.current_dir(seeded.server.scratch()).env("NO_COLOR", "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        println!("{said}");
    }
    seeded.server.assert_never_panicked();
}
