//! Each status that the server can say, brought about at the socket.

use std::collections::BTreeSet;
use support::raw::{Draft, Raw, SOON, via};
use support::server::Setup;
use support::src::body::{Body, sdp};
use support::src::message::Message;
use support::src::{Direction, Transport};

/// Over UDP an INVITE is answered before the next datagram is read, and no datagram is too large.
const ON_STREAMS: [&str; 2] = ["487", "513"];
/// A CANCEL that comes with its INVITE is seldom too late.
const CANCELS: usize = 50;

/// What [`hear`] has heard when it returns: all that stands in the core's sources, and a redirection that is configured;
/// but for 100, which is for [slow](crate::slow) ports.
pub(crate) fn heard(transport: Transport) -> BTreeSet<String> {
    let mut all = crate::sources::statuses();
    all.insert("302".into());
    all.remove("100");
    all.retain(|status| transport != Transport::Udp || !ON_STREAMS.contains(&status.as_str()));
    all
}

/// Room for one call; beyond it each peer is refused in its way. They are told apart by name: under TLS, all have one
/// address.
pub(crate) fn setup() -> Setup {
    let setup = Setup::default().set("server.max_connections=1");
    setup.set("auth.sip.users=[{name: sbc-a, password: 'open sesame'}]").set(
        "peers=[{user_agent: 'moved*', refusal: {status: 302, contact: 'sip:srs2.example.com'}}, \
         {user_agent: 'busy*', refusal: {status: 486}}, {user_agent: 'away*', refusal: {status: 480}}, \
         {user_agent: 'nowhere*', refusal: {status: 600}}, {user_agent: 'strict*', siprec: strict}, \
         {user_agent: 'unknown*', digest: true}, {user_agent: 'phone*', legacy: true}]",
    )
}

/// The final response to this request.
#[track_caller]
fn answer(raw: &Raw, draft: &Draft) -> Message {
    raw.send(&draft.bytes());
    final_of(raw, draft)
}

#[track_caller]
fn final_of(raw: &Raw, draft: &Draft) -> Message {
    let its = |m: &Message| {
        m.status() >= 200 && m.call_id() == draft.call_id && m.cseq() == (draft.cseq, draft.method.as_str())
    };
    raw.find(SOON, its).unwrap_or_else(|| panic!("no answer to {}", draft.method))
}

fn acknowledge(raw: &Raw, invite: &Draft, answer: &Message) {
    let ack = invite.within(raw, answer, "ACK");
    // A refusal's ACK is of its INVITE's transaction (RFC 3261 17.1.1.3).
    let vias = if answer.status() < 300 { ack.vias.clone() } else { invite.vias.clone() };
    raw.send(&Draft { vias, ..ack }.bytes());
}

/// An INVITE with these header lines, acknowledged whatever its status.
#[track_caller]
fn invite(raw: &Raw, more: &str, status: u16) -> (Draft, Message) {
    let draft = Draft { more: more.into(), ..Draft::invite(raw) };
    let answer = answer(raw, &draft);
    assert_eq!(answer.status(), status, "{more}: {}", answer.start);
    acknowledge(raw, &draft, &answer);
    (draft, answer)
}

#[track_caller]
fn expect(raw: &Raw, draft: &Draft, status: u16) {
    let answer = answer(raw, draft);
    assert_eq!(answer.status(), status, "{}: {}", draft.method, answer.start);
}

/// Brings about each of [`heard`], and a request for a snapshot.
#[track_caller]
pub(crate) fn hear(raw: &Raw) {
    refused(raw);
    invite(raw, "User-Agent: strict\r\n", 421);
    let phone = Draft {
        contact: "<sip:phone@127.0.0.1>".into(),
        more: "User-Agent: phone\r\nAccept: text/plain\r\n".into(),
        body: Some(Body { content_type: "application/sdp".into(), bytes: b"v=0\r\n".to_vec() }),
        ..Draft::invite(raw)
    };
    let refusal = answer(raw, &phone);
    assert_eq!(refusal.status(), 406, "{}", refusal.start);
    acknowledge(raw, &phone, &refusal);
    invite(raw, "Require: siprec\r\nUser-Agent: unknown\r\n", 401);
    invite(raw, "Require: siprec\r\nSupported: timer\r\nSession-Expires: 60\r\n", 422);
    if raw.transport != Transport::Udp {
        cancelled(raw);
    }
    let (held, answered) = invite(raw, "Require: siprec\r\n", 200);
    for (name, status) in [("moved", 302), ("busy", 486), ("away", 480), ("nowhere", 600), ("anybody", 503)] {
        invite(raw, &format!("Require: siprec\r\nUser-Agent: {name}\r\n"), status);
    }
    // Our offer waits for its answer in the ACK; theirs has to wait for that.
    let within = |method: &str, cseq: u32| Draft { cseq, ..held.within(raw, &answered, method) };
    let description = || Some(Body::sdp(sdp(raw.local.ip(), &[40_000, 40_002], &[Direction::SendOnly; 2], 2)));
    let empty = within("INVITE", 2);
    expect(raw, &empty, 200);
    expect(raw, &Draft { body: description(), ..within("UPDATE", 3) }, 491);
    raw.send(&Draft { body: description(), ..within("ACK", 2) }.bytes());
    expect(raw, &within("OPTIONS", 1), 500);
    expect(raw, &Draft { more: "Info-Package: foo\r\n".into(), ..within("INFO", 4) }, 469);
    expect(raw, &within("BYE", 5), 200);
    asked(raw);
    if raw.transport != Transport::Udp {
        too_large(raw);
    }
}

