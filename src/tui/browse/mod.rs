//! `siprec trace -i`: the calls of a capture as a list, and each with its ladder, messages, metadata and streams.
//!
//! ```text
//! Story (core::trace) -> CallTable (list) -> Opened (ladder | messages | metadata) -> Reading (a message, a stream)
//! ```
//! As in all of the terminal, keys change a state, and a screen is drawn of the state alone. Nothing is read here: who calls has
//! the story already.

mod calls;
mod columns;
mod keys;
mod opened;
mod reading;
mod state;
#[cfg(test)]
mod tests;
mod view;

use anyhow::{Result, bail};
use siprec_core::trace::{Filter, Story};

use self::state::State;
use super::link::Teller;
use super::running;
use super::theme::Look;
use crate::wall;

/// What is looked through.
#[derive(Debug)]
pub struct Capture {
    /// What was read, in words.
    pub name: String,
    /// All that it tells.
    pub story: Story,
    /// Which of it is shown.
    pub filter: Filter,
}

/// Says that there is no terminal, where there is none: what is to be read may take long.
///
/// # Errors
/// There is none.
pub fn must_have_terminal() -> Result<()> {
    if !super::is_terminal() {
        bail!(
            "--interactive: this is no terminal: without it ladders are printed; --list, --messages, --rtp and --json are for \
             scripts and pipes"
        );
    }
    Ok(())
}

/// Runs until somebody quits.
///
/// # Errors
/// There is no terminal, or it is gone.
pub fn run(capture: Capture, look: Look) -> Result<()> {
    must_have_terminal()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (teller, told) = Teller::new();
    running::signals(&runtime, &teller)?;
    let state = |size| State::new(capture, size, wall::now_ms());
    // There is no server to be asked.
    running::run(look, (teller, &told), state, drop)
}
