//! `siprec tui`: what an operator on shift sees of a running server and does about it, by the server's API alone.
//!
//! ```text
//! keyboard, mouse -> thread --\                                 /-> view -> cells that changed -> terminal
//! SIGTERM, SIGTSTP ------------+-> Event -> State::update -> ---+
//! server -> link (own thread) -/                                 \-> Effect -> link, files
//! ```
//! What decides and what draws touches nothing: time, size and answers are passed in, so screens are tested without a terminal.
//! `running` is the loop that hands them over. [`browse`] shows a capture's calls by the same means.

mod answers;
pub mod browse;
mod cursor;
mod event;
mod feed;
mod frame;
mod history;
mod keyboard;
mod keys;
mod ladder;
mod link;
mod listening;
mod metrics;
mod mouse;
mod picture;
mod running;
#[cfg(test)]
mod screens;
mod scroll;
mod search;
mod sound;
mod state;
mod table;
mod terminal;
#[cfg(test)]
mod tests;
mod theme;
mod update;
mod view;
mod wants;

use std::io::IsTerminal as _;

use anyhow::{Result, bail};

use self::link::{Link, Teller};
use self::state::{Manner, State};
pub use self::theme::Look;
use crate::api_client::ApiClient;
use crate::wall;

/// What it shows, and how.
#[derive(Debug)]
pub struct Options {
    /// The server's URL.
    pub server: String,
    /// What shows the server who asks.
    pub token: Option<String>,
    /// Its colours.
    pub look: Look,
    /// Nothing is changed from here.
    pub read_only: bool,
}

/// Runs until somebody quits.
///
/// # Errors
/// There is no terminal, the server's URL is none, or the terminal is gone.
pub fn run(options: Options) -> Result<()> {
    if !is_terminal() {
        bail!(
            "tui: this is no terminal: `siprec export --server` lists and copies what a server has recorded, and `siprec trace` \
             shows its signalling, for scripts and pipes"
        );
    }
    let api = ApiClient::new(&options.server, options.token)?;
    let (teller, told) = Teller::new();
    let manner = Manner { server: api.url().to_owned(), read_only: options.read_only, player: sound::player() };
    let mut link = Link::start(api, teller.clone())?;
    running::signals(link.runtime(), &teller)?;
    let state = |size| State::new(manner, size, wall::now_ms());
    running::run(options.look, (teller, &told), state, |ask| link.ask(ask))
}

/// Whether somebody sees what is shown and can press keys.
fn is_terminal() -> bool {
    std::io::stdout().is_terminal() && std::io::stdin().is_terminal()
}
