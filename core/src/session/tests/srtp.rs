//! SRTP as its keys are negotiated in offers and answers (RFC 4568).

use alloc::boxed::Box;

use super::*;
use crate::media::SrtpStatistics;
use crate::node_key::NodeKey;
use crate::sdp::Description;
use crate::sdp::crypto::{Crypto, Suite};
use crate::srtp::ReceiverState;

const SDP: &str = "Content-Type: application/sdp\r\n";
const KEY_1: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
const KEY_2: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";

fn bench() -> Bench {
    let mut policy = policy();
    policy.rules.sdes_over_clear = true;
    let mut bench = Bench::with(policy);
    bench.srs.keep_keys_with(NodeKey::new(&[3; 32]));
    bench
}

/// An offer of two streams under this key.
fn secure(key: &str) -> String {
    let line = format!("a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:{key}|2^20\r\na=sendonly");
    sdp("sendonly").replace("RTP/AVP", "RTP/SAVP").replace("a=sendonly", &line)
}

fn call(bench: &mut Bench, offer: &str) -> (Call, Vec<Crypto>) {
    let mut call = Call::new("a");
    let (headers, body) = multipart(offer, &metadata("s1"));
    let answers = bench.send(&call.request("INVITE", &headers, &body));
    let ok = answers.iter().find(|m| m.status() == Some(200)).expect("a 200");
    call.to_tag = ok.to_tag().unwrap().to_string();
    let ack = call.request("ACK", "", "");
    bench.send(&ack);
    (call, lines(ok))
}

/// The first `a=crypto` line of each m-line.
fn lines(message: &Message) -> Vec<Crypto> {
    let description = Description::parse(&message.body).unwrap();
    let first = |media: &crate::sdp::Media| Crypto::parse(media.crypto[0].as_ref()).unwrap();
    description.media.iter().map(first).collect()
}

fn reinvite(bench: &mut Bench, call: &mut Call, offer: &str) -> Vec<Crypto> {
    let request = call.request("INVITE", SDP, offer);
    let answers = bench.send(&request);
    let lines = lines(&answers[0]);
    let ack = call.request("ACK", "", "");
    bench.send(&ack);
    lines
}

/// The newest settings of a port.
fn settings(bench: &Bench, port: u16) -> PortSettings {
    bench.settings.iter().rev().find(|s| s.stream.port == PortIndex(port)).unwrap().clone()
}

fn key_events(bench: &Bench) -> usize {
    bench.events().iter().filter(|event| matches!(event, Event::SrtpKeys { .. })).count()
}

#[test]
fn each_stream_is_answered_with_a_key_of_our_own() {
    let mut bench = bench();
    let (_, lines) = call(&mut bench, &secure(KEY_1));
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| line.tag == 4 && line.suite == Suite::AesCm128HmacSha1_80));
    assert_ne!(lines[0].keys[0].key, lines[1].keys[0].key);
    for (port, line) in (0..).zip(&lines) {
        let protection = settings(&bench, port).srtp.unwrap();
        assert_eq!(protection.theirs[0].key.to_base64().as_str(), KEY_1);
        assert_eq!(protection.theirs[0].lifetime, Some(1 << 20));
        assert_eq!(protection.ours, Some(line.keys[0].clone()));
    }
    assert_eq!(key_events(&bench), 2);
}

