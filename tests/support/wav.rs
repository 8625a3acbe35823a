//! The judge of a recording: each leg on its own channel, every click at its true time, no tone where none belongs,
//! and the right length. What is true stands in the sender's log, not in the recorder's sheet.

use super::studio::{LegLog, Transcript};
use super::voice::{CLICK, PACKET, RATE, TONE_AMPLITUDE, TONES, clicks, tone_hz, tone_of};
use std::f64::consts::TAU;
use std::ops::Range;
use std::path::Path;

/// A click is louder than this, everything else is softer.
const CLICK_LEVEL: i32 = 11_000;
/// After an onset no other is looked for, so long.
const REFRACTORY: usize = 800;
/// A quarter of a second: tones are 16 Hz apart, so each is told from the next exactly.
const WINDOW: u32 = RATE / 4;
/// A window keeps this distance from a click.
const CLEAR: u32 = 160;
/// Concealment may repeat what was said, so long after a loss.
const ECHO: u32 = 800;
/// Nothing that does not belong is louder than this, relative to full scale.
const FOREIGN_DB: f64 = -50.0;

/// The samples of one file.
#[derive(Debug, Clone)]
pub struct Audio {
    pub rate: u32,
    pub channels: Vec<Vec<i16>>,
}

impl Audio {
    pub fn read(path: &Path) -> Result<Self, String> {
        let told = |e: hound::Error| format!("{}: {e}", path.display());
        let mut reader = hound::WavReader::open(path).map_err(told)?;
        let spec = reader.spec();
        let samples = reader.samples::<i16>().collect::<Result<Vec<_>, _>>().map_err(told)?;
        let count = usize::from(spec.channels);
        let channels = (0..count).map(|c| samples.iter().skip(c).step_by(count).copied().collect()).collect();
        Ok(Self { rate: spec.sample_rate, channels })
    }

    pub fn frames(&self) -> usize {
        self.channels.first().map_or(0, Vec::len)
    }
}

/// How tones are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tones {
    /// No foreign tone in any window.
    Every,
    /// A foreign tone must not be in all windows: drift correction may smear one of them.
    Some,
}

/// What a judge lets pass.
#[derive(Debug, Clone)]
pub struct Allow {
    /// How far a click may be from its true time.
    pub click_ms: f64,
    /// How far the legs may be apart.
    pub align_ms: f64,
    /// How far the whole may be from our 200.
    pub lead_ms: f64,
    /// When nothing could be received (wall clock), for whatever reason.
    pub blind: Vec<Range<i64>>,
    /// When nothing may be heard although it was sent: a pause.
    pub silent: Vec<Range<i64>>,
    pub tones: Tones,
    pub length_ms: f64,
}

impl Default for Allow {
    fn default() -> Self {
        Self {
            click_ms: 1.0,
            align_ms: 1.0,
            lead_ms: 60.0,
            blind: Vec::new(),
            silent: Vec::new(),
            tones: Tones::Every,
            length_ms: 20.0,
        }
    }
}

/// What the judge found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    pub faults: Vec<String>,
    /// Where packet 0 of the call lies in the file, seconds.
    pub lead: f64,
    pub clicks_in_place: usize,
    pub worst_click_ms: f64,
    pub worst_align_ms: f64,
    pub worst_foreign_db: f64,
}

/// What may be expected of a stretch of a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Surely,
    Perhaps,
    Never,
}

/// A leg, where it was found, and its clicks there.
struct Found<'a> {
    leg: &'a LegLog,
    number: usize,
    samples: &'a [i16],
    onsets: Vec<f64>,
}

