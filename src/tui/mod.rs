//! `siprec tui`: what an operator on shift sees of a running server and does about it, by the server's API alone.
//!
//! ```text
//! keyboard, mouse -> thread --\                                 /-> view -> cells that changed -> terminal
//! SIGTERM, SIGTSTP ------------+-> Event -> State::update -> ---+
//! server -> link (own thread) -/                                 \-> Effect -> link, files
//! ```
//! What decides and what draws touches nothing: time, size and answers are passed in, so screens are tested without a terminal. This
//! file is the loop that hands them over, at most ten frames a second and none where nothing changed.

mod answers;
mod cursor;
mod event;
mod feed;
mod frame;
mod history;
mod keyboard;
mod keys;
mod link;
mod listening;
mod metrics;
mod mouse;
mod picture;
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

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tokio::signal::unix::{SignalKind, signal};

use self::event::{Effect, Event};
use self::keyboard::Keyboard;
use self::link::{Link, Teller};
use self::state::{Manner, State};
use self::terminal::Screen;
pub use self::theme::Look;
use self::theme::Theme;
use crate::api_client::ApiClient;
use crate::wall;

/// A frame takes its time: no more than ten a second.
const FRAME: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
/// Events that are taken in before anything is drawn again.
const AT_ONCE: usize = 1_000;

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
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        bail!(
            "tui: this is no terminal: `siprec export --server` lists and copies what a server has recorded, and `siprec trace` \
             shows its signalling, for scripts and pipes"
        );
    }
    let api = ApiClient::new(&options.server, options.token)?;
    let (teller, told) = Teller::new();
    let manner = Manner { server: api.url().to_owned(), read_only: options.read_only, player: sound::player() };
    let link = Link::start(api, teller.clone())?;
    signals(&link, &teller)?;
    let screen = Screen::take().context("the terminal cannot be taken")?;
    let size = Screen::size().context("the terminal has no size")?;
    let keyboard = Keyboard::listen(teller)?;
    let state = State::new(manner, size, wall::now_ms());
    let theme = Theme::of(options.look);
    let mut running = Running { state, theme, _keyboard: keyboard, screen, link, is_changed: true, is_over: false };
    let ended = running.run(&told);
    drop(running);
    if terminal::has_panicked() {
        bail!("tui: it came to an end by a fault of its own, told above");
    }
    ended
}

/// Hands signals over as events.
fn signals(link: &Link, teller: &Teller) -> Result<()> {
    let _entered = link.runtime().enter();
    let follow = |kind: SignalKind, event: fn() -> Event| -> Result<()> {
        let (mut signal, teller) = (signal(kind)?, teller.clone());
        link.runtime().spawn(async move {
            while signal.recv().await.is_some() {
                teller.send(event());
            }
        });
        Ok(())
    };
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
        follow(kind, || Event::Ended)?;
    }
    follow(SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw()), || Event::Suspended)?;
    follow(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()), || Event::Continued)
}

/// The terminal, the state and the link while it runs.
struct Running {
    state: State,
    theme: Theme,
    // Dropped before the screen: what is typed once the terminal is the shell's again is the shell's.
    _keyboard: Keyboard,
    screen: Screen,
    link: Link,
    is_changed: bool,
    is_over: bool,
}

impl Running {
    fn run(&mut self, told: &mpsc::Receiver<Event>) -> Result<()> {
        let (mut tick, mut drawn) = (Instant::now() + SECOND, None::<Instant>);
        while !self.is_over && !terminal::has_panicked() {
            let now = Instant::now();
            let frame = drawn.map_or(now, |drawn| drawn + FRAME);
            if self.is_changed && frame <= now {
                self.draw()?;
                (self.is_changed, drawn) = (false, Some(now));
            }
            let due = if self.is_changed { tick.min(frame) } else { tick };
            match told.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(event) => {
                    self.take(event)?;
                    for event in told.try_iter().take(AT_ONCE) {
                        self.take(event)?;
                    }
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
            if Instant::now() >= tick {
                tick = Instant::now() + SECOND;
                self.take(Event::Tick)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, event: Event) -> Result<()> {
        if matches!(event, Event::Continued) {
            self.screen.retake()?;
        }
        // A second that nothing shows is no reason to draw.
        self.is_changed |= !matches!(event, Event::Tick) || self.state.shows_time();
        for effect in self.state.update(wall::now_ms(), event) {
            match effect {
                Effect::Ask(ask) => self.link.ask(ask),
                Effect::Save(path) => match self.save(&path) {
                    Ok(()) => self.state.say(format!("saved to {}", path.display())),
                    Err(error) => self.state.complain(format!("{error:#}")),
                },
                Effect::Suspend => self.screen.suspend()?,
                Effect::Quit => self.is_over = true,
            }
        }
        Ok(())
    }

    fn draw(&mut self) -> Result<()> {
        let size = Screen::size()?;
        if size != self.state.size {
            self.state.update(wall::now_ms(), Event::Size(size.0, size.1));
        }
        let (state, theme) = (&self.state, &self.theme);
        self.screen.draw(|buffer| view::draw(state, theme, buffer)).context("the terminal cannot be drawn on")
    }

    /// What is seen, into a file that is not there yet.
    fn save(&self, path: &Path) -> Result<()> {
        let (width, height) = self.state.size;
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        view::draw(&self.state, &self.theme, &mut buffer);
        let mut file = std::fs::File::create_new(path).with_context(|| path.display().to_string())?;
        file.write_all(picture::of(&buffer, path).as_bytes()).with_context(|| path.display().to_string())
    }
}
