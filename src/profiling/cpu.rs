//! Where the process spends processor time: the pprof crate's timer and signal, for as long as somebody asks.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use pprof::protos::Message as _;
use pprof::{ProfilerGuardBuilder, Report};

use super::flame::Flame;
use super::gzip::gzip;

/// Samples in a second of processor time; not 100, which beats with what happens each 10 ms.
const FREQUENCY: i32 = 99;
/// Code that a stack is not followed from: the unwinder's own, and what the kernel put there.
const NOT_FROM: [&str; 2] = ["libgcc", "vdso"];

/// One profile at a time: there is one timer in a process.
static TURN: Mutex<()> = Mutex::new(());

/// As `go tool pprof` reads it.
pub(super) fn profile(time: Duration) -> anyhow::Result<Vec<u8>> {
    Ok(gzip(&sampled(time)?.pprof()?.encode_to_vec()))
}

/// As a picture.
pub(super) fn flame_graph(time: Duration) -> anyhow::Result<Vec<u8>> {
    let report = sampled(time)?;
    if report.data.is_empty() {
        bail!("the process used no processor time worth a sample: give more seconds");
    }
    let mut flame = Flame::default();
    for (stack, samples) in &report.data {
        let calls = stack.frames.iter().rev().flat_map(|frame| frame.iter().rev().map(ToString::to_string));
        flame.add(std::iter::once(stack.thread_name_or_id()).chain(calls), u64::try_from(*samples).unwrap_or(0));
    }
    Ok(flame.svg().into())
}

fn sampled(time: Duration) -> anyhow::Result<Report> {
    let Ok(_turn) = TURN.try_lock() else {
        bail!("somebody else takes a profile: ask again when it is done");
    };
    let taking = ProfilerGuardBuilder::default().frequency(FREQUENCY).blocklist(&NOT_FROM).build();
    let taking = taking.context("processor time cannot be sampled")?;
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        // Nobody wakes it: what is waited for is time.
        std::thread::park_timeout(left);
    }
    Ok(taking.report().build()?)
}
