//! DTLS-SRTP at the real binary's ports: OpenSSL and GStreamer shake hands, and what they say is recorded. What the server has
//! agreed on outlives a crash; who shows another certificate than its SDP names is not heard.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use serde_json::Value;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;
use support::dtls::{
    self, CM_80, Certificate, GCM_128, GCM_256, Keys, OpenSsl, Profile, Relay, gstreamer, openssl_client,
    wait_for_media,
};
use support::raw::{Draft, Raw};
use support::recordings;
use support::server::{Server, Setup};
use support::src::body::{Body, Metadata, sdp};
use support::src::{Call, Direction, Message, Src, Transport, lock};
use support::studio::Plan;
use support::wav::{self, Allow, Tones};
use support::{TempDir, assert_no_faults, files_below, pause, wall_now};

const RENDERED_WITHIN: Duration = Duration::from_secs(60);

/// An offer of plain RTP as one of DTLS-SRTP.
fn secure(offer: &str, certificate: &Certificate, setup: &str) -> String {
    let each = format!("a=rtcp-mux\r\na=setup:{setup}\r\na=label:");
    let session = format!("a=fingerprint:{}\r\nm=audio", certificate.fingerprint);
    let offer = offer.replacen("m=audio", &session, 1);
    offer.replace("RTP/AVP", "UDP/TLS/RTP/SAVP").replace("a=label:", &each)
}

/// A call of two legs, both of which shake hands.
struct Secured {
    call: Call,
    certificate: Certificate,
    /// A leg's relay, what shook hands through it, and what came of that.
    legs: Vec<(Relay, OpenSsl, Keys)>,
}

fn invite(server: &Server, index: usize, certificate: &Certificate) -> (Call, Message) {
    let mut call = Call::new(&Src::udp(server.sip), index);
    let own = certificate.clone();
    call.bend_offer = Box::new(move |offer| secure(&offer, &own, "actpass"));
    let answer = call.must_invite();
    (call, answer)
}

fn relays(server: &Server, answer: &Message) -> Vec<Relay> {
    answer.media().iter().map(|media| Relay::new(SocketAddr::new(server.sip.ip(), media.port))).collect()
}

fn secured(server: &Server, index: usize, profile: Profile) -> Secured {
    let certificate = Certificate::generate();
    let (call, answer) = invite(server, index, &certificate);
    let legs = relays(server, &answer).into_iter().map(|relay| {
        let program = openssl_client(&relay, &certificate, profile);
        let keys = program.must_have_keys();
        relay.protect(&keys);
        (relay, program, keys)
    });
    let legs = legs.collect();
    Secured { call, certificate, legs }
}

impl Secured {
    /// What is said goes through the relays.
    fn talk(&self, plan: &Plan) {
        self.call.talk(plan);
        for (leg, (relay, _, _)) in self.call.legs().iter().zip(&self.legs) {
            lock(&leg.speech).as_ref().unwrap().redirect(relay.front());
        }
    }
}

/// What a message's SDP says, a line each.
fn said<'a>(answer: &'a Message, starts: &str) -> Vec<&'a str> {
    let body = std::str::from_utf8(&answer.body).unwrap();
    body.lines().filter(|line| line.starts_with(starts)).collect()
}

/// What webrtc-srtp and the relay add to the way of a packet is not the recorder's.
fn allow() -> Allow {
    Allow { click_ms: 3.0, align_ms: 3.0, ..Allow::default() }
}

#[test]
fn calls_are_recorded_under_each_profile() {
    let server = Setup::default().set("media.require_srtp=true").start();
    for (index, profile) in [CM_80, GCM_128, GCM_256].into_iter().enumerate() {
        let secured = secured(&server, index, profile);
        secured.talk(&Plan { loss: 0.01, jitter: Duration::from_millis(5), ..Plan::seconds(5.0) });
        let transcript = secured.call.finish();
        let recording = recordings::wait(&server.data, secured.call.call_id(), RENDERED_WITHIN);
        assert_no_faults(&recording.judge(&transcript, &allow()));
        for (relay, _, keys) in &secured.legs {
            let reports = relay.reports(keys);
            assert!(!reports.is_empty(), "no receiver report in 5 s");
            assert!(reports.iter().all(Result::is_ok), "{reports:?}");
        }
        let secret = secured.legs[0].2.secret().to_vec();
        for file in files_below(&server.data) {
            let held = std::fs::read(&file).unwrap();
            assert!(!held.windows(16).any(|w| w == &secret[..16]), "{} holds a key", file.display());
        }
    }
    server.must_say(&["DTLS: media are protected", "DTLS 1.2"]);
    server.assert_never_panicked();
}

