//! `/sessions`: what is being recorded now, and orders about it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};
use siprec_core::entry::PauseCause;
use siprec_core::metadata::{self, Snapshot};
use siprec_core::seed::SessionId;
use siprec_core::session::{Order, Portrait, PortraitStream};
use siprec_core::vendor::{CallIds, search_forms};
use utoipa::{IntoParams, ToSchema};

use super::asked::{Asked, Body, Id, with_values};
use super::guard::Caller;
use super::problem::Problem;
use super::signalling;
use super::state::Served;
use super::tagging;
use crate::archive::catalog::Person;
use crate::archive::notes::Tag;
use crate::config::{Invalid, Span};
use crate::server::orders::Wish;
use crate::server::own_src::OwnSrc;
use crate::server::showing::Shown;

/// Sessions of one answer.
const MAX_SESSIONS: usize = 10_000;
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

pub(super) fn routes() -> Router<Arc<Served>> {
    Router::new()
        .route("/api/v1/sessions", get(list))
        .route("/api/v1/sessions/{id}", get(show).patch(tagging::change))
        .route("/api/v1/sessions/{id}/pause", post(pause))
        .route("/api/v1/sessions/{id}/resume", post(resume))
        .route("/api/v1/sessions/{id}/stop", post(stop))
        .route("/api/v1/sessions/{id}/sip", get(signalling::sip))
        .route("/api/v1/sessions/pause", post(pause_those))
        .route("/api/v1/sessions/resume", post(resume_those))
        .route("/api/v1/sessions/stop", post(stop_those))
}

/// A session that is being recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Session {
    #[schema(value_type = String, format = Uuid)]
    id: SessionId,
    /// Call-ID of its SIPREC dialog.
    call_id: String,
    #[serde(serialize_with = "super::time::optional")]
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<siprec_core::time::Wall>,
    /// The SRC's address; none of a session that was begun over the API.
    #[schema(value_type = Option<String>)]
    src: Option<SocketAddr>,
    /// `udp`, `tcp` or `tls`; `api` of a session that was begun over it.
    transport: String,
    /// The row of `peers` that it is under.
    peer: Option<String>,
    /// Who made the SRC, where it shows.
    vendor: Option<String>,
    /// We asked the SRC for it.
    initiated: bool,
    /// Nothing of it is kept now, by an operator's order.
    paused: bool,
    /// When that pause ends by itself.
    #[serde(serialize_with = "super::time::optional")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pause_ends_at: Option<siprec_core::time::Wall>,
    /// What vendors call the call, by field.
    #[schema(value_type = BTreeMap<String, Vec<String>>)]
    call: CallIds,
    /// What its recordings are tagged with, those that go on and those to come.
    tags: BTreeSet<String>,
    caller: Option<Person>,
    callee: Option<Person>,
    recordings: Vec<OpenRecording>,
    streams: Vec<Stream>,
    alarms: Vec<RaisedAlarm>,
}

/// A recording that has begun and not ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OpenRecording {
    #[schema(value_type = String, format = Uuid)]
    id: siprec_core::seed::RecordingId,
    communication_session: Option<String>,
}

/// A stream of a session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Stream {
    /// Its number in the session.
    number: u16,
    label: Option<String>,
    /// `audio`, `video`, `text`.
    media: String,
    /// Encodings as answered, the preferred one first.
    codecs: Vec<String>,
    /// Where it is received.
    #[schema(value_type = String)]
    local: SocketAddr,
    /// Where the SRC says that it sends from.
    #[schema(value_type = Option<String>)]
    remote: Option<SocketAddr>,
    /// Whether it is SRTP.
    srtp: bool,
    /// Its suite, once a key is known.
    suite: Option<String>,
    /// Why nothing of it is kept now.
    #[schema(value_type = Option<String>)]
    paused: Option<PauseCause>,
    /// The last packet, or the moment from which packets are expected.
    #[serde(serialize_with = "super::time::one")]
    #[schema(value_type = String, format = DateTime)]
    last_packet_at: siprec_core::time::Wall,
    /// Who sends on it, by the metadata.
    speakers: Vec<Person>,
}

/// An alarm that is raised.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RaisedAlarm {
    /// `no_rtp`, `loss`, `one_way` ...
    #[schema(value_type = String)]
    alarm: siprec_core::entry::Alarm,
    /// The stream's number; none where it is the session's.
    stream: Option<u16>,
    #[serde(serialize_with = "super::time::one")]
    #[schema(value_type = String, format = DateTime)]
    since: siprec_core::time::Wall,
}

