//! Many datagrams a system call, with the kernel's timestamps, into memory that is allocated once.

use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrIn, SockaddrIn6, SockaddrLike, recvmmsg,
};
use nix::sys::time::TimeSpec;

use crate::server::clock::nanos;

/// Datagrams a system call at most.
const BATCH: usize = 16;
/// No UDP payload is longer.
const DATAGRAM_BYTES: usize = 65_536;

/// What SO_MEMINFO tells, and where in it the drops stand (linux/sock_diag.h).
const MEMINFO_WORDS: usize = 9;
const MEMINFO_DROPS: usize = 8;

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
}

/// A worker's receive memory.
pub(super) struct Receiver {
    v4: MultiHeaders<SockaddrIn>,
    v6: MultiHeaders<SockaddrIn6>,
    buffers: Vec<u8>,
}

impl Receiver {
    pub(super) fn new() -> Self {
        Self {
            v4: MultiHeaders::preallocate(BATCH, Some(cmsg_space!(TimeSpec))),
            v6: MultiHeaders::preallocate(BATCH, Some(cmsg_space!(TimeSpec))),
            buffers: vec![0; BATCH * DATAGRAM_BYTES],
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
    let mut outcome = Outcome { datagrams: 0, empty: false };
    for message in messages {
        outcome.datagrams += 1;
        let stamp = stamp(&message);
        if let Some(from) = message.address {
            each(Datagram { from: from.into(), stamp, bytes: message.iovs().next().unwrap_or_default() });
        }
    }
    outcome.empty = outcome.datagrams < BATCH;
    outcome
}

fn nothing(empty: bool) -> Outcome {
    Outcome { datagrams: 0, empty }
}

fn stamp<S>(message: &RecvMsg<'_, '_, S>) -> Option<i64> {
    let time = |control| if let ControlMessageOwned::ScmTimestampns(time) = control { Some(nanos(time)) } else { None };
    message.cmsgs().into_iter().flatten().find_map(time)
}

/// What the kernel has dropped on a socket since it was opened, for want of room or because a sum was wrong: the same
/// count that SO_RXQ_OVFL puts beside datagrams, asked for once a second in place of at each packet. `None` before Linux
/// 4.12.
pub(super) fn dropped(socket: &UdpSocket) -> Option<u32> {
    let mut told = [0_u32; MEMINFO_WORDS];
    let mut length = libc::socklen_t::try_from(size_of_val(&told)).ok()?;
    // SAFETY: the kernel writes at most `length` octets to `told`, which has so many, and how many they were to `length`;
    // any value is a valid u32.
    let done = unsafe {
        let (to, length) = (told.as_mut_ptr().cast(), &raw mut length);
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_MEMINFO, to, length)
    };
    (done == 0 && length as usize >= size_of_val(&told)).then(|| told[MEMINFO_DROPS])
}
