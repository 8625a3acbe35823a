//! The core of siprec: everything that a recorder decides, and nothing that it touches.
//!
//! No sockets, files, clocks, threads, randomness or printing: bytes, times and a seed come in, bytes and orders go
//! out. `no_std` lets the compiler hold us to it. The list below is the order of dependency: a module uses only
//! those above it, which a test of the binary's crate checks.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod text;
mod long_key;
pub mod time;
pub mod seed;
pub mod node_key;
pub mod sealed;
pub mod deviation;
pub mod sip;
pub mod sdp;
pub mod metadata;
pub mod vendor;
pub mod rtp;
pub mod codec;
pub mod srtp;
pub mod entry;
pub mod journal;
pub mod media;
pub mod session;
pub mod lint;
pub mod anonymise;
pub mod trace;
pub mod render;
