//! Sends mutated messages, keeps the dialogs that come of them in order, and asks every so often whether the server lives.

use crate::mutate;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use support::Rng;
use support::raw::{Draft, Raw, fresh};
use support::src::{Message, Transport};

/// Between two questions whether it lives.
const BATCH: usize = 20;
/// The same over TCP, where a message that promises more than it holds swallows those after it.
const BATCH_TCP: usize = 4;
/// After so long without an answer, none is under way.
const QUIET: Duration = Duration::from_millis(40);
/// Dialogs kept open for re-INVITE and UPDATE.
const OPEN: usize = 12;
const ALIVE_WITHIN: Duration = Duration::from_secs(10);

/// What a message was, for its answer.
#[derive(Debug, Clone)]
struct Asked {
    method: String,
    body: bool,
    /// Index of the open dialog it was sent in.
    within: Option<usize>,
}

/// A dialog to be spoiled.
#[derive(Debug, Clone)]
struct Open {
    invite: Draft,
    answer: Message,
    cseq: u32,
}

pub struct Siege {
    raw: Raw,
    server: SocketAddr,
    templates: Vec<(String, String)>,
    open: Vec<Open>,
    asked: BTreeMap<String, Asked>,
    statuses: BTreeMap<u16, usize>,
    /// How many got as far as SDP or XML.
    pub deep: usize,
    sent: usize,
}

impl fmt::Display for Siege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sent, {} deep, answers {:?}", self.sent, self.deep, self.statuses)
    }
}

