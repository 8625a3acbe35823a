//! Clock maps: where on our timeline a source's media time lies.
//!
//! A packet cannot arrive before its last sample was spoken, and what the network adds is never negative. So of all
//! packets those with the least delay (arrival minus media time) tell the relation of the two clocks:
//!
//! ```text
//! delay |  x   x  x      x = one minimum a window       1. the edge of the lower hull below the middle: offset + drift
//!       | x  x     x x                                  2. what remains above it, followed at 100 ppm at most
//!       |___________x___x__                             3. held still while it moves less than a sample
//!              media time
//! ```
//!
//! Step 1 is exact for two crystals and blind to jitter (under a minute, drift must stand out from it to be believed);
//! step 2 follows a clock that wanders over hours; step 3
//! leaves a source without drift untouched, sample by sample. Between the knots the map is linear, so drift is
//! corrected a sample at a time, evenly.

use alloc::vec::Vec;

/// Width of a window at first; doubled whenever [`MAX_WINDOWS`] do not reach.
const WINDOW_NS: i64 = 1_000_000_000;
/// Windows an epoch holds: 4 h are windows of 16 s.
const MAX_WINDOWS: usize = 1024;
/// Below this span, or with fewer minima, drift is noise: the offset alone is used.
const MIN_SPAN_NS: i64 = 3_000_000_000;
const MIN_POINTS: usize = 4;
/// Drift that is believed of a short span: no crystal is as bad.
const SHORT_SPAN_PPM: i64 = 1_000;
/// Drift that is believed of a long span: timestamps that are made at a wrong rate.
const LONG_SPAN_PPM: i64 = 30_000;
const LONG_SPAN_NS: i64 = 60_000_000_000;
/// Drift of a short span is believed when it moves the map by so many times the points' height above it (of three quarters of them).
const SCATTERS: i64 = 4;
/// How fast the map may leave the straight line.
const FOLLOW_PPM: i64 = 100;
/// Knots before the first and after the last point: a window's fastest packet may be its last or its first.
const MARGIN: i64 = 2;
/// One sample at 8 kHz: a map that holds still does so at a multiple of this, where samples of ours and of the source coincide.
const HOLD_NS: i64 = 125_000;
const MILLION: i64 = 1_000_000;

/// Media time and delay of the packet that came through fastest in its window, nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) media: i64,
    pub(super) delay: i64,
}

/// The fastest packets of an epoch, one a window, in bounded memory.
#[derive(Debug, Clone)]
pub(super) struct Minima {
    origin: i64,
    width: i64,
    windows: Vec<Option<Point>>,
}

impl Minima {
    /// An epoch that begins at media time `origin`.
    pub(super) fn new(origin: i64) -> Self {
        Self { origin, width: WINDOW_NS, windows: Vec::new() }
    }

    /// Takes a packet's end in media time, and its arrival minus that.
    pub(super) fn add(&mut self, point: Point) {
        let since = point.media.saturating_sub(self.origin).max(0);
        let mut index = usize::try_from(since / self.width).unwrap_or(usize::MAX);
        while index >= MAX_WINDOWS {
            self.halve();
            index = usize::try_from(since / self.width).unwrap_or(usize::MAX);
        }
        if index >= self.windows.len() {
            self.windows.resize(index + 1, None);
        }
        if let Some(window) = self.windows.get_mut(index) {
            *window = faster(*window, Some(point));
        }
    }

    /// The minima in order of media time.
    pub(super) fn points(&self) -> impl Iterator<Item = Point> {
        self.windows.iter().flatten().copied()
    }

    fn halve(&mut self) {
        self.width = self.width.saturating_mul(2);
        self.windows = self.windows.chunks(2).map(|pair| pair.iter().copied().fold(None, faster)).collect();
    }
}

fn faster(a: Option<Point>, b: Option<Point>) -> Option<Point> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.delay < a.delay { b } else { a }),
        (one, other) => one.or(other),
    }
}

/// The nearest moment at which a map may hold still.
pub(super) fn on_grid(at: i64) -> i64 {
    let after = at.saturating_add(HOLD_NS / 2);
    after.saturating_sub(after.rem_euclid(HOLD_NS))
}

/// Media time to time of arrival without network delay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClockMap {
    origin: i64,
    step: i64,
    knots: Vec<i64>,
    /// How much faster than ours the source's clock runs on the whole, parts per million, where that can be told.
    pub(super) skew_ppm: Option<i64>,
}

