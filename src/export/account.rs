//! What an export writes in the audit log: that it begins and where to, each recording that left, and how it ended.
//!
//! An entry a recording, since the question is always asked of one: who has had it? What was there already did not leave, so a
//! nightly run adds what is new. A recording's entry is on the disk before its thread begins the next one: of a run that is killed,
//! which the log shows as one without an end, at most the recordings under way (`--jobs`) are without entries of their own.

use std::io::{self, Write};

use siprec_core::seed::RecordingId;

use super::{Options, To, What};
use crate::archive::audit::{Act, Action, Witness};
use crate::archive::finish::Form;
use crate::archive::node;
use crate::archive::recordings::hexadecimal;

/// Octets of a run's name in the log.
const RUN: usize = 4;

/// Writes down one run.
pub(super) struct Account {
    witness: Witness,
    run: String,
    to: String,
    form: &'static str,
}

impl Account {
    pub(super) fn new(options: &Options) -> Self {
        // Without the kernel's generator runs are told apart by their entries' order.
        let run = node::fresh_seed().map(|seed| hexadecimal(seed.0.get(..RUN).unwrap_or_default())).unwrap_or_default();
        let to = match &options.to {
            Some(To::Folder(path)) => std::path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string(),
            Some(To::Target(target, prefix)) => target.url(prefix),
            Some(To::Stdout) | None => "standard output".to_owned(),
        };
        Self { witness: Witness::new(&options.data), run, to, form: form(&options.what) }
    }

    /// A run begins.
    pub(super) fn begin(&mut self, err: &mut dyn Write) -> io::Result<()> {
        let act = self.act().with("step", "begun").with("version", env!("CARGO_PKG_VERSION"));
        self.write(act, err)
    }

    /// A recording left, or some of it may have.
    pub(super) fn handed_out(&mut self, id: RecordingId, whole: bool, err: &mut dyn Write) -> io::Result<()> {
        let act = self.act().recording(id).with("outcome", if whole { "copied" } else { "failed" });
        self.write(act, err)
    }

    /// The run ends with so many copied, already there, and failed.
    pub(super) fn end(&mut self, (copied, present, failed): (u64, u64, u64), err: &mut dyn Write) -> io::Result<()> {
        let act = self.act().with("step", "ended");
        self.write(act.with("copied", copied).with("present", present).with("failed", failed), err)
    }

    fn act(&self) -> Act {
        Act::new(Action::Exported).with("run", &self.run).with("to", &self.to).with("form", self.form)
    }

    fn write(&mut self, act: Act, err: &mut dyn Write) -> io::Result<()> {
        match self.witness.write(act) {
            Some(warning) => writeln!(err, "siprec: {warning}"),
            None => Ok(()),
        }
    }
}

/// The form's name on the command line.
fn form(what: &What) -> &'static str {
    match what {
        What::Copy => "copy",
        What::Vcon(_) => "vcon",
        What::Render(Form::Sheet) => "json",
        What::Render(Form::Packets) => "pcap",
        What::Render(Form::Audio(rendition)) => rendition.format.name(),
    }
}