impl From<Shown> for Session {
    fn from(Shown { portrait, beside }: Shown) -> Self {
        let (caller, callee) = parties(&portrait);
        let is_own = OwnSrc::is_at(portrait.src.ip());
        let snapshot = &portrait.snapshot;
        let alarms = beside.alarms.iter().map(|(alarm, port, since)| RaisedAlarm {
            alarm: *alarm,
            stream: port.map(|port| port.0),
            since: *since,
        });
        Self {
            id: portrait.session,
            started_at: portrait.answered,
            src: (!is_own).then_some(portrait.src),
            transport: if is_own { "api".to_owned() } else { portrait.transport.to_string().to_lowercase() },
            vendor: beside.vendor.clone(),
            initiated: portrait.initiated,
            paused: portrait.paused,
            pause_ends_at: portrait.pause_ends,
            caller,
            callee,
            recordings: portrait
                .recordings
                .iter()
                .map(|(id, of)| OpenRecording { id: *id, communication_session: of.clone() })
                .collect(),
            streams: portrait.streams.iter().map(|line| stream(line, snapshot)).collect(),
            alarms: alarms.collect(),
            call_id: portrait.call_id,
            tags: portrait.tags.into_iter().collect(),
            call: portrait.call,
            peer: portrait.peer,
        }
    }
}

/// Who called whom in the newest recording.
fn parties(portrait: &Portrait) -> (Option<Person>, Option<Person>) {
    let labels: Vec<Option<String>> = portrait.streams.iter().map(|line| line.stream.label.clone()).collect();
    let session = portrait.recordings.last().and_then(|(_, of)| of.as_deref());
    let (caller, callee) = portrait.snapshot.caller_callee(session, &labels);
    (caller.map(person), callee.map(person))
}

fn person(participant: &metadata::Participant) -> Person {
    let name = participant.names.first();
    Person { aor: name.map(|name| name.aor.clone()), name: name.and_then(|name| name.display.clone()) }
}

fn stream(line: &PortraitStream, snapshot: &Snapshot) -> Stream {
    let stream = &line.stream;
    let speakers = stream.label.as_deref().map(|label| snapshot.senders(label)).unwrap_or_default();
    Stream {
        number: stream.port.0,
        label: stream.label.clone(),
        media: stream.media.clone(),
        codecs: stream.formats.iter().map(|format| format!("{}/{}", format.encoding, format.clock_rate)).collect(),
        local: stream.local,
        remote: stream.remote.filter(|remote| !OwnSrc::is_at(remote.ip())),
        srtp: line.is_protected,
        suite: line.suite.map(|suite| suite.to_string()),
        paused: stream.paused,
        last_packet_at: line.heard,
        speakers: speakers.into_iter().map(person).collect(),
    }
}

/// Which sessions.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Part of the address or name of anybody in it, in any case.
    #[param(pattern = "[^ ]")]
    participant: Option<String>,
    /// Its Call-ID, its communication session's id, or an id that a vendor gives the call.
    #[param(pattern = "[^ ]")]
    call: Option<String>,
    /// The row of `peers` that it is under.
    #[param(pattern = "[^ ]")]
    peer: Option<String>,
    /// With this tag.
    tag: Option<String>,
    /// Only those that are paused (`true`), or that are not (`false`).
    paused: Option<bool>,
    /// Only those with an alarm.
    #[param(default = false)]
    alarmed: bool,
}

impl Which {
    fn means(&self, shown: &Shown) -> bool {
        let Shown { portrait, beside } = shown;
        let people = || portrait.snapshot.participants.iter().flat_map(|who| &who.names);
        let is_called = |part: &String| {
            let part = part.to_lowercase();
            let digits: String = part.chars().filter(char::is_ascii_digit).collect();
            people().any(|name| {
                let aor = name.aor.to_lowercase();
                let is_number =
                    digits.len() >= 3 && digits.len() + 4 >= part.len() && name.normalised.contains(&digits);
                aor.contains(&part)
                    || is_number
                    || name.display.as_ref().is_some_and(|n| n.to_lowercase().contains(&part))
            })
        };
        self.participant.as_ref().is_none_or(is_called)
            && self.call.as_ref().is_none_or(|call| is_of_call(portrait, call))
            && self.peer.as_ref().is_none_or(|peer| portrait.peer.as_ref() == Some(peer))
            && self.tag.as_ref().is_none_or(|tag| portrait.tags.contains(tag))
            && self.paused.is_none_or(|paused| portrait.paused == paused)
            && (!self.alarmed || !beside.alarms.is_empty())
    }
}

