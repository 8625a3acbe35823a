//! The table of peers at the real binary's sockets: refusals, credentials, rates, strangers, scanners.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use serde_json::json;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::http::Client;
use support::raw::{Draft, Raw, SOON};
use support::server::{Server, Setup, new_key};
use support::src::call::Call;
use support::src::{Message, Src, Transport};
use support::studio::Plan;
use support::{TempDir, becomes_true, recordings, sipp};

/// Longer than a server needs that answers at all.
const SILENCE: Duration = Duration::from_millis(700);

/// A UDP socket on another address of this machine.
fn from(address: [u8; 4], server: SocketAddr) -> Raw {
    let ip = IpAddr::V4(Ipv4Addr::from(address));
    Raw::on(UdpSocket::bind((ip, 0)).unwrap(), server)
}

/// Begins a call and acknowledges the answer, whatever it is.
#[track_caller]
fn invite(raw: &Raw) -> (Draft, Message) {
    let draft = Draft::invite(raw);
    let answer = raw.ask(&draft);
    raw.follow_up(&answer, "ACK", draft.cseq);
    (draft, answer)
}

/// The log tells it.
#[track_caller]
fn says(server: &Server, what: &str) {
    assert!(becomes_true(SOON, || server.tail().contains(what)), "{what}: {}", server.tail());
}

#[track_caller]
fn hang_up(raw: &Raw, draft: &Draft, answer: &Message) {
    assert_eq!(raw.ask(&draft.within(raw, answer, "BYE")).status(), 200);
}

#[test]
fn each_peer_is_refused_over_capacity_as_it_wants() {
    let server = Setup::default()
        .set("server.max_connections=1")
        .set(
            "peers=[{address: 127.0.0.2, refusal: {status: 503}}, \
             {address: 127.0.0.3, refusal: {status: 503, retry_after: 7s}}, \
             {address: 127.0.0.4, refusal: {status: 486}}, \
             {address: 127.0.0.5, refusal: {status: 302, contact: 'sip:srs2.example.com'}}]",
        )
        .start();
    let first = Raw::new(server.sip, Transport::Udp);
    let (draft, answer) = invite(&first);
    assert_eq!(answer.status(), 200);
    for (last, status, header, value) in [
        (2, 503, "Retry-After", None),
        (3, 503, "Retry-After", Some("7")),
        (4, 486, "Retry-After", None),
        (5, 302, "Contact", Some("<sip:srs2.example.com>")),
        (6, 503, "Retry-After", None),
    ] {
        let (_, refused) = invite(&from([127, 0, 0, last], server.sip));
        assert_eq!((refused.status(), refused.header(header)), (status, value), "127.0.0.{last}");
    }
    hang_up(&first, &draft, &answer);
    let peer = from([127, 0, 0, 4], server.sip);
    let (draft, answer) = invite(&peer);
    assert_eq!(answer.status(), 200, "there is room again");
    hang_up(&peer, &draft, &answer);
}

#[test]
fn a_peer_has_its_own_limit_and_others_have_theirs() {
    let server = Setup::default().set("peers=[{name: small, address: 127.0.0.2, max_sessions: 1}]").start();
    let (small, other) = (from([127, 0, 0, 2], server.sip), from([127, 0, 0, 3], server.sip));
    let (first, answer) = invite(&small);
    assert_eq!(answer.status(), 200);
    assert_eq!(invite(&small).1.status(), 503);
    let (second, to_other) = invite(&other);
    assert_eq!(to_other.status(), 200);
    hang_up(&small, &first, &answer);
    hang_up(&other, &second, &to_other);
    let (again, answer) = invite(&small);
    assert_eq!(answer.status(), 200);
    hang_up(&small, &again, &answer);
}

