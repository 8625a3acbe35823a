//! Calls as a sequence: hosts, and what went between them, by time. The ladder, Mermaid and SVG are drawn from it.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::call::{Call, Update};
use super::filter::Filter;
use super::message::Traced;
use super::row::{Style, Subject};
use super::story::Story;
use super::stream::Stream;
use super::told::Side;
use crate::codec;
use crate::time::Wall;

/// Hosts and steps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sequence {
    /// Those between whom something went, in order of appearance.
    pub hosts: Vec<Host>,
    /// What went, by time.
    pub steps: Vec<Step>,
}

/// An end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its address: with the port where ports tell hosts apart.
    pub name: String,
    /// `SRC`, `SRS`, where it is known.
    pub role: Option<&'static str>,
    ip: IpAddr,
    port: Option<u16>,
}

/// One thing that went by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: Wall,
    /// From which host to which, by their places; none of a note.
    pub ends: Option<(usize, usize)>,
    /// In words.
    pub label: String,
    /// What it is.
    pub style: Style,
    /// What it is about.
    pub subject: Subject,
}

impl Sequence {
    /// Of these calls, with the messages that `filter` asks for.
    pub fn of(story: &Story, calls: &[usize], filter: &Filter) -> Self {
        let known = || calls.iter().filter_map(|call| Some((*call, story.calls.get(*call)?)));
        let mut places: Vec<usize> = known().flat_map(|(_, call)| call.messages.iter().copied()).collect();
        places.sort_unstable();
        let messages = || places.iter().filter_map(|place| Some((*place, story.messages.get(*place)?)));
        // On one machine ports are what tells who is who.
        let by_port = messages().any(|(_, message)| message.from.ip() == message.to.ip());
        let recordings = known().filter_map(|(_, call)| call.recording.as_ref());
        let mut updates: BTreeMap<usize, Vec<&Update>> = BTreeMap::new();
        for update in recordings.flat_map(|recording| &recording.updates) {
            updates.entry(update.message).or_default().push(update);
        }
        let mut sequence = Self::default();
        for (place, message) in messages().filter(|(_, message)| filter.message(message)) {
            sequence.message(story, place, message, by_port);
            for update in updates.get(&place).into_iter().flatten() {
                sequence.update(place, message.at, update);
            }
        }
        for (place, call) in known() {
            sequence.media(story, place, call, by_port);
            sequence.roles(call, by_port);
        }
        sequence.steps.sort_by_key(|step| step.at);
        sequence
    }

    fn message(&mut self, story: &Story, place: usize, message: &Traced, by_port: bool) {
        let ends = (self.host(message.from, by_port), self.host(message.to, by_port));
        let mut label = message.title();
        if message.again.is_some() {
            label.push_str(" again");
        }
        let request = message.answers.and_then(|request| story.messages.get(request));
        if let Some(request) = request.filter(|_| message.again.is_none() && message.status() >= Some(200)) {
            label.push_str(&format!(" after {}", millis(message.at.nanos_since(request.at))));
        }
        let subject = Subject::Message(place);
        self.steps.push(Step { at: message.at, ends: Some(ends), label, style: message.style(), subject });
    }

    fn update(&mut self, place: usize, at: Wall, update: &Update) {
        for change in &update.changes {
            let (label, style) = (change.line(), change.kind.style());
            self.steps.push(Step { at, ends: None, label, style, subject: Subject::Message(place) });
        }
    }

    fn media(&mut self, story: &Story, place: usize, call: &Call, by_port: bool) {
        for nth in story.stream_places(place) {
            let Some(stream) = story.streams.get(nth) else { continue };
            let Some(line) = stream.line else { continue };
            let ends = [line.side.other(), line.side].map(|side| self.place(call.address(side), by_port));
            let [Some(from), Some(to)] = ends else { continue };
            let (at, subject) = (stream.figures().first_at, Subject::Stream(nth));
            self.steps.push(Step { at, ends: Some((from, to)), label: label(stream), style: Style::Media, subject });
        }
    }

    fn roles(&mut self, call: &Call, by_port: bool) {
        if !call.is_recording() {
            return;
        }
        for (side, role) in [(Side::Caller, "SRC"), (Side::Callee, "SRS")] {
            let host = self.place(call.address(side), by_port).and_then(|place| self.hosts.get_mut(place));
            if let Some(host) = host {
                host.role = Some(role);
            }
        }
    }

    fn place(&self, address: SocketAddr, by_port: bool) -> Option<usize> {
        let is = |host: &Host| host.ip == address.ip() && (!by_port || host.port == Some(address.port()));
        self.hosts.iter().position(is)
    }

    fn host(&mut self, address: SocketAddr, by_port: bool) -> usize {
        if let Some(place) = self.place(address, by_port) {
            return place;
        }
        let port = by_port.then_some(address.port());
        let name = if by_port { address.to_string() } else { address.ip().to_string() };
        self.hosts.push(Host { name, role: None, ip: address.ip(), port });
        self.hosts.len() - 1
    }
}

fn label(stream: &Stream) -> String {
    let figures = stream.figures();
    let codec = stream.format().map_or_else(|| format!("type {}", figures.payload_type), codec::name);
    let lost = if figures.lost > 0 { format!(", {} lost", figures.lost) } else { String::new() };
    let secure = if stream.secured.expected { "SRTP" } else { "RTP" };
    format!("{secure} {codec} {:08x}, {} packets{lost}", figures.ssrc, figures.received)
}

/// `13 ms`, `2.04 s`.
pub fn millis(nanos: i64) -> String {
    let ms = nanos / 1_000_000;
    match ms {
        10_000.. => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        1_000.. => format!("{}.{:02} s", ms / 1_000, ms % 1_000 / 10),
        _ => format!("{ms} ms"),
    }
}
