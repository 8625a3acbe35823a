//! Messages of real SBCs, and those of `testdata/sip`, anonymised: what an independent look finds in them is gone in every way
//! of writing it, and the linter says the same of them.
//!
//! The corpus lies beside the workspace (`../shared/corpus`), or where `SIPREC_CORPUS` says.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]
#![allow(clippy::print_stderr, reason = "whoever runs the tests has to see that there is no corpus")]

mod linter;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use siprec_core::anonymise::{Anonymiser, Survey};
use siprec_core::seed::Seed;
use siprec_core::sip::Message;

fn messages_of(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let Ok(listed) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = listed.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "sip"));
    let read =
        |path: PathBuf| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap());
    let mut messages: Vec<_> = paths.map(read).collect();
    messages.sort();
    messages
}

fn all() -> Vec<(String, Vec<u8>)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut messages = messages_of(&root.join("../testdata/sip"));
    assert!(messages.len() > 5, "testdata/sip is not where it is looked for");
    let folder = std::env::var_os("SIPREC_CORPUS").map_or(root.join("../../shared/corpus"), PathBuf::from);
    let corpus = messages_of(&folder.join("messages"));
    if corpus.is_empty() {
        eprintln!("\n*** NOT TESTED: there is no corpus at {}; set SIPREC_CORPUS ***\n", folder.display());
        assert!(std::env::var_os("CI").is_none(), "CI has to have the corpus");
    }
    messages.extend(corpus);
    messages
}

/// What a plain look finds: users and hosts of addresses, addresses of IP, names.
fn originals(bytes: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(bytes);
    let mut found = BTreeSet::new();
    for scheme in ["sip:", "sips:", "tel:", "aor=\"", "aor='", "<aor>"] {
        for (at, _) in text.match_indices(scheme) {
            let rest = &text[at + scheme.len()..];
            let rest = rest.strip_prefix("sip:").unwrap_or(rest);
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "@.-_+".contains(c))).unwrap_or(rest.len());
            found.extend(rest[..end].split('@').map(str::to_owned));
        }
    }
    for (at, _) in text.match_indices("\" <sip:").chain(text.match_indices("\"<sip:")) {
        found.extend(text[..at].rsplit('"').next().map(str::to_owned));
    }
    for (at, _) in text.match_indices("<name>").chain(text.match_indices("<name ")) {
        let rest = text[at..].split_once('>').map_or("", |(_, rest)| rest);
        found.extend(rest.split('<').next().map(|name| name.trim().to_owned()));
    }
    let is_of_address = |c: char| c.is_ascii_digit() || c == '.';
    found.extend(
        text.split(|c: char| !is_of_address(c))
            .filter(|word| word.parse::<std::net::Ipv4Addr>().is_ok())
            .map(str::to_owned),
    );
    found
}

/// Whether it tells of somebody, wherever it stands.
fn tells(text: &str) -> bool {
    const NOBODY: [&str; 27] = [
        "127.0.0.1",
        "0.0.0.0",
        "anonymous",
        "acmesrc",
        "asbce",
        "asbce.com",
        "recorder",
        "record",
        "recording",
        "siprec",
        "server",
        "session",
        "user",
        "caller",
        "callee",
        "conference",
        "service",
        "localhost",
        "agent",
        "host",
        "client",
        "proxy",
        "unknown",
        "sonus_uac",
        "example.com",
        "mixed",
        "example",
    ];
    let lower = text.to_lowercase();
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let is_short_number = digits < 5 && text.chars().all(|c| !c.is_alphabetic()) && !text.contains('.');
    text.len() >= 4 && !NOBODY.contains(&lower.as_str()) && !is_short_number && !lower.ends_with(".invalid")
}

fn in_hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// The characters of base64 that `text` leads to whatever stands before and behind it.
fn in_base64(text: &str) -> Vec<String> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let of = |shift: usize| {
        let bits: Vec<bool> = text.bytes().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect();
        let skipped = (6 - shift * 8 % 6) % 6;
        let groups = bits[skipped..].chunks_exact(6);
        groups
            .map(|six| char::from(DIGITS[six.iter().fold(0, |value, bit| value << 1 | usize::from(*bit))]))
            .collect::<String>()
    };
    (0..3).map(of).filter(|text| text.len() >= 6).collect()
}

