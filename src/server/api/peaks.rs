//! `/recordings/{id}/peaks`: a recording as it is drawn.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use siprec_core::render::FileSheet;
use siprec_core::seed::RecordingId;
use utoipa::{IntoParams, ToSchema};

use super::asked::{Asked, Id};
use super::audio::{file_of, open};
use super::problem::Problem;
use super::recordings::{row, sheet};
use super::state::{Served, blocking};
use crate::archive::decode::Decoder;
use crate::archive::disk::{DiskFile, Reading};

/// Columns of a drawing.
const POINTS: u16 = 800;
const MAX_POINTS: u16 = 10_000;
/// Drawings that are kept: whoever looks at one looks at it again.
const KEPT: usize = 64;

/// Drawings that were asked for last.
#[derive(Debug, Default)]
pub(in crate::server) struct Drawings(Mutex<VecDeque<(Key, Arc<Peaks>)>>);

/// A file's SHA-256, and how many columns.
type Key = (String, u16);

/// How to draw.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct How {
    /// The file, where the recording has several: 0 is the first.
    #[param(minimum = 0, maximum = 64, default = 0)]
    file: u8,
    /// Columns.
    #[param(minimum = 1, maximum = 10000, default = 800)]
    points: Option<u16>,
}

/// A recording as it is drawn: for each channel, column by column, the least and the greatest of its samples.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Peaks {
    duration_ms: u64,
    points: u16,
    channels: Vec<Vec<[i16; 2]>>,
}

/// Draws a recording.
#[utoipa::path(get, path = "/api/v1/recordings/{id}/peaks", tag = "recordings",
    params(("id" = String, Path, description = "The recording's id", format = Uuid), How),
    responses(
    (status = 200, description = "Its peaks", body = Peaks),
    (status = 400, description = "The query is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "There is none of that id, or it has no such file", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "Its audio is Opus, which is not drawn", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "It cannot be read now", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn peaks(
    State(served): State<Arc<Served>>,
    Id(id): Id<RecordingId>,
    Asked(how): Asked<How>,
) -> Result<Json<Peaks>, Problem> {
    let points = how.points.unwrap_or(POINTS);
    if points == 0 || points > MAX_POINTS {
        return Err(Problem::bad_request(format!("points: from 1 to {MAX_POINTS}")));
    }
    let row = row(&served, id).await?;
    let (_, sidecar) = sheet(&served, &row).await?;
    let file = file_of(&sidecar, how.file)?.clone();
    let key = (file.sha256.clone(), points);
    if let Some(drawn) = served.drawings.find(&key) {
        return Ok(Json(Peaks::clone(&drawn)));
    }
    let opened = open(&served, &row, &file).await?;
    let drawn = blocking(move || draw(&file, opened, points)).await?;
    served.drawings.keep(key, Arc::new(drawn.clone()));
    Ok(Json(drawn))
}

fn draw(file: &FileSheet, opened: Arc<dyn DiskFile>, points: u16) -> Result<Peaks, Problem> {
    let failed = |error: &dyn std::fmt::Display| Problem::unavailable("its audio cannot be read now", error);
    let decoder = Decoder::open(file, Reading::of(opened)).map_err(|error| failed(&error))?;
    let Some(mut decoder) = decoder else {
        return Err(Problem::conflict(
            "its audio is Opus, which is not drawn: `siprec export --as wav` renders it from its journal",
        ));
    };
    let channels = usize::from(file.channels.max(1));
    // No sample is louder than the quietest there can be: a column without any is a line.
    let mut columns = vec![vec![[i16::MAX, i16::MIN]; usize::from(points)]; channels];
    let mut frame = 0_u64;
    let heard = decoder.each(&mut |samples| {
        for samples in samples.chunks_exact(channels) {
            let column = frame * u64::from(points) / file.frames.max(1);
            for (channel, &sample) in columns.iter_mut().zip(samples) {
                if let Some([least, most]) = channel.get_mut(usize::try_from(column).unwrap_or(usize::MAX)) {
                    (*least, *most) = (sample.min(*least), sample.max(*most));
                }
            }
            frame += 1;
        }
        Ok(())
    });
    heard.map_err(|error| failed(&error))?;
    for column in columns.iter_mut().flatten().filter(|[least, most]| least > most) {
        *column = [0, 0];
    }
    let duration_ms = file.frames * 1_000 / u64::from(file.sample_rate.max(1));
    Ok(Peaks { duration_ms, points, channels: columns })
}

impl Drawings {
    fn find(&self, key: &Key) -> Option<Arc<Peaks>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(known, _)| known == key).map(|(_, drawn)| Arc::clone(drawn))
    }

    fn keep(&self, key: Key, drawn: Arc<Peaks>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back((key, drawn));
        let excess = kept.len().saturating_sub(KEPT);
        kept.drain(..excess);
    }
}
