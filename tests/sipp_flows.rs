//! The flows of RFC 8068 as SIPp plays them, which shares no code with us: each scenario of `testdata/sipp` over each
//! transport, then what must be in the archive. Debian's SIPp speaks no TLS: a tunnel does it in its stead.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

#[path = "flows/document.rs"]
mod document;
#[path = "flows/story.rs"]
mod story;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use story::{RENDERED_WITHIN, called, people, row};
use support::recordings::{self, Recording};
use support::server::{Server, Setup};
use support::sipp::{self, Carrier};
use support::tls::{Ca, Ends, Wanted, tunnel};
use support::{TempDir, until};

const CALLS: u32 = 2;
/// Flows that are played at a time: they wait for most of it.
const AT_A_TIME: usize = 4;
/// Packets of a picture in a call of `video.xml`, which does without those that its end cuts off.
const PICTURES_AT_LEAST: i64 = 10;
/// By how much what follows may begin before the end of what went before: its last packet is kept whole.
const LAST_PACKET: Duration = Duration::from_millis(20);

/// A scenario, and what each of its calls leaves behind.
struct Flow {
    scenario: &'static str,
    /// Who is in each recording of a call, in the order of the communication sessions.
    recordings: &'static [&'static [&'static str]],
    /// Lines of media that each recording has.
    streams: usize,
    /// The last two of them are video.
    video: bool,
    links: Links,
}

/// What several recordings of a call have to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Links {
    /// One after another, and nothing else.
    Nothing,
    /// One after another, of one group.
    Group,
    /// At the same time, of one group.
    GroupAtOnce,
}

const ALICE_BOB: &[&str] = &["alice", "bob"];

/// A flow of two lines and one recording.
const fn plain(scenario: &'static str, recordings: &'static [&'static [&'static str]]) -> Flow {
    Flow { scenario, recordings, streams: 2, video: false, links: Links::Nothing }
}

const FLOWS: &[Flow] = &[
    plain("basic", &[ALICE_BOB]),
    Flow { streams: 4, video: true, ..plain("video", &[ALICE_BOB]) },
    plain("hold", &[ALICE_BOB]),
    plain("transfer", &[&["alice", "bob", "carol"]]),
    Flow { links: Links::Group, ..plain("refer-transfer", &[ALICE_BOB, &["alice", "carol"]]) },
    plain("persistent", &[ALICE_BOB, &["carol", "dave"], &["erin", "frank"]]),
    plain("delayed-offer", &[ALICE_BOB]),
    plain("update", &[ALICE_BOB]),
    plain("snapshot", &[ALICE_BOB]),
    Flow { streams: 1, ..plain("conference", &[&["alice", "bob", "carol"]]) },
    Flow { streams: 1, links: Links::GroupAtOnce, ..plain("turret", &[&["trader", "bob"], &["trader", "carol"]]) },
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

impl Way {
    /// As a sheet names it.
    fn transport(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls | Self::MutualTls => "tls",
        }
    }
}

/// Plays every flow, each to a server of its own: what is found afterwards is that flow's.
fn play_all(way: Way) {
    if !sipp::present() {
        return;
    }
    let next = AtomicUsize::new(0);
    let faults: Vec<String> = std::thread::scope(|scope| {
        let play_some = || {
            let flows = std::iter::from_fn(|| FLOWS.get(next.fetch_add(1, Ordering::Relaxed)));
            flows.filter_map(|flow| play(flow, way).err()).collect::<Vec<_>>()
        };
        let players: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(play_some)).collect();
        players.into_iter().flat_map(|player| player.join().unwrap()).collect()
    });
    support::assert_no_faults(&faults);
}

/// A server that is reached that way, and where SIPp is to send.
fn reach(setup: Setup, way: Way, scratch: &Path) -> (Server, SocketAddr, Carrier) {
    if !matches!(way, Way::Tls | Way::MutualTls) {
        let server = setup.start();
        let at = server.sip;
        return (server, at, if way == Way::Udp { Carrier::Udp } else { Carrier::Tcp });
    }
    let ca = Ca::new(scratch, "ca");
    let own = ca.issue("server", &Wanted::default());
    let mut setup = setup
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
    let setup = if flow.video { Setup::default().set("media.record=[audio, video]") } else { Setup::default() };
    let (server, at, carrier) = reach(setup, way, scratch.path());
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
        // Calls at the same time are in the order of their people.
        of_call.sort_by_key(|r| (r.started_at() / 100_000_000, people(r)));
        judge(flow, &of_call).map_err(|what| said(format!("{call}: {what}")))?;
    }
    Ok(())
}

/// What one call left, against what its flow says.
fn judge(flow: &Flow, of_call: &[&Recording]) -> Result<(), String> {
    let who: Vec<BTreeSet<String>> = of_call.iter().map(|r| people(r)).collect();
    let expected: Vec<BTreeSet<String>> = flow.recordings.iter().map(|names| called(names)).collect();
    if who != expected {
        return Err(format!("{who:?} instead of {expected:?}"));
    }
    let faults: Vec<String> = of_call.iter().flat_map(|r| r.file_faults()).collect();
    let quiet = of_call.iter().find(|r| r.number("/proof/packets_received").unwrap_or(0) < 10);
    if !faults.is_empty() || quiet.is_some() {
        return Err(format!("{faults:?} {:?}", quiet.map(|r| &r.sheet["proof"])));
    }
    let streams: Vec<usize> = of_call.iter().map(|r| r.list("/streams").len()).collect();
    if streams != vec![flow.streams; of_call.len()] {
        return Err(format!("streams: {streams:?}"));
    }
    if flow.video {
        of_call.iter().try_for_each(|recording| judge_video(recording))?;
    }
    judge_times(flow.links, of_call)?;
    judge_rows(flow.links, of_call)
}

