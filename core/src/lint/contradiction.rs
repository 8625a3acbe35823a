//! Where SDP and metadata say different things. Never fatal: the audio is recorded under what is believed.

use alloc::vec::Vec;

use crate::deviation::{Deviation, Deviations, codes, quote};
use crate::metadata::{Participant, Snapshot, Stream};

/// What the metadata as folded so far says otherwise than the m-lines whose labels these are, in their order.
pub fn contradictions(labels: &[Option<&str>], snapshot: &Snapshot) -> Vec<Deviation> {
    let mut deviations = Deviations::default();
    let streams: Vec<&Stream> = snapshot.streams.iter().filter(|stream| stream.is_active()).collect();
    if streams.is_empty() {
        let present = snapshot.participants.iter().filter(|participant| participant.is_present()).count();
        if snapshot.streams.is_empty() && present > 0 {
            let told = format_args!("{present} participants and {} m-lines, and no stream is described", labels.len());
            deviations.add(&codes::STREAMS_MISSING, told);
        }
        return deviations.0;
    }
    names(labels, &streams, &mut deviations);
    if !snapshot.sends_are_named && snapshot.participants.iter().any(Participant::is_present) {
        let told = format_args!("no send element names who speaks: participants are taken in their order");
        deviations.add(&codes::STREAM_WITHOUT_SENDER, told);
    }
    order(labels, snapshot, &mut deviations);
    deviations.0
}

fn names(labels: &[Option<&str>], streams: &[&Stream], deviations: &mut Deviations) {
    let offered = || labels.iter().flatten().copied();
    let described = || streams.iter().filter_map(|stream| stream.label());
    if let Some(stream) = streams.iter().find(|stream| stream.label().is_none()) {
        deviations.add(&codes::STREAM_WITHOUT_LABEL, format_args!("stream '{}' has no label", quote(&stream.id)));
    }
    let mut sorted: Vec<&str> = described().collect();
    sorted.sort_unstable();
    if let Some([label, _]) = sorted.array_windows::<2>().find(|[a, b]| a == b) {
        deviations.add(&codes::LABEL_OF_TWO_STREAMS, format_args!("two streams have the label {}", quote(label)));
    }
    let is_offered = |label: &str| offered().any(|other| other == label);
    if offered().next().is_some() && described().next().is_some() && !described().any(is_offered) {
        let told = format_args!(
            "the SDP has {}, the metadata {}",
            List(labels),
            List(&sorted.iter().map(|l| Some(*l)).collect::<Vec<_>>())
        );
        deviations.add(&codes::LABELS_DISJOINT, told);
        return;
    }
    if let Some(label) = described().find(|label| !is_offered(label)) {
        deviations.add(&codes::LABEL_UNKNOWN_TO_SDP, format_args!("no m-line has the label {}", quote(label)));
    }
    if let Some(label) = offered().find(|label| !described().any(|other| other == *label)) {
        deviations.add(&codes::LABEL_UNKNOWN_TO_METADATA, format_args!("no stream has the label {}", quote(label)));
    }
}

/// The first participant sends on a later m-line than the second.
fn order(labels: &[Option<&str>], snapshot: &Snapshot, deviations: &mut Deviations) {
    let place = |participant: &Participant| {
        let sends = |label: &str| snapshot.senders(label).iter().any(|sender| sender.id == participant.id);
        labels.iter().position(|label| label.is_some_and(sends))
    };
    let mut places = snapshot.participants.iter().filter(|p| p.is_present()).map(place).take(2);
    if let (Some(Some(first)), Some(Some(second))) = (places.next(), places.next())
        && first > second
        && snapshot.sends_are_named
    {
        let told = format_args!("the first participant sends on m-line {}, the second on {}", first + 1, second + 1);
        deviations.add(&codes::LABEL_ORDER, told);
    }
}

/// Labels as a sentence has them.
struct List<'a>(&'a [Option<&'a str>]);

impl core::fmt::Display for List<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (place, label) in self.0.iter().flatten().take(8).enumerate() {
            write!(f, "{}{}", if place == 0 { "" } else { ", " }, quote(label))?;
        }
        Ok(())
    }
}
