//! Rendering: the entries of a recording session become the audio and the proof sheet of a recording.
//!
//! ```text
//! pass 1   Entry -> Planner -> Plan { sidecar, files: [FilePlan], clock maps, lanes }
//! pass 2   Entry -> Mixer(plan, file) -> blocks of interleaved samples -> wav
//! ```
//!
//! Both passes read the same entries in the same order, so nothing of the audio is held in memory between them.
//! Integers only: the same journal renders to the same bytes on any machine.

mod account;
mod clock;
mod digits;
mod epochs;
mod finish;
mod holes;
mod lanes;
mod leave_out;
mod levels;
mod mix;
mod order;
mod pace;
mod people;
mod plan;
mod ports;
mod proof;
mod queue;
mod scope;
mod sealed;
mod sheet;
mod signalling;
mod text;
mod tones;
mod track;
mod window;
pub mod wav;

pub use leave_out::Detail;
pub use levels::{ChannelLevels, Levels, Meter, TALK_DBFS};
pub use mix::Mixer;
pub use plan::{FilePlan, Plan, Planner};
pub use sheet::*;
pub use tones::Tone;

use crate::entry::Entry;
use crate::seed::RecordingId;

/// Pass 1 over all entries of a session: `read` calls what it is given with each entry, in order.
///
/// # Errors
/// Whatever `read` fails with.
pub fn plan<E>(
    recording: RecordingId,
    read: impl FnOnce(&mut dyn FnMut(&Entry<'_>)) -> Result<(), E>,
) -> Result<Plan, E> {
    let mut planner = Planner::new(recording);
    read(&mut |entry| planner.entry(entry))?;
    Ok(planner.finish())
}

/// Pass 2 over the same entries: `sink` gets interleaved samples in order, [`FilePlan::frames`] frames in all.
///
/// # Errors
/// Whatever `read` or `sink` fails with; after a failure of `sink` it is not called again.
pub fn mix<E>(
    plan: &Plan,
    file: usize,
    read: impl FnOnce(&mut dyn FnMut(&Entry<'_>)) -> Result<(), E>,
    mut sink: impl FnMut(&[i16]) -> Result<(), E>,
) -> Result<(), E> {
    let mut mixer = Mixer::new(plan, file);
    let mut failed = None;
    read(&mut |entry| {
        mixer.entry(entry);
        while failed.is_none() {
            let Some(block) = mixer.poll_block() else { break };
            failed = sink(block).err();
        }
    })?;
    if let Some(failure) = failed {
        return Err(failure);
    }
    mixer.finish();
    while let Some(block) = mixer.poll_block() {
        sink(block)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
