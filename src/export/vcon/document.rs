//! What a vCon says, from a recording's sheet (4 of the draft).
//!
//! A Dialog Object a file of audio, parties as its channels have them; the metadata and the proof sheet with its signature are
//! attachments, to the octet. Keys that were pressed are not told: they may be what somebody paid with.

use std::collections::BTreeMap;

use anyhow::Result;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Value, json};
use siprec_core::render::{FileSheet, Sidecar};

use super::AudioPlace;
use super::people::{Party, People};
use super::pieces::Pieces;
use crate::export::source::Found;

/// The syntax of the draft, -01 to -04.
const SYNTAX: &str = "0.4.0";

#[derive(Serialize)]
struct Head<'s> {
    vcon: &'static str,
    uuid: String,
    created_at: &'s str,
    parties: &'s [Party],
}

#[derive(Serialize)]
struct Dialog<'s> {
    r#type: &'static str,
    start: &'s str,
    duration: Value,
    parties: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    originator: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mediatype: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<&'s str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    party_history: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_hash: Option<&'s str>,
    /// Of the body that follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
}

#[derive(Serialize)]
struct Attachment<'s> {
    purpose: &'static str,
    start: &'s str,
    party: usize,
    dialog: usize,
    mediatype: &'s str,
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<String>,
    encoding: &'static str,
    body: String,
}

/// The vCon's uuid: the recording's, as version 8 (RFC 9562 5.8), so that it is the same each time and nobody else's.
///
/// The draft would have the last 62 bits be those of a host's name; the recording's own are there, which makes it unique
/// without one.
pub(super) fn uuid(sidecar: &Sidecar) -> String {
    let cleared = sidecar.id.0 & !(0xf << 76) & !(0b11 << 62);
    siprec_core::seed::RecordingId(cleared | 8 << 76 | 0b10 << 62).to_string()
}

/// The vCon of a recording; `hashes` are those of files that it refers to, by name.
pub(super) fn pieces(found: &Found, audio: &AudioPlace, hashes: &BTreeMap<String, String>) -> Result<Pieces> {
    let sheet = &found.sidecar;
    let mut people = People::of(sheet);
    let channels: Vec<Vec<Vec<usize>>> = sheet.files.iter().map(|file| people.channels(file)).collect();
    let recorder = people.recorder(&sheet.siprec);
    let mut pieces = Pieces::default();
    // There is no `updated_at`, and it was created when the call was over: so it is the same whenever it is made.
    let head = Head { vcon: SYNTAX, uuid: uuid(sheet), created_at: &sheet.ended_at, parties: people.all() };
    pieces.text(open(&serde_json::to_vec(&head)?));
    pieces.text(b",\"dialog\":[");
    for (index, (file, channels)) in sheet.files.iter().zip(&channels).enumerate() {
        if index > 0 {
            pieces.text(b",");
        }
        let mut dialog = dialog(sheet, &people, channels, index == 0);
        (dialog.mediatype, dialog.filename) = (Some(mediatype(file)), Some(file.name.as_str()));
        if *audio == AudioPlace::Inline {
            dialog.encoding = Some("base64url");
            pieces.text(open(&serde_json::to_vec(&dialog)?));
            pieces.text(b",\"body\":\"");
            pieces.audio(index);
            pieces.text(b"\"}");
        } else {
            dialog.url = Some(match audio {
                AudioPlace::Url(base) => format!("{base}/{}/{}", found.day.display(), file.name),
                AudioPlace::Inline | AudioPlace::Beside => file.name.clone(),
            });
            dialog.content_hash = hashes.get(&file.name).map(String::as_str);
            pieces.text(&serde_json::to_vec(&dialog)?);
        }
    }
    if sheet.files.is_empty() {
        // Nothing was heard; why, the proof sheet says. Attachments belong to a dialog.
        pieces.text(&serde_json::to_vec(&dialog(sheet, &people, &[people.everybody()], true))?);
    }
    pieces.text(b"],\"attachments\":");
    pieces.text(&serde_json::to_vec(&attachments(found, recorder))?);
    pieces.text(b"}");
    Ok(pieces)
}

/// An object without its closing brace.
fn open(object: &[u8]) -> &[u8] {
    object.strip_suffix(b"}").unwrap_or(object)
}

fn dialog<'s>(sheet: &'s Sidecar, people: &People<'_>, channels: &[Vec<usize>], is_first: bool) -> Dialog<'s> {
    let parties = match channels {
        [one] => of_channel(one, json!([])),
        several => several.iter().map(|channel| of_channel(channel, Value::Null)).collect(),
    };
    let first = channels.iter().flatten().next().copied();
    let session = sheet.communication_session.as_ref();
    let ids = session.map(|session| session.sip_session_ids.as_slice()).unwrap_or_default();
    Dialog {
        r#type: "recording",
        start: &sheet.started_at,
        duration: seconds(sheet.duration_ms),
        parties,
        originator: people.caller().filter(|caller| first.is_some_and(|first| first != *caller)),
        mediatype: None,
        filename: None,
        session_id: if let [id] = ids { session_id(id) } else { None },
        party_history: if is_first { people.history() } else { Vec::new() },
        url: None,
        content_hash: None,
        encoding: None,
    }
}

/// Who is heard in a channel (4.3.4).
fn of_channel(parties: &[usize], nobody: Value) -> Value {
    match parties {
        [] => nobody,
        [one] => json!(one),
        several => json!(several),
    }
}

fn seconds(ms: u64) -> Value {
    if ms.is_multiple_of(1000) { json!(ms / 1000) } else { json!(ms as f64 / 1000.0) }
}

/// `local;remote=...` of RFC 7989.
fn session_id(text: &str) -> Option<Value> {
    let (local, rest) = text.split_once(';')?;
    let remote = rest.split(';').find_map(|parameter| parameter.trim().strip_prefix("remote="))?;
    Some(json!({ "local": local.trim(), "remote": remote.trim() }))
}

fn mediatype(file: &FileSheet) -> &'static str {
    match file.format.as_str() {
        "flac" => "audio/flac",
        "opus" => "audio/ogg",
        _ => "audio/x-wav",
    }
}

fn attachments(found: &Found, party: usize) -> Vec<Attachment<'_>> {
    let sheet = &found.sidecar;
    let metadata = sheet.metadata.iter().map(|document| Attachment {
        purpose: "SIPREC metadata as received",
        start: &document.at,
        party,
        dialog: 0,
        mediatype: document.content_type.split(';').next().unwrap_or_default().trim(),
        filename: None,
        encoding: "none",
        body: document.raw.clone(),
    });
    let of_sheet = |purpose, mediatype, name, (encoding, body)| Attachment {
        purpose,
        start: &sheet.ended_at,
        party,
        dialog: 0,
        mediatype,
        filename: Some(name),
        encoding,
        body,
    };
    let name = format!("{}.json", sheet.id);
    let text = match String::from_utf8(found.text.clone()) {
        Ok(text) => ("none", text),
        Err(octets) => ("base64url", BASE64_URL_SAFE_NO_PAD.encode(octets.as_bytes())),
    };
    let proof = of_sheet("proof sheet", "application/json", name.clone(), text);
    let signature = found.signature.as_ref().map(|signature| {
        let body = ("base64url", BASE64_URL_SAFE_NO_PAD.encode(signature));
        of_sheet("Ed25519 signature of the proof sheet", "application/octet-stream", format!("{name}.sig"), body)
    });
    metadata.chain([proof]).chain(signature).collect()
}
