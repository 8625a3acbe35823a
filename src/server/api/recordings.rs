//! `/recordings`: found, shown, noted, erased.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};
use siprec_core::render::Sidecar;
use siprec_core::seed::RecordingId;
use utoipa::{IntoParams, ToSchema};

use super::asked::{Asked, Body, Id};
use super::guard::Caller;
use super::problem::Problem;
use super::recoded::Format;
use super::renderings::{self, Layout};
use super::search::{Search, read_search};
use super::state::{Served, blocking};
use super::{audio, csv, journal, peaks};
use crate::archive::audit::{Act, Action};
use crate::archive::catalog::{CatalogError, Filter, Row};
use crate::archive::erase_order::Cause;
use crate::archive::erasure::EraseError;
use crate::archive::notes::{Hold, Notes, Tag};
use crate::archive::receipt::Receipt;
use crate::archive::recordings::{self, SidecarError};
use crate::config::Permission;
use crate::noting::{self, Change};
use crate::wall;

/// Recordings of a page, where the query does not say.
const PAGE: usize = 100;

pub(super) fn routes() -> Router<Arc<Served>> {
    Router::new()
        .route("/api/v1/recordings", get(list))
        .route("/api/v1/recordings/{id}", get(show).patch(change).delete(erase))
        .route("/api/v1/recordings/{id}/metadata", get(metadata))
        .route("/api/v1/recordings/{id}/proof", get(proof))
        .route("/api/v1/recordings/{id}/audio", get(audio::audio))
        .route("/api/v1/recordings/{id}/peaks", get(peaks::peaks))
        .route("/api/v1/recordings/{id}/journal", get(journal::journal))
}

/// A page of recordings.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page {
    /// The latest first.
    recordings: Vec<Row>,
    /// Where the next page begins: give it as `after`. None where this is the last.
    next: Option<String>,
}

