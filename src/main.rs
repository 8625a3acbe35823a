//! The binary: parse, run, exit code. All else is in the library beside it.

use std::process::ExitCode;

/// Embedders choose their own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    siprec::cmd::main()
}
