//! A running server as the input of a trace, by its API.
//!
//! ```text
//! sessions, all or named -> /sessions/{id}/sip -> messages; their RTP goes by unseen
//! a recording that is named -> /recordings/{id}/journal -> its packets, as those of a capture
//! ```
//! What is asked for decides what it takes: signalling is for those who may `manage`, packets for those who may `export`, and the
//! server writes down that they left.

use std::collections::BTreeSet;
use std::io::{self, Read, Write as _};
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::{Buf as _, Bytes};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use reqwest::{Method, Response, StatusCode};
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use siprec_core::seed::SessionId;
use siprec_core::trace::{Filter, Row, Style};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::answers::Sessions;
use super::options::{Options, Server, Show};
use super::reader::{Item, Passed, Reader};
use super::seconds::{Second, listen};
use crate::api_answers::{Message, Session, Signalling};
use crate::api_client::ApiClient;
use crate::capture::counting;
use crate::https;

/// An answer that says nothing for so long does not come.
const QUIET: Duration = Duration::from_secs(60);
/// Sessions that are asked for at a time: each is a journal that the server reads, which has calls to record meanwhile.
const AT_A_TIME: usize = 4;

/// What a server has told.
pub(super) struct Fetched {
    api: ApiClient,
    runtime: Runtime,
    messages: Vec<Message>,
    /// Recordings that were named: their packets are read as they come.
    recordings: Vec<SessionId>,
    /// Sessions that go on, as the server says it.
    live: Vec<serde_json::Value>,
    /// The last second of each of their streams, where RTP is asked for.
    seconds: Vec<Second>,
    over: Vec<Over>,
}

/// A session that is over.
struct Over {
    id: SessionId,
    call_id: Option<String>,
    /// What was made of it.
    recordings: Vec<String>,
}

impl Fetched {
    /// Asks for what is wanted.
    ///
    /// # Errors
    /// The server's, nothing that goes on, or an id of nothing.
    pub(super) fn of(server: &Server, options: &Options) -> Result<Self> {
        let api = ApiClient::new(&server.url, server.token.clone())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (messages, recordings, live) = (Vec::new(), Vec::new(), Vec::new());
        let (seconds, over) = (Vec::new(), Vec::new());
        let mut fetched = Self { api, runtime, messages, recordings, live, seconds, over };
        if server.sessions.is_empty() {
            fetched.all(options)?;
        }
        for id in server.sessions.iter().collect::<BTreeSet<_>>() {
            fetched.one(*id)?;
        }
        if options.show == Show::Rtp && !fetched.live.is_empty() {
            fetched.seconds = fetched.runtime.block_on(listen(&fetched.api))?;
        }
        Ok(fetched)
    }

    /// All that goes on.
    fn all(&mut self, options: &Options) -> Result<()> {
        self.live = self.runtime.block_on(sessions(&self.api, &options.filter))?;
        if self.live.is_empty() {
            bail!(
                "{}: no session is being recorded now; --session ID shows one that is over, --follow what comes next",
                self.api.url()
            );
        }
        let ids = self.live.iter().filter_map(|live| live.get("id")?.as_str()?.parse().ok());
        let ids: Vec<SessionId> = ids.collect();
        let (api, bar) = (&self.api, counting(options.progress, ids.len()));
        let told = stream::iter(ids).map(|id| async move { Ok((id, signalling(api, id).await?)) }).buffered(AT_A_TIME);
        // The first refusal is all of them.
        let told: Result<Vec<_>> = self.runtime.block_on(told.inspect(|_| bar.inc(1)).try_collect());
        bar.finish_and_clear();
        for (id, signalling) in told? {
            // What is over since it was listed and keeps no journal is left out.
            signalling.map_or(Ok(()), |signalling| self.take(id, signalling))?;
        }
        Ok(())
    }

