//! Deviations: what a peer does otherwise than its RFC says, named so that an operator can tell the vendor.
//!
//! Whoever finds one names a [`Code`] of the one table in [`codes`], so each has its section, its weight and its remedy.

pub mod codes;

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use serde::{Deserialize, Serialize};

/// Deviations told of one message or document; one with more has said enough.
const MAX_DEVIATIONS: usize = 32;
/// Longest piece of a peer's text quoted in a deviation, characters.
const MAX_QUOTE: usize = 120;
/// Longest text of a deviation, characters.
const MAX_TEXT: usize = 240;

/// How much a deviation matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A dialect: nothing is lost.
    Note,
    /// Something is lost, guessed, or would be refused by a stricter server.
    Warning,
    /// The request is refused, or what it carries cannot be used.
    Error,
}

impl Severity {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A kind of deviation.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// Its stable name, in kebab case.
    pub name: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Where the rule stands: `RFC 7865 5.1.1`.
    pub section: &'static str,
    /// What the SBC's operator can do about it.
    pub remedy: &'static str,
}

impl Code {
    /// The code of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        codes::ALL.iter().copied().find(|code| code.name == name)
    }
}

/// Something that is not as the RFC has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deviation {
    /// The name of its [`Code`].
    pub code: String,
    /// What was found, in words.
    pub text: String,
    /// Where the rule stands.
    pub section: String,
}

impl Deviation {
    /// Its kind; none if a later siprec wrote it.
    pub fn kind(&self) -> Option<&'static Code> {
        Code::named(&self.code)
    }
}

/// Deviations of one message or document: the first of each code.
#[derive(Debug, Default)]
pub(crate) struct Deviations(pub(crate) Vec<Deviation>);

impl Deviations {
    /// Notes a deviation; the text is made only if it is the first of its code. Most messages have few: what is told is kept out of
    /// the way of what is read.
    #[cold]
    pub(crate) fn add(&mut self, code: &'static Code, text: fmt::Arguments<'_>) {
        self.add_at(code, code.section, text);
    }

    /// The same, where the rule broken is another than the code's own.
    #[cold]
    pub(crate) fn add_at(&mut self, code: &'static Code, section: &str, text: fmt::Arguments<'_>) {
        if self.0.len() >= MAX_DEVIATIONS || self.0.iter().any(|known| known.code == code.name) {
            return;
        }
        let mut limited = Limited { text: String::new(), left: MAX_TEXT };
        // Fails only where the text is full.
        let _ = limited.write_fmt(text);
        self.0.push(Deviation { code: code.name.to_owned(), text: limited.text, section: section.to_owned() });
    }
}

/// Takes so many characters and no more.
struct Limited {
    text: String,
    left: usize,
}

impl Write for Limited {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Octets are at least as many as characters.
        if text.len() <= self.left {
            self.left -= text.chars().count();
            self.text.push_str(text);
            return Ok(());
        }
        for c in text.chars() {
            self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(c);
        }
        Ok(())
    }
}

/// As much of a peer's text as fits into a sentence.
pub(crate) fn quote(text: &str) -> Quote<'_> {
    Quote(text)
}

/// See [`quote`].
pub(crate) struct Quote<'a>(&'a str);

impl fmt::Display for Quote<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.0.char_indices().nth(MAX_QUOTE).map_or(self.0.len(), |(at, _)| at);
        f.write_str(self.0.get(..end).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn the_table_is_whole() {
        let names: BTreeSet<&str> = codes::ALL.iter().map(|code| code.name).collect();
        assert_eq!(names.len(), codes::ALL.len(), "a name is used twice");
        for code in codes::ALL {
            assert!(code.section.starts_with("RFC ") && code.section.len() > 6, "{}", code.name);
            assert!(code.remedy.len() > 20 && code.remedy.ends_with('.'), "{}: {}", code.name, code.remedy);
            assert!(
                code.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
                "{}",
                code.name
            );
            assert_eq!(Code::named(code.name), Some(*code));
        }
    }

    #[test]
    fn each_code_is_told_once_and_in_bounds() {
        let mut deviations = Deviations::default();
        let long = "é".repeat(1000);
        deviations.add(&codes::NAMESPACE, format_args!("{}", quote(&long)));
        deviations.add(&codes::NAMESPACE, format_args!("again"));
        deviations.add(&codes::ROOT_NAME, format_args!("{long}"));
        let lengths: Vec<usize> = deviations.0.iter().map(|d| d.text.chars().count()).collect();
        assert_eq!(lengths, [MAX_QUOTE, MAX_TEXT]);
        for code in codes::ALL {
            deviations.add(code, format_args!("x"));
        }
        assert_eq!(deviations.0.len(), MAX_DEVIATIONS);
    }
}
