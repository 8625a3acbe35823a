//! `--write`: the packets of what matched, as a capture of its own.
//!
//! Each message and each datagram is a UDP packet in raw IP, with its own addresses and time: fragments are put together, and
//! what came over TCP is one packet a message, in clear. So other calls on the same connection stay out of it. (Journals and
//! `export --as pcap` show SIP so, too.)

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use pcap_file::DataLink;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::pcapng::{PcapNgBlock as _, PcapNgWriter};
use siprec_core::journal::datagram;
use siprec_core::sip::Message;
use siprec_core::time::Wall;
use siprec_core::trace::Story;

use super::reader::{Item, Passed};

/// Ticks of the file: 10 to the power of -9 s.
const NANOSECONDS: u8 = 9;
/// Longer than any packet.
const SNAP_LENGTH: u32 = 65_575;
/// Around a call's messages and streams, nanoseconds: reports before and after are of it.
const AROUND_NS: i64 = 5_000_000_000;

/// What belongs to the calls that matched.
struct Wanted<'a> {
    calls: BTreeSet<&'a str>,
    /// From when to when the two of a pair talked.
    pairs: BTreeMap<(SocketAddr, SocketAddr), (Wall, Wall)>,
}

/// Writes what is wanted, as it is read once more.
pub(super) struct Writing<'a> {
    wanted: Wanted<'a>,
    file: PcapNgWriter<BufWriter<File>>,
    scratch: Vec<u8>,
    packets: u64,
    failed: Option<anyhow::Error>,
}

impl<'a> Writing<'a> {
    /// For these calls, to `path`, which is none of the `inputs`.
    pub(super) fn begin(
        story: &'a Story,
        calls: &[usize],
        path: &Path,
        inputs: &[std::path::PathBuf],
    ) -> anyhow::Result<Self> {
        let same = |input: &std::path::PathBuf| {
            let (one, other) = (input.canonicalize().ok(), path.canonicalize().ok());
            one.is_some() && one == other
        };
        if inputs.iter().any(same) {
            bail!("--write {}: this is one of the files that are read; give it another name", path.display());
        }
        let failed = || format!("--write {}", path.display());
        let file = BufWriter::new(File::create(path).with_context(failed)?);
        let mut file = PcapNgWriter::new(file).with_context(failed)?;
        let interface = InterfaceDescriptionBlock {
            linktype: DataLink::RAW,
            snaplen: SNAP_LENGTH,
            options: vec![InterfaceDescriptionOption::IfTsResol(NANOSECONDS)],
        };
        file.write_block(&interface.into_block()).with_context(failed)?;
        Ok(Self { wanted: Wanted::of(story, calls), file, scratch: Vec::new(), packets: 0, failed: None })
    }

    /// Takes what went by.
    pub(super) fn take(&mut self, item: &Item<'_>) {
        let bytes = match item.content {
            Passed::Message(_, bytes) | Passed::Signalling(_, bytes) if self.wanted.has_message(bytes) => bytes,
            Passed::Datagram { bytes, .. } if self.wanted.has(item.from, item.to, item.at) => bytes,
            Passed::Message(..) | Passed::Signalling(..) | Passed::Datagram { .. } => return,
        };
        self.scratch.clear();
        datagram(&mut self.scratch, item.from, item.to, bytes);
        let block = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: Duration::from_nanos(u64::try_from(item.at.0).unwrap_or(0)),
            original_len: u32::try_from(self.scratch.len()).unwrap_or(u32::MAX),
            data: self.scratch.as_slice().into(),
            options: Vec::new(),
        };
        match self.file.write_block(&block.into_block()) {
            Ok(_) => self.packets += 1,
            Err(error) => self.failed = self.failed.take().or_else(|| Some(error.into())),
        }
    }

    /// All was read; how many packets were written.
    pub(super) fn finish(self, path: &Path) -> anyhow::Result<u64> {
        let failed = || format!("--write {}", path.display());
        if let Some(error) = self.failed {
            return Err(error).with_context(failed);
        }
        self.file.into_inner().flush().with_context(failed)?;
        Ok(self.packets)
    }
}

impl<'a> Wanted<'a> {
    fn of(story: &'a Story, calls: &[usize]) -> Self {
        let mut wanted = Self { calls: BTreeSet::new(), pairs: BTreeMap::new() };
        for &place in calls {
            let Some(call) = story.calls.get(place) else { continue };
            wanted.calls.insert(&call.id);
            for stream in story.streams_of(place, None) {
                let figures = stream.figures();
                let (from, to) = (figures.first_at.min(call.began_at), figures.last_at.max(call.last_at));
                wanted.add(stream.from, stream.to, (from, to));
                // RTCP, where it has a port of its own.
                let next = |a: SocketAddr| SocketAddr::new(a.ip(), a.port().saturating_add(1));
                wanted.add(next(stream.from), next(stream.to), (from, to));
            }
        }
        wanted
    }

    fn add(&mut self, one: SocketAddr, other: SocketAddr, (from, to): (Wall, Wall)) {
        for pair in [(one, other), (other, one)] {
            let span = self.pairs.entry(pair).or_insert((from, to));
            *span = (span.0.min(from), span.1.max(to));
        }
    }

    fn has(&self, from: SocketAddr, to: SocketAddr, at: Wall) -> bool {
        let span = self.pairs.get(&(from, to));
        span.is_some_and(|(from, to)| at.nanos_since(*from) >= -AROUND_NS && at.nanos_since(*to) <= AROUND_NS)
    }

    fn has_message(&self, bytes: &[u8]) -> bool {
        let message = Message::parse_datagram(bytes);
        message.is_ok_and(|message| message.call_id().is_some_and(|id| self.calls.contains(id)))
    }
}
