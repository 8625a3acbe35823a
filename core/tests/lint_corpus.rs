//! The linter over the corpus: whose message it is, the status that the index expects, and a remedy for each finding.
//!
//! The corpus lies beside the workspace (`../shared/corpus`), or where `SIPREC_CORPUS` says.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]
#![allow(clippy::print_stderr, reason = "whoever runs the tests has to see that there is no corpus")]

mod linter;

use std::path::PathBuf;

use siprec_core::lint::Report;

struct Case {
    file: String,
    vendor: String,
    method: String,
    expected: String,
    bytes: Vec<u8>,
}

fn corpus() -> Option<Vec<Case>> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let folder = std::env::var_os("SIPREC_CORPUS").map_or(beside, PathBuf::from);
    let Ok(index) = std::fs::read_to_string(folder.join("index.tsv")) else {
        eprintln!("\n*** NOT TESTED: there is no corpus at {}; set SIPREC_CORPUS ***\n", folder.display());
        assert!(std::env::var_os("CI").is_none(), "CI has to have the corpus");
        return None;
    };
    let case = |line: &str| {
        let columns: Vec<&str> = line.split('\t').collect();
        let bytes = std::fs::read(folder.join("messages").join(columns[0])).ok()?;
        let [file, vendor, method] = [columns[0], columns[1], columns[5]].map(str::to_owned);
        Some(Case { file, vendor, method, expected: columns[13].to_owned(), bytes })
    };
    Some(index.lines().skip(1).filter_map(case).collect())
}

fn report(case: &Case) -> Report {
    linter::report(&case.bytes)
}

/// The name that we give a vendor of the index; none for messages that no vendor's product wrote.
fn ours(vendor: &str) -> Option<&str> {
    match vendor {
        "sonus" => Some("ribbon"),
        "loreste-avaya" => Some("avaya"),
        "loreste-cisco" => Some("cisco"),
        // Made up around the SDP of a CUBE, which names itself.
        "hybrid" => Some("cisco"),
        "drachtio" | "loreste" | "rfc" | "rfc4475" => None,
        vendor => Some(vendor),
    }
}

/// A message of a script that says itself to be another's.
const SAYS_ANOTHER: &[(&str, &str)] = &[("121-broadworks-acd-02-bye.sip", "metaswitch")];

#[test]
fn every_vendor_is_known_by_its_messages() {
    let Some(cases) = corpus() else { return };
    let mut wrong = Vec::new();
    let mut known = 0;
    for case in &cases {
        let found = report(case).vendor.map(|profile| profile.vendor);
        let says = SAYS_ANOTHER.iter().find(|(file, _)| *file == case.file).map(|(_, vendor)| *vendor);
        let expected = says.or(ours(&case.vendor));
        // A BYE shows little of who wrote it: none is no fault there, another is.
        let may_be_unknown = case.method.starts_with("BYE") || case.method == "CANCEL";
        match (found.as_deref(), expected) {
            (None, None) => {}
            (None, Some(_)) if may_be_unknown => {}
            (found, expected) if found == expected => known += 1,
            (found, expected) => wrong.push(format!("{}: {found:?}, not {expected:?}", case.file)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(known >= 50, "{known} of {}", cases.len());
}

#[test]
fn the_answer_is_the_one_that_the_index_expects() {
    let Some(cases) = corpus() else { return };
    let mut wrong = Vec::new();
    for case in cases.iter().filter(|case| !case.expected.starts_with("n/a")) {
        let report = report(case);
        let status = report.answer.as_ref().map_or(0, |answer| answer.status).to_string();
        let text = case.expected.split("TCP:").next().unwrap();
        // An ordinary INVITE of the torture tests, which is no recording session's.
        let ordinary =
            case.vendor == "rfc4475" && case.method.starts_with("INVITE") && ["403", "488"].contains(&&*status);
        // RFC 3261 12.2.2: its To has a tag, and the dialog is unknown.
        let tagged = case.file.contains("wsinv") && status == "481";
        let plain = report.deviations.iter().any(|finding| finding.code == "not-siprec") && status == "403";
        if !text.contains(&status) && !ordinary && !plain && !tagged {
            wrong.push(format!("{}: {status}, not {text}", case.file));
        }
        if !status.starts_with('2') && status != "0" {
            let explained =
                report.deviations.first().is_some_and(|f| f.severity == siprec_core::deviation::Severity::Error);
            assert!(explained, "{}: refused, and nobody says why: {:?}", case.file, report.deviations);
        }
        assert!(report.deviations.iter().all(|finding| finding.remedy.len() > 20 && !finding.text.is_empty()));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
