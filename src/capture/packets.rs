//! From captured frames to what a socket would have got: UDP payloads and TCP segments, IP fragments put together.

use std::net::{IpAddr, SocketAddr};

use etherparse::defrag::IpDefragPool;
use etherparse::{EtherType, IpNumber, LaxNetSlice, LaxSlicedPacket, SlicedPacket, TcpSlice, TransportSlice, UdpSlice};
use pcap_file::DataLink;
use siprec_core::time::Wall;

use super::file::Frame;

/// Fragments of a datagram that has not come together in this time are given up.
const FRAGMENTS_LIVE_NS: i64 = 30_000_000_000;
/// How often fragments are looked through for those that are given up, in packets.
const FRAGMENT_SWEEP: u64 = 10_000;

/// What a socket would have got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) at: Wall,
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) content: Content,
}

/// By transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// A datagram.
    Udp(Vec<u8>),
    /// A segment of a stream.
    Tcp(Segment),
}

/// A TCP segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) sequence: u32,
    pub(crate) syn: bool,
    pub(crate) fin: bool,
    pub(crate) payload: Vec<u8>,
}

/// Decodes frames; holds the fragments that wait for others.
#[derive(Default)]
pub(crate) struct Decoder {
    fragments: IpDefragPool<Wall, ()>,
    frames: u64,
}

impl Decoder {
    /// The packet that `frame` holds or completes; `None` for everything that is not UDP or TCP over IP.
    pub(crate) fn decode(&mut self, frame: &Frame) -> Option<Packet> {
        self.frames += 1;
        if self.frames.is_multiple_of(FRAGMENT_SWEEP) {
            let at = frame.at;
            self.fragments.retain(|since| at.nanos_since(*since) < FRAGMENTS_LIVE_NS);
        }
        let (ether_type, bytes) = network_layer(frame.link, &frame.bytes)?;
        let lax = match ether_type {
            Some(ether_type) => LaxSlicedPacket::from_ether_type(ether_type, bytes),
            None => LaxSlicedPacket::from_ip(bytes).ok()?,
        };
        let (source, destination, fragmented) = addresses(lax.net.as_ref()?)?;
        if fragmented {
            return self.defragment(frame, ether_type, bytes, source, destination);
        }
        let (from_port, to_port, content) = match lax.transport? {
            TransportSlice::Udp(udp) => udp_content(&udp),
            TransportSlice::Tcp(tcp) => tcp_content(&tcp),
            TransportSlice::Icmpv4(_) | TransportSlice::Icmpv6(_) | TransportSlice::Igmp(_) => return None,
        };
        let (from, to) = (SocketAddr::new(source, from_port), SocketAddr::new(destination, to_port));
        Some(Packet { at: frame.at, from, to, content })
    }

    fn defragment(
        &mut self,
        frame: &Frame,
        ether_type: Option<EtherType>,
        bytes: &[u8],
        source: IpAddr,
        destination: IpAddr,
    ) -> Option<Packet> {
        let sliced = match ether_type {
            Some(ether_type) => SlicedPacket::from_ether_type(ether_type, bytes).ok()?,
            None => SlicedPacket::from_ip(bytes).ok()?,
        };
        let whole = self.fragments.process_sliced_packet(&sliced, frame.at, ()).ok()??;
        let (from_port, to_port, content) = match whole.ip_number {
            IpNumber::UDP => udp_content(&UdpSlice::from_slice_lax(&whole.payload).ok()?),
            IpNumber::TCP => tcp_content(&TcpSlice::from_slice(&whole.payload).ok()?),
            _ => return None,
        };
        let (from, to) = (SocketAddr::new(source, from_port), SocketAddr::new(destination, to_port));
        self.fragments.return_buf(whole);
        Some(Packet { at: frame.at, from, to, content })
    }
}

fn udp_content(udp: &UdpSlice<'_>) -> (u16, u16, Content) {
    (udp.source_port(), udp.destination_port(), Content::Udp(udp.payload().to_vec()))
}

fn tcp_content(tcp: &TcpSlice<'_>) -> (u16, u16, Content) {
    let segment = Segment {
        sequence: tcp.sequence_number(),
        syn: tcp.syn(),
        fin: tcp.fin() || tcp.rst(),
        payload: tcp.payload().to_vec(),
    };
    (tcp.source_port(), tcp.destination_port(), Content::Tcp(segment))
}

fn addresses(net: &LaxNetSlice<'_>) -> Option<(IpAddr, IpAddr, bool)> {
    match net {
        LaxNetSlice::Ipv4(v4) => {
            let header = v4.header();
            let (source, destination) = (header.source_addr().into(), header.destination_addr().into());
            Some((source, destination, header.is_fragmenting_payload()))
        }
        LaxNetSlice::Ipv6(v6) => {
            let (source, destination) = (v6.header().source_addr().into(), v6.header().destination_addr().into());
            Some((source, destination, v6.payload().fragmented))
        }
        LaxNetSlice::Arp(_) => None,
    }
}

/// What follows the link layer's header, and its EtherType where there is one (VLAN tags are inside).
fn network_layer(link: DataLink, frame: &[u8]) -> Option<(Option<EtherType>, &[u8])> {
    const ETHERNET: usize = 14;
    const LINUX_SLL: usize = 16;
    const LINUX_SLL2: usize = 20;
    let ether_type = |at: usize| {
        let bytes = frame.get(at..at + 2)?;
        Some(Some(EtherType(u16::from_be_bytes([bytes[0], bytes[1]]))))
    };
    // Four bytes of address family, in the byte order of whoever captured it.
    const LOOPBACK: usize = 4;
    if link == DataLink::ETHERNET {
        Some((ether_type(12)?, frame.get(ETHERNET..)?))
    } else if link == DataLink::LINUX_SLL {
        Some((ether_type(14)?, frame.get(LINUX_SLL..)?))
    } else if link == DataLink::LINUX_SLL2 {
        Some((ether_type(0)?, frame.get(LINUX_SLL2..)?))
    } else if [DataLink::RAW, DataLink::IPV4, DataLink::IPV6].contains(&link) {
        Some((None, frame))
    } else if [DataLink::NULL, DataLink::LOOP].contains(&link) {
        Some((None, frame.get(LOOPBACK..)?))
    } else {
        None
    }
}
