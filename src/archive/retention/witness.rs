//! Nothing is deleted by the word of a clock alone that may have jumped: `retention.json` remembers what it said before.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use siprec_core::time::Wall;

use crate::archive::disk::{Disk, read_range};
use crate::archive::selection::date_time;

/// The file's name in the data directory.
const FILE: &str = "retention.json";
/// A larger one is none.
const MAX_BYTES: usize = 4096;
const HOUR: i64 = 3_600_000_000_000;
/// A clock that is further than this from what it was when a server last looked has jumped, or no server ran.
const LEAP: i64 = 48 * HOUR;
/// A step back that time servers make.
const BACK: i64 = HOUR;
/// So long a server runs after that before anything is deleted: an operator sees the warning first.
const GRACE: i64 = 24 * HOUR;

/// What the clock has said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// When a server last looked; RFC 3339.
    seen: String,
    /// Since when it has gone on without a leap; RFC 3339.
    steady_since: String,
}

/// Whether the clock is good enough to delete by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// It is.
    Steady,
    /// It will be at this moment, if it goes on so.
    From {
        /// Then.
        at: Wall,
        /// Why not now, where that is new.
        news: Option<News>,
    },
}

/// What is new about the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// It is looked at for the first time.
    First,
    /// It has leapt, or there was no server for days.
    Leapt,
}

impl Witness {
    /// Looks at the clock, which says `now`, and remembers it below `data`.
    ///
    /// # Errors
    /// The disk's: then nothing may be deleted.
    pub fn look(disk: &dyn Disk, data: &Path, now: Wall) -> io::Result<Trust> {
        let path = data.join(FILE);
        let known = Self::read(disk, &path)?;
        let (next, trust) = Self::judge(known, now);
        disk.replace(&path, &serde_json::to_vec_pretty(&next).map_err(io::Error::other)?)?;
        Ok(trust)
    }

    /// What cannot be read is as good as nothing: the clock has to prove itself again.
    fn read(disk: &dyn Disk, path: &Path) -> io::Result<Option<Self>> {
        if !disk.exists(path)? {
            return Ok(None);
        }
        let text = read_range(&*disk.open_read(path)?, 0, MAX_BYTES)?;
        Ok(serde_json::from_slice(&text).ok())
    }

    fn judge(known: Option<Self>, now: Wall) -> (Self, Trust) {
        let known = known.and_then(|known| Some((date_time(&known.seen)?, date_time(&known.steady_since)?)));
        let news = if known.is_some() { News::Leapt } else { News::First };
        let steady = known.filter(|(seen, _)| (-BACK..=LEAP).contains(&now.0.saturating_sub(seen.0)));
        let since = steady.map_or(now, |(_, since)| since.min(now));
        let at = Wall(since.0.saturating_add(GRACE));
        let trust = if now >= at { Trust::Steady } else { Trust::From { at, news: steady.is_none().then_some(news) } };
        (Self { seen: now.rfc3339(), steady_since: since.rfc3339() }, trust)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::disk::FakeDisk;

    const NOW: i64 = 1_795_000_000_000_000_000;

    fn look(disk: &FakeDisk, hours: i64) -> Trust {
        Witness::look(disk, Path::new(""), Wall(NOW + hours * HOUR)).unwrap()
    }

    #[test]
    fn a_day_of_a_steady_clock_is_waited_for_first_and_after_each_leap() {
        let disk = FakeDisk::new(0);
        let from = |hours, news| Trust::From { at: Wall(NOW + hours * HOUR), news };
        assert_eq!(look(&disk, 0), from(24, Some(News::First)));
        assert_eq!(look(&disk, 23), from(24, None));
        assert_eq!(look(&disk, 24), Trust::Steady);
        assert_eq!(look(&disk, 24 + 47), Trust::Steady, "a weekend without a server");
        assert_eq!(look(&disk, 100_000), from(100_024, Some(News::Leapt)), "years at once");
        assert_eq!(look(&disk, 80), from(104, Some(News::Leapt)), "and back");
        assert_eq!(look(&disk, 104), Trust::Steady);
    }

    #[test]
    fn a_damaged_file_costs_a_day() {
        let disk = FakeDisk::new(0);
        look(&disk, 0);
        disk.replace(Path::new(FILE), b"{").unwrap();
        assert!(matches!(look(&disk, 25), Trust::From { news: Some(_), .. }));
    }
}
