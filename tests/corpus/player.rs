//! Plays the messages of one dialog to the server, answers what has to be answered, and looks at what came back.

use crate::message::Case;
use serde_json::Value;
use siprec_core::lint::lint;
use siprec_core::session::Policy;
use siprec_core::sip::Transport as Carrier;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use support::raw::{Raw, fresh};
use support::recordings::{self, Recording};
use support::src::{Direction, Message, Transport, body};
use support::until;

const ANSWERED_WITHIN: Duration = Duration::from_secs(3);
/// A server that answers all the rest at once needs no more to show that it does not answer this one.
const SILENT_FOR: Duration = Duration::from_millis(700);

/// Where messages come from, and those of recorders before SIPREC.
pub const SRC: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 8);
pub const LEGACY_SRC: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

/// One dialog.
pub struct Player<'a> {
    cases: &'a [Case],
    raw: Raw,
    suffix: String,
    to_tag: Option<String>,
    ended: bool,
    cseq: u32,
    /// A status the index does not expect: file, status, in words.
    pub surprises: Vec<(String, u16, String)>,
    pub faults: Vec<String>,
    /// Where the linter would have answered otherwise: file, our status, the linter's.
    pub linted: Vec<(String, u16, u16)>,
    policy: &'a Policy,
    /// What must be found in the recording.
    pub expected: Option<Expected>,
}

/// What a dialog must leave behind.
pub struct Expected {
    file: String,
    call_id: String,
    participants: Vec<(Option<String>, String)>,
    sends: Vec<(String, String)>,
    vendor: Option<String>,
    /// Methods of the requests that had metadata in them.
    told_by: Vec<String>,
}

impl<'a> Player<'a> {
    pub fn new(server: SocketAddr, transport: Transport, cases: &'a [Case], policy: &'a Policy) -> Self {
        let from = if cases.iter().any(Case::needs_legacy) { LEGACY_SRC } else { SRC };
        // A response without rport goes to the port in Via: be there.
        let port = if transport == Transport::Udp { via_port(&cases[0]) } else { 0 };
        let raw = Raw::from((from, port).into(), server, transport);
        let suffix = fresh();
        let (faults, surprises, linted) = Default::default();
        let (to_tag, expected) = (None, None);
        Self { cases, raw, suffix, to_tag, ended: false, cseq: 0, surprises, faults, linted, policy, expected }
    }

    pub fn play(&mut self) {
        for case in self.cases {
            if self.to_tag.is_none()
                && (case.in_dialog || case.method == "BYE")
                && !case.verbatim()
                && self.cases.len() == 1
            {
                self.establish(case);
            }
            self.play_one(case);
        }
        if self.to_tag.is_some() && !self.ended {
            self.hang_up();
        }
        self.end_strays();
    }

    /// Over TCP, what follows a message's Content-Length is another message, and may be another call.
    fn end_strays(&self) {
        while let Some(message) = self.raw.next(Duration::ZERO) {
            let (cseq, method) = message.cseq();
            if method == "INVITE" && (200..300).contains(&message.status()) {
                self.raw.follow_up(&message, "ACK", cseq);
                self.raw.follow_up(&message, "BYE", cseq.saturating_add(1));
            }
        }
    }

    fn play_one(&mut self, case: &Case) {
        let bytes = case.fitted(&self.suffix, self.to_tag.as_deref());
        let dialog = self.to_tag.is_some() && !self.ended;
        let answer = self.exchange(case, &bytes);
        let status = answer.as_ref().map_or(0, Message::status);
        let tcp = self.raw.transport == Transport::Tcp;
        if !case.expects(status, tcp, dialog) {
            let why = format!("answered {status}, the index expects {:?}", case.expected);
            self.surprises.push((case.file.clone(), status, why));
        }
        let linted = self.lint(&bytes);
        if linted != status {
            self.linted.push((case.file.clone(), status, linted));
        }
        self.cseq = self.cseq.max(cseq_of(case));
        let Some(answer) = answer else { return };
        match (case.method.as_str(), status) {
            ("INVITE", 200) => {
                self.to_tag = self.to_tag.take().or_else(|| answer.to_tag());
                self.judge_answer(case, &answer);
                self.acknowledge(case, &answer);
                self.expect_people(case, &answer);
            }
            ("INVITE", _) => self.acknowledge(case, &answer),
            ("BYE", 200) => {
                self.ended = true;
                if case.has_metadata {
                    self.expect_people(case, &answer);
                }
            }
            ("UPDATE", 200) => self.expect_people(case, &answer),
            _ => {}
        }
    }

