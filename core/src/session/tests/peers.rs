//! What differs from peer to peer, and who is kept out.

use super::*;
use crate::sip::digest::Realm;
use crate::sip::digest::{Password, User};
use crate::sip::{ConnectionId, PeerCertificate};

/// A row about 127.0.0.0/8.
pub(super) fn local(name: &str, rules: Rules) -> Peer {
    let networks = [Network { address: "127.0.0.0".parse().unwrap(), prefix: 8 }].to_vec();
    Peer { name: name.to_string(), who: Who { networks, ..Who::default() }, rules }
}

fn bench(rules: Rules) -> Bench {
    Bench::with(Policy { peers: [local("sbc", rules)].to_vec(), ..policy() })
}

fn invite(call: &mut Call) -> String {
    let (headers, body) = multipart(&sdp("sendonly"), &metadata("s1"));
    call.request("INVITE", &headers, &body)
}

/// The answer to a new call's INVITE, changed by `change`.
fn answer(bench: &mut Bench, id: &str, change: impl Fn(String) -> String) -> Message {
    let text = change(invite(&mut Call::new(id)));
    bench.send(&text).into_iter().find(|m| m.status() != Some(100)).expect("an answer")
}

fn from_elsewhere(bench: &mut Bench, message: &str) -> Vec<u16> {
    let (local, remote) = (SRS.parse().unwrap(), "192.0.2.66:5060".parse().unwrap());
    statuses(&bench.input(Input::Datagram { local, remote, bytes: message.as_bytes() }))
}

#[test]
fn each_peer_is_refused_as_it_wants() {
    for (refusal, status, header, value) in [
        (Refusal::default(), 503, "Retry-After", None),
        (Refusal { retry_after_seconds: Some(7), ..Refusal::default() }, 503, "Retry-After", Some("7")),
        (Refusal { status: 486, ..Refusal::default() }, 486, "Retry-After", None),
        (
            Refusal { status: 302, contact: Some("sip:other@192.0.2.9".to_string()), ..Refusal::default() },
            302,
            "Contact",
            Some("<sip:other@192.0.2.9>"),
        ),
    ] {
        let mut bench = bench(Rules { refusal, max_sessions: Some(1), ..Rules::default() });
        let call = Call::set_up(&mut bench, "a");
        let refused = answer(&mut bench, "b", |text| text);
        assert_eq!((refused.status(), refused.header(header)), (Some(status), value));
        let mut call = call;
        let bye = call.request("BYE", "", "");
        bench.send(&bye);
        Call::set_up(&mut bench, "c");
        bench.input(Input::Order(Order::Drain(true)));
        assert_eq!(answer(&mut bench, "d", |text| text).status(), Some(status), "draining");
    }
}

#[test]
fn options_are_answered_as_an_invite_would_be() {
    let mut count = 0;
    let mut asked = |bench: &mut Bench| {
        count += 1;
        statuses(&bench.send(&Call::new(&format!("o{count}")).request("OPTIONS", "", "")))
    };
    assert_eq!(asked(&mut bench(Rules { allow: false, ..Rules::default() })), [403]);
    assert_eq!(asked(&mut bench(Rules { require_tls: true, ..Rules::default() })), [403]);
    let user = User { name: "sbc".to_string(), password: Password::new("secret") };
    let realm = Realm { users: [user].to_vec(), ..Realm::default() };
    let rules = Rules { digest: Some(DigestUsers::Any), max_sessions: Some(1), ..Rules::default() };
    let health = Health { draining: 503, full: 503 };
    let policy = Policy { peers: [local("sbc", rules)].to_vec(), realm, health, ..policy() };
    assert_eq!(asked(&mut Bench::with(policy.clone())), [200], "a health check needs no password");
    let open = Rules { digest: None, max_sessions: Some(1), ..Rules::default() };
    let mut bench = Bench::with(Policy { peers: [local("sbc", open)].to_vec(), ..policy });
    let mut call = Call::set_up(&mut bench, "a");
    assert_eq!(asked(&mut bench), [503], "of this peer no more are taken");
    let bye = call.request("BYE", "", "");
    bench.send(&bye);
    assert_eq!(asked(&mut bench), [200]);
    bench.input(Input::Pressure(Some("Disk Full")));
    assert_eq!(asked(&mut bench), [503]);
    bench.input(Input::Pressure(None));
    bench.input(Input::Order(Order::Drain(true)));
    assert_eq!(asked(&mut bench), [503]);
}

