//! Entries: all that is ever kept of a recording session, and all that a recording is ever made from.
//!
//! ```text
//! signalling -> Sip, Event, Checkpoint \
//!                                        journal (pcapng) -> Reader -> Entry -> render | trace | replay
//! media worker -> Rtp, Rtcp           /
//! ```

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use serde::{Deserialize, Serialize};

use crate::metadata::{Deviation, Snapshot};
use crate::sdp::Format;
use crate::sdp::crypto::Suite;
use crate::seed::{RecordingId, Seed, SessionId};
use crate::sip::Transport;
use crate::time::{Monotonic, Wall};

/// A stream's place in its recording session: given out in the order of m-lines, never used twice in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortIndex(pub u16);

/// One thing that happened in a recording session.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<'a> {
    /// Arrival (kernel timestamp, for packets), departure, or the moment of the event.
    pub at: Wall,
    /// What happened.
    pub kind: Kind<'a>,
}

/// What an [`Entry`] holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind<'a> {
    /// A SIP message, whole, secrets blanked.
    Sip {
        /// What carried it.
        transport: Transport,
        /// Whether we sent it.
        outbound: bool,
        /// Sender's address.
        from: SocketAddr,
        /// Receiver's address.
        to: SocketAddr,
        /// The message's bytes.
        message: &'a [u8],
    },
    /// An RTP packet (or whatever else arrived on an RTP port), plain.
    Rtp {
        /// The stream's port.
        port: PortIndex,
        /// Sender's address.
        from: SocketAddr,
        /// Our address.
        to: SocketAddr,
        /// The UDP payload.
        packet: &'a [u8],
        /// How it was protected when it came, if it was.
        protected: Option<Protected>,
    },
    /// An RTCP compound packet, plain, received or sent.
    Rtcp {
        /// The stream's port.
        port: PortIndex,
        /// Whether we sent it.
        outbound: bool,
        /// Sender's address.
        from: SocketAddr,
        /// Receiver's address.
        to: SocketAddr,
        /// The UDP payload.
        packet: &'a [u8],
    },
    /// A decision or an observation of ours.
    Event(Event),
    /// All that is needed to go on with the session after a crash: JSON, its meaning is `session`'s.
    Checkpoint(&'a [u8]),
}

/// What SRTP said of a packet (RFC 3711).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protected {
    /// It was authentic, and is kept plain.
    Authentic {
        /// Its index: the rollover counter above the sequence number, 48 bits.
        index: u64,
    },
    /// No key that was known had made it: it is kept as it came. If a later key did, and came within seconds, it stands in
    /// the journal once more, plain and with the time at which it came.
    Sealed,
    /// It was kept sealed when it came, and a later key made it plain ([`crate::render::Opening`]). In a journal there is none.
    Opened {
        /// Its index, as of one that was authentic.
        index: u64,
    },
}

/// SRTP packets that were not made plain, by what was wrong with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SrtpRefusals {
    /// No key of the SRC's was known yet.
    pub without_key: u64,
    /// From where the stream comes from, and under none of the keys that were agreed on.
    pub wrong_key: u64,
    /// The key that they name is used up (RFC 4568 6.1).
    pub expired: u64,
    /// From elsewhere, and under none of the keys.
    pub forged: u64,
}

impl SrtpRefusals {
    /// Whether there were none.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        Self {
            without_key: self.without_key.saturating_add(more.without_key),
            wrong_key: self.wrong_key.saturating_add(more.wrong_key),
            expired: self.expired.saturating_add(more.expired),
            forged: self.forged.saturating_add(more.forged),
        }
    }

    /// Without so many that a key opened in the end. Which of them they were is not known, but only a key that is over opens
    /// nothing any more.
    #[must_use]
    pub fn without_opened(self, opened: u64) -> Self {
        let rest = opened.saturating_sub(self.without_key);
        Self {
            without_key: self.without_key.saturating_sub(opened),
            wrong_key: self.wrong_key.saturating_sub(rest),
            ..self
        }
    }

    /// What came since; all of it where counting began anew.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        let less = |now: u64, before: u64| now.checked_sub(before);
        let since = || {
            Some(Self {
                without_key: less(self.without_key, before.without_key)?,
                wrong_key: less(self.wrong_key, before.wrong_key)?,
                expired: less(self.expired, before.expired)?,
                forged: less(self.forged, before.forged)?,
            })
        };
        since().unwrap_or(self)
    }

    /// How many of each kind there were, in words; kinds of which there were none are left out.
    pub fn words(&self) -> impl Iterator<Item = (u64, &'static str)> {
        let kinds = [
            (self.expired, "the key's lifetime is over: the SRC must re-key"),
            (self.without_key, "no key of the SRC's was known: its description must tell one"),
            (
                self.wrong_key,
                "under none of the keys that were agreed on: the SRC's media have another key than its description",
            ),
            (
                self.forged,
                "from another address and under none of the keys: forged, or the SRC's media come from where its SDP does not say",
            ),
        ];
        kinds.into_iter().filter(|(packets, _)| *packets > 0)
    }
}

