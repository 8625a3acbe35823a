//! The whole, on messages that hide things.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::*;
use crate::sdp::Description;
use crate::sdp::crypto::Crypto;
use crate::sip::Message;

fn anonymiser(messages: &[&[u8]]) -> Anonymiser {
    let mut survey = Survey::default();
    messages.iter().for_each(|message| survey.message(message));
    Anonymiser::new(survey, Seed([9; 32]))
}

fn anonymised(message: &[u8]) -> Vec<u8> {
    anonymiser(&[message]).message(message).bytes
}

fn has(bytes: &[u8], text: &str) -> bool {
    let (bytes, text) = (bytes.to_ascii_lowercase(), text.to_ascii_lowercase());
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

/// A message of these fields, with a right length, anonymised.
fn fields(lines: &[&str], body: &str) -> String {
    let head = lines.join("\r\n");
    let length = body.len();
    let message =
        format!("INVITE sip:4930123456@sbc.customer.de SIP/2.0\r\n{head}\r\nContent-Length: {length}\r\n\r\n{body}");
    let other = anonymised(message.as_bytes());
    let parsed = Message::parse_datagram(&other).unwrap();
    let told = String::from_utf8_lossy(&other).into_owned();
    let length = told.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    assert_eq!(length, parsed.body.len().to_string());
    told
}

const CALLER: &str = "From: \"Alice \\\"Al\\\" Müller\" <sip:+49-170-5551234;phone-context=+49@gw7.customer.de:5080;user=phone>;tag=77@10.77.1.2";

#[test]
fn the_same_is_the_same_wherever_it_stands() {
    let hidden = [
        ("base64", "QWxpY2UgaXMgYXQgKzQ5MTcwNTU1MTIzNCwgMTAuNzcuMS4y"),
        ("hex", "2b343931373035353531323334"),
        ("percent", "%2B491705551234%40gw7.customer.de"),
    ];
    let told = fields(
        &[
            CALLER,
            "To: <tel:+49 (170) 555-1234>",
            "Call-ID: abc-0a4d0102-x@gw7.customer.de",
            &format!("X-Hidden: {};{};x={}", hidden[0].1, hidden[1].1, hidden[2].1),
            "X-Loose: call from alice \"al\" müller, node-10-77-1-2, number 00491705551234!",
            "Subject: Alice \"Al\" Müller",
        ],
        "",
    );
    for original in ["491705551234", "5551234", "lice", "ller", "customer", "10.77.1.2", "0a4d0102", "10-77-1-2"] {
        assert!(!has(told.as_bytes(), original), "{original} is in\n{told}");
    }
    for (_, text) in hidden {
        assert!(!has(told.as_bytes(), text), "{told}");
    }
    // Each of them became one thing.
    let message = Message::parse_datagram(told.as_bytes()).unwrap();
    let user = message.from().unwrap().uri.user.unwrap();
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let number = digits(user.split(';').next().unwrap());
    assert_eq!(number.len(), 12);
    assert!(user.starts_with(&format!("+{}-{}-{}", &number[..2], &number[2..5], &number[5..])), "{user}");
    assert_eq!(digits(message.header("To").unwrap()), number);
    let value = message.header("X-Hidden").unwrap();
    assert!(value.contains(&format!("%2B{number}%40")), "{value}");
    let hex: String = format!("+{number}").bytes().map(|byte| format!("{byte:02x}")).collect();
    assert!(value.contains(&hex), "{value}");
    let inner = codings::from_base64(value.split(';').next().unwrap().as_bytes()).unwrap();
    assert!(has(&inner, &format!(" is at +{number}, 10.")), "{}", inner.escape_ascii());
    assert_eq!(message.from().unwrap().display.as_deref(), Some(message.header("Subject").unwrap()));
}

#[test]
fn what_is_of_the_protocol_stays() {
    let told = fields(
        &[
            "Via: SIP/2.0/UDP 127.0.0.1:50600;branch=z9hG4bKabc;rport=50601;received=127.0.0.1",
            "CSeq: 102345 INVITE",
            "Max-Forwards: 70",
            "From: Anonymous <sip:anonymous@anonymous.invalid>;tag=a",
            "To: <sip:110@localhost>",
            "Contact: <sip:acmeSrc@127.0.0.1:50600;transport=udp>;+sip.src",
            "Require: siprec",
            "Session-Expires: 14400;refresher=uac",
            "Content-Type: application/sdp",
        ],
        "v=0\r\no=- 123456 234567 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 16384 RTP/SAVP 8 101\r\n\
         a=rtpmap:101 telephone-event/48000\r\na=label:16777301\r\na=ssrc:123456789 cname:host\r\na=ptime:20\r\n",
    );
    for kept in [
        "127.0.0.1:50600;branch=z9hG4bKabc;rport=50601;received=127.0.0.1",
        "CSeq: 102345 INVITE",
        "Anonymous <sip:anonymous@anonymous.invalid>;tag=a",
        "sip:acmeSrc@127.0.0.1:50600;transport=udp>;+sip.src",
        "Session-Expires: 14400;refresher=uac",
        "o=- 123456 234567 IN IP4 127.0.0.1",
        "c=IN IP4 0.0.0.0",
        "m=audio 16384 RTP/SAVP 8 101",
        "telephone-event/48000",
        "a=label:16777301",
        "a=ssrc:123456789 cname:",
        "@localhost>",
    ] {
        assert!(has(told.as_bytes(), kept), "{kept} is not in\n{told}");
    }
    assert!(!has(told.as_bytes(), "sip:110@"), "an emergency number is one");
}

#[test]
fn hosts_of_one_label_devices_and_bare_addresses_are_found_by_their_places() {
    let told = fields(
        &[
            "Via: SIP/2.0/TCP BANKSBC01;branch=z9hG4bKa, SIP / 2.0 / UDP banksbc02:5062 ;received=10.7.7.7",
            "From: sip:alice.c@banksbc03;tag=77@banksbc04",
            "To: <sip:+15551234567;phone-context=banksbc05@banksbc06;user=phone>",
            "Warning: 399 banksbc07 \"gone\"",
            "Contact: <sip:1@10.7.7.8;x-device=SEP0004F2ABCDEF>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-0004f2abcdef>\"",
            "X-Mac: 00:04:f2:ab:cd:ef",
        ],
        "",
    );
    for original in ["banksbc", "alice", "10.7.7.", "0004f2abcdef", "f2:ab:cd"] {
        assert!(!has(told.as_bytes(), original), "{original} is in\n{told}");
    }
    let message = Message::parse_datagram(told.as_bytes()).unwrap();
    let from = message.from().unwrap();
    assert!(from.uri.host.ends_with(".example") && message.from_tag().is_some(), "{told}");
    assert_eq!(message.headers_all("Via").count(), 2);
}

#[test]
fn secrets_are_others_or_gone() {
    let key = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
    let told = fields(
        &[
            "From: <sip:bob:hunter22@192.0.2.8>;tag=1",
            "To: <sip:bob@192.0.2.8>",
            "Authorization: Digest username=\"bob\", realm=\"customer.de\", nonce=\"84a4cc6f3082121f32b42a2187831a9e\", \
             uri=\"sip:192.0.2.8\", response=\"7587245234b3434cc3412213e5f113a5\", algorithm=MD5, qop=auth, nc=00000001",
            "Proxy-Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJib2IifQ.c2ln",
            "Set-Cookie: session=4711",
            "Content-Type: application/sdp",
        ],
        &format!(
            "v=0\r\no=bob 1 1 IN IP4 192.0.2.8\r\ns=Bob's call\r\ne=bob@customer.de (Robert Miller)\r\np=+1 212 555 0199\r\n\
             c=IN IP4 192.0.2.8\r\nt=0 0\r\nm=audio 4000 RTP/SAVP 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}|2^20|1:4\r\n\
             a=ice-pwd:asd88fgpdd777uzjYhagZg\r\na=rtcp:4001 IN IP4 192.0.2.9\r\n\
             a=candidate:1 1 UDP 2130706431 192.0.2.8 4000 typ host\r\nk=clear:geheim\r\n"
        ),
    );
    for original in [
        key, "hunter22", "84a4cc6f", "75872452", "eyJ", "4711", "192.0.2.", "bob", "miller", "geheim", "asd88fg",
        "555 0199", "customer",
    ] {
        assert!(!has(told.as_bytes(), original), "{original} is in\n{told}");
    }
    assert!(has(told.as_bytes(), "algorithm=MD5, qop=auth, nc=00000001"));
    let sdp = &told[told.find("v=0").unwrap()..];
    let description = Description::parse(sdp.as_bytes()).unwrap();
    let line = description.media[0].crypto[0].as_ref().to_string();
    let (now, then) = (Crypto::parse(&line).unwrap(), Crypto::parse(&line.replace(line_key(&line), key)).unwrap());
    assert_eq!(anonymiser(&[]).key(&then.keys[0]).unwrap(), now.keys[0], "packets can be protected as the line says");
}

fn line_key(line: &str) -> &str {
    line.split("inline:").nth(1).unwrap().split('|').next().unwrap()
}

#[test]
fn ids_of_a_call_stay_the_same_id_in_each_of_their_forms() {
    let told = fields(
        &[
            "From: <sip:a@b>;tag=1",
            "To: <sip:c@d>",
            "Cisco-Guid: 2432917800-1464078823-2314850559-1455670872",
            "X-Guid: 91036128-5744-11e7-89f9-d0ff56c3c658",
            "User-to-User: 00FA080001000758A20EFA;encoding=hex",
            "X-UCID: 00001000071487015674",
            "Session-ID: ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000",
        ],
        "",
    );
    let message = Message::parse_datagram(told.as_bytes()).unwrap();
    let mut ids = crate::vendor::CallIds::default();
    ids.message(&message);
    assert_eq!(ids.get("ucid").len(), 1, "{ids:?}");
    let guid = ids.get("cisco_guid")[0].clone();
    assert_eq!(message.header("X-Guid").unwrap().replace('-', ""), guid);
    assert_eq!(ids.get("sip_session_id").len(), 1);
    for original in ["2432917800", "91036128", "58a20efa", "1487015674", "ab30317f"] {
        assert!(!has(told.as_bytes(), original), "{original} is in\n{told}");
    }
}

#[test]
fn metadata_names_others_with_the_same_structure() {
    let body = "<?xml version='1.0'?>\r\n<recording xmlns='urn:ietf:params:xml:ns:recording:1' xmlns:v='http://vendor.example/ext'>\
        <!-- call of Alice Cooper --><datamode>complete</datamode>\
        <participant participant_id='4100'><nameID aor='sip:4100@10.1.2.3'><name xml:lang='en'>Tom & Jerry <b></name></nameID>\
        </participant><participant participant_id=\"p2\"><nameID aor=\"+12125550199@10.1.2.4;user=phone\"><name>Alice Cooper</name>\
        </nameID></participant><stream stream_id='s'><label>4100</label></stream>\
        <participantsessionassoc participant_id='4100'><associate-time>2026-01-02T03:04:05Z</associate-time></participantsessionassoc>\
        <v:data><v:agentName>Cooper, Alice</v:agentName><v:h label='From'>&quot;Zed Zulu&quot; &lt;sip:zed.zulu@h.acme.net&gt;</v:h>\
        <v:ani>4711</v:ani><v:note>spoke to zed zulu of 10.1.2.4</v:note></v:data></recording>\r\n";
    let told = fields(&["From: <sip:a@b>", "To: <sip:c@d>", "Content-Type: application/rs-metadata+xml"], body);
    for original in ["Tom", "Jerry", "Cooper", "zulu", "acme", "10.1.2.", "2125550199", "'4100'", "sip:4100", ">4711<"]
    {
        assert!(!has(told.as_bytes(), original), "{original} is in\n{told}");
    }
    for kept in ["<label>4100</label>", "2026-01-02T03:04:05Z", "http://vendor.example/ext", "<datamode>complete"] {
        assert!(has(told.as_bytes(), kept), "{kept} is not in\n{told}");
    }
    let message = Message::parse_datagram(told.as_bytes()).unwrap();
    let text = String::from_utf8_lossy(&message.body).into_owned();
    let id = text.split("participant_id='").nth(1).unwrap().split('\'').next().unwrap();
    assert!(
        text.contains(&format!("participantsessionassoc participant_id='{id}'"))
            && text.contains(&format!("sip:{id}@"))
    );
}

#[test]
fn parts_in_any_coding_are_read_and_what_cannot_be_read_is_blanked() {
    let body = "preamble of Alice Cooper\r\n--b-10.1.2.3\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n\
        Q2FsbCBmcm9tIEFsaWNlIENvb3Blcg==\r\n--b-10.1.2.3\r\nContent-Type: application/isup;version=itu-t92+\r\nContent-Length: 6\r\n\r\n\
        \x01\x11\x02\x0a\u{80}\r\n--b-10.1.2.3\r\nContent-Type: message/sipfrag\r\n\r\nSIP/2.0 200 OK\r\nContact: <sip:alice@10.1.2.3>\r\n\
        --b-10.1.2.3--\r\n";
    let head = [
        "From: \"Alice Cooper\" <sip:alice@10.1.2.3>;tag=1",
        "To: <sip:c@d>",
        "Content-Type: multipart/mixed;boundary=\"b-10.1.2.3\"",
    ];
    let told = fields(&head, body);
    for original in ["Cooper", "10.1.2.3", "Q29vcGVy", "alice"] {
        assert!(!has(told.as_bytes(), original), "{original} is in\n{told}");
    }
    let message = Message::parse_datagram(told.as_bytes()).unwrap();
    let parts = message.parts().unwrap();
    assert_eq!(parts.len(), 3);
    assert_eq!(parts[0].body, b"Call from Person 1");
    assert!(parts[1].body.iter().all(|octet| *octet == 0) && parts[2].body.starts_with(b"SIP/2.0 200 OK\r\n"));
    let bytes = [head.join("\r\n").as_bytes(), b"\r\n\r\n", body.as_bytes()].concat();
    let bytes = [b"INVITE sip:a@b SIP/2.0\r\n", &bytes[..]].concat();
    assert_eq!(anonymiser(&[&bytes]).message(&bytes).blanked, 1);
}

#[test]
fn a_wrong_length_is_as_wrong_as_before() {
    for (told, right) in [(0_i64, true), (40, false), (-1, false)] {
        let body = "v=0\r\no=- 1 1 IN IP4 198.51.100.200\r\n";
        let length = i64::try_from(body.len()).unwrap() + told;
        let message = format!("OPTIONS sip:a@b SIP/2.0\r\nl : {length}\r\nc: application/sdp\r\n\r\n{body}");
        let other = anonymised(message.as_bytes());
        let text = String::from_utf8_lossy(&other);
        let (head, rest) = text.split_once("\r\n\r\n").unwrap();
        let other_length: i64 = head.split("l : ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
        assert_eq!(other_length - i64::try_from(rest.len()).unwrap(), told);
        assert_eq!(other_length == i64::try_from(rest.len()).unwrap(), right);
    }
}

#[test]
fn keys_that_were_pressed_are_others() {
    let of = |body: &str, kind: &str| {
        let message = format!("INFO sip:a@b SIP/2.0\r\nCSeq: 7 INFO\r\nContent-Type: {kind}\r\n\r\n{body}");
        let text = String::from_utf8(anonymised(message.as_bytes())).unwrap();
        text.split("\r\n\r\n").nth(1).unwrap().to_string()
    };
    let relay = of("Signal=5\r\nDuration=160\r\n", "application/dtmf-relay");
    assert!(
        relay.ends_with("Duration=160\r\n") && relay.starts_with("Signal=") && !relay.starts_with("Signal=5"),
        "{relay}"
    );
    let bare = of("9", "application/dtmf");
    assert!(bare != "9" && bare.len() == 1 && bare.bytes().all(|byte| byte.is_ascii_digit()));
    assert_eq!(of("Signal=#\r\n", "application/dtmf-relay"), "Signal=#\r\n");
}

#[test]
fn what_is_broken_is_walked_over_and_long_things_cost_their_length() {
    for filler in [
        "\"", "<sip:", "@", "a@", ";a=", "[", "%", "%41", "<", "<a b=\"", "&amp;", "1-", "a:", "\\\"", "<name>", "/a",
        ".a", "2b", "1 ", "a <",
    ] {
        let long = filler.repeat(60_000 / filler.len());
        for message in [
            format!("INVITE sip:a@b SIP/2.0\r\nX: {long}\r\n\r\n"),
            format!("INVITE sip:a@b SIP/2.0\r\nCall-ID: {long}\r\n\r\n"),
            format!("INVITE sip:a@b SIP/2.0\r\nContent-Type: application/xml\r\n\r\n{long}"),
            format!("INVITE sip:a@b SIP/2.0\r\nContent-Type: multipart/mixed;boundary=x\r\n\r\n--x\r\n\r\n{long}"),
        ] {
            anonymised(message.as_bytes());
        }
    }
    let whole = format!(
        "INVITE sip:a@b SIP/2.0\r\n{CALLER}\r\nContent-Type: multipart/mixed;boundary=x\r\n\r\n--x\r\n\r\nv=0\r\n--x--"
    );
    for end in 0..whole.len() {
        anonymised(&whole.as_bytes()[..end]);
    }
}
