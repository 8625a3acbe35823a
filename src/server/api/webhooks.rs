//! `/webhooks`: how they stand, and what was given up.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde::Serialize;
use siprec_core::time::Wall;
use utoipa::ToSchema;

use super::guard::Caller;
use super::problem::Problem;
use super::state::{Served, blocking};
use crate::archive::audit::{Act, Action};
use crate::server::webhooks::{DeadLetter, Standing};
use crate::wall;

/// Dead letters of an answer, the newest of each webhook.
const LETTERS: usize = 100;

pub(super) fn routes() -> Router<Arc<Served>> {
    Router::new().route("/api/v1/webhooks", get(list)).route("/api/v1/webhooks/{name}/retry", post(retry))
}

/// The webhooks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Webhooks {
    webhooks: Vec<Webhook>,
}

/// How a webhook stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Webhook {
    name: String,
    /// Events that it has not taken yet.
    waiting: u64,
    /// Since when the oldest of them waits.
    #[serde(serialize_with = "super::time::optional")]
    #[schema(value_type = Option<String>, format = DateTime)]
    waits_since: Option<Wall>,
    /// Why it did not take the last that failed.
    last_error: Option<String>,
    /// Events that were given up, the newest first.
    dead: Vec<Letter>,
}

/// An event that was given up.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Letter {
    id: i64,
    #[serde(rename = "type")]
    kind: String,
    #[serde(serialize_with = "super::time::one")]
    #[schema(value_type = String, format = DateTime)]
    queued_at: Wall,
    attempts: u32,
    error: String,
    /// What was to be told.
    #[schema(value_type = Object)]
    body: serde_json::Value,
}

fn at(ms: i64) -> Wall {
    Wall(ms.saturating_mul(1_000_000))
}

impl From<DeadLetter> for Letter {
    fn from(letter: DeadLetter) -> Self {
        let DeadLetter { id, kind, body, queued_ms, attempts, error } = letter;
        Self {
            id,
            kind,
            queued_at: at(queued_ms),
            attempts,
            error,
            body: serde_json::from_str(&body).unwrap_or_default(),
        }
    }
}

/// Shows how the webhooks stand.
#[utoipa::path(get, path = "/api/v1/webhooks", tag = "server", responses(
    (status = 200, description = "The webhooks", body = Webhooks),
    (status = 503, description = "Their queue cannot be read", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(State(served): State<Arc<Served>>) -> Result<Json<Webhooks>, Problem> {
    blocking(move || {
        let Some(hooks) = &served.webhooks else { return Ok(Json(Webhooks { webhooks: Vec::new() })) };
        let look = |name: &str| {
            let Standing { waiting, oldest_ms, last_error } = hooks.queue().standing(name)?;
            let dead = hooks.queue().dead(name, LETTERS)?.into_iter().map(Letter::from).collect();
            let waits_since = oldest_ms.map(at);
            Ok::<_, rusqlite::Error>(Webhook { name: name.to_owned(), waiting, waits_since, last_error, dead })
        };
        let webhooks = hooks.names().map(look).collect::<rusqlite::Result<_>>();
        let webhooks =
            webhooks.map_err(|error| Problem::unavailable("the queue of webhooks cannot be read", &error))?;
        Ok(Json(Webhooks { webhooks }))
    })
    .await
}

/// What is tried again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Retried {
    /// Events that had been given up.
    revived: usize,
}

/// Has all that a webhook has not taken tried again now, what was given up as well.
#[utoipa::path(post, path = "/api/v1/webhooks/{name}/retry", tag = "server",
    params(("name" = String, Path, description = "The webhook's name")),
    responses(
    (status = 200, description = "It is tried again", body = Retried),
    (status = 400, description = "The path is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "There is none of that name", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Their queue cannot be used", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn retry(
    State(served): State<Arc<Served>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<Json<Retried>, Problem> {
    let Path(name) = path.map_err(|_| Problem::bad_request("the path is no UTF-8"))?;
    let known = served.webhooks.as_ref().filter(|hooks| hooks.names().any(|known| known == name)).cloned();
    let hooks =
        known.ok_or_else(|| Problem::not_found("there is no webhook of that name: GET /api/v1/webhooks lists them"))?;
    served.pen.tell(Act::new(Action::Retried).with("webhook", &name).by(caller.origin()));
    blocking(move || {
        let revived = hooks.queue().retry(&name, wall::now_ms());
        let revived = revived.map_err(|error| Problem::unavailable("the queue of webhooks cannot be used", &error))?;
        hooks.wake();
        Ok(Json(Retried { revived }))
    })
    .await
}
