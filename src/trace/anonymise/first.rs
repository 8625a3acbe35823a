//! The first pass: who and what is to be replaced, and what is media.

use siprec_core::anonymise::Survey;

use super::media::Found;
use crate::capture::{Content, Packet, SipStreams, looks_like_sip};

/// What the first pass gathers.
#[derive(Default)]
pub(super) struct First {
    survey: Survey,
    found: Found,
    streams: SipStreams,
}

impl First {
    pub(super) fn packet(&mut self, packet: Packet) {
        let (from, to) = (packet.from, packet.to);
        self.survey.address(from.ip());
        self.survey.address(to.ip());
        match packet.content {
            Content::Udp(payload) if looks_like_sip(&payload) => self.message(&payload),
            Content::Udp(payload) => {
                self.found.datagram(from, to, &payload);
                if siprec_core::rtp::rtcp::is_rtcp(&payload) {
                    self.survey.report(&payload);
                }
            }
            Content::Tcp(segment) => {
                let messages = self.streams.push(from, to, segment);
                messages.iter().filter(|bytes| looks_like_sip(bytes)).for_each(|bytes| self.message(bytes));
            }
        }
    }

    fn message(&mut self, bytes: &[u8]) {
        self.survey.message(bytes);
        self.found.message(bytes);
    }

    /// There is more to replace than is remembered.
    pub(super) fn is_full(&self) -> bool {
        self.survey.originals().is_full()
    }

    pub(super) fn done(self) -> (Survey, Found) {
        (self.survey, self.found)
    }
}
