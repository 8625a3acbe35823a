//! What the SRS begins (RFC 7866 6.2, RFC 7245 3.2.3): the recorder as a part of a program that gives it orders.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

#[path = "flows/document.rs"]
mod document;
#[path = "flows/story.rs"]
mod story;

use std::time::Duration;
use story::{HEARD_WITHIN, assert_replays, bye, packets, recordings_of, row, session, speak};
use support::embedded::Embedded;
use support::recordings::{self, Recording};
use support::src::{Call, Src, Transport};
use support::studio::Plan;
use support::tls::{Ca, Wanted};
use support::{TempDir, becomes_true, pause};

/// The sheet knows who called whom, and who is heard on which line and channel.
fn assert_who(recording: &Recording, call: &Call) {
    let people = &call.metadata.people;
    assert_eq!(recording.text("/caller/aor"), people[0].aor);
    assert_eq!(recording.text("/callee/aor"), people[1].aor);
    let row = row(recording);
    let aors = [&row.caller, &row.callee].map(|end| end.as_ref().and_then(|end| end.aor.as_deref()));
    assert_eq!(aors, [0, 1].map(|place| Some(people[place].aor.as_str())));
    let streams = recording.list("/streams");
    for (place, channel) in ["left", "right"].into_iter().enumerate() {
        let label = (place + 1).to_string();
        let stream = streams.iter().find(|stream| stream["label"] == label.as_str()).unwrap();
        assert_eq!(stream["participants"], serde_json::json!([people[place].id]), "label {label}");
        assert_eq!(stream["channel"], channel, "label {label}");
    }
}

/// RFC 7245 3.2.3: pause, resume and stop by the SRS.
#[test]
fn the_srs_pauses_resumes_and_stops() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let server = Embedded::start();
        let src = Src::new(server.sip, transport);
        let call = Call::new(&src, 13);
        call.must_invite();
        call.talk(&Plan::seconds(6.0));
        pause(Duration::from_secs(1));
        let session = server.session();
        let told = |direction: &str, times: usize| {
            let offers =
                || src.asked().iter().filter(|m| m.method() == "INVITE" && m.text().contains(direction)).count();
            assert!(becomes_true(HEARD_WITHIN, || offers() >= times), "{direction} was not offered");
        };
        server.orders.pause(session, true);
        told("a=inactive", 1);
        pause(Duration::from_secs(1));
        server.orders.resume(session);
        told("a=recvonly", 1);
        pause(Duration::from_secs(1));
        server.orders.stop(session);
        assert!(becomes_true(HEARD_WITHIN, || call.ended_by_server()), "no BYE");
        call.hush();
        let recording = recordings_of(&server.data, &call, 1).remove(0);
        assert_eq!(recording.text("/ended_by"), "operator");
        assert_who(&recording, &call);
        let pauses = recording.list("/proof/pauses");
        assert!(!pauses.is_empty() && pauses.iter().all(|p| p["cause"] == "operator"), "{pauses:?}");
        let sent: usize = call.transcript().legs.iter().map(|leg| leg.packets.len()).sum();
        let kept = usize::try_from(packets(&recording)).unwrap();
        assert!(kept + 60 < sent, "{kept} of {sent}: a second of both legs was not kept, though it was sent");
        assert_replays(&recording);
        let acks = src.asked().iter().filter(|m| m.method() == "ACK").count();
        assert_eq!(acks, 2, "each of our re-INVITEs has its ACK");
    }
}

