//! The API over HTTP, of the real binary: what is being recorded, what was recorded, orders, and bad requests.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use support::becomes_true;
use support::http::{Client, read};
use support::recordings::{self, Recording};
use support::server::{Server, Setup, must_run};
use support::src::{Call, Src};
use support::studio::Plan;

const SOON: Duration = Duration::from_secs(20);

/// The only session that is being recorded.
#[track_caller]
fn only_session(client: &Client) -> Value {
    let listed = client.get("/api/v1/sessions").must(200);
    let sessions = listed["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 1, "{listed}");
    sessions[0].clone()
}

/// A recording of a second, once the catalog has it.
#[track_caller]
fn recorded(server: &Server, client: &Client) -> Recording {
    let (_, recording) = recordings::of_a_second(server, SOON);
    let path = format!("/api/v1/recordings/{}", recording.id());
    assert!(becomes_true(SOON, || client.get(&path).status == 200), "{}", server.tail());
    recording
}

#[test]
fn a_session_is_shown_paused_resumed_and_stopped() {
    let server = Setup::default().set("api.max_pause=1h").start();
    let client = Client::new(server.api);
    assert_eq!(client.get("/api/v1/sessions").must(200), json!({ "sessions": [] }));
    let call = Call::new(&Src::udp(server.sip), 7);
    call.must_invite();
    call.talk(&Plan::seconds(60.0));
    let session = only_session(&client);
    let path = format!("/api/v1/sessions/{}", session["id"].as_str().unwrap());
    assert_eq!(session["call_id"], call.call_id());
    assert_eq!((&session["paused"], &session["transport"]), (&json!(false), &json!("udp")));
    assert_eq!(session["streams"].as_array().unwrap().len(), 2);
    assert_eq!(session["streams"][0]["codecs"][0], "PCMA/8000");
    assert_eq!(session["recordings"].as_array().unwrap().len(), 1);
    let speaker = &session["streams"][1]["speakers"][0]["aor"];
    let is_party = |party: &Value| party["aor"] == *speaker;
    assert!(is_party(&session["caller"]) || is_party(&session["callee"]), "{session}");

    let asked = Instant::now();
    let paused = client.post(&format!("{path}/pause"), r#"{"at_most": "30m"}"#).must(200);
    assert_eq!(paused["sessions"], json!([session["id"]]));
    assert!(asked.elapsed() < Duration::from_secs(2));
    let shown = client.get(&path).must(200);
    assert_eq!(shown["paused"], true);
    assert!(shown["pause_ends_at"].is_string(), "{shown}");
    assert!(shown["streams"].as_array().unwrap().iter().all(|stream| stream["paused"] == "operator"), "{shown}");
    let matching =
        |query: &str| client.get(&format!("/api/v1/sessions?{query}")).must(200)["sessions"].as_array().unwrap().len();
    assert_eq!((matching("paused=true"), matching("paused=false")), (1, 0));
    let number: String = speaker.as_str().unwrap().chars().filter(char::is_ascii_digit).collect();
    let part = if number.len() > 3 { number } else { speaker.as_str().unwrap()[4..8].to_owned() };
    assert_eq!((matching(&format!("participant={part}")), matching("participant=nobody-of-that-name")), (1, 0));
    assert_eq!((matching(&format!("call={}", call.call_id())), matching("call=another")), (1, 0));

    let signalling = client.get(&format!("{path}/sip")).must(200);
    let lines: Vec<&str> =
        signalling["messages"].as_array().unwrap().iter().map(|m| m["start_line"].as_str().unwrap()).collect();
    assert!(lines[0].starts_with("INVITE ") && lines.contains(&"SIP/2.0 200 OK"), "{lines:?}");

    client.post(&format!("{path}/resume"), "").must(200);
    assert_eq!(client.get(&path).must(200)["paused"], false);
    // As a CRM does it, which knows nothing of our ids.
    let crm = client.post(&format!("/api/v1/sessions/pause?call={}", call.call_id()), "").must(200);
    assert_eq!(crm["sessions"], json!([session["id"]]));
    assert_eq!(client.get(&path).must(200)["paused"], true);
    client.post("/api/v1/sessions/pause", "").problem(400);
    assert_eq!(
        client.post("/api/v1/sessions/resume?participant=nobody-of-that-name", "").must(200)["sessions"],
        json!([])
    );
    client.post(&format!("/api/v1/sessions/resume?participant={part}"), "").must(200);
    assert_eq!(client.get(&path).must(200)["paused"], false);
    client.post(&format!("{path}/stop"), "").must(202);
    assert!(becomes_true(SOON, || call.ended_by_server()), "no BYE");
    client.get(&path).problem(404);
    let recording = recordings::wait(&server.data, call.call_id(), SOON);
    assert_eq!(recording.list("/proof/pauses").len(), 4, "{:?}", recording.list("/proof/pauses"));
    let wrote = || {
        let entries = client.get("/api/v1/audit?action=paused").must(200);
        entries["entries"].as_array().unwrap().iter().any(|entry| entry["from"] == "127.0.0.1")
    };
    assert!(becomes_true(SOON, wrote), "the audit log does not say who paused");
    server.assert_never_panicked();
}

#[test]
fn a_pause_over_the_api_ends_by_itself_and_outlives_a_crash() {
    let mut server = Setup::default().set("api.max_pause=6s").start();
    let client = Client::new(server.api);
    let call = Call::new(&Src::udp(server.sip), 8);
    call.must_invite();
    call.talk(&Plan::seconds(60.0));
    let path = format!("/api/v1/sessions/{}", only_session(&client)["id"].as_str().unwrap());
    client.post(&format!("{path}/pause"), r#"{"at_most": "5h"}"#).must(200);
    server.kill();
    server.restart();
    assert_eq!(client.get(&path).must(200)["paused"], true);
    assert!(becomes_true(SOON, || client.get(&path).must(200)["paused"] == false), "it stays paused");
    call.bye().unwrap();
}

#[test]
fn recordings_are_found_shown_heard_and_handed_over() {
    let server = Server::start();
    let client = Client::new(server.api);
    let recording = recorded(&server, &client);
    let path = format!("/api/v1/recordings/{}", recording.id());

    let page = client.get("/api/v1/recordings?limit=1").must(200);
    assert_eq!(page["recordings"][0]["id"], recording.id());
    // The guide's own request: a GET with a body.
    let body = r#"{"start_date": "2024-01-01", "end_date": "2024-01-31", "caller": "+1234567890", "limit": 100}"#;
    assert_eq!(client.ask("GET", "/api/v1/recordings", body.as_bytes()).must(200)["recordings"], json!([]));
    let table = client.with("Accept", "text/csv").get("/api/v1/recordings");
    assert_eq!(table.field("content-type"), "text/csv; charset=utf-8; header=present");
    assert!(table.text().lines().nth(1).unwrap().starts_with(recording.id()), "{}", table.text());

    let shown = client.get(&path).must(200);
    assert_eq!((&shown["files"][0]["format"], &shown["files"][0]["here"]), (&json!("wav"), &json!(true)));
    let audio = client.get(&format!("{path}/audio"));
    assert_eq!((audio.status, audio.field("content-type")), (200, "audio/wav"));
    assert_eq!(recordings::sha256(&audio.body), shown["files"][0]["sha256"].as_str().unwrap());
    let part = client.with("Range", "bytes=44-143").get(&format!("{path}/audio"));
    assert_eq!((part.status, &part.body[..]), (206, &audio.body[44..144]));
    assert_eq!(part.field("content-range"), format!("bytes 44-143/{}", audio.body.len()));
    let beyond = client.with("Range", "bytes=99999999-").get(&format!("{path}/audio"));
    beyond.problem(416);
    let known = client.with("If-None-Match", audio.field("etag")).get(&format!("{path}/audio"));
    assert_eq!(known.status, 304);
    let head = client.ask("HEAD", &format!("{path}/audio"), b"");
    assert_eq!((head.status, head.field("content-length")), (200, audio.body.len().to_string().as_str()));

    let proof = client.get(&format!("{path}/proof"));
    assert_eq!(proof.must(200)["id"], recording.id());
    assert_eq!(proof.field("siprec-signature").len(), 128);
    assert!(!client.get(&format!("{path}/metadata")).must(200)["participants"].as_array().unwrap().is_empty());
    let capture = client.get(&format!("{path}/journal"));
    assert_eq!((capture.status, &capture.body[..4]), (200, &[0x0a, 0x0d, 0x0d, 0x0a][..]), "a section header block");
    let wrote = |action: &str| {
        let found = client.get(&format!("/api/v1/audit?action={action}&recording={}", recording.id())).must(200);
        !found["entries"].as_array().unwrap().is_empty()
    };
    assert!(becomes_true(SOON, || wrote("heard") && wrote("exported")), "who heard it is not in the audit log");
    server.assert_never_panicked();
}

#[test]
fn a_sealed_recording_is_served_open_and_in_parts() {
    let server = Setup::default().sealed().start();
    let client = Client::new(server.api);
    let recording = recorded(&server, &client);
    let path = format!("/api/v1/recordings/{}", recording.id());
    let sha256 = client.get(&path).must(200)["files"][0]["sha256"].as_str().unwrap().to_owned();
    let audio = client.get(&format!("{path}/audio"));
    assert_eq!(recordings::sha256(&audio.body), sha256);
    let part = client.with("Range", "bytes=-100").get(&format!("{path}/audio"));
    assert_eq!(part.body[..], audio.body[audio.body.len() - 100..]);
}

#[test]
fn what_people_decide_is_noted_and_a_held_recording_is_not_erased() {
    let server = Server::start();
    let client = Client::new(server.api);
    let recording = recorded(&server, &client);
    let path = format!("/api/v1/recordings/{}", recording.id());
    let patch = |body: &str| client.ask("PATCH", &path, body.as_bytes());
    let noted = patch(r#"{"add_tags": ["Complaint", "vip"], "hold": "case 7"}"#).must(200);
    assert_eq!((&noted["tags"], &noted["held"]), (&json!(["complaint", "vip"]), &json!(true)));
    assert_eq!(noted["holds"][0]["reason"], "case 7");
    assert_eq!(client.get("/api/v1/recordings?tag=vip&held=true").must(200)["recordings"].as_array().unwrap().len(), 1);
    assert!(client.ask("DELETE", &path, b"").problem(409).contains("case 7"));
    let noted = patch(r#"{"hold": "case 8", "release": "*"}"#).must(200);
    assert_eq!((&noted["held"], noted["holds"].as_array().unwrap().len()), (&json!(true), 1), "the new hold stands");
    let noted = patch(r#"{"remove_tags": ["vip"], "release": "*"}"#).must(200);
    assert_eq!((&noted["tags"], &noted["held"]), (&json!(["complaint"]), &json!(false)));
    for (body, said) in [
        (r#"{"add_tags": ["two words"]}"#, "is no tag"),
        (r#"{"colour": 1}"#, "unknown field"),
        (r#"{"hold": " "}"#, "name the matter"),
        (r#"[["vip"], [], null, null]"#, "has to be an object"),
        ("[", "the body"),
    ] {
        assert!(patch(body).problem(400).contains(said), "{body}");
    }
    client.ask("DELETE", &format!("{path}?reason=asked"), b"").must(202);
    let gone = || client.get(&path).status == 404 && client.get(&format!("{path}/audio")).status == 404;
    assert!(becomes_true(SOON, gone), "{}", server.tail());
    assert!(recordings::all(&server.data).is_empty());
}

#[test]
fn what_is_asked_wrongly_is_told_what_is_wrong() {
    let server = Server::start();
    let client = Client::new(server.api);
    let id = "01a2287a-4bab-7e19-982e-8c887adffaaf";
    for (method, path, status, said) in [
        ("GET", "/api/v1/recordings?limit=0", 400, "from 1 to 1000"),
        ("GET", "/api/v1/recordings?limit=70000", 400, "limit"),
        ("GET", "/api/v1/recordings?colour=red", 400, "unknown field `colour`"),
        ("GET", "/api/v1/recordings?since=whenever", 400, "is no time"),
        ("GET", "/api/v1/recordings?since=1h&until=2h", 400, "is later than until"),
        ("GET", "/api/v1/recordings?after=x", 400, "`next`"),
        ("GET", "/api/v1/recordings?tag=a%00b", 400, "is no tag"),
        ("GET", "/api/v1/sessions?paused=maybe", 400, "the query"),
        ("GET", "/api/v1/recordings/..%2f..%2fetc%2fpasswd", 404, "UUIDs"),
        ("GET", "/api/v1/recordings/%00", 404, "UUIDs"),
        ("GET", "/api/v1/recordings/%ff", 400, "UTF-8"),
        ("GET", "/api/v1/nothing", 404, "openapi.json"),
        ("PUT", "/api/v1/recordings", 405, "openapi.json"),
        ("GET", &format!("/api/v1/recordings/{id}"), 404, "no recording of that id"),
        ("GET", &format!("/api/v1/recordings/{id}/audio?file=300"), 400, "the query"),
        ("POST", &format!("/api/v1/sessions/{id}/pause"), 404, "no session of that id"),
        // A variable that was not set.
        ("POST", "/api/v1/sessions/stop?participant=", 400, "participant: it has no value"),
        ("POST", "/api/v1/sessions/pause?participant=%20", 400, "participant: it has no value"),
        ("POST", "/api/v1/sessions/stop", 400, "say which"),
        ("GET", "/api/v1/sessions?call=", 400, "call: it has no value"),
        ("GET", "/api/v1/recordings?caller=", 400, "caller: it has no value"),
    ] {
        let problem = client.ask(method, path, b"").problem(status);
        assert!(problem.contains(said), "{method} {path}: {problem}");
    }
    let pause = |body: &str| client.post(&format!("/api/v1/sessions/{id}/pause"), body).problem(400);
    assert!(pause(r#"{"at_most": "0s"}"#).contains("a second at least"), "nothing would be paused");
    assert!(pause("[]").contains("has to be an object"));
    assert!(pause(r#"{"at_most": 5}"#).contains("the body: at_most: invalid type: integer `5`"));
    assert!(pause(r#"{"at_most": "1m"} {}"#).contains("the body: trailing characters"));
    let long = client.get(&format!("/api/v1/recordings/{}", "a".repeat(10_000)));
    long.problem(404);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(client.ask("GET", "/api/v1/recordings", deep.as_bytes()).status, 413);
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    client.ask("GET", "/api/v1/recordings", deep.as_bytes()).problem(400);
    let text = client.with("Content-Type", "text/plain").post(&format!("/api/v1/sessions/{id}/pause"), "x");
    text.problem(415);
    let huge = client.with("X-Long", &"a".repeat(100_000)).try_ask("GET", "/healthz", b"");
    assert!(huge.is_err() || huge.is_ok_and(|answer| answer.status == 431), "a head of 100,000 octets is read");
    server.assert_never_panicked();
}

#[test]
fn who_dawdles_is_not_waited_for_and_the_rest_are_served() {
    let server = Setup::default().set("api.max_connections=4").start();
    let client = Client::new(server.api);
    let mut slow = TcpStream::connect(server.api).unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-").unwrap();
    let mut silent = TcpStream::connect(server.api).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    assert_eq!(client.get("/healthz").must(200)["ready"], true);
    slow.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    let mut rest = Vec::new();
    let began = Instant::now();
    slow.read_to_end(&mut rest).unwrap();
    silent.read_to_end(&mut rest).unwrap();
    assert!(began.elapsed() < Duration::from_secs(30), "half a head and none were waited for {:?}", began.elapsed());
    let mut kept = TcpStream::connect(server.api).unwrap();
    kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut from = std::io::BufReader::new(kept);
    assert_eq!(read(&mut from, false).unwrap().status, 200);
    assert_eq!(read(&mut from, false).unwrap().must(200)["ready"], true);
}

#[test]
fn the_document_tells_of_every_route() {
    let server = Server::start();
    let client = Client::new(server.api);
    let document = client.get("/api/v1/openapi.json");
    assert_eq!(document.must(200)["openapi"], "3.1.0");
    let headers = client.get("/docs");
    assert!(headers.field("content-security-policy").contains("default-src 'none'"));
    assert_eq!(headers.field("x-content-type-options"), "nosniff");
}

#[test]
fn an_open_api_is_not_served_to_other_machines() {
    let output = std::process::Command::new(support::server::binary())
        .args(["serve", "--data-dir", "/nonexistent", "--set", "api.address=:18080"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("auth.provider: none lets everybody in"), "{said}");
}

/// The value of a metric; none of a series that is not there.
fn metric(client: &Client, series: &str) -> Option<f64> {
    let answer = client.get("/metrics");
    assert_eq!(answer.field("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = answer.text();
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn what_happens_is_counted() {
    let server = Server::start();
    let client = Client::new(server.api);
    assert_eq!(metric(&client, "siprec_rtp_packets_total"), Some(0.0));
    let call = Call::new(&Src::udp(server.sip), 9);
    call.must_invite();
    call.talk(&Plan::seconds(2.0));
    assert_eq!(metric(&client, "siprec_sessions{peer=\"\"}"), Some(1.0));
    assert_eq!(metric(&client, "siprec_invites_total{status=\"200\"}"), Some(1.0));
    assert_eq!(metric(&client, "siprec_invite_answer_seconds_count"), Some(1.0));
    call.wait();
    call.bye().unwrap();
    let made = || metric(&client, "siprec_recordings_total{result=\"completed\"}") == Some(1.0);
    assert!(becomes_true(SOON, made), "{}", client.get("/metrics").text());
    assert_eq!(metric(&client, "siprec_rtp_packets_total"), Some(200.0));
    assert_eq!(metric(&client, "siprec_rtp_lost_packets_total"), Some(0.0));
    assert_eq!(metric(&client, "siprec_stream_mos_count"), Some(2.0));
    assert_eq!(metric(&client, "siprec_sessions{peer=\"\"}"), None);
    assert!(metric(&client, "siprec_process_resident_memory_bytes").unwrap() > 1e6);
    client.get("/api/v1/recordings/01a2287a-4bab-7e19-982e-8c887adffaaf").problem(404);
    let route = "siprec_api_requests_total{method=\"GET\",route=\"/api/v1/recordings/{id}\",status=\"404\"}";
    assert_eq!(metric(&client, route), Some(1.0));
}

#[test]
fn what_could_not_be_made_is_listed_with_its_reason_and_tried_again() {
    let server = Server::start();
    let client = Client::new(server.api);
    // A file where a folder has to be.
    let folder = server.data.join("recordings");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::write(&folder, "in the way").unwrap();
    let call = Call::new(&Src::udp(server.sip), 30);
    call.must_invite();
    call.talk(&Plan::seconds(1.0));
    call.wait();
    call.bye().unwrap();
    let listed = || client.get("/api/v1/unfinished").must(200)["unfinished"].as_array().unwrap().clone();
    assert!(becomes_true(SOON, || listed().len() == 1), "{}", server.tail());
    assert!(listed()[0]["failed"][0]["why"].as_str().unwrap().contains("recordings"), "{:?}", listed());
    let said = must_run(&server.data, &[], "archive unfinished");
    assert!(said.contains(listed()[0]["session"].as_str().unwrap()), "{said}");
    std::fs::remove_file(&folder).unwrap();
    let again = client.post("/api/v1/unfinished/retry", "").must(202);
    assert_eq!(again["sessions"].as_array().unwrap().len(), 1);
    assert!(becomes_true(SOON, || listed().is_empty()), "{}", server.tail());
    assert!(must_run(&server.data, &[], "archive unfinished --json").is_empty());
    recordings::wait(&server.data, call.call_id(), SOON);
}
