//! From the core's outputs to slabs: blocks of one session's journal, in order, ready to be written.

use std::collections::HashMap;

use siprec_core::entry::{Entry, Kind, PortIndex, SegmentHeader};
use siprec_core::journal::Encoder;
use siprec_core::journal::encoder;
use siprec_core::seed::SessionId;
use siprec_core::session::Kept;
use siprec_core::time::Wall;

/// Blocks of one session's journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocks {
    /// Whose.
    pub session: SessionId,
    /// The segment that they begin, if they do.
    pub segment: Option<u32>,
    /// Where in `bytes` the last checkpoint begins.
    pub checkpoint_at: Option<u32>,
    /// Whole blocks.
    pub bytes: Vec<u8>,
}

/// Encodes what signalling keeps, session by session.
#[derive(Debug, Default)]
pub struct Scribe {
    encoders: HashMap<SessionId, Encoder>,
    waiting: Vec<Blocks>,
}

impl Scribe {
    /// Begins a segment of a session's journal.
    pub fn begin(&mut self, at: Wall, header: &SegmentHeader, ports: &[(PortIndex, Option<String>)]) {
        let mut bytes = Vec::new();
        let ports: Vec<_> = ports.iter().map(|(port, label)| (*port, label.as_deref())).collect();
        let encoder = Encoder::begin(&mut bytes, at, header, &ports);
        self.encoders.insert(header.session, encoder);
        self.waiting.push(Blocks {
            session: header.session,
            segment: Some(header.segment),
            checkpoint_at: None,
            bytes,
        });
    }

    /// Names a port in the session's segment, if it is not named yet.
    pub fn name_port(&mut self, session: SessionId, port: PortIndex, label: Option<&str>) {
        let Some(encoder) = self.encoders.get_mut(&session) else { return };
        if u32::from(port.0) >= encoder.ports() {
            encoder.add_port(&mut blocks_of(&mut self.waiting, session).bytes, port, label);
        }
    }

    /// Appends an entry. Nothing for a session whose journal has not begun.
    pub fn keep(&mut self, session: SessionId, at: Wall, kept: &Kept) {
        if !self.encoders.contains_key(&session) {
            return;
        }
        let blocks = blocks_of(&mut self.waiting, session);
        let kind = match kept {
            Kept::Sip { transport, outbound, from, to, message } => {
                Kind::Sip { transport: *transport, outbound: *outbound, from: *from, to: *to, message }
            }
            Kept::Event(event) => Kind::Event(event.clone()),
            Kept::Checkpoint(json) => {
                blocks.checkpoint_at = u32::try_from(blocks.bytes.len()).ok();
                Kind::Checkpoint(json)
            }
        };
        encoder::entry(&mut blocks.bytes, &Entry { at, kind });
    }

    /// Whether the session's journal has begun.
    pub fn knows(&self, session: SessionId) -> bool {
        self.encoders.contains_key(&session)
    }

    /// The session is over.
    pub fn forget(&mut self, session: SessionId) {
        self.encoders.remove(&session);
    }

    /// What is to be written, in order.
    pub fn take(&mut self) -> Vec<Blocks> {
        std::mem::take(&mut self.waiting)
    }
}

/// The last blocks, if they are the session's, else new ones.
fn blocks_of(waiting: &mut Vec<Blocks>, session: SessionId) -> &mut Blocks {
    if waiting.last().is_none_or(|last| last.session != session) {
        waiting.push(Blocks { session, segment: None, checkpoint_at: None, bytes: Vec::new() });
    }
    let last = waiting.len() - 1;
    &mut waiting[last]
}

#[cfg(test)]
mod tests {
    use super::*;
    use siprec_core::entry::Event;
    use siprec_core::journal::{FORMAT_VERSION, Reader};
    use siprec_core::seed::Seed;
    use siprec_core::time::Monotonic;

    fn header(session: SessionId) -> SegmentHeader {
        SegmentHeader {
            version: "0".into(),
            format: FORMAT_VERSION,
            session,
            segment: 1,
            seed: Seed([0; 32]),
            anchor: (Monotonic(0), Wall(0)),
            boot: String::new(),
            config: std::sync::Arc::default(),
        }
    }

    #[test]
    fn what_is_kept_in_turns_stays_in_order_and_knows_its_checkpoint() {
        let (a, b) = (SessionId(1), SessionId(2));
        let mut scribe = Scribe::default();
        scribe.keep(a, Wall(1), &Kept::Event(Event::Answered));
        assert!(scribe.take().is_empty(), "nothing is written before the journal begins");
        scribe.begin(Wall(1), &header(a), &[(PortIndex(0), None)]);
        scribe.begin(Wall(1), &header(b), &[]);
        scribe.keep(a, Wall(2), &Kept::Event(Event::Answered));
        scribe.keep(a, Wall(3), &Kept::Checkpoint(b"{}".to_vec()));
        let blocks = scribe.take();
        assert_eq!(
            blocks.iter().map(|x| (x.session, x.segment.is_some())).collect::<Vec<_>>(),
            [(a, true), (b, true), (a, false)]
        );
        let mut reader = Reader::new();
        let at = usize::try_from(blocks[2].checkpoint_at.unwrap()).unwrap();
        reader.push(&blocks[0].bytes);
        reader.push(&blocks[2].bytes[at..]);
        let mut kinds = Vec::new();
        while let Some(entry) = reader.next() {
            kinds.push(matches!(entry.kind, Kind::Checkpoint(b"{}")));
        }
        assert_eq!(kinds, [false, true]);
    }
}
