//! The command line. [`main`] is all that a binary needs to offer it over scenarios of its own:
//!
//! ```no_run
//! # use seedfast_sim::Scenario;
//! # static MINE: [&dyn Scenario; 0] = [];
//! fn main() -> std::process::ExitCode {
//!     seedfast::cli::main(&MINE)
//! }
//! ```
//!
//! Exit codes: 0 all held; 1 an invariant was violated; 2 usage or environment, or a scenario that panicked when it drew
//! a plan or made a scene; 3 two runs of one seed differed. `show` judges nothing: 0 once the picture is written.
//!
//! A process or a scene must not call [`std::process::exit`] (or abort): it would end the whole program with an exit
//! code of its own and without a verdict, which nothing here can prevent. A process that gives up ends its life with
//! `Outbox::halt`, or panics. A CI job can tell by the last line of the output, or by the object of `--json`, which are
//! missing then.

use crate::duration;
use crate::events::Lane;
use crate::explore::{Media, NvmModel, Subject};
use crate::identity::Identity;
use crate::seeds::{Seeds, Shard};
use crate::text::Console;
use crate::trouble::Trouble;
use crate::{explore, panics, recording, replay, run, scenarios, show, shrink};
use clap::{Args, Parser, Subcommand};
use seedfast_sim::Scenario;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

/// Throws seeded schedules of faults at replicated services, judges every run, and replays any of them byte for byte.
#[derive(Parser)]
#[command(name = "seedfast", version, disable_help_subcommand = true)]
#[command(after_help = "Exit codes: 0 all held; 1 an invariant was violated; 2 usage or environment, or a \
                        scenario that panicked outside a run; 3 two runs of one seed differed. `show` judges nothing: \
                        0 once the picture is written.")]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run many seeds: by default all scenarios without a planted bug, for 20 seconds
    Run(Run),
    /// Add up what the parts of a campaign found (`run --shard I/N --out DIR`)
    Merge(Merge),
    /// Run one seed, or the bundle of a failed one, and look at it
    Replay(Replay),
    /// Find the simplest run that breaks the same invariant as a failed seed or bundle
    Shrink(Shrink),
    /// Draw one run, or the bundle of a failed one, as a picture in one HTML file
    Show(Show),
    /// Build every image that a crash may leave of a journal, recover it, and judge what is found
    Explore(Explore),
    /// List what can be run
    Scenarios {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// What `run` is told.
#[derive(Args)]
pub(crate) struct Run {
    /// Which scenarios; seeds are dealt among them
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenarios: Vec<String>,
    /// How many seeds from a base that follows from the build (20000), or which ones, the end excluded (100..200)
    #[arg(long, value_name = "N | A..B")]
    pub(crate) seeds: Option<Seeds>,
    /// How many seeds run beside each other [default: one for each processor]
    #[arg(long, short, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) jobs: Option<u16>,
    /// Begin no seed after this time (10m); with --seeds, whichever ends first
    #[arg(long = "for", value_name = "TIME", value_parser = nanoseconds)]
    pub(crate) limit: Option<Duration>,
    /// Run only the I-th of N parts of the seeds, counted from 1; `auto` reads both from Slurm, Kubernetes or CI,
    /// `auto/N` only which part
    #[arg(long, value_name = "I/N | auto")]
    pub(crate) shard: Option<Shard>,
    /// Print one JSON object instead of a summary
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) ci: ForCi,
    /// Where the bundles of failing seeds are written [default: seedfast-failures]; if given, also what the campaign
    /// found so far, for --resume and `merge`
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Go on where the campaign in --out was interrupted, or begin it; refuse another campaign's directory
    #[arg(long, requires = "out")]
    pub(crate) resume: bool,
    /// Breed schedules from those that reached new states of the protocol, beside fresh seeds (docs/guide.md)
    #[arg(long)]
    pub(crate) guide: bool,
    /// Keep the schedules that reached new states in this directory, and begin with those that are there
    #[arg(long, value_name = "DIR", requires = "guide")]
    pub(crate) corpus: Option<PathBuf>,
    /// Go on after a failure instead of stopping at the lowest seed that failed
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// Do not shrink the first failure of each kind afterwards (30 s each at most, 90 s in all)
    #[arg(long)]
    pub(crate) no_shrink: bool,
    /// How many seeds of a hundred are run twice and compared byte for byte; unless 0, the first of each scenario too
    #[arg(long, value_name = "PERCENT", default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) rerun: u8,
    /// How long one seed may take on the wall clock before it counts as looping for ever
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = nanoseconds)]
    pub(crate) watchdog: Duration,
}

/// What CI systems want to hear beside.
#[derive(Args)]
pub(crate) struct ForCi {
    /// Write what was found as JUnit XML, for CI
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Print what was found as annotations of GitHub Actions too; a step of GitHub Actions does anyway
    #[arg(long)]
    pub(crate) annotate: bool,
}

