//! `/ws/stream`: the audio of a session as it comes.
//!
//! ```text
//! {"action": "subscribe", "session_id": "...", "format": "wav"}  ->  {"type": "subscribed", ...}
//!                                                                <-  binary: number (4 octets), time (8), audio
//!                                                                <-  text: dropped, ended, error
//! ```

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};
use siprec_core::entry::PortIndex;
use siprec_core::seed::SessionId;
use siprec_core::time::Wall;
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};

use super::asked::Asked;
use super::events::expired;
use super::guard::Caller;
use super::live_coder::{Coder, Format};
use super::live_mix::{FRAME, Frame, Mix};
use super::problem::Problem;
use super::resampler::Resampler;
use super::sessions;
use super::state::Served;
use crate::server::live::{Sound, Tap};
use crate::server::showing::Shown;
use crate::wall;

/// What a listener says is short.
const MAX_SAID: usize = 4 << 10;
/// A listener who takes nothing for so long is let go.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);
/// What a listener says is heard no more often: each subscription opens a decoder.
const SAID_EVERY: Duration = Duration::from_millis(100);
/// How often it is looked whether a frame is late.
const LOOK: Duration = Duration::from_millis(10);
/// Who says nothing, and has nothing said to, is asked so often whether they are still there.
const PING: Duration = Duration::from_secs(20);

pub(super) fn routes() -> Router<Arc<Served>> {
    Router::new().route("/ws/stream", get(stream))
}

/// For who cannot send header fields.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Token {
    /// The token.
    access_token: Option<String>,
}

/// What a listener says.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    action: Action,
    /// A session's id, or whatever its call is called: Call-ID, UCID ...
    #[serde(default)]
    session_id: String,
    #[serde(default)]
    format: Format,
    /// A stream's label or number; none: all of them, mixed.
    #[serde(default)]
    stream: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Action {
    Subscribe,
    Unsubscribe,
}

/// The audio of a session as it comes, over a WebSocket. Say `{"action": "subscribe", "session_id": "...", "format": "wav"}`; formats are
/// `wav`, `pcm16`, `ulaw` and `opus`. Binary frames begin with their number (4 octets) and the time of their first sample (8 octets,
/// microseconds since 1970), both big-endian; the rest is audio. What does not reach you in time is left out, and said so.
#[utoipa::path(get, path = "/ws/stream", tag = "sessions", params(Token), responses(
    (status = 101, description = "Say what you want to hear"),
    (status = 400, description = "The query is wrong, or this is no WebSocket", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn stream(
    State(served): State<Arc<Served>>,
    Extension(caller): Extension<Caller>,
    Asked(_): Asked<Token>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|refused| Problem::bad_request(format!("this is for WebSockets: {refused}")))?;
    Ok(upgrade.max_message_size(MAX_SAID).on_upgrade(|socket| converse(socket, served, caller)))
}

/// What is heard now.
struct Hearing {
    tap: Tap,
    /// The one stream that is heard; none: all, mixed.
    only: Option<PortIndex>,
    mix: Mix,
    single: Option<Resampler>,
    coder: Coder,
    number: u32,
    missed: u64,
}

