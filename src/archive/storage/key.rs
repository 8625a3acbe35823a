//! Object keys: what a recording's files are called in a target.

use std::fmt;
use std::str::FromStr;

use siprec_core::render::{Party, Sidecar};

/// S3's limit for a key; Azure and Google allow as much.
const MAX_KEY: usize = 1024;
/// A party's part of a key is cut beyond this, so that no name from the wire makes a key too long.
const MAX_PART: usize = 64;

/// What can stand in braces.
const FIELDS: [&str; 10] = ["yyyy", "mm", "dd", "hh", "id", "session", "caller", "callee", "vendor", "tag"];

/// `storage.key`: a text with `{yyyy}`, `{mm}`, `{dd}`, `{hh}` (UTC), `{id}`, `{session}`, `{caller}`, `{callee}`,
/// `{vendor}` and `{tag}` in it. What follows the id in a file's name follows the whole: `.wav`, `.json`, `.json.sig`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTemplate {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field(&'static str),
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// A brace without its other.
    #[error("a brace is not closed, or was not opened")]
    Brace,
    /// No such field.
    #[error("there is no {{{0}}}: there are {{{fields}}}", fields = FIELDS.join("}, {"))]
    Field(String),
    /// Two recordings could have one key.
    #[error("{{id}} must stand in it, or two recordings could have the same key")]
    NoId,
    /// It begins with `/`, or has `//` or `.` or `..` as a folder.
    #[error("no folder of it may be empty, `.` or `..`")]
    Folder,
}

impl Default for KeyTemplate {
    fn default() -> Self {
        let text = "{yyyy}/{mm}/{dd}/{id}";
        Self { text: text.to_owned(), pieces: pieces(text).unwrap_or_default() }
    }
}

impl FromStr for KeyTemplate {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let pieces = pieces(text)?;
        if !pieces.contains(&Piece::Field("id")) {
            return Err(BadKey::NoId);
        }
        if text.split('/').any(|folder| ["", ".", ".."].contains(&folder)) {
            return Err(BadKey::Folder);
        }
        Ok(Self { text: text.to_owned(), pieces })
    }
}

impl fmt::Display for KeyTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, BadKey> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, brace) = rest.split_at(at);
        let inside = brace.strip_prefix('{').ok_or(BadKey::Brace)?;
        let (name, after) = inside.split_once('}').ok_or(BadKey::Brace)?;
        let field = FIELDS.iter().find(|field| **field == name).ok_or_else(|| BadKey::Field(name.to_owned()))?;
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        pieces.push(Piece::Field(field));
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Ok(pieces)
}

impl KeyTemplate {
    /// The key of the file `name` of a recording: the same whenever it is asked for, since it is made of the sheet alone.
    pub fn key(&self, sidecar: &Sidecar, name: &str) -> String {
        let id = sidecar.id.to_string();
        let mut key = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => key.push_str(text),
                Piece::Field(field) => key.push_str(&value(field, sidecar, &id)),
            }
        }
        let rest = name.strip_prefix(&id).unwrap_or(name);
        // The id is what may not be cut: it makes the key its own.
        if key.len() + rest.len() > MAX_KEY {
            key = id;
        }
        key.push_str(rest);
        key
    }
}

/// What a field stands for; `unknown` where the sheet does not say, so that no folder is empty.
fn value(field: &str, sidecar: &Sidecar, id: &str) -> String {
    // RFC 3339: the parts stand at fixed places.
    let time = |from: usize, to: usize| sidecar.started_at.get(from..to).unwrap_or("0").to_owned();
    let session = &sidecar.recording_session;
    let found = match field {
        "yyyy" => Some(time(0, 4)),
        "mm" => Some(time(5, 7)),
        "dd" => Some(time(8, 10)),
        "hh" => Some(time(11, 13)),
        "id" => Some(id.to_owned()),
        "session" => session.id.map(|session| session.to_string()),
        "caller" => sidecar.caller.as_ref().map(user),
        "callee" => sidecar.callee.as_ref().map(user),
        // Those that come later do not move what is stored.
        "tag" => sidecar.tags.first().map(|tag| plain(tag)),
        _ => session.vendor.as_ref().map(|vendor| plain(&vendor.vendor)),
    };
    found.filter(|text| !text.is_empty()).unwrap_or_else(|| "unknown".to_owned())
}

/// The user part of an address of record.
fn user(party: &Party) -> String {
    let rest = party.aor.split_once(':').map_or(party.aor.as_str(), |(_, rest)| rest);
    plain(rest.split(['@', ';', '?']).next().unwrap_or(rest))
}

/// Letters, digits and `+-_.` as they are, all else as `_`: it comes from the wire, and is to be a folder's name anywhere.
fn plain(text: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || "+-_.".contains(c) { c } else { '_' };
    let text: String = text.chars().map(keep).take(MAX_PART).collect();
    if text.bytes().all(|b| b == b'.') { "_".repeat(text.len()) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::storage::fixture::sidecar;

    fn key(template: &str, aor: &str, name: &str) -> String {
        let mut sidecar = sidecar(7);
        sidecar.caller = Some(Party { aor: aor.to_owned(), name: None });
        template.parse::<KeyTemplate>().unwrap().key(&sidecar, &name.replace("ID", &sidecar.id.to_string()))
    }

    #[test]
    fn a_key_is_made_of_the_sheet() {
        let id = siprec_core::seed::RecordingId(7).to_string();
        assert_eq!(key("{yyyy}/{mm}/{dd}/{id}", "", "ID.wav"), format!("2026/03/09/{id}.wav"));
        assert_eq!(key("calls/{hh}h/{caller}/{id}", "sip:+4930123@pbx", "ID.json.sig"), {
            format!("calls/14h/+4930123/{id}.json.sig")
        });
        assert_eq!(key("{callee}-{vendor}-{id}", "sip:a@b", "ID-2.wav"), format!("unknown-unknown-{id}-2.wav"));
        let mut tagged = sidecar(7);
        tagged.tags = vec!["site/berlin".to_owned(), "sales".to_owned()];
        assert_eq!("{tag}/{id}".parse::<KeyTemplate>().unwrap().key(&tagged, &id), format!("site_berlin/{id}"));
    }

    #[test]
    fn what_comes_from_the_wire_makes_no_folder() {
        let id = siprec_core::seed::RecordingId(7).to_string();
        for (aor, part) in
            [("sip:../../etc@x", ".._.._etc"), ("sip:..@x", "__"), ("sip:@x", "unknown"), ("tel:é/b", "__b")]
        {
            assert_eq!(key("{caller}/{id}", aor, "ID.wav"), format!("{part}/{id}.wav"), "{aor}");
        }
        let long = key("{caller}/{id}", &format!("sip:{}@x", "9".repeat(5000)), "ID.wav");
        assert_eq!(long.len(), 64 + 1 + id.len() + 4);
        let longer = key(&format!("{}/{{id}}", "x".repeat(2000)), "", "ID.wav");
        assert_eq!(longer, format!("{id}.wav"));
    }

    #[test]
    fn a_template_that_would_lose_recordings_is_refused() {
        for (text, why) in [
            ("{yyyy}/{mm}", BadKey::NoId),
            ("{id", BadKey::Brace),
            ("id}{id}", BadKey::Brace),
            ("{day}/{id}", BadKey::Field("day".to_owned())),
            ("/{id}", BadKey::Folder),
            ("a/../{id}", BadKey::Folder),
        ] {
            assert_eq!(text.parse::<KeyTemplate>(), Err(why), "{text}");
        }
        assert_eq!(KeyTemplate::default().to_string().parse(), Ok(KeyTemplate::default()));
    }
}
