//! The binary: parse, run, exit code. All else is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    siprec::cmd::main()
}
