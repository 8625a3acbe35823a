//! Rendering: the entries of a recording session become the audio and the proof sheet of a recording.
//!
//! ```text
//! before   Entry -> Noted -> Unsealer: in each pass, what was kept sealed is plain where a key came later
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
mod mute;
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
mod sheet;
mod signalling;
mod swapped;
mod text;
mod tones;
mod track;
mod unseal;
mod window;
pub mod wav;

pub use layout::{FileCoding, FileFormat, Layout, Rendition};
pub use leave_out::Detail;
pub use levels::{ChannelLevels, Levels, Meter};
pub use plan::{FilePlan, Plan, Planner};
pub use sheet::*;
pub use tones::Tone;
pub use unseal::{Noted, Opening, Unsealer};

use alloc::vec::Vec;

use crate::entry::Entry;
use crate::seed::RecordingId;
use mix::Mixer;
use mute::Mute;

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
    desk.hand_out_held(&mut sink)?;
    Ok(desk.finish())
}

/// The mixers of a pass, and the files that are made of what they give.
struct Desk<'p> {
    plan: &'p Plan,
    /// Pair, its mixer and its levels.
    mixers: Vec<(usize, Mixer<'p>, Meter)>,
    /// Of each pair, where keys in the audio must not be told.
    mutes: Vec<Option<Mute>>,
    /// Files and the samples at hand.
    files: Vec<(usize, Vec<i16>)>,
}

impl<'p> Desk<'p> {
    fn new(plan: &'p Plan, pass: usize) -> Self {
        let mixer = |pair: usize| (pair, Mixer::new(plan, pair), Meter::new(plan.pair(pair).rate));
        let mute = |pair: usize| (!plan.digits.is_keep()).then(|| Mute::new(plan.pair(pair).rate));
        let files = plan.files_of(pass).map(|file| (file, Vec::new())).collect();
        let mutes = plan.pairs_of(pass).map(mute).collect();
        Self { plan, mixers: plan.pairs_of(pass).map(mixer).collect(), mutes, files }
    }

    /// What is heard in the pairs.
    fn finish(self) -> Vec<(usize, Levels)> {
        let mixers = self.mixers.into_iter().zip(self.mutes);
        let levels = |((pair, _, meter), mute): ((usize, Mixer<'p>, Meter), Option<Mute>)| {
            let mut levels = meter.finish();
            if let Some(mute) = mute {
                levels.tones = mute.tones();
            }
            (pair, levels)
        };
        mixers.map(levels).collect()
    }

    /// Hands out all blocks that are final. Mixers of one length and rate come to their blocks at the same entry.
    fn hand_out<E>(&mut self, sink: &mut impl FnMut(usize, &[i16]) -> Result<(), E>) -> Result<(), E> {
        loop {
            let mut any = false;
            for ((_, mixer, meter), mute) in self.mixers.iter_mut().zip(&mut self.mutes) {
                let Some(block) = mixer.poll_block() else { continue };
                any = true;
                let block = mute.as_mut().map_or(block, |mute| mute.take(block));
                lay_out(self.plan, &mut self.files, meter, block);
            }
            if !any {
                return Ok(());
            }
            self.write(sink)?;
        }
    }

    /// Hands out what was held back to be muted.
    fn hand_out_held<E>(&mut self, sink: &mut impl FnMut(usize, &[i16]) -> Result<(), E>) -> Result<(), E> {
        for ((_, _, meter), mute) in self.mixers.iter_mut().zip(&mut self.mutes) {
            if let Some(mute) = mute {
                lay_out(self.plan, &mut self.files, meter, mute.finish());
            }
        }
        self.write(sink)
    }

    fn write<E>(&mut self, sink: &mut impl FnMut(usize, &[i16]) -> Result<(), E>) -> Result<(), E> {
        for (file, samples) in self.files.iter_mut().filter(|(_, samples)| !samples.is_empty()) {
            sink(*file, samples)?;
            samples.clear();
        }
        Ok(())
    }
}

/// A block of a pair's goes to its levels and to its files.
fn lay_out(plan: &Plan, files: &mut [(usize, Vec<i16>)], meter: &mut Meter, block: &[i16]) {
    meter.take(block);
    for (file, samples) in files {
        if let Some(file) = plan.files.get(*file) {
            layout::lay(file.take, block, samples);
        }
    }
}

#[cfg(test)]
mod tests;
