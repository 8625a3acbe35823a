//! A session's streams: which m-line is received on which port, and what was last heard there.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use serde::{Deserialize, Serialize};

use super::dtls::Dtls;
use super::incidents::Incidents;
use super::jittering::Jittering;
use super::keys::StreamKeys;
use super::limits::MAX_PORTS;
use super::losing::Losing;
use super::swapped::Seat;
use super::talk::Talk;
use super::{Outbox, Output};
use crate::entry::{Event, PauseCause, PortIndex, Stream};
use crate::media::{Digits, PortSettings};
use crate::sdp::{Accepted, Decided, NotRecorded, PauseKind};
use crate::seed::{Random, SessionId};
use crate::time::Wall;

/// All m-lines of a session, in the offer's order; those that are not recorded are empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Streams {
    lines: Vec<Option<Live>>,
    next_port: u16,
    /// An operator's pause covers whatever comes.
    pub(super) paused_by_operator: bool,
    /// m-lines whose streams we do not want: they are answered with port 0 until the SRC has closed them, too.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    taken_back: BTreeSet<usize>,
    /// What is kept of digits, on ports opened from now on.
    #[serde(default, skip_serializing_if = "Digits::is_keep")]
    pub(super) digits: Digits,
    /// What was dropped for want of a disk that keeps up.
    #[serde(default, skip_serializing_if = "Incidents::is_unknown")]
    pub(super) at_disk: Incidents,
    /// Ports that were asked for and not yet opened.
    #[serde(skip)]
    waiting: BTreeSet<PortIndex>,
}

/// A stream with a port.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Live {
    pub(super) settings: PortSettings,
    /// What protects its media, where DTLS does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) dtls: Option<Dtls>,
    /// What the SRC's own offer says of pausing, an operator's pause apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offered_pause: Option<PauseCause>,
    /// The last packet, or the moment from which packets are expected.
    pub(super) heard: Wall,
    /// Whether silence was told.
    pub(super) alarmed: bool,
    /// What is known of its loss.
    #[serde(default, skip_serializing_if = "Losing::is_unknown")]
    pub(super) losing: Losing,
    /// What the kernel dropped of it.
    #[serde(default, skip_serializing_if = "Incidents::is_unknown")]
    pub(super) dropping: Incidents,
    /// What strangers sent to its port.
    #[serde(default, skip_serializing_if = "Incidents::is_unknown")]
    pub(super) strangers: Incidents,
    /// Who is heard on it.
    #[serde(default = "Talk::of_before", skip_serializing_if = "Talk::is_unalarmed")]
    pub(super) talk: Talk,
    /// How evenly it comes.
    #[serde(default, skip_serializing_if = "Jittering::is_unalarmed")]
    pub(super) jittering: Jittering,
    /// Whether it is in its place.
    #[serde(default, skip_serializing_if = "Seat::is_unalarmed")]
    pub(super) seat: Seat,
    /// What the journal and the workers know of it.
    #[serde(skip)]
    published: Option<Box<PortSettings>>,
    /// Of its SRTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) keys: Option<Box<StreamKeys>>,
    /// The keys as the journal has them.
    #[serde(skip)]
    pub(super) published_keys: Option<String>,
}

impl Live {
    pub(super) fn port(&self) -> PortIndex {
        self.settings.stream.port
    }

    pub(super) fn stream(&self) -> &Stream {
        &self.settings.stream
    }

    pub(super) fn is_paused(&self) -> bool {
        self.settings.stream.paused.is_some()
    }
}

/// What an offer asks of an m-line that has, or should have, a port.
pub(super) struct Wanted<'a> {
    pub(super) decided: &'a Decided,
    pub(super) accepted: &'a Accepted,
}

