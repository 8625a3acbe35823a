//! The proof: what is missing and why, and in words why there is no audio.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::account::{Account, Hole, MIN_BURST};
use super::epochs::PLAYOUT_NS;
use super::finish::{Findings, Line};
use super::layout::Laid;
use super::plan::Notes;
use super::ports::PortRecord;
use super::sheet::{ChannelName, Gap, GapCause, Pause, Proof, Sidecar, Silence, SilenceCause};
use super::swapped;
use crate::codec::Coding;
use crate::entry::{PauseCause, PortIndex, SourceChange};

/// What is said of packets that are kept sealed: of all, and of those of a line.
const UNDER_NO_KEY: &str =
    "SRTP packets were under no key that was agreed on: they are kept sealed and cannot be heard";
const UNDER_NONE: &str = "under none of the keys that were agreed on";
/// And where it is not so much the keys that are missing.
const WITHOUT_NODE_KEY: &str = "SRTP packets are kept sealed and cannot be heard: the keys that came for them stand in the \
    journal, and node.key, which unwraps them, is missing or another one (export --as opens them beside the right one)";
const WRAPPED: &str = "under keys that stand in the journal wrapped by a node.key that is missing";

/// Shorter silences at a stream's start and end are not listed.
const MIN_EDGE_NS: i64 = 500_000_000;
/// Loss so near to packets that we dropped is ours: drops are told within a second and a round.
const STALL_NS: i64 = 1_100_000_000;

/// Everything but the recording's identity.
pub(super) fn proof(findings: &Findings<'_>, laid: &Laid) -> Proof {
    let planner = findings.planner;
    let accounts = || {
        let sources = findings.lines.iter().flat_map(|line| &line.sources);
        sources.filter_map(|&source| planner.ledger.account(source))
    };
    let label = |port: PortIndex| planner.ports.get(&port).and_then(|record| record.stream.label.clone());
    Proof {
        packets_received: accounts().map(|account| account.packets).sum(),
        packets_expected: accounts().map(|account| account.expected).sum(),
        packets_lost: accounts().map(Account::lost).sum(),
        gaps: gaps(findings),
        pauses: pauses(findings),
        silences: silences(findings),
        alarms: planner.notes.alarm_sheets(|at| findings.ms(at), label),
        opened_late: planner.notes.opened_late,
        sealed: planner.notes.sealed,
        node_key_missing: false,
        dropped: planner.notes.drops.iter().map(|drops| drops.packets).sum(),
        clock_steps: planner.notes.step_sheets(|at| findings.ms(at)),
        disk_stalls: planner.notes.stall_sheets(|at| findings.ms(at)),
        deviations: planner.notes.deviations.clone(),
        findings: words(findings, laid),
    }
}

/// Why nothing of a line is in a file, in words.
pub(super) fn why_not(findings: &Findings<'_>, line: &Line<'_>) -> String {
    let record = line.record;
    let words = record.words();
    if let Some(pause) = record.pause_over(findings.zero.max(record.opened_at), findings.end) {
        return format!("{words} was paused all the time: {}", pause_words(pause.cause));
    }
    if record.packets == 0 {
        if !findings.planner.scope.is_answered() {
            return format!("the call was never answered, so nothing could arrive on {words}");
        }
        let refused = refused(record);
        if !refused.is_empty() {
            return refused.join("; ");
        }
        let port = record.stream.local.port();
        let remote = record.stream.remote.or(findings.planner.signalling.src);
        let between = remote.map_or(String::from("the SRC"), |remote| remote.ip().to_string());
        return format!("no packet ever arrived on {port} ({words}): check the firewall between {between} and here");
    }
    if record.stream.media.eq_ignore_ascii_case("text") {
        return format!("{words} is text: what was typed stands in the sheet");
    }
    if !record.is_audio() {
        return format!("captured, not rendered: {words} is {}", record.stream.media);
    }
    let formats = findings.planner.tracker.port(line.port).map_or(&[][..], |track| &track.formats);
    let seen = formats.iter().enumerate().filter(|(index, _)| record.packets_of(*index) > 0);
    let unknown = seen.filter(|(_, format)| format.coding == Coding::Unknown);
    let unknown: Vec<&str> = unknown.map(|(_, format)| format.name.as_str()).collect();
    if !unknown.is_empty() {
        return format!("captured, not rendered: no decoder for {}", unknown.join(", "));
    }
    if record.without_format > 0 {
        return format!("captured, not rendered: {words} sent payload types that the answer does not name");
    }
    format!("nothing to hear on {words}: only events, comfort noise or empty packets came")
}

