//! One walk over something that is to be anonymised, the same for both passes: the first takes notice of what is found, the
//! second writes what stands for it.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::ops::Range;

use super::disguise::Disguise;
use super::originals::{Kind, Originals, canonical};
use super::words::{is_telling, is_withheld};

/// Texts within texts within texts: deeper ones are blanked.
const MAX_DEPTH: usize = 6;

/// Which pass it is.
pub(super) enum Pass<'a> {
    /// Originals are noted.
    Survey(&'a mut Originals),
    /// Originals are replaced.
    Write(&'a Disguise),
}

/// What was walked over so far.
pub(super) struct Walk<'a> {
    pass: Pass<'a>,
    out: Vec<u8>,
    /// What of `out` is as it should be; the rest is swept at the end.
    fixed: Vec<Range<usize>>,
    depth: usize,
    /// Bodies that could not be read, and were blanked.
    pub(super) blanked: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(pass: Pass<'a>) -> Self {
        Self { pass, out: Vec::new(), fixed: Vec::new(), depth: 0, blanked: 0 }
    }

    /// Something of the protocol: stays.
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        let start = self.out.len();
        self.out.extend_from_slice(bytes);
        match self.fixed.last_mut() {
            Some(last) if last.end == start => last.end = self.out.len(),
            _ => self.fixed.push(start..self.out.len()),
        }
    }

    /// Something in which originals may stand that were found elsewhere.
    pub(super) fn loose(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// An original.
    pub(super) fn original(&mut self, kind: Kind, text: &[u8]) {
        match &mut self.pass {
            Pass::Survey(originals) => {
                originals.note(kind, canonical(kind, text));
                self.keep(text);
            }
            Pass::Write(disguise) => {
                let fake = disguise.of(kind, text);
                self.keep(&fake);
            }
        }
    }

    /// A number with whatever separates its digits, which stays.
    pub(super) fn number(&mut self, text: &[u8]) {
        let mut shown = text.to_vec();
        match &mut self.pass {
            Pass::Survey(originals) => originals.note(Kind::Number, canonical(Kind::Number, text)),
            Pass::Write(disguise) => {
                let fake = disguise.of(Kind::Number, text);
                let digits = shown.iter_mut().filter(|byte| byte.is_ascii_digit());
                digits.zip(fake).for_each(|(digit, other)| *digit = other);
            }
        }
        self.keep(&shown);
    }

    /// A person's name, and its words.
    pub(super) fn name(&mut self, text: &[u8]) {
        if is_withheld(text) {
            self.keep(text);
            return;
        }
        if let Pass::Survey(originals) = &mut self.pass {
            let form = canonical(Kind::Name, text);
            for word in form.split(|byte| !(byte.is_ascii_alphanumeric() || *byte >= 0x80)) {
                if is_telling(word) && !word.iter().all(u8::is_ascii_digit) && word != form {
                    originals.note(Kind::Word, word.to_vec());
                }
            }
        }
        self.original(Kind::Name, text);
    }

    /// An address as text.
    pub(super) fn address(&mut self, address: IpAddr, text: &[u8]) {
        match &mut self.pass {
            Pass::Survey(originals) => {
                originals.note_address(address);
                self.keep(text);
            }
            Pass::Write(disguise) => {
                let fake = alloc::format!("{}", disguise.address(address));
                self.keep(fake.as_bytes());
            }
        }
    }

    /// Octets of a secret or of an id nobody reads: others, as many.
    pub(super) fn octets(&self, label: &[u8], octets: &[u8]) -> Vec<u8> {
        match &self.pass {
            Pass::Survey(_) => octets.to_vec(),
            Pass::Write(disguise) => disguise.keyed.as_long(label, octets),
        }
    }

    /// A part of an id: another, the same in each place.
    pub(super) fn word(&self, word: u32) -> u32 {
        match &self.pass {
            Pass::Survey(_) => word,
            Pass::Write(disguise) => disguise.keyed.word(word),
        }
    }

    /// A key that was pressed: another.
    pub(super) fn digit(&self, digit: u8, press: &[u8]) -> u8 {
        match &self.pass {
            Pass::Survey(_) => digit,
            Pass::Write(disguise) => disguise.keyed.digit(digit, press),
        }
    }

    /// Octets that are no text: what is found in them is overwritten. `None`: nothing is.
    pub(super) fn overwritten(&self, octets: &[u8]) -> Option<Vec<u8>> {
        match &self.pass {
            Pass::Survey(_) => None,
            Pass::Write(disguise) => disguise.sweep.overwrite(octets),
        }
    }

    /// Zeros for what cannot be read.
    pub(super) fn blank(&mut self, octets: &[u8]) {
        self.blanked += 1;
        let zeros = octets.iter().map(|_| 0).collect::<Vec<u8>>();
        self.keep(&zeros);
    }

    /// A text within: what it became. `None` where it lies too deep.
    pub(super) fn within(&mut self, walk: impl FnOnce(&mut Walk<'_>)) -> Option<Vec<u8>> {
        if self.depth >= MAX_DEPTH {
            return None;
        }
        let pass = match &mut self.pass {
            Pass::Survey(originals) => Pass::Survey(originals),
            Pass::Write(disguise) => Pass::Write(disguise),
        };
        let mut inner = Walk { depth: self.depth + 1, ..Walk::new(pass) };
        walk(&mut inner);
        let blanked = inner.blanked;
        let bytes = inner.finish();
        self.blanked += blanked;
        Some(bytes)
    }

    /// The whole, swept.
    pub(super) fn finish(self) -> Vec<u8> {
        let Pass::Write(disguise) = &self.pass else { return self.out };
        let mut out = Vec::with_capacity(self.out.len());
        let mut at = 0;
        for fixed in &self.fixed {
            disguise.sweep.clean(&self.out, at..fixed.start, &mut out);
            out.extend_from_slice(self.out.get(fixed.clone()).unwrap_or_default());
            at = fixed.end;
        }
        disguise.sweep.clean(&self.out, at..self.out.len(), &mut out);
        out
    }
}
