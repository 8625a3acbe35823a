//! DSCP (RFC 2474) on what the server sends: SIP and RTCP, seen at the other end.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]
#![allow(unreachable_pub, reason = "a test crate has no outside")]

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;
use support::server::{Server, Setup};
use support::src::{Call, Src};
use support::studio::Plan;
use support::until;

const SIP_MARK: u8 = 24;
const RTCP_MARK: u8 = 46;
/// The first report comes within 2.5 s (RFC 3550 6.2).
const HEARD_WITHIN: Duration = Duration::from_secs(20);

fn ask_for_marks(socket: &UdpSocket) {
    if socket.local_addr().unwrap().is_ipv4() {
        setsockopt(socket, sockopt::IpRecvTos, &true).unwrap();
    } else {
        setsockopt(socket, sockopt::Ipv6RecvTClass, &true).unwrap();
    }
}

/// The DSCP of the next datagram, its two lowest bits (ECN) left out; none if there is no datagram.
fn mark(socket: &UdpSocket) -> Option<u8> {
    let mut datagram = [0_u8; 4096];
    let mut control = nix::cmsg_space!(u8, i32);
    let mut pieces = [IoSliceMut::new(&mut datagram)];
    let received =
        recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut pieces, Some(&mut control), MsgFlags::MSG_DONTWAIT).ok()?;
    let octet = received.cmsgs().unwrap().find_map(|message| {
        if let ControlMessageOwned::Ipv4Tos(octet) = message {
            return Some(octet);
        }
        if let ControlMessageOwned::Ipv6TClass(octet) = message { u8::try_from(octet).ok() } else { None }
    });
    Some(octet.expect("the kernel was asked to tell the mark") >> 2)
}

fn options(server: SocketAddr, socket: &UdpSocket) {
    let own = socket.local_addr().unwrap();
    let text = format!(
        "OPTIONS sip:srs@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKmark\r\nMax-Forwards: 70\r\n\
         From: <sip:src@{own}>;tag=m\r\nTo: <sip:srs@{server}>\r\nCall-ID: mark@src\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    socket.send_to(text.as_bytes(), server).unwrap();
}

/// The mark of an answer.
fn mark_of_sip(server: &Server) -> Option<u8> {
    let socket = UdpSocket::bind(SocketAddr::new(server.sip.ip(), 0)).unwrap();
    ask_for_marks(&socket);
    options(server.sip, &socket);
    until(HEARD_WITHIN, || mark(&socket))
}

fn reports_are_marked(server: &Server) {
    let call = Call::new(&Src::udp(server.sip), 0);
    for leg in call.legs() {
        ask_for_marks(&leg.rtcp);
    }
    call.must_invite();
    call.talk(&Plan::seconds(4.0));
    for leg in call.legs() {
        assert_eq!(until(HEARD_WITHIN, || mark(&leg.rtcp)), Some(RTCP_MARK));
    }
    call.finish();
}

#[test]
fn sip_and_reports_are_marked() {
    for ip in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        let server = Setup::on(ip).set("server.dscp=CS3").set("media.dscp=EF").start();
        assert_eq!(mark_of_sip(&server), Some(SIP_MARK));
        reports_are_marked(&server);
    }
}

#[test]
fn what_nobody_asked_to_mark_is_not() {
    let server = Setup::default().start();
    assert_eq!(mark_of_sip(&server), Some(0));
}
