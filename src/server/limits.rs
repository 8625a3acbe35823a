//! File descriptors: raised to what the configuration may need, or said.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors of a two-leg session: two pairs of sockets, and its journal.
const PER_SESSION: u64 = 5;
/// Everything else: SIP streams, catalog, logs, render workers.
const BESIDES: u64 = 4096;

/// What came of raising the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Descriptors {
    /// What `sessions` two-leg sessions need.
    pub(super) needed: u64,
    /// What there is now.
    pub(super) limit: u64,
}

impl Descriptors {
    /// Raises the soft limit to what is needed, as far as the hard limit goes.
    pub(super) fn raise(sessions: u64) -> anyhow::Result<Self> {
        let needed = sessions.saturating_mul(PER_SESSION).saturating_add(BESIDES);
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        if soft >= needed {
            return Ok(Self { needed, limit: soft });
        }
        // A privileged process may raise the hard limit as well.
        for (wanted, ceiling) in [(needed, hard.max(needed)), (needed.min(hard), hard)] {
            if setrlimit(Resource::RLIMIT_NOFILE, wanted, ceiling).is_ok() {
                return Ok(Self { needed, limit: wanted });
            }
        }
        Ok(Self { needed, limit: soft })
    }

    /// How many two-leg sessions the limit allows, if that is fewer than were asked for.
    pub(super) fn sessions_if_short(&self) -> Option<u64> {
        (self.limit < self.needed).then(|| self.limit.saturating_sub(BESIDES) / PER_SESSION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_short_says_for_how_many_sessions_it_is_enough() {
        let short = Descriptors { needed: 54_096, limit: 20_000 };
        assert_eq!(short.sessions_if_short(), Some(3180));
        assert_eq!(Descriptors { needed: 10, limit: 10 }.sessions_if_short(), None);
        assert!(Descriptors::raise(1).unwrap().limit >= 1);
    }
}