/// What SRTP refused of a line, in words.
fn refused(record: &PortRecord) -> Vec<String> {
    let line = record.words();
    let refused = record.refused.without_opened(record.opened_late);
    let mut words: Vec<String> =
        refused.words().map(|(packets, why)| format!("{packets} SRTP packets on {line}: {why}")).collect();
    // Nobody lived to tell of them.
    let sealed = record.sealed_packets();
    if words.is_empty() && record.packets == 0 && sealed > 0 {
        words.push(format!("{sealed} SRTP packets on {line}: {UNDER_NONE}"));
    }
    words
}

/// What became of packets that were kept sealed, in words.
fn sealed(notes: &Notes) -> impl Iterator<Item = String> {
    let told = [
        (notes.opened_late, "SRTP packets came before their key and were opened when it was known: they are heard"),
        (notes.sealed, UNDER_NO_KEY),
    ];
    told.into_iter().filter(|(packets, _)| *packets > 0).map(|(packets, words)| format!("{packets} {words}"))
}

impl Sidecar {
    /// Says of packets that are kept sealed that it is the node's key which is missing, not the SRC's.
    pub fn lacks_node_key(&mut self) {
        if self.proof.sealed == 0 {
            return;
        }
        self.proof.node_key_missing = true;
        let findings = self.proof.findings.iter_mut();
        for words in findings.chain(self.streams.iter_mut().filter_map(|stream| stream.why_not.as_mut())) {
            *words = words.replace(UNDER_NO_KEY, WITHOUT_NODE_KEY).replace(UNDER_NONE, WRAPPED);
        }
    }
}

fn pause_words(cause: PauseCause) -> &'static str {
    match cause {
        PauseCause::Inactive => "the SRC offered inactive",
        PauseCause::ZeroAddress => "the SRC offered the address 0.0.0.0",
        PauseCause::ZeroPort => "the SRC offered port 0",
        PauseCause::Operator => "an operator paused it",
        PauseCause::TakenBack => "an operator ended it",
        PauseCause::DialogEnded => "its dialog was over",
    }
}

fn gaps(findings: &Findings<'_>) -> Vec<Gap> {
    let notes = &findings.planner.notes;
    let mut gaps: Vec<Gap> = Vec::new();
    for &(from, to, rebooted) in notes.gaps.iter().filter(|gap| gap.1 > findings.zero) {
        let cause = if rebooted { GapCause::Reboot } else { GapCause::Crash };
        gaps.push(Gap { label: None, from_ms: findings.ms(from), to_ms: findings.ms(to), cause, packets: None });
    }
    for hole in findings.planner.ledger.holes.iter().filter(|hole| hole.missing >= MIN_BURST) {
        if notes.gaps.iter().any(|gap| gap.0 <= hole.to && gap.1 >= hole.from) {
            continue;
        }
        gaps.push(Gap {
            label: findings.planner.ports.get(&hole.port).and_then(|record| record.stream.label.clone()),
            from_ms: findings.ms(hole.from.saturating_add(PLAYOUT_NS).min(hole.to)),
            to_ms: findings.ms(hole.to),
            cause: cause(findings, hole),
            packets: Some(hole.missing),
        });
    }
    for line in &findings.lines {
        // Between the first sample and the last, what is missing is a hole.
        let is_within = |from, to| line.span.is_some_and(|span| span.0 <= from && to <= span.1);
        for &(from, to, packets) in line.record.sealed.iter().filter(|(from, to, _)| !is_within(*from, *to)) {
            let (from_ms, to_ms) = (findings.ms(from), findings.ms(to));
            let label = line.record.stream.label.clone();
            gaps.push(Gap { label, from_ms, to_ms, cause: GapCause::Sealed, packets: Some(packets) });
        }
    }
    gaps.sort_by_key(|gap| (gap.from_ms, gap.to_ms, gap.cause));
    gaps
}