/// Judges the files of one recording; `started_at` is the sheet's t = 0. Legs 1 and 2 must be left and right of the first
/// file, a third wherever it is.
pub fn judge(files: &[Audio], started_at: i64, transcript: &Transcript, allow: &Allow) -> Report {
    let mut report = Report { worst_foreign_db: f64::NEG_INFINITY, ..Report::default() };
    if files.is_empty() {
        report.faults.push("there is no audio".into());
        return report;
    }
    // One stream alone may be mono.
    let channels = |f: &Audio| f.channels.len() == 2 || f.channels.len() == 1 && transcript.legs.len() == 1;
    if let Some(odd) = files.iter().find(|f| f.rate != RATE || !channels(f)) {
        report.faults.push(format!("{} Hz, {} channels", odd.rate, odd.channels.len()));
        return report;
    }
    let found: Vec<Found<'_>> =
        transcript.legs.iter().enumerate().filter_map(|(n, leg)| locate(files, transcript.call, n, leg)).collect();
    if found.len() < transcript.legs.len() {
        report.faults.push("a leg is nowhere".into());
    }
    let Some(lead) = lead(&found, transcript.call) else {
        report.faults.push("no click where one could be".into());
        return report;
    };
    report.lead = lead;
    let expected = seconds(transcript.start - started_at);
    if (lead - expected).abs() * 1e3 > allow.lead_ms {
        report.faults.push(format!("the call begins at {lead:.4} s of the file, the log says {expected:.4} s"));
    }
    for leg in &found {
        judge_clicks(leg, transcript, allow, &mut report);
        judge_tones(leg, transcript, allow, &mut report);
    }
    judge_alignment(&found, transcript, allow, &mut report);
    judge_length(files, transcript, allow, &mut report);
    report
}

fn locate<'a>(files: &'a [Audio], call: usize, number: usize, leg: &'a LegLog) -> Option<Found<'a>> {
    let channels: Vec<&Vec<i16>> = files.iter().flat_map(|f| &f.channels).collect();
    let own = tone_hz(tone_of(call, number));
    let place = match number {
        0 | 1 => number,
        _ => (0..channels.len()).max_by(|a, b| level(channels[*a], own).total_cmp(&level(channels[*b], own)))?,
    };
    let samples = channels.get(place)?;
    Some(Found { leg, number, samples, onsets: onsets(samples) })
}

/// When something loud begins, seconds.
pub fn onsets(samples: &[i16]) -> Vec<f64> {
    let (mut out, mut i) = (Vec::new(), 0);
    while i < samples.len() {
        if i32::from(samples[i]).abs() > CLICK_LEVEL {
            out.push(at(i));
            i += REFRACTORY;
        } else {
            i += 1;
        }
    }
    out
}

/// Amplitude of a frequency among the samples (Goertzel, Hann window).
pub fn amplitude(samples: &[i16], hz: u32) -> f64 {
    let turn = TAU * f64::from(hz) / f64::from(RATE);
    let (mut before, mut last) = (0.0, 0.0);
    let length = f64::from(u32::try_from(samples.len().max(1)).unwrap_or(u32::MAX));
    for (i, sample) in (0u32..).zip(samples) {
        let hann = 0.5 - 0.5 * (TAU * f64::from(i) / length).cos();
        let now = f64::from(*sample) * hann + 2.0 * turn.cos() * last - before;
        (before, last) = (last, now);
    }
    let power = last * last + before * before - 2.0 * turn.cos() * last * before;
    4.0 * power.max(0.0).sqrt() / length
}

/// The same as dB relative to full scale.
pub fn level(samples: &[i16], hz: u32) -> f64 {
    20.0 * (amplitude(samples, hz).max(1e-9) / 32_768.0).log10()
}

