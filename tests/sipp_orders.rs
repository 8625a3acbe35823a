//! What the SRS begins (RFC 7866 6.2, 7.2; RFC 7245 3.2.3), with SIPp as the SRC: its scenarios look at each request of
//! ours, the archive tells what came of it.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

#[path = "flows/document.rs"]
mod document;
#[path = "flows/story.rs"]
mod story;

use siprec::config::ClientAuth;
use std::path::Path;
use std::time::Duration;
use story::{RENDERED_WITHIN, assert_replays, called, people, row};
use support::embedded::Embedded;
use support::recordings::{self, Recording};
use support::sipp::{self, Called, Carrier};
use support::tls::{Ca, Ends, Wanted, terminator, tunnel};
use support::{TempDir, pause, until};

/// Between one order and the next: long enough to be heard in the recording.
const WHILE: Duration = Duration::from_millis(800);

/// How the signalling goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Udp,
    Tcp,
    Tls,
    /// Both sides show a certificate.
    MutualTls,
}

/// A server that can be reached that way, and the CA by which it knows others.
fn reached(way: Way, scratch: &Path) -> (Embedded, Ca) {
    let ca = Ca::new(scratch, "ca");
    let own = ca.issue("srs", &Wanted { dns: &["srs.example.com"], ..Wanted::default() });
    let server = Embedded::start_with(|config| {
        let tls = &mut config.server.tls;
        tls.enabled = matches!(way, Way::Tls | Way::MutualTls);
        tls.cert_file = Some(own.cert);
        tls.key_file = Some(own.key);
        tls.client_ca_file = Some(ca.file());
        if way == Way::MutualTls {
            tls.client_auth = ClientAuth::Required;
        }
    });
    (server, ca)
}

/// SIPp's certificate, and whether it asks for ours.
fn src(way: Way, ca: &Ca) -> Ends {
    let own = ca.issue("src", &Wanted { dns: &["localhost"], ..Wanted::default() });
    if way == Way::MutualTls { Ends::mutual(&own, ca) } else { Ends::with(&own) }
}

/// Pause, resume and stop of the one session that lives.
fn order(server: &Embedded) {
    let session = server.session();
    pause(WHILE);
    server.orders.pause(session, true);
    pause(WHILE);
    server.orders.resume(session);
    pause(WHILE);
    server.orders.stop(session);
}

/// The one recording: with both people, whole, paused once by us and ended by us.
fn judge(server: &Embedded) {
    let found = until(RENDERED_WITHIN, || recordings::all(&server.data).into_iter().next());
    let recording: Recording = found.expect("a recording");
    assert_eq!(people(&recording), called(&["alice", "bob"]));
    assert_eq!(recording.list("/streams").len(), 2);
    assert_eq!(recording.file_faults(), [""; 0]);
    assert_eq!(recording.text("/ended_by"), "operator");
    let length = recording.number("/duration_ms").unwrap();
    assert!((1500..6000).contains(&length), "{length} ms of {:?} and more", WHILE * 3);
    let pauses = recording.list("/proof/pauses");
    assert!(!pauses.is_empty(), "{}", recording.sheet["proof"]);
    for paused in pauses {
        let span = paused["to_ms"].as_i64().unwrap() - paused["from_ms"].as_i64().unwrap();
        assert!(paused["cause"] == "operator" && (400..3000).contains(&span), "{paused}");
    }
    let kept = recording.number("/proof/packets_received").unwrap();
    assert!((20..=length / 20).contains(&kept), "{kept} packets of one voice in {length} ms");
    let row = row(&recording);
    assert_eq!((row.state.as_str(), row.ended_by.as_str()), ("complete", "operator"));
    assert!(row.communication_session.is_some());
    assert_eq!(row.caller.unwrap().aor.as_deref(), Some("sip:alice@example.com"));
    assert_replays(&recording);
}

fn begun_by_sipp(way: Way) {
    if !sipp::present() {
        return;
    }
    let scratch = TempDir::new("sipp-pauses");
    let (server, ca) = reached(way, scratch.path());
    let (at, carrier) = match way {
        Way::Udp => (server.sip, Carrier::Udp),
        Way::Tcp => (server.sip, Carrier::Tcp),
        Way::Tls | Way::MutualTls => (tunnel(server.tls, src(way, &ca)), Carrier::Tcp),
    };
    std::thread::scope(|scope| {
        let sipp = scope.spawn(|| sipp::play("srs-pauses", at, carrier, 1, scratch.path()));
        order(&server);
        sipp.join().unwrap().unwrap();
    });
    judge(&server);
}

#[test]
fn sipp_is_paused_resumed_and_stopped_over_udp() {
    begun_by_sipp(Way::Udp);
}

#[test]
fn sipp_is_paused_resumed_and_stopped_over_tcp() {
    begun_by_sipp(Way::Tcp);
}

#[test]
fn sipp_is_paused_resumed_and_stopped_over_tls() {
    begun_by_sipp(Way::Tls);
}

#[test]
fn sipp_is_paused_resumed_and_stopped_over_mutual_tls() {
    begun_by_sipp(Way::MutualTls);
}

fn begun_by_us(way: Way) {
    if !sipp::present() {
        return;
    }
    let scratch = TempDir::new("sipp-called");
    let (server, ca) = reached(way, scratch.path());
    let at = Called::address();
    let (contact, carrier) = match way {
        Way::Udp => (format!("{at};transport=udp"), Carrier::Udp),
        Way::Tcp => (format!("{at};transport=tcp"), Carrier::Tcp),
        Way::Tls | Way::MutualTls => {
            let front = terminator(at, src(way, &ca));
            (format!("localhost:{};transport=tls", front.port()), Carrier::Tcp)
        }
    };
    let sipp = Called::start("srs-begins", carrier, at, &contact, scratch.path());
    server.orders.record(&format!("sip:src@{contact}"));
    order(&server);
    sipp.content().unwrap();
    judge(&server);
}

#[test]
fn sipp_is_called_over_udp() {
    begun_by_us(Way::Udp);
}

#[test]
fn sipp_is_called_over_tcp() {
    begun_by_us(Way::Tcp);
}

#[test]
fn sipp_is_called_over_tls() {
    begun_by_us(Way::Tls);
}

#[test]
fn sipp_is_called_over_mutual_tls() {
    begun_by_us(Way::MutualTls);
}