impl Streams {
    /// Takes over what was decided for an offer: opens, changes and closes ports. The answer may leave when
    /// [`Streams::is_ready`].
    pub(super) fn apply(
        &mut self,
        session: SessionId,
        decided: &[Decided],
        local: IpAddr,
        now: Wall,
        random: &mut Random,
        out: &mut Outbox,
    ) {
        if self.lines.len() < decided.len() {
            self.lines.reserve_exact(decided.len() - self.lines.len());
            self.lines.resize(decided.len(), None);
        }
        for line in 0..self.lines.len() {
            if decided.get(line).is_none_or(|d| d.reason_if_not == Some(NotRecorded::ZeroPort)) {
                self.taken_back.remove(&line);
            }
            let decided = decided.get(line).filter(|_| !self.taken_back.contains(&line));
            let wanted = decided.and_then(|d| Some(Wanted { decided: d, accepted: d.accepted.as_ref()? }));
            match (wanted, self.lines[line].is_some()) {
                (Some(wanted), true) => self.change(line, &wanted, now),
                (Some(wanted), false) => self.open(session, line, &wanted, local, now, random, out),
                (None, true) => self.close(session, line, PauseCause::ZeroPort, now, out),
                (None, false) => {}
            }
        }
    }

    fn change(&mut self, line: usize, wanted: &Wanted<'_>, now: Wall) {
        let by_operator = self.paused_by_operator;
        let Some(Some(live)) = self.lines.get_mut(line) else { return };
        let was_paused = live.is_paused();
        live.offered_pause = wanted.accepted.paused.map(pause_cause);
        let stream = &mut live.settings.stream;
        if wanted.decided.label.is_some() {
            stream.label.clone_from(&wanted.decided.label);
        }
        stream.formats.clone_from(&wanted.accepted.formats);
        stream.remote = wanted.accepted.remote;
        stream.paused = effective_pause(live.offered_pause, by_operator);
        live.settings.remote_rtcp = wanted.accepted.remote_rtcp;
        live.settings.rtcp_mux = wanted.accepted.rtcp_mux;
        live.settings.feedback = wanted.accepted.feedback;
        if was_paused && !live.is_paused() {
            live.heard = now;
        }
    }

    #[allow(clippy::too_many_arguments)] // one call, and each is of another kind
    fn open(
        &mut self,
        session: SessionId,
        line: usize,
        wanted: &Wanted<'_>,
        local: IpAddr,
        now: Wall,
        random: &mut Random,
        out: &mut Outbox,
    ) {
        if self.next_port >= MAX_PORTS {
            return;
        }
        let port = PortIndex(self.next_port);
        self.next_port += 1;
        self.waiting.insert(port);
        let unbound = SocketAddr::new(local, 0);
        let offered_pause = wanted.accepted.paused.map(pause_cause);
        let stream = Stream {
            port,
            m_line: u16::try_from(line).unwrap_or(u16::MAX),
            label: wanted.decided.label.clone(),
            media: wanted.decided.kind.clone(),
            formats: wanted.accepted.formats.clone(),
            local: unbound,
            local_rtcp: unbound,
            remote: wanted.accepted.remote,
            paused: effective_pause(offered_pause, self.paused_by_operator),
            digits: self.digits,
        };
        let rtcp_mux = wanted.accepted.rtcp_mux;
        let label = stream.label.clone();
        out.push_back(Output::OpenPort { session, port, m_line: stream.m_line, local, wanted: None, rtcp_mux, label });
        let settings = PortSettings {
            stream,
            ssrc: random.next_u32(),
            cname: random.token(),
            remote_rtcp: wanted.accepted.remote_rtcp,
            rtcp_mux,
            seed: random.next_u64(),
            srtp: None,
            dtls: false,
            feedback: wanted.accepted.feedback,
        };
        self.lines[line] = Some(Live {
            settings,
            offered_pause,
            heard: now,
            alarmed: false,
            losing: Losing::default(),
            dropping: Incidents::default(),
            strangers: Incidents::default(),
            talk: Talk::default(),
            jittering: Jittering::default(),
            seat: Seat::default(),
            published: None,
            dtls: None,
            keys: None,
            published_keys: None,
        });
    }

