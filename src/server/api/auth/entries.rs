//! What the audit log gets of who comes and who is refused: each caller's coming, and of refusals the first at once and their number
//! once a minute, so that a flood of them does not fill the disk.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use siprec_core::seed::RecordingId;

use super::refusal::{Reason, Refusal, Refusals};
use crate::archive::audit::{Act, Action, Origin};

/// A caller who was away for so long comes anew, and so does who hears a recording again.
const AWAY: Duration = Duration::from_secs(15 * 60);
/// So many of them are remembered; beyond that, whoever was away longest is forgotten, and comes anew.
const MAX_SEEN: usize = 4096;
/// Refusals of one kind are told this often.
const APART: Duration = Duration::from_secs(60);

/// What was told, and when.
#[derive(Debug, Default)]
pub(super) struct Entries {
    /// By who and from where.
    callers: Seen<(String, String)>,
    listeners: Seen<(String, String, RecordingId)>,
    refused: Mutex<[Told; Reason::ALL.len()]>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Told {
    /// How many, as told last.
    count: u64,
    at: Option<Instant>,
}

/// Who was seen, and when last.
#[derive(Debug)]
struct Seen<K>(Mutex<HashMap<K, Instant>>);

impl<K> Default for Seen<K> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

impl<K: Hash + Eq + Clone> Seen<K> {
    /// Whether they come anew.
    fn is_new(&self, key: K, now: Instant) -> bool {
        let is_away = |seen: &Instant| now.saturating_duration_since(*seen) >= AWAY;
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = seen.get(&key).is_none_or(is_away);
        if is_new && seen.len() >= MAX_SEEN {
            seen.retain(|_, seen| !is_away(seen));
            let first = seen.iter().min_by_key(|(_, seen)| **seen).map(|(key, _)| key.clone());
            if let Some(first) = first.filter(|_| seen.len() >= MAX_SEEN) {
                seen.remove(&first);
            }
        }
        seen.insert(key, now);
        is_new
    }
}

impl Entries {
    /// The entry for a caller who asks, if they come anew.
    pub(super) fn came(&self, origin: &Origin, way: &str, now: Instant) -> Option<Act> {
        let is_new = self.callers.is_new((origin.who.clone(), origin.from.clone()), now);
        is_new.then(|| Act::new(Action::LoggedIn).with("by", way).by(origin.clone()))
    }

    /// Whether a caller begins to hear a recording.
    pub(super) fn begins_to_hear(&self, origin: &Origin, recording: RecordingId, now: Instant) -> bool {
        self.listeners.is_new((origin.who.clone(), origin.from.clone(), recording), now)
    }

    /// The entry for a refusal that was counted, unless one of its kind was told in the last minute.
    pub(super) fn refused(&self, refusal: &Refusal, refusals: &Refusals, origin: &Origin, now: Instant) -> Option<Act> {
        let count = self.untold(refusal.reason, refusals, now)?;
        Some(act(refusal.reason, count).by(origin.clone()))
    }

    /// The entries for refusals that were not told when they were counted; they are of several senders.
    pub(super) fn rest(&self, refusals: &Refusals, now: Instant) -> Vec<(Reason, u64)> {
        let all = Reason::ALL.into_iter();
        all.filter_map(|reason| self.untold(reason, refusals, now).map(|count| (reason, count))).collect()
    }

    /// How many of a kind are to be told now.
    fn untold(&self, reason: Reason, refusals: &Refusals, now: Instant) -> Option<u64> {
        let (_, count) = refusals.all().find(|(known, _)| *known == reason)?;
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let told = refused.get_mut(reason as usize)?;
        let is_due = told.at.is_none_or(|at| now.saturating_duration_since(at) >= APART);
        let untold = count.saturating_sub(told.count);
        (is_due && untold > 0).then(|| {
            *told = Told { count, at: Some(now) };
            untold
        })
    }
}

/// An entry for refusals of one kind.
pub(super) fn act(reason: Reason, count: u64) -> Act {
    Act::new(Action::Refused).with("reason", reason.name()).with("count", count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(who: &str) -> Origin {
        Origin { who: who.into(), from: "192.0.2.1".into() }
    }

    #[test]
    fn a_caller_comes_once_in_a_while() {
        let (entries, begun) = (Entries::default(), Instant::now());
        let came = |who: &str, minutes: u64| {
            entries.came(&origin(who), "key", begun + Duration::from_secs(60 * minutes)).is_some()
        };
        assert!(came("a", 0) && !came("a", 10) && came("b", 10));
        assert!(!came("a", 20), "who goes on asking was not away");
        assert!(came("a", 35));
        let all = (0..2 * MAX_SEEN).filter(|n| came(&n.to_string(), 36));
        assert_eq!(all.count(), 2 * MAX_SEEN);
        assert!(entries.callers.0.lock().unwrap().len() <= MAX_SEEN);
    }

    #[test]
    fn a_flood_is_one_entry_a_minute_and_none_of_it_is_lost() {
        let (entries, refusals, begun) = (Entries::default(), Refusals::default(), Instant::now());
        let refusal = Refusal::new(Reason::Signature, "x");
        let mut told = Vec::new();
        for second in 0..150 {
            refusals.count(Reason::Signature);
            let now = begun + Duration::from_secs(second);
            told.extend(entries.refused(&refusal, &refusals, &origin("x"), now));
        }
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(entries.rest(&refusals, begun + Duration::from_secs(150)).is_empty());
        assert_eq!(entries.rest(&refusals, begun + Duration::from_secs(200)), [(Reason::Signature, 29)]);
        assert!(entries.rest(&refusals, begun + Duration::from_secs(400)).is_empty());
    }
}