    /// A session or a recording of that id.
    fn one(&mut self, id: SessionId) -> Result<()> {
        let api = &self.api;
        let asked = async {
            // Of the two an id names only one; who may not read recordings may read signalling all the same.
            let recording = find(api, &format!("/api/v1/recordings/{id}"), &[StatusCode::FORBIDDEN]).await?;
            if recording.is_some() {
                return Ok(None);
            }
            let live = find(api, &format!("/api/v1/sessions/{id}"), &[StatusCode::FORBIDDEN]).await?;
            let live = match live {
                Some(answer) => Some(read(api, answer).await?),
                None => None,
            };
            Ok::<_, anyhow::Error>(Some((live, signalling(api, id).await?)))
        };
        match self.runtime.block_on(asked)? {
            None => self.recordings.push(id),
            Some((live, Some(signalling))) => {
                if live.is_none() {
                    let call_id = signalling.messages.first().and_then(Message::call_id);
                    let of_call = recordings(&self.api, id, call_id.as_deref().unwrap_or_default());
                    let recordings = self.runtime.block_on(of_call);
                    self.over.push(Over { id, call_id, recordings });
                }
                self.live.extend(live);
                self.take(id, signalling)?;
            }
            Some((_, None)) => bail!(
                "{}: no session of the id {id} has a journal (archive.keep_journal says for how long they are kept), and no \
                 recording has that id",
                self.api.url()
            ),
        }
        Ok(())
    }

    fn take(&mut self, id: SessionId, signalling: Signalling) -> Result<()> {
        if signalling.left_out > 0 {
            let left = signalling.left_out;
            writeln!(
                io::stderr(),
                "siprec: session {id}: {left} messages before those that the server tells are left out"
            )?;
        }
        self.messages.extend(signalling.messages);
        Ok(())
    }

    /// Gives `sink` all of it; what could not be read, in words.
    pub(super) fn read(&self, reader: &mut Reader, sink: &mut dyn FnMut(Item<'_>)) -> Vec<String> {
        let mut failures = Vec::new();
        for message in &self.messages {
            match message.at() {
                Ok(at) => {
                    let content = Passed::Signalling(message.transport(), message.message.as_bytes());
                    sink(Item { at, from: message.from, to: message.to, content });
                }
                Err(error) => failures.push(format!("{error:#}")),
            }
        }
        for id in &self.recordings {
            let read = self.packets(*id).and_then(|packets| reader.read_from(packets, sink));
            if let Err(error) = read {
                failures.push(format!("recording {id}: {error:#}"));
            }
        }
        failures
    }

    /// The packets of a recording, as they come.
    fn packets(&self, id: SessionId) -> Result<Download<'_>> {
        let request = self.api.request(Method::GET, &format!("/api/v1/recordings/{id}/journal"), &[]);
        let answer = self.runtime.block_on(async { self.api.judged(request.send().await).await })?;
        Ok(Download { runtime: &self.runtime, pieces: Box::pin(answer.bytes_stream()), piece: Bytes::new() })
    }

    /// What the server says of the session with this Call-ID, beside its signalling.
    pub(super) fn rows(&self, call_id: &str) -> Vec<Row> {
        if let Some(session) = self.live(call_id).and_then(|live| Session::deserialize(live).ok()) {
            return session.rows(&self.seconds);
        }
        let of = |over: &&Over| over.call_id.as_deref() == Some(call_id);
        self.over.iter().filter(of).map(Over::row).collect()
    }

    /// The same as JSON, of one that goes on: as the server says it, with a `type`.
    pub(super) fn line(&self, call_id: &str) -> Option<serde_json::Value> {
        let mut line = serde_json::json!({ "type": "live" });
        let session = self.live(call_id)?.as_object()?;
        let fields = line.as_object_mut()?;
        fields.extend(session.clone());
        let is_of_it = |second: &&Second| session.get("id").is_some_and(|id| *id == second.session);
        let seconds: Vec<&Second> = self.seconds.iter().filter(is_of_it).collect();
        if !seconds.is_empty() {
            fields.insert("seconds".to_owned(), serde_json::to_value(seconds).ok()?);
        }
        Some(line)
    }

    fn live(&self, call_id: &str) -> Option<&serde_json::Value> {
        self.live.iter().find(|live| live.get("call_id").and_then(serde_json::Value::as_str) == Some(call_id))
    }
}

impl Over {
    fn row(&self) -> Row {
        let made = match self.recordings.as_slice() {
            [] => String::new(),
            ids => format!("; its RTP is shown by the id of a recording of it: --session {}", ids.join(" --session ")),
        };
        Row::of(format!("  Server: session {}, over{made}", self.id), Style::Plain)
    }
}

