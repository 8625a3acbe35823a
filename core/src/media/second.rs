//! What a second brought on a stream, for who watches the call. What takes the whole call to tell (shares of talk, which channels
//! are alike, what late packets mended) stands in the sheet.

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
    /// How much longer its losses lasted than they would by chance (ITU-T G.107 7.3), hundredths; none where nothing was lost.
    pub burst_ratio_hundredths: Option<u32>,
    /// Samples of talk that were as loud as the codec goes, thousandths of those listened to; none where nobody talked.
    pub clipped_permille: Option<u16>,
    /// From us to the sender and back, microseconds: its last answer to our reference time (RFC 3611 4.5).
    pub round_trip_us: Option<u32>,
    /// The round trip that the sender measures in its call, ms: its last VoIP metrics (RFC 3611 4.7).
    pub call_round_trip_ms: Option<u16>,
    /// How much faster than ours the sender's clock runs, parts per million; none in its first minute.
    pub clock_skew_ppm: Option<i32>,
}

impl Second {
    /// What came between the figures of before (none at the first) and those of now.
    pub fn between(before: Option<&PortStatistics>, now: &PortStatistics, stream: &Stream) -> Self {
        // Figures that fell are those of another port: all of them are new.
        let before = before.filter(|before| before.packets <= now.packets);
        let (sums, sums_before) = (Sums::of(now), before.map(Sums::of).unwrap_or_default());
        let expected = sums.expected.saturating_sub(sums_before.expected);
        // What came late after all was lost in the second before.
        let lost = sums.lost.saturating_sub(sums_before.lost).min(expected);
        let runs = sums.loss_runs.saturating_sub(sums_before.loss_runs).min(lost);
        let newest = own(now).max_by_key(|source| source.statistics.last_at);
        let encoding = newest.and_then(|source| encoding(stream, source.statistics.payload_type));
        let impairment = encoding.as_deref().and_then(Impairment::of);
        let rating = impairment.and_then(|impairment| quality::rate(impairment, expected, lost, runs));
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
            burst_ratio_hundredths: quality::burst_ratio_hundredths(expected, lost, runs),
            clipped_permille: now.heard.and_then(|heard| heard.clipped_permille_since(&heard_before)),
            round_trip_us: newest.and_then(|source| source.statistics.round_trip_us),
            call_round_trip_ms: newest.and_then(|source| source.statistics.call_round_trip_ms),
            clock_skew_ppm: newest.and_then(|source| source.statistics.clock_skew_ppm),
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

    fn clipped_permille_since(&self, before: &Self) -> Option<u16> {
        let (samples, clipped) = (self.samples.checked_sub(before.samples)?, self.clipped.checked_sub(before.clipped)?);
        u16::try_from((clipped * 1_000).checked_div(samples)?).ok()
    }
}

/// Sources that are the stream's; a stranger's packets are nobody's.
fn own(figures: &PortStatistics) -> impl Iterator<Item = &SourceSummary> {
    figures.sources.iter().filter(|source| source.change != SourceChange::Stranger)
}

/// Of all the stream's own sources.
#[derive(Debug, Default)]
struct Sums {
    expected: u64,
    lost: u64,
    loss_runs: u64,
}

impl Sums {
    fn of(figures: &PortStatistics) -> Self {
        own(figures).fold(Self::default(), |sums, source| Self {
            expected: sums.expected + source.statistics.expected,
            lost: sums.lost + source.statistics.lost,
            loss_runs: sums.loss_runs + source.statistics.loss_runs,
        })
    }
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
        assert_eq!((first.burst_ratio_hundredths, lossy.burst_ratio_hundredths), (None, Some(100)));
        let (bursty, before) = second(100..150, &[120, 121, 122, 123], Some(&before));
        assert!(bursty.burst_ratio_hundredths > Some(300), "four in a row: {bursty:?}");
        assert!(bursty.mos_hundredths < lossy.mos_hundredths);
        let (again, _) = second(150..200, &[], Some(&before));
        assert_eq!((again.lost, again.mos_hundredths), (0, Some(441)), "of this second alone");
        let nothing = Second::between(Some(&before), &before, &settings().stream);
        assert_eq!((nothing.packets, nothing.mos_hundredths, nothing.talks), (0, None, None));
    }
}
