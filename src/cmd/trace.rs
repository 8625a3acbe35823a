//! `siprec trace`.

use std::io::{IsTerminal as _, Write as _, stderr, stdout};
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::ArgGroup;
use clap::error::ErrorKind;
use siprec_core::seed::{NotAnId, SessionId};
use siprec_core::time::Wall;
use siprec_core::trace::{Filter, Place, Statuses};

use super::colour::Colour;
use super::search::{in_order, since, until};
use super::settings::Settings;
use crate::config::Config;
use crate::logging;
use crate::trace::{self, Options, Server, Show};
#[cfg(feature = "tui")]
use crate::tui::Look;
#[cfg(feature = "tui")]
use crate::tui::browse::{self, Capture};

/// Columns where standard output is no terminal.
const WIDTH: usize = 100;
/// The narrowest that a ladder is laid out for.
const LEAST_WIDTH: usize = 40;

const EXAMPLES: &str = "\
Examples:
  siprec trace call.pcap                                  ladders, people, why there is no audio
";

#[cfg(feature = "tui")]
const INTERACTIVE_EXAMPLE: &str = "  \
  siprec trace -i day*.pcapng                             the same by keys (? tells them)
";
#[cfg(not(feature = "tui"))]
const INTERACTIVE_EXAMPLE: &str = "";

const MORE_EXAMPLES: &str = "  \
  siprec trace --party 4711 --status 4xx day*.pcapng      calls of a number that met a refusal
  siprec trace --list --address 192.0.2.9 call.pcap       messages to and from a host, a line each
  siprec trace --messages --call ID call.pcap             its messages in full (secrets blanked)
  siprec trace --rtp call.pcap                            loss, jitter, MOS, gaps, DTMF of streams
  siprec trace --json call.pcap | jq 'select(.type == \"stream\" and .lost > 0)'
  siprec trace --svg --call ID call.pcap > ticket.svg     a picture for a ticket
  siprec trace --call ID --write one.pcapng day.pcap      only its packets
  siprec trace siprec-data/journals/2026/11/30/SESSION    what a recording was made of
  siprec trace --keylog keys.txt tls.pcap                 SIP over TLS, by an SSLKEYLOGFILE
  siprec trace --anonymise vendor.pcapng day.pcap         a capture that names nobody
  siprec trace --lint invite.sip                          what is wrong with it, and the remedies
  tcpdump -U -w - port 5060 | siprec trace --list -       what a capture has, once it ends
  siprec trace --server                                   what the server here records now
  siprec trace --server URL --session ID --rtp            a session, or a recording and its RTP
  siprec trace --server URL --follow --status 4xx         refusals as they come, a line each

Exit: 0 done, 1 nothing matches, a file could not be read whole, or --lint found errors, 2 usage.";

