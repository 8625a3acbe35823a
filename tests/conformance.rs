//! CONFORMANCE.md is no brochure: each test that it names exists and runs, each requirement of the checklist has its row.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const LEVELS: [&str; 6] = ["MUST", "SHOULD", "MAY", "must", "should", "PROJ"];
/// Sections of the checklist that the table answers.
const SECTIONS: [&str; 6] = ["## 1.", "## 2.", "## 3.", "## 4.", "## 6.", "## 7."];

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// It works, and these tests show it.
    Done,
    /// It does not concern this server, for the reason given.
    NotApplicable(String),
    /// It does not work yet; what is missing.
    Open(String),
}

#[derive(Debug, Clone)]
struct Row {
    id: String,
    level: String,
    text: String,
    state: State,
    /// `path::name`
    tests: Vec<String>,
}

/// The table's rows, and what is wrong with their form.
fn rows(document: &str) -> (Vec<Row>, Vec<String>) {
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    for line in document
        .lines()
        .filter(|line| line.starts_with("| R") || line.starts_with("| F-") || line.starts_with("| PROJ-"))
    {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [id, level, text, state, shown] = cells[..] else {
            faults.push(format!("{line}: five cells"));
            continue;
        };
        let reason = |word: &str| state.strip_prefix(word).and_then(|rest| rest.strip_prefix(": ")).map(str::to_owned);
        let state = match state {
            "done" => State::Done,
            _ => match (reason("not applicable"), reason("open")) {
                (Some(why), _) => State::NotApplicable(why),
                (_, Some(what)) => State::Open(what),
                (None, None) => {
                    faults.push(format!(
                        "{id}: the state is `done`, `not applicable: why` or `open: what`, not `{state}`"
                    ));
                    continue;
                }
            },
        };
        let tests = shown.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        rows.push(Row { id: id.into(), level: level.into(), text: text.into(), state, tests });
    }
    (rows, faults)
}

/// What is wrong with the rows, the sources being read by `source`.
fn faults(rows: &[Row], source: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for row in rows {
        let Row { id, level, text, state, tests } = row;
        if !seen.insert(id) {
            found.push(format!("{id}: twice"));
        }
        if !LEVELS.contains(&level.as_str()) || text.is_empty() {
            found.push(format!("{id}: `{level}` is no level, or the row says nothing"));
        }
        match state {
            State::Done if tests.is_empty() => found.push(format!("{id}: done, and no test shows it")),
            State::NotApplicable(why) | State::Open(why) if why.is_empty() => found.push(format!("{id}: no reason")),
            State::Done | State::NotApplicable(_) | State::Open(_) => {}
        }
        let seldom = text.contains("(bench)") || text.contains("(soak)");
        for test in tests {
            let Some((path, name)) = test.rsplit_once("::") else {
                found.push(format!("{id}: `{test}` is no path::name"));
                continue;
            };
            match source(path).as_deref().map(|text| look(text, name)) {
                None => found.push(format!("{id}: there is no {path}")),
                Some(Found::Nothing) => found.push(format!("{id}: {path} has no test `{name}`")),
                Some(Found::Ignored) if !seldom => found.push(format!("{id}: `{test}` is ignored")),
                Some(Found::Ignored | Found::Test) => {}
            }
        }
    }
    found
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    Test,
    Ignored,
    Nothing,
}

/// Looks for `fn name` under `#[test]` (or in a `proptest!` block, where it stands under `#[test]` as well).
fn look(source: &str, name: &str) -> Found {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let declares = |line: &str| {
        let rest = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        rest.and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest.starts_with(['(', '<']))
    };
    for at in (0..lines.len()).filter(|at| declares(lines[*at])) {
        let attributes: Vec<&&str> = lines[..at].iter().rev().take_while(|line| line.starts_with(['#', '/'])).collect();
        if attributes.iter().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test")) {
            let ignored = attributes.iter().any(|line| line.starts_with("#[ignore"));
            return if ignored { Found::Ignored } else { Found::Test };
        }
    }
    Found::Nothing
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn document() -> String {
    fs::read_to_string(root().join("CONFORMANCE.md")).expect("CONFORMANCE.md")
}

