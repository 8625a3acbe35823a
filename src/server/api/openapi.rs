//! `/api/v1/openapi.json`: all of this, told by the handlers themselves. The page at `/docs` draws it.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use utoipa::OpenApi;

use super::auth::Guarded;
use super::state::Served;
use super::{
    alarms, audio, events, health, journal, metrics, peaks, recordings, sessions, signalling, starting, stream, system,
    tagging, unfinished, webhooks,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "siprec",
        description = "What is being recorded, what was recorded, and orders about both. Errors are problem documents (RFC 9457).",
    ),
    modifiers(&Guarded),
    tags(
        (name = "recordings", description = "What was recorded"),
        (name = "sessions", description = "What is being recorded"),
        (name = "server", description = "The server itself"),
    ),
    paths(
        recordings::list, recordings::show, recordings::change, recordings::erase, recordings::metadata, recordings::proof,
        audio::audio, journal::journal, peaks::peaks, starting::start, starting::stop,
        sessions::list, sessions::show, tagging::change, sessions::pause, sessions::resume, sessions::stop, signalling::sip,
        sessions::pause_those, sessions::resume_those, sessions::stop_those,
        stream::stream, events::server_sent, events::over_websocket, alarms::list, alarms::acknowledge, unfinished::listed,
        unfinished::retry,
        webhooks::list, webhooks::retry,
        system::config, system::peers, system::audit,
        health::healthz, health::readyz, metrics::metrics,
    )
)]
struct Document;

static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let document = Document::openapi().to_pretty_json().unwrap_or_default();
    document + "\n"
});

pub(super) fn routes() -> Router<Arc<Served>> {
    Router::new().route("/api/v1/openapi.json", get(document))
}

async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}
