//! The corpus' index and its messages, and how a message is fitted into a dialog of the test's own.

use std::collections::BTreeSet;
use std::path::Path;

/// A line of `index.tsv` and its message.
#[derive(Debug, Clone)]
pub struct Case {
    pub file: String,
    pub kind: String,
    pub in_dialog: bool,
    pub method: String,
    /// One an m-line; `None` where the m-line has none.
    pub labels: Vec<Option<String>>,
    /// Display name and AoR.
    pub participants: Vec<(Option<String>, String)>,
    /// Label of the SDP and the AoR of who sends on it; `?` where the stream is described in another message.
    pub sends: Vec<(String, String)>,
    pub has_metadata: bool,
    pub expected: String,
    pub bytes: Vec<u8>,
}

impl Case {
    /// All messages, in the index' order; those that go from server to SRC left out.
    pub fn load(folder: &Path) -> Vec<Self> {
        let index = std::fs::read_to_string(folder.join("index.tsv")).unwrap();
        let mut lines = index.lines();
        let names: Vec<&str> = lines.next().unwrap().split('\t').collect();
        let cases = lines.filter(|l| !l.is_empty()).map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let column = |name: &str| {
                let n = names.iter().position(|n| n.starts_with(name)).unwrap();
                columns.get(n).copied().unwrap_or("").trim()
            };
            let method = column("method");
            Self {
                file: column("file").into(),
                kind: column("vendor").into(),
                in_dialog: method.contains("(in-dialog)"),
                method: method.split(' ').next().unwrap().into(),
                labels: column("labels")
                    .split(',')
                    .filter(|l| !l.is_empty())
                    .map(|l| (l != "-").then(|| l.to_owned()))
                    .collect(),
                participants: column("participants").split(" | ").filter_map(participant).collect(),
                sends: column("send_map").split("; ").flat_map(sends).collect(),
                has_metadata: matches!(column("metadata"), "complete" | "partial"),
                expected: column("expected_srs").into(),
                bytes: std::fs::read(folder.join("messages").join(column("file"))).unwrap(),
            }
        });
        cases.filter(|c| !c.expected.contains("SRS->SRC")).collect()
    }

    /// The name that siprec gives the vendor who made the message; none for those that no vendor's product wrote.
    pub fn vendor(&self) -> Option<&str> {
        match self.kind.as_str() {
            "sonus" => Some("ribbon"),
            // Made up around the SDP of a CUBE, which names itself.
            "hybrid" => Some("cisco"),
            "drachtio" | "rfc" | "rfc4475" => None,
            kind if kind.starts_with("loreste") => None,
            kind => Some(kind),
        }
    }

    /// Torture tests are sent as they are.
    pub fn verbatim(&self) -> bool {
        self.kind == "rfc4475"
    }

    /// The head's length, blank line included: bare LF is a line end as well.
    pub fn head_length(&self) -> usize {
        let crlf = support::src::message::find(&self.bytes, b"\r\n\r\n").map(|n| n + 4);
        let lf = support::src::message::find(&self.bytes, b"\n\n").map(|n| n + 2);
        crlf.into_iter().chain(lf).min().unwrap_or(self.bytes.len())
    }

    /// A header's value, under its long or its compact name, folded lines joined.
    pub fn header(&self, long: &str, compact: &str) -> Option<String> {
        let head = String::from_utf8_lossy(&self.bytes[..self.head_length()]).into_owned();
        let head = head.replace("\r\n", "\n").replace("\n ", " ").replace("\n\t", " ");
        head.lines().skip(1).find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let name = name.trim();
            (name.eq_ignore_ascii_case(long) || name.eq_ignore_ascii_case(compact)).then(|| value.trim().to_owned())
        })
    }

    /// Whether the index, or RFC 4475, has it answered as an ordinary call.
    pub fn needs_legacy(&self) -> bool {
        self.verbatim() || (self.expected.contains("legacy") && !self.is_recording_session())
    }

    /// Whether anything in it says SIPREC.
    fn is_recording_session(&self) -> bool {
        let text = String::from_utf8_lossy(&self.bytes).to_ascii_lowercase();
        ["siprec", "sip.src", ";src", "rs-metadata"].iter().any(|mark| text.contains(mark))
    }

    /// Whether the head promises more than there is, or does not even end: over TCP, the rest is waited for.
    pub fn promises_more(&self) -> bool {
        if self.head_length() == self.bytes.len() && !self.bytes.ends_with(b"\n\r\n") && !self.bytes.ends_with(b"\n\n")
        {
            return true;
        }
        let promised = self.header("Content-Length", "l").and_then(|l| l.parse::<usize>().ok()).unwrap_or(0);
        promised > self.bytes.len() - self.head_length()
    }

    /// Whether the index lets this status pass; `dialog`: the request belongs to a dialog that is there.
    pub fn expects(&self, status: u16, tcp: bool, dialog: bool) -> bool {
        let mut text = self.expected.clone();
        if let Some((udp, over_tcp)) = text.clone().split_once("TCP:") {
            text = if tcp { over_tcp.to_owned() } else { udp.to_owned() };
            if tcp && status == 0 {
                return true;
            }
        }
        if tcp && self.promises_more() && status == 0 {
            return true;
        }
        // The index says it of those of a vendor: a call that is no recording session may be refused (RFC 7866 6.2).
        if self.method == "INVITE" && !self.is_recording_session() && matches!(status, 403 | 488) {
            return true;
        }
        text = text.replace("(+487 on the INVITE)", "");
        if dialog {
            text = text.replace("(481 if no such dialog)", "");
        }
        let numbers: BTreeSet<u16> =
            text.split(|c: char| !c.is_ascii_digit()).filter(|n| n.len() == 3).filter_map(|n| n.parse().ok()).collect();
        numbers.contains(&status)
    }

    /// The directions the index expects in the answer; each may have alternatives.
    pub fn answer(&self) -> Option<Vec<Vec<String>>> {
        let (_, answer) = self.expected.split_once("answer=")?;
        let answer = answer.split_whitespace().next()?;
        Some(answer.split(',').map(|a| a.split('|').map(str::to_owned).collect()).collect())
    }

    /// The message as part of a dialog of ours: its own Call-ID and branches, our server's tag.
    pub fn fitted(&self, suffix: &str, to_tag: Option<&str>) -> Vec<u8> {
        if self.verbatim() {
            return self.bytes.clone();
        }
        let (head, body) = self.bytes.split_at(self.head_length());
        let Ok(head) = std::str::from_utf8(head) else { return self.bytes.clone() };
        let mut out = String::new();
        for line in head.split_inclusive('\n') {
            let name = line.split(':').next().unwrap_or("").trim().to_ascii_lowercase();
            let (text, end) = line.split_at(line.trim_end_matches(['\r', '\n']).len());
            match name.as_str() {
                "call-id" | "i" => out += &format!("{}{suffix}", text.trim_end()),
                "via" | "v" => out += &text.replace("branch=z9hG4bK", &format!("branch=z9hG4bK{suffix}-")),
                "to" | "t" => out += &with_tag(text, to_tag),
                _ => out += text,
            }
            out += end;
        }
        [out.as_bytes(), body].concat()
    }
}

