//! What `serve` is told by its caller.

use super::orders::Desk;
use crate::config::{Loaded, Sources};
use crate::logging;
use crate::sip_trace::SipTrace;

/// What `serve` is told by its caller.
#[derive(Debug)]
pub struct Options {
    /// The configuration in effect; its notices hold no error and have been told.
    pub loaded: Loaded,
    /// Where it came from: a reload reads it again. None where a program gave it: there is nothing to read.
    pub sources: Option<Sources>,
    /// The log's handle: a reload sets its level.
    pub log: logging::Handle,
    /// Where each signalling message is shown as well.
    pub sip_trace: Option<SipTrace>,
    /// Where the orders of a program that embeds the server arrive.
    pub desk: Desk,
}
