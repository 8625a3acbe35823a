//! `/recordings/{id}/journal`: signalling and packets of a recording, for Wireshark.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use siprec_core::seed::RecordingId;

use super::asked::Id;
use super::fetched::Aside;
use super::files::{self, Range};
use super::guard::Caller;
use super::problem::Problem;
use super::recordings::{row, sheet};
use super::state::{Served, blocking};
use crate::archive::audit::{Act, Action};
use crate::archive::disk::{Disk as _, DiskFile, RealDisk};
use crate::archive::finish::{FinishError, Form, render_again};
use crate::archive::node_key;

/// Gets the signalling and the packets of a recording, as a capture (pcapng) that Wireshark opens: SRTP is opened, keys are left out.
#[utoipa::path(get, path = "/api/v1/recordings/{id}/journal", tag = "recordings",
    params(("id" = String, Path, description = "The recording's id", format = Uuid)),
    responses(
    (status = 200, description = "The capture", body = Vec<u8>, content_type = "application/x-pcapng"),
    (status = 404, description = "There is none of that id, or its journal was not kept", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "It cannot be read now", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn journal(
    State(served): State<Arc<Served>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<RecordingId>,
) -> Result<Response, Problem> {
    let row = row(&served, id).await?;
    let (_, sidecar) = sheet(&served, &row).await?;
    let asked = Arc::clone(&served);
    let (file, length) = blocking(move || {
        let failed = |error: &dyn std::fmt::Display| Problem::unavailable("the journal cannot be read now", error);
        let node_key = node_key::open(&asked.data).map_err(|error| failed(&error))?;
        let aside = Aside::new().map_err(|error| failed(&error))?;
        let keys = (asked.data.as_path(), node_key.as_ref());
        let go_on = AtomicBool::new(false);
        match render_again(&*asked.disk, keys, &sidecar, Form::Packets, &[], (aside.path(), &go_on)) {
            Ok(_) => {}
            Err(FinishError::JournalGone { .. }) => {
                return Err(Problem::not_found(
                    "its journal was not kept: archive.keep_journal says for how long it is",
                ));
            }
            Err(error) => return Err(failed(&error)),
        }
        let open = || {
            let file = RealDisk.open_read(&aside.path().join(format!("{id}.pcapng")))?;
            let length = file.length()?;
            std::io::Result::Ok((file, length))
        };
        // It is read after its name is gone, and gone when it is closed.
        open().map_err(|error| failed(&error))
    })
    .await?;
    served
        .pen
        .tell(Act::new(Action::Exported).recording(id).session(row.session_id).with("as", "pcap").by(caller.origin()));
    Ok(capture(id, file, length))
}

fn capture(id: RecordingId, file: Arc<dyn DiskFile>, length: u64) -> Response {
    let mut response = (StatusCode::OK, files::body(file, Range { from: 0, to: length })).into_response();
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-pcapng"));
    fields.insert(header::CONTENT_LENGTH, length.into());
    if let Ok(name) = HeaderValue::try_from(format!("attachment; filename=\"{id}.pcapng\"")) {
        fields.insert(header::CONTENT_DISPOSITION, name);
    }
    response
}