#[test]
fn a_row_may_forbid_or_ask_for_more() {
    let closed = Rules { allow: false, ..Rules::default() };
    assert_eq!(answer(&mut bench(closed), "a", |text| text).status(), Some(403));
    let tls = answer(&mut bench(Rules { require_tls: true, ..Rules::default() }), "a", |text| text);
    assert_eq!(tls.status(), Some(403));
    assert!(tls.header("Warning").unwrap().contains("TLS is required"));

    let strict = || bench(Rules { strict_siprec: true, ..Rules::default() });
    assert_eq!(answer(&mut strict(), "a", |text| text).status(), Some(200));
    let no_tag = answer(&mut strict(), "a", |text| text.replace("Require: siprec\r\n", ""));
    assert_eq!((no_tag.status(), no_tag.header("Require")), (Some(421), Some("siprec")));
    assert_eq!(answer(&mut strict(), "a", |text| text.replace(";+sip.src", "")).status(), Some(403));
}

#[test]
fn plain_media_is_refused_where_srtp_is_required_and_the_answer_says_why() {
    let secure = || bench(Rules { require_srtp: true, ..Rules::default() });
    let plain = answer(&mut secure(), "a", |text| text);
    assert_eq!(plain.status(), Some(488));
    assert!(plain.header("Warning").unwrap().contains("RTP/AVP is plain, and SRTP is required"));
    let mut bench_without_offer = secure();
    let delayed = Call::new("b").request("INVITE", "Require: siprec\r\n", "");
    let answers = bench_without_offer.send(&delayed);
    assert_eq!(statuses(&answers), [488], "our own keys are shown as little as theirs");
    assert_eq!(bench_without_offer.srs.sessions(), 0);
}

#[test]
fn keys_in_the_clear_are_refused_unless_the_peer_is_trusted_with_them() {
    let secure = |text: String| {
        let text = text.replace("RTP/AVP", "RTP/SAVP").replace(
            "a=sendonly",
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\na=sendonly",
        );
        let length = text.split("\r\n\r\n").skip(1).collect::<Vec<_>>().join("\r\n\r\n").len();
        let (head, rest) = text.split_once("Content-Length: ").unwrap();
        let (_, rest) = rest.split_once("\r\n").unwrap();
        format!("{head}Content-Length: {length}\r\n{rest}")
    };
    let refused = answer(&mut bench(Rules::default()), "a", secure);
    assert!(refused.header("Warning").unwrap().contains("came over signalling without TLS"));
    let trusted = Rules { sdes_over_clear: true, ..Rules::default() };
    assert_eq!(answer(&mut bench(trusted), "b", secure).status(), Some(200));
}

#[test]
fn an_invite_is_asked_for_credentials_and_its_dialog_is_not() {
    let user = User { name: "sbc".to_string(), password: Password::new("secret") };
    let realm = Realm { users: [user].to_vec(), ..Realm::default() };
    let rules = Rules { digest: Some(DigestUsers::Any), ..Rules::default() };
    let mut bench = Bench::with(Policy { peers: [local("sbc", rules)].to_vec(), realm, ..policy() });
    let mut call = Call::new("a");
    let text = invite(&mut call);
    let challenged = bench.send(&text);
    assert_eq!(statuses(&challenged), [401]);
    let challenges: Vec<&str> = challenged[0].headers_all("WWW-Authenticate").collect();
    assert!(challenges[0].contains("algorithm=SHA-256") && challenges[1].contains("algorithm=MD5"), "{challenges:?}");
    let nonce = challenges[1].split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
    let credentials = |response: &str| {
        format!(
            "Authorization: Digest username=\"sbc\", realm=\"siprec\", nonce=\"{nonce}\", uri=\"sip:srs@{SRS}\", \
             response=\"{response}\", algorithm=MD5, cnonce=\"c\", nc=00000001, qop=auth\r\n"
        )
    };
    let (headers, body) = multipart(&sdp("sendonly"), &metadata("s1"));
    let wrong = call.request("INVITE", &(headers.clone() + &credentials("0123")), &body);
    let again = bench.send(&wrong);
    assert_eq!(statuses(&again), [401]);
    assert!(!again[0].header("WWW-Authenticate").unwrap().contains("stale"));
    assert_eq!(bench.srs.sessions(), 0);

    let response = crate::sip::digest::response_for_tests("INVITE", &credentials("x"), "secret");
    let right = call.request("INVITE", &(headers.clone() + &credentials(&response)), &body);
    let ok = bench.send(&right);
    assert_eq!(statuses(&ok), [200]);
    call.to_tag = ok[0].to_tag().unwrap().to_string();
    let ack = call.request("ACK", "", "");
    bench.send(&ack);
    let bye = call.request("BYE", "", "");
    assert_eq!(statuses(&bench.send(&bye)), [200], "who knows our tag has been asked before");

    let mut replayed = Call::new("b");
    let replay = replayed.request("INVITE", &(headers + &credentials(&response)), &body);
    let refused = bench.send(&replay);
    assert_eq!(statuses(&refused), [401], "captured credentials");
    assert!(refused[0].header("WWW-Authenticate").unwrap().ends_with("stale=true"));
}

