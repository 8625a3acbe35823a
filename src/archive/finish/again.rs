//! A recording rendered again from its journal: in another layout or format, as its sheet alone, or as its packets.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use sha2::{Digest as _, Sha256};
use siprec_core::entry::{Entry, Event, Kind, PortIndex, Protected, SegmentHeader};
use siprec_core::journal::encoder;
use siprec_core::node_key::NodeKey;
use siprec_core::render::{self, Detail, JournalSheet, Noted, Rendition, Sidecar, Unsealer};
use siprec_core::seed::Seed;
use siprec_core::time::Wall;

use super::files::Files;
use super::journals::Journal;
use super::plain::without_srtp;
use super::{FinishError, date_time};
use crate::archive::disk::Disk;
use crate::archive::recordings::hexadecimal;

/// Octets of packets that are handed to the disk at a time.
const WRITE_BLOCK: usize = 256 * 1024;

/// What a recording becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Audio files and a sheet that tells of them.
    Audio(Rendition),
    /// The sheet alone, as this version writes it.
    Sheet,
    /// Its signalling and its packets, for Wireshark.
    Packets,
}

/// The field of an answer of the API that says which rendition it is.
pub const RENDITION_FIELD: &str = "siprec-rendition";

/// What [`RENDITION_FIELD`] says, a dictionary (RFC 9651 3.2).
pub fn rendition_words(rendition: Rendition) -> String {
    format!("layout={}, format={}", rendition.layout.name(), rendition.format.name())
}

/// What tells renderings apart, in hexadecimal: where it is the same, so is each octet. `sheet` is of the recording in any rendition,
/// and `siprec` the version that renders.
pub fn rendering_tag(sheet: &Sidecar, rendition: Rendition, siprec: &str) -> String {
    let JournalSheet { path, segments, bytes } = &sheet.journal;
    let what = format!("{} {} {siprec} {segments} {bytes} {path}", sheet.id, rendition_words(rendition));
    hexadecimal(&Sha256::digest(what))
}

