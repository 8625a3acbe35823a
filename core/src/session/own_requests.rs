//! Requests of ours within a dialog: refreshes (RFC 4028 10), offers of ours, snapshot requests (RFC 7866 9.2).
//!
//! ```text
//! order, restart -> offer_change \                     / 2xx: ACK, answer, timer
//! timer ----------> wants_refresh -> go_on -> request -  491, 422, Retry-After: once more
//! metadata -------> want_snapshot                      \ 481, silence: lost(), which looks at the media first
//! ```
//! One offer is under way at a time, theirs or ours (RFC 3261 14.1).

use alloc::format;
use alloc::string::ToString;
use core::time::Duration;

use super::calling::Calling;
use super::journalling;
use super::limits::{MAX_SNAPSHOT_TRIES, SNAPSHOT_REQUEST_INTERVAL};
use super::own_address;
use super::reading::Bodies;
use super::recording_session::{Context, Purpose, RecordingSession};
use super::session_timer::{Asked, SessionTimer};
use super::streams::Live;
use super::watch;
use crate::entry::{Alarm, EndCause, PortIndex};
use crate::metadata;
use crate::sip::Method;
use crate::sip::check::ALLOW;
use crate::sip::message::Message;
use crate::sip::transaction::ClientKey;
use crate::time::Wall;

/// A refused refresh is tried again after this part of the interval, and no sooner than [`SHORTEST_RETRY`] seconds.
const RETRIES_PER_INTERVAL: u32 = 8;
const SHORTEST_RETRY: u32 = 10;
/// Whole pictures are asked for by INFO no more often.
const PICTURE_INTERVAL: Duration = Duration::from_secs(2);
/// RFC 5168 5.
const PICTURE_FAST_UPDATE: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<media_control><vc_primitive><to_encoder>\
     <picture_fast_update/></to_encoder></vc_primitive></media_control>\r\n";
/// The longest Retry-After that is waited for, seconds.
const LONGEST_RETRY: u32 = 60;

/// What an INVITE of ours within a dialog is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Offering {
    /// Something has changed: ports, a pause.
    Change,
    /// Nothing has: the session goes on.
    Refresh,
}

/// What is under way, and what waits.
#[derive(Debug, Default)]
pub(super) struct OwnRequests {
    /// Our INVITE without a final response.
    inviting: Option<Offering>,
    /// Our refreshing UPDATE has no final response.
    refreshing: bool,
    /// A 2xx of ours to an INVITE has no ACK.
    pub(super) unacknowledged: bool,
    wants_offer: bool,
    wants_refresh: bool,
    /// Nothing is offered before.
    not_before: Option<Wall>,
    snapshot: SnapshotWish,
    /// When a whole picture was asked for by INFO.
    picture: Option<Wall>,
}

#[derive(Debug, Default)]
struct SnapshotWish {
    /// Why one is wanted, for the SRC's people.
    wanted: Option<&'static str>,
    asked: Option<Wall>,
    /// Requests since the last complete document.
    tries: u8,
}

impl SnapshotWish {
    fn due(&self) -> Option<Wall> {
        self.wanted?;
        Some(self.asked.map_or(Wall::default(), |asked| asked.after(SNAPSHOT_REQUEST_INTERVAL)))
    }
}

impl OwnRequests {
    /// Whether an INVITE of ours waits for its final response.
    pub(super) fn is_inviting(&self) -> bool {
        self.inviting.is_some()
    }
}

impl RecordingSession {
    /// When [`RecordingSession::due`] is to be called; what `asks` nothing of the SRC waits for nothing to be asked.
    pub(super) fn deadline(&self, asks: bool) -> Option<Wall> {
        if !self.has_begun() {
            return self.calling.as_deref().and_then(Calling::deadline);
        }
        let timer = self.state.timer.as_ref().and_then(SessionTimer::deadline);
        let snapshot = self.own.snapshot.due().filter(|_| !self.own.unacknowledged);
        let requests = [timer, self.own.not_before, snapshot].into_iter().flatten().filter(|_| asks);
        requests.chain(self.state.recordings.deadline()).chain(self.state.pause_ends).min()
    }