/// The first block of every segment of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentHeader {
    /// Version of siprec that wrote the segment.
    pub version: String,
    /// Version of the journal's format: [`crate::journal::FORMAT_VERSION`].
    pub format: u32,
    /// The session whose journal this is.
    pub session: SessionId,
    /// 1, 2, 3 ... in the session.
    pub segment: u32,
    /// Where the session's randomness starts.
    pub seed: Seed,
    /// The same moment on both clocks, as [`crate::time::Now`] told it.
    pub anchor: (Monotonic, Wall),
    /// The machine's boot, as the kernel names it: a torn tail of another boot is trusted less.
    pub boot: String,
    /// What of the configuration bears on the session (JSON object).
    pub config: Arc<serde_json::Value>,
}

/// The key of [`SegmentHeader::config`] under which the first header of a session says what its recordings are tagged with.
const TAGS: &str = "tags";

impl SegmentHeader {
    /// Says what the session's recordings are tagged with.
    pub fn tag(&mut self, tags: &[String]) {
        if tags.is_empty() {
            return;
        }
        let mut keys = self.config.as_object().cloned().unwrap_or_default();
        keys.insert(TAGS.into(), tags.into());
        self.config = Arc::new(keys.into());
    }

    /// What the session's recordings are tagged with from its beginning, if this header says so.
    pub fn tags(&self) -> Vec<String> {
        self.config.get(TAGS).and_then(|tags| Vec::deserialize(tags).ok()).unwrap_or_default()
    }
}

/// Why nothing of a stream is recorded for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseCause {
    /// The SRC offered `inactive`.
    Inactive,
    /// The SRC offered `c=0.0.0.0` (RFC 3264 8.4).
    ZeroAddress,
    /// The SRC offered port 0: the stream is closed until the m-line is used again.
    ZeroPort,
    /// An operator or the API paused it.
    Operator,
    /// We took it back by an offer with port 0: it is closed until the SRC uses its m-line for another.
    TakenBack,
    /// Its dialog is over, and another dialog of the same recording session goes on.
    DialogEnded,
}

/// What is kept of digits that come as telephone events (RFC 4733), in RTP or in INFO. The later, the stricter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Digits {
    /// All of it.
    #[default]
    Keep,
    /// That a key was pressed, when and how long; not which.
    Mask,
    /// The headers of the packets alone, so that none of them counts as lost.
    Drop,
}

impl Digits {
    /// Whether all is kept.
    pub fn is_keep(&self) -> bool {
        *self == Self::Keep
    }

    /// As the configuration calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Mask => "mask",
            Self::Drop => "drop",
        }
    }
}

/// What a port receives from now on, after each offer and answer and each order that changes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stream {
    /// The stream's port.
    pub port: PortIndex,
    /// Index of its m-line, from 0.
    pub m_line: u16,
    /// `a=label` (RFC 4574), as offered.
    pub label: Option<String>,
    /// `audio`, `video`, `text` ... as the m-line says.
    pub media: String,
    /// Payload types as answered.
    pub formats: Arc<[Format]>,
    /// Our RTP address as answered.
    pub local: SocketAddr,
    /// Our RTCP address (the same with rtcp-mux).
    pub local_rtcp: SocketAddr,
    /// Where the SRC says it sends from, if it says so.
    pub remote: Option<SocketAddr>,
    /// Nothing is kept while this is set.
    pub paused: Option<PauseCause>,
    /// What is kept of digits; whoever renders the stream keeps to it too.
    #[serde(default, skip_serializing_if = "Digits::is_keep")]
    pub digits: Digits,
}

/// Whom a fresh SSRC on a port belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceChange {
    /// The first packet of the stream.
    First,
    /// The same sender's next SSRC.
    NewSsrc,
    /// After silence, another address took over (an SBC's switchover).
    TookOver,
    /// Another address sends at the same time: kept apart and flagged.
    Stranger,
}

/// Why a session or a recording ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// BYE from the SRC.
    Bye,
    /// CANCEL before our answer.
    Cancel,
    /// The communication session ended while the recording session went on.
    CommunicationSessionEnded,
    /// An operator or the API stopped it.
    Operator,
    /// No RTP, and no answer to our probe.
    SrcGone,
    /// The SRC answered a request of ours with 481.
    DialogUnknown,
    /// The session timer ran out (RFC 4028 10) and no RTP came, or the peer is set strict.
    SessionExpired,
    /// The capture that was replayed ends here.
    CaptureEnded,
    /// We could not go on (ports lost and not replaceable).
    Failed,
}

