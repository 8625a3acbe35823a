//! The recording server's decisions: what comes in as messages and orders goes out as messages, ports and entries.
//!
//! ```text
//! shell -> Input -> Srs --+-> transactions -> Send
//!                         +-> RecordingSession -> OpenPort, UpdatePort, ClosePort, Begin, Keep
//! ```
//!
//! The contract: after each [`Srs::handle_input`] the caller drains [`Srs::poll_output`] until it is `None`, then
//! waits until [`Srs::next_timeout`] at most before it calls again with [`Input::Timeout`].

mod admission;
mod checkpoint;
pub mod client;
mod calling;
mod connections;
mod crowd;
mod dtls;
mod joined;
mod journalling;
mod incidents;
mod jittering;
mod keys;
mod guarded;
mod judge;
mod legacy;
mod limits;
mod losing;
mod offer;
mod orders;
mod own_address;
mod own_requests;
mod peer;
mod peers;
mod policy;
mod portrait;
mod raised;
mod reading;
mod recording_session;
mod recordings;
mod requests;
mod secrets;
mod session_timer;
mod srs;
mod streams;
mod swapped;
mod tags;
mod talk;
mod watch;

pub use admission::{Guard, KeptOut, Manner, Reason, site};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use keys::rewrap_keys;
pub(crate) use keys::unwrap_keys;
pub use legacy::{Bridge, End as BridgeEnd};
pub use limits::*;
pub use peers::{Asker, DigestUsers, Network, Pattern, Peer, Refusal, Rules, Who};
pub use policy::{Health, Policy};
pub use portrait::{Portrait, PortraitStream};
pub use reading::{Bodies, is_siprec_invite};
pub use secrets::{blank_secrets, without_digits};
pub use session_timer::{SHORTEST_INTERVAL, SessionTimers};
pub use srs::Srs;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use crate::entry::{Alarm, EndCause, Event, PortIndex, SegmentHeader, SrtpRefusals};
use crate::media::{MediaReport, PortSettings};
use crate::metadata::Snapshot;
use crate::sdp::crypto::{MasterKey, Suite};
use crate::sdp::dtls::Association;
use crate::seed::{RecordingId, SessionId};
use crate::sip::{ConnectionId, Flow, Message, PeerCertificate, Transport};
use crate::srtp::SenderState;
use crate::time::{Monotonic, Wall};
use crate::vendor::{Evidence, Profile};