/// The start of the call in the file: the offset that puts most clicks in place.
fn lead(found: &[Found<'_>], call: usize) -> Option<f64> {
    let mut offsets: Vec<f64> = Vec::new();
    for leg in found {
        let times: Vec<f64> =
            clicks(call, leg.leg.plan.packets * PACKET).iter().map(|c| leg.leg.plan.time_of(*c)).collect();
        offsets.extend(leg.onsets.iter().flat_map(|onset| times.iter().map(move |t| onset - t)));
    }
    offsets.sort_by(f64::total_cmp);
    let votes = |offset: &f64| offsets.iter().filter(|o| (**o - offset).abs() <= 0.0015).count();
    let most = offsets.iter().map(votes).max()?;
    let best: Vec<f64> = offsets.iter().filter(|o| votes(o) == most).copied().collect();
    best.get(best.len() / 2).copied()
}

impl Found<'_> {
    /// When a sample left the sender, wall clock.
    fn wall(&self, transcript: &Transcript, sample: u32) -> i64 {
        transcript.start + nanos(self.leg.plan.time_of(sample))
    }

    /// Whether the recorder can have heard these samples.
    fn heard(&self, transcript: &Transcript, allow: &Allow, samples: Range<u32>) -> Heard {
        let numbers = samples.start / PACKET..=(samples.end - 1) / PACKET;
        let fates = numbers.clone().map(|number| {
            let packet = self.leg.packets.iter().find(|p| p.number == number);
            let when = packet.map_or_else(|| self.wall(transcript, number * PACKET), |p| p.at);
            let near = |r: &Range<i64>, margin: i64| {
                (r.start.saturating_sub(margin)..r.end.saturating_add(margin)).contains(&when)
            };
            if packet.is_none_or(|p| p.copies == 0) || allow.silent.iter().any(|r| near(r, -60_000_000)) {
                Heard::Never
            } else if allow.blind.iter().chain(&allow.silent).any(|r| near(r, 60_000_000)) {
                Heard::Perhaps
            } else {
                Heard::Surely
            }
        });
        let fates: Vec<Heard> = fates.collect();
        match (fates.iter().all(|f| *f == Heard::Surely), fates.iter().all(|f| *f == Heard::Never)) {
            (true, _) => Heard::Surely,
            (_, true) => Heard::Never,
            _ => Heard::Perhaps,
        }
    }
}

fn judge_clicks(found: &Found<'_>, transcript: &Transcript, allow: &Allow, report: &mut Report) {
    let (leg, mut explained) = (found.number + 1, vec![false; found.onsets.len()]);
    for click in clicks(transcript.call, found.leg.plan.packets * PACKET) {
        let truth = found.leg.plan.time_of(click) + report.lead;
        let nearest = (0..found.onsets.len())
            .min_by(|a, b| (found.onsets[*a] - truth).abs().total_cmp(&(found.onsets[*b] - truth).abs()));
        let off = nearest.map_or(f64::INFINITY, |n| (found.onsets[n] - truth).abs() * 1e3);
        let in_place = off <= allow.click_ms;
        match found.heard(transcript, allow, click..click + CLICK) {
            Heard::Surely if in_place => {
                report.clicks_in_place += 1;
                report.worst_click_ms = report.worst_click_ms.max(off);
            }
            Heard::Surely => {
                report.faults.push(format!("leg {leg}: no click at {truth:.4} s, the nearest is {off:.2} ms off"));
            }
            Heard::Never if in_place => {
                report.faults.push(format!("leg {leg}: a click at {truth:.4} s that cannot have been heard"));
            }
            Heard::Perhaps | Heard::Never => {}
        }
        // A click of which a part was lost begins later; concealment may sound like it once more.
        let surely = found.heard(transcript, allow, click.saturating_sub(ECHO)..click + ECHO) == Heard::Surely;
        let reach = if surely { allow.click_ms } else { f64::from(ECHO) / 8.0 };
        for (n, onset) in found.onsets.iter().enumerate() {
            explained[n] |= (onset - truth).abs() * 1e3 <= reach;
        }
    }
    for (onset, _) in found.onsets.iter().zip(explained).filter(|(_, explained)| !explained) {
        report.faults.push(format!("leg {leg}: a click at {onset:.4} s where none belongs"));
    }
}

/// Stretches without a click in which the leg was surely heard, in samples of the leg.
fn quiet_windows(found: &Found<'_>, transcript: &Transcript, allow: &Allow) -> Vec<u32> {
    let all = clicks(transcript.call, found.leg.plan.packets * PACKET);
    let spots = all.iter().map(|click| click + CLICK + CLEAR);
    let free = |from: u32| !all.iter().any(|c| *c < from + WINDOW + CLEAR && c + CLICK + CLEAR > from);
    let said = |from: u32| from + WINDOW + CLEAR < found.leg.plan.packets * PACKET;
    // The packets before count as well: a late or an overtaken one may have been concealed.
    let heard = |from: u32| found.heard(transcript, allow, from - CLEAR..from + WINDOW + CLEAR) == Heard::Surely;
    spots.filter(|from| free(*from) && said(*from) && heard(*from)).collect()
}