/// What `merge` is told.
#[derive(Args)]
pub(crate) struct Merge {
    /// Where the parts were written with --out, or a directory of such directories
    #[arg(value_name = "DIR", required = true)]
    pub(crate) directories: Vec<PathBuf>,
    /// Print one JSON object instead of a summary
    #[arg(long)]
    pub(crate) json: bool,
    /// Exit 0 if nothing broke in what is there, even if parts are missing or were interrupted
    #[arg(long)]
    pub(crate) partial: bool,
    #[command(flatten)]
    pub(crate) ci: ForCi,
}

/// What `explore` is told.
#[derive(Args)]
pub(crate) struct Explore {
    /// What is explored
    #[arg(value_enum)]
    pub(crate) subject: Subject,
    /// On which media
    #[arg(long, value_enum, default_value = "both")]
    pub(crate) media: Media,
    /// What a crash leaves of NVM [default: relaxed8]
    #[arg(long, value_enum)]
    pub(crate) model: Option<NvmModel>,
    /// How many seeds from a base that follows from the build, behind the named sequences; or which ones, and no others
    #[arg(long, value_name = "N | A..B")]
    pub(crate) seeds: Option<Seeds>,
    /// Begin no sequence after so many new images
    #[arg(long, value_name = "N")]
    pub(crate) images: Option<u64>,
    /// Begin no sequence after this time (10m) [default: 20s, without --seeds and --images]
    #[arg(long = "for", value_name = "TIME", value_parser = nanoseconds)]
    pub(crate) limit: Option<Duration>,
    /// How many sequences are explored beside each other [default: one for each processor]
    #[arg(long, short, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) jobs: Option<u16>,
    /// How many crashes may fall inside recoveries, one inside the recovery from another
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=4))]
    pub(crate) depth: u32,
    /// Print one JSON object instead of a summary
    #[arg(long)]
    pub(crate) json: bool,
    /// Where the case of a violation is written [default: seedfast-failures]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

/// What `replay` is told.
#[derive(Args)]
pub(crate) struct Replay {
    /// A scenario, followed by a seed; the bundle of a failed seed; or what a replica recorded, a file or all in a
    /// directory
    #[arg(value_name = "SCENARIO | BUNDLE | RECORDING")]
    pub(crate) what: String,
    /// The seed, after a scenario
    pub(crate) seed: Option<String>,
    /// Write the trace's canonical bytes; `xxh128sum` of the file is the trace's hash
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// Write the clients' history, one JSON object a line, in Jepsen's shape
    #[arg(long, value_name = "FILE")]
    pub(crate) history: Option<PathBuf>,
    /// Write the protocol's trace, one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub(crate) events: Option<PathBuf>,
    /// Stop at this simulated time (1.5s); in a recording, at this time of the replica's clock from its beginning, or
    /// behind this turn (1500), which is printed
    #[arg(long, value_name = "TIME | TURN")]
    pub(crate) until: Option<Until>,
    /// Print every event
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// With --verbose, only events of these nodes (1,2) and clients (c0), and faults that struck them or no single node
    #[arg(long, value_name = "N | cN", value_delimiter = ',', requires = "verbose")]
    pub(crate) node: Vec<Lane>,
    /// With --verbose, only events whose line contains one of these words (receive,crash)
    #[arg(long, value_name = "WORD", value_delimiter = ',', requires = "verbose")]
    pub(crate) kind: Vec<String>,
    /// Run it twice, in a cold world and in one that ran other seeds, and name the first event that differs
    #[arg(long)]
    pub(crate) check: bool,
    /// Write a bundle of this run, or a recording, without a byte of what was sent, stored or answered; it replays the
    /// same. Of a directory of recordings, this is the directory that they go to
    #[arg(long, value_name = "FILE | DIR")]
    pub(crate) redact: Option<PathBuf>,
    /// How long it may take on the wall clock before it counts as looping for ever; in a recording, how long one turn may
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = nanoseconds)]
    pub(crate) watchdog: Duration,
}

/// Where a replay stops.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    /// At this time.
    Time(Duration),
    /// Behind this turn.
    Turn(u64),
}

impl FromStr for Until {
    type Err = Trouble;

    fn from_str(text: &str) -> Result<Self, Trouble> {
        match text.parse() {
            Ok(turn) => Ok(Until::Turn(turn)),
            Err(_) => nanoseconds(text).map(Until::Time),
        }
    }
}

impl Replay {
    /// The simulated time at which a run stops.
    ///
    /// # Errors
    /// A turn was named: runs have many processes.
    pub(crate) fn until_time(&self) -> Result<Option<Duration>, Trouble> {
        match self.until {
            None => Ok(None),
            Some(Until::Time(time)) => Ok(Some(time)),
            Some(Until::Turn(turn)) => Err(Trouble::new(format!(
                "--until {turn}: turns are counted in recordings of one replica; name a simulated time, such as 1.5s"
            ))),
        }
    }
}

