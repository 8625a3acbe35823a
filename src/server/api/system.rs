//! `/config`, `/peers`, `/audit`: the server itself.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::asked::Asked;
use super::problem::Problem;
use super::state::{Served, blocking};
use crate::archive::audit::{Entry, Lines};
use crate::config::show_json;
use crate::server::showing::Shown;

/// Entries of the audit log in one answer.
const MAX_ENTRIES: u16 = 1_000;
const ENTRIES: u16 = 100;

pub(super) fn routes() -> Router<Arc<Served>> {
    Router::new()
        .route("/api/v1/config", get(config))
        .route("/api/v1/peers", get(peers))
        .route("/api/v1/audit", get(audit))
}

/// Shows the configuration in force: each key with its value and where that comes from. Secrets are masked.
#[utoipa::path(get, path = "/api/v1/config", tag = "server", responses(
    (status = 200, description = "`{\"server.address\": {\"value\": \":5060\", \"source\": \"default\"}, ...}`", body = serde_json::Value),
))]
pub(super) async fn config(State(served): State<Arc<Served>>) -> Json<serde_json::Value> {
    Json(show_json(&served.configuration.now()))
}

/// Peers, and how many sessions they have.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Peers {
    peers: Vec<Peer>,
}

/// An SRC, or several under one row of `peers`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Peer {
    /// The row's name; none of those that are under no row.
    name: Option<String>,
    /// Sessions that are being recorded.
    sessions: usize,
    /// Their SRCs' addresses.
    addresses: Vec<String>,
    /// What their SRCs show themselves to be.
    vendors: Vec<String>,
}

/// Shows the rows of `peers`, with their sessions; those that are under none come last.
#[utoipa::path(get, path = "/api/v1/peers", tag = "server", responses(
    (status = 200, description = "The peers", body = Peers),
    (status = 503, description = "The server stops", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn peers(State(served): State<Arc<Served>>) -> Result<Json<Peers>, Problem> {
    let rows = served.configuration.now();
    let named = rows.config.peers.iter().filter(|row| row.name.is_some()).map(|row| row.name.clone()).chain([None]);
    let none = |name| Peer { name, sessions: 0, addresses: Vec::new(), vendors: Vec::new() };
    let mut peers: Vec<Peer> = named.map(none).collect();
    let take = |page: Vec<Shown>| {
        for shown in page {
            // A row that a reload has taken away counts as none.
            let place = peers.iter().position(|peer| peer.name == shown.portrait.peer).unwrap_or(peers.len() - 1);
            let Some(peer) = peers.get_mut(place) else { continue };
            peer.sessions += 1;
            let address = shown.portrait.src.ip().to_string();
            for (list, word) in [(&mut peer.addresses, Some(address)), (&mut peer.vendors, shown.beside.vendor)] {
                list.extend(word.filter(|word| !list.contains(word)));
            }
        }
        true
    };
    served.each_session(take).await?;
    Ok(Json(Peers { peers }))
}

/// Which entries.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// What was done: `heard`, `erased`, `paused` ...
    action: Option<String>,
    /// About this recording.
    recording: Option<String>,
    /// With this in who did it.
    who: Option<String>,
    /// So many at most, the latest.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u16>,
}

/// Entries of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Entries {
    /// The latest last.
    #[schema(value_type = Vec<serde_json::Value>)]
    entries: VecDeque<Entry>,
}

/// Shows who did what. Whether the log is whole `siprec archive audit --verify` says.
#[utoipa::path(get, path = "/api/v1/audit", tag = "server", params(Which), responses(
    (status = 200, description = "The entries", body = Entries),
    (status = 400, description = "The query is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The log cannot be read", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn audit(
    State(served): State<Arc<Served>>,
    Asked(which): Asked<Which>,
) -> Result<Json<Entries>, Problem> {
    let limit = which.limit.unwrap_or(ENTRIES);
    if limit == 0 || limit > MAX_ENTRIES {
        return Err(Problem::bad_request(format!("limit: from 1 to {MAX_ENTRIES}")));
    }
    blocking(move || {
        let lines = Lines::open(&*served.disk, &served.data);
        let lines = lines.map_err(|error| Problem::unavailable("the audit log cannot be read", &error))?;
        let mut entries = VecDeque::new();
        for line in lines.into_iter().flatten() {
            let line = line.map_err(|error| Problem::unavailable("the audit log cannot be read", &error))?;
            let Some(entry) = line.entry().filter(|entry| which.means(entry)) else { continue };
            entries.push_back(entry);
            if entries.len() > usize::from(limit) {
                entries.pop_front();
            }
        }
        Ok(Json(Entries { entries }))
    })
    .await
}

impl Which {
    fn means(&self, entry: &Entry) -> bool {
        self.action.as_ref().is_none_or(|action| *action == entry.action)
            && self.recording.as_ref().is_none_or(|id| entry.recording.is_some_and(|known| known.to_string() == *id))
            && self.who.as_ref().is_none_or(|who| entry.who.contains(who.as_str()))
    }
}