#[test]
fn what_a_row_asks_for_is_asked_for() {
    let server = Setup::default()
        .set(
            "peers=[{address: 127.0.0.2, allow: false}, {address: 127.0.0.3, siprec: strict}, \
             {address: 127.0.0.4, require_srtp: true}, {user_agent: 'Acme*', allow: false}]",
        )
        .start();
    assert_eq!(invite(&from([127, 0, 0, 2], server.sip)).1.status(), 403);
    let strict = from([127, 0, 0, 3], server.sip);
    let (draft, answer) = invite(&strict);
    assert_eq!(answer.status(), 200);
    hang_up(&strict, &draft, &answer);
    let lax = Draft { more: String::new(), ..Draft::invite(&strict) };
    let refused = strict.ask(&lax);
    assert_eq!((refused.status(), refused.header("Require")), (421, Some("siprec")));
    let plain = invite(&from([127, 0, 0, 4], server.sip)).1;
    assert_eq!(plain.status(), 488);
    assert!(plain.header("Warning").is_some_and(|why| why.contains("SRTP is required")), "{:?}", plain.headers);
    let named = from([127, 0, 0, 5], server.sip);
    let draft = Draft { more: "Require: siprec\r\nUser-Agent: ACME SBC 9\r\n".into(), ..Draft::invite(&named) };
    assert_eq!(named.ask(&draft).status(), 403);
}

/// Runs `testdata/sipp/digest.xml`.
fn sipp_digest(server: SocketAddr, password: &str, within: &str, scratch: &Path) -> bool {
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/sipp/digest.xml");
    Command::new("sipp")
        .arg(server.to_string())
        .arg("-sf")
        .arg(scenario)
        .args(["-i", &server.ip().to_string(), "-au", "sbc-a", "-ap", password, "-m", "5", "-r", "10"])
        .args(["-nostdin", "-trace_err", "-timeout", within, "-timeout_error"])
        .current_dir(scratch)
        .output()
        .unwrap()
        .status
        .success()
}

#[test]
fn a_foreign_client_authenticates_by_digest() {
    if !sipp::present() {
        return;
    }
    // This SIPp knows MD5 only. SHA-256 has the client in Python below, and the examples of RFC 7616 beside the code.
    for algorithms in ["[MD5]", "[MD5, SHA-256]"] {
        let server = Setup::default()
            .set("server.digest=true")
            .set(&format!("auth.sip.algorithms={algorithms}"))
            .set("auth.sip.users=[{name: sbc-a, password: 'open sesame'}]")
            .start();
        assert!(sipp_digest(server.sip, "open sesame", "30s", server.scratch()), "{algorithms}\n{}", server.tail());
        assert!(!sipp_digest(server.sip, "wrong", "3s", server.scratch()), "{algorithms}");
        says(&server, "Wrong Credentials");
    }
}

/// Python's hashlib and our client of `testdata/python`: each algorithm, right and wrong, and the same answer again.
#[test]
fn a_client_in_python_authenticates_by_each_algorithm() {
    let server = Setup::default()
        .set("server.digest=true")
        .set("auth.sip.algorithms=[SHA-256, SHA-512-256, MD5]")
        .set("auth.sip.users=[{name: sbc-a, password: 'open sesame'}]")
        .start();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/python/digest.py");
    let statuses = |carrier: &str, algorithm: &str, password: &str| {
        let place = [server.sip.ip().to_string(), server.sip.port().to_string()];
        let mut python = Command::new("python3");
        let output = python.arg(&script).args(place).args([carrier, algorithm, "sbc-a", password]).output();
        let output = output.map_err(|error| support::lacking(&format!("python3: {error}"))).ok()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{carrier} {algorithm}: {said}{}", String::from_utf8_lossy(&output.stderr));
        Some(said.lines().map(|line| line.parse().unwrap()).collect::<Vec<u16>>())
    };
    for (carrier, algorithm) in [("udp", "SHA-256"), ("tcp", "SHA-256"), ("udp", "SHA-512-256"), ("tcp", "MD5")] {
        let Some(right) = statuses(carrier, algorithm, "open sesame") else { return };
        assert_eq!(right, [401, 200, 200, 401], "{carrier} {algorithm}: the same credentials are not taken twice");
        assert_eq!(statuses(carrier, algorithm, "wrong").unwrap(), [401, 401], "{carrier} {algorithm}");
    }
}

