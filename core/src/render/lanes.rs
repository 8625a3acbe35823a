//! Who is heard where: the caller left, the callee right, and what speaks at the same time as a third in a second file.
//!
//! A lane is what one channel can play without a conflict: the sources of an m-line that follow one another, or a
//! source that speaks beside them (a stranger on the port, a second SSRC in one m-line).

use alloc::vec::Vec;

use super::sheet::ChannelName;

/// Lanes whose times touch by no more than this may share a channel: a handover.
const HANDOVER_NS: i64 = 500_000_000;

/// Whose voice a stream carries, as the metadata says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Caller,
    Callee,
    /// Several participants send it.
    Mixed,
    /// A third, or unknown.
    Other,
    /// Somebody of another address at the same time: never in the first file.
    Stranger,
}

/// What wants a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lane {
    pub(super) role: Role,
    pub(super) m_line: u16,
    /// From its first sample to its last, ns; none if it has none.
    pub(super) span: Option<(i64, i64)>,
}

/// Where a lane is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) file: usize,
    pub(super) channel: ChannelName,
}

/// A channel of a file and the lanes in it so far.
#[derive(Debug, Default)]
struct Channel {
    taken: Vec<Lane>,
}

impl Channel {
    fn is_free_for(&self, lane: &Lane) -> bool {
        self.taken.iter().all(|other| !overlap(other.span, lane.span))
    }
}

/// Seats the lanes, which come in the order of m-lines, a port's own before those beside it.
pub(super) fn seat(lanes: &[Lane]) -> Vec<Seat> {
    let mut hosts = lanes.iter().filter(|lane| lane.role != Role::Stranger);
    let alone = matches!((hosts.next(), hosts.next()), (Some(Lane { role: Role::Mixed | Role::Other, .. }), None));
    let mut channels: Vec<Channel> = Vec::new();
    let mut seats = alloc::vec![None; lanes.len()];
    for rank in [Role::Caller, Role::Callee, Role::Mixed, Role::Other, Role::Stranger] {
        for (lane, seat) in lanes.iter().zip(&mut seats).filter(|(lane, _)| lane.role == rank) {
            let index = choose(&mut channels, lane);
            let channel = if index.is_multiple_of(2) { ChannelName::Left } else { ChannelName::Right };
            let channel = if alone && index < 2 { ChannelName::Both } else { channel };
            *seat = Some(Seat { file: index / 2, channel });
        }
    }
    seats.into_iter().flatten().collect()
}

/// The channel for a lane: its role's, an empty one of the first file, one where its m-line was before, any free one.
fn choose(channels: &mut Vec<Channel>, lane: &Lane) -> usize {
    while channels.len() < 2 {
        channels.push(Channel::default());
    }
    let (preferred, first) = match lane.role {
        Role::Caller => (Some(0), 0),
        Role::Callee => (Some(1), 0),
        Role::Mixed | Role::Other => (None, 0),
        Role::Stranger => (None, 2),
    };
    let free = |index: &usize| *index >= first && channels.get(*index).is_some_and(|channel| channel.is_free_for(lane));
    let same_line = |channel: &Channel| channel.taken.iter().any(|other| other.m_line == lane.m_line);
    let index = preferred
        .filter(free)
        .or_else(|| channels.iter().take(2).position(|channel| channel.taken.is_empty()).filter(free))
        .or_else(|| channels.iter().position(same_line).filter(free))
        .or_else(|| (0..channels.len()).find(free))
        .unwrap_or(channels.len());
    if index == channels.len() {
        channels.push(Channel::default());
    }
    if let Some(channel) = channels.get_mut(index) {
        channel.taken.push(*lane);
    }
    index
}

fn overlap(a: Option<(i64, i64)>, b: Option<(i64, i64)>) -> bool {
    a.zip(b).is_some_and(|(a, b)| a.1.min(b.1).saturating_sub(a.0.max(b.0)) > HANDOVER_NS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ChannelName::{Both, Left, Right};

    const SECOND: i64 = 1_000_000_000;

    fn lane(role: Role, m_line: u16, from: i64, to: i64) -> Lane {
        Lane { role, m_line, span: (from < to).then_some((from * SECOND, to * SECOND)) }
    }

    fn seats(lanes: &[Lane]) -> Vec<(usize, ChannelName)> {
        seat(lanes).into_iter().map(|seat| (seat.file, seat.channel)).collect()
    }

    #[test]
    fn the_caller_is_left_whatever_the_order_of_lines() {
        let (callee, caller) = (lane(Role::Callee, 0, 0, 9), lane(Role::Caller, 1, 0, 9));
        assert_eq!(seats(&[callee, caller]), [(0, Right), (0, Left)]);
        assert_eq!(seats(&[lane(Role::Other, 0, 0, 9), lane(Role::Other, 1, 0, 9)]), [(0, Left), (0, Right)]);
    }

    #[test]
    fn a_silent_line_keeps_its_channel() {
        assert_eq!(seats(&[lane(Role::Other, 0, 0, 0), lane(Role::Other, 1, 0, 9)]), [(0, Left), (0, Right)]);
    }

    #[test]
    fn a_third_at_the_same_time_goes_to_a_second_file() {
        let two = [lane(Role::Caller, 0, 0, 9), lane(Role::Callee, 1, 0, 9)];
        let with = |third| seats(&[two[0], two[1], third])[2];
        assert_eq!(with(lane(Role::Other, 2, 3, 9)), (1, Left));
        assert_eq!(with(lane(Role::Other, 2, 9, 12)), (0, Left));
        assert_eq!(with(lane(Role::Other, 1, 9, 12)), (0, Right));
    }

    #[test]
    fn one_line_alone_is_mono_unless_its_speaker_is_known() {
        assert_eq!(seats(&[lane(Role::Other, 0, 0, 9)]), [(0, Both)]);
        assert_eq!(seats(&[lane(Role::Mixed, 0, 0, 9)]), [(0, Both)]);
        assert_eq!(seats(&[lane(Role::Callee, 0, 0, 9)]), [(0, Right)]);
        assert_eq!(seats(&[lane(Role::Other, 0, 0, 9), lane(Role::Stranger, 0, 0, 9)]), [(0, Both), (1, Left)]);
    }
}
