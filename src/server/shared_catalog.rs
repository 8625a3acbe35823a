//! The catalog in PostgreSQL, from a server that does not wait for it: it is asked from a thread of its own, until it
//! answers. Meanwhile recording goes on; what was recorded is in journals and sheets, and its rows are put in later.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::archive::catalog::{Address, Catalog};
use crate::archive::disk::Disk;
use crate::archive::recordings;

/// The wait after the first failure, doubled each time.
const FIRST_WAIT: Duration = Duration::from_secs(2);

/// Up to this.
const LAST_WAIT: Duration = Duration::from_secs(60);

/// The thread asks for as long as this is there.
#[derive(Debug)]
pub(super) struct Asking {
    _stop: Sender<()>,
}

/// Asks until the catalog has answered and has all that lies in the data directory.
pub(super) fn ask(
    disk: Arc<dyn Disk>,
    data: PathBuf,
    catalog: Arc<Catalog>,
    address: &Address,
) -> std::io::Result<Asking> {
    let (stop, stopped) = channel();
    let address = address.to_string();
    let work = move || {
        let mut wait = FIRST_WAIT;
        while let Err(error) = recordings::refill(&*disk, &data, &catalog).map(|rebuilt| match rebuilt {
            Some(rebuilt) => {
                let (recordings, left_out) = (rebuilt.recordings, rebuilt.left_out);
                tracing::warn!(
                    address,
                    recordings,
                    left_out,
                    "the catalog knew nothing of this server and has its sheets now"
                );
            }
            None => tracing::info!(address, "the catalog is in PostgreSQL"),
        }) {
            tracing::error!(
                %error, again_in_s = wait.as_secs(),
                "NO CATALOG: calls are recorded, but cannot be found until it answers; their rows are put in then"
            );
            match stopped.recv_timeout(wait) {
                Err(RecvTimeoutError::Timeout) => wait = (wait * 2).min(LAST_WAIT),
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    };
    std::thread::Builder::new().name("catalog".into()).spawn(work)?;
    Ok(Asking { _stop: stop })
}
