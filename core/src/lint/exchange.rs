//! Lines that changed places in mid-call: what one request says is no fault, only what it says after another.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::contradiction::DescribedLine;
use crate::deviation::{Deviation, Deviations, codes, quote};
use crate::metadata::Snapshot;

/// Labels that are remembered.
const MAX_LABELS: usize = 64;

/// Who sends on which label, and which m-line has which label: as last told.
#[derive(Debug, Default)]
pub struct Places {
    /// The one sender of a label, by the session of its stream and the label.
    senders: BTreeMap<(Option<String>, String), String>,
    /// Labels of the open lines, by place.
    labels: Vec<Option<String>>,
}

impl Places {
    /// Takes a new description; yields what in it has changed places.
    pub fn described(&mut self, lines: &[DescribedLine<'_>]) -> Vec<Deviation> {
        let label = |line: &DescribedLine<'_>| line.label.filter(|_| line.is_open).map(ToString::to_string);
        let labels: Vec<Option<String>> = lines.iter().take(MAX_LABELS).map(label).collect();
        let before = core::mem::replace(&mut self.labels, labels);
        let now = &self.labels;
        let mut deviations = Deviations::default();
        for (one, label) in before.iter().enumerate().filter_map(|(place, label)| Some((place, label.as_ref()?))) {
            let other = now.iter().position(|other| other.as_ref() == Some(label)).filter(|other| *other > one);
            let Some(other) = other else { continue };
            let back = before.get(other).and_then(Option::as_ref);
            if back.is_some() && back == now.get(one).and_then(Option::as_ref) {
                let told = format_args!("m-lines {} and {} have each other's labels now", one + 1, other + 1);
                deviations.add(&codes::LABELS_SWAPPED, told);
            }
        }
        deviations.0
    }

    /// Takes the metadata as of an update; yields what in it has changed places.
    pub fn told(&mut self, snapshot: &Snapshot) -> Vec<Deviation> {
        let mut now = BTreeMap::new();
        for stream in snapshot.streams.iter().filter(|stream| stream.is_active()).take(MAX_LABELS) {
            let senders = snapshot.senders_of(stream);
            let (Some(label), [sender]) = (stream.label(), senders.as_slice()) else { continue };
            let session = stream.binding().and_then(|binding| binding.session.clone());
            now.insert((session, label.to_string()), sender.id.clone());
        }
        let before = core::mem::replace(&mut self.senders, now);
        let mut deviations = Deviations::default();
        for ((session, one), sender) in &before {
            let is_now = |of: &str, id: &String| self.senders.get(&(session.clone(), of.to_string())) == Some(id);
            let others = before.iter().filter(|((of, other), _)| of == session && other > one);
            for ((_, other), their) in others {
                if sender != their && is_now(one, their) && is_now(other, sender) {
                    let told = format_args!(
                        "the metadata gives labels {} and {} each other's participants now",
                        quote(one),
                        quote(other)
                    );
                    deviations.add(&codes::LABELS_SWAPPED, told);
                }
            }
        }
        deviations.0
    }
}