/// RFC 3261 18.1.1: an offer too large for a datagram goes over TCP to an SRC that takes streams on its port, and as a
/// datagram to one that does not.
#[test]
fn a_large_offer_goes_over_tcp_where_the_src_takes_that() {
    for takes_streams in [true, false] {
        let server = Embedded::start();
        let src = if takes_streams { Src::udp_and_tcp(server.sip) } else { Src::udp(server.sip) };
        let call = Call::with_legs(&src, 18, 14);
        call.must_invite();
        let session = server.session();
        let offers = |direction: &str| {
            let asked = src.asked().into_iter();
            asked.filter(|m| m.method() == "INVITE" && m.text().contains(direction)).collect::<Vec<_>>()
        };
        for (paused, direction) in [(true, "a=inactive"), (false, "a=recvonly")] {
            if paused {
                server.orders.pause(session, true)
            } else {
                server.orders.resume(session)
            }
            assert!(becomes_true(HEARD_WITHIN, || !offers(direction).is_empty()), "{direction} was not offered");
            let offer = offers(direction).remove(0);
            assert!(offer.body.len() > 1300, "{} octets: a datagram could carry it", offer.body.len());
            let transport = if takes_streams { "SIP/2.0/TCP " } else { "SIP/2.0/UDP " };
            assert!(offer.header("Via").unwrap().starts_with(transport), "{:?}", offer.header("Via"));
            let acks = || src.asked().iter().filter(|m| m.method() == "ACK").count();
            assert!(becomes_true(HEARD_WITHIN, || acks() > usize::from(!paused)), "the answer was not acknowledged");
        }
        assert_eq!(src.accepted() > 0, takes_streams);
        bye(&call);
        assert_eq!(recordings_of(&server.data, &call, 1).remove(0).list("/streams").len(), 14);
    }
}

/// RFC 7866 7.2: a server that is not ready answers inactive, then asks; and takes one stream back.
#[test]
fn the_srs_holds_off_and_takes_a_stream_back() {
    let server = Embedded::start();
    server.orders.hold_off(true);
    let src = Src::new(server.sip, Transport::Udp);
    // An order takes another way than a request.
    pause(Duration::from_millis(200));
    let call = Call::new(&src, 17);
    let answer = call.must_invite();
    assert!(answer.media().iter().all(|media| media.direction == "inactive" && media.port != 0), "{}", answer.text());
    let session = server.session();
    let offers = |wanted: &str| {
        becomes_true(HEARD_WITHIN, || src.asked().iter().any(|m| m.method() == "INVITE" && m.text().contains(wanted)))
    };
    server.orders.resume(session);
    assert!(offers("a=recvonly"), "nothing was asked for");
    call.talk(&Plan::seconds(3.0));
    pause(Duration::from_secs(1));
    server.orders.take_back(session, siprec_core::entry::PortIndex(1));
    assert!(offers("m=audio 0 "), "the stream was not taken back");
    call.wait();
    bye(&call);
    let recording = recordings_of(&server.data, &call, 1).remove(0);
    let kept = usize::try_from(packets(&recording)).unwrap();
    assert!((150..290).contains(&kept), "{kept}: one stream whole, the other until it was taken back");
    assert_who(&recording, &call);
    assert_replays(&recording);
}

/// The thread of TLS went on after its server, with the port: a program could not start another one there.
#[test]
fn a_server_that_has_stopped_listens_nowhere() {
    let scratch = TempDir::new("stopped");
    let own = Ca::new(scratch.path(), "ca").issue("srs", &Wanted { dns: &["srs.example.com"], ..Wanted::default() });
    let server = Embedded::start_with(|config| {
        config.server.tls.enabled = true;
        config.server.tls.cert_file = Some(own.cert);
        config.server.tls.key_file = Some(own.key);
    });
    let addresses = [server.sip, server.tls];
    for address in addresses {
        std::net::TcpStream::connect(address).unwrap();
    }
    drop(server);
    for address in addresses {
        let error = std::net::TcpStream::connect(address).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused, "{address}");
    }
}

