//! What a run came to: counts, answer times, how exact the pacing was; as a table or as one JSON object.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::time::Duration;

use serde::Serialize;
use siprec_core::session::client::End;

use super::media::Played;
use super::pacing::Lateness;

/// Sentences of one kind that are kept.
const MAX_TOLD: usize = 1000;

/// Collected while it runs.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) started: u64,
    pub(super) answered: u64,
    pub(super) over: u64,
    failed: u64,
    answer_times: Vec<Duration>,
    ends: BTreeMap<String, u64>,
    told: BTreeMap<String, u64>,
    lines: Vec<super::stream::Sent>,
}

/// The report, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    calls: Calls,
    answer_ms: Option<Times>,
    /// How calls ended, and how many of them.
    ends: BTreeMap<String, u64>,
    /// What was wrong with the server's messages, and how often.
    remarks: BTreeMap<String, u64>,
    rtp: Rtp,
    rtcp: Rtcp,
    /// How far behind its time a packet left, ms.
    pacing_ms: Option<Times>,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct Calls {
    started: u64,
    answered: u64,
    failed: u64,
}

#[derive(Debug, Serialize)]
struct Times {
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

#[derive(Debug, Default, Serialize)]
struct Rtp {
    streams: u64,
    packets: u64,
    octets: u64,
    packets_per_second: f64,
    lost_on_purpose: u64,
    paused: u64,
    failed: u64,
}

#[derive(Debug, Default, Serialize)]
struct Rtcp {
    /// Streams that the server reported on.
    streams: u64,
    /// Packets lost by its reports, those that were lost on purpose among them.
    lost: i64,
}

impl Tally {
    pub(super) fn answered(&mut self, after: Duration) {
        self.answered += 1;
        self.answer_times.push(after);
    }

    pub(super) fn told(&mut self, what: String) {
        if self.told.len() < MAX_TOLD || self.told.contains_key(&what) {
            *self.told.entry(what).or_default() += 1;
        }
    }

    pub(super) fn ended(&mut self, end: &End) {
        self.over += 1;
        match end {
            End::Ours | End::Theirs | End::Cancelled => {}
            End::Refused { .. } | End::Unanswered | End::Broken(_) => self.failed += 1,
        }
        *self.ends.entry(end.to_string()).or_default() += 1;
    }

    /// A call that could not even be begun.
    pub(super) fn not_begun(&mut self, why: &anyhow::Error) {
        self.over += 1;
        self.failed += 1;
        *self.ends.entry(format!("{why:#}")).or_default() += 1;
    }

    pub(super) fn played(&mut self, played: Played) {
        self.lines.extend(played.lines);
    }

    pub(super) fn failed(&self) -> u64 {
        self.failed
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of a run")]
    pub(super) fn report(mut self, lateness: &Lateness, took: Duration) -> Report {
        self.answer_times.sort_unstable();
        let mut rtp = Rtp { streams: self.lines.len() as u64, ..Rtp::default() };
        let mut rtcp = Rtcp::default();
        for line in &self.lines {
            rtp.packets += line.packets;
            rtp.octets += line.octets;
            rtp.lost_on_purpose += line.lost_on_purpose;
            rtp.paused += line.paused;
            rtp.failed += line.failed;
            rtcp.streams += u64::from(line.reported_lost.is_some());
            rtcp.lost += line.reported_lost.unwrap_or(0);
        }
        rtp.packets_per_second = rtp.packets as f64 / took.as_secs_f64().max(1e-9);
        let ms = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
        let times = &self.answer_times;
        let nth = |part: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a length")]
            let place = ((times.len() as f64 * part).ceil() as usize).saturating_sub(1);
            times.get(place).copied().map(ms)
        };
        let answer_ms = nth(0.5).zip(nth(0.9)).zip(nth(0.99).zip(nth(1.0)));
        let pacing = |part| lateness.quantile(part).map(ms);
        let pacing_ms = pacing(0.5).zip(pacing(0.9)).zip(pacing(0.99));
        Report {
            calls: Calls { started: self.started, answered: self.answered, failed: self.failed },
            answer_ms: answer_ms.map(|((p50, p90), (p99, max))| Times { p50, p90, p99, max }),
            ends: self.ends,
            remarks: self.told,
            rtp,
            rtcp,
            pacing_ms: pacing_ms.map(|((p50, p90), p99)| Times { p50, p90, p99, max: ms(lateness.worst()) }),
            seconds: took.as_secs_f64(),
        }
    }
}

impl Times {
    fn line(&self) -> String {
        let Self { p50, p90, p99, max } = self;
        format!("p50 {p50:.2} ms, p90 {p90:.2} ms, p99 {p99:.2} ms, max {max:.2} ms")
    }
}

impl Report {
    /// Prints it on standard output.
    pub(super) fn print(&self, json: bool) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        if json {
            serde_json::to_writer(&mut out, self)?;
            writeln!(out)?;
            return Ok(());
        }
        let Calls { started, answered, failed } = &self.calls;
        writeln!(out, "calls      {started} started, {answered} answered, {failed} failed, in {:.1} s", self.seconds)?;
        for (end, count) in &self.ends {
            writeln!(out, "           {count} x {end}")?;
        }
        if let Some(times) = &self.answer_ms {
            writeln!(out, "answered   {}", times.line())?;
        }
        if self.rtp.streams > 0 {
            self.print_media(&mut out)?;
        }
        for (what, count) in &self.remarks {
            writeln!(out, "remark     {count} x {what}")?;
        }
        Ok(())
    }

    fn print_media(&self, out: &mut impl io::Write) -> anyhow::Result<()> {
        let rtp = &self.rtp;
        write!(
            out,
            "RTP        {} packets of {} streams, {:.0} a second",
            rtp.packets, rtp.streams, rtp.packets_per_second
        )?;
        for (count, what) in [
            (rtp.lost_on_purpose, "lost on purpose"),
            (rtp.paused, "not sent while paused"),
            (rtp.failed, "refused by the network"),
        ] {
            if count > 0 {
                write!(out, ", {count} {what}")?;
            }
        }
        writeln!(out)?;
        if let Some(times) = &self.pacing_ms {
            writeln!(out, "late by    {}", times.line())?;
        }
        match self.rtcp.streams {
            0 => writeln!(out, "RTCP       no report came: calls of 10 s and more get some")?,
            streams => writeln!(out, "RTCP       {} packets lost, by reports on {streams} streams", self.rtcp.lost)?,
        }
        Ok(())
    }
}