/// What the shell tells the core.
#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram arrived on a SIP socket.
    Datagram {
        /// The address it was sent to.
        local: SocketAddr,
        /// Who sent it.
        remote: SocketAddr,
        /// Its payload.
        bytes: &'a [u8],
    },
    /// A stream was accepted, or connected for a [`Output::Send`].
    ConnectionOpened {
        /// Its name from now on.
        id: ConnectionId,
        /// TCP or TLS.
        transport: Transport,
        /// Our end.
        local: SocketAddr,
        /// Their end.
        remote: SocketAddr,
        /// Over TLS: the certificate that they showed, if any. It is accepted already.
        certificate: Option<PeerCertificate>,
        /// They connected, not we.
        accepted: bool,
    },
    /// Bytes arrived on a stream.
    Bytes {
        /// Which stream.
        connection: ConnectionId,
        /// What arrived.
        bytes: &'a [u8],
    },
    /// A stream was closed, or could not be connected.
    ConnectionClosed {
        /// Which stream.
        id: ConnectionId,
    },
    /// A TCP stream for an [`Output::Send`] could not be connected.
    NoStream {
        /// To whom.
        remote: SocketAddr,
    },
    /// Answer to [`Output::OpenPort`]: bound.
    PortOpened {
        /// The session.
        session: SessionId,
        /// The port.
        port: PortIndex,
        /// Our RTP address, as the SRC reaches it.
        rtp: SocketAddr,
        /// Our RTCP address (the same with rtcp-mux).
        rtcp: SocketAddr,
    },
    /// Answer to [`Output::OpenPort`]: not to be had.
    PortRefused {
        /// The session.
        session: SessionId,
        /// The port.
        port: PortIndex,
        /// Why, in words.
        why: String,
    },
    /// What a media worker saw on a port.
    Media(&'a MediaReport),
    /// A handshake of DTLS is done.
    Secured(Secured),
    /// A handshake of DTLS came to nothing.
    NotSecured {
        /// The session.
        session: SessionId,
        /// The port at which somebody tried.
        port: PortIndex,
        /// From where.
        peer: SocketAddr,
        /// Why, in words.
        why: String,
    },
    /// Packets of a session reached us and could not be kept: to be written down.
    Dropped {
        /// The session.
        session: SessionId,
        /// Of this port, or of any.
        port: Option<PortIndex>,
        /// How many.
        packets: u64,
        /// Why.
        cause: String,
    },
    /// The same, for want of a disk that keeps up; the journal's writer writes it down.
    DroppedByDisk {
        /// The session.
        session: SessionId,
        /// How many.
        packets: u64,
    },
    /// The machine's clock was stepped; entries go on without the step.
    ClockStep {
        /// New minus old, nanoseconds.
        by_ns: i64,
    },
    /// The disk did not take what was written for so long, and has just gone on.
    DiskStalled {
        /// How long, milliseconds.
        took_ms: u64,
    },
    /// The operator, the API or a signal wants something.
    Order(Order),
    /// Whether new sessions can be taken: `Some` is the reason why not (disk, buffers).
    Pressure(Option<&'static str>),
    /// Time has passed.
    Timeout,
}

/// What a handshake of DTLS yielded (RFC 5764 4.2).
#[derive(Debug)]
pub struct Secured {
    /// The session.
    pub session: SessionId,
    /// The port.
    pub port: PortIndex,
    /// Its RTCP socket's handshake, which has one of its own without rtcp-mux.
    pub is_rtcp: bool,
    /// The association it was for.
    pub association: u32,
    /// With whom.
    pub peer: SocketAddr,
    /// Its keys.
    pub keys: DtlsKeys,
}

/// Keys of a handshake.
#[derive(Debug)]
pub struct DtlsKeys {
    /// What the peer protects with.
    pub theirs: MasterKey,
    /// What we protect with.
    pub ours: MasterKey,
    /// `DTLS 1.2`.
    pub version: &'static str,
}

/// An order to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// End one session with BYE.
    Stop(SessionId),
    /// One session is known to be over: nobody is told.
    End(SessionId, EndCause),
    /// Keep nothing of a session's media from now on.
    Pause {
        /// The session.
        session: SessionId,
        /// Ask the SRC to stop sending, too: a re-INVITE with `a=inactive` (RFC 7245 3.2.3).
        tell_src: bool,
        /// Keep it again by itself after so long, over a restart, too; none: not before it is ordered.
        at_most: Option<Duration>,
    },
    /// Keep it again; an SRC that was asked to stop is asked to go on.
    Resume(SessionId),
    /// Nothing more of one stream is wanted, for good: its port is closed, and the SRC is told by an offer with port 0
    /// (RFC 7866 7.2).
    TakeBack {
        /// The session.
        session: SessionId,
        /// The stream's port.
        port: PortIndex,
    },
    /// What a session's recordings are tagged with is changed: of those that go on and of those to come.
    Tag {
        /// The session.
        session: SessionId,
        /// Tags that they get.
        add: Vec<String>,
        /// Tags that they lose.
        remove: Vec<String>,
    },
    /// New sessions are answered `inactive` from now on (`true`), each until it is resumed (RFC 7866 7.2), or as usual
    /// again.
    HoldOff(bool),
    /// Ask the SRC for a full snapshot of its metadata (RFC 7866 9.2).
    RequestSnapshot(SessionId),
    /// Ask an SRC for a recording session (RFC 7866 6.2).
    Record {
        /// The SRC's SIP or SIPS URI.
        uri: String,
        /// How it is reached: `local` is an address of ours that it can reach.
        flow: Flow,
    },
    /// Refuse new sessions (`true`) or take them again.
    Drain(bool),
    /// Write a checkpoint of every session now: the process is about to stop.
    Checkpoint,
}

