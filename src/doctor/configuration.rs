//! The configuration itself: what `siprec config check` says of it.

use super::check::Check;
use crate::config::{Faults, Loaded, Severity, notices};

const AREA: &str = "configuration";

/// What is to be said of one that can be read.
pub(super) fn examine(loaded: &Loaded) -> Vec<Check> {
    let found = notices(loaded);
    if found.is_empty() {
        return vec![Check::ok(AREA, "all of it", "it can be read, and nothing in it contradicts itself")];
    }
    let about = |text: &str| text.split_once(": ").map_or_else(|| text.to_owned(), |(key, _)| key.to_owned());
    let check = |severity: Severity, text: String| {
        let (subject, rest) = (about(&text), text.split_once(": ").map_or("", |(_, rest)| rest));
        let remedy = "change that key; siprec.example.yaml tells what each is for";
        match severity {
            Severity::Warning => Check::warning(AREA, subject, rest, remedy),
            Severity::Error => Check::failed(AREA, subject, rest, remedy),
        }
    };
    found.into_iter().map(|notice| check(notice.severity, notice.text)).collect()
}

/// What is wrong with one that cannot be read.
pub(super) fn unreadable(faults: &Faults) -> Vec<Check> {
    let remedy = "correct it; nothing else can be looked at without it";
    faults.to_string().lines().map(|line| Check::failed(AREA, "it cannot be read", line, remedy)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flag, Sources};
    use crate::doctor::check::Verdict;

    fn of(key: &str, value: &str) -> Result<Loaded, Faults> {
        let flag = Flag { name: format!("--set {key}"), key: key.into(), value: value.into() };
        Sources { flags: vec![flag], ..Sources::default() }.load()
    }

    #[test]
    fn what_contradicts_fails_and_what_is_doubtful_warns() {
        let found = examine(&of("server.require_tls", "true").unwrap());
        let error = found.iter().find(|check| check.subject == "server.require_tls").unwrap();
        assert_eq!(error.verdict, Verdict::Failed);
        assert!(error.seen.ends_with("set it to true"), "{error:?}");
        let found = examine(&of("archive.time_zone", "Europe/Berlin").unwrap());
        let warned = found.iter().find(|check| check.subject == "archive.time_zone").unwrap();
        assert_eq!(warned.verdict, Verdict::Warning);
        assert!(found.iter().all(|check| check.verdict != Verdict::Failed), "{found:?}");
    }

    #[test]
    fn one_that_cannot_be_read_fails_with_its_fault() {
        let found = unreadable(&of("media.port_range", "2-1").unwrap_err());
        assert!(found.len() == 1 && found[0].seen.contains("media.port_range"), "{found:?}");
    }
}
