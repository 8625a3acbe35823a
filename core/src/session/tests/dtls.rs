//! DTLS-SRTP: what is answered, which handshakes are expected, and what becomes of them.

use super::*;
use crate::entry::Alarm;
use crate::sdp::AnswerPolicy;
use crate::sdp::crypto::{MasterKey, Suite};
use crate::sdp::dtls::Role;
use crate::sdp::fingerprint::{Fingerprint, HashFunction};
use crate::session::{DtlsKeys, Secured};

const ID: &str = "abc3de65cddef001be82";

fn fingerprint(certificate: &str) -> Fingerprint {
    Fingerprint::of(HashFunction::Sha256, certificate.as_bytes())
}

fn with_certificate() -> Policy {
    let answer = AnswerPolicy { fingerprint: Some(fingerprint("ours")), require_srtp: true, ..AnswerPolicy::default() };
    let rules = Rules { require_srtp: true, ..policy().rules };
    Policy { answer, rules, ..policy() }
}

/// An offer of two streams, both under DTLS; `each` stands in both m-lines.
fn offer(certificate: &str, setup: &str, each: &str) -> String {
    let attributes = format!("a=fingerprint:{}\r\na=setup:{setup}\r\nm=audio", fingerprint(certificate));
    let sdp = sdp("sendonly").replacen("m=audio", &attributes, 1).replace("RTP/AVP", "UDP/TLS/RTP/SAVP");
    sdp.replace("a=sendonly\r\n", &format!("a=sendonly\r\n{each}"))
}

fn invite(bench: &mut Bench, call: &mut Call, sdp: &str) -> Message {
    let (headers, body) = multipart(sdp, &metadata("s1"));
    let request = call.request("INVITE", &headers, &body);
    let answer = bench.send(&request).into_iter().find(|message| message.status() >= Some(200)).unwrap();
    if answer.status() == Some(200) {
        call.to_tag = answer.to_tag().unwrap().to_string();
        let ack = call.request("ACK", "", "");
        bench.send(&ack);
    }
    answer
}

fn lines<'a>(answer: &'a Message, starts: &str) -> Vec<&'a str> {
    let text = core::str::from_utf8(&answer.body).unwrap();
    text.lines().filter(|line| line.starts_with(starts)).collect()
}

fn key(seed: u8) -> MasterKey {
    MasterKey::draw(Suite::AeadAes128Gcm, &mut crate::seed::Random::new(Seed([seed; 32])))
}

fn secured(bench: &mut Bench, port: u16, is_rtcp: bool, association: u32) {
    let (session, peer) = (bench.session(), "127.0.0.3:7".parse().unwrap());
    let keys = DtlsKeys { theirs: key(1), ours: key(2), version: "DTLS 1.2" };
    bench.input(Input::Secured(Secured { session, port: PortIndex(port), is_rtcp, association, peer, keys }));
}

fn alarms(bench: &Bench) -> Vec<bool> {
    let raised =
        |event| if let Event::Alarm { alarm: Alarm::NotSecured, raised, .. } = event { Some(raised) } else { None };
    bench.events().into_iter().filter_map(raised).collect()
}

#[test]
fn an_offer_is_answered_with_our_certificate_and_each_socket_awaits_a_handshake() {
    let mut bench = Bench::with(with_certificate());
    let answer = invite(&mut bench, &mut Call::new("a"), &offer("theirs", "actpass", ""));
    assert_eq!(answer.status(), Some(200), "DTLS-SRTP is SRTP");
    assert_eq!(lines(&answer, "m="), ["m=audio 10000 UDP/TLS/RTP/SAVP 8 101", "m=audio 10002 UDP/TLS/RTP/SAVP 8 101"]);
    let ours = format!("a=fingerprint:{}", fingerprint("ours"));
    assert_eq!(lines(&answer, "a=fingerprint"), [&ours, &ours]);
    assert_eq!(lines(&answer, "a=setup"), ["a=setup:passive", "a=setup:passive"]);
    assert_eq!(lines(&answer, "a=tls-id"), [""; 0], "the offer had none (RFC 8842 5.3)");
    let sockets: Vec<_> = bench.expected.iter().map(|(port, is_rtcp, _, with)| (*port, *is_rtcp, *with)).collect();
    assert_eq!(sockets, [(0, false, None), (0, true, None), (1, false, None), (1, true, None)]);
    let theirs = &bench.expected[0].2;
    assert!(theirs.role == Role::Server && theirs.verifies(b"theirs") && !theirs.verifies(b"another's"));
}

#[test]
fn with_rtcp_mux_one_handshake_serves_both() {
    let mut bench = Bench::with(with_certificate());
    invite(&mut bench, &mut Call::new("a"), &offer("theirs", "active", "a=rtcp-mux\r\n"));
    let sockets: Vec<_> = bench.expected.iter().map(|(port, is_rtcp, _, _)| (*port, *is_rtcp)).collect();
    assert_eq!(sockets, [(0, false), (1, false)]);
}

#[test]
fn who_insists_on_waiting_is_begun_with() {
    let mut bench = Bench::with(with_certificate());
    let answer = invite(&mut bench, &mut Call::new("a"), &offer("theirs", "passive", ""));
    assert_eq!(lines(&answer, "a=setup"), ["a=setup:active", "a=setup:active"]);
    let with: Vec<_> = bench.expected.iter().map(|(_, _, _, with)| with.unwrap().port()).collect();
    assert_eq!(with, [30_000, 30_001, 30_002, 30_003]);
}

