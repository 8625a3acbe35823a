//! Pass 1.
use alloc::vec::Vec;
use alloc::string::String;

use super::sheet::{Proof, RecordingSession, Sidecar, State, SIDECAR_FORMAT, JournalSheet};
use super::wav::WavFormat;
use crate::entry::Entry;
use crate::seed::RecordingId;

/// What pass 1 found out.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The sidecar, but for digests and the journal's place.
    pub sidecar: Sidecar,
    /// The audio files to be mixed, at least one.
    pub files: Vec<FilePlan>,
}

/// An audio file to be mixed.
#[derive(Debug, Clone)]
pub struct FilePlan {
    /// Its name beside the sidecar: `<id>.wav`, `<id>-2.wav`.
    pub name: String,
    /// Hz.
    pub sample_rate: u32,
    /// Always two.
    pub channels: u16,
    /// Samples a channel.
    pub frames: u64,
}

impl FilePlan {
    /// What its WAV header says.
    pub fn wav(&self) -> WavFormat {
        WavFormat { sample_rate: self.sample_rate, channels: self.channels, frames: self.frames }
    }
}

/// Pass 1: takes every entry of the session, in order.
#[derive(Debug)]
pub struct Planner {
    recording: RecordingId,
}

impl Planner {
    /// A planner of one recording of the session.
    pub fn new(recording: RecordingId) -> Self {
        Self { recording }
    }

    /// Takes the next entry.
    pub fn entry(&mut self, _entry: &Entry<'_>) {}

    /// Ends pass 1.
    pub fn finish(self) -> Plan {
        let sidecar = Sidecar {
            format: SIDECAR_FORMAT,
            siprec: env!("CARGO_PKG_VERSION").into(),
            id: self.recording,
            state: State::Interrupted,
            started_at: String::new(),
            ended_at: String::new(),
            duration_ms: 0,
            ended_by: None,
            recording_session: RecordingSession::default(),
            communication_session: None,
            caller: None,
            callee: None,
            participants: Vec::new(),
            streams: Vec::new(),
            metadata: Vec::new(),
            files: Vec::new(),
            proof: Proof::default(),
            journal: JournalSheet::default(),
        };
        Plan { sidecar, files: Vec::new() }
    }
}
