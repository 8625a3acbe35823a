//! `/ws/events` and `/api/v1/events`: what happens, as it happens, over a WebSocket or as server-sent events.
//!
//! SIP messages come a way of their own, to those alone who ask for them.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};
use futures_util::stream;
use serde::Deserialize;
use siprec_core::seed::SessionId;
use tokio::sync::broadcast::{self, error::RecvError};
use utoipa::IntoParams;

use super::asked::Asked;
use super::event_log::{KINDS, QUALITY, Resumed, Written};
use super::guard::Caller;
use super::problem::Problem;
use super::signalling;
use super::state::Served;
use crate::config::Permission;
use crate::server::live::Counted;
use crate::server::sip_watch::{SipTold, SipWatch, SipWatched};

/// A listener that hears nothing is asked so often whether it is still there.
const PING: Duration = Duration::from_secs(20);
/// What a listener says is short.
const MAX_SAID: usize = 4 << 10;
/// A listener who takes nothing for so long is let go.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);

pub(super) fn routes() -> Router<Arc<Served>> {
    Router::new().route("/ws/events", get(over_websocket)).route("/api/v1/events", get(server_sent))
}

/// Which events.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Go on after the event of this id: what happened since is sent first. `Last-Event-ID` says the same.
    after: Option<String>,
    /// Only of this session.
    #[param(value_type = Option<String>, format = Uuid)]
    session: Option<SessionId>,
    /// Only types that begin so, parted by commas: `session,recording.completed`.
    types: Option<String>,
    /// With figures of each stream each second.
    #[param(default = false)]
    quality: bool,
    /// With each SIP message that comes or goes, keys blanked, as `/sessions/{id}/sip` has them; `session` is null of one that is
    /// of no session, as an INVITE that is refused. Needs the permission `manage`. Such events have no id: who comes back has
    /// missed what there was.
    #[param(default = false)]
    sip: bool,
    /// For who cannot send header fields: the token.
    access_token: Option<String>,
}

impl Which {
    /// Refuses what no event begins with, which would be waited for in vain, and what is not for the caller.
    fn checked(self, caller: &Caller) -> Result<Self, Problem> {
        if self.sip {
            caller.must(Permission::Manage, "sip=true")?;
        }
        let is_known = |kind: &str| KINDS.iter().any(|known| known.starts_with(kind.trim()));
        match self.types.iter().flat_map(|types| types.split(',')).find(|kind| !is_known(kind)) {
            Some(unknown) => Err(Problem::bad_request(format!(
                "types: no type begins with `{unknown}`: there are {}; figures of streams come with quality=true, SIP with sip=true",
                KINDS.join(", ")
            ))),
            None => Ok(self),
        }
    }

    fn means(&self, event: &Written) -> bool {
        if event.kind == QUALITY {
            return self.quality;
        }
        let is_of = |types: &String| types.split(',').any(|kind| event.kind.starts_with(kind.trim()));
        self.session.is_none_or(|session| event.session == Some(session)) && self.types.as_ref().is_none_or(is_of)
    }
}

/// What a listener is told next.
#[derive(Debug)]
enum Next {
    Event(Written),
    Sip(Arc<SipTold>),
    /// So many were missed, since the listener did not keep up, or came back too late: it has to ask how things are.
    Missed(Option<u64>),
    /// The same of SIP messages alone.
    MissedSip(u64),
}

impl Next {
    fn text(&self) -> String {
        match self {
            Self::Event(event) => event.text.to_string(),
            Self::Sip(told) => signalling::event(told),
            Self::Missed(count) => serde_json::json!({ "type": "missed", "events": count }).to_string(),
            Self::MissedSip(count) => {
                serde_json::json!({ "type": "missed", "events": count, "of": signalling::SIP }).to_string()
            }
        }
    }
}

/// A listener.
#[derive(Debug)]
struct Listener {
    which: Which,
    is_torn: bool,
    before: VecDeque<Written>,
    after: broadcast::Receiver<Written>,
    sip: Option<SipWatch>,
    _seconds: Option<Counted>,
}

impl Listener {
    fn new(served: &Served, which: Which) -> Self {
        let seconds = which.quality.then(|| served.live.want_seconds());
        let sip = which.sip.then(|| served.live.watch_sip());
        let Resumed { before, is_torn, after } = served.events.resume(which.after.as_deref());
        Self { which, is_torn, before: before.into(), after, sip, _seconds: seconds }
    }

