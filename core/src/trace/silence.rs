//! Why there is no audio, in words: what was agreed on held against what came.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::call::State;
use super::story::Story;
use super::stream::{Gap, Stream};
use super::told::{Line, Side};
use crate::sdp::Direction;

/// A reason why a line has no audio, or not what it should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// Who should be heard; none where the whole call is meant.
    pub sender: Option<Side>,
    /// The m-line, from 0; none where the whole call is meant.
    pub line: Option<usize>,
    /// A stable name.
    pub code: &'static str,
    /// In words, with the remedy where there is one.
    pub text: String,
}

/// Comfort noise (RFC 3551 6), which many send without saying so.
const COMFORT_NOISE: u8 = 13;
/// Packets of a stream under this count are too few to judge.
const FEW: u64 = 25;

/// The reasons for all lines of a call.
pub(super) fn silences(story: &Story, call: usize) -> Vec<Silence> {
    let Some(known) = story.calls.get(call) else { return Vec::new() };
    if !known.is_invite() && known.media.count() == 0 {
        return Vec::new();
    }
    let whole = |code, text: &str| Vec::from([Silence { sender: None, line: None, code, text: text.to_string() }]);
    match known.state {
        State::Refused(status) => return whole("refused", &format!("the call was refused with {status}")),
        State::Cancelled => return whole("cancelled", "the call was cancelled before it was answered"),
        State::Transaction(_)
        | State::Trying
        | State::Ringing(_)
        | State::Established
        | State::Ended(_)
        | State::Within => {}
    }
    if known.media.count() == 0 {
        return whole(
            "no-description",
            "no message of the capture has a description (SDP) that can be read: the capture lacks it, or SIP is encrypted",
        );
    }
    let nothing_came = story.streams_of(call, None).next().is_none();
    if known.media.lines(Side::Callee).is_empty() && known.state != State::Within && nothing_came {
        return whole(
            "no-answer",
            "the capture has no answer (SDP) of the callee: the call was not answered, or the answer is missing",
        );
    }
    let mut found = Vec::new();
    for line in 0..known.media.count() {
        let kinds =
            [Side::Caller, Side::Callee].map(|side| known.media.line(side, line).map(|l| l.media.kind.as_str()));
        if !kinds.contains(&Some("audio")) {
            continue;
        }
        // An SRS only listens.
        let senders = if known.is_recording() { &[Side::Caller][..] } else { &[Side::Caller, Side::Callee] };
        for &sender in senders {
            let looked = Looked { story, call, line, sender };
            found.extend(looked.reasons().into_iter().map(|(code, text)| Silence {
                sender: Some(sender),
                line: Some(line),
                code,
                text,
            }));
        }
    }
    found
}

/// Packets that are missing because the line was inactive meanwhile: of senders whose sequence numbers run on.
fn paused(streams: &[&Stream], lines: [Option<&Line>; 2]) -> Option<Reason> {
    let changes = || lines.into_iter().flatten().map(|line| line.changes.as_slice());
    let is_paused = |gap: &Gap| {
        changes().any(|changes| {
            changes.iter().enumerate().any(|(nth, change)| {
                let stopped = change.direction == Direction::Inactive || change.address.is_some_and(|a| a.port() == 0);
                let ends_later = changes.get(nth + 1).is_none_or(|next| next.at > gap.from);
                stopped && change.at < gap.to && ends_later
            })
        })
    };
    let gaps = streams.iter().flat_map(|stream| &stream.gaps).filter(|gap| gap.missing > 0 && is_paused(gap));
    let missing: u64 = gaps.map(|gap| u64::from(gap.missing)).sum();
    let text =
        format!("{missing} of the missing packets are of a time in which the line was inactive or closed: a pause");
    (missing > 0).then_some(("paused", text))
}

/// One direction of a line.
#[derive(Clone, Copy)]
struct Looked<'a> {
    story: &'a Story,
    call: usize,
    line: usize,
    sender: Side,
}

