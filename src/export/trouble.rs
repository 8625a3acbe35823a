//! Whom an error concerns: one recording, or all that come after it as well.

use std::io;

use crate::archive::storage::{ErrorKind, StoreError};

/// How far an error reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// It is this recording's own.
    One,
    /// Others may meet it: a storage target does not answer. A few in a row are enough.
    Maybe,
    /// Each recording would meet it.
    All,
}

/// So many recordings in a row that meet what reaches [`Reach::Maybe`] end a run.
pub(super) const ENOUGH: u32 = 10;

/// An error came of fetching audio that was released here: others may have theirs.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not in the data directory")]
pub(super) struct NotHere(pub(super) String);

/// How far `error` reaches.
pub(super) fn reach(error: &anyhow::Error) -> Reach {
    let is_full = |error: &io::Error| {
        let kind = error.kind();
        matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::ReadOnlyFilesystem)
    };
    if error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(is_full) {
        return Reach::All;
    }
    let store = error.chain().find_map(|cause| cause.downcast_ref::<StoreError>());
    let Some(StoreError::Target(target)) = store else { return Reach::One };
    if !target.kind.is_of_the_target() {
        return Reach::One;
    }
    let is_patient = matches!(target.kind, ErrorKind::Busy | ErrorKind::Unreachable);
    if is_patient || error.downcast_ref::<NotHere>().is_some() { Reach::Maybe } else { Reach::All }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::finish::FinishError;
    use crate::archive::storage::TargetError;
    use anyhow::Context as _;

    #[test]
    fn credentials_and_full_disks_concern_all_and_damage_concerns_one() {
        let of_target = |kind| anyhow::Error::from(StoreError::Target(TargetError::new(kind, "x"))).context("sending");
        for (kind, expected) in [
            (ErrorKind::Denied, Reach::All),
            (ErrorKind::NoBucket, Reach::All),
            (ErrorKind::Full, Reach::All),
            (ErrorKind::Clock, Reach::All),
            (ErrorKind::Busy, Reach::Maybe),
            (ErrorKind::Unreachable, Reach::Maybe),
            (ErrorKind::Refused, Reach::One),
        ] {
            assert_eq!(reach(&of_target(kind)), expected, "{kind:?}");
        }
        let fetching = of_target(ErrorKind::Denied).context(NotHere("a.wav".to_owned())).context("copying");
        assert_eq!(reach(&fetching), Reach::Maybe, "what is here can be exported all the same");
        let full = Err::<(), _>(io::Error::from(io::ErrorKind::StorageFull)).context("cannot write x").unwrap_err();
        assert_eq!(reach(&full), Reach::All);
        let source = io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(reach(&FinishError::Disk { path: "x".into(), source }.into()), Reach::All);
        assert_eq!(reach(&anyhow::anyhow!("x is damaged")), Reach::One);
    }
}
