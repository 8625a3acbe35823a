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
/// Delays of two epochs that follow one another are one stream's when they differ by no more.
const FLOWS_NS: u64 = 200_000_000;
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
    first: Point,
    last: Point,
    /// The packet that came latest, and the least delay so far.
    latest: Point,
    least_delay: i64,
    /// By how much a packet's delay was more than the least before it.
    behind: i64,
}

impl EpochRecord {
    pub(super) fn new(source: usize, audio: &Audio<'_>) -> Self {
        let nowhere = Point { media: i64::MIN, delay: i64::MIN };
        Self {
            source,
            minima: Minima::new(audio.to),
            packets: 0,
            span: None,
            first: nowhere,
            last: nowhere,
            latest: nowhere,
            least_delay: i64::MAX,
            behind: 0,
        }
    }

    /// A packet that arrived at `at`, in the recording or not.
    pub(super) fn packet(&mut self, at: i64, audio: &Audio<'_>, in_scope: bool) {
        self.packets += 1;
        let point = Point { media: audio.to, delay: at.saturating_sub(audio.to) };
        self.minima.add(point);
        if self.packets == 1 {
            self.first = point;
        }
        if point.media > self.last.media {
            self.last = point;
        }
        if point.delay > self.latest.delay {
            self.latest = point;
        }
        self.least_delay = self.least_delay.min(point.delay);
        self.behind = self.behind.max(point.delay.saturating_sub(self.least_delay));
        if in_scope {
            let (from, to) = self.span.unwrap_or((audio.from, audio.to));
            self.span = Some((from.min(audio.from), to.max(audio.to)));
        }
    }

    /// Whether it came in much less time than it lasts, and went over into `next` without a step: what a network held back and
    /// then let go.
    fn is_burst_before(&self, next: &Self) -> bool {
        let lasts = self.last.media.saturating_sub(self.first.media);
        let arrived = |point: Point| point.media.saturating_add(point.delay);
        let took = arrived(self.last).saturating_sub(arrived(self.first));
        took < lasts / 2 && self.last.delay.abs_diff(next.first.delay) <= FLOWS_NS
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

    /// By source: how much faster than ours its clock runs, parts per million, by what is longest of it.
    pub(super) fn skews(&self, records: &[EpochRecord], sources: usize) -> Vec<Option<i64>> {
        let mut longest: Vec<Option<(i64, i64)>> = alloc::vec![None; sources];
        for (record, map) in records.iter().zip(&self.of_epoch) {
            let Some(map) = map.and_then(|map| self.maps.get(map)) else { continue };
            if let (Some(slot), Some(skew)) = (longest.get_mut(record.source), map.skew_ppm)
                && slot.is_none_or(|(reach, _)| reach < map.reach())
            {
                *slot = Some((map.reach(), skew));
            }
        }
        longest.into_iter().map(|longest| longest.map(|(_, skew)| skew)).collect()
    }

    /// How late after its place the latest packet came, ns, or somewhat more.
    pub(super) fn latest(&self, records: &[EpochRecord]) -> i64 {
        let late = |(record, map): (&EpochRecord, &Option<usize>)| {
            let map = self.maps.get((*map)?)?;
            let of_map = record.latest.delay.saturating_sub(map.offset(record.latest.media));
            Some(record.behind.max(of_map))
        };
        records.iter().zip(&self.of_epoch).filter_map(late).max().unwrap_or(0).max(0)
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
        let (mut held_back, mut led_to): (Vec<usize>, Vec<(usize, usize)>) = (Vec::new(), Vec::new());
        for (place, &epoch) in epochs.iter().enumerate() {
            let next = epochs.get(place + 1).and_then(|&next| records.get(next));
            if records.get(epoch).zip(next).is_some_and(|(record, next)| record.is_burst_before(next)) {
                held_back.push(epoch);
                continue;
            }
            // What was held back belongs to the clock that it led to, and not to the moment at which it came.
            let joined = join(&mut groups, records, epoch);
            let known_before = joined.filter(|&group| {
                let epochs = groups.get(group).map_or(&[][..], |group| &group.epochs);
                held_back.first().is_some_and(|held| epochs.iter().any(|before| before < held))
            });
            for held in held_back.drain(..) {
                match known_before {
                    Some(group) => led_to.push((held, group)),
                    None => drop(join(&mut groups, records, held)),
                }
            }
        }
        let mut group_of: Vec<(usize, usize)> = Vec::new();
        let first_map = self.maps.len();
        for group in &groups {
            let points = group.points(records);
            let map = if group.epochs.len() > 1 { ClockMap::fit(&points) } else { Some(group.map.clone()) };
            self.maps.extend(map);
            let number = self.maps.len().saturating_sub(1);
            group_of.extend(group.epochs.iter().map(|&epoch| (epoch, number)));
        }
        group_of.extend(led_to.into_iter().map(|(epoch, group)| (epoch, first_map + group)));
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

/// Puts an epoch to those of its clock; says to which, if it has a map.
fn join(groups: &mut Vec<Group>, records: &[EpochRecord], epoch: usize) -> Option<usize> {
    let map = ClockMap::fit(&records.get(epoch)?.minima.points().collect::<Vec<_>>())?;
    let mut lately = groups.iter().enumerate().rev().take(REMEMBERED);
    let kin = lately.find(|(_, group)| group.map.agrees_with(&map, SAME_CLOCK_NS)).map(|(index, _)| index);
    match kin.and_then(|index| groups.get_mut(index)) {
        Some(group) => group.epochs.push(epoch),
        None => groups.push(Group { map, epochs: alloc::vec![epoch] }),
    }
    kin.or(groups.len().checked_sub(1))
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
