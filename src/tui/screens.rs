//! Screens for tests, without a terminal: what is shown is drawn, read, and held against kept copies in `testdata/tui`
//! (`UPDATE_SCREENS=1` writes them anew).

use std::path::Path;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use super::picture;
use super::running::Shown;
use super::theme::{Look, Theme};

/// Where screens are kept.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/tui");

pub(super) fn cells(shown: &impl Shown, look: Look) -> Buffer {
    let (width, height) = shown.size();
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let theme = Theme::of(look);
    terminal.draw(|frame| shown.draw(&theme, frame.buffer_mut())).unwrap();
    terminal.backend().buffer().clone()
}

pub(super) fn seen(shown: &impl Shown) -> String {
    picture::text(&cells(shown, Look::Colour))
}

#[track_caller]
pub(super) fn must_show(shown: &impl Shown, words: &[&str]) {
    let seen = seen(shown);
    words.iter().for_each(|word| assert!(seen.contains(word), "{word} is not seen in\n{seen}"));
}

/// What is seen is what was kept, whatever the colours.
#[track_caller]
pub(super) fn must_be(shown: &impl Shown, name: &str) {
    let (width, height) = shown.size();
    let seen = seen(shown);
    for look in [Look::Contrast, Look::Mono] {
        assert_eq!(picture::text(&cells(shown, look)), seen, "{look:?} says something else");
    }
    let path = Path::new(KEPT).join(format!("{name}-{width}x{height}.txt"));
    if std::env::var_os("UPDATE_SCREENS").is_some() {
        std::fs::create_dir_all(KEPT).unwrap();
        std::fs::write(&path, &seen).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == seen, "{} is another (UPDATE_SCREENS=1 writes it anew):\n{seen}", path.display());
}