/// Whose loss it is.
fn cause(findings: &Findings<'_>, hole: &Hole) -> GapCause {
    let near = |at: i64| at >= hole.from.saturating_sub(STALL_NS) && at <= hole.to.saturating_add(STALL_NS);
    let drops = || findings.planner.notes.drops.iter().filter(|drops| near(drops.at));
    if drops().any(|drops| drops.port == Some(hole.port)) {
        GapCause::Overflow
    } else if drops().any(|drops| drops.port.is_none()) {
        GapCause::Stall
    } else if is_sealed(findings, hole) {
        GapCause::Sealed
    } else {
        GapCause::Loss
    }
}

/// Whether as many sealed packets came in it as half of it misses.
fn is_sealed(findings: &Findings<'_>, hole: &Hole) -> bool {
    let record = findings.planner.ports.get(&hole.port);
    let sealed = record.into_iter().flat_map(|record| &record.sealed);
    let within = sealed.filter(|(from, to, _)| *from <= hole.to && *to >= hole.from);
    within.map(|(_, _, packets)| packets).sum::<u64>() * 2 >= hole.missing
}

fn pauses(findings: &Findings<'_>) -> Vec<Pause> {
    let mut pauses = Vec::new();
    for line in &findings.lines {
        for pause in line.record.pauses.iter().filter(|pause| pause.to.is_none_or(|to| to > findings.zero)) {
            pauses.push(Pause {
                label: line.record.stream.label.clone(),
                from_ms: findings.ms(pause.from),
                to_ms: findings.ms(pause.to.unwrap_or(findings.end)),
                cause: pause.cause,
            });
        }
    }
    pauses.sort_by_key(|pause| pause.from_ms);
    pauses
}

fn silences(findings: &Findings<'_>) -> Vec<Silence> {
    let mut silences = Vec::new();
    for line in &findings.lines {
        let label = &line.record.stream.label;
        let mut tell = |from: i64, to: i64, cause| {
            silences.push(Silence { label: label.clone(), from_ms: findings.ms(from), to_ms: findings.ms(to), cause });
        };
        let begin = findings.zero.max(line.record.opened_at);
        let paused = |from, to| line.record.was_paused_between(from, to);
        match line.span {
            None if line.record.packets == 0 && !paused(begin, findings.end) && begin < findings.end => {
                tell(begin, findings.end, SilenceCause::NeverStarted);
            }
            Some((from, to)) => {
                if from.saturating_sub(begin) >= MIN_EDGE_NS && !paused(begin, from) {
                    tell(begin, from, SilenceCause::NotStarted);
                }
                if findings.end.saturating_sub(to) >= MIN_EDGE_NS && !paused(to, findings.end) {
                    tell(to, findings.end, SilenceCause::Stopped);
                }
            }
            None => {}
        }
        let crashed = |from, to| findings.planner.notes.gaps.iter().any(|gap| gap.0 <= to && gap.1 >= from);
        for quiet in findings.planner.ledger.quiets.iter().filter(|quiet| quiet.port == line.port) {
            if !crashed(quiet.from, quiet.to) {
                tell(quiet.from.saturating_add(PLAYOUT_NS).min(quiet.to), quiet.to, SilenceCause::Dtx);
            }
        }
    }
    silences.sort_by_key(|silence| (silence.from_ms, silence.to_ms));
    silences
}

