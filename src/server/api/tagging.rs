//! `PATCH /sessions/{id}`: tags of what is being recorded.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use serde::Deserialize;
use siprec_core::entry::retag;
use siprec_core::seed::SessionId;
use siprec_core::session::{MAX_TAGS, Order};
use utoipa::ToSchema;

use super::asked::{Body, Id};
use super::guard::Caller;
use super::problem::Problem;
use super::sessions::Session;
use super::state::Served;
use crate::archive::notes::Tag;
use crate::server::orders::Wish;

/// What is to be changed of a session.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SessionChanges {
    /// Tags that its recordings get.
    #[schema(value_type = Vec<String>)]
    add_tags: Vec<Tag>,
    /// Tags that they lose.
    #[schema(value_type = Vec<String>)]
    remove_tags: Vec<Tag>,
}

/// Changes the tags of a session: its recordings that go on, and those that begin later in it, have them when they end. One that has
/// ended already keeps its own: `PATCH /api/v1/recordings/{id}`. The answer is a promise: no crash takes a tag back.
#[utoipa::path(patch, path = "/api/v1/sessions/{id}", tag = "sessions", request_body = Option<SessionChanges>,
    params(("id" = String, Path, description = "The session's id", format = Uuid)),
    responses(
    (status = 200, description = "The session as it is now", body = Session),
    (status = 400, description = "The body is wrong, or there would be too many tags", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "It is not being recorded", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "It has not begun, or somebody else changed the same tag", body = Problem, content_type = "application/problem+json"),
    (status = 415, description = "The body is no JSON", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The disk stalls", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn change(
    State(served): State<Arc<Served>>,
    Extension(caller): Extension<Caller>,
    Id(session): Id<SessionId>,
    Body(changes): Body<SessionChanges>,
) -> Result<Json<Session>, Problem> {
    let texts = |tags: Vec<Tag>| tags.into_iter().map(String::from).collect::<Vec<_>>();
    let (add, remove) = (texts(changes.add_tags), texts(changes.remove_tags));
    let mut shown = served.session(session).await?;
    let mut wanted = shown.portrait.tags.clone();
    retag(&mut wanted, &add, &remove);
    if wanted.len() > MAX_TAGS.max(shown.portrait.tags.len()) {
        return Err(Problem::bad_request(format!("add_tags: a session has {MAX_TAGS} tags at most")));
    }
    if wanted != shown.portrait.tags {
        let order = Order::Tag { session, add: add.clone(), remove: remove.clone() };
        served.orders.wish(Wish::Ordered(order, caller.origin()));
        // Asked for at once: what ends meanwhile was tagged all the same.
        shown = served.session(session).await?;
        let before = shown.portrait.tags.clone();
        retag(&mut shown.portrait.tags, &add, &remove);
        if shown.portrait.tags != before {
            let why = "it has not begun to be recorded, or somebody else changed the same tag";
            return Err(Problem::conflict(format!("its tags are not as you want them: {why}: ask again")));
        }
    }
    // Also where nothing changed: who asks again may have heard nothing since the disk stalled.
    served.done().await?;
    Ok(Json(shown.into()))
}
