//! `/recordings/start` and `/recordings/stop`: recordings that no SRC asks for.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};
use siprec_core::seed::SessionId;
use siprec_core::session::Order;
use tokio::sync::oneshot;
use utoipa::ToSchema;

use super::asked::Body;
use super::guard::Caller;
use super::problem::Problem;
use super::sessions::called;
use super::state::{Served, stops};
use crate::server::orders::Wish;
use crate::server::own_src::{Begin, Participant, Refused};

/// Those who speak in a recording that is begun here.
const MAX_PARTICIPANTS: usize = 16;
/// What else may be said of it.
const MAX_FIELDS: usize = 64;
/// Characters of each text.
const MAX_TEXT: usize = 256;

pub(super) fn routes() -> Router<Arc<Served>> {
    Router::new().route("/api/v1/recordings/start", post(start)).route("/api/v1/recordings/stop", post(stop))
}

/// A recording that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    /// What the call is called: it is found by that, and stopped by that.
    #[schema(min_length = 1, max_length = 256)]
    session_id: String,
    /// Who speaks: each has a stream. Not needed where the session is there already, held off.
    #[serde(default)]
    #[schema(max_items = 16)]
    participants: Vec<Who>,
    /// What else there is to say of the call: texts, numbers, truth values.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    metadata: BTreeMap<String, serde_json::Value>,
    /// The address that media is to be sent to: one of this server's, or one that leads to it. None: the one that it has SIP on.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    media_address: Option<IpAddr>,
}

/// Somebody who speaks.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = r#"an object, {"uri": "sip:alice@example.com", "name": "Alice"}"#)]
pub(super) struct Who {
    /// `sip:alice@example.com`, `tel:+15551234`.
    #[schema(min_length = 1, max_length = 256)]
    uri: String,
    #[serde(default)]
    #[schema(max_length = 256)]
    name: Option<String>,
}

/// A recording that has begun.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Started {
    /// As it was called.
    session_id: String,
    /// The session's own id.
    #[schema(value_type = String, format = Uuid)]
    session: SessionId,
    streams: Vec<StartedStream>,
}

/// Where a participant's media is to be sent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StartedStream {
    participant: Option<Who>,
    label: String,
    #[schema(value_type = String)]
    rtp: SocketAddr,
    #[schema(value_type = String)]
    rtcp: SocketAddr,
    /// A description of this stream alone (RFC 8866): what it takes, and where.
    sdp: Option<String>,
}

