//! What the sheet tells of the signalling: who called us, from where, with what, under which ids, what was wrong with it,
//! and each metadata document as it came.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::lines::Lines;
use super::sheet::{RawMetadata, RecordingSession};
use crate::deviation::Deviation;
use crate::lint::{DescribedLine, Places, contradictions, inspect};
use crate::metadata::{Snapshot, is_metadata};
use crate::sdp::{Description, Media};
use crate::session::{Bodies, Bridge, BridgeEnd, MAX_M_LINES, MAX_OPEN_RECORDINGS};
use crate::sip::{Message, Method, Transport};
use crate::time::Wall;
use crate::vendor::{CallIds, Evidence, Profile};

/// Documents that a sheet repeats, and their bytes in all; the journal holds the others.
const MAX_DOCUMENTS: usize = 1000;
const MAX_DOCUMENT_BYTES: usize = 8 << 20;
/// The other end of a phone's bridge is told to be late from here on.
const MIN_LATE_MS: i64 = 500;

/// Values of `a=content` that are kept of a line.
const MAX_CONTENTS: usize = 8;
/// Longest of them, in bytes.
const MAX_CONTENT_BYTES: usize = 64;

/// What an m-line is known by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum LineName {
    Label(String),
    Place(usize),
}

impl LineName {
    fn new(label: Option<&str>, place: usize) -> Self {
        label.map_or(Self::Place(place), |label| Self::Label(label.to_string()))
    }
}

/// The signalling of a session, up to the last entry.
#[derive(Debug, Default)]
pub(super) struct Signalling {
    pub(super) session: RecordingSession,
    /// The SRC's address.
    pub(super) src: Option<SocketAddr>,
    pub(super) metadata: Vec<RawMetadata>,
    bytes: usize,
    evidence: Evidence,
    pub(super) lines: Lines,
    /// Ids in header fields of earlier requests, and those of the last one, which may begin another recording.
    in_headers: CallIds,
    in_last_request: CallIds,
    /// Documents that came before the last request.
    earlier_documents: usize,
    /// Ids in metadata by communication session; without one where the metadata has named none.
    in_metadata: BTreeMap<Option<String>, CallIds>,
    /// Another recording of the session began before.
    has_predecessor: bool,
    /// `a=content` of m-lines that have it, by label, by place where there is none.
    contents: BTreeMap<LineName, Vec<String>>,
    /// Where lines and people were, to see whether they change places.
    places: Places,
    /// An offer has its answer, and nobody has judged the two yet.
    is_agreed: bool,
    /// When each end of a phone's bridge came first, ns.
    bridge: [Option<i64>; 2],
}

impl Signalling {
    /// Takes a message that we received (the SRC's INVITE, or its 2xx to ours, says who it is); yields what is not as it
    /// should be in it.
    pub(super) fn inbound(&mut self, at: Wall, transport: Transport, from: SocketAddr, bytes: &[u8]) -> Vec<Deviation> {
        let Ok(message) = Message::parse_datagram(bytes) else { return Vec::new() };
        let accepts = matches!(message.status(), Some(200..=299));
        let of_response = message.cseq().filter(|_| accepts).map(|cseq| cseq.method);
        let Some(method) = message.method().cloned().or(of_response) else { return Vec::new() };
        if self.src.is_none() && method == Method::Invite {
            self.src = Some(from);
            self.session.src = from.to_string();
            self.session.transport = Some(transport);
            self.session.call_id = message.call_id().unwrap_or_default().to_string();
            let product = message.header("User-Agent").or_else(|| message.header("Server"));
            self.session.user_agent = product.map(ToString::to_string);
        }
        if let Some(bridge) = Bridge::of(&message).filter(|_| method == Method::Invite) {
            let first = match bridge.end {
                BridgeEnd::Near => &mut self.bridge[0],
                BridgeEnd::Far => &mut self.bridge[1],
            };
            first.get_or_insert(at.0);
        }
        self.evidence.message(&message);
        self.in_headers.merge(&core::mem::take(&mut self.in_last_request));
        self.in_last_request.message(&message);
        self.earlier_documents = self.metadata.len();
        let sdp = Bodies::read(&message).ok().and_then(|bodies| bodies.sdp);
        let mut deviations = Vec::new();
        if let Some(description) = sdp.and_then(|sdp| Description::parse(&sdp).ok()) {
            description.media.iter().enumerate().for_each(|(line, media)| self.note_content(line, media));
            self.lines.described(message.cseq().map(|cseq| cseq.number), &description);
            deviations = self.places.described(&DescribedLine::all(&description));
            // The answer to an offer of ours; an offer of theirs waits for our answer, and for the metadata beside it.
            self.is_agreed = method == Method::Ack || message.status().is_some();
        }
        let (method, parts) = (method.to_string(), message.parts().unwrap_or_default());
        for part in parts.into_iter().filter(|part| part.coding.is_none() && is_metadata(part)) {
            self.keep(at, &method, part.content_type, &part.body);
        }
        deviations.extend(inspect(&message, bytes, transport));
        deviations
    }

    /// Takes a message of ours; yields what of an offer our answer to it does not take.
    pub(super) fn outbound(&mut self, bytes: &[u8]) -> Vec<Deviation> {
        let Ok(message) = Message::parse_datagram(bytes) else { return Vec::new() };
        if !matches!(message.status(), Some(200..=299)) || message.body.is_empty() {
            return Vec::new();
        }
        let answer = Description::parse(&message.body).ok();
        let cseq = message.cseq().map(|cseq| cseq.number);
        self.is_agreed = self.lines.is_answered_by(cseq);
        answer.map(|answer| self.lines.answered(cseq, &answer)).unwrap_or_default()
    }

