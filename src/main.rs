//! The binary: parse, run, exit code. All else is in the library beside it.

use std::process::ExitCode;

/// Embedders choose their own. Round mimalloc: without `--pprof` it costs the load of a flag.
#[cfg(feature = "pprof")]
#[global_allocator]
static ALLOCATOR: siprec::profiling::Heap = siprec::profiling::Heap;

#[cfg(not(feature = "pprof"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    siprec::cmd::main()
}
