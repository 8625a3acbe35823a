//! The archive: all that outlives a call.
pub mod catalog;