    /// Does what is due; an end cause if the session is over by it.
    pub(super) fn due(&mut self, ctx: &mut Context<'_>) -> Option<EndCause> {
        let now = ctx.now.wall;
        if self.calling.is_some() {
            self.call(ctx);
            return None;
        }
        self.close_recordings(ctx);
        self.end_pause(ctx);
        if !ctx.policy.probes {
            return None;
        }
        if let Some(timer) = self.state.timer.as_mut()
            && timer.next_refresh.is_some_and(|at| at <= now)
        {
            timer.next_refresh = None;
            self.own.wants_refresh = true;
        }
        self.go_on(ctx);
        self.ask_for_snapshot(ctx);
        let timer = self.state.timer.as_mut().filter(|timer| !timer.expired && timer.expiry() <= now)?;
        timer.expired = true;
        if self.may_be_ended(ctx) {
            return Some(EndCause::SessionExpired);
        }
        self.alarm(Alarm::SessionExpired, None, true, ctx);
        journalling::checkpoint(&self.state, ctx.now, ctx.out);
        None
    }

    /// Whether a fault of signalling may end the session: RTP that flows says more, except of a peer set strict.
    pub(super) fn may_be_ended(&self, ctx: &Context<'_>) -> bool {
        ctx.policy.rules_of(self.state.peer_row.as_deref()).strict_dialogs
            || watch::is_silent(&self.state.streams, ctx.now.wall, ctx.policy.rtp_timeout)
    }

    /// The SRC does not know the dialog (481), or does not answer (408): an end cause if that ends the session.
    pub(super) fn lost(&mut self, status: u16, ctx: &mut Context<'_>) -> Option<EndCause> {
        let gone = match status {
            481 => EndCause::DialogUnknown,
            408 => EndCause::SrcGone,
            _ => return None,
        };
        if !ctx.policy.probes {
            return None;
        }
        if self.may_be_ended(ctx) {
            return Some(gone);
        }
        self.alarm(Alarm::DialogLost, None, true, ctx);
        None
    }

    /// A 2xx set the timer, or took it away.
    pub(super) fn set_timer(&mut self, timer: Option<SessionTimer>, ctx: &mut Context<'_>) {
        let was_expired = self.state.timer.as_ref().is_some_and(|timer| timer.expired);
        self.state.timer = timer;
        self.own.wants_refresh = false;
        if was_expired {
            self.alarm(Alarm::SessionExpired, None, false, ctx);
        }
    }

    /// Our description has changed: the SRC is told, as soon as no other offer is in the way.
    pub(super) fn offer_change(&mut self, ctx: &mut Context<'_>) {
        self.own.wants_offer = true;
        self.go_on(ctx);
    }

    /// Sends what waits, if it may be sent now.
    pub(super) fn go_on(&mut self, ctx: &mut Context<'_>) {
        if self.own.not_before.is_some_and(|at| at > ctx.now.wall) {
            return;
        }
        self.own.not_before = None;
        let busy = self.own.is_inviting() || self.own.unacknowledged || self.pending.is_some();
        if busy || !self.has_begun() {
            return;
        }
        if core::mem::take(&mut self.own.wants_offer) {
            self.own.wants_refresh = false;
            self.own.inviting = Some(Offering::Change);
            let sdp = self.describe_offer(ctx);
            self.invite_again(sdp, ctx);
        } else if self.own.wants_refresh && !self.own.refreshing {
            self.own.wants_refresh = false;
            self.refresh(ctx);
        }
    }

    /// RFC 4028 7.4: an UPDATE without a body where the SRC takes one, else an INVITE that offers the very same.
    fn refresh(&mut self, ctx: &mut Context<'_>) {
        if self.state.peer.update {
            self.own.refreshing = true;
            let request = self.target_refresh(Method::Update, ctx);
            self.send(request, Purpose::Refresh, ctx);
        } else {
            self.own.inviting = Some(Offering::Refresh);
            let described = self.state.described.as_bytes().to_vec();
            let sdp = if described.is_empty() { self.describe_offer(ctx) } else { described };
            self.invite_again(sdp, ctx);
        }
    }

    fn invite_again(&mut self, sdp: alloc::vec::Vec<u8>, ctx: &mut Context<'_>) {
        let request = self.target_refresh(Method::Invite, ctx).with_body("application/sdp", sdp);
        self.send(request, Purpose::Offer, ctx);
    }

