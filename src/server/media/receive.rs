//! Many datagrams a system call, with the kernel's timestamps, into memory that is allocated once.

use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrIn, SockaddrIn6, SockaddrLike, SockaddrStorage,
    recvmmsg, recvmsg,
};
use nix::sys::time::TimeSpec;

use crate::server::clock::nanos;

/// Datagrams a system call at most.
const BATCH: usize = 16;
/// No UDP payload is longer.
const DATAGRAM_BYTES: usize = 65_536;

/// One datagram as it came.
pub(super) struct Datagram<'a> {
    pub(super) from: SocketAddr,
    /// The kernel's timestamp: nanoseconds of CLOCK_REALTIME.
    pub(super) stamp: Option<i64>,
    pub(super) bytes: &'a [u8],
}

/// How a call went.
pub(super) struct Outcome {
    pub(super) datagrams: usize,
    /// Nothing was left in the socket.
    pub(super) empty: bool,
    /// What the kernel dropped on this socket since it was opened, if it says so.
    pub(super) dropped: Option<u32>,
    /// The kernel had more to say than there was room for: it will count drops on this socket from now on.
    pub(super) cut_short: bool,
}

/// A worker's receive memory.
pub(super) struct Receiver {
    v4: MultiHeaders<SockaddrIn>,
    v6: MultiHeaders<SockaddrIn6>,
    buffers: Vec<u8>,
    control: Vec<u8>,
}

impl Receiver {
    pub(super) fn new() -> Self {
        Self {
            // A header's room shrinks to what the kernel last put there, so these two carry timestamps and nothing else.
            v4: MultiHeaders::preallocate(BATCH, Some(cmsg_space!(TimeSpec))),
            v6: MultiHeaders::preallocate(BATCH, Some(cmsg_space!(TimeSpec))),
            buffers: vec![0; BATCH * DATAGRAM_BYTES],
            control: vec![0; cmsg_space!(TimeSpec, u32).capacity()],
        }
    }

    /// Receives one batch.
    pub(super) fn batch(&mut self, socket: &UdpSocket, is_ipv4: bool, each: &mut impl FnMut(Datagram<'_>)) -> Outcome {
        if is_ipv4 {
            batch(socket, &mut self.v4, &mut self.buffers, each)
        } else {
            batch(socket, &mut self.v6, &mut self.buffers, each)
        }
    }

    /// Receives one datagram, and how many the kernel dropped before it: for a socket on which it did.
    pub(super) fn single(&mut self, socket: &UdpSocket, each: &mut impl FnMut(Datagram<'_>)) -> Outcome {
        let buffer = self.buffers.get_mut(..DATAGRAM_BYTES).unwrap_or_default();
        let mut slices = [IoSliceMut::new(buffer)];
        let control = Some(self.control.as_mut_slice());
        let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, control, MsgFlags::MSG_DONTWAIT);
        let message = match message {
            Ok(message) => message,
            Err(error) => return nothing(error == Errno::EAGAIN),
        };
        let (stamp, dropped) = told(&message);
        if let Some(from) = message.address.as_ref().and_then(address_of) {
            each(Datagram { from, stamp, bytes: message.iovs().next().unwrap_or_default() });
        }
        Outcome { datagrams: 1, empty: false, dropped, cut_short: false }
    }
}

fn batch<S: SockaddrLike + Copy + Into<SocketAddr>>(
    socket: &UdpSocket,
    headers: &mut MultiHeaders<S>,
    buffers: &mut [u8],
    each: &mut impl FnMut(Datagram<'_>),
) -> Outcome {
    let mut chunks = buffers.chunks_exact_mut(DATAGRAM_BYTES);
    let mut slices: [_; BATCH] = std::array::from_fn(|_| [IoSliceMut::new(chunks.next().unwrap_or_default())]);
    let messages = recvmmsg(socket.as_raw_fd(), headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None);
    let messages = match messages {
        Ok(messages) => messages,
        // EAGAIN: empty. An error of the network (ICMP) is taken by the call that tells it; the next goes on.
        Err(error) => return nothing(error == Errno::EAGAIN),
    };
    let mut outcome = Outcome { datagrams: 0, empty: false, dropped: None, cut_short: false };
    for message in messages {
        outcome.datagrams += 1;
        outcome.cut_short |= message.flags.contains(MsgFlags::MSG_CTRUNC);
        let (stamp, dropped) = told(&message);
        outcome.dropped = dropped.or(outcome.dropped);
        if let Some(from) = message.address {
            each(Datagram { from: from.into(), stamp, bytes: message.iovs().next().unwrap_or_default() });
        }
    }
    outcome.empty = outcome.datagrams < BATCH;
    outcome
}

fn nothing(empty: bool) -> Outcome {
    Outcome { datagrams: 0, empty, dropped: None, cut_short: false }
}

/// The timestamp, and the drops so far.
fn told<S>(message: &RecvMsg<'_, '_, S>) -> (Option<i64>, Option<u32>) {
    let (mut stamp, mut dropped) = (None, None);
    for control in message.cmsgs().into_iter().flatten() {
        if let ControlMessageOwned::ScmTimestampns(time) = control {
            stamp = Some(nanos(time));
        } else if let ControlMessageOwned::RxqOvfl(count) = control {
            dropped = Some(count);
        }
    }
    (stamp, dropped)
}

fn address_of(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|a| SocketAddr::from(*a));
    v4.or_else(|| storage.as_sockaddr_in6().map(|a| SocketAddr::from(*a)))
}
