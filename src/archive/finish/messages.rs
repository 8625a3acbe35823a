//! The signalling of a session, live or over, as its journal has it: keys are blanked there already.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use siprec_core::entry::Kind;
use siprec_core::seed::SessionId;
use siprec_core::sip::Transport;
use siprec_core::time::Wall;

use super::journals::Journal;
use crate::archive::disk::Disk;
use crate::archive::journal::put_away_path;

/// A SIP message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipMessage {
    /// When it came or went.
    pub at: Wall,
    /// Whether we sent it.
    pub outbound: bool,
    /// What carried it.
    pub transport: Transport,
    /// Its sender.
    pub from: SocketAddr,
    /// Its receiver.
    pub to: SocketAddr,
    /// Its octets.
    pub octets: Vec<u8>,
}

/// The newest `limit` messages of a session, in the order of their time, and how many there are before them; none of a session
/// that has no journal.
///
/// # Errors
/// The disk's.
pub fn messages(
    disk: &dyn Disk,
    data: &Path,
    session: SessionId,
    limit: usize,
) -> io::Result<Option<(Vec<SipMessage>, usize)>> {
    let journal = match Journal::open(disk, data, session)? {
        Some(journal) => Some(journal),
        None => Journal::open_at(disk, data, session, data.join(put_away_path(session)))?,
    };
    let Some(journal) = journal else { return Ok(None) };
    let mut all = std::collections::VecDeque::new();
    let mut left_out = 0;
    journal.read(&mut |entry| {
        let Kind::Sip { transport, outbound, from, to, message } = &entry.kind else { return };
        let octets = message.to_vec();
        let (at, transport, outbound) = (entry.at, *transport, *outbound);
        all.push_back(SipMessage { at, outbound, transport, from: *from, to: *to, octets });
        if all.len() > limit {
            all.pop_front();
            left_out += 1;
        }
    })?;
    Ok(Some((all.into(), left_out)))
}