async fn converse(mut socket: WebSocket, served: Arc<Served>, caller: Caller) {
    let mut hearing: Option<Hearing> = None;
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut ping = tokio::time::interval(PING);
    let mut expiry = std::pin::pin!(caller.expiry());
    let mut heard_from = Instant::now();
    loop {
        let out = tokio::select! {
            said = said(&mut socket, heard_from) => match said {
                Some(Ok(Message::Text(text))) => {
                    heard_from = Instant::now() + SAID_EVERY;
                    answer(&served, &caller, &text, &mut hearing).await
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => Vec::new(),
            },
            sound = next(&mut hearing) => match sound {
                Some(sound) => hearing.as_mut().map(|hearing| hearing.take(&sound)).unwrap_or_default(),
                None => {
                    hearing = None;
                    vec![text(&json!({ "type": "ended" }))]
                }
            },
            _ = look.tick(), if hearing.is_some() => hearing.as_mut().map(Hearing::late).unwrap_or_default(),
            () = &mut expiry => return expired(&mut socket).await,
            _ = ping.tick() => vec![Message::Ping(Vec::new().into())],
        };
        for message in out {
            match tokio::time::timeout(TAKEN_WITHIN, socket.send(message)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return,
            }
        }
    }
}

/// What a listener says, from then on.
async fn said(socket: &mut WebSocket, from: Instant) -> Option<Result<Message, axum::Error>> {
    tokio::time::sleep_until(from).await;
    socket.recv().await
}

/// What is heard next; never, where nothing is listened to.
async fn next(hearing: &mut Option<Hearing>) -> Option<Sound> {
    match hearing {
        Some(hearing) => hearing.tap.next().await,
        None => std::future::pending().await,
    }
}

fn text(value: &Value) -> Message {
    Message::Text(value.to_string().into())
}

/// Does what a listener says.
async fn answer(served: &Arc<Served>, caller: &Caller, said: &str, hearing: &mut Option<Hearing>) -> Vec<Message> {
    let done = async {
        let said: Said =
            serde_json::from_str(said).map_err(|error| Problem::bad_request(format!("what you say: {error}")))?;
        if said.action == Action::Unsubscribe {
            *hearing = None;
            return Ok(json!({ "type": "unsubscribed" }));
        }
        let shown = sessions::called(served, &said.session_id).await?;
        let (begun, told) = begin(served, caller, &said, &shown)?;
        *hearing = Some(begun);
        Ok::<_, Problem>(told)
    };
    match done.await {
        Ok(told) => vec![text(&told)],
        Err(problem) => {
            let mut told = serde_json::to_value(&problem).unwrap_or_default();
            if let Some(fields) = told.as_object_mut() {
                fields.insert("type".into(), "error".into());
            }
            vec![text(&told)]
        }
    }
}

fn begin(served: &Served, caller: &Caller, said: &Said, shown: &Shown) -> Result<(Hearing, Value), Problem> {
    let session: SessionId = shown.portrait.session;
    let streams = &shown.portrait.streams;
    let is = |name: &str, line: &siprec_core::session::PortraitStream| {
        line.stream.label.as_deref() == Some(name) || line.stream.port.0.to_string() == name
    };
    let only = said.stream.as_deref().filter(|name| *name != "mixed");
    let only = only.map(|name| {
        let found = streams.iter().find(|line| is(name, line)).map(|line| line.stream.port);
        found.ok_or_else(|| Problem::not_found(format!("the session has no stream {name}")))
    });
    let only = only.transpose()?;
    let heard = streams.iter().filter(|line| only.is_none_or(|port| line.stream.port == port));
    let rates = heard
        .filter_map(|line| line.stream.formats.first().map(|format| sample_rate(&format.encoding, format.clock_rate)));
    let rate = said.format.rate(rates.max().unwrap_or(8_000));
    let coder = Coder::new(said.format, rate).map_err(|error| Problem::unavailable("there is no encoder", &error))?;
    let full =
        || Problem::new(axum::http::StatusCode::SERVICE_UNAVAILABLE, "as many listen already as may: try again later");
    let tap = served.live.listen_as(session, Some(caller.origin())).ok_or_else(full)?;
    let told = json!({
        "type": "subscribed",
        "session": session,
        "format": said.format.name(),
        "rate": rate,
        "channels": 1,
        "frame_ms": FRAME.as_millis() as u64,
        "stream": only.map(|port| port.0),
    });
    Ok((Hearing { tap, only, mix: Mix::new(rate), single: None, coder, number: 0, missed: 0 }, told))
}

/// What a codec's audio is sampled at: the RTP clock of G.722 says 8,000 (RFC 3551 4.5.2).
fn sample_rate(encoding: &str, clock_rate: u32) -> u32 {
    if encoding.eq_ignore_ascii_case("G722") { 16_000 } else { clock_rate.clamp(8_000, 48_000) }
}

impl Hearing {
    /// What a packet becomes.
    fn take(&mut self, sound: &Sound) -> Vec<Message> {
        let mut out = self.told_of_missed();
        match self.only {
            None => {
                self.mix.take(sound);
                out.extend(self.late());
            }
            Some(port) if port == sound.port => {
                let rate = self.coder.rate();
                let resampler = self.single.get_or_insert_with(|| Resampler::new(sound.sample_rate, rate));
                let mut samples = Vec::new();
                resampler.take(&sound.samples, &mut samples);
                let nanos = sound.samples.len() as i64 * 1_000_000_000 / i64::from(sound.sample_rate.max(1));
                out.extend(self.coded(Frame { at: Wall(sound.at.0 - nanos), samples }));
            }
            Some(_) => {}
        }
        out
    }

    /// Frames that are due.
    fn late(&mut self) -> Vec<Message> {
        let mut out = Vec::new();
        while self.only.is_none()
            && let Some(frame) = self.mix.frame(wall::now())
        {
            out.extend(self.coded(frame));
        }
        out
    }

    fn coded(&mut self, frame: Frame) -> Vec<Message> {
        let mut out = Vec::new();
        for (at, octets) in self.coder.take(&frame) {
            let micros = u64::try_from(at.0 / 1_000).unwrap_or(0);
            let message = [&self.number.to_be_bytes()[..], &micros.to_be_bytes(), &octets].concat();
            self.number = self.number.wrapping_add(1);
            out.push(Message::Binary(message.into()));
        }
        out
    }

    fn told_of_missed(&mut self) -> Vec<Message> {
        let missed = self.tap.missed();
        let news = missed - std::mem::replace(&mut self.missed, missed);
        if news == 0 { Vec::new() } else { vec![text(&json!({ "type": "dropped", "packets": news }))] }
    }
}
