//! The index of texts: which terms a recording is put in under, and which a filter asks for.
//!
//! | term | of |
//! | --- | --- |
//! | `w` and a word in hexadecimal | names, addresses, ids, labels: whole words |
//! | `g` and three characters in hexadecimal | addresses and names, at each character: any part of them |
//! | `n` and four digits | numbers, and digits in addresses and names, at each digit: any part of them |
//! | `e` and two to four digits | the ends of numbers |
//! | `p` and three characters in hexadecimal | beginnings of words |
//! | `l` and a label in hexadecimal, `s` and a state, `f` | labels, states, faults |
//! | `t` and a tag in hexadecimal, `h` | tags, legal holds |
//! | `q` and a share, `d` and a length | loss and length, at least so much, in steps |
//!
//! Terms are ASCII letters and digits only, so each engine's own index of words (FTS5, tsvector) leaves them whole, and
//! both find the same. The index says which rows can match; the [conditions](super::conditions) say which do. Whoever changes what
//! [`of`] makes adds a migration to both engines that puts all rows in anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::filter::{Filter, LastDigits, PerTenThousand, Words};
use super::number_of;
use super::record::{Record, people, search_number, search_text};

/// Characters of an address or name in a term.
const GRAM: usize = 3;

/// Digits of a number in a term.
const WINDOW: usize = 4;

/// Steps of loss, in hundredths of a percent.
const LOSSES: [u64; 4] = [10, 100, 500, 1000];

/// Steps of length, in seconds.
const LENGTHS: [u64; 6] = [300, 600, 1200, 1800, 3600, 7200];

/// So many pieces of a text are asked for.
const MAX_ASKED: usize = 5;

/// Words and labels are told apart by so many characters.
const MAX_WORD: usize = 64;

/// More than the terms of a conference of hundreds need; what is beyond is not found by text.
const MAX_BYTES: usize = 512 << 10;

/// One of these; of each, all.
pub(super) type Clause = Vec<Vec<String>>;

/// The terms of `record`.
pub(super) fn of(record: &Record) -> BTreeSet<String> {
    let mut terms = BTreeSet::new();
    for person in people(record) {
        let (text, number) = (search_text(person), search_number(person));
        terms.extend(pieces(&text, GRAM).map(gram));
        terms.extend(digits_of(&text).chain([number.as_str()]).flat_map(|digits| pieces(digits, WINDOW)).map(window));
        terms.extend((2..=WINDOW).filter_map(|length| ending(&number, length)));
    }
    let words = words_of(record);
    terms.extend(words.iter().filter_map(|word| beginning(word)).chain(words.iter().map(|word| coded('w', word))));
    terms.extend(record.streams.iter().filter_map(|stream| stream.label.as_deref()).map(|label| coded('l', label)));
    terms.insert(format!("s{}", record.row.state));
    let quality = &record.row.quality;
    if quality.faults > 0 {
        terms.insert("f".to_owned());
    }
    terms.extend(record.row.tags.iter().map(|tag| coded('t', tag.as_str())));
    if record.row.held {
        terms.insert("h".to_owned());
    }
    let lost = quality.packets_lost.saturating_mul(10_000).checked_div(quality.packets_expected).unwrap_or(0);
    terms.extend(LOSSES.iter().filter(|step| **step <= lost).map(|step| format!("q{step}")));
    let seconds = record.row.duration_ms / 1000;
    terms.extend(LENGTHS.iter().filter(|step| **step <= seconds).map(|step| format!("d{step}")));
    let mut bytes = 0;
    terms.retain(|term: &String| {
        bytes += term.len();
        bytes <= MAX_BYTES
    });
    terms
}

/// The words of `record`, in lower case: what names and numbers its people, and what it is called.
pub(super) fn words_of(record: &Record) -> BTreeSet<String> {
    let row = &record.row;
    let mut found = BTreeSet::new();
    let mut add = |text: &str| found.extend(words(text).map(|(word, _)| word));
    for person in people(record) {
        person.aor.iter().chain(&person.name).for_each(|text| add(text));
    }
    add(&row.call_id);
    [&row.communication_session, &row.group, &row.vendor, &row.product]
        .into_iter()
        .flatten()
        .for_each(|text| add(text));
    record.sip_session_ids.iter().for_each(|id| add(id));
    record.call.iter().for_each(|(_, value)| add(value));
    record.streams.iter().filter_map(|stream| stream.label.as_ref()).for_each(|label| add(label));
    found
}

