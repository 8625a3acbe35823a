//! The metadata and SDP of real vendors' messages, against an index of what must come out of each.
//!
//! The corpus is not part of the crate: it is the folder named by `SIPREC_CORPUS`, else the one beside the workspace.
//! Without it these tests say so, and fail where `CI` is set.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use std::eprintln;
use std::path::PathBuf;

use super::{Document, Snapshot, is_metadata, parse};
use crate::sdp::{AnswerPolicy, Description, decide};
use crate::sip::multipart::{self, Part};
use crate::time::Wall;

/// The index's extractor does not look for participants inside `session`; we do.
const PARTICIPANTS_IN_SESSION: &[&str] = &["453-", "456-"];
/// Metadata in base64.
const IN_BASE64: &str = "808-";

struct Case {
    file: String,
    m_lines: String,
    labels: String,
    participants: String,
    send_map: String,
    metadata: String,
    expected: String,
    content_type: String,
    body: Vec<u8>,
}

fn corpus() -> Option<Vec<Case>> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let folder = std::env::var_os("SIPREC_CORPUS").map_or(beside, PathBuf::from);
    let Ok(index) = std::fs::read_to_string(folder.join("index.tsv")) else {
        eprintln!("\n*** NOT TESTED: there is no corpus at {}; set SIPREC_CORPUS ***\n", folder.display());
        assert!(std::env::var_os("CI").is_none(), "CI has to have the corpus");
        return None;
    };
    let cases = index.lines().skip(1).filter_map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        let message = std::fs::read(folder.join("messages").join(columns[0])).ok()?;
        let (content_type, body) = split(&message);
        Some(Case {
            file: columns[0].into(),
            m_lines: columns[8].into(),
            labels: columns[9].into(),
            participants: columns[10].into(),
            send_map: columns[11].into(),
            metadata: columns[12].into(),
            expected: columns[13].into(),
            content_type,
            body,
        })
    });
    let cases: Vec<Case> = cases.collect();
    assert!(cases.len() > 100, "most of the corpus is missing");
    Some(cases)
}

/// Content-Type and body, whatever the Content-Length says.
fn split(message: &[u8]) -> (String, Vec<u8>) {
    let end = |mark: &[u8]| message.windows(mark.len()).position(|w| w == mark).map(|at| at + mark.len());
    let at = [end(b"\r\n\r\n"), end(b"\n\n")].into_iter().flatten().min().unwrap_or(message.len());
    let head = String::from_utf8_lossy(&message[..at]).replace("\r\n", "\n").replace("\n ", " ").replace("\n\t", " ");
    let named = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        ["content-type", "c"].contains(&name.trim().to_ascii_lowercase().as_str()).then(|| value.trim().to_string())
    });
    (named.unwrap_or_default(), message[at..].to_vec())
}

fn part(case: &Case, wanted: impl Fn(&Part) -> bool) -> Option<(String, Vec<u8>)> {
    let parts = multipart::parts(&case.content_type, &case.body).ok()?;
    let (content_type, body) = parts.into_iter().find(wanted).map(|p| (p.content_type, p.body))?;
    if case.file.starts_with(IN_BASE64) {
        // The index has other addresses than what is inside the base64.
        let text = String::from_utf8_lossy(&body).replace("198.51.100.", "127.51.100.");
        return Some((content_type, text.into_bytes()));
    }
    Some((content_type, body))
}

fn participants(document: &Document) -> String {
    let one = |p: &super::ParticipantElement| {
        let display = p.names.first().and_then(|n| n.display.as_deref()).unwrap_or("-");
        let aors: Vec<&str> = p.names.iter().map(|n| n.aor.as_str()).collect();
        format!("{display} <{}>", aors.join(","))
    };
    document.participants.iter().map(one).collect::<Vec<_>>().join(" | ")
}

/// Label and sender, as this document alone tells it.
fn send_map(document: &Document) -> Vec<String> {
    let label = |id: &String| {
        let stream = document.streams.iter().find(|s| s.id == *id);
        stream.and_then(|s| s.label.clone()).unwrap_or_else(|| "?".into())
    };
    let name = |id: &str| {
        let known = document.participants.iter().find(|p| p.id == id);
        known.and_then(|p| p.names.first()).map_or_else(|| id.to_string(), |n| n.aor.clone())
    };
    let sending = document.participant_streams.iter().filter(|a| !a.send.is_empty());
    let lines = sending.map(|a| {
        let labels: Vec<String> = a.send.iter().map(label).collect();
        format!("{}->{}", labels.join(","), name(&a.participant))
    });
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    lines
}

