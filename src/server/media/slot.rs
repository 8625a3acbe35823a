//! A port with its sockets: what comes by them, what leaves from them.

use std::net::{SocketAddr, UdpSocket};

use siprec_core::entry::{Entry, Kind};
use siprec_core::media::{Port, PortSettings};
use siprec_core::seed::SessionId;
use siprec_core::time::{Now, Wall};

use super::dtls::{Component, Dtls};
use super::receive::{self, Datagram};
use super::slabs::{Place, Slabs};
use super::taps::Taps;

/// A socket and what the kernel dropped on it so far.
pub(super) struct Socket {
    pub(super) socket: UdpSocket,
    pub(super) is_ipv4: bool,
    dropped: u32,
    /// So many rounds it may be empty and still counts as busy, and so many it was.
    patience: u8,
    empty: u8,
}

/// A port with its sockets.
pub(super) struct Slot {
    pub(super) port: Port,
    pub(super) place: Place,
    pub(super) rtp_port: u16,
    pub(super) rtp: Socket,
    pub(super) rtcp: Socket,
    /// Something arrived since figures were told.
    pub(super) is_changed: bool,
}

impl Slot {
    /// One of its sockets.
    pub(super) fn socket(&self, is_rtcp: bool) -> &Socket {
        if is_rtcp { &self.rtcp } else { &self.rtp }
    }
}

impl Socket {
    pub(super) fn new(socket: UdpSocket, patience: u8) -> Self {
        let is_ipv4 = socket.local_addr().is_ok_and(|address| address.is_ipv4());
        Self { socket, is_ipv4, dropped: 0, patience, empty: 0 }
    }

    /// A round fetched so many datagrams: whether it should be told when there are more.
    pub(super) fn is_quiet(&mut self, fetched: usize) -> bool {
        self.empty = if fetched > 0 { 0 } else { self.empty.saturating_add(1) };
        self.empty > self.patience
    }
}

/// A handshake's datagram goes to the thread of the handshakes.
pub(super) fn pass_on(
    dtls: Option<&Dtls>,
    port: &Port,
    session: Option<SessionId>,
    is_rtcp: bool,
    datagram: &Datagram<'_>,
) {
    if let (Some(dtls), Some(session)) = (dtls, session) {
        let component = Component { session, port: port.settings().stream.port, is_rtcp };
        dtls.datagram(component, datagram.from, datagram.bytes);
    }
}

/// A datagram's way through its port into its session's slab.
pub(super) fn keep(
    port: &mut Port,
    slabs: &mut Slabs,
    taps: &mut Taps,
    place: Place,
    is_rtcp: bool,
    at: Wall,
    datagram: &Datagram<'_>,
) {
    let (from, packet) = (datagram.from, datagram.bytes);
    let verdict = if is_rtcp { port.handle_rtcp(at, from, packet) } else { port.handle_rtp(at, from, packet) };
    if let Some(kind) = port.kept(verdict, is_rtcp, from, packet) {
        taps.kept(slabs.session(place), at, &kind);
        slabs.keep(place, &Entry { at, kind });
    }
}

/// Packets that waited for a key go the same way, as if they came just then.
pub(super) fn keep_unsealed(slot: &mut Slot, slabs: &mut Slabs, taps: &mut Taps, packet: &mut Vec<u8>) {
    while let Some((at, from)) = slot.port.poll_sealed(packet) {
        let verdict = slot.port.handle_rtp(at, from, packet);
        if let Some(kind) = slot.port.kept(verdict, false, from, packet) {
            taps.kept(slabs.session(slot.place), at, &kind);
            slabs.keep(slot.place, &Entry { at, kind });
        }
        slot.is_changed = true;
    }
}

/// Counts what the kernel has dropped on the sockets since this was done last.
pub(super) fn note_drops(slot: &mut Slot) {
    for socket in [&mut slot.rtp, &mut slot.rtcp] {
        if let Some(dropped) = receive::dropped(&socket.socket) {
            slot.port.dropped_by_kernel(u64::from(dropped.wrapping_sub(socket.dropped)));
            socket.dropped = dropped;
        }
    }
}

/// The way of an idle stream stays open. What is empty says nothing, so it is not kept.
pub(super) fn keep_alive(slot: &mut Slot, now: Now) {
    if let Some(to) = slot.port.keep_alive(now)
        && let Err(error) = slot.rtp.socket.send_to(&[], to)
    {
        tracing::trace!(%to, %error, "a keep-alive was not sent");
    }
}

/// A report leaves from the socket on which theirs are awaited (RFC 4961), protected where it must be, and is kept plain.
pub(super) fn send_report(
    slot: &mut Slot,
    slabs: &mut Slabs,
    at: Wall,
    to: SocketAddr,
    packet: &[u8],
    sent: &mut Vec<u8>,
) {
    sent.clear();
    sent.extend_from_slice(packet);
    if !slot.port.protect(sent) {
        return;
    }
    let PortSettings { stream, rtcp_mux, .. } = slot.port.settings();
    let (socket, from) = if *rtcp_mux { (&slot.rtp, stream.local) } else { (&slot.rtcp, stream.local_rtcp) };
    if let Err(error) = socket.socket.send_to(sent, to) {
        tracing::trace!(%to, %error, "an RTCP report was not sent");
        return;
    }
    slabs.keep(slot.place, &Entry { at, kind: Kind::Rtcp { port: stream.port, outbound: true, from, to, packet } });
}
