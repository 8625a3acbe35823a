//! The flows of RFC 8068 as SIPp plays them, which shares no code with us: each scenario of `testdata/sipp` over each
//! transport, then what must be in the archive. Debian's SIPp speaks no TLS: a tunnel does it in its stead.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

mod support;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use support::recordings::{self, Recording};
use support::server::{Server, Setup};
use support::sipp::{self, Carrier};
use support::tls::{Ca, Ends, Wanted, tunnel};
use support::{TempDir, until};

const RENDERED_WITHIN: Duration = Duration::from_secs(60);
const CALLS: u32 = 2;

/// A scenario, and what each of its calls leaves behind.
struct Flow {
    scenario: &'static str,
    /// Who is in each recording of a call, in the order of the communication sessions.
    recordings: &'static [&'static [&'static str]],
}

const ALICE_BOB: &[&str] = &["alice", "bob"];

const FLOWS: &[Flow] = &[
    Flow { scenario: "basic", recordings: &[ALICE_BOB] },
    Flow { scenario: "hold", recordings: &[ALICE_BOB] },
    Flow { scenario: "transfer", recordings: &[&["alice", "bob", "carol"]] },
    Flow { scenario: "refer-transfer", recordings: &[ALICE_BOB, &["alice", "carol"]] },
    Flow { scenario: "persistent", recordings: &[ALICE_BOB, ALICE_BOB, ALICE_BOB] },
    Flow { scenario: "delayed-offer", recordings: &[ALICE_BOB] },
    Flow { scenario: "update", recordings: &[ALICE_BOB] },
    Flow { scenario: "conference", recordings: &[&["alice", "bob", "carol"]] },
];

/// How the signalling reaches the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Udp,
    Tcp,
    Tls,
    /// Both sides show a certificate.
    MutualTls,
}

/// Plays every flow, each to a server of its own: what is found afterwards is that flow's.
fn play_all(way: Way) {
    if !sipp::present() {
        return;
    }
    let faults: Vec<String> = FLOWS.iter().filter_map(|flow| play(flow, way).err()).collect();
    support::assert_no_faults(&faults);
}

/// A server that is reached that way, and where SIPp is to send.
fn reach(way: Way, scratch: &Path) -> (Server, SocketAddr, Carrier) {
    if !matches!(way, Way::Tls | Way::MutualTls) {
        let server = Setup::default().start();
        let at = server.sip;
        return (server, at, if way == Way::Udp { Carrier::Udp } else { Carrier::Tcp });
    }
    let ca = Ca::new(scratch, "ca");
    let own = ca.issue("server", &Wanted::default());
    let mut setup = Setup::default()
        .set("server.tls.enabled=true")
        .set(&format!("server.tls.cert_file={}", own.cert.display()))
        .set(&format!("server.tls.key_file={}", own.key.display()));
    if way == Way::MutualTls {
        setup = setup
            .set("server.tls.client_auth=required")
            .set(&format!("server.tls.client_ca_file={}", ca.file().display()));
    }
    let server = setup.start();
    let sbc = ca.issue("sbc", &Wanted { dns: &["sbc.example.com"], ..Wanted::default() });
    let at = tunnel(server.tls, Ends::with(&sbc));
    (server, at, Carrier::Tcp)
}

fn play(flow: &Flow, way: Way) -> Result<(), String> {
    let scratch = TempDir::new("sipp-flow");
    let (server, at, carrier) = reach(way, scratch.path());
    let said = |what: String| format!("{} over {way:?}: {what}", flow.scenario);
    sipp::play(flow.scenario, at, carrier, CALLS, scratch.path()).map_err(said)?;
    let wanted = flow.recordings.len() * CALLS as usize;
    let found = finished(&server, wanted);
    if found.len() != wanted {
        return Err(said(format!("{} recordings instead of {wanted}", found.len())));
    }
    server.assert_never_panicked();
    let calls: BTreeSet<&str> = found.iter().map(Recording::call_id).collect();
    for call in calls {
        let mut of_call: Vec<&Recording> = found.iter().filter(|r| r.call_id() == call).collect();
        of_call.sort_by_key(|r| r.started_at());
        let people: Vec<BTreeSet<String>> = of_call.iter().map(|r| r.aors().into_iter().collect()).collect();
        let expected: Vec<BTreeSet<String>> = flow.recordings.iter().map(|names| aors(names)).collect();
        if people != expected {
            return Err(said(format!("{call}: {people:?} instead of {expected:?}")));
        }
        let faults: Vec<String> = of_call.iter().flat_map(|r| r.file_faults()).collect();
        if !faults.is_empty() || of_call[0].sheet["proof"]["packets_received"].as_i64().unwrap_or(0) < 20 {
            return Err(said(format!("{call}: {faults:?} {}", of_call[0].sheet["proof"])));
        }
    }
    Ok(())
}

fn aors(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| format!("sip:{name}@example.com")).collect()
}

fn finished(server: &Server, count: usize) -> Vec<Recording> {
    let enough = until(RENDERED_WITHIN, || Some(recordings::all(&server.data)).filter(|all| all.len() >= count));
    enough.unwrap_or_else(|| recordings::all(&server.data))
}

#[test]
fn every_flow_over_udp() {
    play_all(Way::Udp);
}

#[test]
fn every_flow_over_tcp() {
    play_all(Way::Tcp);
}

#[test]
fn every_flow_over_tls() {
    play_all(Way::Tls);
}

#[test]
fn every_flow_over_mutual_tls() {
    play_all(Way::MutualTls);
}
