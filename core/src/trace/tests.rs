//! Whatever comes in: a story is told of it, and its ladder and sheets are drawn.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use proptest::prelude::*;

use super::*;
use crate::sip::Transport;
use crate::time::Wall;

fn ends() -> (SocketAddr, SocketAddr) {
    ("192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap())
}

fn text(first: &str, cseq: &str, tags: (&str, &str), extra: &str) -> String {
    let (from, to) = tags;
    format!(
        "{first}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{cseq}\r\nFrom: <sip:a@h>;tag={from}\r\nTo: <sip:b@h>{to}\r\n\
         Call-ID: c\r\nCSeq: {cseq} {}\r\n{extra}\r\n",
        if first.contains("BYE") { "BYE" } else { "INVITE" }
    )
}

fn told(messages: &[String]) -> Story {
    let (a, b) = ends();
    let mut trace = Trace::default();
    for (nth, message) in messages.iter().enumerate() {
        let (from, to) = if message.starts_with("SIP/2.0") { (b, a) } else { (a, b) };
        let at = Wall(i64::try_from(nth).unwrap() * 1_000_000);
        trace.message(at, Transport::Udp, from, to, message.as_bytes());
    }
    trace.finish()
}

#[test]
fn a_call_is_known_by_how_it_ends() {
    let invite = || text("INVITE sip:b@h SIP/2.0", "1", ("x", ""), "");
    let with = |first: &str| text(first, "1", ("x", ";tag=y"), "");
    let state = |messages: &[String]| told(messages).calls[0].state.clone();
    assert_eq!(state(&[invite()]), State::Trying);
    assert_eq!(state(&[invite(), with("SIP/2.0 180 Ringing")]), State::Ringing(180));
    assert_eq!(state(&[invite(), with("SIP/2.0 486 Busy Here")]), State::Refused(486));
    assert_eq!(state(&[invite(), with("SIP/2.0 200 OK")]), State::Established);
    let challenged = [invite(), with("SIP/2.0 401 Unauthorized"), invite(), with("SIP/2.0 200 OK")];
    assert_eq!(state(&challenged), State::Established);
    let bye = text("BYE sip:b@h SIP/2.0", "2", ("x", ";tag=y"), "");
    assert_eq!(state(&[invite(), with("SIP/2.0 200 OK"), bye.clone()]), State::Ended(Side::Caller));
    let theirs = text("BYE sip:a@h SIP/2.0", "1", ("y", ";tag=x"), "");
    assert_eq!(state(&[invite(), with("SIP/2.0 200 OK"), theirs]), State::Ended(Side::Callee));
    assert_eq!(state(&[bye]), State::Ended(Side::Caller), "begun before the capture, and over");
}

#[test]
fn a_retransmission_is_the_same_once_more_and_an_answer_knows_its_request() {
    let invite = text("INVITE sip:b@h SIP/2.0", "1", ("x", ""), "");
    let story = told(&[invite.clone(), invite, text("SIP/2.0 200 OK", "1", ("x", ";tag=y"), "")]);
    let told: Vec<_> = story.messages.iter().map(|message| (message.again, message.answers)).collect();
    assert_eq!(told, [(None, None), (Some(0), None), (None, Some(0))]);
    assert_eq!((story.calls[0].retransmissions, story.calls[0].dialogs.len()), (1, 1));
}

#[test]
fn that_no_rtp_came_is_said_of_no_call_whose_rtp_goes_by_unseen() {
    let (a, b) = ends();
    let sdp = |first: &str, to: &str, host: &str| {
        let more = "Content-Type: application/sdp\r\n";
        let sdp =
            format!("v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n");
        text(first, "1", ("x", to), more) + &sdp
    };
    let (invite, ok) = (sdp("INVITE sip:b@h SIP/2.0", "", "192.0.2.1"), sdp("SIP/2.0 200 OK", ";tag=y", "192.0.2.2"));
    let codes = |take: fn(&mut Trace, Wall, Transport, SocketAddr, SocketAddr, &[u8])| {
        let mut trace = Trace::default();
        take(&mut trace, Wall(0), Transport::Udp, a, b, invite.as_bytes());
        take(&mut trace, Wall(1), Transport::Udp, b, a, ok.as_bytes());
        let story = trace.finish();
        let head = head(&story, 0).iter().map(Row::text).collect::<Vec<_>>().join("\n");
        (story.silences(0).iter().map(|silence| silence.code).collect::<Vec<_>>(), head)
    };
    let (of_a_capture, head) = codes(Trace::message);
    assert_eq!(of_a_capture, ["no-rtp", "no-rtp"]);
    assert!(head.contains("not over at the end of the capture"), "{head}");
    let (of_a_server, head) = codes(Trace::signalling);
    assert!(of_a_server.is_empty() && head.contains("not over so far"), "{of_a_server:?} {head}");
}

#[test]
fn calls_with_an_id_in_common_belong_together() {
    let session = "Session-ID: f81d4fae7dec11d0a76500a0c91e6bf6;remote=00000000000000000000000000000000\r\n";
    let one = text("INVITE sip:b@h SIP/2.0", "1", ("x", ""), session);
    let other = one.replace("Call-ID: c", "Call-ID: d");
    let stranger = text("INVITE sip:b@h SIP/2.0", "1", ("x", ""), "").replace("Call-ID: c", "Call-ID: e");
    let story = told(&[one, other, stranger]);
    assert_eq!((story.group(0), story.group(2)), ([0, 1].to_vec(), [2].to_vec()));
    assert_eq!(story.groups(&[1, 2, 0]), [[0, 1].to_vec(), [2].to_vec()], "each once");
}

#[test]
fn what_each_document_changed_is_told_with_its_message() {
    let with = |cseq: &str, person: &str| {
        let document = format!(
            "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><datamode>complete</datamode><session session_id='s'/>\
             <participant participant_id='{person}'><nameID aor='sip:{person}@h'/></participant></recording>"
        );
        let kind = "Require: siprec\r\nContent-Type: application/rs-metadata+xml\r\n";
        text("INVITE sip:b@h SIP/2.0", cseq, ("x", ""), &format!("{kind}\r\n{document}"))
    };
    let story = told(&[with("1", "ann"), with("2", "bob"), with("3", "bob")]);
    let rows: Vec<String> = changes(&story, 0).iter().map(Row::text).collect();
    let expected = [
        "00:00:00.000  INVITE +metadata (message 1): complete",
        "    + session s",
        "    + sip:ann@h",
        "00:00:00.001  INVITE +metadata (message 2): complete",
        "    - sip:ann@h",
        "    + sip:bob@h",
        "00:00:00.002  INVITE +metadata (message 3): nothing is otherwise",
    ];
    assert_eq!(rows, expected);
    assert_eq!(changes(&story, 0)[4].subject, Subject::Message(1));
}

proptest! {
    #[test]
    fn nothing_that_comes_in_makes_it_panic(
        pieces in proptest::collection::vec((0_usize..5, any::<u16>(), any::<u8>(), any::<bool>()), 0..40),
        junk in proptest::collection::vec(any::<u8>(), 0..80),
        width in 0_usize..300,
    ) {
        let (a, b) = ends();
        let sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 5060 RTP/SAVP 8\r\n\
                   a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n";
        let body = format!("Content-Type: application/sdp\r\n\r\n{sdp}");
        let mut trace = Trace::default();
        for (nth, (kind, place, byte, turn)) in pieces.into_iter().enumerate() {
            let mut bytes = match kind {
                0 => text("INVITE sip:b@h SIP/2.0", "1", ("x", ""), &body).into_bytes(),
                1 => text("SIP/2.0 200 OK", "1", ("x", ";tag=y"), &body).into_bytes(),
                2 => text("BYE sip:b@h SIP/2.0", "2", ("x", ";tag=y"), "").into_bytes(),
                3 => Vec::from([0x80, 8, 0, byte, 0, 0, 0, 0, 0, 0, 0, 1, 0xd5, 0xd5]),
                _ => junk.clone(),
            };
            let length = bytes.len().max(1);
            if let Some(slot) = bytes.get_mut(usize::from(place) % length) {
                *slot = byte;
            }
            let (from, to) = if turn { (a, b) } else { (b, a) };
            let at = Wall(i64::try_from(nth).unwrap() * 20_000_000);
            match kind {
                0..=2 => trace.message(at, Transport::Udp, from, to, &bytes),
                _ => trace.datagram(at, from, to, &bytes, false),
            }
        }
        let story = trace.finish();
        let calls = Filter::default().calls(&story);
        let drawn = ladder(&Sequence::of(&story, &calls, &Filter::default()), width);
        prop_assert!(drawn.iter().all(|row| !row.text().contains('\n')));
        for call in calls {
            lines(&story, call, true);
            changes(&story, call);
            sheet(&story, &story.group(call), &Filter::default(), width);
            story.silences(call);
        }
    }
}
