//! The flight recorder of a replica (`docs/recording.md`): what it is told goes to files, beside its work and never in its
//! way.
//!
//! [`shelf`] is the directory and its bound, [`tape`] the thread that writes one recording.

mod shelf;
mod tape;

use crate::seat::Seat;
use crate::size;
use crate::trouble::Trouble;
use clap::Args;
use seedfast_core::paxos::Config;
use seedfast_core::recording::{End, Recorder};
use seedfast_core::runtime::Runtime;
use seedfast_core::runtime::drive::{Ended, Stop, Tap};
use seedfast_core::{Duration, Input, NodeId, Now, Output, Start};
use seedfast_kv::{Limits, recorded};
use seedfast_runtime_real::RealRuntime;
use shelf::Shelf;
use std::cell::Cell;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::rc::Rc;
use tape::Tape;
use tracing::info;

/// A replica that restarts itself to be recorded again does so no more often than this ...
const SELDOM: Duration = Duration::from_secs(60);
/// ... and so much later for each number below its own: replicas that fill up together are not away together.
const APART: Duration = Duration::from_secs(10);
/// How often it is looked whether it may.
const GLANCE: Duration = Duration::from_millis(500);

/// What is recorded, and where.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Record everything that this replica is told into this directory, for `seedfast replay`; it holds what clients
    /// stored
    #[arg(long = "record", value_name = "DIR")]
    directory: Option<PathBuf>,
    /// How large all recordings of this replica may become together; the oldest go first
    #[arg(
        long = "record-limit",
        value_name = "SIZE",
        default_value = "1GiB",
        value_parser = limit,
        requires = "directory"
    )]
    limit: u64,
    /// When a recording is full, restart as soon as this replica does not lead, so that the next one begins
    #[arg(long = "record-restart", requires = "directory")]
    restart: bool,
}

fn limit(text: &str) -> Result<u64, String> {
    match size::parse(text)? {
        bytes @ 0x10_0000.. => Ok(bytes),
        _ => Err("a recording needs at least 1MiB".into()),
    }
}

/// Watches a life, and records it if that was asked for.
pub(crate) struct Record {
    recorder: Option<Recorder<Tape>>,
    seat: Seat,
    /// The recording ended while the replica served: another life has something to record.
    full: Rc<Cell<bool>>,
    /// Whether the recording was seen to have ended.
    over: bool,
    restart: bool,
    again: Rc<Cell<bool>>,
}

impl Record {
    /// Begins the recording of a life that begins with `start`.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub(crate) fn begin(
        options: &Options,
        config: &Config,
        limits: Limits,
        start: &Start,
        seat: Seat,
        now: Now,
    ) -> Result<Self, Trouble> {
        let recorder = match &options.directory {
            None => None,
            Some(directory) => {
                let shelf = Shelf::open(directory, start.node, options.limit)?;
                let header = recorded::header(config, limits, start, now.wall);
                Some(Recorder::new(&header, Tape::begin(shelf)?))
            }
        };
        let (full, again) = Default::default();
        Ok(Record { recorder, seat, full, over: false, restart: options.restart, again })
    }

    /// Ends the life when its recording is full and it does not lead, if that was asked for.
    pub(crate) fn renew(&self, runtime: &RealRuntime, node: NodeId, stop: Stop) {
        if !self.restart || self.recorder.is_none() {
            return;
        }
        let (clock, seat) = (runtime.clone(), self.seat.clone());
        let (full, again) = (self.full.clone(), self.again.clone());
        runtime.spawn(async move {
            let from = clock.now().monotonic + SELDOM + APART.times(node.0.into());
            let follows = || seat.standing().is_some_and(|standing| standing.leads.is_none());
            while !full.get() || clock.now().monotonic < from || !follows() {
                clock.sleep(clock.now().monotonic + GLANCE).await;
            }
            info!("the replica restarts, so that it is recorded again");
            again.set(true);
            stop.ask();
        });
    }

    /// The life is over. Returns whether the next one is to begin at once.
    pub(crate) fn end(self, ended: &Ended) -> bool {
        if let Some(recorder) = self.recorder {
            recorder.finish(match ended {
                Ended::Stopped => End::Stopped,
                Ended::Halted(_) => End::Halted,
            });
        }
        self.again.get()
    }
}

impl Tap for Record {
    fn input(&mut self, now: Now, input: &Input) {
        if let Some(recorder) = &mut self.recorder {
            recorder.input(now, input);
        }
    }

    fn outputs(&mut self, outputs: &[Output]) {
        if let Some(recorder) = &mut self.recorder {
            recorder.outputs(outputs);
        }
    }

    fn burst(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            recorder.burst();
            // A recovery that fills a recording by itself would do so again.
            if recorder.ended().is_some() && !self.over {
                self.over = true;
                self.full.set(self.seat.began());
            }
        }
    }
}

/// Becomes the same program again, told the same: a restart in full, by this process. Returns only if that fails.
pub(crate) fn again() -> Trouble {
    let mut arguments = std::env::args_os();
    // The program as it was started, even if its file was replaced meanwhile.
    let mut program = std::process::Command::new("/proc/self/exe");
    if let Some(name) = arguments.next() {
        program.arg0(name);
    }
    let why = program.args(arguments).exec();
    Trouble::halted(format!(
        "the replica ended to be recorded again and could not restart itself: {why}; start it"
    ))
}
