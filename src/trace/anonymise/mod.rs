//! A capture in which nobody is named and nobody is heard, to be sent to a vendor: it replays as the original does.
//!
//! ```text
//! files -> First (originals, keys, what is media) -> Anonymiser
//! files -> Second: SIP | RTP, RTCP (opened, silenced, closed under the other key) -> Output
//! ```
//! Packets are made anew, of raw IP: link layers, with the addresses of network cards, are left out. What is neither SIP nor RTP
//! nor RTCP is left out, too, and counted.

mod connections;
mod first;
mod media;
mod output;
mod protection;
mod report;
mod second;

pub use report::{LeftOut, Report};

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use siprec_core::anonymise::{Anonymiser, MAX_ORIGINALS};
use siprec_core::seed::Seed;

use self::first::First;
use self::media::Found;
use self::output::{Output, part_of};
use self::second::Second;
use crate::archive::node;
use crate::archive::sealed::is_sealed;
use crate::capture::{Capture, Decoder, Packet, segments_of_folders};

/// Bytes read from a file at a time.
const READ_BYTES: usize = 1 << 20;

/// How to anonymise.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What stands for what is drawn from it. None: from randomness of the machine, which nobody gets to know.
    pub seed: Option<Seed>,
}

/// Writes to `output` what `inputs` hold (captures, plain journals, folders of them), in their order, with numbers, names,
/// addresses and audio replaced. The file is pcapng, or pcap where it is called so.
///
/// # Errors
/// An input that cannot be read whole, an output that cannot be written or is one of the inputs; then nothing is written.
pub fn anonymise(inputs: &[PathBuf], output: &Path, options: &Options) -> anyhow::Result<Report> {
    let inputs = &segments_of_folders(inputs)?;
    check(inputs, output)?;
    let mut first = First::default();
    each_packet(inputs, &mut |packet| {
        first.packet(packet);
        Ok(())
    })?;
    if first.is_full() {
        bail!(
            "there are more than {MAX_ORIGINALS} different names, numbers or addresses: cut the capture (editcap -A, -B)"
        );
    }
    let seed = options.seed.map_or_else(node::fresh_seed, Ok).context("no randomness from the kernel")?;
    let (survey, found) = first.done();
    let mut report = Report::of(survey.originals());
    let anonymiser = Anonymiser::new(survey, seed);
    let written = write(inputs, output, &anonymiser, found, &mut report);
    if written.is_err() {
        // Half a file serves nobody; that it cannot be removed either is told by the error at hand.
        let _ = fs::remove_file(part_of(output));
    }
    written.map(|()| report)
}

fn write(
    inputs: &[PathBuf],
    output: &Path,
    anonymiser: &Anonymiser,
    found: Found,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut second = Second::new(anonymiser, found, Output::create(output)?, report);
    each_packet(inputs, &mut |packet| second.packet(packet))?;
    second.finish()
}

fn check(inputs: &[PathBuf], output: &Path) -> anyhow::Result<()> {
    let target = output.canonicalize().ok();
    for input in inputs {
        if input == Path::new("-") {
            bail!("anonymising reads its input twice, which standard input does not allow: give it a file");
        }
        if is_sealed(input) {
            bail!("{}: a sealed journal; `siprec export --as pcap` writes a capture of its recording", input.display());
        }
        if target.is_some() && input.canonicalize().ok() == target {
            bail!("{}: the output is one of the inputs: name another file", output.display());
        }
    }
    Ok(())
}

fn each_packet(inputs: &[PathBuf], sink: &mut dyn FnMut(Packet) -> anyhow::Result<()>) -> anyhow::Result<()> {
    for path in inputs {
        one_file(path, sink).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

fn one_file(path: &Path, sink: &mut dyn FnMut(Packet) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let file = BufReader::with_capacity(READ_BYTES, File::open(path).context("cannot be opened")?);
    let mut decoder = Decoder::default();
    for frame in Capture::open(file)? {
        if let Some(packet) = decoder.decode(&frame?) {
            sink(packet)?;
        }
    }
    Ok(())
}
