//! The archive: all that outlives a call.
pub mod catalog;
pub mod lock;
pub mod selection;
pub mod space;
