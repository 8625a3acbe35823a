//! Who holds memory: an allocator round mimalloc that notes one allocation in 512 KiB, with its stack, until it is given back.
//!
//! ```text
//! alloc   -> mimalloc -> (on) this thread's count of octets -> 0: stack, table, filter
//! dealloc -> (on) filter: nothing of that hash was noted, as nearly always -> mimalloc
//! ```
//! Off, as without `--pprof`, it costs the load of a flag. What the table itself needs is not noted: it would wait for itself.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use mimalloc::MiMalloc;

use super::gzip::gzip;
use super::profile::{Builder, Kind};

/// Octets from one sample to the next, in the mean.
const RATE: usize = 512 * 1024;
/// Frames of a stack.
const DEPTH: usize = 48;
/// Samples that are kept; 32 GiB of memory in use are so many.
const MAX_SAMPLES: usize = 65_536;
const FILTER_BITS: u32 = 16;

static IS_ON: AtomicBool = AtomicBool::new(false);
static SEED: AtomicU64 = AtomicU64::new(0);
/// How many samples there are of each hash of addresses.
static FILTER: [AtomicU16; 1 << FILTER_BITS] = [const { AtomicU16::new(0) }; 1 << FILTER_BITS];
static SAMPLES: Mutex<BTreeMap<usize, Sample>> = Mutex::new(BTreeMap::new());

thread_local! {
    /// Octets to this thread's next sample; none: not drawn yet.
    static LEFT: Cell<Option<i64>> = const { Cell::new(None) };
    /// This thread is at the table: what it allocates is the table's.
    static IS_INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// The allocator of the binary.
#[derive(Debug, Clone, Copy)]
pub struct Heap;

/// An allocation that was noted and is still in use.
#[derive(Debug, Clone, Copy)]
struct Sample {
    size: usize,
    stack: [usize; DEPTH],
}

// SAFETY: all memory is mimalloc's, by the layouts as given; beside that nothing is done to it. What is noted neither unwinds nor
// allocates without end: a thread that is at the table is not noted.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise about `layout` is handed on.
        let pointer = unsafe { MiMalloc.alloc(layout) };
        if IS_ON.load(Ordering::Relaxed) {
            took(pointer, layout.size());
        }
        pointer
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise about `layout` is handed on.
        let pointer = unsafe { MiMalloc.alloc_zeroed(layout) };
        if IS_ON.load(Ordering::Relaxed) {
            took(pointer, layout.size());
        }
        pointer
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if IS_ON.load(Ordering::Relaxed) {
            gave(pointer);
        }
        // SAFETY: `pointer` came from mimalloc by this layout, as the caller promises.
        unsafe { MiMalloc.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let is_on = IS_ON.load(Ordering::Relaxed);
        if is_on {
            // Before: another thread may get its address at once.
            gave(pointer);
        }
        // SAFETY: `pointer` came from mimalloc by this layout, and `size` is as the caller promises.
        let moved = unsafe { MiMalloc.realloc(pointer, layout, size) };
        if is_on {
            took(moved, size);
        }
        moved
    }
}

/// Notes allocations from now on, where [`Heap`] is the allocator.
pub(super) fn sample() {
    IS_ON.store(true, Ordering::Relaxed);
}

#[inline]
fn took(pointer: *mut u8, size: usize) {
    // A thread that ends has no count any more.
    let _ = LEFT.try_with(|left| {
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        let rest = left.get().unwrap_or_else(draw).saturating_sub(size);
        left.set(Some(rest));
        if rest < 0 {
            left.set(Some(draw()));
            note(pointer, size);
        }
    });
}

#[inline]
fn gave(pointer: *mut u8) {
    if FILTER[hash(pointer.addr())].load(Ordering::Relaxed) > 0 {
        at_table(|samples| {
            if samples.remove(&pointer.addr()).is_some() {
                FILTER[hash(pointer.addr())].fetch_sub(1, Ordering::Relaxed);
            }
        });
    }
}

#[cold]
fn note(pointer: *mut u8, size: i64) {
    if pointer.is_null() {
        return;
    }
    at_table(|samples| {
        if samples.len() < MAX_SAMPLES {
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            samples.insert(pointer.addr(), Sample { size, stack: stack() });
            // Whoever gives it back has its address from here, and sees this.
            FILTER[hash(pointer.addr())].fetch_add(1, Ordering::Relaxed);
        }
    });
}

/// Does something with the table, unless this thread is at it already.
fn at_table(work: impl FnOnce(&mut MutexGuard<'_, BTreeMap<usize, Sample>>)) {
    let _ = IS_INSIDE.try_with(|inside| {
        if !inside.replace(true) {
            work(&mut SAMPLES.lock().unwrap_or_else(PoisonError::into_inner));
            inside.set(false);
        }
    });
}

fn hash(address: usize) -> usize {
    (address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_shr(64 - FILTER_BITS) as usize
}

/// Octets to the next sample: exponentially distributed, so that no pattern of sizes hides from it.
fn draw() -> i64 {
    let mut z = SEED.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    let uniform = ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64;
    (-(1.0 - uniform).ln() * RATE as f64) as i64
}

fn stack() -> [usize; DEPTH] {
    let mut stack = [0; DEPTH];
    let mut places = stack.iter_mut();
    // SAFETY: what has to be synchronised are tables of symbols, which are not looked at here; the unwinder has no state of its own.
    unsafe {
        backtrace::trace_unsynchronized(|frame| places.next().map(|place| *place = frame.ip().addr()).is_some());
    }
    stack
}

/// What is in use, as `go tool pprof` reads it.
pub(super) fn profile() -> Vec<u8> {
    let mut samples = Vec::new();
    at_table(|table| samples.extend(table.values().copied()));
    let mut by_stack: BTreeMap<[usize; DEPTH], [f64; 2]> = BTreeMap::new();
    for Sample { size, stack } in samples {
        // An allocation of this size is noted with this probability: so many were there for each that was.
        let times = 1.0 / (1.0 - (-(size as f64) / RATE as f64).exp());
        let [count, octets] = by_stack.entry(stack).or_default();
        *count += times;
        *octets += times * size as f64;
    }
    let kinds = [Kind { of: "inuse_objects", unit: "count" }, Kind { of: "inuse_space", unit: "bytes" }];
    let mut builder = Builder::new(kinds, Kind { of: "space", unit: "bytes" }, RATE as i64);
    for (stack, [count, octets]) in by_stack {
        let frames = stack.into_iter().take_while(|&frame| frame != 0);
        builder.sample(frames, [count.round() as i64, octets.round() as i64]);
    }
    gzip(&builder.finish(SystemTime::now()))
}
