//! `siprec complete`: what the completion scripts of shells ask for. Hidden, quick, and silent where there is nothing to say.

use std::io::Write as _;
use std::path::PathBuf;

use clap::ValueEnum;

#[cfg(feature = "api")]
use crate::config::{Flag, Sources};
#[cfg(feature = "api")]
use crate::ids;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What is to be completed
    #[arg(value_enum)]
    kind: Kind,
    /// The words of the line so far: --server, --token, --config and --set among them count
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Recordings,
    Sessions,
}

/// What of a line tells whom to ask.
#[derive(Debug, Default, PartialEq, Eq)]
struct Line {
    server: Option<String>,
    token: Option<String>,
    config: Option<PathBuf>,
    set: Vec<(String, String)>,
}

/// One id a line, behind a tabulator what it is.
pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for (id, words) in known(args.kind, Line::read(&args.words)) {
        writeln!(out, "{id}\t{words}")?;
    }
    Ok(())
}

#[cfg(feature = "api")]
fn known(kind: Kind, line: Line) -> Vec<(String, String)> {
    let kind = match kind {
        Kind::Recordings => ids::Kind::Recordings,
        Kind::Sessions => ids::Kind::Sessions,
    };
    let token = super::token::token(line.token);
    let url = line.server.or_else(|| {
        let flag = |(key, value): (String, String)| Flag { name: "--set".into(), key, value };
        let sources = Sources::of_process(line.config, line.set.into_iter().map(flag).collect());
        Some(ids::url_of(&sources.load().ok()?.config))
    });
    let found = url.and_then(|url| ids::of_server(kind, &url, token.as_deref()));
    found.unwrap_or_default().into_iter().map(|known| (known.id, known.words)).collect()
}

#[cfg(not(feature = "api"))]
fn known(_: Kind, _: Line) -> Vec<(String, String)> {
    Vec::new()
}

impl Line {
    /// Reads a line that is not complete yet, as far as it can be read.
    fn read(words: &[String]) -> Self {
        let mut line = Self::default();
        let mut words = words.iter().peekable();
        while let Some(word) = words.next() {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                Some(_) | None => (word.as_str(), None),
            };
            if !["--server", "--token", "--config", "-c", "--set"].contains(&name) {
                continue;
            }
            // `trace --server` may have no value: then the server of the configuration is meant.
            let is_value = |word: &&String| name != "--server" || !word.starts_with('-');
            let Some(value) = value.or_else(|| words.next_if(is_value).cloned()) else { continue };
            match name {
                "--server" => line.server = Some(value),
                "--token" => line.token = Some(value),
                "--set" => {
                    line.set.extend(value.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned())))
                }
                _ => line.config = Some(value.into()),
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_far_as_it_goes() {
        let read = |line: &str| Line::read(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        let line =
            read("siprec export --server=https://a -c f.yaml --set api.address=:9 --set x --token t --id 01 --config");
        assert_eq!(
            line,
            Line {
                server: Some("https://a".into()),
                token: Some("t".into()),
                config: Some("f.yaml".into()),
                set: vec![("api.address".into(), ":9".into())],
            }
        );
        assert_eq!(read("siprec archive hold --id"), Line::default());
        assert_eq!(read("siprec trace --server --follow --session"), Line::default());
    }
}