fn words(findings: &Findings<'_>, laid: &Laid) -> Vec<String> {
    let planner = findings.planner;
    let mut words = Vec::new();
    if planner.scope.zero().is_none() {
        words.push("the recording never started".to_string());
    } else if !planner.scope.is_answered() {
        words.push("the call was never answered".to_string());
    }
    for line in &findings.lines {
        let rendered = line.sources.iter().any(|&source| findings.seats.get(source).is_some_and(Option::is_some));
        if !rendered {
            words.push(why_not(findings, line));
        }
        if rendered && line.seat.is_some_and(|seat| seat.channel == ChannelName::Both) {
            words.push(format!("{} is one mixed stream: the parties can not be told apart", line.record.words()));
        }
        if line.record.packets > 0 {
            words.extend(refused(line.record));
        }
        words.extend(undecoded(findings, line));
        words.extend(line.sources.iter().filter_map(|&source| guest(findings, laid, line, source)));
    }
    words.extend(swapped::words(findings));
    words.extend(planner.signalling.bridge_words());
    for drops in &planner.notes.drops {
        words.push(format!("{} packets arrived and could not be kept: {}", drops.packets, drops.cause));
    }
    words.extend(sealed(&planner.notes));
    words.extend(untold_keys(findings));
    if planner.tracker.unattributed > 0 {
        let count = planner.tracker.unattributed;
        words.push(format!("{count} packets on the session's ports are not RTP or of too many sources"));
    }
    if planner.ledger.unlisted > 0 {
        words.push(format!("{} further holes and silences are not listed", planner.ledger.unlisted));
    }
    words
}

/// What became of keys in the audio that must not be told.
fn untold_keys(findings: &Findings<'_>) -> Option<String> {
    let digits = findings.planner.digits;
    if digits.is_keep() {
        return None;
    }
    let audio = "tones of keys are muted in the audio wherever they are found";
    Some(format!("media.dtmf: {}: {audio}; the journal holds the audio as it came", digits.name()))
}

/// A line that is rendered in part.
fn undecoded(findings: &Findings<'_>, line: &Line<'_>) -> Option<String> {
    line.span?;
    let formats = findings.planner.tracker.port(line.port).map_or(&[][..], |track| &track.formats);
    let unknown = formats.iter().enumerate().filter(|(_, format)| format.coding == Coding::Unknown);
    let packets: u64 = unknown.clone().map(|(index, _)| line.record.packets_of(index)).sum();
    let names: Vec<&str> =
        unknown.filter(|(index, _)| line.record.packets_of(*index) > 0).map(|(_, f)| f.name.as_str()).collect();
    (packets > 0).then(|| {
        format!(
            "{packets} packets of {} captured, not rendered: no decoder for {}",
            line.record.words(),
            names.join(", ")
        )
    })
}

/// A source that speaks beside the line's own.
fn guest(findings: &Findings<'_>, laid: &Laid, line: &Line<'_>, index: usize) -> Option<String> {
    let source = findings.planner.tracker.sources().get(index)?;
    let packets = findings.planner.ledger.account(index)?.packets;
    let seat = findings.seats.get(index).copied().flatten();
    let is_guest = source.change == SourceChange::Stranger || seat.is_some_and(|seat| line.seat != Some(seat));
    if !is_guest || packets == 0 {
        return None;
    }
    let place = match seat.map(|seat| laid.place(seat)) {
        Some((file, channel)) => {
            let side = match channel {
                ChannelName::Left => "left",
                ChannelName::Right => "right",
                ChannelName::Both | ChannelName::None => "both channels",
                ChannelName::Mono => "its one channel",
            };
            format!("heard in file {}, {side}", file + 1)
        }
        None => "captured, not rendered".to_string(),
    };
    let port = line.record.stream.local.port();
    Some(format!(
        "source {:08x} at {} sent {packets} packets to {port} beside its own: {place}",
        source.ssrc, source.from
    ))
}
