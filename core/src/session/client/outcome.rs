//! What a client wants done, and what became of its calls.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use super::CallNumber;
use crate::sdp::crypto::{Crypto, InlineKey};
use crate::sip::Flow;

/// What the client wants done, or tells.
#[derive(Debug)]
pub enum Output {
    /// To be sent. A stream's flow whose connection is gone asks for another one to its remote address.
    Send {
        /// Between whom.
        flow: Flow,
        /// The message.
        bytes: Vec<u8>,
    },
    /// A 3xx names another address: to be looked up and told by [`super::Client::redirect`].
    Redirected {
        /// Whose.
        call: CallNumber,
        /// Where to.
        uri: String,
    },
    /// The INVITE was accepted.
    Answered {
        /// Whose.
        call: CallNumber,
        /// Since it was first sent.
        after: Duration,
    },
    /// Where each line goes from now on, in the order of the m-lines.
    Media {
        /// Whose.
        call: CallNumber,
        /// The lines.
        lines: Vec<Destination>,
    },
    /// Something to be told to whoever watches.
    Told {
        /// Of which call.
        call: CallNumber,
        /// What.
        what: String,
    },
    /// The call is over.
    Over {
        /// Which.
        call: CallNumber,
        /// Why.
        end: End,
    },
}

/// Where one line's packets go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// RTP; `None` of a line that was not taken.
    pub rtp: Option<SocketAddr>,
    /// RTCP.
    pub rtcp: Option<SocketAddr>,
    /// Whether RTP is sent now: neither side has paused it.
    pub sends: bool,
    /// Our key, where the line is secure.
    pub key: Option<InlineKey>,
    /// Theirs.
    pub their_key: Option<Crypto>,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// We ended it.
    Ours,
    /// The server sent a BYE.
    Theirs,
    /// The INVITE was refused, or what kept the call alive was.
    Refused {
        /// The status.
        status: u16,
        /// Its reason phrase.
        reason: String,
        /// `Retry-After`, seconds.
        retry_after: Option<u32>,
        /// What `Warning` tells people.
        warning: Option<String>,
    },
    /// No answer came, or the connection was lost.
    Unanswered,
    /// We gave up before it was answered.
    Cancelled,
    /// The server broke the protocol: how.
    Broken(String),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours => f.write_str("ended by us"),
            Self::Theirs => f.write_str("ended by the server"),
            Self::Refused { status, reason, retry_after, warning } => {
                write!(f, "{status} {reason}")?;
                if let Some(seconds) = retry_after {
                    write!(f, " (Retry-After: {seconds} s)")?;
                }
                warning.as_ref().map_or(Ok(()), |warning| write!(f, ": {warning}"))
            }
            Self::Unanswered => f.write_str("no answer"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Broken(how) => write!(f, "protocol broken: {how}"),
        }
    }
}
