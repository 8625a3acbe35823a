//! What a second brought on a stream, for who watches the call.

use serde::Serialize;

use super::{Heard, PortStatistics, SourceSummary};
use crate::codec::level::dbfs;
use crate::entry::{PortIndex, SourceChange, Stream};
use crate::rtp::quality::{self, Impairment};
use crate::sdp::static_format;

/// Figures of a stream between two reports, about a second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Second {
    /// The stream.
    pub port: PortIndex,
    /// Its encoding by the last packet, as `PCMA`; none before the first, or of one that nobody announced.
    pub encoding: Option<alloc::string::String>,
    /// RTP packets that came, of whomever.
    pub packets: u64,
    /// Packets that the stream's own sources should have sent by their sequence numbers.
    pub expected: u64,
    /// Of those, what did not come.
    pub lost: u64,
    /// The largest interarrival jitter of its sources now, microseconds (RFC 3550 A.8).
    pub jitter_us: u32,
    /// Mean opinion score of such a second, hundredths (ITU-T G.107); none of codecs that it does not judge.
    pub mos_hundredths: Option<u16>,
    /// How loud it was, dB of full scale, by a sample of its packets; none where nothing can be told.
    pub level_dbfs: Option<i16>,
    /// Whether somebody talked in it; none where nothing can be told.
    pub talks: Option<bool>,
}

impl Second {
    /// What came between the figures of before (none at the first) and those of now.
    pub fn between(before: Option<&PortStatistics>, now: &PortStatistics, stream: &Stream) -> Self {
        // Figures that fell are those of another port: all of them are new.
        let before = before.filter(|before| before.packets <= now.packets);
        let sum = |of: Option<&PortStatistics>| of.map_or((0, 0), expected_and_lost);
        let ((expected, lost), (expected_before, lost_before)) = (expected_and_lost(now), sum(before));
        let expected = expected.saturating_sub(expected_before);
        // What came late after all was lost in the second before.
        let lost = lost.saturating_sub(lost_before).min(expected);
        let newest = own(now).max_by_key(|source| source.statistics.last_at);
        let encoding = newest.and_then(|source| encoding(stream, source.statistics.payload_type));
        let impairment = encoding.as_deref().and_then(Impairment::of);
        let rating = impairment.and_then(|impairment| quality::rate(impairment, expected, lost, lost));
        let heard_before = before.and_then(|before| before.heard).unwrap_or_default();
        let heard = now.heard.and_then(|heard| heard.since(&heard_before));
        Self {
            port: now.port,
            encoding,
            packets: now.packets - before.map_or(0, |before| before.packets),
            expected,
            lost,
            jitter_us: newest.map_or(0, |source| source.statistics.jitter_us),
            mos_hundredths: rating.map(|rating| rating.mos_hundredths),
            level_dbfs: heard.and_then(|(mean_square, _)| dbfs(mean_square)),
            talks: heard.map(|(_, talks)| talks),
        }
    }
}

impl Heard {
    /// The mean square of what was heard since, and whether somebody talked; none where nothing was listened to.
    fn since(&self, before: &Self) -> Option<(u64, bool)> {
        let packets = self.packets.checked_sub(before.packets)?;
        let energy = self.energy.saturating_sub(before.energy).checked_div(packets)?;
        Some((energy, self.talk > before.talk))
    }
}

/// Sources that are the stream's; a stranger's packets are nobody's.
fn own(figures: &PortStatistics) -> impl Iterator<Item = &SourceSummary> {
    figures.sources.iter().filter(|source| source.change != SourceChange::Stranger)
}

fn expected_and_lost(figures: &PortStatistics) -> (u64, u64) {
    own(figures)
        .fold((0, 0), |(expected, lost), source| (expected + source.statistics.expected, lost + source.statistics.lost))
}

fn encoding(stream: &Stream, payload_type: u8) -> Option<alloc::string::String> {
    let announced = stream.formats.iter().find(|format| format.payload_type == payload_type).cloned();
    announced.or_else(|| static_format(payload_type)).map(|format| format.encoding.into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{address, now, rtp, settings};
    use super::super::{Port, Verdict};
    use super::*;
    use crate::time::Wall;

    #[test]
    fn a_second_is_what_came_since_the_last_one() {
        let mut port = Port::new(settings(), now(0));
        let mut second = |sequences: core::ops::Range<u16>, lost: &[u16], before: Option<&PortStatistics>| {
            for sequence in sequences.filter(|sequence| !lost.contains(sequence)) {
                let at = Wall(i64::from(sequence) * 20_000_000);
                let verdict = port.handle_rtp(at, address("192.0.2.9:4000"), &rtp(1, sequence));
                assert_eq!(verdict, Verdict::Keep);
            }
            let figures = port.statistics();
            (Second::between(before, &figures, &settings().stream), figures)
        };
        let (first, before) = second(0..50, &[], None);
        assert_eq!((first.packets, first.expected, first.lost, first.mos_hundredths), (50, 50, 0, Some(441)));
        assert_eq!((first.encoding.as_deref(), first.level_dbfs, first.talks), (Some("PCMA"), Some(-72), Some(false)));
        let (lossy, before) = second(50..100, &[60, 70, 80, 90], Some(&before));
        assert_eq!((lossy.packets, lossy.expected, lossy.lost), (46, 50, 4));
        assert!(lossy.mos_hundredths < Some(380), "{lossy:?}");
        let (again, _) = second(100..150, &[], Some(&before));
        assert_eq!((again.lost, again.mos_hundredths), (0, Some(441)), "of this second alone");
        let nothing = Second::between(Some(&before), &before, &settings().stream);
        assert_eq!((nothing.packets, nothing.mos_hundredths, nothing.talks), (0, None, None));
    }
}
