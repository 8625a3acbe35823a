//! Recording metadata (RFC 7865): who speaks on which stream, when, in which communication session.
//!
//! ```text
//! bytes -> text (encoding) -> xml (tokens) -> tree (repaired) -> parse -> Document -> Snapshot::apply
//! ```
//! Vendors' dialects are read as what they mean; what is not as the RFC has it becomes a [`Deviation`]. Nothing in
//! here can refuse a recording: the worst document costs itself.

mod bounds;
mod document;
mod elements;
mod entities;
mod extension;
mod fold;
mod intervals;
mod lines;
mod mark;
mod names;
mod of_session;
mod parse;
mod renew;
mod repair;
mod request;
mod snapshot;
mod takers;
mod text;
mod time;
mod tree;
mod write;
mod xml;

pub use crate::deviation::Deviation;
pub use bounds::MAX_HISTORY;
pub use document::{
    DataMode, Dialect, Document, Extension, Group, NameId, ParticipantElement, ParticipantSessionAssoc,
    ParticipantStreamAssoc, Reason, SessionElement, SessionRecordingAssoc, StreamElement,
};
pub use mark::{Mark, is_metadata, mark};
pub use of_session::Span;
pub use parse::{Parsed, parse};
pub use request::write_snapshot_request;
pub use snapshot::{Binding, Contribution, Former, Interval, Membership, Participant, Session, Snapshot, Stream};
pub use time::{TimeFlaw, parse_time};
pub use write::{escaped, write_document};

#[cfg(test)]
mod corpus;
#[cfg(test)]
pub(crate) use fold::tests::document;
#[cfg(test)]
mod hostile_tests;