/// A To with another tag, if it has one at all.
fn with_tag(to: &str, tag: Option<&str>) -> String {
    match (to.rfind(";tag="), tag) {
        (Some(at), Some(tag)) => {
            let rest = to[at + 5..].find(';').map_or("", |n| &to[at + 5 + n..]);
            format!("{};tag={tag}{rest}", &to[..at])
        }
        _ => to.to_owned(),
    }
}

/// `name <AoR>`; `-` is no name.
fn participant(text: &str) -> Option<(Option<String>, String)> {
    let (name, aor) = text.trim().strip_suffix('>')?.rsplit_once('<')?;
    let name = name.trim();
    Some(((name != "-" && !name.is_empty()).then(|| name.to_owned()), aor.to_owned()))
}

/// `1,2->sip:a@b`; a label that the message does not tell is `?`.
fn sends(text: &str) -> Vec<(String, String)> {
    let Some((labels, aor)) = text.split_once("->") else { return Vec::new() };
    labels.split(',').map(|label| (label.to_owned(), aor.to_owned())).collect()
}

/// The messages in dialogs: those of a scenario follow one another, the others stand alone.
pub fn dialogs(cases: &[Case]) -> Vec<Vec<Case>> {
    let mut out: Vec<Vec<Case>> = Vec::new();
    let mut last = None;
    for case in cases {
        let name = scenario(&case.file);
        match out.last_mut() {
            Some(group) if name.is_some() && name == last => group.push(case.clone()),
            _ => out.push(vec![case.clone()]),
        }
        last = name;
    }
    // The corpus' one CANCEL is of an INVITE further up.
    if let Some(at) = out.iter().position(|g| g[0].method == "CANCEL") {
        let cancel = out.remove(at).remove(0);
        let branch = cancel.header("Via", "v");
        let invite = out.iter_mut().find(|g| g[0].method == "INVITE" && g[0].header("Via", "v") == branch);
        match invite {
            Some(group) => group.push(cancel),
            None => out.push(vec![cancel]),
        }
    }
    out
}

/// `012-x-a-01-invite.sip` is of the scenario `x-a`.
fn scenario(file: &str) -> Option<String> {
    let mut words: Vec<&str> = file.strip_suffix(".sip")?.split('-').skip(1).collect();
    words.pop()?;
    let step = words.pop()?;
    (step.len() == 2 && step.bytes().all(|b| b.is_ascii_digit())).then(|| words.join("-"))
}
