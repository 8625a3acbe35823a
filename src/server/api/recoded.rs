//! A file of a recording in another format, or one of its channels alone: made as it is sent, a piece at a time.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use siprec_core::render::{FileCoding, FilePlan, FileSheet};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use utoipa::ToSchema;

use super::audio::media_type;
use super::problem::Problem;
use crate::archive::decode::Decoder;
use crate::archive::disk::{DiskFile, Reading};
use crate::archive::encode::Encoder;

/// Pieces that wait for a slow client; then no more is made.
const WAITING: usize = 8;
/// A client that takes nothing for so long is let go: a thread waits for it.
const TAKEN_WITHIN: Duration = Duration::from_secs(60);
/// Files that are made at one time: each has a thread, and others wait for those as well.
const MADE_AT_ONCE: usize = 8;
/// Octets of a piece.
const PIECE: usize = 64 << 10;

/// How audio is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Format {
    /// 16-bit samples.
    Wav,
    /// Without a loss, at half the size.
    Flac,
    /// Small.
    Opus,
    /// G.711 as it came, where all of a file is of one law: rendered again from the journal, as with `layout=configured`.
    #[serde(rename = "wav-g711")]
    WavG711,
}

/// A channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Channel {
    /// The first: the caller.
    Left,
    /// The second: the callee.
    Right,
}

pub(super) fn coding(file: &FileSheet, format: Option<Format>) -> FileCoding {
    match format {
        // (G.711 is rendered, and not made of a file.)
        Some(Format::Wav | Format::WavG711) => FileCoding::Pcm16,
        Some(Format::Flac) => FileCoding::Flac,
        Some(Format::Opus) => FileCoding::Opus,
        // A channel of it: as it is.
        None => file.coding,
    }
}

/// What it is called when it is saved.
pub(super) fn name(file: &FileSheet, format: Option<Format>, channel: Option<Channel>) -> String {
    let stem = file.name.rsplit_once('.').map_or(file.name.as_str(), |(stem, _)| stem);
    let side = match channel {
        None => "",
        Some(Channel::Left) => "-left",
        Some(Channel::Right) => "-right",
    };
    format!("{stem}{side}.{}", coding(file, format).format())
}

/// Those who may make a file now. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::server) struct Makers(Arc<Semaphore>);

impl Default for Makers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MADE_AT_ONCE)))
    }
}

impl Makers {
    /// A place among them, to be held until the file is made.
    pub(super) fn seat(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.0).try_acquire_owned().map_err(|_| {
            let said = format!("{MADE_AT_ONCE} files are being made now, as many as are at one time: ask again, or for the file as recorded");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, said)
        })
    }
}

/// The file, decoded and encoded anew, by who has a `seat`.
pub(super) fn recoded(
    file: &FileSheet,
    opened: Arc<dyn DiskFile>,
    (format, channel): (Option<Format>, Option<Channel>),
    seat: OwnedSemaphorePermit,
) -> Result<Response, Problem> {
    let decoder = Decoder::open(file, Reading::of(opened));
    let decoder = decoder.map_err(|error| Problem::unavailable("its audio cannot be read now", &error))?;
    let Some(decoder) = decoder else {
        return Err(Problem::conflict(
            "it was recorded as Opus, and is had as that alone: ask without format and channel",
        ));
    };
    let place = match channel {
        Some(Channel::Right) if file.channels < 2 => {
            return Err(Problem::conflict("it has one channel: ask for the left one, or for none"));
        }
        Some(Channel::Right) => Some(1),
        Some(Channel::Left) => Some(0),
        None => None,
    };
    let mut plan = FilePlan::recoded(file, coding(file, format));
    if place.is_some() {
        plan.channels = 1;
    }
    if !plan.coding.takes_rate(plan.sample_rate) {
        return Err(Problem::conflict(format!("Opus has no sampling rate of {} Hz: ask for flac", plan.sample_rate)));
    }
    let kind = media_type(plan.coding.format());
    let (to, pieces) = mpsc::channel(WAITING);
    let channels = usize::from(file.channels.max(1));
    tokio::task::spawn_blocking(move || {
        make(decoder, &plan, (channels, place), &to);
        drop(seat);
    });
    let body =
        Body::from_stream(stream::unfold(pieces, |mut pieces| async move { Some((pieces.recv().await?, pieces)) }));
    Ok(([(header::CONTENT_TYPE, kind), (header::ACCEPT_RANGES, "none")], body).into_response())
}

type Pieces = mpsc::Sender<std::io::Result<Bytes>>;

/// Makes the file, until its end or until nobody takes it any more. What goes wrong breaks the answer off.
fn make(mut decoder: Decoder, plan: &FilePlan, (channels, place): (usize, Option<usize>), to: &Pieces) {
    let mut encoder = Encoder::new(plan, &[]);
    let mut waiting = Vec::new();
    encoder.begin(&mut waiting);
    let mut one = Vec::new();
    let send = |waiting: &mut Vec<u8>, least: usize| {
        if waiting.len() < least.max(1) {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::take(waiting));
        let taken = Handle::current().block_on(tokio::time::timeout(TAKEN_WITHIN, to.send(Ok(piece))));
        taken.ok().and_then(Result::ok).ok_or_else(|| std::io::Error::from(std::io::ErrorKind::BrokenPipe))
    };
    let made = decoder.each(&mut |samples| {
        match place {
            None => encoder.take(samples, &mut waiting),
            Some(place) => {
                one.clear();
                one.extend(samples.iter().skip(place).step_by(channels));
                encoder.take(&one, &mut waiting);
            }
        }
        send(&mut waiting, PIECE)
    });
    if let Err(error) = made {
        if error.kind() != std::io::ErrorKind::BrokenPipe {
            tracing::error!(%error, "audio that is served cannot be read on");
            let _ = to.try_send(Err(error));
        }
        return;
    }
    // What FLAC would write over its beginning has left: its digest and its frames' sizes stay unknown, as RFC 9639 8.2 allows.
    drop(encoder.finish(&mut waiting));
    let _ = send(&mut waiting, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_files_are_made_at_one_time() {
        let makers = Makers::default();
        let seats: Vec<_> = (0..MADE_AT_ONCE).map(|_| makers.seat().ok()).collect();
        assert!(seats.iter().all(Option::is_some));
        assert!(makers.seat().is_err_and(|problem| problem.status() == 503));
        drop(seats);
        assert!(makers.seat().is_ok());
    }
}
