//! Files as answers: parts of them (RFC 9110 14), a piece at a time.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;

use super::problem::Problem;
use crate::archive::disk::{DiskFile, read_range};

/// Octets that are read at a time, each time on a thread that may wait for the disk.
const PIECE: u64 = 256 << 10;

/// Octets of a file, from the first to before the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) from: u64,
    pub(super) to: u64,
}

/// What the field `Range` asks of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ranges {
    /// All of it, as where the field cannot be read, or asks for several parts: a server need not do as it is asked.
    Whole,
    /// This part.
    Part(Range),
    /// A part that is not there.
    None,
}

/// Reads a `Range` of a file of `length` octets.
pub(super) fn ranges(field: &str, length: u64) -> Ranges {
    let parsed = || {
        let (from, to) = field.trim().strip_prefix("bytes=")?.split_once('-')?;
        let number = |text: &str| -> Option<u64> {
            (!text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit()))
                .then(|| text.parse().unwrap_or(u64::MAX))
        };
        match (from.trim(), to.trim()) {
            ("", last) => {
                let last = number(last)?;
                Some((length.saturating_sub(last), if last == 0 { 0 } else { length }))
            }
            (from, "") => Some((number(from)?, length)),
            (from, to) => {
                let (from, to) = (number(from)?, number(to)?);
                (from <= to).then(|| (from, to.saturating_add(1).min(length)))
            }
        }
    };
    match parsed() {
        None => Ranges::Whole,
        Some((from, to)) if from < to => Ranges::Part(Range { from, to }),
        Some(_) => Ranges::None,
    }
}

/// The file has no such part.
pub(super) fn unsatisfiable(length: u64) -> Response {
    let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, format!("the file has {length} octets"));
    let mut response = problem.into_response();
    if let Ok(value) = HeaderValue::try_from(format!("bytes */{length}")) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}

/// A part of a file, read as it is taken. A file that cannot be read on breaks the answer off.
pub(super) fn body(file: Arc<dyn DiskFile>, range: Range) -> Body {
    let pieces = futures_util::stream::unfold((file, range), |(file, range)| async move {
        if range.from >= range.to {
            return None;
        }
        let want = PIECE.min(range.to - range.from);
        let reading = Arc::clone(&file);
        let read = move || read_range(&*reading, range.from, usize::try_from(want).unwrap_or(usize::MAX));
        let read = match tokio::task::spawn_blocking(read).await {
            Ok(Ok(octets)) if octets.is_empty() => Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => read,
            Err(error) => Err(std::io::Error::other(error)),
        };
        if let Err(error) = &read {
            tracing::error!(%error, "a file that is served cannot be read on");
        }
        let left = match &read {
            Ok(octets) => Range { from: range.from + octets.len() as u64, to: range.to },
            Err(_) => Range { from: range.to, to: range.to },
        };
        Some((read.map(Bytes::from), (file, left)))
    });
    Body::from_stream(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_rfc_9110_says() {
        let part = |from, to| Ranges::Part(Range { from, to });
        for (field, expected) in [
            ("bytes=0-0", part(0, 1)),
            ("bytes=0-", part(0, 1000)),
            ("bytes=500-999", part(500, 1000)),
            ("bytes=500-5000", part(500, 1000)),
            ("bytes=-1", part(999, 1000)),
            ("bytes=-5000", part(0, 1000)),
            ("bytes=1000-", Ranges::None),
            ("bytes=1000-1001", Ranges::None),
            ("bytes=-0", Ranges::None),
            ("bytes=99999999999999999999999-", Ranges::None),
            ("", Ranges::Whole),
            ("bytes=5-4", Ranges::Whole),
            ("bytes=a-b", Ranges::Whole),
            ("bytes=0-1,5-6", Ranges::Whole),
            ("lines=0-1", Ranges::Whole),
        ] {
            assert_eq!(ranges(field, 1000), expected, "{field}");
        }
        assert_eq!(ranges("bytes=0-", 0), Ranges::None);
    }
}
