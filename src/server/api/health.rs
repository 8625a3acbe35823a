//! `/healthz` and `/readyz`: for who watches over the process, and for who sends it calls.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use super::state::Served;

/// A signalling thread that does not answer by then is stuck.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

pub(super) fn routes() -> Router<Arc<Served>> {
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz))
}

/// Whether the server is well.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ready {
    /// Whether it takes new sessions.
    ready: bool,
    /// What keeps it from doing so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    why: Vec<String>,
}

/// Whether the process does its work: signalling answers.
#[utoipa::path(get, path = "/healthz", tag = "server", security(()), responses(
    (status = 200, description = "It does", body = Ready),
    (status = 503, description = "It does not: start it anew", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn healthz(State(served): State<Arc<Served>>) -> Result<Json<Ready>, Problem> {
    match tokio::time::timeout(ANSWERED_WITHIN, served.health()).await {
        Ok(health) => health.map(|_| Json(Ready { ready: true, why: Vec::new() })),
        Err(_) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "signalling does not answer")),
    }
}

/// Whether new sessions are taken: not while the server drains, and not while its disk is full or does not keep up.
#[utoipa::path(get, path = "/readyz", tag = "server", security(()), responses(
    (status = 200, description = "They are", body = Ready),
    (status = 503, description = "They are not, and why", body = Ready),
))]
pub(super) async fn readyz(State(served): State<Arc<Served>>) -> Response {
    let mut why = Vec::new();
    match tokio::time::timeout(ANSWERED_WITHIN, served.health()).await {
        Ok(Ok(health)) => {
            why.extend(health.pressure.map(|pressure| pressure.to_owned()));
            why.extend(health.draining.then(|| "draining".to_owned()));
        }
        Ok(Err(_)) | Err(_) => why.push("signalling does not answer".to_owned()),
    }
    let status = if why.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Ready { ready: why.is_empty(), why })).into_response()
}
