//! When a whole picture is asked for: whoever begins to record in the middle of a call, or has lost a packet, sees
//! nothing until the next one (RFC 7866 8.1.7.1, 8.1.7.2).

use core::time::Duration;

use crate::rtp::rtcp;
use crate::sdp::Feedback;
use crate::time::Wall;
use alloc::vec::Vec;

/// Pictures are asked for no more often: a whole one costs the SRC ten of the others.
const ASKED_EVERY: Duration = Duration::from_secs(1);

/// What a port wants of the pictures that come.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    feedback: Feedback,
    wanted: Option<Wanted>,
    asked: Option<Wall>,
    /// Of the full intra requests, each a new one (RFC 5104 4.3.1.1).
    sequence: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wanted {
    /// Whose picture.
    ssrc: u32,
    /// Pictures begin here; else some of one was lost.
    is_first: bool,
}

impl Pictures {
    pub(super) fn new(feedback: Feedback) -> Self {
        Self { feedback, ..Self::default() }
    }

    pub(super) fn update(&mut self, feedback: Feedback) {
        self.feedback = feedback;
    }

    /// A source begins.
    pub(super) fn begin(&mut self, ssrc: u32) {
        if self.feedback.asks_for_pictures() {
            self.wanted = Some(Wanted { ssrc, is_first: true });
        }
    }

    /// Packets of a source are missing.
    pub(super) fn lost(&mut self, ssrc: u32) {
        if self.feedback.asks_for_pictures() && self.wanted.is_none() {
            self.wanted = Some(Wanted { ssrc, is_first: false });
        }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.is_some()
    }

    /// Whether it may be asked for by now.
    pub(super) fn is_due(&self, now: Wall) -> bool {
        self.wanted.is_some() && self.asked.is_none_or(|asked| asked.after(ASKED_EVERY) <= now)
    }

    /// Appends what asks for it, if it is due.
    pub(super) fn ask(&mut self, now: Wall, ours: u32, out: &mut Vec<u8>) {
        if !self.is_due(now) {
            return;
        }
        let Some(Wanted { ssrc, is_first }) = self.wanted.take() else { return };
        self.asked = Some(now);
        // A lost packet is no reason for a full intra request (RFC 5104 3.5.1), unless nothing else was agreed on.
        if self.feedback.pli && (!is_first || !self.feedback.fir) {
            rtcp::encode_picture_loss(out, ours, ssrc);
        } else {
            rtcp::encode_full_intra_request(out, ours, ssrc, self.sequence);
            self.sequence = self.sequence.wrapping_add(1);
        }
    }
}
