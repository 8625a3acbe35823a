//! Who listens to running calls: packets of a session as they are kept, for threads that decode them.

use std::sync::mpsc;

use siprec_core::entry::{Kind, PortIndex, Stream};
use siprec_core::seed::SessionId;
use siprec_core::time::Wall;

/// What a listener gets of a session.
#[derive(Debug)]
pub enum Overheard {
    /// A stream and its payload types, before its packets and at each change.
    Stream(Stream),
    /// An RTP packet as it is kept: decrypted, without what must not be recorded.
    Packet {
        /// Its stream.
        port: PortIndex,
        /// Its arrival.
        at: Wall,
        /// The whole packet.
        bytes: Vec<u8>,
    },
}

/// The way to a listener. One that does not keep up loses packets; the worker waits for nobody.
pub type Wire = mpsc::SyncSender<Overheard>;

/// The listeners to a worker's sessions.
#[derive(Debug, Default)]
pub(super) struct Taps(Vec<(SessionId, Wire)>);

impl Taps {
    pub(super) fn add(&mut self, session: SessionId, wire: Wire) {
        self.0.push((session, wire));
    }

    /// The session is over: its listeners hear that nothing more comes.
    pub(super) fn forget(&mut self, session: SessionId) {
        self.0.retain(|(of, _)| *of != session);
    }

    pub(super) fn stream(&mut self, session: SessionId, stream: &Stream) {
        self.tell(session, || Overheard::Stream(stream.clone()));
    }

    /// What was kept just now; while nobody listens, a look at an empty list.
    pub(super) fn kept(&mut self, session: Option<SessionId>, at: Wall, kind: &Kind<'_>) {
        if self.0.is_empty() {
            return;
        }
        if let (Some(session), Kind::Rtp { port, packet, .. }) = (session, kind) {
            self.tell(session, || Overheard::Packet { port: *port, at, bytes: packet.to_vec() });
        }
    }

    fn tell(&mut self, session: SessionId, what: impl Fn() -> Overheard) {
        let goes_on = |wire: &Wire| !matches!(wire.try_send(what()), Err(mpsc::TrySendError::Disconnected(_)));
        self.0.retain(|(of, wire)| *of != session || goes_on(wire));
    }
}
