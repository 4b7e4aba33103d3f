//! The command line.

use crate::cluster::{Address, Cluster, Replica};
use crate::log::Log;
use crate::offline;
use crate::record;
use crate::size;
use crate::trouble::Trouble;
use clap::{Args, Parser, Subcommand};
use seedfast_core::NodeId;
use std::path::PathBuf;

/// A linearizable key-value store, replicated by multi-Paxos, that speaks the Redis protocol.
#[derive(Parser)]
#[command(name = "seedfast-kv", version, disable_help_subcommand = true)]
#[command(after_help = "To try it out: `seedfast-kv local`. docs/server.md is the operator's manual.\n\n\
                        Exit codes: 0 done, or ended as it was asked to; 1 what `inspect`, `verify`, `backup` or \
                        `restore` was given is damaged; \
                        2 wrong usage, or this machine or this data directory does not allow it, and nothing was \
                        changed; 3 a running replica could not go on.")]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make the data directory of a replica
    Format(Format),
    /// Run a replica on its data directory
    Serve(Serve),
    /// Format and run a whole cluster on this machine, for trying out
    Local(Local),
    /// Say what is in a data directory, and what is wrong with it
    Inspect(offline::cli::Inspect),
    /// Say whether a replica would start from a data directory, and with what
    Verify(offline::cli::Verify),
    /// Save what a stopped replica holds in one file
    Backup(offline::cli::Backup),
    /// Make a data directory from backups: of a new cluster, or of a replacement that never votes
    Restore(offline::cli::Restore),
}

/// Which replica of which cluster.
#[derive(Args)]
pub(crate) struct Who {
    /// The number of this replica, 0 to 63
    #[arg(long, value_name = "N", value_parser = node)]
    pub(crate) id: NodeId,
    /// All replicas: 1=HOST:PORT,2=HOST:PORT,...; where peers meet, and behind a slash where clients are served if that
    /// is not 1000 ports above: 1=10.0.0.1:7101/6379
    #[arg(long, value_name = "LIST")]
    pub(crate) cluster: Cluster,
}

impl Who {
    /// This replica, as the cluster knows it.
    ///
    /// # Errors
    /// The cluster does not know it.
    pub(crate) fn replica(&self) -> Result<&Replica, Trouble> {
        self.cluster.replica(self.id).map_err(Trouble::usage)
    }
}

/// What `format` is told.
#[derive(Args)]
pub(crate) struct Format {
    #[command(flatten)]
    pub(crate) who: Who,
    /// The data directory to make; it must not exist, or be empty
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Tells clusters apart by this name instead of by their peers' addresses, so that these may change later
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub(crate) name: Option<String>,
    /// How large the journal is, the same on every replica; it bounds what can be stored (docs/server.md)
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = size::parse)]
    pub(crate) size: u64,
    /// The journal lies on persistent memory: it is mapped and stored to (elsewhere than on DAX with msync)
    #[arg(long)]
    pub(crate) nvm: bool,
    /// This directory takes the place of one that was lost: the replica learns and never votes, because nobody knows
    /// what it had promised
    #[arg(long)]
    pub(crate) replacement: bool,
}

/// What `serve` is told.
#[derive(Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) who: Who,
    /// The data directory
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Where to wait for clients [default: as --cluster says]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listen: Option<Address>,
    /// Where to wait for the other replicas [default: as --cluster says]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listen_peers: Option<Address>,
    /// Serve native clients there: sessions, and commands that are carried out once however often they are sent
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) native: Option<Address>,
    /// Serve /livez, /readyz and /metrics over HTTP there
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) metrics: Option<Address>,
    /// Spin instead of sleeping, while nobody else wants the processor: the lowest latency, for a whole processor
    #[arg(long)]
    pub(crate) busy_poll: bool,
    /// End when standard input does: for a replica that must not outlive who started it
    #[arg(long)]
    pub(crate) with_parent: bool,
    #[command(flatten)]
    pub(crate) record: record::Options,
    #[command(flatten)]
    pub(crate) log: Log,
}

/// What `local` is told.
#[derive(Args)]
pub(crate) struct Local {
    /// How many replicas
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=9))]
    pub(crate) nodes: u8,
    /// Keep the data there, and go on with what is there [default: a temporary directory, removed at the end]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The first replica serves clients on this port, the others on those behind it; peers meet 10000 above
    #[arg(long, default_value_t = 6379, value_parser = clap::value_parser!(u16).range(1..=55000))]
    pub(crate) port: u16,
    /// How large each journal is
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = size::parse)]
    pub(crate) size: u64,
    #[command(flatten)]
    pub(crate) log: Log,
}

fn node(text: &str) -> Result<NodeId, String> {
    match text.parse() {
        Ok(number @ 0..=63) => Ok(NodeId(number)),
        _ => Err("replicas have numbers from 0 to 63".into()),
    }
}

pub(crate) fn name(text: &str) -> Result<String, String> {
    let sane = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match text.len() {
        1..=64 if text.chars().all(sane) => Ok(text.into()),
        _ => Err("a name has 1 to 64 letters, digits, dots, dashes and underscores".into()),
    }
}
