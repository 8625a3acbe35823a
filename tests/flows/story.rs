//! What the flows are told with: requests of an SRC, and the archive afterwards.

#![allow(dead_code, reason = "each test crate uses its own part of this module")]

use crate::document::{Document, aor};
use siprec::archive::catalog::{Catalog, Filter, Row};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use support::recordings::{self, Recording};
use support::server::Server;
use support::src::body::Body;
use support::src::{Call, Direction, Message, Src, Transport};
use support::studio::Plan;
use support::{TempDir, until};

pub(crate) const RENDERED_WITHIN: Duration = Duration::from_secs(60);
pub(crate) const HEARD_WITHIN: Duration = Duration::from_secs(10);

/// Plays a story to the real binary over each transport, side by side.
pub(crate) fn over_both(story: impl Fn(&Server, &Src) + Sync) {
    let server = Server::start();
    std::thread::scope(|scope| {
        for transport in [Transport::Udp, Transport::Tcp] {
            let (server, story) = (&server, &story);
            scope.spawn(move || story(server, &Src::new(server.sip, transport)));
        }
    });
    server.assert_never_panicked();
}

/// The finished recordings of a call, in the order in which they began.
#[track_caller]
pub(crate) fn recordings_of(data: &Path, call: &Call, count: usize) -> Vec<Recording> {
    let all =
        until(RENDERED_WITHIN, || Some(recordings::of_call(data, call.call_id())).filter(|found| found.len() >= count));
    let mut found = all.unwrap_or_else(|| recordings::of_call(data, call.call_id()));
    assert_eq!(found.len(), count, "recordings: {:?}", found.iter().map(|r| r.path.clone()).collect::<Vec<_>>());
    found.sort_by_key(Recording::started_at);
    found
}

/// The catalog's row of a recording; it follows the sidecar.
#[track_caller]
pub(crate) fn row(recording: &Recording) -> Row {
    let found = until(RENDERED_WITHIN, || {
        let catalog = Catalog::read_only(&recording.data).ok()?;
        catalog.select(Filter::default()).filter_map(Result::ok).find(|row| row.id.to_string() == recording.id())
    });
    found.expect("a row in the catalog")
}

pub(crate) fn people(recording: &Recording) -> BTreeSet<String> {
    recording.aors().into_iter().collect()
}

pub(crate) fn called(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| aor(name)).collect()
}

pub(crate) fn session(recording: &Recording) -> &str {
    recording.text("/communication_session/id")
}

/// The first INVITE, with this metadata; acknowledged.
#[track_caller]
pub(crate) fn invite(call: &Call, document: &Document) -> Message {
    let directions = vec![Direction::SendOnly; call.legs().len()];
    offer(call, &directions, document)
}

/// An INVITE with an offer and metadata; acknowledged.
#[track_caller]
pub(crate) fn offer(call: &Call, directions: &[Direction], document: &Document) -> Message {
    let answer = call.invite_with(&Body::both(&call.offer_sdp(directions), &document.xml())).unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.start);
    call.acknowledge(&answer);
    answer
}

/// Metadata alone, in an UPDATE.
#[track_caller]
pub(crate) fn update(call: &Call, document: &Document) {
    let answer = call.send_request("UPDATE", Some(&Body::metadata(document.xml()))).unwrap();
    assert_eq!((answer.status(), answer.body.len()), (200, 0), "{}", answer.start);
}

pub(crate) fn speak(call: &Call, seconds: f64) {
    call.talk(&Plan::seconds(seconds));
    call.wait();
}

#[track_caller]
pub(crate) fn bye(call: &Call) {
    assert_eq!(call.bye().unwrap().status(), 200);
}

/// Milliseconds of audio of a recording's first stream that is rendered.
pub(crate) fn packets(recording: &Recording) -> i64 {
    recording.number("/proof/packets_received").unwrap_or(0)
}

/// A journal replayed gives the same recording, whatever of the dialog was ours to decide.
#[track_caller]
pub(crate) fn assert_replays(live: &Recording) {
    let place = TempDir::new("replayed");
    let mut command = Command::new(env!("CARGO_BIN_EXE_siprec"));
    let output = command.arg("replay").args(live.segments()).arg("--data-dir").arg(place.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let again = recordings::all(place.path());
    assert_eq!(again.len(), 1, "recordings of the replayed journal");
    for pointer in [
        "/id",
        "/started_at",
        "/duration_ms",
        "/ended_by",
        "/participants",
        "/streams",
        "/proof/pauses",
        "/recording_session/call_id",
    ] {
        assert_eq!(again[0].sheet.pointer(pointer), live.sheet.pointer(pointer), "{pointer}");
    }
    let digest = |recording: &Recording| recording.text("/files/0/sha256").to_owned();
    assert_eq!(digest(&again[0]), digest(live));
}
