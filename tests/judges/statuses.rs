//! The statuses that a call in order never hears, each brought about at the socket.

use support::raw::{Draft, Raw, SOON};
use support::server::Setup;
use support::src::body::{Body, sdp};
use support::src::message::Message;
use support::src::{Direction, Transport};

/// What [`hear`] has heard when it returns; 487 on streams only.
pub(crate) const HEARD: [&str; 10] = ["200", "302", "401", "421", "422", "486", "487", "491", "500", "503"];
/// A CANCEL that comes with its INVITE is seldom too late.
const CANCELS: usize = 50;

/// Room for one call; beyond it each peer is refused in its way. They are told apart by name: under TLS, all have one
/// address.
pub(crate) fn setup() -> Setup {
    let setup = Setup::default().set("server.max_connections=1");
    setup.set("auth.sip.users=[{name: sbc-a, password: 'open sesame'}]").set(
        "peers=[{user_agent: 'moved*', refusal: {status: 302, contact: 'sip:srs2.example.com'}}, \
         {user_agent: 'busy*', refusal: {status: 486}}, {user_agent: 'strict*', siprec: strict}, \
         {user_agent: 'unknown*', digest: true}]",
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

/// Brings about each of [`HEARD`], and a request for a snapshot.
#[track_caller]
pub(crate) fn hear(raw: &Raw) {
    invite(raw, "User-Agent: strict\r\n", 421);
    invite(raw, "Require: siprec\r\nUser-Agent: unknown\r\n", 401);
    invite(raw, "Require: siprec\r\nSupported: timer\r\nSession-Expires: 60\r\n", 422);
    if raw.transport != Transport::Udp {
        cancelled(raw);
    }
    let (held, answered) = invite(raw, "Require: siprec\r\n", 200);
    for (name, status) in [("moved", 302), ("busy", 486), ("anybody", 503)] {
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
    expect(raw, &within("BYE", 4), 200);
    asked(raw);
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