    /// The next that is meant; none when the server stops.
    async fn next(&mut self) -> Option<Next> {
        if std::mem::take(&mut self.is_torn) {
            return Some(Next::Missed(None));
        }
        while let Some(event) = self.before.pop_front() {
            if self.which.means(&event) {
                return Some(Next::Event(event));
            }
        }
        loop {
            tokio::select! {
                event = self.after.recv() => match event {
                    Ok(event) if self.which.means(&event) => return Some(Next::Event(event)),
                    Ok(_) => {}
                    Err(RecvError::Lagged(count)) => return Some(Next::Missed(Some(count))),
                    Err(RecvError::Closed) => return None,
                },
                told = next_of(&mut self.sip) => match told {
                    SipWatched::Told(told) if self.which.session.is_none_or(|id| told.session == Some(id)) => {
                        return Some(Next::Sip(told));
                    }
                    SipWatched::Told(_) => {}
                    SipWatched::Missed(count) => return Some(Next::MissedSip(count)),
                    SipWatched::Over => return None,
                },
            }
        }
    }
}

/// The next message; never one where nobody asked for any.
async fn next_of(sip: &mut Option<SipWatch>) -> SipWatched {
    match sip {
        Some(watch) => watch.next().await,
        None => std::future::pending().await,
    }
}

/// Tells what happens, as server-sent events: sessions, alarms, recordings, and on demand figures of each stream each second and
/// each SIP message.
#[utoipa::path(get, path = "/api/v1/events", tag = "server", params(Which,
    ("last-event-id" = Option<String>, Header, description = "Go on after this event")),
    responses(
    (status = 200, description = "Events, for as long as you listen", body = String, content_type = "text/event-stream"),
    (status = 400, description = "The query is wrong", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn server_sent(
    State(served): State<Arc<Served>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Asked(which): Asked<Which>,
) -> Result<Response, Problem> {
    let mut which = which.checked(&caller)?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    which.after = last.map(str::to_owned).or(which.after);
    let events = stream::unfold((Listener::new(&served, which), caller), |(mut listener, caller)| async move {
        let next = tokio::select! {
            next = listener.next() => next?,
            () = caller.expiry() => return None,
        };
        let event = match &next {
            Next::Event(event) => Event::default().id(&event.id).event(event.kind).data(&event.text),
            Next::Sip(_) => Event::default().event(signalling::SIP).data(next.text()),
            Next::Missed(_) | Next::MissedSip(_) => Event::default().event("missed").data(next.text()),
        };
        Some((Ok::<_, Infallible>(event), (listener, caller)))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(PING)).into_response())
}

/// Tells what happens, over a WebSocket: the same events as `/api/v1/events`, a text frame each.
#[utoipa::path(get, path = "/ws/events", tag = "server", params(Which), responses(
    (status = 101, description = "Events, a text frame each"),
    (status = 400, description = "The query is wrong, or this is no WebSocket", body = Problem, content_type = "application/problem+json"),
    (status = 426, description = "This is no WebSocket", body = String, content_type = "text/plain"),
))]
pub(super) async fn over_websocket(
    State(served): State<Arc<Served>>,
    Extension(caller): Extension<Caller>,
    Asked(which): Asked<Which>,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|refused| Problem::bad_request(format!("this is for WebSockets: {refused}")))?;
    let listener = Listener::new(&served, which.checked(&caller)?);
    Ok(upgrade.max_message_size(MAX_SAID).on_upgrade(|socket| tell(socket, listener, caller)))
}

/// Tells that what showed who listens is worth nothing any more, and ends.
pub(super) async fn expired(socket: &mut WebSocket) {
    let text = serde_json::json!({ "type": "expired" }).to_string();
    let told = async {
        socket.send(Message::Text(Utf8Bytes::from(text))).await?;
        socket.send(Message::Close(None)).await
    };
    // Who is gone already, or takes nothing, need not be told.
    let _ = tokio::time::timeout(TAKEN_WITHIN, told).await;
}

async fn tell(mut socket: WebSocket, mut listener: Listener, caller: Caller) {
    let mut ping = tokio::time::interval(PING);
    let mut expiry = std::pin::pin!(caller.expiry());
    loop {
        let message = tokio::select! {
            next = listener.next() => match next {
                Some(next) => Message::Text(Utf8Bytes::from(next.text())),
                None => return,
            },
            said = socket.recv() => match said {
                // Nothing has to be said here; what is said says that somebody is there.
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
            () = &mut expiry => return expired(&mut socket).await,
            _ = ping.tick() => Message::Ping(Vec::new().into()),
        };
        match tokio::time::timeout(TAKEN_WITHIN, socket.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}
