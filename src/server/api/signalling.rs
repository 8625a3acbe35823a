//! `/sessions/{id}/sip`: the SIP messages of a session.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use siprec_core::seed::SessionId;
use siprec_core::time::Wall;
use utoipa::ToSchema;

use super::asked::Id;
use super::problem::Problem;
use super::state::{Served, blocking};
use crate::archive::finish::{SipMessage, messages};
use crate::server::sip_watch::SipTold;

/// Messages of an answer, the newest.
const MAX_MESSAGES: usize = 1_000;

/// SIP messages of a session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Signalling {
    messages: Vec<Message>,
    /// Messages before these, which are not shown.
    left_out: usize,
}

/// A SIP message.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Message {
    #[serde(serialize_with = "super::time::one")]
    #[schema(value_type = String, format = DateTime)]
    at: Wall,
    /// Whether the server sent it.
    outbound: bool,
    /// `udp`, `tcp` or `tls`.
    transport: String,
    #[schema(value_type = String)]
    from: SocketAddr,
    #[schema(value_type = String)]
    to: SocketAddr,
    /// Its first line.
    start_line: String,
    /// All of it. Keys are blanked, and octets that are no UTF-8 replaced.
    message: String,
}

impl From<SipMessage> for Message {
    fn from(message: SipMessage) -> Self {
        let SipMessage { at, outbound, transport, from, to, octets } = message;
        let message = String::from_utf8_lossy(&octets).into_owned();
        let start_line = message.lines().next().unwrap_or_default().to_owned();
        Self { at, outbound, transport: transport.to_string().to_lowercase(), from, to, start_line, message }
    }
}

/// A message as it comes or goes, for `/ws/events?sip=true`.
#[derive(Debug, Serialize)]
struct SipEvent {
    #[serde(rename = "type")]
    kind: &'static str,
    session: Option<SessionId>,
    #[serde(flatten)]
    message: Message,
}

/// The type of events of SIP.
pub(super) const SIP: &str = "sip";

/// A message as an event.
pub(super) fn event(told: &SipTold) -> String {
    let event = SipEvent { kind: SIP, session: told.session, message: told.message.clone().into() };
    // Of texts, numbers and truth values alone JSON can be made.
    serde_json::to_string(&event).unwrap_or_default()
}

/// Shows the SIP messages of a session, also of one that is over as long as its journal is kept.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/sip", tag = "sessions",
    params(("id" = String, Path, description = "The session's id", format = Uuid)),
    responses(
    (status = 200, description = "The messages", body = Signalling),
    (status = 404, description = "There is no journal of it", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Its journal cannot be read now", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn sip(State(served): State<Arc<Served>>, Id(id): Id<SessionId>) -> Result<Json<Signalling>, Problem> {
    blocking(move || {
        let read = messages(&*served.disk, &served.data, id, MAX_MESSAGES);
        let read = read.map_err(|error| Problem::unavailable("the journal cannot be read now", &error))?;
        let missing =
            "there is no journal of a session of that id: archive.keep_journal says for how long they are kept";
        let (messages, left_out) = read.ok_or_else(|| Problem::not_found(missing))?;
        Ok(Json(Signalling { messages: messages.into_iter().map(Message::from).collect(), left_out }))
    })
    .await
}
