//! Each deviation by a message of its own, and the answer beside it.

use super::*;
use crate::deviation::Severity;
use crate::session::tests::policy;
use alloc::format;
use alloc::string::{String, ToString};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
                   m=audio 4000 RTP/AVP 8\r\na=sendonly\r\na=label:1\r\nm=audio 4002 RTP/AVP 8\r\na=sendonly\r\na=label:2\r\n";
const METADATA: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<recording xmlns=\"urn:ietf:params:xml:ns:recording:1\">\
    <datamode>complete</datamode><session session_id=\"AAAAAAAAAAAAAAAAAAAAAA==\"/>\
    <participant participant_id=\"BBBBBBBBBBBBBBBBBBBBBB==\"><nameID aor=\"sip:alice@example.com\"><name>Alice</name></nameID></participant>\
    <participant participant_id=\"CCCCCCCCCCCCCCCCCCCCCC==\"><nameID aor=\"sip:bob@example.com\"/></participant>\
    <stream stream_id=\"DDDDDDDDDDDDDDDDDDDDDD==\" session_id=\"AAAAAAAAAAAAAAAAAAAAAA==\"><label>1</label></stream>\
    <stream stream_id=\"EEEEEEEEEEEEEEEEEEEEEE==\" session_id=\"AAAAAAAAAAAAAAAAAAAAAA==\"><label>2</label></stream>\
    <participantstreamassoc participant_id=\"BBBBBBBBBBBBBBBBBBBBBB==\"><send>DDDDDDDDDDDDDDDDDDDDDD==</send></participantstreamassoc>\
    <participantstreamassoc participant_id=\"CCCCCCCCCCCCCCCCCCCCCC==\"><send>EEEEEEEEEEEEEEEEEEEEEE==</send></participantstreamassoc>\
    </recording>\r\n";

/// An INVITE without fault, of which pieces are replaced; Content-Length is right unless it is replaced as well.
fn message(changes: &[(&str, &str)]) -> String {
    let mut head =
        "INVITE sip:srs@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.9;branch=z9hG4bKlint\r\nMax-Forwards: 70\r\n\
                    From: <sip:src@192.0.2.9>;tag=1\r\nTo: <sip:srs@192.0.2.1>\r\nCall-ID: lint\r\nCSeq: 5 INVITE\r\n\
                    Contact: <sip:src@192.0.2.9;transport=tcp>;+sip.src\r\nRequire: siprec\r\n\
                    Content-Type: multipart/mixed;boundary=b\r\nContent-Length: LENGTH\r\n\r\n"
            .to_string();
    let mut body = format!(
        "--b\r\nContent-Type: application/sdp\r\n\r\n{SDP}\r\n--b\r\nContent-Type: application/rs-metadata+xml\r\n\
         Content-Disposition: recording-session\r\n\r\n{METADATA}\r\n--b--\r\n"
    );
    for (from, to) in changes {
        assert!(head.contains(from) || body.contains(from), "{from}");
        head = head.replace(from, to);
        body = body.replace(from, to);
    }
    let length = body.len().to_string();
    format!("{}{body}", head.replace("LENGTH", &length))
}

fn report(changes: &[(&str, &str)]) -> Report {
    over(Transport::Tcp, changes)
}

fn over(transport: Transport, changes: &[(&str, &str)]) -> Report {
    lint(message(changes).as_bytes(), transport, "192.0.2.9:5060".parse().unwrap(), &policy())
}

fn codes(report: &Report) -> Vec<&str> {
    report.deviations.iter().map(|finding| finding.code.as_str()).collect()
}

#[test]
fn a_message_without_fault_has_none() {
    let report = report(&[]);
    assert_eq!(codes(&report), [""; 0]);
    let answer = report.answer.unwrap();
    assert_eq!((answer.status, answer.reason.as_str()), (200, "OK"));
    let sdp = answer.sdp.unwrap();
    assert!(sdp.contains("m=audio 10000 RTP/AVP 8\r\n") && sdp.contains("a=recvonly\r\n") && sdp.contains("a=label:2"));
    assert_eq!(report.labels, [Some("1".to_string()), Some("2".to_string())]);
    assert_eq!(report.participants[0].aor, "sip:alice@example.com");
    assert_eq!((report.participants[0].name.as_deref(), &*report.participants[0].labels[0]), (Some("Alice"), "1"));
    assert_eq!((report.vendor, report.in_dialog), (None, false));
}

