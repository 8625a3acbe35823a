//! Captures, journals and files with one message, as what went by: SIP messages and datagrams.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use indicatif::ProgressBar;
use siprec_core::entry::{Kind, Protected};
use siprec_core::journal;
use siprec_core::sip::message::MAX_MESSAGE;
use siprec_core::sip::{Message, Transport};
use siprec_core::time::Wall;

use super::tls::{KeyLog, TlsStreams};
use crate::archive::disk::{Disk as _, Reading};
use crate::archive::sealed::{SealedDisk, is_sealed};
use crate::capture::{Capture, Content, Decoder, SipStreams, looks_like_sip, session_of};

/// Bytes read from a file at a time.
const READ_BYTES: usize = 1 << 20;
/// Bytes of a journal decoded at a time.
const CHUNK_BYTES: usize = 256 << 10;
/// Ends of a message that stands alone in a file, where it names none (RFC 5737).
const NOBODY: ([u8; 4], [u8; 4]) = ([192, 0, 2, 1], [192, 0, 2, 2]);

/// One thing that went by.
pub(super) struct Item<'a> {
    pub(super) at: Wall,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) content: Passed<'a>,
}

/// What it was.
pub(super) enum Passed<'a> {
    /// A SIP message.
    Message(Transport, &'a [u8]),
    /// A SIP message of a call whose RTP goes by unseen.
    #[cfg_attr(not(feature = "api"), expect(dead_code, reason = "only a server tells of such"))]
    Signalling(Transport, &'a [u8]),
    /// Another datagram; `plain`: its SRTP was opened already.
    Datagram { bytes: &'a [u8], plain: bool },
}

/// Reads files, one after the other: what a connection or a datagram has in the next one is put together.
pub(super) struct Reader {
    disk: Arc<SealedDisk>,
    decoder: Decoder,
    streams: SipStreams,
    /// Where keys of TLS are at hand.
    tls: Option<TlsStreams>,
    progress: ProgressBar,
}

impl Reader {
    pub(super) fn new(disk: Arc<SealedDisk>, keys: Option<KeyLog>, progress: ProgressBar) -> Self {
        let tls = keys.map(TlsStreams::new);
        Self { disk, decoder: Decoder::default(), streams: SipStreams::default(), tls, progress }
    }

    /// Why TLS connections could not be read, in words.
    pub(super) fn troubles(&self) -> Vec<String> {
        let all = self.tls.iter().flat_map(TlsStreams::troubles);
        all.map(|(one, other, trouble)| format!("TLS between {one} and {other}: {trouble}")).collect()
    }

    /// Reads a file. What could be read of a damaged one was given to `sink` before the damage is told.
    pub(super) fn read(&mut self, path: &Path, sink: &mut dyn FnMut(Item<'_>)) -> anyhow::Result<()> {
        let file: Box<dyn Read> = if path == Path::new("-") {
            Box::new(io::stdin())
        } else if is_sealed(path) {
            Box::new(Reading::of(self.disk.open_read(path)?))
        } else {
            Box::new(File::open(path).context("cannot be opened")?)
        };
        self.read_from(file, sink)
    }

    /// Reads what is a file elsewhere.
    pub(super) fn read_from(&mut self, file: impl Read, sink: &mut dyn FnMut(Item<'_>)) -> anyhow::Result<()> {
        let mut file = BufReader::with_capacity(READ_BYTES, self.progress.wrap_read(file));
        if session_of(&mut file)?.is_some() {
            return journal_entries(file, sink);
        }
        if is_message(file.fill_buf()?) {
            return one_message(file, sink);
        }
        for frame in Capture::open(file)? {
            let Some(packet) = self.decoder.decode(&frame?) else { continue };
            let (at, from, to) = (packet.at, packet.from, packet.to);
            match packet.content {
                Content::Udp(bytes) if looks_like_sip(&bytes) => {
                    sink(Item { at, from, to, content: Passed::Message(Transport::Udp, &bytes) });
                }
                Content::Udp(bytes) => {
                    sink(Item { at, from, to, content: Passed::Datagram { bytes: &bytes, plain: false } });
                }
                Content::Tcp(segment) => {
                    if let Some(tls) = &mut self.tls {
                        for message in &tls.push(from, to, segment.sequence, segment.syn, &segment.payload) {
                            sink(Item { at, from, to, content: Passed::Message(Transport::Tls, message) });
                        }
                    }
                    for message in self.streams.push(from, to, segment).iter().filter(|bytes| looks_like_sip(bytes)) {
                        sink(Item { at, from, to, content: Passed::Message(Transport::Tcp, message) });
                    }
                }
            }
        }
        Ok(())
    }
}

/// Whether a file that begins so is a message. A capture may begin with a letter, and hold a message in its first line.
fn is_message(start: &[u8]) -> bool {
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    looks_like_sip(start) && !line.contains(&0)
}

/// The order in which captures are read: by their first packets. As they were named, where one does not tell.
pub(super) fn by_time(files: Vec<PathBuf>) -> Vec<PathBuf> {
    if files.len() < 2 {
        return files;
    }
    let began = |path: &PathBuf| {
        let file = File::open(path).ok().filter(|_| path != Path::new("-") && !is_sealed(path))?;
        let first = Capture::open(BufReader::new(file)).ok()?.next()?.ok()?;
        Some(first.at)
    };
    let Some(mut timed) = files.iter().map(|file| Some((began(file)?, file.clone()))).collect::<Option<Vec<_>>>()
    else {
        return files;
    };
    timed.sort_by_key(|(at, _)| *at);
    timed.into_iter().map(|(_, file)| file).collect()
}

fn journal_entries(mut file: impl Read, sink: &mut dyn FnMut(Item<'_>)) -> anyhow::Result<()> {
    let mut reader = journal::Reader::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = file.read(&mut chunk)?;
        match read {
            0 => reader.finish(),
            n => reader.push(&chunk[..n]),
        }
        while let Some(entry) = reader.next() {
            let at = entry.at;
            match entry.kind {
                Kind::Sip { transport, from, to, message, .. } => {
                    sink(Item { at, from, to, content: Passed::Message(transport, message) });
                }
                Kind::Rtp { from, to, packet, protected, .. } => {
                    let plain = protected != Some(Protected::Sealed);
                    sink(Item { at, from, to, content: Passed::Datagram { bytes: packet, plain } });
                }
                Kind::Rtcp { from, to, packet, .. } => {
                    sink(Item { at, from, to, content: Passed::Datagram { bytes: packet, plain: true } });
                }
                Kind::Event(_) | Kind::Checkpoint(_) => {}
            }
        }
        if read == 0 {
            break;
        }
    }
    let damage = reader.damage();
    if damage.is_serious() {
        bail!("the journal is damaged: {damage:?}");
    }
    Ok(())
}

/// A file that is a message: its ends are as its topmost Via tells.
fn one_message(file: impl Read, sink: &mut dyn FnMut(Item<'_>)) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_MESSAGE).unwrap_or(u64::MAX);
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_MESSAGE {
        bail!("this is no capture, and too long for a SIP message ({MAX_MESSAGE} bytes at most)");
    }
    let parsed = Message::parse_datagram(&bytes);
    let message = parsed.as_ref().ok().or_else(|| parsed.as_ref().err()?.answerable.as_deref());
    let via = message.and_then(Message::via_top);
    let transport = match via.as_ref().map(|via| via.transport.to_ascii_uppercase()).as_deref() {
        Some("TCP") => Transport::Tcp,
        Some("TLS") => Transport::Tls,
        _ => Transport::Udp,
    };
    let host = via.as_ref().and_then(|via| via.host.trim_matches(['[', ']']).parse().ok());
    let port = via.and_then(|via| via.port).unwrap_or_else(|| transport.default_port());
    let from = SocketAddr::new(host.unwrap_or_else(|| NOBODY.0.into()), port);
    let to = SocketAddr::new(NOBODY.1.into(), transport.default_port());
    sink(Item { at: Wall::default(), from, to, content: Passed::Message(transport, &bytes) });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_whose_first_packet_is_sip_is_no_message() {
        assert!(is_message(b"INVITE sip:a SIP/2.0\r\n") && is_message(b"SIP/2.0 200 OK\n"));
        // The magic of a pcap with nanoseconds begins with a letter.
        assert!(!is_message(b"M<\xb2\xa1\x02\x00\x04\x00\x00INVITE sip:a SIP/2.0\r\n"));
    }
}