type Reason = (&'static str, String);

impl Looked<'_> {
    fn reasons(self) -> Vec<Reason> {
        let Some(call) = self.story.calls.get(self.call) else { return Vec::new() };
        let sender = call.media.line(self.sender, self.line);
        let receiver = call.media.line(self.sender.other(), self.line);
        let all = || self.story.streams_of(self.call, Some((self.sender.other(), self.line)));
        let streams: Vec<&Stream> = all().filter(|stream| stream.as_told).collect();
        if streams.is_empty() {
            let expected = receiver.and_then(Line::address).filter(|address| address.port() != 0);
            if let Some((stream, expected)) = all().next().zip(expected) {
                return Vec::from([self.elsewhere(stream, expected)]);
            }
            let (Some(sender), Some(receiver)) = (sender, receiver) else { return Vec::new() };
            return self.nothing_came(sender, receiver).into_iter().collect();
        }
        let mut reasons = Vec::new();
        self.what_came(&streams, receiver, &mut reasons);
        self.who_sent(&streams, sender, &mut reasons);
        reasons.extend(paused(&streams, [sender, receiver]));
        reasons
    }

    fn name(self) -> &'static str {
        match self.sender {
            Side::Caller => "the caller",
            Side::Callee => "the callee",
        }
    }

    fn nothing_came(self, sender: &Line, receiver: &Line) -> Option<Reason> {
        let never = |line: &Line| line.changes.iter().all(|change| change.address.is_some_and(|a| a.port() == 0));
        if never(receiver) {
            return Some(("port-0", "the stream was refused: the answer has port 0 in its m-line".to_string()));
        }
        if never(sender) {
            return Some(("port-0", "the stream was closed from the start: its m-line has port 0".to_string()));
        }
        let only = |line: &Line, word: &str| line.changes.iter().all(|change| change.direction.as_str() == word);
        if only(sender, "inactive") || only(receiver, "inactive") {
            let who = if only(sender, "inactive") { self.name() } else { "the other side" };
            return Some(("inactive", format!("{who} says a=inactive: nobody is to send")));
        }
        // One way on purpose is no fault: a recorder only listens.
        if !sender.ever(true) || !receiver.ever(false) {
            let unspecified = receiver.changes.iter().all(|c| c.address.is_some_and(|a| a.ip().is_unspecified()));
            return unspecified.then(|| {
                (
                    "zero-address",
                    "the receiver's address is 0.0.0.0, which says: send nothing (RFC 3264 8.4)".to_string(),
                )
            });
        }
        if self.story.calls.get(self.call).is_some_and(|call| self.story.is_unseen(call)) {
            return None;
        }
        let expected = receiver.address()?;
        Some(self.came_elsewhere(sender, expected).unwrap_or_else(|| self.did_not_come(expected)))
    }

    /// RTP of that sender that came to another place than was agreed on.
    fn came_elsewhere(self, sender: &Line, expected: SocketAddr) -> Option<Reason> {
        let from = sender.address()?;
        let strays =
            || self.story.strays(from.ip()).chain(self.story.strays(expected.ip())).filter(|s| s.to != expected);
        let between = || strays().find(|stray| stray.from.ip() == from.ip() && stray.to.ip() == expected.ip());
        let found = between().or_else(|| strays().find(|stray| stray.from.ip() == from.ip()))?;
        Some(self.elsewhere(found, expected))
    }

    fn elsewhere(self, stream: &Stream, expected: SocketAddr) -> Reason {
        let figures = stream.figures();
        let text = format!(
            "RTP of {} ({} packets, SSRC {:08x}) came to {} and not to {expected}, which the description names: \
             the sender does not follow it, or a NAT or SBC changed the one and not the other",
            self.name(),
            figures.received,
            figures.ssrc,
            stream.to
        );
        ("other-port", text)
    }

    fn did_not_come(self, expected: SocketAddr) -> Reason {
        let rtcp = SocketAddr::new(expected.ip(), expected.port().saturating_add(1));
        let reports = [rtcp, expected].iter().filter_map(|address| self.story.reports.get(address)).sum::<u64>();
        let open = if reports > 0 {
            format!("; {reports} RTCP packets came, so the way is open and the sender is silent")
        } else {
            "; it was not sent, was dropped on its way (firewall, NAT), or this capture did not see it".to_string()
        };
        ("no-rtp", format!("no RTP of {} came to {expected}{open}", self.name()))
    }

    fn what_came(self, streams: &[&Stream], receiver: Option<&Line>, reasons: &mut Vec<Reason>) {
        let types = streams.iter().flat_map(|stream| &stream.types);
        let mut unknown: Vec<u8> = types
            .clone()
            .filter(|kind| !kind.told && kind.payload_type != COMFORT_NOISE)
            .map(|kind| kind.payload_type)
            .collect();
        unknown.sort_unstable();
        unknown.dedup();
        let told: u64 = types.clone().filter(|kind| kind.told).map(|kind| kind.packets).sum();
        let all: u64 = types.map(|kind| kind.packets).sum();
        if let Some(receiver) = receiver.filter(|_| !unknown.is_empty() && all >= told + FEW.min(all)) {
            let agreed: Vec<String> = receiver.media.formats.iter().map(|f| f.payload_type.to_string()).collect();
            let came: Vec<String> = unknown.iter().map(ToString::to_string).collect();
            let text = format!(
                "payload type {} came ({} of {all} packets), and the description has {}: the receiver cannot decode it",
                came.join(", "),
                all - told,
                agreed.join(", ")
            );
            reasons.push(("payload-type", text));
        }
        let secured = streams.iter().map(|stream| stream.secured).filter(|secured| secured.expected);
        let (mut opened, mut refused, mut without) = (0, 0, 0);
        for one in secured {
            opened += one.opened;
            refused += one.refused;
            without += one.without_key;
        }
        if opened == 0 && refused > 0 {
            let text =
                "SRTP, and not under the key of its description: the sender has another key, or these are blanked";
            reasons.push(("srtp-key", text.to_string()));
        } else if opened == 0 && without > 0 {
            let text = "SRTP, and the capture has no key for it (DTLS, or a key that is not in the SDP): what is said in it is not heard here";
            reasons.push(("srtp-no-key", text.to_string()));
        }
        if streams.iter().all(|stream| stream.is_events_only()) {
            reasons.push(("events-only", "nothing but telephone events came: no voice".to_string()));
        } else if streams.iter().all(|stream| stream.is_silent() || stream.is_events_only()) {
            let text = "packets came and hold digital silence: the sender's microphone or its source is mute";
            reasons.push(("silent", text.to_string()));
        }
    }

    fn who_sent(self, streams: &[&Stream], sender: Option<&Line>, reasons: &mut Vec<Reason>) {
        let mut senders: Vec<SocketAddr> = streams.iter().map(|stream| stream.from).collect();
        senders.sort_unstable();
        senders.dedup();
        let overlapping = streams.iter().enumerate().find_map(|(nth, one)| {
            let (began, ended) = (one.figures().first_at, one.figures().last_at);
            let mut others = streams.get(nth + 1..).unwrap_or_default().iter();
            others.find(|other| {
                let figures = other.figures();
                other.from != one.from && figures.first_at < ended && began < figures.last_at && figures.received >= FEW
            })
        });
        if let Some(stranger) = overlapping {
            let text = format!(
                "{} sends to the same port at the same time (SSRC {:08x}): two sources, of which a receiver takes one",
                stranger.from,
                stranger.figures().ssrc
            );
            reasons.push(("stranger", text));
        }
        let told =
            sender.and_then(Line::address).filter(|address| !address.ip().is_unspecified() && address.port() != 0);
        let Some(told) = told else { return };
        if senders.iter().all(|from| from.ip() != told.ip()) {
            let from: Vec<String> = senders.iter().map(ToString::to_string).collect();
            let text = format!(
                "RTP came from {} and not from {told}, which the description names: a receiver that insists on it drops all",
                from.join(", ")
            );
            reasons.push(("other-source", text));
        }
    }
}
