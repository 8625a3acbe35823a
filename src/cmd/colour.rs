//! `--color`: whether what is printed has colours.

use std::io::IsTerminal;

use crate::logging::no_colour;

/// What `--color` can be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Colour {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// In a pipe, too
    Always,
    /// None
    Never,
}

impl Colour {
    /// Whether `out` gets them.
    pub(super) fn is_wanted(self, out: &impl IsTerminal) -> bool {
        self.decided(no_colour(), out.is_terminal())
    }

    fn decided(self, no_colour: bool, is_terminal: bool) -> bool {
        match self {
            Self::Auto => is_terminal && !no_colour,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_nothing_gets_them_on_a_terminal_alone() {
        let of = |colour: Colour| [(false, true), (true, true), (false, false)].map(|(no, is)| colour.decided(no, is));
        assert_eq!(of(Colour::Auto), [true, false, false]);
        assert_eq!((of(Colour::Always), of(Colour::Never)), ([true; 3], [false; 3]));
    }
}