#[derive(Debug, clap::Args)]
#[command(after_help = format!("{EXAMPLES}{INTERACTIVE_EXAMPLE}{MORE_EXAMPLES}"))]
#[command(group = ArgGroup::new("show").args(["list", "messages", "rtp", "mermaid", "svg", "lint"]))]
pub(super) struct Args {
    /// Captures (pcap, pcapng), journals, folders of them, files with one SIP message; - reads standard input
    #[arg(required_unless_present_any = ["server", "follow", "session", "token"], value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Instead of files, a running server, by its API: the SIP of what it records now (takes the permission `manage`); without a
    /// URL the one on this machine, where the configuration has it
    #[arg(long, value_name = "URL", num_args = 0..=1, conflicts_with_all = ["files", "keylog", "anonymise"])]
    server: Option<Option<String>>,
    /// What shows that server who asks: an API key, or a token of its issuer; SIPREC_TOKEN says the same, unseen by other users
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Only this session of the server's, also one that is over as long as its journal is kept; a recording's id shows its packets,
    /// RTP and all (takes `export`); repeatable
    #[arg(long, value_name = "ID", value_parser = session)]
    session: Vec<SessionId>,
    /// Go on: print each message of the server's as it comes, a line each; in full with --messages, as JSON lines with --json
    #[arg(long, short, conflicts_with_all = ["rtp", "mermaid", "svg", "lint", "write"])]
    follow: bool,
    /// Look through calls, ladders, messages and streams on this terminal, by keys
    #[cfg(feature = "tui")]
    #[arg(short, long, conflicts_with_all = ["show", "json", "write", "anonymise", "follow"])]
    interactive: bool,
    /// A line a message
    #[arg(long)]
    list: bool,
    /// Messages in full, their secrets blanked
    #[arg(long)]
    messages: bool,
    /// All that is known of each RTP stream
    #[arg(long)]
    rtp: bool,
    /// A sequence diagram in Mermaid's language
    #[arg(long, conflicts_with = "json")]
    mermaid: bool,
    /// The ladder as a picture
    #[arg(long, conflicts_with = "json")]
    svg: bool,
    /// Say of each INVITE, re-INVITE and UPDATE of an SRC who made it, what is wrong with it and how to mend it, and what the
    /// server would answer; exit code 1 if there are errors
    #[arg(long)]
    lint: bool,
    /// Print JSON, an object a line: messages, sessions and streams; with --list or --messages, --rtp, --lint only those
    #[arg(long)]
    json: bool,
    /// Only the call with this Call-ID, or with this communication session; repeatable
    #[arg(long, value_name = "ID")]
    call: Vec<String>,
    /// Only calls of this number, address or name, or a part of it; repeatable
    #[arg(long, value_name = "TEXT")]
    party: Vec<String>,
    /// Only calls with messages or media of this host; repeatable
    #[arg(long, value_name = "IP[:PORT]")]
    address: Vec<Place>,
    /// Only calls with this method, and of their messages only those; repeatable
    #[arg(long, value_name = "METHOD")]
    method: Vec<String>,
    /// Only calls with this status, and of their messages only those: 486, 4xx; repeatable
    #[arg(long, value_name = "STATUS")]
    status: Vec<Statuses>,
    /// Only messages since then: 2026-11-30, 2026-11-30T10:30:00Z, yesterday, 2h
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Wall>,
    /// Only messages until then
    #[arg(long, value_name = "TIME", value_parser = until)]
    until: Option<Wall>,
    /// Write the packets of the calls that match (SIP, RTP, RTCP) to this file; SIP over TCP as one packet a message
    #[arg(long, value_name = "FILE.pcapng")]
    write: Option<PathBuf>,
    /// Read SIP over TLS with the keys of this file (SSLKEYLOGFILE)
    #[arg(long, value_name = "FILE")]
    keylog: Option<PathBuf>,
    /// Write a capture of all that is SIP, RTP and RTCP in which numbers, names, addresses, keys and audio are replaced, the same
    /// everywhere; it replays as the original does, and what is left out of it is told
    #[arg(long, value_name = "FILE.pcapng", conflicts_with_all = ["show", "call", "party", "address", "method", "status", "since", "until", "write", "keylog"])]
    anonymise: Option<PathBuf>,
    /// Colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: Colour,
    /// Columns of a ladder; those of the terminal, else 100
    #[arg(long, value_name = "COLUMNS")]
    width: Option<usize>,
    #[command(flatten)]
    settings: Settings,
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    args.check_server();
    in_order(args.since, args.until)?;
    let loaded = args.settings.sources(Vec::new()).load()?;
    logging::start(&loaded.config.logging, false)?;
    let is_stdin = |file: &PathBuf| file == Path::new("-");
    if args.write.is_some() && args.files.iter().any(is_stdin) {
        bail!("--write reads its input twice, which standard input does not allow: give it a file");
    }
    if let Some(output) = &args.anonymise {
        let report = trace::anonymise::anonymise(&args.files, output, &trace::anonymise::Options::default())?;
        let mut out = stdout().lock();
        if args.json {
            serde_json::to_writer(&mut out, &report)?;
            writeln!(out)?;
        } else {
            writeln!(out, "{report}")?;
        }
        return Ok(());
    }
    let show = args.show();
    let filter = Filter {
        calls: args.call,
        parties: args.party,
        addresses: args.address,
        methods: args.method,
        statuses: args.status,
        since: args.since,
        until: args.until,
    };
    let (sessions, token) = (args.session, args.token);
    let server = args.server.map(|url| served(&loaded.config, url, token, sessions)).transpose()?;
    #[cfg(feature = "tui")]
    let is_interactive = args.interactive;
    let options = Options {
        files: args.files,
        server,
        config: loaded.config,
        filter,
        show,
        json: args.json,
        keylog: args.keylog,
        color: args.color.is_wanted(&stdout()),
        width: args.width.or_else(terminal_width).unwrap_or(WIDTH).max(LEAST_WIDTH),
        write: args.write,
        progress: stderr().is_terminal(),
    };
    #[cfg(feature = "api")]
    if let Some(server) = options.server.as_ref().filter(|_| args.follow) {
        return trace::follow(&options, server);
    }
    #[cfg(feature = "tui")]
    if is_interactive {
        return interactive(options);
    }
    trace::run(&options)
}

