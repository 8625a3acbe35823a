//! `/unfinished`: sessions of which a recording could not be made, and why.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde::Serialize;
use siprec_core::seed::SessionId;
use utoipa::ToSchema;

use super::guard::Caller;
use super::problem::Problem;
use super::state::{Served, blocking};
use crate::archive::audit::{Act, Action};
use crate::archive::unfinished::{Unfinished, ask_again, list};

/// Sessions of an answer.
const MAX_LISTED: usize = 1_000;

pub(super) fn routes() -> Router<Arc<Served>> {
    Router::new().route("/api/v1/unfinished", get(listed)).route("/api/v1/unfinished/retry", post(retry))
}

/// Sessions of which a recording could not be made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AllUnfinished {
    unfinished: Vec<Unfinished>,
}

async fn all(served: &Arc<Served>) -> Result<Vec<Unfinished>, Problem> {
    let served = Arc::clone(served);
    blocking(move || {
        let found = list(&*served.disk, &served.data, MAX_LISTED);
        found.map_err(|error| Problem::unavailable("what is unfinished cannot be read", &error))
    })
    .await
}

/// Lists sessions of which a recording could not be made, with the reasons. Their journals are kept, and it is tried again by itself.
#[utoipa::path(get, path = "/api/v1/unfinished", tag = "server", responses(
    (status = 200, description = "The sessions", body = AllUnfinished),
    (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn listed(State(served): State<Arc<Served>>) -> Result<Json<AllUnfinished>, Problem> {
    Ok(Json(AllUnfinished { unfinished: all(&served).await? }))
}

/// What is tried again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Again {
    #[schema(value_type = Vec<String>)]
    sessions: Vec<SessionId>,
}

/// Has all of it tried again within seconds: the cause has been mended.
#[utoipa::path(post, path = "/api/v1/unfinished/retry", tag = "server", responses(
    (status = 202, description = "They are tried again", body = Again),
    (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn retry(
    State(served): State<Arc<Served>>,
    Extension(caller): Extension<Caller>,
) -> Result<(StatusCode, Json<Again>), Problem> {
    let sessions: Vec<SessionId> = all(&served).await?.into_iter().map(|unfinished| unfinished.session).collect();
    served.pen.tell(Act::new(Action::Retried).with("sessions", sessions.len()).by(caller.origin()));
    let asked = Arc::clone(&served);
    blocking(move || {
        let asked = ask_again(&*asked.disk, &asked.data);
        asked.map_err(|error| Problem::unavailable("it cannot be asked for", &error))
    })
    .await?;
    Ok((StatusCode::ACCEPTED, Json(Again { sessions })))
}
