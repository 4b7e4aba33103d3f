//! The command line of what is done to a data directory that nobody serves from.

use clap::Args;
use std::path::PathBuf;

const CODES: &str = "Exit codes: 0 sound; 1 something is wrong with it, as the output says; 2 wrong usage, no journal, or a \
                     replica serves from it.\n\nNothing is ever changed. A data directory that a replica serves from is \
                     refused. docs/journal.md has the format and the rows.";

/// What `inspect` is told.
#[derive(Args)]
#[command(after_help = CODES)]
pub(crate) struct Inspect {
    /// A data directory, a journal, or a backup
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// List every record of the log, those that do not count too
    #[arg(long)]
    pub(crate) records: bool,
    /// Only records about this slot
    #[arg(long, value_name = "N", requires = "records")]
    pub(crate) slot: Option<u64>,
    /// Print JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `verify` is told.
#[derive(Args)]
#[command(after_help = CODES)]
pub(crate) struct Verify {
    /// A data directory, a journal, or a backup
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// Print JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}
