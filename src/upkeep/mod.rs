//! `siprec archive`: looking after a data directory.

mod audit;
mod erase;
mod notes;
mod outbox;
mod recompress;
mod unfinished;
mod verify;

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use crate::archive::audit::{Act, Origin, Witness};
use crate::archive::disk::Disk;
use crate::archive::outbox::{Outbox, Queue, Settings};

pub use audit::{Listing, audit};
pub use erase::{Manner, erase, expire};
pub use notes::note;
pub use outbox::{outbox, queue_changed};
pub use recompress::{Manner as Recompression, recompress};
pub use unfinished::unfinished;
pub use verify::{Options as Verification, verify};

/// Writes what a command did in the audit log of `data`; what keeps it from that is said on standard error.
///
/// # Errors
/// Standard error's.
pub fn write_down(data: &Path, act: Act) -> io::Result<()> {
    write_with(&mut Witness::new(data), act)
}

/// The same for one of several entries.
fn write_with(witness: &mut Witness, act: Act) -> io::Result<()> {
    match witness.write(act) {
        Some(warning) => writeln!(io::stderr(), "siprec: {warning}"),
        None => Ok(()),
    }
}

/// Storage targets get what waits for them, where no server runs that sees to it.
fn start_outbox(data: &Path, disk: Arc<dyn Disk>, settings: &Settings) -> anyhow::Result<Outbox> {
    let queue = Arc::new(Queue::open(data)?);
    let settings = Settings { targets: settings.targets.clone(), ..*settings };
    Ok(Outbox::start(disk, data.to_owned(), queue, settings, Arc::new(|_| {}))?)
}

/// Who gives a command, and from where.
fn who() -> String {
    let Origin { who, from } = Origin::of_process();
    format!("{who} from {from}")
}

/// `1 recording`, `2 recordings`.
fn counted(recordings: usize) -> String {
    if recordings == 1 { "1 recording".to_owned() } else { format!("{recordings} recordings") }
}

/// Says what lies on servers that share the catalog.
fn tell_elsewhere(recordings: u64) -> io::Result<()> {
    if recordings == 0 {
        return Ok(());
    }
    writeln!(
        io::stderr(),
        "siprec: {recordings} more that match lie on other servers of this catalog: give the command there"
    )
}
