//! `siprec tui`.

use super::token::token;
use crate::tui::{self, Look, Options};

const EXAMPLES: &str = "\
Examples:
  The server on this machine:   siprec tui
  One far away, with a token:   SIPREC_TOKEN=... siprec tui --server https://srs.example.com
  Its CA is one of your own:    SSL_CERT_FILE=ca.pem siprec tui --server https://srs.example.com
  For a screen on the wall:     siprec tui --read-only --theme contrast

Keys are told by ? in it. A live session is listened to (l) by a program that plays, into a file or a named pipe
Exit codes: 0 somebody quit; 1 no terminal, or no such server; 2 usage.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The server's API
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    server: String,
    /// What shows that server who asks: an API key, or a token of its issuer; SIPREC_TOKEN says the same, unseen by other users
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Its colours; where it is not given, those of the terminal, or none where NO_COLOR is set
    #[arg(long, value_name = "THEME")]
    theme: Option<ThemeName>,
    /// Look only: no key changes anything on the server
    #[arg(long)]
    read_only: bool,
}

/// What `--theme` can be.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum ThemeName {
    /// The terminal's own sixteen colours
    Colour,
    /// Bright on black
    Contrast,
    /// No colours
    Mono,
}

impl From<ThemeName> for Look {
    fn from(name: ThemeName) -> Self {
        match name {
            ThemeName::Colour => Self::Colour,
            ThemeName::Contrast => Self::Contrast,
            ThemeName::Mono => Self::Mono,
        }
    }
}

/// <https://no-color.org>: set, and not empty.
fn look(theme: Option<ThemeName>, no_color: Option<&std::ffi::OsStr>) -> Look {
    let is_plain = no_color.is_some_and(|value| !value.is_empty());
    theme.map_or(if is_plain { Look::Mono } else { Look::Colour }, Look::from)
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let look = look(args.theme, std::env::var_os("NO_COLOR").as_deref());
    tui::run(Options { server: args.server, token: token(args.token), look, read_only: args.read_only })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn no_color_is_for_who_names_no_theme() {
        assert_eq!(look(None, None), Look::Colour);
        assert_eq!(look(None, Some(OsStr::new(""))), Look::Colour);
        assert_eq!(look(None, Some(OsStr::new("1"))), Look::Mono);
        assert_eq!(look(Some(ThemeName::Contrast), Some(OsStr::new("1"))), Look::Contrast);
    }
}