#[test]
fn the_answer_names_our_certificate_and_srtp_is_what_dtls_yields() {
    let server = Setup::default().set("media.require_srtp=true").start();
    let (_call, answer) = invite(&server, 0, &Certificate::generate());
    let ours = dtls::fingerprint_of(&server.data.join("dtls.pem"));
    assert_eq!(said(&answer, "a=fingerprint"), [format!("a=fingerprint:{ours}"), format!("a=fingerprint:{ours}")]);
    assert_eq!(said(&answer, "a=setup"), ["a=setup:passive", "a=setup:passive"]);
    assert_eq!(said(&answer, "a=tls-id"), [""; 0]);
    assert!(said(&answer, "m=").iter().all(|line| line.contains("UDP/TLS/RTP/SAVP ")), "{answer:?}");
    let plain = Call::new(&Src::udp(server.sip), 1).invite().unwrap();
    assert_eq!(plain.status(), 488, "plain RTP where SRTP is required");
}

/// Without rtcp-mux RTCP has a socket, and a handshake, of its own (RFC 5764 4).
#[test]
fn reports_without_rtcp_mux_have_keys_of_their_own() {
    let server = Server::start();
    let certificate = Certificate::generate();
    let mut call = Call::new(&Src::udp(server.sip), 6);
    let own = certificate.clone();
    call.bend_offer = Box::new(move |offer| secure(&offer, &own, "actpass").replace("a=rtcp-mux\r\n", ""));
    let answer = call.must_invite();
    let sockets = |port: u16| [port, port + 1].map(|port| Relay::new(SocketAddr::new(server.sip.ip(), port)));
    let relays: Vec<Relay> = answer.media().iter().flat_map(|media| sockets(media.port)).collect();
    let shaken: Vec<_> = relays
        .iter()
        .map(|relay| {
            let program = openssl_client(relay, &certificate, GCM_128);
            let keys = program.must_have_keys();
            relay.protect(&keys);
            (program, keys)
        })
        .collect();
    call.talk(&Plan::seconds(6.0));
    for (leg, relay) in call.legs().iter().zip(relays.iter().step_by(2)) {
        lock(&leg.speech).as_ref().unwrap().redirect(relay.front());
    }
    // Who reports is reported to.
    let report = [0x80, 201, 0, 1, 0, 0, 0, 9];
    for relay in relays.iter().skip(1).step_by(2) {
        UdpSocket::bind((server.sip.ip(), 0)).unwrap().send_to(&report, relay.front()).unwrap();
    }
    let transcript = call.finish();
    let recording = recordings::wait(&server.data, call.call_id(), RENDERED_WITHIN);
    assert_no_faults(&recording.judge(&transcript, &allow()));
    for (relay, (_, keys)) in relays.iter().zip(&shaken).skip(1).step_by(2) {
        let reports = relay.reports(keys);
        assert!(!reports.is_empty() && reports.iter().all(Result::is_ok), "{reports:?}");
    }
}

