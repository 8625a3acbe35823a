//! The terminal while it is ours: taken, drawn on, and given back as it was, whatever happens.

use std::io::{self, Stdout, stdout};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};
use ratatui::crossterm::{cursor, execute};
use ratatui::layout::Rect;

/// Whether it is ours now.
static IS_OURS: AtomicBool = AtomicBool::new(false);
/// Whether a thread has panicked: it was given back, and is not taken again.
static HAS_PANICKED: AtomicBool = AtomicBool::new(false);

/// The terminal; dropped, it is as it was.
#[derive(Debug)]
pub(super) struct Screen(Terminal<CrosstermBackend<Stdout>>);

impl Screen {
    /// Takes it.
    pub(super) fn take() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                HAS_PANICKED.store(true, Ordering::SeqCst);
                give_back();
                before(panic);
            }));
        });
        enter()?;
        Ok(Self(Terminal::new(CrosstermBackend::new(stdout()))?))
    }

    /// Columns and rows.
    pub(super) fn size() -> io::Result<(u16, u16)> {
        size()
    }

    /// Draws what has changed.
    pub(super) fn draw(&mut self, view: impl FnOnce(&mut Buffer)) -> io::Result<()> {
        self.0.draw(|frame| view(frame.buffer_mut())).map(drop)
    }

    /// Stands still with everything else of this process, until somebody says go on.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        give_back();
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP)?;
        self.retake()
    }

    /// Takes it again, whatever somebody else has done to it.
    pub(super) fn retake(&mut self) -> io::Result<()> {
        enter()?;
        let (width, height) = size()?;
        // Terminal::clear asks where the cursor is, and the thread that reads keys would get the answer.
        self.0.resize(Rect::new(0, 0, width, height))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Whether a thread has panicked.
pub(super) fn has_panicked() -> bool {
    HAS_PANICKED.load(Ordering::SeqCst)
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    IS_OURS.store(true, Ordering::SeqCst);
    execute!(stdout(), EnterAlternateScreen, EnableMouseCapture, EnableBracketedPaste, cursor::Hide)
}

/// Gives it back, once. A terminal that is gone cannot be given back.
fn give_back() {
    if IS_OURS.swap(false, Ordering::SeqCst) {
        let _ = execute!(stdout(), DisableBracketedPaste, DisableMouseCapture, LeaveAlternateScreen, cursor::Show);
        let _ = disable_raw_mode();
    }
}
