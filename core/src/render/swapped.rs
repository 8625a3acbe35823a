//! Legs that are not where they were, or not where the SRC says: told in words, since nobody can tell whose mistake it is.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::account::Account;
use super::finish::{Findings, Line};

/// Fewer packets of a source tell nothing.
const MIN_PACKETS: u64 = 50;
/// So long may a source be heard in both places while it moves.
const MOVING_NS: i64 = 1_000_000_000;

/// What is to be said of all pairs of lines.
pub(super) fn words(findings: &Findings<'_>) -> Vec<String> {
    let audio: Vec<&Line<'_>> = findings.lines.iter().filter(|line| line.record.is_audio()).collect();
    let mut words = Vec::new();
    for (index, one) in audio.iter().enumerate() {
        for other in audio.iter().skip(index + 1) {
            words.extend(moved(findings, one, other));
            words.extend(addressed(findings, one, other));
            words.extend(renamed(one, other));
        }
    }
    words
}

/// An SSRC that left one line and went on in the other.
fn moved(findings: &Findings<'_>, one: &Line<'_>, other: &Line<'_>) -> Option<String> {
    let there = went(findings, one, other);
    let back = went(findings, other, one);
    let (from, to, (ssrc, at), both) = match (there, back) {
        (Some(there), Some(_)) => (one, other, there, true),
        (Some(there), None) => (one, other, there, false),
        (None, Some(back)) => (other, one, back, false),
        (None, None) => return None,
    };
    let (from, to, at) = (from.record.words(), to.record.words(), findings.ms(at));
    Some(if both {
        format!("swapped legs: from {at} ms on, what was heard on {from} is heard on {to}, and the other way round")
    } else {
        format!("source {ssrc:08x} went from {from} to {to} at {at} ms: the legs may be swapped from there on")
    })
}

/// The SSRC that went from one line to the other, and when.
fn went(findings: &Findings<'_>, from: &Line<'_>, to: &Line<'_>) -> Option<(u32, i64)> {
    let sources = |line: &Line<'_>| -> Vec<(u32, i64, i64)> {
        let of = |&index: &usize| {
            let (source, account) = (findings.planner.tracker.sources().get(index)?, account(findings, index)?);
            Some((source.ssrc, account.first_at?, account.last_at))
        };
        line.sources.iter().filter_map(of).collect()
    };
    let after = sources(to);
    sources(from).into_iter().find_map(|(ssrc, _, last)| {
        let follows = |&&(other, first, _): &&(u32, i64, i64)| other == ssrc && first.saturating_add(MOVING_NS) >= last;
        after.iter().find(follows).map(|&(_, first, _)| (ssrc, first))
    })
}

fn account<'f>(findings: &'f Findings<'_>, index: usize) -> Option<&'f Account> {
    findings.planner.ledger.account(index).filter(|account| account.packets >= MIN_PACKETS)
}

/// Each line is sent from where the SRC's SDP says that the other one is.
fn addressed(findings: &Findings<'_>, one: &Line<'_>, other: &Line<'_>) -> Option<String> {
    let (first, second) = (one.record.stream.remote?, other.record.stream.remote?);
    let from = |line: &Line<'_>| {
        let main = line.sources.iter().filter_map(|&index| Some((account(findings, index)?.packets, index)));
        let (_, index) = main.max_by_key(|&(packets, index)| (packets, core::cmp::Reverse(index)))?;
        findings.planner.tracker.sources().get(index).map(|source| source.from)
    };
    let crossed = first != second && from(one) == Some(second) && from(other) == Some(first);
    let (one, other) = (one.record.words(), other.record.words());
    crossed.then(|| {
        format!("swapped legs: {one} is sent from the address that the SDP gives for {other}, and the other way round")
    })
}

/// The metadata gave each line the other's participant.
fn renamed(one: &Line<'_>, other: &Line<'_>) -> Option<String> {
    let [first, second] = one.record.senders.as_slice() else { return None };
    let crossed = other.record.senders.as_slice() == [second.clone(), first.clone()];
    let is_mixed = one.record.is_mixed || other.record.is_mixed;
    let (one, other) = (one.record.words(), other.record.words());
    (crossed && !is_mixed)
        .then(|| format!("swapped legs: in mid-call the metadata gave {one} and {other} each other's participants"))
}
