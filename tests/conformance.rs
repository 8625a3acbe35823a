//! CONFORMANCE.md is no brochure: each test that it names exists and runs, each requirement of the checklist has its row.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

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

/// Looks for `fn name` under `#[test]` (or in a `proptest!` block, where it stands under `#[test]` as well). What is
/// commented out, or compiled under some condition only, is no test.
fn look(source: &str, name: &str) -> Found {
    let source = without_conditions(&without_comments(source));
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let declares = |line: &str| {
        let rest = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        rest.and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest.starts_with(['(', '<']))
    };
    for at in (0..lines.len()).filter(|at| declares(lines[*at])) {
        let attributes: Vec<&&str> = lines[..at].iter().rev().take_while(|line| line.starts_with(['#', '/'])).collect();
        let is_test = |line: &&&str| line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        let is_conditional = |line: &&&str| line.starts_with("#[cfg");
        if attributes.iter().any(is_test) && !attributes.iter().any(is_conditional) {
            let ignored = attributes.iter().any(|line| line.starts_with("#[ignore"));
            return if ignored { Found::Ignored } else { Found::Test };
        }
    }
    Found::Nothing
}

/// The same without `/* */`.
fn without_comments(source: &str) -> String {
    let (mut kept, mut rest) = (String::new(), source);
    while let Some((before, after)) = rest.split_once("/*") {
        kept.push_str(before);
        // Within a string or a line comment it opens nothing.
        let line = before.rsplit('\n').next().unwrap_or("");
        let is_open = !line.contains("//") && line.matches('"').count().is_multiple_of(2);
        rest = if is_open { after.split_once("*/").map_or("", |(_, rest)| rest) } else { after };
        if !is_open {
            kept.push_str("/*");
        }
    }
    kept + rest
}

/// The same without what stands under a condition that a build of the tests need not fulfil: the whole of a file, or a
/// module within it, which ends at the next brace as far to the left (rustfmt has been here).
fn without_conditions(source: &str) -> String {
    let is_off = |line: &str, begin: &str| {
        let condition = line.trim_start().strip_prefix(begin);
        condition.is_some_and(|condition| !condition.starts_with("test)") && !condition.starts_with("any(test,"))
    };
    if source.lines().any(|line| is_off(line, "#![cfg(")) {
        return String::new();
    }
    let (mut kept, mut off, mut until) = (String::new(), false, None);
    for line in source.lines() {
        if let Some(end) = &until {
            if line == end {
                until = None;
            }
            continue;
        }
        off |= is_off(line, "#[cfg(");
        let code = line.trim_start();
        let module = code.ends_with('{') && code.split(' ').any(|word| word == "mod");
        if off && module {
            until = Some(format!("{}}}", &line[..line.len() - code.len()]));
            // Its attributes belong to nothing that follows.
            kept.push_str("mod off {}\n");
        } else {
            kept.push_str(line);
            kept.push('\n');
        }
        off &= code.starts_with(['#', '/']);
    }
    kept
}

/// The sources that a build of the tests reads: from the roots, wherever `mod name;` leads without a condition.
fn compiled() -> BTreeSet<PathBuf> {
    let of_folder = |folder: &str| {
        let entries = fs::read_dir(root().join(folder)).expect("a folder of tests").flatten();
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "rs"))
    };
    let roots = ["core/src/lib.rs", "src/lib.rs", "src/main.rs"].map(|path| root().join(path));
    let mut waiting: Vec<PathBuf> =
        roots.into_iter().chain(of_folder("tests")).chain(of_folder("core/tests")).collect();
    let crates: BTreeSet<PathBuf> = waiting.iter().cloned().collect();
    let mut found = BTreeSet::new();
    while let Some(path) = waiting.pop() {
        let Ok(source) = fs::read_to_string(&path) else { continue };
        let folder = path.parent().expect("a folder");
        let owns_folder = crates.contains(&path) || path.ends_with("mod.rs");
        let below = if owns_folder { folder.to_path_buf() } else { path.with_extension("") };
        for (module, elsewhere) in modules(&without_comments(&source)) {
            waiting.extend(match elsewhere {
                Some(file) => vec![folder.join(file)],
                None => vec![below.join(format!("{module}.rs")), below.join(module).join("mod.rs")],
            });
        }
        found.insert(path.strip_prefix(root()).expect("below the root").to_path_buf());
    }
    found
}

/// The modules that a source declares in files of their own, with `#[path]`, and without any condition but `test`.
fn modules(source: &str) -> Vec<(String, Option<String>)> {
    let (mut found, mut path, mut is_conditional) = (Vec::new(), None, false);
    for line in source.lines().map(str::trim) {
        if let Some(value) = line.strip_prefix("#[path = \"") {
            path = value.split('"').next().map(str::to_owned);
        }
        is_conditional |= line.starts_with("#[cfg(") && !line.starts_with("#[cfg(test)]");
        if line.starts_with(['#', '/']) {
            continue;
        }
        let declared =
            ["pub(crate) ", "pub(super) ", "pub "].iter().find_map(|pub_| line.strip_prefix(pub_)).unwrap_or(line);
        let name = declared.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';'));
        if let Some(name) = name.filter(|_| !is_conditional) {
            found.push((name.to_owned(), path.take()));
        }
        (path, is_conditional) = (None, false);
    }
    found
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
    let compiled = compiled();
    let source = |path: &str| compiled.get(Path::new(path)).and_then(|path| fs::read_to_string(root().join(path)).ok());
    found.extend(faults(&rows, source));
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
        if path == "off.rs" {
            return Some("#![cfg(feature = \"x\")]\n#[test]\nfn good() {}\n".to_owned());
        }
        let text = "#[cfg(feature = \"x\")]\nmod off {\n    #[test]\n    fn inner() {\n    }\n}\n#[test]\nfn good() {}\n#[test]\n#[ignore = \"slow\"]\nfn slow() {}\nfn helper() {}\n\
                    /*\n#[test]\nfn gone() {}\n*/\n#[cfg(feature = \"x\")]\n#[test]\nfn seldom() {}\n// #[test]\n// fn off() {}\n";
        (path == "a.rs").then(|| text.to_owned())
    };
    for row in [
        "| R1 | MUST | the same again | done | `a.rs::good` |",
        "| R2 | WILL | x | done | `a.rs::good` |",
        "| R2 | MUST | x | done | |",
        "| R2 | MUST | x | done | `a.rs::helper` |",
        "| R2 | MUST | x | done | `a.rs::goo` |",
        "| R2 | MUST | x | done | `a.rs::slow` |",
        "| R2 | MUST | x | done | `a.rs::gone` |",
        "| R2 | MUST | x | done | `a.rs::seldom` |",
        "| R2 | MUST | x | done | `a.rs::off` |",
        "| R2 | MUST | x | done | `a.rs::inner` |",
        "| R2 | MUST | x | done | `off.rs::good` |",
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

#[test]
fn modules_are_those_that_are_compiled() {
    let source = "mod a;\n#[cfg(test)]\nmod b;\n#[cfg(feature = \"x\")]\nmod c;\n#[path = \"d/e.rs\"]\npub mod e;\n// mod f;\nmod g {\n}\n";
    let found = modules(source);
    let expected = [("a", None), ("b", None), ("e", Some("d/e.rs"))];
    assert_eq!(found, expected.map(|(name, path)| (name.to_owned(), path.map(str::to_owned))));
    assert!(compiled().contains(Path::new("core/src/session/tests/lines.rs")));
    assert!(!compiled().contains(Path::new("core/src/nowhere.rs")));
}