/// What the core wants done. In order.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send a SIP message. With `after_keep` not before all [`Output::Keep`]s so far are written: a peer must never
    /// know of a session that a crash could make us forget.
    Send {
        /// Over what, from where, to whom. Without a connection, a stream is to be connected.
        flow: Flow,
        /// The message.
        bytes: Vec<u8>,
        /// Whether it waits for the journal.
        after_keep: bool,
    },
    /// A message came together on a stream ([`Policy::show_framed`]).
    Framed {
        /// Over what.
        flow: Flow,
        /// The message.
        bytes: Vec<u8>,
    },
    /// Close a stream whose bytes can't be framed any more.
    CloseConnection {
        /// Which stream.
        id: ConnectionId,
    },
    /// Bind a pair of ports; answer with [`Input::PortOpened`] or [`Input::PortRefused`].
    OpenPort {
        /// The session.
        session: SessionId,
        /// The port.
        port: PortIndex,
        /// The m-line that it is for, from 0.
        m_line: u16,
        /// The address of ours that the SRC reached: its family is the port's.
        local: IpAddr,
        /// After a restart: the numbers that the SRC knows.
        wanted: Option<(u16, u16)>,
        /// RTCP comes on the RTP port as well (RFC 5761).
        rtcp_mux: bool,
        /// The label, for the journal's interface name.
        label: Option<String>,
    },
    /// What the port receives from now on.
    UpdatePort {
        /// The session.
        session: SessionId,
        /// All of it.
        settings: PortSettings,
    },
    /// These indices of a port's SRTCP may be used once all [`Output::Keep`]s so far are written.
    Reserve {
        /// The session.
        session: SessionId,
        /// The port.
        port: PortIndex,
        /// What is reserved.
        reserved: SenderState,
    },
    /// At a socket of a port a peer may shake hands from now on.
    ExpectDtls {
        /// The session.
        session: SessionId,
        /// The port.
        port: PortIndex,
        /// Its RTCP socket.
        is_rtcp: bool,
        /// Who may, and in which role.
        association: Association,
        /// We begin, with whoever is there.
        begin_with: Option<SocketAddr>,
    },
    /// Give the port back.
    ClosePort {
        /// The session.
        session: SessionId,
        /// The port.
        port: PortIndex,
    },
    /// Begin a segment of the session's journal (the session's first makes the journal).
    Begin {
        /// The moment.
        at: Wall,
        /// First block of the segment.
        header: SegmentHeader,
        /// Ports that may appear in it, with their labels.
        ports: Vec<(PortIndex, Option<String>)>,
    },
    /// Append an entry to the session's journal.
    Keep {
        /// The session.
        session: SessionId,
        /// The entry's time.
        at: Wall,
        /// The entry.
        kept: Kept,
    },
    /// A recording is whole: render it. Its session may go on.
    RecordingEnded {
        /// The session.
        session: SessionId,
        /// The recording.
        recording: RecordingId,
    },
    /// Nothing more will be kept for this session.
    SessionEnded {
        /// The session.
        session: SessionId,
        /// Why.
        cause: EndCause,
    },
    /// A line for the operator's log.
    Tell(Tell),
}

/// An [`crate::entry::Entry`] that signalling makes, owned.
#[derive(Debug, Clone, PartialEq)]
pub enum Kept {
    /// A SIP message, secrets blanked.
    Sip {
        /// What carried it.
        transport: Transport,
        /// Whether we sent it.
        outbound: bool,
        /// Sender.
        from: SocketAddr,
        /// Receiver.
        to: SocketAddr,
        /// The message.
        message: Vec<u8>,
    },
    /// A decision or observation.
    Event(Event),
    /// The session's state, as [`Checkpoint`] writes it.
    Checkpoint(Vec<u8>),
}