fn judge_tones(found: &Found<'_>, transcript: &Transcript, allow: &Allow, report: &mut Report) {
    let leg = found.number + 1;
    let windows: Vec<&[i16]> = quiet_windows(found, transcript, allow)
        .into_iter()
        .filter_map(|from| {
            let first = index(found.leg.plan.time_of(from) + report.lead);
            found.samples.get(first..first + WINDOW as usize)
        })
        .collect();
    if windows.is_empty() {
        return;
    }
    let own = tone_of(transcript.call, found.number);
    let due = 20.0 * (TONE_AMPLITUDE / 32_768.0).log10();
    for window in &windows {
        let loud = level(window, tone_hz(own));
        if (loud - due).abs() > 1.5 && allow.tones == Tones::Every {
            report.faults.push(format!("leg {leg}: its own tone is at {loud:.1} dB, not {due:.1}"));
        }
    }
    for tone in (0..TONES).filter(|t| *t != own) {
        let levels = windows.iter().map(|w| level(w, tone_hz(tone)));
        let loud = match allow.tones {
            Tones::Every => levels.fold(f64::NEG_INFINITY, f64::max),
            Tones::Some => levels.fold(f64::INFINITY, f64::min),
        };
        report.worst_foreign_db = report.worst_foreign_db.max(loud);
        if loud > FOREIGN_DB {
            report.faults.push(format!("leg {leg}: a foreign tone of {} Hz at {loud:.1} dB", tone_hz(tone)));
        }
    }
}

fn judge_alignment(found: &[Found<'_>], transcript: &Transcript, allow: &Allow, report: &mut Report) {
    let [first, rest @ ..] = found else { return };
    for other in rest {
        for onset in &first.onsets {
            let near = other.onsets.iter().map(|o| (o - onset).abs() * 1e3).filter(|ms| *ms < 40.0);
            let Some(apart) = near.min_by(f64::total_cmp) else { continue };
            report.worst_align_ms = report.worst_align_ms.max(apart);
            let sample = u32::try_from(index((onset - report.lead).max(0.0))).unwrap_or(0);
            let around = sample.saturating_sub(ECHO)..sample + ECHO;
            let sure = |leg: &Found<'_>| leg.heard(transcript, allow, around.clone()) == Heard::Surely;
            if apart > allow.align_ms && sure(first) && sure(other) {
                let (a, b) = (first.number + 1, other.number + 1);
                report.faults.push(format!("legs {a} and {b} are {apart:.2} ms apart at {onset:.4} s"));
            }
        }
    }
}

fn judge_length(files: &[Audio], transcript: &Transcript, allow: &Allow, report: &mut Report) {
    let spoken = transcript.legs.iter().map(|l| l.plan.time_of(l.plan.packets * PACKET)).fold(0.0, f64::max);
    let length = at(files[0].frames()) - report.lead;
    let until_bye = transcript.bye_at.map_or(0.0, |bye| seconds(bye - transcript.start));
    let (least, most) = (spoken - allow.length_ms / 1e3, spoken.max(until_bye) + allow.length_ms / 1e3);
    if !(least..=most).contains(&length) {
        report.faults.push(format!("{length:.3} s long from the first packet on, not {least:.3} to {most:.3}"));
    }
}

#[allow(clippy::cast_precision_loss, reason = "a test call is short")]
fn at(sample: usize) -> f64 {
    sample as f64 / f64::from(RATE)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a test call is short")]
fn index(seconds: f64) -> usize {
    (seconds * f64::from(RATE)).round() as usize
}

#[allow(clippy::cast_precision_loss, reason = "a test call is short")]
fn seconds(nanos: i64) -> f64 {
    nanos as f64 / 1e9
}

#[allow(clippy::cast_possible_truncation, reason = "a test call is short")]
fn nanos(seconds: f64) -> i64 {
    (seconds * 1e9).round() as i64
}