    /// An INVITE or UPDATE of ours, all but its body.
    fn target_refresh(&mut self, method: Method, ctx: &Context<'_>) -> Message {
        let mut request = self.state.dialog.request(method);
        request.headers.push("Contact", self.contact(ctx));
        request.headers.push("Allow", ALLOW);
        if self.state.peer.siprec {
            request.headers.push("Require", "siprec");
        }
        request.headers.push("Supported", "timer");
        request.headers.push("User-Agent", ctx.policy.product.clone());
        if let Some(timer) = &self.state.timer {
            request.headers.push("Session-Expires", timer.in_request(self.state.peer.min_se));
            if self.state.peer.min_se > super::session_timer::SHORTEST_INTERVAL {
                request.headers.push("Min-SE", self.state.peer.min_se.to_string());
            }
        }
        request
    }

    /// A request of ours was answered, or was not (408): an end cause if the session is over by it.
    pub(super) fn own_answered(
        &mut self,
        purpose: Purpose,
        key: &ClientKey,
        status: u16,
        response: Option<&Message>,
        ctx: &mut Context<'_>,
    ) -> Option<EndCause> {
        let offering = match purpose {
            Purpose::Bye | Purpose::Record => return None,
            Purpose::Probe | Purpose::Picture => return self.probe_answered(status, ctx),
            Purpose::Offer => self.own.inviting.take(),
            Purpose::Refresh => {
                self.own.refreshing = false;
                None
            }
            Purpose::Snapshot => None,
        };
        match (status, response) {
            (200..=299, Some(response)) => self.target_refreshed(purpose, key, response, ctx),
            (_, _) => {
                let again = self.worth_another_try(status, response, ctx);
                match offering {
                    _ if purpose == Purpose::Snapshot => {}
                    Some(Offering::Change) => self.own.wants_offer |= again,
                    Some(Offering::Refresh) | None => self.refresh_failed(again, ctx),
                }
            }
        }
        let ended = self.lost(status, ctx);
        if ended.is_none() {
            self.go_on(ctx);
            journalling::checkpoint(&self.state, ctx.now, ctx.out);
        }
        ended
    }

    fn refresh_failed(&mut self, again: bool, ctx: &Context<'_>) {
        self.own.wants_refresh = again;
        if let Some(timer) = self.state.timer.as_mut().filter(|_| !again) {
            timer.refresh_after((timer.interval / RETRIES_PER_INTERVAL).max(SHORTEST_RETRY), ctx.now.wall);
        }
    }

    /// Whether the same is to be tried again soon, and what is to be different then.
    fn worth_another_try(&mut self, status: u16, response: Option<&Message>, ctx: &Context<'_>) -> bool {
        let now = ctx.now.wall;
        match status {
            // RFC 3261 14.1: who owns the Call-ID waits longer; in tens of milliseconds.
            491 => {
                let (least, range) = if self.state.initiated { (210, 190) } else { (0, 200) };
                let wait = least + u64::from(self.branches.next_u32() % range);
                self.own.not_before = Some(now.after(Duration::from_millis(10 * wait)));
                true
            }
            422 => {
                let least = response.map_or(0, |response| Asked::of(response).min_se);
                let more = self.state.timer.as_ref().is_some_and(|timer| least > timer.interval);
                self.state.peer.min_se = self.state.peer.min_se.max(least);
                more
            }
            405 | 501 if self.state.peer.update => {
                self.state.peer.update = false;
                true
            }
            500 | 503 => {
                let after = response.and_then(|response| response.header("Retry-After"));
                let seconds = after.and_then(|value| value.split([';', ' ', '(']).next()?.parse::<u32>().ok());
                let wait = seconds.map(|seconds| Duration::from_secs(u64::from(seconds.min(LONGEST_RETRY))));
                self.own.not_before = wait.map(|wait| now.after(wait));
                wait.is_some()
            }
            _ => false,
        }
    }

