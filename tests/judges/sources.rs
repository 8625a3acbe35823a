//! Which statuses the server can say at all: read off the core's sources, so that a new one must be judged as well.

use std::collections::BTreeSet;
use std::path::Path;

/// A status stands in the code after one of these.
const MAKERS: [&str; 5] = ["Rejection::new(", "fault(", "response(", "status: ", "SIP/2.0 "];
/// Or before this one.
const REASON: &str = " => \"";

/// The statuses that the server's sources have, tests left out.
pub(crate) fn statuses() -> BTreeSet<String> {
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("core/src");
    let files = ["session", "sip"].into_iter().flat_map(|module| support::files_below(&core.join(module)));
    let is_test = |path: &Path| {
        path.ends_with("tests.rs")
            || path.components().any(|part| part.as_os_str() == "tests")
            || path.file_stem().is_some_and(|name| name.to_string_lossy().ends_with("_tests"))
    };
    // What the SRC of ours answers, `session::client` says.
    let is_client =
        |path: &Path| path.components().any(|part| part.as_os_str().to_string_lossy().starts_with("client"));
    let sources = files.filter(|path| !is_test(path) && !is_client(path.strip_prefix(&core).unwrap()));
    sources.flat_map(|path| in_source(&std::fs::read_to_string(path).unwrap())).collect()
}

/// The statuses in a source, up to its tests.
fn in_source(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut found = BTreeSet::new();
    for line in lines {
        for maker in MAKERS {
            found.extend(line.match_indices(maker).filter_map(|(at, _)| status(&line[at + maker.len()..])));
        }
        // An arm of a match by itself: no range, no end of a name.
        found.extend(line.trim_start().split_once(REASON).and_then(|(arm, _)| status(arm).filter(|_| arm.len() == 3)));
    }
    found
}

/// Three digits that no other follows.
fn status(text: &str) -> Option<String> {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    (digits.len() == 3 && matches!(digits.as_bytes()[0], b'1'..=b'6')).then_some(digits)
}

#[test]
fn statuses_are_found_in_sources() {
    let source = "Rejection::new(403, \"Forbidden\", x)\n// response(999, \n  // fault(498, \n  486 => \"Busy\",\n \
                  Sha512256 => \"SHA\"\n 300..400 => \"Moved\"\nput(b\"SIP/2.0 100 Trying\"); response(status, r)\n#[cfg(test)]\nresponse(499, )";
    assert_eq!(in_source(source), ["100", "403", "486"].map(String::from).into());
}