/// RFC 7866 6.2, 7.2: the SRS asks the SRC for a recording session.
#[test]
fn the_srs_begins_a_recording_session() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let server = Embedded::start();
        let src = Src::new(server.sip, transport);
        let call = Call::expected(&src, 14);
        server.orders.record(&format!("sip:src@{};transport={}", src.contact(), transport.name().to_ascii_lowercase()));
        assert!(becomes_true(HEARD_WITHIN, || call.is_acknowledged()), "no ACK with an answer");
        let asked = src.asked();
        let invite = asked.iter().find(|m| m.method() == "INVITE").unwrap();
        assert!(invite.body.is_empty(), "RFC 7866 7.2: no offer");
        assert_eq!(invite.header("Require"), Some("siprec"));
        assert!(invite.header("Contact").is_some_and(|contact| contact.contains("+sip.srs")));
        let ack = asked.iter().find(|m| m.method() == "ACK").unwrap();
        assert_eq!(
            ack.media().iter().filter(|m| m.direction == "recvonly" && m.port != 0).count(),
            2,
            "{}",
            ack.text()
        );
        speak(&call, 2.0);
        if transport == Transport::Tcp {
            bye(&call);
        } else {
            server.orders.stop(server.session());
            assert!(becomes_true(HEARD_WITHIN, || call.ended_by_server()), "no BYE");
        }
        let recording = recordings_of(&server.data, &call, 1).remove(0);
        assert_eq!(session(&recording), call.metadata.session);
        assert_who(&recording, &call);
        assert_eq!(packets(&recording), 200);
        assert_eq!(row(&recording).group.as_deref(), Some(call.metadata.group.as_str()));
        assert_replays(&recording);
    }
}

/// RFC 7866 12.1, RFC 5922 7.1: over TLS too, with an SRC whose certificate is for the name that it was called by.
#[test]
fn over_tls_the_srs_begins_with_whom_it_called() {
    let dir = TempDir::new("orders-tls");
    let ca = Ca::new(dir.path(), "ca");
    let of = |file: &str, name: &str| ca.issue(file, &Wanted { dns: &[name], ..Wanted::default() });
    let (own, right, wrong) = (of("srs", "srs.example.com"), of("src", "localhost"), of("other", "sbc-b.example.com"));
    let server = Embedded::start_with(|config| {
        config.server.tls.enabled = true;
        config.server.tls.cert_file = Some(own.cert.clone());
        config.server.tls.key_file = Some(own.key.clone());
        config.server.tls.client_ca_file = Some(ca.file().to_path_buf());
    });
    let uri = |src: &Src, host: &str| format!("sip:src@{host}:{};transport=tls", src.contact().port());
    let stranger = Src::tls(server.tls, &wrong);
    server.orders.record(&uri(&stranger, "localhost"));
    assert!(becomes_true(HEARD_WITHIN, || stranger.accepted() > 0), "nobody called");

    let src = Src::tls(server.tls, &right);
    let call = Call::expected(&src, 15);
    server.orders.record(&uri(&src, "localhost"));
    assert!(becomes_true(HEARD_WITHIN, || call.is_acknowledged()), "no ACK with an answer");
    let asked = src.asked();
    let invite = asked.iter().find(|m| m.method() == "INVITE").unwrap();
    let contact = invite.header("Contact").unwrap();
    assert!(contact.starts_with(&format!("<sip:srs@{};transport=tls>", server.tls)), "{contact}");
    speak(&call, 1.0);
    server.orders.stop(server.session());
    assert!(becomes_true(HEARD_WITHIN, || call.ended_by_server()), "no BYE");
    let recording = recordings_of(&server.data, &call, 1).remove(0);
    assert_eq!(packets(&recording), 100);
    assert_replays(&recording);
    assert!(stranger.asked().is_empty(), "who is somebody else was asked");
}

/// What cannot be established leaves nothing behind.
#[test]
fn an_src_that_declines_is_left_alone() {
    let server = Embedded::start();
    let src = Src::udp(server.sip);
    server.orders.record(&format!("sip:src@{}", src.contact()));
    assert!(becomes_true(HEARD_WITHIN, || src.asked().iter().any(|m| m.method() == "ACK")), "RFC 3261 17.1.1.3");
    assert!(recordings::all(&server.data).is_empty());
    assert_eq!(server.sessions(), 0);
}
