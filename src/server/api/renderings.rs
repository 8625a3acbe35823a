//! Recordings rendered again from their journals, in the layout and the form that were asked for: once, on the disk, and kept for a
//! moment, since their sheet and each of their files are asked for one by one.
//!
//! ```text
//! asked -> is it there? -> (a thread: journal -> files in a folder of our own, opened, the folder removed) -> served -> closed
//!                      \-> takes longer than a proxy waits: 202, ask again
//! ```
//! On a disk that seals they are sealed as well. The same journal gives the same octets: what is gone is made again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum::http::header::{IF_NONE_MATCH, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use siprec_core::render::{self, FileFormat, FileSheet, Rendition, Sidecar};
use tokio::sync::{OwnedSemaphorePermit, watch};
use utoipa::ToSchema;

use super::audio::file_of;
use super::fetched::Aside;
use super::problem::Problem;
use super::recent::Recent;
use super::recoded::Format;
use super::state::Served;
use crate::archive::disk::{Disk, DiskFile};
use crate::archive::finish::{FinishError, Form, RENDITION_FIELD, render_again, rendering_tag, rendition_words};
use crate::archive::json_file;
use crate::archive::node_key;
use crate::archive::sealed::named;
use crate::policy::details;

/// A request waits so long for its rendering. Proxies and clients wait a minute.
const PATIENCE: Duration = Duration::from_secs(20);
/// Seconds after which to ask again.
const AGAIN: &str = "1";

/// How voices are laid out in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Layout {
    /// Caller left, callee right.
    Stereo,
    /// Everybody in one channel.
    Mono,
    /// A file a participant.
    Separate,
    /// As `recording.layout` has it.
    Configured,
}

/// The rendition that a query means; none: the recording's own files are meant.
pub(super) fn asked(
    served: &Served,
    sidecar: &Sidecar,
    (layout, format): (Option<Layout>, Option<Format>),
) -> Option<Rendition> {
    let format = match (layout, format) {
        (_, Some(Format::WavG711)) => FileFormat::WavG711,
        (None, _) => return None,
        (Some(_), None) => sidecar.rendition.format,
        (Some(_), Some(Format::Wav)) => FileFormat::Wav,
        (Some(_), Some(Format::Flac)) => FileFormat::Flac,
        (Some(_), Some(Format::Opus)) => FileFormat::Opus,
    };
    let layout = match layout {
        Some(Layout::Stereo) => render::Layout::Stereo,
        Some(Layout::Mono) => render::Layout::Mono,
        Some(Layout::Separate) => render::Layout::Separate,
        Some(Layout::Configured) | None => served.configuration.now().config.recording.layout,
    };
    Some(Rendition { layout, format })
}

/// A recording that was rendered. Its files have no names any more, and are gone when they are closed.
#[derive(Debug)]
pub(super) struct Rendered {
    sheet: Sidecar,
    text: Vec<u8>,
    /// As the sheet has them.
    files: Vec<Arc<dyn DiskFile>>,
}

impl Rendered {
    /// A file, and what is told of it.
    pub(super) fn file(&self, place: u8) -> Result<(&FileSheet, Arc<dyn DiskFile>), Problem> {
        let sheet = file_of(&self.sheet, place)?;
        let file = self.files.get(usize::from(place)).ok_or_else(|| Problem::not_found("it has no such file"))?;
        Ok((sheet, Arc::clone(file)))
    }
}

/// The recording of `sidecar`, rendered so; none while it is being made.
///
/// # Errors
/// Its journal is gone, or the disk's.
pub(super) async fn rendered(
    served: &Arc<Served>,
    sidecar: &Sidecar,
    rendition: Rendition,
) -> Result<Option<Arc<Rendered>>, Problem> {
    let (asked, of) = (Arc::clone(served), sidecar.clone());
    let make = move || make((&*asked.disk, &asked.data), &asked, &of, rendition);
    served.renderings.get(tag(sidecar, rendition), PATIENCE, || served.makers.seat().ok(), make).await
}

fn tag(sidecar: &Sidecar, rendition: Rendition) -> String {
    rendering_tag(sidecar, rendition, env!("CARGO_PKG_VERSION"))
}

fn make(
    (disk, data): (&dyn Disk, &Path),
    served: &Served,
    sidecar: &Sidecar,
    rendition: Rendition,
) -> Result<Rendered, Problem> {
    let failed = |error: &dyn std::fmt::Display| Problem::unavailable("it cannot be rendered now", error);
    let node_key = node_key::open(data).map_err(|error| failed(&error))?;
    let folder = Aside::new().map_err(|error| failed(&error))?;
    let leave_out = details(&served.configuration.now().config.archive.leave_out);
    let (keys, go_on) = ((data, node_key.as_ref()), AtomicBool::new(false));
    let made = render_again(disk, keys, sidecar, Form::Audio(rendition), &leave_out, (folder.path(), &go_on));
    let mut sheet = made.map_err(|error| match error {
        FinishError::JournalGone { .. } => Problem::new(
            StatusCode::GONE,
            "its journal was not kept, from which it would be rendered: archive.keep_journal says for how long it is. Without layout, \
             its own files are to be had, in other formats too",
        ),
        FinishError::Journal { .. }
        | FinishError::Disk { .. }
        | FinishError::Catalog(_)
        | FinishError::Outbox(_)
        | FinishError::Sheet { .. }
        | FinishError::Length { .. }
        | FinishError::Stopped => failed(&error),
    })?;
    let open = |file: &FileSheet| disk.open_read(&folder.path().join(named(&file.name, disk.seals())));
    let files = sheet.files.iter().map(open).collect::<Result<_, _>>().map_err(|error| failed(&error))?;
    // They are sealed here, and nowhere else.
    sheet.files.iter_mut().for_each(|file| file.sealed = None);
    let text = json_file::text(&sheet).map_err(|error| failed(&error))?;
    Ok(Rendered { sheet, text, files })
}