impl Siege {
    pub fn new(server: SocketAddr, transport: Transport) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/sip");
        let files = support::files_below(&folder).into_iter().filter(|p| p.extension().is_some_and(|e| e == "sip"));
        let templates: Vec<(String, String)> = files
            .map(|p| {
                let text = std::fs::read_to_string(&p).unwrap();
                let lf = p.to_string_lossy().ends_with("-lf.sip");
                (p.display().to_string(), if lf { text } else { text.replace('\n', "\r\n") })
            })
            .collect();
        assert!(templates.len() >= 8, "{} templates in {}", templates.len(), folder.display());
        Self {
            raw: Raw::new(server, transport),
            server,
            templates,
            open: Vec::new(),
            asked: BTreeMap::new(),
            statuses: BTreeMap::new(),
            deep: 0,
            sent: 0,
        }
    }

    /// Sends so many; an error when the server stops answering.
    pub fn lay(&mut self, count: usize, rng: &mut Rng) -> Result<(), String> {
        while self.sent < count {
            while self.open.len() < OPEN {
                self.open_one()?;
            }
            let mut last = Vec::new();
            let batch = if self.raw.transport == Transport::Tcp { BATCH_TCP } else { BATCH };
            for _ in 0..batch {
                let bytes = self.one(rng);
                if !self.raw.try_send(&bytes) {
                    self.reconnect();
                }
                last.push(bytes);
                self.sent += 1;
            }
            if let Err(why) = self.settle() {
                let shown: Vec<String> = last.iter().map(|b| String::from_utf8_lossy(b).into_owned()).collect();
                return Err(format!("{why}; sent before:\n{}", shown.join("\n----\n")));
            }
        }
        Ok(())
    }

    /// Ends what is open.
    pub fn lift(&mut self) {
        for open in std::mem::take(&mut self.open) {
            let bye = Draft { cseq: open.cseq + 1, ..open.invite.within(&self.raw, &open.answer, "BYE") };
            self.raw.try_send(&bye.bytes());
        }
        let _ = self.settle();
    }

    /// A dialog as it should be.
    fn open_one(&mut self) -> Result<(), String> {
        let invite = Draft::invite(&self.raw);
        self.raw.try_send(&invite.bytes());
        let mine = |m: &Message| m.call_id() == invite.call_id && m.status() >= 200;
        let answer = self.raw.find(ALIVE_WITHIN, mine);
        match answer {
            Some(answer) if answer.status() == 200 => {
                self.raw.try_send(&invite.within(&self.raw, &answer, "ACK").bytes());
                self.open.push(Open { cseq: invite.cseq, invite, answer });
                Ok(())
            }
            other => Err(format!("a proper INVITE was answered {:?}", other.map(|a| a.start))),
        }
    }

    /// One mutated message, half of them within a dialog that is open.
    fn one(&mut self, rng: &mut Rng) -> Vec<u8> {
        let (_, template) = rng.pick(&self.templates).clone();
        let method = template.split(' ').next().unwrap_or("").to_owned();
        let inside = method != "OPTIONS" && rng.below(2) == 0;
        let within = inside.then(|| rng.below(self.open.len()));
        let token = fresh();
        let (call_id, tag, to_tag, cseq) = match within {
            Some(n) => {
                let open = &mut self.open[n];
                open.cseq += 1;
                let to_tag = open.answer.to_tag().unwrap_or_default();
                (open.invite.call_id.clone(), open.invite.from_tag.clone(), format!(";tag={to_tag}"), open.cseq)
            }
            None => (format!("{token}@siege"), token.clone(), String::new(), 1),
        };
        let transport = self.raw.transport.name();
        let values = [
            ("{via}", format!("SIP/2.0/{transport} {};branch=z9hG4bK{token};rport", self.raw.local)),
            ("{call_id}", call_id),
            ("{tag}", tag),
            ("{to_tag}", to_tag),
            ("{cseq}", cseq.to_string()),
            ("{contact}", self.raw.local.to_string()),
            ("{length}", "0".to_owned()),
        ];
        let filled = values.iter().fold(template, |text, (name, value)| text.replace(name, value));
        let bytes = mutate::sip(filled.as_bytes(), rng);
        self.asked.insert(format!("z9hG4bK{token}"), Asked { method, body: true, within });
        bytes
    }

    /// Reads answers until an OPTIONS sent after them is answered.
    fn settle(&mut self) -> Result<(), String> {
        if self.raw.transport == Transport::Tcp {
            while let Some(message) = self.raw.next(QUIET) {
                self.take(&message);
            }
            // What is framed wrongly has cost the connection, or holds it up.
            self.reconnect();
        }
        let probe = Draft { call_id: format!("{}@probe", fresh()), ..Draft::new(&self.raw, "OPTIONS") };
        for _ in 0..5 {
            if !self.raw.try_send(&probe.bytes()) {
                self.reconnect();
                continue;
            }
            let end = std::time::Instant::now() + ALIVE_WITHIN / 5;
            while let Some(message) = self.raw.next(end.saturating_duration_since(std::time::Instant::now())) {
                if message.call_id() == probe.call_id {
                    return Ok(());
                }
                self.take(&message);
            }
        }
        Err("OPTIONS is no longer answered".into())
    }

    fn reconnect(&mut self) {
        self.raw = Raw::new(self.server, self.raw.transport);
    }

    fn take(&mut self, message: &Message) {
        if message.status() == 0 {
            // Its own requests: a session of a mutated INVITE is probed, and nobody knows it.
            if message.method() != "ACK" {
                let known = self.open.iter().any(|o| o.invite.call_id == message.call_id());
                let (status, reason) = if known { (200, "OK") } else { (481, "Unknown") };
                self.raw.try_send(&message.respond(status, reason, ""));
            }
            return;
        }
        if message.status() < 200 {
            return;
        }
        let asked = self.asked.remove(&message.branch());
        if let Some(asked) = &asked {
            *self.statuses.entry(message.status()).or_default() += 1;
            if asked.body && asked.method != "OPTIONS" && matches!(message.status(), 200 | 488 | 606) {
                self.deep += 1;
            }
        }
        let (number, method) = message.cseq();
        if method == "INVITE" {
            self.raw.follow_up(message, "ACK", number);
            if message.status() < 300 && asked.as_ref().is_none_or(|a| a.within.is_none()) {
                let known = self.open.iter().any(|o| o.invite.call_id == message.call_id());
                if !known {
                    self.raw.follow_up(message, "BYE", number.saturating_add(1));
                }
            }
        }
        if let Some(n) = asked.filter(|a| a.method == "BYE" && message.status() == 200).and_then(|a| a.within) {
            if n < self.open.len() {
                self.open.remove(n);
            }
        } else if message.status() == 481 {
            self.open.retain(|o| o.invite.call_id != message.call_id());
        }
    }
}
