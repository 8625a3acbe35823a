//! Which recordings are meant.

use std::time::Duration;

use siprec_core::seed::RecordingId;
use siprec_core::time::Wall;

use super::terms;
use crate::archive::notes::Tag;

/// Which recordings are meant; what is not set lets all pass.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Started then or later.
    pub since: Option<Wall>,
    /// Started before then.
    pub until: Option<Wall>,
    /// Part of the caller's address or name, in any case; or of the number, however it is written.
    pub caller: Option<String>,
    /// The same of who was called.
    pub callee: Option<String>,
    /// The same of anybody who took part.
    pub participant: Option<String>,
    /// The last digits of the number of anybody who took part.
    pub number_ends: Option<LastDigits>,
    /// Words that stand in names, addresses, ids or labels.
    pub text: Option<Words>,
    /// An id of the call, as any vendor writes it; or of the recording session, the communication session, the group.
    pub call: Option<String>,
    /// The label of a stream that was received.
    pub label: Option<String>,
    /// Who made the SRC: `oracle`, or part of the product's name, in any case.
    pub vendor: Option<String>,
    /// `complete` or `interrupted`.
    pub state: Option<&'static str>,
    /// At least so long.
    pub min_duration: Option<Duration>,
    /// At most so long.
    pub max_duration: Option<Duration>,
    /// At least so much of it was lost on the way.
    pub min_loss: Option<PerTenThousand>,
    /// Those whose sheet shows a fault.
    pub faulty: bool,
    /// Somebody has put this tag on it.
    pub tag: Option<Tag>,
    /// It has one of these tags, whichever else are asked for; where there are none of them, it is none.
    pub any_tag: Option<Vec<Tag>>,
    /// Those under a legal hold.
    pub held: bool,
    /// Those whose first file is WAV.
    pub wav: bool,
    /// Recorded by the server of this node; a catalog in the data directory knows of no other.
    pub node: Option<String>,
    /// One of these; all, if empty.
    pub ids: Vec<RecordingId>,
    /// At most so many: the latest.
    pub limit: Option<u64>,
}

impl Filter {
    /// As a query of the API asks for it, but for ids and limit.
    pub fn query(&self) -> Vec<(&'static str, String)> {
        let time = |name, at: Option<Wall>| at.map(|at| (name, at.rfc3339()));
        let text = |name, text: &Option<String>| text.clone().map(|text| (name, text));
        let length = |name, length: Option<Duration>| length.map(|length| (name, format!("{}ms", length.as_millis())));
        let is = |name, is: bool| is.then(|| (name, "true".to_owned()));
        let loss = self.min_loss.map(|PerTenThousand(loss)| format!("{}.{:02}", loss / 100, loss % 100));
        let asked = [
            time("since", self.since),
            time("until", self.until),
            text("caller", &self.caller),
            text("callee", &self.callee),
            text("participant", &self.participant),
            self.number_ends.as_ref().map(|LastDigits(digits)| ("number_ends", digits.clone())),
            self.text.as_ref().map(|words| ("text", words.to_string())),
            text("call", &self.call),
            text("label", &self.label),
            text("vendor", &self.vendor),
            self.state.map(|state| ("state", state.to_owned())),
            length("min_duration", self.min_duration),
            length("max_duration", self.max_duration),
            loss.map(|loss| ("min_loss", loss)),
            is("faulty", self.faulty),
            self.tag.as_ref().map(|tag| ("tag", tag.to_string())),
            is("held", self.held),
        ];
        asked.into_iter().flatten().collect()
    }
}

/// Digits at the end of a number; at least two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastDigits(pub(super) String);

impl std::str::FromStr for LastDigits {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits: String = text.chars().filter(|c| !"+-. ()/".contains(*c)).collect();
        let is_number = digits.len() >= 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
        is_number
            .then_some(Self(digits))
            .ok_or_else(|| format!("`{text}` is no end of a number: give two digits or more"))
    }
}

/// Words to be found, in any order, in any case; what ends in `*` stands for all that begins so. At least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words(pub(super) Vec<(String, bool)>);

impl std::fmt::Display for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, (word, is_beginning)) in self.0.iter().enumerate() {
            let (blank, star) = (if place > 0 { " " } else { "" }, if *is_beginning { "*" } else { "" });
            write!(f, "{blank}{word}{star}")?;
        }
        Ok(())
    }
}

impl std::str::FromStr for Words {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<_> = terms::words(text).collect();
        let has_words = !words.is_empty();
        has_words.then_some(Self(words)).ok_or_else(|| format!("`{text}` has no word: give letters or digits"))
    }
}

/// Hundredths of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerTenThousand(pub u16);

impl std::str::FromStr for PerTenThousand {
    type Err = String;

    /// A percentage: `5`, `0.5`, `2.5%`.
    fn from_str(text: &str) -> Result<Self, String> {
        let number =
            text.trim().trim_end_matches('%').parse::<f64>().ok().filter(|share| (0.0..=100.0).contains(share));
        let hundredths = number.map(|share| (share * 100.0).round() as u16);
        hundredths.map(Self).ok_or_else(|| format!("`{text}` is no percentage: write it as 5, 0.5 or 2.5%"))
    }
}
