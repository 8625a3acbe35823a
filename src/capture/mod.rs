//! Captures, for whoever reads them: frames, what sockets would have got, and SIP out of streams.
//!
//! ```text
//! pcap, pcapng -> Capture -> Frame -> Decoder -> Packet -- datagram ---------------------> payload
//!                                     (fragments)       \- segment -> SipStreams (in order) -> messages
//! ```

mod file;
mod folders;
mod journal;
mod packets;
mod progress;
mod sip;
mod tcp;

pub(crate) use file::Capture;
pub(crate) use folders::{segments_of_folders, total_bytes};
pub(crate) use journal::session_of;
pub(crate) use packets::{Content, Decoder, Packet, Segment};
#[cfg(feature = "api")]
pub(crate) use progress::counting;
pub(crate) use progress::reading;
pub(crate) use sip::{SipStreams, looks_like_sip};
pub(crate) use tcp::Reassembly;
