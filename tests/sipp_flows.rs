//! The flows of RFC 8068 as SIPp plays them, which shares no code with us: each scenario of `testdata/sipp` over each
//! transport, then what must be in the archive.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;
use support::recordings::{self, Recording};
use support::server::{Server, Setup};
use support::sipp::{self, Carrier};
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

/// Plays every flow, each to a server of its own: what is found afterwards is that flow's.
fn play_all(carrier: Carrier) {
    if !sipp::present() {
        return;
    }
    let faults: Vec<String> = FLOWS.iter().filter_map(|flow| play(flow, carrier).err()).collect();
    support::assert_no_faults(&faults);
}

fn play(flow: &Flow, carrier: Carrier) -> Result<(), String> {
    let server = Setup::default().start();
    let scratch = TempDir::new("sipp-flow");
    let said = |what: String| format!("{} over {carrier:?}: {what}", flow.scenario);
    sipp::play(flow.scenario, server.sip, carrier, CALLS, scratch.path()).map_err(said)?;
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
    play_all(Carrier::Udp);
}

#[test]
fn every_flow_over_tcp() {
    play_all(Carrier::Tcp);
}
