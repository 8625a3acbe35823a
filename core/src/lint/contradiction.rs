//! Where SDP and metadata say different things. Never fatal: the audio is recorded under what is believed.

use alloc::vec::Vec;

use crate::deviation::{Deviation, Deviations, codes, quote};
use crate::metadata::{Participant, Snapshot, Stream};
use crate::sdp::{Description, Direction, Media};

/// An m-line as the SRC described it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescribedLine<'l> {
    /// Its `a=label`.
    pub label: Option<&'l str>,
    /// Its port is not 0.
    pub is_open: bool,
    /// Something may be sent on it now.
    pub is_sending: bool,
}

impl<'l> DescribedLine<'l> {
    /// The line of `media`.
    pub fn of(media: &'l Media) -> Self {
        let is_open = media.port != 0;
        Self { label: media.label.as_deref(), is_open, is_sending: is_open && is_sending(media) }
    }

    /// All lines of `description`, in their order.
    pub fn all(description: &'l Description) -> Vec<Self> {
        description.media.iter().map(Self::of).collect()
    }
}

/// Whether who wrote the line sends on it.
fn is_sending(media: &Media) -> bool {
    matches!(media.direction, Direction::SendOnly | Direction::SendRecv)
}

/// What the metadata as folded so far says otherwise than the m-lines, which are in their order.
pub fn contradictions(lines: &[DescribedLine<'_>], snapshot: &Snapshot) -> Vec<Deviation> {
    let mut deviations = Deviations::default();
    let streams: Vec<&Stream> = snapshot.streams.iter().filter(|stream| stream.is_active()).collect();
    let open: Vec<Option<&str>> = lines.iter().filter(|line| line.is_open).map(|line| line.label).collect();
    if streams.is_empty() {
        let present = snapshot.participants.iter().filter(|participant| participant.is_present()).count();
        if snapshot.streams.is_empty() && present > 0 {
            let told = format_args!("{present} participants and {} m-lines, and no stream is described", open.len());
            deviations.add(&codes::STREAMS_MISSING, told);
        }
        return deviations.0;
    }
    names(lines, &open, &streams, &mut deviations);
    if !snapshot.sends_are_named && snapshot.participants.iter().any(Participant::is_present) {
        let told = format_args!("no send element names who speaks: participants are taken in their order");
        deviations.add(&codes::STREAM_WITHOUT_SENDER, told);
    } else {
        senders(lines, &streams, snapshot, &mut deviations);
    }
    order(&open, snapshot, &mut deviations);
    deviations.0
}

fn names(lines: &[DescribedLine<'_>], open: &[Option<&str>], streams: &[&Stream], deviations: &mut Deviations) {
    let offered = || open.iter().flatten().copied();
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
    let is_closed = |label: &str| !is_offered(label) && lines.iter().any(|line| line.label == Some(label));
    if let Some(label) = described().find(|label| is_closed(label)) {
        let told = format_args!("a stream has the label {}, whose m-line has port 0", quote(label));
        deviations.add(&codes::STREAM_ON_CLOSED_LINE, told);
    }
    if offered().next().is_some() && described().next().is_some() && !described().any(is_offered) {
        let told = format_args!(
            "the SDP has {}, the metadata {}",
            List(open),
            List(&sorted.iter().map(|l| Some(*l)).collect::<Vec<_>>())
        );
        deviations.add(&codes::LABELS_DISJOINT, told);
        return;
    }
    if let Some(label) = described().find(|label| !is_offered(label) && !is_closed(label)) {
        deviations.add(&codes::LABEL_UNKNOWN_TO_SDP, format_args!("no m-line has the label {}", quote(label)));
    }
    if let Some(label) = offered().find(|label| !described().any(|other| other == *label)) {
        deviations.add(&codes::LABEL_UNKNOWN_TO_METADATA, format_args!("no stream has the label {}", quote(label)));
    }
}

/// A line on which something is sent, by nobody; and one on which two speak, though there are streams enough for each.
fn senders(lines: &[DescribedLine<'_>], streams: &[&Stream], snapshot: &Snapshot, deviations: &mut Deviations) {
    let sending = lines.iter().filter(|line| line.is_sending).filter_map(|line| line.label);
    for label in sending {
        let Some(stream) = streams.iter().find(|stream| stream.label() == Some(label)) else { continue };
        let senders = snapshot.senders_of(stream);
        // Who holds has sent before.
        if senders.is_empty() && !snapshot.was_sent_on(stream) {
            let told = format_args!("nobody sends on the stream with the label {}", quote(label));
            deviations.add(&codes::STREAM_WITHOUT_SENDER, told);
        }
        if senders.len() > 1 && !is_mixed(stream, streams, snapshot) {
            let told = format_args!("{} participants send on label {}, which is no mix", senders.len(), quote(label));
            deviations.add(&codes::SEVERAL_SENDERS, told);
        }
    }
}

/// Whether several may send on a stream: it says so, or those who are in its session are more than its streams.
fn is_mixed(stream: &Stream, streams: &[&Stream], snapshot: &Snapshot) -> bool {
    let binding = |stream: &&Stream| stream.binding().map(|binding| (binding.session.clone(), binding.mode.clone()));
    let Some((session, mode)) = binding(&stream) else { return true };
    match mode.as_deref().map(str::to_ascii_lowercase).as_deref() {
        Some("mixed") => return true,
        Some("separate") => return false,
        Some(_) | None => {}
    }
    let beside = streams.iter().filter(|other| binding(other).is_some_and(|(other, _)| other == session)).count();
    let is_theirs = |p: &&Participant| session.as_deref().is_none_or(|session| snapshot.is_in(p, session));
    let people = snapshot.participants.iter().filter(|p| p.is_present()).filter(is_theirs).count();
    people > beside || beside < 2
}

/// The first participant of a session sends on a later m-line than the second.
fn order(labels: &[Option<&str>], snapshot: &Snapshot, deviations: &mut Deviations) {
    if !snapshot.sends_are_named {
        return;
    }
    let place = |participant: &&Participant| {
        let sends = |label: &str| snapshot.senders(label).iter().any(|sender| sender.id == participant.id);
        labels.iter().position(|label| label.is_some_and(sends))
    };
    let mut groups: Vec<Vec<&Participant>> =
        snapshot.active_sessions().iter().map(|session| snapshot.participants_of(&session.id)).collect();
    if groups.is_empty() {
        groups.push(snapshot.participants.iter().collect());
    }
    for people in groups {
        let mut places = people.iter().filter(|p| p.is_present()).map(place).take(2);
        if let (Some(Some(first)), Some(Some(second))) = (places.next(), places.next())
            && first > second
        {
            let told =
                format_args!("the first participant sends on m-line {}, the second on {}", first + 1, second + 1);
            deviations.add(&codes::LABEL_ORDER, told);
        }
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