#[test]
fn a_challenge_is_one_field_an_algorithm_and_the_best_comes_first() {
    let server = Setup::default()
        .set("server.digest=true")
        .set("auth.sip.realm=recorders")
        .set("auth.sip.users=[{name: sbc-a, password: secret}]")
        .start();
    for transport in [Transport::Udp, Transport::Tcp] {
        let raw = Raw::new(server.sip, transport);
        let (_, answer) = invite(&raw);
        assert_eq!(answer.status(), 401);
        let challenges: Vec<&str> = answer.all("WWW-Authenticate").collect();
        assert_eq!(challenges.len(), 2, "{challenges:?}");
        assert!(challenges[0].contains("algorithm=SHA-256") && challenges[1].contains("algorithm=MD5"));
        assert!(challenges.iter().all(|c| c.starts_with("Digest realm=\"recorders\"") && c.contains("qop=\"auth\"")));
        assert_eq!(raw.ask(&Draft::new(&raw, "OPTIONS")).status(), 200, "a health check needs no credentials");
    }
}

/// Ends the flood, whatever becomes of the test.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_flood_from_an_unknown_address_leaves_known_peers_their_answers() {
    let server =
        Setup::default().set("server.rate_limit.unknown=2").set("peers=[{name: sbc, address: 127.0.0.1}]").start();
    let (stop, sent, answered) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let ended = Ended(&stop);
        scope.spawn(|| {
            let flood = from([127, 0, 0, 66], server.sip);
            while !stop.load(Ordering::Relaxed) {
                for _ in 0..50 {
                    flood.send(&Draft::invite(&flood).bytes());
                    sent.fetch_add(1, Ordering::Relaxed);
                }
                while flood.answer(Duration::ZERO).is_some() {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        assert!(becomes_true(SOON, || sent.load(Ordering::Relaxed) > 2_000), "the flood is under way");
        let known = Raw::new(server.sip, Transport::Udp);
        let mut waits = Vec::new();
        for _ in 0..10 {
            let began = Instant::now();
            let (draft, answer) = invite(&known);
            waits.push(began.elapsed());
            assert_eq!(answer.status(), 200, "{} {}", answer.start, server.tail());
            hang_up(&known, &draft, &answer);
        }
        drop(ended);
        waits.sort();
        println!("{} INVITEs of a flood; a peer waited {waits:?}", sent.load(Ordering::Relaxed));
        // Without a retransmission (RFC 3261 17.1.1.2: T1 is 500 ms).
        assert!(waits[8] < Duration::from_millis(450), "{waits:?}");
    });
    let (sent, answered) = (sent.into_inner(), answered.into_inner());
    assert!(answered < sent / 10, "{answered} of {sent} were answered");
    says(&server, "more requests than it may make (server.rate_limit)");
}

#[test]
fn who_is_not_on_the_list_is_refused_or_hears_nothing() {
    for (unknown, heard) in [("refuse", true), ("silent", false)] {
        let server = Setup::default()
            .set("server.allowed_peers=127.0.0.1")
            .set(&format!("server.unknown_peers={unknown}"))
            .start();
        let known = Raw::new(server.sip, Transport::Udp);
        assert_eq!(known.ask(&Draft::new(&known, "OPTIONS")).status(), 200);
        let stranger = from([127, 0, 0, 9], server.sip);
        stranger.send(&Draft::new(&stranger, "OPTIONS").bytes());
        let answer = stranger.answer(if heard { SOON } else { SILENCE });
        assert_eq!(answer.map(|a| a.status()), heard.then_some(403), "{unknown}");
        says(&server, "no peer of ours");
    }
}

#[test]
fn a_scanner_gets_silence_or_403_and_is_counted() {
    for (scanners, heard) in [("refuse", true), ("silent", false)] {
        let server = Setup::default().set(&format!("server.scanners={scanners}")).start();
        let raw = Raw::new(server.sip, Transport::Udp);
        let scan = Draft { more: "User-Agent: friendly-scanner\r\n".into(), ..Draft::new(&raw, "OPTIONS") };
        raw.send(&scan.bytes());
        let answer = raw.answer(if heard { SOON } else { SILENCE });
        assert_eq!(answer.map(|a| a.status()), heard.then_some(403), "{scanners}");
        says(&server, "a scanner (server.scanners)");
        assert_eq!(raw.ask(&Draft::new(&raw, "OPTIONS")).status(), 200);
    }
}

#[test]
fn a_health_check_says_so_while_the_server_drains() {
    for (set, status) in [("server.options_when_draining=503", 503), ("server.options_when_draining=200", 200)] {
        let mut server = Setup::default().set(set).start();
        let raw = Raw::new(server.sip, Transport::Udp);
        let (draft, answer) = invite(&raw);
        assert_eq!(answer.status(), 200);
        drain(&server);
        says(&server, "draining: no new sessions");
        assert_eq!(raw.ask(&Draft::invite(&raw)).status(), 503);
        assert_eq!(raw.ask(&Draft::new(&raw, "OPTIONS")).status(), status, "{set}");
        let within = draft.within(&raw, &answer, "OPTIONS");
        assert_eq!(raw.ask(&within).status(), 200, "in a dialog, it asks for the call");
        let bye = Draft { cseq: within.cseq + 1, ..draft.within(&raw, &answer, "BYE") };
        assert_eq!(raw.ask(&bye).status(), 200);
        assert!(becomes_true(SOON, || !server.lives()), "drained");
    }
}

/// SIGUSR1.
fn drain(server: &Server) {
    let status = Command::new("kill").args(["-USR1", &server.pid().to_string()]).status().unwrap();
    assert!(status.success());
}

/// A tenant: its recordings are tagged from their beginning, over a crash, so that they lie where and are seen by whom it says.
#[test]
fn recordings_of_a_peer_have_its_tags() {
    let share = TempDir::new("tenants");
    let (key, row) = new_key("--name lead --role berlin");
    let mut server = Setup::default()
        .set("peers=[{name: site, address: 127.0.0.1, tags: [berlin, sales]}]")
        .set(&format!("storage.local.path={}", share.path().display()))
        .set("storage.key={tag}/{id}")
        .set("auth.roles=[{name: berlin, permissions: [read], tags: [berlin]}]")
        .set(&format!("auth.api_keys=[{row}]"))
        .start();
    let call = Call::new(&Src::udp(server.sip), 7);
    call.must_invite();
    call.talk(&Plan::seconds(1.0));
    call.wait();
    server.kill();
    server.restart();
    call.bye().unwrap();
    let recording = recordings::wait(&server.data, call.call_id(), SOON);
    assert_eq!(recording.sheet["tags"], json!(["berlin", "sales"]));
    let path = format!("/api/v1/recordings/{}", recording.id());
    // The catalog's row follows the sheet.
    assert!(becomes_true(SOON, || Client::new(server.api).bearer(&key).get(&path).status == 200), "{}", server.tail());
    let seen = Client::new(server.api).bearer(&key).get(&path).must(200);
    assert_eq!(seen["tags"], json!(["berlin", "sales"]));
    let stored = || share.path().join(format!("berlin/{}.json", recording.id())).exists();
    assert!(becomes_true(SOON, stored), "{:?}", support::files_below(share.path()));

    // Whoever takes one away has the last word, also when the catalog is made anew.
    let untag = format!("archive tag --remove sales --id {}", recording.id());
    support::server::must_run(&server.data, &[], &untag);
    server.terminate();
    std::fs::remove_file(server.data.join("catalog.sqlite")).unwrap();
    server.restart();
    let seen = Client::new(server.api).bearer(&key).get(&path).must(200);
    assert_eq!(seen["tags"], json!(["berlin"]));
    server.assert_never_panicked();
}