/// Says of an answer which rendition it is: a server that knows nothing of renditions says nothing.
pub(super) fn tell(rendition: Rendition, response: &mut Response) {
    if let Ok(value) = HeaderValue::try_from(rendition_words(rendition)) {
        response.headers_mut().insert(HeaderName::from_static(RENDITION_FIELD), value);
    }
}

/// The answer while it is being made.
pub(super) fn later(rendition: Rendition) -> Response {
    let mut response = (StatusCode::ACCEPTED, [(RETRY_AFTER, AGAIN)]).into_response();
    tell(rendition, &mut response);
    response
}

/// The sheet of a rendering, unless its tag is what the client has.
pub(super) async fn sheet(
    served: &Arc<Served>,
    sidecar: &Sidecar,
    rendition: Rendition,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let etag = format!("\"{}\"", tag(sidecar, rendition));
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut response = if known.split(',').any(|tag| tag.trim() == etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let Some(rendered) = rendered(served, sidecar, rendition).await? else { return Ok(later(rendition)) };
        ([(axum::http::header::CONTENT_TYPE, "application/json")], rendered.text.clone()).into_response()
    };
    if let Ok(value) = HeaderValue::try_from(etag) {
        response.headers_mut().insert(axum::http::header::ETAG, value);
    }
    tell(rendition, &mut response);
    Ok(response)
}

/// What a thread makes; none while it does.
type Made = Option<Result<Arc<Rendered>, Problem>>;

/// Renderings that are made, and those that were asked for last. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(in crate::server) struct Renderings(Recent<watch::Receiver<Made>>);

impl Renderings {
    /// The one of that tag; where nobody has asked for it yet, `make` makes it, if there is a `seat`. None where it is not made within
    /// `patience`.
    async fn get(
        &self,
        tag: String,
        patience: Duration,
        seat: impl FnOnce() -> Option<OwnedSemaphorePermit>,
        make: impl FnOnce() -> Result<Rendered, Problem> + Send + 'static,
    ) -> Result<Option<Arc<Rendered>>, Problem> {
        let Some(mut made) = self.found(&tag, seat, make) else { return Ok(None) };
        let waited = tokio::time::timeout(patience, made.wait_for(Option::is_some)).await;
        self.0.forget_later(&tag, |made| made.borrow().is_none());
        match waited {
            Err(_) => Ok(None),
            Ok(Err(gone)) => Err(Problem::unavailable("it cannot be rendered now", &gone)),
            Ok(Ok(made)) => made.clone().transpose(),
        }
    }

    /// Where the one of that tag comes; none where there is no seat to make it on.
    fn found(
        &self,
        tag: &str,
        seat: impl FnOnce() -> Option<OwnedSemaphorePermit>,
        make: impl FnOnce() -> Result<Rendered, Problem> + Send + 'static,
    ) -> Option<watch::Receiver<Made>> {
        self.0.get_or(tag, || {
            let seat = seat()?;
            let (teller, made) = watch::channel(None);
            let (this, tag) = (self.clone(), tag.to_owned());
            tokio::task::spawn_blocking(move || {
                let made = make();
                drop(seat);
                if made.is_err() {
                    // Whoever asks next has it tried again.
                    this.0.forget(&tag);
                }
                teller.send_replace(Some(made.map(Arc::new)));
            });
            Some(made)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::storage::fixture;
    use crate::server::api::recoded::Makers;
    use std::sync::mpsc;

    fn some() -> Result<Rendered, Problem> {
        Ok(Rendered { sheet: fixture::sidecar(1), text: Vec::new(), files: Vec::new() })
    }

    #[tokio::test]
    async fn one_that_takes_long_is_made_once_and_gone_when_nobody_asks_any_more() {
        let all = Renderings(Recent::kept_for(Duration::from_millis(200)));
        let makers = Makers::default();
        let (go_on, wait) = mpsc::channel();
        let make = move || {
            wait.recv().unwrap();
            some()
        };
        let none = all.get("a".to_owned(), Duration::ZERO, || makers.seat().ok(), make).await;
        assert!(none.unwrap().is_none(), "it is being made");
        let never = || unreachable!("it is being made already");
        assert!(all.get("a".to_owned(), Duration::ZERO, || makers.seat().ok(), never).await.unwrap().is_none());
        go_on.send(()).unwrap();
        let made = all.get("a".to_owned(), PATIENCE, || makers.seat().ok(), never).await.unwrap().unwrap();
        let files = Arc::downgrade(&made);
        drop(made);
        assert!(files.upgrade().is_some(), "its other files will be asked for");
        let gone = async {
            while files.upgrade().is_some() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.unwrap();
    }

    #[tokio::test]
    async fn what_fails_is_told_to_who_asked_and_tried_again_by_who_asks_next() {
        let (all, makers) = (Renderings::default(), Makers::default());
        let fails = || Err(Problem::new(StatusCode::GONE, "gone"));
        let gone = all.get("a".to_owned(), PATIENCE, || makers.seat().ok(), fails).await.unwrap_err();
        assert_eq!(gone.status(), 410);
        assert!(all.get("a".to_owned(), PATIENCE, || makers.seat().ok(), some).await.unwrap().is_some());
        assert!(all.get("b".to_owned(), PATIENCE, || None, some).await.unwrap().is_none(), "no seat: ask again");
    }
}