#[test]
fn every_test_that_is_named_exists_and_runs() {
    let (rows, mut found) = rows(&document());
    assert!(rows.len() > 150, "only {} rows were read", rows.len());
    found.extend(faults(&rows, |path| fs::read_to_string(root().join(path)).ok()));
    assert!(found.is_empty(), "{} faults:\n{}", found.len(), found.join("\n"));
}

/// The summary at the top counts what stands below.
#[test]
fn the_summary_counts_the_rows() {
    let document = document();
    let (rows, _) = rows(&document);
    let count = |kind: fn(&State) -> bool| rows.iter().filter(|row| kind(&row.state)).count();
    let done = count(|state| *state == State::Done);
    let not = count(|state| matches!(state, State::NotApplicable(_)));
    let open = count(|state| matches!(state, State::Open(_)));
    let summary = format!("{} rows: {done} done, {not} not applicable, {open} open.", rows.len());
    assert!(document.contains(&summary), "CONFORMANCE.md should say: {summary}");
}

/// The checklist lies beside the repository where this project is made; elsewhere there is nothing to compare with. What
/// we decided ourselves may have rows beyond it.
#[test]
fn every_requirement_of_the_checklist_has_its_row() {
    let Ok(checklist) = fs::read_to_string(root().join("../shared/conformance.md")) else { return };
    let (mut wanted, mut known) = (BTreeMap::new(), BTreeSet::new());
    let mut counts = false;
    for line in checklist.lines() {
        if line.starts_with("## ") {
            counts = SECTIONS.iter().any(|section| line.starts_with(section));
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if cells.len() <= 4 || matches!(cells[1], "id" | "---") || cells[1].starts_with("--") {
            continue;
        }
        known.insert(cells[1].to_owned());
        if counts {
            wanted.insert(cells[1].to_owned(), cells[2].to_owned());
        }
    }
    assert!(wanted.len() > 150, "the checklist was not read: {} rows", wanted.len());
    let (rows, _) = rows(&document());
    let have: BTreeMap<String, String> = rows.into_iter().map(|row| (row.id, row.level)).collect();
    let missing: Vec<_> = wanted.iter().filter(|(id, level)| have.get(*id) != Some(*level)).collect();
    assert!(missing.is_empty(), "no row, or another level: {missing:?}");
    let strange: Vec<_> = have.iter().filter(|(id, level)| !known.contains(*id) && *level != "PROJ").collect();
    assert!(strange.is_empty(), "rows of no requirement: {strange:?}");
}

#[test]
fn what_is_wrong_with_a_row_is_found() {
    let table = |row: &str| rows(&format!("| R1 | MUST | x | done | `a.rs::good` |\n{row}"));
    let source = |path: &str| {
        let text = "#[test]\nfn good() {}\n#[test]\n#[ignore = \"slow\"]\nfn slow() {}\nfn helper() {}\n";
        (path == "a.rs").then(|| text.to_owned())
    };
    for row in [
        "| R1 | MUST | the same again | done | `a.rs::good` |",
        "| R2 | WILL | x | done | `a.rs::good` |",
        "| R2 | MUST | x | done | |",
        "| R2 | MUST | x | done | `a.rs::helper` |",
        "| R2 | MUST | x | done | `a.rs::goo` |",
        "| R2 | MUST | x | done | `a.rs::slow` |",
        "| R2 | MUST | x | done | `b.rs::good` |",
        "| R2 | MUST | x | nearly | `a.rs::good` |",
        "| R2 | MUST | x | open:  | |",
        "| R2 | MUST | done | `a.rs::good` |",
    ] {
        let (rows, mut found) = table(row);
        found.extend(faults(&rows, source));
        assert!(!found.is_empty(), "{row}");
    }
    for row in ["| R2 | MAY | x (bench) | done | `a.rs::slow` |", "| R2 | MAY | x | not applicable: why | |"] {
        let (rows, found) = table(row);
        assert_eq!((faults(&rows, source), found.len()), (Vec::new(), 0), "{row}");
    }
}