#[test]
fn a_health_check_is_answered_as_set() {
    let options = |bench: &mut Bench, id: &str| {
        let text = Call::new(id).request("OPTIONS", "", "");
        statuses(&bench.send(&text))
    };
    let health = Health { draining: 200, full: 503 };
    let mut bench = Bench::with(Policy { health, max_sessions: 1, ..policy() });
    assert_eq!(options(&mut bench, "a"), [200]);
    bench.input(Input::Pressure(Some("Disk Full")));
    assert_eq!(options(&mut bench, "b"), [503]);
    bench.input(Input::Pressure(None));
    let mut call = Call::set_up(&mut bench, "c");
    assert_eq!(options(&mut bench, "d"), [503]);
    let within = call.request("OPTIONS", "", "");
    assert_eq!(statuses(&bench.send(&within)), [200], "in a dialog it asks for the call");
    bench.input(Input::Order(Order::Drain(true)));
    assert_eq!(options(&mut bench, "e"), [200]);
}

#[test]
fn a_flood_from_nobody_is_silenced_and_leaves_peers_and_calls_alone() {
    let guard = Guard { unknown_per_second: Some(10), unknown_together_per_second: Some(100), ..Guard::default() };
    let mut bench = Bench::with(Policy { peers: [local("sbc", Rules::default())].to_vec(), guard, ..policy() });
    let elsewhere = |n: usize| Call::new(&format!("f{n}")).request("OPTIONS", "", "");
    let answered = (0..200).filter(|n| !from_elsewhere(&mut bench, &elsewhere(*n)).is_empty()).count();
    assert_eq!(answered, 20);
    assert_eq!(bench.srs.take_kept_out(), KeptOut { too_many: 180, ..KeptOut::default() });
    assert_eq!(bench.srs.take_kept_out(), KeptOut::default());
    assert_eq!(bench.told.len(), 1, "once a second");
    let mut call = Call::set_up(&mut bench, "a");
    bench.pass(Duration::from_secs(1));
    assert_eq!(from_elsewhere(&mut bench, &elsewhere(1000)), [200], "its share of a second");

    // Calls of an address that is over its rate go on.
    let mut unknown = Call::new("u");
    let text = invite(&mut unknown);
    let (local, remote) = (SRS.parse().unwrap(), "192.0.2.67:5060".parse().unwrap());
    let ok = bench.input(Input::Datagram { local, remote, bytes: text.as_bytes() });
    unknown.to_tag = ok[0].to_tag().unwrap().to_string();
    for n in 0..50 {
        let flood = elsewhere(2000 + n);
        bench.input(Input::Datagram { local, remote, bytes: flood.as_bytes() });
    }
    let bye = unknown.request("BYE", "", "");
    let answers = bench.input(Input::Datagram { local, remote, bytes: bye.as_bytes() });
    assert_eq!(statuses(&answers), [200]);
    let bye = call.request("BYE", "", "");
    assert_eq!(statuses(&bench.send(&bye)), [200]);
}

#[test]
fn many_unknown_senders_together_have_a_rate_too() {
    let guard = Guard { unknown_per_second: Some(10), unknown_together_per_second: Some(20), ..Guard::default() };
    let mut bench = Bench::with(Policy { guard, ..policy() });
    let mut answered = 0;
    for n in 0..100_u8 {
        let (local, remote) = (SRS.parse().unwrap(), SocketAddr::new([198, 51, 100, n].into(), 5060));
        let text = Call::new(&format!("f{n}")).request("OPTIONS", "", "");
        answered += bench.input(Input::Datagram { local, remote, bytes: text.as_bytes() }).len();
    }
    assert_eq!(answered, 40);
}

#[test]
fn a_peer_beyond_its_own_rate_is_told_so() {
    let rules = Rules {
        requests_per_second: Some(5),
        refusal: Refusal { status: 486, ..Refusal::default() },
        ..Rules::default()
    };
    let mut bench = bench(rules);
    let all: Vec<u16> = (0..12)
        .flat_map(|n| {
            let text = Call::new(&format!("p{n}")).request("OPTIONS", "", "");
            statuses(&bench.send(&text))
        })
        .collect();
    assert_eq!(all, [[200; 10].as_slice(), &[486; 2]].concat());
    assert_eq!(bench.srs.take_kept_out().too_many, 2);
}

