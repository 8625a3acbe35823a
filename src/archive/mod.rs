//! The archive: all that outlives a call.

pub mod catalog;
pub mod disk;
mod encode;
pub mod finish;
pub mod journal;
pub mod key_file;
pub mod lock;
pub mod node;
pub mod node_key;
pub mod proof_key;
pub mod recordings;
pub mod recovery;
pub mod renderers;
pub mod retention;
pub mod scribe;
pub mod selection;
pub mod space;