#[test]
fn every_document_says_what_the_index_says() {
    let mut read = 0;
    for case in corpus().unwrap_or_default() {
        let file = &case.file;
        let Some((content_type, body)) = part(&case, is_metadata) else {
            assert_eq!(case.metadata, "none", "{file}");
            continue;
        };
        let parsed = parse(&content_type, &body);
        if case.metadata == "invalid-xml" || case.metadata == "none" {
            assert!(parsed.document.is_none() && !parsed.deviations.is_empty(), "{file}: {parsed:?}");
            continue;
        }
        let document = parsed.document.unwrap_or_else(|| panic!("{file}: nothing read, {:?}", parsed.deviations));
        let mode = if case.metadata == "partial" { super::DataMode::Partial } else { super::DataMode::Complete };
        assert_eq!(document.mode, mode, "{file}");
        if PARTICIPANTS_IN_SESSION.iter().any(|prefix| file.starts_with(prefix)) {
            assert_eq!(participants(&document), "Alice <sip:alice@example.com> | Bob <sip:bob@example.com>", "{file}");
        } else {
            assert_eq!(participants(&document), case.participants, "{file}");
        }
        let mut expected: Vec<&str> = case.send_map.split("; ").filter(|line| !line.is_empty()).collect();
        expected.sort_unstable();
        assert_eq!(send_map(&document), expected, "{file}");
        read += 1;
    }
    eprintln!("{read} metadata documents");
}

#[test]
fn every_snapshot_names_the_senders_of_its_labels() {
    for case in corpus().unwrap_or_default().iter().filter(|case| case.metadata == "complete") {
        let Some((content_type, body)) = part(case, is_metadata) else { continue };
        let document = parse(&content_type, &body).document.unwrap();
        let mut snapshot = Snapshot::default();
        snapshot.apply(&document, Wall(1));
        for line in case.send_map.split("; ").filter(|line| !line.is_empty()) {
            let (labels, aor) = line.split_once("->").unwrap();
            for label in labels.split(',').filter(|label| *label != "?") {
                let senders = snapshot.senders(label);
                assert!(senders.iter().any(|p| p.names.iter().any(|n| n.aor == aor)), "{}: {line}", case.file);
                assert!(senders.len() <= 3, "{}", case.file);
                assert!(!snapshot.sessions_of(snapshot.stream_by_label(label)).is_empty(), "{}: {label}", case.file);
            }
        }
        let json = serde_json::to_vec(&snapshot).unwrap();
        assert_eq!(serde_json::from_slice::<Snapshot>(&json).unwrap(), snapshot, "{}", case.file);
    }
}

#[test]
fn every_offer_is_read_and_answered_as_the_index_says() {
    let mut read = 0;
    for case in corpus().unwrap_or_default() {
        let file = &case.file;
        let is_sdp = |part: &Part| part.is_sdp();
        let Some((_, body)) = part(&case, is_sdp).filter(|_| !case.m_lines.is_empty()) else { continue };
        let offer = Description::parse(&body).unwrap_or_else(|e| panic!("{file}: {e}"));
        let expected = case.m_lines.split(' ').map(|line| line.split(":label").next().unwrap_or(""));
        let found: Vec<String> = offer.media.iter().map(|m| format!("{}:{}:{}", m.kind, m.port, m.proto)).collect();
        assert_eq!(found.len(), expected.clone().count(), "{file}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(expected.starts_with(found.as_str()), "{file}: {found} {expected}");
        }
        let labels: Vec<&str> = offer.media.iter().map(|m| m.label.as_deref().unwrap_or("-")).collect();
        assert_eq!(labels.join(","), case.labels, "{file}");
        let decision = decide(&offer, &AnswerPolicy::default());
        if case.expected.starts_with("488") {
            assert_eq!(decision.map_err(|refusal| refusal.status), Err(488), "{file}");
        } else {
            let answered = decision
                .unwrap()
                .media
                .into_iter()
                .map(|d| d.accepted.map_or_else(|| "port0".to_string(), |accepted| accepted.direction.to_string()));
            let answered: Vec<String> = answered.collect();
            if let Some((_, answers)) = case.expected.split_once("answer=") {
                let answers = answers.split(' ').next().unwrap_or("").replace("recvonly|port0", "port0");
                assert_eq!(answered.join(","), answers, "{file}");
            } else if case.expected.contains("all ports 0") {
                assert!(answered.iter().all(|a| a == "port0"), "{file}");
            }
        }
        read += 1;
    }
    eprintln!("{read} offers");
}
