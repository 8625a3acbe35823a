//! Captures as they lie on a disk: pcap and pcapng, to frames with their time and link type.

use std::fmt;
use std::io::{self, Read};
use std::time::Duration;

use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::PcapNgReader;
use pcap_file::pcapng::blocks::Block;
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::{DataLink, PcapError};
use siprec_core::time::Wall;

/// First bytes of a pcapng file: the type of its section header block.
const PCAPNG_MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// An interface's resolution where it says none: 10 to the power of -6 s.
const MICROSECONDS: u8 = 6;
const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// One captured frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    /// When it was captured.
    pub(crate) at: Wall,
    /// What its first header is.
    pub(crate) link: DataLink,
    /// Its bytes, perhaps cut by the capture's snap length.
    pub(crate) bytes: Vec<u8>,
}

/// Why a capture can't be read on.
#[derive(Debug)]
pub(crate) struct Damaged {
    /// Frames that could be read before.
    frames: u64,
    cause: PcapError,
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.frames {
            0 => write!(f, "this is neither pcap nor pcapng, or it is damaged at its start: {}", self.cause),
            n => write!(f, "the capture is damaged or cut off after packet {n}: {}", self.cause),
        }
    }
}

impl std::error::Error for Damaged {}

/// Frames of a capture, in the file's order.
pub(crate) struct Capture<R: Read> {
    format: Format<Counting<R>>,
    frames: u64,
    over: bool,
}

enum Format<R: Read> {
    Pcap(Box<PcapReader<R>>),
    PcapNg(Box<PcapNgReader<R>>),
}

/// The first bytes again, then the rest.
type Counting<R> = io::Chain<io::Cursor<Vec<u8>>, R>;

impl<R: Read> Capture<R> {
    /// Reads the file's header.
    pub(crate) fn open(mut file: R) -> Result<Self, Damaged> {
        let mut magic = Vec::with_capacity(PCAPNG_MAGIC.len());
        let damaged = |cause| Damaged { frames: 0, cause };
        file.by_ref().take(4).read_to_end(&mut magic).map_err(|e| damaged(PcapError::IoError(e)))?;
        let is_pcapng = magic == PCAPNG_MAGIC;
        let whole = io::Cursor::new(magic).chain(file);
        let format = if is_pcapng {
            Format::PcapNg(Box::new(PcapNgReader::new(whole).map_err(damaged)?))
        } else {
            Format::Pcap(Box::new(PcapReader::new(whole).map_err(damaged)?))
        };
        Ok(Self { format, frames: 0, over: false })
    }

    fn read(&mut self) -> Option<Result<Frame, PcapError>> {
        match &mut self.format {
            Format::Pcap(reader) => {
                let link = reader.header().datalink;
                let packet = match reader.next_packet()? {
                    Ok(packet) => packet,
                    Err(cause) => return Some(Err(cause)),
                };
                Some(Ok(Frame { at: wall(packet.timestamp), link, bytes: packet.data.into_owned() }))
            }
            Format::PcapNg(reader) => loop {
                let (interface, timestamp, bytes) = match reader.next_block()? {
                    Err(cause) => return Some(Err(cause)),
                    Ok(Block::EnhancedPacket(p)) => (p.interface_id, p.timestamp, p.data.into_owned()),
                    Ok(_) => continue,
                };
                let index = usize::try_from(interface).unwrap_or(usize::MAX);
                let Some(interface) = reader.interfaces().get(index) else {
                    return Some(Err(PcapError::InvalidInterfaceId(interface)));
                };
                return Some(Ok(Frame { at: moment(interface, timestamp), link: interface.linktype, bytes }));
            },
        }
    }
}

impl<R: Read> Iterator for Capture<R> {
    type Item = Result<Frame, Damaged>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        match self.read() {
            None => None,
            Some(Ok(frame)) => {
                self.frames += 1;
                Some(Ok(frame))
            }
            Some(Err(cause)) => {
                self.over = true;
                Some(Err(Damaged { frames: self.frames.max(1), cause }))
            }
        }
    }
}

/// Whether a file that begins so is pcapng.
pub(crate) fn is_pcapng(start: &[u8]) -> bool {
    start.starts_with(&PCAPNG_MAGIC)
}

/// The moment of a packet: the reader takes its ticks for nanoseconds, whatever the interface says that they are
/// (pcapng 4.2, if_tsresol and if_tsoffset; microseconds where it says nothing).
fn moment(interface: &InterfaceDescriptionBlock<'_>, ticks: Duration) -> Wall {
    let (mut resolution, mut offset_s) = (MICROSECONDS, 0);
    for option in &interface.options {
        if let InterfaceDescriptionOption::IfTsResol(told) = option {
            resolution = *told;
        } else if let InterfaceDescriptionOption::IfTsOffset(told) = option {
            offset_s = told.cast_signed();
        }
    }
    let power = u32::from(resolution & 0x7f);
    let base: u128 = if resolution & 0x80 == 0 { 10 } else { 2 };
    let per_second = base.checked_pow(power).unwrap_or(u128::MAX);
    let nanos = ticks.as_nanos().saturating_mul(NANOS_PER_SECOND) / per_second;
    let offset = offset_s.saturating_mul(1_000_000_000);
    Wall(i64::try_from(nanos).unwrap_or(i64::MAX).saturating_add(offset))
}

fn wall(since_epoch: Duration) -> Wall {
    Wall::default().after(since_epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_what_the_interface_says_that_they_are() {
        let at = |options| {
            let interface = InterfaceDescriptionBlock { linktype: DataLink::ETHERNET, snaplen: 0, options };
            moment(&interface, Duration::from_nanos(3_000_500)).0
        };
        assert_eq!(at(Vec::new()), 3_000_500_000);
        assert_eq!(at(vec![InterfaceDescriptionOption::IfTsResol(9)]), 3_000_500);
        assert_eq!(at(vec![InterfaceDescriptionOption::IfTsResol(3)]), 3_000_500_000_000);
        assert_eq!(at(vec![InterfaceDescriptionOption::IfTsResol(0x80 | 10)]), 2_930_175_781_250);
        assert_eq!(at(vec![InterfaceDescriptionOption::IfTsOffset(2)]), 5_000_500_000);
        assert_eq!(at(vec![InterfaceDescriptionOption::IfTsResol(0x7f)]), 0);
    }
}
