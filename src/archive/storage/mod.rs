//! Storage targets: where finished recordings are stored beside the data directory.
//!
//! ```text
//! file on the disk -> store() : hash, put | begin, parts, complete -> Target: folder | S3 | Azure | Google
//!                                -> look at what is there: size and checksum, else read it back
//! ```
//! A target does single steps, each of which may fail; patience is the outbox's.

#[cfg(feature = "cloud")]
mod cloud;
#[cfg(feature = "cloud")]
mod element;
mod folder;
mod key;
mod removed;
#[cfg(feature = "cloud")]
mod s3;
mod store;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
#[cfg(feature = "cloud")]
use std::time::Duration;

use bytes::Bytes;

#[cfg(feature = "cloud")]
pub use cloud::{AzureSettings, CloudTarget, GcsSettings};
pub use folder::FolderTarget;
pub use key::{BadKey, KeyTemplate};
pub use removed::{Kept, Removed};
#[cfg(feature = "cloud")]
pub use s3::{S3Settings, S3Target};
pub use store::{Content, PART_BYTES, Parts, Source, StoreError, Stored, Unfinished, Verified, content, fetch, store};

/// A step of a target, under way.
pub type Step<'a, T> = Pin<Box<dyn Future<Output = Result<T, TargetError>> + Send + 'a>>;

/// A place that keeps objects by key. What a step has returned is kept there; what it failed at may have been done or not.
pub trait Target: fmt::Debug + Send + Sync {
    /// Where an object is, as people write it: `s3://bucket/key`.
    fn url(&self, key: &str) -> String;

    /// Puts a small object there, in place of one that is there. `sums` are of its content, for targets that check them; the
    /// answer is the checksum of what was taken, where the target tells it at once.
    fn put<'a>(&'a self, key: &'a str, content: Bytes, sums: Sums) -> Step<'a, Option<Checksum>>;

    /// Begins an object of several parts; the answer names it in what follows.
    fn begin<'a>(&'a self, key: &'a str, sha256: &'a str) -> Step<'a, String>;

    /// One of its parts; the answer is what [`Target::complete`] wants to hear of it.
    fn part<'a>(&'a self, key: &'a str, upload: &'a str, part: Part) -> Step<'a, String>;

    /// Makes an object of all of its parts.
    fn complete<'a>(&'a self, key: &'a str, upload: &'a str, parts: Vec<String>) -> Step<'a, ()>;

    /// Gives up an object of several parts; what was sent of it is gone.
    fn abort<'a>(&'a self, key: &'a str, upload: &'a str) -> Step<'a, ()>;

    /// Objects of several parts under `key` that were begun and not completed.
    fn unfinished<'a>(&'a self, key: &'a str) -> Step<'a, Vec<String>>;

    /// What is there under a key.
    fn look<'a>(&'a self, key: &'a str) -> Step<'a, Option<Found>>;

    /// Removes what is there under a key, in all versions and snapshots; nothing there is no failure. How many, and what the
    /// provider keeps of them all the same.
    fn erase<'a>(&'a self, key: &'a str) -> Step<'a, Removed>;

    /// `length` octets of an object from `offset` on; fewer at its end.
    fn read<'a>(&'a self, key: &'a str, offset: u64, length: u64) -> Step<'a, Bytes>;
}

/// Digests of an object that is put at once.
#[derive(Debug, Clone, Copy)]
pub struct Sums {
    /// Its MD5.
    pub md5: [u8; 16],
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

/// A part of an object.
#[derive(Debug, Clone)]
pub struct Part {
    /// Counted from 0.
    pub number: u32,
    /// Where it begins in the object.
    pub offset: u64,
    /// What it holds.
    pub content: Bytes,
    /// MD5 of that.
    pub md5: [u8; 16],
}

/// An object as a target describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Its length.
    pub bytes: u64,
    /// A checksum of its content that the target vouches for, if it gives one.
    pub checksum: Option<Checksum>,
}