/// Writes the recording of `sidecar` once more, to `folder`, from the journal it was made from, its sheet without what is to
/// be left out (the packets have all of it), opening what is sealed in the journal by keys that `node_key` unwraps. Returns
/// the sheet of what is there now. The same journal gives the same octets; nothing below `data` is changed.
///
/// # Errors
/// [`FinishError::JournalGone`] where it was not kept, [`FinishError::Stopped`] soon after `stop` is set while there is audio
/// to mix; else what the journal's or the target's disk says.
pub fn render_again(
    disk: &dyn Disk,
    keys: (&Path, Option<&NodeKey>),
    sidecar: &Sidecar,
    form: Form,
    leave_out: &[Detail],
    (folder, stop): (&Path, &AtomicBool),
) -> Result<Sidecar, FinishError> {
    match render_from(disk, keys, sidecar, form, leave_out, (folder, stop)) {
        // A server put it away meanwhile: it is found in its day's folder.
        Err(FinishError::Journal { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            render_from(disk, keys, sidecar, form, leave_out, (folder, stop))
        }
        result => result,
    }
}

fn render_from(
    disk: &dyn Disk,
    (data, node_key): (&Path, Option<&NodeKey>),
    sidecar: &Sidecar,
    form: Form,
    leave_out: &[Detail],
    (folder, stop): (&Path, &AtomicBool),
) -> Result<Sidecar, FinishError> {
    let gone = || FinishError::JournalGone { path: data.join(&sidecar.journal.path) };
    let session = sidecar.recording_session.id.ok_or_else(gone)?;
    let failure = |source| FinishError::Journal { session, source };
    // Of a session that goes on it is not put away yet.
    let live = Journal::open(disk, data, session).map_err(failure)?;
    let kept = || Journal::open_at(disk, data, session, data.join(&sidecar.journal.path)).map_err(failure);
    let journal = match live {
        Some(journal) => journal,
        None => kept()?.ok_or_else(gone)?,
    };
    let mut noted = Noted::default();
    journal.read(&mut |entry| noted.entry(entry)).map_err(failure)?;
    let unsealer = Unsealer::new(noted, node_key, |take| journal.read(take)).map_err(failure)?;
    let entries = |take: &mut dyn FnMut(&Entry<'_>)| {
        let mut opening = unsealer.opening();
        journal.read(&mut |entry| opening.entry(entry, take)).map_err(failure)
    };
    let files = Files { disk, folder, stop, proof_key: None };
    let rendition = match form {
        Form::Audio(rendition) => rendition,
        Form::Sheet | Form::Packets => sidecar.rendition,
    };
    let mut plan = render::plan(sidecar.id, rendition, entries)?;
    if unsealer.lacks_node_key() {
        plan.sidecar.lacks_node_key();
    }
    plan.sidecar.journal = sidecar.journal.clone();
    plan.sidecar.leave_out(leave_out);
    match form {
        Form::Audio(_) => files.write(plan, &entries),
        Form::Sheet => {
            let mut sheet = plan.sidecar;
            // The audio is that of the archive.
            (sheet.files, sheet.rendition) = (sidecar.files.clone(), sidecar.rendition);
            files.write_alone(&format!("{}.json", sheet.id), |file| {
                file.write_at(0, &super::files::sheet(&sheet).map_err(io::Error::other)?)
            })?;
            Ok(sheet)
        }
        Form::Packets => {
            let scope = Scope::of(&plan.sidecar);
            let mut labels = BTreeMap::new();
            journal.read(&mut |entry| note_label(entry, &mut labels)).map_err(failure)?;
            files.write_alone(&format!("{}.pcapng", sidecar.id), |file| {
                let mut out = Packets { file, waiting: Vec::new(), written: 0, labels, begun: false, failed: None };
                let mut opening = unsealer.opening();
                journal.read(&mut |entry| opening.entry(entry, &mut |entry| out.take(entry, &scope)))?;
                out.flush();
                out.failed.map_or(Ok(()), Err)
            })?;
            Ok(plan.sidecar)
        }
    }
}

/// Interfaces are named before the first packet.
fn note_label(entry: &Entry<'_>, labels: &mut BTreeMap<PortIndex, Option<String>>) {
    match &entry.kind {
        Kind::Event(Event::Stream(stream)) => {
            labels.insert(stream.port, stream.label.clone());
        }
        Kind::Rtp { port, .. } | Kind::Rtcp { port, .. } => {
            labels.entry(*port).or_default();
        }
        Kind::Event(_) | Kind::Sip { .. } | Kind::Checkpoint(_) => {}
    }
}

/// Which of a session's packets are the recording's.
struct Scope {
    from: Wall,
    to: Wall,
    ports: Vec<u16>,
}

impl Scope {
    fn of(sheet: &Sidecar) -> Self {
        let time = |text: &str, otherwise| date_time(text).unwrap_or(Wall(otherwise));
        // The sheet's times are whole milliseconds.
        let to = time(&sheet.ended_at, i64::MAX);
        Self {
            from: time(&sheet.started_at, i64::MIN),
            to: Wall(to.0.saturating_add(1_000_000)),
            ports: sheet.streams.iter().map(|stream| stream.port).collect(),
        }
    }

    fn holds(&self, entry: &Entry<'_>) -> bool {
        let ours = |ports: [u16; 2]| {
            self.from <= entry.at
                && entry.at <= self.to
                && ports.iter().any(|port| self.ports.iter().any(|known| port == known || *port == known + 1))
        };
        match &entry.kind {
            // Without the offer and the answer nobody knows what the packets are.
            Kind::Sip { .. } => entry.at <= self.to,
            Kind::Rtp { protected: Some(Protected::Sealed), .. } => false,
            Kind::Rtp { to, .. } => ours([to.port(), to.port()]),
            Kind::Rtcp { from, to, .. } => ours([from.port(), to.port()]),
            Kind::Event(_) | Kind::Checkpoint(_) => false,
        }
    }
}

/// A capture of what is taken.
struct Packets<'f> {
    file: &'f dyn crate::archive::disk::DiskFile,
    waiting: Vec<u8>,
    written: u64,
    labels: BTreeMap<PortIndex, Option<String>>,
    begun: bool,
    failed: Option<io::Error>,
}

impl Packets<'_> {
    fn take(&mut self, entry: &Entry<'_>, scope: &Scope) {
        if let Kind::Event(Event::Segment(header)) = &entry.kind
            && !std::mem::replace(&mut self.begun, true)
        {
            let streams: Vec<_> = self.labels.iter().map(|(port, label)| (*port, label.as_deref())).collect();
            // What the server drew its ids from, and how it is set up, is nobody's business.
            let header = SegmentHeader { seed: Seed([0; 32]), config: Arc::default(), ..header.clone() };
            encoder::Encoder::begin(&mut self.waiting, entry.at, &header, &streams);
        }
        if self.begun && scope.holds(entry) {
            if let Kind::Sip { transport, outbound, from, to, message } = &entry.kind {
                let message = &without_srtp(message);
                let kind = Kind::Sip { transport: *transport, outbound: *outbound, from: *from, to: *to, message };
                encoder::entry(&mut self.waiting, &Entry { at: entry.at, kind });
            } else {
                encoder::entry(&mut self.waiting, entry);
            }
        }
        if self.waiting.len() >= WRITE_BLOCK {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let written = self.file.write_at(self.written, &self.waiting);
        self.failed = self.failed.take().or(written.err());
        self.written += self.waiting.len() as u64;
        self.waiting.clear();
    }
}