    /// The status that the linter says would be answered; 0 for none.
    fn lint(&self, bytes: &[u8]) -> u16 {
        let carrier = if self.raw.transport == Transport::Tcp { Carrier::Tcp } else { Carrier::Udp };
        lint(bytes, carrier, self.raw.local, self.policy).answer.map_or(0, |answer| answer.status)
    }

    fn exchange(&self, case: &Case, bytes: &[u8]) -> Option<Message> {
        while self.raw.next(Duration::ZERO).is_some() {}
        if !self.raw.try_send(bytes) {
            return None;
        }
        let hopeless = self.raw.transport == Transport::Tcp && case.promises_more();
        let within = if hopeless { SILENT_FOR } else { ANSWERED_WITHIN };
        let sent = case.header("CSeq", "CSeq").unwrap_or_default();
        // A port may have been another case's: what is sent again to it has another Call-ID.
        let text = String::from_utf8_lossy(bytes).into_owned();
        let ours = |m: &Message| {
            let same = case.verbatim() || m.header("CSeq").is_none_or(|c| c == sent.trim());
            // Torture tests share branches, so one may be answered as another's retransmission (RFC 3261 17.2.3).
            let branches = (branch(m.header("Via").unwrap_or("")), branch(&text));
            match branches {
                (Some(theirs), Some(ours)) if case.verbatim() => theirs == ours,
                _ => same && text.contains(m.call_id()),
            }
        };
        self.raw.find(within, |m| m.status() >= 200 && ours(m))
    }

    /// Every m-line in the offer's order, its label echoed, its direction as expected.
    fn judge_answer(&mut self, case: &Case, answer: &Message) {
        let media = answer.media();
        if media.is_empty() {
            self.faults.push(format!("{}: a 200 without SDP", case.file));
            return;
        }
        if case.labels.is_empty() {
            return;
        }
        let labels: Vec<_> = media.iter().map(|m| m.label.clone()).collect();
        if labels != case.labels {
            self.faults.push(format!("{}: labels {labels:?}, offered {:?}", case.file, case.labels));
        }
        for (n, (media, allowed)) in media.iter().zip(case.answer().unwrap_or_default()).enumerate() {
            let told = if media.port == 0 { "port0" } else { &media.direction };
            if !allowed.iter().any(|a| a == told) {
                self.faults.push(format!("{}: m-line {n} is {told}, not {allowed:?}", case.file));
            }
        }
    }

    fn expect_people(&mut self, case: &Case, answer: &Message) {
        let expected = self.expected.get_or_insert_with(|| Expected {
            file: case.file.clone(),
            call_id: answer.call_id().to_owned(),
            participants: Vec::new(),
            sends: Vec::new(),
            vendor: case.vendor().filter(|_| case.method == "INVITE").map(str::to_owned),
            told_by: Vec::new(),
        });
        expected.participants.extend(case.participants.iter().cloned());
        expected.sends.extend(case.sends.iter().cloned());
        expected.told_by.extend(case.has_metadata.then(|| case.method.clone()));
    }