/// What `shrink` is told.
#[derive(Args)]
pub(crate) struct Shrink {
    /// A scenario, followed by a seed; or the bundle of a failed seed
    #[arg(value_name = "SCENARIO | BUNDLE")]
    pub(crate) what: String,
    /// The seed, after a scenario
    pub(crate) seed: Option<String>,
    /// Where the small bundle is written [default: SCENARIO-SEED-shrunk.repro; that of a bred schedule keeps its name]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Stop after this time, with the simplest that was found
    #[arg(long = "for", value_name = "TIME", default_value = "2m", value_parser = nanoseconds)]
    pub(crate) limit: Duration,
    /// How many cases are tried beside each other; changes nothing but the time [default: one for each processor]
    #[arg(long, short, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) jobs: Option<u16>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// How long one run may take on the wall clock before it counts as looping for ever
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = nanoseconds)]
    pub(crate) watchdog: Duration,
}

/// What `show` is told.
#[derive(Args)]
pub(crate) struct Show {
    /// A scenario, followed by a seed; or the bundle of a failed seed
    #[arg(value_name = "SCENARIO | BUNDLE")]
    pub(crate) what: String,
    /// The seed, after a scenario
    pub(crate) seed: Option<String>,
    /// Where the picture is written [default: SCENARIO-SEED.html]
    #[arg(long, value_name = "FILE.html")]
    pub(crate) out: Option<PathBuf>,
    /// How long it may take on the wall clock before it counts as looping for ever
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = nanoseconds)]
    pub(crate) watchdog: Duration,
}

fn nanoseconds(text: &str) -> Result<Duration, Trouble> {
    duration::parse(text).map(Duration::from_nanos)
}

/// The whole program: parses the arguments of the process, runs, and says how to exit.
pub fn main(scenarios: &[&'static dyn Scenario]) -> ExitCode {
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let mut console = Console {
        colour: out.is_terminal() && !plain,
        live: err.is_terminal(),
        out: &mut out,
        err: &mut err,
    };
    ExitCode::from(run_with(scenarios, std::env::args_os(), &mut console))
}

/// The same with given arguments (the program's name first) and output; gives the exit code.
pub fn run_with(
    scenarios: &[&'static dyn Scenario],
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    console: &mut Console<'_>,
) -> u8 {
    let parsed = match CommandLine::try_parse_from(arguments) {
        Ok(parsed) => parsed,
        Err(error) => {
            let text = error.render().to_string();
            if error.use_stderr() {
                console.note(&text);
                return 2;
            }
            return console.print(&text).map_or(2, |()| 0);
        }
    };
    panics::prepare();
    if let Err(trouble) = scenarios::distinct(scenarios) {
        console.note(&format!("error: {trouble}\n"));
        return 2;
    }
    let result = match parsed.command {
        Command::Merge(options) => crate::merge::merge(scenarios, &options, console),
        Command::Run(options) => run::run(scenarios, &options, console),
        Command::Replay(options) => replay(scenarios, &options, console),
        Command::Explore(options) => explore::explore(&options, console),
        Command::Shrink(options) => shrink::shrink(scenarios, &options, console),
        Command::Show(options) => show::show(scenarios, &options, console),
        Command::Scenarios { json } => scenarios::list(scenarios, json, console),
    };
    result.unwrap_or_else(|trouble| {
        console.note(&format!("error: {trouble}\n"));
        2
    })
}

/// Replays whatever it is that was named.
fn replay(
    scenarios: &[&'static dyn Scenario],
    options: &Replay,
    console: &mut Console<'_>,
) -> Result<u8, Trouble> {
    // With a seed it names a scenario, whatever lies in this directory under its name.
    let recordings = if options.seed.is_none() { recording::find(&options.what)? } else { None };
    if let Some(paths) = recordings {
        return recording::replay(&paths, options, console);
    }
    match explore::case_in(Path::new(&options.what))? {
        Some(case) => explore::replay(&case, console),
        None => replay::replay(scenarios, options, console),
    }
}

/// One line that says which build this is.
pub(crate) fn banner() -> String {
    let identity = Identity::current();
    let contracts = if identity.contracts { "on" } else { "off" };
    let (version, commit) = (env!("CARGO_PKG_VERSION"), identity.short_commit());
    if identity.is_ours() {
        return format!("seedfast {version}, commit {commit}, contracts {contracts}");
    }
    // The commit is not his: it says nothing of his scenarios.
    let executable = identity.executable.as_deref().unwrap_or("unknown");
    format!(
        "{} (executable {executable}) with seedfast {version}, seedfast commit {commit}, contracts {contracts}",
        identity.program
    )
}
