//! The file that is written: pcapng or pcap, of raw IP, with nanoseconds. It has its name when it is whole.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::BufWriter;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use etherparse::PacketBuilder;
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::{DataLink, TsResolution};
use siprec_core::time::Wall;

/// Longer than any packet: a datagram's 65,535 bytes and an IPv6 header.
const SNAP_LENGTH: u32 = 65_575;
const NANOSECONDS: u8 = 9;
const TTL: u8 = 64;
const WINDOW: u16 = 65_535;

/// A capture that is written.
pub(super) struct Output {
    format: Format,
    /// Its name until it is whole.
    part: PathBuf,
    path: PathBuf,
}

enum Format {
    Pcap(PcapWriter<BufWriter<File>>),
    PcapNg(PcapNgWriter<BufWriter<File>>),
}

/// A segment's place in its connection.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) sequence: u32,
    /// None: the first of its connection, which acknowledges nothing.
    pub(super) acknowledged: Option<u32>,
    pub(super) syn: bool,
    pub(super) fin: bool,
}

impl Output {
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let part = part_of(path);
        let file = File::create(&part).with_context(|| format!("{}: cannot be written", part.display()))?;
        let file = BufWriter::new(file);
        let is_pcap = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("pcap"));
        let format = if is_pcap {
            let header = PcapHeader {
                snaplen: SNAP_LENGTH,
                datalink: DataLink::RAW,
                ts_resolution: TsResolution::NanoSecond,
                ..PcapHeader::default()
            };
            Format::Pcap(PcapWriter::with_header(file, header)?)
        } else {
            let mut writer = PcapNgWriter::new(file)?;
            writer.write_pcapng_block(InterfaceDescriptionBlock {
                linktype: DataLink::RAW,
                snaplen: SNAP_LENGTH,
                options: vec![
                    InterfaceDescriptionOption::IfTsResol(NANOSECONDS),
                    InterfaceDescriptionOption::IfName(Cow::Borrowed("anonymised")),
                ],
            })?;
            Format::PcapNg(writer)
        };
        Ok(Self { format, part, path: path.to_owned() })
    }

    /// Writes a datagram; `false` where it is too long for one.
    pub(super) fn datagram(
        &mut self,
        at: Wall,
        from: SocketAddr,
        to: SocketAddr,
        payload: &[u8],
    ) -> anyhow::Result<bool> {
        let mut packet = Vec::with_capacity(payload.len() + 48);
        let ports = (from.port(), to.port());
        let built = match (from.ip(), to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                PacketBuilder::ipv4(from.octets(), to.octets(), TTL).udp(ports.0, ports.1).write(&mut packet, payload)
            }
            (from, to) => PacketBuilder::ipv6(v6(from), v6(to), TTL).udp(ports.0, ports.1).write(&mut packet, payload),
        };
        if built.is_err() {
            return Ok(false);
        }
        self.packet(at, packet)?;
        Ok(true)
    }

    /// Writes a segment.
    pub(super) fn segment(
        &mut self,
        at: Wall,
        (from, to): (SocketAddr, SocketAddr),
        place: Place,
        payload: &[u8],
    ) -> anyhow::Result<()> {
        let mut packet = Vec::with_capacity(payload.len() + 60);
        let builder = match (from.ip(), to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => PacketBuilder::ipv4(from.octets(), to.octets(), TTL),
            (from, to) => PacketBuilder::ipv6(v6(from), v6(to), TTL),
        };
        let mut builder = builder.tcp(from.port(), to.port(), place.sequence, WINDOW);
        if let Some(acknowledged) = place.acknowledged {
            builder = builder.ack(acknowledged);
        }
        if place.syn {
            builder = builder.syn();
        }
        if place.fin {
            builder = builder.fin();
        }
        if !payload.is_empty() {
            builder = builder.psh();
        }
        builder.write(&mut packet, payload)?;
        self.packet(at, packet)
    }

    fn packet(&mut self, at: Wall, packet: Vec<u8>) -> anyhow::Result<()> {
        let since = Duration::from_nanos(u64::try_from(at.0).unwrap_or(0));
        let length = u32::try_from(packet.len()).unwrap_or(u32::MAX);
        let written = match &mut self.format {
            Format::Pcap(writer) => writer.write_packet(&PcapPacket::new_owned(since, length, packet)),
            Format::PcapNg(writer) => writer.write_pcapng_block(EnhancedPacketBlock {
                interface_id: 0,
                timestamp: since,
                original_len: length,
                data: Cow::Owned(packet),
                options: Vec::new(),
            }),
        };
        written.with_context(|| format!("{}: cannot be written", self.part.display())).map(drop)
    }

    /// Gives the whole file its name.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        let told = || format!("{}: cannot be written", self.part.display());
        let file = match self.format {
            Format::Pcap(writer) => writer.into_writer(),
            Format::PcapNg(writer) => writer.into_inner(),
        };
        file.into_inner().map_err(|error| error.into_error()).with_context(told)?;
        fs::rename(&self.part, &self.path).with_context(|| format!("{}: cannot be written", self.path.display()))
    }
}

/// What a file is called until it is whole.
pub(super) fn part_of(path: &Path) -> PathBuf {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    PathBuf::from(part)
}

fn v6(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}