impl ClockMap {
    /// The map that `points` (in order of media time) tell; none without points.
    pub(super) fn fit(points: &[Point]) -> Option<Self> {
        let (first, last) = (points.first()?, points.last()?);
        let span = last.media.saturating_sub(first.media);
        let line = Line::below(points, span);
        let step = WINDOW_NS.max(span / i64::try_from(MAX_WINDOWS).unwrap_or(i64::MAX) + 1);
        let origin = first.media.saturating_sub(MARGIN * step);
        let times: Vec<i64> =
            (0..=span / step + 2 * MARGIN + 1).map(|k| origin.saturating_add(k.saturating_mul(step))).collect();
        // A clock that wanders needs time for it: in a short span, what is above the line is the network's.
        let above = if span < LONG_SPAN_NS { Vec::new() } else { follow(&times, points, &line) };
        let above = above.into_iter().chain(core::iter::repeat(0));
        let targets: Vec<i64> = times.iter().zip(above).map(|(&at, above)| line.at(at).saturating_add(above)).collect();
        let told = line.rise != 0 || span >= LONG_SPAN_NS;
        let skew_ppm = told.then(|| {
            let half = if line.rise > 0 { -line.run / 2 } else { line.run / 2 };
            let ppm = (i128::from(-line.rise) * i128::from(MILLION) + i128::from(half)) / i128::from(line.run.max(1));
            i64::try_from(ppm).unwrap_or(0)
        });
        Some(Self { origin, step, knots: hold(targets), skew_ppm })
    }

    /// Whether it does not hold still all the time.
    pub(super) fn bends(&self) -> bool {
        self.knots.windows(2).any(|pair| pair[0] != pair[1])
    }

    /// The moment of media time `media` on our clock.
    pub(super) fn wall(&self, media: i64) -> i64 {
        media.saturating_add(self.offset(media))
    }

    /// How long it reaches, ns.
    pub(super) fn reach(&self) -> i64 {
        self.step.saturating_mul(i64::try_from(self.knots.len()).unwrap_or(i64::MAX))
    }

    pub(super) fn offset(&self, media: i64) -> i64 {
        let since = media.saturating_sub(self.origin).max(0);
        let index = usize::try_from(since / self.step).unwrap_or(usize::MAX);
        let last = self.knots.last().copied().unwrap_or(0);
        let from = self.knots.get(index).copied().unwrap_or(last);
        let to = self.knots.get(index.saturating_add(1)).copied().unwrap_or(last);
        from.saturating_add(scale(to.saturating_sub(from), since % self.step, self.step))
    }

    /// Whether `other` has the same relation to our clock: its first minima lie no further than `within` from here.
    pub(super) fn agrees_with(&self, other: &Self, within: i64) -> bool {
        let theirs = other.knots.first().copied().unwrap_or(0);
        let drift = self.knots.first().zip(self.knots.last()).map_or(0, |(a, b)| b.saturating_sub(*a));
        let span = self.step.saturating_mul(i64::try_from(self.knots.len()).unwrap_or(1).max(2) - 1);
        let ahead = other.origin.saturating_sub(self.origin).saturating_sub(span).max(0);
        let expected = self.offset(other.origin).saturating_add(scale(drift, ahead, span));
        expected.abs_diff(theirs) <= within.unsigned_abs()
    }
}

/// `value * numerator / denominator` without overflow.
fn scale(value: i64, numerator: i64, denominator: i64) -> i64 {
    if let Some(product) = value.checked_mul(numerator) {
        return product / denominator.max(1);
    }
    let product = i128::from(value) * i128::from(numerator) / i128::from(denominator.max(1));
    i64::try_from(product).unwrap_or(if product < 0 { i64::MIN } else { i64::MAX })
}

/// Holds still what moves by less than a sample, unless it would have to move nearly all the time.
fn hold(targets: Vec<i64>) -> Vec<i64> {
    let mut held: Option<i64> = None;
    let mut moves = 0;
    let still: Vec<i64> = targets
        .iter()
        .map(|&target| {
            let kept = held.filter(|held| held.abs_diff(target) < HOLD_NS.unsigned_abs());
            moves += usize::from(held.is_some() && kept.is_none());
            *held.insert(kept.unwrap_or(on_grid(target)))
        })
        .collect();
    if moves * 2 > targets.len() { targets } else { still }
}

/// A straight line of delay over media time.
#[derive(Debug)]
struct Line {
    through: Point,
    rise: i64,
    run: i64,
}