/// Starts a recording without SIP.
///
/// Whoever has the media (Asterisk's ExternalMedia, FreeSWITCH, rtpengine) sends a copy of each participant's to the address that is
/// returned. Where `session_id` is a session that was held off, that one is begun.
#[utoipa::path(post, path = "/api/v1/recordings/start", tag = "recordings", request_body = Start, responses(
    (status = 200, description = "A session that was held off is recorded", body = Started),
    (status = 201, description = "It is recorded", body = Started),
    (status = 400, description = "The body is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "It is being recorded already", body = Problem, content_type = "application/problem+json"),
    (status = 415, description = "The body is no JSON", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "No more can be recorded now", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn start(
    State(served): State<Arc<Served>>,
    Extension(caller): Extension<Caller>,
    Body(wanted): Body<Start>,
) -> Result<(StatusCode, Json<Started>), Problem> {
    let begin = begin(&wanted)?;
    if let Ok(shown) = called(&served, &wanted.session_id).await {
        let session = shown.portrait.session;
        if !shown.portrait.paused {
            return Err(Problem::conflict(format!(
                "{} is being recorded already, in session {session}",
                wanted.session_id
            )));
        }
        served.orders.wish(Wish::Ordered(Order::Resume(session), caller.origin()));
        served.done().await?;
        let streams = shown.portrait.streams.into_iter().map(|line| StartedStream {
            participant: None,
            label: line.stream.label.clone().unwrap_or_default(),
            rtp: line.stream.local,
            rtcp: line.stream.local_rtcp,
            sdp: None,
        });
        let started = Started { session_id: wanted.session_id, session, streams: streams.collect() };
        return Ok((StatusCode::OK, Json(started)));
    }
    if wanted.participants.is_empty() {
        return Err(Problem::bad_request("participants: name at least one: each has a stream"));
    }
    let (reply, answer) = oneshot::channel();
    served.orders.wish(Wish::Begin(Box::new((begin, caller.origin())), reply));
    let begun = answer.await.map_err(|_| stops())?.map_err(refused)?;
    let streams = begun.streams.into_iter().enumerate().map(|(n, stream)| StartedStream {
        participant: wanted.participants.get(n).cloned(),
        label: stream.label,
        rtp: stream.rtp,
        rtcp: stream.rtcp,
        sdp: Some(stream.sdp),
    });
    let started = Started { session_id: wanted.session_id, session: begun.session, streams: streams.collect() };
    Ok((StatusCode::CREATED, Json(started)))
}

fn refused(refused: Refused) -> Problem {
    let Refused { status, reason } = refused;
    match status {
        400 | 488 => Problem::bad_request(format!("it is not recorded: {reason}")),
        _ => Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("it is not recorded now: {reason} ({status})")),
    }
}

fn begin(wanted: &Start) -> Result<Begin, Problem> {
    let text = |name: &str, text: &str| {
        let is_sound =
            !text.trim().is_empty() && text.chars().count() <= MAX_TEXT && !text.chars().any(char::is_control);
        is_sound.then(|| text.to_owned()).ok_or_else(|| {
            Problem::bad_request(format!("{name}: give 1 to {MAX_TEXT} characters, none of them a control character"))
        })
    };
    if wanted.participants.len() > MAX_PARTICIPANTS || wanted.metadata.len() > MAX_FIELDS {
        let most = format!("{MAX_PARTICIPANTS} participants and {MAX_FIELDS} fields of metadata at most");
        return Err(Problem::bad_request(most));
    }
    let participant = |who: &Who| {
        let name = who.name.as_ref().map(|name| text("participants[].name", name)).transpose()?;
        Ok(Participant { uri: text("participants[].uri", &who.uri)?, name })
    };
    let field = |(name, value): (&String, &serde_json::Value)| {
        let value = match value {
            serde_json::Value::String(value) => text("metadata", value)?,
            serde_json::Value::Number(number) => number.to_string(),
            serde_json::Value::Bool(is) => is.to_string(),
            serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
                return Err(Problem::bad_request("metadata: values are texts, numbers or truth values"));
            }
        };
        Ok((text("metadata", name)?, value))
    };
    Ok(Begin {
        name: text("session_id", &wanted.session_id)?,
        participants: wanted.participants.iter().map(participant).collect::<Result<_, Problem>>()?,
        fields: wanted.metadata.iter().map(field).collect::<Result<_, Problem>>()?,
        media_address: wanted.media_address,
    })
}

/// A recording that is to end.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Stop {
    /// As it was called, or the session's own id.
    session_id: String,
}

/// A recording that ends.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Stopped {
    #[schema(value_type = String, format = Uuid)]
    session: SessionId,
}

/// Stops a recording, whoever began it; what was recorded is finished.
#[utoipa::path(post, path = "/api/v1/recordings/stop", tag = "recordings", request_body = Stop, responses(
    (status = 202, description = "It ends", body = Stopped),
    (status = 400, description = "The body is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "It is not being recorded", body = Problem, content_type = "application/problem+json"),
    (status = 415, description = "The body is no JSON", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn stop(
    State(served): State<Arc<Served>>,
    Extension(caller): Extension<Caller>,
    Body(wanted): Body<Stop>,
) -> Result<(StatusCode, Json<Stopped>), Problem> {
    let session = called(&served, &wanted.session_id).await?.portrait.session;
    served.orders.wish(Wish::Ordered(Order::Stop(session), caller.origin()));
    served.done().await?;
    Ok((StatusCode::ACCEPTED, Json(Stopped { session })))
}
