//! Marks on what we send, for the network's queues.

use std::os::fd::AsFd;

use socket2::SockRef;

use crate::config::Dscp;

/// Marks what leaves by a socket. Where the system does not let us, it leaves unmarked.
pub(super) fn mark(socket: &impl AsFd, is_ipv4: bool, dscp: Dscp) {
    let socket = SockRef::from(socket);
    let octet = u32::from(dscp.octet());
    let marked = if is_ipv4 { socket.set_tos_v4(octet) } else { socket.set_tclass_v6(octet) };
    if let Err(error) = marked {
        tracing::debug!(%error, %dscp, "a socket cannot be marked");
    }
}
