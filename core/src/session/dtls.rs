//! DTLS-SRTP of a session: which association each stream has agreed on, and what became of its handshakes.
//!
//! ```text
//! offer, answer -> Association -> ExpectDtls -> the shell's handshake -> Input::Secured -> keys, as SDES has them
//!                                                                     '> Input::NotSecured -> an alarm
//! ```
//! The keys are checkpointed like those of SDES: a session that goes on after a crash needs no other handshake.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;
use serde::{Deserialize, Serialize};

use super::journalling;
use super::recording_session::{Context, RecordingSession};
use super::streams::{Live, Streams};
use super::{Outbox, Output, Secured, Tell};
use crate::entry::{Alarm, PortIndex};
use crate::sdp::Decided;
use crate::sdp::dtls::{Association, OwnDtls, Role, Side};
use crate::sdp::fingerprint::Fingerprint;
use crate::seed::{Random, SessionId};
use crate::time::Wall;

/// Anybody can knock: of handshakes that come to nothing, one a stream is told in this time.
const TOLD_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// What DTLS is to a stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Dtls {
    association: Association,
    /// The association whose keys protect RTP, and that whose keys protect RTCP (the same handshake's with rtcp-mux).
    #[serde(default)]
    keyed: [Option<u32>; 2],
    /// Somebody shook hands who may not.
    #[serde(default)]
    alarmed: bool,
    /// When a handshake that came to nothing was told last.
    #[serde(skip)]
    told: Option<Wall>,
    /// What the shell was told to expect: the association's number, and where the peer says it is.
    #[serde(skip)]
    expected: Option<(u32, [Remote; 2])>,
}

impl Dtls {
    fn new(association: Association) -> Self {
        Self { association, keyed: [None; 2], alarmed: false, told: None, expected: None }
    }
}

impl Streams {
    /// What an exchange of descriptions says of DTLS, once it has been applied. The lines of which it leaves the roles open
    /// keep what they had.
    pub(super) fn agree_on_dtls(
        &mut self,
        decided: &[Decided],
        side: Side,
        random: &mut Random,
    ) -> Result<(), PortIndex> {
        let mut went = Ok(());
        for (line, decided) in decided.iter().enumerate() {
            let Some(live) = self.line_mut(line) else { continue };
            let Some(accepted) = &decided.accepted else { continue };
            live.settings.dtls = accepted.dtls.is_some();
            let Some(theirs) = &accepted.dtls else {
                live.dtls = None;
                continue;
            };
            let before = live.dtls.as_ref().map(|dtls| &dtls.association);
            match Association::agree(before, theirs, side, accepted.remote, random) {
                Ok(association) => match &mut live.dtls {
                    Some(dtls) => dtls.association = association,
                    None => {
                        // Keys that stood in signalling end with it.
                        live.keys = None;
                        live.dtls = Some(Dtls::new(association));
                    }
                },
                Err(_) => went = Err(live.port()),
            }
        }
        went
    }

    /// What our description says of it, for each m-line.
    pub(super) fn own_dtls(&self, fingerprint: Option<&Fingerprint>) -> Vec<Option<OwnDtls>> {
        let Some(fingerprint) = fingerprint else { return Vec::new() };
        let of = |dtls: &Dtls| OwnDtls {
            fingerprint: fingerprint.clone(),
            role: dtls.association.role,
            tls_id: dtls.association.our_tls_id.clone(),
        };
        self.each_line().map(|live| live.and_then(|live| live.dtls.as_ref()).map(of)).collect()
    }

    /// Tells the shell whose handshakes to expect, where that has changed.
    pub(super) fn expect_dtls(&mut self, session: SessionId, out: &mut Outbox) {
        for live in self.live_mut() {
            let (port, remotes) = (live.port(), live.remotes());
            let Some(dtls) = &mut live.dtls else { continue };
            let wanted = (dtls.association.number, remotes);
            if dtls.expected.replace(wanted) == Some(wanted) {
                continue;
            }
            let sockets = [false, true].into_iter().zip(remotes).zip(dtls.keyed);
            for ((is_rtcp, Remote { remote, .. }), keyed) in sockets.filter(|((_, remote), _)| remote.shakes_hands) {
                // Nobody shakes hands twice for one association: after a crash the keys are known.
                let is_due = dtls.association.role == Role::Client && keyed != Some(dtls.association.number);
                let association = dtls.association.clone();
                let begin_with = remote.filter(|_| is_due);
                out.push_back(Output::ExpectDtls { session, port, is_rtcp, association, begin_with });
            }
        }
    }
}

/// One of a stream's sockets, as DTLS sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Remote {
    /// Where the peer says it is.
    pub(super) remote: Option<SocketAddr>,
    /// It has handshakes of its own: RTCP does without rtcp-mux (RFC 5764 4).
    pub(super) shakes_hands: bool,
}

impl Live {
    fn remotes(&self) -> [Remote; 2] {
        let settings = &self.settings;
        [
            Remote { remote: settings.stream.remote, shakes_hands: true },
            Remote { remote: settings.remote_rtcp, shakes_hands: !settings.rtcp_mux },
        ]
    }
}

impl RecordingSession {
    /// A handshake is done: its keys protect the stream from now on. Those of an association that is no more are dropped.
    pub(super) fn secured(&mut self, done: Secured, ctx: &mut Context<'_>) {
        let Secured { session, port, is_rtcp, association, peer, keys } = done;
        let suite = keys.theirs.suite();
        if !self.answer_policy(ctx).srtp.suites().contains(&suite) {
            let why = alloc::format!("{suite}, which is what both ends have in common, is not allowed (media.srtp)");
            self.not_secured(port, peer, why, ctx);
            return;
        }
        let Some(live) = self.state.streams.live_mut().find(|live| live.port() == port) else { return };
        let Some(dtls) = live.dtls.as_mut().filter(|dtls| dtls.association.number == association) else { return };
        if let Some(keyed) = dtls.keyed.get_mut(usize::from(is_rtcp)) {
            *keyed = Some(association);
        }
        let is_cleared = core::mem::take(&mut dtls.alarmed);
        let version = keys.version;
        live.take_dtls_keys(is_rtcp, keys.theirs, keys.ours, &ctx.keyring(session));
        ctx.out.push_back(Output::Tell(Tell::Secured { session, port, peer, suite, version }));
        if is_cleared {
            self.alarm(Alarm::NotSecured, Some(port), false, ctx);
        }
        self.state.streams.publish(session, ctx.now.wall, ctx.out);
        journalling::checkpoint(&self.state, ctx.now, ctx.out);
    }

    /// A handshake came to nothing: an alarm, until one is done. What was agreed on before stays in force.
    pub(super) fn not_secured(&mut self, port: PortIndex, peer: SocketAddr, why: String, ctx: &mut Context<'_>) {
        let session = self.id();
        let Some(live) = self.state.streams.live_mut().find(|live| live.port() == port) else { return };
        let Some(dtls) = live.dtls.as_mut() else { return };
        let is_news = !core::mem::replace(&mut dtls.alarmed, true);
        if dtls.told.is_none_or(|told| told.after(TOLD_AGAIN_AFTER) <= ctx.now.wall) {
            dtls.told = Some(ctx.now.wall);
            ctx.out.push_back(Output::Tell(Tell::NotSecured { session, port, peer, why }));
        }
        if is_news {
            self.alarm(Alarm::NotSecured, Some(port), true, ctx);
        }
    }
}
