//! The table of what came of the corpus: `make test` prints it.

use crate::Played;
use crate::message::Case;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Where the table is left: tests' own words are not shown when they pass.
pub fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("corpus-results.txt")
}

#[derive(Default)]
struct Line {
    messages: usize,
    /// By transport.
    passed: [usize; 2],
    excepted: [usize; 2],
}

/// A line a vendor, and their sum.
pub fn table(cases: &[Case], played: &[Played; 2]) -> String {
    let mut lines: BTreeMap<&str, Line> = BTreeMap::new();
    for case in cases {
        let line = lines.entry(&case.kind).or_default();
        line.messages += 1;
        for (at, played) in played.iter().enumerate() {
            let excepted = played.excepted.contains(&case.file);
            let failed = played.faults.iter().any(|fault| fault.contains(&case.file));
            line.excepted[at] += usize::from(excepted);
            line.passed[at] += usize::from(!excepted && !failed);
        }
    }
    let mut all = Line::default();
    for line in lines.values() {
        all.messages += line.messages;
        for at in 0..2 {
            all.passed[at] += line.passed[at];
            all.excepted[at] += line.excepted[at];
        }
    }
    let [first, second] = played.each_ref().map(|played| played.transport.name());
    let mut text = format!(
        "{:<16}{:>9}{:>13}{:>13}{:>12}\n",
        "corpus",
        "messages",
        format!("passed {first}"),
        format!("passed {second}"),
        "exceptions"
    );
    for (name, line) in lines.iter().map(|(name, line)| (*name, line)).chain([("all", &all)]) {
        let exceptions = format!("{} + {}", line.excepted[0], line.excepted[1]);
        let _ = writeln!(
            text,
            "{name:<16}{:>9}{:>13}{:>13}{exceptions:>12}",
            line.messages, line.passed[0], line.passed[1]
        );
    }
    text
}
