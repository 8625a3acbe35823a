//! Requests of the server's within our calls (RFC 7866 7.2, 9.2): pauses, offers, snapshots asked for, BYE.

use alloc::string::String;
use alloc::vec::Vec;

use super::answer::{description_of, destinations};
use super::call::{Call, Phase};
use super::outcome::{End, Output};
use super::{ALLOW, Change, Client, Context, contact};
use crate::metadata::is_metadata;
use crate::sdp::{Description, Direction};
use crate::sip::Method;
use crate::sip::check::check;
use crate::sip::message::Message;
use crate::sip::transaction::ServerKey;
use crate::time::Now;

/// What we read.
const ACCEPT: &str = "application/sdp, application/rs-metadata, application/rs-metadata-request";

impl Client {
    /// Answers a request.
    pub(super) fn request(&mut self, now: Now, key: &ServerKey, request: &Message) {
        if let Err(rejection) = check(request) {
            return self.respond(now, key, rejection.response(request));
        }
        let number = self.call_of(request);
        let known = number.and_then(|number| self.calls.get(&number)).is_some_and(|call| call.dialog.matches(request));
        match (number.filter(|_| known), request.method()) {
            (Some(number), _) => {
                self.with_call(now, number, |call, ctx| {
                    let response = call.answer(request, ctx);
                    ctx.transactions.respond(now.monotonic, key, response);
                    call.after_answer(request, ctx);
                });
            }
            (None, Some(Method::Options)) if request.to_tag().is_none() => {
                self.respond(now, key, capabilities(Message::response(200, "OK", request)));
            }
            // We begin our recording sessions ourselves.
            (None, Some(Method::Invite)) if request.to_tag().is_none() => {
                self.respond(now, key, Message::response(403, "Forbidden", request));
            }
            (None, _) => {
                self.respond(now, key, Message::response(481, "Call/Transaction Does Not Exist", request));
            }
        }
    }
}

impl Call {
    fn answer(&mut self, request: &Message, ctx: &mut Context<'_>) -> Message {
        if let Err(rejection) = self.dialog.check_cseq(request) {
            return rejection.response(request);
        }
        let ok = Message::response(200, "OK", request);
        match request.method() {
            Some(Method::Bye | Method::Info | Method::Prack) => ok,
            Some(Method::Options) => capabilities(ok),
            Some(Method::Invite | Method::Update) => self.answer_offer(request, ok, ctx),
            _ => Message::response(405, "Method Not Allowed", request).with("Allow", ALLOW),
        }
    }

    fn answer_offer(&mut self, request: &Message, ok: Message, ctx: &mut Context<'_>) -> Message {
        let offer = description_of(request);
        let is_invite = request.method() == Some(&Method::Invite);
        if (offer.is_some() || is_invite) && self.busy.is_some() {
            // RFC 3261 14.2, RFC 3311 5.2.
            return Message::response(491, "Request Pending", request);
        }
        self.dialog.refresh_target(request);
        let mut ok = capabilities(ok).with("Contact", contact(&self.flow, self.dialog.secure));
        if let Some(expires) = self.timer_asked(request, ctx) {
            ok = ok.with("Require", "timer").with("Session-Expires", expires);
        }
        match offer {
            Some(offer) if offer.media.len() < self.plan.lines.len() => {
                // RFC 3264 8: an offer has at least as many lines as the one before.
                Message::response(488, "Not Acceptable Here", request)
            }
            Some(offer) => {
                let answer = self.describe_answer(&offer);
                self.take_description(&offer, ctx);
                ok.with_body("application/sdp", answer)
            }
            None if is_invite => {
                self.version += 1;
                self.answer_in_ack = true;
                let offer = self.plan.description(&self.flow, self.session_id, self.version);
                ok.with_body("application/sdp", offer)
            }
            None => ok,
        }
    }

    /// Our answer: our lines, sent as far as theirs receive; what we do not have is closed.
    fn describe_answer(&mut self, offer: &Description) -> Vec<u8> {
        self.version += 1;
        let mut answer = self.plan.clone();
        for (line, media) in answer.lines.iter_mut().zip(&offer.media) {
            let hears = matches!(media.direction, Direction::RecvOnly | Direction::SendRecv);
            let is_sent =
                hears && line.direction == Direction::SendOnly && !media.host.as_ref().is_some_and(|h| h.is_zero());
            line.direction = if is_sent { Direction::SendOnly } else { Direction::Inactive };
            if media.port == 0 {
                line.rtp = 0;
            }
        }
        let mut sdp = answer.description(&self.flow, self.session_id, self.version);
        for media in offer.media.iter().skip(self.plan.lines.len()) {
            let formats = media.formats_raw.join(" ");
            let closed = alloc::format!("m={} 0 {} {formats}\r\na=inactive\r\n", media.kind, media.proto);
            sdp.extend_from_slice(closed.as_bytes());
        }
        sdp
    }

    /// Takes a description of theirs for where our lines go.
    pub(super) fn take_description(&mut self, theirs: &Description, ctx: &mut Context<'_>) {
        let (lines, told) = destinations(&self.plan.lines, theirs);
        told.into_iter().for_each(|what| ctx.tell(self.number, what));
        ctx.out.push_back(Output::Media { call: self.number, lines });
    }

    /// What follows an answer of ours.
    fn after_answer(&mut self, request: &Message, ctx: &mut Context<'_>) {
        if request.method() == Some(&Method::Bye) {
            self.over(End::Theirs, ctx);
        } else if asks_for_snapshot(request) {
            self.change(Change::Snapshot, ctx);
        }
    }

    /// An ACK: it answers the offer of our 2xx, where theirs had none.
    pub(super) fn acknowledged(&mut self, ack: &Message, ctx: &mut Context<'_>) {
        if !core::mem::take(&mut self.answer_in_ack) || self.phase != Phase::Established {
            return;
        }
        match description_of(ack) {
            Some(answer) => self.take_description(&answer, ctx),
            None => ctx.tell(self.number, "an ACK without the answer to our offer (RFC 3264 4)"),
        }
    }
}

/// RFC 3261 11.2.
fn capabilities(response: Message) -> Message {
    response.with("Allow", ALLOW).with("Accept", ACCEPT).with("Supported", "timer")
}

/// RFC 7866 9.2: a body of metadata that is a request.
fn asks_for_snapshot(request: &Message) -> bool {
    let parts = request.parts().unwrap_or_default();
    let mut bodies = parts.iter().filter(|part| is_metadata(part) || part.is("application/rs-metadata-request"));
    bodies.any(|part| String::from_utf8_lossy(&part.body).contains("requestsnapshot"))
}
