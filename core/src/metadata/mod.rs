//! Recording metadata (RFC 7865): who speaks on which stream, when, in which communication session.
//!
//! ```text
//! bytes -> text (encoding) -> xml (tokens) -> tree (repaired) -> parse -> Document -> Snapshot::apply
//! ```
//! Vendors' dialects are read as what they mean; what is not as the RFC has it becomes a [`Deviation`]. Nothing in
//! here can refuse a recording: the worst document costs itself.

mod bounds;
mod document;
mod fold;
mod intervals;
mod parse;
mod request;
mod snapshot;
mod text;
mod time;
mod tree;
mod vendor;
mod xml;

pub use bounds::MAX_HISTORY;
pub use document::{
    DataMode, Dialect, Document, Extension, Group, NameId, ParticipantElement, ParticipantSessionAssoc,
    ParticipantStreamAssoc, Reason, SessionElement, SessionRecordingAssoc, StreamElement,
};
pub use parse::{Parsed, is_metadata_type, parse};
pub use request::write_snapshot_request;
pub use snapshot::{Binding, Contribution, Interval, Membership, Participant, Session, Snapshot, Stream};
pub use time::{TimeFlaw, parse_time};

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Deviations told of one document; a document with more has said enough.
const MAX_DEVIATIONS: usize = 32;
/// Longest piece of a peer's text quoted in a deviation, characters.
const MAX_QUOTE: usize = 120;

/// Something that is not as the RFC has it, named so that an operator can tell the vendor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deviation {
    /// A stable kebab-case code.
    pub code: String,
    /// What was found, in words.
    pub text: String,
    /// Where the rule stands: `RFC 7865 5.1.1`.
    pub section: String,
}

/// Deviations of one document: the first of each code.
#[derive(Debug, Default)]
struct Deviations(Vec<Deviation>);

impl Deviations {
    fn add(&mut self, code: &str, section: &str, text: &str) {
        if self.0.len() < MAX_DEVIATIONS && !self.0.iter().any(|d| d.code == code) {
            let text = text.chars().take(MAX_QUOTE * 2).collect();
            self.0.push(Deviation { code: code.to_string(), text, section: section.to_string() });
        }
    }
}

/// As much of a peer's text as fits into a sentence.
fn quote(text: &str) -> String {
    text.chars().take(MAX_QUOTE).collect()
}

#[cfg(test)]
mod corpus;
