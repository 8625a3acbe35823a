//! `/recordings/{id}/audio`: a file of a recording, whole or a part of it, as it is or in another form.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use siprec_core::render::{FileSheet, Rendition, Sidecar};
use siprec_core::seed::RecordingId;
use utoipa::IntoParams;

use super::asked::{Asked, Id};
use super::files::{self, Range, Ranges};
use super::guard::Caller;
use super::problem::Problem;
use super::recoded::{self, Channel, Format};
use super::recordings::{row, sheet};
use super::renderings::{self, Layout};
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
    /// Another format. Without `layout` it is made of the recording's own file as it is sent, and has no ranges.
    #[param(inline)]
    format: Option<Format>,
    /// Rendered again from the recording's journal, its voices laid out so, as `siprec export` does beside the data directory: octet by
    /// octet the same. `file` is a place in the sheet that `/proof` gives for the same `layout` and `format`; without a format it is
    /// that of the recording.
    #[param(inline)]
    layout: Option<Layout>,
    /// One channel alone: the caller is left where the recording is in stereo. Not with `layout`.
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
        headers(("etag" = String, description = "SHA-256 of the file, in hexadecimal"), ("accept-ranges" = String),
            ("siprec-rendition" = String, description = "With `layout`: what it is, as `layout=mono, format=flac`"))),
    (status = 202, description = "It is being rendered: ask again", headers(("retry-after" = u32, description = "Seconds"))),
    (status = 206, description = "A part of it", content((Vec<u8> = "audio/wav"), (Vec<u8> = "audio/flac"), (Vec<u8> = "audio/ogg")),
        headers(("content-range" = String))),
    (status = 304, description = "You have it (If-None-Match)"),
    (status = 400, description = "The query is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "There is none of that id, or it has no such file", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "It cannot be had in this format", body = Problem, content_type = "application/problem+json"),
    (status = 410, description = "It cannot be rendered: its journal was not kept", body = Problem, content_type = "application/problem+json"),
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
    if let Some(rendition) = renderings::asked(&served, &sidecar, (which.layout, which.format)) {
        return rendered(&served, (&row, &sidecar), (&which, rendition), &headers, &caller).await;
    }
    let file = file_of(&sidecar, which.file)?;
    let told = |how: Option<&str>| tell(&served, (&row, file, how), &which, &caller);
    let mut response = if is_as_recorded(&which, file) {
        let heard = |from| heard(&served, (&row, file, None), (&which, from), &caller);
        whole_or_part(file, open(&served, &row, file), &headers, heard).await?
    } else {
        let seat = served.makers.seat()?;
        let opened = open(&served, &row, file).await?;
        let (file, how) = (file.clone(), (which.format, which.channel));
        let made = blocking(move || recoded::recoded(&file, opened, how, seat)).await?;
        told(Some("recoded"));
        made
    };
    call(&mut response, &which, &recoded::name(file, which.format, which.channel));
    Ok(response)
}

/// A file of the recording as it is rendered again.
async fn rendered(
    served: &Arc<Served>,
    (row, sidecar): (&Row, &Sidecar),
    (which, rendition): (&Which, Rendition),
    headers: &HeaderMap,
    caller: &Caller,
) -> Result<Response, Problem> {
    if which.channel.is_some() {
        return Err(Problem::conflict(
            "channel: not of what is rendered again: layout=separate has a file a participant",
        ));
    }
    let Some(rendered) = renderings::rendered(served, sidecar, rendition).await? else {
        return Ok(renderings::later(rendition));
    };
    let (file, opened) = rendered.file(which.file)?;
    let heard = |from| heard(served, (row, file, Some("rendered")), (which, from), caller);
    let mut response = whole_or_part(file, async { Ok(opened) }, headers, heard).await?;
    call(&mut response, which, &file.name);
    renderings::tell(rendition, &mut response);
    Ok(response)
}

/// What the answer is called, and whether it is to be saved.
fn call(response: &mut Response, which: &Which, name: &str) {
    let manner = if which.download { "attachment" } else { "inline" };
    if let Ok(value) = HeaderValue::try_from(format!("{manner}; filename=\"{name}\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
}

/// Writes down who has had a file.
fn tell(served: &Served, (row, file, how): (&Row, &FileSheet, Option<&str>), which: &Which, caller: &Caller) {
    let act = Act::new(if which.download { Action::Exported } else { Action::Heard });
    let act = act.recording(row.id).session(row.session_id).with("file", &file.name).by(caller.origin());
    served.pen.tell(how.into_iter().fold(act, |act, how| act.with("as", how)));
}

/// A player asks for a file in many parts: who hears it is written down with the first of them, and with its beginning.
fn heard(served: &Served, what: (&Row, &FileSheet, Option<&str>), (which, from): (&Which, u64), caller: &Caller) {
    let begins = served.auth.begins_to_hear(&caller.origin(), what.0.id);
    if begins || from == 0 {
        tell(served, what, which, caller);
    }
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

/// A file as it lies there, or what of it was asked for.
async fn whole_or_part(
    file: &FileSheet,
    opened: impl Future<Output = Result<Arc<dyn DiskFile>, Problem>>,
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
    let opened = opened.await?;
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
    let (sha256, fetched) = (stored_file(file).sha256.to_owned(), Arc::clone(&served.fetched));
    let (served, row, file) = (Arc::clone(served), row.clone(), file.clone());
    let opened = blocking(move || match served.disk.open_read(&path) {
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
    .await;
    fetched.forget_later(&sha256);
    opened
}