/// Ids of what was made of a session; none where that cannot be told now, which is not what was asked for.
async fn recordings(api: &ApiClient, id: SessionId, call_id: &str) -> Vec<String> {
    let found = get::<serde_json::Value>(api, "/api/v1/recordings", &[("call", call_id.to_owned())]).await;
    let rows = found.unwrap_or_default();
    let rows = rows.get("recordings").and_then(serde_json::Value::as_array).into_iter().flatten();
    let text = |row: &serde_json::Value, name: &str| Some(row.get(name)?.as_str()?.to_owned());
    let rows = rows.filter(|row| text(row, "session_id") == Some(id.to_string()));
    rows.filter_map(|row| text(row, "id")).collect()
}

/// Sessions that go on: those of the calls that are wanted, where the server knows them by that name, else all.
async fn sessions(api: &ApiClient, filter: &Filter) -> Result<Vec<serde_json::Value>> {
    let mut found: Vec<serde_json::Value> = Vec::new();
    for call in &filter.calls {
        for session in get::<Sessions>(api, "/api/v1/sessions", &[("call", call.clone())]).await?.sessions {
            if !found.contains(&session) {
                found.push(session);
            }
        }
    }
    if found.is_empty() {
        found = get::<Sessions>(api, "/api/v1/sessions", &[]).await?.sessions;
    }
    Ok(found)
}

/// The signalling of a session; none where it has no journal.
async fn signalling(api: &ApiClient, id: SessionId) -> Result<Option<Signalling>> {
    let found = find(api, &format!("/api/v1/sessions/{id}/sip"), &[]).await;
    match found.with_context(|| format!("the SIP of session {id}"))? {
        Some(answer) => Ok(Some(read(api, answer).await?)),
        None => Ok(None),
    }
}

/// What is at a path; none of what is not there, or where the answer is one of `others`.
async fn find(api: &ApiClient, path: &str, others: &[StatusCode]) -> Result<Option<Response>> {
    let sent = timeout(QUIET, api.request(Method::GET, path, &[]).send()).await;
    let answer = sent.map_err(|_| silent(api))?;
    let is_none = |answer: &Response| answer.status() == StatusCode::NOT_FOUND || others.contains(&answer.status());
    if answer.as_ref().is_ok_and(is_none) {
        return Ok(None);
    }
    Ok(Some(api.judged(answer).await?))
}

/// What is at a path.
async fn get<T: DeserializeOwned>(api: &ApiClient, path: &str, query: &[(&str, String)]) -> Result<T> {
    let sent = timeout(QUIET, api.request(Method::GET, path, query).send()).await;
    let answer = api.judged(sent.map_err(|_| silent(api))?).await?;
    read(api, answer).await
}

pub(super) async fn read<T: DeserializeOwned>(api: &ApiClient, answer: Response) -> Result<T> {
    let octets = timeout(QUIET, answer.bytes()).await.map_err(|_| silent(api))?;
    let octets = octets.map_err(|error| anyhow::anyhow!("{}: {}", api.url(), https::words(&error)))?;
    serde_json::from_slice(&octets)
        .with_context(|| format!("{}: what it says cannot be read: is it a siprec's API?", api.url()))
}

fn silent(api: &ApiClient) -> anyhow::Error {
    anyhow::anyhow!("{} does not answer in time", api.url())
}

/// An answer as it comes, for who reads without a runtime.
struct Download<'a> {
    runtime: &'a Runtime,
    pieces: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>>>>,
    piece: Bytes,
}

impl Read for Download<'_> {
    /// Fills all of `buffer`, up to the end: whoever looks at a beginning must see enough of it.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
            if self.piece.is_empty() {
                match self.runtime.block_on(async { timeout(QUIET, self.pieces.next()).await }) {
                    Ok(Some(Ok(piece))) => self.piece = piece,
                    Ok(Some(Err(error))) => return Err(io::Error::other(https::words(&error))),
                    Ok(None) => break,
                    Err(_) => return Err(io::Error::other("nothing comes any more")),
                }
                continue;
            }
            let length = room.len().min(self.piece.len());
            self.piece.copy_to_slice(&mut room[..length]);
            filled += length;
        }
        Ok(filled)
    }
}
