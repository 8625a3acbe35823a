//! How far reading is.

use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The progress line is drawn so many times a second.
const DRAWS_PER_SECOND: u8 = 10;

/// A bar for `bytes` (none: not known), on a terminal and where it is `wanted`; else it is not seen.
pub(crate) fn reading(wanted: bool, bytes: Option<u64>) -> ProgressBar {
    let template = match bytes {
        Some(_) => "{bar:30} {percent:>3} %  {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left",
        None => "{bytes} read  {bytes_per_sec}",
    };
    bar(wanted, bytes, template)
}

/// The same for things that are counted.
#[cfg(feature = "api")]
pub(crate) fn counting(wanted: bool, things: usize) -> ProgressBar {
    bar(wanted, u64::try_from(things).ok(), "{bar:30} {pos}/{len}  {eta} left")
}

fn bar(wanted: bool, length: Option<u64>, template: &str) -> ProgressBar {
    let shown = wanted && io::stderr().is_terminal();
    let target =
        if shown { ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND) } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(length, target);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
