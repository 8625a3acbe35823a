//! SIP (RFC 3261): messages, framing, transactions and dialogs, without IO.
//!
//! ```text
//! datagram ----------------> Message::parse_datagram -> Transactions::handle_message -> Incoming -> check -> session
//! stream -> Framer -> Frame /                                                                                |
//! socket <------------------------------ Transactions::poll_send <- Transactions::respond | request <--------+
//! ```
//!
//! Nothing here draws random numbers or reads a clock: tags, branches and times are passed in.

mod address;
mod certificate;
pub mod check;
pub mod dialog;
pub mod digest;
pub mod framing;
mod header;
pub(crate) mod lines;
pub mod message;
mod method;
pub mod multipart;
mod params;
mod parse;
pub mod survey;
pub mod transaction;
pub(crate) mod transfer;
pub mod uri;
mod via;

use core::fmt;
use core::net::SocketAddr;
use serde::{Deserialize, Serialize};

pub use certificate::PeerCertificate;
pub(crate) use header::full_name;
pub use header::{Header, Headers};
pub use message::{CSeq, Message, ParseError, StartLine};
pub use method::Method;
pub use uri::{NameAddr, Params, Uri, Via};

/// What carries SIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
    /// A stream under TLS.
    Tls,
}

impl Transport {
    /// Whether it delivers by itself, so that nothing need be sent again (RFC 3261 17: TCP and TLS).
    pub fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp | Self::Tls => true,
        }
    }

    /// The port where none is named (RFC 3261 19.1.2).
    pub fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        })
    }
}

/// A connection of the shell's, as the shell numbers it; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConnectionId(pub u64);

/// Between whom a message travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// What carries it.
    pub transport: Transport,
    /// Our address.
    pub local: SocketAddr,
    /// Theirs.
    pub remote: SocketAddr,
    /// The connection it came in on. `None` over UDP; and over a stream, where one is to be opened to `remote`.
    pub connection: Option<ConnectionId>,
}