#[test]
fn what_cannot_be_shaken_hands_for_is_refused_in_words() {
    let mut bench = Bench::with(with_certificate());
    let answer = invite(&mut bench, &mut Call::new("a"), &offer("theirs", "holdconn", ""));
    assert_eq!(answer.status(), Some(488));
    assert!(answer.header("Warning").unwrap().contains("a=setup is neither"), "{:?}", answer.header("Warning"));
}

#[test]
fn the_same_description_keeps_the_association_and_another_asks_for_the_next() {
    let mut bench = Bench::with(with_certificate());
    let mut call = Call::new("a");
    let id = format!("a=tls-id:{ID}\r\n");
    let first = invite(&mut bench, &mut call, &offer("theirs", "actpass", &id));
    let own_id = |answer: &Message| lines(answer, "a=tls-id").first().unwrap().to_string();
    secured(&mut bench, 0, false, 0);
    bench.expected.clear();
    let again = invite(&mut bench, &mut call, &offer("theirs", "actpass", &id));
    assert_eq!(own_id(&again), own_id(&first));
    assert_eq!(bench.expected.len(), 0);
    let next = invite(&mut bench, &mut call, &offer("another's", "actpass", &id));
    assert_ne!(own_id(&next), own_id(&first));
    let numbers: Vec<_> = bench.expected.iter().map(|(_, _, association, _)| association.number).collect();
    assert_eq!(numbers, [1; 4]);
}

#[test]
fn a_handshake_that_fails_is_an_alarm_until_one_is_done() {
    let mut bench = Bench::with(with_certificate());
    invite(&mut bench, &mut Call::new("a"), &offer("theirs", "actpass", ""));
    let (session, peer, why) = (bench.session(), "127.0.0.9:9".parse().unwrap(), "another's certificate".to_string());
    for _ in 0..3 {
        bench.input(Input::NotSecured { session, port: PortIndex(1), peer, why: why.clone() });
    }
    assert_eq!(alarms(&bench), [true]);
    secured(&mut bench, 0, false, 0);
    assert_eq!(alarms(&bench), [true], "of another stream");
    secured(&mut bench, 1, false, 5);
    assert_eq!(alarms(&bench), [true], "for an association that there is not");
    secured(&mut bench, 1, false, 0);
    assert_eq!(alarms(&bench), [true, false]);
    assert_eq!(bench.told.len(), 3, "one that failed, two that are done: {:?}", bench.told);
}

/// The keys as the port has them: theirs for RTP, theirs for RTCP, ours.
fn keys_of(bench: &Bench, port: u16) -> (usize, usize, bool) {
    let settings = bench.settings.iter().rev().find(|settings| settings.stream.port == PortIndex(port)).unwrap();
    let srtp = settings.srtp.as_ref().unwrap();
    (srtp.theirs.len(), srtp.reports.len(), srtp.ours.is_some())
}

#[test]
fn keys_go_to_the_socket_whose_handshake_brought_them() {
    let mut bench = Bench::with(with_certificate());
    let mut call = Call::new("a");
    invite(&mut bench, &mut call, &offer("theirs", "actpass", ""));
    assert_eq!(keys_of(&bench, 0), (0, 0, false), "what comes now waits for them");
    secured(&mut bench, 0, false, 0);
    assert_eq!(keys_of(&bench, 0), (1, 0, false), "with these nothing is reported");
    secured(&mut bench, 0, true, 0);
    assert_eq!(keys_of(&bench, 0), (1, 1, true));
    secured(&mut bench, 0, false, 0);
    assert_eq!(keys_of(&bench, 0), (1, 1, true), "RTCP keeps its own");
    let again = invite(&mut bench, &mut call, &offer("theirs", "actpass", ""));
    assert_eq!(lines(&again, "a=crypto"), [""; 0], "keys of a handshake are not told");
    assert_eq!(keys_of(&bench, 0), (1, 1, true), "nor changed by the same description");

    let mut bench = Bench::with(with_certificate());
    invite(&mut bench, &mut Call::new("b"), &offer("theirs", "actpass", "a=rtcp-mux\r\n"));
    secured(&mut bench, 1, false, 0);
    assert_eq!(keys_of(&bench, 1), (1, 0, true));
}

#[test]
fn a_profile_that_is_not_allowed_yields_no_keys() {
    let mut policy = with_certificate();
    policy.rules.srtp.preference = [Suite::AeadAes256Gcm].to_vec();
    let mut bench = Bench::with(policy);
    invite(&mut bench, &mut Call::new("a"), &offer("theirs", "actpass", ""));
    secured(&mut bench, 0, false, 0);
    assert_eq!((keys_of(&bench, 0), alarms(&bench)), ((0, 0, false), [true].to_vec()));
}

#[test]
fn after_a_crash_nobody_begins_again_who_has_keys() {
    let mut bench = Bench::with(with_certificate());
    let mut call = Call::new("a");
    invite(&mut bench, &mut call, &offer("theirs", "passive", ""));
    secured(&mut bench, 0, false, 0);
    let mut next = Bench::with(with_certificate());
    next.srs.restore(next.now, bench.last_checkpoint(), 2, bench.now.wall, false);
    next.drain();
    let begun: Vec<_> = next.expected.iter().map(|(port, rtcp, _, with)| (*port, *rtcp, with.is_some())).collect();
    assert_eq!(begun, [(0, false, false), (0, true, true), (1, false, true), (1, true, true)]);
    assert!(next.expected[0].2.verifies(b"theirs"));
}
