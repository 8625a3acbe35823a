//! The server stops: what it has decided is said before it goes, over streams too.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use std::time::Duration;
use support::raw::{Draft, Raw, SOON};
use support::server::{Server, Setup};
use support::src::{Message, Transport};
use support::{becomes_true, process, recordings};

const SIGUSR1: i32 = 10;
const RENDERED_WITHIN: Duration = Duration::from_secs(30);

/// A call over TCP, acknowledged.
fn call(server: &Server) -> (Raw, Draft, Message) {
    let raw = Raw::new(server.sip, Transport::Tcp);
    let invite = Draft::invite(&raw);
    let answer = raw.ask(&invite);
    assert_eq!(answer.status(), 200);
    raw.send(&invite.within(&raw, &answer, "ACK").bytes());
    (raw, invite, answer)
}

#[test]
fn the_200_to_the_last_bye_of_a_drain_arrives_over_tcp_and_what_it_ends_is_made() {
    for _ in 0..5 {
        let mut server = Setup::default().start();
        let (first, last) = (call(&server), call(&server));
        process::signal(server.pid(), SIGUSR1);
        server.must_say(&["draining: no new sessions"]);
        for (raw, invite, answer) in [&first, &last] {
            let bye = raw.ask(&invite.within(raw, answer, "BYE"));
            assert_eq!(bye.status(), 200);
        }
        assert!(becomes_true(SOON, || !server.lives()), "drained");
        for (_, invite, _) in [&first, &last] {
            assert_eq!(recordings::of_call(&server.data, &invite.call_id).len(), 1, "made before the process was gone");
        }
    }
}

/// A BYE that meets SIGTERM is answered now or after the start: with 200 either way, and the recording is whole.
#[test]
fn a_bye_that_meets_sigterm_over_tcp_is_not_lost() {
    let mut server = Setup::default().start();
    for _ in 0..3 {
        let (raw, invite, answer) = call(&server);
        let bye = invite.within(&raw, &answer, "BYE");
        raw.send(&bye.bytes());
        assert!(server.terminate().success());
        let answered = raw.answer(SOON / 4);
        assert!(answered.as_ref().is_none_or(|answer| answer.status() == 200), "{answered:?}");
        let ended = !recordings::of_call(&server.data, &invite.call_id).is_empty();
        server.restart();
        if answered.is_none() {
            assert!(!ended, "it was taken, and nobody was told");
            let again = Raw::new(server.sip, Transport::Tcp);
            assert_eq!(again.ask(&invite.within(&again, &answer, "BYE")).status(), 200);
        }
        recordings::wait(&server.data, &invite.call_id, RENDERED_WITHIN);
    }
}