fn in_percent(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02x}") })
        .collect()
}

/// Where `text` stands in `bytes`, no letter or digit beside it.
fn stands_in(bytes: &[u8], text: &str) -> Option<String> {
    let bytes = bytes.to_ascii_lowercase();
    let text = text.to_lowercase();
    let beside = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at)).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'.')
    };
    let is_sure = text.len() >= 7 && text.bytes().all(|byte| byte.is_ascii_digit());
    let found = bytes.windows(text.len()).enumerate().find(|(at, part)| {
        *part == text.as_bytes() && (is_sure || !beside(at.checked_sub(1)) && !beside(Some(at + text.len())))
    })?;
    let around = &bytes[found.0.saturating_sub(30)..(found.0 + text.len() + 30).min(bytes.len())];
    Some(around.escape_ascii().to_string())
}

#[test]
fn nothing_of_whom_it_names_is_left() {
    let messages = all();
    let mut survey = Survey::default();
    messages.iter().for_each(|(_, bytes)| survey.message(bytes));
    let anonymiser = Anonymiser::new(survey, Seed([5; 32]));
    let (mut left, mut looked) = (Vec::new(), 0);
    for (file, bytes) in &messages {
        let other = anonymiser.message(bytes).bytes;
        for original in originals(bytes).iter().filter(|text| tells(text)) {
            looked += 1;
            let mut ways = vec![original.clone(), in_percent(original)];
            ways.extend(in_base64(original));
            for way in ways {
                left.extend(stands_in(&other, &way).map(|around| format!("{file}: {original} as {way} in {around}")));
            }
            let hex = in_hex(original);
            let is_left = other.to_ascii_lowercase().windows(hex.len()).any(|part| part == hex.as_bytes());
            left.extend(is_left.then(|| format!("{file}: {original} in hexadecimal digits")));
        }
    }
    assert!(looked >= 10, "only {looked} originals");
    assert!(left.is_empty(), "{} left\n{}", left.len(), left.join("\n"));
}

#[test]
fn the_linter_says_the_same_of_them() {
    // What names a person was not well-formed, or had NULs in it: what stands for it is. Lengths change by a little.
    const CHANGED: [&str; 8] = ["xml-", "aor-", "name-", "entity", "ampersand", "utf8", "nul-bytes", "large-datagram"];
    let mut different = Vec::new();
    for (file, bytes) in &all() {
        let mut survey = Survey::default();
        survey.message(bytes);
        let other = Anonymiser::new(survey, Seed([6; 32])).message(bytes).bytes;
        let (then, now) = (linter::report(bytes), linter::report(&other));
        let codes = |report: &siprec_core::lint::Report| -> BTreeSet<String> {
            let all = report.deviations.iter().map(|finding| finding.code.clone());
            all.filter(|code| !CHANGED.iter().any(|changed| code.contains(changed))).collect()
        };
        let facts = |report: &siprec_core::lint::Report| {
            let people: Vec<_> =
                report.participants.iter().map(|party| (party.name.is_some(), party.labels.clone())).collect();
            (
                report.vendor.as_ref().map(|vendor| vendor.vendor.clone()),
                linter::status(report),
                report.in_dialog,
                people,
                report.labels.clone(),
            )
        };
        if codes(&then) != codes(&now) || facts(&then) != facts(&now) {
            different.push(format!(
                "{file}\n  {:?}\n  {:?}\n  {:?}\n  {:?}",
                codes(&then),
                codes(&now),
                facts(&then),
                facts(&now)
            ));
        }
        assert_eq!(Message::parse_datagram(bytes).is_ok(), Message::parse_datagram(&other).is_ok(), "{file}");
    }
    assert!(different.is_empty(), "{}\n{}", different.len(), different.join("\n"));
}
