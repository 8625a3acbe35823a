//! The loop of a terminal: what comes is handed to what is shown, what that wants is done, and it is drawn at most ten times a
//! second and not at all where nothing changed.

use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::event::{Ask, Effect, Event};
use super::keyboard::Keyboard;
use super::link::Teller;
use super::picture;
use super::terminal::{self, Screen};
use super::theme::{Look, Theme};
use crate::wall;

/// A frame takes its time: no more than ten a second.
const FRAME: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
/// Events that are taken in before anything is drawn again.
const AT_ONCE: usize = 1_000;

/// What is shown: a state that events change, and of which alone it is drawn.
pub(super) trait Shown {
    /// The size of the terminal that it knows of.
    fn size(&self) -> (u16, u16);
    /// Takes in what came at `now` (milliseconds since 1970); what is to be done about it.
    fn update(&mut self, now: i64, event: Event) -> Vec<Effect>;
    /// Whether what is seen changes with every second.
    fn shows_time(&self) -> bool;
    /// Tells whoever looks at it something for some seconds; `is_bad`: what is wrong.
    fn tell(&mut self, text: String, is_bad: bool);
    /// Draws all of it.
    fn draw(&self, theme: &Theme, buffer: &mut Buffer);
}

/// Hands signals over as events.
pub(super) fn signals(runtime: &Runtime, teller: &Teller) -> Result<()> {
    let _entered = runtime.enter();
    let follow = |kind: SignalKind, event: fn() -> Event| -> Result<()> {
        let (mut signal, teller) = (signal(kind)?, teller.clone());
        runtime.spawn(async move {
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

/// Shows what `make` makes for a terminal of that size, until somebody quits. `ask` takes what is asked of a server.
pub(super) fn run<S: Shown, A: FnMut(Ask)>(
    look: Look,
    (teller, told): (Teller, &mpsc::Receiver<Event>),
    make: impl FnOnce((u16, u16)) -> S,
    ask: A,
) -> Result<()> {
    let screen = Screen::take().context("the terminal cannot be taken")?;
    let size = Screen::size().context("the terminal has no size")?;
    let keyboard = Keyboard::listen(teller)?;
    let (shown, theme) = (make(size), Theme::of(look));
    let mut running = Running { shown, theme, ask, _keyboard: keyboard, screen, is_changed: true, is_over: false };
    let ended = running.run(told);
    drop(running);
    if terminal::has_panicked() {
        bail!("it came to an end by a fault of its own, told above");
    }
    ended
}

/// The terminal and what is shown while it runs.
struct Running<S, A> {
    shown: S,
    theme: Theme,
    ask: A,
    // Dropped before the screen: what is typed once the terminal is the shell's again is the shell's.
    _keyboard: Keyboard,
    screen: Screen,
    is_changed: bool,
    is_over: bool,
}

impl<S: Shown, A: FnMut(Ask)> Running<S, A> {
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
        self.is_changed |= !matches!(event, Event::Tick) || self.shown.shows_time();
        for effect in self.shown.update(wall::now_ms(), event) {
            match effect {
                Effect::Ask(ask) => (self.ask)(ask),
                Effect::Save(path) => match self.save(&path) {
                    Ok(()) => self.shown.tell(format!("saved to {}", path.display()), false),
                    Err(error) => self.shown.tell(format!("{error:#}"), true),
                },
                Effect::Suspend => self.screen.suspend()?,
                Effect::Quit => self.is_over = true,
            }
        }
        Ok(())
    }

    fn draw(&mut self) -> Result<()> {
        let size = Screen::size()?;
        if size != self.shown.size() {
            self.shown.update(wall::now_ms(), Event::Size(size.0, size.1));
        }
        let (shown, theme) = (&self.shown, &self.theme);
        self.screen.draw(|buffer| shown.draw(theme, buffer)).context("the terminal cannot be drawn on")
    }

    /// What is seen, into a file that is not there yet.
    fn save(&self, path: &Path) -> Result<()> {
        let (width, height) = self.shown.size();
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        self.shown.draw(&self.theme, &mut buffer);
        let mut file = std::fs::File::create_new(path).with_context(|| path.display().to_string())?;
        file.write_all(picture::of(&buffer, path).as_bytes()).with_context(|| path.display().to_string())
    }
}
