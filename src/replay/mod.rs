//! `siprec replay`: captures through the same core, offline and faster than life.

mod options;

pub use options::Options;

/// Replays the files.
///
/// # Errors
/// If any of them could not be read or recorded whole.
pub fn run(_options: Options) -> anyhow::Result<()> {
    anyhow::bail!("replay is not part of this build")
}
