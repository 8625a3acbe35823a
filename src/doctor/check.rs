//! One thing that was looked at, and what came of it.

use serde::Serialize;

/// What was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it belongs to: `ports`, `disk` ...
    pub check: &'static str,
    /// What exactly: `udp 0.0.0.0:5060`.
    pub subject: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen, in words.
    pub seen: String,
    /// What to do about it; none where nothing is to be done.
    pub remedy: Option<String>,
}

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, with a limit or a risk; or it cannot be told from here.
    Warning,
    /// Calls are lost, or the server does not start.
    Failed,
}

impl Check {
    /// It is as it should be.
    pub fn ok(check: &'static str, subject: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { check, subject: subject.into(), verdict: Verdict::Ok, seen: seen.into(), remedy: None }
    }

    /// It works, but.
    pub fn warning(
        check: &'static str,
        subject: impl Into<String>,
        seen: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { verdict: Verdict::Warning, remedy: Some(remedy.into()), ..Self::ok(check, subject, seen) }
    }

    /// It does not work.
    pub fn failed(
        check: &'static str,
        subject: impl Into<String>,
        seen: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { verdict: Verdict::Failed, remedy: Some(remedy.into()), ..Self::ok(check, subject, seen) }
    }
}
