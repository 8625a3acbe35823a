//! The report on one message.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::dry::{self, Answer};
use super::{DescribedLine, contradictions, description, inspect};
use crate::deviation::{Deviation, Deviations, Severity, codes, quote};
use crate::metadata::{self, DataMode, Snapshot};
use crate::sdp::Description;
use crate::session::{Bodies, Policy};
use crate::sip::{Message, Method, Transport};
use crate::time::Wall;
use crate::vendor::{CallIds, Evidence, Profile};

/// What is to be said of one message from an SRC.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// Who made the SRC.
    pub vendor: Option<Profile>,
    /// What is not as the RFCs have it, the worst first.
    pub deviations: Vec<Finding>,
    /// What the server would answer; none where it may not.
    pub answer: Option<Answer>,
    /// The message belongs to a dialog; one was made up for the answer.
    pub in_dialog: bool,
    /// Who takes part, as the message's metadata tells it.
    pub participants: Vec<Party>,
    /// One an m-line.
    pub labels: Vec<Option<String>>,
    /// The call's ids.
    pub call: CallIds,
}

/// Someone who takes part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Address of record.
    pub aor: String,
    /// Display name.
    pub name: Option<String>,
    /// Labels of the streams it sends on.
    pub labels: Vec<String>,
}

/// A deviation and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its stable name.
    pub code: String,
    /// What was found.
    pub text: String,
    /// Where the rule stands.
    pub section: String,
    /// How much it matters.
    pub severity: Severity,
    /// What the SBC's operator can do.
    pub remedy: &'static str,
}

/// Deviations that only say that a partial document leans on earlier ones.
const LEANS_ON_OTHERS: &[&str] = &["unknown-session", "unknown-participant", "unknown-stream"];

/// Looks at one message that came over `transport` from `from`.
pub fn lint(bytes: &[u8], transport: Transport, from: SocketAddr, policy: &Policy) -> Report {
    let mut report = Report::default();
    let mut found = Deviations::default();
    match Message::parse_datagram(bytes) {
        Ok(message) => report.read(&message, bytes, transport, policy, &mut found),
        Err(error) => {
            found.add_at(&codes::UNREADABLE, error.section, format_args!("{}", error.reason));
            // Its head may have been read all the same.
            if let Some(message) = &error.answerable {
                let mut evidence = Evidence::default();
                evidence.message(message);
                report.vendor = evidence.profile();
                report.call.message(message);
            }
        }
    }
    let heard = dry::answer(bytes, transport, from, policy);
    report.answer = heard.answer;
    let refused = report.answer.as_ref().filter(|answer| answer.status >= 300);
    let is_explained = found.0.iter().any(|d| d.kind().is_some_and(|code| code.severity == Severity::Error));
    if let Some(answer) = refused.filter(|_| !is_explained) {
        let why = heard.refused.unwrap_or_default();
        let section = why.rsplit_once('(').map_or(codes::REFUSED.section, |(_, section)| section.trim_end_matches(')'));
        let section = if section.starts_with("RFC ") { section } else { codes::REFUSED.section };
        found.add_at(&codes::REFUSED, section, format_args!("{} {}", answer.status, quote(&answer.reason)));
    }
    report.deviations = found.0.iter().filter_map(finding).collect();
    report.deviations.sort_by_key(|finding| core::cmp::Reverse(finding.severity));
    report
}

impl Report {
    fn read(&mut self, message: &Message, bytes: &[u8], transport: Transport, policy: &Policy, found: &mut Deviations) {
        self.in_dialog = message.to_tag().is_some() || message.method() == Some(&Method::Bye);
        found.extend(inspect(message, bytes, transport));
        self.call.message(message);
        let mut evidence = Evidence::default();
        evidence.message(message);
        let bodies = Bodies::read(message).unwrap_or_default();
        let mut snapshot = Snapshot::default();
        let mut is_partial = false;
        for (content_type, body) in &bodies.metadata {
            let parsed = metadata::parse(content_type, body);
            found.extend(parsed.deviations);
            let Some(document) = &parsed.document else { continue };
            is_partial |= document.mode == DataMode::Partial;
            let told = snapshot.apply(document, Wall(0));
            let leans = |d: &Deviation| is_partial && LEANS_ON_OTHERS.contains(&d.code.as_str());
            found.extend(told.into_iter().filter(|deviation| !leans(deviation)));
        }
        if let Some(sdp) = &bodies.sdp {
            description::not_recorded(sdp, &policy.answer, found);
            let offer = Description::parse(sdp).ok();
            if let Some(offer) = offer.as_ref().filter(|_| !is_partial) {
                found.extend(contradictions(&DescribedLine::all(offer), &snapshot));
            }
            self.labels = offer.map(labels).unwrap_or_default();
        }
        self.call.snapshot(&snapshot, None);
        evidence.snapshot(&snapshot);
        self.participants = parties(&snapshot);
        self.vendor = evidence.profile();
    }
}

impl Deviations {
    fn extend(&mut self, others: impl IntoIterator<Item = Deviation>) {
        for other in others {
            if let Some(code) = other.kind() {
                self.add_at(code, &other.section, format_args!("{}", other.text));
            }
        }
    }
}

fn labels(offer: Description) -> Vec<Option<String>> {
    offer.media.into_iter().map(|media| media.label).collect()
}

fn parties(snapshot: &Snapshot) -> Vec<Party> {
    let party = |participant: &metadata::Participant| Party {
        aor: participant.names.first().map(|name| name.aor.clone()).unwrap_or_default(),
        name: participant.names.iter().find_map(|name| name.display.clone()),
        labels: snapshot.labels_of(participant, None).into_iter().map(ToString::to_string).collect(),
    };
    snapshot.participants.iter().map(party).collect()
}

fn finding(deviation: &Deviation) -> Option<Finding> {
    let code = deviation.kind()?;
    Some(Finding {
        code: deviation.code.clone(),
        text: deviation.text.clone(),
        section: deviation.section.clone(),
        severity: code.severity,
        remedy: code.remedy,
    })
}
