//! `trace --server --follow`: each SIP message of a running server as it comes, a line each.
//!
//! ```text
//! /api/v1/events?sip=true -> Lines -> Calls (is it wanted, whose is it) -> Painter
//! ```
//! The server is connected to again where it is lost; what went by meanwhile is missing, and that is said.

use std::io::{self, Stdout, Write as _};
use std::os::fd::AsFd as _;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use futures_util::StreamExt as _;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use reqwest::{Method, Response, StatusCode};
use serde::{Deserialize, Serialize};
use siprec_core::session::blank_secrets;
use siprec_core::trace::{Row, Style, clock};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::answers::Sessions;
use super::followed::{Calls, Seen, SipEvent, Taken};
use super::json::MessageLine;
use super::options::{Options, Server, Show};
use super::paint::Painter;
use super::server::read;
use crate::api_answers::Session;
use crate::api_client::ApiClient;
use crate::event_stream::Lines;
use crate::https;

const ANSWERED_WITHIN: Duration = Duration::from_secs(20);
/// The server asks every 20 s whether somebody is there: what is quiet for longer is gone.
const QUIET: Duration = Duration::from_secs(60);
/// Between tries.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// After a session is over its last answers come.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Of a session's id: ids begin with their time, and end with what tells them apart.
const SHORT: usize = 8;

/// Follows until somebody ends it, or the sessions that were named are over.
///
/// # Errors
/// The server cannot be reached at the start, or refuses; nobody reads what is printed.
pub fn follow(options: &Options, server: &Server) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let following = Following::new(options, server)?;
    let ended = runtime.block_on(async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        // A task of its own: where a terminal stands still, somebody can end it all the same.
        let following = tokio::spawn(following.run());
        tokio::select! {
            ended = following => ended.context("it broke off")?,
            _ = interrupt.recv() => Ok(()),
            _ = terminate.recv() => Ok(()),
            () = unread() => Ok(()),
        }
    });
    runtime.shutdown_background();
    ended
}

/// Until nobody reads what is printed: a pipe whose reader is gone would be noticed with the next message only.
async fn unread() {
    let look = || {
        let out = io::stdout();
        loop {
            match poll(&mut [PollFd::new(out.as_fd(), PollFlags::empty())], PollTimeout::NONE) {
                Ok(_) => return true,
                Err(Errno::EINTR) => {}
                Err(_) => return false,
            }
        }
    };
    if !tokio::task::spawn_blocking(look).await.unwrap_or(false) {
        std::future::pending().await
    }
}

/// What comes of a connection.
enum Ended {
    /// What was to be followed is over.
    Over,
    /// The server is gone: why.
    Lost(String),
}

/// Why there is no answer.
enum Failed {
    /// The server may be there again.
    Lost(String),
    /// There is no such thing.
    Missing(anyhow::Error),
    /// It will be no other the next time.
    Refused(anyhow::Error),
}

/// What is told of.
#[derive(Deserialize)]
#[serde(tag = "type")]
enum Told {
    #[serde(rename = "sip")]
    Sip(SipEvent),
    #[serde(rename = "session.ended")]
    Ended { session: String },
    #[serde(rename = "missed")]
    Missed { events: Option<u64>, of: Option<String> },
    #[serde(other)]
    Other,
}

/// A message, and whose it is.
#[derive(Serialize)]
struct FollowedLine<'a> {
    #[serde(flatten)]
    message: MessageLine<'a>,
    session: Option<&'a str>,
}

struct Following {
    api: ApiClient,
    /// Ids of the sessions that are wanted; none: all.
    ids: Vec<String>,
    calls: Calls,
    painter: Painter<Stdout>,
    json: bool,
    whole: bool,
    /// When to end, once what was named is over.
    until: Option<Instant>,
    /// It may have ended unheard.
    is_torn: bool,
}

