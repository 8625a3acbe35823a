//! What a source says of itself by RTCP: how much it sent, what its own clock shows, and the delay it measures (RFC 3550 6.4.1,
//! RFC 3611 4.5, 4.7). None of it moves a sample: endpoints' clocks are often years off.

use alloc::collections::BTreeMap;

use super::sheet::ReportSheet;
use crate::entry::PortIndex;
use crate::rtp::extended::{self, Block};
use crate::rtp::rtcp::{self, Report, SenderReport};
use crate::time::Wall;

/// Sources whose reports are told.
const MAX_REPORTERS: usize = 1024;
/// Seconds from 1900, where NTP begins, to 1970.
const NTP_TO_UNIX_S: i64 = 2_208_988_800;
const NANOS_PER_SECOND: i64 = 1_000_000_000;
const NANOS_PER_MILLI: i64 = 1_000_000;

/// The reports of a session, by port and SSRC.
#[derive(Debug, Default)]
pub(super) struct Reports {
    by_source: BTreeMap<(PortIndex, u32), Reported>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Reported {
    sender_reports: u64,
    packets: u32,
    /// Least arrival minus NTP time, ns.
    behind: Option<i64>,
    round_trip_ms: Option<u16>,
    end_system_ms: Option<u16>,
    /// Least of all answers to our own questions.
    recorder_round_trip_us: Option<u32>,
}

impl Reports {
    /// Takes a compound that arrived at `at`.
    pub(super) fn compound(&mut self, at: i64, port: PortIndex, bytes: &[u8]) {
        let Ok(compound) = rtcp::parse(bytes) else { return };
        for report in compound {
            match report {
                Report::Sender(report) => {
                    if let Some(reported) = self.open(port, report.ssrc) {
                        reported.sender(at, &report);
                    }
                }
                Report::Extended { ssrc, blocks } => {
                    for block in extended::blocks(blocks) {
                        if let Some(reported) = self.open(port, ssrc) {
                            reported.delay(Wall(at), &block);
                        }
                    }
                }
                Report::Receiver { .. }
                | Report::Description(_)
                | Report::Goodbye(_)
                | Report::Application { .. }
                | Report::Feedback { .. }
                | Report::Other(_) => {}
            }
        }
    }

    /// What a source reported; none of one that did not.
    pub(super) fn sheet(&self, port: PortIndex, ssrc: u32) -> Option<ReportSheet> {
        let reported = self.by_source.get(&(port, ssrc))?;
        Some(ReportSheet {
            sender_reports: reported.sender_reports,
            packets_sent: (reported.sender_reports > 0).then_some(reported.packets),
            clock_behind_ms: reported.behind.map(|behind| behind.div_euclid(NANOS_PER_MILLI)),
            round_trip_ms: reported.round_trip_ms,
            end_system_ms: reported.end_system_ms,
            recorder_round_trip_us: reported.recorder_round_trip_us,
        })
    }

    fn open(&mut self, port: PortIndex, ssrc: u32) -> Option<&mut Reported> {
        if self.by_source.len() >= MAX_REPORTERS && !self.by_source.contains_key(&(port, ssrc)) {
            return None;
        }
        Some(self.by_source.entry((port, ssrc)).or_default())
    }
}

impl Reported {
    fn delay(&mut self, at: Wall, block: &Block) {
        match block {
            Block::VoipMetrics { round_trip_ms, end_system_ms } => {
                (self.round_trip_ms, self.end_system_ms) = (Some(*round_trip_ms), Some(*end_system_ms));
            }
            Block::SinceReference(since) => {
                let least = |told: u32| self.recorder_round_trip_us.map_or(told, |least| least.min(told));
                self.recorder_round_trip_us = since.round_trip_us(at).map(least).or(self.recorder_round_trip_us);
            }
            Block::Reference { .. } => {}
        }
    }

    fn sender(&mut self, at: i64, report: &SenderReport<'_>) {
        self.sender_reports += 1;
        self.packets = report.packets;
        if report.ntp != 0 {
            let (seconds, fraction) = (report.ntp >> 32, report.ntp & 0xffff_ffff);
            let seconds = i64::try_from(seconds).unwrap_or(0) - NTP_TO_UNIX_S;
            let nanos = i64::try_from((fraction * NANOS_PER_SECOND.unsigned_abs()) >> 32).unwrap_or(0);
            let behind = at.saturating_sub(seconds.saturating_mul(NANOS_PER_SECOND).saturating_add(nanos));
            self.behind = Some(self.behind.map_or(behind, |least| least.min(behind)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const PORT: PortIndex = PortIndex(1);
    const SSRC: u32 = 0x1001;
    const UNIX_S: i64 = 1_790_000_000;

    fn sender_report(unix_s: i64, packets: u32) -> Vec<u8> {
        let mut bytes = Vec::from([0x80, 200, 0, 6]);
        let ntp = u32::try_from(unix_s + NTP_TO_UNIX_S).unwrap();
        for word in [SSRC, ntp, 1 << 31, 160, packets, packets * 160] {
            bytes.extend(word.to_be_bytes());
        }
        bytes
    }

    #[test]
    fn the_last_count_and_the_least_offset_are_told() {
        let mut reports = Reports::default();
        let at = |ms: i64| UNIX_S * NANOS_PER_SECOND + ms * NANOS_PER_MILLI;
        reports.compound(at(540), PORT, &sender_report(UNIX_S, 100));
        reports.compound(at(5_520), PORT, &sender_report(UNIX_S + 5, 350));
        let sheet = reports.sheet(PORT, SSRC).unwrap();
        assert_eq!((sheet.sender_reports, sheet.packets_sent, sheet.clock_behind_ms), (2, Some(350), Some(20)));
        assert_eq!(sheet.round_trip_ms, None);
        assert_eq!(reports.sheet(PortIndex(0), SSRC), None);
    }

    #[test]
    fn extended_reports_tell_delays_and_what_is_torn_tells_nothing() {
        let mut bytes = sender_report(UNIX_S - 900_000_000, 1);
        let mut voip = Vec::from([7, 0, 0, 8]);
        voip.extend([0; 12]);
        voip.extend([0, 87, 0, 130]);
        voip.extend([0; 16]);
        bytes.extend([0x80, 207, 0, 13]);
        bytes.extend(SSRC.to_be_bytes());
        bytes.extend([4, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend(&voip);
        for end in 0..bytes.len() {
            let mut torn = Reports::default();
            torn.compound(0, PORT, &bytes[..end]);
            assert_eq!(torn.sheet(PORT, SSRC).and_then(|sheet| sheet.round_trip_ms), None);
        }
        let mut reports = Reports::default();
        reports.compound(UNIX_S * NANOS_PER_SECOND, PORT, &bytes);
        let sheet = reports.sheet(PORT, SSRC).unwrap();
        assert_eq!((sheet.round_trip_ms, sheet.end_system_ms), (Some(87), Some(130)));
        assert_eq!(sheet.clock_behind_ms, Some(900_000_000_000 - 500));
        reports.compound(0, PORT, &[0xff; 40]);
    }
}
