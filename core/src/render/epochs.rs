//! The epochs of a session's sources and the clock maps that pass 1 makes of them.

use alloc::vec::Vec;

use super::clock::{ClockMap, Minima, Point};
use super::track::Audio;

/// Epochs of a source whose maps differ by no more have one clock.
const SAME_CLOCK_NS: i64 = 20_000_000;
/// Maps of a source that a later epoch is compared with.
const REMEMBERED: usize = 4;
/// An epoch of fewer packets between two of one clock was the network's stall.
const STALLED_PACKETS: u64 = 25;
/// A packet of 20 ms begins on the timeline where it arrives: what was spoken before is shifted by this much.
pub(super) const PLAYOUT_NS: i64 = 20_000_000;

/// What pass 1 knows of an epoch.
#[derive(Debug, Clone)]
pub(super) struct EpochRecord {
    source: usize,
    minima: Minima,
    packets: u64,
    /// First and last media time in the recording.
    span: Option<(i64, i64)>,
}

impl EpochRecord {
    pub(super) fn new(source: usize, audio: &Audio<'_>) -> Self {
        Self { source, minima: Minima::new(audio.to), packets: 0, span: None }
    }

    /// A packet that arrived at `at`, in the recording or not.
    pub(super) fn packet(&mut self, at: i64, audio: &Audio<'_>, in_scope: bool) {
        self.packets += 1;
        self.minima.add(Point { media: audio.to, delay: at.saturating_sub(audio.to) });
        if in_scope {
            let (from, to) = self.span.unwrap_or((audio.from, audio.to));
            self.span = Some((from.min(audio.from), to.max(audio.to)));
        }
    }
}

/// The clock map of each epoch.
#[derive(Debug, Clone, Default)]
pub(super) struct Clocks {
    maps: Vec<ClockMap>,
    /// By map: whether it does not hold still.
    bends: Vec<bool>,
    /// By epoch: index into `maps`.
    of_epoch: Vec<Option<usize>>,
}

impl Clocks {
    /// The moment on our clock when media time `media` of an epoch is played; none of an epoch without a map.
    pub(super) fn played_at(&self, epoch: usize, media: i64) -> Option<i64> {
        let map = self.maps.get((*self.of_epoch.get(epoch)?)?)?;
        Some(map.wall(media).saturating_add(PLAYOUT_NS))
    }

    /// Whether an epoch's clock runs otherwise than ours.
    pub(super) fn bends(&self, epoch: usize) -> bool {
        let map = self.of_epoch.get(epoch).copied().flatten();
        map.and_then(|map| self.bends.get(map)).copied().unwrap_or(false)
    }

    /// From when to when each source is heard in the recording.
    pub(super) fn spans(&self, records: &[EpochRecord], sources: usize) -> Vec<Option<(i64, i64)>> {
        let mut spans: Vec<Option<(i64, i64)>> = alloc::vec![None; sources];
        for (number, record) in records.iter().enumerate() {
            let Some((from, to)) = record.span else { continue };
            let played = self.played_at(number, from).zip(self.played_at(number, to));
            if let (Some((from, to)), Some(span)) = (played, spans.get_mut(record.source)) {
                let (first, last) = span.unwrap_or((from, to));
                *span = Some((first.min(from), last.max(to)));
            }
        }
        spans
    }

    /// Fits maps; epochs of a source that agree share theirs.
    pub(super) fn fit(records: &[EpochRecord]) -> Self {
        let mut clocks = Self { maps: Vec::new(), bends: Vec::new(), of_epoch: alloc::vec![None; records.len()] };
        let sources = records.iter().map(|record| record.source).max().map_or(0, |last| last + 1);
        let mut by_source: Vec<Vec<usize>> = alloc::vec![Vec::new(); sources];
        for (number, record) in records.iter().enumerate() {
            if let Some(epochs) = by_source.get_mut(record.source) {
                epochs.push(number);
            }
        }
        for epochs in by_source {
            clocks.fit_source(records, &epochs);
        }
        clocks.bends = clocks.maps.iter().map(ClockMap::bends).collect();
        clocks
    }

    fn fit_source(&mut self, records: &[EpochRecord], epochs: &[usize]) {
        let mut groups: Vec<Group> = Vec::new();
        for &epoch in epochs {
            let Some(record) = records.get(epoch) else { continue };
            let Some(map) = ClockMap::fit(&record.minima.points().collect::<Vec<_>>()) else { continue };
            let kin = groups.iter_mut().rev().take(REMEMBERED).find(|group| group.map.agrees_with(&map, SAME_CLOCK_NS));
            match kin {
                Some(group) => group.epochs.push(epoch),
                None => groups.push(Group { map, epochs: alloc::vec![epoch] }),
            }
        }
        let mut group_of: Vec<(usize, usize)> = Vec::new();
        for group in &groups {
            let points = group.points(records);
            let map = if group.epochs.len() > 1 { ClockMap::fit(&points) } else { Some(group.map.clone()) };
            self.maps.extend(map);
            let number = self.maps.len().saturating_sub(1);
            group_of.extend(group.epochs.iter().map(|&epoch| (epoch, number)));
        }
        group_of.sort_unstable();
        for (place, &(epoch, group)) in group_of.iter().enumerate() {
            let stalled = records.get(epoch).is_some_and(|record| record.packets < STALLED_PACKETS);
            let neighbours = place.checked_sub(1).and_then(|before| group_of.get(before)).zip(group_of.get(place + 1));
            let around =
                neighbours.filter(|(before, after)| stalled && before.1 == after.1).map(|(before, _)| before.1);
            if let Some(slot) = self.of_epoch.get_mut(epoch) {
                *slot = Some(around.unwrap_or(group));
            }
        }
    }
}

/// Epochs of one clock.
#[derive(Debug)]
struct Group {
    map: ClockMap,
    epochs: Vec<usize>,
}

impl Group {
    /// All minima in order of media time.
    fn points(&self, records: &[EpochRecord]) -> Vec<Point> {
        let records = self.epochs.iter().filter_map(|&epoch| records.get(epoch));
        let mut points: Vec<Point> = records.flat_map(|record| record.minima.points()).collect();
        points.sort_unstable_by_key(|point| (point.media, point.delay));
        points.dedup_by_key(|point| point.media);
        points
    }
}