/// Whether this is the session's call, by whatever it is called: ids of dialog and metadata, or what a vendor put beside them.
fn is_of_call(portrait: &Portrait, call: &str) -> bool {
    let forms = search_forms(call);
    let is = |id: &str| forms.iter().any(|form| id.eq_ignore_ascii_case(form));
    let is_session = |session: &metadata::Session| is(&session.id) || session.group.as_deref().is_some_and(is);
    is(&portrait.call_id)
        || is(&portrait.session.to_string())
        || portrait.snapshot.sessions.iter().any(is_session)
        || portrait.call.iter().any(|(_, id)| is(id))
}

/// Sessions that are being recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Sessions {
    /// In the order of their beginning.
    sessions: Vec<Session>,
}

/// Lists the sessions that are being recorded.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "sessions", params(Which), responses(
    (status = 200, description = "The sessions", body = Sessions),
    (status = 400, description = "The query is wrong", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(served): State<Arc<Served>>,
    Asked(which): Asked<Which>,
) -> Result<Json<Sessions>, Problem> {
    let meant = meant(&served, &which).await?;
    Ok(Json(Sessions { sessions: meant.into_iter().map(Session::from).collect() }))
}

/// The sessions that are meant, at most [`MAX_SESSIONS`].
async fn meant(served: &Served, which: &Which) -> Result<Vec<Shown>, Problem> {
    let Which { participant, call, peer, tag, .. } = which;
    with_values(&[("participant", participant), ("call", call), ("peer", peer)])?;
    let tag =
        tag.as_ref().map(|text| text.parse::<Tag>().map_err(|error| Problem::bad_request(format!("tag: {error}"))));
    let which = &Which { tag: tag.transpose()?.map(String::from), ..which.clone() };
    let mut found = Vec::new();
    let take = |page: Vec<Shown>| {
        found.extend(page.into_iter().filter(|shown| which.means(shown)));
        found.len() < MAX_SESSIONS
    };
    served.each_session(take).await?;
    found.truncate(MAX_SESSIONS);
    Ok(found)
}

/// The session of that id, or of the call that is called so.
pub(super) async fn called(served: &Served, name: &str) -> Result<Shown, Problem> {
    if let Ok(id) = name.parse() {
        return served.session(id).await;
    }
    let which = Which { call: Some(name.to_owned()), ..Which::default() };
    let nobody = || Problem::not_found("no session of that id, and of no call of that id, is being recorded");
    if name.trim().is_empty() {
        return Err(nobody());
    }
    let mut found = meant(served, &which).await?;
    found.pop().ok_or_else(nobody)
}

/// Shows a session that is being recorded.
#[utoipa::path(get, path = "/api/v1/sessions/{id}", tag = "sessions",
    params(("id" = String, Path, description = "The session's id", format = Uuid)),
    responses(
    (status = 200, description = "The session", body = Session),
    (status = 404, description = "It is not being recorded", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn show(State(served): State<Arc<Served>>, Id(id): Id<SessionId>) -> Result<Json<Session>, Problem> {
    Ok(Json(served.session(id).await?.into()))
}

/// How to pause.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Pause {
    /// Ask the SRC to stop sending as well, by a re-INVITE with `a=inactive`.
    tell_src: bool,
    /// It is kept again by itself after so long: `90s`, `10m`. Never longer than `api.max_pause`, which also holds where this is
    /// not given.
    at_most: Option<String>,
}

impl Pause {
    fn at_most(&self, max: Duration) -> Result<Duration, Problem> {
        let Some(text) = &self.at_most else { return Ok(max) };
        let Span(length) = text.parse().map_err(|error: Invalid| Problem::bad_request(format!("at_most: {error}")))?;
        // Whoever is told that a session is paused must be able to rely on it.
        if length < SHORTEST_PAUSE {
            return Err(Problem::bad_request("at_most: a second at least: \"90s\", \"10m\""));
        }
        Ok(length.min(max))
    }
}

/// An order that was given.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ordered {
    /// The sessions that it is about.
    #[schema(value_type = Vec<String>)]
    sessions: Vec<SessionId>,
}

