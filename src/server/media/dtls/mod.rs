//! DTLS-SRTP (RFC 5764): the handshakes that media are protected by.
//!
//! ```text
//! worker      datagram 20..=63 -> Datagram ------> thread "dtls": Desk -> Handshake (dimpl, ring)
//!             socket <- Send <-------------------    | Done, Refused
//! signalling  the association agreed on -> Expect -> |    '-> Srs: keys, as if they had come by SDES
//! ```
//! A handshake costs a fraction of a millisecond of a core: a crowd of them would hold up a worker that has a thousand
//! streams to look at in 20 ms, so they have a thread of their own, as those of TLS have. A worker only passes
//! datagrams, on a queue with an end: what does not fit is dropped, and the peer repeats it.

mod desk;
mod handshake;
mod identity;
mod provider;
mod thread;
#[cfg(test)]
mod tests;

pub use desk::{Act, Component};
pub use handshake::{Keys, Refused, is_dtls};
pub use identity::Identity;
pub use thread::{Dtls, Perform};
