//! `/recordings/{id}/audio`: a file of a recording, whole or a part of it, as it is or in another form.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use siprec_core::render::{FileSheet, Sidecar};
use siprec_core::seed::RecordingId;
use utoipa::IntoParams;

use super::asked::{Asked, Id};
use super::files::{self, Range, Ranges};
use super::guard::Caller;
use super::problem::Problem;
use super::recoded::{self, Channel, Format};
use super::recordings::{row, sheet};
use super::state::{Served, blocking};
use crate::archive::audit::{Act, Action};
use crate::archive::catalog::Row;
use crate::archive::disk::DiskFile;
use crate::archive::recordings::stored_file;
use crate::archive::soundness::is_plain_name;

/// Which audio, and how.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// The file, where the recording has several: 0 is the first.
    #[param(minimum = 0, maximum = 64, default = 0)]
    file: u8,
    /// Another format, made as it is sent: it has no ranges.
    #[param(inline)]
    format: Option<Format>,
    /// One channel alone: the caller is left where the recording is in stereo.
    #[param(inline)]
    channel: Option<Channel>,
    /// Offer it to be saved instead of played.
    #[param(default = false)]
    download: bool,
}

/// Plays a recording: the file as it was recorded, opened where it is sealed, fetched where it was released. Ranges of octets can be had,
/// so players can seek.
#[utoipa::path(get, path = "/api/v1/recordings/{id}/audio", tag = "recordings",
    params(("id" = String, Path, description = "The recording's id", format = Uuid), Which,
        ("range" = Option<String>, Header, description = "A part of the file: `bytes=0-1023`")),
    responses(
    (status = 200, description = "The file", content((Vec<u8> = "audio/wav"), (Vec<u8> = "audio/flac"), (Vec<u8> = "audio/ogg")),
        headers(("etag" = String, description = "SHA-256 of the file, in hexadecimal"), ("accept-ranges" = String))),
    (status = 206, description = "A part of it", content((Vec<u8> = "audio/wav"), (Vec<u8> = "audio/flac"), (Vec<u8> = "audio/ogg")),
        headers(("content-range" = String))),
    (status = 304, description = "You have it (If-None-Match)"),
    (status = 400, description = "The query is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "There is none of that id, or it has no such file", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "It cannot be had in this format", body = Problem, content_type = "application/problem+json"),
    (status = 416, description = "The file has no such part", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "It cannot be read now", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn audio(
    State(served): State<Arc<Served>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<RecordingId>,
    Asked(which): Asked<Which>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let row = row(&served, id).await?;
    let (_, sidecar) = sheet(&served, &row).await?;
    let file = file_of(&sidecar, which.file)?;
    let told = |detail: Option<&str>| {
        let act = Act::new(if which.download { Action::Exported } else { Action::Heard });
        let act = act.recording(id).session(row.session_id).with("file", &file.name).by(caller.origin());
        served.pen.tell(detail.into_iter().fold(act, |act, format| act.with("as", format)));
    };
    // A player asks for a file in many parts: who hears it is written down with the first of them, and with its beginning.
    let heard = |from| {
        let begins = served.auth.begins_to_hear(&caller.origin(), id);
        if begins || from == 0 {
            told(None);
        }
    };
    let mut response = if is_as_recorded(&which, file) {
        as_recorded(&served, &row, file, &headers, heard).await?
    } else {
        let seat = served.makers.seat()?;
        let opened = open(&served, &row, file).await?;
        let (file, how) = (file.clone(), (which.format, which.channel));
        let made = blocking(move || recoded::recoded(&file, opened, how, seat)).await?;
        told(Some("recoded"));
        made
    };
    let manner = if which.download { "attachment" } else { "inline" };
    let name = recoded::name(file, which.format, which.channel);
    if let Ok(value) = HeaderValue::try_from(format!("{manner}; filename=\"{name}\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// The file of that place.
pub(super) fn file_of(sidecar: &Sidecar, place: u8) -> Result<&FileSheet, Problem> {
    let missing = || Problem::not_found(format!("the recording has {} files of audio", sidecar.files.len()));
    sidecar.files.get(usize::from(place)).ok_or_else(missing)
}

/// Whether the file on the disk is what was asked for.
fn is_as_recorded(which: &Which, file: &FileSheet) -> bool {
    recoded::coding(file, which.format) == file.coding && which.channel.is_none()
}

async fn as_recorded(
    served: &Arc<Served>,
    row: &Row,
    file: &FileSheet,
    headers: &HeaderMap,
    heard: impl Fn(u64),
) -> Result<Response, Problem> {
    let etag = format!("\"{}\"", file.sha256);
    let has = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if has(header::IF_NONE_MATCH).split(',').any(|tag| tag.trim() == etag || tag.trim() == "*") {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    // A part of what the client has is of no use where that is another (RFC 9110 13.1.5).
    let is_same = headers.get(header::IF_RANGE).is_none_or(|tag| tag.as_bytes() == etag.as_bytes());
    let asked = if is_same { has(header::RANGE) } else { "" };
    let opened = open(served, row, file).await?;
    let length = file.bytes;
    let (status, range) = match files::ranges(asked, length) {
        Ranges::Whole => (StatusCode::OK, Range { from: 0, to: length }),
        Ranges::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Ranges::None => return Ok(files::unsatisfiable(length)),
    };
    heard(range.from);
    let mut response = (status, files::body(opened, range)).into_response();
    let fields = response.headers_mut();
    let mut set = |name, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            fields.insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, media_type(&file.format).to_owned());
    set(header::CONTENT_LENGTH, (range.to - range.from).to_string());
    set(header::ACCEPT_RANGES, "bytes".to_owned());
    set(header::ETAG, etag);
    if status == StatusCode::PARTIAL_CONTENT {
        set(header::CONTENT_RANGE, format!("bytes {}-{}/{length}", range.from, range.to - 1));
    }
    Ok(response)
}

pub(super) fn media_type(format: &str) -> &'static str {
    match format {
        "flac" => "audio/flac",
        "opus" => "audio/ogg",
        _ => "audio/wav",
    }
}

/// Opens a file of a recording, as it was before it was sealed; what was released here is fetched.
pub(super) async fn open(served: &Arc<Served>, row: &Row, file: &FileSheet) -> Result<Arc<dyn DiskFile>, Problem> {
    let name = stored_file(file).name;
    if !is_plain_name(name) {
        return Err(Problem::unavailable("its proof sheet names a file elsewhere", &name));
    }
    let path = served.data.join(row.folder()).join(name);
    let (served, row, file) = (Arc::clone(served), row.clone(), file.clone());
    blocking(move || match served.disk.open_read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let stored = stored_file(&file);
            let loaded = served.configuration.now();
            let fetched = served.fetched.open((&*served.disk, &served.data, &loaded.config), &row, stored);
            fetched.map_err(|error| {
                Problem::unavailable(
                    "its audio was released here, and no storage target gives it now",
                    &format!("{error:#}"),
                )
            })
        }
        opened => opened.map_err(|error| Problem::unavailable("its audio cannot be read now", &error)),
    })
    .await
}
