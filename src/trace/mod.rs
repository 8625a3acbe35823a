//! `siprec trace`: what captures and journals tell: calls, recording sessions, streams, and what is wrong with them.
//!
//! ```text
//! files, or a running server -> Reader -> core::trace::Trace -> Story -> ladders | list | messages | rtp | json | mermaid | svg | lint
//!                                   \-> (once more) Writing: the packets of what matched
//! a running server's events -> follow: a line each, as they come
//! ```
//! The story and its layout are the core's; here files are read and text is printed. `tui::browse` shows the same story on a terminal.

#[cfg(feature = "api")]
mod answers;
pub mod anonymise;
#[cfg(feature = "api")]
mod follow;
#[cfg(feature = "api")]
mod followed;
mod input;
mod json;
mod lint;
mod mermaid;
mod options;
mod paint;
mod reader;
#[cfg(feature = "api")]
mod seconds;
#[cfg(feature = "api")]
mod server;
mod svg;
mod text;
pub mod tls;
mod written;

#[cfg(feature = "api")]
pub use follow::follow;
pub use options::{Options, Server, Show};

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::Serialize;
use siprec_core::trace::{Filter, MAX_MESSAGES, MAX_STREAMS, Sequence, Story, Trace, Traced};

use self::input::Input;
use self::json::{MessageLine, SessionLine, StreamLine};
use self::paint::Painter;
use self::reader::{Item, Passed, Reader};
use self::tls::KeyLog;
use self::written::Writing;
use crate::capture::{reading, total_bytes};
use crate::policy::policy;
use crate::sealing;

/// What files, or a server, tell.
pub struct Told {
    /// All of it.
    pub story: Story,
    /// Files that could not be read whole, in words.
    pub failures: Vec<String>,
    input: Input,
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Told").field("failures", &self.failures).finish_non_exhaustive()
    }
}

impl Told {
    /// Says why, where nothing of it is asked for.
    ///
    /// # Errors
    /// There is nothing, or nothing that matches.
    pub fn must_match(&self, filter: &Filter) -> anyhow::Result<()> {
        let is_empty = filter.calls(&self.story).is_empty() && !has_strays(&self.story, filter);
        match (is_empty, self.failures.is_empty()) {
            (false, _) => Ok(()),
            (true, true) => bail!(nothing(&self.story)),
            // What is wrong with a file explains what is missing in it.
            (true, false) => bail!(self.failures.join("\n")),
        }
    }
}

/// Reads the files, or asks the server.
///
/// # Errors
/// None can be read; the server's.
pub fn story(options: &Options) -> anyhow::Result<Told> {
    let input = Input::open(options)?;
    let mut trace = Trace::default();
    let Done { failures, troubles } = read(options, &input, "", &mut |item: Item<'_>| match item.content {
        Passed::Message(transport, bytes) => trace.message(item.at, transport, item.from, item.to, bytes),
        Passed::Signalling(transport, bytes) => trace.signalling(item.at, transport, item.from, item.to, bytes),
        Passed::Datagram { bytes, plain } => trace.datagram(item.at, item.from, item.to, bytes, plain),
    })?;
    let story = trace.finish();
    for trouble in troubles {
        writeln!(io::stderr(), "siprec: {trouble}")?;
    }
    say_what_is_left_out(&story)?;
    Ok(Told { story, failures, input })
}

/// Reads the files, or asks the server, and shows what was asked for.
///
/// # Errors
/// The server's, a file that could not be read whole (what could be read was shown before), nothing that matches, INVITEs with errors
/// where they were linted.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let Told { story, mut failures, input } = story(options)?;
    let calls = options.filter.calls(&story);
    let shown = show(options, &input, &story, &calls);
    if let (Some(path), Ok(())) = (&options.write, &shown) {
        failures.extend(write(options, &story, &calls, path, &input)?);
    }
    match shown {
        // A closed pipe is told apart by the command line.
        Err(error) if failures.is_empty() || is_io(&error) => Err(error),
        // What is wrong with a file explains what is missing in it.
        Ok(()) | Err(_) if !failures.is_empty() => bail!(failures.join("\n")),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Why nothing is shown.
fn nothing(story: &Story) -> &'static str {
    let is_empty = story.calls.is_empty();
    if is_empty { "no SIP in it (is it encrypted, or in another capture?)" } else { "no call matches" }
}

/// Streams of no call are shown where nothing but calls is asked for.
fn has_strays(story: &Story, filter: &Filter) -> bool {
    filter.is_empty() && text::strays(story).next().is_some()
}

fn is_io(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.is::<io::Error>())
}

/// What came of reading, in words.
struct Done {
    /// Files that could not be read whole.
    failures: Vec<String>,
    /// TLS connections that could not be.
    troubles: Vec<String>,
}