    /// A request of our own in the dialog, its head made of the case's.
    fn request(&self, case: &Case, method: &str, cseq: u32, to_tag: Option<&str>, own_via: bool, sdp: &str) -> Vec<u8> {
        let from = case.header("From", "f").unwrap_or_default();
        let to = case.header("To", "t").unwrap_or_default();
        let to = to.split(";tag=").next().unwrap_or("").to_owned();
        let call_id = case.header("Call-ID", "i").unwrap_or_default();
        let suffix = if case.verbatim() { "" } else { &self.suffix };
        let branch = if own_via { fresh() } else { String::new() };
        let via = if own_via {
            format!("SIP/2.0/{} {};branch=z9hG4bK{branch};rport", self.raw.transport.name(), self.raw.local)
        } else {
            case.header("Via", "v").unwrap_or_default().replace("branch=z9hG4bK", &format!("branch=z9hG4bK{suffix}-"))
        };
        let to_tag = to_tag.map(|t| format!(";tag={t}")).unwrap_or_default();
        let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} sip:srs@{} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: {from}\r\nTo: {to}{to_tag}\r\n\
             Call-ID: {call_id}{suffix}\r\nCSeq: {cseq} {method}\r\nContact: <sip:src@{}>;+sip.src\r\n{kind}\
             Content-Length: {}\r\n\r\n{sdp}",
            self.raw.server,
            self.raw.local,
            sdp.len()
        )
        .into_bytes()
    }

    /// A dialog for a message whose INVITE is not in the corpus.
    fn establish(&mut self, case: &Case) {
        let lines = case.labels.len().max(2);
        let ports: Vec<u16> = (0..lines).map(|n| 40_000 + 2 * u16::try_from(n).unwrap()).collect();
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let sdp = body::sdp(ip, &ports, &vec![Direction::SendOnly; lines], 1);
        self.raw.send(&self.request(case, "INVITE", 1, None, true, &sdp));
        let answer = self.raw.answer(ANSWERED_WITHIN);
        match answer {
            Some(answer) if answer.status() == 200 => {
                self.to_tag = answer.to_tag();
                self.raw.send(&self.request(case, "ACK", 1, self.to_tag.as_deref(), true, ""));
            }
            other => self.faults.push(format!("{}: its dialog could not be set up: {other:?}", case.file)),
        }
    }

    fn acknowledge(&self, case: &Case, answer: &Message) {
        let success = answer.status() < 300;
        let tag = answer.to_tag();
        // An offer in the 200 is answered in the ACK.
        let sdp = if success && case.labels.is_empty() {
            let media = answer.media();
            let ports: Vec<u16> = (0..media.len()).map(|n| 40_000 + 2 * u16::try_from(n).unwrap()).collect();
            body::sdp(IpAddr::V4(Ipv4Addr::LOCALHOST), &ports, &vec![Direction::SendOnly; media.len()], 1)
        } else {
            String::new()
        };
        self.raw.try_send(&self.request(case, "ACK", cseq_of(case), tag.as_deref(), success, &sdp));
    }

    fn hang_up(&mut self) {
        let case = &self.cases[0];
        self.raw.try_send(&self.request(case, "BYE", self.cseq.max(1) + 1, self.to_tag.as_deref(), true, ""));
        let bye = |m: &Message| m.status() >= 200 && m.cseq().1 == "BYE";
        let answer = self.raw.find(ANSWERED_WITHIN, bye);
        if answer.as_ref().is_none_or(|a| a.status() != 200) {
            self.faults.push(format!("{}: the BYE after it: {:?}", case.file, answer.map(|a| a.start)));
        }
    }
}

impl Expected {
    /// The first message's file.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// All participants the messages named, and who sends on which label, in the recordings of the dialog.
    ///
    /// A dialog may leave several recordings, one after the other: within `patience` they have to be there.
    pub fn faults(&self, data: &Path, patience: Duration) -> Vec<String> {
        until(patience, || Some(()).filter(|()| self.faults_now(data).is_empty()));
        self.faults_now(data)
    }