    fn close(&mut self, session: SessionId, line: usize, why: PauseCause, now: Wall, out: &mut Outbox) {
        let Some(mut live) = self.lines.get_mut(line).and_then(Option::take) else { return };
        live.settings.stream.paused = Some(why);
        let kept = super::Kept::Event(Event::Stream(live.settings.stream.clone()));
        out.push_back(Output::Keep { session, at: now, kept });
        out.push_back(Output::ClosePort { session, port: live.port() });
    }

    /// Closes a port for good: we want nothing more of its stream. `false` if there is no such stream.
    pub(super) fn take_back(&mut self, session: SessionId, port: PortIndex, now: Wall, out: &mut Outbox) -> bool {
        let is_it = |live: &Option<Live>| live.as_ref().is_some_and(|live| live.port() == port);
        let Some(line) = self.lines.iter().position(is_it) else { return false };
        self.taken_back.insert(line);
        self.close(session, line, PauseCause::TakenBack, now, out);
        true
    }

    /// Closes all ports; the dialog is over, and the session's journal goes on.
    pub(super) fn leave(&mut self, session: SessionId, now: Wall, out: &mut Outbox) {
        for line in 0..self.lines.len() {
            self.close(session, line, PauseCause::DialogEnded, now, out);
        }
        self.waiting.clear();
    }

    /// Goes on with port numbers where another dialog of the session is: none is used twice in a journal.
    pub(super) fn follow(&mut self, other: &Self) {
        self.next_port = self.next_port.max(other.next_port);
    }

    /// Closes all ports; the session is over.
    pub(super) fn close_all(&mut self, session: SessionId, out: &mut Outbox) {
        for live in self.lines.iter_mut().filter_map(Option::take) {
            out.push_back(Output::ClosePort { session, port: live.port() });
        }
        self.waiting.clear();
    }

    /// A port was bound. The advertised address, where there is one, goes into the answer only.
    pub(super) fn opened(&mut self, port: PortIndex, rtp: SocketAddr, rtcp: SocketAddr) {
        self.waiting.remove(&port);
        if let Some(live) = self.live_mut().find(|live| live.port() == port) {
            live.settings.stream.local = rtp;
            live.settings.stream.local_rtcp = rtcp;
        }
    }

    /// A port could not be bound: its m-line is not recorded.
    pub(super) fn refused(&mut self, port: PortIndex) {
        self.waiting.remove(&port);
        for line in &mut self.lines {
            if line.as_ref().is_some_and(|live| live.port() == port) {
                *line = None;
            }
        }
    }

    /// Whether a stream has this label.
    pub(super) fn has_label(&self, label: &str) -> bool {
        self.live().any(|live| live.stream().label.as_deref() == Some(label))
    }

    /// Whether a stream is received on `port`.
    pub(super) fn has(&self, port: PortIndex) -> bool {
        self.live().any(|live| live.port() == port)
    }