/// What an SRC shows of who made it. Looked at by who tells it, once the answer has left.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    message: Message,
    snapshot: Arc<Snapshot>,
}

impl Shown {
    /// Who made the SRC, by the signs it gives.
    pub fn vendor(&self) -> Option<Profile> {
        let mut evidence = Evidence::default();
        evidence.message(&self.message);
        evidence.snapshot(&self.snapshot);
        evidence.profile()
    }
}

/// What an operator would tell a colleague. No numbers of parties, no secrets.
#[derive(Debug, Clone, PartialEq)]
pub enum Tell {
    /// A session began.
    SessionStarted {
        /// The session.
        session: SessionId,
        /// The SRC.
        remote: SocketAddr,
        /// Streams that are recorded.
        streams: usize,
        /// What the SRC shows of who made it.
        shown: Box<Shown>,
    },
    /// A session ended.
    SessionEnded {
        /// The session.
        session: SessionId,
        /// Why.
        cause: EndCause,
    },
    /// A dialog joined a session: the other end of a phone's bridge.
    DialogJoined {
        /// The session.
        session: SessionId,
        /// The SRC.
        remote: SocketAddr,
        /// Its streams that are recorded.
        streams: usize,
    },
    /// A dialog ended whose session goes on with another.
    DialogEnded {
        /// The session.
        session: SessionId,
        /// Why.
        cause: EndCause,
    },
    /// A session goes on after a restart, and the keys of its SRTP could not be opened: what comes is kept sealed.
    KeysLost {
        /// The session.
        session: SessionId,
    },
    /// Packets that SRTP refused: so many more since this was told last.
    SrtpRefused {
        /// The session.
        session: SessionId,
        /// The stream's port.
        port: PortIndex,
        /// How many, and why.
        refusals: SrtpRefusals,
    },
    /// An alarm was raised or cleared.
    Alarm {
        /// The session.
        session: SessionId,
        /// What.
        alarm: Alarm,
        /// On which port, where it has one.
        port: Option<PortIndex>,
        /// `false`: it is over.
        raised: bool,
    },
    /// A handshake of DTLS is done: media are protected by its keys.
    Secured {
        /// The session.
        session: SessionId,
        /// The port.
        port: PortIndex,
        /// With whom.
        peer: SocketAddr,
        /// What protects its packets.
        suite: Suite,
        /// The DTLS version.
        version: &'static str,
    },
    /// A handshake of DTLS came to nothing.
    NotSecured {
        /// The session.
        session: SessionId,
        /// The port.
        port: PortIndex,
        /// Who tried.
        peer: SocketAddr,
        /// Why, in words.
        why: String,
    },
    /// A request was refused.
    Refused {
        /// Who asked.
        remote: SocketAddr,
        /// Our answer.
        status: u16,
        /// Why.
        reason: String,
    },
    /// Something was kept out. Told once a second at most for each reason.
    KeptOut {
        /// Who sent it.
        remote: SocketAddr,
        /// Why.
        reason: Reason,
        /// How many more were, and not told, since the last time.
        untold: u64,
    },
    /// A recording session that we asked an SRC for did not come about.
    NotEstablished {
        /// Whom we asked.
        remote: SocketAddr,
        /// The SRC's answer, if there was one.
        status: Option<u16>,
        /// Why, in words.
        reason: String,
    },
    /// Bytes that are no SIP.
    Garbage {
        /// Who sent them.
        remote: SocketAddr,
        /// What is wrong.
        reason: String,
    },
}

/// Outputs that wait to be polled.
pub(crate) type Outbox = VecDeque<Output>;

/// A deadline, and what it is for (a busy loop names its culprit).
pub type Deadline = (Monotonic, &'static str);

#[cfg(test)]
pub(crate) mod tests;
