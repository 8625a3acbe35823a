//! The last sweep: whatever was found anywhere in the run is replaced wherever it stands, in each way of writing it.

use aho_corasick::{AhoCorasick, Input, MatchKind};
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use core::ops::Range;

use super::codings::{to_entities, to_latin_1, to_percent};
use super::originals::{Kind, MAX_ORIGINAL};
use super::words::is_telling;

/// A number of so many digits is looked for.
pub(super) const MIN_DIGITS: usize = 5;
/// One of so many is looked for within longer words and numbers, too.
const SURE_DIGITS: usize = 7;

/// What must not stand beside a text, for it to be that text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edge {
    /// Nothing: it is what it is anywhere.
    None,
    /// Digits.
    Digits,
    /// Letters and digits.
    Word,
    /// What would make it another address.
    Address,
}

/// Finds originals.
pub(super) struct Sweep {
    automaton: Option<AhoCorasick>,
    fakes: Vec<(Vec<u8>, Edge)>,
}

/// Collects what is looked for.
#[derive(Default)]
pub(super) struct Wanted {
    patterns: Vec<Vec<u8>>,
    fakes: Vec<(Vec<u8>, Edge)>,
}

impl Wanted {
    fn add(&mut self, pattern: Vec<u8>, fake: &[u8], edge: Edge) {
        if !pattern.is_empty() && pattern.len() <= MAX_ORIGINAL * 3 {
            self.patterns.push(pattern);
            self.fakes.push((fake.to_vec(), edge));
        }
    }

    /// A text and what stands for it.
    pub(super) fn text(&mut self, kind: Kind, form: &[u8], fake: &[u8]) {
        match kind {
            Kind::Number if form.len() >= SURE_DIGITS => self.add(form.to_vec(), fake, Edge::None),
            Kind::Number if form.len() >= MIN_DIGITS => self.add(form.to_vec(), fake, Edge::Digits),
            Kind::Number => {}
            Kind::User | Kind::Host | Kind::Name | Kind::Word => {
                if !is_telling(form) {
                    return;
                }
                self.add(form.to_vec(), fake, Edge::Word);
                for other in [to_entities(form), to_percent(form), plus(form), apostrophes(form)] {
                    if other != form {
                        self.add(other, fake, Edge::Word);
                    }
                }
                if let Some(latin) = to_latin_1(form).filter(|latin| latin != form) {
                    self.add(latin, fake, Edge::Word);
                }
            }
        }
    }

    /// An address and what stands for it: as text, with other separators, in hexadecimal digits.
    pub(super) fn address(&mut self, address: IpAddr, fake: IpAddr) {
        let (text, fake_text) = (alloc::format!("{address}"), alloc::format!("{fake}"));
        self.add(text.clone().into_bytes(), fake_text.as_bytes(), Edge::Address);
        if let (IpAddr::V4(v4), IpAddr::V4(fake)) = (address, fake) {
            for separator in ["-", "_"] {
                let dotless = |text: &str| text.replace('.', separator).into_bytes();
                self.add(dotless(&text), &dotless(&fake_text), Edge::Digits);
            }
            let hex = |bits: u32| alloc::format!("{bits:08x}").into_bytes();
            self.add(hex(v4.to_bits()), &hex(fake.to_bits()), Edge::None);
        } else if let IpAddr::V6(v6) = address {
            let groups = v6.segments().map(|group| alloc::format!("{group:x}"));
            self.add(groups.join(":").into_bytes(), fake_text.as_bytes(), Edge::Address);
        }
    }

    pub(super) fn build(self) -> Sweep {
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .ascii_case_insensitive(true)
            .build(&self.patterns)
            .ok();
        Sweep { automaton, fakes: self.fakes }
    }
}

fn plus(form: &[u8]) -> Vec<u8> {
    form.iter().map(|byte| if *byte == b' ' { b'+' } else { *byte }).collect()
}

fn apostrophes(form: &[u8]) -> Vec<u8> {
    to_entities(form)
        .into_iter()
        .flat_map(|byte| if byte == b'\'' { b"&apos;".to_vec() } else { [byte].to_vec() })
        .collect()
}

impl Sweep {
    /// Appends what `whole` has in `range`, without originals.
    pub(super) fn clean(&self, whole: &[u8], range: Range<usize>, out: &mut Vec<u8>) {
        let mut done = range.start;
        self.each(whole, range.clone(), |found, fake| {
            out.extend_from_slice(whole.get(done..found.start).unwrap_or_default());
            out.extend_from_slice(fake);
            done = found.end;
        });
        out.extend_from_slice(whole.get(done..range.end).unwrap_or_default());
    }

    /// Octets that are no text, with what is found in them replaced at equal length; `None` if there is nothing.
    pub(super) fn overwrite(&self, octets: &[u8]) -> Option<Vec<u8>> {
        let mut out: Option<Vec<u8>> = None;
        self.each(octets, 0..octets.len(), |found, fake| {
            let fill = fake.iter().copied().chain(core::iter::repeat(b'x'));
            let place = out.get_or_insert_with(|| octets.to_vec()).get_mut(found);
            place.into_iter().flatten().zip(fill).for_each(|(octet, other)| *octet = other);
        });
        out
    }

    fn each(&self, whole: &[u8], range: Range<usize>, mut each: impl FnMut(Range<usize>, &[u8])) {
        let Some(automaton) = &self.automaton else { return };
        let mut at = range.start;
        while let Some(found) = automaton.find(Input::new(whole).range(at..range.end)) {
            let place = self.fakes.get(found.pattern().as_usize());
            match place.filter(|(_, edge)| edge.holds(whole, found.range())) {
                Some((fake, _)) => {
                    each(found.range(), fake);
                    at = found.end();
                }
                None => at = found.start() + 1,
            }
        }
    }
}

impl Edge {
    fn holds(self, whole: &[u8], found: Range<usize>) -> bool {
        let octet = |at: Option<usize>| at.and_then(|at| whole.get(at)).copied().unwrap_or(b' ');
        let before = octet(found.start.checked_sub(1));
        let (after, second) = (octet(Some(found.end)), octet(Some(found.end + 1)));
        match self {
            Self::None => true,
            Self::Digits => !before.is_ascii_digit() && !after.is_ascii_digit(),
            Self::Word => {
                let is_word = |byte: u8| byte.is_ascii_alphanumeric();
                // An end that is no letter itself ends a word.
                let own = |at: usize| whole.get(at).copied().is_some_and(is_word);
                !(is_word(before) && own(found.start) || is_word(after) && own(found.end.saturating_sub(1)))
            }
            Self::Address => {
                let is_digit = |byte: u8| byte.is_ascii_digit();
                !(is_digit(before) || before == b'.' || is_digit(after) || after == b'.' && is_digit(second))
            }
        }
    }
}

impl fmt::Debug for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sweep({} texts)", self.fakes.len())
    }
}