    /// A 2xx to an INVITE or UPDATE of ours.
    fn target_refreshed(&mut self, purpose: Purpose, key: &ClientKey, response: &Message, ctx: &mut Context<'_>) {
        self.watch.is_alive(ctx.now);
        if purpose == Purpose::Offer {
            self.acknowledge(key, response, None, ctx);
        }
        self.state.dialog.refresh_target(response);
        self.state.peer.learn(response);
        let renewed = || self.state.timer.as_ref()?.renewed(ctx.now.wall);
        let timer = Asked::of(response).granted(ctx.now.wall).or_else(renewed);
        self.set_timer(timer, ctx);
        let Ok(bodies) = Bodies::read(response) else { return };
        if purpose == Purpose::Offer {
            self.take_answer(&bodies, ctx);
        }
        self.take_metadata(&bodies.metadata, ctx);
    }

    /// The ACK of a 2xx to our INVITE, with our answer where that 2xx held the offer (RFC 3261 13.2.2.4).
    pub(super) fn acknowledge(
        &mut self,
        key: &ClientKey,
        response: &Message,
        sdp: Option<alloc::vec::Vec<u8>>,
        ctx: &mut Context<'_>,
    ) {
        let Some(cseq) = response.cseq() else { return };
        let mut ack = self.state.dialog.ack(cseq.number);
        if let Some(sdp) = sdp {
            ack = ack.with_body("application/sdp", sdp);
        }
        let flow = self.outgoing_flow();
        let branch = format!("z9hG4bK{}", self.branches.token());
        let sent_by = own_address::sent_by(&flow, ctx.policy);
        ctx.transactions.send_ack(key, &flow, ack, &branch, &sent_by);
    }

    /// What was folded cannot be relied on: a whole snapshot would help.
    pub(super) fn want_snapshot(&mut self, reason: &'static str) {
        if self.own.snapshot.tries < MAX_SNAPSHOT_TRIES {
            self.own.snapshot.wanted = Some(reason);
        }
    }

    /// An operator wants one, however often it was asked for in vain.
    pub(super) fn order_snapshot(&mut self, ctx: &mut Context<'_>) {
        self.own.snapshot.wanted = Some("the recorder's operator asks for it");
        self.ask_for_snapshot(ctx);
    }

    /// A complete document was folded in.
    pub(super) fn snapshot_came(&mut self) {
        self.own.snapshot.wanted = None;
        self.own.snapshot.tries = 0;
    }

    /// Sends the snapshot request that is wanted: never before the dialog is acknowledged, nor too often.
    pub(super) fn ask_for_snapshot(&mut self, ctx: &mut Context<'_>) {
        let now = ctx.now.wall;
        let due = self.own.snapshot.due().is_some_and(|at| at <= now);
        if !due || !ctx.policy.probes || !self.has_begun() || self.own.unacknowledged {
            return;
        }
        let Some(reason) = self.own.snapshot.wanted.take().filter(|_| self.state.peer.update) else { return };
        self.own.snapshot.asked = Some(now);
        self.own.snapshot.tries = self.own.snapshot.tries.saturating_add(1);
        let body = metadata::write_snapshot_request(Some(reason));
        let mut request = self.target_refresh(Method::Update, ctx);
        request.headers.push("Content-Disposition", "recording-session");
        let request = request.with_body(self.state.peer.metadata_type(), body);
        self.send(request, Purpose::Snapshot, ctx);
    }

    /// A source begins on a stream: of video, where RTCP cannot ask for its first picture, an INFO does (RFC 7866 8.1.7.1.1).
    pub(super) fn ask_for_picture(&mut self, port: PortIndex, ctx: &mut Context<'_>) {
        let is_silent = |live: &Live| live.stream().media.eq_ignore_ascii_case("video") && !live.settings.feedback.fir;
        let wanted = self.state.streams.live().any(|live| live.port() == port && is_silent(live));
        let now = ctx.now.wall;
        let is_soon = self.own.picture.is_some_and(|asked| asked.after(PICTURE_INTERVAL) > now);
        if !wanted || is_soon || !ctx.policy.probes || !self.has_begun() || self.state.peer.no_info {
            return;
        }
        self.own.picture = Some(now);
        let mut request = self.state.dialog.request(Method::Info);
        request.headers.push("User-Agent", ctx.policy.product.clone());
        let request = request.with_body("application/media_control+xml", PICTURE_FAST_UPDATE.into());
        self.send(request, Purpose::Picture, ctx);
    }
}