/// The packets of the video line that sends are kept as they came, beside the file of the audio.
fn judge_video(recording: &Recording) -> Result<(), String> {
    let sent = recording.list("/streams").iter().find(|stream| stream["label"] == "3").cloned().unwrap_or_default();
    let packets: i64 = sent["sources"].as_array().into_iter().flatten().filter_map(|of| of["packets"].as_i64()).sum();
    let audio = recording.audio()?.len();
    if sent["codecs"][0] == "H264/90000" && packets >= PICTURES_AT_LEAST && audio == 1 {
        return Ok(());
    }
    Err(format!("{packets} packets of video, {audio} files of audio: {sent}"))
}

/// When a recording ends, nanoseconds since 1970.
fn ends(recording: &Recording) -> i64 {
    recording.started_at() + recording.number("/duration_ms").unwrap_or(0) * 1_000_000
}

fn judge_times(links: Links, of_call: &[&Recording]) -> Result<(), String> {
    for pair in of_call.windows(2) {
        let overlap = ends(pair[0]) - pair[1].started_at();
        let right = match links {
            Links::Nothing | Links::Group => overlap <= i64::try_from(LAST_PACKET.as_nanos()).unwrap(),
            Links::GroupAtOnce => overlap > 500_000_000,
        };
        if !right {
            return Err(format!("the next recording begins {overlap} ns before the end of the one before"));
        }
    }
    Ok(())
}

/// The catalog has a row for each recording: its communication session, its group, its times.
fn judge_rows(links: Links, of_call: &[&Recording]) -> Result<(), String> {
    let rows: Vec<_> = of_call.iter().map(|recording| row(recording)).collect();
    let sessions: BTreeSet<&str> = rows.iter().filter_map(|row| row.communication_session.as_deref()).collect();
    if sessions.len() != rows.len() {
        return Err(format!("{} recordings of the communication sessions {sessions:?}", rows.len()));
    }
    let groups: BTreeSet<Option<&str>> = rows.iter().map(|row| row.group.as_deref()).collect();
    if groups.len() != 1 || groups.contains(&None) != (links == Links::Nothing) {
        return Err(format!("groups: {groups:?}"));
    }
    for (row, recording) in rows.iter().zip(of_call) {
        let length = recording.number("/duration_ms").and_then(|ms| u64::try_from(ms).ok());
        if row.state != "complete" || Some(row.duration_ms) != length || row.duration_ms == 0 {
            return Err(format!("{}: {}, {} ms", recording.id(), row.state, row.duration_ms));
        }
    }
    Ok(())
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

/// RFC 7866 9.2: two SRCs record one call, each reaching the server in its way; the catalog links what they left by its
/// ids. Both ways are one, or the first is UDP.
fn linked(ways: [Way; 2]) {
    if !sipp::present() {
        return;
    }
    let place = TempDir::new("sipp-linked");
    let (server, at, carrier) = reach(Setup::default(), ways[1], place.path());
    let first = if ways[0] == ways[1] { (at, carrier) } else { (server.sip, Carrier::Udp) };
    std::thread::scope(|scope| {
        for (at, carrier) in [first, (at, carrier)] {
            scope.spawn(move || {
                let scratch = TempDir::new("sipp-linked");
                sipp::play("linked", at, carrier, 1, scratch.path()).unwrap();
            });
        }
    });
    let found = finished(&server, 2);
    assert_eq!(found.len(), 2);
    for recording in &found {
        assert_eq!((people(recording), recording.list("/streams").len()), (called(ALICE_BOB), 2));
        assert_eq!(recording.file_faults(), [""; 0]);
    }
    let transports: BTreeSet<&str> =
        found.iter().map(|recording| recording.text("/recording_session/transport")).collect();
    assert_eq!(transports, ways.map(Way::transport).into());
    assert!(ends(&found[0]) > found[1].started_at() && ends(&found[1]) > found[0].started_at(), "at the same time");
    let [one, two] = [0, 1].map(|at: usize| row(&found[at]));
    assert_ne!((one.id, one.session_id), (two.id, two.session_id));
    assert_ne!(one.call_id, two.call_id, "two recording sessions");
    assert!(one.group.is_some() && one.communication_session.is_some());
    assert_eq!((one.group, one.communication_session), (two.group, two.communication_session));
    server.assert_never_panicked();
}

#[test]
fn two_srcs_record_one_call_over_udp_and_tcp() {
    linked([Way::Udp, Way::Tcp]);
}

#[test]
fn two_srcs_record_one_call_over_tls() {
    linked([Way::Tls; 2]);
}

#[test]
fn two_srcs_record_one_call_over_mutual_tls() {
    linked([Way::MutualTls; 2]);
}
