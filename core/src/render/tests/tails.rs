//! What comes on a line after its communication session's end, while the recording session goes on: each packet is in
//! one recording.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::call::{Call, Leg, SECOND, ZERO, stream};
use crate::entry::{EndCause, Event};
use crate::metadata::{Snapshot, document};
use crate::render::{self, Rendition, Sidecar, StreamSheet};
use crate::seed::RecordingId;
use crate::time::Wall;

const FIRST: RecordingId = RecordingId(1);
const SECOND_RECORDING: RecordingId = RecordingId(2);
const OWN: RecordingId = RecordingId(3);
/// When the metadata says that the first session is over.
const OVER: i64 = 5 * SECOND;
/// When its recording is closed.
const CLOSED: i64 = 7 * SECOND;
/// When everything ends.
const END: i64 = 10 * SECOND;

/// Two sessions side by side, a line each, heard until the end; after the first one's the rest of its line is `own`'s, where
/// the recording session's own recording begins.
fn call(own: bool) -> Call {
    let mut call = Call::default();
    let mut snapshot = Snapshot::default();
    let mut tell = |call: &mut Call, at: i64, elements: String| {
        snapshot.apply(&document("partial", &elements), Wall(ZERO + at));
        let deviations = [].into();
        call.event(at, Event::Metadata { snapshot: Arc::new(snapshot.clone()), deviations });
    };
    let session = |id: &str, label: &str| {
        format!(
            "<session session_id='{id}'/><stream stream_id='s{label}' session_id='{id}'><label>{label}</label></stream>"
        )
    };
    for port in 0..2 {
        call.event(-3, Event::Stream(stream(port)));
        call.add(Leg::new(port).packets(0, 490));
    }
    tell(&mut call, -2, session("a", "1") + &session("b", "2"));
    for (recording, id) in [(FIRST, "a"), (SECOND_RECORDING, "b")] {
        call.event(-1, Event::RecordingStarted { recording, communication_session: Some(id.to_string()) });
    }
    call.event(0, Event::Answered);
    tell(&mut call, OVER, "<session session_id='a'><stop-time>2026-11-23T00:00:00Z</stop-time></session>".to_string());
    let cause = EndCause::CommunicationSessionEnded;
    call.event(CLOSED, Event::RecordingEnded { recording: FIRST, cause });
    if own {
        call.event(CLOSED + 1, Event::RecordingStarted { recording: OWN, communication_session: None });
    }
    call.event(END, Event::Ended { cause: EndCause::Bye });
    call.items.sort_by_key(|(at, _)| *at);
    call
}

fn sheet(call: &Call, recording: RecordingId) -> Sidecar {
    let plan = render::plan(recording, Rendition::default(), |take| call.read(take));
    plan.unwrap_or_else(|never| match never {}).sidecar
}

fn received(sheet: &Sidecar) -> Vec<(Option<&str>, u64)> {
    let packets = |stream: &StreamSheet| stream.sources.iter().map(|source| source.packets).sum();
    sheet.streams.iter().map(|stream| (stream.label.as_deref(), packets(stream))).collect()
}

#[test]
fn the_last_words_are_of_the_session_that_ended() {
    let first = sheet(&call(false), FIRST);
    assert_eq!(received(&first), [(Some("1"), 349)], "until its recording was closed");
    assert_eq!(first.ended_by, Some(EndCause::CommunicationSessionEnded));
    assert_eq!(first.duration_ms, 7_020);
    assert_eq!(first.ended_at, Wall(ZERO).after(Duration::from_millis(7_020)).rfc3339());
}

#[test]
fn no_packet_of_a_session_that_ended_is_in_anothers_recording() {
    for own in [false, true] {
        let second = sheet(&call(own), SECOND_RECORDING);
        assert_eq!(received(&second), [(Some("2"), 490)], "own: {own}");
        assert_eq!(second.duration_ms, 9_840);
    }
}

#[test]
fn what_still_comes_is_in_a_recording_of_its_own() {
    let call = call(true);
    let own = sheet(&call, OWN);
    assert_eq!(received(&own), [(Some("1"), 141)]);
    let all = [FIRST, SECOND_RECORDING, OWN].map(|id| received(&sheet(&call, id)).iter().map(|(_, n)| n).sum::<u64>());
    assert_eq!(all.iter().sum::<u64>(), 2 * 490);
}

#[test]
fn a_recording_has_the_tags_of_its_session_at_its_own_end() {
    let mut call = call(true);
    let tagged = |add: &[&str], remove: &[&str]| {
        let texts = |tags: &[&str]| tags.iter().map(ToString::to_string).collect();
        Event::Tagged { add: texts(add), remove: texts(remove) }
    };
    call.event(SECOND, tagged(&["early", "wrong"], &[]));
    call.event(OVER + SECOND, tagged(&["last-words"], &["wrong"]));
    call.event(CLOSED + SECOND, tagged(&["later"], &["early"]));
    call.items.sort_by_key(|(at, _)| *at);
    assert_eq!(sheet(&call, FIRST).tags, ["early", "last-words"], "it had ended when the others came");
    assert_eq!(sheet(&call, SECOND_RECORDING).tags, ["last-words", "later"]);
    assert_eq!(sheet(&call, OWN).tags, ["last-words", "later"], "it began after them");
}
