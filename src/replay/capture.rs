//! Captures as they lie on a disk: pcap and pcapng, to frames with their time and link type.

use std::fmt;
use std::io::{self, Read};
use std::time::Duration;

use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::PcapNgReader;
use pcap_file::pcapng::blocks::Block;
use pcap_file::{DataLink, PcapError};
use siprec_core::time::Wall;

/// First bytes of a pcapng file: the type of its section header block.
const PCAPNG_MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// One captured frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// When it was captured.
    pub(super) at: Wall,
    /// What its first header is.
    pub(super) link: DataLink,
    /// Its bytes, perhaps cut by the capture's snap length.
    pub(super) bytes: Vec<u8>,
}

/// Why a capture can't be read on.
#[derive(Debug)]
pub(super) struct Damaged {
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
pub(super) struct Capture<R: Read> {
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
    pub(super) fn open(mut file: R) -> Result<Self, Damaged> {
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
                let Some(link) = reader.interfaces().get(index).map(|i| i.linktype) else {
                    return Some(Err(PcapError::InvalidInterfaceId(interface)));
                };
                return Some(Ok(Frame { at: wall(timestamp), link, bytes }));
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

fn wall(since_epoch: Duration) -> Wall {
    Wall::default().after(since_epoch)
}
