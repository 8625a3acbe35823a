//! The server's counters (`/metrics`, OpenMetrics) as an operator reads them: rates between two looks, times, sizes.

use std::collections::BTreeMap;

/// One look at the counters: by name and labels as they stand there.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Counters {
    /// Milliseconds since 1970.
    at: i64,
    values: BTreeMap<String, f64>,
}

impl Counters {
    /// Reads the text; a line that cannot be read is left out.
    pub(super) fn read(at: i64, text: &str) -> Self {
        let line = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series.strip_prefix("siprec_")?.to_owned(), value.parse().ok()?))
        };
        Self { at, values: text.lines().filter(|line| !line.starts_with('#')).filter_map(line).collect() }
    }

    /// A series without labels.
    pub(super) fn value(&self, name: &str) -> Option<f64> {
        self.values.get(name).copied()
    }

    /// All of a name, added up.
    pub(super) fn sum(&self, name: &str) -> f64 {
        self.of(name).map(|(_, value)| value).sum()
    }

    /// Series of a name with the value of their one label.
    pub(super) fn by_label<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.of(name).map(|(labels, value)| (labels.split('"').nth(1).unwrap_or_default(), value))
    }

    fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        let series = self.values.range(name.to_owned()..).take_while(move |(series, _)| series.starts_with(name));
        series.filter_map(move |(series, &value)| {
            let labels = series.strip_prefix(name)?;
            (labels.is_empty() || labels.starts_with('{')).then_some((labels, value))
        })
    }

    /// The bounds of a histogram's buckets, with how many are up to each.
    fn buckets(&self, name: &str) -> Vec<(f64, f64)> {
        let name = format!("{name}_bucket");
        let mut buckets: Vec<(f64, f64)> =
            self.by_label(&name).map(|(bound, count)| (bound.parse().unwrap_or(f64::INFINITY), count)).collect();
        buckets.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        buckets
    }
}

/// The last look and the one before.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Figures {
    before: Option<Counters>,
    pub(super) now: Counters,
}

impl Figures {
    /// A new look.
    pub(super) fn take(&mut self, look: Counters) {
        let before = std::mem::replace(&mut self.now, look);
        // After a restart of the server counters begin anew.
        let is_older = before.sum("rtp_packets_total") <= self.now.sum("rtp_packets_total");
        self.before = (!before.values.is_empty() && is_older).then_some(before);
    }

    /// Whether there was any.
    pub(super) fn is_known(&self) -> bool {
        !self.now.values.is_empty()
    }

    /// How much a counter grows a second.
    pub(super) fn rate(&self, name: &str) -> Option<f64> {
        let before = self.before.as_ref()?;
        let seconds = (self.now.at - before.at) as f64 / 1e3;
        (seconds > 0.0).then(|| ((self.now.sum(name) - before.sum(name)) / seconds).max(0.0))
    }

    /// The bound, in the histogram's unit, below which `share` of all lie that came since the look before; of all that ever
    /// came, where none did since. None where none ever came.
    pub(super) fn quantile(&self, name: &str, share: f64) -> Option<f64> {
        let now = self.now.buckets(name);
        let before = self.before.as_ref().map(|before| before.buckets(name)).unwrap_or_default();
        let since: Vec<(f64, f64)> = now
            .iter()
            .enumerate()
            .map(|(place, (bound, count))| (*bound, count - before.get(place).map_or(0.0, |(_, count)| *count)))
            .collect();
        let some = [since, now].into_iter().find(|buckets| buckets.last().is_some_and(|(_, all)| *all > 0.0))?;
        let wanted = some.last()?.1 * share;
        some.iter().find(|(_, count)| *count >= wanted).map(|(bound, _)| *bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: &str = "# TYPE siprec_rtp_packets counter\n\
        siprec_rtp_packets_total 1000\n\
        siprec_invites_total{status=\"200\"} 10\n\
        siprec_invites_total{status=\"503\"} 2\n\
        siprec_invite_answer_seconds_bucket{le=\"0.001\"} 4\n\
        siprec_invite_answer_seconds_bucket{le=\"0.01\"} 11\n\
        siprec_invite_answer_seconds_bucket{le=\"+Inf\"} 12\n\
        siprec_outbox_recordings{target=\"far\"} 3\n\
        siprec_outbox_recordings_more 9\n\
        junk\n\
        # EOF\n";

    #[test]
    fn counters_are_read_added_up_and_told_apart() {
        let look = Counters::read(0, LOOK);
        assert_eq!((look.value("rtp_packets_total"), look.sum("invites_total")), (Some(1_000.0), 12.0));
        assert_eq!(look.by_label("outbox_recordings").collect::<Vec<_>>(), [("far", 3.0)]);
        assert_eq!(look.value("none"), None);
    }

    #[test]
    fn rates_are_between_two_looks_of_one_run() {
        let mut figures = Figures::default();
        figures.take(Counters::read(0, LOOK));
        assert_eq!(figures.rate("rtp_packets_total"), None);
        figures.take(Counters::read(2_000, &LOOK.replace(" 1000", " 1500")));
        assert_eq!(figures.rate("rtp_packets_total"), Some(250.0));
        figures.take(Counters::read(4_000, &LOOK.replace(" 1000", " 7")));
        assert_eq!(figures.rate("rtp_packets_total"), None, "it was restarted");
    }

    #[test]
    fn a_quantile_is_the_bound_of_its_bucket() {
        let mut figures = Figures::default();
        figures.take(Counters::read(0, LOOK));
        assert_eq!(figures.quantile("invite_answer_seconds", 0.5), Some(0.01));
        assert_eq!(figures.quantile("invite_answer_seconds", 0.3), Some(0.001));
        assert_eq!(figures.quantile("invite_answer_seconds", 0.99), Some(f64::INFINITY));
        assert_eq!(figures.quantile("none", 0.5), None);
    }
}
