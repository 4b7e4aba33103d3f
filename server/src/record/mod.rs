//! The flight recorder of a replica (`docs/recording.md`): what it is told goes to files, beside its work and never in its
//! way.
//!
//! [`shelf`] is the directory and its bound, [`tape`] the thread that writes one recording, [`pages`] how its file grows,
//! [`renew`] how a life ends for the sake of the next recording.

mod pages;
mod renew;
mod shelf;
mod tape;

use crate::seat::Seat;
use crate::size;
use crate::trouble::Trouble;
use clap::Args;
pub(crate) use renew::again;
use renew::{Renewal, is_again, is_worth};
use seedfast_core::paxos::Config;
use seedfast_core::recording::{End, Recorder};
use seedfast_core::runtime::drive::{Ended, Tap};
use seedfast_core::transport::Watch;
use seedfast_core::{Input, NodeId, Now, Output, PeerSet, Start};
use seedfast_kv::{Limits, recorded};
use seedfast_runtime_real::RealRuntime;
use shelf::Shelf;
use std::cell::Cell;
use std::future::Future;
use std::path::PathBuf;
use std::rc::Rc;
use tape::Tape;
use tracing::warn;

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
    /// When a recording is full, restart so that the next one begins, as soon as this replica does not lead and hears from
    /// all others, but not within so many seconds after its start
    #[arg(
        long = "record-restart",
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "60",
        value_parser = clap::value_parser!(u32).range(1..=86_400),
        requires = "directory"
    )]
    restart: Option<u32>,
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
    /// The recording became full while the replica served: another life has something to record.
    full: Rc<Cell<bool>>,
    /// Whether the recording was seen to have ended.
    over: bool,
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
        let tape = |directory| Shelf::open(directory, start.node, options.limit).and_then(Tape::begin);
        let tape = match options.directory.as_deref().map(tape) {
            // Nobody asked for this life, so nobody is there to name another directory.
            Some(Err(why)) if is_again() => {
                warn!("the replica serves without being recorded: {why}");
                None
            }
            tape => tape.transpose()?,
        };
        let header = || recorded::header(config, limits, start, now.wall);
        let recorder = tape.map(|tape| Recorder::new(&header(), tape));
        Ok(Record { recorder, seat, full: Rc::default(), over: false })
    }

    /// Ready once the life should end because its recording is full, if that was asked for: then the next one is to begin at
    /// once.
    pub(crate) fn renewal(
        &self,
        options: &Options,
        runtime: &RealRuntime,
        node: NodeId,
        voters: PeerSet,
        mesh: Watch<RealRuntime>,
    ) -> impl Future<Output = ()> + 'static {
        let (clock, others) = (runtime.clone(), voters.without(node));
        let (options, seat, full) = (options.clone(), self.seat.clone(), self.full.clone());
        Renewal { options, seat, full, node, others, mesh }.due(clock)
    }

    /// The life is over.
    pub(crate) fn end(self, ended: &Ended) {
        if let Some(recorder) = self.recorder {
            recorder.finish(match ended {
                Ended::Stopped => End::Stopped,
                Ended::Halted(_) => End::Halted,
            });
        }
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
            if let Some(end) = recorder.ended().filter(|_| !self.over) {
                self.over = true;
                self.full.set(is_worth(end, self.seat.began()));
            }
        }
    }
}