impl Following {
    fn new(options: &Options, server: &Server) -> Result<Self> {
        let ids: Vec<String> = server.sessions.iter().map(ToString::to_string).collect();
        Ok(Self {
            api: ApiClient::new(&server.url, server.token.clone())?,
            calls: Calls::new(options.filter.clone(), ids.clone()),
            ids,
            // A line is out as soon as it is whole.
            painter: Painter::new(io::stdout(), options.color),
            json: options.json,
            whole: options.show == Show::Messages,
            until: None,
            is_torn: false,
        })
    }

    async fn run(mut self) -> Result<()> {
        let (mut wait, mut was_there) = (FIRST_WAIT, false);
        loop {
            let mut is_there = false;
            let why = match self.once(&mut is_there, was_there).await? {
                Ended::Over => return Ok(()),
                Ended::Lost(why) => why,
            };
            if !is_there && !was_there {
                return Err(anyhow!(why));
            }
            was_there = true;
            if is_there {
                wait = FIRST_WAIT;
            }
            say(&format!("{why}: trying again in {} ms", wait.as_millis()))?;
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Follows for as long as one connection lasts.
    async fn once(&mut self, is_there: &mut bool, again: bool) -> Result<Ended> {
        let mut query = vec![("sip", "true".to_owned()), ("types", "session.ended".to_owned())];
        if let [id] = self.ids.as_slice() {
            query.push(("session", id.clone()));
        }
        let answer = match ask(&self.api, "/api/v1/events", &query).await {
            Ok(answer) => answer,
            Err(Failed::Lost(why)) => return Ok(Ended::Lost(why)),
            Err(Failed::Missing(error) | Failed::Refused(error)) => return Err(error.context("--follow")),
        };
        // After the events are on their way, so that nothing is between.
        let url = self.api.url().to_owned();
        match self.learn(again).await {
            Ok(None) => return Ok(Ended::Over),
            Ok(Some(_)) if again => say(&format!("{url} is there again: what went by meanwhile is missing"))?,
            Ok(Some(1)) => say(&format!("following {url}, where 1 session goes on; Ctrl-C ends it"))?,
            Ok(Some(count)) => say(&format!("following {url}, where {count} sessions go on; Ctrl-C ends it"))?,
            Err(Failed::Lost(why)) => return Ok(Ended::Lost(why)),
            Err(Failed::Missing(error) | Failed::Refused(error)) => return Err(error),
        }
        *is_there = true;
        let (mut pieces, mut lines) = (answer.bytes_stream(), Lines::default());
        loop {
            let until = self.until.unwrap_or_else(|| Instant::now() + QUIET);
            match timeout_at(until, pieces.next()).await {
                Ok(Some(Ok(piece))) => {
                    lines.take(&piece, &mut |line| self.line(line))?;
                    if std::mem::take(&mut self.is_torn) {
                        return Ok(Ended::Lost(format!("{}: events were missed", self.api.url())));
                    }
                }
                Ok(Some(Err(error))) => {
                    return Ok(Ended::Lost(format!("{}: {}", self.api.url(), https::words(&error))));
                }
                Ok(None) => return Ok(Ended::Lost(format!("{} ended the connection", self.api.url()))),
                Err(_) if self.until.is_some() => return Ok(Ended::Over),
                Err(_) => return Ok(Ended::Lost(format!("{}: nothing comes any more", self.api.url()))),
            }
        }
    }

    /// Who is in what goes on already, and how many sessions that are; none where all that was named is over.
    async fn learn(&mut self, again: bool) -> Result<Option<usize>, Failed> {
        let mut sessions: Vec<Session> = Vec::new();
        if self.ids.is_empty() {
            let told: Sessions = get(&self.api, "/api/v1/sessions").await?;
            sessions.extend(told.sessions.into_iter().filter_map(|live| serde_json::from_value(live).ok()));
        }
        let mut are_over = false;
        for id in &self.ids {
            match get(&self.api, &format!("/api/v1/sessions/{id}")).await {
                Ok(session) => sessions.push(session),
                // It has ended while the server was out of sight.
                Err(Failed::Missing(_)) if again => are_over = self.calls.ended(id),
                Err(failed) => return Err(failed),
            }
        }
        sessions.iter().for_each(|session| self.calls.know(session));
        Ok((!are_over).then_some(sessions.len()))
    }

    fn line(&mut self, line: &str) -> Result<()> {
        let Some(data) = line.strip_prefix("data:") else { return Ok(()) };
        // What cannot be read is of a server that is newer, and says something else.
        match serde_json::from_str(data) {
            Ok(Told::Sip(event)) => self.sip(event),
            Ok(Told::Ended { session }) => {
                if self.calls.ended(&session) {
                    self.until = Some(Instant::now() + LAST_WORDS);
                }
                Ok(())
            }
            Ok(Told::Missed { events, of: Some(_) }) => {
                let count = events.map_or_else(|| "some".to_owned(), |count| count.to_string());
                say(&format!("{count} messages went by faster than they were taken: they are missing"))
            }
            // The end of what is followed may be among them: who comes back asks.
            Ok(Told::Missed { of: None, .. }) => {
                self.is_torn = !self.ids.is_empty();
                Ok(())
            }
            Ok(Told::Other) | Err(_) => Ok(()),
        }
    }

    fn sip(&mut self, event: SipEvent) -> Result<()> {
        let (from, to) = (event.message.from, event.message.to);
        match self.calls.take(event)? {
            Taken::Wanted(seen) => self.print(&seen),
            Taken::Unwanted => Ok(()),
            Taken::Unreadable(why) => say(&format!("a message from {from} to {to} cannot be read: {why}")),
        }
    }

    fn print(&mut self, seen: &Seen) -> Result<()> {
        let Some(message) = seen.message() else { return Ok(()) };
        if self.json {
            let line = MessageLine::of(&seen.story, seen.place, message).numbered(&seen.numbers);
            let line = FollowedLine { message: line, session: seen.session.as_deref() };
            return Ok(self.painter.text(&serde_json::to_string(&line)?)?);
        }
        let session = seen.session.as_deref().unwrap_or("-");
        let short = session.get(session.len().saturating_sub(SHORT)..).unwrap_or(session);
        let again = if message.again.is_some() { " again" } else { "" };
        let parties = if seen.parties.is_empty() { String::new() } else { format!("  {}", seen.parties) };
        let row = Row::of(clock(message.at), Style::Time)
            .with(format!("  {short:<SHORT$}"), Style::Faint)
            .with(format!("  {} > {}  {}  ", message.from, message.to, message.transport), Style::Plain)
            .with(format!("{}{again}", message.title()), message.style())
            .with(parties, Style::Faint);
        self.painter.row(&row)?;
        if self.whole {
            self.painter.gap()?;
            self.painter.text(&String::from_utf8_lossy(&blank_secrets(&message.bytes)))?;
            self.painter.gap()?;
        }
        Ok(())
    }
}

async fn ask(api: &ApiClient, path: &str, query: &[(&str, String)]) -> Result<Response, Failed> {
    let sent = timeout(ANSWERED_WITHIN, api.request(Method::GET, path, query).send()).await;
    let Ok(answer) = sent else { return Err(Failed::Lost(format!("{} does not answer in time", api.url()))) };
    // Too many requests are fewer in a moment.
    let is_final = |status: StatusCode| status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS;
    let status = answer.as_ref().ok().map(Response::status);
    api.judged(answer).await.map_err(|error| match status {
        Some(StatusCode::NOT_FOUND) => Failed::Missing(error),
        Some(status) if is_final(status) => Failed::Refused(error),
        Some(_) | None => Failed::Lost(format!("{error:#}")),
    })
}

async fn get<T: serde::de::DeserializeOwned>(api: &ApiClient, path: &str) -> Result<T, Failed> {
    let answer = ask(api, path, &[]).await?;
    read(api, answer).await.map_err(|error| Failed::Lost(format!("{error:#}")))
}

/// Says something about the following itself, beside what is followed.
fn say(text: &str) -> Result<()> {
    Ok(writeln!(io::stderr(), "siprec: {text}")?)
}
