//! `/alarms`: what is wrong now, and who has taken note of it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde::Serialize;
use siprec_core::seed::SessionId;
use siprec_core::time::Wall;
use utoipa::ToSchema;

use super::guard::Caller;
use super::problem::Problem;
use super::state::Served;
use crate::archive::audit::{Act, Action};
use crate::server::alarms::{Of, Raised};

pub(super) fn routes() -> Router<Arc<Served>> {
    Router::new().route("/api/v1/alarms", get(list)).route("/api/v1/alarms/{id}/acknowledge", post(acknowledge))
}

/// An alarm that is raised.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Alarm {
    id: String,
    /// `no_rtp`, `one_way` ... of a session; `disk_full`, `storage_down` ... of the server.
    alarm: String,
    #[schema(value_type = Option<String>, format = Uuid)]
    session: Option<SessionId>,
    /// The stream's number; none where it is the session's.
    stream: Option<u16>,
    /// The storage target, peer or certificate.
    subject: Option<String>,
    /// What is wrong, and what to do.
    detail: String,
    #[serde(serialize_with = "super::time::one")]
    #[schema(value_type = String, format = DateTime)]
    since: Wall,
    /// Who has taken note of it.
    acknowledged_by: Option<String>,
    #[serde(serialize_with = "super::time::optional")]
    #[schema(value_type = Option<String>, format = DateTime)]
    acknowledged_at: Option<Wall>,
}

impl From<(Of, Raised)> for Alarm {
    fn from((of, raised): (Of, Raised)) -> Self {
        let (id, alarm) = (of.id(), of.name());
        let (session, stream, subject) = match of {
            Of::Session(session, _, port) => (Some(session), port.map(|port| port.0), None),
            Of::Server(_, subject) => (None, None, subject),
        };
        let (acknowledged_by, acknowledged_at) = raised.acknowledged.unzip();
        Self {
            id,
            alarm,
            session,
            stream,
            subject,
            detail: raised.detail,
            since: raised.since,
            acknowledged_by,
            acknowledged_at,
        }
    }
}

/// Alarms that are raised.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Alarms {
    alarms: Vec<Alarm>,
}

/// Lists the alarms that are raised now.
#[utoipa::path(get, path = "/api/v1/alarms", tag = "server", responses(
    (status = 200, description = "The alarms", body = Alarms),
))]
pub(super) async fn list(State(served): State<Arc<Served>>) -> Json<Alarms> {
    Json(Alarms { alarms: served.alarms.all().into_iter().map(Alarm::from).collect() })
}

/// Takes note of an alarm: others see who is at it. It stays raised until it is over.
#[utoipa::path(post, path = "/api/v1/alarms/{id}/acknowledge", tag = "server",
    params(("id" = String, Path, description = "The alarm's id")),
    responses(
    (status = 200, description = "The alarm as it is now", body = Alarm),
    (status = 400, description = "The path is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "It is not raised", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn acknowledge(
    State(served): State<Arc<Served>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<Json<Alarm>, Problem> {
    let Path(id) = path.map_err(|_| Problem::bad_request("the path is no UTF-8"))?;
    let origin = caller.origin();
    let found = served.alarms.acknowledge(&id, &origin.who);
    let found = found
        .ok_or_else(|| Problem::not_found("no alarm of that id is raised: GET /api/v1/alarms lists those that are"))?;
    served.pen.tell(Act::new(Action::Acknowledged).with("alarm", &id).by(origin));
    Ok(Json(found.into()))
}