/// Finds recordings, the latest first.
///
/// All that is asked must be true of a recording. The filters may stand in a JSON body as well. With `Accept: text/csv` the page is a
/// table.
#[utoipa::path(get, path = "/api/v1/recordings", tag = "recordings", params(Search), responses(
    (status = 200, description = "A page of them", content((Page = "application/json"), (String = "text/csv")),
        headers(("link" = String, description = "The next page, as rel=\"next\""))),
    (status = 400, description = "The query is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The catalog cannot be asked", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(served): State<Arc<Served>>,
    Extension(caller): Extension<Caller>,
    Asked(query): Asked<Search>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let search = if body.trim_ascii().is_empty() { query } else { query.or(read_search(&body)?) };
    let (want, after) = (search.limit.map_or(PAGE, usize::from), search.after()?);
    let filter = Filter { any_tag: caller.tags(), ..search.filter(wall::now())? };
    let (rows, next) = blocking(move || served.catalog.page(&filter, after, want).map_err(unasked)).await?;
    let next = next.map(|place| format!("{place:016x}"));
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let mut response = if accepts.split(',').any(|kind| kind.trim().starts_with("text/csv")) {
        ([(header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present")], csv::table(&rows)).into_response()
    } else {
        Json(Page { recordings: rows, next: next.clone() }).into_response()
    };
    if let Some(link) = next.and_then(|next| HeaderValue::try_from(format!("<?after={next}>; rel=\"next\"")).ok()) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

fn unasked(error: CatalogError) -> Problem {
    Problem::unavailable("the catalog cannot be asked now", &error)
}

/// A recording of the catalog.
pub(super) async fn row(served: &Arc<Served>, id: RecordingId) -> Result<Row, Problem> {
    let asked = Arc::clone(served);
    let row = blocking(move || asked.catalog.find(id).map_err(unasked)).await?;
    row.ok_or_else(missing)
}

/// There is no such recording, as far as the caller has to know.
pub(super) fn missing() -> Problem {
    Problem::not_found(
        "there is no recording of that id. It is one when its session is over: GET /api/v1/sessions shows those that go on, \
         GET /api/v1/unfinished those that could not be made",
    )
}

/// A recording's sheet, to the octet, and what it says.
pub(super) async fn sheet(served: &Arc<Served>, row: &Row) -> Result<(Vec<u8>, Sidecar), Problem> {
    let path = recordings::sheet(&served.data.join(row.folder()), row.id);
    let (asked, node) = (Arc::clone(served), row.node.clone());
    blocking(move || {
        if let Some(node) = node
            && crate::archive::node_id::load(&*asked.disk, &asked.data).ok().as_ref() != Some(&node)
        {
            return Err(Problem::not_found(format!("its files are with another server, {node}: ask that one")));
        }
        match recordings::read_sidecar(&*asked.disk, &path) {
            Err(SidecarError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Err(Problem::not_found("its files are not here any more: it was erased, or moved away"))
            }
            read => read.map_err(|error| Problem::unavailable("its proof sheet cannot be read", &error)),
        }
    })
    .await
}

/// A recording, with what lies beside it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Recording {
    #[serde(flatten)]
    row: Row,
    /// Why it may not be deleted.
    holds: Vec<Hold>,
    /// Its audio.
    files: Vec<AudioFile>,
    /// Storage targets that have all of it.
    stored_in: Vec<String>,
    /// What was noticed about it, in words.
    findings: Vec<String>,
}

/// A file of audio.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AudioFile {
    name: String,
    /// `wav`, `flac` or `opus`.
    format: String,
    bytes: u64,
    sha256: String,
    /// Hz.
    sample_rate: u32,
    channels: u16,
    /// Whether it lies in the data directory; what was released is in the storage targets.
    here: bool,
}

/// Shows a recording.
#[utoipa::path(get, path = "/api/v1/recordings/{id}", tag = "recordings",
    params(("id" = String, Path, description = "The recording's id", format = Uuid)),
    responses(
    (status = 200, description = "The recording", body = Recording),
    (status = 404, description = "There is none of that id", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The catalog cannot be asked", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn show(
    State(served): State<Arc<Served>>,
    Id(id): Id<RecordingId>,
) -> Result<Json<Recording>, Problem> {
    whole(&served, id).await.map(Json)
}

async fn whole(served: &Arc<Served>, id: RecordingId) -> Result<Recording, Problem> {
    let row = row(served, id).await?;
    let (_, sidecar) = sheet(served, &row).await?;
    let asked = Arc::clone(served);
    blocking(move || {
        let folder = asked.data.join(row.folder());
        let path = recordings::sheet(&folder, row.id);
        let holds = Notes::or_held(&*asked.disk, &path, row.id).holds;
        let receipt = Receipt::read(&*asked.disk, &path);
        let receipt = receipt.map_err(|error| Problem::unavailable("its receipt cannot be read", &error))?;
        let is_here = |name: &str| asked.disk.beneath().exists(&folder.join(name)).unwrap_or(false);
        let files = sidecar.files.iter().map(|file| AudioFile {
            here: is_here(file.sealed.as_ref().map_or(&file.name, |sealed| &sealed.name)),
            name: file.name.clone(),
            format: file.format.clone(),
            bytes: file.bytes,
            sha256: file.sha256.clone(),
            sample_rate: file.sample_rate,
            channels: file.channels,
        });
        let files = files.collect();
        let stored_in = receipt.into_iter().flat_map(|receipt| receipt.targets).map(|known| known.target).collect();
        Ok(Recording { row, holds, files, stored_in, findings: sidecar.proof.findings })
    })
    .await
}

/// Shows who took part in a recording and on which streams, with the metadata as the SRC sent it.
#[utoipa::path(get, path = "/api/v1/recordings/{id}/metadata", tag = "recordings",
    params(("id" = String, Path, description = "The recording's id", format = Uuid)),
    responses(
    (status = 200, description = "Participants, streams, ids of the call, and the metadata as received", body = serde_json::Value),
    (status = 404, description = "There is none of that id", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The catalog cannot be asked", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn metadata(
    State(served): State<Arc<Served>>,
    Id(id): Id<RecordingId>,
) -> Result<Json<serde_json::Value>, Problem> {
    let row = row(&served, id).await?;
    let (_, sidecar) = sheet(&served, &row).await?;
    Ok(Json(serde_json::json!({
        "recording_session": sidecar.recording_session,
        "communication_session": sidecar.communication_session,
        "call": sidecar.call,
        "caller": sidecar.caller,
        "callee": sidecar.callee,
        "participants": sidecar.participants,
        "streams": sidecar.streams,
        "metadata": sidecar.metadata,
    })))
}

/// Whose sheet.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Whose {
    /// The sheet of the recording as `/audio` gives it with the same `layout` and `format`, which nobody signs: its files, each with
    /// who is heard in it.
    #[param(inline)]
    layout: Option<Layout>,
    /// Their format; that of the recording where it is not given. Only with `layout`, but for `wav-g711`.
    #[param(inline)]
    format: Option<Format>,
}

/// The proof sheet of a recording, to the octet; its Ed25519 signature is in the field `Siprec-Signature`, in hexadecimal.
#[utoipa::path(get, path = "/api/v1/recordings/{id}/proof", tag = "recordings",
    params(("id" = String, Path, description = "The recording's id", format = Uuid), Whose),
    responses(
    (status = 200, description = "The sheet", body = serde_json::Value,
        headers(("siprec-signature" = String, description = "Ed25519 over the sheet's octets, in hexadecimal"),
            ("siprec-rendition" = String, description = "With `layout`: what it tells of, as `layout=mono, format=flac`"),
            ("etag" = String, description = "With `layout`: the same where the same would be rendered"))),
    (status = 202, description = "It is being rendered: ask again", headers(("retry-after" = u32, description = "Seconds"))),
    (status = 304, description = "With `layout`: you have it (If-None-Match)"),
    (status = 400, description = "The query is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "There is none of that id", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "There is no such sheet: say `layout`, too", body = Problem, content_type = "application/problem+json"),
    (status = 410, description = "It cannot be rendered: its journal was not kept", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The catalog cannot be asked", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn proof(
    State(served): State<Arc<Served>>,
    Id(id): Id<RecordingId>,
    Asked(whose): Asked<Whose>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let row = row(&served, id).await?;
    let (text, sidecar) = sheet(&served, &row).await?;
    if let Some(rendition) = renderings::asked(&served, &sidecar, (whose.layout, whose.format)) {
        return renderings::sheet(&served, &sidecar, rendition, &headers).await;
    }
    if whose.format.is_some() {
        return Err(Problem::conflict("format: only with layout, since only what is rendered again has another sheet"));
    }
    let path = crate::archive::proof_key::signature_path(&recordings::sheet(&served.data.join(row.folder()), id));
    let signature = blocking(move || {
        let read = served.disk.open_read(&path).and_then(|file| crate::archive::disk::read_range(&*file, 0, 64));
        // Sheets of before have none.
        Ok(read.unwrap_or_default())
    })
    .await?;
    let mut response = ([(header::CONTENT_TYPE, "application/json")], text).into_response();
    if let Ok(value) = HeaderValue::try_from(recordings::hexadecimal(&signature))
        && !signature.is_empty()
    {
        response.headers_mut().insert("siprec-signature", value);
    }
    Ok(response)
}

/// Characters of what people give as a reason.
const MAX_REASON: usize = 500;

/// What is to be noted of a recording.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Changes {
    /// Tags that it gets.
    #[schema(value_type = Vec<String>)]
    add_tags: Vec<Tag>,
    /// Tags that it loses.
    #[schema(value_type = Vec<String>)]
    remove_tags: Vec<Tag>,
    /// It is held for this matter from now on. Needs the permission `manage`.
    #[schema(min_length = 1, max_length = 500)]
    hold: Option<String>,
    /// It is held for this matter no longer; `*`: for none. Needs the permission `manage`.
    #[schema(min_length = 1, max_length = 500)]
    release: Option<String>,
}

/// Changes the tags of a recording, or holds or releases it.
#[utoipa::path(patch, path = "/api/v1/recordings/{id}", tag = "recordings", request_body = Option<Changes>,
    params(("id" = String, Path, description = "The recording's id", format = Uuid)),
    responses(
    (status = 200, description = "The recording as it is now", body = Recording),
    (status = 400, description = "The body is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Your roles do not allow it", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "There is none of that id", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "It is being erased", body = Problem, content_type = "application/problem+json"),
    (status = 415, description = "The body is no JSON", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The catalog cannot be asked", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn change(
    State(served): State<Arc<Served>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<RecordingId>,
    Body(changes): Body<Changes>,
) -> Result<Json<Recording>, Problem> {
    let reasons = [&changes.hold, &changes.release];
    if reasons.iter().any(|reason| reason.is_some()) {
        caller.must(Permission::Manage, "a legal hold")?;
    }
    if reasons.into_iter().flatten().any(|reason| reason.trim().is_empty() || reason.chars().count() > MAX_REASON) {
        return Err(Problem::bad_request(format!(
            "hold, release: name the matter, in {MAX_REASON} characters at most"
        )));
    }
    let row = row(&served, id).await?;
    sheet(&served, &row).await?;
    let (asked, by) = (Arc::clone(&served), caller.origin());
    blocking(move || {
        let wanted = wanted(changes);
        let noted = noting::note(&asked.erasing, &row, &wanted, &by.who);
        let (_, is_new) = noted.map_err(|error| Problem::conflict(format!("it stays as it is: {error:#}")))?;
        for change in wanted.iter().filter(|_| is_new) {
            asked.pen.tell(Act::new(change.action()).recording(row.id).session(row.session_id).by(by.clone()));
        }
        Ok(())
    })
    .await?;
    whole(&served, id).await.map(Json)
}

fn wanted(changes: Changes) -> Vec<Change> {
    let mut wanted = Vec::new();
    // What is held anew stays held.
    wanted.extend(changes.release.map(|reason| Change::Release(Some(reason).filter(|reason| reason != "*"))));
    wanted.extend(changes.hold.map(Change::Hold));
    if !changes.add_tags.is_empty() || !changes.remove_tags.is_empty() {
        wanted.push(Change::Tag(changes.add_tags, changes.remove_tags));
    }
    wanted
}

/// Why a recording is to be erased.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Why {
    /// For the certificate.
    #[param(max_length = 500)]
    reason: Option<String>,
}

/// A recording that is being erased.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Erasing {
    #[schema(value_type = String, format = Uuid)]
    erasing: RecordingId,
}

/// Erases a recording: here, in its journal, in the catalog and in every storage target. A signed certificate tells when nothing of it
/// is left.
#[utoipa::path(delete, path = "/api/v1/recordings/{id}", tag = "recordings",
    params(("id" = String, Path, description = "The recording's id", format = Uuid), Why),
    responses(
    (status = 202, description = "It is ordered, which nothing takes back", body = Erasing),
    (status = 400, description = "The query is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "There is none of that id", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "It is under a legal hold", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The catalog cannot be asked", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn erase(
    State(served): State<Arc<Served>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<RecordingId>,
    Asked(why): Asked<Why>,
) -> Result<(StatusCode, Json<Erasing>), Problem> {
    if why.reason.as_ref().is_some_and(|reason| reason.chars().count() > MAX_REASON) {
        return Err(Problem::bad_request(format!("reason: {MAX_REASON} characters at most")));
    }
    let row = row(&served, id).await?;
    sheet(&served, &row).await?;
    let by = caller.origin();
    let reason = why.reason.unwrap_or_else(|| "asked for over the API".to_owned());
    blocking(move || {
        let cause = Cause { by: by.who.clone(), reason, ordered_at: wall::now().rfc3339() };
        match served.erasing.order(&row, cause) {
            Ok(()) => {
                served.pen.tell(Act::new(Action::Erased).recording(row.id).session(row.session_id).by(by));
                Ok(())
            }
            Err(held @ EraseError::Held { .. }) => Err(Problem::conflict(held)),
            Err(error) => Err(Problem::unavailable("it cannot be erased now", &error)),
        }
    })
    .await?;
    Ok((StatusCode::ACCEPTED, Json(Erasing { erasing: id })))
}
