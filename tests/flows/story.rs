//! What the flows are told with: requests of an SRC, and the archive afterwards.

#![allow(dead_code, reason = "each test crate uses its own part of this module")]

use crate::document::{Document, aor, id};
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
use support::voice::{tone_hz, tone_of};
use support::{TempDir, until, wav};

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

/// A voice that is there is louder than this, relative to full scale, and one that is not is quieter by as much as that.
const VOICE_DB: f64 = -35.0;
const APART_DB: f64 = 20.0;

/// In the sheet and in the catalog: the first of `people` calls, the second is called, and nobody else took part. What the
/// leg `legs[0]` sent is heard on the left alone and is the caller's; what `legs[1]` sent, on the right.
#[track_caller]
pub(crate) fn assert_two(recording: &Recording, call: &Call, people: [&str; 2], legs: [usize; 2]) {
    assert_ends(recording, people);
    assert_people(recording, &people);
    for (place, (person, leg)) in people.iter().zip(legs).enumerate() {
        let (label, channel) = ((leg + 1).to_string(), ["left", "right"][place]);
        assert_eq!(senders(recording, &label), [id(person)], "who sends on label {label}");
        assert_eq!(labels(recording, person), [label.as_str()], "labels of {person}");
        let stream = recording.list("/streams").iter().find(|stream| stream["label"] == label.as_str()).unwrap();
        assert_eq!(stream["channel"], channel, "label {label}");
    }
    assert_voices(recording, call, legs);
}

/// Who calls and who is called, in sheet and catalog.
#[track_caller]
pub(crate) fn assert_ends(recording: &Recording, people: [&str; 2]) {
    let row = row(recording);
    let in_catalog = [row.caller, row.callee].map(|party| party.and_then(|party| party.aor).unwrap_or_default());
    let in_sheet = [recording.text("/caller/aor"), recording.text("/callee/aor")];
    assert_eq!((in_sheet, in_catalog), (people.map(aor).each_ref().map(String::as_str), people.map(aor)));
}

/// Everybody who took part, each once, whatever the order.
#[track_caller]
pub(crate) fn assert_people(recording: &Recording, people: &[&str]) {
    let (mut found, mut expected) = (recording.aors(), people.iter().map(|person| aor(person)).collect::<Vec<_>>());
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

/// Ids of who sends on a label, by the sheet.
pub(crate) fn senders(recording: &Recording, label: &str) -> Vec<String> {
    let stream = recording.list("/streams").iter().find(|stream| stream["label"] == label).expect("a stream");
    stream["participants"].as_array().into_iter().flatten().filter_map(|id| Some(id.as_str()?.to_owned())).collect()
}

/// Labels of a participant, by the sheet.
pub(crate) fn labels<'r>(recording: &'r Recording, person: &str) -> Vec<&'r str> {
    let aor = aor(person);
    let found = recording.list("/participants").iter().find(|p| p["aor"] == aor.as_str()).expect("a participant");
    found["labels"].as_array().into_iter().flatten().filter_map(|label| label.as_str()).collect()
}

/// The first leg's voice is on the left and not on the right, the second's the other way round.
#[track_caller]
pub(crate) fn assert_voices(recording: &Recording, call: &Call, legs: [usize; 2]) {
    let files = recording.audio().unwrap();
    let [left, right] = &files[0].channels[..] else { panic!("{} channels", files[0].channels.len()) };
    let level = |samples: &[i16], leg: usize| wav::level(samples, tone_hz(tone_of(call.index, leg)));
    for (own, other, leg) in [(left, right, legs[0]), (right, left, legs[1])] {
        let (here, there) = (level(own, leg), level(other, leg));
        assert!(here > VOICE_DB && there < here - APART_DB, "leg {leg}: {here} dB where it belongs, {there} dB beside");
    }
}

/// A line that several send on: all are its senders, and it is heard on both sides.
#[track_caller]
pub(crate) fn assert_mix(recording: &Recording, call: &Call, people: &[&str]) {
    assert_people(recording, people);
    let expected: BTreeSet<String> = people.iter().map(|person| id(person)).collect();
    assert_eq!(senders(recording, "1").into_iter().collect::<BTreeSet<_>>(), expected);
    for person in people {
        assert_eq!(labels(recording, person), ["1"], "labels of {person}");
    }
    assert_eq!(recording.text("/streams/0/channel"), "both");
    let files = recording.audio().unwrap();
    for samples in &files[0].channels {
        assert!(wav::level(samples, tone_hz(tone_of(call.index, 0))) > VOICE_DB);
    }
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
        "/tags",
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