/// A checksum by a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// MD5 of the content.
    Md5([u8; 16]),
    /// MD5 of the MD5s of so many parts, as S3 has it.
    OfParts([u8; 16], u32),
}

/// Why a target did not do a step.
#[derive(Debug, thiserror::Error)]
#[error("{what}{}", remedy(.kind))]
pub struct TargetError {
    /// Whose fault it is.
    pub kind: ErrorKind,
    /// What happened, with the target's own words.
    pub what: String,
}

/// Whose fault it is that a step failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Nobody answers, or not in time.
    Unreachable,
    /// It asks for patience: 429, 5xx.
    Busy,
    /// It does not take the credentials.
    Denied,
    /// There is no such bucket, container or folder.
    NoBucket,
    /// It is full, or a quota is used up.
    Full,
    /// Our clock, or its, is wrong.
    Clock,
    /// The settings cannot be right.
    Settings,
    /// The object of several parts is no longer known there.
    NoUpload,
    /// It refuses this object.
    Refused,
}

impl ErrorKind {
    /// Whether other objects would meet the same: then the target is left alone for a while.
    pub fn is_of_the_target(self) -> bool {
        !matches!(self, Self::NoUpload | Self::Refused)
    }
}

/// Removes all that a target has under `key`, what was begun and not finished among it; how many objects were there, and what
/// its provider keeps of them.
///
/// # Errors
/// The target's: a lock or a policy may keep them.
pub async fn erase_whole(target: &dyn Target, key: &str) -> Result<Removed, TargetError> {
    for upload in target.unfinished(key).await? {
        target.abort(key, &upload).await?;
    }
    target.erase(key).await
}

/// What to do about it, where something can be done here.
fn remedy(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Denied => ": check the credentials and what they may do there",
        ErrorKind::NoBucket => ": make it, or correct its name in the configuration",
        ErrorKind::Full => ": make room there",
        ErrorKind::Clock => ": set the clock of this machine (NTP)",
        ErrorKind::Settings => ": correct it in the configuration",
        ErrorKind::Unreachable | ErrorKind::Busy | ErrorKind::NoUpload | ErrorKind::Refused => "",
    }
}

impl TargetError {
    pub(crate) fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into() }
    }
}

/// How long a request that carries so many octets may take: a line of 1 Mbit/s, and half a minute for the far end.
#[cfg(feature = "cloud")]
fn patience(bytes: u64) -> Duration {
    Duration::from_secs(30 + bytes / (128 << 10))
}

/// The media type of a key's end.
#[cfg(feature = "cloud")]
fn content_type(key: &str) -> &'static str {
    if key.ends_with(".vcon.json") {
        return "application/vcon";
    }
    match key.rsplit_once('.').map(|(_, end)| end) {
        Some("wav") => "audio/wav",
        Some("flac") => "audio/flac",
        Some("opus") => "audio/ogg",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
pub(crate) mod fixture {
    use siprec_core::render::Sidecar;
    use siprec_core::seed::{RecordingId, SessionId};

    /// A sheet without files, of 9 March 2026, 14:05 UTC.
    pub(crate) fn sidecar(id: u128) -> Sidecar {
        let json = serde_json::json!({
            "format": 1, "siprec": "0", "id": RecordingId(id), "state": "complete",
            "started_at": "2026-03-09T14:05:06.000Z", "ended_at": "2026-03-09T14:06:06.000Z", "duration_ms": 60_000,
            "ended_by": null,
            "recording_session": {
                "id": SessionId(id), "call_id": "c", "src": "127.0.0.1:5060", "transport": null, "user_agent": null
            },
            "communication_session": null, "caller": null, "callee": null, "participants": [], "streams": [],
            "metadata": [], "files": [],
            "proof": serde_json::to_value(siprec_core::render::Proof::default()).unwrap(),
            "journal": serde_json::to_value(siprec_core::render::JournalSheet::default()).unwrap(),
        });
        serde_json::from_value(json).unwrap()
    }
}