/// Reads all there is.
fn read(
    options: &Options,
    input: &Input,
    message: &'static str,
    sink: &mut dyn FnMut(Item<'_>),
) -> anyhow::Result<Done> {
    let keys = options.keylog.as_deref().map(key_log).transpose()?;
    let total = total_bytes(&input.files).filter(|_| options.server.is_none());
    let bar = reading(options.progress, total).with_message(message);
    let mut reader = Reader::new(sealing::reading_disk(&options.config.archive.seal)?, keys, bar.clone());
    let failures = input.read(&mut reader, sink);
    bar.finish_and_clear();
    Ok(Done { failures, troubles: reader.troubles() })
}

fn key_log(path: &Path) -> anyhow::Result<KeyLog> {
    let of = || format!("--keylog {}", path.display());
    let file = File::open(path).with_context(of)?;
    KeyLog::read(BufReader::new(file)).with_context(of)
}

fn say_what_is_left_out(story: &Story) -> io::Result<()> {
    let mut out = io::stderr();
    if story.messages_left_out > 0 {
        let left = story.messages_left_out;
        writeln!(
            out,
            "siprec: {left} messages are left out: {MAX_MESSAGES} messages or 512 MiB of them are kept; cut the capture (editcap -A, -B)"
        )?;
    }
    if story.packets_left_out > 0 {
        let left = story.packets_left_out;
        writeln!(out, "siprec: {left} RTP packets are left out: {MAX_STREAMS} streams are counted; cut the capture")?;
    }
    if let Some(first) = story.unreadable.first() {
        let (count, reason) = (story.unreadable.len(), &first.reason);
        writeln!(out, "siprec: {count} SIP messages cannot be read; the first, from {}: {reason}", first.from)?;
    }
    Ok(())
}

/// Prints what was asked for.
fn show(options: &Options, input: &Input, story: &Story, calls: &[usize]) -> anyhow::Result<()> {
    let mut painter = Painter::new(BufWriter::new(io::stdout().lock()), options.color);
    let filter = &options.filter;
    let (others, has_strays) = (filter.is_empty(), has_strays(story, filter));
    if options.show == Show::Lint {
        return judged(options, story, calls, painter);
    }
    if calls.is_empty() && !has_strays {
        bail!(nothing(story));
    }
    if options.json {
        lines(options, input, story, (calls, others), &mut painter)?;
        return Ok(painter.finish()?);
    }
    match options.show {
        Show::Ladder => {
            text::ladders(story, calls, (filter, options.width), &|call| input.told(call), &mut painter)?;
            if has_strays {
                text::rtp(story, &[], true, &|_| Vec::new(), &mut painter)?;
            }
        }
        Show::List => text::list(&messages(options, story, calls), &mut painter)?,
        Show::Messages => text::messages(&messages(options, story, calls), &mut painter)?,
        Show::Rtp => text::rtp(story, calls, others, &|call| input.told(call), &mut painter)?,
        Show::Mermaid => painter.text(&mermaid::diagram(&Sequence::of(story, &whole(story, calls), filter)))?,
        Show::Svg => painter.text(&svg::picture(&Sequence::of(story, &whole(story, calls), filter)))?,
        Show::Lint => {}
    }
    Ok(painter.finish()?)
}

fn judged<W: Write>(options: &Options, story: &Story, calls: &[usize], mut painter: Painter<W>) -> anyhow::Result<()> {
    let mut policy = policy(&options.config, "");
    policy.let_everybody_in();
    let found = lint::judge(story, calls, &policy, options.json, &mut painter)?;
    painter.finish()?;
    match found {
        lint::Found { messages: 0, .. } => bail!("no INVITE to lint"),
        lint::Found { faulty: 0, .. } => Ok(()),
        lint::Found { messages, faulty } => bail!("{faulty} of {messages} messages have errors"),
    }
}

/// The calls with those that belong to them.
fn whole(story: &Story, calls: &[usize]) -> Vec<usize> {
    let mut all: Vec<usize> = calls.iter().flat_map(|call| story.group(*call)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The messages that are asked for, by time.
fn messages<'a>(options: &Options, story: &'a Story, calls: &[usize]) -> Vec<(usize, &'a Traced)> {
    let mut places: Vec<usize> =
        calls.iter().filter_map(|call| story.calls.get(*call)).flat_map(|call| call.messages.iter().copied()).collect();
    places.sort_unstable();
    let all = places.into_iter().filter_map(|place| Some((place, story.messages.get(place)?)));
    all.filter(|(_, message)| options.filter.message(message)).collect()
}

fn lines<W: Write>(
    options: &Options,
    input: &Input,
    story: &Story,
    (calls, others): (&[usize], bool),
    painter: &mut Painter<W>,
) -> anyhow::Result<()> {
    let (with_messages, with_sessions, with_streams) = match options.show {
        Show::List | Show::Messages => (true, false, false),
        Show::Rtp => (false, false, true),
        Show::Ladder | Show::Mermaid | Show::Svg | Show::Lint => (true, true, true),
    };
    if with_messages {
        for (place, message) in messages(options, story, calls) {
            put(painter, &MessageLine::of(story, place, message))?;
        }
    }
    for &call in calls {
        let Some(known) = story.calls.get(call) else { continue };
        if with_sessions {
            put(painter, &SessionLine::of(story, call, known))?;
        }
        if with_sessions || with_streams {
            input.line(known).iter().try_for_each(|line| put(painter, line))?;
        }
        if with_streams {
            for stream in story.streams_of(call, None) {
                put(painter, &StreamLine::of(story, stream))?;
            }
        }
    }
    if with_streams && others {
        for stream in text::strays(story).filter_map(|place| story.streams.get(place)) {
            put(painter, &StreamLine::of(story, stream))?;
        }
    }
    Ok(())
}

fn put<W: Write>(painter: &mut Painter<W>, line: &impl Serialize) -> anyhow::Result<()> {
    Ok(painter.text(&serde_json::to_string(line)?)?)
}

/// Reads the files once more and writes what matched.
fn write(options: &Options, story: &Story, calls: &[usize], path: &Path, input: &Input) -> anyhow::Result<Vec<String>> {
    let all = whole(story, calls);
    let mut writing = Writing::begin(story, &all, path, &input.files)?;
    // What could not be read was told the first time.
    read(options, input, "writing", &mut |item: Item<'_>| writing.take(&item))?;
    let packets = writing.finish(path)?;
    if packets == 0 {
        return Ok(vec![format!("--write {}: no packet matched", path.display())]);
    }
    Ok(Vec::new())
}
