//! Segments of our own journals, which are pcapng as well.

use std::io::BufRead;

use siprec_core::entry::{Event, Kind};
use siprec_core::journal::Reader;
use siprec_core::seed::SessionId;

use super::file::is_pcapng;

/// How far a segment is looked into for the sign that it is ours.
const SIGN_BYTES: usize = 64 << 10;

/// The session whose journal the file is a segment of, if it is one of ours: its first entry says so.
pub(crate) fn session_of(file: &mut impl BufRead) -> std::io::Result<Option<SessionId>> {
    let start = file.fill_buf()?;
    if !is_pcapng(start) {
        return Ok(None);
    }
    let mut reader = Reader::new();
    reader.push(&start[..start.len().min(SIGN_BYTES)]);
    let first = reader.next().map(|entry| entry.kind);
    Ok(if let Some(Kind::Event(Event::Segment(header))) = first { Some(header.session) } else { None })
}