    fn faults_now(&self, data: &Path) -> Vec<String> {
        let found = recordings::of_call(data, &self.call_id);
        if found.is_empty() {
            return vec![format!("{}: no recording", self.file)];
        }
        let people: Vec<Person> = found.iter().flat_map(Person::all).collect();
        let lines: Vec<String> =
            found.iter().flat_map(|r| r.list("/streams")).map(|stream| text(&stream["label"])).collect();
        let mut faults = Vec::new();
        for (name, aor) in &self.participants {
            let is_them = |p: &Person| p.aor == plain(aor) && name.as_ref().is_none_or(|name| *name == p.name);
            if !people.iter().any(is_them) {
                faults.push(format!("{name:?} <{aor}> is not among {people:?}"));
            }
        }
        // Whom a partial document only refers to has no name yet.
        let is_expected = |p: &&Person| {
            let named = |(name, aor): &(Option<String>, String)| {
                p.aor == plain(aor) && p.name == name.as_deref().unwrap_or_default()
            };
            (p.aor.is_empty() && p.name.is_empty()) || self.participants.iter().any(named)
        };
        // What the index has of a truncated body is nothing; what is left of it may be whole.
        if !self.participants.is_empty() {
            faults.extend(people.iter().filter(|p| !is_expected(p)).map(|p| format!("nobody named {p:?}")));
        }
        for person in people.iter().filter(|_| !self.sends.is_empty()) {
            let theirs =
                || self.sends.iter().filter(|(_, aor)| person.aor == plain(aor)).map(|(label, _)| label.as_str());
            let is_said = |label: &&String| theirs().any(|said| said == label.as_str() || said == "?");
            let surplus: Vec<&String> = person.labels.iter().filter(|label| !is_said(label)).collect();
            if !surplus.is_empty() {
                faults.push(format!("nobody says that {} sends on {surplus:?}", person.aor));
            }
        }
        for (label, aor) in self.sends.iter().filter(|(label, _)| label != "?") {
            let of_them = || people.iter().filter(|p| p.aor == plain(aor));
            if !of_them().any(|p| p.labels.contains(label)) {
                faults.push(format!("{aor} does not send on {label} by the metadata: {people:?}"));
            }
            // Labels that no m-line has leave the order of the lines that no label has; a line that is not recorded
            // has no stream.
            let is_there = lines.contains(label);
            let is_free = lines.iter().any(|line| !self.sends.iter().any(|(label, _)| label == line));
            let is_heard = |p: &Person| if is_there { p.heard_on.contains(label) } else { !p.heard_on.is_empty() };
            if (is_there || is_free) && !of_them().any(is_heard) {
                faults.push(format!("the stream of {label} is not of {aor}: {people:?}"));
            }
        }
        let vendors: Vec<&str> = found.iter().map(|r| r.text("/recording_session/vendor/vendor")).collect();
        let unknown = self.vendor.iter().filter(|vendor| !vendors.contains(&vendor.as_str()));
        faults.extend(unknown.map(|vendor| format!("the vendor is {vendor}, not {vendors:?}")));
        if let Some(method) = self.told_by.iter().find(|method| !tells(&found, method)) {
            faults.push(format!("the metadata of its {method} is in no sheet"));
        }
        faults.into_iter().map(|fault| format!("{}: {fault}", self.file)).collect()
    }
}

/// Whether a sheet repeats metadata that came in such a request.
fn tells(found: &[Recording], method: &str) -> bool {
    found.iter().flat_map(|r| r.list("/metadata")).any(|document| document["method"] == method)
}

/// A participant of a sheet.
#[derive(Debug)]
struct Person {
    name: String,
    aor: String,
    /// By the metadata.
    labels: Vec<String>,
    /// Labels of the streams that the sheet says are theirs.
    heard_on: Vec<String>,
}

impl Person {
    fn all(recording: &Recording) -> Vec<Self> {
        let streams = recording.list("/streams");
        let heard_on = |id: &Value| {
            let theirs =
                streams.iter().filter(|stream| stream["participants"].as_array().is_some_and(|all| all.contains(id)));
            theirs.map(|stream| text(&stream["label"])).collect()
        };
        let person = |p: &Value| Self {
            name: text(&p["name"]),
            aor: plain(&text(&p["aor"])),
            labels: p["labels"].as_array().into_iter().flatten().map(text).collect(),
            heard_on: heard_on(&p["id"]),
        };
        recording.list("/participants").iter().map(person).collect()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("").to_owned()
}

/// An AoR without what writers differ in: scheme, parameters, case.
fn plain(aor: &str) -> String {
    let aor = aor.trim().to_ascii_lowercase();
    let bare = aor.strip_prefix("sip:").or(aor.strip_prefix("tel:")).unwrap_or(&aor);
    bare.split(';').next().unwrap_or("").to_owned()
}

fn cseq_of(case: &Case) -> u32 {
    let cseq = case.header("CSeq", "CSeq").unwrap_or_default();
    cseq.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// The first branch in a text.
fn branch(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("branch=")?;
    rest.split([';', ',', ' ', '\r', '\n']).next().filter(|branch| !branch.is_empty())
}

/// The port of the topmost Via; 5060 where it tells none.
fn via_port(case: &Case) -> u16 {
    let via = case.header("Via", "v").unwrap_or_default();
    let sent_by = via.split(';').next().unwrap_or("").split_whitespace().last().unwrap_or("").to_owned();
    sent_by.rsplit_once(':').and_then(|(_, port)| port.trim().parse().ok()).unwrap_or(5060)
}