    /// Whether every port that was asked for is there, or is known not to be.
    pub(super) fn is_ready(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Pauses or resumes all streams by order.
    pub(super) fn pause(&mut self, by_operator: bool, now: Wall) {
        self.paused_by_operator = by_operator;
        for live in self.live_mut() {
            let was_paused = live.is_paused();
            live.settings.stream.paused = effective_pause(live.offered_pause, by_operator);
            if was_paused && !live.is_paused() {
                live.heard = now;
            }
        }
    }

    /// Asks for the ports of a restored session again, by number.
    pub(super) fn reopen(&mut self, session: SessionId, now: Wall, out: &mut Outbox) {
        for live in self.lines.iter_mut().flatten() {
            let stream = &live.settings.stream;
            // What was silent before is so until it is heard.
            live.heard = now;
            self.waiting.insert(stream.port);
            out.push_back(Output::OpenPort {
                session,
                port: stream.port,
                m_line: stream.m_line,
                local: stream.local.ip(),
                wanted: Some((stream.local.port(), stream.local_rtcp.port())),
                rtcp_mux: live.settings.rtcp_mux,
                label: stream.label.clone(),
            });
        }
    }

    /// A port of before the restart is taken by somebody else: any other will do. `false` if there is no such stream.
    pub(super) fn ask_again(&mut self, session: SessionId, port: PortIndex, out: &mut Outbox) -> bool {
        let Some(live) = self.live().find(|live| live.port() == port) else { return false };
        let stream = live.stream();
        out.push_back(Output::OpenPort {
            session,
            port,
            m_line: stream.m_line,
            local: stream.local.ip(),
            wanted: None,
            rtcp_mux: live.settings.rtcp_mux,
            label: stream.label.clone(),
        });
        true
    }

    /// The SRC's answer to an offer of ours: how it sends, on the ports that there are. What it rejects is closed. An
    /// answer to `inactive` of ours is no pause of the SRC's.
    pub(super) fn take_answer(
        &mut self,
        session: SessionId,
        decided: &[Decided],
        we_paused: bool,
        now: Wall,
        out: &mut Outbox,
    ) {
        for (line, decided) in decided.iter().enumerate() {
            match &decided.accepted {
                Some(accepted) if we_paused => {
                    let accepted = &Accepted { paused: None, ..accepted.clone() };
                    self.change(line, &Wanted { decided, accepted }, now);
                }
                Some(accepted) => self.change(line, &Wanted { decided, accepted }, now),
                None => self.close(session, line, PauseCause::ZeroPort, now, out),
            }
        }
    }

    /// The state of every port that has changed, for the journal and for the workers.
    pub(super) fn publish(&mut self, session: SessionId, now: Wall, out: &mut Outbox) {
        self.expect_dtls(session, out);
        let mut updates = Vec::new();
        for live in self.live_mut().filter(|live| live.published.as_deref() != Some(&live.settings)) {
            live.published = Some(Box::new(live.settings.clone()));
            let kept = super::Kept::Event(Event::Stream(live.settings.stream.clone()));
            out.push_back(Output::Keep { session, at: now, kept });
            if let Some(event) = live.keys_event() {
                out.push_back(Output::Keep { session, at: now, kept: super::Kept::Event(event) });
            }
            updates.push(Output::UpdatePort { session, settings: live.settings.clone() });
        }
        out.extend(updates);
    }

    /// Streams with a port, in the offer's order.
    pub(super) fn live(&self) -> impl Iterator<Item = &Live> {
        self.lines.iter().flatten()
    }

    /// Their labels.
    pub(super) fn labels(&self) -> Vec<Option<&str>> {
        self.live().map(|live| live.stream().label.as_deref()).collect()
    }

    pub(super) fn live_mut(&mut self) -> impl Iterator<Item = &mut Live> {
        self.lines.iter_mut().flatten()
    }

    pub(super) fn line_mut(&mut self, line: usize) -> Option<&mut Live> {
        self.lines.get_mut(line)?.as_mut()
    }

    pub(super) fn each_line(&self) -> impl Iterator<Item = Option<&Live>> {
        self.lines.iter().map(Option::as_ref)
    }

    /// Each m-line's ports (RTP, RTCP) for the answer.
    pub(super) fn answer_ports(&self) -> Vec<Option<(u16, u16)>> {
        let ports = |live: &Live| (live.stream().local.port(), live.stream().local_rtcp.port());
        self.lines.iter().map(|line| line.as_ref().map(ports)).collect()
    }

    /// Every port ever used below the next one, with its label if it is still open: for a segment's interfaces.
    pub(super) fn interfaces(&self) -> Vec<(PortIndex, Option<String>)> {
        let label = |port| self.live().find(|live| live.port() == port).and_then(|live| live.stream().label.clone());
        (0..self.next_port).map(|n| (PortIndex(n), label(PortIndex(n)).map(|l| l.to_string()))).collect()
    }
}

fn effective_pause(offered: Option<PauseCause>, by_operator: bool) -> Option<PauseCause> {
    if by_operator { Some(PauseCause::Operator) } else { offered }
}

fn pause_cause(kind: PauseKind) -> PauseCause {
    match kind {
        PauseKind::Inactive => PauseCause::Inactive,
        PauseKind::ZeroAddress => PauseCause::ZeroAddress,
        PauseKind::ZeroPort => PauseCause::ZeroPort,
    }
}
