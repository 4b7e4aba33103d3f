//! The command line over the scenarios of this repository.

use seedfast_scenarios::toy::{TOY, TOY_DOUBLE_VOTE};
use std::process::ExitCode;

fn main() -> ExitCode {
    seedfast::cli::main(&[&TOY, &TOY_DOUBLE_VOTE])
}
