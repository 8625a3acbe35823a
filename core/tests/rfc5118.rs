//! SIP over IPv6 as RFC 5118 tortures it: a message of our own for each of its cases, and what it says of them.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

mod linter;

use linter::{changed, report, status};
use siprec_core::sip::{Message, Uri, Via};

const HEAD: &str = "OPTIONS sip:[2001:db8:5::10] SIP/2.0\r\nVia: SIP/2.0/UDP [2001:db8:5::9];branch=z9hG4bKv6\r\nMax-Forwards: 70\r\n\
    From: <sip:ann@example.com>;tag=a\r\nTo: <sip:ben@example.com>\r\nCall-ID: v6@[2001:db8:5::9]\r\nCSeq: 7 OPTIONS\r\n\
    Contact: \"Ann\" <sip:ann@[2001:db8:5::1]>\r\nContent-Length: LENGTH\r\n\r\n";

fn answer(changes: &[(&str, &str)]) -> u16 {
    status(&report(&changed(HEAD, "", changes)))
}

const REGISTER: (&str, &str) = ("OPTIONS", "REGISTER");

#[test]
fn section_4_1_references_in_brackets_are_read() {
    assert_eq!(answer(&[]), 200);
    assert_eq!(answer(&[REGISTER]), 405, "well-formed, and not served here");
    let message = Message::parse_datagram(&changed(HEAD, "", &[])).unwrap();
    assert_eq!(message.via_top().unwrap().host, "[2001:db8:5::9]");
    assert_eq!(message.contacts()[0].uri.host, "[2001:db8:5::1]");
}

#[test]
fn section_4_2_an_address_without_brackets_is_a_bad_request() {
    for wrong in ["sip:2001:db8:5::10", "sip:ann@2001:db8:5::10", "sip:[2001:db8:5::10", "sip:2001:db8:5::10]"] {
        assert_eq!(answer(&[("sip:[2001:db8:5::10]", wrong)]), 400, "{wrong}");
        assert_eq!(answer(&[REGISTER, ("sip:[2001:db8:5::10]", wrong)]), 400, "{wrong}");
    }
}

#[test]
fn section_4_3_and_4_4_a_port_stands_behind_the_bracket() {
    let uri = |text: &str| Uri::parse(text).map(|uri| (uri.host, uri.port)).unwrap();
    assert_eq!(uri("sip:[2001:db8:5::10:5070]"), ("[2001:db8:5::10:5070]".into(), None), "an address, however meant");
    assert_eq!(uri("sip:[2001:db8:5::10]:5070"), ("[2001:db8:5::10]".into(), Some(5070)));
    for whole in ["sip:[2001:db8:5::10:5070]", "sip:[2001:db8:5::10]:5070"] {
        assert_eq!(answer(&[("sip:[2001:db8:5::10]", whole)]), 200, "{whole}");
    }
}

#[test]
fn section_4_5_received_is_read_with_and_without_brackets() {
    for received in ["received=[2001:db8:5::255]", "received=2001:db8:5::255"] {
        let changes = [(";branch", format!(";{received};branch"))].map(|(from, to)| (from, to.leak() as &str));
        assert_eq!(answer(&changes), 200, "{received}");
        let bye =
            [&changes[..], &[("OPTIONS", "BYE"), ("To: <sip:ben@example.com>", "To: <sip:ben@example.com>;tag=b")]]
                .concat();
        assert_eq!(answer(&bye), 200, "{received}");
    }
    // What we send has none (RFC 5118 4.5).
    let mut message = Message::parse_datagram(&changed(HEAD, "", &[("z9hG4bKv6", "z9hG4bKv6;rport")])).unwrap();
    message.stamp_via("[2001:db8:5::77]:6060".parse().unwrap());
    let via = message.header("Via").unwrap();
    assert!(via.contains("received=2001:db8:5::77") && via.contains("rport=6060"), "{via}");
}

