//! What is erased beside the server: what was ordered, every few seconds; what has expired, once an hour.

use std::path::Path;
use std::sync::Arc;

use siprec_core::time::Wall;

use super::auditing::Pen;
use super::turn::Turn;
use crate::archive::audit::{Act, Action};
use crate::archive::disk::Disk;
use crate::archive::erase_order::Cause;
use crate::archive::erasure::Progress;
use crate::archive::lock::change_lock;
use crate::archive::retention::{News, Trust, Witness};
use crate::erasing::Erasing;

/// Recordings that are erased by age in one go; the next hour goes on.
const AT_ONCE: usize = 10_000;

/// What erases, in a thread of its own, one at a time.
#[derive(Debug)]
pub(super) struct Eraser {
    erasing: Arc<Erasing>,
    pen: Pen,
    turn: Turn,
}

impl Eraser {
    /// Each order is written down with `pen`.
    pub(super) fn new(erasing: Erasing, pen: Pen) -> Self {
        Self { erasing: Arc::new(erasing), pen, turn: Turn::default() }
    }

    /// For who orders something to be erased, or notes that it may not be.
    #[cfg(feature = "api")]
    pub(super) fn erasing(&self) -> &Arc<Erasing> {
        &self.erasing
    }

    /// Goes on with what was ordered; `expires`: and orders what has expired before.
    pub(super) fn go_on(&self, now: Wall, expires: bool) {
        let Some(turn) = self.turn.take() else { return };
        let erasing = Arc::clone(&self.erasing);
        let pen = self.pen.clone();
        let work = move || {
            if expires {
                expire(&erasing, &pen, now);
            }
            carry_out(&erasing, now);
            drop(turn);
        };
        if let Err(error) = std::thread::Builder::new().name("erase".into()).spawn(work) {
            tracing::warn!(%error, "nothing is erased now; tried again");
        }
    }
}

fn carry_out(erasing: &Erasing, now: Wall) {
    match erasing.go_on(now) {
        Ok(all) => {
            for (recording, progress) in all {
                match progress {
                    Progress::Done(_) => tracing::info!(%recording, "erased; its certificate is signed"),
                    Progress::Waits(why) => tracing::debug!(%recording, why, "not erased yet"),
                }
            }
        }
        Err(error) => tracing::warn!(%error, "what is to be erased is not; tried again"),
    }
}

/// Orders all whose time is over to be erased, if the clock can be trusted.
fn expire(erasing: &Erasing, pen: &Pen, now: Wall) {
    if !is_trusted(erasing.disk(), erasing.data(), now) {
        return;
    }
    let expired = match erasing.expired(now, AT_ONCE) {
        Ok(expired) => expired,
        Err(error) => return tracing::warn!(%error, "nothing is deleted by age now; tried again in an hour"),
    };
    let mut ordered = 0_u64;
    for (place, row) in &expired.rows {
        let cause = Cause { by: "siprec serve".to_owned(), reason: erasing.reason(*place), ordered_at: now.rfc3339() };
        match erasing.order(row, cause) {
            Ok(()) => {
                ordered += 1;
                let act = Act::new(Action::Expired).recording(row.id).session(row.session_id);
                pen.tell(act.with("rule", erasing.reason(*place)));
            }
            Err(error) => tracing::warn!(recording = %row.id, %error, "a recording whose time is over stays"),
        }
    }
    let (held, unstored) = (expired.held, expired.unstored);
    if ordered + held + unstored > 0 {
        tracing::info!(
            ordered,
            held,
            unstored,
            "recordings deleted by age (storage.retention_days, storage.retention)"
        );
    }
}

/// Whether the clock is good enough to destroy something by.
pub(super) fn is_trusted(disk: &dyn Disk, data: &Path, now: Wall) -> bool {
    // Two threads ask, and what the clock said is one file.
    let turn = change_lock(data).map_err(std::io::Error::other);
    let looked = turn.and_then(|_turn| Witness::look(disk, data, now));
    match looked {
        Ok(Trust::Steady) => true,
        Ok(Trust::From { at, news }) => {
            match news {
                Some(News::First) => tracing::info!(%at, "recordings are deleted by age only from then on"),
                Some(News::Leapt) => tracing::warn!(
                    until = %at,
                    "nothing is deleted by age before then: the clock has leapt, or no server ran for days; \
                     see what would go with `siprec archive expire --dry-run`"
                ),
                None => {}
            }
            false
        }
        Err(error) => {
            tracing::warn!(%error, "nothing is deleted by age now; tried again in an hour");
            false
        }
    }
}
