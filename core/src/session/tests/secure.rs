//! Signalling over TLS: how we name ourselves, what must not come in clear, where our requests go.

use super::*;
use crate::sip::{Method, PeerCertificate};

const CONNECTION: ConnectionId = ConnectionId(7);
const TLS_SRS: &str = "127.0.0.1:5061";
const FROM: &str = "127.0.0.2:49152";

fn open(bench: &mut Bench, certificate: Option<PeerCertificate>) {
    let (local, remote) = (TLS_SRS.parse().unwrap(), FROM.parse().unwrap());
    let transport = Transport::Tls;
    bench.input(Input::ConnectionOpened { id: CONNECTION, transport, local, remote, certificate, accepted: true });
}

/// Over the connection, `edit` having bent the request.
fn ask(bench: &mut Bench, request: &str, edit: impl Fn(String) -> String) -> Vec<Message> {
    let request = edit(request.replace("SIP/2.0/UDP", "SIP/2.0/TLS"));
    bench.input(Input::Bytes { connection: CONNECTION, bytes: request.as_bytes() })
}

fn invite(call: &mut Call) -> String {
    let (headers, body) = multipart(&sdp("sendonly"), &metadata("s1"));
    call.request("INVITE", &headers, &body)
}

fn contact(answer: &[Message]) -> String {
    answer.iter().find_map(|m| m.header("Contact")).unwrap().to_string()
}

fn over_tls(policy: Policy, edit: impl Fn(String) -> String) -> (Bench, Call, String) {
    let mut bench = Bench::with(policy);
    open(&mut bench, None);
    let mut call = Call::new("a");
    let request = invite(&mut call);
    let answer = ask(&mut bench, &request, edit);
    call.to_tag = answer.iter().find_map(|m| m.to_tag()).unwrap().to_string();
    let contact = contact(&answer);
    (bench, call, contact)
}

#[test]
fn who_uses_sips_gets_sips_and_who_does_not_gets_what_it_uses() {
    let (_, _, plain) = over_tls(policy(), |r| r);
    assert_eq!(plain, "<sip:srs@127.0.0.1:5061;transport=tls>;+sip.srs");
    let (_, _, by_uri) = over_tls(policy(), |r| r.replacen("INVITE sip:", "INVITE sips:", 1));
    assert_eq!(by_uri, "<sips:srs@127.0.0.1:5061>;+sip.srs");
    let (_, _, by_contact) = over_tls(policy(), |r| r.replace("Contact: <sip:", "Contact: <sips:"));
    assert_eq!(by_contact, "<sips:srs@127.0.0.1:5061>;+sip.srs");
    let advertised = Policy {
        advertised_signalling: Some("192.0.2.1:5060".into()),
        advertised_tls: Some("192.0.2.1:5061".into()),
        ..policy()
    };
    let (_, _, elsewhere) = over_tls(advertised, |r| r);
    assert_eq!(elsewhere, "<sip:srs@192.0.2.1:5061;transport=tls>;+sip.srs");
}

#[test]
fn who_uses_sips_in_clear_gets_sips_back() {
    let answered = |policy: Policy, edit: fn(String) -> String| {
        let request = edit(invite(&mut Call::new("a")));
        contact(&Bench::with(policy).send(&request))
    };
    let by_uri = |request: String| request.replacen("INVITE sip:", "INVITE sips:", 1);
    assert_eq!(answered(policy(), by_uri), "<sips:srs@127.0.0.1:5061>;+sip.srs");
    let advertised = Policy { advertised_tls: Some("192.0.2.1:5071".into()), ..policy() };
    assert_eq!(answered(advertised, by_uri), "<sips:srs@192.0.2.1:5071>;+sip.srs");
    assert_eq!(answered(policy(), |request| request), "<sip:srs@127.0.0.1:5060>;+sip.srs");
}

