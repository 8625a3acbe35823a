//! Who takes part in a vCon: caller, callee, the others, and last the recorder, which brings the attachments.

use serde::Serialize;
use serde_json::{Value, json};
use siprec_core::render::{ChannelName, FileSheet, Participant, Sidecar};

/// A Party Object (4.2 of the draft). One without anything is somebody of whom nothing is known.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Party {
    #[serde(skip_serializing_if = "Option::is_none")]
    tel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Nobody checked that it is their name.
    #[serde(skip_serializing_if = "Option::is_none")]
    validation: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
}

impl Party {
    fn of(aor: &str, name: Option<&str>) -> Self {
        let name = name.filter(|name| !name.is_empty()).map(str::to_owned);
        let validation = name.as_ref().map(|_| "none");
        let aor = aor.trim();
        let scheme = aor.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
        let is_sip = matches!(scheme.as_deref(), Some("sip" | "sips"));
        Self { tel: number(aor), sip: is_sip.then(|| aor.to_owned()), name, validation, r#type: None }
    }
}

/// The number of an address: a `tel:` URI's, or the user of a SIP URI that is a global one (RFC 3966).
fn number(aor: &str) -> Option<String> {
    let (scheme, rest) = aor.split_once(':')?;
    if scheme.eq_ignore_ascii_case("tel") {
        return Some(rest.split(';').next().unwrap_or(rest).to_owned()).filter(|number| !number.is_empty());
    }
    let user = rest.split(['@', ';']).next()?;
    let digits = user.strip_prefix('+')?;
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then(|| user.to_owned())
}

/// Everybody, by their index.
pub(super) struct People<'s> {
    sheet: &'s Sidecar,
    parties: Vec<Party>,
    /// Participants of the metadata that stand there.
    known: Vec<(&'s Participant, usize)>,
    caller: Option<usize>,
    callee: Option<usize>,
    /// Streams of whom nobody is named, by their labels.
    unnamed: Vec<(Option<&'s str>, usize)>,
}

impl<'s> People<'s> {
    /// Those whom the sheet names.
    pub(super) fn of(sheet: &'s Sidecar) -> Self {
        let mut people =
            Self { sheet, parties: Vec::new(), known: Vec::new(), caller: None, callee: None, unnamed: Vec::new() };
        people.caller = sheet.caller.as_ref().map(|party| people.end(&party.aor, party.name.as_deref()));
        people.callee = sheet.callee.as_ref().map(|party| people.end(&party.aor, party.name.as_deref()));
        for participant in &sheet.participants {
            if people.index(&participant.id).is_none() {
                let index = people.add(Party::of(&participant.aor, participant.name.as_deref()));
                people.known.push((participant, index));
            }
        }
        people
    }

    /// An end of the call, who is a participant as well in most metadata.
    fn end(&mut self, aor: &str, name: Option<&str>) -> usize {
        let index = self.parties.len();
        let is_free = |participant: &&Participant| participant.aor == aor && self.index(&participant.id).is_none();
        let participant = self.sheet.participants.iter().find(is_free);
        self.known.extend(participant.map(|participant| (participant, index)));
        let name = name.or_else(|| participant.and_then(|participant| participant.name.as_deref()));
        self.add(Party::of(aor, name))
    }

    fn add(&mut self, party: Party) -> usize {
        self.parties.push(party);
        self.parties.len() - 1
    }

    fn index(&self, id: &str) -> Option<usize> {
        self.known.iter().find(|(participant, _)| participant.id == id).map(|(_, index)| *index)
    }

    /// Who is heard in each channel of a file.
    pub(super) fn channels(&mut self, file: &'s FileSheet) -> Vec<Vec<usize>> {
        let mut channels: Vec<Vec<usize>> = vec![Vec::new(); usize::from(file.channels.max(1))];
        for voice in &file.voices {
            let mut heard: Vec<usize> = voice.participants.iter().filter_map(|id| self.index(id)).collect();
            if heard.is_empty() {
                heard.push(self.nobody(voice.label.as_deref()));
            }
            let places = match voice.channel {
                ChannelName::Left | ChannelName::Mono => 0..1,
                ChannelName::Right => 1..2,
                ChannelName::Both => 0..channels.len(),
                ChannelName::None => 0..0,
            };
            for channel in channels.get_mut(places).unwrap_or_default() {
                let more: Vec<usize> = heard.iter().filter(|index| !channel.contains(index)).copied().collect();
                channel.extend(more);
            }
        }
        if file.voices.is_empty() {
            // Sheets of before do not say; caller left, callee right was so always.
            for (channel, end) in channels.iter_mut().zip([self.caller, self.callee]) {
                channel.extend(end);
            }
        }
        channels
    }

    /// Somebody of whom only the stream is known.
    fn nobody(&mut self, label: Option<&'s str>) -> usize {
        if let Some((_, index)) = self.unnamed.iter().find(|(known, _)| label.is_some() && *known == label) {
            return *index;
        }
        let index = self.add(Party::default());
        self.unnamed.push((label, index));
        index
    }

    /// Adds the recorder.
    pub(super) fn recorder(&mut self, version: &str) -> usize {
        let name = Some(format!("siprec {version}"));
        self.add(Party { name, validation: Some("none"), r#type: Some("bot"), ..Party::default() })
    }

    /// All of them.
    pub(super) fn all(&self) -> &[Party] {
        &self.parties
    }

    /// Those of the call.
    pub(super) fn everybody(&self) -> Vec<usize> {
        (0..self.parties.len()).filter(|index| self.parties.get(*index).is_some_and(|p| p.r#type.is_none())).collect()
    }

    /// Who called.
    pub(super) fn caller(&self) -> Option<usize> {
        self.caller
    }

    /// Who joined and left, in time.
    pub(super) fn history(&self) -> Vec<Value> {
        let event = |time: &Option<String>, party: usize, event: &'static str| {
            time.as_ref().map(|time| (time.clone(), party, event))
        };
        let mut events: Vec<_> = (self.known.iter())
            .flat_map(|(participant, party)| {
                [event(&participant.joined_at, *party, "join"), event(&participant.left_at, *party, "drop")]
            })
            .flatten()
            .collect();
        events.sort();
        events.into_iter().map(|(time, party, event)| json!({ "party": party, "time": time, "event": event })).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_that_anybody_can_dial() {
        for (aor, tel, sip) in [
            ("sip:+4930123@pbx;user=phone", Some("+4930123"), true),
            ("SIPS:+4930123@pbx", Some("+4930123"), true),
            ("sip:2001@pbx", None, true),
            ("sip:+49x@pbx", None, true),
            ("sip:+@pbx", None, true),
            ("tel:+49-30-123;ext=4", Some("+49-30-123"), false),
            ("tel:", None, false),
            ("anonymous", None, false),
            ("", None, false),
        ] {
            let party = Party::of(aor, None);
            assert_eq!((party.tel.as_deref(), party.sip.is_some()), (tel, sip), "{aor}");
        }
        assert_eq!(Party::of("", Some("")), Party::default(), "somebody");
        assert_eq!(Party::of("", Some("Ada")).validation, Some("none"));
    }
}