/// A code, the changes that call for it, the status of the answer.
type Case = (&'static str, &'static [(&'static str, &'static str)], u16);

const CASES: &[Case] = &[
    // The head.
    ("no-max-forwards", &[("Max-Forwards: 70\r\n", "")], 200),
    ("no-branch", &[(";branch=z9hG4bKlint", "")], 200),
    ("bare-line-feeds", &[("\r\nMax-Forwards", "\nMax-Forwards")], 200),
    ("no-require-siprec", &[("Require: siprec\r\n", "")], 200),
    ("no-src-tag", &[(";+sip.src", "")], 200),
    ("src-tag-misspelt", &[(";+sip.src", ";src")], 200),
    ("src-tag-misspelt", &[(";+sip.src", ";+sip-src")], 200),
    ("src-tag-in-uri", &[(">;+sip.src", ";+sip.src>")], 200),
    ("no-contact", &[("Contact:", "X-Contact:")], 200),
    ("contact-form", &[(">;+sip.src", ";+sip.src")], 200),
    ("refused", &[("Require: siprec", "Require: siprec, foo")], 420),
    ("refused", &[("CSeq: 5 INVITE", "CSeq: 5 BYE")], 400),
    ("unreadable", &[("SIP/2.0\r\nVia", "SIP/7.0\r\nVia")], 505),
    ("sips-in-clear", &[("INVITE sip:", "INVITE sips:")], 200),
    ("sips-in-clear", &[("Contact: <sip:", "Contact: <sips:")], 200),
    ("several-contacts", &[("Contact: <sip:src", "Contact: <sip:other@192.0.2.9>\r\nContact: <sip:src")], 200),
    ("src-tag-false", &[(";+sip.src", ";+sip.src=\"False\"")], 200),
    ("header-without-colon", &[("To: <sip:srs", "no header field\r\nTo: <sip:srs")], 200),
    ("nul-bytes", &[("To: <sip:srs", "X-Text: a\0b\r\nTo: <sip:srs")], 200),
    ("nul-bytes", &[("s=-", "s=-\0")], 200),
    ("nul-bytes", &[("<name>Alice", "<name>Al\0ice")], 200),
    // The body.
    (
        "no-content-type",
        &[("Content-Type: multipart/mixed;boundary=b\r\n", ""), ("--b\r\nContent-Type: application/sdp\r\n\r\n", "")],
        200,
    ),
    ("no-boundary", &[(";boundary=b", ""), ("--b\r\n", "+b\r\n"), ("--b--", "+")], 400),
    ("no-boundary", &[(";boundary=b", "")], 400),
    ("boundary-guessed", &[(";boundary=b", ";boundary=c")], 200),
    ("body-type", &[("multipart/mixed;boundary=b", "text/plain")], 200),
    ("body-type", &[("Content-Type: application/sdp", "Content-Type: text/plain")], 200),
    ("bad-number", &[("Max-Forwards: 70", "Max-Forwards: many")], 200),
    ("bad-number", &[("Max-Forwards: 70", "Max-Forwards: 70\r\nSession-Expires: abc\r\nSupported: timer")], 200),
    (
        "bad-number",
        &[("Max-Forwards: 70", "Max-Forwards: 70\r\nSession-Expires: -90;refresher\r\nRequire: timer")],
        200,
    ),
    ("bad-number", &[("Max-Forwards: 70", "Max-Forwards: 70\r\nMin-SE: \r\nSupported: timer")], 200),
    ("bad-number", &[("Max-Forwards: 70", "Max-Forwards: 70\r\nRSeq: 99999999999999999999999")], 200),
    ("boundary-spelling", &[(";boundary=b", ";boundary='b'")], 200),
    ("boundary-spelling", &[(";boundary=b", ";boundary=B")], 200),
    ("content-encoding", &[("Content-Type: multipart", "Content-Encoding: gzip\r\nContent-Type: multipart")], 415),
    ("content-encoding", &[("Content-Disposition: rec", "Content-Encoding: gzip\r\nContent-Disposition: rec")], 200),
    ("metadata-type", &[("application/rs-metadata+xml", "text/xml")], 200),
    (
        "metadata-type",
        &[("application/rs-metadata+xml\r\nContent-Disposition: recording-session", "application/xml")],
        200,
    ),
    ("metadata-twice", &[("--b--", "--b\r\nContent-Type: application/rs-metadata\r\n\r\n<recording/>\r\n--b--")], 200),
    ("sdp-twice", &[("--b--", "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b--")], 200),
    ("no-delimiter", &[("--b\r\n", "+b\r\n"), ("--b--", "+")], 400),
    ("no-closing-delimiter", &[("--b--\r\n", "")], 200),
    ("delimiter-padding", &[("--b\r\nContent-Type: application/sdp", "--b \r\nContent-Type: application/sdp")], 200),
    ("preamble", &[("--b\r\nContent-Type: application/sdp", "\r\n--b\r\nContent-Type: application/sdp")], 200),
    ("part-without-type", &[("--b--", "--b\r\n\r\ntext\r\n--b--")], 200),
    (
        "part-length",
        &[("Content-Type: application/sdp\r\n", "Content-Type: application/sdp\r\nContent-Length: 9\r\n")],
        200,
    ),
    (
        "part-encoding",
        &[("--b--", "--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\neA==\r\n--b--")],
        200,
    ),
    ("unknown-part", &[("--b--", "--b\r\nContent-Type: application/gtd\r\n\r\nx\r\n--b--")], 200),
    (
        "unknown-required-part",
        &[(
            "--b--",
            "--b\r\nContent-Type: application/gtd\r\nContent-Disposition: signal;handling=required\r\n\r\nx\r\n--b--",
        )],
        415,
    ),
    ("metadata-disposition", &[("Content-Disposition: recording-session\r\n", "")], 200),
    (
        "no-metadata",
        &[
            ("application/rs-metadata+xml\r\nContent-Disposition: recording-session", "text/plain"),
            ("<recording ", "<recordings "),
        ],
        200,
    ),
    ("no-offer", &[("Content-Type: application/sdp\r\n\r\nv=0", "Content-Type: text/plain\r\n\r\nx=0")], 200),
    // The SDP.
    (
        "sdp-unreadable",
        &[("v=0\r\n", "x=0\r\n"), ("m=audio 4000", "x=audio 4000"), ("m=audio 4002", "x=audio 4002")],
        488,
    ),
    ("sdp-no-version", &[("v=0\r\n", "")], 200),
    ("sdp-no-name", &[("s=-\r\n", "")], 200),
    ("sdp-line", &[("t=0 0\r\n", "t=now\r\n")], 200),
    ("sdp-blanks", &[("m=audio 4000", "m= audio\t4000")], 200),
    ("sdp-attribute", &[("a=label:2", "a=candidate:1\r\na=label:2")], 200),
    ("sdp-media-line", &[("m=audio 4002", "m=audio four")], 200),
    ("media-not-recorded", &[("m=audio 4002", "m=audio four")], 200),
    ("label-repeated", &[("a=label:2", "a=label:2\r\na=label:3")], 200),
    ("sdp-line-ends", &[("t=0 0\r\n", "t=0 0\n")], 200),
    ("sdp-no-origin", &[("o=- 1 1 IN IP4 192.0.2.9\r\n", "")], 200),
    ("sdp-no-connection", &[("c=IN IP4 192.0.2.9\r\n", "")], 200),
    ("sdp-no-timing", &[("t=0 0\r\n", "")], 200),
    ("sdp-closed", &[("audio 4000", "audio 0"), ("audio 4002", "audio 0")], 200),
    (
        "crypto-on-plain",
        &[(
            "a=label:2",
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\na=label:2",
        )],
        200,
    ),
    (
        "crypto-invalid",
        &[
            ("audio 4002 RTP/AVP", "audio 4002 RTP/SAVP"),
            ("a=label:2", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2hvcnQ=\r\na=label:2"),
        ],
        200,
    ),
    ("label-missing", &[("a=label:2\r\n", "")], 200),
    ("label-blanks", &[("a=label:2", "a=label: 2")], 200),
    ("label-twice", &[("a=label:2", "a=label:1")], 200),
    ("direction", &[("a=sendonly\r\na=label:2", "a=label:2")], 200),
    ("direction-recvonly", &[("a=sendonly\r\na=label:2", "a=recvonly\r\na=label:2")], 200),
    ("hold-by-address", &[("c=IN IP4 192.0.2.9", "c=IN IP4 0.0.0.0")], 200),
    ("payload-unmapped", &[("RTP/AVP 8\r\na=sendonly\r\na=label:2", "RTP/AVP 8 97\r\na=sendonly\r\na=label:2")], 200),
    (
        "weak-fingerprint",
        &[(
            "RTP/AVP 8\r\na=sendonly\r\na=label:2",
            "UDP/TLS/RTP/SAVP 8\r\na=setup:actpass\r\na=fingerprint:sha-1 \
             4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB\r\na=sendonly\r\na=label:2",
        )],
        200,
    ),
    (
        "fingerprint-in-clear",
        &[(
            "RTP/AVP 8\r\na=sendonly\r\na=label:2",
            "UDP/TLS/RTP/SAVP 8\r\na=setup:actpass\r\na=fingerprint:sha-256 \
             4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF\r\n\
             a=sendonly\r\na=label:2",
        )],
        200,
    ),
    ("media-not-recorded", &[("m=audio 4002 RTP/AVP 8", "m=message 4002 TCP/MSRP *")], 200),
    ("no-usable-codec", &[("RTP/AVP 8", "RTP/AVP 96")], 488),
    // The metadata.
    ("document-type", &[("<recording ", "<!DOCTYPE r [<!ENTITY x 'y'>]><recording ")], 200),
    ("namespace", &[("ns:recording:1", "ns:recording")], 200),
    ("unescaped-ampersand", &[("<name>Alice</name>", "<name>Alice & Bob</name>")], 200),
    ("unescaped-less-than", &[("<name>Alice</name>", "<name>Alice <x></name>")], 200),
    ("end-tag-case", &[("</name>", "</Name>")], 200),
    (
        "unquoted-attribute",
        &[("participant_id=\"BBBBBBBBBBBBBBBBBBBBBB==\"", "participant_id=BBBBBBBBBBBBBBBBBBBBBB==")],
        200,
    ),
    ("named-entity", &[("Alice<", "Ren&eacute;<")], 200),
    ("name-in-name-id", &[("<name>Alice</name>", "Alice")], 200),
    ("name-blanks", &[("Alice<", "Alice\r\n  Smith<")], 200),
    (
        "empty-session",
        &[(
            "<participant participant_id=\"B",
            "<session session_id=\"FFFFFFFFFFFFFFFFFFFFFF==\"/><participant participant_id=\"B",
        )],
        200,
    ),
    ("truncated", &[("</recording>", "")], 200),
    ("id-form", &[("AAAAAAAAAAAAAAAAAAAAAA==", "a")], 200),
    ("unknown-stream", &[("<send>DDDDDDDDDDDDDDDDDDDDDD==", "<send>FFFFFFFFFFFFFFFFFFFFFF==")], 200),
    // Both together.
    ("labels-disjoint", &[("<label>1<", "<label>a<"), ("<label>2<", "<label>b<")], 200),
    ("label-unknown-to-sdp", &[("<label>2<", "<label>3<")], 200),
    ("label-unknown-to-metadata", &[("<label>2<", "<label>3<")], 200),
    ("label-of-two-streams", &[("<label>2<", "<label>1<")], 200),
    ("streams-missing", &[("<stream ", "<x:other xmlns:x='urn:x' "), ("</stream>", "</x:other>")], 200),
    (
        "nobody-described",
        &[("<session session_id=\"AAAAAAAAAAAAAAAAAAAAAA==\"/>", "<!--"), ("</recording>", "--></recording>")],
        200,
    ),
    ("stream-without-label", &[("<label>2</label>", "")], 200),
    (
        "stream-without-sender",
        &[("<send>DDDDDDDDDDDDDDDDDDDDDD==</send>", ""), ("<send>EEEEEEEEEEEEEEEEEEEEEE==</send>", "")],
        200,
    ),
    ("several-senders", &[("<send>EEEEEEEEEEEEEEEEEEEEEE==", "<send>DDDDDDDDDDDDDDDDDDDDDD==")], 200),
    ("stream-on-closed-line", &[("m=audio 4002", "m=audio 0")], 200),
    ("label-order", &[("<label>1<", "<label>x<"), ("<label>2<", "<label>1<"), ("<label>x<", "<label>2<")], 200),
];

#[test]
fn each_deviation_is_named_and_what_it_costs() {
    for (code, changes, status) in CASES {
        let report = report(changes);
        let found = report.deviations.iter().find(|finding| finding.code == *code);
        let found = found.unwrap_or_else(|| panic!("{code}: {:?}", codes(&report)));
        assert!(!found.text.is_empty() && found.section.starts_with("RFC ") && !found.remedy.is_empty(), "{found:?}");
        assert_eq!(report.answer.map(|answer| answer.status), Some(*status), "{code}");
    }
}

#[test]
fn what_is_repaired_says_what_was_meant() {
    let changes: &[&[(&str, &str)]] = &[
        &[("application/rs-metadata+xml", "text/xml")],
        &[("application/rs-metadata+xml\r\nContent-Disposition: recording-session", "text/xml")],
        &[(";boundary=b", ";boundary='B'")],
        &[("</participant>", "</Participant>")],
        &[("a=label:1", "a=label: 1")],
        &[("<name>Alice</name>", "\r\n Alice ")],
    ];
    for change in changes {
        let report = report(change);
        let (party, count) = (&report.participants[0], report.participants.len());
        assert_eq!(
            (party.name.as_deref(), &*party.labels, count),
            (Some("Alice"), &["1".to_string()][..], 2),
            "{change:?}"
        );
        assert_eq!(report.labels[0].as_deref(), Some("1"));
        assert_eq!(
            report.deviations.len(),
            1 + usize::from(change[0].1 == "text/xml" && change[0].0.len() > 30),
            "{change:?}: {:?}",
            codes(&report)
        );
    }
    for method in ["INFO", "MESSAGE"] {
        let (start, cseq) = (format!("{method} sip"), format!("5 {method}"));
        let tagged = ("To: <sip:srs@192.0.2.1>", "To: <sip:srs@192.0.2.1>;tag=t");
        let told = report(&[tagged, ("INVITE sip", &start), ("5 INVITE", &cseq)]);
        let status = told.answer.as_ref().map(|answer| answer.status);
        assert_eq!((codes(&told), status), (["metadata-method"].to_vec(), Some(200)), "{method}");
    }
}

#[test]
fn a_datagram_has_rules_of_its_own() {
    let udp = over(Transport::Udp, &[("Content-Length: LENGTH\r\n", "")]);
    assert_eq!(codes(&udp), ["large-datagram", "no-content-length"]);
    assert_eq!(udp.answer.map(|answer| answer.status), Some(200));
    let tcp = report(&[("Content-Length: LENGTH\r\n", "")]);
    assert_eq!(tcp.answer.map(|answer| answer.status), Some(400));
    let surplus = over(Transport::Udp, &[("--b--\r\n", ""), ("LENGTH", "1000")]);
    assert!(codes(&surplus).contains(&"surplus-after-body"), "{:?}", codes(&surplus));
    let whole = message(&[]);
    let cut = whole.strip_suffix("--\r\n").unwrap();
    let few = lint(cut.as_bytes(), Transport::Udp, "192.0.2.9:5060".parse().unwrap(), &policy());
    assert!(codes(&few).contains(&"short-body"), "{:?}", codes(&few));
    assert_eq!(few.answer.map(|answer| answer.status), Some(200));
    let short = over(Transport::Udp, &[("LENGTH", "9000")]);
    assert_eq!(
        (codes(&short), short.answer.as_ref().map(|answer| answer.status)),
        (["unreadable"].to_vec(), Some(400))
    );
}

#[test]
fn the_worst_comes_first_and_a_refusal_is_explained_once() {
    let report = report(&[
        ("Require: siprec\r\n", ""),
        (";+sip.src", ""),
        ("application/rs-metadata+xml\r\nContent-Disposition: recording-session", "text/plain"),
        ("<recording ", "<recordings "),
    ]);
    assert_eq!(report.answer.as_ref().map(|answer| answer.status), Some(403));
    assert_eq!(codes(&report)[0], "not-siprec");
    assert!(!codes(&report).contains(&"refused"));
    let severities: Vec<Severity> = report.deviations.iter().map(|finding| finding.severity).collect();
    assert!(severities.is_sorted_by(|a, b| a >= b), "{severities:?}");
}

#[test]
fn a_refusal_has_its_own_section() {
    let report = report(&[("Require: siprec", "Require: siprec, foo")]);
    let refused = report.deviations.iter().find(|finding| finding.code == "refused").unwrap();
    assert_eq!((refused.text.as_str(), refused.section.as_str()), ("420 Bad Extension", "RFC 3261 8.2.2.3"));
}

#[test]
fn what_belongs_to_a_dialog_is_answered_in_one() {
    let tagged = ("To: <sip:srs@192.0.2.1>", "To: <sip:srs@192.0.2.1>;tag=theirs");
    let partial = ("complete", "partial");
    let reinvite = report(&[tagged, partial, ("<send>DDDDDDDDDDDDDDDDDDDDDD==", "<send>of an earlier document")]);
    assert_eq!((reinvite.answer.as_ref().map(|a| a.status), reinvite.in_dialog), (Some(200), true));
    assert_eq!(codes(&reinvite), ["id-form"; 0], "what a partial document leans on is not known here");
    let bye = report(&[tagged, ("INVITE sip", "BYE sip"), ("5 INVITE", "5 BYE")]);
    assert_eq!(bye.answer.map(|answer| answer.status), Some(200));
    let stray = report(&[("INVITE sip", "BYE sip"), ("5 INVITE", "5 BYE")]);
    assert!(codes(&stray).contains(&"bye-without-to-tag"));
}

#[test]
fn what_is_no_request_has_no_answer() {
    for bytes in [
        "",
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "ACK sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nl: 9\r\n\r\n",
    ] {
        let report = lint(bytes.as_bytes(), Transport::Udp, "[2001:db8::9]:5060".parse().unwrap(), &policy());
        assert_eq!(report.answer, None, "{bytes}");
    }
}

/// Alone it would be 481: its INVITE is made up for it, as a dialog is for a BYE.
#[test]
fn a_cancel_is_answered_as_if_its_invite_had_come() {
    let cancel = "CANCEL sip:srs@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKcancelled\r\nMax-Forwards: 70\r\n\
                  From: <sip:src@192.0.2.9>;tag=1\r\nTo: <sip:srs@192.0.2.1>\r\nCall-ID: lint\r\nCSeq: 5 CANCEL\r\nContent-Length: 0\r\n\r\n";
    let report = lint(cancel.as_bytes(), Transport::Udp, "192.0.2.9:5060".parse().unwrap(), &policy());
    assert_eq!(report.answer.map(|answer| (answer.status, answer.reason)), Some((200, "OK".to_string())));
}