impl Line {
    /// The line below all points that is nearest to them.
    fn below(points: &[Point], span: i64) -> Self {
        let lowest = points.iter().copied().reduce(|a, b| if b.delay < a.delay { b } else { a });
        let flat = Self { through: lowest.unwrap_or(Point { media: 0, delay: 0 }), rise: 0, run: 1 };
        if points.len() < MIN_POINTS || span < MIN_SPAN_NS {
            return flat;
        }
        let sum: i128 = points.iter().map(|point| i128::from(point.media)).sum();
        let count = i128::try_from(points.len()).unwrap_or(1);
        let middle = i64::try_from(sum / count).unwrap_or(0);
        let hull = lower_hull(points);
        let edge =
            hull.windows(2).find(|edge| edge.iter().any(|end| end.media >= middle && end.media != edge[0].media));
        let Some(&[from, to]) = edge else { return flat };
        let limit = if span < LONG_SPAN_NS { SHORT_SPAN_PPM } else { LONG_SPAN_PPM };
        let (rise, run) = (to.delay.saturating_sub(from.delay), to.media.saturating_sub(from.media));
        if i128::from(rise.abs()) * i128::from(MILLION) <= i128::from(run) * i128::from(limit) {
            let sloped = Self { through: from, rise, run };
            return if span < LONG_SPAN_NS && !sloped.stands_out(points, span) { flat } else { sloped };
        }
        let steep = Self { through: from, rise: limit * rise.signum(), run: MILLION };
        let lowest = points.iter().min_by_key(|point| point.delay.saturating_sub(steep.at(point.media)));
        Self { through: lowest.copied().unwrap_or(from), ..steep }
    }

    /// Whether the line rises by more than the points scatter above it. A sender on a busy machine scatters by a
    /// millisecond; taken for drift, that would bend a short call for nothing.
    fn stands_out(&self, points: &[Point], span: i64) -> bool {
        let mut heights: Vec<i64> = points.iter().map(|p| p.delay.saturating_sub(self.at(p.media)).max(0)).collect();
        heights.sort_unstable();
        let scatter = heights.get(heights.len() * 3 / 4).copied().unwrap_or(0);
        let rise = scale(self.rise, span, self.run).abs();
        rise > scatter.saturating_mul(SCATTERS).saturating_add(HOLD_NS)
    }

    fn at(&self, media: i64) -> i64 {
        self.through.delay.saturating_add(scale(self.rise, media.saturating_sub(self.through.media), self.run))
    }
}

/// The lower convex hull, left to right (A. M. Andrew's monotone chain).
fn lower_hull(points: &[Point]) -> Vec<Point> {
    let mut hull: Vec<Point> = Vec::new();
    for &point in points {
        while let [.., a, b] = hull.as_slice() {
            if turns_left(*a, *b, point) {
                break;
            }
            hull.pop();
        }
        hull.push(point);
    }
    hull
}

fn turns_left(a: Point, b: Point, c: Point) -> bool {
    let cross = |p: i64, q: i64| i128::from(p) * i128::from(q);
    cross(b.media - a.media, c.delay - a.delay) > cross(b.delay - a.delay, c.media - a.media)
}

/// How high above the line the map lies at each of `times`. At a point: the least of all points' heights, each raised
/// by FOLLOW_PPM of its distance; between points: interpolated; outside: as at the nearest.
fn follow(times: &[i64], points: &[Point], line: &Line) -> Vec<i64> {
    let mut heights: Vec<(i64, i64)> =
        points.iter().map(|point| (point.media, point.delay.saturating_sub(line.at(point.media)).max(0))).collect();
    lower(heights.iter_mut());
    lower(heights.iter_mut().rev());
    let mut after = 0;
    times.iter().map(|&time| height_at(time, &heights, &mut after)).collect()
}

/// Lowers what rises faster than FOLLOW_PPM from its predecessor.
fn lower<'h>(heights: impl Iterator<Item = &'h mut (i64, i64)>) {
    let mut before: Option<(i64, i64)> = None;
    for entry in heights {
        if let Some((at, height)) = before {
            let rise = scale(entry.0.abs_diff(at).try_into().unwrap_or(i64::MAX), FOLLOW_PPM, MILLION);
            entry.1 = entry.1.min(height.saturating_add(rise));
        }
        before = Some(*entry);
    }
}

