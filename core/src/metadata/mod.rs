//! Recording metadata (RFC 7865).

use alloc::string::String;
use serde::{Deserialize, Serialize};

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

/// The metadata as folded over all updates so far.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Snapshot {}