/// Pauses a session: from now on nothing of any of its streams reaches the disk, until it is resumed. It stays paused over a
/// restart of the server.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/pause", tag = "sessions", request_body = Option<Pause>,
    params(("id" = String, Path, description = "The session's id", format = Uuid)),
    responses(
    (status = 200, description = "It is paused", body = Ordered),
    (status = 400, description = "The body is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "It is not being recorded", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The disk stalls", body = Problem, content_type = "application/problem+json"),
    (status = 415, description = "The body is no JSON", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn pause(
    State(served): State<Arc<Served>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<SessionId>,
    Body(how): Body<Pause>,
) -> Result<Json<Ordered>, Problem> {
    let at_most = how.at_most(served.configuration.now().config.api.max_pause.0)?;
    served.session(id).await?;
    order(&served, &caller, Order::Pause { session: id, tell_src: how.tell_src, at_most: Some(at_most) });
    done(&served, id).await
}

/// Keeps a paused session's media again. A session that was held off is begun.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/resume", tag = "sessions",
    params(("id" = String, Path, description = "The session's id", format = Uuid)),
    responses(
    (status = 200, description = "It is kept", body = Ordered),
    (status = 404, description = "It is not being recorded", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn resume(
    State(served): State<Arc<Served>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<SessionId>,
) -> Result<Json<Ordered>, Problem> {
    served.session(id).await?;
    order(&served, &caller, Order::Resume(id));
    done(&served, id).await
}

/// Ends a session with BYE; its recordings are finished.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/stop", tag = "sessions",
    params(("id" = String, Path, description = "The session's id", format = Uuid)),
    responses(
    (status = 202, description = "It ends", body = Ordered),
    (status = 404, description = "It is not being recorded", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn stop(
    State(served): State<Arc<Served>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<SessionId>,
) -> Result<(StatusCode, Json<Ordered>), Problem> {
    served.session(id).await?;
    order(&served, &caller, Order::Stop(id));
    Ok((StatusCode::ACCEPTED, Json(Ordered { sessions: vec![id] })))
}

fn order(served: &Served, caller: &Caller, order: Order) {
    served.orders.wish(Wish::Ordered(order, caller.origin()));
}

async fn done(served: &Served, id: SessionId) -> Result<Json<Ordered>, Problem> {
    served.done().await?;
    Ok(Json(Ordered { sessions: vec![id] }))
}

/// The sessions that an order is about: something has to be said of them.
async fn those(served: &Served, which: &Which) -> Result<Vec<SessionId>, Problem> {
    if *which == Which::default() {
        return Err(Problem::bad_request("say which sessions: participant, call, peer, tag, paused or alarmed"));
    }
    Ok(meant(served, which).await?.into_iter().map(|shown| shown.portrait.session).collect())
}

/// Pauses all sessions of a participant, a call or a peer: what a system knows that has no ids of ours. None is no error: the list
/// says which were paused.
#[utoipa::path(post, path = "/api/v1/sessions/pause", tag = "sessions", request_body = Option<Pause>, params(Which), responses(
    (status = 200, description = "Those that are paused now", body = Ordered),
    (status = 400, description = "The query or the body is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 415, description = "The body is no JSON", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn pause_those(
    State(served): State<Arc<Served>>,
    Extension(caller): Extension<Caller>,
    Asked(which): Asked<Which>,
    Body(how): Body<Pause>,
) -> Result<Json<Ordered>, Problem> {
    let at_most = how.at_most(served.configuration.now().config.api.max_pause.0)?;
    let sessions = those(&served, &which).await?;
    for &session in &sessions {
        order(&served, &caller, Order::Pause { session, tell_src: how.tell_src, at_most: Some(at_most) });
    }
    served.done().await?;
    Ok(Json(Ordered { sessions }))
}

/// Keeps the media of paused sessions again, by participant, call or peer.
#[utoipa::path(post, path = "/api/v1/sessions/resume", tag = "sessions", params(Which), responses(
    (status = 200, description = "Those that are kept now", body = Ordered),
    (status = 400, description = "The query is wrong", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn resume_those(
    State(served): State<Arc<Served>>,
    Extension(caller): Extension<Caller>,
    Asked(which): Asked<Which>,
) -> Result<Json<Ordered>, Problem> {
    let sessions = those(&served, &which).await?;
    sessions.iter().for_each(|&session| order(&served, &caller, Order::Resume(session)));
    served.done().await?;
    Ok(Json(Ordered { sessions }))
}

/// Ends sessions with BYE, by participant, call or peer.
#[utoipa::path(post, path = "/api/v1/sessions/stop", tag = "sessions", params(Which), responses(
    (status = 202, description = "Those that end", body = Ordered),
    (status = 400, description = "The query is wrong", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn stop_those(
    State(served): State<Arc<Served>>,
    Extension(caller): Extension<Caller>,
    Asked(which): Asked<Which>,
) -> Result<(StatusCode, Json<Ordered>), Problem> {
    let sessions = those(&served, &which).await?;
    sessions.iter().for_each(|&session| order(&served, &caller, Order::Stop(session)));
    Ok((StatusCode::ACCEPTED, Json(Ordered { sessions })))
}