#[test]
fn strangers_and_scanners_get_what_is_set() {
    let with = |unknown, scanners| {
        let guard = Guard { unknown, scanners, ..Guard::default() };
        Bench::with(Policy { peers: [local("sbc", Rules::default())].to_vec(), guard, ..policy() })
    };
    let options = Call::new("a").request("OPTIONS", "", "");
    let scan = Call::new("b").request("OPTIONS", "User-Agent: friendly-scanner\r\n", "");
    for (unknown, scanners, to_options, to_scan) in [
        (Manner::Accept, Manner::Silent, [200].as_slice(), [].as_slice()),
        (Manner::Accept, Manner::Refuse, &[200], &[403]),
        (Manner::Refuse, Manner::Silent, &[403], &[403]),
        (Manner::Silent, Manner::Refuse, &[], &[]),
    ] {
        let mut bench = with(unknown, scanners);
        assert_eq!(from_elsewhere(&mut bench, &options), to_options, "{unknown:?}");
        assert_eq!(from_elsewhere(&mut bench, &scan), to_scan, "{scanners:?}");
        assert_eq!(statuses(&bench.send(&scan)), [200], "a peer may call itself as it likes");
    }
    let mut bench = with(Manner::Silent, Manner::Silent);
    bench.connect(ConnectionId(1), "192.0.2.66:4000".parse().unwrap(), true);
    assert!(bench.input(Input::Bytes { connection: ConnectionId(1), bytes: options.as_bytes() }).is_empty());
    let guard = Guard {
        allowed: [Network { address: "192.0.2.0".parse().unwrap(), prefix: 24 }].to_vec(),
        unknown: Manner::Silent,
        ..Guard::default()
    };
    let mut bench = Bench::with(Policy { guard, ..policy() });
    assert_eq!(from_elsewhere(&mut bench, &options), [200], "allowed");
}

#[test]
fn a_peer_is_known_by_its_certificate() {
    let who = Who { fingerprints: [[7; 32]].to_vec(), ..Who::default() };
    let peer = Peer { name: "pinned".to_string(), who, rules: Rules { require_tls: true, ..Rules::default() } };
    let guard = Guard { unknown: Manner::Refuse, ..Guard::default() };
    let mut bench = Bench::with(Policy { peers: [peer].to_vec(), guard, ..policy() });
    for (id, fingerprint, status) in [(1, [7; 32], 200), (2, [8; 32], 403)] {
        bench.input(Input::ConnectionOpened {
            id: ConnectionId(id),
            transport: Transport::Tls,
            local: SRS.parse().unwrap(),
            remote: "192.0.2.66:4000".parse().unwrap(),
            certificate: Some(PeerCertificate { fingerprint_sha256: fingerprint, names: Vec::new() }),
            accepted: true,
        });
        let text = invite(&mut Call::new(&format!("c{id}"))).replace("SIP/2.0/UDP", "SIP/2.0/TLS");
        let answers = bench.input(Input::Bytes { connection: ConnectionId(id), bytes: text.as_bytes() });
        assert_eq!(statuses(&answers), [status]);
    }
    assert_eq!(bench.last_checkpoint().peer_row.as_deref(), Some("pinned"));
}

#[test]
fn a_gateway_of_before_siprec_names_its_parties_in_header_fields() {
    let mut bench = bench(Rules { legacy: true, ..Rules::default() });
    let more = "Content-Type: application/sdp\r\nX-Cisco-Recording-Participant: sip:1001@h;media-index=\"0\"\r\n\
                X-Cisco-Recording-Participant: sip:1002@h;media-index=\"1\"\r\n";
    let unlabelled = sdp("sendonly").replace("a=label:1\r\n", "").replace("a=label:2\r\n", "");
    let mut call = Call::new("a");
    let invite = call.request("INVITE", more, &unlabelled).replace(";+sip.src", "");
    let ok = bench.send(&invite);
    assert_eq!(statuses(&ok), [200]);
    assert!(!String::from_utf8_lossy(&ok[0].body).contains("a=label"), "what was not offered is not answered");
    let snapshot = bench.last_checkpoint().snapshot;
    for (label, aor) in [("1", "sip:1001@h"), ("2", "sip:1002@h")] {
        assert_eq!(snapshot.senders(label)[0].names[0].aor, aor);
    }
    let deviations =
        bench.events().iter().any(|e| matches!(e, Event::Metadata { deviations, .. } if !deviations.is_empty()));
    assert!(!deviations, "the form of the translation is ours");
    let labels: Vec<_> = bench.settings.iter().map(|settings| settings.stream.label.clone().unwrap()).collect();
    assert_eq!(labels, ["1", "2"]);
}
