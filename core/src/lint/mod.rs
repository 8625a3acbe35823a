//! The linter: one message in; who made it, what is wrong with it and how to mend it, and what the server would answer.
//!
//! ```text
//! bytes -> inspect (head, body, SDP) --+
//!       -> metadata::parse, Snapshot --+-> Report
//!       -> a dry Srs: the answer ------+
//! ```
//! The answer comes from the server's own decisions, taken by a server of its own at time zero whose ports all open;
//! nothing of them is written down a second time here. [`inspect`], [`contradictions`] and [`Places`] are the
//! renderer's as well.

mod body;
mod contradiction;
mod description;
mod dry;
mod exchange;
mod head;
mod lines;
mod report;

pub use contradiction::{DescribedLine, contradictions};
pub use dry::Answer;
pub use exchange::Places;
pub use report::{Finding, Party, Report, lint};

use alloc::vec::Vec;

use crate::deviation::{Deviation, Deviations};
use crate::session::Bodies;
use crate::sip::{Message, Transport};

/// What in a message from an SRC is not as the RFCs have it: head, body and SDP. (What is wrong with its metadata,
/// [`crate::metadata::parse`] tells.) `bytes` are the message as it came.
pub fn inspect(message: &Message, bytes: &[u8], transport: Transport) -> Vec<Deviation> {
    let mut deviations = Deviations::default();
    head::inspect(message, bytes, transport, &mut deviations);
    body::inspect(message, &mut deviations);
    if let Ok(Bodies { sdp: Some(sdp), .. }) = Bodies::read(message) {
        description::inspect(&sdp, transport, &mut deviations);
    }
    deviations.0
}

#[cfg(test)]
mod tests;
