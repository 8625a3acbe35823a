//! Rendering: the entries of a recording session become the audio and the proof sheet of a recording.
//!
//! ```text
//! pass 1   Entry -> Planner -> Plan { sidecar, files: [FilePlan], clock maps, lanes }
//! pass 2   Entry -> Mixer(plan, pair) -> blocks of two channels -> laid out -> files' samples
//! ```
//!
//! Both passes read the same entries in the same order, so nothing of the audio is held in memory between them.
//! Integers only: the same journal renders to the same bytes on any machine.

mod account;
mod canvas;
mod clock;
mod digits;
mod epochs;
mod finish;
mod holes;
mod lanes;
mod layout;
mod leave_out;
mod levels;
mod lines;
mod mix;
mod order;
mod pace;
mod people;
mod plan;
mod ports;
mod proof;
mod queue;
mod reports;
mod resample;
mod scope;
mod sealed;
mod sheet;
mod signalling;
mod swapped;
mod text;
mod tones;
mod track;
mod window;
pub mod wav;

pub use layout::{FileCoding, FileFormat, Layout, Rendition};
pub use leave_out::Detail;
pub use levels::{ChannelLevels, Levels, Meter};
pub use plan::{FilePlan, Plan, Planner};
pub use sheet::*;
pub use tones::Tone;

use alloc::vec::Vec;

use crate::entry::Entry;
use crate::seed::RecordingId;
use mix::Mixer;

/// Pass 1 over all entries of a session: `read` calls what it is given with each entry, in order.
///
/// # Errors
/// Whatever `read` fails with.
pub fn plan<E>(
    recording: RecordingId,
    rendition: Rendition,
    read: impl FnOnce(&mut dyn FnMut(&Entry<'_>)) -> Result<(), E>,
) -> Result<Plan, E> {
    let mut planner = Planner::new(recording);
    read(&mut |entry| planner.entry(entry))?;
    Ok(planner.finish(rendition))
}

/// Pass 2 over the same entries, number `pass` of [`Plan::passes`]: `sink` gets samples of the files of
/// [`Plan::files_of`], interleaved and in order, [`FilePlan::frames`] frames of each in all. Returns what is heard in the
/// pairs of channels, for [`Plan::heard`].
///
/// # Errors
/// Whatever `read` or `sink` fails with; after a failure of `sink` it is not called again.
pub fn mix<E>(
    plan: &Plan,
    pass: usize,
    read: impl FnOnce(&mut dyn FnMut(&Entry<'_>)) -> Result<(), E>,
    mut sink: impl FnMut(usize, &[i16]) -> Result<(), E>,
) -> Result<Vec<(usize, Levels)>, E> {
    let mut desk = Desk::new(plan, pass);
    let mut failed = None;
    read(&mut |entry| {
        if failed.is_none() {
            desk.mixers.iter_mut().for_each(|(_, mixer, _)| mixer.entry(entry));
            failed = desk.hand_out(&mut sink).err();
        }
    })?;
    if let Some(failure) = failed {
        return Err(failure);
    }
    desk.mixers.iter_mut().for_each(|(_, mixer, _)| mixer.finish());
    desk.hand_out(&mut sink)?;
    Ok(desk.mixers.into_iter().map(|(pair, _, meter)| (pair, meter.finish())).collect())
}

/// The mixers of a pass, and the files that are made of what they give.
struct Desk<'p> {
    plan: &'p Plan,
    /// Pair, its mixer and its levels.
    mixers: Vec<(usize, Mixer<'p>, Meter)>,
    /// Files and the samples at hand.
    files: Vec<(usize, Vec<i16>)>,
}

impl<'p> Desk<'p> {
    fn new(plan: &'p Plan, pass: usize) -> Self {
        let mixer = |pair: usize| (pair, Mixer::new(plan, pair), Meter::new(plan.pair(pair).rate));
        let files = plan.files_of(pass).map(|file| (file, Vec::new())).collect();
        Self { plan, mixers: plan.pairs_of(pass).map(mixer).collect(), files }
    }

    /// Hands out all blocks that are final. Mixers of one length and rate come to their blocks at the same entry.
    fn hand_out<E>(&mut self, sink: &mut impl FnMut(usize, &[i16]) -> Result<(), E>) -> Result<(), E> {
        loop {
            let mut any = false;
            for (_, mixer, meter) in &mut self.mixers {
                let Some(block) = mixer.poll_block() else { continue };
                any = true;
                meter.take(block);
                for (file, samples) in &mut self.files {
                    if let Some(file) = self.plan.files.get(*file) {
                        layout::lay(file.take, block, samples);
                    }
                }
            }
            if !any {
                return Ok(());
            }
            for (file, samples) in &mut self.files {
                sink(*file, samples)?;
                samples.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests;
