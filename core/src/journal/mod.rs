//! The journal: entries as pcapng blocks, in slices and `Vec`s. What it is not: files, threads, or any idea of what
//! an entry means.
//!
//! ```text
//! Entry -> encoder::entry -> bytes (one segment a file) -> Reader -> Entry -> Merge -> Entry, by time
//!                                     \-> recover::tail: where a torn file ends, where its last checkpoint is
//! ```
//!
//! # The format, version 1
//!
//! A segment is one pcapng section (draft-ietf-opsawg-pcapng), little-endian, which Wireshark opens. Its blocks, in
//! this order:
//!
//! 1. Section Header (`0x0A0D0D0A`): version 1.0, section length -1, option `shb_userappl` (4) = `siprec VERSION`.
//! 2. A custom block with [`Event::Segment`](crate::entry::Event::Segment).
//! 3. Interface Descriptions (1): link type 101 (raw IP), snap length 0, options `if_name` (2) and `if_tsresol` (9) =
//!    9 (nanoseconds). Interface ids are fixed, so a block can be written and read without knowing the others:
//!
//!    | id | name | holds |
//!    | --- | --- | --- |
//!    | 0, 1, 2 | `sip udp`, `sip tcp`, `sip tls` | SIP messages, whole, by what carried them |
//!    | 3 + 2k | `rtp K label L` | RTP of port k |
//!    | 4 + 2k | `rtcp K label L` | RTCP of port k |
//!
//!    ` label L` is left out where there is none. The pairs are dense: before those of port k stand those of all
//!    lower ports. More of them follow later in the section when a session gets more streams.
//! 4. Packets, events, checkpoints and marks, in the order in which they were handed over: nearly, not strictly, by
//!    time.
//!
//! ## A packet: Enhanced Packet Block (6)
//!
//! ```text
//!  0  u32 6          4  u32 total length    8  u32 interface   12  u32 time, high   16  u32 time, low (ns since 1970)
//! 20  u32 captured  24  u32 original       28  IPv4 (20) or IPv6 (40) header, UDP header (8), payload, 0-3 zero bytes
//!     [option 2 (epb_flags), length 4, value 2 (outbound); end of options]: only on what we sent
//!     u32 total length
//! ```
//!
//! The addresses and ports are the real ones (an IPv4-mapped IPv6 address is written as IPv4; where only one side is
//! IPv4, it is written mapped). The rest of the headers is made up: no fragments, TTL 64, identification 0, IPv4
//! header checksum right, UDP checksum 0 over IPv4 and right over IPv6 (where RFC 8200 8.1 asks for it). SIP over TCP
//! or TLS stands in UDP as well, one message a packet, the interface tells; so every reader sees whole messages in
//! clear. A payload over [`MAX_DATAGRAM`] is cut there, and `original` tells its length.
//!
//! ## Everything else: Custom Block (`0x00000BAD`)
//!
//! ```text
//!  0  u32 0xBAD   4  u32 total length   8  u32 32473 (the enterprise number for examples, RFC 5612)
//! 12  "siprec"   18  u8 kind           19  u8 1 (version of this layout)
//! 20  i64 time, ns since 1970          28  u32 length of the payload
//! 32  payload, 0-3 zero bytes; u32 CRC-32 (IEEE) of all from offset 12 on; u32 total length
//! ```
//!
//! | kind | payload |
//! | --- | --- |
//! | 1 event | JSON of [`Event`](crate::entry::Event) |
//! | 2 checkpoint | octets (MessagePack) of which the journal knows no more |
//! | 3 mark | [`Mark`]: u64 from, u64 last checkpoint (all ones: none), u64 synced, u32 CRC-32, u32 0 |
//!
//! A **mark** vouches for the bytes between the mark before it (or the start of the file) and itself, tells where the
//! last checkpoint block begins, and up to where the file was known to be on the disk itself when the mark was made.
//! So after a power loss all is trusted that is before `synced` or covered by an unbroken chain of marks from there.
//!
//! Everything is a multiple of four bytes. A reader skips what it does not know: other blocks, kinds and events.

mod block;
mod checksum;
mod datagram;
pub mod encoder;
mod format;
mod merge;
pub mod reader;
pub mod redact;
pub mod recover;

pub use datagram::datagram;
pub use encoder::Encoder;
pub use format::{MARK_SIZE, MAX_DATAGRAM, MAX_PAYLOAD, Mark};
pub use merge::{MERGE_WINDOW, Merge};
pub use reader::{Damage, Reader};

/// Version of the format that this module writes.
pub const FORMAT_VERSION: u32 = 1;

#[cfg(test)]
mod tests;
