//! Storage targets: a small object is put, read and removed, as recordings would be; where objects are locked, only looked for.

use std::time::Duration;

use bytes::Bytes;
use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::check::Check;
use crate::archive::outbox::Named;
use crate::archive::storage::{Kept, Sums, Target, TargetError, erase_whole};
use crate::config::{Config, TargetConfig};
use crate::{targets, wall};

const AREA: &str = "storage";
/// A target that has not answered by then does not.
const PATIENCE: Duration = Duration::from_secs(20);
const CONTENT: &[u8] = b"siprec doctor was here, and should have taken this away again\n";

pub(super) fn examine(config: &Config) -> Vec<Check> {
    let rows = config.storage.all_targets();
    if rows.is_empty() {
        return vec![Check::ok(AREA, "targets", "none: recordings stay in the data directory")];
    }
    let targets = match targets::targets(config) {
        Ok(targets) => targets,
        Err(error) => return vec![Check::failed(AREA, "targets", format!("{error:#}"), "correct it in storage")],
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return vec![Check::failed(AREA, "targets", error.to_string(), "this machine is short of files or memory")];
        }
    };
    let named = format!("siprec-doctor-{}-{}.txt", std::process::id(), wall::now_ms());
    let one = |(named_target, row): (&std::sync::Arc<Named>, &TargetConfig)| {
        let key = format!("{}{named}", folder(&named_target.key.to_string()));
        let locks = row.s3.lock_mode.is_some();
        let tried = runtime
            .block_on(async { tokio::time::timeout(PATIENCE, tried(&*named_target.target, &key, locks)).await.ok() });
        judge(&named_target.name, &named_target.target.url(""), tried)
    };
    targets.iter().zip(&rows).map(one).collect()
}

/// What of a template comes before its first field, up to the last folder: rights may be given for that alone.
fn folder(template: &str) -> &str {
    let fixed = template.split('{').next().unwrap_or_default();
    fixed.rfind('/').and_then(|at| fixed.get(..=at)).unwrap_or_default()
}

/// How far it went.
#[derive(Debug)]
enum Tried {
    /// All of it.
    Whole,
    /// All of it, and the provider keeps what was removed.
    Keeps(Kept),
    /// It answers; nothing was put, since what is put is locked.
    Looked,
    /// What was put came back otherwise.
    Differs,
    /// It takes and gives, and does not remove.
    Remains(String, TargetError),
    /// Not so far.
    Refused(&'static str, TargetError),
}

async fn tried(target: &dyn Target, key: &str, locks: bool) -> Tried {
    if locks {
        return match target.look(key).await {
            Ok(_) => Tried::Looked,
            Err(error) => Tried::Refused("looking for an object", error),
        };
    }
    let sums = Sums { md5: Md5::digest(CONTENT).into(), sha256: Sha256::digest(CONTENT).into() };
    if let Err(error) = target.put(key, Bytes::from_static(CONTENT), sums).await {
        return Tried::Refused("putting an object", error);
    }
    let read = target.read(key, 0, CONTENT.len() as u64).await;
    let erased = erase_whole(target, key).await;
    match (read, erased) {
        (Err(error), _) => Tried::Refused("reading an object", error),
        (Ok(content), _) if content != CONTENT => Tried::Differs,
        (Ok(_), Err(error)) => Tried::Remains(target.url(key), error),
        (Ok(_), Ok(removed)) if removed.kept.is_nothing() => Tried::Whole,
        (Ok(_), Ok(removed)) => Tried::Keeps(removed.kept),
    }
}

/// `tried`: none where it did not end in time.
fn judge(name: &str, url: &str, tried: Option<Tried>) -> Check {
    let remedy = "look at the target's own log, its address under storage, and what its credentials may do (put, get, list, delete)";
    match tried {
        Some(Tried::Whole) => Check::ok(AREA, name, format!("{url}: an object was put, read and removed")),
        Some(Tried::Keeps(kept)) => Check::warning(
            AREA,
            name,
            format!("{url}: an object was put, read and removed, and {kept}"),
            "what is erased must be gone at once? Turn soft delete off there; else certificates say what is kept, and until when",
        ),
        Some(Tried::Looked) => Check::ok(
            AREA,
            name,
            format!("{url} answers; nothing was put, since lock_mode would keep it: the first recording will tell"),
        ),
        Some(Tried::Differs) => {
            Check::failed(AREA, name, format!("{url} gave back something else than was put"), remedy)
        }
        Some(Tried::Remains(object, error)) => Check::warning(
            AREA,
            name,
            format!("{object} cannot be removed: {error}"),
            "allow deleting there: retention and erasing need it; and remove that object by hand",
        ),
        Some(Tried::Refused(step, error)) => Check::failed(AREA, name, format!("{step} failed: {error}"), remedy),
        None => Check::failed(AREA, name, format!("{url} did not answer within {} s", PATIENCE.as_secs()), remedy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::storage::{ErrorKind, FolderTarget};
    use crate::doctor::check::Verdict::{Failed, Ok as Fine, Warning};

    fn run(target: &dyn Target, locks: bool) -> Tried {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(tried(target, "x.txt", locks))
    }

    #[test]
    fn a_folder_is_tried_and_left_empty_and_one_that_is_not_there_fails() {
        let folder = tempfile::tempdir().unwrap();
        let target = FolderTarget::new(folder.path().to_owned());
        assert_eq!(judge("nas", "u", Some(run(&target, false))).verdict, Fine);
        assert_eq!(judge("nas", "u", Some(run(&target, true))).verdict, Fine);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        for locks in [false, true] {
            let check = judge("nas", "u", Some(run(&FolderTarget::new(folder.path().join("gone")), locks)));
            assert!(check.verdict == Failed && check.seen.contains("there is no folder"), "{check:?}");
        }
    }

    #[test]
    fn what_remains_warns_and_what_differs_or_is_silent_fails() {
        let error = || TargetError { kind: ErrorKind::Denied, what: "HTTP 403".into() };
        assert_eq!(judge("s3", "u", Some(Tried::Remains("s3://b/x".into(), error()))).verdict, Warning);
        let kept = Kept { copies: 1, ..Kept::default() };
        let check = judge("gcs", "gs://b/", Some(Tried::Keeps(kept)));
        assert!(check.verdict == Warning && check.seen.contains("soft delete keeps 1 deleted copy"), "{check:?}");
        assert_eq!(judge("s3", "u", Some(Tried::Differs)).verdict, Failed);
        let check = judge("s3", "u", Some(Tried::Refused("putting an object", error())));
        assert!(check.verdict == Failed && check.seen.contains("HTTP 403: check the credentials"), "{check:?}");
        assert!(judge("s3", "s3://b/", None).seen.contains("did not answer within 20 s"));
    }

    #[test]
    fn the_trial_lies_where_recordings_do() {
        assert_eq!(folder("{yyyy}/{mm}/{id}"), "");
        assert_eq!(folder("calls/site-a/{yyyy}/{id}"), "calls/site-a/");
        assert_eq!(folder("calls/site-{yyyy}/{id}"), "calls/");
    }
}