#[test]
fn what_must_be_secure_is_refused_in_clear() {
    let strict = Policy { rules: Rules { require_tls: true, ..policy().rules }, ..policy() };
    let mut bench = Bench::with(strict.clone());
    let mut clear = Call::new("clear");
    let request = invite(&mut clear);
    assert_eq!(statuses(&bench.send(&request)), [403]);
    assert_eq!(bench.srs.sessions(), 0);

    let (mut bench, mut call, _) = over_tls(strict, |r| r);
    let bye = call.request("BYE", "", "");
    assert_eq!(statuses(&bench.send(&bye)), [403], "in clear, of a session over TLS");
    assert_eq!(bench.srs.sessions(), 1);
    let bye = call.request("BYE", "", "");
    assert_eq!(statuses(&ask(&mut bench, &bye, |r| r)), [200]);
}

#[test]
fn a_sips_dialog_is_not_ended_in_clear_and_a_clear_one_is() {
    let (mut bench, mut call, _) = over_tls(policy(), |r| r.replacen("INVITE sip:", "INVITE sips:", 1));
    let bye = call.request("BYE", "", "");
    assert_eq!(statuses(&bench.send(&bye)), [403]);
    assert_eq!(bench.srs.sessions(), 1);

    // Begun in clear before the operator required TLS.
    let mut bench = Bench::new();
    let mut call = Call::set_up(&mut bench, "a");
    bench.srs.reconfigure(Policy { rules: Rules { require_tls: true, ..policy().rules }, ..policy() });
    let bye = call.request("BYE", "", "");
    assert_eq!(statuses(&bench.send(&bye)), [200]);
}

#[test]
fn our_requests_go_out_on_the_connection_and_without_it_over_tls_to_the_contact() {
    let stop = |bench: &mut Bench| {
        let session = bench.session();
        bench.srs.handle_input(bench.now, Input::Order(Order::Stop(session)));
        let mut sent = None;
        while let Some(output) = bench.srs.poll_output() {
            if let Output::Send { flow, bytes, .. } = output {
                let message = Message::parse_datagram(&bytes).unwrap();
                if message.method() == Some(&Method::Bye) {
                    let via = message.header("Via").unwrap().to_string();
                    sent = Some((flow, via, message.uri().unwrap().to_string()));
                }
            }
        }
        sent.expect("a BYE")
    };
    let (mut bench, ..) = over_tls(policy(), |r| r);
    let (flow, via, _) = stop(&mut bench);
    assert_eq!((flow.connection, flow.transport), (Some(CONNECTION), Transport::Tls));
    assert!(via.starts_with("SIP/2.0/TLS 127.0.0.1:5061;"), "{via}");

    for (uri, expected) in [
        ("sips:src@127.0.0.2", "127.0.0.2:5061"),
        ("sip:src@127.0.0.2;transport=tls", "127.0.0.2:5061"),
        ("sip:src@127.0.0.2", "127.0.0.2:5061"),
        ("sip:src@127.0.0.2:5070", "127.0.0.2:5070"),
    ] {
        let own = "sip:src@127.0.0.2:5070>;+sip.src";
        let (mut bench, ..) = over_tls(policy(), |r| r.replace(own, &format!("{uri}>;+sip.src")));
        bench.input(Input::ConnectionClosed { id: CONNECTION });
        let (flow, _, target) = stop(&mut bench);
        assert_eq!((flow.connection, flow.transport), (None, Transport::Tls), "{uri}");
        assert_eq!((flow.remote.to_string().as_str(), target.as_str()), (expected, uri));
    }
}

#[test]
fn a_connection_remembers_what_its_peer_showed() {
    let mut bench = Bench::new();
    let shown = PeerCertificate { fingerprint_sha256: [5; 32], names: ["sbc.example.com".into()].to_vec() };
    open(&mut bench, Some(shown.clone()));
    let flow = Flow {
        transport: Transport::Tls,
        local: "127.0.0.1:5061".parse().unwrap(),
        remote: "127.0.0.2:5070".parse().unwrap(),
        connection: Some(CONNECTION),
    };
    assert_eq!(bench.srs.certificate_of(&flow), Some(&shown));
    bench.input(Input::ConnectionClosed { id: CONNECTION });
    assert_eq!(bench.srs.certificate_of(&flow), None);
}