/// What is watched for the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alarm {
    /// No RTP on a port for `media.rtp_timeout`.
    NoRtp,
    /// Packets of a stream are missing, 5 % or more over 5 s; cleared below 2 %.
    Loss,
    /// Packets that arrived were dropped here, by the kernel (on a stream) or for want of a disk that keeps up (on none);
    /// cleared after 10 s without.
    Dropped,
    /// Nobody was ever heard on a stream that sends, while another talked for 30 s; cleared by the first word.
    OneWay,
    /// A stream holds the same audio as one before it.
    Identical,
    /// Nothing but digital silence was ever heard on a stream that sends, for 30 s; cleared by the first sound.
    Silent,
    /// A stream brings what another did before: a source moved to it, or its packets come from where the SDP says that the
    /// other one is, and the other way round; cleared when each is in its place.
    Swapped,
    /// Talk of a stream is too loud for its codec: a sample of 200 or more is clipped over some seconds; cleared below one of
    /// 1,000.
    Clipped,
    /// Packets of a stream come unevenly: an interarrival jitter (RFC 3550 A.8) of 50 ms or more for 5 s; cleared after 5 s
    /// below 25 ms.
    Jitter,
    /// Another address sends RTP to a stream's port beside its source: it is kept apart; cleared after 10 s without.
    Stranger,
    /// The SRC does not answer, or says 481, while its RTP still flows.
    DialogLost,
    /// No ACK came for a 2xx.
    NoAck,
    /// Our offer was not answered in the ACK (RFC 3261 13.2.2.4), or not with anything that can be read.
    NoAnswer,
    /// The session was not refreshed in time (RFC 4028 10) while its RTP still flows.
    SessionExpired,
    /// SRTP comes, and none of it is under a key that was agreed on.
    Undecryptable,
    /// A handshake of DTLS came to nothing: a certificate that the SDP does not name, or no common ground.
    NotSecured,
}

/// What recordings are tagged with once [`Event::Tagged`] has come. A tag in both lists is lost.
pub fn retag(tags: &mut Vec<String>, add: &[String], remove: &[String]) {
    for tag in add {
        if !tags.contains(tag) {
            tags.push(tag.clone());
        }
    }
    tags.retain(|tag| !remove.contains(tag));
}

/// Decisions and observations that are not packets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// First in every segment.
    Segment(SegmentHeader),
    /// A port and what it receives.
    Stream(Stream),
    /// The first 2xx left: zero of the recordings' timeline.
    Answered,
    /// The metadata as folded so far, after an update.
    Metadata {
        /// State after the update; the session holds the same one.
        snapshot: Arc<Snapshot>,
        /// What was wrong with the update.
        deviations: Vec<Deviation>,
    },
    /// A recording begins.
    RecordingStarted {
        /// Its id.
        recording: RecordingId,
        /// The communication session it is of; none as long as the metadata names none.
        communication_session: Option<String>,
    },
    /// The metadata now names the communication session of a recording that had none.
    RecordingBound {
        /// Its id.
        recording: RecordingId,
        /// The communication session.
        communication_session: String,
    },
    /// A recording ends.
    RecordingEnded {
        /// Its id.
        recording: RecordingId,
        /// Why.
        cause: EndCause,
    },
    /// What recordings of the session are tagged with, those that go on and those to come, is changed by order.
    Tagged {
        /// Tags that they get.
        add: Vec<String>,
        /// Tags that they lose.
        remove: Vec<String>,
    },
    /// A source appeared on a port.
    Source {
        /// The port.
        port: PortIndex,
        /// RTP synchronisation source.
        ssrc: u32,
        /// Its address.
        from: SocketAddr,
        /// What kind of appearance.
        change: SourceChange,
    },
    /// The keys of a port's SRTP, from now on.
    SrtpKeys {
        /// The port.
        port: PortIndex,
        /// The suite that was agreed on; none: the SRC's key is not known yet.
        suite: Option<Suite>,
        /// Both sides' keys, wrapped by the node key.
        wrapped: String,
    },
    /// So many packets more were refused by SRTP since the last such event of the port. Told at once, then seldom, and at the end.
    SrtpRefused {
        /// The port.
        port: PortIndex,
        /// How many, and why.
        refusals: SrtpRefusals,
    },
    /// Indices of our SRTCP below this one may have been used from now on: nothing is sent with one that is not reserved.
    SrtcpReserved {
        /// The port.
        port: PortIndex,
        /// The first that is not reserved.
        reserved: u32,
    },
    /// Nothing was received between these moments, because we were not there.
    Gap {
        /// The last entry known to be kept before.
        from: Wall,
        /// Ports bound again.
        to: Wall,
        /// Whether the machine itself was restarted in between.
        rebooted: bool,
    },
    /// Packets that reached us and could not be kept.
    Dropped {
        /// Of this port; none: of any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<PortIndex>,
        /// How many.
        packets: u64,
        /// Why, in words ("the disk stalled").
        cause: String,
    },
    /// The machine's clock was stepped; entries go on without the step.
    ClockStep {
        /// New minus old, nanoseconds.
        by_ns: i64,
    },
    /// The disk took long and has just gone on: what waited in memory was not safe from a crash.
    DiskStalled {
        /// How long, milliseconds.
        took_ms: u64,
    },
    /// Something the operator should see, raised or cleared.
    Alarm {
        /// What.
        alarm: Alarm,
        /// On which port, where it has one.
        port: Option<PortIndex>,
        /// `false`: it is over.
        raised: bool,
    },
    /// The recording session is over; nothing follows.
    Ended {
        /// Why.
        cause: EndCause,
    },
}
