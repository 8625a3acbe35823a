//! Every quirk that SRCs were seen with, each by a message written for it: what must come out in spite of it. The numbers
//! are those of the list of quirks; rows about whole dialogs stand in the session's tests and in tests/signalling.rs.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

mod linter;

use linter::{METADATA, SDP, changed, invite, people, report, status};

const BOTH: [&str; 2] = ["Ann<sip:ann@example.com>1", "Ben<sip:ben@example.com>2"];

/// Row, changes to a good INVITE; the answer is 200 and both parties are known on their labels.
const HARMLESS: &[(u8, &[(&str, &str)])] = &[
    (1, &[("application/rs-metadata+xml", "application/rs-metadata")]),
    (1, &[("application/rs-metadata+xml", "Application/RS-Metadata;charset=UTF-8")]),
    (2, &[("ns:recording:1", "ns:recording")]),
    (2, &[("ns:recording:1", "ns:siprec")]),
    (2, &[("<recording xmlns=", "<x:recording xmlns:x=\"urn:other\" xmlns="), ("</recording>", "</x:recording>")]),
    (
        3,
        &[
            ("<recording xmlns", "<recording_metadata xmlns"),
            ("</recording>", "<recording id=\"r\"><type>selective</type></recording></recording_metadata>"),
        ],
    ),
    (
        4,
        &[
            ("participant participant_id", "participant id"),
            ("stream stream_id", "stream id"),
            ("session session_id", "session id"),
        ],
    ),
    (4, &[("stream_id=\"s1\" session_id", "id=\"s1\" session")]),
    (5, &[("<datamode>complete</datamode>", "<dataMode> Complete </dataMode>")]),
    (5, &[("<datamode>complete</datamode>", "")]),
    (6, &[("\"pa\"", "\"+15550100@h:5060\""), ("\"s\"", "\"20260101-1 x\"")]),
    (6, &[("\"s1\"", "\"urn:uuid:9\""), (">s1<", ">urn:uuid:9<")]),
    (
        7,
        &[
            (
                "<participantstreamassoc participant_id=\"pa\"><send>s1</send><recv>s2</recv></participantstreamassoc>",
                "",
            ),
            ("<name>Ann</name></nameID>", "<name>Ann</name></nameID><send>s1</send><recv>s2</recv>"),
        ],
    ),
    (7, &[("<send>s1</send>", "<send><id>s1</id></send>")]),
    (14, &[("<name>Ann</name>", "<name>\r\n  Ann \t</name>")]),
    (15, &[("<name>Ann</name>", "<name xml:lang=\"en\">Ann</name><name xml:lang=\"de\">Anna</name>")]),
    (
        16,
        &[(
            "<session session_id=\"s\"/>",
            "<session session_id=\"s\"><start-time>1970-01-01T00:00:00+0000</start-time></session>",
        )],
    ),
    (
        16,
        &[(
            "<session session_id=\"s\"/>",
            "<session session_id=\"s\"><start-time>2026-01-01T00:00:00.1234567</start-time></session>",
        )],
    ),
    (16, &[("<session session_id=\"s\"/>", "<session session_id=\"s\"><start-time>yesterday</start-time></session>")]),
    (
        20,
        &[(
            "<session session_id=\"s\"/>",
            "<session session_id=\"s\"><v:data xmlns:v=\"urn:v\"><v:participant participant_id=\"no\"/></v:data></session>",
        )],
    ),
    (
        20,
        &[(
            "</recording>",
            "<vendorExtension xmlns=\"urn:v\"><participant participant_id=\"no\"/></vendorExtension></recording>",
        )],
    ),
    (21, &[("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n", "")]),
    (
        21,
        &[(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
            "  <?xml version='1.0'?><!-- <participant participant_id='no'/> -->",
        )],
    ),
    (21, &[("participant participant_id=\"pa\"", "participant\r\n\tparticipant_id\r\n=\r\n'pa'\r\n")]),
    (22, &[("<name>Ann</name>", "<name>Ann</name"), ("</name</nameID>", "</name></nameID>")]),
    (23, &[(";boundary=b", "; x=y;\r\n\tBOUNDARY=\"b\"")]),
    (23, &[(";boundary=b", "; boundary=\"b c=d\""), ("--b\r\n", "--b c=d\r\n"), ("--b--", "--b c=d--")]),
    (24, &[("--b\r\n", "--b \t\r\n"), ("--b--\r\n", "--b-- \r\n")]),
    (24, &[("--b--", "--b\r\n\r\n--bb\r\n--b-\r\n--b--")]),
    (25, &[("\r\n--b--\r\n", "")]),
    (26, &[("--b\r\nContent-Type: application/sdp", "\r\nThis is MIME.\r\n--b\r\nContent-Type: application/sdp")]),
    (27, &[("Content-Type: application/sdp", "Content-Type:application/sdp\r\nContent-Length:3")]),
    (27, &[("--b--", "--b\r\nno fields\r\n--b--")]),
    (
        28,
        &[(
            "--b--",
            "--b\r\nContent-Type: application/gtd\r\nContent-Disposition: signal;handling=optional\r\n\r\nIAM,\r\n--b--",
        )],
    ),
    (
        28,
        &[
            (
                "Content-Type: application/sdp\r\n\r\n",
                "Content-Type: multipart/alternative;boundary=bb\r\n\r\n--bb\r\nContent-Type: application/sdp\r\n\r\n",
            ),
            ("\r\n--b\r\nContent-Type: application/rs", "\r\n--bb--\r\n--b\r\nContent-Type: application/rs"),
        ],
    ),
    (29, &[("Content-Disposition: recording-session\r\n", "")]),
    (29, &[("Content-Disposition: recording-session", "Content-Disposition: signal;handling=optional")]),
    (32, &[("Require: siprec\r\n", "")]),
    (33, &[(">;+sip.src", ">; +sip.src")]),
    (33, &[(">;+sip.src", ">;src")]),
    (33, &[(">;+sip.src", ";+sip.src>")]),
    (33, &[(">;+sip.src", ">;+sip-src")]),
    (33, &[(";+sip.src", ""), ("Require: siprec\r\n", "")]),
    (34, &[("<sip:src@192.0.2.9>;+sip.src", "<sip:src@192.0.2.9;+sip.src")]),
    (35, &[("<sip:src@192.0.2.9>;+sip.src", "sip:src@192.0.2.9;tranport=udp;+sip.src")]),
    (
        36,
        &[(
            "Max-Forwards: 70",
            "Max-Forwards:70\r\nSupported:\r\nSupported: timer\r\nRecv-Info:\r\nAccept:\r\nProxy-Require: privacy\r\nRoute: <sip:192.0.2.1;lr>\r\nSession-ID: a;remote=b",
        )],
    ),
    (36, &[("From: <sip", "From: \"Ann\"<sip"), ("CSeq: 5", "CSeq: 1038329112")]),
    (40, &[("c=IN IP4 192.0.2.9\r\n", ""), ("t=0 0\r\n", "")]),
    (40, &[("c=IN IP4 192.0.2.9\r\n", ""), ("RTP/AVP 8\r\n", "RTP/AVP 8\r\nc=IN IP4 192.0.2.9\r\n")]),
    (41, &[("a=sendonly\r\n", "")]),
    (41, &[("a=sendonly\r\n", "a=sendrecv\r\n")]),
    (45, &[("RTP/AVP 8", "RTP/AVP 8 0 2 9 18 19 101")]),
    (
        49,
        &[(
            "a=label:2",
            "a=3gOoBTC\r\na=direction:both\r\na=X-nat:0\r\na=rtcp:4003\r\na=candidate:1 1 UDP 1 192.0.2.9 9 typ host\r\njunk\r\na=label:2",
        )],
    ),
    (49, &[("a=label:2\r\n", "a=label:2")]),
    (52, &[("Max-Forwards: 70", "Max-Forwards: 70\r\nSession-Expires: 1800\r\nMin-SE: 90")]),
];

