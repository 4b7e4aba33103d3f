//! The command line over the scenarios of this repository.

use std::process::ExitCode;

fn main() -> ExitCode {
    seedfast::cli::main(&seedfast_scenarios::all())
}