/// An INVITE of a recording session whose SDP is `sdp`.
fn invite(sdp: &str, changes: &[(&str, &str)]) -> Vec<u8> {
    let mut all = vec![
        ("OPTIONS", "INVITE"),
        ("<sip:ann@[2001:db8:5::1]>", "<sip:ann@[2001:db8:5::1]>;+sip.src"),
        ("Content-Length", "Require: siprec\r\nContent-Type: application/sdp\r\nContent-Length"),
    ];
    all.extend_from_slice(changes);
    changed(HEAD, sdp, &all)
}

const SDP: &str = "v=0\r\no=ann 1 1 IN IP6 2001:db8:5::20\r\ns=A stream from today\r\nc=IN IP6 2001:db8:5::20\r\n\
    t=3338481189 3370017201\r\nm=audio 6000 RTP/AVP 8\r\na=sendonly\r\na=label:1\r\nm=video 6024 RTP/AVP 107\r\na=rtpmap:107 H263-1998/90000\r\n";

#[test]
fn section_4_6_addresses_in_sdp_have_no_brackets() {
    let report = linter::report(&invite(SDP, &[]));
    assert_eq!(status(&report), 200);
    let bytes = siprec_core::lint::lint(
        &invite(SDP, &[]),
        siprec_core::sip::Transport::Udp,
        "[2001:db8:5::9]:5060".parse().unwrap(),
        &linter::policy(),
    );
    let sdp = bytes.answer.unwrap().sdp.unwrap();
    assert!(sdp.contains("c=IN IP6 2001:db8::1\r\n") && sdp.contains("m=audio 10000 RTP/AVP 8\r\n"), "{sdp}");
}

#[test]
fn section_4_7_both_families_may_stand_in_one_list() {
    let vias = "SIP/2.0/UDP [2001:db8:5::9]:6050;branch=z9hG4bKv6\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKv4\r\n\
                Via: SIP/2.0/TCP [2001:db8:5::255];branch=z9hG4bKmix;received=192.0.2.200";
    let changes = [("SIP/2.0/UDP [2001:db8:5::9];branch=z9hG4bKv6", vias)];
    assert_eq!(answer(&changes), 200);
    let bytes = report(&changed(HEAD, "", &changes)).answer.unwrap().bytes;
    assert_eq!(Message::parse_datagram(&bytes).unwrap().headers_all("Via").count(), 3);
}

#[test]
fn section_4_8_each_m_line_may_have_an_address_of_its_own() {
    let sdp = SDP
        .replace("c=IN IP6 2001:db8:5::20\r\n", "")
        .replace("AVP 8\r\n", "AVP 8\r\nc=IN IP4 192.0.2.1\r\n")
        .replace("AVP 107\r\n", "AVP 107\r\nc=IN IP6 2001:db8:5::1\r\n");
    assert_eq!(status(&report(&invite(&sdp, &[]))), 200);
}

#[test]
fn section_4_9_mapped_addresses_are_read_in_signalling_and_sdp() {
    let sdp = SDP.replace("2001:db8:5::20", "::ffff:192.0.2.2");
    let vias =
        "SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKm\r\nVia: SIP/2.0/UDP [::ffff:192.0.2.2];branch=z9hG4bKn";
    let changes =
        [("SIP/2.0/UDP [2001:db8:5::9];branch=z9hG4bKv6", vias), ("ann@[2001:db8:5::1]", "ann@[::ffff:192.0.2.2]")];
    assert_eq!(status(&report(&invite(&sdp, &changes))), 200);
}

#[test]
fn section_4_10_the_grammars_third_colon_is_borne() {
    assert_eq!(answer(&[("[2001:db8:5::10]", "[2001:db8:::192.0.2.1]")]), 200);
    assert_eq!(answer(&[("<sip:ann@[2001:db8:5::1]>", "<sip:ann@[2001:db8:::192.0.2.1]>")]), 200);
    assert!(Via::parse("SIP/2.0/UDP [2001:db8:::192.0.2.1];branch=z9hG4bKx").is_ok());
}