/// Interpolates; `after` is the first point after the last `time` asked for, which must not decrease.
fn height_at(time: i64, heights: &[(i64, i64)], after: &mut usize) -> i64 {
    while heights.get(*after).is_some_and(|&(at, _)| at <= time) {
        *after += 1;
    }
    let left = after.checked_sub(1).and_then(|index| heights.get(index));
    match (left, heights.get(*after)) {
        (Some(left), Some(right)) => left.1 + scale(right.1 - left.1, time - left.0, right.0 - left.0),
        (Some(only), None) | (None, Some(only)) => only.1,
        (None, None) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Random, Seed};

    const SECOND: i64 = 1_000_000_000;
    const EPOCH: i64 = 1_790_000_000 * SECOND;

    /// Packets every `every` ns for `seconds`; the source's clock runs `ppm` fast; jitter is uniform.
    fn fit(seconds: i64, every: i64, ppm: i64, jitter: i64) -> (ClockMap, impl Fn(i64) -> i64) {
        let true_wall = move |media: i64| EPOCH + media - scale(media, ppm, MILLION + ppm);
        let mut random = Random::new(Seed([3; 32]));
        let mut minima = Minima::new(0);
        for k in 0..seconds * SECOND / every {
            let media = k * every;
            let noise = if jitter == 0 { 0 } else { i64::try_from(random.next_u64() >> 1).unwrap() % jitter };
            minima.add(Point { media, delay: true_wall(media) + noise - media });
        }
        let points: Vec<Point> = minima.points().collect();
        assert!(points.len() <= MAX_WINDOWS);
        (ClockMap::fit(&points).unwrap(), true_wall)
    }

    fn worst(seconds: i64, every: i64, ppm: i64, jitter: i64) -> i64 {
        let (map, true_wall) = fit(seconds, every, ppm, jitter);
        (0..seconds * 2).map(|k| (map.wall(k * SECOND / 2) - true_wall(k * SECOND / 2)).abs()).max().unwrap()
    }

    #[test]
    fn without_drift_the_offset_is_constant_to_the_nanosecond() {
        let (map, true_wall) = fit(100, 20_000_000, 0, 50_000);
        let offset = map.wall(0);
        assert!((offset - true_wall(0)).abs() < 50_000);
        assert!((0..100).all(|k| map.wall(k * SECOND) - k * SECOND == offset));
    }

    #[test]
    fn drift_is_followed_in_short_and_long_calls() {
        assert!(worst(10, 20_000_000, 200, 0) < 200_000);
        assert!(worst(60, 20_000_000, -200, 50_000) < 300_000);
        assert!(worst(4 * 3600, 1_000_000_000, 200, 0) < 200_000);
        assert!(worst(4 * 3600, 250_000_000, 200, 30_000_000) < 2_500_000);
    }

    #[test]
    fn a_short_call_of_a_busy_sender_is_not_bent() {
        for seconds in [5, 8, 20, 50] {
            let (map, _) = fit(seconds, 20_000_000, 0, 20_000_000);
            assert!((0..seconds).all(|k| map.wall(k * SECOND) - k * SECOND == map.wall(0)), "{seconds} s");
        }
    }

    #[test]
    fn jitter_moves_nothing_by_5_ms() {
        for seconds in [1, 5, 20, 600] {
            assert!(worst(seconds, 20_000_000, 0, 30_000_000) < 3_500_000, "{seconds} s");
        }
    }

    #[test]
    fn timestamps_at_a_wrong_rate_are_stretched() {
        assert!(worst(300, 20_000_000, 20_000, 0) < 300_000);
    }

    #[test]
    fn a_slower_route_is_followed_within_its_delay() {
        let points: Vec<Point> =
            (0..600).map(|k| Point { media: k * SECOND, delay: if k < 300 { 0 } else { 30_000_000 } }).collect();
        let map = ClockMap::fit(&points).unwrap();
        for k in 0..600 {
            let least = (map.wall(k * SECOND) - k * SECOND, if k < 300 { 1_000_000 } else { 30_000_000 });
            assert!(least.0 > -1_000_000 && least.0 <= least.1, "{k} s: {least:?}");
        }
    }

    #[test]
    fn two_maps_of_one_clock_agree() {
        let points = |from: i64, extra: i64| -> Vec<Point> {
            (from..from + 100).map(|k| Point { media: k * SECOND, delay: k * 200_000 + extra }).collect()
        };
        let map = ClockMap::fit(&points(0, 0)).unwrap();
        assert!(map.agrees_with(&ClockMap::fit(&points(200, 0)).unwrap(), 2_000_000));
        assert!(!map.agrees_with(&ClockMap::fit(&points(200, 250_000_000)).unwrap(), 2_000_000));
    }
}