#[test]
fn keys_are_shown_to_nobody() {
    let mut bench = bench();
    let (mut call, lines) = call(&mut bench, &secure(KEY_1));
    reinvite(&mut bench, &mut call, &secure(KEY_2));
    let ours = lines[0].keys[0].key.to_base64();
    let checkpoint = bench.last_checkpoint();
    let shown = format!("{:?} {:?} {checkpoint:?}", bench.events(), bench.settings);
    let kept: String = bench
        .kept
        .iter()
        .map(|(_, _, kept)| match kept {
            Kept::Sip { message, .. } => String::from_utf8_lossy(message).into_owned(),
            Kept::Event(event) => serde_json::to_string(event).unwrap(),
            Kept::Checkpoint(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        })
        .collect();
    for key in [KEY_1, KEY_2, ours.as_str()] {
        assert!(!shown.contains(key) && !kept.contains(key));
    }
    assert!(kept.contains(&format!("inline:{}|2^20", "x".repeat(40))));
}

#[test]
fn the_same_line_again_changes_nothing_and_another_is_a_new_key() {
    let mut bench = bench();
    let (mut call, first) = call(&mut bench, &secure(KEY_1));
    let before = settings(&bench, 0);
    let told = bench.settings.len();
    assert_eq!(reinvite(&mut bench, &mut call, &secure(KEY_1)), first);
    assert_eq!((bench.settings.len(), key_events(&bench)), (told, 2), "nobody hears of what did not change");
    let second = reinvite(&mut bench, &mut call, &secure(KEY_2));
    assert_ne!(second, first);
    let after = settings(&bench, 0).srtp.unwrap();
    assert_ne!(after.ours, before.srtp.unwrap().ours, "a key of ours serves one of theirs");
    assert_eq!((after.theirs[0].key.to_base64().as_str(), key_events(&bench)), (KEY_2, 4));
    let plain = call.request("INVITE", SDP, &sdp("sendonly"));
    assert!(!String::from_utf8_lossy(&bench.send(&plain)[0].body).contains("crypto"));
    assert_eq!(settings(&bench, 0).srtp, None);
}

#[test]
fn an_offer_that_is_refused_or_cancelled_leaves_the_keys() {
    let mut bench = bench();
    let (mut call, _) = call(&mut bench, &secure(KEY_1));
    let refused = call.request("INVITE", SDP, &secure("c2hvcnQ="));
    assert_eq!(statuses(&bench.send(&refused)), [488]);
    bench.hold_ports = true;
    let three = format!("{}m=audio 30004 RTP/AVP 8\r\na=label:3\r\na=sendonly\r\n", secure(KEY_2));
    let slow = call.request("INVITE", SDP, &three);
    bench.send(&slow);
    let cancel = call.repeat("CANCEL", "", "");
    bench.send(&cancel);
    bench.hold_ports = false;
    let session = bench.session();
    bench.input(Input::Order(Order::Pause { session, tell_src: false, at_most: None }));
    assert_eq!(settings(&bench, 0).srtp.unwrap().theirs[0].key.to_base64().as_str(), KEY_1);
}

#[test]
fn our_own_offer_has_a_line_a_suite_and_the_answer_chooses() {
    let mut bench = bench();
    bench.srs.policy.rules.require_srtp = true;
    let mut call = Call::new("a");
    let headers = "Require: siprec\r\nContent-Type: application/rs-metadata+xml\r\n";
    let offer = bench.send(&call.request("INVITE", headers, &metadata("s1"))).remove(0);
    call.to_tag = offer.to_tag().unwrap().to_string();
    let description = Description::parse(&offer.body).unwrap();
    assert_eq!(
        (description.media[0].proto.as_str(), description.media[0].crypto.len()),
        ("RTP/SAVP", Suite::ALL.len())
    );
    let waiting = settings(&bench, 0).srtp.unwrap();
    assert!(waiting.theirs.is_empty() && waiting.ours.is_none(), "nothing is sent before it is known under which key");
    let offered = description.media[0].crypto.iter().map(|line| Crypto::parse(line.as_ref()).unwrap());
    let chosen = offered.into_iter().find(|line| line.suite == Suite::AesCm128HmacSha1_80).unwrap();
    let answer = secure(KEY_1).replace("crypto:4", &format!("crypto:{}", chosen.tag));
    let ack = call.request("ACK", SDP, &answer);
    bench.send(&ack);
    let agreed = settings(&bench, 0).srtp.unwrap();
    assert_eq!((agreed.theirs[0].key.to_base64().as_str(), &agreed.ours), (KEY_1, &Some(chosen.keys[0].clone())));
    // A refresh of ours repeats the one line that was agreed on.
    let session = bench.session();
    let sent = bench.input(Input::Order(Order::Pause { session, tell_src: true, at_most: None }));
    let again = sent.iter().find(|m| m.method() == Some(&crate::sip::Method::Invite)).unwrap();
    assert_eq!(lines(again)[0].keys, chosen.keys);
    bench.send(&respond(again, 200, SDP, &answer.replace("sendonly", "inactive")));
    assert_eq!(settings(&bench, 0).srtp, Some(agreed));
}

#[test]
fn over_clear_signalling_no_key_is_taken_nor_shown() {
    let mut bench = Bench::new();
    let mut call = Call::new("a");
    let (headers, body) = multipart(&secure(KEY_1), &metadata("s1"));
    let answers = bench.send(&call.request("INVITE", &headers, &body));
    assert_eq!(statuses(&answers), [488]);
    bench.srs.policy.rules.require_srtp = true;
    let mut call = Call::new("b");
    let headers = "Require: siprec\r\nContent-Type: application/rs-metadata+xml\r\n";
    let answers = bench.send(&call.request("INVITE", headers, &metadata("s1")));
    assert_eq!(statuses(&answers), [488]);
    assert!(answers[0].header("Warning").unwrap().contains("sdes_over_clear"));
}

#[test]
fn indices_of_our_reports_are_kept_before_they_are_granted() {
    let mut bench = bench();
    call(&mut bench, &secure(KEY_1));
    let session = bench.session();
    bench.heard(session, 0);
    assert!(bench.reserved.is_empty());
    let mut statistics = bench.statistics(0);
    let due = crate::srtp::SenderState { reserved: 512 };
    statistics.srtp = Some(Box::new(SrtpStatistics { reservation_due: Some(due), ..SrtpStatistics::default() }));
    bench.input(Input::Media(&MediaReport { session, event: None, statistics: statistics.clone() }));
    assert_eq!(bench.reserved, [(PortIndex(0), 512)]);
    let told = |event: &Event| matches!(event, Event::SrtcpReserved { reserved: 512, .. });
    assert_eq!(bench.events().iter().filter(|event| told(event)).count(), 1);
    bench.input(Input::Media(&MediaReport { session, event: None, statistics }));
    assert_eq!(bench.reserved.len(), 1, "it is kept once");
}

#[test]
fn after_a_restart_the_keys_are_there_and_the_sources_go_on() {
    let mut bench = bench();
    let (mut call, first) = call(&mut bench, &secure(KEY_1));
    let session = bench.session();
    let mut statistics = bench.statistics(0);
    let source = crate::srtp::SourceState { ssrc: 5, index: 3 << 16 | 7, recent: 1 };
    let receiver = ReceiverState { sources: [source].to_vec(), ..ReceiverState::default() };
    statistics.srtp = Some(Box::new(SrtpStatistics { receiver: receiver.clone(), ..SrtpStatistics::default() }));
    bench.input(Input::Media(&MediaReport { session, event: None, statistics }));
    bench.pass(Duration::from_secs(11));
    let checkpoint = bench.last_checkpoint();
    let again = |node: u8| {
        let mut policy = policy();
        policy.rules.sdes_over_clear = true;
        let mut bench = Bench::with(policy);
        bench.srs.keep_keys_with(NodeKey::new(&[node; 32]));
        bench.srs.restore(bench.now, checkpoint.clone(), 2, bench.now.wall, false);
        bench.input(Input::Timeout);
        bench
    };
    let mut bench = again(3);
    let restored = settings(&bench, 0).srtp.unwrap();
    assert_eq!((&restored.receiver, restored.resumed, restored.sender.reserved), (&receiver, true, 256));
    assert_eq!(restored.ours, Some(first[0].keys[0].clone()));
    assert_eq!(bench.reserved, [(PortIndex(0), 512), (PortIndex(1), 512)]);
    // The ACK of before is lost, the answer is repeated with the very same keys.
    let (headers, body) = multipart(&secure(KEY_1), &metadata("s1"));
    let invite = call.repeat("INVITE", &headers, &body);
    assert_eq!(lines(&bench.send(&invite)[0]), first);
    let held = secure(KEY_1).replace("sendonly", "inactive");
    assert_eq!(reinvite(&mut bench, &mut call, &held), first, "an unchanged key keeps its sources");
    // On another node, what comes is kept sealed, and the SRC is asked for its key.
    let mut bench = again(4);
    assert!(settings(&bench, 0).srtp.unwrap().theirs.is_empty());
    let asked = bench.sent.iter().find(|m| m.method() == Some(&crate::sip::Method::Invite)).unwrap().clone();
    let offered = Description::parse(&asked.body).unwrap();
    let line = offered.media[0].crypto.iter().position(|line| line.as_ref().contains("AES_CM_128_HMAC_SHA1_80"));
    let answer = secure(KEY_2).replace("crypto:4", &format!("crypto:{}", line.unwrap() + 1));
    bench.send(&respond(&asked, 200, SDP, &answer));
    let agreed = settings(&bench, 0).srtp.unwrap();
    assert_eq!((agreed.theirs[0].key.to_base64().as_str(), agreed.resumed), (KEY_2, false));
}

#[test]
fn a_stream_that_nobody_can_decrypt_is_an_alarm_and_flows_all_the_same() {
    let mut bench = bench();
    call(&mut bench, &secure(KEY_1));
    let session = bench.session();
    let tell = |bench: &mut Bench, authentic: u64, sealed: u64| {
        let srtp = SrtpStatistics { authentic, sealed, ..SrtpStatistics::default() };
        let statistics = PortStatistics { srtp: Some(Box::new(srtp)), last_at: None, ..bench.statistics(0) };
        let before = bench.kept.len();
        bench.input(Input::Media(&MediaReport { session, event: None, statistics }));
        bench.kept[before..]
            .iter()
            .filter_map(|(_, _, kept)| match kept {
                Kept::Event(Event::Alarm { alarm: crate::entry::Alarm::Undecryptable, raised, .. }) => Some(*raised),
                Kept::Sip { .. } | Kept::Event(_) | Kept::Checkpoint(_) => None,
            })
            .collect::<Vec<bool>>()
    };
    assert!(tell(&mut bench, 50, 49).is_empty(), "a re-key that comes late");
    for n in 1..=8 {
        bench.pass(Duration::from_secs(10));
        assert_eq!(tell(&mut bench, 50, 49 + n * 25), if n == 2 { [true].to_vec() } else { Vec::new() });
    }
    let silent = |event: &Event| {
        matches!(event, Event::Alarm { alarm: crate::entry::Alarm::NoRtp, port: Some(PortIndex(0)), raised: true })
    };
    assert!(!bench.events().iter().any(silent));
    assert_eq!(tell(&mut bench, 51, 249), [false]);
}

#[test]
fn what_srtp_refuses_is_told_at_once_then_seldom_and_at_the_end() {
    use crate::entry::SrtpRefusals;
    let mut bench = bench();
    call(&mut bench, &secure(KEY_1));
    let session = bench.session();
    let kept = |bench: &Bench| -> Vec<u64> {
        let of = |event: &Event| {
            if let Event::SrtpRefused { port: PortIndex(0), refusals } = event {
                Some(refusals.wrong_key)
            } else {
                None
            }
        };
        bench.events().iter().filter_map(of).collect()
    };
    let tell = |bench: &mut Bench, wrong_key: u64| {
        let refused = SrtpRefusals { wrong_key, ..SrtpRefusals::default() };
        let srtp = SrtpStatistics { refused, authentic: wrong_key, ..SrtpStatistics::default() };
        let statistics = PortStatistics { srtp: Some(Box::new(srtp)), ..bench.statistics(0) };
        bench.input(Input::Media(&MediaReport { session, event: None, statistics }));
    };
    tell(&mut bench, 0);
    assert!(kept(&bench).is_empty());
    for wrong_key in [3, 5, 9] {
        tell(&mut bench, wrong_key);
    }
    assert_eq!(kept(&bench), [3]);
    for _ in 0..7 {
        bench.pass(Duration::from_secs(10));
        tell(&mut bench, 9);
    }
    assert_eq!(kept(&bench), [3, 6]);
    tell(&mut bench, 10);
    bench.input(Input::Order(crate::session::Order::Stop(session)));
    bench.pass(Duration::from_secs(60));
    assert_eq!(kept(&bench), [3, 6, 1]);
}