/// Each kind of refusal that needs no dialog.
#[track_caller]
pub(crate) fn refused(raw: &Raw) {
    let new = |method: &str| Draft::new(raw, method);
    let invite = |more: &str| Draft { more: more.into(), ..Draft::invite(raw) };
    let with = |content_type: &str, text: &str| {
        let body = Body { content_type: content_type.into(), bytes: text.as_bytes().to_vec() };
        Draft { body: Some(body), ..Draft::invite(raw) }
    };
    let plain = Draft { contact: "<sip:phone@127.0.0.1>".into(), ..with("application/sdp", "v=0\r\n") };
    let cases = [
        (new("OPTIONS"), 200),
        (new("REGISTER"), 405),
        (new("FROBNICATE"), 501),
        (new("BYE"), 481),
        (Draft { uri: "nobody:knows".into(), ..new("OPTIONS") }, 416),
        (Draft { cseq_method: Some("BYE".into()), ..new("OPTIONS") }, 400),
        (invite("Require: siprec, \u{fc}nheard-of\r\n"), 420),
        (invite("Content-Encoding: gzip\r\nRequire: siprec\r\n"), 415),
        (with("application/foo", "\"quoted\" \\ and odd"), 415),
        (with("application/sdp", "v=0\r\nm=audio 9 RTP/AVP 99\r\na=rtpmap:99 \"x\\y\"/8000\r\n"), 488),
        (with("application/sdp", "not a description"), 488),
        (Draft { more: String::new(), ..plain }, 403),
    ];
    for (draft, status) in cases {
        // Not told by its CSeq, of which one is wrong.
        let answer = raw.ask(&draft);
        assert_eq!(answer.status(), status, "{}: {}", draft.method, answer.start);
        if draft.method == "INVITE" {
            acknowledge(raw, &draft, &answer);
        }
    }
    let odd = new("OPTIONS");
    let newer = String::from_utf8(odd.bytes()).unwrap().replacen(" SIP/2.0\r\n", " SIP/7.0\r\n", 1);
    raw.send(newer.as_bytes());
    assert_eq!(final_of(raw, &odd).status(), 505);
    let (first, answered) = self::invite(raw, "Require: siprec\r\n", 200);
    expect(raw, &Draft { vias: vec![via(raw, "by-another-way")], ..first.clone() }, 482);
    expect(raw, &first.within(raw, &answered, "BYE"), 200);
}

/// A length beyond all limits, on a connection of its own: it is the last that is read of it.
fn too_large(raw: &Raw) {
    let raw = Raw::new(raw.server, raw.transport);
    let draft = Draft::new(&raw, "OPTIONS");
    let text = String::from_utf8(draft.bytes()).unwrap().replace("Content-Length: 0", "Content-Length: 100000");
    raw.send(text.as_bytes());
    assert_eq!(final_of(&raw, &draft).status(), 513);
}

/// On a stream both are in one segment, and found together; an INVITE in a datagram is answered before the next is read.
fn cancelled(raw: &Raw) {
    for _ in 0..CANCELS {
        let draft = Draft::invite(raw);
        raw.send(&[draft.bytes(), draft.cancel().bytes()].concat());
        let answer = final_of(raw, &draft);
        acknowledge(raw, &draft, &answer);
        if answer.status() == 487 {
            return;
        }
        expect(raw, &draft.within(raw, &answer, "BYE"), 200);
    }
    panic!("of {CANCELS} CANCELs none came in time");
}

/// A partial document before any complete one: the whole is asked for.
fn asked(raw: &Raw) {
    let draft = Draft::invite(raw);
    let body = draft.body.as_ref().unwrap();
    let partial = String::from_utf8_lossy(&body.bytes).replace(">complete<", ">partial<");
    let body = Some(Body { content_type: body.content_type.clone(), bytes: partial.into_bytes() });
    let draft = Draft { more: "Require: siprec\r\nAllow: INVITE, ACK, BYE, UPDATE\r\n".into(), body, ..draft };
    let answered = answer(raw, &draft);
    acknowledge(raw, &draft, &answered);
    let request = raw.find(SOON, |m| m.method() == "UPDATE").expect("no UPDATE came");
    raw.send(&request.respond(200, "OK", "Content-Length: 0\r\n\r\n"));
    expect(raw, &draft.within(raw, &answered, "BYE"), 200);
}
