//! A trace: SIP and RTP as they went by, made into calls, recording sessions, streams, and what is wrong with them. Nobody's
//! server here: captures of any two who talk.
//!
//! ```text
//! message, datagram -> Trace (what SDP told so far, streams summed) -> finish -> Story: messages, calls, streams
//!                                                                                  |-> Sequence -> ladder (rows of cells)
//!                                                                                  |-> sheet: a call on one screen
//!                                                                                  `-> silences: why there is no audio
//! ```
//! Memory is bounded by [`MAX_MESSAGE_BYTES`] and [`MAX_STREAMS`]: RTP is summed and never kept.

mod call;
mod differences;
mod ears;
mod filter;
mod fold;
mod ladder;
mod media;
mod message;
mod row;
mod sequence;
mod sheet;
mod silence;
mod story;
mod stream;
mod told;

pub use call::{Call, Difference, DifferenceKind, RecordingSession, State, Update, party};
pub use differences::person;
pub use filter::{Filter, Place, Statuses};
pub use ladder::{clock, ladder};
pub use media::MAX_STREAMS;
pub use message::Traced;
pub use row::{Cell, Row, Style, Subject};
pub use sequence::{Host, Sequence, Step, millis};
pub use sheet::{changes, head, lines, message_row, sheet, stream_rows};
pub use silence::Silence;
pub use story::{MAX_MESSAGE_BYTES, MAX_MESSAGES, Story, Trace, Unreadable};
pub use stream::{Digit, GAP_NS, GAP_PACKETS, Gap, Loudness, MAX_DIGITS, MAX_GAPS, Secured, Stream, TypeCount};
pub use told::{CallMedia, Change, Line, LineAt, Side};

#[cfg(test)]
mod tests;