    /// Takes the metadata as of an update; yields where it contradicts the SDP.
    pub(super) fn metadata(&mut self, snapshot: &Snapshot) -> Vec<Deviation> {
        self.evidence.snapshot(snapshot);
        let active = snapshot.active_sessions();
        let ids: Vec<Option<String>> = match (active.as_slice(), snapshot.sessions.as_slice()) {
            ([], []) => [None].into(),
            ([], [only]) => [Some(only.id.clone())].into(),
            (some, _) => some.iter().take(MAX_OPEN_RECORDINGS).map(|session| Some(session.id.clone())).collect(),
        };
        for id in ids {
            let mut found = CallIds::default();
            found.snapshot(snapshot, id.as_deref());
            self.in_metadata.entry(id).or_default().merge(&found);
        }
        let mut deviations = self.places.told(snapshot);
        deviations.extend(self.contradictions(snapshot));
        deviations
    }

    /// Yields where the metadata contradicts an offer and its answer, if they are new.
    pub(super) fn agreed(&mut self, snapshot: &Snapshot) -> Vec<Deviation> {
        if core::mem::take(&mut self.is_agreed) { self.contradictions(snapshot) } else { Vec::new() }
    }

    fn contradictions(&self, snapshot: &Snapshot) -> Vec<Deviation> {
        let lines = self.lines.all();
        // A phone's bridge describes one end of the call in each of its dialogs.
        let is_half = self.bridge != [None, None];
        if lines.is_empty() || is_half { Vec::new() } else { contradictions(&lines, snapshot) }
    }

    /// Another recording of the session begins. `is_beside`: while ours runs, and with a request of its own.
    pub(super) fn another_begins(&mut self, is_beside: bool) {
        if is_beside {
            self.in_last_request = CallIds::default();
        } else {
            self.has_predecessor = true;
        }
    }

    /// The recording begins. Where there was another before it, header fields and documents of earlier requests were of
    /// that one.
    pub(super) fn begins(&mut self) {
        if self.has_predecessor {
            self.in_headers = CallIds::default();
            self.metadata.drain(..self.earlier_documents.min(self.metadata.len()));
            self.bytes = self.metadata.iter().map(|document| document.raw.len()).sum();
        }
        self.in_headers.merge(&core::mem::take(&mut self.in_last_request));
    }

    /// What is to be said of a phone's bridge, which sends each end of a call in a dialog of its own.
    pub(super) fn bridge_words(&self) -> Option<String> {
        let late = |name: &str, after: i64| {
            const NANOS_PER_MILLI: i64 = 1_000_000;
            let ms = after / NANOS_PER_MILLI;
            (ms >= MIN_LATE_MS).then(|| alloc::format!("the {name} end's dialog came {ms} ms after the other's"))
        };
        match self.bridge {
            [None, None] => None,
            [Some(_), None] => Some("one leg only: the far end's dialog never came while this one lasted".into()),
            [None, Some(_)] => Some("one leg only: the near end's dialog never came while this one lasted".into()),
            [Some(near), Some(far)] if near < far => late("far", far.saturating_sub(near)),
            [Some(near), Some(far)] => late("near", near.saturating_sub(far)),
        }
    }

    /// RFC 4796 5: the newest description counts, and one without the attribute takes nothing back.
    fn note_content(&mut self, place: usize, media: &Media) {
        let said =
            media.attributes.iter().filter(|(name, _)| name == "content").filter_map(|(_, value)| value.as_ref());
        let values = said.flat_map(|value| value.split(',')).map(str::trim);
        let kept: Vec<String> = values
            .filter(|value| !value.is_empty() && value.len() <= MAX_CONTENT_BYTES)
            .take(MAX_CONTENTS)
            .map(ToString::to_string)
            .collect();
        let name = LineName::new(media.label.as_deref(), place);
        if !kept.is_empty() && (self.contents.len() < MAX_M_LINES || self.contents.contains_key(&name)) {
            self.contents.insert(name, kept);
        }
    }

    /// What a line shows.
    pub(super) fn content(&self, label: Option<&str>, m_line: u16) -> Vec<String> {
        let place = usize::from(m_line);
        let by_name = self.contents.get(&LineName::new(label, place));
        by_name.or_else(|| self.contents.get(&LineName::Place(place))).cloned().unwrap_or_default()
    }

    /// Who made the SRC.
    pub(super) fn vendor(&self) -> Option<Profile> {
        self.evidence.profile()
    }

    /// The ids of the call recorded, which is the communication session `session`; those of none, where none is named.
    pub(super) fn call(&self, session: Option<&str>) -> CallIds {
        let mut call = self.in_headers.clone();
        call.merge(&self.in_last_request);
        for (id, ids) in &self.in_metadata {
            if id.is_none() || id.as_deref() == session {
                call.merge(ids);
            }
        }
        call
    }

    fn keep(&mut self, at: Wall, method: &str, content_type: String, body: &[u8]) {
        let bytes = self.bytes.saturating_add(body.len());
        let raw = String::from_utf8_lossy(body).into_owned();
        // A retransmitted request is an entry of its own, and no news.
        if self.metadata.last().is_some_and(|last| last.raw == raw && last.method == method) {
            return;
        }
        if self.metadata.len() < MAX_DOCUMENTS && bytes <= MAX_DOCUMENT_BYTES {
            self.bytes = bytes;
            self.metadata.push(RawMetadata { at: at.rfc3339(), method: method.into(), content_type, raw });
        }
    }
}