/// What the index is asked for by `filter`: all of the clauses. What it has no term for is not here; and where some
/// clauses leave but a few recordings, neither are those that leave many, which would only cost time.
pub(super) fn asked(filter: &Filter) -> Vec<Clause> {
    let mut clauses = Vec::new();
    let people = [&filter.caller, &filter.callee, &filter.participant];
    clauses.extend(people.into_iter().flatten().filter_map(|text| person(text)));
    clauses.extend(filter.number_ends.as_ref().and_then(|LastDigits(digits)| {
        let end = ending(digits, digits.len().min(WINDOW))?;
        Some(vec![std::iter::once(end).chain(spread(digits, WINDOW).into_iter().map(window)).collect()])
    }));
    let narrow: Vec<Clause> = clauses.iter().filter(|clause| is_narrow(clause)).cloned().collect();
    if !narrow.is_empty() {
        return narrow;
    }
    let single = |term: String| vec![vec![term]];
    clauses.extend(filter.text.iter().flat_map(|Words(words)| words).filter_map(|(word, is_prefix)| {
        let term = if *is_prefix { beginning(word)? } else { coded('w', word) };
        Some(single(term))
    }));
    clauses.extend(filter.label.as_ref().map(|label| single(coded('l', label))));
    clauses.extend(filter.state.map(|state| single(format!("s{state}"))));
    clauses.extend(filter.tag.as_ref().map(|tag| single(coded('t', tag.as_str()))));
    let any_tag = filter.any_tag.as_ref().filter(|tags| !tags.is_empty());
    clauses.extend(any_tag.map(|tags| tags.iter().map(|tag| vec![coded('t', tag.as_str())]).collect::<Clause>()));
    clauses.extend(filter.held.then(|| single("h".to_owned())));
    clauses.extend(filter.faulty.then(|| single("f".to_owned())));
    let step = |steps: &[u64], least: u64| steps.iter().rfind(|step| **step <= least).copied();
    let lost = filter.min_loss.and_then(|PerTenThousand(share)| step(&LOSSES, u64::from(share)));
    clauses.extend(lost.map(|step| single(format!("q{step}"))));
    let length = filter.min_duration.and_then(|length| step(&LENGTHS, length.as_secs()));
    clauses.extend(length.map(|step| single(format!("d{step}"))));
    clauses
}

/// Whether only so much of a number can be meant as few have.
fn is_narrow(clause: &Clause) -> bool {
    let of_number = |term: &String| term.starts_with('n');
    clause.iter().all(|terms| terms.iter().filter(|term| of_number(term)).count() >= 2)
}

/// Part of an address or a name, or of a number; none where either is too short for a term.
fn person(text: &str) -> Option<Clause> {
    let lower = text.to_lowercase();
    let telling = telling(&lower);
    let mut of_text: Vec<String> = digits_of(telling).flat_map(|run| spread(run, WINDOW)).map(window).collect();
    if of_text.is_empty() {
        of_text = spread(telling, GRAM).into_iter().map(gram).collect();
    }
    let of_number = number_of(text).map(|number| spread(&number, WINDOW).into_iter().map(window).collect());
    let alternatives = std::iter::once(of_text).chain(of_number);
    let clause: Clause = alternatives.collect();
    clause.iter().all(|terms| !terms.is_empty()).then_some(clause)
}

/// What is in few addresses: the user, without the scheme and the host that are in many.
fn telling(text: &str) -> &str {
    let rest = ["sip:", "sips:", "tel:"].into_iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or(text);
    let user = rest.split_once('@').map_or(rest, |(user, _)| user);
    [user, rest].into_iter().find(|part| part.chars().count() >= GRAM).unwrap_or(text)
}

/// Digits in a row that are enough for a term.
fn digits_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_digit()).filter(|run| run.len() >= WINDOW)
}