#[test]
fn gstreamer_is_recorded() {
    let server = Server::start();
    let certificate = Certificate::generate();
    let raw = Raw::new(server.sip, Transport::Udp);
    let offer = sdp(raw.local.ip(), &[40_000, 40_002], &[Direction::SendOnly; 2], 1);
    let metadata = Metadata::new(0, 2, "gstreamer").complete();
    let body = Some(Body::both(&secure(&offer, &certificate, "active"), &metadata));
    let invite = Draft { body, ..Draft::invite(&raw) };
    let answer = raw.ask(&invite);
    assert_eq!(answer.status(), 200);
    raw.send(&invite.within(&raw, &answer, "ACK").bytes());
    let tones = [440, 1_000];
    let legs: Vec<_> = answer
        .media()
        .iter()
        .zip(tones)
        .map(|(media, hertz)| gstreamer(SocketAddr::new(server.sip.ip(), media.port), &certificate, hertz))
        .collect();
    legs.iter().for_each(|(_, relay)| wait_for_media(relay, 200));
    assert_eq!(raw.ask(&invite.within(&raw, &answer, "BYE")).status(), 200);
    let recording = recordings::wait(&server.data, answer.call_id(), RENDERED_WITHIN);
    let audio = recording.audio().unwrap();
    for (channel, samples) in audio[0].channels.iter().enumerate() {
        let second = &samples[samples.len() - 8_000..];
        let (own, other) = (wav::level(second, tones[channel]), wav::level(second, tones[1 - channel]));
        assert!(own > -8.0 && other < -50.0, "channel {channel}: its own tone at {own} dB, the other's at {other} dB");
    }
    // What GStreamer sends before its handshake is done, and for a packet or two after ours is, is protected with a key that it tells
    // nobody (srtpenc's random-key): less than half a second of it.
    let words = [
        "under no key that was agreed on",
        "no key of the SRC's was known",
        "under none of the keys that were agreed on",
    ];
    let packets = |told: &str| told.split(' ').next().and_then(|first| first.parse::<u32>().ok());
    let unheard = |finding: &Value| {
        finding
            .as_str()
            .is_some_and(|told| words.iter().any(|words| told.contains(words)) && packets(told).is_some_and(|n| n < 25))
    };
    let findings = recording.list("/proof/findings");
    assert!(findings.iter().all(unheard), "{findings:?}");
}

#[test]
fn a_crash_needs_no_other_handshake_and_another_handshake_is_welcome() {
    let mut server = Server::start();
    let secured = secured(&server, 3, GCM_128);
    secured.talk(&Plan::seconds(9.0));
    pause(Duration::from_secs(2));
    let from = wall_now();
    server.kill();
    server.restart();
    let blind = from - 50_000_000..wall_now() + 150_000_000;
    pause(Duration::from_secs(2));
    let other: Vec<_> = secured
        .legs
        .iter()
        .map(|(relay, _, _)| {
            let again = openssl_client(relay, &secured.certificate, CM_80);
            relay.protect(&again.must_have_keys());
            again
        })
        .collect();
    let transcript = secured.call.finish();
    drop(other);
    let recording = recordings::wait(&server.data, secured.call.call_id(), RENDERED_WITHIN);
    let allow = Allow { blind: vec![blind], tones: Tones::Some, ..allow() };
    assert_no_faults(&recording.judge(&transcript, &allow));
    assert_eq!(recording.gaps().len(), 1);
    server.assert_never_panicked();
}

#[test]
fn another_certificate_is_an_alarm_and_is_not_heard() {
    let server = Server::start();
    let named = Certificate::generate();
    let (call, answer) = invite(&server, 4, &named);
    let relay = relays(&server, &answer).remove(0);
    let another = Certificate::generate();
    let stranger = openssl_client(&relay, &another, CM_80);
    server.must_say(&["DTLS: no handshake", "its SDP does not name"]);
    server.must_say(&["alarm", "NotSecured"]);
    assert!(stranger.keys(Duration::ZERO).is_none());
    drop(stranger);
    // Who is named gets through all the same.
    openssl_client(&relay, &named, CM_80).must_have_keys();
    server.must_say(&["alarm cleared", "NotSecured"]);
    assert_eq!(call.bye().unwrap().status(), 200);
}

#[test]
fn a_journal_of_dtls_is_replayed_without_a_handshake() {
    let server = Server::start();
    let secured = secured(&server, 5, CM_80);
    secured.talk(&Plan::seconds(3.0));
    secured.call.finish();
    let live = recordings::wait(&server.data, secured.call.call_id(), RENDERED_WITHIN);
    let folder = TempDir::new("dtls-replay");
    let replayed = Command::new(env!("CARGO_BIN_EXE_siprec"))
        .arg("replay")
        .args(live.segments())
        .arg("--data-dir")
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
    let again = recordings::all(folder.path());
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].text("/files/0/sha256"), live.text("/files/0/sha256"));
}
