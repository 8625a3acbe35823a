//! The archive: all that outlives a call.

pub mod catalog;
pub mod disk;
pub mod finish;
pub mod lock;
pub mod node;
pub mod recordings;
pub mod renderers;
pub mod retention;
pub mod selection;
pub mod space;
