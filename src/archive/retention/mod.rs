//! How long things are kept: journals by `archive.keep_journal`, recordings by `storage.retention_days` and the rules of
//! `storage.retention`.

mod journals;
mod recordings;
mod witness;

pub use journals::{Known, PruneError, Pruned, prune};
pub use recordings::{ExpireError, Expired, Rule, expired};
pub use witness::{News, Trust, Witness};
