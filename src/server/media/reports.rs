//! Reports on their way to signalling and back: what figures need of memory is there from a port's beginning, and is used
//! again. So a second's figures of a thousand streams cost no allocation, and events none either.

use std::collections::VecDeque;

use siprec_core::media::{MediaReport, Port, PortEvent, PortStatistics};
use siprec_core::seed::SessionId;

/// Reports told with one call.
const TOLD_AT_ONCE: usize = 64;
/// Room for the sources of a stream: who speaks first, and who comes after transfers. More of them allocate.
const SOURCES: usize = 4;
/// Keys of an SRTP stream, likewise.
const KEYS: usize = 2;

/// A worker's reports.
#[derive(Default)]
pub(super) struct Reports {
    /// To be told, in lists that are not longer than [`TOLD_AT_ONCE`].
    filled: VecDeque<Vec<MediaReport>>,
    /// To be filled: of plain streams, and of those under SRTP, whose figures need more.
    plain: Vec<MediaReport>,
    secured: Vec<MediaReport>,
    lists: Vec<Vec<MediaReport>>,
    /// Ports that there are: as many reports are there, so that all can be told at once.
    ports: usize,
}

impl Reports {
    /// A port begins.
    pub(super) fn port_begins(&mut self, session: SessionId, port: &Port) {
        self.ports += 1;
        let mut statistics = PortStatistics::of(port.settings().stream.port);
        statistics.sources.reserve_exact(SOURCES);
        if port.is_secured() {
            let srtp = statistics.srtp.get_or_insert_default();
            srtp.receiver.sources.reserve_exact(SOURCES);
            srtp.receiver.reporters.reserve_exact(SOURCES);
            srtp.receiver.keys.reserve_exact(KEYS);
        }
        self.keep(MediaReport { session, event: None, statistics });
        // A list for the reports of so many ports, and some that are on their way.
        if self.ports % TOLD_AT_ONCE == 1 {
            self.lists.extend((0..2).map(|_| Vec::with_capacity(TOLD_AT_ONCE)));
            self.filled.reserve(self.lists.len());
        }
    }

    /// A port is over.
    pub(super) fn port_ends(&mut self) {
        self.ports = self.ports.saturating_sub(1);
    }

    /// Whether there is a report for a port's figures; not while signalling is so far behind that all are on their way.
    pub(super) fn has_spare(&self, port: &Port) -> bool {
        let spare = if port.is_secured() { &self.secured } else { &self.plain };
        !spare.is_empty()
    }

    /// Something happened on a port, or it is time for its figures.
    pub(super) fn push(&mut self, session: SessionId, event: Option<PortEvent>, port: &Port) {
        let spare = if port.is_secured() { &mut self.secured } else { &mut self.plain };
        let mut report = spare.pop().unwrap_or_else(|| {
            let statistics = PortStatistics::of(port.settings().stream.port);
            MediaReport { session, event, statistics }
        });
        (report.session, report.event) = (session, event);
        port.statistics_into(&mut report.statistics);
        match self.filled.back_mut().filter(|list| list.len() < TOLD_AT_ONCE) {
            Some(list) => list.push(report),
            None => {
                let mut list = self.lists.pop().unwrap_or_else(|| Vec::with_capacity(TOLD_AT_ONCE));
                list.push(report);
                self.filled.push_back(list);
            }
        }
    }

    /// What is to be told next, if anything is.
    pub(super) fn take(&mut self) -> Option<Vec<MediaReport>> {
        self.filled.pop_front()
    }

    /// What was told is to be filled again.
    pub(super) fn give_back(&mut self, mut told: Vec<MediaReport>) {
        told.drain(..).for_each(|report| self.keep(report));
        if self.lists.len() <= 2 + self.ports / TOLD_AT_ONCE * 2 {
            self.lists.push(told);
        }
    }

    fn keep(&mut self, report: MediaReport) {
        let spare = if report.statistics.srtp.is_some() { &mut self.secured } else { &mut self.plain };
        if spare.len() < self.ports {
            spare.push(report);
        }
    }
}
