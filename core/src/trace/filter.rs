//! Which calls and messages are asked for.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::str::FromStr;

use super::call::{Call, party};
use super::message::Traced;
use super::story::Story;
use super::told::{Line, Side};
use crate::time::Wall;

/// What is asked for; everything, where nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Call-IDs, or ids of communication sessions: one of them.
    pub calls: Vec<String>,
    /// Numbers, addresses or names, or parts of them: one of them.
    pub parties: Vec<String>,
    /// Ends of messages or media: one of them.
    pub addresses: Vec<Place>,
    /// Methods: one of them.
    pub methods: Vec<String>,
    /// Statuses: one of them.
    pub statuses: Vec<Statuses>,
    /// Not before.
    pub since: Option<Wall>,
    /// Not after.
    pub until: Option<Wall>,
}

/// An address, with or without a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The host.
    pub ip: IpAddr,
    /// Any, where there is none.
    pub port: Option<u16>,
}

/// A status, or a class of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statuses {
    /// The lowest.
    pub from: u16,
    /// The highest.
    pub to: u16,
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(whole) = text.parse::<SocketAddr>() {
            return Ok(Self { ip: whole.ip(), port: Some(whole.port()) });
        }
        let ip = text.trim_start_matches('[').trim_end_matches(']').parse();
        ip.map(|ip| Self { ip, port: None }).map_err(|_| "write it as 192.0.2.1, 192.0.2.1:5060 or [2001:db8::1]:5060")
    }
}

impl FromStr for Statuses {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "write it as 486 or 4xx";
        let (low, high) = (text.to_ascii_lowercase().replace('x', "0"), text.to_ascii_lowercase().replace('x', "9"));
        let is_status = |status: &u16| (100..=699).contains(status);
        let from = low.parse().ok().filter(is_status).ok_or(wrong)?;
        Ok(Self { from, to: high.parse().ok().filter(is_status).ok_or(wrong)? })
    }
}

impl Place {
    /// Whether `address` is there.
    pub fn is(&self, address: SocketAddr) -> bool {
        address.ip().to_canonical() == self.ip.to_canonical() && self.port.is_none_or(|port| port == address.port())
    }
}

impl Filter {
    /// Whether it lets everything through.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The calls that are asked for.
    pub fn calls(&self, story: &Story) -> Vec<usize> {
        let wanted = story.calls.iter().enumerate().filter(|(place, call)| self.call(story, *place, call));
        wanted.map(|(place, _)| place).collect()
    }

    /// Whether a message of such a call is asked for: methods, statuses and times choose messages as well as calls.
    pub fn message(&self, message: &Traced) -> bool {
        let method = self.methods.is_empty() || self.methods.iter().any(|m| message.about().eq_ignore_ascii_case(m));
        let status = |status: u16| self.statuses.iter().any(|s| (s.from..=s.to).contains(&status));
        let status = self.statuses.is_empty() || message.status().is_some_and(status);
        let since = self.since.is_none_or(|since| message.at >= since);
        method && status && since && self.until.is_none_or(|until| message.at <= until)
    }

    fn call(&self, story: &Story, place: usize, call: &Call) -> bool {
        let id = |wanted: &String| {
            let sessions = call.recording.iter().flat_map(|recording| &recording.snapshot.sessions);
            call.id == *wanted || sessions.into_iter().any(|session| session.id == *wanted)
        };
        let messages = || call.messages.iter().filter_map(|message| story.messages.get(*message));
        (self.calls.is_empty() || self.calls.iter().any(id))
            && (self.parties.is_empty() || self.parties.iter().any(|wanted| has_party(call, wanted)))
            && (self.addresses.is_empty() || self.addresses.iter().any(|wanted| is_at(story, place, call, wanted)))
            && messages().any(|message| self.message(message))
    }
}

fn has_party(call: &Call, wanted: &str) -> bool {
    let wanted = wanted.to_lowercase();
    let holds = |text: &str| text.to_lowercase().contains(&wanted);
    let people = call.recording.iter().flat_map(|recording| &recording.snapshot.participants);
    let mut names = people.flat_map(|person| &person.names);
    holds(&party(call.caller.as_ref()))
        || holds(&party(call.callee.as_ref()))
        || names.any(|name| holds(&name.aor) || holds(&name.normalised) || name.display.as_deref().is_some_and(holds))
}

fn is_at(story: &Story, place: usize, call: &Call, wanted: &Place) -> bool {
    let messages = call.messages.iter().filter_map(|message| story.messages.get(*message));
    let lines = [Side::Caller, Side::Callee].into_iter().flat_map(|side| call.media.lines(side));
    messages.into_iter().any(|message| wanted.is(message.from) || wanted.is(message.to))
        || lines.filter_map(Line::address).any(|address| wanted.is(address))
        || story.streams_of(place, None).any(|stream| wanted.is(stream.from) || wanted.is(stream.to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_places_are_read_as_people_write_them() {
        assert_eq!("4xx".parse(), Ok(Statuses { from: 400, to: 499 }));
        assert_eq!("486".parse(), Ok(Statuses { from: 486, to: 486 }));
        for wrong in ["", "x", "4x", "7xx", "abc", "99"] {
            assert!(wrong.parse::<Statuses>().is_err(), "{wrong}");
        }
        let place: Place = "192.0.2.1:5060".parse().unwrap();
        assert!(place.is("192.0.2.1:5060".parse().unwrap()) && !place.is("192.0.2.1:5061".parse().unwrap()));
        assert!("[2001:db8::1]".parse::<Place>().unwrap().is("[2001:db8::1]:9".parse().unwrap()));
        assert!("host".parse::<Place>().is_err());
    }
}
