//! Captures and journals as UDP datagrams: pcap and pcapng, just enough of both, read without the server's code.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

const PCAPNG_SECTION: u32 = 0x0A0D_0D0A;
const PCAPNG_INTERFACE: u32 = 1;
const PCAPNG_PACKET: u32 = 6;
const OPTION_NAME: u16 = 2;
const OPTION_RESOLUTION: u16 = 9;
const PCAP_MICROS: u32 = 0xA1B2_C3D4;
const PCAP_NANOS: u32 = 0xA1B2_3C4D;
const ETHERNET: u32 = 1;
const COOKED: u32 = 113;
const COOKED_2: u32 = 276;
const UDP: u8 = 17;

/// A datagram of a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// Nanoseconds since 1970.
    pub at: i64,
    /// The interface's name, where the capture has names.
    pub interface: String,
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub payload: Vec<u8>,
}

impl Datagram {
    /// SSRC and sequence, if it looks like RTP of a G.711 or event payload.
    pub fn rtp(&self) -> Option<(u32, u16)> {
        let p = &self.payload;
        let kind = p.get(1)? & 0x7F;
        let looks = p.len() >= 12 && p[0] >> 6 == 2 && !(64..96).contains(&kind);
        looks.then(|| (u32::from_be_bytes([p[8], p[9], p[10], p[11]]), u16::from_be_bytes([p[2], p[3]])))
    }
}

/// All UDP datagrams of a file; a torn end is left out, anything else that is wrong is an error.
pub fn read(path: &Path) -> Result<Vec<Datagram>, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let found = if word(&bytes, 0) == Some(PCAPNG_SECTION) { read_pcapng(&bytes) } else { read_pcap(&bytes) };
    found.map_err(|e| format!("{}: {e}", path.display()))
}

struct Interface {
    link: u32,
    name: String,
    /// Time units a second.
    units: i64,
}

fn read_pcapng(bytes: &[u8]) -> Result<Vec<Datagram>, String> {
    let (mut out, mut interfaces, mut at) = (Vec::new(), Vec::<Interface>::new(), 0);
    while let (Some(kind), Some(length)) = (word(bytes, at), word(bytes, at + 4)) {
        let length = length as usize;
        if length < 12 || !length.is_multiple_of(4) {
            return Err(format!("a block of {length} bytes at {at}"));
        }
        let Some(block) = bytes.get(at..at + length) else { break };
        if word(block, length - 4) != Some(u32::try_from(length).unwrap()) {
            return Err(format!("the block at {at} does not end as it began"));
        }
        match kind {
            PCAPNG_SECTION => interfaces.clear(),
            PCAPNG_INTERFACE => interfaces.push(interface(block)),
            PCAPNG_PACKET => {
                let number = word(block, 8).unwrap_or(0) as usize;
                let interface =
                    interfaces.get(number).ok_or(format!("interface {number} at {at} was never described"))?;
                let units = i64::from(word(block, 12).unwrap_or(0)) << 32 | i64::from(word(block, 16).unwrap_or(0));
                let captured = word(block, 20).unwrap_or(0) as usize;
                let frame = block.get(28..28 + captured).ok_or(format!("a packet longer than its block at {at}"))?;
                let time =
                    units / interface.units * 1_000_000_000 + units % interface.units * 1_000_000_000 / interface.units;
                out.extend(datagram(time, &interface.name, interface.link, frame));
            }
            _ => {}
        }
        at += length;
    }
    Ok(out)
}

fn interface(block: &[u8]) -> Interface {
    let mut found = Interface { link: u32::from(half(block, 8).unwrap_or(0)), name: String::new(), units: 1_000_000 };
    let mut at = 16;
    while let (Some(code), Some(length)) = (half(block, at), half(block, at + 2)) {
        let length = usize::from(length);
        let Some(value) = block.get(at + 4..at + 4 + length).filter(|_| code != 0) else { break };
        match code {
            OPTION_NAME => found.name = String::from_utf8_lossy(value).into_owned(),
            OPTION_RESOLUTION => found.units = 10i64.pow(u32::from(value.first().copied().unwrap_or(6) & 0x7F)),
            _ => {}
        }
        at += 4 + length.div_ceil(4) * 4;
    }
    found
}

fn read_pcap(bytes: &[u8]) -> Result<Vec<Datagram>, String> {
    let unit = match word(bytes, 0) {
        Some(PCAP_MICROS) => 1000,
        Some(PCAP_NANOS) => 1,
        other => return Err(format!("not a capture: it begins {other:x?}")),
    };
    let link = word(bytes, 20).unwrap_or(0);
    let (mut out, mut at) = (Vec::new(), 24);
    while let (Some(seconds), Some(part), Some(length)) = (word(bytes, at), word(bytes, at + 4), word(bytes, at + 8)) {
        let Some(frame) = bytes.get(at + 16..at + 16 + length as usize) else { break };
        let time = i64::from(seconds) * 1_000_000_000 + i64::from(part) * unit;
        out.extend(datagram(time, "", link, frame));
        at += 16 + length as usize;
    }
    Ok(out)
}

fn datagram(at: i64, interface: &str, link: u32, frame: &[u8]) -> Option<Datagram> {
    let packet = match link {
        ETHERNET => frame.get(14..)?,
        COOKED => frame.get(16..)?,
        COOKED_2 => frame.get(20..)?,
        _ => frame,
    };
    let (from, to, udp): (IpAddr, IpAddr, &[u8]) = match packet.first()? >> 4 {
        4 => {
            let length = usize::from(half_be(packet, 2)?);
            if packet[9..].first() != Some(&UDP) {
                return None;
            }
            let ip = |n: usize| packet.get(n..n + 4).map(|b| Ipv4Addr::new(b[0], b[1], b[2], b[3]).into());
            (ip(12)?, ip(16)?, packet.get(usize::from(packet[0] & 15) * 4..length)?)
        }
        6 => {
            if packet.get(6) != Some(&UDP) {
                return None;
            }
            let ip = |n: usize| <[u8; 16]>::try_from(packet.get(n..n + 16)?).ok().map(|b| Ipv6Addr::from(b).into());
            (ip(8)?, ip(24)?, packet.get(40..40 + usize::from(half_be(packet, 4)?))?)
        }
        _ => return None,
    };
    let (from, to) = (SocketAddr::new(from, half_be(udp, 0)?), SocketAddr::new(to, half_be(udp, 2)?));
    Some(Datagram {
        at,
        interface: interface.into(),
        from,
        to,
        payload: udp.get(8..usize::from(half_be(udp, 4)?))?.to_vec(),
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn half_be(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}
