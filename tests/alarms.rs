//! Alarms of the server itself, and of strangers on a call's ports: raised, told, and over.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use serde_json::Value;
use std::net::UdpSocket;
use std::time::Duration;
use support::TempDir;
use support::becomes_true;
use support::http::Client;
use support::process;
use support::recordings;
use support::server::{Server, Setup};
use support::src::{Call, Src};
use support::studio::Plan;
use support::tls::{Identity, Wanted};

const SOON: Duration = Duration::from_secs(20);

/// The alarm of a kind, if it is raised.
fn alarm(client: &Client, kind: &str) -> Option<Value> {
    let alarms = client.get("/api/v1/alarms").must(200);
    alarms["alarms"].as_array().unwrap().iter().find(|alarm| alarm["alarm"] == kind).cloned()
}

#[track_caller]
fn raised(server: &Server, client: &Client, kind: &str) -> Value {
    assert!(becomes_true(SOON, || alarm(client, kind).is_some()), "no {kind}: {}", server.tail());
    alarm(client, kind).unwrap()
}

#[test]
fn a_strangers_rtp_on_a_calls_port_is_told_and_over_when_it_stops() {
    let server = Server::start();
    let client = Client::new(server.api);
    let mut told = client.websocket("/ws/events?types=session.alarm").unwrap();
    let call = Call::new(&Src::udp(server.sip), 3);
    call.must_invite();
    call.talk(&Plan::seconds(12.5));
    // Half a second into the call, another address sends to the first leg's port.
    let session = || client.get("/api/v1/sessions").must(200)["sessions"][0].clone();
    assert!(becomes_true(SOON, || session()["streams"][0]["packets"].as_u64().is_none_or(|packets| packets > 10)));
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = (server.sip.ip(), call.ports()[0]);
    let packet = [&[0x80, 8, 0, 1, 0, 0, 0, 160, 1, 2, 3, 4][..], &[0xd5; 160]].concat();
    assert!(becomes_true(SOON, || {
        stranger.send_to(&packet, to).unwrap();
        alarm(&client, "stranger").is_some()
    }));
    let events = told.until(|event| event["alarm"] == "stranger" && event["raised"] == false);
    assert!(events.iter().any(|event| event["alarm"] == "stranger" && event["raised"] == true), "{events:?}");
    assert_eq!(alarm(&client, "stranger"), None);
    call.wait();
    call.bye().unwrap();
}

#[test]
fn a_recording_that_waits_for_a_target_is_an_alarm_of_that_target() {
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let azure = format!(
        "storage.targets=[{{name: far, type: azure, azure: {{account: a, container: c, access_key: 'c2VjcmV0', endpoint: \
         'http://127.0.0.1:{nobody}/a'}}}}]"
    );
    let server = Setup::default().set(&azure).set("alarms.storage_late=1s").start();
    let client = Client::new(server.api);
    let call = Call::new(&Src::udp(server.sip), 4);
    call.must_invite();
    call.talk(&Plan::seconds(0.5));
    call.wait();
    call.bye().unwrap();
    let late = raised(&server, &client, "storage_late");
    assert_eq!((&late["id"], &late["subject"]), (&"storage_late-far".into(), &"far".into()));
    assert!(late["detail"].as_str().unwrap().starts_with("1 recordings wait"), "{late}");
    assert!(client.get("/metrics").text().contains("siprec_alarms{alarm=\"storage_late\"} 1"));
}

#[test]
fn a_recording_that_waits_to_be_made_is_an_alarm_until_it_is() {
    let server = Setup::default().set("alarms.render_late=1s").start();
    let client = Client::new(server.api);
    let renderer = Pid::from_raw(process::thread(server.pid(), "render-0"));
    ptrace::seize(renderer, ptrace::Options::empty()).unwrap();
    ptrace::interrupt(renderer).unwrap();
    waitpid(renderer, Some(WaitPidFlag::__WALL)).unwrap();
    let call = Call::new(&Src::udp(server.sip), 6);
    call.must_invite();
    call.talk(&Plan::seconds(0.5));
    call.wait();
    call.bye().unwrap();
    let late = raised(&server, &client, "render_late");
    assert!(late["detail"].as_str().unwrap().starts_with("recordings of 1 sessions wait"), "{late}");
    ptrace::detach(renderer, None).unwrap();
    recordings::wait(&server.data, call.call_id(), SOON);
    assert!(becomes_true(SOON, || alarm(&client, "render_late").is_none()));
    server.assert_never_panicked();
}

#[test]
fn a_certificate_that_ends_is_an_alarm_until_there_is_a_new_one() {
    let dir = TempDir::new("alarms");
    let wanted = |days_left| Wanted { common_name: Some("sbc"), days_left, ..Wanted::default() };
    let own = Identity::self_signed(dir.path(), "own", &wanted(Some(5)));
    let server = Setup::default()
        .set("server.tls.enabled=true")
        .set(&format!("server.tls.cert_file={}", own.cert.display()))
        .set(&format!("server.tls.key_file={}", own.key.display()))
        .start();
    let client = Client::new(server.api);
    let ending = raised(&server, &client, "certificate_expires");
    assert_eq!(ending["id"], "certificate_expires-server.tls");
    assert!(ending["detail"].as_str().unwrap().contains("expires in 4 days"), "{ending}");
    Identity::self_signed(dir.path(), "own", &wanted(None));
    process::signal(server.pid(), libc::SIGHUP);
    assert!(becomes_true(SOON, || alarm(&client, "certificate_expires").is_none()));
    assert_eq!(alarm(&client, "clock_off"), None);
    server.assert_never_panicked();
}

#[test]
fn when_a_peer_calls_is_written_down_at_the_end() {
    let mut server = Setup::default().set("peers=[{name: desk, address: 127.0.0.1}]").start();
    let call = Call::new(&Src::udp(server.sip), 5);
    call.must_invite();
    call.bye().unwrap();
    server.terminate();
    let rhythm: Value = serde_json::from_slice(&std::fs::read(server.data.join("rhythm.json")).unwrap()).unwrap();
    assert_eq!(rhythm["peers"]["desk"]["begun"], 1, "{rhythm}");
}
