//! Colours that mean something: good, worth a look, bad. In monochrome the same is said by weight and by words.

use ratatui::style::{Color, Modifier, Style};
use siprec_core::trace;

/// How it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// The terminal's own sixteen colours.
    Colour,
    /// Bright on black, for bright rooms and tired eyes.
    Contrast,
    /// No colours.
    Mono,
}

/// A style for each meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Theme {
    pub(super) plain: Style,
    /// What is there to be looked up, not to be noticed.
    pub(super) dim: Style,
    /// Names of columns and parts.
    pub(super) head: Style,
    /// The row that is chosen.
    pub(super) chosen: Style,
    pub(super) good: Style,
    pub(super) warn: Style,
    pub(super) bad: Style,
    /// Ids, addresses, keys: what stands out among text.
    pub(super) accent: Style,
    /// RTP in a ladder.
    pub(super) media: Style,
    /// The view that is shown.
    pub(super) tab: Style,
}

impl Theme {
    pub(super) fn of(look: Look) -> Self {
        let plain = Style::new();
        let bold = plain.add_modifier(Modifier::BOLD);
        let chosen = plain.add_modifier(Modifier::REVERSED);
        let colour = |colour| plain.fg(colour);
        match look {
            Look::Colour => Self {
                plain,
                dim: plain.add_modifier(Modifier::DIM),
                head: colour(Color::Cyan),
                chosen,
                good: colour(Color::Green),
                warn: colour(Color::Yellow),
                bad: colour(Color::Red).add_modifier(Modifier::BOLD),
                accent: colour(Color::Blue).add_modifier(Modifier::BOLD),
                media: colour(Color::Magenta),
                tab: colour(Color::Cyan).add_modifier(Modifier::BOLD | Modifier::REVERSED),
            },
            Look::Contrast => {
                let on_black = |colour| Style::new().fg(colour).bg(Color::Black).add_modifier(Modifier::BOLD);
                let plain = Style::new().fg(Color::White).bg(Color::Black);
                Self {
                    plain,
                    dim: plain,
                    head: on_black(Color::LightCyan).add_modifier(Modifier::UNDERLINED),
                    chosen: Style::new().fg(Color::Black).bg(Color::LightYellow).add_modifier(Modifier::BOLD),
                    good: on_black(Color::LightGreen),
                    warn: on_black(Color::LightYellow),
                    bad: Style::new().fg(Color::White).bg(Color::Red).add_modifier(Modifier::BOLD),
                    accent: on_black(Color::LightCyan),
                    media: on_black(Color::LightMagenta),
                    tab: Style::new().fg(Color::Black).bg(Color::LightCyan).add_modifier(Modifier::BOLD),
                }
            }
            Look::Mono => Self {
                plain,
                dim: plain.add_modifier(Modifier::DIM),
                head: plain.add_modifier(Modifier::UNDERLINED),
                chosen,
                good: plain,
                warn: bold,
                bad: bold.add_modifier(Modifier::UNDERLINED),
                accent: bold,
                media: plain,
                tab: bold.add_modifier(Modifier::REVERSED),
            },
        }
    }

    /// Of a piece of a row of the core's.
    pub(super) fn of_row(&self, style: trace::Style) -> Style {
        match style {
            trace::Style::Plain => self.plain,
            trace::Style::Heading | trace::Style::Host => self.head,
            trace::Style::Time | trace::Style::Lifeline | trace::Style::Faint => self.dim,
            trace::Style::Request => self.accent,
            trace::Style::Success | trace::Style::Added => self.good,
            trace::Style::Provisional | trace::Style::Redirection | trace::Style::Changed => self.warn,
            trace::Style::Failure | trace::Style::Removed | trace::Style::Warning => self.bad,
            trace::Style::Media => self.media,
        }
    }

    /// Of a mean opinion score, hundredths.
    pub(super) fn mos(&self, mos: Option<u16>) -> Style {
        match mos {
            None => self.dim,
            Some(400..) => self.good,
            Some(350..) => self.warn,
            Some(_) => self.bad,
        }
    }

    /// Of loss, hundredths of a per cent.
    pub(super) fn loss(&self, loss: Option<u64>) -> Style {
        match loss {
            None => self.dim,
            Some(..100) => self.plain,
            Some(..500) => self.warn,
            Some(_) => self.bad,
        }
    }

    /// Of jitter, tenths of a millisecond.
    pub(super) fn jitter(&self, jitter: Option<u16>) -> Style {
        match jitter {
            None => self.dim,
            Some(..200) => self.plain,
            Some(..500) => self.warn,
            Some(_) => self.bad,
        }
    }
}
