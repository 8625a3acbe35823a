//! What a session writes to its journal: entries, checkpoints, segments.

use alloc::vec::Vec;
use core::net::SocketAddr;

use super::secrets::blank_secrets;
use super::{Checkpoint, Kept, Outbox, Output, Policy};
use crate::entry::{Event, SegmentHeader};
use crate::journal::FORMAT_VERSION;
use crate::seed::{Seed, SessionId};
use crate::sip::Flow;
use crate::time::{Now, Wall};

/// The header of a session's segment number `segment`.
pub(super) fn header(policy: &Policy, session: SessionId, segment: u32, seed: Seed, now: Now) -> SegmentHeader {
    SegmentHeader {
        version: policy.version.clone(),
        format: FORMAT_VERSION,
        session,
        segment,
        seed,
        anchor: (now.monotonic, now.wall),
        boot: policy.boot.clone(),
        config: policy.journalled_config.clone(),
    }
}

/// Begins the segment that the state's header names.
pub(super) fn begin_segment(state: &Checkpoint, now: Now, out: &mut Outbox) {
    let mut ports = state.streams.interfaces();
    for other in &state.joined {
        let known = ports.len();
        let theirs = other.streams.interfaces();
        ports.extend(theirs.iter().skip(known).cloned());
        for ((_, label), (_, theirs)) in ports.iter_mut().zip(theirs) {
            *label = label.take().or(theirs);
        }
    }
    out.push_back(Output::Begin { at: now.wall, header: state.header.clone(), ports });
}

/// Goes on in the next segment: a new header, the streams and a checkpoint, so that it can be read alone.
pub(super) fn next_segment(state: &mut Checkpoint, policy: &Policy, now: Now, out: &mut Outbox) {
    let (segment, seed) = (state.header.segment + 1, state.header.seed);
    state.header = header(policy, state.header.session, segment, seed, now);
    begin_segment(state, now, out);
    let others = state.joined.iter().flat_map(|other| other.streams.live());
    for live in state.streams.live().chain(others) {
        keep(state.session(), now.wall, Event::Stream(live.stream().clone()), out);
        if let Some(event) = live.keys.as_ref().map(|keys| keys.event(live.port())) {
            keep(state.session(), now.wall, event, out);
        }
    }
    checkpoint(state, now, out);
}

/// Appends an event.
pub(super) fn keep(session: SessionId, at: Wall, event: Event, out: &mut Outbox) {
    out.push_back(Output::Keep { session, at, kept: Kept::Event(event) });
}

/// Appends the state.
pub(super) fn checkpoint(state: &Checkpoint, now: Now, out: &mut Outbox) {
    let kept = Kept::Checkpoint(state.write());
    out.push_back(Output::Keep { session: state.session(), at: now.wall, kept });
}

/// Appends a message that came (`outbound == false`) or went over `flow`.
pub(super) fn keep_message(session: SessionId, at: Wall, flow: &Flow, outbound: bool, bytes: &[u8], out: &mut Outbox) {
    let (from, to): (SocketAddr, SocketAddr) =
        if outbound { (flow.local, flow.remote) } else { (flow.remote, flow.local) };
    let message: Vec<u8> = blank_secrets(bytes);
    let kept = Kept::Sip { transport: flow.transport, outbound, from, to, message };
    out.push_back(Output::Keep { session, at, kept });
}