#[test]
fn harmless_quirks_cost_nothing() {
    for (row, changes) in HARMLESS {
        harmless(*row, &invite(changes));
    }
    // 38: what stands behind the announced body is cut off. 39: bare line feeds, the length that of what is sent.
    harmless(38, &[invite(&[]), b"surplus".to_vec()].concat());
    harmless(39, &changed(linter::HEAD, &linter::body(), &[("\r\n", "\n")]));
}

fn harmless(row: u8, message: &[u8]) {
    let report = report(message);
    let text = String::from_utf8_lossy(message);
    assert_eq!(status(&report), 200, "row {row}: {text}");
    assert_eq!(people(&report), BOTH, "row {row}: {text}");
}

/// Row, changes, status, the parties, the labels of the answer.
type Lossy = (u8, &'static [(&'static str, &'static str)], u16, &'static [&'static str]);

const LOSSY: &[Lossy] = &[
    // No association at all: by order.
    (
        8,
        &[
            (
                "<participantstreamassoc participant_id=\"pa\"><send>s1</send><recv>s2</recv></participantstreamassoc>",
                "",
            ),
            (
                "<participantstreamassoc participant_id=\"pb\"><send>s2</send><recv>s1</recv></participantstreamassoc>",
                "",
            ),
        ],
        200,
        &BOTH,
    ),
    // Empty ones: nobody sends now, and who they are is known.
    (9, &[("<send>s1</send><recv>s2</recv>", ""), ("<send>s2</send><recv>s1</recv>", "")], 200, &BOTH),
    // Both send on one.
    (
        10,
        &[("<send>s2</send><recv>s1</recv>", "<send>s1</send>")],
        200,
        &["Ann<sip:ann@example.com>1", "Ben<sip:ben@example.com>1"],
    ),
    // A stream without an m-line, an m-line without a stream, a send to nowhere.
    (11, &[("m=audio 4002 RTP/AVP 8\r\na=sendonly\r\na=label:2\r\n", "")], 200, &BOTH),
    (
        11,
        &[("<stream stream_id=\"s2\" session_id=\"s\"><label>2</label></stream>", "")],
        200,
        &["Ann<sip:ann@example.com>1", "Ben<sip:ben@example.com>"],
    ),
    // Swapped: the metadata is believed.
    (
        12,
        &[
            ("<send>s1</send>", "<send>x</send>"),
            ("<send>s2</send>", "<send>s1</send>"),
            ("<send>x</send>", "<send>s2</send>"),
        ],
        200,
        &["Ann<sip:ann@example.com>2", "Ben<sip:ben@example.com>1"],
    ),
    // Addresses of every form.
    (13, &[("sip:ann@example.com", "15550100")], 200, &["Ann<15550100>1", "Ben<sip:ben@example.com>2"]),
    (
        13,
        &[("sip:ann@example.com", "tel:+1-555-0100;ext=1")],
        200,
        &["Ann<tel:+1-555-0100;ext=1>1", "Ben<sip:ben@example.com>2"],
    ),
    (
        13,
        &[("sip:ann@example.com", "Extension-0@h;user=phone;noa=x")],
        200,
        &["Ann<Extension-0@h;user=phone;noa=x>1", "Ben<sip:ben@example.com>2"],
    ),
    // Display names: none, blank, quoted.
    (14, &[("<name>Ann</name>", "")], 200, &["-<sip:ann@example.com>1", "Ben<sip:ben@example.com>2"]),
    (14, &[("<name>Ann</name>", "<name> </name>")], 200, &["-<sip:ann@example.com>1", "Ben<sip:ben@example.com>2"]),
    (
        14,
        &[("<name>Ann</name>", "<name>\"Ann\" ;lang=en;id=22</name>")],
        200,
        &["\"Ann\" ;lang=en;id=22<sip:ann@example.com>1", "Ben<sip:ben@example.com>2"],
    ),
    // XML without its tags: the audio is recorded.
    (22, &[("<datamode>", ""), ("<session session_id=\"s\"/>", "<<<>><"), ("</recording>", "")], 200, &BOTH),
    // A boundary that is not named is asked for (RFC 2046 5.1.1); one that is not as the body has it is found.
    (23, &[(";boundary=b", "")], 400, &[]),
    (23, &[(";boundary=b", ";boundary='B'")], 200, &BOTH),
    (23, &[(";boundary=b", ";boundary=c")], 200, &BOTH),
    // An option that must be known and is not.
    (32, &[("Require: siprec", "Require: siprec, x-unknown")], 420, &BOTH),
    (
        28,
        &[("--b--", "--b\r\nContent-Type: x/y\r\nContent-Disposition: x;handling=required\r\n\r\n\r\n--b--")],
        415,
        &[],
    ),
    (37, &[("CSeq: 5 INVITE", "CSeq: 5 OPTIONS")], 400, &BOTH),
    // Labels: zero, long, words, none, twice.
    (
        46,
        &[("a=label:1", "a=label:0"), ("<label>1<", "<label>0<")],
        200,
        &["Ann<sip:ann@example.com>0", "Ben<sip:ben@example.com>2"],
    ),
    (
        46,
        &[("a=label:1", "a=label:16777227"), ("<label>1<", "<label>16777227<")],
        200,
        &["Ann<sip:ann@example.com>16777227", "Ben<sip:ben@example.com>2"],
    ),
    (
        46,
        &[("a=label:1", "a=label:a_leg"), ("<label>1<", "<label>a_leg<")],
        200,
        &["Ann<sip:ann@example.com>a_leg", "Ben<sip:ben@example.com>2"],
    ),
    (46, &[("a=label:1\r\n", ""), ("a=label:2\r\n", "")], 200, &BOTH),
    (46, &[("a=label:2", "a=label:1")], 200, &BOTH),
    // No codec of ours.
    (45, &[("RTP/AVP 8", "RTP/AVP 120")], 488, &BOTH),
];

#[test]
fn what_a_quirk_costs_is_itself_only() {
    for (row, changes, expected, parties) in LOSSY {
        let message = invite(changes);
        let report = report(&message);
        let text = String::from_utf8_lossy(&message).into_owned();
        assert_eq!(
            (status(&report), people(&report)),
            (*expected, parties.iter().map(ToString::to_string).collect()),
            "row {row}: {text}"
        );
    }
}

#[test]
fn a_request_that_leaves_an_option_out_names_it() {
    let report = report(&invite(&[("Require: siprec", "Require: siprec, x-unknown")]));
    let answer = String::from_utf8(report.answer.unwrap().bytes).unwrap();
    assert!(answer.contains("\r\nUnsupported: x-unknown\r\n"), "{answer}");
}

/// The m-lines of the answer: port (0 or not), direction, label.
fn answered(changes: &[(&str, &str)]) -> Vec<String> {
    let report = report(&invite(changes));
    assert_eq!(status(&report), 200, "{changes:?}");
    let sdp = report.answer.and_then(|answer| answer.sdp).unwrap_or_default();
    let mut lines: Vec<String> = Vec::new();
    for line in sdp.lines() {
        if let Some(rest) = line.strip_prefix("m=") {
            let port = rest.split(' ').nth(1).unwrap();
            lines.push(if port == "0" { "port0".into() } else { String::new() });
        } else if let (Some(last), Some(attribute)) = (lines.last_mut(), line.strip_prefix("a="))
            && (["recvonly", "inactive", "sendonly", "sendrecv"].contains(&attribute)
                || attribute.starts_with("label:"))
        {
            last.push_str(&format!(" {attribute}"));
        }
    }
    lines.iter().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn each_m_line_is_answered_in_its_place() {
    let plain = ["recvonly label:1", "recvonly label:2"];
    let sorted = |lines: Vec<String>| -> Vec<String> {
        let sort = |line: String| {
            let mut words: Vec<&str> = line.split(' ').collect();
            words.sort_unstable_by_key(|word| word.starts_with("label"));
            words.join(" ")
        };
        lines.into_iter().map(sort).collect()
    };
    let of = |changes: &[(&str, &str)]| sorted(answered(changes));
    assert_eq!(of(&[]), plain);
    // 41: whatever is offered, we only receive. 42: hold is answered inactive; by its address, it is a hold too.
    assert_eq!(of(&[("a=sendonly", "a=sendrecv")]), plain);
    assert_eq!(of(&[("a=sendonly", "a=inactive")]), ["inactive label:1", "inactive label:2"]);
    assert_eq!(of(&[("a=sendonly\r\na=label:1", "a=inactive\r\na=label:1")]), ["inactive label:1", "recvonly label:2"]);
    // 43: a closed one stays closed, in its place.
    assert!(of(&[("audio 4000", "audio 0")])[0].starts_with("port0"));
    // 46: the SRC's label, and none where it has none.
    assert_eq!(of(&[("a=label:1\r\n", "")]), ["recvonly", "recvonly label:2"]);
    assert_eq!(of(&[("a=label:2", "a=label:1")]), ["recvonly label:1", "recvonly label:1"]);
    // 47: other media.
    let four = of(&[(
        "m=audio 4002",
        "m=text 4004 RTP/AVP 98\r\na=rtpmap:98 t140/1000\r\na=label:3\r\nm=message 4006 TCP/MSRP *\r\na=label:4\r\nm=audio 4002",
    )]);
    assert_eq!(four.len(), 4);
    assert!(four[2].starts_with("port0") && four[3] == "recvonly label:2", "{four:?}");
}

#[test]
fn bodies_that_are_one_part_alone() {
    let head = linter::HEAD;
    let typed = |kind: &str| format!("Content-Type: {kind}");
    // 30: metadata alone in an INVITE: we offer, one m-line a label.
    let message =
        changed(head, METADATA, &[("Content-Type: multipart/mixed;boundary=b", &typed("application/rs-metadata"))]);
    let offered = report(&message);
    assert_eq!((status(&offered), people(&offered)), (200, BOTH.map(String::from).to_vec()));
    assert_eq!(offered.answer.unwrap().sdp.unwrap().matches("m=audio").count(), 2);
    // 30: and in an UPDATE: 200 without SDP.
    let update = [
        ("INVITE sip", "UPDATE sip"),
        ("5 INVITE", "5 UPDATE"),
        ("To: <sip:srs@192.0.2.1>", "To: <sip:srs@192.0.2.1>;tag=ours"),
    ];
    let bare = typed("application/rs-metadata");
    let mut changes = update.to_vec();
    changes.push(("Content-Type: multipart/mixed;boundary=b", &bare));
    let updated = report(&changed(head, METADATA, &changes));
    assert_eq!((status(&updated), updated.answer.as_ref().unwrap().sdp.clone()), (200, None));
    assert_eq!(people(&updated), BOTH);
    // 31: SDP alone.
    let sdp = typed("application/sdp");
    let plain = report(&changed(head, SDP, &[("Content-Type: multipart/mixed;boundary=b", &sdp)]));
    assert_eq!((status(&plain), people(&plain).len()), (200, 0));
}

#[test]
fn large_datagrams_and_slips_of_requests_are_borne() {
    // 50: 3.6 kB and more in one datagram.
    let long = format!("<name>Ann</name><name>{}</name>", "x".repeat(5_000));
    let large = report(&invite(&[("<name>Ann</name>", &long)]));
    assert_eq!((status(&large), people(&large)), (200, BOTH.map(String::from).to_vec()));
    // 37: a BYE without To tag belongs to the dialog of its Call-ID and From tag.
    let bye = changed(
        linter::HEAD,
        "",
        &[("INVITE sip", "BYE sip"), ("5 INVITE", "6 BYE"), ("Content-Type: multipart/mixed;boundary=b\r\n", "")],
    );
    assert_eq!(status(&report(&bye)), 200);
    // 38: over UDP a body shorter than announced is refused.
    let short = changed(linter::HEAD, &linter::body(), &[("LENGTH", "60000")]);
    assert_eq!(status(&report(&short)), 400);
}
