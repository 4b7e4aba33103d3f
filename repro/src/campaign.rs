//! A campaign: many seeds on many workers, one result that does not depend on how many.
//!
//! Workers report in any order; the collector merges in the order of the seeds, and stops at the lowest seed that
//! failed (unless told to keep going), so that `--jobs 1` and `--jobs 8` find the same failure and the same sums.

use crate::board::{Board, Item};
use crate::collect::Collector;
use crate::rerun::Mismatch;
use crate::seeds::Span;
use crate::tally::Tally;
use crate::trouble::Trouble;
use crate::worker::{self, Failure};
use seedfast_sim::Scenario;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// What to run and when to stop.
#[derive(Clone)]
pub struct Campaign {
    /// The scenarios among which seeds are dealt.
    pub scenarios: Vec<&'static dyn Scenario>,
    /// The seeds.
    pub span: Span,
    /// How many workers.
    pub jobs: usize,
    /// No seed begins after this time.
    pub limit: Option<Duration>,
    /// How many seeds of a hundred are run twice. Unless it is none, so is the first seed of each scenario.
    pub rerun_percent: u8,
    /// Whether to go on after a failure.
    pub keep_going: bool,
    /// How long one seed may take on the wall clock.
    pub watchdog: Duration,
}

/// Failures that look alike: the same invariant of the same scenario.
#[derive(Clone, Debug)]
pub struct Signature {
    /// How many seeds failed like this.
    pub seeds: u64,
    /// The lowest of them, confirmed; at most [`EXAMPLES`].
    pub examples: Vec<Failure>,
}

/// How many failures of one signature are kept.
pub const EXAMPLES: usize = 3;

/// A seed that never came to an end.
#[derive(Clone, Copy)]
pub struct Stuck {
    /// The scenario.
    pub scenario: &'static dyn Scenario,
    /// The seed.
    pub seed: u64,
    /// How long it had been running.
    pub after: Duration,
}

/// What a campaign found.
#[derive(Clone)]
pub struct Findings {
    /// The sums of each scenario, in the order in which they were given.
    pub scenarios: Vec<(&'static str, Tally)>,
    /// The sums of all of them.
    pub total: Tally,
    /// Failures by scenario and invariant.
    pub signatures: BTreeMap<(&'static str, String), Signature>,
    /// Runs that differed, lowest seeds first, a few of each scenario; the tallies count all of them.
    pub mismatches: Vec<Mismatch>,
    /// A seed that the watchdog ended the campaign for.
    pub stuck: Option<Stuck>,
    /// Time on the wall clock.
    pub wall: Duration,
}

impl Findings {
    /// 0 if all held, 1 if an invariant broke, 3 if two runs of one seed differed.
    pub fn exit_code(&self) -> u8 {
        match (self.total.rerun_mismatches, self.total.failures) {
            (1.., _) => 3,
            (0, 1..) => 1,
            (0, 0) => u8::from(self.stuck.is_some()),
        }
    }
}

/// How far a campaign is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Seeds run.
    pub seeds: u64,
    /// Seeds to run, if that is known.
    pub of: Option<u64>,
    /// Seeds that failed.
    pub failures: u64,
    /// Time so far.
    pub elapsed: Duration,
    /// The time limit.
    pub limit: Option<Duration>,
}

/// Why a campaign has no findings.
#[derive(Debug)]
pub enum Stopped {
    /// Something that the user can put right.
    Trouble(Trouble),
    /// The harness itself panicked: a bug in a scenario, an oracle or Seedfast.
    Panicked {
        /// What was being run.
        at: Option<(&'static str, u64)>,
        /// The panic's message and place.
        message: String,
    },
}

impl Campaign {
    /// Runs it; `tick` is called several times a second.
    ///
    /// # Errors
    /// If a scenario refuses its own plan or panics over it, or the harness panics.
    pub fn run(&self, tick: &mut dyn FnMut(&Progress)) -> Result<Findings, Stopped> {
        let began = Instant::now();
        let jobs = self.jobs.max(1);
        let deadline = self.limit.map(|limit| began + limit);
        let board = Arc::new(Board::new(self.scenarios.clone(), self.span, jobs, deadline));
        let (sender, reports) = mpsc::channel();
        for worker in 0..jobs {
            let (shared, sender, percent) = (board.clone(), sender.clone(), self.rerun_percent);
            let thread = std::thread::Builder::new().name(format!("worker {worker}"));
            if let Err(error) = thread.spawn(move || worker::work(worker, &shared, percent, &sender)) {
                board.close();
                let sentence =
                    format!("worker {worker} of {jobs} cannot be started: {error}; ask for fewer --jobs");
                return Err(Stopped::Trouble(Trouble::new(sentence)));
            }
        }
        drop(sender);

        let mut collector = Collector::new(self, &board);
        let mut ticked = began;
        loop {
            // Workers own the other ends: when all of them are gone, everything is in.
            match reports.recv_timeout(TICK) {
                Ok(reports) => collector.take(reports).inspect_err(|_| board.close())?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if collector.is_over {
                // What still runs are seeds beyond the one that ended it.
                board.close();
                break;
            }
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                tick(&collector.progress(began.elapsed()));
                collector.stuck = self.stuck(&board, jobs);
                if collector.stuck.is_some() {
                    board.close();
                    break;
                }
            }
        }
        Ok(collector.finish(began.elapsed()))
    }

    /// The lowest seed that is being run, if it has been running for too long. A higher one waits its turn, so that
    /// the seed that is named does not depend on which worker was faster.
    fn stuck(&self, board: &Board, jobs: usize) -> Option<Stuck> {
        let lowest = (0..jobs).filter_map(|worker| board.doing(worker)).min_by_key(|(item, _)| item.index);
        let (Item { scenario, seed, .. }, since) = lowest?;
        let after = since.elapsed();
        (after > self.watchdog).then_some(Stuck { scenario, seed, after })
    }
}

/// How often progress is told and the watchdog looks.
const TICK: Duration = Duration::from_millis(100);
