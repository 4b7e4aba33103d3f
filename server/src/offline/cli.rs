//! The command line of what is done to a data directory that nobody serves from.

use crate::cli::{Who, name};
use crate::size;
use clap::{ArgGroup, Args};
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

/// What `backup` is told.
#[derive(Args)]
#[command(
    after_help = "The file holds what counts of one journal, checksummed. It is read back before the command ends. \
                        Exit codes: 0 done; 1 the journal has no whole state to save, as the output says; 2 wrong usage, \
                        or a replica serves from the directory. The data directory is not changed.\n\nA backup of one \
                        replica holds everything that this replica knew. Backups of a majority, restored together, hold \
                        every write that was acknowledged before the first of them was made. docs/backup.md has the whole."
)]
pub(crate) struct Backup {
    /// The data directory of a stopped replica
    #[arg(value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The file to make; it must not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) to: PathBuf,
}

/// What `restore` is told.
#[derive(Args)]
#[command(group = ArgGroup::new("mode").required(true).args(["found", "replace"]))]
#[command(
    after_help = "A replica cannot come back as it was: it would have forgotten what it promised since, and values \
                        that were decided could be decided anew. So it is one of two:\n\n--found NAME: a new cluster. \
                        Restore every replica of it from the same files, with the same NAME, LIST and size, and each of \
                        them once. Its identity follows from the files, so that replicas restored from others do not \
                        join it. The old cluster must not run on.\n\n--replace: a replica of the old cluster that was \
                        lost, with a head start. It learns what it lacks from the others, and never votes again.\n\n\
                        Exit codes: 0 done; 1 a backup is damaged, or what it holds does not start; 2 wrong usage. \
                        Unless it is 0, no data directory was made. docs/backup.md has the whole."
)]
pub(crate) struct Restore {
    /// Backups of one cluster, of as many of its replicas as there are
    #[arg(value_name = "FILE", required = true)]
    pub(crate) backups: Vec<PathBuf>,
    /// The data directory to make; it must not exist, or be empty
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    #[command(flatten)]
    pub(crate) who: Who,
    /// Found a new cluster of this name
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub(crate) found: Option<String>,
    /// Take the place of a lost replica of the cluster that the backup is of
    #[arg(long)]
    pub(crate) replace: bool,
    /// How large the journal is, the same on every replica [default: as it was]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) size: Option<u64>,
    /// The journal lies on persistent memory
    #[arg(long)]
    pub(crate) nvm: bool,
}