/// A few of the pieces, from the first to the last: each that is asked for costs time, and they leave few rows soon.
fn spread(text: &str, length: usize) -> Vec<&str> {
    let all: Vec<&str> = pieces(text, length).collect();
    let last = all.len().saturating_sub(1);
    let chosen = all.len().min(MAX_ASKED);
    (0..chosen).filter_map(|n| all.get(n * last / chosen.saturating_sub(1).max(1)).copied()).collect()
}

/// The words of `text` in lower case, each with whether a `*` follows it.
pub(super) fn words(text: &str) -> impl Iterator<Item = (String, bool)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.get(rest.find(char::is_alphanumeric)?..)?;
        let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        Some((word.to_lowercase().chars().take(MAX_WORD).collect(), after.starts_with('*')))
    })
}

/// Each `length` characters in a row.
fn pieces(text: &str, length: usize) -> impl Iterator<Item = &str> {
    let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]).skip(length);
    text.char_indices().zip(ends).filter_map(|((from, _), to)| text.get(from..to))
}

fn gram(piece: &str) -> String {
    coded('g', piece)
}

fn window(digits: &str) -> String {
    format!("n{digits}")
}

fn ending(number: &str, length: usize) -> Option<String> {
    Some(format!("e{}", number.get(number.len().checked_sub(length)?..)?))
}

/// Of a word that has so many characters.
fn beginning(word: &str) -> Option<String> {
    pieces(word, GRAM).next().map(|piece| coded('p', piece))
}

fn coded(kind: char, text: &str) -> String {
    let mut term = String::with_capacity(1 + text.len() * 2);
    term.push(kind);
    let end = text.char_indices().nth(MAX_WORD).map_or(text.len(), |(at, _)| at);
    for byte in text.bytes().take(end) {
        // Writing to a String does not fail.
        let _ = write!(term, "{byte:02x}");
    }
    term
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn words_are_letters_and_digits_in_lower_case() {
        let found: Vec<_> = words("sip:Ärztin.M*@pbx-1  (x)").collect();
        let word = |text: &str, is_prefix| (text.to_owned(), is_prefix);
        let expected = [("sip", false), ("ärztin", false), ("m", true), ("pbx", false), ("1", false), ("x", false)];
        assert_eq!(found, expected.map(|(text, is_prefix)| word(text, is_prefix)));
        assert_eq!(words(&"é".repeat(100)).map(|(word, _)| word.chars().count()).collect::<Vec<_>>(), [MAX_WORD]);
        assert_eq!(words("*!").count(), 0);
    }

    #[test]
    fn pieces_are_of_characters_not_bytes() {
        assert_eq!(pieces("äöüß", 3).collect::<Vec<_>>(), ["äöü", "öüß"]);
        assert_eq!(pieces("ab", 3).count(), 0);
    }

    #[test]
    fn what_few_have_is_asked_for_alone() {
        let filter = |caller: &str| Filter { caller: Some(caller.to_owned()), faulty: true, ..Filter::default() };
        assert_eq!(asked(&filter("49301234567")).len(), 1);
        assert_eq!(asked(&filter("Müller")).len(), 2);
        let text = Filter { text: Some("mül* x* a".parse().unwrap()), ..Filter::default() };
        assert_eq!(asked(&text), [vec![vec!["p6dc3bc6c".to_owned()]], vec![vec!["w61".to_owned()]]]);
        let quality = Filter {
            min_loss: Some(PerTenThousand(150)),
            min_duration: Some(Duration::from_secs(3599)),
            ..Filter::default()
        };
        assert_eq!(asked(&quality).concat().concat(), ["q100", "d1800"]);
    }

    #[test]
    fn what_is_too_short_for_a_term_asks_the_index_for_nothing() {
        for text in ["ab", "12", "0123"] {
            assert_eq!(person(text), None, "{text}");
        }
        let terms = |text| person(text).unwrap().iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(terms("abc"), [1]);
        assert_eq!(terms("abcdefghi"), [5]);
        assert_eq!(terms("0171 2345"), [2, 4]);
        let asked = |text| person(text).unwrap().concat();
        assert_eq!(asked("sip:agent0123@pbx.example.com"), ["n0123"]);
        assert_eq!(asked("sip:al@pbx"), ["g616c40", "g6c4070", "g407062", "g706278"]);
    }
}