fn session(text: &str) -> Result<SessionId, String> {
    text.parse().map_err(|error: NotAnId| error.to_string())
}

#[cfg(feature = "api")]
fn served(
    config: &Config,
    url: Option<String>,
    token: Option<String>,
    sessions: Vec<SessionId>,
) -> anyhow::Result<Server> {
    let url = url.unwrap_or_else(|| crate::ids::url_of(config));
    Ok(Server { url, token: super::token::token(token), sessions })
}

#[cfg(not(feature = "api"))]
fn served(_: &Config, _: Option<String>, _: Option<String>, _: Vec<SessionId>) -> anyhow::Result<Server> {
    bail!("--server: this build has no API (feature `api`)")
}

#[cfg(feature = "tui")]
fn interactive(options: Options) -> anyhow::Result<()> {
    if options.files.iter().any(|file| file == Path::new("-")) {
        bail!("--interactive takes keys from the terminal, so it reads no standard input: give it a file");
    }
    browse::must_have_terminal()?;
    let told = trace::story(&options)?;
    told.must_match(&options.filter)?;
    let name = match (options.files.as_slice(), &options.server) {
        (_, Some(server)) => server.url.clone(),
        ([only], None) => only.file_name().unwrap_or(only.as_os_str()).to_string_lossy().into_owned(),
        (files, None) => format!("{} files", files.len()),
    };
    let look = if options.color { Look::Colour } else { Look::Mono };
    browse::run(Capture { name, story: told.story, filter: options.filter }, look)?;
    if told.failures.is_empty() { Ok(()) } else { bail!(told.failures.join("\n")) }
}

impl Args {
    /// Says what is for a server alone. (clap asks for no `--server` beside files, which it conflicts with.)
    fn check_server(&self) {
        let only =
            [("--follow", self.follow), ("--session", !self.session.is_empty()), ("--token", self.token.is_some())];
        if let Some((name, _)) = only.into_iter().find(|(_, is_given)| *is_given && self.server.is_none()) {
            let text = format!("{name} is for a running server, not for files: say --server [URL] in their place\n");
            clap::Error::raw(ErrorKind::MissingRequiredArgument, text).exit();
        }
    }

    fn show(&self) -> Show {
        let asked = [
            (self.list, Show::List),
            (self.messages, Show::Messages),
            (self.rtp, Show::Rtp),
            (self.mermaid, Show::Mermaid),
            (self.svg, Show::Svg),
            (self.lint, Show::Lint),
        ];
        asked.into_iter().find(|(is_asked, _)| *is_asked).map_or(Show::Ladder, |(_, show)| show)
    }
}

fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stdout()).ok().filter(|_| stdout().is_terminal())?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}
